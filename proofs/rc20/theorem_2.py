"""RC20 Theorem 2 (our own statement): perturbed observations b12, b21 (not 0) and b22.

With r = sqrt(2 l) and sign det W = sign(b12 b21): (b) b12 w12 >= |b12| (|b12| - r), and the same for b21, so that
|w11 w22| > (|b12| - r) (|b21| - r) once both factors are positive, and |w22| <= |b22| + r. (d) The norms
N+ = |(w11 + w22, w12 - w21)| and N- = |(w11 - w22, w12 + w21)| are sigma_1 +- sigma_2, in the order that the sign of
det W gives. At the matrix with the entries w11, b12, b21, 0, whose determinant has the opposite sign, their order is
reversed; it is at distance at most |b22| + r, and so is sigma_2 from 0.
"""

from fractions import Fraction

from theorytest import All, Assumption, Identity, Inequality, Instance, Source, Statement, Witness, control, proof
from theorytest.kernel.claim import Where
from theorytest.kernel.scalar import Variable, absolute, scalar, sqrt, substitute

from .definitions import SIGMA, Given, half_sum, sigma_1, sigma_2, w11, w12, w21, w22
from .singular_values import determinant, entries
from .theorem_1 import long
from .theorem_1_effective_rank import HALF, Shares, erank, rho_1, rho_2
from .theorem_1_norms import (
    EXAMPLE,
    LARGEST,
    NORM,
    QUASI,
    D,
    M,
    Norms,
    X,
    Y,
    constant,
    e11,
    largest,
    measured,
    norm,
    norm_of_entries,
)

b12, b21, b22 = observed = tuple(Variable(f"b{place}") for place in (12, 21, 22))
A, B, E = (absolute(b) for b in observed)
loss = half_sum(b12, b21, b22)
r = sqrt(2) * sqrt(loss)
reach = E + r

SIGN = Assumption(
    "sign",
    "b12, b21 and det W are not 0, and sign det W = sign(b12 b21)",
    Inequality(scalar(0), "<", determinant * b12 * b21),
)
CLOSE = Assumption("close", "r < |b12| and r < |b21|", All((Inequality(r, "<", A), Inequality(r, "<", B))))
SOURCE = Source("RC20", "Theorem 2 (appendix)")
own = (
    "our own statement: only the main text is the source at hand",
    "stated for every matrix with that sign of the determinant; along the flow it does not change (RC20-DetInv)",
)


def seen(instance, *observations):
    """An instance with observations b12, b21, b22."""
    pairs = tuple((b.name, Fraction(x)) for b, x in zip(observed, observations, strict=True))
    return Instance(variables=(*instance.variables, *pairs))


def entries_at(*values):
    return Instance(variables=tuple((w.name, Fraction(x)) for w, x in zip(entries, values, strict=True)))


class Perturbed(Given):
    """The matrix and its distance from the observations."""

    def __init__(self, derive):
        super().__init__(derive)
        self.r = self.radius(loss)
        self.a, self.b, self.e = (self.modulus(b) for b in observed)
        self.moduli = {entry: self.modulus(entry) for entry in entries}

    def across(self, text, observation, size, entry, fact):
        """-observation (entry - observation) <= |observation| r."""
        others = [(w - b) for w, b in zip((w12, w21, w22), observed, strict=True) if b != observation]
        goal = size * r + observation * (entry - observation)
        return self.real.at_most(
            text,
            -1 * observation * (entry - observation),
            size * r,
            self.r,
            fact,
            scale=[(2, 1, (self.r, fact))],
            by=[(1, goal, ()), *((1, observation * x, ()) for x in others)],
        )

    def within(self, observation, size, entry, modulus, fact):
        """|entry| <= |observation| + r."""
        others = [(w - b) for w, b in zip((w12, w21, w22), observed, strict=True) if b != observation]
        goal = size * r - observation * (entry - observation)
        back = self.real.at_most(
            "by Cauchy and Schwarz",
            observation * (entry - observation),
            size * r,
            self.r,
            fact,
            scale=[(2, 1, (self.r, fact))],
            by=[(1, goal, ()), *((1, observation * x, ()) for x in others)],
        )
        gap = size + r - modulus
        return self.real.at_most(
            "|w| <= |b| + r",
            modulus,
            size + r,
            back,
            self.r,
            fact,
            self.moduli[entry],
            scale=[(2, 1, (fact,)), (2, 1, (self.r,))],
            by=[(1, gap, ()), (2, 1, (back,)), *((1, x, ()) for x in others)],
        )


