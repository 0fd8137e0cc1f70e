"""RC20 Figure 5: perturbed and repositioned observations; the growth of the unobserved entry recedes with |b22|.

Observations b12 = -2, b21 = 1/2 and b22 in {0, 0.01, 0.05, 0.1, 0.5}; and those of Figure 1 with another entry
unobserved. The determinant at the start has the sign that RC20 Theorem 2 asks for: that of b12 b21, and the opposite
where the unobserved entry is off the diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from theorytest.reproduce.engine import Arrays
from theorytest.reproduce.figure import Agreement, Fact, Figure, Options, Part, Report, floats, number, spread
from theorytest.reproduce.figures.rc20_matrices import Curves, Setting, curves, draw_curves, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

LEVELS_OF_B22 = (0.0, 0.01, 0.05, 0.1, 0.5)
POSITIONS = ((0, 0), (0, 1), (1, 0), (1, 1))
MAIN = (3e-3, 1e-6)


def _settings(options: Options) -> list[Setting]:
    made: list[Setting] = []
    for depth in (2, 3, 4) if options.full else (3,):
        for b22 in LEVELS_OF_B22:
            made.append(Setting(depth, *MAIN, True, ((0.0, -2.0), (0.5, b22)), sign=-1, name=f"b22 = {b22:g}"))
        for i, j in POSITIONS:
            aims = np.ones((2, 2))
            aims[i, j] = aims[1 - i, 1 - j] = 0
            values = tuple(tuple(row) for row in aims.tolist())
            sign = 1 if i == j else -1
            made.append(Setting(depth, *MAIN, True, values, (i, j), sign, f"unobserved ({i + 1}, {j + 1})"))
    return made


def _count(options: Options) -> int:
    return 16 if options.full else 4


def _parts(options: Options) -> list[Part]:
    steps = 15_000_000 if options.full else 1_500_000
    return parts("RC20-Fig5", _settings(options), count=_count(options), steps=steps, stop=1e-4, seed=options.seed)


def theorem_2(runs: list[Curves]) -> list[Agreement]:
    """RC20 Theorem 2 (catalogued form) at every record with the determinant's sign as at the start: (b), (d), (e)."""
    counts = {"(b), |w11|": [0, 0, np.inf], "(d), distance": [0, 0, np.inf], "(e), effective rank - 1": [0, 0, np.inf]}
    crossed = total = 0
    for curve in runs:
        i, j = curve.setting.hidden
        W = np.concatenate([curve.W.reshape(-1, 2, 2), curve.last_W])
        loss = np.concatenate([curve.loss.ravel(), curve.last_loss])
        fine = np.isfinite(loss)
        W, r = W[fine], np.sqrt(2 * loss[fine])
        aims = np.array(curve.setting.targets)
        z, other, epsilon = abs(aims[i, 1 - j]), abs(aims[1 - i, j]), abs(aims[1 - i, 1 - j])
        keeps = np.sign(np.linalg.det(W)) == curve.setting.sign
        crossed, total = crossed + int((~keeps).sum()), total + len(W)
        W, r = W[keeps], r[keeps]
        close = r < min(z, other)
        sigma = np.linalg.svd(W, compute_uv=False)
        share = sigma / sigma.sum(axis=1, keepdims=True)
        rank = np.exp(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)) - 1
        product = np.where(close, (z - r) * (other - r), 1.0)
        checks = (
            ("(b), |w11|", close, np.abs(W[:, i, j]), product / (epsilon + r)),
            ("(d), distance", np.ones_like(close), 3 * (epsilon + r), sigma[:, 1]),
            ("(e), effective rank - 1", close, 8 * (epsilon + r) / np.sqrt(product), rank),
        )
        for name, where, larger, smaller in checks:
            if where.any():
                ratio = larger[where] / np.maximum(smaller[where], 1e-300)
                counts[name][0] += int(where.sum())
                counts[name][1] += int((ratio < 1).sum())
                counts[name][2] = min(counts[name][2], float(ratio.min()))
    said = f"{crossed} of {total} records have a computed determinant of the other sign"
    return [
        Agreement("RC20-Thm2", name, int(n), int(bad), f"at least {number(ratio)} times the bound's side", said)
        for name, (n, bad, ratio) in counts.items()
    ]


def _report(held: Mapping[str, Arrays], options: Options) -> Report:
    found = curves(held, "RC20-Fig5", _settings(options), _count(options))
    facts: list[Fact] = []
    for depth in sorted({c.setting.depth for c in found}):
        mine = [c for c in found if c.setting.depth == depth]
        perturbed, moved = mine[: len(LEVELS_OF_B22)], mine[len(LEVELS_OF_B22) :]
        medians: list[float] = []
        for b22, curve in zip(LEVELS_OF_B22, perturbed, strict=True):
            medians.append(float(np.median(curve.last)))
            ceiling = "none" if not b22 else number(1 / b22)
            facts.append(
                Fact(
                    f"depth {depth}, b22 = {b22:g}: |W11| at the end",
                    f"rough ceiling |b12 b21 / b22| = {ceiling}",
                    f"{spread(curve.last)}; loss {spread(curve.last_loss)}",
                    None if not b22 else bool((curve.last < 1.1 / b22).all()),
                    values=floats(curve.last),
                )
            )
        facts.append(
            Fact(
                f"depth {depth}: growth recedes as |b22| grows",
                "in the order of b22",
                ", ".join(map(number, medians)),
                bool((np.diff(medians) < 0).all()),
            )
        )
        rising = [bool((np.diff(e[np.isfinite(e)]) > 0).all()) for c in moved for e in c.entry]
        ends = np.concatenate([c.last for c in moved])
        facts.append(
            Fact(
                f"depth {depth}: any entry may be the unobserved one; it rises as the loss falls",
                "all four positions",
                f"{sum(rising)} of {len(rising)} runs; at the end {spread(ends)}",
                all(rising),
                values=floats(ends),
            )
        )

    def draw(canvas: Canvas) -> None:
        depths = sorted({c.setting.depth for c in found})
        canvas.set_size_inches(9, 4 * len(depths))
        for row, depth in zip(canvas.subplots(len(depths), 2, squeeze=False), depths, strict=True):
            mine = [c for c in found if c.setting.depth == depth]
            draw_curves(row[0], mine[: len(LEVELS_OF_B22)], title=f"depth {depth}: perturbed", theory=False)
            draw_curves(row[1], mine[len(LEVELS_OF_B22) :], title=f"depth {depth}: repositioned", theory=False)
            for b22 in LEVELS_OF_B22[1:]:
                row[0].axhline(1 / b22, color="C3", linewidth=0.8, linestyle=":")

    return Report(
        {f"{part}/{name}": values for part, arrays in held.items() for name, values in arrays.items()},
        tuple(facts),
        draw,
        tuple(theorem_2(found)),
        configuration={"b22": LEVELS_OF_B22, "starts": _count(options)},
    )


FIGURES = {"RC20-Fig5": Figure("RC20-Fig5", "As Figure 1 for perturbed and repositioned observations", _parts, _report)}
