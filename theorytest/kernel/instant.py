"""Claims about one time, evaluated exactly at an instance: tensors as they are, and the speed of their norms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import Any

from theorytest.kernel.chains import ChainInduction, the_chain
from theorytest.kernel.claim import (
    All,
    AtLeast,
    AtTime,
    Claim,
    Conserved,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Iteration,
    LastFactor,
    NormRate,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
    RestProduct,
    SameSingularValues,
    SameSize,
    SpectralNorm,
    SquaredSingularValues,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, eaches, size_of
from theorytest.kernel.rules import terms
from theorytest.kernel.spectra import norm_failure, spectral_failure
from theorytest.kernel.terms import Term, zero


@dataclass(frozen=True)
class View:
    """How an instance is read: ``value`` gives the array of a term (with some letters replaced), its free indices as
    axes in their order; ``at`` is the view of a flow and its members at the same instance."""

    value: Callable[[Term, Mapping[str, Array]], Array]
    sizes: Mapping[str, Any]
    members: Mapping[str, int]
    at: Callable[[Flow, Mapping[str, int]], View]

    def array(self, term: Term) -> Array:
        """The array of a term."""
        return self.value(term, {})


def failure(claim: Claim, view: View) -> str:
    """Why a claim about one time does not hold; empty where it does. Raises `KernelError` for any other claim."""
    match claim:
        case All(claims):
            return next(filter(None, (failure(part, view) for part in claims)), "")
        case AtTime(inner, _):
            return failure(inner, view)
        case Identity() | Inequality():
            lhs, rhs = terms(claim)
            return missed(claim, view.array(rhs - lhs))
        case AtLeast(size, number):
            found = size_of(size, view.sizes, view.members)
            return "" if found >= number else f"{size} = {found}"
        case Exactly(size, number):
            found = size_of(size, view.sizes, view.members)
            return "" if found == number else f"{size} = {found}"
        case SpectralNorm(matrix, bound):
            names = [tuple(f"l{k:03}" for k in range(len(tensor.sizes))) for tensor in (matrix, bound)]
            return norm_failure(view.array(matrix[names[0]]), view.array(bound[names[1]]))
        case Iteration():
            return _iterated(claim, view)
        case RestProduct():
            return _rest(claim, view)
        case LastFactor():
            return _last(claim, view)
        case SameSize(left, right):
            one, other = (size_of(size, view.sizes, view.members) for size in (left, right))
            return "" if one == other else f"{left} = {one}, {right} = {other}"
        case NormRate():
            return _speed(claim, view)
        case SameSingularValues() | SquaredSingularValues() | RankAtMost() | RankAtMostRows() | RankIsCount():
            return spectral_failure(claim, view.array)
        case _:
            raise KernelError(f"{type(claim).__name__} says nothing about one time")


def missed(claim: Identity | Inequality, gap: Array) -> str:
    """Why a formula does not hold, given the right side minus the left; empty where it does."""
    if isinstance(claim, Identity):
        bad = [g for g in gap.entries if g]
    else:
        bad = [g for g in gap.entries if g < 0 or (claim.relation == "<" and g == 0)]
    return f"the right side minus the left is {max(bad, key=abs)}" if bad else ""


def _iterated(claim: Iteration, view: View) -> str:
    """Follow the updates one by one."""
    places = sorted(claim.legs)
    if [name for name, _ in claim.start.free] != places or [name for name, _ in claim.update.free] != places:
        raise KernelError(f"start and update need the free indices {claim.legs}")
    order = tuple((places.index(leg),) for leg in claim.legs)
    state = view.array(claim.start).regroup(order)
    for _ in range(size_of(claim.size, view.sizes, view.members)):
        state = view.value(claim.update, {claim.letter.name: state}).regroup(order)
    return (
        "" if view.array(claim.letter[claim.legs]).regroup(order) == state else f"{claim.letter.name} is another value"
    )


def _rest(claim: RestProduct, view: View) -> str:
    flow = claim.motion
    families = eaches(flow.parameterization.body)
    if len(flow.focus.modes) != 1 or flow.focus.links or not families:
        raise KernelError("the focus must name one mode and nothing else")
    if len(claim.factor.free) != 1 or len(claim.product.free) != 1:
        raise KernelError("the factor and the product need one free index each")
    (mode,) = flow.focus.modes
    count = size_of(families[0].count, view.sizes, {})
    others = [n for n in range(1, count + 1) if n != view.members[mode]]
    lists = [view.at(flow, {mode: n}).array(claim.factor).entries for n in others]
    one: tuple[Fraction, ...] = (Fraction(1),)
    whole = reduce(lambda done, more: tuple(x * y for x in done for y in more), lists, one)
    return "" if view.array(claim.product).entries == whole else f"the product over the other modes is {whole}"


def _last(claim: LastFactor, view: View) -> str:
    """Compare the letter with the factor at the last position, from left to right."""
    flow = claim.motion
    induction = ChainInduction(replace(flow, focus=Focus(flow.focus.modes)))
    chain, _ = the_chain(induction.flow)
    (link,) = flow.focus.links
    mine = {mode: view.members[mode] for mode in flow.focus.modes}
    last = 1 if chain.descending else size_of(induction.count, view.sizes, mine)
    seen = view.at(flow, {**mine, f"{link.mode}/{link.positions[0]}": last})
    (name,) = [n for n in flow.parameterization.letters(flow.focus) if n.endswith(f"{link.positions[0]}]")]
    legs = tuple(f"l{k:03}" for k in range(len(claim.letter.sizes)))
    factor = seen.array(flow.parameterization.letters(flow.focus)[name][legs])
    return "" if view.array(claim.letter[legs]) == factor else f"{claim.letter.name} is not the last factor"


def _speed(claim: NormRate, view: View) -> str:
    """Compare φ d/dt q with 2 ρ sqrt(q), exactly: both sides by their signs and squares."""
    moved = claim.square.along(claim.motion.velocities())
    free = (claim.square + claim.rate + claim.factor).free
    columns = [view.array(term + zero(*free)).entries for term in (claim.square, claim.factor * moved, claim.rate * 2)]
    for square, speed, rate in zip(*columns, strict=True):
        if square <= 0:
            return f"the squared norm is {square}, not positive"
        sign = root_sign(speed, rate, square)
        if not {"=": sign == 0, "<=": sign <= 0, ">=": sign >= 0}[claim.relation]:
            return f"d/dt of the squared norm {square}, times the factor, is {speed}; claimed {rate} times the norm"
    return ""


def root_sign(a: Fraction, b: Fraction, q: Fraction) -> int:
    """The sign of a - b sqrt(q), for q > 0."""
    first, second = (a > 0) - (a < 0), (b > 0) - (b < 0)
    if first != second:
        return 1 if first > second else -1
    larger = (a * a > b * b * q) - (a * a < b * b * q)
    return first * larger


def largest_changes(laws: Iterable[tuple[Conserved, Iterable[View]]]) -> str:
    """How the largest absolute value of some quantities changes at an instance, seen through all members; raise unless
    one of the quantities of that size grows, or all of them shrink."""
    found: list[tuple[Fraction, Fraction]] = []
    for law, views in laws:
        if not isinstance(law.motion, Flow):
            raise KernelError("a flow was needed")
        moved = law.quantity.along(law.motion.velocities()) + zero(*law.quantity.free)
        for view in views:
            values, speeds = view.array(law.quantity).entries, view.array(moved).entries
            # d|x|/dt is the speed with the sign of x; at 0 the absolute value cannot shrink.
            found += [(abs(x), -v if x < 0 else (v if x else abs(v))) for x, v in zip(values, speeds, strict=True)]
    largest = max((x for x, _ in found), default=Fraction(0))
    there = [v for x, v in found if x == largest]
    if any(v > 0 for v in there) or (there and all(v < 0 for v in there)):
        return f"the largest value {largest} changes at the speed {max(there)}"
    raise KernelError("the largest value does not change here")
