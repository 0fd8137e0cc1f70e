"""Batched gradient flows in torch float64: thousands of instances of one model, each with its own loss and steps.

Every instance is integrated twice by DOP853 (order 8), once with steps h and once with two steps of h / 2 for each. The
two computations share no values, so that errors of early steps grow in both as the flow makes them grow, and their
difference is an estimate of the accumulated error of the first one, which is larger than that of the second, by about
2^8 where truncation dominates. The second one is the result. Where the two come apart altogether, as they do when
float64 loses the sign of a determinant, the instance is stopped; its status says so, and nothing follows from it.

Times are integer multiples of the segment between two output times, divided by 2^52: they add up without rounding.

Not rigorous: error estimates are estimates. Nothing here decides a statement; a suspected violation is a lead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.search import dop853

if TYPE_CHECKING:
    import torch

DONE, RUNNING, BUDGET, NOT_FINITE, SINGULAR, LOST = range(6)
STATUS = {
    DONE: "done",
    RUNNING: "running",
    BUDGET: "step budget spent",
    NOT_FINITE: "not finite at the start",
    SINGULAR: "singular: the steps shrink to nothing, the solution seems to end here",
    LOST: "accuracy lost: the two runs have come apart",
}
APART = 2.0**-10  # of the largest parameter: beyond, the difference of the two runs no longer measures an error
TICKS = 2**52  # per segment between two output times
SHRUNK = 2.0**-16  # of the time reached: steps below this belong to a blow-up
UNIT = 2.0**-53  # rounding unit of float64

Entry = tuple[str, tuple[int, ...]]
Form = Iterable[tuple[tuple[Entry, Entry], Any]]  # terms ((parameter, parameter), coefficient) of a quadratic form


# -- losses ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LossBatch:
    """One loss per instance. kind: "shared", "entries", "sensing" or "linear"; the tensors have the batch axis first.

    entries: weight * base'(W - target), entry by entry; sensing: rows (batch, m, entries of W), target (batch, m).
    """

    kind: str
    base: Any = None
    weight: Any = None
    target: Any = None
    rows: Any = None

    def take(self, which: torch.Tensor) -> LossBatch:
        """The losses of some instances."""
        parts = {
            name: None if (value := getattr(self, name)) is None else value[which]
            for name in ("weight", "target", "rows")
        }
        return LossBatch(self.kind, self.base, **parts)

    def gradient(self, W: torch.Tensor) -> torch.Tensor:
        """Loss gradients, of the shape (batch, *shape of W)."""
        if self.kind == "shared":
            return self.base.gradient(W)
        if self.kind == "entries":
            return self.weight * self.base.derivative(W - self.target)
        if self.kind == "linear":
            return self.target
        flat = W.reshape(W.shape[0], -1, 1)
        slopes = self.weight * self.base.derivative((self.rows @ flat)[..., 0] - self.target)
        return (slopes[:, None, :] @ self.rows).reshape(W.shape)


def stack(losses: Any, shape: tuple[int, ...], *, device: Any = "cpu") -> LossBatch:
    """One loss for all instances, or a sequence with one for each.

    A sequence holds completion losses (with the same loss of an entry, any observations), sensing losses with equally
    many measurements, or linear ones. Raises `InputError` where they do not go together.
    """
    import torch

    if isinstance(losses, LossBatch):
        return losses
    if not isinstance(losses, Sequence):
        return LossBatch("shared", losses)
    from theorytest.models.losses import Linear, Sensing

    def tensor(values: Any) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    if not losses:
        raise InputError("given no losses, needed one, or one for each instance")
    if all(isinstance(loss, Linear) for loss in losses):
        return LossBatch(
            "linear", target=tensor([[float(x) for x in loss.g.entries] for loss in losses]).reshape(-1, *shape)
        )
    bases = {getattr(loss, "base", None) for loss in losses}
    if len(bases) != 1 or None in bases:
        raise InputError(
            f"given losses of {len(bases)} kinds in one batch, needed one base (loss of an entry): split the batch"
        )
    (base,) = bases
    if all(hasattr(loss, "observed") for loss in losses):
        weight = torch.zeros((len(losses), *shape), dtype=torch.float64)
        target = torch.zeros_like(weight)
        for k, loss in enumerate(losses):
            for index, value in loss.observed:
                if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
                    raise InputError(
                        f"given an observation at {index}, needed an index of an end tensor of shape {shape}"
                    )
                weight[(k, *index)] = float(loss.weight)
                target[(k, *index)] = float(value)
        return LossBatch("entries", base, weight.to(device), target.to(device))
    if all(isinstance(loss, Sensing) for loss in losses) and len({len(loss.targets) for loss in losses}) == 1:
        rows = tensor([[[float(x) for x in A.entries] for A in loss.measurements] for loss in losses])
        weight = tensor([[float(loss.weight)] for loss in losses])
        return LossBatch("sensing", base, weight, tensor([[float(y) for y in loss.targets] for loss in losses]), rows)
    raise InputError("given losses of different kinds in one batch, needed one kind: split the batch")


# -- results -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """Change of quadratic forms along the flow, (times, batch, forms), and what the error estimates allow for it.

    bound: from the error estimate of the parameters and from the rounding of the forms themselves. A conserved form has
    ``abs(change) <= bound``; the bound rests on the error estimate, which is not rigorous.
    """

    change: torch.Tensor
    bound: torch.Tensor

    def suspects(self) -> torch.Tensor:
        """Where the change exceeds the bound: leads, not refutations."""
        return self.change.abs() > self.bound


@dataclass(frozen=True)
class BatchFlow:
    """Gradient flows of a batch at the asked times.

    times: exact; blocks: name -> (times, batch, *shape), nan where an instance did not get so far; error: (times,
    batch), estimated error of the largest parameter difference; status: (batch,) codes, see `STATUS`; reached: (batch,)
    times reached; steps, rejected: (batch,).
    """

    model: Any
    times: tuple[Fraction, ...]
    start: dict[str, torch.Tensor]
    blocks: dict[str, torch.Tensor]
    error: torch.Tensor
    status: torch.Tensor
    reached: torch.Tensor
    steps: torch.Tensor
    rejected: torch.Tensor

    def statuses(self) -> list[str]:
        """The status of every instance, in words."""
        return [STATUS[int(code)] for code in self.status.tolist()]

    def end_tensor(self) -> torch.Tensor:
        """End tensors, (times, batch, *shape)."""
        return self.model.end_tensor(self.blocks)

    def drift(self, forms: Sequence[Any]) -> Drift:
        """Change of quadratic forms between the start and every time, with the bound that the error estimates give.

        forms: each an iterable of terms ((parameter, parameter), coefficient), a parameter being (block, index), or an
        object with such ``terms``. With parameters x known up to e, sum |c| (|x_i| e + |x_j| e + e^2) bounds the error
        of a form; n terms are summed with a rounding error of at most (n + 2) 2^-53 sum |c x_i x_j|.
        """
        import torch

        names = {name: k for k, name in enumerate(self.blocks)}
        offsets = [0]
        for block in self.start.values():
            offsets.append(offsets[-1] + math.prod(block.shape[1:]))

        def place(entry: Entry) -> int:
            name, index = entry
            if name not in names or len(index) != self.start[name].ndim - 1:
                raise InputError(f"given the parameter {entry}, needed (block, index) with a block of {sorted(names)}")
            flat = 0
            for i, size in zip(index, self.start[name].shape[1:], strict=True):
                flat = flat * size + i
            return offsets[names[name]] + flat

        left, right, value, which, counts = [], [], [], [], []
        for k, form in enumerate(forms):
            terms = list(getattr(form, "terms", form))
            counts.append(len(terms) + 2)
            for (a, b), coefficient in terms:
                left.append(place(a))
                right.append(place(b))
                value.append(float(coefficient))
                which.append(k)
        device = self.error.device
        i, j = (torch.tensor(places, dtype=torch.long, device=device) for places in (left, right))
        c = torch.tensor(value, dtype=torch.float64, device=device)
        segment = torch.tensor(which, dtype=torch.long, device=device)
        n = torch.tensor(counts, dtype=torch.float64, device=device)

        def total(terms: torch.Tensor) -> torch.Tensor:
            made = terms.new_zeros((*terms.shape[:-1], len(counts)))
            return made.index_add(-1, segment, terms)

        def read(x: torch.Tensor, e: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            products = c * x[..., i] * x[..., j]
            error = e[..., None]
            reach = c.abs() * ((x[..., i].abs() + x[..., j].abs()) * error + error**2)
            return total(products), total(reach) + n * UNIT * total(products.abs())

        first, slack = read(_flat(self.start, 1), torch.zeros_like(self.error[0]))
        later, bound = read(_flat(self.blocks, 2), self.error)
        return Drift(later - first, bound + slack)


def _flat(blocks: Mapping[str, torch.Tensor], lead: int) -> torch.Tensor:
    import torch

    return torch.cat([block.reshape(*block.shape[:lead], -1) for block in blocks.values()], dim=-1)


# -- integration -------------------------------------------------------------------------------------------------------


class _Field:
    """Minus the gradient, on flat parameters (batch, parameters)."""

    def __init__(self, model: Any, losses: LossBatch) -> None:
        self.model, self.losses = model, losses
        self.shapes: dict[str, tuple[int, ...]] = dict(model.shapes)

    def blocks(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = flat.split(sizes, dim=-1)
        lead = flat.shape[:-1]
        return {
            name: part.reshape(*lead, *shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def __call__(self, flat: torch.Tensor, losses: LossBatch) -> torch.Tensor:
        W, pull = self.model.pullback(self.blocks(flat))
        gradients = pull(losses.gradient(W).expand(W.shape))
        return -_flat({name: gradients[name] for name in self.shapes}, 1)


def _combine(weights: Mapping[int, float], slopes: Sequence[torch.Tensor]) -> torch.Tensor:
    total: Any = None
    for k, weight in weights.items():
        total = slopes[k] * weight if total is None else total + slopes[k] * weight
    return total


def _step(
    field: _Field, losses: LossBatch, x: torch.Tensor, h: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One step: new values, both error vectors per unit of h, largest slope."""
    slopes = [field(x, losses)]
    for row in dop853.A[1:]:
        slopes.append(field(x + h * _combine(row, slopes), losses))
    new = x + h * _combine(dop853.B, slopes)
    return new, _combine(dop853.E5, slopes), _combine(dop853.E3, slopes), slopes[0].abs().amax(-1)


