"""Claims about every state of a model: how they fail at one, and how they follow from claims about real variables."""

from __future__ import annotations

from typing import Any

from theorytest.kernel.analysis import Formula
from theorytest.kernel.ball import Value, ball, precision
from theorytest.kernel.claim import AlongEveryFlow, AtEveryState, Claim, Identity, Inequality, TendsToEqual, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Concrete, Parameterization
from theorytest.kernel.quantity import Comparison, State, both_sides, exact_state, holds, written_out
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.statement import Instance


def state_of(parameterization: Parameterization, instance: Instance) -> State:
    """The state that an instance gives: its sizes and blocks."""
    sizes = dict(instance.sizes)
    if len(sizes) != len(instance.sizes) or len(dict(instance.blocks)) != len(instance.blocks):
        raise KernelError("an instance gives two values for one size or block")
    return exact_state(parameterization.at(sizes), dict(instance.blocks))


def written_at(parameterization: Parameterization, sizes: tuple[tuple[str, Any], ...]) -> Concrete:
    """A model at the sizes of a claim, each of which has one value."""
    if len(dict(sizes)) != len(sizes):
        raise KernelError("a claim gives two values for one size")
    return parameterization.at(dict(sizes))


def has_sizes(sizes: tuple[tuple[str, Any], ...], instance: Instance) -> None:
    """Raise unless the instance has the sizes that a claim fixes."""
    given = dict(instance.sizes)
    wrong = [name for name, size in sizes if name not in given or given[name] != size]
    if wrong:
        raise KernelError(f"the claim is about other sizes {', '.join(wrong)}")


def fails(formula: Comparison, claim: Claim, instance: Instance, bits: int) -> str:
    """Why an assumption about the state (of a flow: at time 0) does not hold at an instance; empty where it does."""
    if not isinstance(claim, AtEveryState | AlongEveryFlow | TendsToEqual):
        raise KernelError("quantities of a state are assumed: of which model, at which time?")
    has_sizes(claim.sizes, instance)
    held = holds(formula, state_of(claim.parameterization, instance), bits)
    return "" if held is True else ("it is false" if held is False else "it is undefined, or undecided by balls")


def violation(claim: AtEveryState, instance: Instance, bits: int) -> str:
    """By how much a claim fails at an instance; raises where it does not surely fail."""
    has_sizes(claim.sizes, instance)
    return gap(claim.claim, state_of(claim.parameterization, instance), bits)


def gap(comparison: Comparison, state: State, bits: int) -> str:
    """How a comparison surely fails at a state; raises `KernelError` where it does not."""
    if holds(comparison, state, bits) is not False:
        raise KernelError("the claim holds at this instance, or is not decided there")
    with precision(bits):
        lhs, rhs = both_sides(comparison, state)
        return f"the left side is {_show(lhs)}, the right side {_show(rhs)}"


def _show(side: Value) -> str:
    return ball(side).str(12) if not hasattr(side, "numerator") else str(side)


@rule("at-every-state")
def at_every_state(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A comparison of polynomial quantities holds at every state of a model with given sizes, where the same comparison
    holds between the polynomials in the entries of its blocks (as real variables), under no other conditions than those
    that the statement assumes of the state. Data: the claim, with all sizes given."""
    count(premises, 1)
    (claim,) = take(data, AtEveryState)
    shown = only(premises[0], Where)
    concrete = written_at(claim.parameterization, claim.sizes)
    if shown.claim != formula(claim.claim, concrete):
        raise KernelError("the premise is not the claim written out in the entries of the blocks")
    assumed = [a.formula for a in context.statement.assumptions if isinstance(a.formula, Comparison)]
    allowed = [formula(comparison, concrete) for comparison in assumed]
    for condition in shown.conditions:
        if condition not in allowed:
            raise KernelError("the premise has a condition that the statement does not assume of the state")
    return claim


def formula(comparison: Comparison, concrete: Concrete) -> Formula:
    """A comparison of polynomial quantities as a formula between real variables, the entries of the blocks."""
    lhs = written_out(comparison.lhs, comparison.atoms, concrete)
    rhs = written_out(comparison.rhs, comparison.atoms, concrete)
    return Identity(lhs, rhs) if comparison.relation == "=" else Inequality(lhs, comparison.relation, rhs)


__all__ = ["at_every_state", "fails", "formula", "gap", "state_of", "violation", "written_at"]
