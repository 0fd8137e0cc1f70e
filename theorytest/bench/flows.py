"""`theorytest bench flows`: batches of gradient flows in float64, ours and others', at equal achieved error.

For every method the loosest tolerance is taken with which the largest error of a sample of instances, relative to the
instance's largest parameter, is at most the target; that tolerance is then timed on the whole batch. The reference is
our torch engine with tolerance 1e-12 and its error estimate, which is below the target by far or the run says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.bench.flow_cases import FlowCase, cp_case, main_cases, matrix_case
from theorytest.bench.flow_methods import FlowMethod, Solve, flow_methods, ours
from theorytest.bench.measure import INSTALL, environment, installed, loosest, timed
from theorytest.errors import InputError
from theorytest.search.native import compiler

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCES = tuple(10.0 ** (-k / 2) for k in range(8, 28))
Progress = Callable[[int, int, str], None] | None


def run(
    *,
    batch: int = 4096,
    t: int = 10,
    target: float = 1e-9,
    sample: int = 64,
    repeats: int = 5,
    seconds: float = 10.0,
    device: str = "cpu",
    seed: int = 0,
    growth: bool = True,
    cases: Sequence[FlowCase] | None = None,
    progress: Progress = None,
) -> dict[str, Any]:
    """All methods on all cases, and how the cost of ours grows. See `theorytest bench flows --help`.

    seconds: what the repeats of one method may take; a method that needs more for one run of the batch is timed on
    fewer instances, which the result states. Raises `InputError` for sizes that are not positive and a missing device.
    """
    import torch

    if min(batch, t, sample, repeats) < 1 or seconds <= 0 or not 1e-12 <= target < 1:
        raise InputError(
            f"given batch={batch}, t={t}, sample={sample}, repeats={repeats}, seconds={seconds}, target={target}, "
            "needed whole numbers from 1, seconds > 0 and 1e-12 <= target < 1"
        )
    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"given device={device}, needed a CUDA device that torch can see: use --device cpu")
    chosen = main_cases() if cases is None else cases
    methods = flow_methods(device)
    total, done, rows = len(chosen) * len(methods), 0, []
    with _one_thread():
        for case in chosen:
            start = case.starts(batch, seed)
            sampled = start[:sample]
            exact, estimate = _reference(case, t, sampled)
            found = []
            for method in methods:
                if progress is not None:
                    progress(done, total, f"{case.name}: {method.name}")
                done += 1
                found.append(_measure(method, case, t, start, exact, target, repeats, seconds))
            rows.append(
                {
                    "case": case.name,
                    "parameters": case.model.parameters,
                    "deviation": case.deviation,
                    "t": t,
                    "batch": batch,
                    "target": target,
                    "sample": len(sampled),
                    "reference_error": estimate,
                    "methods": found,
                }
            )
        grown = _growth(seed, repeats, seconds, progress) if growth and device == "cpu" else []
    skipped = [] if device != "cpu" or torch.cuda.is_available() else [
        "cuda: torch sees no CUDA device here; where there is one: theorytest bench flows --device cuda --batch 1000000"
    ]  # fmt: skip
    return {"environment": environment(), "device": device, "cases": rows, "growth": grown, "skipped": skipped}


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch on one thread, as all others are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reference(case: FlowCase, t: int, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Ends to some 13 digits, and the largest estimated relative error of the less accurate of the two runs."""
    from theorytest.search.flows import integrate_batch

    flow = integrate_batch(case.model, case.loss, case.blocks(start), [t], rtol=1e-12, engine="torch")
    found = np.concatenate([block[0].reshape(len(start), -1).numpy() for block in flow.blocks.values()], axis=1)
    return found, float((flow.error[0].numpy() / np.abs(found).max(1)).max())


