"""Targets, masks and ranks of tensors."""

from pathlib import Path

import numpy as np
import pytest

from theorytest.errors import InputError
from theorytest.reproduce.tensors import low_rank_target, numerical_rank, observed_entries, rank_bound, read_target


def test_targets_have_their_rank_and_norm():
    made = low_rank_target((4, 5, 6), 2, np.random.default_rng(0))
    assert made.shape == (4, 5, 6) and np.linalg.norm(made) == pytest.approx(1)
    for mode in range(3):
        assert np.linalg.matrix_rank(np.moveaxis(made, mode, 0).reshape(made.shape[mode], -1)) == 2


def test_observations_are_nested_and_counted():
    made = observed_entries((3, 4, 5), (10, 30, 60), np.random.default_rng(0))
    assert made.shape == (3, 3, 4, 5) and made.sum((1, 2, 3)).tolist() == [10, 30, 60]
    assert (made[0] <= made[1]).all() and (made[1] <= made[2]).all()
    with pytest.raises(InputError, match="needed 1 to 60"):
        observed_entries((3, 4, 5), (61,), np.random.default_rng(0))


def test_rank_bound_and_numerical_rank():
    pytest.importorskip("tensorly", reason="the extra 'data' is not installed")
    random = np.random.default_rng(1)
    for rank in (1, 2, 3):
        W = low_rank_target((6, 6, 6), rank, random)
        assert rank_bound(W, 1e-6) == rank
        assert numerical_rank(W) == rank
        noisy = W + 1e-5 * random.standard_normal(W.shape)
        assert numerical_rank(noisy) == rank
    assert numerical_rank(1e-5 * W) == 0  # below the tolerance itself
    # Rank may exceed every multilinear rank: this 2 x 2 x 2 tensor has multilinear rank (2, 2, 2) and rank 3.
    W = np.zeros((2, 2, 2))
    W[0, 0, 0] = W[1, 1, 0] = W[0, 1, 1] = 1
    W[1, 0, 1] = -1
    assert rank_bound(W, 1e-6) == 2 and numerical_rank(W, iterations=3000) == 3


def test_targets_of_users(tmp_path: Path):
    np.savez(tmp_path / "one.npz", other=np.ones(3), target=2 * np.ones((2, 3, 4)))
    held = read_target(tmp_path / "one.npz")
    assert held.shape == (2, 3, 4) and np.linalg.norm(held) == pytest.approx(1)
    np.savez(tmp_path / "two.npz", np.ones((2, 2)))
    np.savez(tmp_path / "three.npz", np.full((2, 2, 2), np.nan))
    (tmp_path / "four.npz").write_text("no")
    for name, said in (("two", "of order 3 or more"), ("three", "finite"), ("four", "not an npz file")):
        with pytest.raises(InputError, match=said):
            read_target(tmp_path / f"{name}.npz")
