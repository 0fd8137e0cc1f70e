"""All polynomial laws up to a degree: an ansatz modulo p, class by class, read back over the rationals and proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, lcm
from random import Random

from flint import nmod_mat

from theorytest.errors import InputError
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rank import (
    Ansatz,
    Evaluator,
    Flip,
    GramLaw,
    Index,
    Law,
    LawSpace,
    LawSpaceCertificate,
    ParameterMap,
    PolynomialLaw,
    check_space,
    entries,
    equations,
    require_law,
    residue,
    sample,
)
from theorytest.laws.count import SMALL, draw_prime
from theorytest.laws.families import reconstruct

LARGEST = 500_000  # monomials of the ansatz: half a minute
LARGEST_CLASS = 4_000  # monomials of one class: the null space of a square matrix of this size takes a minute
DRAWS = 6

Row = dict[Index, Fraction]


class TooLargeError(InputError):
    """The ansatz has too many monomials; counting may still be possible."""


@dataclass(frozen=True)
class Space:
    """The polynomial laws of degree 1 to ``degree``.

    families: Gram laws that are needed to span them, with the number of dimensions that each adds; others: polynomials
    that complete them; dimension: of the span of what is proved; most: what the dimension can be at most (equal to it
    where the space is complete); claim and certificate: for the kernel, where it is.
    """

    degree: int
    families: tuple[tuple[GramLaw, int], ...]
    others: tuple[PolynomialLaw, ...]
    dimension: int
    most: int
    claim: LawSpace | None
    certificate: LawSpaceCertificate | None

    @property
    def laws(self) -> tuple[Law, ...]:
        """What spans the space."""
        return (*(law for law, _ in self.families), *self.others)


class Span:
    """Polynomials modulo p, kept in echelon form."""

    def __init__(self, prime: int) -> None:
        self.prime = prime
        self.rows: dict[Index, dict[Index, int]] = {}

    def add(self, row: dict[Index, int]) -> bool:
        """Whether a polynomial is independent of those added before."""
        p, row = self.prime, {m: c % self.prime for m, c in row.items() if c % self.prime}
        while row:
            lead = min(row)
            known = self.rows.get(lead)
            if known is None:
                scale = pow(row[lead], -1, p)
                self.rows[lead] = {m: c * scale % p for m, c in row.items()}
                return True
            factor = row[lead]
            for monomial, c in known.items():
                value = (row.get(monomial, 0) - factor * c) % p
                if value:
                    row[monomial] = value
                else:
                    row.pop(monomial, None)
        return False


def collected(law: PolynomialLaw) -> Row:
    """A polynomial by monomials, zeros left out."""
    row: Row = {}
    for coefficient, monomial in law.terms:
        key = tuple(sorted(monomial))
        row[key] = row.get(key, Fraction(0)) + coefficient
    return {monomial: c for monomial, c in row.items() if c}


def spanning(map: ParameterMap, laws: Sequence[GramLaw], prime: int) -> tuple[Span, list[tuple[GramLaw, int]]]:
    """The laws that are not implied by those before them, with what each adds."""
    span = Span(prime)
    kept: list[tuple[GramLaw, int]] = []
    for law in laws:
        added = 0
        for one in entries(map, law):
            added += span.add({m: residue(c, prime) for m, c in collected(one).items()})
        if added:
            kept.append((law, added))
    return span, kept


def needed_families(map: ParameterMap, laws: Sequence[GramLaw], *, seed: int = 0) -> tuple[tuple[GramLaw, int], ...]:
    """The laws that are not implied by those before them, with the dimensions that each adds."""
    return tuple(spanning(map, laws, draw_prime(Random(seed), SMALL))[1])


def law_space(
    map: ParameterMap, families: Sequence[GramLaw], degree: int, *, seed: int = 0, prime: int | None = None
) -> Space:
    """All polynomial laws of degree 1 to ``degree``, given the Gram laws that are known.

    Raises `InputError` where there are too many monomials for the ansatz.
    """
    if type(degree) is not int or degree < 1:
        raise InputError(f"given degree {degree!r}, needed a positive integer")
    monomials = comb(map.parameters + degree, degree)
    if monomials > LARGEST:
        raise TooLargeError(
            f"{map.parameters} parameters have {monomials} monomials up to degree {degree}, at most {LARGEST} can be "
            "searched: lower the degree or take a smaller model"
        )
    random = Random(seed)
    flips, free = sign_flips(map)
    ansatz = Ansatz(map, degree, flips, free)
    largest = max(_class_sizes(ansatz), default=0)
    if largest > LARGEST_CLASS:
        raise TooLargeError(
            f"{largest} monomials of degree up to {degree} have the same signs, at most {LARGEST_CLASS} can be solved "
            "for: lower the degree or take a smaller model"
        )
    best: Space | None = None
    for draw in range(DRAWS):
        p = prime if draw == 0 and prime is not None else draw_prime(random, SMALL)
        try:
            found = _attempt(map, families, degree, p, random.randrange(1 << 40), ansatz, flips, free)
        except KernelError:
            continue  # the prime divides a denominator, or a norm is no square: draw again
        if best is None or found.most < best.most:
            best = found
        if best.claim is not None:
            break
    if best is None:
        raise InputError("no prime could be used for the polynomial laws: pass another seed")
    if best.claim is not None and best.certificate is not None:
        check_space(best.claim, best.certificate)
    return best


def _class_sizes(ansatz: Ansatz) -> list[int]:
    """Numbers of monomials by class."""
    return [len(monomials) for monomials in ansatz.classes.values()]


def _attempt(
    map: ParameterMap,
    families: Sequence[GramLaw],
    degree: int,
    prime: int,
    start: int,
    ansatz: Ansatz,
    flips: tuple[Flip, ...],
    free: tuple[str, ...],
) -> Space:
    evaluator = Evaluator(map, prime)
    span, kept = spanning(map, families if degree >= 2 else (), prime)
    seeds = [start + k for k in range(max(_class_sizes(ansatz), default=0) + 4)]
    samples = [sample(evaluator, seed) for seed in seeds]
    known: dict[int, int] = {}
    for lead in span.rows:
        key = ansatz.key(lead)
        known[key] = known.get(key, 0) + 1
    most = 0
    others: list[PolynomialLaw] = []
    for key, monomials in ansatz.classes.items():
        rows = equations(monomials, samples, prime)
        if len(monomials) == 1 and rows[-1][0]:
            continue
        matrix = nmod_mat(len(rows), len(monomials), [value for row in rows for value in row], prime)
        reduced, rank = matrix.rref()
        most += len(monomials) - rank
        if len(monomials) - rank == known.get(key, 0):
            continue
        for vector in _null_vectors(reduced, rank, len(monomials), prime):
            law = _rational(monomials, vector, prime)
            if law is None:
                continue
            if not span.add({m: residue(c, prime) for m, c in collected(law).items()}):
                continue
            try:
                require_law(map, law)
            except KernelError:
                continue
            others.append(law)
    dimension = sum(added for _, added in kept) + len(others)
    laws = (*(law for law, _ in kept), *others)
    claim = certificate = None
    if dimension == most:
        claim = LawSpace(map, degree, dimension)
        certificate = LawSpaceCertificate(prime, tuple(seeds), flips, free, laws)
    return Space(degree, tuple(kept), tuple(others), dimension, most, claim, certificate)


def _null_vectors(reduced: nmod_mat, rank: int, width: int, prime: int) -> list[list[int]]:
    pivots: list[int] = []
    column = 0
    for k in range(rank):
        while int(reduced[k, column]) == 0:
            column += 1
        pivots.append(column)
        column += 1
    found: list[list[int]] = []
    for free in sorted(set(range(width)) - set(pivots)):
        vector = [0] * width
        vector[free] = 1
        for k, pivot in enumerate(pivots):
            vector[pivot] = -int(reduced[k, free]) % prime
        found.append(vector)
    return found


def _rational(monomials: Sequence[Index], vector: Sequence[int], prime: int) -> PolynomialLaw | None:
    """Rational coefficients with small numerators and denominators that are the given ones modulo p."""
    terms: list[tuple[Fraction, Index]] = []
    for monomial, value in zip(monomials, vector, strict=True):
        if value:
            number = reconstruct(value, prime)
            if number is None:
                return None
            terms.append((number, monomial))
    scale = 1
    for c, _ in terms:
        scale = lcm(scale, c.denominator)
    sign = 1 if terms[0][0] > 0 else -1
    return PolynomialLaw(tuple((c * scale * sign, monomial) for c, monomial in terms))


def sign_flips(map: ParameterMap) -> tuple[tuple[Flip, ...], tuple[str, ...]]:
    """Signs of slices under which every end tensor's entry keeps its absolute value, and blocks of free entries.

    One unknown over GF(2) for each (block, axis, index); the kernel's condition is a linear system.
    """
    shapes, sizes = dict(map.blocks), dict(map.legs)
    free = tuple(name for name in shapes if _is_free(map, name))
    slots = [
        (name, axis, i)
        for name, shape in shapes.items()
        if name not in free
        for axis, size in enumerate(shape)
        for i in range(size)
    ]
    place = {slot: k for k, slot in enumerate(slots)}
    rows: dict[frozenset[int], None] = {}
    for component in map.components:
        first: tuple[frozenset[int], dict[str, list[frozenset[int]]]] | None = None
        for term in component.terms:
            changes: dict[str, list[set[int]]] = {leg: [set() for _ in range(sizes[leg])] for leg in component.output}
            constant: set[int] = set()
            for name, subscripts in term.factors:
                for axis, leg in enumerate(subscripts):
                    if isinstance(leg, int):
                        constant ^= _slot(place, name, axis, leg)
                        continue
                    own = changes.setdefault(leg, [set() for _ in range(sizes[leg])])
                    for i in range(sizes[leg]):
                        own[i] ^= _slot(place, name, axis, i)
            for leg, own in changes.items():
                constant ^= own[0]
                if leg not in component.output:
                    for other in own[1:]:
                        rows.setdefault(frozenset(other ^ own[0]))
            relative = {leg: [frozenset(c ^ changes[leg][0]) for c in changes[leg]] for leg in component.output}
            if first is None:
                first = frozenset(constant), relative
                continue
            rows.setdefault(frozenset(constant) ^ first[0])
            for leg in component.output:
                for one, other in zip(relative[leg], first[1][leg], strict=True):
                    rows.setdefault(one ^ other)
    rows.pop(frozenset(), None)
    if not slots:
        return (), free
    matrix = nmod_mat(max(len(rows), 1), len(slots), 2)
    for k, row in enumerate(rows):
        for j in row:
            matrix[k, j] = 1
    reduced, rank = matrix.rref()
    flips = [
        Flip(tuple(slots[k] for k, value in enumerate(vector) if value))
        for vector in _null_vectors(reduced, rank, len(slots), 2)
    ]
    return tuple(flips), free


def _slot(place: dict[tuple[str, int, int], int], name: str, axis: int, index: int) -> set[int]:
    k = place.get((name, axis, index))
    return set() if k is None else {k}


def _is_free(map: ParameterMap, name: str) -> bool:
    for component in map.components:
        for term in component.terms:
            for block, subscripts in term.factors:
                summed = [leg for leg in subscripts if isinstance(leg, str) and leg not in component.output]
                if block == name and (summed or len(component.terms) > 1):
                    return False
    return True


__all__ = ["Space", "TooLargeError", "law_space", "needed_families", "sign_flips", "spanning"]