def relative_errors(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Of every instance, the largest error of a parameter against its largest parameter; inf where it is not finite."""
    errors = np.abs(found - exact).max(1) / np.abs(exact).max(1)
    return np.where(np.isfinite(errors), errors, np.inf)


def _measure(
    method: FlowMethod,
    case: FlowCase,
    t: int,
    start: np.ndarray,
    exact: np.ndarray,
    target: float,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    versions = installed(method.packages)
    told: dict[str, Any] = {"method": method.name, "estimates_its_error": method.estimates}
    if versions is None:
        return {**told, "missing": f"not installed: {INSTALL}"}
    few = start[: min(len(exact), method.most)]
    begin = time.perf_counter()
    solve = method.make(case, t)
    try:
        solve(few, target)
    except InputError as error:
        return {**told, "missing": str(error)}
    first = time.perf_counter() - begin
    _, alone = timed(lambda: solve(few, target), 1)
    found = loosest(TOLERANCES, lambda tol: float(relative_errors(solve(few, tol), exact[: len(few)]).max()), target)
    told |= {"versions": versions, "compile_seconds": round(max(0.0, first - alone.wall[0]), 3)}
    if found is None:
        return {**told, "missing": f"no tolerance of {TOLERANCES[0]:g} to {TOLERANCES[-1]:g} achieves {target:g}"}
    tolerance, _ = found
    return {**told, "tolerance": tolerance, **_rate(solve, tolerance, start, exact, method.most, repeats, seconds)}


def _rate(
    solve: Solve, tolerance: float, start: np.ndarray, exact: np.ndarray, most: int, repeats: int, seconds: float
) -> dict[str, Any]:
    """Time of the batch, or of as much of it as fits, with the error achieved."""
    size = min(len(exact), most, len(start))
    solve(start[:size], tolerance)  # compile, where that depends on the tolerance
    _, timing = timed(lambda: solve(start[:size], tolerance), 1)
    room = max(size, int(size * seconds / repeats / max(timing.wall[0], 1e-9)))
    size = len(start) if room >= len(start) else 1 << int(math.log2(room))
    size = max(1, min(size, most, len(start)))
    compiled = time.perf_counter()
    solve(start[:size], tolerance)
    compiled = time.perf_counter() - compiled
    result, timing = timed(lambda: solve(start[:size], tolerance), repeats, seconds=seconds)
    both = min(size, len(exact))
    errors = relative_errors(result[:both], exact[:both])
    return {
        "batch": size,
        "largest_error": float(errors.max()),
        "median_error": float(np.median(errors)),
        "seconds": timing.to_json(),
        "first_call_seconds": round(compiled, 6),
        "per_second": round(size / timing.median, 3),
    }


# -- growth ------------------------------------------------------------------------------------------------------------


def _growth(seed: int, repeats: int, seconds: float, progress: Progress) -> list[dict[str, Any]]:
    """How the cost of our engines grows with the batch, the time, the number of parameters, and the accuracy."""
    engines = ["torch", *(["compiled"] if compiler() else []), *(["heyoka"] if installed(("heyoka",)) else [])]
    base, rows = matrix_case(3, 0.3), []
    plan: list[tuple[str, FlowCase, int, int, float]] = []
    plan += [("batch", base, 10, batch, 1e-9) for batch in (1, 16, 256, 4096)]
    plan += [("time", base, t, 256, 1e-9) for t in (1, 10, 100)]
    plan += [("parameters", case, 10, 64, 1e-9) for case in (
        matrix_case(2, 0.3), base, matrix_case(4, 0.3), cp_case(2, 2, 0.2), cp_case(3, 4, 0.2), cp_case(4, 8, 0.2),
    )]  # fmt: skip
    plan += [("tolerance", base, 10, 256, tolerance) for tolerance in (1e-5, 1e-7, 1e-9, 1e-11, 1e-13)]
    for place, (what, case, t, batch, tolerance) in enumerate(plan):
        if progress is not None:
            progress(place, len(plan), f"growth with the {what}: {case.name}, t = {t}, batch {batch}")
        start = case.starts(batch, seed)
        row: dict[str, Any] = {"with": what, "case": case.name, "parameters": case.model.parameters, "t": t}
        row |= {"batch": batch, "tolerance": tolerance, "per_second": {}}
        for engine in engines:
            solve = ours(engine, twice=True)(case, t)
            solve(start[:4], tolerance)
            _, timing = timed(lambda s=solve, x=start, tol=tolerance: s(x, tol), min(repeats, 3), seconds=seconds / 2)
            row["per_second"][engine] = round(batch / timing.median, 3)
        rows.append(row)
    return rows
