"""Deep Tucker completion of the IL-2 response tensor by plain gradient descent: the laws on real data, in floating
point.

Gradient flow conserves ||w_r^m||^2 - ||G_{r_m=r}||^2 and ||A_i^{m,r}||^2 - ||w_r^m||^2 (HKA24, Lemma 4.1). A step
of gradient descent with step size η changes them by exactly η^2 (||g_w||^2 - ||g_G||^2), g the gradients before the
step, because <w_r^m, g_w> = <G_{r_m=r}, g_G> for every loss. That is proved elsewhere, in general. Here a model is
trained on measured data in double precision and the total drift, computed exactly from the floating-point
parameters, is held against the sum of the steps. What may remain between the two is rounding, and a running error
analysis bounds it (see `_Descent`).

Rigorous, barring a fault of the machine: the drift (rational arithmetic), the bound, and the first step from the
start (`FirstStep`, rational arithmetic throughout), and Proposition 4.6 on the trained core and matrices
(`Truncation`: the kernel's evaluation, floats taken as the rationals that they are). Not rigorous: R^2, norms and
ratios in the summary.

Data: `tensorly.datasets.load_IL2data` (Orcutt-Jahns et al.), 13 ligands x 4 times x 12 doses x 8 cell types; two
ligands are not complete and are dropped, one cell type is taken (HKA24, Section 5, does not say which).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.kernel.claim import SliceTruncation
from theorytest.kernel.parameterization import Array
from theorytest.kernel.statement import Instance
from theorytest.kernel.truncation import EPSILON, certify
from theorytest.models.contraction import contraction
from theorytest.models.factorizations import deep_tucker
from theorytest.models.model import Model

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]

UNIT = 2.0**-53  # unit roundoff of double precision
SLACK = 1 + 2.0**-20  # the bounds are computed in floating point too: far more than their own rounding
LARGE = 2.0**8  # above this, the bound on underflow would not hold
ADAM_EPSILON = Fraction(1, 10**8)  # as the kernel's Descent of method "adam"
# The usual run.
STEPS, ETA = 1500, Fraction(1, 128)
RELATIVES = (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2))
USUAL: dict[str, Any] = {"cell": 0, "scale": 0.2, "large": 4, "rest": 0.05, "depth": 1, "observed": Fraction(7, 10)}


@dataclass(frozen=True)
class IL2Data:
    """One cell type of the IL-2 tensor: values (ligands x times x doses; 0 where nothing was measured), and what is
    known.
    """

    cell: str
    ligands: tuple[str, ...]
    dropped: tuple[str, ...]
    values: Floats
    measured: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Drift:
    """Drift of every law over a whole run with one step size.

    laws: their names; measured: exact, from the first and the last parameters; accumulated: the sum over the steps of
    η^2 (||g_X||^2 - ||g_Y||^2); bound: what rounding can have made between the two.
    """

    method: str
    eta: Fraction
    steps: int
    laws: tuple[str, ...]
    measured: tuple[Fraction, ...]
    accumulated: tuple[Fraction, ...]
    bound: tuple[Fraction, ...]

    @property
    def explained(self) -> bool:
        """Whether every measured drift is the accumulated one, up to the bound on rounding."""
        rows = zip(self.measured, self.accumulated, self.bound, strict=True)
        return all(abs(measured - sum_) <= bound for measured, sum_, bound in rows)

    @property
    def size(self) -> float:
        """Euclidean norm of the measured drifts."""
        return float(sum((x * x for x in self.measured), Fraction(0))) ** 0.5

    @property
    def worst(self) -> tuple[float, float]:
        """Largest |measured - accumulated|, and the largest bound."""
        rows = zip(self.measured, self.accumulated, strict=True)
        return float(max(abs(a - b) for a, b in rows)), float(max(self.bound))


@dataclass(frozen=True)
class FirstStep:
    """The first step from the start, in rational arithmetic, for one law ||w_r^m||^2 - ||G_{r_m=r}||^2.

    law: its name; predicted: η^2 (||g_w||^2 - ||g_G||^2); gradient_descent: the change by a step of gradient
    descent; adam: the change by the first step of Adam from rest, X - η g / (|g| + 1/10^8).
    """

    law: str
    eta: Fraction
    predicted: Fraction
    gradient_descent: Fraction
    adam: Fraction


@dataclass(frozen=True)
class Truncation:
    """HKA24 Proposition 4.6 on the trained core and matrices, for one ε, as the kernel evaluates it.

    instance: core, matrices and ε as exact rationals; relative: ε / ||W_e||, for reading; rank: the multilinear rank
    (R_1, ..., R_N) of the slices that are surely above the threshold; squared_distance: of W_e to the tensor of those
    slices, exact.
    """

    epsilon: Fraction
    relative: float
    instance: Instance
    rank: tuple[int, ...]
    squared_distance: Fraction

    @property
    def distance(self) -> float:
        """The distance, rounded."""
        return float(self.squared_distance) ** 0.5


@dataclass(frozen=True)
class Progress:
    """Half the sum of squares on the training entries, and R^2 on the training and the held-out entries, at one
    step.
    """

    step: int
    loss: float
    r2_observed: float
    r2_held_out: float


@dataclass(frozen=True)
class IL2Completion:
    """A trained completion: what went in, how it went, and what the laws did. Every field of the parts is explained
    there.
    """

    cell: str
    shape: tuple[int, ...]
    measured: int
    observed: int
    held_out: int
    seed: int
    depth: int
    scale: float
    eta: Fraction
    steps: int
    parameters: int
    history: tuple[Progress, ...]
    increases: int  # steps at which the training loss did not fall
    drifts: tuple[Drift, ...]  # with eta, eta/2, eta/4 at the same time
    adam: tuple[Drift, ...]  # the same for Adam
    first_step: FirstStep
    core: Array
    matrices: tuple[Array, ...]  # V[n]: row r is column r of V^(n)
    truncations: tuple[Truncation, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How much the drift falls when the step size is halved (2: linear in the step size)."""
        return _ratios(self.drifts)

    @property
    def adam_ratios(self) -> tuple[float, ...]:
        """The same for Adam."""
        return _ratios(self.adam)

    def summary(self) -> str:
        """The run in a few lines."""
        last = self.history[-1]
        worst, bound = self.drifts[0].worst
        lines = [
            f"IL-2, {self.cell}: {self.shape}, {self.observed} entries observed, {self.held_out} held out, "
            f"deep Tucker with {self.depth} matrix a column, {self.parameters} parameters",
            f"gradient descent, {self.steps} steps of {self.eta}: loss {self.history[0].loss:.4g} -> {last.loss:.4g}, "
            f"R2 {last.r2_observed:.4f} observed, {last.r2_held_out:.4f} held out, {self.increases} increases",
            f"drift of {len(self.drifts[0].laws)} laws: {', '.join(f'{d.size:.3e}' for d in self.drifts)} for "
            f"{', '.join(str(d.eta) for d in self.drifts)}; ratios {', '.join(f'{r:.3f}' for r in self.ratios)}",
            f"measured minus accumulated: at most {worst:.1e}, rounding bound {bound:.1e}, "
            f"explained: {all(d.explained for d in self.drifts)}",
            f"Adam: {', '.join(f'{d.size:.3e}' for d in self.adam)}; "
            f"ratios {', '.join(f'{r:.3f}' for r in self.adam_ratios)}",
            *(
                f"Proposition 4.6, eps = {t.relative:.3g} ||W_e||: multilinear rank <= {t.rank}, "
                f"distance {t.distance:.3e} <= {float(t.epsilon):.3e}"
                for t in self.truncations
            ),
        ]
        return "\n".join(lines)


