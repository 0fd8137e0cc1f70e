"""Plain text of proof files as inline elements: formulas where the text writes them, labels as links, code as code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from theorytest.latex import GREEK_LETTERS, GREEK_NAMES, symbol
from theorytest.notes.document import Code, Formula, Inline, Line, Link

GREEK = {"eps": "varepsilon", "epsilon": "varepsilon", **{name: name for name in GREEK_NAMES if len(name) > 2}}
_LETTERS = dict(zip(GREEK_LETTERS, GREEK_NAMES, strict=True))
_BIG = {"sum": "sum", "prod": "prod"}
_WORDS = "|".join(sorted(GREEK, key=len, reverse=True))
_MARK = r"(?:_\{[^{}]*\}|_\w+|\^\{[^{}]*\}|\^\([^()]*\)|\^-?\w+)"
_STEM = rf"(?:{_WORDS}|sum(?=_)|prod(?=_)|[{GREEK_LETTERS}]|[A-Za-z]\u0302|[A-Za-z]{{1,2}}|[A-Za-z]+(?=\^)|\d+)"
_TOKENS = re.compile(
    rf"(?P<code>`[^`]+`)"
    rf"|(?<!\w)(?P<rate>d/d[a-z])(?!\w)"
    rf"|(?<![\w\\])(?P<name>(?!(?:{_WORDS}|sum|prod)_)[A-Za-z]{{2,}}(?:_[A-Za-z]{{2,}})+)(?!\w)"
    rf"|(?<=\s)x_(?P<times>[1-9mnN])(?=\s[A-Z])"
    rf"|(?P<label>\b[A-Z][A-Za-z]*\d*-[A-Za-z0-9][\w./()\-]*)"
    rf"|(?<![\w\\])(?P<formula>{_STEM}{_MARK}+'?)(?!\w)"
    rf"|(?<=[)\]|])(?P<power>\^(?:\([^()]*\)|\w+))"
    rf"|(?<!\w)(?P<member>[A-Za-z]{{1,2}}\[[^\[\]]+\])"
    rf"|(?<!\w)(?P<entry>[A-Za-z][12][12])(?!\w)"
    rf"|(?<![\w\\])(?P<greek>{_WORDS})(?![\w-])"
    rf"|(?<!\w)sqrt\((?P<root>[^()]*)\)"
    rf"|(?<![\w'’.\-/\\])(?P<letter>[b-zB-HJ-Z])(?![\w'’\-\u0300-\u036f]|\.\w)"
)
_FIRST = (  # before letters are told from words
    (r"<(-?[^<>=\s][^<>=]*,[^<>=]*[^<>=\s])>", r"⟨\1⟩"),
    (r"(?<=⟨)grad\b", "∇L"),
    (r"(?<=⟨)-grad\b", "−∇L"),
    (r"(?<=\s)\(x\)(?=\s)", "⊗"),
    (r"\bsum'(?=\s)", "Σ′"),
)
_SIGNS = (
    (r"(?<=\s)\.\.\.(?=\s)", "…"),
    (r"(?<=\d)x(?=\d)", "×"),
    (r"<=", "≤"),
    (r">=", "≥"),
    (r"!=", "≠"),
    (r"<->", "↔"),
    (r"->", "→"),
    (r"\|\|", "‖"),
    (r"(?<=\s)\+-(?=\w)", "±"),
    (r"(?<=\s)-(?=\s)", "−"),
)


def prose(text: str, anchors: Collection[str] = ()) -> Line:
    """Text with its formulas (``W_l^T``, ``sigma_2``), names in backquotes, and known labels."""
    for pattern, sign in _FIRST:
        text = re.sub(pattern, sign, text)
    text = re.sub(r"[^\W\d_](?=_)", lambda m: unicodedata.normalize("NFD", m[0]), text)  # a hat, and a subscript
    found: list[Inline] = []
    start = 0
    for match in _TOKENS.finditer(text):
        piece = _inline(match, anchors)
        if piece is None:
            continue
        found += [signs(text[start : match.start()]), *piece]
        start = match.end()
    found.append(signs(text[start:]))
    return tuple(piece for piece in found if piece)


def _inline(match: re.Match[str], anchors: Collection[str]) -> list[Inline] | None:
    found = match[match.lastgroup or 0]
    match match.lastgroup:
        case "code" | "name":  # of a function, say
            return [Code(found.strip("`"))]
        case "label":
            label = found
            while label and label not in anchors:
                label = label[:-1] if label[-1] in ".,;:)-(" else ""
            return [Link(label), found[len(label) :]] if label else None
        case "rate":
            return [Formula(found)]
        case "times":
            return [Formula(rf"\times_{{{found}}}")]
        case "root":
            parts = [_formula(part) if re.fullmatch(rf"{_STEM}{_MARK}+", part) else part for part in found.split()]
            inner = " ".join(rf"\mathrm{{{part}}}" if _word(part) else part for part in parts)
            return [Formula(rf"\sqrt{{{inner}}}")] if re.fullmatch(r"[\w\s^{}]+", found) else None
        case "entry":
            return [Formula(f"{found[0]}_{{{found[1:]}}}")]
        case "greek":
            return [Formula(f"\\{GREEK[found]}")]
        case "member":
            return [Formula(symbol(found))]
        case "power":
            return [Formula(f"{{}}^{{{found[1:].removeprefix('(').removesuffix(')')}}}")]
        case "letter":
            return [Formula(found)]
        case _:
            return [Formula(_formula(found))]


def _formula(text: str) -> str:
    stem = re.match(rf"{_STEM}(?=[_^])", text)
    assert stem is not None
    name = stem[0]
    command = GREEK.get(name) or _LETTERS.get(name) or _BIG.get(name)
    shown = f"\\{command}" if command else rf"\mathrm{{{name}}}" if _word(name) else name
    shown = rf"\hat{{{name[0]}}}" if name.endswith("\u0302") else shown
    seen: set[str] = set()
    for mark in re.findall(rf"{_MARK}|'", text[stem.end() :]):
        if mark == "'":
            shown += "'"
            continue
        kind, inner = mark[0], _script(mark[0], mark[1:])
        shown = f"{{{shown}}}" if kind in seen else shown
        shown += f"{kind}{{{inner}}}"
        seen.add(kind)
    return shown


def _script(kind: str, inner: str) -> str:
    if inner.startswith("{") or (inner.startswith("(") and ("/" in inner or inner.startswith("(-"))):
        inner = inner[1:-1]
    inner = inner.replace("!=", r"\ne ").replace("<=", r"\le ").replace(">=", r"\ge ")
    if kind == "^" and inner == "T":
        return r"\top"
    if inner in GREEK:
        return f"\\{GREEK[inner]}"
    return rf"\mathrm{{{inner}}}" if _word(inner) else inner


def _word(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{3,}", text) is not None


def signs(text: str) -> str:
    """Text with signs for what is written on a keyboard."""
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text)
    return text
