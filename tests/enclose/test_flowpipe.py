"""Enclosures against independent integration and closed forms, their widths, and how runs end that cannot finish."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest

from theorytest import quantity as q
from theorytest.enclose import flowpipe
from theorytest.enclose.flowpipe import DONE, BallArray, Flowpipe, certificate, enclose, measured
from theorytest.enclose.subspace import invariant_basis
from theorytest.errors import InputError
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel.flow import follow
from theorytest.kernel.initial_value import InitialValueProblem, field, rational
from theorytest.models import (
    Completion,
    Entrywise,
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

F = Fraction
RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})


def layers(depth: int, scale: str) -> dict[str, Any]:
    return {f"W[{k}]": [[scale, 0], [0, scale]] for k in range(1, depth + 1)}


def targets(model: Any, seed: int) -> dict[tuple[int, ...], Fraction]:
    random = Random(seed)
    return {index: F(random.randint(-8, 8), 8) for index in product(*map(range, model.shape))}


def contains(pipe: Flowpipe, model: Any, loss: Any, start: Any, t: Any, *, digits: int) -> None:
    """The enclosure holds what a Taylor integration with ten digits more finds, and is no wider than asked for."""
    path = GradientFlow(model, loss).integrate(start, t, digits=digits + 12, times=(t,))
    assert path.status == "done"
    found, slack = pipe.at(t), path.error(t)
    assert slack < F(1, 10 ** (digits + 3))
    for name, block in path.rational(t).items():
        for true, middle, radius in zip(
            block.entries, found[name].middle.entries, found[name].radius.entries, strict=True
        ):
            assert abs(true - middle) <= radius + slack
            assert radius <= F(1, 10**digits)


MODELS = {
    "deep matrix, depth 3": (deep_matrix_factorization(2, 2, depth=3), F(3, 10), 5),
    "wide matrix": (deep_matrix_factorization(2, 3, depth=2), F(1, 2), 4),
    "CP": (cp((2, 2, 2), rank=2), F(1, 10), 6),
    "Tucker": (tucker((2, 2, 2), (2, 1, 2)), F(1, 2), 2),
    "deep CP": (deep_cp((2, 2), rank=1, depth=1), F(1, 2), 4),
    "deep Tucker": (deep_tucker((2, 2), 2, depths=1), F(1, 2), 2),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_parameterization(name: str) -> None:
    model, scale, until = MODELS[name]
    loss, start = HalfSum(targets(model, 1)), model.random(seed=2, scale=scale)
    pipe = enclose(model, loss, start, until, digits=25)
    assert pipe.status == DONE and pipe.digits >= 25
    contains(pipe, model, loss, start, until, digits=25)
    assert follow(pipe.problem, pipe.steps)[-1].exit_radius == pipe.trajectory.pieces[-1].exit_radius


@pytest.mark.parametrize(
    ("depth", "scale", "until", "digits"), [(2, "1/10", 100, 40), (3, "1/10", 10, 40), (4, "3/10", 5, 30)]
)
def test_the_matrix_problem(depth: int, scale: str, until: int, digits: int) -> None:
    model = deep_matrix_factorization(2, 2, depth=depth)
    pipe = enclose(model, RC, layers(depth, scale), until, digits=digits)
    assert pipe.status == DONE and pipe.digits >= digits and pipe.steps.basis is not None
    contains(pipe, model, RC, layers(depth, scale), until, digits=digits)


def test_a_start_without_symmetry() -> None:
    model = deep_matrix_factorization(2, 2, depth=2)
    start = model.random(seed=3, scale=F(1, 10))
    pipe = enclose(model, RC, start, 50, digits=30)
    assert pipe.steps.basis is None
    contains(pipe, model, RC, start, 50, digits=30)


def test_other_losses() -> None:
    model = deep_matrix_factorization(2, 2, depth=2)
    start = model.random(seed=5, scale=F(1, 2))
    quartic = Entrywise(((F(0), F(0), F(1, 2), F(1, 3), F(1, 4)),))
    measurements = (array([[1, "1/2"], [0, "-1/3"]]), array([[0, 0], [2, 1]]))
    for loss in (
        MeanSquares({(0, 1): 1, (1, 1): "1/3"}),
        Completion({(0, 0): 1, (1, 0): "1/4"}, quartic),
        Sensing(measurements, (F(1), F(-1, 2)), square(half=True)),
    ):
        pipe = enclose(model, loss, start, 2, digits=25)
        contains(pipe, model, loss, start, 2, digits=25)


def test_a_huber_loss_is_followed_over_its_kinks() -> None:
    """1x1, depth 1: w' = 1/4 up to the kink at w = 3/4, t = 3, then 1 - w decays. Depth 2 crosses several kinks."""
    model = deep_matrix_factorization(1, 1, depth=1)
    pipe = enclose(model, Huber({(0, 0): 1}, F(1, 4)), {"W[1]": [[0]]}, 4, digits=30)
    low, high = pipe.value(q.entry(1, 1), F(5, 2))
    assert low <= F(5, 8) <= high < low + F(1, 10**30)
    low, high = pipe.value(1 - q.entry(1, 1) - q.exp(-1 + q.entry(1, 1) * 0) / 4, 4)
    assert low <= 0 <= high < low + F(1, 10**29)
    matrix, start = deep_matrix_factorization(2, 2, depth=2), layers(2, "1/10")
    loss = Huber({(0, 1): 1, (1, 0): 1, (1, 1): 0}, F(1, 2))
    pipe = enclose(matrix, loss, start, 20, digits=25)
    assert pipe.status == DONE and pipe.digits >= 25
    assert len({step.pieces for step in pipe.steps.steps}) > 1
    before = pipe.steps.steps[0].length  # up to there the loss is one polynomial, which an integrator can follow
    contains(pipe, matrix, loss, start, before / 2, digits=25)
    fine = enclose(matrix, loss, start, 20, digits=35)
    for name, block in fine.at(20).items():
        for one, other, r in zip(
            block.middle.entries, pipe.at(20)[name].middle.entries, pipe.at(20)[name].radius.entries, strict=True
        ):
            assert abs(one - other) <= r + F(1, 10**34)


