"""How far the papers are covered: every statement of the inventory, with its status in the record of a run.

The inventory (``inventory.toml`` in the folder of the proofs) lists ids; a statement in a proof file carries the id of
what it states. The status of an id is that of the statement labelled like it, or of the labels in ``parts`` together.
Nothing is checked here: statuses are those of a record.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theorytest.errors import InputError
from theorytest.loader import default_paths

CODES = ("DEF", "SYM", "REAL", "BALL", "TRAJ", "STAT", "PROSE")
OPEN = "UNDECIDED"


@dataclass(frozen=True)
class Entry:
    """One statement of a paper: id, paper, kind, how it can be checked, title, and the labels that make it up."""

    id: str
    paper: str
    kind: str
    codes: tuple[str, ...]
    title: str
    parts: tuple[str, ...] = ()


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
            Entry(t["id"], t["paper"], t["kind"], tuple(t["codes"]), t["title"], tuple(t.get("parts", ())))
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
    rests_on, reason."""
    stated: dict[str, list[dict[str, Any]]] = {}
    for statement in record["statements"]:
        stated.setdefault(statement["id"], []).append(statement)
    return [_row(entry, stated.get(entry.id, [])) for entry in entries]


def _row(entry: Entry, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    by_label = {statement["label"]: statement for statement in found}
    needed = entry.parts or (entry.id,)
    parts = [by_label[label] for label in needed if label in by_label]
    statuses = {part["status"] for part in parts}
    shown = ", ".join(f"{label} {statement['status']}" for label, statement in by_label.items())
    missing = [label for label in needed if label not in by_label]
    if not found:
        status, reason = "", "no statement has this id"
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
        "reason": reason,
    }


def summary(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Per paper: how many ids there are, how many of each status, and how many no statement has."""
    papers: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = papers.setdefault(row["paper"], {})
        counts[row["status"] or "missing"] = counts.get(row["status"] or "missing", 0) + 1
    lines: list[str] = []
    for paper, counts in papers.items():
        shown = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        lines.append(f"{paper}: {sum(counts.values())} statements: {shown}")
    return lines
