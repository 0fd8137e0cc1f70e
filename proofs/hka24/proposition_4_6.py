"""Sparse cores give low multilinear rank (HKA24 Proposition 4.6).

Remove from the core every slice, of any mode, whose norm is at most eps / (sqrt(d_n N) prod_j ||V^(j)||). What is
removed has norm at most eps / prod_j ||V^(j)||, multiplying by the V^(j) enlarges that to at most eps, and every mode
keeps R_n slices. One mode is proved with symbolic sizes, all other modes merged into one index; the rest is induction
over the modes.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from random import Random

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from theorytest import (
    Array,
    Instance,
    Outcome,
    SliceTruncation,
    Source,
    Statement,
    Witness,
    control,
    proof,
    sampled,
    swept,
)
from theorytest.kernel.rules import OneMode, Square, Use
from theorytest.kernel.terms import constant
from theorytest.kernel.truncation import certify

proposition = Statement(
    id="HKA24-Prop4.6(Eq4)",
    label="HKA24-Prop4.6",
    kind="proposition",
    title="Few large core slices: close to a tensor of low multilinear rank",
    source=Source("HKA24", "Proposition 4.6, equation 4"),
    assumptions=(),
    claim=SliceTruncation(),
    scope="all orders, shapes, cores, factors, eps",
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


@sampled(proposition)
def random_instances(run):
    """Hypothesis draws orders, shapes, decay of the slices and eps; the kernel verifies the claim at every exact
    instance."""
    count, kept, full = [0], [0], [0]

    @seed(run.seed)
    @settings(
        max_examples=400 if run.profile == "full" else 60,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3),
        st.integers(0, 2**32 - 1),
        st.fractions(Fraction(1, 50), 3, max_denominator=50),
    )
    def close_enough(shape, number, relative):
        draw = Random(number)
        slices = tuple(rows for rows, _ in shape)
        scales = [[Fraction(1, draw.choice((1, 1, 10, 1000))) for _ in range(rows)] for rows in slices]
        entries = tuple(
            Fraction(draw.randint(-8, 8), 4) * prod(scales[n][r] for n, r in enumerate(index))
            for index in product(*map(range, slices))
        )
        letters = [("G", Array(slices, entries))]
        for n, (rows, columns) in enumerate(shape, 1):
            factor = [Fraction(draw.randint(-4, 4), 2) for _ in range(rows * columns)]
            factor[0] += 3  # never the zero matrix
            letters.append((f"V[{n}]", Array((rows, columns), tuple(factor))))
        found = certify(proposition.claim, Instance(letters=tuple(letters), variables=(("ε", relative),)), 128)
        count[0] += 1
        kept[0] += sum(found.ranks)
        full[0] += sum(slices)

    close_enough()
    return Outcome(count[0], "0", True, f"{full[0] - kept[0]} of {full[0]} slices dropped, every bound met exactly")


@swept(proposition)
def batched(run):
    """Random cores of decaying slices and factors in float64: distance over eps, as a multiple of what rounding
    explains."""
    import torch

    torch.manual_seed(run.seed)
    many, shape, options = 4096, (4, 3, 5), {"dtype": torch.float64, "device": run.device}
    worst, dropped, bound = 0.0, 0, 0.0
    for decay in (0.0, 1.0, 3.0):
        core = torch.randn(many, *shape, **options)
        for mode, size in enumerate(shape):
            weights = torch.exp(-decay * torch.arange(size, **options))
            core = core * weights.reshape([-1 if m == mode else 1 for m in range(3)])
        factors = [torch.randn(many, size, size, **options) for size in shape]
        norms = torch.stack([torch.linalg.matrix_norm(f, ord=2) for f in factors]).prod(0)
        epsilon = 0.3 * core.flatten(1).norm(dim=1) * norms
        keep = torch.ones_like(core)
        for mode, size in enumerate(shape):
            square = core.square().sum([m + 1 for m in range(3) if m != mode])
            above = square > (epsilon**2 / (size * 3 * norms**2))[:, None]
            dropped += int((~above).sum())
            keep = keep * above.to(core.dtype).reshape([many, *[-1 if m == mode else 1 for m in range(3)]])
        image = torch.einsum("bijk,bil,bjm,bkn->blmn", core * (1 - keep), *factors)
        # Every entry of the image is a sum of prod(shape) products of four numbers; norms are sums of squares.
        flops = 8 * prod(shape)
        bound = flops * 2.0**-53
        worst = max(worst, float((image.flatten(1).norm(dim=1) / epsilon).max()))
    detail = f"largest distance / eps {worst:.3f}; {dropped} slices dropped"
    return Outcome(3 * many, f"{max(0.0, worst - 1) / bound:.3g}", worst <= 1 + bound, detail)


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


def staircase(side=3):
    """A core of order 3 with, in every mode, ``side`` large slices and side^2 small ones with a single 1 each, at a
    pair of large positions of the other modes. In the box of the small positions of one mode and the large ones of the
    others, a tensor with ``side`` slices left loses side^2 - side of side^2 equal singular values: so for each mode."""
    large, small = tuple(range(1, side + 1)), tuple(range(side + 1, side + side**2 + 1))
    index = [
        (*pair[:mode], side + place, *pair[mode:])
        for mode in range(3)
        for place, pair in enumerate(product(range(side), repeat=2))
    ]
    size = len(large) + len(small)
    core = Array((size,) * 3, tuple(Fraction(int(at in index)) for at in product(range(size), repeat=3)))
    eye = Array((size, size), tuple(Fraction(int(i == j)) for i, j in product(range(size), repeat=2)))
    boxes = tuple((mode + 1, tuple(small if axis == mode else large for axis in range(3))) for mode in range(3))
    letters = (("G", core), *((f"V[{n}]", eye) for n in (1, 2, 3)))
    return Witness(Instance(letters=letters, variables=(("ε", Fraction(7, 2)),)), boxes)


@control(proposition, breaks="N of the threshold")
def without_the_order():
    """The threshold times sqrt(N): false from order 3 on (a staircase of ones). At order 2 it is true: the rank of a
    matrix is that of both unfoldings, and the slices of one mode are enough."""
    return variant(order=0), staircase()


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
