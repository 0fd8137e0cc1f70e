"""Exact random instances of models: built from (seed, sizes, scale, loss), never filtered.

A claim about motion speaks of members of a parameterization (a mode, two adjacent layers). An instance of it is:
sizes, numbers for those members, rational blocks, and the gradient of a loss at the end tensor. All are built: a
balanced start is constructed balanced, equal sizes are set equal. Everything follows from a seed.

`instantiate` evaluates a law that the kernel proved for all sizes at such instances, against gradients of the
written-out model that the kernel's proof never saw: exact ones by `Model.gradients` and by sympy's derivative, and
rounded ones by torch's automatic differentiation, compared within a rounding bound. It is evidence that the
kernel's two readings of a definition (grouped, written out) agree; it proves nothing by itself.

Hypothesis draws whole batches of instances (`batches`): one example is a batch. Use `examples` for its settings.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import compress, product
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any

from flint import fmpq

from theorytest.errors import InputError
from theorytest.kernel.claim import (
    STEP_SIZE,
    All,
    AtLeast,
    AtStart,
    Change,
    Claim,
    Conserved,
    Descent,
    Flow,
    Rate,
    SameSize,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Each, Parameterization, Product
from theorytest.kernel.statement import Assumption, Instance, Statement
from theorytest.kernel.terms import Tensor
from theorytest.kernel.witness import assignments, letters_at, motion_flow, value
from theorytest.models.initializations import balanced, unbalanced
from theorytest.models.losses import HalfSum, Huber, Linear, Loss, MeanSquares, Sensing, square
from theorytest.models.model import Model

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import SearchStrategy

LOSSES = ("half-sum", "mean squares", "huber", "sensing", "linear")
STARTS = ("random", "balanced", "unbalanced")
SCALES = (Fraction(1), Fraction(1, 10), Fraction(3), Fraction(1, 100))
Sizes = dict[str, Any]


# -- sizes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Symbols:
    """The size symbols of a parameterization, read off its definition.

    order: symbol of the number of modes; depths: (symbol, whether there is one per mode) of the lengths of chains;
    dims: (symbol, kind) with kind "one", "mode" (one per mode), "position" (inner widths of a chain) or "mode
    position".
    """

    order: str | None
    depths: tuple[tuple[str, bool], ...]
    dims: tuple[tuple[str, str], ...]


def symbols(parameterization: Parameterization) -> Symbols:
    """Read the size symbols of a definition."""
    orders: list[str] = []
    depths: dict[str, bool] = {}
    dims: dict[str, str] = {}
    stems = dict(parameterization.legs)

    def note_legs(legs: Sequence[str]) -> None:
        for leg in legs:
            stem, _, index = leg.partition("[")
            if stem in stems:
                dims.setdefault(stems[stem], "mode" if index else "one")

    def visit(node: Any, mode: str) -> None:
        if isinstance(node, Block):
            note_legs(node.legs)
        elif isinstance(node, Product):
            for part in node.parts:
                visit(part, mode)
        elif isinstance(node, Each):
            orders.append(node.count)
            visit(node.body, node.index)
        elif isinstance(node, Chain):
            note_legs((*node.body.legs, node.left, node.right))
            depths[node.count.partition("[")[0]] = bool(mode)
            stem, _, index = node.width.partition("[")
            inside = [part for part in index.rstrip("]").split(",") if part]
            if node.index in inside:
                dims.setdefault(stem, "mode position" if mode in inside and mode else "position")
            else:
                dims.setdefault(stem, "mode" if inside else "one")

    visit(parameterization.body, "")
    note_legs(parameterization.output)
    return Symbols(orders[0] if orders else None, tuple(depths.items()), tuple(dims.items()))


def _sizes(found: Symbols, order: int, depth: Any, dim: Any) -> Sizes:
    """Sizes from functions: depth(symbol) and dim(symbol) are called once for every number that is needed."""
    sizes: Sizes = {} if found.order is None else {found.order: order}
    for symbol, per_mode in found.depths:
        sizes[symbol] = tuple(depth(symbol) for _ in range(order)) if per_mode else depth(symbol)
    for symbol, kind in found.dims:
        if kind == "one":
            sizes[symbol] = dim(symbol)
        elif kind == "mode":
            sizes[symbol] = tuple(dim(symbol) for _ in range(order))
        else:
            lengths = sizes[found.depths[0][0]]
            if kind == "position":
                sizes[symbol] = tuple(dim(symbol) for _ in range(max(0, lengths - 1)))
            else:
                sizes[symbol] = tuple(tuple(dim(symbol) for _ in range(max(0, k - 1))) for k in lengths)
    return sizes


def _fit(sizes: Sizes, assumptions: Sequence[Assumption]) -> Sizes:
    """Make the sizes meet the assumptions about sizes: equal ones are set equal, small ones are raised."""
    made = dict(sizes)
    for assumption in assumptions:
        formula = assumption.formula
        if isinstance(formula, SameSize) and {formula.left, formula.right} <= set(made):
            made[formula.right] = made[formula.left]
        elif (
            isinstance(formula, AtLeast) and type(made.get(formula.size)) is int and made[formula.size] < formula.number
        ):
            return {}  # other symbols may depend on it (widths of layers): the caller goes on to other sizes
    return made


def possible(parameterization: Parameterization, sizes: Sizes, flow: Flow | None) -> bool:
    """Whether the sizes give a model, with members for the flow's focus to name."""
    try:
        parameterization.at(sizes)
        return flow is None or next(assignments(flow, Instance(sizes=packed(sizes))), None) is not None
    except KernelError:
        return False


