"""Claims about flows from a proof file: certified, refuted, written to a record, and checked again from it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from theorytest import quantity as q
from theorytest.errors import InputError
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel.check import recheck
from theorytest.kernel.encoding import decode, digest
from theorytest.kernel.statement import Certificate
from theorytest.models import HalfSum, deep_matrix_factorization
from theorytest.verification import verify

PROOFS = '''"""w' = 1 - w from 0: it stays below 1, and is 1/2 at t = ln 2."""

from theorytest import Statement, certified, control
from theorytest import quantity as q
from theorytest.gradient_flow import GradientFlow
from theorytest.models import HalfSum, deep_matrix_factorization

flow = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))
zero = {"W[1]": [[0]]}
w = q.entry(1, 1)
below = Statement("below", "w stays below 1", flow.throughout(zero, w < 1, 3), expected="CERTIFIED")
touching = flow.throughout(zero, w >= 0, 1)
open_end = Statement("open", "w >= 0", touching, expected="UNDECIDED", expected_reason="0 at 0")
false = Statement("false", "w stays below 1/2", flow.throughout(zero, w < "1/2", 3), expected="REFUTED")


@certified(below)
def by_a_flowpipe(run):
    from theorytest.enclose.flowpipe import certificate

    return certificate(below.claim, digits=15)


@control(below, breaks="1")
def tighter():
    return flow.throughout(zero, w < "9/10", 3)


@control(below, breaks="time", expected="finding", reason="it holds for longer, too")
def longer():
    return flow.throughout(zero, w < 1, 5)


@control(below, breaks="start")
def half_way_later():
    return flow.first_time(zero, q.equal(w, "1/2"), 1, 2)
'''


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("flows")
    (folder / "flows.py").write_text(PROOFS)
    result = verify([folder / "flows.py"], folder=folder / "ledger")
    assert result.ok, result.problems
    return json.loads(Path(result.path).read_text())


def entry(record: Any, label: str) -> Any:
    return next(e for e in record["statements"] if e["label"] == label)


def test_a_record_of_flows(record: Any) -> None:
    below = entry(record, "below")
    assert below["status"] == "CERTIFIED" and below["scope"].startswith("1 flow, t <= 3, ")
    assert below["certificates"][0]["kind"] == "flowpipes" and r"0 \le t \le 3" in below["claim_latex"]
    assert [(c["label"], c["outcome"]) for c in below["controls"]] == [
        ("below/tighter", "REFUTED"),
        ("below/longer", "finding"),
        ("below/half_way_later", "REFUTED"),
    ]
    assert entry(record, "open")["status"] == "UNDECIDED" and "does not decide" in entry(record, "open")["reason"]
    assert entry(record, "false")["status"] == "REFUTED" and "at t = " in entry(record, "false")["margin"]
    assert recheck(record) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("tube", {"q": "1/1267650600228229401496703205376"}), ("length", {"q": "64"}), ("series", [[0, 1]]), ("bits", 17)],
)
def test_a_changed_number_is_found(record: Any, field: str, value: Any) -> None:
    """Also where the digests are made to fit: the kernel follows the flow again."""
    changed = copy.deepcopy(record)
    below = entry(changed, "below")
    certificate = below["certificates"][0]
    step = certificate["payload"]["pipes"][0]["steps"][0]
    assert step[field] != value
    step[field] = value
    (told,) = recheck(changed)
    assert "digest" in told
    forged = Certificate(certificate["kind"], below["digest"], decode(certificate["payload"]), certificate["producer"])
    certificate["digest"] = digest(forged)
    (told,) = recheck(changed)
    assert "certificate rejected" in told


def test_claims_take_exact_times_only() -> None:
    flow = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))
    claim = flow.throughout({"W[1]": [["1/3"]]}, q.entry(1, 1) < 1, "7/2", start="1/10")
    assert str(claim.end) == "7/2" and str(claim.start) == "1/10"
    with pytest.raises(Exception, match="inexact"):
        flow.throughout({"W[1]": [["1/3"]]}, q.entry(1, 1) < 1, 0.1)


def test_claims_of_nothing_are_told_in_one_line() -> None:
    flow = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))
    start: Any = {"W[1]": [["1/3"]]}
    e = q.entry(1, 1)
    asked: list[tuple[Any, str]] = [
        (lambda: flow.throughout(start, e < 1, -1), "0 <= start <= end"),
        (lambda: flow.throughout(start, e < 1, 1, start=2), "0 <= start <= end"),
        (lambda: flow.throughout(start, e, 1), "needed a comparison"),  # type: ignore[arg-type]
        (lambda: flow.first_time(start, e < 1, 0, 1), "needed an equality"),
        (lambda: flow.first_time(start, q.equal(e, 1), 2, 1), "earliest <= latest"),
        (lambda: flow.integrate(start, 1, digits="9"), "whole number"),  # type: ignore[arg-type]
        (lambda: flow.integrate(start, 1, max_steps=0), "max_steps"),
    ]
    for ask, word in asked:
        with pytest.raises(InputError, match=word):
            ask()
