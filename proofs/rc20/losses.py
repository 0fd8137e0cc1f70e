"""Half-sum losses of completion (RC20 equations 1 and 11), and gradient descent on them without factors.

With a mask m (1 where an entry is observed, else 0): l(W + V) = l(W) + <m (W - b), V> + (1/2) <m V, V>, so that the
gradient is the residual, masked. Under gradient descent on W itself an unobserved entry that starts at 0 stays 0.
"""

from dataclasses import replace
from fractions import Fraction
from random import Random

from theorytest import (
    All,
    Array,
    Assumption,
    Identity,
    Inequality,
    Instance,
    Outcome,
    Source,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    proof,
    sampled,
    zero,
)
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.rules import Square, Use
from theorytest.kernel.scalar import Variable, scalar
from theorytest.models import HalfSum

HALF = Fraction(1, 2)


def half_sum(letter, *legs):
    """The half-sum loss of a tensor, its value after a step V, and its gradient there."""
    sizes = tuple("d" + leg for leg in legs)
    W, V, b, m = (Tensor(name, sizes)[legs] for name in (letter, "V", "b", "m"))

    def loss(point):
        return (m * (point - b) * (point - b)).sum(*legs) * HALF

    return W, V, b, m, loss


def taylor(legs, factor=HALF, masked=True):
    """l(W + V) = l(W) + <gradient, V> + (1/2) <m V, V>."""
    W, V, b, m, loss = half_sum("W", *legs)
    gradient = m * (W - b) if masked else W - b
    twice = factor / HALF
    after = loss(W + V) * twice
    return Identity(after, loss(W) * twice + (gradient * V).sum(*legs) + (m * V * V).sum(*legs) * factor)


def observed(legs):
    *_, m, _ = half_sum("W", *legs)
    return Assumption("mask", "m is 1 at observed entries and 0 elsewhere", Identity(m * m, m))


def statement(name, place, title, legs):
    """The loss, its gradient, and that it is not negative."""
    W, _, _, _, loss = half_sum("W", *legs)
    sizes = tuple(("d" + leg, 2) for leg in legs)
    shape = (2,) * len(legs)
    mask = Array(shape, tuple(Fraction(k > 0) for k in range(2 ** len(legs))))
    return Statement(
        id=name,
        label=name,
        kind="definition",
        title=title,
        source=Source("RC20", place),
        assumptions=(observed(legs),),
        claim=All((taylor(legs), Inequality(zero(), "<=", loss(W)))),
        scope="all sizes, all sets of observed entries" + ("" if len(legs) > 1 else ", all orders"),
        example=Instance(sizes=sizes, letters=(("m", mask),)),
        deviations=(
            "the gradient is stated by the exact expansion of the loss: the term of first order in V is <gradient, V>",
        )
        + (() if len(legs) > 1 else ("the index I stands for the whole multi-index of an entry",)),
    )


matrices = statement(
    "RC20-Eq1", "equation 1", "Half-sum loss of a matrix; its gradient is the masked residual", ("i", "j")
)
tensors = statement(
    "RC20-Eq11", "equation 11", "Half-sum loss of a tensor; its gradient is the masked residual", ("I",)
)


def expansion(legs):
    def derive_it(derive):
        W, _, b, m, loss = half_sum("W", *legs)
        expanded = derive.equal("expand", *_sides(taylor(legs)))
        mask = derive.assume("mask")
        square = Square(m * (W - b), legs)
        doubled = derive.at_most("a sum of squares", zero(), loss(W) * 2, using=(mask,), by=(square,))
        positive = derive.at_most("half of it", zero(), loss(W), using=(doubled,), by=(Use(0, constant(HALF), (), ()),))
        derive.both(expanded, positive)

    return derive_it


def _sides(claim):
    return claim.lhs, claim.rhs


for_matrices, for_tensors = proof(matrices)(expansion(("i", "j"))), proof(tensors)(expansion(("I",)))


def numbers(legs, **entries):
    shape = (1,) * len(legs)
    letters = tuple((name, Array(shape, (Fraction(value),))) for name, value in entries.items())
    return Witness(Instance(sizes=tuple(("d" + leg, 1) for leg in legs), letters=letters))


def without_half(legs):
    """Without 1/2: the same gradient is half of the right one."""
    return taylor(legs, factor=Fraction(1)), numbers(legs, W=1, V=1, b=0, m=1)


def unmasked(legs):
    """The residual of all entries."""
    return taylor(legs, masked=False), numbers(legs, W=1, V=1, b=0, m=0)


def any_weights(legs):
    """Without a mask: a negative weight."""
    return None, numbers(legs, W=1, V=0, b=0, m=-1)


def tied(statement_, legs, breaks, function):
    """A control of one of the two losses."""

    def made():
        return function(legs)

    made.__name__, made.__doc__ = function.__name__, function.__doc__
    return control(statement_, breaks=breaks)(made)


controls = [
    tied(made, legs, breaks, function)
    for made, legs in ((matrices, ("i", "j")), (tensors, ("I",)))
    for breaks, function in (("1/2", without_half), ("masked residual", unmasked), ("mask", any_weights))
]


