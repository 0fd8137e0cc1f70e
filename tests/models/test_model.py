"""One contract for every model and every arithmetic, against the kernel's own einsum, sympy.diff and torch.autograd."""

import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import product as cartesian
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorytest.errors import InputError
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.parameterization import Array
from theorytest.kernel.parameterization import einsum as kernel_einsum
from theorytest.models import (
    CP,
    DEEP_CP,
    DEEP_MATRIX,
    DEEP_TUCKER,
    TUCKER,
    Model,
    array,
    cp,
    deep_cp,
    deep_matrix_factorization,
    deep_tucker,
    einsum,
    to_flint,
    to_mpmath,
    to_numpy,
    to_sympy,
    to_torch,
    tucker,
)

MODELS = {
    "matrix, depth 3": deep_matrix_factorization(2, 3, depth=3, width=(4, 5)),
    "matrix, depth 1": deep_matrix_factorization(2, 3, depth=1),
    "CP": cp((3, 4, 5), rank=2),
    "CP, order 2": cp((3, 2), rank=4),
    "Tucker": tucker((3, 4, 2), (2, 5, 3)),
    "deep CP": deep_cp((2, 3, 2), rank=2, depth=(1, 0, 2)),
    "deep Tucker": deep_tucker((2, 3), (3, 2), depths=(2, 1)),
    "deep Tucker, one mode without depth": deep_tucker((2, 3, 2), (2, 1, 2), depths=(0, 2, 1)),
    "einsum": einsum("ab,bc->ac", A=(2, 3), B=(3, 4)),
    "einsum with a diagonal and a lone leg": einsum("aab,bcd->ca", A=(2, 2, 3), B=(3, 4, 2)),
    "einsum, entrywise": einsum("a,ab,b->ab", p=(2,), Q=(2, 3), r=(3,)),
    "einsum to a number": einsum("ab,ab->", A=(2, 3), B=(2, 3)),
    "tensor ring": einsum("iab,jbc,kca->ijk", A=(2, 3, 2), B=(3, 2, 2), C=(2, 2, 3)),
}
SEED = 5


def instance(model: Model, seed: int = SEED) -> tuple[dict[str, Array], Array]:
    """Blocks and a loss gradient; sevenths are not dyadic, so that floats do round."""
    blocks = model.random(seed, denominator=7)
    draw = np.random.default_rng(seed)
    g = tuple(Fraction(int(k), 7) for k in draw.integers(-9, 10, prod(model.shape)))
    return blocks, Array(model.shape, g)


def by_the_kernel(model: Model, blocks: dict[str, Array]) -> Array:
    c = model.concrete
    return kernel_einsum([(blocks[name], legs) for name, legs in c.factors], c.output, c.dims)


def gradient_by_the_kernel(model: Model, blocks: dict[str, Array], g: Array) -> dict[str, Array]:
    """One einsum per occurrence of a block, with the loss gradient in its place: another way than the tape's."""
    c = model.concrete
    made: dict[str, Array] = {}
    for place, (name, legs) in enumerate(c.factors):
        factors = [(blocks[other], names) for k, (other, names) in enumerate(c.factors) if k != place]
        eye: list[tuple[Array, tuple[str, ...]]] = []
        fresh = tuple(f"#{k}" for k in range(len(legs)))  # a repeated leg gets a delta for each occurrence
        for leg, new in zip(legs, fresh, strict=True):
            n = c.dims[leg]
            eye.append((Array((n, n), tuple(Fraction(int(i == j)) for i in range(n) for j in range(n))), (leg, new)))
        dims = dict(c.dims) | {new: c.dims[leg] for leg, new in zip(legs, fresh, strict=True)}
        part = kernel_einsum([*factors, (g, c.output), *eye], fresh, dims)
        if name in made:
            summed = zip(made[name].entries, part.entries, strict=True)
            part = Array(part.shape, tuple(a + b for a, b in summed))
        made[name] = part
    return made


def size(values: Array) -> Array:
    return Array(values.shape, tuple(map(abs, values.entries)))


