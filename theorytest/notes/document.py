"""What a page of notes is made of: a document model that knows nothing of HTML, LaTeX or PDF, and no mathematics.

Formulas are LaTeX in the small dialect of `theorytest.latex`. Anchors are the labels of statements (the catalogue's
ids). Writers (`html`, `tex`, `typeset`) render every element.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

from theorytest.latex import letters, lines

# -- inline ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Formula:
    """Mathematics in a line of text."""

    latex: str


@dataclass(frozen=True)
class Code:
    """A name or a command in a line of text."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that lead a paragraph."""

    text: str


@dataclass(frozen=True)
class Link:
    """A reference to an anchor of the document."""

    anchor: str
    text: str = ""


@dataclass(frozen=True)
class Badge:
    """A status, shown as a word, a shape and a colour. ``complete``: of all that it rests on, too."""

    status: str
    complete: bool = False


Inline = str | Formula | Code | Strong | Link | Badge
Line = tuple[Inline, ...]

# -- blocks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph:
    """Text. role: "" or "fine" (small print)."""

    line: Line
    role: str = ""


@dataclass(frozen=True)
class Display:
    """A formula on lines of its own."""

    latex: str


@dataclass(frozen=True)
class Items:
    """A list; every item is a sequence of blocks."""

    items: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True)
class Row:
    """A row of a table, which may be an anchor."""

    cells: tuple[Line, ...]
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a head. ``wide``: the column that takes the room that is left."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    wide: int = 0


SHORT = 24  # letters of a formula that stands beside words


@dataclass(frozen=True)
class Step:
    """One step of a derivation: its number ("3", "3.1"), words, what it concludes, the rule, the numbers of the steps
    it uses, and the steps inside it."""

    number: str
    words: Line
    latex: str
    rule: str
    uses: tuple[str, ...] = ()
    inner: tuple[Step, ...] = ()

    @property
    def head(self) -> Line:
        """The words, and what is concluded where it is short enough to stand beside them."""
        return (*self.words, ": ", Formula(self.latex)) if self.short else self.words

    @property
    def below(self) -> str:
        """What is concluded, where it needs lines of its own."""
        return "" if self.short else self.latex

    @property
    def short(self) -> bool:
        """Whether words and formula fit on one line."""
        return bool(self.latex) and letters(self.latex) <= SHORT and r"\quad" not in self.latex


@dataclass(frozen=True)
class Steps:
    """A derivation."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Environment:
    """A statement in the sense of a paper: kind ("theorem"), its name, and what it says."""

    kind: str
    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Listing:
    """Commands, one a line."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class More:
    """Blocks that a screen shows on demand, and paper in full."""

    summary: Line
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Curve:
    """A series of a plot: its name and values; where ``high`` is given, the band from ``values`` to ``high``."""

    name: str
    values: tuple[float, ...]
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """Series over a common axis, or (without an axis) the histogram of the one series."""

    name: str
    caption: Line
    axis: str
    at: tuple[float, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Node:
    """A statement in the dependency graph. complete: it and all that it rests on are checked."""

    anchor: str
    status: str
    complete: bool
    title: str
    group: str


@dataclass(frozen=True)
class Graph:
    """Statements, and the edges (from what is used, to what uses it)."""

    caption: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


Block = Paragraph | Display | Items | Table | Steps | Environment | Listing | More | Plot | Graph

# -- sections --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """A part of the document. badge: of the statement that the section is about; short: its name in a list."""

    anchor: str
    title: Line
    blocks: tuple[Block, ...]
    sections: tuple[Section, ...] = ()
    badge: Badge | None = None
    short: str = ""


@dataclass(frozen=True)
class Document:
    """Notes: title, what they were made from (one line), sections."""

    title: str
    origin: str
    sections: tuple[Section, ...]


def parts(value: Any) -> Iterator[Any]:
    """Every element of a document, the outer ones first."""
    todo = [value]
    while todo:
        at = todo.pop()
        if isinstance(at, tuple):
            todo.extend(reversed(at))
        elif names := _fields(type(at)):
            yield at
            todo.extend([getattr(at, name) for name in reversed(names)])


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def plain(line: Line) -> str:
    """The words of a line, formulas in their LaTeX."""

    def words(piece: Inline) -> str:
        match piece:
            case str():
                return piece
            case Formula(latex):
                return latex
            case Link(anchor, text):
                return text or anchor
            case Badge(status):
                return status
            case Code(text) | Strong(text):
                return text

    return "".join(map(words, line))


def anchors(document: Document) -> set[str]:
    """All places that a link can lead to."""
    return {p.anchor for p in parts(document) if isinstance(p, Section | Row) and p.anchor}


def formulas(document: Document) -> list[str]:
    """The LaTeX of every formula, once each."""
    found: dict[str, None] = {}
    for part in parts(document):
        if isinstance(part, Formula):
            found[part.latex] = None
        elif isinstance(part, Display | Step) and part.latex:
            short = isinstance(part, Step) and part.short
            found.update(dict.fromkeys([part.latex] if short else lines(part.latex)))
    return list(found)


NARROW = 26  # characters up to which a column is as wide as its text


def shares(table: Table) -> tuple[int, ...]:
    """The shares of columns in the room that narrow columns (share 0) leave."""
    cells = [[plain(row.cells[place]) for row in table.rows] for place in range(len(table.head))]
    narrow = [all(len(text) <= NARROW for text in column) for column in cells]
    return tuple(
        0 if few and place != table.wide else 3 if place == table.wide else 2 for place, few in enumerate(narrow)
    )


def on_paper(graph: Graph) -> Graph:
    """The graph that paper has room for: without the statements that nothing connects, if anything is connected."""
    joined = {name for edge in graph.edges for name in edge}
    kept = tuple(node for node in graph.nodes if node.anchor in joined)
    if not kept or len(kept) == len(graph.nodes):
        return graph
    return replace(graph, nodes=kept, caption=f"{graph.caption} (those that nothing connects are left out)")


def printed(document: Document) -> Document:
    """The document as paper has it: long derivations stand in an appendix, and where they were, a reference; the graph
    is smaller."""
    moved: list[Section] = []

    def block(value: Block, section: Section) -> Block:
        if isinstance(value, Graph):
            return on_paper(value)
        if not isinstance(value, More) or not any(isinstance(inner, Steps) for inner in value.blocks):
            return value
        anchor = f"derivation-{section.anchor}"
        moved.append(Section(anchor, (f"Derivation of {section.anchor}",), value.blocks))
        return Paragraph((*value.summary, ": ", Link(anchor, "in the appendix"), "."))

    def walk(section: Section) -> Section:
        blocks = tuple(block(value, section) for value in section.blocks)
        return replace(section, blocks=blocks, sections=tuple(map(walk, section.sections)))

    sections = tuple(map(walk, document.sections))
    appendix = Section("derivations", ("Long derivations",), (), tuple(moved))
    return replace(document, sections=(*sections, appendix) if moved else sections)
