"""The main job: run every proof, control and piece of evidence of some proof files, and have the kernel decide.

`verify` loads proof files, runs each check (in this process, or in several), writes every verdict to the ledger as
soon as it is there, and returns the record. A check is one statement, one control or one piece of evidence; it depends
on nothing but the files and the run's profile, seed and device, so that one worker and several find the same, byte for
byte.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theorytest import loader, record
from theorytest.errors import InputError

if TYPE_CHECKING:
    from theorytest.authoring import Certified, Control, Evidence, Proof, Run
    from theorytest.decision import Decision
    from theorytest.kernel.statement import Certificate, Instance, Statement, Verdict

PROFILES = ("quick", "full")
DEVICES = ("cpu", "cuda")
EXTRAS = {
    "tensorly": "data",
    "sklearn": "data",
    "z3": "smt",
    "cvc5": "smt",
    "typst": "notes",
    "pypandoc": "notes",
    "matplotlib": "plots",
    "scipy": "peers",
    "heyoka": "peers",
    "diffrax": "peers",
    "torchode": "peers",
    "torchdiffeq": "peers",
}


@dataclass(frozen=True)
class Item:
    """One check: part ("statement", "control", "evidence"), its label, and the file that states it."""

    part: str
    label: str
    file: str


@dataclass(frozen=True)
class RunResult:
    """A finished run: its record, the file that holds it, and what is not as expected."""

    record: record.Record
    path: Path
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every status is the expected one."""
        return not self.problems

    @property
    def exit_code(self) -> int:
        """0 where all is as expected, else 1."""
        return int(not self.ok)


def items(library: loader.Library, profile: str) -> list[Item]:
    """The checks of a library's selected statements, in order; those of the full profile only for a full run."""
    found: list[Item] = []
    for entry in library.entries.values():
        if entry.profile == "full" != profile:
            continue
        label = entry.statement.label
        if entry.selected:
            found.append(Item("statement", label, entry.file))
        controls = [c.statement.label for c in entry.controls]
        wanted = [f"{label}/{e.name}" for e in entry.evidence if profile == "full" or e.profile == "quick"]
        found += [Item("control", name, entry.file) for name in controls if name in entry.asked]
        found += [Item("evidence", name, entry.file) for name in wanted if name in entry.asked]
    return found


def chosen_items(
    library: loader.Library, profile: str, labels: Sequence[str] | None = None, *, given: str = ""
) -> list[Item]:
    """The checks of a run: all of a library's, or those with the given labels, whose statements alone are selected.

    given: the paths, as they were asked for. Raises `InputError` for a label that is not known, and where there is
    nothing to check.
    """
    todo = items(library, profile)
    if labels is not None:
        kept = {label: library.entry(label) for label in labels}
        todo = [item for item in todo if item.label in kept]
        for entry in library.entries.values():
            entry.selected = entry.statement.label in kept
    if not todo:
        if any(library.entry(item.label).profile == "full" for item in items(library, "full")):
            raise InputError(f"what is asked for in {given} takes long, and is checked in full runs: --profile full")
        raise InputError(f"there is no statement in {given}: a proof file defines Statement(...)")
    return todo


def missing_extra(error: BaseException) -> str:
    """Why a check is left out, where an error (or its cause) is an extra that is not installed; else ""."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ModuleNotFoundError) and seen.name:
            extra = EXTRAS.get(seen.name.partition(".")[0])
            if extra:
                return f"{seen.name} is not installed: pip install {installable(extra)}"
        if isinstance(seen, InputError) and "pip install" in str(seen):
            hint = re.sub(r"'theorytest\[(\w+)\]'", lambda m: installable(m[1]), str(seen))
            return record.one_line(hint)
        seen = seen.__cause__ or seen.__context__
    return ""


def installable(extra: str) -> str:
    """How pip names this package with an extra: in a clone, the clone."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file() or root.name == "site-packages":
        return f"'theorytest[{extra}]'"
    return f"-e '{'.' if root == Path.cwd().resolve() else root}[{extra}]'"


class LeftOutError(Exception):
    """A check cannot run here; the message says why."""


# -- one check at a time ---------------------------------------------------------------------------------------------


