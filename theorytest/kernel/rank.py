"""Exact ranks over GF(p): how many conservation laws gradient flow has, and how many polynomial ones.

A parameter map phi sends D parameters to end tensors by sums of contractions. Gradient flow of a loss of phi moves
along v_u = grad <u, phi>, with u minus the gradient of the loss at phi; a function is a conservation law (for every
loss, near a point) if every v_u kills it. Two exact facts, both free of luck:

- *At most.* What every v_u kills, every iterated bracket of them kills. If some of these brackets, evaluated at one
  point over GF(p), have rank r, then they have rank at least r at almost every real point (a minor that is not 0 mod p
  is not the zero polynomial), and there are at most D - r independent laws near almost every point.
- *At least.* If the gradients of functions that are proved to be laws have rank s at one point over GF(p), then s of
  them are independent near almost every point. And if the fields generate a Lie algebra of dimension d as a vector
  space over the rationals, there are at least D - d.

Where r + s = D both bounds meet. A prime, a point or a direction that is unlucky can only lose rank, never make a wrong
claim: then the claim is refused. Laws are proved as identities in all parameters, in one of two ways: differences of
Gram matrices by which factors hold which legs, for any sizes (`conserves`), and any other polynomial by writing out the
derivative of the map (`expand`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from itertools import product as cartesian
from math import comb, prod

from flint import fmpz, nmod_mat

from theorytest.kernel.encoding import noun, validate
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Concrete

# What a certificate may ask for: terms that are written out, products of two arrays, and the length of a bracket (each
# letter more costs a factor of 3). More is refused at once, whatever a record says.
LARGEST_EXPANSION, LARGEST_PRODUCT, LONGEST_BRACKET = 3_000_000, 30_000_000, 12
_MASK = (1 << 64) - 1

Index = tuple[int, ...]
Subscripts = tuple[str | int, ...]
Values = list[int]  # entries of an array modulo p, row by row
Jet = list[Values | None]  # by subset of the infinitesimals: coefficients; None is 0
Triples = list[tuple[int, int, int]]  # places in two arrays and in the one that their products are added to


# -- parameter maps ---------------------------------------------------------------------------------------------------


@noun
class Contraction:
    """coefficient times the product of the factors, summed over all legs that are not in the output of its component.

    factors: block name, and one subscript for every axis: the name of a leg, or the number (from 0) of a fixed entry.
    """

    coefficient: Fraction
    factors: tuple[tuple[str, tuple[str | int, ...]], ...]


@noun
class Component:
    """One end tensor: a sum of contractions with the same output legs."""

    output: tuple[str, ...]
    terms: tuple[Contraction, ...]


@noun
class InverseNorm:
    """The letter ``name``: 1 / ||slice|| for the slices of a block at fixed indices of the axes ``batch``."""

    name: str
    block: str
    batch: tuple[int, ...]


@noun
class ParameterMap:
    """A map from named blocks of parameters to end tensors.

    blocks: name and shape; legs: name and size; constants: arrays that are not learned; norms: inverse norms of slices
    (weight normalisation), letters that may stand as factors. Raises `KernelError` where shapes and legs do not fit, or
    a slice has one entry: no path leads from x > 0 to x < 0 where 1/|x| is defined, so that near almost every point
    on one side there may be other laws than on the other.
    """

    blocks: tuple[tuple[str, tuple[int, ...]], ...]
    legs: tuple[tuple[str, int], ...]
    components: tuple[Component, ...]
    constants: tuple[tuple[str, Array], ...] = ()
    norms: tuple[InverseNorm, ...] = ()

    def __post_init__(self) -> None:
        validate((self.blocks, self.legs))
        shapes, sizes = self.shapes, dict(self.legs)
        if len(shapes) != len(self.blocks) + len(self.constants) + len(self.norms) or len(sizes) != len(self.legs):
            raise KernelError("two blocks, or two legs, have the same name")
        if any(size < 1 for shape in shapes.values() for size in shape) or any(size < 1 for size in sizes.values()):
            raise KernelError("all sizes are positive")
        for component in self.components:
            if not component.terms:
                raise KernelError("an end tensor has terms")
            for term in component.terms:
                held: set[str | int] = set()
                for name, subscripts in term.factors:
                    if name not in shapes or len(shapes[name]) != len(subscripts):
                        raise KernelError(f"the factor {name}{list(subscripts)} fits no block of {sorted(shapes)}")
                    for subscript, size in zip(subscripts, shapes[name], strict=True):
                        fits = sizes.get(subscript) == size if isinstance(subscript, str) else 0 <= subscript < size
                        if not fits:
                            raise KernelError(f"subscript {subscript!r} does not fit an axis of size {size} of {name}")
                    held.update(subscripts)
                if not set(component.output) <= held or len(set(component.output)) != len(component.output):
                    raise KernelError(f"every term of a component holds its output legs {component.output} once")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of blocks, constants and inverse norms, by name."""
        shapes = dict(self.blocks) | {name: array.shape for name, array in self.constants}
        for norm in self.norms:
            shape = dict(self.blocks).get(norm.block)
            axes = range(len(shape or ()))
            if shape is None or not set(norm.batch) <= set(axes) or len(set(norm.batch)) != len(norm.batch):
                raise KernelError(f"{norm.name} is the inverse norm of no block")
            if prod(shape[axis] for axis in axes if axis not in norm.batch) < 2:
                raise KernelError(f"{norm.name} is the inverse norm of single entries: that is a sign over the entry")
            shapes[norm.name] = tuple(shape[axis] for axis in norm.batch)
        return shapes

    @property
    def parameters(self) -> int:
        """Number D of parameters."""
        return sum(prod(shape) for _, shape in self.blocks)

    @property
    def offsets(self) -> dict[str, int]:
        """The number of every block's first parameter: parameters are numbered block by block, row by row."""
        offsets: dict[str, int] = {}
        total = 0
        for name, shape in self.blocks:
            offsets[name] = total
            total += prod(shape)
        return offsets


