"""Proof files: found, imported from their path, and read into a library of statements.

A proof file is imported under a private package name, made from the folder that holds all proofs of its project: no
name that a user might import is taken, and proof files may import from each other (``from .lemma_1 import lemma_1``).
What belongs to a file are the statements, proofs, controls and evidence that it defines at its top level (also inside
lists, tuples and dictionaries), not those that it imports.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from theorytest.errors import InputError
from theorytest.record import close_matches, one_line

if TYPE_CHECKING:
    from theorytest.authoring import Certified, Control, Evidence, Proof
    from theorytest.kernel.statement import Statement

MARKERS = ("pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini", ".git")
SKIPPED = ("conftest.py", "setup.py", "__init__.py", "__main__.py")
PREFIX = "_theorytest_proofs_"
_DECORATORS = {
    "proof",
    "conjecture",
    "control",
    "certified",
    "refuted",
    "evidence",
    "sampled",
    "swept",
    "integrated",
    "Statement",
}
_CITES = re.compile(r"\b(?:cite|at_every_point)\(\s*[\"']([^\"'\n]+)[\"']")


@dataclass
class Entry:
    """A statement with everything that files say about it.

    file: relative to the folder of the project; order: number of the file, line; selected: whether the statement's file
    was asked for; asked: labels of the controls and the evidence whose files were asked for.
    """

    statement: Statement
    file: str
    order: tuple[int, int]
    selected: bool = True
    asked: set[str] = field(default_factory=set)
    proofs: list[Proof] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    certified: list[Certified] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def profile(self) -> str:
        """ "full" for a statement whose certificates all take long; it is left out of quick runs."""
        long = self.certified and not self.proofs and all(made.profile == "full" for made in self.certified)
        return "full" if long else "quick"


@dataclass
class Library:
    """All statements by label, in the order of their files; ``selected`` ones were asked for, others are only cited."""

    entries: dict[str, Entry]
    files: tuple[Path, ...]

    def entry(self, label: str) -> Entry:
        """The entry of a label: of a statement, or of one of its controls or its evidence; `InputError` if unknown."""
        if label in self.entries:
            return self.entries[label]
        for entry in self.entries.values():
            if label in self.parts(entry):
                return entry
        known = [name for entry in self.entries.values() for name in (entry.statement.label, *self.parts(entry))]
        hint = (
            close_matches(label, known)
            or f"; there are {_plural(len(self.entries), 'statement')} in {_plural(len(self.files), 'file')}"
        )
        raise InputError(f"no statement or control is labelled {label!r}{hint}")

    @staticmethod
    def parts(entry: Entry) -> list[str]:
        """The labels of an entry's controls and evidence."""
        label = entry.statement.label
        return [*(c.statement.label for c in entry.controls), *(f"{label}/{e.name}" for e in entry.evidence)]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# -- finding ---------------------------------------------------------------------------------------------------------


def default_paths() -> tuple[Path, ...]:
    """``proofs`` in the working folder, else the proofs that a wheel carries."""
    here, shipped = Path("proofs"), Path(__file__).parent / "_proofs"
    for path in (here, shipped):
        if path.is_dir():
            return (path,)
    raise InputError(
        "there is no folder 'proofs' here: name a proof file or a folder, or start one with `theorytest new`"
    )


def imports_theorytest(path: Path) -> bool:
    """Whether a file's top level imports theorytest; cheap, and nothing is executed."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return b"theorytest" in text and _top_level_import(text)


def _top_level_import(text: bytes) -> bool:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return bool(re.search(rb"^\s*(from|import)\s+theorytest\b", text, re.MULTILINE))  # reported when it is imported
    for node in body:
        if isinstance(node, ast.Import) and any(a.name.partition(".")[0] == "theorytest" for a in node.names):
            return True
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").partition(".")[0] == "theorytest"
        ):
            return True
    return False


def states_something(path: Path) -> bool:
    """Whether a file's top level calls Statement(...) or uses a decorator of proof files."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    for node in body:
        calls = node.decorator_list if isinstance(node, ast.FunctionDef) else [getattr(node, "value", None)]
        for call in calls:
            function = call.func if isinstance(call, ast.Call) else None
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in _DECORATORS:
                return True
    return False


def _natural(path: Path) -> tuple[tuple[tuple[int, int | str], ...], ...]:
    """Sorts lemma_2 before lemma_10."""
    pieces = [re.split(r"(\d+)", part) for part in path.parts]
    return tuple(tuple((0, int(p)) if p.isdigit() else (1, p) for p in part if p) for part in pieces)


