"""How long a search may take: seconds, and a reason to end before them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Seconds from now on; ``stopped`` says that nobody waits for the answer any more."""

    seconds: float
    stopped: Callable[[], bool] | None = None
    started: float = field(default_factory=time.monotonic)

    @staticmethod
    def of(given: float | Budget) -> Budget:
        """A budget from seconds; a budget as it is."""
        return given if isinstance(given, Budget) else Budget(given)

    @property
    def left(self) -> float:
        """Seconds left; 0 or less where the search is to end."""
        left = self.seconds - (time.monotonic() - self.started)
        return 0.0 if left > 0 and self.stopped is not None and self.stopped() else left

    @property
    def over(self) -> bool:
        """Whether the search is to end."""
        return self.left <= 0


__all__ = ["Budget"]
