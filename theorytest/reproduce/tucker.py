"""Deep Tucker factorizations in batches: what HKA24 measures of them, and its theorems at one moment of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from theorytest.models.model import Model
    from theorytest.reproduce.training import Training

Tensor = np.ndarray


def columns(blocks: Mapping[str, torch.Tensor], order: int) -> list[torch.Tensor]:
    """Per mode n, the vectors x_r^n = A_1^{n,r} ... A_k^{n,r} w_r^n, (members, R_n, d_n): the columns of V^(n)."""
    made: list[torch.Tensor] = []
    for n in range(1, order + 1):
        rows = blocks[f"w[{n}]"]
        k = sum(1 for name in blocks if name.startswith(f"A[{n},"))
        for s in range(k, 0, -1):
            rows = (blocks[f"A[{n},{s}]"] @ rows.unsqueeze(-1)).squeeze(-1)
        made.append(rows)
    return made


def start(
    model: Model, deviations: Sequence[float], identity: Sequence[bool], *, seed: int, kind: Any
) -> dict[str, torch.Tensor]:
    """Gaussian entries with these standard deviations; members with ``identity`` add the identity to every A."""
    from theorytest.reproduce.training import gaussian

    blocks = gaussian(model, deviations, seed=seed, kind=kind)
    for name, block in blocks.items():
        if name.startswith("A"):
            block += kind(np.asarray(identity, dtype=float))[:, None, None, None] * kind(np.eye(block.shape[-1]))
    return blocks


def slice_squares(blocks: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Squared norms of all that Lemma 4.1 speaks of, (members, slices): per mode those of G, of w and of every A."""
    import torch

    core = blocks["G"]
    order = core.ndim - 1
    made: list[torch.Tensor] = []
    for n in range(1, order + 1):
        made.append(core.square().sum(tuple(a for a in range(1, order + 1) if a != n)))
        made.append(blocks[f"w[{n}]"].square().sum(2))
        made += [block.square().sum((2, 3)) for name, block in blocks.items() if name.startswith(f"A[{n},")]
    return torch.cat(made, dim=1)


def drift(values: torch.Tensor, sizes: Sequence[int], layers: int) -> torch.Tensor:
    """Differences that Lemma 4.1 keeps: of every slice of w and A to the slice of G with the same mode and index.

    values: as `slice_squares`; sizes: R_n; layers: matrices a column. (members, all of them).
    """
    import torch

    made: list[torch.Tensor] = []
    at = 0
    for size in sizes:
        first = values[:, at : at + size]
        for k in range(1, layers + 2):
            made.append(values[:, at + k * size : at + (k + 1) * size] - first)
        at += (layers + 2) * size
    return torch.cat(made, dim=1)


def corollary_4_4(training: Training) -> torch.Tensor:
    """Corollary 4.4 (i), (ii) at this moment, mode by mode: (members, 3): slices compared, violations, least margin.

    The derivative of ||G_r|| along the flow against (||G_r|| / sqrt d)^k α δ and ||G_r||^k δ, α with the first *right*
    singular vector of A = A_1 ... A_k (the printed left one is refuted in `proofs`). The margin is relative to the
    larger bound.
    """
    import torch

    from theorytest.reproduce.training import UNITS

    blocks = training.blocks()
    slopes = training.blocks(training.gradient())
    core = blocks["G"]
    order = core.ndim - 1
    k = sum(1 for name in blocks if name.startswith("A[1,"))
    found: list[torch.Tensor] = []
    vectors = columns(blocks, order)
    for n in range(1, order + 1):
        axes = tuple(a for a in range(1, order + 1) if a != n)
        norms = core.square().sum(axes).sqrt()
        derivative = -(core * slopes["G"]).sum(axes) / norms
        w = blocks[f"w[{n}]"]
        x = vectors[n - 1]
        delta = derivative * w.norm(dim=2) / x.norm(dim=2)
        product: Any = None
        for s in range(1, k + 1):
            A = blocks[f"A[{n},{s}]"]
            product = A if product is None else product @ A
        if product is None:
            alpha = torch.ones_like(norms)
        else:
            _, _, Vt = torch.linalg.svd(product.nan_to_num())
            alpha = ((Vt[..., 0, :] * w).sum(2) / w.norm(dim=2)).abs()
        near = (norms / w.shape[2] ** 0.5) ** k * alpha * delta
        far = norms**k * delta
        low, high = torch.minimum(near, far), torch.maximum(near, far)
        margin = torch.minimum(derivative - low, high - derivative) / far.abs().clamp_min(1e-300)
        found.append(margin)
    margins = torch.cat(found, dim=1)
    count = torch.full_like(margins[:, 0], margins.shape[1])
    return torch.stack(
        [count, (margins < -UNITS * torch.finfo(margins.dtype).eps).sum(1).to(count.dtype), margins.amin(1)], dim=1
    )


def truncation(core: Tensor, V: Sequence[Tensor], epsilon: float) -> tuple[tuple[int, ...], float]:
    """Proposition 4.6 in floating point: the multilinear rank bound (R_1, ..., R_N) and ||W_e - W~|| for this ε.

    core: G; V: per mode, rows are the columns of V^(n). W~ has the slices of G at or below the threshold set to zero.
    """
    N = core.ndim
    scale = float(np.prod([np.linalg.norm(v, 2) for v in V]))
    kept = core.copy()
    ranks: list[int] = []
    for n in range(N):
        axes = tuple(a for a in range(N) if a != n)
        large = np.sqrt((core**2).sum(axes)) > epsilon / (np.sqrt(core.shape[n] * N) * scale)
        ranks.append(int(large.sum()))
        kept = kept * large.reshape([-1 if a == n else 1 for a in range(N)])
    return tuple(ranks), float(np.linalg.norm(contract(core - kept, V)))


def contract(core: Tensor, V: Sequence[Tensor]) -> Tensor:
    """G x_1 V^(1) ... x_N V^(N), rows of V[n] being the columns of V^(n)."""
    for n, v in enumerate(V):
        core = np.moveaxis(np.tensordot(core, v, axes=(n, 0)), -1, n)
    return core


def core_slices(W: Tensor, mode: int) -> Tensor:
    """Norms of the slices of the HOSVD core in one mode: the singular values of that unfolding."""
    return np.linalg.svd(np.moveaxis(W, mode, 0).reshape(W.shape[mode], -1), compute_uv=False)


def truncated(W: Tensor, ranks: Sequence[int]) -> Tensor:
    """The truncated HOSVD of W at a multilinear rank."""
    made = W
    for n, rank in enumerate(ranks):
        U = np.linalg.svd(np.moveaxis(W, n, 0).reshape(W.shape[n], -1), full_matrices=False)[0][:, :rank]
        made = np.moveaxis(np.tensordot(U @ U.T, made, axes=(1, n)), 0, n)
    return made


def r_squared(W: Tensor, truth: Tensor, where: Tensor) -> float:
    """1 - SS_residual / SS_total over the entries where ``where`` is 1."""
    chosen = where > 0
    gap, values = (W - truth)[chosen], truth[chosen]
    return 1 - float((gap**2).sum() / ((values - values.mean()) ** 2).sum())


__all__ = [
    "columns",
    "contract",
    "core_slices",
    "corollary_4_4",
    "drift",
    "r_squared",
    "slice_squares",
    "start",
    "truncated",
    "truncation",
]