def bounds(model: Model, blocks: dict[str, Array], g: Array, u: Fraction) -> tuple[Array, dict[str, Array]]:
    """Rounding bounds with unit roundoff u. Every entry is a sum of products of F factors. A product meets at most
    2 F roundings on entry (to float64, then to float32), F - 1 of products, and fewer sums than there are summands:
    K in all, so the error is at most gamma_K = K u / (1 - K u) times the same sum of absolute values, in any order
    of summation."""
    K = 3 * len(model.concrete.factors) + prod(model.concrete.dims.values())
    gamma = K * u / (1 - K * u)
    sizes = {name: size(block) for name, block in blocks.items()}

    def scaled(values: Array) -> Array:
        return Array(values.shape, tuple(gamma * entry for entry in values.entries))

    gradients = gradient_by_the_kernel(model, sizes, size(g))
    return scaled(by_the_kernel(model, sizes)), {name: scaled(values) for name, values in gradients.items()}


def within(computed: Any, exact: Array, bound: Array) -> None:
    given = array(computed)
    assert given.shape == exact.shape
    for a, b, most in zip(given.entries, exact.entries, bound.entries, strict=True):
        assert abs(a - b) <= most


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_exact_arithmetics_agree_exactly(model: Model):
    blocks, g = instance(model)
    expected, gradients = by_the_kernel(model, blocks), gradient_by_the_kernel(model, blocks, g)
    assert model.end_tensor(blocks) == expected
    assert model.gradients(blocks, g) == gradients
    for convert in (to_flint, to_sympy, fractions):
        value, pull = model.pullback(convert(blocks))
        assert array(value) == expected
        assert {name: array(part) for name, part in pull(convert(g)).items()} == gradients


def fractions(values: Any) -> Any:
    """Object arrays of Fraction: a type that the models know nothing about."""
    if isinstance(values, dict):
        return {name: fractions(block) for name, block in values.items()}
    made = np.empty(len(values.entries), dtype=object)
    made[:] = values.entries
    return made.reshape(values.shape)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_balls_enclose(model: Model):
    from flint import arb, fmpq

    blocks, g = instance(model)
    value, pull = model.pullback(to_flint(blocks, ball=True))
    pairs = [(value, by_the_kernel(model, blocks))]
    gradients, exact = pull(to_flint(g, ball=True)), gradient_by_the_kernel(model, blocks, g)
    pairs += [(gradients[name], exact[name]) for name in exact]
    for balls, expected in pairs:
        assert balls.shape == expected.shape
        for ball, entry in zip(balls.flat, expected.entries, strict=True):
            assert isinstance(ball, arb)
            middle, radius = fmpq_of(ball.mid()), fmpq_of(ball.rad())
            assert abs(middle - fmpq(entry.numerator, entry.denominator)) <= radius < fmpq(1, 2**30)


def fmpq_of(ball: Any) -> Any:
    from flint import fmpq

    mantissa, exponent = ball.man_exp()
    return fmpq(mantissa) * fmpq(2) ** int(exponent)


def floats(kind: str) -> tuple[Callable[[Any], Any], Fraction]:
    import mpmath
    import torch

    if kind == "mpmath":
        context = mpmath.MPContext()
        context.prec = 200
        return lambda values: to_mpmath(values, context=context), Fraction(1, 2**200)
    if kind == "numpy":
        return to_numpy, Fraction(1, 2**53)
    if kind == "torch float32":
        return lambda values: to_torch(values, dtype=torch.float32), Fraction(1, 2**24)
    device = "cuda" if kind == "torch cuda" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return lambda values: to_torch(values, device=device), Fraction(1, 2**53)


def exactly(values: Any) -> Array:
    """mpf and floats as the rationals that they are."""
    if isinstance(values, np.ndarray) and values.dtype == object:
        entries = [(-1) ** x._mpf_[0] * Fraction(int(x.man)) * Fraction(2) ** int(x.exp) for x in values.flat]
        return Array(values.shape, tuple(entries))
    return array(values)