def _ratios(drifts: tuple[Drift, ...]) -> tuple[float, ...]:
    return tuple(a.size / b.size for a, b in pairwise(drifts))


# -- data ---------------------------------------------------------------------------------------------------------


@cache
def il2_data(cell: str | int = 0) -> IL2Data:
    """One cell type of the IL-2 response tensor, without the ligands that lack measurements (11 x 4 x 12).

    cell: its name or number. Raises `InputError` where tensorly is missing, or for an unknown cell type.
    """
    import numpy as np

    try:
        from tensorly.datasets import load_IL2data
    except ImportError as error:
        raise InputError(
            "the IL-2 data come with tensorly, which is not installed: pip install 'theorytest[data]'"
        ) from error
    loaded = load_IL2data()
    ligands, _, _, cells = (list(map(str, ticks)) for ticks in loaded.ticks)
    if cell not in cells and not (type(cell) is int and 0 <= cell < len(cells)):
        raise InputError(f"given the cell type {cell!r}, needed one of {cells} or its number from 0")
    number = cell if isinstance(cell, int) else cells.index(cell)
    tensor = np.asarray(loaded.tensor, dtype=np.float64)
    whole = [k for k in range(len(ligands)) if not np.isnan(tensor[k]).any()]
    values = tensor[whole][..., number]
    measured = np.isfinite(values)
    return IL2Data(
        cells[number],
        tuple(ligands[k] for k in whole),
        tuple(name for k, name in enumerate(ligands) if k not in whole),
        np.where(measured, values, 0.0),
        measured,
    )