def integrate_batch(
    model: Any,
    losses: Any,
    theta0: Mapping[str, Any],
    times: Sequence[Any],
    *,
    rtol: float = 1e-10,
    atol: float = 0.0,
    device: Any = "cpu",
    max_steps: int = 20_000,
) -> BatchFlow:
    """Gradient flows of many instances from 0 to the given exact times.

    losses: one, or a sequence with one for each instance (see `stack`); theta0: block name -> tensor or numpy array
    (batch, *shape), made float64; rtol: tolerance of a step relative to the largest parameter of the instance, at least
    1e-13; atol: the absolute one. A blow-up, a loss of accuracy, or an instance that needs more than ``max_steps``
    accepted and rejected steps ends with its own status and does not hold up the others. Raises `InputError` for
    misshapen input and times that do not increase.
    """
    import torch

    from theorytest.enclose.taylor import exact

    stops = [exact(t) for t in times]
    if not stops or any(b <= a for a, b in zip([Fraction(-1), *stops], stops, strict=False)) or stops[0] < 0:
        raise InputError(f"given the times {[str(t) for t in stops]}, needed increasing times >= 0")
    if not 1e-13 <= rtol < 1 or atol < 0:
        raise InputError(f"given rtol={rtol}, atol={atol}, needed 1e-13 <= rtol < 1 and atol >= 0: float64 has no more")
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"given device={device}, needed a CUDA device that torch can see: use device='cpu'")
    shapes = dict(model.shapes)
    if set(theta0) != set(shapes):
        raise InputError(f"given a start for the blocks {sorted(theta0)}, needed one for each of {sorted(shapes)}")
    start = {name: torch.as_tensor(theta0[name], dtype=torch.float64, device=device) for name in shapes}
    batch = next(iter(start.values())).shape[0] if start else 0
    for name, shape in shapes.items():
        if tuple(start[name].shape) != (batch, *shape):
            raise InputError(f"given the block {name} with shape {tuple(start[name].shape)}, needed {(batch, *shape)}")
    all_losses = stack(losses, tuple(model.shape), device=device)
    held = next((x for x in (all_losses.weight, all_losses.target) if x is not None), None)
    if held is not None and held.shape[0] != batch:
        raise InputError(f"given {held.shape[0]} losses and {batch} starts, needed as many")

    field = _Field(model, all_losses)
    now = _flat(start, 1)
    coarse, fine = now.clone(), now.clone()
    options: dict[str, Any] = {"dtype": torch.float64, "device": device}
    rounding = UNIT * now.abs().amax(-1)  # an exact start was rounded when it became float64
    local, steepest = (torch.zeros(batch, **options) for _ in range(2))
    status = torch.full((batch,), RUNNING, dtype=torch.long, device=device)
    steps, rejected = (torch.zeros(batch, dtype=torch.long, device=device) for _ in range(2))
    reached = torch.zeros(batch, **options)
    slope = field(now, all_losses)
    finite = torch.isfinite(now).all(-1) & torch.isfinite(slope).all(-1)
    status[~finite] = NOT_FINITE
    span = float(stops[-1]) or 1.0
    size, speed = now.abs().amax(-1), slope.abs().amax(-1)
    proposal = torch.where(speed > 0, 0.01 * (size + atol) / speed.clamp_min(1e-300), torch.full_like(size, span))
    states, errors = [], []
    position = Fraction(0)
    for stop in stops:
        if stop > position:
            segment = float(stop - position)
            _advance(
                field, all_losses, coarse, fine, proposal, rounding, local, steepest, status, steps, rejected, reached,
                begin=float(position), segment=segment, rtol=rtol, atol=atol, max_steps=max_steps,
            )  # fmt: skip
            position = stop
        gap = (coarse - fine).abs().amax(-1)
        growth = torch.where(local > 0, gap / local.clamp_min(1e-300), torch.ones_like(gap)).clamp(1.0, 1e16)
        error = gap + growth * rounding
        stopped = status != RUNNING
        states.append(torch.where(stopped[:, None], torch.nan, fine))
        errors.append(torch.where(stopped, torch.nan, error))
    status[status == RUNNING] = DONE
    blocks = field.blocks(torch.stack(states))
    return BatchFlow(model, tuple(stops), start, blocks, torch.stack(errors), status, reached, steps, rejected)


