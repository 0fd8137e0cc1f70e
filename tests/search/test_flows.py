"""Batched float64 flows: the method, closed forms, statuses, drift of invariants, agreement with high precision."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from theorytest.derive.laws import quadratic_laws
from theorytest.errors import InputError
from theorytest.gradient_flow import Comparison, GradientFlow, compare
from theorytest.models import (
    Completion,
    HalfSum,
    Huber,
    Linear,
    MeanSquares,
    Polynomial,
    Sensing,
    array,
    cp,
    deep_cp,
    deep_matrix_factorization,
    deep_tucker,
    square,
    tucker,
)
from theorytest.search import dop853, flows, lockstep
from theorytest.search.field import Field
from theorytest.search.flows import BUDGET, DONE, NOT_FINITE, SINGULAR, integrate_batch
from theorytest.search.stepper import Stepper

RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TWO = deep_matrix_factorization(2, 2, depth=2)
CASES: dict[str, tuple[Any, Any]] = {
    "deep matrix": (deep_matrix_factorization(2, 3, depth=3, width=(2, 4)), MeanSquares({(0, 1): 1, (1, 2): -1})),
    "cp": (cp((2, 3, 2), rank=2), HalfSum({(0, 1, 1): 1, (1, 2, 0): Fraction(-1, 2)})),
    "tucker": (tucker((2, 3), (2, 2)), MeanSquares({(0, 1): 1, (1, 2): -1})),
    "deep cp": (deep_cp((2, 2), rank=2, depth=1), HalfSum({(0, 1): 1, (1, 0): Fraction(-1, 2)})),
    "deep tucker": (deep_tucker((2, 2), (2, 2), depths=1), HalfSum({(0, 1): 1, (1, 1): Fraction(-1, 2)})),
}


def starts(model: Any, batch: int, scale: float = 0.7, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(batch, *shape, generator=generator, dtype=torch.float64)
        for name, shape in model.shapes.items()
    }


def test_order_conditions_of_the_coefficients() -> None:
    """Quadrature conditions up to order 8, those of the error estimates, and the row sums (with sum b_i a_ij c_j^k)."""
    nodes = [math.fsum(row.values()) for row in dop853.A]
    unit = 2.0**-50  # some ten terms of size up to 50, each rounded to float64
    for power in range(8):
        whole = math.fsum(b * nodes[k] ** power for k, b in dop853.B.items())
        assert abs(whole - 1 / (power + 1)) < 50 * unit
        if power < 7:
            inner = [math.fsum(a * nodes[j] ** power for j, a in row.items()) for row in dop853.A]
            nested = math.fsum(b * inner[k] for k, b in dop853.B.items())
            assert abs(nested - 1 / ((power + 1) * (power + 2))) < 50 * unit
    for weights, order in ((dop853.E5, 5), (dop853.E3, 3)):
        for power in range(order):
            assert abs(math.fsum(e * nodes[k] ** power for k, e in weights.items())) < 50 * unit
        assert abs(math.fsum(e * nodes[k] ** order for k, e in weights.items())) > 1e-6


def test_one_step_is_of_order_eight() -> None:
    """w' = -w: the error of a step shrinks by 2^9 when the step is halved."""
    model = cp((1,), rank=1)
    steps = torch.tensor([0.5, 0.25], dtype=torch.float64)
    stepper = Stepper(Field(model, flows.stack(HalfSum({(0,): 0}), (1,)), 2, "cpu"), 1)
    stepper.state.fill_(1.0)
    stepper.step(steps)
    error = (stepper.new[0] - torch.exp(-steps)).abs()
    assert 2**8.5 < float(error[0] / error[1]) < 2**9.5


