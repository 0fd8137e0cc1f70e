"""A document as one HTML file: styles, fonts, plots and mathematics inside, no network, no script needed to read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from theorytest.latex import lines
from theorytest.notes import document as d
from theorytest.notes import drawing
from theorytest.notes.formulas import to_mathml

FONTS = {
    "text-regular": ("Notes", "400", "normal"),
    "text-italic": ("Notes", "400", "italic"),
    "text-semibold": ("Notes", "600", "normal"),
    "math": ("Notes Math", "400", "normal"),
}

NARROW = 24  # characters of a formula, without a place to break it, that fit on a phone


def render(document: d.Document) -> str:
    """The page. Raises `InputError` where a formula or a plot cannot be drawn."""
    return _Page(document).page()


def _asset(name: str) -> bytes:
    return (files("theorytest.notes") / name).read_bytes()


def _fonts() -> str:
    faces: list[str] = []
    for file, (family, weight, style) in FONTS.items():
        data = base64.b64encode(_asset(f"fonts/{file}.woff2")).decode("ascii")
        faces.append(
            f'@font-face{{font-family:"{family}";font-weight:{weight};font-style:{style};font-display:block;'
            f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'
        )
    return "".join(faces)


class _Page:
    def __init__(self, document: d.Document) -> None:
        self.document = document
        self.math = to_mathml(d.formulas(document))
        self.anchors = d.anchors(document)

    def page(self) -> str:
        head = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.document.title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<style>{_fonts()}{_asset('page.css').decode()}</style></head>"
        )
        body = "".join(self.section(section, 2) for section in self.document.sections)
        return (
            f'{head}<body><a class="skip" href="#notes">Skip to the notes</a>'
            f'<header><p class="brand">theorytest</p><h1>{escape(self.document.title)}</h1>'
            f'<p class="origin">{escape(self.document.origin)}</p></header>'
            f'<div class="columns">{self.contents()}<main id="notes" tabindex="-1">{body}</main></div>'
            f"<script>{_asset('page.js').decode()}</script></body></html>\n"
        )

    def contents(self) -> str:
        shown: list[str] = []
        for section in self.document.sections:
            inner = "".join(
                f'<li><a href="#{escape(s.anchor)}" title="{escape(d.plain(s.title))}">'
                + (f'<span class="{s.badge.status}">{drawing.shape(s.badge.status, 11)}</span>' if s.badge else "")
                + f"{escape(s.short or d.plain(s.title))}</a></li>"
                for s in section.sections
            )
            inner = f"<ul>{inner}</ul>" if inner else ""
            link = f'<a href="#{escape(section.anchor)}">{escape(section.short or d.plain(section.title))}</a>'
            shown.append(f"<li>{link}{inner}</li>")
        return (
            '<nav aria-label="Contents"><details open><summary>Contents</summary>'
            '<label class="find">Find <input type="search" placeholder="Theorem 1, norm, RC20-…"></label>'
            f"<ul>{''.join(shown)}</ul></details></nav>"
        )

    def section(self, section: d.Section, level: int) -> str:
        badge = f" {self.inline(section.badge)}" if section.badge else ""
        label = (
            f'<a class="label" href="#{escape(section.anchor)}" aria-label="Link to {escape(section.short)}">'
            f"{escape(section.short)}</a>"
            if section.badge
            else ""
        )
        kind = "statement" if section.badge else "part"
        return (
            f'<section class="{kind}" id="{escape(section.anchor)}">'
            f'<h{level}><span class="name">{self.line(section.title)}</span>{badge}</h{level}>{label}'
            f"{self.blocks(section.blocks)}{''.join(self.section(s, level + 1) for s in section.sections)}</section>"
        )

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self, blocks: Iterable[d.Block]) -> str:
        return "".join(map(self.block, blocks))

    def block(self, block: d.Block) -> str:
        match block:
            case d.Paragraph(line, role):
                return f'<p class="{role}">{self.line(line)}</p>' if role else f"<p>{self.line(line)}</p>"
            case d.Display(latex):
                return self.display(latex)
            case d.Items(items):
                return self.listed(f"<li>{self.blocks(item)}</li>" for item in items)
            case d.Table():
                return self.table(block)
            case d.Steps(steps):
                return f'<ol class="steps">{"".join(map(self.step, steps))}</ol>'
            case d.Environment(kind, name, inner):
                return (
                    f'<div class="environment"><p class="kind"><b>{escape(kind.capitalize())}</b> ({escape(name)})</p>'
                    f"{self.blocks(inner)}</div>"
                )
            case d.Listing(commands):
                shown = "\n".join(map(escape, commands))
                return f"<pre><code>{shown}</code></pre>"
            case d.More(summary, inner):
                return f"<details><summary>{self.line(summary)}</summary>{self.blocks(inner)}</details>"
            case d.Plot():
                names = escape(", ".join(curve.name for curve in block.curves))
                return (
                    f'<figure role="group" aria-label="Plot of {names}">'
                    f"{drawing.plot(block)}<figcaption>{self.line(block.caption)}</figcaption></figure>"
                )
            case d.Graph():
                return (
                    f'<figure class="wide"><div class="scroll" tabindex="0" role="region" '
                    f'aria-label="{escape(block.caption)}">{drawing.graph(block)}</div>'
                    f"<figcaption>{escape(block.caption)}</figcaption></figure>"
                )

    def display(self, latex: str) -> str:
        """Lines of a formula. One that may be wider than a phone can be reached, and so scrolled, from the keyboard."""
        rows = [self.math[piece] for piece in lines(latex)]
        widest = max(len(re.sub(r"<[^>]*>", "", piece)) for row in rows for piece in row.split("<wbr>"))
        reach = ' tabindex="0" role="group" aria-label="a wide formula"' if widest > NARROW else ""
        shown = "".join(f'<span class="row">{row}</span>' for row in rows)
        return f'<div class="display" data-tex="{escape(latex)}"{reach}>{shown}</div>'

    def table(self, table: d.Table) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
        rows = "".join(self.row(table, row) for row in table.rows)
        caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
        return f'<div class="table"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'

    def row(self, table: d.Table, row: d.Row) -> str:
        cells = [
            f'<td data-head="{escape(name)}" class="{_kind(table, place, cell)}">{self.line(cell)}</td>'
            for place, (name, cell) in enumerate(zip(table.head, row.cells, strict=True))
        ]
        anchor = f' id="{escape(row.anchor)}"' if row.anchor else ""
        return f"<tr{anchor}>{''.join(cells)}</tr>"

    def listed(self, items: Iterable[str]) -> str:
        return f"<ul>{''.join(items)}</ul>"

    def step(self, step: d.Step) -> str:
        rule = f'<a class="rule" href="#rule-{escape(step.rule)}">{escape(step.rule)}</a>'
        if f"rule-{step.rule}" not in self.anchors:
            rule = f'<span class="rule">{escape(step.rule)}</span>'
        uses = f' <span class="uses">from {", ".join(step.uses)}</span>' if step.uses else ""
        inner = f'<ol class="steps">{"".join(map(self.step, step.inner))}</ol>' if step.inner else ""
        formula = self.display(step.below) if step.below else ""
        head = f'<div class="how"><span class="words">{self.line(step.head)}</span>{uses} {rule}</div>'
        return f'<li><span class="number">{step.number}</span>{head}{formula}{inner}</li>'

    # -- inline --------------------------------------------------------------------------------------------------------

    def line(self, line: d.Line) -> str:
        """Inline elements; a formula is not parted from the sign that follows it."""
        shown: list[str] = []
        for place, piece in enumerate(line):
            text = self.inline(piece)
            after = isinstance(piece, str) and piece[:1] in (".", ",", ";", ":", ")")
            if after and place and isinstance(line[place - 1], d.Formula) and "<wbr>" not in shown[-1]:
                shown[-1] = f'<span class="kept">{shown[-1]}{text[:1]}</span>'
                text = text[1:]
            shown.append(text)
        return "".join(shown)

    def inline(self, piece: d.Inline) -> str:
        match piece:
            case str():
                return escape(piece, quote=False)
            case d.Formula(latex):
                return self.math[latex]
            case d.Code(text):
                return f"<code>{escape(text)}</code>"
            case d.Strong(text):
                return f"<b>{escape(text)}</b>"
            case d.Link(anchor, text):
                shown = escape(text or anchor)
                return f'<a href="#{escape(anchor)}">{shown}</a>' if anchor in self.anchors else shown
            case d.Badge(status, complete):
                note = ' title="with all that it rests on"' if complete else ""
                word = status if status.isupper() else status.lower()
                kind = f"badge {status}{' complete' if complete else ''}"
                return f'<span class="{kind}"{note}>{drawing.shape(status)}{word}</span>'


def _kind(table: d.Table, place: int, cell: d.Line) -> str:
    if place == table.wide:
        return "wide"
    return "tight" if len(cell) == 1 and isinstance(cell[0], d.Link | d.Badge | d.Code) else "plain"
