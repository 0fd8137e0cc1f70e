"""Rules about how many conservation laws gradient flow has: exact ranks over GF(p) (`theorytest.kernel.rank`)."""

from __future__ import annotations

from typing import Any

from theorytest.kernel.claim import Claim
from theorytest.kernel.rank import (
    LawCount,
    LawCountCertificate,
    LawSpace,
    LawSpaceCertificate,
    check_count,
    check_space,
)
from theorytest.kernel.rules import Context, count, rule, take


@rule("law-count")
def law_count(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Between so many and so many independent functions are conserved near almost every point. Data: the claim, and
    brackets of the gradient fields (at most) and laws (at least) whose ranks modulo a prime show it: see `check_count`.
    """
    count(premises, 0)
    claim, certificate = take(data, LawCount, LawCountCertificate)
    check_count(claim, certificate)
    return claim


@rule("law-space")
def law_space(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The polynomials up to a degree that are conserved are a space of exactly this dimension. Data: the claim, and
    points (not more) and laws (not fewer) that show it: see `check_space`."""
    count(premises, 0)
    claim, certificate = take(data, LawSpace, LawSpaceCertificate)
    check_space(claim, certificate)
    return claim


def contradicts(shown: Claim, claim: Claim) -> bool:
    """Whether two claims about the laws of one map cannot both hold."""
    match shown, claim:
        case LawCount(), LawCount():
            apart = shown.at_least > claim.at_most or shown.at_most < claim.at_least
            return shown.map == claim.map and apart
        case LawSpace(), LawSpace():
            same = (shown.map, shown.degree) == (claim.map, claim.degree)
            return same and shown.dimension != claim.dimension
        case _:
            return False