# -- (b) the unobserved entry --------------------------------------------------------------------------------------

level = (A - r) * (B - r)

unobserved = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2/b",
    kind="theorem",
    title="|w11| >= (|b12| - r) (|b21| - r) / (|b22| + r)",
    source=SOURCE,
    assumptions=(SIGN, CLOSE),
    claim=Inequality(level / reach, "<=", M),
    scope="all real 2x2 matrices and observations with sign det W = sign(b12 b21), r < |b12| and r < |b21|",
    example=seen(entries_at(4, -1, 1, Fraction(-1, 2)), -1, 1, Fraction(-1, 4)),
    deviations=own,
)


class Far(Perturbed):
    """The unobserved entry."""

    def product(self):
        """(|b12| - r) (|b21| - r) < |w11 w22|, and both factors are positive."""
        real = self.real
        sign, (first, second) = self.take("sign"), self.take("close")
        left = self.across("b12 w12 >= |b12| (|b12| - r)", b12, A, w12, self.a)
        right = self.across("b21 w21 >= |b21| (|b21| - r)", b21, B, w21, self.b)
        one = real.less("|b12| > 0", 0, A, first, self.r, by=[(1, 1, (first,)), (1, 1, (self.r,))])
        two = real.less("|b21| > 0", 0, B, second, self.r, by=[(1, 1, (second,)), (1, 1, (self.r,))])
        whole, size, small = A * B * M * D, self.moduli[w11], self.moduli[w22]
        below = real.at_most(
            "b12 b21 w11 w22 <= |b12 b21 w11 w22|",
            b12 * b21 * w11 * w22,
            whole,
            one,
            two,
            size,
            small,
            scale=[(2, 1, (one, two, size, small))],
            by=[(1, whole - b12 * b21 * w11 * w22, ())],
        )
        scaled = real.less(
            "|b12 b21| (|b12| - r) (|b21| - r) < |b12 b21 w11 w22|",
            A * B * level,
            whole,
            below,
            sign,
            left,
            right,
            first,
            second,
            one,
            two,
            by=[
                (1, 1, (below,)),
                (1, 1, (sign,)),
                (1, 1, (left, right)),
                (1, 1, (left, second, two)),
                (1, 1, (right, first, one)),
            ],
        )
        self.positive = real.less("both factors are positive", 0, level, first, second, by=[(1, 1, (first, second))])
        return real.less(
            "divided by |b12 b21|", level, M * D, scaled, one, two, scale=[(1, 1, (one, two))], by=[(1, 1, (scaled,))]
        )

    def far(self):
        """The bound of |w11|, and 0 < |b22| + r."""
        real = self.real
        product, size = self.product(), self.moduli[w11]
        close = self.within(b22, E, w22, D, self.e)
        self.reach = real.less(
            "|b22| + r > 0",
            0,
            reach,
            product,
            self.positive,
            size,
            close,
            scale=[(1, 1, (size,))],
            by=[(1, 1, (size, close)), (1, 1, (product,)), (1, 1, (self.positive,))],
        )
        self.inverse = real.power(self.reach, -1)
        return real.at_most(
            "divided by |b22| + r",
            level / reach,
            M,
            product,
            close,
            size,
            self.inverse,
            by=[(1, 1, (product, self.inverse)), (1, 1, (size, close, self.inverse))],
        )


@proof(unobserved)
def by_the_sign_of_the_determinant(derive):
    given = Far(derive)
    given.finish(given.far())


PLAIN = (1, 1, 0)


@control(unobserved, breaks="sign")
def any_sign():
    """Without the sign of the determinant: near a solution with w11 = 0."""
    return None, Witness(seen(entries_at(0, 1, 1, Fraction(1, 100)), *PLAIN))


