"""The Huber loss (RMC21 equation 8), and where its gradient is constant.

Its derivative at z is z clipped to [-delta, delta], that is (|z + delta| - |z - delta|) / 2. Where |W| <= |y| - delta,
the residual W - y has the sign of -y and at least the size delta, so that the derivative is that at W = 0.
"""

from fractions import Fraction

from theorytest import All, Assumption, Identity, Inequality, Instance, Source, Statement, Witness, control, proof
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Where
from theorytest.kernel.scalar import Variable, absolute, scalar

z, x, d, W, y = (Variable(name) for name in ("z", "x", "delta", "W", "y"))
HALF = Fraction(1, 2)
WIDTH = Assumption("width", "delta > 0", Inequality(scalar(0), "<", d))


def clipped(value):
    """The value clipped to [-delta, delta]."""
    return (absolute(value + d) - absolute(value - d)) / 2


def bounded(lhs, rhs):
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def quadratic(value):
    return value**2 / 2


def linear(value):
    return d * (absolute(value) - d / 2)


LIPSCHITZ = Where((), bounded((clipped(z) - clipped(x)) ** 2, (z - x) ** 2))
huber = Statement(
    id="RMC21-Eq8",
    label="RMC21-Eq8",
    kind="definition",
    title="The Huber loss: branches meet with their slopes; its derivative, z clipped to +-delta, is 1-Lipschitz",
    source=Source("RMC21", "equation 8"),
    assumptions=(WIDTH,),
    claim=All(
        (
            Where((Identity(z, d),), Identity(quadratic(z), d * (z - d / 2))),
            Where((Identity(z, -d),), Identity(quadratic(z), d * (-z - d / 2))),
            Where((bounded(-d, z), bounded(z, d), WIDTH.formula), Identity(clipped(z), z)),
            Where((bounded(d, z), WIDTH.formula), Identity(clipped(z), d)),
            Where((bounded(z, -d), WIDTH.formula), Identity(clipped(z), -d)),
            LIPSCHITZ,
        )
    ),
    scope="all real z and x, all delta > 0",
    example=Instance(variables=(("delta", Fraction(1)),)),
    deviations=(
        "stated by branches: z^2 / 2 where |z| < delta and delta (|z| - delta / 2) elsewhere have the slopes z and "
        "+-delta, which are z clipped",
        "1-Lipschitz, squared: the values clipped from z and x differ by at most |z - x|",
    ),
)


def assumed(derive, *labels):
    """The formulas of assumptions, one by one."""
    facts = []
    for label in labels:
        fact = derive.assume(label)
        if isinstance(fact.claim, All):
            places = range(len(fact.claim.claims))
            facts += [derive.apply("part", fact, data=(k,), text="one of these") for k in places]
        else:
            facts.append(fact)
    return facts


class Clipping:
    """The clipped value, branch by branch."""

    def __init__(self, derive):
        self.derive, self.real = derive, Reals(derive)
        self.width = self.real.suppose(WIDTH.formula)

    def size(self, value, sign, *facts, by):
        """|value| = sign * value, given facts that make sign * value nonnegative."""
        real, size = self.real, absolute(value)
        square = real.at_most("a square", 0, value**2, real.real(0), by=[(1, value, ())])
        modulus = real.power(square, HALF)
        positive = real.at_most("its sign", 0, sign * value, *facts, by=by)
        goal = size - sign * value
        up = real.at_most(
            "from above", size, sign * value, modulus, positive, scale=[(2, 1, (positive,))], by=[(1, -1 * goal, ())]
        )
        down = real.at_most(
            "from below", sign * value, size, modulus, positive, scale=[(2, 1, (modulus,))], by=[(1, goal, ())]
        )
        return self.derive.apply("antisymmetry", up, down, text="both")

    def at(self, value, above, below):
        """The clipped value, from the signs of value + delta and value - delta (with the facts and hints for them)."""
        (plus, facts, by), (minus, others, hints) = above, below
        one = self.size(value + d, plus, *facts, by=by)
        two = self.size(value - d, minus, *others, by=hints)
        result = (plus * (value + d) - minus * (value - d)) / 2
        return self.real.equal("the clipped value", clipped(value), result, one, two), one, two

    def branch(self, value, result, above, below, *more):
        """The clipped value as it is written."""
        _, one, two = self.at(value, above, below)
        return self.real.equal("the clipped value", clipped(value), result, one, two, *more)


def exactly(real, fact, conditions):
    """The fact under these conditions, in this order."""
    return real.cut(fact, *map(real.suppose, conditions))


