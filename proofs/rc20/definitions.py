"""The matrix completion problem of RC20 (equations 1, 6 and 7), and what holds at every 2x2 matrix.

w11 is unobserved; the half-sum loss is l(W) = ((w12 - 1)^2 + (w21 - 1)^2 + w22^2) / 2. Its zeros are the matrices with
w12 = w21 = 1 and w22 = 0.
"""

from fractions import Fraction
from random import Random

from theorytest import (
    All,
    Array,
    Assumption,
    Definition,
    Identity,
    Inequality,
    Instance,
    Outcome,
    SingularValues,
    Source,
    Statement,
    Witness,
    control,
    proof,
    sampled,
)
from theorytest.derive.scalar import Reals
from theorytest.kernel.analysis import defining
from theorytest.kernel.ball import evaluate
from theorytest.kernel.scalar import Scalar, Variable, scalar, sqrt
from theorytest.models import HalfSum

from .singular_values import any_matrix, determinant, entries

w11, w12, w21, w22 = entries
sigma_1, sigma_2 = Variable("sigma_1"), Variable("sigma_2")


def half_sum(z: Scalar | int, z_: Scalar | int, epsilon: Scalar | int) -> Scalar:
    """RC20 equation 1 for the observations w12 = z, w21 = z_, w22 = epsilon."""
    return ((w12 - z) ** 2 + (w21 - z_) ** 2 + (w22 - epsilon) ** 2) / 2


loss = half_sum(1, 1, 0)
radius = sqrt(2) * sqrt(loss)  # the distance of (w12, w21, w22) from the observations

POSITIVE = Assumption("determinant", "det W > 0", Inequality(scalar(0), "<", determinant))
SIGMA = Assumption(
    "singular values",
    "sigma_1 >= sigma_2 >= 0 are the singular values of W",
    All(defining(SingularValues(any_matrix, (sigma_1, sigma_2)))),
)


def at(a, b, c, d, /, *, one=None, two=None, **more) -> Instance:
    """The matrix ((a, b), (c, d)), with its singular values and other numbers."""
    values = {"w11": a, "w12": b, "w21": c, "w22": d, "sigma_1": one, "sigma_2": two, **more}
    return Instance(variables=tuple((name, Fraction(x)) for name, x in values.items() if x is not None))


class Given:
    """What is assumed of a statement, as facts and as conditions; `finish` meets the conditions."""

    def __init__(self, derive) -> None:
        self.derive, self.real = derive, Reals(derive)
        self.facts = []

    def take(self, label):
        """The formulas of an assumption, as suppositions."""
        fact = self.derive.assume(label)
        if isinstance(fact.claim, All):
            parts = [
                self.derive.apply("part", fact, data=(k,), text="one of these") for k in range(len(fact.claim.claims))
            ]
        else:
            parts = [fact]
        self.facts += parts
        supposed = [self.real.suppose(part.claim) for part in parts]
        return supposed if isinstance(fact.claim, All) else supposed[0]

    def finish(self, fact):
        """The fact, its conditions met by the assumptions."""
        return self.real.outright(fact, *self.facts)

    def modulus(self, value):
        """0 <= |value|."""
        square = self.real.at_most("a square", 0, value**2, self.real.real(0), by=[(1, value, ())])
        return self.real.power(square, Fraction(1, 2), "the modulus")

    def radius(self, of: Scalar = loss):
        """0 <= sqrt(2) sqrt(loss)."""
        real = self.real
        deviations = [part.base for part in (2 * of).parts]
        size = real.at_most("loss >= 0", 0, of, real.real(0), by=[(Fraction(1, 2), x, ()) for x in deviations])
        root, two = real.power(size, Fraction(1, 2)), real.power(real.less("0 < 2", 0, 2), Fraction(1, 2))
        return real.at_most("sqrt(2 loss) >= 0", 0, sqrt(2) * sqrt(of), root, two, by=[(1, 1, (two, root))])


# -- the problem -------------------------------------------------------------------------------------------------------