@control(unobserved, breaks="close")
def any_distance():
    """Without r < |b12|, |b21|: both factors are negative at W = I / 10."""
    return None, Witness(seen(entries_at(Fraction(1, 10), 0, 0, Fraction(1, 10)), *PLAIN))


@control(unobserved, breaks="|b22|")
def without_b22():
    """r in place of |b22| + r."""
    near = seen(entries_at(2, 1, 1, Fraction(51, 100)), 1, 1, HALF)
    return Inequality(level / r, "<=", M), Witness(near)


@control(unobserved, breaks="r in the numerator")
def without_r():
    """|b12 b21| in place of (|b12| - r) (|b21| - r)."""
    near = seen(entries_at(Fraction(17, 10), Fraction(4, 5), Fraction(4, 5), Fraction(2, 5)), *PLAIN)
    return Inequality(A * B / reach, "<=", M), Witness(near)


# -- (c) norms -----------------------------------------------------------------------------------------------------

total = A + B + E + 3 * r

norms = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2/c",
    kind="theorem",
    title="||W|| >= |w11| ||E11|| / c - c^2 (|b12| + |b21| + |b22| + 3 r) max ||E_ij||",
    source=SOURCE,
    assumptions=(NORM, LARGEST),
    claim=Inequality(M * e11 / constant - constant**2 * total * largest, "<=", norm),
    scope="all real 2x2 matrices and observations, all norms and quasi-norms",
    example=seen(EXAMPLE, *PLAIN),
    deviations=(
        *own[:1],
        *norm_of_entries.deviations,
        "part (c) needs no sign of the determinant, part (b), which bounds |w11|, does",
    ),
)


class NormsOfPerturbed(Perturbed, Norms):
    """A quasi-norm, and the distance from the observations."""

    def bound(self):
        """The bound of the quasi-norm."""
        real, whole = self.real, self.norms()
        parts = [
            self.within(b, size, entry, modulus, fact)
            for b, size, entry, modulus, fact in zip(
                observed, (A, B, E), (w12, w21, w22), (X, Y, D), (self.a, self.b, self.e), strict=True
            )
        ]
        square = real.at_most("c^2 >= 0", 0, constant**2, self.one, by=[(1, constant, ())])
        room = real.at_most("c^2 E >= 0", 0, constant**2 * largest, square, self.E, by=[(1, 1, (square, self.E))])
        return real.at_most(
            "|w| <= |b| + r",
            norms.claim.lhs,
            norm,
            whole,
            room,
            *parts,
            by=[(1, 1, (whole,)), *((1, 1, (room, p)) for p in parts)],
        )


@proof(norms)
def from_the_norm_of_the_entries(derive):
    given = NormsOfPerturbed(derive)
    given.finish(given.bound())


@control(norms, breaks="c^2")
def c_in_place_of_its_square():
    """c in place of c^2, at numbers that meet the inequalities of the proof with c = 2."""
    return Inequality(M * e11 / constant - constant * total * largest, "<=", norm), Witness(seen(QUASI, 0, 1, 1))


@control(norms, breaks="3 r")
def without_the_loss():
    """Without 3 r: the norm |w11 - w12 - w21 - w22| + small terms, left out here."""
    flat = A + B + E
    sums = seen(measured((3, 1, 1, 1), n=0, m=3, k=2), 0, 0, 0)
    return Inequality(M * e11 / constant - constant**2 * flat * largest, "<=", norm), Witness(sums)


@control(norms, breaks="quasi-norm")
def any_number():
    """n is any number."""
    return None, Witness(seen(measured((100, 1, 1, 0), n=0, m=0, k=0), *PLAIN))


@control(norms, breaks="largest")
def any_number_for_the_largest():
    """E is any number: 0, say."""
    return None, Witness(seen(measured((3, 1, 1, 1), n=0, m=3, k=2, E=0), *PLAIN))


# -- (d) the distance from rank 1 ----------------------------------------------------------------------------------

