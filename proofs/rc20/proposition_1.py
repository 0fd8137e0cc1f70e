"""RC20 Proposition 1: solutions of almost least norm have a bounded unobserved entry; for Schatten norms it is 0.

(a) On S = {w12 = w21 = 1, w22 = 0}: w11 E11 = W - (E12 + E21), so |w11| ||E11|| <= c (||W|| + c (||E12|| + ||E21||)).
(b) On S, with w = |w11| and s = sqrt(w^2 + 4): d/dw (sigma_1^p + sigma_2^p) = (p / s) (sigma_1^p - sigma_2^p) > 0 where
w > 0, for every p > 0.
"""

from fractions import Fraction

from theorytest import (
    All,
    Assumption,
    Definition,
    Inequality,
    Instance,
    Monotone,
    Outcome,
    Source,
    Statement,
    Witness,
    control,
    proof,
    sampled,
)
from theorytest.kernel.ball import ball, evaluate, precision
from theorytest.kernel.scalar import Exp, Ln, Variable, absolute, derivative, scalar

from .definitions import Given
from .singular_values import Solutions, sigma_1, sigma_2

w11, norm, least, slack, c = (Variable(name) for name in ("w11", "n", "inf", "eps", "c"))
e11, e12, e21, m = (Variable(name) for name in ("e11", "e12", "e21", "m"))
HALF = Fraction(1, 2)
modulus = absolute(w11)


def bounded(lhs, rhs):
    return Inequality(scalar(lhs), "<=", scalar(rhs))


NORM = Assumption(
    "quasi-norm",
    "n = ||W||, e_ij = ||E_ij|| and m = ||E12 + E21|| for a quasi-norm with constant c: it is homogeneous and "
    "meets the quasi-triangle inequality at w11 E11 = W - (E12 + E21) and at E12 + E21",
    All((bounded(0, c), bounded(modulus * e11, c * (norm + m)), bounded(m, c * (e12 + e21)))),
)
DEFINITE = Assumption("definite", "||E11|| > 0", Inequality(scalar(0), "<", e11))
ALMOST = Assumption("almost least", "||W|| <= inf ||.|| over the solutions + eps", bounded(norm, least + slack))


def case(value, **more):
    values = {"w11": value, "e11": 1, "e12": 1, "e21": 1, "c": 1, "m": 1, "inf": 1, "eps": 0, "n": 1} | more
    return Instance(variables=tuple((name, Fraction(x)) for name, x in values.items()))


interval = Statement(
    id="RC20-Prop1",
    label="RC20-Prop1/a",
    kind="proposition",
    title="Solutions within eps of the least norm have |w11| <= c (inf + eps + c (||E12|| + ||E21||)) / ||E11||",
    source=Source("RC20", "Proposition 1"),
    assumptions=(NORM, DEFINITE, ALMOST),
    claim=bounded(modulus, c * (least + slack + c * (e12 + e21)) / e11),
    scope="all solutions of the completion problem, all norms and quasi-norms, all eps",
    example=case(Fraction(1, 2)),
    deviations=(
        "the bounded interval is given: it depends on the quasi-norm and eps, not on W",
        "the quasi-norm enters through its values at the matrices of the proof and the instances of its axioms there",
    ),
)


@proof(interval)
def by_the_quasi_triangle_inequality(derive):
    given = Given(derive)
    real = given.real
    positive, first, second = given.take("quasi-norm")
    unit, almost = given.take("definite"), given.take("almost least")
    inverse = real.power(unit, -1)
    size = given.modulus(w11)
    parts = [(1, 1, (first, inverse)), (1, 1, (positive, almost, inverse)), (1, 1, (positive, second, inverse))]
    given.finish(
        real.at_most(
            "divided by ||E11||", modulus, interval.claim.rhs, positive, first, second, almost, inverse, size, by=parts
        )
    )


@control(interval, breaks="almost least")
def any_solution():
    """Without almost least norm."""
    return None, Witness(case(100, n=100))


