"""One contract for all engines of batched flows, and what is particular to each of them."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from theorytest.errors import InputError
from theorytest.gradient_flow import GradientFlow
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
    einsum,
    square,
    tucker,
)
from theorytest.search import field, lockstep, native, taylor_batch
from theorytest.search.crossing import PlainField, plain_step
from theorytest.search.field import Field
from theorytest.search.flows import BUDGET, DONE, NOT_FINITE, SINGULAR, Level, integrate_batch, stack
from theorytest.search.stepper import Stepper

RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TWO = deep_matrix_factorization(2, 2, depth=2)
ENGINES = (
    "torch",
    pytest.param("heyoka", marks=pytest.mark.skipif(find_spec("heyoka") is None, reason="heyoka is not installed")),
    pytest.param("compiled", marks=pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler")),
)
QUARTIC = Entrywise(((0, 0, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)),))
MODELS: dict[str, Any] = {
    "deep matrix": deep_matrix_factorization(2, 3, depth=3, width=(2, 4)),
    "cp": cp((2, 3, 2), rank=2),
    "tucker": tucker((2, 3), (2, 2)),
    "deep cp": deep_cp((2, 2), rank=2, depth=1),
    "deep tucker": deep_tucker((2, 2), (2, 2), depths=1),
    "shared block": einsum("ab,cb->ac", A=(2, 2), B=(2, 2)),
    "one factor": deep_matrix_factorization(2, 2, depth=1),
    "repeated leg": einsum("aa,ab->b", A=(2, 2), B=(2, 3)),
}


def starts(model: Any, batch: int, scale: float = 0.7, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(batch, *shape, generator=generator, dtype=torch.float64)
        for name, shape in model.shapes.items()
    }


def losses_of(model: Any, batch: int) -> dict[str, Any]:
    """Of every kind: one for all, and one for each."""
    places = list(np.ndindex(*model.shape))
    one = {place: Fraction(k % 5 - 2, 3) for k, place in enumerate(places)}
    flat = [[Fraction((k + 2 * i) % 7 - 3, 4) for i in range(len(places))] for k in range(batch)]
    tensors = [array(np.array(row, dtype=object).reshape(model.shape)) for row in flat]
    return {
        "shared half-sum": HalfSum(one),
        "shared quartic": Completion(one, QUARTIC),
        "shared Huber": Huber(one, Fraction(1, 4)),
        "shared polynomial": Polynomial(((Fraction(1, 4), ((places[0], 4),)), (Fraction(-1), ((places[-1], 1),)))),
        "half-sums": [HalfSum({places[0]: k, places[-1]: 1}) for k in range(batch)],
        "quartics": [Completion({places[k % len(places)]: Fraction(k, 3)}, QUARTIC) for k in range(batch)],
        "Hubers": [Huber({places[0]: k, places[-1]: -k}, Fraction(1, 2)) for k in range(batch)],
        "linear": [Linear(tensor) for tensor in tensors],
        "sensing": [Sensing((tensor, tensors[0]), (1, k), square(half=False)) for k, tensor in enumerate(tensors)],
    }


# -- the fused steps against the method as it is written ---------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_step_on_buffers_is_the_method_term_by_term(name: str) -> None:
    """The field written out in elementwise products, and the slots of the stages, against `plain_step`, which knows
    neither: for all kinds of losses, and columns in another order than the instances."""
    model, batch = MODELS[name], 7
    which = torch.tensor([3, 0, 6, 6, 1])
    generator = torch.Generator().manual_seed(2)
    x = 0.5 * torch.randn(len(which), model.parameters, generator=generator, dtype=torch.float64)
    h = torch.tensor([0.1, 0.2, 0.0, 0.05, 0.3], dtype=torch.float64)
    for kind, given in losses_of(model, batch).items():
        losses = stack(given, tuple(model.shape))
        stepper = Stepper(Field(model, losses, len(which), "cpu"), model.parameters)
        stepper.field.load(which)
        stepper.state.copy_(x.t())
        stepper.step(h)
        expected = plain_step(PlainField(model), losses.take(which), x, h[:, None])
        size = 1 + expected.abs().max()
        assert (stepper.new.t() - expected).abs().max() <= 2000 * 2.0**-53 * size, kind
        assert torch.equal(stepper.new[:, 2], x[2])  # a step of 0
        slope = PlainField(model)(x, losses.take(which))
        assert (stepper.slopes().t() - slope).abs().max() <= 500 * 2.0**-53 * (1 + slope.abs().max()), kind


def test_wide_products_are_left_to_batched_matrix_products() -> None:
    assert field.contraction_of(deep_matrix_factorization(8, 8, depth=2)) is not None
    assert field.contraction_of(deep_matrix_factorization(9, 9, depth=2)) is None
    wide = deep_matrix_factorization(9, 9, depth=2)
    flow = integrate_batch(wide, HalfSum({(0, 0): 1}), starts(wide, 3, 0.1), [1], engine="torch")
    assert flow.statuses() == ["done"] * 3


# -- the contract ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["deep matrix", "cp", "deep tucker"])
def test_engines_agree_within_their_error_estimates(engine: str, name: str) -> None:
    """With a run of the torch engine whose steps are smaller by far; several output times, 0 among them."""
    model, batch = MODELS[name], 21
    start = starts(model, batch)
    # A linear loss has no minimum: its flows blow up soon.
    for kind, end in (("shared half-sum", Fraction(2)), ("quartics", Fraction(2)), ("linear", Fraction(1, 4))):
        times = [Fraction(0), end / 7, end]
        loss = losses_of(model, batch)[kind]
        flow = integrate_batch(model, loss, start, times, rtol=1e-8, engine=engine)
        fine = integrate_batch(model, loss, start, times, rtol=1e-12, engine="torch")
        assert flow.engine == engine and flow.status.tolist() == fine.status.tolist()
        done = flow.status == DONE
        assert int(done.sum()) >= batch // 2
        for block in model.shapes:
            gap = (flow.blocks[block] - fine.blocks[block]).flatten(2).abs().amax(-1)[:, done]
            assert (gap <= (flow.error + fine.error)[:, done]).all(), (kind, block)
            assert torch.equal(flow.blocks[block][0], start[block])
        assert float(flow.error[:, done].max()) < 1e-3 and float(flow.error[:, done].median()) < 1e-6
        assert (flow.steps[done] > 0).all() and (flow.reached[done] == float(end)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_closed_form(engine: str) -> None:
    """The logistic flow of the balanced scalar model, one target for each instance."""
    depth = deep_matrix_factorization(1, 1, depth=2)
    start = {name: torch.full((13, 1, 1), 0.125) for name in depth.shapes}
    flow = integrate_batch(depth, [HalfSum({(0, 0): k + 1}) for k in range(13)], start, [1, 2], engine=engine)
    c = torch.arange(1, 14, dtype=torch.float64)
    for k, t in enumerate((1, 2)):
        w = c / (1 + (64 * c - 1) * torch.exp(-2 * t * c))
        u, e = flow.blocks["W[1]"][k, :, 0, 0], flow.error[k]
        # w = u^2 is known up to 2 u e + e^2, and a few roundings of the formula.
        assert ((flow.end_tensor()[k, :, 0, 0] - w).abs() <= 2 * u * e + e**2 + 16 * 2.0**-53 * w).all()
    assert float(flow.error.max()) < 1e-7


@pytest.mark.parametrize("engine", ENGINES)
def test_what_does_not_come_to_the_end_has_the_status_of_the_torch_engine(engine: str) -> None:
    """w' = v^2 w and v' = w^2 v with starts that blow up, that do not, and that are no numbers."""
    model = deep_matrix_factorization(1, 1, depth=2)
    loss = Completion({(0, 0): 0}, Entrywise(((0, 0, Fraction(-1)),)))  # -z^2
    w0 = torch.tensor([0.5, -1.0, 4.0, 0.0, math.nan, 1.0, 2.0, -0.1, 0.3], dtype=torch.float64)
    start = {name: w0.reshape(-1, 1, 1) for name in model.shapes}
    flow = integrate_batch(model, loss, start, [Fraction(1, 100), 1], engine=engine)
    # u' = 2 u^3: u = u0 / sqrt(1 - 4 u0^2 t), to the time 1 / (4 u0^2).
    expected = [SINGULAR, SINGULAR, SINGULAR, DONE, NOT_FINITE, SINGULAR, SINGULAR, DONE, DONE]
    expected[0] = SINGULAR  # at t = 1 exactly
    assert flow.status.tolist()[1:] == expected[1:]
    for k, t in enumerate((0.01, 1.0)):
        for i in (3, 7, 8):
            exact = float(w0[i]) / math.sqrt(1 - 4 * float(w0[i]) ** 2 * t)
            assert abs(float(flow.blocks["W[1]"][k, i]) - exact) <= float(flow.error[k, i]) + 8 * 2.0**-53 * abs(exact)
    assert torch.isnan(flow.blocks["W[1]"][1, 2]).all() and torch.isnan(flow.error[1, 2])
    assert 0 <= 1 / 64 - float(flow.reached[2]) < lockstep.SHRUNK
    short = integrate_batch(TWO, RC, starts(TWO, 3), [1000], max_steps=4, engine=engine)
    assert short.status.tolist() == [BUDGET] * 3 and (short.steps + short.rejected == 4).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_one_run_instead_of_two_says_nothing_about_errors(engine: str) -> None:
    start = starts(TWO, 5)
    one = integrate_batch(TWO, RC, start, [2], rtol=1e-9, engine=engine, error_estimate=False)
    two = integrate_batch(TWO, RC, start, [2], rtol=1e-12, engine=engine)
    assert torch.isnan(one.error).all() and one.statuses() == ["done"] * 5
    assert not one.drift([[((("W[1]", (0, 0)), ("W[1]", (0, 0))), 1)]]).suspects().any()
    gap = max(float((one.blocks[n] - two.blocks[n]).abs().max()) for n in TWO.shapes)
    assert 0 < gap < 1e-6


@pytest.mark.parametrize("engine", ["heyoka", "compiled"])
def test_an_engine_that_cannot_says_why_in_one_line(engine: str) -> None:
    start = starts(TWO, 2)
    cases: list[tuple[Any, dict[str, Any]]] = [
        (Huber({(0, 0): 1}, 1), {}),
        (RC, {"atol": 1e-9}),
        (RC, {"levels": [Level(lambda blocks: blocks["W[1]"][:, 0, 0], 0.0)]}),
        ([Sensing((array([[1, 0], [0, 1]]),), (1,), square(half=True))] * 2, {}),
    ]
    for loss, options in cases:
        with pytest.raises(InputError) as caught:
            integrate_batch(TWO, loss, start, [1], engine=engine, **options)
        assert "\n" not in str(caught.value) and "needed" in str(caught.value) and "torch" in str(caught.value)
        assert integrate_batch(TWO, loss, start, [1], **options).engine == "torch"
    with pytest.raises(InputError, match="needed one of auto"):
        integrate_batch(TWO, RC, start, [1], engine="other")


def test_what_is_not_there_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler, and no heyoka: the torch engine, and the reason where another is asked for."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    monkeypatch.setattr(taylor_batch, "find_spec", lambda name: None)
    monkeypatch.setattr(native, "WORK", 0)
    monkeypatch.setattr(taylor_batch, "MANY", 0)
    start = starts(TWO, 2)
    assert integrate_batch(TWO, RC, start, [1]).engine == "torch"
    for engine, word in (("compiled", "compiler"), ("heyoka", "theorytest\\[peers\\]")):
        with pytest.raises(InputError, match=word):
            integrate_batch(TWO, RC, start, [1], engine=engine)


@pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler")
def test_the_automatic_choice_compiles_for_much_work_only(monkeypatch: pytest.MonkeyPatch) -> None:
    start = starts(TWO, 8)
    assert GradientFlow(TWO, RC).batch(start, 1).engine == "torch"
    monkeypatch.setattr(native, "WORK", 64)
    assert GradientFlow(TWO, RC).batch(start, 1).engine == "compiled"


def test_code_that_does_not_compile_is_left_to_the_torch_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "compiler", lambda: "/bin/false")
    monkeypatch.setattr(native, "WORK", 0)
    model = deep_matrix_factorization(1, 2, depth=2)
    assert integrate_batch(model, HalfSum({(0, 1): 7}), starts(model, 2), [1]).engine != "compiled"
    with pytest.raises(InputError, match="compiles this flow"):
        integrate_batch(model, HalfSum({(0, 1): 7}), starts(model, 2), [1], engine="compiled")


def test_a_compiler_that_does_not_work_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    native.compiler.cache_clear()
    monkeypatch.setattr(native.shutil, "which", lambda name: "/bin/false")
    try:
        assert native.compiler() is None
    finally:
        native.compiler.cache_clear()


# -- columns -----------------------------------------------------------------------------------------------------------


def test_columns_are_filled_again_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same flows in few columns, in rounds, as in as many columns as there are instances."""
    loss = [HalfSum({(0, 1): Fraction(k % 7, 3), (1, 0): 1, (1, 1): 0}) for k in range(90)]
    start = starts(TWO, 90, seed=3)
    once = integrate_batch(TWO, loss, start, [Fraction(1, 2), 3], engine="torch")
    monkeypatch.setattr(lockstep, "CACHE", 16 * 17)
    monkeypatch.setattr(lockstep, "LEAST_COLUMNS", 1)
    monkeypatch.setattr(lockstep, "FEW", 2)
    few = integrate_batch(TWO, loss, start, [Fraction(1, 2), 3], engine="torch")
    assert once.statuses() == few.statuses() == ["done"] * 90
    for name in TWO.shapes:
        gap = (once.blocks[name] - few.blocks[name]).abs().amax((-1, -2))
        assert (gap <= once.error + few.error).all()
    assert (once.steps - few.steps).abs().max() <= 2


