"""The table of a run, the same on a terminal, in a log and in pytest's summary; and the explanation of one statement.

Everything is read off a record. A line is a tuple of pieces, each a text and a style (one of `STYLES`); whoever prints
it knows how to colour.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from theorytest import record as records

STYLES = ("", "good", "bad", "open", "seen", "dim", "bold")
Line = tuple[tuple[str, str], ...]
_STATUS_STYLE = {
    "PROVED": "good",
    "CERTIFIED": "good",
    "DEFINED": "good",
    "SUPPORTED": "seen",
    "REFUTED": "seen",
    "UNDECIDED": "open",
    "ASSUMED": "open",
}
PLACE, SCOPE, TIME = 2, 3, 4  # columns of the table
LOG_WIDTH = 120  # where there is no terminal


def plain(lines: Iterable[Line]) -> str:
    """The lines without styles."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def header(record: Mapping[str, Any]) -> Line:
    """What the verdicts hang on: versions of theorytest, the kernel and FLINT, profile and seed."""
    at = record["environment"]
    kernel = at["kernel"]
    pieces = [
        f"theorytest {at['theorytest']}",
        f"kernel {kernel['digest'][:6]} ({kernel['lines']} lines)",
        f"python-flint {at['versions'].get('python-flint', 'unknown')}",
        f"profile {at['profile']}, seed {at['seed']}" + (f", device {at['device']}" if at["device"] != "cpu" else ""),
    ]
    return ((" | ".join(pieces), "bold"),)