@control(interval, breaks="definite")
def without_definiteness():
    """||E11|| = 0: W -> max(|w12|, |w21|, |w22|) is no norm, and w11 is free."""
    return None, Witness(case(100, e11=0))


@control(interval, breaks="quasi-norm")
def any_number():
    """n is any number."""
    return None, Witness(case(100, n=0))


@control(interval, breaks="bounded interval")
def only_zero():
    """The interval is {0}: the largest entry as the norm, eps = 1."""
    return bounded(modulus, 0), Witness(case(HALF, eps=1))


@control(interval, breaks="least norm at 0 for Schatten norms only")
def least_norm_at_zero_for_every_norm():
    """For the norm |w11 - w12| + |w12| + |w21| + |w22| the least norm on S is 2, at w11 = 1."""
    return bounded(modulus, 0), Witness(case(1, n=2, inf=2, e11=1, e12=2, e21=1, m=3))


# -- Schatten norms ------------------------------------------------------------------------------------------------

p = Variable("p")


def schatten_sum(first=sigma_1, second=sigma_2):
    """sigma_1^p + sigma_2^p, written with exp and ln: p is any number; w stands for |w11|."""
    return Exp(p * Ln(first)) + Exp(p * Ln(second))


schatten_norms = Statement(
    id="RC20-fn5",
    label="RC20-fn5",
    kind="definition",
    title="Schatten norms and quasi-norms: (sigma_1^p + sigma_2^p)^(1/p)",
    source=Source("RC20", "footnote 5"),
    claim=Definition(schatten_sum()),
    scope="all p in (0, infinity), over the solutions of the completion problem",
    expected="DEFINED",
    deviations=(
        "the p-th power, at the solutions with |w11| = w, where the singular values are those of RC20-Prop2s; for "
        "p = infinity the norm is the largest singular value; that 2^(1/p - 1) is enough as constant for p < 1 is "
        "cited",
    ),
)


@sampled(schatten_norms)
def the_frobenius_norm_at_two(run):
    """p = 2 gives w^2 + 2, the squared Frobenius norm; p = 1 gives sqrt(w^2 + 4), whose square is that plus 2 |det|."""
    seen = 0
    for k in range(25):
        x = Fraction(k * k, 7)
        with precision(200):
            two, one = (ball(evaluate(schatten_sum(), {"w": x, "p": Fraction(q)})) for q in (2, 1))
            assert abs(two - ball(x * x + 2)) < 1e-50 and abs(one * one - ball(x * x + 4)) < 1e-50
        seen += 2
    return Outcome(seen, "0", True, "p = 1 and p = 2 in balls of 200 bits")


diagonal = Variable("s")


@control(schatten_norms, breaks="quasi-norm for p < 1")
def norm_for_small_p():
    """p = 1/2 with c = 1: ||E11 + s E22|| <= ||E11|| + ||s E22|| fails, (1 + sqrt(s))^2 > 1 + s."""
    return bounded((1 + diagonal**HALF) ** 2, 1 + diagonal), Witness(Instance(variables=(("s", Fraction(4)),)))


@control(schatten_norms, breaks="c = 2^(1/p - 1)")
def smaller_constant():
    """p = 1/2 with c = 199/100 in place of 2, at E11 + E22."""
    claim = bounded((1 + diagonal**HALF) ** 2, Fraction(199, 100) * (1 + diagonal))
    return claim, Witness(Instance(variables=(("s", Fraction(1)),)))


