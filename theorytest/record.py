"""The record of a run: put together from what each check returned, written, read, compared.

Plain JSON data and the standard library only: a pytest controller and `theorytest diff` read records without importing
what made them. The one thing decided here is what follows from verdicts that the kernel has given: whether evidence
supports a statement without a proof, how many assumptions a proof hangs on, and what differs from what was expected.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from math import isqrt
from pathlib import Path
from typing import Any

from theorytest import __version__
from theorytest.errors import InputError

SCHEMA = 1
NOT_SELECTED = "not selected in this run"
PACKAGES = ("python-flint", "sympy", "mpmath", "numpy", "torch", "hypothesis", "z3-solver", "cvc5", "tensorly")

Record = dict[str, Any]
Fragment = dict[str, Any]  # what one check returned: part, order, label, parent, entry, left_out, ...


# -- what a run ran on -----------------------------------------------------------------------------------------------


@cache
def kernel_identity() -> dict[str, Any]:
    """Digest and number of lines of the kernel's source, the code that a verdict trusts."""
    files = sorted((Path(__file__).parent / "kernel").glob("*.py"))
    seen, lines = hashlib.sha256(), 0
    for file in files:
        text = file.read_bytes()
        seen.update(f"{file.name}\0{len(text)}\0".encode() + text)
        lines += text.count(b"\n")
    return {"digest": seen.hexdigest(), "lines": lines}


