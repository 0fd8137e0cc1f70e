"""Definitions in a run: DEFINED where evidence executes them and a statement with a proof uses them."""

from pathlib import Path

import pytest

from theorytest.kernel.check import recheck
from theorytest.verification import verify

FILE = '''
"""A definition and its use."""
from theorytest import Definition, Inequality, Outcome, Statement, proof, sampled
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import Variable, scalar

x = Variable("x")
square = x**2 + 1
word = Statement("word", "a square plus 1", Definition(square), kind="definition", expected="DEFINED")
use = Statement("use", "it is positive", Inequality(scalar(0), "<", square))


@sampled(word)
def at_numbers(run):
    return Outcome(5, "0", HOLDS)


@proof(use)
def as_a_sum(derive):
    real = Reals(derive)
    derive_it = real.less("a square and 1", 0, OF, real.real(x), by=[(1, x, ()), (1, 1, ())])
    real.outright(derive_it)
'''


def run(folder: Path, *, holds: str = "True", of: str = "square", drop: str = "") -> dict[str, dict[str, object]]:
    text = FILE.replace("HOLDS", holds).replace("OF", of)
    if drop:
        head, _, _ = text.partition(drop)
        text = head
    (folder / "pyproject.toml").write_text("", encoding="utf-8")
    (folder / "proofs").mkdir()
    (folder / "proofs" / "words.py").write_text(text, encoding="utf-8")
    result = verify(folder / "proofs", folder=folder / "runs")
    assert recheck(result.record) == []
    return {entry["label"]: entry for entry in result.record["statements"]}


def test_a_definition_that_is_executed_and_used(tmp_path: Path) -> None:
    entries = run(tmp_path)
    assert entries["use"]["status"] == "PROVED"
    assert entries["word"]["status"] == "DEFINED"


@pytest.mark.parametrize("holds", ["None", "False"])
def test_a_definition_whose_evidence_does_not_hold(tmp_path: Path, holds: str) -> None:
    assert run(tmp_path, holds=holds)["word"]["status"] == "UNDECIDED"


def test_a_definition_that_only_a_statement_without_a_proof_uses(tmp_path: Path) -> None:
    entry = run(tmp_path, drop="@proof(use)")["word"]
    assert entry["status"] == "UNDECIDED"
    assert entry["reason"] == "no statement in these files uses this definition"


def test_a_definition_without_evidence(tmp_path: Path) -> None:
    assert run(tmp_path, drop="@sampled(word)")["word"]["status"] == "UNDECIDED"
