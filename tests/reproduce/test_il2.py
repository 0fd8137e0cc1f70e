"""The conservation laws on real data: exact where it is said to be exact, bounded where it is said to be bounded."""

from __future__ import annotations

import builtins
from fractions import Fraction

import numpy as np
import pytest

from theorytest.errors import InputError
from theorytest.kernel.claim import SliceTruncation
from theorytest.kernel.errors import KernelError
from theorytest.kernel.truncation import certify
from theorytest.models.factorizations import deep_tucker, tucker
from theorytest.reproduce import il2
from theorytest.reproduce.il2 import (
    IL2Completion,
    balanced_start,
    il2_completion,
    il2_data,
    il2_instances,
    rounding_depth,
    tucker_matrices,
)

pytest.importorskip("tensorly", reason="the extra 'data' is not installed")


@pytest.fixture(scope="module")
def run() -> IL2Completion:
    return il2_completion(steps=900, adam_steps=200)


def test_the_data_are_the_papers_shape():
    data = il2_data()
    assert data.values.shape == (11, 4, 12) == data.measured.shape
    assert data.measured.all() and len(data.dropped) == 2
    assert data.cell == il2_data("Treg IL2Ra_hi").cell
    assert not np.array_equal(il2_data(7).values, data.values)


def test_training_descends_and_predicts(run: IL2Completion):
    assert run.increases == 0
    assert run.observed + run.held_out == run.measured == 11 * 4 * 12
    first, last = run.history[0], run.history[-1]
    assert last.loss < first.loss / 10
    # Better than the mean of either set by far, and honest: the held-out entries are predicted less well.
    assert first.r2_held_out < 0 < last.r2_held_out < last.r2_observed < 1


def test_the_drift_is_the_sum_of_the_steps_up_to_rounding(run: IL2Completion):
    for drift in run.drifts:
        assert drift.explained
        assert len(drift.laws) == 2 * (11 + 4 + 12)
        gap, bound = drift.worst
        assert gap <= bound < drift.size / 10**6  # the bound says something: drift is a million times larger


def test_the_sum_without_its_square_or_for_other_pairs_does_not_explain_the_drift(run: IL2Completion):
    drift = run.drifts[0]
    for wrong in (
        tuple(2 * a for a in drift.accumulated),
        tuple(-a for a in drift.accumulated),
        drift.accumulated[1:] + drift.accumulated[:1],
        tuple(Fraction(0) for _ in drift.accumulated),
    ):
        rows = zip(drift.measured, wrong, drift.bound, strict=True)
        assert not all(abs(measured - sum_) <= bound for measured, sum_, bound in rows)


def test_the_drift_falls_linearly_in_the_step_size(run: IL2Completion):
    """drift(η) = c1 η + c2 η^2 + ...: the ratio of a halving is 2 + c2/c1 η + ..., and its distance from 2 halves too.

    So the second distance is at most the first (it is about half of it), and the first is not as large as 1, which is
    where a constant (ratio 1) or a quadratic (ratio 4) drift would be beyond.
    """
    first, second = (abs(ratio - 2) for ratio in run.ratios)
    assert second < first < 1
    assert [d.eta for d in run.drifts] == [run.eta, run.eta / 2, run.eta / 4]
    assert len({d.eta * d.steps for d in run.drifts}) == 1


def test_adam_breaks_the_laws(run: IL2Completion):
    assert not any(drift.explained for drift in run.adam)
    assert all(ratio < 1.5 for ratio in run.adam_ratios)  # the drift stays where it is as the step size falls
    assert run.adam[-1].size > 10 * run.drifts[0].size


def test_the_first_step_in_rational_arithmetic(run: IL2Completion):
    step = run.first_step
    assert step.gradient_descent == step.predicted != 0
    assert step.adam != step.predicted
    assert abs(step.adam) > 10**3 * abs(step.predicted)


def test_the_start_is_balanced_to_rounding():
    """Norms are computed with at most n + 3 roundings of n squares, a root, a quotient and a product: relative
    error below (n + 8) 2^-53 each, so squared norms agree to 4 (n + 8) 2^-53 of their size, n the largest number of
    entries.
    """
    model = deep_tucker((3, 2, 4), depths=2)
    blocks = balanced_start(model, scale=0.3, large=2, rest=0.5, seed=4)
    core = blocks["G"]
    for name, block in blocks.items():
        if name == "G":
            continue
        mode = int(name[2]) - 1
        expected = (core**2).sum(axis=tuple(a for a in range(3) if a != mode))
        found = (block.reshape(len(block), -1) ** 2).sum(axis=1)
        assert (abs(found - expected) <= 4 * (core.size + 8) * 2.0**-53 * expected).all()


