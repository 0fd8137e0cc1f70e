"""Unfoldings, higher-order singular value decomposition and multilinear rank (HKA24 Section 2, Appendix A.1 and A.5).

The unfolding of Lemma A.1 as printed goes with the increasing Kronecker product, that of the matrix form of the Tucker
factorization with the decreasing one: the order of the columns has to be lexicographic in the first, and that of Kolda
and Bader in the second.
"""

from dataclasses import replace
from math import prod

from theorytest import (
    All,
    Assumption,
    Identity,
    Inequality,
    Instance,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    identity,
    proof,
    refuted,
    zero,
)
from theorytest.kernel.claim import (
    HigherOrderSVD,
    Matricization,
    Matrix,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
    SquaredSingularValues,
    TuckerNorm,
)
from theorytest.kernel.modes import OrthogonalMode
from theorytest.kernel.rules import OneMode, Use
from theorytest.kernel.terms import constant
from theorytest.kernel.unfolding import one_mode

from .norm_balance import any_numbers, array


def statement(name, kind, title, locator, claim, scope, deviations=(), assumptions=(), example=None):
    """A statement about tensors that do not move."""
    return Statement(
        id=name.removesuffix("/printed"), label=name, kind=kind, title=title, source=Source("HKA24", locator),
        assumptions=assumptions, claim=claim, scope=scope, deviations=deviations, example=example,
    )  # fmt: skip


def letters(**arrays):
    """An instance of letters; name = (shape, entries)."""
    return Instance(letters=tuple((name, array(shape, *entries)) for name, (shape, entries) in arrays.items()))


def counting(*shape):
    """The entries 1, 2, 3, ... of a shape."""
    return shape, tuple(range(1, prod(shape) + 1))


ORDER_3 = {f"w[{n}]": ((d,), tuple(range(1, d + 1))) for n, d in enumerate((2, 3, 4), 1)}
PAIRING = letters(A=counting(2, 3, 4), **ORDER_3)
FACTORS = letters(
    G=counting(2, 3, 2), **{f"V[{n}]": counting(*shape) for n, shape in enumerate(((2, 3), (3, 2), (2, 4)), 1)}
)


def derive_unfolding(derive, claim):
    """The formula for one mode, all others merged into one index."""
    inner = derive.inner()
    goal = one_mode(claim.formula)
    inner.equal("one mode", goal.lhs, goal.rhs)
    return derive.apply("matricization", data=(claim, inner.derivation()), text="both number the other modes alike")


# -- Lemma A.1 ---------------------------------------------------------------------------------------------------------

lemma_a1 = statement(
    "HKA24-LemA.1",
    "lemma",
    "<A, w^1 (x) ... (x) w^N> = <[A]_(n) (Kronecker product of the other w), w^n>",
    "Lemma A.1",
    All(
        (
            Matricization("pairing", "lexicographic", "increasing"),
            Matricization("pairing", "Kolda-Bader", "decreasing"),
        )
    ),
    "all orders, modes, shapes",
    ("lexicographic columns with the increasing product (printed), or Kolda and Bader's with the decreasing one",),
)


@proof(lemma_a1)
def equal_numberings(derive):
    derive.both(*(derive_unfolding(derive, claim) for claim in lemma_a1.claim.claims))


@control(lemma_a1, breaks="lexicographic columns")
def kolda_bader_columns():
    """The increasing product with the columns of Kolda and Bader."""
    return Matricization("pairing", "Kolda-Bader", "increasing"), Witness(PAIRING)


@control(lemma_a1, breaks="Kolda-Bader columns")
def lexicographic_columns():
    """The decreasing product with lexicographic columns."""
    return Matricization("pairing", "lexicographic", "decreasing"), Witness(PAIRING)


printed = replace(
    statement(
        "HKA24-LemA.1/printed", "lemma", "Lemma A.1 (increasing product) with the unfolding of the matrix form of W",
        "Lemma A.1", Matricization("pairing", "Kolda-Bader", "increasing"), "all orders, modes, shapes",
        ("one unfolding for the whole paper: the decreasing product in [W]_(n) asks for Kolda and Bader's columns",),
    ),
    expected="REFUTED",
)  # fmt: skip


@refuted(printed)
def a_tensor_of_unequal_dimensions(run):
    return Witness(PAIRING)


# -- the matrix form ---------------------------------------------------------------------------------------------------

matrix_form = statement(
    "HKA24-MatId",
    "fact",
    "[W]_(n) = V^(n) [G]_(n) (V^(N) ⊙ ... ⊙ V^(n+1) ⊙ V^(n-1) ⊙ ... ⊙ V^(1))^T, columns of Kolda and Bader",
    "Appendix A.5",
    Matricization("Tucker", "Kolda-Bader", "decreasing"),
    "all orders, modes, shapes",
)


