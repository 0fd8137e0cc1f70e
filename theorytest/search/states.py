"""States at which a claim about every state fails: smallest shapes first, exact small numbers, then float64 batches.

A search goes through the shapes of a model in the order of their number of parameters. At each shape it looks at small
exact states, then at batches of random float64 states of many sizes. Some of these are moved onto the assumptions and
against the claim, by one Newton step for one inequality after the other; the worst are pushed further by gradient
descent on the margin. What looks like a violation is rounded to small rationals, made simpler entry by entry, and
handed to the kernel; only what the kernel refutes is returned. All that was tried is counted, shape by shape. A
counterexample has two sides: states at which one is not defined are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.kernel import scalar
from theorytest.kernel.ball import UndefinedError, precision
from theorytest.kernel.claim import AlongEveryFlow, AtEveryState, TendsToEqual
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import Comparison, both_sides, exact_state, holds, value
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.witness import PRECISION, refutes, require_assumptions
from theorytest.models.initializations import balanced
from theorytest.models.model import Model
from theorytest.search.budget import Budget
from theorytest.search.margins import magnitude, margin
from theorytest.search.projection import significant
from theorytest.search.strategies import Sizes, packed, smallest_sizes

if TYPE_CHECKING:
    import torch

EXACT = 60  # exact states a shape
BATCH = 512  # float64 states a shape, for each scale
SCALES = (1.0, 0.25, 4.0)
PUSHES = 60  # steps of descent on the margin
SWEPT, SWEEPS = 128, 24  # of a batch are moved onto the assumptions and against the claim, and how often
KEPT = 8  # of a batch are pushed and rounded
ROUNDING = 1e-11  # of the sides: an assumption that holds by less may not hold
LARGEST = 40  # parameters of a shape
DENOMINATORS = (1, 2, 4, 10, 100, 1024, 2**20)
DIGITS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12)  # significant ones, for large and for tiny numbers
DECADES = 6  # the size of a state goes from 10^-6 to 10^6


@dataclass(frozen=True)
class Tried:
    """What was tried at one shape: sizes, exact states, float64 states (those that met the assumptions), the least
    margin (right side minus left) that was seen among them, and at how many exact ones a side was not defined (for a
    flow: at time 0), with the first of these; vanishing: along how many flows a side seemed to be lost later; nearest:
    the least margin as a part of how large the sides are; short: how many flows float64 did not follow to the end."""

    sizes: tuple[tuple[str, Any], ...]
    exact: int
    floats: int
    least_margin: float | None
    undefined: int = 0
    where: Instance | None = None
    vanishing: int = 0
    nearest: float | None = None
    short: int = 0

    def after(self, earlier: Tried | None) -> Tried:
        """Together with what was tried at the same shape before."""
        if earlier is None:
            return self
        margins = [m for m in (self.least_margin, earlier.least_margin) if m is not None]
        shares = [m for m in (self.nearest, earlier.nearest) if m is not None]
        return replace(
            self,
            exact=self.exact + earlier.exact,
            floats=self.floats + earlier.floats,
            least_margin=min(margins, default=None),
            undefined=self.undefined + earlier.undefined,
            where=earlier.where or self.where,
            vanishing=self.vanishing + earlier.vanishing,
            nearest=min(shares, default=None),
            short=self.short + earlier.short,
        )


@dataclass
class Search:
    """The outcome of a search: a witness that the kernel accepts, if any; what was tried before it was found; and what
    the time did not suffice for, in words."""

    witness: Witness | None = None
    tried: list[Tried] = field(default_factory=list)
    left_out: str = ""

    @property
    def finished(self) -> bool:
        """Whether all was tried, or a witness found."""
        return not self.left_out

    @property
    def states(self) -> int:
        """Number of states that met the assumptions."""
        return sum(t.exact + t.floats for t in self.tried)


def find_state(statement: Statement, seed: int = 0, *, seconds: float | Budget = 30.0, rounds: int = 1) -> Search:
    """Look for a state that refutes a statement whose claim is `AtEveryState`. rounds: how often all shapes are gone
    through, each time with other batches.

    The same seed gives the same witness as long as the time suffices. Raises `InputError` where a quantity exists at
    none of the shapes that are tried.
    """
    claim = statement.claim
    if not isinstance(claim, AtEveryState):
        raise InputError(f"given a claim of kind {type(claim).__name__}, needed one about every state of a model")
    budget = Budget.of(seconds)
    found = Search()
    tried: dict[int, Tried] = {}
    missing = ""
    places = shapes(claim, statement)
    for turn, (number, sizes) in product(range(rounds), enumerate(places)):
        if budget.over:
            rest = [f"shapes {number + 1} to {len(places)} of {len(places)}"] if number or not turn else []
            rest += [f"batches {turn + 1 + bool(rest)} to {rounds} of {rounds}"] if turn + bool(rest) < rounds else []
            found.left_out = ", ".join(rest)
            break
        try:
            found.witness, seen = _at_shape(statement, claim, sizes, seed + turn, budget, first=turn == 0)
        except KernelError as error:  # a quantity does not exist at this shape
            missing = str(error)
            continue
        tried[number] = seen.after(tried.get(number))
        if found.witness is not None:
            break
    if budget.over and found.witness is None:
        found.left_out = found.left_out or "a part of the last shape"
    found.tried = [tried[number] for number in sorted(tried)]
    if not found.tried and found.finished:
        raise InputError(f"the claim can be evaluated at none of the shapes tried: {missing or 'no sizes fit'}")
    return found


def shapes(claim: AtEveryState | AlongEveryFlow | TendsToEqual, statement: Statement) -> list[Sizes]:
    """The sizes that a search goes through, fewest parameters first: up to 3, and 4 to 6 where all are equal."""
    fixed = dict(claim.sizes)
    model = claim.parameterization
    try:
        return [dict(fixed)] if model.at(fixed) else []
    except KernelError:
        made = smallest_sizes(model, None, statement.assumptions)
        for dims in ((1, 2, 3), (4,), (5,), (6,)):
            made += [s for s in smallest_sizes(model, None, statement.assumptions, dims=dims) if s not in made]
        count = {str(s): sum(map(prod, model.at(s).blocks.values())) for s in made}
        kept = [s for s in made if count[str(s)] <= LARGEST and all(s.get(k) == size for k, size in fixed.items())]
        return sorted(kept, key=lambda s: count[str(s)])


def _at_shape(
    statement: Statement, claim: AtEveryState, sizes: Sizes, seed: int, budget: Budget, *, first: bool
) -> tuple[Witness | None, Tried]:
    model = Model(claim.parameterization, sizes)
    given = [a.formula for a in statement.assumptions if isinstance(a.formula, Comparison)]
    _require_quantities((claim.claim, *given), model)
    place = packed(sizes)
    risky = may_be_undefined(claim.claim)
    exact, floats, least, nearest = 0, 0, None, None
    lost: list[Instance] = []

    def look(blocks: Mapping[str, Array]) -> Witness | None:
        nonlocal exact
        witness, meets = _tried(statement, place, blocks)
        exact += meets
        if meets and witness is None and risky and undefined_at(claim.claim, model, blocks):
            lost.append(Instance(sizes=place, blocks=tuple(blocks.items())))
        return witness

    def outcome(witness: Witness | None) -> tuple[Witness | None, Tried]:
        where = lost[0] if lost else None
        made = simpler(statement, witness, budget) if witness is not None else None
        return made, Tried(place, exact, floats, least, len(lost), where, nearest=nearest)

    equations = any(c.relation == "=" for c in given)
    for blocks in exact_states(model, statement, seed) if first or equations else ():
        witness = look(blocks)
        if witness is not None or budget.over:
            return outcome(witness)
    if equations:
        return outcome(None)  # random floats do not meet them
    for scale in SCALES[:1] if first else SCALES:  # a quick look at all shapes first
        if budget.over:
            break
        count, low, share, candidates = _batch(model, claim.claim, given, scale, seed)
        floats += count
        rounding = True  # whether no violation is left but what exact numbers deny
        for blocks in candidates:
            for rounded in _rounded(blocks):
                witness = look(rounded)
                if witness is not None:
                    return outcome(witness)
            rounding &= not _may_fail(statement, claim, model, rounded)
            if budget.over:
                rounding = False
                break
        if low is not None and low < 0 and rounding:
            low, share = 0.0, max(share or 0.0, 0.0)
        least = low if least is None else least if low is None else min(least, low)
        nearest = share if nearest is None else nearest if share is None else min(nearest, share)
    return outcome(None)


def _may_fail(statement: Statement, claim: AtEveryState, model: Model, blocks: Mapping[str, Array]) -> bool:
    """Whether an exact state that meets the assumptions is not surely one at which the claim holds."""
    try:
        require_assumptions(statement, Instance(sizes=packed(model.sizes), blocks=tuple(blocks.items())))
    except KernelError:
        return False
    return holds(claim.claim, exact_state(model.concrete, blocks), PRECISION) is not True


def may_be_undefined(comparison: Comparison) -> bool:
    """Whether there may be states at which a side has no value: a quotient, a root, a logarithm, an effective rank."""
    return bool(signed(comparison)) or any(atom.kind == "effective rank" for atom in comparison.atoms)


def signed(comparison: Comparison) -> list[scalar.Scalar]:
    """The expressions that a comparison divides by, or takes a root or a logarithm of: where one of them passes 0, a
    side loses its value."""

    def inside(expression: scalar.Scalar) -> Iterator[scalar.Scalar]:
        if isinstance(expression, scalar.Ln):
            yield expression.argument
        if isinstance(expression, scalar.Power) and (expression.exponent < 0 or expression.exponent.denominator > 1):
            yield expression.base
        for part in scalar.children(expression):
            yield from inside(part)

    return list(dict.fromkeys([*inside(comparison.lhs), *inside(comparison.rhs)]))


def undefined_at(comparison: Comparison, model: Model, blocks: Mapping[str, Array]) -> bool:
    """Whether a side surely has no value at an exact state."""
    try:
        with precision(PRECISION):
            both_sides(comparison, exact_state(model.concrete, blocks))
    except UndefinedError as error:
        return error.surely
    return False


def _require_quantities(comparisons: Iterable[Comparison], model: Model) -> None:
    """Raise `KernelError` where a quantity does not exist at these sizes (whatever the state)."""
    state = exact_state(model.concrete, model.random(0))
    for atom in (atom for comparison in comparisons for atom in comparison.atoms):
        try:
            value(atom, state)
        except UndefinedError:
            continue


def _tried(statement: Statement, place: Any, blocks: Mapping[str, Array]) -> tuple[Witness | None, bool]:
    """A witness if the kernel accepts it, and whether the state meets the assumptions."""
    instance = Instance(sizes=place, blocks=tuple(blocks.items()))
    try:
        require_assumptions(statement, instance)
    except KernelError:
        return None, False
    witness = Witness(instance)
    try:
        refutes(statement, witness)
    except KernelError:
        return None, True
    return witness, True


def exact_states(model: Model, statement: Statement, seed: int) -> Iterator[dict[str, Array]]:
    """Small exact states, simplest numbers first: all 0, all 1, units, then at random; balanced ones where equations
    are assumed."""
    equations = any(isinstance(a.formula, Comparison) and a.formula.relation == "=" for a in statement.assumptions)
    for entry in (0, 1):
        yield {name: Array(shape, (Fraction(entry),) * prod(shape)) for name, shape in model.shapes.items()}
    yield {name: unit(shape) for name, shape in model.shapes.items()}
    for level in range(EXACT):
        random = Random(f"{seed}/{packed(model.sizes)}/{level}")
        if equations and level % 2:
            try:
                yield balanced(model, seed=random.getrandbits(32), denominator=1 + level // 10)
                continue
            except InputError:
                pass
        bound, below = 1 + level // 12, 1 + level // 30
        yield {
            name: Array(
                shape,
                tuple(Fraction(random.randint(-bound, bound), random.randint(1, below)) for _ in range(prod(shape))),
            )
            for name, shape in model.shapes.items()
        }


def unit(shape: tuple[int, ...]) -> Array:
    """1 where all indices agree, else 0."""
    return Array(shape, tuple(Fraction(int(len(set(i)) <= 1)) for i in product(*map(range, shape))))


def _rounded(blocks: Mapping[str, Any]) -> Iterator[dict[str, Array]]:
    """A state with simpler numbers first; the last is the state itself."""

    def made(number: Callable[[float], Fraction]) -> dict[str, Array]:
        return {n: Array(tuple(v.shape), tuple(map(number, v.flatten().tolist()))) for n, v in blocks.items()}

    for denominator in DENOMINATORS:
        yield made(lambda x, q=denominator: Fraction(round(x * q), q))
    for digits in DIGITS:
        yield made(lambda x, d=digits: Fraction(significant(x, d)))
    yield made(Fraction)


def simpler(statement: Statement, witness: Witness, budget: Budget) -> Witness:
    """The same violation with simpler numbers: entry by entry 0, 1, -1, or a smaller denominator, while the kernel
    still refutes."""
    instance = witness.instance
    blocks = dict(instance.blocks)
    changed = True
    while changed:
        changed = False
        for name, array in list(blocks.items()):
            for k, x in enumerate(array.entries):
                for better in _simpler_numbers(x):
                    if budget.over:
                        return witness
                    entries = (*array.entries[:k], better, *array.entries[k + 1 :])
                    varied = {**blocks, name: Array(array.shape, entries)}
                    found, _ = _tried(statement, instance.sizes, varied)
                    if found is not None:
                        blocks, array, witness, changed = varied, varied[name], found, True
                        break
    return witness


def _simpler_numbers(x: Fraction) -> Iterable[Fraction]:
    options = [Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(-2)]
    options += [Fraction(round(x * q), q) for q in (1, 2, 3, 4, 10) if q < x.denominator]
    options += [Fraction(significant(float(x), digits)) for digits in (1, 2, 3) if 0 < abs(x) < 10**300]
    weight = _weight(x)
    return [y for y in options if _weight(y) < weight]


def _weight(x: Fraction) -> tuple[int, int, bool]:
    return x.denominator, abs(x.numerator), x < 0


# -- float64 ----------------------------------------------------------------------------------------------------------


def _batch(
    model: Model, claim: Comparison, given: list[Comparison], scale: float, seed: int
) -> tuple[int, float | None, float | None, list[dict[str, torch.Tensor]]]:
    """How many of a batch meet the assumptions, the least margin among them, itself and as a part of the sides, and
    those that seem to violate the claim (of all that were seen on the way of descent), worst first."""
    import torch

    draw = torch.Generator().manual_seed(hash_of(seed, packed(model.sizes), scale))
    # Half of the batch has one size, half of it any.
    decades = DECADES * (2 * torch.rand(BATCH, dtype=torch.float64, generator=draw) - 1)
    size = torch.where(torch.arange(BATCH) % 2 == 0, scale, 10**decades)

    def random(shape: tuple[int, ...]) -> torch.Tensor:
        full = size.reshape(-1, *(1 for _ in shape)) * torch.randn((BATCH, *shape), dtype=torch.float64, generator=draw)
        # Structure finds more than noise: in half of the batch many entries are 0.
        mask = torch.rand((BATCH, *shape), dtype=torch.float64, generator=draw) < 0.5
        mask[: BATCH // 2] = True
        return full * mask

    blocks = {name: random(shape) for name, shape in model.shapes.items()}
    least: float | None = None
    nearest: float | None = None
    count = 0
    seen: list[tuple[float, dict[str, torch.Tensor]]] = []

    def look(states: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal least, nearest, count
        gap, size = margin(claim, model, states), magnitude(claim, model, states)
        met = torch.isfinite(gap)
        for comparison in given:
            met &= margin(comparison, model, states) > ROUNDING * magnitude(comparison, model, states)
        count += int(met.sum())
        if met.any():
            low = float(torch.where(gap.abs() > ROUNDING * size, gap, 0.0)[met].min())
            least = low if least is None else min(least, low)
            share = float((gap / size).nan_to_num(torch.inf, torch.inf, torch.inf)[met].min())
            nearest = share if nearest is None else min(nearest, share)
        gap = torch.where(met, gap, torch.inf)
        bound = 0.0 if claim.relation != "<" else 1e-9
        # The worst by the margin itself, and by what it is of the sides: small and large states are told apart by it.
        for k in {*gap.argsort()[:KEPT].tolist(), *(gap / size).nan_to_num(torch.inf).argsort()[:KEPT].tolist()}:
            if gap[k] < bound * max(1.0, float(size[k])):
                seen.append((float(gap[k] / size[k]), {n: values[k].detach().clone() for n, values in states.items()}))
        return gap

    gap = look(blocks)
    moving = {name: values[:SWEPT].clone() for name, values in blocks.items()}
    constraints = [(c, 1.0) for c in given] + ([(claim, -1.0)] if claim.relation != "=" else [])
    for sweep in range(SWEEPS):
        for comparison, sign in constraints:
            _step(comparison, sign, model, moving, draw)
        if sweep % 4 == 3:
            with torch.no_grad():
                look(moving)
    chosen = gap.argsort()[: 4 * KEPT]
    moving = {name: values[chosen].clone().requires_grad_() for name, values in blocks.items()}
    averages = [(torch.zeros_like(values), torch.zeros_like(values)) for values in moving.values()]
    for step in range(PUSHES):
        penalty = margin(claim, model, moving)
        for comparison in given:
            penalty = penalty + 10 * torch.relu(1e-3 - margin(comparison, model, moving))
        finite = penalty[torch.isfinite(penalty)]
        if not finite.numel() or not finite.requires_grad:
            break
        # The margin shrinks with the state; relative to its size it is the violation itself that grows.
        slopes = torch.autograd.grad(finite.sum(), list(moving.values()), allow_unused=True)
        with torch.no_grad():  # Adam, whose own class would import a compiler
            for values, slope, (first, second) in zip(moving.values(), slopes, averages, strict=True):
                if slope is not None:
                    slope = slope.nan_to_num(0.0, 0.0, 0.0)
                    first.mul_(0.9).add_(slope, alpha=0.1)
                    second.mul_(0.999).add_(slope * slope, alpha=0.001)
                    size = (second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
                    values -= 0.05 * scale * first / (1 - 0.9 ** (step + 1)) / size
        if step % 20 == 19:
            with torch.no_grad():
                look({name: values.detach() for name, values in moving.items()})
    seen.sort(key=lambda pair: pair[0])
    return count, least, nearest, [blocks for _, blocks in seen[: 2 * KEPT]]


def _step(comparison: Comparison, sign: float, model: Model, blocks: dict[str, torch.Tensor], draw: Any) -> None:
    """Move the states at which a comparison fails (with sign -1: holds), in place, by one Newton step of its margin;
    how far beyond equality they are to come is drawn, at all scales."""
    import torch

    leaves = {name: values.clone().requires_grad_() for name, values in blocks.items()}
    gap = sign * margin(comparison, model, leaves)
    if not gap.requires_grad:
        return
    slopes = torch.autograd.grad(
        torch.where(torch.isfinite(gap), gap, 0.0).sum(), list(leaves.values()), allow_unused=True
    )
    with torch.no_grad():
        slack = 10 ** (-12 * torch.rand(len(gap), dtype=gap.dtype, generator=draw))
        missing = slack * magnitude(comparison, model, blocks) - gap
        held = [torch.zeros_like(v) if g is None else g for v, g in zip(blocks.values(), slopes, strict=True)]
        length = sum((g * g).flatten(1).sum(1) for g in held)
        # One step too long now and then: where a bound is touched, plain Newton steps only halve the way.
        share = (0.8 + 1.2 * torch.rand(len(gap), dtype=gap.dtype, generator=draw)) * missing / length
        share = torch.where((gap <= 0) & torch.isfinite(share), share, 0.0)
        for values, slope in zip(blocks.values(), held, strict=True):
            moved = values + share.reshape(-1, *(1 for _ in values.shape[1:])) * slope
            values.copy_(torch.where(torch.isfinite(moved) & (moved.abs() < 1e100), moved, values))


def hash_of(*parts: Any) -> int:
    """A seed from parts, the same on every machine."""
    return Random(repr(parts)).getrandbits(48)


__all__ = [
    "Search",
    "Tried",
    "exact_states",
    "find_state",
    "may_be_undefined",
    "shapes",
    "signed",
    "simpler",
    "undefined_at",
]
