"""Rules about the order of the real numbers, and one that takes a claim out of several.

Like those of `theorytest.kernel.analysis`, the rules about formulas take and give `Where(conditions, claim)`.
"""

from __future__ import annotations

from typing import Any

from theorytest.kernel.analysis import sides
from theorytest.kernel.claim import All, Claim, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.scalar import Exp, Number, Scalar, Variable


@rule("part")
def part(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Of several claims that hold, each holds. Data: its place."""
    count(premises, 1)
    place: int = take(data, int)[0]
    claims = only(premises[0], All).claims
    if not 0 <= place < len(claims):
        raise KernelError(f"there are {len(claims)} claims, and none at place {place}")
    return claims[place]


@rule("antisymmetry")
def antisymmetry(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """u <= v and v <= u give u = v."""
    count(premises, 2)
    take(data)
    first, second = (only(premise, Where) for premise in premises)
    u, v = sides(first.claim)
    if first.claim != Inequality(u, "<=", v) or second.claim != Inequality(v, "<=", u):
        raise KernelError("premises u <= v and v <= u were needed")
    return Where(tuple(dict.fromkeys((*first.conditions, *second.conditions))), Identity(u, v))


@rule("dichotomy")
def dichotomy(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Of two real numbers u and v, u <= v or v < u (the order is total): a claim that follows in both cases holds.

    Data: u <= v. Premises: the claim where u <= v, the same claim where v <= u or v < u, and formulas that have u and v
    as a side, so that both are defined wherever those formulas hold (a number and a variable always are).
    """
    if len(premises) < 2:
        raise KernelError("one claim in two cases was needed")
    low, high, *defined = (only(premise, Where) for premise in premises)
    (bound,) = take(data, Inequality)
    u, v = sides(bound)
    if bound.relation != "<=" or low.claim != high.claim:
        raise KernelError("two cases of one claim, and a bound u <= v, were needed")
    shown = [side for where in defined for side in sides(where.claim)]
    for side in (u, v):
        if not _always_defined(side) and side not in shown:
            raise KernelError(f"{side} is not known to be defined: it is no side of a premise")
    rest = [c for c in low.conditions if c != bound]
    rest += [c for c in high.conditions if c not in (Inequality(v, "<=", u), Inequality(v, "<", u))]
    rest += [c for where in defined for c in where.conditions]
    return Where(tuple(dict.fromkeys(rest)), low.claim)


def _always_defined(side: Scalar) -> bool:
    return isinstance(side, Number | Variable)


@rule("exp-increasing")
def exp_increasing(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """u <= v gives exp u <= exp v, and u < v gives exp u < exp v."""
    count(premises, 1)
    take(data)
    premise = only(premises[0], Where)
    bound = only(premise.claim, Inequality)
    u, v = sides(bound)
    return Where(premise.conditions, Inequality(Exp(u), bound.relation, Exp(v)))
