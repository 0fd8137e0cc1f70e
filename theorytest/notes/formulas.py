"""LaTeX formulas as MathML and as Typst, by pandoc, all formulas of a document in one call.

pandoc (its library texmath) reads the LaTeX; what it writes is put in order here. MathML is drawn by the browser
itself, read aloud by screen readers, and needs no script. A formula is cut before relations and signs into pieces
between which a line may break, since browsers do not break MathML.
"""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from html import escape

from theorytest.errors import InputError

_BREAKS = set("=≤≥<>≠→↦∈∼+−-:⟹")
_SPACE = "{http://www.w3.org/1998/Math/MathML}"
_API = [1, 23, 1]
_BRACKETS = ("(", ")", "[", "]", "{", "}", "⟨", "⟩")
_FUNCTIONS = ("ln", "exp", "det", "lim", "inf", "sup", "max", "min", "sign", "log", "rank", "tr", "diag")
_TYPST = {".circle": ".o", "#h(0em)": " thick "}  # names since Typst 0.14; pandoc rounds a thick space down to none
_PIECE = 12  # shortest piece of a formula, in characters
_LIST = 40  # the same in a list of formulas, which breaks after its commas


def to_mathml(formulas: Sequence[str]) -> dict[str, str]:
    """HTML of every formula: pieces of MathML. Raises `InputError` where pandoc does not understand one."""
    found = _pandoc(formulas, "html5", "--mathml")
    shown = re.findall(r"<p>(.*?)</p>", found, flags=re.DOTALL)
    return {latex: _pieces(latex, xml) for latex, xml in zip(formulas, shown, strict=True)}


def to_typst(formulas: Sequence[str]) -> dict[str, str]:
    """Typst's mathematics, without dollar signs, of every formula. Raises `InputError` as `to_mathml` does."""
    blocks = [block.strip() for block in _pandoc(formulas, "typst").split("\n\n")]
    made: dict[str, str] = {}
    for latex, block in zip(formulas, [block for block in blocks if block], strict=True):
        if not (block.startswith("$") and block.endswith("$")):
            raise InputError(f"pandoc does not understand the formula {latex!r}")
        text = block[1:-1].strip()
        for old, new in _TYPST.items():
            text = text.replace(old, new)
        made[latex] = re.sub(r"∥([^∥]*)∥", r"norm(\1)", text)
    return made


def _pandoc(formulas: Sequence[str], *to: str) -> str:
    try:
        import pypandoc
    except ImportError as error:
        raise InputError("notes need pandoc: pip install 'theorytest[notes]'") from error
    blocks = [{"t": "Para", "c": [{"t": "Math", "c": [{"t": "DisplayMath"}, latex]}]} for latex in formulas]
    text = json.dumps({"pandoc-api-version": _API, "meta": {}, "blocks": blocks})
    command = [pypandoc.get_pandoc_path(), "-f", "json", "-t", *to, "--wrap=none"]
    made = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    if made.returncode or "Could not convert" in made.stderr:
        raise InputError(f"pandoc cannot typeset a formula: {' '.join(made.stderr.split())}")
    return made.stdout


def _pieces(latex: str, xml: str) -> str:
    try:
        math = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise InputError(f"pandoc does not understand the formula {latex!r}") from error
    top = math.find(f"{_SPACE}semantics/{_SPACE}mrow")
    children = (
        list(top) if top is not None else [c for c in math.find(f"{_SPACE}semantics") or () if "annot" not in c.tag]
    )
    row = ElementTree.Element(f"{_SPACE}mrow")
    row.extend(children)
    _tidy(row)
    children = list(row)
    pieces: list[list[ElementTree.Element]] = [[]]
    listed = any(_comma(child) for child in children)
    length = 0
    for place, child in enumerate(children):
        after = place > 0 and _comma(children[place - 1])
        before = _breaks(child) and length >= (_LIST if listed else _PIECE)
        if pieces[-1] and (after or before):
            pieces.append([])
            length = 0
            if child.tag == f"{_SPACE}mo" and before:
                child.set("form", "infix")
        pieces[-1].append(child)
        length += len("".join(child.itertext()))
    shown = [f"<math>{''.join(map(_markup, piece))}</math>" for piece in pieces]
    if len(shown) == 1:
        return shown[0]
    return f'<span class="pieces">{"<wbr>".join(shown)}</span>'


def _comma(element: ElementTree.Element) -> bool:
    return element.tag == f"{_SPACE}mo" and element.text == ","


def _breaks(element: ElementTree.Element) -> bool:
    name = element.tag.removeprefix(_SPACE)
    return (name == "mo" and (element.text or "") in _BREAKS) or (name == "mtext" and len(element.text or "") > 3)


def _tidy(element: ElementTree.Element) -> None:
    """Brackets without space around them, norm bars that are brackets, signs that are operators, and room around the
    names of functions."""
    for part in element.iter():
        name = part.tag.removeprefix(_SPACE)
        if name == "mo" and part.get("form") in ("prefix", "postfix"):
            part.text = "‖" if part.text == "∥" else part.text
            if part.get("stretchy") == "true":
                del part.attrib["stretchy"]  # as brackets are
            if part.text in _BRACKETS:
                del part.attrib["form"]  # these have one form each
        elif name == "mi" and part.text == "−":
            part.tag = f"{_SPACE}mo"
            part.set("form", "prefix")
            part.set("rspace", "0")
        elif name == "mi" and part.text in ("*", "…", "∇", "#"):
            part.set("mathvariant", "normal")
        if name == "mi" and len(part.text or "") > 1:
            part.attrib.pop("mathvariant", None)  # several letters are upright
        _room(part)


def _room(row: ElementTree.Element) -> None:
    """A thin space between the name of a function and what stands beside it, unless that is a bracket or a sign."""
    if row.tag.removeprefix(_SPACE) != "mrow" or _function(row):
        return
    children = list(row)
    for place in range(len(children) - 1, -1, -1):
        if not _function(children[place]):
            continue
        if place + 1 < len(children) and not _opens(children[place + 1]):
            row.insert(place + 1, _thin())
        if place and children[place - 1].tag.removeprefix(_SPACE) not in ("mo", "mtext", "mspace"):
            row.insert(place, _thin())


def _thin() -> ElementTree.Element:
    return ElementTree.Element(f"{_SPACE}mspace", {"width": "0.17em"})


def _function(element: ElementTree.Element) -> bool:
    name = element.tag.removeprefix(_SPACE)
    if name == "mrow":
        return len(element) == 2 and element[1].text == "\N{FUNCTION APPLICATION}"
    if name in ("munder", "msub", "msup"):
        return len(element) > 0 and _function(element[0])
    return name == "mi" and element.text in _FUNCTIONS


def _opens(element: ElementTree.Element) -> bool:
    """Whether an element is an opening bracket, or a group in brackets."""
    if element.tag.removeprefix(_SPACE) == "mrow" and len(element):
        return _opens(element[0])
    return (
        element.tag.removeprefix(_SPACE) == "mo" and element.get("form") == "prefix" and (element.text or "?") in "([{"
    )


def _markup(element: ElementTree.Element) -> str:
    name = element.tag.removeprefix(_SPACE)
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in element.attrib.items())
    return f"<{name}{attributes}>{escape(element.text or '')}{''.join(map(_markup, element))}</{name}>"
