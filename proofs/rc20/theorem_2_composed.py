"""RC20 Theorem 2 (our own statement) and Section 3.4, along the flow: the determinant keeps the sign of b12 b21, and
where it has that sign the bounds of RC20-Thm2/b to RC20-Thm2/e hold, so at W(t) for every t."""

from dataclasses import replace
from fractions import Fraction

from theorytest import All, Identity, Inequality, Source, Statement, control, proof
from theorytest.kernel.scalar import absolute, scalar

from .along_the_flow import (
    COMPOSED,
    ONE_LAYER,
    UNBALANCED,
    AlongTheFlow,
    always,
    at_a_solution,
    at_start,
    formulas,
    larger,
    read_at,
    starting,
    supposed,
    with_numbers,
)
from .definitions import SIGMA, sigma_2, w11
from .determinant_sign import determinant_sign, matrix, unit
from .singular_values import determinant
from .theorem_1_norms import LARGEST, NORM, M
from .theorem_2 import (
    CLOSE,
    SIGN,
    Distance,
    EffectiveRank,
    Far,
    NormsOfPerturbed,
    b12,
    b21,
    b22,
    distance,
    effective_rank,
    level,
    norms,
    r,
    unobserved,
)

A, B_, E_ = absolute(b12), absolute(b21), absolute(b22)
SIDE, NEAR, OF_VALUES = formulas(SIGN), formulas(CLOSE), formulas(SIGMA)
OF_NORMS = formulas(NORM, LARGEST)
SETTING = starting(b12 * b21, "b12, b21 and det W(0) are not 0, and sign det W(0) = sign(b12 b21)")
KEPT = always(Inequality(scalar(0), "<", determinant * (b12 * b21)))
PLAIN = {"b12": 1, "b21": 1, "b22": 0}
EXAMPLE = with_numbers(determinant_sign.example, PLAIN)
SCOPE = "2x2 matrices, every depth L >= 2, hidden widths, all times"

theorem = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2",
    kind="theorem",
    title="Theorem 1 for perturbed observations, along the flow",
    source=Source("RC20", "Theorem 2 (appendix)"),
    assumptions=SETTING,
    claim=All(
        (
            always(unobserved.claim, *NEAR),
            always(norms.claim, *OF_NORMS),
            always(distance.claim, *OF_VALUES),
            always(effective_rank.claim, *NEAR, *OF_VALUES),
            KEPT,
        )
    ),
    scope=SCOPE,
    example=EXAMPLE,
    deviations=(*unobserved.deviations[:1], *COMPOSED, *norms.deviations[1:]),
)


def tripled(given):
    """sigma_2 <= 3 (|b22| + r)."""
    real, claim = given.real, distance.claim
    sharp = given.whatever_the_sign(0)
    parts = [(1, 1, (sharp,)), (2, 1, (given.e,)), (2, 1, (given.r,))]
    return real.at_most("3 in place of 1", claim.lhs, claim.rhs, sharp, given.e, given.r, by=parts)


@proof(theorem)
def at_every_time(derive):
    far, gap, rank, size = (supposed(kind)(derive) for kind in (Far, Distance, EffectiveRank, NormsOfPerturbed))
    along = AlongTheFlow(derive, b12 * b21)
    facts = along.at_all_times(
        far.under(far.far(), (*SIDE, *NEAR)),
        size.under(size.bound(), OF_NORMS),
        gap.under(tripled(gap), (*SIDE, *OF_VALUES)),
        rank.under(rank.bound(8), (*SIDE, *NEAR, *OF_VALUES)),
    )
    derive.both(*facts, along.positive)


EXACT = Identity(b22, scalar(0))

