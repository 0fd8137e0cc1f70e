"""What both benchmarks share: timing, what is installed, the machine, and the search for an equal achieved error."""

from __future__ import annotations

import math
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from theorytest import __version__
from theorytest.record import now

INSTALL = "pip install 'theorytest[peers]'"


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated calls. cpu: of all threads of this process; wall: by the clock."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the CPU seconds."""
        return statistics.median(self.cpu)

    def to_json(self) -> dict[str, Any]:
        """Median, least and largest, rounded to microseconds."""
        return {
            "median": round(self.median, 6),
            "least": round(min(self.cpu), 6),
            "largest": round(max(self.cpu), 6),
            "wall_median": round(statistics.median(self.wall), 6),
            "repeats": len(self.cpu),
        }


def timed(call: Callable[[], Any], repeats: int, *, seconds: float = math.inf) -> tuple[Any, Timing]:
    """The last result, and the times of at most so many calls; of one at least, and no new one after ``seconds``."""
    cpu: list[float] = []
    wall: list[float] = []
    while True:
        begin, began = time.perf_counter(), time.process_time()
        result = call()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - begin)
        if len(cpu) >= repeats or sum(wall) + wall[-1] > seconds:
            return result, Timing(tuple(cpu), tuple(wall))


def installed(packages: Sequence[str]) -> dict[str, str] | None:
    """Versions of packages; None where one is missing."""
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError:
        return None


def loosest(tolerances: Sequence[float], error: Callable[[float], float], target: float) -> tuple[float, float] | None:
    """The loosest of decreasing tolerances whose achieved error is at most the target, with that error; None where
    there is none. Begins at the one nearest to the target and goes one way; every tolerance is tried at most once."""
    place = min(range(len(tolerances)), key=lambda k: abs(math.log(tolerances[k] / target)))
    found: tuple[float, float] | None = None
    step = 0
    while 0 <= place < len(tolerances):
        achieved = error(tolerances[place])
        good = achieved <= target  # not where it is nan
        if good:
            found = tolerances[place], achieved
        if step == 0:
            step = -1 if good else 1
        elif good != (step == -1):
            break
        place += step
    return found


def environment() -> dict[str, Any]:
    """Machine, versions and commit."""
    return {
        "theorytest": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": 1,
        "started": now(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()


def _commit() -> str:
    """The commit of the tree that this runs from; "" where it is no clone."""
    folder = Path(__file__).resolve().parent
    try:
        made = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return made.stdout.strip() if made.returncode == 0 else ""
