"""Quantities of tensors and blocks: unfoldings, norms, balance, ranks. Written once for every arithmetic.

Modes are counted from 1, as in the papers and in block names; entries from 0. Exact for kernel Arrays, fmpq and sympy,
enclosures for arb, rounded otherwise. A square root of an exact rational is taken only where it is rational: elsewhere
ask for the square, or compute with balls.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from itertools import combinations
from math import isqrt, prod
from typing import Any, Literal

import numpy as np

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models.arithmetic import array, enter, fraction, is_torch, leave, permute, sample, zeros
from theorytest.models.contraction import contraction
from theorytest.models.factorizations import DEEP_CP, DEEP_TUCKER
from theorytest.models.model import Model

Order = Literal["lexicographic", "kolda-bader"]


# -- numbers -----------------------------------------------------------------------------------------------------------


def rational_root(value: Fraction) -> Fraction | None:
    """The square root of a rational if it is rational, else None."""
    if value < 0:
        return None
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    return Fraction(top, bottom) if top * top == value.numerator and bottom * bottom == value.denominator else None


def _root(value: Any) -> Any:
    """Square root of one number in its own arithmetic."""
    kind = type(value)
    if isinstance(value, (int, Fraction)) or (kind.__module__.startswith("flint") and kind.__name__ == "fmpq"):
        made = rational_root(fraction(value))
        if made is None:
            raise InputError(f"the square root of {value} is not rational: ask for the square, or compute with balls")
        if isinstance(value, (int, Fraction)):
            return made
        return kind(made.numerator, made.denominator)
    if hasattr(kind, "context"):
        return kind.context.sqrt(value)
    if hasattr(value, "sqrt"):
        return value.sqrt()
    import sympy

    return sympy.sqrt(value)


def _roots(values: Any) -> Any:
    if is_torch(values):
        return values.sqrt()
    if values.dtype != object:
        return np.sqrt(values)
    made = np.empty(values.shape, dtype=object)
    for place, entry in np.ndenumerate(values):
        made[place] = _root(entry)
    return made


def _greater(a: Any, b: Any) -> Any:
    """The maximum of two numbers; of balls, the enclosure of it."""
    if hasattr(type(a), "max"):
        return a.max(b)
    if hasattr(a, "free_symbols"):
        import sympy

        return sympy.Max(a, b)
    return max(a, b)


def _largest(parts: list[Any]) -> Any:
    """Largest absolute value over the last axes of several arrays with equal leading shapes; 0 if there are none."""
    lead = np.broadcast_shapes(*(tuple(part.shape)[:-1] for part in parts))
    if is_torch(parts[0]):
        import torch

        return torch.cat([part.expand((*lead, part.shape[-1])) for part in parts], -1).abs().amax(-1)
    joined = np.abs(np.concatenate([np.broadcast_to(part, (*lead, part.shape[-1])) for part in parts], -1))
    if joined.dtype != object:
        return joined.max(-1)
    made = np.empty(lead, dtype=object)
    for place in np.ndindex(*lead):
        made[place] = reduce(_greater, joined[place])
    return made[()]


def _number(value: Any, like: Any) -> Any:
    return fraction(value) if isinstance(like, Array) else value


# -- tensors -----------------------------------------------------------------------------------------------------------


def _axis(T: Any, mode: int) -> int:
    if not 1 <= mode <= len(T.shape):
        raise InputError(f"given mode {mode} of a tensor of order {len(T.shape)}, needed 1 to {len(T.shape)}")
    return mode - 1


def unfold(T: Any, mode: int, *, order: Order = "lexicographic") -> Any:
    """The mode-n unfolding, a matrix of shape (d_n, product of the others). No batch dimensions.

    order: of the columns. "lexicographic": the last remaining index varies fastest, so that the unfolding of an outer
    product of w^1, ..., w^N is w^n kronecker(w^1, ..., w^{n-1}, w^{n+1}, ..., w^N)^T (increasing). "kolda-bader": the
    first remaining index varies fastest; the Kronecker factors are then in decreasing order (Kolda and Bader 2009).
    HKA24 needs the first in Lemma A.1 and the second in the matrix form of the Tucker factorization.
    """
    axis = _axis(T, mode)
    others = [k for k in range(len(T.shape)) if k != axis]
    if order == "kolda-bader":
        others.reverse()
    elif order != "lexicographic":
        raise InputError(f"given the column order {order!r}, needed 'lexicographic' or 'kolda-bader'")
    held = enter(T, "T")
    return leave(permute(held, (axis, *others)).reshape((T.shape[axis], -1)), T)


def mode_product(T: Any, M: Any, mode: int) -> Any:
    """The n-mode product: M of shape (p, d_n) applied to the n-th index of T. No batch dimensions."""
    axis = _axis(T, mode)
    if len(M.shape) != 2 or M.shape[1] != T.shape[axis]:
        raise InputError(f"M has shape {tuple(M.shape)}, needed (any, {T.shape[axis]}) for mode {mode} of T")
    legs = tuple(f"i{k}" for k in range(len(T.shape)))
    output = tuple("p" if k == axis else leg for k, leg in enumerate(legs))
    dims = dict(zip(legs, T.shape, strict=True)) | {"p": M.shape[0]}
    value, _ = contraction((legs, ("p", legs[axis])), output, dims).forward([enter(T, "T"), enter(M, "M")])
    return leave(value, T)


def kronecker(*factors: Any) -> Any:
    """The Kronecker product of vectors, or of matrices, the last factor varying fastest."""
    if not factors or len({len(f.shape) for f in factors}) != 1 or len(factors[0].shape) not in (1, 2):
        raise InputError("needed one or more factors, all vectors or all matrices")
    order = len(factors[0].shape)
    legs = tuple(tuple(f"{'ij'[axis]}{k}" for axis in range(order)) for k in range(len(factors)))
    dims = {leg: size for names, f in zip(legs, factors, strict=True) for leg, size in zip(names, f.shape, strict=True)}
    output = tuple(names[axis] for axis in range(order) for names in legs)
    value, _ = contraction(legs, output, dims).forward([enter(f, "factor") for f in factors])
    shape = tuple(prod(f.shape[axis] for f in factors) for axis in range(order))
    return leave(value.reshape(shape), factors[0])


def inner(S: Any, T: Any) -> Any:
    """<S, T>, the sum of entrywise products. No batch dimensions."""
    if tuple(S.shape) != tuple(T.shape):
        raise InputError(f"given shapes {tuple(S.shape)} and {tuple(T.shape)}, needed equal ones")
    return _number((enter(S, "S") * enter(T, "T")).reshape(-1).sum(), T)


def squared_slice_norms(T: Any, mode: int) -> Any:
    """For every value of the n-th index, the squared norm of the subtensor with that index fixed. Shape (d_n,)."""
    axis = _axis(T, mode)
    held = enter(T, "T")
    return leave(_squared(held, axis, len(T.shape)), T)


def slice_norms(T: Any, mode: int) -> Any:
    """Norms of the subtensors with the n-th index fixed. Raises `InputError` where an exact one is irrational."""
    held = enter(T, "T")
    return leave(_roots(_squared(held, _axis(T, mode), len(T.shape))), T)


def _squared(values: Any, axis: int, order: int) -> Any:
    """Sums of squares over all trailing axes but one: shape (*batch, size)."""
    lead = values.ndim - order
    others = [lead + k for k in range(order) if k != axis]
    rows = permute(values, (*range(lead), lead + axis, *others))
    rows = rows.reshape((*tuple(values.shape)[:lead], values.shape[lead + axis], -1))
    return (rows * rows).sum(-1)


def multilinear_rank(T: Any) -> tuple[int, ...]:
    """The ranks of all unfoldings: exact. Floats are taken as the rationals that they are (so that noise counts).

    >>> from theorytest.models import array
    >>> multilinear_rank(array([[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]]))
    (2, 1, 2)
    """
    exact = array(T)
    return tuple(_matrix(unfold(exact, mode)).rank() for mode in range(1, len(exact.shape) + 1))


def _matrix(M: Array) -> Any:
    from flint import fmpq, fmpq_mat

    rows, columns = M.shape
    return fmpq_mat(rows, columns, [fmpq(entry.numerator, entry.denominator) for entry in M.entries])


def determinant(W: Any) -> Any:
    """The determinant of a square matrix; of every matrix of a batch in numpy and torch floats.

    Exact for kernel Arrays, fmpq and sympy (not expanded), an enclosure for arb. Floats lose the
    sign once det W is below rounding (a trap of RC20 at depth 2): then use exact blocks, balls, or log det as a
    variable.
    """
    held = enter(W, "W")
    if held.ndim < 2 or held.shape[-1] != held.shape[-2]:
        raise InputError(f"W has shape {tuple(held.shape)}, needed a square matrix")
    if is_torch(held):
        import torch

        return torch.linalg.det(held)
    if held.dtype != object:
        return np.linalg.det(held)
    if held.ndim != 2:
        raise InputError(f"W has shape {tuple(held.shape)}, needed one matrix: batches are for floats only")
    kind = type(sample(held)).__name__
    if isinstance(W, Array) or kind == "fmpq":
        exact = _matrix(array(held)).det()
        return _number(exact, W)
    if kind == "arb":
        from flint import arb_mat

        return arb_mat(held.tolist()).det()
    return _bird(held)


def _bird(A: np.ndarray) -> Any:
    """Determinant without division (Bird 2011): n - 1 products of matrices, in any commutative ring."""
    n = A.shape[0]
    F = A
    for _ in range(n - 1):
        upper = zeros((n, n), A)
        for i in range(n):
            upper[i, i + 1 :] = F[i, i + 1 :]
            for j in range(i + 1, n):
                upper[i, i] = upper[i, i] - F[j, j]
        F = upper @ A
    return F[0, 0] if n % 2 else -F[0, 0]


# -- blocks of a model -------------------------------------------------------------------------------------------------


def squared_norms(model: Model, blocks: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Component leg -> block -> squared norms of the slices of the block along the leg, shape (*batch, size of the
    leg).

    For CP, ``["r"]["w[n]"][r]`` is the squared norm of w_r^n; for deep Tucker ``["r[m]"]`` has those of G_{r_m=r}, of
    A_i^{m,r} and of w_r^m.
    """
    made: dict[str, dict[str, Any]] = {}
    for leg in model.component_legs:
        made[leg] = {}
        for name in model.holders(leg):
            legs = model.legs[name]
            values = _squared(enter(blocks[name], name), legs.index(leg), len(legs))
            made[leg][name] = leave(values, blocks[name])
    return made


