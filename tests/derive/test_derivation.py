"""Writing derivations: what can be rewritten is found, what cannot is refused where it is written."""

import pytest

from theorytest.derive.derivation import Derive, MissingCitationError, rewrite
from theorytest.kernel.check import check
from theorytest.kernel.claim import Identity, Inequality
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import Square
from theorytest.kernel.statement import Assumption, Statement
from theorytest.kernel.terms import Tensor, identity, zero

A, B = Tensor("A", ("n", "n")), Tensor("B", ("n", "n"))
product = (A["i", "k"] * B["k", "j"]).sum("k")
inverse = Assumption("inverse", "A B = I", Identity(product, identity("i", "j", "n")))
twice = (A["i", "k"] * B["k", "l"] * A["l", "m"] * B["m", "j"]).sum("k", "l", "m")
unit = identity("i", "j", "n")


def statement(claim, *assumptions) -> Statement:
    return Statement("mine", "a test", claim, assumptions=assumptions)


def test_rewriting_finds_the_combination() -> None:
    goal = statement(Identity(twice, unit), inverse)
    derive = Derive(goal)
    derive.equal("A B A B = I", twice, unit, using=(derive.assume("inverse"),))
    verdict = check(goal, derive.certificate(), {})
    assert verdict.status == "PROVED"
    assert verdict.vacuity == "vacuity not excluded"


def test_backwards() -> None:
    goal = statement(Identity(unit, twice), inverse)
    derive = Derive(goal)
    given = derive.assume("inverse")
    once = derive.equal("A B A B = A B", twice, product, using=(given,))
    derive.equal("I = A B A B", unit, twice, using=(once, given))
    assert check(goal, derive.certificate(), {}).status == "PROVED"


def test_what_does_not_follow_is_refused() -> None:
    derive = Derive(statement(Identity(twice, unit), inverse))
    reverse = (B["i", "k"] * A["k", "j"]).sum("k")
    with pytest.raises(KernelError, match="what remains is"):
        derive.equal("B A = I does not follow by rewriting", reverse, unit, using=(derive.assume("inverse"),))
    with pytest.raises(KernelError, match="not 0"):
        derive.equal("A B = I without the assumption", product, unit)


def test_rewriting_that_does_not_end() -> None:
    scalar = Tensor("s", ())
    growing = Identity(scalar(), scalar() * scalar())
    with pytest.raises(KernelError, match="no end after 5 rewritings"):
        rewrite(scalar(), [growing], limit=5)


def test_inequalities_by_squares_and_facts() -> None:
    x, y = Tensor("x", ("n",))["i"], Tensor("y", ("n",))["i"]
    left, right = (x * y).sum("i") * 2, (x * x + y * y).sum("i")
    goal = statement(Inequality(left, "<=", right))
    derive = Derive(goal)
    derive.at_most("(x - y)^2 >= 0", left, right, by=[Square(x - y, ("i",))])
    assert check(goal, derive.certificate(), {}).status == "PROVED"
    with pytest.raises(KernelError):
        derive.at_most("the wrong way", right, left, by=[Square(x - y, ("i",))])


def test_citations() -> None:
    cited = statement(Identity(product - product, zero(*product.free)))
    derive = Derive(statement(cited.claim), library=(cited,))
    assert derive.cite("mine").claim == cited.claim
    assert derive.cite(cited).claim == cited.claim
    with pytest.raises(MissingCitationError, match="no proved statement is labelled 'other'") as caught:
        derive.cite("other")
    assert caught.value.label == "other"


def test_unknown_rules_and_labels() -> None:
    derive = Derive(statement(Identity(product, product), inverse))
    with pytest.raises(KernelError, match="no rule is named"):
        derive.apply("magic")
    with pytest.raises(KernelError, match="has no assumption"):
        derive.assume("reverse")
