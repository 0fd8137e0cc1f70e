"""Ground truth tensors, observations, and the rank of a tensor as the papers estimate it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theorytest.errors import InputError

Tensor = np.ndarray


def low_rank_target(shape: Sequence[int], rank: int, random: np.random.Generator) -> Tensor:
    """A sum of ``rank`` outer products of standard Gaussian vectors, scaled to Frobenius norm 1."""
    made = np.zeros(tuple(shape))
    for _ in range(rank):
        term = np.ones(())
        for size in shape:
            term = np.multiply.outer(term, random.standard_normal(size))
        made += term
    return made / np.linalg.norm(made)


def read_target(path: str | Path) -> Tensor:
    """The ground truth of a user: array "target" of an npz file, else its first array, scaled to Frobenius norm 1.

    Raises `InputError` for a file that is no npz, or an array that is not real, finite, nonzero and of order >= 3.
    """
    try:
        with np.load(path) as held:
            if not held.files:
                raise InputError(f"{path} has no array, needed the ground truth tensor")
            given = held["target" if "target" in held.files else held.files[0]]
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not an npz file of numbers (write it with numpy.savez): {error}") from error
    if given.dtype.kind not in "fiu" or given.ndim < 3 or not np.isfinite(given).all() or not given.any():
        raise InputError(
            f"{path} holds an array of shape {given.shape} and dtype {given.dtype}, needed real finite numbers, not "
            "all zero, of order 3 or more"
        )
    return given.astype(np.float64) / np.linalg.norm(given)


def observed_entries(shape: Sequence[int], counts: Sequence[int], random: np.random.Generator) -> Tensor:
    """Masks (len(counts), *shape): the first ``count`` entries of one random order of all entries, so nested."""
    size = int(np.prod(shape))
    order = random.permutation(size)
    made = np.zeros((len(counts), size))
    for row, count in zip(made, counts, strict=True):
        if not 0 < count <= size:
            raise InputError(f"given {count} observations of a tensor with {size} entries, needed 1 to {size}")
        row[order[:count]] = 1
    return made.reshape(len(counts), *shape)


def rank_bound(W: Tensor, tolerance: float) -> int:
    """A lower bound on the rank of every tensor with mean squared distance below ``tolerance`` from W.

    Its unfoldings have at most that rank, and by Eckart and Young none of rank k is closer than the tail of squared
    singular values of W's unfolding (floating point: not rigorous).
    """
    bounds: list[int] = []
    for mode in range(W.ndim):
        sigma = np.linalg.svd(np.moveaxis(W, mode, 0).reshape(W.shape[mode], -1), compute_uv=False)
        tails = np.append(np.cumsum((sigma**2)[::-1])[::-1], 0.0)
        bounds.append(int(np.argmax(tails < tolerance * W.size)))
    return max(bounds)


def numerical_rank(W: Tensor, *, tolerance: float = 1e-6, iterations: int = 1000, seed: int = 0) -> int:
    """Least R for which alternating least squares finds a CP decomposition with mean squared error below ``tolerance``.

    Binary search as in the published code (RC20, Appendix F.2), from `rank_bound` up to the product of all dimensions
    but the largest; the decompositions are tensorly's ``parafac`` from a random start. An estimate: ALS may miss
    a decomposition that exists. Raises `InputError` where tensorly is missing.
    """
    try:
        from tensorly.decomposition import parafac
    except ImportError as error:
        raise InputError("tensor ranks need tensorly: pip install 'theorytest[data]'") from error
    norm = float((W**2).sum())

    def small(relative: Any) -> bool:
        return float(relative) ** 2 * norm < tolerance * W.size

    def fits(rank: int) -> bool:
        _, errors = parafac(
            W,
            rank=rank,
            n_iter_max=iterations,
            init="random",
            random_state=seed,
            tol=1e-9,
            return_errors=True,
            callback=lambda decomposition, error: small(error),
        )
        return small(errors[-1])

    low, high = rank_bound(W, tolerance), W.size // max(W.shape)
    if not low:
        return 0  # W itself is that small
    while low < high:
        middle = min((low + high) // 2, 2 * low + 4)  # the least rank is rarely far above the bound
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low


__all__ = ["low_rank_target", "numerical_rank", "observed_entries", "rank_bound", "read_target"]
