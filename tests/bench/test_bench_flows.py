"""The benchmarks of flows: what they measure is what they say; nothing here looks at a clock."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from theorytest.bench import flows, precision
from theorytest.bench.flow_cases import cp_case, main_cases, matrix_case
from theorytest.bench.flow_methods import FlowMethod, flow_methods
from theorytest.bench.measure import Timing, environment, installed, loosest, timed
from theorytest.bench.table import flows_table, precision_table
from theorytest.cli import cli
from theorytest.errors import InputError
from theorytest.search.crossing import PlainField
from theorytest.search.flows import stack


def text(lines: Any) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


@pytest.mark.parametrize("case", [*main_cases(), matrix_case(2, 0.3), matrix_case(4, 0.3), cp_case(2, 3, 0.5)])
def test_the_fields_that_others_are_given_are_the_gradient_flow(case: Any) -> None:
    """Written by hand for the benchmark, against the model's own gradients, for one instance and for many."""
    x = case.starts(5, 3)
    expected = PlainField(case.model)(torch.from_numpy(x), stack(case.loss, case.model.shape)).numpy()
    for library in (np, torch):
        lift = torch.from_numpy if library is torch else np.asarray
        data = tuple(map(lift, case.data))
        found = np.asarray(case.field(library, lift(x), *data))
        one = np.asarray(case.field(library, lift(x[2]), *data))
        assert np.abs(found - expected).max() < 1e-13 * (1 + np.abs(expected).max())
        assert np.abs(one - expected[2]).max() < 1e-13 * (1 + np.abs(expected).max())
    assert np.array_equal(case.starts(9, 3)[:5], x)


def test_the_loosest_tolerance_that_achieves_the_target() -> None:
    ladder = [10.0**-k for k in range(3, 14)]
    for factor in (1e-4, 0.5, 3.0, 1e3):
        tried: list[float] = []

        def error(tolerance: float, factor: float = factor, tried: list[float] = tried) -> float:
            tried.append(tolerance)
            return factor * tolerance

        found = loosest(ladder, error, 1e-9)
        good = [tolerance for tolerance in ladder if factor * tolerance <= 1e-9]
        assert found == (max(good), factor * max(good)) and len(tried) == len(set(tried))
    assert loosest(ladder, lambda tolerance: math.nan, 1e-9) is None
    assert loosest(ladder, lambda tolerance: 1.0, 1e-9) is None
    assert loosest(ladder, lambda tolerance: 0.0, 1e-9) == (1e-3, 0.0)


def test_times_are_repeated_but_not_for_ever() -> None:
    calls: list[int] = []
    result, timing = timed(lambda: calls.append(1) or len(calls), 4)
    assert result == 4 and len(timing.cpu) == len(timing.wall) == 4
    calls.clear()
    _, timing = timed(lambda: calls.append(1), 100, seconds=0.0)
    assert len(calls) == len(timing.cpu) == 1
    told = Timing((3.0, 1.0, 2.0), (1.0, 1.0, 1.0)).to_json()
    assert (told["median"], told["least"], told["largest"], told["repeats"]) == (2.0, 1.0, 3.0, 3)
    assert installed(("numpy",)) and installed(("numpy", "no-such-package")) is None
    assert environment()["processor"]


def test_errors_are_relative_to_each_instance() -> None:
    exact = np.array([[1.0, -10.0], [0.5, 0.25], [1.0, 1.0]])
    found = np.array([[1.5, -10.0], [0.5, 0.0], [math.nan, 1.0]])
    assert np.allclose(flows.relative_errors(found, exact), [0.05, 0.5, math.inf])


