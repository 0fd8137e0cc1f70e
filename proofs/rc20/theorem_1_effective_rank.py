"""RC20 Theorem 1, equation 9: with det W > 0, the effective rank is bounded by the loss.

With shares rho_1, rho_2 of the singular values and B = 1 + sqrt(2 l): ln u <= u - 1 at u = (rho_i B)^(-1/2) gives
H - ln B <= 2 (sqrt(rho_1) + sqrt(rho_2)) / sqrt(B) - 2, so exp(H) <= B once (sqrt(rho_1) + sqrt(rho_2))^2 <= B. That
is 4 sigma_1 sigma_2 <= 2 l (sigma_1 + sigma_2)^2, where (sigma_1 + sigma_2)^2 = (w11 + w22)^2 + (w12 - w21)^2 as det
W > 0: an inequality between polynomials whose gap is a sum of squares. The paper's constant is 1.7 or 7 times larger.
"""

from fractions import Fraction

from theorytest import (
    Definition,
    Identity,
    Inequality,
    Instance,
    Outcome,
    Source,
    Statement,
    Witness,
    control,
    proof,
    sampled,
)
from theorytest.kernel.ball import ball, evaluate, precision
from theorytest.kernel.scalar import Exp, Ln, Power, scalar, sqrt

from .definitions import POSITIVE, SIGMA, at, loss, radius, sigma_1, sigma_2, w11, w12, w21, w22
from .proposition_2 import entropy, shares
from .singular_values import determinant
from .theorem_1 import Bounds, long

HALF = Fraction(1, 2)
rho_1, rho_2 = shares((sigma_1, sigma_2))
H = entropy((sigma_1, sigma_2))
erank = Exp(H)
bound = 1 + radius
smaller = HALF * sqrt(12) / Ln(scalar(2))
larger = 2 * sqrt(12) / Ln(scalar(2))
deviations = (
    "stated for every matrix with det W > 0; along the flow of RC20-Thm1 the determinant stays positive (RC20-DetInv)",
    "the infimum of the effective rank over the zero-loss set is 1 (RC20-Prop2)",
)

definition = Statement(
    id="RC20-Def1",
    label="RC20-Def1",
    kind="definition",
    title="Effective rank: exp of the entropy of the shares of the singular values",
    source=Source("RC20", "Definition 1"),
    claim=Definition(erank),
    scope="2x2 matrices with positive singular values",
    expected="DEFINED",
    deviations=("0 ln 0 = 0 is the limit (RC20-Prop2), so that the effective rank of a matrix of rank 1 is 1",),
)


@sampled(definition)
def between_one_and_the_rank(run):
    """1 < erank <= 2, symmetric, scale-free, and equal to 2 only where both singular values are; against H in bits."""
    seen = 0
    for one in range(1, 13):
        for two in range(1, 13):
            with precision(200):
                here, scaled, swapped = (
                    ball(evaluate(erank, {"sigma_1": Fraction(a), "sigma_2": Fraction(b)}))
                    for a, b in ((one, two), (3 * one, 3 * two), (two, one))
                )
                total = one + two
                bits = sum(-ball(Fraction(x, total)).log() / ball(Fraction(2)).log() * x / total for x in (one, two))
                again = ball(Fraction(2)) ** bits
                assert abs(here - scaled) < 1e-50 and abs(here - swapped) < 1e-50 and abs(here - again) < 1e-50
                assert here > 1 and (abs(here - 2) < 1e-50 if one == two else here < 2)
            seen += 1
    return Outcome(seen, "0", True, "balls of 200 bits")


@control(definition, breaks="exp of H in nats")
def entropy_in_bits():
    """H in bits under exp: at equal shares exp(1), not 2."""
    return Identity(Exp(H / Ln(scalar(2))), scalar(2)), Witness(at(1, 0, 0, 1, one=1, two=1))


