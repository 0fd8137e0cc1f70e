"""Exact and ball evaluation of scalar expressions, and three-valued comparison.

A value is a rational number where that is exact, and otherwise a ball (``arb``) that contains the true value.
Comparisons answer True, False, or None where the balls cannot tell. ``not (x > 0)`` holds for a ball around 0 and for
nan, so nothing here negates a comparison of balls. Precision is an argument: FLINT keeps it in a global, which is set
and put back.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from math import isqrt, prod

from flint import arb, ctx, fmpq

from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import Ln, Number, Power, Scalar, Sum, Times, Variable

Value = Fraction | arb


class UndefinedError(KernelError):
    """An expression has no value at a point: certainly (``surely``), or as far as the balls can tell."""

    def __init__(self, message: str, *, surely: bool) -> None:
        super().__init__(message)
        self.surely = surely


@contextmanager
def precision(bits: int) -> Generator[None]:
    """Work with that many bits inside the block; the precision before is put back, whatever happens."""
    if bits < 2:
        raise KernelError(f"the precision must be at least 2 bits, given {bits}")
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def ball(value: Value) -> arb:
    """A ball that contains the value, at the precision in force."""
    return arb(fmpq(value.numerator, value.denominator)) if isinstance(value, Fraction) else value


def less(left: Value, right: Value) -> bool | None:
    """Whether left < right: True, False, or None where the balls overlap or are not finite."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left < right
    x, y = ball(left), ball(right)
    if not (x.is_finite() and y.is_finite()):
        return None
    if x < y:
        return True
    return False if x >= y else None


def root(value: Fraction, degree: int) -> Fraction | None:
    """The exact nonnegative root of a nonnegative rational number, if it is rational."""
    above, below = _root(value.numerator, degree), _root(value.denominator, degree)
    return None if above is None or below is None else Fraction(above, below)


def _root(number: int, degree: int) -> int | None:
    if degree == 2:
        guess = isqrt(number)
        return guess if guess * guess == number else None
    low, high = 0, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**degree < number else (low, middle)
    return low if low**degree == number else None


def evaluate(expression: Scalar, values: Mapping[str, Value]) -> Value:
    """The value at a point: rational where every step is, else a ball at the precision in force.

    Raises `UndefinedError` where the expression is not defined, or where the balls cannot tell whether it is.
    """
    match expression:
        case Number(value):
            return value
        case Variable(name):
            if name not in values:
                raise KernelError(f"no value is given for the variable {name}")
            return values[name]
        case Sum(parts):
            terms = [evaluate(part, values) for part in parts]
            exact = sum((value for value in terms if isinstance(value, Fraction)), Fraction(0))
            loose = [value for value in terms if not isinstance(value, Fraction)]
            return sum(loose, ball(exact)) if loose else exact
        case Times(parts):
            terms = [evaluate(part, values) for part in parts]
            exact = prod((value for value in terms if isinstance(value, Fraction)), start=Fraction(1))
            loose = [value for value in terms if not isinstance(value, Fraction)]
            return prod(loose, start=ball(exact)) if loose else exact
        case Power(base, exponent):
            return _power(evaluate(base, values), exponent, expression)
        case Ln(argument):
            value = evaluate(argument, values)
            _need(less(Fraction(0), value), expression)
            return Fraction(0) if value == 1 else ball(value).log()
        case _:
            value = evaluate(expression.argument, values)
            return Fraction(1) if isinstance(value, Fraction) and value == 0 else ball(value).exp()


def natural_power(value: arb, exponent: int) -> arb:
    """All natural powers of the numbers of a ball, by those of its ends: FLINT's are not finite around 0, and wide for
    wide balls."""
    if not exponent:
        return arb(1)
    ends = (value.lower(), value.upper()) if exponent % 2 else (value.abs_lower(), value.abs_upper())
    low, high = (arb(0) if end == 0 else end**exponent for end in ends)
    return low.union(high)


def _power(value: Value, exponent: Fraction, expression: Scalar) -> Value:
    if exponent.denominator == 1 and exponent >= 0:
        whole = int(exponent)
        return value**whole if isinstance(value, Fraction) else natural_power(value, whole)
    positive = less(Fraction(0), value)
    if exponent.denominator == 1:
        negative = less(value, Fraction(0))
        zero = positive is False and negative is False
        _need(positive or negative or (False if zero else None), expression)
        return value ** int(exponent)
    if exponent > 0 and isinstance(value, Fraction) and value == 0:
        return Fraction(0)
    if exponent < 0 or isinstance(value, Fraction):
        _need(positive, expression)
    elif positive is not True:
        # Nonnegative or not, a ball around 0 cannot tell: FLINT's root of it would be nan.
        _need(False if less(value, Fraction(0)) else None, expression)
    if isinstance(value, Fraction):
        exact = root(value, exponent.denominator)
        if exact is not None:
            return exact**exponent.numerator
    return ball(value).root(exponent.denominator) ** exponent.numerator


def _need(defined: bool | None, expression: Scalar) -> None:
    if defined is not True:
        verdict = "not defined" if defined is False else "not surely defined"
        raise UndefinedError(f"{expression} is {verdict} here", surely=defined is False)
