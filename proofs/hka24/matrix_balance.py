"""What matrix balance says of singular values (HKA24 Appendix A.4: equations 10 and 11, equal singular values).

Let X = A_i and Y = A_{i+1} be adjacent matrices of one column, X^T X = Y Y^T. They have the same singular values: those
of X squared are the eigenvalues of X^T X, and those of Y squared are the eigenvalues of Y Y^T. The product A of all
matrices has A^T A = V diag(σ^(2k)) V^T where the last matrix is U diag(σ) V^T, by induction on the number of factors.
"""

from dataclasses import replace

from theorytest import (
    All,
    Assumption,
    AtStart,
    Flow,
    Focus,
    Identity,
    Inequality,
    Instance,
    Link,
    Source,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    identity,
    proof,
    zero,
)
from theorytest.derive.moment import along_chain, at_time, parts
from theorytest.kernel.claim import AtTime, Iteration, LastFactor, Matrix, SameSingularValues, SquaredSingularValues
from theorytest.kernel.rules import Square, Use
from theorytest.kernel.spectra import as_matrix
from theorytest.models import DEEP_TUCKER

from .column_norms import COLUMNS, DEEP, FACTORS, ROWS, balanced_matrices, edge, one_column, partial
from .flow_equations import LOSS, MATRIX_BALANCE, PLAIN, chain, flow
from .norm_balance import any_numbers, array

one = constant(1)


def product(left, right):
    """The matrix product of two terms in the indices i, j."""
    return (left.rename({"j": "_k"}) * right.rename({"i": "_k"})).sum("_k")


def transposed(term):
    """The transposed matrix."""
    return term.rename({"i": "j", "j": "i"})


def square(*names):
    """Square matrices of one size, as terms in the indices i, j."""
    return tuple(Tensor(name, ("d", "d"))["i", "j"] for name in names)


def diagonal(vector):
    """diag(vector)."""
    return vector["i"] * identity("i", "j", "d")


def orthogonal(term):
    """U^T U = I."""
    return Identity(product(transposed(term), term), identity("i", "j", "d"))


# -- equations 10 and 11 -----------------------------------------------------------------------------------------------

X, Y, U1, V1, U2, V2, Z, R, V = square("X", "Y", "U", "V", "U'", "V'", "Z", "R", "V''")
sigma, sigma2, tau = (Tensor(name, ("d",)) for name in ("σ", "σ'", "τ"))
BALANCED = Assumption(
    "matrix balance",
    "X^T X = Y Y^T, where X = A_i and Y = A_{i+1}",
    Identity(product(transposed(X), X), product(Y, transposed(Y))),
)


def decomposition(label, term, left, values, right, *more):
    """A singular value decomposition."""
    words = f"{label} = U S V^T is a singular value decomposition"
    whole = product(product(left, diagonal(values)), transposed(right))
    return Assumption(label, words, All((Identity(term, whole), orthogonal(left), orthogonal(right), *more)))


OF_X = decomposition("X", X, U1, sigma, V1)
OF_Y = decomposition("Y", Y, U2, sigma2, V2)
SMALL_MATRICES = ("X", "U", "V", "Y", "U'", "V'")
BALANCE_DEVIATIONS = (
    "two adjacent matrices of one column, balanced at all times where they are at the start (HKA24-Eq9/balance)",
)


def letters(d, **values):
    """An instance of matrices and vectors of dimension d."""
    names = {"U2": "U'", "V2": "V'", "V3": "V''", "s": "σ", "s2": "σ'", "t": "τ"}
    made = tuple(
        (names.get(name, name), array((d,) if name in ("s", "s2", "t") else (d, d), *entries))
        for name, entries in values.items()
    )
    return Instance(letters=made)


EYE, TURN, SWAP = (1, 0, 0, 1), (0, -1, 1, 0), (0, 1, 1, 0)
# X = diag(2, 1) turned, Y = diag(2, 1): X^T X = diag(4, 1) = Y Y^T
PAIR = letters(2, X=(0, -1, 2, 0), U=TURN, V=EYE, s=(2, 1), Y=(2, 0, 0, 1), U2=EYE, V2=EYE, s2=(2, 1))

