"""Losses of a batch: one for all instances, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError

if TYPE_CHECKING:
    import torch

PER_INSTANCE = ("weight", "target", "rows")  # what has the batch axis first


@dataclass(frozen=True)
class LossBatch:
    """Losses of the instances of a batch. kind: "shared", "entries", "sensing" or "linear".

    shared: ``base`` is the one loss of all; entries: weight * base'(W - target), entry by entry, with the batch axis
    first; sensing: rows (batch, m, entries of W), target (batch, m); linear: target is the gradient.
    """

    kind: str
    base: Any = None
    weight: Any = None
    target: Any = None
    rows: Any = None

    def take(self, which: torch.Tensor) -> LossBatch:
        """The losses of some instances."""
        if self.kind == "shared":
            return self
        held = {name: getattr(self, name) for name in PER_INSTANCE}
        return LossBatch(self.kind, self.base, **{n: None if v is None else v[which] for n, v in held.items()})

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

    def entries(self, shape: tuple[int, ...], *, device: Any = "cpu") -> LossBatch | None:
        """The same losses as kind "entries", with a batch axis of size 1 where all instances share them; None for
        losses that do not act entry by entry."""
        if self.kind == "entries":
            return self
        if self.kind == "shared" and hasattr(self.base, "observed") and hasattr(self.base, "base"):
            return _entries([self.base], self.base.base, shape, device)
        return None


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
        return _entries(losses, base, shape, device)
    if all(isinstance(loss, Sensing) for loss in losses) and len({len(loss.targets) for loss in losses}) == 1:
        rows = tensor([[[float(x) for x in A.entries] for A in loss.measurements] for loss in losses])
        weight = tensor([[float(loss.weight)] for loss in losses])
        return LossBatch("sensing", base, weight, tensor([[float(y) for y in loss.targets] for loss in losses]), rows)
    raise InputError("given losses of different kinds in one batch, needed one kind: split the batch")


def _entries(losses: Sequence[Any], base: Any, shape: tuple[int, ...], device: Any) -> LossBatch:
    """Completion losses, written out on all entries of W: weight 0 where nothing is observed."""
    import torch

    weight = torch.zeros((len(losses), *shape), dtype=torch.float64)
    target = torch.zeros_like(weight)
    for k, loss in enumerate(losses):
        for index, value in loss.observed:
            if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
                raise InputError(f"given an observation at {index}, needed an index of an end tensor of shape {shape}")
            weight[(k, *index)] = float(loss.weight)
            target[(k, *index)] = float(value)
    return LossBatch("entries", base, weight.to(device), target.to(device))
