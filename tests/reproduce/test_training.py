"""Objectives and hand-written gradients against autograd; groups and tracks."""

from typing import Any

import numpy as np
import pytest
import torch

from theorytest.errors import InputError
from theorytest.models import cp, deep_tucker
from theorytest.reproduce.rules import Adam, GradientDescent, ScalarAdaptive
from theorytest.reproduce.training import Entries, Huber, Measurements, Square, Training, gaussian

F64 = torch.float64


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=F64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def objectives(shape: tuple[int, ...], members: int):
    targets, observed = random(members, *shape), (random(members, *shape, seed=1) > 0).to(F64)
    values = random(members, 7, seed=3)
    sensing = random(7, *shape, seed=2).unsqueeze(0)
    return {
        "square": Entries.of(targets, observed),
        "huber": Entries.of(targets, observed, Huber(0.3)),
        "sensing": Measurements(sensing, values),
        "sensing of one's own": Measurements(random(members, 7, *shape, seed=4), values, Huber(0.5)),
    }


@pytest.mark.parametrize("model", [cp((3, 4, 2), rank=5), deep_tucker((3, 2, 4), (2, 2, 3), depths=(1, 0, 2))])
@pytest.mark.parametrize("name", ["square", "huber", "sensing", "sensing of one's own"])
def test_gradients_are_autograds(model, name):
    members = 5
    start = gaussian(model, [0.7] * members, seed=0, kind=tensor)
    objective = objectives(model.shape, members)[name]
    made = Training(model, objective, GradientDescent(0.1), start, group=2)
    leaves = {key: block.clone().requires_grad_() for key, block in start.items()}
    objective.value(model.end_tensor(leaves)).sum().backward()
    expected = torch.cat([leaf.grad.flatten(1) for leaf in leaves.values() if leaf.grad is not None], dim=1)
    torch.testing.assert_close(made.gradient(), expected, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(made.losses(), objective.value(model.end_tensor(start)), rtol=1e-13, atol=0)


def test_the_mean_is_over_observed_entries_of_each_member():
    targets, observed = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[1.0, 0.0], [1.0, 1.0]])
    assert Entries.of(targets, observed).value(torch.zeros(2, 2, dtype=F64)).tolist() == [1.0, 12.5]


def test_huber_is_the_papers_over_its_transition_point():
    z, delta = torch.linspace(-2, 2, 41, dtype=F64), 0.5
    papers = torch.where(z.abs() < delta, z**2 / 2, delta * (z.abs() - delta / 2))
    torch.testing.assert_close(Huber(delta).value(z), papers / delta)
    leaf = z.clone().requires_grad_()
    Huber(delta).value(leaf).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(Huber(delta).derivative(z), leaf.grad)
    assert Square().derivative(z).tolist() == (2 * z).tolist()
    with pytest.raises(InputError, match="positive"):
        Huber(0.0)


def test_groups_do_not_matter_and_members_can_be_dropped():
    model = cp((3, 4, 2), rank=4)
    start = gaussian(model, [0.5] * 6, seed=0, kind=tensor)
    objective = objectives(model.shape, 6)["square"]
    one, many = (Training(model, objective, ScalarAdaptive(0.01), start, group=g) for g in (100, 2))
    for made in (one, many):
        made.advance(20)
        made.keep(torch.tensor([0, 3, 4]))
        made.advance(20)
    assert len(one.flat) == 3
    torch.testing.assert_close(one.flat, many.flat, rtol=1e-10, atol=1e-13)
    alone = Training(
        model, objective.take(torch.tensor([3])), ScalarAdaptive(0.01), {k: v[3:4] for k, v in start.items()}
    )
    alone.advance(40)
    torch.testing.assert_close(one.flat[1:2], alone.flat, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
def test_a_gpu_gives_the_same_numbers():
    from theorytest.reproduce.engine import Context, Plan, run
    from theorytest.reproduce.figures.rc20_matrices import train

    model = cp((3, 4, 2), rank=4)
    ends = []
    for device in ("cpu", "cuda"):
        context = Context(device=device)
        start = gaussian(model, [0.5] * 6, seed=0, kind=context.tensor)
        objective = objectives(model.shape, 6)["square"]
        assert isinstance(objective, Entries)
        held = Entries(context.tensor(objective.targets), context.tensor(objective.weights))
        made = Training(model, held, ScalarAdaptive(0.01), start, group=4)
        ends.append(run(made, 6, Plan(40, (0, 40), 1e-3, check=10), context).end["loss"])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-8)
    arguments: dict[str, Any] = dict(
        depth=3, rates=[3e-3] * 2, deviations=[1e-2] * 2, balanced=[True] * 2, signs=[1] * 2,
        targets=[[[0.0, 1.0], [1.0, 0.0]]] * 2, hidden=[[0, 0]] * 2, steps=3000, stop=1e-2, seed=0,
    )  # fmt: skip
    cpu, gpu = (train(Context(device=device), **arguments)["end/W"] for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu, gpu, rtol=1e-6)


def test_the_track_is_the_sum_of_squared_steps():
    model = cp((3, 4, 2), rank=4)
    start = gaussian(model, [0.5] * 3, seed=0, kind=tensor)
    objective = objectives(model.shape, 3)["square"]

    def norms(blocks: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([block.square().sum(2) for block in blocks.values()], dim=1).flatten(1)

    made = Training(model, objective, ScalarAdaptive(0.01), start, track=norms)
    before = norms(made.blocks())
    made.advance(50)
    change = (norms(made.blocks()) - before).reshape(3, 3, 4)
    tracked = made.state["tracked"].reshape(3, 3, 4)
    # ||w_r^n||^2 - ||w_r^m||^2 changes by the sum of eta_t^2 (||g_r^n||^2 - ||g_r^m||^2), exactly (RMC21 Lemma 1).
    torch.testing.assert_close(change[:, :1] - change[:, 1:], tracked[:, :1] - tracked[:, 1:], rtol=1e-8, atol=1e-13)
    assert (tracked > 0).all()
    with pytest.raises(InputError, match="one rate"):
        Training(model, objective, Adam(0.01), start, track=norms).advance(1)
