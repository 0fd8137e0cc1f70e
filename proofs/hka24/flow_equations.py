"""The gradient flow of deep Tucker factorization, block by block (HKA24 equations 5, 6, 7 and 9, and that of the core).

Name a mode m, a column r (a free index) and a matrix of its chain. All other modes are grouped into one index q of the
core, with the vector x_q (the Kronecker product of the x_{r_n}^n over n other than m), and one index j of the gradient
(the columns of its unfolding). So sum'_r is the sum over q, and x_r^m = A^{m,r} w_r^m.
"""

from fractions import Fraction
from math import prod

from theorytest import (
    DEEP_TUCKER,
    All,
    Array,
    Assumption,
    AtStart,
    Conserved,
    Flow,
    Focus,
    Identity,
    Instance,
    Link,
    Rate,
    Source,
    Statement,
    control,
    proof,
)
from theorytest.kernel.claim import Always

from .lemma_4_1 import setting, squared_norm

LOSS, PLAIN = setting
SCOPE = "all orders, shapes, depths k >= 0, losses"
GROUPED = (
    "the other modes are one index: the Kronecker product and the unfolding use the same order of the modes, whichever",
)


def statement(id_, title, locator, claim, scope=SCOPE):
    """A formula of the flow."""
    return Statement(
        id=id_, label=id_, kind="formula", title=title, source=Source("HKA24", locator), assumptions=(LOSS, PLAIN),
        claim=claim, scope=scope, deviations=GROUPED,
    )  # fmt: skip


def rates(statement):
    """The proof of a statement about rates: the product rule, and that the result is the term as written."""

    def by_the_product_rule(derive):
        parts = statement.claim.claims if isinstance(statement.claim, All) else (statement.claim,)
        shown = []
        for part in parts:
            derived = derive.rate(part.quantity, part.motion)
            same = derive.equal("as written", derived.claim.rate, part.rate)
            shown.append(derive.replace(derived, same, "as written"))
        if isinstance(statement.claim, All):
            derive.both(*shown)

    return proof(statement)(by_the_product_rule)


flow = Flow(DEEP_TUCKER, Focus(modes=("m",)))
end = DEEP_TUCKER.focus(flow.focus)
core, w = (DEEP_TUCKER.letters(flow.focus)[name] for name in ("G", "w[m]"))
chain, others = end.tensors()["A[m]*"], end.tensors()["Aw[~]"]
gradient = DEEP_TUCKER.gradient(flow.focus).rename({"i[m]": "i", "i[~]": "j"})
x = (chain["r", "i", "c"] * w["r", "c"]).sum("c")  # x_r^m, with r and i free
pairing = -(gradient * x * others["q", "j"]).sum("i", "j")  # <-grad, x_r (x) x_q>
weighted = (core["r", "q"] * pairing).sum("q")


velocity_of_w = -(core["r", "q"] * chain["r", "i", "a"] * gradient * others["q", "j"]).sum("q", "i", "j")

equation_5 = statement(
    "HKA24-Eq5",
    "dw_r^m/dt = -sum' G (A^{m,r})^T [grad]_(m) x, and d/dt ||w_r^m||^2 = 2 sum' G <-grad, x>",
    "equation 5",
    All((Rate(w["r", "a"], velocity_of_w, flow), Rate(squared_norm(w), weighted * 2, flow))),
)
of_the_vectors = rates(equation_5)


@control(equation_5, breaks="factor 2")
def factor_one():
    """Factor 1 in place of 2."""
    return Rate(squared_norm(w), weighted, flow)


@control(equation_5, breaks="the column r")
def sum_over_all_columns():
    """The sum over all indices of the core, that of mode m as well."""
    return Rate(squared_norm(w), weighted.sum("r") * 2, flow)


@control(equation_5, breaks="sign")
def opposite_sign():
    """The opposite sign."""
    return Rate(w["r", "a"], -velocity_of_w, flow)


@control(equation_5, breaks="flow")
def vectors_at_twice_the_speed():
    """The vectors learn at twice the speed."""
    return Rate(squared_norm(w), weighted * 2, Flow(DEEP_TUCKER, flow.focus, speeds=((w.name, Fraction(2)),)))


