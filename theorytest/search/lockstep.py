"""The torch engine: columns of instances step together, each with its own time and step; finished ones make room.

Every instance is integrated twice by DOP853 (order 8), once with steps h and once with two steps of h / 2 for each. The
two computations share no values, so that errors of early steps grow in both as the flow makes them grow, and their
difference is an estimate of the accumulated error of the first one, which is larger than that of the second, by about
2^8 where truncation dominates. The second one is the result. Where the two come apart altogether, as they do when
float64 loses the sign of a determinant, the instance is stopped; its status says so, and nothing follows from it.

Times are integer multiples of the segment between two output times, divided by 2^52: they add up without rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from theorytest.search import crossing
from theorytest.search.field import Field
from theorytest.search.outcome import APART, BUDGET, DONE, LOST, NOT_FINITE, SINGULAR, UNIT, Outcome
from theorytest.search.stepper import Stepper

if TYPE_CHECKING:
    import torch

    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch

TICKS = 2**52  # per segment between two output times
SHRUNK = 2.0**-16  # of the time reached: steps below this belong to a blow-up
CACHE = 36_000  # parameters of all columns, so that the stages of a step stay near one core (measured)
LEAST_COLUMNS = 128
MEMORY = 2**25  # the same on a device whose work is limited by launching it
FEW = 128  # columns that are not worth new buffers
RECORD = 16  # columns are recorded together when one in so many has come to an output time
REFILL = 8  # columns are filled again when one in so many is free
LEAST, MOST, SAFETY = 0.2, 5.0, 0.95  # of the next step, against the last one
# Exponents of a step's error and of the one before it (a PI controller: Gustafsson 1991; these, Hairer and Wanner II,
# Section IV.2): against none for the latter, as many steps with a fifth of the rejections and of the error (measured).
NOW, BEFORE = 0.7 / 8, 0.4 / 8
SHORT, FROM_ZERO = 2.0**-40, 2.0**-10  # of the whole time: least first step, and that from a start of zeros
TINY = 1e-300


def run(
    model: Any,
    losses: LossBatch,
    start: torch.Tensor,
    stops: Sequence[Fraction],
    *,
    rtol: float,
    atol: float,
    max_steps: int,
    levels: Sequence[Level] = (),
    twice: bool = True,
) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times.

    twice: with the run that estimates errors; else there is one run, its steps meet ``rtol``, and errors are nan.
    """
    return _Lockstep(model, losses, start, stops, rtol, atol, max_steps, levels, twice).run()


