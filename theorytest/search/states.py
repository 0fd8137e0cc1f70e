"""States at which a claim about every state fails: smallest shapes first, exact small numbers, then float64 batches.

A search goes through the shapes of a model in the order of their number of parameters. At each shape it looks at small
exact states, then at batches of random float64 states, from which the worst ones are pushed further by gradient
descent on the margin. What looks like a violation is rounded to small rationals, made simpler entry by entry, and
handed to the kernel; only what the kernel refutes is returned. All that was tried is counted, shape by shape.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.kernel import scalar
from theorytest.kernel.ball import UndefinedError
from theorytest.kernel.claim import AlongEveryFlow, AtEveryState, TendsToEqual
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import Atom, Comparison, exact_state, value
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.witness import refutes, require_assumptions
from theorytest.models.initializations import balanced
from theorytest.models.model import Model
from theorytest.search.strategies import Sizes, packed, smallest_sizes

if TYPE_CHECKING:
    import torch

EXACT = 60  # exact states a shape
BATCH = 512  # float64 states a shape, for each scale
SCALES = (1.0, 0.25, 4.0)
PUSHES = 60  # steps of descent on the margin
KEPT = 8  # of a batch are pushed and rounded
ROUNDING = 1e-11  # of the sides: an assumption that holds by less may not hold
LARGEST = 40  # parameters of a shape
DENOMINATORS = (1, 2, 4, 10, 100, 1024, 2**20)


@dataclass(frozen=True)
class Tried:
    """What was tried at one shape: sizes, exact states, float64 states (those that met the assumptions), and the least
    margin (right side minus left) that was seen among them."""

    sizes: tuple[tuple[str, Any], ...]
    exact: int
    floats: int
    least_margin: float | None

    def after(self, earlier: Tried | None) -> Tried:
        """Together with what was tried at the same shape before."""
        if earlier is None:
            return self
        margins = [m for m in (self.least_margin, earlier.least_margin) if m is not None]
        return Tried(self.sizes, self.exact + earlier.exact, self.floats + earlier.floats, min(margins, default=None))


@dataclass
class Search:
    """The outcome of a search: a witness that the kernel accepts, if any, and what was tried before it was found."""

    witness: Witness | None = None
    tried: list[Tried] = field(default_factory=list)
    finished: bool = True

    @property
    def states(self) -> int:
        """Number of states that met the assumptions."""
        return sum(t.exact + t.floats for t in self.tried)


def find_state(statement: Statement, seed: int = 0, *, seconds: float = 30.0, rounds: int = 1) -> Search:
    """Look for a state that refutes a statement whose claim is `AtEveryState`. rounds: how often all shapes are gone
    through, each time with other batches.

    The same seed gives the same witness as long as the time suffices. Raises `InputError` where a quantity exists at
    none of the shapes that are tried.
    """
    claim = statement.claim
    if not isinstance(claim, AtEveryState):
        raise InputError(f"given a claim of kind {type(claim).__name__}, needed one about every state of a model")
    until = time.monotonic() + seconds
    found = Search()
    tried: dict[int, Tried] = {}
    missing = ""
    places = shapes(claim, statement)
    for turn, (number, sizes) in product(range(rounds), enumerate(places)):
        if time.monotonic() > until:
            found.finished = False
            break
        try:
            found.witness, seen = _at_shape(statement, claim, sizes, seed + turn, until, first=turn == 0)
        except KernelError as error:  # a quantity does not exist at this shape
            missing = str(error)
            continue
        tried[number] = seen.after(tried.get(number))
        if found.witness is not None:
            break
    found.tried = [tried[number] for number in sorted(tried)]
    if not found.tried and found.finished:
        raise InputError(f"the claim can be evaluated at none of the shapes tried: {missing or 'no sizes fit'}")
    return found


def shapes(claim: AtEveryState | AlongEveryFlow | TendsToEqual, statement: Statement) -> list[Sizes]:
    """The sizes that a search goes through, up to 3, fewest parameters first."""
    fixed = dict(claim.sizes)
    model = claim.parameterization
    try:
        return [dict(fixed)] if model.at(fixed) else []
    except KernelError:
        made = smallest_sizes(model, None, statement.assumptions)
        larger = smallest_sizes(model, None, statement.assumptions, dims=(1, 2, 3))
        made += [s for s in larger if s not in made]
        count = {str(s): sum(map(prod, model.at(s).blocks.values())) for s in made}
        kept = [s for s in made if count[str(s)] <= LARGEST and all(s.get(k) == size for k, size in fixed.items())]
        return sorted(kept, key=lambda s: count[str(s)])


def _at_shape(
    statement: Statement, claim: AtEveryState, sizes: Sizes, seed: int, until: float, *, first: bool
) -> tuple[Witness | None, Tried]:
    model = Model(claim.parameterization, sizes)
    given = [a.formula for a in statement.assumptions if isinstance(a.formula, Comparison)]
    _require_quantities((claim.claim, *given), model)
    place = packed(sizes)
    exact = 0
    for blocks in exact_states(model, statement, seed) if first else ():
        witness, meets = _tried(statement, place, blocks)
        exact += meets
        if witness is not None:
            return simpler(statement, witness, until), Tried(place, exact, 0, None)
        if time.monotonic() > until:
            break
    floats, least = 0, None
    if any(c.relation == "=" for c in given):
        return None, Tried(place, exact, 0, None)  # random floats do not meet equations
    for scale in SCALES[:1] if first else SCALES:  # a quick look at all shapes first
        if time.monotonic() > until:
            break
        count, margin, candidates = _batch(model, claim.claim, given, scale, seed)
        floats += count
        least = margin if least is None else least if margin is None else min(least, margin)
        for blocks in candidates:
            for denominator in DENOMINATORS:
                witness, _ = _tried(statement, place, _rounded(blocks, denominator))
                if witness is not None:
                    return simpler(statement, witness, until), Tried(place, exact, floats, least)
    return None, Tried(place, exact, floats, least)


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


def _rounded(blocks: Mapping[str, Any], denominator: int) -> dict[str, Array]:
    return {
        name: Array(
            tuple(values.shape), tuple(Fraction(round(x * denominator), denominator) for x in values.flatten().tolist())
        )
        for name, values in blocks.items()
    }


def simpler(statement: Statement, witness: Witness, until: float) -> Witness:
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
                    if time.monotonic() > until:
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
    weight = _weight(x)
    return [y for y in options if _weight(y) < weight]


def _weight(x: Fraction) -> tuple[int, int, bool]:
    return x.denominator, abs(x.numerator), x < 0


# -- float64 ----------------------------------------------------------------------------------------------------------


def margin(comparison: Comparison, model: Model, blocks: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Right side minus left side, for a batch of float64 states; minus the distance for an equation. Shape (batch,).

    Rounded; nan where a side is not defined.
    """
    end = model.end_tensor(blocks)
    values = {atom.name: measure(atom, model, blocks, end) for atom in comparison.atoms}
    like = next(iter(blocks.values()))
    gap = _value(comparison.rhs, values, like) - _value(comparison.lhs, values, like)
    return -gap.abs() if comparison.relation == "=" else gap


