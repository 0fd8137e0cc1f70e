"""Claims about flows of instances: closed forms, independent integration, and certificates that do not fit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from flint import arb

from theorytest import quantity as q
from theorytest.enclose import flowpipe
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel import trajectory
from theorytest.kernel.ball import UndefinedError, ball, evaluate, precision
from theorytest.kernel.check import check
from theorytest.kernel.claim import All, Claim, FirstTime, Identity, Throughout
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Flowpipes, ends
from theorytest.kernel.scalar import ONE, Exp, Ln, Scalar, Variable, scalar
from theorytest.kernel.statement import CERTIFIED, REFUTED, UNDECIDED, Assumption, Certificate, Statement, Verdict
from theorytest.kernel.trajectory import Dual, Trajectory, about_flows, decide, digits, dual, problems_of
from theorytest.models import HalfSum, cp, deep_matrix_factorization, tucker

F = Fraction
MATRIX = GradientFlow(deep_matrix_factorization(2, 2, depth=2), HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0}))
TENTH: Any = {f"W[{k}]": [["1/10", 0], [0, "1/10"]] for k in (2, 1)}
SCALAR = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))  # w = 1 - e^-t from 0
ZERO: Any = {"W[1]": [[0]]}


@cache
def pipes(claim: Claim, accuracy: int = 20) -> Flowpipes:
    return flowpipe.certificate(claim, digits=accuracy)


def verdict(claim: Claim, payload: Flowpipes | None = None, **fields: Any) -> Verdict:
    statement = Statement("x", "x", claim, **fields)
    return check(statement, Certificate("flowpipes", statement.digest, payload or pipes(claim), "a test"), {})


@cache
def followed(until: int = 10) -> Trajectory:
    return MATRIX.enclose(TENTH, until, digits=30).trajectory


# -- claims -----------------------------------------------------------------------------------------------------------

W = q.entry(1, 1)
LN2 = F(6931471805, 10**10)
CLAIMS = [
    (SCALAR.throughout(ZERO, W < 1, 6), CERTIFIED),
    (SCALAR.throughout(ZERO, W >= "1/2", 6, start=1), CERTIFIED),
    (SCALAR.throughout(ZERO, W >= "1/2", 6, start="1/2"), REFUTED),
    (SCALAR.throughout(ZERO, W <= "99/100", 6), REFUTED),
    (SCALAR.throughout(ZERO, q.equal(W, "1/2"), 6), REFUTED),
    (SCALAR.throughout(ZERO, q.equal(W, W), 6), UNDECIDED),  # a ball minus itself is not 0
    (SCALAR.throughout(ZERO, W >= 0, 6), UNDECIDED),  # equality at time 0: balls cannot tell
    (SCALAR.first_time(ZERO, q.equal(W, "1/2"), LN2, LN2 + F(1, 10**9)), CERTIFIED),
    (SCALAR.first_time(ZERO, q.equal("1/2", W), LN2, 2), CERTIFIED),
    (SCALAR.first_time(ZERO, q.equal(W, "1/2"), 0, LN2), REFUTED),  # not yet reached
    (SCALAR.first_time(ZERO, q.equal(W, "1/2"), 1, 2), REFUTED),  # reached before
    (SCALAR.first_time(ZERO, q.equal(W, 0), 1, 2), UNDECIDED),  # equal at time 0
    (MATRIX.throughout(TENTH, q.determinant() > 0, 5), CERTIFIED),
    (MATRIX.throughout(TENTH, q.equal(q.entry(1, 2), q.entry(2, 1)), 2), UNDECIDED),  # the same again
    (MATRIX.throughout(TENTH, q.singular_value(2) <= q.norm(), 5, start="1/2"), CERTIFIED),
    (MATRIX.throughout(TENTH, q.effective_rank() < 2, 5, start="1/2"), CERTIFIED),
    (MATRIX.throughout(TENTH, q.nuclear_norm() ** 2 >= 4 * q.determinant(), 5, start="1/2"), CERTIFIED),
    (MATRIX.throughout(TENTH, q.effective_rank() < "3/2", 5), REFUTED),
    (MATRIX.first_time(TENTH, q.equal(q.determinant(), 0), 0, 3), REFUTED),
    (MATRIX.throughout(TENTH, q.ln(q.squared_norm("W[1]")) <= q.exp(q.norm()), 5), CERTIFIED),
    (MATRIX.throughout(TENTH, q.ln(q.determinant() - 1) < 0, 5), UNDECIDED),
]


@pytest.mark.parametrize(("claim", "status"), CLAIMS, ids=[f"{k}-{s}" for k, (_, s) in enumerate(CLAIMS)])
def test_claims(claim: Claim, status: str) -> None:
    found = verdict(claim)
    assert found.status == status, found.reason
    if status == CERTIFIED:
        assert found.scope.startswith("1 flow, t <= ") and int(found.scope.split()[-2]) >= 20
    if status == REFUTED:
        assert found.counterexample is not None and " t" in found.counterexample.margin
    assert decode(encode(claim)) == claim


def test_a_level_that_is_reached_and_left() -> None:
    """The claim about the first time looks at all times before it, not at the ends of the interval alone."""
    hill = W * (1 - W)  # up to 1/4 and down again; 3/16 at W = 1/4, t = ln(4/3) = 0.2876..., and at W = 3/4
    level = q.equal(hill, "3/16")
    assert verdict(SCALAR.first_time(ZERO, level, "0.2876", "0.2877")).status == CERTIFIED
    assert verdict(SCALAR.first_time(ZERO, level, 3, 4)).status == REFUTED
    assert verdict(SCALAR.first_time(ZERO, level, "0.2877", 4)).status == REFUTED
    assert verdict(SCALAR.first_time(ZERO, q.equal(hill, "26/100"), "1/8", 4)).status == REFUTED
    top = verdict(SCALAR.first_time(ZERO, q.equal(hill, "1/4"), "1/8", 4))  # touched and not crossed
    assert top.status == UNDECIDED and "does not decide" in top.reason
    found = SCALAR.enclose(ZERO, 4, digits=20)
    assert found.first_time(hill, "1/4") is None and found.first_time(hill, 1) is None
    between = found.first_time(hill, "3/16", width="1/1000000")
    assert between is not None and between[0] < F(28768207, 10**8) < between[1] < between[0] + F(1, 10**6)
    assert found.first_time(hill, 0) is None  # at time 0


def test_a_pole_is_no_crossing() -> None:
    """Where a side is not defined in between, it can change its sign without being 0: 1/x, x/|x|."""
    below = W - F(1, 2)  # 0 at t = ln 2
    payload = pipes(SCALAR.throughout(ZERO, W < 9, 3))
    for jump in (1 / below, 1 / below**3, below * (below**2) ** F(-1, 2)):
        for earliest, latest in (("1/2", 1), (1, 2), (0, "1/2")):
            found = verdict(SCALAR.first_time(ZERO, q.equal(jump, 0), earliest, latest), payload)
            if latest == "1/2":
                assert found.status == REFUTED  # not reached, and defined as far as that
            else:
                assert found.status == UNDECIDED and "may not be defined" in found.reason
    beyond = SCALAR.first_time(ZERO, q.equal(1 / below, -4), "1/4", "1/2")  # W = 1/4 at t = ln(4/3) = 0.2876...
    assert verdict(beyond, payload).status == CERTIFIED


def test_several_flows_in_one_statement() -> None:
    half = F(1, 2)
    other: Any = {"W[1]": [[half]]}
    good = All(
        (SCALAR.throughout(ZERO, W < 1, 2), SCALAR.throughout(other, half <= W, 3), SCALAR.throughout(ZERO, W < 1, 1))
    )
    assert verdict(good).status == UNDECIDED  # W >= 1/2 is an equality at time 0
    good = All((*good.claims[::2], SCALAR.throughout(other, F(2, 5) < W, 3)))
    found = verdict(good)
    assert found.status == CERTIFIED and found.scope.startswith("2 flows, t <= 3, ")
    open_and_false = All((SCALAR.throughout(ZERO, W >= 0, 1), SCALAR.throughout(other, half > W, 1)))
    assert verdict(open_and_false).status == REFUTED


def test_what_else_a_certificate_may_be() -> None:
    claim = SCALAR.throughout(ZERO, W < 1, 2)
    payload = pipes(claim)
    longer = SCALAR.throughout(ZERO, W < 1, 50)
    assert "speaks of times up to 50" in verdict(longer, payload).reason
    other = SCALAR.throughout({"W[1]": [["1/3"]]}, W < 1, 2)
    assert "a flowpipe is missing" in verdict(other, payload).reason
    assert "does not speak of" in verdict(claim, Flowpipes((*payload.pipes, *pipes(other).pipes))).reason
    assert "two flowpipes" in verdict(claim, Flowpipes(payload.pipes * 2)).reason
    identity = Identity(ONE, ONE)
    assert "no claim about the flow" in verdict(identity, payload).reason
    assert "no claim about the flow" in verdict(All((claim, identity)), payload).reason
    forged = replace(payload.pipes[0], steps=(replace(payload.pipes[0].steps[0], norms=((F(-2), F(-2)),)),))
    assert "not confirmed" in verdict(claim, Flowpipes((forged,))).reason
    assert verdict(claim, payload).status == CERTIFIED


def test_a_statement_with_assumptions_is_not_refuted_by_a_flow() -> None:
    claim = SCALAR.throughout(ZERO, W > 1, 2)
    assumption = Assumption("a", "a formula that the flow does not show", Identity(ONE, ONE))
    assert "has assumptions" in verdict(claim, assumptions=(assumption,)).reason
    assert verdict(claim, assumptions=(replace(assumption, formula=None),)).status == REFUTED


def test_quantities_that_do_not_exist() -> None:
    for comparison in (
        q.entry(3, 1) < 1,
        q.entry("W[3]", 1, 1) < 1,
        q.squared_component_norm(1) < 1,
        q.determinant("W[9]") < 1,
    ):
        assert (
            verdict(MATRIX.throughout(TENTH, comparison, 1), pipes(MATRIX.throughout(TENTH, W < 9, 1))).status
            == UNDECIDED
        )
    with pytest.raises(KernelError, match="0 <= start <= end"):
        replace(SCALAR.throughout(ZERO, W < 1, 1), start=F(2))
    with pytest.raises(KernelError, match="earliest <= latest"):
        replace(SCALAR.first_time(ZERO, q.equal(W, 1), 1, 2), earliest=F(3))
    with pytest.raises(KernelError, match="relation ="):
        replace(SCALAR.first_time(ZERO, q.equal(W, 1), 1, 2), comparison=W < 1)


def test_which_claims_are_about_flows() -> None:
    claim, event = SCALAR.throughout(ZERO, W < 1, 2), SCALAR.first_time(ZERO, q.equal(W, "1/2"), 0, 3)
    assert about_flows(claim) and about_flows(All((claim, event)))
    assert not about_flows(All(())) and not about_flows(All((claim, Identity(ONE, ONE))))
    assert problems_of(All((claim, event))) == ((claim.problem, F(3)),)


def test_digits() -> None:
    assert [digits(r) for r in (F(1), F(1, 9), F(1, 10), F(1, 11), F(1, 100))] == [0, 0, 1, 1, 2]
    assert digits(F(2)) == 0 and digits(F(0)) == trajectory.MOST_DIGITS


# -- the trajectory ---------------------------------------------------------------------------------------------------


def test_values_contain_an_independent_integration() -> None:
    """Every parameter and the end tensor, at the ends of steps and between them; and the balls are narrow."""
    flow, path = followed(), MATRIX.integrate(TENTH, 10, digits=45)
    ends_of = [p.end for p in flow.pieces if p.end < 10][::5]
    for t in (F(0), F(1, 3), *ends_of, F(977, 100), F(10)):
        with precision(200):
            state = flow.state(t)
        exact = path.rational(t)
        for name, entries in state.blocks.items():
            for found, true in zip(entries, exact[name].entries, strict=True):
                low, high = ends(ball(found))
                assert low - F(1, 10**44) <= true <= high + F(1, 10**44) and high - low < F(1, 10**30)


def test_ranges_contain_what_they_range_over() -> None:
    flow = followed()
    quantities = [
        W,
        q.determinant(),
        q.squared_norm("W[1]"),
        q.squared_slice_norm("W[2]", 1, 2),
        q.singular_value(1),
        q.gram_gap("W[2]", "W[1]"),
        1 / q.norm(),
        q.norm() ** -2 + q.norm() ** 3 + q.norm() ** 0,
    ]
    for quantity in quantities:
        comparison = q.equal(0, quantity)
        for piece, low, high in flow.cells(F(1), F(4)):
            for a, b in pairwise([low + (high - low) * F(k, 3) for k in range(4)]):
                found = flow.range(comparison, piece, a, b)
                assert found is not None
                bottom, top = ends(found)
                for k in range(4):
                    value = ends(flow.gap(comparison, piece.start + (a + (b - a) * F(k, 3)) * piece.length))
                    assert bottom <= value[1] and value[0] <= top


def test_what_is_conserved_is_so_to_all_digits() -> None:
    """A difference of squares cancels as a polynomial, and not as a difference of ranges."""
    flow = GradientFlow(cp((2, 2, 2), rank=2), HalfSum({(0, 0, 0): 1, (1, 1, 0): "1/2"}))
    start: Any = {f"w[{n}]": [["1/2", f"1/{n + 1}"], ["-1/3", "1/4"]] for n in (1, 2, 3)}
    change = q.squared_slice_norm("w[1]", 1, 1) - q.squared_slice_norm("w[2]", 1, 1) - (F(1, 4) - F(1, 9))
    for sign in (1, -1):
        assert verdict(flow.throughout(start, sign * change <= F(1, 10**18), 5)).status == CERTIFIED
    assert verdict(flow.throughout(start, change**2 + change**0 <= 1, 5)).status == CERTIFIED  # 0 at all times
    assert verdict(flow.throughout(start, change + F(1, 10**9) < 0, 5)).status == REFUTED


def test_cells_cover_an_interval_once() -> None:
    flow = followed()
    found = [(p.start + a * p.length, p.start + b * p.length) for p, a, b in flow.cells(F(1), F(4))]
    assert found[0][0] == 1 and found[-1][1] == 4 and all(a[1] == b[0] for a, b in pairwise(found))
    assert len(list(flow.cells(F(2), F(2)))) == 1
    with pytest.raises(KernelError, match="outside of what is enclosed"):
        flow.piece(F(99))


def test_components_and_larger_determinants() -> None:
    flow = GradientFlow(cp((2, 2), rank=2), HalfSum({(0, 0): 1, (1, 1): 1}))
    start: Any = {"w[1]": [["1/2", "1/3"], ["1/5", 1]], "w[2]": [[1, "1/4"], ["1/3", "1/2"]]}
    assert (
        verdict(flow.throughout(start, q.squared_component_norm(1) > q.squared_component_norm(2), 1)).status
        == CERTIFIED
    )
    core = GradientFlow(tucker((2, 2), (1, 1)), HalfSum({(0, 0): 1}))
    inner: Any = {"G": [["1/2"]], "V[1]": [[1, "1/3"]], "V[2]": [["1/2", "1/3"]]}
    leg = q.squared_component_norm(1, "r[1]")  # of G and V[1], not of V[2]
    assert verdict(core.throughout(inner, leg > "1/5", 1)).status == CERTIFIED
    wide = GradientFlow(deep_matrix_factorization(3, 3, depth=1), HalfSum({(0, 0): 2}))
    rows: Any = {"W[1]": [[1, 2, 0], [0, 1, 1], [1, 0, 3]]}
    claim = wide.throughout(rows, q.determinant() > 5, 2)  # 3 w - 2 (0 - 1) = 3 w + 2
    assert verdict(claim).status == UNDECIDED  # 5 at time 0
    assert verdict(replace(claim, start=F(1, 8))).status == CERTIFIED
    assert verdict(replace(claim, comparison=q.determinant() < 8)).status == CERTIFIED
    assert verdict(replace(claim, comparison=q.determinant() < 7)).status == REFUTED


# -- duals ------------------------------------------------------------------------------------------------------------

x: Scalar = Variable("x")
EXPRESSIONS: list[Scalar] = [
    x**3 - 2 * x,
    x**0,
    x**-2,
    (x + 2) ** F(1, 2),
    (x**2) ** F(-3, 2) * x,
    Ln(x**2 + 1) * Exp(-x),
    scalar(F(2, 3)),
    x * x * x + F(1, 7),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
@pytest.mark.parametrize("middle", [F(3, 2), F(-3, 2)])
def test_duals_contain_values_and_difference_quotients(expression: Scalar, middle: Fraction) -> None:
    half = F(1, 4)
    with precision(120):
        found = dual(expression, {"x": Dual(arb(0).union(arb(1)) * float(half) * 2 + float(middle - half), arb(1))})
        points = [middle - half + 2 * half * F(k, 20) for k in range(21)]
        values = [ball(evaluate(expression, {"x": p})) for p in points]
        for value in values:
            assert found.value.overlaps(value)
        for (a, u), (b, v) in pairwise(zip(points, values, strict=True)):
            assert found.rate.overlaps((v - u) / float(b - a))


@pytest.mark.parametrize("expression", [x**-1, x ** F(1, 2), Ln(x)])
def test_duals_where_there_is_no_derivative(expression: Scalar) -> None:
    with pytest.raises(UndefinedError):
        dual(expression, {"x": Dual(arb(0, 1), arb(1))})
    with pytest.raises(UndefinedError):
        dual(x ** F(1, 2), {"x": Dual(arb(-2), arb(1))})


def test_both_kinds_can_be_decided_by_one_certificate() -> None:
    claim = All((SCALAR.throughout(ZERO, W < 1, 2), SCALAR.first_time(ZERO, q.equal(W, "1/2"), "1/2", 1)))
    holds, told = decide(claim, pipes(claim))
    assert holds and "t <= 2" in told
    assert isinstance(claim.claims[0], Throughout) and isinstance(claim.claims[1], FirstTime)
