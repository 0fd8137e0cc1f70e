"""Taylor arithmetic for polynomial vector fields, of any precision.

A vector field is not typed in but traced: the model and the loss, which are written for every arithmetic, are evaluated
once on `Traced` objects, and what they did is kept as a `Program`, a list of sums of products. The Taylor
coefficients of a solution then follow one order at a time, each product being a convolution (Cauchy product).

Numbers are fixed-point integers, ``x = n / 2**bits``: the mantissas of mpmath numbers that share one exponent. They are
exact Python integers (FLINT integers from `FLINT_BITS` bits on), and each sum of products is rounded once.

Not rigorous: rounding and truncation are estimated by the caller, not enclosed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import index, mul
from typing import Any

import numpy as np

from theorytest.errors import InputError

FLINT_BITS = 400  # measured: from here on a product of FLINT integers is faster than one of Python integers
Exponents = tuple[int, int]


def exact(value: Any) -> Fraction:
    """An exact number as a `Fraction`: int, Fraction, FLINT integer or rational, sympy rational, text such as "1/10".

    Raises `InputError` for floats and for anything else: a float is not the number that was meant.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, (bool, float, complex)):
        raise InputError(f"given the inexact number {value!r}, needed an exact one: write Fraction({str(value)!r})")
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, str):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"given {value!r}, needed a rational number such as '1/10'") from error
    numerator, denominator = getattr(value, "p", None), getattr(value, "q", None)
    if numerator is not None and denominator is not None:  # FLINT and sympy rationals, FLINT integers
        return Fraction(int(numerator), int(denominator))
    try:
        return Fraction(index(value))
    except TypeError:
        pass
    raise InputError(f"given {value!r} of type {type(value).__name__}, needed an exact rational number")


class Tape:
    """What was computed: inputs first, then sums of products in the order in which they were needed.

    start: exact values of the inputs. Comparisons are decided by them and recorded as guards, so that a piecewise
    polynomial is traced as the piece that holds at the start.
    """

    def __init__(self, start: Sequence[Fraction]) -> None:
        self.start = list(start)
        self.values: list[Fraction] = list(start)
        self.definitions: list[Traced | None] = [None] * len(self.start)
        self.found: dict[Any, int] = {}
        self.guards: dict[int, int] = {}

    def inputs(self) -> list[Traced]:
        """One polynomial for each input."""
        return [Traced(self, Fraction(0), {k: Fraction(1)}, {}) for k in range(len(self.start))]

    def slot(self, expression: Traced) -> int:
        """The slot that holds an expression; equal expressions share one."""
        key = (
            expression.constant,
            frozenset(expression.linear.items()),
            frozenset(expression.products.items()),
        )
        if key not in self.found:
            self.found[key] = len(self.definitions)
            self.definitions.append(expression)
            self.values.append(expression.value())
        return self.found[key]


