"""High-precision gradient flow against closed forms, an independent integrator and conservation laws."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from theorytest.enclose.flow import BUDGET, DONE, SINGULAR, Trajectory, integrate
from theorytest.errors import InputError
from theorytest.models import (
    HalfSum,
    Huber,
    Linear,
    MeanSquares,
    Polynomial,
    Sensing,
    array,
    cp,
    deep_matrix_factorization,
    deep_tucker,
    square,
)

RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TWO = deep_matrix_factorization(2, 2, depth=2)


def identity(scale: Any) -> list[list[Any]]:
    return [[scale, 0], [0, scale]]


def wide(flow: Trajectory) -> Any:
    """A context for closed forms, precise enough that its own rounding does not count."""
    context: Any = mpmath.MPContext()
    context.dps = flow.context.dps + 20
    return context


def allowed(flow: Trajectory, t: Any) -> Any:
    """The error estimate, and the rounding of the value that is given out."""
    error = flow.error(t)
    largest = max(abs(x) for block in flow.at(t).values() for x in block.flat)
    return flow.context.mpf(error.numerator) / error.denominator + largest * flow.context.mpf(2) ** -flow.context.prec


@pytest.mark.parametrize("digits", [20, 50, 150])
def test_linear_flow(digits: int) -> None:
    """w' = -(w - b), so w = b + (w0 - b) exp(-t)."""
    model = cp((1,), rank=1)
    flow = integrate(model, HalfSum({(0,): Fraction(2, 3)}), {"w[1]": [["1/7"]]}, "5/3", digits=digits)
    context = wide(flow)
    for t in (Fraction(0), Fraction(1, 3), Fraction(5, 3)):
        b, w0 = context.mpf(2) / 3, context.mpf(1) / 7
        expected = b + (w0 - b) * context.exp(-context.mpf(t.numerator) / t.denominator)
        assert abs(flow.at(t)["w[1]"][0, 0] - expected) <= allowed(flow, t)
        assert flow.error(t) < Fraction(1, 10**digits)


@pytest.mark.parametrize("digits", [20, 50])
def test_logistic_flow_of_the_balanced_scalar_model(digits: int) -> None:
    """Depth 2, 1x1, balanced: w = u^2 with w' = 2 w (b - w), w = b / (1 + (b / w0 - 1) exp(-2 b t))."""
    model = deep_matrix_factorization(1, 1, depth=2)
    flow = integrate(model, HalfSum({(0, 0): 3}), {"W[1]": [["1/10"]], "W[2]": [["1/10"]]}, 4, digits=digits)
    context = wide(flow)
    for t in (1, 2, 4):
        expected = 3 / (1 + (300 - 1) * context.exp(-6 * context.mpf(t)))
        slope = 2 * max(abs(x) for block in flow.at(t).values() for x in block.flat)
        assert abs(flow.end_tensor(t)[0, 0] - expected) <= 2 * slope * allowed(flow, t)
        assert flow.error(t) < Fraction(1, 10**digits)


def test_cubic_loss_with_a_square_root_solution() -> None:
    """Loss w^4 / 4: w' = -w^3, w = w0 / sqrt(1 + 2 w0^2 t). A polynomial loss that is not quadratic."""
    model = cp((1,), rank=1)
    loss = Polynomial(((Fraction(1, 4), (((0,), 4),)),))
    flow = integrate(model, loss, {"w[1]": [[2]]}, 10)
    expected = 2 / wide(flow).sqrt(81)
    assert abs(flow.at(10)["w[1]"][0, 0] - expected) <= allowed(flow, 10)


def test_huber_on_its_linear_piece_and_at_its_kink() -> None:
    """w' = delta while w < b - delta: exact lines; the flow that reaches the kink is refused."""
    model = cp((1,), rank=1)
    loss = Huber({(0,): 3}, 1)
    flow = integrate(model, loss, {"w[1]": [[0]]}, "3/2")
    assert abs(flow.at("3/2")["w[1]"][0, 0] - flow.context.mpf("1.5")) <= allowed(flow, "3/2")
    with pytest.raises(InputError, match="kink"):
        integrate(model, loss, {"w[1]": [[0]]}, 3)
    with pytest.raises(InputError, match="kink"):
        integrate(model, loss, {"w[1]": [[2]]}, 1)
    inside = integrate(model, Huber({(0,): 3}, 5), {"w[1]": [[0]]}, 3)
    same = integrate(model, HalfSum({(0,): 3}), {"w[1]": [[0]]}, 3)
    assert abs(inside.at(3)["w[1]"][0, 0] - same.at(3)["w[1]"][0, 0]) <= allowed(inside, 3) + allowed(same, 3)


