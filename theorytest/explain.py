"""Checks one statement with its controls for `theorytest explain`, and writes it out as a test that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from theorytest import loader, record
from theorytest.authoring import Run
from theorytest.errors import InputError
from theorytest.report import readable
from theorytest.verification import Checker, one_thread, require

TEST = '''"""{title}

{label} ({source}), {status}: {scope}.

{claim}

Made by `theorytest explain {label} --as-test`. It needs pytest and the kernel of theorytest only: the statement,
what it cites, and all certificates are below, and the kernel checks every one of them again.
"""

import json

from theorytest.kernel.check import recheck


def test_{name}():
    record = json.loads(RECORD)
    assert record["statements"][-1]["status"] == "{status}"
    assert recheck(record) == []


RECORD = r"""
{record}"""
'''


def explain(label: str | None, paths: Sequence[str | Path] | None = None, *, seed: int = 0) -> record.Record:
    """The record of one statement, of its controls and of what it cites; of all where the label is None.

    label: the statement's, one of its controls', or its source as the table shows it ("RC20 Theorem 1"). ``asked`` in
    the record is the statement's label. No evidence is gathered and nothing is written. Raises `InputError` for an
    unknown label.
    """
    require(profile="quick", seed=seed, device="cpu")
    one_thread()
    library = loader.load(paths)
    checker = Checker(library, Run("quick", seed, "cpu"))
    entries = [e for e in library.entries.values() if e.selected] if label is None else [find(library, label)]
    for entry in library.entries.values():
        entry.selected = entry in entries
    fragments: list[record.Fragment] = []
    for entry in entries:
        for part in (entry.statement.label, *(c.statement.label for c in entry.controls)):
            fragments += checker.check(part)
    at = record.environment(profile="quick", seed=seed, device="cpu", workers=1)
    made = record.assemble(fragments, run=0, environment=at)
    return {**made, "asked": entries[0].statement.label if label is not None else None}


def find(library: loader.Library, label: str) -> loader.Entry:
    """The entry of a label, or of the words by which the table shows a statement."""
    words = " ".join(label.split()).casefold()
    shown = {
        f"{e.statement.source.key} {e.statement.source.locator}"
        + (f" /{version}" if (version := e.statement.label.partition("/")[2]) else ""): e
        for e in library.entries.values()
    }
    for text, entry in shown.items():
        if text.casefold() == words:
            return entry
    return library.entry(label)


def standalone_test(made: record.Record, label: str) -> str:
    """The source of a test of one statement with all it cites. Raises `InputError` where it has no certificate."""
    (entry,) = [e for e in made["statements"] if e["label"] == made["asked"]]
    if not entry["certificates"]:
        raise InputError(f"{entry['label']} is {entry['status']}: there is no certificate that a test could check")
    parts = {key: made[key] for key in ("schema", "statements")}
    return TEST.format(
        title=entry["title"].replace("\\", "\\\\"),
        label=entry["label"],
        source=f"{entry['source']['key']}, {entry['source']['locator']}",
        status=entry["status"],
        scope=entry["scope"],
        claim=readable(entry["claim_latex"]).replace("\\", "\\\\"),
        name=re.sub(r"\W+", "_", entry["label"]).strip("_").lower(),
        record=record.dumps(parts),
    )