persists = Statement(
    id="RC20-3.4(i)",
    label="RC20-3.4(i)",
    kind="claim",
    title="With b22 = 0 the conclusions persist for all nonzero b12, b21 of the right sign",
    source=Source("RC20", "Section 3.4"),
    assumptions=SETTING,
    claim=All(
        (
            always(Inequality(level / r, "<=", M), *NEAR, EXACT),
            always(Inequality(sigma_2, "<=", 3 * r), *OF_VALUES, EXACT),
            KEPT,
        )
    ),
    scope=SCOPE,
    example=EXAMPLE,
    deviations=(
        *COMPOSED,
        "as r = sqrt(2 loss) tends to 0, the first bound tends to infinity and the second to 0; with RC20-Thm2/c every "
        "norm and quasi-norm tends to infinity; the effective rank is RC20-Thm2/e",
    ),
)


@proof(persists)
def at_exact_observations(derive):
    far, gap = (supposed(kind)(derive) for kind in (Far, Distance))
    real, exact, size = far.real, far.real.suppose(EXACT), absolute(b22)
    nothing = real.equal("|b22|^2 = 0", size**2, 0, far.e, exact)
    zero = real.at_most("|b22| <= 0", size, 0, far.e, nothing, scale=[], by=[(1, -1 * size, ())])
    bound = far.far()
    positive = real.less("r > 0", 0, r, far.reach, zero, by=[(1, 1, (far.reach,)), (1, 1, (zero,))])
    inverse = real.power(positive, -1)
    product = real.at_most(
        "level <= |w11| r",
        level,
        M * r,
        bound,
        far.reach,
        zero,
        far.moduli[w11],
        far.inverse,
        by=[(1, 1, (bound, far.reach)), (1, 1, (far.moduli[w11], zero))],
    )
    first = real.at_most("divided by r", level / r, M, product, inverse, by=[(1, 1, (product, inverse))])
    close = tripled(gap)
    second = gap.real.at_most("|b22| = 0", sigma_2, 3 * r, close, zero, by=[(1, 1, (close,)), (3, 1, (zero,))])
    along = AlongTheFlow(derive, b12 * b21)
    conditions = (*SIDE, *NEAR, EXACT), (*SIDE, *OF_VALUES, EXACT)
    derive.both(*along.at_all_times(far.under(first, conditions[0]), gap.under(second, conditions[1])), along.positive)


APART = Inequality(scalar(0), "<", absolute(b22))
FLIP = matrix((0, 1), (1, 0))
near_limit = Inequality(A * B_ / E_ - r * (A * B_ * E_**-2 + (A + B_) / E_), "<=", M)
recedes = Statement(
    id="RC20-3.4(ii)",
    label="RC20-3.4(ii)",
    kind="claim",
    title="With b22 not 0 the guaranteed level of |w11| is |b12 b21| / |b22|, up to a multiple of r",
    source=Source("RC20", "Section 3.4"),
    assumptions=SETTING,
    claim=All((always(near_limit, *NEAR, APART), always(distance.claim, *OF_VALUES), KEPT)),
    scope=SCOPE,
    example=EXAMPLE,
    deviations=(
        *COMPOSED,
        "as r = sqrt(2 loss) tends to 0, the first bound tends to |b12 b21| / |b22| and the second to 3 |b22|; for "
        "other places of the unobserved entry see RC20-3.4(ii)/repositioned",
    ),
)


def near_the_limit(derive, **reading_):
    """The bound of |w11| near its limit, and that of sigma_2, at every time."""
    far, gap = (supposed(kind)(derive) for kind in (Far, Distance))
    real, apart = far.real, far.real.suppose(APART)
    inverse = real.power(apart, -1)
    bound, claim = far.far(), near_limit
    first = real.at_most(
        "multiplied by |b22| + r",
        claim.lhs,
        M,
        bound,
        far.reach,
        inverse,
        far.a,
        far.b,
        scale=[(1, 1, (far.reach,))],
        by=[
            (1, 1, (bound, far.reach)),
            (1, r, ()),
            (1, r / absolute(b22), (far.a, far.b)),
            (1, r, (far.a, inverse)),
            (1, r, (far.b, inverse)),
        ],
    )
    along = AlongTheFlow(derive, b12 * b21, **reading_)
    conditions = (*SIDE, *NEAR, APART), (*SIDE, *OF_VALUES)
    derive.both(
        *along.at_all_times(far.under(first, conditions[0]), gap.under(tripled(gap), conditions[1])), along.positive
    )


