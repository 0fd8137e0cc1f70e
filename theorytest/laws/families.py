"""Gram laws of a parameter map, read off from which factors hold which legs.

Candidates are all ways to take some legs of a factor as batch legs and some as matrix legs; the coefficients for which
the Gram matrices of all blocks that hold these legs add up to a law solve a small linear system over the rationals
(what `theorytest.kernel.rank.conserves` asks for). The kernel checks each law that comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import product
from math import isqrt, lcm, prod
from typing import Any

from flint import fmpq_mat, nmod_mat

from theorytest.kernel.errors import KernelError
from theorytest.kernel.rank import (
    Evaluator,
    GramLaw,
    GramPart,
    ParameterMap,
    PolynomialLaw,
    conserves,
    entries,
    rate,
    require_law,
    sample,
)

MOST_LEGS = 5  # of a factor, for matrix legs to be tried; with more only slices along single legs are
Subscripts = tuple[str | int, ...]
Part = tuple[str, tuple[int, ...], tuple[int, ...]]


def gram_laws(map: ParameterMap) -> list[GramLaw]:
    """All Gram laws of the map, finest first; each accepted by the kernel. A coarser one may follow from finer ones."""
    numbers = [s for c in map.components for t in c.terms for _, subscripts in t.factors for s in subscripts]
    if numbers and not any(isinstance(s, str) for s in numbers):
        return written_out_gram_laws(map, (1 << 31) - 1)
    found: dict[GramLaw, None] = {}
    for parts in _candidates(map):
        for law in _solutions(map, parts):
            try:
                conserves(map, law)
            except KernelError:
                continue  # the linear system is about one occurrence at a time; the kernel sees all
            found.setdefault(law)
    return sorted(found, key=lambda law: -_forms(map, law))


def _forms(map: ParameterMap, law: GramLaw) -> int:
    part = law.parts[0]
    shape = dict(map.blocks)[part.block]
    rows = prod(shape[axis] for axis in part.matrix)
    return prod(shape[axis] for axis in part.batch) * rows * (rows + 1) // 2


def _candidates(map: ParameterMap) -> Iterable[tuple[Part, ...]]:
    """For every choice of batch and matrix legs: the blocks that hold them, with the axes at which they do."""
    shapes = dict(map.blocks)
    table: dict[tuple[Subscripts, Subscripts], dict[Part, None]] = {}
    for component in map.components:
        for term in component.terms:
            names = [leg for _, subscripts in term.factors for leg in subscripts]
            joins = {leg for leg in names if names.count(leg) == 2 and leg not in component.output}
            for name, subscripts in term.factors:
                if name not in shapes:
                    continue
                for batch, matrix in _labels(subscripts, joins):
                    key = (tuple(subscripts[a] for a in batch), tuple(subscripts[a] for a in matrix))
                    order = sorted(range(len(batch)), key=lambda k, legs=key[0]: str(legs[k]))
                    batch = tuple(batch[k] for k in order)
                    key = (tuple(key[0][k] for k in order), key[1])
                    table.setdefault(key, {}).setdefault((name, batch, matrix))
    return [tuple(parts) for parts in table.values()]


def _labels(subscripts: Subscripts, joins: set[Any]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every way to make some axes batch axes and some matrix axes (legs that join two factors)."""
    axes = [axis for axis, leg in enumerate(subscripts) if isinstance(leg, str) and subscripts.count(leg) == 1]
    if len(axes) > MOST_LEGS:
        yield (), ()
        yield from (((axis,), ()) for axis in axes)
        return
    for kinds in product((0, 1, 2), repeat=len(axes)):
        matrix = tuple(axis for axis, kind in zip(axes, kinds, strict=True) if kind == 2)
        if all(subscripts[axis] in joins for axis in matrix):
            yield tuple(axis for axis, kind in zip(axes, kinds, strict=True) if kind == 1), matrix


