"""Truncation of Tucker tensors: certified instances, lower bounds, and both against numpy in double precision."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from theorytest.kernel.claim import SliceTruncation
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.statement import Instance, Witness
from theorytest.kernel.truncation import (
    Boxes,
    Tucker,
    certify,
    lower_bound,
    multilinear_rank,
    refutes,
    slice_norms,
    squared_singular_values,
    unfolding,
)

CLAIM = SliceTruncation()
ONE = Fraction(1)


def array(shape: tuple[int, ...], entries: dict[tuple[int, ...], int | Fraction]) -> Array:
    return Array(shape, tuple(Fraction(entries.get(index, 0)) for index in product(*map(range, shape))))


def eye(size: int) -> Array:
    return array((size, size), {(k, k): 1 for k in range(size)})


def instance(core: Array, *factors: Array, epsilon: Fraction = ONE) -> Instance:
    named = [(f"V[{n}]", factor) for n, factor in enumerate(factors, 1)]
    return Instance(letters=(("G", core), *named), variables=(("ε", epsilon),))


def drawn(rng: random.Random, shape: tuple[int, ...], scale: int = 0) -> Array:
    """Floats of many sizes, as the rational numbers that they are."""
    entries = [Fraction(rng.gauss(0, 1) * 10.0 ** rng.randint(-scale, 0)) for _ in product(*map(range, shape))]
    return Array(shape, tuple(entries))


def floats(value: Array) -> np.ndarray:
    return np.array([float(x) for x in value.entries]).reshape(value.shape)


@pytest.mark.parametrize("seed", range(15))
def test_singular_values_are_numpys(seed: int) -> None:
    rng = random.Random(seed)
    rows, columns = rng.randint(1, 6), rng.randint(1, 6)
    matrix = drawn(rng, (rows, columns))
    if seed % 3 == 0 and rows > 1:  # a repeated row: a singular value 0
        matrix = Array(matrix.shape, matrix.entries[:columns] * 2 + matrix.entries[2 * columns :])
    bounds = squared_singular_values(unfolding(matrix, 0), 80)
    expected = np.linalg.svd(floats(matrix), compute_uv=False) ** 2
    expected = np.concatenate([expected, np.zeros(rows - len(expected))])
    norm = sum(x * x for x in matrix.entries)
    for (low, high), value in zip(bounds, expected, strict=True):
        assert low <= high <= low + norm / 2**78
        # numpy's backward error: a small multiple of the unit roundoff times the squared norm
        slack = float(norm) * rows * columns * 2.0**-48
        assert float(low) - slack <= value <= float(high) + slack


def test_multiple_and_vanishing_singular_values_are_exact() -> None:
    matrix = array((3, 3), {(0, 0): 2, (1, 1): 2})
    first, second, third = squared_singular_values(unfolding(matrix, 0), 40)
    assert first == second
    assert first[0] < 4 <= first[1]
    assert third == (0, 0)
    assert squared_singular_values(unfolding(array((2, 3), {}), 0), 40) == ((0, 0), (0, 0))


@pytest.mark.parametrize("seed", range(10))
def test_certified_truncations(seed: int) -> None:
    """The claim holds at every instance; distance, rank and counts are recomputed with numpy."""
    rng = random.Random(seed)
    shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 3)))
    core = drawn(rng, shape, scale=3)
    factors = [drawn(rng, (size, rng.randint(1, 4))) for size in shape]
    norm = float(np.linalg.norm(floats(core)) * np.prod([np.linalg.norm(floats(f), 2) for f in factors]))
    at = instance(core, *factors, epsilon=Fraction(norm * rng.choice([0.01, 0.1, 0.5])))
    found = certify(CLAIM, at, 128)
    tucker = Tucker.of(at)
    kept = [[bool(verdict) for verdict in verdicts] for verdicts in tucker.counted(CLAIM, 128)]
    spectral = np.prod([np.linalg.norm(floats(f), 2) for f in factors])
    for mode, size in enumerate(shape):
        threshold = float(tucker.epsilon) ** 2 / (size * len(shape) * spectral**2)
        assert kept[mode] == [float(norm) > threshold for norm in slice_norms(core, mode)]
    assert found.ranks == tuple(map(sum, kept))
    assert all(rank <= most for rank, most in zip(multilinear_rank(found.tensor), found.ranks, strict=True))
    dense, truncated = floats(core), floats(found.core)
    for factor in factors:
        dense = np.tensordot(dense, floats(factor), axes=(0, 0))
        truncated = np.tensordot(truncated, floats(factor), axes=(0, 0))
    assert np.allclose(truncated, floats(found.tensor), rtol=0, atol=norm * 1e-12)
    assert abs(np.linalg.norm(dense - truncated) - float(found.distance(64).mid())) <= norm * 1e-12
    assert found.squared_distance <= found.epsilon**2


def test_slices_at_the_threshold_are_exact_where_the_norms_are() -> None:
    """Frobenius norms are exact, so that a tie is decided; spectral norms have (dyadic) bounds, and it is left open."""
    core, factor = array((1,), {(0,): 3}), array((1, 1), {(0, 0): Fraction(1, 3)})
    at = Tucker.of(instance(core, factor))
    exact = replace(CLAIM, norm="frobenius")
    assert at.counted(exact, 40) == ((False,),)
    assert at.counted(replace(exact, strict=False), 40) == ((True,),)
    assert at.counted(CLAIM, 40) == ((None,),)
    # Left open, the slice is dropped where a rank has to be small ...
    assert certify(CLAIM, instance(core, factor), 40).ranks == (0,)
    # ... and counted where the distance has to be large.
    with pytest.raises(KernelError, match="multilinear rank \\(1,\\)"):
        refutes(CLAIM, Witness(instance(core, factor)))
    with pytest.raises(KernelError, match="spectral or frobenius"):
        at.counted(replace(CLAIM, norm="nuclear"), 40)


def test_tall_and_wide_factors_have_one_norm() -> None:
    tall, wide = array((2, 1), {(0, 0): 3, (1, 0): 4}), array((1, 2), {(0, 0): 3, (0, 1): 4})
    inside, outside = Fraction(99, 20), Fraction(101, 20)
    for core, factor in ((array((2,), {(0,): 1, (1,): 1}), tall), (array((1,), {(0,): 1}), wide)):
        size = core.shape[0]
        # threshold eps^2 / (d 25): with eps^2 = d e^2, a slice of norm 1 counts for e < 5 and not for e > 5
        claim = replace(CLAIM, dimension=0)
        assert Tucker.of(instance(core, factor, epsilon=inside)).counted(claim, 60) == ((True,) * size,)
        assert Tucker.of(instance(core, factor, epsilon=outside)).counted(claim, 60) == ((False,) * size,)


def test_a_threshold_that_is_too_high_is_not_certified() -> None:
    core = array((1, 1), {(0, 0): Fraction(7, 5)})
    at = instance(core, eye(1), eye(1))
    assert certify(CLAIM, at, 64).ranks == (1, 1)
    with pytest.raises(KernelError, match=r"squared distance 1\.96000, allowed 1\.0000"):
        certify(replace(CLAIM, factor=Fraction(4)), at, 64)


@pytest.mark.parametrize(
    ("claim", "core"),
    [
        (replace(CLAIM, factor=Fraction(4)), array((1, 1), {(0, 0): Fraction(7, 5)})),
        (replace(CLAIM, factor=Fraction(9)), array((1, 1), {(0, 0): Fraction(7, 5)})),
        (replace(CLAIM, dimension=0), array((3, 3), {(k, k): Fraction(7, 10) for k in range(3)})),
        # ranks (1, 1): the second singular value alone is too far away
        (
            replace(CLAIM, factor=Fraction(9)),
            array((2, 2), {(0, 0): 2, (1, 1): Fraction(13, 10)}),
        ),
    ],
)
def test_refuted_variants(claim: SliceTruncation, core: Array) -> None:
    at = instance(core, *map(eye, core.shape), epsilon=Fraction(11, 10) if core.shape == (2, 2) else ONE)
    assert "more than" in refutes(claim, Witness(at))
    with pytest.raises(KernelError, match="only"):
        refutes(CLAIM, Witness(at))


def without_the_order() -> tuple[Instance, Boxes]:
    """The threshold times sqrt(N) fails at order 3: disjoint boxes, one for each mode, whose tails add up.

    d = 12 slices in every mode, 7 of them large. In the box of a mode its unfolding has orthogonal rows, 7 of norm 2
    and 5 of norm 1, which are the small slices. The boxes lie within large positions of the other two modes, in halves
    that do not meet.
    """
    size, large = 12, 7
    low, high = tuple(range(1, 5)), tuple(range(5, 8))
    short, rest = tuple(range(1, 4)), tuple(range(4, 8))
    every = tuple(range(1, size + 1))
    boxes: Boxes = ((1, (every, short, low)), (2, (low, every, high)), (3, (high, rest, every)))
    entries: dict[tuple[int, ...], int | Fraction] = {}
    for mode, ranges in boxes:
        others = list(product(*(ranges[k] for k in range(3) if k != mode - 1)))
        for row in every:
            column = list(others[row - 1])
            index = (*column[: mode - 1], row, *column[mode - 1 :])
            entries[tuple(p - 1 for p in index)] = 2 if row <= large else 1
    core = array((size,) * 3, entries)
    return instance(core, *(eye(size) for _ in range(3)), epsilon=Fraction(7, 2)), boxes


def test_the_order_is_needed() -> None:
    at, boxes = without_the_order()
    for claim in (replace(CLAIM, order=0), replace(CLAIM, factor=Fraction(3))):
        assert "at least 15.0000, more than" in refutes(claim, Witness(at, boxes))
        with pytest.raises(KernelError, match=r"12\.2500"):
            refutes(claim, Witness(at))  # one unfolding alone does not show it
    with pytest.raises(KernelError, match="only"):
        refutes(CLAIM, Witness(at, boxes))


def test_no_truncation_beats_a_lower_bound() -> None:
    """Best approximations that numpy finds (HOSVD) are at least as far away as the bound."""
    rng = random.Random(5)
    tensor = drawn(rng, (3, 4, 3))
    for ranks in product(range(3), repeat=3):
        dense = floats(tensor)
        for mode, rank in enumerate(ranks):
            left = np.linalg.svd(np.moveaxis(floats(tensor), mode, 0).reshape(tensor.shape[mode], -1))[0][:, :rank]
            dense = np.moveaxis(np.tensordot(left @ left.T, dense, axes=(1, mode)), 0, mode)
        reached = float(np.sum((dense - floats(tensor)) ** 2))
        for mode in range(3):
            whole = tuple(tuple(range(1, size + 1)) for size in tensor.shape)
            bound = lower_bound(tensor, ranks, ((mode + 1, whole),), 60)
            assert float(bound) <= reached * (1 + 1e-9)


def test_lower_bounds_refuse_boxes_that_do_not_fit() -> None:
    tensor = array((2, 2), {(0, 0): 1, (1, 1): 1})
    whole = ((1, 2), (1, 2))
    assert lower_bound(tensor, (0, 0), ((1, whole),), 40) == 2
    assert lower_bound(tensor, (2, 2), ((1, whole),), 40) == 0
    assert lower_bound(tensor, (0, 0), ((1, ((1,), (1, 2))), (2, ((2,), (1, 2)))), 40) == 2
    for boxes, message in [
        (((1, whole), (2, whole)), "share entries"),
        (((0, whole),), "a box needs"),
        (((3, whole),), "a box needs"),
        (((1, ((1, 2),)),), "a box needs"),
        (((1, ((1, 3), (1, 2))),), "positions from 1"),
        (((1, ((0, 1), (1, 2))),), "positions from 1"),
        (((1, ((1, 1), (1, 2))),), "each once"),
    ]:
        with pytest.raises(KernelError, match=message):
            lower_bound(tensor, (0, 0), boxes, 40)
    with pytest.raises(KernelError, match="must be boxes"):
        refutes(CLAIM, Witness(instance(tensor, eye(2), eye(2)), ("everything",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"letters": ()}, "a core G"),
        ({"letters": (("G", Array((), (ONE,))),)}, "at least one mode"),
        ({"variables": ()}, "the variable ε"),
        ({"letters": (("G", eye(2)), ("V[1]", eye(2)))}, "given G, V\\[1\\]"),
        ({"letters": (("G", eye(2)), ("V[1]", eye(2)), ("V[2]", eye(3)))}, "with 2 rows"),
        ({"letters": (("G", eye(2)), ("V[1]", eye(2)), ("V[2]", array((2, 2), {})))}, "nonzero"),
        ({"letters": (("G", eye(2)), ("V[1]", eye(2)), ("V[2]", array((2,), {(0,): 1})))}, "matrix"),
        ({"variables": (("ε", Fraction(0)),)}, "positive"),
        ({"variables": (("ε", ONE), ("ε", Fraction(9)))}, "two values for one letter"),
        ({"letters": (("G", eye(2)), ("G", eye(2)), ("V[1]", eye(2)), ("V[2]", eye(2)))}, "two values for one letter"),
    ],
)
def test_instances_that_are_none(changes: dict, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        certify(CLAIM, replace(instance(eye(2), eye(2), eye(2)), **changes), 40)