class Traced:
    """A traced value: constant + linear combination of slots + combination of products of two slots.

    Supports what a polynomial needs: +, -, *, / by an exact number, ** by a natural number, and comparisons, which are
    decided at the start and guarded. Anything else raises `InputError` (or TypeError from the caller's arithmetic).
    """

    __slots__ = ("constant", "linear", "products", "tape")
    __hash__ = object.__hash__

    def __init__(
        self, tape: Tape, constant: Fraction, linear: dict[int, Fraction], products: dict[Exponents, Fraction]
    ) -> None:
        self.tape, self.constant, self.linear, self.products = tape, constant, linear, products

    def value(self) -> Fraction:
        """The exact value at the start."""
        at = self.tape.values
        total = self.constant + sum((c * at[s] for s, c in self.linear.items()), Fraction(0))
        return total + sum((c * at[a] * at[b] for (a, b), c in self.products.items()), Fraction(0))

    def lift(self, value: Any) -> Traced:
        """An exact number as a constant of the same tape."""
        return Traced(self.tape, exact(value), {}, {})

    def _other(self, other: Any) -> Traced:
        return other if isinstance(other, Traced) else self.lift(other)

    def _factor(self) -> tuple[Fraction, int | None]:
        """The expression as a number times a slot (None: the number alone)."""
        if not self.linear and not self.products:
            return self.constant, None
        if not self.constant and not self.products and len(self.linear) == 1:
            ((slot, coefficient),) = self.linear.items()
            return coefficient, slot
        return Fraction(1), self.tape.slot(self)

    def _scale(self, factor: Fraction) -> Traced:
        if not factor:
            return Traced(self.tape, Fraction(0), {}, {})
        return Traced(
            self.tape,
            self.constant * factor,
            {slot: c * factor for slot, c in self.linear.items()},
            {pair: c * factor for pair, c in self.products.items()},
        )

    def __add__(self, other: Any) -> Traced:
        if isinstance(other, np.ndarray):
            return NotImplemented  # entry by entry, by numpy
        other = self._other(other)
        return Traced(
            self.tape,
            self.constant + other.constant,
            _merge(self.linear, other.linear),
            _merge(self.products, other.products),
        )

    __radd__ = __add__

    def __neg__(self) -> Traced:
        return self._scale(Fraction(-1))

    def __pos__(self) -> Traced:
        return self

    def __sub__(self, other: Any) -> Traced:
        if isinstance(other, np.ndarray):
            return NotImplemented  # entry by entry, by numpy
        return self + -self._other(other)

    def __rsub__(self, other: Any) -> Traced:
        if isinstance(other, np.ndarray):
            return NotImplemented  # entry by entry, by numpy
        return self._other(other) + -self

    def __mul__(self, other: Any) -> Traced:
        if isinstance(other, np.ndarray):
            return NotImplemented  # entry by entry, by numpy
        left, a = self._factor()
        right, b = self._other(other)._factor()
        if a is None:
            return self._other(other)._scale(left)
        if b is None:
            return self._scale(right)
        return Traced(self.tape, Fraction(0), {}, {(min(a, b), max(a, b)): left * right})

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Traced:
        if isinstance(other, np.ndarray):
            return NotImplemented  # entry by entry, by numpy
        divisor = self._other(other)
        if divisor.linear or divisor.products or not divisor.constant:
            raise InputError(
                "given a quotient of two unknowns, needed a polynomial loss: Taylor arithmetic has no division"
            )
        return self._scale(1 / divisor.constant)

    def __rtruediv__(self, other: Any) -> Traced:
        return self._other(other) / self

    def __pow__(self, exponent: Any) -> Traced:
        power = exact(exponent)
        if power.denominator != 1 or power < 0:
            raise InputError(f"given the exponent {exponent}, needed a natural number: Taylor arithmetic has no roots")
        result = self._other(1)
        for _ in range(int(power)):
            result = result * self
        return result

    def __bool__(self) -> bool:
        """False only for the constant 0, so that sums may leave out absent terms."""
        return bool(self.constant or self.linear or self.products)

    def __abs__(self) -> Traced:
        return -self if self < 0 else self

    def _sign(self, other: Any) -> int:
        """Sign of self - other at the start, recorded as a guard."""
        difference = self - other
        value = difference.value()
        if not difference.linear and not difference.products:
            return (value > 0) - (value < 0)
        if not value:
            raise InputError(
                "given a start on a kink of a piecewise polynomial loss, needed a start off it: no series there"
            )
        sign = 1 if value > 0 else -1
        self.tape.guards[self.tape.slot(difference)] = sign
        return sign

    def __lt__(self, other: Any) -> bool:
        return self._sign(other) < 0

    def __le__(self, other: Any) -> bool:
        return self._sign(other) <= 0

    def __gt__(self, other: Any) -> bool:
        return self._sign(other) > 0

    def __ge__(self, other: Any) -> bool:
        return self._sign(other) >= 0


def _merge(left: dict[Any, Fraction], right: dict[Any, Fraction]) -> dict[Any, Fraction]:
    if not right:
        return left
    total = dict(left)
    for key, value in right.items():
        held = total.get(key, 0) + value
        if held:
            total[key] = held
        else:
            del total[key]
    return total


@dataclass(frozen=True)
class Node:
    """One sum of products: constant, then groups (numerator, denominator, slots or pairs of slots)."""

    slot: int
    constant: Fraction
    linear: tuple[tuple[int, int, tuple[int, ...]], ...]
    products: tuple[tuple[int, int, tuple[Exponents, ...]], ...]


