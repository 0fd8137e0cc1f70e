"""Probabilities at random states: of the sign of a polynomial that a change of signs reverses.

The entries of all blocks are independent, each with a density that is symmetric about 0; nothing else is known of them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from theorytest.kernel.claim import Claim, ProbabilityBetween
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import Ring
from theorytest.kernel.quantity import entry_names
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.scalar import Variable, substitute
from theorytest.kernel.states import formula, written_at

HALF = Fraction(1, 2)


@rule("sign-symmetry")
def sign_symmetry(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The probability of 0 < g, and of 0 <= g, is 1/2 for a polynomial g that is not 0 and becomes -g when some entries
    change their signs.

    Data: the claim, whose event compares polynomial quantities (g is their difference, in the entries of the blocks),
    with both bounds 1/2; and the names of the entries that change sign. Reason: the entries are independent with
    symmetric laws, so that the change of signs keeps the law of the state; it exchanges the events g > 0 and g < 0,
    which are thus equally probable. The law has a density, and the zeros of a polynomial that is not 0 are a null set.
    """
    count(premises, 0)
    claim, flipped = take(data, ProbabilityBetween, tuple)
    if (claim.lower, claim.upper) != (HALF, HALF):
        raise KernelError("the probability is 1/2: both bounds have to say so")
    if claim.event.relation == "=":
        raise KernelError("an event 0 < g or 0 <= g was needed, given an equation")
    concrete = written_at(claim.parameterization, claim.sizes)
    entries = [x for name, shape in concrete.blocks.items() for x in entry_names(name, shape)]
    names = {x.name for x in entries}
    if not all(type(name) is str and name in names for name in flipped) or len(set(flipped)) != len(flipped):
        raise KernelError("the names of entries of blocks were needed, each once")
    event = formula(claim.event, concrete)
    ring = Ring(set(entries))
    lhs, rhs = event.lhs, event.rhs
    mirrored = [lhs, rhs]
    for name in flipped:
        mirrored = [substitute(side, name, -Variable(name)) for side in mirrored]  # pyright: ignore[reportArgumentType]
    gap = ring.polynomial(rhs) - ring.polynomial(lhs)  # pyright: ignore[reportArgumentType]
    other = ring.polynomial(mirrored[1]) - ring.polynomial(mirrored[0])  # pyright: ignore[reportArgumentType]
    if gap.is_zero():
        raise KernelError("both sides are the same polynomial")
    if not (gap + other).is_zero():
        raise KernelError("the change of signs does not turn the difference of both sides into its negative")
    return claim


@rule("probability-bounds")
def wider_bounds(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Bounds of a probability may be made wider. Data: the new bounds."""
    count(premises, 1)
    known = only(premises[0], ProbabilityBetween)
    lower, upper = take(data, Fraction, Fraction)
    if lower > known.lower or upper < known.upper:
        raise KernelError(f"[{lower}, {upper}] does not contain [{known.lower}, {known.upper}]")
    return ProbabilityBetween(known.parameterization, known.sizes, known.event, lower, upper)


def contradicts(shown: Claim, claim: Claim) -> bool:
    """Whether two bounds of the probability of one event leave nothing between them."""
    if not isinstance(shown, ProbabilityBetween) or not isinstance(claim, ProbabilityBetween):
        return False
    one = (shown.parameterization, shown.sizes, shown.event)
    other = (claim.parameterization, claim.sizes, claim.event)
    return one == other and (shown.upper < claim.lower or claim.upper < shown.lower)


__all__ = ["contradicts", "sign_symmetry", "wider_bounds"]
