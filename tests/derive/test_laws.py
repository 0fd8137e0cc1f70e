"""The laws come out of the parameterization alone, and another parameterization gives other laws."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from random import Random

import pytest

from theorytest.derive.derivation import Derive
from theorytest.derive.laws import Laws, QuadraticForm, for_all_sizes, quadratic_laws
from theorytest.errors import InputError
from theorytest.kernel.check import check
from theorytest.kernel.claim import Conserved
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Each, Parameterization, Product, einsum
from theorytest.kernel.statement import PROVED, Certificate, Derivation, Statement
from theorytest.models.model import Model
from theorytest.search.witness import find_witness

MATRIX = Parameterization(
    "deep matrix factorization",
    Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", True),
    ("a", "b"),
    (("a", "d_out"), ("b", "d_in")),
    "every depth and width",
)
CP = Parameterization(
    "cp", Each("n", "N", Block("w", ("n",), ("r", "i[n]"))), ("i[*]",), (("i", "d"), ("r", "R")), "every order"
)
TUCKER = Parameterization(
    "tucker",
    Product((Block("G", (), ("r[*]",)), Each("n", "N", Block("V", ("n",), ("r[n]", "i[n]"))))),
    ("i[*]",),
    (("i", "d"), ("r", "R")),
    "every order",
)


def deep(core: Block, leg: str) -> Parameterization:
    chain = Chain("s", "k[n]", Block("A", ("n", "s"), (leg,)), "i[n]", "a[n]", "d[n]", False)
    column = Product((chain, Block("w", ("n",), (leg, "a[n]"))))
    body = Product((core, Each("n", "N", column)))
    return Parameterization(f"deep {core.name}", body, ("i[*]",), (("i", "d"), ("a", "d"), ("r", "R")), "every order")


DEEP_TUCKER = deep(Block("G", (), ("r[*]",)), "r[n]")
DEEP_CP = deep(Block("c", (), ("r",)), "r")


def triangle(n: int) -> int:
    return n * (n + 1) // 2


CASES = [
    (MATRIX, {"L": 2, "d_out": 2, "d_in": 2, "h": [3]}, triangle(3)),
    (MATRIX, {"L": 3, "d_out": 2, "d_in": 2, "h": [3, 2]}, triangle(3) + triangle(2)),
    (MATRIX, {"L": 4, "d_out": 2, "d_in": 2, "h": [2, 1, 3]}, triangle(2) + triangle(1) + triangle(3)),
    (MATRIX, {"L": 1, "d_out": 2, "d_in": 2, "h": []}, 0),
    (CP, {"N": 3, "d": [2, 3, 2], "R": 2}, 2 * 2),
    (CP, {"N": 4, "d": [1, 2, 1, 2], "R": 3}, 3 * 3),
    (CP, {"N": 2, "d": [2, 3], "R": 2}, triangle(2)),
    (TUCKER, {"N": 3, "d": [2, 2, 2], "R": [2, 1, 2]}, triangle(2) + triangle(1) + triangle(2)),
    (DEEP_TUCKER, {"N": 3, "d": [2, 2, 2], "R": [2, 2, 2], "k": [1, 1, 1]}, 3 * 2 * (1 + triangle(2))),
    (DEEP_TUCKER, {"N": 2, "d": [2, 2], "R": [2, 2], "k": [2, 1]}, 2 * (1 + 2 * triangle(2)) + 2 * (1 + triangle(2))),
    (DEEP_CP, {"N": 3, "d": [2, 2, 1], "R": 2, "k": [1, 0, 2]}, 2 * (1 + 3) + 2 + 2 * (1 + 2)),
]


@pytest.fixture(scope="module")
def found() -> list[Laws]:
    return [quadratic_laws(model, sizes) for model, sizes, _ in CASES]


@pytest.mark.parametrize("k", range(len(CASES)))
def test_the_space_of_laws_has_the_dimension_that_counting_bonds_gives(found: list[Laws], k: int):
    laws = found[k]
    assert laws.dimension == CASES[k][2]
    assert sum(law.rank for law in laws.laws) == laws.dimension
    assert laws.unrecognised == ()


@pytest.mark.parametrize("k", range(len(CASES)))
def test_every_law_holds_at_random_points_with_gradients_computed_without_sympy(found: list[Laws], k: int):
    """A second way: exact finite differences of <g, W> along every parameter, by the kernel's einsum."""
    model, sizes, _ = CASES[k]
    concrete = model.at(sizes)
    random = Random(k)

    def draw(shape: tuple[int, ...]) -> Array:
        count = 1
        for n in shape:
            count *= n
        return Array(shape, tuple(Fraction(random.randint(-9, 9), random.randint(1, 5)) for _ in range(count)))

    blocks, g = {name: draw(shape) for name, shape in concrete.blocks.items()}, draw(concrete.shape)

    def inner(values: dict[str, Array]) -> Fraction:
        end = einsum([(values[name], legs) for name, legs in concrete.factors], concrete.output, concrete.dims)
        return sum((a * b for a, b in zip(end.entries, g.entries, strict=True)), Fraction(0))

    base = inner(blocks)
    slope: dict[tuple[str, tuple[int, ...]], Fraction] = {}
    for name, shape in concrete.blocks.items():
        for place, index in enumerate(product(*map(range, shape))):
            entries = list(blocks[name].entries)
            entries[place] += 1
            # <g, W> is affine in one entry of a block that occurs once: the difference is the derivative, exactly.
            slope[name, index] = inner(blocks | {name: Array(shape, tuple(entries))}) - base
    for form in [*found[k].basis, *(form for law in found[k].laws for form in law.forms)]:
        rate = Fraction(0)
        for (a, b), c in form.terms:
            rate += c * (blocks[a[0]][a[1]] * slope[b] + blocks[b[0]][b[1]] * slope[a])
        assert rate == 0, str(form)


