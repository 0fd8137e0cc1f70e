"""RC20 Figure 1: completing a 2x2 matrix drives the unobserved entry, and all norms with it, towards infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from theorytest.reproduce.engine import Arrays
from theorytest.reproduce.figure import Fact, Figure, Options, Part, Report, floats, number, spread
from theorytest.reproduce.figures.rc20_matrices import (
    GRID,
    LEVELS,
    Curves,
    Setting,
    curves,
    draw_curves,
    least_entry,
    parts,
    theorem_1,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

TARGETS = ((0.0, 1.0), (1.0, 0.0))
PUBLISHED = (1.84, 6.93, 22.3, 70.7)
DEPTHS = (2, 3, 4)
MAIN = (3e-3, 1e-6)  # learning rate and deviation of the main curve
OTHER = (3e-3, 1e-3)


def _settings(options: Options) -> list[Setting]:
    made: list[Setting] = []
    for depth in DEPTHS:
        pairs = [MAIN, OTHER]
        if options.full:
            pairs += [(1e-3, deviation) for _, deviation in pairs]
        made += [Setting(depth, rate, size, whole, TARGETS) for rate, size in pairs for whole in (True, False)]
        made.append(Setting(depth, *MAIN, True, TARGETS, sign=-1, name="det W(0) < 0"))
    return made


def _count(options: Options) -> int:
    return 16 if options.full else 8


def _parts(options: Options) -> list[Part]:
    steps = 15_000_000 if options.full else 4_000_000
    return parts("RC20-Fig1", _settings(options), count=_count(options), steps=steps, stop=1e-4, seed=options.seed)


def _facts(found: list[Curves], options: Options) -> list[Fact]:
    facts: list[Fact] = []
    positive = [c for c in found if c.setting.sign > 0]
    main = [c for c in positive if (c.setting.rate, c.setting.deviation) == MAIN]
    for depth in (3, 4):
        (curve,) = [c for c in main if c.setting.balanced and c.setting.depth == depth]
        for level, published in zip(LEVELS, PUBLISHED, strict=True):
            values = curve.at(level)
            there = values[np.isfinite(values)]
            within = np.abs(there / published - 1) <= 0.01
            missing = len(values) - len(there)
            facts.append(
                Fact(
                    f"depth {depth}, balanced: |W11| at loss {level:g}",
                    f"{published:g}",
                    f"{spread(there)}; {int(within.sum())} of {len(values)} runs within 1%",
                    bool(len(there)) and bool(within.all()) and not missing,
                    f"{missing} runs did not reach this loss" if missing else "",
                    floats(there),
                )
            )
    late = np.array(GRID) < 0.3
    entries = [entry for curve in positive for entry in curve.entry]
    rising, whole = (
        [float((np.diff(e[np.isfinite(e) & where]) > 0).all()) for e in entries] for where in (late, late | True)
    )
    facts.append(
        Fact(
            "|W11| rises as the loss falls (recorded levels below 0.3, det W(0) > 0)",
            "all runs shown",
            f"{int(sum(rising))} of {len(rising)} runs",
            all(rising),
            f"from the start on: {int(sum(whole))} runs; near the start the entry may pass through 0",
            tuple(rising),
        )
    )
    ends = {(c.setting.depth, c.setting.balanced): c.last for c in main}
    facts.append(
        Fact(
            "depth 3, layer-wise independent: |W11| at the end",
            "2 to 70, by seed",
            spread(ends[3, False]),
            bool((ends[3, False] >= 1.8).all() and (ends[3, False] <= 72).all()),
            values=floats(ends[3, False]),
        )
    )
    two = ends[2, True]
    facts.append(
        Fact(
            "depth 2, balanced: leaves the curve early; |W11| at the end",
            "about 7.2 (figure), 8.2 to 9.4 in float64",
            spread(two),
            bool((two < 35).all()),
            "by shape: below half of the curve's 70.7; the place depends on "
            "rounding, as det W falls below what float64 resolves; the exact flow does not leave",
            floats(two),
        )
    )
    medians = [float(np.median(ends[depth, True])) for depth in DEPTHS]
    facts.append(
        Fact(
            "the effect grows with depth, most from 2 to 3 (median |W11| at the end, balanced)",
            "depth 2 < 3 <= 4",
            ", ".join(number(m) for m in medians),
            bool(medians[0] < medians[1] and medians[2] > 0.99 * medians[1]),
        )
    )
    larger = [float(np.median(ends[depth, True]) / np.median(ends[depth, False])) for depth in DEPTHS]
    facts.append(
        Fact(
            "the effect is stronger for balanced starts (ratio of medians, by depth)",
            "balanced above independent",
            ", ".join(number(x) for x in larger),
            all(x > 0.99 for x in larger),
        )
    )
    control = [c for c in found if c.setting.sign < 0]
    ends_of_control = np.concatenate([c.last for c in control])
    below = ends_of_control < least_entry(np.concatenate([c.last_loss for c in control]))
    facts.append(
        Fact(
            "control: det W(0) < 0, where Theorem 1 does not apply; runs that end below the least |W11| for det W > 0",
            "not shown",
            f"{int(below.sum())} of {len(below)} runs; |W11| at the end {spread(ends_of_control)}",
            bool(below.any()),
            values=floats(ends_of_control),
        )
    )
    return facts


def _report(held: Mapping[str, Arrays], options: Options) -> Report:
    settings = _settings(options)
    found = curves(held, "RC20-Fig1", settings, _count(options))
    agreements = []
    for whole in (True, False):
        chosen = [c for c in found if c.setting.sign > 0 and c.setting.balanced is whole]
        made = theorem_1(
            np.concatenate([np.concatenate([c.W.reshape(-1, 2, 2), c.last_W]) for c in chosen]),
            np.concatenate([np.concatenate([c.loss.ravel(), c.last_loss]) for c in chosen]),
        )
        kind = "balanced" if whole else "layer-wise independent"
        agreements += [
            type(a)(a.statement, f"{a.what}, {kind} starts", a.instances, a.violations, a.worst, a.discretisation)
            for a in made
        ]

    def draw(canvas: Canvas) -> None:
        canvas.set_size_inches(12, 4)
        for axes, depth in zip(canvas.subplots(1, 3, sharey=True), DEPTHS, strict=True):
            shown = [c for c in found if c.setting.depth == depth]
            draw_curves(axes, shown, title=f"depth {depth} (colour: log10 of iterations)", theory=True)

    return Report(
        {f"{part}/{name}": values for part, arrays in held.items() for name, values in arrays.items()},
        tuple(_facts(found, options)),
        draw,
        tuple(agreements),
        ("gradient descent on the half-sum loss; the published code takes 2/3 of it with learning rate 5e-3",),
        {"pairs (learning rate, init)": sorted({(s.rate, s.deviation) for s in settings}), "starts": _count(options)},
    )


FIGURES = {
    "RC20-Fig1": Figure(
        "RC20-Fig1",
        "Matrix completion by deep matrix factorization: the unobserved entry against the loss",
        _parts,
        _report,
    )
}
