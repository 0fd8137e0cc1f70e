"""Update rules against their formulas, and against torch's own optimizers."""

import numpy as np
import torch

from theorytest.reproduce.rules import Adam, GradientDescent, ScalarAdaptive


def gradients(steps: int, members: int = 3, size: int = 5) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(members, size, generator=random, dtype=torch.float64) for _ in range(steps)]


def test_gradient_descent_is_its_formula():
    theta = torch.ones(3, 5, dtype=torch.float64)
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    (g,) = gradients(1)
    expected = theta - rates[:, None] * g
    rule = GradientDescent([0.1, 0.2, 0.3])
    assert torch.equal(rule.step(theta, g, rule.start(theta), 1), rates)
    torch.testing.assert_close(theta, expected, rtol=1e-15, atol=0)


def test_the_adaptive_rate_is_its_formula():
    theta = torch.zeros(2, 5, dtype=torch.float64)
    rule = ScalarAdaptive(0.01)
    state = rule.start(theta)
    expected, v = np.zeros((2, 5)), np.zeros(2)
    for count, g in enumerate(gradients(30, 2), 1):
        rate = rule.step(theta, g, state, count)
        v = 0.99 * v + 0.01 * (g.numpy() ** 2).sum(1)
        eta = 0.01 / (np.sqrt(v / (1 - 0.99**count)) + 1e-6)
        expected -= eta[:, None] * g.numpy()
        np.testing.assert_allclose(rate.numpy(), eta, rtol=1e-13)
    np.testing.assert_allclose(theta.numpy(), expected, rtol=1e-12)


def test_adam_is_torchs():
    start = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(3, 5)
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.01, eps=1e-7)
    ours, rule = start.clone(), Adam(0.01, epsilon=1e-7)
    state = rule.start(ours)
    for count, g in enumerate(gradients(50), 1):
        rule.step(ours, g, state, count)
        theirs.grad = g.clone()
        optimizer.step()
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-11, atol=1e-13)
