"""Conserved quantities written out: a dimension-free quadratic term as quadratic forms of a concrete model's
parameters."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from math import prod

from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved, Flow
from theorytest.kernel.parameterization import Array
from theorytest.kernel.statement import Instance
from theorytest.kernel.witness import assignments
from theorytest.models.model import Model
from theorytest.search.strategies import packed

Entry = tuple[str, tuple[int, ...]]
Form = tuple[tuple[tuple[Entry, Entry], Fraction], ...]


def quadratic_forms(claim: Conserved, model: Model) -> list[Form]:
    """All quadratic forms that a claim says are conserved by a model: one for every way to number the named members,
    and for every value of the free indices. A form is a tuple of ((parameter, parameter), coefficient); a parameter
    is (block, index).

    Raises `InputError` where the quantity is not a quadratic form in the named blocks.
    """
    if not isinstance(claim.motion, Flow) or claim.motion.parameterization != model.parameterization:
        raise InputError(f"given a claim that is not about gradient flow on {model.parameterization.name}")
    # Number the parameters; the letters of a focus then show which parameter stands where.
    names: list[Entry] = []
    blocks: dict[str, Array] = {}
    for name, shape in model.shapes.items():
        start = len(names)
        names += [(name, index) for index in product(*map(range, shape))]
        blocks[name] = Array(shape, tuple(Fraction(k) for k in range(start, len(names))))
    sizes = dict(packed(model.sizes))
    zero = Array(model.shape, (Fraction(0),) * prod(model.shape))
    forms: dict[Form, None] = {}
    for members in assignments(claim.motion, Instance(sizes=tuple(sizes.items()))):
        values = claim.motion.parameterization.values_at(claim.motion.focus, members, sizes, blocks, zero)
        for form in _written_out(claim, values, names):
            forms.setdefault(form)
    return list(forms)


def _written_out(claim: Conserved, values: Mapping[str, Array], names: list[Entry]) -> list[Form]:
    free = [name for name, _ in claim.quantity.free]
    table: dict[tuple[int, ...], dict[tuple[Entry, Entry], Fraction]] = {}
    dims: dict[str, int] = {}
    for name, tensor in claim.quantity.tensors().items():
        dims |= dict(zip(tensor.sizes, values[name].shape, strict=True))
    for monomial in claim.quantity.monomials:
        if len(monomial.factors) != 2:
            raise InputError("given a quantity that is not a quadratic form of the blocks")
        indices = dict(claim.quantity.free + monomial.bound)
        for numbers in product(*(range(dims[size]) for size in indices.values())):
            at = dict(zip(indices, numbers, strict=True))
            pair: list[Entry] = []
            for factor in monomial.factors:
                number = values[factor.tensor.name][tuple(at[i] for i in factor.indices)]
                pair.append(names[int(number)])
            key = (min(pair), max(pair))
            row = table.setdefault(tuple(at[i] for i in free), {})
            row[key] = row.get(key, Fraction(0)) + monomial.coefficient
    return [tuple(sorted((pair, c) for pair, c in row.items() if c)) for row in table.values() if any(row.values())]


def form_value(form: Form, blocks: Mapping[str, Array]) -> Fraction:
    """The exact value of a form at exact blocks."""
    return sum((c * blocks[a][i] * blocks[b][j] for ((a, i), (b, j)), c in form), Fraction(0))


def form_error(form: Form, blocks: Mapping[str, Array], error: Fraction) -> Fraction:
    """How far the value of a form can be off if every parameter is off by at most ``error``."""
    return sum(
        (abs(c) * (abs(blocks[a][i]) * error + abs(blocks[b][j]) * error + error**2) for ((a, i), (b, j)), c in form),
        Fraction(0),
    )


__all__ = ["Entry", "Form", "form_error", "form_value", "quadratic_forms"]
