"""Taylor arithmetic: tracing, series with known coefficients, refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest
from flint import fmpq

from theorytest.enclose.flow import vector_field
from theorytest.enclose.taylor import FLINT_BITS, Program, Tape, exact
from theorytest.errors import InputError
from theorytest.models import (
    HalfSum,
    Huber,
    MeanSquares,
    cp,
    deep_cp,
    deep_matrix_factorization,
    deep_tucker,
    tucker,
)

MODELS = {
    "deep matrix": deep_matrix_factorization(2, 3, depth=3, width=(4, 2)),
    "cp": cp((2, 3, 4), rank=2),
    "tucker": tucker((2, 3), (2, 2)),
    "deep cp": deep_cp((2, 3), rank=2, depth=2),
    "deep tucker": deep_tucker((2, 3), (2, 2), depths=(2, 1)),
}


@pytest.mark.parametrize("bits", [100, FLINT_BITS + 100])
def test_series_of_known_solutions(bits: int) -> None:
    """x' = x^2 and y' = x y from x = y = 1: 1 / (1 - t); z' = -z: exp(-t); u' = 1 + u^2 from 0: tan t."""
    tape = Tape([Fraction(1), Fraction(1), Fraction(1), Fraction(0)])
    x, y, z, u = tape.inputs()
    program = Program.of(tape, [x * x, x * y, -z, 1 + u**2])
    one = 1 << bits
    order = 12
    series, _ = program.coefficients([one, one, one, 0], bits, order, Fraction(1))
    rounding = order**2  # each coefficient is rounded once per sum; their products accumulate at most that much here
    factorial = Fraction(1)
    tangent = [0, 1, 0, Fraction(1, 3), 0, Fraction(2, 15), 0, Fraction(17, 315), 0, Fraction(62, 2835)]
    for k in range(order + 1):
        factorial *= k or 1
        assert abs(int(series[0][k]) - one) <= rounding
        assert abs(int(series[1][k]) - one) <= rounding
        assert abs(int(series[2][k]) - (-1) ** k * one / factorial) <= rounding
        if k < len(tangent):
            assert abs(int(series[3][k]) - tangent[k] * one) <= rounding


@pytest.mark.parametrize("name", MODELS)
def test_the_first_coefficient_is_minus_the_gradient(name: str) -> None:
    model = MODELS[name]
    loss = MeanSquares({(0,) * len(model.shape): 1, tuple(s - 1 for s in model.shape): Fraction(-1, 3)})
    start = model.random(seed=3)
    program = vector_field(model, loss, start)
    flat = [x for name in model.shapes for x in start[name].entries]
    gradients = model.gradients(start, loss.gradient(model.end_tensor(start)))
    slopes = [-x for name in model.shapes for x in gradients[name].entries]
    bits = 200
    state = [(x.numerator << bits) // x.denominator for x in flat]
    series, _ = program.coefficients(state, bits, 1, Fraction(1))
    for value, slope in zip(series, slopes, strict=True):
        assert abs(Fraction(int(value[1]), 1 << bits) - slope) < Fraction(1, 1 << (bits - 16))
    assert any(slopes)


def test_equal_expressions_are_computed_once() -> None:
    tape = Tape([Fraction(1), Fraction(2)])
    x, y = tape.inputs()
    first = (x * y + 1) * x
    count = len(tape.definitions)
    second = (y * x + 1) * x
    assert len(tape.definitions) == count
    assert first.products == second.products


def test_comparisons_are_decided_at_the_start_and_guarded() -> None:
    tape = Tape([Fraction(3)])
    (x,) = tape.inputs()
    assert x > 2 and x >= 2 and not x < 2 and not x <= 2 and abs(-x).value() == 3
    assert tape.guards and all(sign == (1 if tape.values[slot] > 0 else -1) for slot, sign in tape.guards.items())
    with pytest.raises(InputError, match="kink"):
        _ = x < 3


def test_sums_products_quotients_powers_have_exact_values() -> None:
    tape = Tape([Fraction(2), Fraction(5)])
    x, y = tape.inputs()
    assert ((x - y) ** 2 / 3 + 1 - x * 0).value() == 4
    assert (7 - x).value() == 5 and (2 * (x + y) * (x * y)).value() == 140
    assert not x - x and x - 2
    assert x.lift("1/3").value() == Fraction(1, 3)


@pytest.mark.parametrize("make", [lambda x: x / x, lambda x: 1 / x, lambda x: x ** Fraction(1, 2), lambda x: x + 0.5])
def test_what_is_not_a_polynomial_is_refused(make: object) -> None:
    (x,) = Tape([Fraction(2)]).inputs()
    with pytest.raises(InputError):
        make(x)  # type: ignore[operator]


def test_exact_numbers() -> None:
    assert exact("1/10") == exact(fmpq(1, 10)) == Fraction(1, 10)
    assert exact(3) == 3
    for bad in (0.1, "x", True, None, 1j):
        with pytest.raises(InputError):
            exact(bad)


def test_huber_is_traced_as_the_piece_at_the_start() -> None:
    model = deep_matrix_factorization(1, 1, depth=1)
    near = vector_field(model, Huber({(0, 0): 1}, 5), {"W[1]": model.random(0)["W[1]"]})
    far = vector_field(model, Huber({(0, 0): 100}, 5), {"W[1]": model.random(0)["W[1]"]})
    square = vector_field(model, HalfSum({(0, 0): 1}), {"W[1]": model.random(0)["W[1]"]})
    assert near.guards and far.guards and not square.guards
    for program, slope in ((near, -1), (far, 0)):
        series, _ = program.coefficients([0], 64, 2, Fraction(1))
        assert int(series[0][2]) * 2 == slope * int(series[0][1]) and series[0][1]