equation_10 = Statement(
    id="HKA24-Eq10",
    label="HKA24-Eq10",
    kind="fact",
    title="Under matrix balance V_i S_i^2 V_i^T = U_{i+1} S_{i+1}^2 U_{i+1}^T",
    source=Source("HKA24", "equation 10"),
    assumptions=(BALANCED, OF_X, OF_Y),
    claim=Identity(
        product(product(V1, diagonal(sigma)), product(diagonal(sigma), transposed(V1))),
        product(product(U2, diagonal(sigma2)), product(diagonal(sigma2), transposed(U2))),
    ),
    scope="all real square matrices of any size",
    example=PAIR,
    deviations=BALANCE_DEVIATIONS,
)


@proof(equation_10)
def both_grams(derive):
    x, y = parts(derive, derive.assume("X")), parts(derive, derive.assume("Y"))
    goal, balance = equation_10.claim, derive.assume("matrix balance")
    left = derive.equal("X^T X = V S^2 V^T", balance.claim.lhs, goal.lhs, (x[0], x[1]))
    right = derive.equal("Y Y^T = U S^2 U^T", balance.claim.rhs, goal.rhs, (y[0], y[2]))
    uses = (Use(0, -one, (), ()), Use(1, one, (), ()), Use(2, one, (), ()))
    derive.apply("combination", left, balance, right, data=(goal, *uses), text="both are equal")


@control(equation_10, breaks="side of the transpose")
def left_vectors_of_the_first():
    """U_i S_i^2 U_i^T on the left."""
    turned = product(product(U1, diagonal(sigma)), product(diagonal(sigma), transposed(U1)))
    return Identity(turned, equation_10.claim.rhs), Witness(PAIR)


@control(equation_10, breaks="matrix balance")
def unbalanced():
    """Without matrix balance."""
    apart = letters(2, X=EYE, U=EYE, V=EYE, s=(1, 1), Y=(2, 0, 0, 2), U2=EYE, V2=EYE, s2=(2, 2))
    return None, Witness(apart)


@control(equation_10, breaks="exponent 2")
def first_powers():
    """First powers of the singular values on the right."""
    once = product(product(U2, diagonal(sigma2)), transposed(U2))
    return Identity(equation_10.claim.lhs, once), Witness(PAIR)


equation_10_letters = (
    any_numbers(equation_10, "any_decomposition_of_the_first", OF_X, σ=5),
    any_numbers(equation_10, "any_decomposition_of_the_second", OF_Y, **{"σ'": 5}),
)


# Equation 11: O = V_i^T U_{i+1}. The singular values of both are σ, in the same order (HKA24-SameSV).
SAME_Y = decomposition("Y", Y, U2, sigma, V2, Identity(product(U2, transposed(U2)), identity("i", "j", "d")))
SAME_X = decomposition(
    "X",
    X,
    U1,
    sigma,
    V1,
    Identity(product(V1, transposed(V1)), identity("i", "j", "d")),
    Inequality(zero(("i", "d")), "<=", sigma["i"]),
)
O = product(transposed(V1), U2)
NEXT = Assumption(
    "one more factor",
    "Z = U_{i+1} R T V^T with R orthogonal and R S = S R (the product of the factors after A_i, by induction)",
    All(
        (
            Identity(Z, product(product(product(U2, R), diagonal(tau)), transposed(V))),
            orthogonal(R),
            Identity(product(R, diagonal(sigma)), product(diagonal(sigma), R)),
        )
    ),
)
OR = product(O, R)
equation_11 = Statement(
    id="HKA24-Eq11",
    label="HKA24-Eq11",
    kind="fact",
    title="U_{i+1} = V_i O, O orthogonal and O S = S O; so A_i (U_{i+1} R T V^T) = U_i (O R) (S T) V^T",
    source=Source("HKA24", "equation 11"),
    assumptions=(BALANCED, SAME_X, SAME_Y, NEXT),
    claim=All(
        (
            Identity(U2, product(V1, O)),
            orthogonal(O),
            Identity(product(O, diagonal(sigma)), product(diagonal(sigma), O)),
            Identity(
                product(X, Z), product(product(U1, OR), product(diagonal(sigma), product(diagonal(tau), transposed(V))))
            ),
            orthogonal(OR),
            Identity(product(OR, diagonal(sigma)), product(diagonal(sigma), OR)),
        )
    ),
    scope="all real square matrices of any size; every number of factors, one after the other",
    example=replace(
        PAIR,
        letters=(
            *(l for l in PAIR.letters if l[0] != "σ'"),
            *letters(2, Z=(2, 0, 0, 1), R=EYE, t=(2, 1), V3=EYE).letters,
        ),
    ),
    deviations=(
        *BALANCE_DEVIATIONS,
        "both decompositions have the same singular values in the same order (HKA24-SameSV), and square factors",
        "O commutes with S: it is block diagonal along equal singular values",
        "the product of all O_i is built one factor at a time, from the right: R is the product so far, T = S^j",
    ),
)


