"""Predictors in the log domain against direct products and autograd; images from IDX files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from theorytest.errors import InputError
from theorytest.reproduce.engine import Context, Plan, run
from theorytest.reproduce.images import digits, read_folder, read_idx
from theorytest.reproduce.products import Products

KIND = Context().tensor


def small(order: int = 6, rank: int = 3, samples: int = 40, batch: int = 10) -> Products:
    random = np.random.default_rng(0)
    inputs = random.integers(0, 2, (samples, order), dtype=np.uint8)
    labels = np.equal.outer(random.integers(0, 3, samples), np.arange(3)).astype(float)
    made = Products(inputs, labels, (inputs[:7], labels[:7]), rank=rank, tensor=KIND, batch=batch)
    made.weights = KIND(random.uniform(-1, 1, tuple(made.weights.shape)))  # signs of all kinds
    return made


def direct(weights: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """f(x) by plain products, (samples, members)."""
    places = torch.arange(inputs.shape[1])
    return torch.stack([weights[:, :, places, x.long()].prod(2).sum(1) for x in inputs])


def test_values_and_gradients_are_those_of_the_product():
    made = small()
    X, y = made.inputs.to(torch.float64), made.labels
    torch.testing.assert_close(made.terms(X).sum(2), direct(made.weights, made.inputs), rtol=1e-12, atol=1e-14)
    leaf = made.weights.clone().requires_grad_()
    error = ((direct(leaf, made.inputs) - 2 * y) / 2).square().mean(0)
    error.sum().backward()
    loss, gradient = made.gradient(X, y)
    torch.testing.assert_close(loss, error.detach())
    assert leaf.grad is not None
    torch.testing.assert_close(gradient, leaf.grad.flatten(1), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(made.losses(), error.detach())


def test_order_784_neither_over_nor_underflows():
    random = np.random.default_rng(0)
    inputs = random.integers(0, 2, (5, 784), dtype=np.uint8)
    labels = np.zeros((5, 1))
    made = Products(inputs, labels, (inputs, labels), rank=1, tensor=KIND)
    made.weights = torch.full_like(made.weights, 1e-3)
    made.weights[..., :392, :] = 1e3  # 1e1176 times 1e-1176: neither is a double
    torch.testing.assert_close(
        made.terms(made.inputs.to(torch.float64)).flatten(), KIND(np.ones(5)), rtol=1e-10, atol=0
    )


def test_training_fits_and_goes_on_where_it_was(tmp_path: Path):
    plan = Plan(60, (0, 30, 60), None)
    whole = run(small(), 3, plan, Context()).arrays(tensors=("weights",))
    assert (whole["end/loss"] < whole["series/loss"][0]).all()
    assert np.abs(whole["final/weights"]).max() <= 1.02

    class StopHereError(Exception):
        pass

    def report(fraction: float) -> None:
        if fraction > 0.3:
            raise StopHereError

    state = tmp_path / "s.npz"
    with pytest.raises(StopHereError):
        run(small(), 3, plan, Context(state, report=report, every=0.0))
    again = run(small(), 3, plan, Context(state)).arrays(tensors=("weights",))
    for name, values in whole.items():
        np.testing.assert_array_equal(again[name], values)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 2048 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def test_idx_folders_plain_and_gzipped(tmp_path: Path):
    random = np.random.default_rng(0)
    parts = {"train": 20, "t10k": 7}
    images = {kind: random.integers(0, 256, (count, 4, 3)) for kind, count in parts.items()}
    labels = {kind: random.integers(0, 10, count) for kind, count in parts.items()}
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images["train"]))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels["train"])))
    (tmp_path / "t10k-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx(images["t10k"])))
    with pytest.raises(InputError, match="has no file t10k-labels"):
        read_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels["t10k"]))
    held = read_folder(tmp_path)
    assert held.name == "MNIST" and held.train.shape == (20, 12) and held.test.shape == (7, 12)
    np.testing.assert_array_equal(held.train, (images["train"] >= 128).reshape(20, 12))
    np.testing.assert_array_equal(held.test_labels, labels["t10k"])
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels["t10k"])[:-1])
    with pytest.raises(InputError, match="bytes of data"):
        read_idx(tmp_path / "t10k-labels-idx1-ubyte")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"1234")
    with pytest.raises(InputError, match="not an IDX file"):
        read_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels["t10k"][:3]))
    with pytest.raises(InputError, match="one label an image"):
        read_folder(tmp_path)


def test_digits_are_split_by_the_seed():
    pytest.importorskip("sklearn", reason="the extra 'data' is not installed")
    held, other = digits(0), digits(1)
    assert held.train.shape == (1497, 64) and held.test.shape == (300, 64)
    assert set(np.unique(held.train)) == {0, 1} and not np.array_equal(held.test, other.test)
