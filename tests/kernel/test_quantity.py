"""Quantities of a state, against numpy at double precision, a naive second implementation, and exact cases."""

from __future__ import annotations

from fractions import Fraction
from math import exp, log, prod
from random import Random
from typing import Any

import pytest
from flint import arb

from theorytest.kernel.ball import UndefinedError, precision
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Parameterization, Product
from theorytest.kernel.quantity import (
    Atom,
    Comparison,
    State,
    entry_names,
    exact_state,
    holds,
    squared_singular_values,
    value,
    written_out,
)
from theorytest.kernel.scalar import Number, Scalar, Variable, scalar, sqrt
from theorytest.models import CP, DEEP_MATRIX, TUCKER

TWO_LAYERS = DEEP_MATRIX.at({"L": 2, "d_out": 2, "d_in": 3, "h": (2,)})
SQUARE = DEEP_MATRIX.at({"L": 2, "d_out": 2, "d_in": 2, "h": (2,)})
ONE_LAYER = DEEP_MATRIX.at({"L": 1, "d_out": 2, "d_in": 2, "h": ()})
COMPONENTS = CP.at({"N": 3, "d": (2, 2, 3), "R": 2})


def random_state(concrete, seed, below=4):
    random = Random(seed)
    blocks = {
        name: Array(shape, tuple(Fraction(random.randint(-6, 6), random.randint(1, below)) for _ in range(prod(shape))))
        for name, shape in concrete.blocks.items()
    }
    return exact_state(concrete, blocks)


def matrix_state(rows):
    """The state of one layer with the given rows."""
    shape = (len(rows), len(rows[0]))
    concrete = DEEP_MATRIX.at({"L": 1, "d_out": shape[0], "d_in": shape[1], "h": ()})
    return exact_state(concrete, {"W[1]": Array(shape, tuple(Fraction(x) for row in rows for x in row))})


def floats(state, of):
    import numpy as np

    shape, entries = state.grid(of)
    return np.array([float(x) for x in entries]).reshape(shape)


def naive(atom, state):
    """The same quantity by numpy, straight from its definition."""
    import numpy as np

    W: Any = floats(state, atom.of) if atom.kind not in ("component", "unbalancedness") else None
    if atom.kind in ("component", "unbalancedness"):
        norms = []
        for name, legs in state.concrete.factors:
            if atom.of in legs:
                moved = np.moveaxis(floats(state, name), legs.index(atom.of), 0)
                norms.append((moved.reshape(moved.shape[0], -1) ** 2).sum(1))
        if atom.kind == "component":
            return np.prod(norms, axis=0)[atom.index[0] - 1]
        return max(abs(a - b).max() for a in norms for b in norms)
    match atom.kind:
        case "entry":
            return W[tuple(i - 1 for i in atom.index)]
        case "determinant":
            return np.linalg.det(W)
        case "squared norm":
            return (W**2).sum()
        case "slice":
            return (np.take(W, atom.index[1] - 1, axis=atom.index[0] - 1) ** 2).sum()
        case "gram gap":
            Y = floats(state, atom.other)
            return ((W.T @ W - Y @ Y.T) ** 2).sum()
    used = 1 if atom.kind == "singular value" else 0
    if len(atom.index) > used:
        W = np.moveaxis(W, atom.index[-1] - 1, 0).reshape(W.shape[atom.index[-1] - 1], -1)
    values = np.linalg.svd(W, compute_uv=False)
    match atom.kind:
        case "singular value":
            return values[atom.index[0] - 1]
        case "schatten":
            return (values ** float(atom.number)).sum() ** (1 / float(atom.number))
        case "distance to rank":
            return ((values[int(atom.number) :] ** 2).sum()) ** 0.5
        case "rank":
            return (values > 1e-9).sum()
    shares = values / values.sum()
    return exp(-sum(x * log(x) for x in shares if x > 0))


