"""The table of a run, the same on a terminal, in a log and in pytest's summary; and the explanation of one statement.

Everything is read off a record. A line is a tuple of pieces, each a text and a style (one of `STYLES`); whoever prints
it knows how to colour.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
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
LABEL, PLACE, SCOPE, TIME = 1, 2, 3, 4  # columns of the table
LOG_WIDTH = 120  # where there is no terminal


def plural(count: int, noun: str) -> str:
    """ "1 file", "2 files"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def hint(*arguments: str, paths: Sequence[object] = ()) -> str:
    """The command that explains something, with the paths that were verified."""
    given = [piece for path in paths for piece in ("--path", shlex.quote(str(path)))]
    return " ".join(["theorytest explain", *given, *arguments])


def quoted(label: str) -> str:
    """A label as an argument for a shell."""
    return shlex.quote(label) if "'" in label else f"'{label}'"


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
    widths[LABEL] = min(widths[LABEL], max(24, width // 4))
    widths[PLACE] = min(widths[PLACE], max(14, width // 6))
    widths[SCOPE] = min(widths[SCOPE], max(20, width - gaps - sum(widths) + widths[SCOPE]))
    for row, entry in zip(rows, entries, strict=True):
        cells = [list(cell) for cell in row]
        for k in (LABEL, PLACE, SCOPE):
            cells[k] = textwrap.wrap(cells[k][0], widths[k]) or [""]
        expected = _STATUS_STYLE[entry["status"]] if _expected(entry, record) else "bad"
        last = "dim" if not entry["controls"] else ""
        styles = (expected, "", "", "dim", "", last if _controls_fine(entry) else "bad")
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
    notes = [entry["scope"]] if entry["scope"] else []
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
    elif not entry.get("control_count", 0):
        counts.append("no controls")
    if evidence:
        counts.append(f"evidence {sum(e['holds'] is True for e in evidence)}/{len(evidence)}")
    cells = entry["status"], entry["label"], entry["source"]["locator"], ", ".join(notes), f"{seconds:.2f} s"
    return *((cell,) for cell in cells), tuple(counts) or ("",)


def _expected(entry: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    absent = {item["label"] for item in record["left_out"]}
    return entry["status"] == entry["expected"] or entry["label"] in absent


def _controls_fine(entry: Mapping[str, Any]) -> bool:
    return all(c["outcome"] == c["expected"] for c in entry["controls"]) and all(
        e["holds"] is not False and not e["error"] for e in entry["evidence"]
    )


def footer(record: Mapping[str, Any], path: object | None = None, paths: Sequence[object] = ()) -> list[Line]:
    """Counts of statements, controls and evidence, what was left out or is not as expected, and the record's place.

    paths: the proof files that were named, for the commands that are suggested.
    """
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
            text += f", {plural(findings, 'finding')} ({hint('--findings', paths=paths)})"
        if undecided := len(controls) - refuted - findings:
            text += f", {undecided} undecided"
        lines.append(((text, ""),))
    evidence = [e for entry in record["statements"] for e in entry["evidence"]]
    if evidence:
        held = sum(e["holds"] is True for e in evidence)
        total = f"{sum(e['instances'] for e in evidence):,}".replace(",", " ")
        hold, instances = ("holds" if len(evidence) == 1 else "hold"), ("instance" if total == "1" else "instances")
        lines.append(((f"evidence: {held} of {len(evidence)} {hold}, {total} {instances}", ""),))
    lines += [((f"left out: {item['label']}: {item['reason']}", "open"),) for item in record["left_out"]]
    found = records.problems(record)
    if found:
        lines.append(((f"not as expected: {len(found)}", "bad"),))
        lines += [((f"  {text}", "bad"),) for text in found]
        wrong = [e["label"] for e in entries if any(f" {e['label']}" in f" {text}" for text in found)]
        if wrong:
            lines.append(((f"more: {hint(quoted(wrong[0]), paths=paths)}", "dim"),))
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
    r"\mapsto": "↦",
    r"\bigotimes": "⊗",
    r"\left\langle": "⟨",
    r"\right\rangle": "⟩",
    r"\exp": "exp",
    r"\ne": "≠",
    r"\cdot": "·",
    r"\quad": "  ",
    r"\qquad": "  ",
    r"\ldots": "…",
    r"\top": "T",
    r"\ell": "ℓ",
    r"\#": "#",
    r"\;": " ",
    r"\,": " ",
    r"\\": ";",
    r"\otimes": "⊗",
    r"\odot": "⊙",
    r"\times": "×",
    r"\cdots": "⋯",
    r"\implies": "⟹",
    r"\epsilon": "ε",
    r"\%": "%",
    r"\&": "&",
    r"\$": "$",
    r"\dot{W}": "Ẇ",
    r"\dot{\sigma}": "σ̇",
    r"\mathcal{L}": "ℒ",
    r"\mathcal{M}": "ℳ",
    r"\mathbb{R}": "ℝ",
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
    text = text.replace(r"\left", "").replace(r"\right", "").replace(r"\_", "_").replace(r"\|", "‖")
    text = re.sub(r"\\([A-Za-z]+)", r"\1", text)  # words: det, ln, lim, max, Pr, ...
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
        ((entry["label"], "bold"), ("  ", ""), (status, style), (f"  {source_text(source)}", "dim")),
        ((entry["title"], ""),),
    ]
    if status != entry["expected"]:
        lines.append(((f"expected {entry['expected']}", "bad"),))
    if entry["reason"]:
        lines += _indented(f"reason: {entry['reason']}", width, "open", 0)
    lines += [_blank(), (("claim", "bold"),), *_indented(readable(entry["claim_latex"]), width)]
    if entry["scope"] and status != "REFUTED":
        lines += _indented(f"for {entry['scope']}", width, "dim")
    lines += counterexample_lines(entry, width=width)
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
            lines += control_lines(control, width=width, numbers=True)
    elif not entry.get("control_count", 0):
        lines += [_blank(), (("no controls", "bold"), ("  (nothing shows that the claim could fail)", "dim"))]
    if entry["evidence"]:
        lines += [_blank(), (("evidence", "bold"),)]
        for e in entry["evidence"]:
            held = {True: "holds", False: "violated", None: "open"}[e["holds"]]
            text = f"{held}  {e['name']}: {plural(e['instances'], 'instance')}, {e['arithmetic']}, worst {e['worst']}"
            lines += _indented(f"{text}. {e['detail'] or e['error']}", width, "" if e["holds"] else "bad")
    if entry["deviations"]:
        lines += [_blank(), (("differs from the source", "bold"),)]
        for text in entry["deviations"]:
            lines += _indented(f"- {text}", width)
    return lines


def decisions(record: Mapping[str, Any], path: object, file: str, *, width: int = LOG_WIDTH) -> list[Line]:
    """What was found about each conjecture of a file: verdict, numbers, what was tried, how to check it again."""
    lines: list[Line] = []
    for entry in record["statements"]:
        if entry["reason"] == records.NOT_SELECTED:
            continue
        status = entry["status"]
        style = _STATUS_STYLE[status] if status == entry["expected"] else "bad"
        lines.append(((f"{status}  ", style), (entry["label"], "bold"), (f"  {entry['seconds']:.1f} s", "dim")))
        if status == entry["expected"]:
            lines.append(((f"  as expected: {status}", "dim"),))
        else:
            fix = f'write expected="{status}" where it is right'
            lines.append(((f"  not as expected: {entry['expected']} was expected ({fix})", "bad"),))
        lines += _indented(entry["title"], width) if entry["title"] != entry["label"] else []
        lines += _indented(readable(entry["claim_latex"]), width)
        for a in entry["assumptions"]:
            lines += _indented(f"given {a['label']}: {readable(a['latex']) if a['latex'] else a['text']}", width, "dim")
        lines += counterexample_lines(entry, width=width, by=2)
        for step in entry["steps"]:
            if step["premises"]:  # the others only introduce variables and assumptions
                lines += _indented(f"{step['rule']}: {step['text']}", width, "dim", 4)
        lines += _indented(entry["vacuity"], width, "open") if entry["vacuity"] else []
        told = entry["reason"] or entry.get("answer", "")
        lines += _indented(told, width, "open" if entry["reason"] else "") if told else []
        lines += [((f"    {text}", "dim"),) for text in _tried(entry)]
        if entry["certificates"]:
            test = hint("--as-test", quoted(entry["label"]), paths=[file])
            lines.append((("  as a test: ", "dim"), (test, "")))
        lines.append(_blank())
    lines.append(((f"record: {path}", ""), (f"   check it again: theorytest recheck {path}", "dim")))
    return lines


def sharpness(rows: Sequence[Mapping[str, Any]], *, width: int = LOG_WIDTH) -> list[Line]:
    """The best factor of every term of some inequalities."""
    lines: list[Line] = []
    before = None
    for row in rows:
        if row["label"] != before:
            lines.append(((row["label"], "bold"),))
            before = row["label"]
        part = f"part {row['part']}: " if row["part"] else ""
        word, style = (
            ("sharp ", "good") if row["sharp"] else ("better", "seen") if row["proved"] else ("open  ", "open")
        )
        lines.append((("  ", ""), (word, style), (f"  {_factor(row)}", "")))
        lines += _indented(f"{part}{readable(row['term']) or 'threshold'}", width, "dim", 10)
    return lines


def _factor(row: Mapping[str, Any]) -> str:
    """What is known of the factor of one term, in words."""
    seen = "" if row["seen"] is None else f"best factor seen {row['seen']:.6g}"
    known = f"no {row['better']} than {float(Fraction(row['refuted'])):.6g} (exact witness)" if row["refuted"] else ""
    by = f" ({row['by']})" if row.get("by") else ""
    proved = f"{row['proved']} is proved{by}" if row["proved"] else ""
    return ", ".join(filter(None, (seen, known or "no factor refuted", proved)))


def sharpness_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table in Markdown."""
    lines = [
        "| statement | term | stronger if | best factor seen | refuted beyond | proved |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        part = f", part {row['part']}" if row["part"] else ""
        term = readable(row["term"]).replace("|", "\\|") or "threshold"
        beyond = f"{float(Fraction(row['refuted'])):.6g}" if row["refuted"] else "-"
        seen = "-" if row["seen"] is None else f"{row['seen']:.6g}"
        proved = (row["proved"] or "-") + (f" ({row['by']})" if row.get("by") else "")
        cells = (row["label"] + part, f"`{term}`", row["better"], seen, beyond, proved)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _tried(entry: Mapping[str, Any], most: int = 6) -> list[str]:
    """What was searched, shape by shape; for a witness, the smaller shapes at which there was none."""
    tried = [t for t in entry.get("tried", []) if t["instances"]]
    lines: list[str] = []
    for t in tried[:most]:
        sizes = t.get("sizes", "")
        place = ", ".join(f"{k} = {v}" for k, v in sizes.items()) if isinstance(sizes, dict) else sizes
        least = "" if t.get("least_margin") is None else f", least margin {t['least_margin']:.3g} (float64)"
        lost = f", a side not defined at {t['undefined']}" if t.get("undefined") else ""
        lines.append(f"tried {plural(t['instances'], 'instance')}{f' at {place}' if place else ''}{least}{lost}")
    if len(tried) > most:
        lines.append(f"and {len(tried) - most} more shapes")
    return lines


def source_text(source: Mapping[str, Any]) -> str:
    """ "RC20, Theorem 1"; the key alone where there is no locator."""
    return ", ".join(filter(None, (source["key"], source["locator"])))


def counterexample_lines(entry: Mapping[str, Any], *, width: int = LOG_WIDTH, by: int = 0) -> list[Line]:
    """The exact numbers at which a refuted statement or control fails, and by how much; else nothing."""
    found = records.witness(entry)
    if found is None or "REFUTED" not in (entry.get("status"), entry.get("outcome")):
        return []
    instance, data = found
    head = ("counterexample", "bold"), ("  (exact; the kernel evaluated the claim there)", "dim")
    lines: list[Line] = [_blank(), head] if not by else [((" " * by + "at these exact numbers", "dim"),)]
    for text in records.instance_lines(instance):
        lines += _indented(text, width, "seen", by + 2)
    if data:
        lines += _indented(f"and beside them {', '.join(map(_datum, data))}", width, "seen", by + 2)
    if records.margin(entry):
        lines += _indented(records.margin(entry), width, "", by + 2)
    return lines


def _datum(value: Any) -> str:
    """What a witness has beside its instance, for readers."""
    if isinstance(value, dict) and set(value) == {"q"}:
        return str(value["q"])
    if isinstance(value, dict) and value.get("is") == "Array":
        return records.array_text(value)
    if isinstance(value, list):
        return f"({', '.join(map(_datum, value))})"
    if isinstance(value, dict) and value.get("is") == "MeasuredLoss":
        return _loss_text(value)
    if isinstance(value, dict) and value.get("is") == "FlowSteps":
        return f"an enclosure of the flow in {plural(len(value['steps']), 'step')}"
    if isinstance(value, dict):
        from theorytest import latex
        from theorytest.kernel.encoding import decode

        noun = decode(value)
        return readable(latex.claim(noun) if value["is"] in _CLAIMS else latex.side(noun))
    return str(value)


def _loss_text(loss: Mapping[str, Any], most: int = 8) -> str:
    """A measured loss in words: its measurements with their targets."""
    seen: list[str] = []
    for m in loss["measurements"]:
        parts = [
            ("" if entry["q"] == "1" else f"{entry['q']} ") + f"W({', '.join(str(i + 1) for i in index)})"
            for index, entry in m["entries"]
        ]
        seen.append(f"{' + '.join(parts)} - {m['target']['q']}")
    shown = ", ".join(seen[:most]) + (f" and {len(seen) - most} more" if len(seen) > most else "")
    square = loss["slope"]["pieces"] == [[{"q": "0"}, {"q": "1"}]]
    kind = "half the sum of squares" if square and loss["weight"]["q"] == "1" else "a loss"
    return f"{kind} of {shown}"


_CLAIMS = ("Identity", "Inequality", "Where")


def control_explanation(control: Mapping[str, Any], *, width: int = LOG_WIDTH) -> list[Line]:
    """A control alone: what it breaks, its claim, and the numbers that refute it."""
    outcome = control["outcome"]
    style = ("good" if outcome == "REFUTED" else "open") if outcome == control["expected"] else "bad"
    lines: list[Line] = [
        ((control["label"], "bold"), ("  ", ""), (outcome, style), (f"  control, breaks: {control['breaks']}", "dim")),
        *_indented(control["title"], width, "", 0),
    ]
    if outcome != control["expected"]:
        lines.append(((f"expected {control['expected']}", "bad"),))
    for name in ("reason", "expected_reason"):
        if control[name]:
            lines += _indented(f"{'reason' if name == 'reason' else 'expected'}: {control[name]}", width, "open", 0)
    lines += [_blank(), (("claim", "bold"),), *_indented(readable(control["claim_latex"]), width)]
    lines += counterexample_lines(control, width=width)
    if control["certificate"]:
        certificate = control["certificate"]
        made = f"{certificate['kind']} {certificate['digest'][:12]}, made by {certificate['producer']}"
        lines += [_blank(), (("certificate", "bold"), (f"  {made}", "dim"))]
    return lines


def control_lines(control: Mapping[str, Any], *, width: int = LOG_WIDTH, numbers: bool = False) -> list[Line]:
    """A control on some lines: outcome, what it breaks, its claim where it survives, and how it was refuted.

    numbers: all exact numbers of its counterexample, too.
    """
    outcome = control["outcome"]
    style = ("good" if outcome == "REFUTED" else "open") if outcome == control["expected"] else "bad"
    name = control["label"].rpartition("/")[2]
    lines: list[Line] = [
        ((f"  {outcome:<9}", style), (f"  {name}", "bold"), (f"  breaks: {control['breaks']}", "dim")),
        *_indented(control["title"], width, "", 13),
    ]
    if control["margin"] and numbers:
        lines += counterexample_lines(control, width=width, by=13)
    elif control["margin"]:
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
            shown = readable(step["latex"]).removeprefix("suppose " if step["text"] == "suppose" else "")
            lines += _indented(shown, width, "dim", 5 + 3 * depth)
        lines += _steps(step["inner"], width, f"{name}.", depth + 1)
    return lines


def _indented(text: str, width: int, style: str = "", by: int = 2) -> list[Line]:
    wrapped = textwrap.wrap(text, max(30, width - by), break_long_words=False) or [""]
    return [((" " * by + piece, style),) for piece in wrapped]


def _blank() -> Line:
    return (("", ""),)
