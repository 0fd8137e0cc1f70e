"""Gradient flow from one exact start: the problem, and its vector field as a list of sums of products.

The vector field is derived, never typed: the end tensor is contracted factor by factor, the slope of the loss is taken
at every residual, and the contractions are run backwards (reverse mode). What that computes is kept as a `Field`, which
is evaluated over whatever arithmetic the caller brings: rational numbers, balls, polynomials in time.

On a subspace theta = E u (the columns of E rational and orthogonal) the field is that of u -> loss(E u) for the inner
product of E^T E: u_j' = -(d/du_j loss(E u)) / ||E_j||^2. It is the flow of theta if the subspace is invariant, which
`require_invariant` decides exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from itertools import product as cartesian
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly_ctx

from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Concrete, Parameterization

Basis = tuple[tuple[Fraction, ...], ...]  # columns
Slots = Sequence[int | None]  # the entries of an array in row-major order; None is 0
Products = tuple[tuple[Fraction, tuple[tuple[int, int], ...]], ...]
Linear = tuple[tuple[Fraction, tuple[int, ...]], ...]


@noun
class Slope:
    """The derivative of a loss of one number: a continuous piecewise polynomial.

    pieces: coefficients of 1, z, z^2, ... from left to right; breaks: the increasing points between them.
    """

    pieces: tuple[tuple[Fraction, ...], ...]
    breaks: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.breaks) + 1 or any(a >= b for a, b in pairwise(self.breaks)):
            raise KernelError("a slope needs increasing breaks, and one more piece than breaks")
        for (left, right), point in zip(pairwise(self.pieces), self.breaks, strict=True):
            if horner(left, point, Fraction(0)) != horner(right, point, Fraction(0)):
                raise KernelError(f"the slope jumps at {point}: needed a continuous one (a loss of class C^1)")


@noun
class Measurement:
    """The residual <A, W> - target; entries: the index (from 0) and value of every entry of A that is not 0."""

    entries: tuple[tuple[tuple[int, ...], Fraction], ...]
    target: Fraction


@noun
class MeasuredLoss:
    """weight times the sum of l(residual) over the measurements, where l' is the slope."""

    measurements: tuple[Measurement, ...]
    slope: Slope
    weight: Fraction = Fraction(1)


@noun
class InitialValueProblem:
    """d theta / dt = - d/d theta loss(end tensor of theta), theta(0) = start.

    sizes: symbol -> size; start: one exact array for each block, in the order of the written-out parameterization.
    """

    parameterization: Parameterization
    sizes: tuple[tuple[str, Any], ...]
    loss: MeasuredLoss
    start: tuple[tuple[str, Array], ...]

    def concrete(self) -> Concrete:
        """The parameterization written out; raises where the start or the loss does not fit."""
        if len(dict(self.sizes)) != len(self.sizes):
            raise KernelError("a problem gives two values for one size")
        made = self.parameterization.at(dict(self.sizes))
        given = tuple((name, array.shape) for name, array in self.start)
        if given != tuple(made.blocks.items()):
            raise KernelError(f"the start has the blocks {given}, needed {tuple(made.blocks.items())}")
        if len(set(made.output)) < len(made.output) or any(len(set(legs)) < len(legs) for _, legs in made.factors):
            raise KernelError("a leg occurs twice in one block, or in the output")
        for measurement in self.loss.measurements:
            for index, _ in measurement.entries:
                if len(index) != len(made.shape) or not all(0 <= i < n for i, n in zip(index, made.shape, strict=True)):
                    raise KernelError(f"entry {index} is not in an end tensor of shape {made.shape}")
        return made

    def point(self) -> tuple[Fraction, ...]:
        """The start as one vector: block after block, each in row-major order."""
        return tuple(entry for _, array in self.start for entry in array.entries)


@dataclass(frozen=True)
class Node:
    """One slot: constant + sum of coefficient * slot + sum of coefficient * slot * slot, grouped by coefficient."""

    slot: int
    constant: Fraction
    linear: Linear
    products: Products


