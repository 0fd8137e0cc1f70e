"""Quantities of deep Tucker models against plain numpy, and the theorems at one moment."""

import numpy as np
import pytest
import torch

from theorytest.models import balanced_batch, deep_tucker
from theorytest.reproduce import tucker
from theorytest.reproduce.engine import Context
from theorytest.reproduce.rules import GradientDescent
from theorytest.reproduce.training import Entries, Training

KIND = Context().tensor


@pytest.mark.parametrize("k", [0, 1, 3])
def test_columns_rebuild_the_end_tensor(k: int):
    model = deep_tucker((3, 4, 5), depths=k)
    blocks = tucker.start(model, [0.5, 0.7], [False, True], seed=0, kind=KIND)
    V = tucker.columns(blocks, 3)
    W = model.end_tensor(blocks).numpy()
    for member in range(2):
        made = tucker.contract(blocks["G"][member].numpy(), [v[member].numpy() for v in V])
        np.testing.assert_allclose(made, W[member], rtol=1e-10, atol=1e-14)
    if k:
        eye = blocks["A[2,1]"][1].mean(0) - blocks["A[2,1]"][0].mean(0)
        assert float(eye.diagonal().mean()) > 0.5  # the second member starts near the identity


def test_drift_pairs_every_slice_with_that_of_the_core():
    model = deep_tucker((3, 2, 4), depths=2)
    blocks = tucker.start(model, [1.0], [False], seed=0, kind=KIND)
    squares = tucker.slice_squares(blocks)
    made = tucker.drift(squares, (3, 2, 4), 2)[0].tolist()
    expected: list[float] = []
    for n, axes in ((1, (1, 2)), (2, (0, 2)), (3, (0, 1))):
        core = (blocks["G"][0] ** 2).sum(axes)
        for name in (f"w[{n}]", f"A[{n},1]", f"A[{n},2]"):
            block = blocks[name][0].flatten(1)
            expected += ((block**2).sum(1) - core).tolist()
    assert made == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_corollary_4_4_holds_at_balanced_starts_and_not_without_balance(k: int):
    model = deep_tucker((4, 4, 4), depths=k)
    start = {name: KIND(block) for name, block in balanced_batch(model, 6, seed=1, scale=3.0).items()}
    targets, observed = KIND(np.random.default_rng(0).standard_normal((1, 4, 4, 4))), KIND(np.ones((1, 4, 4, 4)))
    training = Training(model, Entries.of(targets, observed), GradientDescent(0.01), start)
    made = tucker.corollary_4_4(training)
    assert (made[:, 0] == 12).all() and (made[:, 1] == 0).all()
    if k:
        start["A[1,1]"] = start["A[1,1]"] * 50
        broken = Training(model, Entries.of(targets, observed), GradientDescent(0.01), start)
        assert float(tucker.corollary_4_4(broken)[:, 1].sum()) > 0


def test_truncation_is_proposition_4_6():
    random = np.random.default_rng(2)
    core = random.standard_normal((4, 4, 4)) * np.array([1, 1, 1e-3, 1e-3])[:, None, None]
    V = [random.standard_normal((4, 4)) for _ in range(3)]
    norm = float(np.linalg.norm(tucker.contract(core, V)))
    for share in (0.01, 0.1, 0.5, 2.0):
        ranks, distance = tucker.truncation(core, V, share * norm)
        assert distance <= share * norm and all(r <= 4 for r in ranks)
    assert tucker.truncation(core, V, 0.1 * norm)[0][0] == 2


def test_hosvd_quantities():
    random = np.random.default_rng(3)
    U = [np.linalg.qr(random.standard_normal((6, 2)))[0].T for _ in range(3)]
    W = tucker.contract(random.standard_normal((2, 2, 2)), U)
    assert (tucker.core_slices(W, 0) > 1e-10).sum() == 2
    np.testing.assert_allclose(tucker.truncated(W, (2, 2, 2)), W, atol=1e-12)
    assert np.linalg.norm(tucker.truncated(W, (1, 2, 2)) - W) > 0.01
    where = (random.random(W.shape) < 0.5).astype(float)
    assert tucker.r_squared(W, W, where) == 1
    assert tucker.r_squared(np.full(W.shape, W[where > 0].mean()), W, where) == pytest.approx(0)
    assert torch.is_tensor(KIND(W))
