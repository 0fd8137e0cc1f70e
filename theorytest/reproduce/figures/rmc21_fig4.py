"""RMC21 Figure 4: natural images are fit by predictors of low tensor rank, random ones are not.

Ten one-against-all tasks on binarised images, predictors of rank k; mean squared errors on training and test images
(label 1 or 0); variants with noise images and with shuffled labels. Public code: Adam with rate 5e-4, batches of 5000,
10000 epochs, weights from N(1, 0.001^2) and kept below 1.02. With ``--data`` a folder of MNIST or Fashion-MNIST as IDX
files; without it scikit-learn's 8 x 8 digits stand in, for which nothing was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.reproduce.engine import Arrays, Context, Plan, even_marks, run
from theorytest.reproduce.figure import Fact, Figure, Options, Part, Report, floats, number, spread
from theorytest.reproduce.images import Images, digits, read_folder
from theorytest.reproduce.products import Products

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

VARIANTS = ("original", "rand image", "rand label")
# Training errors read off the figure, by rank.
PUBLISHED: dict[str, dict[str, dict[int, float]]] = {
    "MNIST": {
        "original": {1: 0.023, 2: 0.016, 3: 0.012, 4: 0.010, 5: 0.0085, 10: 0.004, 15: 0.003},
        "rand image": {1: 0.089, 5: 0.059, 10: 0.031, 15: 0.015},
        "rand label": {1: 0.089, 5: 0.074, 10: 0.0575, 15: 0.044},
    },
    "Fashion-MNIST": {"original": {1: 0.034, 5: 0.017, 10: 0.010, 15: 0.009}},
}
TESTS = {"MNIST": "0.024 rising to 0.029", "Fashion-MNIST": "0.037 rising to 0.056"}


def _ranks(options: Options) -> tuple[int, ...]:
    if options.full:
        return tuple(range(1, 16))
    return (1, 2, 5) if options.data else (1, 2, 3, 4, 5)


def _parts(options: Options) -> list[Part]:
    made: list[Part] = []
    for variant in VARIANTS:
        for rank in _ranks(options):
            if options.data:
                epochs, batch, cost = (10_000, 5000, 2e3 * rank) if options.full else (100, 5000, 12.0 * rank)
            else:
                epochs, batch, cost = (10_000 if options.full else 3000, 500, 5.0)
            arguments: dict[str, Any] = {
                "variant": variant,
                "rank": rank,
                "epochs": epochs,
                "batch": batch,
                "seed": options.seed,
                "data": options.data,
            }
            made.append(Part(f"RMC21-Fig4-{variant.replace(' ', '')}-rank{rank}", "rmc21_fig4:train", arguments, cost))
    return made


def images(seed: int, data: str | None) -> Images:
    """The images of a folder, or the digits."""
    return digits(seed) if data is None else read_folder(Path(data))


def varied(held: Images, variant: str, seed: int) -> Images:
    """A variant: noise in place of images (fair coins), or labels shuffled; training and test alike."""
    random = np.random.default_rng([seed, VARIANTS.index(variant)])
    if variant == "rand image":
        noise = [random.integers(0, 2, x.shape, dtype=np.uint8) for x in (held.train, held.test)]
        return Images(held.name, noise[0], held.train_labels, noise[1], held.test_labels)
    if variant == "rand label":
        shuffled = [random.permutation(x) for x in (held.train_labels, held.test_labels)]
        return Images(held.name, held.train, shuffled[0], held.test, shuffled[1])
    return held


def train(context: Context, *, variant: str, rank: int, epochs: int, batch: int, seed: int, data: str | None) -> Arrays:
    """The ten tasks of one variant and rank, in one batch."""
    held = varied(images(seed, data), variant, seed)
    tasks = [np.equal.outer(labels, np.arange(10)).astype(float) for labels in (held.train_labels, held.test_labels)]
    dynamics = Products(
        held.train, tasks[0], (held.test, tasks[1]), rank=rank, tensor=context.tensor, batch=batch, seed=seed
    )
    steps = epochs * max(1, len(held.train) // min(batch, len(held.train)))
    made = run(dynamics, 10, Plan(steps, even_marks(steps, 10), None), context).arrays()
    made["variance"] = tasks[0].var(0)
    return made


def _report(held: Mapping[str, Arrays], options: Options) -> Report:
    name = images(options.seed, options.data).name
    ranks = _ranks(options)

    def values(variant: str, rank: int, what: str) -> np.ndarray:
        return held[f"RMC21-Fig4-{variant.replace(' ', '')}-rank{rank}"][f"end/{what}"]

    facts: list[Fact] = []
    variance = float(np.mean(next(iter(held.values()))["variance"]))
    facts.append(Fact("variance of the labels", "0.09", number(variance), abs(variance - 0.09) < 0.002))
    small = not options.full or name == "digits"
    for variant in VARIANTS:
        for rank in ranks:
            errors = values(variant, rank, "loss")
            known = PUBLISHED.get(name, {}).get(variant, {}).get(rank)
            close = None if known is None or small else bool(abs(errors.mean() / known - 1) < 0.2)
            if known is not None or rank in (1, 5):
                facts.append(
                    Fact(
                        f"{name}, {variant}, rank {rank}: training error, mean over ten tasks",
                        "not published for these data" if known is None else number(known),
                        f"{number(errors.mean())} (standard deviation {number(errors.std())})",
                        close,
                        "" if known is None else "within 20% counts as holding",
                        floats(errors),
                        small,
                    )
                )
    first = {variant: float(values(variant, ranks[0], "loss").mean()) for variant in VARIANTS}
    facts.append(
        Fact(
            f"{name}: rank 1 fits the original images far better than the random variants",
            "0.023 against 0.089 and 0.089 (MNIST)",
            ", ".join(f"{v} {number(e)}" for v, e in first.items()),
            first["original"] < 0.6 * min(first["rand image"], first["rand label"]),
            "below 0.6 of both counts as far",
            full_size=small,
        )
    )
    facts.append(
        Fact(
            f"{name}: at rank 1 the random variants stay near the variance of the labels",
            "0.089 of 0.09",
            ", ".join(number(first[v] / variance) for v in VARIANTS[1:]) + " of it",
            min(first[v] for v in VARIANTS[1:]) > 0.85 * variance,
            "above 0.85 of it counts as near",
            full_size=small,
        )
    )
    tests = [float(values("original", rank, "test").mean()) for rank in ranks]
    facts.append(
        Fact(
            f"{name}: test error on the original images, by rank {', '.join(map(str, ranks))}",
            TESTS.get(name, "follows the training error"),
            ", ".join(map(number, tests)),
            bool(max(tests) < 0.7 * variance),
            "far below the variance of the labels counts as following",
            full_size=small,
        )
    )

    def draw(canvas: Canvas) -> None:
        canvas.set_size_inches(6, 4)
        axes = canvas.subplots()
        for place, variant in enumerate(VARIANTS):
            for what, style in (("loss", "-"), ("test", "--"))[: 2 if variant == "original" else 1]:
                errors = np.stack([values(variant, rank, what) for rank in ranks])
                label = f"{variant} {'test' if what == 'test' else 'train'}"
                axes.errorbar(
                    ranks,
                    errors.mean(1),
                    yerr=errors.std(1),
                    linestyle=style,
                    marker="o",
                    markersize=3,
                    capsize=2,
                    color=f"C{place}",
                    label=label,
                )
            known = PUBLISHED.get(name, {}).get(variant, {})
            axes.plot(list(known), list(known.values()), "*", color=f"C{place}")
        axes.axhline(variance, color="0.6", linewidth=0.8)
        axes.set(xlabel="rank k", ylabel="mean squared error", title=f"{name} (stars: published training errors)")
        axes.legend(fontsize=7)

    remarks = (
        []
        if options.data
        else ["digits of scikit-learn stand in: for the paper's data give --data a folder of IDX files of MNIST"]
    )
    loss = next(iter(held.values()))["series/loss"]
    remarks.append(
        f"first part: training error went from {number(loss[0].mean())} to {number(loss[-1].mean())}; see the "
        "history in data.npz for how far each has settled"
    )
    return Report(
        {
            f"{part}/{key}": v
            for part, arrays in held.items()
            for key, v in arrays.items()
            if not key.startswith("final")
        },
        tuple(facts),
        draw,
        remarks=tuple(remarks),
        configuration={"data": name, "ranks": ranks, "example": spread(values("original", ranks[0], "loss"))},
    )


FIGURES = {
    "RMC21-Fig4": Figure(
        "RMC21-Fig4",
        "Fit of images and of random variants by predictors of low tensor rank",
        _parts,
        _report,
        needs="sklearn",
    )
}
