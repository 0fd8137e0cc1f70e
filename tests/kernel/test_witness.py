"""Instances: letters, assumptions and violations, against second implementations and by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from itertools import pairwise, product
from random import Random
from typing import Any

import naive
import pytest
from true_proofs import ADJACENT, BALANCE, CHAIN, CP_FLOW, DEEP_FLOW, P2, Q2, W_M, W_N, norm, p, q, state

from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtStart,
    Change,
    Claim,
    Conserved,
    Descent,
    DeterminantSignPreserved,
    Exactly,
    Flow,
    Identity,
    Inequality,
    LogDeterminantRate,
    Rate,
    SameSize,
    SingularValues,
    SliceTruncation,
    SpectralNorm,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Focus, Link, Parameterization, Product
from theorytest.kernel.scalar import Number, Variable
from theorytest.kernel.statement import Assumption, Instance, Statement, Witness
from theorytest.kernel.terms import Tensor, constant, zero
from theorytest.kernel.witness import assignments, certifies, motion_flow, refutes, require_assumptions

ONE = Fraction(1)


def matrix(*rows: Any) -> Array:
    return Array((len(rows), len(rows[0])), tuple(Fraction(x) for row in rows for x in row))


def number(value: Any) -> Array:
    return Array((), (Fraction(value),))


UNIT, ZERO = matrix((1, 0), (0, 1)), matrix((0, 0), (0, 0))
PAIR = Instance(
    (("N", 2), ("d", (1, 1)), ("R", 1)),
    (("n", 1), ("m", 2)),
    (("w[1]", matrix((2,))), ("w[2]", matrix((1,)))),
    matrix((1,)),
)


def layers(depth: int, *blocks: Array, slope: Array = UNIT, **more: Any) -> Instance:
    given: dict[str, Any] = {
        "sizes": (("L", depth), ("d_out", 2), ("d_in", 2), ("h", (2,) * (depth - 1))),
        "members": (("/first", depth), ("/l+1", 2), ("/l", 1)),
        "blocks": tuple((f"W[{depth - place}]", block) for place, block in enumerate(blocks)),
        "gradient": slope,
    }
    return Instance(**(given | more))


def margin(claim: Claim, instance: Instance, *data: Any, **assumptions: Claim) -> str:
    found = refutes(state("S", claim, **assumptions), Witness(instance, data))
    assert found.instance == instance and found.violated == type(claim).__name__
    return found.margin


def refused(message: str, claim: Claim, instance: Instance, *data: Any, **assumptions: Claim) -> None:
    with pytest.raises(KernelError, match=message):
        refutes(state("S", claim, **assumptions), Witness(instance, data))


# -- numbering the members ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(naive.MODELS))
def test_members_are_numbered_in_every_way(kind):
    """All injective numberings of modes; all positions in the order of the product, adjacent or first where asked."""
    random = Random(kind)
    for focus in naive.foci(kind):
        for _ in range(6):
            sizes = naive.random_sizes(kind, random)
            given = Instance(tuple(sizes.items()))
            found = [tuple(sorted(m.items())) for m in assignments(Flow(naive.MODELS[kind], focus), given)]
            expected = []
            order = sizes.get("N", 0)
            for modes in product(range(1, order + 1), repeat=len(focus.modes)):
                if len(set(modes)) < len(modes):
                    continue
                named = dict(zip(focus.modes, modes, strict=True))
                choices = []
                for link in focus.links:
                    length = sizes["L"] if kind == "matrix" else sizes["k"][named[link.mode] - 1]
                    # Places from the left: descending numbers for layers, ascending ones for the matrices of a mode.
                    choices.append(
                        [
                            {
                                f"{link.mode}/{name}": (length - s if kind == "matrix" else s + 1)
                                for name, s in zip(link.positions, spots, strict=True)
                            }
                            for spots in product(range(length), repeat=len(link.positions))
                            if all(a < b for a, b in pairwise(spots))
                            and (not link.adjacent or all(b - a == 1 for a, b in pairwise(spots)))
                            and (not link.first or spots[0] == 0)
                        ]
                    )
                for choice in product(*choices):
                    whole = dict(named)
                    for one in choice:
                        whole |= one
                    expected.append(tuple(sorted(whole.items())))
            assert sorted(found) == sorted(expected)


def test_chains_that_are_not_there():
    for flow in (
        Flow(naive.CP, Focus(("m",), (Link(("i",), "m"),))),
        Flow(naive.CP, Focus((), (Link(("i",)),))),
        Flow(naive.MATRIX, Focus((), (Link(("i",), "m"),))),
        Flow(naive.DEEP_TUCKER, Focus(("m",), (Link(("i",), "n"),))),
    ):
        sizes = (("N", 2), ("d", (1, 1)), ("R", (1, 1)), ("k", (1, 1)), ("L", 2))
        with pytest.raises(KernelError, match="has no chain"):
            list(assignments(flow, Instance(sizes)))
    plain = Parameterization(
        "plain", Product((Block("X", (), ("a",)), Block("Y", (), ("a",)))), ("a",), (("a", "d"),), ""
    )
    assert list(assignments(Flow(plain, Focus()), Instance((("d", 2),)))) == [{}]
    assert list(assignments(DEEP_FLOW, Instance((("N", 1), ("k", (0,)))))) == []


# -- assumptions -------------------------------------------------------------------------------------------------------


x = Variable("x")
MET: list[tuple[Claim, Instance, bool]] = [
    (SameSize("m", "n"), Instance((("m", 2), ("n", 2))), True),
    (SameSize("m", "n"), Instance((("m", 2), ("n", 3))), False),
    (AtLeast("m", 2), Instance((("m", 2),)), True),
    (AtLeast("m", 3), Instance((("m", 2),)), False),
    (All((AtLeast("m", 2), SameSize("m", "m"))), Instance((("m", 2),)), True),
    (All((AtLeast("m", 2), AtLeast("m", 3))), Instance((("m", 2),)), False),
    (Inequality(x, "<", Number(ONE)), Instance(variables=(("x", Fraction(1, 2)),)), True),
    (Inequality(x, "<", Number(ONE)), Instance(variables=(("x", ONE),)), False),
    (
        Identity(p["i"], q["i"]),
        Instance(letters=(("p", Array((2,), (ONE, ONE))), ("q", Array((2,), (ONE, ONE))))),
        True,
    ),
    (
        Identity(p["i"], q["i"]),
        Instance(letters=(("p", Array((2,), (ONE, ONE))), ("q", Array((2,), (ONE, ONE * 2))))),
        False,
    ),
    (Inequality(P2, "<=", Q2), Instance(letters=(("p", Array((1,), (ONE,))), ("q", Array((1,), (ONE,))))), True),
    (Inequality(P2, "<", Q2), Instance(letters=(("p", Array((1,), (ONE,))), ("q", Array((1,), (ONE,))))), False),
    (Inequality(P2, "<=", Q2), Instance(letters=(("p", Array((1,), (ONE * 2,))), ("q", Array((1,), (ONE,))))), False),
]


@pytest.mark.parametrize(("formula", "instance", "met"), MET)
def test_assumptions_at_an_instance(formula, instance, met):
    made = state("S", Identity(P2, P2), it=formula)
    if met:
        require_assumptions(made, instance)
    else:
        with pytest.raises(KernelError, match="does not meet assumption 'it'"):
            require_assumptions(made, instance)


def test_words_without_a_formula_restrict_nothing():
    words = (Assumption("loss", "differentiable"), Assumption("depth", "two", AtLeast("m", 2)))
    made = dataclasses.replace(state("S", Identity(P2, P2)), assumptions=words)
    require_assumptions(made, Instance((("m", 2),)))
    with pytest.raises(KernelError, match="'depth'"):
        require_assumptions(made, Instance((("m", 1),)))


def test_an_assumption_that_cannot_be_decided_is_not_met():
    """(x^(1/2))^2 = x: exact arithmetic would say yes, balls cannot."""
    formula = Identity((x ** Fraction(1, 2)) ** 2, x)
    made = state("S", Identity(P2, P2), it=formula)
    with pytest.raises(KernelError, match="undecided at this precision"):
        require_assumptions(made, Instance(variables=(("x", Fraction(2)),)))


@pytest.mark.parametrize(
    "formula", [Conserved(norm(W_N), CP_FLOW), Always(BALANCE, ADJACENT), DeterminantSignPreserved(CHAIN.flow)]
)
def test_assumptions_about_all_times_cannot_be_checked_at_an_instance(formula):
    with pytest.raises(KernelError, match="cannot be checked at an instance"):
        require_assumptions(state("S", Identity(P2, P2), it=formula), PAIR)


def test_the_start_is_checked_for_all_members():
    """Three layers, of which only two are balanced against each other: the pair that the witness names is not asked."""
    claim = Conserved(norm_of_layers(), ADJACENT)
    two = matrix((2, 0), (0, 2))
    for blocks, met in (((UNIT, UNIT, UNIT), True), ((two, UNIT, UNIT), False), ((UNIT, UNIT, two), False)):
        for named in ((3, 2), (2, 1)):
            instance = layers(3, *blocks, members=(("/l+1", named[0]), ("/l", named[1])))
            made = state("S", claim, balanced=AtStart(BALANCE, ADJACENT))
            if met:
                require_assumptions(made, instance)
            else:
                with pytest.raises(KernelError, match="does not meet assumption 'balanced'"):
                    require_assumptions(made, instance)


def norm_of_layers() -> Any:
    left, right = (t.sum("i") for t in (BALANCE.lhs.rename({"j": "i"}), BALANCE.rhs.rename({"j": "i"})))  # type: ignore[union-attr]
    return left - right


def test_tensors_at_the_time_in_question():
    """An assumption on blocks is checked at the blocks, where the claim speaks of that time."""
    small = Inequality(norm(W_N), "<=", constant(3))
    rate = Rate(norm(W_N), zero(("r", "R")), CP_FLOW)
    refused("does not meet", rate, PAIR, small=small)
    assert margin(rate, PAIR) == "4"
    assert margin(rate, PAIR, small=Inequality(norm(W_N), "<=", constant(4))) == "4"
    step = dataclasses.replace(PAIR, variables=(("η", ONE),))
    refused("does not meet", Conserved(norm(W_N), Descent(CP_FLOW)), step, small=small)
    refused("at which time", Conserved(norm(W_N), CP_FLOW), PAIR, small=small)
    assert margin(Conserved(norm(W_N), CP_FLOW), PAIR) == "4"


# -- violations --------------------------------------------------------------------------------------------------------


def test_rates_and_laws_by_hand():
    """w1 = 2, w2 = 1, slope 1: d/dt w1^2 = -4, d/dt w2^2 = -4."""
    assert margin(Conserved(norm(W_N) + norm(W_M), CP_FLOW), PAIR) == "8"
    assert margin(Rate(norm(W_N), constant(1, ("r", "R")), CP_FLOW), PAIR) == "5"
    refused("holds at this instance", Conserved(norm(W_N) - norm(W_M), CP_FLOW), PAIR)
    refused("holds at this instance", Rate(norm(W_N), constant(-4, ("r", "R")), CP_FLOW), PAIR)
    assert margin(All((Conserved(norm(W_N) - norm(W_M), CP_FLOW), Conserved(norm(W_N), CP_FLOW))), PAIR) == "4"
    refused("holds at this instance; the claim holds", All((Conserved(norm(W_N) - norm(W_M), CP_FLOW),) * 2), PAIR)


def test_steps_by_hand():
    """w1 = 2 - 1 = 1, w2 = 1 - 2 = -1 with η = 1; with β = 2 and U = (1, 0): w1 = 3."""
    step = dataclasses.replace(PAIR, variables=(("η", ONE),))
    assert margin(Conserved(norm(W_N), Descent(CP_FLOW)), step) == "3"
    refused("holds at this instance", Change(norm(W_N), constant(-3, ("r", "R")), Descent(CP_FLOW)), step)
    assert margin(Change(norm(W_N), constant(-2, ("r", "R")), Descent(CP_FLOW)), step) == "1"
    previous = (("U(w[n])", matrix((1,))), ("U(w[m])", matrix((0,))))
    momentum = dataclasses.replace(step, letters=previous, variables=(("η", ONE), ("β", ONE * 2)))
    refused(
        "holds at this instance", Change(norm(W_N), constant(5, ("r", "R")), Descent(CP_FLOW, "momentum")), momentum
    )
    adam = ONE - ONE / (1 + Fraction(1, 10**8)) - ONE  # the velocity of w2 is -2: its step is -2/(2 + ε)
    second = (1 - Fraction(2) / (2 + Fraction(1, 10**8))) ** 2 - 1
    assert adam < 0
    refused("holds at this instance", Change(norm(W_M), constant(second, ("r", "R")), Descent(CP_FLOW, "adam")), step)


@pytest.mark.parametrize(
    ("method", "letters", "variables", "message"),
    [
        ("gradient descent", (), (), "step size"),
        ("gradient descent", (), (("η", Fraction(0)),), "step size"),
        ("gradient descent", (), (("η", Fraction(-1)),), "step size"),
        ("gradient descent", (("η", matrix((1,))),), (), "step size"),
        ("momentum", (), (("η", ONE),), "momentum needs"),
        ("momentum", (("U(w[n])", matrix((1,))),), (("η", ONE), ("β", ONE)), "momentum needs"),
        ("momentum", (("U(w[n])", number(1)), ("U(w[m])", matrix((1,)))), (("η", ONE), ("β", ONE)), "momentum needs"),
        (
            "momentum",
            (("U(w[n])", matrix((1,))), ("U(w[m])", matrix((1,))), ("β", matrix((1,)))),
            (("η", ONE),),
            "momentum needs",
        ),
    ],
)
def test_steps_need_their_numbers(method, letters, variables, message):
    instance = dataclasses.replace(PAIR, letters=letters, variables=variables)
    refused(message, Conserved(norm(W_N), Descent(CP_FLOW, method)), instance)


def test_claims_about_all_times_fail_at_the_start_or_right_after():
    assumed = {"balanced": AtStart(BALANCE, ADJACENT)}
    always = Always(BALANCE, ADJACENT)
    assert "at time 0" in margin(always, layers(2, matrix((2, 0), (0, 1)), UNIT))
    refused("does not meet", always, layers(2, matrix((2, 0), (0, 1)), UNIT), **assumed)
    refused("holds at this instance", always, layers(2, UNIT, UNIT), **assumed)
    faster = Flow(naive.MATRIX, ADJACENT.focus, speeds=(("W[l]", Fraction(2)),))
    assert "move apart at the speed" in margin(Always(BALANCE, faster), layers(2, UNIT, UNIT), **assumed)
    less = Inequality(BALANCE.lhs, "<=", BALANCE.rhs)
    refused("holds at this instance", Always(less, ADJACENT), layers(2, UNIT, UNIT))
    assert "at time 0" in margin(Always(less, ADJACENT), layers(2, matrix((2, 0), (0, 1)), UNIT))


def test_an_instance_of_a_model_needs_a_slope():
    refused("needs the loss gradient", Conserved(norm(W_N), CP_FLOW), dataclasses.replace(PAIR, gradient=None))


def test_the_sign_of_the_determinant():
    """W_2 = I, W_1 = diag(1, w): the flow goes through w = 0; a balanced one, a bare matrix, a step."""
    claim, singular = DeterminantSignPreserved(CHAIN.flow), matrix((1, 0), (0, 0))
    slope = matrix((0, 0), (0, -1))
    assert margin(claim, layers(2, UNIT, singular, slope=slope)) == "det W = 0 with derivative 1: it changes sign there"
    refused("no crossing", claim, layers(2, UNIT, UNIT, slope=slope))
    refused("no crossing", claim, layers(2, singular, singular, slope=slope))
    assert "changes sign" in margin(claim, layers(1, singular, slope=slope), depth=AtLeast("L", 1))
    refused("does not meet", claim, layers(1, singular, slope=slope), depth=AtLeast("L", 2))
    met = {"size": Inequality(x, "<", Number(ONE))}
    assert "changes sign" in margin(claim, layers(1, singular, slope=slope, variables=(("x", ONE * 0),)), **met)
    step = DeterminantSignPreserved(Descent(CHAIN.flow))
    down = matrix((0, 0), (0, 2))
    assert (
        margin(step, layers(1, UNIT, slope=down, variables=(("η", ONE),)))
        == "the determinant goes from 1 to -1 in one step"
    )
    refused("does not change", step, layers(1, UNIT, slope=down, variables=(("η", ONE / 2),)))
    refused("step of gradient descent", step, layers(1, UNIT, slope=down))
    refused(
        "step of gradient descent",
        DeterminantSignPreserved(Descent(CHAIN.flow, "adam")),
        layers(1, UNIT, variables=(("η", ONE),)),
    )
    decaying = DeterminantSignPreserved(Flow(naive.MATRIX, CHAIN.flow.focus, decay=ONE))
    refused("plain gradient flow", decaying, layers(1, singular, slope=slope))
    refused("plain gradient flow", claim, layers(1, singular, gradient=None))
    refused("the blocks need", claim, layers(1, slope=slope))
    refused("the blocks need", claim, layers(1, matrix((1,)), slope=slope))
    wide = layers(1, matrix((1, 0)), slope=matrix((1, 0)), sizes=(("L", 1), ("d_out", 1), ("d_in", 2), ("h", ())))
    refused("square matrix", claim, wide)


def test_rates_of_the_logarithm_by_hand():
    """W = diag(2, 1) in one layer, slope diag(1, 1): d/dt ln det = -1/2 - 1."""
    diagonal = matrix((2, 0), (0, 1))
    right = LogDeterminantRate(constant(Fraction(-3, 2)), CHAIN.flow)
    refused("holds at this instance", right, layers(1, diagonal))
    assert margin(LogDeterminantRate(zero(), CHAIN.flow), layers(1, diagonal)) == "3/2"
    refused("determinant is 0", right, layers(1, ZERO))
    depth = LogDeterminantRate(Tensor("L", ())() * Fraction(-3, 2), CHAIN.flow)
    refused("holds at this instance", depth, layers(1, diagonal))
    assert margin(depth, layers(2, diagonal, UNIT)) != "0"


@pytest.mark.parametrize("seed", range(8))
def test_rates_of_determinants_against_differences(seed):
    """d/dt ln det of a product of square layers, against a quotient of exact differences (linear in a small step)."""
    random = Random(seed)
    depth = random.randint(1, 3)
    blocks = [matrix(*[[random.randint(-3, 3) for _ in range(2)] for _ in range(2)]) for _ in range(depth)]
    slope = matrix(*[[random.randint(-3, 3) for _ in range(2)] for _ in range(2)])
    instance = layers(depth, *blocks, slope=slope)

    def determinant(step: Fraction) -> Fraction:
        total = [[ONE, ONE * 0], [ONE * 0, ONE]]
        for place, block in enumerate(blocks):
            left = [[ONE, ONE * 0], [ONE * 0, ONE]]
            for other in blocks[:place]:
                left = times(left, rows(other))
            right = [[ONE, ONE * 0], [ONE * 0, ONE]]
            for other in blocks[place + 1 :]:
                right = times(right, rows(other))
            moved = times(times(flip(left), rows(slope)), flip(right))
            total = times(
                total,
                [[a - step * b for a, b in zip(r, m, strict=True)] for r, m in zip(rows(block), moved, strict=True)],
            )
        return total[0][0] * total[1][1] - total[0][1] * total[1][0]

    here = determinant(Fraction(0))
    if not here:
        refused("determinant is 0", LogDeterminantRate(zero(), CHAIN.flow), instance)
        return
    tiny = Fraction(1, 10**30)
    estimate = (determinant(tiny) - determinant(-tiny)) / (2 * tiny) / here
    # The error of the central difference is the third derivative times tiny^2: the exact value is the nearest multiple
    # of 1/det, as all entries are integers.
    exact = Fraction(round(estimate * here)) / here
    refused("holds at this instance", LogDeterminantRate(constant(exact), CHAIN.flow), instance)
    assert margin(LogDeterminantRate(constant(exact + 1), CHAIN.flow), instance) == "1"


def rows(array: Array) -> list[list[Fraction]]:
    return [list(array.entries[:2]), list(array.entries[2:])]


def times(left: list[list[Fraction]], right: list[list[Fraction]]) -> list[list[Fraction]]:
    return [[sum((left[i][k] * right[k][j] for k in range(2)), Fraction(0)) for j in range(2)] for i in range(2)]


def flip(given: list[list[Fraction]]) -> list[list[Fraction]]:
    return [[given[j][i] for j in range(2)] for i in range(2)]


def test_tensor_claims_and_claims_about_variables():
    letters = Instance(letters=(("p", Array((2,), (ONE, ONE * 2))), ("q", Array((2,), (ONE, ONE * 5)))))
    assert margin(Identity(p["i"], q["i"]), letters) == "the right side minus the left is 3"
    assert margin(Inequality(q["i"], "<=", p["i"]), letters) == "the right side minus the left is -3"
    refused("holds at this instance", Inequality(p["i"], "<=", q["i"]), letters)
    assert margin(Inequality(p["i"], "<", q["i"]), letters) == "the right side minus the left is 0"
    refused("no size was given", Identity(p["i"], q["i"]), Instance())
    refused("no value was given", Identity(p["i"], q["i"]), Instance(letters=letters.letters[:1]))
    refused(
        "would be both",
        Identity(p["i"], q["i"]),
        Instance(letters=(letters.letters[0], ("q", Array((3,), (ONE,) * 3)))),
    )
    refused("has 1 legs", Identity(p["i"], q["i"]), Instance(letters=(letters.letters[0], ("q", number(1)))))
    assert "is false" in margin(Inequality(x, "<", Number(ONE)), Instance(variables=(("x", ONE),)))
    refused("tensor terms", Identity(p["i"], Number(ONE)), letters)


@pytest.mark.parametrize("claim", [SameSize("m", "n"), AtLeast("m", 2), SpectralNorm(p, q), AtStart(BALANCE, ADJACENT)])
def test_claims_without_violations(claim):
    with pytest.raises(KernelError):
        refutes(state("S", claim), Witness(layers(2, UNIT, UNIT)))


def test_what_can_be_certified():
    with pytest.raises(KernelError, match="cannot be certified"):
        certifies(Identity(P2, P2), PAIR)
    tucker = Instance(letters=(("G", UNIT), ("V[1]", UNIT), ("V[2]", UNIT)), variables=(("ε", ONE),))
    certifies(SliceTruncation(), tucker)
    assert "more than" in margin(
        SliceTruncation(factor=Fraction(4)), dataclasses.replace(tucker, variables=(("ε", Fraction(101, 100)),))
    )


def test_the_flow_of_a_claim():
    assert motion_flow(Conserved(P2, CP_FLOW)) == CP_FLOW
    assert motion_flow(Conserved(P2, Descent(CP_FLOW))) == CP_FLOW
    assert motion_flow(Identity(P2, P2)) is None
    assert motion_flow(All((Conserved(P2, CP_FLOW),))) is None
    assert isinstance(state("S", Identity(P2, P2)), Statement)
    assert Where.__doc__ and SingularValues.__doc__


@pytest.mark.parametrize(("symbol", "sizes"), [("k", (("k", 0),)), ("k[n]", (("k", (3, 0)),))])
def test_an_index_has_at_least_one_value(symbol, sizes):
    """0 < |k| follows from what an index is: no example of it has k = 0, though a depth may be 0."""
    count = constant(1, ("x", symbol)).sum("x")
    made = Statement("S", "", Inequality(zero(), "<", count), assumptions=(Assumption("a", "", Exactly(symbol, 0)),))
    instance = Instance(sizes=sizes, members=(("n", 2),))
    with pytest.raises(KernelError, match="at least one value"):
        require_assumptions(made, instance)
    require_assumptions(dataclasses.replace(made, claim=Identity(Variable("x"), Variable("x"))), instance)