@control(definition, breaks="shares of the singular values")
def shares_of_the_squares():
    """Shares of the squared singular values give another number."""
    return Identity(Exp(entropy((sigma_1**2, sigma_2**2))), erank), Witness(at(2, 0, 0, 1, one=2, two=1))


effective_rank = Statement(
    id="RC20-Eq9",
    label="RC20-Eq9",
    kind="theorem",
    title="The effective rank is at most 1 + sqrt(12) / (2 ln 2) sqrt(loss)",
    source=Source("RC20", "Theorem 1, equation 9"),
    assumptions=(POSITIVE, SIGMA),
    claim=Inequality(erank, "<=", 1 + smaller * sqrt(loss)),
    scope="all real 2x2 matrices with det W > 0",
    example=at(2, 0, 0, 1, one=2, two=1),
    deviations=(
        *deviations,
        "the layout of the constant is lost in the text at hand: it reads 2 sqrt(12) / ln 2 or sqrt(12) / (2 ln 2); "
        "this is the smaller one, which implies the other (RC20-Eq9/larger)",
    ),
)

effective_rank_larger = Statement(
    id="RC20-Eq9",
    label="RC20-Eq9/larger",
    kind="theorem",
    title="The effective rank is at most 1 + 2 sqrt(12) / ln 2 sqrt(loss)",
    source=effective_rank.source,
    assumptions=(POSITIVE, SIGMA),
    claim=Inequality(erank, "<=", 1 + larger * sqrt(loss)),
    scope=effective_rank.scope,
    example=effective_rank.example,
    deviations=deviations,
)


class Shares:
    """The shares of the singular values, and bounds of the effective rank that follow from them."""

    def shares(self):
        """Both shares are positive, given 0 < sigma_2 <= sigma_1."""
        real = self.real
        total = real.less(
            "sigma_1 + sigma_2 > 0",
            0,
            sigma_1 + sigma_2,
            self.strict,
            self.order,
            by=[(2, 1, (self.strict,)), (1, 1, (self.order,))],
        )
        self.share = real.power(total, -1)
        first = [(1, 1, (self.strict, self.share)), (1, 1, (self.order, self.share))]
        self.first = real.less("rho_1 > 0", 0, rho_1, self.strict, self.order, self.share, by=first)
        self.second = real.less("rho_2 > 0", 0, rho_2, self.strict, self.share, by=[(1, 1, (self.strict, self.share))])

    def at_most_two(self):
        """exp(H) <= 2."""
        real = self.real
        two = real.less("0 < 2", 0, 2)
        one, other = real.power(self.first, HALF), real.power(self.second, HALF)
        spread = real.at_most(
            "2 sqrt(rho_1 rho_2) <= 1",
            2 * sqrt(rho_1) * sqrt(rho_2),
            1,
            one,
            other,
            self.share,
            by=[(1, sqrt(rho_1) - sqrt(rho_2), ())],
        )
        return self.below(scalar(2), two, spread)

    def below(self, B, positive, spread):
        """exp(H) <= B, from 0 < B and 2 sqrt(rho_1 rho_2) <= B - 1."""
        real = self.real
        root, inverse = real.power(positive, HALF), real.power(positive, -HALF)
        roots = [real.power(rho, HALF) for rho in (self.first, self.second)]
        middle = sqrt(rho_1) + sqrt(rho_2)
        fits = real.at_most(
            "sqrt(rho_1) + sqrt(rho_2) <= sqrt(B)",
            middle,
            sqrt(B),
            spread,
            root,
            self.share,
            *roots,
            scale=[(2, 1, (root,))],
            by=[(1, sqrt(B) - middle, ()), (1, 1, (spread,))],
        )
        logarithm = real.ln_power(positive, -HALF)
        tangents = []
        for rho, fact in ((rho_1, self.first), (rho_2, self.second)):
            power = real.power(fact, -HALF)
            u = Power(rho, -HALF) * Power(B, -HALF)
            tangent = real.ln_upper(real.less("u > 0", 0, u, power, inverse, by=[(1, 1, (power, inverse))]))
            product = self.derive.apply("ln-product", power, inverse, text="ln of a product")
            mean = -HALF * (Ln(rho) + Ln(B))
            value = real.equal(
                "ln u = -(ln rho + ln B) / 2", Ln(u), mean, product, real.ln_power(fact, -HALF), logarithm
            )
            facts = (tangent, value, fact, inverse, power, real.power(fact, HALF))
            chord = sqrt(rho) * Power(B, -HALF) - rho
            tangents.append(
                real.at_most("rho ln u <= sqrt(rho / B) - rho", rho * mean, chord, *facts, by=[(1, 1, (tangent, fact))])
            )
        slack = real.at_most(
            "(sqrt(rho_1) + sqrt(rho_2)) / sqrt(B) <= 1",
            middle * Power(B, -HALF),
            1,
            fits,
            inverse,
            root,
            by=[(1, 1, (fits, inverse))],
        )
        entropy = real.at_most(
            "H <= ln B", H, Ln(B), *tangents, slack, self.share, by=[(2, 1, (t,)) for t in (*tangents, slack)]
        )
        grows = self.derive.apply("exp-increasing", entropy, text="exp increases")
        return real.rewrite(real.exp_ln(positive), grows, Inequality(erank, "<=", B), "exp ln B = B")


