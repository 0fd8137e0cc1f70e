"""How often an event happens at random states: a frequency with an exact confidence interval. Evidence, never proof."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from theorytest.kernel.analysis import sides
from theorytest.kernel.ball import precision
from theorytest.kernel.claim import ProbabilityBetween
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import Ring
from theorytest.kernel.quantity import entry_names
from theorytest.kernel.states import formula
from theorytest.models.model import Model
from theorytest.search.margins import margin
from theorytest.search.states import hash_of

CONFIDENCE = Fraction(999, 1000)
CLOSE = 1e-9  # of the largest margin: closer to 0 than that, rounding may have decided


@dataclass(frozen=True)
class Frequency:
    """states: drawn (standard normal entries); happened: surely; unsure: too close to call in float64; low, high: the
    exact (Clopper-Pearson) confidence interval, whatever the unsure ones are."""

    states: int
    happened: int
    unsure: int
    low: float
    high: float


def frequency(claim: ProbabilityBetween, seed: int = 0, *, states: int = 10000) -> Frequency:
    """Draw states with standard normal entries and count the event."""
    import torch

    model = Model(claim.parameterization, dict(claim.sizes))
    draw = torch.Generator().manual_seed(hash_of(seed, claim.sizes))
    blocks = {
        name: torch.randn((states, *shape), dtype=torch.float64, generator=draw) for name, shape in model.shapes.items()
    }
    gap = margin(claim.event, model, blocks)
    close = ~torch.isfinite(gap) | (gap.abs() <= CLOSE * gap[torch.isfinite(gap)].abs().max())
    happened, unsure = int(((gap > 0) & ~close).sum()), int(close.sum())
    low = interval(happened, states)[0]
    high = interval(happened + unsure, states)[1]
    return Frequency(states, happened, unsure, low, high)


def constant_event(claim: ProbabilityBetween) -> bool | None:
    """Whether the event happens always, or never, because both sides are polynomials that differ by a constant; None
    where they do not."""
    try:
        concrete = claim.parameterization.at(dict(claim.sizes))
        lhs, rhs = sides(formula(claim.event, concrete))
        ring = Ring({x for name, shape in concrete.blocks.items() for x in entry_names(name, shape)})
        gap = ring.polynomial(rhs) - ring.polynomial(lhs)
    except KernelError:  # no polynomials
        return None
    if not gap.is_constant():
        return None
    value = gap.leading_coefficient() if not gap.is_zero() else 0
    return bool({"<": value > 0, "<=": value >= 0, "=": value == 0}[claim.event.relation])


def interval(happened: int, states: int, confidence: Fraction = CONFIDENCE) -> tuple[float, float]:
    """The Clopper-Pearson interval of a probability, from the number of times that an event happened: it covers the
    probability with at least the confidence, exactly."""
    tail = (1 - confidence) / 2
    low = 0.0 if happened == 0 else _quantile(happened, states - happened + 1, tail, up=False)
    high = 1.0 if happened == states else _quantile(happened + 1, states - happened, 1 - tail, up=True)
    return low, high


def _quantile(a: int, b: int, level: Fraction, *, up: bool) -> float:
    """The quantile of the beta distribution, rounded outwards to one part in 2^20."""
    from flint import arb

    low, high = Fraction(0), Fraction(1)
    with precision(128):
        wanted = arb(level.numerator) / level.denominator
        for _ in range(20):
            middle = (low + high) / 2
            at = (arb(middle.numerator) / middle.denominator).beta_lower(arb(a), arb(b), regularized=True)
            if at < wanted:
                low = middle
            elif at > wanted:
                high = middle
            else:
                break
    return float(high if up else low)


__all__ = ["Frequency", "constant_event", "frequency", "interval"]