def _advance(
    field: _Field,
    all_losses: LossBatch,
    coarse: torch.Tensor,
    fine: torch.Tensor,
    proposal: torch.Tensor,
    rounding: torch.Tensor,
    local: torch.Tensor,
    steepest: torch.Tensor,
    status: torch.Tensor,
    steps: torch.Tensor,
    rejected: torch.Tensor,
    reached: torch.Tensor,
    *,
    begin: float,
    segment: float,
    rtol: float,
    atol: float,
    max_steps: int,
) -> None:
    """Bring every running instance to the end of a segment, in place. Finished instances leave the working batch."""
    import torch

    tick = segment / TICKS
    place = torch.zeros(len(status), dtype=torch.long, device=status.device)
    active = (status == RUNNING).nonzero()[:, 0]
    shared = all_losses.kind == "shared"
    known: torch.Tensor | None = None
    losses = all_losses
    twice = all_losses
    while len(active):
        if known is None or len(known) != len(active):
            # The working batch changes only when instances leave it.
            losses = all_losses if shared else all_losses.take(active)
            twice = all_losses if shared else all_losses.take(torch.cat([active, active]))
            known = active
        m = len(active)
        left = TICKS - place[active]
        wanted = (proposal[active] / tick).clamp(max=float(TICKS)).to(torch.long)
        # Two even parts, and no sliver left over at the end.
        ticks = torch.where(wanted >= left, left, torch.where(wanted * 2 > left, (left // 4) * 2, (wanted // 2) * 2))
        h = (ticks.to(torch.float64) * tick)[:, None]
        x = torch.cat([coarse[active], fine[active]])
        new, e5, e3, top = _step(field, twice, x, torch.cat([h, h / 2]))
        second, _, _, _ = _step(field, losses, new[m:], h / 2)
        new_coarse, new_fine = new[:m], second
        size = torch.maximum(x[:m].abs().amax(-1), new_coarse.abs().amax(-1))
        scale = rtol * size + atol
        five, three = (v[:m].abs().amax(-1) * h[:, 0] for v in (e5, e3))
        estimate = five * five / (five * five + 0.01 * three * three).sqrt().clamp_min(1e-300)
        ratio = estimate / scale.clamp_min(1e-300)
        finite = torch.isfinite(new_coarse).all(-1) & torch.isfinite(new_fine).all(-1) & torch.isfinite(ratio)
        accept = finite & (ratio <= 1)
        factor = torch.where(
            finite, (0.9 * ratio.clamp_min(1e-20) ** -0.125).clamp(0.2, 5.0), torch.full_like(ratio, 0.2)
        )
        # A step cut short by the end of the segment does not shorten the next one.
        suggestion = torch.where(
            accept, torch.maximum(h[:, 0] * factor, proposal[active] * (factor >= 1)), h[:, 0] * factor
        )
        proposal[active] = suggestion
        good = active[accept]
        coarse[good], fine[good] = new_coarse[accept], new_fine[accept]
        # Rounded targets and residuals disturb the slope by units of what it was, not of the little that may be left.
        steepest[good] = torch.maximum(steepest[good], top[:m][accept])
        rounding[good] += UNIT * (2 * size[accept] + 16 * h[:, 0][accept] * steepest[good])
        local[good] += estimate[accept]
        place[good] += ticks[accept]
        steps[good] += 1
        rejected[active[~accept]] += 1
        reached[good] = begin + place[good].to(torch.float64) * tick
        ended = place[active] >= TICKS
        # The end of time of an instance: its steps have shrunk to 2^-40 of the time that it has behind it.
        small = ~ended & (suggestion < torch.clamp(reached[active], min=tick) * 2.0**-40)
        small |= ~ended & (suggestion < 4 * tick)
        spent = ~ended & (steps[active] + rejected[active] >= max_steps)
        status[active[small]] = SINGULAR
        status[active[spent & ~small]] = BUDGET
        # Where the flow has blown errors up to this, both runs may be wrong by far more than they differ.
        apart = (coarse[active] - fine[active]).abs().amax(-1) > APART * fine[active].abs().amax(-1)
        # So they do before a blow-up too, whose time they know only so well; there the steps have become small.
        shrunk = suggestion < reached[active] * SHRUNK
        status[active[apart & ~small]] = torch.where(shrunk, SINGULAR, LOST)[apart & ~small]
        active = active[~(ended | small | spent | apart)]
