"""The pytest plugin: proof files are collected like test files; each statement, control, piece of evidence is an item.

A ``.py`` file that imports theorytest is collected if it lies under a ``theorytest_paths`` ini entry (default
``proofs``), or if it is named on the command line and states something. pytest loads this module in every run: it
imports the standard library only, and does nothing until it meets such a file. Results travel as JSON text on the
reports, so that workers of pytest-xdist need nothing else; the process that prints the summary writes ledger and
record.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LIBRARY = pytest.StashKey[Any]()
STATE = pytest.StashKey["State"]()
FOLDER = ".theorytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a run, with the plugin's name in front: others have a --profile, too."""
    parser.addini("theorytest_paths", "files and folders of proof files", type="linelist", default=["proofs"])
    group = parser.getgroup("theorytest", "theorytest: statements checked by machine")
    group.addoption("--theorytest-profile", default="quick", choices=("quick", "full"), help="how much evidence")
    group.addoption("--theorytest-seed", default=0, type=int, metavar="N", help="seed of random instances")
    group.addoption("--theorytest-device", default="cpu", choices=("cpu", "cuda"), help="where batched runs go")
    group.addoption("--theorytest-json", default=None, metavar="FILE", help="write the record to FILE, too")


# -- collecting ------------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A proof file becomes a collector."""
    return ProofFile.from_parent(parent, path=file_path) if _is_proof_file(file_path, parent) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A proof file that is no test file is not imported a second time, as a module of tests."""
    if _is_test_file(module_path, parent.config) or not _is_proof_file(module_path, parent):
        return None
    return Nothing.from_parent(parent, path=module_path)


def _is_test_file(path: Path, config: pytest.Config) -> bool:
    return any(fnmatch.fnmatch(path.name, pattern) for pattern in config.getini("python_files"))


def _is_proof_file(path: Path, parent: pytest.Collector) -> bool:
    if path.suffix != ".py" or path.name in ("conftest.py", "setup.py", "__init__.py"):
        return False
    config = parent.config
    folders = [config.rootpath / entry for entry in config.getini("theorytest_paths")]
    listed = any(path == folder or folder in path.parents for folder in folders)
    if not listed and not parent.session.isinitpath(path):
        return False
    if not listed and _is_test_file(path, config):
        return False  # a test of one's own may well make statements
    from theorytest.loader import imports_theorytest, states_something

    return imports_theorytest(path) and (listed or states_something(path))


class Nothing(pytest.File):
    """Stands in for the module of tests that a proof file is not."""

    def collect(self) -> Iterator[pytest.Item]:
        """Nothing."""
        return iter(())


class ProofFile(pytest.File):
    """A proof file: statements, controls and evidence."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each, named by its label."""
        from theorytest import loader, verification

        _require(self.config)
        try:
            library = loader.load_files([self.path])
        except loader.InputError as error:
            raise self.CollectError(str(error)) from error
        profile = _options(self.config)["profile"]
        files = self.config.stash.setdefault(LIBRARY, {})
        files[self.path] = None
        for item in verification.items(library, profile):
            yield Check.from_parent(self, name=item.label, part=item.part)


def _options(config: pytest.Config) -> dict[str, Any]:
    """profile, seed and device."""
    return {name: config.getoption(f"--theorytest-{name}") for name in ("profile", "seed", "device")}


def _require(config: pytest.Config) -> None:
    from theorytest import verification

    verification.one_thread()
    try:
        verification.require(**_options(config))
    except ValueError as error:
        raise pytest.Collector.CollectError(f"theorytest: {error}") from error


class StatusError(Exception):
    """A status that is not the expected one; the message is the report."""


