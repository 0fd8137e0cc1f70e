"""Checks one statement with its controls for `theorytest explain`, and writes it out as a test that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from theorytest import loader, record
from theorytest.authoring import Run
from theorytest.errors import InputError
from theorytest.report import quoted, readable, source_text
from theorytest.verification import Checker, one_thread, require

EVIDENCE = "only evidence is offered, which `theorytest verify` gathers"
TEST = '''"""{title}

{label} ({source}), {status}{scope}.

{claim}

Made by `theorytest explain {asked} --as-test`; run it with `pytest FILE.py`, whatever the file is called. It needs
pytest and the kernel of theorytest only: the statement, what it cites, and all certificates are below, and the kernel
checks every one of them again.
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


def explain(
    label: str | None, paths: Sequence[str | Path] | None = None, *, seed: int = 0, whole: bool = False
) -> record.Record:
    """The record of one statement, of its controls and of what it cites; of all where the label is None.

    label: the statement's, one of its controls' (then that control alone is checked, unless the ``whole`` statement is
    asked for), or its source where no other statement has the same. ``asked`` in the record is the statement's label,
    ``control`` that of the control or None. No evidence is gathered and nothing is written. Raises `InputError` for
    an unknown label.
    """
    require(profile="quick", seed=seed, device="cpu")
    one_thread()
    library = loader.load(paths)
    checker = Checker(library, Run("quick", seed, "cpu"))
    entries = [e for e in library.entries.values() if e.selected] if label is None else [find(library, label)]
    for entry in library.entries.values():
        entry.selected = entry in entries
    fragments: list[record.Fragment] = []
    controls = {c.statement.label for e in entries for c in e.controls}
    alone = label if label in controls and not whole else None
    if alone is not None:
        fragments += checker.check(alone)
    for entry in entries if alone is None else ():
        for part in (entry.statement.label, *(c.statement.label for c in entry.controls)):
            fragments += checker.check(part)
    at = record.environment(profile="quick", seed=seed, device="cpu", workers=1)
    made = record.assemble(fragments, run=0, environment=at)
    with_evidence = {e.statement.label for e in entries if e.evidence}
    for shown in made["statements"]:
        if shown["label"] in with_evidence and shown["status"] == "UNDECIDED" and not shown["reason"]:
            shown["reason"] = EVIDENCE
    return {**made, "asked": entries[0].statement.label if label is not None else None, "control": alone}


def labels(paths: Sequence[str | Path] | None = None) -> list[dict[str, str]]:
    """Label, title and source of every statement of the proof files; nothing is checked."""
    library = loader.load(paths)
    statements = [e.statement for e in library.entries.values() if e.selected]
    return [{"label": s.label, "title": s.title, "key": s.source.key, "locator": s.source.locator} for s in statements]


def find(library: loader.Library, label: str) -> loader.Entry:
    """The entry of a label, or of the source that the table shows, where no other statement has the same source."""
    words = " ".join(label.split()).casefold()
    entries = list(library.entries.values())
    if any(label in (e.statement.label, *library.parts(e)) for e in entries):
        return library.entry(label)
    shown: dict[str, list[loader.Entry]] = {}
    for entry in entries:
        source = entry.statement.source
        version = entry.statement.label.partition("/")[2]
        names = [source.locator, f"{source.key} {source.locator}", f"{source.key}, {source.locator}"]
        names += [f"{name} /{version}" for name in names if version]
        for name in {" ".join(name.split()).casefold() for name in names if source.locator}:
            shown.setdefault(name, []).append(entry)
    same = shown.get(words, [])
    if len(same) == 1:
        return same[0]
    close = same or [
        e
        for e in entries
        if words in f"{e.statement.label}\n{e.statement.source.key} {e.statement.source.locator}".casefold()
    ]
    shown_close = [
        e.statement.label + (f" [{e.statement.source.locator}]" if e.statement.source.locator else "") for e in close
    ] or [c.statement.label for e in entries for c in e.controls if words in c.statement.label.casefold()]
    if not shown_close or not words:
        return library.entry(label)
    raise InputError(f"no statement or control is labelled {label!r} (did you mean {_listed(shown_close)}?)")


def _listed(shown: Sequence[str], most: int = 12) -> str:
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f", or one of {more} more" if more > 0 else "")


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def standalone_test(made: record.Record, label: str) -> str:
    """The source of a test of one statement with all it cites. Raises `InputError` where it has no certificate."""
    (entry,) = [e for e in made["statements"] if e["label"] == made["asked"]]
    scope = entry["scope"]
    if not entry["certificates"]:
        raise InputError(f"{entry['label']} is {entry['status']}: there is no certificate that a test could check")
    parts = {key: made[key] for key in ("schema", "statements")}
    return TEST.format(
        title=_in_docstring(entry["title"]),
        label=_in_docstring(entry["label"]),
        asked=_in_docstring(quoted(entry["label"])),
        source=_in_docstring(source_text(entry["source"])),
        status=entry["status"],
        scope=_in_docstring(f": {scope}" if scope else ""),
        claim=_in_docstring(readable(entry["claim_latex"])),
        name=re.sub(r"[^A-Za-z0-9]+", "_", entry["label"]).strip("_").lower() or "statement",
        record=record.dumps(parts),
    )