at_the_unobserved_entry = proof(recedes)(near_the_limit)

# The unobserved entry at (1, 2): the columns of W are swapped, and with them the sign of its determinant.
SWAPPED = read_at((1, 2), (1, 1), (2, 2), (2, 1))
repositioned = Statement(
    id="RC20-3.4(ii)",
    label="RC20-3.4(ii)/repositioned",
    kind="claim",
    title="The same for the unobserved entry at (1, 2), with the opposite sign of the determinant",
    source=recedes.source,
    assumptions=starting(
        -1 * b12 * b21, "b12, b21 and det W(0) are not 0, and sign det W(0) = -sign(b12 b21)", read=SWAPPED
    ),
    claim=All(
        (
            always(near_limit, *NEAR, APART, read=SWAPPED),
            always(distance.claim, *OF_VALUES, read=SWAPPED),
            always(KEPT.claim, read=SWAPPED),
        )
    ),
    scope=SCOPE,
    example=at_start(3, FLIP, FLIP, FLIP, **PLAIN),
    deviations=(
        *recedes.deviations[:-1],
        "w11 is the unobserved entry, at (1, 2); w12, w21, w22 with observations b12, b21, b22 are at (1, 1), (2, 2), "
        "(2, 1): W with its columns swapped; the other two places follow by swapping rows, too, and each swap flips "
        "the sign",
    ),
)


@proof(repositioned)
def with_the_columns_swapped(derive):
    near_the_limit(derive, read=SWAPPED, flip=-1)


@control(repositioned, breaks="opposite sign")
def sign_unchanged():
    """The sign condition unchanged: at W(0) = I, a solution but for the unobserved entry, which is 0."""
    start = starting(b12 * b21, read=SWAPPED)
    varied = replace(repositioned, assumptions=start, example=EXAMPLE)
    return varied, at_start(2, unit, unit, sigma_1=1, sigma_2=1, **PLAIN)


def unbalanced():
    """Without balancedness the determinant may change its sign."""
    return None, replace(UNBALANCED, instance=with_numbers(UNBALANCED.instance, PLAIN))


def depth_one():
    """Depth 1: the determinant may change its sign."""
    return None, replace(ONE_LAYER, instance=with_numbers(ONE_LAYER.instance, PLAIN))


def opposite_sign():
    """sign det W(0) = -sign(b12 b21): at a solution with w11 = 0."""
    return None, at_a_solution(**PLAIN)


def larger_matrix():
    """A 3x3 matrix with det W(0) > 0 whose upper left block is a solution."""
    return None, larger(**PLAIN)


controls = [
    control(statement, breaks=label)(function)
    for statement in (theorem, persists, recedes)
    for label, function in (
        ("balanced", unbalanced), ("depth", depth_one), ("determinant", opposite_sign), ("shape", larger_matrix)
    )
]  # fmt: skip


# W(0) = S^2 for a symmetric S, so that both layers are S; the observations are its entries, so that r = 0.
S = matrix((2, Fraction(1, 4)), (Fraction(1, 4), Fraction(1, 4)))
OBSERVED = {"b12": Fraction(9, 16), "b21": Fraction(9, 16), "b22": Fraction(1, 8)}


@control(recedes, breaks="level")
def square_of_b22():
    """|b12 b21| / |b22|^2 in place of |b12 b21| / |b22|: w11 = 65/16 and b22 = 1/8."""
    steep = Inequality(A * B_ * E_**-2, "<=", M + r * (A * B_ * E_**-2 + (A + B_) / E_))
    return All((always(steep, *NEAR, APART), KEPT)), at_start(2, S, S, **OBSERVED)
