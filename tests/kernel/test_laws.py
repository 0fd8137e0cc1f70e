"""Counts and spaces of laws as claims: proved, refuted one more and one fewer, forged."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from theorytest.kernel import laws
from theorytest.kernel.check import RULES_OF, check, contradicts
from theorytest.kernel.claim import All, AtLeast, Claim
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rank import (
    Component,
    Contraction,
    GramLaw,
    GramPart,
    LawCount,
    LawCountCertificate,
    LawSpace,
    LawSpaceCertificate,
    ParameterMap,
)
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.statement import PROVED, REFUTED, UNDECIDED, Certificate, Derivation, Statement, Step, Verdict

ONE = Fraction(1)
P = (1 << 31) - 1
# a b, and the same with a square.
PAIR = ParameterMap((("a", ()), ("b", ())), (), (Component((), (Contraction(ONE, (("a", ()), ("b", ()))),)),))
OTHER = replace(PAIR, components=(Component((), (Contraction(ONE, (("a", ()), ("a", ()))),)),))
LAW = GramLaw((GramPart(ONE, "a", (), ()), GramPart(-ONE, "b", (), ())))
COUNT = LawCount(PAIR, 1, 1)
SPACE = LawSpace(PAIR, 2, 1)
COUNTED = Step("law-count", (), (COUNT, LawCountCertificate(P, (2, 3), ((1,),), (LAW,))))
SPANNED = Step("law-space", (), (SPACE, LawSpaceCertificate(P, tuple(range(9)), (), (), (LAW,))))


def verdict(claim: Claim, *steps: Step, kind: str = "derivation") -> Verdict:
    made = Statement("laws", "laws of a b", claim)
    certificate = Certificate(kind, made.digest, Derivation(steps), "test")
    assert decode(encode(certificate)) == certificate
    return check(made, certificate, {})


def test_counts_and_spaces_are_proved():
    assert laws in RULES_OF
    for claim, step in ((COUNT, COUNTED), (SPACE, SPANNED)):
        found = verdict(claim, step)
        assert found.status == PROVED
        assert [(rest.what, rest.ref) for rest in found.rests_on][1:] == [("rule", step.rule)]
    both = Step("both", (0, 1), ())
    assert verdict(All((COUNT, SPACE)), COUNTED, SPANNED, both).status == PROVED


@pytest.mark.parametrize("number", [0, 2])
def test_one_more_and_one_fewer_are_refuted(number: int):
    for claim, step in (
        (LawCount(PAIR, number, number), COUNTED),
        (LawSpace(PAIR, 2, number), SPANNED),
        (All((SPACE, LawCount(PAIR, number, number))), COUNTED),
    ):
        assert verdict(claim, step, kind="contradiction").status == REFUTED
        assert verdict(claim, step).status == UNDECIDED  # it ends in another claim


@pytest.mark.parametrize(
    ("step", "claim"),
    [
        (COUNTED, LawCount(PAIR, 2, 2)),
        (COUNTED, LawCount(PAIR, 0, 0)),
        (COUNTED, LawCount(OTHER, 1, 1)),
        (SPANNED, LawSpace(PAIR, 2, 2)),
        (SPANNED, LawSpace(PAIR, 2, 0)),
        (SPANNED, LawSpace(PAIR, 4, 1)),  # the square of the law is another
        (SPANNED, LawSpace(OTHER, 2, 1)),
    ],
)
def test_a_claim_that_the_certificate_does_not_prove_is_rejected(step: Step, claim: Claim):
    forged = replace(step, data=(claim, *step.data[1:]))
    found = verdict(claim, forged)
    assert found.status == UNDECIDED and "rejected" in found.reason
    assert verdict(step.data[0], forged, kind="contradiction").status == UNDECIDED


def test_malformed_certificates_are_rejected():
    for step in (
        replace(COUNTED, data=SPANNED.data),
        replace(COUNTED, data=COUNTED.data[:1]),
        replace(SPANNED, data=COUNTED.data),
        replace(COUNTED, data=(COUNT, replace(COUNTED.data[1], prime=P + 2))),
        replace(COUNTED, data=(COUNT, replace(COUNTED.data[1], point=(1, 2, 3)))),
        replace(COUNTED, data=(COUNT, replace(COUNTED.data[1], words=((),)))),
        replace(COUNTED, data=(COUNT, replace(COUNTED.data[1], laws=(GramLaw(()),)))),
        replace(SPANNED, data=(SPACE, replace(SPANNED.data[1], samples=()))),
        replace(SPANNED, data=(SPACE, replace(SPANNED.data[1], free=("a", "b"), laws=()))),
    ):
        found = verdict(COUNT if step.rule == "law-count" else SPACE, step)
        assert found.status == UNDECIDED and found.reason.startswith("certificate rejected"), step
    with pytest.raises(KernelError, match=r"LawCountCertificate\.point holds"):
        verdict(COUNT, replace(COUNTED, data=(COUNT, replace(COUNTED.data[1], point=(ONE, 2)))))  # it cannot be written
    with pytest.raises(KernelError, match="needs 0 premises"):
        RULES["law-count"](Context(Statement("l", "t", COUNT), {}), (COUNT,), COUNTED.data)
    with pytest.raises(KernelError, match="needs 0 premises"):
        RULES["law-space"](Context(Statement("l", "t", SPACE), {}), (SPACE,), SPANNED.data)


def test_what_contradicts_a_count():
    def count_of(least: int, most: int, model: ParameterMap = PAIR) -> LawCount:
        return LawCount(model, least, most)

    assert contradicts(count_of(1, 2), count_of(3, 4)) and contradicts(count_of(3, 4), count_of(1, 2))
    assert not contradicts(count_of(1, 3), count_of(3, 4)) and not contradicts(count_of(3, 4), count_of(1, 3))
    assert not contradicts(count_of(1, 1, OTHER), count_of(2, 2))
    assert contradicts(SPACE, replace(SPACE, dimension=3))
    for same in (SPACE, replace(SPACE, degree=3, dimension=4), LawSpace(OTHER, 2, 0), COUNT, AtLeast("L", 2)):
        assert not laws.contradicts(SPACE, same)
    assert not laws.contradicts(AtLeast("L", 2), COUNT)
