"""From a multiple of the identity, depth 2, the product stays symmetric and positive semidefinite (RC20 Proposition 4,
proof sketch).

Let W = A B with B = A^T at the start (W(0) = alpha I: A = B = sqrt(alpha) I). Where B = A^T the product A A^T is
symmetric, so that the loss gradient G is, too (as its observations are), and dB/dt = -A^T G = (-G B^T)^T = (dA/dt)^T.
So the flow stays where B = A^T: W = A A^T at all times, and dW/dt = -G B^T B - A A^T G = -(G W + W G).
"""

from fractions import Fraction

from theorytest import (
    All,
    Array,
    Assumption,
    AtStart,
    Block,
    Flow,
    Focus,
    Identity,
    Instance,
    Outcome,
    Parameterization,
    Product,
    Rate,
    Source,
    Statement,
    Witness,
    control,
    integrated,
    proof,
    sampled,
)
from theorytest.derive.scalar import Reals
from theorytest.enclose.determinant import determinant_flow
from theorytest.kernel.claim import Always, InWords, SymmetricGradient
from theorytest.kernel.scalar import Variable, scalar
from theorytest.models import HalfSum, deep_matrix_factorization

from .determinant_sign import exact_matrix

TWO_LAYERS = Parameterization(
    "product of two square matrices",
    Product((Block("A", (), ("i", "k")), Block("B", (), ("k", "j")))),
    ("i", "j"),
    (("i", "d"), ("k", "d"), ("j", "d")),
    "W = A B, square matrices of one size d",
)
flow = Flow(TWO_LAYERS, Focus())
A, B = TWO_LAYERS.letters(flow.focus).values()
G = TWO_LAYERS.gradient(flow.focus)
W = TWO_LAYERS.focus(flow.focus)
transposed = Identity(B["k", "j"], A["j", "k"])
square = (A["i", "k"] * A["j", "k"]).sum("k")
both_sides = -(
    (G.rename({"j": "k"}) * W.rename({"i": "k"})).sum("k") + (W.rename({"j": "k"}) * G.rename({"i": "k"})).sum("k")
)


def state(a, b, gradient=((1, 2), (2, 3))):
    """2x2 matrices A and B, and a loss gradient."""

    def matrix(rows):
        return Array((2, 2), tuple(Fraction(x) for row in rows for x in row))

    return Instance(sizes=(("d", 2),), blocks=(("A", matrix(a)), ("B", matrix(b))), gradient=matrix(gradient))


UNIT = ((1, 0), (0, 1))

symmetric = Statement(
    id="RC20-Prop4s",
    label="RC20-Prop4s",
    kind="lemma",
    title="From multiples of the identity, depth 2: W = A A^T at all times, and dW/dt = -(W grad + grad W)",
    source=Source("RC20", "Proposition 4, proof sketch"),
    assumptions=(
        Assumption(
            "loss",
            "where W is symmetric, so is the loss gradient (b12 = b21), which is locally Lipschitz",
            SymmetricGradient(TWO_LAYERS),
        ),
        Assumption("start", "B = A^T at the start, as for W(0) = alpha I, alpha > 0", AtStart(transposed, flow)),
    ),
    claim=All((Always(transposed, flow), Always(Identity(W, square), flow), Rate(W, both_sides, flow))),
    scope="all sizes, all losses with a symmetric gradient at symmetric matrices, all times",
    example=state(UNIT, UNIT),
    deviations=(
        "W = A A^T is symmetric and positive semidefinite; that it is definite is det W(t) > 0 (RC20-DetInv)",
        "for any start with B = A^T: the paper's are A = B = sqrt(alpha) I",
        "stated on the interval of existence (RMC21-fn4)",
    ),
)


@proof(symmetric)
def by_uniqueness(derive):
    loss, start = derive.assume("loss"), derive.assume("start")
    product = derive.inner(transposed)
    end = W.rename({"i": "j", "j": "i"})
    product.equal("W = A A^T is symmetric", W, end, using=product.given)
    still = derive.inner(transposed, Identity(G, G.rename({"i": "j", "j": "i"})))
    moved = (B["k", "j"] - A["j", "k"]).along(flow.velocities())
    known, mirror = still.given
    still.equal("both sides move alike", moved, moved * 0, using=(known, mirror))
    kept = derive.apply(
        "invariant-subspace", start, loss, data=(product.derivation(), still.derivation()), text="B = A^T at all times"
    )
    inner = derive.inner(transposed)
    inner.equal("W = A A^T", W, square, using=inner.given)
    whole = derive.apply("at-all-times", kept, data=(flow, inner.derivation()), text="W = A A^T at all times")
    rate = derive.rate(W, flow)
    inner = derive.inner(transposed)
    inner.equal("B^T B = A A^T = W", rate.claim.rate, both_sides, using=inner.given)
    equal = derive.apply("at-all-times", kept, data=(flow, inner.derivation()), text="the rate with B = A^T")
    derive.both(kept, whole, derive.replace(rate, equal, "dW/dt"))


@control(symmetric, breaks="start")
def negative_multiple():
    """alpha = -1: A = I and B = -I."""
    return None, Witness(state(UNIT, ((-1, 0), (0, -1))))


@control(symmetric, breaks="start")
def asymmetric_start():
    """A = B, not symmetric."""
    return None, Witness(state(((1, 1), (0, 1)), ((1, 1), (0, 1))))


