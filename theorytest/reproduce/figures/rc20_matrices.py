"""What RC20 Figures 1, 4 and 5 share: runs of gradient descent on a matrix with one unobserved entry, and their curves.

Observations are those of RC20 (6) and its extensions: d x d, all entries but one observed. The loss is the half sum
(RC20 (1)); the published code takes the mean of three squares, which is 2/3 of it, with learning rates 3/2 as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.reproduce.engine import Arrays, Context, Plan, run
from theorytest.reproduce.figure import Agreement, Part, number
from theorytest.reproduce.matrices import SmallMatrices, starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
GRID = tuple(float(x) for x in sorted({*LEVELS, *np.geomspace(0.99, 1e-4, 100)[:-1]}, reverse=True))
"""Losses at which the runs are recorded."""


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their random start only.

    rate, deviation: learning rate and standard deviation of the entries of the starting product; targets: d x d,
    hidden: the unobserved entry; sign: of the determinant at the start.
    """

    depth: int
    rate: float
    deviation: float
    balanced: bool
    targets: tuple[tuple[float, ...], ...]
    hidden: tuple[int, int] = (0, 0)
    sign: int = 1
    name: str = ""

    @property
    def label(self) -> str:
        """As in the figure's legend: "(b)" marks balanced starts."""
        return f"{self.name or f'lr {self.rate:g}, init {self.deviation:g}'}{' (b)' if self.balanced else ''}"


def parts(prefix: str, settings: Sequence[Setting], *, count: int, steps: int, stop: float, seed: int) -> list[Part]:
    """One part for each depth: all settings of that depth, ``count`` random starts each."""
    made: list[Part] = []
    for depth in sorted({setting.depth for setting in settings}):
        chosen = [setting for setting in settings if setting.depth == depth for _ in range(count)]
        arguments: dict[str, Any] = {
            "depth": depth,
            "rates": [s.rate for s in chosen],
            "deviations": [s.deviation for s in chosen],
            "balanced": [s.balanced for s in chosen],
            "signs": [s.sign for s in chosen],
            "targets": [s.targets for s in chosen],
            "hidden": [s.hidden for s in chosen],
            "steps": steps,
            "stop": stop,
            "seed": seed,
        }
        made.append(Part(f"{prefix}-depth{depth}", "rc20_matrices:train", arguments, steps * (5 + 5 * depth) * 1e-6))
    return made


def train(
    context: Context,
    *,
    depth: int,
    rates: Sequence[float],
    deviations: Sequence[float],
    balanced: Sequence[bool],
    signs: Sequence[int],
    targets: Any,
    hidden: Sequence[Sequence[int]],
    steps: int,
    stop: float,
    seed: int,
) -> Arrays:
    """Gradient descent from every start, in one batch: losses and end matrices at the losses of the grid."""
    aims = np.array(targets, dtype=float)
    members, d, _ = aims.shape
    observed = np.ones_like(aims)
    observed[np.arange(members), [i for i, _ in hidden], [j for _, j in hidden]] = 0
    layers = starts(depth, d, deviations, balanced, signs, seed=seed + depth)
    tensor = context.tensor
    dynamics = SmallMatrices(tensor(layers), tensor(rates), tensor(aims), tensor(observed), levels=GRID)
    history = run(dynamics, members, Plan(steps, (0,), stop, check=500), context)
    return history.arrays(tensors=("levels.step", "levels.loss", "levels.W"))


@dataclass(frozen=True)
class Curves:
    """The runs of one setting.

    entry: (runs, grid), |unobserved entry| when the loss reaches each level of the grid, between two iterates as a
    power law, nan for levels not reached; step: (runs, grid); loss, W: (runs, grid), (runs, grid, d, d), the first
    iterate seen below the level; last, last_loss, last_W: at the end of every run; ended, status: see `History`.
    """

    setting: Setting
    entry: np.ndarray
    step: np.ndarray
    loss: np.ndarray
    W: np.ndarray
    last: np.ndarray
    last_loss: np.ndarray
    last_W: np.ndarray
    ended: np.ndarray
    status: np.ndarray

    def at(self, level: float) -> np.ndarray:
        """|unobserved entry| of every run at one of the levels of the grid."""
        return self.entry[:, GRID.index(level)]


def curves(held: Mapping[str, Arrays], prefix: str, settings: Sequence[Setting], count: int) -> list[Curves]:
    """The runs of every setting, in order."""
    made: dict[int, Curves] = {}
    for depth in sorted({setting.depth for setting in settings}):
        arrays = held[f"{prefix}-depth{depth}"]
        chosen = [(place, setting) for place, setting in enumerate(settings) if setting.depth == depth]
        for k, (place, setting) in enumerate(chosen):
            mine = slice(k * count, (k + 1) * count)
            i, j = setting.hidden
            loss, W = arrays["final/levels.loss"][mine], arrays["final/levels.W"][mine]
            entry = np.abs(W[..., i, j])
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.log(loss[..., 0] / np.array(GRID)) / np.log(loss[..., 0] / loss[..., 1])
                between = np.exp((1 - share) * np.log(entry[..., 0]) + share * np.log(entry[..., 1]))
            last = arrays["end/W"][mine]
            made[place] = Curves(
                setting,
                between,
                arrays["final/levels.step"][mine],
                loss[..., 1],
                W[..., 1, :, :],
                np.abs(last[..., i, j]),
                arrays["end/loss"][mine],
                last,
                arrays["ended"][mine],
                arrays["status"][mine],
            )
    return [made[place] for place in range(len(settings))]


