"""The vector field against sympy's gradient of the written-out loss, and the exact check of invariant subspaces."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest
import sympy
from flint import fmpq

from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import (
    Field,
    InitialValueProblem,
    MeasuredLoss,
    Measurement,
    Slope,
    coordinates,
    field,
    rational,
    require_invariant,
    sum_of,
)
from theorytest.kernel.parameterization import Array, Block, Chain, Parameterization, Product
from theorytest.models import CP, DEEP_CP, DEEP_MATRIX, DEEP_TUCKER, TUCKER

F = Fraction
SQUARE = Slope(((F(0), F(1)),))
HUBER = Slope(((F(-1),), (F(0), F(1)), (F(1),)), (F(-1), F(1)))
ODD = Slope(((F(1), F(-2)), (F(1), F(0), F(3), F(1, 2))), (F(0),))
SHARED = Parameterization(
    "W = X X^T v, X used twice",
    Product((Block("X", (), ("a", "k")), Block("X", (), ("b", "k")), Block("v", (), ("b", "c")))),
    ("a",),
    (("a", "m"), ("b", "m"), ("k", "h"), ("c", "n")),
    "the leg c occurs in v only",
)


def problem(
    model: Parameterization, sizes: dict[str, Any], seed: int, slope: Slope = SQUARE, count: int = 3
) -> InitialValueProblem:
    """Random rational start, and measurements of one or more entries."""
    random = Random(seed)
    concrete = model.at(sizes)

    def draw() -> Fraction:
        return F(random.randint(-9, 9), random.randint(1, 5))

    start = tuple(
        (name, Array(shape, tuple(draw() for _ in product(*map(range, shape)))))
        for name, shape in concrete.blocks.items()
    )
    places = list(product(*map(range, concrete.shape)))
    measurements = tuple(
        Measurement(tuple((place, draw()) for place in random.sample(places, min(len(places), k % 2 + 1))), draw())
        for k in range(count)
    )
    return InitialValueProblem(model, tuple(sorted(sizes.items())), MeasuredLoss(measurements, slope, F(2, 3)), start)


def values(made: Field, inputs: list[Any], zero: Any) -> list[Any]:
    held = list(inputs)
    for node in made.nodes:
        held.append(sum_of(node, held, zero))
    return held


def naive_end(given: InitialValueProblem, theta: list[Any]) -> dict[tuple[int, ...], Any]:
    """The end tensor, by one loop over all indices of all factors."""
    concrete = given.parameterization.at(dict(given.sizes))
    blocks: dict[str, dict[tuple[int, ...], Any]] = {}
    place = 0
    for name, shape in concrete.blocks.items():
        blocks[name] = {}
        for index in product(*map(range, shape)):
            blocks[name][index] = theta[place]
            place += 1
    legs = sorted({leg for _, names in concrete.factors for leg in names})
    total: dict[tuple[int, ...], Any] = {}
    for index in product(*(range(concrete.dims[leg]) for leg in legs)):
        at = dict(zip(legs, index, strict=True))
        term: Any = sympy.Integer(1)
        for name, names in concrete.factors:
            term = term * blocks[name][tuple(at[leg] for leg in names)]
        key = tuple(at[leg] for leg in concrete.output)
        total[key] = total.get(key, 0) + term
    return total


def naive_velocity(given: InitialValueProblem, at: list[Fraction]) -> list[Fraction]:
    """Minus sympy's gradient of the loss, with the antiderivative of the slope's piece at every residual."""
    symbols = sympy.symbols(f"x0:{len(at)}")
    point = {s: sympy.Rational(x.numerator, x.denominator) for s, x in zip(symbols, at, strict=True)}
    end = naive_end(given, list(symbols))
    loss: Any = sympy.Integer(0)
    for measurement in given.loss.measurements:
        z = sum((sympy.Rational(c.numerator, c.denominator) * end[i] for i, c in measurement.entries), sympy.Integer(0))
        z = z - sympy.Rational(measurement.target.numerator, measurement.target.denominator)
        here = z.subs(point)
        piece = given.loss.slope.pieces[
            sum(bool(here >= sympy.Rational(b.numerator, b.denominator)) for b in given.loss.slope.breaks)
        ]
        loss = loss + sum(
            sympy.Rational(c.numerator, c.denominator) * z ** (k + 1) / (k + 1) for k, c in enumerate(piece)
        )
    weight = sympy.Rational(given.loss.weight.numerator, given.loss.weight.denominator)
    found = [sympy.Rational(-weight * sympy.diff(loss, s).subs(point)) for s in symbols]
    return [F(int(x.p), int(x.q)) for x in found]


def pieces_at(given: InitialValueProblem, at: list[Fraction]) -> tuple[int, ...]:
    end = naive_end(given, list(at))
    made: list[int] = []
    for measurement in given.loss.measurements:
        z = sum((c * end[i] for i, c in measurement.entries), F(0)) - measurement.target
        made.append(sum(bool(z >= b) for b in given.loss.slope.breaks))
    return tuple(made)


CASES: list[tuple[Parameterization, dict[str, Any]]] = [
    (DEEP_MATRIX, {"L": 1, "d_out": 2, "d_in": 3, "h": ()}),
    (DEEP_MATRIX, {"L": 2, "d_out": 2, "d_in": 2, "h": (3,)}),
    (DEEP_MATRIX, {"L": 4, "d_out": 2, "d_in": 1, "h": (2, 1, 2)}),
    (CP, {"N": 1, "d": (3,), "R": 2}),
    (CP, {"N": 3, "d": (2, 1, 3), "R": 2}),
    (TUCKER, {"N": 3, "d": (2, 2, 1), "R": (1, 2, 2)}),
    (DEEP_CP, {"N": 2, "d": (2, 2), "R": 2, "k": (1, 0)}),
    (DEEP_TUCKER, {"N": 2, "d": (2, 2), "R": (2, 1), "k": (0, 2)}),
    (SHARED, {"m": 2, "h": 2, "n": 2}),
]


@pytest.mark.parametrize(("model", "sizes"), CASES, ids=[f"{m.name}{k}" for k, (m, _) in enumerate(CASES)])
@pytest.mark.parametrize("slope", [SQUARE, HUBER, ODD], ids=["square", "huber", "odd"])
def test_velocity_is_minus_the_gradient(model: Parameterization, sizes: dict[str, Any], slope: Slope) -> None:
    given = problem(model, sizes, seed=len(sizes) + len(slope.pieces), slope=slope)
    at = list(given.point())
    made = field(given, pieces_at(given, at))
    held = values(made, [rational(x) for x in at], fmpq(0))
    expected = naive_velocity(given, at)
    assert [held[slot] for slot in made.velocities] == [rational(x) for x in expected]
    assert [held[slot] for slot in made.forces] == [rational(x) for x in expected]
    assert [held[slot] for slot in made.parameters if slot is not None] == [rational(x) for x in at]
    end = naive_end(given, at)
    assert [held[slot] for slot in made.end if slot is not None] == [rational(F(end[i])) for i in sorted(end)]


def test_unknown_slopes_are_inputs() -> None:
    given = problem(CP, {"N": 2, "d": (2, 2), "R": 1}, 5)
    made = field(given, None)
    at = list(given.point())
    opaque = [rational(F(7 + k, 3)) for k in range(len(given.loss.measurements))]
    held = values(made, [rational(x) for x in at] + opaque, fmpq(0))
    assert [held[slot] for slot in made.slopes] == opaque
    residuals = [held[slot] for slot in made.residuals]
    again = values(made, [rational(x) for x in at] + residuals, fmpq(0))
    assert [again[slot] for slot in made.velocities] == [rational(x) for x in naive_velocity(given, at)]


def test_on_a_subspace_the_field_is_the_projected_one() -> None:
    given = problem(DEEP_MATRIX, {"L": 2, "d_out": 1, "d_in": 1, "h": (2,)}, 3)
    basis = ((F(1), F(0), F(2), F(0)), (F(0), F(3), F(0), F(1)))
    made = field(given, (), basis)
    assert (made.inputs, made.squares) == (2, (F(5), F(10)))
    u = [F(2, 3), F(-1, 2)]
    theta = [u[0], 3 * u[1], 2 * u[0], u[1]]
    held = values(made, [rational(x) for x in u], fmpq(0))
    f = naive_velocity(given, theta)
    forces = [sum(e * x for e, x in zip(column, f, strict=True)) for column in basis]
    assert [held[slot] for slot in made.forces] == [rational(F(x)) for x in forces]
    assert [held[slot] for slot in made.velocities] == [
        rational(F(x) / s) for x, s in zip(forces, (5, 10), strict=True)
    ]


def test_a_parameter_outside_of_the_subspace_is_zero() -> None:
    given = problem(DEEP_MATRIX, {"L": 2, "d_out": 1, "d_in": 1, "h": (1,)}, 3, count=1)
    made = field(given, (), ((F(1), F(0)),))
    assert made.parameters == (0, None) and made.end == (None,)
    held = values(made, [fmpq(2)], fmpq(0))
    assert held[made.velocities[0]] == 0  # the other factor is 0


# -- invariant subspaces ----------------------------------------------------------------------------------------------


def matrix_problem(targets: dict[tuple[int, int], Fraction], slope: Slope = SQUARE) -> InitialValueProblem:
    loss = MeasuredLoss(tuple(Measurement(((i, F(1)),), y) for i, y in targets.items()), slope)
    tenth = Array((2, 2), (F(1, 10), F(0), F(0), F(1, 10)))
    sizes = (("L", 2), ("d_in", 2), ("d_out", 2), ("h", (2,)))
    return InitialValueProblem(DEEP_MATRIX, sizes, loss, (("W[2]", tenth), ("W[1]", tenth)))


def transposed() -> tuple[tuple[Fraction, ...], ...]:
    """W[2] = W[1]^T."""
    columns: list[tuple[Fraction, ...]] = []
    for i, j in product(range(2), repeat=2):
        column = [F(0)] * 8
        column[2 * i + j] = column[4 + 2 * j + i] = F(1)
        columns.append(tuple(column))
    return tuple(columns)


@pytest.mark.parametrize("slope", [SQUARE, HUBER, ODD])
def test_transposed_layers_stay_transposed(slope: Slope) -> None:
    require_invariant(matrix_problem({(0, 1): F(1), (1, 0): F(1), (1, 1): F(0)}, slope), transposed())


def test_an_asymmetric_target_breaks_the_symmetry() -> None:
    with pytest.raises(KernelError, match="not invariant"):
        require_invariant(matrix_problem({(0, 1): F(1), (1, 0): F(2)}), transposed())


def test_the_parity_of_one_loss_is_not_used() -> None:
    """W = w, two measurements w - 1 and w + 1 of opposite residuals at 0: invariant for the square loss alone."""
    loss = MeasuredLoss((Measurement((((0, 0), F(1)),), F(1)), Measurement((((0, 0), F(1)),), F(-1))), SQUARE)
    sizes = (("L", 1), ("d_in", 1), ("d_out", 1), ("h", ()))
    given = InitialValueProblem(DEEP_MATRIX, sizes, loss, (("W[1]", Array((1, 1), (F(0),))),))
    with pytest.raises(KernelError, match="columns that are not 0"):
        require_invariant(given, ((F(0),),))
    require_invariant(given, ((F(3),),))


def test_coordinates() -> None:
    point = tuple(map(F, (1, 3, 2, 1)))
    basis = ((F(1), F(0), F(2), F(0)), (F(0), F(3), F(0), F(1)))
    assert coordinates(point, basis) == (F(1), F(1)) and coordinates(point, None) == point
    with pytest.raises(KernelError, match="does not lie in the subspace"):
        coordinates((F(1), F(3), F(2), F(2)), basis)


# -- what is refused --------------------------------------------------------------------------------------------------


def test_malformed_slopes() -> None:
    with pytest.raises(KernelError, match="one more piece than breaks"):
        Slope(((F(1),),), (F(0),))
    with pytest.raises(KernelError, match="increasing breaks"):
        Slope(((F(1),), (F(1),), (F(1),)), (F(1), F(1)))
    with pytest.raises(KernelError, match="jumps at 1"):
        Slope(((F(0),), (F(1),)), (F(1),))


def test_problems_that_do_not_fit() -> None:
    given = problem(CP, {"N": 2, "d": (2, 2), "R": 1}, 1)
    with pytest.raises(KernelError, match="the start has the blocks"):
        replace(given, start=given.start[::-1]).concrete()
    with pytest.raises(KernelError, match="two values for one size"):
        replace(given, sizes=(("R", 2), *given.sizes)).concrete()
    far = MeasuredLoss((Measurement((((0, 2), F(1)),), F(0)),), SQUARE)
    short = MeasuredLoss((Measurement((((0,), F(1)),), F(0)),), SQUARE)
    for loss in (far, short):
        with pytest.raises(KernelError, match="is not in an end tensor"):
            field(replace(given, loss=loss), ())
    trace = Parameterization("trace", Block("X", (), ("a", "a")), ("a",), (("a", "n"),), "")
    twice = InitialValueProblem(trace, (("n", 1),), MeasuredLoss((), SQUARE), (("X", Array((1, 1), (F(1),))),))
    with pytest.raises(KernelError, match="occurs twice"):
        twice.concrete()
    line = Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", False)
    loop = Parameterization("loop", Product((line, Block("v", (), ("a",)))), ("a", "b"), (("a", "n"), ("b", "n")), "")
    empty = InitialValueProblem(
        loop, (("L", 0), ("h", ()), ("n", 1)), MeasuredLoss((), SQUARE), (("v", Array((1,), (F(1),))),)
    )
    with pytest.raises(KernelError, match="occurs twice"):
        empty.concrete()


def test_pieces_have_to_exist() -> None:
    given = problem(CP, {"N": 2, "d": (2, 2), "R": 1}, 1, slope=HUBER)
    for pieces in ((), (0, 1), (0, 1, 3), (0, 1, -1)):
        with pytest.raises(KernelError, match="one of the 3 pieces"):
            field(given, pieces)


def test_bases_have_to_be_orthogonal() -> None:
    given = problem(CP, {"N": 1, "d": (2,), "R": 1}, 1)
    for basis in ((), ((F(1),),), ((F(1), F(0)), (F(1), F(1)))):
        with pytest.raises(KernelError, match=r"columns that are not 0|orthogonal"):
            field(given, (), basis)


def test_equal_sums_share_a_slot_and_slopes_with_kinks_do_not() -> None:
    twice = matrix_problem({(0, 1): F(1), (1, 0): F(1)})
    made = field(twice, (), transposed())
    assert made.residuals[0] == made.residuals[1]
    bent = field(matrix_problem({(0, 1): F(1), (1, 1): F(1)}, HUBER), (2, 2))
    assert bent.slopes[0] != bent.slopes[1]  # both are the constant 1, at different residuals
    same = field(matrix_problem({(0, 1): F(1), (1, 0): F(1)}, HUBER), (1, 1), transposed())
    assert same.slopes[0] == same.slopes[1] != same.residuals[0]


def test_a_problem_is_a_noun() -> None:
    given = problem(DEEP_TUCKER, {"N": 2, "d": (2, 2), "R": (2, 1), "k": (0, 2)}, 1, slope=HUBER)
    assert decode(encode(given)) == given
