"""Small balanced starts under the Huber loss: one component leads (RMC21 Theorem 2, Assumption 3).

While the end tensor is small the loss gradient is constant (RMC21-LemC-h), so that gamma of the leading component does
not fall below its value g at the start (RMC21-LemC-i), and that of no component exceeds M, the gradient's norm. With
c = ||w_r^n||, dc/dt = gamma c^(N-1): from the start alpha a, the leading component blows up before the time (alpha
a)^-(N-2) / ((N-2) g), and until then another one, from alpha d, stays below a multiple of alpha if Assumption 3 holds.
"""

from dataclasses import replace

from theorytest import (
    CP,
    All,
    Array,
    Assumption,
    Flow,
    Focus,
    Identity,
    Instance,
    Source,
    Statement,
    control,
    proof,
)
from theorytest.derive.evolution import Exponentials, InTime, power, variables
from theorytest.kernel.claim import AlongComponents, ComponentAlignment, Evolution, Where
from theorytest.kernel.components import cauchy_schwarz
from theorytest.kernel.evolution import initial
from theorytest.kernel.rules import Square
from theorytest.kernel.scalar import ONE, Exp, Ln, Times, Variable

from .corollary_1 import balanced_start, state
from .escape import ORDER, N, along_components, at, dropping, free, inverse_power
from .huber import assumed
from .lemma_1 import lemma_1
from .theorem_1 import below, bounded, flow, interval

# -- alignment ---------------------------------------------------------------------------------------------------------

alignment = Statement(
    id="RMC21-LemC-i",
    label="RMC21-LemC-i",
    kind="lemma",
    title="While the loss gradient is constant, gamma_r does not decrease",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    assumptions=(
        *lemma_1.assumptions,
        Assumption("balanced", "at the start all factors of a component have the same norm"),
    ),
    claim=ComponentAlignment(flow),
    scope="all orders, ranks, shapes; all times at which P_r > 0, as long as the loss gradient is constant",
    deviations=(
        *interval,
        "for every component and every loss; the Huber loss has a constant gradient in the region of RMC21-LemC-h, so "
        "that gamma(t) >= gamma(0) there; if gamma(0) > 0, then gamma(t) > 0",
    ),
)


def by_cauchy_schwarz(derive):
    """d/dt gamma_r = (1 / P_r) sum_n (||v_n||^2 - <w_n, v_n>^2 / ||w_n||^2) >= 0."""
    claim = cauchy_schwarz(flow)
    (factor,) = CP.letters(flow.focus).values()
    ((legs, velocity),) = flow.velocities().values()
    v = velocity.rename(dict(zip(legs, ("r", "i"), strict=True)))
    w = factor["r", "i"]
    wedge = w * v.rename({"i": "j"}) - w.rename({"i": "j"}) * v
    half = wedge * (ONE.value / 2)
    squares = [Square(half, ("i", "j")), Square(half, ("i", "j"))]
    bound = derive.at_most("Cauchy and Schwarz (Lagrange's identity)", claim.lhs, claim.rhs, (), squares)
    return derive.apply("component-alignment", bound, data=(flow,), text="the sum over the modes")


proved_alignment = proof(alignment)(by_cauchy_schwarz)


@control(
    alignment,
    breaks="balanced",
    expected="finding",
    reason="balance is not needed: every mode contributes a term that is not negative",
    survives=by_cauchy_schwarz,
)
def unbalanced_alignment():
    """Without balance."""


def skew_state():
    """A state of order 1 and dimension 2 whose factor is not aligned with the gradient."""
    one = ONE.value
    block, gradient = Array((1, 2), (one, one - one)), Array((2,), (one, one))
    return Instance((("N", 1), ("R", 1), ("d", (2,))), (("n", 1),), (("w[1]", block),), gradient)


@control(alignment, breaks="flow")
def ascent_of_one_factor():
    """One factor ascends the loss."""
    return ComponentAlignment(Flow(CP, Focus(("n",)), speeds=(("w[n]", -ONE.value),))), skew_state()


w = Variable("w")


@control(alignment, breaks="constant gradient")
def outside_the_region():
    """A gradient that changes: loss (W - 1)^2 / 2, order 3, one entry W = w^3, so that gamma = 1 - W."""
    rate = (1 - w**3) * w**2
    return Evolution(
        "t", (("w", rate),), (), (below(0, w),), (Where((), bounded(1 - Variable("w(0)") ** 3, 1 - w**3)),)
    ), at(w=ONE.value / 2)


# -- Assumption 3 ------------------------------------------------------------------------------------------------------