@proof(matrix_form)
def equal_orders(derive):
    derive_unfolding(derive, matrix_form.claim)


@control(matrix_form, breaks="columns")
def other_columns():
    """Lexicographic columns with the decreasing product."""
    return Matricization("Tucker", "lexicographic", "decreasing"), Witness(FACTORS)


@control(matrix_form, breaks="decreasing")
def increasing_product():
    """The increasing product with the columns of Kolda and Bader."""
    return Matricization("Tucker", "Kolda-Bader", "increasing"), Witness(FACTORS)


CORE, FACTOR, KRONECKER = Tensor("G", ("R", "Q")), Tensor("V", ("d", "R")), Tensor("K", ("D", "Q"))
W = Tensor("W", ("d", "D"))
UNFOLDED = Assumption(
    "W", "[W]_(n) = V^(n) [G]_(n) K^T (HKA24-MatId)",
    Identity(W["i", "j"], (FACTOR["i", "r"] * CORE["r", "q"] * KRONECKER["j", "q"]).sum("r", "q")),
)  # fmt: skip


@control(matrix_form, breaks="transpose")
def without_the_transpose():
    """K for its transpose, where both are square."""
    square = Tensor("K", ("D", "D"))
    core, w = Tensor("G", ("R", "D")), Tensor("W", ("d", "D"))
    made = [
        Identity(w["i", "j"], (FACTOR["i", "r"] * core["r", "q"] * k).sum("r", "q"))
        for k in (square["j", "q"], square["q", "j"])
    ]
    assumption = Assumption("W", "[W]_(n) = V^(n) [G]_(n) K^T", made[0])
    numbers = letters(G=((1, 2), (1, 0)), V=((1, 1), (1,)), K=((2, 2), (0, 0, 1, 0)), W=((1, 2), (0, 1)))
    return replace(matrix_form, assumptions=(assumption,), claim=made[1]), Witness(numbers)


def rows_and_columns(tensor):
    """A tensor of two legs as a matrix."""
    return Matrix(tensor["i", "j"], "i", "j")


rank_of_w = RankAtMost(rows_and_columns(W), rows_and_columns(CORE))
ranks = statement(
    "HKA24-RankLe",
    "fact",
    "rank [W]_(n) <= rank [G]_(n) <= number of nonzero mode-n slices of G",
    "Appendix A.5",
    All((rank_of_w, RankAtMostRows(rows_and_columns(CORE)))),
    "all orders, modes, shapes",
    ("slices of mode n are the rows of the unfolding",),
    (UNFOLDED,),
    letters(G=((1, 1), (1,)), V=((1, 1), (1,)), K=((1, 1), (1,)), W=((1, 1), (1,))),
)


@proof(ranks)
def rank_of_a_product(derive):
    flipped = Matrix(KRONECKER["j", "q"], "q", "j")
    data = (rows_and_columns(W), Matrix(FACTOR["i", "r"], "i", "r"), rows_and_columns(CORE), flipped)
    first = derive.apply("rank-of-a-product", derive.assume("W"), data=data, text="rank of V G K^T")
    rows = derive.apply("rank-of-rows", data=(rows_and_columns(CORE),), text="the nonzero rows span the row space")
    derive.both(first, rows)


SINGULAR = letters(G=((1, 1), (1,)), V=((1, 1), (0,)), K=((1, 1), (1,)), W=((1, 1), (0,)))


@control(ranks, breaks="first inequality")
def rank_of_the_core_at_most():
    """Equality in the first place: the rank of [G]_(n) is at most that of [W]_(n) (V may be singular)."""
    return RankAtMost(rank_of_w.right, rank_of_w.left), Witness(SINGULAR)


@control(ranks, breaks="second inequality")
def as_many_as_slices():
    """Equality in the second place: linearly dependent slices."""
    claim = RankAtMostRows(rows_and_columns(CORE), equal=True)
    dependent = letters(G=((2, 1), (1, 1)), V=((1, 2), (1, 0)), K=((1, 1), (1,)), W=((1, 1), (1,)))
    return claim, Witness(dependent)


@control(ranks, breaks="W")
def any_tensor():
    """W is any tensor."""
    return None, Witness(letters(G=((1, 1), (0,)), V=((1, 1), (1,)), K=((1, 1), (1,)), W=((1, 1), (1,))))


# -- higher-order singular value decomposition -------------------------------------------------------------------------

decomposition = statement(
    "HKA24-Thm2.3",
    "theorem",
    "Every tensor has a higher-order singular value decomposition",
    "Theorem 2.3 (De Lathauwer, De Moor and Vandewalle)",
    HigherOrderSVD(),
    "all orders, shapes, tensors",
    ("the factors come from the spectral theorem for [T]_(n) [T]_(n)^T",),
)


