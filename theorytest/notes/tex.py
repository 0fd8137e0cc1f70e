"""A document as LaTeX: a body to paste into a paper (amsthm, cleveref), a style that it needs, and a file of its own.

A stock pdflatex suffices: text is ASCII, what is not is a command. Plots and the graph are PDF files beside it.
"""

from __future__ import annotations

import unicodedata
from importlib.resources import files

from theorytest.latex import GREEK_LETTERS, GREEK_NAMES, lines
from theorytest.notes import document as d

ENVIRONMENTS = ("theorem", "proposition", "lemma", "corollary", "conjecture", "definition", "remark")
_LEVELS = ("section", "subsection", "subsubsection")
_SPECIAL = {c: f"\\{c}" for c in "#$%&_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
_SPECIAL |= {"^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "“": "``", "”": "''"}
_SPECIAL |= {"’": "'", "‘": "`", "–": "--", "—": "---", "…": r"\ldots{}", "·": r"$\cdot$", "×": r"$\times$"}
_SPECIAL |= {"≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "→": r"$\to$", "↔": r"$\leftrightarrow$", "‖": r"$\|$"}
_SPECIAL |= {"−": "$-$", "±": r"$\pm$", "∞": r"$\infty$", "√": r"$\surd$", "∇": r"$\nabla$", "∈": r"$\in$"}
_SPECIAL |= {"∂": r"$\partial$", "⟨": r"$\langle$", "⟩": r"$\rangle$", "⊗": r"$\otimes$", "ℓ": r"$\ell$"}
_SPECIAL |= {"Σ": r"$\Sigma$", "Π": r"$\Pi$", "°": r"$^\circ$", "§": r"\S{}", "ᵀ": r"$^{\top}$", "↦": r"$\mapsto$"}
_SPECIAL |= {"⊙": r"$\odot$", "⁻": "$^{-}$", "∘": r"$\circ$", "∑": r"$\sum$", "∏": r"$\prod$", "≈": r"$\approx$"}
_SPECIAL |= {letter: rf"$\{name}$" for letter, name in zip(GREEK_LETTERS, GREEK_NAMES, strict=True)}
_TABLE = str.maketrans(_SPECIAL)
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0307": ".", "\u0308": '"', "\u030c": "v "}
_HATS = {"\u0300": "grave", "\u0301": "acute", "\u0302": "hat", "\u0303": "tilde", "\u0307": "dot", "\u0308": "ddot"}
_HATS |= {"\u030c": "check"}


def body(document: d.Document) -> str:
    """The sections, for a paper that loads the style."""
    return _Writer(document).body()


def standalone(document: d.Document, name: str) -> str:
    """A file of its own that reads the body ``name.tex``."""
    return (
        "\\documentclass[11pt]{article}\n\\usepackage[a4paper,margin=27mm]{geometry}\n\\usepackage[T1]{fontenc}\n"
        "\\usepackage{lmodern}\n\\usepackage{theorytest}\n"
        f"\\title{{{escape(document.title)}}}\n\\author{{}}\n\\date{{{escape(document.origin)}}}\n"
        f"\\begin{{document}}\n\\maketitle\n\\tableofcontents\n\\input{{{name}}}\n\\end{{document}}\n"
    )


def style() -> str:
    """The package ``theorytest.sty``."""
    return (files("theorytest.notes") / "theorytest.sty").read_text(encoding="utf-8")


def escape(text: str) -> str:
    """Text in ASCII and commands."""
    if text.isascii():
        return text.translate(_TABLE)
    pieces = _marked(text)
    return "".join(_accent(base, mark) if mark else _character(base) for base, mark in pieces)


def formula(latex: str) -> str:
    """A formula in ASCII: other characters become commands."""
    if latex.isascii():
        return latex
    shown: list[str] = []
    for base, mark in _marked(latex):
        inner = base if base.isascii() else rf"\ensuremath{{{_character(base).strip('$')}}}"
        shown.append(rf"\ensuremath{{\{_HATS[mark]}{{{inner}}}}}" if mark else inner)
    return "".join(shown)


def _marked(text: str) -> list[tuple[str, str]]:
    """Characters with the accent that they carry, if it is one that LaTeX has."""
    found: list[tuple[str, str]] = []
    for c in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", c)
        if len(parts) == 2 and parts[1] in _ACCENTS:
            found.append((parts[0], parts[1]))
        elif c in _ACCENTS and found and not found[-1][1] and found[-1][0].isalpha():
            found[-1] = (found[-1][0], c)
        else:
            found.append((c, ""))
    return found


def _accent(base: str, mark: str) -> str:
    if base.isascii():
        return f"\\{_ACCENTS[mark]}{{{base}}}"
    return rf"$\{_HATS[mark]}{{{_character(base).strip('$')}}}$"


def _character(c: str) -> str:
    if c in _SPECIAL:
        return _SPECIAL[c]
    if c.isascii():
        return c
    if unicodedata.category(c) == "Zs":
        return "~" if "NO-BREAK" in unicodedata.name(c) else " "
    plain = unicodedata.normalize("NFKC", c)
    name = unicodedata.name(c, "")
    if plain.isascii() and name.startswith(("SUPERSCRIPT", "SUBSCRIPT")):
        return f"${'^' if name.startswith('SUPER') else '_'}{{{plain}}}$"
    return plain if plain.isascii() else f"[U+{ord(c):04X}]"


class _Writer:
    def __init__(self, document: d.Document) -> None:
        self.document = d.printed(document)
        self.anchors = {s.anchor for s in d.parts(self.document) if isinstance(s, d.Section)}

    def body(self) -> str:
        return "\n".join(self.section(section, 0) for section in self.document.sections)

    def section(self, section: d.Section, level: int) -> str:
        name = _LEVELS[min(level, 2)]
        badge = f" \\status{{{section.badge.status}}}" if section.badge else ""
        title = f"\\texorpdfstring{{{self.line(section.title)}}}{{{_words(section.title)}}}"
        pieces = [f"\\{name}{{{title}}}{badge}\\label{{{section.anchor}}}\n", *map(self.block, section.blocks)]
        return "\n".join((*pieces, *(self.section(s, level + 1) for s in section.sections)))

    def block(self, block: d.Block) -> str:
        match block:
            case d.Paragraph(line, role):
                text = self.line(line)
                return f"{{\\small {text}\\par}}\n" if role else f"{text}\\par\n"
            case d.Display(latex):
                return self.display(latex)
            case d.Items(items):
                inner = "".join(f"\\item {''.join(map(self.block, item))}" for item in items)
                return f"\\begin{{itemize}}\n{inner}\\end{{itemize}}\n"
            case d.Table():
                return self.table(block)
            case d.Steps(steps):
                return f"\\begin{{derivation}}\n{''.join(map(self.step, steps))}\\end{{derivation}}\n"
            case d.Environment(kind, name, inner):
                known = kind if kind in ENVIRONMENTS else "claim"
                text = "".join(map(self.block, inner))
                return f"\\begin{{{known}}}[{{{escape(name)}}}]\n{text}\\end{{{known}}}\n"
            case d.Listing(commands):
                inner = "".join(f"\\command{{{escape(command)}}}\n" for command in commands)
                return f"\\begin{{commands}}\n{inner}\\end{{commands}}\n"
            case d.More(summary, inner):
                return f"{self.line(summary)}\\par\n{''.join(map(self.block, inner))}"
            case d.Plot(name, caption):
                return self.figure(name, self.line(caption))
            case d.Graph(caption):
                return self.figure("blueprint", escape(caption))

    def figure(self, name: str, caption: str) -> str:
        image = f"\\includegraphics[max width=\\linewidth,max height=.85\\textheight]{{figures/{name}.pdf}}"
        return f"\\begin{{figure}}[htbp]\\centering\n{image}\n\\caption{{{caption}}}\n\\end{{figure}}\n"

    def display(self, latex: str) -> str:
        rows = "\\\\\n".join(rf"$\displaystyle {formula(piece)}$" for piece in lines(latex))
        return f"\\begin{{formula}}\n{rows}\n\\end{{formula}}\n"

    def step(self, step: d.Step) -> str:
        uses = f" (from {', '.join(step.uses)})" if step.uses else ""
        how = f"\\how{{{escape(step.rule)}{escape(uses)}}}"
        formula = self.display(step.below) if step.below else ""
        inner = (
            f"\\begin{{derivation}}\n{''.join(map(self.step, step.inner))}\\end{{derivation}}\n" if step.inner else ""
        )
        return f"\\item[{step.number}] {self.line(step.head)} {how}\n{formula}{inner}"

    def table(self, table: d.Table) -> str:
        shares = [share or 1.2 for share in d.shares(table)]
        widths = [share / sum(shares) for share in shares]
        form = "".join(
            f">{{\\raggedright\\arraybackslash}}p{{\\dimexpr {w:.3f}\\linewidth-2\\tabcolsep\\relax}}" for w in widths
        )
        caption = f"\\caption*{{{escape(table.caption)}}}\\\\\n" if table.caption else ""
        head = " & ".join(f"\\textit{{{escape(name)}}}" for name in table.head)
        rows = "".join(f"{' & '.join(map(self.line, row.cells))} \\\\\n" for row in table.rows)
        top = f"{caption}{head} \\\\\n\\hline\\endhead\n"
        return f"{{\\small\\begin{{longtable}}{{{form}}}\n{top}{rows}\\end{{longtable}}}}\n"

    def line(self, line: d.Line) -> str:
        return "".join(map(self.inline, line))

    def inline(self, piece: d.Inline) -> str:
        match piece:
            case str():
                return escape(piece)
            case d.Formula(latex):
                return f"${formula(latex)}$"
            case d.Code(text):
                return f"\\code{{{escape(text)}}}"
            case d.Strong(text):
                return f"\\textbf{{{escape(text)}}}"
            case d.Link(anchor, text):
                shown = escape(text or anchor)
                return f"\\hyperref[{anchor}]{{{shown}}}" if anchor in self.anchors else shown
            case d.Badge(status, complete):
                return f"\\status{'*' if complete else ''}{{{status}}}"


def _words(line: d.Line) -> str:
    return "".join(c for c in d.plain(line) if c.isascii() and c not in "\\{}$#%&_^~")
