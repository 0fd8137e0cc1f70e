"""When a quantity of a flow first reaches a level: within a step, by steps of other sizes from the same state.

The time is as accurate as the steps are. A quantity that reaches the level and turns back within one step is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theorytest.search import dop853

if TYPE_CHECKING:
    import torch

    from theorytest.search.loss_batch import LossBatch

EVALUATIONS = 60  # at most, to find one time; about ten are needed


@dataclass(frozen=True)
class Level:
    """quantity: blocks (name -> (batch, *shape)) to (batch,); value: the level that it is to reach."""

    quantity: Callable[[Mapping[str, Any]], Any]
    value: float


class PlainField:
    """Minus the gradient at flat parameters (batch, parameters), by the model's ``pullback``: nothing is kept."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.shapes: dict[str, tuple[int, ...]] = dict(model.shapes)

    def blocks(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of flat parameters (..., parameters) as blocks (..., *shape)."""
        parts = flat.split([math.prod(shape) for shape in self.shapes.values()], dim=-1)
        lead = flat.shape[:-1]
        return {n: part.reshape(*lead, *shape) for (n, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def __call__(self, flat: torch.Tensor, losses: LossBatch) -> torch.Tensor:
        W, pull = self.model.pullback(self.blocks(flat))
        gradients = pull(losses.gradient(W).expand(W.shape))
        return -flatten({name: gradients[name] for name in self.shapes}, 1)


def flatten(blocks: Mapping[str, torch.Tensor], lead: int) -> torch.Tensor:
    """Blocks to flat parameters, behind so many leading axes."""
    import torch

    parts = [block.reshape(*block.shape[:lead], math.prod(block.shape[lead:])) for block in blocks.values()]
    return torch.cat(parts, dim=-1)


def plain_step(field: PlainField, losses: LossBatch, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """One step of DOP853 from ``x`` (batch, parameters), h: (batch, 1). Term by term, as the method is written."""
    slopes = [field(x, losses)]
    for row in dop853.A[1:]:
        slopes.append(field(x + h * sum(a * slopes[k] for k, a in row.items()), losses))
    return x + h * sum(b * slopes[k] for k, b in dop853.B.items())


def quantities(model: Any, levels: Sequence[Level], flat: torch.Tensor) -> torch.Tensor:
    """Values of all quantities, (levels, batch), at flat parameters (batch, parameters)."""
    import torch

    blocks = PlainField(model).blocks(flat)
    return torch.stack([level.quantity(blocks).to(torch.float64).reshape(len(flat)) for level in levels])


def note(
    model: Any,
    losses: LossBatch,
    levels: Sequence[Level],
    instance: torch.Tensor,
    x: torch.Tensor,
    begin: torch.Tensor,
    step: torch.Tensor,
    accept: torch.Tensor,
    before: torch.Tensor,
    after: torch.Tensor,
    crossed: torch.Tensor,
) -> None:
    """Write into ``crossed`` (levels, columns) the times at which levels are reached within accepted steps of size
    ``step`` from ``x`` (parameters, columns) at the times ``begin``; ``before`` becomes ``after`` where accepted."""
    import torch

    field = PlainField(model)
    for k, level in enumerate(levels):
        old, new = before[k] - level.value, after[k] - level.value
        where = (accept & torch.isnan(crossed[k]) & ((old * new < 0) | (new == 0))).nonzero()[:, 0]
        if len(where):
            own = losses.take(instance[where])
            state, h = x[:, where].t(), step[where]

            def at(s: torch.Tensor, level=level, own=own, state=state) -> torch.Tensor:
                moved = plain_step(field, own, state, s[:, None])
                return quantities(model, [level], moved)[0] - level.value

            crossed[k, where] = begin[where] + _root(at, old[where], new[where], h)
        before[k] = torch.where(accept, after[k], before[k])


def _root(at: Callable[[torch.Tensor], torch.Tensor], old: torch.Tensor, new: torch.Tensor, h: torch.Tensor) -> Any:
    """Where a function vanishes between 0 (value old) and h (value new, of the other sign or 0): Illinois method."""
    import torch

    low, high, f_low, f_high, side = torch.zeros_like(h), h, old, new, torch.zeros_like(h)
    for _ in range(EVALUATIONS):
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        middle = torch.where((middle > low) & (middle < high), middle, (low + high) / 2)
        value = at(middle)
        before = value * old > 0
        # The end that stays for a second time is weighed by half, so that both ends close in.
        f_high = torch.where(before, torch.where(side > 0, f_high / 2, f_high), value)
        f_low = torch.where(before, value, torch.where(side < 0, f_low / 2, f_low))
        low, high = torch.where(before, middle, low), torch.where(before, high, middle)
        side = before.to(h.dtype) * 2 - 1
        if bool(((high - low <= 2.0**-45 * h) | (value == 0)).all()):
            break
    return high