def versions() -> dict[str, str]:
    """Versions of what producers and the kernel use, without importing any of it."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment(*, profile: str, seed: int, device: str, workers: int) -> dict[str, Any]:
    """Everything that a run depends on: versions, kernel, machine, and what was asked."""
    return {
        "theorytest": __version__,
        "kernel": kernel_identity(),
        "python": platform.python_version(),
        "versions": versions(),
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "cpus": os.cpu_count() or 1,
        },
        "profile": profile,
        "seed": seed,
        "device": device,
        "workers": workers,
        "started": now(),
    }


# -- putting a record together ---------------------------------------------------------------------------------------


def assemble(fragments: Iterable[Fragment], *, run: int, environment: Mapping[str, Any]) -> Record:
    """The record of a run from what its checks returned, in whatever order they came.

    Statements stand in the order of their files, except that what is cited comes before what cites it.
    """
    entries: dict[str, Fragment] = {}
    parts: dict[tuple[str, str], list[Fragment]] = {}
    left_out: list[tuple[list[int], dict[str, str]]] = []
    for fragment in sorted(fragments, key=lambda f: (f["order"], f["label"])):
        if fragment.get("left_out"):
            left_out.append((fragment["order"], {"label": fragment["label"], "reason": fragment["left_out"]}))
        if fragment["part"] == "statement":
            held = entries.get(fragment["label"])
            if held is None or held["entry"]["reason"] == NOT_SELECTED:
                entries[fragment["label"]] = fragment
        elif fragment["entry"] is not None:
            parts.setdefault((fragment["part"], fragment["parent"]), []).append(fragment)
            entries.setdefault(fragment["parent"], {**fragment["parent_fragment"], "cites": []})
    statements: list[dict[str, Any]] = []
    for label in _cited_first(entries):
        entry = dict(entries[label]["entry"])
        entry["controls"] = [f["entry"] for f in parts.get(("control", label), [])]
        entry["controls_not_run"] = entry["control_count"] - len(entry["controls"])
        entry["evidence"] = [f["entry"] for f in parts.get(("evidence", label), [])]
        entry["status"] = _status(entry)
        statements.append(entry)
    hangs_on = given(statements)
    for entry in statements:
        entry["given"] = hangs_on[entry["label"]]
    unique = {item["label"]: item for _, item in sorted(left_out, key=lambda pair: (pair[0], pair[1]["label"]))}
    return {
        "schema": SCHEMA,
        "run": run,
        "environment": dict(environment),
        "statements": statements,
        "left_out": list(unique.values()),
    }


def _cited_first(entries: Mapping[str, Fragment]) -> list[str]:
    done: dict[str, None] = {}

    def visit(label: str, open_: frozenset[str]) -> None:
        if label in done or label in open_ or label not in entries:
            return
        for cited in entries[label]["cites"]:
            visit(cited, open_ | {label})
        done[label] = None

    for label in entries:
        visit(label, frozenset())
    return list(done)


def _status(entry: Mapping[str, Any]) -> str:
    """Without a certificate that the kernel accepted, evidence that holds supports; nothing else changes a status.

    A definition that no statement uses has a reason (see `theorytest.verification`), and stays UNDECIDED."""
    status = str(entry["status"])
    if status != "UNDECIDED" or entry["certificates"] or entry["reason"]:
        return status
    held = [e for e in entry["evidence"] if e["holds"] is True and e["instances"]]
    if not held or any(e["holds"] is False for e in entry["evidence"]):
        return status
    return "DEFINED" if entry["statement"]["claim"]["is"] == "Definition" else "SUPPORTED"


def given(statements: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """For every statement of a record, what it hangs on and nobody here has checked, over all ancestors."""
    entries = {entry["label"]: entry for entry in statements}
    return {label: sorted(_assumed(label, entries, set())) for label in entries}


def _assumed(label: str, entries: Mapping[str, Mapping[str, Any]], seen: set[str]) -> set[str]:
    """All that an entry hangs on and that nobody here has checked, over all ancestors."""
    found: set[str] = set()
    for rest in entries[label]["rests_on"]:
        if rest["what"] in ("citation", "oracle"):
            found.add(rest["ref"])
        elif rest["what"] == "statement" and rest["ref"] in entries and rest["ref"] not in seen:
            seen.add(rest["ref"])
            if entries[rest["ref"]]["status"] == "ASSUMED":
                found.add(rest["ref"])
            found |= _assumed(rest["ref"], entries, seen)
    return found


# -- reading a record ------------------------------------------------------------------------------------------------


def problems(record: Mapping[str, Any]) -> list[str]:
    """What is not as expected, one line each; empty where a run has succeeded."""
    found: list[str] = []
    missing = {item["label"] for item in record.get("left_out", [])}
    for entry in record["statements"]:
        label = entry["label"]
        if entry["status"] != entry["expected"] and entry["reason"] != NOT_SELECTED and label not in missing:
            numbers = counterexample(entry)
            reasons = [f"at {numbers}" if numbers else "", entry["reason"]]
            why = f": {'; '.join(filter(None, reasons))}" if any(reasons) else ""
            found.append(f"{label} is {entry['status']}, expected {entry['expected']}{why}")
        elif entry["certificates"] and entry["reason"]:
            found.append(f"{label} is {entry['status']}, but another of its certificates fails: {entry['reason']}")
        for control in entry["controls"]:
            if control["outcome"] != control["expected"] and control["label"] not in missing:
                why = f": {control['reason']}" if control["reason"] else ""
                found.append(f"control {control['label']} is {control['outcome']}, expected {control['expected']}{why}")
        for piece in entry["evidence"]:
            if piece["error"]:
                found.append(f"evidence {label}/{piece['name']} failed: {piece['error']}")
            elif piece["holds"] is False and entry["status"] != "REFUTED":
                status = "" if entry["reason"] == NOT_SELECTED else f", which is {entry['status']}"
                found.append(f"evidence {label}/{piece['name']} contradicts {label}{status}: {piece['detail']}")
    return found


# -- counterexamples -------------------------------------------------------------------------------------------------

MEANING = {
    "Conserved": "the derivative of the quantity is not 0: {} (its greatest entry, in absolute value)",
    "Conserved/Descent": "one step changes the quantity by {} (its greatest entry, in absolute value)",
    "Rate": "the derivative and the claimed rate differ by {} (the greatest entry, in absolute value)",
    "Change": "the change in one step and the claimed one differ by {} (the greatest entry, in absolute value)",
    "LogDeterminantRate": "the derivative of ln |det W| and the claimed rate differ by {}",
}


def margin(entry: Mapping[str, Any]) -> str:
    """By how much the claim of a refuted statement or control fails, in words; "" where that is not known."""
    text = str(entry.get("margin") or "")
    moved = re.fullmatch(rf"d/dt of the squared norm ({_Q}), times the factor, is ({_Q}); claimed ({_Q}) times.*", text)
    if moved:
        return _norm_margin(*map(Fraction, moved.groups()))
    if not re.fullmatch(r"-?\d+(/\d+)?", text):
        return text
    claim = entry["statement"]["claim"]
    motion = claim.get("motion") or {}
    kind = claim["is"] + ("/Descent" if claim["is"] == "Conserved" and motion.get("is") == "Descent" else "")
    return MEANING.get(kind, "both sides differ by {} (the greatest entry, in absolute value)").format(text)


_Q = r"-?\d+(?:/\d+)?"


def _norm_margin(square: Fraction, speed: Fraction, rate: Fraction) -> str:
    """The kernel compares the rate of a squared norm, ``speed``, with ``rate`` times the norm: here, both by twice the
    norm, which is what the claim is about."""
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    if root**2 != square or not root:
        return f"the squared norm is {square} and moves, times the factor, at {speed}; claimed is {rate} times the norm"
    left, right = speed / (2 * root), rate / 2
    compared = "less" if left < right else "more"
    return f"here the norm is {root} and the left side is {left}, {compared} than the {right} that is claimed"


def witness(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[Any]] | None:
    """The instance at which a refuted statement or control fails, and what the witness has beside it."""
    offered = entry["certificates"][:1] if "certificates" in entry else [entry["certificate"]]
    for certificate in filter(None, offered):
        if certificate["kind"] == "witness":
            return certificate["payload"]["instance"], certificate["payload"]["data"]
        if certificate["kind"] == "contradiction" and entry["statement"]["example"]:
            return entry["statement"]["example"], ()
    return None


def instance_lines(instance: Mapping[str, Any], *, most: int = 64) -> list[str]:
    """All numbers of an instance, exact: sizes, members, blocks, gradient, letters, variables. Lines.

    Arrays of more than ``most`` entries are shortened, with their shape.
    """
    lines = [", ".join(f"{name} = {_size(size)}" for name, size in instance["sizes"])]
    members = ", ".join(f"{name.lstrip('/')} = {number}" for name, number in instance["members"])
    lines.append(f"members: {members}" if members else "")
    arrays = [*instance["blocks"], *([("gradient", instance["gradient"])] if instance["gradient"] else [])]
    lines += [f"{name} = {array_text(array, most=most)}" for name, array in (*arrays, *instance["letters"])]
    lines.append(", ".join(f"{name} = {number['q']}" for name, number in instance["variables"]))
    return [line for line in lines if line]


def _size(size: Any) -> str:
    return f"({', '.join(map(_size, size))})" if isinstance(size, list) else str(size)


def array_text(array: Mapping[str, Any], *, most: int = 64) -> str:
    """An array as nested rows; a long one shortened, with its shape."""
    entries = [item["q"] for item in array["entries"]]
    shape = list(array["shape"])
    if len(entries) > most:
        sizes = " x ".join(map(str, shape))
        return f"[{', '.join(entries[: most // 2])}, ...] ({len(entries)} entries, row by row, of shape {sizes})"
    return _nested(shape, entries)


def _nested(shape: Sequence[int], entries: Sequence[str]) -> str:
    if not shape:
        return entries[0]
    if len(shape) == 1:
        return f"[{', '.join(entries)}]"
    step = len(entries) // shape[0] if shape[0] else 0
    return f"[{', '.join(_nested(shape[1:], entries[k * step : (k + 1) * step]) for k in range(shape[0]))}]"


def counterexample(entry: Mapping[str, Any]) -> str:
    """The counterexample of a refuted statement on one line, and by how much the claim fails there; else ""."""
    found = witness(entry)
    if entry["status"] != "REFUTED" or found is None:
        return ""
    return f"{'; '.join(instance_lines(found[0], most=12))}: {margin(entry)}"


def strength(verdict: str) -> int:
    """How much a verdict says: what is proved says most, what is missing says nothing."""
    order = ("", "UNDECIDED", "finding", "ASSUMED", "SUPPORTED", "DEFINED", "CERTIFIED", "PROVED", "REFUTED")
    return order.index(verdict) if verdict in order else 0


def controls(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All controls of a record."""
    for entry in record["statements"]:
        yield from entry["controls"]


