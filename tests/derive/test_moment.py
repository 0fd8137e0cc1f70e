"""Derivations about one time and along chains: what the helpers set up is what the kernel's rules ask for."""

from __future__ import annotations

import pytest

from theorytest import (
    DEEP_TUCKER,
    All,
    Assumption,
    Flow,
    Focus,
    Identity,
    Inequality,
    Statement,
    Tensor,
    constant,
    zero,
)
from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.moment import along_chain, at_time, parts
from theorytest.kernel.claim import Always, AtTime, Iteration
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import Square, Use
from theorytest.kernel.statement import Step

flow = Flow(DEEP_TUCKER, Focus(("m",)))
w = DEEP_TUCKER.letters(flow.focus)["w[m]"]
square = (w["r", "c"] * w["r", "c"]).sum("c")
ones = constant(1, ("r", w.sizes[0]))
power, base = Tensor("p", w.sizes[:1]), Tensor("b", w.sizes[:1])
positive = Inequality(zero(("r", w.sizes[0])), "<=", base["r"])
iterated = Iteration(power, ("r",), ones, power["r"] * base["r"], "k[m]")
goal = Inequality(zero(("r", w.sizes[0])), "<=", power["r"])
statement = Statement(
    "S", "", AtTime(goal, flow), assumptions=(Assumption("b", "", All((positive, All((iterated,))))),)
)


def test_parts_of_parts():
    derive = Derive(statement)
    assert [fact.claim for fact in parts(derive, derive.assume("b"))] == [positive, iterated]
    assert [step.rule for step in derive.steps] == ["assumption", "part", "part", "part"]


def test_at_one_time_and_at_all_times():
    derive = Derive(statement)
    double = Identity(square * 2, ones * 2)

    def twice(inner: Derive, fact: Fact) -> None:
        inner.apply("combination", fact, data=(double, Use(0, constant(2), (), ())))

    always = Fact(0, Always(Identity(square, ones), flow))
    derive.steps.append(Step("assumption", (), ("b",)))  # a place for it
    assert at_time(derive, flow, (always,), twice).claim == AtTime(double, flow)
    assert at_time(derive, flow, (always,), twice, always=True).claim == Always(double, flow)
    with pytest.raises(KernelError, match="another flow"):
        at_time(derive, Flow(DEEP_TUCKER, Focus(("n",))), (always,), twice)


def test_along_a_chain():
    derive = Derive(statement)
    facts = parts(derive, derive.assume("b"))

    def start(inner: Derive, given: tuple[Fact, ...], goals: tuple[Inequality, ...]) -> None:
        inner.at_most("1 is a square", goals[0].lhs, goals[0].rhs, by=[Square(ones, ())])  # type: ignore[arg-type]

    def step(inner: Derive, given: tuple[Fact, ...], goals: tuple[Inequality, ...]) -> None:
        inner.at_most("times b", goals[0].lhs, goals[0].rhs, given[::-1], [Use(0, base["r"], (), ())])  # type: ignore[arg-type]

    assert along_chain(derive, flow, 0, facts, (goal,), start, step).claim == statement.claim
    with pytest.raises(KernelError, match="does not show"):
        along_chain(derive, flow, 0, facts, (goal,), start, None)