def measure(atom: Atom, model: Model, blocks: Mapping[str, torch.Tensor], end: torch.Tensor) -> torch.Tensor:
    """A quantity of a batch of states that has it: shape (batch,)."""
    import torch

    if atom.kind in ("component", "unbalancedness"):
        parts = [_slices(blocks[name], model.legs[name].index(atom.of)) for name in model.holders(atom.of)]
        stacked = torch.stack(parts)
        if atom.kind == "component":
            return stacked.prod(0)[:, atom.index[0] - 1]
        return (stacked.amax(0) - stacked.amin(0)).amax(-1)
    held = blocks[atom.of] if atom.of else end
    match atom.kind:
        case "entry":
            return held[(slice(None), *(i - 1 for i in atom.index))]
        case "determinant":
            return torch.linalg.det(held)
        case "squared norm":
            return (held * held).reshape(held.shape[0], -1).sum(-1)
        case "slice":
            return _slices(held, atom.index[0] - 1)[:, atom.index[1] - 1]
        case "gram gap":
            other = blocks[atom.other]
            gap = held.mT @ held - other @ other.mT
            return (gap * gap).sum((-1, -2))
        case _:
            return _spectral(atom, held)


def _slices(values: torch.Tensor, axis: int) -> torch.Tensor:
    moved = values.movedim(axis + 1, 1)
    return (moved * moved).reshape(*moved.shape[:2], -1).sum(-1)


def _spectral(atom: Atom, held: torch.Tensor) -> torch.Tensor:
    import torch

    used = 1 if atom.kind == "singular value" else 0
    if len(atom.index) > used:
        held = held.movedim(atom.index[-1], 1).flatten(2)
    values = torch.linalg.svdvals(held)
    if atom.kind == "singular value":
        return values[:, atom.index[0] - 1]
    if atom.kind == "schatten":
        p = float(atom.number)
        return (values**p).sum(-1) ** (1 / p)
    if atom.kind == "distance to rank":
        return (values[:, int(atom.number) :] ** 2).sum(-1).sqrt()
    if atom.kind == "rank":
        return (values > values[:, :1] * 1e-12).to(values.dtype).sum(-1)
    shares = values / values.sum(-1, keepdim=True)
    return torch.special.entr(shares).sum(-1).exp()


