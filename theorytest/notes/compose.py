"""The document of a record: every sentence, formula, number and status comes from the record of a run.

Beside it, the inventory says which statements a paper has and in what order, ``papers.toml`` what the papers are
called, and the docstrings of the kernel what its rules mean. No mathematics is done here.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from theorytest import record as records
from theorytest.blueprint import Entry, coverage
from theorytest.errors import InputError
from theorytest.notes import document as d
from theorytest.notes.prose import GREEK, prose, signs
from theorytest.notes.telling import failing

CHECKED = ("PROVED", "CERTIFIED", "DEFINED")
HEADLINE = ("theorem", "proposition", "corollary", "conjecture")
AXES = ("t", "time", "step", "iteration", "epoch", "x")
ENGLISH = ("a", "an", "as", "at", "by", "if", "in", "is", "it", "no", "of", "on", "or", "so", "to", "we")
LONG = 14  # steps from which a derivation is shown on demand
MEANING = {
    "PROVED": "an exact proof, for all shapes and sizes in its scope, replayed by the kernel",
    "CERTIFIED": "verified rigorously by the kernel, on the instances in its scope only",
    "SUPPORTED": "no counterexample on the instances in its scope: evidence, never proof",
    "DEFINED": "a definition that can be executed, with the evidence that it is used as written",
    "REFUTED": "false: there are exact numbers at which every assumption holds and the claim fails",
    "UNDECIDED": "neither proved nor refuted, with the reason",
    "ASSUMED": "cited from elsewhere, not checked here",
    "finding": "a control that survives: the assumption is not needed, or the constant is not sharp",
    "missing": "in the inventory of its paper, and not stated in this run",
}
Row = Mapping[str, Any]


def papers(path: Path) -> dict[str, str]:
    """What the keys of papers stand for: ``{"RC20": "Razin and Cohen, ..."}``. Raises `InputError` for a bad file."""
    if not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return {key: f"{t['authors']}: {t['title']}. {t['published']}." for key, t in tables.items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a list of papers ({error}): needed authors, title, published") from error


def compose(
    record: Row,
    entries: Sequence[Entry] = (),
    titles: Mapping[str, str] | None = None,
    *,
    file: str = "RECORD.json",
    rechecked: bool = False,
) -> d.Document:
    """The notes of a record. file: the record's name in the commands that check it again; rechecked: it was read
    from a file and checked again, and its words were made anew (`theorytest.notes.telling`)."""
    return _Composer(record, entries, titles or {}, file, rechecked).document()


class _Composer:
    def __init__(
        self, record: Row, entries: Sequence[Entry], titles: Mapping[str, str], file: str, rechecked: bool
    ) -> None:
        self.record, self.entries, self.titles, self.file = record, entries, titles, file
        self.rechecked = rechecked
        self.statements: dict[str, Row] = {s["label"]: s for s in record["statements"]}
        self.rests = {
            label: [r["ref"] for r in s["rests_on"] if r["what"] == "statement" and r["ref"] in self.statements]
            for label, s in self.statements.items()
        }
        self.used: dict[str, list[str]] = {label: [] for label in self.statements}
        for label, refs in self.rests.items():
            for ref in refs:
                self.used[ref].append(label)
        self.rows = coverage(dict(record), entries)
        self.parts: dict[str, str] = {}  # of refuted claims, that fail: they are shown in two places
        self.known = set(self.statements) | {entry.id for entry in entries}

    # -- what is where -------------------------------------------------------------------------------------------------

    def ancestors(self, label: str) -> list[str]:
        """All statements that one rests on, directly or not."""
        found: dict[str, None] = {}
        todo = list(self.rests[label])
        while todo:
            ref = todo.pop(0)
            if ref not in found:
                found[ref] = None
                todo += self.rests[ref]
        return list(found)

    def badge(self, label: str) -> d.Badge:
        """The status of a statement, and whether all that it rests on is checked as well."""
        statement = self.statements[label]
        lineage = [statement, *(self.statements[a] for a in self.ancestors(label))]
        complete = all(s["status"] in CHECKED and not s["given"] for s in lineage)
        return d.Badge(statement["status"], complete)

    def chapters(self) -> dict[str, list[str]]:
        """The labels of every source, in the order of the inventory and then of the record."""
        order = {entry.id: place for place, entry in enumerate(self.entries)}
        home = {entry.id: entry.paper for entry in self.entries}
        found: dict[str, list[str]] = {entry.paper: [] for entry in self.entries}
        for label in sorted(self.statements, key=lambda name: order.get(self.statements[name]["id"], len(order))):
            statement = self.statements[label]
            found.setdefault(home.get(statement["id"], statement["source"]["key"] or "Statements"), []).append(label)
        return found

    def prose(self, text: str) -> d.Line:
        return prose(text, self.known)

    # -- the document --------------------------------------------------------------------------------------------------

    def document(self) -> d.Document:
        at = self.record["environment"]
        pieces = [
            f"theorytest {at['theorytest']}",
            f"kernel {at['kernel']['digest'][:12]}",
            f"profile {at['profile']}, seed {at['seed']}",
            f"run of {str(at['started'])[:10]}",
            *(["checked again by the kernel"] if self.rechecked else []),
        ]
        chapters = [self.chapter(key, labels) for key, labels in self.chapters().items()]
        front = (self.overview(), self.findings(), self.blueprint())
        return d.Document("Derivation notes", " · ".join(pieces), (*front, *chapters, self.rules(), self.checking()))

    def overview(self) -> d.Section:
        counts = Counter(s["status"] for s in self.statements.values())
        controls = list(records.controls(self.record))
        refuted = sum(c["outcome"] == "REFUTED" for c in controls)
        are = "is" if refuted == 1 else "are"
        findings = sum(c["outcome"] == "finding" for c in controls)
        evidence = [e for s in self.statements.values() for e in s["evidence"]]
        instances = sum(e["instances"] for e in evidence)
        status = ", ".join(f"{n} {name}" for name, n in counts.most_common())
        blocks: list[d.Block] = [
            d.Paragraph(
                (
                    f"These notes hold {_count(len(self.statements), 'statement')}: {status}. Proofs are derived step "
                    "by step; every step was replayed by a small kernel in exact arithmetic. Every formula, number and "
                    "status below was written by the machine from the record of that run. ",
                    f"Beside the proofs stand {_count(len(controls), 'control')}: statements with an assumption "
                    f"dropped or a constant tightened, which have to fail. {refuted} {are} refuted with exact numbers"
                    + (f" and {findings} survive (" if findings else "."),
                    *((d.Link("findings", "findings"), "). ") if findings else (" ",)),
                    f"{_count(len(evidence), 'piece')} of evidence looked at {_number(instances)} instances."
                    if evidence
                    else "",
                )
            ),
        ]
        for lead, anchor, false in (
            ("False as printed", "false", self.printed_false()),
            ("Refuted", "refuted", self.other_false()),
        ):
            if false:
                line = (d.Strong(lead), " (", d.Link(anchor, "why, and what holds instead"), "):")
                blocks.append(d.Paragraph(line))
                lines = [(d.Link(label), ": ", *self.prose(s["title"]), f" ({_source(s)})") for label, s in false]
                blocks.append(d.Items(tuple((d.Paragraph(line),) for line in lines)))
        blocks.append(
            d.Paragraph(
                (
                    d.Strong("To check it again: "),
                    d.Code(f"theorytest recheck {shlex.quote(self.file)}"),
                    " has the kernel replay every certificate in this run's record, with nothing else imported (",
                    d.Link("check", "more"),
                    ").",
                )
            )
        )
        blocks += self.headlines()
        known = dict.fromkeys(s["status"] for s in self.statements.values())
        known |= dict.fromkeys(c["outcome"] for c in controls)
        if any(not row["status"] for row in self.rows):
            known["missing"] = None
        legend = tuple(d.Row(((d.Badge(name),), (text,))) for name, text in MEANING.items() if name in known)
        blocks.append(d.Table("What a status says", ("status", "meaning"), legend, 1))
        return d.Section("overview", ("Overview",), tuple(blocks))

    def headlines(self) -> list[d.Block]:
        shown: list[d.Block] = []
        for key, labels in self.chapters().items():
            rows = [
                d.Row(((self.badge(label),), (d.Link(label),), self.prose(s["title"]), self.prose(s["scope"])))
                for label in labels
                if (s := self.statements[label])["kind"] in HEADLINE
            ]
            if rows:
                head = ("status", "statement", "what it says", "for")
                shown.append(d.Table(f"Main statements of {key}", head, tuple(rows), 2))
        return shown

    # -- problems and findings -----------------------------------------------------------------------------------------

    def false(self) -> list[tuple[str, Row]]:
        return [(label, s) for label, s in self.statements.items() if s["status"] == "REFUTED"]

    def printed_false(self) -> list[tuple[str, Row]]:
        """What a paper states and is false: not a claim of one's own, nor a variant that a file expects to fail."""
        papers = {*self.titles, *(entry.paper for entry in self.entries)}
        stated = {label for label, s in self.false() if label == s["id"] and s["source"]["key"] in papers}
        return [(label, s) for label, s in self.false() if label in stated or label.endswith("/printed")]

    def other_false(self) -> list[tuple[str, Row]]:
        """The other refuted statements."""
        printed = self.printed_false()
        return [pair for pair in self.false() if pair not in printed]

    def refuted(self, entries: Sequence[tuple[str, Row]]) -> tuple[d.Block, ...]:
        """Each with all that it says, which part of it fails, by how much and at which numbers, and what holds
        instead."""
        blocks: list[d.Block] = []
        for label, s in entries:
            blocks.append(
                d.Paragraph((d.Badge("REFUTED"), " ", d.Link(label), " ", *self.prose(s["title"]), f" ({_source(s)})."))
            )
            blocks.append(d.Display(s["claim_latex"]))
            assumed = [self.prose(a["text"]) for a in s["assumptions"]]
            if assumed:
                blocks.append(d.Paragraph((d.Strong("Where "), *_joined(assumed, "; "), "."), "fine"))
            blocks += self.setting(s)
            blocks += self.failure(s)
            others = [name for name, o in self.statements.items() if o["id"] == s["id"] and name != label]
            held = [name for name in others if self.statements[name]["status"] in CHECKED]
            if held:
                pieces = [
                    (d.Link(name), " ", self.badge(name), " ", *self.prose(self.statements[name]["title"]))
                    for name in held
                ]
                blocks.append(d.Paragraph((d.Strong("What holds instead: "), *_joined(pieces, "; "), ".")))
        return tuple(blocks)

    def failure(self, s: Row) -> list[d.Block]:
        """Why a refuted statement is false: the part that fails, by how much, and the numbers."""
        why = _sentence(records.margin(s) or s["scope"])
        if s["label"] not in self.parts:
            self.parts[s["label"]] = failing(s)
        part = self.parts[s["label"]]
        if not part:
            return [d.Paragraph((d.Strong("It is false."), " ", *self.prose(why))), *self.numbers(s)]
        lead = d.Paragraph((d.Strong("It is false."), " This part fails:"))
        return [lead, d.Display(part), d.Paragraph(self.prose(why)), *self.numbers(s)]

    def findings(self) -> d.Section:
        printed, others = self.printed_false(), self.other_false()
        sections: list[d.Section] = []
        if printed or self.titles or self.entries:
            none = (d.Paragraph(("Nothing that a paper states is refuted in this run.",)),)
            sections.append(d.Section("false", ("False as printed",), self.refuted(printed) or none))
        if others:
            sections.append(d.Section("refuted", ("Refuted",), self.refuted(others)))
        survivors = [(s, c) for s in self.statements.values() for c in s["controls"] if c["outcome"] == "finding"]
        if survivors:
            rows = tuple(
                d.Row(
                    (
                        (d.Link(s["label"]),),
                        self.prose(c["breaks"]),
                        (*self.prose(c["title"]), " ", *self.prose(_sentence(c["expected_reason"]))),
                        ("proved" if c["certificate"] else "not refuted by search",),
                    )
                )
                for s, c in survivors
            )
            head = ("statement", "what is changed", "what holds all the same", "how strong")
            note = d.Paragraph(
                ("Controls that survive: the assumption is not needed, or the constant is not the best one.",)
            )
            sections.append(d.Section("survivors", ("Stronger than printed",), (note, d.Table("", head, rows, 2))))
        differences: dict[str, list[str]] = {}
        for label, s in self.statements.items():
            for text in s["deviations"]:
                differences.setdefault(text, []).append(label)
        if differences:
            rows = tuple(
                d.Row((self.prose(text), tuple(_joined([(d.Link(label),) for label in labels]))))
                for text, labels in differences.items()
            )
            table = d.Table("", ("how the statement here differs, and why", "where"), rows, 0)
            sections.append(d.Section("differences", ("Differences from the sources",), (table,)))
        open_ = [
            (label, s)
            for label, s in self.statements.items()
            if s["status"] in ("UNDECIDED", "ASSUMED") or s["given"] or s["vacuity"]
        ]
        if open_:
            rows = tuple(
                d.Row(((self.badge(label),), (d.Link(label),), self.prose(_why_open(s)))) for label, s in open_
            )
            table = d.Table("", ("status", "statement", "why"), rows, 2)
            sections.append(d.Section("open", ("Open, or resting on something open",), (table,)))
        unexpected = records.problems(self.record)
        if unexpected:
            items = d.Items(tuple((d.Paragraph(self.prose(text)),) for text in unexpected))
            sections.append(d.Section("unexpected", ("Not as expected",), (items,)))
        return d.Section("findings", ("Problems and findings",), (), tuple(sections))

    # -- blueprint -----------------------------------------------------------------------------------------------------

    def blueprint(self) -> d.Section:
        home = {label: key for key, labels in self.chapters().items() for label in labels}
        nodes = [
            d.Node(label, (b := self.badge(label)).status, b.complete, s["title"], home[label])
            for label, s in self.statements.items()
        ]
        nodes += [
            d.Node(row["id"], "missing", False, row["title"], row["paper"]) for row in self.rows if not row["labels"]
        ]
        edges = tuple((ref, label) for label, refs in self.rests.items() for ref in refs)
        text = d.Paragraph(
            (
                "An arrow leads from a statement to what rests on it. A second line around a statement says that all "
                "that it rests on, however far back, is checked too.",
            )
        )
        blocks: list[d.Block] = [text, d.Graph("Which statement rests on which", tuple(nodes), edges)]
        if self.rows:
            counts: dict[str, Counter[str]] = {}
            for row in self.rows:
                counts.setdefault(row["paper"], Counter())[row["status"] or "missing"] += 1
            columns = [name for name in MEANING if any(count[name] for count in counts.values())]
            rows = tuple(
                d.Row(
                    (
                        (d.Link(f"paper-{paper}", paper),),
                        *((str(count[name]),) if count[name] else ("",) for name in columns),
                        (str(sum(count.values())),),
                    )
                )
                for paper, count in counts.items()
            )
            blocks.append(d.Table("Coverage of the papers", ("paper", *columns, "all"), rows))
        return d.Section("blueprint", ("Blueprint",), tuple(blocks))

    # -- chapters ------------------------------------------------------------------------------------------------------

    def chapter(self, key: str, labels: Sequence[str]) -> d.Section:
        blocks: list[d.Block] = [d.Paragraph((self.titles[key],))] if key in self.titles else []
        rows: list[d.Row] = []
        for row in (r for r in self.rows if r["paper"] == key):
            links = tuple(_joined([(d.Link(label),) for label in row["labels"]])) or (row["id"],)
            status = d.Badge(row["status"] or "missing")
            anchor = "" if row["id"] in self.statements else row["id"]
            words = f" (in words: {row['in_words']})" if row["in_words"] else ""
            rows.append(d.Row(((status,), links, self.prose(row["title"] + words), (row["kind"],)), anchor))
        if rows:
            done = sum(r["status"] in CHECKED for r in self.rows if r["paper"] == key)
            table = d.Table("", ("status", "statement", "title", "kind"), tuple(rows), 2)
            summary = f"All {len(rows)} statements of the paper; {done} are checked"
            blocks.append(d.More((summary,), (table,)))
        sections = tuple(self.statement(label) for label in labels)
        return d.Section(f"paper-{key}", (self.heading(key),), tuple(blocks), sections, short=key)

    def heading(self, key: str) -> str:
        title = self.titles.get(key, "").partition(": ")[2].partition(". ")[0]
        return f"{key}: {title}" if title else key

    def statement(self, label: str) -> d.Section:
        s = self.statements[label]
        blocks: list[d.Block] = [self.environment(s)]
        if s["status"] == "REFUTED":
            blocks += self.failure(s)
        for name in ("reason", "vacuity"):
            if s[name]:
                blocks.append(d.Paragraph((d.Strong(f"{name.capitalize()}: "), *self.prose(_sentence(s[name])))))
        if s["deviations"]:
            blocks.append(d.Paragraph((d.Strong("Differs from the source:"),)))
            blocks.append(d.Items(tuple((d.Paragraph(self.prose(_sentence(text))),) for text in s["deviations"])))
        blocks += self.derivation(s)
        blocks += self.context(s)
        blocks += self.controls(s)
        blocks += self.evidence(s)
        blocks += self.again(s)
        return d.Section(label, self.prose(s["title"]), tuple(blocks), badge=self.badge(label), short=label)

    def environment(self, s: Row) -> d.Environment:
        blocks: list[d.Block] = []
        settings = dict(_settings(s["statement"]))
        if settings:
            pieces = [(*self.prose(name), ": ", *self.prose(text)) for name, text in settings.items()]
            blocks.append(d.Paragraph((d.Strong("Setting. "), *_joined(pieces, "; "), ".")))
        blocks += self.setting(s)
        if s["assumptions"]:
            items: list[tuple[d.Block, ...]] = []
            for a in s["assumptions"]:
                item: list[d.Block] = [d.Paragraph((d.Strong(f"{signs(a['label'])}: "), *self.prose(a["text"])))]
                items.append((*item, d.Display(a["latex"])) if a["latex"] else tuple(item))
            blocks += [d.Paragraph((d.Strong("Assume"),)), d.Items(tuple(items))]
        lead = "Claim" if s["status"] not in CHECKED else "Then" if s["assumptions"] else "It holds that"
        blocks += [d.Paragraph((d.Strong(lead),)), d.Display(s["claim_latex"])]
        if s["scope"] and s["status"] != "REFUTED":
            blocks.append(d.Paragraph(("for ", *self.prose(s["scope"]), ".")))
        return d.Environment(s["kind"], _source(s), tuple(blocks))

    def setting(self, s: Row) -> list[d.Block]:
        """The flows that a claim is about: sizes, start and loss of each."""
        from theorytest.kernel.encoding import decode
        from theorytest.latex import loss

        problems: dict[str, Row] = {records.dumps(p): p for p in _nouns(s["statement"]["claim"], "InitialValueProblem")}
        blocks: list[d.Block] = []
        for number, problem in enumerate(problems.values(), 1):
            name = f"Flow {number}. " if len(problems) > 1 else "Flow. "
            sizes, start = (
                list(_joined(list(_instance({**_NOTHING, **part}))))
                for part in ({"sizes": problem["sizes"]}, {"blocks": problem["start"]})
            )
            of = d.Formula(loss(decode(problem["loss"])))
            line = (d.Strong(name), "Gradient flow of ", of, " with ", *sizes, ", from ", *start, ".")
            blocks.append(d.Paragraph(line))
        return blocks

    def derivation(self, s: Row) -> list[d.Block]:
        steps = tuple(self.steps(s["steps"]))
        if not steps:
            kinds = [c["kind"] for c in s["certificates"] if c["kind"] != "witness"]
            what = f"The kernel checked a certificate of the kind “{kinds[0]}”." if kinds else ""
            return [d.Paragraph((d.Strong("Proof. "), what))] if kinds else []
        inner = sum(len(step.inner) for step in steps)
        count = _count(len(steps), "step") + (f" and {inner} inside them" if inner else "")
        summary = (d.Strong("Derivation"), f", {count}, each replayed by the kernel")
        if len(steps) > LONG:
            return [d.More(summary, (d.Steps(steps),))]
        return [d.Paragraph(summary), d.Steps(steps)]

    def steps(self, steps: Sequence[Row], prefix: str = "") -> Iterator[d.Step]:
        for place, step in enumerate(steps, 1):
            number = f"{prefix}{place}"
            uses = tuple(f"{prefix}{k + 1}" for k in step.get("premises", ()))
            latex = step["latex"]
            if step["rule"] == "suppose":
                latex = latex.removeprefix(r"\text{suppose} \; ")
            words = self.prose(step["text"] or step["rule"])
            yield d.Step(number, words, latex, step["rule"], uses, tuple(self.steps(step["inner"], f"{number}.")))

    def context(self, s: Row) -> list[d.Block]:
        label = s["label"]
        blocks: list[d.Block] = []
        direct, all_ = self.rests[label], self.ancestors(label)
        if direct:
            line: d.Line = (d.Strong("Rests on "), *_joined([(d.Link(ref), " ", self.badge(ref)) for ref in direct]))
            further = [ref for ref in all_ if ref not in direct]
            if further:
                line = (
                    *line,
                    ", and through them on ",
                    *_joined([(d.Link(ref), " ", self.badge(ref)) for ref in further]),
                )
            blocks.append(d.Paragraph((*line, ".")))
        given = [r["ref"] for r in s["rests_on"] if r["what"] in ("citation", "oracle")]
        if given:
            blocks.append(d.Paragraph((d.Strong("Given, not checked here: "), *self.prose("; ".join(given)), ".")))
        rules = sorted({r["ref"] for r in s["rests_on"] if r["what"] == "rule"})
        if rules:
            links = [(d.Link(f"rule-{name}", name),) for name in rules]
            lead = d.Strong("Rules of the kernel: ")
            blocks.append(d.Paragraph((lead, *_joined(links), "."), "fine"))
        if self.used[label]:
            blocks.append(d.Paragraph((d.Strong("Used by "), *_joined([(d.Link(r),) for r in self.used[label]]), ".")))
        return blocks

    def controls(self, s: Row) -> list[d.Block]:
        absent = s.get("controls_not_run", 0)
        missing = (
            [d.Paragraph((d.Strong("Not in this record: "), f"{_count(absent, 'control')} that the run left out."))]
            if absent
            else []
        )
        if not s["controls"]:
            return [*missing]
        outcomes = Counter(c["outcome"] for c in s["controls"])
        words = {"REFUTED": "refuted", "finding": "survive"}
        counts = ", ".join(f"{n} {words.get(name, name.lower())}" for name, n in outcomes.items())
        own = self.setting(s)
        items: list[tuple[d.Block, ...]] = []
        for c in s["controls"]:
            name = c["label"].rpartition("/")[2].replace("_", " ")
            title = () if name == c["title"].rstrip(".").lower() else (" ", *self.prose(_sentence(c["title"])))
            head = (d.Badge(c["outcome"]), " ", d.Strong(f"{name}."), *title)
            item: list[d.Block] = [d.Paragraph((*head, " It changes: ", *self.prose(c["breaks"]), "."))]
            if c["claim_latex"] != s["claim_latex"]:
                item.append(d.Display(c["claim_latex"]))
            item += [block for block in self.setting(c) if block not in own]
            item += self.witness(c)
            for key in ("reason", "expected_reason"):
                if c[key]:
                    item.append(d.Paragraph(self.prose(_sentence(c[key])), "fine"))
            items.append(tuple(item))
        summary = (d.Strong("Controls"), f": {_count(len(s['controls']), 'variant')} that must fail; {counts}")
        return [d.More(summary, (d.Items(tuple(items)),)), *missing]

    def witness(self, part: Row) -> list[d.Block]:
        """By how much a refuted control fails, and the exact numbers at which it does."""
        if part["outcome"] != "REFUTED":
            return []
        why = records.margin(part)
        return [*([d.Paragraph(self.prose(_sentence(why)), "fine")] if why else []), *self.numbers(part)]

    def numbers(self, part: Row) -> list[d.Block]:
        """The exact numbers at which a refuted statement or control fails, with the loss where they are a start."""
        from theorytest.kernel.encoding import decode
        from theorytest.latex import loss

        found = records.witness(part)
        if found is None:
            return []
        instance, beside = found
        pieces = list(_instance(instance))
        pieces += [(d.Formula(loss(decode(each))),) for each in _nouns(list(beside), "MeasuredLoss")]
        return [d.Paragraph((d.Strong("Fails at "), *_joined(pieces), "."), "fine")] if pieces else []

    def evidence(self, s: Row) -> list[d.Block]:
        if not s["evidence"]:
            return []
        items: list[tuple[d.Block, ...]] = []
        for e in s["evidence"]:
            held = {True: "holds", False: "violated", None: "open"}[e["holds"]]
            name = e["name"].replace("_", " ")
            digits = f", {e['digits']} digits" if e["digits"] else ""
            numbers = f"{_number(e['instances'])} instances, {e['arithmetic']}{digits}, worst {e['worst']}"
            line: d.Line = (
                d.Strong(f"{name}: "),
                f"{held}; {numbers}. ",
                *self.prose(_sentence(e["detail"] or e["error"])),
            )
            items.append((d.Paragraph(line), *self.plots(s["label"], e)))
        note = d.Paragraph((d.Strong("Evidence"), " (no certificate covers it; it could have contradicted a proof)"))
        return [note, d.Items(tuple(items))]

    def plots(self, label: str, e: Row) -> Iterator[d.Plot]:
        series = {name: tuple(map(float, values)) for name, values in e["series"].items() if len(values) > 1}
        axis = next((name for name in AXES if name in series), "")
        caption = (*self.prose(e["name"].replace("_", " ")), f", seed {e['seed']}")
        slug = re.sub(r"\W+", "-", f"{label}-{e['name']}").lower()
        if not axis:
            for name, values in series.items():
                yield d.Plot(f"{slug}-{name}", caption, "", (), (d.Curve(name, values),))
            return
        at = series.pop(axis)
        for group, curves in _bands(series, len(at)).items():
            yield d.Plot(f"{slug}-{group}", caption, axis, at, curves)

    def again(self, s: Row) -> list[d.Block]:
        label = shlex.quote(s["label"])
        lines = [f"theorytest verify {shlex.quote(s['file'])}"] if s.get("file") else []
        lines.append(f"theorytest explain {label}")
        digests = [f"{c['kind']} {c['digest'][:12]}, made by {c['producer']}" for c in s["certificates"]]
        text = d.Paragraph(
            (d.Strong("Check it again"), f" (certificate: {'; '.join(digests)})" if digests else ""), "fine"
        )
        return [text, d.Listing(tuple(lines))]

    # -- rules and checking --------------------------------------------------------------------------------------------

    def rules(self) -> d.Section:
        import theorytest.kernel.check  # noqa: F401, which registers every rule
        from theorytest.kernel.rules import RULES

        users: dict[str, list[str]] = {}
        for label, s in self.statements.items():
            for r in s["rests_on"]:
                if r["what"] == "rule":
                    users.setdefault(r["ref"], []).append(label)
        rows = tuple(
            d.Row(
                (
                    (d.Code(name),),
                    self.prose(
                        " ".join((RULES[name].__doc__ or "").split()) if name in RULES else "not in this kernel"
                    ),
                    (str(len(labels)),),
                ),
                f"rule-{name}",
            )
            for name, labels in sorted(users.items())
        )
        text = d.Paragraph(
            (
                "A derivation ends only in what these rules allow: for each step the kernel computes what the rule "
                "concludes from the earlier results and the data named there. The text is the kernel's own.",
            )
        )
        table = d.Table("", ("rule", "what it concludes, and why", "statements"), rows, 1)
        return d.Section("rules", ("Rules of the kernel",), (text, table))

    def checking(self) -> d.Section:
        at = self.record["environment"]
        file = shlex.quote(self.file)
        versions = ", ".join(f"{name} {number}" for name, number in at["versions"].items())
        kernel = records.kernel_identity()["digest"]
        other = (
            "" if kernel == at["kernel"]["digest"] else f" (not the kernel {at['kernel']['digest'][:12]} of the run)"
        )
        written = (
            f"These notes were written from a file. Before that, the kernel {kernel[:12]}{other} checked every "
            "certificate in it again, and formulas, assumptions and steps were made anew from what it checked."
            if self.rechecked
            else "These notes were written by the run itself, from the verdicts that its kernel had just given."
        )
        blocks = (
            d.Paragraph(
                (
                    "The record of the run holds every statement, certificate and witness in exact numbers. ",
                    d.Code("recheck"),
                    " replays all of them in a fresh process with the kernel alone (the standard library and "
                    "python-flint); a number changed in any of them is caught. ",
                    d.Code("verify"),
                    " searches and proves everything again from the proof files.",
                )
            ),
            d.Listing((f"theorytest recheck {file}", "theorytest verify", "theorytest explain LABEL")),
            d.Paragraph((written,)),
            d.Paragraph(
                (
                    d.Strong("What no certificate covers: "),
                    "evidence with its plots, what a control is said to change, the reasons that a run gives for what "
                    "it leaves open, names of files, seed, versions and times. These are the record's own words; ",
                    d.Code("verify"),
                    " makes them again.",
                )
            ),
            d.Paragraph(
                (
                    f"Run {self.record['run']} on {at['machine']['system']} {at['machine']['architecture']}, "
                    f"Python {at['python']}; {versions}. Kernel {at['kernel']['digest']}, "
                    f"{_number(at['kernel']['lines'])} lines.",
                ),
                "fine",
            ),
        )
        left = self.record.get("left_out", [])
        if left:
            rows = tuple(d.Row(((item["label"],), self.prose(item["reason"]))) for item in left)
            blocks = (*blocks, d.Table("Left out of the run", ("what", "why"), rows, 1))
        return d.Section("check", ("How to check it again",), blocks)