# -- what a flowpipe says ---------------------------------------------------------------------------------------------


def test_values_ranges_and_times() -> None:
    flow = GradientFlow(deep_matrix_factorization(2, 2, depth=2), RC)
    pipe = flow.enclose(layers(2, "1/10"), 10, digits=30)
    assert isinstance(pipe.at(10)["end"], BallArray) and pipe.at(10)["end"].middle.shape == (2, 2)
    exact = flow.integrate(layers(2, "1/10"), 10, digits=45)
    for t in (1, F(7, 3), 10):
        W = exact.end_tensor(t)
        low, high = pipe.value(q.determinant(), t)
        true = W[0, 0] * W[1, 1] - W[0, 1] * W[1, 0]
        assert float(low) <= float(true) * (1 + 1e-12) and float(true) <= float(high) * (1 + 1e-12)
        assert high - low < F(1, 10**29)
    low, high = pipe.range(q.entry(1, 1), 2, 10)
    ends = pipe.value(q.entry(1, 1), 2)[0], pipe.value(q.entry(1, 1), 10)[1]
    assert low <= ends[0] and ends[1] <= high and high - low < ends[1] - ends[0] + F(1, 1000)
    coarse = pipe.range(q.entry(1, 1), 2, 10, cuts=0)
    assert coarse[0] <= low and high <= coarse[1]
    first = pipe.first_time(q.entry(1, 1), 1)
    assert first is not None and first[1] - first[0] <= F(1, 10**12)
    assert pipe.value(q.entry(1, 1), first[0])[0] <= 1 <= pipe.value(q.entry(1, 1), first[1])[1]
    assert pipe.first_time(q.entry(1, 1), 50) is None
    assert pipe.first_time(1 / (q.entry(1, 1) - 1), 0) is None  # the sign changes at a pole
    assert "done at t = 10" in repr(pipe)
    with pytest.raises(InputError, match="which was reached"):
        pipe.at(11)
    with pytest.raises(InputError, match="may not be defined"):
        pipe.range(1 / (q.entry(1, 1) - 1), 1, 10)