core_flow = statement(
    "HKA24-dG",
    "dG/dt = <-grad, x_{r_1} (x) ... (x) x_{r_N}>, and d/dt ||G_{r_m=r}||^2 = 2 sum' G dG/dt = d/dt ||w_r^m||^2",
    "appendix A.2",
    All(
        (
            Rate(core["r", "q"], pairing, flow),
            Rate(squared_norm(core), weighted * 2, flow),
            Rate(squared_norm(w), weighted * 2, flow),
        )
    ),
)
of_the_core = rates(core_flow)


@control(core_flow, breaks="the vectors x")
def without_the_norms_of_the_others():
    """w in place of x = A w for the named mode, where the matrices are square."""
    bare = -(gradient * w["r", "i"] * others["q", "j"]).sum("i", "j")
    return Rate(core["r", "q"], bare, flow)


@control(core_flow, breaks="the same index r")
def different_slices():
    """The slice of another index."""
    return Rate(squared_norm(core, "s"), weighted * 2, flow)


@control(core_flow, breaks="sign")
def opposite_sign_of_the_core():
    """The opposite sign."""
    return Rate(core["r", "q"], -pairing, flow)


@control(core_flow, breaks="flow")
def slower_core():
    """The core learns at half the speed."""
    return Rate(core["r", "q"], pairing, Flow(DEEP_TUCKER, flow.focus, speeds=((core.name, Fraction(1, 2)),)))


# -- the matrices ------------------------------------------------------------------------------------------------------

opened = Flow(DEEP_TUCKER, Focus(modes=("m",), links=(Link(("i",), mode="m"),)))
inside = DEEP_TUCKER.focus(opened.focus).tensors()
A, left, right = inside["A[m,i]"], inside["A[m]<i"], inside["A[m]>i"]
before, after = left["r", "i", "a"], (right["r", "b", "c"] * inside["w[m]"]["r", "c"]).sum("c")
velocity_of_A = -(core["r", "q"] * before * gradient * others["q", "j"] * after).sum("q", "i", "j")
rate_of_all = -(
    core["r", "q"] * before * A["r", "a", "b"] * after * gradient * others["q", "j"]
).sum("q", "i", "j", "a", "b") * 2  # fmt: skip

equation_6 = statement(
    "HKA24-Eq6",
    "dA_i/dt = -sum' G (A_1 ... A_{i-1})^T [grad]_(m) x (w_r^m)^T (A_{i+1} ... A_k)^T",
    "equation 6",
    Rate(A["r", "a", "b"], velocity_of_A, opened),
    "all orders, shapes, depths k >= 1, positions i, losses",
)
of_the_matrices = rates(equation_6)


@control(equation_6, breaks="sign")
def opposite_sign_of_the_matrices():
    """The opposite sign."""
    return Rate(A["r", "a", "b"], -velocity_of_A, opened)


@control(equation_6, breaks="factor 1")
def twice_the_velocity():
    """Twice the velocity."""
    return Rate(A["r", "a", "b"], velocity_of_A * 2, opened)


@control(equation_6, breaks="the column r")
def the_same_for_all_columns():
    """One matrix for all columns: the sum over the columns."""
    return Rate(A["s", "a", "b"], velocity_of_A.sum("r"), opened)


@control(equation_6, breaks="flow")
def with_weight_decay():
    """Weight decay is added to the loss."""
    return Rate(A["r", "a", "b"], velocity_of_A, Flow(DEEP_TUCKER, opened.focus, decay=Fraction(1)))


equation_7 = statement(
    "HKA24-Eq7",
    "d/dt ||A_i^{m,r}||^2 = d/dt ||w_r^m||^2",
    "equation 7",
    All((Rate(squared_norm(A), rate_of_all, opened), Rate(squared_norm(inside["w[m]"]), rate_of_all, opened))),
    equation_6.scope,
)
of_the_norms = rates(equation_7)


