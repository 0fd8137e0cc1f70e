"""Steps of DOP853 for a batch on fixed buffers, in torch float64: parameters first, instances last.

The slopes of the twelve stages lie one after another, multiplied by the step, next to the state. Every sum over stages
is then one product of a short vector with one matrix, and reads memory once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from theorytest.search import dop853

if TYPE_CHECKING:
    import torch

    from theorytest.search.field import Field, Program

# Where the state (-1) and the slopes of the stages lie. Every stage reads a range of slots that were written in the
# same step: what a blown-up step left behind cannot get in, not even times 0.
SLOTS = (2, 1, -1, 0, *range(3, dop853.STAGES))
PLACE = {stage: slot for slot, stage in enumerate(SLOTS)}


def _range(weights: Mapping[int, float]) -> tuple[int, int]:
    places = [PLACE[-1], *(PLACE[stage] for stage in weights)]
    return min(places), max(places) + 1


class Stepper:
    """One step for every column. Write `state` (parameters, columns), call `step`, read the results.

    new: after the step; fifth, third: the two error vectors; slope: h times the field at the state.
    """

    def __init__(self, field: Field, parameters: int) -> None:
        import torch

        self.field, columns = field, field.columns
        self.held = torch.zeros((len(SLOTS), parameters, columns), **field.options)
        self.state, self.slope = self.held[PLACE[-1]], self.held[PLACE[0]]
        between = torch.empty((parameters, columns), **field.options)
        flat = self.held.view(len(SLOTS), -1)

        def vector(weights: Mapping[int, float], low: int, high: int, state: float) -> torch.Tensor:
            row = [state if SLOTS[k] == -1 else weights.get(SLOTS[k], 0.0) for k in range(low, high)]
            return torch.tensor(row, **field.options)

        self.begin = field.program(self.state, self.slope)
        self.program: Program = list(self.begin)
        for stage in range(1, dop853.STAGES):
            low, high = _range(dop853.A[stage])
            row = vector(dop853.A[stage], low, high, 1.0)
            self.program.append(_product(flat[low:high].t(), row, between.view(-1)))
            self.program += field.program(between, self.held[PLACE[stage]])
        low, high = PLACE[-1], len(SLOTS)
        rows = torch.stack([vector(w, low, high, s) for w, s in ((dop853.B, 1.0), (dop853.E5, 0.0), (dop853.E3, 0.0))])
        found = torch.empty((3, parameters, columns), **field.options)
        self.program.append(_product(rows, flat[low:high], found.view(3, -1)))
        self.found, self.new, (self.fifth, self.third) = found, found[0], found[1:]
        self.absolute = torch.empty_like(found)
        self.graph: Any = None

    def slopes(self) -> torch.Tensor:
        """The field at the state (h = 1)."""
        import torch

        self.field.step(torch.ones_like(self.field.h))
        for operation in self.begin:
            operation()
        return self.slope

    def step(self, h: torch.Tensor) -> None:
        """One step of size ``h`` (one for each column) from the state."""
        self.field.step(h)
        if self.graph is not None:
            self.graph.replay()
            return
        for operation in self.program:
            operation()

    def largest(self) -> torch.Tensor:
        """Largest absolute entries of new, fifth and third, (3, columns)."""
        import torch

        return torch.abs(self.found, out=self.absolute).amax(1)

    def capture(self) -> None:
        """Record the step as one CUDA graph: the same kernels on the same buffers, without a launch for each."""
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):  # libraries set themselves up in a first call, which cannot be recorded
                for operation in self.program:
                    operation()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for operation in self.program:
                operation()
        self.graph = graph


def _product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> Any:
    import torch

    return partial(torch.mv if b.ndim == 1 else torch.mm, a, b, out=out)
