"""Worker processes: each loads the proof files itself and answers labels with JSON, one line each.

Only text passes between processes, so that nothing depends on how they were started: no pickling, no fork of a process
that holds threads, and no import of the user's main module.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError

if TYPE_CHECKING:
    from theorytest.authoring import Run

_START = "import sys; sys.path[:] = {path!r}; from theorytest.worker import main; main()"


class Pool:
    """Some worker processes for one run. Use it in a ``with`` statement: leaving it ends them."""

    def __init__(self, files: Sequence[str], selected: Sequence[str], run: Run, workers: int) -> None:
        task = {
            "files": list(files),
            "selected": list(selected),
            "run": [run.profile, run.seed, run.device, run.seconds],
        }
        self._processes = [_start() for _ in range(workers)]
        for process in self._processes:
            _send(process, task)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            _end(process)

    def results(self, labels: Sequence[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """What the check of each label returns, in the order in which they are done."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for label in labels:
            waiting.put(label)
        ready: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        for process in self._processes:
            threading.Thread(target=_feed, args=(process, waiting, ready), daemon=True).start()
        for _ in labels:
            label, answer = ready.get()
            if isinstance(answer, str):
                raise InputError(answer)
            yield label, answer


LOADING = 60.0  # seconds that a file may take to be imported
GRACE = 10.0  # seconds beyond its budget after which a conjecture is given up


def decisions(file: str, name: str, run: Run) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Decide the conjectures of a file (or the statement of that name) one after the other in a process of their own.

    Yields what each check returns, and how many there are in all. A process that does not answer within the budget (a
    function of the author's that never returns, say) is killed, and its conjecture is left undecided. Raises
    `InputError` for a file that cannot be loaded, or is not loaded within a minute.
    """
    task = {"files": [file], "selected": None, "name": name, "run": [run.profile, run.seed, run.device, run.seconds]}
    waiting: list[dict[str, Any]] | None = None
    while waiting is None or waiting:
        with _process() as process:
            _send(process, task)
            listed = _answer(process, LOADING)
            if listed is None:
                raise InputError(f"{file} was not loaded within {LOADING:.0f} s: does its top level wait or compute?")
            if isinstance(listed, str):
                raise InputError(listed)
            if waiting is None:
                waiting = listed
            total = len(listed)
            while waiting:
                asked = waiting.pop(0)
                _send(process, asked["label"])
                answer = _answer(process, run.seconds + GRACE)
                if isinstance(answer, str):
                    raise InputError(answer)
                if answer is not None:
                    yield answer, total
                    continue
                why = f"a function in {os.path.basename(file)} does not return, or more time is needed"
                asked["entry"]["reason"] = f"nothing came back within {run.seconds:g} s: {why}"
                yield [asked], total
                break  # this process is lost; the next one goes on


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _START.format(path=list(sys.path))]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


@contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    process = _start()
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _answer(process: subprocess.Popen[bytes], seconds: float) -> Any:
    """The next line of a process as data; None where there is none in time."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    assert process.stdout is not None
    threading.Thread(target=lambda stream=process.stdout: lines.put(stream.readline()), daemon=True).start()
    try:
        return json.loads(lines.get(timeout=seconds))
    except (queue.Empty, ValueError):
        return None


def _send(process: subprocess.Popen[bytes], data: Any) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(data).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        pass  # it has ended: reading its answer says so


def _feed(
    process: subprocess.Popen[bytes], waiting: queue.SimpleQueue[str], ready: queue.SimpleQueue[tuple[str, Any]]
) -> None:
    assert process.stdout is not None
    while True:
        try:
            label = waiting.get_nowait()
        except queue.Empty:
            return
        _send(process, label)
        try:
            line = process.stdout.readline()
            answer = json.loads(line) if line else None
        except ValueError:
            answer = None
        if answer is None:
            code = process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            ready.put((label, f"{label}: the process that checked it {how}; verify it alone with --workers 1"))
            return
        ready.put((label, answer))


def main() -> None:
    """Serve: the first line of standard input is the task, each further one a label; each answer is one line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever an author's function prints must not get among the answers
    try:
        _serve(answers)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)


def _serve(answers: Any) -> None:
    from theorytest.verification import Checker, one_thread

    one_thread()
    task = json.loads(sys.stdin.readline())
    from pathlib import Path

    from theorytest import loader
    from theorytest.authoring import Run

    found: Any
    checker, failed = None, ""
    try:
        library = loader.load_files([Path(f) for f in task["files"]])
        checker = Checker(library, Run(*task["run"]))
        for label, entry in library.entries.items():
            entry.selected = label in task["selected"] if task["selected"] is not None else entry.selected
        if task["selected"] is None:
            answers.write(json.dumps(checker.conjectures(task["name"])) + "\n")
            answers.flush()
    except InputError as error:  # a file was edited since the main process read it
        failed = str(error)
        if task["selected"] is None:
            answers.write(json.dumps(failed) + "\n")
            answers.flush()
    for line in sys.stdin:
        try:
            found = checker.check(json.loads(line)) if checker is not None else failed
        except InputError as error:
            found = str(error)
        answers.write(json.dumps(found) + "\n")
        answers.flush()