distance = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2/d",
    kind="theorem",
    title="The distance from infimal rank is at most 3 (|b22| + r)",
    source=SOURCE,
    assumptions=(SIGN, SIGMA),
    claim=Inequality(sigma_2, "<=", 3 * reach),
    scope="all real 2x2 matrices and observations with sign det W = sign(b12 b21)",
    example=seen(long(1, 2), *PLAIN),
    deviations=(*own, "the distance of W from the matrices of rank at most 1 is sigma_2 (Eckart and Young)"),
)


def _length(pair):
    return sqrt(pair[0] ** 2 + pair[1] ** 2)


def _add(one, other):
    return one[0] + other[0], one[1] + other[1]


class Distance(Perturbed):
    """The second singular value."""

    def __init__(self, derive):
        super().__init__(derive)
        self.sign = self.take("sign")
        self.low, self.order, self.trace, self.det = self.take("singular values")

    def of_one_sign(self, sign, case):
        """sigma_2 <= |b22| + r, and 0 < sigma_2, where sign * b12 b21 >= 0."""
        real = self.real
        det = sign * determinant
        positive = real.less(
            "the determinant has that sign", 0, det, case, self.sign, scale=[(1, 1, (case,))], by=[(1, 1, (self.sign,))]
        )
        scale = [(1, 1, (positive,)), (1, 1, (self.low, self.order)), (1, sigma_2, ())]
        product = real.equal(
            "sigma_1 sigma_2 = |det W|", sigma_1 * sigma_2, det, self.det, positive, self.low, self.order, scale=scale
        )
        strict = real.less(
            "sigma_2 > 0",
            0,
            sigma_2,
            product,
            positive,
            self.low,
            self.order,
            scale=[(1, 1, (self.low,)), (1, 1, (self.order,))],
            by=[(1, 1, (positive,))],
        )
        p, q = w12 - b12, w21 - b21
        # Pairs whose lengths are the sum and the difference of the singular values: at the other matrix, the step.
        pairs = [((w11, b12 - b21), (w22, p - q)), ((w11, b12 + b21), (-1 * w22, p + q))]
        (wide, move), (narrow, shift) = pairs if sign > 0 else pairs[::-1]
        at_wide, at_move, at_narrow, at_shift = (self.length(pair) for pair in (wide, move, narrow, shift))
        n_wide, e_wide, n_narrow, e_narrow = (_length(pair) for pair in (wide, move, narrow, shift))
        plus, minus = sigma_1 + sigma_2, sigma_1 - sigma_2
        total, gap = _add(wide, move), _add(narrow, shift)
        sum_is = real.equal(
            "sigma_1 + sigma_2 is a length", plus**2, total[0] ** 2 + total[1] ** 2, product, self.trace
        )
        gap_is = real.equal("sigma_1 - sigma_2 is a length", minus**2, gap[0] ** 2 + gap[1] ** 2, product, self.trace)
        outer = self.triangle(plus, (wide, n_wide, at_wide), (move, e_wide, at_move), sum_is)
        back = tuple(-1 * x for x in shift)
        inner = self.triangle(n_narrow, (gap, minus, self.order), (back, e_narrow, at_shift), gap_is, at_narrow)
        switch = real.at_most(
            "the order is reversed at det = -b12 b21",
            n_wide,
            n_narrow,
            at_wide,
            at_narrow,
            case,
            scale=[(2, 1, (at_narrow,))],
            by=[(1, n_narrow - n_wide, ()), (4, 1, (case,))],
        )
        across = self.within_square()
        span = real.at_most("|b22| + r >= 0", 0, reach, self.e, self.r, by=[(1, 1, (self.e,)), (1, 1, (self.r,))])
        steps = real.at_most(
            "both steps together are at most 2 (|b22| + r)",
            e_wide + e_narrow,
            2 * reach,
            across,
            span,
            at_move,
            at_shift,
            scale=[(4, 1, (span,))],
            by=[(1, 2 * reach - e_wide - e_narrow, ()), (1, e_wide - e_narrow, ()), (4, 1, (across,))],
        )
        parts = (outer, inner, switch, steps)
        return real.at_most("sigma_2 <= |b22| + r", sigma_2, reach, *parts, by=[(HALF, 1, (f,)) for f in parts]), strict

    def length(self, vector):
        x, y = vector
        size = self.real.at_most("a sum of squares", 0, x**2 + y**2, self.real.real(0), by=[(1, x, ()), (1, y, ())])
        return self.real.power(size, HALF, "a length")

    def triangle(self, value, first, second, *facts):
        """value <= |u| + |v|; each vector comes with its length and the fact that this is not negative, and the facts
        say that value^2 = |u + v|^2."""
        (u, one, at_u), (v, two, at_v) = first, second
        real, inner = self.real, u[0] * v[0] + u[1] * v[1]
        cauchy = real.at_most(
            "Cauchy and Schwarz",
            inner,
            one * two,
            at_u,
            at_v,
            *facts,
            scale=[(2, 1, (at_u, at_v))],
            by=[(1, one * two - inner, ()), (1, u[0] * v[1] - u[1] * v[0], ())],
        )
        return real.at_most(
            "triangle inequality",
            value,
            one + two,
            cauchy,
            at_u,
            at_v,
            *facts,
            scale=[(2, 1, (at_u,)), (2, 1, (at_v,))],
            by=[(1, one + two - value, ()), (2, 1, (cauchy,))],
        )

    def within_square(self):
        """(w12 - b12)^2 + (w21 - b21)^2 + w22^2 <= (|b22| + r)^2."""
        p, q, d = w12 - b12, w21 - b21, w22 - b22
        goal = E * r - b22 * d
        back = self.real.at_most(
            "by Cauchy and Schwarz",
            b22 * d,
            E * r,
            self.r,
            self.e,
            scale=[(2, 1, (self.r, self.e))],
            by=[(1, goal, ()), (1, b22 * p, ()), (1, b22 * q, ())],
        )
        return self.real.at_most(
            "distance from the entries w11, b12, b21, 0",
            p**2 + q**2 + w22**2,
            reach**2,
            back,
            self.r,
            self.e,
            by=[(2, 1, (back,))],
        )

    def whatever_the_sign(self, which):
        """The bound (0) or the positivity (1) of sigma_2, in the two cases of the sign of b12 b21."""
        real, value = self.real, b12 * b21
        low = Inequality(scalar(0), "<=", value)
        first = self.of_one_sign(1, real.suppose(low))[which]
        second = self.of_one_sign(-1, self.negative(Inequality(value, "<=", scalar(0))))[which]
        defined = real.defined(value, *map(real.real, (b12, b21)))
        return self.derive.apply("dichotomy", first, second, defined, data=(low,), text="b12 b21 >= 0 or b12 b21 <= 0")

    def negative(self, high):
        under = self.real.suppose(high)
        return self.real.at_most("-b12 b21 >= 0", 0, -1 * b12 * b21, under, by=[(1, 1, (under,))])


