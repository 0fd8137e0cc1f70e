"""What a record tells, told again from what the kernel reads: its statements and certificates.

A record is a file, and a file can be edited. Beside statements and certificates, which the kernel checks, it holds
words made from them: formulas, assumptions, sources, the steps of derivations, what a proof hangs on. Notes of a record
that was read from a file print none of these as they stand there: all are made again here, while a fresh process with
the kernel alone checks every status (`Recheck`).
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from theorytest import latex
from theorytest import record as records
from theorytest.errors import InputError
from theorytest.kernel.check import MALFORMED, check
from theorytest.kernel.claim import All
from theorytest.kernel.encoding import decode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.statement import REFUTED, Certificate, Derivation, Statement
from theorytest.verification import describe

__all__ = ["MALFORMED", "Recheck", "failing", "refusal", "retold"]


def retold(record: Mapping[str, Any]) -> records.Record:
    """The record with all words made again from its statements and certificates. No status is checked.

    Raises `InputError` where a statement or certificate cannot be read, or a step of a derivation does not hold; one of
    `MALFORMED` where the data are no record.
    """
    made: list[dict[str, Any]] = []
    library: dict[str, Statement] = {}
    for entry in record["statements"]:
        try:
            statement = _statement(entry)
            told = {**entry, **describe(statement), "steps": _steps(entry, statement, library)}
            if entry["status"] == "PROVED":
                library[statement.digest] = statement
            told["controls"] = [{**c, **describe(_statement(c), brief=True)} for c in entry["controls"]]
        except KernelError as error:
            raise refusal(record, f"{entry['label']}: {error}") from error
        made.append(told)
    given = records.given(made)
    return {**record, "statements": [{**entry, "given": given[entry["label"]]} for entry in made]}


def refusal(record: Mapping[str, Any], why: str) -> InputError:
    """No notes of this record, and a likely reason."""
    made_by = record["environment"]["kernel"]["digest"]
    old = "" if made_by == records.kernel_identity()["digest"] else "; it was made by another kernel: verify again"
    return InputError(f"no notes are written of a record that does not hold: {why}{old}")


def _statement(entry: Mapping[str, Any]) -> Statement:
    statement = decode(entry["statement"])
    if not isinstance(statement, Statement):
        raise KernelError("no statement")
    return statement


def _steps(entry: Mapping[str, Any], statement: Statement, library: Mapping[str, Statement]) -> list[dict[str, Any]]:
    """The steps of the first certificate, where it is a derivation."""
    for certificate in entry["certificates"][:1]:
        payload = decode(certificate["payload"])
        if isinstance(payload, Derivation):
            return latex.steps(statement, payload, library)
    return []


def failing(entry: Mapping[str, Any]) -> str:
    """LaTeX of the part of a refuted claim that fails at its witness, as the kernel finds; "" for a claim of one part,
    or where no part fails alone."""
    statement = _statement(entry)
    if not isinstance(statement.claim, All) or not entry["certificates"]:
        return ""
    offered = entry["certificates"][0]
    for part in statement.claim.claims:
        alone = dataclasses.replace(statement, claim=part)
        certificate = Certificate(offered["kind"], alone.digest, decode(offered["payload"]), offered["producer"])
        if certificate.kind == "witness" and check(alone, certificate, {}).status == REFUTED:
            return latex.claim(part)
    return ""


class Recheck:
    """``theorytest recheck`` of a record in a process of its own, beside other work.

    Enter to start it; `result` waits for it. Leaving ends it where nobody has waited.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record

    def __enter__(self) -> Recheck:
        self._folder = tempfile.TemporaryDirectory(prefix="theorytest-")
        self._made, self._found = (Path(self._folder.name) / name for name in ("record.json", "found.json"))
        self._made.write_text(records.dumps(self._record), encoding="utf-8")
        command = [sys.executable, "-m", "theorytest.cli", "recheck", str(self._made), "--json", str(self._found)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def result(self) -> list[str]:
        """Everything that does not hold, one line each; empty where every certificate does."""
        _, said = self._process.communicate()
        if not self._found.is_file():
            raise InputError(f"the record cannot be checked: {said.decode('utf-8', 'replace').strip()}")
        return json.loads(self._found.read_text(encoding="utf-8"))["problems"]
