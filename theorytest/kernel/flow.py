"""Certified enclosure of gradient flow: one step is a polynomial in time and a radius, checked in ball arithmetic.

A step of length h starts from an exact centre c and a radius r: the solution, in the coordinates u of an invariant
subspace (see `initial_value`), is within r of c at its beginning, in the norm ||v||^2 = sum of squares[j] v_j^2 (the
Euclidean norm of E v). The kernel

1. makes a polynomial p on [0, 1] with p(0) = c, the Taylor polynomial of the flow in s = (t - start) / h, in integers
   (how it is made does not matter for what follows);
2. bounds the logarithmic norm of the Jacobian on the tube {u : ||u - p(s)|| <= tube, 0 <= s <= 1};
3. bounds the defect d(s) = p'(s) - h f(p(s)) by the coefficients of the polynomial d, computed in balls;
4. concludes by Gronwall's lemma, and checks that the solution does not leave the tube.

**Theorem.** Let f be locally Lipschitz, u' = h f(u), ||u(0) - p(0)|| <= r, D >= integral of ||d||, and let [0, 1] be
cut into m equal pieces; let h <v, J v> <= mu(s) ||v||^2 for every J among the (generalised) Jacobians at the points of
the tube at s, where mu is linear on each piece, from mu_k0 to mu_k1. Put M = sum over k of max(0, mu_k0, mu_k1) / m and
I = sum over k of (mu_k0 + mu_k1) / (2 m). If e^M (r + D) < tube, then u exists on [0, 1], ||u(s) - p(s)|| <= e^M (r +
D) for all s, and ||u(1) - p(1)|| <= e^I r + e^M D.

*Proof.* Let e = u - p, as long as u exists and ||e|| <= tube. By the mean value theorem of Lipschitz functions (Clarke)
f(p + e) - f(p) = J e for a J in the convex hull of the Jacobians on the segment from p to p + e, which lies in the
tube. So d/ds ||e||^2 / 2 = <e, h J e> - <e, d> <= mu(s) ||e||^2 + ||e|| ||d(s)||, hence ||e(s)|| <= exp(integral of mu
over [0, s]) r + integral over tau in [0, s] of exp(integral of mu over [tau, s]) ||d(tau)||, and every integral of mu
over a part of [0, 1] is at most M. So ||e|| <= e^M (r + D) < tube as long as ||e|| <= tube: by continuity this never
ends, and a solution that stays bounded goes on existing. In the bound at s = 1 the integral of mu is over all of [0,
1], which is I. (Where ||e|| = 0 the norm is not differentiable; its upper right derivative is then at most ||d||.)

**The logarithmic norm.** For fixed s and e the Jacobian's entries are enclosed as A0 + A1 s', s' in [0, 1] the place in
the piece, where A0 and A1 are matrices of balls: products of such pairs are again such pairs, since s'^2 = s' - s' (1 -
s') and s' (1 - s') is in [0, 1/4] (`_multiply`). The largest eigenvalue is a convex function of a symmetric matrix, so
at A0 + A1 s' = (1 - s') A0 + s' (A0 + A1) it is at most the linear interpolation of bounds for the balls A0 and A0 +
A1: the error is of second order in the piece's length. A bound mu for a ball of matrices is claimed, and accepted where
mu minus the norm of the radii, minus the midpoint matrix, is positive definite by an LDL^T decomposition in balls.

**Kinks.** On a step where the residual of a measurement stays, over the whole tube, where the slope is one polynomial,
that polynomial is used. Elsewhere the slope is enclosed as that polynomial plus a constant ball that covers its
difference from the other pieces met, and its derivative by the hull of all pieces met, which contains the generalised
Jacobian. (Such a step has to be short, and can be: the defect is of second order in its length.)

Radii are exact dyadic numbers, rounded up. The precision of FLINT is set and put back; nothing else is global.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Any

from flint import arb, arb_mat, arb_poly, fmpq, fmpz, fmpz_poly

from theorytest.kernel.ball import precision
from theorytest.kernel.encoding import digest, noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import (
    Basis,
    Field,
    InitialValueProblem,
    coordinates,
    derivative,
    field,
    rational,
    require_invariant,
    sum_of,
)

CURVATURE_BITS = 96  # of the Jacobian and of radii: they need few digits, and any number of bits is rigorous
LARGE = 400  # bits; from here on FLINT's integers are faster than Python's
MOST_BITS, MOST_ORDERS, MOST_PIECES = 1 << 16, 1 << 11, 1 << 10  # what a certificate may ask for
MOST_SHIFT = 1 << 22  # binary digits before or after the point of a bound
Pair = tuple[arb, arb]
Norms = tuple[tuple[Fraction, Fraction], ...]


@noun
class FlowStep:
    """What a certificate says of one step.

    length: in time, dyadic; order, bits: of the Taylor polynomial and of its fixed-point coefficients; tube: a radius
    that the solution does not leave; norms: for each of equal pieces of the step, bounds of the logarithmic norm (per
    unit of time) at its two ends; pieces: of the slope, for each measurement (() where it has one).
    """

    length: Fraction
    order: int
    bits: int
    tube: Fraction
    norms: Norms
    pieces: tuple[int, ...] = ()


@noun
class FlowSteps:
    """The steps that enclose the solution of the initial value problem of that digest, one after the other from time 0.

    basis: columns that span an invariant subspace which contains the start (None: the whole space).
    """

    problem: str
    basis: Basis | None
    steps: tuple[FlowStep, ...]


@noun
class Flowpipes:
    """Enclosures of one or more flows: what is offered for a claim about them."""

    pipes: tuple[FlowSteps, ...]


@dataclass(frozen=True)
class Piece:
    """A step that was checked: the flow is within ``radius`` of the polynomial from ``start`` to ``start + length``.

    series: fixed-point coefficients in (t - start) / length of each coordinate, ``bits`` after the point; exit_radius:
    at its end; field: of the coordinates.
    """

    start: Fraction
    length: Fraction
    bits: int
    series: tuple[tuple[int, ...], ...]
    radius: Fraction
    exit_radius: Fraction
    field: Field

    @property
    def end(self) -> Fraction:
        """Where the step ends."""
        return self.start + self.length


@dataclass(frozen=True)
class Attempt:
    """A step's polynomial and the Jacobian around it, before anything is claimed.

    kinks: slot of each slope that may leave its piece -> slot of its residual, and what that costs; ends: bounds of the
    Jacobian over the tube at both ends of each piece of the step.
    """

    state: State
    field: Field
    series: tuple[tuple[int, ...], ...]
    polynomials: tuple[arb_poly, ...]
    kinks: dict[int, tuple[int, Kink]]
    ends: tuple[tuple[Bounds, Bounds], ...]


@dataclass(frozen=True)
class State:
    """Where the flow is known to be at a time: fixed-point coordinates of a centre, and a radius."""

    time: Fraction
    centre: tuple[int, ...]
    bits: int
    radius: Fraction


# -- numbers ----------------------------------------------------------------------------------------------------------


def dyadic(value: Fraction) -> bool:
    """Whether the denominator is a power of two."""
    return not value.denominator & (value.denominator - 1)


def ends(value: arb) -> tuple[Fraction, Fraction]:
    """The least and the largest number of a ball, exactly; raises where it is not finite."""
    if not value.is_finite():
        raise KernelError("a bound is not finite: the steps are too long or the precision too low")
    middle, radius = _exactly(value.mid()), _exactly(value.rad())
    return middle - radius, middle + radius


def upper(value: arb) -> Fraction:
    """The largest number of a ball."""
    return ends(value)[1]


def _exactly(value: arb) -> Fraction:
    mantissa, exponent = value.man_exp()
    number, shift = int(mantissa), int(exponent)
    if abs(shift) > MOST_SHIFT:
        raise KernelError("a bound is out of all proportion: the steps are too long")
    return Fraction(number << shift) if shift >= 0 else Fraction(number, 1 << -shift)


def up(value: Fraction, bits: int = 40) -> Fraction:
    """The number rounded up to a short dyadic one."""
    if not value:
        return value
    shift = bits - (abs(value.numerator).bit_length() - value.denominator.bit_length())
    scaled = -(-(value.numerator << max(shift, 0)) // (value.denominator << max(-shift, 0)))
    return Fraction(scaled) * (Fraction(1, 1 << shift) if shift >= 0 else Fraction(1 << -shift))


def fixed(number: int, bits: int) -> arb:
    """The exact ball of a fixed-point number."""
    return arb((fmpz(number), fmpz(-bits)))


def around(radius: arb) -> arb:
    """A ball around 0 that contains every number of at most that size."""
    return arb(0, radius.abs_upper())


def length_of(values: Sequence[Fraction], squares: Sequence[Fraction]) -> Fraction:
    """An upper bound of the norm of exact coordinates."""
    total = sum((s * v * v for v, s in zip(values, squares, strict=True)), Fraction(0))
    with precision(CURVATURE_BITS):
        return upper(arb(rational(total)).sqrt()) if total else total


# -- Taylor polynomials -----------------------------------------------------------------------------------------------


def taylor(made: Field, state: Sequence[int], bits: int, order: int, length: Fraction) -> list[list[int]]:
    """Fixed-point Taylor coefficients of the flow through a state, scaled by powers of the length, of every slot.

    Every sum of products is rounded once, downwards. Approximate: what it returns is checked, not trusted.
    """
    whole: Any = fmpz if bits > LARGE else int
    series: list[list[Any]] = [[whole(value)] for value in state] + [[] for _ in made.nodes]
    one = 1 << bits
    for k in range(order):
        backwards: dict[int, list[Any]] = {}
        half, odd = divmod(k + 1, 2)
        for node in made.nodes:
            total: Any = node.constant.numerator * one // node.constant.denominator if not k and node.constant else 0
            for coefficient, slots in node.linear:
                total += _times(sum([series[slot][k] for slot in slots]), coefficient)
            for coefficient, pairs in node.products:
                part: Any = 0
                for a, b in pairs:
                    flipped = backwards.get(b)
                    if flipped is None:
                        flipped = backwards[b] = series[b][::-1]
                    if a == b:  # a square: every mixed product occurs twice
                        part += 2 * sum(map(mul, flipped[:half], series[a]))
                        if odd:
                            part += series[a][half] * series[a][half]
                    else:
                        part += sum(map(mul, series[a], flipped))
                total += _times(part, coefficient) >> bits
            series[node.slot].append(whole(total))
        top, bottom = length.numerator, length.denominator * (k + 1)
        for j, slot in enumerate(made.velocities):
            series[j].append(series[slot][k] * top // bottom)
    return [[int(value) for value in values] for values in series[: made.inputs]]


def _times(value: Any, coefficient: Fraction) -> Any:
    if coefficient.numerator != 1:
        value = value * coefficient.numerator
    return value if coefficient.denominator == 1 else value // coefficient.denominator


# -- the logarithmic norm ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bounds:
    """A ball of symmetric matrices, in coordinates with the Euclidean norm: midpoints, and a bound of the norm of the
    rest."""

    middle: tuple[tuple[arb, ...], ...]
    spread: arb

    def below(self, norm: Fraction) -> bool:
        """Whether the largest eigenvalue of every matrix of the ball is surely less than the norm."""
        rows = [[-entry for entry in row] for row in self.middle]
        for k in range(len(rows)):
            rows[k][k] += arb(rational(norm)) - self.spread
        return positive_definite(rows)


BLOCK = 12  # rows; larger matrices are taken apart into blocks, which FLINT multiplies faster


def positive_definite(rows: list[list[arb]]) -> bool:
    """Whether a symmetric matrix (read below its diagonal) is surely positive definite.

    It is if its first rows and columns are, and what is left after eliminating them (Schur complement) is.
    """
    while len(rows) > BLOCK:
        first = [row[:BLOCK] for row in rows[:BLOCK]]
        if not _positive_pivots([list(row) for row in first]):
            return False
        side = arb_mat([row[:BLOCK] for row in rows[BLOCK:]])
        rest = arb_mat([row[BLOCK:] for row in rows[BLOCK:]])
        lower = [[first[max(i, j)][min(i, j)] for j in range(BLOCK)] for i in range(BLOCK)]
        rows = (rest - side * arb_mat(lower).solve(side.transpose())).tolist()
    return _positive_pivots([list(row) for row in rows])


def _positive_pivots(rows: list[list[arb]]) -> bool:
    """The same by LDL^T: all pivots are positive."""
    for k, pivots in enumerate(rows):
        pivot = pivots[k]
        if not pivot > 0:  # also where the ball contains 0 or is not finite: then nothing is claimed
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / pivot
            row = rows[i]
            for j in range(k + 1, i + 1):
                row[j] -= factor * rows[j][k]
    return True


def _multiply(x: Pair, y: Pair) -> Pair:
    """(x0 + x1 s)(y0 + y1 s) as a pair, for s in [0, 1]: s^2 = s - s (1 - s)."""
    last = x[1] * y[1]
    return x[0] * y[0] - last * _QUARTER, x[0] * y[1] + x[1] * y[0] + last


_QUARTER = arb(fmpq(1, 8), fmpq(1, 8))  # contains s (1 - s), that is [0, 1/4]
_ONE: Pair = (arb(1), arb(0))


@dataclass(frozen=True)
class Kink:
    """A slope over a range of residuals that meets other pieces than the one that is used: what is to be added to that
    piece, and all values of the derivative."""

    deviation: arb
    derivative: arb


def kink_at(problem: InitialValueProblem, chosen: int, low: arb, high: arb) -> Kink | None:
    """None where a residual between two bounds surely lies in the chosen piece."""
    slope = problem.loss.slope
    met: list[int] = []
    for k in range(len(slope.pieces)):
        below = k > 0 and high < rational(slope.breaks[k - 1])
        above = k < len(slope.breaks) and low > rational(slope.breaks[k])
        if not below and not above:
            met.append(k)
    if met == [chosen]:
        return None
    zero, residual = arb(0), low.union(high)
    deviation, hull = zero, _ball_horner(derivative(slope.pieces[met[0]]), residual)
    for k in met:
        width = max(len(slope.pieces[k]), len(slope.pieces[chosen]))
        one, other = (
            piece + (Fraction(0),) * (width - len(piece)) for piece in (slope.pieces[k], slope.pieces[chosen])
        )
        difference = tuple(a - b for a, b in zip(one, other, strict=True))
        deviation = deviation.union(_ball_horner(difference, residual))
        hull = hull.union(_ball_horner(derivative(slope.pieces[k]), residual))
    return Kink(deviation, hull)


def _ball_horner(piece: Sequence[Fraction], z: arb) -> arb:
    total = arb(0)
    for coefficient in reversed(piece):
        total = total * z + rational(coefficient)
    return total


# -- one flow ---------------------------------------------------------------------------------------------------------


class Enclosure:
    """The flow of one problem in one subspace, step by step. Every bound that it returns is rigorous.

    Raises `KernelError` where the subspace is not invariant, or does not contain the start.
    """

    def __init__(self, problem: InitialValueProblem, basis: Basis | None = None) -> None:
        self.problem, self.basis = problem, basis
        self.start = coordinates(problem.point(), basis)
        self.squares = tuple(sum((x * x for x in column), Fraction(0)) for column in basis or ())
        self.squares = self.squares or (Fraction(1),) * len(self.start)
        if basis is not None:
            require_invariant(problem, basis)
        self._fields: dict[tuple[int, ...], Field] = {}

    def field(self, pieces: tuple[int, ...]) -> Field:
        """The vector field with these pieces of the slope."""
        if pieces not in self._fields:
            self._fields[pieces] = field(self.problem, pieces, self.basis)
        return self._fields[pieces]

    def begin(self, bits: int) -> State:
        """The start, rounded to fixed point."""
        centre = tuple((x.numerator << bits) // x.denominator for x in self.start)
        return self._state(Fraction(0), self.start, centre, bits, Fraction(0))

    def _state(
        self, time: Fraction, exact: Sequence[Fraction], centre: tuple[int, ...], bits: int, radius: Fraction
    ) -> State:
        off = [x - Fraction(c, 1 << bits) for x, c in zip(exact, centre, strict=True)]
        return State(time, centre, bits, up(radius + length_of(off, self.squares)))

    def rounded(self, state: State, bits: int) -> State:
        """The same with another number of bits."""
        if bits == state.bits:
            return state
        exact = [Fraction(c, 1 << state.bits) for c in state.centre]
        centre = tuple((x.numerator << bits) // x.denominator for x in exact)
        return self._state(state.time, exact, centre, bits, state.radius)

    def after(self, piece: Piece) -> State:
        """The state at the end of a step."""
        return State(piece.end, tuple(sum(values) for values in piece.series), piece.bits, piece.exit_radius)

    def attempt(self, state: State, step: FlowStep) -> Attempt:
        """The polynomial of a step, and the Jacobian around it; of the step's norms only their number is read."""
        _require_sane(step)
        made = self.field(step.pieces)
        state = self.rounded(state, step.bits)
        series = tuple(map(tuple, taylor(made, state.centre, step.bits, step.order, step.length)))
        lifted = polynomials(series, step.bits)
        kinks = self._kinks(made, lifted, step)
        return Attempt(state, made, series, lifted, kinks, self._curvature(made, series, lifted, kinks, step))

    def accept(self, attempt: Attempt, step: FlowStep, defect: Fraction | None = None) -> Piece:
        """Check all that a step claims, given its polynomial; raises `KernelError` where something is not confirmed.

        defect: what `defect` returned for this attempt, if it was asked before.
        """
        for ends, norms in zip(attempt.ends, step.norms, strict=True):
            with precision(CURVATURE_BITS):
                confirmed = ends[0].below(norms[0]) and ends[1].below(norms[1])
            if not confirmed:
                raise KernelError("a bound of the logarithmic norm is not confirmed")
        found = self.defect(attempt, step) if defect is None else defect
        state = attempt.state
        inside, leaving = grown(step, state.radius, found)
        if not inside < step.tube:
            raise KernelError("the solution may leave the tube: its radius, or the steps, are too large")
        return Piece(state.time, step.length, step.bits, attempt.series, inside, leaving, attempt.field)

    def _kinks(self, made: Field, lifted: Sequence[arb_poly], step: FlowStep) -> dict[int, tuple[int, Kink]]:
        """The slopes whose residual may leave its piece while the flow is in the tube."""
        found: dict[int, tuple[int, Kink]] = {}
        if not self.problem.loss.slope.breaks:
            return found
        with precision(step.bits + 32):
            tube = arb(rational(step.tube))
            values: list[arb_poly] = [
                polynomial + arb_poly([around(tube / arb(rational(square)).sqrt())])
                for polynomial, square in zip(lifted, made.squares, strict=True)
            ]
            for node in made.nodes[: max(made.residuals, default=-1) - made.inputs + 1]:
                values.append(_shortened(sum_of(node, values, arb_poly()), 2 * step.order))
            for slope, residual, piece in zip(made.slopes, made.residuals, step.pieces, strict=True):
                kink = kink_at(self.problem, piece, *_range(values[residual]))
                if kink is not None:
                    found[slope] = (residual, kink)
        return found

    def _curvature(
        self,
        made: Field,
        series: Sequence[Sequence[int]],
        lifted: Sequence[arb_poly],
        kinks: Mapping[int, tuple[int, Kink]],
        step: FlowStep,
    ) -> tuple[tuple[Bounds, Bounds], ...]:
        """The Jacobian over the tube around a polynomial, on each of ``len(step.norms)`` equal pieces of the step."""
        count = len(step.norms)
        with precision(CURVATURE_BITS):
            tube = arb(rational(step.tube))
            radii: list[arb] = []
            for values, square in zip(series, made.squares, strict=True):
                bend = sum(k * (k - 1) * abs(value) for k, value in enumerate(values))
                radii.append(around(fixed(bend, step.bits) / (8 * count**2) + tube / arb(rational(square)).sqrt()))
            found: list[tuple[Bounds, Bounds]] = []
            left = [polynomial(arb(0)) for polynomial in lifted]
            for k in range(count):
                right = [polynomial(arb(fmpq(k + 1, count))) for polynomial in lifted]
                inputs = [(a + r, b - a) for a, b, r in zip(left, right, radii, strict=True)]
                found.append(self._jacobian(made, inputs, kinks))
                left = right
            return tuple(found)

    def _jacobian(
        self, made: Field, inputs: list[Pair], kinks: Mapping[int, tuple[int, Kink]]
    ) -> tuple[Bounds, Bounds]:
        """Forward mode over pairs: the Jacobian at both ends of a piece."""
        values: list[Pair] = list(inputs)
        tangents: list[dict[int, Pair]] = [{j: _ONE} for j in range(made.inputs)]
        zero = arb(0)
        for node in made.nodes:
            value: Pair = (arb(rational(node.constant)), zero)
            tangent: dict[int, Pair] = {}
            for coefficient, slots in node.linear:
                for slot in slots:
                    value = _add(value, values[slot], coefficient)
                    for j, held in tangents[slot].items():
                        tangent[j] = _add(tangent.get(j), held, coefficient)
            for coefficient, pairs in node.products:
                for a, b in pairs:
                    value = _add(value, _multiply(values[a], values[b]), coefficient)
                    for j, held in tangents[a].items():
                        tangent[j] = _add(tangent.get(j), _multiply(held, values[b]), coefficient)
                    for j, held in tangents[b].items():
                        tangent[j] = _add(tangent.get(j), _multiply(values[a], held), coefficient)
            if node.slot in kinks:
                residual, kink = kinks[node.slot]
                value = (value[0] + kink.deviation, value[1])
                tangent = {j: (kink.derivative * t[0], kink.derivative * t[1]) for j, t in tangents[residual].items()}
            values.append(value)
            tangents.append(tangent)
        roots = [arb(rational(square)).sqrt() for square in made.squares]
        scale = [[x * y for y in roots] for x in roots] if any(square != 1 for square in made.squares) else None
        at: list[list[list[arb]]] = [[], []]
        for j, slot in enumerate(made.forces):
            rows: tuple[list[arb], list[arb]] = ([], [])
            for i in range(made.inputs):
                first, rise = tangents[slot].get(i, (zero, zero))
                for row, entry in zip(rows, (first, first + rise), strict=True):
                    row.append(entry if scale is None else entry / scale[j][i])
            at[0].append(rows[0])
            at[1].append(rows[1])
        return _bounds(at[0]), _bounds(at[1])

    def defect(self, attempt: Attempt, step: FlowStep) -> Fraction:
        """An upper bound of the integral over the step of the norm of p' - h f(p)."""
        made = attempt.field
        cut = step.order + step.order // 4 + 8
        with precision(step.bits + 32):
            values = list(attempt.polynomials)
            for node in made.nodes:
                total = arb_poly([arb(rational(node.constant))])
                for coefficient, slots in node.linear:
                    part = sum((values[slot] for slot in slots[1:]), values[slots[0]])
                    total += part if coefficient == 1 else part * arb(rational(coefficient))
                for coefficient, pairs in node.products:
                    a, b = pairs[0]
                    part = values[a] * values[b]
                    for a, b in pairs[1:]:
                        part += values[a] * values[b]
                    total += part if coefficient == 1 else part * arb(rational(coefficient))
                if node.slot in attempt.kinks:
                    total += arb_poly([attempt.kinks[node.slot][1].deviation])
                values.append(_shortened(total, cut))
            length = arb(rational(step.length))
            rest = [(values[j].derivative() - values[slot] * length).coeffs() for j, slot in enumerate(made.velocities)]
        with precision(CURVATURE_BITS):
            squares = [arb(rational(square)) for square in made.squares]
            total = arb(0)
            for k in range(max(map(len, rest), default=0)):
                norm = arb(0)
                for coefficients, square in zip(rest, squares, strict=True):
                    if k < len(coefficients):
                        norm += square * coefficients[k].abs_upper() ** 2
                total += norm.abs_upper().sqrt() / (k + 1)
            return up(upper(total))


