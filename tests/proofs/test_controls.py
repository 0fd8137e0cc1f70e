"""Every assumption and every claim of what ships as PROVED or CERTIFIED has a control, but for those named here.

What a run finds of controls is checked by the run itself (``theorytest verify`` fails where one is not as expected);
here it is only compared which statements differ, and how. A proof is run only where a statement leans on the controls
of those that it cites.
"""

from pathlib import Path
from typing import Any

import pytest

from theorytest import loader
from theorytest.authoring import Run
from theorytest.blueprint import SHOWN, controlled, has_control
from theorytest.kernel.encoding import encode
from theorytest.verification import Checker

PROOFS = Path(__file__).parents[2] / "proofs"
THE_CLAIM = "the claim"
ANY = ""  # whatever the statement

# (statement, assumption): why there is no control of it.
EXCEPTIONS = {
    (ANY, "loss"): "the control would be about a loss without a gradient, for which there is no flow to speak of",
    (ANY, "real"): "the kernel's variables are real numbers: it cannot state a complex matrix",
    (ANY, "χ"): "it restricts nothing: the marks of the columns may be any numbers",
    ("RC20-DetInv", "square"): "a matrix that is not square has no determinant",
    ("RC20-DetInv/rate", "square"): "a matrix that is not square has no determinant",
    ("RC20-AppE", "square"): "a matrix that is not square has no determinant",
    (
        "RC20-DetInv/rate",
        "depth",
    ): "at L = 1 it reads d/dt ln |det W| = -sum <grad, u_r v_r^T> / sigma_r, which is true "
    "(Jacobi's formula); the kernel's rule for it begins at two layers",
    ("HKA24-SameSV", "k >= 1"): "without a matrix there is no last one, whose singular values it speaks of",
    ("HKA24-Prop4.6/IL-2", THE_CLAIM): "HKA24-Prop4.6/IL-2/tenfold, a statement of its own, is its control",
    ("RC20-Full", THE_CLAIM): "the claim is an identity without constants",
    ("RC20-Eq7/converse", THE_CLAIM): "the claim is an identity without constants",
}


def described(library: loader.Library) -> dict[str, Any]:
    """A record in which every status is the expected one, and no statement cites another."""
    entries = [e for e in library.entries.values() if e.statement.expected in SHOWN]
    return {
        "statements": [
            {
                "label": e.statement.label,
                "kind": e.statement.kind,
                "status": e.statement.expected,
                "rests_on": [],
                "statement": encode(e.statement),
                "controls": [
                    {
                        "label": c.statement.label,
                        "breaks": c.breaks,
                        "outcome": c.statement.expected,
                        "statement": encode(c.statement),
                    }
                    for c in e.controls
                ],
            }
            for e in entries
        ]
    }


def lacking(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What has no control: statement and assumption."""
    found: list[tuple[str, str]] = []
    for row in controlled(record):
        found += [(row["label"], a["label"]) for a in row["assumptions"] if not has_control(a)]
        found += [(row["label"], THE_CLAIM)] if not has_control(row["claim"]) else []
    return found


def test_every_assumption_and_every_claim_has_a_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    library = loader.load([PROOFS])
    record, checker = described(library), Checker(library, Run())
    statements = {entry["label"]: entry for entry in record["statements"]}

    def unexplained() -> set[tuple[str, str]]:
        return {pair for pair in lacking(record) if pair not in EXCEPTIONS and (ANY, pair[1]) not in EXCEPTIONS}

    def cite(label: str) -> None:
        """Prove a statement, and note what it rests on, and those that it cites."""
        fragment = checker.statement(label)
        assert fragment["entry"]["status"] == statements[label]["status"]
        statements[label]["rests_on"] = fragment["entry"]["rests_on"]
        for cited in fragment["cites"]:
            cite(cited)

    for label in sorted({label for label, _ in unexplained()}):
        cite(label)
    assert unexplained() == set()
    left = set(lacking(record))
    stale = {
        pair for pair in EXCEPTIONS if not any(pair[0] in (ANY, label) and pair[1] == name for label, name in left)
    }
    assert stale == set(), "there is a control now: drop these exceptions"
    assert len(statements) > 150 and all(EXCEPTIONS.values())
