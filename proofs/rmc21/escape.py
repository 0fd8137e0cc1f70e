"""How fast balanced components escape from zero: the closed form of dc/dt = g c^(N-1) (RMC21 footnote 7, Theorem 2).

c^-(N-2) falls at the rate (N - 2) g. Bounds of g become bounds of c^-(N-2), and of the time at which c reaches a level.
A real power c^e is written exp(e ln c), so that the order N may be any real number.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import CP, Flow, Focus, Identity, Instance, Source, Statement, Witness, control, proof
from theorytest.derive.evolution import InTime, power, variables
from theorytest.kernel.claim import AlongComponents, Evolution, Where
from theorytest.kernel.evolution import initial
from theorytest.kernel.scalar import ZERO, Ln, Variable

from .corollary_1 import balanced_start, state
from .theorem_1 import below, bounded, interval, norm_rate

t, c, g, G, N = variables("t c g G N")
ORDER = bounded(3, N)
FROM_ZERO = Identity(Variable(initial("G")), ZERO)


def at(**values):
    """Values at time 0."""
    return Witness(Instance(variables=tuple((name, Fraction(value)) for name, value in values.items())))


def dropping(statement, evolution, condition, name, words, witness):
    """The control of a statement that drops a condition (in words, too) from what it says of functions of time."""

    def dropped():
        kept = tuple(known for known in evolution.conditions if known != condition)
        assert len(kept) < len(evolution.conditions)
        return Statement(label="variant", title="variant", claim=replace(evolution, conditions=kept)), witness

    dropped.__name__, dropped.__doc__ = name, f"Without {words}."
    return control(statement, breaks=words)(dropped)


def start(expression_of, *names):
    """An expression with the values at time 0 in the place of functions."""
    return expression_of(*(Variable(initial(name)) for name in names))


# -- dc/dt = g c^(N-1) -------------------------------------------------------------------------------------------------


def inverse_power(value):
    """value^-(N-2)."""
    return power(value, -1 * (N - 2))


solution = Statement(
    id="RMC21-LemC-g",
    label="RMC21-LemC-g",
    kind="lemma",
    title="dc/dt = g c^(N-1), c > 0: c(t)^-(N-2) = c(0)^-(N-2) - (N-2) int g",
    source=Source("RMC21", "footnote 7"),
    claim=Evolution(
        "t",
        (("c", g * power(c, N - 1)), ("G", g)),
        ("g",),
        (below(0, c), ORDER, FROM_ZERO),
        (Where((), Identity(inverse_power(c), start(inverse_power, "c") - (N - 2) * G)),),
    ),
    scope="all real N >= 3, all functions g of time; as long as c is finite and positive",
    deviations=("G is the integral of g from 0 to t: dG/dt = g and G(0) = 0",),
)


def separate(derive, system):
    """d/dt [c^-(N-2) + (N-2) G] = 0."""
    time = InTime(derive, system)
    positive = time.suppose(below(0, c))
    ln = time.ln_upper(positive)
    one, other = -1 * (N - 2) * Ln(c), (N - 1) * Ln(c)
    product = time.exp_product(one, other, Ln(c), ln)
    product = time.rewrite(time.exp_ln(positive), product, Identity(c, product.claim.claim.rhs))
    quantity = inverse_power(c) + (N - 2) * G
    slope = time.equal("c^-(N-2) c^(N-1) = c", time.derivative(quantity), 0, product, time.power(positive, -1))
    kept = time.never_exceeds(quantity, slope, time.defined(quantity, product))
    always = time.suppose(kept.claim.claims[0].claim)
    goal = system.claims[0].claim
    empty = time.suppose(FROM_ZERO)
    return time.at_every_time(kept, time.equal("G(0) = 0", goal.lhs, goal.rhs, always, empty))


@proof(solution)
def by_separation(derive):
    separate(derive, solution.claim)


@control(
    solution,
    breaks="N >= 3",
    expected="finding",
    reason="the identity holds for every real N; at N = 2 both sides are 1, and it says nothing about c",
    survives=lambda derive: separate(derive, any_order.statement.claim),
)
def any_order():
    """Every real N."""
    return replace(solution.claim, conditions=(below(0, c), FROM_ZERO))


@control(solution, breaks="exponent N - 2")
def exponent_of_the_rate():
    """c^-(N-1) in place of c^-(N-2)."""

    def wrong(value):
        return power(value, -1 * (N - 1))

    claims = (Where((), Identity(wrong(c), start(wrong, "c") - (N - 2) * G)),)
    return replace(solution.claim, claims=claims), at(c=1, G=0, g=1, N=3)


@control(solution, breaks="factor N - 2")
def factor_one():
    """Factor 1 in place of N - 2."""
    claims = (Where((), Identity(inverse_power(c), start(inverse_power, "c") - G)),)
    return replace(solution.claim, claims=claims), at(c=1, G=0, g=1, N=4)


@control(solution, breaks="G(0) = 0")
def any_integral():
    """Without G(0) = 0."""
    return replace(solution.claim, conditions=(below(0, c), ORDER)), at(c=1, G=1, g=1, N=3)


# -- dP/dt = N gamma P^(2 - 2/N) ---------------------------------------------------------------------------------------

P, gamma, Gamma, M, D = variables("P gamma Γ M D")
GAMMA_FROM_ZERO = Identity(Variable(initial("Γ")), ZERO)
REACHED = (below(0, D), below(D, P))
RATIO = -1 * (N - 2) * N**-1


def root_power(value):
    """value^-((N-2)/N)."""
    return power(value, RATIO)


FORMULA = Identity(root_power(P), start(root_power, "P") - (N - 2) * Gamma)
FROM_BELOW = bounded(start(root_power, "P") - (N - 2) * M * t, root_power(P))
LATE = bounded(start(root_power, "P") - root_power(D), (N - 2) * M * t)
norms = Evolution(
    "t",
    (("P", N * gamma * power(P, 2 - 2 * N**-1)), ("Γ", gamma)),
    ("gamma",),
    (below(0, P), ORDER, GAMMA_FROM_ZERO, bounded(gamma, M)),
    (Where((), FORMULA), Where((), FROM_BELOW), Where(REACHED, LATE)),
)

escape = Statement(
    id="RMC21-fn7",
    label="RMC21-fn7",
    kind="claim",
    title="P_r(t)^-((N-2)/N) = P_r(0)^-((N-2)/N) - (N-2) int gamma_r: small components escape late",
    source=Source("RMC21", "footnote 7"),
    assumptions=balanced_start.assumptions,
    claim=AlongComponents(Flow(CP, Focus()), "N", (("P", "gamma"),), norms),
    scope="all orders N >= 3, ranks, shapes, losses; all times up to which P_r > 0",
    example=balanced_start.example,
    deviations=(
        *interval,
        "Γ is the integral of gamma_r from 0 to t, and M an upper bound of gamma_r (that of the norm of the loss "
        "gradient, for the Huber loss)",
        "the limits are stated with their rates: P_r(0)^-((N-2)/N) tends to infinity as the scale of the start tends "
        "to 0, and with it P_r(t)^-((N-2)/N) at any fixed t, and the time at which P_r exceeds D",
    ),
)


@proof(escape)
def by_separation_and_comparison(derive):
    time = InTime(derive, norms)
    positive, order, empty, upper = time.conditions()
    size = time.less("0 < N", 0, N, order, by=[(1, 1, (order,)), (3, 1, ())])
    inverse, ln = time.power(size, -1), time.ln_upper(positive)
    one, other = RATIO * Ln(P), (2 - 2 * N**-1) * Ln(P)
    product = time.exp_product(one, other, Ln(P), ln, inverse)
    product = time.rewrite(time.exp_ln(positive), product, Identity(P, product.claim.claim.rhs))
    facts = product, time.power(positive, -1), inverse
    conserved = root_power(P) + (N - 2) * Gamma
    slope = time.equal("d/dt is 0", time.derivative(conserved), 0, *facts)
    kept = time.never_exceeds(conserved, slope, time.defined(conserved, *facts))
    falling = -1 * root_power(P) - (N - 2) * M * t
    by = [(1, 1, (order, upper)), (1, 1, (upper,))]
    slope = time.at_most("gamma <= M", time.derivative(falling), 0, *facts, order, upper, by=by)
    least = time.never_exceeds(falling, slope, time.defined(falling, *facts))
    always, bound = (time.suppose(fact.claim.claims[0].claim) for fact in (kept, least))
    exact = time.equal("Γ(0) = 0", FORMULA.lhs, FORMULA.rhs, always, empty)
    below_ = time.at_most("at every time", FROM_BELOW.lhs, FROM_BELOW.rhs, bound, by=[(1, 1, (bound,))])
    level, reached = map(time.suppose, REACHED)
    rises = time.ln_increasing(level, reached)
    by = [(1, 1, (rises, order, inverse)), (1, 1, (rises, inverse))]
    exponent = time.at_most("-(N-2)/N < 0", one, RATIO * Ln(D), rises, order, inverse, by=by)
    falls = derive.apply("exp-increasing", exponent, text="exp increases")
    late = time.at_most("where P > D", LATE.lhs, LATE.rhs, below_, falls, by=[(1, 1, (below_,)), (1, 1, (falls,))])
    along_components(derive, escape.claim, time.at_every_time(kept, least, exact, below_, late))


def along_components(derive, claim, fact):
    """What holds for functions of time holds for the norms of balanced components."""
    rate = norm_rate(derive)
    balance = derive.cite(balanced_start, derive.assume("balanced"))
    text = "norms of balanced components are such functions"
    return derive.apply("along-components", rate, balance, fact, data=(claim.order, claim.roles), text=text)


def free(claim, witness):
    """A variant that speaks of functions of time alone, and a witness."""
    return Statement(label="variant", title="variant", claim=claim), witness


@control(escape, breaks="exponent (N-2)/N")
def exponent_of_order_two():
    """P^-((N-1)/N) in place of P^-((N-2)/N)."""

    def wrong(value):
        return power(value, -1 * (N - 1) * N**-1)

    claims = (Where((), Identity(wrong(P), start(wrong, "P") - (N - 2) * Gamma)),)
    return free(replace(norms, claims=claims), at(P=1, Γ=0, gamma=1, M=2, N=3))


@control(escape, breaks="factor N - 2")
def slower_escape():
    """Factor (N - 2) / 2 in place of N - 2 in the bound."""
    claim = bounded(start(root_power, "P") - (N - 2) * M * t / 2, root_power(P))
    return free(replace(norms, claims=(Where((), claim),)), at(P=1, Γ=0, gamma=Fraction(3, 4), M=1, N=3))


@control(escape, breaks="gamma <= M")
def unbounded_gradient():
    """Without an upper bound of gamma_r."""
    return free(replace(norms, conditions=norms.conditions[:-1]), at(P=1, Γ=0, gamma=2, M=1, N=3))


@control(escape, breaks="N >= 3")
def bounded_escape_time():
    """N = 1, where c^-(N-2) = c: the bound from below is one from above."""
    claim = bounded(start(root_power, "P") - (N - 2) * M * t, root_power(P))
    conditions = (below(0, P), bounded(1, N), GAMMA_FROM_ZERO, bounded(gamma, M))
    varied = replace(norms, conditions=conditions, claims=(Where((), claim),))
    return free(varied, at(P=1, Γ=0, gamma=0, M=1, N=1))


@control(escape, breaks="balanced")
def unbalanced_component():
    """Without balance the squared norms of a component's factors differ."""
    return balanced_start.claim, state(1, 2, 1, n=1, m=2)


any_integral_of_gamma = dropping(
    escape,
    norms,
    GAMMA_FROM_ZERO,
    "any_integral_of_gamma",
    "Γ(0) = 0",
    at(P=1, Γ=-3, gamma=Fraction(3, 4), M=1, N=3, D=2),
)
