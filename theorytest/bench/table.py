"""The benchmarks of flows on a terminal: styled lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Line = tuple[tuple[str, str], ...]  # pieces of text with the name of a style


def _spread(seconds: Mapping[str, Any]) -> str:
    return f"{seconds['median']:9.4f} ({seconds['least']:.4f} to {seconds['largest']:.4f}, {seconds['repeats']} runs)"


def _where(environment: Mapping[str, Any]) -> Line:
    commit = f", commit {environment['commit']}" if environment["commit"] else ""
    text = f"{environment['processor']}; Python {environment['python']}{commit}; one thread; CPU seconds"
    return ((text, "dim"),)


def _versions(rows: Any) -> Line:
    held = {name: version for row in rows for name, version in row.get("versions", {}).items()}
    return ((", ".join(f"{name} {version}" for name, version in sorted(held.items())), "dim"),)


def _missing(row: Mapping[str, Any], wide: int) -> Line:
    return ((f"  {row['method'].ljust(wide)}", ""), (f"  {row['missing']}", "open"))


def flows_table(result: Mapping[str, Any]) -> list[Line]:
    """One block for every case, the growth of the cost, and what was left out."""
    lines: list[Line] = [_where(result["environment"])]
    for case in result["cases"]:
        wide = max(len(row["method"]) for row in case["methods"])
        head = f"{case['case']} ({case['parameters']} parameters), layers of deviation {case['deviation']:g}, to t = "
        asked = f"{case['t']}; largest relative error of {case['sample']} instances at most {case['target']:g}"
        lines += [((head + asked, "bold"),)]
        lines += [((f"  {'method'.ljust(wide)}  flows/s    batch  tolerance  error    median s (spread)", "dim"),)]
        for row in case["methods"]:
            if "missing" in row:
                lines.append(_missing(row, wide))
                continue
            numbers = f"  {row['per_second']:8.0f}  {row['batch']:6d}  {row['tolerance']:9.1e}  "
            text = f"{row['largest_error']:7.1e}  {_spread(row['seconds'])}"
            late = f"; compiling {row['compile_seconds']:.1f} s" if row["compile_seconds"] > 0.1 else ""
            ours = "good" if row["method"].startswith("theorytest") else ""
            lines.append(((f"  {row['method'].ljust(wide)}", ours), (numbers + text, ""), (late, "dim")))
        lines.append(_versions(case["methods"]))
    if result["growth"]:
        lines.append((("flows/s of our engines, with error estimates", "bold"),))
    for row in result["growth"]:
        rates = ", ".join(f"{engine} {rate:.0f}" for engine, rate in row["per_second"].items())
        what = f"  {row['with']:10s} {row['case']}, D = {row['parameters']}, t = {row['t']}, batch {row['batch']}, "
        lines.append(((f"{what}tolerance {row['tolerance']:g}: {rates}", ""),))
    return [*lines, *(((f"skipped: {text}", "open"),) for text in result["skipped"])]


def precision_table(result: Mapping[str, Any]) -> list[Line]:
    """One block for every case, time and number of digits."""
    lines: list[Line] = [_where(result["environment"])]
    for case in result["rows"]:
        wide = max(len(row["method"]) for row in case["methods"])
        head = f"{case['case']} ({case['parameters']} parameters), to t = {case['t']}, {case['digits']} digits"
        lines.append(((head, "bold"),))
        for row in case["methods"]:
            if "missing" in row:
                lines.append(_missing(row, wide))
                continue
            digits = row["certified_digits"]
            told = f"{digits} certified" if digits is not None else f"{row['achieved_digits'] or 'all'} achieved"
            late = f"; compiling {row['compile_seconds']:.1f} s" if row["compile_seconds"] else ""
            ours = "good" if row["method"].startswith("theorytest") else ""
            text = f"  {_spread(row['seconds'])}  {told}"
            lines.append(((f"  {row['method'].ljust(wide)}", ours), (text, ""), (late, "dim")))
    return [*lines, _versions(row for case in result["rows"] for row in case["methods"])]
