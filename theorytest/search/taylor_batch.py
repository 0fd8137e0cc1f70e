"""The heyoka engine: Taylor series compiled for one model and loss, several instances at once in vector registers.

Optional (``pip install 'theorytest[peers]'``), on cpu only, for models that can be written out as one einsum and losses
that are a polynomial of each entry. Compiling takes part of a second, once for a model, a kind of loss and a tolerance.
Every instance is integrated twice, with tolerances that differ by 2^8; the difference is the error estimate. Instances
with which heyoka does not come to the end are left to the torch engine, whose statuses say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.search import lockstep
from theorytest.search.outcome import APART, DONE, LOST, UNIT, Outcome

if TYPE_CHECKING:
    import torch

    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch

INSTALL = "pip install 'theorytest[peers]'"
FINER = 2.0**-8  # tolerance of the run that is the result, against the other one
LEAST = 2.0**-51  # tolerance: float64 has no more
STEPS = 1000  # beyond, the torch engine takes over
SMALL = 48  # parameters up to which compiled Taylor series beat the torch engine on one core (docs/benchmarks.md)
COMPACT = 16  # parameters beyond which loops are compiled, not written out
MANY = 1024  # instances from which compiling is worth it


def obstacle(model: Any, losses: LossBatch, *, device: Any, atol: float, levels: Sequence[Level]) -> str:
    """Why this engine cannot do what is asked, as the end of a sentence; "" where it can."""
    if find_spec("heyoka") is None:
        return f"needed the package heyoka: {INSTALL}, or engine='torch'"
    if str(device) != "cpu":
        return f"needed device='cpu', not {device}: use engine='torch'"
    if atol or levels:
        return "needed atol=0 and no levels: use engine='torch'"
    if not hasattr(model, "concrete"):
        return "needed a model of theorytest.models: use engine='torch'"
    if losses.kind == "linear":
        return ""
    entries = losses.entries(tuple(model.shape))
    if entries is None or entries.base.breaks:
        return "needed losses that are one polynomial of each observed entry: use engine='torch'"
    return ""


def pays(model: Any, batch: int) -> bool:
    """Whether the engine is faster than the torch engine, compiling included."""
    return model.parameters <= SMALL and batch >= MANY


def run(
    model: Any,
    losses: LossBatch,
    start: torch.Tensor,
    stops: Sequence[Fraction],
    *,
    rtol: float,
    atol: float,
    max_steps: int,
    twice: bool = True,
) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times: see `lockstep.run`."""
    import torch

    batch, parameters = start.shape
    entries = losses if losses.kind == "linear" else losses.entries(tuple(model.shape))
    assert entries is not None
    values, pattern = values_of(entries, losses.kind == "shared")
    tolerances = (rtol, max(rtol * FINER, LEAST)) if twice else (rtol,)
    runs = [
        _integrate(compiled(model, entries.base, pattern, tolerance), start.numpy(), values, stops, max_steps)
        for tolerance in tolerances
    ]
    states, steps, good = runs[-1]
    result = Outcome.empty(len(stops), batch, parameters, 0, start.device)
    result.states.copy_(torch.from_numpy(states))
    good = np.logical_and.reduce([g for _, _, g in runs])
    result.steps.copy_(torch.from_numpy(steps))
    result.status.fill_(DONE)
    result.reached.fill_(float(stops[-1]))
    if twice:
        gap = (torch.from_numpy(runs[0][0]) - result.states).abs().amax(-1)
        size = torch.maximum(result.states.abs().amax(-1), start.abs().amax(-1)).cummax(0).values
        taken = result.steps.clamp_min(1)
        growth = (gap / (taken * rtol * size).clamp_min(lockstep.TINY)).clamp(1.0, 1e16)
        result.error.copy_(gap + growth * UNIT * size * (18 * taken + 1))
        lost = (gap > APART * result.states.abs().amax(-1)).any(0)
        result.status[lost] = LOST
        result.states[:, lost], result.error[:, lost] = torch.nan, torch.nan
    rest = torch.from_numpy(~good).nonzero()[:, 0]
    if len(rest):
        again = lockstep.run(
            model, losses.take(rest), start[rest], stops, rtol=rtol, atol=atol, max_steps=max_steps, twice=twice
        )
        for name in ("states", "error"):
            getattr(result, name)[:, rest] = getattr(again, name)
        for name in ("status", "reached", "steps", "rejected"):
            getattr(result, name)[rest] = getattr(again, name)
    return result


# -- compiling ---------------------------------------------------------------------------------------------------------


Pattern = tuple[tuple[int, ...], tuple[Any, ...], tuple[float, ...]]