def one_lipschitz(real):
    """|u| |v| >= u v at u, v = z +- delta, x +- delta, so that ||u| - |v|| <= |u - v|; half a sum of two such."""
    facts, differences = [], []
    for sign in (1, -1):
        u, v = z + sign * d, x + sign * d
        moduli = [
            real.power(real.at_most("a square", 0, value**2, real.real(0), by=[(1, value, ())]), HALF)
            for value in (u, v)
        ]
        sizes = absolute(u) * absolute(v)
        by = [(1, sizes - u * v, ())]
        facts.append(real.at_most("u v <= |u| |v|", u * v, sizes, *moduli, scale=[(2, 1, tuple(moduli))], by=by))
        facts += moduli
        differences.append(absolute(u) - absolute(v))
    by = [(1, 1, (facts[0],)), (1, 1, (facts[3],)), (Fraction(1, 4), differences[0] + differences[1], ())]
    return real.at_most("1-Lipschitz", LIPSCHITZ.claim.lhs, LIPSCHITZ.claim.rhs, *facts, by=by)


@proof(huber)
def branch_by_branch(derive):
    clip = Clipping(derive)
    real, width = clip.real, clip.width
    parts = []
    for part in huber.claim.claims[:2]:
        given = real.suppose(part.conditions[0])
        parts.append(real.equal("the branches meet", part.claim.lhs, part.claim.rhs, given))
    low, high = real.suppose(bounded(-d, z)), real.suppose(bounded(z, d))
    inner = clip.branch(z, z, (1, (low,), [(1, 1, (low,))]), (-1, (high,), [(1, 1, (high,))]))
    far = real.suppose(bounded(d, z))
    right = ((1, (far, width), [(1, 1, (far,)), (2, 1, (width,))]), (1, (far,), [(1, 1, (far,))]))
    deep = real.suppose(bounded(z, -d))
    left = ((-1, (deep,), [(1, 1, (deep,))]), (-1, (deep, width), [(1, 1, (deep,)), (2, 1, (width,))]))
    made = (inner, clip.branch(z, d, *right), clip.branch(z, -d, *left))
    parts += [exactly(real, fact, part.conditions) for fact, part in zip(made, huber.claim.claims[2:5], strict=True)]
    derive.both(*parts, one_lipschitz(real))


def point(**values):
    return Witness(Instance(variables=tuple((name, Fraction(value)) for name, value in values.items())))


@control(huber, breaks="constant delta / 2")
def another_constant():
    """delta |z| - delta^2 in place of delta (|z| - delta / 2): the branches do not meet at z = delta."""
    return Identity(d**2 / 2, d * d - d**2), point(delta=1)


@control(huber, breaks="clipped")
def not_clipped():
    """The derivative z everywhere."""
    return Identity(clipped(z), z), point(delta=1, z=2)


@control(huber, breaks="1-Lipschitz")
def half_lipschitz():
    """1/2-Lipschitz."""
    return bounded(4 * LIPSCHITZ.claim.lhs, LIPSCHITZ.claim.rhs), point(delta=1, z=1, x=0)


@control(huber, breaks="width")
def any_width():
    """delta < 0: at z = 0 the branch z >= delta would give delta."""
    varied = Statement(
        label="variant",
        title="variant",
        claim=Identity(clipped(z), d),
        assumptions=(Assumption("outer", "z >= delta", bounded(d, z)),),
    )
    return varied, point(delta=-1, z=0)


# -- where the gradient is constant ------------------------------------------------------------------------------------

BELOW = Assumption("below", "0 < delta < |y|", All((Inequality(scalar(0), "<", d), Inequality(d, "<", absolute(y)))))
INSIDE = Assumption("inside", "|W| <= |y| - delta", bounded(absolute(W), absolute(y) - d))

constant_gradient = Statement(
    id="RMC21-LemC-h",
    label="RMC21-LemC-h",
    kind="lemma",
    title="Where |W| <= |y| - delta, the derivative of the Huber loss at W - y is that at -y, and is not 0",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    assumptions=(BELOW, INSIDE),
    claim=All((Identity(clipped(W - y), clipped(-1 * y)), Identity(clipped(-1 * y) ** 2, d**2))),
    scope="all real observations with 0 < delta < |y|, every entry",
    example=Instance(variables=(("delta", Fraction(1, 5)), ("y", Fraction(1)), ("W", HALF))),
    deviations=(
        "stated for one entry: the gradient of the mean loss has these values, divided by the number of observations, "
        "at the observed entries, and 0 elsewhere; it is not 0 since delta > 0",
    ),
)


