"""HKA24 Theorem 4.3, Corollaries 4.4 (repaired) and 4.5 along certified flows of 2x2x2 tensors.

The theorems are proved for all starts elsewhere. Here every quantity in them is followed on instances whose flow is
enclosed: exactly balanced starts with dense cores, four observed entries, half-sum loss. The velocities of core
entries are written as in HKA24-dG, those of the kernel's own vector field (a test compares both at exact states).
"""

import math
from copy import copy
from dataclasses import replace
from fractions import Fraction
from functools import cache, reduce
from itertools import product
from operator import add, mul

from theorytest import All, Outcome, Source, Statement, certified, control, swept
from theorytest import quantity as q
from theorytest.enclose.flowpipe import certificate
from theorytest.gradient_flow import GradientFlow
from theorytest.models import HalfSum, array, balanced, balanced_batch, deep_tucker

CELLS = tuple(product((1, 2), repeat=3))
SIDES = (1, 2)
TARGET = {(1, 1, 1): 1, (1, 2, 2): Fraction(1, 2), (2, 1, 2): Fraction(-1, 2), (2, 2, 1): Fraction(3, 4)}
LOSS = HalfSum({tuple(i - 1 for i in cell): value for cell, value in TARGET.items()})


def total(parts):
    """A sum of quantities."""
    return reduce(add, parts)


def times(parts):
    """A product of quantities."""
    return reduce(mul, parts)


def turned(block):
    """Both vectors, turned by the angle of (3/5, 4/5): their norms stay as they are."""
    (a, b), (c, d) = ((block[r, 0], block[r, 1]) for r in (0, 1))
    return array([[(3 * x - 4 * y) / 5, (4 * x + 3 * y) / 5] for x, y in ((a, b), (c, d))])


