"""Sizes of steps in the torch engine, and what becomes of attempted steps: arithmetic on vectors, one entry a column.

Plain functions of tensors without branches on their values, so that they can be compiled together with the steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from theorytest.search.outcome import APART, UNIT

if TYPE_CHECKING:
    import torch

TICKS = 2**52  # per segment between two output times
LEAST, MOST, SAFETY = 0.2, 5.0, 0.95  # of the next step, against the last one
# Exponents of a step's error and of the one before it (a PI controller: Gustafsson 1991; these, Hairer and Wanner II,
# Section IV.2): against none for the latter, as many steps with a fifth of the rejections and of the error (measured).
NOW, BEFORE = 0.7 / 8, 0.4 / 8
TINY = 1e-300


class Columns(NamedTuple):
    """Where all columns are, (columns,). proposal: size of the next step; left: ticks of the segment that are left, a
    tick being so long; begin: time at which the segment begins; size: largest parameter; before: what the error of the
    last step says about the next one; attempted, accepted: steps."""

    proposal: torch.Tensor
    left: torch.Tensor
    tick: torch.Tensor
    begin: torch.Tensor
    size: torch.Tensor
    before: torch.Tensor
    attempted: torch.Tensor
    accepted: torch.Tensor


def planned(proposal: torch.Tensor, left: torch.Tensor, tick: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The next steps, in ticks and in time: two even parts, and no sliver left over at the end of the segment. Whole
    numbers below 2^53: exact in float64."""
    import torch

    wanted = (proposal / tick).clamp(max=float(TICKS))
    part = torch.where(wanted * 2 > left, left * 0.5, wanted)
    ticks = torch.where(wanted >= left, left, (part * 0.5).floor() * 2)
    return ticks, ticks * tick


def reached(at: Columns) -> torch.Tensor:
    """The times that columns have come to."""
    return at.begin + (TICKS - at.left) * at.tick


def judged(
    at: Columns,
    instance: torch.Tensor,
    ticks: torch.Tensor,
    h: torch.Tensor,
    sizes: torch.Tensor,
    limits: torch.Tensor,
    most_steps: torch.Tensor,
    *twice: torch.Tensor,
) -> tuple[Columns, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """After attempted steps: columns; which steps are accepted; which columns can go on no more, and which have come to
    an output time; counts of the two (of the first, whether there are any) and of those in use; estimates.

    instance: negative in a free column; sizes: largest absolute entries of the new states and of the error vectors of
    order 5 and 3, (3, columns); limits: relative and absolute tolerance; twice: with a second run, the estimates (4,
    columns; see `lockstep`), the largest slope times h, and the largest difference of the two runs. Without one the
    estimates are the sizes, and mean nothing.
    """
    import torch

    moving = ticks > 0  # at an output time, columns wait to be recorded together
    largest, five, three = sizes[0], sizes[1].square(), sizes[2].square()
    width = torch.maximum(at.size, largest)
    scale = width * limits[0] + (limits[1] + TINY)
    ratio = five / (five + 0.01 * three).sqrt().clamp_min(TINY) / scale
    finite = torch.isfinite(width + ratio)
    if twice:
        finite = finite & torch.isfinite(twice[2])
    accept = moving & finite & (ratio <= 1)
    estimates = sizes
    if twice:
        estimates, slope, gap = twice
        # Rounded targets and residuals disturb the slope by units of what it was, not of what may be left of it.
        steep = torch.maximum(estimates[3], slope / (h + TINY))
        rounding = estimates[2] + UNIT * (2 * width + 16 * h * steep)
        kept = torch.stack([gap, estimates[1] + ratio * scale, rounding, steep])
        estimates = torch.where(accept, kept, estimates)
    ratio = ratio.clamp(1e-4, 1e9)
    factor = (ratio**-NOW * at.before * SAFETY).clamp(LEAST, MOST)
    factor = torch.where(finite, factor, LEAST)
    # A step cut short by the end of the segment does not shorten the next one.
    grown = torch.maximum(h * factor, at.proposal * (factor >= 1))
    now = Columns(
        torch.where(moving, torch.where(accept, grown, h * factor), at.proposal),
        at.left - ticks * accept,
        at.tick,
        at.begin,
        torch.where(accept, largest, at.size),
        torch.where(accept, ratio**BEFORE, at.before),
        at.attempted + moving,
        at.accepted + accept,
    )
    # The end of time of an instance: its steps have shrunk to 2^-40 of the time that it has behind it.
    stuck = (now.proposal < torch.maximum(reached(now) * 2.0**-40, 4 * now.tick)) | (now.attempted >= most_steps)
    if twice:
        stuck = stuck | (estimates[0] > APART * now.size)
    live = instance >= 0
    ended = (now.left <= 0) & live
    stuck = stuck & live & ~ended
    counts = torch.stack([stuck.any().long(), ended.sum(), live.sum()])
    return now, accept, stuck, ended, counts, estimates
