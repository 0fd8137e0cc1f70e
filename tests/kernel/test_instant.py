"""Claims about one time at exact instances: each kind met and missed, and comparisons of roots."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from random import Random
from typing import Any

import naive
import pytest
from true_proofs import state

from theorytest.kernel.claim import (
    All,
    AtLeast,
    AtStart,
    AtTime,
    Claim,
    Conserved,
    Descent,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Iteration,
    LargestConserved,
    LastFactor,
    Matrix,
    NormRate,
    RankAtMostRows,
    RestProduct,
    SameSingularValues,
    SameSize,
    SpectralNorm,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.instant import failure, largest_changes, root_sign
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.terms import Tensor, constant, identity, zero
from theorytest.kernel.witness import refutes, require_assumptions, view

MODEL = naive.DEEP_TUCKER
FLOW = Flow(MODEL, Focus(("m",)))
END = MODEL.focus(FLOW.focus).tensors()
CORE, W, CHAIN = END["G"], END["w[m]"], END["A[m]*"]
COLUMNS, ROWS = CHAIN.sizes[0], CHAIN.sizes[-1]
REST = CORE.sizes[1]
square = (W["r", "c"] * W["r", "c"]).sum("c")
slices = (CORE["r", "q"] * CORE["r", "q"]).sum("q")


def array(shape: tuple[int, ...], *entries: int | Fraction) -> Array:
    return Array(shape, tuple(map(Fraction, entries)))


def at(
    core: int = 1, one: int = 2, other: int = 3, *matrices: int, members: Any = (("m", 1),), **letters: Array
) -> Instance:
    """Order 2, every size 1, matrices in mode 1."""
    blocks = [("G", array((1, 1), core)), ("w[1]", array((1, 1), one)), ("w[2]", array((1, 1), other))]
    blocks += [(f"A[1,{k}]", array((1, 1, 1), a)) for k, a in enumerate(matrices, 1)]
    sizes = (("N", 2), ("R", (1, 1)), ("d", (1, 1)), ("k", (len(matrices), 0)))
    return Instance(sizes, members, tuple(blocks), array((1, 1), -1), tuple(letters.items()))


def why(claim: Claim, instance: Instance) -> str:
    return failure(claim, view(FLOW, instance, dict(instance.members)))


c, p, s, z = (
    Tensor(n, sizes) for n, sizes in (("c", (COLUMNS,)), ("p", (COLUMNS,)), ("s", (COLUMNS,)), ("z", (REST,)))
)
ones = constant(1, ("r", COLUMNS))
POWER = Iteration(p, ("r",), ones, p["r"] * c["r"], "k[m]")
LAST = LastFactor(Tensor("E", (COLUMNS, "e", ROWS)), Flow(MODEL, Focus(("m",), (Link(("i",), "m"),))))
ROW = Matrix(W["r", "c"], "r", "c")


@pytest.mark.parametrize(
    ("claim", "instance", "reason"),
    [
        (Identity(square, ones * 4), at(), ""),
        (Identity(square, ones * 5), at(), "the right side minus the left is 1"),
        (Inequality(square, "<", ones * 4), at(), "minus the left is 0"),
        (Inequality(square, "<=", ones * 3), at(), "minus the left is -1"),
        (All((Identity(square, square), Identity(square, zero(("r", COLUMNS))))), at(), "-4"),
        (AtTime(Identity(square, ones * 4), FLOW), at(), ""),
        (AtLeast("k[m]", 1), at(1, 1, 1, 5), ""),
        (AtLeast("k[m]", 1), at(), "k[m] = 0"),
        (Exactly("k[m]", 0), at(), ""),
        (Exactly("k[m]", 1), at(), "k[m] = 0"),
        (SameSize("k[m]", "N"), at(1, 1, 1, 5, 5), ""),
        (SameSize("k[m]", "N"), at(), "k[m] = 0, N = 2"),
        (SpectralNorm(CHAIN, s), at(1, 1, 1, 2, 3, s=array((1,), 6)), ""),
        (SpectralNorm(CHAIN, s), at(1, 1, 1, 2, 3, s=array((1,), 5)), "not the spectral norm"),
        (POWER, at(1, 1, 1, 5, 5, c=array((1,), 3), p=array((1,), 9)), ""),
        (POWER, at(1, 1, 1, 5, c=array((1,), 3), p=array((1,), 9)), "another value"),
        (POWER, at(c=array((1,), 3), p=array((1,), 1)), ""),
        (RestProduct(z["q"], square, FLOW), at(z=array((1,), 9)), ""),
        (RestProduct(z["q"], square, FLOW), at(z=array((1,), 4)), "the product over the other modes is (Fraction(9"),
        (LAST, at(1, 1, 1, 5, 7, E=array((1, 1, 1), 7)), ""),
        (LAST, at(1, 1, 1, 5, 7, E=array((1, 1, 1), 5)), "not the last factor"),
        (RankAtMostRows(ROW, equal=True), at(), ""),
        (SameSingularValues(ROW, ROW), at(), ""),
    ],
)
def test_each_kind(claim: Claim, instance: Instance, reason: str):
    found = why(claim, instance)
    assert reason in found and bool(reason) == bool(found)


def test_the_last_factor_of_a_descending_chain_is_the_first_layer():
    flow = Flow(naive.MATRIX, Focus((), (Link(("l",)),)))
    plain = Flow(naive.MATRIX, Focus())
    blocks = (("W[1]", array((1, 1), 2)), ("W[2]", array((1, 1), 3)))
    sizes = (("L", 2), ("d_in", 1), ("d_out", 1), ("h", (1,)))
    group = naive.MATRIX.focus(plain.focus).tensors()["W*"]
    claim = LastFactor(Tensor("E", ("e", group.sizes[-1])), flow)
    for number, met in ((2, True), (3, False)):
        instance = Instance(sizes, (), blocks, array((1, 1), 0), (("E", array((1, 1), number)),))
        assert (failure(claim, view(plain, instance, {})) == "") is met


def test_products_over_several_other_modes_run_with_the_last_one_fastest():
    flow = Flow(naive.TUCKER, Focus(("m",)))
    factor = naive.TUCKER.letters(flow.focus)["V[m]"]
    own = (factor["r", "i"] * factor["r", "i"]).sum("i")
    rest = Tensor("z", (naive.TUCKER.letters(flow.focus)["G"].sizes[1],))
    blocks = (
        ("G", array((1, 2, 2), 1, 1, 1, 1)),
        ("V[1]", array((1, 1), 7)),
        ("V[2]", array((2, 1), 1, 2)),
        ("V[3]", array((2, 1), 3, 5)),
    )
    sizes = (("N", 3), ("R", (1, 2, 2)), ("d", (1, 1, 1)))
    z = array((4,), 9, 25, 36, 100)
    instance = Instance(sizes, (("m", 1),), blocks, array((1, 1, 1), 0), (("z", z),))
    assert failure(RestProduct(rest["q"], own, flow), view(flow, instance, {"m": 1})) == ""
    group = naive.TUCKER.focus(flow.focus).tensors()["V[~]"]
    norms = (group["q", "j"] * group["q", "j"]).sum("j")
    assert view(flow, instance, {"m": 1}).array(norms) == z  # the norm of a Kronecker product is the product


def test_matrix_powers_keep_the_order_of_their_legs():
    q = Tensor("Q", ("d", "d"))
    m = Tensor("M", ("d", "d"))
    update = (q["b", "_k"] * m["_k", "a"]).sum("_k")  # legs b, a: row b, column a
    claim = Iteration(q, ("b", "a"), identity("a", "b", "d"), update, "k")
    matrix, power = array((2, 2), 1, 1, 0, 1), array((2, 2), 1, 3, 0, 1)
    for given, met in ((power, True), (power.regroup(((1,), (0,))), False)):
        instance = Instance((("k", 3), ("d", 2)), letters=(("Q", given), ("M", matrix)))
        assert (failure(claim, view(None, instance, {})) == "") is met
    with pytest.raises(KernelError, match="need the free indices"):
        failure(dataclasses.replace(claim, legs=("a", "c")), view(None, instance, {}))
    with pytest.raises(KernelError, match="need the free indices"):
        failure(dataclasses.replace(claim, update=q["a", "c"]), view(None, instance, {}))


def test_claims_of_other_kinds_and_shapes():
    with pytest.raises(KernelError, match="says nothing about one time"):
        why(Conserved(square, FLOW), at())
    two = Flow(MODEL, Focus(("m", "n")))
    plain = Flow(naive.MATRIX, Focus())
    for flow in (two, plain, Flow(MODEL, Focus(("m",), (Link(("i",), "m"),)))):
        with pytest.raises(KernelError, match="one mode and nothing else"):
            why(RestProduct(z["q"], square, flow), at(z=array((1,), 1)))
    for claim in (RestProduct(z["q"], constant(1), FLOW), RestProduct(constant(1), square, FLOW)):
        with pytest.raises(KernelError, match="one free index each"):
            why(claim, at())


# -- norms that move ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relation", "rate", "met"),
    [("=", 3, True), ("=", 4, False), ("<=", 3, True), ("<=", 2, False), (">=", 3, True), (">=", 4, False)],
)
def test_rates_of_norms(relation: str, rate: int, met: bool):
    """G = 1, w = 2 and 3, gradient -1: dw/dt = 3, so that d/dt |w| = 3."""
    claim = NormRate(square, relation, ones * rate, FLOW)
    assert (why(claim, at()) == "") is met
    assert (why(dataclasses.replace(claim, factor=ones * 2), at()) == "") is (relation == ">=" and rate in (3, 4))


def test_a_rate_says_that_the_norm_is_positive():
    assert "not positive" in why(NormRate(square, ">=", ones * -9, FLOW), at(1, 0, 3))


def test_rates_as_assumptions_and_as_claims():
    grows = state("S", NormRate(square, "=", ones * 3, FLOW), grows=NormRate(square, ">=", ones * 0, FLOW))
    require_assumptions(grows, at())
    with pytest.raises(KernelError, match="does not meet assumption 'grows'"):
        require_assumptions(grows, dataclasses.replace(at(), gradient=array((1, 1), 1)))
    with pytest.raises(KernelError, match="holds at this instance"):
        refutes(grows, Witness(at()))
    assert refutes(grows, Witness(at(1, 2, 4))).violated == "NormRate"
    for claim in (AtTime(Identity(square, slices), FLOW), All((AtTime(Identity(square, slices), FLOW),))):
        assert "-3" in refutes(state("S", claim), Witness(at())).margin


def test_assumptions_at_the_start_and_at_the_time():
    balance = AtStart(Identity(square, slices), FLOW)
    named = All((Identity(c["r"] * c["r"], square), RestProduct(z["q"] * z["q"], square, FLOW)))
    statement = state(
        "S", AtTime(Identity(c["r"], p["r"]), FLOW), balance=balance, named=named, size=Exactly("k[m]", 0)
    )
    letters = {"c": array((1,), 2), "p": array((1,), 1), "z": array((1,), 2)}
    assert refutes(statement, Witness(at(2, 2, 2, **letters))).margin.endswith("-1")
    with pytest.raises(KernelError, match="'balance'"):
        refutes(statement, Witness(at(1, 2, 2, **letters)))
    with pytest.raises(KernelError, match="'named'"):
        refutes(statement, Witness(at(2, 2, 2, **(letters | {"z": array((1,), 3)}))))
    with pytest.raises(KernelError, match="'size'"):
        refutes(statement, Witness(at(2, 2, 2, 1, **letters)))
    always: Statement = state("S", Conserved(square - slices, FLOW), named=named)
    with pytest.raises(KernelError, match="at which time"):
        require_assumptions(always, at(2, 2, 2, **letters))


@pytest.mark.parametrize("number", range(40))
def test_signs_with_roots_in_numbers(number: int):
    """a - b sqrt(q) against 60 digits; exact where q is a square."""
    from mpmath import mpf, sqrt, workdps

    random = Random(number)
    a, b = (Fraction(random.randint(-3, 3), random.randint(1, 3)) for _ in range(2))
    q = Fraction(random.randint(1, 6), random.randint(1, 4))
    if number % 4 == 0:
        q, a = q * q, b * q  # equality
    with workdps(60):
        value = mpf(a.numerator) / a.denominator - mpf(b.numerator) / b.denominator * sqrt(
            mpf(q.numerator) / q.denominator
        )
        sign = 0 if abs(value) < mpf(10) ** -50 else (1 if value > 0 else -1)
    assert root_sign(a, b, q) == sign


# -- the largest of several --------------------------------------------------------------------------------------------

LAW = Conserved(square - slices, FLOW)


def test_the_largest_value():
    single = LargestConserved((Conserved(square, FLOW),))
    assert "changes at the speed" in refutes(state("S", single), Witness(at())).margin
    with pytest.raises(KernelError, match="does not change here"):
        refutes(state("S", LargestConserved((LAW,))), Witness(at()))
    shrinking = dataclasses.replace(at(), gradient=array((1, 1), 1))
    assert "-" in refutes(state("S", single), Witness(shrinking)).margin
    with pytest.raises(KernelError, match="does not change here"):
        refutes(
            state("S", LargestConserved((Conserved(square, FLOW), Conserved(square * 0 + ones * 9, FLOW)))),
            Witness(shrinking),
        )
    negative = LargestConserved((Conserved(-square, FLOW),))
    assert "changes at the speed 12" in refutes(state("S", negative), Witness(at())).margin
    zeros = LargestConserved((Conserved(square - slices * 4, FLOW),))
    assert "the largest value 0" in refutes(state("S", zeros), Witness(at(1, 2, 2))).margin
    with pytest.raises(KernelError, match="a flow was needed"):
        largest_changes([(Conserved(square, Descent(FLOW)), [])])
    with pytest.raises(KernelError, match="does not change here"):
        largest_changes([(LAW, [])])