class Tucker:
    """Deep Tucker factorization of 2x2x2 tensors with k matrices in each mode, from a balanced start."""

    def __init__(self, k, until):
        self.k, self.until = k, Fraction(until)
        self.flow = GradientFlow(deep_tucker((2, 2, 2), depths=k), LOSS)
        given = balanced(self.flow.model, seed=2, denominator=2)
        self.start = {name: turned(block) if name[0] == "w" else block for name, block in given.items()}

    def changed(self, **factors):
        """The same with some blocks multiplied at the start."""
        other = copy(self)
        other.start = self.start | {
            name: replace(self.start[name], entries=tuple(x * factor for x in self.start[name].entries))
            for name, factor in factors.items()
        }
        return other

    # -- quantities of the state; m: mode, r: column, cell: the indices of a core entry --

    def matrix(self, m, s, r):
        """A_s^{m,r}, by rows."""
        return [[q.entry(f"A[{m},{s}]", r, i, j) for j in SIDES] for i in SIDES]

    def factor(self, m, r):
        """A_1^{m,r} ... A_k^{m,r}, by rows."""
        matrices = (self.matrix(m, s, r) for s in range(1, self.k[m - 1] + 1))
        return reduce(
            lambda one, two: [[total(map(mul, row, c)) for c in zip(*two, strict=True)] for row in one], matrices
        )

    def vector(self, m, r):
        """w_r^m."""
        return [q.entry(f"w[{m}]", r, i) for i in SIDES]

    def column(self, m, r):
        """x_r^m = A^{m,r} w_r^m."""
        turned = self.vector(m, r)
        for s in range(self.k[m - 1], 0, -1):
            turned = [total(map(mul, row, turned)) for row in self.matrix(m, s, r)]
        return turned

    def length(self, m, r):
        """||x_r^m||."""
        return q.sqrt(total(x**2 for x in self.column(m, r)))

    def omega(self, m, r):
        """||w_r^m||."""
        return q.sqrt(q.squared_slice_norm(f"w[{m}]", 1, r))

    def slice(self, m, r):
        """||G_{r_m = r}||."""
        return q.sqrt(q.squared_slice_norm("G", m, r))

    @cache  # noqa: B019 - the models live as long as this file
    def velocity(self, cell):
        """The derivative of a core entry: <-grad, x_{r_1} (x) x_{r_2} (x) x_{r_3}> (HKA24-dG)."""
        columns = [self.column(m, r) for m, r in enumerate(cell, 1)]
        return total(
            (TARGET[place] - q.entry(*place)) * times(x[i - 1] for x, i in zip(columns, place, strict=True))
            for place in TARGET
        )

    def cells(self, m, r):
        """The indices of the entries of a core slice."""
        return [cell for cell in CELLS if cell[m - 1] == r]

    @cache  # noqa: B019 - the models live as long as this file
    def speed(self, m, r):
        """d/dt ||G_r||, by the chain rule."""
        moved = total(q.entry("G", *cell) * self.velocity(cell) for cell in self.cells(m, r))
        return moved / self.slice(m, r)

    def pace(self, m, r):
        """d/dt ||w_r^m||, for a mode without matrices (HKA24-Eq5)."""
        moved = total(
            q.entry("G", *cell)
            * (TARGET[place] - q.entry(*place))
            * times(self.column(n, s)[place[n - 1] - 1] for n, s in enumerate(cell, 1) if n != m)
            * self.vector(m, r)[place[m - 1] - 1]
            for cell in self.cells(m, r)
            for place in TARGET
        )
        return moved / self.omega(m, r)

    def others(self, m, cell):
        """The product of ||x_{r_n}^n|| over the other modes."""
        return times(self.length(n, r) for n, r in enumerate(cell, 1) if n != m)

    def alignment(self, cell):
        """Δ."""
        return self.velocity(cell) / times(self.length(n, r) for n, r in enumerate(cell, 1))

    @cache  # noqa: B019 - the models live as long as this file
    def delta(self, m, r):
        """δ_r: the sum over the slice of G, the product of the other norms and Δ."""
        parts = (q.entry("G", *c) * self.others(m, c) * self.alignment(c) for c in self.cells(m, r))
        return total(parts)

    def cosine(self, m, r, *, left=False):
        """|<v, w / ||w||>| with v a right (left) singular vector of A^{m,r} for its largest singular value.

        For the larger eigenvalue of a symmetric matrix M of order 2, v v^T = (M - λ_2 I) / (λ_1 - λ_2).
        """
        rows = self.factor(m, r)
        lines = rows if left else list(zip(*rows, strict=True))
        (a, b), (_, c) = ([total(map(mul, one, other)) for other in lines] for one in lines)
        gap = q.sqrt((a - c) ** 2 + 4 * b**2)
        low = (a + c - gap) / 2
        x, y = self.vector(m, r)
        return q.sqrt(((a - low) * x**2 + 2 * b * x * y + (c - low) * y**2) / gap) / self.omega(m, r)

    def lower(self, m, r, **options):
        """(||G_r|| / sqrt(2))^k α_r δ_r."""
        small = (self.slice(m, r) / q.sqrt(2)) ** self.k[m - 1]
        return small * self.cosine(m, r, **options) * self.delta(m, r)

    def upper(self, m, r, k=None):
        """||G_r||^k δ_r."""
        return self.slice(m, r) ** (self.k[m - 1] if k is None else k) * self.delta(m, r)

    # -- claims --

    def along(self, comparison, *, start=0, end=None):
        """The comparison at every time from start to end."""
        return self.flow.throughout(self.start, comparison, self.until if end is None else end, start=start)

    def equal_at(self, time, *pairs):
        """The quantities of all pairs differ by at most 10^-10 at a time."""
        return self.along(total((one - other) ** 2 for one, other in pairs) <= TINY**2, start=time, end=time)


TINY = Fraction(1, 10**10)
SOON, HALF = Fraction(1, 8), Fraction(1, 2)
SHALLOW, DEEP, DEEPER = Tucker((0, 0, 0), 2), Tucker((1, 0, 0), "3/2"), Tucker((2, 0, 0), "3/2")
COLUMNS = tuple(product((1, 2, 3), SIDES))
INSTANCES = "2x2x2, four observed entries, one balanced start each for "


def by_flowpipes(statement):
    """The certificate of a claim about flows."""
    return certificate(statement.claim, digits=15)