def parameter_map(concrete: Concrete) -> ParameterMap:
    """A parameterization that is written out, as a parameter map with one end tensor."""
    term = Contraction(Fraction(1), concrete.factors)
    return ParameterMap(
        tuple(concrete.blocks.items()), tuple(concrete.dims.items()), (Component(concrete.output, (term,)),)
    )


def flat(shape: tuple[int, ...], index: Index) -> int:
    """The place of an entry, row by row."""
    place = 0
    for i, size in zip(index, shape, strict=True):
        place = place * size + i
    return place


# -- laws -------------------------------------------------------------------------------------------------------------


@noun
class GramPart:
    """coefficient times the Gram matrix of a block: equal indices on the axes ``batch``, two on the axes ``matrix``,
    a sum over all others. Without matrix axes: the squared norms of slices."""

    coefficient: Fraction
    block: str
    batch: tuple[int, ...]
    matrix: tuple[int, ...]


@noun
class GramLaw:
    """A sum of Gram matrices is conserved, for every index of its batch axes and every entry of the matrix."""

    parts: tuple[GramPart, ...]


@noun
class PolynomialLaw:
    """A polynomial is conserved: coefficients, and the numbers of the parameters of each monomial (with repetition)."""

    terms: tuple[tuple[Fraction, tuple[int, ...]], ...]


Law = GramLaw | PolynomialLaw


def entries(map: ParameterMap, law: Law) -> Iterator[PolynomialLaw]:
    """The polynomials that a law says are conserved: one for each batch index and each pair of matrix indices."""
    if isinstance(law, PolynomialLaw):
        yield law
        return
    shapes, offsets = dict(map.blocks), map.offsets
    first = law.parts[0]
    batches = [range(shapes[first.block][axis]) for axis in first.batch]
    rows = list(cartesian(*(range(shapes[first.block][axis]) for axis in first.matrix)))
    for batch in cartesian(*batches):
        for left, right in combinations_with_replacement(rows, 2):
            terms: list[tuple[Fraction, tuple[int, ...]]] = []
            for part in law.parts:
                shape = shapes[part.block]
                free = [axis for axis in range(len(shape)) if axis not in part.batch + part.matrix]
                for place in cartesian(*(range(shape[axis]) for axis in free)):
                    numbers: list[int] = []
                    for side in (left, right):
                        at = dict(zip(part.batch + part.matrix + tuple(free), batch + side + place, strict=True))
                        index = tuple(at[axis] for axis in range(len(shape)))
                        numbers.append(offsets[part.block] + flat(shape, index))
                    terms.append((part.coefficient, (min(numbers), max(numbers))))
            yield PolynomialLaw(tuple(terms))


def conserves(map: ParameterMap, law: GramLaw) -> None:
    """Raise `KernelError` unless the map's contractions show that the law holds: for all sizes, points and losses.

    The law is conserved if each term of phi is unchanged, to first order, when every block X of a part moves by
    coefficient * S X, for every symmetric matrix S on the matrix axes and every choice of a slice on the batch axes.
    (The gradient of the law is this motion of the blocks; <u, phi> changes along it at the rate v_u(law).) A factor
    holds its block at the legs beta of the batch axes and mu of the matrix axes. Without matrix axes each factor
    multiplies the term by coefficient * [beta = slice], so that the coefficients of all factors with the same beta must
    add up to 0; an inverse norm of the block counts minus. With matrix axes each factor inserts S into the legs mu; two
    factors with the same beta and mu cancel if their coefficients add up to 0, and the legs mu are all different, are
    not in beta, and join just these two.
    """
    _require_axes(map, law)
    for component in map.components:
        for term in component.terms:
            if law.parts[0].matrix:
                _matrices_cancel(map, law, component, term)
            else:
                _slices_cancel(map, law, term)


def _require_axes(map: ParameterMap, law: GramLaw) -> None:
    """Raise unless the parts of a law name blocks and axes of the map, of the same sizes."""
    shapes, held = dict(map.blocks), [(part.block, part.batch, part.matrix) for part in law.parts]
    if not law.parts or len(set(held)) != len(held):
        raise KernelError("a law has parts, each of them once")
    kinds: set[tuple[Index, Index]] = set()
    for part in law.parts:
        axes = part.batch + part.matrix
        shape = shapes.get(part.block)
        if shape is None or len(set(axes)) != len(axes) or not all(0 <= axis < len(shape) for axis in axes):
            raise KernelError(f"{part.block} of shape {shape} has no axes {axes}")
        kinds.add((tuple(shape[axis] for axis in part.batch), tuple(shape[axis] for axis in part.matrix)))
    if len(kinds) != 1:
        raise KernelError("all parts of a law have batch and matrix axes of the same sizes")