def smallest_sizes(
    parameterization: Parameterization,
    flow: Flow | None = None,
    assumptions: Sequence[Assumption] = (),
    *,
    dims: Sequence[int] = (1, 2),
) -> list[Sizes]:
    """Sizes 1 and 2 (or those of ``dims``), orders 2 and 3, depths 0 to 3 with members for the focus, fewest parameters
    first."""
    found = symbols(parameterization)
    made: dict[str, tuple[tuple[int, int, str], Sizes]] = {}
    orders = (2, 3) if found.order else (0,)
    names = [symbol for symbol, _ in found.dims]
    for order, depth in product(orders, range(4) if found.depths else (0,)):
        for values in product(dims, repeat=len(names)):
            chosen = dict(zip(names, values, strict=True))
            sizes = _fit(_sizes(found, order, lambda _, depth=depth: depth, chosen.__getitem__), assumptions)
            if sizes and possible(parameterization, sizes, flow):
                shapes = parameterization.at(sizes).blocks.values()
                made[str(sizes)] = ((sum(map(prod, shapes)), order + depth, str(sizes)), sizes)
    return [sizes for _, sizes in sorted(made.values(), key=lambda pair: pair[0])]


def random_sizes(
    parameterization: Parameterization,
    random: Random,
    flow: Flow | None = None,
    assumptions: Sequence[Assumption] = (),
    *,
    most: int = 60,
) -> Sizes:
    """Random small sizes: orders 2 to 4, depths 0 to 3, dimensions 1 to 4, about ``most`` parameters at the most.

    The bound on the dimensions falls until the model is small enough. Raises `InputError` where no sizes fit.
    """
    found = symbols(parameterization)
    for attempt in range(200):
        high = max(1, 4 - attempt // 20)
        order = random.randint(2, 4 if attempt < 60 else 3) if found.order else 0
        deepest = random.randint(0, 3)
        sizes = _fit(
            _sizes(found, order, lambda _, k=deepest: random.randint(0, k), lambda _, h=high: random.randint(1, h)),
            assumptions,
        )
        if sizes and possible(parameterization, sizes, flow):
            concrete = parameterization.at(sizes)
            if sum(map(prod, concrete.blocks.values())) <= most and prod(concrete.dims.values()) <= 10 * most:
                return sizes
    raise InputError(f"{parameterization.name}: no sizes up to order 4, depth 3 and dimension 4 suit the claim")


def packed(sizes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Sizes as an `Instance` holds them."""

    def freeze(item: Any) -> Any:
        return tuple(map(freeze, item)) if isinstance(item, (list, tuple)) else item

    return tuple(sorted((name, freeze(item)) for name, item in sizes.items()))


# -- instances ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """An exact instance, and what it was built from."""

    model: Model
    instance: Instance
    loss: Loss
    start: str
    scale: Fraction


def draw_loss(kind: str, shape: tuple[int, ...], random: Random) -> Loss:
    """A loss on tensors of a shape, with random exact data: one of `LOSSES`."""

    def number() -> Fraction:
        return Fraction(random.randint(-12, 12), 4)

    def tensor() -> Array:
        return Array(shape, tuple(number() for _ in range(prod(shape))))

    if kind == "linear":
        return Linear(tensor())
    if kind == "sensing":
        count = random.randint(1, 3)
        return Sensing(tuple(tensor() for _ in range(count)), tuple(number() for _ in range(count)), square(half=True))
    places = list(product(*map(range, shape)))
    chosen = sorted(random.sample(places, random.randint(1, len(places))))
    observed = tuple((index, number()) for index in chosen)
    if kind == "half-sum":
        return HalfSum(observed)
    if kind == "mean squares":
        return MeanSquares(observed)
    if kind == "huber":
        return Huber(observed, Fraction(random.randint(1, 8), 4))
    raise InputError(f"given the loss {kind!r}, needed one of {LOSSES}")


def build(
    flow: Flow,
    sizes: Mapping[str, Any],
    *,
    seed: int | str,
    start: str = "random",
    scale: Fraction = Fraction(1),
    loss: str,
) -> Sample:
    """An exact instance of a flow: sizes, numbers for the members that its focus names, blocks, and a loss gradient.

    start: "random", "balanced" or "unbalanced" (see `theorytest.models.initializations`); loss: one of `LOSSES`.
    Raises `InputError` where the model has no such start.
    """
    random = Random(f"{seed}/{start}/{loss}")
    model = Model(flow.parameterization, dict(sizes))
    number = random.getrandbits(32)
    if start == "balanced":
        blocks = balanced(model, seed=number, scale=scale)
    elif start == "unbalanced":
        blocks = unbalanced(model, seed=number, magnitude=Fraction(random.randint(1, 9), 4) * scale**2, scale=scale)
    elif start == "random":
        blocks = model.random(number, scale=scale, denominator=random.choice((2, 3, 8)))
    else:
        raise InputError(f"given the start {start!r}, needed one of {STARTS}")
    made = draw_loss(loss, model.shape, random)
    gradient = made.gradient(model.end_tensor(blocks))
    members = random.choice(list(assignments(flow, Instance(sizes=packed(sizes)))))
    instance = Instance(packed(sizes), tuple(sorted(members.items())), tuple(blocks.items()), gradient)
    return Sample(model, instance, made, start, scale)


def sample(
    flow: Flow,
    assumptions: Sequence[Assumption],
    seed: int | str,
    *,
    most: int = 60,
    seen: Container[tuple[tuple[str, Any], ...]] = (),
) -> Sample:
    """An instance with everything drawn from the seed; balanced where an assumption speaks of the start.

    most: about the largest number of parameters; seen: sizes that are drawn again (50 times at most, as there may be
    no others).
    """
    random = Random(seed)
    sizes = random_sizes(flow.parameterization, random, flow, assumptions, most=most)
    for _ in range(50):
        if packed(sizes) not in seen:
            break
        sizes = random_sizes(flow.parameterization, random, flow, assumptions, most=most)
    fixed = any(isinstance(assumption.formula, AtStart) for assumption in assumptions)
    start, scale, loss = "balanced" if fixed else random.choice(STARTS), random.choice(SCALES), random.choice(LOSSES)
    try:
        return build(flow, sizes, seed=seed, start=start, scale=scale, loss=loss)
    except InputError:
        if fixed:
            raise
        # A model without a balance condition at these sizes has neither kind of start.
        return build(flow, sizes, seed=seed, start="random", scale=scale, loss=loss)


def batches(
    flow: Flow, assumptions: Sequence[Assumption] = (), *, size: int = 10
) -> SearchStrategy[tuple[Sample, ...]]:
    """A Hypothesis strategy of batches of exact instances; draw it once per example and check the whole batch.

    Hypothesis draws a seed, a shape (so that it can shrink to small ones), a scale and a loss; the instances are built.
    """
    from hypothesis import strategies as st

    small = smallest_sizes(flow.parameterization, flow, assumptions)
    if not small:
        raise InputError(f"{flow.parameterization.name}: no small sizes suit the claim")
    fixed = any(isinstance(assumption.formula, AtStart) for assumption in assumptions)

    @st.composite
    def draw_batch(draw: Any) -> tuple[Sample, ...]:
        seed = draw(st.integers(0, 2**32 - 1))
        shape = draw(st.integers(0, 2 * len(small) - 1))
        scale, loss = draw(st.sampled_from(SCALES)), draw(st.sampled_from(LOSSES))
        start = "balanced" if fixed else draw(st.sampled_from(STARTS))
        if shape < len(small):
            sizes = small[shape]
        else:
            sizes = random_sizes(flow.parameterization, Random(seed), flow, assumptions)
        made: list[Sample] = []
        for k in range(size):
            try:
                made.append(build(flow, sizes, seed=f"{seed}/{k}", start=start, scale=scale, loss=loss))
            except InputError:
                if fixed:
                    raise
                made.append(build(flow, sizes, seed=f"{seed}/{k}", start="random", scale=scale, loss=loss))
        return tuple(made)

    return draw_batch()


def examples(count: int = 20, *, seed: int | None = None) -> settings:
    """Settings for tests over batches: no deadline (a batch takes as long as it takes), no database on disk.

    The examples are the same in every run, unless ``seed`` is given and the test is decorated with
    hypothesis.seed(seed).
    """
    from hypothesis import HealthCheck, settings

    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# -- laws at instances --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instantiation:
    """What evaluating a law at exact instances gave.

    instances: how many; seed: they follow from it; shapes: the sizes used; worst: the largest violation, exactly (0
    if the law holds); gradients: whether the kernel's velocities, `Model.gradients` and sympy's derivative all
    agree exactly; torch: largest error of torch's automatic differentiation as a multiple of its rounding bound;
    at: the worst instance, None where nothing is violated.
    """

    instances: int
    seed: int
    shapes: tuple[tuple[tuple[str, Any], ...], ...]
    worst: Fraction
    gradients: bool
    torch: float
    at: Instance | None

    @property
    def holds(self) -> bool:
        """Whether the law held at every instance and every gradient agreed."""
        return not self.worst and self.gradients and self.torch <= 1


def instantiate(statement: Statement, count: int = 20, seed: int = 0) -> Instantiation:
    """Evaluate a law of motion at ``count`` random exact instances, against gradients computed without the kernel.

    For claims `Conserved` and `Rate` along flows and `Change` by a step of gradient descent (or `All` of such). Exact,
    except for the comparison with torch. Raises `InputError` for other claims.
    """
    return sample_law(statement.claim, count=count, seed=seed, assumptions=statement.assumptions)


def sample_conserved(quantity: Any, flow: Flow, *, count: int = 20, seed: int = 0) -> Instantiation:
    """Whether a quantity (a term in the members that a flow names) is conserved, at random exact instances."""
    return sample_law(Conserved(quantity, flow), count=count, seed=seed)


def sample_law(
    claim: Claim, *, count: int = 20, seed: int = 0, assumptions: Sequence[Assumption] = ()
) -> Instantiation:
    """As `instantiate`, for a claim."""
    if count < 1:
        raise InputError(f"given count={count}, needed a positive number of instances")
    parts = _laws(claim)
    shapes: dict[tuple[tuple[str, Any], ...], None] = {}
    worst, at, agree, torch = Fraction(0), None, True, 0.0
    for k in range(count):
        for place, law in enumerate(parts):
            flow = motion_flow(law)
            assert flow is not None  # by _laws
            # A discrete step substitutes sums into products: terms grow, so that instances have to be smaller.
            most = 24 if isinstance(law, Change) else 60
            drawn = sample(flow, assumptions, f"{seed}/{k}/{place}", most=most, seen=() if place else shapes)
            if isinstance(law, Change):
                step = Fraction(Random(f"{seed}/{k}").randint(1, 9), 8)
                drawn = replace(drawn, instance=replace(drawn.instance, variables=((STEP_SIZE, step),)))
            shapes.setdefault(drawn.instance.sizes)
            checked = check_sample(law, drawn)
            agree, torch = agree and checked.gradients, max(torch, checked.torch)
            if checked.violation > worst:
                worst, at = checked.violation, drawn.instance
    return Instantiation(count, seed, tuple(shapes), worst, agree, torch, at)


def _laws(claim: Claim) -> tuple[Conserved | Rate | Change, ...]:
    if isinstance(claim, All):
        return tuple(law for part in claim.claims for law in _laws(part))
    if isinstance(claim, Rate) or (isinstance(claim, Conserved) and isinstance(claim.motion, Flow)):
        return (claim,)
    if isinstance(claim, Change) and claim.motion.method == "gradient descent":
        return (claim,)
    raise InputError(
        f"given {type(claim).__name__}, needed a quantity conserved along a flow, its rate, or its change by a step of "
        "gradient descent"
    )


@dataclass(frozen=True)
class Checked:
    """One instance: the violation of the law (exact), whether all exact gradients agree, torch's error in bounds."""

    violation: Fraction
    gradients: bool
    torch: float


def check_sample(law: Conserved | Rate | Change, drawn: Sample) -> Checked:
    """Evaluate a law at one instance, with the gradients of the written-out model."""
    flow = motion_flow(law)
    gradient = drawn.instance.gradient
    if flow is None or gradient is None:
        raise InputError("an instance of a law of motion was needed, with its loss gradient")
    instance, model = drawn.instance, drawn.model
    blocks, members = dict(instance.blocks), dict(instance.members)
    exact = model.gradients(blocks, gradient)
    agree = exact == sympy_gradients(model, blocks, gradient)
    values, dims = letters_at(flow, instance, members)
    downhill = {name: Array(a.shape, tuple(-x for x in a.entries)) for name, a in exact.items()}
    moved = flow.parameterization.values_at(flow.focus, members, dict(instance.sizes), downhill, gradient)
    letters, speeds = flow.parameterization.letters(flow.focus), dict(flow.speeds)
    velocities: dict[str, Array] = {}
    for name in letters:
        speed = speeds.get(name, Fraction(1))
        rows = zip(moved[name].entries, values[name].entries, strict=True)
        velocities[name] = Array(moved[name].shape, tuple(speed * v - flow.decay * x for v, x in rows))
    for name, (_, term) in flow.velocities().items():
        agree = agree and value(term, values, dims) == velocities[name]
    if isinstance(law, Change):
        gap = _change_gap(law, values, dims, velocities)
    else:
        marks = {name: Tensor(f"∂{name}", letter.sizes) for name, letter in letters.items()}
        opaque = {name: (_legs(mark), mark[_legs(mark)]) for name, mark in marks.items()}
        known = values | {mark.name: velocities[name] for name, mark in marks.items()}
        slope = value(law.quantity.along(opaque), known, dims)
        claimed = (
            value(law.rate, values, dims).entries if isinstance(law, Rate) else (Fraction(0),) * len(slope.entries)
        )
        gap = [a - b for a, b in zip(slope.entries, claimed, strict=True)]
    return Checked(max(map(abs, gap), default=Fraction(0)), agree, torch_error(model, blocks, gradient, exact))


def _legs(tensor: Tensor) -> tuple[str, ...]:
    return tuple(f"v{k}" for k in range(len(tensor.sizes)))


def _change_gap(
    law: Change, values: dict[str, Array], dims: dict[str, int], velocities: dict[str, Array]
) -> list[Fraction]:
    assert isinstance(law.motion, Descent)
    eta = values[STEP_SIZE].entries[0]
    after = dict(values)
    for name, velocity in velocities.items():
        rows = zip(values[name].entries, velocity.entries, strict=True)
        after[name] = Array(velocity.shape, tuple(x + eta * v for x, v in rows))
    change = zip(value(law.quantity, after, dims).entries, value(law.quantity, values, dims).entries, strict=True)
    claimed = value(law.change, values, dims).entries
    return [a - b - c for (a, b), c in zip(change, claimed, strict=True)]


def sympy_gradients(model: Model, blocks: Mapping[str, Array], gradient: Array) -> dict[str, Array]:
    """The gradient of <gradient, end tensor> by every block: written out as a polynomial and differentiated by
    sympy.
    """
    from sympy.polys.domains import QQ
    from sympy.polys.rings import ring

    concrete = model.concrete
    entries = [(name, index) for name, shape in concrete.blocks.items() for index in product(*map(range, shape))]
    place = {entry: k for k, entry in enumerate(entries)}
    table: dict[tuple[int, ...], Any] = {}
    for numbers in product(*(range(size) for size in concrete.dims.values())):
        at = dict(zip(concrete.dims, numbers, strict=True))
        exponents = [0] * len(entries)
        for name, legs in concrete.factors:
            exponents[place[name, tuple(at[leg] for leg in legs)]] += 1
        weight = gradient[tuple(at[leg] for leg in concrete.output)]
        key = tuple(exponents)
        table[key] = table.get(key, QQ(0)) + QQ(weight.numerator, weight.denominator)
    polynomials = ring([f"x{k}" for k in range(len(entries))], QQ)[0]
    inner = polynomials.from_dict({key: c for key, c in table.items() if c})
    point = [fmpq(x.numerator, x.denominator) for x in (blocks[name][index] for name, index in entries)]
    made: dict[str, list[Fraction]] = {name: [] for name in concrete.blocks}
    for k, (name, _) in enumerate(entries):
        total = fmpq(0)
        for exponents, c in inner.diff(polynomials.gens[k]).items():
            factor = fmpq(int(c.numerator), int(c.denominator))
            for j in compress(range(len(entries)), exponents):
                factor *= point[j] ** exponents[j]
            total += factor
        made[name].append(Fraction(int(total.p), int(total.q)))
    return {name: Array(concrete.blocks[name], tuple(numbers)) for name, numbers in made.items()}


def torch_error(model: Model, blocks: Mapping[str, Array], gradient: Array, exact: Mapping[str, Array]) -> float:
    """The error of torch's automatic differentiation in float64, as a multiple of its rounding bound (at most 1).

    The bound: with M monomials of at most F + 1 factors, every entry is a sum of at most M products, so that
    whatever the order of sums and products, at most M + F + 1 roundings meet in a monomial, and F + 1 more when the
    rationals became floats: γ_(M + 2F + 2) times the gradient at absolute values (Higham, Section 3.1), barring
    underflow.
    """
    import torch

    concrete = model.concrete
    letter = {leg: k for k, leg in enumerate(concrete.dims)}
    held = {
        name: torch.tensor([float(x) for x in blocks[name].entries], dtype=torch.float64)
        .reshape(shape)
        .requires_grad_()
        for name, shape in concrete.blocks.items()
    }
    operands: list[Any] = []
    for name, legs in concrete.factors:
        operands += [held[name], [letter[leg] for leg in legs]]
    weight = torch.tensor([float(x) for x in gradient.entries], dtype=torch.float64).reshape(gradient.shape)
    inner = torch.einsum(*operands, weight, [letter[leg] for leg in concrete.output], [])
    found = torch.autograd.grad(inner, list(held.values()))
    absolute = {name: Array(a.shape, tuple(map(abs, a.entries))) for name, a in blocks.items()}
    sizes = model.gradients(absolute, Array(gradient.shape, tuple(map(abs, gradient.entries))))
    roundings = prod(concrete.dims.values()) + 2 * len(concrete.factors) + 2
    gamma = Fraction(roundings, 2**53 - roundings)
    worst = Fraction(0)
    for name, computed in zip(held, found, strict=True):
        rows = zip(computed.reshape(-1).tolist(), exact[name].entries, sizes[name].entries, strict=True)
        for number, truth, size in rows:
            error = abs(Fraction(number) - truth)
            if error > gamma * size:
                return float("inf") if not size else float(error / (gamma * size))
            worst = max(worst, error / (gamma * size) if size else Fraction(0))
    return float(worst)


def iterate_samples(flow: Flow, assumptions: Sequence[Assumption], count: int, seed: int) -> Iterator[Sample]:
    """``count`` instances that follow from a seed."""
    for k in range(count):
        yield sample(flow, assumptions, f"{seed}/{k}")


__all__ = [
    "Checked",
    "Instantiation",
    "Sample",
    "Symbols",
    "batches",
    "build",
    "check_sample",
    "draw_loss",
    "examples",
    "instantiate",
    "iterate_samples",
    "packed",
    "random_sizes",
    "sample",
    "sample_conserved",
    "sample_law",
    "smallest_sizes",
    "symbols",
    "sympy_gradients",
    "torch_error",
]