def statement(part, locator, title, claim, scope, *deviations, kind="corollary"):
    """A statement about these flows."""
    return Statement(
        id=f"HKA24-{part}",
        label=f"HKA24-{part}/flow",
        kind=kind,
        title=title,
        source=Source("HKA24", locator),
        claim=All(tuple(claim)),
        scope=INSTANCES + scope,
        expected="CERTIFIED",
        deviations=(f"certified on these flows alone; for all it is proved as HKA24-{part}", *deviations),
    )


# -- norm balance ------------------------------------------------------------------------------------------------------


def unbalance(model):
    """Squared norms of vectors and matrices, less those of their core slices."""
    for m, r in COLUMNS:
        square = q.squared_slice_norm("G", m, r)
        for block in (f"w[{m}]", *(f"A[{m},{s}]" for s in range(1, model.k[m - 1] + 1))):
            yield q.squared_slice_norm(block, 1, r) - square


balance = statement(
    "Eq3",
    "Equation 3",
    "The squared norms of slices, vectors and matrices differ by less than 10^-12 up to t = 3/2 (2 without matrices)",
    (model.along(total(gap**2 for gap in unbalance(model)) <= (TINY / 100) ** 2) for model in (SHALLOW, DEEP, DEEPER)),
    "k = (0, 0, 0), (1, 0, 0) and (2, 0, 0)",
    kind="fact",
)


@certified(balance, profile="full")
def balanced_to_twelve_digits(run):
    return certificate(balance.claim, digits=30)


@control(balance, breaks="ε(0) = 0")
def doubled_core():
    """From twice the core."""
    doubled = SHALLOW.changed(G=2)
    return doubled.along(total(gap**2 for gap in unbalance(doubled)) <= TINY**2, end=SOON)


# -- theorem 4.3 -------------------------------------------------------------------------------------------------------

SAMPLES = (HALF, Fraction(3, 2))
SHOWN = (1, 1), (1, 2), (2, 1), (3, 2)
START, LEVEL, SLOW, FAST = Fraction(3, 4), Fraction(13, 20), Fraction(3, 10), Fraction(4, 5)


def reached(pace):
    """||G_{r_1 = 2}|| falls from START to LEVEL in a time that its speed allows (times a number)."""
    level = q.equal(q.squared_slice_norm("G", 1, 2), LEVEL**2)
    gap = (START - LEVEL) / pace
    return SHALLOW.flow.first_time(SHALLOW.start, level, gap / FAST, gap / SLOW)


def rate(model, m, r):
    """(||x_r|| / ||w_r||) δ_r."""
    return model.length(m, r) / model.omega(m, r) * model.delta(m, r)


rates = statement(
    "Thm4.3",
    "Theorem 4.3",
    "d/dt ||G_r|| is within 10^-10 of (||x_r|| / ||w_r||) δ_r at t = 1/2 and 3/2, all columns nonzero until then",
    (
        *(DEEP.along(total(x**2 for x in DEEP.column(m, r)) > 0) for m, r in COLUMNS),
        *(DEEP.equal_at(t, *((DEEP.speed(m, r), rate(DEEP, m, r)) for m, r in SHOWN)) for t in SAMPLES),
        SHALLOW.along(SHALLOW.speed(1, 2) <= -SLOW, end=(START - LEVEL) / SLOW),
        SHALLOW.along(SHALLOW.speed(1, 2) >= -FAST, end=(START - LEVEL) / SLOW),
        reached(1),
    ),
    "k = (1, 0, 0), and for k = (0, 0, 0); two columns of mode 1, one of each other mode",
    "that the rate is one: a slice whose speed is between 3/10 and 4/5 falls from 3/4 to 13/20 in a time that fits",
    kind="theorem",
)


@certified(rates, profile="full")
def rates_at_enclosed_times(run):
    return by_flowpipes(rates)


@control(rates, breaks="1/||w_r||")
def not_divided():
    """||x_r|| δ_r."""
    return DEEP.equal_at(SOON, (DEEP.speed(1, 2), DEEP.length(1, 2) * DEEP.delta(1, 2)))


@control(rates, breaks="||x_r||")
def without_the_column():
    """δ_r / ||w_r||."""
    return DEEP.equal_at(SOON, (DEEP.speed(1, 2), DEEP.delta(1, 2) / DEEP.omega(1, 2)))


