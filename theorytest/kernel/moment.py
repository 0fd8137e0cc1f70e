"""Rules about one time of a flow: what holds then of blocks and letters, and how fast norms move.

What a statement assumes of tensors without naming a time holds at the times in question (see `AtTime`). What holds at
all times may be used there; nothing that holds at such times only is said of others.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtTime,
    Claim,
    Conserved,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Iteration,
    LargestConserved,
    NormRate,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
    Rate,
    RestProduct,
    SameSingularValues,
    SameSize,
    SpectralNorm,
    SquaredSingularValues,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Focus
from theorytest.kernel.rules import Context, bare, conclude, count, only, rule, take, terms
from theorytest.kernel.statement import Derivation
from theorytest.kernel.terms import Term, constant

TIMELESS = (
    Identity,
    Inequality,
    SameSize,
    AtLeast,
    Exactly,
    SpectralNorm,
    Iteration,
    SameSingularValues,
    SquaredSingularValues,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
)


def is_timeless(claim: Claim) -> bool:
    """Whether a claim speaks of tensors as they are, not of how they move."""
    return all(map(is_timeless, claim.claims)) if isinstance(claim, All) else isinstance(claim, TIMELESS)


def present(premise: Claim, flow: Flow) -> Claim:
    """What a premise says of the time in question."""
    if isinstance(premise, Always | AtTime):
        if premise.motion != flow:
            raise KernelError("a premise is about another flow, or is seen through another focus")
        return premise.claim
    if not is_timeless(premise):
        raise KernelError(f"{type(premise).__name__} says nothing about one time")
    return premise


def require_one_flow(flow: Flow) -> None:
    """Raise where named blocks have speeds of their own: every choice of the named members is then another flow, and
    what is said of each choice is not said of one flow."""
    if flow.speeds:
        raise KernelError("what holds for all members holds along one flow only if no block has a speed of its own")


def same(one: Term, other: Term) -> bool:
    """Whether two terms have the same free indices and the same normal form."""
    return one.normal() == other.normal()


def reads(claim: Claim, needed: Identity | Inequality) -> bool:
    """Whether a claim is the needed one, up to normal forms (and the free indices of a side that is 0)."""
    if type(claim) is not type(needed) or getattr(claim, "relation", "=") != getattr(needed, "relation", "="):
        return False
    pairs = zip(terms(only(claim, type(needed))), terms(needed), strict=True)
    return all(same(one, other) or (one.is_zero and other.is_zero) for one, other in pairs)


def at_least_zero(value: Term, relation: str = "<=") -> Inequality:
    """0 <= value, or 0 < value."""
    return Inequality(Term(value.free, ()), relation, value)


# -- from facts to facts -----------------------------------------------------------------------------------------------


def _replay(context: Context, hypotheses: tuple[Claim, ...], derivation: Derivation) -> Claim:
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
    if len(found) == len(hypotheses):
        raise KernelError("the inner derivation is empty")
    return found[-1]


@rule("at-time")
def at_time(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What follows from facts about one time holds at that time. Premises: claims at all times or at that time, and
    assumptions on tensors. Data: the flow, and the derivation from what the premises say of that time."""
    flow, derivation = take(data, Flow, Derivation)
    last = _replay(context, tuple(present(premise, flow) for premise in premises), derivation)
    if not is_timeless(last):
        raise KernelError("the inner derivation must end in a claim about one time")
    return AtTime(last, flow)


