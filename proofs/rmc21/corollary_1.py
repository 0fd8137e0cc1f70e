"""RMC21 Corollary 1: a balanced component moves at the rate N gamma_r P_r^(2 - 2/N), and one that vanishes stays zero.

The second part needs no uniqueness of solutions. The velocity of w_r^n has every other factor of component r as a
factor; so the sum of squares of two factors has a derivative of second order in them, and Gronwall's inequality keeps
it at zero. Balance passes a zero from one factor to all others.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    CP,
    All,
    Array,
    Assumption,
    AtLeast,
    AtStart,
    Flow,
    Focus,
    Identity,
    Inequality,
    Instance,
    Source,
    Statement,
    control,
    proof,
)
from theorytest.derive.evolution import InTime
from theorytest.kernel.claim import Always, ComponentStaysZero, Evolution, Where, ZeroStays
from theorytest.kernel.scalar import ZERO, Variable, scalar

from .lemma_1 import flow, lemma_1, squared_norm, w_m, w_n
from .theorem_1 import corollary, interval, theorem, w
from .theorem_1 import flow as one_mode

EQUAL_NORMS = Identity(squared_norm(w_n), squared_norm(w_m))
BALANCE = Assumption(
    "balanced", "at the start all factors of a component have the same norm", AtStart(EQUAL_NORMS, flow)
)
ORDER = Assumption("order", "N >= 2", AtLeast("N", 2))
SMOOTH = Assumption("smooth", "the loss gradient is locally Lipschitz")
ONE = Fraction(1)


def ones(*shape, **entries):
    """An array of ones, but for some entries in row-major order."""
    size = 1
    for length in shape:
        size *= length
    numbers = [ONE] * size
    for place, value in entries.items():
        numbers[int(place.removeprefix("at"))] = Fraction(value)
    return Array(shape, tuple(numbers))


def state(*factors, gradient=1, **members):
    """A state of order N with d_n = 1 and R = 1, and the loss gradient there."""
    sizes = (("N", len(factors)), ("R", 1), ("d", (1,) * len(factors)))
    blocks = tuple((f"w[{n}]", ones(1, 1, at0=w)) for n, w in enumerate(factors, 1))
    return Instance(sizes, tuple(members.items()), blocks, ones(*(1,) * len(factors), at0=gradient))


# -- balanced starts ---------------------------------------------------------------------------------------------------

balanced_start = Statement(
    id="RMC21-As2",
    label="RMC21-As2",
    kind="hypothesis",
    title="Factors of equal norms at the start have equal norms at all times",
    source=Source("RMC21", "Assumption 2"),
    assumptions=(*lemma_1.assumptions, BALANCE),
    claim=Always(EQUAL_NORMS, flow),
    scope=lemma_1.scope,
    example=state(1, 1, 1, n=1, m=2),
    deviations=(*lemma_1.deviations, "the assumption itself, with what it is used for: it holds at all times"),
)


def stay_equal(derive):
    """The squared norms are equal at all times."""
    return derive.apply(
        "stays", derive.cite(lemma_1), derive.assume("balanced"), text="equal at the start, and conserved"
    )


proved_balanced_start = proof(balanced_start)(stay_equal)


@control(balanced_start, breaks="balanced")
def unbalanced_start():
    """Any start."""
    return None, state(1, 2, 1, n=1, m=2)


# -- what vanishes stays zero ------------------------------------------------------------------------------------------

vanishing = Statement(
    id="RMC21-LemC-f",
    label="RMC21-LemC-f",
    kind="lemma",
    title="A balanced component that vanishes once is zero at all times",
    source=Source("RMC21", "Corollary 1"),
    assumptions=(*lemma_1.assumptions, BALANCE, ORDER, SMOOTH),
    claim=ComponentStaysZero(Flow(CP, Focus())),
    scope="all orders N >= 2, ranks, shapes, losses; all times of the interval of existence, before and after",
    example=state(1, 1),
    deviations=interval,
)


def pairs_stay_zero(derive):
    """A component that vanishes, by balance and Gronwall's inequality."""
    equal = stay_equal(derive)
    pair = derive.apply(
        "zero-stays",
        data=(squared_norm(w_n) + squared_norm(w_m), flow),
        text="|d/dt y| <= C(t) y for the sum y of the squared norms of two factors (Gronwall)",
    )
    return derive.apply(
        "component-stays-zero", equal, pair, derive.assume("order"), text="a zero passes from one factor to all"
    )