class Checker:
    """Runs checks of one library. Statements that are cited are proved first, once."""

    def __init__(self, library: loader.Library, run: Run) -> None:
        self.library, self.run = library, run
        self._fragments: dict[str, record.Fragment] = {}
        self._undecided: dict[str, record.Fragment] = {}
        self._open: list[str] = []

    def check(self, label: str) -> list[record.Fragment]:
        """What the check of that label returns, after the cited statements that are not checks of their own."""
        if label in self.library.entries:
            fragment = self.statement(label)
            return [*self._ancestors(fragment), fragment, *fragment.get("evidence", [])]
        entry = self.library.entry(label)
        for control in entry.controls:
            if control.statement.label == label:
                fragment = self.control(entry, control)
                return [*self._ancestors(fragment), fragment]
        (piece,) = [e for e in entry.evidence if f"{entry.statement.label}/{e.name}" == label]
        return [self.evidence(entry, piece)]

    def _ancestors(self, fragment: record.Fragment) -> list[record.Fragment]:
        found: dict[str, record.Fragment] = {}
        for label in fragment["cites"]:
            for ancestor in (*self._ancestors(self._fragments[label]), self._fragments[label]):
                if not self.library.entries[ancestor["label"]].selected:
                    found[ancestor["label"]] = ancestor
        return list(found.values())

    def proved(self) -> dict[str, Statement]:
        """The statements that this checker has proved, by digest."""
        done = [f for f in self._fragments.values() if f["entry"]["status"] == "PROVED"]
        return {f["entry"]["digest"]: self.library.entries[f["label"]].statement for f in done}

    # -- statements ------------------------------------------------------------------------------------------------

    def statement(self, label: str) -> record.Fragment:
        """Run the proofs and certificates of a statement."""
        from theorytest.kernel.errors import KernelError

        if label in self._fragments:
            return self._fragments[label]
        if label in self._open:
            raise KernelError(f"{label} is proved from itself: {' -> '.join([*self._open, label])}")
        self._open.append(label)
        try:
            self._fragments[label] = self._statement(self.library.entries[label])
        finally:
            self._open.remove(label)
        return self._fragments[label]

    def _statement(self, entry: loader.Entry) -> record.Fragment:
        from theorytest.authoring import CONJECTURE
        from theorytest.kernel.claim import Definition
        from theorytest.kernel.statement import ASSUMED, REFUTED

        start = time.perf_counter()
        statement = entry.statement
        found: list[tuple[Certificate, Verdict]] = []
        reasons: list[str] = []
        left_out: list[str] = []
        tries: list[Proof | Certified] = [*entry.proofs, *entry.certified]
        for attempt in tries:
            try:
                certificate = self._offer(statement, attempt)
                verdict = self._decide(statement, certificate)
            except LeftOutError as error:
                left_out.append(str(error))
                continue
            except StepError as error:
                reasons.append(str(error))
                continue
            if verdict.status == "UNDECIDED":
                reasons.append(verdict.reason)
            else:
                found.append((certificate, verdict))
        assumed = not tries and statement.expected == ASSUMED
        defines = isinstance(statement.claim, Definition)
        if defines and not self._used(statement):
            reasons.append("no statement in these files uses this definition")
        decision = None
        if statement.kind == CONJECTURE and not tries:
            try:
                decision = self._conjecture(statement)
            except StepError as error:
                reasons.append(str(error).partition("): ")[2] or str(error))
        if decision is not None:
            statement = decision.statement  # it may have got an example
            if decision.certificate is not None and decision.verdict is not None:
                found.append((decision.certificate, decision.verdict))
            else:
                reasons += [decision.reason, *decision.notes]
        elif statement.kind == CONJECTURE and not tries:
            pass  # the claim cannot be read: the reason says why
        elif not found and not left_out and not assumed and not defines:
            # Nothing speaks for it: look for numbers that speak against it.
            searched, tried = self._counterexample(statement)
            if searched is not None:
                found.append(searched)
            elif tries or not entry.evidence or statement.expected == REFUTED:
                reasons += [] if tries else [] if statement.expected == REFUTED else ["no proof is offered"]
                reasons.append(tried)
        found.sort(key=lambda pair: _STRENGTH.index(pair[1].status))
        strongest = found[0][1] if found else None
        if strongest is not None and len({v.status == REFUTED for _, v in found}) > 1:
            reasons.append(
                "certificates for and against it: one of the rules of the kernel is wrong, please report this"
            )
            strongest, found = None, []
        status = ASSUMED if assumed else "UNDECIDED" if strongest is None else strongest.status
        if strongest is None and decision is not None:
            status = decision.status
        reason = "; ".join(reasons) if reasons or not assumed else statement.expected_reason
        counter = strongest.counterexample if strongest is not None else None
        steps = [step for certificate, _ in found[:1] for step in self._steps(statement, certificate)]
        made = {
            **describe(statement),
            "status": status,
            "scope": strongest.scope if strongest is not None else statement.scope,
            "rests_on": [{"what": r.what, "ref": r.ref} for r in strongest.rests_on] if strongest else [],
            "certificates": [_certificate(c) for c, _ in found],
            "steps": steps,
            "reason": reason,
            "margin": counter.margin if counter is not None else "",
            "control_count": len(entry.controls),
            "vacuity": strongest.vacuity if strongest is not None else "",
            "file": entry.file,
            "seconds": round(time.perf_counter() - start, 3),
        }
        if decision is not None:
            made["tried"] = list(decision.tried)
            made["answer"] = decision.reason
        return {
            "part": "statement",
            "evidence": self._plotted(entry, decision) if decision is not None else [],
            "label": statement.label,
            "order": [*entry.order, 0],
            "entry": made,
            "cites": [r["ref"] for r in made["rests_on"] if r["what"] == "statement"],
            "left_out": "; ".join(left_out) if left_out and not found else "",
        }

    def _used(self, definition: Statement) -> bool:
        """Whether a statement of the library that is no definition uses what is defined, and offers a proof."""
        from theorytest.kernel.definition import uses

        return any(uses(e.statement, definition.claim) for e in self.library.entries.values() if e.proofs)

    def conjectures(self, name: str) -> list[record.Fragment]:
        """The conjectures of the selected files, not decided yet; with a name (a label, or a variable of the file),
        that statement, whatever its kind. Raises `InputError` where there is none."""
        from theorytest.authoring import CONJECTURE

        entries = [e for e in self.library.entries.values() if e.selected]
        if name:
            chosen = [e for e in entries if e.statement.label == name] or loader.named(self.library, name)
        else:
            chosen = [e for e in entries if e.statement.kind == CONJECTURE]
        if not chosen:
            known = [e.statement.label for e in entries]
            near = record.close_matches(name, known) if name else ""
            what = f"no statement is named {name!r}{near}" if name else "no conjecture: define one with conjecture(...)"
            raise InputError(f"{', '.join(f.name for f in self.library.files)}: {what}")
        return [self._unselected(e) for e in chosen]

    def _plotted(self, entry: loader.Entry, decision: Decision) -> list[record.Fragment]:
        """The flow along which a conjecture fails, as a piece of evidence with its curves."""
        series = decision.series
        if not series:
            return []
        label = decision.statement.label
        made: dict[str, Any] = {"name": "trajectory", "arithmetic": "balls", "profile": "quick", "instances": 1}
        made |= {"worst": "", "holds": False, "detail": "both sides along the flow of the witness, enclosed"}
        made |= {"digits": None, "numbers": {}, "series": series, "seed": self.run.seed, "device": "cpu"}
        return [
            {
                "part": "evidence",
                "label": f"{label}/trajectory",
                "parent": label,
                "parent_fragment": self._unselected(entry),
                "order": [*entry.order, 1],
                "entry": {**made, "error": "", "seconds": 0.0},
                "cites": [],
                "left_out": "",
            }
        ]

    def _conjecture(self, statement: Statement) -> Decision:
        """Decide a conjecture for which no proof is offered."""
        from theorytest.decision import decide

        with _steps_named("the search for a decision"):
            return decide(statement, seconds=self.run.seconds, seed=self.run.seed, library=self.proved())

    def _offer(self, statement: Statement, attempt: Proof | Certified) -> Certificate:
        """The certificate that a proof, or a function of instances, of flowpipes or of a witness, makes."""
        from theorytest.authoring import Proof
        from theorytest.kernel.flow import Flowpipes
        from theorytest.kernel.statement import Certificate, Instances, Witness

        if isinstance(attempt, Proof):
            return self._derive(statement, attempt.build, attempt.kind)
        with _steps_named(attempt.build.__name__):
            made = attempt.build(self.run)
            if not isinstance(made, Flowpipes | Witness):
                made = Instances(tuple(made))
        kind = type(made).__name__.lower()
        return Certificate(kind, statement.digest, made, _producer(attempt.build))

    def _derive(self, statement: Statement, build: Callable[..., Any], kind: str) -> Certificate:
        """Run a derivation; where it cites a statement that is not proved yet, prove that one and start again."""
        from theorytest.derive.derivation import Derive, MissingCitationError

        asked: set[str] = set()
        while True:
            derive = Derive(statement, tuple(self.proved().values()))
            try:
                with _steps_named(build.__name__):
                    build(derive)
                return derive.certificate(kind, producer=_producer(build))
            except StepError as error:
                missing = error.__cause__
                if not isinstance(missing, MissingCitationError):
                    raise
                label = missing.label
                if label not in self.library.entries:
                    near = record.close_matches(label, list(self.library.entries))
                    raise StepError(f"{error.place}: no statement is labelled {label!r}{near}") from error
                if label in self._open:
                    circle = " -> ".join([*self._open, label])
                    raise StepError(f"{error.place}: the proofs go round in a circle: {circle}") from error
                if label in asked:
                    status = self._fragments[label]["entry"]["status"]
                    raise StepError(f"{error.place}: {label} is cited, but it is {status}") from error
                asked.add(label)
                self.statement(label)

    def _decide(self, statement: Statement, certificate: Certificate) -> Verdict:
        from theorytest.kernel.check import check

        return check(statement, certificate, self.proved())

    def _steps(self, statement: Statement, certificate: Certificate) -> list[dict[str, Any]]:
        """The steps of a derivation, for readers: what each concludes, and the rule that concludes it."""
        from theorytest import latex
        from theorytest.kernel.statement import Derivation

        if not isinstance(certificate.payload, Derivation):
            return []
        return latex.steps(statement, certificate.payload, self.proved())

    # -- controls --------------------------------------------------------------------------------------------------

    def control(self, entry: loader.Entry, control: Control) -> record.Fragment:
        """Try to refute a control: by the author's witness, by the contrary's derivation, or by search; or prove it,
        where the author says that it survives."""
        from theorytest.kernel.statement import Certificate

        start = time.perf_counter()
        statement = control.statement
        found: tuple[Certificate, Verdict] | None = None
        reason, left_out = "", ""
        try:
            if control.witness is not None:
                offered = Certificate("witness", statement.digest, control.witness, "author")
                found = offered, self._decide(statement, offered)
            elif control.contrary is not None:
                offered = self._derive(statement, control.contrary, "contradiction")
                found = offered, self._decide(statement, offered)
            elif control.survives is not None:
                offered = self._derive(statement, control.survives, "derivation")
                found = offered, self._decide(statement, offered)
            else:
                found, reason = self._search(statement)
        except LeftOutError as error:
            left_out = str(error)
        except StepError as error:
            reason = str(error)
        outcome = "UNDECIDED"
        if found is not None and found[1].status == "REFUTED":
            outcome = "REFUTED"
        elif found is not None and found[1].status == "PROVED":
            outcome, reason = "finding", "it survives: proved"
        elif found is not None:
            reason, found = found[1].reason, None
        elif control.witness is None and control.contrary is None and reason.startswith(_SURVIVED):
            outcome = "finding"
        counter = found[1].counterexample if found else None
        made = {
            **describe(statement, brief=True),
            "breaks": control.breaks,
            "outcome": outcome,
            "certificate": _certificate(found[0]) if found else None,
            "margin": counter.margin if counter else "",
            "reason": reason,
            "seconds": round(time.perf_counter() - start, 3),
        }
        return {
            "part": "control",
            "label": statement.label,
            "parent": entry.statement.label,
            "parent_fragment": self._unselected(entry),
            "order": [*entry.order, 1 + entry.controls.index(control)],
            "entry": made,
            "cites": [r.ref for r in found[1].rests_on if r.what == "statement"] if found else [],
            "left_out": left_out,
        }

    def survives(self, entry: loader.Entry, control: Control) -> bool:
        """Whether a control is proved by what its author derives."""
        made = self.control(entry, control)["entry"]
        return made["outcome"] == "finding" and made["certificate"] is not None

    def _counterexample(self, statement: Statement) -> tuple[tuple[Certificate, Verdict] | None, str]:
        """The same for a statement; where the search itself cannot run, that is said."""
        try:
            found, tried = self._search(statement)
            return found, tried.removesuffix(_GIVE)
        except (StepError, LeftOutError) as error:
            return None, f"no counterexample could be searched for: {error}"

    def _search(self, statement: Statement) -> tuple[tuple[Certificate, Verdict] | None, str]:
        """A witness found by search and accepted by the kernel; else None and what was tried."""
        from theorytest.kernel.statement import Certificate
        from theorytest.kernel.trajectory import about_flows

        if about_flows(statement.claim):
            return self._enclose(statement)
        with _steps_named("the search for a witness"):
            from theorytest.search.witness import ATTEMPTS, find_witness, proposals

            witness = find_witness(statement, self.run.seed)
            tried = [] if witness is not None else list(islice(proposals(statement, self.run.seed), ATTEMPTS))
            met = sum(1 for proposal in tried if _meets(statement, proposal.instance))
        if witness is None and not tried:
            return None, f"no search is known for a claim of kind {type(statement.claim).__name__}{_GIVE}"
        if witness is None and not met:
            return None, f"none of the {len(tried)} exact instances that were tried meets the assumptions{_GIVE}"
        if witness is None:
            return None, f"{_SURVIVED} among {met} exact instances, smallest shapes first, seed {self.run.seed}"
        certificate = Certificate("witness", statement.digest, witness, "theorytest.search.witness")
        verdict = self._decide(statement, certificate)
        if verdict.status != "REFUTED":
            return None, f"a search found a witness that the kernel does not accept: {verdict.reason}"
        return (certificate, verdict), ""

    def _enclose(self, statement: Statement) -> tuple[tuple[Certificate, Verdict] | None, str]:
        """A claim about flows of instances, decided by enclosing them: refuted, or None and what was found."""
        from theorytest.kernel.statement import Certificate

        with _steps_named("the enclosure of the flow"):
            from theorytest.enclose import flowpipe

            payload = flowpipe.certificate(statement.claim)
        certificate = Certificate("flowpipes", statement.digest, payload, flowpipe.__name__)
        verdict = self._decide(statement, certificate)
        if verdict.status == "REFUTED":
            return (certificate, verdict), ""
        return None, verdict.reason or f"{_SURVIVED}: it holds along the flow ({verdict.scope})"

    # -- evidence --------------------------------------------------------------------------------------------------

    def evidence(self, entry: loader.Entry, piece: Evidence) -> record.Fragment:
        """Run one piece of evidence."""
        start = time.perf_counter()
        error, left_out, made = "", "", None
        seed, device = self.run.seed, self.run.device
        blank: dict[str, Any] = {"instances": 0, "worst": "", "holds": None, "detail": "", "digits": None}
        blank |= {"numbers": {}, "series": {}}
        try:
            with _steps_named(piece.name), _draws_by_seed_alone():
                outcome = piece.run(self.run)
            made = {
                "instances": outcome.instances,
                "worst": outcome.worst,
                "holds": outcome.holds,
                "detail": outcome.detail,
                "digits": outcome.digits,
                "numbers": {name: _plain(value) for name, value in outcome.numbers},
                "series": {name: [_plain(x) for x in values] for name, values in outcome.series},
            }
        except LeftOutError as why:
            left_out = str(why)
        except (StepError, AttributeError, TypeError, ValueError) as why:
            error = str(why) if isinstance(why, StepError) else f"what it returns is not an Outcome: {loader.what(why)}"
            made = blank
        if made is not None:
            head = {"name": piece.name, "arithmetic": piece.arithmetic, "profile": piece.profile}
            made = {**head, **made, "seed": seed, "device": device, "error": error}
            made["seconds"] = round(time.perf_counter() - start, 3)
        return {
            "part": "evidence",
            "label": f"{entry.statement.label}/{piece.name}",
            "parent": entry.statement.label,
            "parent_fragment": self._unselected(entry),
            "order": [*entry.order, 1 + len(entry.controls) + entry.evidence.index(piece)],
            "entry": made,
            "cites": [],
            "left_out": left_out,
        }

    def _unselected(self, entry: loader.Entry) -> record.Fragment:
        """What a record says of a statement of which only parts were run."""
        label = entry.statement.label
        if label not in self._undecided:
            made = {**describe(entry.statement), "status": "UNDECIDED", "scope": entry.statement.scope, "rests_on": []}
            made |= {"certificates": [], "steps": [], "reason": record.NOT_SELECTED, "vacuity": "", "file": entry.file}
            made |= {"margin": "", "control_count": len(entry.controls), "seconds": 0.0}
            whole = {"part": "statement", "label": label, "order": [*entry.order, 0], "entry": made, "cites": []}
            self._undecided[label] = {**whole, "left_out": ""}
        return self._undecided[label]


