"""RC20 Theorem 2 (our own statement) and Section 3.4, along the flow: the determinant keeps the sign of b12 b21, and
where it has that sign the bounds of RC20-Thm2/b to RC20-Thm2/e hold, so at W(t) for every t."""

from dataclasses import replace
from fractions import Fraction

from theorytest import All, Assumption, Inequality, ReadAtStart, Source, Statement, Witness, control, proof
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import Variable, absolute, scalar
from theorytest.kernel.witness import JUST_BEFORE

from .along_the_flow import (
    COMPOSED,
    ONE_LAYER,
    UNBALANCED,
    AlongTheFlow,
    always,
    at_a_solution,
    at_start,
    det,
    formulas,
    larger,
    read_at,
    reading,
    starting,
    with_numbers,
)
from .definitions import SIGMA, Given, sigma_2
from .determinant_sign import determinant_sign, example, matrix, singular, unit
from .singular_values import determinant
from .theorem_1_norms import LARGEST, NORM, M
from .theorem_2 import (
    CLOSE,
    EXACT,
    SIGN,
    b12,
    b21,
    b22,
    distance,
    effective_rank,
    level,
    loss,
    norms,
    r,
    reach,
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
    deviations=(
        *unobserved.deviations[:1],
        *COMPOSED,
        *norms.deviations[1:],
        "that the zero-loss set has infimal rank 1 is RC20-Thm2/infimal-rank; for the unobserved entry elsewhere see "
        "RC20-3.4(ii)/repositioned",
    ),
)


def of_norms(derive):
    """The bound of every norm at every time, whatever the sign of the determinant."""
    return derive.apply("along-the-flow", derive.at_every_point(norms), data=(reading,), text="at W(t), for every t")


@proof(theorem)
def at_every_time(derive):
    along, size = AlongTheFlow(derive, b12 * b21), of_norms(derive)
    far, gap, rank = along.at_all_times(unobserved, distance, effective_rank)
    derive.both(far, size, gap, rank, along.positive)


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
            always(norms.claim, *OF_NORMS),
            always(effective_rank.claim, *NEAR, *OF_VALUES),
            KEPT,
        )
    ),
    scope=SCOPE,
    example=EXAMPLE,
    deviations=(
        *COMPOSED,
        *norms.deviations[1:-1],
        "as r = sqrt(2 loss) tends to 0, the first bound tends to infinity and the second to 0; by the first the "
        "third, of every norm and quasi-norm, tends to infinity, and the fourth, of the effective rank, tends to 1 "
        "where b22 = 0 (both hold for every b22)",
    ),
)


def radius(derive):
    """0 <= r and 0 <= |b22|, as facts about every matrix."""
    given = Given(derive)
    return given.radius(loss), given.modulus(b22)


@proof(persists)
def at_exact_observations(derive):
    along, real = AlongTheFlow(derive, b12 * b21), Reals(derive)
    far, gap, exact = derive.at_every_point(unobserved), derive.at_every_point(distance), real.suppose(EXACT)
    size, least = absolute(b22), radius(derive)
    nothing = real.equal("|b22|^2 = 0", size**2, 0, least[1], exact)
    zero = real.at_most("|b22| <= 0", size, 0, nothing, scale=[], by=[(1, -1 * size, ())])
    none = derive.apply("antisymmetry", zero, least[1], text="|b22| = 0")
    root = real.less(
        "r > 0, as 1 / (|b22| + r) is defined", 0, r, least[0], far, none,
        scale=[(1, 1 / reach, (least[0],))], by=[(1, 1, ())],
    )  # fmt: skip
    first = real.at_most("level / r <= |w11|", level / r, M, far, none, real.power(root, -1), by=[(1, 1, (far,))])
    second = real.at_most("|b22| = 0", sigma_2, 3 * r, gap, none, by=[(1, 1, (gap,))])
    conditions = (*SIDE, *NEAR, EXACT), (*SIDE, *OF_VALUES, EXACT)
    facts = [real.cut(f, *map(real.suppose, c)) for f, c in zip((first, second), conditions, strict=True)]
    level_, gap_, rank = along.at_all_times(*facts, effective_rank)
    derive.both(level_, gap_, of_norms(derive), rank, along.positive)


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
    along, real = AlongTheFlow(derive, b12 * b21, **reading_), Reals(derive)
    far, apart, least = derive.at_every_point(unobserved), real.suppose(APART), radius(derive)[0]
    sides = [Given(derive).modulus(b) for b in (b12, b21)]
    inverse = real.power(apart, -1)
    wide = real.less("|b22| + r > 0", 0, reach, apart, least, by=[(1, 1, (apart,)), (1, 1, (least,))])
    near = real.at_most(
        "multiplied by |b22| + r", near_limit.lhs, M, far, wide, inverse, least, *sides,
        scale=[(1, 1, (wide,))],
        by=[
            (1, 1, (far, wide)),
            (1, r, ()),
            (1, r / absolute(b22), tuple(sides)),
            (1, r, (sides[0], inverse)),
            (1, r, (sides[1], inverse)),
        ],
    )  # fmt: skip
    fact = real.cut(near, *map(real.suppose, (*SIDE, *NEAR, APART)))
    derive.both(*along.at_all_times(fact, distance), along.positive)


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


