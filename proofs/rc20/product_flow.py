"""The product of balanced layers, and its singular values, along gradient flow (RC20 Lemmas 4 and 5; Arora et al.).

dW/dt = sum_l A_l (dW_l/dt) B_l = -sum_l A_l A_l^T grad B_l^T B_l, where A_l and B_l are the products of the layers
before and after W_l. Balancedness makes A_l A_l^T = (W_L W_L^T)^(L-l) the power (L-l)/L of W W^T, and so for
B_l^T B_l and W^T W.
"""

from fractions import Fraction

from theorytest import (
    DEEP_MATRIX,
    EndMatrixRate,
    Inequality,
    Instance,
    Outcome,
    SingularValueRate,
    Source,
    Statement,
    control,
    proof,
    sampled,
)
from theorytest.kernel.claim import Evolution, Where
from theorytest.kernel.evolution import initial
from theorytest.kernel.scalar import Variable, scalar
from theorytest.models import balanced, deep_matrix_factorization

from .determinant_sign import (
    balanced_at_all_times,
    chain,
    determinant_sign,
    diagonal,
    exact_matrix,
    example,
    matrix,
    powers,
    unit,
)

LOSS, BALANCED = (determinant_sign.assumption(label) for label in ("loss", "balanced"))
EXAMPLE = example(3, diagonal, diagonal, diagonal)

lemma_4 = Statement(
    id="RC20-Lem4",
    label="RC20-Lem4",
    kind="lemma",
    title="Flow of the product of balanced layers: dW/dt = -sum_l [W W^T]^((L-l)/L) grad [W^T W]^((l-1)/L)",
    source=Source("RC20", "Lemma 4"),
    assumptions=(LOSS, BALANCED),
    claim=EndMatrixRate(chain.flow),
    scope="all depths, widths, sizes, losses",
    example=EXAMPLE,
)


@proof(lemma_4)
def by_the_product_rule(derive):
    derive.apply(
        "end-matrix-rate",
        balanced_at_all_times(derive),
        data=(DEEP_MATRIX, *powers(derive)),
        text="the product rule, and powers of W W^T and W^T W by induction",
    )


@sampled(lemma_4)
def at_balanced_starts(run):
    """At random balanced layers, not diagonal: the velocity of the written-out product, against powers of W_L W_L^T and
    W_1^T W_1, whose L-th powers are W W^T and W^T W; all exact."""
    seen = 0
    for depth in (1, 2, 3, 4):
        for shape in ((2, 2), (3, 2), (2, 3)):
            model = deep_matrix_factorization(*shape, depth=depth, width=[min(shape)] * (depth - 1))
            layers = balanced(model, seed=run.seed + seen)
            gradient = deep_matrix_factorization(*shape, depth=1).random(seen)["W[1]"]
            slopes = model.gradients(layers, gradient)
            W, G = exact_matrix(model.end_tensor(layers)), exact_matrix(gradient)
            moved = W - W
            for name, slope in slopes.items():
                moved -= exact_matrix(model.end_tensor(layers | {name: slope}))
            top, bottom = exact_matrix(layers[f"W[{depth}]"]), exact_matrix(layers["W[1]"])
            P, Q = top * top.transpose(), bottom.transpose() * bottom
            assert P**depth == W * W.transpose() and Q**depth == W.transpose() * W
            claimed = W - W
            for layer in range(1, depth + 1):
                claimed -= P ** (depth - layer) * G * Q ** (layer - 1)
            assert moved == claimed
            seen += 1
    return Outcome(seen, "0", True, "depths 1 to 4, exact")


def in_reverse_order(derive):
    """The same sum with L + 1 - l in place of l."""
    product = derive.cite(lemma_4, derive.assume("balanced"))
    derive.apply("reverse-sum", product, text="L + 1 - l in place of l")


@control(lemma_4, breaks="exponents", expected="finding", survives=in_reverse_order,
         reason="swapping the exponents only reverses the order of the summands")  # fmt: skip
def exponents_swapped():
    """The exponents (l - 1) / L and (L - l) / L."""
    return EndMatrixRate(chain.flow, left=(-1, 0, 1), right=(0, 1, -1))


@control(lemma_4, breaks="exponents")
def one_exponent_for_both():
    """The exponent (L - l) / L on both sides."""
    return EndMatrixRate(chain.flow, right=(0, 1, -1)), EXAMPLE


@control(lemma_4, breaks="denominator L")
def larger_denominator():
    """L + 1 in place of L, at L = 2 and W = diag(64, 1)."""
    eight = matrix((8, 0), (0, 1))
    return EndMatrixRate(chain.flow, shift=1), example(2, eight, eight)


@control(lemma_4, breaks="sum")
def one_summand():
    """The last summand alone."""
    return EndMatrixRate(chain.flow, all_layers=False), EXAMPLE


@control(lemma_4, breaks="balanced")
def unbalanced():
    """Unbalanced layers: W_2 = I, W_1 = diag(2, 1)."""
    return None, example(2, unit, diagonal)


# -- singular values ---------------------------------------------------------------------------------------------------

lemma_5 = Statement(
    id="RC20-Lem5",
    label="RC20-Lem5",
    kind="lemma",
    title="Flow of the singular values: d sigma_r/dt = -L (sigma_r^2)^(1 - 1/L) <grad, u_r v_r^T>",
    source=Source("RC20", "Lemma 5"),
    assumptions=lemma_4.assumptions,
    claim=SingularValueRate(chain.flow),
    scope="all depths, widths, sizes, losses; every differentiable singular value decomposition",
    example=EXAMPLE,
    deviations=(
        "the decomposition is assumed to be differentiable; for an analytic loss there is an analytic one, with "
        "singular values of any sign and in any order, for other losses there need not be one",
    ),
)


@proof(lemma_5)
def from_the_flow_of_the_product(derive):
    product = derive.cite(lemma_4, derive.assume("balanced"))
    derive.apply("singular-value-rate", product, text="singular vectors are eigenvectors of the powers")


@control(lemma_5, breaks="exponent 1 - 1/L")
def smaller_exponent():
    """Exponent 1 - 2/L."""
    return SingularValueRate(chain.flow, exponent=(1, -2)), EXAMPLE


@control(lemma_5, breaks="factor L")
def factor_one():
    """Factor 1 in place of L."""
    return SingularValueRate(chain.flow, times_depth=False), EXAMPLE


@control(lemma_5, breaks="balanced")
def unbalanced_layers():
    """Unbalanced layers: W_2 = I, W_1 = diag(2, 1)."""
    return None, example(2, unit, diagonal)


@control(lemma_5, breaks="any order")
def ordered_singular_values():
    """Singular values in order at the start stay so, at L = 2, where d s_r/dt = -2 s_r <grad, u_r v_r^T>: equal ones
    may exchange their places, and the largest one is then not differentiable."""
    first, second, *slopes = (Variable(name) for name in ("s_1", "s_2", "g_1", "g_2"))
    rates = tuple((s.name, -2 * s * g) for s, g in zip((first, second), slopes, strict=True))
    begin = Inequality(Variable(initial("s_2")), "<=", Variable(initial("s_1")))
    positive = (Inequality(scalar(0), "<", first), Inequality(scalar(0), "<", second))
    claims = (Where((), Inequality(second, "<=", first)),)
    values = {"s_1": 1, "s_2": 1, "g_1": 1, "g_2": 0}
    moving = Evolution("t", rates, tuple(g.name for g in slopes), (*positive, begin), claims)
    crossing = Instance(variables=tuple((name, Fraction(value)) for name, value in values.items()))
    return Statement(label="variant", title="variant", claim=moving), crossing
