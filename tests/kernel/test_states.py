"""Claims about every state: witnesses, proofs through real variables, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from theorytest.derive.derivation import Derive
from theorytest.derive.scalar import Reals
from theorytest.kernel.check import check
from theorytest.kernel.claim import AtEveryState, Conserved, Flow, Identity, Inequality, SameSize, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.quantity import Atom, Comparison
from theorytest.kernel.scalar import Number, scalar
from theorytest.kernel.statement import Assumption, Certificate, Derivation, Instance, Statement, Witness
from theorytest.kernel.states import formula, has_sizes, state_of
from theorytest.kernel.witness import refutes, require_assumptions
from theorytest.models import DEEP_MATRIX

SIZES = (("L", 1), ("d_in", 2), ("d_out", 2), ("h", ()))
DETERMINANT, NORM = Atom("determinant"), Atom("squared norm")


def compare(lhs, relation, rhs, *atoms):
    return Comparison(scalar(lhs), relation, scalar(rhs), tuple(sorted(atoms, key=lambda a: a.name)))


BOUND = compare(DETERMINANT.variable, "<=", NORM.variable / 2, DETERMINANT, NORM)
SHARPER = compare(DETERMINANT.variable, "<=", NORM.variable / 3, DETERMINANT, NORM)
POSITIVE = compare(0, "<", DETERMINANT.variable, DETERMINANT)


def statement(comparison, *assumptions, sizes=SIZES):
    given = tuple(Assumption(f"given {k}", "", a) for k, a in enumerate(assumptions))
    return Statement("claim", "claim", AtEveryState(DEEP_MATRIX, sizes, comparison), assumptions=given)


def instance(*entries, sizes=SIZES):
    return Instance(sizes=sizes, blocks=(("W[1]", Array((2, 2), tuple(map(Fraction, entries)))),))


def verdict(made, kind, payload):
    return check(made, Certificate(kind, made.digest, payload, "test"), {})


# -- witnesses ------------------------------------------------------------------------------------------------------


def test_a_state_refutes():
    found = verdict(statement(SHARPER), "witness", Witness(instance(1, 0, 0, 1)))
    assert found.status == "REFUTED" and found.counterexample is not None
    assert found.counterexample.margin == "the left side is 1, the right side 2/3"


def test_a_state_refutes_in_balls():
    nuclear = Atom("schatten", number=Fraction(1))
    claim = compare(nuclear.variable, "<", 3, nuclear)
    found = verdict(statement(claim), "witness", Witness(instance(2, 1, 1, 1)))  # sqrt(5 + 4): exactly 3, undecided
    assert found.status == "UNDECIDED"
    found = verdict(statement(claim), "witness", Witness(instance(2, 1, 1, 2)))
    assert found.status == "REFUTED" and found.counterexample is not None
    assert "left side is [4" in found.counterexample.margin


@pytest.mark.parametrize(
    ("made", "offered", "why"),
    [
        (statement(BOUND), instance(1, 0, 0, 1), "holds at this instance"),
        (statement(SHARPER), instance(1, 0, 0, 1, sizes=(*SIZES[:3], ("h", (2,)))), "other sizes h"),
        (statement(SHARPER), instance(1, 0, 0, 1, sizes=SIZES[:2]), "other sizes d_out, h"),
        (statement(SHARPER), instance(1, 0, 0, 1, sizes=(*SIZES, ("L", 1))), "two values"),
        (statement(SHARPER, POSITIVE), instance(-1, 0, 0, 1), "it is false"),
        (
            statement(SHARPER, compare(0, "<", DETERMINANT.variable ** Fraction(1, 2), DETERMINANT)),
            instance(-1, 0, 0, 1),
            "undefined, or undecided",
        ),
        (statement(SHARPER, sizes=()), Instance(sizes=(("L", 1),)), "d_out"),
        (statement(SHARPER, sizes=()), Instance(sizes=SIZES), "shapes"),
    ],
)
def test_states_that_refute_nothing(made, offered, why):
    found = verdict(made, "witness", Witness(offered))
    assert found.status == "UNDECIDED" and why in found.reason


def test_open_sizes_take_any():
    claim = statement(SHARPER, SameSize("d_out", "d_in"), sizes=())
    assert verdict(claim, "witness", Witness(instance(1, 0, 0, 1))).status == "REFUTED"
    one = Instance(
        sizes=(("L", 1), ("d_in", 1), ("d_out", 1), ("h", ())), blocks=(("W[1]", Array((1, 1), (Fraction(1),))),)
    )
    assert verdict(claim, "witness", Witness(one)).status == "REFUTED"


def test_an_example_meets_the_assumptions():
    made = replace(statement(BOUND, POSITIVE), example=instance(1, 0, 0, 1))
    require_assumptions(made, instance(1, 0, 0, 1))
    with pytest.raises(KernelError, match="does not meet"):
        require_assumptions(made, instance(0, 1, 1, 0))
    with pytest.raises(KernelError, match="other sizes h"):
        require_assumptions(made, replace(instance(1, 0, 0, 1), sizes=SIZES[:3]))


def test_quantities_are_assumed_of_states_only():
    """A claim about motion speaks of many times: at which is the quantity meant?"""
    flow = Flow(DEEP_MATRIX, Focus(links=(Link(("p",)),)))
    layer = next(iter(DEEP_MATRIX.letters(flow.focus).values()))
    made = Statement("flow", "flow", Conserved(layer["a", "b"], flow), assumptions=(Assumption("det", "", POSITIVE),))
    given = replace(instance(1, 0, 0, 1), gradient=Array((2, 2), (Fraction(1),) * 4))
    with pytest.raises(KernelError, match="of which model, at which time"):
        refutes(made, Witness(given))


def test_two_values_for_one_block():
    twice = replace(instance(1, 0, 0, 1), blocks=instance(1, 0, 0, 1).blocks * 2)
    with pytest.raises(KernelError, match="two values"):
        state_of(DEEP_MATRIX, twice)
    has_sizes((), twice)


# -- proofs ------------------------------------------------------------------------------------------------------------


def derived(made, comparison=BOUND, given=()):
    """A derivation of a comparison at one layer, from conditions, by a square: 2 det <= |W|^2."""
    derive = Derive(made)
    real = Reals(derive)
    goal: Any = formula(comparison, DEEP_MATRIX.at(dict(SIZES)))
    facts = [real.suppose(formula(g, DEEP_MATRIX.at(dict(SIZES)))) for g in given]
    names = [Atom("entry", "W[1]", (i, j)).variable for i, j in ((1, 1), (1, 2), (2, 1), (2, 2))]
    a, b, c, d = names
    by = [(Fraction(1, 2), a - d, ()), (Fraction(1, 2), b + c, ())]
    assert not isinstance(goal, Identity)
    shown = real.at_most("squares", goal.lhs, goal.rhs, *facts, *(real.real(x) for x in names), by=by)
    return derive, shown


def test_a_proof_through_real_variables():
    made = statement(BOUND)
    derive, shown = derived(made)
    derive.apply("at-every-state", shown, data=(made.claim,))
    found = verdict(made, "derivation", derive.derivation())
    assert found.status == "PROVED" and found.vacuity == ""
    assert {rest.ref for rest in found.rests_on} >= {"at-every-state", "positivstellensatz"}


def test_conditions_have_to_be_assumed():
    made = statement(BOUND, POSITIVE)
    derive, shown = derived(made, given=(POSITIVE,))
    derive.apply("at-every-state", shown, data=(made.claim,))
    assert verdict(made, "derivation", derive.derivation()).status == "PROVED"
    other = statement(BOUND)
    derive, shown = derived(other, given=(POSITIVE,))
    with pytest.raises(KernelError, match="does not assume of the state"):
        derive.apply("at-every-state", shown, data=(other.claim,))
    # An assumption about real variables of the same names is not one about the state.
    written = formula(POSITIVE, DEEP_MATRIX.at(dict(SIZES)))
    derive, shown = derived(statement(BOUND, written), given=(POSITIVE,))
    with pytest.raises(KernelError, match="does not assume of the state"):
        derive.apply("at-every-state", shown, data=(other.claim,))


@pytest.mark.parametrize(
    "claim",
    [
        statement(SHARPER).claim,
        AtEveryState(DEEP_MATRIX, (("L", 2), ("d_in", 2), ("d_out", 2), ("h", (2,))), BOUND),
        AtEveryState(DEEP_MATRIX, SIZES, compare(DETERMINANT.variable, "<", NORM.variable / 2, DETERMINANT, NORM)),
        AtEveryState(DEEP_MATRIX, SIZES, compare(DETERMINANT.variable, "=", NORM.variable / 2, DETERMINANT, NORM)),
    ],
    ids=["constant", "depth", "strict", "equality"],
)
def test_another_claim_does_not_follow(claim):
    derive, shown = derived(statement(BOUND))
    with pytest.raises(KernelError, match="not the claim written out"):
        derive.apply("at-every-state", shown, data=(claim,))


def test_what_the_rule_refuses():
    derive, shown = derived(statement(BOUND))
    with pytest.raises(KernelError):
        derive.apply("at-every-state", data=(statement(BOUND).claim,))
    with pytest.raises(KernelError):
        derive.apply("at-every-state", shown, data=())
    with pytest.raises(KernelError, match="size L is needed"):
        derive.apply("at-every-state", shown, data=(AtEveryState(DEEP_MATRIX, (), BOUND),))
    with pytest.raises(KernelError, match="two values for one size"):
        derive.apply("at-every-state", shown, data=(AtEveryState(DEEP_MATRIX, (("L", 3), *SIZES), BOUND),))
    nuclear = Atom("schatten", number=Fraction(1))
    open_ = AtEveryState(DEEP_MATRIX, SIZES, compare(0, "<=", nuclear.variable, nuclear))
    with pytest.raises(KernelError, match="not written out"):
        derive.apply("at-every-state", shown, data=(open_,))
    with pytest.raises(KernelError):
        derive.apply("at-every-state", derive.both(shown), data=(statement(BOUND).claim,))


def test_a_forged_derivation_is_rejected():
    made = statement(SHARPER)
    derive, shown = derived(statement(BOUND))
    derive.apply("at-every-state", shown, data=(statement(BOUND).claim,))
    steps = derive.derivation().steps
    forged = Derivation((*steps[:-1], replace(steps[-1], data=(made.claim,))))
    assert verdict(made, "derivation", forged).status == "UNDECIDED"
    assert verdict(made, "derivation", derive.derivation()).status == "UNDECIDED"


def test_formulas():
    concrete = DEEP_MATRIX.at(dict(SIZES))
    assert isinstance(formula(compare(1, "=", NORM.variable, NORM), concrete), Identity)
    made = formula(compare(1, "<", 2), concrete)
    assert made == Inequality(Number(Fraction(1)), "<", Number(Fraction(2))) and Where((), made).conditions == ()
