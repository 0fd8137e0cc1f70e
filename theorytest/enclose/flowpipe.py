"""Certified enclosures of gradient flow: the search for steps that the kernel accepts.

The kernel (`theorytest.kernel.flow`) checks a step: it bounds the defect of a polynomial, the logarithmic norm and the
radius. What is chosen here is how long the steps are, their polynomials (`collocation`), with how many bits, and which
bounds of the logarithmic norm are claimed (floating-point eigenvalues and a little more). Nothing here is trusted.

A first run in float64 measures how much errors grow along the flow; the second has as many digits more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_poly, ctx, fmpq, fmpz_poly

from theorytest.enclose.collocation import CHEAP, LARGEST, FloatField, Grid, predict, refined
from theorytest.enclose.flow import start_of
from theorytest.enclose.subspace import invariant_basis
from theorytest.enclose.taylor import exact
from theorytest.errors import InputError
from theorytest.kernel import flow as kernel
from theorytest.kernel.ball import ball, precision
from theorytest.kernel.chebyshev import powers
from theorytest.kernel.claim import Claim
from theorytest.kernel.encoding import digest
from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import (
    Basis,
    InitialValueProblem,
    MeasuredLoss,
    Measurement,
    Slope,
    field,
    rational,
    sum_of,
)
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.trajectory import Trajectory, problems_of
from theorytest.kernel.trajectory import digits as digits_of
from theorytest.models.losses import Linear
from theorytest.quantity import Quantity, entry, equal

Bounds = tuple[Fraction, Fraction]

DONE = "done"
SINGULAR = "singular: the steps shrink to nothing, the solution seems to end here"
BUDGET = "time spent: raise max_seconds"
STEPS = "steps spent: raise max_steps"
LOST = "digits lost: errors grow faster than the digits allow; raise digits"

REHEARSAL = 12  # degree of the polynomials of the first run
ROUGH = 1e-5  # relative size of their last coefficients
COLLAPSE = 60  # bits; a step below 2**-COLLAPSE of the longest one and of the time reached: a singularity
SLACK = 0.3  # of the exponent by which the radius grows in a step, that the bounds of the Jacobian may lose
MOST_PIECES = 64  # of a step, for which the Jacobian is bounded one by one
MOST_DIGITS = 10_000
HALVINGS = 3  # of a step, before equations are solved at once
HIGHEST = 400  # degree; more digits take more and shorter steps
APART = -10.0  # log2 of the radius, relative to the largest coordinate, beyond which nothing is known


@dataclass(frozen=True)
class Plan:
    """Tolerance of the defect of a step (log2), degree and bits of its polynomial."""

    tolerance: int
    degree: int
    bits: int

    @classmethod
    def of(cls, digits: int) -> Plan:
        """For an error of ``10**-digits`` a step; the degree is the one that was measured to cost least."""
        tolerance = -math.ceil(digits * math.log2(10))
        return cls(tolerance, min(HIGHEST, 12 + math.ceil(1.4 * digits)), 24 - tolerance)


@dataclass
class Search:
    """A run: steps and pieces that the kernel accepted, the time reached, why it ended."""

    steps: list[kernel.FlowStep]
    pieces: list[kernel.Piece]
    reached: Fraction
    status: str


def short(value: Fraction, bits: int = 12) -> Fraction:
    """The positive number rounded down to a dyadic one with that many significant bits."""
    shift = bits - (value.numerator.bit_length() - value.denominator.bit_length())
    if shift >= 0:
        return Fraction((value.numerator << shift) // value.denominator, 1 << shift)
    return Fraction(value.numerator // (value.denominator << -shift) << -shift)


def log2(value: Fraction) -> float:
    """Base 2 logarithm of a number of any size; -inf for 0."""
    if not value:
        return -math.inf
    numerator, denominator = abs(value.numerator), value.denominator
    shift = numerator.bit_length() - denominator.bit_length()
    scaled = Fraction(numerator, denominator) / Fraction(2) ** shift
    return shift + math.log2(scaled)


def power(exponent: float) -> Fraction:
    """About 2 to a real exponent, as a short dyadic number."""
    whole = math.floor(exponent)
    return short(Fraction(2 ** (exponent - whole)) * Fraction(2) ** whole)


def problem_of(model: Any, loss: Any, theta0: Any) -> InitialValueProblem:
    """The kernel's problem: a shipped model, a loss of measurements (`HalfSum`, `Completion`, `Sensing`, ...), a start.

    Raises `InputError` where the start does not fit or the loss is none of measurements.
    """
    if not hasattr(model, "shapes"):
        raise InputError(f"given a model of type {type(model).__name__}, needed one of theorytest.models")
    start = start_of(model, theta0)
    sizes = tuple((name, model.sizes[name]) for name in sorted(model.sizes))
    return InitialValueProblem(model.parameterization, sizes, measured(loss), tuple(start.items()))


def measured(loss: Any) -> MeasuredLoss:
    """A loss as the kernel reads it: weight * sum of l(<A_i, W> - y_i), l piecewise polynomial."""
    if isinstance(loss, Linear):
        entries = tuple((index, loss.g[index]) for index in np.ndindex(*loss.g.shape) if loss.g[index])
        return MeasuredLoss((Measurement(entries, Fraction(0)),), Slope(((Fraction(1),),)))
    base, weight = getattr(loss, "base", None), getattr(loss, "weight", None)
    if base is None or weight is None:
        raise InputError(
            f"given the loss {type(loss).__name__}, needed one of residuals, weight * sum of l(<A, W> - y): HalfSum, "
            "MeanSquares, Huber, Completion, Sensing or Linear"
        )
    slopes = tuple(tuple(k * c for k, c in enumerate(piece))[1:] or (Fraction(0),) for piece in base.pieces)
    if hasattr(loss, "observed"):
        rows = tuple(Measurement(((tuple(index), Fraction(1)),), target) for index, target in loss.observed)
    else:
        rows = tuple(
            Measurement(
                tuple(
                    (tuple(map(int, index)), A[tuple(map(int, index))]) for index in np.ndindex(*A.shape) if A[index]
                ),
                target,
            )
            for A, target in zip(loss.measurements, loss.targets, strict=True)
        )
    return MeasuredLoss(rows, Slope(slopes, tuple(base.breaks)), weight)


def pieces_at(
    problem: InitialValueProblem, point: Sequence[Fraction] | None = None, basis: Basis | None = None
) -> tuple[int, ...]:
    """The piece of the slope in which each residual lies at a point (by default the start); () where there is one."""
    breaks = problem.loss.slope.breaks
    if not breaks:
        return ()
    made = field(problem, None, basis)
    values: list[Any] = [rational(x) for x in (problem.point() if point is None else point)]
    values += [fmpq(0)] * len(problem.loss.measurements)
    for node in made.nodes:
        values.append(sum_of(node, values, fmpq(0)))
    return tuple(sum(values[slot] >= rational(point) for point in breaks) for slot in made.residuals)


class Searcher:
    """Chooses steps for one problem, and has the kernel check them."""

    def __init__(self, problem: InitialValueProblem, basis: Basis | None) -> None:
        self.problem = problem
        self.enclosure = kernel.Enclosure(problem, basis)
        self._fields: dict[tuple[int, ...], FloatField] = {}

    def field(self, pieces: tuple[int, ...]) -> FloatField:
        """The vector field in float64."""
        if pieces not in self._fields:
            self._fields[pieces] = FloatField(self.enclosure.field(pieces))
        return self._fields[pieces]

    def growth(self, until: Fraction, *, deadline: float) -> float:
        """log2 of how much an error may grow up to a time: an estimate in float64."""
        grid = Grid.of(REHEARSAL)
        point = np.array([float(x) for x in self.enclosure.start])
        reached, end, length, growth = 0.0, float(until), 0.125, 0.0
        while reached < end and time.monotonic() < deadline and length > 1e-12 * (reached + 1e-6):
            field = self.field(self._pieces([Fraction(x) for x in point]))
            length = min(length, end - reached)
            points = predict(field, grid, point, length)
            tail = math.inf if points is None else _tail(grid, points)
            if points is None or tail > 100 * ROUGH:
                length /= 4 if tail == math.inf else min(4.0, 1.1 * (tail / ROUGH) ** (1 / REHEARSAL))
                continue
            last = self._last_within(field, points)
            norms = field.norms(field.jacobian(points[:, : last + 1]))
            share = float(1 - np.cos(np.pi * last / (points.shape[1] - 1))) / 2
            growth = max(0.0, growth + float(norms.mean()) * share * length / math.log(2))
            point = points[:, last]
            reached += share * length
            length *= min(2.0, (ROUGH / max(tail, 1e-300)) ** (1 / REHEARSAL))
        return growth

    def _last_within(self, field: FloatField, points: Any) -> int:
        """The last point up to which all residuals stay in their pieces of the slope, and one more."""
        breaks = self.problem.loss.slope.breaks
        last = points.shape[1] - 1
        if breaks:
            values = field.values(points)
            for slot in field.made.residuals:
                places = np.searchsorted(np.array([float(x) for x in breaks]), values[slot], side="right")
                changes = np.nonzero(places != places[0])[0]
                if len(changes):
                    last = min(last, int(changes[0]))
        return last

    def run(self, until: Fraction, plan: Plan, *, deadline: float, max_steps: int) -> Search:
        """Steps from time 0 until a time."""
        done = Search([], [], Fraction(0), DONE)
        state = self.enclosure.begin()
        length = Fraction(1, 8)
        longest, largest = Fraction(0), max(map(abs, state.centre), default=Fraction(0))
        count, most = 1, 0.0
        while done.reached < until:
            if len(done.steps) >= max_steps:
                done.status = STEPS
                break
            remaining = kernel.up(until - done.reached, 20)
            trial = self._step(state, min(length, remaining), plan, count, most, deadline)
            if isinstance(trial, str):
                done.status = trial
                break
            step, piece, count, wanted = trial
            count = max(1, min(MOST_PIECES, math.ceil(count * float(wanted / step.length) ** 1.5)))
            cut = 4 * step.length < min(length, remaining)  # short of a kink, or over one
            longest = max(longest, step.length)
            if not cut and step.length < remaining and step.length < max(longest, done.reached) / 2**COLLAPSE:
                done.status = SINGULAR
                break
            done.steps.append(step)
            done.pieces.append(piece)
            done.reached = piece.end
            most = float(sum(max(0, a, b) for a, b in step.norms) * step.length) / len(step.norms)
            state = self.enclosure.after(piece)
            largest = max(largest, *map(abs, state.centre))
            if log2(piece.exit_radius) > log2(largest or Fraction(1)) + APART:
                done.status = LOST
                break
            length = length if cut and step.pieces else wanted
        return done

    def _step(
        self, state: kernel.State, length: Fraction, plan: Plan, count: int, most: float, deadline: float
    ) -> tuple[kernel.FlowStep, kernel.Piece, int, Fraction] | str:
        """One step that the kernel accepts, how many pieces it needed, and a length for the next one: shorter where the
        defect is too large, finer where the Jacobian's bounds are too wide, in a wider tube where it is too narrow. Or
        why there is none."""
        floor = Fraction(1, 1 << -plan.tolerance)
        pieces = self._pieces(state.centre)
        field, grid = self.field(pieces), Grid.of(plan.degree)
        start = np.array([float(x) for x in state.centre])
        shortest = length / 2**COLLAPSE
        if pieces:
            shortest = min(shortest, power(plan.tolerance / 2 - 8))  # over a kink
        narrow = kernel.up(2 * (state.radius + 4 * floor) * power(min(60.0, 1.5 * most / math.log(2))), 16)
        failures = 0
        while length > shortest:
            if time.monotonic() > deadline:
                return BUDGET
            # Shorter steps are tried before a large system of equations: it pays only where many of them would do.
            eager = failures >= HALVINGS or start.size * len(grid.lifted) <= CHEAP
            points = predict(field, grid, start, float(length), most=LARGEST if eager else 0)
            if points is None:
                failures += 1
                length = short(length * 2 ** (HALVINGS - 1) if failures == HALVINGS else length / (4 if eager else 2))
                continue
            slow = _excess(grid, points, plan)
            if slow > 2:
                length = short(length * power(max(-3.0, -1.1 * slow / plan.degree)))
                continue
            step = kernel.FlowStep(length, plan.bits, (), narrow, ((Fraction(0), Fraction(0)),), pieces)
            found = refined(field, grid, points, state.centre, step, plan.tolerance, deadline=deadline)
            if found is None and time.monotonic() > deadline:
                return BUDGET
            if found is None:
                length = short(length / 4)
                continue
            outcome = self._checked(state, found, plan, count, slow)
            if isinstance(outcome, Fraction):
                length = outcome
                continue
            return outcome
        return SINGULAR

    def _checked(
        self, state: kernel.State, step: kernel.FlowStep, plan: Plan, count: int, slow: float
    ) -> tuple[kernel.FlowStep, kernel.Piece, int, Fraction] | Fraction | str:
        """As `_step`, for one polynomial; or the length of a better one."""
        floor = Fraction(1, 1 << -plan.tolerance)
        length = step.length
        for _ in range(40):
            step = replace(step, norms=((Fraction(0), Fraction(0)),) * count)
            attempt = self.enclosure.attempt(state, step)
            shorter = self._before_a_kink(attempt, step, floor)
            if shorter is not None and shorter < length:
                return shorter
            spread = max(float(end.spread) for ends in attempt.ends for end in ends)
            loss = spread * float(length)
            if not loss < SLACK * MOST_PIECES**2:  # also where it is not finite: finer pieces would not do
                return short(length / 8)
            if loss > SLACK and count < MOST_PIECES:
                count = min(MOST_PIECES, math.ceil(1.1 * count * math.sqrt(loss / SLACK)))
                continue
            step = replace(step, norms=tuple((_norm(left), _norm(right)) for left, right in attempt.ends))
            defect = self.enclosure.defect(attempt, step)
            excess = log2(defect) - plan.tolerance
            if excess > 4:
                rate = plan.degree if shorter is None else 2
                return short(length * power(max(-10.0, -excess / rate - 0.02)))
            inside, _ = kernel.grown(step, attempt.radius, defect)
            if not inside < step.tube:
                if log2(inside) > 0:
                    return LOST
                step = replace(step, tube=kernel.up(2 * inside, 16))
                continue
            piece = self.enclosure.accept(attempt, step, defect)
            finer = max(1, math.ceil(count * math.sqrt(max(loss, 1e-9) / SLACK) * 0.9))
            wanted = short(length * power(max(-2.0, min(2.0, -slow / plan.degree))))
            return step, piece, min(count, finer), wanted
        return LOST

    def _before_a_kink(self, attempt: kernel.Attempt, step: kernel.FlowStep, floor: Fraction) -> Fraction | None:
        """Where a residual may leave its piece of the slope: the length of a step that ends just before the kink, or,
        from there, of one just over it. None where all residuals keep to their pieces.

        Over a step of length e around a kink the defect is of the order of e^2.
        """
        if not attempt.kinks:
            return None
        near = power(log2(floor) / 2 - 3)
        values = kernel.run(attempt.field.measured, step, {})
        with precision(step.bits + 32):
            crossings: list[Fraction | None] = []
            for slot in {residual for residual, _ in attempt.kinks.values()}:
                path = powers([int(x) for x in values[slot].coefficients()] or [0])(fmpz_poly([-1, 2]))
                residual = arb_poly(path) * kernel.fixed(1, step.bits)
                crossings += [_first_root(residual - rational(b)) for b in self.problem.loss.slope.breaks]
        times = [place * step.length for place in crossings if place is not None]
        if not times:
            return max(short(step.length / 2), near)
        first = min(times)
        bits = max(24, 4 - math.floor(log2(near)))  # one step, however long, ends within ``near`` of the kink
        return short(first - near, bits) if first > 2 * near else short(first + near, 24)

    def _pieces(self, centre: Sequence[Fraction]) -> tuple[int, ...]:
        return pieces_at(self.problem, centre, self.enclosure.basis)


def _tail(grid: Grid, points: Any) -> float:
    """The last coefficients of polynomials through values, relative to the largest value."""
    last = grid.series[-3:] @ points.T
    return float(np.abs(last).max() / max(1e-300, np.abs(points).max()))


def _excess(grid: Grid, points: Any, plan: Plan) -> float:
    """log2 of the last coefficient over what the tolerance allows, from the decay of those that float64 shows."""
    sizes = np.abs(grid.series @ points.T).max(axis=1)
    top = float(sizes.max())
    if not top:
        return -math.inf
    tails = np.maximum.accumulate(sizes[::-1])[::-1]  # the largest from each one on
    seen = int(np.argmax(tails < 1e-13 * top)) or len(tails)
    if seen < 4:
        return -math.inf
    logs = np.log2(tails[:seen])
    begin = seen // 4
    decay = min(0.0, float(logs[seen - 1] - logs[begin]) / (seen - 1 - begin))
    return float(logs[seen - 1]) + decay * (plan.degree - seen + 1) - plan.tolerance + math.log2(plan.degree) - 4


def _norm(bounds: kernel.Bounds) -> Fraction:
    """A bound that the kernel will confirm: the largest floating-point eigenvalue, the spread, and a little more."""
    middle = np.array([[float(entry) for entry in row] for row in bounds.middle])
    top = float(np.linalg.eigvalsh(middle)[-1]) + float(bounds.spread)
    return kernel.up(Fraction(top + 1e-9 * (1 + float(np.abs(middle).max()))), 24)


def _first_root(polynomial: arb_poly) -> Fraction | None:
    """The first change of sign in [0, 1] that a grid shows, to the precision in force; 0 for a root there."""
    grid = 32
    left = polynomial(arb(0))
    for k in range(1, grid + 1):
        right = polynomial(arb(k) / grid)
        if not (left > 0 or left < 0):
            return Fraction(k - 1, grid)
        if not (right > 0 if left > 0 else right < 0):
            low, high = Fraction(k - 1, grid), Fraction(k, grid)
            for _ in range(ctx.prec):
                middle = (low + high) / 2
                value = polynomial(arb(rational(middle)))
                if not (value > 0 or value < 0):
                    return middle
                low, high = (middle, high) if bool(value > 0) is bool(left > 0) else (low, middle)
            return low
        left = right
    return None


# -- the enclosure ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BallArray:
    """Exact midpoints, and exact radii, of the entries of an array: each true entry is within its radius."""

    middle: Array
    radius: Array


@dataclass(frozen=True)
class Flowpipe:
    """A certified enclosure of the flow of one problem on ``0 <= t <= reached``.

    status: `DONE`, or why it ended before ``until``, and what to raise; steps: what the kernel checks again;
    trajectory: the enclosed solution. Every number that is handed out is rigorous.
    """

    problem: InitialValueProblem
    steps: kernel.FlowSteps
    trajectory: Trajectory
    until: Fraction
    status: str

    def __repr__(self) -> str:
        return f"Flowpipe({self.status} at t = {float(self.reached):.6g}, {self.digits} digits)"

    @property
    def reached(self) -> Fraction:
        """The time up to which the flow is enclosed."""
        return min(self.trajectory.end, self.until)

    @property
    def digits(self) -> int:
        """How many decimals of every parameter are certified at the time reached."""
        piece = self.trajectory.piece(self.reached)
        return digits_of(piece.exit_radius if self.reached == piece.end else piece.radius)

    @property
    def certificate(self) -> kernel.Flowpipes:
        """What the kernel needs to check a claim about this flow."""
        return kernel.Flowpipes((self.steps,))

    def at(self, t: Any) -> dict[str, BallArray]:
        """Block name, or "end" for the end tensor -> its entries at a time. Raises `InputError` beyond ``reached``."""
        time = self._time(t)
        with precision(self.trajectory.piece(time).bits + 32):
            state = self.trajectory.state(time)
        grids = {name: state.grid(name) for name in state.blocks} | {"end": state.grid("")}
        made: dict[str, BallArray] = {}
        for name, (shape, entries) in grids.items():
            pairs = [kernel.ends(ball(entry)) for entry in entries]
            middle = Array(shape, tuple((low + high) / 2 for low, high in pairs))
            made[name] = BallArray(middle, Array(shape, tuple((high - low) / 2 for low, high in pairs)))
        return made

    def value(self, quantity: Quantity, t: Any) -> Bounds:
        """Exact lower and upper bound of a quantity at a time. Raises `InputError` where it has no value."""
        time = self._time(t)
        with _told(quantity):
            return kernel.ends(self.trajectory.gap(_alone(quantity), time))

    def range(self, quantity: Quantity, start: Any, end: Any, *, cuts: int = 4) -> Bounds:
        """Exact lower and upper bound of a quantity over all times from ``start`` to ``end``.

        cuts: every step is cut into 2**cuts parts, for tighter bounds. Raises `InputError` where the quantity may not
        be defined.
        """
        first, last = self._time(start), self._time(end)
        if last < first:
            raise InputError(f"given the times {start} to {end}, needed a start that is not after the end")
        if type(cuts) is not int or not 0 <= cuts <= 20:
            raise InputError(
                f"given cuts={cuts!r}, needed a whole number from 0 to 20: every step is cut in 2**cuts parts"
            )
        alone = _alone(quantity)
        found: list[Bounds] = []
        with _told(quantity):
            self.trajectory.gap(alone, first)  # raises where there is no such quantity
            for piece, a, b in self.trajectory.cells(first, last):
                for k in range(1 << cuts):
                    left, right = (a + (b - a) * Fraction(j, 1 << cuts) for j in (k, k + 1))
                    value = self.trajectory.range(alone, piece, left, right)
                    if value is None or not value.is_finite():
                        raise InputError(f"{quantity} may not be defined at all these times: raise cuts, or digits")
                    found.append(kernel.ends(value))
        return min(low for low, _ in found), max(high for _, high in found)

    @property
    def loss(self) -> Quantity:
        """The loss as a quantity, for `value` and `range`. Raises `InputError` for one with kinks (Huber)."""
        loss = self.problem.loss
        if loss.slope.breaks:
            raise InputError("given a loss with kinks, needed one polynomial: compose it of entries (quantity.entry)")
        (slope,) = loss.slope.pieces
        total: Any = Fraction(0)
        for measurement in loss.measurements:
            forms = [value * entry(*(i + 1 for i in index)) for index, value in measurement.entries]
            residual: Any = sum(forms, -measurement.target)
            for power, coefficient in enumerate(slope, 1):
                total = total + loss.weight * coefficient / power * residual**power
        return total

    def first_time(self, quantity: Quantity, level: Any, *, width: Any = Fraction(1, 10**12)) -> Bounds | None:
        """Between which times the quantity first reaches the level; None where it is not shown to do so.

        width: of the time interval, if the digits allow it.
        """
        claim, narrow = _checked(equal, quantity, exact(level)), exact(width)
        if narrow <= 0:
            raise InputError(f"given width={width}, needed a positive one")
        with _told(quantity):
            begin = self.trajectory.gap(claim, Fraction(0))
            low: Fraction | None = None
            for a, b, found in self.trajectory.signs(claim, Fraction(0), self.reached):
                if found is None:
                    low = a if low is None else low
                elif low is not None:
                    if bool(found > 0) is bool(begin > 0):
                        return None
                    try:  # a sign that changes across a pole is no crossing
                        self.trajectory.require_continuous(claim, Fraction(0), b)
                    except KernelError:
                        return None
                    return self._crossing(claim, bool(begin > 0), low, b, narrow)
            return None

    def _crossing(self, claim: Comparison, positive: bool, low: Fraction, high: Fraction, width: Fraction) -> Bounds:
        while high - low > width:
            middle = (low + high) / 2
            gap = self.trajectory.gap(claim, middle)
            if gap > 0 or gap < 0:
                low, high = (middle, high) if bool(gap > 0) is positive else (low, middle)
            else:
                break
        return low, high

    def _time(self, t: Any) -> Fraction:
        time = exact(t)
        if not 0 <= time <= self.reached:
            raise InputError(
                f"given t = {t}, needed 0 <= t <= {float(self.reached):.12g}, which was reached ({self.status})"
            )
        return time


def _alone(quantity: Any) -> Comparison:
    """A comparison whose gap is the quantity."""
    return _checked(equal, 0, quantity)


def _checked(make: Callable[..., Comparison], *sides: Any) -> Comparison:
    try:
        return make(*sides)
    except (KernelError, TypeError) as error:
        raise InputError(f"given {sides[-1]!r}, needed a quantity (quantity.entry(1, 1), ...): {error}") from error


@contextmanager
def _told(what: Any) -> Generator[None]:
    """What the kernel cannot answer, as one line to the user."""
    try:
        yield
    except KernelError as error:
        raise InputError(f"{what}: {error}") from error


def enclose(
    model: Any,
    loss: Any,
    theta0: Any,
    t: Any,
    *,
    digits: int = 30,
    max_seconds: float = 600,
    max_steps: int = 100_000,
    basis: Basis | None = None,
) -> Flowpipe:
    """A certified enclosure of the gradient flow from an exact start to an exact time.

    model: a shipped `Model`; loss: of residuals <A, W> - y, piecewise polynomial (`HalfSum`, `Huber`, `Sensing`, ...);
    theta0: block name -> exact array; digits: decimals that are to be certified at time t; basis: orthogonal rational
    columns that span an invariant subspace (by default the smallest one is looked for, and used if the kernel confirms
    it). A flow that blows up, is too stiff or needs more digits ends with its status and the time reached; it neither
    raises nor runs on. Raises `InputError` for inexact or misshapen input.
    """
    until = exact(t)
    if until <= 0:
        raise InputError(f"given t = {t}, needed a time > 0: to follow the flow backwards, negate the loss")
    problem = problem_of(model, loss, theta0)
    with _told("the problem"):
        problem.concrete()  # raises where measurements are of entries that there are not
    return enclose_problem(problem, until, digits=digits, max_seconds=max_seconds, max_steps=max_steps, basis=basis)


def enclose_problem(
    problem: InitialValueProblem,
    until: Fraction,
    *,
    digits: int = 30,
    max_seconds: float = 600,
    max_steps: int = 100_000,
    basis: Basis | None = None,
) -> Flowpipe:
    """The same for a problem of the kernel."""
    if type(digits) is not int or not 1 <= digits <= MOST_DIGITS:
        raise InputError(f"given digits={digits!r}, needed a whole number from 1 to {MOST_DIGITS}")
    if type(max_steps) is not int or max_steps < 1:
        raise InputError(f"given max_steps={max_steps!r}, needed a whole number from 1")
    if isinstance(max_seconds, bool) or not isinstance(max_seconds, int | float) or not max_seconds > 0:
        raise InputError(f"given max_seconds={max_seconds!r}, needed a number of seconds > 0")
    if basis is not None:
        _require_basis(basis, len(problem.point()))
    begin = time.monotonic()
    with _told("the subspace"):
        search = Searcher(problem, basis or invariant_basis(problem, pieces_at(problem)))
    try:
        found = _found(search, until, begin, digits, max_seconds, max_steps)
    except OverflowError as error:
        raise InputError(
            "given a start, targets or a time beyond 10^308, needed numbers that float64 holds: rescale the problem"
        ) from error
    if not found.steps:
        raise InputError(f"no step could be enclosed ({found.status}): given {digits=}, {max_seconds=}, t = {until}")
    steps = kernel.FlowSteps(digest(problem), search.enclosure.basis, tuple(found.steps))
    pieces = [part for piece in found.pieces for part in piece.parts()]
    return Flowpipe(problem, steps, Trajectory(problem, pieces), until, found.status)


def _found(search: Searcher, until: Fraction, begin: float, digits: int, max_seconds: float, max_steps: int) -> Search:
    """A run with as many digits beyond the asked ones as errors grow; with more where these do not do."""
    growth = search.growth(until, deadline=begin + max_seconds / 4)
    extra = 2 + math.ceil(growth * math.log10(2))
    found = search.run(until, Plan.of(digits + extra), deadline=begin + max_seconds, max_steps=max_steps)
    for _ in range(2):
        missing = digits - certified(found)
        if found.status != DONE or missing <= 0:
            break
        extra += missing + 1
        found = search.run(until, Plan.of(digits + extra), deadline=begin + max_seconds, max_steps=max_steps)
    return found


def _require_basis(basis: Any, count: int) -> None:
    """Raise unless it is a tuple of columns of exact numbers, one for each parameter."""
    columns: Any = basis if isinstance(basis, tuple) else ()
    fits = [isinstance(c, tuple) and len(c) == count and all(isinstance(x, Fraction) for x in c) for c in columns]
    if not fits or not all(fits):
        raise InputError(f"given basis={basis!r}, needed a tuple of columns of {count} Fractions each")


def certified(found: Search) -> int:
    """How many decimals are certified at the end of a run."""
    return digits_of(found.pieces[-1].exit_radius) if found.pieces else 0


def certificate(claim: Claim, *, digits: int = 30, max_seconds: float = 600) -> kernel.Flowpipes:
    """What the kernel needs to decide a claim about flows of instances: `Throughout`, `FirstTime`, or `All` of such."""
    made: list[kernel.FlowSteps] = []
    for problem, until in problems_of(claim):
        pipe = enclose_problem(problem, max(until, Fraction(1, 1024)), digits=digits, max_seconds=max_seconds)
        if pipe.reached < until:
            raise InputError(
                f"the flow was enclosed up to t = {float(pipe.reached):.6g} of {float(until):.6g} only: {pipe.status}"
            )
        made.append(pipe.steps)
    return kernel.Flowpipes(tuple(made))
