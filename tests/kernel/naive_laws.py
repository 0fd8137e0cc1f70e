"""How many laws gradient flow has, a second time: maps multiplied out, brackets term by term, ranks over the rationals.

Slow and independent of `theorytest.kernel.rank`: of that module only the nouns are read. Entries of inverse norms are
variables of their own after the parameters, with d(1/||v||)/dv = -v/||v||^3; points are rational, with rational norms.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations_with_replacement, product
from random import Random

from flint import fmpq, fmpq_mat

from theorytest.kernel.rank import ParameterMap

Monomial = tuple[int, ...]  # numbers of variables, sorted, with repetition
Polynomial = dict[Monomial, Fraction]
Field = list[Polynomial]


def plus(total: Polynomial, monomial: Monomial, value: Fraction) -> None:
    """Add value * monomial in place."""
    key = tuple(sorted(monomial))
    total[key] = total.get(key, Fraction(0)) + value
    if not total[key]:
        del total[key]


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """The product."""
    total: Polynomial = {}
    for m, c in a.items():
        for n, d in b.items():
            plus(total, m + n, c * d)
    return total


class Written:
    """A map multiplied out: its entries as polynomials in the parameters and the inverse norms."""

    def __init__(self, map: ParameterMap) -> None:
        numbers: dict[tuple[str, tuple[int, ...]], int] = {}
        for name, shape in map.blocks:
            for index in product(*map_ranges(shape)):
                numbers[name, index] = len(numbers)
        self.count = len(numbers)
        self.slices: dict[int, list[int]] = {}  # variable of an inverse norm -> parameters of its slice
        for norm in map.norms:
            shape = dict(map.blocks)[norm.block]
            for at in product(*(range(shape[axis]) for axis in norm.batch)):
                variable = len(numbers)
                numbers[norm.name, at] = variable
                inside = (
                    index
                    for index in product(*map_ranges(shape))
                    if all(index[axis] == i for axis, i in zip(norm.batch, at, strict=True))
                )
                self.slices[variable] = [numbers[norm.block, index] for index in inside]
        constants = dict(map.constants)
        self.entries: list[Polynomial] = []
        for component in map.components:
            sizes = dict(map.legs)
            found: dict[tuple[int, ...], Polynomial] = {}
            for term in component.terms:
                legs = list(dict.fromkeys(s for _, subs in term.factors for s in subs if isinstance(s, str)))
                for values in product(*(range(sizes[leg]) for leg in legs)):
                    at = dict(zip(legs, values, strict=True))
                    weight, monomial = term.coefficient, list[int]()
                    for name, subs in term.factors:
                        index = tuple(at[s] if isinstance(s, str) else s for s in subs)
                        if name in constants:
                            weight *= constants[name][index]
                        else:
                            monomial.append(numbers[name, index])
                    plus(found.setdefault(tuple(at[o] for o in component.output), {}), tuple(monomial), weight)
            self.entries += found.values()
        self.fields: list[Field] = [[self.slope(entry, a) for a in range(self.count)] for entry in self.entries]

    def slope(self, polynomial: Polynomial, parameter: int) -> Polynomial:
        """The partial derivative by a parameter."""
        total: Polynomial = {}
        for monomial, c in polynomial.items():
            for place, variable in enumerate(monomial):
                rest = monomial[:place] + monomial[place + 1 :]
                if variable == parameter:
                    plus(total, rest, c)
                elif parameter in self.slices.get(variable, ()):
                    plus(total, (*rest, variable, variable, variable, parameter), -c)
        return total

    def bracket(self, x: Field, y: Field) -> Field:
        """[x, y] = Dy x - Dx y."""
        made: Field = []
        for a in range(self.count):
            total: Polynomial = {}
            for b in range(self.count):
                for m, c in times(x[b], self.slope(y[a], b)).items():
                    plus(total, m, c)
                for m, c in times(y[b], self.slope(x[a], b)).items():
                    plus(total, m, -c)
            made.append(total)
        return made

    def points(self, random: Random) -> Iterator[list[Fraction]]:
        """Random rational points at which every norm is rational and positive: one for every way to choose the signs
        of the slices of one entry (between these regions no path leads: there the norm is 0)."""
        base = [Fraction(random.randint(-9999, 9999) or 7, random.randint(1, 99)) for _ in range(self.count)]
        single = [slice[0] for slice in self.slices.values() if len(slice) == 1]
        for slice in self.slices.values():
            if len(slice) > 1:  # c (2t, |t|^2 - 1) has the norm c (|t|^2 + 1)
                *some, last = slice
                scale, square = abs(base[last]) + 1, sum(base[k] ** 2 for k in some)
                for k in some:
                    base[k] = 2 * base[k] * scale
                base[last] = (square - 1) * scale
        for signs in product((1, -1), repeat=len(set(single))):
            point = list(base)
            for k, sign in zip(sorted(set(single)), signs, strict=True):
                point[k] = sign * abs(point[k])
            for slice in self.slices.values():
                norm = rational_root(sum((point[k] ** 2 for k in slice), Fraction(0)))
                point.append(1 / norm)
            yield point

    def laws(self, seed: int) -> tuple[int, int]:
        """The least and the greatest number of independent laws near generic points."""
        counts: list[int] = []
        for at in self.points(Random(seed)):
            kept: list[Field] = []
            rows: list[list[Fraction]] = []
            queue = list(self.fields)
            while queue:
                field = queue.pop(0)
                row = [evaluate(part, at) for part in field]
                if rank([*rows, row]) > len(rows):
                    rows.append(row)
                    kept.append(field)
                    queue += [self.bracket(generator, field) for generator in self.fields]
            counts.append(self.count - len(rows))
        return min(counts), max(counts)

    def space(self, degree: int, seed: int) -> tuple[list[Monomial], list[list[Fraction]]]:
        """The monomials of degree 1 to ``degree``, and the linear equations that their coefficients meet in a law."""
        monomials = [m for d in range(1, degree + 1) for m in combinations_with_replacement(range(self.count), d)]
        random = Random(seed)
        equations: list[list[Fraction]] = []
        for _ in range(len(monomials) + 8):
            for at in self.points(random):
                for field in self.fields:
                    speed = [evaluate(part, at) for part in field]
                    row: list[Fraction] = []
                    for m in monomials:
                        slopes = {a: self.slope({m: Fraction(1)}, a) for a in set(m)}
                        row.append(sum((evaluate(s, at) * speed[a] for a, s in slopes.items()), Fraction(0)))
                    equations.append(row)
        return monomials, equations


def map_ranges(shape: tuple[int, ...]) -> list[range]:
    """The ranges of an index."""
    return [range(size) for size in shape]


def rational_root(square: Fraction) -> Fraction:
    """The root of a square."""
    from math import isqrt

    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    assert root * root == square
    return root


def evaluate(polynomial: Polynomial, at: list[Fraction]) -> Fraction:
    """The value at a point."""
    total = Fraction(0)
    for monomial, c in polynomial.items():
        for variable in monomial:
            c *= at[variable]
        total += c
    return total


def matrix(rows: list[list[Fraction]]) -> fmpq_mat:
    """Rows over the rationals."""
    return fmpq_mat(len(rows), len(rows[0]), [fmpq(x.numerator, x.denominator) for row in rows for x in row])


def rank(rows: list[list[Fraction]]) -> int:
    """The rank over the rationals."""
    return matrix(rows).rank() if rows and rows[0] else 0


def kernel(rows: list[list[Fraction]], width: int) -> list[list[Fraction]]:
    """A basis of the solutions."""
    if not rows:
        return [[Fraction(int(i == k)) for i in range(width)] for k in range(width)]
    reduced, found = matrix(rows).rref()
    pivots = [next(c for c in range(width) if reduced[r, c] != 0) for r in range(found)]
    basis: list[list[Fraction]] = []
    for free in (c for c in range(width) if c not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for r, pivot in enumerate(pivots):
            value = reduced[r, free]
            vector[pivot] = -Fraction(int(value.p), int(value.q))
        basis.append(vector)
    return basis
