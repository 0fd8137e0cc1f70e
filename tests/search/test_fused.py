"""The compiled steps of the torch engine: what is compiled, against the plain engine; and one model really compiled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from theorytest.errors import InputError
from theorytest.models import (
    Completion,
    Entrywise,
    HalfSum,
    Huber,
    Sensing,
    array,
    cp,
    deep_matrix_factorization,
    deep_tucker,
    einsum,
    square,
)
from theorytest.search import fused, lockstep
from theorytest.search.field import Field
from theorytest.search.flows import BUDGET, DONE, NOT_FINITE, SINGULAR, Level, integrate_batch, stack
from theorytest.search.stepper import Stepper

TWO = deep_matrix_factorization(2, 2, depth=2)
RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
QUARTIC = Entrywise(((0, 0, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)),))
MODELS: dict[str, Any] = {
    "deep matrix": deep_matrix_factorization(2, 3, depth=3, width=(2, 4)),
    "cp": cp((2, 3, 2), rank=2),
    "deep tucker": deep_tucker((2, 2), (2, 2), depths=1),
    "shared block": einsum("ab,cb->ac", A=(2, 2), B=(2, 2)),
}


def starts(model: Any, batch: int, scale: float = 0.7, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(batch, *shape, generator=generator, dtype=torch.float64)
        for name, shape in model.shapes.items()
    }


def losses_of(model: Any, batch: int) -> dict[str, Any]:
    """That act entry by entry: one for all, and one for each."""
    places = list(np.ndindex(*model.shape))
    one = {place: Fraction(k % 5 - 2, 3) for k, place in enumerate(places)}
    return {
        "shared half-sum": HalfSum(one),
        "shared quartic": Completion(one, QUARTIC),
        "shared Huber": Huber(one, Fraction(1, 4)),
        "half-sums": [HalfSum({places[0]: k, places[-1]: 1}) for k in range(batch)],
        "quartics": [Completion({places[k % len(places)]: Fraction(k, 3)}, QUARTIC) for k in range(batch)],
        "Hubers": [Huber({places[0]: k, places[-1]: -k}, Fraction(1, 2)) for k in range(batch)],
    }


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What would be compiled runs as it is written, in columns so few that they are filled again."""

    def clear() -> None:
        fused.kernels.cache_clear()
        fused.controls.cache_clear()

    clear()
    monkeypatch.setattr(fused, "_compiled", lambda function, given, options: function)
    monkeypatch.setattr(fused, "COLUMNS", {True: 4, False: 4})
    monkeypatch.setattr(fused, "SMALL", 0)
    with np.errstate(all="ignore"):  # numpy looks at what arrays of tensors overflow
        yield
    clear()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("small", [0, 10_000], ids=["blocks", "entries"])