@control(rates, breaks="ε(0) = 0")
def unbalanced_slices():
    """From twice the core."""
    doubled = DEEP.changed(G=2)
    return doubled.equal_at(SOON, (doubled.speed(1, 2), rate(doubled, 1, 2)))


@control(rates, breaks="the rate")
def twice_the_rate():
    """The slice would fall in half of the time."""
    return reached(2)


# -- corollary 4.4 -----------------------------------------------------------------------------------------------------


def growing(model, r, **times):
    """Part i: the norm does not fall, and its rate is between the bounds."""
    speed = model.speed(1, r)
    bounds = speed >= 0, model.lower(1, r) <= speed, speed <= model.upper(1, r)
    return (model.along(bound, **times) for bound in bounds)


def falling(model, r, **times):
    """Part ii: the norm does not grow, and its rate is between the bounds, reversed."""
    speed = model.speed(1, r)
    bounds = speed <= 0, model.upper(1, r) <= speed, speed <= model.lower(1, r)
    return (model.along(bound, **times) for bound in bounds)


RIGHT = (
    "α with the right singular vector, in closed form for 2x2 matrices (printed: left; control of HKA24-Cor4.4k1/flow)"
)

one_matrix = statement(
    "Cor4.4k1",
    "Section 4.2, after Corollary 4.4",
    "k = 1: the bounds of part i for a slice whose norm grows until t = 1, of part ii for one that falls until t = 1/4",
    (*growing(DEEP, 1, end=1), *falling(DEEP, 2, end=Fraction(1, 4))),
    "k = (1, 0, 0)",
    RIGHT,
    kind="remark",
)


@certified(one_matrix, profile="full")
def bounds_with_one_matrix(run):
    return by_flowpipes(one_matrix)


@control(one_matrix, breaks="right singular vector")
def left_singular_vector():
    """The left singular vector, as printed."""
    return DEEP.along(DEEP.lower(1, 1, left=True) <= DEEP.speed(1, 1), end=SOON)


@control(one_matrix, breaks="α")
def without_the_cosine():
    """Without α."""
    bound = DEEP.slice(1, 1) / q.sqrt(2) * DEEP.delta(1, 1)
    return DEEP.along(bound <= DEEP.speed(1, 1), end=SOON)


@control(one_matrix, breaks="ε(0) = 0")
def larger_matrices():
    """From matrices of the mode that are three times as large."""
    tripled = DEEP.changed(**{"A[1,1]": 3})
    return tripled.along(tripled.speed(1, 1) <= tripled.upper(1, 1), end=SOON)


part_i = statement(
    "Cor4.4i",
    "Corollary 4.4, part i",
    "k = 2: (||G_r|| / sqrt(2))^2 α_r δ_r <= d/dt ||G_r|| <= ||G_r||^2 δ_r for a slice that grows, from t = 1/2 to 1",
    growing(DEEPER, 1, start=HALF, end=1),
    "k = (2, 0, 0)",
    RIGHT,
)


@certified(part_i, profile="full")
def growing_slices(run):
    return by_flowpipes(part_i)


@control(part_i, breaks="sqrt(d)")
def without_the_root():
    """||G_r||^2 α_r δ_r from below."""
    bound = DEEPER.slice(1, 1) ** 2 * DEEPER.cosine(1, 1) * DEEPER.delta(1, 1)
    return DEEPER.along(bound <= DEEPER.speed(1, 1), start=1, end=1)


@control(part_i, breaks="sqrt(d) below alone")
def root_in_the_upper_bound():
    """(||G_r|| / sqrt(2))^2 δ_r from above."""
    return DEEPER.along(DEEPER.speed(1, 1) <= DEEPER.upper(1, 1) / 2, start=1, end=1)


part_ii = statement(
    "Cor4.4ii",
    "Corollary 4.4, part ii",
    "k = 2: ||G_r||^2 δ_r <= d/dt ||G_r|| <= (||G_r|| / sqrt(2))^2 α_r δ_r for a slice that falls, until t = 1/2",
    falling(DEEPER, 2, end=HALF),
    "k = (2, 0, 0)",
    RIGHT,
)


@certified(part_ii, profile="full")
def falling_slices(run):
    return by_flowpipes(part_ii)


