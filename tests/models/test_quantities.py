"""Quantities: unfoldings with pairwise different dimensions, ranks, balance, in every arithmetic."""

from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models import (
    array,
    component_norms,
    cp,
    deep_cp,
    deep_matrix_factorization,
    deep_tucker,
    determinant,
    einsum,
    gram_differences,
    inner,
    kronecker,
    mode_product,
    multilinear_rank,
    rational_root,
    slice_norms,
    squared_component_norms,
    squared_norms,
    squared_slice_norms,
    to_flint,
    to_mpmath,
    to_numpy,
    to_sympy,
    to_torch,
    tucker,
    unbalancedness_magnitude,
    unfold,
)

F = Fraction
DIMS = (2, 3, 4)
T = Array(DIMS, tuple(F(k * k - 11 * k, 4) for k in range(24)))


def mp(values: Any) -> Any:
    import mpmath

    context = mpmath.MPContext()
    context.prec = 150
    return to_mpmath(values, context=context)


ARITHMETICS = {
    "Array": lambda x: x,
    "fmpq": to_flint,
    "arb": lambda x: to_flint(x, ball=True),
    "sympy": to_sympy,
    "mpf": mp,
    "numpy": to_numpy,
    "torch": to_torch,
}


def numbers(values: Any) -> list[float]:
    if isinstance(values, Array):
        return [float(x) for x in values.entries]
    return [float(x) for x in (values.reshape(-1) if hasattr(values, "reshape") else [values])]


def vectors() -> list[Array]:
    return [Array((d,), tuple(F(k + 2 + n, 5 + n * k) for k in range(d))) for n, d in enumerate(DIMS)]


def outer(w: list[Array]) -> Array:
    return cp(DIMS, rank=1).end_tensor({f"w[{n + 1}]": Array((1, *v.shape), v.entries) for n, v in enumerate(w)})


def transposed(M: Array) -> Array:
    rows, columns = M.shape
    return Array((columns, rows), tuple(M[i, j] for j in range(columns) for i in range(rows)))


def product(A: Array, B: Array) -> Array:
    return mode_product(B, A, 1)


def column(v: Array) -> Array:
    return Array((*v.shape, 1), v.entries)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_unfoldings_entry_by_entry(mode: int):
    lexicographic, kolda_bader = unfold(T, mode), unfold(T, mode, order="kolda-bader")
    a, b = [k for k in range(3) if k != mode - 1]
    for index in np.ndindex(*DIMS):
        assert lexicographic[index[mode - 1], index[a] * DIMS[b] + index[b]] == T[index]
        assert kolda_bader[index[mode - 1], index[b] * DIMS[a] + index[a]] == T[index]
    assert lexicographic != kolda_bader
    for convert in ARITHMETICS.values():
        made = unfold(convert(T), mode, order="kolda-bader")
        assert tuple(made.shape) == kolda_bader.shape and numbers(made) == numbers(kolda_bader)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_the_order_of_kronecker_factors_belongs_to_the_order_of_columns(mode: int):
    """HKA24 Lemma A.1: increasing factors for lexicographic columns, decreasing ones for Kolda-Bader, and not mixed."""
    w = vectors()
    others = [w[k] for k in range(3) if k != mode - 1]
    for order, factors in (("lexicographic", others), ("kolda-bader", others[::-1])):
        mixed = kronecker(*factors[::-1])
        contracted = product(unfold(T, mode, order=order), column(kronecker(*factors)))
        assert inner(contracted, column(w[mode - 1])) == inner(T, outer(w))
        assert inner(product(unfold(T, mode, order=order), column(mixed)), column(w[mode - 1])) != inner(T, outer(w))
        # [w^1 o ... o w^N]_(n) = w^n (kronecker of the others)^T
        row = transposed(column(kronecker(*factors)))
        assert unfold(outer(w), mode, order=order) == product(column(w[mode - 1]), row)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_the_matrix_form_of_tucker(mode: int):
    """HKA24, matrix identity: decreasing Kronecker order for Kolda-Bader columns, increasing for lexicographic ones."""
    model = tucker(DIMS, (3, 2, 5))
    blocks = model.random(4)
    V = [transposed(blocks[f"V[{n}]"]) for n in (1, 2, 3)]
    others = [V[k] for k in range(3) if k != mode - 1]
    for order, factors in (("lexicographic", others), ("kolda-bader", others[::-1])):
        right = transposed(kronecker(*factors))
        core = unfold(blocks["G"], mode, order=order)
        assert product(V[mode - 1], product(core, right)) == unfold(model.end_tensor(blocks), mode, order=order)
        wrong = transposed(kronecker(*factors[::-1]))
        assert product(V[mode - 1], product(core, wrong)) != unfold(model.end_tensor(blocks), mode, order=order)