problem = Statement(
    id="RC20-Eq6",
    label="RC20-Eq6",
    kind="definition",
    title="The 2x2 completion problem: w12 = w21 = 1 and w22 = 0 are observed",
    source=Source("RC20", "equation 6"),
    claim=Definition(loss),
    scope="2x2 matrices",
    expected="DEFINED",
)


@sampled(problem)
def the_shipped_loss(run):
    """The formula is the shipped half-sum loss of the three observations, and the observed entries of its gradient are
    the residuals."""
    random, seen = Random(run.seed), 0
    shipped = HalfSum((((0, 1), 1), ((1, 0), 1), ((1, 1), 0)))
    for _ in range(40):
        a, b, c, d = (Fraction(random.randint(-20, 20), random.randint(1, 5)) for _ in range(4))
        W = Array((2, 2), (a, b, c, d))
        assert evaluate(loss, {"w11": a, "w12": b, "w21": c, "w22": d}) == shipped.value(W)
        assert shipped.gradient(W).entries == (0, b - 1, c - 1, d)
        seen += 1
    return Outcome(seen, "0", True, "exact")


@control(problem, breaks="half-sum")
def mean_of_squares():
    """The mean of squares, 2/3 of the half-sum."""
    return Identity(loss * Fraction(2, 3), loss), Witness(at(0, 0, 0, 0))


# -- the zero-loss set -------------------------------------------------------------------------------------------------

ZERO_LOSS = Assumption("zero loss", "the loss is 0", Identity(loss, scalar(0)))
solutions = (Identity(w12, scalar(1)), Identity(w21, scalar(1)), Identity(w22, scalar(0)))

zero_loss = Statement(
    id="RC20-Eq7",
    label="RC20-Eq7",
    kind="fact",
    title="Where the loss is 0, w12 = w21 = 1 and w22 = 0",
    source=Source("RC20", "equation 7"),
    assumptions=(ZERO_LOSS,),
    claim=All(solutions),
    scope="all real 2x2 matrices",
    example=at(5, 1, 1, 0),
)

converse = Statement(
    id="RC20-Eq7",
    label="RC20-Eq7/converse",
    kind="fact",
    title="Where w12 = w21 = 1 and w22 = 0, the loss is 0, whatever w11 is",
    source=Source("RC20", "equation 7"),
    assumptions=(Assumption("solution", "w12 = w21 = 1 and w22 = 0", All(solutions)),),
    claim=Identity(loss, scalar(0)),
    scope="all real w11",
    example=at(5, 1, 1, 0),
)


@proof(zero_loss)
def a_sum_of_squares_is_zero(derive):
    given = Given(derive)
    real, nothing = given.real, given.take("zero loss")
    parts = []
    deviations = (w12 - 1, w21 - 1, w22)
    for side in solutions:
        gap = side.lhs - side.rhs
        squares = [(1, x, ()) for x in deviations]
        down = real.at_most("from above", side.lhs, side.rhs, nothing, scale=[], by=_goal_first(-1 * gap, squares, gap))
        up = real.at_most("from below", side.rhs, side.lhs, nothing, scale=[], by=_goal_first(gap, squares, gap))
        parts.append(given.finish(derive.apply("antisymmetry", down, up, text="equal")))
    derive.both(*parts)


def _goal_first(goal, squares, gap):
    """The squares, that of the goal written as the goal itself."""
    return [(1, goal if x == gap or x == gap + 0 else x, ()) for _, x, _ in squares]


@proof(converse)
def by_substitution(derive):
    given = Given(derive)
    derived = given.real.equal("every square is 0", loss, scalar(0), *given.take("solution"))
    given.finish(derived)


@control(zero_loss, breaks="zero loss")
def positive_loss():
    """Any loss."""
    return None, Witness(at(0, 0, 0, 0))


@control(converse, breaks="solution")
def any_matrix_has_loss_zero():
    """Any matrix."""
    return None, Witness(at(0, 0, 0, 0))


@control(zero_loss, breaks="w12 = 1")
def opposite_entry():
    """w12 = -1 in place of 1."""
    return Identity(w12, scalar(-1)), Witness(at(5, 1, 1, 0))
