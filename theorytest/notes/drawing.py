"""SVG of graphs, of the shapes of statuses, and of plots. Colours are classes or CSS variables, so that a page can
be dark or light; `flat` writes fixed colours instead, for paper."""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import Any

from theorytest.errors import InputError
from theorytest.notes.document import Curve, Graph, Plot
from theorytest.notes.graph import HEIGHT, draw

# A shape of its own for every status, in a square of 14 x 14: colour is never all that tells.
SHAPES = {
    "PROVED": '<circle cx="7" cy="7" r="5.5"/><path class="cut" d="M4.3 7.2 6.3 9.2 9.8 5"/>',
    "CERTIFIED": '<path d="M7 .8 13.2 7 7 13.2 .8 7Z"/><path class="cut" d="M4.6 7.1 6.4 8.9 9.4 5.3"/>',
    "SUPPORTED": '<path d="M7 1.2 13 12.4H1Z"/>',
    "DEFINED": '<rect x="2" y="2" width="10" height="10" rx="1"/>',
    "REFUTED": '<path class="line" d="M2.5 2.5l9 9m0-9-9 9"/>',
    "UNDECIDED": '<circle class="line" cx="7" cy="7" r="5"/>',
    "ASSUMED": '<path class="line" d="M7 1.6 12.4 7 7 12.4 1.6 7Z"/>',
    "finding": '<path d="M7 .8l1.9 4 4.4.6-3.2 3 .8 4.4L7 10.7l-3.9 2.1.8-4.4-3.2-3 4.4-.6Z"/>',
    "missing": '<circle class="line dashed" cx="7" cy="7" r="5"/>',
}
INK = {"PROVED": "#14713d", "CERTIFIED": "#0b6a6a", "SUPPORTED": "#3557a8", "DEFINED": "#5a5f6b"}
INK |= {"REFUTED": "#b3261e", "UNDECIDED": "#8a5a00", "ASSUMED": "#8a5a00", "finding": "#6b3fa0", "missing": "#767b85"}
COLOURS = ("#2a6fb0", "#c2571a", "#2e7d4f", "#8453a8")
_VARIABLES = dict(zip(COLOURS, ("--curve-1", "--curve-2", "--curve-3", "--curve-4"), strict=True))
_VARIABLES |= {"#112233": "--ink", "#445566": "--grid"}


def shape(status: str, size: float = 14) -> str:
    """The shape of a status, as SVG in the colour of the text."""
    inner = SHAPES.get(status, SHAPES["UNDECIDED"])
    return f'<svg class="shape" viewBox="0 0 14 14" width="{size:g}" height="{size:g}" aria-hidden="true">{inner}</svg>'


def graph(value: Graph) -> str:
    """A dependency graph for a page: boxes are links, statuses are words (in the title), shapes and colours."""
    drawing = draw(value)
    wide, high = (max(0.0, size) + 8 for size in (drawing.width, drawing.height))
    pieces = [
        f'<svg class="graph" role="group" aria-label="{escape(value.caption)}" '
        f'viewBox="-4 -4 {wide:.0f} {high:.0f}" width="{wide:.0f}" height="{high:.0f}">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 .8 7.2 4 0 7.2Z"/></marker></defs>',
    ]
    for path, source, target in drawing.curves:
        pieces.append(f'<path class="edge" d="{path}" data-from="{escape(source)}" data-to="{escape(target)}"/>')
    pieces += [f'<text class="group" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>' for x, y, text in drawing.headings]
    for box in drawing.boxes:
        node = box.node
        whole = ", with all that it rests on" if node.complete else ""
        outer = (
            f'<rect class="outer" x="-2.5" y="-2.5" width="{box.width + 5:.1f}" height="{HEIGHT + 5:g}" rx="7"/>'
            if node.complete
            else ""
        )
        pieces.append(
            f'<a href="#{escape(node.anchor)}" class="node {node.status}" data-name="{escape(node.anchor)}" '
            f'transform="translate({box.x:.1f} {box.y:.1f})">'
            f"<title>{escape(node.anchor)}: {escape(node.title)}. {node.status}{whole}.</title>{outer}"
            f'<rect class="box" width="{box.width:.1f}" height="{HEIGHT:g}" rx="5"/>'
            f'<g transform="translate(7 5)" class="mark">{SHAPES.get(node.status, "")}</g>'
            f'<text x="26" y="16.5">{escape(node.anchor)}</text></a>'
        )
    return "".join((*pieces, "</svg>"))


