"""Induction on the factors of a chain: what it concludes, what it refuses, and what it concludes in numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import mpmath
import naive
import pytest
from true_proofs import P2, state

from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.moment import along_chain
from theorytest.kernel.chains import ChainInduction, induction_cases, last_factor, rename, sizes_in, the_chain
from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtTime,
    Claim,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Iteration,
    LastFactor,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Block, Chain, Focus, Link, Parameterization, Product
from theorytest.kernel.rules import RULES, Context, Square, Use
from theorytest.kernel.statement import Derivation, Step
from theorytest.kernel.terms import DELTA, Tensor, Term, constant, identity, zero

S = state("S", Identity(P2, P2))
DEEP = Flow(naive.DEEP_TUCKER, Focus(("m",)))
ONE = Flow(naive.DEEP_TUCKER, Focus(("m",), (Link(("i",), "m"),)))
TWO = Flow(naive.DEEP_TUCKER, Focus(("m",), (Link(("i", "j"), "m", adjacent=True),)))
PLAIN = Flow(naive.MATRIX, Focus())
GROUP = ChainInduction(DEEP).group
COLUMNS, ROWS = GROUP.sizes[0], GROUP.sizes[-1]
A = naive.DEEP_TUCKER.letters(ONE.focus)["A[m,i]"]
X, Y = (naive.DEEP_TUCKER.letters(TWO.focus)[f"A[m,{i}]"] for i in "ij")
COUNT = ChainInduction(DEEP).count
c, power = Tensor("c", (COLUMNS,)), Tensor("c^k", (COLUMNS,))
ones = constant(1, ("r", COLUMNS))
POWER = Iteration(power, ("r",), ones, power["r"] * c["r"], COUNT)
POSITIVE = Inequality(zero(("r", COLUMNS)), "<=", c["r"])
SMALL = Always(Inequality((A["r", "a", "b"] * A["r", "a", "b"]).sum("a", "b"), "<=", c["r"] * c["r"]), ONE)
NOT_NEGATIVE = Inequality(zero(("r", COLUMNS)), "<=", power["r"])
product = Tensor("Product", (COLUMNS, "#j", ROWS))
following = Tensor("Next", (COLUMNS, "#j-1", "#j"))
edge = Tensor("Edge", (COLUMNS, "#j", "#j+1"))
v = Tensor("v", (COLUMNS, ROWS))
image = (product["r", "p", "_q"] * v["r", "_q"]).sum("_q")
LENGTH = Inequality((image * image).sum("p"), "<=", power["r"] * power["r"] * (v["r", "q"] * v["r", "q"]).sum("q"))


def facts(derive: Derive, claims: Sequence[Claim]) -> list[Fact]:
    return [Fact(number, claim) for number, claim in enumerate(claims)]


def base(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
    for goal in goals:
        squares = [Square(ones, ())] if goal.lhs.is_zero else []
        inner.at_most("the start", goal.lhs, goal.rhs, by=squares)


def step(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
    positive, member, not_negative, length = given
    inner.at_most("again", goals[0].lhs, goals[0].rhs, (not_negative, positive), [Use(0, c["r"], (), ())])
    wedge = following["r", "p", "a"] * image.rename({"p": "b"}) - following["r", "p", "b"] * image.rename({"p": "a"})
    moved = (following["r", "p", "a"] * image.rename({"p": "a"})).sum("a")
    norm = (following["r", "p", "a"] * following["r", "p", "a"]).sum("p", "a")
    lengths = (image * image).sum("p")
    cauchy = inner.at_most(
        "Cauchy", (moved * moved).sum("p") * 2, norm * lengths * 2, by=[Square(wedge, ("p", "a", "b"))]
    )
    squares = inner.at_most("a square", zero(("p", "#j"), ("r", COLUMNS)), image * image, by=[Square(image, ())])
    total = Inequality(zero(("r", COLUMNS)), "<=", lengths)
    total_ = inner.apply("combination", squares, data=(total, Use(0, constant(1), (), ("p",))))
    gap = inner.apply("product-of-signs", member, total_)
    by = [Use(0, constant(Fraction(1, 2)), (), ()), Use(1, constant(1), (), ()), Use(2, c["r"] * c["r"], (), ())]
    inner.at_most("one more", goals[1].lhs, goals[1].rhs, (cauchy, gap, length), by)


PREMISES = (POSITIVE, POWER, SMALL)
TEMPLATES = (NOT_NEGATIVE, LENGTH)


def proved(
    premises: tuple[Claim, ...] = PREMISES, flow: Flow = DEEP, templates: tuple[Any, ...] = TEMPLATES
) -> tuple[Claim, tuple[Any, ...]]:
    derive = Derive(S)
    found = along_chain(derive, flow, 0, facts(derive, premises), templates, base, step)
    return found.claim, derive.steps[-1].data


def refused(match: str, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> None:
    with pytest.raises(KernelError, match=match):
        RULES["chain-induction"](Context(S, {}), premises, data)


def test_a_bound_by_a_power():
    """||A_1 ... A_k v|| <= c^k ||v|| where every ||A_i||_F <= c."""
    found, data = proved()
    whole = (GROUP["r", "p", "q"] * v["r", "q"]).sum("q")
    bound = power["r"] * power["r"] * (v["r", "q"] * v["r", "q"]).sum("q")
    assert found == AtTime(All((NOT_NEGATIVE, Inequality((whole * whole).sum("p"), "<=", bound))), DEEP)
    assert RULES["chain-induction"](Context(S, {}), PREMISES, data) == found


def test_derivations_that_show_something_else_are_refused():
    _, data = proved()
    flow, start, first, second, *templates = data
    tighter = Inequality(LENGTH.lhs, "<=", power["r"] * (v["r", "q"] * v["r", "q"]).sum("q"))
    refused("what remains is", PREMISES, (flow, start, first, second, NOT_NEGATIVE, tighter))
    refused("does not show", PREMISES, (flow, start, first, Derivation(()), NOT_NEGATIVE))
    refused("does not show", PREMISES, (flow, start, Derivation(()), second, *templates))
    refused("step 0", PREMISES[:2], data)  # without the bound of every factor
    for broken in (
        (start, flow, first, second, *templates),
        (flow, 2, first, second, *templates),
        (flow, 0, first, second),
    ):
        refused("the data are", PREMISES, broken)
    refused("the data are", PREMISES, (flow, 0, first, 1, *templates))
    refused("a template must be", PREMISES, (flow, 0, first, second, AtLeast("n", 1)))
    refused("tensor terms", PREMISES, (flow, 0, first, second, Identity(1, 1)))  # type: ignore[arg-type]
    refused("must be a premise", PREMISES, (flow, 1, first, second, *templates))


def test_facts_of_other_kinds_are_refused():
    _, data = proved()
    at_time = AtTime(SMALL.claim, ONE)  # at that time only: it may be about one factor alone
    refused("another flow", (POSITIVE, POWER, at_time), data)
    refused(
        "along the same flow", (POSITIVE, POWER, Always(SMALL.claim, dataclasses.replace(ONE, decay=Fraction(1)))), data
    )
    first = dataclasses.replace(ONE, focus=Focus(("m",), (Link(("i",), "m", first=True),)))
    refused("anywhere in the chain", (POSITIVE, POWER, Always(SMALL.claim, first)), data)
    apart = dataclasses.replace(TWO, focus=Focus(("m",), (Link(("i", "j"), "m"),)))
    pair = Identity(
        (X["r", "a", "b"] * X["r", "a", "b"]).sum("a", "b"), (Y["r", "a", "b"] * Y["r", "a", "b"]).sum("a", "b")
    )
    only = AtLeast(COUNT, 1)
    refused("anywhere in the chain", (POSITIVE, POWER, only, Always(pair, apart)), (data[0], 1, *data[2:]))
    group = naive.DEEP_TUCKER.focus(ONE.focus).tensors()["A[m]<i"]
    spoken = Always(Identity((group["r", "a", "b"] * group["r", "a", "b"]).sum("a", "b"), ones), ONE)
    refused("may not speak of", (POSITIVE, POWER, spoken), data)
    inner = Tensor("u", (A.sizes[1],))
    odd = Always(Inequality((A["r", "a", "b"] * inner["a"]).sum("a", "b"), "<=", c["r"]), ONE)
    refused("the size of an inner leg", (POSITIVE, POWER, odd), data)


def test_letters_of_the_induction_belong_to_it():
    _, data = proved()
    flow, start, first, second, *_ = data
    refused("iterated twice", (*PREMISES, dataclasses.replace(POWER, start=ones * 2)), data)
    more = Iteration(Tensor("e", (COLUMNS,)), ("r",), ones, Tensor("e", (COLUMNS,))["r"] * power["r"], COUNT)
    refused("no other one that moves", (*PREMISES, more), data)
    own = Iteration(Tensor("e", (COLUMNS,)), ("r",), Tensor("e", (COLUMNS,))["r"], ones, COUNT)
    refused("no other one that moves", (*PREMISES, own), data)
    spoken = Inequality(zero(("r", COLUMNS)), "<=", power["r"])
    refused("belong to the induction", (*PREMISES, spoken), data)
    letter = Tensor("Next", (COLUMNS,))
    refused("belong to the induction", (*PREMISES, Inequality(zero(("r", COLUMNS)), "<=", letter["r"])), data)
    taken = Iteration(Tensor("e", (COLUMNS,)), ("r",), ones, Tensor("Edge", (COLUMNS,))["r"], COUNT)
    refused("belong to the induction", (*PREMISES, taken), data)
    hidden = Identity(constant(1, ("_n", "#j")).sum("_n"), constant(1))
    refused("sizes with #", (*PREMISES, hidden), data)
    odd = Inequality(zero(("a", "#j")), "<=", Tensor("u", ("#j",))["a"])
    refused("sizes with #", PREMISES, (flow, start, first, second, odd))
    wrong = Inequality(zero(), "<=", (product["r", "p", "q"] * following["r", "s", "p"]).sum("r", "p", "q", "s"))
    refused("cannot speak of", PREMISES, (flow, start, first, second, wrong))
    edges = Inequality(zero(), "<=", edge["r", "p", "q"].sum("r", "p", "q"))
    refused("cannot speak of", PREMISES, (flow, start, first, second, edges))
    narrow = Inequality(zero(), "<=", Tensor("Product", (COLUMNS, "#j", "#j"))["r", "p", "q"].sum("r", "p", "q"))
    refused("cannot speak of", PREMISES, (flow, start, first, second, narrow))


def test_the_identity_matrix_is_not_iterated():
    """With δ = X where k = 1, δ = 0 after no update, and c δ = 0 in between would be read as c = 0."""
    unit, x, number = Tensor(DELTA, ("n", "n")), Tensor("X", ("n", "n")), Tensor("c", ())
    nothing = zero(("a", "n"), ("b", "n"))
    iterated = Iteration(unit, ("a", "b"), nothing, x["a", "b"], "L")
    vanishes = Identity(number() * unit["a", "b"], nothing)
    first = Derivation((Step("identity", (), (nothing, nothing)),))
    goal = Identity(number() * x["a", "b"], nothing)
    again = Derivation((Step("combination", (0,), (goal, Use(0, x["a", "b"], (("b", "a"),), ()))),))
    refused("no letter to iterate", (iterated,), (PLAIN, 0, first, again, vanishes))


def test_the_flow_has_one_chain():
    with pytest.raises(KernelError, match="one mode and nothing else"):
        the_chain(ONE)
    with pytest.raises(KernelError, match="one mode and nothing else"):
        the_chain(Flow(naive.DEEP_TUCKER, Focus(("m", "n"))))
    with pytest.raises(KernelError, match="no chain here"):
        the_chain(Flow(naive.CP, Focus(("m",))))
    assert the_chain(PLAIN)[1] == "L"
    block = Chain("s", "k", Block("B", ("s",), ()), "a", "b", "h", False)
    other = Chain("t", "k", Block("D", ("t",), ()), "b", "c", "h", False)
    legs = (("a", "m"), ("b", "m"), ("c", "m"))
    two = Parameterization("two chains", Product((block, other)), ("a", "c"), legs, "")
    with pytest.raises(KernelError, match="or several"):
        the_chain(Flow(two, Focus()))


def test_a_plain_product_of_matrices():
    """The chain of deep matrix factorization: 0 <= c^L by induction on the layers."""
    base_, power_ = Tensor("c", ()), Tensor("p", ())
    iterated = Iteration(power_, (), constant(1), power_() * base_(), "L")
    positive, goal = Inequality(zero(), "<=", base_()), Inequality(zero(), "<=", power_())
    derive = Derive(S)

    def start(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
        inner.at_most("1", goals[0].lhs, goals[0].rhs, by=[Square(constant(1), ())])

    def again(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
        inner.at_most("times c", goals[0].lhs, goals[0].rhs, (given[1], given[0]), [Use(0, base_(), (), ())])

    found = along_chain(derive, PLAIN, 0, facts(derive, (positive, iterated)), (goal,), start, again)
    assert found.claim == AtTime(goal, PLAIN)


# -- from one factor on ------------------------------------------------------------------------------------------------

BALANCED = Always(
    Identity((X["r", "p", "a"] * X["r", "p", "b"]).sum("p"), (Y["r", "a", "p"] * Y["r", "b", "p"]).sum("p")), TWO
)
LAST = Tensor("E", (COLUMNS, "e", ROWS))
NAMED = LastFactor(LAST, ONE)
partial = product["r", "p", "q"]
INTERTWINED = Identity(
    (edge["r", "p", "_e"] * edge["r", "_s", "_e"] * partial.rename({"p": "_s"})).sum("_e", "_s"),
    (partial.rename({"q": "_q"}) * LAST["r", "_p", "_q"] * LAST["r", "_p", "q"]).sum("_q", "_p"),
)
matrix_power = Tensor("Q^k", (COLUMNS, ROWS, ROWS))
gram = (LAST["r", "_p", "_a"] * LAST["r", "_p", "b"]).sum("_p")
MATRIX_POWER = Iteration(
    matrix_power,
    ("r", "a", "b"),
    identity("a", "b", ROWS) * ones,
    (matrix_power["r", "a", "_a"] * gram).sum("_a"),
    COUNT,
)
GRAM = Identity((partial.rename({"q": "a"}) * partial.rename({"q": "b"})).sum("p"), matrix_power["r", "a", "b"])
COMMUTES = Identity(
    (gram.rename({"b": "_m"}).rename({"_a": "a"}) * matrix_power["r", "_m", "b"]).sum("_m"),
    (matrix_power["r", "a", "_m"] * gram.rename({"_a": "_m"})).sum("_m"),
)
FROM_ONE: tuple[Claim, ...] = (BALANCED, AtLeast(COUNT, 1), NAMED, MATRIX_POWER)

TEMPLATES_OF_ONE = (INTERTWINED, GRAM, COMMUTES)


def one_factor(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
    for goal in goals:
        inner.equal("one factor", goal.lhs, goal.rhs)


def one_more(inner: Derive, given: Sequence[Fact], goals: Sequence[Any]) -> None:
    _, balanced, moved, squared, commutes = given
    inner.equal("N N^T N Z", goals[0].lhs, goals[0].rhs, (balanced, moved))
    inner.equal("Z^T N^T N Z", goals[1].lhs, goals[1].rhs, (balanced, moved, squared, commutes))
    inner.equal("powers commute", goals[2].lhs, goals[2].rhs, (commutes,))


def test_the_gram_matrix_of_a_balanced_product_is_a_power():
    derive = Derive(S)
    found = along_chain(derive, DEEP, 1, facts(derive, FROM_ONE), TEMPLATES_OF_ONE, one_factor, one_more)
    whole = (GROUP["r", "_p", "a"] * GROUP["r", "_p", "b"]).sum("_p")
    assert found.claim == AtTime(All((Identity(whole, matrix_power["r", "a", "b"]), COMMUTES)), DEEP)
    data = derive.steps[-1].data
    refused("must be a premise", (BALANCED, NAMED, MATRIX_POWER), data)
    refused("step 0", (AtLeast(COUNT, 1), NAMED, MATRIX_POWER), data)
    # With one factor the step is not needed.
    exactly = (BALANCED, Exactly(COUNT, 1), NAMED, MATRIX_POWER)
    single = along_chain(Derive(S), DEEP, 1, facts(derive, exactly), TEMPLATES_OF_ONE, one_factor, None)
    assert single.claim == found.claim


def test_the_last_factor_is_that_of_the_chain():
    assert last_factor(DEEP, (AtLeast(COUNT, 1),)) is None and last_factor(DEEP, (NAMED,)) == LAST
    for letter, flow, match in (
        (LAST, Flow(naive.MATRIX, Focus((), (Link(("l",)),))), "another chain"),
        (LAST, DEEP, "another chain"),
        (LAST, dataclasses.replace(ONE, decay=Fraction(1)), "another chain"),
        (Tensor("E", (COLUMNS, "e", "e")), ONE, "the legs of a factor"),
        (Tensor("E", ("e", ROWS)), ONE, "the legs of a factor"),
        (Tensor("E", ("e", "e", ROWS)), ONE, "the legs of a factor"),
    ):
        with pytest.raises(KernelError, match=match):
            last_factor(DEEP, (LastFactor(letter, flow),))
    reserved = LastFactor(Tensor("Next", (COLUMNS, "e", ROWS)), ONE)
    induction = ChainInduction(DEEP, last_factor(DEEP, (reserved,)))
    with pytest.raises(KernelError, match="belong to the induction"):
        induction_cases(induction, (AtLeast(COUNT, 1), reserved), 1, (INTERTWINED,))


def test_facts_about_one_factor_hold_of_the_first_one():
    induction = ChainInduction(DEEP)
    (base_case, step_case) = induction_cases(induction, (AtLeast(COUNT, 1), SMALL), 1, (INTERTWINED,))
    assert step_case is not None
    single = Tensor("Edge", (COLUMNS, "#j", ROWS))
    square = (single["r", "a", "b"] * single["r", "a", "b"]).sum("a", "b")
    assert base_case[0] == (AtLeast(COUNT, 1), Inequality(square, "<=", c["r"] * c["r"]))
    square = (following["r", "a", "b"] * following["r", "a", "b"]).sum("a", "b")
    assert step_case[0][1] == Inequality(square, "<=", c["r"] * c["r"])


def test_helpers():
    renamed = rename(A["r", "a", "b"], {"A[m,i]": "B"})
    assert renamed == Tensor("B", A.sizes)["r", "a", "b"]
    assert sizes_in((POSITIVE, "word", 3)) == {COLUMNS}
    assert sizes_in(constant(1, ("_n", "z")).sum("_n")) == {"z"}
    assert isinstance(product["r", "p", "q"], Term)


# -- in numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(24))
def test_powers_in_numbers(number: int):
    """Products of random factors: the bound from above; for balanced ones, the Gram matrix is the power of that of the
    last factor, with 40 digits."""
    random = Random(number)
    with mpmath.workdps(50):
        n, k = random.randint(1, 4), random.randint(1, 5)

        def orthogonal() -> Any:
            return mpmath.qr(
                mpmath.matrix(n, n) + mpmath.matrix([[random.gauss(0, 1) for _ in range(n)] for _ in range(n)])
            )[0]

        values = mpmath.diag([abs(random.gauss(0, 1)) for _ in range(n)])
        bases = [orthogonal() for _ in range(k + 1)]
        factors = [bases[i] * values * bases[i + 1].T for i in range(k)]
        for left, right in pairwise(factors):
            assert mpmath.mnorm(left.T * left - right * right.T) < mpmath.mpf(10) ** -40
        whole, gram_power = mpmath.eye(n), mpmath.eye(n)
        for factor in factors:
            whole = whole * factor
            gram_power = gram_power * (factors[-1].T * factors[-1])
        assert mpmath.mnorm(whole.T * whole - gram_power) < mpmath.mpf(10) ** -40
        norm = max(mpmath.norm(factor, 2) for factor in factors)
        x = mpmath.matrix([random.gauss(0, 1) for _ in range(n)])
        assert mpmath.norm(whole * x) <= norm**k * mpmath.norm(x) * (1 + mpmath.mpf(10) ** -40)
