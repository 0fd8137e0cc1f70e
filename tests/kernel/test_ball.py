"""Exact and ball evaluation against mpmath at twice the digits, and three-valued comparison."""

import random
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from theorytest.kernel.ball import UndefinedError, ball, evaluate, less, natural_power, precision, root
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import Exp, Ln, Number, Power, Scalar, Sum, Times, Variable, absolute, scalar, sqrt

x = Variable("x")
HALF = Fraction(1, 2)


def naive(expression: Scalar, values: dict[str, Fraction]) -> Any:
    """A second evaluation, in mpmath at the digits in force: a plain estimate."""
    match expression:
        case Number(value):
            return mpmath.mpf(value.numerator) / value.denominator
        case Variable(name):
            return mpmath.mpf(values[name].numerator) / values[name].denominator
        case Sum(parts):
            return mpmath.fsum(naive(part, values) for part in parts)
        case Times(parts):
            return mpmath.fprod(naive(part, values) for part in parts)
        case Power(base, exponent):
            power = mpmath.mpf(exponent.numerator) / exponent.denominator
            return naive(base, values) ** power
        case Ln(argument):
            return mpmath.log(naive(argument, values))
        case Exp(argument):
            return mpmath.exp(naive(argument, values))
    raise AssertionError(expression)


def random_expression(rng: random.Random, depth: int) -> Scalar:
    if depth == 0:
        return rng.choice([x, Number(Fraction(rng.randint(1, 9), rng.randint(1, 4)))])
    inner = [random_expression(rng, depth - 1) for _ in range(2)]
    return rng.choice(
        [
            inner[0] + inner[1],
            inner[0] * inner[1],
            inner[0] ** rng.choice([-2, 2, HALF, Fraction(2, 3), Fraction(-3, 2)]),
            Ln(2 + inner[0]),
            Exp(inner[0] / (1 + inner[0])),
        ]
    )


@pytest.mark.parametrize("seed", range(60))
def test_balls_hold_the_value_and_are_narrow(seed: int) -> None:
    rng = random.Random(seed)
    expression = random_expression(rng, 4)
    values = {"x": Fraction(rng.randint(1, 40), rng.randint(1, 40))}
    with precision(106):
        found = ball(evaluate(expression, values))
        width = found.rad()
    with mpmath.workdps(60):
        expected = naive(expression, values)
        middle = mpmath.mpf(str(found.mid().str(50, radius=False)))
        slack = (
            mpmath.mpf(str(width.str(20, radius=False).replace("[", "").split(" ")[0]))
            + abs(expected) * mpmath.mpf(10) ** -30
        )
        assert abs(middle - expected) <= 2 * slack
        # Nothing here amplifies more than a factor 2^40, so that 106 bits leave more than 60.
        assert slack <= (abs(expected) + 1) * mpmath.mpf(2) ** -60


def test_exact_where_it_can_be() -> None:
    values = {"x": Fraction(9, 4)}
    assert evaluate(sqrt(x) + x**-2 * 3, values) == Fraction(3, 2) + Fraction(48, 81)
    assert evaluate(x ** Fraction(-3, 2), values) == Fraction(8, 27)
    assert evaluate(absolute(-x), values) == Fraction(9, 4)
    assert evaluate(Ln(x / x), values) == 0
    assert evaluate(Exp(x - x), values) == 1
    assert evaluate(sqrt(x - x), values) == 0
    assert evaluate(Power(x, Fraction(0)), {"x": Fraction(0)}) == 1


def test_balls_in_every_operation() -> None:
    two = sqrt(scalar(2))
    with precision(64):
        assert ball(evaluate(two * two * x + two - two, {"x": Fraction(1)})).contains(2)
        assert ball(evaluate(two**-2, {})).contains(arb("0.5"))
        assert ball(evaluate((-two) ** -2, {})).contains(arb("0.5"))
        assert ball(evaluate(sqrt(two), {})) > arb("1.189")
        assert ball(evaluate(two ** Fraction(-1, 2), {})) < arb("0.841")


@pytest.mark.parametrize(
    ("expression", "surely"),
    [
        (x**-1, True),
        (sqrt(x - 1), True),
        (x ** Fraction(-1, 2), True),
        (Ln(x), True),
        (sqrt(x - sqrt(scalar(2))), True),
        (Ln(Ln(x + 1) - Ln(x + 1)), False),
        ((Ln(x + 2) - Ln(x + 2)) ** -1, False),
        (sqrt(Ln(x + 2) - Ln(x + 2)), False),
    ],
)
def test_undefined_is_surely_or_perhaps(expression: Scalar, surely: bool) -> None:
    if surely:
        with pytest.raises(UndefinedError) as caught:
            evaluate(expression, {"x": Fraction(0)})
        assert caught.value.surely
    else:
        with precision(64), pytest.raises(UndefinedError) as caught:
            evaluate(expression, {"x": Fraction(1)})
        assert not caught.value.surely


def test_a_missing_value_is_named() -> None:
    with pytest.raises(KernelError, match="variable x"):
        evaluate(x, {})


def test_comparison_is_three_valued() -> None:
    assert less(Fraction(1), Fraction(2)) is True
    assert less(Fraction(2), Fraction(2)) is False
    wide = arb(1, 1)
    assert less(Fraction(3), wide) is False
    assert less(wide, Fraction(3)) is True
    assert less(wide, Fraction(1)) is None
    assert less(wide, arb("nan")) is None
    assert less(arb("inf"), wide) is None


def test_precision_is_put_back() -> None:
    before = ctx.prec
    with pytest.raises(ZeroDivisionError), precision(300):
        assert ctx.prec == 300
        raise ZeroDivisionError
    assert ctx.prec == before
    with pytest.raises(KernelError, match="at least 2"), precision(1):
        pass


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(2, 5))
def test_rational_roots(numerator: int, denominator: int, degree: int) -> None:
    base = Fraction(numerator, denominator)
    assert root(base**degree, degree) == base
    found = root(base, degree)
    assert found is None or found**degree == base


@pytest.mark.parametrize("exponent", range(6))
@pytest.mark.parametrize(("middle", "radius"), [(0, 1), (0, 0), (1, 2), (-1, 2), (3, 1), (-3, 1), (1, 1)])
def test_natural_powers_of_balls(middle: int, radius: int, exponent: int) -> None:
    """Also around 0: they contain the powers of all numbers of the ball, and little more."""
    power = natural_power(arb(middle, radius), exponent)
    values = [Fraction(4 * middle + radius * k, 4) ** exponent for k in range(-4, 5)]
    assert power.is_finite() and all(power.contains(ball(value)) or power == ball(value) for value in values)
    slack = float(max(map(abs, values))) / 100
    assert power.upper() <= float(max(values)) + slack and power.lower() >= float(min(values)) - slack


def test_a_square_of_a_ball_around_zero_is_a_value() -> None:
    square = evaluate(x**2 + 1, {"x": arb(0, 1)})
    assert isinstance(square, arb) and square > 0.9 and square < 2.1
