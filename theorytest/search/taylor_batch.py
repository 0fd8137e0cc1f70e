"""The heyoka engine: Taylor series compiled for one model and loss, several instances at once in vector registers.

Optional (``pip install 'theorytest[peers]'``), on cpu only, for models that can be written out as one einsum and losses
that are a polynomial of each entry. Compiling takes part of a second, once for a model, a kind of loss and a tolerance.
Errors are estimated by two runs (see `twofold`).
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

from theorytest.search import twofold
from theorytest.search.entrywise import Pattern, values_of

if TYPE_CHECKING:
    import torch

    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch
    from theorytest.search.outcome import Outcome

INSTALL = "pip install 'theorytest[peers]'"
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
    values, base, pattern = values_of(losses, tuple(model.shape))

    def integrate(tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _integrate(compiled(model, base, pattern, tolerance), start.numpy(), values, stops, max_steps)

    return twofold.run(integrate, model, losses, start, stops, rtol=rtol, atol=atol, max_steps=max_steps, twice=twice)


# -- compiling ---------------------------------------------------------------------------------------------------------


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
