"""Notes of a record, written to a folder in the formats that are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from theorytest import blueprint
from theorytest import record as records
from theorytest.errors import InputError
from theorytest.loader import default_paths
from theorytest.notes import compose, telling
from theorytest.notes.document import Document

FORMATS = ("html", "latex", "pdf")
READ = ("notes.html", "notes.pdf", "latex/notes-body.tex", "latex/notes.tex")


def formats(text: str) -> tuple[str, ...]:
    """The formats that a comma-separated list names. Raises `InputError` for an unknown one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    odd = [name for name in names if name not in FORMATS]
    if odd or not names:
        raise InputError(f"--format is a list of {', '.join(FORMATS)}; given {text!r}")
    return names


def build(
    record: dict[str, Any],
    out: Path,
    *,
    formats: Iterable[str] = FORMATS,
    paths: Sequence[str | Path] = (),
    checked: bool = False,
) -> list[Path]:
    """Write the notes of a record, and the record itself beside them; the files that a reader opens come back.

    paths: the proof files of the record, beside which an inventory and ``papers.toml`` may lie (default: those that
    ship). A folder that is not there is made. checked: the kernel has just given the verdicts of this record, in this
    run. Else the record may have been edited: its words are made again from its statements and certificates, and a
    fresh process with the kernel alone checks it while the notes are written.

    Raises `InputError` where something is missing, or is no record, or does not hold; nothing is written then.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    if checked:
        made = _rendered(record, formats, paths)
    else:
        with telling.Recheck(record) as again:
            with _complete():
                record = telling.retold(record)
            made = _rendered(record, formats, paths, rechecked=True)
            problems = again.result()
        if problems:
            more = f" (and {len(problems) - 1} more: theorytest recheck RECORD)" if len(problems) > 1 else ""
            raise telling.refusal(record, f"{problems[0]}{more}")
    shutil.rmtree(out / "latex" / "figures", ignore_errors=True)
    records.write(out / "record.json", record)
    for name, data in made.items():
        _write(out / name, data)
    return [out / name for name in READ if name in made]


@contextmanager
def _complete() -> Iterator[None]:
    """Turn what Python raises where data are no record into one line."""
    try:
        yield
    except InputError:
        raise
    except telling.MALFORMED as error:
        raise InputError(f"this is not a complete record: {error!r}; run `theorytest verify` again") from error


def _rendered(
    record: dict[str, Any], formats: Iterable[str], paths: Sequence[str | Path], *, rechecked: bool = False
) -> dict[str, bytes]:
    """The files of the notes, by their names. rechecked: they say that the record was checked again."""
    folder = _folder(paths)
    inventory = folder / "inventory.toml"
    entries = blueprint.inventory(inventory) if inventory.is_file() else ()
    titles = compose.papers(folder / "papers.toml")
    with _complete():
        document = compose.compose(record, entries, titles, file="record.json", rechecked=rechecked)
    from theorytest.notes import typeset

    wanted = set(formats)
    figures = typeset.figures_of(document) if wanted & {"latex", "pdf"} else {}
    makers = {"pdf": _pdf, "html": _html, "latex": _latex}
    with ThreadPoolExecutor() as pool:  # typst and pandoc work beside each other; one thread draws at a time
        found = [pool.submit(maker, document, figures) for name, maker in makers.items() if name in wanted]
        return {name: data for result in found for name, data in result.result().items()}


def _html(document: Document, figures: dict[str, str]) -> dict[str, bytes]:
    from theorytest.notes import html

    return {"notes.html": html.render(document).encode()}


def _pdf(document: Document, figures: dict[str, str]) -> dict[str, bytes]:
    from theorytest.notes import typeset

    return {"notes.pdf": typeset.pdf(document, figures)}


def _latex(document: Document, figures: dict[str, str]) -> dict[str, bytes]:
    from theorytest.notes import tex, typeset

    drawn = {f"latex/figures/{name}.pdf": typeset.figure_pdf(svg) for name, svg in figures.items()}
    body, whole = tex.body(document), tex.standalone(document, "notes-body")
    made = {"theorytest.sty": tex.style(), "notes-body.tex": body, "notes.tex": whole}
    return drawn | {f"latex/{name}": text.encode() for name, text in made.items()}


def _folder(paths: Sequence[str | Path]) -> Path:
    """The folder of the proofs: the one that is named, or that a named file lies in, or the default."""
    if not paths:
        try:
            return default_paths()[0]
        except InputError:
            return Path()  # a record alone will do
    first = Path(paths[0])
    return first if first.is_dir() else first.parent


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