@sampled(matrices)
def the_shipped_loss(run):
    """Value and gradient of the shipped half-sum loss, by the same expansion at random matrices and masks."""
    random = Random(run.seed)
    for _ in range(25):
        places = [(i, j) for i in range(3) for j in range(2) if random.random() < 0.6] or [(0, 0)]
        loss = HalfSum(tuple((place, random.randint(-3, 3)) for place in places))
        W, V = (Array((3, 2), tuple(Fraction(random.randint(-9, 9), 4) for _ in range(6))) for _ in range(2))
        after = Array((3, 2), tuple(x + y for x, y in zip(W.entries, V.entries, strict=True)))
        slope = sum(g * v for g, v in zip(loss.gradient(W).entries, V.entries, strict=True))
        assert loss.value(after) == loss.value(W) + slope + sum(V[place] ** 2 for place in places) / 2
    return Outcome(25, "0", True, "exact")


# -- gradient descent without factors ----------------------------------------------------------------------------------

w, u, s, m, b, beta = (Variable(name) for name in ("w", "u", "s", "m", "b", "beta"))
UNOBSERVED = Identity(m, scalar(0))
DESCENT = (("w", 0 - s * m * (0 - b), w - s * m * (w - b)),)
linear = Fold("s", "n", DESCENT, (), (Where((UNOBSERVED,), Identity(w, scalar(0))),))
filled = Where((Identity(m, scalar(1)), Identity(m * (w - b) ** 2, scalar(0))), Identity(w, b))

baseline = Statement(
    id="RC20-Lin",
    label="RC20-Lin",
    kind="claim",
    title="Gradient descent on W itself from 0 keeps every unobserved entry 0",
    source=Source("RC20", "Section 4"),
    claim=All((linear, filled)),
    scope="all sizes and orders, step sizes, numbers of steps",
    deviations=(
        "w is one entry of W, m its mask and b its observation, s the step size of a step: without factors the entries "
        "do not interact (RC20-Eq11); the second claim is that at zero loss an observed entry is its observation",
    ),
)


def stays_zero(derive, fold):
    """By induction on the number of steps, for all state variables."""
    real, (first, after) = Reals(derive), states(fold)
    hidden = real.suppose(UNOBSERVED)
    before = [real.suppose(part.claim) for part in fold.claims]
    facts = []
    for part in fold.claims:
        start, end = put_in(part.claim, first), put_in(part.claim, after)
        facts.append(real.equal("after the first step", start.lhs, start.rhs, hidden))
        facts.append(real.equal("after one more step", end.lhs, end.rhs, hidden, *before))
    return derive.apply("fold", *facts, data=(fold,), text="induction on the number of steps")


@proof(baseline)
def by_induction_on_the_steps(derive):
    real = Reals(derive)
    seen, zero_loss = (real.suppose(condition) for condition in filled.conditions)
    square = real.equal("(w - b)^2 = 0", (w - b) ** 2, 0, seen, zero_loss)
    gap = w - b
    above = real.at_most("w <= b", w, b, square, scale=[], by=[(1, -1 * gap, ())])
    below = real.at_most("b <= w", b, w, square, scale=[], by=[(1, gap, ())])
    equal = derive.apply("antisymmetry", above, below, text="w = b")
    equal = real.cut(equal, *map(real.suppose, filled.conditions))
    derive.both(stays_zero(derive, linear), equal)


def unobserved_entry(claim, **values):
    """A claim about one unobserved entry, with numbers against it."""
    varied = replace(baseline, claim=claim, assumptions=(Assumption("unobserved", "m = 0", UNOBSERVED),))
    return varied, Witness(Instance(variables=tuple((name, Fraction(x)) for name, x in values.items())))


@control(baseline, breaks="start 0")
def nonzero_start():
    """A start that is not 0, after one step."""
    return unobserved_entry(Identity(w - s * m * (w - b), scalar(0)), w=1, s=1, m=0, b=1)


@control(baseline, breaks="m = 0")
def observed_entry():
    """An observed entry moves towards its observation."""
    point = Instance(variables=tuple((name, Fraction(1)) for name in ("s", "m", "b")))
    return Identity(0 - s * m * (0 - b), scalar(0)), Witness(point)


PART = (Where((UNOBSERVED,), Identity(w, scalar(0))), Where((UNOBSERVED,), Identity(u, scalar(0))))
pull = s * m * (0 - b)
with_momentum = Fold(
    "s", "n", (("w", -1 * pull, w + beta * u - s * m * (w - b)), ("u", -1 * pull, beta * u - s * m * (w - b))), (), PART
)
# Adam: the update is a multiple s of a decaying mean u of the gradients; the multiple may be any number.
with_adam = Fold(
    "s",
    "n",
    (
        ("w", -1 * s * (1 - beta) * m * (0 - b), w - s * (beta * u + (1 - beta) * m * (w - b))),
        ("u", (1 - beta) * m * (0 - b), beta * u + (1 - beta) * m * (w - b)),
    ),
    (),
    PART,
)


@control(
    baseline, breaks="gradient descent", expected="finding", survives=lambda derive: stays_zero(derive, with_momentum),
    reason="momentum from rest keeps unobserved entries 0, too",
)  # fmt: skip
def momentum():
    """With momentum, from rest."""
    return with_momentum


@control(
    baseline, breaks="gradient descent", expected="finding", survives=lambda derive: stays_zero(derive, with_adam),
    reason="Adam keeps unobserved entries 0, too: their first moments stay 0",
)  # fmt: skip
def adam():
    """Adam, from rest."""
    return with_adam


@control(baseline, breaks="gradient descent")
def momentum_with_a_previous_update():
    """Momentum with a previous update of an unobserved entry."""
    return unobserved_entry(Identity(beta * u - s * m * (0 - b), scalar(0)), m=0, s=1, b=1, u=1, beta=1)