def sharp_distance(derive):
    """sigma_2 <= |b22| + r."""
    given = Distance(derive)
    given.finish(given.whatever_the_sign(0))


@proof(distance)
def by_sum_and_difference(derive):
    given = Distance(derive)
    real = given.real
    sharp = given.whatever_the_sign(0)
    larger = real.at_most(
        "3 in place of 1",
        sigma_2,
        distance.claim.rhs,
        sharp,
        given.e,
        given.r,
        by=[(1, 1, (sharp,)), (2, 1, (given.e,)), (2, 1, (given.r,))],
    )
    given.finish(larger)


@control(
    distance,
    breaks="constant 3",
    expected="finding",
    survives=sharp_distance,
    reason="1, a third of the constant, is enough",
)
def a_third_of_the_constant():
    """1 in place of 3."""
    return Inequality(sigma_2, "<=", reach)


@control(distance, breaks="constant 1")
def smaller_than_the_sharp_constant():
    """99/100 in place of 3."""
    return Inequality(sigma_2, "<=", Fraction(99, 100) * reach), Witness(seen(long(1, 1000), *PLAIN))


@control(distance, breaks="|b22|")
def without_b22_in_the_distance():
    """3 r in place of 3 (|b22| + r)."""
    return Inequality(sigma_2, "<=", 3 * r), Witness(seen(long(1, 1000), 1, 1, 1))