@control(symmetric, breaks="loss")
def asymmetric_observations():
    """b12 and b21 are different, so that the gradient at W = I is not symmetric."""
    return None, Witness(state(UNIT, UNIT, ((0, 1), (2, 0))))


@control(symmetric, breaks="rate")
def one_side_alone():
    """grad W in place of W grad + grad W."""
    return Rate(W, -(G.rename({"j": "k"}) * W.rename({"i": "k"})).sum("k"), flow), Witness(state(UNIT, UNIT))


@sampled(symmetric)
def velocities_mirror_each_other(run):
    """At random A, B = A^T and symmetric gradients, the written-out velocities are transposes of each other, and the
    velocity of the product is -(G W + W G); exact."""
    seen = 0
    for size in (1, 2, 3):
        model = deep_matrix_factorization(size, size, depth=2)
        for number in range(5):
            one, draw = (exact_matrix(model.random(run.seed + 10 * number + k)["W[1]"]) for k in (1, 2))
            G_, W_ = draw + draw.transpose(), one * one.transpose()
            layers = {"W[2]": array_of(one), "W[1]": array_of(one.transpose())}
            slopes = model.gradients(layers, array_of(G_))
            left, right = exact_matrix(slopes["W[2]"]), exact_matrix(slopes["W[1]"])
            assert left == right.transpose()
            assert left * one.transpose() + one * right == G_ * W_ + W_ * G_
            seen += 1
    return Outcome(seen, "0", True, "exact")


def array_of(matrix):
    """A FLINT matrix as an exact array."""
    return Array((matrix.nrows(), matrix.ncols()), tuple(Fraction(int(x.p), int(x.q)) for x in matrix.entries()))


# -- the scalar system -------------------------------------------------------------------------------------------------

a, b, c = (Variable(name) for name in ("a", "b", "c"))
slope = ((scalar(0), b - 1), (b - 1, c))  # the gradient of RC20 equation 6 at ((a, b), (b, c))
point = ((a, b), (b, c))


def entry(i, j):
    """An entry of -(G W + W G)."""
    return -1 * sum((slope[i][k] * point[k][j] + point[i][k] * slope[k][j] for k in range(2)), start=scalar(0))


system = Statement(
    id="RC20-Prop4s",
    label="RC20-Prop4s/scalar",
    kind="lemma",
    title="In entries: da/dt = 2 b (1 - b), db/dt = (1 - b) (a + c) - b c, d ln det W/dt = -2 c",
    source=symmetric.source,
    claim=All(
        (
            Identity(entry(0, 0), 2 * b * (1 - b)),
            Identity(entry(0, 1), (1 - b) * (a + c) - b * c),
            Identity(entry(1, 0), entry(0, 1)),
            Identity(a * entry(1, 1) + c * entry(0, 0) - 2 * b * entry(0, 1), -2 * c * (a * c - b**2)),
        )
    ),
    scope="all symmetric 2x2 matrices ((a, b), (b, c))",
    deviations=("the last one is d/dt det W = -2 c det W, by the product rule",),
)


@proof(system)
def by_multiplication(derive):
    real = Reals(derive)
    derive.both(*(real.outright(real.equal("multiply out", p.lhs, p.rhs)) for p in system.claim.claims))


def at_point(**values):
    return Witness(Instance(variables=tuple((name, Fraction(x)) for name, x in values.items())))


@control(system, breaks="factor 2")
def half_the_velocity():
    """b (1 - b) in place of 2 b (1 - b)."""
    return Identity(entry(0, 0), b * (1 - b)), at_point(a=1, b=2, c=1)


@control(system, breaks="- b c")
def without_the_last_term():
    """Without - b c."""
    return Identity(entry(0, 1), (1 - b) * (a + c)), at_point(a=1, b=1, c=1)


# -- the loss tends to 0 -----------------------------------------------------------------------------------------------

converges = Statement(
    id="RC20-Prop4",
    label="RC20-Prop4",
    kind="proposition",
    title="From multiples of the identity, depth 2, the loss tends to 0",
    source=Source("RC20", "Proposition 4"),
    claim=InWords("RC20's problem, depth 2, balanced, W(0) = alpha I with 0 < alpha <= 1: l(t) tends to 0"),
    scope="0 < alpha <= 1",
    expected="SUPPORTED",
    expected_reason="followed along trajectories only; that W(t) is symmetric positive definite, and its scalar "
    "system, are proved (RC20-Prop4s)",
)


@integrated(converges)
def down_to_one_in_a_hundred(run):
    """alpha = 1, 1/10: the loss falls from t = 10 to t = 40 and t = 100, in coordinates that keep the sign of det W."""
    completion = HalfSum((((0, 1), 1), ((1, 0), 1), ((1, 1), 0)))
    losses = []
    for multiple in (Fraction(1), Fraction(1, 10)):
        path = determinant_flow(completion, ((multiple, 0), (0, multiple)), 100, digits=12, times=(10, 40, 100))
        if path.status != "done":
            return Outcome(0, "0", None, path.status)
        losses.append([float(completion.value(path.at(time))) for time in (10, 40, 100)])
    falling = all(a > b > c for a, b, c in losses)
    shown = ", ".join(f"{c:.4f}" for *_, c in losses)
    return Outcome(len(losses), "0", falling and max(c for *_, c in losses) < 0.01, f"losses at t = 100: {shown}", 12)
