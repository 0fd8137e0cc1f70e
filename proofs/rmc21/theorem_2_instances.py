"""RMC21 Theorem 2 on certified trajectories: order 3, two components, two observed entries, Huber loss.

The entries (1, 1, 1) and (2, 2, 2) are observed to be 1, delta = 1/5. Minus the gradient at 0 has two entries 1/10, so
its norm M is sqrt(2) / 10, and g = 1/10 for the component along (1, 1, 1). Its factors start with norm 2 alpha, those
of the component along (2, 2, 2) with norm alpha: 2 > (M / g)^(1/(N-2)) = sqrt(2), as Assumption 3 asks.
"""

from fractions import Fraction

from theorytest import All, Source, Statement, certified, control
from theorytest import quantity as q
from theorytest.enclose.flowpipe import certificate
from theorytest.gradient_flow import GradientFlow
from theorytest.models import Huber, array, cp

flow = GradientFlow(cp((2, 2, 2), rank=2), Huber({(0, 0, 0): 1, (1, 1, 1): 1}, Fraction(1, 5)))
HALF = Fraction(1, 2)
SPHERE = q.equal(q.squared_norm(), HALF**2)  # the reference sphere, rho = 1/2


def start(alpha, lead=2, other=1):
    """Balanced factors of norms alpha lead and alpha other, along the first and the second axis."""
    block = array([[alpha * lead, 0], [0, alpha * other]])
    return {f"w[{n}]": block for n in (1, 2, 3)}


def reached(alpha, earliest, latest):
    """The end tensor reaches the sphere, the second component still of the order alpha^3, and the first one leads."""
    theta = start(alpha)
    return (
        flow.first_time(theta, SPHERE, earliest, latest),
        flow.throughout(theta, q.component_norm(2) <= 5 * alpha**3, latest),
        flow.throughout(theta, q.component_norm(1) >= HALF, latest, start=latest),
    )


followed = Statement(
    id="RMC21-Thm2",
    label="RMC21-Thm2/instances",
    kind="theorem",
    title="Two small starts: the sphere is reached with one leading component, which is then followed",
    source=Source("RMC21", "Theorem 2"),
    claim=All(
        (
            *reached(Fraction(1, 4), 7, 8),
            *reached(Fraction(1, 8), 27, 28),
            flow.throughout(start(Fraction(1, 8)), q.component_norm(2) <= Fraction(1, 10), 45),
            flow.throughout(start(Fraction(1, 8)), q.absolute(q.entry(1, 1, 1) - 1) <= Fraction(1, 10), 45, start=40),
        )
    ),
    expected="CERTIFIED",
    deviations=(
        "certified on these starts alone: the rank one trajectory from the sphere along the first axis tends to the "
        "tensor with the entry 1, and the end tensor is within 1/10 of it from t = 40 to 45, with a second component "
        "below 1/10",
    ),
)


@certified(followed)
def by_flowpipes(run):
    return certificate(followed.claim, digits=10)


@control(followed, breaks="Assumption 3")
def no_gap():
    """Components of equal size: both escape."""
    theta = start(Fraction(1, 4), 1, 1)
    return flow.throughout(theta, q.component_norm(2) <= Fraction(1, 10), 20)


@control(followed, breaks="order alpha^3")
def smaller_order():
    """alpha^4 in place of alpha^3."""
    alpha = Fraction(1, 8)
    return flow.throughout(start(alpha), q.component_norm(2) <= 5 * alpha**4, 28)


# -- two trajectories from one sphere ----------------------------------------------------------------------------------

line = GradientFlow(cp((1, 1, 1), rank=1), Huber({(0, 0, 0): 1}, Fraction(1, 5)))


def point(*factors):
    """The rank one tensor with these entries as factors."""
    return {f"w[{n}]": array([[factor]]) for n, factor in enumerate(factors, 1)}


SIDE = Fraction(3, 4)  # the sphere of radius 27/64 < 4/5
NEAR = Fraction(1, 10**6)
UPHILL, DOWNHILL = point(SIDE, SIDE, SIDE), point(SIDE, SIDE, -SIDE)

apart = Statement(
    id="RMC21-Cor2",
    label="RMC21-Cor2/instances",
    kind="corollary",
    title="Order 3, one entry, y = 1: from 27/64 the trajectory comes close to 1, from -27/64 close to 0",
    source=Source("RMC21", "Corollary 2"),
    claim=All(
        (
            line.throughout(UPHILL, q.entry(1, 1, 1) >= 1 - NEAR, 20, start=15),
            line.throughout(UPHILL, q.entry(1, 1, 1) <= 1 + NEAR, 20, start=15),
            line.throughout(DOWNHILL, q.norm() <= Fraction(1, 50), 20, start=15),
        )
    ),
    expected="CERTIFIED",
    deviations=(
        "both start on the reference sphere of radius 27/64; see RMC21-Cor2/vacuous for all orders and shapes",
    ),
)


@certified(apart)
def by_two_flowpipes(run):
    return certificate(apart.claim, digits=10)


@control(apart, breaks="aligned start")
def one_limit():
    """The same limit from the other side of the sphere."""
    return line.throughout(DOWNHILL, q.entry(1, 1, 1) >= HALF, 20, start=15)
