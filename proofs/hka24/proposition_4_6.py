"""Sparse cores give low multilinear rank (HKA24 Proposition 4.6).

Remove from the core every slice, of any mode, whose norm is at most eps / (sqrt(d_n N) prod_j ||V^(j)||). What is
removed has norm at most eps / prod_j ||V^(j)||, multiplying by the V^(j) enlarges that to at most eps, and every mode
keeps R_n slices. One mode is proved with symbolic sizes, all other modes merged into one index; the rest is induction
over the modes.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import Array, Instance, SliceTruncation, Source, Statement, control, proof
from theorytest.kernel.rules import OneMode, Square, Use
from theorytest.kernel.terms import constant

proposition = Statement(
    id="HKA24-Prop4.6(Eq4)",
    label="HKA24-Prop4.6",
    kind="proposition",
    title="Few large core slices: close to a tensor of low multilinear rank",
    source=Source("HKA24", "Proposition 4.6, equation 4"),
    assumptions=(),
    claim=SliceTruncation(),
    scope="all orders, shapes, cores, nonzero factors, eps > 0",
    deviations=(
        "the first column of V^(n) is prod_i A_i^{n,1} w_1^n (printed A_i^{n,i})",
        "the product of spectral norms runs over its own index j (printed n)",
        "the tuple of ranks ends in R_N (printed R_n in the appendix)",
        "the number d_n of slices may differ from the dimension of mode n (the paper's factors are square)",
    ),
)


def truncation_of(derive, claim):
    """The derivation for one mode, and the induction over the modes."""
    mode = OneMode()
    inner = derive.inner(*mode.hypotheses())
    norm, idempotent, idempotent_before, small, positive = inner.given
    stretch, union, slices = mode.goals()
    one = constant(1)
    # ||V x||^2 <= s^2 ||x||^2 for every column of the unfolding, summed over the columns
    columns = inner.apply("spectral-norm", norm, data=(mode.core,), text="the spectral norm bounds every column")
    inner.at_most("multiplying one mode by V", stretch.lhs, stretch.rhs, (columns,), [Use(0, one, (), ("q",))])
    # (1 - K) + (1 - χ) - (1 - K χ) = (1 - K)(1 - χ), a square where K and χ are 0 or 1
    before = constant(1, ("q", "q")) - mode.before["q"]
    this = constant(1, ("r", "R")) - mode.kept["r"]
    both = Square(before * this * mode.core["r", "q"], ("r", "q"))
    inner.at_most("entries lost by either", union.lhs, union.rhs, (idempotent, idempotent_before), [both])
    # dropped slices are at most τ² each; kept ones cost χ τ² >= 0, which is χ χ τ²
    kept = mode.kept["r"] * mode.kept["r"]
    inner.at_most(
        "slices lost by this mode",
        slices.lhs,
        slices.rhs,
        (small, positive, idempotent),
        [Use(0, one, (), ("r",)), Use(1, kept, (), ("r",))],
    )
    derive.apply(
        "slice-truncation",
        data=(claim, inner.derivation()),
        text="induction over the modes; ranks by the number of kept slices",
    )


@proof(proposition)
def by_removing_small_slices(derive):
    truncation_of(derive, proposition.claim)


def variant(**changes):
    """The claim with other constants."""
    return replace(SliceTruncation(), **changes)


def diagonal_core(size, value):
    """Order 2, V^(1) = V^(2) = I, core value * I, eps = 1."""
    entries = tuple(Fraction(int(i == j)) for i in range(size) for j in range(size))
    eye = Array((size, size), entries)
    core = Array((size, size), tuple(value * x for x in entries))
    return Instance(letters=(("G", core), ("V[1]", eye), ("V[2]", eye)), variables=(("ε", Fraction(1)),))


@control(proposition, breaks="constant 1 of the threshold")
def threshold_doubled():
    """The threshold times 2."""
    return variant(factor=Fraction(4)), diagonal_core(1, Fraction(7, 5))


@control(proposition, breaks="constant 1 of the threshold")
def threshold_tripled():
    """The threshold times 3."""
    return variant(factor=Fraction(9)), diagonal_core(1, Fraction(7, 5))


@control(proposition, breaks="sqrt(d_n) of the threshold")
def without_the_dimension():
    """The threshold times sqrt(d_n)."""
    return variant(dimension=0), diagonal_core(3, Fraction(7, 10))


@control(proposition, breaks="N of the threshold")
def without_the_order():
    """The threshold times sqrt(N): false from order 3 on (a staircase of ones; order 2 has no counterexample)."""
    return variant(order=0)


@control(
    proposition,
    breaks="spectral norms",
    expected="finding",
    reason="a Frobenius norm is at least the spectral norm, so that fewer slices are removed",
    survives=lambda derive: truncation_of(derive, variant(norm="frobenius")),
)
def frobenius_norms():
    """Frobenius norms in place of spectral norms."""
    return variant(norm="frobenius")


@control(
    proposition,
    breaks="strict count",
    expected="finding",
    reason="counting slices equal to the threshold keeps more of them",
    survives=lambda derive: truncation_of(derive, variant(strict=False)),
)
def counting_equality():
    """Slices equal to the threshold are counted as well."""
    return variant(strict=False)