class Entropy(Bounds, Shares):
    """The effective rank of a matrix with det W > 0."""

    def __init__(self, derive):
        super().__init__(derive)
        self.shares()
        real = self.real
        self.base = real.less("1 + sqrt(2 loss) > 0", 0, bound, self.q, by=[(1, 1, ()), (1, 1, (self.q,))])

    def spread(self):
        """2 sqrt(rho_1) sqrt(rho_2) <= sqrt(2 loss)."""
        real, q = self.real, self.q
        trace, s, k = w11 + w22, (w12 + w21) / 2, (w12 - w21) / 2
        squares = [
            (1, w22 * trace - 2 * s + 2 * k**2, ()),
            (2, (1 - s) * trace - w22, ()),
            (2, w22, ()),
            (2, k * w11, ()),
            (2, k * w22, ()),
            (4, k**2, ()),
            (8, k * (s - HALF), ()),
            (2, k, ()),
        ]
        polynomial = real.at_most(
            "4 det W <= 2 l ((w11 + w22)^2 + (w12 - w21)^2)",
            4 * determinant,
            2 * loss * (trace**2 + 4 * k**2),
            real.real(0),
            by=squares,
        )
        scaled = real.at_most(
            "4 sigma_1 sigma_2 <= 2 l (sigma_1 + sigma_2)^2",
            4 * sigma_1 * sigma_2,
            2 * loss * (sigma_1 + sigma_2) ** 2,
            polynomial,
            self.product,
            self.trace,
            by=[(1, 1, (polynomial,))],
        )
        halves = real.at_most(
            "4 rho_1 rho_2 <= 2 l",
            4 * rho_1 * rho_2,
            2 * loss,
            scaled,
            self.share,
            by=[(1, 1 / (sigma_1 + sigma_2), (scaled,))],
        )
        one, two = real.power(self.first, HALF), real.power(self.second, HALF)
        roots = 2 * sqrt(rho_1) * sqrt(rho_2)
        return real.at_most(
            "2 sqrt(rho_1 rho_2) <= q",
            roots,
            radius,
            halves,
            q,
            one,
            two,
            scale=[(2, 1, (q,))],
            by=[(1, radius - roots, ()), (1, 1, (halves,))],
        )

    def sharp(self):
        """exp(H) <= 1 + sqrt(2 loss)."""
        return self.below(bound, self.base, self.spread())

    def constants(self):
        """0 < ln 2 <= 1, 0 < 1 / ln 2, 2 sqrt(2) <= sqrt(12), 0 <= sqrt(2 loss), 0 <= sqrt(loss)."""
        real = self.real
        two = real.less("0 < 2", 0, 2)
        at_most_one = real.ln_upper(two)
        half = real.ln_upper(real.power(two, -1))
        known = real.ln_power(two, -1)
        positive = real.less(
            "ln 2 > 0", 0, Ln(scalar(2)), half, known, real.power(two, -1), by=[(1, 1, (half,)), (HALF, 1, ())]
        )
        inverse = real.power(positive, -1)
        above = real.at_most(
            "1 / ln 2 >= 1", 1, 1 / Ln(scalar(2)), at_most_one, inverse, by=[(1, 1, (at_most_one, inverse))]
        )
        root, twelve = real.power(two, HALF), real.power(real.less("0 < 12", 0, 12), HALF)
        gap = sqrt(12) - 2 * sqrt(2)
        large = real.at_most(
            "2 sqrt(2) <= sqrt(12)",
            2 * sqrt(2),
            sqrt(12),
            root,
            twelve,
            scale=[(2, 1, (twelve,))],
            by=[(1, gap, ()), (4, 1, ())],
        )
        size = real.at_most("loss >= 0", 0, loss, real.real(0), by=[(HALF, x, ()) for x in (w12 - 1, w21 - 1, w22)])
        return above, twelve, large, real.power(size, HALF)


