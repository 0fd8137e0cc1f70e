"""RC20 Figures 2 and 6: gradient descent on an overparameterized CP factorization completes low-rank tensors.

Configuration of the public code: mean squared error, one adaptive rate (0.01, decay 0.99), checked every 100 steps and
stopped at the third check in a row with loss below 1e-6; observations are nested; trials differ in their start only.
One ground truth was published for each pair of plots, so that the published medians of five trials are held against the
distribution of our medians of five trials over many ground truths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.models import cp
from theorytest.reproduce.engine import CONVERGED, Arrays, Context, Plan, run
from theorytest.reproduce.figure import Fact, Figure, Options, Part, Report, floats, number, spread
from theorytest.reproduce.rules import ScalarAdaptive
from theorytest.reproduce.tensors import low_rank_target, numerical_rank, observed_entries, read_target
from theorytest.reproduce.training import Entries, Training, gaussian

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INITS = (1e-2, 1e-3)
THIRD = (50, 100, 150, 200, 250, 300, 350, 400, 450, 511)
FOURTH = (250, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4095)
# Published medians of the reconstruction error at order 3, read off the figure: (init, observations) -> value.
PUBLISHED = {
    (1e-2, 50): 1.3,
    (1e-2, 100): 0.06,
    (1e-2, 200): 0.008,
    (1e-2, 300): 7e-4,
    (1e-3, 50): 0.15,
    (1e-3, 100): 0.004,
    (1e-3, 200): 5e-6,
    (1e-3, 511): 6e-7,
}


def _parts(options: Options, *, figure: str, rank: int) -> list[Part]:
    def part(order: int, draw: int, counts: Sequence[int], trials: int, ranked: int, cost: float) -> Part:
        arguments: dict[str, Any] = {
            "order": order,
            "rank": rank,
            "draw": draw,
            "counts": list(counts),
            "trials": trials,
            "steps": 1_000_000 if options.full else 10_000 if order == 3 else 30_000,
            "ranked": ranked,
            "seed": options.seed,
            "target": options.target,
        }
        return Part(f"{figure}-order{order}-target{draw}", "rc20_fig2:train", arguments, cost)

    full = options.full
    draws = 1 if options.target else 40 if full else 20 if figure == "RC20-Fig2" else 5
    made = [
        part(3, draw, THIRD, 5, 5 if full else 2 if draw == 0 else 0, 12 if draw == 0 else 4) for draw in range(draws)
    ]
    if not options.target:
        fourth = FOURTH if full else (1000, 2000)
        for draw in range(20 if full else 1):
            made.append(part(4, draw, fourth, 5 if full else 1, 1 if draw == 0 else 0, 60))
    return made


def train(
    context: Context,
    *,
    order: int,
    rank: int,
    draw: int,
    counts: Sequence[int],
    trials: int,
    steps: int,
    ranked: int,
    seed: int,
    target: str | None,
) -> Arrays:
    """All starts and numbers of observations of one ground truth, in one batch; the ranks of ``ranked`` trials.

    Members are ordered by init, number of observations and trial. Besides the history: "linear" (the error of the
    baseline that is zero at unobserved entries), "rank" (members, nan where not estimated), "linear rank".
    """
    random = np.random.default_rng([seed, order, rank, draw])
    shape = (8,) * order
    truth = low_rank_target(shape, rank, random) if target is None else read_target(target)
    if target is not None:
        shape = truth.shape
        counts = [max(1, round(count / 512 * truth.size)) for count in counts]
    components = truth.size // max(shape)
    masks = observed_entries(shape, counts, random)
    model = cp(shape, rank=components)
    deviations = [init for init in INITS for _ in counts for _ in range(trials)]
    where = [k for _ in INITS for k in range(len(counts)) for _ in range(trials)]
    tensor = context.tensor
    start = gaussian(model, deviations, seed=int(random.integers(2**31)), kind=tensor)
    goal = tensor(truth)
    training = Training(
        model,
        Entries.of(goal[None], tensor(masks[where])),
        ScalarAdaptive(0.01),
        start,
        measure=lambda now: {"error": (now.end_tensor() - goal).flatten(1).norm(dim=1), "W": now.end_tensor()},
        group=max(1, 20_000 // (components * 8)),
    )
    plan = Plan(steps, (), 1e-6, check=100, patience=3)
    made = run(training, len(deviations), plan, context).arrays()
    W = made.pop("end/W").astype(float)
    linear = truth * masks
    made["linear"] = np.sqrt(((linear - truth) ** 2).sum(tuple(range(1, linear.ndim))))
    made["rank"] = np.full(len(deviations), np.nan)
    made["linear rank"] = np.full(len(counts), np.nan)
    made["counts"] = np.array(counts)
    if ranked:
        limit = 1000 if order == 3 else 100
        for member in range(len(deviations)):
            if member % trials < ranked and np.isfinite(W[member]).all():
                made["rank"][member] = numerical_rank(W[member], iterations=limit, seed=seed)
        for k in range(len(counts)):
            made["linear rank"][k] = numerical_rank(linear[k], iterations=limit, seed=seed)
    return made


def percentile(value: float, values: np.ndarray) -> float:
    """The share of ``values`` below a value, in per cent; equal ones count half."""
    return 100 * float(((values < value).sum() + 0.5 * (values == value).sum()) / len(values))


def _gather(held: Mapping[str, Arrays], figure: str, order: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Counts, and arrays (targets, inits, counts, trials) of an order."""
    parts = [arrays for name, arrays in held.items() if name.startswith(f"{figure}-order{order}-")]
    counts = parts[0]["counts"]
    made: dict[str, np.ndarray] = {}
    for name in ("end/error", "end/loss", "rank", "ended", "status"):
        made[name] = np.stack([p[name].reshape(len(INITS), len(counts), -1) for p in parts])
    for name in ("linear", "linear rank"):
        made[name] = np.stack([p[name] for p in parts])
    return counts, made