def test_a_model_is_a_definition_with_sizes(found: list[Laws]):
    model, sizes, _ = CASES[4]
    assert quadratic_laws(Model(model, sizes)) == found[4]
    assert quadratic_laws(model.at(sizes)).basis == found[4].basis


def test_balancedness_by_name(found: list[Laws]):
    assert [str(law) for law in found[1].independent] == [
        "W[2]^T W[2] - W[1] W[1]^T",
        "W[3]^T W[3] - W[2] W[2]^T",
    ]
    assert "||W[3]||^2 - ||W[1]||^2" in found[1].names
    assert "W[3]^T W[3] - W[1] W[1]^T" not in found[1].names


def test_lemma_1_of_rmc21_by_name(found: list[Laws]):
    names = found[4].names
    for n, m in combinations((1, 2, 3), 2):
        assert f"||w[{n}][r,:]||^2 - ||w[{m}][r,:]||^2   (every r)" in names
    assert not any("^T" in name for name in names)
    assert any("^T" in name for name in found[6].names)  # of order 2 there are matrix laws besides


def test_lemma_4_1_of_hka24_by_name(found: list[Laws]):
    names = found[8].names
    for n, core in ((1, "G[r[1],:,:]"), (2, "G[:,r[2],:]"), (3, "G[:,:,r[3]]")):
        assert f"||{core}||^2 - ||w[{n}][r[{n}],:]||^2   (every r[{n}])" in names
        assert f"||A[{n},1][r[{n}],:,:]||^2 - ||w[{n}][r[{n}],:]||^2   (every r[{n}])" in names
    deeper = found[9].names
    assert "||A[1,1][r[1],:,:]||^2 - ||A[1,2][r[1],:,:]||^2   (every r[1])" in deeper
    assert not any("A[1,1]" in name and "A[2,1]" in name and "every" in name for name in deeper)


def changed(*parts: Block, output: tuple[str, ...]) -> Parameterization:
    legs = (("a", "d"), ("b", "d"), ("c", "d"), ("h", "h"), ("r", "R"))
    return Parameterization("changed", Product(parts), output, legs, "one changed factor")


SIZES = {"d": 2, "h": 3, "R": 2}


def test_a_shared_factor_changes_the_laws():
    shared = quadratic_laws(
        changed(
            Block("w", (), ("r", "a")), Block("w", (), ("r", "b")), Block("v", (), ("r", "c")), output=("a", "b", "c")
        ),
        SIZES,
    )
    assert shared.names[0] == "||w[r,:]||^2 - 2 ||v[r,:]||^2   (every r)"
    assert shared.dimension == 2


