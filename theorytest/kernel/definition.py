"""Definitions: what words stand for, and which statements use it.

A definition cannot be proved. It is DEFINED where it can be executed (which evidence shows) and where a statement that
is no definition uses it: the meaning occurs in the statement's claim, its assumptions or its example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from theorytest.kernel.claim import Claim, Definition
from theorytest.kernel.encoding import field_names
from theorytest.kernel.errors import KernelError
from theorytest.kernel.statement import Statement


def nouns(value: Any) -> Iterator[Any]:
    """All nouns of which a value consists, itself among them."""
    if isinstance(value, tuple):
        for item in cast("tuple[Any, ...]", value):
            yield from nouns(item)
    elif dataclasses.is_dataclass(value):
        yield value
        for name in field_names(cast("type[Any]", type(value))):
            yield from nouns(getattr(value, name))


def uses(statement: Statement, definition: Claim) -> bool:
    """Whether a statement that is no definition speaks of what is defined; raise unless that is a noun or a kind."""
    if not isinstance(definition, Definition):
        raise KernelError(f"a definition was needed, given {type(definition).__name__}")
    meaning = definition.meaning
    if not isinstance(meaning, str) and (not dataclasses.is_dataclass(meaning) or isinstance(meaning, type)):
        raise KernelError(f"a definition means a noun, or the name of a kind of nouns, given {meaning!r}")
    if isinstance(statement.claim, Definition):
        return False
    held = nouns((statement.claim, tuple(a.formula for a in statement.assumptions), statement.example))
    return any(type(one).__name__ == meaning if isinstance(meaning, str) else one == meaning for one in held)
