"""The loss, the objective and times (RMC21 equations 1, 2 and 11, footnote 5)."""

from fractions import Fraction
from random import Random

from theorytest import All, Definition, Identity, Outcome, Source, Statement, control, proof, sampled
from theorytest.derive.evolution import variables
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import Variable, absolute
from theorytest.kernel.witness import block_gradients
from theorytest.models import Completion, cp, huber, square

from .escape import at
from .huber import Clipping
from .lemma_1 import flow
from .theorem_1 import below, bounded

# -- the mean loss -----------------------------------------------------------------------------------------------------

l, k, total = variables("l k total")
MEAN = total * k**-1
SUM = Fold(
    "l", "k", (("total", l, total + l),), (bounded(0, l),), (Where((), bounded(0, total)), Where((), bounded(0, MEAN)))
)

mean_loss = Statement(
    id="RMC21-Eq1",
    label="RMC21-Eq1",
    kind="definition",
    title="The mean of nonnegative losses over the observed entries is not negative",
    source=Source("RMC21", "equation 1"),
    claim=SUM,
    scope="all numbers k >= 1 of observations, all losses l >= 0 of one entry",
    deviations=(
        "the shipped loss (theorytest.models.Completion) is this mean of l(W_I - y_I) over observed entries (evidence)",
    ),
)


@proof(mean_loss)
def by_induction_on_the_observations(derive):
    real = Reals(derive)
    first, after = states(SUM)
    part = SUM.claims[0]
    one, so_far = real.suppose(bounded(0, l)), real.suppose(part.claim)
    start, end = (put_in(part.claim, values) for values in (first, after))
    base = real.at_most("one entry", start.lhs, start.rhs, one, by=[(1, 1, (one,))])
    step = real.at_most("one more", end.lhs, end.rhs, so_far, one, by=[(1, 1, (so_far,)), (1, 1, (one,))])
    sums = Fold(SUM.member, SUM.count, SUM.state, SUM.conditions, SUM.claims[:1])
    whole = derive.apply("fold", base, step, data=(sums,), text="induction on the number of observations")
    count = real.suppose(bounded(1, k))
    inverse = real.power(real.less("0 < k", 0, k, count, by=[(1, 1, (count,)), (1, 1, ())]), -1)
    mean = real.at_most("the mean", 0, MEAN, so_far, inverse, by=[(1, 1, (so_far, inverse))])
    derive.apply("fold-consequence", whole, so_far, mean, text="divided by their number")


HALF = Fraction(1, 2)
LOSSES = (
    (square(half=True), lambda z: z * z / 2),
    (square(half=False), lambda z: z * z),
    (huber(HALF), lambda z: z * z / 2 if abs(z) < HALF else HALF * (abs(z) - HALF / 2)),
)


@sampled(mean_loss)
def the_shipped_loss(run):
    """`Completion` is the mean over the observed entries, for squares and Huber losses, in exact arithmetic."""
    random, seen = Random(run.seed), 0
    for _ in range(25):
        dims = tuple(random.randint(1, 3) for _ in range(3))
        model = cp(dims, rank=2)
        W = model.end_tensor(model.random(random.randint(0, 10**6)))
        places = {tuple(random.randrange(d) for d in dims) for _ in range(4)}
        observed = {place: Fraction(random.randint(-9, 9), 4) for place in sorted(places)}
        base, formula = random.choice(LOSSES)
        losses = [formula(W[place] - y) for place, y in observed.items()]
        assert Completion(observed, base).value(W) == sum(losses) / len(losses) >= 0
        seen += 1
    return Outcome(seen, "0", True, "exact")


@control(mean_loss, breaks="mean")
def sum_in_place_of_the_mean():
    """The sum in place of the mean, for two observations."""
    return Identity(MEAN, total), at(total=1, k=2)


@control(mean_loss, breaks="nonnegative losses")
def any_losses():
    """Losses that may be negative."""
    return bounded(0, MEAN), at(total=-1, k=1)


# -- the objective -----------------------------------------------------------------------------------------------------

objective = Statement(
    id="RMC21-Eq2",
    label="RMC21-Eq2",
    kind="definition",
    title="The objective is the loss of the end tensor; its gradient flow moves every factor",
    source=Source("RMC21", "equation 2"),
    claim=Definition(flow),
    scope="all orders, ranks, shapes, losses",
    expected="DEFINED",
)