class _Lockstep:
    def __init__(
        self,
        model: Any,
        losses: LossBatch,
        start: torch.Tensor,
        stops: Sequence[Fraction],
        rtol: float,
        atol: float,
        max_steps: int,
        levels: Sequence[Level],
        twice: bool,
    ) -> None:
        import torch

        self.model, self.losses, self.start = model, losses, start
        self.rtol, self.atol, self.max_steps, self.levels, self.twice = rtol, atol, max_steps, levels, twice
        batch, self.parameters = start.shape
        device = start.device
        self.cuda = device.type == "cuda"
        self.options: dict[str, Any] = {"dtype": torch.float64, "device": device}
        ends = [Fraction(0), *stops]
        self.begins = torch.tensor([float(t) for t in ends[:-1]], **self.options)
        self.segments = torch.tensor([float(b - a) for a, b in pairwise(ends)], **self.options)
        self.end = float(stops[-1])
        self.result = Outcome.empty(len(stops), batch, self.parameters, len(levels), device)
        self.waiting = 0  # instances from here on have not begun
        self.changed = False
        self.at_once = not stops[0]  # the start is asked for

    def run(self) -> Outcome:
        """All instances, from the first to the last."""
        import torch

        batch = len(self.start)
        if not batch:
            return self.result
        room = MEMORY if self.cuda else CACHE
        copies = 2 if self.twice else 1
        most = max(LEAST_COLUMNS, room // max(1, copies * self.parameters))
        self._make(max(1, -(-batch // -(-batch // most))))  # rounds of equal size
        self._fill(torch.arange(self.columns, device=self.start.device))
        while True:
            self._advance()
            if not self.changed:
                continue
            self.changed = False
            empty = self.instance < 0
            free = empty.nonzero()[:, 0]
            if len(free) == self.columns and self.waiting >= batch:
                return self.result
            if self.waiting < batch and len(free) * REFILL >= self.columns:
                self._fill(free)
            elif self.waiting >= batch and 4 * (self.columns - len(free)) <= self.columns > FEW:
                self._shrink((~empty).nonzero()[:, 0])

    # -- columns -----------------------------------------------------------------------------------------------------

    def _make(self, columns: int) -> None:
        """Buffers for so many columns, all of them free."""
        import torch

        self.columns = columns
        device = self.start.device
        self.main = Stepper(Field(self.model, self.losses, (2 if self.twice else 1) * columns, device), self.parameters)
        self.half = Stepper(Field(self.model, self.losses, columns, device), self.parameters) if self.twice else None
        self.recorded = False
        self.instance, self.stop, self.attempted, self.accepted = (
            torch.zeros(columns, dtype=torch.long, device=device) for _ in range(4)
        )
        self.instance.fill_(-1)
        self.left, self.tick, self.begin, self.proposal, self.size, self.before = (
            torch.zeros(columns, **self.options) for _ in range(6)
        )
        self.left += float(TICKS)
        self.tick += 1.0
        # Difference of the two runs; sums of the errors of steps by the method and by rounding; largest slope so far.
        self.estimates = torch.zeros((4, columns), **self.options)
        # Of each run: the first times at which quantities reach their levels, and the quantities at the state.
        runs, many = (2 if self.twice else 1), len(self.levels)
        self.crossed = torch.full((runs, many, columns), torch.nan, **self.options)
        self.quantities = torch.full((runs, many, columns), torch.nan, **self.options)

    def _states(self) -> torch.Tensor:
        """A view of the states, (parameters, runs, columns); the last run is the result."""
        return self.main.state.view(self.parameters, -1, self.columns)

    VECTORS = (
        "instance", "stop", "attempted", "accepted", "left", "tick", "begin", "proposal", "size", "before", "estimates",
        "crossed", "quantities",
    )  # fmt: skip

    @property
    def gap(self) -> torch.Tensor:
        """Difference of the two runs in each column."""
        return self.estimates[0]

    def _shrink(self, kept: torch.Tensor) -> None:
        """Go on with fewer columns."""
        held = {name: getattr(self, name)[..., kept] for name in self.VECTORS}
        states = self._states()[..., kept]
        self._make(len(kept))
        for name, values in held.items():
            getattr(self, name).copy_(values)
        self._states().copy_(states)
        self._load()

    def _load(self) -> None:
        import torch

        which = self.instance.clamp_min(0)
        self.main.field.load(torch.cat([which, which]) if self.twice else which)
        if self.half is not None:
            self.half.field.load(which)

    def _fill(self, free: torch.Tensor) -> None:
        """Begin waiting instances in free columns."""
        import torch

        count = min(len(free), len(self.start) - self.waiting)
        free = free[:count]
        new = torch.arange(self.waiting, self.waiting + count, device=free.device)
        self.waiting += count
        self.instance[free] = new
        now = self.start[new]
        self._states()[..., free] = now.t()[:, None].expand(-1, self._states().shape[1], -1)
        self._load()
        size = now.abs().amax(-1)
        slope = self.main.slopes().view(self.parameters, -1, self.columns)[:, 0, free].abs().amax(0)
        self.attempted[free] = self.accepted[free] = 0
        self.before[free], self.left[free], self.size[free] = 1.0, float(TICKS), size
        self.estimates[:, free] = 0.0
        self.estimates[2:, free] = torch.stack([UNIT * size, slope])  # an exact start was rounded to float64
        self._at(free, torch.zeros_like(free))
        guess = (0.5 * self.rtol**0.125 * (size + self.atol) / slope.clamp_min(TINY)).clamp_min(self.end * SHORT)
        guess = torch.where(size > 0, guess, self.end * FROM_ZERO)
        self.proposal[free] = torch.where(slope > 0, guess, self.end)
        bad = ~(torch.isfinite(now).all(-1) & torch.isfinite(slope))
        if self.levels:
            self.crossed[..., free] = torch.nan
            held = crossing.quantities(self.model, self.levels, now)
            self.quantities[..., free] = held
            at_once = held == torch.tensor([[level.value] for level in self.levels], **self.options)
            self.crossed[..., free] = torch.where(at_once, torch.zeros_like(held), torch.nan)
        if self.at_once:
            good = ~bad
            self.result.states[0, new[good]] = now[good]
            self.result.error[0, new[good]] = UNIT * size[good] if self.twice else torch.nan
            self._at(free, torch.ones_like(free))
            if len(self.segments) == 1:
                self._finish(free[good])
        self._leave(free[bad], NOT_FINITE)

    def _leave(self, columns: torch.Tensor, status: Any) -> None:
        """Instances that have ended, one way or another, leave their columns."""
        if not len(columns):
            return
        who = self.instance[columns]
        result = self.result
        result.status[who] = status
        result.reached[who] = self.begin[columns] + (TICKS - self.left[columns]) * self.tick[columns]
        result.steps[who] = self.accepted[columns]
        result.rejected[who] = self.attempted[columns] - self.accepted[columns]
        if self.levels:
            result.crossed[:, who] = self.crossed[-1][:, columns]
            gap = (self.crossed[-1] - self.crossed[0])[:, columns].abs()
            result.crossed_error[:, who] = gap if self.twice else gap * float("nan")
        self.instance[columns], self.proposal[columns] = -1, 0.0
        self.changed = True  # there is room

    def _finish(self, columns: torch.Tensor) -> None:
        """Instances that have come to the last output time leave their columns."""
        who = self.instance[columns]
        self._leave(columns, DONE)
        self.result.reached[who] = self.end

    # -- steps -------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """One attempted step of every column; a free one has a proposal of 0 and stays as it is."""
        import torch

        n, left = self.columns, self.left
        # Two even parts, and no sliver left over at the end. Whole numbers below 2^53: exact in float64.
        wanted = (self.proposal / self.tick).clamp_(max=float(TICKS))
        part = torch.where(wanted * 2 > left, left * 0.5, wanted)
        ticks = torch.where(wanted >= left, left, (part * 0.5).floor_() * 2)
        h, moving = ticks * self.tick, ticks > 0  # at an output time, columns wait to be recorded together
        if self.cuda and not self.recorded:
            self.recorded = True
            for stepper in (self.main, self.half):
                if stepper is not None and stepper.field.entries is not None:
                    stepper.capture()
        states = self._states()
        self.main.step(torch.cat([h, h * 0.5]) if self.twice else h)
        coarse = self.main.new.view(self.parameters, -1, n)[:, 0]
        fine, gap = coarse, self.gap
        largest = self.main.largest().view(3, -1, n)[:, 0]
        size, (five, three) = torch.maximum(self.size, largest[0]), largest[1:].square()
        scale = (size * self.rtol).add_(self.atol + TINY)
        ratio = five / (five + 0.01 * three).sqrt_().clamp_min_(TINY) / scale
        finite = torch.isfinite(size + ratio)
        if self.half is not None:
            self.half.state.copy_(self.main.new.view(self.parameters, 2, n)[:, 1])
            self.half.step(h * 0.5)
            fine = self.half.new
            gap = (coarse - fine).abs_().amax(0)
            finite &= torch.isfinite(gap)
        accept = moving & finite & (ratio <= 1)
        if self.twice:
            # Rounded targets and residuals disturb the slope by units of what it was, not of what may be left of it.
            steep = self.main.slope.view(self.parameters, -1, n)[:, 0].abs().amax(0) / (h + TINY)
            steep = torch.maximum(self.estimates[3], steep)
            _, local, rounding, _ = self.estimates
            rounding = rounding + UNIT * (2 * size + 16 * h * steep)
            kept = torch.stack([gap, local + ratio * scale, rounding, steep])
            torch.where(accept, kept, self.estimates, out=self.estimates)
        if self.levels:
            self._cross(states, coarse, fine, h, accept)
        torch.where(accept, coarse, states[:, 0], out=states[:, 0])
        if self.twice:
            torch.where(accept, fine, states[:, 1], out=states[:, 1])
        ratio = ratio.clamp_(1e-4, 1e9)
        factor = (ratio**-NOW * self.before).mul_(SAFETY).clamp_(LEAST, MOST)
        factor = torch.where(finite, factor, LEAST)
        # A step cut short by the end of the segment does not shorten the next one.
        grown = torch.maximum(h * factor, self.proposal * (factor >= 1))
        self.proposal = torch.where(moving, torch.where(accept, grown, h * factor), self.proposal)
        self.before = torch.where(accept, ratio**BEFORE, self.before)
        self.size = torch.where(accept, largest[0], self.size)
        self.left = left - ticks * accept
        self.attempted += moving
        self.accepted += accept
        # The end of time of an instance: its steps have shrunk to 2^-40 of the time that it has behind it.
        reached = self.begin + (TICKS - self.left) * self.tick
        stuck = (self.proposal < torch.maximum(reached * 2.0**-40, 4 * self.tick)) | (self.attempted >= self.max_steps)
        if self.twice:
            stuck |= self.gap > APART * self.size
        ended, live = self.left <= 0, self.instance >= 0
        stuck, ended = stuck & live & ~ended, ended & live
        counts = torch.stack([stuck.any().long(), ended.sum(), live.sum()]).tolist()
        if counts[0] or counts[1] * RECORD >= counts[2]:
            columns = (stuck | ended).nonzero()[:, 0]
            self._end(columns, reached[columns])

    def _end(self, columns: torch.Tensor, reached: torch.Tensor) -> None:
        """Columns that have come to an output time, or cannot go on."""
        import torch

        proposal, tick = self.proposal[columns], self.tick[columns]
        ended = self.left[columns] <= 0
        apart = self.gap[columns] > APART * self.size[columns]
        small = ~ended & (proposal < torch.maximum(reached * 2.0**-40, 4 * tick))
        spent = ~ended & (self.attempted[columns] >= self.max_steps)
        # The runs come apart before a blow-up too, whose time they know only so well; there steps have become small.
        shrunk = small | (apart & (proposal < reached * SHRUNK))
        code = torch.where(shrunk, SINGULAR, torch.where(apart, LOST, BUDGET))
        stuck = small | spent | apart
        self._record(columns[ended & ~apart])
        self._leave(columns[stuck], code[stuck])

    def _record(self, columns: torch.Tensor) -> None:
        """Instances that have come to an output time."""
        import torch

        if not len(columns):
            return
        who, stop = self.instance[columns], self.stop[columns]
        self.result.states[stop, who] = self._states()[:, -1, columns].t()
        gap, local, rounding, _ = self.estimates[:, columns]
        growth = torch.where(local > 0, gap / local.clamp_min(TINY), torch.ones_like(gap)).clamp(1.0, 1e16)
        self.result.error[stop, who] = gap + growth * rounding if self.twice else gap * torch.nan
        self.left[columns] = float(TICKS)
        self._at(columns, stop + 1)
        self._finish(columns[stop + 1 >= len(self.segments)])

    def _at(self, columns: torch.Tensor, stop: torch.Tensor) -> None:
        """The segment that columns are in: the one before their next output time."""
        self.stop[columns] = stop
        at = stop.clamp_max(len(self.segments) - 1)
        self.tick[columns], self.begin[columns] = self.segments[at] / TICKS, self.begins[at]

    def _cross(
        self, states: torch.Tensor, coarse: torch.Tensor, fine: torch.Tensor, h: torch.Tensor, accept: torch.Tensor
    ) -> None:
        """The first times at which quantities reach their levels, in this step."""
        reached = self.begin + (TICKS - self.left) * self.tick
        parts = [(0, states[:, 0], coarse, reached, h)]
        if self.half is not None:
            middle = self.half.state
            parts = [*parts, (1, states[:, 1], middle, reached, h / 2), (1, middle, fine, reached + h / 2, h / 2)]
        for which, x, new, begin, step in parts:
            later = crossing.quantities(self.model, self.levels, new.t())
            crossing.note(
                self.model, self.losses, self.levels, self.instance, x, begin, step, accept & (self.instance >= 0),
                self.quantities[which], later, self.crossed[which],
            )  # fmt: skip