def test_mode_products_make_tucker():
    model = tucker(DIMS, (3, 2, 5))
    blocks = model.random(4)
    made = blocks["G"]
    for n in (1, 2, 3):
        made = mode_product(made, transposed(blocks[f"V[{n}]"]), n)
    assert made == model.end_tensor(blocks)


def test_kronecker_of_matrices_is_that_of_numpy():
    A, B = array([[1, 2, 3], [4, 5, 6]]), array([[7, 8], [9, 10], [11, 12]])
    assert np.array_equal(kronecker(to_numpy(A), to_numpy(B)), np.kron(to_numpy(A), to_numpy(B)))
    assert kronecker(A) == A and kronecker(A, B).shape == (6, 6)


@pytest.mark.parametrize("convert", ARITHMETICS.values(), ids=ARITHMETICS)
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_slice_norms(mode: int, convert: Any):
    made = numbers(squared_slice_norms(convert(T), mode))
    for r, value in enumerate(made):
        exact = sum(T[index] ** 2 for index in np.ndindex(*DIMS) if index[mode - 1] == r)
        assert value == pytest.approx(float(exact), rel=12 * 2.0**-52, abs=0)  # 12 squares, 11 sums
    square = array([[3, 0], [4, 12]])
    assert numbers(slice_norms(convert(square), 2)) == pytest.approx([5, 12], rel=2.0**-50)


def test_irrational_norms_are_refused_where_numbers_are_exact():
    with pytest.raises(InputError, match="square root of 2 "):
        slice_norms(array([[1, 1]]), 1)
    import sympy

    assert slice_norms(to_sympy(array([[1, 1]])), 1)[0] == sympy.sqrt(2)
    assert rational_root(F(4, 9)) == F(2, 3) and rational_root(F(2)) is None and rational_root(F(-1)) is None


def test_multilinear_rank():
    model = tucker((3, 4, 5), (2, 1, 2))
    assert multilinear_rank(model.end_tensor(model.random(3))) == (2, 1, 2)
    assert multilinear_rank(T) == tuple(np.linalg.matrix_rank(to_numpy(unfold(T, n))) for n in (1, 2, 3))
    assert multilinear_rank(array([[0, 0]])) == (0, 0)
    nearly = np.eye(2)
    nearly[1, 1] = 1e-300
    assert multilinear_rank(nearly) == (2, 2)  # no tolerance


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_determinants(n: int):
    M = Array((n, n), tuple(F((7 * k * k + 3 * k) % 11 - 5, 1 + k % 3) for k in range(n * n)))
    leibniz = F(0)
    for order in permutations(range(n)):
        sign = (-1) ** sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n))
        term = F(sign)
        for i, j in enumerate(order):
            term *= M[i, j]
        leibniz += term
    assert leibniz != 0
    assert determinant(M) == leibniz
    assert array([determinant(to_flint(M))]).entries == (leibniz,)
    assert array([determinant(to_sympy(M))]).entries == (leibniz,)
    fractions = np.array(M.entries, dtype=object).reshape(n, n)
    assert determinant(fractions) == leibniz
    assert determinant(to_flint(M, ball=True)).overlaps(to_flint(array([leibniz]), ball=True)[0])
    assert float(determinant(mp(M))) == pytest.approx(float(leibniz), rel=2.0**-50)  # 150 bits, then rounded once
    stack = np.stack([to_numpy(M), np.eye(n)])
    scale = np.prod(np.linalg.norm(to_numpy(M), axis=1))  # Hadamard
    for made in (determinant(stack), determinant(to_torch(array(stack)))):
        assert abs(float(made[0]) - float(leibniz)) <= 8 * n**3 * 2.0**-53 * scale and made[1] == 1


def test_symbolic_determinant():
    import sympy

    X = np.array(sympy.symbols("a:9"), dtype=object).reshape(3, 3)
    assert sympy.expand(determinant(X) - sympy.Matrix(X.tolist()).det()) == 0


@pytest.mark.parametrize("convert", ARITHMETICS.values(), ids=ARITHMETICS)
def test_unbalancedness_magnitude_of_cp(convert: Any):
    """RMC21 Definition 1: squared norms, within a component, not across."""
    model = cp((2, 2, 1), rank=2)
    blocks = {"w[1]": array([[3, 4], [0, 1]]), "w[2]": array([[5, 0], [0, 2]]), "w[3]": array([[6], [3]])}
    # component 1: 25, 25, 36; component 2: 1, 4, 9
    assert numbers(unbalancedness_magnitude(model, convert(blocks))) == [11]
    assert numbers(squared_norms(model, convert(blocks))["r"]["w[3]"]) == [36, 9]
    assert numbers(squared_component_norms(model, convert(blocks))) == [25 * 25 * 36, 36]
    assert numbers(component_norms(model, convert(blocks))) == [150, 6]