def test_closed_forms_with_a_loss_for_each_instance() -> None:
    """w' = -(w - b), and the logistic flow of the balanced scalar model, at several times."""
    targets = [Fraction(k, 7) for k in range(-3, 9)]
    b = torch.tensor([float(x) for x in targets], dtype=torch.float64)
    times = [0, Fraction(1, 3), 5]
    linear = cp((1,), rank=1)
    flow = integrate_batch(linear, [HalfSum({(0,): x}) for x in targets], {"w[1]": torch.ones(12, 1, 1)}, times)
    assert flow.status.tolist() == [DONE] * 12
    for k, t in enumerate(times):
        exact = b + (1 - b) * math.exp(-float(t))
        assert ((flow.blocks["w[1]"][k, :, 0, 0] - exact).abs() <= flow.error[k] + 2.0**-50).all()
    assert float(flow.error.max()) < 1e-8
    depth = deep_matrix_factorization(1, 1, depth=2)
    positive = [HalfSum({(0, 0): k + 1}) for k in range(12)]
    start = {name: torch.full((12, 1, 1), 0.125) for name in depth.shapes}
    flow = integrate_batch(depth, positive, start, [2])
    c = torch.arange(1, 13, dtype=torch.float64)
    w = c / (1 + (64 * c - 1) * torch.exp(-4 * c))
    # w = u^2 is known up to 2 u e + e^2, and a few roundings of the formula.
    u, e = flow.blocks["W[1]"][0, :, 0, 0], flow.error[0]
    assert ((flow.end_tensor()[0, :, 0, 0] - w).abs() <= 2 * u * e + e**2 + 16 * 2.0**-53 * w).all()


@pytest.mark.parametrize("name", CASES)
def test_the_same_exact_instances_agree_with_high_precision(name: str) -> None:
    model, loss = CASES[name]
    given = [model.random(seed) for seed in range(4)]
    found = compare(model, loss, given, 3, digits=25)
    assert all(one.agrees for one in found), found
    assert max(float(one.allowed or 1) for one in found) < 1e-8
    assert any(one.difference for one in found)


def test_a_slightly_different_loss_does_not_agree() -> None:
    """The control of the comparison: the error estimates are small enough to see a target moved by 10^-7."""
    moved = HalfSum({(0, 1): 1 + Fraction(1, 10**7), (1, 0): 1, (1, 1): 0})
    given = [TWO.random(seed) for seed in range(3)]
    same = compare(TWO, [RC, RC, RC], given, 3, digits=25)
    flow = GradientFlow(TWO, moved).batch(
        {n: np.array([[float(x) for x in g[n].entries] for g in given]).reshape(-1, 2, 2) for n in TWO.shapes}, 3
    )
    exact = [GradientFlow(TWO, RC).integrate(g, 3, digits=25) for g in given]
    assert all(one.agrees for one in same)
    for k, trajectory in enumerate(exact):
        gap = max(
            abs(float(x) - float(y))
            for n in TWO.shapes
            for x, y in zip(trajectory.at(3)[n].flat, flow.blocks[n][0, k].flatten(), strict=True)
        )
        assert gap > float(flow.error[0, k]) + float(trajectory.error(3))


def test_comparison_of_what_does_not_reach_the_end() -> None:
    model, loss = cp((1,), rank=1), Polynomial(((Fraction(-1, 3), (((0,), 3),)),))
    (found,) = compare(model, loss, [{"w[1]": [[1]]}], 2, digits=15)
    assert found.difference is None and not found.agrees and "singular" in found.float64 and "singular" in found.taylor
    assert not Comparison(Fraction(2), Fraction(1), "done", "done").agrees
    for bad in ([], [{"w[1]": [[1]]}] * 2):
        with pytest.raises(InputError):
            compare(model, [loss], bad, 1)


@pytest.mark.parametrize("name", CASES)
def test_invariants_drift_no_more_than_the_error_estimate_allows(name: str) -> None:
    """All quadratic laws that were derived from the definition, on 50 random instances; and a control: one term removed
    from a law leaves a form that is not conserved."""
    model = CASES[name][0]
    # Every entry observed: otherwise parameters that do not move give more laws.
    places = list(np.ndindex(*model.shape))
    loss = HalfSum({place: Fraction(k % 5 - 2, 3) for k, place in enumerate(places)})
    flow = integrate_batch(model, loss, starts(model, 50), [1, 4])
    laws = quadratic_laws(model).basis
    drift = flow.drift(laws)
    assert drift.change.shape == (2, 50, len(laws)) and not drift.suspects().any()
    assert float(drift.bound.max()) < 1e-5 and float(drift.change.abs().max()) > 0
    broken = [tuple(law.terms)[1:] for law in laws]
    assert flow.drift(broken).suspects().any(dim=(0, 1)).all()
    with pytest.raises(InputError, match="needed"):
        flow.drift([[((("nothing", (0, 0)), ("nothing", (0, 0))), 1)]])


