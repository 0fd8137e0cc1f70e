"""RC20 Proposition 2: effective rank, infimal rank, and distance from it, over the solutions of the completion problem.

On S = {w12 = w21 = 1, w22 = 0}, with w = w11 and s = sqrt(w^2 + 4), the singular values are (s +- |w|) / 2. Their
shares are rho_1, rho_2 = (s +- |w|) / (2 s), and the effective rank is exp(H), H = -rho_1 ln rho_1 - rho_2 ln rho_2
(RC20 Definition 1). For w > 0, dH/dw = -(2 / s^3) (ln rho_1 - ln rho_2) < 0. At w = 0 both shares are 1/2 and
exp(H) = 2. Since ln u <= u - 1, 0 <= H <= 2 sqrt(rho_2), which tends to 0, and exp(H) tends to 1 without reaching it.
"""

from fractions import Fraction

from theorytest import (
    All,
    Definition,
    Identity,
    InfimalRank,
    Instance,
    Limit,
    Monotone,
    Outcome,
    Range,
    SingularValues,
    Source,
    Statement,
    Witness,
    control,
    integrated,
    proof,
    sampled,
)
from theorytest.kernel.ball import ball, evaluate, precision
from theorytest.kernel.scalar import Exp, Ln, Number, Power, Scalar, derivative, scalar, sqrt, substitute

from .singular_values import (
    FREE,
    Solutions,
    modulus,
    on_solutions,
    sigma_1,
    sigma_1_of_w,
    sigma_2,
    sigma_2_of_w,
    solution,
    w,
)


