"""Claims about every flow: enclosures, equilibria and conserved quantities that refute, and what refutes nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from theorytest.enclose.flowpipe import enclose_problem
from theorytest.kernel.check import check
from theorytest.kernel.claim import AlongEveryFlow, AtStart, Flow, Identity, SymmetricGradient, TendsToEqual
from theorytest.kernel.errors import KernelError
from theorytest.kernel.every_flow import (
    CONSERVED,
    EQUILIBRIUM,
    is_conserved,
    problem_of,
    velocity_at_start,
    violation,
)
from theorytest.kernel.initial_value import MeasuredLoss, Measurement, Slope
from theorytest.kernel.parameterization import Array, Focus
from theorytest.kernel.quantity import Atom, Comparison, entry_names, exact_state, from_start, holds, value, written_out
from theorytest.kernel.scalar import Exp, Power, scalar, sqrt
from theorytest.kernel.statement import Assumption, Certificate, Instance, Statement, Witness
from theorytest.kernel.terms import zero
from theorytest.models import DEEP_MATRIX

SIZES = (("L", 2), ("d_in", 1), ("d_out", 1), ("h", (1,)))
CONCRETE = DEEP_MATRIX.at(dict(SIZES))
SQUARE = Slope(((Fraction(0), Fraction(1)),))
HUBER = Slope(((Fraction(-1),), (Fraction(0), Fraction(1)), (Fraction(1),)), (Fraction(-1), Fraction(1)))
END, ONE, TWO = Atom("entry", "", (1, 1)), Atom("squared norm", "W[1]"), Atom("squared norm", "W[2]")
EARLY = replace(END, at_start=True)


def loss(target=1, slope=SQUARE, weight=1):
    measurement = Measurement((((0, 0), Fraction(1)),), Fraction(target))
    return MeasuredLoss((measurement,), slope, Fraction(weight))


def start(first, second, sizes=SIZES):
    blocks = (("W[2]", Array((1, 1), (Fraction(second),))), ("W[1]", Array((1, 1), (Fraction(first),))))
    return Instance(sizes=sizes, blocks=blocks)


def compare(lhs, relation, rhs, *atoms):
    return Comparison(scalar(lhs), relation, scalar(rhs), tuple(sorted(atoms, key=lambda a: a.name)))


def along(comparison, held: Any = None, sizes=SIZES):
    return AlongEveryFlow(DEEP_MATRIX, sizes, held, comparison)


def limit(comparison, held: Any = None):
    return TendsToEqual(DEEP_MATRIX, SIZES, held, comparison)


def verdict(claim, witness, *assumptions):
    given = tuple(Assumption(f"given {k}", "", a) for k, a in enumerate(assumptions))
    made = Statement("claim", "claim", claim, assumptions=given)
    return check(made, Certificate("witness", made.digest, witness, "test"), {})


def enclosed(instance, held, until=2, digits=15):
    problem = problem_of(along(BELOW), instance, held)
    return enclose_problem(problem, Fraction(until), digits=digits).steps


BELOW = compare(END.variable, "<=", Fraction(1, 2), END)
GROWS = compare(EARLY.variable, "<=", END.variable, EARLY, END)


# -- comparisons along flows ---------------------------------------------------------------------------------------


def test_an_enclosed_flow_refutes():
    """From w = 1/2, 1/2 the product grows to 1: it passes 1/2, which is above its start."""
    instance = start(Fraction(1, 2), Fraction(1, 2))
    found = verdict(along(BELOW), Witness(instance, (loss(), enclosed(instance, loss()))))
    assert found.status == "REFUTED" and found.counterexample is not None
    assert "right side minus the left is [-0" in found.counterexample.margin


def test_values_at_time_0():
    """From a product above the target it falls below its value at time 0."""
    instance = start(2, 1)
    witness = Witness(instance, (loss(), enclosed(instance, loss(), 1)))
    assert verdict(along(GROWS), witness).status == "REFUTED"
    shrinks = compare(END.variable, "<=", EARLY.variable, EARLY, END)
    assert verdict(along(shrinks), witness).status == "UNDECIDED"
    less = compare(END.variable, "<", EARLY.variable + 1, EARLY, END)
    assert "holds along this flow" in verdict(along(less), witness).reason


def test_assumptions_are_about_the_start():
    instance = start(2, 1)
    witness = Witness(instance, (loss(), enclosed(instance, loss(), 1)))
    small = compare(END.variable, "<", 1, END)
    assert "given 0" in verdict(along(GROWS), witness, small).reason
    assert verdict(along(GROWS), witness, compare(1, "<", END.variable, END)).status == "REFUTED"


def test_what_is_assumed_of_the_loss_is_not_met_by_another_gradient():
    """The loss itself says what its gradient is: a tensor beside it is not that gradient, at the start or later."""
    sizes = (("L", 1), ("d_in", 2), ("d_out", 2), ("h", ()))
    unit = Array((2, 2), tuple(map(Fraction, (1, 0, 0, 1))))
    bare = Instance(sizes=sizes, blocks=(("W[1]", unit),))
    instance = replace(bare, gradient=unit)
    upper = MeasuredLoss((Measurement((((0, 1), Fraction(1)),), Fraction(5)),), SQUARE)
    above, below = Atom("entry", "", (1, 2)), Atom("entry", "", (2, 1))
    close = along(compare(above.variable, "<=", below.variable + 1, above, below), sizes=sizes)
    steps = enclose_problem(problem_of(close, bare, upper), Fraction(2), digits=15).steps
    assert verdict(close, Witness(bare, (upper, steps))).status == "REFUTED"
    symmetric = compare(above.variable, "=", below.variable, above, below)
    # From a symmetric matrix, with a gradient that is symmetric at all symmetric matrices, the flow stays symmetric.
    given = symmetric, SymmetricGradient(DEEP_MATRIX)
    assert verdict(close, Witness(instance, (upper, steps)), *given).status == "UNDECIDED"
    # And from a critical point of the loss it does not move.
    flow = Flow(DEEP_MATRIX, Focus())
    critical = AtStart(Identity(DEEP_MATRIX.gradient(flow.focus), zero(*DEEP_MATRIX.gradient(flow.focus).free)), flow)
    nothing = replace(instance, gradient=Array((2, 2), (Fraction(0),) * 4))
    found = verdict(close, Witness(nothing, (upper, steps)), symmetric, critical)
    assert found.status == "UNDECIDED" and "no loss gradient of its own" in found.reason
    single = replace(start(1, 2), gradient=Array((1, 1), (Fraction(0),)))
    apart = limit(compare(ONE.variable, "=", TWO.variable, ONE, TWO))
    assert "no loss gradient of its own" in verdict(apart, Witness(single, (loss(), CONSERVED))).reason


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (along(BELOW, loss(3)), "another loss"),
        (along(BELOW, sizes=(("L", 3), *SIZES[1:])), "other sizes L"),
        (along(compare(sqrt(EARLY.variable), "<", 9, EARLY)), "holds along this flow"),
    ],
)
def test_what_does_not_refute(claim, why):
    instance = start(Fraction(1, 2), Fraction(1, 2))
    assert why in verdict(claim, Witness(instance, (loss(), enclosed(instance, loss())))).reason


def test_the_steps_have_to_be_those_of_the_start():
    instance = start(Fraction(1, 2), Fraction(1, 2))
    other = enclosed(start(2, 1), loss())
    assert verdict(along(BELOW), Witness(instance, (loss(), other))).status == "UNDECIDED"
    assert verdict(along(BELOW), Witness(instance, (loss(2), enclosed(instance, loss())))).status == "UNDECIDED"
    assert verdict(along(BELOW), Witness(instance, (loss(),))).status == "UNDECIDED"
    assert verdict(along(BELOW), Witness(instance, (loss(), EQUILIBRIUM))).status == "UNDECIDED"
    steps = enclosed(instance, loss())
    none = replace(steps, steps=())
    assert verdict(along(BELOW), Witness(instance, (loss(), none))).status == "UNDECIDED"
    missing = replace(instance, blocks=instance.blocks[:1])
    with pytest.raises(KernelError, match="needs the blocks"):
        problem_of(along(BELOW), missing, loss())


def test_irrational_values_at_time_0():
    sizes = (("L", 1), ("d_in", 2), ("d_out", 2), ("h", ()))
    state = exact_state(DEEP_MATRIX.at(dict(sizes)), {"W[1]": Array((2, 2), tuple(map(Fraction, (1, 1, 0, 1))))})
    nuclear = Atom("schatten", number=Fraction(1), at_start=True)
    with pytest.raises(KernelError, match="not rational"):
        from_start(compare(nuclear.variable, "<", 9, nuclear), state)
    with pytest.raises(KernelError, match="is about a flow"):
        value(nuclear, state)
    with pytest.raises(KernelError, match="is about a flow"):
        written_out(EARLY.variable, (EARLY,), CONCRETE)
    with pytest.raises(KernelError, match="is about a flow"):
        holds(compare(EARLY.variable, "<", 9, EARLY), exact_state(CONCRETE, dict(start(1, 1).blocks)), 64)
    assert {EARLY.name, END.name} == {a.name for a in GROWS.atoms} and EARLY.name != END.name


# -- limits -----------------------------------------------------------------------------------------------------------

TO_ONE = compare(END.variable, "=", 1, END)
EQUAL_NORMS = compare(ONE.variable, "=", TWO.variable, ONE, TWO)


def test_an_equilibrium_refutes_a_limit():
    found = verdict(limit(TO_ONE), Witness(start(0, 0), (loss(), EQUILIBRIUM)))
    assert found.status == "REFUTED" and found.counterexample is not None
    assert "equilibrium" in found.counterexample.margin


@pytest.mark.parametrize(
    ("comparison", "instance", "reason", "why"),
    [
        (TO_ONE, start(1, 0), EQUILIBRIUM, "a velocity is not 0"),
        (TO_ONE, start(1, 1), EQUILIBRIUM, "not surely different"),
        (TO_ONE, start(0, 0), "because", "given 'because'"),
        (TO_ONE, start(2, 1), CONSERVED, "is not conserved"),
        (EQUAL_NORMS, start(2, -2), CONSERVED, "not surely different"),
        (compare(Exp(END.variable), "=", 5, END), start(2, 1), CONSERVED, "no polynomial"),
        (compare(sqrt(ONE.variable), "=", 5, ONE), start(2, 1), CONSERVED, "no polynomial"),
        (compare(ONE.variable**-1, "=", 5, ONE), start(2, 1), CONSERVED, "no polynomial"),
    ],
)
def test_limits_that_stay_open(comparison, instance, reason, why):
    assert why in verdict(limit(comparison), Witness(instance, (loss(), reason))).reason


def test_a_conserved_difference_refutes_a_limit():
    found = verdict(limit(EQUAL_NORMS), Witness(start(2, 1), (loss(), CONSERVED)))
    assert found.status == "REFUTED" and "conserved" in found.counterexample.margin if found.counterexample else False
    other = verdict(limit(EQUAL_NORMS, loss(3)), Witness(start(2, 1), (loss(), CONSERVED)))
    assert "another loss" in other.reason


def test_a_limit_is_of_an_equation():
    with pytest.raises(KernelError, match="needs an equation"):
        limit(BELOW)


def test_values_at_time_0_in_limits():
    """The norms' difference is what it was: it tends to its value at time 0, and not to twice that."""
    early = [replace(a, at_start=True) for a in (ONE, TWO)]
    gap, gap_0 = ONE.variable - TWO.variable, early[0].variable - early[1].variable
    twice = compare(gap, "=", 2 * gap_0, ONE, TWO, *early)
    same = compare(gap, "=", gap_0, ONE, TWO, *early)
    assert verdict(limit(twice), Witness(start(2, 1), (loss(), CONSERVED))).status == "REFUTED"
    assert verdict(limit(same), Witness(start(2, 1), (loss(), CONSERVED))).status == "UNDECIDED"