@control(repositioned, breaks="determinant")
def any_sign():
    """The other sign of the determinant."""
    return None, at_start(2, unit, unit, sigma_1=1, sigma_2=1, **PLAIN)


@control(repositioned, breaks="balanced")
def rising_from_below():
    """Without balancedness det W may rise through 0."""
    return None, Witness(with_numbers(example(2, unit, singular, gradient=((0, 0), (0, -1))), PLAIN), (JUST_BEFORE,))


@control(repositioned, breaks="depth")
def one_layer_rising():
    """Depth 1: det W may rise through 0."""
    return None, Witness(with_numbers(example(1, singular, gradient=((0, 0), (0, -1))), PLAIN), (JUST_BEFORE,))


@control(repositioned, breaks="shape")
def three_rows():
    """W(0) = diag(1, 1, -1): its determinant has the right sign, that of its upper left block has not."""
    return None, larger(((1, 0, 0), (0, 1, 0), (0, 0, -1)), **PLAIN)


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


# The same with S = ((1, 1/2), (1/2, 1)): W(0) = ((5/4, 1), (1, 5/4)), sigma_2 = 1/4, and r = 1/100.
EVEN = matrix((1, Fraction(1, 2)), (Fraction(1, 2), 1))
CLOSE_BY = {"b12": 1, "b21": 1, "b22": Fraction(31, 25), "sigma_1": Fraction(9, 4), "sigma_2": Fraction(1, 4)}


@control(persists, breaks="b22 = 0")
def another_level():
    """|b12 b21| / r as the level of |w11| for any b22: b22 = 31/25 near W(0) = ((5/4, 1), (1, 5/4))."""
    return All((always(Inequality(level / r, "<=", M), *NEAR), KEPT)), at_start(2, EVEN, EVEN, **CLOSE_BY)


@control(persists, breaks="b22 = 0")
def another_distance():
    """sigma_2 <= 3 r for any b22: sigma_2 = 1/4 and r = 1/100."""
    return All((always(Inequality(sigma_2, "<=", 3 * r), *OF_VALUES), KEPT)), at_start(2, EVEN, EVEN, **CLOSE_BY)


# W(0) = e_2 e_1^T, a solution for b12 = 0: both layers are balanced, and det W(0) = 0.
DOWN, FIRST = matrix((0, 0), (1, 0)), matrix((1, 0), (0, 0))
K = Variable("K")
REACHED = (Inequality(r, "<=", A), Inequality(r, "<=", B_), Inequality(K * r, "<=", level))


@control(persists, breaks="b12 != 0")
def zero_observation():
    """b12 = 0, with det W(0) b12 b21 >= 0 in place of > 0: not |w11| >= K where K r <= (|b12| - r) (|b21| - r), at a
    solution with w11 = 0."""
    start = ReadAtStart(Inequality(scalar(0), "<=", det * b12 * b21), reading)
    weak = Assumption("determinant", "det W(0) b12 b21 >= 0", start)
    claim = always(Inequality(K, "<=", M), *REACHED, EXACT)
    varied = replace(persists, assumptions=(*SETTING[:-1], weak), claim=claim)
    return varied, at_start(2, DOWN, FIRST, b12=0, b21=1, b22=0, K=1)


@control(recedes, breaks="level")
def square_of_b22():
    """|b12 b21| / |b22|^2 in place of |b12 b21| / |b22|: w11 = 65/16 and b22 = 1/8."""
    steep = Inequality(A * B_ * E_**-2, "<=", M + r * (A * B_ * E_**-2 + (A + B_) / E_))
    return All((always(steep, *NEAR, APART), KEPT)), at_start(2, S, S, **OBSERVED)
