"""Tucker products and unfoldings of any order: rules, refusals, exact instances, and second implementations."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from random import Random
from typing import Any, cast

import mpmath
import pytest
from true_proofs import P2, state

from theorytest.derive.derivation import Derive
from theorytest.kernel.claim import Claim, HigherOrderSVD, Identity, Matricization, TuckerNorm
from theorytest.kernel.errors import KernelError
from theorytest.kernel.modes import OrthogonalMode, decomposition_violation, tucker_norm_violation
from theorytest.kernel.parameterization import Array
from theorytest.kernel.rules import RULES, Context, OneMode, Use
from theorytest.kernel.statement import Derivation, Instance, Statement, Witness
from theorytest.kernel.terms import constant
from theorytest.kernel.unfolding import AGREE, kronecker, matricization_violation, one_mode, unfold
from theorytest.kernel.witness import refutes

S = state("S", Identity(P2, P2))


def apply(name: str, *data: Any, premises: tuple[Claim, ...] = ()) -> Claim:
    return RULES[name](Context(S, {}), premises, data)


def refused(match: str, name: str, *data: Any) -> None:
    with pytest.raises(KernelError, match=match):
        apply(name, *data)


def array(shape: tuple[int, ...], *entries: int | Fraction) -> Array:
    return Array(shape, tuple(map(Fraction, entries)))


def instance(**letters: Array) -> Instance:
    return Instance(letters=tuple(letters.items()))


# -- rules -------------------------------------------------------------------------------------------------------------


def one_product() -> Derivation:
    mode = OneMode()
    inner = Derive(S, (), mode.hypotheses()[:1])
    columns = inner.apply("spectral-norm", *inner.given, data=(mode.core,))
    goal: Any = mode.goals()[0]
    inner.at_most("one mode", goal.lhs, goal.rhs, (columns,), [Use(0, constant(1), (), ("q",))])
    return inner.derivation()


def test_the_norm_of_a_tucker_product():
    assert apply("tucker-norm", TuckerNorm(), one_product()) == TuckerNorm()
    refused("only the bound with all factors", "tucker-norm", TuckerNorm(omitted=1), one_product())
    refused("only the bound with all factors", "tucker-norm", TuckerNorm(unfolded=True), one_product())
    refused("does not show", "tucker-norm", TuckerNorm(), Derivation(()))
    refused("the data must be", "tucker-norm", TuckerNorm())
    with pytest.raises(KernelError, match="needs 0 premises"):
        apply("tucker-norm", TuckerNorm(), one_product(), premises=(Identity(P2, P2),))


def one_rotation() -> Derivation:
    mode = OrthogonalMode()
    inner = Derive(S, (), mode.hypotheses())
    columns, rows, _, others, spectrum = inner.given
    back, slices = cast(Any, mode.goals())
    inner.equal("T", back.lhs, back.rhs, (rows, others))
    inner.equal("slices", slices.lhs, slices.rhs, (others, spectrum, columns))
    return inner.derivation()


def test_the_higher_order_svd():
    whole = one_rotation()
    assert apply("higher-order-svd", HigherOrderSVD(), whole) == HigherOrderSVD()
    refused("all-orthogonal core", "higher-order-svd", HigherOrderSVD(superdiagonal=True), whole)
    refused("does not show", "higher-order-svd", HigherOrderSVD(), Derivation(whole.steps[:1]))
    refused("does not show", "higher-order-svd", HigherOrderSVD(), Derivation(()))


def same_numbering(formula: str) -> Derivation:
    inner, goal = Derive(S), cast(Any, one_mode(formula))
    inner.equal("one mode", goal.lhs, goal.rhs)
    return inner.derivation()


ALL = list(product(("pairing", "Tucker"), ("lexicographic", "Kolda-Bader"), ("increasing", "decreasing")))


@pytest.mark.parametrize("words", ALL)
def test_matricizations_hold_where_both_orders_agree(words: tuple[str, str, str]):
    claim = Matricization(*words)
    if words[1:] in AGREE:
        assert apply("matricization", claim, same_numbering(words[0])) == claim
        refused("does not show", "matricization", claim, Derivation(()))
        other = "Tucker" if words[0] == "pairing" else "pairing"
        refused("does not show", "matricization", claim, same_numbering(other))
    else:
        refused("do not go with", "matricization", claim, same_numbering(words[0]))


@pytest.mark.parametrize("words", [("sum", "lexicographic", "increasing"), ("pairing", "rows", "increasing")])
def test_words_of_a_matricization(words: tuple[str, str, str]):
    with pytest.raises(KernelError, match="no such formula"):
        Matricization(*words)
    with pytest.raises(KernelError, match="increasing or decreasing"):
        Matricization("pairing", "lexicographic", "sorted")


# -- at instances ------------------------------------------------------------------------------------------------------


def counting(*shape: int) -> Array:
    count = 1
    for size in shape:
        count *= size
    return array(shape, *range(1, count + 1))


PAIRING = instance(A=counting(2, 3, 4), **{f"w[{n}]": counting(d) for n, d in ((1, 2), (2, 3), (3, 4))})
TUCKER = instance(G=counting(2, 3, 2), **{"V[1]": counting(2, 2), "V[2]": counting(3, 2), "V[3]": counting(2, 3)})


@pytest.mark.parametrize("words", ALL)
def test_matricizations_at_instances_of_unequal_dimensions(words: tuple[str, str, str]):
    claim, at = Matricization(*words), PAIRING if words[0] == "pairing" else TUCKER
    if words[1:] in AGREE:
        with pytest.raises(KernelError, match="holds at this instance"):
            matricization_violation(claim, at)
    else:
        assert matricization_violation(claim, at).startswith("mode ")
        assert refutes(Statement("S", "", claim), Witness(at)).violated == "Matricization"


def test_instances_of_matricizations_are_checked():
    claim = Matricization("pairing", "lexicographic", "increasing")
    with pytest.raises(KernelError, match="a tensor A with at least two modes"):
        matricization_violation(claim, TUCKER)
    with pytest.raises(KernelError, match="a tensor A with at least two modes"):
        matricization_violation(claim, instance(A=counting(2), **{"w[1]": counting(2)}))
    short = Instance(letters=PAIRING.letters[:-1])
    with pytest.raises(KernelError, match="vectors"):
        matricization_violation(claim, short)
    unfit = instance(A=counting(2, 3), **{"w[1]": counting(3), "w[2]": counting(2)})
    with pytest.raises(KernelError, match="vectors"):
        matricization_violation(claim, unfit)


@pytest.mark.parametrize("number", range(24))
def test_unfoldings_and_kronecker_products_entry_by_entry(number: int):
    """The formulas by sums over all indices, in both orders: the kernel's verdict is that of the entries."""
    random = Random(number)
    order = random.randint(2, 3)
    shape = tuple(random.randint(1, 3) for _ in range(order))
    tensor = array(shape, *(random.randint(-3, 3) for _ in range(len(list(product(*map(range, shape)))))))
    mode = random.randrange(order)
    columns = random.choice(("lexicographic", "Kolda-Bader"))
    found = unfold(tensor, mode, columns)
    others = [n for n in range(order) if n != mode]
    for index in product(*map(range, shape)):
        place, digits = 0, others if columns == "lexicographic" else others[::-1]
        for n in digits:
            place = place * shape[n] + index[n]
        assert found[index[mode], place] == tensor[index]
    left, right = (array((2, 3), *(random.randint(-3, 3) for _ in range(6))) for _ in range(2))
    both = kronecker(left, right)
    for i, j, k, m in product(range(2), range(3), range(2), range(3)):
        assert both[i * 2 + k, j * 3 + m] == left[i, j] * right[k, m]