@control(equation_7, breaks="the same column r")
def another_column():
    """The matrix of another column."""
    return Rate(squared_norm(A, "s"), rate_of_all, opened)


@control(equation_7, breaks="factor 2")
def half_the_rate():
    """Half of the rate."""
    return Rate(squared_norm(A), rate_of_all * Fraction(1, 2), opened)


@control(equation_7, breaks="flow")
def matrices_at_half_the_speed():
    """The matrices learn at half the speed."""
    slow = Flow(DEEP_TUCKER, opened.focus, speeds=((A.name, Fraction(1, 2)),))
    return Rate(squared_norm(A), rate_of_all, slow)


# -- matrix balance ----------------------------------------------------------------------------------------------------

pair = Flow(DEEP_TUCKER, Focus(modes=("m",), links=(Link(("i", "i+1"), mode="m", adjacent=True),)))
P, Q, last = (DEEP_TUCKER.letters(pair.focus)[name] for name in ("A[m,i]", "A[m,i+1]", "w[m]"))


def inner_gram(block, row="r"):
    """A^T A."""
    return (block[row, "p", "b"] * block[row, "p", "c"]).sum("p")


def outer_gram(block, row="r"):
    """A A^T."""
    return (block[row, "b", "p"] * block[row, "c", "p"]).sum("p")


equation_9 = statement(
    "HKA24-Eq9",
    "A_i^T A_i - A_{i+1} A_{i+1}^T is conserved",
    "equation 9",
    Conserved(inner_gram(P) - outer_gram(Q), pair),
    "all orders, shapes, depths k >= 2, adjacent positions, losses",
)


@proof(equation_9)
def both_sides_move_alike(derive):
    derive.conserved(equation_9.claim.quantity, pair)


@control(equation_9, breaks="side of the transpose")
def transposed_form():
    """A_i A_i^T against A_{i+1}^T A_{i+1}, by their traces of squares (the matrices have different sizes)."""
    one = (outer_gram(P) * outer_gram(P)).sum("b", "c")
    return Conserved(one - (inner_gram(Q) * inner_gram(Q)).sum("b", "c"), pair)


@control(equation_9, breaks="the same column r")
def across_columns():
    """Matrices of two columns."""
    return Conserved(inner_gram(P, "r") - outer_gram(Q, "s"), pair)


@control(equation_9, breaks="flow")
def one_matrix_at_twice_the_speed():
    """A_i learns at twice the speed."""
    return Conserved(equation_9.claim.quantity, Flow(DEEP_TUCKER, pair.focus, speeds=((P.name, Fraction(2)),)))


MATRIX_BALANCE = Assumption(
    "matrix balance",
    "A_i^T A_i = A_{i+1} A_{i+1}^T at the start",
    AtStart(Identity(inner_gram(P), outer_gram(Q)), pair),
)


def array(*shape):
    """An array of the given shape, all entries 2."""
    return Array(shape, (Fraction(2),) * prod(shape))


matrix_balance = Statement(
    id="HKA24-Eq9",
    label="HKA24-Eq9/balance",
    kind="lemma",
    title="Matrix balance at the start is matrix balance at all times",
    source=Source("HKA24", "equation 9"),
    assumptions=(LOSS, PLAIN, MATRIX_BALANCE),
    claim=Always(MATRIX_BALANCE.formula.claim, pair),
    scope=equation_9.scope,
    example=Instance(
        sizes=(("N", 2), ("d", (2, 1)), ("R", (1, 1)), ("k", (2, 0))),
        blocks=(
            ("G", array(1, 1)),
            ("A[1,1]", array(1, 2, 2)),
            ("A[1,2]", array(1, 2, 2)),
            ("w[1]", array(1, 2)),
            ("w[2]", array(1, 1)),
        ),
        gradient=array(2, 1),
    ),
)


@proof(matrix_balance)
def from_the_conservation_law(derive):
    derive.apply(
        "stays", derive.cite(equation_9), derive.assume("matrix balance"), text="balanced matrices stay balanced"
    )


@control(matrix_balance, breaks="matrix balance")
def any_start():
    """Without matrix balance at the start."""
