"""What a figure or table of a paper is made of: parts to compute, facts to compare, theorems to hold against the runs.

A module of `theorytest.reproduce.figures` has one `Figure` for each of its ids. Its parts are independent computations
named by text (a function of such a module and JSON arguments), so that any process can compute them, and two figures
that ask for the same part share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.errors import InputError
from theorytest.record import close_matches
from theorytest.reproduce.engine import Arrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FIGURES: dict[str, str] = {
    "RC20-Fig1": "rc20_fig1",
    "RC20-Fig2": "rc20_fig2",
    "RC20-Fig4": "rc20_fig4",
    "RC20-Fig5": "rc20_fig5",
    "RC20-Fig6": "rc20_fig2",
    "RMC21-Fig3": "rmc21_dynamics",
    "RMC21-Fig4": "rmc21_fig4",
    "RMC21-Fig5": "rmc21_dynamics",
    "RMC21-Fig6": "rmc21_dynamics",
    "RMC21-Fig7": "rmc21_dynamics",
    "HKA24-Fig3": "hka24_synthetic",
    "HKA24-Fig4": "hka24_synthetic",
    "HKA24-Fig5": "hka24_synthetic",
    "HKA24-Fig6": "hka24_data",
    "HKA24-Fig7": "hka24_data",
    "HKA24-Tab1": "hka24_data",
}
"""Id of a figure or table -> the module of `theorytest.reproduce.figures` that makes it."""


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    profile: "quick" or "full"; seed: of all that is drawn; target: path of an npz with a ground truth of one's own, or
    None; data: folder of IDX files, or None.
    """

    profile: str = "quick"
    seed: int = 0
    target: str | None = None
    data: str | None = None

    @property
    def full(self) -> bool:
        """Whether the papers' sizes are asked for."""
        return self.profile == "full"


@dataclass(frozen=True)
class Part:
    """An independent computation: ``function`` ("module:name") is called with a `Context` and the arguments, and gives
    arrays.

    arguments: JSON values only; cost: a guess of its seconds, so that long ones start first.
    """

    name: str
    function: str
    arguments: Mapping[str, Any]
    cost: float = 1.0


@dataclass(frozen=True)
class Fact:
    """One thing that a figure shows, as published and as found here.

    values: the distribution behind ``ours`` (over seeds, draws, masks), if there is one; holds: None where this run
    cannot tell, with the reason in ``why``; full_size: whether the fact is about the papers' sizes and this run was
    smaller.
    """

    what: str
    published: str
    ours: str
    holds: bool | None
    why: str = ""
    values: tuple[float, ...] = ()
    full_size: bool = False

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if self.holds is None:
            return "full size only" if self.full_size else "open"
        return ("holds" if self.holds else "does not hold") + (" (smaller size)" if self.full_size else "")


@dataclass(frozen=True)
class Agreement:
    """A theorem held against the runs of a figure, in floating point: evidence, not proof.

    statement: its id; instances: how many comparisons; violations: in how many the statement, read for gradient flow,
    fails; discretisation: what part of that finite steps (or rounding) account for, in words and numbers.
    """

    statement: str
    what: str
    instances: int
    violations: int
    worst: str
    discretisation: str = ""


@dataclass(frozen=True)
class Report:
    """What came out: arrays for the npz file, facts, theorems, remarks, and how to draw it on a matplotlib figure."""

    data: Arrays
    facts: tuple[Fact, ...]
    draw: Callable[[Canvas], None]
    agreements: tuple[Agreement, ...] = ()
    remarks: tuple[str, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A figure or table of a paper.

    parts: from the options to what is to be computed; report: from the arrays of the parts (by name) to the result;
    needs: a module beyond the base that it cannot do without ("sklearn": where no folder of images is given), or "".
    """

    id: str
    title: str
    parts: Callable[[Options], Sequence[Part]]
    report: Callable[[Mapping[str, Arrays], Options], Report]
    needs: str = ""

    def missing(self, options: Options) -> str:
        """Why it cannot be made here, or ""."""
        if not self.needs or (self.needs == "sklearn" and options.data) or find_spec(self.needs):
            return ""
        return f"{self.needs} is not installed: pip install 'theorytest[data]'"


@cache
def figure(name: str) -> Figure:
    """The figure of that id. Raises `InputError` for one that is not known."""
    if name not in FIGURES:
        near = close_matches(name, list(FIGURES)) or f"; needed 'all' or one of {', '.join(FIGURES)}"
        raise InputError(f"there is no figure {name!r}{near}")
    found: Mapping[str, Figure] = import_module(f"theorytest.reproduce.figures.{FIGURES[name]}").FIGURES
    return found[name]


# -- numbers for people ----------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def spread(values: Any) -> str:
    """Median, range and count: "0.12 (0.1 to 0.2, n = 5)"."""
    held = np.asarray(values, dtype=float).ravel()
    held = held[np.isfinite(held)]
    if not len(held):
        return "none"
    if len(held) == 1:
        return number(held[0])
    return f"{number(np.median(held))} ({number(held.min())} to {number(held.max())}, n = {len(held)})"


def floats(values: Any) -> tuple[float, ...]:
    """The numbers of an array."""
    return tuple(float(x) for x in np.asarray(values, dtype=float).ravel())


__all__ = [
    "FIGURES",
    "Agreement",
    "Fact",
    "Figure",
    "Options",
    "Part",
    "Report",
    "figure",
    "floats",
    "number",
    "spread",
]
