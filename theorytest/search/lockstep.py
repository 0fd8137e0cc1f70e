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

from theorytest.search import control, crossing
from theorytest.search.control import TICKS, TINY, Columns, reached
from theorytest.search.field import Field
from theorytest.search.fused import FusedStepper, controls
from theorytest.search.fused import columns as columns_of
from theorytest.search.outcome import APART, BUDGET, DONE, LOST, NOT_FINITE, SINGULAR, UNIT, Outcome
from theorytest.search.stepper import Stepper

if TYPE_CHECKING:
    import torch

    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch

SHRUNK = 2.0**-16  # of the time reached: steps below this belong to a blow-up
CACHE = 36_000  # parameters of all columns, so that the stages of a step stay near one core (measured)
LEAST_COLUMNS = 128
MEMORY = 2**25  # the same on a device whose work is limited by launching it
FEW = 128  # columns that are not worth new buffers
RECORD = 16  # columns are recorded together when one in so many has come to an output time
REFILL = 8  # columns are filled again when one in so many is free
SHORT, FROM_ZERO = 2.0**-40, 2.0**-10  # of the whole time: least first step, and that from a start of zeros


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
    fused: bool = False,
) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times.

    twice: with the run that estimates errors; else there is one run, its steps meet ``rtol``, and errors are nan.
    fused: with the compiled steps of `fused`, whose `obstacle` has been asked.
    """
    return _Lockstep(model, losses, start, stops, rtol, atol, max_steps, levels, twice, fused).run()


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
        fused: bool,
    ) -> None:
        import torch

        self.model, self.losses, self.start = model, losses, start
        self.rtol, self.atol, self.max_steps, self.levels, self.twice = rtol, atol, max_steps, levels, twice
        self.fused = fused
        batch, self.parameters = start.shape
        device = start.device
        self.cuda = device.type == "cuda"
        self.options: dict[str, Any] = {"dtype": torch.float64, "device": device}
        self.limits = torch.tensor([rtol, atol], **self.options)
        self.most_steps = torch.tensor(max_steps, device=device)
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
        # Rounds of equal size; compiled steps are of one size, some columns of which may stay free.
        self._make(columns_of(self.model, self.start.device) if self.fused else max(1, -(-batch // -(-batch // most))))
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
            elif not self.fused and self.waiting >= batch and 4 * (self.columns - len(free)) <= self.columns > FEW:
                self._shrink((~empty).nonzero()[:, 0])

    # -- columns -----------------------------------------------------------------------------------------------------

    def _make(self, columns: int) -> None:
        """Buffers for so many columns, all of them free."""
        import torch

        self.columns = columns
        device = self.start.device
        self.main = self._stepper(2 if self.twice else 1)
        self.half = self._stepper(1) if self.twice else None
        self.control = controls(columns, str(device), twice=self.twice) if self.fused else control
        self.recorded = False
        self.instance, self.stop, *counts = (torch.zeros(columns, dtype=torch.long, device=device) for _ in range(4))
        self.instance.fill_(-1)
        self.at = Columns._make([*(torch.zeros(columns, **self.options) for _ in range(6)), *counts])
        self.at.left.fill_(float(TICKS))
        self.at.tick.fill_(1.0)
        # Difference of the two runs; sums of the errors of steps by the method and by rounding; largest slope so far.
        self.estimates = torch.zeros((4, columns), **self.options)
        # Of each run: the first times at which quantities reach their levels, and the quantities at the state.
        runs, many = (2 if self.twice else 1), len(self.levels)
        self.crossed = torch.full((runs, many, columns), torch.nan, **self.options)
        self.quantities = torch.full((runs, many, columns), torch.nan, **self.options)

    def _stepper(self, runs: int) -> Stepper | FusedStepper:
        """Steps of all columns of so many runs."""
        if self.fused:
            return FusedStepper(Field(self.model, self.losses, self.columns, self.start.device), self.parameters, runs)
        return Stepper(Field(self.model, self.losses, runs * self.columns, self.start.device), self.parameters)

    def _states(self) -> torch.Tensor:
        """A view of the states, (parameters, runs, columns); the last run is the result."""
        return self.main.state.view(self.parameters, -1, self.columns)

    VECTORS = ("instance", "stop", "estimates", "crossed", "quantities")

    @property
    def gap(self) -> torch.Tensor:
        """Difference of the two runs in each column."""
        return self.estimates[0]

    def _shrink(self, kept: torch.Tensor) -> None:
        """Go on with fewer columns."""
        held = {name: getattr(self, name)[..., kept] for name in self.VECTORS}
        at, states = Columns._make(x[kept] for x in self.at), self._states()[..., kept]
        self._make(len(kept))
        for name, values in held.items():
            getattr(self, name).copy_(values)
        self.at = at
        self._states().copy_(states)
        self._load()

    def _load(self) -> None:
        which = self.instance.clamp_min(0)
        for stepper in (self.main, self.half):
            if stepper is not None:
                stepper.field.load(which.repeat(stepper.field.columns // len(which)))

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
        self.at.attempted[free] = self.at.accepted[free] = 0
        self.at.before[free], self.at.left[free], self.at.size[free] = 1.0, float(TICKS), size
        self.estimates[:, free] = 0.0
        self.estimates[2:, free] = torch.stack([UNIT * size, slope])  # an exact start was rounded to float64
        self._at(free, torch.zeros_like(free))
        guess = (0.5 * self.rtol**0.125 * (size + self.atol) / slope.clamp_min(TINY)).clamp_min(self.end * SHORT)
        guess = torch.where(size > 0, guess, self.end * FROM_ZERO)
        self.at.proposal[free] = torch.where(slope > 0, guess, self.end)
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
        result.reached[who] = reached(self.at)[columns]
        result.steps[who] = self.at.accepted[columns]
        result.rejected[who] = self.at.attempted[columns] - self.at.accepted[columns]
        if self.levels:
            result.crossed[:, who] = self.crossed[-1][:, columns]
            gap = (self.crossed[-1] - self.crossed[0])[:, columns].abs()
            result.crossed_error[:, who] = gap if self.twice else gap * float("nan")
        self.instance[columns], self.at.proposal[columns] = -1, 0.0
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

        n, at = self.columns, self.at
        ticks, h = self.control.planned(at.proposal, at.left, at.tick)
        if self.cuda and not self.recorded:
            self.recorded = True
            for stepper in (self.main, self.half):
                if isinstance(stepper, Stepper) and stepper.field.entries is not None:
                    stepper.capture()
        states = self._states()
        self.main.step(torch.cat([h, h * 0.5]) if self.twice else h)
        coarse = self.main.new.view(self.parameters, -1, n)[:, 0]
        sizes = self.main.largest().view(3, -1, n)[:, 0]
        fine, second = coarse, ()
        if self.half is not None:
            self.half.state.copy_(self.main.new.view(self.parameters, 2, n)[:, 1])
            self.half.step(h * 0.5)
            fine = self.half.new
            slope = self.main.slope.view(self.parameters, -1, n)[:, 0].abs().amax(0)
            second = (self.estimates, slope, (coarse - fine).abs_().amax(0))
        now, accept, stuck, ended, counts, estimates = self.control.judged(
            at, self.instance, ticks, h, sizes, self.limits, self.most_steps, *second
        )
        if self.levels:
            self._cross(states, coarse, fine, h, accept)
        torch.where(accept, coarse, states[:, 0], out=states[:, 0])
        if self.twice:
            self.estimates = estimates
            torch.where(accept, fine, states[:, 1], out=states[:, 1])
        self.at = now
        any_stuck, many, live = counts.tolist()
        if any_stuck or many * RECORD >= live:
            columns = (stuck | ended).nonzero()[:, 0]
            self._end(columns)

    def _end(self, columns: torch.Tensor) -> None:
        """Columns that have come to an output time, or cannot go on."""
        import torch

        proposal, tick, time = (x[columns] for x in (self.at.proposal, self.at.tick, reached(self.at)))
        ended = self.at.left[columns] <= 0
        apart = self.gap[columns] > APART * self.at.size[columns]
        small = ~ended & (proposal < torch.maximum(time * 2.0**-40, 4 * tick))
        spent = ~ended & (self.at.attempted[columns] >= self.max_steps)
        # The runs come apart before a blow-up too, whose time they know only so well; there steps have become small.
        shrunk = small | (apart & (proposal < time * SHRUNK))
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
        self.at.left[columns] = float(TICKS)
        self._at(columns, stop + 1)
        self._finish(columns[stop + 1 >= len(self.segments)])

    def _at(self, columns: torch.Tensor, stop: torch.Tensor) -> None:
        """The segment that columns are in: the one before their next output time."""
        self.stop[columns] = stop
        at = stop.clamp_max(len(self.segments) - 1)
        self.at.tick[columns], self.at.begin[columns] = self.segments[at] / TICKS, self.begins[at]

    def _cross(
        self, states: torch.Tensor, coarse: torch.Tensor, fine: torch.Tensor, h: torch.Tensor, accept: torch.Tensor
    ) -> None:
        """The first times at which quantities reach their levels, in this step."""
        begin = reached(self.at)
        parts = [(0, states[:, 0], coarse, begin, h)]
        if self.half is not None:
            middle = self.half.state
            parts = [*parts, (1, states[:, 1], middle, begin, h / 2), (1, middle, fine, begin + h / 2, h / 2)]
        for which, x, new, time, step in parts:
            later = crossing.quantities(self.model, self.levels, new.t())
            crossing.note(
                self.model, self.losses, self.levels, self.instance, x, time, step, accept & (self.instance >= 0),
                self.quantities[which], later, self.crossed[which],
            )  # fmt: skip