# -- the model as one vector of parameters ------------------------------------------------------------------------


class _Layout:
    """Parameters of a deep Tucker model in one vector (with leading axes: of several runs at once); slices of every
    block, and the laws between them.

    A slice is a set of parameters that a law speaks of: G with r_m = r, row r of w[m], matrix r of A[m,i]. Slices
    of A and w are runs of the vector; those of G are read off the core once for every mode.
    """

    def __init__(self, model: Model) -> None:
        import numpy as np

        self.model, self.shapes = model, model.shapes
        self.places: dict[str, slice] = {}
        start = 0
        for name, shape in self.shapes.items():
            self.places[name] = slice(start, start + prod(shape))
            start += prod(shape)
        self.size = start
        self.runs: list[int] = []
        self.names: list[tuple[str, int]] = []  # (block, r) of every run
        rest = self.places["G"].stop
        for name, shape in self.shapes.items():
            if name != "G":
                for r in range(shape[0]):
                    self.runs.append(self.places[name].start + r * prod(shape[1:]) - rest)
                    self.names.append((name, r))
        self.rest = rest
        self.run_starts = np.array(self.runs)
        order = len(self.shapes["G"])
        self.names += [(f"G/{m}", r) for m in range(1, order + 1) for r in range(self.shapes["G"][m - 1])]
        self.where = {name: k for k, name in enumerate(self.names)}
        self.laws: list[tuple[tuple[str, int], tuple[str, int]]] = []
        for name, shape in self.shapes.items():
            if name != "G":
                mode = name[2:-1].partition(",")[0]
                other = f"G/{mode}" if name.startswith("w") else f"w[{mode}]"
                self.laws += [((name, r), (other, r)) for r in range(shape[0])]
        self.w_slices = {
            m: [self.where[f"w[{m}]", r] for r in range(self.shapes["G"][m - 1])] for m in range(1, order + 1)
        }
        # The slice of w that goes with every slice: <X, g_X> is the same for all slices of one (mode, r).
        self.component = np.array([self.where[f"w[{self.mode(name)}]", r] for name, r in self.names])

    @staticmethod
    def mode(name: str) -> str:
        return name[2:] if name.startswith("G/") else name[2:-1].partition(",")[0]

    def blocks(self, theta: Floats) -> dict[str, Floats]:
        lead = theta.shape[:-1]
        return {name: theta[..., place].reshape(lead + self.shapes[name]) for name, place in self.places.items()}

    def flat(self, blocks: Mapping[str, Any]) -> Floats:
        import numpy as np

        lead = blocks["G"].shape[: -len(self.shapes["G"])]
        return np.concatenate([blocks[name].reshape((*lead, -1)) for name in self.places], axis=-1)

    def slices(self, values: Floats) -> Floats:
        """The sum of a vector over every slice."""
        import numpy as np

        core = values[self.places["G"]].reshape(self.shapes["G"])
        modes = range(core.ndim)
        sums = [core.sum(axis=tuple(a for a in modes if a != m)) for m in modes]
        return np.concatenate([np.add.reduceat(values[self.rest :], self.run_starts), *sums])

    def exact_slices(self, theta: Floats) -> list[Fraction]:
        """The squared norm of every slice, in rational arithmetic (all entries over one power of 2)."""
        import numpy as np

        # Every double is an integer over 2^1074: sums of squares are integers over 2^2148.
        whole = np.empty(theta.shape, dtype=object)
        for k, x in enumerate(theta.tolist()):
            n, d = x.as_integer_ratio()
            whole[k] = n * (2**1074 // d)
        return [Fraction(int(x), 2**2148) for x in self.slices(whole * whole)]

    def law_name(self, law: tuple[tuple[str, int], tuple[str, int]]) -> str:
        def show(name: str, r: int) -> str:
            return f"||G_(r_{name[2:]}={r + 1})||^2" if name.startswith("G/") else f"||{name}_{r + 1}||^2"

        return f"{show(*law[0])} - {show(*law[1])}"


def balanced_start(model: Model, *, scale: float, large: int, rest: float, seed: int) -> dict[str, Floats]:
    """A small start with ||w_r^m|| = ||G_{r_m=r}|| = ||A_i^{m,r}|| up to rounding: built for a core, not searched for.

    The core is Gaussian with standard deviation ``scale`` where all r_m <= large, times ``rest`` for every other
    r_m: a few slices of each mode start larger than the others. The vectors and matrices are Gaussian directions of
    the norms that balance asks for. Drift is measured from wherever the start is.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    core = scale * random.standard_normal(model.shapes["G"])
    for m, size in enumerate(core.shape):
        core = core * np.where(np.arange(size) < large, 1.0, rest).reshape(
            [-1 if a == m else 1 for a in range(core.ndim)]
        )
    blocks: dict[str, Any] = {"G": core}
    for name, shape in model.shapes.items():
        if name != "G":
            mode = int(name[2:-1].partition(",")[0]) - 1
            norms = np.sqrt((core**2).sum(axis=tuple(a for a in range(core.ndim) if a != mode)))
            draw = random.standard_normal(shape).reshape((shape[0], -1))
            blocks[name] = (draw * (norms / np.sqrt((draw**2).sum(axis=1)))[:, None]).reshape(shape)
    return blocks


def rounding_depth(model: Model) -> int:
    """The number of roundings m on the way from the blocks to any entry of any gradient: computed gradients differ
    from exact ones by at most γ_m times the gradient of absolute values, γ_m = m u / (1 - m u) (Higham, Accuracy
    and Stability, Section 3).

    Every pairwise product of the contraction enters an entry once, forwards or in one of two backward ways, as an inner
    product of so many terms; γ_k holds for an inner product of k terms in any order, fused or not.
    """
    concrete = model.concrete
    steps = contraction(tuple(legs for _, legs in concrete.factors), concrete.output, concrete.dims).steps
    return sum(max(prod(rows), prod(joined), prod(columns)) for _, rows, joined, columns in (s.sizes for s in steps))


class _Descent:
    """Gradient descent X <- X - η g in double precision, from one start with several η at once, with a running bound on
    what rounding does to the laws.

    Let X be a slice, g^ its computed gradient, p = fl(η g^), X' = fl(X - p), ρ = X' - X + η g^, so |ρ| <= u (|p| +
    |X'|). Exactly,

        ||X'||^2 - ||X||^2 = -2η <X, g> + η^2 ||g^||^2 - 2η <X, g^ - g> + 2 <X, ρ> - 2η <g^, ρ> + ||ρ||^2,

    where <X, g> is the same number for G_{r_m=r}, w_r^m and all A_i^{m,r}, whatever the loss gradient was, and
    drops out of every law. |<X, g^ - g>| <= γ_m C, with C = <|X|, gradient at absolute values>: also the same for
    all slices of (m, r). So the steps add up to the drift, up to the sum over the steps, for both slices of a law,
    of

        2η γ_m C + Σ a (2|X| + 2|p| + a) + γ_(n+4) ||p||^2,   a = u (|p| + |X'|),

    the last for computing η^2 ||g^||^2 as the sum of n squares of p, and γ_steps Σ η^2 ||g^||^2 for adding them up.
    Every parameter is summed over the steps first, and the slices are summed at the end: of numbers that are not
    negative, any order will do. For ``window`` steps at a time C is that of the largest absolute values among them,
    which no single one exceeds. Underflow in a product adds at most 2^-1075 each; while all numbers are below 2^8, less
    than (number of products) 2^-1000 in all.
    """

    window = 10

    def __init__(self, layout: _Layout, data: Floats, observed: Floats, start: Floats, etas: Sequence[float]) -> None:
        import numpy as np

        self.layout, self.data, self.observed, self.start = layout, data, observed, start
        self.eta = np.array(etas)[:, None]
        self.theta = np.tile(start, (len(etas), 1))
        self.squares, self.alike, self.rounding = (np.zeros_like(self.theta) for _ in range(3))
        self.sizes, self.residuals = np.zeros_like(self.theta), np.zeros((len(etas), *data.shape))
        self.open = 0  # steps since C was last added
        self.largest = np.zeros(len(etas))
        self.steps = [0] * len(etas)
        depth = rounding_depth(layout.model)
        self.gamma = depth * UNIT / (1 - depth * UNIT)
        self.length = max(prod(shape) for shape in layout.shapes.values())

    def step(self, first: int) -> Floats:
        """Take a step in the runs from number ``first`` on; the losses before it."""
        import numpy as np

        layout, theta = self.layout, self.theta[first:]
        end, pull = layout.model.pullback(layout.blocks(theta))
        residual = (end - self.data) * self.observed
        update = self.eta[first:] * layout.flat(pull(residual))
        after = theta - update
        size, move = np.abs(theta), np.abs(update)
        self.squares[first:] += update * update
        rounded = move + np.abs(after)
        self.rounding[first:] += rounded * (size + move + (UNIT / 2) * rounded)
        np.maximum(self.sizes[first:], size, out=self.sizes[first:])
        np.maximum(self.residuals[first:], np.abs(residual), out=self.residuals[first:])
        self.theta[first:] = after
        for k in range(first, len(self.steps)):
            self.steps[k] += 1
        self.open += 1
        if self.open == self.window:
            self.close(first)
        return 0.5 * (residual * residual).reshape((len(theta), -1)).sum(axis=1)

    def close(self, first: int) -> None:
        """Add C for the last steps of the runs from number ``first`` on."""
        import numpy as np

        layout, sizes, residuals = self.layout, self.sizes[first:], self.residuals[first:]
        _, pull = layout.model.pullback(layout.blocks(sizes))
        self.alike[first:] += self.open * sizes * layout.flat(pull(residuals))
        most = np.maximum(sizes.max(axis=1), residuals.reshape((len(sizes), -1)).max(axis=1))
        self.largest[first:] = np.maximum(self.largest[first:], most)
        self.open = 0
        sizes[...] = 0
        residuals[...] = 0

    def drift(self, number: int) -> Drift:
        """The drift of every law over the steps that the run of that number has taken."""
        layout, eta, steps = self.layout, float(self.eta[number, 0]), self.steps[number]
        if not self.largest[number] < LARGE:
            raise InputError(
                f"training reached numbers of size {self.largest[number]:.3g}, needed below {LARGE:.0f}: "
                "it diverges, choose a smaller eta"
            )
        before, after = layout.exact_slices(self.start), layout.exact_slices(self.theta[number])
        sums = layout.slices(self.squares[number])
        bounds = 2 * eta * self.gamma * layout.slices(self.alike[number])[layout.component]
        bounds += 2 * UNIT * layout.slices(self.rounding[number])
        bounds += (self.length + 4 + steps + 1) * UNIT * sums
        error = [Fraction(float(e)) for e in bounds * SLACK]
        products = steps * 16 * (layout.size + self.data.size) ** 2  # more than any path of products has
        tiny = Fraction(products, 2**1000)
        squares = [Fraction(float(s)) for s in sums]
        pairs = [(layout.where[a], layout.where[b]) for a, b in layout.laws]
        return Drift(
            "gradient descent",
            Fraction(eta),
            steps,
            tuple(map(layout.law_name, layout.laws)),
            tuple((after[i] - before[i]) - (after[j] - before[j]) for i, j in pairs),
            tuple(squares[i] - squares[j] for i, j in pairs),
            tuple(error[i] + error[j] + tiny for i, j in pairs),
        )


def _adam(
    layout: _Layout, data: Floats, observed: Floats, start: Floats, *, etas: Sequence[float], steps: int
) -> tuple[Drift, ...]:
    """Adam (Kingma and Ba) with its usual constants from the same start; its drift, and what the law of descent
    would give. The run with the k-th η takes 2^k times as many steps.

    The bound is on the rounding of that sum alone: enough to say that it does not explain the drift.
    """
    import numpy as np

    eta = np.array(etas)[:, None]
    theta = np.tile(start, (len(etas), 1))
    first, second, squares = (np.zeros_like(theta) for _ in range(3))
    step = 0
    for done in range(len(etas)):  # this run ends, the others go on
        live = slice(done, None)
        while step < steps * 2**done:
            step += 1
            end, pull = layout.model.pullback(layout.blocks(theta[live]))
            gradient = layout.flat(pull((end - data) * observed))
            squares[live] += (eta[live] * gradient) ** 2
            first[live] += 0.1 * (gradient - first[live])
            second[live] += 0.001 * (gradient * gradient - second[live])
            root = np.sqrt(second[live] / (1 - 0.999**step)) + float(ADAM_EPSILON)
            theta[live] -= eta[live] * (first[live] / (1 - 0.9**step)) / root
    before = layout.exact_slices(start)
    pairs = [(layout.where[a], layout.where[b]) for a, b in layout.laws]
    found: list[Drift] = []
    for k, size in enumerate(etas):
        after, sums, taken = layout.exact_slices(theta[k]), layout.slices(squares[k]), steps * 2**k
        found.append(
            Drift(
                "adam",
                Fraction(size),
                taken,
                tuple(map(layout.law_name, layout.laws)),
                tuple((after[i] - before[i]) - (after[j] - before[j]) for i, j in pairs),
                tuple(Fraction(float(sums[i])) - Fraction(float(sums[j])) for i, j in pairs),
                tuple(Fraction(float((sums[i] + sums[j]) * (taken + layout.size) * 4 * UNIT)) for i, j in pairs),
            )
        )
    return tuple(found)


def exact_array(values: Floats) -> Array:
    """Floating-point numbers as the rationals that they are."""
    return Array(tuple(values.shape), tuple(Fraction(x) for x in values.reshape(-1).tolist()))


def _first_step(layout: _Layout, data: Floats, observed: Floats, start: Floats, eta: Fraction) -> FirstStep:
    """One step in rational arithmetic, from the start as it is held in floating point: mode 1, r = 1."""
    model = layout.model
    blocks = {name: exact_array(values) for name, values in layout.blocks(start).items()}
    end = model.end_tensor(blocks)
    targets, mask = exact_array(data), exact_array(observed)
    residual = [m * (w - b) for w, b, m in zip(end.entries, targets.entries, mask.entries, strict=True)]
    gradients = model.gradients(blocks, Array(end.shape, tuple(residual)))
    own: dict[str, tuple[tuple[Fraction, Fraction], ...]] = {}
    for name in ("w[1]", "G"):  # row 0 of w[1], and the first slice of G in mode 1: the leading entries of both
        count = prod(model.shapes[name][1:])
        own[name] = tuple(zip(blocks[name].entries[:count], gradients[name].entries[:count], strict=True))

    def change(move: Any) -> Fraction:
        parts = {name: sum(((x + move(g)) ** 2 - x**2 for x, g in pairs), Fraction(0)) for name, pairs in own.items()}
        return parts["w[1]"] - parts["G"]

    norms = {name: sum((g * g for _, g in pairs), Fraction(0)) for name, pairs in own.items()}
    return FirstStep(
        layout.law_name((("w[1]", 0), ("G/1", 0))),
        eta,
        eta**2 * (norms["w[1]"] - norms["G"]),
        change(lambda g: -eta * g),
        change(lambda g: -eta * g / (abs(g) + ADAM_EPSILON)),
    )


# -- truncation ---------------------------------------------------------------------------------------------------


def tucker_matrices(model: Model, blocks: Mapping[str, Floats]) -> tuple[Floats, ...]:
    """V[1], ..., V[N] of a deep Tucker model: row r of V[n] is A_1^{n,r} ... A_k^{n,r} w_r^n (column r of V^(n)),
    in floats.
    """
    import numpy as np

    made: list[Any] = []
    for n in range(1, len(model.shape) + 1):
        rows = blocks[f"w[{n}]"]
        positions = sorted(int(name[2:-1].split(",")[1]) for name in model.shapes if name.startswith(f"A[{n},"))
        for s in reversed(positions):
            rows = np.einsum("rij,rj->ri", blocks[f"A[{n},{s}]"], rows)
        made.append(rows)
    return tuple(made)


def truncation_instances(
    core: Floats, matrices: tuple[Floats, ...], relatives: tuple[Fraction, ...]
) -> tuple[tuple[float, Instance], ...]:
    """Instances of HKA24 Proposition 4.6 for a core and matrices (rows: columns of V^(n)), with ε near relative *
    ||W_e||; each with ε / ||W_e||.
    """
    import numpy as np

    whole = core
    for n, v in enumerate(matrices):
        whole = np.moveaxis(np.tensordot(whole, v, axes=(n, 0)), -1, n)
    norm = float(np.sqrt((whole**2).sum()))
    letters = (("G", exact_array(core)), *((f"V[{n + 1}]", exact_array(v)) for n, v in enumerate(matrices)))
    sizes = [relative * Fraction(norm).limit_denominator(1000) for relative in relatives]
    return tuple(
        (float(epsilon) / norm, Instance(letters=letters, variables=((EPSILON, epsilon),))) for epsilon in sizes
    )


def truncations(
    core: Floats, matrices: tuple[Floats, ...], relatives: tuple[Fraction, ...], *, bits: int = 128
) -> tuple[Truncation, ...]:
    """HKA24 Proposition 4.6 for a core and matrices (rows: columns of V^(n)), with ε near relative * ||W_e||.

    Evaluated by the kernel in rational arithmetic, spectral norms between bounds of so many bits. Raises `KernelError`
    where the claim fails, which would refute the proposition.
    """
    found: list[Truncation] = []
    for relative, instance in truncation_instances(core, matrices, relatives):
        checked = certify(SliceTruncation(), instance, bits)
        epsilon = dict(instance.variables)[EPSILON]
        found.append(Truncation(epsilon, relative, instance, checked.ranks, checked.squared_distance))
    return tuple(found)


# -- the run ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What is trained: the data, the entries to train on and those held out (1 and 0), the model, and the start."""

    data: IL2Data
    mask: Floats
    held: Floats
    layout: _Layout
    start: Floats


def _task(
    *, cell: str | int, seed: int, observed: Fraction, depth: int, scale: float, large: int, rest: float
) -> _Task:
    import numpy as np

    if not 0 < observed < 1:
        raise InputError(f"given observed={observed}, needed a share between 0 and 1, some entries being held out")
    data = il2_data(cell)
    random = np.random.default_rng([seed, 1])
    places = random.permutation(np.flatnonzero(data.measured))
    mask = np.zeros(data.values.size)
    mask[places[: int(observed * len(places))]] = 1.0
    mask = mask.reshape(data.values.shape)
    model = deep_tucker(data.values.shape, depths=depth)
    layout = _Layout(model)
    start = layout.flat(balanced_start(model, scale=scale, large=large, rest=rest, seed=seed))
    return _Task(data, mask, data.measured * (1.0 - mask), layout, start)


def il2_instances(*, steps: int = STEPS, seed: int = 0) -> tuple[Instance, ...]:
    """Instances of HKA24 Proposition 4.6: core, matrices and ε after so many of the steps of `il2_completion` (with its
    usual arguments), whose laws are not followed here."""
    task = _task(seed=seed, **USUAL)
    layout, theta = task.layout, task.start
    for _ in range(steps):
        end, pull = layout.model.pullback(layout.blocks(theta))
        theta = theta - float(ETA) * layout.flat(pull((end - task.data.values) * task.mask))
    blocks = layout.blocks(theta)
    found = truncation_instances(blocks["G"], tucker_matrices(layout.model, blocks), RELATIVES)
    return tuple(instance for _, instance in found)


def il2_completion(
    *,
    steps: int = STEPS,
    seed: int = 0,
    cell: str | int = USUAL["cell"],
    eta: Fraction = ETA,
    halvings: int = 2,
    scale: float = USUAL["scale"],
    large: int = USUAL["large"],
    rest: float = USUAL["rest"],
    depth: int = USUAL["depth"],
    observed: Fraction = USUAL["observed"],
    adam_eta: Fraction = Fraction(1, 128),
    adam_steps: int = 500,
    relatives: tuple[Fraction, ...] = RELATIVES,
) -> IL2Completion:
    """Train a full-size deep Tucker completion on the IL-2 tensor and follow its conservation laws.

    steps: of size ``eta`` (2 and 4 times as many of size eta/2 and eta/4 run for the same time, up to ``halvings``
    halvings); adam_steps: likewise for Adam, 0 for none; eta and adam_eta: powers of 2 or other rationals that are
    floating-point numbers; scale, large, rest: of the balanced start (see `balanced_start`); depth: matrices a column
    in every mode; observed: share of the measured entries to train on, the others are held out and are looked at only
    to report R^2; the number of steps is fixed before, nothing is stopped early; relatives: ε of Proposition 4.6
    relative to ||W_e||. The same seed gives the same run on the same machine. Raises `InputError` for a missing
    package, bad numbers, or a run that diverges.
    """
    import numpy as np

    for what, number, least in (("steps", steps, 1), ("adam_steps", adam_steps, 0), ("halvings", halvings, 0)):
        if type(number) is not int or number < least:
            raise InputError(f"given {what}={number!r}, needed an integer of at least {least}")
    for what, size in (("eta", eta), ("adam_eta", adam_eta)):
        if not size > 0 or Fraction(float(size)) != size:
            raise InputError(f"given {what}={size}, needed a positive floating-point number such as Fraction(1, 64)")
    task = _task(cell=cell, seed=seed, observed=observed, depth=depth, scale=scale, large=large, rest=rest)
    layout, values, mask, held = task.layout, task.data.values, task.mask, task.held
    model = layout.model

    def progress(step: int, theta: Floats) -> Progress:
        gap = model.end_tensor(layout.blocks(theta)) - values
        scores: list[float] = []
        for chosen in (mask, held):
            mean = (values * chosen).sum() / chosen.sum()
            scores.append(1 - float((gap**2 * chosen).sum() / ((values - mean) ** 2 * chosen).sum()))
        return Progress(step, 0.5 * float((gap**2 * mask).sum()), *scores)

    history: list[Progress] = []
    increases, before = 0, np.inf
    run = _Descent(layout, values, mask, task.start, [float(eta) / 2**k for k in range(halvings + 1)])
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges ends in the line below
        for halving in range(halvings + 1):  # the run of this number ends, the others go on
            while (step := run.steps[halving]) < steps * 2**halving:
                if halving == 0 and step % max(1, steps // 20) == 0:
                    history.append(progress(step, run.theta[0]))
                losses = run.step(halving)
                if not np.isfinite(losses).all():
                    raise InputError(
                        f"the loss is {losses.max()} after {step} steps: training diverges, choose an eta below {eta}"
                    )
                if halving == 0:
                    increases += int(not losses[0] < before)
                    before = losses[0]
            run.close(halving)
    trained = run.theta[0]
    history.append(progress(steps, trained))
    blocks = layout.blocks(trained)
    matrices = tucker_matrices(model, blocks)
    small = [float(adam_eta) / 2**k for k in range(halvings + 1 if adam_steps else 0)]
    return IL2Completion(
        task.data.cell,
        model.shape,
        int(task.data.measured.sum()),
        int(mask.sum()),
        int(held.sum()),
        seed,
        depth,
        scale,
        eta,
        steps,
        model.parameters,
        tuple(history),
        increases,
        tuple(map(run.drift, range(halvings + 1))),
        _adam(layout, values, mask, task.start, etas=small, steps=adam_steps),
        _first_step(layout, values, mask, task.start, eta),
        exact_array(blocks["G"]),
        tuple(map(exact_array, matrices)),
        truncations(blocks["G"], matrices, relatives),
    )


__all__ = [
    "Drift",
    "FirstStep",
    "IL2Completion",
    "IL2Data",
    "Progress",
    "Truncation",
    "balanced_start",
    "exact_array",
    "il2_completion",
    "il2_data",
    "il2_instances",
    "rounding_depth",
    "truncation_instances",
    "truncations",
    "tucker_matrices",
]