def test_tucker_norms_at_instances():
    two = instance(G=array((1,), 1), **{"V[1]": array((1, 1), 2)})
    eye = array((2, 2), 1, 0, 0, 1)
    flat = instance(G=eye, **{"V[1]": eye, "V[2]": eye})
    assert "bound 1" in tucker_norm_violation(TuckerNorm(omitted=1), two)
    assert "bound" in tucker_norm_violation(TuckerNorm(unfolded=True), flat)
    for claim, at in ((TuckerNorm(), two), (TuckerNorm(), flat), (TuckerNorm(unfolded=True), two)):
        with pytest.raises(KernelError, match="holds at this instance"):
            tucker_norm_violation(claim, at)
    for omitted in (2, -1):
        with pytest.raises(KernelError, match="fewer factors"):
            tucker_norm_violation(TuckerNorm(omitted=omitted), two)
    assert refutes(Statement("S", "", TuckerNorm(omitted=1)), Witness(two)).violated == "TuckerNorm"


def test_decompositions_at_instances():
    flat = instance(T=array((1, 2, 2), 1, 0, 0, 1))
    claim = HigherOrderSVD(superdiagonal=True)
    assert "(1, 2, 2)" in decomposition_violation(claim, flat)
    assert refutes(Statement("S", "", claim), Witness(flat)).violated == "HigherOrderSVD"
    for wrong, at in ((HigherOrderSVD(), flat), (claim, instance(G=array((1,), 1)))):
        with pytest.raises(KernelError, match="were needed"):
            decomposition_violation(wrong, at)
    with pytest.raises(KernelError, match="have the rank 2"):
        decomposition_violation(claim, instance(T=array((2, 2), 1, 0, 0, 1)))