@pytest.mark.parametrize(
    ("first", "second", "target", "slope", "expected"),
    [
        (2, 3, 1, SQUARE, (-10, -15)),  # residual 5; the layers in the order W[2], W[1]
        (2, 3, 1, HUBER, (-2, -3)),  # slope 1
        (2, 3, 7, HUBER, (2, 3)),  # residual -1, at the break
        (2, 3, 9, HUBER, (2, 3)),  # slope -1
        (1, Fraction(1, 2), 0, HUBER, (Fraction(-1, 2), Fraction(-1, 4))),
    ],
)
def test_the_velocity_at_the_start(first, second, target, slope, expected):
    problem = problem_of(limit(TO_ONE), start(first, second), loss(target, slope))
    assert velocity_at_start(problem) == expected


def test_conserved_polynomials():
    """Differences of squares of the layers, and polynomials in them; nothing else of degree 2 (a naive count)."""
    problem = problem_of(limit(TO_ONE), start(1, 2), loss())
    (w2,), (w1,) = (entry_names(name, (1, 1)) for name in ("W[2]", "W[1]"))
    law = w2**2 - w1**2
    for true in (law, 3 * law + 1, law**2, Power(law, Fraction(3)), scalar(5)):
        assert is_conserved(problem, true)
    for false in (w2**2 + w1**2, w2**2 - 2 * w1**2, w1 * w2, w1, law * w1, law + w1 * w2):
        assert not is_conserved(problem, false)


def test_other_claims_are_for_others():
    with pytest.raises(KernelError):
        violation(limit(TO_ONE), Witness(start(0, 0), (EQUILIBRIUM, loss())))
