"""Every figure from parts cut short to reports and drawings; and the helpers that facts rest on."""

import json
from dataclasses import asdict
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from theorytest.reproduce.engine import CONVERGED, DIVERGED, RUNNING, Arrays, Context, as_json
from theorytest.reproduce.figure import FIGURES, Options, Part, Report, figure
from theorytest.reproduce.figures import hka24_data, rc20_fig2, rc20_matrices, rmc21_dynamics
from theorytest.reproduce.figures.rc20_matrices import GRID, least_entry, theorem_1
from theorytest.reproduce.runner import Made
from theorytest.reproduce.training import Training

pytest.importorskip("matplotlib", reason="the extra 'plots' is not installed")
pytest.importorskip("tensorly", reason="the extra 'data' is not installed")
pytest.importorskip("sklearn", reason="the extra 'data' is not installed")

SHORT = {"steps": 30, "epochs": 2, "ranked": 0, "sets": 2}  # a few steps, no ranks, two cells
SMALL = {"components": 20}


@cache
def computed(function: str, arguments: str) -> Arrays:
    """A part, computed once for all figures that share it."""
    module, _, name = function.partition(":")
    return getattr(import_module(f"theorytest.reproduce.figures.{module}"), name)(Context(), **json.loads(arguments))


def short(part: Part) -> Arrays:
    arguments: dict[str, Any] = json.loads(json.dumps(dict(part.arguments)))
    for name, value in SHORT.items():
        if name in arguments:
            arguments[name] = value
    if "problem" in arguments:
        arguments["problem"] |= SMALL
    return computed(part.function, json.dumps(arguments, sort_keys=True))


@cache
def report(name: str) -> Report:
    entry, options = figure(name), Options()
    return entry.report({part.name: short(part) for part in entry.parts(options)}, options)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_reported_and_drawn(name: str):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    made = report(name)
    assert made.facts and all(fact.what and fact.published and fact.ours for fact in made.facts)
    for agreement in made.agreements:
        assert agreement.violations == 0, agreement
    assert made.data and all(isinstance(values, np.ndarray) for values in made.data.values())
    json.dumps(Made(name, "", made, (), 0.0).to_json(), allow_nan=False)
    canvas = Canvas(layout="constrained")
    FigureCanvasAgg(canvas).draw()
    made.draw(canvas)
    assert canvas.axes and all(axes.get_xlabel() or axes.get_ylabel() or axes.get_title() for axes in canvas.axes)


def test_full_profiles_have_parts_that_are_plain_json():
    for name in FIGURES:
        full, quick = (figure(name).parts(Options(profile)) for profile in ("full", "quick"))
        assert len({part.name for part in full}) == len(full) >= len(quick) > 0
        json.dumps(as_json([dict(part.arguments) for part in full]), allow_nan=False)
        assert sum(part.cost for part in full) > sum(part.cost for part in quick)


def test_a_target_of_the_users_goes_into_the_parts():
    for name in ("RC20-Fig2", "RMC21-Fig3", "HKA24-Fig3"):
        for part in figure(name).parts(Options(target="/some/where.npz")):
            assert part.arguments["target"] == "/some/where.npz"
            assert "order4" not in part.name


# -- RC20 ------------------------------------------------------------------------------------------------------------


def test_no_matrix_with_positive_determinant_is_below_the_curve_and_some_with_negative_are():
    random = np.random.default_rng(0)
    loss = random.uniform(1e-3, 0.3, 3000)
    direction = random.standard_normal((3000, 3))
    direction *= np.sqrt(2 * loss)[:, None] / np.linalg.norm(direction, axis=1, keepdims=True)
    w12, w21, w22 = 1 + direction[:, 0], 1 + direction[:, 1], direction[:, 2]
    w11 = random.choice((-1, 1), 3000) * 10 ** random.uniform(-2, 3, 3000)
    above = np.abs(w11) >= least_entry(loss) * (1 - 1e-6)
    positive = w11 * w22 - w12 * w21 > 0
    assert positive.sum() > 300 and above[positive].all() and not above[~positive].all()
    # At small r = sqrt(2 l) the least is 1 / r - r up to higher orders: W12 = W21 = 1 - r^2, W22 = r up to them.
    assert least_entry(np.array([5e-3, 5e-5])) == pytest.approx([9.9, 99.99], rel=1e-3)


def test_theorem_1_is_counted_and_a_wrong_loss_breaks_it():
    random = np.random.default_rng(1)
    W = random.standard_normal((5000, 2, 2)) * 10 ** random.uniform(-1, 2, (5000, 1, 1))
    aims, observed = np.array([[0, 1], [1, 0]]), np.array([[0, 1], [1, 1]])
    loss = (((W - aims) * observed) ** 2).sum((1, 2)) / 2
    good = theorem_1(W, loss)
    assert len(good) == 6 and all(a.violations == 0 and a.instances > 1000 for a in good)
    assert "computed determinant <= 0" in good[0].discretisation
    assert all(0 < float(a.worst.split()[2]) <= 1 for a in good[-2:])  # "at most x of the bound", and no violation
    assert all(a.violations > 0 for a in theorem_1(W, loss / 1e4)[-2:])