def vanishing(derive, term, squared):
    """term = 0, from term^2 <= 0."""
    nothing = zero(*term.free)
    trivial = derive.at_most("0 <= 0", nothing, nothing)
    low = derive.apply("square-root", trivial, squared, data=(Inequality(term, "<=", nothing),), text="the root")
    high = derive.apply(
        "square-root", trivial, squared, data=(Inequality(-term, "<=", nothing),), text="the other root"
    )
    high = derive.at_most("turned", nothing, term, (high,), [Use(0, one, (), ())])
    return derive.apply("both-ways", low, high, text="so it is 0")


def commuting(derive, x, y, balance):
    """O S = S O: O S^2 = S^2 O by balance, so that o^2 (σ_j - σ_i)^4 <= o^2 (σ_j - σ_i)^2 (σ_j + σ_i)^2 = 0."""
    twice, turned = product(diagonal(sigma), diagonal(sigma)), transposed(V1)
    left, right = (product(product(turned, side), U2) for side in (balance.claim.lhs, balance.claim.rhs))
    first = derive.equal("V^T X^T X U' = S^2 O", left, product(twice, O), x[:3])
    second = derive.equal("V^T Y Y^T U' = O S^2", right, product(O, twice), (y[0], y[2], y[1]))
    middle = derive.equal("balance", left, right, (balance,))
    goal = Identity(product(O, twice), product(twice, O))
    uses = (Use(0, one, (), ()), Use(1, -one, (), ()), Use(2, -one, (), ()))
    squares = derive.apply("combination", first, second, middle, data=(goal, *uses), text="O S^2 = S^2 O")
    gap, total = sigma["j"] - sigma["i"], sigma["j"] + sigma["i"]
    nothing = zero(("i", "d"), ("j", "d"))
    positive = derive.at_most(
        "0 <= 4 σ_i σ_j", nothing, sigma["i"] * sigma["j"] * 4, x[4:], [Use(0, sigma["j"] * 4, (), ())]
    )
    square = derive.at_most("a square", nothing, O * gap * O * gap, by=[Square(O * gap, ())])
    both = derive.apply("product-of-signs", square, positive, text="(σ_j - σ_i)^2 <= (σ_j + σ_i)^2")
    once = O * gap * gap
    squared = derive.at_most(
        "times o^2 (σ_j - σ_i)^2",
        once * once,
        nothing,
        (both, squares),
        [Use(0, one, (), ()), Use(1, O * gap * total, (), ())],
    )
    none = vanishing(derive, once, squared)
    squared = derive.at_most("so is o (σ_j - σ_i), squared", O * gap * O * gap, nothing, (none,), [Use(0, O, (), ())])
    none = vanishing(derive, O * gap, squared)
    goal = equation_11.claim.claims[2]
    return derive.apply("combination", none, data=(goal, Use(0, one, (), ())), text="O S = S O")


@proof(equation_11)
def by_uniqueness_of_eigenspaces(derive):
    x, y = parts(derive, derive.assume("X")), parts(derive, derive.assume("Y"))
    z = parts(derive, derive.assume("one more factor"))
    goals = equation_11.claim.claims
    commutes = commuting(derive, x, y, derive.assume("matrix balance"))
    derive.both(
        derive.equal("V V^T U'", goals[0].lhs, goals[0].rhs, (x[3],)),
        derive.equal("U'^T V V^T U'", goals[1].lhs, goals[1].rhs, (x[3], y[1])),
        commutes,
        derive.equal("S moves to the left", goals[3].lhs, goals[3].rhs, (x[0], z[0], z[2], commutes)),
        derive.equal("R^T O^T O R", goals[4].lhs, goals[4].rhs, (x[3], y[1], z[1])),
        derive.equal("S moves to the left", goals[5].lhs, goals[5].rhs, (z[2], commutes)),
    )


MORE = letters(2, Z=(2, 0, 0, 1), R=EYE, t=(2, 1), V3=EYE).letters
EQUAL_VALUES = letters(2, X=EYE, U=EYE, V=EYE, s=(1, 1), Y=TURN, U2=TURN, V2=EYE)


