"""The comparison table of a figure as markdown: what was published, what came out here, and whether it holds."""

from __future__ import annotations

from theorytest.reproduce.figure import Report


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


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _plain(value: object) -> str:
    """A setting in a few words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(_plain(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["markdown"]
