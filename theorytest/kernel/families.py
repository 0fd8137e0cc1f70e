"""Families of numbers of any size: induction over their members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from theorytest.kernel.analysis import Formula, sides
from theorytest.kernel.claim import Claim, Fold, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.order import dichotomy
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.scalar import (
    ONE,
    Exp,
    Number,
    Power,
    Scalar,
    Sum,
    Times,
    Variable,
    children,
    rebuild,
    variables,
)


def put(expression: Scalar, values: Mapping[str, Scalar]) -> Scalar:
    """Put expressions in the places of variables, all at once; nothing is simplified."""
    if isinstance(expression, Variable):
        return values.get(expression.name, expression)
    return rebuild(expression, tuple(put(part, values) for part in children(expression)))


def put_in(formula: Formula, values: Mapping[str, Scalar]) -> Formula:
    """The same for both sides of a formula."""
    lhs, rhs = (put(side, values) for side in sides(formula))
    return type(formula)(lhs, formula.relation, rhs) if isinstance(formula, Inequality) else type(formula)(lhs, rhs)


def states(fold: Fold) -> tuple[dict[str, Scalar], dict[str, Scalar]]:
    """What the state and the count become: at the first member, and with one more."""
    first: dict[str, Scalar] = {name: start for name, start, _ in fold.state}
    after: dict[str, Scalar] = {name: update for name, _, update in fold.state}
    return first | {fold.count: ONE}, after | {fold.count: Variable(fold.count) + 1}


def at_least_one(fold: Fold) -> Inequality:
    """1 <= N."""
    return Inequality(ONE, "<=", Variable(fold.count))


def _names(formulas: Iterable[Formula]) -> set[str]:
    return set[str]().union(*(variables(side) for formula in formulas for side in sides(formula)))


def _defined_everywhere(expression: Scalar) -> bool:
    """Whether an expression is a polynomial in variables and exponentials of such: defined at all their values."""
    match expression:
        case Number() | Variable():
            return True
        case Sum(parts) | Times(parts):
            return all(map(_defined_everywhere, parts))
        case Power(base, exponent):
            return exponent.denominator == 1 and exponent >= 0 and _defined_everywhere(base)
        case Exp(argument):
            return _defined_everywhere(argument)
        case _:
            return False


def _formula(where: Where) -> Formula:
    sides(where.claim)
    return cast("Formula", where.claim)


def require_well_formed(fold: Fold) -> None:
    """Raise unless the state is given by polynomials, and every part speaks only of what it may speak of."""
    named = [name for name, _, _ in fold.state]
    moving = {*named, fold.count}
    if len({*named, fold.count, fold.member}) != len(named) + 2:
        raise KernelError("member, count and state variables need different names")
    for name, start, update in fold.state:
        if not _defined_everywhere(start) or not _defined_everywhere(update):
            raise KernelError(f"start and update of {name} must be polynomials")
        if variables(start) & moving:
            raise KernelError(f"the start of {name} may speak of the member and of fixed variables only")
    if _names(fold.conditions) & moving:
        raise KernelError("a condition may speak of the member and of fixed variables only")
    if fold.member in _names([*map(_formula, fold.claims), *(c for claim in fold.claims for c in claim.conditions)]):
        raise KernelError("a claim may not speak of the member")


@rule("fold")
def fold(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Induction over the members of a family. Data: the claim, whose parts have conditions on fixed variables only.

    Premises, for each part in order: it holds at the first member, and it holds with one more member. Both may use the
    conditions on the member and the part's own conditions; the second may use 1 <= N and, for the state before, the
    part itself and every other part whose conditions are among its own. (These conditions speak of fixed variables, so
    that where they hold for N + 1 members they held for N: the state before then meets all these parts.)
    """
    (goal,) = take(data, Fold)
    require_well_formed(goal)
    moving = {name for name, _, _ in goal.state} | {goal.count}
    if any(_names(part.conditions) & moving for part in goal.claims):
        raise KernelError("in an induction the conditions of a part may speak of fixed variables only")
    if not goal.claims:
        raise KernelError("there is nothing to show")
    count(premises, 2 * len(goal.claims))
    first, after = states(goal)
    for place, part in enumerate(goal.claims):
        formula = _formula(part)
        base, step = (only(premise, Where) for premise in premises[2 * place : 2 * place + 2])
        allowed = {*goal.conditions, *part.conditions}
        before = {_formula(other) for other in goal.claims if set(other.conditions) <= set(part.conditions)}
        _require(base, put_in(formula, first), allowed, "the first member")
        _require(step, put_in(formula, after), allowed | before | {at_least_one(goal)}, "one more member")
    return goal


def _require(shown: Where, needed: Formula, allowed: set[Formula], what: str) -> None:
    if shown.claim != needed:
        raise KernelError(f"at {what}: {needed.lhs} {getattr(needed, 'relation', '=')} {needed.rhs} was needed")
    if not set(shown.conditions) <= allowed:
        raise KernelError(f"at {what}: a condition is neither one of the family nor known of the state before")


@rule("fold-consequence")
def fold_consequence(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What follows from the claims about a state, whatever the members are, holds of the state.

    Premises: the claim about the family, and formulas under conditions. A condition is one of the parts (the conditions
    of that part are added), or 1 <= N, or a condition of the family that speaks of fixed variables only (there is a
    member, so it holds), or else it is kept as a condition of the new part.
    """
    take(data)
    if len(premises) < 2:
        raise KernelError("a claim about a family, and what follows, were needed")
    known = only(premises[0], Fold)
    fixed = {condition for condition in known.conditions if known.member not in _names([condition])}
    parts: list[Where] = []
    for premise in premises[1:]:
        where = only(premise, Where)
        kept: list[Formula] = []
        for condition in where.conditions:
            found = [part.conditions for part in known.claims if part.claim == condition]
            met = condition == at_least_one(known) or condition in fixed
            kept += found[0] if found else () if met else (condition,)
        parts.append(Where(tuple(dict.fromkeys(kept)), where.claim))
    made = Fold(known.member, known.count, known.state, known.conditions, tuple(parts))
    require_well_formed(made)
    return made


@rule("fold-cases")
def fold_cases(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Parts that hold where u <= v and where v < u hold in any case (see "dichotomy"). Premise: a claim about a family
    whose parts come in such pairs, one after the other. Data: u <= v, between polynomials."""
    count(premises, 1)
    known = only(premises[0], Fold)
    (bound,) = take(data, Inequality)
    if len(known.claims) % 2 or not all(map(_defined_everywhere, sides(bound))):
        raise KernelError("pairs of parts, and a bound between polynomials, were needed")
    defined = tuple(Where((), Identity(side, side)) for side in sides(bound))
    pairs = zip(known.claims[::2], known.claims[1::2], strict=True)
    parts = tuple(dichotomy(context, (*pair, *defined), (bound,)) for pair in pairs)
    return Fold(known.member, known.count, known.state, known.conditions, tuple(only(part, Where) for part in parts))
