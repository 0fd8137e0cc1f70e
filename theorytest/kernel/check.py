"""The one place that says PROVED, CERTIFIED or REFUTED.

``check`` takes a statement and a certificate that somebody found, by whatever means, and replays it. It returns a
verdict with everything that the verdict rests on; a certificate that does not hold up gives UNDECIDED with the
reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theorytest.kernel import (
    analysis,
    chains,
    components,
    evolution,
    families,
    invariance,
    laws,
    modes,
    moment,
    order,
    probability,
    product_flow,
    reading,
    spectra,
    states,
    unfolding,
)
from theorytest.kernel.claim import All, Claim, Identity, Inequality
from theorytest.kernel.definition import uses
from theorytest.kernel.encoding import decode, validate
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Flowpipes
from theorytest.kernel.rules import Context, conclude
from theorytest.kernel.scalar import Number
from theorytest.kernel.statement import (
    ASSUMED,
    CERTIFIED,
    DEFINED,
    FINDING,
    PROVED,
    REFUTED,
    STATUSES,
    SUPPORTED,
    UNDECIDED,
    Certificate,
    Counterexample,
    Derivation,
    Instance,
    Instances,
    Rest,
    Statement,
    Verdict,
    Witness,
)
from theorytest.kernel.trajectory import decide
from theorytest.kernel.witness import certifies, refutes, require_assumptions

KERNEL = Rest("kernel", "theorytest.kernel")
# The modules that register rules beside `theorytest.kernel.rules`.
RULES_OF = (
    analysis,
    chains,
    components,
    evolution,
    families,
    invariance,
    laws,
    modes,
    moment,
    order,
    probability,
    product_flow,
    reading,
    spectra,
    states,
    unfolding,
)
NOT_EXCLUDED = "vacuity not excluded"
VACUOUS = "vacuous: no instance meets the assumptions (proved)"
# What Python raises where data have another form than a rule or a record needs.
MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def vacuity(statement: Statement) -> str:
    """Empty where the statement's example meets all its assumptions, or where it has none to meet; else what is
    open."""
    if statement.example is None:
        return NOT_EXCLUDED if any(a.formula is not None for a in statement.assumptions) else ""
    require_assumptions(statement, statement.example)
    return ""


def contradicts(found: Claim, claim: Claim) -> bool:
    """Whether two claims cannot both hold (in a situation that meets the assumptions, which has to exist)."""
    if isinstance(claim, All):
        return any(contradicts(found, part) for part in claim.claims)
    if isinstance(found, All):
        return any(contradicts(part, claim) for part in found.claims)
    if laws.contradicts(found, claim):
        return True
    return analysis.contradicts(found, claim) or probability.contradicts(found, claim)


def absurd(claim: Claim) -> bool:
    """Whether a claim is a formula between two rational numbers, and false."""
    if not isinstance(claim, Identity | Inequality):
        return False
    lhs, rhs = claim.lhs, claim.rhs
    if not isinstance(lhs, Number) or not isinstance(rhs, Number):
        return False
    if isinstance(claim, Identity):
        return lhs.value != rhs.value
    return lhs.value > rhs.value or (claim.relation == "<" and lhs.value == rhs.value)


def check(statement: Statement, certificate: Certificate, library: Mapping[str, Statement]) -> Verdict:
    """The verdict on a statement, given a certificate and the statements proved before (by digest).

    Whatever goes wrong while a certificate is replayed, the certificate is rejected.
    """
    try:
        validate((statement, certificate))
        return _check(statement, certificate, library)
    except KernelError as error:
        reason = str(error)
    except MALFORMED as error:
        reason = f"it is malformed ({type(error).__name__}: {error})"
    return Verdict(UNDECIDED, statement.scope, (), reason=f"certificate rejected: {reason}")


def _check(statement: Statement, certificate: Certificate, library: Mapping[str, Statement]) -> Verdict:
    if certificate.statement != statement.digest:
        raise KernelError("it is for another statement")
    name = certificate.digest
    payload = certificate.payload
    if certificate.kind == "witness" and isinstance(payload, Witness):
        found = refutes(statement, payload)
        return Verdict(REFUTED, "at the witness", (KERNEL,), name, found)
    if certificate.kind == "instances" and isinstance(payload, Instances):
        for instance in payload.instances:
            require_assumptions(statement, instance)
            certifies(statement.claim, instance)
        if not payload.instances:
            raise KernelError("there are no instances")
        if len(set(payload.instances)) < len(payload.instances):
            raise KernelError("an instance occurs twice, and would count as two")
        return Verdict(CERTIFIED, f"{len(payload.instances)} instances", (KERNEL,), name)
    if certificate.kind == "flowpipes" and isinstance(payload, Flowpipes):
        holds, told = decide(statement.claim, payload)
        if holds:
            return Verdict(CERTIFIED, told, (KERNEL,), name)
        if any(assumption.formula is not None for assumption in statement.assumptions):
            raise KernelError("a flow refutes only a statement whose start is all in its claim: it has assumptions")
        failed = Counterexample(Instance(), type(statement.claim).__name__, told)
        return Verdict(REFUTED, "along the flow", (KERNEL,), name, failed)
    if certificate.kind not in ("derivation", "contradiction", "vacuity") or not isinstance(payload, Derivation):
        raise KernelError(f"no certificate of kind {certificate.kind!r} with such a payload is known")
    results, used = conclude(Context(statement, library), payload)
    if not results:
        raise KernelError("the derivation is empty")
    rests = (KERNEL, *sorted(used, key=lambda rest: (rest.what, rest.ref)))
    if certificate.kind == "vacuity":
        if not absurd(results[-1]):
            raise KernelError("a derivation was needed that ends in a false formula between numbers, such as 1 <= 0")
        return Verdict(REFUTED, VACUOUS, rests, name)
    open_vacuity = vacuity(statement)
    if certificate.kind == "derivation":
        if results[-1] != statement.claim:
            raise KernelError("the derivation ends in another claim than the statement's")
        return Verdict(PROVED, statement.scope, rests, name, vacuity=open_vacuity)
    if not contradicts(results[-1], statement.claim):
        raise KernelError("the derivation's conclusion does not contradict the claim")
    if open_vacuity:
        raise KernelError("a contradiction refutes only where an example meets the assumptions")
    example = statement.example
    counter = (
        None if example is None else Counterexample(example, type(statement.claim).__name__, "the contrary is derived")
    )
    return Verdict(REFUTED, "by derivation of the contrary", rests, name, counter)


# -- records ----------------------------------------------------------------------------------------------------------


def recheck(record: Any) -> list[str]:
    """Everything that is wrong with a record, one line each, from its statements and certificates alone.

    The statements are checked in the order of the record: one may cite those before it. Empty: every status of the
    record that needs a certificate is what the kernel finds again.
    """
    try:
        if record["schema"] != 1:
            return [f"record: schema {record['schema']!r} is not known, needed 1"]
        queue = list(_entries(record["statements"]))
    except MALFORMED:
        return ["record: not a record of theorytest (needs schema 1 and a list of statements with labels)"]
    labels = [label for label, _, _ in queue]
    problems = [f"{label}: this label occurs twice" for label in dict.fromkeys(labels) if labels.count(label) > 1]
    library: dict[str, Statement] = {}
    for label, entry, parent in queue:
        try:
            problems += [f"{label}: {text}" for text in _recheck_one(entry, parent, library)]
        except KernelError as error:
            problems.append(f"{label}: {error}")
        except MALFORMED as error:
            problems.append(f"{label}: malformed record ({type(error).__name__}: {error})")
    return problems + _unused(record["statements"], library)


def _unused(statements: Any, library: Mapping[str, Statement]) -> list[str]:
    """What is said to be DEFINED and is no definition, or one that no proved statement of the record uses."""
    problems: list[str] = []
    for entry in statements:
        if entry.get("status") == DEFINED:
            try:
                claim = decode(entry["statement"]).claim
                if not any(uses(statement, claim) for statement in library.values()):
                    problems.append(f"{entry['label']}: no proved statement of the record uses this definition")
            except (KernelError, *MALFORMED):
                problems.append(f"{entry['label']}: the record says DEFINED, but it is no definition")
    return problems


def _entries(statements: Any) -> Iterator[tuple[str, Any, Any]]:
    """Label and entry of all statements and controls, and the entry that a control is of (None: a statement)."""
    for entry in statements:
        yield str(entry["label"]), entry, None
        for control in entry["controls"]:
            yield str(control["label"]), control, entry


def _recheck_one(entry: Any, parent: Any, library: dict[str, Statement]) -> list[str]:
    statement = decode(entry["statement"])
    if not isinstance(statement, Statement):
        raise KernelError("no statement")
    if entry["digest"] != statement.digest:
        return [f"the statement has digest {statement.digest[:12]}, the record says {str(entry['digest'])[:12]}"]
    own = parent is None
    told = _told(statement, entry) if own else _told_of_control(statement, entry, parent)
    if told:
        return [told]
    offered = entry["certificates"] if own else [c for c in [entry["certificate"]] if c is not None]
    found: str | None = None
    margin = ""  # of the strongest certificate
    problems: list[str] = []
    for item in offered:
        certificate = Certificate(item["kind"], entry["digest"], decode(item["payload"]), item["producer"])
        if certificate.digest != item["digest"]:
            problems.append("a certificate does not have the digest that the record says")
            continue
        verdict = check(statement, certificate, library)
        if not own and certificate.kind == "vacuity":
            problems.append("a control that no instance meets shows nothing about what it drops")
        elif verdict.status == UNDECIDED:
            problems.append(verdict.reason)
        elif found is not None:  # the strongest comes first; another may say less, but not the contrary
            if REFUTED in (found, verdict.status) and found != verdict.status:
                problems.append(f"certificates for both {found} and {verdict.status}")
        else:
            found = verdict.status
            margin = "" if verdict.counterexample is None else verdict.counterexample.margin
            if found == PROVED:
                library[statement.digest] = statement
            problems += _differences(verdict, entry) if own else []
    recorded = entry["status" if own else "outcome"]
    if recorded not in STATUSES and (own or recorded != FINDING):
        problems.append(f"the record says {recorded!r}, which is no status")
    if recorded == FINDING and found == PROVED:  # a control that survives, with a proof
        recorded = PROVED
    if not problems and recorded != found and (found is not None or recorded in (PROVED, CERTIFIED, REFUTED)):
        problems.append(f"the record says {recorded}, the certificates give {found}")
    if not problems and entry.get("margin", margin) != margin:
        problems.append(f"the claim fails by {margin!r}, the record says {entry['margin']!r}")
    return problems + _unchecked(statement, entry) if own and not offered else problems


def _told(statement: Statement, entry: Any) -> str:
    """What a record tells of a statement in words, and is not the statement's own; or that a control is missing."""
    for name in ("id", "label", "kind", "title", "expected", "expected_reason"):
        if getattr(statement, name) != entry[name]:
            return f"its {name} is {getattr(statement, name)!r}, the record says {entry[name]!r}"
    source = {"key": statement.source.key, "locator": statement.source.locator}
    if entry["source"] != source:
        return f"its source is {source}, the record says {entry['source']}"
    told = [(a["label"], a["text"]) for a in entry["assumptions"]], entry["deviations"]
    if told != ([(a.label, a.text) for a in statement.assumptions], list(statement.deviations)):
        return "its assumptions or deviations are not those that the record tells"
    there, count = len(entry["controls"]) + entry.get("controls_not_run", 0), entry["control_count"]
    return "" if there == count else f"it has {count} controls, the record accounts for {there}"