def test_levels_are_interpolated_between_the_iterates_around_them():
    arrays = report("RC20-Fig1").data
    assert any("levels.W" in name for name in arrays)
    setting = rc20_matrices.Setting(2, 1e-3, 1e-2, True, ((0.0, 1.0), (1.0, 0.0)))
    levels = len(GRID)
    loss = np.stack([np.array(GRID) * 2, np.array(GRID) / 2], axis=-1)[None]
    W = np.zeros((1, levels, 2, 2, 2))
    W[..., 0, 0] = loss**-0.5  # a power law, which interpolation keeps
    held = {
        "x-depth2": {
            "final/levels.loss": loss, "final/levels.W": W, "final/levels.step": np.ones((1, levels)),
            "end/W": W[:, -1, 1], "end/loss": loss[:, -1, 1], "ended": np.array([7]), "status": np.array([1]),
        }
    }  # fmt: skip
    (curve,) = rc20_matrices.curves(held, "x", [setting], 1)
    np.testing.assert_allclose(curve.entry[0], np.array(GRID) ** -0.5, rtol=1e-12)
    assert curve.at(1e-2) == pytest.approx([10.0])


def test_percentiles():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert rc20_fig2.percentile(0.5, values) == 0 and rc20_fig2.percentile(5, values) == 100
    assert rc20_fig2.percentile(2.5, values) == 50 and rc20_fig2.percentile(2.0, values) == 37.5


# -- RMC21 -----------------------------------------------------------------------------------------------------------


def test_one_component_after_another():
    steps = np.arange(0, 100, 10)
    norms = np.stack([np.where(steps >= 30, 1.0, 0.0), np.where(steps >= 60, 0.5, 0.0), np.full(10, 1e-6)], axis=1)
    arrays = {"steps": steps, "series/norms": norms[:, None], "end/norms": norms[-1:]}
    assert rmc21_dynamics._jumps(arrays, 0, 2).tolist() == [30, 60]
    assert rmc21_dynamics._large(norms[-1]) == 2


def test_lemma_1_and_theorem_1_of_rmc21_can_fail(monkeypatch: pytest.MonkeyPatch):
    """What is compared is not true of itself: other norms break the lemma, another gradient breaks the theorem."""
    problem = rmc21_dynamics.Problem(order=3, size=5, rank=2, observations=60, components=30)
    arguments: dict[str, Any] = {"problem": asdict(problem), "draw": 0, "steps": 300, "seed": 0, "target": None}
    good = rmc21_dynamics.train(Context(), **arguments)
    assert good["series/theorem"][..., 0].sum() > 1000 and good["series/theorem"][..., 2].sum() == 0
    drift, rest, allowed = good["series/lemma"][-1].T
    assert (rest <= allowed).all() and (drift > 1e3 * allowed).all()  # the comparison says something
    squares = rmc21_dynamics._squares
    with monkeypatch.context() as patched:
        patched.setattr(rmc21_dynamics, "_squares", lambda blocks: squares(blocks) ** 2)
        lemma = rmc21_dynamics.train(Context(), **arguments)["series/lemma"][-1]
        assert (lemma[:, 1] > 1e3 * lemma[:, 2]).all()
    whole = Training.gradient
    with monkeypatch.context() as patched:
        patched.setattr(Training, "gradient", lambda self: whole(self) * torch.linspace(0, 9, self.flat.shape[1]))
        assert rmc21_dynamics.train(Context(), **arguments)["series/theorem"][..., 2].sum() > 0


# -- HKA24 -----------------------------------------------------------------------------------------------------------


def test_splits_are_fair():
    train, validation, held_out = hka24_data.split((5, 6, 7), 0.7, (0, 1, 2))
    np.testing.assert_array_equal(train + validation + held_out, 1)
    assert held_out.sum() == 63 and validation.sum() == 14
    again = hka24_data.split((5, 6, 7), 0.7, (0, 1, 3))
    assert not np.array_equal(again[0], train)


def test_the_reported_r2_is_that_of_the_least_validation_error():
    part = next(p for p in figure("HKA24-Fig6").parts(Options()) if p.name.endswith("depth1"))
    arrays = short(part)
    best = arrays["series/validation"].argmin(0)
    for member, row in enumerate(best):
        assert arrays["best/step"][member] == arrays["steps"][row]
        assert arrays["best/r2"][member] == arrays["series/r2"][row, member]
    assert set(np.unique(arrays["status"])) <= {CONVERGED, RUNNING, DIVERGED}