schatten = Statement(
    id="RC20-Prop1",
    label="RC20-Prop1/b",
    kind="proposition",
    title="Schatten norms grow strictly with |w11| over the solutions, so that they are least at w11 = 0 alone",
    source=Source("RC20", "Proposition 1"),
    assumptions=(Assumption("exponent", "p > 0", Inequality(scalar(0), "<", p)),),
    claim=All(
        (
            Monotone(schatten_sum(), "w", "increasing", Fraction(0)),
            Monotone(sigma_1, "w", "increasing", Fraction(0)),
        )
    ),
    scope="all p in (0, infinity]",
    example=Instance(variables=(("p", HALF),)),
    deviations=(
        "w stands for |w11|; the singular values are those of RC20-Prop2s; the Schatten quasi-norm is the 1/p-th power "
        "of the first function, and for p = infinity it is the second",
    ),
)


@proof(schatten)
def by_the_derivative(derive):
    on = Solutions(derive)
    real = on.real
    positive = derive.assume("exponent")
    exponent = real.suppose(positive.claim)
    half = Fraction(1, 2)
    first = real.less(
        "sigma_1 > 0", 0, sigma_1, on.s_positive, on.closed, by=[(half, 1, (on.s_positive,)), (half, 1, (on.closed,))]
    )
    second = real.less("sigma_2 > 0", 0, sigma_2, on.below, by=[(half, 1, (on.below,))])
    tangents = [real.ln_upper(fact) for fact in (first, second)]
    powers = [
        real.exp_positive(real.defined(p * Ln(value), fact))
        for value, fact in zip((sigma_1, sigma_2), tangents, strict=True)
    ]
    defined = real.defined(schatten_sum(), *powers)
    inside = [on.within(fact) for fact in (first, second, *tangents, *powers)]
    apart = real.less(
        "sigma_2 < sigma_1 where w > 0", sigma_2, sigma_1, on.inside, on.s_positive, by=[(1, 1, (on.inside,))]
    )
    logarithms = real.ln_increasing(inside[1], apart)
    scaled = real.less(
        "p ln sigma_2 < p ln sigma_1",
        p * Ln(sigma_2),
        p * Ln(sigma_1),
        logarithms,
        exponent,
        by=[(1, 1, (logarithms, exponent))],
    )
    gap = derive.apply("exp-increasing", scaled, text="exp increases")
    inverses = [on.within(real.power(fact, -1)) for fact in (first, second)]
    slope = real.less(
        "the derivative is (p / s) (sigma_1^p - sigma_2^p)",
        0,
        derivative(schatten_sum(), "w"),
        on.s_positive,
        on.base_inverse,
        gap,
        exponent,
        *inverses,
        by=[(1, 1, (exponent, on.s_positive, on.base_inverse, gap))],
    )
    grows = real.monotone(schatten.claim.claims[0], defined, slope)
    top = real.less(
        "d sigma_1 / dw > 0",
        0,
        derivative(sigma_1, "w"),
        on.s_positive,
        on.base_inverse,
        on.inside,
        by=[(half, 1, ()), (half, 1, (on.s_positive, on.base_inverse, on.inside))],
    )
    spectral = real.monotone(schatten.claim.claims[1], real.defined(sigma_1, first), top)
    derive.both(real.outright(grows, positive), real.outright(spectral))


def at_p(value, *data):
    return Witness(Instance(variables=(("p", Fraction(value)),)), tuple(map(Fraction, data)))


@control(schatten, breaks="exponent")
def any_exponent():
    """p = 0: the sum is 2 everywhere."""
    return None, at_p(0, 0, 1)


@control(schatten, breaks="p > 0")
def negative_exponent():
    """p = -1: (sigma_1^p + sigma_2^p)^(1/p) falls."""
    return Monotone(schatten_sum() ** -1, "w", "increasing", Fraction(0)), at_p(1, 0, 1)


@control(schatten, breaks="increasing")
def decreasing():
    """Decreasing."""
    return Monotone(schatten_sum(), "w", "decreasing", Fraction(0)), at_p(HALF, 0, 1)


@control(schatten, breaks="Schatten norms")
def smaller_singular_value():
    """sigma_2 in place of all singular values."""
    return Monotone(sigma_2, "w", "increasing", Fraction(0)), at_p(1, 0, 1)
