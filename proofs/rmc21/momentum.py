"""What the bounds of RMC21 Theorem 1 say as the unbalancedness tends to 0, and the analogy with singular values.

With g = P_r^(2/N), both bounds are N gamma_r P_r^(2 - 2/N) times a factor that tends to 1 with eps / g: P_r^2 / (g +
eps) is P_r^2 / g times at least 1 - eps / g, and g^(N-1) is (g + eps)^(N-1) times at least 1 - (N-1) eps / g
(Bernoulli).
"""

from fractions import Fraction

from theorytest import All, Assumption, Identity, Source, Statement, control, proof
from theorytest.derive.evolution import Exponentials, variables
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import Exp, Ln, scalar

from .escape import at
from .theorem_1 import below, bounded, corollary, theorem

s, N, x, z, g, e = variables("s N x z g eps")

# -- both bounds tend to the balanced rate -----------------------------------------------------------------------------

WIDE = (below(0, g), bounded(0, e))
BERNOULLI = Fold(
    "s",
    "N",
    (
        ("x", scalar(1), x * (g + e)),  # (g + eps)^(N-1)
        ("z", scalar(1), z * g),  # g^(N-1)
    ),
    WIDE,
    (
        Where((), below(0, x)),
        Where((), below(0, z)),
        Where((), bounded(z, x)),
        Where((), bounded(x * (g - (N - 1) * e), z * g)),
    ),
)
SHARE = g * (g + e) ** -1  # the lower bound, divided by the balanced rate
LOWER = (Where(WIDE, bounded(1 - e * g**-1, SHARE)), Where(WIDE, bounded(SHARE, 1)))

tends = Statement(
    id="RMC21-Mom",
    label="RMC21-Mom",
    kind="claim",
    title="As eps tends to 0 at fixed P_r > 0, both bounds tend to N gamma_r P_r^(2 - 2/N)",
    source=Source("RMC21", "Section 3"),
    assumptions=theorem.assumptions,
    claim=All((theorem.claim, BERNOULLI, *LOWER)),
    scope="all orders, ranks, shapes, losses; all times at which P_r > 0",
    deviations=(
        "g = P_r^(2/N) and P_r^2 = g^N; limits are stated with their rates: the lower bound is the balanced rate N "
        "gamma P_r^2 / g times g / (g + eps), between 1 - eps / g and 1; the upper bound x = (g + eps)^(N-1) is at "
        "least z = g^(N-1), and x (1 - (N-1) eps / g) <= z",
        "the balanced rate increases with P_r, as P_r^(2 - 2/N): slowly when small, fast when large",
    ),
)


@proof(tends)
def by_bernoulli(derive):
    real = Reals(derive)
    first, after = states(BERNOULLI)
    positive, size = (real.suppose(condition) for condition in WIDE)
    wide, narrow, above, ratio = (real.suppose(part.claim) for part in BERNOULLI.claims)
    count = real.suppose(bounded(1, N))
    sum_ = real.less("0 < g + eps", 0, g + e, positive, size, by=[(1, 1, (positive,)), (1, 1, (size,))])
    steps = (
        ([wide, sum_], [(1, 1, (wide, sum_))]),
        ([narrow, positive], [(1, 1, (narrow, positive))]),
        ([above, sum_, narrow, size, positive], [(1, 1, (above, sum_)), (1, 1, (narrow, size))]),
        (
            [ratio, positive, wide, count, size],
            [(1, 1, (ratio, positive)), (1, e, (wide, count)), (1, e, (wide,))],
        ),
    )
    facts = []
    for part, (given, by) in zip(BERNOULLI.claims, steps, strict=True):
        start, end = (put_in(part.claim, values) for values in (first, after))
        prove = real.less if part.claim.relation == "<" else real.at_most
        hint = [(1, 1, ())] if part.claim.relation == "<" else [(1, 0, ())]
        facts.append(prove("at the first member", start.lhs, start.rhs, by=hint))
        facts.append(prove("with one more member", end.lhs, end.rhs, *given, by=by))
    whole = derive.apply("fold", *facts, data=(BERNOULLI,), text="induction on the order N (Bernoulli)")
    inverse, per = real.power(sum_, -1), real.power(positive, -1)
    low = real.at_most(
        "eps / g >= eps / (g + eps)", LOWER[0].claim.lhs, SHARE, positive, size, inverse, per,
        by=[(1, e, (inverse, per))],
    )  # fmt: skip
    high = real.at_most("eps >= 0", SHARE, 1, size, inverse, by=[(1, 1, (size, inverse))])
    bounds = [real.cut(fact, positive, size, add=WIDE) for fact in (low, high)]
    derive.both(derive.cite(theorem), whole, *bounds)