# -- small pieces ------------------------------------------------------------------------------------------------------


def _count(number: int, noun: str) -> str:
    return f"{_number(number)} {noun}" if number == 1 else f"{_number(number)} {noun}s"


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _source(s: Row) -> str:
    return ", ".join(filter(None, (s["source"]["key"], s["source"]["locator"])))


def _sentence(text: str) -> str:
    """Text as a sentence: a capital, and a full stop."""
    if not text:
        return ""
    first = text.partition(" ")[0]
    word = first.isalpha() and first.islower() and (len(first) > 2 or first in ENGLISH) and first not in GREEK
    capital = text[0].upper() + text[1:] if word else text
    return capital if capital[-1] in ".!?" else f"{capital}."


def _joined(pieces: Sequence[Sequence[d.Inline]], between: str = ", ") -> Iterator[d.Inline]:
    for place, piece in enumerate(pieces):
        if place:
            yield between
        yield from piece


def _why_open(s: Row) -> str:
    given = f"given, not checked here: {', '.join(s['given'])}" if s["given"] else ""
    return _sentence("; ".join(filter(None, (s["reason"], s["expected_reason"], given, s["vacuity"]))))


def _settings(value: Any) -> Iterator[tuple[str, str]]:
    """Name and scope of every parameterization in the encoding of a statement."""
    return ((found["name"], found["scope"]) for found in _nouns(value, "Parameterization"))


