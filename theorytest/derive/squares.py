"""Polynomials as sums of squares, exactly.

A quadratic form in some monomials is a sum of squares if its Gram matrix can be chosen positive semidefinite; then
elimination (L D L^T over the rationals) writes the squares down. Where the Gram matrix is not determined by the
polynomial, it is found numerically by alternating projections between the positive semidefinite matrices and those that
give the polynomial, and rounded to rationals that give it exactly. Nothing is trusted: the kernel expands the squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.polynomial import Ring
from theorytest.kernel.scalar import Scalar, Variable, scalar

Exponents = tuple[int, ...]
LARGEST = 40  # monomials of a Gram matrix
DENOMINATORS = (1, 2, 4, 6, 12, 60, 1024)


def sum_of_squares(polynomial: Scalar, names: Sequence[str]) -> list[tuple[Fraction, Scalar]]:
    """Weights w >= 0 and expressions r with polynomial = sum of w r^2. Raises `InputError` where none is found."""
    ring = Ring({Variable(name) for name in names})
    held = ring.polynomial(polynomial)
    terms = {tuple(map(int, m)): Fraction(int(c.p), int(c.q)) for m, c in held.terms()}
    if not terms:
        return []
    atoms = [atom for atom in ring.atoms]
    basis = _basis(terms)
    if len(basis) > LARGEST:
        raise InputError(f"{len(basis)} monomials are more than the {LARGEST} for which a sum of squares is tried")
    for gram in _grams(terms, basis):
        rows = _squares(gram)
        if rows is not None:
            return [(weight, _combination(row, basis, atoms)) for weight, row in rows]
    raise InputError("no sum of squares was found")


def _basis(terms: dict[Exponents, Fraction]) -> list[Exponents]:
    """The monomials that can occur in the squares: half the degrees, within the box of the even corners."""
    count = len(next(iter(terms)))
    degrees = [sum(e) for e in terms]
    low, high = (min(degrees) + 1) // 2, max(degrees) // 2
    most = [max(e[k] for e in terms) // 2 for k in range(count)]
    found: list[Exponents] = []
    for degree in range(low, high + 1):
        for chosen in combinations_with_replacement(range(count), degree):
            exponents = tuple(chosen.count(k) for k in range(count))
            if all(a <= b for a, b in zip(exponents, most, strict=True)):
                found.append(exponents)
    return _pruned(found, terms)


def _pruned(basis: list[Exponents], terms: dict[Exponents, Fraction]) -> list[Exponents]:
    """Leave out monomials whose square occurs neither in the polynomial nor as a product of two others."""
    kept = list(basis)
    while True:
        products = {_sum(a, b) for i, a in enumerate(kept) for b in kept[:i]}
        better = [m for m in kept if _sum(m, m) in terms or _sum(m, m) in products]
        if len(better) == len(kept):
            return kept
        kept = better


def _sum(a: Exponents, b: Exponents) -> Exponents:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _grams(terms: dict[Exponents, Fraction], basis: list[Exponents]) -> Iterator[list[list[Fraction]]]:
    """Candidates for the Gram matrix, each of which gives the polynomial exactly."""
    n = len(basis)
    places: dict[Exponents, list[tuple[int, int]]] = {}
    for i in range(n):
        for j in range(n):
            places.setdefault(_sum(basis[i], basis[j]), []).append((i, j))
    if not set(terms) <= set(places):
        return

    def exact(guess: Any, denominator: int | None) -> list[list[Fraction]]:
        """Rounded, then corrected so that every coefficient is right."""
        gram = [[Fraction(0)] * n for _ in range(n)]
        for exponents, spots in places.items():
            wanted = terms.get(exponents, Fraction(0))
            if guess is not None:
                for i, j in spots:
                    held = (guess[i][j] + guess[j][i]) / 2
                    gram[i][j] = Fraction(round(held * denominator), denominator) if denominator else Fraction(0)
            missing = (wanted - sum((gram[i][j] for i, j in spots), Fraction(0))) / len(spots)
            for i, j in spots:
                gram[i][j] += missing
        return gram

    yield exact(None, None)
    import numpy as np

    guess = np.array([[float(x) for x in row] for row in exact(None, None)])
    groups = [(tuple(np.array(spots).T), float(terms.get(e, 0))) for e, spots in places.items()]
    shift = np.zeros_like(guess)
    for step in range(1500):
        # Dykstra's alternating projections: onto the positive semidefinite cone, and onto the affine space.
        values, vectors = np.linalg.eigh(guess + shift)
        closest = (vectors * values.clip(0)) @ vectors.T
        shift = guess + shift - closest
        after = closest.copy()
        for spots, wanted in groups:
            after[spots] += (wanted - after[spots].sum()) / len(spots[0])
        moved = float(np.abs(after - guess).max())
        guess = after
        if moved < 1e-13 or step in (200, 700):
            for denominator in DENOMINATORS:
                yield exact(guess.tolist(), denominator)
        if moved < 1e-13:
            return
    for denominator in DENOMINATORS:
        yield exact(guess.tolist(), denominator)


def _squares(gram: list[list[Fraction]]) -> list[tuple[Fraction, list[Fraction]]] | None:
    """Weights and rows with gram = sum of weight * row^T row; None where it is not positive semidefinite."""
    held = [row[:] for row in gram]
    n = len(held)
    found: list[tuple[Fraction, list[Fraction]]] = []
    for k in range(n):
        pivot = held[k][k]
        if pivot < 0 or (pivot == 0 and any(held[k])):
            return None
        if pivot == 0:
            continue
        row = [x / pivot for x in held[k]]
        found.append((pivot, row))
        for i in range(n):
            if held[i][k]:
                factor = held[i][k]
                held[i] = [x - factor * y for x, y in zip(held[i], row, strict=True)]
    return found


def _combination(row: Sequence[Fraction], basis: Sequence[Exponents], atoms: Sequence[Scalar]) -> Scalar:
    total: Scalar = scalar(0)
    for weight, exponents in zip(row, basis, strict=True):
        if weight:
            piece: Scalar = scalar(weight)
            for atom, power in zip(atoms, exponents, strict=True):
                if power:
                    piece = piece * atom**power
            total = total + piece
    return total


__all__ = ["sum_of_squares"]
