"""What the experiments of RMC21 rest on: products of many numbers, and trivial predictors (Sections 5.2 and 7)."""

import math
from fractions import Fraction
from random import Random

from theorytest import All, Identity, Outcome, Source, Statement, control, evidence, proof
from theorytest.derive.evolution import Exponentials, variables
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import Exp, scalar

from .escape import at
from .theorem_1 import below, bounded

# -- products of high order --------------------------------------------------------------------------------------------

l, n, p, total = variables("l N p total")
LOGARITHMS = Fold(
    "l",
    "N",
    (("p", Exp(l), p * Exp(l)), ("total", l, total + l)),
    (),
    (Where((), Identity(p, Exp(total))), Where((), below(0, p))),
)
SMALLEST, LARGEST = scalar(Fraction(1, 2**1074)), scalar(2**1024)  # positive numbers of double precision

underflow = Statement(
    id="RMC21-Underflow",
    label="RMC21-Underflow",
    kind="claim",
    title="Products of high order underflow or overflow; the sum of logarithms does not",
    source=Source("RMC21", "Section 7"),
    claim=All(
        (
            LOGARITHMS,
            below(scalar(Fraction(1, 4)) ** 784, SMALLEST),
            below(LARGEST, scalar(4) ** 784),
        )
    ),
    scope="all numbers N of positive factors; double precision at order 784",
    deviations=(
        "for positive factors e^l: their product is e^(sum of l); signs are multiplied apart",
        "the least positive number of double precision is 2^-1074, and all numbers are below 2^1024",
    ),
)


@proof(underflow)
def by_induction_on_the_order(derive):
    real = Exponentials(derive)
    first, after = states(LOGARITHMS)
    product, positive = (real.suppose(part.claim) for part in LOGARITHMS.claims)
    one = real.exp_positive(real.real(l))
    grows = real.exp_product(total, l, total + l)
    facts = []
    for part, given in zip(LOGARITHMS.claims, ([product, grows], [positive, one]), strict=True):
        start, end = (put_in(part.claim, values) for values in (first, after))
        if isinstance(part.claim, Identity):
            facts += [
                real.equal("one factor", start.lhs, start.rhs, one),
                real.equal("one more", end.lhs, end.rhs, *given),
            ]
        else:
            facts += [one, real.less("one more", end.lhs, end.rhs, *given, by=[(1, 1, (positive, one))])]
    whole = derive.apply("fold", *facts, data=(LOGARITHMS,), text="induction on the number N of factors")
    sizes = [real.outright(real.less("exact numbers", claim.lhs, claim.rhs)) for claim in underflow.claim.claims[1:]]
    derive.both(whole, *sizes)


@control(underflow, breaks="high order")
def low_order():
    """Order 500, at the factor 1/4."""
    return below(scalar(Fraction(1, 4)) ** 500, SMALLEST), at()


@control(underflow, breaks="sum of logarithms")
def product_of_logarithms():
    """The product of the logarithms in place of their sum, for two factors."""
    return Identity(Exp(l) * Exp(total), Exp(l * total)), at(l=1, total=1)


@evidence(underflow, arithmetic="float64")
def in_double_precision(run):
    """Products of 784 and 10000 random factors: the direct product is 0 or infinite; e^(sum of logarithms) against the
    exact product, by its logarithm, within the rounding errors of N logarithms and N sums."""
    random, seen, worst = Random(run.seed), 0, 0.0
    for order, size in ((784, 4), (784, 0.25), (10000, 0.5)):
        factors = [size * random.uniform(0.9, 1.1) for _ in range(order)]
        direct = math.prod(factors)
        assert direct == (0.0 if size < 1 else math.inf)
        # Every factor is an integer over a power of two: so is the product, whose leading 64 bits give its logarithm.
        pairs = [factor.as_integer_ratio() for factor in factors]
        exact = math.prod(above for above, _ in pairs)
        shift = exact.bit_length() - 64
        power = shift - sum(below.bit_length() - 1 for _, below in pairs)
        wanted = math.log(exact >> shift) + power * math.log(2)
        logs = math.fsum(map(math.log, factors))
        bound = 2.0**-52 * (sum(abs(math.log(factor)) for factor in factors) + 2 * abs(wanted) + 2)
        worst = max(worst, abs(logs - wanted) / bound)
        seen += 1
    return Outcome(seen, f"{worst:.2g}", worst <= 1, "direct products are 0 or infinite")


# -- trivial predictors ------------------------------------------------------------------------------------------------

q, c = variables("q c")
RESIDUAL = q * (1 - c) ** 2 + (1 - q) * c**2
SHARE = (bounded(0, q), bounded(q, 1))

trivial = Statement(
    id="RMC21-Trivial",
    label="RMC21-Trivial",
    kind="claim",
    title="The best constant predictor of a 0-1 label has the label's variance as residual: 9/100 at 10% positives",
    source=Source("RMC21", "Figure 4"),
    claim=All(
        (
            bounded(q * (1 - q), RESIDUAL),
            Where((Identity(c, q),), Identity(RESIDUAL, q * (1 - q))),
            Where((Identity(q, scalar(Fraction(1, 10))),), Identity(q * (1 - q), scalar(Fraction(9, 100)))),
        )
    ),
    scope="all shares q of positives, all constants c",
    deviations=("that predictors of rank one do little better on random variants is a statement about experiments",),
)


@proof(trivial)
def by_completing_the_square(derive):
    real = Reals(derive)
    first, second, third = trivial.claim.claims
    best = real.at_most("(c - q)^2 >= 0", first.lhs, first.rhs, by=[(1, c - q, ())])
    parts = [real.outright(best)]
    for part in (second, third):
        given = real.suppose(part.conditions[0])
        parts.append(real.equal("at this number", part.claim.lhs, part.claim.rhs, given))
    derive.both(*parts)


@control(trivial, breaks="centring")
def without_centring():
    """The mean square of the label in place of its variance."""
    return bounded(q, RESIDUAL), at(q=Fraction(1, 10), c=Fraction(1, 10))