def test_a_run_of_the_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method that is installed achieves the target; others are named with what to install."""
    gone = FlowMethod("gone", ("no-such-package",), lambda case, t: lambda start, tolerance: start)
    wrong = FlowMethod("wrong", (), lambda case, t: lambda start, tolerance: start)
    kept = [m for m in flow_methods("cpu") if m.name in ("theorytest, torch engine", "scipy, DOP853")]
    monkeypatch.setattr(flows, "flow_methods", lambda device: (*kept, gone, wrong))
    asked: list[str] = []
    result = flows.run(
        batch=6, t=1, target=1e-8, sample=4, repeats=2, seconds=2.0, growth=False, cases=[matrix_case(2, 0.3)],
        progress=lambda done, total, what: asked.append(what),
    )  # fmt: skip
    (case,) = result["cases"]
    rows = {row["method"]: row for row in case["methods"]}
    assert len(asked) == 4 and case["sample"] == 4 and case["reference_error"] < 1e-10
    assert "theorytest[peers]" in rows["gone"]["missing"] and "no tolerance" in rows["wrong"]["missing"]
    for name in ("theorytest, torch engine", "scipy, DOP853"):
        row = rows[name]
        if "missing" not in row:
            assert row["largest_error"] <= 1e-8 and 1 <= row["batch"] <= 6 and row["seconds"]["repeats"] >= 1
    shown = text(flows_table(result))
    assert "torch engine" in shown and "not installed" in shown and "2x2, depth 2" in shown
    if not torch.cuda.is_available():
        assert "--device cuda" in shown
        with pytest.raises(InputError, match="CUDA"):
            flows.run(device="cuda")
    with pytest.raises(InputError, match="needed whole numbers"):
        flows.run(batch=0)


def test_growth_is_measured_over_all_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "ours", lambda engine, twice: lambda case, t: lambda start, tolerance: start)
    result = {"environment": environment(), "cases": [], "skipped": [], "growth": flows._growth(0, 1, 1.0, None)}
    assert {row["with"] for row in result["growth"]} == {"batch", "time", "parameters", "tolerance"}
    assert all(rate > 0 for row in result["growth"] for rate in row["per_second"].values())
    assert "batch 4096" in text(flows_table(result))


def test_a_run_of_the_precision() -> None:
    """Ours and odefun on the scalar logistic flow: digits achieved against a reference with more of them."""
    from theorytest.models import HalfSum, array, deep_matrix_factorization

    model = deep_matrix_factorization(1, 1, depth=2)
    start = dict.fromkeys(model.shapes, array([[Fraction(1, 8)]]))
    case = precision.PrecisionCase("scalar", model, HalfSum({(0, 0): 1}), start)
    result = precision.run(digits=(15,), times=(1,), repeats=1, cases=[case])
    (row,) = result["rows"]
    found = {one["method"]: one for one in row["methods"]}
    for name in ("theorytest, Taylor series with error estimate", "theorytest, certified enclosure", "mpmath, odefun"):
        assert found[name]["achieved_digits"] >= 15, name
    assert found["theorytest, certified enclosure"]["certified_digits"] >= 15
    assert "certified" in text(precision_table(result)) and "scalar" in text(precision_table(result))
    wrong: tuple[dict[str, Any], ...] = ({"digits": ()}, {"digits": (0,)}, {"times": (-1,)}, {"seconds": 0.0})
    for bad in wrong:
        with pytest.raises(InputError, match="needed whole numbers"):
            precision.run(**bad)


def test_digits_achieved() -> None:
    third = Fraction(1, 3)
    assert precision.achieved([third], [third]) == math.inf
    assert abs(precision.achieved([third + Fraction(1, 3 * 10**30)], [third]) - 30) < 1e-9
    assert precision._exact(__import__("mpmath").mpf("-0.375")) == Fraction(-3, 8)


def test_the_cases_of_the_precision_have_the_same_targets_as_floats() -> None:
    """heyoka is given targets as floats: they must be exact there, and the starts rational."""
    for case in precision.precision_cases():
        assert all(Fraction(float(value)) == value for _, value in case.loss.observed)
        assert len(case.flat()) == case.model.parameters


def test_commands_say_what_is_wrong_in_one_line() -> None:
    for arguments in (["flows", "--batch", "0"], ["precision", "--digits", "0"]):
        result = CliRunner().invoke(cli, ["bench", *arguments])
        assert isinstance(result.exception, InputError) and "\n" not in str(result.exception)
