"""Rational points at which a formula between real variables fails: small ones first, then float64 batches, rounded.

The search knows nothing of the claim but how to evaluate it; what seems a violation is rounded to small rationals and
made simpler, and the kernel decides. Conditions that are equations are met by solving for a variable that occurs alone
on one side.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import numpy as np

from theorytest.errors import InputError
from theorytest.kernel import scalar
from theorytest.kernel.analysis import Formula
from theorytest.kernel.ball import UndefinedError, evaluate, precision
from theorytest.kernel.claim import All, Claim, Identity, Inequality, SingularValues, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import Scalar, Variable, variables
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.terms import Term
from theorytest.kernel.witness import refutes

GRID = (0, 1, -1, 2, -2, Fraction(1, 2), 3, Fraction(-1, 2), Fraction(1, 10), 10)
EXACT = 4000  # exact points
BATCH = 20000
KEPT = 12
MOVES, TRIES = 40, 32  # of the worst points: how often, and how many ways each time
DENOMINATORS = (1, 2, 4, 10, 100, 1000, 10**4, 10**6)


@dataclass(frozen=True)
class Points:
    """The outcome: a witness that the kernel accepts, if any; how many points met the conditions; the least margin."""

    witness: Witness | None
    points: int
    least_margin: float | None


def find_point(statement: Statement, seed: int = 0, *, seconds: float = 10.0) -> Points:
    """Look for a point that refutes a formula between real variables (`Identity`, `Inequality`, `SingularValues`;
    `Where` of one of these) under a statement's assumptions.

    The same seed gives the same point as long as the time suffices. Raises `InputError` for other claims.
    """
    formulas = _formulas(statement.claim)
    given = _conditions(statement)
    solved = solve_equations(given)
    names = sorted(set[str]().union(*(variables(s) for f in (*formulas, *given) for s in _sides(f))) - set(solved))
    until = time.monotonic() + seconds
    tried = 0
    for values in _exact(names, seed):
        full = complete(values, solved)
        if full is None:
            continue
        witness, met = tried_at(statement, full)
        tried += met
        if witness is not None:
            return Points(_simpler(statement, witness, names, solved, until), tried, None)
        if time.monotonic() > until:
            return Points(None, tried, None)
    least: float | None = None
    for scale in (1.0, 0.1, 10.0, 1e3, 1e-3):
        if time.monotonic() > until or not names:
            break
        count, low, candidates = _batch(names, solved, formulas, given, scale, seed)
        tried += count
        least = low if least is None else least if low is None else min(least, low)
        for candidate in candidates:
            for denominator in DENOMINATORS:
                values = {n: Fraction(round(x * denominator), denominator) for n, x in candidate.items()}
                full = complete(values, solved)
                if full is None:
                    continue
                witness, _ = tried_at(statement, full)
                if witness is not None:
                    return Points(_simpler(statement, witness, names, solved, until), tried, least)
    return Points(None, tried, least)


def candidates(statement: Statement, seed: int = 0) -> Iterator[dict[str, Fraction]]:
    """Exact points that meet the equations among a statement's conditions; the inequalities may fail."""
    given = _conditions(statement)
    solved = solve_equations(given)
    formulas = (*_formulas(statement.claim), *given)
    names = sorted(set[str]().union(*(variables(s) for f in formulas for s in _sides(f))) - set(solved))
    for values in _exact(names, seed):
        full = complete(values, solved)
        if full is not None:
            yield full


def _formulas(claim: Claim) -> list[Formula]:
    if isinstance(claim, Where):
        claim = claim.claim
    if isinstance(claim, SingularValues):
        from theorytest.kernel.analysis import defining

        return list(defining(claim))
    if isinstance(claim, Identity | Inequality) and not isinstance(claim.lhs, Term):
        return [claim]
    raise InputError(f"given a claim of kind {type(claim).__name__}, needed a formula between real variables")


def _conditions(statement: Statement) -> list[Formula]:
    claim = statement.claim
    found: list[Formula] = list(claim.conditions) if isinstance(claim, Where) else []
    for assumption in statement.assumptions:
        held = assumption.formula
        for part in held.claims if isinstance(held, All) else (held,):
            if isinstance(part, Identity | Inequality) and not isinstance(part.lhs, Term):
                found.append(part)
    return found


def _sides(formula: Formula) -> tuple[Scalar, Scalar]:
    assert not isinstance(formula.lhs, Term) and not isinstance(formula.rhs, Term)
    return formula.lhs, formula.rhs


def solve_equations(given: Sequence[Formula]) -> dict[str, Scalar]:
    """Variables that an equation gives in terms of the others: alone on one side, or a factor of it."""
    found: dict[str, Scalar] = {}
    for formula in given:
        if not isinstance(formula, Identity):
            continue
        for one, other in (_sides(formula), _sides(formula)[::-1]):
            factors = _factors(one)
            for k, factor in enumerate(factors):
                value = other
                for rest in (*factors[:k], *factors[k + 1 :]):
                    value = value * rest**-1
                if not isinstance(factor, Variable) or factor.name in variables(value) | set(found):
                    continue
                if variables(value) & set(found):
                    continue
                # What was solved before may speak of this one: it has to come first.
                found = {factor.name: value, **found}
                break
            else:
                continue
            break
    return found


def _factors(expression: Scalar) -> tuple[Scalar, ...]:
    if isinstance(expression, scalar.Times):
        return tuple(f for part in expression.parts for f in _factors(part))
    return (expression,)