def test_a_certificate_for_a_claim() -> None:
    flow = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))
    claim = flow.throughout({"W[1]": [[0]]}, q.entry(1, 1) < 1, 3)
    (steps,) = certificate(claim, digits=15).pipes
    assert sum(step.length for step in steps.steps) >= 3
    now = flow.throughout({"W[1]": [[0]]}, q.entry(1, 1) < 1, 0)
    assert certificate(now).pipes[0].steps
    growing = Completion({(0, 0): 0}, Entrywise(((F(0), F(0), F(-1, 2)),)))
    blow = GradientFlow(deep_matrix_factorization(1, 1, depth=2), growing)
    with pytest.raises(InputError, match=r"up to t = 0\.5 of 2 only: singular"):
        certificate(blow.throughout({"W[1]": [[1]], "W[2]": [[1]]}, q.entry(1, 1) < 1, 2), digits=10)


# -- runs that cannot finish ------------------------------------------------------------------------------------------


def test_a_blow_up_ends_at_the_singularity() -> None:
    growing = Completion({(0, 0): 0}, Entrywise(((F(0), F(0), F(-1, 2)),)))  # x' = x^3 from 1: up to t = 1/2
    model = deep_matrix_factorization(1, 1, depth=2)
    pipe = enclose(model, growing, {"W[1]": [[1]], "W[2]": [[1]]}, 1, digits=10)
    assert pipe.status == flowpipe.SINGULAR and F(1, 2) - F(1, 10**12) < pipe.reached < F(1, 2)


def test_a_stiff_flow_ends_with_its_budget() -> None:
    model = deep_matrix_factorization(1, 1, depth=2)
    start: Any = {"W[1]": [["1/10"]], "W[2]": [["1/10"]]}
    begin = time.monotonic()
    pipe = enclose(model, HalfSum({(0, 0): 10**12}), start, 5, digits=20, max_seconds=1)
    assert pipe.status == flowpipe.BUDGET and 0 < pipe.reached < F(1, 1000) and time.monotonic() - begin < 20
    fast: Any = {"W[1]": [[10**6]], "W[2]": [[10**6]]}  # a first step that has to be very short
    pipe = enclose(model, HalfSum({(0, 0): 1}), fast, 1, digits=10)
    assert pipe.status == DONE and pipe.digits >= 10
    pipe = enclose(model, HalfSum({(0, 0): 1}), start, 50, digits=20, max_steps=3)
    assert pipe.status == flowpipe.STEPS and len(pipe.steps.steps) == 3 and 0 < pipe.reached < 50


def test_too_few_digits_end_where_nothing_is_known() -> None:
    """Near an unstable point errors grow like exp(2 t): a run of ten digits is lost, and says so."""
    model = deep_matrix_factorization(1, 1, depth=2)
    start: Any = {"W[1]": [["1/10"]], "W[2]": [["-1/10"]]}  # unbalanced by nothing, but on the way to the saddle 0
    searcher = flowpipe.Searcher(flowpipe.problem_of(model, HalfSum({(0, 0): 1}), start), None)
    run = searcher.run(F(60), flowpipe.Plan.of(10), deadline=time.monotonic() + 60, max_steps=1000)
    assert run.status == flowpipe.LOST and 0 < run.reached < 60
    pipe = enclose(model, HalfSum({(0, 0): 1}), start, 60, digits=10)  # in the subspace W[2] = -W[1] it does not grow
    assert pipe.status == DONE and pipe.digits >= 10


def test_bad_input_is_told_in_one_line() -> None:
    model = deep_matrix_factorization(1, 1, depth=1)
    start: Any = {"W[1]": [[0]]}
    for arguments, word in (
        ((model, RC, start, 0), "time > 0"),
        ((model, HalfSum({(0, 0): 1}), start, 0.5), "inexact"),
        ((model, HalfSum({(0, 0): 1}), {"W[1]": [[0.5]]}, 1), "inexact"),
        ((model, Polynomial(((F(1), (((0, 0), 3),)),)), start, 1), "one of residuals"),
    ):
        with pytest.raises(InputError, match=word):
            enclose(*arguments)
    with pytest.raises(InputError, match="whole number"):
        enclose(model, HalfSum({(0, 0): 1}), start, 1, digits=0)


