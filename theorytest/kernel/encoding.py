"""Canonical JSON of the kernel's nouns, and their digests.

A noun is a frozen dataclass whose fields hold only text, integers, booleans, `Fraction`, `None`, tuples and other
nouns: exact values, no floats and no mutable containers. Every noun is written as ``{"is": NAME, field: ...}`` and read
back with its types checked, so that a record on disk is the same data as the objects that were checked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, Union, cast, dataclass_transform, get_args, get_origin, get_type_hints

from theorytest.kernel.errors import KernelError

T = TypeVar("T")

_NOUNS: dict[str, type[Any]] = {}
_RATIONAL = re.compile(r"-?[0-9]+(/[1-9][0-9]*)?")


@dataclass_transform(frozen_default=True)
def noun(cls: type[T]) -> type[T]:
    """Declare a frozen dataclass that can be written to a record and read back; its name must be unique."""
    made = dataclasses.dataclass(frozen=True)(cls)
    if made.__name__ in _NOUNS:
        raise KernelError(f"two nouns named {made.__name__}")
    _NOUNS[made.__name__] = made
    return made


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields, in order."""
    return tuple(field.name for field in dataclasses.fields(cls))


@cache
def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(annotation), get_args(annotation)


def conforms(value: Any, annotation: Any) -> bool:
    """Whether a value has the exact type that an annotation asks for (no float for a number, no bool for an int)."""
    if annotation is Any:
        return True
    origin, inner = _parts(annotation)
    if origin in (Union, types.UnionType):
        return any(conforms(value, option) for option in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        items = cast("tuple[Any, ...]", value)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(conforms(item, inner[0]) for item in items)
        return len(items) == len(inner) and all(map(conforms, items, inner))
    if annotation in (None, type(None)):
        return value is None
    if annotation is int:
        return type(value) is int
    return isinstance(value, annotation)


def validate(value: Any) -> None:
    """Raise `KernelError` unless every field of a noun, all the way down, has its declared type."""
    if isinstance(value, tuple):
        for item in cast("tuple[Any, ...]", value):
            validate(item)
    elif dataclasses.is_dataclass(value):
        cls = cast("type[Any]", type(value))
        held = {name: getattr(value, name) for name in _field_names(cls)}
        _fits(cls, held)
        validate(tuple(held.values()))


def _fits(cls: type[Any], fields: dict[str, Any]) -> None:
    """Raise unless each field has the type that the noun declares for it."""
    for name, held in fields.items():
        if not conforms(held, _hints(cls)[name]):
            raise KernelError(f"{cls.__name__}.{name} holds {held!r}, needed {_hints(cls)[name]}")


def encode(value: Any) -> Any:
    """The JSON value of a noun. Fractions become ``{"q": "p/q"}``; a float anywhere is refused."""
    if value is None or isinstance(value, (str, bool)) or type(value) is int:
        return value
    if isinstance(value, tuple):
        return [encode(item) for item in cast("tuple[Any, ...]", value)]
    cls = cast("type[Any]", type(value))
    if _NOUNS.get(cls.__name__) is cls:
        return {"is": cls.__name__} | {name: encode(getattr(value, name)) for name in _field_names(cls)}
    if isinstance(value, Fraction):
        return {"q": str(value)}
    raise KernelError(f"not exact data: {value!r} of type {type(value).__name__}")


def decode(data: Any) -> Any:
    """Read back what `encode` wrote; raise `KernelError` where it is not the canonical form of a noun."""
    if data is None or isinstance(data, (str, bool)) or type(data) is int:
        return data
    if isinstance(data, list):
        return tuple(decode(item) for item in cast("list[Any]", data))
    if isinstance(data, dict):
        return _decode_object(cast("dict[str, Any]", data))
    raise KernelError(f"not exact data: {data!r} of type {type(data).__name__}")


def _decode_object(data: dict[str, Any]) -> Any:
    if set(data) == {"q"}:
        # The pattern comes first: Fraction would also read "1e999999999", digit by digit.
        if not isinstance(data["q"], str) or not _RATIONAL.fullmatch(data["q"]):
            raise KernelError(f"not a rational number: {data['q']!r}")
        value = Fraction(data["q"])
        if str(value) != data["q"]:
            raise KernelError(f"a rational number in lowest terms was needed, given {data['q']!r}")
        return value
    cls = _NOUNS.get(str(data.get("is")))
    if cls is None or set(data) != {"is", *_field_names(cls)}:
        raise KernelError(f"not a noun of the kernel: {sorted(map(str, data))} with is={data.get('is')!r}")
    fields = {name: decode(item) for name, item in data.items() if name != "is"}
    _fits(cls, fields)  # before the noun looks at its fields itself
    return cls(**fields)


def canonical(data: Any) -> str:
    """One text for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical encoding of a noun, in hexadecimal."""
    return hashlib.sha256(canonical(encode(value)).encode()).hexdigest()