def _add(total: Pair | None, value: Pair, coefficient: Fraction) -> Pair:
    """total + coefficient * value."""
    if coefficient != 1:
        factor = rational(coefficient)
        value = (value[0] * factor, value[1] * factor)
    return value if total is None else (total[0] + value[0], total[1] + value[1])


def _bounds(rows: list[list[arb]]) -> Bounds:
    """A ball of matrices, symmetrized: midpoints and the norm of the radii (at most their largest row sum)."""
    n = len(rows)
    middle: list[list[arb]] = [[arb(0)] * n for _ in range(n)]
    sums = [arb(0)] * n
    for i in range(n):
        for j in range(i + 1):
            entry = rows[i][j] if i == j else (rows[i][j] + rows[j][i]) / 2
            middle[i][j] = middle[j][i] = entry.mid()
            radius = entry.rad()
            sums[i] += radius
            if i != j:
                sums[j] += radius
    spread = arb(0)
    for total in sums:
        spread = spread.max(total)
    return Bounds(tuple(map(tuple, middle)), spread.upper())


def polynomials(series: Sequence[Sequence[int]], bits: int) -> tuple[arb_poly, ...]:
    """The polynomials of fixed-point coefficients, exact where these are not far above 1, else in balls."""
    with precision(bits + 32):
        unit = fixed(1, bits)
        return tuple(arb_poly(fmpz_poly(list(values))) * unit for values in series)


