"""Ranks over GF(p), on which counts and spaces of laws rest: against rational arithmetic, and forged certificates."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from flint import fmpq, fmpq_mat

from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Parameterization
from theorytest.kernel.rank import (
    Ansatz,
    Component,
    Contraction,
    Evaluator,
    Flip,
    GramLaw,
    GramPart,
    InverseNorm,
    LawCount,
    LawCountCertificate,
    LawSpace,
    LawSpaceCertificate,
    ParameterMap,
    PolynomialLaw,
    algebra_dimension,
    bracket,
    check_count,
    check_space,
    conserves,
    entries,
    expand,
    gradients,
    parameter_map,
    rate,
    require_law,
    residue,
    sample,
    spread,
)

P = (1 << 31) - 1
ONE = Fraction(1)
F = Fraction


def one(*factors: tuple[str, tuple[str | int, ...]], coefficient: Fraction = ONE) -> Contraction:
    return Contraction(coefficient, factors)


# U of shape (2, 3) times V of shape (3, 2).
PRODUCT = ParameterMap(
    (("U", (2, 3)), ("V", (3, 2))),
    (("a", 2), ("h", 3), ("b", 2)),
    (Component(("a", "b"), (one(("U", ("a", "h")), ("V", ("h", "b"))),)),),
)
BALANCE = GramLaw((GramPart(ONE, "U", (), (1,)), GramPart(-ONE, "V", (), (0,))))
# Paths of a network with two inputs, two hidden neurons with biases and one output.
PATHS = ParameterMap(
    (("W", (2, 2)), ("c", (2,)), ("V", (2, 1))),
    (("i", 2), ("j", 2), ("k", 1)),
    (
        Component(("i", "j", "k"), (one(("W", ("i", "j")), ("V", ("j", "k"))),)),
        Component(("j", "k"), (one(("c", ("j",)), ("V", ("j", "k"))),)),
    ),
)
NEURON = GramLaw((GramPart(ONE, "W", (1,), ()), GramPart(ONE, "c", (0,), ()), GramPart(-ONE, "V", (0,), ())))
# The column w = g v / ||v||.
NORMALISED = ParameterMap(
    (("g", (2,)), ("v", (3, 2))),
    (("i", 3), ("j", 2)),
    (Component(("i", "j"), (one(("g", ("j",)), ("v", ("i", "j")), ("n", ("j",))),)),),
    norms=(InverseNorm("n", "v", (1,)),),
)
SLICES = GramLaw((GramPart(ONE, "v", (1,), ()),))
# (1 + x)(1 + y) - 1, written out, with a constant block in one term: 3 * 1/3 * y.
SKIP = ParameterMap(
    (("x", ()), ("y", ())),
    (),
    (
        Component(
            (),
            (one(("x", ())), one(("y", ()), ("k", (1,)), coefficient=F(3)), one(("x", ()), ("y", ()))),
        ),
    ),
    constants=(("k", Array((2,), (F(5), F(1, 3)))),),
)
SHIFTED = PolynomialLaw(((F(2), (0,)), (F(-2), (1,)), (F(1), (0, 0)), (F(-1), (1, 1))))


def words(count: int, length: int = 1, start: int = 0) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(start + length * k + j for j in range(length)) for k in range(count))


def count_of(
    map: ParameterMap, laws: int, law: GramLaw | PolynomialLaw, *more: int
) -> tuple[LawCount, LawCountCertificate]:
    """more: numbers of brackets of length 1, 2, ..."""
    brackets = tuple(word for length, number in enumerate(more, 1) for word in words(number, length, 1000 * length))
    point = tuple(Evaluator(map, P).point(5))
    return LawCount(map, laws, laws), LawCountCertificate(P, point, brackets, (law,))


COUNTS = [
    count_of(PRODUCT, 6, BALANCE, 4, 2),
    count_of(PATHS, 2, NEURON, 6),
    count_of(NORMALISED, 2, SLICES, 6),
    count_of(SKIP, 1, SHIFTED, 1),
]


@pytest.mark.parametrize("k", range(len(COUNTS)))
def test_a_count_is_proved_from_both_sides(k: int):
    claim, certificate = COUNTS[k]
    check_count(claim, certificate)
    again = decode(encode(claim)), decode(encode(certificate))
    assert again == (claim, certificate)
    check_count(*again)
    check_count(LawCount(claim.map, claim.at_least - 1, claim.at_most + 1), certificate)  # says less


@pytest.mark.parametrize("k", range(len(COUNTS)))
def test_forged_counts_are_rejected(k: int):
    claim, certificate = COUNTS[k]
    forged = [
        (replace(claim, at_least=claim.at_least + 1), certificate, "proves between"),
        (replace(claim, at_most=claim.at_most - 1), certificate, "proves between"),
        (claim, replace(certificate, words=certificate.words[1:]), "proves between"),
        (claim, replace(certificate, laws=()), "proves between"),
        (claim, replace(certificate, point=certificate.point[1:]), "a point of"),
        (claim, replace(certificate, words=((), *certificate.words)), "between 1 and 12 fields"),
        (claim, replace(certificate, words=((1,) * 13, *certificate.words)), "between 1 and 12 fields"),
        (claim, replace(certificate, prime=P - 1), "odd prime"),
        (claim, replace(certificate, prime=2), "odd prime"),
        (claim, replace(certificate, prime=(1 << 89) - 1), "odd prime"),
    ]
    for wrong, by, reason in forged:
        with pytest.raises(KernelError, match=reason):
            check_count(wrong, by)


def test_an_unlucky_point_and_an_unlucky_prime_lose_rank_and_prove_nothing_wrong():
    claim, certificate = COUNTS[0]
    for unlucky in (replace(certificate, point=(0,) * 12), replace(certificate, prime=3)):
        with pytest.raises(KernelError, match="proves between"):
            check_count(claim, unlucky)
    zero = replace(certificate, point=(0,) * 12)
    check_count(LawCount(PRODUCT, 0, 12), zero)


def test_a_norm_that_is_no_square_is_refused():
    claim, certificate = COUNTS[2]
    with pytest.raises(KernelError, match="no square"):
        check_count(claim, replace(certificate, point=(0,) * 8))
    root = next(
        (a, b)
        for a in range(1, 50)
        for b in range(1, 50)
        if (a * a + b * b) % P and pow(a * a + b * b, (P - 1) // 2, P) != 1
    )
    point = (1, 1, root[0], 1, root[1], 0, 0, 0)
    with pytest.raises(KernelError, match="no square"):
        check_count(claim, replace(certificate, point=point))


# -- fields and brackets, against rational arithmetic -----------------------------------------------------------------


def rational_field(
    map: ParameterMap, u: dict[int, list[int]], evaluator: Evaluator, point: list[Fraction]
) -> list[Fraction]:
    """grad <u, phi> by multiplying out every entry of phi: another way, in rational numbers."""
    sizes, shapes, offsets = dict(map.legs), map.shapes, map.offsets
    constants = dict(map.constants)
    total = [F(0)] * map.parameters
    place = 0
    for component in map.components:
        vectors: list[list[int]] = []
        for _ in component.output or (None,):
            vectors.append(u[evaluator.directions[place]])
            place += 1
        for term in component.terms:
            legs = sorted({s for _, subs in term.factors for s in subs if isinstance(s, str)})
            for values in product(*(range(sizes[leg]) for leg in legs)):
                at = dict(zip(legs, values, strict=True))
                weight = term.coefficient
                if component.output:
                    for leg, vector in zip(component.output, vectors, strict=True):
                        weight *= vector[at[leg]]
                else:
                    weight *= vectors[0][0]
                numbers: list[int] = []
                for name, subs in term.factors:
                    index = tuple(at[s] if isinstance(s, str) else s for s in subs)
                    if name in constants:
                        weight *= constants[name][index]
                        continue
                    flat = 0
                    for i, size in zip(index, shapes[name], strict=True):
                        flat = flat * size + i
                    numbers.append(offsets[name] + flat)
                for k, number in enumerate(numbers):
                    slope = weight
                    for other in numbers[:k] + numbers[k + 1 :]:
                        slope *= point[other]
                    total[number] += slope
    return total


SHARED = ParameterMap(
    (("A", (2, 2)), ("z", (2,))),
    (("i", 2), ("j", 2)),
    (
        Component(
            ("i",),
            (
                one(("A", ("i", "j")), ("A", ("j", 1)), ("z", ("j",)), coefficient=F(2, 3)),
                one(("A", ("i", "i")), ("z", ("i",))),
            ),
        ),
    ),
)


@pytest.mark.parametrize("map", [PRODUCT, PATHS, SKIP, SHARED])
def test_fields_are_gradients_multiplied_out_over_the_rationals(map: ParameterMap):
    evaluator = Evaluator(map, P)
    u = {array: [k % 7 - 3 for k in range(array, array + evaluator.lengths[array])] for array in evaluator.directions}
    point = [F(k * k % 11 - 4) for k in range(map.parameters)]
    (found,) = evaluator.field({k: [v % P for v in values] for k, values in u.items()}, [[int(v) % P for v in point]])
    assert found == [residue(value, P) for value in rational_field(map, u, evaluator, point)]


@pytest.mark.parametrize("map", [PRODUCT, SHARED])
def test_brackets_are_derivatives_of_fields(map: ParameterMap):
    """[X, Y] = DY X - DX Y, with D from exact interpolation: fields have degree at most 4 along a line."""
    evaluator = Evaluator(map, P)
    point = [F(k * k % 7 - 2) for k in range(map.parameters)]
    u, v = ({k: [x % 5 - 2 for x in xs] for k, xs in evaluator.direction(seed).items()} for seed in (1, 2))

    def derivative(w: dict[int, list[int]], along: list[Fraction]) -> list[Fraction]:
        nodes = [F(k) for k in range(-2, 3)]
        values = [
            rational_field(map, w, evaluator, [a + t * b for a, b in zip(point, along, strict=True)]) for t in nodes
        ]
        # The derivative at 0 of the polynomial of degree 4 through five points.
        return [(x[0] - 8 * x[1] + 8 * x[3] - x[4]) / 12 for x in zip(*values, strict=True)]

    x, y = (rational_field(map, w, evaluator, point) for w in (u, v))
    expected = [a - b for a, b in zip(derivative(v, x), derivative(u, y), strict=True)]
    seeds = {10: u, 11: v}
    evaluator.direction = lambda seed: {k: [value % P for value in xs] for k, xs in seeds[seed].items()}  # type: ignore[method-assign]
    (found,) = evaluator.word((10, 11), [[int(value) % P for value in point]])
    assert found == [residue(value, P) for value in expected]


def test_the_field_of_a_normalised_block_is_the_derivative_of_its_column():
    """At v = (3, 4), ||v|| = 5: d(g v_1 / ||v||) = (v_1/5) dg + g (16, -12)/125 dv."""
    map = ParameterMap(
        (("g", ()), ("v", (2,))),
        (),
        (Component((), (one(("g", ()), ("v", (0,)), ("n", ())),)),),
        norms=(InverseNorm("n", "v", ()),),
    )
    evaluator = Evaluator(map, P)
    (direction,) = evaluator.directions
    (found,) = evaluator.field({direction: [1]}, [[7, 3, 4]])
    expected = [F(3, 5), F(7 * 16, 125), F(-7 * 12, 125)]
    assert found in ([residue(v, P) for v in expected], [residue(-v, P) for v in expected])  # either square root


def test_the_second_derivative_of_a_normalised_block():
    """A bracket of two fields of g v / ||v|| at (7; 3, 4), by hand: u = e_1, w = e_2."""
    map = replace(NORMALISED, blocks=(("g", (1,)), ("v", (2, 1))), legs=(("i", 2), ("j", 1)))
    evaluator = Evaluator(map, P)
    first, second = evaluator.directions
    chosen = {0: {first: [1, 0], second: [1]}, 1: {first: [0, 1], second: [1]}}
    evaluator.direction = chosen.__getitem__  # type: ignore[method-assign]
    (found,) = evaluator.word((0, 1), [[7, 3, 4]])
    # In polar coordinates v = r (cos phi, sin phi) the map is g (cos phi, sin phi).
    g, r = F(7), F(5)
    c, s = F(3, 5), F(4, 5)
    # X_u = c d_g - g s / r^2 d_phi, X_w = s d_g + g c / r^2 d_phi.
    a_g = (-g * s / r**2) * c - (g * c / r**2) * (-s)
    a_phi = c * c / r**2 + (-g * s / r**2) * (-g * s / r**2) - (s * (-s / r**2) + (g * c / r**2) * (-g * c / r**2))
    expected = [a_g, a_phi * (-r * s), a_phi * (r * c)]
    assert found in (
        [residue(x, P) for x in expected],
        [residue(x * k, P) for x, k in zip(expected, (1, -1, -1), strict=True)],
    )


def test_a_bracket_of_one_function_with_itself_is_0():
    """One end tensor with one entry: all fields are multiples of one gradient, with constant factors."""
    evaluator = Evaluator(SKIP, P)
    assert evaluator.rows([(1, 2), (1, 2, 3)], [3, 4]) == [[0, 0], [0, 0]]
    assert evaluator.rank(evaluator.rows([(1,)], [3, 4])) == 1


def test_an_inverse_norm_that_no_term_holds_changes_nothing():
    claim, certificate = COUNTS[0]
    idle = replace(PRODUCT, norms=(InverseNorm("n", "U", (1,)),))
    point = Evaluator(idle, P).point(5)
    plain, more = Evaluator(PRODUCT, P), Evaluator(idle, P)
    assert plain.rows(certificate.words, point) == more.rows(certificate.words, point)
    assert claim.map == PRODUCT


def test_points_from_seeds_have_square_norms():
    evaluator = Evaluator(NORMALISED, P)
    for seed in range(20):
        point = evaluator.point(seed)
        for column in range(2):
            square = sum(point[k] ** 2 for k in range(2 + column, len(point), 2)) % P
            assert pow(square, (P - 1) // 2, P) == 1


def test_the_inverse_norm_of_one_entry_is_refused():
    """g + g x/|x| is 2g where x > 0, with one law, and 0 where x < 0, with two: no count holds near almost every
    point. Modulo p nothing tells the two apart."""
    with pytest.raises(KernelError, match="a sign over the entry"):
        ParameterMap(
            (("g", ()), ("x", (1,))),
            (),
            (Component((), (one(("g", ()), ("x", (0,)), ("n", ())), one(("g", ())))),),
            norms=(InverseNorm("n", "x", ()),),
        )
    with pytest.raises(KernelError, match="a sign over the entry"):
        replace(NORMALISED, blocks=(("g", (2,)), ("v", (1, 2))), legs=(("i", 1), ("j", 2)))


def test_ranks_are_those_of_rational_matrices():
    evaluator = Evaluator(PRODUCT, P)
    rows = [[(i * j * j + i) % 5 for j in range(6)] for i in range(7)]
    exact = fmpq_mat(7, 6, [fmpq(value) for row in rows for value in row]).rank()
    assert evaluator.rank(rows) == exact
    assert evaluator.rank([]) == 0


def test_seeds_stand_for_the_same_numbers_always():
    assert spread(1, 3, P) == spread(1, 3, P) != spread(2, 3, P)
    assert spread(1, 5, P)[:3] == spread(1, 3, P)
    assert all(0 <= value < 7 for value in spread(9, 50, 7))


# -- laws -------------------------------------------------------------------------------------------------------------


def test_gram_laws_are_read_off_from_legs():
    conserves(PRODUCT, BALANCE)
    conserves(PATHS, NEURON)
    conserves(NORMALISED, SLICES)
    assert len(list(entries(PRODUCT, BALANCE))) == 6
    assert len(list(entries(PATHS, NEURON))) == 2


@pytest.mark.parametrize(
    ("map", "parts", "reason"),
    [
        (PRODUCT, (), "a law has parts"),
        (PRODUCT, (GramPart(ONE, "U", (), ()), GramPart(-ONE, "U", (), ())), "each of them once"),
        (PRODUCT, (GramPart(ONE, "Z", (0,), ()),), "no axes"),
        (PRODUCT, (GramPart(ONE, "U", (1,), (1,)),), "no axes"),
        (PRODUCT, (GramPart(ONE, "U", (0,), ()), GramPart(-ONE, "V", (0,), ())), "same sizes"),
        (PRODUCT, (GramPart(ONE, "U", (), (0,)), GramPart(-ONE, "V", (), (1,))), "do not cancel"),
        (PRODUCT, (GramPart(ONE, "U", (), (1,)), GramPart(-F(2), "V", (), (0,))), "do not cancel"),
        (PRODUCT, (GramPart(ONE, "U", (), ()), GramPart(ONE, "V", (), ())), "do not cancel"),
        (PATHS, (GramPart(ONE, "W", (1,), ()), GramPart(-ONE, "V", (0,), ())), "do not cancel"),
        (PATHS, (GramPart(ONE, "W", (), (1,)), GramPart(-ONE, "V", (), (0,))), "do not cancel"),
        (NORMALISED, (GramPart(ONE, "v", (0, 1), ()),), "only a part"),
        (NORMALISED, (GramPart(ONE, "v", (), (1,)),), "laws for slices only"),
        (NORMALISED, (GramPart(ONE, "g", (0,), ()),), "do not cancel"),
    ],
)
def test_false_gram_laws_are_refused(map: ParameterMap, parts: tuple[GramPart, ...], reason: str):
    with pytest.raises(KernelError, match=reason):
        conserves(map, GramLaw(parts))


DIAGONAL = ParameterMap(
    (("A", (2, 2)), ("z", (2,))),
    (("m", 2),),
    (Component((), (one(("A", ("m", "m"))),)), Component(("m",), (one(("z", ("m",))),))),
)


def test_a_trace_conserves_the_commutator_and_nothing_that_mixes_both_axes():
    """tr A moves A along the identity: A A^T - A^T A stays; a leg that is batch and matrix at once proves nothing."""
    rows_and_columns = GramLaw((GramPart(ONE, "A", (), (0,)), GramPart(-ONE, "A", (), (1,))))
    conserves(DIAGONAL, rows_and_columns)
    assert all(expand(DIAGONAL, law) == {} for law in entries(DIAGONAL, rows_and_columns))
    mixed = GramLaw((GramPart(ONE, "A", (0,), (1,)), GramPart(-ONE, "A", (1,), (0,))))
    whole = GramLaw((GramPart(ONE, "A", (), (0, 1)), GramPart(-ONE, "A", (), (1, 0))))
    for false in (mixed, whole):
        with pytest.raises(KernelError, match="do not cancel"):
            conserves(DIAGONAL, false)
        with pytest.raises(KernelError, match="is not 0"):
            require_law(DIAGONAL, false)


def test_laws_that_are_read_off_are_laws_when_written_out_and_false_ones_are_not():
    """The two ways by which a law is proved, against each other."""
    for map, law in ((PRODUCT, BALANCE), (PATHS, NEURON)):
        for polynomial in entries(map, law):
            assert expand(map, polynomial) == {}
    assert expand(PRODUCT, PolynomialLaw(((ONE, (0, 0)),)))
    with pytest.raises(KernelError, match="is not 0"):
        require_law(PRODUCT, PolynomialLaw(((ONE, (0,)),)))
    require_law(SKIP, SHIFTED)
    with pytest.raises(KernelError, match="is not 0"):
        require_law(SKIP, PolynomialLaw(SHIFTED.terms[:3]))


def test_a_gram_law_without_legs_to_read_is_written_out():
    written = ParameterMap(
        PRODUCT.blocks,
        (),
        tuple(
            Component((), tuple(one(("U", (a, h)), ("V", (h, b))) for h in range(3)))
            for a, b in product(range(2), repeat=2)
        ),
    )
    with pytest.raises(KernelError):
        conserves(written, BALANCE)
    require_law(written, BALANCE)
    with pytest.raises(KernelError, match="is not 0"):
        require_law(written, GramLaw((GramPart(ONE, "U", (), (1,)), GramPart(ONE, "V", (), (0,)))))
    with pytest.raises(KernelError, match="only a part"):
        require_law(NORMALISED, GramLaw((GramPart(ONE, "v", (0, 1), ()),)))


def random_map(random: Random) -> ParameterMap:
    """Up to three small blocks in one or two end tensors, with shared blocks, repeated legs and fixed entries."""
    blocks = tuple((name, (2,) * random.randint(1, 3)) for name in "XYZ"[: random.randint(1, 3)])
    shapes = dict(blocks)
    components: list[Component] = []
    for _ in range(random.randint(1, 2)):
        terms: list[Contraction] = []
        for _ in range(random.choice((1, 1, 2))):
            factors: list[tuple[str, tuple[str | int, ...]]] = []
            for _ in range(random.randint(1, 3)):
                name = random.choice(list(shapes))
                subscripts = tuple(random.choice(("a", "b", "c", "d", "d", 0)) for _ in shapes[name])
                factors.append((name, subscripts))
            terms.append(one(*factors, coefficient=F(random.choice((1, 1, -2)))))
        held = set.intersection(*({s for _, subs in t.factors for s in subs if isinstance(s, str)} for t in terms))
        output = tuple(leg for leg in sorted(held) if random.random() < 0.4)
        components.append(Component(output, tuple(terms)))
    return ParameterMap(blocks, tuple((leg, 2) for leg in "abcd"), tuple(components))


def test_what_is_read_off_holds_when_written_out_for_random_maps():
    """A fuzz of the trusted check: thousands of candidate laws, of which it accepts some."""
    accepted = {0: 0, 1: 0, 2: 0}
    for seed in range(600):
        random = Random(seed)
        map = random_map(random)
        for _ in range(12):
            batch, matrix = random.randint(0, 1), random.choice((0, 0, 1, 1, 2))
            parts: list[GramPart] = []
            for k in range(random.randint(1, 3)):
                name, shape = random.choice(map.blocks)
                if len(shape) < batch + matrix:
                    continue
                axes = tuple(random.sample(range(len(shape)), batch + matrix))
                parts.append(GramPart(F((1, -1, random.choice((1, -1, 2)))[k]), name, axes[:batch], axes[batch:]))
            law = GramLaw(tuple(parts))
            try:
                conserves(map, law)
            except KernelError:
                continue
            accepted[matrix] += 1
            for polynomial in entries(map, law):
                assert expand(map, polynomial) == {}, (seed, law)
    assert all(count >= 5 for count in accepted.values()), accepted


def test_random_sign_flips_that_are_accepted_are_symmetries():
    """A flip that is accepted turns every entry of the end tensors into plus or minus itself, at random points."""
    accepted = 0
    for seed in range(400):
        random = Random(seed)
        map = random_map(random)
        slots = [(name, axis, i) for name, shape in map.blocks for axis in range(len(shape)) for i in range(2)]
        flip = Flip(tuple(slot for slot in slots if random.random() < 0.4))
        try:
            ansatz = Ansatz(map, 1, (flip,), ())
        except KernelError:
            continue
        accepted += 1
        signs = [-1 if sign else 1 for sign in ansatz.signs]
        for field in gradients(map):
            # The gradient of an entry at flipped points is plus or minus the flipped gradient.
            for (number, monomial), _ in field.items():
                sign = signs[number]
                for k in monomial:
                    sign *= signs[k]
                assert sign == _sign_of(field, signs), (seed, flip)
    assert accepted >= 20


def _sign_of(field: dict[tuple[int, tuple[int, ...]], Fraction], signs: list[int]) -> int:
    (number, monomial), _ = next(iter(field.items()))
    sign = signs[number]
    for k in monomial:
        sign *= signs[k]
    return sign


def test_what_cannot_be_written_out_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(KernelError, match="not polynomial"):
        expand(NORMALISED, PolynomialLaw(((ONE, (0,)),)))
    with pytest.raises(KernelError, match="no parameter 12"):
        expand(PRODUCT, PolynomialLaw(((ONE, (12,)),)))
    monkeypatch.setattr("theorytest.kernel.rank.LARGEST_EXPANSION", 11)
    with pytest.raises(KernelError, match="too many terms"):
        expand(PRODUCT, PolynomialLaw(((ONE, (0,)),)))


def test_a_prime_in_a_denominator_is_refused():
    with pytest.raises(KernelError, match="divides a denominator"):
        residue(F(1, 21), 7)
    with pytest.raises(KernelError, match="divides a denominator"):
        Evaluator(SKIP, 3)


# -- maps -------------------------------------------------------------------------------------------------------------


def test_a_parameterization_that_is_written_out_is_a_map():
    chain = Parameterization(
        "product",
        Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", True),
        ("a", "b"),
        (("a", "m"), ("b", "n")),
        "",
    )
    map = parameter_map(chain.at({"L": 2, "m": 2, "n": 2, "h": [3]}))
    assert map.blocks == (("W[2]", (2, 3)), ("W[1]", (3, 2)))
    conserves(map, GramLaw((GramPart(ONE, "W[2]", (), (1,)), GramPart(-ONE, "W[1]", (), (0,)))))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"blocks": (("U", (2, 3)), ("U", (3, 2)))}, "same name"),
        ({"legs": (("a", 2), ("a", 2), ("h", 3), ("b", 2))}, "same name"),
        ({"blocks": (("U", (2, 0)), ("V", (3, 2)))}, "positive"),
        ({"legs": (("a", 2), ("h", 0), ("b", 2))}, "positive"),
        ({"components": (Component((), (one(("Z", ())),)),)}, "fits no block"),
        ({"components": (Component((), (one(("U", ("a",))),)),)}, "fits no block"),
        ({"components": (Component((), (one(("U", ("h", "a"))),)),)}, "does not fit an axis"),
        ({"components": (Component((), (one(("U", (0, 3))),)),)}, "does not fit an axis"),
        ({"components": (Component(("b",), (one(("U", ("a", "h"))),)),)}, "holds its output legs"),
        ({"components": (Component(("a", "a"), (one(("U", ("a", "h"))),)),)}, "holds its output legs"),
        ({"norms": (InverseNorm("n", "Z", ()),)}, "inverse norm of no block"),
        ({"norms": (InverseNorm("n", "U", (2,)),)}, "inverse norm of no block"),
        ({"norms": (InverseNorm("n", "U", (1, 1)),)}, "inverse norm of no block"),
        ({"norms": (InverseNorm("n", "U", (1, 0)),)}, "inverse norm of single entries"),
        ({"components": (Component(("q",), ()),)}, "has terms"),
    ],
)
def test_maps_that_do_not_fit_are_refused(change: dict[str, object], reason: str):
    with pytest.raises(KernelError, match=reason):
        replace(PRODUCT, **change)  # type: ignore[arg-type]


# -- spaces of polynomial laws ----------------------------------------------------------------------------------------

HIDDEN = Flip((("U", 1, 0), ("V", 0, 0)))
INPUT = Flip((("U", 0, 1),))
SPACES = [
    (LawSpace(PRODUCT, 2, 6), LawSpaceCertificate(P, tuple(range(40)), (HIDDEN, INPUT), (), (BALANCE,))),
    (LawSpace(PRODUCT, 2, 6), LawSpaceCertificate(P, tuple(range(100)), (), (), (BALANCE,))),
    (LawSpace(PATHS, 2, 2), LawSpaceCertificate(P, tuple(range(20)), (), ("W", "c", "V"), (NEURON,))),
    (LawSpace(NORMALISED, 2, 2), LawSpaceCertificate(P, tuple(range(50)), (), (), (SLICES,))),
    (LawSpace(SKIP, 2, 1), LawSpaceCertificate(P, tuple(range(9)), (), (), (SHIFTED,))),
]


@pytest.mark.parametrize("k", range(len(SPACES)))
def test_a_space_of_laws_is_proved_complete(k: int):
    claim, certificate = SPACES[k]
    check_space(claim, certificate)
    check_space(decode(encode(claim)), decode(encode(certificate)))


def test_cubic_laws_are_found_where_there_are_some():
    """a b + c^2 conserves c (a - b)^2, beside a^2 - b^2."""
    map = ParameterMap(
        (("a", ()), ("b", ()), ("c", ())),
        (),
        (Component((), (one(("a", ()), ("b", ())), one(("c", ()), ("c", ())))),),
    )
    square = PolynomialLaw(((ONE, (0, 0)), (-ONE, (1, 1))))
    cubic = PolynomialLaw(((ONE, (0, 0, 2)), (F(-2), (0, 1, 2)), (ONE, (1, 1, 2))))
    seeds = tuple(range(40))
    check_space(LawSpace(map, 2, 1), LawSpaceCertificate(P, seeds, (), (), (square,)))
    check_space(LawSpace(map, 3, 2), LawSpaceCertificate(P, seeds, (), (), (square, cubic)))
    with pytest.raises(KernelError, match="another degree"):
        check_space(LawSpace(map, 2, 2), LawSpaceCertificate(P, seeds, (), (), (square, cubic)))


@pytest.mark.parametrize("k", range(len(SPACES)))
def test_forged_spaces_are_rejected(k: int):
    claim, certificate = SPACES[k]
    for wrong, by in (
        (replace(claim, dimension=claim.dimension + 1), certificate),
        (replace(claim, dimension=claim.dimension - 1), certificate),
        (claim, replace(certificate, samples=certificate.samples[:1])),
        (claim, replace(certificate, samples=certificate.samples[:1] * 50)),
        (claim, replace(certificate, laws=())),
    ):
        with pytest.raises(KernelError, match="proves between"):
            check_space(wrong, by)


@pytest.mark.parametrize(
    ("map", "flip", "reason"),
    [
        (PRODUCT, Flip((("U", 1, 0),)), "the sum over the leg h"),
        (PRODUCT, Flip((("U", 2, 0),)), "an axis that is not there"),
        (PRODUCT, Flip((("Z", 0, 0),)), "an axis that is not there"),
        (SHARED, Flip((("z", 0, 0),)), "the sum over the leg j"),
        (SHARED, Flip((("A", 0, 0), ("A", 0, 1))), "different ways"),
    ],
)
def test_false_signs_are_refused(map: ParameterMap, flip: Flip, reason: str):
    with pytest.raises(KernelError, match=reason):
        Ansatz(map, 2, (flip,), ())


def test_signs_that_are_symmetries_are_accepted():
    Ansatz(PRODUCT, 2, (HIDDEN, INPUT), ())
    everything = Flip(tuple(("A", axis, i) for axis in (0, 1) for i in (0, 1)))  # twice: no sign at all
    assert len(Ansatz(SHARED, 1, (everything,), ()).classes) == 1
    # A fixed entry changes the sign of a whole term.
    with pytest.raises(KernelError, match="different ways"):
        Ansatz(SKIP_FIXED, 1, (Flip((("x", 0, 0),)),), ())


SKIP_FIXED = ParameterMap((("x", (2,)),), (), (Component((), (one(("x", (0,))), one(("x", (1,))))),))


@pytest.mark.parametrize(("map", "name"), [(PRODUCT, "U"), (SKIP_FIXED, "x")])
def test_entries_are_not_flipped_alone_where_they_are_added(map: ParameterMap, name: str):
    with pytest.raises(KernelError, match="cannot be flipped"):
        Ansatz(map, 2, (), (name,))


def test_what_asks_for_too_much_is_refused_at_once():
    """A record may name any sizes: what they would cost is worked out first."""
    wide = ParameterMap((("w", (10**9,)),), (("i", 10**9),), (Component((), (one(("w", ("i",))),)),))
    with pytest.raises(KernelError, match="too many to be counted"):
        Evaluator(wide, P)
    n = 400
    cube = ParameterMap(
        (("x", (n, n)), ("y", (n, n)), ("z", (n, n))),
        (("i", n), ("j", n), ("k", n)),
        (Component((), (one(("x", ("i", "j")), ("y", ("j", "k")), ("z", ("k", "i"))),)),),
    )
    with pytest.raises(KernelError, match="has too many terms"):
        Evaluator(cube, P)
    for degree in (20, 10**12):
        with pytest.raises(KernelError, match="too many monomials up to"):
            check_space(LawSpace(PRODUCT, degree, 6), SPACES[0][1])
    with pytest.raises(KernelError, match="too many monomials have the same signs"):
        check_space(LawSpace(PRODUCT, 6, 6), SPACES[1][1])


def test_a_space_needs_points():
    for space, certificate in SPACES:
        with pytest.raises(KernelError, match="points were needed"):
            check_space(space, replace(certificate, samples=()))


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (GramLaw(()), "each of them once"),
        (GramLaw((GramPart(ONE, "Z", (), ()),)), "Z of shape None has no axes"),
        (GramLaw((GramPart(ONE, "U", (-1,), ()),)), "has no axes"),
        (GramLaw((GramPart(ONE, "U", (), (0,)), GramPart(-ONE, "U", (), (1,)))), "same sizes"),
    ],
)
def test_laws_that_name_no_axes_are_not_even_written_out(law: GramLaw, reason: str):
    with pytest.raises(KernelError, match=reason):
        require_law(PRODUCT, law)


def test_a_law_that_mixes_signs_is_refused():
    mixed = PolynomialLaw(tuple(term for law in entries(PATHS, NEURON) for term in law.terms))
    check_space(LawSpace(PATHS, 2, 2), replace(SPACES[2][1], laws=(NEURON, mixed)))  # all are squares: one class
    zero = PolynomialLaw(((ONE, (0, 0)), (-ONE, (0, 0))))
    check_space(LawSpace(PATHS, 2, 2), replace(SPACES[2][1], laws=(NEURON, zero)))
    entry = list(entries(PRODUCT, BALANCE))
    both = PolynomialLaw((*entry[0].terms, *entry[1].terms))
    with pytest.raises(KernelError, match="different signs"):
        check_space(LawSpace(PRODUCT, 2, 6), replace(SPACES[0][1], laws=(BALANCE, both)))


def test_rates_of_monomials():
    point, field = [2, 3, 5], [7, 11, 13]
    assert rate((0,), point, field, P) == 7
    assert rate((0, 1), point, field, P) == 2 * 11 + 3 * 7
    assert rate((1, 1), point, field, P) == 2 * 3 * 11
    assert rate((0, 1, 2), point, field, P) == 7 * 15 + 11 * 10 + 13 * 6


def test_samples_are_points_with_their_fields():
    evaluator = Evaluator(PRODUCT, P)
    point, field = sample(evaluator, 3)
    assert len(point) == len(field) == 12
    laws = [sum(int(c) * rate(m, point, field, P) for c, m in law.terms) % P for law in entries(PRODUCT, BALANCE)]
    assert laws == [0] * 6


def test_a_map_without_end_tensors_moves_nothing():
    still = ParameterMap((("w", (2,)),), (), ())
    law = PolynomialLaw(((ONE, (0,)),))
    other = PolynomialLaw(((ONE, (1,)),))
    check_count(LawCount(still, 2, 2), LawCountCertificate(P, (1, 2), ((1,),), (law, other)))


# -- Lie algebras of finite dimension ---------------------------------------------------------------------------------

WIDE = ParameterMap(
    (("U", (2, 3)),),
    (("i", 2), ("j", 2), ("r", 3)),
    (Component(("i", "j"), (one(("U", ("i", "r")), ("U", ("j", "r"))),)),),
)


def test_the_algebra_of_a_symmetric_product_is_all_matrices():
    assert algebra_dimension(WIDE, 4) == 4
    assert algebra_dimension(WIDE, 9) == 4
    with pytest.raises(KernelError, match="more than 3 dimensions"):
        algebra_dimension(WIDE, 3)


def test_the_algebra_of_a_product_of_two_matrices_is_that_of_matrices_that_act_on_both():
    """[[0, A], [A^T, 0]] generates so(2, 2), of dimension 6."""
    assert algebra_dimension(PRODUCT, 12) == 6


def test_the_algebra_of_one_function_has_one_dimension():
    assert algebra_dimension(SKIP, 1) == 1


def test_brackets_of_written_out_fields_are_those_over_the_prime_field():
    x, y, *_ = gradients(PRODUCT)
    evaluator = Evaluator(PRODUCT, P)
    first, second = evaluator.directions
    point = [k * k % 7 - 2 for k in range(12)]
    chosen = {0: {first: [1, 0], second: [1, 0]}, 1: {first: [1, 0], second: [0, 1]}}
    evaluator.direction = chosen.__getitem__  # type: ignore[method-assign]
    (found,) = evaluator.word((0, 1), [[value % P for value in point]])
    expected = [0] * 12
    for (number, monomial), c in bracket(x, y).items():
        value = int(c)
        for k in monomial:
            value *= point[k]
        expected[number] += value
    assert any(expected) and found == [value % P for value in expected]


def test_laws_that_are_not_exhibited_are_counted_by_the_algebra():
    words = ((0,), (1,), (2,), (7, 8))
    certificate = LawCountCertificate(P, tuple(range(1, 7)), words, (), closed=True)
    check_count(LawCount(WIDE, 2, 2), certificate)
    with pytest.raises(KernelError, match="proves between 0 and 2"):
        check_count(LawCount(WIDE, 2, 2), replace(certificate, closed=False))
    with pytest.raises(KernelError, match="more than 3 dimensions"):
        check_count(LawCount(WIDE, 3, 3), certificate)
    with pytest.raises(KernelError, match="not polynomial"):
        check_count(COUNTS[2][0], replace(COUNTS[2][1], closed=True))
