"""Scalar expressions in real variables: sums, products, rational powers, ln and exp, with rational constants.

An expression has a value at a point or is undefined there. A power with a natural exponent is always defined (0^0 =
1, the empty product); a negative integer exponent needs a base that is not 0; any other exponent needs a base that is
not negative, and a positive one where the exponent is negative (the value is then the nonnegative root). ln needs a
positive argument. An expression is defined where all its parts are.

The operators only flatten sums and products and gather rational constants. They never cancel and never drop a factor
0, so that the result is defined where the operands are, and only there.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from theorytest.kernel.encoding import noun


class Expression:
    """The operators that all scalar expressions share."""

    def __add__(self, other: Scalar | Fraction | int) -> Scalar:
        return _gather(Sum, (cast("Scalar", self), scalar(other)))

    def __radd__(self, other: Fraction | int) -> Scalar:
        return scalar(other) + cast("Scalar", self)

    def __mul__(self, other: Scalar | Fraction | int) -> Scalar:
        return _gather(Times, (cast("Scalar", self), scalar(other)))

    def __rmul__(self, other: Fraction | int) -> Scalar:
        return scalar(other) * cast("Scalar", self)

    def __neg__(self) -> Scalar:
        return Number(Fraction(-1)) * cast("Scalar", self)

    def __sub__(self, other: Scalar | Fraction | int) -> Scalar:
        return cast("Scalar", self) + -scalar(other)

    def __rsub__(self, other: Fraction | int) -> Scalar:
        return scalar(other) + -cast("Scalar", self)

    def __truediv__(self, other: Scalar | Fraction | int) -> Scalar:
        return cast("Scalar", self) * scalar(other) ** -1

    def __rtruediv__(self, other: Fraction | int) -> Scalar:
        return scalar(other) * cast("Scalar", self) ** -1

    def __pow__(self, exponent: Fraction | int) -> Scalar:
        """The rational power; an exponent 1 and integer powers of rational numbers are worked out."""
        if exponent == 1:
            return cast("Scalar", self)
        if isinstance(self, Number) and Fraction(exponent).denominator == 1 and (self.value or exponent >= 0):
            return Number(self.value ** int(exponent))
        return Power(cast("Scalar", self), Fraction(exponent))

    def __str__(self) -> str:
        return _show(cast("Scalar", self))


@noun
class Number(Expression):
    """A rational constant."""

    value: Fraction


@noun
class Variable(Expression):
    """A real variable."""

    name: str


@noun
class Sum(Expression):
    """A sum of expressions."""

    parts: tuple[Scalar, ...]


@noun
class Times(Expression):
    """A product of expressions."""

    parts: tuple[Scalar, ...]


@noun
class Power(Expression):
    """A rational power of an expression."""

    base: Scalar
    exponent: Fraction


@noun
class Ln(Expression):
    """The natural logarithm."""

    argument: Scalar


@noun
class Exp(Expression):
    """The exponential function."""

    argument: Scalar


Scalar = Number | Variable | Sum | Times | Power | Ln | Exp
ZERO, ONE = Number(Fraction(0)), Number(Fraction(1))


def scalar(value: Scalar | Fraction | int) -> Scalar:
    """A rational number as an expression; an expression as it is."""
    return Number(Fraction(value)) if isinstance(value, (int, Fraction)) else value


def sqrt(value: Scalar | Fraction | int) -> Scalar:
    """The nonnegative square root."""
    return scalar(value) ** Fraction(1, 2)


def absolute(value: Scalar | Fraction | int) -> Scalar:
    """The absolute value, as the square root of the square."""
    return sqrt(scalar(value) ** 2)


def children(expression: Scalar) -> tuple[Scalar, ...]:
    """The expressions of which an expression is made."""
    match expression:
        case Number() | Variable():
            return ()
        case Sum(parts) | Times(parts):
            return parts
        case Power(base):
            return (base,)
        case _:
            return (expression.argument,)


def variables(expression: Scalar) -> set[str]:
    """The names of the variables that occur."""
    if isinstance(expression, Variable):
        return {expression.name}
    return set[str]().union(*map(variables, children(expression)))


def rebuild(expression: Scalar, parts: tuple[Scalar, ...]) -> Scalar:
    """The same expression made of other parts (as many)."""
    match expression:
        case Number() | Variable():
            return expression
        case Sum():
            return Sum(parts)
        case Times():
            return Times(parts)
        case Power(_, exponent):
            return Power(parts[0], exponent)
        case Ln():
            return Ln(parts[0])
        case _:
            return Exp(parts[0])


def substitute(expression: Scalar, name: str, value: Scalar) -> Scalar:
    """Put an expression in the place of a variable; nothing is simplified."""
    if expression == Variable(name):
        return value
    return rebuild(expression, tuple(substitute(part, name, value) for part in children(expression)))


def rewrites(before: Scalar, after: Scalar, old: Scalar, new: Scalar) -> bool:
    """Whether ``after`` is ``before`` with some (or no, or all) occurrences of ``old`` replaced by ``new``."""
    if before == after or (before == old and after == new):
        return True
    parts, others = children(before), children(after)
    return (
        len(parts) == len(others)
        and rebuild(before, others) == after
        and all(rewrites(part, other, old, new) for part, other in zip(parts, others, strict=True))
    )


def derivative(expression: Scalar, name: str) -> Scalar:
    """The partial derivative by a variable.

    It is so built that wherever both it and the expression are defined, the expression is differentiable in the
    variable (if it is defined nearby) with this value: every part that moves keeps its own derivative as a factor,
    and a root keeps the inverse of its base, which excludes 0.
    """
    if name not in variables(expression):
        return ZERO
    match expression:
        case Sum(parts):
            return _gather(Sum, tuple(derivative(part, name) for part in parts if name in variables(part)))
        case Times(parts):
            return _gather(
                Sum,
                tuple(
                    _gather(Times, (*parts[:place], derivative(part, name), *parts[place + 1 :]))
                    for place, part in enumerate(parts)
                    if name in variables(part)
                ),
            )
        case Power(base, exponent) if exponent.denominator == 1:
            return exponent * base ** (exponent - 1) * derivative(base, name)
        case Power(base, exponent):
            return exponent * expression * base**-1 * derivative(base, name)
        case Ln(argument):
            return argument**-1 * derivative(argument, name)
        case Exp(argument):
            return expression * derivative(argument, name)
        case _:
            return ONE  # the variable itself: a number has no variables


def _gather(kind: type[Sum] | type[Times], parts: tuple[Scalar, ...]) -> Scalar:
    neutral = Fraction(0 if kind is Sum else 1)
    number, rest = neutral, list[Scalar]()
    for part in _flat(kind, parts):
        if isinstance(part, Number):
            number = number + part.value if kind is Sum else number * part.value
        else:
            rest.append(part)
    if number == neutral and len(rest) == 1:
        return rest[0]
    if number != neutral or not rest:
        rest = [*rest, Number(number)] if kind is Sum else [Number(number), *rest]
    return rest[0] if len(rest) == 1 else kind(tuple(rest))


def _flat(kind: type[Sum] | type[Times], parts: tuple[Scalar, ...]) -> Iterator[Scalar]:
    for part in parts:
        if isinstance(part, kind):
            yield from _flat(kind, part.parts)
        else:
            yield part


def _show(expression: Scalar) -> str:
    match expression:
        case Number(value):
            return str(value)
        case Variable(name):
            return name
        case Sum(parts):
            return "(" + " + ".join(map(str, parts)) + ")"
        case Times(parts):
            return "(" + " ".join(map(str, parts)) + ")"
        case Power(base, exponent):
            return f"{base}^{exponent}" if exponent.denominator == 1 and exponent > 0 else f"{base}^({exponent})"
        case Ln(argument):
            return f"ln({argument})"
        case _:
            return f"exp({expression.argument})"