a, d, g, M, alpha = variables("a d g M alpha")
ratio = M * g**-1
factor = power(ratio, (N - 2) ** -1)
GAIN, CAP = below(0, g), bounded(g, M)
LEADS = below(d * factor, a)
headroom = inverse_power(d) - ratio * inverse_power(a)
SIZES = (below(0, a), below(0, d))

leading = Statement(
    id="RMC21-As3(Eq9)",
    label="RMC21-As3(Eq9)",
    kind="hypothesis",
    title="A leading component: the ratio is at least 1, and a^-(N-2) M / g < d^-(N-2)",
    source=Source("RMC21", "Assumption 3, equation 9"),
    assumptions=(
        Assumption("order", "N >= 3", ORDER),
        Assumption("gain", "g = <-grad(0), unit component> > 0", GAIN),
        Assumption("norm", "g <= M = ||grad(0)|| (Cauchy and Schwarz)", CAP),
        Assumption("nonzero", "the leading factors have norm a > 0, those of another component norm d > 0", All(SIZES)),
        Assumption("leads", "a > d (M / g)^(1/(N-2))", LEADS),
    ),
    claim=All((bounded(1, factor), below(0, headroom))),
    scope="all real N >= 3, all positive numbers",
    example=at(N=3, g=1, M=2, a=4, d=1).instance,
    deviations=(
        "the assumption itself, with what it is used for; a component with d = 0 is zero at all times (RMC21-LemC-f)",
    ),
)


def escapes_first(real, order, gain, cap, first, other, leads):
    """The ratio is at least 1; a^-(N-2) M / g < d^-(N-2)."""
    derive = real.derive
    steps = real.less("0 < N - 2", 0, N - 2, order, by=[(1, 1, (order,)), (1, 1, ())])
    inverse = real.power(steps, -1)
    per = real.power(gain, -1)
    large = real.at_most("1 <= M / g", 1, ratio, cap, per, by=[(1, 1, (cap, per))])
    positive = real.less("0 < M / g", 0, ratio, large, by=[(1, 1, (large,)), (1, 1, ())])
    under = real.ln_upper(real.power(positive, -1))
    flipped = real.ln_power(positive, -1)
    back = real.power(positive, -1)
    grows = real.at_most(
        "0 <= ln (M / g)", 0, Ln(ratio), under, flipped, large, back, by=[(1, 1, (under,)), (1, 1, (large, back))]
    )
    exponent = (N - 2) ** -1 * Ln(ratio)
    lifted = real.at_most("0 <= ln (M / g) / (N-2)", 0, exponent, grows, inverse, by=[(1, 1, (grows, inverse))])
    least = derive.apply("exp-increasing", lifted, text="exp increases")
    least = real.rewrite(real.exp_zero(), least, bounded(1, factor))
    # ln a > ln d + ln (M / g) / (N - 2), times -(N - 2).
    grown = real.less("0 < (M / g)^(1/(N-2))", 0, factor, least, by=[(1, 1, (least,)), (1, 1, ())])
    product = real.less("0 < d (M / g)^(1/(N-2))", 0, d * factor, other, grown, by=[(1, 1, (other, grown))])
    higher = real.ln_increasing(product, leads)
    split = derive.apply("ln-product", other, grown, text="ln of the product")
    undone = derive.apply("ln-exp", real.defined(exponent, lifted), text="ln exp u = u")
    mine, theirs = -1 * (N - 2) * Ln(a), -1 * (N - 2) * Ln(d)
    lower = real.less(
        "times -(N-2)",
        mine + Ln(ratio),
        theirs,
        higher,
        split,
        undone,
        inverse,
        steps,
        by=[(1, 1, (higher, steps))],
    )
    rises = derive.apply("exp-increasing", lower, text="exp increases")
    joint = real.exp_product(mine, Ln(ratio), mine + Ln(ratio), lower)
    joint = real.rewrite(real.exp_ln(positive), joint, Identity(Exp(mine + Ln(ratio)), Times((Exp(mine), ratio))))
    return least, real.less("a^-(N-2) M / g < d^-(N-2)", 0, headroom, rises, joint, by=[(1, 1, (rises,))])


@proof(leading)
def by_logarithms(derive):
    real = Exponentials(derive)
    facts = assumed(derive, "order", "gain", "norm", "nonzero", "leads")
    shown = escapes_first(real, *(real.suppose(fact.claim) for fact in facts))
    derive.both(*(real.outright(fact, *facts) for fact in shown))


@control(leading, breaks="leads")
def not_strictly():
    """>= in place of >."""
    weak = Assumption("weak", "a >= d (M / g)^(1/(N-2))", bounded(d * factor, a))
    return replace(leading, assumptions=(*leading.assumptions[:-1], weak)), at(N=3, g=1, M=1, a=1, d=1)