def sharper_constant(derive):
    """exp(H) <= 1 + sqrt(2) sqrt(loss)."""
    bounds = Entropy(derive)
    bounds.finish(bounds.sharp())


def fourth_root(derive):
    """exp(H) <= 1 + C loss^(1/4): loss^(1/2) is smaller where loss <= 1, and exp(H) <= 2 everywhere."""
    bounds = Entropy(derive)
    real, small, two = bounds.real, bounds.sharp(), bounds.at_most_two()
    above, twelve, large, root = bounds.constants()
    size = real.at_most("loss >= 0", 0, loss, real.real(0), by=[(HALF, x, ()) for x in (w12 - 1, w21 - 1, w22)])
    x, y = loss ** Fraction(1, 4), sqrt(loss)
    quarter = real.power(size, Fraction(1, 4))
    square = real.at_most("y <= x^2", y, x**2, quarter, root, scale=[(2, x, ())], by=[(1, x**2 - y, ())])
    enough = real.at_most(
        "C >= sqrt(2)", sqrt(2), smaller, above, twelve, large, by=[(HALF, 1, (above, twelve)), (HALF, 1, (large,))]
    )
    sqrt_two = real.power(real.less("0 < 2", 0, 2), HALF)
    one = real.at_most("sqrt(2) >= 1", 1, sqrt(2), sqrt_two, scale=[(1, 1, ()), (1, 1, (sqrt_two,))], by=[(1, 1, ())])
    scale = [(1, 1, ()), (1, 1, (quarter,)), (1, x, ()), (1, x, (quarter,))]
    claim = Inequality(erank, "<=", 1 + smaller * x)
    low, high = Inequality(loss, "<=", scalar(1)), Inequality(scalar(1), "<=", loss)
    under, over = real.suppose(low), real.suppose(high)
    short = real.at_most("x <= 1", x, 1, quarter, under, scale=scale, by=[(1, 1, (under,))])
    long_ = real.at_most("x >= 1", 1, x, quarter, over, scale=scale, by=[(1, 1, (over,))])
    facts = (small, square, short, quarter, sqrt_two, enough)
    first = real.at_most(
        "where loss <= 1",
        claim.lhs,
        claim.rhs,
        *facts,
        by=[
            (1, 1, (small,)),
            (1, 1, (sqrt_two, square)),
            (1, 1, (sqrt_two, quarter, short)),
            (1, 1, (enough, quarter)),
        ],
    )
    second = real.at_most(
        "where loss >= 1",
        claim.lhs,
        claim.rhs,
        two,
        long_,
        quarter,
        enough,
        one,
        by=[(1, 1, (two,)), (1, 1, (enough, quarter)), (1, 1, (one, quarter)), (1, 1, (long_,))],
    )
    bounds.finish(derive.apply("dichotomy", first, second, size, data=(low,), text="loss <= 1 or loss >= 1"))


