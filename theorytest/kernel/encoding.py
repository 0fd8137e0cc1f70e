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
from collections.abc import Callable
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
def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields, in order; of another class, none."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


@cache
def _types(cls: type[Any]) -> dict[str, tuple[Callable[[Any], bool], Any]]:
    """For each field of a dataclass, whether a value has its declared type, and that type."""
    hints = get_type_hints(cls)
    return {name: (_test(hints[name]), hints[name]) for name in field_names(cls)}


def conforms(value: Any, annotation: Any) -> bool:
    """Whether a value has the exact type that an annotation asks for (no float for a number, no bool for an int)."""
    return _test(annotation)(value)


@cache
def _test(annotation: Any) -> Callable[[Any], bool]:
    """The test of `conforms` for one annotation."""
    if annotation is Any:
        return lambda value: True
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        options = tuple(map(_test, inner))
        return lambda value: any(option(value) for option in options)
    if origin is tuple:
        return _tuple_test(inner)
    if annotation in (None, type(None)):
        return lambda value: value is None
    if annotation is int:
        return lambda value: type(value) is int
    return lambda value: isinstance(value, annotation)


def _tuple_test(inner: tuple[Any, ...]) -> Callable[[Any], bool]:
    if len(inner) == 2 and inner[1] is Ellipsis:
        every = _test(inner[0])
        return lambda value: isinstance(value, tuple) and all(map(every, cast("tuple[Any, ...]", value)))
    tests = tuple(map(_test, inner))

    def each(value: Any) -> bool:
        items = cast("tuple[Any, ...]", value)
        fits = isinstance(value, tuple) and len(items) == len(tests)
        return fits and all(test(item) for test, item in zip(tests, items, strict=True))

    return each


def validate(value: Any) -> None:
    """Raise `KernelError` unless every field of a noun, all the way down, has its declared type."""
    if isinstance(value, tuple):
        for item in cast("tuple[Any, ...]", value):
            validate(item)
        return
    cls = cast("type[Any]", type(value))
    for name in field_names(cls):
        held = getattr(value, name)
        _fits(cls, name, held)
        validate(held)


def _fits(cls: type[Any], name: str, held: Any) -> None:
    """Raise unless a field has the type that the noun declares for it."""
    test, annotation = _types(cls)[name]
    if not test(held):
        raise KernelError(f"{cls.__name__}.{name} holds {held!r}, needed {annotation}")


def encode(value: Any) -> Any:
    """The JSON value of a noun. Fractions become ``{"q": "p/q"}``; a float anywhere is refused."""
    if value is None or isinstance(value, (str, bool)) or type(value) is int:
        return value
    if isinstance(value, tuple):
        return [encode(item) for item in cast("tuple[Any, ...]", value)]
    cls = cast("type[Any]", type(value))
    if _NOUNS.get(cls.__name__) is cls:
        return {"is": cls.__name__} | {name: encode(getattr(value, name)) for name in field_names(cls)}
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
    if cls is None or set(data) != {"is", *field_names(cls)}:
        raise KernelError(f"not a noun of the kernel: {sorted(map(str, data))} with is={data.get('is')!r}")
    fields = {name: decode(item) for name, item in data.items() if name != "is"}
    for name, held in fields.items():
        _fits(cls, name, held)  # before the noun looks at its fields itself
    return cls(**fields)


def canonical(data: Any) -> str:
    """One text for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical encoding of a noun, in hexadecimal."""
    return hashlib.sha256(canonical(encode(value)).encode()).hexdigest()
