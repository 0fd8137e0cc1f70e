"""How far two flows are apart after an event: closed forms, an independent integration, and what decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from flint import arb

from theorytest import latex
from theorytest import quantity as q
from theorytest.enclose import flowpipe
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel import two_flows
from theorytest.kernel.check import check
from theorytest.kernel.claim import All, Claim, CloseAfter, FirstTime
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Flowpipes, ends, follow
from theorytest.kernel.statement import CERTIFIED, REFUTED, UNDECIDED, Certificate, Statement, Verdict
from theorytest.kernel.trajectory import Trajectory, about_flows, problems_of
from theorytest.models import HalfSum, deep_matrix_factorization

F = Fraction
# w' = target - w, so that w = target - (target - w(0)) e^-t.
ONE, TWO = (GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): k})) for k in (1, 2))
MATRIX = GradientFlow(deep_matrix_factorization(2, 2, depth=2), HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0}))
LN2 = F(6931471805, 10**10)
NEAR = F(1, 10**9)


def at(value: Any) -> Any:
    return {"W[1]": [[value]]}


def layers(scale: Any, skew: Any = 0) -> Any:
    return {"W[2]": [[scale, skew], [0, scale]], "W[1]": [[scale, 0], [0, scale]]}


HALF = ONE.first_time(at(0), q.equal(q.entry(1, 1), "1/2"), LN2, LN2 + F(1, 10**10))  # at ln 2
LOOSE = replace(HALF, earliest=F(1, 2), latest=F(1))  # w is between 0.393 and 0.633 there
EARLY = replace(HALF, latest=LN2)


@cache
def pipes(claim: Claim) -> Flowpipes:
    return flowpipe.certificate(claim, digits=20)


def verdict(claim: Claim, payload: Flowpipes | None = None) -> Verdict:
    statement = Statement("x", "x", claim)
    return check(statement, Certificate("flowpipes", statement.digest, payload or pipes(claim), "a test"), {})


CLAIMS = [
    (ONE.close_after(at("1/2"), HALF, NEAR, 5), CERTIFIED),  # the same solution, up to the width of t0's interval
    (ONE.close_after(at("1/2"), HALF, 0, 5), UNDECIDED),  # which is all that is known
    (ONE.close_after(at("2/5"), HALF, F(1, 10) + NEAR, 5), CERTIFIED),  # e^-t / 10 apart
    (ONE.close_after(at("2/5"), HALF, F(1, 10) - NEAR, 5), REFUTED),  # at the event
    (ONE.close_after(at("3/5"), HALF, F(1, 10) + NEAR, 5), CERTIFIED),
    (TWO.close_after(at("1/2"), HALF, F(1, 2) + NEAR, LN2), CERTIFIED),  # 1 - e^-t apart
    (TWO.close_after(at("1/2"), HALF, F(1, 2) - NEAR, LN2), REFUTED),  # at the end
    (TWO.close_after(at("1/2"), HALF, 1, 20), CERTIFIED),
    (TWO.close_after(at("1/2"), HALF, F(99, 100), 20), REFUTED),  # in between
    (ONE.close_after(at("1/2"), LOOSE, F(1, 4), 2), CERTIFIED),  # wherever t0 is
    (ONE.close_after(at("1/2"), LOOSE, F(12, 100), 2), UNDECIDED),  # for some t0 only
    (ONE.close_after(at(0), LOOSE, F(14, 100), 2), REFUTED),  # for no t0
    (ONE.close_after(at("1/2"), EARLY, 1, 2), REFUTED),  # the event comes later
    (MATRIX.close_after(layers("1/2"), HALF, 9, 1), UNDECIDED),  # other shapes
    (ONE.close_after(at(0), HALF, F(1, 2) + NEAR, 2), CERTIFIED),  # one flow, twice
]


@pytest.mark.parametrize(("claim", "status"), CLAIMS, ids=[f"{k}-{s}" for k, (_, s) in enumerate(CLAIMS)])
def test_claims(claim: CloseAfter, status: str) -> None:
    found = verdict(claim)
    assert found.status == status, found.reason
    if status == REFUTED:
        assert found.counterexample is not None and " t = " in found.counterexample.margin
    assert decode(encode(claim)) == claim and about_flows(claim)
    assert str(claim.duration.numerator) in latex.claim(claim)


def test_reasons() -> None:
    assert "do not decide the distance near t = 0" in verdict(CLAIMS[1][0]).reason
    assert "shapes (1, 1) and (2, 2)" in verdict(CLAIMS[13][0]).reason
    refuted = verdict(CLAIMS[6][0]).counterexample
    assert refuted is not None and "after the event the squared distance is" in refuted.margin


@pytest.mark.parametrize(("distance", "duration"), [(-1, 1), (1, 0), (1, -1)])
def test_a_distance_and_a_duration_make_sense(distance: int, duration: int) -> None:
    with pytest.raises(KernelError, match="needed a distance >= 0 and a duration > 0"):
        CloseAfter(HALF, CLAIMS[0][0].other, F(distance), F(duration))


def test_both_flows_have_to_be_enclosed_for_long_enough() -> None:
    claim = CLAIMS[0][0]
    assert problems_of(claim) == ((HALF.problem, HALF.latest + 5), (claim.other, F(5)))
    twice = CLAIMS[14][0]
    assert problems_of(All((twice, HALF))) == ((HALF.problem, HALF.latest + 2),)
    one, other = pipes(claim).pipes
    assert verdict(claim, Flowpipes((one,))).status == UNDECIDED
    shorter = pipes(replace(claim, duration=F(1, 8))).pipes
    for forged in ((one, shorter[1]), (shorter[0], other), (other, one, one)):
        assert verdict(claim, Flowpipes(forged)).status == UNDECIDED
    assert verdict(claim, Flowpipes((other, one))).status == CERTIFIED


def test_steps_that_were_tampered_with() -> None:
    claim = CLAIMS[0][0]
    one, other = pipes(claim).pipes
    steps = list(other.steps)
    steps[1] = replace(steps[1], tube=steps[1].tube / 2**200)
    assert verdict(claim, Flowpipes((one, replace(other, steps=tuple(steps))))).status == UNDECIDED
    swapped = replace(one, problem=other.problem), replace(other, problem=one.problem)
    assert verdict(claim, Flowpipes(swapped)).status == UNDECIDED


# -- a second, naive implementation ------------------------------------------------------------------------------------


def trajectories(claim: CloseAfter) -> list[Trajectory]:
    found = {pipe.problem: pipe for pipe in pipes(claim).pipes}
    made = [
        Trajectory(problem, follow(problem, pipe))
        for problem, pipe in zip((problem for problem, _ in problems_of(claim)), found.values(), strict=True)
    ]
    return [made[0], made[-1]]


def naive(one: Any, other: Any, shift: Fraction, time: Fraction) -> Fraction:
    """The squared distance from two runs of the Taylor integrator, at 40 digits."""
    ours = one.rational(shift + time)
    theirs = other.rational(time)

    def product(blocks: Any) -> list[Fraction]:
        second, first = ([blocks[name][i, j] for i in (0, 1) for j in (0, 1)] for name in ("W[2]", "W[1]"))
        return [sum((second[2 * i + k] * first[2 * k + j] for k in (0, 1)), F(0)) for i in (0, 1) for j in (0, 1)]

    return sum(((x - y) ** 2 for x, y in zip(product(ours), product(theirs), strict=True)), F(0))


def bounds(value: arb) -> tuple[Fraction, Fraction]:
    return ends(value)


def test_against_a_second_implementation() -> None:
    """Enclosed squared distances contain those of an independent integration, at times and over intervals, also across
    the ends of steps, and are not much wider than what they enclose."""
    start, later = layers("1/2"), layers("2/3", "1/5")
    level = q.equal(q.squared_norm(), "3/2")
    found = MATRIX.enclose(start, 4, digits=20).first_time(q.squared_norm(), "3/2", width=F(1, 10**12))
    assert found is not None
    reached = MATRIX.first_time(start, level, *found)
    assert isinstance(reached, FirstTime)
    claim = MATRIX.close_after(later, reached, 3, 2)
    assert verdict(claim).status == CERTIFIED
    one, other = trajectories(claim)
    shift = (reached.earliest + reached.latest) / 2
    times: Sequence[Fraction] = [F(k, 12) for k in range(25)]
    ours = MATRIX.integrate(start, shift + 2, digits=40, times=[shift + t for t in times])
    theirs = MATRIX.integrate(later, 2, digits=40, times=times)
    exact = [naive(ours, theirs, shift, t) for t in times]
    for time, value in zip(times, exact, strict=True):
        low, high = bounds(two_flows._squared_distance(claim, one, other, time, time))
        assert low < value < high and high - low < F(1, 10**10)
    for k in range(0, 24, 4):
        low, high = bounds(two_flows._squared_distance(claim, one, other, times[k], times[k + 4]))
        inside = exact[k : k + 5]
        assert low < min(inside) and max(inside) < high
        assert high - low < 4
    crossing = two_flows._times(claim, one, other)
    assert crossing[0] == 0 and crossing[-1] == 2 and len(crossing) > 4
    for a, b in pairwise(crossing):  # neither flow changes its step in the longer ones
        low, high = bounds(two_flows._squared_distance(claim, one, other, a, b))
        assert high - low < F(9, 10)
    for time in crossing[1:-1]:  # across a change of step
        near = F(1, 10**6)
        low, high = bounds(two_flows._squared_distance(claim, one, other, time - near, time + near))
        assert high - low < F(1, 10**4)
        inside = bounds(two_flows._squared_distance(claim, one, other, time, time))
        assert low <= inside[0] and inside[1] <= high