@control(equation_11, breaks="O")
def no_rotation():
    """O = I, also for repeated singular values."""
    return Identity(U2, V1), Witness(
        replace(EQUAL_VALUES, letters=(*EQUAL_VALUES.letters, *letters(2, Z=TURN, R=EYE, t=(1, 1), V3=EYE).letters))
    )


@control(equation_11, breaks="order of the factors")
def exchanged_ends():
    """V'' and U_i exchanged in the product."""
    wrong = product(V, product(OR, product(diagonal(sigma), product(diagonal(tau), transposed(U1)))))
    return Identity(product(X, Z), wrong), Witness(equation_11.example)


@control(equation_11, breaks="matrix balance")
def unbalanced_matrices():
    """Without matrix balance (the same singular values, other singular vectors): O S = S O fails."""
    apart = letters(2, X=(2, 0, 0, 1), U=EYE, V=EYE, s=(2, 1), Y=(0, 1, 2, 0), U2=SWAP, V2=EYE)
    more = letters(2, Z=(0, 1, 2, 0), R=EYE, t=(2, 1), V3=EYE).letters
    return equation_11.claim.claims[2], Witness(replace(apart, letters=(*apart.letters, *more)))


equation_11_letters = (
    any_numbers(equation_11, "any_decomposition_of_the_first", SAME_X, U=0),
    any_numbers(equation_11, "any_decomposition_of_the_second", SAME_Y, **{"U'": 0, "Z": 0}),
    any_numbers(equation_11, "any_next_factor", NEXT, Z=5),
)


# -- equal singular values ---------------------------------------------------------------------------------------------

far = Flow(DEEP_TUCKER, Focus(("m",), (Link(("i", "j"), "m"),)))
ends = [DEEP_TUCKER.letters(far.focus)[name] for name in ("A[m,i]", "A[m,j]")]
last = Tensor("A_k", (COLUMNS, "e", ROWS))
basis, values, powers = (
    Tensor("V_k", (COLUMNS, ROWS, ROWS)),
    Tensor("σ²", (COLUMNS, ROWS)),
    Tensor("σ^(2k)", (COLUMNS, ROWS)),
)
unit = constant(1, ("r", COLUMNS)) * identity("a", "b", ROWS)
LAST = Assumption(
    "A_k", "A_k is the last matrix", LastFactor(last, Flow(DEEP_TUCKER, Focus(("m",), (Link(("k",), "m"),))))
)
OF_LAST = Assumption(
    "singular values",
    "σ are the singular values of A_k, V_k its right singular vectors: A_k^T A_k = V_k diag(σ^2) V_k^T",
    All(
        (
            Identity(
                (last["r", "p", "a"] * last["r", "p", "b"]).sum("p"),
                (basis["r", "a", "l"] * values["r", "l"] * basis["r", "b", "l"]).sum("l"),
            ),
            Identity((basis["r", "l", "a"] * basis["r", "l", "b"]).sum("l"), unit),
        )
    ),
)
ones = constant(1, ("l", ROWS), ("r", COLUMNS))
OF_POWER = Assumption(
    "σ^(2k)",
    "σ^(2k) is the k-th power of σ^2",
    Iteration(powers, ("r", "l"), ones, powers["r", "l"] * values["r", "l"], FACTORS),
)
whole = Matrix(chain["r", "i", "c"], "c", "i")  # A^T, whose squared singular values are the eigenvalues of A^T A


def turning(first=(4, 0, 0, 3), second=(0, 4, -3, 0), squares=(9, 16), gram=(1, 0, 0, 1)):
    """Two matrices in mode 1, of norm 5 unless given; ``squares``: the eigenvalues of A_2^T A_2; ``gram``: V_2."""
    made = one_column(5, 0, matrices=(first, second), norm=5)
    more = (
        ("A_k", array((1, 2, 2), *second)),
        ("V_k", array((1, 2, 2), *gram)),
        ("σ²", array((1, 2), *squares)),
        ("σ^(2k)", array((1, 2), *(x**2 for x in squares))),
    )
    members = (("m", 1), ("m/i", 1), ("m/j", 2))
    return replace(made, members=members, letters=(*made.letters, *more))


