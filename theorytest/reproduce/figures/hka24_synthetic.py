"""HKA24 Figures 3, 4 and 5: depth and structured sparsity of deep Tucker completions of a synthetic tensor.

A 10 x 10 x 10 tensor of multilinear rank (3, 3, 3), slices of its core of norm below 1, 70% observed; depth 1 to 4 (k =
0 to 3 matrices a column in every mode); Adam. The paper's start is N(0, s^2) with s from 0.0005 to 0.005 and its Adam
is TensorFlow's, whose epsilon is 1e-7 unless told otherwise: then models of depth 2 and more do not leave the origin,
as their gradients are products of small numbers. Two other readings are computed beside it: epsilon so small that it
does not matter, and the matrices A started at the identity plus N(0, s^2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.models import balanced_batch, deep_tucker
from theorytest.reproduce import tucker
from theorytest.reproduce.engine import CONVERGED, Arrays, Context, Plan, even_marks, run
from theorytest.reproduce.figure import Agreement, Fact, Figure, Options, Part, Report, number, spread
from theorytest.reproduce.rules import Adam, GradientDescent
from theorytest.reproduce.training import Entries, Training, rounding

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure as Canvas

SHAPE = (10, 10, 10)
RANK = 3
LAYERS = (0, 1, 2, 3)  # k; the paper's depth is k + 1
READINGS: tuple[tuple[str, float, bool], ...] = (
    ("as printed, epsilon 1e-7", 1e-7, False),
    ("as printed, epsilon 1e-60", 1e-60, False),
    ("A = identity + noise, epsilon 1e-7", 1e-7, True),
)
"""Name, epsilon of Adam, whether the matrices start at the identity."""
VECTOR, SLICE = 0.01, 1e-4  # thresholds of Figures 4 and 5
FLOW = {0: (4.0, 2.0), 1: (2.0, 5.0), 2: (1.0, 5.5), 3: (0.5, 5.5)}
"""k -> step, and expected norm of the core, of gradient descent from balanced starts: larger for deeper models."""
CONVERGENCE = 1e-6  # "every reported model achieves an error less than"


def _grid(options: Options) -> tuple[list[float], list[float], int]:
    """Learning rates, deviations, seeds."""
    if options.full:
        return [0.001, 0.002, 0.003, 0.004, 0.005], [0.0005, 0.001, 0.002, 0.005], 5
    return [0.001, 0.005], [0.0005, 0.005], 2


def _parts(options: Options) -> list[Part]:
    rates, deviations, seeds = _grid(options)
    steps = 50_000 if options.full else 5000
    made: list[Part] = []
    for k in LAYERS:
        common: dict[str, Any] = {"layers": k, "seed": options.seed, "target": options.target}
        arguments = {**common, "rates": rates, "deviations": deviations, "seeds": seeds, "steps": steps}
        members = len(READINGS) * len(rates) * len(deviations) * seeds
        cost = members * steps * (1.5 + 3 * k) / 80_000
        made.append(Part(f"HKA24-synthetic-depth{k + 1}", "hka24_synthetic:train", arguments, cost))
        flow = {**common, "steps": 20_000 if options.full else 2000}
        made.append(Part(f"HKA24-flow-depth{k + 1}", "hka24_synthetic:flow", flow, 5 + 5 * k))
    return made


def ground_truth(seed: int, path: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The tensor, of multilinear rank (3, 3, 3) with orthonormal factors, and the mask of observed entries."""
    from theorytest.reproduce.tensors import observed_entries, read_target

    random = np.random.default_rng([seed, 43])
    if path is not None:
        truth = read_target(path)
    else:
        core = random.standard_normal((RANK,) * 3)
        norms = [np.sqrt((core**2).sum(tuple(a for a in range(3) if a != m))).max() for m in range(3)]
        factors = [np.linalg.qr(random.standard_normal((d, RANK)))[0].T for d in SHAPE]
        truth = tucker.contract(core * (0.9 / max(norms)), factors)
    return truth, observed_entries(truth.shape, (round(0.7 * truth.size),), random)[0]


