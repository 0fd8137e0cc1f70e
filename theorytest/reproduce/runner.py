"""Computes figures: their parts in one process or several, kept on disk as they are done, then comparison and plot.

Every finished part is one npz file, under a name that has the digest of all that it depends on (function, arguments,
device, dtype, sources); a part whose file is there is not computed again. An unfinished part has a state file (see
`theorytest.reproduce.engine`). Killing a run at any moment therefore loses at most what was done since the last state,
and the same command goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from theorytest.errors import InputError
from theorytest.reproduce.comparison import markdown, page
from theorytest.reproduce.engine import Arrays, Context, as_json, dumps, read_arrays, write_arrays
from theorytest.reproduce.figure import FIGURES, Figure, Options, Part, Report, figure
from theorytest.verification import one_thread, require

Progress = Callable[[int, int, str], None]
PARTS = "parts"
NOT_COMPUTING = ("bench.py", "comparison.py", "figure.py", "runner.py", "table.py")  # their text changes no number
_START = "import sys; sys.path[:] = {path!r}; from theorytest.reproduce.runner import main; main()"


@dataclass(frozen=True)
class Made:
    """A figure that was made: its report, the files written, the seconds that its parts took, and notes."""

    id: str
    title: str
    report: Report
    files: tuple[Path, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but the arrays and the drawing."""
        return as_json(
            {
                "id": self.id,
                "title": self.title,
                "configuration": self.report.configuration,
                "facts": [{**asdict(fact), "verdict": fact.verdict} for fact in self.report.facts],
                "theorems": [asdict(agreement) for agreement in self.report.agreements],
                "remarks": [*self.report.remarks, *self.notes],
                "files": [str(path) for path in self.files],
                "seconds": round(self.seconds, 1),
            }
        )


def reproduce(
    ids: Sequence[str],
    *,
    profile: str = "quick",
    device: str = "cpu",
    dtype: str = "float64",
    seed: int = 0,
    target: str | Path | None = None,
    data: str | Path | None = None,
    out: str | Path = "reproduction",
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Made]:
    """Make figures and tables of the papers, each as soon as its parts are there.

    ids: of `FIGURES`, or "all"; target: an npz file with the ground truth (array "target", else its first array) for
    the figures that complete a tensor; data: a folder of IDX files (MNIST or Fashion-MNIST, plain or .gz) for
    RMC21-Fig4; out: folder of the results, and of the parts from which an interrupted run goes on; workers: processes
    (1: this one). Of "all", figures that need a package that is not there are left out (see `left_out`). Raises
    `InputError` for bad options.
    """
    require(profile=profile, seed=seed, device=device)
    if dtype not in ("float64", "float32"):
        raise InputError(f"given dtype={dtype!r}, needed float64 or float32")
    if type(workers) is not int or workers < 1:
        raise InputError(f"the number of workers must be an integer from 1, given {workers!r}")
    for what, path, needed in (("--target", target, Path.is_file), ("--data", data, Path.is_dir)):
        if path is not None and not needed(Path(path)):
            kind = "an npz file" if what == "--target" else "a folder of IDX files"
            raise InputError(f"given {what} {path}, needed {kind} that is there")
    names = list(FIGURES) if "all" in ids else list(dict.fromkeys(ids))
    if not names:
        raise InputError("given no figure, needed 'all' or ids: theorytest reproduce list shows them")
    options = Options(
        profile,
        seed,
        None if target is None else str(Path(target).resolve()),
        None if data is None else str(Path(data).resolve()),
    )
    figures = [figure(name) for name in names]
    if "all" in ids:
        figures = [entry for entry in figures if not entry.missing(options)]
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"given --out {out}, needed a folder that can be written: {error.strerror}") from None
    common = {"device": device, "dtype": dtype}
    plan = {entry.id: [(part, _place(folder, part, common)) for part in entry.parts(options)] for entry in figures}
    todo = {path: part for parts in plan.values() for part, path in parts}
    seconds: dict[Path, float] = {}
    missing = [(part, path) for path, part in todo.items() if read_arrays(path) is None]
    missing.sort(key=lambda item: -item[0].cost)
    waiting = dict(plan)
    total = len(todo)

    def ready() -> Iterator[Made]:
        for entry in figures:
            parts = waiting.get(entry.id)
            if parts is not None and all(path not in pending for _, path in parts):
                del waiting[entry.id]
                yield _finish(entry, parts, options, folder, sum(seconds.get(path, 0.0) for _, path in parts), common)

    pending = {path for _, path in missing}
    yield from ready()
    if not missing:
        return

    def tell(part: Part, fraction: float) -> None:
        if progress is not None:
            progress(total - len(pending), total, f"{part.name} {fraction:.0%}")

    with _Pool(min(workers, len(missing)), common) as compute:
        for path, spent in compute(missing, tell):
            seconds[path] = spent
            pending.discard(path)
            yield from ready()


