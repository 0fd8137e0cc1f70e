"""Labelled black-and-white images: a folder of IDX files, or scikit-learn's 8 x 8 digits where there is none."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from theorytest.errors import InputError

IMAGES, LABELS = 2051, 2049  # magic numbers: unsigned bytes, three axes and one


@dataclass(frozen=True)
class Images:
    """Training and test images (count, pixels) of zeros and ones, and their labels 0 to 9."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes of an IDX file, plain or gzipped. Raises `InputError` for anything else."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        (magic,) = struct.unpack(">I", data[:4])
        if magic not in (IMAGES, LABELS):
            raise ValueError(f"its magic number is {magic}, needed {IMAGES} or {LABELS}")
        axes = magic & 255
        shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
        held = np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes)
        if held.size != int(np.prod(shape)):
            raise ValueError(f"it has {held.size} bytes of data, its header says {shape}")
        return held.reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(f"{path} is not an IDX file that can be read: {error}") from error


def read_folder(folder: Path) -> Images:
    """Images and labels of a folder with the four files of MNIST or Fashion-MNIST; a pixel of 128 or more is white."""

    def one(kind: str, part: str) -> np.ndarray:
        found = sorted(p for p in folder.iterdir() if p.name.startswith(kind) and part in p.name and "idx" in p.name)
        if not found:
            raise InputError(
                f"{folder} has no file {kind}-{part}-idx*, needed the four IDX files of MNIST or Fashion-MNIST "
                "(train-images, train-labels, t10k-images, t10k-labels; plain or .gz)"
            )
        return read_idx(found[0])

    made = {(kind, part): one(kind, part) for kind in ("train", "t10k") for part in ("images", "labels")}
    for kind in ("train", "t10k"):
        if made[kind, "images"].ndim != 3 or len(made[kind, "images"]) != len(made[kind, "labels"]):
            raise InputError(
                f"{folder}: {made[kind, 'images'].shape} {kind} images and {made[kind, 'labels'].shape} labels, "
                "needed one label an image"
            )
    train, test = ((made[kind, "images"] >= 128).astype(np.uint8) for kind in ("train", "t10k"))
    name = "Fashion-MNIST" if "fashion" in str(folder).lower() else "MNIST"
    return Images(
        name,
        train.reshape(len(train), -1),
        made["train", "labels"].astype(int),
        test.reshape(len(test), -1),
        made["t10k", "labels"].astype(int),
    )


def digits(seed: int) -> Images:
    """scikit-learn's 1797 digits, 64 pixels, white from 8 of 16; 300 of them for testing."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "the digits come with scikit-learn: pip install 'theorytest[data]', or give --data a folder of IDX files"
        ) from error
    data, target = load_digits(return_X_y=True)
    order = np.random.default_rng([seed, 64]).permutation(len(target))
    pixels, labels = (data[order] >= 8).astype(np.uint8), np.asarray(target)[order].astype(int)
    return Images("digits", pixels[300:], labels[300:], pixels[:300], labels[:300])


__all__ = ["Images", "digits", "read_folder", "read_idx"]
