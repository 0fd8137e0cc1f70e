"""A document as PDF, typeset by Typst from the wheel of that name: no LaTeX, no network; its fonts are embedded."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path

from theorytest.errors import InputError
from theorytest.latex import lines
from theorytest.notes import document as d
from theorytest.notes import drawing
from theorytest.notes.formulas import to_typst

_SAFE = set(" ,.;:()?!%")


def pdf(document: d.Document, figures: dict[str, str]) -> bytes:
    """The document as PDF. figures: SVG by name, as `figures_of` gives them.

    Raises `InputError` without typst, or where a formula cannot be typeset.
    """
    printed = d.printed(document)
    template = (files("theorytest.notes") / "paper.typ").read_text(encoding="utf-8")
    return _compile(template + _Writer(printed).document(), figures)


def figures_of(document: d.Document) -> dict[str, str]:
    """SVG in fixed colours of every plot, and of the graph ("blueprint")."""
    found: dict[str, str] = {}
    for part in d.parts(document):
        if isinstance(part, d.Plot):
            found[part.name] = drawing.flat_plot(part)
        elif isinstance(part, d.Graph):
            found["blueprint"] = drawing.flat_graph(d.on_paper(part))
    return found


def figure_pdf(svg: str) -> bytes:
    """One figure as a PDF of its size, for LaTeX."""
    return _compile('#set page(width: auto, height: auto, margin: 2pt)\n#image("figure.svg")\n', {"figure": svg})


def _compile(source: str, figures: dict[str, str]) -> bytes:
    try:
        import typst
    except ImportError as error:
        raise InputError("PDF needs typst: pip install 'theorytest[notes]'") from error
    with tempfile.TemporaryDirectory(prefix="theorytest-") as folder:
        for name, svg in figures.items():
            (Path(folder) / f"{name}.svg").write_text(svg, encoding="utf-8")
        path = Path(folder) / "notes.typ"
        path.write_text(source, encoding="utf-8")
        try:
            return typst.compile(path, root=Path(folder), ignore_system_fonts=True, pdf_tags=False)
        except typst.TypstError as error:
            raise InputError(f"typst cannot set the notes: {error}") from error


class _Writer:
    def __init__(self, document: d.Document) -> None:
        self.paper = document
        self.math = to_typst(d.formulas(document))
        self.anchors = d.anchors(document)

    def document(self) -> str:
        sections = "".join(self.section(section, 1) for section in self.paper.sections)
        return (
            f"#show: notes.with(title: {_string(self.paper.title)}, origin: {_string(self.paper.origin)})\n{sections}"
        )

    def section(self, section: d.Section, level: int) -> str:
        label = f"#label({_string(section.anchor)})"
        if section.badge:
            named = f"{_string(section.short)}, [{self.line(section.title)}]"
            head = f"#statement-heading({named}, {self.badge(section.badge)})"
        else:
            head = f"#heading(level: {min(level, 3)})[{self.line(section.title)}]"
        inner = "".join(self.section(s, level + 1) for s in section.sections)
        return f"\n#[{head}{label}]\n{self.blocks(section.blocks)}{inner}"

    def blocks(self, blocks: tuple[d.Block, ...]) -> str:
        return "".join(f"{self.block(block)}\n\n" for block in blocks)

    def block(self, block: d.Block) -> str:
        match block:
            case d.Paragraph(line, role):
                return f"#fine[{self.line(line)}]" if role else f"#par[{self.line(line)}]"
            case d.Display(latex):
                return self.display(latex)
            case d.Items(items):
                return f"#list(tight: false, {', '.join(f'[{self.blocks(item)}]' for item in items)})"
            case d.Table():
                return self.table(block)
            case d.Steps(steps):
                return "".join(map(self.step, steps))
            case d.Environment(kind, name, inner):
                return f"#environment({_string(kind.capitalize())}, {_string(name)})[{self.blocks(inner)}]"
            case d.Listing(commands):
                return f"#listing({', '.join(map(_string, commands))})"
            case d.More(summary, inner):
                return f"#par[{self.line(summary)}]\n\n{self.blocks(inner)}"
            case d.Plot(name, caption):
                return f"#picture({_string(name + '.svg')}, 78%, [{self.line(caption)}])"
            case d.Graph(caption):
                return f'#picture("blueprint.svg", 100%, [{_text(caption)}])'

    def display(self, latex: str) -> str:
        rows = ", ".join(f"$display({self.math[piece]})$" for piece in lines(latex))
        return f"#formula({rows})"

    def step(self, step: d.Step) -> str:
        uses = f"from {', '.join(step.uses)}" if step.uses else ""
        formula = self.display(step.below) if step.below else ""
        inner = "".join(map(self.step, step.inner))
        # Links to rules here would cost a third of the time.
        named = f"{_string(step.number)}, [{self.line(step.head)}], [{_text(step.rule)}]"
        return f"#step({named}, {_string(uses)})[{formula}]\n{inner}"

    def table(self, table: d.Table) -> str:
        widths = ", ".join(f"{share}fr" if share else "auto" for share in d.shares(table))
        head = ", ".join(f"[{_text(name)}]" for name in table.head)
        cells: list[str] = []
        for row in table.rows:
            anchor = f"#metadata(0)#label({_string(row.anchor)})" if row.anchor else ""
            cells += [f"[{anchor if not place else ''}{self.line(cell)}]" for place, cell in enumerate(row.cells)]
        caption = f"#block(sticky: true)[*{_text(table.caption)}*]\n" if table.caption else ""
        return f"{caption}#rows(({widths},), ({head},), {', '.join(cells)})"

    def badge(self, badge: d.Badge) -> str:
        return f"badge({_string(badge.status)}, {json.dumps(badge.complete)})"

    def line(self, line: d.Line) -> str:
        return "".join(map(self.inline, line))

    def inline(self, piece: d.Inline) -> str:
        match piece:
            case str():
                return _text(piece)
            case d.Formula(latex):
                return f"${self.math[latex]}$"
            case d.Code(text):
                return f"#raw({_string(text)});"
            case d.Strong(text):
                return f"#strong[{_text(text)}];"
            case d.Link(anchor, text):
                shown = _text(text or anchor)
                return f"#link(label({_string(anchor)}))[{shown}];" if anchor in self.anchors else shown
            case d.Badge():
                return f"#{self.badge(piece)};"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(text: str) -> str:
    """Text in which nothing is markup."""
    return "".join(c if c.isalnum() or c in _SAFE or not c.isascii() else f"\\{c}" for c in text)