@control(distance, breaks="sign")
def any_sign_in_the_distance():
    """Without the sign of the determinant: a solution."""
    one = Instance(variables=(*entries_at(0, 1, 1, 0).variables, ("sigma_1", Fraction(1)), ("sigma_2", Fraction(1))))
    return None, Witness(seen(one, *PLAIN))


@control(distance, breaks="singular values")
def any_two_numbers():
    """sigma_2 is any number."""
    large = Instance(variables=(*entries_at(5, 1, 1, 1).variables, ("sigma_1", Fraction(9)), ("sigma_2", Fraction(9))))
    return None, Witness(seen(large, *PLAIN))


# -- (e) the effective rank ----------------------------------------------------------------------------------------

# The bound in letters for |b22| + r and (|b12| - r) (|b21| - r).
wide, high = Variable("reach"), Variable("level")
growth = wide * high**-HALF


def written_out(expression):
    """The expression with the letters replaced by what they stand for."""
    return substitute(substitute(expression, wide.name, reach), high.name, level)


def rank_bound(factor, radius=growth):
    """The bound 1 + factor * growth."""
    return Inequality(erank, "<=", written_out(1 + factor * radius))


effective_rank = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2/e",
    kind="theorem",
    title="The effective rank is at most 1 + 8 (|b22| + r) / sqrt((|b12| - r) (|b21| - r))",
    source=SOURCE,
    assumptions=(SIGN, CLOSE, SIGMA),
    claim=rank_bound(8),
    scope=unobserved.scope,
    example=seen(long(Fraction(1, 2), 4), *PLAIN),
    deviations=own,
)


class EffectiveRank(Distance, Far, Shares):
    """The effective rank."""

    def bound(self, factor):
        """exp(H) <= 1 + factor (|b22| + r) / sqrt((|b12| - r) (|b21| - r)); a factor of at least 2."""
        real = self.real
        self.strict, near = self.whatever_the_sign(1), self.whatever_the_sign(0)
        self.shares()
        far = self.far()
        first = w11**2 + w21**2
        larger = real.at_most(
            "sigma_2^2 <= sigma_1^2",
            sigma_2**2,
            sigma_1**2,
            self.order,
            self.strict,
            by=[(1, sigma_1 - sigma_2, ()), (2, 1, (self.order, self.strict))],
        )
        above = real.at_most(
            "w11^2 + w21^2 <= sigma_1^2",
            first,
            sigma_1**2,
            larger,
            self.trace,
            self.det,
            scale=[(1, 1, (larger,))],
            by=[(1, sigma_1**2 - first, ()), (1, w11 * w12 + w21 * w22, ())],
        )
        size = self.moduli[w11]
        large = real.less(
            "sigma_1 > 0", 0, sigma_1, self.strict, self.order, by=[(1, 1, (self.strict,)), (1, 1, (self.order,))]
        )
        entry = real.at_most(
            "|w11| <= sigma_1",
            M,
            sigma_1,
            above,
            large,
            size,
            scale=[(1, 1, (large,)), (1, 1, (size,))],
            by=[(1, 1, (above,)), (1, w21, ())],
        )
        # level sigma_2 <= level (|b22| + r) <= |w11| (|b22| + r)^2 <= sigma_1 (|b22| + r)^2
        cross = Inequality(high * sigma_2, "<=", sigma_1 * wide**2)
        shown = real.at_most(
            "level sigma_2 <= sigma_1 (|b22| + r)^2",
            written_out(cross.lhs),
            written_out(cross.rhs),
            near,
            far,
            entry,
            self.positive,
            self.reach,
            by=[(1, 1, (near, self.positive)), (1, reach, (far,)), (1, reach, (entry,))],
        )
        lemma = self.in_letters(cross, factor, large)
        for letter, value in ((wide, reach), (high, level)):
            known = self.reach if letter == wide else self.positive
            lemma = real.put(lemma, real.defined(value, known), letter.name)
        return real.cut(lemma, self.reach, self.positive, shown)

    def in_letters(self, cross, factor, large):
        """exp(H) <= 1 + factor * growth, where level sigma_2 <= sigma_1 reach^2."""
        real = self.real
        above, reaches, given = (
            real.suppose(Inequality(scalar(0), "<", high)),
            real.suppose(Inequality(scalar(0), "<", wide)),
            real.suppose(cross),
        )
        root, inverse = real.power(above, HALF), real.power(above, -HALF)
        grows = real.less("growth > 0", 0, growth, reaches, inverse, by=[(1, 1, (reaches, inverse))])
        ratio = real.at_most(
            "sigma_1 sigma_2 <= (sigma_1 + sigma_2)^2 growth^2",
            sigma_1 * sigma_2,
            (sigma_1 + sigma_2) ** 2 * growth**2,
            given,
            inverse,
            root,
            above,
            large,
            self.strict,
            grows,
            by=[(1, high**-HALF, (given, large)), (2, growth, (large, self.strict)), (1, growth * sigma_2, ())],
        )
        halves = real.at_most(
            "4 rho_1 rho_2 <= 4 growth^2",
            4 * rho_1 * rho_2,
            4 * growth**2,
            ratio,
            self.share,
            by=[(4, 1 / (sigma_1 + sigma_2), (ratio,))],
        )
        one, two = real.power(self.first, HALF), real.power(self.second, HALF)
        roots = 2 * sqrt(rho_1) * sqrt(rho_2)
        spread = real.at_most(
            "2 sqrt(rho_1 rho_2) <= 2 growth",
            roots,
            2 * growth,
            halves,
            grows,
            one,
            two,
            scale=[(4, 1, (grows,))],
            by=[(1, 2 * growth - roots, ()), (1, 1, (halves,))],
        )
        B = 1 + 2 * growth
        base = real.less("B > 0", 0, B, grows, by=[(1, 1, ()), (2, 1, (grows,))])
        sharp = self.below(B, base, spread)
        if factor == 2:
            return sharp
        return real.at_most(
            "a larger factor",
            erank,
            1 + factor * growth,
            sharp,
            grows,
            by=[(1, 1, (sharp,)), (factor - 2, 1, (grows,))],
        )