@control(part_ii, breaks="reversed")
def not_reversed():
    """The bounds of part i."""
    return DEEPER.along(DEEPER.lower(1, 2) <= DEEPER.speed(1, 2), end=SOON)


@control(part_ii, breaks="exponent k")
def one_power_less():
    """Exponent 1 from above."""
    bound = DEEPER.slice(1, 2) / q.sqrt(2) * DEEPER.cosine(1, 2) * DEEPER.delta(1, 2)
    return DEEPER.along(DEEPER.speed(1, 2) <= bound, end=SOON)


@control(part_ii, breaks="exponent k")
def two_powers_more():
    """Exponent 4 from below, for the slice of norm below 1."""
    return DEEPER.along(DEEPER.upper(1, 2, 4) <= DEEPER.speed(1, 2), end=SOON)


SUPREMUM = Fraction(1, 4)  # M


def within(bound):
    """|δ_r| is at most a bound times ||G_r||, in mode 3, column 1."""
    delta, norm = DEEP.delta(3, 1), DEEP.slice(3, 1)
    return tuple(DEEP.along(part, end=HALF) for part in (delta <= bound * norm, -bound * norm <= delta))


part_iii = statement(
    "Cor4.4iii",
    "Corollary 4.4, part iii",
    "M = 1/4: |δ_r| <= M ||G_r|| in mode 3, column 1, until t = 1/2, sum' Δ^2 <= M^2, products <= 1",
    (
        DEEP.along(total(DEEP.alignment(c) ** 2 for c in DEEP.cells(3, 1)) <= SUPREMUM**2, end=HALF),
        *(DEEP.along(DEEP.others(3, c) <= 1, end=HALF) for c in DEEP.cells(3, 1)),
        *within(SUPREMUM),
    ),
    "k = (1, 0, 0)",
)


@certified(part_iii, profile="full")
def below_the_supremum(run):
    return by_flowpipes(part_iii)


@control(part_iii, breaks="M")
def quarter_of_the_supremum():
    """M / 4."""
    return All(within(SUPREMUM / 4))


@swept(rates, profile="full")
def rates_in_batches(run):
    """Balanced starts in float64 with k = (0, 0, 0), (1, 1, 1) and (2, 1, 1), at t = 1/2, 1 and 2: the rate of ||G_r||
    from the model's own gradient, against the formula and (where k >= 1) both bounds of Corollary 4.4.

    A violation is measured by what the flow's error estimate explains: the norm of the derivative of both sides by all
    parameters (by autograd) times the distance that the estimate allows, and rounding.
    """
    import torch

    worst, seen = -math.inf, 0
    for k in ((0, 0, 0), (1, 1, 1), (2, 1, 1)):
        model = deep_tucker((2, 2, 2), depths=k)
        starts = balanced_batch(model, 512, seed=run.seed, backend="torch", device=run.device)
        flow = GradientFlow(model, LOSS).batch(starts, SAMPLES_OF_BATCHES, device=run.device)
        done = flow.status == 0
        for time, error in enumerate(flow.error):
            blocks = {name: block[time][done].requires_grad_() for name, block in flow.blocks.items()}
            reach = error[done] * sum(block[0].numel() for block in blocks.values()) ** 0.5
            for excess, scale in excesses(model, k, blocks):
                slopes = torch.autograd.grad(excess.sum(), list(blocks.values()), retain_graph=True, allow_unused=True)
                steep = sum((s.flatten(1) ** 2).sum(1) for s in slopes if s is not None).sqrt()
                allowed = 2 * steep * reach + 2.0**-43 * (scale + steep)
                ratio = (excess / allowed).detach()
                worst, seen = max(worst, float(ratio.nan_to_num(math.inf).max())), seen + len(excess)
    detail = f"{seen} rates and bounds of slices of mode 1, relative to the error estimates"
    return Outcome(seen, f"{worst:.3g}", worst <= 1, detail)


SAMPLES_OF_BATCHES = (Fraction(1, 2), 1, 2)