def in_order(files: Iterable[Path]) -> list[Path]:
    """Files in natural order."""
    return sorted(files, key=_natural)


def find(paths: Sequence[Path | str]) -> tuple[Path, ...]:
    """The proof files that are named, or that lie in folders that are named (natural order, each once).

    Raises `InputError` where a path does not exist, is no Python file, or is a file that does not import theorytest.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = _inside(path)
            if not files:
                raise InputError(f"no file in {given} imports theorytest; a proof file or a folder of them is needed")
        elif not path.exists():
            raise InputError(f"no such file or folder: {given}{_near(path)}")
        elif path.suffix != ".py" or not path.is_file():
            raise InputError(f"{given} is not a Python file; a proof file (.py) or a folder of them is needed")
        elif not imports_theorytest(path):
            raise InputError(f"{given} does not import theorytest at its top level, so that it states nothing")
        else:
            files = [path]
        found |= dict.fromkeys(p.resolve() for p in files)
    return tuple(found)


def _inside(folder: Path) -> list[Path]:
    """The proof files below a folder: not those of hidden folders, environments and theorytest itself; a file that is
    named like a test counts where it states something."""
    found: list[Path] = []
    for base, folders, names in os.walk(folder):
        here = Path(base)
        folders[:] = [name for name in folders if not _foreign(here / name)]
        for path in (here / name for name in names if name.endswith(".py") and name not in SKIPPED):
            test = path.name.startswith("test_") or path.stem.endswith("_test")
            if imports_theorytest(path) and (not test or states_something(path)):
                found.append(path)
    return in_order(found)


def _foreign(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in ("__pycache__", "site-packages", "node_modules"):
        return True
    return (folder / "pyvenv.cfg").exists() or folder.resolve() == Path(__file__).parent


def _near(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir() if p.is_dir() or p.suffix == ".py"]
    except OSError:
        return ""
    return close_matches(path.name, names)


# -- importing -------------------------------------------------------------------------------------------------------


def root_of(file: Path) -> Path:
    """The folder of all proofs of a file's project: just below the folder with a pyproject.toml (or the like)."""
    parents = list(file.parents)
    for place, folder in enumerate(parents):
        if folder.name == "_proofs" and folder.parent.name == "theorytest":
            return folder
        if any((folder / marker).exists() for marker in MARKERS):
            return parents[place - 1] if place else folder
    return file.parent


def _package(root: Path) -> str:
    name = PREFIX + hashlib.sha256(str(root).encode()).hexdigest()[:12]
    if name not in sys.modules:
        module = ModuleType(name)
        module.__path__ = [str(root)]
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = module
    return name


def import_file(file: Path) -> ModuleType:
    """Import a proof file under its private name; an error in it becomes one line with file, line and what."""
    root = root_of(file)
    inside = file.relative_to(root).with_suffix("").parts
    if not all(part.isidentifier() for part in inside):
        raise InputError(f"{_short(file)}: name proof files and their folders like Python modules (letters, digits, _)")
    name = ".".join((_package(root), *inside))
    _forget_what_changed(_package(root))
    try:
        with nobody_exits(), _no_bytecode():
            module = importlib.import_module(name)
        for each in [m for n, m in sys.modules.items() if n.startswith(f"{_package(root)}.")]:
            vars(each).setdefault("__theorytest_stamp__", _stamp(each))
        return module
    except InputError:
        raise
    except SyntaxError as error:
        at = f"{_short(Path(error.filename))}:{error.lineno}" if error.filename else _short(file)
        raise InputError(f"{at}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{where(error, file)}: {what(error)}") from error


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Proof files leave no bytecode: Python would take an edit of the same length within a second for the old file."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _stamp(module: ModuleType) -> tuple[int, int] | None:
    """Time and size of a module's file."""
    try:
        found = Path(module.__file__ or "").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _forget_what_changed(package: str) -> None:
    """Where a proof file was edited since it was imported (in a notebook, say), forget all files of its project."""
    importlib.invalidate_caches()
    loaded = {n: m for n, m in sys.modules.items() if n.startswith(f"{package}.") and getattr(m, "__file__", None)}
    if any(getattr(m, "__theorytest_stamp__", None) != _stamp(m) for m in loaded.values()):
        for name in [n for n in sys.modules if n.startswith(f"{package}.")]:
            del sys.modules[name]