def test_sensing_with_unit_measurements_is_completion() -> None:
    measurements = tuple(
        array([[int((i, j) == place) for j in range(2)] for i in range(2)]) for place in ((0, 1), (1, 0))
    )
    sensing = Sensing(measurements, (1, 2), square(half=False))
    mean = MeanSquares({(0, 1): 1, (1, 0): 2})
    start = TWO.random(5)
    one, other = (integrate(TWO, loss, start, 2, digits=30) for loss in (sensing, mean))
    gap = max(
        abs(x - y) for name in TWO.shapes for x, y in zip(one.at(2)[name].flat, other.at(2)[name].flat, strict=True)
    )
    assert gap <= allowed(one, 2) + allowed(other, 2)
    different = integrate(TWO, MeanSquares({(0, 1): 1, (1, 0): 2}, half=True), start, 2, digits=30)
    assert abs(different.at(2)["W[1]"][0, 0] - one.at(2)["W[1]"][0, 0]) > allowed(one, 2) + allowed(different, 2)


def test_against_mpmath_odefun() -> None:
    """An independent integrator; its own error is estimated from two of its tolerances."""
    context: Any = mpmath.MPContext()
    context.dps = 30
    start = TWO.random(2)
    flat = [context.mpf(x.numerator) / x.denominator for name in TWO.shapes for x in start[name].entries]

    def field(_: Any, y: Any) -> list[Any]:
        a, b = context.matrix(2, 2), context.matrix(2, 2)
        for k in range(4):
            a[k // 2, k % 2], b[k // 2, k % 2] = y[k], y[4 + k]
        W1, W2 = (a, b) if list(TWO.shapes) == ["W[1]", "W[2]"] else (b, a)
        G = W2 * W1 - context.matrix([[0, 1], [1, 0]])
        G[0, 0] = 0
        first, second = W2.T * G, G * W1.T
        parts = (first, second) if list(TWO.shapes) == ["W[1]", "W[2]"] else (second, first)
        return [-part[k // 2, k % 2] for part in parts for k in range(4)]

    fine = context.odefun(field, 0, flat, tol=context.mpf(10) ** -28)(2)
    coarse = context.odefun(field, 0, flat, tol=context.mpf(10) ** -24)(2)
    flow = integrate(TWO, RC, start, 2, digits=40)
    ours = [x for block in flow.at(2).values() for x in block.flat]
    estimate = max(abs(x - y) for x, y in zip(fine, coarse, strict=True))
    assert 0 < estimate < context.mpf(10) ** -20
    assert max(abs(x - y) for x, y in zip(ours, fine, strict=True)) <= estimate + allowed(flow, 2)


def gram(blocks: Any, transposed: bool = False) -> Any:
    lower, upper = blocks["W[1]"], blocks["W[2]"]
    return upper @ upper.T - lower.T @ lower if transposed else upper.T @ upper - lower @ lower.T


def test_conservation_of_balancedness_and_its_transposed_control() -> None:
    start = TWO.random(7)
    flow = integrate(TWO, RC, start, 3)
    first, last = flow.at(0), flow.at(3)
    largest = max(abs(x) for block in last.values() for x in block.flat) + 1
    bound = 2 * 2 * 2 * largest * (allowed(flow, 3) + allowed(flow, 0))  # two Gram matrices, two products each
    assert max(abs(x) for x in (gram(last) - gram(first)).flat) <= bound
    assert max(abs(x) for x in (gram(last, True) - gram(first, True)).flat) > bound


@pytest.mark.parametrize(
    "model", [cp((2, 3, 2), rank=2), deep_tucker((2, 2), (2, 2), depths=1)], ids=["cp", "deep tucker"]
)
def test_more_digits_confirm_the_error_estimate(model: Any) -> None:
    loss = HalfSum({(0,) * len(model.shape): 1, tuple(s - 1 for s in model.shape): -1})
    start = model.random(1)
    low, high = (integrate(model, loss, start, 2, digits=digits) for digits in (15, 35))
    for t in (Fraction(1, 3), 2):
        gap = max(abs(x - y) for n in model.shapes for x, y in zip(low.at(t)[n].flat, high.at(t)[n].flat, strict=True))
        assert gap <= allowed(low, t) + allowed(high, t)
        largest = max(abs(x) for block in low.at(t).values() for x in block.flat)
        assert float(low.error(t)) < 1e-15 * max(1.0, float(largest))
    other = integrate(model, loss, {n: low.rational(0)[n] for n in model.shapes}, 2, digits=15)
    assert other.rational(2) == low.rational(2)


def test_dense_output_equals_a_run_that_ends_there() -> None:
    start = TWO.random(3)
    through, there = integrate(TWO, RC, start, 4), integrate(TWO, RC, start, "17/7")
    a, b = through.at("17/7"), there.at("17/7")
    gap = max(abs(x - y) for name in TWO.shapes for x, y in zip(a[name].flat, b[name].flat, strict=True))
    assert gap <= allowed(through, "17/7") + allowed(there, "17/7")
    kept = integrate(TWO, RC, start, 4, times=["17/7"])
    assert kept.rational("17/7") == through.rational("17/7") and kept.rational(4) == through.rational(4)
    assert len(kept.times()) < len(through.times())


@pytest.mark.parametrize("w0", [Fraction(1), Fraction(1, 1000), Fraction(1000)])
def test_blow_up_ends_with_a_status_and_the_time_reached(w0: Fraction) -> None:
    """Loss -w^3 / 3: w' = w^2 ends at t = 1 / w0. Loss -W with three equal factors: the same equation."""
    scalar = integrate(
        cp((1,), rank=1), Polynomial(((Fraction(-1, 3), (((0,), 3),)),)), {"w[1]": [[w0]]}, 10000, digits=20
    )
    cubic = cp((1, 1, 1), rank=1)
    linear = integrate(cubic, Linear([[[-1]]]), {name: [[w0]] for name in cubic.shapes}, 10000, digits=20)
    for flow in (scalar, linear):
        assert flow.status == SINGULAR
        # Each step is at least a fixed part of what is left, so the last step bounds what is left.
        assert 0 < 1 / w0 - flow.reached < Fraction(1, 2**36) / w0
        with pytest.raises(InputError, match="reached"):
            flow.at(1 / w0)
        with pytest.raises(InputError):
            flow.at(20000)


def test_a_saddle_that_is_left_from_a_tiny_start() -> None:
    """From 10^-30 the scalar flow still follows the logistic function to the digits asked for."""
    model = deep_matrix_factorization(1, 1, depth=2)
    tiny = Fraction(1, 10**30)
    flow = integrate(model, HalfSum({(0, 0): 1}), {"W[1]": [[tiny]], "W[2]": [[tiny]]}, 80, digits=30)
    context = wide(flow)
    for t in (10, 80):
        expected = context.sqrt(1 / (1 + (context.mpf(10) ** 60 - 1) * context.exp(-2 * context.mpf(t))))
        assert abs(flow.at(t)["W[1]"][0, 0] - expected) <= allowed(flow, t)
        assert flow.error(t) < Fraction(1, 10**28) * int(expected * 10**40) / 10**40


def test_stationary_points_zero_time_and_budget() -> None:
    zero = integrate(TWO, RC, {name: identity(0) for name in TWO.shapes}, 1000)
    assert zero.status == DONE and zero.steps <= 2 and not any(zero.rational(1000)["W[1]"].entries)
    start = TWO.random(1)
    nothing = integrate(TWO, RC, start, 0)
    assert nothing.status == DONE and nothing.reached == 0
    assert abs(nothing.rational(0)["W[1]"].entries[0] - start["W[1]"].entries[0]) <= nothing.error(0)
    short = integrate(TWO, RC, start, 1000, max_steps=3)
    assert short.status == BUDGET and short.steps == 3 and 0 < short.reached < 1000
    assert "budget" in repr(short)


def test_bad_input_is_one_line() -> None:
    start: dict[str, Any] = {name: identity(1) for name in TWO.shapes}
    for theta0, t in (
        ({"W[1]": identity(1)}, 1),
        (start | {"W[1]": [[1, 2, 3]]}, 1),
        (start | {"W[1]": identity(0.1)}, 1),
        (start | {"W[1]": [[np.inf, 0], [0, 1]]}, 1),
        (start, 0.5),
        (start, -1),
        (start, "soon"),
    ):
        with pytest.raises(InputError) as caught:
            integrate(TWO, RC, theta0, t)
        assert "\n" not in str(caught.value) and "needed" in str(caught.value)
    with pytest.raises(InputError):
        integrate(TWO, RC, start, 1, digits=0)


def test_nothing_global_is_changed() -> None:
    before = mpmath.mp.prec
    flow = integrate(TWO, RC, {name: identity(1) for name in TWO.shapes}, 1, digits=60)
    assert mpmath.mp.prec == before and flow.context is not mpmath.mp and flow.context.dps >= 60
