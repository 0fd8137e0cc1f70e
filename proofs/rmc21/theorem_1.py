"""RMC21 Theorem 1: how fast the norm of a component moves, for every order N.

With s_n = ||w_r^n||^2: d/dt s_n = 2 <-grad, component r> for every n, so that d/dt P_r = gamma_r q, where
P_r^2 = p = s_1 ... s_N and q = sum_n prod_{m != n} s_m. The largest s_n is at most u = P_r^(2/N) + eps: else every s_n
would exceed g = P_r^(2/N), and their product g^N. So N p <= u q and q <= N u^(N-1), by induction on N. The first bound
holds with g in place of u, too: N p <= g q, the inequality of the geometric and the arithmetic mean of the 1 / s_n.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    CP,
    All,
    Assumption,
    Flow,
    Focus,
    Identity,
    Inequality,
    Instance,
    Rate,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    proof,
)
from theorytest.derive.evolution import Exponentials
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import ComponentNormRate, Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import Ln, Variable, scalar, sqrt

from .lemma_1 import lemma_1, squared_norm

flow = Flow(CP, Focus(modes=("n",)))
(w,) = CP.letters(flow.focus).values()
others = CP.focus(flow.focus).tensors()["w[~]"]
gradient = CP.gradient(flow.focus).rename({"i[n]": "i", "i[~]": "j"})
pairing = -(gradient * w["r", "i"] * others["r", "j"]).sum("i", "j")  # <-grad, component r>
SOURCE = Source("RMC21", "Theorem 1")
SETTING = lemma_1.assumptions
SCOPE = "all orders, ranks, shapes, losses; all times at which P_r > 0"
interval = ("stated on the interval of existence (RMC21-fn4)",)

# -- the flow of one factor ----------------------------------------------------------------------------------

velocity = -(gradient * others["r", "j"]).sum("j")

one_factor = Statement(
    id="RMC21-LemC-b",
    label="RMC21-LemC-b",
    kind="lemma",
    title="dw_r^n/dt = -[grad]_(n) times the Kronecker product of the other factors",
    source=Source("RMC21", "equation 4"),
    assumptions=SETTING,
    claim=Rate(w["r", "i"], velocity, flow),
    scope="all orders, ranks, shapes, losses",
    deviations=(
        "the other modes are one index: the Kronecker product and the unfolding use the same order of the modes",
    ),
)
equation_4 = replace(
    one_factor, id="RMC21-Eq4", label="RMC21-Eq4", kind="definition", title="Gradient flow: dw_r^n/dt = -dphi/dw_r^n"
)


def as_written(statement):
    """The rate as the kernel derives it is the term as written."""

    def by_the_product_rule(derive):
        derived = derive.rate(statement.claim.quantity, statement.claim.motion)
        derive.replace(derived, derive.equal("as written", derived.claim.rate, statement.claim.rate), "as written")

    return proof(statement)(by_the_product_rule)


of_one_factor, of_equation_4 = as_written(one_factor), as_written(equation_4)


@control(one_factor, breaks="the other factors")
def every_factor():
    """The product over all factors, the named one as well."""
    return Rate(w["r", "i"], velocity * w["r", "i"], flow)


@control(one_factor, breaks="sign")
def opposite_sign():
    """The opposite sign."""
    return Rate(w["r", "i"], -velocity, flow)


@control(equation_4, breaks="the component r")
def sum_over_components():
    """The sum of all components in place of one."""
    return Rate(w["s", "i"], velocity.sum("r"), flow)


@control(equation_4, breaks="flow")
def weight_decay():
    """With weight decay."""
    return Rate(w["r", "i"], velocity, Flow(CP, flow.focus, decay=Fraction(1)))


@control(one_factor, breaks="flow")
def one_factor_with_weight_decay():
    """With weight decay."""
    return Rate(w["r", "i"], velocity, Flow(CP, flow.focus, decay=Fraction(1)))


square_norms = Statement(
    id="RMC21-LemC-d",
    label="RMC21-LemC-d",
    kind="lemma",
    title="d/dt ||w_r^n||^2 = 2 <-grad, component r>, the same for all n",
    source=Source("RMC21", "Lemma 1, proof"),
    assumptions=SETTING,
    claim=Rate(squared_norm(w), pairing * 2, flow),
    scope="all orders, ranks, shapes, losses",
)
of_square_norms = as_written(square_norms)


@control(square_norms, breaks="factor 2")
def factor_one():
    """Factor 1 in place of 2."""
    return Rate(squared_norm(w), pairing, flow)


@control(square_norms, breaks="component r")
def the_end_tensor():
    """The whole end tensor in place of component r."""
    return Rate(squared_norm(w), pairing.rename({"r": "s"}).sum("s") * 2, flow)


@control(square_norms, breaks="flow")
def one_factor_at_twice_the_speed():
    """One factor moves at twice the speed."""
    return Rate(squared_norm(w), pairing * 2, Flow(CP, flow.focus, speeds=((w.name, Fraction(2)),)))


# -- families of N numbers -----------------------------------------------------------------------------------

s, N, p, q, y, x = (Variable(name) for name in ("s", "N", "p", "q", "y", "x"))
g, eps, h, gamma = (Variable(name) for name in ("g", "eps", "h", "gamma"))
u = g + eps


def bounded(lhs, rhs):
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def below(lhs, rhs):
    return Inequality(scalar(lhs), "<", scalar(rhs))


NARROW, WIDE = bounded(h, u), below(u, h)
PRODUCT = Identity(y, p)
STATE = (
    ("p", s, p * s),  # the product of the members
    ("q", scalar(1), q * s + p),  # the sum over n of the products of the others
    ("y", g, y * g),  # g^N
    ("x", scalar(1), x * u),  # (g + eps)^(N-1)
)
MEMBERS = (below(0, s), bounded(s, h), bounded(h, s + eps), below(0, g), bounded(0, eps))
PARTS = (
    Where((), below(0, p)),
    Where((), below(0, q)),
    Where((), below(0, y)),
    Where((), below(0, x)),
    Where((NARROW,), bounded(p, x * u)),
    Where((NARROW,), bounded(q, N * x)),
    Where((NARROW,), bounded(N * p, u * q)),
    Where((WIDE,), below(y, p)),
)
family = Fold("s", "N", STATE, MEMBERS, PARTS)
WORDS = (
    "for the family s_n = ||w_r^n||^2 with largest member h, which differs from no member by more than eps: p = P_r^2, "
    "q = sum_n prod_{m != n} s_m, y = g^N and x = (g + eps)^(N-1), so that y = p says that g = P_r^(2/N)",
)


def induction(derive):
    """All parts, by induction on N."""
    real = Reals(derive)
    first, after = states(family)
    positive, top, spread, root, size = (real.suppose(c) for c in MEMBERS)
    wide = real.less("g + eps > 0", 0, u, root, size, by=[(1, 1, (root,)), (1, 1, (size,))])
    at = {part.claim: real.suppose(part.claim) for part in PARTS}
    pp, qq, yy, xx = (at[part.claim] for part in PARTS[:4])
    narrow, far = real.suppose(NARROW), real.suppose(WIDE)
    up, many, few, apart = (at[part.claim] for part in PARTS[4:])
    small = real.at_most("s <= g + eps", s, u, top, narrow, by=[(1, 1, (top,)), (1, 1, (narrow,))])
    large = real.less("g < s", g, s, spread, far, by=[(1, 1, (spread,)), (1, 1, (far,))])
    bases = ([positive], [], [root], [], [small], [], [small], [large])
    steps = (
        ([pp, positive], [(1, 1, (pp, positive))]),
        ([qq, positive, pp], [(1, 1, (qq, positive)), (1, 1, (pp,))]),
        ([yy, root], [(1, 1, (yy, root))]),
        ([xx, wide], [(1, 1, (xx, wide))]),
        ([up, small, pp, wide], [(1, 1, (up, wide)), (1, 1, (pp, small))]),
        ([many, small, qq, up, wide], [(1, 1, (many, wide)), (1, 1, (qq, small)), (1, 1, (up,))]),
        ([few, small, pp, positive], [(1, 1, (few, positive)), (1, 1, (pp, small))]),
        ([apart, large, yy, positive], [(1, 1, (apart, positive)), (1, 1, (yy, large))]),
    )
    facts = []
    for part, base, (given, by) in zip(PARTS, bases, steps, strict=True):
        start, end = (put_in(part.claim, values) for values in (first, after))
        prove = real.less if part.claim.relation == "<" else real.at_most
        hint = [(1, 1, (f,)) for f in base] or ([(1, 1, ())] if part.claim.relation == "<" else [(1, 0, ())])
        facts.append(prove("at the first member", start.lhs, start.rhs, *base, by=hint))
        facts.append(prove("with one more member", end.lhs, end.rhs, *given, by=by))
    return derive.apply("fold", *facts, data=(family,), text="induction on the number N of factors")


def in_both_cases(derive, *goals):
    """Goals (each with the premises and hints of the narrow case) hold whichever is larger, h or g + eps, if y = p."""
    real, whole = Reals(derive), induction(derive)
    product, apart = real.suppose(PRODUCT), real.suppose(below(y, p))
    root, size = real.suppose(below(0, g)), real.suppose(bounded(0, eps))
    inverse = real.power(real.less("g + eps > 0", 0, u, root, size, by=[(1, 1, (root,)), (1, 1, (size,))]), -1)
    parts = []
    for goal, conditions, by in goals:
        given = [real.suppose(c) for c in conditions]
        lean = real.at_most("where h <= g + eps", goal.lhs, goal.rhs, *given, inverse, by=by(given, inverse))
        narrow = real.cut(lean, add=(NARROW, PRODUCT))
        contrary = real.at_most(
            "where g + eps < h: y < p and y = p",
            goal.lhs,
            goal.rhs,
            apart,
            product,
            inverse,
            scale=[(1, 1, (apart,))],
            by=[(1, 0, ())],
        )
        parts += [narrow, contrary]
    both = derive.apply("fold-consequence", whole, *parts, text="in each case")
    return derive.apply("fold-cases", both, data=(NARROW,), text="h <= g + eps or g + eps < h")


# -- the largest factor --------------------------------------------------------------------------------------

largest = Statement(
    id="RMC21-LemC-e",
    label="RMC21-LemC-e",
    kind="lemma",
    title="||w_r^n||^2 <= P_r^(2/N) + eps for all n",
    source=Source("RMC21", "Theorem 1, proof sketch"),
    claim=Fold("s", "N", STATE, MEMBERS, (Where((PRODUCT,), NARROW),)),
    scope="all orders N >= 1, all positive numbers",
    deviations=(*WORDS, "the claim is h <= g + eps"),
)


@proof(largest)
def else_all_factors_exceed_the_geometric_mean(derive):
    in_both_cases(derive, (NARROW, (NARROW,), lambda given, inverse: [(1, 1, tuple(given))]))


def at_order_three(claim, *, without="", **values):
    """A variant at N = 3: variables s1, s2, s3, eps, g, gamma.

    without: the part of what is assumed that is dropped ("positive", "root", "eps" or "mean").
    """
    s1, s2, s3 = (Variable(f"s{n}") for n in (1, 2, 3))
    parts = {
        "positive": ("s_n > 0", [below(0, v) for v in (s1, s2, s3)]),
        "root": ("g > 0", [below(0, g)]),
        "eps": (
            "eps is at least every difference",
            [bounded(a, b + eps) for a in (s1, s2, s3) for b in (s1, s2, s3) if a != b],
        ),
        "mean": ("g^3 = s_1 s_2 s_3", [Identity(g**3, s1 * s2 * s3)]),
    }
    assert not without or parts.pop(without)
    setting = tuple(Assumption(name, text, All(tuple(formulas))) for name, (text, formulas) in parts.items())
    varied = Statement(label="variant", title="variant", claim=claim(s1, s2, s3), assumptions=setting)
    return varied, Witness(Instance(variables=tuple((name, Fraction(v)) for name, v in values.items())))


def numbers(scale=1, **more):
    """Squared norms 1, 1 and 8, times a number: their geometric mean is 2."""
    scale = Fraction(scale)
    return {"s1": scale, "s2": scale, "s3": 8 * scale, "g": 2 * scale, "eps": 7 * scale, "gamma": 1} | more


@control(largest, breaks="eps")
def without_eps():
    """s_n <= P_r^(2/N), at N = 3: squared norms 1, 1, 8."""
    return at_order_three(lambda a, b, c: bounded(c, g), **numbers())


@control(largest, breaks="g = P_r^(2/N)")
def any_mean_of_the_squares():
    """Any g > 0 in place of P_r^(2/N), at N = 3: g = 1/2."""
    return at_order_three(lambda a, b, c: bounded(c, u), without="mean", **numbers(g=Fraction(1, 2)))


@control(largest, breaks="eps >= differences")
def smaller_eps_for_the_largest():
    """An eps that is smaller than the differences, at N = 3: eps = 0 for the squared norms 1, 1, 8."""
    return at_order_three(lambda a, b, c: bounded(c, u), without="eps", **numbers(eps=0))


@control(largest, breaks="direction")
def at_least():
    """s_n >= P_r^(2/N) + eps, at N = 3."""
    return at_order_three(lambda a, b, c: bounded(u, c), **numbers())


# -- the rate of the norm ------------------------------------------------------------------------------------

component = Statement(
    id="RMC21-Thm1s",
    label="RMC21-Thm1s",
    kind="lemma",
    title="d/dt P_r = gamma_r sum_n prod_{m != n} ||w_r^m||^2, and ||w_r^n||^2 <= P_r^(2/N) + eps",
    source=Source("RMC21", "Theorem 1, proof sketch"),
    assumptions=SETTING,
    claim=All((ComponentNormRate(flow), largest.claim)),
    scope=SCOPE,
    deviations=(*interval, *WORDS),
)


def norm_rate(derive):
    """d/dt P_r = gamma_r q."""
    rate = derive.cite(square_norms)
    return derive.apply("component-norm-rate", rate, text="product rule for the square root of s_1 ... s_N")


@proof(component)
def from_the_squared_norms(derive):
    derive.both(norm_rate(derive), derive.cite(largest))


@control(component, breaks="product over m != n")
def product_of_all():
    """N s_1 ... s_N in place of the sum of the products of the others, at N = 3."""
    return at_order_three(lambda a, b, c: Identity(b * c + a * c + a * b, 3 * a * b * c), **numbers())


@control(component, breaks="squared norms")
def unsquared_norms():
    """Unsquared norms in the products, at N = 3: squared norms 4, 4, 4."""
    even = {"s1": 4, "s2": 4, "s3": 4, "g": 4, "eps": 0, "gamma": 1}
    return at_order_three(
        lambda a, b, c: Identity(b * c + a * c + a * b, sqrt(b * c) + sqrt(a * c) + sqrt(a * b)), **even
    )


@control(component, breaks="eps")
def without_eps_in_the_sketch():
    """s_n <= P_r^(2/N), at N = 3: squared norms 1, 1, 8."""
    return at_order_three(lambda a, b, c: bounded(c, g), **numbers())


# -- equations 5 and 6 ---------------------------------------------------------------------------------------

lower, upper = N * gamma * p / u, N * gamma * x
RISING, FALLING = bounded(0, gamma), below(gamma, 0)


def bounds(id_, title, sign, first, second):
    """A part of the theorem: two bounds of gamma q."""
    fold = Fold("s", "N", STATE, MEMBERS, (Where((sign, PRODUCT), first), Where((sign, PRODUCT), second)))
    return Statement(
        id=id_, label=id_, kind="theorem", title=title, source=SOURCE, assumptions=SETTING,
        claim=All((ComponentNormRate(flow), lemma_1.claim, fold)), scope=SCOPE,
        deviations=(
            *interval,
            *WORDS,
            "three claims together: the rate is gamma_r q; the differences s_n - s_m do not change, so that eps is "
            "their bound at all times; and the bounds of gamma q for every family of N numbers",
            "the bound by P^2 / (P^(2/N) + eps) holds without eps, too (controls that survive, proved for all N)",
        ),
    )  # fmt: skip


equation_5 = bounds(
    "RMC21-Eq5",
    "Where gamma_r >= 0: N gamma P^2 / (P^(2/N) + eps) <= d/dt P <= N gamma (P^(2/N) + eps)^(N-1)",
    RISING,
    bounded(lower, gamma * q),
    bounded(gamma * q, upper),
)
equation_6 = bounds(
    "RMC21-Eq6",
    "Where gamma_r < 0: N gamma (P^(2/N) + eps)^(N-1) <= d/dt P <= N gamma P^2 / (P^(2/N) + eps)",
    FALLING,
    bounded(upper, gamma * q),
    bounded(gamma * q, lower),
)
FEW, MANY = PARTS[6].claim, PARTS[5].claim


def prove_bounds(statement, sign, from_below, from_above):
    """Both bounds, times gamma."""

    def by_induction_on_the_order(derive):
        first, second = (part.claim for part in statement.claim.claims[2].claims)
        lower_hint = (FEW, lambda given, inverse: [(1, 1, (given[0], given[1], inverse))])
        upper_hint = (MANY, lambda given, inverse: [(1, 1, (given[0], given[1]))])
        hints = {"lower": lower_hint, "upper": upper_hint}
        goals = [
            (goal, (sign, hints[kind][0]), hints[kind][1]) for goal, kind in ((first, from_below), (second, from_above))
        ]
        shown = in_both_cases(derive, *goals)
        derive.both(norm_rate(derive), derive.cite(lemma_1), shown)

    return proof(statement)(by_induction_on_the_order)


rising = prove_bounds(equation_5, RISING, "lower", "upper")
falling = prove_bounds(equation_6, FALLING, "upper", "lower")


# -- the bounds without eps ----------------------------------------------------------------------------------

MEAN = bounded(N * p + p * (Ln(y) - Ln(p)), g * q)


def without_eps_for_every_family(first, second, sign):
    """The bound of gamma q by the mean g alone, for every family of N numbers."""
    return Fold("s", "N", STATE, MEMBERS, (Where((sign, PRODUCT), bounded(first, second)),))


def by_the_geometric_mean(derive):
    """N p <= g q where y = p: N p + p ln (y / p) <= g q by induction on N, since s (1 + ln (g / s)) <= g."""
    real = Exponentials(derive)
    (part,) = derive.statement.claim.claims
    sign = part.conditions[0]
    family_ = Fold("s", "N", STATE, MEMBERS, (PARTS[0], PARTS[2], Where((), MEAN)))
    first, after = states(family_)
    positive, *_, root, _ = (real.suppose(c) for c in MEMBERS)
    pp, yy, mean = (real.suppose(known.claim) for known in family_.claims)
    inverse = real.power(positive, -1)
    ratio = real.less("0 < g / s", 0, g * s**-1, root, inverse, by=[(1, 1, (root, inverse))])
    logarithms = real.ln_upper(ratio), derive.apply("ln-product", root, inverse, text="ln (g / s)")
    facts = (*logarithms, real.ln_power(positive, -1), positive, inverse)
    by = [(1, 1, (logarithms[0], positive))]
    tangent = real.at_most("s (1 + ln (g / s)) <= g", s + s * (Ln(g) - Ln(s)), g, *facts, by=by)
    products = [derive.apply("ln-product", *pair, text="ln of the product") for pair in ((yy, root), (pp, positive))]
    steps = (
        (real.less, [positive], [(1, 1, (positive,))], [pp, positive], [(1, 1, (pp, positive))]),
        (real.less, [root], [(1, 1, (root,))], [yy, root], [(1, 1, (yy, root))]),
        (
            real.at_most,
            [tangent],
            [(1, 1, (tangent,))],
            [mean, tangent, pp, positive, *products],
            [(1, 1, (mean, positive)), (1, 1, (tangent, pp))],
        ),
    )
    shown = []
    for known, (prove, base, start_by, given, step_by) in zip(family_.claims, steps, strict=True):
        start, end = (put_in(known.claim, values) for values in (first, after))
        shown.append(prove("at the first member", start.lhs, start.rhs, *base, by=start_by))
        shown.append(prove("with one more member", end.lhs, end.rhs, *given, by=step_by))
    whole = derive.apply("fold", *shown, data=(family_,), text="induction on the number N of factors")
    product, moves = real.suppose(PRODUCT), real.suppose(sign)
    same = real.rewrite(product, real.defined(Ln(y), mean), Identity(Ln(y), Ln(p)))
    lean = real.at_most("N p <= g q", N * p, g * q, mean, same, by=[(1, 1, (mean,))])
    per = real.power(root, -1)
    bound = real.at_most(
        "times gamma", part.claim.lhs, part.claim.rhs, lean, moves, per, by=[(1, 1, (lean, moves, per))]
    )
    ordered = real.cut(bound, moves, product, mean, root)
    derive.apply("fold-consequence", whole, ordered, text="for every family")


# -- controls of equations 5 and 6 ---------------------------------------------------------------------------


def of_q(a, b, c):
    """gamma q at N = 3."""
    return gamma * (b * c + a * c + a * b)


def above_at_three(bound):
    """gamma q <= 3 gamma times a bound."""
    return lambda a, b, c: Inequality(of_q(a, b, c), "<=", 3 * gamma * bound)


def under_at_three(bound):
    """3 gamma times a bound <= gamma q."""
    return lambda a, b, c: Inequality(3 * gamma * bound(a, b, c), "<=", of_q(a, b, c))


@control(equation_5, breaks="eps in the upper bound")
def upper_bound_without_eps():
    """P^(2/N) in place of P^(2/N) + eps above, at N = 3."""
    return at_order_three(above_at_three(g**2), **numbers())


@control(equation_5, breaks="exponent N - 1")
def exponent_n():
    """Exponent N in place of N - 1, at N = 3."""
    return at_order_three(above_at_three(u**3), **numbers(Fraction(1, 1000)))


@control(equation_5, breaks="exponent N - 1")
def exponent_n_minus_two():
    """Exponent N - 2 in place of N - 1, at N = 3."""
    return at_order_three(above_at_three(u), **numbers(1000))


@control(equation_5, breaks="exponent 2/N")
def exponent_one_over_n():
    """P^(1/N) in place of P^(2/N), at N = 3: squared norms 4, 4, 4."""
    return at_order_three(above_at_three((sqrt(g) + eps) ** 2), s1=4, s2=4, s3=4, g=4, eps=0, gamma=1)


@control(equation_5, breaks="factor N")
def factor_one_for_the_order():
    """Factor 1 in place of N above, at N = 3: squared norms 1, 1, 1."""
    return at_order_three(
        lambda a, b, c: Inequality(of_q(a, b, c), "<=", gamma * u**2), s1=1, s2=1, s3=1, g=1, eps=0, gamma=1
    )


@control(equation_5, breaks="factor N")
def larger_factor_below():
    """Factor 2 N in place of N below, at N = 3: squared norms 1, 1, 1."""
    return at_order_three(under_at_three(lambda a, b, c: 2 * a * b * c / u), s1=1, s2=1, s3=1, g=1, eps=0, gamma=1)


@control(equation_5, breaks="eps")
def smaller_eps():
    """An eps that is smaller than the differences, at N = 3: eps = 0 for the squared norms 1, 1, 8."""
    return at_order_three(above_at_three(u**2), without="eps", **numbers(eps=0))


MIXED = {"s1": -1, "s2": -1, "s3": 8, "g": 2, "eps": 9}


@control(equation_5, breaks="s_n > 0")
def negative_squares():
    """Numbers of any sign for the squared norms, at N = 3: -1, -1, 8."""
    lower_at_three = under_at_three(lambda a, b, c: a * b * c / u)
    return at_order_three(lower_at_three, without="positive", **MIXED, gamma=1)


@control(equation_5, breaks="g = P_r^(2/N)")
def any_mean():
    """Any g > 0 in place of P_r^(2/N), at N = 3: g = 1/2 and eps = 0 for the squared norms 1, 1, 1."""
    return at_order_three(above_at_three(u**2), without="mean", s1=1, s2=1, s3=1, g=Fraction(1, 2), eps=0, gamma=1)


@control(equation_5, breaks="gamma_r >= 0")
def wrong_case_above():
    """The bounds of gamma_r >= 0 where gamma_r < 0, at N = 3."""
    return at_order_three(under_at_three(lambda a, b, c: a * b * c / u), **numbers(gamma=-1))


@control(
    equation_5,
    breaks="eps in the lower bound",
    expected="finding",
    reason="eps is not needed below, at any N: geometric means are at most arithmetic means",
    survives=by_the_geometric_mean,
)
def lower_bound_without_eps():
    """P^(2/N) in place of P^(2/N) + eps below."""
    return replace(equation_5, claim=without_eps_for_every_family(N * gamma * p / g, gamma * q, RISING))


@control(equation_6, breaks="s_n > 0")
def negative_squares_in_equation_6():
    """Numbers of any sign for the squared norms, at N = 3: -1, -1, 8."""
    return at_order_three(
        lambda a, b, c: Inequality(of_q(a, b, c), "<=", 3 * gamma * a * b * c / u),
        without="positive",
        **MIXED,
        gamma=-1,
    )


@control(equation_6, breaks="g = P_r^(2/N)")
def any_mean_in_equation_6():
    """Any g > 0 in place of P_r^(2/N), at N = 3: g = 1/2 and eps = 0 for the squared norms 1, 1, 1."""
    lower_at_three = under_at_three(lambda a, b, c: u**2)
    return at_order_three(lower_at_three, without="mean", s1=1, s2=1, s3=1, g=Fraction(1, 2), eps=0, gamma=-1)


@control(equation_6, breaks="gamma_r < 0")
def wrong_case_below():
    """The bounds of gamma_r < 0 where gamma_r > 0, at N = 3."""
    return at_order_three(lambda a, b, c: Inequality(of_q(a, b, c), "<=", 3 * gamma * a * b * c / u), **numbers())


@control(equation_6, breaks="eps in the lower bound")
def lower_bound_of_equation_6_without_eps():
    """P^(2/N) in place of P^(2/N) + eps below, at N = 3."""
    return at_order_three(under_at_three(lambda a, b, c: g**2), **numbers(gamma=-1))


@control(equation_6, breaks="exponent N - 1")
def exponent_n_minus_two_in_equation_6():
    """Exponent N - 2 in place of N - 1, at N = 3."""
    return at_order_three(under_at_three(lambda a, b, c: u), **numbers(1000, gamma=-1))


@control(equation_6, breaks="exponent 2/N")
def exponent_one_over_n_in_equation_6():
    """P^(1/N) in place of P^(2/N), at N = 3: squared norms 4, 4, 4."""
    return at_order_three(under_at_three(lambda a, b, c: (sqrt(g) + eps) ** 2), s1=4, s2=4, s3=4, g=4, eps=0, gamma=-1)


@control(equation_6, breaks="factor N")
def factor_one_in_equation_6():
    """Factor 1 in place of N below, at N = 3: squared norms 1, 1, 1."""
    return at_order_three(
        lambda a, b, c: Inequality(gamma * u**2, "<=", of_q(a, b, c)), s1=1, s2=1, s3=1, g=1, eps=0, gamma=-1
    )


@control(equation_6, breaks="eps")
def smaller_eps_in_equation_6():
    """An eps that is smaller than the differences, at N = 3: eps = 0 for the squared norms 1, 1, 8."""
    return at_order_three(under_at_three(lambda a, b, c: u**2), without="eps", **numbers(eps=0, gamma=-1))


@control(
    equation_6,
    breaks="eps in the upper bound",
    expected="finding",
    reason="eps is not needed above, at any N: geometric means are at most arithmetic means",
    survives=by_the_geometric_mean,
)
def upper_bound_of_equation_6_without_eps():
    """P^(2/N) in place of P^(2/N) + eps above."""
    return replace(equation_6, claim=without_eps_for_every_family(gamma * q, N * gamma * p / g, FALLING))


@control(equation_6, breaks="exponent N - 1")
def exponent_n_in_equation_6():
    """Exponent N in place of N - 1, at N = 3."""
    return at_order_three(under_at_three(lambda a, b, c: u**3), **numbers(Fraction(1, 1000), gamma=-1))


@control(equation_6, breaks="factor N")
def larger_factor_in_equation_6():
    """Factor 2 N in place of N above, at N = 3: squared norms 1, 1, 1."""
    return at_order_three(
        lambda a, b, c: Inequality(of_q(a, b, c), "<=", 6 * gamma * a * b * c / u),
        s1=1,
        s2=1,
        s3=1,
        g=1,
        eps=0,
        gamma=-1,
    )


# -- the theorem ---------------------------------------------------------------------------------------------

theorem = Statement(
    id="RMC21-Thm1",
    label="RMC21-Thm1",
    kind="theorem",
    title="The norm of a component moves slowly when small and fast when large",
    source=SOURCE,
    assumptions=SETTING,
    claim=All((equation_5.claim, equation_6.claim)),
    scope=SCOPE,
    deviations=equation_5.deviations,
)


@proof(theorem)
def of_both_signs(derive):
    derive.both(derive.cite(equation_5), derive.cite(equation_6))


@control(theorem, breaks="N")
def without_the_order():
    """Factor 1 in place of N above, at N = 3: squared norms 1, 1, 1."""
    return at_order_three(
        lambda a, b, c: Inequality(of_q(a, b, c), "<=", gamma * u**2), s1=1, s2=1, s3=1, g=1, eps=0, gamma=1
    )


@control(theorem, breaks="eps")
def without_eps_at_all():
    """P^(2/N) in place of P^(2/N) + eps, at N = 3."""
    return at_order_three(above_at_three(g**2), **numbers())


# -- balanced factors ----------------------------------------------------------------------------------------

c = Variable("c")
EQUAL = (
    ("p", s, p * s),
    ("q", scalar(1), q * s + p),
    ("y", c, y * c),  # c^N
)
BALANCED = (Identity(s, c), below(0, c))
EVEN = (Where((), Identity(p, y)), Where((), Identity(q * c, N * p)))
EXACT = Identity(gamma * q, N * gamma * p / c)

corollary = Statement(
    id="RMC21-Eq7",
    label="RMC21-Eq7",
    kind="corollary",
    title="Balanced factors: d/dt P_r = N gamma_r P_r^(2 - 2/N)",
    source=Source("RMC21", "Corollary 1, equation 7"),
    assumptions=SETTING,
    claim=All((ComponentNormRate(flow), lemma_1.claim, Fold("s", "N", EQUAL, BALANCED, (EVEN[0], Where((), EXACT))))),
    scope=SCOPE,
    deviations=(
        *interval,
        "for the family s_n = ||w_r^n||^2, all equal to c (at all times, since their differences are conserved): "
        "p = P_r^2 = c^N, q = sum_n prod_{m != n} s_m, and p / c = P_r^(2 - 2/N)",
        "the part of the corollary on P_r(t0) = 0 is in RMC21-Cor1",
    ),
)


@proof(corollary)
def by_equal_squared_norms(derive):
    real = Reals(derive)
    same, positive = (real.suppose(condition) for condition in BALANCED)
    power, mean = (real.suppose(part.claim) for part in EVEN)
    family_ = Fold("s", "N", EQUAL, BALANCED, EVEN)
    first, after = states(family_)
    facts = []
    for part, given in zip(EVEN, ((power, same), (mean, same)), strict=True):
        start, end = (put_in(part.claim, values) for values in (first, after))
        facts.append(real.equal("at the first member", start.lhs, start.rhs, same))
        facts.append(real.equal("with one more member", end.lhs, end.rhs, *given))
    whole = derive.apply("fold", *facts, data=(family_,), text="induction on the number N of factors")
    inverse = real.power(positive, -1)
    exact = real.equal("divided by c", EXACT.lhs, EXACT.rhs, mean, inverse)
    final = derive.apply("fold-consequence", whole, power, exact, text="times gamma")
    derive.both(norm_rate(derive), derive.cite(lemma_1), final)


def balanced_at_three(claim, **values):
    """A variant at N = 3 with squared norms c, c, c."""
    setting = Assumption("real", "c > 0", below(0, c))
    varied = Statement(label="variant", title="variant", claim=claim, assumptions=(setting,))
    return varied, Witness(
        Instance(variables=tuple((name, Fraction(v)) for name, v in ({"gamma": 1} | values).items()))
    )


@control(corollary, breaks="exponent 2 - 2/N")
def exponent_two_minus_one_over_n():
    """P_r^(2 - 1/N), that is c^(N - 1/2), at N = 3."""
    return balanced_at_three(Identity(3 * gamma * c**2, 3 * gamma * c ** Fraction(5, 2)), c=4)


@control(corollary, breaks="factor N")
def factor_one_in_equation_7():
    """Factor 1 in place of N, at N = 3."""
    return balanced_at_three(Identity(3 * gamma * c**2, gamma * c**2), c=4)


@control(corollary, breaks="balanced")
def any_factors():
    """Without balance, at N = 3: squared norms 1, 1, 8."""
    return at_order_three(lambda a, b, d: Identity(of_q(a, b, d), 3 * gamma * g**2), **numbers())


rank_one = replace(
    corollary,
    id="RMC21-LemC-l",
    label="RMC21-LemC-l",
    kind="lemma",
    title="Balanced rank one trajectories: d/dt ||W_1|| = N gamma ||W_1||^(2 - 2/N)",
    source=Source("RMC21", "Theorem 2, proof sketch"),
    scope="all orders, shapes, losses; R = 1; all times at which W_1 is not 0",
    deviations=(
        *corollary.deviations[:2],
        "the case R = 1 of RMC21-Eq7, where P_1 = ||W_1||; the claim covers every R",
    ),
)


@proof(rank_one)
def from_equation_7(derive):
    derive.cite(corollary)


@control(rank_one, breaks="exponent 2 - 2/N")
def exponent_two():
    """P^2, that is c^N, at N = 3."""
    return balanced_at_three(Identity(3 * gamma * c**2, 3 * gamma * c**3), c=4)


@control(rank_one, breaks="factor N")
def factor_of_order_two():
    """Factor 2 in place of N, at N = 3."""
    return balanced_at_three(Identity(3 * gamma * c**2, 2 * gamma * c**2), c=4)


# -- inner products with outer products ----------------------------------------------------------------------------


def sides_of(before, after):
    """<A, u (x) v (x) w> and <[A]_(n) (u (x) w), v>; the modes before and after n are one index each."""
    tensor = Tensor("A", (before, "d", after))
    one, named, other = Tensor("u", (before,)), Tensor("v", ("d",)), Tensor("w", (after,))
    whole = (tensor["p", "i", "s"] * one["p"] * named["i"] * other["s"]).sum("p", "i", "s")
    column = (tensor["p", "i", "s"] * one["p"] * other["s"]).sum("p", "s")
    return whole, (column * named["i"]).sum("i")


inner_product = Statement(
    id="RMC21-LemC-a",
    label="RMC21-LemC-a",
    kind="lemma",
    title="<A, w^1 (x) ... (x) w^N> = <[A]_(n) (Kronecker product of the others), w^n>",
    source=Source("RMC21", "equation 4"),
    claim=Identity(*sides_of("before", "after")),
    scope="all orders, positions n, shapes",
    deviations=(
        "the modes before n are one index, and those after n another (u and w are the Kronecker products of their "
        "vectors): the unfolding and the Kronecker product use the same, lexicographic, order",
    ),
)


@proof(inner_product)
def by_the_order_of_summation(derive):
    derive.equal("the same sum", *sides_of("before", "after"))


@control(inner_product, breaks="order of the Kronecker product")
def decreasing_order():
    """The Kronecker product in decreasing order, with the same unfolding (where the sizes allow it)."""
    whole, _ = sides_of("e", "e")
    tensor, u, v, w_ = Tensor("A", ("e", "d", "e")), Tensor("u", ("e",)), Tensor("v", ("d",)), Tensor("w", ("e",))
    return Identity(whole, (tensor["p", "i", "s"] * w_["p"] * v["i"] * u["s"]).sum("p", "i", "s"))