def _report(held: Mapping[str, Arrays], options: Options, *, figure: str, rank: int) -> Report:
    orders = (3,) if options.target else (3, 4)
    found = {order: _gather(held, figure, order) for order in orders}
    counts, third = found[3]
    medians = np.median(third["end/error"], axis=3)  # (targets, inits, counts)
    facts: list[Fact] = []
    if figure == "RC20-Fig2" and not options.target:
        for (init, count), value in PUBLISHED.items():
            ours = medians[:, INITS.index(init), THIRD.index(count)]
            place = percentile(value, ours)
            facts.append(
                Fact(
                    f"order 3, init {init:g}, {count} observations: median error of five trials",
                    number(value),
                    f"{spread(ours)}; the published value is at percentile {place:.0f} of our ground truths",
                    5 <= place <= 95,
                    "" if 5 <= place <= 95 else "outside 5 to 95%: not reproduced",
                    floats(ours),
                )
            )
        linear = third["linear"]
        at = [spread(linear[:, THIRD.index(c)]) for c in (50, 511)]
        place = percentile(0.08, linear[:, -1])
        facts.append(
            Fact(
                "order 3, linear baseline: error at 50 and at 511 observations",
                "1.0 falling to 0.08",
                f"{at[0]}; {at[1]}; 0.08 is at percentile {place:.0f}",
                5 <= place <= 95,
                values=floats(linear[:, -1]),
            )
        )
    for order in orders:
        counts, arrays = found[order]
        error = np.median(arrays["end/error"], axis=3)
        # Runs that are still near the origin tell nothing: at order 4 the smaller start takes long to leave it.
        waiting = int((arrays["status"] != CONVERGED).sum()) if order == 4 and not options.full else 0
        note = f"{waiting} of {arrays['status'].size} runs ran out of steps" if waiting else ""
        better = [float((error[:, k] < arrays["linear"])[:, counts >= truth_size(order) / 5].mean()) for k in (0, 1)]
        facts.append(
            Fact(
                f"order {order}: error far below the linear baseline (share of settings with a fifth observed or more)",
                "all",
                ", ".join(f"init {i:g}: {b:.0%}" for i, b in zip(INITS, better, strict=True)),
                None if waiting else all(b > 0.95 for b in better),
                note,
                full_size=not options.full and order == 4,
            )
        )
        ahead = float((error[:, 1] < error[:, 0]).mean())
        facts.append(
            Fact(
                f"order {order}: the smaller start reconstructs better (share of settings)",
                "throughout",
                f"{ahead:.0%} of {error[:, 0].size}",
                None if waiting else ahead > 0.5,
                note,
                full_size=not options.full and order == 4,
            )
        )
        ranks, plain = arrays["rank"][0], arrays["linear rank"][0]
        if np.isfinite(ranks).any():
            least = 100 if order == 3 else 1000
            many = counts >= least
            learned = ranks[1][many]
            learned = learned[np.isfinite(learned)]
            facts.append(
                Fact(
                    f"order {order}, init {INITS[1]:g}: estimated rank from {least} observations on",
                    f"{rank}",
                    spread(learned),
                    None if waiting else bool(((learned >= 1) & (learned <= rank + (rank > 1))).all()),
                    note,
                    floats(learned),
                    not options.full and order == 4,
                )
            )
            said = {3: "12 to 17", 4: "up to 52"}[order] if rank == 1 else "far above that of the ground truth"
            facts.append(
                Fact(
                    f"order {order}: estimated rank of the linear baseline",
                    said,
                    spread(plain[:-1]),
                    bool((plain[:-1] >= 8).all()),
                    "by count of observations; ALS estimates depend on its start",
                    floats(plain),
                    full_size=not options.full and order == 4,
                )
            )
    if 4 in found and figure == "RC20-Fig2":
        counts, arrays = found[4]
        ours = np.median(arrays["end/error"], axis=3)[:, 1][:, counts >= 1000]
        facts.append(
            Fact(
                "order 4, init 0.001: error from 1000 observations on",
                "about 1e-6",
                spread(ours),
                bool(np.median(ours) < 1e-5) if options.full else None,
                "one ground truth in the quick profile",
                floats(ours),
                full_size=not options.full,
            )
        )
    left = sum(int((arrays["status"] != 1).sum()) for _, arrays in found.values())
    total = sum(arrays["status"].size for _, arrays in found.values())

    def draw(canvas: Canvas) -> None:
        canvas.set_size_inches(5 * 2 * len(orders), 4)
        axes = canvas.subplots(1, 2 * len(orders), squeeze=False)[0]
        for place, order in enumerate(orders):
            counts, arrays = found[order]
            for name, base, panel in (
                ("end/error", "linear", axes[2 * place]),
                ("rank", "linear rank", axes[2 * place + 1]),
            ):
                for k, init in enumerate(INITS):
                    values = arrays[name][0][k]
                    low, mid, high = (
                        np.nanpercentile(values, (25, 50, 75), axis=1)
                        if np.isfinite(values).any()
                        else [np.nan * counts] * 3
                    )
                    bars = np.abs(np.stack([mid - low, high - mid]))
                    panel.errorbar(
                        counts,
                        mid,
                        yerr=bars,
                        marker="o",
                        markersize=3,
                        capsize=2,
                        color=f"C{k}",
                        label=f"tf, init {init:g}",
                    )
                    if name == "end/error" and len(arrays[name]) > 1:
                        all_medians = np.median(arrays[name], axis=3)[:, k]
                        panel.fill_between(
                            counts, *np.percentile(all_medians, (5, 95), axis=0), alpha=0.15, color=f"C{k}", linewidth=0
                        )
                panel.plot(counts, arrays[base][0], marker="s", markersize=3, color="0.4", label="linear")
                panel.set(xlabel="observations", title=f"order {order}, rank {rank}")
            axes[2 * place].set(yscale="log", ylabel="reconstruction error")
            axes[2 * place + 1].set_ylabel("estimated rank")
            if rank == 1 and order == 3 and figure == "RC20-Fig2":
                for k, init in enumerate(INITS):
                    points = [(c, v) for (i, c), v in PUBLISHED.items() if i == init]
                    axes[0].plot(
                        *zip(*points, strict=True),
                        linestyle="",
                        marker="*",
                        color=f"C{k}",
                        label=f"published, {init:g}",
                    )
            axes[2 * place].legend(fontsize=6)

    return Report(
        {f"{part}/{name}": values for part, arrays in held.items() for name, values in arrays.items()},
        tuple(facts),
        draw,
        remarks=(
            f"{left} of {total} runs did not end below the threshold within the steps allowed",
            "shown: the first ground truth; the shaded band is 5 to 95% of the medians over all ground truths",
        ),
        configuration={
            "inits": INITS,
            "ground truths": {str(order): len(found[order][1]["linear"]) for order in orders},
            "stop": "third check in a row, every 100 steps, with mean squared error below 1e-6",
        },
    )


def truth_size(order: int) -> int:
    """Entries of the ground truth."""
    return 8**order


def _figure(name: str, rank: int, title: str) -> Figure:
    return Figure(
        name,
        title,
        lambda options: _parts(options, figure=name, rank=rank),
        lambda held, options: _report(held, options, figure=name, rank=rank),
        needs="tensorly",
    )


FIGURES = {
    "RC20-Fig2": _figure("RC20-Fig2", 1, "Tensor completion by CP factorization, ground truths of rank 1"),
    "RC20-Fig6": _figure("RC20-Fig6", 3, "Tensor completion by CP factorization, ground truths of rank 3"),
}
