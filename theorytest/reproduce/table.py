"""What `theorytest reproduce` prints: a comparison table for every figure, in styled lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from theorytest.report import Line, plural
from theorytest.reproduce.figure import FIGURES, Options, figure
from theorytest.reproduce.runner import Made

STYLES = {True: "good", False: "bad", None: "open"}


def made_lines(made: Made, *, width: int) -> list[Line]:
    """Facts (published, ours, holds or not and why), theorems on the runs, remarks and files of a figure."""
    lines: list[Line] = [((f"{made.id}  ", "bold"), (f"{made.title}  ({made.seconds:.0f} s)", ""))]
    for fact in made.report.facts:
        lines.append(((f"  {fact.verdict}: ", STYLES[fact.holds]), (fact.what, "")))
        lines += _wrapped(f"published {fact.published}; ours {fact.ours}", "", width)
        if fact.why:
            lines += _wrapped(fact.why, "dim", width)
    for agreement in made.report.agreements:
        held = agreement.instances - agreement.violations
        style = "good" if not agreement.violations else "bad"
        text = f"{agreement.what}: holds at {held} of {agreement.instances} points; {agreement.worst}"
        lines.append(((f"  {agreement.statement} ", style), (text, "")))
        if agreement.discretisation:
            lines += _wrapped(agreement.discretisation, "dim", width)
    for remark in (*made.report.remarks, *made.notes):
        lines += _wrapped(remark, "dim", width, indent=2)
    lines.append((("  " + "  ".join(str(path) for path in made.files), "dim"),))
    return lines


def summary(made: Sequence[Made]) -> list[Line]:
    """One line over all figures."""
    facts = [fact for entry in made for fact in entry.report.facts]
    points = [agreement for entry in made for agreement in entry.report.agreements]
    held, not_held, other = (sum(fact.holds is value for fact in facts) for value in (True, False, None))
    text = f"{plural(len(made), 'figure')}; facts: {held} hold, {not_held} do not, {other} cannot be told here; "
    text += (
        f"theorems on the runs: {sum(p.violations == 0 for p in points)} of {len(points)} comparisons without violation"
    )
    return [((text, "bold"),)]


def listing() -> list[dict[str, Any]]:
    """Every figure with its title and the number and guessed cost of its parts."""
    made: list[dict[str, Any]] = []
    for name in FIGURES:
        entry = figure(name)
        counts = {profile: entry.parts(Options(profile)) for profile in ("quick", "full")}
        made.append(
            {
                "id": name,
                "title": entry.title,
                "needs": entry.needs,
                "parts": {profile: len(parts) for profile, parts in counts.items()},
                "guessed_seconds": {profile: round(sum(p.cost for p in parts)) for profile, parts in counts.items()},
            }
        )
    return made


def listing_lines(entries: Sequence[dict[str, Any]]) -> list[Line]:
    """`theorytest reproduce list`."""
    wide = max(len(entry["id"]) for entry in entries)
    return [
        (
            (entry["id"].ljust(wide), "bold"),
            (f"  {entry['title']}", ""),
            (
                f"  about {entry['guessed_seconds']['quick']} s quick, {_long(entry['guessed_seconds']['full'])} full",
                "dim",
            ),
        )
        for entry in entries
    ]


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _wrapped(text: str, style: str, width: int, *, indent: int = 6) -> list[Line]:
    rows = textwrap.wrap(text, max(40, width - indent), break_long_words=False) or [""]
    return [((" " * indent + row, style),) for row in rows]


__all__ = ["listing", "listing_lines", "made_lines", "summary"]
