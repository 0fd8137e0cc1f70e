"""Definitions: which statements use them, and what a record may say of them."""

import copy
from fractions import Fraction
from typing import Any

import pytest

from theorytest.derive.derivation import Derive
from theorytest.kernel.check import check, recheck
from theorytest.kernel.claim import All, Claim, Definition, Identity, Inequality
from theorytest.kernel.definition import nouns, uses
from theorytest.kernel.encoding import digest, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import Scalar, Variable, scalar
from theorytest.kernel.statement import Assumption, Certificate, Derivation, Instance, Statement, Step, Witness
from theorytest.kernel.terms import Tensor

x, y = Variable("x"), Variable("y")
WORD = (x**2 + 1) * y
A = Tensor("A", ("n", "n"))


def state(claim: Claim, *assumptions: Claim, example: Instance | None = None, label: str = "S") -> Statement:
    made = tuple(Assumption(f"a{k}", "", formula) for k, formula in enumerate(assumptions))
    return Statement(label, "", claim, assumptions=made, example=example)


def zero_or_more(value: Scalar) -> Inequality:
    return Inequality(scalar(0), "<=", value)


def test_nouns_of_a_value() -> None:
    found = list(nouns((x + 1, ("text", 3))))
    assert x in found and x + 1 in found and scalar(1) in found and len(found) == 3


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (state(zero_or_more(WORD)), True),
        (state(All((zero_or_more(x), Identity(WORD, WORD)))), True),
        (state(zero_or_more(x), zero_or_more(WORD + 3)), True),
        (state(zero_or_more(x)), False),
        (state(zero_or_more((x**2 + 2) * y)), False),
        (state(Definition(WORD)), False),
        (state(Definition(x), zero_or_more(WORD)), False),
    ],
)
def test_who_uses_an_expression(made: Statement, expected: bool) -> None:
    assert uses(made, Definition(WORD)) is expected


def test_who_uses_a_kind() -> None:
    example = Instance(variables=(("x", Fraction(1)),))
    assert uses(state(zero_or_more(x), example=example), Definition("Instance"))
    assert not uses(state(zero_or_more(x)), Definition("Instance"))
    assert uses(state(Identity(A["i", "j"], A["i", "j"])), Definition("Tensor"))
    assert not uses(state(zero_or_more(x)), Definition("Statement"))


@pytest.mark.parametrize("meaning", [3, ("x",), Fraction(1), None, Variable])
def test_a_definition_means_a_noun(meaning: Any) -> None:
    with pytest.raises(KernelError, match="means a noun"):
        uses(state(zero_or_more(x)), Definition(meaning))


def test_other_claims_are_no_definitions() -> None:
    with pytest.raises(KernelError, match="a definition was needed"):
        uses(state(zero_or_more(x)), zero_or_more(WORD))


def test_a_definition_is_neither_proved_nor_refuted() -> None:
    made = state(Definition(WORD))
    for payload in (
        Derivation((Step("suppose", (), (zero_or_more(WORD),)),)),
        Derivation((Step("both", (), ()),)),
        Witness(Instance(variables=(("x", Fraction(1)), ("y", Fraction(1))))),
    ):
        kind = "witness" if isinstance(payload, Witness) else "derivation"
        assert check(made, Certificate(kind, made.digest, payload, "me"), {}).status == "UNDECIDED"


def entry(made: Statement, status: str, *certificates: Certificate, rests: Any = ()) -> dict[str, Any]:
    return {
        "id": made.id,
        "label": made.label,
        "kind": made.kind,
        "title": made.title,
        "source": {"key": made.source.key, "locator": made.source.locator},
        "expected": made.expected,
        "expected_reason": made.expected_reason,
        "digest": made.digest,
        "statement": encode(made),
        "status": status,
        "scope": made.scope,
        "assumptions": [],
        "deviations": [],
        "rests_on": list(rests),
        "certificates": [
            {"kind": c.kind, "digest": digest(c), "payload": encode(c.payload), "producer": c.producer}
            for c in certificates
        ],
        "controls": [],
        "control_count": 0,
        "vacuity": "",
    }


def record() -> dict[str, Any]:
    used = state(Identity(A["i", "j"], A["i", "j"]), label="used")
    derive = Derive(used)
    derive.equal("the same", A["i", "j"], A["i", "j"])
    certificate = derive.certificate()
    rests = [{"what": r.what, "ref": r.ref} for r in check(used, certificate, {}).rests_on]
    defined = state(Definition(A), label="defined")
    return {
        "schema": 1,
        "statements": [entry(defined, "DEFINED"), entry(used, "PROVED", certificate, rests=rests)],
    }


def test_a_record_says_defined_where_a_proved_statement_uses_it() -> None:
    assert recheck(record()) == []


def test_a_record_says_defined_and_nothing_uses_it() -> None:
    forged = record()
    del forged["statements"][1]
    assert recheck(forged) == ["defined: no proved statement of the record uses this definition"]
    forged = copy.deepcopy(record())
    forged["statements"][1]["certificates"] = []
    forged["statements"][1]["status"] = "UNDECIDED"
    assert "defined: no proved statement of the record uses this definition" in recheck(forged)


def test_a_record_says_defined_of_another_claim() -> None:
    forged = record()
    forged["statements"][1]["status"] = "DEFINED"
    assert any("it is no definition" in problem for problem in recheck(forged))