def sharp_rank(derive):
    """A quarter of the constant."""
    given = EffectiveRank(derive)
    given.finish(given.bound(2))


@proof(effective_rank)
def by_the_tangent_of_the_logarithm(derive):
    given = EffectiveRank(derive)
    given.finish(given.bound(8))


@control(
    effective_rank,
    breaks="constant 8",
    expected="finding",
    survives=sharp_rank,
    reason="2, a quarter of the constant, is enough",
)
def a_quarter_of_the_constant():
    """2 in place of 8."""
    return rank_bound(2)


@control(effective_rank, breaks="|b22|")
def without_b22_in_the_rank():
    """r in place of |b22| + r: w22 = b22 = 1."""
    return rank_bound(8, r * high**-HALF), Witness(seen(long(1, 3), 1, 1, 1))


@control(effective_rank, breaks="sign")
def any_sign_in_the_rank():
    """Without the sign of the determinant: a solution."""
    one = Instance(variables=(*entries_at(0, 1, 1, 0).variables, ("sigma_1", Fraction(1)), ("sigma_2", Fraction(1))))
    return None, Witness(seen(one, *PLAIN))


@control(effective_rank, breaks="singular values")
def any_two_equal_numbers():
    """sigma_1 = sigma_2, whatever W is: w22 = 1/100."""
    near = dict(long(Fraction(1, 100), 200).variables, sigma_1=Fraction(1), sigma_2=Fraction(1))
    return None, Witness(seen(Instance(variables=tuple(near.items())), *PLAIN))


@control(effective_rank, breaks="close")
def any_distance_in_the_rank():
    """Without r < |b12|, |b21|: where r lies between them, the bound is not defined."""
    return None, Witness(seen(long(Fraction(1, 2), 4), 1, 10, 0))


# -- the zero-loss set -------------------------------------------------------------------------------------------------

