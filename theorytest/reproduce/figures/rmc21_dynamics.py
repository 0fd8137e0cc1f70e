"""RMC21 Figures 3, 5, 6 and 7: components of an overparameterized CP factorization are learned one after another.

Configuration: ground truths of norm 1; independent Gaussian starts of three sizes; one adaptive rate (0.01, decay
0.99); stop at loss 1e-8. Theorem 1 and Lemma 1 are held against the runs: they speak of gradient flow, and what finite
steps change is computed apart (the drift of a conserved quantity under gradient descent is known exactly).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.models import cp
from theorytest.reproduce.engine import CONVERGED, Arrays, Context, Plan, even_marks, run
from theorytest.reproduce.figure import Agreement, Fact, Figure, Options, Part, Report, floats, number, spread
from theorytest.reproduce.rules import ScalarAdaptive
from theorytest.reproduce.tensors import low_rank_target, observed_entries, read_target
from theorytest.reproduce.training import UNITS, Entries, Huber, Measurements, Objective, Training, gaussian, rounding

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure as Canvas

INITS = (0.05, 0.01, 0.005)
SHOWN = 10  # largest components that are plotted
RECORDS = 150
SHARE = 0.01  # a component counts when it is larger than this share of the largest


@dataclass(frozen=True)
class Problem:
    """What is completed or measured.

    observations: entries ("completion") or measurements ("gaussian": entries N(0, 1/size); "rank one": of norm 1);
    huber: transition point, or 0 for the square loss; components: R.
    """

    order: int
    size: int
    rank: int
    observations: int
    components: int
    kind: str = "completion"
    huber: float = 0.0

    @property
    def label(self) -> str:
        """For titles."""
        loss = f"Huber {self.huber:g}" if self.huber else "square loss"
        kind = "" if self.kind == "completion" else f", {self.kind} measurements"
        return f"order {self.order}, size {self.size}, rank {self.rank}, R = {self.components}, {loss}{kind}"

    @property
    def name(self) -> str:
        """For files."""
        loss = f"-huber{self.huber:g}" if self.huber else ""
        sizes = f"o{self.order}d{self.size}r{self.rank}n{self.observations}R{self.components}"
        return f"{sizes}-{self.kind.replace(' ', '')}{loss}"


def _problems(figure: str, options: Options) -> list[tuple[Problem, int, int]]:
    """Problem, number of ground truths, steps."""
    full = options.full
    many = 1000 if full else 100
    steps = 60_000 if full else 15_000
    main = Problem(4, 10, 5, 2000, many)
    if figure == "RMC21-Fig3":
        return [(main, 1 if options.target else 20 if full else 5, steps)]
    if figure == "RMC21-Fig5":
        points = (1e-2, 1e-3, 5e-7) if full else (1e-3,)
        return [(Problem(4, 10, 5, 2000, many, huber=point), 5 if full else 2, steps) for point in points]
    if figure == "RMC21-Fig6":
        return [
            (Problem(3, 10, 3, 300, 100), 10 if full else 3, steps),
            (Problem(4, 10, 3, 2000, many), 10 if full else 1, steps),
            (Problem(4, 10, 8, 3000, many), 10 if full else 1, steps),
        ]
    if full:
        return [(Problem(4, 10, 5, 2000, 1000, kind), 5, steps) for kind in ("gaussian", "rank one")]
    return [(Problem(3, 10, 3, 400, 100, kind), 3, steps) for kind in ("gaussian", "rank one")]


def _parts(figure: str, options: Options) -> list[Part]:
    made: list[Part] = []
    for problem, draws, steps in _problems(figure, options):
        for draw in range(draws):
            arguments = {
                "problem": asdict(problem),
                "draw": draw,
                "steps": steps,
                "seed": options.seed,
                "target": options.target if problem.kind == "completion" else None,
            }
            cost = steps * 3 * (problem.components / 100) * (problem.size**problem.order / 1e4) / 4000 + 1
            made.append(Part(f"RMC21-{problem.name}-target{draw}", "rmc21_dynamics:train", arguments, cost))
    return made


def _squares(blocks: dict[str, torch.Tensor]) -> torch.Tensor:
    """||w_r^n||^2, (members, N R)."""
    import torch

    return torch.stack([block.square().sum(2) for block in blocks.values()], dim=1).flatten(1)


def _measure(training: Training, goal: torch.Tensor) -> dict[str, torch.Tensor]:
    """Component norms, the reconstruction error, and how the run stands to Lemma 1 and Theorem 1.

    "lemma": largest change of ||w_r^n||^2 - ||w_r^1||^2; what of it is not the sum of η_t^2 (||g_r^n||^2 -
    ||g_r^1||^2); and what rounding may have made of it (`rounding`). "theorem": components compared; violations of (5),
    (6) by the derivative along the flow with ε at the start, and with ε now; violations by the difference quotient of
    one further step with ε now; least relative margin with ε now.
    """
    import torch

    blocks = training.blocks()
    N = len(blocks)
    squares = _squares(blocks).unflatten(1, (N, -1))
    start, tracked = (training.state[name].unflatten(1, (N, -1)) for name in ("tracked.start", "tracked"))
    change = squares - start
    drift = change - change[:, :1]
    rest = drift - (tracked - tracked[:, :1])
    allowed = rounding(training, squares.flatten(1))
    lemma = torch.stack([drift.abs().flatten(1).amax(1), rest.abs().flatten(1).amax(1), allowed], dim=1)
    norms = squares.prod(1).sqrt()  # (members, R)

    gradient = training.gradient()
    slopes = torch.stack(
        [(g * w).sum(2) for g, w in zip(training.blocks(gradient).values(), blocks.values(), strict=True)], dim=1
    )
    gamma = -slopes[:, 0] / norms
    rate = -(slopes / squares).sum(1) * norms  # derivative along the flow
    eta = training.state["last rate"][:, None]
    stepped = _squares(training.blocks(training.flat - eta * gradient)).unflatten(1, (N, -1)).prod(1).sqrt()
    quotient = torch.where(eta > 0, (stepped - norms) / eta.clamp_min(1e-300), rate)

    def inside(value: torch.Tensor, unbalance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        size = norms ** (2 / N)
        near = N * gamma * norms.square() / (size + unbalance)
        far = N * gamma * (size + unbalance) ** (N - 1)
        low, high = torch.minimum(near, far), torch.maximum(near, far)
        scale = torch.maximum(low.abs(), high.abs()).clamp_min(1e-300)
        margin = torch.minimum(value - low, high - value) / scale
        return margin, margin < -UNITS * torch.finfo(margin.dtype).eps

    spans = [(s.amax(1) - s.amin(1)).amax(1, keepdim=True) for s in (start, squares)]
    counted = (norms > 1e-12) & torch.isfinite(gamma)
    margin, now = inside(rate, spans[1])
    _, before = inside(rate, spans[0])
    _, steps = inside(quotient, spans[1])
    tallies = [counted.sum(1), *((bad & counted).sum(1) for bad in (before, now, steps))]
    least = torch.where(counted, margin, torch.inf).amin(1)
    theorem = torch.stack([*(t.to(least.dtype) for t in tallies), least], dim=1)
    error = (training.end_tensor() - goal).flatten(1).norm(dim=1)
    return {"error": error, "norms": norms, "lemma": lemma, "theorem": theorem}


def objective(problem: Problem, truth: np.ndarray, random: np.random.Generator, tensor: Any, members: int) -> Objective:
    """The loss of a problem, the same for all members."""
    base = Huber(problem.huber) if problem.huber else None
    if problem.kind == "completion":
        observed = observed_entries(
            truth.shape, (round(problem.observations * truth.size / problem.size**problem.order),), random
        )
        return Entries.of(tensor(truth)[None], tensor(observed), base)
    count = problem.observations
    if problem.kind == "gaussian":
        held = random.standard_normal((count, *truth.shape)) / np.sqrt(truth.size)
    else:
        held = np.stack([low_rank_target(truth.shape, 1, random) for _ in range(count)])
    values = held.reshape(count, -1) @ truth.ravel()
    return Measurements(tensor(held)[None], tensor(np.tile(values, (members, 1))), base)


def train(
    context: Context, *, problem: Mapping[str, Any], draw: int, steps: int, seed: int, target: str | None
) -> Arrays:
    """Three starts on one ground truth."""
    given = Problem(**problem)
    random = np.random.default_rng([seed, given.order, given.rank, draw])
    truth = low_rank_target((given.size,) * given.order, given.rank, random) if target is None else read_target(target)
    tensor = context.tensor
    model = cp(truth.shape, rank=given.components)
    goal = tensor(truth)
    start = gaussian(model, INITS, seed=int(random.integers(2**31)), kind=tensor)
    training = Training(
        model,
        objective(given, truth, random, tensor, len(INITS)),
        ScalarAdaptive(0.01),
        start,
        measure=partial(_measure, goal=goal),
        group=1 if given.components > 300 else 8,
        track=_squares,
    )
    history = run(training, len(INITS), Plan(steps, even_marks(steps, RECORDS), 1e-8, check=100), context)
    return history.arrays()


# -- comparison ------------------------------------------------------------------------------------------------------


def _large(norms: np.ndarray) -> int:
    return int((norms > SHARE * norms.max()).sum())


def _jumps(arrays: Arrays, init: int, count: int) -> np.ndarray:
    """Steps at which the components that end largest first reach half of their final norms."""
    norms, final = arrays["series/norms"][:, init], arrays["end/norms"][init]
    chosen = np.argsort(-final)[:count]
    reached = norms[:, chosen] >= final[chosen] / 2
    first = np.where(reached.any(0), reached.argmax(0), -1)
    return np.sort(arrays["steps"][first][reached.any(0)])


def _facts(figure: str, runs: list[tuple[Problem, list[Arrays], int]], options: Options) -> list[Fact]:
    facts: list[Fact] = []
    small = not options.full
    for problem, parts, steps in runs:
        where = "" if len(runs) == 1 else f"{problem.label}: "
        errors = np.stack([p["end/error"] for p in parts])
        counts = np.array([[_large(p["end/norms"][k]) for k in range(len(INITS))] for p in parts])
        done = np.stack([p["status"] == CONVERGED for p in parts])
        main = figure == "RMC21-Fig3"
        for k, init in enumerate(INITS):
            finished, total = int(done[:, k].sum()), len(parts)
            whole = 2 * finished > total
            note = f"{finished} of {total} runs reached the threshold within {steps} steps"
            away = int((errors[:, k] > 1).sum())
            far = f"{away} of {total} end farther from the ground truth than 0 is; " if away else ""
            low = errors[:, k][done[:, k]]
            published = {0.05: "about 0.08", 0.01: "about 0.03", 0.005: "0"}[init] if main else "not given in numbers"
            facts.append(
                Fact(
                    f"{where}init {init:g}: reconstruction error at the end",
                    published,
                    spread(errors[:, k]),
                    bool(np.median(low) < 0.01) if main and init == INITS[-1] and whole else None,
                    f"{note}; {far}the error depends on the ground truth",
                    floats(errors[:, k]),
                    small,
                )
            )
            exact = counts[:, k][done[:, k]] == problem.rank
            facts.append(
                Fact(
                    f"{where}init {init:g}: components above 1% of the largest at the end, of {problem.components}",
                    f"{problem.rank} at a small start, the rank of the ground truth" if k else "more than the rank",
                    f"{', '.join(map(str, counts[:, k]))}; {int(exact.sum())} of the {finished} finished have "
                    f"{problem.rank}",
                    None if not whole else bool(exact.mean() > 0.5) if k else bool(exact.mean() < 0.5),
                    note,
                    floats(counts[:, k]),
                    small,
                )
            )
        small_ends = [(errors[:, k] < errors[:, 0])[done[:, k]] for k in (1, 2)]
        facts.append(
            Fact(
                f"{where}the reconstruction error falls with the size of the start",
                "0.05 > 0.01 > 0.005",
                "of the finished runs "
                + ", ".join(
                    f"{int(x.sum())} of {len(x)} at init {i:g}" for x, i in zip(small_ends, INITS[1:], strict=True)
                )
                + f" end below the one at init {INITS[0]:g}",
                bool(np.concatenate(small_ends).mean() > 0.5) if len(np.concatenate(small_ends)) else None,
                full_size=small,
            )
        )
        shown = 2 if done[:, 2].mean() > 0.5 else 1
        times = [_jumps(p, shown, problem.rank) for p in parts]
        apart = [float(t[-1] / max(t[0], 1)) for t in times if len(t)]
        said = "about 4200, 5300, 7000, 9800, 11200 at init 0.005" if main else "one after another"
        facts.append(
            Fact(
                f"{where}init {INITS[shown]:g}: steps at which components reach half of their final norm",
                said,
                "; ".join(" ".join(f"{t:.0f}" for t in each) for each in times[:5]),
                bool(np.median(apart) > 1.3),
                "one after another: the last takes 1.3 times as long as the first or more (median); times depend on "
                "the ground truth and on R; the smallest start of which most runs finished is shown",
                floats(apart),
                small,
            )
        )
        if figure == "RMC21-Fig3":
            final = np.stack([np.sort(p["end/norms"][2])[::-1][:6] for p in parts])
            facts.append(
                Fact(
                    "init 0.005: the largest norms at the end",
                    "0.60 0.59 0.41 0.31 0.21, the rest near 0",
                    " ".join(number(x) for x in np.median(final, axis=0)) + " (medians)",
                    None,
                    "norms are those of the ground truth's components: another draw has others",
                    floats(final),
                    small,
                )
            )
    return facts


def _agreements(runs: list[tuple[Problem, list[Arrays], int]]) -> list[Agreement]:
    lemma = np.concatenate([p["series/lemma"].reshape(-1, 3) for _, parts, _ in runs for p in parts])
    theorem = np.concatenate([p["series/theorem"].reshape(-1, 5) for _, parts, _ in runs for p in parts])
    lemma, theorem = (x[np.isfinite(x).all(1)] for x in (lemma, theorem))
    drift, rest, _ = lemma.max(0)
    counted, before, now, steps = (int(x) for x in theorem[:, :4].sum(0))
    relative = lemma[:, 1] / np.maximum(lemma[:, 0], 1e-300)
    return [
        Agreement(
            "RMC21-Lem1",
            "change of ||w_r^n||^2 - ||w_r^1||^2, less the exact effect of finite steps",
            len(lemma),
            int((lemma[:, 1] > lemma[:, 2]).sum()),
            f"at most {number(rest)}, of a change of up to {number(drift)}",
            "steps of gradient descent change it by exactly eta_t^2 (||g_r^n||^2 - ||g_r^1||^2); the rest is rounding, "
            f"at the last records {number(np.median(relative[-20:]))} of it",
        ),
        Agreement(
            "RMC21-Thm1",
            "(5), (6): the derivative along the flow lies between the bounds with the unbalancedness of that moment",
            counted,
            now,
            f"least margin {number(theorem[:, 4].min())} of the larger bound",
            f"with the unbalancedness at the start (which flow would keep): {before} violations; difference quotients "
            f"of one more step of the run's size: {steps} violations, both by finite steps",
        ),
    ]


def _report(held: Mapping[str, Arrays], options: Options, *, figure: str) -> Report:
    runs = [
        (problem, [held[f"RMC21-{problem.name}-target{draw}"] for draw in range(draws)], steps)
        for problem, draws, steps in _problems(figure, options)
    ]

    def draw(canvas: Canvas) -> None:
        canvas.set_size_inches(16, 3.6 * len(runs))
        grid = canvas.subplots(len(runs), len(INITS) + 1, squeeze=False)
        for row, (problem, parts, _) in zip(grid, runs, strict=True):
            arrays = parts[0]
            for k, (axes, init) in enumerate(zip(row, INITS, strict=False)):
                chosen = np.argsort(-arrays["end/norms"][k])[:SHOWN]
                axes.plot(arrays["steps"], arrays["series/norms"][:, k][:, chosen], linewidth=1)
                axes.set(xlabel="iterations", ylabel="component norm", title=f"init {init:g}")
                row[-1].plot(arrays["steps"], arrays["series/error"][:, k], label=f"init {init:g}")
            row[-1].set(xlabel="iterations", ylabel="reconstruction error", title=problem.label)
            row[-1].title.set_fontsize(7)
            row[-1].legend(fontsize=7)

    data: Arrays = {}
    for problem, parts, _ in runs:
        for number_, arrays in enumerate(parts):
            for name, values in arrays.items():
                data[f"{problem.name}/{number_}/{name}"] = (
                    -np.sort(-values, axis=-1)[..., :SHOWN] if "norms" in name else values
                )
    return Report(
        data,
        tuple(_facts(figure, runs, options)),
        draw,
        tuple(_agreements(runs)),
        (f"shown: the first ground truth; of the norms the {SHOWN} largest are kept",),
        {
            "problems": [asdict(problem) for problem, _, _ in runs],
            "ground truths": [len(parts) for _, parts, _ in runs],
        },
    )


TITLES = {
    "RMC21-Fig3": "Dynamics of component norms in tensor completion, square loss",
    "RMC21-Fig5": "Dynamics of component norms, Huber loss",
    "RMC21-Fig6": "Dynamics of component norms, other orders and ranks",
    "RMC21-Fig7": "Dynamics of component norms, tensor sensing",
}
FIGURES = {
    name: Figure(name, title, partial(_parts, name), partial(_report, figure=name)) for name, title in TITLES.items()
}