def table(record: Mapping[str, Any], *, width: int = LOG_WIDTH) -> list[Line]:
    """Header, one row a statement, what the scope column cannot hold on lines of its own below it."""
    lines = [header(record)]
    entries = [e for e in record["statements"] if e["reason"] != records.NOT_SELECTED]
    if not entries:
        return lines
    rows = [_row(e) for e in entries]
    gaps = 2 * (len(rows[0]) - 1)
    widths = [max(1, *(len(piece) for row in rows for piece in row[k])) for k in range(len(rows[0]))]
    widths[PLACE] = min(widths[PLACE], max(18, width // 4))
    widths[SCOPE] = min(widths[SCOPE], max(20, width - gaps - sum(widths) + widths[SCOPE]))
    for row, entry in zip(rows, entries, strict=True):
        cells = [list(cell) for cell in row]
        for k in (PLACE, SCOPE):
            cells[k] = textwrap.wrap(cells[k][0], widths[k]) or [""]
        expected = _STATUS_STYLE[entry["status"]] if _expected(entry, record) else "bad"
        styles = (expected, "", "", "dim", "", "" if _controls_fine(entry) else "bad")
        for k in range(max(map(len, cells))):
            pieces = [cell[k] if k < len(cell) else "" for cell in cells]
            padded = [
                p.rjust(w) if n == TIME else p.ljust(w) for n, (p, w) in enumerate(zip(pieces, widths, strict=True))
            ]
            lines.append(_trimmed((text + "  ", style) for text, style in zip(padded, styles, strict=True)))
    return lines


def _trimmed(pieces: Iterable[tuple[str, str]]) -> Line:
    """Without trailing spaces, and without styles on spaces."""
    kept = [(text, style if text.strip() else "") for text, style in pieces]
    while kept and not kept[-1][0].strip():
        kept.pop()
    return (*kept[:-1], (kept[-1][0].rstrip(), kept[-1][1])) if kept else ()


def _row(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """The cells of a row; a cell may have several lines."""
    source, label = entry["source"], entry["label"]
    version = label.partition("/")[2]
    notes = [entry["scope"]]
    if entry["given"]:
        notes.append(f"given {len(entry['given'])} assumed")
    if entry["vacuity"]:
        notes.append(entry["vacuity"])
    if entry["status"] != entry["expected"]:
        notes.append(f"expected {entry['expected']}")
    seconds = sum(part["seconds"] for part in (entry, *entry["controls"], *entry["evidence"]))
    controls, evidence = entry["controls"], entry["evidence"]
    counts: list[str] = []
    if controls:
        counts.append(f"controls {sum(c['outcome'] == 'REFUTED' for c in controls)}/{len(controls)}")
    if evidence:
        counts.append(f"evidence {sum(e['holds'] is True for e in evidence)}/{len(evidence)}")
    place = f"{source['locator']} /{version}" if version else source["locator"]
    cells = entry["status"], source["key"], place, ", ".join(notes), f"{seconds:.2f} s"
    return *((cell,) for cell in cells), tuple(counts) or ("",)


def _expected(entry: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    absent = {item["label"] for item in record["left_out"]}
    return entry["status"] == entry["expected"] or entry["label"] in absent


def _controls_fine(entry: Mapping[str, Any]) -> bool:
    return all(c["outcome"] == c["expected"] for c in entry["controls"]) and all(
        e["holds"] is not False and not e["error"] for e in entry["evidence"]
    )


def footer(record: Mapping[str, Any], path: object | None = None) -> list[Line]:
    """Counts of statements, controls and evidence, what was left out or is not as expected, and the record's place."""
    lines: list[Line] = []
    entries = [e for e in record["statements"] if e["reason"] != records.NOT_SELECTED]
    given = [e for e in entries if e["given"] and e["status"] in ("PROVED", "CERTIFIED")]
    counts = Counter(e["status"] for e in entries if e not in given)
    parts = [f"{n} {status}" for status in _STATUS_STYLE if (n := counts[status])]
    if given:
        assumed = len({name for e in given for name in e["given"]})
        parts.insert(min(1, len(parts)), f"{len(given)} PROVED given {assumed} assumed")
    if entries:
        lines.append(((f"statements: {', '.join(parts)}", ""),))
    controls = list(records.controls(record))
    if controls:
        refuted = sum(c["outcome"] == "REFUTED" for c in controls)
        findings = sum(c["outcome"] == "finding" for c in controls)
        text = f"controls: {refuted} of {len(controls)} refuted"
        if findings:
            plural = "finding" if findings == 1 else "findings"
            text += f", {findings} {plural} (theorytest explain --findings)"
        if undecided := len(controls) - refuted - findings:
            text += f", {undecided} undecided"
        lines.append(((text, ""),))
    evidence = [e for entry in record["statements"] for e in entry["evidence"]]
    if evidence:
        held = sum(e["holds"] is True for e in evidence)
        total = f"{sum(e['instances'] for e in evidence):,}".replace(",", " ")
        lines.append(((f"evidence: {held} of {len(evidence)} hold, {total} instances", ""),))
    lines += [((f"left out: {item['label']}: {item['reason']}", "open"),) for item in record["left_out"]]
    found = records.problems(record)
    if found:
        lines.append(((f"not as expected: {len(found)}", "bad"),))
        lines += [((f"  {text}", "bad"),) for text in found]
    open_ = sum(e["status"] in ("UNDECIDED", "ASSUMED") for e in entries)
    if open_:
        lines.append(((f"undecided or assumed: {open_}", "open"),))
    if path is not None:
        lines.append(((f"record: {path}", ""),))
    return lines


# -- one statement ---------------------------------------------------------------------------------------------------

_UNICODE = {
    r"\frac{d}{dt}": "d/dt",
    r"\sum": "Σ",
    r"\prod": "Π",
    r"\nabla": "∇",
    r"\left\lVert": "‖",
    r"\right\rVert": "‖",
    r"\left|": "|",
    r"\right|": "|",
    r"\left\{": "{",
    r"\right\}": "}",
    r"\le": "≤",
    r"\ge": "≥",
    r"\infty": "∞",
    r"\in": "∈",
    r"\to": "→",
    r"\cdot": "·",
    r"\quad": "  ",
    r"\ldots": "…",
    r"\top": "T",
    r"\ell": "ℓ",
    r"\#": "#",
    r"\;": " ",
    r"\,": " ",
    r"\\": ";",
}
_LOWER = "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi"
_UPPER = "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
_GREEK: dict[str, str] = dict(zip((*_LOWER.split(), *_UPPER.split()), _LETTERS, strict=True))


def readable(latex: str) -> str:
    """LaTeX of this package as one line of text."""
    text = latex
    for command in sorted(_UNICODE, key=len, reverse=True):
        text = re.sub(
            re.escape(command) + r"(?![A-Za-z])" if command[-1].isalpha() else re.escape(command),
            _UNICODE[command],
            text,
        )
    text = re.sub(r"\\([A-Za-z]+)(?![A-Za-z])", lambda m: _GREEK.get(m[1], m[0]), text)
    text = re.sub(r"\\(?:begin|end)\{pmatrix\}", "", text)
    for _ in range(8):
        text = re.sub(r"\\(?:text|mathrm|operatorname|mathbb)\{([^{}]*)\}", r"\1", text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
        text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", _fraction, text)
        text = re.sub(r"([_^])\{([^{}]*)\}", _script, text)
    text = text.replace(r"\left", "").replace(r"\right", "").replace(r"\det", "det").replace(r"\ln", "ln")
    text = text.replace(r"\lim", "lim").replace(r"\inf", "inf").replace(r"\_", "_")
    text = re.sub(r"([\[(]) | ([\])])", r"\1\2", text)
    return " ".join(text.split())


def _fraction(match: re.Match[str]) -> str:
    above, below = (p if re.fullmatch(r"[\w.^]+", p) else f"({p})" for p in match.groups())
    return f"{above}/{below}"


def _script(match: re.Match[str]) -> str:
    mark, inner = match.groups()
    inner = inner.strip()
    if mark == "^" and re.fullmatch(r"\d", inner):
        return "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(inner)]
    if mark == "^" and inner.startswith("(") and inner.endswith(")"):
        return f"[{inner[1:-1]}]"
    return f"{mark}{inner}" if re.fullmatch(r"\w", inner) else f"{mark}({inner})"


def explanation(entry: Mapping[str, Any], *, width: int = LOG_WIDTH) -> list[Line]:
    """A statement: its claim, each step of its derivation with its rule, what it rests on, its controls."""
    status = entry["status"]
    style = _STATUS_STYLE[status] if status == entry["expected"] else "bad"
    source = entry["source"]
    lines: list[Line] = [
        ((entry["label"], "bold"), ("  ", ""), (status, style), (f"  {source['key']}, {source['locator']}", "dim")),
        ((entry["title"], ""),),
    ]
    if status != entry["expected"]:
        lines.append(((f"expected {entry['expected']}", "bad"),))
    if entry["reason"]:
        lines += _indented(f"reason: {entry['reason']}", width, "open", 0)
    lines += [_blank(), (("claim", "bold"),), *_indented(readable(entry["claim_latex"]), width)]
    lines += _indented(f"for {entry['scope']}", width, "dim")
    if entry["assumptions"]:
        lines += [_blank(), (("assumptions", "bold"),)]
        for a in entry["assumptions"]:
            lines += _indented(f"{a['label']}: {a['text']}", width)
            if a["latex"]:
                lines += _indented(readable(a["latex"]), width, "dim", 4)
    if entry["steps"]:
        lines += [_blank(), (("derivation", "bold"), ("  (each step replayed by the kernel)", "dim"))]
        lines += _steps(entry["steps"], width)
    for certificate in entry["certificates"]:
        made = f"{certificate['kind']} {certificate['digest'][:12]}, made by {certificate['producer']}"
        lines += [_blank(), (("certificate", "bold"), (f"  {made}", "dim"))]
    if entry["rests_on"]:
        by: dict[str, list[str]] = {}
        for rest in entry["rests_on"]:
            by.setdefault(rest["what"], []).append(rest["ref"])
        lines += [_blank(), (("rests on", "bold"),)]
        for what, refs in by.items():
            lines += _indented(f"{what}: {', '.join(refs)}", width)
        if entry["given"]:
            lines += _indented(f"given, not checked here: {', '.join(entry['given'])}", width, "open")
    if entry["vacuity"]:
        lines += _indented(entry["vacuity"], width, "open")
    if entry["controls"]:
        lines += [_blank(), (("controls", "bold"), ("  (variants that must be refuted)", "dim"))]
        for control in entry["controls"]:
            lines += control_lines(control, width=width)
    if entry["evidence"]:
        lines += [_blank(), (("evidence", "bold"),)]
        for e in entry["evidence"]:
            held = {True: "holds", False: "violated", None: "open"}[e["holds"]]
            text = f"{held}  {e['name']}: {e['instances']} instances, {e['arithmetic']}, worst {e['worst']}"
            lines += _indented(f"{text}. {e['detail'] or e['error']}", width, "" if e["holds"] else "bad")
    if entry["deviations"]:
        lines += [_blank(), (("differs from the source", "bold"),)]
        for text in entry["deviations"]:
            lines += _indented(f"- {text}", width)
    return lines


def control_lines(control: Mapping[str, Any], *, width: int = LOG_WIDTH) -> list[Line]:
    """A control on two lines or three: outcome, what it breaks, its claim where it survives, and how it was refuted."""
    outcome = control["outcome"]
    style = ("good" if outcome == "REFUTED" else "open") if outcome == control["expected"] else "bad"
    name = control["label"].rpartition("/")[2]
    lines: list[Line] = [
        ((f"  {outcome:<9}", style), (f"  {name}", "bold"), (f"  breaks: {control['breaks']}", "dim")),
        *_indented(control["title"], width, "", 13),
    ]
    if control["margin"]:
        lines += _indented(f"at an exact witness: {control['margin']}", width, "dim", 13)
    elif control["certificate"] is None:
        lines += _indented(readable(control["claim_latex"]), width, "dim", 13)
    why = control["reason"] or ""
    if control["expected_reason"]:
        why = f"{why}; expected: {control['expected_reason']}".lstrip("; ")
    if why:
        lines += _indented(why, width, "open", 13)
    return lines


def _steps(steps: Sequence[Mapping[str, Any]], width: int, prefix: str = "", depth: int = 0) -> list[Line]:
    lines: list[Line] = []
    for number, step in enumerate(steps, 1):
        name = f"{prefix}{number}"
        lines.append(
            (
                (" " * (2 + 3 * depth) + f"{name}. ", "bold"),
                (step["text"] or step["rule"], ""),
                (f"  [{step['rule']}]", "seen"),
            )
        )
        if step["latex"]:
            lines += _indented(readable(step["latex"]), width, "dim", 5 + 3 * depth)
        lines += _steps(step["inner"], width, f"{name}.", depth + 1)
    return lines


def _indented(text: str, width: int, style: str = "", by: int = 2) -> list[Line]:
    wrapped = textwrap.wrap(text, max(30, width - by), break_long_words=False) or [""]
    return [((" " * by + piece, style),) for piece in wrapped]


def _blank() -> Line:
    return (("", ""),)