# -- theory ----------------------------------------------------------------------------------------------------------


def least_entry(loss: np.ndarray) -> np.ndarray:
    """The least |W11| of a 2x2 matrix with det W >= 0 and this half-sum loss on the observations of RC20 (6).

    At loss l < 1/2 the entries W12 = W21 = 1 - a and W22 = b with 2 a^2 + b^2 = 2 l are optimal, |W11| = (1 - a)^2 / b;
    the minimum over a is found on a grid (for drawing).
    """
    radius = np.sqrt(2 * np.asarray(loss, dtype=float))
    angle = np.linspace(0, np.pi / 2, 4001)[:-1]
    a = radius[:, None] / np.sqrt(2) * np.sin(angle)
    b = radius[:, None] * np.cos(angle)
    return ((1 - a).clip(0) ** 2 / b).min(axis=1)


SCHATTEN: tuple[tuple[str, float, float], ...] = (
    ("spectral", np.inf, 1.0),
    ("Frobenius", 2.0, 1.0),
    ("nuclear", 1.0, 1.0),
    ("Schatten-1/2", 0.5, 2.0),
)
"""Name, exponent, and the constant c of the weakened triangle inequality."""


def theorem_1(W: np.ndarray, loss: np.ndarray) -> list[Agreement]:
    """RC20 Theorem 1 along runs: (8) for four norms and quasi-norms, (9) and (10) at every record (..., 2, 2).

    The theorem is about gradient flow from balanced starts, which keeps det W > 0; the bounds then hold for every
    matrix with det W > 0. Records at which the computed determinant is not positive (by finite steps, unbalanced starts
    or rounding) are counted apart.
    """
    flat, losses = W.reshape(-1, 2, 2), loss.reshape(-1)
    fine = np.isfinite(losses) & np.isfinite(flat).all(axis=(1, 2)) & (losses > 0)
    flat, losses = flat[fine], losses[fine]
    determinant = flat[:, 0, 0] * flat[:, 1, 1] - flat[:, 0, 1] * flat[:, 1, 0]
    positive = determinant > 0
    crossed = f"{int((~positive).sum())} of {len(flat)} records have a computed determinant <= 0"
    flat, losses = flat[positive], losses[positive]
    sigma = np.linalg.svd(flat, compute_uv=False)
    root = np.sqrt(losses)
    made: list[Agreement] = []
    if not len(flat):
        return made
    for name, p, c in SCHATTEN:
        norm = sigma[:, 0] if np.isinf(p) else (sigma**p).sum(axis=1) ** (1 / p)
        a = 1 / (np.sqrt(2) * c)
        gap = norm - (a / root - max(np.sqrt(2) * a, 8 * c**2))
        made.append(
            Agreement(
                "RC20-Thm1",
                f"(8), {name}",
                len(gap),
                int((gap < 0).sum()),
                f"least margin {number(gap.min())}",
                crossed,
            )
        )
    share = sigma / sigma.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
    for what, value, bound in (
        ("(9), effective rank - 1", np.exp(entropy) - 1, np.sqrt(12) / (2 * np.log(2)) * root),
        ("(10), distance from infimal rank", sigma[:, 1], 3 * np.sqrt(2) * root),
    ):
        ratio = value / bound
        bad = int((value > bound * (1 + 1e-12)).sum())
        made.append(
            Agreement("RC20-Thm1", what, len(ratio), bad, f"at most {number(ratio.max())} of the bound", crossed)
        )
    return made


def draw_curves(axes: Axes, found: Sequence[Curves], *, title: str, theory: bool) -> None:
    """|unobserved entry| against loss, iterations as colour, as in RC20 Figure 1."""
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    markers = "osD^vP*X"
    for place, curve in enumerate(found):
        marker = markers[place % len(markers)]
        for entry, step in zip(curve.entry, curve.step, strict=True):
            axes.plot(GRID, entry, color="0.8", linewidth=0.5, zorder=1)
            axes.scatter(
                GRID[::3],
                entry[::3],
                c=np.log10(step[::3]),
                s=8,
                marker=marker,
                cmap="viridis",
                vmin=2,
                vmax=7,
                zorder=2,
                linewidths=0,
            )
        handles.append(Line2D([], [], marker=marker, ls="", color="0.3", markersize=4, label=curve.setting.label))
    if theory:
        loss = np.geomspace(1e-4, 0.45, 200)
        axes.plot(loss, least_entry(loss), color="C3", linewidth=1.2, zorder=3)
        handles.append(Line2D([], [], color="C3", label="least possible with det W > 0"))
    axes.set(xscale="log", yscale="log", xlabel="loss (half sum)", ylabel="|unobserved entry|", title=title)
    axes.set_xlim(2, 5e-5)
    axes.set_ylim(1e-3, 300)
    axes.legend(handles=handles, fontsize=6)
