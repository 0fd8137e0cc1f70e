"""Deep matrix factorization of small square matrices by gradient descent: many members in few tensor operations.

RC20 Figures 1, 4 and 5 take millions of steps on 2x2 matrices. There the cost is the number of operations, not their
size: the members lie on the last axis, products of matrices are elementwise products and sums over whole batches, the
learning rate is part of the weights of the loss, and all intermediate tensors are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.errors import InputError

if TYPE_CHECKING:
    import torch

LOOK = 50  # steps between two looks at the levels


class SmallMatrices:
    """Gradient descent on the half-sum loss of W = W_L ... W_1, all factors d x d (a `engine.Dynamics`).

    layers: (members, L, d, d) with L >= 2, W_1 first; rate: (members,); targets, observed: (members, d, d). The loss is
    that of RC20 (1) and (2); the members lie on the last axis inside.

    levels: decreasing losses. When the loss of a member is first seen below one (every ``LOOK`` steps), the step, and
    loss and W before and after, go into the tensors "levels.step" (members, levels), "levels.loss" (members, levels,
    2) and "levels.W" (members, levels, 2, d, d); nan for levels not reached.
    """

    def __init__(
        self,
        layers: torch.Tensor,
        rate: torch.Tensor,
        targets: torch.Tensor,
        observed: torch.Tensor,
        *,
        levels: Sequence[float] = (),
    ) -> None:
        import torch

        _, depth, d, other = layers.shape
        if depth < 2 or d != other:
            raise InputError(f"given layers of shape {tuple(layers.shape)}, needed (members, L, d, d) with L >= 2")
        self.depth, self.d = depth, d
        self.layers = layers.permute(1, 2, 3, 0).contiguous()
        self.rate, self.targets, self.observed = rate, targets.permute(1, 2, 0), observed.permute(1, 2, 0)
        self.count = 0
        self._prepare()
        self.levels = layers.new_tensor(levels)
        self.crossed: dict[str, torch.Tensor] = {}
        if levels:
            lead = (len(layers), len(levels))
            for name, shape in (("levels.step", lead), ("levels.loss", (*lead, 2)), ("levels.W", (*lead, 2, d, d))):
                self.crossed[name] = layers.new_full(shape, float("nan"))
            self.crossed["levels.before"] = torch.cat([self.losses()[:, None], self.end_matrix().flatten(1)], dim=1)

    def _prepare(self) -> None:
        """Intermediate tensors, and the list of operations of one step (all with an output given)."""
        import torch

        L, d, W = self.depth, self.d, self.layers
        members = W.shape[-1]
        weights = (self.observed * self.rate).contiguous()
        aims = (weights * self.targets).contiguous()
        self.products = torch.empty_like(W)  # products[l] = W_{l+1} ... W_1 for l >= 1
        back, change = torch.empty_like(W), torch.empty_like(W)
        self.terms = W.new_empty(d, d, d, members)
        self.forward: list[tuple[Callable[..., Any], tuple[Any, ...], torch.Tensor]] = []
        for l in range(1, L):
            before = W[0] if l == 1 else self.products[l - 1]
            self.forward += self._product(W[l][:, :, None], before[None], self.terms, 1, self.products[l])
        step = list(self.forward)
        step.append((torch.mul, (self.products[L - 1], weights), back[L - 1]))
        step.append((torch.sub, (back[L - 1], aims), back[L - 1]))
        for l in range(L - 2, -1, -1):  # back[l] = W_{l+2}^T back[l+1]
            out = back[l] if l else change[0]
            step += self._product(W[l + 1][:, :, None], back[l + 1][:, None], self.terms, 0, out)
        step += self._product(back[1][:, None], W[0][None], self.terms, 2, change[1])
        if L > 2:  # change[l] = back[l] (W_l ... W_1)^T, all l at once
            terms = W.new_empty(L - 2, d, d, d, members)
            step += self._product(back[2:][:, :, None], self.products[1 : L - 1][:, None], terms, 3, change[2:])
        step.append((torch.sub, (W, change), W))
        self.step = step

    def _product(
        self, left: torch.Tensor, right: torch.Tensor, terms: torch.Tensor, axis: int, out: torch.Tensor
    ) -> list[tuple[Callable[..., Any], tuple[Any, ...], torch.Tensor]]:
        """out = sum of left * right over an axis of the terms."""
        import torch

        if self.d == 2:
            add = (torch.add, (terms.select(axis, 0), terms.select(axis, 1)), out)
        else:
            add = (_sum, (terms, axis), out)
        return [(torch.mul, (left, right), terms), add]

    def end_matrix(self) -> torch.Tensor:
        """W, (members, d, d)."""
        for operation, arguments, out in self.forward:
            operation(*arguments, out=out)
        return self.products[self.depth - 1].permute(2, 0, 1).clone()

    # -- Dynamics -----------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """The layers, (members, L, d, d), and what was seen at the levels."""
        return {"layers": self.layers.permute(3, 0, 1, 2).contiguous(), **self.crossed}

    def load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on from these layers."""
        self.layers = tensors["layers"].permute(1, 2, 3, 0).contiguous()
        self.crossed = {name: tensors[name].clone() for name in self.crossed}
        self.count = step
        self._prepare()

    def advance(self, steps: int) -> None:
        """Take so many steps, looking at the levels on the way."""
        operations = self.step
        while steps:
            some = min(steps, LOOK - self.count % LOOK) if self.crossed else steps
            for _ in range(some):
                for operation, arguments, out in operations:
                    operation(*arguments, out=out)
            steps -= some
            self.count += some
            if self.crossed:
                self._look()

    def _look(self) -> None:
        """Note the members whose loss is below a level for the first time."""
        import torch

        loss, W = self.losses(), self.end_matrix()
        new = torch.isnan(self.crossed["levels.step"]) & (loss[:, None] <= self.levels)
        if bool(new.any()):
            before = self.crossed["levels.before"]
            members = new.nonzero()[:, 0]
            self.crossed["levels.step"][new] = float(self.count)
            self.crossed["levels.loss"][new] = torch.stack([before[:, 0], loss], dim=1)[members]
            pair = torch.stack([before[:, 1:].reshape(W.shape), W], dim=1)
            self.crossed["levels.W"][new] = pair[members]
        self.crossed["levels.before"] = torch.cat([loss[:, None], W.flatten(1)], dim=1)

    def losses(self) -> torch.Tensor:
        """Half-sum losses, (members,)."""
        gap = (self.end_matrix().permute(1, 2, 0) - self.targets) * self.observed
        return gap.square().sum((0, 1)) / 2

    def measure(self) -> dict[str, torch.Tensor]:
        """The loss and the end matrix."""
        return {"loss": self.losses(), "W": self.end_matrix()}

    def keep(self, members: torch.Tensor) -> None:
        """Drop all but these members."""
        if len(members) == self.layers.shape[-1]:
            return
        self.layers = self.layers[..., members].contiguous()
        self.rate, self.targets, self.observed = (x[..., members] for x in (self.rate, self.targets, self.observed))
        self.crossed = {name: values[members] for name, values in self.crossed.items()}
        self._prepare()