def _slices_cancel(map: ParameterMap, law: GramLaw, term: Contraction) -> None:
    totals: dict[Subscripts, Fraction] = {}
    norms = {norm.name: norm for norm in map.norms}
    for name, subscripts in term.factors:
        for part in law.parts:
            norm = norms.get(name)
            if part.block == name:
                beta = tuple(subscripts[axis] for axis in part.batch)
                totals[beta] = totals.get(beta, Fraction(0)) + part.coefficient
            elif norm is not None and norm.block == part.block:
                if not set(part.batch) <= set(norm.batch):
                    raise KernelError(f"a slice of {part.block} is only a part of what {name} is the norm of")
                beta = tuple(subscripts[norm.batch.index(axis)] for axis in part.batch)
                totals[beta] = totals.get(beta, Fraction(0)) - part.coefficient
    open_at = [beta for beta, total in totals.items() if total]
    if open_at:
        raise KernelError(f"the law is not conserved: the factors at {list(open_at[0])} do not cancel")


def _matrices_cancel(map: ParameterMap, law: GramLaw, component: Component, term: Contraction) -> None:
    groups: dict[tuple[Subscripts, Subscripts], list[Fraction]] = {}
    blocks = {part.block for part in law.parts}
    if any(norm.block in blocks and any(name == norm.name for name, _ in term.factors) for norm in map.norms):
        raise KernelError("a block that is divided by its norm has laws for slices only")
    for name, subscripts in term.factors:
        for part in law.parts:
            if part.block == name:
                key = (tuple(subscripts[a] for a in part.batch), tuple(subscripts[a] for a in part.matrix))
                groups.setdefault(key, []).append(part.coefficient)
    everywhere = [subscript for _, subscripts in term.factors for subscript in subscripts]
    for (beta, mu), coefficients in groups.items():
        apart = len(set(mu)) == len(mu) and not set(mu) & set(beta)
        joined = all(isinstance(leg, str) and everywhere.count(leg) == 2 and leg not in component.output for leg in mu)
        if not apart or not joined or len(coefficients) != 2 or sum(coefficients):
            raise KernelError(f"the law is not conserved: the factors at {list(mu)} do not cancel")


def expand(map: ParameterMap, law: PolynomialLaw) -> dict[tuple[int, Index, Index], Fraction]:
    """The derivative of the law along every v_u, written out: component, entry of the end tensor, monomial ->
    coefficient. Empty if the law is conserved.

    Raises `KernelError` where the map is not polynomial or the expansion is too large.
    """
    count = map.parameters
    slopes: dict[int, dict[Index, Fraction]] = {}
    for coefficient, monomial in law.terms:
        for place, number in enumerate(monomial):
            if not 0 <= number < count:
                raise KernelError(f"there is no parameter {number}, only {count}")
            row = slopes.setdefault(number, {})
            rest = tuple(sorted(monomial[:place] + monomial[place + 1 :]))
            row[rest] = row.get(rest, Fraction(0)) + coefficient
    total: dict[tuple[int, Index, Index], Fraction] = {}
    for place, end, weight, numbers in _terms(map):
        for where, number in enumerate(numbers):
            others = numbers[:where] + numbers[where + 1 :]
            for rest, slope in slopes.get(number, {}).items():
                key = (place, end, tuple(sorted(others + rest)))
                total[key] = total.get(key, Fraction(0)) + weight * slope
    return {key: value for key, value in total.items() if value}


def _terms(map: ParameterMap) -> Iterator[tuple[int, Index, Fraction, Index]]:
    """The map multiplied out: component, entry of its end tensor, coefficient, parameters that are multiplied."""
    if map.norms:
        raise KernelError("a map with inverse norms is not polynomial and cannot be written out")
    sizes, shapes, offsets, constants = dict(map.legs), map.shapes, map.offsets, dict(map.constants)
    for place, component in enumerate(map.components):
        for term in component.terms:
            legs = sorted({leg for _, subscripts in term.factors for leg in subscripts if isinstance(leg, str)})
            if prod(sizes[leg] for leg in legs) > LARGEST_EXPANSION:
                raise KernelError("the end tensor has too many terms to be written out")
            for values in cartesian(*(range(sizes[leg]) for leg in legs)):
                at = dict(zip(legs, values, strict=True))
                weight, numbers = term.coefficient, list[int]()
                for name, subscripts in term.factors:
                    index = tuple(at[s] if isinstance(s, str) else s for s in subscripts)
                    if name in constants:
                        weight *= constants[name][index]
                    else:
                        numbers.append(offsets[name] + flat(shapes[name], index))
                yield place, tuple(at[leg] for leg in component.output), weight, tuple(numbers)


def require_law(map: ParameterMap, law: Law) -> None:
    """Raise `KernelError` unless the law is proved to be conserved."""
    if isinstance(law, GramLaw):
        _require_axes(map, law)
        try:
            return conserves(map, law)
        except KernelError:
            if map.norms:
                raise
    for one in entries(map, law):
        if expand(map, one):
            raise KernelError("the polynomial is not conserved: its derivative along the flow is not 0")


