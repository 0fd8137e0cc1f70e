"""Ours and others' ways to integrate a batch of gradient flows in float64.

A method is made for a case and an end time, and then maps starts (batch, parameters) and a tolerance to ends. Every
other package is used as its documentation says: one step size for each instance where it has that, the field written
by hand on whole batches, compiled where the package compiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from theorytest.bench.flow_cases import FlowCase

Solve = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class FlowMethod:
    """packages: what must be installed; most: instances beyond which it is not asked (its rate does not depend on it);
    estimates: whether it says how large its own error is."""

    name: str
    packages: tuple[str, ...]
    make: Callable[[FlowCase, int], Solve]
    most: int = 1 << 30
    estimates: bool = False


# -- ours --------------------------------------------------------------------------------------------------------------


def ours(engine: str, *, twice: bool, device: str = "cpu") -> Callable[[FlowCase, int], Solve]:
    def make(case: FlowCase, t: int) -> Solve:
        from theorytest.search.flows import integrate_batch

        def solve(start: np.ndarray, tolerance: float) -> np.ndarray:
            # With the second run, the result is finer than the tolerance of the first one by about 2^8.
            flow = integrate_batch(
                case.model, case.loss, case.blocks(start), [t], rtol=tolerance, engine=engine, error_estimate=twice,
                device=device,
            )  # fmt: skip
            parts = [block[0].reshape(len(start), -1) for block in flow.blocks.values()]
            return np.concatenate([part.cpu().numpy() for part in parts], axis=1)

        return solve

    return make


def _bare_heyoka(case: FlowCase, t: int) -> Solve:
    """heyoka's batch mode alone: a loop over groups of instances, no error estimate."""
    from theorytest.search.entrywise import values_of
    from theorytest.search.loss_batch import stack
    from theorytest.search.taylor_batch import compiled

    _, base, pattern = values_of(stack(case.loss, case.model.shape), case.model.shape)

    def solve(start: np.ndarray, tolerance: float) -> np.ndarray:
        integrator = compiled(case.model, base, pattern, tolerance)
        state = integrator.state
        lanes = state.shape[1]
        padded = np.resize(start, (-(-len(start) // lanes) * lanes, start.shape[1]))
        columns = np.ascontiguousarray(padded.T)
        found = np.empty_like(columns)
        for first in range(0, len(padded), lanes):
            integrator.set_time(0.0)
            state[:] = columns[:, first : first + lanes]
            integrator.propagate_until(float(t))
            found[:, first : first + lanes] = state
        return found.T[: len(start)]

    return solve


# -- others ------------------------------------------------------------------------------------------------------------


def _diffrax(solver: str) -> Callable[[FlowCase, int], Solve]:
    def make(case: FlowCase, t: int) -> Solve:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ.setdefault("XLA_FLAGS", flags)  # read when jax starts
        jax, diffrax = import_module("jax"), import_module("diffrax")
        jax.config.update("jax_enable_x64", True)
        target, mask = (jax.numpy.array(values) for values in case.data)
        term = diffrax.ODETerm(lambda _, x, args: case.field(jax.numpy, x, target, mask))

        def one(x: Any, tolerance: Any) -> Any:
            control = diffrax.PIDController(rtol=tolerance, atol=tolerance)
            solution = diffrax.diffeqsolve(
                term, getattr(diffrax, solver)(), 0.0, float(t), None, x, stepsize_controller=control,
                max_steps=1_000_000, saveat=diffrax.SaveAt(t1=True),
            )  # fmt: skip
            return solution.ys[0]

        many = jax.jit(jax.vmap(one, in_axes=(0, None)))
        return lambda start, tolerance: np.asarray(many(start, tolerance).block_until_ready())

    return make


def _torchdiffeq(solver: str) -> Callable[[FlowCase, int], Solve]:
    def make(case: FlowCase, t: int) -> Solve:
        torch, torchdiffeq = import_module("torch"), import_module("torchdiffeq")
        target, mask = (torch.from_numpy(values) for values in case.data)
        times = torch.tensor([0.0, float(t)], dtype=torch.float64)

        def solve(start: np.ndarray, tolerance: float) -> np.ndarray:
            with torch.no_grad():
                found = torchdiffeq.odeint(
                    lambda _, x: case.field(torch, x, target, mask), torch.from_numpy(start), times,
                    rtol=tolerance, atol=tolerance, method=solver,
                )  # fmt: skip
            return found[-1].numpy()

        return solve

    return make


def _torchode(case: FlowCase, t: int) -> Solve:
    torch, torchode = import_module("torch"), import_module("torchode")
    target, mask = (torch.from_numpy(values) for values in case.data)
    term = torchode.ODETerm(lambda _, x: case.field(torch, x, target, mask))

    def solve(start: np.ndarray, tolerance: float) -> np.ndarray:
        control = torchode.IntegralController(atol=tolerance, rtol=tolerance, term=term)
        solver = torchode.AutoDiffAdjoint(torchode.Tsit5(term=term), control)
        times = torch.tensor([0.0, float(t)], dtype=torch.float64).repeat(len(start), 1)
        with torch.no_grad():
            found = solver.solve(torchode.InitialValueProblem(y0=torch.from_numpy(start), t_eval=times))
        return found.ys[:, -1].numpy()

    return solve


def _scipy(case: FlowCase, t: int) -> Solve:
    integrate = import_module("scipy.integrate")
    target, mask = case.data

    def solve(start: np.ndarray, tolerance: float) -> np.ndarray:
        def run(x: np.ndarray) -> np.ndarray:
            found = integrate.solve_ivp(
                lambda _, y: case.field(np, y, target, mask), (0.0, float(t)), x, method="DOP853", rtol=tolerance,
                atol=tolerance,
            )  # fmt: skip
            return found.y[:, -1]

        return np.stack([run(x) for x in start])

    return solve


def flow_methods(device: str) -> tuple[FlowMethod, ...]:
    """Everybody on cpu; on another device the torch engine alone."""
    if device != "cpu":
        return (
            FlowMethod("theorytest, torch engine, with error estimate", (), ours("torch", twice=True, device=device),
                       estimates=True),
            FlowMethod("theorytest, torch engine", (), ours("torch", twice=False, device=device)),
            FlowMethod("theorytest, torch engine, fused steps", (), ours("fused", twice=False, device=device)),
        )  # fmt: skip
    return (
        FlowMethod("theorytest, torch engine", (), ours("torch", twice=False)),
        FlowMethod("theorytest, torch engine, fused steps", (), ours("fused", twice=False)),
        FlowMethod("theorytest, torch engine, with error estimate", (), ours("torch", twice=True), estimates=True),
        FlowMethod("theorytest, compiled engine", (), ours("compiled", twice=False)),
        FlowMethod("theorytest, heyoka engine", ("heyoka",), ours("heyoka", twice=False)),
        FlowMethod("theorytest, automatic engine", (), ours("auto", twice=False)),
        FlowMethod("theorytest, automatic engine, with error estimate", (), ours("auto", twice=True), estimates=True),
        FlowMethod("heyoka, batch mode", ("heyoka",), _bare_heyoka),
        FlowMethod("diffrax, Tsit5", ("diffrax", "jax"), _diffrax("Tsit5")),
        FlowMethod("diffrax, Dopri8", ("diffrax", "jax"), _diffrax("Dopri8")),
        FlowMethod("torchdiffeq, dopri5", ("torchdiffeq",), _torchdiffeq("dopri5")),
        FlowMethod("torchdiffeq, dopri8", ("torchdiffeq",), _torchdiffeq("dopri8")),
        FlowMethod("torchode, Tsit5", ("torchode",), _torchode),
        FlowMethod("scipy, DOP853", ("scipy",), _scipy, most=16),
    )