def complete(values: Mapping[str, Fraction], solved: Mapping[str, Scalar]) -> dict[str, Fraction] | None:
    full = dict(values)
    for name, expression in solved.items():
        try:
            with precision(64):
                found = evaluate(expression, full)
        except (UndefinedError, KernelError):
            return None
        if not isinstance(found, Fraction):
            return None
        full[name] = found
    return full


def _exact(names: Sequence[str], seed: int) -> Iterator[dict[str, Fraction]]:
    whole = len(GRID) ** len(names)
    if whole <= EXACT:
        for values in sorted(product(range(len(GRID)), repeat=len(names)), key=lambda v: (max(v, default=0), sum(v))):
            yield {name: Fraction(GRID[k]) for name, k in zip(names, values, strict=True)}
        return
    random = Random(f"{seed}/{names}")
    for step in range(EXACT):
        most = 3 + step * (len(GRID) - 3) // EXACT
        yield {name: Fraction(GRID[random.randint(0, most)]) for name in names}


def tried_at(statement: Statement, values: Mapping[str, Fraction]) -> tuple[Witness | None, bool]:
    witness = Witness(Instance(variables=tuple(sorted(values.items()))))
    try:
        refutes(statement, witness)
    except KernelError as error:
        unmet = ("does not meet assumption", "conditions do not surely hold")
        return None, not any(text in str(error) for text in unmet)
    return witness, True


def _simpler(
    statement: Statement, witness: Witness, names: Sequence[str], solved: Mapping[str, Scalar], until: float
) -> Witness:
    values = {name: x for name, x in witness.instance.variables if name in names}
    changed = True
    while changed:
        changed = False
        for name in names:
            x = values[name]
            options = [Fraction(y) for y in (0, 1, -1, 2, -2)]
            options += [Fraction(round(x * q), q) for q in (1, 2, 3, 4, 10, 100) if q < x.denominator]
            for y in options:
                if _weight(y) >= _weight(x) or time.monotonic() > until:
                    continue
                full = complete({**values, name: y}, solved)
                found, _ = tried_at(statement, full) if full is not None else (None, False)
                if found is not None:
                    values[name], witness, changed = y, found, True
                    break
    return witness


def _weight(x: Fraction) -> tuple[int, int, bool]:
    return x.denominator, abs(x.numerator), x < 0


# -- float64 ----------------------------------------------------------------------------------------------------------


def _batch(
    names: Sequence[str],
    solved: Mapping[str, Scalar],
    formulas: Sequence[Formula],
    given: Sequence[Formula],
    scale: float,
    seed: int,
) -> tuple[int, float | None, list[dict[str, float]]]:
    """How many of a batch meet the conditions, the least margin, and the points that seem to violate the claim.

    The worst points are moved about by smaller and smaller amounts, as long as that makes them worse.
    """
    draw = np.random.default_rng(Random(f"{seed}/{names}/{scale}").getrandbits(48))
    points = scale * draw.standard_normal((len(names), BATCH))
    points[:, BATCH // 2 :] = np.abs(points[:, BATCH // 2 :])
    margin, met = _margins(names, solved, formulas, given, points)
    count = int(met.sum())
    if not count:
        return 0, None, []
    order = np.argsort(margin)[: 2 * KEPT]
    held, low = points[:, order], margin[order]
    for step in range(MOVES):
        size = 0.5 * 0.7**step
        noise = draw.standard_normal((len(names), len(order), TRIES))
        tried = held[:, :, None] * (1 + size * noise) + size * scale * 1e-3 * noise[::-1]
        found = _margins(names, solved, formulas, given, tried.reshape(len(names), -1))[0].reshape(len(order), TRIES)
        best = found.argmin(1)
        rows = np.arange(len(order))
        better = found[rows, best] < low
        held = np.where(better, tried[:, rows, best], held)
        low = np.where(better, found[rows, best], low)
    wanted = [k for k in np.argsort(low)[:KEPT] if low[k] < 0 or any(_strict(f) for f in formulas)]
    return count, float(low.min()), [{n: float(held[i, k]) for i, n in enumerate(names)} for k in wanted]


def _margins(
    names: Sequence[str],
    solved: Mapping[str, Scalar],
    formulas: Sequence[Formula],
    given: Sequence[Formula],
    points: Any,
) -> tuple[Any, Any]:
    """Right side minus left at each point, infinite where the conditions fail; and where they hold."""
    values: dict[str, Any] = {name: points[k] for k, name in enumerate(names)}
    with np.errstate(all="ignore"):
        for name, expression in solved.items():
            values[name] = floats(expression, values)
        met = np.ones(points.shape[1], dtype=bool)
        for formula in given:
            gap = _gap(formula, values)
            met &= gap >= (-1e-9 * (1 + np.abs(gap)) if isinstance(formula, Identity) else 0.0)
        margin = np.minimum.reduce([np.broadcast_to(_gap(f, values), points.shape[1]) for f in formulas])
    met &= np.isfinite(margin)
    return np.where(met, margin, np.inf), met


def _strict(formula: Formula) -> bool:
    return isinstance(formula, Inequality) and formula.relation == "<"


def _gap(formula: Formula, values: Mapping[str, Any]) -> Any:
    lhs, rhs = (floats(side, values) for side in _sides(formula))
    return -np.abs(rhs - lhs) if isinstance(formula, Identity) else rhs - lhs


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


__all__ = ["Points", "find_point", "floats"]
