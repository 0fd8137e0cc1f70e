"""Functions on [-1, 1] as Chebyshev series in integers, with a remainder: sums of products, and bounds of them.

With s = (z + 1/z) / 2 and |z| = 1, every s in [-1, 1] is met, T_k(s) = (z^k + z^-k) / 2, and the series

    a_0 + 2 a_1 T_1(s) + ... + 2 a_n T_n(s) = sum over -n <= k <= n of a_|k| z^k.

So products of series are products of integer polynomials in z (of twice the length, read the same from both ends), and
since |z^k| = 1 a series is at most |a_0| + 2 |a_1| + ... + 2 |a_n| in absolute value. Numbers are fixed-point: integers
in units of 2^-bits. What is rounded off or left out goes into the remainder; nothing else is approximate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from flint import fmpz, fmpz_poly

from theorytest.kernel.initial_value import Node


@dataclass(frozen=True)
class Series:
    """All functions f with |f(s) - sum of a_|k| z^k| <= error for all s in [-1, 1].

    laurent: a_n, ..., a_1, a_0, a_1, ..., a_n; degree: n; size: at least |a_0| + 2 |a_1| + ...; error: the remainder.
    In fixed point, of as many bits as the caller says.
    """

    laurent: fmpz_poly
    degree: int
    size: int
    error: int = 0

    def coefficients(self) -> list[fmpz]:
        """a_0, ..., a_n; those at the end that are 0 may be missing."""
        return self.laurent.right_shift(self.degree).coeffs()


def series(coefficients: Sequence[int]) -> Series:
    """The series a_0 + 2 a_1 T_1 + ..., without a remainder."""
    first, rest = coefficients[0], list(coefficients[1:])
    return Series(fmpz_poly([*rest[::-1], first, *rest]), len(rest), abs(first) + 2 * sum(map(abs, rest)))


def value_of(node: Node, values: Mapping[int, Series], bits: int, degree: int, error: int = 0) -> Series:
    """A sum of products of series, of at most that degree; error: of functions that are added, known by size only."""
    parts = [c for c, _ in node.linear] + [c for c, _ in node.products]
    common = lcm(node.constant.denominator, *(c.denominator for c in parts))
    shift = bits if node.products else 0  # products have twice as many bits after the point
    unit = common << shift
    total = [(fmpz_poly([int(node.constant * (unit << bits))]), 0)]
    remainder = error * unit
    for coefficient, slots in node.linear:
        factor = int(coefficient * unit)
        total.append(_times(_sum([(values[slot].laurent, values[slot].degree) for slot in slots]), factor))
        remainder += abs(factor) * sum(values[slot].error for slot in slots)
    for coefficient, pairs in node.products:
        factor = int(coefficient * common)
        held = [(values[a], values[b]) for a, b in pairs]
        total.append(_times(_sum([(a.laurent * b.laurent, a.degree + b.degree) for a, b in held]), factor))
        remainder += abs(factor) * sum(
            a.size * b.error + a.error * b.size + a.error * b.error for a, b in held if a.error or b.error
        )
    laurent, found = _sum(total)
    error = -(-remainder // unit)
    if unit > 1:
        laurent = laurent // unit  # every coefficient by less than 1 off
        error += 2 * found + 1
    if found > degree:
        error += 2 * int(sum(map(abs, laurent.right_shift(found + degree + 1).coeffs())))
        laurent, found = laurent.right_shift(found - degree).truncate(2 * degree + 1), degree
    above = laurent.right_shift(found).coeffs()
    size = 2 * int(sum(map(abs, above))) - (abs(int(above[0])) if above else 0)
    return Series(laurent, found, size, error)


def _times(part: tuple[fmpz_poly, int], factor: int) -> tuple[fmpz_poly, int]:
    return part if factor == 1 else (part[0] * factor, part[1])


def _sum(parts: Sequence[tuple[fmpz_poly, int]]) -> tuple[fmpz_poly, int]:
    """The sum of polynomials in z, each with the place of its z^0."""
    degree = max(place for _, place in parts)
    total = fmpz_poly()
    for polynomial, place in parts:
        total += polynomial if place == degree else polynomial.left_shift(degree - place)
    return total, degree


def derivative(coefficients: Sequence[int]) -> list[int]:
    """a_0, a_1, ... of the derivative: by T_(k+1)' / (k+1) - T_(k-1)' / (k-1) = 2 T_k."""
    made = [0] * (len(coefficients) + 1)
    for k in range(len(coefficients) - 1, 0, -1):
        made[k - 1] = made[k + 1] + 2 * k * coefficients[k]
    return made[: max(1, len(coefficients) - 1)]


def bend(coefficients: Sequence[int]) -> int:
    """At least the size of the second derivative on [-1, 1], where T_k'' is at most k^2 (k^2 - 1) / 3."""
    return 2 * sum(abs(value) * (k * k * (k * k - 1) // 3) for k, value in enumerate(coefficients))


def at_end(coefficients: Sequence[int], sign: int) -> int:
    """The value at s = 1 or s = -1 (``sign``)."""
    rest = coefficients[1:]
    return coefficients[0] + 2 * (sum(rest) if sign > 0 else sum(rest[1::2]) - sum(rest[::2]))


def powers(coefficients: Sequence[int]) -> fmpz_poly:
    """The same series as a polynomial in s."""
    total = fmpz_poly([coefficients[0]])
    for k, value in enumerate(coefficients[1:], 1):
        total += fmpz_poly.chebyshev_t(k) * (2 * value)
    return total


def at_places(count: int, degree: int) -> list[list[Fraction]]:
    """T_0, ..., T_degree at count + 1 equally spaced places from -1 to 1, one list a place."""
    made: list[list[Fraction]] = []
    for i in range(count + 1):
        place = Fraction(2 * i, count) - 1
        values = [Fraction(1), place]
        while len(values) <= degree:
            values.append(2 * place * values[-1] - values[-2])
        made.append(values[: degree + 1])
    return made
