"""The batched steps on small matrices against autograd, one matrix at a time."""

import numpy as np
import pytest
import torch

from theorytest.errors import InputError
from theorytest.reproduce.matrices import SmallMatrices, starts


def plain(layers: np.ndarray, rate: float, target: np.ndarray, observed: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on the half-sum loss with autograd."""
    held = [torch.tensor(layer, requires_grad=True) for layer in layers]
    for _ in range(steps):
        W = held[0]
        for layer in held[1:]:
            W = layer @ W
        loss = ((W - torch.tensor(target)) * torch.tensor(observed)).square().sum() / 2
        grads = torch.autograd.grad(loss, held)
        held = [(x - rate * g).detach().requires_grad_() for x, g in zip(held, grads, strict=True)]
    return np.stack([x.detach().numpy() for x in held])


@pytest.mark.parametrize(("depth", "d"), [(2, 2), (3, 2), (4, 2), (5, 2), (2, 3), (3, 4), (4, 3)])
def test_steps_are_plain_gradient_descent(depth: int, d: int):
    members, random = 3, np.random.default_rng(depth * 10 + d)
    layers = random.standard_normal((members, depth, d, d)) * 0.6
    rate, targets = np.array([0.01, 0.02, 0.03]), random.standard_normal((members, d, d))
    observed = (random.random((members, d, d)) < 0.7).astype(float)
    made = SmallMatrices(*map(torch.tensor, (layers, rate, targets, observed)))
    made.advance(25)
    expected = [plain(*item, 25) for item in zip(layers, rate, targets, observed, strict=True)]
    np.testing.assert_allclose(made.tensors()["layers"].numpy(), np.stack(expected), rtol=1e-10, atol=1e-13)
    W = expected[1][0]
    for layer in expected[1][1:]:
        W = layer @ W
    np.testing.assert_allclose(made.end_matrix()[1].numpy(), W, rtol=1e-10)
    loss = (((W - targets[1]) * observed[1]) ** 2).sum() / 2
    np.testing.assert_allclose(float(made.losses()[1]), loss, rtol=1e-10)
    made.keep(torch.tensor([2]))
    made.advance(5)
    later = plain(layers[2], rate[2], targets[2], observed[2], 30)
    np.testing.assert_allclose(made.tensors()["layers"].numpy()[0], later, rtol=1e-10, atol=1e-13)


def test_levels_are_noted_when_the_loss_is_first_seen_below_them():
    random = np.random.default_rng(5)
    layers = torch.tensor(random.standard_normal((3, 2, 2, 2)) * 0.4)
    rate, targets = torch.full((3,), 0.02, dtype=torch.float64), torch.tensor(random.standard_normal((3, 2, 2)))
    levels = (0.5, 0.05, 0.001, 1e-30)
    made = SmallMatrices(layers, rate, targets, torch.ones_like(targets), levels=levels)
    seen = [made.losses()]
    for _ in range(40):
        made.advance(50)
        seen.append(made.losses())
    losses = torch.stack(seen).numpy()  # (looks, members)
    held = made.tensors()
    for member in range(3):
        for k, level in enumerate(levels):
            below = np.flatnonzero(losses[1:, member] <= level)
            step = float(held["levels.step"][member, k])
            if not len(below):
                assert np.isnan(step) and torch.isnan(held["levels.W"][member, k]).all()
                continue
            look = below[0] + 1
            assert step == 50 * look
            np.testing.assert_array_equal(held["levels.loss"][member, k].numpy(), losses[look - 1 : look + 1, member])
            gap = (held["levels.W"][member, k] - targets[member]).square().sum((1, 2)) / 2
            torch.testing.assert_close(gap, held["levels.loss"][member, k])
    assert np.isnan(held["levels.step"].numpy()).any() and np.isfinite(held["levels.step"].numpy()).any()


def test_starts_have_the_sign_the_size_and_the_balance_asked_for():
    count = 400
    for depth, d in ((2, 2), (3, 2), (4, 3)):
        whole = starts(depth, d, [1e-3] * count, [True] * count, [1] * count, seed=0)
        free = starts(depth, d, [1e-3] * count, [False] * count, [-1] * count, seed=0)
        for layers, sign in ((whole, 1), (free, -1)):
            W = layers[:, 0]
            for l in range(1, depth):
                W = layers[:, l] @ W
            assert (np.sign(np.linalg.det(W)) == sign).all()
            assert 0.8e-3 < np.sqrt((W**2).mean()) < 1.25e-3
        for l in range(depth - 1):
            above, below = whole[:, l + 1], whole[:, l]
            np.testing.assert_allclose(above.swapaxes(1, 2) @ above, below @ below.swapaxes(1, 2), atol=1e-15)
        assert np.abs(free[:, 1].swapaxes(1, 2) @ free[:, 1] - free[:, 0] @ free[:, 0].swapaxes(1, 2)).max() > 1e-4


def test_bad_shapes_are_refused():
    x = torch.ones(2, 1, 2, 2, dtype=torch.float64)
    with pytest.raises(InputError, match="L >= 2"):
        SmallMatrices(x, x[:, 0, 0, 0], x[:, 0], x[:, 0])