def test_questions_that_have_no_answer_are_told_in_one_line() -> None:
    model = deep_matrix_factorization(2, 2, depth=2)
    pipe = enclose(model, RC, layers(2, "1/10"), 2, digits=12)
    e: Any = q.entry(1, 1)
    questions: list[tuple[Any, str]] = [
        (lambda: pipe.range(e, 2, 1), "not after the end"),
        (lambda: pipe.range(e, -1, 1), "0 <= t <= 2"),
        (lambda: pipe.range(e, 0, 3), "0 <= t <= 2"),
        (lambda: pipe.range(e, float("nan"), 1), "inexact"),
        (lambda: pipe.range(e, 0, 0.5), "inexact"),
        (lambda: pipe.range(e, None, 1), "rational"),
        (lambda: pipe.range("det", 0, 1), "needed"),  # type: ignore[arg-type]
        (lambda: pipe.range(None, 0, 1), "needed"),  # type: ignore[arg-type]
        (lambda: pipe.range(e > 0, 0, 1), "needed"),  # type: ignore[arg-type]
        (lambda: pipe.range(e, 0, 1, cuts=-1), "cuts=-1"),
        (lambda: pipe.range(e, 0, 1, cuts=1.5), "cuts=1.5"),  # type: ignore[arg-type]
        (lambda: pipe.range(q.entry(5, 5), 0, 1), "no entry"),
        (lambda: pipe.value(q.entry("X", 1, 1), 1), "no block"),
        (lambda: pipe.value(q.rank(), 1), "rank"),
        (lambda: pipe.at("later"), "rational"),
        (lambda: pipe.first_time(e, 0.1), "inexact"),
        (lambda: pipe.first_time(e, 1, width=0), "positive"),
        (lambda: pipe.first_time(q.entry(9, 9), 1), "no entry"),
    ]
    for ask, word in questions:
        with pytest.raises(InputError, match=word) as told:
            ask()
        assert "\n" not in str(told.value)
    low, high = pipe.range(e, 1, 1)
    assert low <= pipe.value(e, 1)[0] and high - low < F(1, 10**10)


def test_bad_requests_are_told_in_one_line() -> None:
    model = deep_matrix_factorization(2, 2, depth=2)
    start = layers(2, "1/10")
    whole = (F(1),) * 8
    requests: list[tuple[dict[str, Any], str]] = [
        ({"digits": "30"}, "whole number"),
        ({"digits": True}, "whole number"),
        ({"digits": 10**6}, "to 10000"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_seconds": float("nan")}, "max_seconds"),
        ({"max_seconds": "1"}, "max_seconds"),
        ({"basis": 5}, "columns of 8"),
        ({"basis": ((F(1),) * 3,)}, "columns of 8"),
        ({"basis": (whole,)}, "does not lie in the subspace"),
        ({"loss": HalfSum({(5, 5): 1})}, "not in an end tensor"),
        ({"loss": None}, "one of residuals"),
        ({"theta0": [1]}, "needed a dict"),
        ({"theta0": start | {"W[1]": [[1], [1, 2]]}}, "rational|shape"),
        ({"theta0": start | {"W[1]": [[float("nan"), 0], [0, 1]]}}, "inexact"),
        ({"model": None}, "theorytest.models"),
        ({"t": None}, "rational"),
        ({"loss": HalfSum({(0, 1): 10**400})}, "float64"),
        ({"theta0": start | {"W[1]": [[10**400, 0], [0, 1]]}}, "float64"),
        ({"t": float("inf")}, "inexact"),
    ]
    for change, word in requests:
        given: dict[str, Any] = {"model": model, "loss": RC, "theta0": start, "t": 1, "digits": 12} | change
        with pytest.raises(InputError, match=word) as told:
            enclose(**given)
        assert "\n" not in str(told.value)


def test_thousands_of_digits_end_with_their_budget() -> None:
    model = deep_matrix_factorization(1, 1, depth=2)
    start: Any = {"W[1]": [["1/10"]], "W[2]": [["1/10"]]}
    pipe = enclose(model, HalfSum({(0, 0): 1}), start, F(1, 100), digits=600)
    assert pipe.status == DONE and pipe.digits >= 600
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"time spent: raise max_seconds.*digits=9000"):
        enclose(model, HalfSum({(0, 0): 1}), start, 10, digits=9000, max_seconds=0.5)
    assert time.monotonic() - begin < 20