def sizes(comparison: Comparison, model: Model, blocks: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """How large the two sides are, shape (batch,): what the rounding of their difference is measured by."""
    end = model.end_tensor(blocks)
    values = {atom.name: measure(atom, model, blocks, end) for atom in comparison.atoms}
    like = next(iter(blocks.values()))
    return _value(comparison.rhs, values, like).abs() + _value(comparison.lhs, values, like).abs()


def _value(expression: scalar.Scalar, values: Mapping[str, torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    import torch

    match expression:
        case scalar.Number(number):
            return torch.full(like.shape[:1], float(number), dtype=like.dtype, device=like.device)
        case scalar.Variable(name):
            return values[name]
        case scalar.Sum(parts):
            return torch.stack([_value(part, values, like) for part in parts]).sum(0)
        case scalar.Times(parts):
            return torch.stack([_value(part, values, like) for part in parts]).prod(0)
        case scalar.Power(base, exponent):
            held = _value(base, values, like)
            return held ** int(exponent) if exponent.denominator == 1 else held ** float(exponent)
        case scalar.Ln(argument):
            return _value(argument, values, like).log()
        case _:
            return _value(expression.argument, values, like).exp()


def _batch(
    model: Model, claim: Comparison, given: list[Comparison], scale: float, seed: int
) -> tuple[int, float | None, list[dict[str, torch.Tensor]]]:
    """How many of a batch meet the assumptions, the least margin among them, and those that seem to violate the claim
    (of all that were seen on the way of descent), worst first."""
    import torch

    draw = torch.Generator().manual_seed(hash_of(seed, packed(model.sizes), scale))

    def random(shape: tuple[int, ...]) -> torch.Tensor:
        full = scale * torch.randn((BATCH, *shape), dtype=torch.float64, generator=draw)
        # Structure finds more than noise: in half of the batch many entries are 0.
        mask = torch.rand((BATCH, *shape), dtype=torch.float64, generator=draw) < 0.5
        mask[: BATCH // 2] = True
        return full * mask

    blocks = {name: random(shape) for name, shape in model.shapes.items()}
    least: float | None = None
    count = 0
    seen: list[tuple[float, dict[str, torch.Tensor]]] = []

    def look(states: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal least, count
        gap = margin(claim, model, states)
        met = torch.isfinite(gap)
        for comparison in given:
            met &= margin(comparison, model, states) > ROUNDING * sizes(comparison, model, states)
        count += int(met.sum())
        if met.any():
            low = float(gap[met].min())
            least = low if least is None else min(least, low)
        gap = torch.where(met, gap, torch.inf)
        limit = 0.0 if claim.relation != "<" else 1e-9
        for k in gap.argsort()[:KEPT].tolist():
            if gap[k] < limit:
                seen.append((float(gap[k]), {name: values[k].detach().clone() for name, values in states.items()}))
        return gap

    gap = look(blocks)
    chosen = gap.argsort()[: 4 * KEPT]
    moving = {name: values[chosen].clone().requires_grad_() for name, values in blocks.items()}
    descent = torch.optim.Adam(list(moving.values()), lr=0.05 * scale)
    for step in range(PUSHES):
        descent.zero_grad()
        penalty = margin(claim, model, moving)
        for comparison in given:
            penalty = penalty + 10 * torch.relu(1e-3 - margin(comparison, model, moving))
        finite = penalty[torch.isfinite(penalty)]
        if not finite.numel() or not finite.requires_grad:
            break
        # The margin shrinks with the state; relative to its size it is the violation itself that grows.
        finite.sum().backward()
        for values in moving.values():
            if values.grad is not None:
                values.grad.nan_to_num_(0.0, 0.0, 0.0)
        descent.step()
        if step % 20 == 19:
            with torch.no_grad():
                look({name: values.detach() for name, values in moving.items()})
    seen.sort(key=lambda pair: pair[0])
    return count, least, [blocks for _, blocks in seen[: 2 * KEPT]]


def hash_of(*parts: Any) -> int:
    """A seed from parts, the same on every machine."""
    return Random(repr(parts)).getrandbits(48)


__all__ = ["Search", "Tried", "exact_states", "find_state", "margin", "measure", "shapes", "simpler"]