def fixed(claim, **values):
    """A variant at fixed numbers: 0 < g, 0 <= eps."""
    setting = Assumption("real", "g > 0, eps >= 0", All(WIDE))
    return Statement(label="variant", title="variant", claim=claim, assumptions=(setting,)), at(**values)


@control(tends, breaks="fixed P_r")
def uniformly_in_the_norm():
    """A rate that does not depend on P_r: 1 - eps <= g / (g + eps); at P_r -> 0 and fixed eps the share tends to 0."""
    return fixed(bounded(1 - e, SHARE), g=Fraction(1, 100), eps=Fraction(1, 2))


@control(tends, breaks="exponent 2 - 2/N")
def exponent_one():
    """P_r in place of P_r^(2 - 2/N), at N = 3 and eps = 0: 3 gamma g^2 is not 3 gamma g^(3/2)."""
    return fixed(Identity(3 * g**2, 3 * g ** Fraction(3, 2)), g=4, eps=0)


@control(tends, breaks="exponent 2 - 2/N")
def exponent_two_minus_one_over_n():
    """P_r^(2 - 1/N), at N = 3 and eps = 0."""
    return fixed(Identity(3 * g**2, 3 * g ** Fraction(5, 2)), g=4, eps=0)


@control(tends, breaks="factor N - 1")
def smaller_rate():
    """x (1 - (N-2) eps / g) <= z, at N = 3."""
    return fixed(bounded((g + e) ** 2 * (g - e), g**3), g=1, eps=Fraction(1, 10))


# -- singular values of deep matrix factorization ----------------------------------------------------------------------

P, L, gamma = variables("P L gamma")
SINGULAR = L * gamma * Exp((1 - L**-1) * Ln(P**2))  # RC20-Lem5: L <-grad, u v^T> (sigma^2)^(1 - 1/L)
NORM = N * gamma * Exp((2 - 2 * N**-1) * Ln(P))  # equation 7: N gamma P^(2 - 2/N)
ALIKE = (below(0, P), bounded(1, N), Identity(L, N))

analogy = Statement(
    id="RMC21-Arora",
    label="RMC21-Arora",
    kind="claim",
    title="With L for N, component norms move like singular values: N gamma P^(2 - 2/N) = L gamma (sigma^2)^(1 - 1/L)",
    source=Source("RMC21", "Section 3"),
    assumptions=corollary.assumptions,
    claim=All((corollary.claim, Where(ALIKE, Identity(NORM, SINGULAR)))),
    scope="all real N >= 1, all P > 0 and gamma",
    deviations=(
        *corollary.deviations[:2],
        "gamma is <-grad, unit component> here, and <-grad, u v^T> there (RC20-Lem5: Arora, Cohen, Hu and Luo 2019, "
        "Theorem 3)",
    ),
)


@proof(analogy)
def by_logarithms(derive):
    real = Exponentials(derive)
    positive, order, same = map(real.suppose, ALIKE)
    size = real.less("0 < N", 0, N, order, by=[(1, 1, (order,)), (1, 1, ())])
    inverse = real.power(size, -1)
    other = real.rewrite(real.equal("N = L", N, L, same), real.defined(N**-1, inverse), Identity(N**-1, L**-1))
    square = real.ln_power(positive, 2)
    exponent = real.exp_of((2 - 2 * N**-1) * Ln(P), (1 - L**-1) * Ln(P**2), square, inverse, other)
    equal = real.equal("the same rate", NORM, SINGULAR, exponent, same)
    derive.both(derive.cite(corollary), real.cut(equal, *map(real.suppose, ALIKE)))


@control(analogy, breaks="L = N")
def one_layer_less():
    """L = N - 1."""
    shift = Assumption("shift", "P > 0, N >= 1, L = N - 1", All((*ALIKE[:2], Identity(L, N - 1))))
    varied = Statement(label="variant", title="variant", claim=Identity(NORM, SINGULAR), assumptions=(shift,))
    return varied, at(P=4, N=3, L=2, gamma=1)