ATOMS = [
    Atom("entry", "", (2, 3)),
    Atom("entry", "W[1]", (2, 3)),
    Atom("squared norm"),
    Atom("squared norm", "W[2]"),
    Atom("slice", "W[1]", (2, 3)),
    Atom("slice", "", (1, 2)),
    Atom("determinant", "W[2]"),
    Atom("gram gap", "W[2]", (), "W[1]"),
    Atom("singular value", "", (1,)),
    Atom("singular value", "", (2,)),
    Atom("singular value", "W[1]", (2,)),
    Atom("schatten", number=Fraction(1)),
    Atom("schatten", number=Fraction(2)),
    Atom("schatten", number=Fraction(1, 2)),
    Atom("schatten", number=Fraction(3)),
    Atom("effective rank"),
    Atom("distance to rank", number=Fraction(1)),
    Atom("distance to rank", number=Fraction(0)),
    Atom("rank"),
]
TENSOR_ATOMS = [
    Atom("entry", "", (2, 1, 3)),
    Atom("component", "r", (2,)),
    Atom("unbalancedness", "r"),
    Atom("slice", "w[3]", (1, 2)),
    Atom("slice", "", (3, 2)),
    Atom("singular value", "", (2, 3)),
    Atom("schatten", "", (1,), number=Fraction(1)),
    Atom("effective rank", "", (2,)),
    Atom("distance to rank", "", (3,), number=Fraction(1)),
    Atom("rank", "", (1,)),
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("concrete", "atoms"), [(TWO_LAYERS, ATOMS), (COMPONENTS, TENSOR_ATOMS)])
def test_values_are_those_of_the_definitions(concrete, atoms, seed):
    state = random_state(concrete, seed)
    with precision(160):
        for atom in atoms:
            found = value(atom, state)
            assert float(found) == pytest.approx(naive(atom, state), rel=1e-9, abs=1e-7), atom.name
            if not isinstance(found, Fraction):
                assert found.rad() < 1e-25 * (1 + abs(float(found))), atom.name  # a useless ball cannot pass


@pytest.mark.parametrize("atom", [a for a in ATOMS + TENSOR_ATOMS if a.kind != "rank"], ids=lambda a: a.name)
def test_balls_contain_the_exact_values(atom):
    """A state in balls around an exact one has values that contain the exact one's, and are not much wider."""
    concrete = COMPONENTS if atom in TENSOR_ATOMS else TWO_LAYERS
    exact = random_state(concrete, 3)
    with precision(160):
        radius = arb(0, arb(2) ** -60)

        def loose(entries):
            return tuple(arb(x.numerator) / x.denominator + radius for x in entries)

        wide = State(concrete, {n: loose(e) for n, e in exact.blocks.items()}, loose(exact.end))
        found, true = value(atom, wide), value(atom, exact)
        true = arb(true.numerator) / true.denominator if isinstance(true, Fraction) else true
        assert not isinstance(found, Fraction) and found.overlaps(true)
        assert (found - true).abs_upper() < 1e-8


def test_equal_singular_values_and_zeros():
    """Diagonal Gram matrices are exact; equal and vanishing singular values have narrow balls that hold them."""
    assert squared_singular_values(2, 2, [Fraction(3), Fraction(0), Fraction(0), Fraction(-4)]) == [16, 9]
    with precision(128):
        turned = [Fraction(3, 5), Fraction(4, 5), Fraction(4, 5), Fraction(-3, 5)]
        assert squared_singular_values(2, 2, turned) == [1, 1]
        ones = squared_singular_values(3, 2, [Fraction(1)] * 6)
        assert [x.contains(n) for x, n in zip(ones, (6, 0), strict=True)] == [True, True]
        assert all(x.rad() < 1e-30 and x >= 0 for x in ones) or ones[1].abs_lower() == 0
        assert value(Atom("schatten", number=Fraction(1, 2)), matrix_state([[1, 1], [1, 1]])).contains(2)


