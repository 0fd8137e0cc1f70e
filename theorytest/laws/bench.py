"""The benchmark of the laws: count, certificate and degree-2 basis of a list of networks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from theorytest.errors import InputError
from theorytest.laws.count import count_laws
from theorytest.laws.families import gram_laws
from theorytest.laws.space import TooLargeError, law_space, needed_families
from theorytest.laws.subject import Subject, linear, relu

Case = dict[str, Any]


# Beyond the sizes of the literature: 30 thousand paths, 115 thousand paths, 1300 and 1800 parameters.
LARGER: tuple[Case, ...] = (
    {"kind": "relu", "dims": [7, 9, 9, 9, 6], "bias": False},
    {"kind": "relu", "dims": [8, 7, 7, 7, 7, 6], "bias": True},
    {"kind": "linear", "dims": [20, 25, 20, 15]},
    {"kind": "relu", "dims": [30, 30, 30], "bias": False},
)


def default_cases(*, seed: int = 0, each: int = 25, larger: bool = False) -> list[Case]:
    """Random networks of the sizes that the literature benchmarks: linear ones with widths up to 5, ReLU up to 9; and
    four larger ones that show how cost grows."""
    random = Random(seed)
    cases: list[Case] = []
    for _ in range(each):
        cases.append({"kind": "linear", "dims": [random.randint(2, 5) for _ in range(random.randint(3, 5))]})
    for _ in range(each):
        dims = [random.randint(2, 9) for _ in range(random.randint(3, 5))]
        cases.append({"kind": "relu", "dims": dims, "bias": random.random() < 0.5})
    return [*cases, *LARGER] if larger else cases


def read_cases(path: Path) -> list[Case]:
    """The cases of a file ``{"cases": [{"kind", "dims", "bias"?}]}``; `InputError` where it has another form."""
    try:
        cases = json.loads(path.read_text())["cases"]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path} is no file of cases: needed {{"cases": [{{"kind", "dims", "bias"?}}]}}') from error
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise InputError(f"{path}: cases must be a list of objects")
    for number, case in enumerate(cases, 1):
        network(case, f"{path}, case {number}")
    return cases


def network(case: Case, where: str = "a case") -> Subject:
    """The network of a case."""
    kind, dims, bias = case.get("kind"), case.get("dims"), case.get("bias", False)
    widths = isinstance(dims, list) and len(dims) >= 2 and all(type(d) is int and d > 0 for d in dims)
    if kind not in ("linear", "relu") or not widths or not isinstance(bias, bool):
        raise InputError(
            f'{where}: needed "kind": "linear" or "relu", and "dims": at least two positive integers, given {case}'
        )
    assert isinstance(dims, list)
    if kind == "linear":
        if bias:
            raise InputError(f"{where}: a linear network has no biases here, given {case}")
        return linear(dims)
    return relu(dims, bias=bias)


def run(cases: list[Case], *, seed: int = 0, progress: Callable[[int, int, str], None] | None = None) -> dict[str, Any]:
    """Count, certify and span the laws of every case. Seconds are of CPU time, of this process alone.

    total_seconds: count with certificate, checked by the kernel; total_basis_seconds: complete bases of degree 2.
    """
    results: list[dict[str, Any]] = []
    _warm_up()
    for number, case in enumerate(cases):
        if progress is not None:
            progress(number, len(cases), f"{case['kind']} {case['dims']}")
        asked = network(case)
        start = time.process_time()
        families = gram_laws(asked.map)
        kept = needed_families(asked.map, families, seed=seed)
        count = count_laws(asked.map, [law for law, _ in kept], seed=seed)
        counted = time.process_time()
        try:
            space = law_space(asked.map, families, 2, seed=seed)
            basis = time.process_time() - counted
        except TooLargeError:
            space, basis = None, None
        made: dict[str, Any] = {
            "kind": case["kind"],
            "dims": case["dims"],
            "bias": case.get("bias", False),
            "parameters": asked.map.parameters,
            "independent_laws": count.claim.at_most,
            "independent_polynomial_laws": count.polynomial,
            "gap": count.claim.at_most - count.polynomial,
            "certificate": "exact" if count.exact else "one-sided",
            "seconds": round(counted - start, 6),
            "polynomial_laws": None if space is None else space.dimension,
            "complete": space is not None and space.claim is not None,
            "basis_seconds": None if basis is None else round(basis, 6),
        }
        if "independent_laws" in case:
            made["expected"] = case["independent_laws"]
        results.append(made)
    return {
        "cases": results,
        "total_seconds": round(sum(r["seconds"] for r in results), 6),
        "total_basis_seconds": round(sum(r["basis_seconds"] or 0 for r in results), 6),
        "growth": growth(results),
        "differ": [r for r in results if r.get("expected", r["independent_laws"]) != r["independent_laws"]],
    }


def _warm_up() -> None:
    """Imports and caches are paid once, before the clock runs."""
    asked = linear((2, 2, 2))
    count_laws(asked.map, [law for law, _ in needed_families(asked.map, gram_laws(asked.map))])


def growth(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds of one count by number of parameters, in octaves."""
    rows: list[dict[str, Any]] = []
    low = 1
    while any(r["parameters"] >= low for r in results):
        group = [r["seconds"] for r in results if low <= r["parameters"] < 2 * low]
        if group:
            rows.append({"from": low, "to": 2 * low - 1, "cases": len(group), "seconds_each": sum(group) / len(group)})
        low *= 2
    return rows


__all__ = ["default_cases", "network", "read_cases", "run"]