@dataclass(frozen=True)
class Field:
    """A vector field: slots 0..inputs-1 are the coordinates, every node fills one more.

    squares: ||E_j||^2 of each coordinate; parameters, end: the slots of the parameters and of the end tensor (None is
    0); residuals, slopes: slot of each measurement's residual, and of its slope; forces: slots of E^T f(E u), that is
    ``squares[j] * velocity[j]``; velocities: slots of the derivatives.
    """

    inputs: int
    nodes: tuple[Node, ...]
    squares: tuple[Fraction, ...]
    parameters: tuple[int | None, ...]
    end: tuple[int | None, ...]
    residuals: tuple[int, ...]
    slopes: tuple[int, ...]
    forces: tuple[int, ...]
    velocities: tuple[int, ...]

    @cached_property
    def moving(self) -> tuple[Node, ...]:
        """The nodes that the velocities are computed from."""
        return self._feeding(self.velocities)

    @cached_property
    def measured(self) -> tuple[Node, ...]:
        """The nodes that the residuals are computed from."""
        return self._feeding(self.residuals)

    @cached_property
    def forcing(self) -> tuple[Node, ...]:
        """The nodes that the forces and the residuals are computed from."""
        return self._feeding((*self.forces, *self.residuals))

    def _feeding(self, slots: Sequence[int]) -> tuple[Node, ...]:
        needed = set(slots)
        made: list[Node] = []
        for node in reversed(self.nodes):
            if node.slot in needed:
                made.append(node)
                needed.update(slot for _, held in node.linear for slot in held)
                needed.update(slot for _, pairs in node.products for pair in pairs for slot in pair)
        return tuple(reversed(made))


def horner(piece: Sequence[Fraction], z: Any, zero: Any) -> Any:
    """A polynomial at z, in z's arithmetic."""
    total = zero
    for coefficient in reversed(piece):
        total = total * z + coefficient
    return total


