"""What an engine of batched flows hands back: plain tensors, the batch axis before the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
UNIT = 2.0**-53  # rounding unit of float64


@dataclass
class Outcome:
    """states: (times, batch, parameters); error: (times, batch); status, reached, steps, rejected: (batch,); crossed,
    crossed_error: (levels, batch). nan where an instance did not get so far."""

    states: torch.Tensor
    error: torch.Tensor
    status: torch.Tensor
    reached: torch.Tensor
    steps: torch.Tensor
    rejected: torch.Tensor
    crossed: torch.Tensor
    crossed_error: torch.Tensor

    @staticmethod
    def empty(times: int, batch: int, parameters: int, levels: int, device: Any) -> Outcome:
        """Nothing has been reached yet."""
        import torch

        def unknown(*shape: int) -> torch.Tensor:
            return torch.full(shape, torch.nan, dtype=torch.float64, device=device)

        status = torch.full((batch,), RUNNING, dtype=torch.long, device=device)
        return Outcome(
            unknown(times, batch, parameters),
            unknown(times, batch),
            status,
            torch.zeros(batch, dtype=torch.float64, device=device),
            torch.zeros_like(status),
            torch.zeros_like(status),
            unknown(levels, batch),
            unknown(levels, batch),
        )

    def take_over(self, which: torch.Tensor, run: Callable[[torch.Tensor], Outcome]) -> None:
        """Let another engine decide some instances (no levels)."""
        if not len(which):
            return
        again = run(which)
        for name in ("states", "error"):
            getattr(self, name)[:, which] = getattr(again, name)
        for name in ("status", "reached", "steps", "rejected"):
            getattr(self, name)[which] = getattr(again, name)
