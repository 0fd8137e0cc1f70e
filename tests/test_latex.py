"""What claims look like: losses, norms, names for what is repeated."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from theorytest import latex
from theorytest.kernel.claim import All, Inequality
from theorytest.kernel.initial_value import MeasuredLoss, Measurement, Slope
from theorytest.kernel.scalar import Number, Power, Sum, Times, Variable

ONE, HALF = Fraction(1), Fraction(1, 2)
SQUARE = Slope(((Fraction(0), ONE),))
HUBER = Slope(((-ONE,), (Fraction(0), ONE), (ONE,)), (-ONE, ONE))
FIRST = Measurement((((0, 1), ONE),), ONE)
SECOND = Measurement((((0, 0), Fraction(2)), ((1, 1), -ONE)), Fraction(0))


@pytest.mark.parametrize(
    ("measurements", "slope", "weight", "shown"),
    [
        ((FIRST,), SQUARE, ONE, r"\frac{1}{2} \left(W_{1 2} - 1\right)^{2}"),
        ((FIRST,), SQUARE, Fraction(2), r"\left(W_{1 2} - 1\right)^{2}"),
        ((SECOND,), SQUARE, ONE, r"\frac{1}{2} \left(2 W_{1 1} - W_{2 2}\right)^{2}"),
        (
            (FIRST, SECOND),
            SQUARE,
            HALF,
            r"\frac{1}{4} \left(\left(W_{1 2} - 1\right)^{2} + \left(2 W_{1 1} - W_{2 2}\right)^{2}\right)",
        ),
        (
            (FIRST,) * 9,
            SQUARE,
            ONE,
            r"\frac{1}{2} \sum_{k = 1}^{9} \left(\left\langle A_{k}, W \right\rangle - y_{k}\right)^{2}",
        ),
        (
            (FIRST,),
            HUBER,
            ONE,
            r"\ell \left(W_{1 2} - 1\right) \quad \text{with} \; \ell'(z) = -1 \; \text{for} \; z \in "
            r"\left(-\infty, -1\right] ,\; z \; \text{for} \; z \in \left[-1, 1\right] ,\; 1 \; \text{for} \; z \in "
            r"\left[1, \infty\right)",
        ),
    ],
)
def test_losses(measurements, slope, weight, shown):
    assert latex.loss(MeasuredLoss(measurements, slope, weight)) == rf"\mathcal{{L}}(W) = {shown}"


@pytest.mark.parametrize(
    ("coefficients", "shown"),
    [((0, 0), "0"), ((1, 0, -1), "1 - z^{2}"), ((0, -1, 3), r"-z + 3 z^{2}"), ((0, 0, 0, HALF), r"\frac{1}{2} z^{3}")],
)
def test_slopes(coefficients, shown):
    assert latex._polynomial(tuple(map(Fraction, coefficients))) == shown


def test_what_is_repeated_is_named_once():
    """The longest first, and what is inside of it only where it also stands alone."""
    x, y, z = (Variable(name) for name in ("xx_one", "yy_two", "zz_three"))
    long = Power(Sum((Power(x, Fraction(2)), Power(y, Fraction(2)), Times((Number(Fraction(3)), z)))), HALF)
    longer = Sum((long, Power(Sum((x, y, z, Number(ONE))), Fraction(3)), Number(Fraction(7))))
    claim = All((Inequality(longer, "<=", z), Inequality(y, "<=", longer), Inequality(x, "<", long)))
    assert latex._repeated(claim)[0] == longer, "the outer ones first"
    value, names = latex._abbreviated(claim)
    assert [expression for _, expression in names] != [] and names[0][1] == latex._replaced(longer, long, Variable("B"))
    shown = latex.claim(claim)
    assert re.search(r"A \\le .* \\text\{with\} \\; A = .*B", shown) and shown.count(latex.scalar(long)) == 1
    assert latex._replaced(value, Variable("Q"), x) is value, "nothing is made anew where nothing changes"
    assert latex._repeated(All((Inequality(x, "<=", y),))) == []
