"""RC20 Theorem 2 (our own statement), composed: the determinant keeps its sign, and where it has that of b12 b21 the
bounds of RC20-Thm2/b to RC20-Thm2/e hold."""

from fractions import Fraction

from theorytest import (
    All,
    DeterminantSignPreserved,
    Identity,
    Inequality,
    Instance,
    Source,
    Statement,
    Witness,
    control,
    proof,
)
from theorytest.kernel.claim import Where
from theorytest.kernel.scalar import absolute, scalar

from .definitions import SIGMA, Given, sigma_2, w11
from .determinant_sign import chain, determinant_sign, one_layer, unbalanced_start
from .theorem_1_composed import formulas, sign
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

COMPOSED = (
    "the first part says that sign det W(t) = sign det W(0) at all times; the others hold at every 2x2 matrix whose "
    "determinant has the sign of b12 b21, hence at W(t); the bound of a quasi-norm holds at every matrix",
)


A, B_, E_ = absolute(b12), absolute(b21), absolute(b22)
KNOWN = {a.label: a for a in (SIGN, CLOSE, SIGMA, NORM, LARGEST)}


class Supposed(Given):
    """The same derivations, from conditions in place of assumptions."""

    def take(self, label):
        made = [self.real.suppose(formula) for formula in formulas(KNOWN[label])]
        return made if isinstance(KNOWN[label].formula, All) else made[0]

    def under(self, fact, conditions):
        """The fact under exactly these conditions, in this order."""
        return self.real.cut(fact, *map(self.real.suppose, conditions))


class SupposedFar(Supposed, Far):
    """Part (b)."""


class SupposedDistance(Supposed, Distance):
    """Part (d)."""


class SupposedNorms(Supposed, NormsOfPerturbed):
    """Part (c)."""


class SupposedRank(Supposed, EffectiveRank):
    """Part (e)."""


B, C, D, E = formulas(SIGN, CLOSE), formulas(NORM, LARGEST), formulas(SIGN, SIGMA), formulas(SIGN, CLOSE, SIGMA)

theorem = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2",
    kind="theorem",
    title="Theorem 1 for perturbed observations, along the flow",
    source=Source("RC20", "Theorem 2 (appendix)"),
    assumptions=determinant_sign.assumptions,
    claim=All(
        (
            DeterminantSignPreserved(chain.flow),
            Where(B, unobserved.claim),
            Where(C, norms.claim),
            Where(D, distance.claim),
            Where(E, effective_rank.claim),
        )
    ),
    scope="2x2 matrices, every depth L >= 2, hidden widths, all times",
    example=determinant_sign.example,
    deviations=(*unobserved.deviations[:1], *COMPOSED, *norms.deviations[1:]),
)


def tripled(given):
    """sigma_2 <= 3 (|b22| + r)."""
    real, claim = given.real, distance.claim
    sharp = given.whatever_the_sign(0)
    parts = [(1, 1, (sharp,)), (2, 1, (given.e,)), (2, 1, (given.r,))]
    return real.at_most("3 in place of 1", claim.lhs, claim.rhs, sharp, given.e, given.r, by=parts)


@proof(theorem)
def by_composition(derive):
    kept = sign(derive)
    far, gap, rank = SupposedFar(derive), SupposedDistance(derive), SupposedRank(derive)
    size = SupposedNorms(derive)
    derive.both(
        kept,
        far.under(far.far(), B),
        size.under(size.bound(), C),
        gap.under(tripled(gap), D),
        rank.under(rank.bound(8), E),
    )


@control(theorem, breaks="balanced")
def unbalanced():
    """Without balancedness the determinant may change its sign."""
    return None, unbalanced_start.witness


@control(theorem, breaks="depth")
def depth_one():
    """Depth 1: the determinant may change its sign."""
    return None, one_layer.witness


EXACT = Identity(b22, scalar(0))

persists = Statement(
    id="RC20-3.4(i)",
    label="RC20-3.4(i)",
    kind="claim",
    title="With b22 = 0 the conclusions persist for all nonzero b12, b21 of the right sign",
    source=Source("RC20", "Section 3.4"),
    assumptions=determinant_sign.assumptions,
    claim=All(
        (
            DeterminantSignPreserved(chain.flow),
            Where((*B, EXACT), Inequality(level / r, "<=", M)),
            Where((*D, EXACT), Inequality(sigma_2, "<=", 3 * r)),
        )
    ),
    scope=theorem.scope,
    example=determinant_sign.example,
    deviations=(
        *COMPOSED,
        "as r = sqrt(2 loss) tends to 0, the first bound tends to infinity and the second to 0; with RC20-Thm2/c every "
        "norm and quasi-norm tends to infinity; the effective rank is RC20-Thm2/e",
    ),
)


@proof(persists)
def at_exact_observations(derive):
    kept = sign(derive)
    far, gap = SupposedFar(derive), SupposedDistance(derive)
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
    derive.both(kept, far.under(first, (*B, EXACT)), gap.under(second, (*D, EXACT)))


@control(persists, breaks="balanced")
def unbalanced_here():
    """Without balancedness the determinant may change its sign."""
    return None, unbalanced_start.witness


@control(persists, breaks="depth")
def depth_one_here():
    """Depth 1: the determinant may change its sign."""
    return None, one_layer.witness


APART = Inequality(scalar(0), "<", absolute(b22))
limit = A * B_ / E_
recedes = Statement(
    id="RC20-3.4(ii)",
    label="RC20-3.4(ii)",
    kind="claim",
    title="With b22 not 0 the guaranteed level of |w11| is |b12 b21| / |b22|, up to a multiple of r",
    source=Source("RC20", "Section 3.4"),
    assumptions=determinant_sign.assumptions,
    claim=All(
        (
            DeterminantSignPreserved(chain.flow),
            Where((*B, APART), Inequality(limit - r * (A * B_ * E_**-2 + (A + B_) / E_), "<=", M)),
            Where(D, distance.claim),
        )
    ),
    scope=theorem.scope,
    example=determinant_sign.example,
    deviations=(
        *COMPOSED,
        "as r = sqrt(2 loss) tends to 0, the first bound tends to |b12 b21| / |b22| and the second to 3 |b22|; other "
        "places of the unobserved entry are not part of this statement",
    ),
)


@proof(recedes)
def near_the_limit(derive):
    kept = sign(derive)
    far, gap = SupposedFar(derive), SupposedDistance(derive)
    real, apart = far.real, far.real.suppose(APART)
    inverse = real.power(apart, -1)
    bound, claim = far.far(), recedes.claim.claims[1].claim
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
    derive.both(kept, far.under(first, (*B, APART)), gap.under(tripled(gap), D))


@control(recedes, breaks="balanced")
def unbalanced_at_the_level():
    """Without balancedness the determinant may change its sign."""
    return None, unbalanced_start.witness


@control(recedes, breaks="level")
def square_of_b22():
    """|b12 b21| / |b22|^2 in place of |b12 b21| / |b22|: w11 = 5, b22 = 1/4, r = 0."""
    numbers = {"w11": 5, "w12": 1, "w21": 1, "w22": Fraction(1, 4), "b12": 1, "b21": 1, "b22": Fraction(1, 4)}
    steep = A * B_ * E_**-2 - r * (A * B_ * E_**-2 + (A + B_) / E_)
    varied = Statement(label="variant", title="variant", claim=Inequality(steep, "<=", M), assumptions=(SIGN, CLOSE))
    return varied, Witness(Instance(variables=tuple((name, Fraction(x)) for name, x in numbers.items())))
