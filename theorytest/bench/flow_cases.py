"""The problems of the benchmark of batched flows, and their vector fields as one would write them by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from theorytest.models import HalfSum, cp, deep_matrix_factorization

MODES = 3  # of the CP case


@dataclass(frozen=True)
class FlowCase:
    """A model with a loss, starts of normal entries, and ``field(library, x, target, mask)`` with x (..., parameters),
    which runs on numpy, torch and jax.numpy alike. Parameters are ordered as in ``model.shapes``."""

    name: str
    model: Any
    loss: HalfSum
    deviation: float
    field: Callable[[Any, Any, Any, Any], Any]

    def starts(self, batch: int, seed: int) -> np.ndarray:
        """Starts (batch, parameters); the first ones are the same for every batch."""
        return np.random.default_rng(seed).standard_normal((batch, self.model.parameters)) * self.deviation

    def blocks(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Flat parameters as blocks."""
        made, place = {}, 0
        for name, shape in self.model.shapes.items():
            size = int(np.prod(shape))
            made[name] = flat[:, place : place + size].reshape(len(flat), *shape)
            place += size
        return made

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Targets, and 1 where an entry is observed."""
        target, mask = np.zeros(self.model.shape), np.zeros(self.model.shape)
        for index, value in self.loss.observed:
            target[index], mask[index] = float(value), 1.0
        return target, mask


def matrix_case(depth: int, deviation: float) -> FlowCase:
    """Deep matrix factorization, 2x2, with the three observations of RC20, Section 3."""

    def field(library: Any, x: Any, target: Any, mask: Any) -> Any:
        layers = x.reshape(*x.shape[:-1], depth, 2, 2)
        factors = [layers[..., k, :, :] for k in range(depth)]  # from left to right
        right = [factors[-1]]
        for factor in factors[-2::-1]:
            right.append(factor @ right[-1])
        gradient = (right[-1] - target) * mask
        found = []
        for k, factor in enumerate(factors[:-1]):
            found.append(gradient @ right[depth - 2 - k].mT)
            gradient = factor.mT @ gradient
        return -library.stack([*found, gradient], -3).reshape(x.shape)

    loss = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
    return FlowCase(f"2x2, depth {depth}", deep_matrix_factorization(2, 2, depth=depth), loss, deviation, field)


def cp_case(size: int, rank: int, deviation: float, seed: int = 0) -> FlowCase:
    """CP of order 3, all entries observed: multiples of 1/8 between -1 and 1."""

    def field(library: Any, x: Any, target: Any, mask: Any) -> Any:
        a, b, c = (x.reshape(*x.shape[:-1], MODES, rank, size)[..., k, :, :] for k in range(MODES))
        lead = x.shape[:-1]
        both = (b[..., :, None] * c[..., None, :]).reshape(*lead, rank, size * size)
        gradient = (a.mT @ both - target.reshape(size, -1)) * mask.reshape(size, -1)
        rest = (a @ gradient).reshape(*lead, rank, size, size)
        by_b = (rest * c[..., None, :]).sum(-1)
        by_c = (rest * b[..., :, None]).sum(-2)
        return -library.stack([both @ gradient.mT, by_b, by_c], -3).reshape(x.shape)

    random = Random(seed)
    places = np.ndindex(*(size,) * MODES)
    loss = HalfSum(tuple((place, Fraction(random.randint(-8, 8), 8)) for place in places))
    name = f"CP {'x'.join([str(size)] * MODES)}, R = {rank}"
    return FlowCase(name, cp((size,) * MODES, rank=rank), loss, deviation, field)


def main_cases() -> tuple[FlowCase, ...]:
    """The two problems on which everybody is measured."""
    return matrix_case(3, 0.3), cp_case(4, 8, 0.2)