class AtZero(Clipping):
    """An observed entry, where 0 < delta < |y| is assumed."""

    def __init__(self, derive):
        super().__init__(derive)
        self.assumed = assumed(derive, "below")
        self.width, self.under = (self.real.suppose(part.claim) for part in self.assumed)

    def side(self, value, sign, deep):
        """The clipped value is -sign * delta, since sign * value <= -delta."""
        far = (-sign, (deep, self.width), [(1, 1, (deep,)), (2, 1, (self.width,))])
        near = (-sign, (deep,), [(1, 1, (deep,))])
        above, below = (near, far) if sign > 0 else (far, near)
        return self.branch(value, -sign * d, above, below)

    def at_zero(self, sign, case):
        """|y| = sign * y, and the clipped value of -y, where sign * y >= 0."""
        size = self.size(y, sign, case, by=[(1, 1, (case,))])
        base = self.real.at_most(
            "sign (-y) <= -delta", -1 * sign * y, -1 * d, self.under, size, by=[(1, 1, (self.under,))]
        )
        return size, self.side(-1 * y, sign, base)

    def square(self, found):
        """The squared size of the derivative at 0."""
        return self.real.equal("the square", clipped(-1 * y) ** 2, d**2, found)

    def of_one_sign(self, sign, case):
        """What is claimed, where sign * y >= 0."""
        return (self.square(self.at_zero(sign, case)[1]),)

    def in_both_cases(self):
        """What is claimed, outright: y >= 0 or y <= 0."""
        real, low, high = self.real, bounded(0, y), bounded(y, 0)
        up = self.of_one_sign(1, real.suppose(low))
        under = real.suppose(high)
        flipped = real.at_most("-y >= 0", 0, -1 * y, under, by=[(1, 1, (under,))])
        both = zip(up, self.of_one_sign(-1, flipped), strict=True)
        whole = [self.derive.apply("dichotomy", *pair, data=(low,), text="y >= 0 or y <= 0") for pair in both]
        return [real.outright(fact, *self.assumed) for fact in whole]


class Inside(AtZero):
    """An entry inside the region."""

    def __init__(self, derive):
        super().__init__(derive)
        real = self.real
        self.assumed.append(derive.assume("inside"))
        self.inside = real.suppose(self.assumed[-1].claim)
        square = real.at_most("a square", 0, W**2, real.real(0), by=[(1, W, ())])
        size = real.power(square, HALF)
        w = absolute(W)
        self.above = real.at_most("W <= |W|", W, w, size, scale=[(2, 1, (size,))], by=[(1, w - W, ())])
        self.beneath = real.at_most("-W <= |W|", -1 * W, w, size, scale=[(2, 1, (size,))], by=[(1, w + W, ())])

    def of_one_sign(self, sign, case):
        """Both claims, where sign * y >= 0."""
        real = self.real
        size, at_zero = self.at_zero(sign, case)
        bound = self.above if sign > 0 else self.beneath
        # sign (W - y) <= |W| - |y| <= -delta
        deep = real.at_most(
            "sign (W - y) <= -delta",
            sign * (W - y),
            -1 * d,
            bound,
            self.inside,
            size,
            by=[(1, 1, (bound,)), (1, 1, (self.inside,))],
        )
        here = self.side(W - y, sign, deep)
        same = real.equal("the same", clipped(W - y), clipped(-1 * y), here, at_zero)
        return same, self.square(at_zero)


@proof(constant_gradient)
def by_the_sign_of_the_residual(derive):
    derive.both(*Inside(derive).in_both_cases())


@control(constant_gradient, breaks="inside")
def larger_region():
    """Without |W| <= |y| - delta."""
    return None, point(delta=Fraction(1, 5), y=1, W=1)


@control(constant_gradient, breaks="inside")
def up_to_the_observation():
    """|W| <= |y| in place of |W| <= |y| - delta."""
    wide = Assumption("wide", "|W| <= |y|", bounded(absolute(W), absolute(y)))
    varied = Statement(label="variant", title="variant", claim=constant_gradient.claim, assumptions=(BELOW, wide))
    return varied, point(delta=Fraction(1, 5), y=1, W=1)


@control(constant_gradient, breaks="below")
def any_transition_point():
    """Without 0 < delta < |y|: delta = -1 at y = 0."""
    return None, point(delta=-1, y=0, W=0)


@control(constant_gradient, breaks="Huber loss")
def square_loss():
    """The derivative of the square loss, W - y and -y."""
    return Identity(W - y, -1 * y), Witness(constant_gradient.example)


nonzero = Statement(
    id="RMC21-fn6",
    label="RMC21-fn6",
    kind="remark",
    title="0 < delta < |y| makes every observation nonzero",
    source=Source("RMC21", "footnote 6"),
    assumptions=(BELOW,),
    claim=Inequality(scalar(0), "<", y**2),
    scope="all real observations",
    example=Instance(variables=(("delta", HALF), ("y", Fraction(-1)))),
)


@proof(nonzero)
def above_a_positive_number(derive):
    parts = assumed(derive, "below")
    real = Reals(derive)
    width, under = (real.suppose(part.claim) for part in parts)
    hint = [(1, 1, (width, width)), (1, 1, (under, under)), (2, 1, (width, under))]
    real.outright(real.less("y^2 = (delta + (|y| - delta))^2 > 0", 0, y**2, width, under, by=hint), *parts)


@control(nonzero, breaks="below")
def any_observation():
    """Without 0 < delta < |y|."""
    return None, point(delta=1, y=0)


@control(nonzero, breaks="square")
def positive_observations():
    """0 < y."""
    return Inequality(scalar(0), "<", y), Witness(nonzero.example)