def values_of(entries: LossBatch, shared: bool) -> tuple[np.ndarray | None, Pattern]:
    """Numbers of each instance (values, batch) or None where all share them, and what is compiled: which entries have a
    gradient, the shape, and the numbers that are shared."""
    target = entries.target.numpy()
    shape = target.shape[1:]
    if entries.kind == "linear":
        places = tuple(range(int(np.prod(shape))))
        return target.reshape(len(target), -1).T.copy(), (places, shape, ())
    weight = entries.weight.numpy().reshape(len(target), -1)
    places = tuple(map(int, np.nonzero((weight != 0).any(0))[0]))
    both = np.concatenate([weight[:, places], target.reshape(len(target), -1)[:, places]], axis=1)
    if shared:
        return None, (places, shape, tuple(map(float, both[0])))
    return both.T.copy(), (places, shape, ())


@lru_cache(maxsize=32)
def compiled(model: Any, base: Any, pattern: Pattern, tolerance: float) -> Any:
    """heyoka's integrator of this model and kind of loss, for several instances at once."""
    heyoka = import_module("heyoka")
    equations = system(model, base, pattern)
    state = np.zeros((len(equations), heyoka.recommended_simd_size()))
    return heyoka.taylor_adaptive_batch(equations, state=state, tol=tolerance, compact_mode=len(equations) > COMPACT)


def system(model: Any, base: Any, pattern: Pattern) -> list[tuple[Any, Any]]:
    """The gradient flow as heyoka's pairs of a variable and its derivative."""
    heyoka = import_module("heyoka")

    places, shape, shared = pattern
    variables = heyoka.make_vars(*(f"x{k}" for k in range(model.parameters)))
    variables = variables if isinstance(variables, list) else [variables]
    names: dict[str, np.ndarray] = {}
    place = 0
    for name, sizes in model.shapes.items():
        block = np.empty(sizes, dtype=object)
        for index in product(*map(range, sizes)):
            block[index] = variables[place]
            place += 1
        names[name] = block
    W, pull = model.pullback(names)
    gradient = np.empty(shape, dtype=object)
    flat, entries = gradient.reshape(-1), W.reshape(-1)
    for k in range(len(flat)):
        flat[k] = heyoka.expression(0.0)
    for k, entry in enumerate(places):
        numbers = [heyoka.expression(x) for x in (shared[k], shared[len(places) + k])] if shared else None
        if base is None:
            flat[entry] = heyoka.par[k]
            continue
        weight, target = numbers or (heyoka.par[k], heyoka.par[len(places) + k])
        flat[entry] = weight * _derivative(base, entries[entry] - target)
    pulled = pull(gradient)
    right = [side for name in model.shapes for side in pulled[name].reshape(-1)]
    return [(x, -side) for x, side in zip(variables, right, strict=True)]


def _derivative(base: Any, z: Any) -> Any:
    """The derivative of a polynomial loss of an entry, as a heyoka expression."""
    heyoka = import_module("heyoka")

    made = heyoka.expression(0.0)
    for power in range(len(base.pieces[0]) - 1, 0, -1):
        made = made * z + heyoka.expression(power * float(base.pieces[0][power]))
    return made


# -- running -----------------------------------------------------------------------------------------------------------


def _integrate(
    integrator: Any, start: np.ndarray, values: np.ndarray | None, stops: Sequence[Fraction], max_steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (times, batch, parameters), steps (batch,), and which instances came to the end."""
    heyoka = import_module("heyoka")

    batch, parameters = start.shape
    state, numbers = integrator.state, integrator.pars  # views, written in place
    lanes = state.shape[1]
    finite = np.isfinite(start).all(1)
    # Columns in groups; the last group repeats instances, and one that is not finite stands still at 0.
    padded = np.resize(np.arange(batch), -(-batch // lanes) * lanes)
    columns = np.where(finite, start.T, 0.0)[:, padded]
    own = None if values is None else values[:, padded]
    times = [float(t) for t in stops]
    states = np.empty((len(times), parameters, len(padded)))
    ends: list[Any] = []
    budget = min(max_steps, STEPS)
    for first in range(0, len(padded), lanes):
        group = slice(first, first + lanes)
        integrator.set_time(0.0)
        state[:] = columns[:, group]
        if own is not None:
            numbers[:] = own[:, group]
        for k, time in enumerate(times):
            if time:
                integrator.propagate_until(time, max_steps=budget)
                ends.append(integrator.propagate_res)
            states[k, :, group] = state
    came = np.ones((1, len(padded)), dtype=bool)
    steps = np.zeros((1, len(padded)), dtype=np.int64)
    if ends:
        reached = heyoka.taylor_outcome.time_limit
        shape = (len(padded) // lanes, -1, lanes)
        came = np.array([[end[0] == reached for end in group] for group in ends]).reshape(shape)
        steps = np.array([[end[3] for end in group] for group in ends]).reshape(shape)
        came, steps = came.all(1).reshape(1, -1), steps.sum(1).reshape(1, -1)
    states = np.ascontiguousarray(states[:, :, :batch].transpose(0, 2, 1))
    return states, steps[0, :batch], finite & came[0, :batch] & np.isfinite(states).all((0, 2))


__all__ = ["obstacle", "pays", "run"]
