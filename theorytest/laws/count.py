"""How many independent laws there are: iterated brackets are drawn until their rank stalls.

Over GF(p), at a point drawn from a seed. What comes out is a claim and a certificate for the kernel, which finds the
ranks again. If brackets and proved laws together have rank D, the count is exact; so it is if the gradient fields
generate a Lie algebra of no more dimensions than the brackets' rank. Else the brackets still prove an upper bound and
the laws a lower one, and the upper bound is the count unless a draw was unlucky: the result says with what probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from flint import fmpz, nmod_mat

from theorytest.errors import InputError
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rank import (
    Evaluator,
    Law,
    LawCount,
    LawCountCertificate,
    ParameterMap,
    algebra_dimension,
    check_count,
    entries,
)

DRAWS = 8  # primes and points before giving up
LONGEST = 9  # bracket; each letter more costs a factor of 3
SMALL, LARGE = 1 << 30, 1 << 61  # primes: small ones are faster, large ones leave less to luck
LARGEST_ALGEBRA = 60  # parameters of a model whose fields are multiplied out
LARGEST = 12_000  # parameters: the rank of a square matrix of this size takes minutes


@dataclass(frozen=True)
class Count:
    """claim and certificate for the kernel; polynomial: how many of the laws given are independent; ranks: of the
    brackets, by greatest length; error: a bound of the probability that fewer laws exist than ``claim.at_most`` (0
    where the count is exact); redrawn: why draws were thrown away."""

    claim: LawCount
    certificate: LawCountCertificate
    polynomial: int
    ranks: tuple[int, ...]
    error: Fraction
    redrawn: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether both bounds meet."""
        return self.claim.at_least == self.claim.at_most


def draw_prime(random: Random, size: int) -> int:
    """A random prime between size and 2 size that is 3 modulo 4 (square roots are powers then)."""
    while True:
        candidate = random.randrange(size, 2 * size) | 3
        if fmpz(candidate).is_prime():
            return candidate


def count_laws(
    map: ParameterMap,
    laws: Sequence[Law],
    *,
    seed: int = 0,
    prime: int | None = None,
    point: Sequence[int] | None = None,
) -> Count:
    """Count the laws of a map, given some that are proved; the result has been accepted by the kernel.

    prime and point are tried first, instead of random ones; where they turn out unlucky, others are drawn.
    """
    if map.parameters > LARGEST:
        raise InputError(f"given {map.parameters} parameters, at most {LARGEST} can be counted: take a smaller model")
    random = Random(seed)
    best: Count | None = None
    reasons: list[str] = []
    enough = 2  # draws that have to agree where the bounds do not meet
    agreed = 0
    for draw in range(DRAWS):
        p = prime if draw == 0 and prime is not None else draw_prime(random, LARGE if agreed or draw > 3 else SMALL)
        try:
            evaluator = Evaluator(map, p)
            given = point if draw == 0 and point is not None else evaluator.point(random.randrange(1 << 48))
            found = _attempt(evaluator, laws, [value % p for value in given], random)
        except KernelError as error:
            reasons.append(f"prime {p}: {error}")
            continue
        if found.exact:
            if best is not None:
                reasons.append(f"prime {best.certificate.prime}: rank lost at the point")
            best = found
            break
        if best is None or _gap(found) < _gap(best):
            if best is not None:
                reasons.append(f"prime {best.certificate.prime}: rank lost at the point")
            best, agreed = found, 1
        elif _gap(found) == _gap(best):
            best, agreed = (found, agreed + 1) if p > LARGE else (best, agreed)
        else:
            reasons.append(f"prime {p}: rank lost at the point")
        if agreed >= enough and best.certificate.prime > LARGE:
            break
    if best is None:
        raise InputError(f"no prime and point could be used ({reasons[-1]}): pass another seed")
    best = replace(_closed(best), redrawn=tuple(reasons))
    check_count(best.claim, best.certificate)
    return best


def _closed(count: Count) -> Count:
    """Where laws are missing: try to show that the Lie algebra has no more dimensions than the rank of the brackets."""
    map, most = count.claim.map, count.claim.at_most
    if count.exact or map.parameters > LARGEST_ALGEBRA:
        return count
    try:
        algebra_dimension(map, map.parameters - most)
    except KernelError:
        return count  # a larger algebra can still have the same rank: nothing is said
    claim = LawCount(map, most, most)
    return replace(count, claim=claim, certificate=replace(count.certificate, closed=True), error=Fraction(0))


def _gap(count: Count) -> int:
    return count.claim.at_most - count.claim.at_least


def _attempt(evaluator: Evaluator, laws: Sequence[Law], point: list[int], random: Random) -> Count:
    map, prime, total = evaluator.map, evaluator.prime, evaluator.count
    slopes = [evaluator.slope(one, point) for law in laws for one in entries(map, law)]
    least = evaluator.rank(slopes)
    words: list[tuple[int, ...]] = []
    rows: list[list[int]] = []
    ranks: list[int] = []
    rank = 0
    for length in range(1, LONGEST + 1):
        before = rank
        while rank < total - least:
            fresh = [
                tuple(random.randrange(1 << 48) for _ in range(length)) for _ in range(_draws(total - least, rank))
            ]
            rows += evaluator.rows(fresh, point)
            words += fresh
            grown = evaluator.rank(rows)
            full = grown - rank == len(fresh)
            rank = grown
            if not full:
                break
        ranks.append(rank)
        if rank == total - least or rank == before:
            break
    kept = _pivots(rows, prime)
    claim = LawCount(map, least, total - rank)
    certificate = LawCountCertificate(prime, tuple(point), tuple(words[k] for k in kept), tuple(laws))
    # The generic rank is missed only where a nonzero minor vanishes: its degree in point and directions, over p
    # (Schwartz, Zippel), for each length of brackets. See docs/theory-laws.md.
    degree = (rank + 1) * len(ranks) * _degree(map)
    error = Fraction(0) if rank + least == total else Fraction(len(ranks) * degree, prime)
    return Count(claim, certificate, least, tuple(ranks), min(error, Fraction(1)), ())


def _draws(target: int, rank: int) -> int:
    """How many brackets to draw next: what is missing, and a few more to see a stall for sure."""
    return max(target - rank, 3)


def _degree(map: ParameterMap) -> int:
    """A bound of the degree of one v_u in the parameters and the directions together."""
    learned = dict(map.blocks)
    degrees = [1]
    for component in map.components:
        for term in component.terms:
            degrees.append(sum(name in learned for name, _ in term.factors) + max(len(component.output), 1))
    return max(degrees)


def _pivots(rows: list[list[int]], prime: int) -> list[int]:
    """Rows that span all of them: the pivots of the transpose."""
    if not rows:
        return []
    matrix = nmod_mat(len(rows), len(rows[0]), [value for row in rows for value in row], prime)
    reduced, rank = matrix.transpose().rref()
    found: list[int] = []
    column = 0
    for k in range(rank):
        while int(reduced[k, column]) == 0:
            column += 1
        found.append(column)
    return found


__all__ = ["Count", "count_laws", "draw_prime"]
