"""Points in float64 at which a formula between real variables seems to fail, at any scale.

Numbers are drawn from 10^-12 to 10^12. A point that misses a condition, or at which the claim holds, is moved onto the
set where it does not: one Newton step for one inequality, one inequality after the other, in coordinates that are
measured by their own size. So narrow sets, sets far out and tiny ones are met as well as wide ones. What is found is a
guess: rounded, and for the kernel to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from theorytest.kernel import scalar
from theorytest.kernel.analysis import Formula, sides
from theorytest.kernel.claim import Identity, Inequality
from theorytest.kernel.scalar import Scalar, Variable, derivative, substitute

BATCH = 20000
MOVED = 2000  # of a batch are moved onto conditions and against the claim
SWEEPS = 80
KEPT = 12  # of the worst points are refined and handed on
MOVES, TRIES = 40, 32  # how often they are refined, and in how many ways each time
DECADES = 12  # numbers are drawn from 10^-12 to 10^12
EQUAL = 1e-9  # of the sides: as near as float64 meets an equation


@dataclass(frozen=True)
class Problem:
    """The formulas of a claim, of which one is to fail; the conditions; the free variables, and those that equations
    give in terms of the others (each may speak of those after it)."""

    names: tuple[str, ...]
    solved: Mapping[str, Scalar]
    formulas: tuple[Formula, ...]
    given: tuple[Formula, ...]

    def values(self, points: Any) -> dict[str, Any]:
        """All variables at points of shape (names, batch)."""
        values: dict[str, Any] = {name: points[k] for k, name in enumerate(self.names)}
        for name, expression in self.solved.items():
            values[name] = floats(expression, values)
        return values

    def margins(self, points: Any) -> tuple[Any, Any, Any]:
        """At each point: the least right side minus left of the formulas; what its rounding is measured by; and whether
        the conditions hold."""
        with np.errstate(all="ignore"):
            values = self.values(points)
            met = np.ones(points.shape[1], dtype=bool)
            for formula in self.given:
                gap, size = _gap(formula, values)
                met &= (
                    gap >= -EQUAL * size if isinstance(formula, Identity) else gap > 0 if strict(formula) else gap >= 0
                )
            pairs = [_gap(formula, values) for formula in self.formulas]
            gaps = np.stack([np.broadcast_to(gap, met.shape) for gap, _ in pairs])
            sizes = np.stack([np.broadcast_to(size, met.shape) for _, size in pairs])
        return gaps.min(0), sizes.max(0), met

    @cached_property
    def constraints(self) -> list[tuple[Scalar, Scalar, list[Scalar], bool]]:
        """What a counterexample meets: expressions that have to be positive (or, with True, 0), how large their sides
        are, and their gradients by the free variables."""
        wanted: list[tuple[Scalar, Scalar, bool]] = []
        for formula in self.given:
            lhs, rhs = map(self._free, sides(formula))
            wanted.append((rhs - lhs, scalar.absolute(lhs) + scalar.absolute(rhs), isinstance(formula, Identity)))
        for formula in self.formulas:
            lhs, rhs = map(self._free, sides(formula))
            if isinstance(formula, Inequality):
                wanted.append((lhs - rhs, scalar.absolute(lhs) + scalar.absolute(rhs), False))
        return [(e, size, [derivative(e, name) for name in self.names], equal) for e, size, equal in wanted]

    def _free(self, side: Scalar) -> Scalar:
        for name, expression in reversed(tuple(self.solved.items())):
            side = substitute(side, name, expression)
        return side


@dataclass
class Seen:
    """Of the points that were looked at: how many met the conditions, and some of these; the least margin at them where
    rounding does not explain it, itself and as a part of the sides; the points that seem to violate the claim, worst
    first; and some at which a side seems undefined."""

    count: int = 0
    met: list[dict[str, float]] = field(default_factory=list)
    least: float | None = None
    nearest: float | None = None
    violations: list[dict[str, float]] = field(default_factory=list)
    undefined: list[dict[str, float]] = field(default_factory=list)


def violations(problem: Problem, seed: Any) -> Seen:
    """Points that seem to violate a claim under its conditions. The same seed gives the same points."""
    seen = Seen()
    if not problem.names:
        return seen
    draw = np.random.default_rng(Random(f"{seed}/{problem.names}").getrandbits(48))
    points = _drawn(draw, len(problem.names), BATCH)
    held = [_looked(problem, points, seen)]
    moving = points[:, draw.permutation(BATCH)[:MOVED]]
    slack = 10.0 ** draw.uniform(-15, 0, MOVED)  # how far beyond a bound a point is to come, of the sides
    for sweep in range(SWEEPS):
        _sweep(problem, moving, slack, draw)
        if sweep % 5 == 4:
            held.append(_looked(problem, moving, seen))
    chosen = np.concatenate([points for points, _, _ in held], 1)
    margin, share = (np.concatenate([found[k] for found in held]) for k in (1, 2))
    if not margin.size:
        return seen
    # By the margin, and by its part of the sides: rounding at large numbers hides failures at small ones.
    order = np.unique(np.concatenate([np.argsort(margin)[:KEPT], np.argsort(share)[:KEPT]]))
    _refined(problem, chosen[:, order], margin[order], draw, seen)
    return seen


def _drawn(draw: Any, rows: int, columns: int) -> Any:
    """A third of a size near 1, a third of any common size, a third of a size for each number; signs, zeros, and equal
    numbers."""
    sizes = 10.0 ** draw.uniform(-DECADES, DECADES, (rows, columns))
    third = columns // 3
    sizes[:, :third] = 10.0 ** draw.uniform(-3, 3, third)
    sizes[:, third : 2 * third] = 10.0 ** draw.uniform(-DECADES, DECADES, third)
    points = sizes * draw.standard_normal((rows, columns))
    positive = draw.random(columns) < 0.5
    points[:, positive] = np.abs(points[:, positive])
    same = draw.random(columns) < 0.1
    points[:, same] = points[:1, same]
    points[draw.random(points.shape) < 0.05] = 0.0
    return points


def _looked(problem: Problem, points: Any, seen: Seen) -> tuple[Any, Any, Any]:
    """Count points, and return the worst of those that meet the conditions, with their margins and what part of the
    sides these are; half of them by the one, half by the other."""
    margin, size, met = problem.margins(points)
    fine = met & np.isfinite(margin)
    seen.count += int(fine.sum())
    for held, chosen in ((seen.undefined, np.flatnonzero(met & ~fine)), (seen.met, np.flatnonzero(met))):
        held += [{n: float(points[i, k]) for i, n in enumerate(problem.names)} for k in chosen[:4]]
    if not fine.any():
        return points[:, :0], margin[:0], margin[:0]
    surely = np.where(np.abs(margin) > 1e-12 * size, margin, 0.0)[fine]
    low = float(surely.min())
    seen.least = low if seen.least is None else min(seen.least, low)
    with np.errstate(all="ignore"):
        share = np.where(fine & (size > 0), margin / size, np.inf)
    near = float(share.min())
    seen.nearest = near if seen.nearest is None else min(seen.nearest, near)
    worst = np.argsort(np.where(fine, margin, np.inf))[:KEPT]
    chosen = np.unique(np.concatenate([worst, np.argsort(share)[:KEPT]]))
    chosen = chosen[fine[chosen]]
    return points[:, chosen].copy(), margin[chosen], share[chosen]


def _sweep(problem: Problem, points: Any, slack: Any, draw: Any) -> None:
    """Move points, in place, by one Newton step for every constraint that they miss; every other point by those only
    that come from the conditions, so that a true claim meets points as well."""
    rows, columns = points.shape
    floor = 10.0 ** draw.uniform(-DECADES, 2, columns)  # what a coordinate that is 0 is measured by
    step = draw.uniform(0.8, 2.0, columns)
    with np.errstate(all="ignore"):
        for k in draw.permutation(len(problem.constraints)):
            expression, size, slopes, equal = problem.constraints[k]
            values: dict[str, Any] = {name: points[i] for i, name in enumerate(problem.names)}
            gap = np.broadcast_to(floats(expression, values), columns)
            around = np.broadcast_to(floats(size, values), columns)
            missing = -gap if equal else slack * around - gap
            missed = np.isfinite(gap) & ((gap != 0) if equal else (gap <= 0))
            if k >= len(problem.given):
                missed[::2] = False
            units = np.maximum(np.abs(points), floor)
            scaled = np.stack([np.broadcast_to(floats(slope, values), columns) for slope in slopes]) * units
            length = (scaled * scaled).sum(0)
            move = np.clip(step * missing * scaled / length, -100.0, 100.0) * units
            points[:] = np.where(missed & np.isfinite(move), points + move, points)
    lost = ~np.isfinite(points).all(0) | (np.abs(points) > 1e100).any(0)
    lost |= draw.random(columns) < 0.003
    points[:, lost] = _drawn(draw, rows, columns)[:, lost]


def _refined(problem: Problem, held: Any, low: Any, draw: Any, seen: Seen) -> None:
    """Move the worst points about by smaller and smaller amounts, as long as that makes them worse."""
    names, count = problem.names, held.shape[1]
    around = np.abs(held).max(0)
    for move in range(MOVES):
        size = 0.5 * 0.7**move
        noise = draw.standard_normal((len(names), count, TRIES))
        tried = held[:, :, None] * (1 + size * noise) + 1e-3 * size * around[None, :, None] * noise[::-1]
        margin, _, met = problem.margins(tried.reshape(len(names), -1))
        found = np.where(met & np.isfinite(margin), margin, np.inf).reshape(count, TRIES)
        best = found.argmin(1)
        rows = np.arange(count)
        better = found[rows, best] < low
        held = np.where(better, tried[:, rows, best], held)
        low = np.where(better, found[rows, best], low)
    bound = any(strict(f) for f in problem.formulas)
    wanted = [k for k in np.argsort(low) if low[k] < 0 or bound][: 2 * KEPT]
    seen.violations = [{n: float(held[i, k]) for i, n in enumerate(names)} for k in wanted]


# -- formulas in float64 ----------------------------------------------------------------------------------------------


def strict(formula: Formula) -> bool:
    """Whether a formula excludes that its sides are equal."""
    return isinstance(formula, Inequality) and formula.relation == "<"


def _gap(formula: Formula, values: Mapping[str, Any]) -> tuple[Any, Any]:
    lhs, rhs = (np.asarray(floats(side, values), dtype=float) for side in sides(formula))
    gap = rhs - lhs
    return (-np.abs(gap) if isinstance(formula, Identity) else gap), sum(_size(side, values) for side in sides(formula))


def _size(expression: Scalar, values: Mapping[str, Any]) -> Any:
    """What the rounding of an expression is measured by: every sum as a sum of absolute values."""
    match expression:
        case scalar.Sum(parts):
            return sum(_size(part, values) for part in parts)
        case scalar.Times(parts):
            total: Any = 1.0
            for part in parts:
                total = total * _size(part, values)
            return total
        case scalar.Power(base, exponent) if exponent > 0:
            return np.asarray(_size(base, values), dtype=float) ** float(exponent)
        case _:
            return np.abs(floats(expression, values))


def floats(expression: Scalar, values: Mapping[str, Any]) -> Any:
    """An expression at a batch of float64 points: nan where it is not defined."""
    match expression:
        case scalar.Number(number):
            return float(number) if abs(number) < 10**300 else float("inf") * (1 if number > 0 else -1)
        case Variable(name):
            return values[name]
        case scalar.Sum(parts):
            return sum(floats(part, values) for part in parts)
        case scalar.Times(parts):
            total: Any = 1.0
            for part in parts:
                total = total * floats(part, values)
            return total
        case scalar.Power(base, exponent):
            held = np.asarray(floats(base, values), dtype=float)
            return held ** float(exponent) if exponent.denominator > 1 else np.power(held, float(int(exponent)))
        case scalar.Ln(argument):
            return np.log(floats(argument, values))
        case _:
            return np.exp(floats(expression.argument, values))


def significant(x: float, digits: int) -> str:
    """A number rounded to significant digits, as an exact decimal."""
    return f"{x:.{digits - 1}e}"


__all__ = ["Problem", "Seen", "floats", "significant", "strict", "violations"]
