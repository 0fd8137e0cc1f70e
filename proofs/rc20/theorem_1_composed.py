"""RC20 Theorem 1 and Corollary 1, along the flow: the determinant keeps its sign, and where it is positive the bounds
hold (RC20-Eq8, RC20-Eq9, RC20-Eq10), so at W(t) for every t."""

from dataclasses import replace

from theorytest import All, Assumption, Inequality, ReadAtStart, Source, Statement, control, proof
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import Variable, scalar, sqrt

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
    reading,
    starting,
)
from .definitions import POSITIVE, SIGMA, loss, sigma_2
from .determinant_sign import determinant_sign, diagonal, matrix
from .singular_values import determinant
from .theorem_1 import distance
from .theorem_1_effective_rank import effective_rank, erank, smaller
from .theorem_1_norms import LARGEST, NORM, SMALL, equation_8, level, norm
from .theorem_1_norms import corollary as norms_grow

tolerance = Variable("eta")
FLAT, THIN = Inequality(erank, "<=", 1 + tolerance), Inequality(sigma_2, "<=", tolerance)
NEAR_ONE, NEAR_ZERO = (Inequality(bound, "<=", tolerance) for bound in (smaller * sqrt(loss), distance.claim.rhs))
OF_NORMS, OF_VALUES = formulas(NORM, LARGEST), formulas(SIGMA)
DET, SETTING = formulas(POSITIVE), starting()
SIGN = always(Inequality(scalar(0), "<", determinant))
lower, _ = equation_8.claim.claims
EXAMPLE = determinant_sign.example
nothing = matrix((0, 0), (0, 0))

theorem = Statement(
    id="RC20-Thm1",
    label="RC20-Thm1",
    kind="theorem",
    title="Along the flow norms are bounded from below, effective rank and distance from infimal rank from above",
    source=Source("RC20", "Theorem 1"),
    assumptions=SETTING,
    claim=All(
        (always(lower, *OF_NORMS), always(effective_rank.claim, *OF_VALUES), always(distance.claim, *OF_VALUES), SIGN)
    ),
    scope="2x2 matrices, every depth L >= 2, hidden widths, all norms and quasi-norms, all times",
    example=EXAMPLE,
    deviations=(*COMPOSED, *equation_8.deviations[1:], *distance.deviations[1:]),
)


BOUNDS = (equation_8, effective_rank, distance)


@proof(theorem)
def at_every_time(derive):
    along = AlongTheFlow(derive)
    derive.both(*along.at_all_times(*BOUNDS), along.positive)


corollary = Statement(
    id="RC20-Cor1",
    label="RC20-Cor1",
    kind="corollary",
    title="Along the flow norms tend to infinity and ranks to their infimum as the loss tends to 0",
    source=Source("RC20", "Corollary 1"),
    assumptions=SETTING,
    claim=All(
        (
            always(Inequality(level, "<=", norm), *OF_NORMS, SMALL.formula),
            always(FLAT, *OF_VALUES, NEAR_ONE),
            always(THIN, *OF_VALUES, NEAR_ZERO),
            SIGN,
        )
    ),
    scope=theorem.scope,
    example=EXAMPLE,
    deviations=(
        *theorem.deviations,
        "the limits are stated with their rates: for every level K and every tolerance eta there is a positive loss "
        "below which ||W(t)|| >= K, the effective rank is at most 1 + eta, and sigma_2 is at most eta (the effective "
        "rank is never below 1, nor is sigma_2 below 0); that the loss tends to 0 is a premise of the corollary, and "
        "does not follow from the others",
    ),
)


@proof(corollary)
def at_every_time_with_rates(derive):
    along, real = AlongTheFlow(derive), Reals(derive)
    near = []
    for bound, goal, small in ((effective_rank, FLAT, NEAR_ONE), (distance, THIN, NEAR_ZERO)):
        fact, close = derive.at_every_point(bound), real.suppose(small)
        lean = real.at_most("within eta", goal.lhs, goal.rhs, fact, close, by=[(1, 1, (fact,)), (1, 1, (close,))])
        near.append(real.cut(lean, *map(real.suppose, (*DET, *OF_VALUES, small))))
    derive.both(*along.at_all_times(norms_grow, *near), along.positive)


def unbalanced():
    """Without balancedness the determinant may change its sign."""
    return None, UNBALANCED


def depth_one():
    """Depth 1: the determinant may change its sign."""
    return None, ONE_LAYER


def negative_determinant():
    """det W(0) = -1: at a solution of the completion problem with w11 = 0."""
    return None, at_a_solution(eta=0)


def larger_matrix():
    """A 3x3 matrix with det W(0) = 1 whose upper left block is a solution."""
    return None, larger(eta=0)


controls = [
    control(statement, breaks=label)(function)
    for statement in (theorem, corollary)
    for label, function in (
        ("balanced", unbalanced), ("depth", depth_one), ("determinant", negative_determinant), ("shape", larger_matrix)
    )
]  # fmt: skip


@control(theorem, breaks="det W(0) > 0")
def determinant_not_zero():
    """det W(0) != 0 in place of det W(0) > 0: at the same solution."""
    return replace(theorem, assumptions=starting(det, "det W(0) is not 0")), at_a_solution()


@control(theorem, breaks="det W(0) > 0")
def determinant_not_negative():
    """det W(0) >= 0 in place of det W(0) > 0: at W(0) = 0 the determinant is not positive."""
    weak = Assumption("determinant", "det W(0) >= 0", ReadAtStart(Inequality(scalar(0), "<=", det), reading))
    return replace(theorem, assumptions=(*SETTING[:-1], weak)), at_start(2, nothing, nothing)


far_off = at_start(2, diagonal, diagonal, **{"sigma_1": 4, "sigma_2": 1, "eta": 0})


@control(corollary, breaks="loss tends to 0")
def any_loss():
    """Whatever the loss is: at W(0) = diag(4, 1)."""
    return All((always(Inequality(sigma_2, "<=", tolerance), *OF_VALUES), SIGN)), far_off
