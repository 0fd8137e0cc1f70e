"""How sharp a bound is: every term of an inequality gets a factor, and the best factor is looked for.

An inequality lhs <= rhs between real variables is a sum of terms; with a factor k before one of them it is rest + k T
>= 0. It holds at a point with T > 0 for k >= -rest / T, and where T < 0 for k <= -rest / T. The largest (least) of
these numbers over all points that meet the conditions is the best factor; the bound is sharp in this term if it is 1.
What is found in float64 is an estimate. That no factor is better by a stated amount is shown by the kernel, at an exact
point. That a better factor is true may be proved: by a usual proof, or by a control that its author derives.
Inequalities between tensors are varied as a whole, at exact instances (`theorytest.search.factors`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from theorytest import latex
from theorytest.decision import within
from theorytest.errors import InputError
from theorytest.kernel.analysis import Formula, defining, sides
from theorytest.kernel.claim import All, Claim, Fold, Identity, Inequality, SingularValues, Where
from theorytest.kernel.encoding import encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import ONE, Number, Power, Scalar, Sum, Variable, scalar, substitute, variables
from theorytest.kernel.statement import PROVED, Assumption, Statement, Witness
from theorytest.kernel.terms import Term
from theorytest.search.budget import Budget
from theorytest.search.factors import factors, inequalities
from theorytest.search.points import complete, solve_equations, tried_at
from theorytest.search.projection import floats

BATCH = 40000
MOVES, TRIES, KEPT = 80, 48, 24
STEPS = (
    Fraction(9999, 10000),
    Fraction(999, 1000),
    Fraction(99, 100),
    Fraction(9, 10),
    Fraction(1, 2),
    Fraction(1, 10),
)
DENOMINATORS = (1, 2, 10, 100, 1000, 10**4, 10**6, 10**9)


@dataclass(frozen=True)
class Bound:
    """An inequality under conditions, taken from a statement; part: which of its claims, in words."""

    part: str
    conditions: tuple[Formula, ...]
    claim: Inequality


@dataclass(frozen=True)
class Sharpness:
    """What is known of the factor of one term.

    term: as text; better: "smaller" or "larger", the direction in which the statement gets stronger; seen: the best
    factor that the points seen allow (an estimate); refuted: a factor that the kernel refutes at ``witness`` (None
    where none was), so that no better one is true; proved: a better factor that is proved, if one was, and by: the
    control that says so ("" for a usual proof); point: where the best factor was seen.
    """

    part: str
    term: str
    better: str
    seen: float | None
    refuted: Fraction | None
    witness: Witness | None
    point: tuple[tuple[str, float], ...]
    statement: Statement | None
    proved: Fraction | None = None
    by: str = ""

    @property
    def sharp(self) -> bool:
        """Whether a factor within one part in a hundred of 1 is refuted."""
        return self.refuted is not None and abs(self.refuted - 1) <= Fraction(1, 99)


def bounds(statement: Statement) -> list[Bound]:
    """The inequalities between real variables that a statement makes.

    Inductions over families are taken at two and three members. What a statement says of a flow is not varied: it may
    hold for reasons that its conditions do not show. Raises `InputError` where there is none.
    """
    given: list[Formula] = []
    for assumption in statement.assumptions:
        held = assumption.formula
        for part in held.claims if isinstance(held, All) else (held,):
            if isinstance(part, Identity | Inequality) and not isinstance(part.lhs, Term):
                given.append(part)
    found = _bounds(statement.claim, tuple(given), "")
    if not found:
        raise InputError(f"{statement.label} has no inequality between real variables whose constants could be varied")
    return found


def can_be_varied(statement: Statement) -> bool:
    """Whether there is an inequality between real variables, or between tensors."""
    if inequalities(statement.claim):
        return True
    try:
        return bool(bounds(statement))
    except InputError:
        return False


def rows(label: str, parts: Sequence[Sharpness]) -> list[dict[str, Any]]:
    """What is known of every term, as JSON data; the witness and its statement as the kernel reads them."""
    made: list[dict[str, Any]] = []
    for part in parts:
        made.append(
            {
                "label": label,
                "part": part.part,
                "term": part.term,
                "better": part.better,
                "seen": part.seen,
                "refuted": None if part.refuted is None else str(part.refuted),
                "proved": None if part.proved is None else str(part.proved),
                "by": part.by,
                "sharp": part.sharp,
                "near": dict(part.point),
                "statement": None if part.statement is None else encode(part.statement),
                "witness": None if part.witness is None else encode(part.witness),
            }
        )
    return made


def _bounds(claim: Claim, given: tuple[Formula, ...], part: str) -> list[Bound]:
    match claim:
        case All(claims):
            return [b for k, c in enumerate(claims, 1) for b in _bounds(c, given, f"{part}{k}.")]
        case Where(conditions, inner):
            return _bounds(inner, (*given, *conditions), part)
        case Inequality(lhs, _, _) if not isinstance(lhs, Term):
            return [Bound(part.rstrip("."), given, claim)]
        case Fold():
            return [b for size in (2, 3) for b in _unfolded(claim, given, part, size)]
        case _:
            return []


def _unfolded(claim: Fold, given: tuple[Formula, ...], part: str, size: int) -> list[Bound]:
    """The claims of a family of a given number of members, written out."""
    members = [Variable(f"{claim.member}_{k}") for k in range(1, size + 1)]
    state = {name: substitute(start, claim.member, members[0]) for name, start, _ in claim.state}
    for k in range(1, size):
        now: dict[str, Scalar] = {**state, claim.count: Number(Fraction(k)), claim.member: members[k]}
        state = {name: _put(update, now) for name, _, update in claim.state}
    final: dict[str, Scalar] = {**state, claim.count: Number(Fraction(size))}
    conditions = [_formula(c, {claim.member: member}) for c in claim.conditions for member in members]
    found: list[Bound] = []
    for number, inner in enumerate(claim.claims, 1):
        here = tuple(_formula(c, final) for c in inner.conditions)
        if isinstance(inner.claim, Inequality):
            made = _formula(inner.claim, final)
            assert isinstance(made, Inequality)
            found.append(Bound(f"{part}{number} at N = {size}", (*given, *conditions, *here), made))
    return found


def _put(expression: Scalar, values: Mapping[str, Scalar]) -> Scalar:
    """All values at once: names that the values themselves hold are not put in again."""
    fresh = {name: Variable(f"\N{BULLET}{name}") for name in values}
    for name, held in fresh.items():
        expression = substitute(expression, name, held)
    for name, held in fresh.items():
        expression = substitute(expression, held.name, values[name])
    return expression


def _formula(formula: Formula, values: Mapping[str, Scalar]) -> Formula:
    assert not isinstance(formula.lhs, Term) and not isinstance(formula.rhs, Term)
    return replace(formula, lhs=_put(formula.lhs, values), rhs=_put(formula.rhs, values))


def sharpen(
    statement: Statement, seed: int = 0, *, seconds: float = 60.0, proved: Sequence[Statement] = ()
) -> list[Sharpness]:
    """How sharp every term of every inequality of a statement is. proved: variants of the statement that are proved;
    they are cited where they have a better factor.

    Raises `InputError` where the statement has no inequality that could be varied.
    """
    tensors = inequalities(statement.claim)
    if tensors:
        return _tensors(statement, seed, seconds)
    listed = [(b, side, k) for b in bounds(statement) for side in ("lhs", "rhs") for k in range(len(_terms(b, side)))]
    found: list[Sharpness] = []
    until = time.monotonic() + seconds
    for number, (bound, side, k) in enumerate(listed):
        left = (until - time.monotonic()) / (len(listed) - number)
        for part in _sharpness(statement, bound, side, k, seed, max(1.0, left)):
            found.append(_cited(part, bound, side, k, proved))
    return found


def _tensors(statement: Statement, seed: int, seconds: float) -> list[Sharpness]:
    """How sharp the inequalities between tensors are, each as a whole."""
    found: list[Sharpness] = []
    until = time.monotonic() + seconds
    varied = inequalities(statement.claim)
    for number, one in enumerate(varied):
        budget = Budget(max(1.0, (until - time.monotonic()) / (len(varied) - number)))
        term = "" if one.side is None else latex.side(one.side)
        for best in factors(statement, one, seed, budget):
            seen = None if best.refuted is None else round(float(best.refuted), 2)
            found.append(Sharpness(one.part, term, best.better, seen, best.refuted, best.witness, (), best.statement))
    return found


def _cited(part: Sharpness, bound: Bound, side: str, place: int, proved: Sequence[Statement]) -> Sharpness:
    """With the better factor that a proved variant has in this term and in no other."""
    sign = 1 if part.better == "smaller" else -1
    for variant in proved:
        for other in bounds(variant) if can_be_varied(variant) else ():
            if other.part != bound.part or other.conditions != bound.conditions:
                continue
            held = _ratio(bound, other, side, place)
            if held is not None and sign * held < sign * (part.proved or Fraction(1)):
                part = replace(part, proved=held, by=variant.label)
    return part


def _ratio(bound: Bound, other: Bound, side: str, place: int) -> Fraction | None:
    """The rational factor by which one term of an inequality differs in another, where all other terms are the same;
    its value is read off float64 and has to be the same at many points."""
    ours, theirs = (_terms(b, side) for b in (bound, other))
    if len(ours) == 1:
        theirs = (getattr(other.claim, side),)  # the whole side, however it is written
    rest = "lhs" if side == "rhs" else "rhs"
    same = getattr(bound.claim, rest) == getattr(other.claim, rest) and len(ours) == len(theirs)
    if not same or any(a != b for k, (a, b) in enumerate(zip(ours, theirs, strict=True)) if k != place):
        return None
    names = sorted(variables(ours[place]) | variables(theirs[place]))
    draw = np.random.default_rng(0)
    values = {name: np.abs(draw.standard_normal(100)) for name in names}
    with np.errstate(all="ignore"):
        ratios = np.broadcast_to(floats(theirs[place], values) / floats(ours[place], values), 100)
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios) or float(np.ptp(ratios)) > 1e-12 * abs(float(ratios[0])):
        return None
    held = Fraction(float(ratios[0])).limit_denominator(1000)
    return held if abs(held - Fraction(float(ratios[0]))) < Fraction(1, 10**10) else None


def _terms(bound: Bound, side: str) -> tuple[Scalar, ...]:
    held = getattr(bound.claim, side)
    if held == Number(Fraction(0)):
        return ()
    return held.parts if isinstance(held, Sum) else (held,)


def _scaled(bound: Bound, side: str, place: int, factor: Scalar) -> Inequality:
    """The inequality with a factor before one term."""
    terms = _terms(bound, side)
    total: Scalar = Number(Fraction(0))
    for k, part in enumerate(terms):
        total = total + (factor * part if k == place else part)
    return replace(bound.claim, **{side: total})


def _sharpness(statement: Statement, bound: Bound, side: str, place: int, seed: int, seconds: float) -> list[Sharpness]:
    until = time.monotonic() + seconds
    conditions, solved = _rational(bound.conditions)
    zero = _scaled(bound, side, place, Number(Fraction(0)))
    term = _terms(bound, side)[place]
    assert not isinstance(zero.lhs, Term) and not isinstance(zero.rhs, Term)
    gap = (zero.lhs, zero.rhs)
    sign = 1 if side == "rhs" else -1
    every = (*(s for f in conditions for s in sides(f)), *gap, term, *solved.values())
    names = sorted(set[str]().union(*map(variables, every)) - set(solved))
    found: list[Sharpness] = []
    for direction in (1, -1):  # where the coefficient of the factor is positive the factor has to be large enough
        best = _best(names, solved, conditions, gap, term, sign, direction, seed)
        if best is None:
            continue
        factor, point = best
        if direction * (factor - 1) > 1e-6:
            return []  # at this point the statement itself fails: its assumptions say more than the conditions here
        better = "smaller" if direction > 0 else "larger"
        refuted, witness, varied = _refuted(statement, bound, side, place, solved, factor, direction, point, until)
        shown = tuple(sorted(point.items()))
        proved = _proved(statement, bound, side, place, factor, direction, until) if refuted is not None else None
        found.append(Sharpness(bound.part, latex.side(term), better, factor, refuted, witness, shown, varied, proved))
    return found


def _proved(
    statement: Statement, bound: Bound, side: str, place: int, factor: float, direction: int, until: float
) -> Fraction | None:
    """A factor between the one seen and 1 for which a usual proof goes through."""
    from theorytest.derive.automatic import prove
    from theorytest.kernel.check import check

    for denominator in (4, 20, 100):
        wanted = Fraction(factor).limit_denominator(denominator)
        slack = direction * (wanted - Fraction(factor))
        if slack < -Fraction(1, 10**6) or direction * (1 - wanted) < Fraction(1, 100) or time.monotonic() > until:
            continue
        varied = replace(
            statement,
            label=f"{statement.label}/better",
            claim=Where(bound.conditions, _scaled(bound, side, place, scalar(wanted))),
            assumptions=(),
            example=None,
        )
        certificate, _ = within(min(3.0, until - time.monotonic()), lambda varied=varied: prove(varied)) or (None, "")
        if certificate is not None and check(varied, certificate, {}).status == PROVED:
            return wanted
    return None


def _rational(conditions: tuple[Formula, ...]) -> tuple[tuple[Formula, ...], dict[str, Scalar]]:
    """Conditions that a search can meet, and variables that it need not draw.

    Singular values of a 2x2 matrix are drawn, with two rotations (rational in the tangents of half their angles), and
    the matrix is computed from them: so they are exact.
    """
    solved: dict[str, Scalar] = {}
    for formula in conditions:
        matrix, values = _singular(formula)
        if matrix is None or not set(defining(SingularValues(matrix, values))) <= set(conditions):
            continue
        (a, b), (c, d) = _rotation("s"), _rotation("t")
        one, two = values
        entries = (
            a * c * one + b * d * two,
            a * d * one - b * c * two,
            b * c * one - a * d * two,
            b * d * one + a * c * two,
        )
        for cell, entry in zip((matrix[0][0], matrix[0][1], matrix[1][0], matrix[1][1]), entries, strict=True):
            assert isinstance(cell, Variable)
            solved[cell.name] = entry
    kept = tuple(f for f in conditions if not (isinstance(f, Identity) and solved and _singular(f)[0] is not None))
    kept = tuple(f for f in kept if not (solved and isinstance(f, Identity) and _product(f)))
    return kept, {**solve_equations(kept), **solved} if solved else solve_equations(kept)


def _rotation(name: str) -> tuple[Scalar, Scalar]:
    t = Variable(f"half angle {name}")
    below = (ONE + t**2) ** -1
    return (ONE - t**2) * below, 2 * t * below


def _singular(formula: Formula) -> tuple[Any, Any]:
    """The matrix and the singular values of an equation s1^2 + s2^2 = a^2 + b^2 + c^2 + d^2 between variables."""
    if not isinstance(formula, Identity) or isinstance(formula.lhs, Term) or isinstance(formula.rhs, Term):
        return None, None
    left, right = _squared(formula.lhs), _squared(formula.rhs)
    if left is None or right is None or len(left) != 2 or len(right) != 4:
        return None, None
    return ((right[0], right[1]), (right[2], right[3])), (left[0], left[1])


def _squared(expression: Scalar) -> list[Variable] | None:
    parts = expression.parts if isinstance(expression, Sum) else (expression,)
    found = [p.base for p in parts if isinstance(p, Power) and p.exponent == 2 and isinstance(p.base, Variable)]
    return found if len(found) == len(parts) else None


def _product(formula: Identity) -> bool:
    """s1^2 s2^2 = (a d - b c)^2, which goes with the other equation."""
    from theorytest.kernel.scalar import Times

    lhs = formula.lhs
    return isinstance(lhs, Times) and all(isinstance(p, Power) and p.exponent == 2 for p in lhs.parts)


def _best(
    names: Sequence[str],
    solved: Mapping[str, Scalar],
    conditions: Sequence[Formula],
    gap: tuple[Scalar, Scalar],
    term: Scalar,
    sign: int,
    direction: int,
    seed: int,
) -> tuple[float, dict[str, float]] | None:
    """The extreme factor over random points, moved about while that makes it more extreme."""
    if not names:
        return None
    draw = np.random.default_rng(Random(f"{seed}/{names}/{term}/{direction}").getrandbits(48))

    def value(points: Any) -> Any:
        """direction * the factor that a point asks for; minus infinity where it asks for none."""
        values: dict[str, Any] = {name: points[k] for k, name in enumerate(names)}
        with np.errstate(all="ignore"):
            for name, expression in solved.items():
                values[name] = floats(expression, values)
            met = np.ones(points.shape[1], dtype=bool)
            for formula in conditions:
                lhs, rhs = (floats(s, values) for s in sides(formula))
                strict = isinstance(formula, Inequality) and formula.relation == "<"
                met &= (
                    (np.abs(rhs - lhs) <= 1e-9)
                    if isinstance(formula, Identity)
                    else (rhs > lhs if strict else rhs >= lhs)
                )
            coefficient = sign * np.broadcast_to(floats(term, values), points.shape[1])
            rest = floats(gap[1], values) - floats(gap[0], values)
            asked = -rest / coefficient
            fine = met & np.isfinite(asked) & (coefficient * direction > 0)
        return np.where(fine, direction * asked, -np.inf)

    scales = 10.0 ** draw.uniform(-3, 3, BATCH)
    points = scales * draw.standard_normal((len(names), BATCH))
    # All positive, all but one positive, any signs.
    points[:, ::4], points[:, 1::4] = np.abs(points[:, ::4]), np.abs(points[:, 1::4])
    columns = np.arange(1, BATCH, 4)
    points[draw.integers(0, len(names), len(columns)), columns] *= -1
    points[:, ::3] *= 10.0 ** draw.uniform(-2, 2, points[:, ::3].shape)
    # Extremes lie where variables are equal, or 0, more often than chance has it.
    for column in range(0, BATCH, 5):
        group = draw.random(len(names)) < 0.5
        points[group, column] = np.copysign(points[:, column][group][:1], points[group, column])
    points[draw.random(points.shape) < 0.05] = 0.0
    score = value(points)
    if not np.isfinite(score).any():
        return None
    order = np.argsort(-score)[:KEPT]
    held, high = points[:, order], score[order]
    for step in range(MOVES):
        size = 0.8 * 0.82**step if step < 60 else 1e-6
        noise = draw.standard_normal((len(names), len(order), TRIES))
        noise *= draw.random((len(names), 1, TRIES)) < 0.6
        moved = held[:, :, None] * np.exp(size * noise)
        found = value(moved.reshape(len(names), -1)).reshape(len(order), TRIES)
        best = found.argmax(1)
        rows = np.arange(len(order))
        better = found[rows, best] > high
        held = np.where(better, moved[:, rows, best], held)
        high = np.where(better, found[rows, best], high)
    k = int(high.argmax())
    return direction * float(high[k]), {name: float(held[i, k]) for i, name in enumerate(names)}


def _refuted(
    statement: Statement,
    bound: Bound,
    side: str,
    place: int,
    solved: Mapping[str, Scalar],
    factor: float,
    direction: int,
    point: Mapping[str, float],
    until: float,
) -> tuple[Fraction | None, Witness | None, Statement | None]:
    """The best factor that the kernel refutes at an exact point near the one seen."""
    if not 1e-9 < abs(factor) < 1e9:
        return None, None, None
    assumptions = tuple(Assumption(f"condition {k}", "", c) for k, c in enumerate(bound.conditions))
    for step in STEPS:
        wanted = Fraction(factor).limit_denominator(10**6) * (step if (factor > 0) == (direction > 0) else 1 / step)
        claim = _scaled(bound, side, place, scalar(wanted))
        varied = replace(
            statement, label=f"{statement.label}/sharper", claim=claim, assumptions=assumptions, example=None
        )
        for denominator in DENOMINATORS:
            if time.monotonic() > until:
                return None, None, None
            values = {n: Fraction(x).limit_denominator(denominator) for n, x in point.items()}
            full = complete(values, solved)
            if full is None:
                continue
            kept = {n: x for n, x in full.items() if n in _named(varied)}
            try:
                witness, _ = tried_at(varied, kept)
            except KernelError:
                continue
            if witness is not None:
                return wanted, witness, varied
    return None, None, None


def _named(statement: Statement) -> set[str]:
    names: set[str] = set()
    for formula in (statement.claim, *(a.formula for a in statement.assumptions)):
        if isinstance(formula, Identity | Inequality) and not isinstance(formula.lhs, Term):
            assert not isinstance(formula.rhs, Term)
            names |= variables(formula.lhs) | variables(formula.rhs)
    return names


__all__ = ["Bound", "Sharpness", "bounds", "can_be_varied", "rows", "sharpen"]
