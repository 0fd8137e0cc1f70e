"""Counts and spaces of laws against a second implementation over the rationals (naive_laws.py), on random small maps.

The certificates are drawn at random, too: tiny primes, points with zeros, long and short brackets, half of the laws.
None of them may ever prove what is false; and enough of them have to prove what is true.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from naive_laws import Monomial, Written, kernel

from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.rank import (
    Ansatz,
    Component,
    Contraction,
    Flip,
    GramLaw,
    GramPart,
    InverseNorm,
    Law,
    LawCount,
    LawCountCertificate,
    LawSpace,
    LawSpaceCertificate,
    ParameterMap,
    PolynomialLaw,
    check_count,
    check_space,
    entries,
    require_law,
)

PRIMES = (3, 5, 7, 11, 101, (1 << 31) - 1, (1 << 61) - 1)
F = Fraction


def random_map(random: Random) -> ParameterMap | None:
    """Up to three blocks with at most 6 parameters: shared blocks, repeated legs, fixed entries, constants, norms."""
    legs = {leg: random.choice((1, 2, 2)) for leg in "abcd"}
    blocks = tuple(
        (name, tuple(random.choice((1, 2, 2)) for _ in range(random.choice((0, 1, 1, 2, 2)))))
        for name in "XYZ"[: random.randint(1, 3)]
    )
    shapes = dict(blocks)
    constants: tuple[tuple[str, Array], ...] = ()
    norms: tuple[InverseNorm, ...] = ()
    if random.random() < 0.3:
        size = random.choice((1, 2))
        drawn = tuple(F(random.randint(-3, 3), random.randint(1, 4)) for _ in range(size))
        constants, shapes["k"] = (("k", Array((size,), drawn)),), (size,)
    if random.random() < 0.5:
        name, shape = random.choice(blocks)
        batch = tuple(random.sample(range(len(shape)), random.randint(0, len(shape))))
        norms, shapes["n"] = (InverseNorm("n", name, batch),), tuple(shape[axis] for axis in batch)
    components: list[Component] = []
    for _ in range(random.randint(1, 2)):
        terms: list[Contraction] = []
        for _ in range(random.choice((1, 1, 2))):
            factors: list[tuple[str, tuple[str | int, ...]]] = []
            for _ in range(random.randint(1, 3)):
                name = random.choice(list(shapes))
                subscripts: list[str | int] = []
                for size in shapes[name]:
                    fitting = [leg for leg, own in legs.items() if own == size]
                    named = fitting and random.random() < 0.85
                    subscripts.append(random.choice(fitting) if named else random.randrange(size))
                factors.append((name, tuple(subscripts)))
            coefficient = F(random.choice((1, 1, -2, 3)), random.choice((1, 1, 2)))
            terms.append(Contraction(coefficient, tuple(factors)))
        held = set.intersection(*({s for _, subs in t.factors for s in subs if isinstance(s, str)} for t in terms))
        components.append(Component(tuple(leg for leg in sorted(held) if random.random() < 0.5), tuple(terms)))
    try:
        made = ParameterMap(blocks, tuple(legs.items()), tuple(components), constants, norms)
    except KernelError:
        return None
    return made if made.parameters <= 6 else None


def random_gram(random: Random, map: ParameterMap) -> GramLaw:
    """A sum of Gram matrices, conserved or not."""
    batch, matrix = random.randint(0, 1), random.choice((0, 0, 1, 1, 2))
    parts: list[GramPart] = []
    for _ in range(random.randint(1, 3)):
        name, shape = random.choice(map.blocks)
        if len(shape) >= batch + matrix:
            axes = tuple(random.sample(range(len(shape)), batch + matrix))
            parts.append(GramPart(F(random.choice((1, -1, 2))), name, axes[:batch], axes[batch:]))
    return GramLaw(tuple(parts))


class Truth:
    """What the second implementation says of a map: counts of laws, and all polynomial ones up to degree 2."""

    def __init__(self, map: ParameterMap, seed: int) -> None:
        written = Written(map)
        self.fewest, self.most = written.laws(seed)
        self.monomials, self.equations = written.space(2, seed)
        self.basis = kernel(self.equations, len(self.monomials))

    def law(self, coefficients: list[Fraction]) -> PolynomialLaw:
        return PolynomialLaw(tuple((c, m) for c, m in zip(coefficients, self.monomials, strict=True) if c))

    def conserved(self, law: PolynomialLaw) -> bool:
        total: dict[Monomial, Fraction] = {}
        for c, monomial in law.terms:
            key = tuple(sorted(monomial))
            total[key] = total.get(key, F(0)) + c
        vector = [total.get(monomial, F(0)) for monomial in self.monomials]
        return not any(sum(a * b for a, b in zip(row, vector, strict=True)) for row in self.equations)


def proved_laws(random: Random, map: ParameterMap, truth: Truth) -> list[Law]:
    """Laws that the kernel accepts, out of random ones; none of them may be false."""
    drawn: list[Law] = [random_gram(random, map) for _ in range(12)]
    for _ in range(3):
        mixed = [F(0)] * len(truth.monomials)
        for vector in truth.basis:
            c = random.choice((0, 0, 1, -1, 3))
            mixed = [a + c * b for a, b in zip(mixed, vector, strict=True)]
        if random.random() < 0.3 and mixed:
            mixed[random.randrange(len(mixed))] += 1
        drawn.append(truth.law(mixed))
    drawn += [truth.law(vector) for vector in truth.basis if random.random() < 0.9]
    kept: list[Law] = []
    for law in drawn:
        try:
            require_law(map, law)
        except KernelError:
            continue
        assert all(truth.conserved(one) for one in entries(map, law)), law
        kept.append(law)
    return kept


def holds(claim: LawCount, certificate: LawCountCertificate) -> bool:
    try:
        check_count(claim, certificate)
    except KernelError:
        return False
    return True


def random_signs(random: Random, map: ParameterMap) -> tuple[tuple[Flip, ...], tuple[str, ...]]:
    """Sign symmetries that the kernel accepts."""
    slots = [(name, axis, i) for name, shape in map.blocks for axis in range(len(shape)) for i in range(shape[axis])]
    flips = [Flip(tuple(slot for slot in slots if random.random() < 0.5)) for _ in range(random.randint(0, 3))]

    def fine(some: tuple[Flip, ...], free: tuple[str, ...]) -> bool:
        try:
            Ansatz(map, 1, some, free)
        except KernelError:
            return False
        return True

    free = tuple(name for name, _ in map.blocks if random.random() < 0.6 and fine((), (name,)))
    return tuple(flip for flip in flips if fine((flip,), ())), free


@pytest.mark.parametrize("start", range(0, 160, 40))
def test_random_certificates_prove_nothing_false(start: int):
    seen: Counter[str] = Counter()
    for seed in range(start, start + 40):
        random = Random(seed)
        map = random_map(random)
        if map is None:
            continue
        truth = Truth(map, seed)
        assert truth.fewest == truth.most
        laws = proved_laws(random, map, truth)
        for _ in range(3):
            prime = random.choice(PRIMES)
            point = tuple(random.randint(-5, 5) for _ in range(map.parameters))
            words = tuple(
                tuple(random.randrange(1000) for _ in range(random.choice((1, 1, 1, 2, 3))))
                for _ in range(random.randint(0, 3 * map.parameters + 3))
            )
            closed = not map.norms and random.random() < 0.4
            certificate = LawCountCertificate(prime, point, words, tuple(laws), closed)
            assert not holds(LawCount(map, truth.most + 1, map.parameters), certificate), seed
            assert not holds(LawCount(map, -1, truth.fewest - 1), certificate), seed
            seen["count"] += holds(LawCount(map, truth.fewest, truth.most), certificate)

            flips, free = random_signs(random, map)
            samples = tuple(random.randrange(10**6) for _ in range(random.choice((5, 60))))
            proof = LawSpaceCertificate(prime, samples, flips, free, tuple(one_class(map, laws, flips, free)))
            with pytest.raises(KernelError) as refused:
                check_space(LawSpace(map, 2, -1), proof)
            bounds = re.match(r"the certificate proves between (\d+) and (\d+)", str(refused.value))
            if bounds is not None:
                least, most = map_int(bounds)
                assert least <= len(truth.basis) <= most, seed
                seen["space"] += least == most
                seen["signs"] += least == most and bool(flips or free)
    assert min(seen["count"], seen["space"], seen["signs"]) >= 8, seen


def map_int(match: re.Match[str]) -> tuple[int, int]:
    return int(match[1]), int(match[2])


def one_class(map: ParameterMap, laws: list[Law], flips: tuple[Flip, ...], free: tuple[str, ...]) -> list[Law]:
    """The laws whose monomials have the same signs, and (where they can be proved so) the parts of the others."""
    ansatz = Ansatz(map, 2, flips, free)
    kept: list[Law] = []
    for law in laws:
        for one in entries(map, law):
            parts: dict[int, list[tuple[Fraction, Monomial]]] = {}
            for c, monomial in one.terms:
                parts.setdefault(ansatz.key(monomial), []).append((c, monomial))
            if len(parts) < 2:
                kept.append(law if map.norms else one)
            elif not map.norms:
                for terms in parts.values():
                    require_law(map, PolynomialLaw(tuple(terms)))  # what the signs promise
                    kept.append(PolynomialLaw(tuple(terms)))
    return list(dict.fromkeys(kept))


def test_the_second_implementation_on_maps_that_are_known():
    """a b: one law a^2 - b^2. A column v / ||v||: the norm. And g + g x/|x|, which has no one count (see
    `test_the_inverse_norm_of_one_entry_is_refused`)."""
    one = Contraction(F(1), (("a", ()), ("b", ())))
    product = ParameterMap((("a", ()), ("b", ())), (), (Component((), (one,)),))
    truth = Truth(product, 1)
    assert (truth.fewest, truth.most) == (1, 1)
    assert [truth.law(vector) for vector in truth.basis] in (
        [PolynomialLaw(((F(1), (0, 0)), (F(-1), (1, 1))))],
        [PolynomialLaw(((F(-1), (0, 0)), (F(1), (1, 1))))],
    )
    column = Contraction(F(1), (("v", ("i",)), ("n", ())))
    sphere = ParameterMap(
        (("v", (3,)),), (("i", 3),), (Component(("i",), (column,)),), norms=(InverseNorm("n", "v", ()),)
    )
    truth = Truth(sphere, 2)
    assert (truth.fewest, truth.most, len(truth.basis)) == (1, 1, 1)
    assert truth.conserved(PolynomialLaw(tuple((F(1), (k, k)) for k in range(3))))
    assert not truth.conserved(PolynomialLaw(((F(1), (0,)),)))
