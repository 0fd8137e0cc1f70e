"""Values for the letters that a statement's assumptions define: norms, powers, singular vectors, ...

An instance gives the blocks of a model; a claim may speak of further letters, which the assumptions fix one after the
other: by an equation that is linear or quadratic in the entries of one new letter, as a power, as a spectral norm with
a singular vector. They are solved for exactly, where the solution is rational; the kernel checks every assumption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from theorytest.kernel.claim import All, AtStart, Claim, Flow, Identity, Iteration, RestProduct, SpectralNorm
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, eaches, size_of
from theorytest.kernel.quantity import squared_singular_values
from theorytest.kernel.rules import tensor_names
from theorytest.kernel.statement import Instance, Statement
from theorytest.kernel.terms import DELTA, Tensor, Term
from theorytest.kernel.witness import letters_at, value
from theorytest.models.quantities import rational_root

ROUNDS = 6  # of going through the assumptions: a letter may be defined by one that comes later


def with_letters(statement: Statement, flow: Flow, instance: Instance) -> Iterator[Instance]:
    """The instance with values for all letters of the statement; letters that nothing defines are all 1, or all -1."""
    needed = _tensors(statement)
    try:
        values, dims = letters_at(flow, instance, dict(instance.members))
    except KernelError:
        return
    sizes = dict(instance.sizes)
    formulas = [part for a in statement.assumptions if a.formula is not None for part in _parts(a.formula)]
    known = dict(values)
    for _ in range(ROUNDS):
        before = len(known)
        for formula in formulas:
            try:
                known |= _solved(formula, needed, known, dims, sizes, dict(instance.members), flow, instance)
            except KernelError:
                continue
        if len(known) == before:
            break
    loose = [name for name in needed if name not in known]
    defining = (Identity, Iteration, SpectralNorm, RestProduct)
    if any(name in tensor_names(f) for name in loose for f in formulas if isinstance(f, defining)):
        return  # what defines it has no rational solution here
    for signs in product((1, -1), repeat=min(len(loose), 2)):
        filled = dict(known)
        for name, sign in zip(loose, (*signs, *(1 for _ in loose[2:])), strict=False):
            shape = _shape(needed[name], known, needed, dims)
            if shape is None:
                return
            filled[name] = Array(shape, (Fraction(sign),) * prod(shape))
        letters = tuple((name, filled[name]) for name in needed if name not in values)
        yield replace(instance, letters=letters)


def _tensors(statement: Statement) -> dict[str, Tensor]:
    """All letters of a statement."""
    found: dict[str, Tensor] = {}
    claims: list[Any] = [statement.claim, *(a.formula for a in statement.assumptions if a.formula is not None)]
    for claim in claims:
        for held in _objects(claim):
            tensors = held.tensors() if isinstance(held, Term) else {held.name: held}
            found |= {name: tensor for name, tensor in tensors.items() if name != DELTA}
    return found


def _objects(claim: Any) -> Iterator[Term | Tensor]:
    """Terms and tensors in a claim; not inside a flow, nor in what holds at the start (seen through another focus)."""
    if isinstance(claim, Term | Tensor):
        yield claim
    elif isinstance(claim, tuple):
        for item in claim:
            yield from _objects(item)
    elif hasattr(claim, "__dataclass_fields__") and not isinstance(claim, Flow | AtStart):
        for name in claim.__dataclass_fields__:
            yield from _objects(getattr(claim, name))


def _parts(formula: Claim) -> Iterator[Claim]:
    if isinstance(formula, All):
        for part in formula.claims:
            yield from _parts(part)
    else:
        yield formula


def _solved(
    formula: Claim,
    needed: Mapping[str, Tensor],
    known: Mapping[str, Array],
    dims: Mapping[str, int],
    sizes: Mapping[str, Any],
    members: Mapping[str, int],
    flow: Flow,
    instance: Instance,
) -> dict[str, Array]:
    """What a formula says of a letter that has no value yet."""
    if isinstance(formula, SpectralNorm):
        matrix = known.get(formula.matrix.name)
        if matrix is None or formula.bound.name in known:
            return {}
        return {formula.bound.name: _spectral_norms(matrix)}
    if isinstance(formula, Iteration):
        if formula.letter.name in known or (tensor_names(formula.start) | tensor_names(formula.update)) - {
            formula.letter.name,
            DELTA,
        } - set(known):
            return {}
        places = sorted(formula.legs)
        order = tuple((places.index(leg),) for leg in formula.legs)
        state = value(formula.start, known, dims).regroup(order)
        for _ in range(size_of(formula.size, sizes, members)):
            state = value(formula.update, {**known, formula.letter.name: state}, dims).regroup(order)
        return {formula.letter.name: state}
    if isinstance(formula, RestProduct):
        return _rest_product(formula, known, sizes, members, instance)
    if isinstance(formula, Identity) and isinstance(formula.lhs, Term) and isinstance(formula.rhs, Term):
        new = sorted((set(formula.lhs.tensors()) | set(formula.rhs.tensors())) - set(known) - {DELTA})
        if len(new) == 1:
            return _entrywise(formula, needed[new[0]], needed, known, dims)
    return {}


def _rest_product(
    formula: RestProduct,
    known: Mapping[str, Array],
    sizes: Mapping[str, Any],
    members: Mapping[str, int],
    instance: Instance,
) -> dict[str, Array]:
    """The letter whose square (or which itself) is a product over all modes but the named one."""
    new = sorted(set(formula.product.tensors()) - set(known) - {DELTA})
    families = eaches(formula.motion.parameterization.body)
    if len(new) != 1 or not families:
        return {}
    (mode,) = formula.motion.focus.modes
    count = size_of(families[0].count, sizes, {})
    whole = [Fraction(1)]
    for other in (n for n in range(1, count + 1) if n != members[mode]):
        values, dims = letters_at(formula.motion, replace(instance, letters=()), {mode: other})
        part = value(formula.factor, values, dims).entries
        whole = [x * y for x in whole for y in part]
    degree = len(formula.product.normal().monomials[0].factors)
    entries = whole if degree == 1 else [rational_root(x) for x in whole]
    if any(x is None for x in entries):
        return {}
    return {new[0]: Array((len(whole),), tuple(Fraction(x) for x in entries if x is not None))}


def _entrywise(
    formula: Identity,
    tensor: Tensor,
    needed: Mapping[str, Tensor],
    known: Mapping[str, Array],
    dims: Mapping[str, int],
) -> dict[str, Array]:
    """Solve a + b x + c x^2 = 0 for every entry of a letter, where every entry of the equation speaks of one entry of
    it; the root that is not negative. Else, for an equation that is linear and homogeneous, a rational unit vector."""
    assert isinstance(formula.lhs, Term) and isinstance(formula.rhs, Term)
    shape = _shape(tensor, known, needed, dims)
    if shape is None:
        return {}
    gap = formula.lhs - formula.rhs

    def at(array: Array) -> Array:
        return value(gap, {**known, tensor.name: array}, dims)

    def constant(number: int) -> Array:
        return Array(shape, (Fraction(number),) * prod(shape))

    zero, plus, minus = (at(constant(n)) for n in (0, 1, -1))
    if len(zero.entries) == prod(shape):
        for order in _orders(zero.shape, shape):
            entries: list[Fraction] = []
            for a, p, m in zip(zero.entries, plus.entries, minus.entries, strict=True):
                b, c = (p - m) / 2, (p + m) / 2 - a
                root = _root(a, b, c)
                if root is None:
                    break
                entries.append(root)
            else:
                made = Array(zero.shape, tuple(entries)).regroup(order)
                if not any(at(made).entries):
                    return {tensor.name: made}
    if not any(zero.entries) and len(zero.entries) == prod(shape):
        return _null_vector(tensor.name, shape, at)
    return {}


def _orders(given: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    from itertools import permutations

    for order in permutations(range(len(given))):
        if tuple(given[k] for k in order) == wanted:
            yield tuple((k,) for k in order)


def _root(a: Fraction, b: Fraction, c: Fraction) -> Fraction | None:
    if c:
        return None if b else rational_root(-a / c)
    return -a / b if b else None


def _null_vector(name: str, shape: tuple[int, ...], at: Any) -> dict[str, Array]:
    """A unit vector that a linear equation sends to 0 (of one row of the letter: its first axis has size 1)."""
    from flint import fmpq, fmpq_mat

    count = prod(shape)
    units = [Array(shape, tuple(Fraction(int(i == k)) for i in range(count))) for k in range(count)]
    columns = [at(unit).entries for unit in units]
    entries = [fmpq(c[i].numerator, c[i].denominator) for i in range(len(columns[0])) for c in columns]
    reduced, rank = fmpq_mat(len(columns[0]), count, entries).rref()
    leads = [next(j for j in range(count) if reduced[i, j] != 0) for i in range(rank)]
    free = [k for k in range(count) if k not in leads]
    for k in free:
        vector = [Fraction(0)] * count
        vector[k] = Fraction(1)
        for i, lead in enumerate(leads):
            x = reduced[i, k]
            vector[lead] = -Fraction(int(x.p), int(x.q))
        norm = rational_root(sum((x * x for x in vector), Fraction(0)))
        if norm:
            return {name: Array(shape, tuple(x / norm for x in vector))}
    return {}


def _spectral_norms(matrix: Array) -> Array:
    """The largest singular value of every matrix of an array (the last two legs), where it is rational."""
    *batch, rows, columns = matrix.shape
    found: list[Fraction] = []
    size = rows * columns
    for k in range(prod(batch)):
        squares = squared_singular_values(rows, columns, matrix.entries[k * size : (k + 1) * size])
        root = rational_root(squares[0]) if isinstance(squares[0], Fraction) else None
        if root is None:
            raise KernelError("the spectral norm is not seen to be rational")
        found.append(root)
    return Array(tuple(batch), tuple(found))


def _shape(
    tensor: Tensor, known: Mapping[str, Array], needed: Mapping[str, Tensor], dims: Mapping[str, int]
) -> tuple[int, ...] | None:
    """The shape of a letter: its sizes as they are known from the model and from other letters."""
    sizes = dict(dims)
    for name, array in known.items():
        if name in needed and len(needed[name].sizes) == len(array.shape):
            sizes |= dict(zip(needed[name].sizes, array.shape, strict=True))
    if not all(size in sizes for size in tensor.sizes):
        return None
    return tuple(sizes[size] for size in tensor.sizes)


__all__ = ["with_letters"]
