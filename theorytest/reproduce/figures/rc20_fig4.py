"""RC20 Figure 4: the unobserved entry of larger square matrices grows as well while the loss falls.

Observations (catalogued as an extension of RC20, Appendix E): all entries of a d x d matrix but the first, b12 = b21 =
1, b22 = 0, b_ii = 1 for i >= 3, other entries 0. At zero loss det W = -1, so that det W > 0 keeps the loss positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from theorytest.reproduce.engine import Arrays
from theorytest.reproduce.figure import Fact, Figure, Options, Part, Report, floats, spread
from theorytest.reproduce.figures.rc20_matrices import Setting, curves, draw_curves, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SIZES = (3, 4)
MAIN = (3e-3, 1e-6)


def targets(d: int) -> tuple[tuple[float, ...], ...]:
    """The observed entries; the first one is not observed."""
    made = np.eye(d)
    made[:2, :2] = [[0, 1], [1, 0]]
    return tuple(tuple(row) for row in made.tolist())


def _settings(options: Options, d: int) -> list[Setting]:
    depths = (2, 3, 4) if options.full else (3,)
    made = [Setting(L, *MAIN, whole, targets(d)) for L in depths for whole in (True, False)]
    return made + [Setting(L, *MAIN, True, targets(d), sign=-1, name="det W(0) < 0") for L in depths]


def _count(options: Options) -> int:
    return 16 if options.full else 6


def _parts(options: Options) -> list[Part]:
    steps, stop = (15_000_000, 1e-4) if options.full else (1_000_000, 1e-3)
    made: list[Part] = []
    for d in SIZES:
        made += parts(
            f"RC20-Fig4-size{d}",
            _settings(options, d),
            count=_count(options),
            steps=steps,
            stop=stop,
            seed=options.seed,
        )
    return made


def _report(held: Mapping[str, Arrays], options: Options) -> Report:
    found = {d: curves(held, f"RC20-Fig4-size{d}", _settings(options, d), _count(options)) for d in SIZES}
    facts: list[Fact] = []
    for d, runs in found.items():
        positive = [c for c in runs if c.setting.sign > 0]
        rising = [bool((np.diff(e[np.isfinite(e)]) > 0).all()) for c in positive for e in c.entry]
        facts.append(
            Fact(
                f"{d}x{d}: |W11| rises as the loss falls (over all recorded levels, det W(0) > 0)",
                "all runs shown",
                f"{sum(rising)} of {len(rising)} runs",
                all(rising),
                values=floats(rising),
            )
        )
        for curve in positive:
            if not curve.setting.balanced:
                continue
            values = curve.at(1e-2)
            sigma = np.linalg.svd(curve.last_W, compute_uv=False)
            facts.append(
                Fact(
                    f"{d}x{d}, depth {curve.setting.depth}, balanced: |W11| at loss 1e-2, and at the end",
                    "grows as for 2x2 (no number given)",
                    f"{spread(values)}; {spread(curve.last)}; least singular value at the end {spread(sigma[:, -1])}",
                    bool((curve.last > 5).all()),
                    values=floats(curve.last),
                )
            )
        control = np.concatenate([c.last for c in runs if c.setting.sign < 0])
        facts.append(
            Fact(
                f"{d}x{d}, control: det W(0) < 0, nothing is claimed: |W11| at the end",
                "not shown",
                spread(control),
                None,
                "the entry may end anywhere",
                floats(control),
            )
        )

    def draw(canvas: Canvas) -> None:
        canvas.set_size_inches(9, 4)
        for axes, (d, runs) in zip(canvas.subplots(1, len(SIZES), sharey=True), found.items(), strict=True):
            draw_curves(axes, runs, title=f"{d}x{d} (colour: log10 of iterations)", theory=False)

    return Report(
        {f"{part}/{name}": values for part, arrays in held.items() for name, values in arrays.items()},
        tuple(facts),
        draw,
        remarks=("the sizes and depths that the paper shows are not stated in the text at hand",),
        configuration={"sizes": SIZES, "starts": _count(options)},
    )


FIGURES = {
    "RC20-Fig4": Figure(
        "RC20-Fig4", "As Figure 1 for larger square matrices: the unobserved entry against the loss", _parts, _report
    )
}