def _meets(statement: Statement, instance: Instance) -> bool:
    """Whether an instance meets all assumptions; one that does not says nothing about a claim."""
    from theorytest.kernel.errors import KernelError
    from theorytest.kernel.witness import require_assumptions

    try:
        require_assumptions(statement, instance)
    except KernelError:
        return False
    return True


_STRENGTH = ("PROVED", "CERTIFIED", "REFUTED")
_SURVIVED = "no witness was found"
_GIVE = ": give a witness"


class StepError(Exception):
    """A step of a proof, or a piece of evidence, failed; the message says where and why."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place or message.partition(": ")[0]


@contextmanager
def _steps_named(name: str) -> Iterator[None]:
    """Turn an error in an author's function into one line with its place, and a missing extra into `LeftOutError`."""
    try:
        with loader.nobody_exits():
            yield
    except (StepError, LeftOutError):
        raise
    except (Exception, SystemExit) as error:
        extra = missing_extra(error)
        if extra:
            raise LeftOutError(extra) from error
        place = f"{name} ({loader.where(error)})"
        raise StepError(f"{place}: {loader.what(error)}", place) from error


@contextmanager
def _draws_by_seed_alone() -> Iterator[None]:
    """Let a seed alone determine what Hypothesis draws.

    Hypothesis mixes in constants that it reads in the source of the user's modules imported so far, so that what it
    draws depends on what was checked before in the same process, whatever the seed. While evidence runs there are none.
    """
    try:
        from hypothesis.internal.conjecture import providers
        from hypothesis.internal.constants_ast import Constants

        usual, cache = providers._get_local_constants, providers.CONSTANTS_CACHE.cache
        empty = Constants()
    except (ImportError, AttributeError):  # another version, which may not do so
        yield
        return
    providers._get_local_constants = lambda: empty
    cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = usual
        cache.clear()


