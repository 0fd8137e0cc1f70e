"""Predictors of low tensor rank on binary inputs, trained in the log domain.

f(x) = sum over r of the product over n of w[r, n, x_n], x in {0, 1}^N (RMC21, Section 2.1: an entry of a CP
factorization of order N). Products of hundreds of factors under- and overflow, so that their logarithms are summed, and
signs apart; for binary inputs both sums are products with the matrix of inputs X, and so is the gradient:

    log |f_r(x)| = sum_n log |w[r, n, 0]| + sum_n x_n (log |w[r, n, 1]| - log |w[r, n, 0]|)
    d f_r(x) / d w[r, n, b] = f_r(x) / w[r, n, b] where x_n = b, else 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.reproduce.rules import Adam

if TYPE_CHECKING:
    import torch


class Products:
    """Adam on mini-batches for many tasks at once (a `engine.Dynamics`); a member is a task.

    inputs: (samples, N) of zeros and ones; labels: (samples, members); tests: the same for testing. Labels 1 become 2
    and the error is divided by 4, as in the published code. Weights start at N(1, 0.001^2) and are kept within
    -limit and limit. batch: samples a step; the order of samples in every epoch follows from the seed.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        labels: np.ndarray,
        tests: tuple[np.ndarray, np.ndarray],
        *,
        rank: int,
        tensor: Any,
        rate: float = 5e-4,
        batch: int = 5000,
        limit: float = 1.02,
        seed: int = 0,
    ) -> None:
        import torch

        self.rank, self.batch, self.limit, self.seed = rank, min(batch, len(inputs)), limit, seed
        members, order = labels.shape[1], inputs.shape[1]
        random = np.random.default_rng([seed, rank])
        self.weights = tensor(1 + 1e-3 * random.standard_normal((members, rank, order, 2)))
        device = self.weights.device
        self.inputs = torch.as_tensor(inputs.astype(np.uint8), device=device)
        self.labels = tensor(labels)
        self.test_inputs = torch.as_tensor(tests[0].astype(np.uint8), device=device)
        self.test_labels = tensor(tests[1])
        self.rule = Adam(rate)
        self.state = self.rule.start(self.weights.flatten(1))
        self.count = 0
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.long)

    def terms(self, X: torch.Tensor) -> torch.Tensor:
        """f_r(x) of every sample, (samples, members, rank)."""
        w = self.weights.flatten(0, 1)  # (members * rank, N, 2)
        logs = w.abs().log()
        values = X @ (logs[..., 1] - logs[..., 0]).mT + logs[..., 0].sum(1)
        made = values.exp()
        negative = (w < 0).to(X.dtype)
        if bool(negative.any()):
            odd = (X @ (negative[..., 1] - negative[..., 0]).mT + negative[..., 0].sum(1)).round() % 2
            made = made * (1 - 2 * odd)
        return made.unflatten(1, self.weights.shape[:2])

    def gradient(self, X: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared error of every member on a batch, and its gradient (members, rank * N * 2)."""
        F = self.terms(X)
        gap = (F.sum(2) - 2 * y) / 2
        pulled = (gap / len(X)).unsqueeze(2) * F  # d(mean gap^2) / df = gap / samples, as gap is half of f - 2 y
        flat = pulled.flatten(1)
        ones = (flat.mT @ X).unflatten(0, self.weights.shape[:2])  # (members, rank, N)
        zeros = flat.sum(0).unflatten(0, self.weights.shape[:2]).unsqueeze(2) - ones
        gradient = zeros.new_empty(self.weights.shape)
        gradient[..., 0], gradient[..., 1] = zeros, ones
        return gap.square().mean(0), (gradient / self.weights).flatten(1)

    def _samples(self) -> torch.Tensor:
        import torch

        per_epoch = len(self.inputs) // self.batch
        epoch, place = divmod(self.count, per_epoch)
        if epoch != self.epoch:
            order = np.random.default_rng([self.seed, 7, epoch]).permutation(len(self.inputs))
            self.epoch, self.order = epoch, torch.as_tensor(order, device=self.inputs.device)
        return self.order[place * self.batch : (place + 1) * self.batch]

    def errors(self, inputs: torch.Tensor, labels: torch.Tensor, clip: float | None) -> torch.Tensor:
        """Mean squared error of every member, squared errors clipped where asked for."""
        total: Any = 0
        for k in range(0, len(inputs), 5000):
            F = self.terms(inputs[k : k + 5000].to(self.weights.dtype)).sum(2) / 2
            square = (F - labels[k : k + 5000]).square()
            total = total + (square if clip is None else square.nan_to_num(clip).clamp_max(clip)).sum(0)
        return total / len(inputs)

    # -- Dynamics -----------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and the state of Adam."""
        return {"weights": self.weights, **{f"rule.{name}": values for name, values in self.state.items()}}

    def load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on after so many steps."""
        self.weights = tensors["weights"].clone()
        self.state = {name: tensors[f"rule.{name}"].clone() for name in self.state}
        self.count = step

    def advance(self, steps: int) -> None:
        """Take so many steps, each on the next mini-batch."""
        for _ in range(steps):
            chosen = self._samples()
            _, gradient = self.gradient(self.inputs[chosen].to(self.weights.dtype), self.labels[chosen])
            self.count += 1
            flat = self.weights.flatten(1)
            self.rule.step(flat, gradient, self.state, self.count)
            self.weights = flat.clamp_(-self.limit, self.limit).reshape(self.weights.shape)

    def losses(self) -> torch.Tensor:
        """Training errors."""
        return self.errors(self.inputs, self.labels, None)

    def measure(self) -> dict[str, torch.Tensor]:
        """Training error, and test error with squared errors clipped at 1."""
        return {"loss": self.losses(), "test": self.errors(self.test_inputs, self.test_labels, 1.0)}

    def keep(self, members: torch.Tensor) -> None:
        """Drop all but these members."""
        self.weights, self.labels = self.weights[members], self.labels[:, members]
        self.test_labels = self.test_labels[:, members]
        self.state = {name: values[members] for name, values in self.state.items()}


__all__ = ["Products"]
