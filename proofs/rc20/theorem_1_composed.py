"""RC20 Theorem 1 and Corollary 1, along the flow: the determinant keeps its sign, and where it is positive the bounds
hold (RC20-Eq8, RC20-Eq9, RC20-Eq10), so at W(t) for every t."""

from theorytest import All, Inequality, Source, Statement, control, proof
from theorytest.kernel.scalar import Variable, scalar

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
    starting,
    supposed,
)
from .definitions import POSITIVE, SIGMA, radius, sigma_2
from .determinant_sign import determinant_sign, diagonal
from .singular_values import determinant
from .theorem_1 import Bounds, distance
from .theorem_1_effective_rank import Entropy, effective_rank, erank
from .theorem_1_norms import LARGEST, NORM, SMALL, Equation8, constant, equation_8, largest, level, norm

tolerance = Variable("eta")
NEAR = Inequality(radius, "<=", tolerance)
OF_NORMS, OF_VALUES = formulas(NORM, LARGEST), formulas(SIGMA)
DET, SETTING = formulas(POSITIVE), starting()
SIGN = always(Inequality(scalar(0), "<", determinant))
lower, _ = equation_8.claim.claims
EXAMPLE = determinant_sign.example

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


class EveryMatrix:
    """What holds at every matrix with det W > 0."""

    def __init__(self, derive):
        self.norms, self.rank, self.gap = (supposed(kind)(derive) for kind in (Equation8, Entropy, Bounds))

    def eight(self):
        """Equation 8."""
        norms, cap = self.norms, constant**2 * largest
        real, three = norms.real, norms.three()
        room = real.less("c^2 E > 0", 0, cap, norms.cc, norms.E, by=[(1, 1, (norms.cc, norms.E)), (1, 1, (norms.E,))])
        return real.at_most("8 in place of 3", lower.lhs, norm, three, room, by=[(1, 1, (three,)), (5, 1, (room,))])

    def bounds(self):
        """Equations 8, 9 and 10, under their conditions."""
        rank, gap, claim = self.rank, self.gap, effective_rank.claim
        sharp, (above, twelve, large, root) = rank.sharp(), rank.constants()
        half = scalar(1).value / 2
        parts = [(half, 1, (above, twelve, root)), (half, 1, (large, root)), (1, 1, (sharp,))]
        nine = rank.real.at_most("the constant", claim.lhs, claim.rhs, sharp, above, twelve, large, root, by=parts)
        claim, close = distance.claim, gap.sharp()
        ten = gap.real.at_most("3 q", claim.lhs, claim.rhs, close, gap.q, by=[(1, 1, (close,)), (2, 1, (gap.q,))])
        of_values = (*DET, *OF_VALUES)
        return self.norms.under(self.eight(), (*DET, *OF_NORMS)), rank.under(nine, of_values), gap.under(ten, of_values)

    def rates(self):
        """Norms exceed the level where the loss is small, the others come within the tolerance."""
        norms, rank, gap = self.norms, self.rank, self.gap
        small, eight = norms.take("small loss"), self.eight()
        high = norms.real.at_most(
            "K <= a / sqrt(loss) - b <= n", level, norm, eight, small, norms.inverse, norms.root,
            by=[(1, 1, (eight,)), (1, 1, (small, norms.inverse))],
        )  # fmt: skip
        near, sharp, close = gap.real.suppose(NEAR), rank.sharp(), gap.sharp()
        flat = rank.real.at_most("q <= eta", erank, 1 + tolerance, sharp, near, by=[(1, 1, (sharp,)), (1, 1, (near,))])
        thin = gap.real.at_most("q <= eta", sigma_2, tolerance, close, near, by=[(1, 1, (close,)), (1, 1, (near,))])
        of_values = (*DET, *OF_VALUES, NEAR)
        return (
            norms.under(high, (*DET, *OF_NORMS, SMALL.formula)),
            rank.under(flat, of_values),
            gap.under(thin, of_values),
        )


@proof(theorem)
def at_every_time(derive):
    along = AlongTheFlow(derive)
    derive.both(*along.at_all_times(*EveryMatrix(derive).bounds()), along.positive)


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
            always(Inequality(erank, "<=", 1 + tolerance), *OF_VALUES, NEAR),
            always(Inequality(sigma_2, "<=", tolerance), *OF_VALUES, NEAR),
            SIGN,
        )
    ),
    scope=theorem.scope,
    example=EXAMPLE,
    deviations=(
        *theorem.deviations,
        "the limits are stated with their rates: for every level K and every tolerance eta there is a positive loss "
        "below which ||W(t)|| >= K, the effective rank is at most 1 + eta, and sigma_2 is at most eta; that the loss "
        "tends to 0 is a premise of the corollary, and does not follow from the others",
    ),
)


@proof(corollary)
def at_every_time_with_rates(derive):
    along = AlongTheFlow(derive)
    derive.both(*along.at_all_times(*EveryMatrix(derive).rates()), along.positive)


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

far_off = at_start(2, diagonal, diagonal, **{"sigma_1": 4, "sigma_2": 1, "eta": 0})


@control(corollary, breaks="loss tends to 0")
def any_loss():
    """Whatever the loss is: at W(0) = diag(4, 1)."""
    return All((always(Inequality(sigma_2, "<=", tolerance), *OF_VALUES), SIGN)), far_off
