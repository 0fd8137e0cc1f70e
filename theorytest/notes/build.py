"""Notes of a record, written to a folder in the formats that are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from theorytest import blueprint
from theorytest import record as records
from theorytest.errors import InputError
from theorytest.loader import default_paths
from theorytest.notes import compose
from theorytest.notes.document import Document

FORMATS = ("html", "latex", "pdf")


def formats(text: str) -> tuple[str, ...]:
    """The formats that a comma-separated list names. Raises `InputError` for an unknown one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    odd = [name for name in names if name not in FORMATS]
    if odd or not names:
        raise InputError(f"--format is a list of {', '.join(FORMATS)}; given {text!r}")
    return names


def build(
    record: dict[str, Any], out: Path, *, formats: Iterable[str] = FORMATS, paths: Sequence[str | Path] = ()
) -> list[Path]:
    """Write the notes of a record, and the record itself beside them; the files that a reader opens come back.

    paths: the proof files of the record, beside which an inventory and ``papers.toml`` may lie (default: those that
    ship). A folder that is not there is made. Raises `InputError` where something is missing, or is no record.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    folder = _folder(paths)
    inventory = folder / "inventory.toml"
    entries = blueprint.inventory(inventory) if inventory.is_file() else ()
    try:
        document = compose.compose(record, entries, compose.papers(folder / "papers.toml"), file="record.json")
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"this is not a complete record: {error!r}; run `theorytest verify` again") from error
    records.write(out / "record.json", record)
    from theorytest.notes import typeset

    wanted = set(formats)
    figures = typeset.figures_of(document) if wanted & {"latex", "pdf"} else {}
    makers = {"html": _html, "pdf": _pdf, "latex": _latex}
    with ThreadPoolExecutor() as pool:  # typst and pandoc work beside each other; one thread draws at a time
        found = [pool.submit(maker, document, figures, out) for name, maker in makers.items() if name in wanted]
        return [path for result in found for path in result.result()]


def _html(document: Document, figures: dict[str, str], out: Path) -> list[Path]:
    from theorytest.notes import html

    return [_write(out / "notes.html", html.render(document))]


def _pdf(document: Document, figures: dict[str, str], out: Path) -> list[Path]:
    from theorytest.notes import typeset

    return [_write(out / "notes.pdf", typeset.pdf(document, figures))]


def _latex(document: Document, figures: dict[str, str], out: Path) -> list[Path]:
    from theorytest.notes import tex, typeset

    place = out / "latex"
    shutil.rmtree(place / "figures", ignore_errors=True)
    (place / "figures").mkdir(parents=True)
    for name, svg in figures.items():
        _write(place / "figures" / f"{name}.pdf", typeset.figure_pdf(svg))
    _write(place / "theorytest.sty", tex.style())
    body, whole = tex.body(document), tex.standalone(document, "notes-body")
    return [_write(place / "notes-body.tex", body), _write(place / "notes.tex", whole)]


def _folder(paths: Sequence[str | Path]) -> Path:
    """The folder of the proofs: the one that is named, or that a named file lies in, or the default."""
    if not paths:
        try:
            return default_paths()[0]
        except InputError:
            return Path()  # a record alone will do
    first = Path(paths[0])
    return first if first.is_dir() else first.parent


def _write(path: Path, data: str | bytes) -> Path:
    try:
        path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path
