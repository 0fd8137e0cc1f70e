"""Losses of a batch as the engines compile them: which entries of W have a gradient, and the numbers in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from theorytest.search.loss_batch import LossBatch

# Flat places of the entries with a gradient, the shape of W, and the numbers where all instances share them.
Pattern = tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]


def values_of(losses: LossBatch, shape: tuple[int, ...]) -> tuple[np.ndarray | None, Any, Pattern]:
    """The numbers of each instance (numbers, batch) or None where all share them, the loss of an entry (None for linear
    losses), and what is compiled. Numbers: weights, then targets; for linear losses the gradient."""
    entries = losses if losses.kind == "linear" else losses.entries(shape)
    assert entries is not None
    target = entries.target.cpu().numpy()
    target = target.reshape(len(target), -1)
    if entries.kind == "linear":
        return target.T.copy(), None, (tuple(range(target.shape[1])), shape, ())
    weight = entries.weight.cpu().numpy().reshape(len(target), -1)
    places = tuple(map(int, np.nonzero((weight != 0).any(0))[0]))
    both = np.concatenate([weight[:, places], target[:, places]], axis=1)
    if losses.kind == "shared":
        return None, entries.base, (places, shape, tuple(map(float, both[0])))
    return both.T.copy(), entries.base, (places, shape, ())