def _range(polynomial: arb_poly) -> tuple[arb, arb]:
    """Bounds of the polynomial's values on [0, 1], sharp at its ends where it is monotone there.

    (Two numbers: the ends of a ball are not sharp, as its radius is rounded up to few digits.)
    """
    slope = polynomial.derivative()
    low = high = polynomial(arb(0))
    for k in range(_CELLS):
        rate, right = slope(arb(fmpq(2 * k + 1, 2 * _CELLS), fmpq(1, 2 * _CELLS))), polynomial(arb(fmpq(k + 1, _CELLS)))
        low, high = low.min(right), high.max(right)
        if not (rate > 0 or rate < 0):
            inside = polynomial(arb(fmpq(2 * k + 1, 2 * _CELLS))) + around(rate / (2 * _CELLS))
            low, high = low.min(inside), high.max(inside)
    return low, high


_CELLS = 8


def _shortened(polynomial: arb_poly, cut: int) -> arb_poly:
    """On [0, 1] the polynomial's values are those of a shorter one, whose constant is a ball that covers the rest."""
    if len(polynomial) <= cut:
        return polynomial
    rest = arb(0)
    for coefficient in polynomial.right_shift(cut).coeffs():
        rest += coefficient.abs_upper()
    return polynomial.truncate(cut) + arb_poly([around(rest)])