def flat_graph(value: Graph) -> str:
    """The same graph in fixed colours, for paper."""
    styles = [
        "text{font-family:'DejaVu Sans Mono',monospace;font-size:10.6px;fill:#1b1e24}.group{font-family:'New Computer "
        "Modern',serif;font-size:13px;font-style:italic;fill:#555}.edge{fill:none;stroke:#8a909c;stroke-width:1}"
        "#tip path{fill:#8a909c}.box{fill:#fff;stroke:#8a909c}.outer{fill:none;stroke-width:1}"
        ".cut{fill:none;stroke:#fff;stroke-width:1.6}.line{fill:none;stroke-width:1.8}.dashed{stroke-dasharray:2 2}"
        ".missing .box{stroke-dasharray:3 3}"
    ]
    for name, ink in INK.items():
        styles.append(f".{name} .mark{{fill:{ink}}}.{name} .box,.{name} .outer,.{name} .line{{stroke:{ink}}}")
        styles.append(f".{name} .line{{fill:none}}")
    made = re.sub(r"</?a\b", lambda m: m[0].replace("a", "g"), graph(value))
    made = re.sub(r' href="[^"]*"| data-\w+="[^"]*"| role="[^"]*"| aria-label="[^"]*"', "", made)
    made = made.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return made.replace("<defs>", f"<style>{''.join(styles)}</style><defs>", 1)


def plot(value: Plot) -> str:
    """A plot as SVG by matplotlib, for a page: its colours are CSS variables, its text is text.

    Raises `InputError` without matplotlib.
    """
    return _themed(_drawn(value, paper=False))


def flat_plot(value: Plot) -> str:
    """The same plot in fixed colours, its text as outlines, for paper."""
    return _drawn(value, paper=True)


def write_trajectories(record: Any, folder: Path) -> list[Path]:
    """The trajectories among a run's evidence, each as an SVG file; the files that were written."""
    written: list[Path] = []
    for entry in record["statements"]:
        for piece in entry["evidence"]:
            series = {name: tuple(values) for name, values in piece["series"].items()}
            at = series.pop("t", ())
            stems = [name.removesuffix("_low") for name in series if name.endswith("_low")]
            curves = tuple(Curve(stem, series[f"{stem}_low"], series[f"{stem}_high"]) for stem in stems)
            if at and curves:
                name = re.sub(r"\W+", "-", entry["label"]).strip("-").lower()
                folder.mkdir(parents=True, exist_ok=True)
                written.append(folder / f"{name}.svg")
                written[-1].write_text(flat_plot(Plot(name, (), "t", at, curves)), encoding="utf-8")
    return written


def _drawn(value: Plot, *, paper: bool) -> str:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("the notes of this record have plots: pip install 'theorytest[plots]'") from error
    style: dict[Any, Any] = {
        "svg.fonttype": "path" if paper else "none",
        "svg.hashsalt": value.name,
        "font.family": "serif",
        "font.serif": ["STIXGeneral", "DejaVu Serif"],
        "mathtext.fontset": "stix",
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#112233",
        "axes.labelcolor": "#112233",
        "text.color": "#112233",
        "xtick.color": "#112233",
        "ytick.color": "#112233",
        "grid.color": "#445566",
        "axes.grid": True,
        "grid.alpha": 0.18,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5.6, 2.6), layout="constrained")
        axes = figure.subplots()
        values = [v for curve in value.curves for v in (*curve.values, *curve.high)]
        positive = [v for v in values if v > 0]
        if not value.axis:
            axes.hist(value.curves[0].values, bins="auto", color=COLOURS[0], alpha=0.75)
            axes.set_xlabel(_words(value.curves[0].name))
            axes.set_ylabel("instances")
        for colour, curve in zip(
            COLOURS * (1 + len(value.curves) // 4), value.curves if value.axis else (), strict=False
        ):
            if curve.high:
                axes.fill_between(value.at, curve.values, curve.high, color=colour, alpha=0.3, linewidth=0)
                middle = [(a + b) / 2 for a, b in zip(curve.values, curve.high, strict=True)]
                axes.plot(value.at, middle, color=colour, linewidth=1.4, label=_words(curve.name))
            else:
                axes.plot(value.at, curve.values, color=colour, linewidth=1.4, label=_words(curve.name))
        if value.axis:
            axes.set_xlabel(_words(value.axis))
            if len(value.curves) == 1:
                axes.set_ylabel(_words(value.curves[0].name))
            else:
                axes.legend()
            if len(positive) == len(values) and max(positive) > 100 * min(positive):
                axes.set_yscale("log")
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def _words(name: str) -> str:
    return name.replace("_", " ").replace("$", r"\$")


def _themed(svg: str) -> str:
    """Without a head and names of groups, with colours as variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # a page has several plots
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var({name})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    return re.sub(r"\s*\n\s*", " ", svg)
