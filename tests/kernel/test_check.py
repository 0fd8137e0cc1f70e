"""Verdicts and records: what a record says is found again from its statements and certificates alone, or refused."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from true_proofs import CP_FLOW, LAWS, TRUE, W_M, W_N, norm, state

from theorytest.derive.derivation import Derive
from theorytest.kernel.check import NOT_EXCLUDED, absurd, check, recheck, vacuity
from theorytest.kernel.claim import AtLeast, Conserved, Identity, Inequality
from theorytest.kernel.encoding import digest, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.polynomial import UNIT, Positivstellensatz, Summand
from theorytest.kernel.scalar import ZERO, Number, Variable
from theorytest.kernel.statement import (
    ASSUMED,
    FINDING,
    PROVED,
    REFUTED,
    UNDECIDED,
    Assumption,
    Certificate,
    Derivation,
    Instance,
    Statement,
    Step,
    Verdict,
    Witness,
)

ONE = Fraction(1)


def witness() -> Witness:
    """CP with one mode named n and one m: unequal norms, a plain slope."""
    blocks = (("w[1]", Array((1, 1), (ONE * 2,))), ("w[2]", Array((1, 1), (ONE,))))
    members = (("n", 1), ("m", 2))
    return Witness(Instance((("N", 2), ("d", (1, 1)), ("R", 1)), members, blocks, Array((1, 1), (ONE,))))


def part(certificate: Certificate) -> dict[str, Any]:
    return {
        "kind": certificate.kind,
        "digest": digest(certificate),
        "payload": encode(certificate.payload),
        "producer": certificate.producer,
    }


def entry(
    made: Statement, verdict: Verdict, *certificates: Certificate, controls: tuple[Any, ...] = ()
) -> dict[str, Any]:
    return {
        "id": made.id,
        "label": made.label,
        "kind": made.kind,
        "title": made.title,
        "source": {"key": made.source.key, "locator": made.source.locator},
        "status": verdict.status,
        "expected": made.expected,
        "expected_reason": made.expected_reason,
        "scope": verdict.scope,
        "vacuity": verdict.vacuity,
        "digest": made.digest,
        "statement": encode(made),
        "assumptions": [{"label": a.label, "text": a.text, "latex": ""} for a in made.assumptions],
        "deviations": list(made.deviations),
        "rests_on": [{"what": r.what, "ref": r.ref} for r in verdict.rests_on],
        "certificates": [part(c) for c in certificates],
        "controls": list(controls),
        "control_count": len(controls),
        "evidence": [],
    }


def control(
    made: Statement, certificate: Certificate | None, outcome: str = REFUTED, margin: str = ""
) -> dict[str, Any]:
    return {
        "label": made.label,
        "title": made.title,
        "expected": made.expected,
        "expected_reason": made.expected_reason,
        "digest": made.digest,
        "statement": encode(made),
        "breaks": "sign",
        "outcome": outcome,
        "certificate": None if certificate is None else part(certificate),
        "margin": margin,
    }


def proved(made: Statement, build: Callable[[Derive], Any], *library: Statement) -> tuple[Verdict, Certificate]:
    derive = Derive(made, library)
    build(derive)
    certificate = derive.certificate()
    verdict = check(made, certificate, {s.digest: s for s in library})
    assert verdict.status == PROVED
    return verdict, certificate


def record() -> dict[str, Any]:
    """Two statements, the second citing the first, and three controls: refuted, surviving by a proof, and open."""
    first, build = TRUE["lemma 1"]
    verdict, certificate = proved(first, build)
    false = dataclasses.replace(state("lemma 1/sum", Conserved(norm(W_N) + norm(W_M), CP_FLOW)), expected=REFUTED)
    refuted = Certificate("witness", false.digest, witness(), "author")
    found = check(false, refuted, {})
    assert found.status == REFUTED and found.counterexample is not None
    same = dataclasses.replace(state("lemma 1/same", first.claim), expected=FINDING)
    survives = proved(same, build)[1]
    open_ = dataclasses.replace(state("lemma 1/open", Conserved(norm(W_N), CP_FLOW)), expected=FINDING)
    margin = found.counterexample.margin
    controls = (control(false, refuted, margin=margin), control(same, survives, FINDING), control(open_, None, FINDING))
    second = dataclasses.replace(
        state("cites it", first.claim), deviations=("none",), assumptions=(Assumption("loss", "any"),), title="again"
    )
    other, cites = proved(second, lambda derive: derive.cite(first), first)
    assert [(r.what, r.ref) for r in other.rests_on][-1] == ("statement", "lemma 1")
    made = {
        "schema": 1,
        "statements": [entry(first, verdict, certificate, controls=controls), entry(second, other, cites)],
    }
    return json.loads(json.dumps(made))


RECORD = record()


def changed(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    made = copy.deepcopy(RECORD)
    change(made)
    return recheck(made)


def test_a_genuine_record_is_accepted():
    assert recheck(RECORD) == []


def first(made: dict[str, Any]) -> dict[str, Any]:
    return made["statements"][0]


def second(made: dict[str, Any]) -> dict[str, Any]:
    return made["statements"][1]


def put(place: Callable[[dict[str, Any]], Any], key: Any, value: Any) -> Callable[[dict[str, Any]], Any]:
    def change(made: dict[str, Any]) -> None:
        place(made)[key] = value

    return change


def drop(place: Callable[[dict[str, Any]], Any], key: Any) -> Callable[[dict[str, Any]], Any]:
    def change(made: dict[str, Any]) -> None:
        del place(made)[key]

    return change


def swap_certificates(made: dict[str, Any]) -> None:
    one, other = first(made), second(made)
    one["certificates"], other["certificates"] = other["certificates"], one["certificates"]


def swap_statements(made: dict[str, Any]) -> None:
    made["statements"].reverse()


def resign(made: dict[str, Any]) -> None:
    """A false statement with the certificate of a true one, all digests made anew."""
    false = state("lemma 1", Conserved(norm(W_N) + norm(W_M), CP_FLOW))
    true = TRUE["lemma 1"][0]
    assert digest(true) != digest(false)
    payload = Derivation((Step("rate", (), (LAWS["lemma 1"][0], CP_FLOW)), Step("zero-derivative", (0,), ())))
    certificate = Certificate("derivation", false.digest, payload, "theorytest.derive")
    first(made).update(digest=false.digest, statement=encode(false), certificates=[part(certificate)])


def control_of(number: int) -> Callable[[dict[str, Any]], Any]:
    return lambda made: first(made)["controls"][number]


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a status typed by hand": (
        put(first, "status", REFUTED),
        "lemma 1: the record says REFUTED, the certificates give PROVED",
    ),
    "certified for proved": (put(first, "status", "CERTIFIED"), "the record says CERTIFIED"),
    "weaker than it is": (put(first, "status", "SUPPORTED"), "the record says SUPPORTED"),
    "not a status": (put(first, "status", "proved"), "which is no status"),
    "a status that is no text": (put(first, "status", ["PROVED"]), "which is no status"),
    "a finding that is no control": (put(first, "status", FINDING), "which is no status"),
    "dropped certificates": (
        put(first, "certificates", []),
        "lemma 1: the record says PROVED, the certificates give None",
    ),
    "a control without its certificate": (
        put(control_of(0), "certificate", None),
        "lemma 1/sum: the record says REFUTED",
    ),
    "a control said to survive": (put(control_of(0), "outcome", FINDING), "lemma 1/sum: the record says finding"),
    "a control that survives, said to be refuted": (
        put(control_of(1), "outcome", REFUTED),
        "lemma 1/same: the record says",
    ),
    "an open control said to be refuted": (
        put(control_of(2), "outcome", REFUTED),
        "lemma 1/open: the record says REFUTED",
    ),
    "an open control with an odd outcome": (
        put(control_of(2), "outcome", "fine"),
        "lemma 1/open: the record says 'fine'",
    ),
    "a larger margin": (put(control_of(0), "margin", "100"), "the record says '100'"),
    "no margin where there is one": (put(control_of(0), "margin", ""), "lemma 1/sum: the claim fails by"),
    "a margin of what is open": (put(control_of(2), "margin", "1"), "lemma 1/open: the claim fails by ''"),
    "swapped certificates": (swap_certificates, "does not have the digest"),
    "reordered statements": (
        swap_statements,
        "cites it: certificate rejected: step 0 (statement): no proved statement",
    ),
    "the cited statement is gone": (drop(lambda made: made["statements"], 0), "no proved statement"),
    "a statement twice": (lambda made: made["statements"].append(first(made)), "lemma 1: this label occurs twice"),
    "a control twice": (lambda made: first(made)["controls"].append(control_of(0)(made)), "occurs twice"),
    "resigned": (resign, "ends in another claim"),
    "another label": (put(first, "label", "lemma 2"), "its label is 'lemma 1'"),
    "another id": (put(first, "id", "RMC21-Lem1"), "its id is"),
    "another title": (put(second, "title", "Riemann hypothesis"), "its title is"),
    "another kind": (put(second, "kind", "theorem"), "its kind is"),
    "another expectation": (put(second, "expected", REFUTED), "its expected is"),
    "another title of a control": (put(control_of(0), "title", "x"), "its title is"),
    "a larger scope": (put(first, "scope", "everything"), "its scope"),
    "vacuity hidden": (put(first, "vacuity", "none"), "its scope, or whether its assumptions can be met"),
    "rests on less": (put(second, "rests_on", first(RECORD)["rests_on"]), "what it rests on"),
    "another source": (put(second, "source", {"key": "RC20", "locator": "Theorem 1"}), "its source is"),
    "another reason for what is expected": (put(second, "expected_reason", "cited"), "its expected_reason is"),
    "a control taken out": (drop(lambda m: first(m)["controls"], 2), "it has 3 controls, the record accounts for 2"),
    "a control that was not run, put in": (put(first, "controls_not_run", 1), "the record accounts for 4"),
    "a control of another statement": (
        lambda made: second(made).update(controls=[first(made)["controls"].pop()], control_count=1),
        "the record says that it is a control of cites it",
    ),
    "another reason of a control": (put(control_of(0), "expected_reason", "sharp"), "its expected_reason is"),
    "assumed, and not expected to be": (
        lambda made: second(made).update(status=ASSUMED, certificates=[], rests_on=[]),
        "the record says ASSUMED, but",
    ),
    "supported by nothing": (
        lambda made: second(made).update(status="SUPPORTED", certificates=[], rests_on=[]),
        "the record says SUPPORTED, but",
    ),
    "rests on something without a certificate": (
        lambda made: second(made).update(status=UNDECIDED, certificates=[]),
        "what it rests on",
    ),
    "deviations hidden": (put(second, "deviations", []), "its assumptions or deviations"),
    "an assumption in other words": (
        put(lambda m: second(m)["assumptions"][0], "text", "convex"),
        "its assumptions or deviations",
    ),
    "digest of another statement": (put(first, "digest", "0" * 64), "the statement has digest"),
    "no statement": (put(first, "statement", encode(AtLeast("L", 2))), "lemma 1: no statement"),
    "not a noun": (put(first, "statement", {"is": "Lemma"}), "lemma 1: not a noun"),
    "a certificate of an odd kind": (
        put(lambda m: first(m)["certificates"][0], "kind", "oracle"),
        "does not have the digest",
    ),
    "another producer": (put(lambda m: first(m)["certificates"][0], "producer", "me"), "does not have the digest"),
    **{
        f"without {name}": (drop(first, name), "lemma 1: malformed record (KeyError")
        for name in ("digest", "status", "certificates", "statement", "assumptions", "expected", "rests_on", "vacuity")
    },
    "a control without outcome": (drop(control_of(0), "outcome"), "lemma 1/sum: malformed record (KeyError"),
    "a certificate without digest": (
        drop(lambda m: first(m)["certificates"][0], "digest"),
        "malformed record (KeyError",
    ),
    "certificates that are no list": (put(first, "certificates", 7), "malformed record (TypeError"),
    "an entry that is no object": (put(lambda m: m["statements"], 0, "lemma 1"), "not a record of theorytest"),
    "an entry without label": (drop(first, "label"), "not a record of theorytest"),
    "without controls": (drop(first, "controls"), "not a record of theorytest"),
    "controls that are no objects": (put(first, "controls", ["x"]), "not a record of theorytest"),
    "another schema": (put(lambda m: m, "schema", 2), "schema 2 is not known"),
    "no schema": (drop(lambda m: m, "schema"), "not a record of theorytest"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_records_are_refused(name):
    change, message = FORGERIES[name]
    problems = changed(change)
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("data", [None, 7, [], "x", {}, {"schema": 1}, {"schema": 1, "statements": 7}])
def test_what_is_no_record(data):
    assert recheck(data) == ["record: not a record of theorytest (needs schema 1 and a list of statements with labels)"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path]


def test_whatever_is_changed_in_a_statement_certificate_or_witness_is_caught():
    """Every number and every text of a statement, its certificate, a control and its witness, one at a time."""
    small = copy.deepcopy(RECORD)
    del small["statements"][1], first(small)["controls"][1:]
    first(small)["control_count"] = 1
    assert recheck(small) == []
    tried = 0
    for path in leaves(small):
        if not {"statement", "certificates", "certificate"} & set(path):
            continue
        made = copy.deepcopy(small)
        *above, last = path
        place: Any = made
        for key in above:
            place = place[key]
        old = place[last]
        place[last] = str(Fraction(old) + 1) if last == "q" else old + 1 if type(old) is int else f"{old}'"
        assert recheck(made), path
        tried += 1
    assert tried > 200


def test_a_control_says_what_it_drops():
    """What is said to be dropped is not among its assumptions."""
    made, build = TRUE["lemma 1"]
    verdict, certificate = proved(made, build)
    loss = (Assumption("loss", "any"),)
    same = dataclasses.replace(state("lemma 1/same", made.claim), expected=FINDING, assumptions=loss)
    recorded = control(same, None, FINDING)
    whole = {"schema": 1, "statements": [entry(made, verdict, certificate, controls=(recorded,))]}
    assert recheck(whole) == []
    recorded["breaks"] = "loss"
    assert recheck(whole) == ["lemma 1/same: the record says that it drops 'loss', which it assumes"]


@pytest.mark.parametrize(
    ("evidence", "fine"),
    [
        ([{"holds": True, "instances": 3}, {"holds": None, "instances": 0}], True),
        ([{"holds": True, "instances": 3}, {"holds": False, "instances": 0}], False),
        ([{"holds": True, "instances": 0}], False),
        ([], False),
    ],
)
def test_what_evidence_supports(evidence, fine):
    made = dataclasses.replace(state("seen", AtLeast("L", 2)), expected="SUPPORTED")
    recorded = {"schema": 1, "statements": [entry(made, Verdict("SUPPORTED", "", ()))]}
    recorded["statements"][0]["evidence"] = evidence
    assert (recheck(recorded) == []) is fine
    recorded["statements"][0]["tried"] = [{"instances": 7}]
    assert recheck(recorded) == [], "a conjecture, by what was tried"


def test_a_deeply_nested_record_is_refused():
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "RecursionError" in changed(put(first, "statement", deep))[0]


def test_certificates_for_and_against():
    """More than one certificate: the strongest comes first; one for and one against is a contradiction."""
    false = state("S", Identity(W_N["r", "i"], W_N["r", "i"]))
    shown = Derivation((Step("identity", (), (W_N["r", "i"], W_N["r", "i"])),))
    one = Certificate("derivation", false.digest, shown, "me")
    verdict = check(false, one, {})
    twice = {
        "schema": 1,
        "statements": [entry(false, verdict, one, Certificate("derivation", false.digest, shown, "you"))],
    }
    assert recheck(twice) == []


def test_certificates_that_disagree_are_reported(monkeypatch):
    from theorytest.kernel import check as module

    made, build = TRUE["lemma 1"]
    verdict, certificate = proved(made, build)
    against = dataclasses.replace(certificate, producer="you")
    recorded = {"schema": 1, "statements": [entry(made, verdict, certificate, against)]}

    def divided(statement: Statement, offered: Certificate, library: Any) -> Verdict:
        return verdict if offered == certificate else Verdict(REFUTED, "", ())

    monkeypatch.setattr(module, "check", divided)
    assert recheck(recorded) == ["lemma 1: certificates for both PROVED and REFUTED"]


def test_what_needs_no_certificate():
    made = dataclasses.replace(state("cited", AtLeast("L", 2)), expected=ASSUMED)
    recorded = {"schema": 1, "statements": [entry(made, Verdict(ASSUMED, "", ()))]}
    assert recheck(recorded) == []


# -- vacuity ---------------------------------------------------------------------------------------------------------


def test_vacuity():
    bare = TRUE["lemma 1"][0]
    assert vacuity(bare) == ""
    assumed = state("S", bare.claim, depth=AtLeast("L", 2))
    assert vacuity(assumed) == NOT_EXCLUDED
    instance = witness().instance
    met = dataclasses.replace(assumed, example=dataclasses.replace(instance, sizes=(*instance.sizes, ("L", 2))))
    assert vacuity(met) == ""
    with pytest.raises(KernelError, match="does not meet"):
        vacuity(dataclasses.replace(assumed, example=dataclasses.replace(instance, sizes=(*instance.sizes, ("L", 1)))))
    words = dataclasses.replace(bare, assumptions=(Assumption("loss", "differentiable"),))
    assert vacuity(words) == ""
    derive = Derive(assumed)
    derive.conserved(*LAWS["lemma 1"])
    verdict = check(assumed, derive.certificate(), {})
    assert (verdict.status, verdict.vacuity) == (PROVED, NOT_EXCLUDED)
    assert (
        check(dataclasses.replace(met), dataclasses.replace(derive.certificate(), statement=met.digest), {}).vacuity
        == ""
    )


def test_an_example_that_meets_nothing_is_no_proof():
    made = dataclasses.replace(
        state("S", TRUE["lemma 1"][0].claim, depth=AtLeast("L", 2)), example=Instance((("L", 1),))
    )
    derive = Derive(made)
    derive.conserved(*LAWS["lemma 1"])
    verdict = check(made, derive.certificate(), {})
    assert verdict.status == UNDECIDED


def test_only_statuses_can_be_expected():
    assert Statement("S", "", AtLeast("L", 2), expected="finding").expected == "finding"
    with pytest.raises(KernelError, match="expected is one of PROVED"):
        Statement("S", "", AtLeast("L", 2), expected="refuted")


def test_assumptions_have_one_label_each():
    with pytest.raises(KernelError, match="same label"):
        Statement("S", "", AtLeast("L", 2), assumptions=(Assumption("a", ""), Assumption("a", "")))
    with pytest.raises(KernelError, match="has no assumption"):
        TRUE["stays"][0].assumption("nothing")


# -- vacuous statements ------------------------------------------------------------------------------------------------


def emptied(last: Step, *formulas: Inequality | Identity) -> tuple[Statement, Certificate]:
    """A statement with these assumptions, and a derivation from them that ends in one more step, discharged."""
    assumed = tuple(Assumption(f"a{k}", "", formula) for k, formula in enumerate(formulas))
    made = Statement("vacuous", "", Identity(X, X), assumptions=assumed, expected=REFUTED)
    steps = [Step("assumption", (), (a.label,)) for a in assumed] + [Step("suppose", (), (f,)) for f in formulas]
    payload = Derivation((*steps, last, Step("discharge", (2 * len(formulas), *range(len(formulas))), ())))
    return made, Certificate("vacuity", made.digest, payload, "me")


def vacuous(last: Step, *formulas: Inequality | Identity) -> Verdict:
    """What is said of such a statement."""
    return check(*emptied(last, *formulas), {})


X = Variable("x")
NOT_BOTH = (Inequality(ZERO, "<", X), Inequality(X, "<=", ZERO))


def false_formula(goal: Inequality | Identity) -> Step:
    """x > 0 and x <= 0 give any formula: x * (rhs - lhs) = (rhs - lhs) * x, both gaps taken."""
    gap = Summand(Fraction(1), Number(ONE), (0,))
    other = Summand(Fraction(1), Number(ONE), (1,))
    return Step("positivstellensatz", (2, 3), (goal, Positivstellensatz((gap,), (other,), ())))


def test_a_vacuous_statement_is_refuted() -> None:
    verdict = vacuous(false_formula(Inequality(Number(ONE), "<=", ZERO)), *NOT_BOTH)
    assert verdict.status == REFUTED and verdict.scope == "vacuous: no instance meets the assumptions (proved)"
    assert verdict.counterexample is None
    assert {rest.ref for rest in verdict.rests_on} >= {"assumption", "positivstellensatz", "theorytest.kernel"}


def test_what_a_vacuous_statement_is_good_for() -> None:
    """It is no premise, says nothing of another statement, and is no control."""
    made, certificate = emptied(false_formula(Inequality(Number(ONE), "<=", ZERO)), *NOT_BOTH)
    found = check(made, certificate, {})
    cites = Statement("cites", "", Identity(X, X))
    step = Derivation((Step("at-every-point", (), (made.digest, 0)),))
    offered = Certificate("derivation", cites.digest, step, "me")
    after = dataclasses.replace(cites, expected=UNDECIDED)
    again = dataclasses.replace(offered, statement=after.digest)
    recorded = {"schema": 1, "statements": [entry(made, found, certificate)]}
    assert recheck(recorded) == []
    recorded["statements"].append(entry(after, Verdict(PROVED, "", ()), again))
    assert any("no proved statement has the digest" in problem for problem in recheck(recorded))
    contrary = dataclasses.replace(certificate, kind="contradiction")
    assert "does not contradict the claim" in check(made, contrary, {}).reason
    first, build = TRUE["lemma 1"]
    verdict, shown = proved(first, build)
    below = dataclasses.replace(made, label="lemma 1/vacuous")
    emptying = dataclasses.replace(certificate, statement=below.digest)
    controlled = entry(first, verdict, shown, controls=(control(below, emptying),))
    problems = recheck({"schema": 1, "statements": [controlled]})
    assert any("a control that no instance meets" in problem for problem in problems)


def test_what_does_not_make_a_statement_vacuous() -> None:
    """A true formula, one with variables, or a false one that does not follow."""
    for goal in (Inequality(ZERO, "<=", ZERO), Inequality(ZERO, "<=", Number(ONE)), Inequality(X, "<=", X)):
        step = Step(
            "positivstellensatz", (2, 3), (goal, Positivstellensatz(UNIT, (Summand(ONE, Number(ONE), ()),), ()))
        )
        assert vacuous(step, *NOT_BOTH).status == UNDECIDED
    trivial = Step("positivstellensatz", (2, 3), (Identity(X, X), Positivstellensatz(UNIT, (), ())))
    assert "a false formula between numbers" in vacuous(trivial, *NOT_BOTH).reason
    open_condition = false_formula(Inequality(Number(ONE), "<=", ZERO))
    assert vacuous(open_condition, NOT_BOTH[0], Inequality(X, "<=", Number(ONE))).status == UNDECIDED


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        (Identity(Number(ONE), Number(ONE)), False),
        (Identity(Number(ONE), ZERO), True),
        (Inequality(ZERO, "<", ZERO), True),
        (Inequality(ZERO, "<=", ZERO), False),
        (Inequality(Number(ONE), "<=", ZERO), True),
        (Inequality(ZERO, "<", Number(ONE)), False),
        (Inequality(X, "<", X), False),
        (Inequality(ZERO, "<", X), False),
        (Identity(norm(W_N), norm(W_N) * 2), False),
        (AtLeast("N", 1), False),
    ],
)
def test_absurd_formulas(claim: Any, found: bool) -> None:
    assert absurd(claim) is found


def test_a_record_of_a_vacuous_statement() -> None:
    """It is found again; forged into another kind, or for other assumptions, it is refused."""
    assumed = tuple(Assumption(f"a{k}", "", formula) for k, formula in enumerate(NOT_BOTH))
    made = Statement("vacuous", "", Identity(X, X), assumptions=assumed, expected=REFUTED)
    steps = [Step("assumption", (), (a.label,)) for a in assumed] + [Step("suppose", (), (f,)) for f in NOT_BOTH]
    last = false_formula(Inequality(Number(ONE), "<=", ZERO))
    payload = Derivation((*steps, last, Step("discharge", (4, 0, 1), ())))
    certificate = Certificate("vacuity", made.digest, payload, "me")
    verdict = check(made, certificate, {})
    record = {"schema": 1, "statements": [entry(made, verdict, certificate)]}
    assert recheck(json.loads(json.dumps(record))) == []
    for kind in ("derivation", "contradiction", "witness"):
        assert check(made, dataclasses.replace(certificate, kind=kind), {}).status == UNDECIDED
    other = dataclasses.replace(made, assumptions=assumed[:1])
    moved = dataclasses.replace(certificate, statement=other.digest)
    assert check(other, moved, {}).status == UNDECIDED
