"""An einsum and its gradients in every arithmetic: pairwise products along a path that is found once.

The chain rule is run backwards along the path by hand, so that gradients cost about twice the value, in any arithmetic
and with any leading batch dimensions. Nothing here rounds beyond the products and sums themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

from theorytest.models.arithmetic import is_torch, permute, zeros

Legs = tuple[str, ...]
EXACT_PATH = 8  # number of factors up to which the best path is searched over all subsets (3^n splits)


def _matrix_product(a: Any, b: Any) -> Any:
    """a @ b, without the detour through matrices where the joined size is 1."""
    return a * b if a.shape[-1] == 1 else a @ b


def _transposed(a: Any) -> Any:
    return a.swapaxes(-1, -2)


@dataclass(frozen=True)
class _Diagonal:
    """A factor (or an output) with a repeated leg, read on its diagonal: ``places`` in the flattened array."""

    shape: tuple[int, ...]
    inner: tuple[int, ...]
    places: tuple[int, ...]

    @staticmethod
    def of(legs: Legs, dims: Mapping[str, int]) -> tuple[Legs, _Diagonal | None]:
        distinct = tuple(dict.fromkeys(legs))
        if distinct == legs:
            return legs, None
        shape, inner = tuple(dims[leg] for leg in legs), tuple(dims[leg] for leg in distinct)
        index = np.indices(inner).reshape(len(inner), -1)
        full = tuple(index[distinct.index(leg)] for leg in legs)
        return distinct, _Diagonal(shape, inner, tuple(map(int, np.atleast_1d(np.ravel_multi_index(full, shape)))))

    def gather(self, values: Any) -> Any:
        lead = tuple(values.shape)[: values.ndim - len(self.shape)]
        return values.reshape((*lead, -1))[..., list(self.places)].reshape((*lead, *self.inner))

    def scatter(self, values: Any) -> Any:
        lead = tuple(values.shape)[: values.ndim - len(self.inner)]
        made = zeros((*lead, prod(self.shape)), values)
        made[..., list(self.places)] = values.reshape((*lead, -1))
        return made.reshape((*lead, *self.shape))


@dataclass(frozen=True)
class _Leaf:
    """A factor before the products: its diagonal, and the sum over legs that occur nowhere else."""

    diagonal: _Diagonal | None
    sizes: tuple[int, ...]  # of the distinct legs
    axes: tuple[int, ...]  # of the legs summed at once
    legs: Legs  # what is left


@dataclass(frozen=True)
class _Step:
    """One product: slots ``left`` and ``right`` become one, as (batch, rows, joined) @ (batch, joined, columns)."""

    left: int
    right: int
    order_left: tuple[int, ...]
    order_right: tuple[int, ...]
    sizes: tuple[tuple[int, ...], ...]  # of batch, rows, joined, columns


def _to(values: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Permute the trailing axes (leaving the leading ones) and reshape them."""
    lead = values.ndim - len(order)
    if order != tuple(range(len(order))):
        values = permute(values, (*range(lead), *(lead + axis for axis in order)))
    return values.reshape((*tuple(values.shape)[:lead], *shape))


def _back(values: Any, order: tuple[int, ...], sizes: tuple[int, ...], trailing: int) -> Any:
    """Undo `_to`: ``sizes`` are those after the permutation, ``trailing`` the number of axes to undo."""
    lead = values.ndim - trailing
    values = values.reshape((*tuple(values.shape)[:lead], *sizes))
    inverse = tuple(sorted(range(len(order)), key=order.__getitem__))
    if inverse != tuple(range(len(order))):
        values = permute(values, (*range(lead), *(lead + axis for axis in inverse)))
    return values