@control(leading, breaks="leads")
def ratio_one():
    """The ratio M / g replaced by 1."""
    weak = Assumption("weak", "a > d", below(d, a))
    return replace(leading, assumptions=(*leading.assumptions[:-1], weak)), at(N=3, g=1, M=4, a=2, d=1)


@control(leading, breaks="leads")
def exponent_one_over_n():
    """Exponent 1/N in place of 1/(N-2)."""
    weak = Assumption("weak", "a > d (M / g)^(1/N)", below(d * power(ratio, N**-1), a))
    return replace(leading, assumptions=(*leading.assumptions[:-1], weak)), at(N=3, g=1, M=8, a=3, d=1)


@control(leading, breaks="gain")
def negative_gain():
    """g < 0: the ratio may be less than 1."""
    return None, at(N=3, g=-2, M=-1, a=4, d=1)


@control(leading, breaks="norm")
def smaller_norm():
    """Without g <= M: the ratio may be less than 1."""
    return None, at(N=3, g=2, M=1, a=4, d=1)


@control(leading, breaks="order")
def order_one():
    """N = 1."""
    return None, at(N=1, g=1, M=2, a=4, d=1)


@control(leading, breaks="nonzero")
def no_other_component():
    """d < 0 (no norm): d^-(N-2) is not defined."""
    return None, at(N=3, g=1, M=2, a=4, d=-1)


@control(leading, breaks="constant 1")
def ratio_at_least_two():
    """The ratio is at least 2."""
    return bounded(2, factor), at(N=3, g=1, M=1, a=4, d=1)


# -- one component leads -----------------------------------------------------------------------------------------------

t, c, b, gamma, beta = variables("t c b gamma beta")
C0, B0 = Variable(initial("c")), Variable(initial("b"))
SOON = bounded((N - 2) * g * t, inverse_power(alpha * a))
SMALL = bounded(inverse_power(alpha) * headroom, inverse_power(b))
race = Evolution(
    "t",
    (("c", gamma * power(c, N - 1)), ("b", beta * power(b, N - 1))),
    ("gamma", "beta"),
    (
        below(0, c),
        below(0, b),
        ORDER,
        GAIN,
        CAP,
        bounded(g, gamma),
        bounded(beta, M),
        below(0, alpha),
        *SIZES,
        Identity(C0, alpha * a),
        Identity(B0, alpha * d),
    ),
    (Where((), SOON), Where((), SMALL)),
)

leads = Statement(
    id="RMC21-Thm2s",
    label="RMC21-Thm2s",
    kind="lemma",
    title="While the gradient is constant, t <= (alpha a)^-(N-2) / ((N-2) g), and the others' factors are O(alpha)",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    assumptions=balanced_start.assumptions,
    claim=All((alignment.claim, AlongComponents(Flow(CP, Focus()), "N", (("c", "gamma"), ("b", "beta")), race))),
    scope="all orders N >= 3, ranks, shapes; as long as the loss gradient is constant",
    example=balanced_start.example,
    deviations=(
        *interval,
        "c and b are the norms of the factors of the leading component and of another one, g and M as in "
        "RMC21-As3(Eq9); gamma >= g by the first part, and beta <= M by Cauchy and Schwarz",
        "b^N <= alpha^N h^-(N/(N-2)), where h = d^-(N-2) - (M/g) a^-(N-2) > 0 by RMC21-As3(Eq9): norms of other "
        "components are O(alpha^N)",
        "what follows for the reference sphere is not part of the claim: the flow exists at all times, as the Huber "
        "loss is bounded below, so that the end tensor leaves the region of constant gradient, hence reaches the "
        "sphere, by the time (alpha a)^-(N-2) / ((N-2) g); there ||W_e|| = rho, so that the norm of the leading "
        "component differs from rho by at most the sum of the others, and is between rho / 2 and 3 rho / 2 for small "
        "alpha",
    ),
)


