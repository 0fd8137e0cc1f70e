"""Starts are balanced as they say: exactly over the rationals, within a rounding bound in floats."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models import (
    Model,
    array,
    balanced,
    balanced_batch,
    balanced_factors,
    cp,
    deep_cp,
    deep_matrix_factorization,
    deep_tucker,
    determinant,
    einsum,
    gram_differences,
    multilinear_rank,
    squared_norms,
    to_numpy,
    to_torch,
    tucker,
    unbalanced,
    unbalancedness_magnitude,
)

F = Fraction
MATRIX = {
    "2x2, depth 2": deep_matrix_factorization(2, 2, depth=2),
    "rectangular widths": deep_matrix_factorization(2, 3, depth=4, width=(4, 2, 5)),
    "a narrow layer": deep_matrix_factorization(3, 3, depth=3, width=(1, 2)),
}
NORM = {
    "CP": cp((3, 4, 5), rank=2),
    "CP with dimension 1": cp((1, 2, 1), rank=3),
    "Tucker": tucker((3, 4, 2), (2, 2, 3)),
    "Tucker, order 1": tucker((3,), (2,)),
    "deep CP": deep_cp((2, 3, 2), rank=2, depth=(1, 0, 2)),
    "deep Tucker": deep_tucker((2, 3, 1), depths=(2, 1, 0)),
    "deep Tucker, other ranks": deep_tucker((2, 3), (3, 2), depths=3),
    "einsum": einsum("ab,bc,cd->ad", A=(2, 3), B=(3, 4), C=(4, 2)),
    "tensor ring": einsum("iab,jbc,kca->ijk", A=(2, 3, 2), B=(3, 2, 2), C=(2, 2, 3)),
}
DEEP = ("deep CP", "deep Tucker", "deep Tucker, other ranks")


def vanish(model: Model, blocks: Any) -> bool:
    return not any(any(d.entries) for d in gram_differences(model, blocks).values())


def spread(model: Model, blocks: Any) -> Fraction:
    """The largest difference of squared norms between any two blocks of a leg, by hand."""
    found = [F(0)]
    for norms in squared_norms(model, blocks).values():
        for values in zip(*(part.entries for part in norms.values()), strict=True):
            found.append(max(values) - min(values))
    return max(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", MATRIX.values(), ids=MATRIX)
def test_deep_matrix_starts_are_exactly_balanced(model: Model, seed: int):
    start = balanced(model, seed=seed, scale="1/7")
    assert {name: block.shape for name, block in start.items()} == model.shapes
    assert vanish(model, start)
    assert all(any(block.entries) for block in start.values())
    assert not vanish(model, model.random(seed))
    assert multilinear_rank(model.end_tensor(start))[0] == min(min(shape) for shape in model.shapes.values())


@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize("model", NORM.values(), ids=NORM)
def test_exact_norm_balance(model: Model, matrix: bool):
    for seed in range(3):
        start = balanced(model, seed=seed, scale="1/7", matrix=matrix)
        assert {name: block.shape for name, block in start.items()} == model.shapes
        assert spread(model, start) == 0 == unbalancedness_magnitude(model, start)
        for norms in squared_norms(model, start).values():
            assert all(value > 0 for part in norms.values() for value in part.entries)
    assert spread(model, model.random(0)) > 0


@pytest.mark.parametrize("name", DEEP)
def test_matrix_balance_is_a_choice(name: str):
    model = NORM[name]
    assert vanish(model, balanced(model, seed=1))
    assert not vanish(model, balanced(model, seed=1, matrix=False))
    assert vanish(model, unbalanced(model, seed=1, magnitude="1/50"))


@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize("magnitude", ["1/1000", 7])
@pytest.mark.parametrize("name", [name for name in NORM if name != "tensor ring"])
def test_exact_unbalancedness(name: str, magnitude: Any, matrix: bool):
    model = NORM[name]
    for seed in range(3):
        start = unbalanced(model, seed=seed, magnitude=magnitude, scale="1/7", matrix=matrix)
        assert unbalancedness_magnitude(model, start) == F(magnitude)
        assert spread(model, start) == F(magnitude)


@pytest.mark.parametrize("magnitude", ["1/1000", 7])
@pytest.mark.parametrize("model", MATRIX.values(), ids=MATRIX)
def test_unbalanced_layers(model: Model, magnitude: Any):
    differences = list(gram_differences(model, unbalanced(model, seed=2, magnitude=magnitude)).values())
    moved = [d for d in differences if any(d.entries)]
    assert len(moved) == 1
    assert multilinear_rank(moved[0]) == (1, 1)
    assert sum(x * x for x in moved[0].entries) == F(magnitude) ** 2  # rank one: also the spectral norm


def test_either_outer_layer_may_be_the_unbalanced_one():
    model = deep_matrix_factorization(2, 2, depth=3)
    moved: set[tuple[str, str]] = set()
    for seed in range(8):
        differences = gram_differences(model, unbalanced(model, seed=seed, magnitude=1))
        moved |= {names for names, d in differences.items() if any(d.entries)}
    assert moved == {("W[3]", "W[2]"), ("W[2]", "W[1]")}


def test_scale_is_exact_and_small_scales_work():
    model = NORM["deep Tucker"]
    one, small = balanced(model, seed=4), balanced(model, seed=4, scale="1/100000000000000000000")
    for name, block in one.items():
        assert small[name].entries == tuple(x / 10**20 for x in block.entries)
    tiny = unbalanced(model, seed=4, scale="1/100000000000000000000", magnitude=F(1, 10**60))
    assert unbalancedness_magnitude(model, tiny) == F(1, 10**60)
    assert one == balanced(model, seed=4) != balanced(model, seed=5)


def test_the_scale_of_unbalanced_starts_is_met_roughly():
    model = NORM["CP"]
    plain, start = balanced(model, seed=4), unbalanced(model, seed=4, magnitude="1/1000000")
    a, b = (sum(squared_norms(model, s)["r"]["w[1]"].entries) for s in (plain, start))
    assert 1 <= b / a <= F(103, 100)


def test_given_singular_values_and_sign():
    model = deep_matrix_factorization(3, 3, depth=3, width=4)
    for sign in (1, -1):
        for seed in range(4):
            start = balanced(model, seed=seed, singular_values=(2, 1, "1/2"), sign=sign)
            W = model.end_tensor(start)
            assert determinant(W) == sign * (2 * 1 * F(1, 2)) ** 3
            assert sum(x * x for x in W.entries) == 2**6 + 1 + F(1, 2) ** 6
    low = model.end_tensor(balanced(model, seed=0, singular_values=(1, 0), scale=2))
    assert multilinear_rank(low) == (1, 1) and sum(x * x for x in low.entries) == 8**2
    signs = {determinant(model.end_tensor(balanced(model, seed=seed))) > 0 for seed in range(12)}
    assert signs == {True, False}


@given(seed=st.integers(0, 2**16), order=st.integers(1, 3), deep=st.booleans(), matrix=st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_random_shapes_are_balanced(seed: int, order: int, deep: bool, matrix: bool):
    draw = np.random.default_rng(seed)
    dims, ranks, depths = (tuple(int(k) for k in draw.integers(low, 4, order)) for low in (1, 1, 0))
    model = deep_tucker(dims, ranks, depths=depths) if deep else deep_cp(dims, rank=ranks[0], depth=depths)
    start = balanced(model, seed=seed, matrix=matrix)
    assert unbalancedness_magnitude(model, start) == 0
    assert vanish(model, start) or not matrix
    assert unbalancedness_magnitude(model, unbalanced(model, seed=seed, magnitude=3, matrix=matrix)) == 3


# -- floats ------------------------------------------------------------------------------------------------------------


def rounding(model: Model, blocks: dict[str, Any]) -> float:
    """A bound on what rounding adds to a difference of squared norms, or of Gram matrices, of generated float
    blocks.

    Each entry is made by fewer than K = 40 + 4 n operations (n the largest number of entries of a slice or a
    matrix, in Gaussian normalisation or in one product of matrices whose frames are orthogonal to n^2 u, Higham
    2002, Theorem 19.4); a squared norm adds n + 1. So the relative error of a squared norm is below 2 gamma with
    gamma = n K u."""
    n = max(prod(shape) for shape in model.shapes.values())
    largest = max(float(np.abs(b).max()) ** 2 * n for b in map(np.asarray, blocks.values()))
    return 2 * 2 * n * (40 + 4 * n) * 2.0**-53 * largest


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize("magnitude", [0.0, 0.01])
@pytest.mark.parametrize("name", [*MATRIX, *(name for name in NORM if name != "tensor ring")])
def test_float_batches(name: str, magnitude: float, matrix: bool, backend: Any):
    model = (MATRIX | NORM)[name]
    blocks = balanced_batch(model, 50, seed=3, scale=0.2, magnitude=magnitude, matrix=matrix, backend=backend)
    assert {name: tuple(block.shape) for name, block in blocks.items()} == {
        name: (50, *shape) for name, shape in model.shapes.items()
    }
    most = rounding(model, blocks)
    assert most < 1e-9
    if model.component_legs:
        made = np.asarray(unbalancedness_magnitude(model, blocks))
        assert made.shape == (50,) and np.abs(made - magnitude).max() <= most
    if model.matrices and (matrix or not model.component_legs):
        expected = 0.0 if model.component_legs else magnitude
        norms = np.stack(
            [
                np.linalg.norm(d, axis=(-1, -2)).reshape(50, -1).max(-1)
                for d in map(np.asarray, gram_differences(model, blocks).values())
            ]
        )
        assert np.abs(norms.max(0) - expected).max() <= most
    assert len({float(b) for b in np.asarray(next(iter(blocks.values()))).reshape(50, -1)[:, 0]}) > 25  # independent


def test_float_batches_repeat_and_agree():
    import torch

    model = NORM["deep Tucker"]
    one = balanced_batch(model, 4, seed=1)
    again, other = balanced_batch(model, 4, seed=1, backend="torch"), balanced_batch(model, 4, seed=2)
    single = balanced_batch(model, 4, seed=1, backend="torch", dtype=torch.float32)
    for name, block in one.items():
        assert np.array_equal(block, again[name].numpy()) and not np.array_equal(block, other[name])
        assert np.array_equal(block.astype(np.float32), single[name].numpy())
    assert balanced_batch(model, 4, seed=1, dtype=np.float32)["G"].dtype == np.float32


def test_the_tensor_ring_in_floats():
    model = NORM["tensor ring"]
    blocks = balanced_batch(model, 20, seed=0)
    assert np.abs(unbalancedness_magnitude(model, blocks)).max() <= rounding(model, blocks)


@pytest.mark.parametrize("convert", [to_numpy, to_torch])
@pytest.mark.parametrize(
    "model",
    [
        MATRIX["2x2, depth 2"],
        deep_matrix_factorization(2, 3, depth=1),
        deep_matrix_factorization(3, 2, depth=3, width=(2, 4)),
    ],
)
def test_balanced_factors_of_a_given_product(model: Model, convert: Any):
    many = [Array(model.shape, tuple(F(k * k - 3 * k - s, 4) for k in range(prod(model.shape)))) for s in range(3)]
    W = np.stack([to_numpy(one) for one in many])
    given_W = convert(array(W))
    layers = balanced_factors(model, given_W)
    assert {name: tuple(block.shape) for name, block in layers.items()} == {n: (3, *s) for n, s in model.shapes.items()}
    # A singular value decomposition is exact for a matrix within 60 u ||W|| (d <= 4), and the roots and products add a
    # few u each for at most three layers.
    most = 200 * 2.0**-53 * np.abs(W).max() * 6
    assert np.abs(np.asarray(model.end_tensor(layers)) - W).max() <= most
    for difference in gram_differences(model, layers).values():
        assert np.abs(np.asarray(difference)).max() <= most
    signs = np.sign(determinant(np.asarray(model.end_tensor(layers)))) if model.shape == (2, 2) else None
    assert signs is None or np.array_equal(signs, np.sign(determinant(W)))


def test_bad_input_is_refused_in_one_line():
    matrix, norm = MATRIX["2x2, depth 2"], NORM["CP"]
    for make, match in (
        (lambda: balanced(norm, seed=0, scale=0), "scale=0"),
        (lambda: balanced(norm, seed=0, denominator=0), "denominator=0"),
        (lambda: balanced(norm, seed=0, sign=1), "not one product"),
        (lambda: balanced(matrix, seed=0, singular_values=(1, 1, 1)), "at most 2"),
        (lambda: balanced(matrix, seed=0, singular_values=(-1,)), "none negative"),
        (lambda: balanced(matrix, seed=0, sign=2), "sign=2"),
        (lambda: balanced(matrix, seed=0, singular_values=(1, 0), sign=1), "invertible"),
        (lambda: balanced(MATRIX["rectangular widths"], seed=0, sign=1), "square"),
        (lambda: balanced(cp((3,), rank=2), seed=0), "no balance condition"),
        (lambda: balanced(einsum("aa,ab->b", A=(2, 2), B=(2, 3)), seed=0), "repeated leg"),
        (lambda: unbalanced(norm, seed=0, magnitude=0), "magnitude=0"),
        (lambda: unbalanced(NORM["tensor ring"], seed=0, magnitude=1), "Model.random"),
        (lambda: unbalanced(deep_matrix_factorization(2, 2, depth=1), seed=0, magnitude=1), "depth 2"),
        (lambda: balanced_batch(norm, 0, seed=0), "count=0"),
        (lambda: balanced_batch(norm, 1, seed=0, scale=float("nan")), "scale=nan"),
        (lambda: balanced_batch(norm, 1, seed=0, backend="jax"), "backend"),  # pyright: ignore[reportArgumentType]
        (lambda: balanced_batch(NORM["tensor ring"], 1, seed=0, magnitude=1), "one component leg"),
        (lambda: balanced_batch(deep_matrix_factorization(2, 2, depth=1), 1, seed=0, magnitude=1), "depth 2"),
        (lambda: balanced_factors(norm, np.eye(2)), "not one product"),
        (lambda: balanced_factors(matrix, np.eye(3)), r"\(3, 3\)"),
        (lambda: balanced_factors(matrix, array([[1, 0], [0, 1]])), "floats"),
        (lambda: balanced_factors(deep_matrix_factorization(2, 2, depth=2, width=1), np.eye(2)), "narrower"),
    ):
        with pytest.raises(InputError, match=match) as error:
            make()
        assert "\n" not in str(error.value)
