"""Certified enclosure of gradient flow: one step is a polynomial in time and a radius, checked in ball arithmetic.

A step of length h is a polynomial p on [-1, 1], in s = 2 (t - start) / h - 1, that the certificate holds (a Chebyshev
series in integers). The solution, in the coordinates u of an invariant subspace (see `initial_value`), is known to be
within some radius of an exact centre at its beginning, and so within a radius r of p(-1), in the norm ||v||^2 = sum of
squares[j] v_j^2 (the Euclidean norm of E v). The kernel

1. bounds the logarithmic norm of the Jacobian on the tube {u : ||u - p(s)|| <= tube, -1 <= s <= 1};
2. bounds the defect d = p' - h/2 f(p): as a Chebyshev series in integers with a remainder (see `chebyshev`);
3. concludes by Gronwall's lemma, and checks that the solution does not leave the tube.

How p was found does not matter. In the theorem the step is written on [0, 1].

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
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property

from flint import arb, arb_mat, arb_poly, fmpq, fmpz, fmpz_poly

from theorytest.kernel import chebyshev
from theorytest.kernel.ball import precision
from theorytest.kernel.chebyshev import Series
from theorytest.kernel.encoding import digest, noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import (
    Basis,
    Field,
    InitialValueProblem,
    Node,
    coordinates,
    derivative,
    field,
    rational,
    require_invariant,
)

CURVATURE_BITS = 96  # of the Jacobian and of radii: they need few digits, and any number of bits is rigorous
SMALL = 50  # bits below the largest coefficient; what is smaller counts as a radius where the Jacobian is bounded
MOST_BITS, MOST_DEGREE, MOST_PIECES = 1 << 16, 1 << 11, 1 << 10  # what a certificate may ask for
PARTS = 4  # of a step, for what is asked of it later; a power of two
MOST_SHIFT = 1 << 22  # binary digits before or after the point of a bound
Pair = tuple[arb, arb]
Norms = tuple[tuple[Fraction, Fraction], ...]


@noun
class FlowStep:
    """What a certificate says of one step.

    length: in time, dyadic; series: for each coordinate the coefficients a_0, a_1, ... of the polynomial a_0 + 2 (a_1
    T_1(s) + a_2 T_2(s) + ...), s from -1 to 1 over the step, as integers in units of 2^-bits; tube: a radius that the
    solution does not leave; norms: for each of equal pieces of the step, bounds of the logarithmic norm (per unit of
    time) at its two ends; pieces: of the slope, for each measurement (() where it has one).
    """

    length: Fraction
    bits: int
    series: tuple[tuple[int, ...], ...]
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
    """A step that was checked, or an equal part of one: the flow is within ``radius`` of the polynomial over it.

    chebyshev: coefficients in s as in `FlowStep`, step_bits after the point; part: which of how many parts of the step
    (a power of two); exit_radius: at the end of the part; field: of the coordinates.
    """

    start: Fraction
    length: Fraction
    step_bits: int
    chebyshev: tuple[tuple[int, ...], ...]
    radius: Fraction
    exit_radius: Fraction
    field: Field
    part: tuple[int, int] = (0, 1)

    @property
    def end(self) -> Fraction:
        """Where the part ends."""
        return self.start + self.length

    @property
    def bits(self) -> int:
        """Of the coefficients ``series``, after the point."""
        return self.step_bits + (self.part[1].bit_length() - 1) * (max(map(len, self.chebyshev)) - 1)

    @cached_property
    def series(self) -> tuple[tuple[int, ...], ...]:
        """The polynomials' coefficients in powers of (t - start) / length, fixed-point and exact."""
        place, count = self.part
        degree = max(map(len, self.chebyshev)) - 1
        made: list[tuple[int, ...]] = []
        for values in self.chebyshev:
            # s = (2 (place + x) - count) / count, x from 0 to 1: powers of 1 / count are brought to one denominator
            scaled = [int(c) * count ** (degree - k) for k, c in enumerate(chebyshev.powers(values).coeffs())]
            shifted = fmpz_poly(scaled)(fmpz_poly([2 * place - count, 2]))
            made.append(tuple(map(int, shifted.coeffs())) or (0,))
        return tuple(made)

    def parts(self) -> tuple[Piece, ...]:
        """The step in equal parts, over which powers of time are small where their coefficients are not."""
        length = self.length / PARTS
        return tuple(
            replace(
                self,
                start=self.start + k * length,
                length=length,
                exit_radius=self.exit_radius if k + 1 == PARTS else self.radius,
                part=(k, PARTS),
            )
            for k in range(PARTS)
        )


