"""One code for every arithmetic: how numbers of sympy, FLINT, mpmath, numpy and torch are held, entered and combined.

An array is held as

- a kernel `Array` of rationals (computed with FLINT's fmpq inside, handed back as an `Array`);
- a numpy object array of exact or high-precision numbers: sympy, fmpq, arb, mpf, Fraction, or any type with ``+`` and
  ``*`` (Taylor series, for instance; see `constant` for what such a type may offer);
- a numpy floating array, or a torch floating tensor on any device.

All but the kernel `Array` may have leading batch dimensions. Exact rationals enter each arithmetic through
`constant` and the ``to_...`` conversions, correctly rounded or, for balls, enclosed. Rigorous: `Array`, fmpq, sympy
and arb; mpf, numpy and torch round.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from flint import fmpq

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


# -- numbers ---------------------------------------------------------------------------------------------------------


def constant(value: Fraction, like: Any) -> Any:
    """An exact rational in the arithmetic of the number ``like``.

    fmpq and sympy: exact. arb: an enclosure at FLINT's working precision. mpf: correctly rounded at the precision of
    the context that ``like`` belongs to. float: correctly rounded. A type of your own: the result of
    ``like.lift(value)`` if it has that method, else the `Fraction` itself.
    """
    kind = type(like)
    root = kind.__module__.partition(".")[0]
    if hasattr(like, "lift"):
        return like.lift(value)
    if root == "flint":
        number = fmpq(value.numerator, value.denominator)
        if kind.__name__ in ("fmpq", "fmpz"):
            return number
        return kind(number) if kind.__name__ == "arb" else like * 0 + number
    if kind.__name__ in ("mpf", "mpc") and hasattr(kind, "context"):
        return _mpf(value, kind.context)
    if isinstance(like, (float, np.floating)):
        return kind(float(value))
    if "sympy" in sys.modules and isinstance(like, sys.modules["sympy"].Basic):
        return sys.modules["sympy"].Rational(value.numerator, value.denominator)
    return value


def _mpf(value: Fraction, context: Any) -> Any:
    from mpmath.libmp import from_rational

    return context.make_mpf(from_rational(value.numerator, value.denominator, context.prec, "n"))


def fraction(value: Any) -> Fraction:
    """The rational number that an exact value (int, Fraction, fmpq, fmpz, sympy Rational, text "1/3") stands for.

    A float stands for itself (a dyadic rational), not for the decimal that was typed. Raises `InputError` otherwise.
    """
    if isinstance(value, Fraction):
        return value
    try:
        if type(value).__module__.partition(".")[0] == "flint":
            if type(value).__name__ not in ("fmpq", "fmpz"):
                raise TypeError
            return Fraction(int(value.numerator), int(value.denominator))
        if hasattr(value, "p") and hasattr(value, "q"):  # sympy.Rational
            return Fraction(int(value.p), int(value.q))
        return Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise InputError(
            f"given {value!r}, needed an exact rational number such as 3, Fraction(1, 3) or '1/3'"
        ) from None


def sample(values: np.ndarray) -> Any:
    """A number that shows the arithmetic of an object array: its first entry that is no plain integer or Fraction."""
    for entry in values.flat:
        if not isinstance(entry, (int, Fraction)):
            return entry
    return Fraction(0)


# -- arrays ----------------------------------------------------------------------------------------------------------


def is_torch(values: Any) -> bool:
    """Whether a value is a torch tensor. Does not import torch."""
    return type(values).__module__.partition(".")[0] == "torch" or (
        "torch" in sys.modules and isinstance(values, sys.modules["torch"].Tensor)
    )


def enter(values: Any, what: str = "array") -> Any:
    """The form that the computations run on: a numpy array or a torch tensor. Raises `InputError` for anything else."""
    if isinstance(values, Array):
        return to_flint(values)
    if isinstance(values, np.ndarray):
        if values.dtype == object or np.issubdtype(values.dtype, np.floating):
            return values
        raise InputError(
            f"{what} has dtype {values.dtype}, needed float64, objects or exact: use .astype(float) or array()"
        )
    if is_torch(values):
        if values.is_floating_point():
            return values
        raise InputError(f"{what} has dtype {values.dtype}, needed a floating dtype: use .to(torch.float64)")
    raise InputError(
        f"{what} is a {type(values).__name__}, needed an exact Array, a numpy array or a torch tensor: use array()"
    )


def leave(values: Any, like: Any) -> Any:
    """Back to the form that the caller gave: a kernel `Array` where ``like`` was one."""
    if not isinstance(like, Array):
        return values
    return Array(tuple(values.shape), tuple(fraction(entry) for entry in values.flat))


def zeros(shape: Sequence[int], like: Any) -> Any:
    """Zeros in the arithmetic of an entered array, on its device."""
    if is_torch(like):
        return like.new_zeros(tuple(shape))
    if like.dtype != object:
        return np.zeros(tuple(shape), dtype=like.dtype)
    return np.full(tuple(shape), constant(Fraction(0), sample(like)), dtype=object)


def constants(values: Array, like: Any) -> Any:
    """An exact array in the arithmetic of an entered array, on its device."""
    if is_torch(like):
        return to_torch(values, dtype=like.dtype, device=like.device)
    if like.dtype != object:
        return to_numpy(values, dtype=like.dtype)
    one = sample(like)
    return _objects(values, lambda value: constant(value, one))


def permute(values: Any, order: Sequence[int]) -> Any:
    """Reorder the axes."""
    return values.permute(*order) if is_torch(values) else values.transpose(*order)


# -- entering exact data -------------------------------------------------------------------------------------------


def array(values: Any) -> Array:
    """A kernel `Array` from nested lists, a numpy array or a torch tensor.

    Floats are taken as the rationals that they are. Raises `InputError` for ragged lists and non-finite values.
    """
    if isinstance(values, Array):
        return values
    if is_torch(values):
        values = values.detach().cpu().numpy()
    if not isinstance(values, np.ndarray):
        shape: list[int] = []
        probe = values
        while isinstance(probe, (list, tuple)):
            shape.append(len(probe))
            if not probe:
                break
            probe = probe[0]
        flat: list[Any] = [values]
        for size in shape:
            if any(not isinstance(part, (list, tuple)) or len(part) != size for part in flat):
                raise InputError(f"given ragged nested lists, needed rows of equal length (first seen: {tuple(shape)})")
            flat = [entry for part in flat for entry in part]
        return Array(tuple(shape), tuple(fraction(entry) for entry in flat))
    entries = values.ravel().tolist() if values.dtype != object else list(values.flat)
    return Array(tuple(values.shape), tuple(fraction(entry) for entry in entries))


def _each(values: Any, convert: Callable[[Array], Any]) -> Any:
    """Apply a conversion to one array, or to every block of a mapping."""
    if isinstance(values, Mapping):
        return {name: convert(array(block)) for name, block in values.items()}
    return convert(array(values))


def _objects(values: Array, convert: Callable[[Fraction], Any]) -> np.ndarray:
    made = np.empty(prod(values.shape), dtype=object)
    for place, entry in enumerate(values.entries):
        made[place] = convert(entry)
    return made.reshape(values.shape)


def to_numpy(values: Any, *, dtype: Any = np.float64) -> Any:
    """Exact array, or blocks, to numpy floats: each entry correctly rounded to float64, then to ``dtype``."""
    return _each(
        values,
        lambda a: np.array([float(entry) for entry in a.entries], dtype=np.float64).reshape(a.shape).astype(dtype),
    )


def to_torch(values: Any, *, dtype: torch.dtype | None = None, device: Any = "cpu") -> Any:
    """Exact array, or blocks, to torch tensors of ``dtype`` (float64 unless told) on ``device``."""
    import torch

    kind = torch.float64 if dtype is None else dtype
    return _each(values, lambda a: torch.from_numpy(to_numpy(a)).to(device=device, dtype=kind))


def to_mpmath(values: Any, *, context: Any) -> Any:
    """Exact array, or blocks, to object arrays of mpf, correctly rounded at the precision of ``context``.

    context: an ``mpmath.MPContext`` of your own, so that no global precision is touched.
    """
    return _each(values, lambda a: _objects(a, lambda value: _mpf(value, context)))


def to_sympy(values: Any) -> Any:
    """Exact array, or blocks, to object arrays of sympy rationals."""
    import sympy

    return _each(values, lambda a: _objects(a, lambda value: sympy.Rational(value.numerator, value.denominator)))


def to_flint(values: Any, *, ball: bool = False) -> Any:
    """Exact array, or blocks, to object arrays of fmpq; with ``ball``, of arb enclosing it at FLINT's precision."""
    if ball:
        from flint import arb

        return _each(values, lambda a: _objects(a, lambda value: arb(fmpq(value.numerator, value.denominator))))
    return _each(values, lambda a: _objects(a, lambda value: fmpq(value.numerator, value.denominator)))