class Contraction:
    """The map from factors to the sum of their products over all legs that are not in the output.

    legs: per factor; output: legs of the result; dims: leg -> size. Use `contraction`, which keeps them.
    """

    def __init__(self, legs: Sequence[Legs], output: Legs, dims: Mapping[str, int]) -> None:
        self.output, self.output_diagonal = _Diagonal.of(output, dims)
        self.shapes = tuple(tuple(dims[leg] for leg in names) for names in legs)
        distinct = [_Diagonal.of(names, dims) for names in legs]
        self.leaves: list[_Leaf] = []
        for place, (names, diagonal) in enumerate(distinct):
            others = set(self.output).union(*(set(n) for k, (n, _) in enumerate(distinct) if k != place))
            axes = tuple(axis for axis, leg in enumerate(names) if leg not in others)
            kept = tuple(leg for leg in names if leg in others)
            self.leaves.append(_Leaf(diagonal, tuple(dims[leg] for leg in names), axes, kept))
        slots = [leaf.legs for leaf in self.leaves]
        self.steps: list[_Step] = []
        for left, right in _path(tuple(slots), self.output, dict(dims)):
            step, made = self._step(slots, left, right, dims)
            self.steps.append(step)
            slots[left], slots[right] = (), ()
            slots.append(made)
        self.order = tuple(slots[-1].index(leg) for leg in self.output)
        self.sizes = tuple(dims[leg] for leg in self.output)

    def _step(self, slots: list[Legs], left: int, right: int, dims: Mapping[str, int]) -> tuple[_Step, Legs]:
        a, b = slots[left], slots[right]
        needed = set(self.output).union(*(set(names) for k, names in enumerate(slots) if k not in (left, right)))
        batch = tuple(leg for leg in a if leg in b and leg in needed)
        joined = tuple(leg for leg in a if leg in b and leg not in needed)
        rows = tuple(leg for leg in a if leg not in b)
        columns = tuple(leg for leg in b if leg not in a)
        step = _Step(
            left,
            right,
            tuple(a.index(leg) for leg in (*batch, *rows, *joined)),
            tuple(b.index(leg) for leg in (*batch, *joined, *columns)),
            tuple(tuple(dims[leg] for leg in names) for names in (batch, rows, joined, columns)),
        )
        return step, (*batch, *rows, *columns)

    def forward(self, factors: Sequence[Any]) -> tuple[Any, list[tuple[Any, Any]]]:
        """The value, and the operands of every product (for `backward`)."""
        slots: list[Any] = []
        for leaf, values in zip(self.leaves, factors, strict=True):
            if leaf.diagonal is not None:
                values = leaf.diagonal.gather(values)
            lead = values.ndim - len(leaf.sizes)
            kept = tuple(size for axis, size in enumerate(leaf.sizes) if axis not in leaf.axes)
            for axis in leaf.axes:
                values = values.sum(lead + axis, keepdims=True)
            slots.append(values.reshape((*tuple(values.shape)[:lead], *kept)) if leaf.axes else values)
        tape: list[tuple[Any, Any]] = []
        for step in self.steps:
            batch, rows, joined, columns = step.sizes
            a = _to(slots[step.left], step.order_left, (prod(batch), prod(rows), prod(joined)))
            b = _to(slots[step.right], step.order_right, (prod(batch), prod(joined), prod(columns)))
            tape.append((a, b))
            made = _matrix_product(a, b)
            slots[step.left] = slots[step.right] = None
            slots.append(made.reshape((*tuple(made.shape)[:-3], *batch, *rows, *columns)))
        value = _to(slots[-1], self.order, self.sizes)
        return (value if self.output_diagonal is None else self.output_diagonal.scatter(value)), tape

    def backward(self, tape: Sequence[tuple[Any, Any]], gradient: Any) -> list[Any]:
        """Per factor, the gradient of <gradient, value> by it; instance by instance where there are leading axes."""
        if self.output_diagonal is not None:
            gradient = self.output_diagonal.gather(gradient)
        slots: list[Any] = [None] * (len(self.leaves) + len(self.steps))
        slots[-1] = _back(gradient, self.order, self.sizes, len(self.order))
        for place in range(len(self.steps) - 1, -1, -1):
            step, (a, b) = self.steps[place], tape[place]
            batch, rows, joined, columns = step.sizes
            held = len(batch) + len(rows) + len(columns)
            g = slots[len(self.leaves) + place]
            g = g.reshape((*tuple(g.shape)[: g.ndim - held], prod(batch), prod(rows), prod(columns)))
            slots[step.left] = _back(_matrix_product(g, _transposed(b)), step.order_left, (*batch, *rows, *joined), 3)
            slots[step.right] = _back(
                _matrix_product(_transposed(a), g), step.order_right, (*batch, *joined, *columns), 3
            )
        gradients: list[Any] = []
        for place, leaf in enumerate(self.leaves):
            g = slots[place]
            if leaf.axes:
                lead = tuple(g.shape)[: g.ndim - len(leaf.legs)]
                thin = tuple(1 if axis in leaf.axes else size for axis, size in enumerate(leaf.sizes))
                g = _spread(g.reshape((*lead, *thin)), (*lead, *leaf.sizes))
            gradients.append(g if leaf.diagonal is None else leaf.diagonal.scatter(g))
        return gradients