def test_the_rounding_depth_bounds_the_gradients():
    """Computed gradients against rational ones, entry by entry: never beyond γ_m, and γ_m is not absurdly large."""
    model = deep_tucker((4, 3, 2), depths=1)
    m = rounding_depth(model)
    gamma = Fraction(m, 2**53 - m)
    exact = model.random(seed=5, denominator=2**20)
    floats = {name: np.array([float(x) for x in a.entries]).reshape(a.shape) for name, a in exact.items()}
    random = np.random.default_rng(0)
    g = random.standard_normal(model.shape)
    computed = model.gradients(floats, g)
    truth = model.gradients(exact, il2.exact_array(g))
    sizes = model.gradients(
        {name: il2.exact_array(np.abs(values)) for name, values in floats.items()}, il2.exact_array(np.abs(g))
    )
    worst = Fraction(0)
    for name in model.shapes:
        for c, t, s in zip(computed[name].reshape(-1).tolist(), truth[name].entries, sizes[name].entries, strict=True):
            assert abs(Fraction(c) - t) <= gamma * s
            worst = max(worst, abs(Fraction(c) - t) / s)
    assert worst > 0 and m < 200


def test_truncations_are_instances_for_the_kernel(run: IL2Completion):
    ranks = [t.rank for t in run.truncations]
    assert ranks[0] >= ranks[1] >= ranks[2] and ranks[-1] < run.shape
    for truncation in run.truncations:
        assert truncation.squared_distance <= truncation.epsilon**2
        assert certify(SliceTruncation(), truncation.instance, 200).ranks == truncation.rank
        letters = dict(truncation.instance.letters)
        assert letters["G"] == run.core
        assert tuple(letters[f"V[{n}]"] for n in (1, 2, 3)) == run.matrices
        assert dict(truncation.instance.variables)["ε"] == truncation.epsilon
    # A much larger threshold than the proposition's would cut too much: the kernel says so.
    with pytest.raises(KernelError, match="squared distance"):
        certify(SliceTruncation(factor=Fraction(10**4)), run.truncations[-1].instance, 200)


def test_the_core_and_the_matrices_are_those_of_the_trained_model():
    """Up to the rounding of V (k_n products of d_n terms) and of the end tensor, by absolute values."""
    model = deep_tucker((3, 2, 4), depths=2)
    blocks = balanced_start(model, scale=0.5, large=2, rest=0.5, seed=1)
    matrices = tucker_matrices(model, blocks)
    flat = tucker((3, 2, 4), (3, 2, 4))
    letters = {"G": blocks["G"], **{f"V[{n}]": v for n, v in enumerate(matrices, 1)}}
    sizes = model.end_tensor({name: np.abs(values) for name, values in blocks.items()})
    roundings = 2 * rounding_depth(model) + 2 * 3 * 4
    gap = np.abs(flat.end_tensor(letters) - model.end_tensor(blocks))
    assert (gap <= 2 * roundings * 2.0**-53 * sizes).all()


def test_the_same_seed_gives_the_same_run_and_another_one_does_not():
    runs = [il2_completion(steps=5, adam_steps=2, seed=seed) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_instances_alone_are_those_of_the_whole_run():
    run = il2_completion(steps=23, adam_steps=0, halvings=1, seed=2)
    assert il2_instances(steps=23, seed=2) == tuple(t.instance for t in run.truncations)
    assert [d.steps for d in run.drifts] == [23, 46] and all(d.explained for d in run.drifts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "integer of at least 1"),
        ({"eta": Fraction(1, 3)}, "floating-point number"),
        ({"observed": Fraction(1)}, "held out"),
        ({"cell": "B cell"}, "needed one of"),
        ({"eta": Fraction(8), "steps": 200, "adam_steps": 1}, "diverges"),
    ],
)
def test_wrong_input_is_one_clear_line(arguments: dict, message: str):
    with pytest.raises(InputError, match=message):
        il2_completion(**arguments)


def test_without_tensorly_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def refuse(name: str, *arguments, **keywords):
        if name.startswith("tensorly"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    il2_data.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"theorytest\[data\]"):
        il2_data()
