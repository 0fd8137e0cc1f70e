"""The reference sphere: where the gradient of the Huber loss is constant (RMC21 Assumption 1, equation 10), and its
counterpart for tensor sensing.

An entry of W is at most ||W|| in size, and a measurement <A, W> at most ||A|| ||W||. So in the ball ||W|| <= rho with
rho ||A|| < |y| - delta every residual keeps its sign and stays at least delta in size (RMC21-LemC-h).
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import All, Assumption, Identity, Inequality, Source, Statement, Tensor, Witness, control, proof, zero
from theorytest.derive.scalar import Reals
from theorytest.kernel.rules import Square
from theorytest.kernel.scalar import Variable, absolute, scalar

from .corollary_1 import balanced_start, state, vanishing, whole
from .escape import at
from .huber import BELOW, INSIDE, AtZero, W, assumed, bounded, clipped, constant_gradient, d, y
from .lemma_1 import lemma_1
from .lipschitz import letters
from .theorem_1 import below, rank_one, theorem

n, rho, a = Variable("n"), Variable("rho"), Variable("a")

# -- assumption 1 ------------------------------------------------------------------------------------------------------

at_zero = Statement(
    id="RMC21-As1",
    label="RMC21-As1",
    kind="hypothesis",
    title="0 < delta < |y|: at W = 0 the derivative of the Huber loss has the size delta at every observed entry",
    source=Source("RMC21", "Assumption 1"),
    assumptions=(BELOW,),
    claim=Identity(clipped(-1 * y) ** 2, d**2),
    scope="all real observations",
    example=at(delta=Fraction(1, 5), y=-1).instance,
    deviations=("the assumption itself, with what it is used for",),
)


@proof(at_zero)
def by_the_sign_of_the_observation(derive):
    AtZero(derive).in_both_cases()


@control(at_zero, breaks="below")
def small_observation():
    """|y| <= delta: the derivative is -y."""
    return None, at(delta=1, y=Fraction(1, 2))


@control(at_zero, breaks="square")
def one_sign_of_the_derivative():
    """The derivative is -delta, whatever the sign of y."""
    return Identity(clipped(-1 * y), -1 * d), Witness(at_zero.example)


# -- the reference sphere ----------------------------------------------------------------------------------------------

IN_BALL = Assumption("ball", "0 <= n <= rho", All((bounded(0, n), bounded(n, rho))))


def setting(factor, measured, radius):
    """What is assumed of an entry or a measurement W, at most factor * n in size."""
    return (
        BELOW,
        Assumption("measured", measured, bounded(W**2, (factor * n) ** 2)),
        IN_BALL,
        Assumption("radius", radius, below(factor * rho, absolute(y) - d)),
    )


def in_the_ball(derive, factor):
    """|W| <= factor * n <= factor * rho < |y| - delta."""
    real = Reals(derive)
    facts = assumed(derive, "measured", "ball", *(["size"] if factor == a else []), "radius")
    measured, size, near, *sign, radius = (real.suppose(fact.claim) for fact in facts)
    norm = sign[0] if sign else real.at_most("0 <= 1", 0, factor)
    modulus = real.power(real.at_most("a square", 0, W**2, real.real(0), by=[(1, W, ())]), Fraction(1, 2))
    bound = real.at_most(
        "|W| is at most its bound", absolute(W), factor * n, measured, modulus, size, norm,
        scale=[(2, 1, (norm, size))], by=[(1, factor * n - absolute(W), ()), (1, 1, (measured,))],
    )  # fmt: skip
    goal = INSIDE.formula
    by = [(1, 1, (bound,)), (1, 1, (norm, near)), (1, 1, (radius,))]
    inner = real.at_most("it is inside", goal.lhs, goal.rhs, bound, norm, near, radius, by=by)
    return derive.cite(constant_gradient, derive.assume("below"), real.outright(inner, *facts))


sphere = Statement(
    id="RMC21-Eq10",
    label="RMC21-Eq10",
    kind="definition",
    title="On ||W|| <= rho < min |y| - delta the gradient of the Huber loss is constant",
    source=Source("RMC21", "equation 10"),
    assumptions=setting(scalar(1), "an entry W of the end tensor is at most its norm n in size", "rho < |y| - delta"),
    claim=constant_gradient.claim,
    scope="all real observations with 0 < delta < |y|, every entry",
    example=at(delta=Fraction(1, 5), y=1, W=Fraction(1, 2), n=Fraction(1, 2), rho=Fraction(1, 2)).instance,
    deviations=("the sphere ||W|| = rho with the ball in it", *constant_gradient.deviations),
)
ball_of_sensing = Statement(
    id="RMC21-AppA",
    label="RMC21-AppA/ball",
    kind="lemma",
    title="Tensor sensing: the loss gradient is constant on ||W|| <= rho if rho ||A_i|| < |y_i| - delta",
    source=Source("RMC21", "Appendix A"),
    assumptions=(
        *setting(
            a,
            "|<A, W_e>| <= ||A|| ||W_e|| = a n (Cauchy and Schwarz), for the measurement W = <A, W_e>",
            "a rho < |y| - delta",
        ),
        Assumption("size", "a = ||A|| >= 0", bounded(0, a)),
    ),
    claim=constant_gradient.claim,
    scope="all measurements of norm a, all observations with 0 < delta < |y|",
    example=at(delta=Fraction(1, 5), y=1, W=Fraction(1, 2), a=2, n=Fraction(1, 4), rho=Fraction(1, 4)).instance,
    deviations=(
        "our own statement, for one measurement: the gradient of the mean loss is the mean of these derivatives times "
        "the measurement tensors",
    ),
)


@proof(sphere)
def an_entry_is_at_most_the_norm(derive):
    in_the_ball(derive, scalar(1))


@proof(ball_of_sensing)
def a_measurement_is_at_most_the_product_of_norms(derive):
    in_the_ball(derive, a)


@control(sphere, breaks="radius")
def any_radius():
    """rho >= |y| - delta."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, n=1, rho=1)


