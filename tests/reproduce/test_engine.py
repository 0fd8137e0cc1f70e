"""Plans, stopping, records, and runs that are killed and go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from theorytest.models import cp
from theorytest.reproduce.engine import (
    CONVERGED,
    DIVERGED,
    RUNNING,
    Context,
    Plan,
    as_json,
    even_marks,
    geometric_marks,
    read_arrays,
    run,
    write_arrays,
)
from theorytest.reproduce.rules import Adam, GradientDescent
from theorytest.reproduce.training import Entries, Training, gaussian


def training(members: int = 6, rate: Any = 0.2, rule: Any = GradientDescent) -> Training:
    model = cp((3, 4, 2), rank=3)
    random = np.random.default_rng(0)
    kind = Context().tensor
    targets = kind(random.standard_normal((members, *model.shape)))
    observed = kind(random.random((members, *model.shape)) < 0.6)
    start = gaussian(model, np.linspace(0.2, 0.6, members), seed=1, kind=kind)
    return Training(model, Entries.of(targets, observed), rule(rate), start, group=4)


def test_a_plan_stops_at_its_marks_its_checks_and_its_end():
    assert list(Plan(10, (0, 4, 10, 50)).stops()) == [0, 4, 10]
    assert list(Plan(10, (0, 4), stop=1.0, check=3).stops()) == [0, 3, 4, 6, 9, 10]
    assert list(Plan(6, (3, 6), stop=1.0, check=3).stops()) == [3, 6]
    assert even_marks(10, 5) == (0, 2, 4, 6, 8, 10)
    marks = geometric_marks(1000, 20, 10)
    assert marks[0] == 0 and marks[1] == 10 and marks[-1] == 1000 and list(marks) == sorted(marks)


def test_members_end_at_the_threshold_and_the_others_go_on_unchanged():
    alone = run(training(), 6, Plan(400, even_marks(400, 8)), Context())
    stop = float(np.median(alone.end["loss"]))
    made = run(training(), 6, Plan(400, even_marks(400, 8), stop=stop, check=10), Context())
    early = made.status == CONVERGED
    assert early.any() and not early.all()
    assert (made.end["loss"][early] < stop).all() and (made.end["loss"][~early] >= stop).all()
    assert (made.ended[early] <= 400).all() and made.ended.min() < 400 and (made.ended[~early] == 400).all()
    assert (made.ended[early] % 10 == 0).all()
    np.testing.assert_allclose(made.end["loss"][~early], alone.end["loss"][~early], rtol=1e-12)
    for member in np.flatnonzero(early):
        rows = made.steps <= made.ended[member]
        np.testing.assert_allclose(made.series["loss"][rows, member], alone.series["loss"][rows, member], rtol=1e-12)
        assert np.isnan(made.series["loss"][~rows, member]).all()


def test_patience_counts_checks_in_a_row():
    eager = run(training(), 6, Plan(400, (), stop=0.05, check=10), Context())
    patient = run(training(), 6, Plan(400, (), stop=0.05, check=10, patience=4), Context())
    both = (eager.status == CONVERGED) & (patient.status == CONVERGED)
    assert both.any()  # the loss only falls here, so that the three further checks are below as well
    np.testing.assert_array_equal(patient.ended[both], eager.ended[both] + 30)


def test_a_member_that_diverges_says_so():
    rates = [0.2, 1e6, 0.2, 0.2, 0.2, 0.2]
    made = run(training(rate=rates), 6, Plan(60, (0, 60), stop=1e-12, check=5), Context())
    assert made.status[1] == DIVERGED and made.ended[1] < 60
    assert (np.delete(made.status, 1) == RUNNING).all() and np.isfinite(np.delete(made.end["loss"], 1)).all()


@pytest.mark.parametrize(("rule", "rate", "stop"), [(GradientDescent, 0.2, 0.02), (Adam, 0.005, 0.02)])
def test_an_interrupted_run_ends_with_the_same_numbers(tmp_path: Path, rule, rate: float, stop: float):
    plan = Plan(300, even_marks(300, 10), stop=stop, check=20)
    whole = run(training(rate=rate, rule=rule), 6, plan, Context())

    class StopHereError(Exception):
        pass

    state = tmp_path / "a.state.npz"
    assert (whole.status == CONVERGED).any() and (whole.status == RUNNING).any()
    for limit in (0.2, 0.5, 0.9):

        def report(fraction: float, limit: float = limit) -> None:
            if fraction > limit:
                raise StopHereError

        with pytest.raises(StopHereError):
            run(training(rate=rate, rule=rule), 6, plan, Context(state, report=report, every=0.0))
        assert state.is_file()
    again = run(training(rate=rate, rule=rule), 6, plan, Context(state, every=0.0))
    for name, values in whole.arrays(tensors=("parameters",)).items():
        np.testing.assert_array_equal(again.arrays(tensors=("parameters",))[name], values)
    assert [p.name for p in tmp_path.iterdir()] == ["a.state.npz"]  # no half-written file is left


def test_a_damaged_state_file_is_not_gone_on_from(tmp_path: Path):
    state = tmp_path / "a.state.npz"
    write_arrays(state, {"x": np.arange(3)})
    held = read_arrays(state)
    assert held is not None and held["x"].tolist() == [0, 1, 2]
    state.write_bytes(state.read_bytes()[:40])
    assert read_arrays(state) is None and read_arrays(tmp_path / "none.npz") is None and read_arrays(None) is None


CHILD = """
import sys
from pathlib import Path
from theorytest.reproduce.engine import Context
from theorytest.reproduce.figure import Part
from theorytest.reproduce.runner import compute_part
Context.__init__.__defaults__ = (*Context.__init__.__defaults__[:-1], 0.0)
part = Part("p", "rc20_matrices:train", {arguments})
compute_part(part, Path(sys.argv[1]), dict(device="cpu", dtype="float64"), lambda fraction: print(fraction, flush=True))
"""


def test_a_part_killed_at_any_moment_loses_nothing(tmp_path: Path):
    from theorytest.reproduce.figures.rc20_matrices import train

    arguments: dict[str, Any] = dict(
        depth=2, rates=[3e-3] * 4, deviations=[1e-3] * 4, balanced=[True] * 4, signs=[1] * 4,
        targets=[[[0.0, 1.0], [1.0, 0.0]]] * 4, hidden=[[0, 0]] * 4, steps=60_000, stop=1e-9, seed=0,
    )  # fmt: skip
    whole = train(Context(), **arguments)
    path = tmp_path / "parts" / "p.npz"
    # A state at every stop, so that the process is killed while it writes one as often as not.
    code = CHILD.format(arguments=repr(arguments))
    for wait in (0.05, 0.2):
        child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert not path.exists() and path.with_suffix(".state.npz").exists()
    from theorytest.reproduce.figure import Part
    from theorytest.reproduce.runner import compute_part

    first: list[float] = []
    compute_part(Part("p", "rc20_matrices:train", arguments), path, {"device": "cpu", "dtype": "float64"}, first.append)
    made = read_arrays(path)
    assert made is not None and first[0] > 0.001
    for name, values in whole.items():
        np.testing.assert_array_equal(made[name], values)
    assert [p.name for p in path.parent.iterdir() if "state" in p.name] == []


def test_json_has_no_numpy_and_no_nan():
    made = as_json({"a": np.array([1.0, np.nan]), "b": (np.int64(2), np.float64(0.5), np.bool_(True)), 3: float("inf")})
    assert made == {"a": [1.0, None], "b": [2, 0.5, True], "3": None}
    assert json.loads(json.dumps(made)) == made


def test_context_makes_tensors_of_its_kind():
    assert Context(dtype="float32").tensor([1.0]).dtype == torch.float32
    assert Context().tensor(np.arange(3)).dtype == torch.float64
    assert Context(Path("a/b.state.npz")).stage("two").checkpoint == Path("a/b.state.two.npz")
