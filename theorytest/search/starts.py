"""Starts from which a claim about every flow fails: smallest shapes first, float64 batches, then an enclosure.

A comparison is followed along batches of random flows; where it seems to fail by more than the integrator's error, the
start is rounded to small rationals and the flow is enclosed until the kernel sees the failure. A limit is refuted at
equilibria and along conserved quantities, which are looked for among small exact starts. Only what the kernel refutes
is returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.ball import UndefinedError
from theorytest.kernel.claim import AlongEveryFlow, TendsToEqual
from theorytest.kernel.errors import KernelError
from theorytest.kernel.every_flow import CONSERVED, EQUILIBRIUM, problem_of, velocity_at_start
from theorytest.kernel.initial_value import MeasuredLoss, Measurement, Slope
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import exact_state, from_start, value
from theorytest.kernel.statement import Instance, Statement, Witness
from theorytest.kernel.witness import refutes, require_assumptions
from theorytest.models.model import Model
from theorytest.search.budget import Budget
from theorytest.search.margins import margin, signs
from theorytest.search.states import Search, Tried, exact_states, may_be_undefined, shapes, signed, undefined_at
from theorytest.search.strategies import Sizes, packed

STARTS = 40  # exact starts a shape
TIMES = (Fraction(1, 4), Fraction(1), Fraction(4), Fraction(12))
# What holds at the times of a first look may fail between them, or late.
MORE_TIMES = (*(Fraction(2) ** k * m for k in range(-6, 7) for m in (Fraction(1), Fraction(3, 2))), Fraction(128))
TOWARDS_THE_END = tuple(1 - Fraction(1, 2**k) for k in range(1, 16))  # of a flow that ends before: parts of its time
CLEAR = 1e-7  # a failure by less may be the integrator's
INACCURATE = 1e-6  # an estimated error, as a part of the largest parameter, beyond which a margin is not looked at
SCALES = (Fraction(1), Fraction(1, 4))
FAR = (Fraction(1000), Fraction(1, 1000))  # the simplest starts, far out and near 0: no flow is followed from there
INSTANT = Fraction(1, 2**30)  # a time so short that any flow can be enclosed
SIMPLEST = 8
HALF_SQUARE = Slope(((Fraction(0), Fraction(1)),))


def find_start(statement: Statement, seed: int = 0, *, seconds: float | Budget = 30.0, long: bool = False) -> Search:
    """Look for a start that refutes a claim about every flow (`AlongEveryFlow`, `TendsToEqual`).

    long: at more times, and later ones.
    """
    claim = statement.claim
    if not isinstance(claim, AlongEveryFlow | TendsToEqual):
        raise InputError(f"given a claim of kind {type(claim).__name__}, needed one about every flow of a model")
    budget = Budget.of(seconds)
    found = Search()
    missing = ""
    places = shapes(claim, statement)
    for number, sizes in enumerate(places, 1):
        if budget.over:
            found.left_out = f"shapes {number} to {len(places)} of {len(places)}"
            break
        try:
            found.witness, tried = _at_shape(statement, claim, sizes, seed, budget, MORE_TIMES if long else TIMES)
        except KernelError as error:
            missing = str(error)
            continue
        found.tried.append(tried)
        if found.witness is not None:
            break
    if budget.over and found.witness is None:
        found.left_out = found.left_out or "a part of the last shape"
    if not found.tried and found.finished:
        raise InputError(f"the claim can be evaluated at none of the shapes tried: {missing or 'no sizes fit'}")
    return found


def losses(model: Model, seed: int) -> Iterator[MeasuredLoss]:
    """Half sums of squared residuals: all entries observed, then all but the first; small targets."""
    entries = list(product(*map(range, model.shape)))
    for level in range(4):
        random = Random(f"{seed}/{model.shape}/{level}")
        seen = entries if level % 2 == 0 or len(entries) == 1 else entries[1:]
        targets = [Fraction(int(len(set(e)) == 1)) if level == 0 else Fraction(random.randint(-2, 2)) for e in seen]
        yield MeasuredLoss(
            tuple(Measurement(((e, Fraction(1)),), t) for e, t in zip(seen, targets, strict=True)), HALF_SQUARE
        )


def _at_shape(
    statement: Statement,
    claim: AlongEveryFlow | TendsToEqual,
    sizes: Sizes,
    seed: int,
    budget: Budget,
    times: tuple[Fraction, ...],
) -> tuple[Witness | None, Tried]:
    model = Model(claim.parameterization, sizes)
    place = packed(sizes)
    state = exact_state(model.concrete, model.random(0))
    for atom in claim.comparison.atoms:
        value(replace(atom, at_start=False), state)  # raises where there is no such quantity at these sizes
    count, least, vanishing, short = 0, None, 0, 0
    risky = may_be_undefined(claim.comparison)
    lost: list[Instance] = []

    def outcome(witness: Witness | None) -> tuple[Witness | None, Tried]:
        met = count + len(lost)
        return witness, Tried(place, met, 0, least, len(lost), lost[0] if lost else None, vanishing, short=short)

    states = list(exact_states(model, statement, seed))[:STARTS]
    chosen = [claim.loss] if claim.loss is not None else list(losses(model, seed))
    for loss in chosen:
        starts, far = list[Instance](), list[Instance]()
        seen = set[Instance]()  # at small shapes many starts are the same
        for k, blocks in enumerate((*_scaled(states, SCALES), *_scaled(states[:SIMPLEST], FAR))):
            instance = Instance(sizes=place, blocks=tuple(blocks.items()))
            if instance in seen:
                continue
            seen.add(instance)
            try:
                require_assumptions(statement, instance)
            except KernelError:
                continue
            if risky and _undefined(claim, model, blocks):
                lost.append(instance)
            else:
                (starts if k < len(SCALES) * len(states) else far).append(instance)
        count += len(starts) + len(far)
        if isinstance(claim, TendsToEqual):
            witness = _no_limit(statement, [*starts, *far], loss)
        else:
            witness, low, gone, ended = _violated(statement, claim, model, starts, far, loss, budget, times)
            least = low if least is None else least if low is None else min(least, low)
            vanishing, short = vanishing + gone, short + ended
        if witness is not None or budget.over:
            return outcome(witness)
    return outcome(None)


def _undefined(claim: AlongEveryFlow | TendsToEqual, model: Model, blocks: dict[str, Array]) -> bool:
    """Whether a side surely has no value at time 0."""
    try:
        return undefined_at(from_start(claim.comparison, exact_state(model.concrete, blocks)), model, blocks)
    except UndefinedError as error:
        return error.surely


def _scaled(states: list[dict[str, Array]], scales: tuple[Fraction, ...]) -> Iterator[dict[str, Array]]:
    for scale, blocks in product(scales, states):
        yield {n: Array(a.shape, tuple(scale * x for x in a.entries)) for n, a in blocks.items()}


def _no_limit(statement: Statement, starts: list[Instance], loss: MeasuredLoss) -> Witness | None:
    for reason, instance in product((EQUILIBRIUM, CONSERVED), starts):
        witness = Witness(instance, (loss, reason))
        try:
            refutes(statement, witness)
        except KernelError:
            continue
        return witness
    return None


def _violated(
    statement: Statement,
    claim: AlongEveryFlow,
    model: Model,
    starts: list[Instance],
    far: list[Instance],
    loss: MeasuredLoss,
    budget: Budget,
    times: tuple[Fraction, ...],
) -> tuple[Witness | None, float | None, int, int]:
    """Flows of all starts in float64; those that seem to fail are enclosed, the simplest numbers first; of the far
    starts those that fail at time 0. And along how many flows a side seems to be lost, and how many were not followed
    to the last time; of those that end before it, the simplest are looked at again near their end."""
    gaps, reached = _gaps(claim, model, starts, loss, times)
    short = sum(not gap or gap[-1][0] < times[-1] for gap in gaps)
    ended = sorted((k for k, t in enumerate(reached) if t < times[-1]), key=lambda k: _height(starts[k]))
    for k in ended[:SIMPLEST]:
        if reached[k] > 0 and not budget.over:
            near = tuple(reached[k] * part for part in TOWARDS_THE_END)
            gaps[k] += _gaps(claim, model, [starts[k]], loss, near)[0][0]
    gaps += _gaps(claim, model, far, loss, ())[0]
    starts = [*starts, *far]
    vanishing = sum(any(g != g for _, g in gap) for gap in gaps)
    gaps = [[(t, g) for t, g in gap if g == g] for gap in gaps]
    # Other times than those of a first look are for failures: as near to 0 as an error is, they tell nothing.
    least = min((g for gap in gaps for t, g in gap if t in (0, *TIMES) or abs(g) > CLEAR), default=None)
    failing = [k for k in range(len(starts)) if any(g < -CLEAR for _, g in gaps[k])]
    for k in sorted(failing, key=lambda k: _height(starts[k]))[:8]:
        if budget.over:
            break
        early = min(t for t, g in gaps[k] if g < -CLEAR)
        witness = enclosed(statement, claim, starts[k], loss, early, budget)
        if witness is not None:
            return witness, least, vanishing, short
    return None, least, vanishing, short


def _height(start: Instance) -> tuple[int, int]:
    """How large the numbers of a start are: the sum of numerators and denominators, and the entries that are not 0."""
    entries = [x for _, array in start.blocks for x in array.entries]
    return sum(abs(x.numerator) + x.denominator for x in entries), sum(1 for x in entries if x)


def _gaps(
    claim: AlongEveryFlow, model: Model, starts: list[Instance], loss: MeasuredLoss, times: tuple[Fraction, ...]
) -> tuple[list[list[tuple[Fraction, float]]], list[Fraction]]:
    """For every start the margin at each time, where the batch got that far; nan where a side is not defined, or was
    not in between: what it divides by, say, has changed its sign. And the time that its flow reached."""
    import torch

    from theorytest.search.flows import integrate_batch

    if not starts:
        return [], []
    blocks = {
        name: torch.tensor([[float(x) for x in dict(s.blocks)[name].entries] for s in starts], dtype=torch.float64)
        for name in model.shapes
    }
    shaped = {name: values.reshape(len(starts), *model.shapes[name]) for name, values in blocks.items()}
    flow = integrate_batch(model, _Measured(loss, model.shape), shaped, times, rtol=1e-9) if times else None
    later = flow.blocks if flow is not None else {}
    found: list[list[tuple[Fraction, float]]] = [[] for _ in starts]
    comparisons = [from_start(claim.comparison, exact_state(model.concrete, dict(s.blocks))) for s in starts]
    before: dict[int, list[float]] = {}
    for j, at in enumerate((Fraction(0), *times)):
        states = shaped if at == 0 else {name: later[name][j - 1] for name in model.shapes}
        for k, comparison in enumerate(comparisons):
            here = {name: values[k : k + 1] for name, values in states.items()}
            if not all(bool(values.isfinite().all()) for values in here.values()):
                continue
            largest = max(float(values.abs().max()) for values in here.values())
            if flow is not None and at and float(flow.error[j - 1, k]) > INACCURATE * max(1.0, largest):
                continue
            gap = float(margin(comparison, model, here)[0])
            now = [float(signs(base, comparison, model, here)[0]) for base in signed(comparison)]
            passed = any(a * b < 0 for a, b in zip(now, before.get(k, now), strict=True))
            before[k] = now
            found[k].append((at, float("nan") if passed else gap))
    return found, [] if flow is None else [Fraction(t) for t in flow.reached.tolist()]


class _Measured:
    """The gradient of a measured loss in float64, for a batch of end tensors."""

    def __init__(self, loss: MeasuredLoss, shape: tuple[int, ...]) -> None:
        import torch

        rows = torch.zeros((len(loss.measurements), *shape), dtype=torch.float64)
        for k, measurement in enumerate(loss.measurements):
            for index, entry in measurement.entries:
                rows[(k, *index)] = float(entry)
        self.rows = rows.flatten(1)
        self.targets = torch.tensor([float(m.target) for m in loss.measurements], dtype=torch.float64)
        self.loss = loss

    def gradient(self, W: Any) -> Any:
        """Shape (batch, *shape of W)."""
        import torch

        z = W.flatten(1) @ self.rows.T - self.targets
        breaks = torch.tensor([float(b) for b in self.loss.slope.breaks], dtype=torch.float64)
        place = torch.bucketize(z, breaks)
        slopes = torch.zeros_like(z)
        for k, piece in enumerate(self.loss.slope.pieces):
            value_ = torch.zeros_like(z)
            for coefficient in reversed(piece):
                value_ = value_ * z + float(coefficient)
            slopes = torch.where(place == k, value_, slopes)
        return float(self.loss.weight) * (slopes @ self.rows).reshape(W.shape)


def certified(
    statement: Statement, seed: int = 0, *, flows: int = 2, until: Fraction = Fraction(2), seconds: float = 10.0
) -> list[tuple[Instance, str]]:
    """Starts along whose flows the comparison holds up to a time, by an enclosure that the kernel checks; with what it
    says ("1 flow, t <= 2, 15 digits"). For one loss where the claim is about all of them."""
    from theorytest.enclose.flowpipe import certificate
    from theorytest.kernel.claim import Throughout
    from theorytest.kernel.trajectory import decide

    claim = statement.claim
    assert isinstance(claim, AlongEveryFlow)
    budget = Budget(seconds)
    found: list[tuple[Instance, str]] = []
    for sizes in shapes(claim, statement)[:3]:
        model = Model(claim.parameterization, sizes)
        loss = claim.loss or next(losses(model, seed))
        for blocks in exact_states(model, statement, seed):
            if len(found) == flows or budget.over:
                return found
            instance = Instance(sizes=packed(sizes), blocks=tuple(blocks.items()))
            try:
                require_assumptions(statement, instance)
                comparison = from_start(claim.comparison, exact_state(model.concrete, dict(instance.blocks)))
                problem = problem_of(claim, instance, loss)
                if not any(velocity_at_start(problem)):
                    continue  # nothing moves: that says little
                part = Throughout(problem, comparison, Fraction(0), until)
                holds, text = decide(part, certificate(part, digits=15, max_seconds=budget.left))
            except (KernelError, InputError):
                continue
            if holds and any(x for array in blocks.values() for x in array.entries):
                found.append((instance, text))
    return found


def enclosed(
    statement: Statement, claim: AlongEveryFlow, instance: Instance, loss: MeasuredLoss, at: Fraction, budget: Budget
) -> Witness | None:
    """A witness by an enclosure up to a time, with more digits while the kernel does not see the failure."""
    from theorytest.enclose.flowpipe import enclose_problem

    problem = problem_of(claim, instance, loss)
    for digits in (12, 30):
        left = budget.left
        if left <= 0:
            return None
        try:
            pipe = enclose_problem(problem, max(at, INSTANT), digits=digits, max_seconds=min(left, 10))
            witness = Witness(instance, (loss, pipe.steps))
            refutes(statement, witness)
            return witness
        except (KernelError, InputError):
            continue
    return None


def curves(statement: Statement, witness: Witness, *, points: int = 80) -> dict[str, list[float]]:
    """Both sides of a comparison along the flow of a witness, for a plot: times, and lower and upper ends of what
    encloses each side."""
    from theorytest.kernel.ball import ball, precision
    from theorytest.kernel.flow import FlowSteps, follow
    from theorytest.kernel.quantity import both_sides
    from theorytest.kernel.trajectory import Trajectory

    claim = statement.claim
    assert isinstance(claim, AlongEveryFlow)
    loss, steps = witness.data
    assert isinstance(loss, MeasuredLoss) and isinstance(steps, FlowSteps)
    problem = problem_of(claim, witness.instance, loss)
    trajectory = Trajectory(problem, follow(problem, steps))
    start = exact_state(problem.concrete(), dict(witness.instance.blocks))
    comparison = from_start(claim.comparison, start)
    found: dict[str, list[float]] = {
        name: [] for name in ("t", "side_left_low", "side_left_high", "side_right_low", "side_right_high")
    }
    for k in range(points + 1):
        time_ = trajectory.end * k / points
        with precision(96):
            try:
                sides = [ball(x) for x in both_sides(comparison, trajectory.state(time_))]
            except KernelError:
                continue
            found["t"].append(float(time_))
            for name, side in zip(("side_left", "side_right"), sides, strict=True):
                found[f"{name}_low"].append(float(side.lower()))
                found[f"{name}_high"].append(float(side.upper()))
    return found


__all__ = ["certified", "curves", "enclosed", "find_start", "losses"]