def deterministic(value: Any, *, top: bool = True) -> Any:
    """What two runs with the same seed share byte for byte: all but run number, environment and times."""
    if isinstance(value, dict):
        gone = {"seconds", "run", "environment"} if top else {"seconds"}
        return {key: deterministic(item, top=False) for key, item in value.items() if key not in gone}
    if isinstance(value, list):
        return [deterministic(item, top=False) for item in value]
    return value


def shape_of(fragment: Fragment) -> str:
    """The shape that a verdict or piece of evidence is about: sizes of a witness, else the scope in words."""
    entry = fragment["entry"]
    if fragment["part"] == "evidence":
        numbers = entry["numbers"]
        shapes = next((numbers[k] for k in ("shapes", "shape", "sizes", "dims") if k in numbers), entry["detail"])
        return shapes if isinstance(shapes, str) else dumps(shapes).strip()
    certificates = entry["certificates"] if fragment["part"] == "statement" else [entry["certificate"]]
    for certificate in certificates:
        if certificate is not None and certificate["kind"] == "witness":
            instance = certificate["payload"]["instance"]
            shapes = {name: array["shape"] for name, array in (*instance["blocks"], *instance["letters"])}
            return dumps(shapes or dict(instance["variables"])).strip()
    return str(entry["statement"]["scope"])