def test_a_gram_matrix_with_zeros():
    """Zeros off the diagonal are not rotated: the golden ratio and 2 as singular values."""
    with precision(128):
        found = squared_singular_values(3, 3, [Fraction(x) for x in (1, 0, 1, 0, 2, 0, 1, 0, 0)])
        golden = (1 + arb(5).sqrt()) / 2
        assert [x.overlaps(arb(y)) for x, y in zip(found, (4, golden**2, golden**-2), strict=True)] == [True] * 3
        assert all(x.rad() < 1e-30 for x in found)


def test_a_tall_matrix_has_the_singular_values_of_its_transpose():
    with precision(128):
        one: Any = squared_singular_values(3, 2, [Fraction(k) for k in (1, 2, 3, 4, 5, 6)])
        other: Any = squared_singular_values(2, 3, [Fraction(k) for k in (1, 3, 5, 2, 4, 6)])
        assert len(one) == 2 and all(a.overlaps(b) and a.rad() < 1e-30 for a, b in zip(one, other, strict=True))


def test_effective_rank_at_rank_one_and_at_zero():
    assert value(Atom("effective rank"), matrix_state([[2, 0], [0, 0]])) == 1
    with precision(128):
        assert value(Atom("effective rank"), matrix_state([[1, 0], [0, 1]])).contains(2)
        with pytest.raises(UndefinedError) as zero:
            value(Atom("effective rank"), matrix_state([[0, 0], [0, 0]]))
        assert zero.value.surely
        # Entries around 0: a share of 1/e lies inside, where -x ln x is largest.
        loose = State(
            ONE_LAYER, {"W[1]": (arb(1), arb(0), arb(0), arb(0.5, 0.4))}, (arb(1), arb(0), arb(0), arb(0.5, 0.4))
        )
        found = value(Atom("effective rank"), loose)
        for small in (0.1001, 0.5, 0.582, 0.8999):
            share = small / (1 + small)
            assert found.contains(arb(exp(-share * log(share) - (1 - share) * log(1 - share))))
        unsure = State(ONE_LAYER, {"W[1]": (arb(0, 1),) * 4}, (arb(0, 1),) * 4)
        with pytest.raises(UndefinedError) as open_:
            value(Atom("effective rank"), unsure)
        assert not open_.value.surely


def test_what_balls_cannot_tell():
    unsure = State(ONE_LAYER, {"W[1]": (arb(0, 1),) * 4}, (arb(0, 1),) * 4)
    with pytest.raises(UndefinedError, match="do not tell the rank"):
        value(Atom("rank"), unsure)
    infinite = State(ONE_LAYER, {"W[1]": (arb("nan"),) * 4}, (arb("nan"),) * 4)
    with pytest.raises(UndefinedError, match="cannot be enclosed"):
        value(Atom("singular value", "", (1,)), infinite)
    with pytest.raises(UndefinedError, match="cannot be enclosed"):
        value(Atom("schatten", number=Fraction(2)), infinite)
    mixed = State(ONE_LAYER, {"W[1]": (arb(1), Fraction(0), Fraction(0), Fraction(2))})
    with pytest.raises(KernelError, match="has to be given"):
        value(Atom("entry", "", (1, 1)), mixed)
    assert value(Atom("squared norm", "W[1]"), mixed).contains(5)


@pytest.mark.parametrize(
    ("atom", "message"),
    [
        (Atom("entry", "", (0, 1)), "no entry"),
        (Atom("entry", "", (3, 1)), "no entry"),
        (Atom("entry", "", (1,)), "no entry"),
        (Atom("entry", "W[7]", (1, 1)), "no block"),
        (Atom("slice", "", (3, 1)), "no slice"),
        (Atom("slice", "", (1, 3)), "no slice"),
        (Atom("slice", "", (1,)), "2 indices"),
        (Atom("determinant"), "square matrix"),
        (Atom("component", "r", (1,)), "no block has the leg"),
        (Atom("unbalancedness", "r"), "no block has the leg"),
        (Atom("gram gap", "W[1]", (), "W[1]"), "make no product"),
        (Atom("singular value", "", (3,)), "no singular value 3"),
        (Atom("singular value", "", (0,)), "no singular value 0"),
        (Atom("singular value", "", (1, 3)), "needs a mode"),
        (Atom("singular value"), "2 indices"),
        (Atom("schatten"), "is positive"),
        (Atom("distance to rank", number=Fraction(1, 2)), "a rank from 0"),
        (Atom("distance to rank", number=Fraction(-1)), "a rank from 0"),
    ],
)
def test_quantities_that_do_not_exist(atom, message):
    with pytest.raises(KernelError, match=message):
        value(atom, random_state(TWO_LAYERS, 0))