# -- evaluation over GF(p) --------------------------------------------------------------------------------------------


def spread(seed: int, count: int, prime: int) -> Values:
    """Numbers modulo p that a seed stands for. They need not be random: any directions give a valid bound."""
    state, values = (seed * 2 + 1) & _MASK, Values()
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        values.append((mixed ^ (mixed >> 31)) % prime)
    return values


def residue(value: Fraction, prime: int) -> int:
    """A rational number modulo p; `KernelError` where p divides its denominator."""
    if value.denominator % prime == 0:
        raise KernelError(f"the prime {prime} divides a denominator: draw another")
    return value.numerator * pow(value.denominator, -1, prime) % prime


class Evaluator:
    """The fields v_u of a map and their brackets at points over GF(p).

    <u, phi> is summed up two factors at a time, in an order that is chosen once; its gradient is the same computation
    backwards. In every component u is a product of one vector for each output leg: such u span all of them. Derivatives
    along fields are exact: values carry infinitesimals e_1, e_2, ... with squares 0, by subset.
    """

    def __init__(self, map: ParameterMap, prime: int) -> None:
        if not 2 < prime < 1 << 62 or not fmpz(prime).is_prime():
            raise KernelError(f"an odd prime below 2^62 was needed, given {prime}")
        if map.parameters > LARGEST_EXPANSION:
            raise KernelError(f"{map.parameters} parameters are too many to be counted here")
        self.map, self.prime, self.count = map, prime, map.parameters
        self.lengths: list[int] = []  # of every array
        self.fixed: dict[int, Values] = {}  # arrays that depend on neither point nor direction
        self.directions: list[int] = []
        self.steps: list[tuple[int, int, int, Triples]] = []  # left, right, result
        self.ends: list[tuple[int, int]] = []  # array with the one value of a term, coefficient
        shapes = map.shapes
        for _, shape in map.blocks:
            self._array(prod(shape))
        self.norms = [self._array(prod(shapes[norm.name])) for norm in map.norms]
        place = {name: k for k, name in enumerate((*dict(map.blocks), *(norm.name for norm in map.norms)))}
        for name, array in map.constants:
            place[name] = self._constant([residue(value, prime) for value in array.entries])
        self.moving = set(range(len(self.lengths) - len(map.constants)))
        self.one = self._constant([1])
        sizes = dict(map.legs)
        for component in map.components:
            vectors: list[tuple[int, tuple[str, ...]]] = []
            for leg in component.output or (None,):
                vectors.append((self._array(sizes[leg] if leg else 1), (leg,) if leg else ()))
                self.directions.append(vectors[-1][0])
            for term in component.terms:
                held = list(vectors)
                for name, subscripts in term.factors:
                    held.append(self._picked(place[name], shapes[name], subscripts, sizes))
                self.ends.append((self._contract(held, sizes), residue(term.coefficient, prime)))
        # The same steps backwards: the slope of one input is the result's slope times the other input.
        self.back: list[tuple[int, int, int, Triples]] = []
        for left, right, made, triples in reversed(self.steps):
            if left in self.moving:
                self.back.append((made, right, left, [(k, j, i) for i, j, k in triples]))
            if right in self.moving:
                self.back.append((made, left, right, [(k, i, j) for i, j, k in triples]))

    def _array(self, length: int) -> int:
        self.lengths.append(length)
        return len(self.lengths) - 1

    def _constant(self, values: Values) -> int:
        self.fixed[len(self.lengths)] = values
        return self._array(len(values))

    def _step(self, left: int, right: int, length: int, triples: Triples) -> int:
        made = self._array(length)
        self.steps.append((left, right, made, triples))
        if {left, right} & self.moving:
            self.moving.add(made)
        return made

    def _picked(
        self, array: int, shape: tuple[int, ...], subscripts: Subscripts, sizes: Mapping[str, int]
    ) -> tuple[int, tuple[str, ...]]:
        """An array with fixed entries and repeated legs taken out."""
        legs = tuple(dict.fromkeys(leg for leg in subscripts if isinstance(leg, str)))
        if legs == subscripts:
            return array, legs
        triples: Triples = []
        for out, values in enumerate(cartesian(*(range(sizes[leg]) for leg in legs))):
            at = dict(zip(legs, values, strict=True))
            index = tuple(at[s] if isinstance(s, str) else s for s in subscripts)
            triples.append((flat(shape, index), 0, out))
        return self._step(array, self.one, len(triples), triples), legs

    def _contract(self, held: list[tuple[int, tuple[str, ...]]], sizes: Mapping[str, int]) -> int:
        """Multiply all arrays two at a time, cheapest first, and sum every leg once nobody else holds it."""
        pieces: list[tuple[int, tuple[str, ...]]] = [*held, (self.one, ())]
        while len(pieces) > 1:
            options: list[tuple[tuple[bool, int, int], int, int, tuple[str, ...]]] = []
            for j, (_, other) in enumerate(pieces):
                for i, (_, one) in enumerate(pieces[:j]):
                    union = tuple(dict.fromkeys(one + other))
                    later = {leg for k, (_, legs) in enumerate(pieces) if k not in (i, j) for leg in legs}
                    kept = tuple(leg for leg in union if leg in later)
                    apart = not set(one) & set(other)
                    cost = (apart, prod(sizes[leg] for leg in union), prod(sizes[leg] for leg in kept))
                    options.append((cost, i, j, kept))
            _, i, j, kept = min(options)
            (left, one), (right, other) = pieces[i], pieces[j]
            union = tuple(dict.fromkeys(one + other))
            if prod(sizes[leg] for leg in union) > LARGEST_PRODUCT:
                raise KernelError(f"a product over the legs {union} has too many terms")
            triples = list(zip(*(_places(legs, union, sizes) for legs in (one, other, kept)), strict=True))
            pieces = [piece for k, piece in enumerate(pieces) if k not in (i, j)]
            pieces.append((self._step(left, right, prod(sizes[leg] for leg in kept), triples), kept))
        return pieces[0][0]

    def direction(self, seed: int) -> dict[int, Values]:
        """The vectors of u that a seed stands for."""
        values = spread(seed, sum(self.lengths[array] for array in self.directions), self.prime)
        made: dict[int, Values] = {}
        for array in self.directions:
            made[array], values = values[: self.lengths[array]], values[self.lengths[array] :]
        return made

    def field(self, direction: Mapping[int, Values], point: Jet) -> Jet:
        """v_u at a point: the gradient of <u, phi>."""
        p, width = self.prime, len(point)
        none: list[Values | None] = [None] * (width - 1)
        arrays: dict[int, Jet] = {k: [values, *none] for k, values in (self.fixed | dict(direction)).items()}
        start = 0
        for place in range(len(self.map.blocks)):
            arrays[place] = [part and part[start : start + self.lengths[place]] for part in point]
            start += self.lengths[place]
        inverses = [
            self._inverse_norm(place, norm, arrays) for place, norm in zip(self.norms, self.map.norms, strict=True)
        ]
        for left, right, made, triples in self.steps:
            arrays[made] = self._times(arrays[left], arrays[right], self.lengths[made], triples)
        slopes: dict[int, Jet] = {array: [[coefficient], *none] for array, coefficient in self.ends}
        back = [*self.back, *(step for steps in inverses for step in steps)]
        for made, other, to, triples in back:
            if made in slopes:
                more = self._times(slopes[made], arrays[other], self.lengths[to], triples)
                slopes[to] = [_plus(a, b, p) for a, b in zip(slopes[to], more, strict=True)] if to in slopes else more
        result: Jet = []
        for mask in range(width):
            values: Values = []
            for place in range(len(self.map.blocks)):
                part = slopes[place][mask] if place in slopes else None
                values += part or [0] * self.lengths[place]
            result.append(values)
        return result

    def _times(self, left: Jet, right: Jet, length: int, triples: Triples) -> Jet:
        p = self.prime
        made: Jet = [None] * len(left)
        for s, a in enumerate(left):
            for t, b in enumerate(right):
                if a is None or b is None or s & t:
                    continue
                total = made[s | t]
                if total is None:
                    total = made[s | t] = [0] * length
                for i, j, k in triples:
                    total[k] += a[i] * b[j]
        return [None if part is None else [value % p for value in part] for part in made]

    def _inverse_norm(
        self, place: int, norm: InverseNorm, arrays: dict[int, Jet]
    ) -> list[tuple[int, int, int, Triples]]:
        """Set n = (v . v)^(-1/2), slice by slice, and return the step that adds -n^3 v times its slope to v's."""
        p, count = self.prime, self.lengths[place]
        source = list(dict(self.map.blocks)).index(norm.block)
        shape = self.map.shapes[norm.block]
        of = [
            flat(self.map.shapes[norm.name], tuple(index[axis] for axis in norm.batch))
            for index in cartesian(*map(range, shape))
        ]
        squares = self._times(arrays[source], arrays[source], count, [(i, i, k) for i, k in enumerate(of)])
        roots: Values = []
        for value in squares[0] or [0] * count:
            roots.append(pow(value, (p + 1) // 4, p))
            if not value or roots[-1] * roots[-1] % p != value:
                raise KernelError("a squared norm is no square modulo the prime: draw another prime or point")
        each: Triples = [(k, k, k) for k in range(count)]
        inverse: Jet = [[pow(root, -1, p) for root in roots], *[None] * (len(squares) - 1)]
        for _ in range(len(squares).bit_length()):  # Newton's iteration: exact once all infinitesimals are covered
            cube = self._times(self._times(inverse, inverse, count, each), inverse, count, each)
            error = self._times(squares, cube, count, each)
            inverse = [
                [(3 * a - b) * pow(2, -1, p) % p for a, b in zip(x or [0] * count, y or [0] * count, strict=True)]
                for x, y in zip(inverse, error, strict=True)
            ]
        arrays[place] = inverse
        cube = self._times(self._times(inverse, inverse, count, each), inverse, count, each)
        wide = self._times(cube, arrays[source], len(of), [(k, i, i) for i, k in enumerate(of)])
        arrays[-1 - place] = [part and [-value % p for value in part] for part in wide]
        return [(place, -1 - place, source, [(k, i, i) for i, k in enumerate(of)])]

    def point(self, seed: int) -> Values:
        """A point that a seed stands for, at which every squared norm of the map is a square modulo p.

        In each slice the last entry z is set such that q + z^2 = ((q/t + t)/2)^2, q the others' sum of squares.
        """
        p, point, offsets, half = (
            self.prime,
            spread(seed, self.count, self.prime),
            self.map.offsets,
            (self.prime + 1) // 2,
        )
        for norm in self.map.norms:
            slices: dict[Index, list[int]] = {}
            for place, index in enumerate(cartesian(*(range(size) for size in self.map.shapes[norm.block]))):
                slices.setdefault(tuple(index[axis] for axis in norm.batch), []).append(offsets[norm.block] + place)
            for *others, last in slices.values():
                total, t = sum(point[place] ** 2 for place in others), point[last] or 1
                point[last] = (total * pow(t, -1, p) - t) * half % p
        return point

    def word(self, seeds: Sequence[int], point: Jet) -> Jet:
        """The iterated bracket [v_1, [v_2, [..., v_k]]] at a point."""
        p, width = self.prime, len(point)
        first = self.direction(seeds[0])
        if len(seeds) == 1:
            return self.field(first, point)
        x = self.field(first, point)
        inner = self.word(seeds[1:], [*point, *x])  # the point, moved by an infinitesimal along v_1
        outer = self.field(first, [*point, *inner[:width]])
        return [_minus(a, b, p) for a, b in zip(inner[width:], outer[width:], strict=True)]

    def rows(self, words: Sequence[Sequence[int]], point: Sequence[int]) -> list[Values]:
        """Brackets at a point, one row for each word."""
        at: Jet = [[value % self.prime for value in point]]
        return [part for word in words for part in self.word(word, at) if part is not None]

    def slope(self, law: PolynomialLaw, point: Sequence[int]) -> Values:
        """The gradient of a polynomial at a point."""
        p, row = self.prime, [0] * self.count
        for coefficient, monomial in law.terms:
            c = residue(coefficient, p)
            for place, number in enumerate(monomial):
                value = c
                for other in monomial[:place] + monomial[place + 1 :]:
                    value = value * point[other] % p
                row[number] = (row[number] + value) % p
        return row

    def rank(self, rows: Sequence[Values]) -> int:
        """The rank over GF(p)."""
        if not rows:
            return 0
        return nmod_mat(len(rows), len(rows[0]), [value for row in rows for value in row], self.prime).rank()


def _places(legs: tuple[str, ...], union: tuple[str, ...], sizes: Mapping[str, int]) -> list[int]:
    """For every value of the union's legs, row by row: the place of the entry of an array with the given legs."""
    places = [0]
    for leg in union:
        stride = prod(sizes[later] for later in legs[legs.index(leg) + 1 :]) if leg in legs else 0
        places = [start + k * stride for start in places for k in range(sizes[leg])]
    return places


def _plus(a: Values | None, b: Values | None, p: int) -> Values | None:
    if a is None or b is None:
        return a or b
    return [(x + y) % p for x, y in zip(a, b, strict=True)]


def _minus(a: Values | None, b: Values | None, p: int) -> Values:
    assert a is not None and b is not None  # a field fills every part of its result
    return [(x - y) % p for x, y in zip(a, b, strict=True)]


# -- Lie algebras of finite dimension ---------------------------------------------------------------------------------

Field = dict[
    tuple[int, tuple[int, ...]], Fraction
]  # a polynomial vector field: parameter that moves, monomial -> coefficient


def gradients(map: ParameterMap) -> list[Field]:
    """The gradients of all entries of the end tensors, written out; `KernelError` where that is not possible."""
    found: dict[tuple[int, Index], Field] = {}
    for place, end, weight, numbers in _terms(map):
        field = found.setdefault((place, end), Field())
        for where, number in enumerate(numbers):
            key = (number, tuple(sorted(numbers[:where] + numbers[where + 1 :])))
            field[key] = field.get(key, Fraction(0)) + weight
    return [{key: c for key, c in field.items() if c} for field in found.values()]


def bracket(x: Field, y: Field) -> Field:
    """[x, y] = Dy x - Dx y."""
    total = Field()
    for moving, along, sign in ((y, x, 1), (x, y, -1)):
        rows: dict[int, list[tuple[Index, Fraction]]] = {}
        for (number, monomial), c in along.items():
            rows.setdefault(number, []).append((monomial, c))
        for (number, monomial), c in moving.items():
            for where, other in enumerate(monomial):
                rest = monomial[:where] + monomial[where + 1 :]
                for more, d in rows.get(other, []):
                    key = (number, tuple(sorted(rest + more)))
                    total[key] = total.get(key, Fraction(0)) + sign * c * d
    return {key: c for key, c in total.items() if c}


def algebra_dimension(map: ParameterMap, most: int) -> int:
    """The dimension over the rationals of the Lie algebra that the gradient fields generate; `KernelError` where it is
    greater than ``most``. Its values at a point span at most that dimension, so that near almost every point there are
    at least D minus that many independent laws (Frobenius)."""
    generators = gradients(map)
    echelon: dict[tuple[int, Index], Field] = {}
    queue = [*generators]
    while queue:
        field = queue.pop(0)
        row: Field = dict(field)
        while row and min(row) in echelon:
            lead = min(row)
            factor = row[lead]
            for key, c in echelon[lead].items():
                row[key] = row.get(key, Fraction(0)) - factor * c
            row = {key: c for key, c in row.items() if c}
        if not row:
            continue
        scale = row[min(row)]
        echelon[min(row)] = {key: c / scale for key, c in row.items()}
        if len(echelon) > most:
            raise KernelError(f"the gradient fields generate a Lie algebra of more than {most} dimensions")
        queue += [bracket(generator, field) for generator in generators]
    return len(echelon)


# -- the claims -------------------------------------------------------------------------------------------------------


@noun
class LawCount:
    """Near almost every point, gradient flow of the map has at least ``at_least`` and at most ``at_most`` independent
    conservation laws (functions that are constant along the flow of every differentiable loss)."""

    map: ParameterMap
    at_least: int
    at_most: int


@noun
class LawCountCertificate:
    """prime; point: one residue for each parameter; words: seeds of the iterated brackets, each from outside to inside;
    laws: what is proved to be conserved; closed: the gradient fields generate a Lie algebra whose dimension as a vector
    space proves the lower bound (laws exist then, though none may be exhibited)."""

    prime: int
    point: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    laws: tuple[GramLaw | PolynomialLaw, ...]
    closed: bool = False


def check_count(claim: LawCount, certificate: LawCountCertificate) -> None:
    """Raise `KernelError` unless the certificate proves the claim."""
    validate((claim, certificate))
    map, point = claim.map, certificate.point
    if len(point) != map.parameters:
        raise KernelError(f"a point of {map.parameters} numbers was needed, given {len(point)}")
    evaluator = Evaluator(map, certificate.prime)
    for law in certificate.laws:
        require_law(map, law)
    if not all(0 < len(word) <= LONGEST_BRACKET for word in certificate.words):
        raise KernelError(f"a bracket has between 1 and {LONGEST_BRACKET} fields")
    slopes = [evaluator.slope(one, point) for law in certificate.laws for one in entries(map, law)]
    least, most = evaluator.rank(slopes), map.parameters - evaluator.rank(evaluator.rows(certificate.words, point))
    if certificate.closed:
        least = max(least, map.parameters - algebra_dimension(map, map.parameters - claim.at_least))
    if claim.at_least > least or claim.at_most < most:
        raise KernelError(
            f"the certificate proves between {least} and {most} laws, claimed were {claim.at_least} to {claim.at_most}"
        )


@noun
class LawSpace:
    """The polynomials of degree 1 to ``degree`` (without a constant) that gradient flow of the map conserves, for every
    differentiable loss, are a vector space of exactly this dimension."""

    map: ParameterMap
    degree: int
    dimension: int


@noun
class Flip:
    """Signs of parameters: an entry of a block is flipped once for each (block, axis, index) here that it has."""

    slots: tuple[tuple[str, int, int], ...]


@noun
class LawSpaceCertificate:
    """prime; samples: a seed for every point and direction; flips and free: signs under which the laws split; laws:
    what is proved to be conserved.

    free: blocks each entry of which may be flipped alone.
    """

    prime: int
    samples: tuple[int, ...]
    flips: tuple[Flip, ...]
    free: tuple[str, ...]
    laws: tuple[GramLaw | PolynomialLaw, ...]


class Ansatz:
    """All monomials up to a degree, in classes by their signs.

    Where flipping signs of parameters turns every <u, phi> into another one, the laws are a direct sum over the
    characters of these flips: monomials with different characters do not meet in a law.
    """

    def __init__(self, map: ParameterMap, degree: int, flips: Sequence[Flip], free: Sequence[str]) -> None:
        for flip in flips:
            _require_flip(map, flip)
        _require_free(map, free)
        if degree > 64 or comb(map.parameters + max(degree, 0), map.parameters) > LARGEST_EXPANSION:
            raise KernelError(f"there are too many monomials up to degree {degree}")
        self.map, self.degree = map, degree
        slots: dict[tuple[str, int, int], int] = {}
        for k, flip in enumerate(flips):
            for slot in set(flip.slots):
                slots[slot] = slots.get(slot, 0) | 1 << k
        signs: list[int] = []
        bit = 1 << len(flips)
        for name, shape in map.blocks:
            for index in cartesian(*(range(size) for size in shape)):
                sign = 0
                for axis, i in enumerate(index):
                    sign ^= slots.get((name, axis, i), 0)
                if name in free:
                    sign ^= bit
                    bit <<= 1
                signs.append(sign)
        self.signs = signs
        self.classes: dict[int, list[Index]] = {}
        for size in range(1, degree + 1):
            for monomial in combinations_with_replacement(range(map.parameters), size):
                key = 0
                for number in monomial:
                    key ^= signs[number]
                self.classes.setdefault(key, []).append(monomial)

    def key(self, monomial: Index) -> int:
        """The class of a monomial."""
        key = 0
        for number in monomial:
            key ^= self.signs[number]
        return key


def sample(evaluator: Evaluator, seed: int) -> tuple[Values, Values]:
    """A point and the value of a field there, both from a seed."""
    point = evaluator.point(2 * seed)
    (field,) = evaluator.field(evaluator.direction(2 * seed + 1), [point])
    assert field is not None
    return point, field


def rate(monomial: Index, point: Values, field: Values, prime: int) -> int:
    """The derivative of a monomial along a field, at a point."""
    if len(monomial) == 2:
        a, b = monomial
        return (point[a] * field[b] + point[b] * field[a]) % prime
    total = 0
    for place, number in enumerate(monomial):
        value = field[number]
        for other in monomial[:place] + monomial[place + 1 :]:
            value = value * point[other] % prime
        total += value
    return total % prime


def _require_flip(map: ParameterMap, flip: Flip) -> None:
    """A flip turns every entry of an end tensor into plus or minus itself: in each term, the factors that hold a summed
    leg change the sign together in the same way for all values of the leg; terms that are added agree."""
    shapes, sizes = dict(map.blocks), dict(map.legs)
    slots = set(flip.slots)
    if not all(name in shapes and 0 <= axis < len(shapes[name]) for name, axis, _ in slots):
        raise KernelError("a flip names an axis that is not there")
    for component in map.components:
        seen: set[tuple[tuple[int, ...], ...]] = set()
        for term in component.terms:
            changes: dict[str, list[int]] = {leg: [0] * sizes[leg] for leg in component.output}
            constant = 0
            for name, subscripts in term.factors:
                for axis, leg in enumerate(subscripts):
                    if isinstance(leg, int):
                        constant ^= (name, axis, leg) in slots
                        continue
                    change = changes.setdefault(leg, [0] * sizes[leg])
                    for i in range(sizes[leg]):
                        change[i] ^= (name, axis, i) in slots
            for leg, change in changes.items():
                if leg not in component.output and len(set(change)) > 1:
                    raise KernelError(f"a flip does not keep the sum over the leg {leg}")
                constant ^= change[0]
            seen.add(((constant,), *(tuple(c ^ changes[leg][0] for c in changes[leg]) for leg in component.output)))
        if len(seen) > 1:
            raise KernelError("a flip changes the terms of a sum in different ways")


def _require_free(map: ParameterMap, free: Sequence[str]) -> None:
    """Where a component has one term, and every leg of a block's factors is in the output, each entry of the end tensor
    holds fixed entries of the block: their signs are a sign of the end tensor's entry."""
    for component in map.components:
        for term in component.terms:
            for name, subscripts in term.factors:
                open_legs = [leg for leg in subscripts if isinstance(leg, str) and leg not in component.output]
                if name in free and (open_legs or len(component.terms) > 1):
                    raise KernelError(f"single entries of {name} cannot be flipped")


def check_space(claim: LawSpace, certificate: LawSpaceCertificate) -> None:
    """Raise `KernelError` unless the certificate proves the claim.

    Not fewer: the laws are conserved, and linearly independent modulo p. Not more: a law over the rationals, scaled to
    coprime integers, is a law modulo p, and independent ones can be chosen to stay independent; modulo p, laws satisfy
    one linear equation for each point and direction.
    """
    validate((claim, certificate))
    map = claim.map
    evaluator = Evaluator(map, certificate.prime)
    p = certificate.prime
    ansatz = Ansatz(map, claim.degree, certificate.flips, certificate.free)
    for law in certificate.laws:
        require_law(map, law)
    samples = [sample(evaluator, seed) for seed in certificate.samples]
    if not samples:
        raise KernelError("points were needed, at which laws satisfy equations")
    most = 0
    if max((len(monomials) for monomials in ansatz.classes.values()), default=0) ** 2 > LARGEST_PRODUCT:
        raise KernelError("too many monomials have the same signs")
    for monomials in ansatz.classes.values():
        rows = equations(monomials, samples, p)
        # Most classes are single monomials: an equation that is not 0 settles them.
        most += len(monomials) - (1 if len(monomials) == 1 and rows[-1][0] else evaluator.rank(rows))
    known: dict[int, list[dict[Index, int]]] = {}
    for law in certificate.laws:
        for one in entries(map, law):
            total: dict[Index, Fraction] = {}
            for coefficient, monomial in one.terms:
                key = tuple(sorted(monomial))
                total[key] = total.get(key, Fraction(0)) + coefficient
            row = {monomial: residue(c, p) for monomial, c in total.items() if c}
            keys = {ansatz.key(monomial) for monomial in row}
            if len(keys) > 1 or any(not 1 <= len(monomial) <= claim.degree for monomial in row):
                raise KernelError("a law mixes monomials of different signs, or has another degree")
            known.setdefault(next(iter(keys), 0), []).append(row)
    least = 0
    for laws in known.values():
        columns = sorted({monomial for row in laws for monomial in row})
        least += evaluator.rank([[row.get(monomial, 0) for monomial in columns] for row in laws])
    if not least == most == claim.dimension:
        raise KernelError(f"the certificate proves between {least} and {most}, claimed was {claim.dimension}")


def equations(monomials: Sequence[Index], samples: Sequence[tuple[Values, Values]], prime: int) -> list[Values]:
    """What laws satisfy modulo p, one row for each sample; no more rows than are needed for full rank."""
    rows: list[Values] = []
    for point, field in samples[: len(monomials) + 4]:
        rows.append([rate(monomial, point, field, prime) for monomial in monomials])
        if len(monomials) == 1 and rows[-1][0]:
            break
    return rows