proved_vanishing = proof(vanishing)(pairs_stay_zero)


@control(vanishing, breaks="balanced")
def unbalanced_component():
    """Without balance: one factor is 0, the other is not."""
    return None, state(0, 1)


@control(vanishing, breaks="order")
def order_one():
    """N = 1: the velocity of the only factor does not depend on it."""
    return None, state(0)


@control(
    vanishing,
    breaks="smooth",
    expected="finding",
    reason="uniqueness of solutions is not needed: Gronwall's inequality asks for a continuous loss gradient only",
    survives=pairs_stay_zero,
)
def merely_continuous_gradient():
    """A loss gradient that is continuous, and not locally Lipschitz."""


# -- the corollary -----------------------------------------------------------------------------------------------------

whole = Statement(
    id="RMC21-Cor1",
    label="RMC21-Cor1",
    kind="corollary",
    title="Balanced components: d/dt P_r = N gamma_r P_r^(2 - 2/N), and one that vanishes is zero at all times",
    source=Source("RMC21", "Corollary 1"),
    assumptions=vanishing.assumptions,
    claim=All((corollary.claim, vanishing.claim)),
    scope="all orders, ranks, shapes, losses; all times of the interval of existence",
    example=state(1, 1),
    deviations=(*corollary.deviations[:-1], "where P_r = 0 the rate is 0, the value of the formula with 0^(2 - 2/N)"),
)


@proof(whole)
def both_parts(derive):
    assumed = [derive.assume(label) for label in ("balanced", "order")]
    derive.both(derive.cite(corollary), derive.cite(vanishing, *assumed))


@control(whole, breaks="balanced")
def unbalanced_in_the_corollary():
    """Without balance."""
    return None, state(0, 1)


@control(whole, breaks="order")
def order_one_in_the_corollary():
    """N = 1: the second part."""
    return vanishing.claim, state(0)


@control(
    whole,
    breaks="smooth",
    expected="finding",
    reason="uniqueness of solutions is not needed: Gronwall's inequality asks for a continuous loss gradient only",
    survives=lambda derive: derive.both(derive.cite(corollary), pairs_stay_zero(derive)),
)
def merely_continuous_gradient_in_the_corollary():
    """A loss gradient that is continuous, and not locally Lipschitz."""


# -- any loss ----------------------------------------------------------------------------------------------------------

any_loss = Statement(
    id="RMC21-fn4",
    label="RMC21-fn4",
    kind="claim",
    title="Lemma 1, Theorem 1 and Corollary 1 hold for every locally smooth loss, on the interval of existence",
    source=Source("RMC21", "footnote 4"),
    assumptions=whole.assumptions,
    claim=All((lemma_1.claim, theorem.claim, whole.claim)),
    scope="all orders, ranks, shapes, losses; all times of the interval of existence",
    example=state(1, 1),
    deviations=(
        "stated on the interval of existence; as printed, for all t >= 0, it needs a loss that is bounded below "
        "(RMC21-fn4/blow-up)",
        "Lemma 1 and Theorem 1 need a differentiable loss only, and the last part of Corollary 1 a continuous gradient",
        *whole.deviations[1:],
    ),
)


@proof(any_loss)
def of_any_loss(derive):
    assumed = [derive.assume(label) for label in ("balanced", "order")]
    derive.both(derive.cite(lemma_1), derive.cite(theorem), derive.cite(whole, *assumed))