def shares(values: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
    """rho_1 and rho_2: the singular values over their sum."""
    total = (values[0] + values[1]) ** -1
    return values[0] * total, values[1] * total


def entropy(values: tuple[Scalar, Scalar]) -> Scalar:
    """H of the shares."""
    one, two = shares(values)
    return -(one * Ln(one) + two * Ln(two))


# As functions of w on [0, infinity), where w stands for |w11|; on all of S: the same functions of |w|.
rho_1, rho_2 = shares((sigma_1, sigma_2))
H = entropy((sigma_1, sigma_2))
erank = Exp(H)
erank_of_w = Exp(entropy(on_solutions(modulus)))
ONE, TWO, NOTHING = Fraction(1), Fraction(2), Fraction(0)

proposition = Statement(
    id="RC20-Prop2",
    label="RC20-Prop2",
    kind="proposition",
    title="The closer a solution is to infimal rank, the larger its unobserved entry",
    source=Source("RC20", "Proposition 2"),
    assumptions=(FREE,),
    claim=All(
        (
            SingularValues(solution, (sigma_1_of_w, sigma_2_of_w)),
            Range(erank_of_w, "w", None, ONE, False, TWO, True),
            Identity(substitute(erank, "w", scalar(0)), scalar(2)),
            Monotone(erank, "w", "decreasing", NOTHING),
            Limit(erank, "w", ONE),
            InfimalRank(solution, "w", 1),
            Range(sigma_2_of_w, "w", None, NOTHING, False, ONE, True),
            Monotone(sigma_2, "w", "decreasing", NOTHING),
            Limit(sigma_2, "w", NOTHING),
        )
    ),
    scope="all real w11",
    deviations=(
        "effective rank and distance are written with the singular values of RC20-Prop2s; that the distance of a 2x2 "
        "matrix from those of rank at most 1 is sigma_2 is the theorem of Eckart and Young",
        "monotony and limits are stated for w = |w11| >= 0",
    ),
)


infimal_rank = Statement(
    id="RC20-Def2",
    label="RC20-Def2",
    kind="definition",
    title="Infimal rank of a set, and distance from it in the Frobenius norm",
    source=Source("RC20", "Definition 2"),
    claim=Definition("InfimalRank"),
    scope="families of 2x2 matrices with one real parameter",
    expected="DEFINED",
    deviations=("that the distance from rank at most r is the root of the sum of sigma_s^2 over s > r is cited",),
)


@sampled(infimal_rank)
def distances_from_rank_one(run):
    """At solutions, the best matrix of rank 1 of the form u v^T with v the leading right singular vector is at distance
    sigma_2, and no matrix of rank 1 on a grid is closer."""
    seen = 0
    for k in range(1, 13):
        m = Fraction(k + 1)
        x = m - 1 / m  # sigma_1 = m, sigma_2 = 1 / m
        grid = [Fraction(j, 4) for j in range(-8, 9)]
        for p in grid:
            for q in grid:
                # Projection of the columns of W onto the direction (p, q): the closest matrix with that column space.
                if p or q:
                    left = (q * x - p) ** 2 + q**2
                    assert left / (p * p + q * q) >= 1 / m**2
        p, q = m, Fraction(1)  # W W^T (m, 1) = m^2 (m, 1)
        assert ((q * x - p) ** 2 + q**2) / (p * p + q * q) == 1 / m**2
        seen += 1
    return Outcome(seen, "0", True, "exact, 288 directions at each")


@control(infimal_rank, breaks="Frobenius distance")
def spectral_distance_from_zero():
    """To the zero matrix the spectral distance sigma_1 differs from the Frobenius distance sqrt(w^2 + 2)."""
    at_one = Witness(Instance(variables=(("w", Fraction(1)),)))
    return Identity(sigma_1, sqrt(w**2 + 2)), at_one


class EffectiveRank(Solutions):
    """What is derived about the shares and the effective rank (for w >= 0)."""

    def __init__(self, derive):
        super().__init__(derive)
        real = self.real
        total = real.less(
            "sigma_1 + sigma_2 = s > 0", 0, sigma_1 + sigma_2, self.s_positive, by=[(1, 1, (self.s_positive,))]
        )
        self.share = real.power(total, -1, "1 / (sigma_1 + sigma_2) > 0")
        half = Fraction(1, 2)
        parts = (self.s_positive, self.closed, self.below, self.share)
        first = [(half, 1, (self.s_positive, self.share)), (half, 1, (self.closed, self.share))]
        self.first = real.less("rho_1 > 0", 0, rho_1, *parts, by=first)
        self.second = real.less("rho_2 > 0", 0, rho_2, *parts, by=[(half, 1, (self.below, self.share))])
        self.logarithms = real.ln_upper(self.first), real.ln_upper(self.second)
        self.defined = real.defined(H, *self.logarithms)
        self.positive = real.exp_positive(self.defined)

    def falls(self):
        """The effective rank decreases strictly."""
        real = self.real
        inside = [self.within(f) for f in (self.second, *self.logarithms, self.positive)]
        apart = real.less("rho_2 < rho_1 where w > 0", rho_2, rho_1, self.share, self.inside, self.s_positive)
        gap = real.ln_increasing(inside[0], apart)
        inverses = [self.within(real.power(f, -1)) for f in (self.first, self.second)]
        # dH/dw = -(2 / s^3) (ln rho_1 - ln rho_2)
        entropy_falls = real.less(
            "the derivative of H is negative", derivative(H, "w"), 0,
            self.s_positive, self.base_inverse, self.share, gap, *inverses,
            by=[(2, 1, (self.share, self.base_inverse, gap))],
        )  # fmt: skip
        slope = real.less(
            "that of exp(H) is negative", derivative(erank, "w"), 0, inside[3], entropy_falls,
            by=[(1, 1, (inside[3], entropy_falls))],
        )  # fmt: skip
        claim = Monotone(erank, "w", "decreasing", NOTHING)
        return real.monotone(claim, real.defined(erank, self.positive), slope)

    def tends_to_one(self):
        """The effective rank tends to 1."""
        real, s = self.real, self.s
        # -ln rho_2 = 2 ln rho_2^(-1/2) <= 2 rho_2^(-1/2) - 2, and -ln rho_1 = ln (1 / rho_1) <= 1 / rho_1 - 1
        root = real.power(self.second, Fraction(-1, 2))
        one_root, two_root = real.ln_upper(real.power(self.first, -1)), real.ln_upper(root)
        one_log, two_log = real.ln_power(self.first, -1), real.ln_power(self.second, Fraction(-1, 2))
        facts = (self.share, self.s_positive, self.first, self.second)
        more = (root, one_root, two_root, one_log, two_log)
        upper = real.at_most(
            "H <= 2 sqrt(rho_2)", H, 2 * sqrt(rho_2), *facts, *more,
            by=[(2, 1, (self.second, two_root)), (1, 1, (self.first, one_root)), (1, 1, (self.second,))],
        )  # fmt: skip
        one, two = self.logarithms
        lower = real.at_most(
            "0 <= H", 0, H, *facts, one, two,
            by=[(1, 1, (self.first, one)), (1, 1, (self.second, two)), (2, 1, (self.first, self.second))],
        )  # fmt: skip
        # rho_2 = 2 / (s (s + w)) tends to 0
        total = real.less("s (s + w) > 0", 0, s * (s + w), self.s_positive, self.closed)
        inverse = real.power(total, -1)
        other = 2 / (s * (s + w))
        same = real.equal("rho_2 = 2 / (s (s + w))", rho_2, other, self.share, self.s_positive, inverse)
        small = self.between(same, real.limit(other, "w", real.defined(other, inverse)))
        bound = real.limit(2 * sqrt(rho_2), "w", real.defined(2 * sqrt(rho_2), self.first, root), small)
        nothing = real.limit(scalar(0), "w", real.real(0))
        flat = real.squeeze(lower, nothing, upper, bound)
        return real.limit(erank, "w", self.positive, flat)

    def at_zero_two(self):
        """The effective rank is 2 at 0: H = -ln (1/2) = ln 2."""
        real = self.real
        start = self.root_at_zero()
        total = substitute(sigma_1 + sigma_2, "w", scalar(0))
        share = real.power(real.less("sigma_1 + sigma_2 = 2 at 0", 0, total, start), -1)
        two = real.less("2 > 0", 0, 2)
        half = real.power(two, -1)
        half_value = Power(Number(TWO), Fraction(-1))
        logarithm = real.ln_power(two, -1)
        known = [logarithm, start, share]
        for rho in (rho_1, rho_2):
            here = substitute(rho, "w", scalar(0))
            value = real.equal("both shares are 1/2", half_value, here, start, share, half)
            log = Identity(Ln(half_value), Ln(half_value))
            defined = real.defined(Ln(half_value), logarithm)
            known.append(real.rewrite(value, defined, Identity(log.lhs, Ln(here)), "the logarithm of 1/2"))
        exponent = substitute(H, "w", scalar(0))
        known_exponent = real.equal("H = ln 2 at 0", Ln(scalar(2)), exponent, half, *known)
        inverse = real.exp_ln(two)
        return real.rewrite(known_exponent, inverse, Identity(Exp(exponent), scalar(2)), "exp H = exp ln 2 = 2")

    def infimal(self):
        """The infimal rank is 1."""
        real = self.real
        values = self.values()
        s = sqrt(modulus**2 + 4)
        total = real.less("sqrt(w^2 + 4) + |w| > 0", 0, s + modulus, self.root, self.size)
        inverse = real.power(total, -1)
        other = 2 / (s + modulus)
        same = real.equal("sigma_2 = 2 / (s + |w|)", sigma_2_of_w, other, self.root, inverse)
        small = self.between(same, real.limit(other, "w", real.defined(other, inverse)))
        norm = solution[0][0] ** 2 + solution[0][1] ** 2 + solution[1][0] ** 2 + solution[1][1] ** 2
        bound = real.at_most("||W||_F^2 >= 2", 2, norm, real.real(w), by=[(1, w, ())])
        return real.infimal_rank_one(values, small, bound)

    def range_of_erank(self, falls, limit, start):
        """The effective rank takes exactly the values of (1, 2] on S."""
        return self.real.even_range(self.real.range(falls, limit, start))


@proof(proposition)
def by_the_derivative_of_the_entropy(derive):
    on = EffectiveRank(derive)
    real = on.real
    falls, limit, start = on.falls(), on.tends_to_one(), on.at_zero_two()
    second, far, downward = on.second_falls()
    facts = (
        on.values(),
        on.range_of_erank(falls, limit, start),
        start,
        falls,
        limit,
        on.infimal(),
        real.even_range(downward),
        second,
        far,
    )
    derive.both(*(real.outright(fact) for fact in facts))


def exact_range(derive):
    """The exact range of the effective rank."""
    on = EffectiveRank(derive)
    on.real.outright(on.range_of_erank(on.falls(), on.tends_to_one(), on.at_zero_two()))


def exact_limit(derive):
    """The limit of the effective rank."""
    on = EffectiveRank(derive)
    on.real.outright(on.tends_to_one())


def exact_infimal_rank(derive):
    """The exact infimal rank."""
    on = EffectiveRank(derive)
    on.real.outright(on.infimal())


@integrated(proposition)
def along_the_solutions(run):
    """Effective rank and distance from mpmath's singular values at 50 digits, at growing |w11|: decreasing, within
    the range."""
    from mpmath import MPContext

    low, high = MPContext(), MPContext()
    digits, steps = 50, 60
    low.dps, high.dps = digits + 10, digits + 40
    last, worst, unit = None, 0, high.mpf(10) ** -(digits + 5)
    for k in range(steps):
        w11, found = Fraction(3, 2) ** (k - 8) if k else Fraction(0), []
        for context in (low, high):
            entry = context.mpf(w11.numerator) / w11.denominator
            one, two = context.svd_r(context.matrix([[entry, 1], [1, 0]]), compute_uv=False)
            rho = [value / (one + two) for value in (one, two)]
            found.append((context.exp(-sum(r * context.log(r) for r in rho)), two))
        (coarse, _), (rank, two) = found
        with precision(4 * (digits + 40)):
            value = ball(evaluate(erank, {"w": w11})).mid().str(digits + 40, radius=False)
        worst = max(worst, abs(rank - high.mpf(value)) / (abs(rank - coarse) + unit))
        if not 1 < rank <= 2 or (last and not (rank < last[0] and two < last[1])):
            return Outcome(k + 1, str(worst), False, f"at w11 = {w11}: effective rank {rank}, sigma_2 {two}", digits)
        last = rank, two
    detail = f"effective rank down to {high.nstr(last[0], 8)}, distance to {high.nstr(last[1], 3)}"
    return Outcome(steps, high.nstr(worst, 3), bool(worst <= 1), detail, digits)


@control(proposition, breaks="1 is not attained", contrary=exact_range)
def range_closed_below():
    """The effective rank takes exactly the values of [1, 2]."""
    return Range(erank_of_w, "w", None, ONE, True, TWO, True)


@control(proposition, breaks="2 is attained", contrary=exact_range)
def range_open_above():
    """The effective rank takes exactly the values of (1, 2)."""
    return Range(erank_of_w, "w", None, ONE, False, TWO, False)


@control(proposition, breaks="infimal rank 1", contrary=exact_infimal_rank)
def infimal_rank_two():
    """The infimal rank is 2."""
    return InfimalRank(solution, "w", 2)


@control(proposition, breaks="infimal rank 1", contrary=exact_infimal_rank)
def infimal_rank_zero():
    """The infimal rank is 0."""
    return InfimalRank(solution, "w", 0)


@control(proposition, breaks="decreasing")
def effective_rank_increasing():
    """The effective rank increases with |w11|."""
    return Monotone(erank, "w", "increasing", NOTHING), Witness(Instance(), (NOTHING, ONE))


@control(proposition, breaks="decreasing")
def distance_increasing():
    """The distance from infimal rank increases with |w11|."""
    return Monotone(sigma_2, "w", "increasing", NOTHING), Witness(Instance(), (NOTHING, ONE))


@control(proposition, breaks="upper end 2")
def smaller_upper_end():
    """The effective rank stays below 19/10."""
    return Range(erank_of_w, "w", None, ONE, False, Fraction(19, 10), True), Witness(Instance(), (NOTHING,))


@control(proposition, breaks="limit 1", contrary=exact_limit)
def limit_above_one():
    """The effective rank tends to 11/10."""
    return Limit(erank, "w", Fraction(11, 10))
