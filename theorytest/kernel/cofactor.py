"""Quantities that a flow multiplies: q' = a q along the flow, so that q(t) = q(0) exp(integral of a).

Such a q keeps its sign, however small it becomes (q is a Darboux polynomial of the vector field, and a its cofactor).
An enclosure of the flow loses the sign of what decays below its radius; the integral of a it encloses well. So it is
with det W along W = B B^T where B' = -G B: then (det W)' = -2 tr(G) det W.

That q divides q' is an exact division of polynomials in the coordinates of the flow, over the rationals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flint import arb_poly

MOST_TERMS = 100  # of q: its derivative along the flow is written out


def cofactor(quantity: Any, velocities: Sequence[Any]) -> Any | None:
    """a with q' = a q, for a polynomial q in coordinates that move with these velocities; None where there is none.

    quantity, velocities: fmpq_mpoly of one ring, whose generators are the coordinates.
    """
    if quantity == 0 or len(quantity) > MOST_TERMS:
        return None
    rate = quantity * 0
    for j, velocity in enumerate(velocities):
        rate = rate + quantity.derivative(j) * velocity
    found, rest = divmod(rate, quantity)
    return found if rest == 0 and found * quantity == rate else None


def along(polynomial: Any, path: Sequence[arb_poly]) -> arb_poly:
    """A polynomial in the coordinates along a path of them, at the precision in force."""
    powers = [[arb_poly([1])] for _ in path]
    total = arb_poly()
    for exponents, coefficient in polynomial.terms():
        part = arb_poly([1])
        for held, x, exponent in zip(powers, path, exponents, strict=True):
            while len(held) <= exponent:
                held.append(held[-1] * x)
            if exponent:
                part = part * held[int(exponent)]
        total = total + part * coefficient
    return total