@dataclass(frozen=True)
class Attempt:
    """A step's polynomial and the Jacobian around it, before anything is claimed.

    radius: of the solution around the polynomial at its beginning; kinks: slot of each slope that may leave its piece
    -> slot of its residual, and what that costs; ends: bounds of the Jacobian over the tube at both ends of each piece
    of the step.
    """

    state: State
    radius: Fraction
    field: Field
    kinks: dict[int, tuple[int, Kink]]
    ends: tuple[tuple[Bounds, Bounds], ...]


@dataclass(frozen=True)
class State:
    """Where the flow is known to be at a time: an exact centre, and a radius."""

    time: Fraction
    centre: tuple[Fraction, ...]
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

    def begin(self) -> State:
        """The start."""
        return State(Fraction(0), self.start, Fraction(0))

    def after(self, piece: Piece) -> State:
        """The state at the end of a step."""
        centre = tuple(Fraction(chebyshev.at_end(values, 1), 1 << piece.step_bits) for values in piece.chebyshev)
        return State(piece.end, centre, piece.exit_radius)

    def attempt(self, state: State, step: FlowStep) -> Attempt:
        """The Jacobian around a step's polynomial; of the step's norms only their number is read."""
        _require_sane(step, len(self.start))
        made = self.field(step.pieces)
        off = [
            x - Fraction(chebyshev.at_end(values, -1), 1 << step.bits)
            for x, values in zip(state.centre, step.series, strict=True)
        ]
        radius = up(state.radius + length_of(off, self.squares))
        kinks = self._kinks(made, step)
        return Attempt(state, radius, made, kinks, self._curvature(made, kinks, step))

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
        inside, leaving = grown(step, attempt.radius, found)
        if not inside < step.tube:
            raise KernelError("the solution may leave the tube: its radius, or the steps, are too large")
        return Piece(state.time, step.length, step.bits, step.series, inside, leaving, attempt.field)

    def _kinks(self, made: Field, step: FlowStep) -> dict[int, tuple[int, Kink]]:
        """The slopes whose residual may leave its piece while the flow is in the tube."""
        found: dict[int, tuple[int, Kink]] = {}
        if not self.problem.loss.slope.breaks:
            return found
        with precision(step.bits + 32):
            tube = arb(rational(step.tube))
            wide = [_units(tube / arb(rational(square)).sqrt(), step.bits) for square in made.squares]
            values = run(made.measured, step, {}, wide)
            for slope, residual, piece in zip(made.slopes, made.residuals, step.pieces, strict=True):
                kink = kink_at(self.problem, piece, *_range(values[residual], step.bits))
                if kink is not None:
                    found[slope] = (residual, kink)
        return found

    def _curvature(
        self, made: Field, kinks: Mapping[int, tuple[int, Kink]], step: FlowStep
    ) -> tuple[tuple[Bounds, Bounds], ...]:
        """The Jacobian over the tube around a polynomial, on each of ``len(step.norms)`` equal pieces of the step."""
        count = len(step.norms)
        with precision(CURVATURE_BITS):
            tube = arb(rational(step.tube))
            kept = [_leading(values) for values in step.series]
            radii: list[arb] = []
            for values, first, square in zip(step.series, kept, made.squares, strict=True):
                rest = 2 * sum(map(abs, values[len(first) :]))
                across = fixed(chebyshev.bend(first), step.bits) / (2 * count**2) + fixed(rest, step.bits)
                radii.append(around(across + tube / arb(rational(square)).sqrt()))
            width = max(map(len, kept))
            rows = [
                [fixed(value if not k else 2 * value, step.bits) for k, value in enumerate(first)]
                + [arb(0)] * (width - len(first))
                for first in kept
            ]
            at = (arb_mat(rows) * _places(count, width - 1)).tolist()
            found: list[tuple[Bounds, Bounds]] = []
            for k in range(count):
                inputs = [(row[k] + r, row[k + 1] - row[k]) for row, r in zip(at, radii, strict=True)]
                found.append(self._jacobian(made, inputs, kinks))
            return tuple(found)

    def _jacobian(
        self, made: Field, inputs: list[Pair], kinks: Mapping[int, tuple[int, Kink]]
    ) -> tuple[Bounds, Bounds]:
        """Forward mode over pairs: the Jacobian at both ends of a piece."""
        values: dict[int, Pair] = dict(enumerate(inputs))
        tangents: dict[int, dict[int, Pair]] = {j: {j: _ONE} for j in range(made.inputs)}
        zero = arb(0)
        for node in made.forcing:
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
            values[node.slot] = value
            tangents[node.slot] = tangent
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
        """An upper bound of the integral over the step of the norm of p' - h/2 f(p), s from -1 to 1."""
        made = attempt.field
        deviations = {slot: _units(kink.deviation, step.bits) for slot, (_, kink) in attempt.kinks.items()}
        shift, rest = residues(made, step, deviations)
        total = Fraction(0)
        for (coefficients, error), square in zip(rest, made.squares, strict=True):
            size = 2 * sum(map(abs, coefficients)) - abs(coefficients[0]) + error
            total += square * size * size
        with precision(CURVATURE_BITS):
            return up(upper(2 * arb(rational(total)).sqrt() * fixed(1, step.bits + shift)))