@pytest.mark.parametrize("convert", ARITHMETICS.values(), ids=ARITHMETICS)
def test_unbalancedness_magnitude_of_deep_tucker(convert: Any):
    """HKA24 Definition 4.2: w against the core slice and against every matrix; A against G is not compared."""
    model = deep_tucker((1, 1), (2, 1), depths=(1, 0))
    blocks = {"G": array([[3], [4]]), "A[1,1]": array([[[1]], [[4]]]), "w[1]": array([[2], [4]]), "w[2]": array([[5]])}
    # mode 1, r = 1: w 4, G 9, A 1 -> 5 and 3 (A against G would be 8); r = 2: all 16; mode 2: w 25, G 25
    assert numbers(unbalancedness_magnitude(model, convert(blocks))) == [5]


def test_unbalancedness_magnitude_of_deep_cp():
    model = deep_cp((1, 1), rank=1, depth=(1, 0))
    blocks = {"c": array([2]), "A[1,1]": array([[[1]]]), "w[1]": array([[2]]), "w[2]": array([[3]])}
    assert unbalancedness_magnitude(model, blocks) == 5  # w[2] against c; w[2] against A[1,1] (8) is another mode


def test_unbalancedness_of_batches():
    import torch

    model = cp((2, 3), rank=2)
    many = [model.random(seed, denominator=4) for seed in range(5)]
    exact = [float(unbalancedness_magnitude(model, b)) for b in many]  # dyadic: floats are exact as well
    for stack, convert in ((np.stack, to_numpy), (torch.stack, to_torch), (np.stack, to_flint)):
        blocks = {name: stack([convert(b[name]) for b in many]) for name in model.shapes}
        assert numbers(unbalancedness_magnitude(model, blocks)) == exact


@pytest.mark.parametrize("convert", ARITHMETICS.values(), ids=ARITHMETICS)
def test_gram_differences(convert: Any):
    model = deep_matrix_factorization(1, 2, depth=2, width=2)
    blocks = {"W[2]": array([[1, 2]]), "W[1]": array([[1, 0], [3, 1]])}
    ((names, made),) = gram_differences(model, convert(blocks)).items()
    assert names == ("W[2]", "W[1]")
    assert numbers(made) == [1 - 1, 2 - 3, 2 - 3, 4 - 10]  # W_2^T W_2 - W_1 W_1^T
    model = deep_tucker((2, 3), (2, 1), depths=(3, 0))
    made = gram_differences(model, convert(model.random(0)))
    assert list(made) == [("A[1,1]", "A[1,2]"), ("A[1,2]", "A[1,3]")]
    assert {tuple(part.shape) for part in made.values()} == {(2, 2, 2)}


def test_component_legs():
    assert cp((2, 3), rank=2).component_legs == ("r",)
    assert tucker((2, 3)).component_legs == ("r[1]", "r[2]")
    assert deep_tucker((2, 3), depths=(2, 0)).component_legs == ("r[1]", "r[2]")
    assert deep_cp((2, 3), rank=1).component_legs == ("r",)
    assert deep_matrix_factorization(2, 2, depth=3).component_legs == ()
    assert einsum("ab,bc->ac", A=(2, 3), B=(3, 4)).component_legs == ("b",)


def test_bad_input_is_refused_in_one_line():
    model = deep_matrix_factorization(2, 2, depth=2)
    for make, match in (
        (lambda: unfold(T, 0), "mode 0"),
        (lambda: unfold(T, 4), "mode 4"),
        (lambda: unfold(T, 1, order="fortran"), "column order"),  # pyright: ignore[reportArgumentType]
        (lambda: mode_product(T, array([[1, 2]]), 2), r"needed \(any, 3\)"),
        (lambda: kronecker(), "factors"),
        (lambda: kronecker(array([1]), array([[1]])), "all vectors"),
        (lambda: inner(T, array([1])), "equal"),
        (lambda: determinant(array([[1, 2]])), "square"),
        (lambda: determinant(np.stack([to_flint(array([[1]]))] * 2)), "one matrix"),
        (lambda: unbalancedness_magnitude(model, model.random(0)), "gram_differences"),
        (lambda: squared_component_norms(tucker((2, 2)), tucker((2, 2)).random(0)), "exactly one"),
    ):
        with pytest.raises(InputError, match=match) as error:
            make()
        assert "\n" not in str(error.value)
