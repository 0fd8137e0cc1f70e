"""Singular values of 2x2 matrices, and of the solutions of RC20's matrix completion problem (proof of Proposition 2).

The squares of the singular values are the roots of the characteristic polynomial of W^T W, so that (Vieta)
sigma_1 +- sigma_2 = sqrt(||W||_F^2 +- 2 |det W|). On S = {w12 = w21 = 1, w22 = 0} this reads
sigma_1, sigma_2 = (sqrt(w^2 + 4) +- |w|) / 2, where w = w11. As |w| grows from 0, sigma_1 grows from 1 to infinity and
sigma_2 falls from 1 to 0, with product 1.
"""

from fractions import Fraction
from random import Random

from theorytest import (
    All,
    Assumption,
    Identity,
    Inequality,
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
    evidence,
    integrated,
    proof,
)
from theorytest.derive.singular_values import singular_values
from theorytest.kernel.ball import ball, evaluate, precision
from theorytest.kernel.scalar import Number, Scalar, Variable, absolute, derivative, scalar, sqrt, substitute

SOURCE = Source("RC20", "Proposition 2, proof")
FREE = Assumption("real", "the entries are real numbers")

# -- any 2x2 matrix ---------------------------------------------------------------------------------------------------

entries = tuple(Variable(f"w{row}{column}") for row in (1, 2) for column in (1, 2))
any_matrix = ((entries[0], entries[1]), (entries[2], entries[3]))
determinant = entries[0] * entries[3] - entries[1] * entries[2]
frobenius = entries[0] ** 2 + entries[1] ** 2 + entries[2] ** 2 + entries[3] ** 2


def halves(plus: Scalar, minus: Scalar) -> tuple[Scalar, Scalar]:
    """The pair with the given sum and difference."""
    return (plus + minus) / 2, (plus - minus) / 2


def by_sum_and_difference(det: Scalar) -> tuple[Scalar, Scalar]:
    """sigma_1 + sigma_2 and sigma_1 - sigma_2, given |det W|."""
    return sqrt(frobenius + 2 * det), sqrt(frobenius - 2 * det)


plus, minus = by_sum_and_difference(absolute(determinant))
first, second = halves(plus, minus)

general = Statement(
    id="RC20-Prop2s",
    label="RC20-Prop2s/2x2",
    kind="lemma",
    title="Singular values of a 2x2 matrix from its Frobenius norm and determinant",
    source=SOURCE,
    assumptions=(FREE,),
    claim=All(
        (
            SingularValues(any_matrix, (first, second)),
            Identity(first + second, plus),
            Identity(first - second, minus),
        )
    ),
    scope="all real 2x2 matrices",
    deviations=("the paper uses the formula without stating it",),
)


@proof(general)
def by_the_characteristic_polynomial(derive):
    from theorytest.derive.scalar import Reals

    real, (a, b, c, d) = Reals(derive), entries
    size = real.power(real.at_most("(det W)^2 >= 0", 0, determinant**2, by=[(1, determinant, ())]), Fraction(1, 2))
    modulus = absolute(determinant)
    norm = [(1, entry, ()) for entry in entries]
    above = real.at_most("the sum of squares", 0, frobenius + 2 * modulus, size, by=[*norm, (2, 1, (size,))])
    # With T = ||W||^2 and p = T - 2 |det W|: 2 T p = p^2 + T^2 - 4 (det W)^2, and the last two are sums of squares.
    split = [(1, x * y, ()) for x in (a - d, b + c) for y in (a + d, b - c)]
    twice = [(2, entry, ()) for entry in entries]
    gap = frobenius - 2 * modulus
    below = real.at_most("2 |det W| <= ||W||^2", 0, gap, size, scale=twice, by=[(1, gap, ()), *split])
    p, m = real.power(above, Fraction(1, 2)), real.power(below, Fraction(1, 2))
    # (plus - minus) is at least 0 since 2 plus (plus - minus) = (plus - minus)^2 + plus^2 - minus^2.
    step = [(1, plus - minus, ()), (4, 1, (size,))]
    order = real.at_most("minus <= plus", minus, plus, size, p, m, scale=[(2, 1, (p,))], by=step)
    values = real.outright(
        real.singular_values(SingularValues(any_matrix, (first, second)), size, p, m, order, degree=1)
    )
    total = real.outright(real.equal("sum", first + second, plus, p, m))
    difference = real.outright(real.equal("difference", first - second, minus, p, m))
    derive.both(values, total, difference)