def derivative(piece: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The coefficients of the derivative of a polynomial."""
    return tuple(power * value for power, value in enumerate(piece))[1:]


class _Tape:
    """Sums of products in the order in which they are needed; equal ones share a slot."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.nodes: list[Node] = []
        self.found: dict[Any, int] = {}

    def slot(self, constant: Fraction, terms: Iterable[tuple[Fraction, tuple[int, ...]]]) -> int:
        """The slot of constant + sum of coefficient * product of one or two slots."""
        total: dict[tuple[int, ...], Fraction] = {}
        for coefficient, slots in terms:
            key = tuple(sorted(slots))
            total[key] = total.get(key, Fraction(0)) + coefficient
        kept = {key: coefficient for key, coefficient in sorted(total.items()) if coefficient}
        if not constant and len(kept) == 1:
            ((key, coefficient),) = kept.items()
            if len(key) == 1 and coefficient == 1:
                return key[0]
        name = (constant, tuple(kept.items()))
        if name not in self.found:
            place = self.inputs + len(self.nodes)
            groups: tuple[dict[Fraction, list[Any]], dict[Fraction, list[Any]]] = ({}, {})
            for key, coefficient in kept.items():
                groups[len(key) - 1].setdefault(coefficient, []).append(key[0] if len(key) == 1 else key)
            linear, products = (tuple((c, tuple(keys)) for c, keys in group.items()) for group in groups)
            self.nodes.append(Node(place, constant, linear, products))
            self.found[name] = place
        return self.found[name]

    def apart(self, slot: int, residual: int) -> int:
        """A slot of its own for the slope at a residual: another residual with the same slope has another one."""
        name = ("slope", slot, residual)
        if name not in self.found:
            self.found[name] = self.inputs + len(self.nodes)
            self.nodes.append(Node(self.found[name], Fraction(0), ((Fraction(1), (slot,)),), ()))
        return self.found[name]

    def sum(self, terms: list[tuple[Fraction, tuple[int, ...]]]) -> int | None:
        """The slot of a sum, None where there is nothing to add."""
        return self.slot(Fraction(0), terms) if terms else None


@dataclass(frozen=True)
class _Slotted:
    """An array of slots with named legs."""

    slots: Slots
    legs: tuple[str, ...]


def _contract(
    tape: _Tape, left: _Slotted, right: _Slotted | None, output: tuple[str, ...], dims: Mapping[str, int]
) -> _Slotted:
    """The sum of left * right over all legs that are not in the output (right None: of left)."""
    parts = (left,) if right is None else (left, right)
    inner = tuple(dict.fromkeys(leg for part in parts for leg in part.legs if leg not in output))
    names = output + inner
    made: list[int | None] = []
    for outer in cartesian(*(range(dims[leg]) for leg in output)):
        terms: list[tuple[Fraction, tuple[int, ...]]] = []
        for rest in cartesian(*(range(dims[leg]) for leg in inner)):
            index = dict(zip(names, outer + rest, strict=True))
            factors = [part.slots[_place(part.legs, index, dims)] for part in parts]
            present = tuple(slot for slot in factors if slot is not None)
            if len(present) == len(parts):
                terms.append((Fraction(1), present))
        made.append(tape.sum(terms))
    return _Slotted(made, output)


def _place(legs: tuple[str, ...], index: Mapping[str, int], dims: Mapping[str, int]) -> int:
    place = 0
    for leg in legs:
        place = place * dims[leg] + index[leg]
    return place


def field(problem: InitialValueProblem, pieces: tuple[int, ...] | None, basis: Basis | None = None) -> Field:
    """The vector field, where the slope at residual i is the polynomial ``slope.pieces[pieces[i]]``.

    pieces: one for each measurement, or () where the slope is one polynomial, or None: then the slopes are unknowns,
    and inputs of their own after the coordinates; basis: the columns of E (None: the identity).
    """
    concrete, loss = problem.concrete(), problem.loss
    dims = concrete.dims
    count = len(problem.point())
    if pieces == () and not loss.slope.breaks:
        pieces = (0,) * len(loss.measurements)
    if pieces is not None and (
        len(pieces) != len(loss.measurements) or not all(0 <= k < len(loss.slope.pieces) for k in pieces)
    ):
        raise KernelError(f"needed one of the {len(loss.slope.pieces)} pieces of the slope for each measurement")
    columns = _columns(count, basis)
    tape = _Tape(len(columns) + (len(loss.measurements) if pieces is None else 0))
    rows: list[list[tuple[Fraction, tuple[int, ...]]]] = [[] for _ in range(count)]
    for j, column in enumerate(columns):
        for i, entry in column:
            rows[i].append((entry, (j,)))
    parameters = [tape.sum(row) for row in rows]

    blocks: dict[str, Slots] = {}
    place = 0
    for name, array in problem.start:
        blocks[name] = parameters[place : place + len(array.entries)]
        place += len(array.entries)
    factors = [_Slotted(blocks[name], legs) for name, legs in concrete.factors]
    partial = [factors[0]]
    for k, factor in enumerate(factors[1:], 1):
        needed = set(concrete.output).union(*(later.legs for later in factors[k + 1 :]))
        legs = tuple(leg for leg in dict.fromkeys(partial[-1].legs + factor.legs) if leg in needed)
        partial.append(_contract(tape, partial[-1], factor, legs, dims))
    end = _contract(tape, partial[-1], None, concrete.output, dims)

    residuals: list[int] = []
    slopes: list[int] = []
    pulled: dict[int, list[tuple[Fraction, tuple[int, ...]]]] = {}
    for k, measurement in enumerate(loss.measurements):
        at = [
            (_place(concrete.output, dict(zip(concrete.output, i, strict=True)), dims), c)
            for i, c in measurement.entries
        ]
        entries = [(c, slot) for p, c in at if (slot := end.slots[p]) is not None]
        z = tape.slot(-measurement.target, [(c, (slot,)) for c, slot in entries])
        if pieces is None:
            g = len(columns) + k
        else:
            g = _polynomial(tape, loss.slope.pieces[pieces[k]], z)
            if loss.slope.breaks:
                g = tape.apart(g, z)
        residuals.append(z)
        slopes.append(g)
        for p, c in at:
            pulled.setdefault(p, []).append((-loss.weight * c, (g,)))
    adjoint = _Slotted([tape.sum(pulled.get(p, [])) for p in range(len(end.slots))], concrete.output)
    gradients: dict[str, list[list[tuple[Fraction, tuple[int, ...]]]]] = {
        name: [[] for _ in array.entries] for name, array in problem.start
    }
    for k in range(len(factors) - 1, -1, -1):
        before = partial[k - 1] if k else None
        mine = _contract(tape, adjoint, before, factors[k].legs, dims)
        for target, slot in zip(gradients[concrete.factors[k][0]], mine.slots, strict=True):
            if slot is not None:
                target.append((Fraction(1), (slot,)))
        if before is not None:
            adjoint = _contract(tape, adjoint, factors[k], before.legs, dims)
    flat = [tape.sum(terms) for terms_of in gradients.values() for terms in terms_of]
    squares = tuple(sum((entry * entry for _, entry in column), Fraction(0)) for column in columns)
    forces: list[int] = []
    velocities: list[int] = []
    for column, square in zip(columns, squares, strict=True):
        moved = [(entry, slot) for i, entry in column if (slot := flat[i]) is not None]
        forces.append(tape.slot(Fraction(0), [(entry, (slot,)) for entry, slot in moved]))
        velocities.append(tape.slot(Fraction(0), [(entry / square, (slot,)) for entry, slot in moved]))
    return Field(
        len(columns),
        tuple(tape.nodes),
        squares,
        tuple(parameters),
        tuple(end.slots),
        tuple(residuals),
        tuple(slopes),
        tuple(forces),
        tuple(velocities),
    )


def _columns(count: int, basis: Basis | None) -> list[list[tuple[int, Fraction]]]:
    """The nonzero entries of each column of E."""
    if basis is None:
        return [[(i, Fraction(1))] for i in range(count)]
    if not basis or any(len(column) != count or not any(column) for column in basis):
        raise KernelError(f"a basis needs columns that are not 0, of {count} entries each")
    for k, one in enumerate(basis):
        for other in basis[:k]:
            if sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0)):
                raise KernelError("the columns of a basis have to be orthogonal")
    return [[(i, entry) for i, entry in enumerate(column) if entry] for column in basis]