@pytest.mark.parametrize("number", range(24))
def test_norms_and_decompositions_in_numbers(number: int):
    """Random tensors of order 3 with mpmath: the bound of the Tucker product, and the core of the decomposition."""
    random = Random(number)
    shape = [random.randint(1, 3) for _ in range(3)]
    with mpmath.workdps(40):
        T = {index: mpmath.mpf(random.randint(-4, 4)) for index in product(*map(range, shape))}
        factors = [mpmath.matrix([[random.gauss(0, 1) for _ in range(d)] for _ in range(d)]) for d in shape]

        def times(tensor: dict[Any, Any], matrices: list[Any]) -> dict[Any, Any]:
            for mode, matrix in enumerate(matrices):
                tensor = {
                    index: sum(
                        matrix[index[mode], i] * tensor[(*index[:mode], i, *index[mode + 1 :])]
                        for i in range(shape[mode])
                    )
                    for index in product(*map(range, shape))
                }
            return tensor

        norm = mpmath.sqrt(sum(x * x for x in T.values()))
        bound = norm
        for matrix in factors:
            bound *= max(mpmath.svd_r(matrix, compute_uv=False))
        assert mpmath.sqrt(sum(x * x for x in times(T, factors).values())) <= bound * (1 + mpmath.mpf(10) ** -30)
        bases = []
        for mode in range(3):
            gram = mpmath.matrix(shape[mode], shape[mode])
            for a, b in product(range(shape[mode]), repeat=2):
                rest = product(*(range(d) for n, d in enumerate(shape) if n != mode))
                gram[a, b] = sum(T[(*r[:mode], a, *r[mode:])] * T[(*r[:mode], b, *r[mode:])] for r in rest)
            _, vectors = mpmath.eigsy(gram)
            bases.append(
                mpmath.matrix(
                    [[vectors[i, shape[mode] - 1 - j] for j in range(shape[mode])] for i in range(shape[mode])]
                )
            )
        core = times(T, [basis.T for basis in bases])
        back = times(core, bases)
        assert max(abs(back[index] - T[index]) for index in T) < mpmath.mpf(10) ** -25
        for mode in range(3):
            norms = []
            for a, b in product(range(shape[mode]), repeat=2):
                rest = product(*(range(d) for n, d in enumerate(shape) if n != mode))
                inner = sum(core[(*r[:mode], a, *r[mode:])] * core[(*r[:mode], b, *r[mode:])] for r in rest)
                assert a == b or abs(inner) < mpmath.mpf(10) ** -25
                norms += [inner] if a == b else []
            assert all(x >= y - mpmath.mpf(10) ** -25 for x, y in pairwise(norms))