def excesses(model, k, blocks):
    """By how much the rates of the slices of mode 1 differ from the formula and exceed the bounds, each with the size
    of what is compared."""
    import torch

    W, pull = model.pullback(blocks)
    downhill = -LOSS.gradient(W)
    columns = []
    for m in (1, 2, 3):
        x = blocks[f"w[{m}]"]
        for s in range(k[m - 1], 0, -1):
            x = torch.einsum("brij,brj->bri", blocks[f"A[{m},{s}]"], x)
        columns.append(x)
    core, moved = blocks["G"], -pull(-downhill)["G"]
    units = [torch.nn.functional.normalize(x, dim=-1) for x in columns]
    lengths = [x.norm(dim=-1) for x in columns]
    alignment = torch.einsum("bijk,bpi,bqj,brk->bpqr", downhill, *units)
    delta = torch.einsum("bpqr,bq,br,bpqr->bp", core, lengths[1], lengths[2], alignment)
    slices, omega = core.flatten(2).norm(dim=2), blocks["w[1]"].norm(dim=2)
    speed = (core * moved).flatten(2).sum(2) / slices
    formula = lengths[0] / omega * delta
    for r in (0, 1):
        pairs = [(speed, formula), (formula, speed)]
        if k[0]:
            product = blocks["A[1,1]"][:, r]
            for s in range(2, k[0] + 1):
                product = product @ blocks[f"A[1,{s}]"][:, r]
            right = torch.linalg.svd(product)[2][:, 0]
            cosine = ((right * blocks["w[1]"][:, r]).sum(1) / omega[:, r]).abs()
            sign = torch.sign(delta[:, r].detach())
            low = (slices[:, r] / 2**0.5) ** k[0] * cosine * delta[:, r] * sign
            high = slices[:, r] ** k[0] * delta[:, r] * sign
            rate = speed[:, r] * sign
            yield from ((low - rate, low.abs().detach()), (rate - high, high.abs().detach()))
        yield from (((one - two)[:, r], two[:, r].abs().detach()) for one, two in pairs)


# -- corollary 4.5 -----------------------------------------------------------------------------------------------------


def aligned(m, r, norms):
    """sum' G, the product of norms of the other modes, and Δ."""
    parts = (
        q.entry("G", *c) * times(norms(n, s) for n, s in enumerate(c, 1) if n != m) * SHALLOW.alignment(c)
        for c in SHALLOW.cells(m, r)
    )
    return total(parts)


part_a = statement(
    "Cor4.5a",
    "Corollary 4.5",
    "Without depth: d/dt ||w_r|| is within 10^-10 of sum' G (product of ||w|| over other modes) Δ at t = 1/2, 3/2",
    (SHALLOW.equal_at(t, *((SHALLOW.pace(m, r), aligned(m, r, SHALLOW.omega)) for m, r in SHOWN)) for t in SAMPLES),
    "k = (0, 0, 0)",
)


@certified(part_a, profile="full")
def vectors_without_depth(run):
    return by_flowpipes(part_a)


@control(part_a, breaks="product over the other modes")
def the_mode_itself():
    """The product over all modes."""
    return SHALLOW.equal_at(SOON, (SHALLOW.pace(2, 2), SHALLOW.omega(2, 2) * aligned(2, 2, SHALLOW.omega)))


part_b = statement(
    "Cor4.5b",
    "Corollary 4.5",
    "Without depth: d/dt ||G_r|| is within 10^-10 of sum' G (product of ||G|| over other modes) Δ at t = 1/2, 3/2",
    (SHALLOW.equal_at(t, *((SHALLOW.speed(m, r), aligned(m, r, SHALLOW.slice)) for m, r in SHOWN)) for t in SAMPLES),
    "k = (0, 0, 0)",
)


@certified(part_b, profile="full")
def slices_without_depth(run):
    return by_flowpipes(part_b)


@control(part_b, breaks="ε(0) = 0")
def slices_of_twice_the_core():
    """From twice the core."""
    doubled = SHALLOW.changed(G=2)
    return doubled.equal_at(SOON, (doubled.speed(2, 2), aligned(2, 2, SHALLOW.slice)))


@control(part_b, breaks="product over the other modes")
def the_slice_itself():
    """The product over all modes."""
    return SHALLOW.equal_at(SOON, (SHALLOW.speed(2, 2), SHALLOW.slice(2, 2) * aligned(2, 2, SHALLOW.slice)))
