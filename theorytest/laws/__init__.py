"""Conservation laws of gradient flow: found, counted, and proved to be all.

Every public name is listed once, in `_PUBLIC`, and imported when it is first used.
"""

from importlib import import_module
from typing import Any

# Public name -> module that defines it.
_PUBLIC: dict[str, str] = {
    "ConservationLaws": "conservation",
    "FoundLaw": "conservation",
    "LawCount": "proof",
    "LawSpace": "proof",
    "Subject": "subject",
    "conservation_laws": "conservation",
    "derive_laws": "proof",
    "parse": "spec",
    "recheck_laws": "conservation",
}

__all__ = [*_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"theorytest.laws.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