def residues(made: Field, step: FlowStep, deviations: Mapping[int, int]) -> tuple[int, list[tuple[list[int], int]]]:
    """p' - h/2 f(p) of each coordinate as a Chebyshev series and a remainder, in units of 2^-(step.bits + shift); the
    shift comes first. deviations: as in `run`."""
    values = run(made.moving, step, deviations)
    top, shift = step.length.numerator, step.length.denominator.bit_length()  # h / 2 = top / 2^shift
    found: list[tuple[list[int], int]] = []
    for coefficients, slot in zip(step.series, made.velocities, strict=True):
        rates, forced = chebyshev.derivative(coefficients), list(map(int, values[slot].coefficients()))
        count = max(len(rates), len(forced))
        rates += [0] * (count - len(rates))
        forced += [0] * (count - len(forced))
        rest = [(rate << shift) - top * force for rate, force in zip(rates, forced, strict=True)]
        found.append((rest, top * values[slot].error))
    return shift, found


def run(
    nodes: Sequence[Node], step: FlowStep, deviations: Mapping[int, int], wide: Sequence[int] = ()
) -> dict[int, Series]:
    """Slots as Chebyshev series along a step's polynomial; deviations: slot -> size of what is added to it besides;
    wide: how far each coordinate may be from the polynomial. Both in fixed point."""
    values = {j: chebyshev.series(coefficients) for j, coefficients in enumerate(step.series)}
    for j, distance in enumerate(wide):
        values[j] = replace(values[j], error=distance)
    degree = max(map(len, step.series))
    degree += degree // 4 + 8
    for node in nodes:
        values[node.slot] = chebyshev.value_of(node, values, step.bits, degree, deviations.get(node.slot, 0))
    return values


