"""Batched gradient flows in float64: thousands of instances of one model, each with its own loss, time and steps.

Four engines behind one call: "torch" (`lockstep`, on cpu and cuda), the same with steps compiled by TorchInductor
("fused"), and on cpu "compiled" (`native`, with a C compiler) and "heyoka" (`taylor_batch`, where that package is
installed). All integrate every instance twice, and the difference of the two runs is the error estimate of the result,
which is the more accurate one.

Not rigorous: error estimates are estimates. Nothing here decides a statement; a suspected violation is a lead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.search.crossing import Level, flatten
from theorytest.search.loss_batch import LossBatch, stack
from theorytest.search.outcome import BUDGET, DONE, LOST, NOT_FINITE, RUNNING, SINGULAR, STATUS, UNIT

if TYPE_CHECKING:
    import torch

ENGINES = ("auto", "torch", "fused", "heyoka", "compiled")

Entry = tuple[str, tuple[int, ...]]
Form = Iterable[tuple[tuple[Entry, Entry], Any]]  # terms ((parameter, parameter), coefficient) of a quadratic form


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
    times reached; steps, rejected: (batch,); crossed: (levels, batch), first times at which the quantities reach their
    levels, nan where they do not, with the estimated errors ``crossed_error``; engine: the one that was used.
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
    crossed: torch.Tensor
    crossed_error: torch.Tensor
    engine: str

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

        first, slack = read(flatten(self.start, 1), torch.zeros_like(self.error[0]))
        later, bound = read(flatten(self.blocks, 2), self.error)
        return Drift(later - first, bound + slack)


# -- integration -------------------------------------------------------------------------------------------------------


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
    levels: Sequence[Level] = (),
    error_estimate: bool = True,
    engine: str = "auto",
) -> BatchFlow:
    """Gradient flows of many instances from 0 to the given exact times.

    losses: one, or a sequence with one for each instance (see `stack`); theta0: block name -> tensor or numpy array
    (batch, *shape), made float64; rtol: tolerance of a step relative to the largest parameter of the instance, at least
    1e-13, in the less accurate of the two runs (the result is usually better by two orders or more); atol: the absolute
    one; levels: quantities whose first times at a value are wanted (`BatchFlow.crossed`); error_estimate=False: one run
    instead of two, whose own steps meet ``rtol``, and errors that are nan; engine: one of `ENGINES`, "auto" for the
    one that is measured to be faster where it can be used, compiling included. A blow-up, a loss of accuracy, or an
    instance that needs more than ``max_steps`` accepted and rejected steps ends with its own status and does not hold
    up the others.
    Raises `InputError` for misshapen input, times that do not increase, and an engine that cannot do what is asked.
    """
    import torch

    from theorytest.enclose.taylor import exact

    stops = [exact(t) for t in times]
    if not stops or any(b <= a for a, b in zip([Fraction(-1), *stops], stops, strict=False)) or stops[0] < 0:
        raise InputError(f"given the times {[str(t) for t in stops]}, needed increasing times >= 0")
    if not 1e-13 <= rtol < 1 or atol < 0:
        raise InputError(f"given rtol={rtol}, atol={atol}, needed 1e-13 <= rtol < 1 and atol >= 0: float64 has no more")
    if engine not in ENGINES:
        raise InputError(f"given engine={engine!r}, needed one of {', '.join(ENGINES)}")
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

    flat = flatten(start, 1)
    from theorytest.search import fused, lockstep, native, taylor_batch

    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "max_steps": max_steps, "twice": error_estimate}
    others = {"compiled": native, "heyoka": taylor_batch, "fused": fused}  # the faster one first
    asked: dict[str, Any] = {"device": flat.device, "atol": atol, "levels": levels}
    chosen = "torch" if engine == "auto" else engine
    if engine == "auto":
        for name, other in others.items():
            if name == "fused" and flat.device.type != "cpu":
                continue  # not measured there yet
            if other.pays(model, batch) and not other.obstacle(model, all_losses, **asked):
                chosen = name
                break
    elif chosen in others and (obstacle := others[chosen].obstacle(model, all_losses, **asked)):
        raise InputError(f"given engine={engine!r}, {obstacle}")
    if chosen == "torch":
        found = lockstep.run(model, all_losses, flat, stops, **options, levels=levels)
    elif chosen == "fused":
        found = fused.run(model, all_losses, flat, stops, **options, levels=levels)
    else:
        found = others[chosen].run(model, all_losses, flat, stops, **options)
    sizes = [math.prod(shape) for shape in shapes.values()]
    blocks = {
        name: part.reshape(len(stops), batch, *shape)
        for (name, shape), part in zip(shapes.items(), found.states.split(sizes, dim=-1), strict=True)
    }
    return BatchFlow(
        model, tuple(stops), start, blocks, found.error, found.status, found.reached, found.steps, found.rejected,
        found.crossed, found.crossed_error, chosen,
    )  # fmt: skip


__all__ = [
    "BUDGET",
    "DONE",
    "LOST",
    "NOT_FINITE",
    "RUNNING",
    "SINGULAR",
    "BatchFlow",
    "Drift",
    "Level",
    "LossBatch",
    "integrate_batch",
    "stack",
]
