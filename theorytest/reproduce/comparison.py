"""The comparison table of a figure as markdown: what was published, what came out here, and whether it holds."""

from __future__ import annotations

import json
from pathlib import Path

from theorytest.reproduce.figure import FIGURES, Report


def markdown(name: str, title: str, report: Report, seconds: float) -> str:
    """A section with a table of facts, a table of theorems held against the runs, and the remarks."""
    lines = [f"## {name}: {title}", ""]
    shown = ", ".join(f"{key} {_plain(value)}" for key, value in report.configuration.items() if key != "rows")
    lines += [f"Configuration: {shown}. Computed in {seconds:.0f} s.", ""]
    lines += ["| fact | published | here | verdict | why |", "|---|---|---|---|---|"]
    lines += [_row(f.what, f.published, f.ours, f.verdict, f.why) for f in report.facts]
    if report.agreements:
        lines += ["", "| theorem | what | points | violations | worst | finite steps and rounding |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [
            _row(a.statement, a.what, str(a.instances), str(a.violations), a.worst, a.discretisation)
            for a in report.agreements
        ]
    if report.remarks:
        lines += ["", *(f"- {remark}" for remark in report.remarks)]
    return "\n".join(lines) + "\n"


def page(folder: Path) -> str:
    """All figures that have been made in a folder: a summary, then the section of each."""
    rows: list[str] = []
    sections: list[str] = []
    for name in FIGURES:
        file, section = folder / name / "result.json", folder / name / "comparison.md"
        if not (file.is_file() and section.is_file()):
            continue
        made = json.loads(file.read_text(encoding="utf-8"))
        held, not_held, open_ = (sum(f["holds"] is value for f in made["facts"]) for value in (True, False, None))
        points = sum(t["instances"] for t in made["theorems"])
        broken = sum(t["violations"] for t in made["theorems"])
        theory = f"{points} points, {broken} violations" if made["theorems"] else ""
        rows.append(
            _row(name, made["title"], made["configuration"]["profile"], str(held), str(not_held), str(open_), theory)
        )
        sections.append(section.read_text(encoding="utf-8"))
    head = [
        "| id | what | profile | hold | do not hold | cannot be told | theorems on the runs |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, "", *sections])


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _plain(value: object) -> str:
    """A setting in a few words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(_plain(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["markdown", "page"]
