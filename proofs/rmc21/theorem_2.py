"""RMC21 Theorem 2 and Corollary 2: small starts follow rank one trajectories, and what follows for their limits.

The theorem is proved in parts: a leading component escapes (RMC21-Thm2s), and two solutions whose starts are close stay
close (here). The corollary as printed is vacuous: among the balanced rank one trajectories that start on the reference
sphere one tends to 0, from the rank one tensor that is least aligned with minus the gradient; and one cannot, since its
loss starts below that of 0.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import All, Assumption, Identity, Source, Statement, control, proof, vacuous
from theorytest.derive.evolution import InTime, power, variables
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Evolution, Where
from theorytest.kernel.evolution import initial
from theorytest.kernel.scalar import ZERO, Exp, Ln, Variable, scalar

from .escape import ORDER, N, at, dropping, inverse_power
from .huber import assumed
from .lipschitz import Comparison, rate, v, y, z
from .theorem_1 import below, bounded

t, alpha, C, S, T, eps, distance = variables("t alpha C S T eps distance")
Y0 = Variable(initial("y"))

# -- close starts stay close -------------------------------------------------------------------------------------------

SMALL_START = bounded(S * C * alpha, eps * Exp(-1 * rate * T))
WITHIN = bounded(distance, eps)


def closeness(constant):
    """The distance of the end tensors, where ``constant`` is a Lipschitz constant of the flow."""
    small = bounded(S * C * alpha, eps * Exp(-1 * constant * T))
    return Evolution(
        "t",
        (("y", 2 * v),),
        ("v", "z", "distance"),
        (
            bounded(0, y),
            bounded(0, constant),
            bounded(v**2, y * z),
            bounded(z, constant**2 * y),
            bounded(Y0, (C * alpha) ** 2),
            bounded(0, S),
            bounded(0, C),
            bounded(0, alpha),
            bounded(0, eps),
            bounded(distance**2, S**2 * y),
            small,
        ),
        (Where((bounded(t, T),), WITHIN),),
    )


close = Statement(
    id="RMC21-Thm2",
    label="RMC21-Thm2/close",
    kind="lemma",
    title="Starts within C alpha, alpha <= eps e^(-Lambda T) / (S C): end tensors within eps until T",
    source=Source("RMC21", "Theorem 2"),
    claim=closeness(rate),
    scope="all numbers of parameters; as long as both solutions are where Lambda and S are Lipschitz constants",
    deviations=(
        "y, v and z as in RMC21-LemC-k, for the flow after it reaches the reference sphere and for the flow of the "
        "leading component from the same direction, scaled onto the sphere, with all other components zero (they stay "
        "zero: RMC21-LemC-f); their starts differ by at most C alpha (RMC21-Thm2s); S is a Lipschitz constant of the "
        "end tensor",
        "a part of the theorem: that the end tensor reaches the sphere is RMC21-Thm2s; not derived is that both "
        "solutions stay where Lambda and S are Lipschitz constants (RMC21-LemC-j) as long as ||W_e|| < D",
    ),
)


def stay_close(derive, statement, constant):
    """y <= y(0) e^(2 Lambda t) <= (C alpha)^2 e^(2 Lambda T), and S C alpha <= eps e^(-Lambda T)."""
    time = Comparison(derive, statement.claim, constant)
    size, positive, paired, steep, begin, stretch, gap, scale, wide, measured, small = time.conditions()
    kept, near = time.bound(size, positive, paired, steep)
    until = time.suppose(bounded(t, T))
    now, end, back = 2 * constant * t, 2 * constant * T, -1 * constant * T
    later = time.at_most("t <= T", now, end, until, positive, by=[(2, 1, (until, positive))])
    rises = derive.apply("exp-increasing", later, text="exp increases")
    unit = time.exp_product(end, 2 * back, ZERO, positive)
    unit = time.rewrite(time.exp_zero(), unit, Identity(scalar(1), unit.claim.claim.rhs))
    halves = time.exp_product(back, back, 2 * back, positive)
    grows, grown, falls = (time.exp_positive(time.defined(e, positive)) for e in (now, end, back))
    by = [(1, 1, (near,)), (1, 1, (begin, grows)), (1, C * alpha, (rises,))]
    bound = time.at_most("until T", y, (C * alpha) ** 2 * Exp(end), near, begin, rises, grows, by=by)
    by = [(1, 1, (small, wide, falls)), (1, 1, (small, stretch, gap, scale))]
    square = time.at_most(
        "squares", (S * C * alpha) ** 2, (eps * Exp(back)) ** 2, small, wide, falls, stretch, gap, scale, by=by
    )
    by = [(1, 1, (measured,)), (1, S, (bound,)), (1, 1, (square, grown))]
    squared = time.at_most("of the distance", distance**2, eps**2, measured, bound, square, grown, unit, halves, by=by)
    by = [(1, eps - distance, ()), (1, 1, (squared,))]
    final = time.at_most("roots", distance, eps, wide, squared, scale=[(2, 1, (wide,))], by=by)
    return time.at_every_time(kept, final)


@proof(close)
def by_gronwall(derive):
    stay_close(derive, close, rate)


def near_start(**values):
    """Values at time 0."""
    given = {"y": 1, "v": 0, "z": Fraction(1, 2), "distance": Fraction(1, 2), "Lambda": 1, "S": 1, "C": 1, "alpha": 1}
    return at(**given | {"eps": 20, "T": 2} | values)


@control(close, breaks="alpha <= alpha_0")
def any_alpha():
    """Any scale alpha of the start."""
    kept = tuple(c for c in close.claim.conditions if c != SMALL_START)
    return replace(close.claim, conditions=kept), near_start(eps=Fraction(1, 4))


@control(close, breaks="alpha_0 depends on T")
def scale_without_the_time():
    """alpha_0 independent of T: S C alpha <= eps, and y = (C alpha)^2 e^(2 Lambda t) meets all conditions."""
    return bounded(C * alpha * Exp(rate * T), eps), at(C=1, alpha=1, Lambda=1, T=1, eps=1)


@control(close, breaks="eps > 0")
def exactly_equal():
    """Distance 0."""
    return replace(close.claim, claims=(Where((bounded(t, T),), bounded(distance, 0)),)), near_start()


close_conditions = tuple(
    dropping(close, close.claim, condition, name, words, near_start(**values))
    for condition, name, words, values in (
        (bounded(0, rate), "negative_constant", "Lambda >= 0", {"Lambda": -1, "eps": Fraction(1, 4)}),
        (bounded(Y0, (C * alpha) ** 2), "distant_starts", "y(0) <= (C alpha)^2", {"alpha": 0, "eps": Fraction(1, 4)}),
        (bounded(0, S), "negative_stretch", "S >= 0", {"S": -1, "eps": Fraction(1, 4)}),
        (bounded(0, C), "negative_gap", "C >= 0", {"C": -3, "eps": Fraction(1, 4)}),
        (bounded(0, alpha), "negative_scale", "alpha >= 0", {"alpha": -2, "eps": Fraction(1, 4)}),
        (bounded(distance**2, S**2 * y), "any_distance", "distance^2 <= S^2 y", {"S": 0, "eps": Fraction(1, 4)}),
    )
)


# -- the size of alpha -------------------------------------------------------------------------------------------------

D, kappa = variables("D kappa")

form = replace(
    close,
    id="RMC21-fn9",
    label="RMC21-fn9/form",
    kind="claim",
    title="With the Lipschitz constants kappa D^2 and S: alpha <= eps e^(-kappa D^2 T) / (S C) suffices",
    source=Source("RMC21", "footnote 9"),
    claim=closeness(kappa * D**2),
    deviations=(
        *close.deviations,
        "the form of the bound, from a Lipschitz constant kappa D^2; that there is one, and that S C is at most a "
        "constant times D, is not part of this statement",
    ),
)


@proof(form)
def from_the_same_comparison(derive):
    stay_close(derive, form, kappa * D**2)


@control(form, breaks="exponent D^2 T")
def exponent_d_t():
    """e^(-kappa D T) in place of e^(-kappa D^2 T): y = (C alpha)^2 e^(2 kappa D^2 t) meets all conditions."""
    varied = bounded(C * alpha * Exp(kappa * D**2 * T), eps)
    scale = Assumption("scale", "C alpha <= eps e^(-kappa D T)", bounded(C * alpha, eps * Exp(-1 * kappa * D * T)))
    statement = Statement(label="variant", title="variant", claim=varied, assumptions=(scale,))
    return statement, at(C=1, alpha=1, kappa=1, D=2, T=1, eps=8)


@control(form, breaks="exponent D^2 T")
def no_time():
    """No dependence on T."""
    return bounded(C * alpha * Exp(kappa * D**2 * T), eps), at(C=1, alpha=1, kappa=1, D=1, T=1, eps=1)


# -- the limits of rank one trajectories -------------------------------------------------------------------------------

c, ell, p, f, u, q, L0, slope, rho, top, A = variables("c ell p f u q L0 l rho gamma A")
THIRD = rho * top * A**-1 / 3  # a third of k = rho gamma / ||grad(0)||
SHRUNK = bounded(power(THIRD, -1 * (N - 2) * N**-1), (N - 2) * slope * t)
NEAR_ZERO = below(power(c, N), THIRD)
INNER = (bounded(p, rho), Identity(ell, L0 - f), bounded(f, A * p))
AWAY = bounded(3 * THIRD, p)
OUTER = bounded(rho, p)
APART = below(2 * THIRD, p - power(c, N))

two_trajectories = Evolution(
    "t",
    (("c", -1 * slope * power(c, N - 1)), ("ell", -1 * u)),
    ("u", "p", "f"),
    (
        below(0, c),
        ORDER,
        below(0, slope),
        bounded(0, u),
        below(0, rho),
        below(0, top),
        bounded(top, A),
        Identity(Variable(initial("ell")), L0 - rho * top),
    ),
    (Where((SHRUNK,), NEAR_ZERO), Where(INNER, AWAY), Where((OUTER,), AWAY), Where((SHRUNK, AWAY), APART)),
)

no_common_limit = Statement(
    id="RMC21-Cor2",
    label="RMC21-Cor2/vacuous",
    kind="lemma",
    title="Two balanced rank one trajectories from the reference sphere stay apart, so that they have no common limit",
    source=Source("RMC21", "Corollary 2"),
    claim=two_trajectories,
    scope="all real N >= 3, all dimensions and observations; R = 1, the Huber loss under Assumption 1",
    deviations=(
        "let u_- and u_+ be unit rank one tensors at which <-grad(0), u> is least, -l < 0, and largest, gamma > 0 "
        "(they exist: compactness; flipping one factor changes the sign). From rho u_- the balanced trajectory keeps "
        "its direction, since -grad(0) contracted with all factors of u_- but one is -l times that one (first-order "
        "condition), so that its factors have norm c with dc/dt = -l c^(N-1)",
        "from rho u_+ the loss ell starts at L(0) - rho gamma and does not increase (u = -d ell/dt is a squared norm); "
        "in the ball p = ||W_1|| <= rho it is L(0) - f, f = <-grad(0), W_1> <= A p, A = ||grad(0)||; so p >= k = rho "
        "gamma / A in the ball, and outside, since gamma <= A",
        "from the time ((k/3)^-((N-2)/N)) / ((N-2) l) on, the first one is within k / 3 of 0, and the other is not "
        "within 2 k / 3 of it",
    ),
)


@proof(no_common_limit)
def one_tends_to_zero_and_the_other_cannot(derive):
    time = InTime(derive, two_trajectories)
    positive, order, _, falls, radius, gain, cap, begin = time.conditions()
    size = time.less("0 < N", 0, N, order, by=[(1, 1, (order,)), (3, 1, ())])
    inverse, ln = time.power(size, -1), time.ln_upper(positive)
    # c^-(N-2) = c(0)^-(N-2) + (N-2) l t.
    one, other = -1 * (N - 2) * Ln(c), (N - 1) * Ln(c)
    product = time.exp_product(one, other, Ln(c), ln)
    product = time.rewrite(time.exp_ln(positive), product, Identity(c, product.claim.claim.rhs))
    grows = inverse_power(c) - (N - 2) * slope * t
    constant = time.equal("d/dt is 0", time.derivative(grows), 0, product, time.power(positive, -1))
    kept = time.never_exceeds(grows, constant, time.defined(grows, product))
    exact = time.suppose(kept.claim.claims[0].claim)
    start = time.exp_positive(time.defined(exact.claim.claim.rhs.parts[0].argument, exact))
    # (k/3)^-((N-2)/N) < c^-(N-2), so that N ln c < ln (k/3).
    norm = time.less("0 < A", 0, A, gain, cap, by=[(1, 1, (gain,)), (1, 1, (cap,))])
    per = time.power(norm, -1)
    third = time.less("0 < k/3", 0, THIRD, radius, gain, per, by=[(Fraction(1, 3), 1, (radius, gain, per))])
    late = time.suppose(SHRUNK)
    level = SHRUNK.lhs
    above = time.less(
        "c(0)^-(N-2) > 0", level, inverse_power(c), late, exact, start, by=[(1, 1, (late,)), (1, 1, (start,))]
    )
    ln_third = time.ln_upper(third)
    root = time.exp_positive(time.defined(level.argument, ln_third, inverse))
    higher = time.ln_increasing(root, above)
    undone = [
        derive.apply("ln-exp", time.defined(exponent, *facts), text="ln exp u = u")
        for exponent, facts in ((level.argument, (ln_third, inverse)), (one, (ln,)))
    ]
    steps = time.power(time.less("0 < N - 2", 0, N - 2, order, by=[(1, 1, (order,)), (1, 1, ())]), -1)
    lower = time.less(
        "N ln c < ln (k/3)",
        N * Ln(c),
        Ln(THIRD),
        higher,
        *undone,
        inverse,
        steps,
        size,
        by=[(1, 1, (higher, steps, size))],
    )
    shrunk = derive.apply("exp-increasing", lower, text="exp increases")
    shrunk = time.rewrite(time.exp_ln(third), shrunk, NEAR_ZERO)
    # The loss does not increase.
    slope_ = time.at_most("d/dt ell = -u", time.derivative(ell), 0, falls, by=[(1, 1, (falls,))])
    least = time.never_exceeds(ell, slope_, time.real(ell))
    loss = time.suppose(least.claim.claims[0].claim)
    ball, linear, paired = map(time.suppose, INNER)
    inside = time.at_most(
        "rho gamma <= f <= A p", AWAY.lhs, AWAY.rhs, loss, begin, linear, paired, per,
        by=[(1, 1, (loss, per)), (1, 1, (paired, per))],
    )  # fmt: skip
    inside = time.cut(inside, ball)
    beyond = time.suppose(OUTER)
    outside = time.at_most(
        "k <= rho", AWAY.lhs, AWAY.rhs, beyond, cap, radius, per, by=[(1, 1, (beyond,)), (1, 1, (cap, radius, per))]
    )
    away = time.suppose(AWAY)
    apart = time.less("p - c^N > k - k/3", APART.lhs, APART.rhs, shrunk, away, by=[(1, 1, (shrunk,)), (1, 1, (away,))])
    time.at_every_time(kept, least, shrunk, inside, outside, apart)


def trajectories(**values):
    """Values at time 0: N = 3, c = 1, and p, f and ell on the sphere."""
    given = {"N": 3, "c": 1, "l": 1, "ell": -1, "L0": 0, "rho": 1, "gamma": 1, "A": 1, "u": 1, "p": 1, "f": 1}
    return at(**given | values)


def without(condition, claim=None):
    """The two trajectories without a condition."""
    kept = tuple(known for known in two_trajectories.conditions if known != condition)
    assert len(kept) < len(two_trajectories.conditions)
    return replace(two_trajectories, conditions=kept, claims=(claim,) if claim else two_trajectories.claims)


@control(no_common_limit, breaks="start on the sphere at u_+")
def any_start():
    """A start with a larger loss."""
    begin = two_trajectories.conditions[-1]
    half = Fraction(1, 2)
    return without(begin), trajectories(ell=-half, f=half, p=half)


@control(no_common_limit, breaks="gamma <= A")
def larger_gain():
    """Without gamma <= A: k may exceed rho."""
    return without(bounded(top, A)), trajectories(gamma=2, ell=-2)


@control(no_common_limit, breaks="k = rho gamma / A")
def larger_distance():
    """4 k / 3 in place of k."""
    return replace(two_trajectories, claims=(Where(INNER, bounded(4 * THIRD, p)),)), trajectories()


@control(no_common_limit, breaks="least alignment is negative")
def growing():
    """-l > 0: c^-(N-2) does not grow at the rate (N-2) l > 0."""
    claim = Where((), bounded((N - 2) * slope**2 * t, inverse_power(c) - inverse_power(Variable(initial("c")))))
    return without(below(0, slope), claim), trajectories(l=-1)


# -- the corollary as printed ------------------------------------------------------------------------------------------

first, second, gap = variables("d_minus d_plus gap")
CONCLUSION = bounded(gap, eps)

printed = Statement(
    id="RMC21-Cor2",
    label="RMC21-Cor2/printed",
    kind="corollary",
    title="If all balanced rank one trajectories from the sphere converge uniformly to W*, W_e comes within eps of it",
    source=Source("RMC21", "Corollary 2"),
    assumptions=(
        Assumption(
            "trajectories",
            "p and c^N are the norms, at a late time, of the trajectories from rho u_+ and rho u_-: by "
            "RMC21-Cor2/vacuous they differ by more than 2 k / 3",
            APART,
        ),
        Assumption(
            "triangle", "||W_+|| - ||W_-|| <= ||W_+ - W*|| + ||W_- - W*||", bounded(p - power(c, N), first + second)
        ),
        Assumption(
            "uniform",
            "from some time on, all balanced rank one trajectories from the sphere are within k / 3 of W*",
            All((bounded(first, THIRD), bounded(second, THIRD))),
        ),
    ),
    claim=CONCLUSION,
    scope="all orders N >= 3, dimensions and observations",
    expected="REFUTED",
    expected_reason="vacuous: the uniform convergence that it assumes is impossible",
    deviations=(
        "the repaired form (RMC21-Cor2) asks it only of trajectories with <-grad(0), W_1(0)> > 0",
        "the assumptions are instances of the printed ones at two trajectories, with what RMC21-Cor2/vacuous says of "
        "them; that there are such trajectories is argued there in words, and certified for one entry in "
        "RMC21-Cor2/instances",
    ),
)


@vacuous(printed)
def no_limit_for_both(derive):
    real = Reals(derive)
    facts = assumed(derive, "trajectories", "triangle", "uniform")
    apart, triangle, one, other = (real.suppose(fact.claim) for fact in facts)
    by = [(1, 1, (triangle,)), (1, 1, (one,)), (1, 1, (other,))]
    false = real.at_most("2 k / 3 < 2 k / 3", 1, 0, apart, triangle, one, other, scale=[(1, 1, (apart,))], by=by)
    real.outright(false, *facts)


# -- the corollary, repaired -------------------------------------------------------------------------------------------

x, near, limit, size, bound, top_ = variables("x near limit size B D")

repaired = Statement(
    id="RMC21-Cor2",
    label="RMC21-Cor2",
    kind="corollary",
    title="With Theorem 2: if those of them that are aligned at first converge uniformly to W*, W_e comes within eps",
    source=Source("RMC21", "Corollary 2"),
    assumptions=(
        Assumption("theorem 2", "||W_e - W_1|| <= eps / 2 at time T, if ||W_1|| <= B up to T", bounded(near, eps / 2)),
        Assumption("uniform", "||W_1 - W*|| <= eps / 2 at time T, for all such trajectories", bounded(limit, eps / 2)),
        Assumption(
            "bounded",
            "||W_1|| <= B at all times, and D = B + eps",
            All((bounded(size, bound), Identity(top_, bound + eps))),
        ),
        Assumption("eps", "eps > 0", below(0, eps)),
        Assumption(
            "triangle",
            "||W_e - W*|| <= ||W_e - W_1|| + ||W_1 - W*||, and ||W_e|| <= ||W_1|| + ||W_e - W_1||",
            All((bounded(gap, near + limit), bounded(x, size + near))),
        ),
    ),
    claim=All((CONCLUSION, below(x, top_))),
    scope="all orders N >= 3, dimensions and observations",
    example=at(eps=1, near=Fraction(1, 2), limit=Fraction(1, 2), gap=1, size=2, B=2, D=3, x=2).instance,
    deviations=(
        "repaired: boundedness and uniform convergence are asked only of balanced rank one trajectories with "
        "||W_1(0)|| = rho and <-grad(0), W_1(0)> > 0 (as printed, of all that start on the sphere: RMC21-Cor2/printed)",
        "the conclusion of RMC21-Thm2, with W_1 of that kind, is an assumption: the theorem is proved in parts, and "
        "the corollary is proved from it alone, by the triangle inequality at one time T",
    ),
)


@proof(repaired)
def by_the_triangle_inequality(derive):
    real = Reals(derive)
    facts = assumed(derive, "theorem 2", "uniform", "bounded", "eps", "triangle")
    close_, converged, below_, level, positive, distance_, norm = (real.suppose(fact.claim) for fact in facts)
    by = [(1, 1, (distance_,)), (1, 1, (close_,)), (1, 1, (converged,))]
    one = real.at_most("eps / 2 + eps / 2", gap, eps, distance_, close_, converged, by=by)
    by = [(1, 1, (norm,)), (1, 1, (close_,)), (1, 1, (below_,)), (Fraction(1, 2), 1, (positive,))]
    other = real.less("B + eps / 2 < D", x, top_, norm, close_, below_, level, positive, by=by)
    derive.both(*(real.outright(fact, *facts) for fact in (one, other)))


def numbers(**values):
    """Numbers that meet all assumptions, but for those given."""
    given = {"eps": 1, "near": Fraction(1, 2), "limit": Fraction(1, 2), "gap": 1, "size": 2, "B": 2, "D": 3, "x": 2}
    return at(**given | values)


@control(repaired, breaks="theorem 2")
def without_the_theorem():
    """Without closeness."""
    return None, numbers(near=1, gap=Fraction(3, 2))


@control(repaired, breaks="uniform")
def without_uniformity():
    """Without uniform convergence: no common time."""
    return None, numbers(limit=1, gap=Fraction(3, 2))


@control(repaired, breaks="bounded")
def without_boundedness():
    """Without boundedness: the end tensor may reach any D."""
    return None, numbers(x=4, size=4)


@control(repaired, breaks="eps")
def exactly():
    """eps = 0."""
    return None, numbers(eps=0, near=0, limit=0, gap=0, D=2)


@control(repaired, breaks="eps / 2 + eps / 2")
def half_the_distance():
    """Distance eps / 2."""
    return bounded(gap, eps / 2), numbers()


@control(repaired, breaks="triangle")
def without_the_triangle_inequality():
    """Distances that are none."""
    return None, numbers(gap=2)


root = Variable("c")
SMALLEST = Evolution(
    "t",
    (("c", root**2 * (1 - root**3)),),
    (),
    (below(0, root), bounded(root, 1), bounded(Fraction(4, 5), root**3)),
    (Where((), bounded(1 - root**3, (1 - Variable("c(0)") ** 3) * Exp(-1 * t))),),
)

smallest = Statement(
    id="RMC21-Cor2",
    label="RMC21-Cor2/smallest",
    kind="corollary",
    title="N = 3, one entry, y = 1, delta = 1/5: from W > 0 the trajectory converges to 1, exponentially",
    source=Source("RMC21", "Corollary 2"),
    claim=SMALLEST,
    scope="all starts with 4/5 <= W <= 1 (where the loss is quadratic), W = c^3",
    deviations=(
        "from W = 1/2 the trajectory reaches W = 4/5 in finite time: until then dc/dt = c^2 / 5, and 1/c falls at the "
        "rate 1/5 (RMC21-LemC-g)",
    ),
)


@proof(smallest)
def by_a_decreasing_quantity(derive):
    time = InTime(derive, SMALLEST)
    positive, top_one, inside = time.conditions()
    by = [(1, 1, (inside,)), (1, 1, (positive, top_one)), (1, root, (top_one,))]
    large = time.at_most("c >= c^3 >= 4/5", Fraction(4, 5), root, inside, positive, top_one, by=by)
    gain = time.exp_positive(time.real(t))
    by = [(1, 1, (top_one,)), (1, 1, (top_one, positive)), (1, root, (top_one,))]
    rest = time.at_most("c^3 <= 1", 0, 1 - root**3, top_one, positive, by=by)
    by = [(3, 1, (positive, inside)), (Fraction(12, 5), 1, (large,)), (Fraction(23, 25), 1, ())]
    steep = time.at_most("1 <= 3 c^4", 1, 3 * root**4, positive, inside, large, by=by)
    quantity = (1 - root**3) * Exp(t)
    by = [(1, 1, (rest, gain, steep))]
    falls = time.at_most("it decreases", time.derivative(quantity), 0, rest, gain, steep, by=by)
    kept = time.never_exceeds(quantity, falls, time.defined(quantity, gain))
    always = time.suppose(kept.claim.claims[0].claim)
    one = time.rewrite(time.exp_zero(), time.exp_product(t, -1 * t, ZERO), Identity(scalar(1), Exp(t) * Exp(-1 * t)))
    shrinks = time.exp_positive(time.defined(-1 * t, time.real(t)))
    goal = SMALLEST.claims[0].claim
    zero = time.exp_zero()
    by = [(1, 1, (always, shrinks))]
    time.at_every_time(kept, time.at_most("times e^-t", goal.lhs, goal.rhs, always, one, zero, shrinks, by=by))


@control(smallest, breaks="4/5 <= W")
def from_below():
    """W < 4/5, by the same formula."""
    kept = tuple(known for known in SMALLEST.conditions if known != bounded(Fraction(4, 5), root**3))
    return replace(SMALLEST, conditions=kept), at(c=Fraction(1, 2))


@control(smallest, breaks="rate 1")
def rate_three():
    """e^(-3 t) in place of e^-t."""
    claim = bounded(1 - root**3, (1 - Variable("c(0)") ** 3) * Exp(-3 * t))
    return replace(SMALLEST, claims=(Where((), claim),)), at(c=Fraction(19, 20))


above_the_limit = dropping(smallest, SMALLEST, bounded(root, 1), "above_the_limit", "W <= 1", at(c=3))