SOLVED = tuple(Identity(w, b) for w, b in zip((w12, w21, w22), observed, strict=True))
EXACT = Identity(b22, scalar(0))
SINGULAR = Where((*SOLVED, Identity(w11 * b22, b12 * b21)), Identity(determinant, scalar(0)))
NEARLY = Where((*SOLVED, EXACT, *SIGMA.formula.claims), Inequality(sigma_2 * M, "<=", A * B))
NOT_ZERO = Where(SOLVED[:1], Inequality(b12**2, "<=", w11**2 + w12**2 + w21**2 + w22**2))

infimal_rank = Statement(
    id="RC20-Thm2",
    label="RC20-Thm2/infimal-rank",
    kind="theorem",
    title="Solutions come close to rank 1: det W = 0 where w11 b22 = b12 b21; sigma_2 |w11| <= |b12 b21| where b22 = 0",
    source=SOURCE,
    claim=All((SINGULAR, NEARLY, NOT_ZERO)),
    scope="all observations b12, b21 and b22, and all solutions W",
    deviations=(
        own[0],
        "so the zero-loss set has infimal rank 1 where b12 is not 0: if b22 is not 0, the solution with w11 = b12 b21 "
        "/ b22 has rank 1; if b22 = 0, sigma_2 <= |b12 b21| / |w11| is as small as one likes; and no solution is "
        "nearer to 0 than |b12|",
    ),
)


@proof(infimal_rank)
def by_the_characteristic_polynomial(derive):
    given = Given(derive)
    real = given.real
    observations, product = [real.suppose(fact) for fact in SOLVED], real.suppose(SINGULAR.conditions[-1])
    flat = real.equal("det W = w11 b22 - b12 b21", determinant, 0, *observations, product)
    far = real.at_most(
        "||W|| >= |w12|",
        NOT_ZERO.claim.lhs,
        NOT_ZERO.claim.rhs,
        observations[0],
        by=[(1, x, ()) for x in (w11, w21, w22)],
    )
    exact, *values = map(real.suppose, NEARLY.conditions[3:])
    low, order, total, determined = values
    ordered = real.at_most(
        "sigma_2^2 <= sigma_1^2", sigma_2**2, sigma_1**2, low, order,
        by=[(1, sigma_1 - sigma_2, ()), (2, 1, (low, order))],
    )  # fmt: skip
    column = w11**2 + b21**2  # where the characteristic polynomial of W^T W is -(b12 w11)^2
    known = (*observations, exact, total, determined)
    top = real.at_most(
        "||W e_1||^2 <= sigma_1^2", column, sigma_1**2, ordered, *known,
        scale=[(1, 1, (ordered,))], by=[(1, sigma_1**2 - column, ()), (1, b12 * w11, ())],
    )  # fmt: skip
    size, *sides = (given.modulus(x) for x in (w11, b12, b21))
    squares = real.at_most(
        "sigma_1 sigma_2 = |b12 b21|", (sigma_2 * M) ** 2, (A * B) ** 2, top, *known, size, *sides,
        by=[(1, sigma_2, (top,)), (1, sigma_2 * b21, ())],
    )  # fmt: skip
    small = real.at_most(
        "roots", sigma_2 * M, A * B, squares, *sides,
        scale=[(2, 1, tuple(sides))], by=[(1, A * B - sigma_2 * M, ()), (1, 1, (squares,))],
    )  # fmt: skip
    made = zip((flat, small, far), infimal_rank.claim.claims, strict=True)
    derive.both(*(real.cut(fact, *map(real.suppose, part.conditions)) for fact, part in made))


# W = ((2, 1), (1, 2)) is a solution for b12 = b21 = 1 and b22 = 2, with singular values 3 and 1.
PERTURBED = seen(
    Instance(variables=(*entries_at(2, 1, 1, 2).variables, ("sigma_1", Fraction(3)), ("sigma_2", Fraction(1)))), 1, 1, 2
)


@control(infimal_rank, breaks="b22 = 0")
def perturbed_solutions():
    """sigma_2 |w11| <= |b12 b21| for any b22."""
    return Where((*SOLVED, *SIGMA.formula.claims), NEARLY.claim), Witness(PERTURBED)


@control(infimal_rank, breaks="w11 = b12 b21 / b22")
def any_solution():
    """det W = 0 at every solution."""
    return Where(SOLVED, SINGULAR.claim), Witness(PERTURBED)
