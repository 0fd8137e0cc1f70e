"""Polynomials that nearly solve a gradient flow over a long step: float64 collocation, refined to any number of digits.

On a step of length h the solution is sought as a polynomial p(s), s in [-1, 1], given by its values at the Chebyshev
points. In float64 p is the fixed point of u -> u(-1) + h/2 (integral of f(u)) (Picard's iteration; Newton's method
where that does not contract). It is then written as a Chebyshev series in integers, whose defect p' - h/2 f(p) is
computed with all digits, and corrected by e with e' = h/2 J e - defect, where J and e need no more than float64: every
correction gains some 40 bits. An interpolating polynomial converges well beyond the radius of a Taylor series, and its
step costs little more, so that steps are long. There are more points than coefficients (`SPARE`): a product of J with
the last Chebyshev polynomials that are kept is then not taken for one of lower degree.

Nothing here is trusted: the kernel bounds the defect of what is found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from theorytest.kernel import flow as kernel
from theorytest.kernel.chebyshev import at_end
from theorytest.kernel.initial_value import Field

ROUNDS = 60  # of an iteration that has to contract
SETTLED = 1e-14  # relative change after which an iteration has converged
LARGEST = 1500  # unknowns of a system of linear equations that is solved at once
GAIN = 40  # bits that one correction gains
SPARE = 16  # points beyond the degree
CHEAP = 300  # unknowns up to which Newton's method costs no more than a few shorter steps


@dataclass(frozen=True)
class Grid:
    """Chebyshev points from -1 to 1, for polynomials of a degree.

    series: values at the points -> coefficients of T_k; integrals: values -> values of the integral from -1; lifted:
    coefficients of T_0, T_1, ... (up to more than the degree) -> values of the integral from -1.
    """

    degree: int
    series: Any
    integrals: Any
    lifted: Any

    @classmethod
    @cache
    def of(cls, degree: int) -> Grid:
        """The grid of a degree from 2 on."""
        last = degree + SPARE
        angles = np.pi * np.arange(last, -1, -1) / last
        most = 2 * last
        chebyshev = np.cos(np.outer(angles, np.arange(most + 2)))
        ends = np.ones(last + 1)
        ends[[0, -1]] = 0.5
        series = 2 / last * (chebyshev[:, : last + 1] * ends[:, None]).T
        series[[0, -1]] /= 2
        lifted = np.empty((last + 1, most + 1))
        lifted[:, 0] = chebyshev[:, 1] + 1
        lifted[:, 1] = (chebyshev[:, 2] - 1) / 4
        for k in range(2, most + 1):
            above = (chebyshev[:, k + 1] - (-1) ** (k + 1)) / (2 * (k + 1))
            lifted[:, k] = above - (chebyshev[:, k - 1] - (-1) ** (k - 1)) / (2 * (k - 1))
        return cls(degree, series[: degree + 1], lifted[:, : last + 1] @ series, lifted)


class FloatField:
    """A vector field of the kernel in float64, at many points at once (arrays: coordinate, point)."""

    def __init__(self, made: Field) -> None:
        self.made = made
        self.nodes = [
            (
                node.slot,
                float(node.constant),
                [(float(c), slot) for c, slots in node.linear for slot in slots],
                [(float(c), a, b) for c, pairs in node.products for a, b in pairs],
            )
            for node in made.forcing
        ]
        # Force over square is velocity: squares[j] u_j' = force_j.
        self.squares = np.array([float(x) for x in made.squares])

    def values(self, points: Any) -> dict[int, Any]:
        """Every slot that the forces and residuals need."""
        found: dict[int, Any] = dict(enumerate(points))
        rest = np.zeros(points.shape[1])
        for slot, constant, linear, products in self.nodes:
            total: Any = constant
            for c, a in linear:
                total = total + (found[a] if c == 1 else c * found[a])
            for c, a, b in products:
                part = found[a] * found[b]
                total = total + (part if c == 1 else c * part)
            found[slot] = rest + total if isinstance(total, float) else total
        return found

    def velocities(self, points: Any) -> Any:
        """du/dt."""
        found = self.values(points)
        return np.array([found[slot] for slot in self.made.forces]) / self.squares[:, None]

    def jacobian(self, points: Any) -> Any:
        """d velocity_i / d u_j at every point (point, i, j)."""
        found = self.values(points)
        count, width = points.shape
        tangents: dict[int, Any] = {}
        for j in range(count):
            tangents[j] = np.zeros((count, width))
            tangents[j][j] = 1.0
        for slot, _, linear, products in self.nodes:
            total = np.zeros((count, width))
            for c, a in linear:
                total += c * tangents[a]
            for c, a, b in products:
                total += tangents[a] * (c * found[b])
                total += tangents[b] * (c * found[a])
            tangents[slot] = total
        rows = np.array([tangents[slot] for slot in self.made.forces]) / self.squares[:, None, None]
        return rows.transpose(2, 0, 1)

    def norms(self, jacobian: Any) -> Any:
        """The logarithmic norm at every point: the largest eigenvalue in coordinates with the Euclidean norm."""
        roots = np.sqrt(self.squares)
        scaled = jacobian * roots[:, None] / roots[None, :]
        return np.linalg.eigvalsh((scaled + scaled.transpose(0, 2, 1)) / 2)[:, -1]


@dataclass
class Solver:
    """Solves e = rest + integral of h/2 J e, at the points of a grid."""

    grid: Grid
    jacobian: Any  # times h/2
    inverse: Any = None

    def solve(self, rest: Any) -> Any | None:
        """e (coordinate, point); None where the system is too large or singular."""
        if self.inverse is None:
            found, before = rest, math.inf
            for k in range(ROUNDS):
                turned = (self.jacobian @ found.T[:, :, None])[:, :, 0].T @ self.grid.integrals.T
                change = float(np.abs(rest + turned - found).max())
                found = rest + turned
                if not change < 1e3 * (1 + before):
                    break
                if change <= SETTLED * float(np.abs(found).max()):
                    return found
                if k == 20 and change > 1e-3:
                    break
                before = change
            system = self._system()
            if system is None or not np.isfinite(system).all():
                return None
            try:
                self.inverse = np.linalg.inv(system)
            except np.linalg.LinAlgError:
                return None
        return (self.inverse @ rest.reshape(-1)).reshape(rest.shape)

    def directly(self, rest: Any) -> Any | None:
        """The same, where it is asked once."""
        system = self._system()
        if system is None or not np.isfinite(system).all():
            return None
        try:
            return np.linalg.solve(system, rest.reshape(-1)).reshape(rest.shape)
        except np.linalg.LinAlgError:
            return None

    def _system(self) -> Any | None:
        points, count, _ = self.jacobian.shape
        if count * points > LARGEST:
            return None
        coupled = np.einsum("ij,jab->aibj", self.grid.integrals, self.jacobian).reshape(count * points, -1)
        return np.eye(count * points) - coupled


def predict(field: FloatField, grid: Grid, start: Any, length: float, *, most: int = LARGEST) -> Any | None:
    """Values at the points (coordinate, point) of the flow over a step, in float64; None where it was not found.

    most: unknowns for which Newton's method is used where Picard's iteration does not contract.
    """
    half = length / 2
    points = np.repeat(start[:, None], len(grid.lifted), axis=1)
    with np.errstate(all="ignore"):
        before = math.inf
        for _ in range(ROUNDS):
            made = start[:, None] + half * field.velocities(points) @ grid.integrals.T
            change, size = float(np.abs(made - points).max()), float(np.abs(made).max())
            points = made
            if change <= SETTLED * size:
                return points
            if not change < 1e3 * size or (change > 0.5 * before and change < 1e-12 * size):
                break
            before = change
        if np.isfinite(points).all() and change < 1e-12 * size:
            return points
        if points.size > most:
            return None
        points = np.repeat(start[:, None], len(grid.lifted), axis=1)
        for _ in range(20):
            rest = start[:, None] + half * field.velocities(points) @ grid.integrals.T - points
            correction = Solver(grid, half * field.jacobian(points)).directly(rest)
            if correction is None or not np.isfinite(correction).all():
                return None
            points = points + correction
            if float(np.abs(correction).max()) <= 1e-12 * float(np.abs(points).max()):
                return points
    return None


def refined(
    field: FloatField,
    grid: Grid,
    points: Any,
    centre: Sequence[Fraction],
    step: kernel.FlowStep,
    tolerance: int,
    *,
    deadline: float = math.inf,
) -> kernel.FlowStep | None:
    """The step with the polynomial through float64 values, corrected until its error is about ``2**tolerance``.

    centre: where it has to begin; step: its length, bits and pieces of the slope; deadline: of ``time.monotonic``. None
    where a correction fails, or time is over.
    """
    bits = step.bits
    first = grid.series @ points.T  # (k, coordinate)
    first[1:] /= 2
    series = [[_fixed(x, bits) for x in column] for column in first.T]
    solver = Solver(grid, float(step.length) / 2 * field.jacobian(points))
    size = max(1.0, float(np.abs(points).max()))
    gained = GAIN - math.log2(size)
    while gained < 2 - tolerance:
        if time.monotonic() > deadline:
            return None
        trial = kernel.FlowStep(step.length, bits, tuple(map(tuple, series)), step.tube, step.norms, step.pieces)
        shift, rest = kernel.residues(field.made, trial, {})
        offs = [
            int((x * (1 << bits) - at_end(values, -1)) * (1 << shift)) for x, values in zip(centre, series, strict=True)
        ]
        top = max(max(abs(x) for x in (off, *row)) for off, (row, _) in zip(offs, rest, strict=True)).bit_length()
        width = min(grid.lifted.shape[1], max(len(row) for row, _ in rest))
        defect = np.zeros((len(rest), width))
        for j, (row, _) in enumerate(rest):
            defect[j, : len(row)] = [2 * _scaled(x, top) for x in row[:width]]
        defect[:, 0] /= 2
        begin = np.array([_scaled(x, top) for x in offs])
        change = solver.solve(begin[:, None] - defect @ grid.lifted[:, :width].T)
        if change is None or not np.isfinite(change).all():
            return None
        more = grid.series @ change.T
        more[1:] /= 2
        for values, column in zip(series, more.T, strict=True):
            for k, x in enumerate(column):
                values[k] += _fixed(x, top - shift)
        gained += GAIN
    return kernel.FlowStep(step.length, bits, tuple(map(tuple, series)), step.tube, step.norms, step.pieces)


def _fixed(value: float, exponent: int) -> int:
    """value * 2**exponent, rounded."""
    mantissa, power = math.frexp(value)
    whole, shift = int(mantissa * 2.0**53), power + exponent - 53
    return whole << shift if shift >= 0 else whole >> -shift


def _scaled(value: int, bits: int) -> float:
    """value / 2**bits."""
    shift = max(0, value.bit_length() - 64)
    return math.ldexp(float(value >> shift), shift - bits)
