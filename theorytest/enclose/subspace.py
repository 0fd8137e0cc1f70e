"""The smallest linear subspace that holds a gradient flow from an exact start, found modulo a prime.

Where layers or components start equal or symmetric they may stay so. The Taylor coefficients of the flow at its start
span the subspace; they are computed modulo a prime, and the basis found is lifted to the rationals. Nothing here is
trusted: the kernel checks by an exact identity that the subspace is invariant and contains the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import Basis, Field, InitialValueProblem, coordinates, field, require_invariant

PRIME = (1 << 61) - 1
LARGEST = 48  # parameters; beyond, the search costs more than it may save


def invariant_basis(problem: InitialValueProblem, pieces: tuple[int, ...]) -> Basis | None:
    """Orthogonal columns that span an invariant subspace with the start in it; None where there is no proper one."""
    point = problem.point()
    if len(point) > LARGEST:
        return None
    whole = field(problem, pieces)
    rows = _echelon(_coefficients(whole, point, len(point) + 2), len(point))
    if len(rows) == len(point):
        return None
    lifted: list[tuple[Fraction, ...]] = []
    for row in rows:
        entries = [_lift(entry) for entry in row]
        if None in entries:
            return None
        lifted.append(tuple(entry for entry in entries if entry is not None))
    basis = _orthogonal(lifted)
    try:
        coordinates(point, basis)
        require_invariant(problem, basis)
    except KernelError:
        return None
    return basis


def _modulo(value: Fraction) -> int:
    return value.numerator * pow(value.denominator, -1, PRIME) % PRIME


def _coefficients(whole: Field, point: tuple[Fraction, ...], order: int) -> list[list[int]]:
    """Taylor coefficients of the flow modulo the prime: one row an order."""
    series: list[list[int]] = [[_modulo(x)] for x in point] + [[] for _ in whole.nodes]
    for k in range(order):
        for node in whole.nodes:
            total = _modulo(node.constant) if not k else 0
            for coefficient, slots in node.linear:
                total += _modulo(coefficient) * sum(series[slot][k] for slot in slots)
            for coefficient, pairs in node.products:
                part = sum(x * y for a, b in pairs for x, y in zip(series[a], reversed(series[b]), strict=True))
                total += _modulo(coefficient) * part
            series[node.slot].append(total % PRIME)
        inverse = pow(k + 1, -1, PRIME)
        for j, slot in enumerate(whole.velocities):
            series[j].append(series[slot][k] * inverse % PRIME)
    return [[values[k] for values in series[: whole.inputs]] for k in range(order + 1)]


def _echelon(rows: list[list[int]], width: int) -> list[list[int]]:
    """The reduced row echelon form modulo the prime, without its zero rows."""
    held: list[list[int]] = []
    pivots: list[int] = []
    for row in rows:
        rest = list(row)
        for mine, pivot in zip(held, pivots, strict=True):
            if rest[pivot]:
                factor = rest[pivot]
                rest = [(x - factor * y) % PRIME for x, y in zip(rest, mine, strict=True)]
        pivot = next((j for j in range(width) if rest[j]), None)
        if pivot is None:
            continue
        inverse = pow(rest[pivot], -1, PRIME)
        rest = [x * inverse % PRIME for x in rest]
        for place, mine in enumerate(held):
            if mine[pivot]:
                factor = mine[pivot]
                held[place] = [(x - factor * y) % PRIME for x, y in zip(mine, rest, strict=True)]
        held.append(rest)
        pivots.append(pivot)
    return held


def _lift(residue: int) -> Fraction | None:
    """The rational number with small numerator and denominator that is this modulo the prime, if there is one."""
    bound = isqrt(isqrt(PRIME // 2))
    before, after, x, y = PRIME, residue, 0, 1
    while after > bound:
        quotient = before // after
        before, after, x, y = after, before - quotient * after, y, x - quotient * y
    return Fraction(after, y) if y and abs(y) <= bound else None


def _orthogonal(rows: list[tuple[Fraction, ...]]) -> Basis:
    """Gram and Schmidt, without roots."""
    made: list[tuple[Fraction, ...]] = []
    for row in rows:
        rest = list(row)
        for other in made:
            factor = _inner(rest, other) / _inner(other, other)
            rest = [a - factor * b for a, b in zip(rest, other, strict=True)]
        made.append(tuple(rest))
    return tuple(made)


def _inner(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))