@proof(leads)
def by_comparison(derive):
    time = InTime(derive, race)
    lead, other, order, gain, cap, fast, slow, scale, first, second, lead0, other0 = time.conditions()
    per = time.power(gain, -1)

    def quantity(value, rate, fact, bound, sign):
        """sign * (value^-(N-2) + (N-2) * bound * t) does not increase."""
        ln = time.ln_upper(fact)
        product = time.exp_product(-1 * (N - 2) * Ln(value), (N - 1) * Ln(value), Ln(value), ln)
        product = time.rewrite(time.exp_ln(fact), product, Identity(value, product.claim.claim.rhs))
        made = sign * inverse_power(value) + sign * (N - 2) * bound * t
        hint = [(1, 1, (order, rate)), (1, 1, (rate,))]
        facts = (product, time.power(fact, -1), order, rate)
        slope = time.at_most("the rate is bounded", time.derivative(made), 0, *facts, by=hint)
        kept = time.never_exceeds(made, slope, time.defined(made, product))
        return (
            kept,
            time.suppose(kept.claim.claims[0].claim),
            time.exp_positive(time.defined(product.claim.claim.rhs.parts[0].argument, ln)),
        )

    falls, fell, positive = quantity(c, fast, lead, g, 1)
    rises, rose, _ = quantity(b, slow, other, M, -1)
    at_lead = time.rewrite(
        lead0, time.defined(inverse_power(C0), fell), Identity(inverse_power(C0), inverse_power(alpha * a))
    )
    soon = time.at_most(
        "c^-(N-2) > 0", SOON.lhs, SOON.rhs, fell, positive, at_lead, by=[(1, 1, (fell,)), (1, 1, (positive,))]
    )
    at_other = time.rewrite(
        other0, time.defined(inverse_power(B0), rose), Identity(inverse_power(B0), inverse_power(alpha * d))
    )
    products = []
    for size in (a, d):
        fact = first if size == a else second
        split = derive.apply("ln-product", scale, fact, text="ln of the product")
        parts = -1 * (N - 2) * Ln(alpha), -1 * (N - 2) * Ln(size)
        products.append(time.exp_product(*parts, -1 * (N - 2) * Ln(alpha * size), split))
    large = time.less("0 < M", 0, M, cap, gain, by=[(1, 1, (cap,)), (1, 1, (gain,))])
    small = time.at_most(
        "(N-2) M t <= (M / g) c(0)^-(N-2)", SMALL.lhs, SMALL.rhs, rose, soon, per, large, at_other, *products,
        by=[(1, 1, (rose,)), (1, 1, (soon, per, large))],
    )  # fmt: skip
    raced = time.at_every_time(falls, rises, soon, small)
    derive.both(derive.cite(alignment), along_components(derive, leads.claim.claims[1], raced))


def race_at(**values):
    """Values at time 0."""
    return at(**{"N": 3, "g": 1, "M": 2, "a": 4, "d": 1, "alpha": 1, "c": 4, "b": 1, "gamma": 1, "beta": 2} | values)


@control(leads, breaks="balanced")
def unbalanced_components():
    """Without balance the squared norms of a component's factors differ."""
    return balanced_start.claim, state(1, 2, 1, n=1, m=2)


@control(leads, breaks="O(alpha^N)")
def higher_order():
    """O(alpha^(N+1)): the power alpha^-((N-2)(N+1)/N)."""
    claim = bounded(power(alpha, -1 * (N - 2) * (N + 1) * N**-1) * headroom, inverse_power(b))
    small = ONE.value / 1000
    return free(replace(race, claims=(Where((), claim),)), race_at(alpha=small, c=4 * small, b=small))


@control(leads, breaks="headroom")
def no_growth():
    """The other components do not grow at all."""
    claim = bounded(inverse_power(alpha * d), inverse_power(b))
    return free(replace(race, claims=(Where((), claim),)), race_at(beta=1))


@control(leads, breaks="gamma >= g")
def slow_leader():
    """c^-(N-2) falls at least at the rate (N-2) g, without gamma >= g."""
    conditions = tuple(c for c in race.conditions if c != bounded(g, gamma))
    claim = bounded(inverse_power(c) + (N - 2) * g * t, inverse_power(alpha * a))
    return free(replace(race, conditions=conditions, claims=(Where((), claim),)), race_at(a=1, c=1, gamma=0))


@control(leads, breaks="beta <= M")
def fast_follower():
    """b^-(N-2) falls at most at the rate (N-2) M, without beta <= M."""
    conditions = tuple(c for c in race.conditions if c != bounded(beta, M))
    claim = bounded(inverse_power(alpha * d) - (N - 2) * M * t, inverse_power(b))
    return free(replace(race, conditions=conditions, claims=(Where((), claim),)), race_at(beta=3))


leads_conditions = tuple(
    dropping(leads, race, condition, name, words, race_at(**values))
    for condition, name, words, values in (
        (GAIN, "negative_gain", "g > 0", {"g": -1}),
        (CAP, "smaller_norm", "g <= M", {"M": -1, "beta": -1}),
        (Identity(B0, alpha * d), "another_start", "b(0) = alpha d", {"d": ONE.value / 4}),
    )
)