def test_a_gram_gap_needs_matrices():
    with pytest.raises(KernelError, match="two legs"):
        value(Atom("gram gap", "G", (), "V[1]"), random_state(TUCKER.at({"N": 3, "d": (2,) * 3, "R": (2,) * 3}), 0))


def test_a_block_that_holds_a_leg_twice():
    """A shared block has no norm of its own along the leg."""
    body = Product((Block("X", (), ("a", "r")), Block("X", (), ("a", "r"))))
    doubled = Parameterization("doubled", body, ("a",), (("a", "m"), ("r", "h")), "X * X").at({"m": 2, "h": 2})
    for atom in (Atom("component", "r", (1,)), Atom("unbalancedness", "r")):
        with pytest.raises(KernelError, match="twice"):
            value(atom, random_state(doubled, 0))
    with pytest.raises(KernelError, match="twice"):
        written_out(Atom("component", "r", (1,)).variable, (Atom("component", "r", (1,)),), doubled)


def test_names_tell_atoms_apart():
    atoms = [*ATOMS, *TENSOR_ATOMS, Atom("entry", "r", (2,)), Atom("entry", "r", (), "2"), Atom("entry", "2", (2, 3))]
    assert len({atom.name for atom in atoms}) == len(set(atoms))
    for bad in ("a b", "a|b", "end"):
        with pytest.raises(KernelError, match="not a name"):
            Atom("entry", bad, (1,))
        with pytest.raises(KernelError, match="not a name"):
            Atom("gram gap", "W[1]", (), bad)
    with pytest.raises(KernelError, match="no quantity"):
        Atom("trace")


def test_states_need_all_numbers():
    with pytest.raises(KernelError, match="shapes"):
        State(TWO_LAYERS, {"W[1]": (Fraction(1),) * 6})
    with pytest.raises(KernelError, match="shapes"):
        State(TWO_LAYERS, {"W[1]": (Fraction(1),) * 6, "W[2]": (Fraction(1),) * 3})
    with pytest.raises(KernelError, match="end tensor needs"):
        State(ONE_LAYER, {"W[1]": (Fraction(1),) * 4}, (Fraction(1),))
    with pytest.raises(KernelError, match="shapes"):
        exact_state(ONE_LAYER, {"W[1]": Array((4,), (Fraction(1),) * 4)})
    with pytest.raises(KernelError, match="shapes"):
        exact_state(TWO_LAYERS, {"W[1]": Array((2, 3), (Fraction(1),) * 6)})


# -- comparisons --------------------------------------------------------------------------------------------------


DETERMINANT, NORM = Atom("determinant"), Atom("squared norm")


def compare(lhs, relation, rhs, *atoms):
    return Comparison(scalar(lhs), relation, scalar(rhs), tuple(sorted(atoms, key=lambda a: a.name)))


def test_comparisons_are_three_valued():
    state = matrix_state([[1, 2], [3, 4]])  # determinant -2, squared norm 30
    det, norm = DETERMINANT.variable, NORM.variable
    cases = [
        (compare(det, "<", norm, DETERMINANT, NORM), True),
        (compare(norm, "<", det, DETERMINANT, NORM), False),
        (compare(det, "<=", -2, DETERMINANT), True),
        (compare(det, "<", -2, DETERMINANT), False),
        (compare(det, "=", -2, DETERMINANT), True),
        (compare(det, "=", -3, DETERMINANT), False),
        (compare(sqrt(norm), "=", 5, NORM), False),
        (compare(sqrt(norm) ** 2, "=", 30, NORM), None),  # true, but balls cannot tell
        (compare(sqrt(norm) ** 2, "<=", 30, NORM), None),
        (compare(sqrt(det), "<=", 30, DETERMINANT), None),  # not defined
    ]
    for comparison, expected in cases:
        assert holds(comparison, state, 128) is expected, str(comparison)


