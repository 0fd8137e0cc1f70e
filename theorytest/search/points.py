"""Rational points at which a formula between real variables fails: small ones first, then what float64 finds, rounded.

The search knows nothing of the claim but how to evaluate it; what seems a violation is rounded to small rationals and
made simpler, and the kernel decides. Conditions that are equations are met by solving for a variable. A counterexample
has two sides: where one of them is not defined the claim says nothing, and such points are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil, floor
from random import Random

from theorytest.errors import InputError
from theorytest.kernel import scalar
from theorytest.kernel.analysis import Formula, sides
from theorytest.kernel.ball import UndefinedError, ball, evaluate, precision
from theorytest.kernel.claim import All, Claim, Identity, Inequality, SingularValues, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import ZERO, Scalar, Variable, derivative, substitute, variables
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.terms import Term
from theorytest.kernel.witness import PRECISION, refutes
from theorytest.search.budget import Budget
from theorytest.search.projection import Problem, floats, significant, violations

GRID = (0, 1, -1, 2, -2, Fraction(1, 2), 3, Fraction(-1, 2), Fraction(3, 5), Fraction(1, 10), 10)
EXACT = 4000  # exact points
DENOMINATORS = (1, 2, 4, 10, 100, 1000, 10**4, 10**6)
BASES = 5  # exact points of the equations from which others are reached
DIGITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 17)  # significant ones, for large and for tiny numbers


@dataclass(frozen=True)
class Points:
    """The outcome: a witness that the kernel accepts, if any; how many points met the conditions; the least margin of
    both sides at those in float64, itself and as a part of the sides; at how many exact ones a side was not defined,
    with the first of these; and whether the time sufficed."""

    witness: Witness | None
    points: int
    least_margin: float | None
    undefined: int = 0
    where: Instance | None = None
    nearest: float | None = None
    finished: bool = True


def find_point(statement: Statement, seed: int = 0, *, seconds: float | Budget = 10.0, rounds: int = 4) -> Points:
    """Look for a point that refutes a formula between real variables (`Identity`, `Inequality`, `SingularValues`;
    `Where` of one of these) under a statement's assumptions. rounds: how many float64 batches are drawn.

    The same seed gives the same point as long as the time suffices. Raises `InputError` for other claims.
    """
    problem = _problem(statement)
    budget = Budget.of(seconds)
    tried, undefined = 0, list[Instance]()
    known: list[dict[str, Fraction]] = []  # exact points of the equations

    def look(values: Mapping[str, Fraction]) -> Witness | None:
        nonlocal tried
        full = complete(values, problem.solved)
        if full is None:
            values = on_quadric(values, problem.solved, known)
            full = complete(values, problem.solved)
        elif len(known) < BASES:
            known.append(full)
        if full is None:
            return None
        witness, met, lost = _look(statement, full)
        tried += met
        if lost:
            undefined.append(_instance(full))
        return witness

    def outcome(witness: Witness | None) -> Points:
        if witness is not None:
            witness = _simpler(statement, witness, problem.names, problem.solved, budget)
        where = undefined[0] if undefined else None
        return Points(witness, tried, least, len(undefined), where, nearest, witness is not None or not budget.over)

    least: float | None = None
    nearest: float | None = None

    for values in _exact(problem.names, seed):
        witness = look(values)
        if witness is not None or budget.over:
            return outcome(witness)
    for turn in range(rounds):
        if budget.over:
            break
        seen = violations(problem, seed + turn)
        tried += seen.count
        for candidate in (*seen.violations, *seen.undefined[:4]):
            for values in _rounded(candidate):
                witness = look(values)
                if witness is not None:
                    return outcome(witness)
            if budget.over:
                break
        low = seen.least
        equations = problem.solved or any(isinstance(f, Identity) for f in problem.given)
        if low is not None and low < 0 and not equations and not budget.over:
            low = 0.0  # the worst points themselves were tried, exactly: what was left was rounding
        least = low if least is None else least if low is None else min(least, low)
        near = seen.nearest
        if near is not None and low == 0:
            near = max(near, 0.0)
        nearest = near if nearest is None else nearest if near is None else min(nearest, near)
    return outcome(None)


def _problem(statement: Statement) -> Problem:
    formulas, given = _formulas(statement.claim), _conditions(statement)
    solved = solve_equations(given)
    every = (s for f in (*formulas, *given) for s in sides(f))
    names = sorted(set[str]().union(*map(variables, every)) - set(solved))
    return Problem(tuple(names), solved, tuple(formulas), tuple(given))


def _rounded(point: Mapping[str, float]) -> Iterator[dict[str, Fraction]]:
    """A point with simpler and simpler numbers first; the last is the point itself."""
    for denominator in DENOMINATORS:
        yield {n: Fraction(round(x * denominator), denominator) for n, x in point.items()}
    for digits in DIGITS:
        yield {n: Fraction(significant(x, digits)) for n, x in point.items()}
    yield {n: Fraction(x) for n, x in point.items()}


def candidates(statement: Statement, seed: int = 0) -> Iterator[dict[str, Fraction]]:
    """Exact points that meet the equations among a statement's conditions; the inequalities may fail at the first of
    them, and hold in float64 at those that come last."""
    problem = _problem(statement)
    for values in _exact(problem.names, seed):
        full = complete(values, problem.solved)
        if full is not None:
            yield full
    for point in violations(problem, seed).met:
        for values in _rounded(point):
            full = complete(values, problem.solved)
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


def solve_equations(given: Sequence[Formula]) -> dict[str, Scalar]:
    """Variables that an equation gives in terms of the others: those in which it is linear, or which it holds as a
    square only (then the root that is not negative)."""
    found: dict[str, Scalar] = {}
    for formula in given:
        if not isinstance(formula, Identity):
            continue
        lhs, rhs = sides(formula)
        for name in _order(lhs, rhs):
            value = _solved(lhs, rhs, name)
            if value is None or name in found or variables(value) & {name, *found}:
                continue
            # What was solved before may speak of this one: it has to come first.
            found = {name: value, **found}
            break
    return found


def _order(lhs: Scalar, rhs: Scalar) -> list[str]:
    """The variables of an equation, those first that stand alone on one side."""
    alone = [side.name for side in (lhs, rhs) if isinstance(side, Variable)]
    return list(dict.fromkeys([*alone, *sorted(variables(lhs) | variables(rhs))]))


def _solved(lhs: Scalar, rhs: Scalar, name: str) -> Scalar | None:
    """What an equation says that a variable is; None where it is neither linear in it nor in its square."""
    if name not in variables(rhs) and lhs == Variable(name):
        return rhs
    if name not in variables(lhs) and rhs == Variable(name):
        return lhs
    gap = lhs - rhs
    try:
        slope = derivative(gap, name)
        at_zero = substitute(gap, name, ZERO)
        if name not in variables(slope):
            return None if _is_zero(slope) else -at_zero * slope**-1
        bend = derivative(slope, name)
        if name not in variables(bend) and _is_zero(substitute(slope, name, ZERO)) and not _is_zero(bend):
            return (-2 * at_zero * bend**-1) ** Fraction(1, 2)
    except (KernelError, ZeroDivisionError):  # a part is not defined at 0
        return None
    return None


def _is_zero(expression: Scalar) -> bool:
    return not variables(expression) and evaluate(expression, {}) == 0


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


def on_quadric(
    values: Mapping[str, Fraction], solved: Mapping[str, Scalar], known: Sequence[Mapping[str, Fraction]]
) -> dict[str, Fraction]:
    """Values near the given ones at which a root is rational: y^2 = q(x) with a polynomial q of degree 2 meets the line
    through a known rational point of it in one more, which is rational. The values themselves where there is none."""
    made = dict(values)
    for name, expression in solved.items():
        if not isinstance(expression, scalar.Power) or not set(variables(expression)) <= set(values):
            continue
        gap = Variable(name) ** 2 - expression.base
        names = [name, *sorted(variables(expression))]
        for point in known:
            try:
                with precision(64):
                    near = {
                        **made,
                        name: Fraction(float(ball(evaluate(expression, made)).mid())).limit_denominator(10**6),
                    }
                    step = {n: near[n] - point[n] for n in names}
                    ahead, behind = (
                        Fraction(evaluate(gap, {n: point[n] + sign * step[n] for n in names}))  # type: ignore[arg-type]
                        for sign in (1, -1)
                    )
            except (KernelError, TypeError, ValueError):
                continue
            square, slope = (ahead + behind) / 2, (ahead - behind) / 2
            if square and slope:
                made |= {n: point[n] - slope / square * step[n] for n in names if n != name}
                break
    return made


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
    """A witness, if the kernel accepts the point as one and both sides are defined there; and whether the point meets
    the conditions."""
    witness, met, _ = _look(statement, values)
    return witness, met


def _look(statement: Statement, values: Mapping[str, Fraction]) -> tuple[Witness | None, bool, bool]:
    """The same, and whether a side is surely not defined there."""
    instance = _instance(values)
    try:
        refutes(statement, Witness(instance))
    except KernelError as error:
        unmet = ("does not meet assumption", "conditions do not surely hold")
        return None, not any(text in str(error) for text in unmet), False
    if any(undefined(side, values) for f in _formulas(statement.claim) for side in sides(f)):
        return None, True, True
    return Witness(instance), True, False


def undefined(expression: Scalar, values: Mapping[str, Fraction]) -> bool:
    """Whether an expression surely has no value at a point."""
    try:
        with precision(PRECISION):
            evaluate(expression, values)
    except UndefinedError as error:
        return error.surely
    return False


def _instance(values: Mapping[str, Fraction]) -> Instance:
    return Instance(variables=tuple(sorted(values.items())))


def _simpler(
    statement: Statement, witness: Witness, names: Sequence[str], solved: Mapping[str, Scalar], budget: Budget
) -> Witness:
    values = {name: x for name, x in witness.instance.variables if name in names}
    changed = True
    while changed:
        changed = False
        for name in names:
            x = values[name]
            options = [Fraction(y) for y in (0, 1, -1, 2, -2)]
            finer = [q for q in (1, 2, 3, 4, 10, 100, 1000, 10**4, 10**6) if q < x.denominator]
            options += [Fraction(whole, q) for q in finer for whole in (round(x * q), floor(x * q), ceil(x * q))]
            options += [Fraction(significant(float(x), digits)) for digits in (1, 2, 3, 6) if abs(x) < 10**300]
            for y in options:
                if _weight(y) >= _weight(x) or budget.over:
                    continue
                full = complete({**values, name: y}, solved)
                found, _ = tried_at(statement, full) if full is not None else (None, False)
                if found is not None:
                    values[name], witness, changed = y, found, True
                    break
    return witness


def _weight(x: Fraction) -> tuple[int, int, bool]:
    return x.denominator, abs(x.numerator), x < 0


__all__ = ["Points", "candidates", "complete", "find_point", "floats", "solve_equations", "tried_at"]