# -- levels ------------------------------------------------------------------------------------------------------------


def test_first_times_at_levels() -> None:
    """w' = 1 - w from several starts: w = 1 + (w0 - 1) exp(-t) is 1/2 at log(2 (1 - w0)); and what is never reached, or
    reached at once."""
    model = cp((1,), rank=1)
    w0 = torch.tensor([0.0, -3.0, 0.5, 0.75, 0.4], dtype=torch.float64)
    levels = [
        Level(lambda blocks: blocks["w[1]"][:, 0, 0], 0.5),
        Level(lambda blocks: blocks["w[1]"][:, 0, 0] ** 2, 4.0),
    ]
    flow = integrate_batch(model, HalfSum({(0,): 1}), {"w[1]": w0.reshape(-1, 1, 1)}, [1, 5], levels=levels, rtol=1e-9)
    assert flow.crossed.shape == flow.crossed_error.shape == (2, 5)
    for k in (0, 1, 4):
        exact = math.log(2 * (1 - float(w0[k])))
        # The slope there is 1/2: an error e of w moves the time by 2 e.
        assert abs(float(flow.crossed[0, k]) - exact) <= float(flow.crossed_error[0, k]) + 1e-9
        assert float(flow.crossed_error[0, k]) < 1e-6
    assert float(flow.crossed[0, 2]) == 0.0 and math.isnan(float(flow.crossed[0, 3]))
    assert abs(float(flow.crossed[1, 1]) - math.log(4 / 3)) < 1e-7 and torch.isnan(flow.crossed[1, [0, 2, 3, 4]]).all()
    alone = GradientFlow(model, HalfSum({(0,): 1})).batch(
        {"w[1]": w0.reshape(-1, 1, 1)}, 5, levels=levels[:1], error_estimate=False
    )
    assert abs(float(alone.crossed[0, 0]) - math.log(2)) < 1e-9 and math.isnan(float(alone.crossed_error[0, 0]))


