"""RC20 Appendix E (our own statement): d x d matrices, all entries observed but w11.

The observations are b12 = b21 = 1, b22 = 0, b_ii = 1 for i >= 3, and 0 elsewhere. At a solution the determinant is
that of ((w11, 1), (1, 0)), which is -1, times ones. Along the flow det W = w11 c + e > 0 (Laplace, along the first row:
c is the cofactor of w11, e the rest); as the loss tends to 0, c tends to 0 and e to -1: |w11| >= -e / |c| grows.
The solution with the same w11 is at distance sqrt(2 loss), and its smallest singular value is at most 1 / |w11|.
All singular values but the first are bounded where the loss is, so that their shares tend to 0 and the effective rank
to 1.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    All,
    Assumption,
    Determinant,
    Entry,
    Identity,
    Inequality,
    Instance,
    ReadAlways,
    ReadAtStart,
    Reading,
    Source,
    Statement,
    Witness,
    control,
    proof,
)
from theorytest.derive.evolution import Exponentials
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import ZERO, Exp, Ln, Variable, absolute, scalar, sqrt

from .along_the_flow import BALANCED, COMPOSED, DEPTH, LOSS, ONE_LAYER, UNBALANCED, at_start
from .definitions import Given
from .determinant_sign import chain, determinant_sign, matrix, unit

w, det, c, e, delta = (Variable(name) for name in ("w11", "det", "c", "e", "delta"))
n, k, unit_norm, rest, gap, smallest, r = (Variable(name) for name in ("n", "k", "e11", "m", "D", "sigma", "r"))
reading = Reading(((w.name, Entry((1, 1))), (det.name, Determinant())), chain.flow)
size = absolute(w)
SQUARE = determinant_sign.assumption("square")
START = Assumption("determinant", "det W(0) > 0", ReadAtStart(Inequality(scalar(0), "<", det), reading))

# -- the zero-loss set -------------------------------------------------------------------------------------------------

b, D = Variable("b"), Variable("D_j")
corner = w * 0 - scalar(1) * 1
ONE = Identity(b, scalar(1))
blocks = Fold("b", "j", (("D_j", corner * b, D * b),), (ONE,), (Where((), Identity(D, scalar(-1))),))

# -- along the flow ----------------------------------------------------------------------------------------------------

LAPLACE = Identity(det, w * c + e)
SMALL = (Inequality(scalar(0), "<", delta), Inequality(delta, "<", scalar(1)))
NEAR = (Inequality(absolute(c), "<=", delta), Inequality(e, "<=", delta - 1))
GROWTH = (LAPLACE, *SMALL, *NEAR)
level = (1 - delta) / delta
QUASI = (
    Inequality(scalar(1), "<=", k),
    Inequality(scalar(0), "<=", unit_norm),
    Inequality(size * unit_norm, "<=", k * (n + rest)),
)
LIPSCHITZ = (
    Inequality(gap, "<=", r + smallest),
    Identity(smallest, (sqrt(w**2 + 4) - size) / 2),
)
grows = ReadAlways(GROWTH, Inequality(level, "<=", size), reading)
norms = ReadAlways((*GROWTH, *QUASI), Inequality(level * unit_norm / k - rest, "<=", n), reading)
near = ReadAlways((*GROWTH, *LIPSCHITZ), Inequality(gap, "<=", r + delta / (1 - delta)), reading)
positive = ReadAlways((), Inequality(scalar(0), "<", det), reading)
EXAMPLE = replace(determinant_sign.example, members=(("/first", 3),))

larger = Statement(
    id="RC20-AppE",
    label="RC20-AppE",
    kind="extension",
    title="Larger square matrices: det = -1 at zero loss; along the flow w11 and norms grow, a singular value falls",
    source=Source("RC20", "Appendix E"),
    assumptions=(LOSS, BALANCED, SQUARE, DEPTH, START),
    claim=All((blocks, grows, norms, near, positive)),
    scope="all sizes d >= 2, every depth L >= 2, hidden widths, all norms and quasi-norms, all times",
    example=EXAMPLE,
    deviations=(
        "our own statement: only the main text is the source at hand",
        *COMPOSED,
        "at zero loss W is ((w11, 1), (1, 0)) beside d - 2 diagonal entries b_ii = 1: the determinant is multiplied by "
        "one after another (d = 2 has none); its singular values are those of RC20-Prop2s and ones, so that the "
        "distance from rank d - 1 is the smaller one of RC20-Prop2s, and that from rank d - 2 is at least 1",
        "c is the cofactor of w11 and e the rest of the expansion; they are polynomials in the observed entries with "
        "the values 0 and -1 at the observations, so that delta may be taken as small as one likes as the loss tends "
        "to 0; D is the distance of W(t) from the matrices of rank at most d - 1, which is at most r = sqrt(2 loss) "
        "plus that of the solution with the same w11",
        "n = ||W||, e11 = ||E11|| and m = ||W - w11 E11|| for a quasi-norm with constant k; m is bounded where the "
        "loss is",
        "that the effective rank tends to 1 is RC20-AppE/effective-rank",
    ),
)


class Growing(Given):
    """What follows from det W = w11 c + e > 0."""

    def __init__(self, derive):
        super().__init__(derive)
        real = self.real
        self.positive = real.suppose(positive.claim)
        laplace, low, high, cofactor, remainder = map(real.suppose, GROWTH)
        self.low, self.high = low, high
        self.size, self.c = self.modulus(w), self.modulus(c)
        self.inverse = real.power(low, -1)
        below = real.at_most(
            "w11 c <= |w11| |c|", w * c, size * absolute(c), self.size, self.c,
            scale=[(2, 1, (self.size, self.c))], by=[(1, size * absolute(c) - w * c, ())],
        )  # fmt: skip
        product = real.less(
            "1 - delta < delta |w11|", 1 - delta, delta * size,
            self.positive, laplace, remainder, below, cofactor, self.size,
            by=[(1, 1, (self.positive,)), (1, 1, (remainder,)), (1, 1, (below,)), (1, 1, (self.size, cofactor))],
        )  # fmt: skip
        self.product = product
        self.level = real.at_most(
            "divided by delta", level, size, product, self.inverse, by=[(1, 1, (product, self.inverse))]
        )

    def norm(self):
        """The norm is at least level e11 / k - m."""
        real = self.real
        one, unit_, triangle = map(real.suppose, QUASI)
        over = real.power(real.less("k > 0", 0, k, one, by=[(1, 1, (one,)), (1, 1, ())]), -1)
        return real.at_most(
            "divided by k", norms.claim.lhs, n, self.level, unit_, triangle, over, self.inverse,
            by=[(1, 1, (triangle, over)), (1, 1, (self.level, unit_, over))],
        )  # fmt: skip

    def distance(self):
        """The smaller singular value is at most 1 / |w11|, hence at most delta / (1 - delta)."""
        real = self.real
        triangle, value = map(real.suppose, LIPSCHITZ)
        room = real.less("1 - delta > 0", 0, 1 - delta, self.high, by=[(1, 1, (self.high,))])
        over = real.power(room, -1)
        square = real.less("w^2 + 4 > 0", 0, w**2 + 4, self.size, by=[(1, w, ()), (4, 1, ())])
        root = real.power(square, Fraction(1, 2))
        s = sqrt(w**2 + 4)
        conjugate = real.equal("(s - |w|) (s + |w|) = 4", (s - size) * (s + size), 4, root, self.size)
        total = real.less("s + |w| > 0", 0, s + size, root, self.size, by=[(1, 1, (root,)), (1, 1, (self.size,))])
        ordered = real.less("|w| < s", size, s, conjugate, total, scale=[(1, 1, (total,))], by=[(4, 1, ())])
        lean = real.at_most(
            "sigma |w| <= 1", smallest * size, 1, value, conjugate, ordered, root, self.size,
            by=[(Fraction(1, 4), s - size, ())],
        )  # fmt: skip
        sigma = real.less("sigma > 0", 0, smallest, value, ordered, by=[(Fraction(1, 2), 1, (ordered,))])
        small = real.at_most(
            "sigma (1 - delta) <= delta", smallest * (1 - delta), delta, lean, sigma, self.product, self.low,
            by=[(1, 1, (sigma, self.product)), (1, 1, (self.low, lean))],
        )  # fmt: skip
        return real.at_most(
            "at most delta / (1 - delta)", gap, near.claim.rhs, triangle, small, over,
            by=[(1, 1, (triangle,)), (1, 1, (small, over))],
        )  # fmt: skip


@proof(larger)
def by_the_cofactor_of_the_unobserved_entry(derive):
    real, (first, after) = Reals(derive), states(blocks)
    one = real.suppose(ONE)
    (part,) = blocks.claims
    start, end = put_in(part.claim, first), put_in(part.claim, after)
    zero_set = derive.apply(
        "fold",
        real.equal("the first", start.lhs, start.rhs, one),
        real.equal("one more", end.lhs, end.rhs, one, real.suppose(part.claim)),
        data=(blocks,),
        text="one diagonal entry after another",
    )
    kept = derive.cite(determinant_sign, *(derive.assume(label) for label in ("balanced", "square", "depth")))
    sign = derive.apply("determinant-along-the-flow", kept, derive.assume("determinant"), text="det W(t) > 0")
    given = Growing(derive)
    facts = []
    for claim, fact in ((grows, given.level), (norms, given.norm()), (near, given.distance())):
        ordered = real.cut(fact, *map(real.suppose, (positive.claim, *claim.conditions)))
        facts.append(derive.apply("along-the-flow", sign, ordered, data=(reading,), text="at every time"))
    derive.both(zero_set, *facts, sign)


HALF = Fraction(1, 2)
SWAPPED = {"delta": HALF, "c": 0, "e": -1, "n": 0, "k": 1, "e11": 1, "m": 0, "D": 1, "r": 0, "sigma": 1}


@control(larger, breaks="determinant")
def negative_determinant():
    """det W(0) = -1: the solution with w11 = 0."""
    return None, Witness(at_start(2, matrix((0, 1), (1, 0)), unit, **SWAPPED))


@control(larger, breaks="balanced")
def unbalanced():
    """Without balancedness the determinant may change its sign."""
    return None, UNBALANCED


@control(larger, breaks="depth")
def depth_one():
    """Depth 1: the determinant may change its sign."""
    return None, ONE_LAYER


@control(larger, breaks="loss tends to 0")
def any_loss():
    """Whatever c is: at W(0) = I, where c = 1 and e = 0, with delta = 1/3."""
    loose = ReadAlways((LAPLACE, *SMALL), Inequality(level, "<=", size), reading)
    return All((loose, positive)), Witness(at_start(2, unit, unit, delta=Fraction(1, 3), c=1, e=0))


@control(larger, breaks="b_ii = 1")
def zero_on_the_diagonal():
    """b_33 = 0: the determinant at zero loss is 0."""
    varied = replace(larger, claim=Identity(corner * b, scalar(-1)), assumptions=(), example=None)
    return varied, Witness(Instance(variables=(("w11", Fraction(5)), ("b", Fraction(0)))))


@control(larger, breaks="rank d - 1")
def infimal_rank_one():
    """The distance from rank 1 in place of rank d - 1: at d = 3 it is at least 1, the middle singular value."""
    far = {"delta": Fraction(1, 9), "c": 0, "e": -1, "D": 1, "r": 0, "sigma": Fraction(1, 8)}
    S = matrix((8, 0), (0, 1))
    loose = ReadAlways((*SMALL,), Inequality(gap, "<=", r + delta / (1 - delta)), reading)
    return All((loose, positive)), Witness(at_start(2, S, S, **far))


# -- the effective rank ------------------------------------------------------------------------------------------------

l, L, count, H, T, rho = (Variable(name) for name in ("l", "L", "k", "H", "T", "rho"))
share, cap = Exp(-1 * l), Exp(-1 * L)  # their squares are a share of a singular value, and a bound of all such shares
shares = Fold(
    "l",
    "k",
    (("H", 2 * l * share**2, H + 2 * l * share**2), ("T", share**2, T + share**2)),
    (Inequality(L, "<=", l),),
    (Where((), Inequality(H, "<=", 2 * count * cap)), Where((), Inequality(T, "<=", count * cap**2))),
)
tau = Variable("tau")
LEADS = (Inequality(ZERO, "<", rho), Identity(rho, 1 - T))
SMALL_SHARES = (Inequality(T, "<=", count * tau**2), Inequality(H, "<=", 2 * count * tau))
near_one = Inequality(Exp(H - rho * Ln(rho)), "<=", Exp(2 * count * tau + count * tau**2))

effective_rank = Statement(
    id="RC20-AppE",
    label="RC20-AppE/effective-rank",
    kind="extension",
    title="If k singular values have shares of at most tau^2, and one the rest: erank <= e^(2 k tau + k tau^2)",
    source=larger.source,
    claim=All((shares, Where((*LEADS, *SMALL_SHARES), near_one))),
    scope="all numbers k >= 1 of singular values beside the largest one; all shares",
    deviations=(
        larger.deviations[0],
        "e^(-2 l) is a share, l at least L, and tau = e^(-L); T is the sum of the k shares, H their part of the "
        "entropy, and rho the share of the largest singular value; a singular value 0 adds nothing to either sum",
        "the largest singular value of W(t) is at least |w11|, and all others are at most ||W - w11 E11|| (Weyl), a "
        "number that is bounded where the loss is: as |w11| tends to infinity (RC20-AppE), their shares tend to 0, and "
        "the effective rank to 1",
    ),
)


@proof(effective_rank)
def by_the_entropy_of_small_shares(derive):
    real, (first, after) = Exponentials(derive), states(shares)
    beyond = real.suppose(shares.conditions[0])
    positive = real.exp_positive(real.defined(-1 * l, real.real(l)))
    lower = real.at_most("-l <= -L", -1 * l, -1 * L, beyond, by=[(1, 1, (beyond,))])
    capped = derive.apply("exp-increasing", lower, text="exp increases")
    grown = real.exp_positive(real.real(l))
    under = real.ln_upper(grown)
    undone = derive.apply("ln-exp", real.real(l), text="ln exp l = l")
    unit = real.rewrite(real.exp_zero(), real.exp_product(l, -1 * l, ZERO), Identity(scalar(1), Exp(l) * share))
    by = [(1, 1, (under, positive, positive)), (1, 1, (positive, positive)), (1, 1, (capped,))]
    part = real.at_most("l e^(-2 l) <= e^-l <= e^-L", l * share**2, cap, under, undone, unit, positive, capped, by=by)
    limit = real.exp_positive(real.defined(-1 * L, lower))
    by = [(1, 1, (capped, positive)), (1, 1, (capped, limit))]
    one = real.at_most("e^(-2 l) <= e^(-2 L)", share**2, cap**2, capped, positive, limit, by=by)
    facts = []
    for claim, step, factor in zip(shares.claims, (part, one), (2, 1), strict=True):
        before = real.suppose(claim.claim)
        for text, values, given in (("one share", first, ()), ("one share more", after, (before,))):
            goal = put_in(claim.claim, values)
            by = [(factor, 1, (step,)), *((1, 1, (fact,)) for fact in given)]
            facts.append(real.at_most(text, goal.lhs, goal.rhs, step, *given, by=by))
    whole = derive.apply("fold", *facts, data=(shares,), text="induction on the number of shares")
    leads, rest, total, entropy = map(real.suppose, (*LEADS, *SMALL_SHARES))
    inverse = real.power(leads, -1)
    above, flipped = real.ln_upper(inverse), real.ln_power(leads, -1)
    by = [(1, 1, (entropy,)), (1, 1, (total,)), (1, 1, (leads, above))]
    exponent = real.at_most(
        "-rho ln rho <= 1 - rho = T", near_one.lhs.argument, near_one.rhs.argument,
        entropy, total, rest, leads, inverse, above, flipped, by=by,
    )  # fmt: skip
    small = derive.apply("exp-increasing", exponent, text="exp increases")
    derive.both(whole, real.cut(small, leads, rest, total, entropy))


def entropy_at(**values):
    """Numbers for the second part."""
    given = {"k": 1, "tau": Fraction(1, 4), "T": Fraction(1, 16), "rho": Fraction(15, 16), "H": HALF}
    return Witness(Instance(variables=tuple((name, Fraction(x)) for name, x in (given | values).items())))


@control(effective_rank, breaks="2 k tau")
def half_the_entropy():
    """k tau in place of 2 k tau."""
    half = Inequality(near_one.lhs, "<=", Exp(count * tau + count * tau**2))
    return Where((*LEADS, *SMALL_SHARES), half), entropy_at()


@control(effective_rank, breaks="small shares")
def large_shares():
    """Any sum T of the other shares: two equal singular values."""
    return Where((*LEADS, SMALL_SHARES[1]), near_one), entropy_at(tau=Fraction(1, 100), T=HALF, rho=HALF, H=0)


@control(effective_rank, breaks="small entropy")
def any_entropy():
    """Any part H of the entropy."""
    return Where((*LEADS, SMALL_SHARES[0]), near_one), entropy_at(H=1)
