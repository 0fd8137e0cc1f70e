"""Two solutions of a gradient flow stay close: Lipschitz constants on bounded sets, and Gronwall's inequality (RMC21
Theorem 2, proof sketch).

A factor's velocity is the loss gradient times the outer product of the other factors. Differences of products are sums
of differences, so that each estimate takes one factor off; the rest is an induction on the number of factors.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    All,
    Identity,
    Inequality,
    Instance,
    Source,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    proof,
)
from theorytest.derive.evolution import InTime, variables
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Evolution, Fold, Where
from theorytest.kernel.evolution import initial
from theorytest.kernel.families import put_in, states
from theorytest.kernel.rules import Square
from theorytest.kernel.scalar import ZERO, Exp, Variable, scalar
from theorytest.models import array

from .escape import at, dropping
from .theorem_1 import bounded

# -- one factor at a time ----------------------------------------------------------------------------------------------

G1, G2 = Tensor("G1", ("d", "e")), Tensor("G2", ("d", "e"))
x1, x2 = Tensor("x1", ("d",)), Tensor("x2", ("d",))
y1, y2 = Tensor("y1", ("e",)), Tensor("y2", ("e",))
C1, C2 = Tensor("C1", ("R", "D")), Tensor("C2", ("R", "D"))


def square(term):
    """The sum of the squares of all entries."""
    return (term * term).sum(*(name for name, _ in term.free))


def velocity(gradient, others):
    """The velocity of a factor, up to its sign."""
    return (gradient["i", "j"] * others["j"]).sum("j")


MOVED = Inequality(
    square(velocity(G1, y1) - velocity(G2, y2)),
    "<=",
    square(G1["i", "j"] - G2["i", "j"]) * square(y1["j"]) * 2 + square(G2["i", "j"]) * square(y1["j"] - y2["j"]) * 2,
)
OUTER = Inequality(
    square(x1["i"] * y1["j"] - x2["i"] * y2["j"]),
    "<=",
    square(x1["i"]) * square(y1["j"] - y2["j"]) * 2 + square(x1["i"] - x2["i"]) * square(y2["j"]) * 2,
)
SUMMED = Inequality(
    square(C1["r", "k"].sum("r") - C2["r", "k"].sum("r")),
    "<=",
    constant(1, ("r", "R")).sum("r") * square(C1["r", "k"] - C2["r", "k"]),
)

# e bounds the squared distance of two outer products of N factors, whose squared norms are at most B and whose squared
# distances are at most D: e <- 2 B e + 2 D B^N, by the second estimate. k is the constant that comes out: k <- 2 k + 2.
s, N, B, D = variables("s N B D")
p, e, k, last = variables("p e k q")
GROWTH = Fold(
    "s",
    "N",
    (
        ("e", D, 2 * B * e + 2 * D * p),  # the squared distance
        ("p", B, p * B),  # B^N
        ("q", scalar(1), last * B),  # B^(N-1)
        ("k", scalar(1), 2 * k + 2),
    ),
    (bounded(0, B), bounded(0, D)),
    (Where((), Identity(p, last * B)), Where((), Identity(e, k * last * D))),
)

bounded_sets = Statement(
    id="RMC21-LemC-j",
    label="RMC21-LemC-j",
    kind="lemma",
    title="Four estimates by which the objective's gradient is Lipschitz on bounded sets, with their constants",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    claim=All((MOVED, OUTER, SUMMED, GROWTH)),
    scope="all orders, ranks, shapes; losses with a locally Lipschitz gradient",
    deviations=(
        "in four estimates: the velocities of one factor at two states differ by the difference of the loss gradients "
        "(G1 and G2) and that of the outer products of the other factors (y1 and y2); outer products differ by the "
        "difference of one factor (x1 and x2) and that of the rest; R components add up with a factor R; and by "
        "induction two outer products of N factors, of squared norms at most B and squared distances at most D, "
        "have squared distance at most k_N B^(N-1) D, k_1 = 1, k_(N+1) = 2 k_N + 2",
        "a Lipschitz constant of the loss gradient on the bounded set of end tensors turns ||W - W'|| into ||G1 - G2||",
    ),
)


def of_a_product(derive):
    """The four estimates."""
    (one, other), (left, right), (whole, part) = (ends(claim) for claim in (MOVED, OUTER, SUMMED))
    # |a + b|^2 <= 2 |a|^2 + 2 |b|^2, and Cauchy and Schwarz for each part by Lagrange's identity.
    a = ((G1["i", "j"] - G2["i", "j"]) * y1["j"]).sum("j")
    b = (G2["i", "j"] * (y1["j"] - y2["j"])).sum("j")
    squares = [Square(a - b, ("i",))]
    squares += lagrange(G1["i", "j"] - G2["i", "j"], y1["j"]) + lagrange(G2["i", "j"], y1["j"] - y2["j"])
    first = derive.at_most("one factor's velocity", one, other, (), squares)
    a, b = x1["i"] * (y1["j"] - y2["j"]), (x1["i"] - x2["i"]) * y2["j"]
    second = derive.at_most("one more factor", left, right, (), [Square(a - b, ("i", "j"))])
    gap = C1["r", "k"] - C2["r", "k"]
    halves = [Square((gap - gap.rename({"r": "s"})) * HALF, ("r", "s", "k"))] * 2
    third = derive.at_most("the sum of R components", whole, part, (), halves)
    derive.both(first, second, third, induction(derive))


HALF = Fraction(1, 2)


def lagrange(matrix, vector):
    """The squares whose sum is 2 (||M||^2 ||v||^2 - ||M v||^2)."""
    return [Square(matrix * vector.rename({"j": "l"}) - matrix.rename({"j": "l"}) * vector, ("i", "j", "l"))]


def ends(claim):
    return claim.lhs, claim.rhs


def induction(derive):
    """Both parts, by induction on N."""
    real = Reals(derive)
    first, after = states(GROWTH)
    powers, size = (real.suppose(part.claim) for part in GROWTH.claims)
    facts = []
    for part, given in zip(GROWTH.claims, ((powers,), (powers, size)), strict=True):
        begin, end = (put_in(part.claim, values) for values in (first, after))
        facts.append(real.equal("one factor", begin.lhs, begin.rhs))
        facts.append(real.equal("one more factor", end.lhs, end.rhs, *given))
    return derive.apply("fold", *facts, data=(GROWTH,), text="induction on the number N of factors")


proved_bounded_sets = proof(bounded_sets)(of_a_product)


def letters(**values):
    """A witness with these arrays (nested lists of numbers)."""
    return Witness(Instance(letters=tuple((name, array(numbers)) for name, numbers in values.items())))


@control(bounded_sets, breaks="bounded sets")
def globally_lipschitz():
    """The constant of the unit ball everywhere: |x y - x' y'|^2 <= 2 |y - y'|^2 + 2 |x - x'|^2 for all x and y."""
    bound = square(y1["j"] - y2["j"]) * 2 + square(x1["i"] - x2["i"]) * 2
    return Inequality(OUTER.lhs, "<=", bound), letters(x1=[3], x2=[0], y1=[3], y2=[3])


@control(bounded_sets, breaks="locally Lipschitz gradient")
def same_gradient():
    """Without the difference of the loss gradients."""
    bound = square(G2["i", "j"]) * square(y1["j"] - y2["j"]) * 2
    return Inequality(MOVED.lhs, "<=", bound), letters(G1=[[1]], G2=[[0]], y1=[1], y2=[1])


@control(bounded_sets, breaks="factor 2")
def factor_one():
    """Factor 1 in place of 2: at x = y = 2 and x' = y' = 1."""
    bound = square(x1["i"]) * square(y1["j"] - y2["j"]) + square(x1["i"] - x2["i"]) * square(y2["j"])
    return Inequality(OUTER.lhs, "<=", bound), letters(x1=[2], x2=[1], y1=[2], y2=[1])


@control(bounded_sets, breaks="factor R")
def one_component():
    """R components without the factor R."""
    bound = square(C1["r", "k"] - C2["r", "k"])
    return Inequality(SUMMED.lhs, "<=", bound), letters(C1=[[1], [1]], C2=[[0], [0]])


# -- Gronwall ----------------------------------------------------------------------------------------------------------

t, y, v, z, rate = variables("t y v z Lambda")
f1, f2 = Tensor("f1", ("P",)), Tensor("f2", ("P",))
w1, w2 = Tensor("w1", ("P",)), Tensor("w2", ("P",))
difference, pull = w1["i"] - w2["i"], f1["i"] - f2["i"]
PAIRED = Inequality(
    (difference * pull).sum("i") * (difference * pull).sum("i"), "<=", square(difference) * square(pull)
)
Y0 = Variable(initial("y"))
CLOSE = bounded(y, Y0 * Exp(2 * rate * t))
LIPSCHITZ = bounded(z, rate**2 * y)
gronwall = Evolution(
    "t",
    (("y", 2 * v),),
    ("v", "z"),
    (bounded(0, y), bounded(0, rate), bounded(v**2, y * z), LIPSCHITZ),
    (Where((), CLOSE),),
)

two_solutions = Statement(
    id="RMC21-LemC-k",
    label="RMC21-LemC-k",
    kind="lemma",
    title="||theta_1(t) - theta_2(t)|| <= e^(Lambda t) ||theta_1(0) - theta_2(0)||",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    claim=All((PAIRED, gronwall)),
    scope="all numbers of parameters; as long as both solutions are where Lambda is a Lipschitz constant",
    deviations=(
        "squared: y = ||theta_1 - theta_2||^2, z = ||f(theta_1) - f(theta_2)||^2, v = <theta_1 - theta_2, f(theta_1) "
        "- f(theta_2)>, so that dy/dt = 2 v; v^2 <= y z is the first part (with w and f for theta and f(theta))",
    ),
)


class Comparison(InTime):
    """From dy/dt = 2 v, v^2 <= y z and z <= Lambda^2 y to y <= y(0) e^(2 Lambda t); Lambda may be an expression."""

    def __init__(self, derive, system, constant_):
        super().__init__(derive, system)
        self.rate = constant_

    def slope(self, size, positive, paired, steep):
        """v <= Lambda y."""
        gap = self.rate * y - v
        return self.at_most(
            "v <= Lambda y", v, self.rate * y, size, positive, paired, steep,
            scale=[(2, 1, (positive, size))], by=[(1, gap, ()), (1, 1, (size, steep)), (1, 1, (paired,))],
        )  # fmt: skip

    def bound(self, size, positive, paired, steep):
        """The quantity y e^(-2 Lambda t) does not grow; the fact, and y <= y(0) e^(2 Lambda t)."""
        slope = self.slope(size, positive, paired, steep)
        down, up = -2 * self.rate * t, 2 * self.rate * t
        shrinks = self.exp_positive(self.defined(down, positive))
        quantity = y * Exp(down)
        fall = self.at_most(
            "the derivative", self.derivative(quantity), 0, slope, shrinks, by=[(2, 1, (slope, shrinks))]
        )
        kept = self.never_exceeds(quantity, fall, self.defined(quantity, shrinks))
        always = self.suppose(kept.claim.claims[0].claim)
        begin = always.claim.claim.rhs.parts[-1]
        one = self.rewrite(self.exp_zero(), self.exp_of(begin.argument, ZERO), Identity(begin, scalar(1)))
        unit = self.rewrite(self.exp_zero(), self.exp_product(down, up, ZERO), self.unit(down, up))
        grows = self.exp_positive(self.defined(up, positive))
        close = self.at_most(
            "times e^(2 Lambda t)", y, Y0 * Exp(up), always, one, unit, grows, by=[(1, 1, (always, grows))]
        )
        return kept, close

    def unit(self, down, up):
        return Identity(scalar(1), Exp(down) * Exp(up))


@proof(two_solutions)
def by_gronwall(derive):
    wedge = (difference * pull.rename({"i": "j"}) - difference.rename({"i": "j"}) * pull) * HALF
    squares = [Square(wedge, ("i", "j"))] * 2
    paired = derive.at_most("Cauchy and Schwarz (Lagrange's identity)", PAIRED.lhs, PAIRED.rhs, (), squares)
    time = Comparison(derive, gronwall, rate)
    kept, close = time.bound(*time.conditions())
    derive.both(paired, time.at_every_time(kept, close))


@control(two_solutions, breaks="Lipschitz constant")
def without_a_constant():
    """Without z <= Lambda^2 y."""
    return replace(gronwall, conditions=gronwall.conditions[:-1]), at(y=1, v=2, z=5, Lambda=1)


@control(two_solutions, breaks="exponential")
def linear_in_time():
    """1 + 2 Lambda t in place of e^(2 Lambda t): dy/dt = 2 Lambda y meets all conditions, with y = e^(2 Lambda t)."""
    return Inequality(Exp(2 * rate * t), "<=", 1 + 2 * rate * t), at(t=1, Lambda=1)


@control(two_solutions, breaks="factor 2 in the exponent")
def half_the_exponent():
    """e^(Lambda t) for the squared distance."""
    claim = bounded(y, Y0 * Exp(rate * t))
    return replace(gronwall, claims=(Where((), claim),)), at(y=1, v=Fraction(3, 4), z=Fraction(3, 4), Lambda=1)


two_solutions_conditions = tuple(
    dropping(two_solutions, gronwall, condition, name, words, at(**values))
    for condition, name, words, values in (
        (bounded(0, y), "negative_square", "y >= 0", {"y": -HALF, "v": 1, "z": -3, "Lambda": 1}),
        (bounded(0, rate), "negative_constant", "Lambda >= 0", {"y": 1, "v": -1, "z": 5, "Lambda": -3}),
        (bounded(v**2, y * z), "without_cauchy_and_schwarz", "v^2 <= y z", {"y": 1, "v": 2, "z": -1, "Lambda": 1}),
    )
)