def test_malformed_comparisons():
    with pytest.raises(KernelError, match="relation"):
        compare(1, ">", NORM.variable, NORM)
    with pytest.raises(KernelError, match="listed twice"):
        compare(1, "<", NORM.variable, NORM, NORM)
    with pytest.raises(KernelError, match="two sides name"):
        compare(1, "<", NORM.variable, NORM, DETERMINANT)
    with pytest.raises(KernelError, match="two sides name"):
        compare(1, "<", NORM.variable)


# -- written out ----------------------------------------------------------------------------------------------------


def evaluated(expression: Scalar, state: State) -> Fraction:
    from theorytest.kernel.ball import evaluate

    values = {
        name.name: entry
        for block, entries in state.blocks.items()
        for name, entry in zip(entry_names(block, state.concrete.blocks[block]), entries, strict=True)
    }
    found = evaluate(expression, values)
    assert isinstance(found, Fraction)
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("concrete", "atom"),
    [
        (TWO_LAYERS, Atom("entry", "", (2, 3))),
        (TWO_LAYERS, Atom("entry", "W[1]", (1, 2))),
        (TWO_LAYERS, Atom("slice", "W[1]", (2, 1))),
        (TWO_LAYERS, Atom("slice", "", (1, 1))),
        (SQUARE, Atom("determinant")),
        (SQUARE, Atom("determinant", "W[2]")),
        (TWO_LAYERS, Atom("squared norm")),
        (COMPONENTS, Atom("squared norm", "w[3]")),
        (COMPONENTS, Atom("component", "r", (2,))),
        (COMPONENTS, Atom("entry", "", (1, 2, 3))),
    ],
)
def test_written_out_is_the_same_polynomial(concrete, atom, seed):
    state = random_state(concrete, seed)
    assert evaluated(written_out(atom.variable + 1, (atom,), concrete), state) == value(atom, state) + 1


def test_a_diagonal_output_is_written_out():
    body = Product((Block("X", (), ("a", "b")),))
    diagonal = Parameterization("diagonal", body, ("a", "a"), (("a", "m"), ("b", "n")), "").at({"m": 2, "n": 2})
    state = random_state(diagonal, 1)
    for index in ((1, 1), (1, 2), (2, 2)):
        atom = Atom("entry", "", index)
        assert evaluated(written_out(atom.variable, (atom,), diagonal), state) == value(atom, state)


@pytest.mark.parametrize(
    ("concrete", "atom", "message"),
    [
        (TWO_LAYERS, Atom("schatten", number=Fraction(1)), "not written out"),
        (TWO_LAYERS, Atom("determinant"), "square"),
        (TWO_LAYERS, Atom("entry", "W[9]", (1, 1)), "no block"),
        (TWO_LAYERS, Atom("component", "r", (1,)), "no block has the leg"),
        (TWO_LAYERS, Atom("component", "r", ()), "1 indices"),
        (TWO_LAYERS, Atom("slice", "", (5, 1)), "no slice"),
    ],
)
def test_what_cannot_be_written_out(concrete, atom, message):
    with pytest.raises(KernelError, match=message):
        written_out(atom.variable, (atom,), concrete)


def test_variables_of_entries():
    assert entry_names("X", (1, 2)) == [Variable("entry(X at 1,1)"), Variable("entry(X at 1,2)")]
    assert written_out(Number(Fraction(2)), (), ONE_LAYER) == Number(Fraction(2))


def test_a_comparison_has_no_truth_value():
    """Chained comparisons would drop one of two."""
    with pytest.raises(KernelError, match="neither true nor false"):
        bool(compare(1, "<", NORM.variable, NORM))
