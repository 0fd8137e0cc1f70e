"""Many training runs at once, with records, stopping, checkpoints and resumption.

A `Dynamics` holds a batch of runs (members) as tensors whose first axis counts the members, and moves all of them by
some steps of its update rule. `run` does the rest: it measures at the steps asked for, takes out the members whose loss
has fallen below the threshold (or that have diverged), and writes its whole state to one file from time to time. The
file is replaced in one move, so that a run killed at any moment goes on from the last state written, and ends with the
same numbers as a run that was never killed.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Arrays = dict[str, np.ndarray]
CONVERGED, RUNNING, DIVERGED = 1, 0, -1  # how a member ended: below the threshold, out of steps, not finite


class Dynamics(Protocol):
    """A batch of runs. Every tensor has the members on its first axis."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that changes as training goes on; the same names every time."""
        ...

    def load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on from what `tensors` gave after so many steps."""
        ...

    def advance(self, steps: int) -> None:
        """Take so many steps."""
        ...

    def losses(self) -> torch.Tensor:
        """The loss of every member, (members,)."""
        ...

    def measure(self) -> dict[str, torch.Tensor]:
        """What is recorded of every member, (members, ...)."""
        ...

    def keep(self, members: torch.Tensor) -> None:
        """Drop all but these members (positions in the present batch)."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long to train and what to record.

    steps: the most steps; marks: the steps at which everything is measured, 0 and the last among them if wanted; stop:
    a member ends when its loss is below this (None: never); check: how often that is looked at, in steps; patience: at
    how many checks in a row it has to be below.
    """

    steps: int
    marks: tuple[int, ...]
    stop: float | None = None
    check: int = 50
    patience: int = 1

    def stops(self) -> Iterator[int]:
        """All steps at which something is looked at, increasing, ending with the last."""
        marks = sorted({mark for mark in self.marks if mark <= self.steps} | {self.steps})
        position, checks = 0, 0
        for mark in marks:
            while self.stop is not None and checks < mark:
                if checks > position:
                    yield checks
                checks += self.check
            position = mark
            yield mark
            if checks == mark:
                checks += self.check


def even_marks(steps: int, count: int) -> tuple[int, ...]:
    """About ``count`` steps, evenly apart, from 0 to the last."""
    return tuple(sorted({round(k * steps / count) for k in range(count + 1)}))


def geometric_marks(steps: int, count: int, first: int = 1) -> tuple[int, ...]:
    """0 and about ``count`` steps in geometric progression from ``first`` to the last."""
    return tuple(sorted({0, *(round(first * (steps / first) ** (k / count)) for k in range(count + 1))}))


@dataclass(frozen=True)
class History:
    """What a batch of runs did.

    steps: (records,); series: name -> (records, members, ...), nan after a member has ended; end: name -> (members,
    ...), the same quantities when the member ended; tensors: name -> (members, ...), its state then; ended: (members,),
    the step; status: (members,), `CONVERGED`, `RUNNING` (out of steps) or `DIVERGED`.
    """

    steps: np.ndarray
    series: Arrays
    end: Arrays
    tensors: Arrays
    ended: np.ndarray
    status: np.ndarray

    def arrays(self, *, tensors: Sequence[str] = ()) -> Arrays:
        """One flat dictionary for an npz file, with the named final tensors."""
        return {
            "steps": self.steps,
            "ended": self.ended,
            "status": self.status,
            **{f"series/{name}": values for name, values in self.series.items()},
            **{f"end/{name}": values for name, values in self.end.items()},
            **{f"final/{name}": self.tensors[name] for name in tensors},
        }


@dataclass
class Context:
    """Where and how a part is computed.

    checkpoint: the file of its state, or None; device, dtype: of the tensors ("cpu" or "cuda"; "float64" or
    "float32"); report: called with the fraction done; every: seconds between two states written.
    """

    checkpoint: Path | None = None
    device: str = "cpu"
    dtype: str = "float64"
    report: Callable[[float], None] = field(default=lambda fraction: None)
    every: float = 20.0

    def tensor(self, values: Any) -> torch.Tensor:
        """Numbers as a tensor of the context's kind, on its device."""
        import torch

        kind = {"float64": torch.float64, "float32": torch.float32}[self.dtype]
        return torch.as_tensor(np.asarray(values), dtype=kind, device=self.device)

    def stage(self, name: str) -> Context:
        """The context of one of several runs in a part: a state file of its own."""
        path = None if self.checkpoint is None else self.checkpoint.with_name(f"{self.checkpoint.stem}.{name}.npz")
        return Context(path, self.device, self.dtype, self.report, self.every)


# -- files that are there whole or not at all ------------------------------------------------------------------------


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz file in one move: a reader sees the old file or the new one, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as stream:
            held: dict[str, Any] = {name: np.asarray(values) for name, values in arrays.items()}
            np.savez(stream, **held)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


def read_arrays(path: Path | None) -> Arrays | None:
    """The arrays of an npz file, or None where there is none that can be read."""
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


# -- running ---------------------------------------------------------------------------------------------------------