@dataclass(frozen=True)
class Difference:
    """A verdict that two runs disagree about (``before`` or ``after`` is "" where a run has none), and why."""

    label: str
    before: str
    after: str
    why: str


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """The verdicts and certificates (of statements and controls) that differ between two records, in the new order."""
    before, after = dict(_verdicts(old)), dict(_verdicts(new))
    found: list[Difference] = []
    for label in [*after, *(name for name in before if name not in after)]:
        first, second = before.get(label), after.get(label)
        if first is None or second is None:
            there = first or second
            assert there is not None
            why = "new" if first is None else "no longer checked"
            found.append(Difference(label, (first or {}).get("verdict", ""), (second or {}).get("verdict", ""), why))
        elif any(first[key] != second[key] for key in ("verdict", "certificates")):
            found.append(Difference(label, first["verdict"], second["verdict"], _why(first, second, old, new)))
    return found


def _verdicts(record: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in record["statements"]:
        if entry["reason"] != NOT_SELECTED:
            names = [c["digest"] for c in entry["certificates"]]
            yield entry["label"], {"verdict": entry["status"], "certificates": names, **_pick(entry)}
        for control in entry["controls"]:
            names = [control["certificate"]["digest"]] if control["certificate"] else []
            yield control["label"], {"verdict": control["outcome"], "certificates": names, **_pick(control)}


def _pick(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": entry["digest"], "reason": entry["reason"], "rests_on": entry.get("rests_on", [])}


def _why(first: Mapping[str, Any], second: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    causes: list[str] = []
    if first["digest"] != second["digest"]:
        causes.append("the statement changed")
    elif first["certificates"] != second["certificates"]:
        gone = len([name for name in first["certificates"] if name not in second["certificates"]])
        came = len([name for name in second["certificates"] if name not in first["certificates"]])
        what = "changed" if gone and came else "was removed" if gone else "was added" if came else "is at another place"
        causes.append("the certificate changed" if what == "changed" else f"a certificate {what}")
    there, here = old["environment"], new["environment"]
    if there["kernel"]["digest"] != here["kernel"]["digest"]:
        causes.append("the kernel changed")
    for name in sorted({*there["versions"], *here["versions"]}):
        then, now_ = there["versions"].get(name, "none"), here["versions"].get(name, "none")
        if then != now_:
            causes.append(f"{name} {then} -> {now_}")
    causes += [f"{key} {there[key]} -> {here[key]}" for key in ("profile", "seed", "device") if there[key] != here[key]]
    if second["reason"]:
        causes.append(second["reason"])
    return "; ".join(causes) or "no cause is recorded"


# -- files -----------------------------------------------------------------------------------------------------------


def dumps(record: Any) -> str:
    """The text of a record: one value has one text."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def require_writable(path: Path) -> None:
    """Raise `InputError` unless a file of that name can be written: to be known before a long run, not after it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; the name of a file was needed")
    probe = path.with_name(f".{path.name}.probe")
    try:
        write(probe, "")
    except InputError as error:
        raise InputError(str(error).replace(str(probe), str(path))) from error
    probe.unlink()


def write(path: Path, data: Any, *, replace: bool = True) -> None:
    """Write JSON to a file at once: a reader, or a kill at any moment, never sees half of it.

    Raises `InputError` where the file cannot be written, or where it exists and ``replace`` is False.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(data if isinstance(data, str) else dumps(data))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if replace:
            os.replace(temporary, path)
            temporary = None
        else:
            _link(temporary, path)
    except OSError as error:
        there = path.parent.is_dir() or not isinstance(error, FileNotFoundError)
        why = error.strerror or error if there else f"there is no folder {path.parent}"
        raise InputError(f"cannot write {path}: {why}; name a file in a folder that can be written") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _link(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise InputError(f"{path} exists already, and a run is never overwritten; move it away") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path: Path) -> Record:
    """Read a record; raise `InputError`, in one line, where the file is not one."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text: a record that `theorytest verify --json` wrote is needed"
        ) from error
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply to be a record") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}: not JSON ({error.msg}); a record of `theorytest verify --json` is needed"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); a record of `theorytest verify --json` is needed") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or not isinstance(data.get("statements"), list):
        raise InputError(f"{path} is not a record of theorytest: needed an object with schema {SCHEMA} and statements")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that a record can hold")


def one_line(text: str, limit: int = 400) -> str:
    """Text on one line, shortened where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def close_matches(name: str, names: Sequence[str]) -> str:
    """ " (did you mean a, b?)" for the nearest names, or nothing."""
    from difflib import get_close_matches

    folded = {n.casefold(): n for n in names}
    near = [folded[n] for n in get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.5)]
    near += [n for n in names if name.casefold() in n.casefold() and n not in near][: 3 - len(near)]
    return f" (did you mean {', '.join(near)}?)" if near else ""