def grown(step: FlowStep, radius: Fraction, defect: Fraction) -> tuple[Fraction, Fraction]:
    """Gronwall: the radius within which the solution stays over the step, and the one at its end."""
    with precision(CURVATURE_BITS):
        pieces = len(step.norms)
        most = sum((max(Fraction(0), *norms) for norms in step.norms), Fraction(0)) * step.length / pieces
        total = sum((left + right for left, right in step.norms), Fraction(0)) * step.length / (2 * pieces)
        largest, change = arb(rational(most)).exp(), arb(rational(total)).exp()
        r, d = arb(rational(radius)), arb(rational(defect))
        return up(upper(largest * (r + d))), up(upper(change * r + largest * d))


def _require_sane(step: FlowStep) -> None:
    """Raise where a certificate's numbers are none that a step can have."""
    numbers = (step.length, step.tube, *(norm for norms in step.norms for norm in norms))
    if not all(map(dyadic, numbers)):
        raise KernelError("lengths, radii and norms have to be dyadic numbers")
    if step.length <= 0 or step.tube <= 0:
        raise KernelError("a step needs a positive length and a positive tube")
    if not (1 <= step.order <= MOST_ORDERS and 16 <= step.bits <= MOST_BITS and 1 <= len(step.norms) <= MOST_PIECES):
        raise KernelError("a step needs an order, a number of bits and norms, of sensible size")


def follow(problem: InitialValueProblem, pipe: FlowSteps) -> list[Piece]:
    """Check a flowpipe step by step from the start, and return its pieces."""
    if pipe.problem != digest(problem):
        raise KernelError("the flowpipe is for another initial value problem")
    enclosure = Enclosure(problem, pipe.basis)
    if not pipe.steps:
        raise KernelError("the flowpipe has no steps")
    pieces: list[Piece] = []
    state = enclosure.begin(pipe.steps[0].bits)
    for step in pipe.steps:
        pieces.append(enclosure.accept(enclosure.attempt(state, step), step))
        state = enclosure.after(pieces[-1])
    return pieces
