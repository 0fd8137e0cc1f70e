"""Losses of an end tensor: value and gradient, written once for every arithmetic.

Observations are pairs of an index (entries are counted from 0) and an exact rational. The normalisations are never
mixed; with residuals z = W_I - y_I over the observed indices I (catalogue of conventions: RC20 (1), (11); RMC21 (1)):

============================  ============================  ==========================================
half-sum                      sum of z^2 / 2                ``HalfSum(observed)``: RC20, theory
square mean, MSE              mean of z^2                   ``MeanSquares(observed)``: RMC21 Figure 3, RC20 code
mean of half-squares          mean of z^2 / 2               ``MeanSquares(observed, half=True)``
mean Huber                    mean of l_h(z)                ``Huber(observed, delta)``: RMC21 Theorem 2
mean, any loss of an entry    mean of l(z)                  ``Completion(observed, base)``: RMC21, HKA24, theory
sensing                       mean of l(<A_i, W> - y_i)     ``Sensing(measurements, targets, base)``
any differentiable loss       its gradient g, any tensor    ``Linear(g)``; in sympy, ``Opaque()``
a polynomial in the entries   sum of monomials              ``Polynomial(terms)``
============================  ============================  ==========================================

Numbers of a loss are exact: floats are refused. Values and gradients are exact for kernel Arrays, fmpq and sympy,
enclosures for arb, rounded for mpf, numpy and torch.
Arrays may have leading batch dimensions; a loss then has one value per instance.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from itertools import product as cartesian
from math import isfinite, prod
from typing import Any, Protocol, runtime_checkable

import numpy as np

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models.arithmetic import (
    array,
    constant,
    constants,
    enter,
    fraction,
    is_torch,
    leave,
    sample,
    zeros,
)

Index = tuple[int, ...]
Observation = tuple[Index, Fraction]


@runtime_checkable
class Loss(Protocol):
    """What a loss offers. value: one number per instance; gradient: the shape of W."""

    def value(self, W: Any) -> Any: ...

    def gradient(self, W: Any) -> Any: ...


def _exact(value: Any) -> Fraction:
    """An exact number. A float is refused: 0.1 is not what was typed (arrays of data go through `observe`)."""
    if isinstance(value, (float, np.floating)):
        given = repr(float(value))
        raise InputError(f"given the float {given}, needed an exact number: write '{given}' in quotes, or a fraction")
    return fraction(value)


# -- losses of one number ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entrywise:
    """A continuously differentiable piecewise polynomial l(z) of one number.

    pieces: coefficients of 1, z, z^2, ... from left to right; breaks: the increasing points between them. Raises
    `InputError` unless values and derivatives agree at every break (so l' is locally Lipschitz).
    """

    pieces: tuple[tuple[Fraction, ...], ...]
    breaks: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        pieces = tuple(tuple(map(_exact, piece)) or (Fraction(0),) for piece in self.pieces)
        breaks = tuple(map(_exact, self.breaks))
        object.__setattr__(self, "pieces", pieces)
        object.__setattr__(self, "breaks", breaks)
        if len(pieces) != len(breaks) + 1 or any(a >= b for a, b in pairwise(breaks)):
            raise InputError(
                f"given {len(pieces)} pieces and the breaks {breaks}, needed one more piece than increasing breaks"
            )
        for left, right, point in zip(pieces, pieces[1:], breaks, strict=False):
            for order, polynomials in (
                ("value", (left, right)),
                ("derivative", (_derived(left), _derived(right))),
            ):
                if _horner(polynomials[0], point) != _horner(polynomials[1], point):
                    raise InputError(f"the pieces differ in {order} at z = {point}, needed a differentiable function")

    def value(self, z: Any) -> Any:
        """l(z), entry by entry, for a numpy array or torch tensor."""
        return self._piecewise(self.pieces, z)

    def derivative(self, z: Any) -> Any:
        """l'(z), entry by entry."""
        return self._piecewise(tuple(map(_derived, self.pieces)), z)

    def _piecewise(self, pieces: tuple[tuple[Fraction, ...], ...], z: Any) -> Any:
        if not self.breaks:
            return _polynomial(pieces[0], z)
        if not is_torch(z) and z.dtype == object:
            made = np.empty(z.shape, dtype=object)
            for place, entry in np.ndenumerate(z):
                made[place] = _select(pieces, self.breaks, entry)
            return made
        bounds = [float(point) for point in self.breaks]
        # Each piece is evaluated on its own interval only, so that none overflows where it is not used. Nan stays.
        made = _polynomial(pieces[0], z.clip(max=bounds[0]))
        for place, piece in enumerate(pieces[1:]):
            upper = bounds[place + 1] if place + 1 < len(bounds) else None
            made = _where(z >= bounds[place], _polynomial(piece, z.clip(bounds[place], upper)), made)
        return made


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return yes.where(condition, no) if is_torch(yes) else np.where(condition, yes, no)


def _derived(piece: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return tuple(power * value for power, value in enumerate(piece))[1:] or (Fraction(0),)


def _horner(piece: tuple[Fraction, ...], z: Any) -> Any:
    """A polynomial at one number, exact where the number is. Zero coefficients cost no operation."""
    made: Any = None
    for value in reversed(piece):
        if made is not None:
            made = made * z
        if value:
            entered = constant(value, z)
            made = entered if made is None else made + entered
    if made is None:
        return z * 0
    return made + z * 0 if len(piece) == 1 else made


def _polynomial(piece: tuple[Fraction, ...], z: Any) -> Any:
    """A polynomial entry by entry, on whole arrays."""
    one = sample(z) if not is_torch(z) and z.dtype == object else (1.0 if is_torch(z) else z.dtype.type(1))
    made: Any = None
    for value in reversed(piece):
        if made is not None:
            made = z * made  # the array first: a number of a foreign type need not know arrays
        if value:
            made = constant(value, one) if made is None else made + constant(value, one)
    if made is None:
        return z * 0
    return z * 0 + made if len(piece) == 1 else made


def _select(pieces: tuple[tuple[Fraction, ...], ...], breaks: tuple[Fraction, ...], z: Any) -> Any:
    """The piece that a number lies in. A ball that meets several gets the union of their balls; a sympy expression that
    cannot be compared gets a Piecewise."""
    kind = type(z)
    if kind.__module__.partition(".")[0] == "flint" and kind.__name__ == "arb":
        found: Any = None
        for place, piece in enumerate(pieces):
            below = place > 0 and z < constant(breaks[place - 1], z)
            above = place < len(breaks) and z > constant(breaks[place], z)
            if not below and not above:  # a ball that is nan or overlaps is not excluded by either
                here = _horner(piece, z)
                found = here if found is None else found.union(here)
        return found
    if hasattr(z, "free_symbols") and not z.is_comparable:
        import sympy

        cases = [(_horner(piece, z), z < constant(point, z)) for piece, point in zip(pieces, breaks, strict=False)]
        return sympy.Piecewise(*cases, (_horner(pieces[-1], z), True))
    for piece, point in zip(pieces, breaks, strict=False):
        if z < constant(point, z):
            return _horner(piece, z)
    return _horner(pieces[-1], z)


def square(*, half: bool) -> Entrywise:
    """z^2 / 2 with ``half=True``, z^2 with ``half=False``: the choice is never silent."""
    return Entrywise(((Fraction(0), Fraction(0), Fraction(1, 2) if half else Fraction(1)),))


def huber(delta: Any) -> Entrywise:
    """z^2 / 2 for abs(z) < delta, delta (abs(z) - delta / 2) beyond; the derivative is z clipped to [-delta, delta]."""
    d = _exact(delta)
    if d <= 0:
        raise InputError(f"given the transition point delta={delta}, needed a positive number")
    return Entrywise(((-d * d / 2, -d), (Fraction(0), Fraction(0), Fraction(1, 2)), (-d * d / 2, d)), (-d, d))


# -- observations ------------------------------------------------------------------------------------------------------


def observe(values: Any, mask: Any = None) -> tuple[Observation, ...]:
    """The observed entries of a tensor: all of them, or those where ``mask`` (same shape) is true.

    Floats are taken as the rationals that they are. Raises `InputError` where an observed entry is not finite.
    """
    held = np.asarray(values, dtype=object) if not isinstance(values, Array) else np.array(values.entries, object)
    held = held.reshape(values.shape) if isinstance(values, Array) else held
    where = np.ones(held.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if where.shape != held.shape:
        raise InputError(f"the mask has shape {where.shape}, needed that of the tensor, {held.shape}")
    made: list[Observation] = []
    for index in zip(*map(np.ndarray.tolist, np.nonzero(where)), strict=True):
        entry = held[index]
        if isinstance(entry, float) and not isfinite(entry):
            raise InputError(f"the observed entry {index} is {entry}, needed a finite number: leave it out with mask")
        made.append((tuple(index), fraction(entry)))
    return tuple(made)


def _observations(given: Any) -> tuple[Observation, ...]:
    pairs = given.items() if isinstance(given, Mapping) else given
    try:
        made = tuple((tuple(operator.index(i) for i in index), _exact(value)) for index, value in pairs)
    except TypeError:
        raise InputError(f"given the observations {given!r}, needed pairs (index, value) such as ((0, 1), 1)") from None
    if not made:
        raise InputError("given no observations, needed at least one")
    if len({index for index, _ in made}) != len(made):
        raise InputError("an index is observed twice, needed distinct indices")
    if len({len(index) for index, _ in made}) != 1 or any(i < 0 for index, _ in made for i in index):
        raise InputError("the observed indices differ in length or are negative, needed indices of one order, from 0")
    return made


def _restore(values: Any, like: Any) -> Any:
    """A loss value in the form of W: a Fraction for a kernel Array."""
    return fraction(values) if isinstance(like, Array) else values


def _scaled(values: Any, weight: Fraction, like: Any) -> Any:
    if weight == 1:
        return values
    if is_torch(like):
        return values * float(weight)
    return values * constant(weight, sample(like) if like.dtype == object else like.dtype.type(1))


class _Residuals:
    """weight * sum of base(residual): what completion and sensing share. Floating copies of the data are kept."""

    base: Entrywise

    @property
    def weight(self) -> Fraction:
        raise NotImplementedError

    def _read(self, W: Any) -> Any:
        """Residuals, shape (*batch, observations)."""
        raise NotImplementedError

    def _write(self, slopes: Any, W: Any) -> Any:
        """The transposed map: from residuals to the shape of W."""
        raise NotImplementedError

    def value(self, W: Any) -> Any:
        """The loss: a number, or an array of shape ``batch``. Raises `InputError` if W does not fit the data."""
        held = enter(W, "W")
        return _restore(_scaled(self.base.value(self._read(held)).sum(-1), self.weight, held), W)

    def gradient(self, W: Any) -> Any:
        """The gradient by W, of the shape of W."""
        held = enter(W, "W")
        slopes = _scaled(self.base.derivative(self._read(held)), self.weight, held)
        return leave(self._write(slopes, held), W)

    def _cached(self, name: str, values: Array, like: Any) -> Any:
        if not is_torch(like) and like.dtype == object:
            return constants(values, like)  # balls and mpf depend on the working precision
        store = self.__dict__.setdefault("_floats", {})
        key = (name, str(like.dtype), str(like.device) if is_torch(like) else "")
        if key not in store:
            store[key] = constants(values, like)
        return store[key]


class _Observed(_Residuals):
    """Completion: the residuals are entries of W."""

    observed: tuple[Observation, ...]

    @cached_property
    def _targets(self) -> Array:
        return Array((len(self.observed),), tuple(value for _, value in self.observed))

    @cached_property
    def _order(self) -> int:
        return len(self.observed[0][0])

    @cached_property
    def _largest(self) -> tuple[int, ...]:
        return tuple(max(index[axis] for index, _ in self.observed) for axis in range(self._order))

    def _places(self, W: Any) -> tuple[Any, ...]:
        shape = tuple(W.shape)[W.ndim - self._order :] if W.ndim >= self._order else ()
        if len(shape) != self._order or any(i >= size for i, size in zip(self._largest, shape, strict=True)):
            raise InputError(
                f"W has shape {tuple(W.shape)}, needed order {self._order} with entries up to {self._largest} (from 0)"
            )
        return (Ellipsis, *_axes(self._indices, str(W.device) if is_torch(W) else ""))

    @cached_property
    def _indices(self) -> tuple[Index, ...]:
        return tuple(index for index, _ in self.observed)

    def _read(self, W: Any) -> Any:
        return W[self._places(W)] - self._cached("targets", self._targets, W)

    def _write(self, slopes: Any, W: Any) -> Any:
        made = zeros(tuple(W.shape), W)
        made[self._places(W)] = slopes
        return made


@lru_cache(maxsize=64)
def _axes(indices: tuple[Index, ...], device: str) -> tuple[Any, ...]:
    axes = [np.array(axis, dtype=np.int64) for axis in zip(*indices, strict=True)]
    if not device:
        return tuple(axes)
    import torch

    return tuple(torch.from_numpy(axis).to(device) for axis in axes)


@dataclass(frozen=True)
class Completion(_Observed):
    """Mean over the observed entries of base(W_I - y_I) (RMC21 (1), HKA24). observed: pairs or a mapping.

    >>> from theorytest.models import array, square
    >>> Completion({(0, 1): 1, (1, 0): 1, (1, 1): 0}, square(half=True)).value(array([[5, 0], [0, 0]]))
    Fraction(1, 3)
    """

    observed: tuple[Observation, ...]
    base: Entrywise

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", _observations(self.observed))

    @property
    def weight(self) -> Fraction:
        return Fraction(1, len(self.observed))


@dataclass(frozen=True)
class HalfSum(_Observed):
    """Half the sum of squared residuals over the observed entries (RC20 (1) and (11)). Not a mean.

    >>> from theorytest.models import array
    >>> HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0}).value(array([[5, 0], [0, 0]]))
    Fraction(1, 1)
    """

    observed: tuple[Observation, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", _observations(self.observed))

    @property
    def base(self) -> Entrywise:  # pyright: ignore[reportIncompatibleVariableOverride]
        return square(half=True)

    @property
    def weight(self) -> Fraction:
        return Fraction(1)


@dataclass(frozen=True)
class MeanSquares(_Observed):
    """Mean of z^2 over the observed entries (MSE; RMC21 Figure 3, RC20's code); with ``half``, mean of z^2 / 2.

    With three observations the MSE is 2/3 of the half-sum.
    """

    observed: tuple[Observation, ...]
    half: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", _observations(self.observed))

    @property
    def base(self) -> Entrywise:  # pyright: ignore[reportIncompatibleVariableOverride]
        return square(half=self.half)

    @property
    def weight(self) -> Fraction:
        return Fraction(1, len(self.observed))


@dataclass(frozen=True)
class Huber(_Observed):
    """Mean Huber loss with transition point ``delta`` > 0 (RMC21, Section 4.3). C^1, its gradient clipped."""

    observed: tuple[Observation, ...]
    delta: Fraction

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", _observations(self.observed))
        object.__setattr__(self, "delta", _exact(self.delta))
        huber(self.delta)

    @cached_property
    def base(self) -> Entrywise:  # pyright: ignore[reportIncompatibleVariableOverride]
        return huber(self.delta)

    @property
    def weight(self) -> Fraction:
        return Fraction(1, len(self.observed))


@dataclass(frozen=True)
class Sensing(_Residuals):
    """Mean over i of base(<A_i, W> - y_i). measurements: exact A_i of the shape of W; targets: rationals y_i."""

    measurements: tuple[Array, ...]
    targets: tuple[Fraction, ...]
    base: Entrywise

    def __post_init__(self) -> None:
        object.__setattr__(self, "measurements", tuple(map(array, self.measurements)))
        object.__setattr__(self, "targets", tuple(map(_exact, self.targets)))
        if not self.measurements or len({A.shape for A in self.measurements}) != 1:
            raise InputError("needed at least one measurement tensor, and all of one shape")
        if len(self.targets) != len(self.measurements):
            raise InputError(
                f"given {len(self.measurements)} measurements and {len(self.targets)} targets, needed as many"
            )

    @property
    def weight(self) -> Fraction:
        return Fraction(1, len(self.targets))

    @cached_property
    def _rows(self) -> Array:
        shape = (len(self.targets), prod(self.measurements[0].shape))
        return Array(shape, tuple(entry for A in self.measurements for entry in A.entries))

    def _lead(self, W: Any) -> tuple[int, ...]:
        shape = self.measurements[0].shape
        given = tuple(W.shape)
        if given[len(given) - len(shape) :] != shape:
            raise InputError(
                f"W has shape {given}, needed that of the measurements, {shape}, after any batch dimensions"
            )
        return given[: len(given) - len(shape)]

    def _read(self, W: Any) -> Any:
        lead, rows = self._lead(W), self._cached("rows", self._rows, W)
        read = W.reshape((*lead, 1, -1)) @ rows.swapaxes(0, 1)
        targets = Array((len(self.targets),), self.targets)
        return read.reshape((*lead, -1)) - self._cached("targets", targets, W)

    def _write(self, slopes: Any, W: Any) -> Any:
        made = slopes.reshape((*self._lead(W), 1, -1)) @ self._cached("rows", self._rows, W)
        return made.reshape(tuple(W.shape))


# -- any loss ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Linear:
    """<g, W>: its gradient is g everywhere. At one point any differentiable loss looks like this. g: exact."""

    g: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "g", array(self.g))

    def value(self, W: Any) -> Any:
        """<g, W>, one number per instance."""
        held = enter(W, "W")
        made = self._entered(held) * held
        lead = tuple(made.shape)[: made.ndim - len(self.g.shape)]
        return _restore(made.reshape((*lead, -1)).sum(-1), W)

    def gradient(self, W: Any) -> Any:
        """g, repeated for every instance."""
        held = enter(W, "W")
        return leave(zeros(tuple(held.shape), held) + self._entered(held), W)

    def _entered(self, W: Any) -> Any:
        given = tuple(W.shape)
        if given[len(given) - len(self.g.shape) :] != self.g.shape:
            raise InputError(f"W has shape {given}, needed that of g, {self.g.shape}, after any batch dimensions")
        return constants(self.g, W)


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in the entries of W. terms: (coefficient, ((index, power), ...)), powers >= 1.

    ``Polynomial(((1, (((0, 0), 2),)), (-3, (((0, 1), 1), ((1, 0), 1)))))`` is W_00^2 - 3 W_01 W_10.
    """

    terms: tuple[tuple[Fraction, tuple[tuple[Index, int], ...]], ...]

    def __post_init__(self) -> None:
        made: list[tuple[Fraction, tuple[tuple[Index, int], ...]]] = []
        for coefficient, powers in self.terms:
            merged: dict[Index, int] = {}
            for index, power in powers:
                if type(power) is not int or power < 1:
                    raise InputError(f"given the power {power!r} of entry {index}, needed a positive integer")
                merged[tuple(index)] = merged.get(tuple(index), 0) + power
            made.append((_exact(coefficient), tuple(sorted(merged.items()))))
        if len({len(index) for _, powers in made for index, _ in powers}) != 1:
            raise InputError("the terms name no entry, or indices of different length: needed indices of one order")
        object.__setattr__(self, "terms", tuple(made))

    def value(self, W: Any) -> Any:
        """The polynomial, one number per instance."""
        held = enter(W, "W")
        return _restore(self._sum(((c, powers) for c, powers in self.terms), held), W)

    def gradient(self, W: Any) -> Any:
        """The gradient by W, of the shape of W."""
        held = enter(W, "W")
        made = zeros(tuple(held.shape), held)
        for index in sorted({index for _, powers in self.terms for index, _ in powers}):
            parts: list[tuple[Fraction, tuple[tuple[Index, int], ...]]] = []
            for coefficient, powers in self.terms:
                have = dict(powers).get(index, 0)
                if have:
                    rest = tuple((i, p - (i == index)) for i, p in powers if p - (i == index))
                    parts.append((coefficient * have, rest))
            made[(Ellipsis, *index)] = self._sum(parts, held)
        return leave(made, W)

    def _sum(self, terms: Any, W: Any) -> Any:
        order = len(next(index for _, powers in self.terms for index, _ in powers))
        largest = [max(index[k] for _, powers in self.terms for index, _ in powers) for k in range(order)]
        shape = tuple(W.shape)[W.ndim - order :] if W.ndim >= order else ()
        if len(shape) != order or any(i >= size for i, size in zip(largest, shape, strict=True)):
            raise InputError(f"W has shape {tuple(W.shape)}, needed order {order} with entries up to {tuple(largest)}")
        made: Any = None
        for coefficient, powers in terms:
            entries = [W[(Ellipsis, *index)][()] for index, power in powers for _ in range(power)]
            part = zeros(tuple(W.shape)[: W.ndim - order], W)[()] + _scaled(_one(W), coefficient, W)
            for entry in entries:
                part = part * entry
            made = part if made is None else made + part
        return made


def _one(W: Any) -> Any:
    if is_torch(W):
        return W.new_ones(())
    return constant(Fraction(1), sample(W)) if W.dtype == object else W.dtype.type(1)


@lru_cache(maxsize=64)
def _opaque(name: str, shape: tuple[int, ...]) -> Any:
    import sympy

    places = list(cartesian(*map(range, shape)))

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return sympy.Function(f"d{name}_" + "_".join(map(str, places[argindex - 1])))(*self.args)

    return type(name, (sympy.Function,), {"fdiff": fdiff})


@dataclass(frozen=True)
class Opaque:
    """A differentiable loss about which nothing is known, in sympy only.

    The value is ``loss(W_00, W_01, ...)``; the gradient at entry (i, j) is the function ``dloss_i_j`` of all entries,
    and ``sympy.diff`` of the value gives just these by the chain rule.
    """

    name: str = "loss"

    def value(self, W: Any) -> Any:
        """The undetermined function of all entries of W (a numpy object array of sympy expressions)."""
        held = self._entered(W)
        return _opaque(self.name, held.shape)(*held.flat)

    def gradient(self, W: Any) -> Any:
        """Undetermined functions of all entries of W, in the shape of W."""
        value = self.value(W)
        made = np.empty(W.shape, dtype=object)
        for place, index in enumerate(cartesian(*map(range, W.shape))):
            made[index] = value.fdiff(place + 1)
        return made

    def _entered(self, W: Any) -> np.ndarray:
        if isinstance(W, np.ndarray) and W.dtype == object and all(hasattr(entry, "free_symbols") for entry in W.flat):
            return W
        raise InputError(f"given W as {type(W).__name__}, needed a numpy object array of sympy expressions (to_sympy)")


__all__ = [
    "Completion",
    "Entrywise",
    "HalfSum",
    "Huber",
    "Index",
    "Linear",
    "Loss",
    "MeanSquares",
    "Observation",
    "Opaque",
    "Polynomial",
    "Sensing",
    "huber",
    "observe",
    "square",
]
