"""Singular values and ranks of matrices of any size: rules, exact comparisons at instances, and both in numbers."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import mpmath
import naive
import pytest
from true_proofs import P2, state

from theorytest.kernel.claim import (
    Always,
    AtTime,
    Claim,
    Flow,
    Identity,
    Inequality,
    Matrix,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
    SameSingularValues,
    SpectralNorm,
    SquaredSingularValues,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import (
    Array,
    Block,
    Chain,
    Each,
    Focus,
    Link,
    Parameterization,
    Product,
    evaluate,
)
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.spectra import as_matrix, inner_gram, multiply, norm_failure, outer_gram, spectral_failure
from theorytest.kernel.terms import Tensor, Term, constant, identity

S = state("S", Identity(P2, P2))
X, Y, U = (Tensor(name, ("d", "d")) for name in "XYU")
MX, MY, MU = (Matrix(t["i", "j"], "i", "j") for t in (X, Y, U))
BATCHED = [Matrix(Tensor(name, ("R", "d", "d"))["r", "i", "j"], "i", "j") for name in "XYU"]


def apply(name: str, *premises: Claim, data: tuple[Any, ...] = ()) -> Claim:
    return RULES[name](Context(S, {}), premises, data)


def refused(match: str, name: str, *premises: Claim, data: tuple[Any, ...] = ()) -> None:
    with pytest.raises(KernelError, match=match):
        apply(name, *premises, data=data)


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [(MX, MY), tuple(BATCHED[:2])])
def test_balanced_matrices_have_the_same_singular_values(x: Matrix, y: Matrix):
    balance = Identity(inner_gram(x, "a", "b"), outer_gram(y, "a", "b"))
    data = (x, y, "a", "b")
    assert apply("balanced-spectrum", balance, data=data) == SameSingularValues(x, y)
    refused("must read", "balanced-spectrum", Identity(outer_gram(x, "a", "b"), outer_gram(y, "a", "b")), data=data)
    refused("must read", "balanced-spectrum", Identity(inner_gram(x, "a", "b"), inner_gram(y, "a", "b")), data=data)
    refused("must read", "balanced-spectrum", balance, data=(y, x, "a", "b"))
    refused("must read", "balanced-spectrum", balance, data=(x, y, "a", "c"))
    refused("not free to be used", "balanced-spectrum", balance, data=(x, y, "a", "a"))
    refused("not free to be used", "balanced-spectrum", balance, data=(x, y, "a", "_column"))


def test_indices_of_a_matrix():
    with pytest.raises(KernelError, match="two of the free indices"):
        Matrix(X["i", "j"], "i", "i")
    with pytest.raises(KernelError, match="two of the free indices"):
        Matrix(X["i", "j"], "i", "k")
    odd = Matrix(Tensor("X", ("R", "d", "d"))["_row", "i", "j"], "i", "j")
    refused("belong to the kernel", "balanced-spectrum", Identity(P2, P2), data=(odd, odd, "a", "b"))
    mixed = (BATCHED[0], MY, "a", "b")
    refused("the same other indices", "balanced-spectrum", Identity(P2, P2), data=mixed)
    names = (BATCHED[0], BATCHED[1], "r", "b")
    refused("not free to be used", "balanced-spectrum", Identity(P2, P2), data=names)
    with pytest.raises(KernelError, match="distinct names"):
        as_matrix(Tensor("X", ("R", "d", "d")), "row")


DEEP = naive.DEEP_TUCKER
TWO = Flow(DEEP, Focus(("m",), (Link(("i", "j"), "m", adjacent=True),)))
FAR = Flow(DEEP, Focus(("m",), (Link(("s", "t"), "m"),)))


def test_all_factors_of_a_balanced_chain():
    left, right = (as_matrix(DEEP.letters(TWO.focus)[f"A[m,{i}]"], "r") for i in "ij")
    balance = Always(Identity(inner_gram(left, "a", "b"), outer_gram(right, "a", "b")), TWO)
    ends = (as_matrix(DEEP.letters(FAR.focus)[f"A[m,{i}]"], "r") for i in "st")
    data = ("a", "b", "s", "t", "r")
    assert apply("balanced-chain-spectrum", balance, data=data) == AtTime(SameSingularValues(*ends), FAR)
    refused("must be Always", "balanced-chain-spectrum", AtTime(balance.claim, TWO), data=data)
    refused("any two adjacent", "balanced-chain-spectrum", Always(balance.claim, FAR), data=data)
    first = Flow(DEEP, Focus(("m",), (Link(("i", "j"), "m", adjacent=True, first=True),)))
    refused("any two adjacent", "balanced-chain-spectrum", Always(balance.claim, first), data=data)
    refused("any two adjacent", "balanced-chain-spectrum", Always(balance.claim, Flow(DEEP, Focus(("m",)))), data=data)
    single = Flow(DEEP, Focus(("m",), (Link(("i",), "m", adjacent=True),)))
    refused("any two adjacent", "balanced-chain-spectrum", Always(balance.claim, single), data=data)
    refused("must read", "balanced-chain-spectrum", balance, data=("b", "c", "s", "t", "r"))
    refused("the data must be", "balanced-chain-spectrum", balance, data=("a", "b"))
    plain = Flow(naive.MATRIX, Focus((), (Link(("k", "l"), adjacent=True),)))
    ends = [as_matrix(t) for t in naive.MATRIX.letters(plain.focus).values()]
    layers = Always(Identity(inner_gram(ends[0], "a", "b"), outer_gram(ends[1], "a", "b")), plain)
    found = apply("balanced-chain-spectrum", layers, data=("a", "b", "s", "t"))
    assert isinstance(found, AtTime) and found.motion == Flow(naive.MATRIX, Focus((), (Link(("s", "t")),)))


def test_the_factors_of_a_chain_are_no_other_blocks() -> None:
    """Modes and positions may have the same name: V[l] is no factor of the chain W[1] ... W[k] beside it."""
    chain = Chain("s", "k", Block("W", ("s",), ()), "r", "z", "h", descending=False)
    body = Product((Each("n", "N", Block("V", ("n",), ("r", "q"))), chain))
    model = Parameterization("both", body, ("z", "q"), (("r", "d"), ("q", "d"), ("z", "e")), "")
    flow = Flow(model, Focus(("l", "m"), (Link(("l", "m"), adjacent=True),)))
    one, other = (as_matrix(model.letters(flow.focus)[name]) for name in ("V[l]", "V[m]"))
    balance = Always(Identity(inner_gram(one, "i", "j"), outer_gram(other, "i", "j")), flow)
    refused("other blocks are named", "balanced-chain-spectrum", balance, data=("i", "j", "l", "z"))
    one, other = (as_matrix(model.letters(flow.focus)[name]) for name in ("W[l]", "W[m]"))
    layers = Always(Identity(inner_gram(one, "i", "j"), outer_gram(other, "i", "j")), flow)
    refused("other blocks are named", "balanced-chain-spectrum", layers, data=("i", "j", "s", "t"))


@pytest.mark.parametrize(("x", "u"), [(MX, MU), (BATCHED[0], BATCHED[2])])
def test_the_spectral_decomposition(x: Matrix, u: Matrix):
    more = tuple(pair for pair in x.entries.free if pair[0] == "r")
    values = Tensor("v", (*(size for _, size in more), "d"))[(*(name for name, _ in more), "j")]
    turned = u.entries.rename({"i": "a", "j": "l"})
    whole = (turned * values.rename({"j": "l"}) * turned.rename({"a": "b"})).sum("l")
    first = Identity(outer_gram(x, "a", "b"), whole)
    unit = identity("a", "b", "d") * constant(1, *more)
    second = Identity(inner_gram(u, "a", "b"), unit)
    data = (x, u, values, "a", "b")
    found = SquaredSingularValues(x, values.rename({"j": "i"}))
    assert apply("spectral-decomposition", first, second, data=data) == found
    assert apply("rank-is-count", found) == RankIsCount(x, found.values)
    refused("first premise", "spectral-decomposition", second, second, data=data)
    refused("second premise", "spectral-decomposition", first, first, data=data)
    refused("not free to be used", "spectral-decomposition", first, second, data=(x, u, values, "j", "b"))
    refused(
        "the column index", "spectral-decomposition", first, second, data=(x, u, values.rename({"j": "k"}), "a", "b")
    )
    wide = Matrix(Tensor("U", (*(size for _, size in more), "d", "e"))[(*(n for n, _ in more), "i", "j")], "i", "j")
    refused("must be square", "spectral-decomposition", first, second, data=(x, wide, values, "a", "b"))
    refused("must be Squared", "rank-is-count", RankAtMostRows(x))


def test_ranks():
    M = Matrix(Tensor("M", ("d", "e"))["p", "q"], "p", "q")
    L, R = Matrix(Tensor("L", ("c", "d"))["i", "p"], "i", "p"), Matrix(Tensor("K", ("e", "f"))["q", "j"], "q", "j")
    W = Matrix(Tensor("W", ("c", "f"))["i", "j"], "i", "j")
    product = multiply(multiply(L, M), R).entries.rename({"_row": "i", "_column": "j"})
    assert apply("rank-of-a-product", Identity(W.entries, product), data=(W, L, M, R)) == RankAtMost(W, M)
    refused("must read", "rank-of-a-product", Identity(product, W.entries), data=(W, L, M, R))
    refused("two sizes|must read|would have", "rank-of-a-product", Identity(W.entries, product), data=(W, M, L, R))
    assert apply("rank-of-rows", data=(M,)) == RankAtMostRows(M)


def test_the_frobenius_norm_by_the_spectral_norm():
    M, s = Tensor("M", ("R", "d", "e")), Tensor("s", ("R",))
    square = (M["r", "a", "b"] * M["r", "a", "b"]).sum("a", "b")
    bound = constant(1, ("n", "e")).sum("n") * s["r"] * s["r"]
    norm = SpectralNorm(M, s)
    assert apply("frobenius-by-spectral-norm", norm, data=("r",)) == Inequality(square, "<=", bound)
    refused("each a name", "frobenius-by-spectral-norm", norm, data=())
    refused("each a name", "frobenius-by-spectral-norm", norm, data=(1,))
    refused("each a name", "frobenius-by-spectral-norm", SpectralNorm(M, Tensor("s", ())), data=())


# -- at instances ------------------------------------------------------------------------------------------------------


def entries(shape: tuple[int, ...], *values: int | Fraction) -> Array:
    return Array(shape, tuple(map(Fraction, values)))


def fails(claim: Any, **arrays: Array) -> str:
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        for tensor in (X, Y, Tensor("v", ("d",)), Tensor("X", ("R", "d", "d")), Tensor("Y", ("R", "d", "d"))):
            if tensor.name == name and len(tensor.sizes) == len(array.shape):
                sizes |= dict(zip(tensor.sizes, array.shape, strict=True))

    def value(term: Term) -> Array:
        return evaluate(term, arrays, sizes)

    return spectral_failure(claim, value)


EYE, TURN, ZERO = entries((2, 2), 1, 0, 0, 1), entries((2, 2), 0, -1, 1, 0), entries((2, 2), 0, 0, 0, 0)
ROWS = entries((2, 2), 1, 2, 2, 4)
v = Tensor("v", ("d",))["i"]


@pytest.mark.parametrize(
    ("claim", "arrays", "reason"),
    [
        (SameSingularValues(MX, MY), {"X": EYE, "Y": TURN}, ""),
        (SameSingularValues(MX, MY), {"X": EYE, "Y": ROWS}, "nonzero singular values differ"),
        (SameSingularValues(MX, MY), {"X": ZERO, "Y": ZERO}, ""),
        (RankAtMost(MX, MY), {"X": ROWS, "Y": EYE}, ""),
        (RankAtMost(MX, MY), {"X": EYE, "Y": ROWS}, "the ranks are 2 and 1"),
        (RankAtMostRows(MX), {"X": ROWS}, ""),
        (RankAtMostRows(MX, equal=True), {"X": ROWS}, "the rank is 1, there are 2 nonzero rows"),
        (RankAtMostRows(MX, equal=True), {"X": EYE}, ""),
        (SquaredSingularValues(MX, v), {"X": ROWS, "v": entries((2,), 0, 25)}, ""),
        (SquaredSingularValues(MX, v), {"X": ROWS, "v": entries((2,), 1, 24)}, "squared singular values are others"),
        (RankIsCount(MX, v), {"X": ROWS, "v": entries((2,), 0, 3)}, ""),
        (RankIsCount(MX, v), {"X": ROWS, "v": entries((2,), 1, 3)}, "the rank is 1, 2 values are not 0"),
    ],
)
def test_claims_at_instances(claim: Any, arrays: dict[str, Array], reason: str):
    assert fails(claim, **arrays) == reason or (reason and reason in fails(claim, **arrays))


def test_claims_about_families_at_instances():
    both = entries((2, 1, 1), 1, 2), entries((2, 1, 1), 1, 3)
    assert "at (1,)" in fails(SameSingularValues(BATCHED[0], BATCHED[1]), X=both[0], Y=both[1])
    for claim in (SameSingularValues(BATCHED[0], MY), RankAtMost(BATCHED[0], MY)):
        with pytest.raises(KernelError, match="same other indices"):
            fails(claim, X=entries((1, 2, 2), 1, 0, 0, 1), Y=EYE)
    with pytest.raises(KernelError, match="need the row index"):
        fails(SquaredSingularValues(MX, Tensor("v", ("d",))["k"]), X=EYE, v=entries((2,), 1, 1))


def test_spectral_norms_at_instances():
    assert norm_failure(ROWS, entries((), 5)) == ""
    assert norm_failure(EYE, entries((), 1)) == ""
    assert "not the spectral norm" in norm_failure(ROWS, entries((), 6))
    assert "not the spectral norm" in norm_failure(ROWS, entries((), 0))  # another eigenvalue, not the largest
    assert "not the spectral norm" in norm_failure(EYE, entries((), -1))
    assert "at (1,)" in norm_failure(entries((2, 1, 1), 1, 2), entries((2,), 1, 1))
    with pytest.raises(KernelError, match="does not have norms"):
        norm_failure(EYE, entries((1,), 1))
    with pytest.raises(KernelError, match="does not have norms"):
        norm_failure(entries((2,), 1, 1), entries((), 1))


@pytest.mark.parametrize("number", range(24))
def test_in_numbers(number: int):
    """Random balanced pairs and products: singular values by mpmath with 50 digits, ranks against the determinant of
    minors; the exact comparisons agree with both."""
    random = Random(number)
    n = random.randint(1, 3)
    with mpmath.workdps(50):
        raw = mpmath.matrix([[mpmath.mpf(random.randint(-5, 5)) for _ in range(n)] for _ in range(n)])
        left, values, right = mpmath.svd_r(raw)
        first = left * mpmath.diag(values) * right
        turned = mpmath.qr(mpmath.matrix([[random.gauss(0, 1) for _ in range(n)] for _ in range(n)]))[0]
        second = right.T * mpmath.diag(values) * turned
        assert mpmath.mnorm(first.T * first - second * second.T) < mpmath.mpf(10) ** -40  # balanced
        assert max(abs(a - b) for a, b in zip(mpmath.svd_r(second, compute_uv=False), values, strict=True)) < 1e-40
        frobenius = mpmath.norm(raw, 2)
        assert frobenius**2 <= n * max(values) ** 2 * (1 + mpmath.mpf(10) ** -40)
    exact = entries((n, n), *(int(raw[i, j]) for i in range(n) for j in range(n)))
    permuted = entries((n, n), *(int(raw[n - 1 - i, j]) for i in range(n) for j in range(n)))
    assert fails(SameSingularValues(MX, MY), X=exact, Y=permuted) == ""
    rank = sum(bool(value > 1e-40) for value in values)
    assert fails(RankIsCount(MX, v), X=exact, v=entries((n,), *([1] * rank + [0] * (n - rank)))) == ""
