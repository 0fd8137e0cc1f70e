"""Collocation against numpy, closed forms and central differences; how many digits a correction gains."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from theorytest.enclose.collocation import SPARE, FloatField, Grid, Solver, predict, refined
from theorytest.enclose.flowpipe import problem_of
from theorytest.kernel.flow import Enclosure, FlowStep
from theorytest.models import HalfSum, cp, deep_matrix_factorization

F = Fraction
LAYERS = deep_matrix_factorization(1, 1, depth=2)
TENTH: Any = {"W[1]": [["1/10"]], "W[2]": [["1/10"]]}


def followed(loss: Any = None) -> tuple[Enclosure, FloatField]:
    enclosure = Enclosure(problem_of(LAYERS, loss or HalfSum({(0, 0): 1}), TENTH))
    return enclosure, FloatField(enclosure.field(()))


def test_a_grid_knows_series_and_integrals() -> None:
    grid = Grid.of(7)
    places = -np.cos(np.pi * np.arange(8 + SPARE) / (7 + SPARE))
    plain = np.array([0.5, -1, 2, 0, 3, 0, 0, 1])
    values = np.polynomial.chebyshev.chebval(places, plain)
    assert np.allclose(grid.series @ values, plain)
    primitive = np.polynomial.chebyshev.chebint(plain, lbnd=-1)
    expected = np.polynomial.chebyshev.chebval(places, primitive)
    assert np.allclose(grid.integrals @ values, expected)
    assert np.allclose(grid.lifted[:, :8] @ plain, expected)


def test_the_field_in_float64_is_the_kernels() -> None:
    model = cp((2, 2, 2), rank=2)
    problem = problem_of(model, HalfSum({(0, 0, 0): 1, (1, 1, 0): F(1, 2)}), model.random(seed=1, scale=F(1, 2)))
    field = FloatField(Enclosure(problem).field(()))
    points = np.random.default_rng(0).normal(size=(12, 3))
    jacobian = field.jacobian(points)
    for j in range(12):
        step = np.zeros((12, 1))
        step[j] = 1e-5
        rate = (field.velocities(points + step) - field.velocities(points - step)) / 2e-5
        assert np.allclose(jacobian[:, :, j], rate.T, atol=1e-6)
    assert np.allclose(jacobian, jacobian.transpose(0, 2, 1))  # minus a Hessian
    assert np.allclose(field.norms(jacobian), [max(np.linalg.eigvalsh(x)) for x in jacobian])


@pytest.mark.parametrize("most", [0, 1500])
@pytest.mark.parametrize("length", [0.5, 3.0])
def test_the_logistic_flow_is_predicted(most: int, length: float) -> None:
    """W = x^2 with x' = x (1 - x^2): by Picard's iteration, and by Newton's method where that is allowed."""
    _, field = followed()
    points = predict(field, Grid.of(30), np.array([0.1, 0.1]), length, most=most)
    assert points is not None
    assert abs(points[0, -1] - math.sqrt(1 / (1 + 99 * math.exp(-2 * length)))) < 1e-12


def test_a_stiff_flow_needs_equations() -> None:
    _, field = followed(HalfSum({(0, 0): 100}))
    grid, start = Grid.of(90), np.array([10.0, 10.01])  # the fast motion needs many points
    assert predict(field, grid, start, 2.0, most=0) is None
    points = predict(field, grid, start, 2.0)
    assert points is not None and abs(points[0, -1] * points[1, -1] - 100) < 1e-6
    assert predict(field, grid, np.array([1e200, 1e200]), 1.0) is None


def test_every_correction_gains_forty_bits() -> None:
    enclosure, field = followed()
    grid = Grid.of(50)
    points = predict(field, grid, np.array([0.1, 0.1]), 0.5)
    assert points is not None
    step = FlowStep(F(1, 2), 190, (), F(1, 1 << 20), ((F(0), F(0)),))
    defects: list[float] = []
    for tolerance in (-30, -70, -110):
        found = refined(field, grid, points, enclosure.start, step, tolerance)
        assert found is not None
        defect = enclosure.defect(enclosure.attempt(enclosure.begin(), found), found)
        defects.append(math.log2(defect.numerator) - math.log2(defect.denominator))
        assert defects[-1] < tolerance
    assert defects[0] - 38 > defects[1] > defects[2] + 38
    assert refined(field, grid, points, enclosure.start, step, -110, deadline=0.0) is None


def test_linear_equations_by_iteration_and_at_once() -> None:
    rng = np.random.default_rng(1)
    grid = Grid.of(10)
    points = len(grid.lifted)
    for size in (0.1, 30.0):
        jacobian, rest = size * rng.normal(size=(points, 2, 2)), rng.normal(size=(2, points))
        solver = Solver(grid, jacobian)
        for found in (solver.solve(rest), solver.directly(rest), solver.solve(rest)):
            assert found is not None
            turned = np.einsum("jab,bj->aj", jacobian, found) @ grid.integrals.T
            assert np.allclose(found, rest + turned, atol=1e-8 * max(1.0, float(np.abs(found).max())))
        assert (solver.inverse is not None) is (size > 1)
    wide = Solver(grid, np.full((points, 80, 80), 10.0))
    assert wide.solve(np.ones((80, points))) is None and wide.directly(np.ones((80, points))) is None
    broken = Solver(grid, np.full((points, 2, 2), np.nan))
    assert broken.solve(np.ones((2, points))) is None and broken.directly(np.ones((2, points))) is None
