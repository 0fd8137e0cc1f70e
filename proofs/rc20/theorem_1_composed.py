"""RC20 Theorem 1 and Corollary 1, composed: the determinant keeps its sign, and where it is positive the bounds hold.

The first part speaks of the flow: if det W(0) > 0, then det W(t) > 0 at every t (RC20-DetInv). The other parts hold at
every 2x2 matrix with det W > 0 (RC20-Eq8, RC20-Eq9, RC20-Eq10), so at W(t), for every t.
"""

from theorytest import (
    All,
    DeterminantSignPreserved,
    Inequality,
    Source,
    Statement,
    control,
    proof,
)
from theorytest.kernel.claim import Where
from theorytest.kernel.scalar import Variable, scalar

from .definitions import POSITIVE, SIGMA, Given, radius, sigma_2
from .determinant_sign import chain, determinant_sign, one_layer, unbalanced_start
from .theorem_1 import Bounds, distance
from .theorem_1_effective_rank import Entropy, effective_rank, erank
from .theorem_1_norms import LARGEST, NORM, SMALL, Equation8, constant, equation_8, largest, level, norm

tolerance = Variable("eta")
NEAR = Inequality(radius, "<=", tolerance)
COMPOSED = (
    "the first part says that det W(t) > 0 at all times if det W(0) > 0; the others hold at every 2x2 matrix with "
    "det W > 0, hence at W(t); hidden widths are any, and so is the loss of the flow (locally Lipschitz gradient)",
)


def formulas(*assumptions):
    """The formulas of assumptions, as conditions."""
    found = []
    for assumption in assumptions:
        formula = assumption.formula
        found += formula.claims if isinstance(formula, All) else (formula,)
    return tuple(found)


KNOWN = {a.label: a for a in (POSITIVE, SIGMA, NORM, LARGEST, SMALL)}


class Supposed(Given):
    """The same derivations, from conditions in place of assumptions."""

    def take(self, label):
        made = [self.real.suppose(formula) for formula in formulas(KNOWN[label])]
        return made if isinstance(KNOWN[label].formula, All) else made[0]

    def under(self, fact, conditions):
        """The fact under exactly these conditions, in this order."""
        return self.real.cut(fact, *map(self.real.suppose, conditions))


class SupposedBounds(Supposed, Bounds):
    """Equation 10."""


class SupposedEntropy(Supposed, Entropy):
    """Equation 9."""


class SupposedNorms(Supposed, Equation8):
    """Equation 8."""


OF_VALUES, OF_NORMS = formulas(POSITIVE, SIGMA), formulas(POSITIVE, NORM, LARGEST)
lower, _ = equation_8.claim.claims
static = (
    Where(OF_NORMS, lower),
    Where(OF_VALUES, effective_rank.claim),
    Where(OF_VALUES, distance.claim),
)

theorem = Statement(
    id="RC20-Thm1",
    label="RC20-Thm1",
    kind="theorem",
    title="Along the flow norms are bounded from below, effective rank and distance from infimal rank from above",
    source=Source("RC20", "Theorem 1"),
    assumptions=determinant_sign.assumptions,
    claim=All((DeterminantSignPreserved(chain.flow), *static)),
    scope="2x2 matrices, every depth L >= 2, hidden widths, all norms and quasi-norms, all times",
    example=determinant_sign.example,
    deviations=(*determinant_sign.deviations, *COMPOSED, *equation_8.deviations[1:]),
)


def sign(derive):
    """The determinant keeps its sign."""
    return derive.cite(determinant_sign, *(derive.assume(name) for name in ("balanced", "square", "depth")))


