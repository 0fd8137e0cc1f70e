"""A batch of runs on one model: objectives with a gradient written out, and the `Dynamics` that trains on them.

The chain rule of the model is `Model.pullback` (no autograd); an objective adds the loss of an end tensor and its
gradient, every member with its own observations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from theorytest.errors import InputError
from theorytest.reproduce.rules import Rule

if TYPE_CHECKING:
    import torch

    from theorytest.models.model import Model

Blocks = Mapping[str, Any]


class Objective(Protocol):
    """Losses of end tensors (members, *shape), one loss for every member."""

    def value(self, W: torch.Tensor) -> torch.Tensor:
        """(members,)."""
        ...

    def gradient(self, W: torch.Tensor) -> torch.Tensor:
        """(members, *shape)."""
        ...

    def take(self, members: torch.Tensor) -> Objective:
        """The losses of some members."""
        ...


class Square:
    """ℓ(z) = z^2, and its derivative."""

    def value(self, z: torch.Tensor) -> torch.Tensor:
        """z^2."""
        return z.square()

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        """2 z."""
        return z * 2


class Huber:
    """RMC21 (8) divided by its transition point, as in the published experiments: z^2 / (2 δ) up to |z| = δ, |z| - δ/2
    beyond."""

    def __init__(self, delta: float) -> None:
        if not delta > 0:
            raise InputError(f"given delta={delta}, needed a positive transition point")
        self.delta = delta

    def value(self, z: torch.Tensor) -> torch.Tensor:
        """The loss."""
        near = z.abs().clamp_max(self.delta)
        return near * (z.abs() - near / 2) / self.delta

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        """z / δ, kept within -1 and 1."""
        return (z / self.delta).clamp(-1, 1)


class Entries:
    """Mean loss over the observed entries: targets and weights (members, *shape) or (1, *shape).

    The weights are 1 / (number observed) at observed entries and 0 elsewhere (see `of`).
    """

    def __init__(self, targets: torch.Tensor, weights: torch.Tensor, base: Square | Huber | None = None) -> None:
        self.targets, self.weights, self.base = targets, weights, Square() if base is None else base

    @staticmethod
    def of(targets: torch.Tensor, observed: torch.Tensor, base: Square | Huber | None = None) -> Entries:
        """observed: 1 where an entry is observed, else 0, in the dtype of the targets."""
        axes = tuple(range(1, observed.ndim))
        return Entries(targets, observed / observed.sum(axes, keepdim=True), base)

    def value(self, W: torch.Tensor) -> torch.Tensor:
        """The mean over the observed entries."""
        return (self.base.value(W - self.targets) * self.weights).flatten(1).sum(1)

    def gradient(self, W: torch.Tensor) -> torch.Tensor:
        """Zero at unobserved entries."""
        return self.base.derivative(W - self.targets).mul_(self.weights)

    def take(self, members: torch.Tensor) -> Entries:
        """The objectives of some members."""
        targets, weights = (x if len(x) == 1 else x[members] for x in (self.targets, self.weights))
        return Entries(targets, weights, self.base)


class Measurements:
    """Mean loss over linear measurements <A_i, W> - y_i.

    tensors: (1 or members, count, *shape); values: (members, count).
    """

    def __init__(self, tensors: torch.Tensor, values: torch.Tensor, base: Square | Huber | None = None) -> None:
        self.tensors, self.values, self.base = tensors.flatten(2), values, Square() if base is None else base

    def _residuals(self, W: torch.Tensor) -> torch.Tensor:
        flat = W.flatten(1)
        if len(self.tensors) == 1:  # one product of matrices reads the tensors once for all members
            return flat @ self.tensors[0].mT - self.values
        return (self.tensors @ flat.unsqueeze(-1)).squeeze(-1) - self.values

    def value(self, W: torch.Tensor) -> torch.Tensor:
        """The mean over the measurements."""
        return self.base.value(self._residuals(W)).mean(1)

    def gradient(self, W: torch.Tensor) -> torch.Tensor:
        """The sum of the A_i, each times its derivative over the count."""
        slopes = self.base.derivative(self._residuals(W)) / self.values.shape[1]
        if len(self.tensors) == 1:
            return (slopes @ self.tensors[0]).reshape(W.shape)
        return (slopes.unsqueeze(1) @ self.tensors).reshape(W.shape)

    def take(self, members: torch.Tensor) -> Measurements:
        """The objectives of some members."""
        tensors = self.tensors if len(self.tensors) == 1 else self.tensors[members]
        return Measurements(tensors.unsqueeze(-1), self.values[members], self.base)


class Training:
    """A batch of members of one model under one rule (a `theorytest.reproduce.engine.Dynamics`).

    start: block name -> (members, *shape); measure: from the training to what is to be recorded (the loss is always);
    group: members that are computed together, so that what they need stays in the processor's cache.
    track: from blocks to squared norms of slices, (members, slices). For rules with one rate η_t the state then has
    "tracked", the sums of η_t^2 track(g_t) over the steps, "tracked.start", the norms at the start, and "last rate".
    """

    def __init__(
        self,
        model: Model,
        objective: Objective,
        rule: Rule,
        start: Blocks,
        *,
        measure: Callable[[Training], Mapping[str, torch.Tensor]] | None = None,
        group: int = 32,
        track: Callable[[dict[str, torch.Tensor]], torch.Tensor] | None = None,
    ) -> None:
        import torch

        self.model, self.objective, self.rule = model, objective, rule
        self.shapes = dict(model.shapes)
        self.sizes = [prod(shape) for shape in self.shapes.values()]
        self.flat = torch.cat([start[name].flatten(1) for name in self.shapes], dim=1)
        self.state = rule.start(self.flat)
        self.count = 0
        self.group = group
        self.extra = measure
        self.track = track
        if track is not None:
            self.state["tracked.start"] = track(self.blocks())
            self.state["tracked"] = torch.zeros_like(self.state["tracked.start"])
            self.state["last rate"] = self.flat.new_zeros(len(self.flat))
        self._split()

    def _split(self) -> None:
        """The objective of every group of members, with the group's first place and the one after its last."""
        import torch

        count, size = len(self.flat), self.group
        members = torch.arange(count, device=self.flat.device)
        self.groups = [
            (k, min(k + size, count), self.objective if count <= size else self.objective.take(members[k : k + size]))
            for k in range(0, count, size)
        ]

    def blocks(self, flat: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """The parameters (or another tensor like them), block by block."""
        held = self.flat if flat is None else flat
        parts = held.split(self.sizes, dim=1)
        return {
            name: part.reshape(len(held), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def end_tensor(self) -> torch.Tensor:
        """(members, *shape)."""
        return self.model.end_tensor(self.blocks())

    def gradient(self) -> torch.Tensor:
        """The gradient of every member's loss by its parameters, (members, parameters)."""
        import torch

        made: list[torch.Tensor] = []
        blocks = self.blocks()
        for low, high, objective in self.groups:
            some = blocks
            if len(self.groups) > 1:
                some = {name: block[low:high] for name, block in blocks.items()}
            W, pull = self.model.pullback(some)
            gradients = pull(objective.gradient(W))
            made.append(torch.cat([gradients[name].flatten(1) for name in self.shapes], dim=1))
        return made[0] if len(made) == 1 else torch.cat(made)

    # -- Dynamics -----------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """Parameters and the rule's state."""
        return {"parameters": self.flat, **{f"rule.{name}": values for name, values in self.state.items()}}

    def load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on after so many steps."""
        self.flat = tensors["parameters"].clone()
        self.state = {name: tensors[f"rule.{name}"].clone() for name in self.state}
        self.count = step

    def advance(self, steps: int) -> None:
        """Take so many steps."""
        for _ in range(steps):
            gradient = self.gradient()
            self.count += 1
            rate = self.rule.step(self.flat, gradient, self.state, self.count)
            if self.track is not None:
                if rate is None:
                    raise InputError(
                        f"given {type(self.rule).__name__}, needed a rule with one rate to track the drift"
                    )
                self.state["tracked"] += rate[:, None].square() * self.track(self.blocks(gradient))
                self.state["last rate"] = rate

    def losses(self) -> torch.Tensor:
        """(members,)."""
        return self.objective.value(self.end_tensor())

    def measure(self) -> dict[str, torch.Tensor]:
        """The loss, and what else was asked for."""
        return {"loss": self.losses(), **(self.extra(self) if self.extra is not None else {})}

    def keep(self, members: torch.Tensor) -> None:
        """Drop all but these members."""
        if len(members) == len(self.flat):
            return
        self.flat = self.flat[members].contiguous()
        self.state = {name: values[members].contiguous() for name, values in self.state.items()}
        self.objective = self.objective.take(members)
        self._split()


def gaussian(model: Model, deviations: Any, *, seed: int, kind: Any) -> dict[str, torch.Tensor]:
    """Independent Gaussian entries with mean zero: deviations (members,) are their standard deviations.

    kind: from numbers to a tensor (`Context.tensor`). Drawn by numpy in float64, so that all devices and dtypes get
    the same numbers, rounded.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    scale = np.asarray(deviations, dtype=float)
    return {
        name: kind(random.standard_normal((len(scale), *shape)) * scale.reshape(-1, *(1 for _ in shape)))
        for name, shape in model.shapes.items()
    }


UNITS = 1000  # rounding of a comparison at one moment, in units of roundoff: more than its products and sums have


def rounding(training: Training, squares: torch.Tensor) -> torch.Tensor:
    """What rounding can make of differences of squared norms over the steps taken so far, (members,).

    Every step rounds every squared norm by a few units of roundoff of its size, now and in the sums that are tracked;
    the largest now stands for the largest on the way. An estimate, not a bound.
    """
    import torch

    return 16 * torch.finfo(squares.dtype).eps * (training.count + 1) * squares.amax(1)


__all__ = ["UNITS", "Entries", "Huber", "Measurements", "Objective", "Square", "Training", "gaussian", "rounding"]
