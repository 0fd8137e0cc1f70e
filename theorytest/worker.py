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
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError

if TYPE_CHECKING:
    from theorytest.authoring import Run

_START = "import sys; sys.path[:] = {path!r}; from theorytest.worker import main; main()"


class Pool:
    """Some worker processes for one run. Use it in a ``with`` statement: leaving it ends them."""

    def __init__(self, files: Sequence[str], selected: Sequence[str], run: Run, workers: int) -> None:
        task = {"files": list(files), "selected": list(selected), "run": [run.profile, run.seed, run.device, run.seconds]}
        command = [sys.executable, "-c", _START.format(path=list(sys.path))]
        environment = {**os.environ, "PYTHONUTF8": "1"}
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
            for _ in range(workers)
        ]
        for process in self._processes:
            _send(process, task)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

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
        for label, entry in library.entries.items():
            entry.selected = label in task["selected"]
        checker = Checker(library, Run(*task["run"]))
    except InputError as error:  # a file was edited since the main process read it
        failed = str(error)
    for line in sys.stdin:
        try:
            found = checker.check(json.loads(line)) if checker is not None else failed
        except InputError as error:
            found = str(error)
        answers.write(json.dumps(found) + "\n")
        answers.flush()