@pytest.mark.parametrize("kind", ["mpmath", "numpy", "torch", "torch float32", "torch cuda"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_floats_are_within_a_rounding_bound(model: Model, kind: str):
    convert, u = floats(kind)
    blocks, g = instance(model)
    for_value, for_gradients = bounds(model, blocks, g, u)
    value, pull = model.pullback(convert(blocks))
    within(exactly(value), by_the_kernel(model, blocks), for_value)
    gradients, exact = pull(convert(g)), gradient_by_the_kernel(model, blocks, g)
    assert list(gradients) == list(model.shapes)
    for name, part in gradients.items():
        within(exactly(part), exact[name], for_gradients[name])


def test_the_rounding_bound_can_fail():
    """A relative change of 1e-12 in one block is seen by the float64 bound, one of 1e-5 by that of float32."""
    model = MODELS["CP"]
    blocks, g = instance(model)
    exact = by_the_kernel(model, blocks)
    for u, change in ((Fraction(1, 2**53), 1e-12), (Fraction(1, 2**24), 1e-5)):
        most, _ = bounds(model, blocks, g, u)
        moved = {name: block * (1 + change * (name == "w[1]")) for name, block in to_numpy(blocks).items()}
        with pytest.raises(AssertionError):
            within(model.end_tensor(moved), exact, most)


@pytest.mark.parametrize("kind", ["numpy", "torch", "objects"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_batches_are_instances_side_by_side(model: Model, kind: str):
    import torch

    many = [instance(model, seed) for seed in range(6)]
    if kind == "objects":
        convert, u = fractions, Fraction(0)
        join: Callable[[list[Any]], Any] = lambda parts: np.stack(parts).reshape((3, 2, *parts[0].shape))  # noqa: E731
    elif kind == "numpy":
        (convert, u), join = floats("numpy"), lambda parts: np.stack(parts).reshape((3, 2, *parts[0].shape))
    else:
        (convert, u), join = floats("torch"), lambda parts: torch.stack(parts).reshape((3, 2, *parts[0].shape))
    blocks = {name: join([convert(b[name]) for b, _ in many]) for name in model.shapes}
    value, pull = model.pullback(blocks)
    gradients = pull(join([convert(g) for _, g in many]))
    assert tuple(value.shape) == (3, 2, *model.shape)
    for k, (b, g) in enumerate(many):
        for_value, for_gradients = bounds(model, b, g, u)
        within(value[k // 2, k % 2], by_the_kernel(model, b), for_value)
        exact = gradient_by_the_kernel(model, b, g)
        for name, part in gradients.items():
            within(part[k // 2, k % 2], exact[name], for_gradients[name])


def test_a_block_without_batch_is_used_by_every_instance():
    model = MODELS["matrix, depth 3"]
    one, many = to_numpy(model.random(0)), [to_numpy(model.random(seed)) for seed in (1, 2)]
    blocks = {name: np.stack([b[name] for b in many]) for name in one} | {"W[2]": one["W[2]"]}
    g = np.ones(model.shape)
    value, pull = model.pullback(blocks)
    gradients = pull(g)
    assert gradients["W[2]"].shape == (2, *model.shapes["W[2]"])  # one gradient per instance, not their sum
    for k, b in enumerate(many):
        alone = b | {"W[2]": one["W[2]"]}
        assert np.array_equal(value[k], model.end_tensor(alone))  # dyadic entries: no rounding at all
        for name, part in model.gradients(alone, g).items():
            assert np.array_equal(gradients[name][k], part)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_gradients_are_those_of_autograd(model: Model):
    blocks, g = instance(model)
    leaves = {name: block.requires_grad_() for name, block in to_torch(blocks).items()}
    (model.end_tensor(leaves) * to_torch(g)).sum().backward()
    _, most = bounds(model, blocks, g, Fraction(1, 2**53))
    exact = model.gradients(blocks, g)
    for name, leaf in leaves.items():
        within(leaf.grad, exact[name], most[name])


@pytest.mark.parametrize(
    "model",
    [
        deep_matrix_factorization(2, 2, depth=3, width=1),
        cp((2, 3), rank=2),
        tucker((2, 2), (1, 2)),
        deep_cp((2, 2), rank=1, depth=(1, 0)),
        deep_tucker((2, 1), (1, 2), depths=1),
        einsum("aab,b->a", A=(2, 2, 2), B=(2,)),
    ],
    ids=lambda model: model.name,
)
def test_gradients_are_those_of_sympy_for_every_differentiable_loss(model: Model):
    import sympy

    from theorytest.models import Opaque

    blocks: dict[str, np.ndarray] = {}
    for name, shape in model.shapes.items():
        made = np.empty(shape, dtype=object)
        for index in np.ndindex(*shape):
            made[index] = sympy.Symbol(f"{name}_{index}")
        blocks[name] = made
    W = model.end_tensor(blocks)
    loss = Opaque().value(W)
    gradients = model.gradients(blocks, Opaque().gradient(W))
    for name, block in blocks.items():
        for place, symbol in np.ndenumerate(block):
            assert sympy.expand(gradients[name][place] - sympy.diff(loss, symbol)) == 0
        assert any(entry != 0 for entry in gradients[name].flat)


@given(seed=st.integers(0, 2**20), order=st.integers(1, 4), kind=st.sampled_from(["cp", "tucker", "deep", "matrix"]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_random_shapes(seed: int, order: int, kind: str):
    draw = np.random.default_rng(seed)

    def sizes(count: int, least: int = 1) -> tuple[int, ...]:
        return tuple(int(k) for k in draw.integers(least, 4, count))

    if kind == "cp":
        model = cp(sizes(order), rank=int(draw.integers(1, 4)))
    elif kind == "tucker":
        model = tucker(sizes(order), sizes(order))
    elif kind == "deep":
        model = deep_tucker(sizes(min(order, 3)), sizes(min(order, 3)), depths=sizes(min(order, 3), 0))
    else:
        model = deep_matrix_factorization(*sizes(2), depth=order, width=sizes(order - 1))
    blocks, g = instance(model, seed)
    assert model.end_tensor(blocks) == by_the_kernel(model, blocks)
    assert model.gradients(blocks, g) == gradient_by_the_kernel(model, blocks, g)


def test_many_factors_take_the_greedy_path():
    model = deep_matrix_factorization(2, 3, depth=13, width=2)
    blocks, g = instance(model)
    assert model.end_tensor(blocks) == by_the_kernel(model, blocks)
    product = blocks["W[1]"]
    for layer in range(2, 14):
        left, dims = blocks[f"W[{layer}]"], {"a": 2, "b": 2, "c": 3}
        product = kernel_einsum([(left, ("a", "b")), (product, ("b", "c"))], ("a", "c"), dims)
    assert model.end_tensor(blocks) == product
    W, pull = model.pullback(blocks)
    for name, part in pull(g).items():  # Euler: <grad, block> = <g, W> for a multilinear map
        assert inner(part, blocks[name]) == inner(g, W)


def inner(a: Array, b: Array) -> Fraction:
    return sum((x * y for x, y in zip(a.entries, b.entries, strict=True)), Fraction(0))


def test_a_block_that_occurs_twice_gets_both_gradients():
    from theorytest.kernel.parameterization import Block, Parameterization, Product

    body = Product((Block("X", (), ("a", "b")), Block("X", (), ("c", "b"))))
    model = Model(
        Parameterization("X X^T", body, ("a", "c"), (("a", "n"), ("b", "m"), ("c", "n")), ""), {"n": 2, "m": 3}
    )
    blocks, g = instance(model)
    assert model.shapes == {"X": (2, 3)}
    assert model.end_tensor(blocks) == by_the_kernel(model, blocks)
    assert model.gradients(blocks, g) == gradient_by_the_kernel(model, blocks, g)


def test_an_output_with_a_repeated_leg_is_diagonal():
    from theorytest.kernel.parameterization import Block, Chain, Parameterization, Product

    chain = Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", True)
    body = Product((chain, Block("D", (), ("b",))))
    model = Model(Parameterization("W D", body, ("a", "b"), (("a", "n"), ("b", "n")), ""), {"L": 0, "n": 2, "h": []})
    blocks = {"D": array([3, 5])}
    assert model.end_tensor(blocks) == array([[3, 0], [0, 5]])
    assert model.gradients(blocks, array([[1, 2], [3, 4]])) == {"D": array([1, 4])}
    assert np.array_equal(model.end_tensor(to_numpy(blocks)), np.diag([3.0, 5.0]))


def test_definitions_survive_the_record():
    for definition in (DEEP_MATRIX, CP, TUCKER, DEEP_CP, DEEP_TUCKER):
        assert decode(encode(definition)) == definition


def test_the_definitions_say_what_they_mean():
    """Each shipped model against its formula in loops."""
    w = cp((2, 3), rank=2).random(1)
    W = cp((2, 3), rank=2).end_tensor(w)
    for i, j in cartesian(range(2), range(3)):
        assert W[i, j] == sum(w["w[1]"][r, i] * w["w[2]"][r, j] for r in range(2))
    model = tucker((2, 3), (1, 2))
    b, W = (blocks := model.random(1)), model.end_tensor(blocks)
    for i, j in cartesian(range(2), range(3)):
        assert W[i, j] == sum(b["G"][0, s] * b["V[1]"][0, i] * b["V[2]"][s, j] for s in range(2))
    model = deep_tucker((2, 3), (1, 2), depths=(2, 0))
    b, W = (blocks := model.random(1)), model.end_tensor(blocks)
    for i, j in cartesian(range(2), range(3)):
        x = [
            sum(b["A[1,1]"][0, i, p] * b["A[1,2]"][0, p, q] * b["w[1]"][0, q] for p in range(2) for q in range(2))
            for i in range(2)
        ]
        assert W[i, j] == sum(b["G"][0, s] * x[i] * b["w[2]"][s, j] for s in range(2))
    model = deep_cp((2, 3), rank=2, depth=(1, 0))
    b, W = (blocks := model.random(1)), model.end_tensor(blocks)
    for i, j in cartesian(range(2), range(3)):
        assert W[i, j] == sum(
            b["c"][(r,)] * b["A[1,1]"][r, i, p] * b["w[1]"][r, p] * b["w[2]"][r, j] for r in range(2) for p in range(2)
        )
    model = deep_matrix_factorization(1, 2, depth=2, width=3)
    b, W = (blocks := model.random(1)), model.end_tensor(blocks)
    for j in range(2):
        assert W[0, j] == sum(b["W[2]"][0, k] * b["W[1]"][k, j] for k in range(3))


def test_the_example_of_corollary_4_4_has_the_printed_end_tensor():
    """HKA24 Corollary 4.4 i as printed: W_22 = 20250 and rate 2025 of the core slice norm (catalogue, exact)."""
    model = deep_tucker((2, 2), depths=2)
    A1, A2 = [[4, 0], [0, 3]], [[0, 4], [-3, 0]]
    blocks = {"G": array([[5, 0], [0, 5]])}
    for n in (1, 2):
        blocks |= {f"A[{n},1]": array([A1, A1]), f"A[{n},2]": array([A2, A2]), f"w[{n}]": array([[5, 0], [5, 0]])}
    W = model.end_tensor(blocks)
    assert array([[0, 0], [0, 20250]]) == W
    gradient = model.gradients(blocks, array([[0, 0], [0, -1]]))["G"]  # minus the flow of G for Delta = 1
    assert (-gradient[0, 0]) == 2025


def test_models_are_values():
    one, two = cp((3, 4), rank=2), cp([3, 4], rank=2)
    assert one == two and hash(one) == hash(two) and one != cp((3, 4), rank=3) and one != tucker((3, 4))
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.parameters == 14 and one.shape == (3, 4)
    assert one.random(1) == two.random(1) != one.random(2)
    assert all(abs(x) <= Fraction(1, 10) for x in one.random(3, scale="1/10")["w[1]"].entries)
    with pytest.raises(TypeError):
        one.sizes["R"] = 3  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: cp((), rank=2), "no dimensions"),
        (lambda: cp((3, 0), rank=2), "positive"),
        (lambda: cp((3, 4), rank=0), "positive"),
        (lambda: tucker((3, 4), (2,)), "ranks=.*2 of them"),
        (lambda: deep_tucker((3, 4), depths=(1, -1)), "depths=.*>= 0"),
        (lambda: deep_cp((3, 4), rank=2, depth=(1,)), "depth="),
        (lambda: deep_matrix_factorization(2, 2, depth=0), "depth=0"),
        (lambda: deep_matrix_factorization(2, 2, depth=3, width=(2,)), "width="),
        (lambda: deep_matrix_factorization(2.5, 2, depth=2, width=1), "integer"),  # pyright: ignore[reportArgumentType]
        (lambda: einsum("ab,bc", A=(2, 3), B=(3, 4)), "arrow"),
        (lambda: einsum("ab,bc->ac", A=(2, 3)), "2 factors"),
        (lambda: einsum("ab,bc->ac", A=(2, 3), B=(2, 4)), "leg b .* sizes 3 and 2"),
        (lambda: einsum("ab->a", A=(2, 3, 4)), "block A"),
        (lambda: einsum("ab->ac", A=(2, 3)), "leg c"),
    ],
)
def test_bad_models_are_refused_in_one_line(make: Callable[[], Model], match: str):
    with pytest.raises(InputError, match=match) as error:
        make()
    assert "\n" not in str(error.value)


def test_bad_blocks_are_refused_in_one_line():
    model = cp((3, 4), rank=2)
    blocks = model.random(0)
    cases: list[tuple[Any, str]] = [
        ({"w[1]": blocks["w[1]"]}, "missing"),
        (blocks | {"w[3]": blocks["w[1]"]}, "not known"),
        (blocks | {"w[2]": blocks["w[1]"]}, r"shape \(2, 3\), needed \(2, 4\)"),
        (blocks | {"w[2]": to_numpy(blocks["w[2]"])}, "mix"),
        (to_numpy(blocks) | {"w[2]": to_torch(blocks["w[2]"])}, "mix"),
        (blocks | {"w[2]": [[1, 2]]}, "list"),
        (to_numpy(blocks, dtype=np.int64), "int64"),
    ]
    for given_blocks, match in cases:
        with pytest.raises(InputError, match=match) as error:
            model.end_tensor(given_blocks)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="loss_gradient has shape"):
        model.gradients(blocks, array([[1]]))
    with pytest.raises(InputError, match="convert"):
        model.gradients(blocks, to_numpy(array([[1]])))
    with pytest.raises(InputError, match="denominator"):
        model.random(0, denominator=0)


def test_entering_exact_numbers():
    import sympy
    from flint import fmpq

    assert array([[1, "1/3"], [Fraction(2), 0.5]]) == Array((2, 2), tuple(map(Fraction, (1, "1/3", 2, "1/2"))))
    assert array(np.array([fmpq(1, 3), sympy.Rational(2, 3)], dtype=object)).entries == (Fraction(1, 3), Fraction(2, 3))
    assert array(0.1).entries == (Fraction(0.1),) != (Fraction(1, 10),)
    for bad, match in (([[1], [1, 2]], "ragged"), ([float("nan")], "rational"), (["x"], "rational")):
        with pytest.raises(InputError, match=match):
            array(bad)


def test_public_names_are_there():
    import theorytest.models as room

    for name, module in room._PUBLIC.items():
        assert getattr(room, name).__module__ == module or name.isupper()
        assert name in dir(room) and name in room.__all__
    with pytest.raises(AttributeError, match="no attribute 'no_such_model'"):
        _ = room.no_such_model
    assert repr(cp((2, 3), rank=1)) == "Model('CP factorization', {'N': 2, 'R': 1, 'd': (2, 3)})"