@proof(decomposition)
def mode_by_mode(derive):
    mode = OrthogonalMode()
    inner = derive.inner(*mode.hypotheses())
    columns, rows, _, rows_of_others, spectrum = inner.given
    back, slices = mode.goals()
    inner.equal("T = C times the factors", back.lhs, back.rhs, (rows, rows_of_others))
    inner.equal("slices of C", slices.lhs, slices.rhs, (rows_of_others, spectrum, columns))
    derive.apply("higher-order-svd", data=(decomposition.claim, inner.derivation()), text="all modes")


FLAT = letters(T=((1, 2, 2), (1, 0, 0, 1)))


@control(decomposition, breaks="all-orthogonal core")
def superdiagonal_core():
    """A superdiagonal core, as for matrices: false from order 3 on."""
    return HigherOrderSVD(superdiagonal=True), Witness(FLAT)


core = Tensor("C", ("d", "e", "f"))
values = [Tensor(name, (size,)) for name, size in zip("λμν", core.sizes, strict=True)]
marks = [Tensor(name, (size,)) for name, size in zip("KLM", core.sizes, strict=True)]
vectors = [Tensor(name, (size,)) for name, size in zip("uvw", core.sizes, strict=True)]


def slices(mode):
    """Slices of the core of order 3 in one mode are orthogonal, with the given squared norms."""
    legs = ["_a", "_b", "_c"]
    one, other = (core[(*legs[:mode], name, *legs[mode + 1 :])] for name in "xy")
    gram = (one * other).sum(*(leg for place, leg in enumerate(legs) if place != mode))
    return Identity(gram, identity("x", "y", core.sizes[mode]) * values[mode]["x"])


ALL_ORTHOGONAL = Assumption(
    "all-orthogonal", "the core has order 3; slices of one mode are orthogonal", All(tuple(map(slices, range(3))))
)


def largest(mark, squares):
    """The mark is 1 at one slice of greatest norm, else 0."""
    (size,) = mark.sizes
    chosen = (mark["_x"] * squares["_x"]).sum("_x") * constant(1, ("x", size))
    return (
        Identity(mark["x"] * mark["x"], mark["x"]),
        Identity(mark["x"].sum("x"), constant(1)),
        Inequality(squares["x"], "<=", chosen),
    )


KEPT = Assumption(
    "kept slices",
    "one slice of greatest norm is kept in every mode",
    All(tuple(part for mark, squares in zip(marks, values, strict=True) for part in largest(mark, squares))),
)


@control(decomposition, breaks="slices of one mode")
def slices_of_different_modes():
    """Slices of different modes of an all-orthogonal core of order 3 are orthogonal, where their shapes agree."""
    cube = Tensor("C", ("d", "d", "f"))
    product = (cube["x", "j", "k"] * cube["j", "y", "k"]).sum("j", "k")
    varied = replace(decomposition, claim=Identity(product, zero(*product.free)))
    return varied, Witness(letters(C=((2, 2, 1), (2, 0, 0, 1))))


@control(decomposition, breaks="no best approximation")
def truncation_is_best():
    """Keeping the slice of greatest norm in every mode of an all-orthogonal core gives a best tensor of rank one."""
    whole = core["a", "b", "c"]
    cut = whole - whole * marks[0]["a"] * marks[1]["b"] * marks[2]["c"]
    rank_one = whole - vectors[0]["a"] * vectors[1]["b"] * vectors[2]["c"]
    claim = Inequality((cut * cut).sum("a", "b", "c"), "<=", (rank_one * rank_one).sum("a", "b", "c"))
    varied = replace(decomposition, assumptions=(ALL_ORTHOGONAL, KEPT), claim=claim)
    first, second, squares = ((2,), (1, 0)), ((2,), (0, 1)), ((2,), (2, 1))
    numbers = letters(
        C=((2, 2, 2), (0, 1, 1, 0, 1, 0, 0, 0)),
        **dict.fromkeys("λμν", squares), **dict.fromkeys("KLMuv", first), w=second,
    )  # fmt: skip
    return varied, Witness(numbers)


