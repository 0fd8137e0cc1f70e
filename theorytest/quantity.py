"""Quantities of a model's state, to be composed with ordinary arithmetic and compared.

    from theorytest import at_every_state, quantity as q
    claim = at_every_state(model, q.nuclear_norm() <= (q.squared_norm("W[1]") + q.squared_norm("W[2]")) / 2)

A quantity names no model and no numbers: the claim that holds it says which model, and the kernel evaluates it exactly
or in balls, the searches in float64 batches. ``<``, ``<=``, ``>``, ``>=`` make a comparison; an equality is written
``q.equal(one, other)``. Entries, members, modes and singular values count from 1; no block means the end tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel import scalar
from theorytest.kernel.claim import AtEveryState, ProbabilityBetween
from theorytest.kernel.parameterization import Parameterization
from theorytest.kernel.quantity import Atom, Comparison
from theorytest.kernel.scalar import Exp, Ln, Scalar


@dataclass(frozen=True, eq=False)
class Quantity:
    """An expression in quantities of a state."""

    expression: Scalar
    atoms: frozenset[Atom] = frozenset()

    def _with(self, other: Any, make: Callable[[Scalar, Scalar], Scalar]) -> Quantity:
        right = _quantity(other)
        return Quantity(make(self.expression, right.expression), self.atoms | right.atoms)

    def __add__(self, other: Any) -> Quantity:
        return self._with(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Quantity:
        return _quantity(other) + self

    def __sub__(self, other: Any) -> Quantity:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Quantity:
        return _quantity(other) - self

    def __mul__(self, other: Any) -> Quantity:
        return self._with(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Quantity:
        return _quantity(other) * self

    def __truediv__(self, other: Any) -> Quantity:
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Quantity:
        return _quantity(other) / self

    def __neg__(self) -> Quantity:
        return -1 * self

    def __abs__(self) -> Quantity:
        return absolute(self)

    def __pow__(self, exponent: Fraction | int | str) -> Quantity:
        """A rational power; other powers than natural ones need a base that is not negative."""
        return Quantity(self.expression ** _number(exponent), self.atoms)

    def __lt__(self, other: Any) -> Comparison:
        return _comparison(self, "<", _quantity(other))

    def __le__(self, other: Any) -> Comparison:
        return _comparison(self, "<=", _quantity(other))

    def __gt__(self, other: Any) -> Comparison:
        return _comparison(_quantity(other), "<", self)

    def __ge__(self, other: Any) -> Comparison:
        return _comparison(_quantity(other), "<=", self)

    def __eq__(self, other: object) -> bool:
        raise InputError(f"given == between quantities, needed q.equal(one, other): {self} = {other}")

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise InputError("a quantity is neither true nor false; chained comparisons are written as two claims")

    def __str__(self) -> str:
        return str(self.expression)


def equal(one: Any, other: Any) -> Comparison:
    """Both quantities are equal."""
    return _comparison(_quantity(one), "=", _quantity(other))


def sqrt(value: Any) -> Quantity:
    """The nonnegative square root."""
    return _quantity(value) ** Fraction(1, 2)


def absolute(value: Any) -> Quantity:
    """The absolute value."""
    held = _quantity(value)
    return Quantity(scalar.absolute(held.expression), held.atoms)


def ln(value: Any) -> Quantity:
    """The natural logarithm."""
    held = _quantity(value)
    return Quantity(Ln(held.expression), held.atoms)


def exp(value: Any) -> Quantity:
    """The exponential function."""
    held = _quantity(value)
    return Quantity(Exp(held.expression), held.atoms)


def entry(*place: Any) -> Quantity:
    """An entry: ``entry(1, 2)`` of the end tensor, ``entry("W[1]", 1, 2)`` of a block."""
    block = place[0] if place and isinstance(place[0], str) else ""
    index = place[1:] if block else place
    if not index or not all(type(i) is int and i >= 1 for i in index):
        raise InputError(f"given the index {index}, needed whole numbers from 1: entry(1, 2) or entry('W[1]', 1, 2)")
    return _atom("entry", block, tuple(index))


def determinant(block: str = "") -> Quantity:
    """The determinant of a square block, or of the end matrix."""
    return _atom("determinant", block)


def squared_norm(block: str = "") -> Quantity:
    """The squared Frobenius norm of a block, or of the end tensor."""
    return _atom("squared norm", block)


def norm(block: str = "") -> Quantity:
    """The Frobenius norm of a block, or of the end tensor."""
    return sqrt(squared_norm(block))


def squared_slice_norm(block: str, axis: int, member: int) -> Quantity:
    """The squared norm of a subtensor: the index ``axis`` of a block ("" for the end tensor) fixed to ``member``."""
    return _atom("slice", block, (axis, member))


def squared_component_norm(member: int, leg: str = "r") -> Quantity:
    """The product over all blocks with the leg of the squared norms of their slices: P_r^2 of CP (RMC21, Section
    4.1)."""
    return _atom("component", leg, (member,))


def component_norm(member: int, leg: str = "r") -> Quantity:
    """P_r of CP: the norm of a component."""
    return sqrt(squared_component_norm(member, leg))


def unbalancedness(leg: str = "r") -> Quantity:
    """The unbalancedness magnitude: the largest difference of squared norms of a component's parts (RMC21 Definition
    1)."""
    return _atom("unbalancedness", leg)


def gram_gap(left: str, right: str) -> Quantity:
    """||X^T X - Y Y^T||^2 for neighbours X Y in a product of matrices; 0 means that they are balanced (RC20 (5))."""
    return Quantity(_named(Atom("gram gap", left, (), right)), frozenset({Atom("gram gap", left, (), right)}))


def singular_value(k: int, mode: int = 0) -> Quantity:
    """The k-th largest singular value of the end matrix, or of its unfolding along a mode."""
    return _atom("singular value", "", (k, mode) if mode else (k,))


def schatten(p: Fraction | int | str, mode: int = 0) -> Quantity:
    """The Schatten-p norm (quasi-norm for p < 1) of the end matrix, or of an unfolding."""
    exponent = _number(p)
    if exponent <= 0:
        raise InputError(f"given p = {p}, needed a positive number")
    return _atom("schatten", "", (mode,) if mode else (), exponent)


def nuclear_norm(mode: int = 0) -> Quantity:
    """The sum of the singular values."""
    return schatten(1, mode)


def spectral_norm(mode: int = 0) -> Quantity:
    """The largest singular value."""
    return singular_value(1, mode)


def effective_rank(mode: int = 0) -> Quantity:
    """exp of the entropy of the normalised singular values (RC20 Definition 1)."""
    return _atom("effective rank", "", (mode,) if mode else ())


def distance_to_rank(r: int, mode: int = 0) -> Quantity:
    """The Frobenius distance of the end matrix (or an unfolding) to the matrices of rank at most r."""
    return _atom("distance to rank", "", (mode,) if mode else (), Fraction(r))


def approximation_error(r: int, norm: str = "frobenius", mode: int = 0) -> Quantity:
    """The least norm of W - V over the matrices V of rank at most r, which the truncated singular value decomposition
    of W attains (Eckart and Young 1936, Mirsky 1960). norm: "frobenius", "spectral" or "nuclear"; mode: of an
    unfolding.

    The spectral one is sigma_{r+1}: it needs a matrix with more than r rows and columns.
    """
    if type(r) is not int or r < 0:
        raise InputError(f"given the rank {r!r}, needed a whole number from 0")
    match norm:
        case "frobenius":
            return distance_to_rank(r, mode)
        case "spectral":
            return singular_value(r + 1, mode)
        case "nuclear":
            return reduce(lambda rest, k: rest - singular_value(k, mode), range(1, r + 1), nuclear_norm(mode))
        case _:
            raise InputError(f"given the norm {norm!r}, needed 'frobenius', 'spectral' or 'nuclear'")


def truncation_bound(*ranks: int) -> Quantity:
    """The root of the sum, over the modes n, of the squared distances of the unfoldings of W to rank r_n.

    W truncated to multilinear rank (r_1, ..., r_N) by its higher-order singular value decomposition is at most so far
    from W (De Lathauwer, De Moor and Vandewalle 2000); so what bounds this bounds the error of the truncation.
    """
    return sqrt(sum((distance**2 for distance in _distances(ranks)), start=_quantity(0)))


def farthest_unfolding(*ranks: int) -> Quantity:
    """The largest, over the modes n, of the distances of the unfoldings of W to rank r_n: no tensor of multilinear rank
    at most (r_1, ..., r_N) is nearer to W, and a truncation is at most sqrt(N) times as far (`truncation_bound`)."""
    return reduce(lambda a, b: (a + b + absolute(a - b)) / 2, _distances(ranks))


def _distances(ranks: tuple[int, ...]) -> list[Quantity]:
    if len(ranks) < 2 or not all(type(r) is int and r >= 0 for r in ranks):
        raise InputError(f"given the ranks {ranks}, needed one whole number for each of two or more modes")
    return [distance_to_rank(r, mode) for mode, r in enumerate(ranks, 1)]


def rank(mode: int = 0) -> Quantity:
    """The rank of the end matrix, or of an unfolding: known at exact states only."""
    return _atom("rank", "", (mode,) if mode else ())


def at_start(quantity: Quantity) -> Quantity:
    """A quantity's value at time 0, in a claim about flows: ``q.norm() >= q.at_start(q.norm())``.

    Its parts have to be rational at a rational start: entries, determinants, squared norms, and roots of these.
    """
    expression, atoms = quantity.expression, set[Atom]()
    for atom in quantity.atoms:
        early = replace(atom, at_start=True)
        expression = scalar.substitute(expression, atom.name, early.variable)
        atoms.add(early)
    return Quantity(expression, frozenset(atoms))


def probability(
    model: Any, event: Comparison, *, at_least: Fraction | int | str = 0, at_most: Fraction | int | str = 1
) -> ProbabilityBetween:
    """The probability of a comparison at a random state of a model (with its sizes) lies between two numbers.

    The entries of all blocks are independent, each with a density that is symmetric about 0, whatever it is.
    """
    if not isinstance(event, Comparison) or not hasattr(model, "parameterization"):
        raise InputError("needed a model with its sizes, and a comparison of quantities such as q.determinant() > 0")
    lower, upper = _number(at_least), _number(at_most)
    if not 0 <= lower <= upper <= 1:
        raise InputError(f"given at_least={at_least} and at_most={at_most}, needed 0 <= at_least <= at_most <= 1")
    return ProbabilityBetween(model.parameterization, tuple(sorted(model.sizes.items())), event, lower, upper)


def at_every_state(model: Any, comparison: Comparison) -> AtEveryState:
    """The comparison holds at every state of a model.

    model: a model with its sizes (``deep_matrix_factorization(2, 2, depth=2)``), or a parameterization
    (``DEEP_MATRIX``): then at all sizes at which the quantities exist.
    """
    if not isinstance(comparison, Comparison):
        raise InputError(f"given {type(comparison).__name__}, needed a comparison of quantities such as q.norm() <= 1")
    if isinstance(model, Parameterization):
        return AtEveryState(model, (), comparison)
    if not hasattr(model, "parameterization"):
        raise InputError(f"given {type(model).__name__}, needed a model or a parameterization")
    sizes = tuple(sorted(model.sizes.items()))
    return AtEveryState(model.parameterization, sizes, comparison)


def _atom(kind: str, of: str, index: tuple[int, ...] = (), number: Fraction = Fraction(0)) -> Quantity:
    made = Atom(kind, of, index, "", number)
    return Quantity(_named(made), frozenset({made}))


def _named(atom: Atom) -> Scalar:
    return atom.variable


def _number(value: Any) -> Fraction:
    if isinstance(value, float):
        raise InputError(f"given the float {value!r}, needed an exact number: a fraction such as '1/2'")
    try:
        return Fraction(value)
    except (TypeError, ValueError, ZeroDivisionError):
        raise InputError(f"given {value!r}, needed an exact number: an integer or a fraction such as '1/2'") from None


def _quantity(value: Any) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(scalar.scalar(_number(value)))


def _comparison(lhs: Quantity, relation: str, rhs: Quantity) -> Comparison:
    used = scalar.variables(lhs.expression) | scalar.variables(rhs.expression)
    atoms = sorted((a for a in lhs.atoms | rhs.atoms if a.name in used), key=lambda a: a.name)
    return Comparison(lhs.expression, relation, rhs.expression, tuple(atoms))


__all__ = [
    "Quantity",
    "absolute",
    "approximation_error",
    "at_every_state",
    "at_start",
    "component_norm",
    "determinant",
    "distance_to_rank",
    "effective_rank",
    "entry",
    "equal",
    "exp",
    "farthest_unfolding",
    "gram_gap",
    "ln",
    "norm",
    "nuclear_norm",
    "probability",
    "rank",
    "schatten",
    "singular_value",
    "spectral_norm",
    "sqrt",
    "squared_component_norm",
    "squared_norm",
    "squared_slice_norm",
    "truncation_bound",
    "unbalancedness",
]
