"""Comparisons of quantities at batches of float64 states: rounded, to guess where a claim fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from theorytest.kernel import scalar
from theorytest.kernel.quantity import Atom, Comparison
from theorytest.models.model import Model

if TYPE_CHECKING:
    import torch


def margin(comparison: Comparison, model: Model, blocks: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Right side minus left side, for a batch of float64 states; minus the distance for an equation. Shape (batch,).

    Rounded; nan where a side is not defined.
    """
    end = model.end_tensor(blocks)
    values = {atom.name: measure(atom, model, blocks, end) for atom in comparison.atoms}
    like = next(iter(blocks.values()))
    gap = _value(comparison.rhs, values, like) - _value(comparison.lhs, values, like)
    return -gap.abs() if comparison.relation == "=" else gap


def signs(expression: scalar.Scalar, comparison: Comparison, model: Model, blocks: Mapping[str, torch.Tensor]) -> Any:
    """The sign of an expression in the quantities of a comparison, for a batch of states: shape (batch,)."""
    end = model.end_tensor(blocks)
    values = {atom.name: measure(atom, model, blocks, end) for atom in comparison.atoms}
    return _value(expression, values, next(iter(blocks.values()))).sign()


def measure(atom: Atom, model: Model, blocks: Mapping[str, torch.Tensor], end: torch.Tensor) -> torch.Tensor:
    """A quantity of a batch of states that has it: shape (batch,)."""
    import torch

    if atom.kind in ("component", "unbalancedness"):
        parts = [_slices(blocks[name], model.legs[name].index(atom.of)) for name in model.holders(atom.of)]
        stacked = torch.stack(parts)
        if atom.kind == "component":
            return stacked.prod(0)[:, atom.index[0] - 1]
        return (stacked.amax(0) - stacked.amin(0)).amax(-1)
    held = blocks[atom.of] if atom.of else end
    match atom.kind:
        case "entry":
            return held[(slice(None), *(i - 1 for i in atom.index))]
        case "determinant":
            return torch.linalg.det(held)
        case "squared norm":
            return (held * held).reshape(held.shape[0], -1).sum(-1)
        case "slice":
            return _slices(held, atom.index[0] - 1)[:, atom.index[1] - 1]
        case "gram gap":
            other = blocks[atom.other]
            gap = held.mT @ held - other @ other.mT
            return (gap * gap).sum((-1, -2))
        case _:
            return _spectral(atom, held)


def _slices(values: torch.Tensor, axis: int) -> torch.Tensor:
    moved = values.movedim(axis + 1, 1)
    return (moved * moved).reshape(*moved.shape[:2], -1).sum(-1)


def _spectral(atom: Atom, held: torch.Tensor) -> torch.Tensor:
    import torch

    used = 1 if atom.kind == "singular value" else 0
    if len(atom.index) > used:
        held = held.movedim(atom.index[-1], 1).flatten(2)
    values = torch.linalg.svdvals(held)
    if atom.kind == "singular value":
        return values[:, atom.index[0] - 1]
    if atom.kind == "schatten":
        p = float(atom.number)
        return (values**p).sum(-1) ** (1 / p)
    if atom.kind == "distance to rank":
        return (values[:, int(atom.number) :] ** 2).sum(-1).sqrt()
    if atom.kind == "rank":
        return (values > values[:, :1] * 1e-12).to(values.dtype).sum(-1)
    shares = values / values.sum(-1, keepdim=True)
    return torch.special.entr(shares).sum(-1).exp()


def magnitude(comparison: Comparison, model: Model, blocks: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the rounding of a margin is measured by, shape (batch,): the sides with every sum a sum of absolute values,
    and with norms in the place of singular values and determinants, whose rounding is of that size."""
    end = model.end_tensor(blocks)
    values = {atom.name: measure(atom, model, blocks, end) for atom in comparison.atoms}
    sizes = {atom.name: _size_of(atom, values[atom.name], blocks, end) for atom in comparison.atoms}
    like = next(iter(blocks.values()))
    return _size(comparison.rhs, values, sizes, like) + _size(comparison.lhs, values, sizes, like)


def _size_of(atom: Atom, value: torch.Tensor, blocks: Mapping[str, torch.Tensor], end: torch.Tensor) -> torch.Tensor:
    held = blocks.get(atom.of, end)
    if atom.kind in ("singular value", "schatten", "distance to rank"):
        return value.abs() + (held * held).flatten(1).sum(1).sqrt()
    if atom.kind == "determinant":
        return value.abs() + (held * held).sum(-1).sqrt().prod(-1)
    return value.abs()


def _size(
    expression: scalar.Scalar, values: Mapping[str, torch.Tensor], sizes: Mapping[str, torch.Tensor], like: torch.Tensor
) -> torch.Tensor:
    match expression:
        case scalar.Variable(name):
            return sizes[name]
        case scalar.Sum(parts):
            return sum((_size(part, values, sizes, like) for part in parts), start=like.new_zeros(len(like)))
        case scalar.Times(parts):
            total = like.new_ones(len(like))
            for part in parts:
                total = total * _size(part, values, sizes, like)
            return total
        case scalar.Power(base, exponent) if exponent > 0:
            return _size(base, values, sizes, like) ** float(exponent)
        case _:
            return _value(expression, values, like).abs()


def _value(expression: scalar.Scalar, values: Mapping[str, torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    import torch

    match expression:
        case scalar.Number(number):
            return torch.full(like.shape[:1], float(number), dtype=like.dtype, device=like.device)
        case scalar.Variable(name):
            return values[name]
        case scalar.Sum(parts):
            return torch.stack([_value(part, values, like) for part in parts]).sum(0)
        case scalar.Times(parts):
            return torch.stack([_value(part, values, like) for part in parts]).prod(0)
        case scalar.Power(base, exponent):
            held = _value(base, values, like)
            return held ** int(exponent) if exponent.denominator == 1 else held ** float(exponent)
        case scalar.Ln(argument):
            return _value(argument, values, like).log()
        case _:
            return _value(expression.argument, values, like).exp()


__all__ = ["magnitude", "margin", "measure", "signs"]
