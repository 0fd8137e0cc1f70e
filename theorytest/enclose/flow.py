"""Gradient flow at any number of digits, by Taylor series, at exact rational times.

`integrate` follows ``d theta/dt = - d/d theta loss(end tensor)`` for one exact rational start. Every step is the
truncated Taylor series of the solution; its length comes from the last coefficients. The flow is computed twice, with
different orders, step sizes and precisions; the finer is the result, the difference of the two is the error estimate.

Not rigorous: the error estimate is an estimate. It sees truncation, rounding and their growth along the flow, since the
two runs share none of their steps.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from theorytest.enclose.taylor import Program, Tape, Traced, exact, integer, log2
from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array

DONE = "done"
SINGULAR = "singular: the steps shrink to nothing, the solution seems to end here"
BUDGET = "step budget spent"
LOST = "accuracy lost: the two runs have come apart"

GROWTH = 1.25  # a step may exceed its trial by this factor: the coefficients' last bits are scaled up by GROWTH**order
APART = Fraction(1, 1024)  # of the largest parameter: beyond, the difference of two runs no longer measures an error
COLLAPSE = 40  # bits; a step below 2**-COLLAPSE of the first step and of the time reached: a singularity


@dataclass(frozen=True)
class Piece:
    """One Taylor step: start, trial step (the unit of the series' variable), length, fixed point, coefficients."""

    start: Fraction
    unit: Fraction
    length: Fraction
    bits: int
    series: tuple[tuple[Any, ...], ...]

    def at(self, t: Fraction) -> tuple[list[Any], int]:
        """Fixed-point values at a time, by Horner's rule."""
        ratio = (t - self.start) / self.unit
        variable = integer(self.bits)((ratio.numerator << self.bits) // ratio.denominator)
        values: list[Any] = []
        for coefficients in self.series:
            total = coefficients[-1]
            for coefficient in reversed(coefficients[:-1]):
                total = (total * variable >> self.bits) + coefficient
            values.append(total)
        return values, self.bits


@dataclass
class Run:
    """One integration: pieces in order, the time reached, and why it stopped there."""

    start: list[Fraction]
    pieces: list[Piece] = field(default_factory=list)
    reached: Fraction = Fraction(0)
    status: str = DONE
    steps: int = 0

    @cached_property
    def starts(self) -> list[Fraction]:
        return [piece.start for piece in self.pieces]

    def at(self, t: Fraction) -> tuple[list[Any], int]:
        if not self.pieces:
            bits = 64
            return [(x.numerator << bits) // x.denominator for x in self.start], bits
        return self.pieces[max(0, bisect_right(self.starts, t) - 1)].at(t)


def vector_field(model: Any, loss: Any, start: Mapping[str, Array]) -> Program:
    """The gradient flow of a model and a loss, traced at a start: minus the gradient of loss(end tensor).

    Every polynomial loss will do, and a piecewise polynomial one near a start that lies off its kinks (guarded).
    """
    shapes = dict(model.shapes)
    flat = [entry for name in shapes for entry in start[name].entries]
    tape = Tape(flat)
    inputs = tape.inputs()
    blocks: dict[str, Any] = {}
    place = 0
    for name, shape in shapes.items():
        count = math.prod(shape)
        block = np.empty(shape, dtype=object)
        for k, index in enumerate(np.ndindex(*shape)):
            block[index] = inputs[place + k]
        blocks[name] = block
        place += count
    gradient = loss.gradient(model.end_tensor(blocks))
    gradients = model.gradients(blocks, gradient)
    derivatives: list[Any] = []
    for name, shape in shapes.items():
        values = np.asarray(gradients[name], dtype=object).reshape(shape)
        derivatives += [-value if isinstance(value, Traced) else -exact(value) for value in values.flat]
    return Program.of(tape, derivatives)


def start_of(model: Any, theta0: Mapping[str, Any]) -> dict[str, Array]:
    """An exact start: block name -> kernel `Array` (or nested lists of exact numbers), with shapes checked."""
    shapes = dict(model.shapes)
    if not isinstance(theta0, Mapping):
        raise InputError(f"given a start of type {type(theta0).__name__}, needed a dict: block name -> exact array")
    if set(theta0) != set(shapes):
        raise InputError(f"given a start for the blocks {sorted(theta0)}, needed one for each of {sorted(shapes)}")
    start: dict[str, Array] = {}
    for name, shape in shapes.items():
        value = theta0[name]
        if not isinstance(value, Array):
            entries = np.array(value, dtype=object)
            value = Array(tuple(entries.shape), tuple(exact(x) for x in entries.flat))
        if value.shape != tuple(shape):
            raise InputError(f"given the block {name} with shape {value.shape}, needed {tuple(shape)}")
        start[name] = value
    return start


def run(
    program: Program,
    start: Sequence[Fraction],
    until: Fraction,
    *,
    digits: int,
    order: int | None = None,
    max_steps: int = 100_000,
    keep: Sequence[Fraction] | None = None,
) -> Run:
    """Integrate a program from time 0. Each step aims at an error of ``10**-digits`` of the largest unknown.

    keep: keep only the pieces that contain these times (None: all of them, for dense output). Order: by default the one
    that costs least, about 1.15 per digit: the cost per unit of time is order**2 / radius * 10**(digits/order).
    """
    order = order or max(8, math.ceil(1.152 * digits))
    done = Run(list(start))
    relative = -digits * math.log2(10)  # log2 of the tolerance per step
    guard = 24 + math.ceil(order * math.log2(GROWTH)) + order.bit_length()
    state: list[Any] = []
    bits = 0
    unit = _first_unit(program, start, relative)
    first: Fraction | None = None
    size = max((abs(x) for x in start), default=Fraction(0))
    spread = 0.0  # log2 of the largest slot: how much a product enlarges the rounding of its other factor
    while done.reached < until:
        if done.steps >= max_steps:
            done.status = BUDGET
            break
        unit = min(unit, until - done.reached)
        wanted = math.ceil(-relative + guard + max(0.0, -_log2(size)) + max(0.0, _log2(unit)) + max(0.0, spread))
        whole = integer(wanted)
        if not done.steps:
            state, bits = [whole((x.numerator << wanted) // x.denominator) for x in start], wanted
        elif wanted != bits:
            state, bits = (
                [whole(x << wanted - bits if wanted > bits else x >> bits - wanted) for x in state],
                wanted,
            )
        found: list[list[Any]] = []
        ratio = 0.0
        slots: list[list[Any]] = []
        for _ in range(200):
            found, slots = program.coefficients(state, bits, order, unit)
            ratio = _ratio(found, order, relative + bits + _log2(size))
            if ratio <= 2 or unit * 2 > until - done.reached:
                break
            unit = _dyadic(unit * Fraction(min(ratio, 1024.0)))
        ratio = min(ratio, GROWTH)
        length = _dyadic(unit * Fraction(ratio))
        remaining = until - done.reached
        length = min(length, remaining)
        length = _guarded(program, slots, unit, length, done.reached)
        first = first or length
        if length < remaining and length < max(first, done.reached) / 2**COLLAPSE:
            done.status = SINGULAR
            break
        piece = Piece(done.reached, unit, length, bits, tuple(map(tuple, found)))
        if keep is None:
            done.pieces.append(piece)
        else:
            last = piece.start + length >= until
            if last or any(piece.start <= t < piece.start + length for t in keep):
                done.pieces.append(piece)
        done.reached += length
        done.steps += 1
        state, _ = piece.at(done.reached)
        top = max((abs(int(x)) for x in state), default=0)
        size = Fraction(top, 1 << bits)
        spread = max((log2(values[0]) for values in slots if values), default=0.0) - bits
        unit = _dyadic(length if length < remaining else unit)
    return done


def _log2(value: Fraction) -> float:
    return log2(value.numerator) - log2(value.denominator) if value else 0.0


def _dyadic(value: Fraction) -> Fraction:
    """Rounded down to 16 significant bits: step sizes stay small exact numbers."""
    shift = 16 - math.floor(log2(value.numerator) - log2(value.denominator))
    if shift >= 0:
        return Fraction((value.numerator << shift) // value.denominator, 1 << shift)
    return Fraction((value.numerator // (value.denominator << -shift)) << -shift)


def _ratio(series: Sequence[Sequence[Any]], order: int, limit: float) -> float:
    """Length of the step in units: the last coefficients, so scaled, lie below 2**limit. Infinite if they vanish."""
    ratio = math.inf
    for k in range(order, order // 2, -1):
        top = max((abs(int(values[k])) for values in series), default=0)
        if top:
            ratio = min(ratio, 2 ** min(1000.0, (limit - log2(top)) / k))
        if k < order and ratio < math.inf:
            break  # a series with gaps is judged by the last coefficients that it has
    if ratio < math.inf:
        return ratio
    moves = any(value for values in series for value in values[1:])
    return 1024.0 if moves else 2.0**60  # the unit was far too short, or a stationary point


def _first_unit(program: Program, start: Sequence[Fraction], relative: float) -> Fraction:
    """A first trial step, from short series."""
    bits = 64 + math.ceil(max([0.0, *(-_log2(x) for x in start if x)]))
    state = [(x.numerator << bits) // x.denominator for x in start]
    size = max((abs(x) for x in start), default=Fraction(0))
    unit = Fraction(1)
    for _ in range(40):
        found, _ = program.coefficients(state, bits, 8, unit)
        ratio = _ratio(found, 8, bits + _log2(size) - 11.5)  # e**-8: the ratio of step to radius that is aimed at
        unit = _dyadic(unit * Fraction(min(ratio, 2.0**60)))
        if 0.5 < ratio < 2:
            break
        if ratio >= 2**59:
            break
    return unit


def _guarded(
    program: Program, slots: Sequence[Sequence[Any]], unit: Fraction, length: Fraction, reached: Fraction
) -> Fraction:
    """Shorten a step until no kink can be reached in it; refuse where that shortens it a thousandfold."""
    for slot, sign in program.guards:
        values = slots[slot]
        shortest = length / 1024
        while True:
            ratio = float(length / unit)
            swing = sum(_scaled(value, ratio, k) for k, value in enumerate(values) if k)
            if sign * int(values[0]) > swing:
                break
            length = _dyadic(length / 2)
            if length < shortest:
                raise InputError(
                    f"given a flow that meets a kink of the loss near t = {float(reached):.6g}, needed one that keeps "
                    "off the kinks: the flow is not analytic there; stop earlier, or use the float64 flows"
                )
    return length


def _scaled(value: Any, ratio: float, k: int) -> float:
    n = abs(int(value))
    return 2.0 ** min(1000.0, math.log2(n) + k * math.log2(ratio)) if n else 0.0


class Trajectory:
    """A gradient flow from one exact start, on ``0 <= t <= reached``, with dense output.

    shapes: block name -> shape; reached: the time up to which the flow was computed, exact; status: `DONE`, or why it
    stopped before the end; digits: aimed at, relative to the largest parameter; steps of the finer run.

    Values are mpmath numbers of a private context (``context``), in numpy object arrays; nothing global is set. Error
    estimates compare two runs of different order, steps and precision: estimates, not enclosures.
    """

    def __init__(self, model: Any, loss: Any, coarse: Run, fine: Run, *, digits: int, orders: tuple[int, int]) -> None:
        from mpmath import MPContext

        self.model, self.loss, self.digits, self.orders = model, loss, digits, orders
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(shape) for name, shape in model.shapes.items()}
        self._coarse, self._fine = coarse, fine
        self.context: Any = MPContext()
        self.context.dps = digits + 15
        self.reached = min(coarse.reached, fine.reached)
        self.status = fine.status if fine.status != DONE else coarse.status
        self.steps = fine.steps
        self._keep_what_agrees()

    def _keep_what_agrees(self) -> None:
        """Move `reached` back to where the two runs still agree. Later, both may be wrong by more than they differ."""
        checks = [*self.times()[1:], self.reached]
        for place in range(len(checks) - 1, -1, -1):
            t = checks[place]
            values, bits = self._fine.at(t)
            size = Fraction(max((abs(int(x)) for x in values), default=0), 1 << bits)
            if self.error(t) <= APART * size or not size:
                if place < len(checks) - 1:
                    self.reached, self.status = t, self.status if self.status == SINGULAR else LOST
                return
        self.reached, self.status = Fraction(0), LOST

    def __repr__(self) -> str:
        return f"Trajectory({self.status} at t = {float(self.reached):.6g}, {self.digits} digits, {self.steps} steps)"

    def _time(self, t: Any) -> Fraction:
        time = exact(t)
        if not 0 <= time <= self.reached:
            raise InputError(
                f"given t = {t}, needed 0 <= t <= {float(self.reached):.12g}, which was reached ({self.status})"
            )
        return time

    def _split(self, values: Sequence[Any]) -> dict[str, Any]:
        blocks: dict[str, Any] = {}
        place = 0
        for name, shape in self.shapes.items():
            block = np.empty(shape, dtype=object)
            for index in np.ndindex(*shape):
                block[index] = values[place]
                place += 1
            blocks[name] = block
        return blocks

    def rational(self, t: Any) -> dict[str, Array]:
        """The computed parameters at a time, as the dyadic rationals that they are: block name -> kernel `Array`."""
        values, bits = self._fine.at(self._time(t))
        blocks = self._split([Fraction(int(value), 1 << bits) for value in values])
        return {name: Array(block.shape, tuple(block.flat)) for name, block in blocks.items()}

    def at(self, t: Any) -> dict[str, Any]:
        """Parameters at an exact time 0 <= t <= reached: block name -> array of mpmath numbers. Raises `InputError`."""
        from mpmath.libmp import from_man_exp

        values, bits = self._fine.at(self._time(t))
        return self._split([self.context.make_mpf(from_man_exp(int(value), -bits)) for value in values])

    def error(self, t: Any) -> Fraction:
        """Error estimate at a time, for the worst parameter: the difference of the two runs, and a rounding unit.

        It estimates the error of the coarser run, which is larger than that of the values given out.
        """
        time = self._time(t)
        (fine, more), (coarse, less) = self._fine.at(time), self._coarse.at(time)
        most = max(more, less)
        pairs = zip(fine, coarse, strict=True)
        gap = max((abs((int(a) << most - more) - (int(b) << most - less)) for a, b in pairs), default=0)
        return Fraction(gap, 1 << most) + Fraction(1, 1 << min(more, less))

    def end_tensor(self, t: Any) -> Any:
        """End tensor at a time, as an array of mpmath numbers."""
        return self.model.end_tensor(self.at(t))

    def times(self) -> list[Fraction]:
        """Where the steps of the result begin, and the time reached."""
        return [*(t for t in self._fine.starts if t <= self.reached), self.reached]


def integrate(
    model: Any,
    loss: Any,
    theta0: Mapping[str, Any],
    t: Any,
    *,
    digits: int = 50,
    times: Sequence[Any] | None = None,
    max_steps: int = 100_000,
) -> Trajectory:
    """Gradient flow from an exact start to an exact time, to about ``digits`` digits of the largest parameter.

    theta0: block name -> kernel `Array` (or nested lists of exact numbers); t: rational, as Fraction, int or text;
    times: keep dense output only near these times (a long flow holds millions of coefficients otherwise).
    A blow-up ends with status `SINGULAR` and the time reached, a long flow with `BUDGET`; neither raises.
    Where errors grow until the two runs come apart it ends with `LOST`, at the last time at which they agreed.
    Raises `InputError` for inexact or misshapen input, for a loss that is not polynomial, and where a piecewise
    polynomial loss is about to change its piece.

    Not rigorous: ``Trajectory.error`` is an estimate.
    """
    until = exact(t)
    if until < 0:
        raise InputError(f"given t = {t}, needed a time >= 0: to follow the flow backwards, negate the loss")
    if type(digits) is not int or digits < 1:
        raise InputError(f"given digits={digits!r}, needed a whole number from 1")
    if type(max_steps) is not int or max_steps < 1:
        raise InputError(f"given max_steps={max_steps!r}, needed a whole number from 1")
    start = start_of(model, theta0)
    program = vector_field(model, loss, start)
    flat = [entry for name in model.shapes for entry in start[name].entries]
    kept = None if times is None else [exact(time) for time in times]
    low, high = digits + 3, digits + 6
    orders = max(8, math.ceil(1.152 * low)), max(8, math.ceil(1.152 * high)) + 2
    options: dict[str, Any] = {"max_steps": max_steps, "keep": kept}
    fine = run(program, flat, until, digits=high, order=orders[1], **options)
    coarse = run(program, flat, min(until, fine.reached), digits=low, order=orders[0], **options)
    return Trajectory(model, loss, coarse, fine, digits=digits, orders=orders)
