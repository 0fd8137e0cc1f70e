"""What an enclosed flow says about a claim: a comparison of quantities over time, the first time of a level, or (in
`two_flows`) the distance of another flow.

Quantities are those of a state (`quantity`). At one time the entries of the blocks and of the end tensor are balls
around the values of the step's polynomial. Over an interval of times [a, b] with middle m the difference q of two
expressions is enclosed by the mean value theorem: the flow is at p(s) + e with ||e|| <= radius, and for every s and e
q(p(s) + e) is in q(p(m) + e) + [-1, 1] (b - a) / 2 * (the range of d/ds q(p(s) + e) over [a, b] and all such e).
Where a quantity has no derivative that is known here (singular values), its range over the box is taken. Intervals are
cut in halves until the claim is decided, or they are too short. Where the sign of a polynomial difference q is not
seen that way, but q' = a q along the flow (`cofactor`), it is that of q(0), and q(t) = q(0) exp(integral of a).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Any

from flint import Ordering, arb, arb_poly, fmpq, fmpq_mpoly_ctx

from theorytest.kernel.ball import UndefinedError, ball, natural_power, precision
from theorytest.kernel.claim import All, Claim, CloseAfter, FirstTime, Throughout
from theorytest.kernel.cofactor import along, cofactor
from theorytest.kernel.encoding import digest
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import CURVATURE_BITS, Flowpipes, Piece, around, fixed, follow, polynomials
from theorytest.kernel.initial_value import Field, InitialValueProblem, rational, sum_of, values_of
from theorytest.kernel.parameterization import Concrete
from theorytest.kernel.quantity import Atom, Comparison, State, both_sides
from theorytest.kernel.scalar import Ln, Number, Power, Scalar, Sum, Times, Variable
from theorytest.kernel.two_flows import distance_fails

MOST_DIGITS = 10_000
FEW_BITS = 30  # of a difference; with fewer, what a flow multiplies is taken from its growth
MOST_COORDINATES = 8  # in which a quantity's derivative along the flow is written out
CUTS = 20  # how often a step may be cut in halves


@dataclass(frozen=True)
class Dual:
    """A ball that contains a quantity over an interval, and one that contains its derivative."""

    value: arb
    rate: arb

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.rate + other.rate)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.value * other.rate + self.rate * other.value)

    def scaled(self, factor: Fraction) -> Dual:
        """Times a rational number."""
        return Dual(self.value * rational(factor), self.rate * rational(factor))


def constant(value: Fraction) -> Dual:
    """A number, whose derivative is 0."""
    return Dual(arb(rational(value)), arb(0))


def dual(expression: Scalar, values: Mapping[str, Dual]) -> Dual:
    """The ranges of an expression and of its derivative; raises `UndefinedError` where it may not be differentiable."""
    match expression:
        case Number(value):
            return constant(value)
        case Variable(name):
            return values[name]
        case Sum(parts):
            total = constant(Fraction(0))
            for part in parts:
                total += dual(part, values)
            return total
        case Times(parts):
            total = constant(Fraction(1))
            for part in parts:
                total *= dual(part, values)
            return total
        case Power(base, exponent):
            held = dual(base, values)
            if exponent.denominator == 1 and exponent >= 0:
                n = int(exponent)
                rate = n * natural_power(held.value, n - 1) * held.rate if n else arb(0)
                return Dual(natural_power(held.value, n), rate)
            if exponent.denominator == 1 and held.value < 0:
                made = held.value ** int(exponent)
            elif held.value > 0:
                made = held.value.root(exponent.denominator) ** exponent.numerator
            else:
                raise UndefinedError(f"{expression} may have no derivative here", surely=False)
            return Dual(made, rational(exponent) * made / held.value * held.rate)
        case Ln(argument):
            held = dual(argument, values)
            if not held.value > 0:
                raise UndefinedError(f"{expression} may have no derivative here", surely=False)
            return Dual(held.value.log(), held.rate / held.value)
        case _:
            held = dual(expression.argument, values)
            made = held.value.exp()
            return Dual(made, made * held.rate)


def polynomial_of(atom: Atom, concrete: Concrete, entries: Mapping[str, Sequence[Any]], one: Any) -> Any:
    """A polynomial quantity as a polynomial (in time, say), from those of all entries ("": of the end tensor).

    one: the polynomial 1. Raises `UndefinedError` for a quantity that is no polynomial. Its sizes are checked where its
    value is taken.
    """
    if atom.kind == "component":
        total = one
        for name, legs in concrete.factors:
            if atom.of in legs:
                place = (legs.index(atom.of) + 1, *atom.index)
                total = total * polynomial_of(Atom("slice", name, place), concrete, entries, one)
        return total
    if atom.kind not in ("entry", "determinant", "squared norm", "slice"):
        raise UndefinedError(f"{atom.name} is no polynomial", surely=False)
    shape = concrete.blocks[atom.of] if atom.of else concrete.shape
    held = list(entries[atom.of])
    if atom.kind == "entry":
        place = 0
        for i, n in zip(atom.index, shape, strict=True):
            place = place * n + i - 1
        return held[place]
    if atom.kind == "determinant":
        return _determinant(shape[0], held, one)
    if atom.kind == "slice":
        axis, member = atom.index
        inner = prod(shape[axis:])
        held = [x for k, x in enumerate(held) if k // inner % shape[axis - 1] == member - 1]
    return sum((x * x for x in held), one * 0)


def _determinant(n: int, entries: Sequence[Any], one: Any) -> Any:
    """The determinant, expanded along its rows; minors of the last rows are computed once each."""
    minors: dict[tuple[int, ...], Any] = {(): one}
    for row in range(n - 1, -1, -1):
        made: dict[tuple[int, ...], Any] = {}
        for columns in combinations(range(n), n - row):
            total = one * 0
            for k, column in enumerate(columns):
                part = entries[row * n + column] * minors[columns[:k] + columns[k + 1 :]]
                total = total - part if k % 2 else total + part
            made[columns] = total
        minors = made
    return minors[tuple(range(n))]


def written(expression: Scalar, named: Mapping[str, Any], one: Any) -> Any | None:
    """An expression in quantities that are polynomials; None where it is none. one: the polynomial 1."""
    match expression:
        case Number(value):
            return one * rational(value)
        case Variable(name):
            return named[name]
        case Power(base, exponent) if exponent.denominator == 1 and exponent >= 0:
            parts, kind = (base,) * int(exponent), Times
        case Sum(parts) | Times(parts):
            kind = type(expression)
        case _:
            return None
    total = one * 0 if kind is Sum else one
    for part in parts:
        held = written(part, named, one)
        if held is None:
            return None
        total = total + held if kind is Sum else total * held
    return total


@dataclass(frozen=True)
class _AtHand:
    """What has been computed of one step, over which ranges are asked again and again."""

    piece: Piece | None
    path: dict[str, tuple[arb_poly, ...]]
    atoms: dict[str, arb_poly]
    gaps: dict[Comparison, arb_poly | None]


@dataclass(frozen=True)
class _Growth:
    """What q is multiplied with along the flow, q' = a q: q at time 0; start of each piece -> the integral of a up to
    there, and a over the piece (per length of the piece, in powers of the time in it)."""

    first: Fraction
    rates: Mapping[Fraction, tuple[arb, arb_poly]]

    def value(self, piece: Piece, place: arb) -> arb:
        """q at a place from 0 to 1 in a piece."""
        total, rate = self.rates[piece.start]
        return rational(self.first) * (total + rate.integral()(place)).exp()

    def over(self, piece: Piece, middle: arb, places: arb, half: fmpq) -> arb:
        """q at all places of an interval, given its middle and half its length."""
        total, rate = self.rates[piece.start]
        return rational(self.first) * (total + rate.integral()(middle) + around(rate(places) * half)).exp()


class Trajectory:
    """The enclosed solution of an initial value problem: pieces that the kernel has checked, from time 0 on."""

    def __init__(self, problem: InitialValueProblem, pieces: Sequence[Piece]) -> None:
        self.problem, self.pieces = problem, tuple(pieces)
        self.concrete = problem.concrete()
        self._at_hand = _AtHand(None, {}, {}, {})
        self._growths: dict[Comparison, _Growth | None] = {}

    @property
    def end(self) -> Fraction:
        """The time up to which the flow is enclosed."""
        return self.pieces[-1].end

    def piece(self, time: Fraction) -> Piece:
        """The step in which a time lies."""
        if not 0 <= time <= self.end:
            raise KernelError(f"time {time} lies outside of what is enclosed, 0 to {self.end}")
        low, high = 0, len(self.pieces) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if time <= self.pieces[middle].end else (middle + 1, high)
        return self.pieces[low]

    # -- at one time ------------------------------------------------------------------------------------------------

    def state(self, time: Fraction) -> State:
        """Balls around all entries at a time, at the precision in force."""
        piece = self.piece(time)
        radius = piece.exit_radius if time == piece.end else piece.radius
        place = arb(rational((time - piece.start) / piece.length))
        inputs: list[arb] = []
        for values, square in zip(piece.series, piece.field.squares, strict=True):
            total = arb(0)
            for value in reversed(values):
                total = total * place + fixed(value, piece.bits)
            inputs.append(total + arb(0, _wide(radius, square)))
        blocks, end = self._entries(piece.field, _run(piece.field, inputs, arb(0)), arb(0))
        return State(self.concrete, blocks, end)

    def gap(self, comparison: Comparison, time: Fraction) -> arb:
        """A ball around the right side minus the left at a time, to the digits of the enclosure."""
        piece = self.piece(time)
        with precision(piece.bits + 32):
            left, right = both_sides(comparison, self.state(time))
            found = ball(right) - ball(left)
            if found.rel_accuracy_bits() < FEW_BITS and (growth := self._growth(comparison)) is not None:
                place = arb(rational((time - piece.start) / piece.length))
                return _sharper(growth.value(piece, place), found)
            return found

    # -- over an interval -------------------------------------------------------------------------------------------

    def _path(self, piece: Piece) -> dict[str, tuple[arb_poly, ...]]:
        """Block ("": the end tensor) -> its entries as polynomials in s over a step: their constants are balls, so that
        they hold the flow at every s for one e each, ||e|| <= radius. Of the last step asked for, at hand."""
        if self._at_hand.piece is not piece:
            with precision(piece.bits + 32):
                blocks, end = self._entries(piece.field, _run(piece.field, self._inputs(piece), arb_poly()), arb_poly())
            self._at_hand = _AtHand(piece, blocks | {"": end}, {}, {})
        return self._at_hand.path

    def _inputs(self, piece: Piece) -> list[arb_poly]:
        """The coordinates over a step, as `_path` has the entries."""
        pairs = zip(polynomials(piece.series, piece.bits), piece.field.squares, strict=True)
        return [path + arb_poly([arb(0, _wide(piece.radius, square))]) for path, square in pairs]

    def end_tensor(self, piece: Piece) -> tuple[arb_poly, ...]:
        """The entries of the end tensor as polynomials in s over a step, as `_path` has them."""
        return self._path(piece)[""]

    def _along(self, piece: Piece, atom: Atom) -> arb_poly:
        """A polynomial quantity over a step, as `_path` has its entries."""
        path = self._path(piece)
        known = self._at_hand.atoms
        if atom.name not in known:
            with precision(piece.bits + 32):
                known[atom.name] = polynomial_of(atom, self.concrete, path, arb_poly([1]))
        return known[atom.name]

    def _gap_along(self, piece: Piece, comparison: Comparison) -> arb_poly | None:
        """Right side minus left as a polynomial over a step, so that what cancels does so once and for all; None where
        it is no polynomial in the quantities. Raises where these are none in time."""
        known = self._at_hand.gaps
        if piece is not self._at_hand.piece or comparison not in known:
            named = {atom.name: self._along(piece, atom) for atom in comparison.atoms}
            known = self._at_hand.gaps
            left, right = (written(side, named, arb_poly([1])) for side in (comparison.lhs, comparison.rhs))
            known[comparison] = None if left is None or right is None else right - left
        return known[comparison]

    def _entries(
        self, field: Field, values: Sequence[Any], zero: Any
    ) -> tuple[dict[str, tuple[Any, ...]], tuple[Any, ...]]:
        def of(slots: Sequence[int | None]) -> tuple[Any, ...]:
            return tuple(zero if slot is None else values[slot] for slot in slots)

        blocks: dict[str, tuple[Any, ...]] = {}
        place = 0
        for name, shape in self.concrete.blocks.items():
            blocks[name] = of(field.parameters[place : place + prod(shape)])
            place += prod(shape)
        return blocks, of(field.end)

    def range(self, comparison: Comparison, piece: Piece, a: Fraction, b: Fraction) -> arb | None:
        """A ball around all values of right side minus left while s is in [a, b]; None where that cannot be told."""
        bits = piece.bits + 32
        with precision(bits):
            middle, half = rational((a + b) / 2), rational((b - a) / 2)
            place = arb(middle, half)
            try:
                gap = self._gap_along(piece, comparison)
                if gap is not None:
                    found = gap(arb(middle)) + around(gap.derivative()(place) * half)
                    if found.contains(0) and (growth := self._growth(comparison)) is not None:
                        return _sharper(growth.over(piece, arb(middle), place, half), found)
                    return found
                named: dict[str, Dual] = {}
                for atom in comparison.atoms:
                    polynomial = self._along(piece, atom)
                    rate = polynomial.derivative()(place)
                    named[atom.name] = Dual(polynomial(arb(middle)) + around(rate * half), rate)
                rate = (dual(comparison.rhs, named) + dual(comparison.lhs, named).scaled(Fraction(-1))).rate
                return self.gap(comparison, piece.start + (a + b) / 2 * piece.length) + around(rate * half)
            except UndefinedError:
                pass
            try:
                box: dict[str, tuple[arb, ...]] = {}
                for name, entries in self._path(piece).items():
                    box[name] = tuple(x(arb(middle)) + around(x.derivative()(place) * half) for x in entries)
                end = box.pop("")
                with precision(CURVATURE_BITS):  # a box is wide: more digits of what it holds are of no use
                    left, right = both_sides(comparison, State(self.concrete, box, end))
                    return ball(right) - ball(left)
            except UndefinedError:
                return None

    def _growth(self, comparison: Comparison) -> _Growth | None:
        """How the flow multiplies right side minus left; None where that is not shown."""
        if comparison not in self._growths:
            self._growths[comparison] = self._growth_of(comparison)
        return self._growths[comparison]

    def _growth_of(self, comparison: Comparison) -> _Growth | None:
        field = self.pieces[0].field
        if self.problem.loss.slope.breaks or field.inputs > MOST_COORDINATES:
            return None
        ring: fmpq_mpoly_ctx = fmpq_mpoly_ctx.get([f"u{j}" for j in range(field.inputs)], Ordering.degrevlex)
        zero, one = ring.constant(0), ring.constant(1)
        values = values_of(field, ring.gens(), zero)
        blocks, end = self._entries(field, values, zero)
        try:
            named = {
                atom.name: polynomial_of(atom, self.concrete, blocks | {"": end}, one) for atom in comparison.atoms
            }
        except UndefinedError:
            return None
        left, right = written(comparison.lhs, named, one), written(comparison.rhs, named, one)
        if left is None or right is None:
            return None
        rate = cofactor(right - left, [values[slot] for slot in field.velocities])
        if rate is None:
            return None
        at_start = State(self.concrete, {name: array.entries for name, array in self.problem.start})
        first, second = both_sides(comparison, at_start)
        rates: dict[Fraction, tuple[arb, arb_poly]] = {}
        total = arb(0)
        for piece in self.pieces:
            with precision(piece.bits + 32):
                rates[piece.start] = (total, along(rate, self._inputs(piece)) * rational(piece.length))
                total = total + rates[piece.start][1].integral()(arb(1))
        assert isinstance(first, Fraction) and isinstance(second, Fraction)  # polynomials of exact numbers
        return _Growth(second - first, rates)

    def cells(self, start: Fraction, end: Fraction) -> Iterator[tuple[Piece, Fraction, Fraction]]:
        """The steps that together cover [start, end], each with its part [a, b] of [0, 1] that does."""
        for piece in self.pieces:
            if piece.end < start or piece.start > end or (piece.end == start < end):
                continue
            low = max(Fraction(0), (start - piece.start) / piece.length)
            high = min(Fraction(1), (end - piece.start) / piece.length)
            yield piece, low, high

    def signs(
        self, comparison: Comparison, start: Fraction, end: Fraction
    ) -> Iterator[tuple[Fraction, Fraction, arb | None]]:
        """Time intervals that cover [start, end], each with a range of right side minus left that is positive, negative
        or 0, or with None where no such range was found."""
        return self._cut(comparison, start, end, lambda found: bool(found > 0 or found < 0 or found.is_zero()))

    def require_continuous(self, comparison: Comparison, start: Fraction, end: Fraction) -> None:
        """Raise unless both sides are continuous on [start, end]: wherever a range is finite, every quantity and every
        part of the two expressions is defined, and all of them are continuous where they are."""
        for a, b, found in self._cut(comparison, start, end, lambda found: bool(found.is_finite())):
            if found is None:
                raise KernelError(f"a side may not be defined between t = {_short(a)} and {_short(b)}")

    def _cut(
        self, comparison: Comparison, start: Fraction, end: Fraction, enough: Callable[[arb], bool]
    ) -> Iterator[tuple[Fraction, Fraction, arb | None]]:
        """Time intervals that cover [start, end], cut in halves until the range is enough; None where it never is."""
        self.gap(comparison, start)  # raises where the quantities do not exist
        for piece, low, high in self.cells(start, end):
            stack = [(low, high, 0)]
            while stack:
                a, b, depth = stack.pop()
                found = self.range(comparison, piece, a, b)
                decided = found is not None and enough(found)
                if decided or depth == CUTS or a == b:
                    yield piece.start + a * piece.length, piece.start + b * piece.length, found if decided else None
                else:
                    middle = (a + b) / 2
                    stack += [(middle, b, depth + 1), (a, middle, depth + 1)]


def _sharper(one: arb, other: arb) -> arb:
    """Of two balls around the same number, the one that says more."""
    return one if one.rel_accuracy_bits() > other.rel_accuracy_bits() else other


def _wide(radius: Fraction, square: Fraction) -> arb:
    """How far a coordinate may be from the centre, at the precision in force."""
    return (arb(rational(radius)) / arb(rational(square)).sqrt()).abs_upper()


def _run(field: Field, inputs: Sequence[Any], zero: Any) -> list[Any]:
    """The values of the slots that the parameters and the end tensor need, over balls or polynomials."""
    values = list(inputs)
    last = max((slot for slot in (*field.parameters, *field.end) if slot is not None), default=-1)
    for node in field.nodes[: max(0, last + 1 - field.inputs)]:
        values.append(sum_of(node, values, zero))
    return values


# -- claims -----------------------------------------------------------------------------------------------------------


def about_flows(claim: Claim) -> bool:
    """Whether a claim speaks of flows of instances, and of nothing else."""
    if isinstance(claim, All):
        return bool(claim.claims) and all(map(about_flows, claim.claims))
    return isinstance(claim, Throughout | FirstTime | CloseAfter)


def problems_of(claim: Claim) -> tuple[tuple[InitialValueProblem, Fraction], ...]:
    """The problems that a claim speaks of, each with the last time."""
    latest: dict[InitialValueProblem, Fraction] = {}
    for problem, time in _times(claim):
        latest[problem] = max(time, latest.get(problem, time))
    return tuple(latest.items())


def _times(claim: Claim) -> Iterator[tuple[InitialValueProblem, Fraction]]:
    """Every problem with every time up to which it is spoken of."""
    if isinstance(claim, All):
        for part in claim.claims:
            yield from _times(part)
    elif isinstance(claim, Throughout):
        yield claim.problem, claim.end
    elif isinstance(claim, FirstTime):
        yield claim.problem, claim.latest
    elif isinstance(claim, CloseAfter):
        yield claim.reached.problem, claim.reached.latest + claim.duration
        yield claim.other, claim.duration
    else:
        raise KernelError(f"{type(claim).__name__} is no claim about the flow of an instance")


def decide(claim: Claim, payload: Flowpipes) -> tuple[bool, str]:
    """Whether the claim holds, and how well it is known; or that it fails, and where. Raises where neither is certain.

    The answer is (True, "t <= 10, 40 digits") or (False, "at t = 5: ..."): both are rigorous.
    """
    pipes = {pipe.problem: pipe for pipe in payload.pipes}
    if len(pipes) < len(payload.pipes):
        raise KernelError("two flowpipes for one problem")
    trajectories: dict[InitialValueProblem, Trajectory] = {}
    worst: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    for problem, time in problems_of(claim):
        name = digest(problem)
        if name not in pipes:
            raise KernelError("a flowpipe is missing for a problem that the claim speaks of")
        trajectory = Trajectory(problem, follow(problem, pipes.pop(name)))
        if trajectory.end < time:
            raise KernelError(f"the flowpipe ends at {trajectory.end}, the claim speaks of times up to {time}")
        trajectories[problem] = trajectory
        worst = max(worst, *(piece.radius for piece in trajectory.pieces if piece.start <= time))
        last = max(last, time)
    if pipes:
        raise KernelError("a flowpipe is for a problem that the claim does not speak of")
    failed = _fails(claim, trajectories)
    if failed:
        return False, failed
    count = len(trajectories)
    return True, f"{count} flow{'s' if count > 1 else ''}, t <= {last}, {digits(worst)} digits"


def digits(radius: Fraction) -> int:
    """How many decimals a radius leaves: the largest n with radius <= 10^-n, from 0 to `MOST_DIGITS`."""
    n = 0
    while n < MOST_DIGITS and radius * 10 ** (n + 1) <= 1:
        n += 1
    return n


def _fails(claim: Claim, trajectories: Mapping[InitialValueProblem, Trajectory]) -> str:
    """How a claim certainly fails; empty where it certainly holds."""
    if isinstance(claim, All):
        open_parts: list[KernelError] = []
        for part in claim.claims:
            try:
                failed = _fails(part, trajectories)
            except KernelError as error:  # another part may fail for certain
                open_parts.append(error)
                continue
            if failed:
                return failed
        if open_parts:
            raise open_parts[0]
        return ""
    if isinstance(claim, Throughout):
        return _bound_fails(claim, trajectories[claim.problem])
    if isinstance(claim, CloseAfter):
        one, other = trajectories[claim.reached.problem], trajectories[claim.other]
        return _time_fails(claim.reached, one) or distance_fails(claim, one, other)
    assert isinstance(claim, FirstTime)
    return _time_fails(claim, trajectories[claim.problem])


def _bound_fails(claim: Throughout, trajectory: Trajectory) -> str:
    relation = claim.comparison.relation

    def fails(gap: arb) -> bool:
        return bool(gap < 0 or (gap > 0 and relation == "=") or (gap.is_zero() and relation == "<"))

    for time in _samples(trajectory, claim.start, claim.end):
        gap = trajectory.gap(claim.comparison, time)
        if fails(gap):
            return f"at t = {_short(time)} the right side minus the left is {gap.str(6)}"
    for a, _, found in trajectory.signs(claim.comparison, claim.start, claim.end):
        if found is None or fails(found):
            raise KernelError(f"the enclosure does not decide the comparison near t = {_short(a)}")
    return ""


def _samples(trajectory: Trajectory, start: Fraction, end: Fraction) -> list[Fraction]:
    """Some times of an interval, its ends among them: a claim that fails mostly does so at one of them."""
    inside = [piece.start + piece.length * Fraction(k, 4) for piece in trajectory.pieces for k in range(4)]
    return [start, *(time for time in inside if start < time < end), end]


def _time_fails(claim: FirstTime, trajectory: Trajectory) -> str:
    comparison = claim.comparison
    begin = trajectory.gap(comparison, Fraction(0))
    if not (begin > 0 or begin < 0):
        raise KernelError("at time 0 the two sides are not certainly different")
    above = bool(begin > 0)
    crossed = False
    for time in sorted({claim.earliest, *_samples(trajectory, Fraction(0), claim.latest)}):
        gap = trajectory.gap(comparison, time)
        if gap < 0 if above else gap > 0:  # by continuity the two sides were equal before
            trajectory.require_continuous(comparison, Fraction(0), time)
            if time <= claim.earliest:
                return f"it is reached before t = {_short(time)}"
            crossed = True
            break
    for a, b, found in trajectory.signs(comparison, Fraction(0), claim.earliest if crossed else claim.latest):
        if found is None or found.is_zero():
            raise KernelError(f"the enclosure does not decide the time between t = {_short(a)} and {_short(b)}")
    return "" if crossed else f"it is not reached up to t = {_short(claim.latest)}"


def _short(value: Fraction) -> str:
    with precision(64):
        return arb(rational(value)).str(10, radius=False)
