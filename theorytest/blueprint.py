"""How far the papers are covered: every statement of the inventory, with its status in the record of a run, and which
of its assumptions have a control.

The inventory (``inventory.toml`` in the folder of the proofs) lists ids; a statement in a proof file carries the id of
what it states. The status of an id is that of the statement labelled like it, or of the labels in ``parts`` together.
Nothing is checked here: statuses are those of a record.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theorytest.errors import InputError
from theorytest.loader import default_paths

CODES = ("DEF", "SYM", "REAL", "BALL", "TRAJ", "STAT", "PROSE")
OPEN = "UNDECIDED"
SHOWN = ("PROVED", "CERTIFIED")  # statements that need controls
EXPERIMENTS = ("figure", "table")  # kinds of entries that `theorytest reproduce` computes
TRIED = ("REFUTED", "finding")  # controls that say something


@dataclass(frozen=True)
class Entry:
    """One statement of a paper: id, paper, kind, how it can be checked, title, the labels that make it up, and what of
    the printed statement is argued in words only (or assumed), beside what the labels claim."""

    id: str
    paper: str
    kind: str
    codes: tuple[str, ...]
    title: str
    parts: tuple[str, ...] = ()
    in_words: str = ""


def inventory(path: Path | None = None) -> tuple[Entry, ...]:
    """The entries of an inventory (default: the one beside the proofs).

    Raises `InputError` where there is none, an entry lacks a field, a code is unknown, or an id occurs twice.
    """
    path = default_paths()[0] / "inventory.toml" if path is None else path
    if not path.is_file():
        raise InputError(f"there is no inventory {path}: needed a TOML file with [[statement]] tables")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("statement", [])
        made = tuple(
            Entry(
                *(t["id"], t["paper"], t["kind"], tuple(t["codes"]), t["title"]),
                parts=tuple(t.get("parts", ())),
                in_words=t.get("in_words", ""),
            )
            for t in tables
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not an inventory ({error}): needed id, paper, kind, codes, title") from error
    ids = [entry.id for entry in made]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    odd = sorted({code for entry in made for code in entry.codes} - set(CODES))
    if twice or odd:
        raise InputError(f"{path}: ids that occur twice: {twice}; codes that are unknown: {odd}, known: {list(CODES)}")
    return made


def coverage(record: dict[str, Any], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One row for every entry: id, paper, kind, codes, title, status ("" where no statement has the id), scope, labels,
    rests_on, in_words (of `Entry`), reason, and controlled: the rows of `controlled` for its labels."""
    stated: dict[str, list[dict[str, Any]]] = {}
    for statement in record["statements"]:
        stated.setdefault(statement["id"], []).append(statement)
    tried = {row["label"]: row for row in controlled(record)}
    return [_row(entry, stated.get(entry.id, []), tried) for entry in entries]


