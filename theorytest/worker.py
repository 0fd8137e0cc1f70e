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
    """Some worker processes for one run. Use it in a ``with`` statement: leaving it ends them.

    items: part, label and file of every check of the run. Raises `InputError` where the files cannot be loaded.
    """

    def __init__(self, files: Sequence[str], given: str, run: Run, labels: Sequence[str] | None, workers: int) -> None:
        asked = {"files": list(files), "given": given, "labels": labels}
        task = {**asked, "run": [run.profile, run.seed, run.device, run.seconds]}
        self._processes = [_start() for _ in range(workers)]
        try:
            for process in self._processes:
                _send(process, task)
            listed = [self._listed(process) for process in self._processes]
        except BaseException:
            self.__exit__()
            raise
        self.items: list[tuple[str, str, str]] = listed[0]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            _end(process)

    @staticmethod
    def _listed(process: subprocess.Popen[bytes]) -> Any:
        found = _line(process)
        if found is None:
            raise InputError(f"a process that was to load the proof files {_ending(process)}; use --workers 1")
        if isinstance(found, str):
            raise InputError(found)
        return found

    def results(self, checks: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """What each check (file, label) returns, with its label, in the order in which they are done."""
        waiting = _Waiting(checks)
        ready: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        for process in self._processes:
            threading.Thread(target=_feed, args=(process, waiting, ready), daemon=True).start()
        for _ in checks:
            label, answer = ready.get()
            if isinstance(answer, str):
                raise InputError(answer)
            yield label, answer


class _Waiting:
    """The checks that nobody does yet. A worker stays with a file as long as it can, because it keeps what it has
    proved; then it takes the next file, and when there is none, it helps with the last checks of another's."""

    def __init__(self, checks: Sequence[tuple[str, str]]) -> None:
        self._files: dict[str, list[str]] = {}
        for file, label in checks:
            self._files.setdefault(file, []).append(label)
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def take(self, file: str) -> tuple[str, str] | None:
        """The next check (file, label) for a worker that has just done one of the given file; None where all are
        taken."""
        with self._lock:
            left = [name for name, labels in self._files.items() if labels]
            if file not in left:
                file = next((name for name in left if name not in self._taken), "")
            if file:
                self._taken.add(file)
                return file, self._files[file].pop(0)
            return (left[-1], self._files[left[-1]].pop()) if left else None


LOADING = 60.0  # seconds that a file may take to be imported
GRACE = 5.0  # seconds beyond its budget after which a conjecture is given up


def decisions(file: str, name: str, run: Run) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Decide the conjectures of a file (or the statement of that name) one after the other in a process of their own.

    Yields what each check returns, and how many there are in all. A process that does not answer within the budget (a
    function of the author's that never returns, say) is killed, and its conjecture is left undecided. Raises
    `InputError` for a file that cannot be loaded, or is not loaded within a minute.
    """
    task = {"files": [file], "name": name, "run": [run.profile, run.seed, run.device, run.seconds]}
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


def _line(process: subprocess.Popen[bytes]) -> Any:
    """The next line of a process as data; None where it has ended."""
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        return json.loads(line) if line else None
    except ValueError:
        return None


def _ending(process: subprocess.Popen[bytes]) -> str:
    """How a process has ended."""
    code = process.wait()
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _feed(process: subprocess.Popen[bytes], waiting: _Waiting, ready: queue.SimpleQueue[tuple[str, Any]]) -> None:
    file = ""
    while (taken := waiting.take(file)) is not None:
        file, label = taken
        _send(process, label)
        answer = _line(process)
        if answer is None:
            why = f"the process that checked it {_ending(process)}; verify it alone with --workers 1"
            ready.put((label, f"{label}: {why}"))
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
    from theorytest.verification import Checker, chosen_items, one_thread

    one_thread()
    task = json.loads(sys.stdin.readline())
    from pathlib import Path

    from theorytest import loader
    from theorytest.authoring import Run

    def answer(found: Any) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    try:
        library = loader.load_files([Path(f) for f in task["files"]])
        run = Run(*task["run"])
        checker = Checker(library, run)
        if "name" in task:
            answer(checker.conjectures(task["name"]))
        else:
            todo = chosen_items(library, run.profile, task["labels"], given=task["given"])
            answer([[item.part, item.label, item.file] for item in todo])
    except InputError as error:
        answer(str(error))
        return
    for line in sys.stdin:
        try:
            found = checker.check(json.loads(line))
        except InputError as error:
            answer(str(error))
        else:
            answer(found)