def test_a_tied_pair_of_layers_has_no_law():
    tied = quadratic_laws(changed(Block("A", (), ("h", "a")), Block("A", (), ("h", "b")), output=("a", "b")), SIZES)
    assert (tied.dimension, tied.laws) == (0, ())
    square = quadratic_laws(changed(Block("A", (), ("a", "b")), Block("A", (), ("b", "c")), output=("a", "c")), SIZES)
    assert square.dimension == 0


def test_an_entrywise_squared_layer_has_its_own_law():
    squared = quadratic_laws(
        changed(Block("u", (), ("a",)), Block("u", (), ("a",)), Block("v", (), ("a",)), output=("a",)), SIZES
    )
    assert [str(law) for law in squared.independent] == ["||u[a]||^2 - 2 ||v[a]||^2   (every a)"]


def test_a_missing_factor_loses_its_laws():
    whole = quadratic_laws(CP, {"N": 3, "d": [2, 2, 2], "R": 2})
    without = changed(Block("u", (), ("r", "a")), Block("v", (), ("r", "b")), output=("a", "b"))
    part = quadratic_laws(without, SIZES)
    assert part.names[0] == "u u^T - v v^T"
    assert not any("^T" in name for name in whole.names)


def test_a_false_law_is_not_conserved(found: list[Laws]):
    across = QuadraticForm(
        (
            ((("w[1]", (0, 0)), ("w[1]", (0, 0))), Fraction(1)),
            ((("w[2]", (1, 0)), ("w[2]", (1, 0))), Fraction(-1)),
        )
    )
    assert not found[4].conserves(across)
    assert all(found[4].conserves(form) for law in found[4].laws for form in law.forms)


def test_a_form_without_a_name_is_shown_and_not_hidden():
    """Between two single legs, a layer x^T y has rotations besides: x_i y_j - x_j y_i, no difference of Grams.

    x' = -s y and y' = -s x with one scalar s, hence (x ^ y)' = -s (y ^ y + x ^ x) = 0.
    """
    laws = quadratic_laws(MATRIX, {"L": 2, "d_out": 1, "d_in": 1, "h": [3]})
    assert laws.dimension == triangle(3) + 3
    assert [law.rank for law in laws.independent] == [triangle(3)]
    assert len(laws.unrecognised) == 3
    assert "W[1](1,1) W[2](1,2)" in str(laws) and "[not recognised]" in str(laws)


# -- from laws found at some sizes to claims about all ------------------------------------------------------------


def proved(claim: Conserved) -> bool:
    """Whether the kernel accepts the derivation "the derivative is 0" for a claim."""
    statement = Statement(label="found", title="found", claim=claim)
    derive = Derive(statement)
    try:
        derive.conserved(claim.quantity, claim.motion)  # type: ignore[arg-type]
    except KernelError:
        return False
    certificate = Certificate("derivation", statement.digest, Derivation(tuple(derive.steps)), "test")
    return check(statement, certificate, {}).status == PROVED


@pytest.mark.parametrize("k", [1, 4, 7, 8, 10])
def test_the_laws_that_were_found_are_proved_for_all_sizes(found: list[Laws], k: int):
    model = CASES[k][0]
    special: list[str] = []
    for law in found[k].independent:
        try:
            claim = for_all_sizes(law, model)
        except InputError:
            special.append(str(law))
        else:
            assert proved(claim), str(law)
    # The last matrix of a chain against the vector that follows it: no focus says "last".
    assert all("^T" in name and "w[" in name for name in special)
    assert len(special) < len(found[k].independent)


def test_a_law_that_is_special_to_its_sizes_is_not_proved(found: list[Laws]):
    """Of order 2, CP is matrix factorization and has matrix laws; of other orders it has not."""
    (law,) = found[6].independent
    claim = for_all_sizes(law, CP)
    assert not proved(claim)
    assert find_witness(Statement(label="false", title="false", claim=claim)) is not None


def test_wrong_input_is_one_clear_line():
    with pytest.raises(InputError, match="without sizes"):
        quadratic_laws(CP)
    with pytest.raises(InputError, match="needed"):
        quadratic_laws(CP, {"N": 3})
    with pytest.raises(InputError, match="choose smaller sizes"):
        quadratic_laws(CP, {"N": 3, "d": [9, 9, 9], "R": 9})