def unbalancedness_magnitude(model: Model, blocks: Mapping[str, Any]) -> Any:
    """The largest difference of squared norms that balance asks to be equal; 0 means balanced. One number per instance.

    CP: over all pairs of vectors of a component (RMC21 Definition 1). Tucker, deep CP and deep Tucker: between w_r^m
    and the core slice, and between w_r^m and every A_i^{m,r} (HKA24 Definition 4.2). A model of your own: over all
    pairs of blocks that share a component leg. Constant along the gradient flow. Raises `InputError` for a model
    without component legs: deep matrix factorization is balanced in the sense of `gram_differences`.
    """
    if not model.component_legs:
        raise InputError(
            f"{model.name} has no component legs: its balance is about Gram matrices, see gram_differences"
        )
    differences: list[Any] = []
    for norms in squared_norms(model, blocks).values():
        names = list(norms)
        pairs = list(combinations(names, 2))
        if model.parameterization in (DEEP_CP, DEEP_TUCKER):
            pairs = [(names[-1], name) for name in names[:-1]]  # w is the last block of its mode, CP has one per mode
            if model.parameterization == DEEP_CP:
                pairs = _own_vectors(names)
        differences += [enter(norms[a]) - enter(norms[b]) for a, b in pairs]
    return _number(_largest(differences), next(iter(blocks.values())))