MODE = OrthogonalMode()
C = Tensor("C", ("d", "q"))
norms = MODE.values["a"]
ORTHOGONAL = Assumption(
    "U", "the U^(n) are square and orthogonal; K is the Kronecker product of the others", All(MODE.hypotheses()[:4])
)
TENSOR = Assumption(
    "T", "T = C x_1 U^(1) ... x_N U^(N)",
    Identity(MODE.tensor["i", "j"], (MODE.basis["i", "a"] * C["a", "x"] * MODE.others["j", "x"]).sum("a", "x")),
)  # fmt: skip
SLICES = Assumption(
    "all-orthogonal", "slices of C are orthogonal, with squared norms λ",
    Identity((C["a", "x"] * C["b", "x"]).sum("x"), identity("a", "b", "d") * norms),
)  # fmt: skip
unfolded = rows_and_columns(MODE.tensor)
n_rank = statement(
    "HKA24-nRank",
    "fact",
    "For the HOSVD core C the norms of slices are the singular values of [T]_(n), and the n-rank is how many are not 0",
    "Section 2, after Theorem 2.3",
    All((SquaredSingularValues(unfolded, norms.rename({"a": "i"})), RankIsCount(unfolded, norms.rename({"a": "i"})))),
    "all orders, modes, shapes",
    ("all other modes are one index; their orthogonal factors are one orthogonal matrix",),
    (ORTHOGONAL, TENSOR, SLICES),
    letters(
        T=((2, 2), (2, 0, 0, 1)),
        U=((2, 2), (1, 0, 0, 1)),
        K=((2, 2), (1, 0, 0, 1)),
        C=((2, 2), (2, 0, 0, 1)),
        λ=((2,), (4, 1)),
    ),
)


@proof(n_rank)
def by_the_spectral_theorem(derive):
    orthogonal = derive.assume("U")
    u, _, k, _ = (derive.apply("part", orthogonal, data=(n,), text="orthogonal") for n in range(4))
    gram = (MODE.tensor["a", "_j"] * MODE.tensor["b", "_j"]).sum("_j")
    whole = (MODE.basis["a", "l"] * norms.rename({"a": "l"}) * MODE.basis["b", "l"]).sum("l")
    shown = derive.equal(
        "[T] [T]^T = U diag U^T", gram, whole, (derive.assume("T"), k, derive.assume("all-orthogonal"))
    )
    data = (unfolded, Matrix(MODE.basis["i", "l"], "i", "l"), norms.rename({"a": "l"}), "a", "b")
    values = derive.apply("spectral-decomposition", shown, u, data=data, text="eigenvalues")
    derive.both(values, derive.apply("rank-is-count", values, text="nonzero ones"))


@control(n_rank, breaks="U")
def factors_that_are_not_orthonormal():
    """Factors that are not orthonormal."""
    stretched = letters(T=((1, 1), (2,)), U=((1, 1), (2,)), K=((1, 1), (1,)), C=((1, 1), (1,)), λ=((1,), (1,)))
    return None, Witness(stretched)


@control(n_rank, breaks="all-orthogonal")
def slices_that_are_not_orthogonal():
    """A core whose slices are not orthogonal."""
    eye = ((2, 2), (1, 0, 0, 1))
    return None, Witness(letters(T=((2, 2), (1, 0, 1, 0)), U=eye, K=eye, C=((2, 2), (1, 0, 1, 0)), λ=((2,), (1, 1))))


any_tensor_of_the_core = any_numbers(n_rank, "any_tensor_of_the_core", TENSOR, T=0)


@control(n_rank, breaks="squares")
def squared_once_more():
    """The squared norms of slices are the singular values themselves."""
    fourth = norms.rename({"a": "i"}) * norms.rename({"a": "i"})
    return SquaredSingularValues(unfolded, fourth), Witness(n_rank.example)


# -- the norm of a Tucker product --------------------------------------------------------------------------------------

equation_14 = statement(
    "HKA24-Eq14",
    "lemma",
    "||(G - G~) x_1 V^(1) ... x_N V^(N)|| <= ||G - G~|| prod_n ||V^(n)||_2",
    "equation 14",
    TuckerNorm(),
    "all orders, shapes, cores, matrices",
    ("stated for any core, such as G - G~",),
)


@proof(equation_14)
def one_mode_after_the_other(derive):
    mode = OneMode()
    inner = derive.inner(*mode.hypotheses()[:1])
    goal = mode.goals()[0]
    columns = inner.apply("spectral-norm", *inner.given, data=(mode.core,), text="every column")
    inner.at_most("multiplying one mode by V", goal.lhs, goal.rhs, (columns,), [Use(0, constant(1), (), ("q",))])
    derive.apply("tucker-norm", data=(equation_14.claim, inner.derivation()), text="induction over the modes")


@control(equation_14, breaks="all factors")
def one_factor_left_out():
    """The product without the last factor."""
    return TuckerNorm(omitted=1), Witness(letters(G=((1,), (1,)), **{"V[1]": ((1, 1), (2,))}))


@control(equation_14, breaks="norm of the core")
def spectral_norm_of_an_unfolding():
    """The spectral norm of an unfolding of G - G~ in place of its norm."""
    eye = ((2, 2), (1, 0, 0, 1))
    return TuckerNorm(unfolded=True), Witness(letters(G=eye, **{"V[1]": eye, "V[2]": eye}))