def three_bounds(norms, rank, gap):
    """Equations 8, 9 and 10, under their conditions."""
    real, cap = norms.real, constant**2 * largest
    three = norms.three()
    room = real.less("c^2 E > 0", 0, cap, norms.cc, norms.E, by=[(1, 1, (norms.cc, norms.E)), (1, 1, (norms.E,))])
    eight = real.at_most("8 in place of 3", lower.lhs, norm, three, room, by=[(1, 1, (three,)), (5, 1, (room,))])
    first = norms.under(eight, OF_NORMS)
    sharp = rank.sharp()
    above, twelve, large, root = rank.constants()
    half = scalar(1).value / 2
    parts = [(half, 1, (above, twelve, root)), (half, 1, (large, root)), (1, 1, (sharp,))]
    claim = effective_rank.claim
    facts = (sharp, above, twelve, large, root)
    second = rank.under(rank.real.at_most("the constant", claim.lhs, claim.rhs, *facts, by=parts), OF_VALUES)
    close = gap.sharp()
    claim = distance.claim
    third = gap.real.at_most("3 q", claim.lhs, claim.rhs, close, gap.q, by=[(1, 1, (close,)), (2, 1, (gap.q,))])
    return first, second, gap.under(third, OF_VALUES)


@proof(theorem)
def by_composition(derive):
    kept = sign(derive)
    derive.both(kept, *three_bounds(SupposedNorms(derive), SupposedEntropy(derive), SupposedBounds(derive)))


@control(theorem, breaks="balanced")
def unbalanced():
    """Without balancedness the determinant may change its sign."""
    return None, unbalanced_start.witness


@control(theorem, breaks="depth")
def depth_one():
    """Depth 1: the determinant may change its sign."""
    return None, one_layer.witness


corollary = Statement(
    id="RC20-Cor1",
    label="RC20-Cor1",
    kind="corollary",
    title="Along the flow norms tend to infinity and ranks to their infimum as the loss tends to 0",
    source=Source("RC20", "Corollary 1"),
    assumptions=determinant_sign.assumptions,
    claim=All(
        (
            DeterminantSignPreserved(chain.flow),
            Where((*OF_NORMS, SMALL.formula), Inequality(level, "<=", norm)),
            Where((*OF_VALUES, NEAR), Inequality(erank, "<=", 1 + tolerance)),
            Where((*OF_VALUES, NEAR), Inequality(sigma_2, "<=", tolerance)),
        )
    ),
    scope=theorem.scope,
    example=determinant_sign.example,
    deviations=(
        *theorem.deviations,
        "the limits are stated with their rates: for every level K and every tolerance eta there is a positive loss "
        "below which ||W|| >= K, the effective rank is at most 1 + eta, and sigma_2 is at most eta; that the loss "
        "tends to 0 is a premise of the corollary, and does not follow from the others",
    ),
)


@proof(corollary)
def by_composition_with_rates(derive):
    kept = sign(derive)
    norms, rank, gap = SupposedNorms(derive), SupposedEntropy(derive), SupposedBounds(derive)
    real, cap = norms.real, constant**2 * largest
    three, small = norms.three(), norms.take("small loss")
    room = real.less("c^2 E > 0", 0, cap, norms.cc, norms.E, by=[(1, 1, (norms.cc, norms.E)), (1, 1, (norms.E,))])
    eight = real.at_most("8 in place of 3", lower.lhs, norm, three, room, by=[(1, 1, (three,)), (5, 1, (room,))])
    high = real.at_most(
        "K <= a / sqrt(loss) - b <= n",
        level,
        norm,
        eight,
        small,
        norms.inverse,
        norms.root,
        by=[(1, 1, (eight,)), (1, 1, (small, norms.inverse))],
    )
    near = gap.real.suppose(NEAR)
    sharp, close = rank.sharp(), gap.sharp()
    flat = rank.real.at_most("q <= eta", erank, 1 + tolerance, sharp, near, by=[(1, 1, (sharp,)), (1, 1, (near,))])
    thin = gap.real.at_most("q <= eta", sigma_2, tolerance, close, near, by=[(1, 1, (close,)), (1, 1, (near,))])
    derive.both(
        kept,
        norms.under(high, (*OF_NORMS, SMALL.formula)),
        rank.under(flat, (*OF_VALUES, NEAR)),
        gap.under(thin, (*OF_VALUES, NEAR)),
    )


@control(corollary, breaks="balanced")
def unbalanced_in_the_corollary():
    """Without balancedness the determinant may change its sign."""
    return None, unbalanced_start.witness


@control(corollary, breaks="depth")
def depth_one_in_the_corollary():
    """Depth 1: the determinant may change its sign."""
    return None, one_layer.witness