def _solutions(map: ParameterMap, parts: tuple[Part, ...]) -> Iterator[GramLaw]:
    """The coefficients for which the parts cancel in every term, as a basis of integers in echelon form."""
    shapes = dict(map.blocks)
    sizes = {(tuple(shapes[n][a] for a in batch), tuple(shapes[n][a] for a in matrix)) for n, batch, matrix in parts}
    if len(sizes) != 1:
        return
    norms = {norm.name: norm for norm in map.norms}
    rows: dict[tuple[int, ...], None] = {}
    for component in map.components:
        for term in component.terms:
            groups: dict[tuple[Subscripts, Subscripts], list[int]] = {}
            for name, subscripts in term.factors:
                norm = norms.get(name)
                for place, (block, batch, matrix) in enumerate(parts):
                    if block == name:
                        key = (tuple(subscripts[a] for a in batch), tuple(subscripts[a] for a in matrix))
                        groups.setdefault(key, [0] * len(parts))[place] += 1
                    elif norm is not None and norm.block == block and not matrix and set(batch) <= set(norm.batch):
                        key = (tuple(subscripts[norm.batch.index(a)] for a in batch), ())
                        groups.setdefault(key, [0] * len(parts))[place] -= 1
            for row in groups.values():
                rows.setdefault(tuple(row))
    for solution in null_space([list(row) for row in rows], len(parts)):
        kept = [(c, part) for c, part in zip(solution, parts, strict=True) if c]
        sign = 1 if kept[0][0] > 0 else -1
        yield GramLaw(tuple(GramPart(c * sign, block, batch, matrix) for c, (block, batch, matrix) in kept))


def written_out_gram_laws(map: ParameterMap, prime: int) -> list[GramLaw]:
    """Gram laws of a map that is written out entry by entry (a traced function), where no legs can be read off.

    Every way to line up axes of the blocks is tried; the coefficients are those that satisfy the equations of laws
    modulo p at some points. The kernel then writes each law out.
    """
    evaluator = Evaluator(map, prime)
    samples = [sample(evaluator, seed) for seed in range(12)]
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[Part]] = {}
    for name, shape in map.blocks:
        for batch, matrix in _labels(
            tuple(f"{axis}" for axis in range(len(shape))), {f"{a}" for a in range(len(shape))}
        ):
            sizes = (tuple(shape[a] for a in batch), tuple(shape[a] for a in matrix))
            groups.setdefault(sizes, []).append((name, batch, matrix))
    found: list[GramLaw] = []
    for parts in groups.values():
        columns = [list(entries(map, GramLaw((GramPart(Fraction(1), *part),)))) for part in parts]
        rows: list[list[int]] = []
        for place in range(len(columns[0])):
            for point, field in samples:
                rows.append([_rate(column[place], point, field, prime) for column in columns])
        for solution in _modular_null_space(rows, len(parts), prime):
            kept = [(c, part) for c, part in zip(solution, parts, strict=True) if c]
            scale = lcm(*(c.denominator for c, _ in kept)) * (1 if kept[0][0] > 0 else -1)
            law = GramLaw(tuple(GramPart(c * scale, *part) for c, part in kept))
            try:
                require_law(map, law)
            except KernelError:
                continue
            found.append(law)
    return sorted(found, key=lambda law: -_forms(map, law))


def _rate(law: PolynomialLaw, point: list[int], field: list[int], prime: int) -> int:
    return sum(int(c) * rate(monomial, point, field, prime) for c, monomial in law.terms) % prime


def _modular_null_space(rows: list[list[int]], width: int, prime: int) -> list[list[Fraction]]:
    matrix = nmod_mat(len(rows), width, [value for row in rows for value in row], prime)
    reduced, rank = matrix.rref()
    pivots = [next(j for j in range(width) if int(reduced[k, j])) for k in range(rank)]
    basis: list[list[Fraction]] = []
    for free in (j for j in range(width) if j not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for k, pivot in enumerate(pivots):
            number = reconstruct(-int(reduced[k, free]) % prime, prime)
            if number is None:
                break
            vector[pivot] = number
        else:
            basis.append(vector)
    return basis


def reconstruct(value: int, prime: int) -> Fraction | None:
    """The fraction with numerator and denominator below sqrt(p/2) that is the given residue, if there is one."""
    bound = isqrt(prime // 2)
    r, s, x, y = prime, value % prime, 0, 1
    while s > bound:
        quotient = r // s
        r, s, x, y = s, r - quotient * s, y, x - quotient * y
    return Fraction(s, y) if 0 < abs(y) <= bound else None


def null_space(rows: list[list[int]], width: int) -> list[list[Fraction]]:
    """A basis of the solutions of a homogeneous system over the rationals, each scaled to coprime integers."""
    pivots: list[int] = []
    reduced = fmpq_mat(max(len(rows), 1), width, [value for row in rows for value in row] or [0] * width)
    reduced, rank = reduced.rref()
    for k in range(rank):
        pivots.append(next(j for j in range(width) if reduced[k, j]))
    basis: list[list[Fraction]] = []
    for free in (j for j in range(width) if j not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for k, pivot in enumerate(pivots):
            vector[pivot] = -Fraction(int(reduced[k, free].p), int(reduced[k, free].q))
        scale = 1
        for value in vector:
            scale = lcm(scale, value.denominator)
        basis.append([value * scale for value in vector])
    return basis


__all__ = ["gram_laws", "null_space", "reconstruct"]
