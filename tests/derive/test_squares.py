"""Sums of squares: exact, and none for polynomials that have none."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from theorytest.derive.squares import sum_of_squares
from theorytest.errors import InputError
from theorytest.kernel.ball import evaluate
from theorytest.kernel.polynomial import Ring
from theorytest.kernel.scalar import Variable, scalar

x, y, z = (Variable(name) for name in "xyz")


@pytest.mark.parametrize(
    "polynomial",
    [
        x**2 - 2 * x * y + y**2,
        2 * x**2 + 2 * x * y + 3 * y**2 + 1,
        x**4 + y**4 - 2 * x**2 * y**2,
        x**4 - x**2 * y**2 + y**4,
        (x * y - 1) ** 2 + (x - y) ** 2,
        (x + 2 * y + 3 * z) ** 2 + z**4,
        scalar(0),
        scalar(5),
    ],
)
def test_squares_add_up(polynomial):
    found = sum_of_squares(polynomial, ["x", "y", "z"])
    total = scalar(0)
    for weight, root in found:
        assert weight > 0
        total = total + weight * root**2
    ring = Ring({x, y, z})
    assert (ring.polynomial(total) - ring.polynomial(polynomial)).is_zero()


@pytest.mark.parametrize(
    "polynomial",
    [
        x,
        x**2 - y**2,
        x**2 + 3 * x * y + y**2,
        scalar(-1),
        x**4 * y**2 + x**2 * y**4 - 3 * x**2 * y**2 + 1,  # Motzkin: nonnegative, and no sum of squares
        x**3 + 1,
    ],
)
def test_no_squares(polynomial):
    with pytest.raises(InputError):
        sum_of_squares(polynomial, ["x", "y", "z"])


def test_motzkin_is_nonnegative():
    """So that the missing sum of squares says nothing about truth."""
    motzkin = x**4 * y**2 + x**2 * y**4 - 3 * x**2 * y**2 + 1
    for a, b in product(range(-6, 7), repeat=2):
        value = evaluate(motzkin, {"x": Fraction(a, 3), "y": Fraction(b, 3)})
        assert isinstance(value, Fraction) and value >= 0


def test_too_many_monomials():
    names = [f"v{k}" for k in range(9)]
    total = sum((Variable(n) for n in names), scalar(1))
    with pytest.raises(InputError, match="more than"):
        sum_of_squares(total**6, names)