def _nouns(value: Any, name: str) -> Iterator[Row]:
    """Every noun of that name in the encoding of a value."""
    if isinstance(value, dict):
        if value.get("is") == name:
            yield value
        for item in value.values():
            yield from _nouns(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _nouns(item, name)


_NOTHING: Row = {"sizes": [], "members": [], "blocks": [], "gradient": None, "letters": [], "variables": []}


def _instance(instance: Row) -> Iterator[tuple[d.Inline, ...]]:
    """Every number of an instance: small arrays as matrices, others in rows."""
    from theorytest.latex import symbol

    arrays = [*instance["blocks"], *instance["letters"]]
    if instance["gradient"]:
        arrays.append(("∇L", instance["gradient"]))
    named = {name for name, _ in arrays}
    sizes = [f"{symbol(name)} = {_size(size)}" for name, size in instance["sizes"]]
    sizes += [f"{symbol(name.lstrip('/'))} = {number}" for name, number in instance["members"]]
    sizes += [f"{symbol(name)} = {_exact(number['q'])}" for name, number in instance["variables"] if name not in named]
    yield from ((d.Formula(text),) for text in sizes)
    for name, array in arrays:
        shown = _matrix(array)
        yield (
            (d.Formula(f"{symbol(name)} = {shown}"),)
            if shown
            else (d.Code(f"{name} = {records.array_text(array, most=24)}"),)
        )


def _size(size: Any) -> str:
    return rf"\left( {', '.join(map(_size, size))} \right)" if isinstance(size, list) else str(size)


def _exact(text: str) -> str:
    above, _, below = text.partition("/")
    if not below:
        return text
    return f"{'-' if above.startswith('-') else ''}\\frac{{{above.lstrip('-')}}}{{{below}}}"


def _matrix(array: Row) -> str:
    """An array of at most two legs and at most 5 x 5 entries in LaTeX; "" for others."""
    entries = [_exact(item["q"]) for item in array["entries"]]
    shape = list(array["shape"])
    if not shape:
        return entries[0]
    if len(shape) > 2 or max(shape) > 5 or not entries or max(map(len, entries)) > 40:
        return ""
    columns = shape[-1] if len(shape) == 2 else len(entries)
    if len(entries) == 1:
        return rf"\left( {entries[0]} \right)"
    rows = [" & ".join(entries[k : k + columns]) for k in range(0, len(entries), columns)]
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def _bands(series: Mapping[str, tuple[float, ...]], length: int) -> dict[str, tuple[d.Curve, ...]]:
    """Curves by plot: those of one order of magnitude share one, ``x_low`` and ``x_high`` are one band."""
    plots: dict[str, list[d.Curve]] = {}
    for name, values in series.items():
        if len(values) != length or name.endswith("_high"):
            continue
        stem = name.removesuffix("_low")
        high = series.get(f"{stem}_high", ()) if name.endswith("_low") else ()
        plots.setdefault(_unit(stem), []).append(d.Curve(stem, values, high))
    return {name: tuple(curves) for name, curves in plots.items()}


def _unit(name: str) -> str:
    """Series with the same first word are drawn together ("bound upper", "bound lower")."""
    return re.split(r"[_ ]", name)[0]
