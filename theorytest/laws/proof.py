"""Counts of laws as claims of statements: what a proof file derives, and its controls refute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theorytest.errors import InputError
from theorytest.kernel.rank import LawCount, LawSpace
from theorytest.laws.conservation import conservation_laws

if TYPE_CHECKING:
    from theorytest.derive.derivation import Derive, Fact


def derive_laws(derive: Derive, claim: LawCount | LawSpace, *, seed: int = 0) -> Fact:
    """Derive the claim if it is true. If it is false, derive what is true of the same map, and contradicts it.

    The search is that of `conservation_laws`; the kernel checks what it finds. Raises `InputError` where nothing is
    found that decides the claim (the space is too large to be searched, say).

    >>> from theorytest import Statement
    >>> from theorytest.derive.derivation import Derive
    >>> from theorytest.laws import LawCount, derive_laws, parse
    >>> claim = LawCount(parse("linear:2,3,2").map, 6, 6)
    >>> derive_laws(Derive(Statement("mine", "six laws", claim)), claim).claim == claim
    True
    """
    found = conservation_laws(
        claim.map, degree=claim.degree if isinstance(claim, LawSpace) else 2, seed=seed, general=False
    )
    kind = "count" if isinstance(claim, LawCount) else "space"
    if kind not in found.certificates:
        raise InputError(f"the polynomials of degree up to {found.degree} are not decided: {found.skipped}")
    shown, certificate = found.certificates[kind]
    if isinstance(claim, LawCount) and claim.at_least <= shown.at_least and shown.at_most <= claim.at_most:
        shown = claim  # it says no more than what was found
    return derive.apply(f"law-{kind}", data=(shown, certificate), text=_told(shown))


def _told(shown: LawCount | LawSpace) -> str:
    if isinstance(shown, LawCount):
        return "brackets of the gradient fields from above, and laws from below, by their ranks modulo a prime"
    return "these polynomials are conserved, and equations at points modulo a prime leave room for no other"


__all__ = ["LawCount", "LawSpace", "derive_laws"]