@control(any_loss, breaks="gradient flow of a loss of the end tensor")
def with_weight_decay():
    """A loss that is not one of the end tensor alone: weight decay."""
    with_decay = Flow(CP, lemma_1.claim.motion.focus, decay=ONE)
    return Statement(label="variant", title="variant", claim=replace(lemma_1.claim, motion=with_decay))


@control(any_loss, breaks="balanced")
def unbalanced_for_any_loss():
    """Corollary 1 without balance."""
    return whole.claim, state(0, 1)


@control(any_loss, breaks="order")
def order_one_for_any_loss():
    """The second part of Corollary 1 at N = 1."""
    return vanishing.claim, state(0)


x, t = Variable("w"), Variable("t")
BLOW_UP = Evolution(
    "t",
    (("w", x**2),),
    (),
    (Inequality(ZERO, "<", x), Identity(Variable("w(0)"), scalar(1))),
    (Where((), Inequality(t, "<", scalar(1))),),
)

blow_up = Statement(
    id="RMC21-fn4",
    label="RMC21-fn4/blow-up",
    kind="claim",
    title="N = 3, one entry, the loss -W, the start 1: dw/dt = w^2 has no solution beyond t = 1",
    source=Source("RMC21", "footnote 4"),
    claim=BLOW_UP,
    scope="every interval [0, T] on which there is a solution: T < 1",
    deviations=("as printed the results are stated for all t >= 0",),
)


@proof(blow_up)
def by_the_reciprocal(derive):
    time = InTime(derive, BLOW_UP)
    positive, begin = time.conditions()
    inverse = time.power(positive, -1)
    quantity = x**-1 + t
    slope = time.equal("d/dt (1 / w + t) = 0", time.derivative(quantity), 0, inverse)
    kept = time.never_exceeds(quantity, slope, time.defined(quantity, inverse))
    always = time.suppose(kept.claim.claims[0].claim)
    by = [(1, 1, (inverse,))]
    time.at_every_time(kept, time.less("1 / w = 1 - t", t, scalar(1), always, begin, inverse, by=by))


@control(blow_up, breaks="loss unbounded below")
def bounded_loss():
    """A rate that falls, dw/dt = -w^2: 1 / w - t is the constant."""
    claim = Where((), Identity(x**-1 + t, scalar(1)))
    return replace(BLOW_UP, rates=(("w", -1 * x**2),), claims=(claim,)), Instance(variables=(("w", ONE),))


# -- rank one trajectories ---------------------------------------------------------------------------------------------

two_factors = ZeroStays(squared_norm(w_n) + squared_norm(w_m), flow)
decayed = Flow(CP, flow.focus, decay=ONE)

may_vanish = Statement(
    id="RMC21-fn8",
    label="RMC21-fn8",
    kind="definition",
    title="A rank one trajectory may be zero at all times: two factors that are zero once are zero always",
    source=Source("RMC21", "footnote 8"),
    assumptions=(
        Assumption("loss", "the loss of the end tensor is continuously differentiable; its gradient is arbitrary"),
        *lemma_1.assumptions[1:],
    ),
    claim=two_factors,
    scope="all orders, ranks, shapes, losses; R = 1 among them",
    deviations=(
        *interval,
        "the trajectory that is zero at all times is one; a balanced one is zero at all times or at none (RMC21-Cor1); "
        "an unbalanced one may be zero at some times only (control one_factor)",
    ),
)


@proof(may_vanish)
def by_gronwall(derive):
    derive.apply("zero-stays", data=(two_factors.quantity, flow), text="|d/dt y| <= C(t) y (Gronwall)")


@control(may_vanish, breaks="two factors")
def one_factor():
    """One factor alone: it may be zero at some times only."""
    return ZeroStays(squared_norm(w), one_mode), state(0, 1, n=1)


@control(
    may_vanish,
    breaks="flow",
    expected="finding",
    reason="Gronwall's inequality allows any speeds and any weight decay",
    survives=lambda derive: derive.apply("zero-stays", data=(two_factors.quantity, decayed), text="Gronwall"),
)
def with_weight_decay_of_two_factors():
    """With weight decay."""
    return replace(two_factors, motion=decayed)
