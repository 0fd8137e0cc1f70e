"""Conservation laws on a terminal: styled lines."""

from __future__ import annotations

from typing import Any

from theorytest.laws.conservation import ConservationLaws, many

Line = tuple[tuple[str, str], ...]  # pieces of text with the name of a style

STYLES = {"exact": "good", "one-sided": "open"}


def laws_table(found: ConservationLaws, *, width: int) -> list[Line]:
    """The counts, one row for every law, and what is left open."""
    lines: list[Line] = [
        (
            (found.name, "bold"),
            (f"   {many(found.parameters, 'parameter')} in {many(len(found.shapes), 'block')}", ""),
        ),
        (
            (many(found.independent_laws, "independent conservation law"), "bold"),
            (f"   {found.certificate}", STYLES[found.certificate]),
        ),
    ]
    if found.laws:
        texts = [law.text for law in found.laws]
        wide = min(max(map(len, texts)), max(width - 22, 30))
        lines.append((("law".ljust(wide), "dim"), ("  adds  proved for", "dim")))
        for law, text in zip(found.laws, texts, strict=True):
            style = "good" if law.general else "seen"
            lines.append(((text.ljust(wide), ""), (f"  {law.rank:4d}  ", ""), (law.scope, style)))
    lines += [((note, "open" if note.startswith(("gap", "one-sided", "other")) else "dim"),) for note in found.notes]
    ranks = ", ".join(map(str, found.count.ranks))
    lines.append(((f"rank of gradient fields and their brackets by length: {ranks}; {found.seconds:.2f} s", "dim"),))
    return lines


def bench_table(result: dict[str, Any]) -> list[Line]:
    """One row for every case, the totals, and how cost grows with the number of parameters."""
    lines: list[Line] = [
        (("kind    dims            D    laws  polynomial  gap  certificate  count s  basis s", "dim"),)
    ]
    for case in result["cases"]:
        dims = ",".join(map(str, case["dims"])) + ("+b" if case.get("bias") else "")
        good = (
            case["certificate"] == "exact"
            and case.get("expected", case["independent_laws"]) == case["independent_laws"]
        )
        basis = case["basis_seconds"]
        lines.append(
            (
                (f"{case['kind']:7s} {dims:14s} {case['parameters']:4d}  {case['independent_laws']:6d}  ", ""),
                (f"{case['independent_polynomial_laws']:10d}  {case['gap']:3d}  ", ""),
                (f"{case['certificate']:11s}", "good" if good else "bad"),
                (f"  {case['seconds']:7.3f}  " + (f"{basis:7.3f}" if basis is not None else "      -"), ""),
            )
        )
    total, basis = result["total_seconds"], result["total_basis_seconds"]
    lines.append(
        (
            (
                f"{len(result['cases'])} cases: count and certificate {total:.2f} s, bases {basis:.2f} s (CPU)",
                "bold",
            ),
        )
    )
    for row in result["growth"]:
        lines.append(((f"D {row['from']:5d} to {row['to']:5d}: {row['seconds_each']:.4f} s a case", "dim"),))
    return lines


__all__ = ["bench_table", "laws_table"]