def _sum(terms: torch.Tensor, axis: int, *, out: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.sum(terms, axis, out=out)


def starts(
    depth: int, d: int, deviations: Sequence[float], balanced: Sequence[bool], signs: Sequence[int], *, seed: int
) -> np.ndarray:
    """Layers (members, L, d, d) whose product has a determinant of the sign asked for, resampled until it has.

    deviations: the standard deviation of the entries of the product of independent Gaussian layers, every layer having
    entries of deviation (deviation / d^((L-1)/2))^(1/L). Balanced members have a product with independent Gaussian
    entries of that deviation, split into layers with the singular values S^(1/L) (RC20 (5)); the hidden frames are
    unit vectors, as rotating them changes nothing.
    """
    random = np.random.default_rng(seed)
    made = np.empty((len(deviations), depth, d, d))
    for place, (deviation, whole, sign) in enumerate(zip(deviations, balanced, signs, strict=True)):
        while True:
            if whole:
                W = deviation * random.standard_normal((d, d))
                U, S, Vt = np.linalg.svd(W)
                part = np.diag(S ** (1 / depth))
                layers = np.stack([part @ Vt, *[part] * (depth - 2), U @ part])
            else:
                size = (deviation / d ** ((depth - 1) / 2)) ** (1 / depth)
                layers = size * random.standard_normal((depth, d, d))
            if np.sign(np.prod(np.linalg.slogdet(layers)[0])) == sign:
                break
        made[place] = layers
    return made


__all__ = ["SmallMatrices", "starts"]