@evidence(general, arithmetic="sympy")
def derived_by_sympy(run):
    """sympy derives the values from the characteristic polynomial of W^T W; at random rational matrices their balls
    agree with the formulas above."""
    derived = singular_values()
    draw, bits, widest = Random(run.seed), 400, 0
    for _ in range(50):
        point = {entry.name: Fraction(draw.randint(-99, 99), draw.randint(1, 9)) for entry in entries}
        with precision(bits):
            for ours, theirs in zip((first, second), derived.values, strict=True):
                gap = ball(evaluate(ours, point)) - ball(evaluate(theirs, point))
                if not gap.contains(0):
                    return Outcome(50, str(gap), False, f"they differ at {point}")
                widest = max(widest, float(gap.rad()))
    # Near a double singular value the square root of a difference loses half of the bits, and no more.
    return Outcome(50, f"{widest:.1g}", widest < 2.0 ** (-bits // 2 + 40), "values agree; widest ball as given")


@integrated(general)
def by_mpmath(run):
    """mpmath's singular value decomposition at two precisions, whose difference estimates its error."""
    from mpmath import MPContext

    draw, worst, digits = Random(run.seed), 0, 50
    low, high = MPContext(), MPContext()
    low.dps, high.dps = digits + 10, digits + 40
    for _ in range(50):
        point = {entry.name: Fraction(draw.randint(-99, 99), draw.randint(1, 9)) for entry in entries}
        found = []
        for context in (low, high):
            numbers = [context.mpf(x.numerator) / x.denominator for x in point.values()]
            found.append(context.svd_r(context.matrix([numbers[:2], numbers[2:]]), compute_uv=False))
        with precision(4 * (digits + 40)):
            for k, ours in enumerate((first, second)):
                exact = high.mpf(ball(evaluate(ours, point)).mid().str(digits + 40, radius=False))
                unit = high.mpf(10) ** -(digits + 5) * abs(found[1][0])
                worst = max(worst, abs(found[1][k] - exact) / (abs(found[0][k] - found[1][k]) + unit))
    return Outcome(50, high.nstr(worst, 3), worst <= 1, "formula against the decomposition", digits)


@control(general, breaks="absolute value of the determinant")
def signed_determinant():
    """The determinant in place of its absolute value: at det W < 0 the values come in the wrong order."""
    point = tuple((entry.name, Fraction(value)) for entry, value in zip(entries, (1, 0, 0, -1), strict=True))
    signed = halves(*by_sum_and_difference(determinant))
    return SingularValues(any_matrix, signed), Instance(variables=point)


@control(general, breaks="factor 2 of the determinant")
def determinant_once():
    """|det W| in place of 2 |det W|."""
    point = tuple((entry.name, Fraction(value)) for entry, value in zip(entries, (1, 0, 0, 1), strict=True))
    single = halves(*by_sum_and_difference(absolute(determinant) / 2))
    return SingularValues(any_matrix, single), Instance(variables=point)


# -- the solutions of the completion problem --------------------------------------------------------------------------

w = Variable("w")
modulus = absolute(w)
solution = ((w, Number(Fraction(1))), (Number(Fraction(1)), Number(Fraction(0))))


def on_solutions(size: Scalar, constant: int = 4) -> tuple[Scalar, Scalar]:
    """sigma_1 and sigma_2 on S, as functions of |w11|."""
    return halves(sqrt(size**2 + constant), size)


# As functions of w on [0, infinity), where w stands for |w11|; on all of S: the same functions of |w|.
sigma_1, sigma_2 = on_solutions(w)
sigma_1_of_w, sigma_2_of_w = on_solutions(modulus)

solutions = Statement(
    id="RC20-Prop2s",
    label="RC20-Prop2s",
    kind="lemma",
    title="Singular values of the solutions",
    source=SOURCE,
    assumptions=(FREE,),
    claim=All(
        (
            SingularValues(solution, (sigma_1_of_w, sigma_2_of_w)),
            Identity(sigma_1_of_w * sigma_2_of_w, scalar(1)),
            Monotone(sigma_1, "w", "increasing", Fraction(0)),
            Range(sigma_1_of_w, "w", None, Fraction(1), True, None, False),
            Monotone(sigma_2, "w", "decreasing", Fraction(0)),
            Limit(sigma_2, "w", Fraction(0)),
            Range(sigma_2_of_w, "w", None, Fraction(0), False, Fraction(1), True),
        )
    ),
    scope="all real w11",
)


class Solutions:
    """What is derived once about s = sqrt(w^2 + 4) and the singular values, and used by several proofs.

    Everything holds for w >= 0 (w stands for |w11|), ``slope`` facts for w > 0.
    """

    def __init__(self, derive):
        from theorytest.derive.scalar import Reals

        self.real = real = Reals(derive)
        self.s = sqrt(w**2 + 4)
        self.closed = real.suppose(Inequality(scalar(0), "<=", w), "w >= 0")
        self.inside = real.suppose(Inequality(scalar(0), "<", w), "w > 0")
        base = real.less("w^2 + 4 > 0", 0, w**2 + 4, by=[(1, w, ()), (4, 1, ())])
        self.s_positive = real.power(base, Fraction(1, 2), "s = sqrt(w^2 + 4) > 0")
        self.base_inverse = real.power(base, -1)
        # (s + w) (s - w) = 4
        both = [(1, 1, (self.s_positive,)), (1, 1, (self.closed,))]
        self.below = real.less("w < s", w, self.s, self.s_positive, self.closed, scale=both, by=[(4, 1, ())])
        self.weaken = real.at_most("w >= 0 where w > 0", 0, w, self.inside, by=[(1, 1, (self.inside,))])

    def within(self, fact):
        """A fact that holds for w >= 0, for w > 0."""
        return self.real.cut(fact, self.weaken, text="in particular where w > 0")

    def values(self):
        """The singular values, as functions of w11 itself."""
        real = self.real
        square = real.at_most("w^2 >= 0", 0, w**2, by=[(1, w, ())])
        size = real.power(square, Fraction(1, 2), "|w| >= 0")
        base = real.less("|w|^2 + 4 > 0", 0, modulus**2 + 4, size, by=[(1, modulus, ()), (4, 1, ())])
        root = real.power(base, Fraction(1, 2))
        s = sqrt(modulus**2 + 4)
        both = [(1, 1, (root,)), (1, 1, (size,))]
        order = real.less("|w| < sqrt(w^2 + 4)", modulus, s, root, size, scale=both, by=[(4, 1, ())])
        claim = SingularValues(solution, (sigma_1_of_w, sigma_2_of_w))
        self.size, self.root, self.order = size, root, order
        return real.singular_values(claim, size, root, order, degree=1)

    def second_falls(self):
        """sigma_2 decreases strictly, tends to 0, and is 1 at 0."""
        real, s = self.real, self.s
        slope = derivative(sigma_2, "w")
        # s (1 - w / s) = s - w > 0, and w / s is written w s / s^2
        below = self.within(self.below)
        facts = (self.s_positive, self.base_inverse, below)
        falls = real.less(
            "its derivative is negative", slope, 0, *facts,
            scale=[(2, 1, (self.s_positive,))], by=[(1, 1, (below,))],
        )  # fmt: skip
        defined = real.defined(sigma_2, self.s_positive, self.closed)
        monotone = real.monotone(Monotone(sigma_2, "w", "decreasing", Fraction(0)), defined, falls)
        # sigma_2 = 2 / (s + w)
        total = real.less("s + w > 0", 0, s + w, self.s_positive, self.closed)
        inverse = real.power(total, -1)
        other = 2 / (s + w)
        same = real.equal("sigma_2 = 2 / (s + w)", sigma_2, other, self.s_positive, inverse)
        far = real.limit(other, "w", real.defined(other, inverse))
        limit = self.between(same, far)
        start = self.at_zero(sigma_2)
        return monotone, limit, real.range(monotone, limit, start)

    def first_grows(self):
        """sigma_1 increases strictly, and is 1 at 0."""
        real = self.real
        facts = (self.s_positive, self.base_inverse, self.inside)
        grows = real.less(
            "its derivative is positive", 0, derivative(sigma_1, "w"), *facts,
            by=[(Fraction(1, 2), 1, ()), (Fraction(1, 2), 1, facts)],
        )  # fmt: skip
        defined = real.defined(sigma_1, self.s_positive, self.closed)
        monotone = real.monotone(Monotone(sigma_1, "w", "increasing", Fraction(0)), defined, grows)
        limit = real.limit(sigma_1, "w", defined)
        return monotone, limit, real.range(monotone, limit, self.at_zero(sigma_1))

    def between(self, same, far):
        """The limit of f, from f = g and the limit of g."""
        from theorytest.derive.scalar import claim_of

        lhs, rhs = claim_of(same).lhs, claim_of(same).rhs
        low = self.real.at_most("not below", rhs, lhs, same)
        high = self.real.at_most("not above", lhs, rhs, same)
        return self.real.squeeze(low, far, high, far)

    def root_at_zero(self):
        """s = 2 at w = 0."""
        real = self.real
        four = substitute(w**2 + 4, "w", scalar(0))
        s, positive = sqrt(four), real.power(real.less("0^2 + 4 > 0", 0, four), Fraction(1, 2))
        # (s + 2) (s - 2) = 0, and s + 2 > 0
        return real.equal("s = 2 at 0", s, 2, positive, scale=[(1, 1, (positive,)), (2, 1, ())])

    def at_zero(self, sigma):
        """The value 1 of both singular values at w = 0."""
        return self.real.equal("the value at 0", substitute(sigma, "w", scalar(0)), 1, self.root_at_zero())


@proof(solutions)
def by_vieta_and_monotony(derive):
    on = Solutions(derive)
    real = on.real
    values = on.values()
    product = real.equal("product", sigma_1_of_w * sigma_2_of_w, 1, on.size, on.root)
    grows, _, upward = on.first_grows()
    falls, limit, downward = on.second_falls()
    facts = (values, product, grows, real.even_range(upward), falls, limit, real.even_range(downward))
    derive.both(*(real.outright(fact) for fact in facts))


@control(solutions, breaks="absolute value")
def without_absolute_value():
    """w11 in place of |w11|: at w11 < 0 the values come in the wrong order."""
    signed = halves(sqrt(w**2 + 4), w)
    return SingularValues(solution, signed), Instance(variables=(("w", Fraction(-1)),))


@control(solutions, breaks="constant 4")
def smaller_constant():
    """sqrt(w11^2 + 2) in place of sqrt(w11^2 + 4)."""
    return SingularValues(solution, on_solutions(modulus, 2)), Instance(variables=(("w", Fraction(0)),))


@control(solutions, breaks="product 1")
def larger_product():
    """sigma_1 sigma_2 = 2."""
    return Identity(sigma_1_of_w * sigma_2_of_w, scalar(2)), Instance(variables=(("w", Fraction(0)),))


def range_of_the_second(derive):
    """The exact range of sigma_2 on S."""
    on = Solutions(derive)
    derive.both(on.real.outright(on.real.even_range(on.second_falls()[2])))


@control(solutions, breaks="0 is not reached", contrary=range_of_the_second)
def singular_solution():
    """sigma_2 takes the value 0: some solution has rank 1."""
    return Range(sigma_2_of_w, "w", None, Fraction(0), True, Fraction(1), True)


@control(solutions, breaks="directions")
def directions_swapped():
    """sigma_2 increases with |w11|."""
    ends = Witness(Instance(), (Fraction(0), Fraction(1)))
    return Monotone(sigma_2, "w", "increasing", Fraction(0)), ends