def describe(statement: Statement, *, brief: bool = False) -> dict[str, Any]:
    """What a record says about a statement before it is checked (a control needs less)."""
    from theorytest import latex
    from theorytest.kernel.encoding import encode

    data: dict[str, Any] = {
        "label": statement.label,
        "title": statement.title,
        "expected": statement.expected,
        "expected_reason": statement.expected_reason,
        "digest": statement.digest,
        "statement": encode(statement),
        "claim_latex": latex.claim(statement.claim),
    }
    if brief:
        return data
    assumptions = [
        {"label": a.label, "text": a.text, "latex": latex.claim(a.formula) if a.formula is not None else ""}
        for a in statement.assumptions
    ]
    return data | {
        "id": statement.id,
        "kind": statement.kind,
        "source": {"key": statement.source.key, "locator": statement.source.locator},
        "assumptions": assumptions,
        "deviations": list(statement.deviations),
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    from theorytest.kernel.encoding import encode

    return {
        "kind": certificate.kind,
        "digest": certificate.digest,
        "payload": encode(certificate.payload),
        "producer": certificate.producer,
    }


def _producer(function: Callable[..., Any]) -> str:
    return function.__name__


def _plain(value: Any) -> Any:
    """A JSON value: exact and other numbers that JSON cannot hold become text."""
    if value is None or isinstance(value, (str, bool)) or type(value) is int:
        return value
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        number = float(value)
        return number if number - number == 0 else str(number)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)


