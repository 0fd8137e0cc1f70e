"""Scalar expressions: reading, substituting, rewriting, and the derivative against sympy's."""

import random
from fractions import Fraction
from typing import Any

import pytest
import sympy

from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.scalar import (
    ONE,
    ZERO,
    Exp,
    Ln,
    Number,
    Power,
    Scalar,
    Sum,
    Times,
    Variable,
    absolute,
    derivative,
    rewrites,
    scalar,
    sqrt,
    substitute,
    variables,
)

x, y = Variable("x"), Variable("y")
HALF = Fraction(1, 2)


def to_sympy(expression: Scalar) -> Any:
    """A second reading of an expression."""
    match expression:
        case Number(value):
            return sympy.Rational(value.numerator, value.denominator)
        case Variable(name):
            return sympy.Symbol(name, positive=True)
        case Sum(parts):
            return sympy.Add(*map(to_sympy, parts))
        case Times(parts):
            return sympy.Mul(*map(to_sympy, parts))
        case Power(base, exponent):
            return to_sympy(base) ** sympy.Rational(exponent.numerator, exponent.denominator)
        case Ln(argument):
            return sympy.log(to_sympy(argument))
        case Exp(argument):
            return sympy.exp(to_sympy(argument))
    raise AssertionError(expression)


def random_expression(rng: random.Random, depth: int) -> Scalar:
    if depth == 0:
        return rng.choice([x, y, Number(Fraction(rng.randint(1, 5), rng.randint(1, 3)))])
    inner = [random_expression(rng, depth - 1) for _ in range(2)]
    return rng.choice(
        [
            inner[0] + inner[1],
            inner[0] * inner[1],
            inner[0] ** rng.choice([-2, -1, 2, HALF, Fraction(-3, 2)]),
            Ln(1 + inner[0]),
            Exp(inner[0] / 7),
        ]
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_derivative_is_sympys(seed: int) -> None:
    rng = random.Random(seed)
    expression = random_expression(rng, 3)
    names = [sympy.Symbol(name, positive=True) for name in ("x", "y")]
    point = list(zip(names, (sympy.Rational(3, 7), sympy.Rational(5, 4)), strict=True))
    ours = to_sympy(derivative(expression, "x")).subs(point).evalf(60)
    theirs = sympy.diff(to_sympy(expression), names[0]).subs(point).evalf(60)
    # Both are sums of a few hundred terms at 60 digits: 40 digits must agree.
    assert abs(ours - theirs) <= sympy.Float("1e-40") * (1 + abs(theirs))


def test_operators_gather_numbers_and_flatten() -> None:
    assert x + 1 + 2 == Sum((x, Number(Fraction(3))))
    assert 1 + x == Sum((x, ONE))
    assert 2 * x * 3 == Times((Number(Fraction(6)), x))
    assert x - 1 == Sum((x, Number(Fraction(-1))))
    assert 1 - x == Sum((Times((Number(Fraction(-1)), x)), ONE))
    assert 1 / x == Power(x, Fraction(-1))
    assert x / 2 == Times((Number(HALF), x))
    assert x + 0 == x
    assert x * 1 == x
    assert x**1 == x
    assert scalar(2) ** 3 == scalar(8)
    assert scalar(2) ** -1 == scalar(HALF)
    assert scalar(0) + 0 == ZERO
    assert scalar(1) * 1 == ONE


def test_operators_never_lose_what_may_be_undefined() -> None:
    assert scalar(0) * Ln(x) == Times((ZERO, Ln(x)))
    assert scalar(0) ** -1 == Power(ZERO, Fraction(-1))
    assert x - x == Sum((x, Times((Number(Fraction(-1)), x))))


def test_a_root_moves_with_the_inverse_of_its_base() -> None:
    """d sqrt(u) is not defined where u = 0, and d u^(3/2) is written so, too."""
    for exponent in (HALF, Fraction(3, 2)):
        assert Power(x, Fraction(-1)) in derivative(x**exponent, "x").parts  # pyright: ignore[reportAttributeAccessIssue]


def test_what_does_not_move_has_derivative_zero() -> None:
    assert derivative(Ln(y), "x") == ZERO
    assert derivative(x, "x") == ONE
    assert derivative(x + y, "x") == ONE


def test_variables_and_substitution() -> None:
    expression = Ln(x) * sqrt(x + y) * Exp(y) + 3
    assert variables(expression) == {"x", "y"}
    moved = substitute(expression, "x", y**2)
    assert variables(moved) == {"y"}
    assert substitute(moved, "x", ONE) == moved
    assert substitute(x**2, "x", scalar(0)) == Power(ZERO, Fraction(2))


def test_rewriting_replaces_some_occurrences_and_nothing_else() -> None:
    before = Ln(x) + Ln(x) * Exp(x)
    assert rewrites(before, Ln(y) + Ln(x) * Exp(x), x, y)
    assert rewrites(before, Ln(y) + Ln(y) * Exp(y), x, y)
    assert rewrites(before, before, x, y)
    assert not rewrites(before, Ln(y) + Ln(y) * Exp(y), y, x)
    assert not rewrites(before, Ln(y) + Ln(y), x, y)
    assert not rewrites(x**2, y**3, x, y)
    assert not rewrites(Sum((x, x)), Times((y, y)), x, y)
    assert not rewrites(Ln(x), Exp(y), x, y)


def test_reading_and_records() -> None:
    expression = (absolute(x) + 2 * Exp(y) * Ln(x) - HALF) / (x**2)
    assert str(expression) == "((x^2^(1/2) + (2 exp(y) ln(x)) + -1/2) x^2^(-1))"
    assert decode(encode(expression)) == expression