@sampled(objective)
def the_chain_rule(run):
    """The gradient of the objective by a factor, in two implementations and as a difference quotient (exact, since the
    objective is a quadratic function of one entry), at random shapes."""
    random, seen = Random(run.seed), 0
    for _ in range(20):
        dims = tuple(random.randint(1, 3) for _ in range(random.randint(2, 3)))
        model = cp(dims, rank=random.randint(1, 3))
        blocks = model.random(random.randint(0, 10**6))
        place = tuple(random.randrange(d) for d in dims)
        loss = Completion({place: Fraction(random.randint(-9, 9), 2)}, square(half=True))
        slope = loss.gradient(model.end_tensor(blocks))
        found = model.gradients(blocks, slope)
        assert found == block_gradients(model.concrete, blocks, slope)
        name, h = random.choice(sorted(found)), Fraction(1, 10**6)
        ahead, behind = (loss.value(model.end_tensor(blocks | {name: _moved(blocks[name], by)})) for by in (h, -h))
        assert (ahead - behind) / (2 * h) == found[name].entries[0]
        seen += 1
    return Outcome(seen, "0", True, "exact")


def _moved(block, by):
    """The block with its first entry moved."""
    return type(block)(block.shape, (block.entries[0] + by, *block.entries[1:]))


# -- norms that vanish -------------------------------------------------------------------------------------------------

x = Variable("x")
SIDES = (Where((bounded(0, x),), Identity(absolute(x), x)), Where((bounded(x, 0),), Identity(absolute(x), -1 * x)))

kink = Statement(
    id="RMC21-fn5",
    label="RMC21-fn5",
    kind="remark",
    title="A component norm may fail to be differentiable where it vanishes, as |x| does at 0",
    source=Source("RMC21", "footnote 5"),
    claim=All(SIDES),
    scope="all real x",
    deviations=(
        "|x| has the slope 1 to the right of 0 and -1 to the left; with one entry, order 2, the loss -W and w^1 = sinh "
        "t, w^2 = cosh t, the norm |w^1 w^2| has such a kink at t = 0; a balanced component has none (RMC21-LemC-f)",
    ),
)


@proof(kink)
def on_each_side(derive):
    clip = Clipping(derive)
    right, left = (clip.real.suppose(part.conditions[0]) for part in SIDES)
    one = clip.size(x, 1, right, by=[(1, 1, (right,))])
    other = clip.size(x, -1, left, by=[(1, 1, (left,))])
    derive.both(
        *(
            clip.real.cut(fact, clip.real.suppose(part.conditions[0]))
            for fact, part in zip((one, other), SIDES, strict=True)
        )
    )


@control(kink, breaks="kink")
def slope_one():
    """One slope on both sides."""
    return Identity(absolute(x), x), at(x=-1)


# -- time shifts -------------------------------------------------------------------------------------------------------

c, g, t, t0 = variables("c g t t_0")
REST, LATER = c**-1 - g * t0, c**-1 - g * (t + t0)


def after(start, time):
    """N = 3: the solution of dc/dt = g c^2, since 1 / c falls at the rate g."""
    return (start**-1 - g * time) ** -1


shifted = Statement(
    id="RMC21-Eq11",
    label="RMC21-Eq11",
    kind="definition",
    title="dc/dt = g c^2: the solution shifted in time is the solution from the point that it has reached",
    source=Source("RMC21", "equation 11"),
    claim=Where((below(0, c), below(0, REST), below(0, LATER)), Identity(after(c, t + t0), after(after(c, t0), t))),
    scope="dc/dt = g c^2 with constant g (a balanced component of order 3), all times before it blows up",
    deviations=(
        "the definition W(t + t_0), with what makes it useful: the shifted trajectory is one of the same flow; stated "
        "for a flow in closed form",
    ),
)


@proof(shifted)
def by_the_closed_form(derive):
    real = Reals(derive)
    facts = [real.suppose(condition) for condition in shifted.claim.conditions]
    start, middle, end = (real.power(fact, -1) for fact in facts)
    inverse = real.power(middle, -1)
    undone = real.equal("1 / (1 / u) = u", after(c, t0) ** -1, REST, middle, inverse, start)
    last = real.equal("the same", REST - g * t, LATER, start)
    reached = real.rewrite(last, real.defined(LATER, start), Identity(LATER, LATER))
    both = real.equal("the exponents", after(c, t0) ** -1 - g * t, LATER, undone, reached)
    goal = shifted.claim.claim
    whole = real.defined(goal.lhs, end)
    backwards = real.equal("backwards", LATER, after(c, t0) ** -1 - g * t, both)
    real.cut(real.rewrite(backwards, whole, goal), *facts)


@control(shifted, breaks="shift")
def not_shifted():
    """The trajectory from the start in place of the point reached."""
    return Identity(after(c, t + t0), after(c, t)), at(c=1, g=1, t=Fraction(1, 4), t_0=Fraction(1, 4))