# -- a run -----------------------------------------------------------------------------------------------------------


def require(*, profile: str, seed: int, device: str) -> None:
    """Raise `InputError` unless a run can be made like that here."""
    if profile not in PROFILES:
        raise InputError(f"there is no profile {profile!r}; needed one of {', '.join(PROFILES)}")
    if device not in DEVICES:
        raise InputError(f"there is no device {device!r}; needed one of {', '.join(DEVICES)}")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"the seed must be an integer from 0 to 2^32 - 1, given {seed!r}")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("device cuda was asked for, but torch finds none here; use cpu")


def one_thread() -> None:
    """Let numerical libraries use one thread: several workers share the cores, and sums come in one order."""
    import sys

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def verify(
    paths: Sequence[str | Path] | str | Path | None = None,
    *,
    profile: str = "quick",
    seed: int = 0,
    device: str = "cpu",
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
    folder: str | Path = ".theorytest",
    labels: Iterable[str] | None = None,
) -> RunResult:
    """Check every statement, control and piece of evidence of the proof files under the paths.

    paths: files or folders (default ``proofs``); profile: "quick" or "full" (more evidence); workers: processes;
    progress: called with the number of checks done, their number, and the label of the last; folder: where ledger and
    record go; labels: only these checks. The result carries the record; statuses, witnesses and certificates depend on
    the files, the profile and the seed only.

    Every verdict is in the ledger as soon as it is found, whatever happens to the run afterwards. Raises `InputError`
    where a path, an option or a proof file is wrong.

    >>> from theorytest import verify  # doctest: +SKIP
    >>> result = verify("proofs/rmc21")  # doctest: +SKIP
    >>> result.ok, result.record["statements"][0]["status"]  # doctest: +SKIP
    (True, 'PROVED')
    """
    from theorytest.authoring import Run
    from theorytest.ledger import Ledger

    require(profile=profile, seed=seed, device=device)
    if type(workers) is not int or workers < 1:
        raise InputError(f"the number of workers must be an integer from 1, given {workers!r}")
    one_thread()
    chosen = [paths] if isinstance(paths, (str, Path)) else list(paths or loader.default_paths())
    files, given = loader.find(chosen), ", ".join(map(str, chosen))
    run = Run(profile, seed, device)
    asked = None if labels is None else tuple(labels)
    with _checks(files, given, run, asked, workers) as (todo, results):
        workers = min(workers, len(todo))
        ledger = Ledger(folder)
        number = ledger.begin(record.environment(profile=profile, seed=seed, device=device, workers=workers))
        fragments: list[record.Fragment] = []
        for done, (label, found) in enumerate(results, 1):
            fragments += found
            ledger.add(number, [f for f in found if f["label"] == label])
            if progress is not None:
                progress(done, len(todo), label)
    path, made = ledger.finish(number, fragments)
    return RunResult(made, path, tuple(record.problems(made)))


@contextmanager
def _checks(
    files: Sequence[Path], given: str, run: Run, labels: tuple[str, ...] | None, workers: int
) -> Iterator[tuple[list[Item], Iterator[tuple[str, list[record.Fragment]]]]]:
    """The checks of a run, and what they return as they are done, each with its label."""
    if workers == 1:
        library = loader.load_files(files)
        todo = chosen_items(library, run.profile, labels, given=given)
        checker = Checker(library, run)
        yield todo, ((item.label, checker.check(item.label)) for item in todo)
        return
    from theorytest.worker import Pool

    with Pool([str(file) for file in files], given, run, labels, workers) as pool:
        todo = [Item(*item) for item in pool.items]
        yield todo, pool.results([(item.file, item.label) for item in todo])