def with_a_constant(statement, times):
    """The statement, whose constant is sqrt(12) / (2 ln 2) times a number that is at least 1."""

    def build(derive):
        bounds = Entropy(derive)
        sharp = bounds.sharp()
        above, twelve, large, root = bounds.constants()
        weight = Fraction(times, 2)
        parts = [(weight, 1, (above, twelve, root)), (HALF, 1, (large, root)), (1, 1, (sharp,))]
        more = [(weight - HALF, 1, (twelve, root))] if weight > HALF else []
        claim = statement.claim
        facts = (sharp, above, twelve, large, root)
        final = bounds.real.at_most("the constant", claim.lhs, claim.rhs, *facts, by=[*parts, *more])
        bounds.finish(final)

    return build


by_the_tangent_of_the_logarithm = proof(effective_rank)(with_a_constant(effective_rank, 1))
with_the_larger_constant = proof(effective_rank_larger)(with_a_constant(effective_rank_larger, 4))


@control(
    effective_rank,
    breaks="constant sqrt(12) / (2 ln 2)",
    expected="finding",
    survives=sharper_constant,
    reason="sqrt(2) is enough, against 2.5 (and 10 for the other reading)",
)
def sharper():
    """sqrt(2) in place of sqrt(12) / (2 ln 2)."""
    return Inequality(erank, "<=", bound)


@control(effective_rank, breaks="constant sqrt(12) / (2 ln 2)")
def constant_nine_tenths():
    """9/10: at W = I / 10 the effective rank is 2 and the loss about 1."""
    tenth = Fraction(1, 10)
    return Inequality(erank, "<=", 1 + Fraction(9, 10) * sqrt(loss)), Witness(
        at(tenth, 0, 0, tenth, one=tenth, two=tenth)
    )


@control(effective_rank, breaks="exponent 1/2")
def exponent_one():
    """The loss in place of its square root."""
    return Inequality(erank, "<=", 1 + smaller * loss), Witness(long(Fraction(1, 100), 200))


@control(
    effective_rank,
    breaks="exponent 1/2",
    expected="finding",
    survives=fourth_root,
    reason="it is weaker where the loss is at most 1, and the effective rank is at most 2",
)
def exponent_one_quarter():
    """The fourth root of the loss."""
    return Inequality(erank, "<=", 1 + smaller * loss ** Fraction(1, 4))


@control(effective_rank, breaks="determinant")
def any_sign_of_the_determinant():
    """Without det W > 0: a solution of the completion problem has effective rank 2."""
    return None, Witness(at(0, 1, 1, 0, one=1, two=1))


@control(effective_rank, breaks="singular values")
def any_two_numbers():
    """sigma_1 = sigma_2, whatever W is."""
    return None, Witness(
        Instance(
            variables=tuple(
                dict(long(Fraction(1, 100), 200).variables, sigma_1=Fraction(1), sigma_2=Fraction(1)).items()
            )
        )
    )


@control(effective_rank_larger, breaks="determinant")
def any_sign_with_the_larger_constant():
    """Without det W > 0, also with the larger constant."""
    return None, Witness(at(0, 1, 1, 0, one=1, two=1))


@control(effective_rank_larger, breaks="exponent 1/2")
def exponent_one_with_the_larger_constant():
    """The loss in place of its square root, also with the larger constant."""
    return Inequality(erank, "<=", 1 + larger * loss), Witness(long(Fraction(1, 10**6), 2 * 10**6))


@control(effective_rank_larger, breaks="singular values")
def any_two_numbers_with_the_larger_constant():
    """sigma_1 and sigma_2 are any numbers, equal ones near a solution."""
    return None, Witness(at(100, 1, 1, Fraction(1, 50), one=1, two=1))
