"""How far the end tensors of two flows are apart, where the clock of the second starts at an event of the first.

The event's time t0 is known to lie in an interval. While t is in [a, b] and each flow is in one step, both end tensors
are polynomials in one variable u, t = (a + b) / 2 + u (b - a) / 2, whose constants are balls that hold every t0 of the
interval; their difference is taken coefficient by coefficient, so that what both have in common cancels, and is
enclosed over -1 <= u <= 1 by the mean value theorem. Where a flow passes from one step to the next, the entries' ranges
over all steps that are met are taken. Times are cut in halves until the distance is decided, or they are too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from flint import arb, arb_poly

from theorytest.kernel.ball import precision
from theorytest.kernel.claim import CloseAfter
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Piece, around
from theorytest.kernel.initial_value import rational

if TYPE_CHECKING:
    from theorytest.kernel.trajectory import Trajectory

Cell = tuple[Piece, Fraction, Fraction]
CUTS = 20  # how often a part of the time may be cut in halves


def distance_fails(claim: CloseAfter, one: Trajectory, other: Trajectory) -> str:
    """At which time after the event the distance certainly exceeds its bound; empty where it certainly never does.

    That the event's time lies where the claim says is taken for granted. Raises `KernelError` where neither is certain,
    and where the end tensors have different shapes.
    """
    if one.concrete.shape != other.concrete.shape:
        raise KernelError(f"end tensors of the shapes {one.concrete.shape} and {other.concrete.shape} have no distance")
    bound = rational(claim.distance**2)
    times = _times(claim, one, other)
    for time in times:
        found = _squared_distance(claim, one, other, time, time)
        if found > bound:
            return f"at t = {_short(time)} after the event the squared distance is {found.str(6)}"
    stack = [(a, b, 0) for a, b in pairwise(times)][::-1]
    while stack:
        a, b, depth = stack.pop()
        if not _squared_distance(claim, one, other, a, b) <= bound:
            if depth == CUTS:
                raise KernelError(f"the enclosures do not decide the distance near t = {_short(a)} after the event")
            stack += [((a + b) / 2, b, depth + 1), (a, (a + b) / 2, depth + 1)]
    return ""


def _times(claim: CloseAfter, one: Trajectory, other: Trajectory) -> list[Fraction]:
    """Times from 0 to the duration: between two neighbours, one of the flows may change its step, or neither does."""
    reached = claim.reached
    ends = [piece.end - shift for piece in one.pieces for shift in (reached.latest, reached.earliest)]
    ends += [piece.end for piece in other.pieces]
    return sorted({Fraction(0), claim.duration, *(time for time in ends if 0 < time < claim.duration)})


def _squared_distance(claim: CloseAfter, one: Trajectory, other: Trajectory, a: Fraction, b: Fraction) -> arb:
    """A ball around all squared distances for a <= t <= b, wherever the event's time is."""
    early, late = claim.reached.earliest, claim.reached.latest
    ours, theirs = _cells(one, early + a, late + b), _cells(other, a, b)
    with precision(max(piece.bits for piece, _, _ in (*ours, *theirs)) + 32):
        if len(ours) == len(theirs) == 1:
            first = _in_one_variable(one, ours[0][0], (early + late) / 2, (late - early) / 2, a, b)
            second = _in_one_variable(other, theirs[0][0], Fraction(0), Fraction(0), a, b)
            gaps = [_over(x - y, arb(0), around(arb(1))) for x, y in zip(first, second, strict=True)]
        else:
            gaps = [x - y for x, y in zip(_ranges(one, ours), _ranges(other, theirs), strict=True)]
        return sum((gap * gap for gap in gaps), arb(0))


def _cells(flow: Trajectory, start: Fraction, end: Fraction) -> list[Cell]:
    """The parts of steps that cover [start, end], without those that only touch it."""
    cells = list(flow.cells(start, end))
    return [cell for cell in cells if cell[1] < cell[2]] or cells[:1]


def _in_one_variable(
    flow: Trajectory, piece: Piece, shift: Fraction, spread: Fraction, a: Fraction, b: Fraction
) -> list[arb_poly]:
    """The entries of the end tensor at t0 + t as polynomials in u, whose constants are balls that hold every t0 within
    ``spread`` of ``shift`` (by the mean value theorem)."""
    place, pace, width = (
        arb(rational(x / piece.length)) for x in (shift + (a + b) / 2 - piece.start, (b - a) / 2, spread)
    )
    moved, anywhere = arb_poly([place, pace]), place + around(pace) + around(width)
    return [x(moved) + arb_poly([around(x.derivative()(anywhere) * width)]) for x in flow.end_tensor(piece)]


def _ranges(flow: Trajectory, cells: Sequence[Cell]) -> list[arb]:
    """Balls around all values of the entries of the end tensor over some parts of steps."""
    found: list[list[arb]] = []
    for piece, a, b in cells:
        middle, half = arb(rational((a + b) / 2)), arb(rational((b - a) / 2))
        found.append([_over(entry, middle, around(half)) for entry in flow.end_tensor(piece)])
    joined = found[0]
    for more in found[1:]:
        joined = [x.union(y) for x, y in zip(joined, more, strict=True)]
    return joined


def _over(polynomial: arb_poly, middle: arb, reach: arb) -> arb:
    """A ball around all values of a polynomial within reach of a middle."""
    return polynomial(middle) + polynomial.derivative()(middle + reach) * reach


def _short(value: Fraction) -> str:
    with precision(64):
        return arb(rational(value)).str(10, radius=False)


__all__ = ["distance_fails"]
