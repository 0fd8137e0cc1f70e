"""SPEC: a model in one word of text, such as ``relu:3,5,3+bias``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from theorytest.errors import InputError
from theorytest.laws import subject as subjects
from theorytest.laws.subject import Subject, subject
from theorytest.models import factorizations

Options = dict[str, Any]

EXAMPLES = {
    "linear": "linear:3,4,2",
    "relu": "relu:3,5,3+bias",
    "cp": "cp:dims=3x4x5,rank=2",
    "tucker": "tucker:dims=3x3x3,ranks=2x2x2",
    "deep-cp": "deep-cp:dims=3x3x3,rank=2,depth=2",
    "deep-tucker": "deep-tucker:dims=3x3x3,depth=2",
    "tt": "tt:dims=3x4x3,ranks=2x2",
    "tr": "tr:dims=3x4x3,ranks=2x2x2",
    "ht": "ht:dims=3x3x3x3,rank=2",
    "attention": "attention:width=3,head=2,heads=2",
    "lora": "lora:dims=3x4x2,rank=1",
    "weight-norm": "weight-norm:3,4,2",
    "symmetric": "symmetric:n=2,rank=3",
}


def _matrix(value: Any, count: int) -> list[int]:
    return [value] * count if isinstance(value, int) else list(value)


def _tree(o: Options) -> Subject:
    dims = _several(o["dims"])
    return subjects.hierarchical_tucker(dims, o.get("rank", 2))


def _train(o: Options, *, ring: bool) -> Subject:
    dims = _several(o["dims"])
    ranks = _matrix(o.get("ranks", o.get("rank", 2)), len(dims) if ring else len(dims) - 1)
    return subjects.tensor_train(dims, ranks, ring=ring)


def _several(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _deep(make: Callable[..., Any], o: Options, rank: str, depth: str) -> Subject:
    """``depth`` counts the matrices of a mode and the vector, as HKA24 does: depth 1 has no matrices."""
    dims = _several(o["dims"])
    given = _matrix(o.get("depth", 2), len(dims))
    if any(number < 1 for number in given):
        raise InputError(f"given depth={o['depth']}, needed at least 1 (a vector and no matrices)")
    options: Options = {depth: [number - 1 for number in given]}
    if rank in o:
        options[rank] = o[rank]
    elif rank == "rank":
        raise InputError(f"needed rank=..., as in {EXAMPLES['deep-cp']}")
    return subject(make(dims, **options))


# Kind -> (keys that it takes, how it is made).
_KINDS: dict[str, tuple[str, Callable[[Options], Subject]]] = {
    "linear": ("dims", lambda o: subjects.linear(_several(o["dims"]))),
    "relu": ("dims bias", lambda o: subjects.relu(_several(o["dims"]), bias=o.get("bias", False))),
    "cp": ("dims rank", lambda o: subject(factorizations.cp(_several(o["dims"]), rank=o["rank"]))),
    "tucker": ("dims ranks", lambda o: subject(factorizations.tucker(_several(o["dims"]), o.get("ranks")))),
    "deep-cp": ("dims rank depth", lambda o: _deep(factorizations.deep_cp, o, "rank", "depth")),
    "deep-tucker": ("dims ranks depth", lambda o: _deep(factorizations.deep_tucker, o, "ranks", "depths")),
    "tt": ("dims ranks rank", lambda o: _train(o, ring=False)),
    "tr": ("dims ranks rank", lambda o: _train(o, ring=True)),
    "ht": ("dims rank", _tree),
    "attention": (
        "width head heads",
        lambda o: subjects.linear_attention(o["width"], o["head"], heads=o.get("heads", 1)),
    ),
    "lora": ("dims rank", lambda o: subjects.lora(_several(o["dims"]), o["rank"])),
    "weight-norm": ("dims", lambda o: subjects.weight_normalization(_several(o["dims"]))),
    "symmetric": (
        "n rank",
        lambda o: subjects.tensors(
            "symmetric product U U^T",
            [("U", ("i", "r")), ("U", ("j", "r"))],
            "ij",
            {"i": o["n"], "j": o["n"], "r": o["rank"]},
        ),
    ),
}


def parse(spec: str) -> Subject:
    """The model that a SPEC names: ``KIND:3,4,2``, ``KIND:key=3x4,key=2``, or ``FILE.py:NAME``.

    Raises `InputError` with the likely fix where it does not fit.
    """
    kind, _, rest = spec.partition(":")
    if kind.endswith(".py") or ".py:" in spec:
        return _from_file(spec)
    if kind not in _KINDS:
        raise InputError(f"given {spec!r}, needed one of {', '.join(EXAMPLES.values())}, or FILE.py:NAME")
    keys, make = _KINDS[kind]
    options = _options(spec, rest, keys.split())
    try:
        return make(options)
    except KeyError as error:
        raise InputError(f"{spec!r} has no {error.args[0]}=..., needed as in {EXAMPLES[kind]}") from error


def _options(spec: str, rest: str, keys: list[str]) -> Options:
    example = EXAMPLES[spec.partition(":")[0]]
    options: Options = {}
    if rest.endswith("+bias") and "bias" in keys:
        rest, options["bias"] = rest.removesuffix("+bias"), True
    if "dims" in keys and re.fullmatch(r"\d+([,x]\d+)*", rest):
        return options | {"dims": [int(part) for part in re.split("[,x]", rest)]}
    for part in rest.split(","):
        key, _, value = part.partition("=")
        if key not in keys or key in options or not re.fullmatch(r"\d{1,6}(x\d{1,6})*", value):
            raise InputError(f"{spec!r}: cannot read {part!r}, needed {', '.join(keys)} as in {example}")
        numbers = [int(number) for number in value.split("x")]
        options[key] = numbers[0] if len(numbers) == 1 else numbers
    for key in ("width", "head", "heads", "n", "rank"):
        if key in options and (not isinstance(options[key], int) or options[key] < 1):
            raise InputError(f"{spec!r}: {key} is one positive number, as in {example}")
    return options


def _from_file(spec: str) -> Subject:
    """The model, parameterization or function that a Python file defines under a name."""
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    file, _, name = spec.rpartition(":")
    if not file or not name:
        raise InputError(f"given {spec!r}, needed FILE.py:NAME")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"there is no file {file}")
    found = spec_from_file_location("_theorytest_laws_" + path.stem, path)
    assert found is not None and found.loader is not None
    module = module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file} cannot be imported ({type(error).__name__}: {error})") from error
    if not hasattr(module, name):
        there = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        raise InputError(f"{file} defines no {name}; it has {there}")
    return subject(getattr(module, name))


__all__ = ["EXAMPLES", "parse"]