@contextmanager
def nobody_exits() -> Iterator[None]:
    """Turn ``os._exit`` of an author's code into `SystemExit`: a run must not end silently, as if it had succeeded.

    In a child that the code has forked, it is what it always was.
    """
    usual, here = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != here:
            usual(status)
        raise SystemExit(status)

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = usual


def what(error: BaseException) -> str:
    """An error on one line: its kind, unless it is ours and says all itself, and its message."""
    from theorytest.kernel.errors import KernelError

    message = one_line(str(error))
    if isinstance(error, SystemExit):
        return f"it calls exit({message}), which would end the whole run; let it raise an error or return"
    if isinstance(error, (KernelError, InputError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def where(error: BaseException, file: Path | None = None) -> str:
    """The last place in a proof file that an error passed through (else the last place of all)."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if Path(f.filename) == file] if file else []
    if not ours:
        package = str(Path(__file__).parent)
        ours = [f for f in frames if not f.filename.startswith((package + "/", "<", sys.base_prefix))] or frames
        ours = [f for f in ours if "site-packages" not in f.filename] or ours
    return f"{_short(Path(ours[-1].filename))}:{ours[-1].lineno}" if ours else _short(file or Path("?"))


def _short(path: Path) -> str:
    """Relative to the working folder, where it lies inside."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


# -- reading ---------------------------------------------------------------------------------------------------------


def _imported_names(file: Path) -> tuple[set[str], dict[str, int]]:
    """Names that the top level imports, and the line where each other name is first bound."""
    imported: set[str] = set()
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imported |= {a.asname or a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            lines.setdefault(node.id, node.lineno)
        elif isinstance(node, ast.FunctionDef):
            lines.setdefault(node.name, node.lineno)
    return imported - {"*"}, lines


def _flat(value: Any, depth: int = 3) -> Iterator[Any]:
    if isinstance(value, (list, tuple)) and depth:
        for item in value:
            yield from _flat(item, depth - 1)
    elif isinstance(value, dict) and depth:
        for item in value.values():
            yield from _flat(item, depth - 1)
    else:
        yield value


def load(paths: Sequence[Path | str] | None = None) -> Library:
    """Import the proof files under the paths (default: `default_paths`), and what they cite from their project."""
    chosen = find(list(paths)) if paths else find(list(default_paths()))
    return load_files(chosen)


def load_files(files: Sequence[Path]) -> Library:
    """Import the given proof files; those of their projects that they import or cite come along, unselected."""
    resolved = tuple(dict.fromkeys(Path(f).resolve() for f in files))
    modules = {file: import_file(file) for file in resolved}
    library = Library({}, resolved)
    tied = _read(library, modules, selected=True)
    others = _imported(modules)
    cited = {label for file in (*resolved, *others) for label in _CITES.findall(file.read_text(encoding="utf-8"))}
    if not cited <= set(library.entries):
        for root in dict.fromkeys(map(root_of, resolved)):
            near = [p for p in map(Path.resolve, _inside(root)) if p not in modules and p not in others]
            others |= {p: import_file(p) for p in near if states_something(p)}
            others |= {p: m for p, m in _imported(others).items() if p not in modules}
    tied += _read(library, dict(sorted(others.items(), key=lambda item: _natural(item[0]))), selected=False)
    for file, line, item, selected in tied:
        _tie(library, item, file, line, selected)
    _refuse_duplicates(library)
    return library


def named(library: Library, variable: str) -> list[Entry]:
    """The entries of the statements that a variable of a library's files holds."""
    found = [item for file in library.files for item in _flat(getattr(import_file(file), variable, None))]
    labels = [getattr(item, "label", None) for item in found]
    return [entry for label, entry in library.entries.items() if label in labels]


def _imported(modules: dict[Path, ModuleType]) -> dict[Path, ModuleType]:
    """The proof files that these import by relative imports, directly or not, and that are not among them."""
    found: dict[Path, ModuleType] = {}
    waiting = list(modules)
    while waiting:
        file = waiting.pop()
        package = ".".join((_package(root_of(file)), *file.relative_to(root_of(file)).parent.parts))
        for node in ast.walk(ast.parse(file.read_bytes())):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = resolve_name("." * node.level + (node.module or ""), package)
            for name in (base, *(f"{base}.{alias.name}" for alias in node.names)):
                module = sys.modules.get(name)
                path = Path(getattr(module, "__file__", None) or "")
                if module is not None and path.suffix == ".py" and path not in modules and path not in found:
                    found[path] = module
                    waiting.append(path)
    return found


def _read(
    library: Library, modules: dict[Path, ModuleType], *, selected: bool
) -> list[tuple[Path, tuple[int, int], Any, bool]]:
    """Add the statements of some files; what else they define is returned: file, order, the thing, selected."""
    from theorytest.authoring import Certified, Control, Evidence, Proof
    from theorytest.kernel.statement import Statement

    start = max((e.order[0] for e in library.entries.values()), default=-1) + 1
    tied: list[tuple[Path, tuple[int, int], Any, bool]] = []
    for number, (file, module) in enumerate(modules.items(), start):
        imported, lines = _imported_names(file)
        seen: set[int] = set()
        for name, value in list(vars(module).items()):
            if name.startswith("__") or name in imported:
                continue
            order = number, lines.get(name, 0)
            for item in _flat(value):
                if id(item) in seen or not isinstance(item, (Statement, Proof, Control, Certified, Evidence)):
                    continue
                seen.add(id(item))
                if isinstance(item, Control):
                    _require_exact(item, file, order)
                if isinstance(item, Statement):
                    _add(library, item, file, order, selected)
                else:
                    tied.append((file, order, item, selected))
    return tied


def _require_exact(item: Statement | Control, file: Path, order: tuple[int, int]) -> None:
    """Raise `InputError` unless a statement (of a control) is exact data of the declared types and expects a status."""
    from theorytest.authoring import Control
    from theorytest.kernel.encoding import encode, validate
    from theorytest.kernel.errors import KernelError
    from theorytest.kernel.statement import FINDING, REFUTED, STATUSES, UNDECIDED

    control = isinstance(item, Control)
    statement = item.statement if isinstance(item, Control) else item
    place = f"{_short(file)}:{order[1]}: {'control ' if control else ''}{statement.label}"
    known = (REFUTED, FINDING, UNDECIDED) if control else STATUSES
    if statement.expected not in known:
        raise InputError(
            f"{place} expects {statement.expected!r}, which is no {'outcome' if control else 'status'}; "
            f"needed one of {', '.join(known)}"
        )
    try:
        encode(statement)
        validate(statement)
    except (KernelError, AttributeError, RecursionError, TypeError, ValueError) as error:
        why = re.sub(r"(<class ')?theorytest\.kernel\.\w+\.(\w+)('>)?", r"\2", one_line(str(error), 400))
        raise InputError(
            f"{place} holds inexact or malformed data: {one_line(why, 240)}; give exact numbers (Fraction, int), "
            "tuples, and nouns of theorytest"
        ) from error


def _tie(library: Library, item: Any, file: Path, order: tuple[int, int], selected: bool) -> None:
    """Give a proof, control, certificate or piece of evidence to its statement."""
    from theorytest.authoring import Certified, Control, Proof

    statement = item.parent if isinstance(item, Control) else item.statement
    entry = library.entries.get(statement.label)
    if entry is None:
        entry = _add(library, statement, file, order, selected)
    elif entry.statement is not statement and entry.statement != statement:
        raise InputError(
            f"{_short(file)}:{order[1]}: this is about a {statement.label} that differs from the one in {entry.file}; "
            "give the changed statement a label of its own"
        )
    if isinstance(item, Proof):
        entry.proofs.append(item)
    elif isinstance(item, Certified):
        entry.certified.append(item)
    elif isinstance(item, Control):
        entry.controls.append(item)
        entry.asked |= {item.statement.label} if selected else set()
    else:
        entry.evidence.append(item)
        entry.asked |= {f"{statement.label}/{item.name}"} if selected else set()


def _add(library: Library, statement: Statement, file: Path, order: tuple[int, int], selected: bool) -> Entry:
    _require_exact(statement, file, order)
    held = library.entries.get(statement.label)
    if held is not None:
        if held.statement is statement or (
            held.statement == statement and held.file != file.relative_to(root_of(file).parent).as_posix()
        ):
            return held  # imported by `from .other import *`, or by another file
        raise InputError(
            f"{_short(file)}:{order[1]}: the label {statement.label!r} is taken by {held.file}; labels must differ"
        )
    entry = Entry(statement, file.relative_to(root_of(file).parent).as_posix(), order, selected)
    library.entries[statement.label] = entry
    return entry


def _refuse_duplicates(library: Library) -> None:
    taken: dict[str, str] = {label: entry.file for label, entry in library.entries.items()}
    for entry in library.entries.values():
        for label in library.parts(entry):
            if label in taken:
                raise InputError(f"{entry.file}: the label {label!r} is used twice; rename one of the functions")
            taken[label] = entry.file