def _measure(training: Training, truth: torch.Tensor, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
    blocks = training.blocks()
    core = blocks["G"]
    W = training.end_tensor()
    axes = tuple(range(2, core.ndim))
    return {
        "test": ((W - truth).square() * hidden).flatten(1).sum(1) / hidden.sum(),
        "vectors": tucker.columns(blocks, core.ndim - 1)[0].norm(dim=2),
        "slices": core.square().sum(axes),
    }


def train(
    context: Context,
    *,
    layers: int,
    rates: Sequence[float],
    deviations: Sequence[float],
    seeds: int,
    steps: int,
    seed: int,
    target: str | None,
) -> Arrays:
    """Every reading, learning rate, deviation and seed, in this order, on one ground truth."""
    truth, observed = ground_truth(seed, target)
    runs = [(e, i, r, s) for _, e, i in READINGS for r in rates for s in deviations for _ in range(seeds)]
    tensor = context.tensor
    model = deep_tucker(truth.shape, depths=layers)
    blocks = tucker.start(model, [r[3] for r in runs], [r[1] for r in runs], seed=seed, kind=tensor)
    goal, mask = tensor(truth), tensor(observed)
    training = Training(
        model,
        Entries.of(goal[None], mask[None]),
        Adam([r[2] for r in runs], epsilon=[r[0] for r in runs]),
        blocks,
        measure=partial(_measure, truth=goal, hidden=1 - mask),
        group=64,
    )
    history = run(training, len(runs), Plan(steps, even_marks(steps, 100), 1e-12, check=100), context)
    made = history.arrays()
    # "Converged" is about the loss; Proposition 4.6 and the HOSVD need the final tensors.
    ends = training.blocks(tensor(np.nan_to_num(history.tensors["parameters"])))
    V = [x.cpu().numpy() for x in tucker.columns(ends, len(truth.shape))]
    cores = ends["G"].cpu().numpy()
    W = model.end_tensor(ends).cpu().numpy()
    made["hosvd"] = np.stack([tucker.core_slices(w, 0) for w in W])
    checked: list[list[float]] = []
    for member in range(len(runs)):
        norm = float(np.linalg.norm(W[member]))
        for share in (0.01, 0.1, 0.5):
            if norm > 0 and np.isfinite(norm):
                _, distance = tucker.truncation(cores[member], [v[member] for v in V], share * norm)
                checked.append([share, distance / (share * norm)])
    made["truncation"] = np.array(checked).reshape(-1, 2)
    return made


def flow(context: Context, *, layers: int, steps: int, seed: int, target: str | None) -> Arrays:
    """Plain gradient descent from balanced starts: Lemma 4.1 and Corollary 4.4, for η and η/2 over the same time."""
    truth, observed = ground_truth(seed, target)
    model = deep_tucker(truth.shape, depths=layers)
    count = 4
    made: Arrays = {}
    tensor = context.tensor
    rate, scale = FLOW[layers]
    drawn = balanced_batch(model, count, seed=seed, scale=scale)
    for half in (0, 1):
        size, many = rate / 2**half, steps * 2**half
        training = Training(
            model,
            Entries.of(tensor(truth)[None], tensor(observed)[None]),
            GradientDescent(size),
            {name: tensor(block) for name, block in drawn.items()},
            measure=partial(_laws, layers=layers),
            group=64,
            track=tucker.slice_squares,
        )
        plan = Plan(many, even_marks(many, 20), None)
        history = run(training, count, plan, context.stage(f"half{half}"))
        made |= {f"{half}/{name}": values for name, values in history.arrays().items()}
    return made


def _laws(training: Training, layers: int) -> dict[str, torch.Tensor]:
    import torch

    sizes = training.model.shape
    change = tucker.slice_squares(training.blocks()) - training.state["tracked.start"]
    moved = tucker.drift(change, sizes, layers)
    rest = moved - tucker.drift(training.state["tracked"], sizes, layers)
    allowed = rounding(training, tucker.slice_squares(training.blocks()))
    lemma = torch.stack([moved.abs().amax(1), rest.abs().amax(1), allowed], dim=1)
    return {"lemma": lemma, "corollary": tucker.corollary_4_4(training)}


# -- comparison ------------------------------------------------------------------------------------------------------


def _members(options: Options, reading: int) -> slice:
    rates, deviations, seeds = _grid(options)
    count = len(rates) * len(deviations) * seeds
    return slice(reading * count, (reading + 1) * count)


def _sparse(held: Mapping[str, Arrays], options: Options, reading: int) -> dict[int, dict[str, np.ndarray]]:
    """Per k, of the converged runs of a reading: vectors above the threshold, HOSVD slices above it, test error."""
    made: dict[int, dict[str, np.ndarray]] = {}
    for k in LAYERS:
        arrays = held[f"HKA24-synthetic-depth{k + 1}"]
        mine = _members(options, reading)
        loss = arrays["end/loss"][mine]
        good = loss < CONVERGENCE
        made[k] = {
            "converged": good,
            "vectors": (arrays["end/vectors"][mine][good] ** 2 > VECTOR).sum(1),
            "slices": (arrays["hosvd"][mine][good] > SLICE).sum(1),
            "test": arrays["end/test"][mine][good],
            "steps": arrays["ended"][mine][good],
        }
    return made


def _medians(found: dict[int, dict[str, np.ndarray]], name: str) -> list[float]:
    return [float(np.median(found[k][name])) if len(found[k][name]) else np.nan for k in LAYERS]


def _falls(values: Sequence[float]) -> bool | None:
    """Whether the depths that have runs have medians that never rise with depth, and fall at least once."""
    held = [v for v in values if np.isfinite(v)]
    if len(held) < 2:
        return None
    return all(b <= a for a, b in pairwise(held)) and held[-1] < held[0]


def _facts(figure: str, held: Mapping[str, Arrays], options: Options) -> list[Fact]:
    facts: list[Fact] = []
    what = {"HKA24-Fig5": "slices"}.get(figure, "vectors")
    noun = {
        "vectors": f"vectors x_i of mode 1 with squared norm above {VECTOR:g}",
        "slices": f"slices of the HOSVD core in mode 1 with norm above {SLICE:g}",
    }[what]
    for reading, (name, _, _) in enumerate(READINGS):
        found = _sparse(held, options, reading)
        share = ", ".join(f"{int(found[k]['converged'].sum())}/{len(found[k]['converged'])}" for k in LAYERS)
        counts = _medians(found, what)
        said = ", ".join("-" if not np.isfinite(c) else f"{c:g}" for c in counts)
        missing = [k + 1 for k in LAYERS if not found[k]["converged"].any()]
        why = f"converged runs, by depth: {share}"
        if missing:
            why += f"; depth {', '.join(map(str, missing))}: no run reached 1e-6, the model stays near the origin"
        facts.append(
            Fact(
                f"{name}: {noun}, median over converged runs at depth 1, 2, 3, 4",
                "fewer with depth" + (" (3 is the rank of the ground truth)" if what == "slices" else ""),
                said,
                None if missing and len(missing) > 2 else _falls(counts),
                why,
                tuple(float(x) for k in LAYERS for x in found[k][what]),
                not options.full,
            )
        )
        if figure == "HKA24-Fig3":
            times = _medians(found, "steps")
            facts.append(
                Fact(
                    f"{name}: iterations until the loss is below 1e-12 or training ends, at depth 1, 2, 3, 4",
                    "sparsity is reached much faster at depth 3 and 4",
                    ", ".join("-" if not np.isfinite(t) else f"{t:g}" for t in times),
                    None,
                    "the figure gives no number",
                    full_size=not options.full,
                )
            )
        else:
            tests = [found[k]["test"] for k in LAYERS]
            worst = [t.max() for t in tests if len(t)]
            facts.append(
                Fact(
                    f"{name}: test error (mean square) of converged runs, depth 1 to 4",
                    "1e-12 to 1e-4",
                    "; ".join(spread(t) for t in tests),
                    bool(max(worst) <= 1e-4) if worst else None,
                    full_size=not options.full,
                )
            )
    return facts


def _agreements(held: Mapping[str, Arrays]) -> list[Agreement]:
    made: list[Agreement] = []
    for k in LAYERS:
        arrays = held[f"HKA24-flow-depth{k + 1}"]
        lemma = [arrays[f"{half}/series/lemma"] for half in (0, 1)]
        rows = lemma[0].reshape(-1, 3)
        drop = float(lemma[0][-1, :, 0].max() / max(lemma[1][-1, :, 0].max(), 1e-300))
        loss = arrays["0/series/loss"]
        made.append(
            Agreement(
                "HKA24-Lem4.1",
                f"depth {k + 1}, gradient descent: change of ||w||^2 - ||G||^2 and ||A||^2 - ||G||^2, less the exact "
                "effect of finite steps",
                len(rows),
                int((rows[:, 1] > rows[:, 2]).sum()),
                f"at most {number(rows[:, 1].max())}, of a change of up to {number(rows[:, 0].max())}",
                f"the change falls by {number(drop)} when the step is halved; loss {number(np.median(loss[0]))} to "
                f"{number(np.median(loss[-1]))}; under Adam (the figures) the lemma says nothing",
            )
        )
        rows = np.concatenate([arrays[f"{half}/series/corollary"].reshape(-1, 3) for half in (0, 1)])
        made.append(
            Agreement(
                "HKA24-Cor4.4",
                f"depth {k + 1}, gradient descent from balanced starts: derivative of ||G_r|| along the flow between "
                "its bounds",
                int(rows[:, 0].sum()),
                int(rows[:, 1].sum()),
                f"least margin {number(rows[:, 2].min())} of the upper bound",
                "balance is lost by finite steps only, by the change above",
            )
        )
        checked = held[f"HKA24-synthetic-depth{k + 1}"]["truncation"]
        made.append(
            Agreement(
                "HKA24-Prop4.6",
                f"depth {k + 1}, trained models, eps = 0.01, 0.1, 0.5 of ||W||: distance to the truncation over eps",
                len(checked),
                int((checked[:, 1] > 1 + 1e-9).sum()),
                f"at most {number(checked[:, 1].max() if len(checked) else np.nan)}",
            )
        )
    return made


def _report(held: Mapping[str, Arrays], options: Options, *, figure: str) -> Report:
    shown = 1  # the reading that is drawn in Figure 3

    def trajectories(canvas: Canvas) -> None:
        canvas.set_size_inches(8, 11)
        grid = canvas.subplots(len(LAYERS), 2, squeeze=False)
        for row, k in zip(grid, LAYERS, strict=True):
            arrays = held[f"HKA24-synthetic-depth{k + 1}"]
            member = _members(options, shown).start
            for axes, name, label in ((row[0], "vectors", "||x_i||"), (row[1], "slices", "||G_i||^2")):
                axes.plot(arrays["steps"], arrays[f"series/{name}"][:, member], linewidth=1)
                axes.set(xlabel="iterations", ylabel=label, title=f"depth {k + 1}, mode 1")

    def cloud(canvas: Canvas) -> None:
        canvas.set_size_inches(12, 4)
        name = "slices" if figure == "HKA24-Fig5" else "vectors"
        random = np.random.default_rng(0)
        for axes, (reading, entry) in zip(
            canvas.subplots(1, len(READINGS), sharey=True), enumerate(READINGS), strict=True
        ):
            found = _sparse(held, options, reading)
            for k in LAYERS:
                counts = found[k][name]
                jitter = random.uniform(-0.15, 0.15, (2, len(counts)))
                colours = np.log10(np.maximum(found[k]["test"], 1e-300))
                points = axes.scatter(
                    k + 1 + jitter[0], counts + jitter[1], c=colours, cmap="RdYlGn_r", vmin=-12, vmax=-4, s=14
                )
                if not len(counts):
                    axes.text(k + 1, 5, "stays near\nthe origin", ha="center", va="center", fontsize=7, color="0.4")
            axes.set(xlabel="depth", xticks=[k + 1 for k in LAYERS], xlim=(0.5, len(LAYERS) + 0.5), ylim=(-0.5, 10.5))
            axes.set_title(entry[0], fontsize=9)
        canvas.colorbar(points, ax=canvas.axes, label="log10 of the test error")
        canvas.axes[0].set_ylabel("vectors above 0.01" if name == "vectors" else "HOSVD slices above 1e-4")

    remarks = [
        f"{sum(int((a['status'] == CONVERGED).sum()) for n, a in held.items() if 'synthetic' in n)} runs reached 1e-12",
        "the paper does not say how the matrices start, nor Adam's epsilon: three readings are shown",
    ]
    if figure == "HKA24-Fig3":
        remarks.append(f"drawn: reading {READINGS[shown][0]!r}, first learning rate and deviation")
    else:
        remarks.append("colour: log10 of the test error, green low")
    rates, deviations, seeds = _grid(options)
    return Report(
        {
            f"{part}/{name}": v
            for part, arrays in held.items()
            for name, v in arrays.items()
            if not name.startswith("final")
        },
        tuple(_facts(figure, held, options)),
        trajectories if figure == "HKA24-Fig3" else cloud,
        tuple(_agreements(held)) if figure == "HKA24-Fig3" else (),
        tuple(remarks),
        {"learning rates": rates, "deviations": deviations, "seeds": seeds, "readings": [r[0] for r in READINGS]},
    )


TITLES = {
    "HKA24-Fig3": "Deep Tucker completion: norms of core slices and vectors over iterations",
    "HKA24-Fig4": "Deep Tucker completion: depth and the number of vectors that are not small",
    "HKA24-Fig5": "Deep Tucker completion: depth and the rank of the solution",
}
FIGURES = {name: Figure(name, title, _parts, partial(_report, figure=name)) for name, title in TITLES.items()}