class Check(pytest.Item):
    """A statement, a control, or a piece of evidence."""

    def __init__(self, *, part: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.part = part
        self.result = ""

    def runtest(self) -> None:
        """Run the check; fail where its status is not the expected one."""
        from theorytest import record

        found = _checker(self.session).check(self.name)
        self.result = json.dumps(found)
        (mine,) = [f for f in found if f["label"] == self.name]
        if mine["left_out"] and (mine["entry"] is None or not mine["entry"].get("certificates")):
            pytest.skip(f"left out: {mine['left_out']}")
        at = {"schema": 1, "run": 0, "environment": {}}
        made = {**at, **record.assemble(found, run=0, environment={})}
        wrong = [text for text in record.problems(made) if self._is_mine(text, mine)]
        if wrong:
            raise StatusError(self._failure(mine, wrong))

    def _is_mine(self, text: str, mine: dict[str, Any]) -> bool:
        # A statement with evidence alone is decided when the evidence is in: at the end of the run.
        waits = self.part == "statement" and mine["entry"]["status"] == "UNDECIDED" and not mine["entry"]["reason"]
        return not waits and f" {self.name} " in f" {text.replace(':', ' ')} "

    def _failure(self, mine: dict[str, Any], wrong: list[str]) -> str:
        from theorytest.report import hint, quoted, readable

        entry = mine["entry"]
        lines = [*wrong, ""]
        if self.part == "evidence":
            lines.append(f"worst    {entry['worst'] or '-'} ({entry['instances']} instances, seed {entry['seed']})")
        else:
            lines.append(f"claim    {readable(entry['claim_latex'])}")
        label = mine["parent"] if self.part == "evidence" else self.name
        lines.append(f"file     {self.path}")
        lines.append(f"replay   pytest '{self.nodeid}' --theorytest-seed {self.config.getoption('--theorytest-seed')}")
        lines.append(f"look     {hint(quoted(label), paths=[_shown(self.path)])}")
        return "\n".join(lines)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What failed, the verdict, how to replay it; a traceback only where theorytest itself failed."""
        if isinstance(excinfo.value, StatusError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the item is, for reports."""
        return self.path, None, self.name


def _shown(path: Path) -> Path:
    """Relative to the working folder, where it lies inside."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _named(config: pytest.Config) -> list[str]:
    """The proof files for `theorytest explain --path`: those of the command line, else those of the settings."""
    files = [name for argument in config.args if (name := argument.partition("::")[0]).endswith(".py")]
    listed = [str(_shown(config.rootpath / entry)) for entry in config.getini("theorytest_paths")]
    named = list(dict.fromkeys(files)) or listed
    return [] if named == ["proofs"] else named


def _checker(session: pytest.Session) -> Any:
    """One checker for all proof files of the session; what is not selected is proved only where it is cited."""
    from theorytest.authoring import Run
    from theorytest.loader import in_order, load_files
    from theorytest.verification import Checker

    state = session.config.stash.get(STATE, None)
    if state is None:
        state = session.config.stash[STATE] = State()
    if state.checker is None:
        config = session.config
        library = load_files(in_order(config.stash[LIBRARY]))
        names = {item.name for item in session.items if isinstance(item, Check)}
        for label, entry in library.entries.items():
            entry.selected = label in names
        state.checker = Checker(library, Run(**_options(config)))
    return state.checker


# -- reporting -------------------------------------------------------------------------------------------------------


class State:
    """What a pytest process knows of its run: its checker; and, where the summary is printed, ledger and results."""

    def __init__(self) -> None:
        self.checker: Any = None
        self.ledger: Any = None
        self.number = 0
        self.fragments: list[dict[str, Any]] = []
        self.lines: list[Any] = []
        self.error = ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the result of a check on its report, as text."""
    outcome: Any = yield
    if isinstance(item, Check) and call.when == "call" and item.result:
        outcome.get_result().theorytest = item.result


class Summary:
    """Collects results where reports arrive: the only process, or the controller of pytest-xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.state = State()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write each verdict to the ledger when its report arrives."""
        text = getattr(report, "theorytest", None)
        if not text:
            return
        found = json.loads(text)
        state = self.state
        state.fragments += found
        if state.error:
            return
        from theorytest.errors import InputError
        from theorytest.ledger import Ledger
        from theorytest.record import environment

        try:
            if state.ledger is None:
                workers = getattr(self.config.option, "numprocesses", None) or 1  # of pytest-xdist
                state.ledger = Ledger(self.config.rootpath / FOLDER)
                state.number = state.ledger.begin(environment(**_options(self.config), workers=workers))
            label = report.nodeid.partition("::")[2]
            state.ledger.add(state.number, [f for f in found if f["label"] == label])
        except InputError as error:
            state.error = str(error)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record; fail where the run as a whole is not as expected."""
        state = self.state
        if not state.fragments:
            return
        from theorytest import record, report
        from theorytest.errors import InputError

        try:
            if state.error:
                raise InputError(state.error)
            path, made = state.ledger.finish(state.number, state.fragments)
            target = self.config.getoption("--theorytest-json")
            if target:
                record.write(Path(target), made)
        except InputError as error:
            state.lines = [((f"theorytest: {error}", "bad"),)]
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        width = self.config.get_terminal_writer().fullwidth if self.config.get_terminal_writer().hasmarkup else 120
        state.lines = [*report.table(made, width=width), *report.footer(made, _shown(path), _named(self.config))]
        if record.problems(made) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table."""
        if not self.state.lines:
            return
        markup: dict[str, dict[str, bool]] = {
            "": {},
            "good": {"green": True},
            "bad": {"red": True, "bold": True},
            "open": {"yellow": True},
            "seen": {"cyan": True},
            "dim": {"light": True},
            "bold": {"bold": True},
        }
        terminalreporter.section("theorytest")
        for line in self.state.lines:
            last = len(line) - 1
            for place, (text, style) in enumerate(line):
                terminalreporter.write(text.rstrip() if place == last else text, **markup[style])
            terminalreporter.line("")


def pytest_configure(config: pytest.Config) -> None:
    """Results are collected everywhere but in workers of pytest-xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(config), "theorytest-summary")