def test_first_times_with_a_loss_for_each_instance() -> None:
    """Each instance's own loss is used within the step: w' = b - w from 0 is 1/2 at log(2b / (2b - 1))."""
    model = cp((1,), rank=1)
    targets = [Fraction(k, 4) for k in range(3, 13)]
    level = Level(lambda blocks: blocks["w[1]"][:, 0, 0], 0.5)
    flow = integrate_batch(
        model, [HalfSum({(0,): b}) for b in targets], {"w[1]": torch.zeros(10, 1, 1)}, [4], levels=[level]
    )
    exact = torch.tensor([math.log(2 * b / (2 * b - 1)) for b in map(float, targets)], dtype=torch.float64)
    assert ((flow.crossed[0] - exact).abs() <= flow.crossed_error[0] + 1e-9).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_starts_of_zeros_move(engine: str) -> None:
    """w' = b - w from 0; and starts that do not move at all."""
    model = einsum("a,a->a", x=(1,), y=(1,))
    start = {"x": torch.zeros(9, 1), "y": torch.zeros(9, 1)}
    flow = integrate_batch(model, HalfSum({(0,): 1}), start, [3], engine=engine)
    assert flow.statuses() == ["done"] * 9 and not flow.blocks["x"].any()
    if engine == "torch":
        alone = integrate_batch(cp((1,), rank=1), HalfSum({(0,): 1}), {"w[1]": torch.zeros(2, 1, 1)}, [3])
        gap = (alone.blocks["w[1]"][0, :, 0, 0] - (1 - math.exp(-3))).abs()
        assert (gap <= alone.error[0] + 2.0**-52).all() and float(alone.error.max()) < 1e-6


def test_batches_of_one_and_of_none() -> None:
    none = integrate_batch(TWO, RC, starts(TWO, 0), [0, 1])
    assert none.statuses() == [] and none.blocks["W[1]"].shape == (2, 0, 2, 2)
    flow = integrate_batch(TWO, MeanSquares({(0, 1): 1}), starts(TWO, 1), [1])
    assert flow.statuses() == ["done"] and flow.blocks["W[1]"].shape == (1, 1, 2, 2)