def test_the_loss_decreases_along_the_flow() -> None:
    """Its enclosed range, against the loss of an enclosed state; a linear loss has a constant velocity."""
    model = deep_matrix_factorization(2, 2, depth=2)
    pipe = enclose(model, RC, layers(2, "1/10"), 6, digits=15)
    times = [F(0), F(2), F(4), F(6)]
    values = [pipe.value(pipe.loss, t) for t in times]
    assert all(b[1] < a[0] for a, b in pairwise(values))
    W = pipe.at(6)["end"].middle
    expected = ((W[0, 1] - 1) ** 2 + (W[1, 0] - 1) ** 2 + W[1, 1] ** 2) / 2
    assert values[-1][0] - F(1, 10**12) <= expected <= values[-1][1] + F(1, 10**12)
    low, high = pipe.range(pipe.loss, 0, 6)
    assert low <= values[-1][0] and values[0][1] <= high < values[0][1] + F(1, 100)
    single = deep_matrix_factorization(2, 2, depth=1)
    linear = enclose(single, Linear(array([[1, 0], ["1/2", -1]])), {"W[1]": [[0, 0], [0, 0]]}, 3, digits=20)
    found = linear.at(3)["W[1]"]
    for middle, radius, true in zip(found.middle.entries, found.radius.entries, (-3, 0, F(-3, 2), 3), strict=True):
        assert abs(middle - true) <= radius <= F(1, 10**20)
    assert linear.value(linear.loss, 2)[0] <= -2 * F(9, 4) <= linear.value(linear.loss, 2)[1]
    huber = enclose(single, Huber({(0, 0): 1}, F(1, 2)), {"W[1]": [[0, 0], [0, 0]]}, F(1, 2), digits=12)
    with pytest.raises(InputError, match="kinks"):
        _ = huber.loss


def test_losses_become_the_kernels() -> None:
    loss = measured(Huber({(0, 0): 1}, F(1, 4)))
    assert loss.slope.pieces == ((F(-1, 4),), (F(0), F(1)), (F(1, 4),)) and loss.slope.breaks == (F(-1, 4), F(1, 4))
    sensing = measured(Sensing((array([[1, 0], ["1/2", 0]]),), (F(3),), square(half=False)))
    assert sensing.measurements[0].entries == (((0, 0), F(1)), ((1, 0), F(1, 2))) and sensing.slope.pieces == (
        (F(0), F(2)),
    )


# -- subspaces --------------------------------------------------------------------------------------------------------


def test_the_smallest_subspace_is_found() -> None:
    """Equal CP components stay equal; a component that starts at 0 stays there; a generic start has no subspace."""

    def problem(start: Any) -> InitialValueProblem:
        return flowpipe.problem_of(cp((2, 2), rank=2), HalfSum({(0, 0): 1, (1, 1): "1/2", (0, 1): "1/3"}), start)

    equal = problem({"w[1]": [[1, 2], [1, 2]], "w[2]": [["1/3", 1], ["1/3", 1]]})
    basis = invariant_basis(equal, ())
    assert basis is not None and len(basis) == 4
    alone = problem({"w[1]": [[1, 2], [0, 0]], "w[2]": [["1/3", 1], [0, 0]]})
    basis = invariant_basis(alone, ())
    assert basis is not None and len(basis) == 4 and all(not any(column[2:4] + column[6:]) for column in basis)
    assert field(alone, (), basis).squares == tuple(sum((x * x for x in column), F(0)) for column in basis)
    assert invariant_basis(problem({"w[1]": [[1, 2], [1, 3]], "w[2]": [["1/3", 1], [2, 1]]}), ()) is None


def test_irrational_subspaces_are_not_lifted() -> None:
    """A start on an eigenvector: the span of the orbit is a line, found where its direction is rational."""
    loss = HalfSum({(0, 0): 0})
    start: Any = {"W[1]": [["1/123456789012345678901", 1]]}
    problem = flowpipe.problem_of(deep_matrix_factorization(1, 2, depth=1), loss, start)
    assert invariant_basis(problem, ()) is None  # two directions: the start, and the entry that decays
    assert rational(F(1, 3)) == rational(F(2, 6))