@control(sphere, breaks="measured")
def any_entry():
    """An entry that exceeds the norm."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, n=0, rho=Fraction(1, 2))


@control(sphere, breaks="ball")
def outside_the_sphere():
    """Outside the ball."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, n=1, rho=Fraction(1, 2))


@control(sphere, breaks="below")
def any_observation():
    """Without 0 < delta < |y|."""
    return None, at(delta=-1, y=0, W=0, n=0, rho=0)


@control(ball_of_sensing, breaks="radius")
def radius_of_completion():
    """The radius of completion, rho < |y| - delta, for a measurement of norm 2."""
    weak = Assumption("weak", "rho < |y| - delta", below(rho, absolute(y) - d))
    kept = tuple(known for known in ball_of_sensing.assumptions if known.label != "radius")
    varied = replace(ball_of_sensing, assumptions=(*kept, weak))
    return varied, at(delta=Fraction(1, 5), y=1, W=1, a=2, n=Fraction(1, 2), rho=Fraction(1, 2))


@control(ball_of_sensing, breaks="measured")
def any_measurement():
    """A measurement that exceeds ||A|| ||W||."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, a=1, n=0, rho=Fraction(1, 2))


@control(ball_of_sensing, breaks="ball")
def outside_the_ball():
    """Outside the ball."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, a=1, n=1, rho=Fraction(1, 2))


@control(ball_of_sensing, breaks="size")
def negative_norm():
    """A factor that is no norm."""
    return None, at(delta=Fraction(1, 5), y=1, W=1, a=-1, n=1, rho=1)


@control(ball_of_sensing, breaks="below")
def any_transition_point():
    """Without 0 < delta < |y|."""
    return None, at(delta=-1, y=0, W=0, a=1, n=0, rho=0)


# -- tensor sensing ----------------------------------------------------------------------------------------------------

A, V = Tensor("A", ("D",)), Tensor("V", ("D",))
PAIRED = Inequality(
    (A["k"] * V["k"]).sum("k") * (A["k"] * V["k"]).sum("k"),
    "<=",
    (A["k"] * A["k"]).sum("k") * (V["k"] * V["k"]).sum("k"),
)

unchanged = Statement(
    id="RMC21-AppA",
    label="RMC21-AppA",
    kind="extension",
    title="Tensor sensing: Lemma 1, Theorem 1 and Corollary 1 hold unchanged; measurements are at most ||A|| ||W||",
    source=Source("RMC21", "Appendix A"),
    assumptions=whole.assumptions,
    claim=All((lemma_1.claim, theorem.claim, whole.claim, PAIRED)),
    scope="all orders, ranks, shapes, losses and measurement tensors",
    example=whole.example,
    deviations=(
        "our own statement; the sensing loss mean_i l(<A_i, W> - y_i) is a loss of the end tensor, and the theorems "
        "hold for every such loss",
        *whole.deviations,
        "the region where the gradient of the Huber loss is constant is RMC21-AppA/ball; that it is not 0 is assumed "
        "in addition (control zero_gradient)",
    ),
)


@proof(unchanged)
def of_every_loss(derive):
    wedge = A["k"] * V["l"] - A["l"] * V["k"]
    half = Square(wedge * Fraction(1, 2), ("k", "l"))
    paired = derive.at_most("Cauchy and Schwarz (Lagrange's identity)", PAIRED.lhs, PAIRED.rhs, (), [half, half])
    assumed = [derive.assume(label) for label in ("balanced", "order")]
    derive.both(derive.cite(lemma_1), derive.cite(theorem), derive.cite(whole, *assumed), paired)


@control(unchanged, breaks="balanced")
def unbalanced_sensing():
    """Corollary 1 without balance."""
    return whole.claim, state(0, 1)


@control(unchanged, breaks="order")
def order_one_sensing():
    """The second part of Corollary 1 at N = 1."""
    return vanishing.claim, state(0)


@control(unchanged, breaks="gradient at 0")
def zero_gradient():
    """That the gradient at 0 is not 0, for two measurements that are not 0: A and -A."""
    gradient = A["k"] + V["k"]
    claim = Inequality(zero(), "<", (gradient * gradient).sum("k"))
    return Statement(label="variant", title="variant", claim=claim), letters(A=[1, 0], V=[-1, 0])


# -- rank one trajectories ---------------------------------------------------------------------------------------------

trajectories = Statement(
    id="RMC21-Def-R1T",
    label="RMC21-Def-R1T",
    kind="definition",
    title="Rank one trajectories: the case R = 1; balanced ones stay balanced, and move by the balanced rate",
    source=Source("RMC21", "Section 4"),
    assumptions=balanced_start.assumptions,
    claim=All((balanced_start.claim, rank_one.claim)),
    scope="all orders, shapes, losses; R = 1",
    example=balanced_start.example,
    deviations=rank_one.deviations,
)


@proof(trajectories)
def of_one_component(derive):
    derive.both(derive.cite(balanced_start, derive.assume("balanced")), derive.cite(rank_one))


@control(trajectories, breaks="balanced")
def unbalanced_trajectory():
    """An unbalanced start."""
    return balanced_start.claim, state(1, 2, 1, n=1, m=2)