@dataclass(frozen=True)
class Program:
    """A polynomial vector field: inputs 0..n-1, nodes in order, the slot of each derivative, guards (slot -> sign)."""

    inputs: int
    slots: int
    nodes: tuple[Node, ...]
    derivatives: tuple[int, ...]
    guards: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, tape: Tape, derivatives: Iterable[Any]) -> Program:
        """Close a tape: the traced right-hand sides, with everything that does not feed them left out."""
        zero = Traced(tape, Fraction(0), {}, {})
        outputs = [tape.slot(zero + value) for value in derivatives]
        needed: set[int] = set()
        stack = [*outputs, *tape.guards]
        while stack:
            slot = stack.pop()
            definition = tape.definitions[slot]
            if slot not in needed and definition is not None:
                stack += [*definition.linear, *(s for pair in definition.products for s in pair)]
            needed.add(slot)
        nodes: list[Node] = []
        for slot in sorted(needed):
            definition = tape.definitions[slot]
            if definition is not None:
                nodes.append(Node(slot, definition.constant, _groups(definition.linear), _groups(definition.products)))
        return cls(
            len(tape.start),
            len(tape.definitions),
            tuple(nodes),
            tuple(outputs),
            tuple(sorted(tape.guards.items())),
        )

    def coefficients(
        self, state: Sequence[Any], bits: int, order: int, step: Fraction
    ) -> tuple[list[list[Any]], list[list[Any]]]:
        """Scaled Taylor coefficients ``c_k = a_k step**k`` of the solution through a state.

        state: fixed-point integers, ``bits`` after the point. Returns the series of the inputs (orders 0..order) and of
        all slots (orders 0..order-1), in the same fixed point. Each sum of products is rounded once, downwards.
        """
        series: list[list[Any]] = [[] for _ in range(self.slots)]
        for k, value in enumerate(state):
            series[k].append(value)
        one = 1 << bits
        for k in range(order):
            backwards: dict[int, list[Any]] = {}
            half, odd = divmod(k + 1, 2)
            for node in self.nodes:
                total: Any = 0
                if not k and node.constant:
                    total = node.constant.numerator * one // node.constant.denominator
                for numerator, denominator, slots in node.linear:
                    part = sum([series[slot][k] for slot in slots])
                    total = total + _times(part, numerator, denominator)
                for numerator, denominator, pairs in node.products:
                    part = 0
                    for a, b in pairs:
                        flipped = backwards.get(b)
                        if flipped is None:
                            flipped = backwards[b] = series[b][::-1]
                        if a == b:  # a square: every mixed product occurs twice
                            part = part + 2 * sum(map(mul, flipped[:half], series[a]))
                            if odd:
                                part = part + series[a][half] * series[a][half]
                        else:
                            part = part + sum(map(mul, series[a], flipped))
                    total = total + (_times(part, numerator, denominator) >> bits)
                series[node.slot].append(total)
            top, bottom = step.numerator, step.denominator * (k + 1)
            for j, slot in enumerate(self.derivatives):
                series[j].append(series[slot][k] * top // bottom)
        return series[: self.inputs], series


def _groups(terms: dict[Any, Fraction]) -> tuple[tuple[int, int, tuple[Any, ...]], ...]:
    """Terms with the same coefficient, together: they are summed before they are multiplied."""
    grouped: dict[Fraction, list[Any]] = {}
    for key, coefficient in sorted(terms.items()):
        grouped.setdefault(coefficient, []).append(key)
    return tuple((c.numerator, c.denominator, tuple(keys)) for c, keys in grouped.items())


def _times(value: Any, numerator: int, denominator: int) -> Any:
    if numerator != 1:
        value = value * numerator
    return value if denominator == 1 else value // denominator


def integer(bits: int) -> Any:
    """The integer type for a precision: int, or FLINT's from `FLINT_BITS` bits on."""
    if bits < FLINT_BITS:
        return int
    from flint import fmpz

    return fmpz


def log2(value: Any) -> float:
    """Base 2 logarithm of the size of an integer of any length; -inf for 0."""
    n = abs(int(value))
    return math.log2(n) if n else -math.inf