def _told_of_control(statement: Statement, entry: Any, parent: Any) -> str:
    """What a record tells of a control in words, and is not the control's own, or not of the statement it stands at."""
    for name in ("label", "title", "expected", "expected_reason"):
        if getattr(statement, name) != entry[name]:
            return f"its {name} is {getattr(statement, name)!r}, the record says {entry[name]!r}"
    if not statement.label.startswith(f"{parent['label']}/"):
        return f"the record says that it is a control of {parent['label']}"
    if any(a.label == entry["breaks"] for a in statement.assumptions):
        return f"the record says that it drops {entry['breaks']!r}, which it assumes"
    return ""


def _unchecked(statement: Statement, entry: Any) -> list[str]:
    """What a record says of a statement without a certificate, and cannot be so."""
    problems = _differences(Verdict(UNDECIDED, statement.scope, ()), entry)
    if entry["status"] == ASSUMED and statement.expected != ASSUMED:
        problems.append("the record says ASSUMED, but the statement is not one that is expected to be")
    if entry["status"] == SUPPORTED and not entry.get("tried"):
        held = [piece["holds"] for piece in entry["evidence"] if piece["instances"] or piece["holds"] is False]
        if True not in held or False in held:
            problems.append("the record says SUPPORTED, but has no evidence that holds, or some that does not")
    return problems


def _differences(verdict: Verdict, entry: Any) -> list[str]:
    """What a record says of a verdict beside its status, and is not so."""
    problems: list[str] = []
    if [(rest.what, rest.ref) for rest in verdict.rests_on] != [(r["what"], r["ref"]) for r in entry["rests_on"]]:
        problems.append("what it rests on is not what the record says")
    if (verdict.scope, verdict.vacuity) != (entry["scope"], entry["vacuity"]):
        problems.append("its scope, or whether its assumptions can be met, is not what the record says")
    return problems