@rule("at-all-times")
def at_all_times(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What follows from facts that hold at all times of a flow holds at all its times."""
    flow, derivation = take(data, Flow, Derivation)
    facts = tuple(present(only(premise, Always), flow) for premise in premises)
    last = _replay(context, facts, derivation)
    if not isinstance(last, Identity | Inequality):
        raise KernelError("the inner derivation must end in an identity or an inequality")
    return Always(last, flow)


@rule("square-root")
def square_root(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 <= b and a^2 <= b^2 give a <= b; 0 <= a, 0 <= b and a^2 = b^2 give a = b. Data: the goal."""
    (goal,) = data if len(data) == 1 else (None,)
    if not isinstance(goal, Identity | Inequality) or getattr(goal, "relation", "<=") != "<=":
        raise KernelError("the goal must be a <= b or a = b")
    a, b = terms(goal)
    if isinstance(goal, Identity):
        needed = (at_least_zero(a), at_least_zero(b), Identity(a * a, b * b))
    else:
        needed = (at_least_zero(b), Inequality(a * a, "<=", b * b))
    _require(premises, needed)
    return goal


def _require(premises: tuple[Claim, ...], needed: tuple[Identity | Inequality, ...]) -> None:
    count(premises, len(needed))
    for premise, claim in zip(premises, needed, strict=True):
        if not reads(premise, claim):
            raise KernelError(f"a premise must read {claim.lhs} {getattr(claim, 'relation', '=')} {claim.rhs}")


@rule("both-ways")
def both_ways(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """a <= b and b <= a give a = b."""
    count(premises, 2)
    take(data)
    a, b = terms(only(premises[0], Inequality))
    _require(premises, (Inequality(a, "<=", b), Inequality(b, "<=", a)))
    return Identity(a, b)


@rule("size-positive")
def size_positive(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A size, as a number, is positive: every index has at least one value. Data: the size."""
    count(premises, 0)
    (size,) = take(data, str)
    return at_least_zero(constant(1, ("_n", size)).sum("_n"), "<")


@rule("product-of-signs")
def product_of_signs(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """a <= b and c <= d give 0 <= (b - a) (d - c)."""
    count(premises, 2)
    take(data)
    (a, b), (c, d) = (terms(only(premise, Inequality)) for premise in premises)
    return at_least_zero((b - a) * (d - c))


@rule("cancel")
def cancel(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u and u a <= u b give a <= b. Premises in this order; data: u, and the goal a <= b."""
    u, goal = take(data, Term, Inequality)
    a, b = terms(goal)
    _require(premises, (at_least_zero(u, "<"), Inequality(u * a, goal.relation, u * b)))
    return goal


# -- norms that move ---------------------------------------------------------------------------------------------------


@rule("norm-rate")
def norm_rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Where q = ν^2 with ν > 0 and d/dt q = 2 ν ρ, the derivative of the square root of q is ρ (chain rule).

    Premises: the rate of q along a flow; at the time in question, 0 < ν, ν^2 = q, and 2 ν ρ = d/dt q. Data: ν, ρ.
    """
    count(premises, 4)
    norm, rho = take(data, Term, Term)
    moved = only(premises[0], Rate)
    if not isinstance(moved.motion, Flow):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise KernelError("a flow was needed")
    if norm.free != moved.quantity.free or rho.free != moved.quantity.free:
        raise KernelError("the norm and its rate need the free indices of the quantity")
    needed = (at_least_zero(norm, "<"), Identity(norm * norm, moved.quantity), Identity(norm * rho * 2, moved.rate))
    _require(tuple(present(premise, moved.motion) for premise in premises[1:]), needed)
    return NormRate(moved.quantity, "=", rho, moved.motion)


def _exact(premise: Claim) -> NormRate:
    claim = only(premise, NormRate)
    if claim.relation != "=" or claim.factor != constant(1):
        raise KernelError("the first premise must be the derivative itself: relation =, factor 1")
    return claim


@rule("norm-rate-compared")
def norm_rate_compared(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A derivative that is known is compared with another term: premises d/dt norm = ρ, and at that time φ ρ = b,
    φ ρ <= b or b <= φ ρ. Data: the goal, φ d/dt norm = b, <= b or >= b."""
    count(premises, 2)
    (goal,) = take(data, NormRate)
    known = _exact(premises[0])
    if goal.motion != known.motion or not same(goal.square, known.square):
        raise KernelError("the goal must be about the same norm along the same flow")
    left, right = goal.factor * known.rate, goal.rate
    needed = {
        "=": Identity(left, right),
        "<=": Inequality(left, "<=", right),
        ">=": Inequality(right, "<=", left),
    }[goal.relation]
    _require((present(premises[1], known.motion),), (needed,))
    return goal


@rule("norm-rate-meets")
def norm_rate_meets(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Where d/dt norm = ρ, and φ d/dt norm is assumed to be = b, <= b or >= b, then φ ρ is so compared with b."""
    count(premises, 2)
    take(data)
    known, assumed = _exact(premises[0]), only(premises[1], NormRate)
    if assumed.motion != known.motion or not same(assumed.square, known.square):
        raise KernelError("both premises must be about the same norm along the same flow")
    left, right = assumed.factor * known.rate, assumed.rate
    if assumed.relation == "=":
        return AtTime(Identity(left, right), known.motion)
    pair = (left, right) if assumed.relation == "<=" else (right, left)
    return AtTime(Inequality(pair[0], "<=", pair[1]), known.motion)


# -- families ----------------------------------------------------------------------------------------------------------


@rule("rest-product")
def rest_product(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Products over the other modes of factors that are equal at every mode, at all times, are equal. Premises: the two
    products, and that their factors are always equal (along one flow, in which no block has a speed of its own)."""
    count(premises, 3)
    take(data)
    one, other = only(premises[0], RestProduct), only(premises[1], RestProduct)
    equal = only(premises[2], Always)
    if not one.motion == other.motion == equal.motion:
        raise KernelError("all premises must be about one flow, seen through one focus")
    require_one_flow(one.motion)
    if len(one.motion.focus.modes) != 1 or one.motion.focus.links:
        raise KernelError("the focus must name one mode and nothing else")
    if one.factor.free != other.factor.free or one.product.free != other.product.free:
        raise KernelError("the two factors, and the two products, need the same free index")
    if not reads(equal.claim, Identity(one.factor, other.factor)):
        raise KernelError("the third premise must be that the factors are equal")
    return AtTime(Identity(one.product, other.product), one.motion)


@rule("largest-conserved")
def largest_conserved(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The largest of the absolute values of conserved quantities does not change: none of them does (along one flow, in
    which no block has a speed of its own)."""
    take(data)
    laws = tuple(only(premise, Conserved) for premise in premises)
    plain = [dataclasses.replace(law.motion, focus=Focus()) for law in laws if isinstance(law.motion, Flow)]
    if len(plain) != len(laws) or len(set(plain)) != 1:
        raise KernelError("conservation laws along one flow (seen through any focus) were needed")
    require_one_flow(plain[0])
    return LargestConserved(laws)