def _row(entry: Entry, found: Sequence[dict[str, Any]], tried: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    by_label = {statement["label"]: statement for statement in found}
    needed = entry.parts or (entry.id,)
    parts = [by_label[label] for label in needed if label in by_label]
    statuses = {part["status"] for part in parts}
    shown = ", ".join(f"{label} {statement['status']}" for label, statement in by_label.items())
    missing = [label for label in needed if label not in by_label]
    if not found:
        experiment = f"; its experiment: theorytest reproduce {entry.id}" if entry.kind in EXPERIMENTS else ""
        status, reason = "", f"no statement has this id{experiment}"
    elif missing:
        status, reason = OPEN, f"only parts or versions of it: {shown}"
    elif len(statuses) > 1:
        status, reason = OPEN, f"its parts differ: {shown}"
    else:
        (status,) = statuses
        reason = "; ".join(part["reason"] for part in parts if part.get("reason"))
    rests = {(rest["what"], rest["ref"]): rest for part in parts for rest in part["rests_on"]}
    return {
        "id": entry.id,
        "paper": entry.paper,
        "kind": entry.kind,
        "codes": list(entry.codes),
        "title": entry.title,
        "status": status,
        "scope": "; ".join(dict.fromkeys(part["scope"] for part in parts)),
        "labels": list(by_label),
        "rests_on": [rests[key] for key in sorted(rests)],
        "in_words": entry.in_words,
        "reason": reason,
        "controlled": [tried[label] for label in by_label if label in tried],
    }


def controlled(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For every statement of a record that is PROVED or CERTIFIED: the controls of each assumption, and of the claim.

    One row a statement: label, kind, assumptions (one each: label, whether it has a formula, controls, through) and
    claim (controls, through). A control is about an assumption where its own statement lacks it (the formula, or the
    words of one without a formula) and either its claim is the parent's or it says that this is what it breaks. It is
    about the claim, whose conditions are part of it, where its claim is another one. Only controls that are refuted, or
    survive as findings, count. Where no control of the statement itself is about an assumption, ``through`` names the
    statements it rests on that make the same assumption and have such a control; where none is about the claim, those
    with a control of their claims.
    """
    statements = {entry["label"]: entry for entry in record["statements"]}
    own = {label: _own_controls(entry) for label, entry in statements.items() if entry["status"] in SHOWN}
    rows: list[dict[str, Any]] = []
    for label, (assumptions, claim) in own.items():
        cited = [name for name in _ancestors(statements[label], statements) if name in own]
        found = [
            {
                "label": assumption["label"],
                "formula": assumption["formula"] is not None,
                "controls": controls,
                "through": []
                if controls
                else [name for name in cited if any(_same(assumption, other) and by for other, by in own[name][0])],
            }
            for assumption, controls in assumptions
        ]
        through = [] if claim else [name for name in cited if own[name][1]]
        about = {"controls": claim, "through": through}
        rows.append({"label": label, "kind": statements[label]["kind"], "assumptions": found, "claim": about})
    return rows


def has_control(found: Mapping[str, Any]) -> bool:
    """Whether an assumption, or the claim, of a row of `controlled` has a control."""
    return bool(found["controls"] or found["through"])


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two encoded assumptions say the same: by their formulas; in words, where they have none."""
    if one["formula"] is None or other["formula"] is None:
        return one["formula"] is other["formula"] and (one["label"], one["text"]) == (other["label"], other["text"])
    return one["formula"] == other["formula"]


def _own_controls(entry: Mapping[str, Any]) -> tuple[list[tuple[Mapping[str, Any], list[str]]], list[str]]:
    """The assumptions of a statement with its own controls that are about them, and the controls about its claim."""
    stated = entry["statement"]
    controls = [control for control in entry["controls"] if control["outcome"] in TRIED]
    found = [
        (
            assumption,
            [
                control["label"]
                for control in controls
                if not any(_same(assumption, kept) for kept in control["statement"]["assumptions"])
                and (control["statement"]["claim"] == stated["claim"] or control["breaks"] == assumption["label"])
            ],
        )
        for assumption in stated["assumptions"]
    ]
    return found, [control["label"] for control in controls if control["statement"]["claim"] != stated["claim"]]


def _ancestors(entry: Mapping[str, Any], statements: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The labels of all statements of a record that one rests on, directly or not; each once."""
    seen: dict[str, None] = {}
    open_ = [entry]
    while open_:
        for rest in open_.pop()["rests_on"]:
            if rest["what"] == "statement" and rest["ref"] in statements and rest["ref"] not in seen:
                seen[rest["ref"]] = None
                open_.append(statements[rest["ref"]])
    return iter(seen)


def summary(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Per paper: how many ids there are, how many of each status, and how many no statement has; last, how many of
    those that are proved or certified leave a part to words."""
    rows = list(rows)
    papers: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = papers.setdefault(row["paper"], {})
        counts[row["status"] or "missing"] = counts.get(row["status"] or "missing", 0) + 1
    lines: list[str] = []
    for paper, counts in papers.items():
        shown = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        lines.append(f"{paper}: {sum(counts.values())} statements: {shown}")
    partly = [row["id"] for row in rows if row["in_words"] and row["status"] in SHOWN]
    if partly:
        lines.append(f"of these a part is argued in words, or assumed, in {len(partly)}: {', '.join(partly)}")
    return lines


def control_summary(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many assumptions, and claims, of rows of `controlled` have a control; then those that have none, by name."""
    rows = list(rows)
    assumptions = [(row["label"], found) for row in rows for found in row["assumptions"]]
    lacking: dict[str, list[str]] = {}
    for label, found in assumptions:
        if not has_control(found):
            lacking.setdefault(found["label"], []).append(label)
    for row in rows:
        if not has_control(row["claim"]):
            lacking.setdefault("the claim", []).append(row["label"])
    with_control = sum(has_control(found) for _, found in assumptions)
    formulas = [has_control(found) for _, found in assumptions if found["formula"]]
    through = sum(bool(found["through"]) for _, found in assumptions)
    claims = sum(has_control(row["claim"]) for row in rows)
    lines = [
        f"assumptions with a control: {with_control} of {len(assumptions)} "
        f"(of those with a formula: {sum(formulas)} of {len(formulas)}; {through} by those of cited statements); "
        f"claims with a control: {claims} of {len(rows)}"
    ]
    for name, labels in lacking.items():
        shown = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
        lines.append(f"  no control: {name} ({shown})")
    return lines