def _own_vectors(names: list[str]) -> list[tuple[str, str]]:
    """Deep CP: every w[n] against the weight c, and against the matrices of its own mode."""
    made: list[tuple[str, str]] = []
    for name in names:
        if name.startswith("w["):
            mode = name[2:-1]
            made += [(name, other) for other in names if other == "c" or other.startswith(f"A[{mode},")]
    return made


def squared_component_norms(model: Model, blocks: Mapping[str, Any]) -> Any:
    """CP-like models with one component leg: P_r^2, the product over all blocks of squared norms. Shape (*batch, R).

    For CP the component norm P_r is the norm of the outer product of w_r^1, ..., w_r^N (RMC21, Section 4.1).
    """
    if len(model.component_legs) != 1:
        raise InputError(f"{model.name} has the component legs {model.component_legs}, needed exactly one, as in CP")
    norms = squared_norms(model, blocks)[model.component_legs[0]]
    value = reduce(lambda a, b: a * b, [enter(part) for part in norms.values()])
    return leave(value, next(iter(blocks.values())))


def component_norms(model: Model, blocks: Mapping[str, Any]) -> Any:
    """P_r (RMC21). Raises `InputError` where an exact one is irrational: use `squared_component_norms`."""
    squared = squared_component_norms(model, blocks)
    return leave(_roots(enter(squared)), squared)


def gram_differences(model: Model, blocks: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """For neighbours X Y in a product of matrices: X^T X - Y Y^T, one for every copy. Zero means matrix balance.

    Deep matrix factorization: W_{l+1}^T W_{l+1} - W_l W_l^T (RC20 (5)). Deep CP and deep Tucker: A_i^T A_i - A_{i+1}
    A_{i+1}^T for every column (HKA24 (9)). Keys are the names (X, Y); shape (*batch, *copies, h, h).
    """
    made: dict[tuple[str, str], Any] = {}
    for chain in model.matrices:
        for left, right in zip(chain.names, chain.names[1:], strict=False):
            X, Y = enter(blocks[left], left), enter(blocks[right], right)
            made[left, right] = leave(X.swapaxes(-1, -2) @ X - Y @ Y.swapaxes(-1, -2), blocks[left])
    return made


__all__ = [
    "component_norms",
    "determinant",
    "gram_differences",
    "inner",
    "kronecker",
    "mode_product",
    "multilinear_rank",
    "rational_root",
    "slice_norms",
    "squared_component_norms",
    "squared_norms",
    "squared_slice_norms",
    "unbalancedness_magnitude",
    "unfold",
]