def left_out(ids: Sequence[str], data: str | Path | None = None) -> dict[str, str]:
    """The figures of "all" that cannot be made here, and why."""
    options = Options(data=None if data is None else str(data))
    reasons = {name: figure(name).missing(options) for name in FIGURES} if "all" in ids else {}
    return {name: reason for name, reason in reasons.items() if reason}


@cache
def _sources(module: str) -> str:
    """Digest of what a part is computed with: the machinery here, its figure's module, the models, torch's version."""
    import torch

    here = Path(__file__).parent
    held = hashlib.sha256(torch.__version__.encode())
    shared = [path for path in here.glob("*.py") if path.name not in NOT_COMPUTING]
    for path in sorted([*shared, here / "figures" / f"{module}.py", *(here.parent / "models").glob("*.py")]):
        held.update(path.read_bytes())
    return held.hexdigest()


def _place(folder: Path, part: Part, common: Mapping[str, str]) -> Path:
    """The file of a part: what it depends on is in the name."""
    arguments = {
        name: [value, Path(value).stat().st_mtime_ns if value else None] if name in ("target", "data") else value
        for name, value in part.arguments.items()
    }
    said = dumps([part.function, arguments, common, _sources(part.function.partition(":")[0])])
    return folder / PARTS / f"{part.name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}.npz"


def compute_part(part: Part, path: Path, common: Mapping[str, str], report: Callable[[float], None]) -> float:
    """Compute a part and keep it; returns the seconds. Its state file is removed when the result is there."""
    began = time.monotonic()
    module, _, name = part.function.partition(":")
    function = getattr(import_module(f"theorytest.reproduce.figures.{module}"), name)
    state = path.with_suffix(".state.npz")
    made: Arrays = function(Context(state, common["device"], common["dtype"], report), **part.arguments)
    write_arrays(path, made)
    for pattern in (f"{path.stem}.state*", f".{path.stem}.*.new"):
        for old in path.parent.glob(pattern):
            old.unlink(missing_ok=True)
    return time.monotonic() - began


def _finish(
    entry: Figure,
    parts: Sequence[tuple[Part, Path]],
    options: Options,
    folder: Path,
    seconds: float,
    common: Mapping[str, str],
) -> Made:
    """Compare, draw, and write the files of a figure."""
    held = {part.name: read_arrays(path) or {} for part, path in parts}
    report = entry.report(held, options)
    configuration = {"profile": options.profile, "seed": options.seed, **common, **report.configuration}
    report = replace(report, configuration=configuration)
    place = folder / entry.id
    place.mkdir(parents=True, exist_ok=True)
    write_arrays(place / "data.npz", report.data)
    files = [place / "data.npz"]
    notes: list[str] = []
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        notes.append("no plot: matplotlib is not installed (pip install 'theorytest[plots]')")
    else:
        canvas = Canvas(layout="constrained")
        FigureCanvasAgg(canvas)
        report.draw(canvas)
        canvas.savefig(place / "plot.png", dpi=150)
        files.append(place / "plot.png")
    _write_text(place / "comparison.md", markdown(entry.id, entry.title, report, seconds))
    files += [place / "comparison.md", place / "result.json"]
    made = Made(entry.id, entry.title, report, tuple(files), seconds, tuple(notes))
    _write_text(place / "result.json", json.dumps(made.to_json(), indent=1, ensure_ascii=False) + "\n")
    _write_text(folder / "comparison.md", page(folder))
    return made


