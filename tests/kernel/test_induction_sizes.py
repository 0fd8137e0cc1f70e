"""An induction names sizes of its own: no template may speak of those that a step renames or that are left over.

With S(z) the size z as a number, (S(#j) - S(a)) (S(#j) - S(b)) = 0 would hold at the start if a is what #j becomes
there, and after a step if b is. It would then be concluded for an end size and two sizes that mean nothing.
"""

from __future__ import annotations

import pytest

from theorytest.kernel.chains import EDGE, ChainInduction
from theorytest.kernel.check import check
from theorytest.kernel.claim import Always, AtLeast, AtTime, Claim, Flow, Identity
from theorytest.kernel.parameterization import Focus, Link
from theorytest.kernel.rules import balance, chain_hypotheses, matrix_chain
from theorytest.kernel.statement import UNDECIDED, Assumption, Certificate, Derivation, Statement, Step, Verdict
from theorytest.kernel.terms import Term, constant, zero
from theorytest.models import DEEP_MATRIX

CHAIN = matrix_chain(DEEP_MATRIX)
ADJACENT = Focus((), (Link(("l+1", "l") if CHAIN.body.descending else ("l", "l+1"), adjacent=True),))
BALANCED = Always(balance(*DEEP_MATRIX.letters(ADJACENT).values()), Flow(DEEP_MATRIX, ADJACENT))


def size(name: str) -> Term:
    return constant(1, ("x", name)).sum("x")


def apart(one: str, other: str, at: str) -> Identity:
    return Identity((size(at) - size(one)) * (size(at) - size(other)), constant(0))


def by_normal_forms(goal: Claim) -> Derivation:
    assert isinstance(goal, Identity)
    return Derivation((Step("identity", (), (goal.lhs, goal.rhs)),))


def verdict(claim: Claim, template: Identity, base: Derivation, step: Derivation) -> Verdict:
    assumptions = (Assumption("balanced", "", BALANCED), Assumption("deep", "", AtLeast(CHAIN.body.count, 2)))
    statement = Statement("sizes", "an end size is one of two others", claim, assumptions=assumptions)
    steps = (
        Step("assumption", (), ("balanced",)),
        Step("assumption", (), ("deep",)),
        Step("balanced-chain", (0, 1), (DEEP_MATRIX, base, step, template)),
    )
    return check(statement, Certificate("derivation", statement.digest, Derivation(steps), "test"), {})


def test_sizes_that_a_step_renames_are_refused():
    template = apart("#2", "#j+1", "#j")
    (_, first), (_, more) = chain_hypotheses(CHAIN, (template,))
    base, step = by_normal_forms(first[0]), by_normal_forms(more[0])
    false = Always(apart("#2", "#j+1", CHAIN.end_sizes[1]), CHAIN.flow)
    found = verdict(false, template, base, step)
    assert found.status == UNDECIDED and "cannot speak of the sizes ['#2', '#j+1']" in found.reason


@pytest.mark.parametrize("odd", ["#j-1", "#j+1", "#2", "#3"])
def test_sizes_that_are_left_over_are_refused(odd: str):
    template = Identity(size(odd) - size(odd) + size("#j") - size(odd), size("#j") - size(odd))
    found = verdict(Always(template, CHAIN.flow), template, Derivation(()), Derivation(()))
    assert found.status == UNDECIDED and f"cannot speak of the sizes ['{odd}']" in found.reason


# -- any chain, one factor after the other -----------------------------------------------------------------------------

PLAIN = Flow(DEEP_MATRIX, Focus())
INDUCTION = ChainInduction(PLAIN)
COLUMNS = INDUCTION.group.sizes[-1]


def found_by_induction(template: Identity, factors: int, base: Derivation, step: Derivation) -> Verdict:
    claim = AtTime(INDUCTION.end(template), PLAIN)
    assumptions = (Assumption("deep", "", AtLeast(CHAIN.body.count, 1)),)
    statement = Statement("sizes", "an end size is one of two others", claim, assumptions=assumptions)
    steps = (
        Step("assumption", (), ("deep",)),
        Step("chain-induction", (0,), (PLAIN, factors, base, step, template)),
    )
    return check(statement, Certificate("derivation", statement.digest, Derivation(steps), "test"), {})


def test_an_induction_on_any_chain_refuses_sizes_that_a_step_renames():
    template = apart(COLUMNS, "#j-1", "#j")
    base, step = (by_normal_forms(goal) for goal in (INDUCTION.start(template, (), 0), INDUCTION.after(template, ())))
    found = found_by_induction(template, 0, base, step)
    assert found.status == UNDECIDED and "cannot speak of the sizes ['#j-1']" in found.reason


@pytest.mark.parametrize("odd", ["#j-1", "#j+1", "#1"])
@pytest.mark.parametrize("factors", [0, 1])
def test_an_induction_on_any_chain_leaves_no_size_over(odd: str, factors: int):
    template = Identity(size(odd) + size("#j"), size(odd) + size("#j"))
    found = found_by_induction(template, factors, Derivation(()), Derivation(()))
    assert found.status == UNDECIDED and f"cannot speak of the sizes ['{odd}']" in found.reason


def test_a_template_about_the_first_factor_may_speak_of_its_columns():
    edge = INDUCTION.edge["p", "q"]
    assert INDUCTION.edge.name == EDGE
    template = Identity(edge + zero(("p", "#j")) + size("#j+1"), edge + size("#j+1"))
    found = found_by_induction(template, 1, Derivation(()), Derivation(()))
    assert "does not show" in found.reason  # and not: cannot speak of
