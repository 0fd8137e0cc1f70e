"""Exact witnesses against false claims about models and tensors: smallest shapes first, small rationals, from a seed.

A witness has to meet every assumption and violate the claim; both are for the kernel to find out (`refutes`). The
search only proposes: sizes 1 and 2, orders 2 and 3, depths 0 to 3, fewest parameters first, every choice of the
members that a claim names, integer entries of size at most 2 and then other small rationals. Assumptions that have
formulas hold because the instance is built so (balanced starts, equal sizes), not because others were thrown away.

No witness is no proof: the claim survived this search, and nothing more is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice, product
from math import isqrt, prod
from random import Random
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.claim import (
    MOMENTUM,
    STEP_SIZE,
    All,
    AtLeast,
    AtStart,
    AtTime,
    Change,
    Claim,
    Conserved,
    Descent,
    DeterminantSignPreserved,
    Exactly,
    Flow,
    Identity,
    Inequality,
    LogDeterminantRate,
    NormRate,
    Rate,
    SliceTruncation,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Concrete, size_of
from theorytest.kernel.statement import Assumption, Instance, Statement, Witness
from theorytest.kernel.terms import DELTA, Tensor, Term
from theorytest.kernel.truncation import slice_norms
from theorytest.kernel.witness import assignments, motion_flow, refutes
from theorytest.models.factorizations import DEEP_TUCKER
from theorytest.models.initializations import balanced
from theorytest.models.model import Model
from theorytest.search.letters import with_letters
from theorytest.search.strategies import Sizes, packed, smallest_sizes

ATTEMPTS = 160  # proposals that the kernel looks at before the search gives up
PER_SHAPE = 6  # of them at the same sizes
PER_WAVE = 3  # and at most this many one after the other
STEPS = (Fraction(1), Fraction(1, 2), Fraction(3, 4), Fraction(2), Fraction(1, 4), Fraction(4))


def find_witness(statement: Statement, seed: int = 0, *, attempts: int = ATTEMPTS) -> Witness | None:
    """A witness that refutes the statement, accepted by the kernel; None where the search ends without one.

    For claims about motion of a model (`Conserved`, `Rate`, `Change`, `DeterminantSignPreserved`,
    `LogDeterminantRate`), about tensor terms (`Identity`, `Inequality`), `SliceTruncation`, and `All` of such; None
    for all others. The same seed gives the same witness. attempts: how many proposals the kernel looks at.
    """
    for witness in islice(proposals(statement, seed), attempts):
        try:
            refutes(statement, witness)
        except KernelError:
            continue
        return witness
    return None


def proposals(statement: Statement, seed: int = 0) -> Iterator[Witness]:
    """Candidates, simplest first; the kernel decides on each."""
    claim = statement.claim
    if isinstance(claim, All):
        # A part that fails refutes the whole: look at the parts in turn, a candidate of each at a time.
        streams = [proposals(replace(statement, claim=part), seed) for part in claim.claims]
        while streams:
            for stream in list(streams):
                found = next(stream, None)
                if found is None:
                    streams.remove(stream)
                else:
                    yield found
        return
    if isinstance(claim, SliceTruncation):
        yield from _truncations(claim)
        return
    flow = motion_flow(claim)
    if isinstance(claim, NormRate | AtTime) and flow is not None:
        yield from _columns(statement, flow, seed)
    elif flow is not None:
        yield from _motions(statement, claim, flow, seed)
    elif isinstance(claim, Identity | Inequality) and isinstance(claim.lhs, Term) and isinstance(claim.rhs, Term):
        yield from _terms(statement.assumptions, (claim.lhs, claim.rhs), seed)


# -- numbers ------------------------------------------------------------------------------------------------------


def _array(shape: tuple[int, ...], random: Random, level: int) -> Array:
    """Small integers first; halves and thirds from the third attempt on."""
    below = (1, 1, 2, 3)[min(level, 3)]
    entries = tuple(Fraction(random.randint(-2, 2), random.randint(1, below)) for _ in range(prod(shape)))
    if entries and not any(entries):
        entries = (Fraction(1), *entries[1:])
    return Array(shape, entries)


def _eye(shape: tuple[int, ...]) -> Array:
    """1 where all indices agree."""
    places = product(*map(range, shape))
    return Array(shape, tuple(Fraction(int(len(set(index)) <= 1)) for index in places))


# -- models -------------------------------------------------------------------------------------------------------


def _motions(statement: Statement, claim: Claim, flow: Flow, seed: int) -> Iterator[Witness]:
    model = flow.parameterization
    start = any(isinstance(assumption.formula, AtStart) for assumption in statement.assumptions)
    shapes = smallest_sizes(model, flow, statement.assumptions)
    if isinstance(claim, DeterminantSignPreserved | LogDeterminantRate):
        shapes = [sizes for sizes in shapes if _is_square(model.at(sizes))]
    # A few candidates for every size, then a few more: sizes at which the claim happens to hold should not use up the
    # attempts, nor should a small witness be passed over after a single one.
    streams = [_at_sizes(statement, claim, flow, sizes, start, seed) for sizes in shapes]
    for _ in range(0, PER_SHAPE, PER_WAVE):
        for stream in streams:
            yield from islice(stream, PER_WAVE)


def _is_square(concrete: Concrete) -> bool:
    return len(concrete.shape) == 2 and concrete.shape[0] == concrete.shape[1]


def _at_sizes(
    statement: Statement, claim: Claim, flow: Flow, sizes: Sizes, start: bool, seed: int
) -> Iterator[Witness]:
    model = Model(flow.parameterization, sizes)
    numbers = list(assignments(flow, Instance(sizes=packed(sizes))))
    for level in range(PER_SHAPE):
        random = Random(f"{seed}/{packed(sizes)}/{level}")
        blocks = _start(model, claim, start, random, level)
        if blocks is None:
            return
        gradient = _array(model.shape, random, level)
        members = numbers[level % len(numbers)]
        values = flow.parameterization.values_at(flow.focus, members, sizes, blocks, gradient)
        step = STEPS[level % len(STEPS)]
        letters, variables = _others(claim, flow, values, random, level)
        if isinstance(claim, Conserved | Change | DeterminantSignPreserved) and isinstance(claim.motion, Descent):
            variables = (*variables, (STEP_SIZE, step))
        instance = Instance(
            packed(sizes), tuple(sorted(members.items())), tuple(blocks.items()), gradient, letters, variables
        )
        yield Witness(instance)


def _start(model: Model, claim: Claim, start: bool, random: Random, level: int) -> dict[str, Array] | None:
    """Blocks that meet an assumption on the start if there is one; for a flow against a determinant, with det W = 0."""
    singular = isinstance(claim, DeterminantSignPreserved) and isinstance(claim.motion, Flow)
    blocks: dict[str, Array]
    if start and level == 0 and all(len(set(shape)) == 1 for shape in model.shapes.values()):
        blocks = {name: _eye(shape) for name, shape in model.shapes.items()}
    elif start:
        try:
            # Layers with a common singular value 0, where the determinant has to vanish.
            values = [*range(1, min(min(s) for s in model.shapes.values())), 0] if singular else None
            blocks = balanced(model, seed=random.getrandbits(32), denominator=1 + level, singular_values=values)
        except InputError:
            return None
    else:
        blocks = {name: _array(shape, random, level) for name, shape in model.shapes.items()}
    if singular and not start:
        # One layer loses a row (or a column), so that the product is singular and can cross 0.
        name = random.choice(list(blocks))
        rows, columns = blocks[name].shape[-2:]
        lost = random.randrange(rows)
        entries = list(blocks[name].entries)
        entries[lost * columns : (lost + 1) * columns] = [Fraction(0)] * columns
        blocks[name] = Array(blocks[name].shape, tuple(entries))
    return blocks


def _others(
    claim: Claim, flow: Flow, values: dict[str, Array], random: Random, level: int
) -> tuple[tuple[tuple[str, Array], ...], tuple[tuple[str, Fraction], ...]]:
    """Values for the letters of a claim that are not parts of the model: previous updates, and whatever else it
    names.
    """
    letters: dict[str, Array] = {}
    variables: dict[str, Fraction] = {}
    if (
        isinstance(claim, Conserved | Change)
        and isinstance(claim.motion, Descent)
        and claim.motion.method == "momentum"
    ):
        variables[MOMENTUM] = Fraction(1, 2)
        for name in flow.parameterization.letters(flow.focus):
            letters[f"U({name})"] = _array(values[name].shape, random, level)
    dims: dict[str, int] = {}
    for name, tensor in flow.parameterization.focus(flow.focus).tensors().items():
        dims |= dict(zip(tensor.sizes, values[name].shape, strict=True))
    for tensor in _tensors(claim):
        known = tensor.name in values or tensor.name in letters or tensor.name in (DELTA, STEP_SIZE, MOMENTUM)
        if not known and tensor.sizes:
            letters[tensor.name] = _array(tuple(dims.setdefault(size, 2) for size in tensor.sizes), random, level)
        elif not known:
            variables[tensor.name] = Fraction(random.randint(1, 4), 2)
    return tuple(letters.items()), tuple(variables.items())


def _tensors(claim: Claim) -> list[Tensor]:
    """The tensors in the terms of a claim about motion."""
    terms: list[Term] = []
    if isinstance(claim, Conserved | Rate | Change):
        terms.append(claim.quantity)
    if isinstance(claim, Rate | LogDeterminantRate):
        terms.append(claim.rate)
    if isinstance(claim, Change):
        terms.append(claim.change)
    return [tensor for term in terms for tensor in term.tensors().values()]


# -- tensor terms -------------------------------------------------------------------------------------------------


def _terms(assumptions: tuple[Assumption, ...], sides: tuple[Term, ...], seed: int) -> Iterator[Witness]:
    """All tensors of the claim and of its assumptions at sizes 1 and 2; zeros, units and small numbers."""
    tensors: dict[str, Tensor] = {}
    for side in (*sides, *_formula_terms(assumptions)):
        tensors |= {name: tensor for name, tensor in side.tensors().items() if name != DELTA}
    symbols = sorted({size for tensor in tensors.values() for size in tensor.sizes})
    names = sorted(tensors)
    for level in range(4 * PER_SHAPE):
        for sizes in product((1, 2), repeat=len(symbols)) if len(symbols) <= 4 else ((1,) * len(symbols),):
            dims = dict(zip(symbols, sizes, strict=True))
            random = Random(f"{seed}/{sizes}/{level}")
            letters: list[tuple[str, Array]] = []
            for name in names:
                shape = tuple(dims[size] for size in tensors[name].sizes)
                # With assumptions, units and zeros are the numbers that most often meet them.
                kind = random.choice(("unit", "zero", "any")) if assumptions and level % 2 else "any"
                made = _eye(shape) if kind == "unit" else _array(shape, random, level // 2)
                letters.append((name, Array(shape, (Fraction(0),) * prod(shape)) if kind == "zero" else made))
            yield Witness(Instance(letters=tuple(letters)))


def _formula_terms(assumptions: Iterable[Assumption]) -> Iterator[Term]:
    for assumption in assumptions:
        formula = assumption.formula
        for part in formula.claims if isinstance(formula, All) else (formula,):
            if isinstance(part, Identity | Inequality):
                yield from (side for side in (part.lhs, part.rhs) if isinstance(side, Term))


# -- columns of deep Tucker factorizations ---------------------------------------------------------------------------

LENGTHS = {
    1: ((1,), (2,)),
    2: ((3, 4), (4, 3), (5, 12), (12, 5), (1, 0)),
    4: ((12, 5, 0, 0), (1, 1, 1, 1), (4, 3, 0, 0)),
}


def _columns(statement: Statement, flow: Flow, seed: int) -> Iterator[Witness]:
    """Two modes with one column each, whose matrices stretch and permute the axes: everything about them is rational.

    Of the named mode, d is 1, 2 or 4 and the number of matrices 0 to 2; all norms are equal (norm balance), matrices
    that follow one another are balanced, the vector lies along an axis; letters of the statement are solved for. Loss
    gradients along the column come first: only those move its norm.
    """
    model = flow.parameterization
    if model != DEEP_TUCKER or len(flow.focus.modes) != 1:
        return
    (mode,) = flow.focus.modes
    places = product((True, False), (2, 1, 4), (1, 2, 0), (1, -1))
    for along, size, depth, sign in places:
        sizes = {"N": 2, "d": (size, 1), "R": (1, 1), "k": (depth, 0)}
        if not _fits(statement, sizes, {mode: 1}):
            continue
        for lengths in LENGTHS[size]:
            norm = Fraction(isqrt(sum(x * x for x in lengths)))
            if norm * norm != sum(x * x for x in lengths):
                continue
            choices = list(product(product(range(size), repeat=depth), range(size), range(size)))
            Random(f"{seed}/{size}/{depth}").shuffle(choices)
            for turns, axis, towards in choices:
                if (towards == _image(size, turns, axis)) != along:
                    continue
                blocks = {"G": Array((1, 1), (norm,))}
                for s, turn in enumerate(turns, 1):
                    blocks[f"A[1,{s}]"] = _stretch(lengths, turn, last=s == depth)
                blocks["w[1]"] = _along(axis, size, norm)
                blocks["w[2]"] = _along(0, 1, norm)
                gradient = Array((size, 1), tuple(Fraction(-sign * int(k == towards)) for k in range(size)))
                instance = Instance(packed(sizes), ((mode, 1),), tuple(blocks.items()), gradient)
                yield from map(Witness, with_letters(statement, flow, instance))


def _fits(statement: Statement, sizes: Sizes, members: dict[str, int]) -> bool:
    """Whether sizes meet what is assumed of them."""
    for formula in (assumption.formula for assumption in statement.assumptions):
        if isinstance(formula, Exactly) and size_of(formula.size, sizes, members) != formula.number:
            return False
        if isinstance(formula, AtLeast) and size_of(formula.size, sizes, members) < formula.number:
            return False
    return True


def _stretch(lengths: tuple[int, ...], turn: int, *, last: bool) -> Array:
    """A diagonal matrix after (or, as the last of several, before) a cyclic permutation of the axes."""
    n = len(lengths)
    entries = [Fraction(0)] * (n * n)
    for k, length in enumerate(lengths):
        other = (k + turn) % n
        entries[(k * n + other) if last else (other * n + k)] = Fraction(length)
    return Array((1, n, n), tuple(entries))


def _image(size: int, turns: tuple[int, ...], axis: int) -> int:
    """The axis along which the column lies: where the matrices, the last one first, send that of the vector."""
    for place in reversed(range(len(turns))):
        axis = (axis + (-turns[place] if place == len(turns) - 1 else turns[place])) % size
    return axis


def _along(axis: int, size: int, norm: Fraction) -> Array:
    return Array((1, size), tuple(norm * int(k == axis) for k in range(size)))


# -- truncations --------------------------------------------------------------------------------------------------


def _truncations(claim: SliceTruncation) -> Iterator[Witness]:
    """Cores with unit matrices and eps just above the point where their smallest slices are no longer counted.

    Diagonal cores, where every slice is one entry; and staircases, which lose a whole box in every one of three modes.
    """
    cores = [_eye((size,) * order) for size, order in product(range(1, 5), (2, 3))]
    for core in cores:
        yield from (Witness(instance) for instance in _thresholds(claim, core))
    for side in (2, 3, 4):
        core, boxes = _staircase(side)
        yield from (Witness(instance, boxes) for instance in _thresholds(claim, core))


def _thresholds(claim: SliceTruncation, core: Array) -> Iterator[Instance]:
    order = len(core.shape)
    factors = tuple((f"V[{n}]", _eye((size, size))) for n, size in enumerate(core.shape, 1))
    scales: set[Fraction] = set()
    if claim.factor <= 0:
        return
    for mode, size in enumerate(core.shape):
        norms = Fraction(prod(core.shape)) if claim.norm == "frobenius" else Fraction(1)  # of unit matrices, squared
        for square in set(slice_norms(core, mode)) - {Fraction(0)}:
            scales.add(
                square * Fraction(size) ** claim.dimension * Fraction(order) ** claim.order * norms / claim.factor
            )
    for squared in sorted(scales):
        yield Instance(letters=(("G", core), *factors), variables=(("ε", _above_root(squared)),))


def _above_root(squared: Fraction, parts: int = 16) -> Fraction:
    """The least multiple of 1/parts whose square is larger."""
    return Fraction(isqrt(int(squared * parts**2)) + 1, parts)


def _staircase(side: int) -> tuple[Array, Any]:
    """A core of order 3 with, in every mode n, ``side`` large slices and side^2 small ones, and one box for every mode.

    Box n holds the small positions of mode n and the large ones of the two others: small slice i has a single 1, at
    the i-th pair of large positions. Along mode n the box has side^2 equal singular values, of which a tensor with
    ``side`` slices left can keep ``side``: it loses side^2 - side of them, in each of the three boxes at once.
    """
    size = side + side * side
    ones: set[tuple[int, int, int]] = set()
    boxes: list[tuple[int, tuple[tuple[int, ...], ...]]] = []
    large, small = tuple(range(1, side + 1)), tuple(range(side + 1, size + 1))
    for mode in range(3):
        for place, pair in enumerate(product(range(side), repeat=2)):
            index = list(pair)
            index.insert(mode, side + place)
            ones.add((index[0], index[1], index[2]))
        boxes.append((mode + 1, tuple(small if axis == mode else large for axis in range(3))))
    entries = tuple(Fraction(int(index in ones)) for index in product(range(size), repeat=3))
    return Array((size,) * 3, entries), tuple(boxes)


__all__ = ["ATTEMPTS", "find_witness", "proposals"]