def _write_text(path: Path, text: str) -> None:
    """Write a file in one move."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


# -- processes -------------------------------------------------------------------------------------------------------

Tell = Callable[[Part, float], None]


class _Pool:
    """Some worker processes (or this one) that compute parts. Leaving it ends them, whatever they are doing."""

    def __init__(self, workers: int, common: Mapping[str, str]) -> None:
        self.common = dict(common)
        self.processes: list[subprocess.Popen[bytes]] = []
        if workers > 1:
            command = [sys.executable, "-c", _START.format(path=list(sys.path))]
            environment = {**os.environ, "PYTHONUTF8": "1"}
            self.processes = [
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
                for _ in range(workers)
            ]

    def __enter__(self) -> Callable[[list[tuple[Part, Path]], Tell], Iterator[tuple[Path, float]]]:
        return self._here if not self.processes else self._there

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _here(self, parts: list[tuple[Part, Path]], tell: Tell) -> Iterator[tuple[Path, float]]:
        for part, path in parts:
            yield path, compute_part(part, path, self.common, lambda fraction, part=part: tell(part, fraction))

    def _there(self, parts: list[tuple[Part, Path]], tell: Tell) -> Iterator[tuple[Path, float]]:
        waiting: queue.SimpleQueue[tuple[Part, Path]] = queue.SimpleQueue()
        for item in parts:
            waiting.put(item)
        answers: queue.SimpleQueue[tuple[Part, Path, Any]] = queue.SimpleQueue()
        for process in self.processes:
            threading.Thread(target=self._feed, args=(process, waiting, answers), daemon=True).start()
        left = len(parts)
        while left:
            part, path, answer = answers.get()
            if isinstance(answer, str):
                raise InputError(answer)
            if "fraction" in answer:
                tell(part, answer["fraction"])
            else:
                left -= 1
                yield path, answer["seconds"]

    def _feed(
        self,
        process: subprocess.Popen[bytes],
        waiting: queue.SimpleQueue[tuple[Part, Path]],
        answers: queue.SimpleQueue[tuple[Part, Path, Any]],
    ) -> None:
        assert process.stdin is not None and process.stdout is not None
        while True:
            try:
                part, path = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                process.stdin.write(json.dumps([asdict(part), str(path), self.common]).encode() + b"\n")
                process.stdin.flush()
                for line in process.stdout:
                    answer = json.loads(line)
                    answers.put((part, path, answer if isinstance(answer, dict) else str(answer)))
                    if not isinstance(answer, dict) or "seconds" in answer:
                        break
                else:
                    raise OSError
            except (OSError, ValueError):
                code = process.wait()
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                text = (
                    f"{part.name}: the process that computed it {how}; run the same command again to go on from there"
                )
                answers.put((part, path, text))
                return


def main() -> None:
    """A worker: each line of standard input is a part; each line of the answer progress, seconds or an error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    import torch  # noqa: F401  (before one_thread, which tells it)

    one_thread()
    said = 0.0

    def report(fraction: float) -> None:
        nonlocal said
        if time.monotonic() - said > 0.5:
            said = time.monotonic()
            say({"fraction": fraction})

    try:
        for line in sys.stdin:
            given, path, common = json.loads(line)
            try:
                say({"seconds": compute_part(Part(**given), Path(path), common, report)})
            except InputError as error:
                say(str(error))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)


__all__ = ["Made", "compute_part", "left_out", "reproduce"]
