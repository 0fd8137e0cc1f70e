"""Engines that take all instances to the end at one tolerance: two such runs, and what their difference says.

The run with the finer tolerance is the result; the difference is an estimate of the error of the other one. Instances
that an engine does not bring to the end are left to the torch engine, whose statuses say why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.search import control, lockstep
from theorytest.search.outcome import APART, DONE, LOST, UNIT, Outcome

if TYPE_CHECKING:
    import torch

    from theorytest.search.loss_batch import LossBatch

FINER = 2.0**-8  # tolerance of the run that is the result, against the other one
LEAST = 2.0**-51  # tolerance: float64 has no more

# Tolerance to: states (times, batch, parameters), steps (batch,), and which instances came to the end (batch,).
Integrate = Callable[[float], tuple[np.ndarray, np.ndarray, np.ndarray]]


def run(
    integrate: Integrate,
    model: Any,
    losses: LossBatch,
    start: torch.Tensor,
    stops: Sequence[Fraction],
    *,
    rtol: float,
    atol: float,
    max_steps: int,
    twice: bool,
) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times: see `lockstep.run`."""
    import torch

    batch, parameters = start.shape
    runs = [integrate(tolerance) for tolerance in ((rtol, max(rtol * FINER, LEAST)) if twice else (rtol,))]
    states, steps, _ = runs[-1]
    good = np.logical_and.reduce([one[2] for one in runs])
    result = Outcome.empty(len(stops), batch, parameters, 0, start.device)
    result.states.copy_(torch.from_numpy(states))
    result.steps.copy_(torch.from_numpy(steps))
    result.status.fill_(DONE)
    result.reached.fill_(float(stops[-1]))
    if twice:
        gap = (torch.from_numpy(runs[0][0]) - result.states).abs().amax(-1)
        size = torch.maximum(result.states.abs().amax(-1), start.abs().amax(-1)).cummax(0).values
        taken = result.steps.clamp_min(1)
        # Rounding grows as the errors of the steps do, each of which is about the tolerance.
        growth = (gap / (taken * rtol * size).clamp_min(control.TINY)).clamp(1.0, 1e16)
        result.error.copy_(gap + growth * UNIT * size * (18 * taken + 1))
        lost = (gap > APART * result.states.abs().amax(-1)).any(0)
        result.status[lost] = LOST
        result.states[:, lost] = result.error[:, lost] = torch.nan
    result.take_over(
        torch.from_numpy(~good).nonzero()[:, 0],
        lambda rest: lockstep.run(
            model, losses.take(rest), start[rest], stops, rtol=rtol, atol=atol, max_steps=max_steps, twice=twice
        ),
    )
    return result