def _polynomial(tape: _Tape, piece: tuple[Fraction, ...], z: int) -> int:
    """The slot of a polynomial in one slot, by Horner's rule."""
    if len(piece) <= 2:
        constant, linear = (*piece, Fraction(0), Fraction(0))[:2]
        return tape.slot(constant, [(linear, (z,))])
    held = _polynomial(tape, piece[1:], z)
    return tape.slot(piece[0], [(Fraction(1), (held, z))])


def coordinates(point: Sequence[Fraction], basis: Basis | None) -> tuple[Fraction, ...]:
    """The coordinates u of a point E u; raises where it is not in the subspace."""
    if basis is None:
        return tuple(point)
    made: list[Fraction] = []
    for column in basis:
        square = sum((entry * entry for entry in column), Fraction(0))
        made.append(sum((a * b for a, b in zip(column, point, strict=True)), Fraction(0)) / square)
    for i, entry in enumerate(point):
        if sum((u * column[i] for u, column in zip(made, basis, strict=True)), Fraction(0)) != entry:
            raise KernelError("the start does not lie in the subspace")
    return tuple(made)


def require_invariant(problem: InitialValueProblem, basis: Basis) -> None:
    """Raise unless the subspace theta = E u is invariant under the flow, by an exact polynomial identity.

    f(E u) = E (E^T E)^{-1} E^T f(E u) is checked with the slope at each residual as an unknown of its own, one for all
    measurements that have the same residual on the subspace. So it holds for every loss of one number.
    """
    whole = field(problem, None)
    count = len(problem.point())
    columns = _columns(count, basis)
    names = [f"u{j}" for j in range(len(columns))] + [f"g{i}" for i in range(len(whole.residuals))]
    ring: fmpq_mpoly_ctx = fmpq_mpoly_ctx.get(names, Ordering.degrevlex)
    zero, gens = ring.constant(0), ring.gens()
    theta: list[Any] = [zero] * count
    for j, column in enumerate(columns):
        for i, entry in column:
            theta[i] = theta[i] + rational(entry) * gens[j]
    before = values_of(whole, theta + [zero] * len(whole.residuals), zero)
    residuals = [str(before[slot]) for slot in whole.residuals]
    symbols = {residual: gens[len(columns) + k] for k, residual in enumerate(residuals)}
    values = values_of(whole, theta + [symbols[residual] for residual in residuals], zero)
    force = [values[slot] for slot in whole.velocities]
    for column in columns:
        square = sum((entry * entry for _, entry in column), Fraction(0))
        along = sum((rational(entry) * force[i] for i, entry in column), ring.constant(0))
        for i, entry in column:
            force[i] = force[i] - rational(entry / square) * along
    if any(rest != 0 for rest in force):
        raise KernelError("the subspace is not invariant under the flow")


def values_of(made: Field, inputs: Sequence[Any], zero: Any) -> list[Any]:
    """The values of all slots."""
    values = list(inputs)
    for node in made.nodes:
        values.append(sum_of(node, values, zero))
    return values


def rational(value: Fraction) -> fmpq:
    """A rational number as FLINT's."""
    return fmpq(value.numerator, value.denominator)


def sum_of(node: Node, values: Sequence[Any], zero: Any) -> Any:
    """The value of one node, in any arithmetic that takes rational numbers."""
    total = zero + rational(node.constant)
    for coefficient, slots in node.linear:
        total = total + rational(coefficient) * sum((values[slot] for slot in slots), zero)
    for coefficient, pairs in node.products:
        total = total + rational(coefficient) * sum((values[a] * values[b] for a, b in pairs), zero)
    return total