def _spread(values: Any, shape: tuple[int, ...]) -> Any:
    """Repeat along axes of size 1, as an array of its own."""
    return values.expand(shape).clone() if is_torch(values) else np.broadcast_to(values, shape).copy()


@lru_cache(maxsize=256)
def _kept(legs: tuple[Legs, ...], output: Legs, dims: tuple[tuple[str, int], ...]) -> Contraction:
    return Contraction(legs, output, dict(dims))


def contraction(legs: Sequence[Legs], output: Legs, dims: Mapping[str, int]) -> Contraction:
    """The contraction of these factors; the path is searched once for the same legs and sizes."""
    return _kept(tuple(legs), output, tuple(sorted(dims.items())))


# -- the path ----------------------------------------------------------------------------------------------------------


def _path(legs: tuple[Legs, ...], output: Legs, dims: dict[str, int]) -> list[tuple[int, int]]:
    """Pairs of slots to be multiplied, in order; each product is a new slot at the end. Fewest multiplications up to
    `EXACT_PATH` factors; beyond, the pair whose product is smallest against its operands comes first."""
    names = sorted({leg for factor in legs for leg in factor})
    bit = {leg: 1 << k for k, leg in enumerate(names)}
    masks = [sum(bit[leg] for leg in factor) for factor in legs]
    wanted = sum(bit[leg] for leg in output)

    @cache
    def size(mask: int) -> int:
        return prod(dims[leg] for leg in names if mask & bit[leg])

    return _best(masks, wanted, size) if len(legs) <= EXACT_PATH else _greedy(masks, wanted, size)


def _best(masks: list[int], wanted: int, size: Any) -> list[tuple[int, int]]:
    n = len(masks)
    everything = (1 << n) - 1
    union = [0] * (1 << n)
    for subset in range(1, 1 << n):
        low = subset & -subset
        union[subset] = union[subset ^ low] | masks[low.bit_length() - 1]
    outer = [union[subset] & (union[everything ^ subset] | wanted) for subset in range(1 << n)]
    cost: dict[int, int] = {1 << k: 0 for k in range(n)}
    split: dict[int, int] = {}
    for subset in sorted(range(1, 1 << n), key=int.bit_count):
        if subset in cost:
            continue
        low = subset & -subset
        part = (subset - 1) & subset
        while part:
            if part & low:  # each split once
                rest = subset ^ part
                price = cost[part] + cost[rest] + size(outer[part] | outer[rest])
                if subset not in cost or price < cost[subset]:
                    cost[subset], split[subset] = price, part
            part = (part - 1) & subset
    pairs: list[tuple[int, int]] = []

    def visit(subset: int) -> int:
        if subset not in split:
            return subset.bit_length() - 1
        left, right = visit(split[subset]), visit(subset ^ split[subset])
        pairs.append((left, right))
        return n + len(pairs) - 1

    visit(everything)
    return pairs


def _greedy(masks: list[int], wanted: int, size: Any) -> list[tuple[int, int]]:
    live = dict(enumerate(masks))
    pairs: list[tuple[int, int]] = []
    while len(live) > 1:
        ranked: list[tuple[int, int, int, int, int]] = []
        slots = sorted(live)
        for place, a in enumerate(slots):
            for b in slots[place + 1 :]:
                rest = wanted
                for other, mask in live.items():
                    if other not in (a, b):
                        rest |= mask
                both = live[a] | live[b]
                gain = size(both & rest) - size(live[a]) - size(live[b])
                ranked.append((gain, size(both), a, b, both & rest))
        _, _, a, b, made = min(ranked)
        pairs.append((a, b))
        del live[a], live[b]
        live[len(masks) + len(pairs) - 1] = made
    return pairs