same_singular_values = Statement(
    id="HKA24-SameSV",
    label="HKA24-SameSV",
    kind="fact",
    title="Under matrix balance all A_i have the same singular values σ, and those of A = A_1 ... A_k are σ^k",
    source=Source("HKA24", "Appendix A.4"),
    assumptions=(LOSS, PLAIN, MATRIX_BALANCE, DEEP, LAST, OF_LAST, OF_POWER),
    claim=All(
        (
            AtTime(SameSingularValues(*(as_matrix(end, "r") for end in ends)), far),
            AtTime(SquaredSingularValues(whole, powers["r", "c"]), flow),
        )
    ),
    scope="all orders, shapes, losses, numbers of factors; all times",
    example=turning(),
    deviations=(
        "stated on the interval of existence",
        "inner dimensions may differ: the matrices then have the same nonzero singular values",
    ),
)


INTERTWINED = (
    Identity(
        (edge["r", "p", "_e"] * edge["r", "_s", "_e"] * partial.rename({"p": "_s"})).sum("_e", "_s"),
        (partial.rename({"q": "_q"}) * last["r", "_p", "_q"] * last["r", "_p", "q"]).sum("_q", "_p"),
    ),
    Identity(
        (partial.rename({"q": "a"}) * partial.rename({"q": "b"})).sum("p"),
        (basis["r", "a", "l"] * powers["r", "l"] * basis["r", "b", "l"]).sum("l"),
    ),
)


def from_the_last(inner, given, goals):
    inner.equal("one factor", goals[0].lhs, goals[0].rhs)
    inner.equal("one factor", goals[1].lhs, goals[1].rhs, given[:1])


def one_more(inner, given, goals):
    """N^T N = E E^T, and E E^T Z = Z A_k^T A_k: so Z^T N^T N Z = Z^T Z A_k^T A_k."""
    gram, orthonormal, _, balanced, moved, squared = given
    inner.equal("N N^T N Z", goals[0].lhs, goals[0].rhs, (balanced, moved))
    inner.equal("Z^T N^T N Z", goals[1].lhs, goals[1].rhs, (balanced, moved, squared, gram, orthonormal))


@proof(same_singular_values)
def by_induction_on_the_factors(derive):
    balanced = balanced_matrices(derive)
    adjacent = derive.apply(
        "balanced-chain-spectrum", balanced, data=("b", "c", "i", "j", "r"), text="from factor to factor"
    )
    gram, orthonormal = parts(derive, derive.assume("singular values"))
    facts = (gram, orthonormal, balanced, derive.assume("k >= 1"), derive.assume("A_k"), derive.assume("σ^(2k)"))
    found = along_chain(
        derive, flow, 1, facts, INTERTWINED, from_the_last, one_more, "induction on the number of factors"
    )

    def spectrum(inner, squared, orthonormal):
        data = (whole, Matrix(basis["r", "c", "l"], "c", "l"), powers["r", "l"], "a", "b")
        inner.apply("spectral-decomposition", squared, orthonormal, data=data, text="the eigenvalues of A^T A")

    derive.both(adjacent, at_time(derive, flow, (found, orthonormal), spectrum, "singular values of the product"))


@control(same_singular_values, breaks="matrix balance")
def without_balance():
    """Without matrix balance."""
    return None, Witness(turning((1, 0, 0, 1), (2, 0, 0, 2), (4, 4)))


@control(same_singular_values, breaks="matrix balance")
def norm_balance_only():
    """Matrices of equal norm, not balanced."""
    start = Identity(
        (ends[0]["r", "p", "b"] * ends[0]["r", "p", "b"]).sum("p", "b"),
        (ends[1]["r", "b", "p"] * ends[1]["r", "b", "p"]).sum("p", "b"),
    )
    equal = Assumption("norms", "||A_i|| = ||A_j|| at the start", AtStart(start, far))
    kept = tuple(equal if a is MATRIX_BALANCE else a for a in same_singular_values.assumptions)
    return replace(same_singular_values, assumptions=kept), Witness(turning((5, 0, 0, 0), (4, 0, 0, 3), (16, 9)))


@control(same_singular_values, breaks="exponent k")
def first_powers_of_the_product():
    """The singular values of the product are σ, not σ^k."""
    return AtTime(SquaredSingularValues(whole, values["r", "c"]), flow), Witness(turning())


same_singular_values_letters = (
    any_numbers(same_singular_values, "any_last_matrix", LAST, **{"A_k": 0, "σ²": 0, "σ^(2k)": 0}),
    any_numbers(same_singular_values, "any_values", OF_LAST, **{"σ²": 7, "σ^(2k)": 49}),
    any_numbers(same_singular_values, "any_powers", OF_POWER, **{"σ^(2k)": 7}),
)