def _units(value: arb, bits: int) -> int:
    """At least the size of a ball, in fixed point."""
    size = upper(value.abs_upper())
    return -(-(size.numerator << bits) // size.denominator)


def _leading(values: Sequence[int]) -> Sequence[int]:
    """The first coefficients, up to the last one that is not small."""
    least = max(map(abs, values)) >> SMALL
    count = len(values)
    while count > 1 and abs(values[count - 1]) <= least:
        count -= 1
    return values[:count]


@cache
def _places(count: int, degree: int) -> arb_mat:
    """T_0, ..., T_degree (rows) at count + 1 equally spaced places from -1 to 1 (columns)."""
    with precision(CURVATURE_BITS):
        columns = chebyshev.at_places(count, degree)
        return arb_mat([[arb(rational(column[k])) for column in columns] for k in range(degree + 1)])


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


def _range(found: Series, bits: int) -> tuple[arb, arb]:
    """Bounds of the values on [-1, 1], sharp at the ends where the function is monotone there.

    (Two numbers: the ends of a ball are not sharp, as its radius is rounded up to few digits.)
    """
    path = arb_poly(chebyshev.powers([int(value) for value in found.coefficients()] or [0])) * fixed(1, bits)
    slope = path.derivative()
    low = high = path(arb(-1))
    for k in range(_CELLS):
        middle, right = fmpq(2 * k + 1 - _CELLS, _CELLS), path(arb(fmpq(2 * k + 2 - _CELLS, _CELLS)))
        rate = slope(arb(middle, fmpq(1, _CELLS)))
        low, high = low.min(right), high.max(right)
        if not (rate > 0 or rate < 0):
            inside = path(arb(middle)) + around(rate / _CELLS)
            low, high = low.min(inside), high.max(inside)
    error = fixed(found.error, bits)
    return low - error, high + error


_CELLS = 8


def grown(step: FlowStep, radius: Fraction, defect: Fraction) -> tuple[Fraction, Fraction]:
    """Gronwall: the radius within which the solution stays over the step, and the one at its end."""
    with precision(CURVATURE_BITS):
        pieces = len(step.norms)
        most = sum((max(Fraction(0), *norms) for norms in step.norms), Fraction(0)) * step.length / pieces
        total = sum((left + right for left, right in step.norms), Fraction(0)) * step.length / (2 * pieces)
        largest, change = arb(rational(most)).exp(), arb(rational(total)).exp()
        r, d = arb(rational(radius)), arb(rational(defect))
        return up(upper(largest * (r + d))), up(upper(change * r + largest * d))


def _require_sane(step: FlowStep, coordinates: int) -> None:
    """Raise where a certificate's numbers are none that a step can have."""
    numbers = (step.length, step.tube, *(norm for norms in step.norms for norm in norms))
    if not all(map(dyadic, numbers)):
        raise KernelError("lengths, radii and norms have to be dyadic numbers")
    if step.length <= 0 or step.tube <= 0:
        raise KernelError("a step needs a positive length and a positive tube")
    if len(step.series) != coordinates:
        raise KernelError(f"a step needs a polynomial for each of {coordinates} coordinates")
    if not all(1 <= len(values) <= MOST_DEGREE for values in step.series):
        raise KernelError("a polynomial needs a degree of sensible size")
    if not (16 <= step.bits <= MOST_BITS and 1 <= len(step.norms) <= MOST_PIECES):
        raise KernelError("a step needs a number of bits and norms, of sensible size")


def follow(problem: InitialValueProblem, pipe: FlowSteps) -> list[Piece]:
    """Check a flowpipe step by step from the start, and return its pieces."""
    if pipe.problem != digest(problem):
        raise KernelError("the flowpipe is for another initial value problem")
    enclosure = Enclosure(problem, pipe.basis)
    if not pipe.steps:
        raise KernelError("the flowpipe has no steps")
    pieces: list[Piece] = []
    state = enclosure.begin()
    for step in pipe.steps:
        piece = enclosure.accept(enclosure.attempt(state, step), step)
        pieces += piece.parts()
        state = enclosure.after(piece)
    return pieces