@pytest.mark.parametrize(
    "losses",
    [
        [HalfSum({(0, 1): k, (1, k % 2): 1}) for k in range(6)],
        [MeanSquares({(i, 0): k for i in range(1 + k % 2)}) for k in range(6)],
        [Huber({(0, 0): k, (1, 1): -k}, Fraction(1, 2)) for k in range(6)],
        [Completion({(0, 0): k}, square(half=True)) for k in range(6)],
        [Sensing((array([[1, k], [0, 1]]), array([[0, 1], [k, 2]])), (1, k), square(half=False)) for k in range(6)],
        [Linear([[k, 1], [0, -1]]) for k in range(6)],
    ],
    ids=["half-sum", "mean squares", "huber", "completion", "sensing", "linear"],
)
def test_stacked_losses_have_the_gradients_of_the_single_ones(losses: Any) -> None:
    W = torch.randn(6, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = flows.stack(losses, (2, 2)).gradient(W)
    apart = torch.stack([loss.gradient(w) for loss, w in zip(losses, W, strict=True)])
    # The same few operations in another order.
    assert ((together - apart).abs() <= 32 * 2.0**-53 * (1 + apart.abs() + W.abs().amax() * 6)).all()
    chosen = flows.stack(losses, (2, 2)).take(torch.tensor([4, 2])).gradient(W[[4, 2]])
    assert torch.equal(chosen, together[[4, 2]])


def test_an_instance_does_not_depend_on_its_neighbours() -> None:
    losses = [HalfSum({(0, 1): k, (1, 0): 1, (1, 1): 0}) for k in range(8)]
    start = starts(TWO, 8)
    together = integrate_batch(TWO, losses, start, [1, 6])
    for k in (0, 5):
        alone = integrate_batch(TWO, [losses[k]], {n: x[k : k + 1] for n, x in start.items()}, [1, 6])
        for name in TWO.shapes:
            gap = (alone.blocks[name][:, 0] - together.blocks[name][:, k]).abs().amax((-1, -2))
            assert (gap <= alone.error[:, 0] + together.error[:, k]).all()
    again = integrate_batch(TWO, losses, start, [1, 6])
    assert all(torch.equal(again.blocks[name], together.blocks[name]) for name in TWO.shapes)


def test_blow_up_budget_and_bad_starts_end_alone() -> None:
    """w' = w^2 from 1/2, -1, 4, 0 and nan to t = 1: only 4 blows up (at 1/4); the others are not held up."""
    model = cp((1,), rank=1)
    loss = Polynomial(((Fraction(-1, 3), (((0,), 3),)),))
    w0 = torch.tensor([0.5, -1.0, 4.0, 0.0, math.nan], dtype=torch.float64)
    flow = integrate_batch(model, loss, {"w[1]": w0.reshape(-1, 1, 1)}, [Fraction(1, 8), 1])
    assert flow.status.tolist() == [DONE, DONE, SINGULAR, DONE, NOT_FINITE]
    w = flow.blocks["w[1]"][..., 0, 0]
    for k, t in enumerate((0.125, 1.0)):
        for i in (0, 1, 3) if k else (0, 1, 2, 3):
            exact = float(w0[i] / (1 - w0[i] * t))
            assert abs(float(w[k, i]) - exact) <= float(flow.error[k, i]) + 4 * 2.0**-53 * abs(exact)
    assert torch.isnan(w[1, 2]) and torch.isnan(flow.error[1, 2]) and torch.isnan(w[:, 4]).all()
    assert 0 <= 0.25 - float(flow.reached[2]) < 0.25 * lockstep.SHRUNK
    assert flow.statuses()[2].startswith("singular")
    short = integrate_batch(TWO, RC, starts(TWO, 3), [1000], max_steps=4)
    assert short.status.tolist() == [BUDGET] * 3 and (short.steps + short.rejected == 4).all()


def test_bad_input_is_one_line() -> None:
    good = starts(TWO, 2)
    cases: list[tuple[Any, Any, Any, dict[str, Any]]] = [
        (RC, {"W[1]": good["W[1]"]}, [1], {}),
        (RC, good | {"W[1]": torch.ones(2, 2, 3)}, [1], {}),
        (RC, good | {"W[2]": torch.ones(3, 2, 2)}, [1], {}),
        (RC, good, [], {}),
        (RC, good, [2, 1], {}),
        (RC, good, [-1], {}),
        (RC, good, [0.5], {}),
        (RC, good, [1], {"rtol": 1e-16}),
        (RC, good, [1], {"atol": -1.0}),
        ([RC], good, [1], {}),
        ([], good, [1], {}),
        ([RC, MeanSquares({(0, 0): 1})], good, [1], {}),
        ([HalfSum({(0, 5): 1})] * 2, good, [1], {}),
        ([RC, Linear([[1, 0], [0, 1]])], good, [1], {}),
        (
            [Sensing((array([[1, 0], [0, 1]]),) * m, (1,) * m, square(half=True)) for m in (1, 2)],
            good,
            [1],
            {},
        ),
    ]
    if not torch.cuda.is_available():
        cases.append((RC, good, [1], {"device": "cuda"}))
    for loss, theta0, times, options in cases:
        with pytest.raises(InputError) as caught:
            integrate_batch(TWO, loss, theta0, times, **options)
        assert "\n" not in str(caught.value) and "needed" in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_cpu() -> None:
    start = starts(TWO, 64)
    here, there = (integrate_batch(TWO, RC, start, [5], device=device) for device in ("cpu", "cuda"))
    for name in TWO.shapes:
        gap = (here.blocks[name] - there.blocks[name].cpu()).abs().amax((-1, -2))
        assert (gap <= here.error + there.error.cpu()).all()


def test_against_scipy() -> None:
    """An independent program; its own error is estimated from two of its tolerances."""
    integrate = pytest.importorskip("scipy.integrate")
    start = starts(TWO, 1)

    def field(_: float, x: np.ndarray) -> np.ndarray:
        first, second = x.reshape(2, 2, 2)
        g = second @ first - np.array([[0.0, 1.0], [1.0, 0.0]])
        g[0, 0] = 0.0
        return -np.stack([second.T @ g, g @ first.T]).reshape(-1)

    names = ("W[1]", "W[2]")
    flat = np.concatenate([start[name].numpy().reshape(-1) for name in names])
    fine, coarse = (
        integrate.solve_ivp(field, (0, 5), flat, method="DOP853", rtol=r, atol=r).y[:, -1] for r in (1e-12, 1e-9)
    )
    flow = integrate_batch(TWO, RC, start, [5])
    ours = np.concatenate([flow.blocks[name][0, 0].numpy().reshape(-1) for name in names])
    estimate = np.abs(fine - coarse).max()
    assert estimate < 1e-6
    assert np.abs(ours - fine).max() <= estimate + float(flow.error[0, 0])


def test_gradient_flow_runs_both() -> None:
    flow = GradientFlow(TWO, RC)
    start = TWO.random(1)
    one = flow.integrate(start, 2, digits=20)
    many = flow.batch({n: np.array([float(x) for x in start[n].entries]).reshape(1, 2, 2) for n in TWO.shapes}, [1, 2])
    assert one.status == "done" and many.times == (1, 2) and many.blocks["W[1]"].shape == (2, 1, 2, 2)
    gap = abs(float(one.at(2)["W[1]"][0, 0]) - float(many.blocks["W[1]"][1, 0, 0, 0]))
    assert gap <= float(many.error[1, 0]) + float(one.error(2)) + 2.0**-52
