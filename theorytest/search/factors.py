"""How far a factor in an inequality between tensors can be moved until an exact instance refutes it.

Inequalities between tensor terms at one time of a flow, bounds of the rate of a norm, and thresholds of truncations are
varied as a whole: one factor before the right side. The instances are those of the search for witnesses; the kernel
decides at each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from theorytest.kernel.claim import All, AtTime, Claim, Inequality, NormRate, SliceTruncation
from theorytest.kernel.errors import KernelError
from theorytest.kernel.statement import Statement, Witness
from theorytest.kernel.terms import Term
from theorytest.kernel.witness import refutes, require_assumptions
from theorytest.search.budget import Budget
from theorytest.search.witness import ATTEMPTS, proposals

STEPS = tuple(Fraction(x) for x in ("0.9999", "0.999", "0.99", "0.9", "0.75", "0.5", "0.25", "0.1", "0.01"))
INSTANCES = 12  # at each shape, that meet the assumptions


@dataclass(frozen=True)
class Varied:
    """One inequality of a statement: which part of its claim; the side that gets a factor, if it is a term; whether the
    claim bounds from above; and the claim with a factor."""

    part: str
    side: Term | None
    above: bool
    at: Callable[[Fraction], Claim]


def inequalities(claim: Claim, part: str = "") -> list[Varied]:
    """The inequalities between tensors in a claim."""
    match claim:
        case All(claims):
            return [v for k, c in enumerate(claims, 1) for v in inequalities(c, f"{part}{k}.")]
        case AtTime(inner, motion):
            inside = inequalities(inner, part)
            return [replace(v, at=lambda f, v=v: AtTime(v.at(f), motion)) for v in inside]
        case Inequality(Term() as lhs, "<=", Term() as rhs):
            if lhs.is_zero or rhs.is_zero:
                return []  # a sign has no factor
            return [Varied(part.rstrip("."), rhs, True, lambda f: Inequality(lhs, "<=", f * rhs))]
        case NormRate(_, ("<=" | ">=") as relation, rate) if not rate.is_zero:
            return [Varied(part.rstrip("."), rate, relation == "<=", lambda f: replace(claim, rate=f * rate))]
        case SliceTruncation():
            return [Varied(part.rstrip("."), None, False, lambda f: replace(claim, factor=f * claim.factor))]
        case _:
            return []


@dataclass(frozen=True)
class Factor:
    """better: "smaller" or "larger", the direction in which the statement gets stronger; refuted: the factor nearest
    to 1 that an exact instance refutes (None where none of those tried is), with the instance and the varied
    statement; instances: how many that meet the assumptions were looked at."""

    better: str
    refuted: Fraction | None
    witness: Witness | None
    statement: Statement | None
    instances: int


def factors(statement: Statement, varied: Varied, seed: int, budget: Budget) -> list[Factor]:
    """The best factors of one inequality of a statement: in the direction that is stronger for a side that is not
    negative, and in the other one where an exact instance refutes that too (the side may have any sign)."""
    fixed = [] if isinstance(statement.claim, SliceTruncation) else list(_instances(statement, seed, budget))
    usual = "smaller" if varied.above else "larger"
    found: list[Factor] = []
    for better in (usual, *(["larger" if varied.above else "smaller"] if varied.side is not None else [])):
        found.append(_factor(statement, varied, better, fixed, seed, budget))
    refuted = [one for one in found if one.refuted is not None]
    return refuted or found[:1]


def _factor(
    statement: Statement, varied: Varied, better: str, fixed: list[Witness], seed: int, budget: Budget
) -> Factor:
    for step in STEPS:
        wanted = step if better == "smaller" else 1 / step
        made = replace(statement, label=f"{statement.label}/sharper", claim=varied.at(wanted), example=None)
        for witness in fixed or islice(proposals(made, seed), ATTEMPTS):
            if budget.over:
                return Factor(better, None, None, None, len(fixed))
            try:
                refutes(made, witness)
            except KernelError:
                continue
            return Factor(better, wanted, witness, made, len(fixed))
    return Factor(better, None, None, None, len(fixed))


def _instances(statement: Statement, seed: int, budget: Budget) -> Iterator[Witness]:
    found: dict[Any, int] = {}
    for witness in islice(proposals(statement, seed), 4 * ATTEMPTS):
        place = witness.instance.sizes
        if budget.left < budget.seconds / 2:
            return
        if found.get(place, 0) == INSTANCES:
            continue
        try:
            require_assumptions(statement, witness.instance)
        except KernelError:
            continue
        found[place] = found.get(place, 0) + 1
        yield witness


__all__ = ["Factor", "Varied", "factors", "inequalities"]
