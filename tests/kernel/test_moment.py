"""Rules about one time of a flow: what each concludes, what it refuses, and what it concludes in numbers."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from random import Random
from typing import Any

import mpmath
import naive
import pytest
from true_proofs import CORE, P2, TUCKER_FLOW, V_M, p, q, state

from theorytest.derive.derivation import Derive
from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtTime,
    Claim,
    Conserved,
    Descent,
    Flow,
    Identity,
    Inequality,
    LargestConserved,
    NormRate,
    Rate,
    RestProduct,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.moment import at_least_zero, is_timeless, reads, same
from theorytest.kernel.parameterization import Focus
from theorytest.kernel.rules import RULES, Context, Use
from theorytest.kernel.statement import Derivation, Step
from theorytest.kernel.terms import Tensor, constant, zero

S = state("S", Identity(P2, P2))
FLOW = TUCKER_FLOW
OTHER = Flow(naive.TUCKER, Focus(("n",)))
FAST = dataclasses.replace(FLOW, decay=Fraction(1))
COLUMNS = V_M.sizes[0]
omega, rho, mark = (Tensor(name, (COLUMNS,)) for name in ("ω", "ρ", "χ"))
square = (V_M["r", "i"] * V_M["r", "i"]).sum("i")
slices = (CORE["r", "q"] * CORE["r", "q"]).sum("q")
NOTHING = zero(("r", COLUMNS))


def apply(name: str, *premises: Claim, data: tuple[Any, ...] = ()) -> Claim:
    return RULES[name](Context(S, {}), premises, data)


def refused(match: str, name: str, *premises: Claim, data: tuple[Any, ...] = ()) -> None:
    with pytest.raises(KernelError, match=match):
        apply(name, *premises, data=data)


def test_at_time():
    balance, norm = Always(Identity(square, slices), FLOW), Identity(omega["r"] * omega["r"], square)
    inner = Derive(S, (), (balance.claim, norm))
    goal: Any = Identity(omega["r"] * omega["r"], slices)
    inner.equal("both", goal.lhs, goal.rhs, inner.given)
    found = apply("at-time", balance, norm, data=(FLOW, inner.derivation()))
    assert found == AtTime(goal, FLOW)
    assert apply("at-time", AtTime(balance.claim, FLOW), norm, data=(FLOW, inner.derivation())) == found
    refused("another flow", "at-time", Always(balance.claim, OTHER), norm, data=(FLOW, inner.derivation()))
    refused("another flow", "at-time", AtTime(balance.claim, FAST), norm, data=(FLOW, inner.derivation()))
    refused("nothing about one time", "at-time", Conserved(square, FLOW), norm, data=(FLOW, inner.derivation()))
    refused("nothing about one time", "at-time", All((norm, balance)), data=(FLOW, inner.derivation()))
    refused("derivation is empty", "at-time", norm, data=(FLOW, Derivation(())))
    moving = Derivation((Step("rate", (), (square, FLOW)),))
    refused("must end in a claim about one time", "at-time", norm, data=(FLOW, moving))


def test_at_all_times():
    balance = Always(Identity(square, slices), FLOW)
    inner = Derive(S, (), (balance.claim,))
    goal = Identity(square.sum("r"), slices.sum("r"))
    inner.apply("combination", *inner.given, data=(goal, Use(0, constant(1), (), ("r",))))
    assert apply("at-all-times", balance, data=(FLOW, inner.derivation())) == Always(goal, FLOW)
    refused("must be Always", "at-all-times", balance.claim, data=(FLOW, inner.derivation()))
    refused("must be Always", "at-all-times", AtTime(balance.claim, FLOW), data=(FLOW, inner.derivation()))
    both = Derivation((Step("both", (0,), ()),))
    refused("identity or an inequality", "at-all-times", balance, data=(FLOW, both))


def test_assumptions_of_the_statement_do_not_enter_an_inner_derivation():
    assumed = state("S", Identity(P2, P2), depth=AtLeast("n", 2))
    inner = Derivation((Step("assumption", (), ("depth",)),))
    with pytest.raises(KernelError, match="has no assumption"):
        RULES["at-all-times"](Context(assumed, {}), (), (FLOW, inner))


def test_roots():
    a, b = p["i"], q["i"]
    below, equal = Inequality(a, "<=", b), Identity(a, b)
    squares, sames = Inequality(a * a, "<=", b * b), Identity(a * a, b * b)
    assert apply("square-root", at_least_zero(b), squares, data=(below,)) == below
    assert apply("square-root", at_least_zero(a), at_least_zero(b), sames, data=(equal,)) == equal
    refused("a premise must read", "square-root", at_least_zero(a), squares, data=(below,))
    refused("a premise must read", "square-root", at_least_zero(b), Inequality(a * a, "<", b * b), data=(below,))
    refused("a premise must read", "square-root", at_least_zero(b), sames, data=(below,))
    refused("needs 2 premises", "square-root", squares, data=(below,))
    refused("needs 3 premises", "square-root", at_least_zero(b), sames, data=(equal,))
    refused("the goal must be", "square-root", at_least_zero(b), squares, data=(Inequality(a, "<", b),))
    refused("the goal must be", "square-root", data=())
    refused("the goal must be", "square-root", data=(AtLeast("n", 1),))


def test_order():
    a, b, u = p["i"], q["i"], Tensor("u", ("n",))["i"]
    low, high = Inequality(a, "<=", b), Inequality(b, "<=", a)
    assert apply("both-ways", low, high) == Identity(a, b)
    refused("a premise must read", "both-ways", low, low)
    refused("a premise must read", "both-ways", low, Inequality(b, "<", a))
    refused("must be Inequality", "both-ways", Identity(a, b), high)
    positive, scaled = at_least_zero(u, "<"), Inequality(u * a, "<=", u * b)
    assert apply("cancel", positive, scaled, data=(u, low)) == low
    strict = Inequality(a, "<", b)
    assert apply("cancel", positive, Inequality(u * a, "<", u * b), data=(u, strict)) == strict
    refused("a premise must read", "cancel", at_least_zero(u), scaled, data=(u, low))
    refused("a premise must read", "cancel", positive, scaled, data=(u, strict))
    refused("a premise must read", "cancel", positive, scaled, data=(u, high))
    size = apply("size-positive", data=("n",))
    assert size == at_least_zero(constant(1, ("i", "n")).sum("i"), "<")
    refused("must be", "size-positive", data=(1,))
    product = apply("product-of-signs", low, Inequality(zero(), "<=", u))
    assert product == at_least_zero((b - a) * u)
    refused("must be Inequality", "product-of-signs", low, Identity(a, b))
    refused("needs 2 premises|unpack|values", "product-of-signs", low, low, low)


def test_what_is_the_same():
    assert same(p["i"] + q["i"], q["i"] + p["i"]) and not same(p["i"], p["j"])
    assert is_timeless(All((Identity(p["i"], q["i"]), AtLeast("n", 1))))
    assert not is_timeless(All((Identity(p["i"], q["i"]), Conserved(square, FLOW))))
    zeros = Inequality(zero(), "<=", p["i"])
    assert reads(zeros, at_least_zero(p["i"])) and not reads(zeros, at_least_zero(q["i"]))
    assert not reads(Identity(zero(), p["i"]), at_least_zero(p["i"]))


# -- norms that move ---------------------------------------------------------------------------------------------------

MOVED = Rate(square, square.along(FLOW.velocities()), FLOW)
POSITIVE = at_least_zero(omega["r"], "<")
NORM = Identity(omega["r"] * omega["r"], square)
SPEED = Identity(omega["r"] * rho["r"] * 2, MOVED.rate)
DATA = (omega["r"], rho["r"])
EXACT = NormRate(square, "=", rho["r"], FLOW)


def test_norm_rate():
    assert apply("norm-rate", MOVED, POSITIVE, NORM, SPEED, data=DATA) == EXACT
    assert apply("norm-rate", MOVED, POSITIVE, AtTime(NORM, FLOW), AtTime(SPEED, FLOW), data=DATA) == EXACT
    refused("a premise must read", "norm-rate", MOVED, at_least_zero(omega["r"]), NORM, SPEED, data=DATA)
    refused("a premise must read", "norm-rate", MOVED, POSITIVE, NORM, NORM, data=DATA)
    half = Identity(omega["r"] * rho["r"], MOVED.rate)
    refused("a premise must read", "norm-rate", MOVED, POSITIVE, NORM, half, data=DATA)
    refused("another flow", "norm-rate", MOVED, POSITIVE, AtTime(NORM, OTHER), SPEED, data=DATA)
    refused("must be Rate", "norm-rate", Conserved(square, FLOW), POSITIVE, NORM, SPEED, data=DATA)
    refused("the free indices", "norm-rate", MOVED, POSITIVE, NORM, SPEED, data=(omega["s"], rho["r"]))
    refused("the free indices", "norm-rate", MOVED, POSITIVE, NORM, SPEED, data=(omega["r"], rho["s"]))
    step: Any = Rate(square, MOVED.rate, Descent(FLOW))  # type: ignore[arg-type]
    refused("a flow was needed", "norm-rate", step, POSITIVE, NORM, SPEED, data=DATA)


def test_norm_rate_compared_and_met():
    low, high = Inequality(zero(), "<=", mark["r"] * rho["r"]), Inequality(mark["r"] * rho["r"], "<=", omega["r"])
    above = NormRate(square, ">=", NOTHING, FLOW, mark["r"])
    below = NormRate(square, "<=", omega["r"], FLOW, mark["r"])
    equal = NormRate(square, "=", omega["r"], FLOW, mark["r"])
    assert apply("norm-rate-compared", EXACT, low, data=(above,)) == above
    assert apply("norm-rate-compared", EXACT, AtTime(high, FLOW), data=(below,)) == below
    same_rate = Identity(mark["r"] * rho["r"], omega["r"])
    assert apply("norm-rate-compared", EXACT, same_rate, data=(equal,)) == equal
    refused("a premise must read", "norm-rate-compared", EXACT, low, data=(below,))
    refused("a premise must read", "norm-rate-compared", EXACT, high, data=(equal,))
    refused("the derivative itself", "norm-rate-compared", below, high, data=(below,))
    refused("the derivative itself", "norm-rate-compared", equal, high, data=(below,))
    refused("the same norm", "norm-rate-compared", EXACT, high, data=(dataclasses.replace(below, square=slices),))
    refused("the same norm", "norm-rate-compared", EXACT, high, data=(dataclasses.replace(below, motion=FAST),))
    assert apply("norm-rate-meets", EXACT, above) == AtTime(Inequality(NOTHING, "<=", mark["r"] * rho["r"]), FLOW)
    assert apply("norm-rate-meets", EXACT, below) == AtTime(high, FLOW)
    assert apply("norm-rate-meets", EXACT, equal) == AtTime(same_rate, FLOW)
    refused("the derivative itself", "norm-rate-meets", above, above)
    refused("the same norm", "norm-rate-meets", EXACT, dataclasses.replace(above, square=slices))
    with pytest.raises(KernelError, match="the relation is"):
        NormRate(square, "<", NOTHING, FLOW)


def test_products_over_the_other_modes():
    zeta, gamma = Tensor("ζ", (CORE.sizes[1],)), Tensor("Γ", (CORE.sizes[1],))
    one, other = RestProduct(zeta["q"], square, FLOW), RestProduct(gamma["q"], slices, FLOW)
    equal = Always(Identity(square, slices), FLOW)
    assert apply("rest-product", one, other, equal) == AtTime(Identity(zeta["q"], gamma["q"]), FLOW)
    refused("must be Always", "rest-product", one, other, equal.claim)
    refused("must be Always", "rest-product", one, other, AtTime(equal.claim, FLOW))
    refused("factors are equal", "rest-product", one, other, Always(Identity(slices, square), FLOW))
    refused("one flow", "rest-product", one, dataclasses.replace(other, motion=FAST), equal)
    refused("the same free index", "rest-product", one, dataclasses.replace(other, product=gamma["s"]), equal)
    two = Flow(naive.TUCKER, Focus(("m", "n")))
    claims = (dataclasses.replace(one, motion=two), dataclasses.replace(other, motion=two), Always(equal.claim, two))
    refused("one mode and nothing else", "rest-product", *claims)


def test_largest_conserved():
    law = Conserved(square - slices, FLOW)
    turned = Conserved(slices - square, FLOW)
    assert apply("largest-conserved", law, turned) == LargestConserved((law, turned))
    refused("along one flow", "largest-conserved", law, Conserved(square, FAST))
    refused("along one flow", "largest-conserved", Conserved(square, Descent(FLOW)))
    refused("along one flow", "largest-conserved")
    refused("must be Conserved", "largest-conserved", MOVED)


@pytest.mark.parametrize("number", range(24))
def test_the_rate_of_a_norm_in_numbers(number: int):
    """The rule's conclusion against a difference quotient of 60 digits, with gradients by the naive model."""
    random = Random(number)
    sizes = naive.random_sizes("tucker", random)
    blocks = naive.random_blocks("tucker", sizes, random)
    shape = naive.end_shape("tucker", sizes)
    slope = {index: Fraction(random.randint(-4, 4), 2) for index in naive.product(*map(range, shape))}
    speeds = naive.gradients("tucker", sizes, blocks, slope)
    with mpmath.workdps(120):
        h = mpmath.mpf(10) ** -60
        name = random.choice(sorted(blocks))
        old = [mpmath.mpf(x.numerator) / x.denominator for x in map(Fraction, blocks[name].values())]
        speed = [-mpmath.mpf(v.numerator) / v.denominator for v in map(Fraction, speeds[name].values())]
        norm = mpmath.sqrt(sum(x * x for x in old))
        if norm == 0:
            return
        later = mpmath.sqrt(sum((x + h * v) ** 2 for x, v in zip(old, speed, strict=True)))
        rate = sum(2 * x * v for x, v in zip(old, speed, strict=True)) / (2 * norm)  # 2 ν ρ = d/dt q
        assert abs((later - norm) / h - rate) < mpmath.mpf(10) ** -50