class _Records:
    """Rows of measurements, and the last ones of every member; all of it goes into the state."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.steps: list[int] = []
        self.rows: dict[str, list[np.ndarray]] = {}
        self.end: Arrays = {}
        self.final: Arrays = {}
        self.below = np.zeros(members, dtype=np.int64)  # checks in a row below the threshold
        self.ended = np.zeros(members, dtype=np.int64)
        self.status = np.zeros(members, dtype=np.int64)

    def _spread(self, values: torch.Tensor, active: np.ndarray) -> np.ndarray:
        there = values.detach().cpu().numpy()
        made = np.full((self.members, *there.shape[1:]), np.nan, dtype=there.dtype)
        made[active] = there
        return made

    def row(self, step: int, measured: Mapping[str, torch.Tensor], active: np.ndarray) -> None:
        self.steps.append(step)
        for name, values in measured.items():
            self.rows.setdefault(name, []).append(self._spread(values, active))

    def finish(
        self,
        step: int,
        members: np.ndarray,
        places: np.ndarray,
        status: np.ndarray,
        measured: Mapping[str, torch.Tensor],
        tensors: Mapping[str, torch.Tensor],
    ) -> None:
        """Members that end now: ``places`` in the present batch, numbers ``members``."""
        for held, given in ((self.end, measured), (self.final, tensors)):
            for name, values in given.items():
                there = values.detach().cpu().numpy()
                if name not in held:
                    held[name] = np.full((self.members, *there.shape[1:]), np.nan, dtype=there.dtype)
                held[name][members] = there[places]
        self.ended[members] = step
        self.status[members] = status

    def state(self) -> Arrays:
        made: Arrays = {"record/steps": np.array(self.steps), "record/below": self.below}
        made |= {"record/ended": self.ended, "record/status": self.status}
        made |= {f"row/{name}": np.stack(rows) for name, rows in self.rows.items()}
        made |= {f"end/{name}": values for name, values in self.end.items()}
        return made | {f"final/{name}": values for name, values in self.final.items()}

    def load(self, state: Arrays) -> None:
        self.steps = state["record/steps"].tolist()
        self.below, self.ended, self.status = (state[f"record/{name}"] for name in ("below", "ended", "status"))
        for name, values in state.items():
            kind, _, rest = name.partition("/")
            if kind == "row":
                self.rows[rest] = list(values)
            elif kind in ("end", "final"):
                (self.end if kind == "end" else self.final)[rest] = values

    def history(self) -> History:
        series = {name: np.stack(rows) for name, rows in self.rows.items()}
        return History(np.array(self.steps), series, self.end, self.final, self.ended, self.status)


def run(dynamics: Dynamics, members: int, plan: Plan, context: Context) -> History:
    """Train a batch to the end of the plan, going on from the context's state file where there is one.

    A member ends when its loss is below ``plan.stop`` at ``plan.patience`` checks in a row, when it is not finite, or
    after ``plan.steps`` steps. The state file stays; whoever keeps the result removes it. Not rigorous: floating point.
    """
    import torch

    records = _Records(members)
    active = np.arange(members)
    step = 0
    state = read_arrays(context.checkpoint)
    if state is not None:
        step, active = int(state["at/step"]), state["at/active"]
        records.load(state)
        dynamics.keep(torch.as_tensor(active, device=context.device))
        held = {name[len("now/") :]: values for name, values in state.items() if name.startswith("now/")}
        dynamics.load({name: torch.as_tensor(values, device=context.device) for name, values in held.items()}, step)
    marks = set(plan.marks)
    first, saved = step, time.monotonic()
    for stop in plan.stops():
        if not len(active):
            break
        if stop < first or (stop == first and state is not None):
            continue
        dynamics.advance(stop - step)
        step = stop
        losses = dynamics.losses().detach().cpu().numpy()
        status = np.where(np.isfinite(losses), RUNNING, DIVERGED)
        if plan.stop is not None and (step % plan.check == 0 or step == plan.steps):
            records.below[active] = np.where(losses < plan.stop, records.below[active] + 1, 0)
            status = np.where(records.below[active] >= plan.patience, CONVERGED, status)
        ending = (status != RUNNING) | (step == plan.steps)
        measured = dynamics.measure() if step in marks or ending.any() else {}
        if step in marks:
            records.row(step, measured, active)
        if ending.any():
            places = np.flatnonzero(ending)
            records.finish(step, active[places], places, status[places], measured, dynamics.tensors())
            left = np.flatnonzero(~ending)
            dynamics.keep(torch.as_tensor(left, device=context.device))
            active = active[left]
        if context.checkpoint is not None and time.monotonic() - saved > context.every:
            now = {f"now/{name}": values.detach().cpu().numpy() for name, values in dynamics.tensors().items()}
            at = {"at/step": np.array(step), "at/active": active}
            write_arrays(context.checkpoint, {**at, **now, **records.state()})
            saved = time.monotonic()
        context.report(step / plan.steps if len(active) else 1.0)
    return records.history()


def as_json(values: Any) -> Any:
    """Arrays and numpy numbers as plain JSON values; what is not finite becomes None."""
    if isinstance(values, Mapping):
        return {str(name): as_json(entry) for name, entry in values.items()}
    if isinstance(values, (list, tuple)):
        return [as_json(entry) for entry in values]
    if isinstance(values, np.ndarray):
        return as_json(values.tolist())
    if isinstance(values, (np.floating, float)):
        return float(values) if np.isfinite(values) else None
    if isinstance(values, np.bool_):
        return bool(values)
    return int(values) if isinstance(values, np.integer) else values


def dumps(values: Any) -> str:
    """Canonical JSON of `as_json`."""
    return json.dumps(as_json(values), sort_keys=True, ensure_ascii=False)
