"""Probabilities by sign symmetry: what is concluded, what is refused, and frequencies that agree."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest

from theorytest.derive.derivation import Derive
from theorytest.kernel.check import check, contradicts
from theorytest.kernel.claim import AtEveryState, ProbabilityBetween
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import Atom, Comparison, exact_state, holds
from theorytest.kernel.scalar import scalar
from theorytest.kernel.statement import Certificate, Statement
from theorytest.models import DEEP_MATRIX

HALF = Fraction(1, 2)
SIZES = (("L", 2), ("d_in", 2), ("d_out", 2), ("h", (2,)))
CONCRETE = DEEP_MATRIX.at(dict(SIZES))
DETERMINANT, NORM = Atom("determinant"), Atom("squared norm")
ROW = ("entry(W[2] at 1,1)", "entry(W[2] at 1,2)")


def compare(lhs, relation, rhs, *atoms):
    return Comparison(scalar(lhs), relation, scalar(rhs), tuple(sorted(atoms, key=lambda a: a.name)))


POSITIVE = compare(0, "<", DETERMINANT.variable, DETERMINANT)


def between(lower: Any = HALF, upper: Any = HALF, event=POSITIVE, sizes=SIZES):
    return ProbabilityBetween(DEEP_MATRIX, sizes, event, Fraction(lower), Fraction(upper))


def derive(claim=None):
    return Derive(Statement("p", "p", claim or between()))


def test_a_determinant_is_positive_with_probability_one_half():
    for event in (POSITIVE, replace(POSITIVE, relation="<=")):
        claim = between(event=event)
        made = derive(claim)
        made.apply("sign-symmetry", data=(claim, ROW))
        statement = made.statement
        verdict = check(statement, made.certificate(), {})
        assert verdict.status == "PROVED" and {r.ref for r in verdict.rests_on} >= {"sign-symmetry"}


def test_the_reason_at_random_states():
    """The change of signs exchanges the event and its opposite, state by state; no third thing happens."""
    random = Random(0)
    for _ in range(40):
        entries = {n: [Fraction(random.randint(-9, 9)) for _ in range(4)] for n in CONCRETE.blocks}
        flipped = {**entries, "W[2]": [-x if k < 2 else x for k, x in enumerate(entries["W[2]"])]}
        states = [
            exact_state(CONCRETE, {n: Array((2, 2), tuple(e)) for n, e in held.items()}) for held in (entries, flipped)
        ]
        opposite = compare(DETERMINANT.variable, "<", 0, DETERMINANT)
        assert holds(POSITIVE, states[0], 64) is holds(opposite, states[1], 64)


def test_a_count_over_all_signs():
    """Independent entries +-1, +-2 with equal chances: as many states with det > 0 as with det < 0."""
    one = DEEP_MATRIX.at({"L": 1, "d_in": 2, "d_out": 2, "h": ()})
    values = [Fraction(x) for x in (-2, -1, 1, 2)]
    counts = {True: 0, False: 0}
    for entries in product(values, repeat=4):
        state = exact_state(one, {"W[1]": Array((2, 2), entries)})
        counts[holds(POSITIVE, state, 64) is True] += (
            holds(compare(0, "=", DETERMINANT.variable, DETERMINANT), state, 64) is False
        )
    assert counts[True] == counts[False] > 0


@pytest.mark.parametrize(
    ("claim", "flips", "why"),
    [
        (between(0, 1), ROW, "both bounds"),
        (between(HALF, 1), ROW, "both bounds"),
        (between(event=replace(POSITIVE, relation="=")), ROW, "given an equation"),
        (between(), (), "into its negative"),
        (between(), ROW[:1], "into its negative"),
        (between(), (*ROW, "entry(W[2] at 2,1)", "entry(W[2] at 2,2)"), "into its negative"),  # twice odd is even
        (between(), (*ROW, ROW[0]), "each once"),
        (between(), ("entry(W[3] at 1,1)",), "names of entries"),
        (between(), (1,), "names of entries"),
        (between(event=compare(0, "<", NORM.variable, NORM)), ROW, "into its negative"),
        (between(event=compare(1, "<", DETERMINANT.variable, DETERMINANT)), ROW, "into its negative"),
        (between(event=compare(0, "<", DETERMINANT.variable ** Fraction(1, 3), DETERMINANT)), ROW, "not known"),
        (
            between(event=compare(0, "<", DETERMINANT.variable - DETERMINANT.variable, DETERMINANT)),
            ROW,
            "same polynomial",
        ),
        (between(sizes=SIZES[1:]), ROW, "size L"),
        (between(sizes=(("L", 3), *SIZES)), ROW, "two values for one size"),
    ],
)
def test_what_sign_symmetry_refuses(claim, flips, why):
    with pytest.raises(KernelError, match=why):
        derive().apply("sign-symmetry", data=(claim, flips))


def test_quantities_that_are_no_polynomials():
    nuclear = Atom("schatten", number=Fraction(1))
    with pytest.raises(KernelError, match="not written out"):
        derive().apply("sign-symmetry", data=(between(event=compare(0, "<", nuclear.variable, nuclear)), ROW))


def test_premises_and_data():
    made = derive()
    half = made.apply("sign-symmetry", data=(between(), ROW))
    with pytest.raises(KernelError):
        made.apply("sign-symmetry", half, data=(between(), ROW))
    with pytest.raises(KernelError):
        made.apply("sign-symmetry", data=(between(),))
    with pytest.raises(KernelError):
        made.apply("probability-bounds", data=(HALF, HALF))
    wider = made.apply("probability-bounds", half, data=(Fraction(1, 4), Fraction(1)))
    assert wider.claim == between(Fraction(1, 4), 1)
    for low, high in ((Fraction(3, 5), Fraction(1)), (Fraction(0), Fraction(1, 3))):
        with pytest.raises(KernelError, match="does not contain"):
            made.apply("probability-bounds", half, data=(low, high))


def test_another_probability_is_refuted():
    claim = between(Fraction(3, 5), 1)
    made = derive(claim)
    made.apply("sign-symmetry", data=(between(), ROW))
    statement = made.statement
    verdict = check(statement, Certificate("contradiction", statement.digest, made.derivation(), "test"), {})
    assert verdict.status == "REFUTED"
    touching = derive(between(HALF, 1))
    touching.apply("sign-symmetry", data=(between(), ROW))
    offered = Certificate("contradiction", touching.statement.digest, touching.derivation(), "test")
    assert check(touching.statement, offered, {}).status == "UNDECIDED"


def test_contradictions():
    assert contradicts(between(), between(0, Fraction(1, 3)))
    assert contradicts(between(), between(Fraction(2, 3), 1))
    assert not contradicts(between(), between(0, HALF))
    assert not contradicts(between(), AtEveryState(DEEP_MATRIX, SIZES, POSITIVE))
    assert not contradicts(between(), between(0, Fraction(1, 3), event=replace(POSITIVE, relation="<=")))
    assert not contradicts(between(), between(0, Fraction(1, 3), sizes=(("L", 3), *SIZES[1:])))


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (HALF, Fraction(1, 3)), (0, 2)])
def test_bounds_are_probabilities(low, high):
    with pytest.raises(KernelError, match="bounds"):
        between(low, high)