@pytest.mark.parametrize("name", MODELS)
def test_a_fused_step_is_the_step_on_buffers(name: str, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to write a field, for all losses that act entry by entry, and with two runs at once."""
    monkeypatch.setattr(fused, "SMALL", small)
    model, columns = MODELS[name], 4
    which = torch.tensor([3, 0, 3, 1])
    generator = torch.Generator().manual_seed(2)
    x = 0.5 * torch.randn(model.parameters, 2 * columns, generator=generator, dtype=torch.float64)
    h = torch.tensor([0.1, 0.2, 0.0, 0.05, 0.3, 0.1, 0.02, 0.2], dtype=torch.float64)
    for kind, given in losses_of(model, 4).items():
        losses = stack(given, tuple(model.shape))
        expected = Stepper(Field(model, losses, 2 * columns, "cpu"), model.parameters)
        stepper = fused.FusedStepper(Field(model, losses, columns, "cpu"), model.parameters, 2)
        expected.field.load(which.repeat(2))
        stepper.field.load(which)
        for one in (expected, stepper):
            one.state.copy_(x)
            one.step(h)
        for found, right in ((stepper.new, expected.new), (stepper.slope, expected.slope)):
            assert (found - right).abs().max() <= 2000 * 2.0**-53 * (1 + right.abs().max()), kind
        # The error vectors are sums of slopes that cancel.
        gap = (stepper.largest() - expected.largest()).abs().max()
        assert gap <= 2000 * 2.0**-53 * (1 + expected.largest().abs().max()), kind
        slopes = expected.slopes()
        assert (stepper.slopes() - slopes).abs().max() <= 500 * 2.0**-53 * (1 + slopes.abs().max()), kind


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("twice", [True, False])
def test_flows_with_fused_steps_are_those_of_the_plain_engine(twice: bool) -> None:
    loss = [HalfSum({(0, 1): Fraction(k % 7, 3), (1, 0): 1, (1, 1): 0}) for k in range(11)]
    start = starts(TWO, 11, seed=3)
    start["W[1]"][5] = math.nan
    level = Level(lambda blocks: blocks["W[1]"][:, 0, 0], 0.25)
    given: dict[str, Any] = {"rtol": 1e-8, "error_estimate": twice, "levels": [level], "atol": 1e-14}
    found, expected = (
        integrate_batch(TWO, loss, start, [0, Fraction(1, 2), 3], engine=engine, **given)
        for engine in ("fused", "torch")
    )
    assert found.engine == "fused" and found.status.tolist() == expected.status.tolist()
    assert found.statuses().count("done") == 10 and found.status[5] == NOT_FINITE
    assert torch.equal(found.steps, expected.steps) and torch.equal(found.rejected, expected.rejected)
    done = found.status == DONE
    for name in TWO.shapes:
        gap = (found.blocks[name] - expected.blocks[name])[:, done].abs().max()
        assert gap <= 1e-12  # steps agree to rounding, which the flow does not make much larger by t = 3
    assert torch.equal(torch.isnan(found.crossed), torch.isnan(expected.crossed))
    assert torch.nan_to_num((found.crossed - expected.crossed).abs()).max() <= 1e-10
    if twice:
        assert ((found.error - expected.error)[:, done].abs() <= 0.1 * expected.error[:, done] + 1e-14).all()
    else:
        assert torch.isnan(found.error[1:]).all()


@pytest.mark.usefixtures("plain")
def test_statuses_with_fused_steps() -> None:
    """w' = v^2 w and v' = w^2 v: blow-ups at 1 / (4 w0^2), and a budget that is spent."""
    model = deep_matrix_factorization(1, 1, depth=2)
    loss = Completion({(0, 0): 0}, Entrywise(((0, 0, Fraction(-1)),)))  # -z^2
    w0 = torch.tensor([4.0, 0.0, math.nan, 1.0, -0.1, 0.3], dtype=torch.float64)
    flow = integrate_batch(model, loss, {n: w0.reshape(-1, 1, 1) for n in model.shapes}, [1], engine="fused")
    assert flow.status.tolist() == [SINGULAR, DONE, NOT_FINITE, SINGULAR, DONE, DONE]
    assert 0 <= 1 / 64 - float(flow.reached[0]) < lockstep.SHRUNK
    short = integrate_batch(TWO, RC, starts(TWO, 3), [1000], max_steps=4, engine="fused")
    assert short.status.tolist() == [BUDGET] * 3 and (short.steps + short.rejected == 4).all()


@pytest.mark.usefixtures("plain")
def test_what_cannot_be_fused_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sensing = [Sensing((array([[1, 0], [0, 1]]),), (1,), square(half=True))] * 2
    wide = deep_matrix_factorization(9, 9, depth=2)
    for model, loss, word in ((TWO, sensing, "entry by entry"), (wide, HalfSum({(0, 0): 1}), "small blocks")):
        with pytest.raises(InputError, match=word) as caught:
            integrate_batch(model, loss, starts(model, 2, 0.1), [1], engine="fused")
        assert "\n" not in str(caught.value) and "engine='torch'" in str(caught.value)

    for part in ("stages", "planned"):  # of the kernels, which are compiled first, and of the control of steps

        def broken(function: Any, *_: Any, part: str = part) -> Any:
            if function.__name__ == part:
                raise RuntimeError("the compiler says\nmany things")
            return function

        monkeypatch.setattr(fused, "_compiled", broken)
        with pytest.raises(InputError, match="compile here") as caught:
            integrate_batch(TWO, RC, starts(TWO, 2), [1], engine="fused")
        assert "\n" not in str(caught.value) and "engine='torch'" in str(caught.value)
    monkeypatch.setattr(fused, "compiler", lambda device: False)
    with pytest.raises(InputError, match=r"C\+\+ compiler"):
        integrate_batch(TWO, RC, starts(TWO, 2), [1], engine="fused")


@pytest.mark.usefixtures("plain")
def test_fused_steps_are_chosen_for_much_work_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the compiled engine cannot go: here for a kink."""
    kink = Huber({(0, 0): 1}, 1)
    assert integrate_batch(TWO, kink, starts(TWO, 2), [1]).engine == "torch"
    monkeypatch.setattr(fused, "WORK", 1)
    assert integrate_batch(TWO, kink, starts(TWO, 2), [1]).engine == "fused"


@pytest.mark.skipif(not fused.compiler("cpu"), reason="there is no C++ compiler for TorchInductor")
def test_a_compiled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest one, really compiled: the same flows, statuses and numbers of steps, blow-ups and nan among them."""
    fused.kernels.cache_clear()
    fused.controls.cache_clear()
    monkeypatch.setattr(fused, "GROUPS", (0, 6, 12))
    monkeypatch.setattr(fused, "COLUMNS", {True: 19, False: 19})  # no multiple of a vector's length
    model = deep_matrix_factorization(1, 1, depth=2)
    loss = Completion({(0, 0): Fraction(1, 2)}, QUARTIC)
    generator = torch.Generator().manual_seed(1)
    w0 = torch.randn(50, 1, 1, generator=generator, dtype=torch.float64)
    w0[7], w0[8], w0[9] = math.nan, 0.0, 40.0
    start = {"W[1]": w0, "W[2]": 0.5 * w0.flip(0).nan_to_num()}
    found, expected = (
        integrate_batch(model, loss, start, [Fraction(1, 3), 2], rtol=1e-9, engine=engine, error_estimate=False)
        for engine in ("fused", "torch")
    )
    assert found.status.tolist() == expected.status.tolist() and found.status[7] == NOT_FINITE
    done = found.status == DONE
    assert int(done.sum()) > 40 and (found.steps - expected.steps).abs().max() <= 1
    for name in model.shapes:
        gap = (found.blocks[name] - expected.blocks[name])[:, done].abs()
        assert (gap <= 1e-8 * (1 + expected.blocks[name][:, done].abs())).all()  # two runs of that tolerance
    fused.kernels.cache_clear()
    fused.controls.cache_clear()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_fused_steps_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "COLUMNS_CUDA", 64)
    fused.kernels.cache_clear()
    fused.controls.cache_clear()
    start = starts(TWO, 100)
    here, there = (
        integrate_batch(TWO, RC, start, [5], device=device, engine=engine)
        for device, engine in (("cpu", "torch"), ("cuda", "fused"))
    )
    for name in TWO.shapes:
        gap = (here.blocks[name] - there.blocks[name].cpu()).abs().amax((-1, -2))
        assert (gap <= here.error + there.error.cpu()).all()
