"""RC20 along flows of instances: certified enclosures of the flow from exact starts, depth 2, 3 and 4.

The theorems of the paper are proved for all starts elsewhere. Here their quantities are followed on instances: every
enclosure is a flowpipe that the kernel checks step by step.
"""

from theorytest import All, Source, Statement, certified, control
from theorytest import quantity as q
from theorytest.gradient_flow import GradientFlow
from theorytest.models import HalfSum, deep_matrix_factorization

half_sum = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
twice_the_loss = (q.entry(1, 2) - 1) ** 2 + (q.entry(2, 1) - 1) ** 2 + q.entry(2, 2) ** 2


def flow(depth):
    return GradientFlow(deep_matrix_factorization(2, 2, depth=depth), half_sum)


def layers(depth, scale):
    return {f"W[{k}]": [[scale, 0], [0, scale]] for k in range(1, depth + 1)}


def along(comparison, *cases):
    """The comparison along the flows of these depths, from layers of these scales, up to these times."""
    return All(tuple(flow(d).throughout(layers(d, scale), comparison, until) for d, scale, until in cases))


sign = Statement(
    id="RC20-DetInv",
    label="RC20-DetInv/flow",
    kind="lemma",
    title="det W stays positive along the flow",
    source=Source("RC20", "Theorem 1, proof sketch"),
    claim=along(q.determinant() > 0, (2, "1/10", 100), (3, "1/10", 8)),
    scope="2x2, layers 1/10 I, depth 2 and 3",
    expected="CERTIFIED",
    deviations=("on two instances, up to a finite time; for all starts and times it is proved as RC20-DetInv",),
)


@certified(sign)
def sign_by_flowpipes(run):
    from theorytest.enclose.flowpipe import certificate

    return certificate(sign.claim, digits=40)


@control(sign, breaks="0")
def away_from_zero():
    """det W stays above 1/1000"""
    return along(q.determinant() > "1/1000", (2, "1/10", 10))


distance = Statement(
    id="RC20-Thm1",
    label="RC20-Thm1/flow",
    kind="theorem",
    title="Along the flow the distance from infimal rank is at most 3 sqrt(2) sqrt(loss)",
    source=Source("RC20", "Theorem 1, equation 10"),
    claim=along(q.singular_value(2) <= 3 * q.sqrt(twice_the_loss), (2, "1/10", 20), (4, "3/10", 3)),
    scope="2x2, depth 2 from layers 1/10 I, depth 4 from layers 3/10 I",
    expected="CERTIFIED",
    deviations=("on two instances, up to a finite time; for all starts and times it is proved as RC20-Thm1",),
)


@certified(distance)
def distance_by_flowpipes(run):
    from theorytest.enclose.flowpipe import certificate

    return certificate(distance.claim, digits=20)


@control(distance, breaks="3")
def a_far_smaller_constant():
    """the distance is at most sqrt(2 loss) / 1000"""
    return along(q.singular_value(2) <= q.sqrt(twice_the_loss) / 1000, (2, "1/10", 1))


fit = Statement(
    id="RC20-Prop4",
    label="RC20-Prop4/flow",
    kind="proposition",
    title="From W(0) = I / 100 the loss first falls to 1/100 between t = 72 and 73, and w11 has grown beyond 5",
    source=Source("RC20", "Proposition 4"),
    claim=All(
        (
            flow(2).first_time(layers(2, "1/10"), q.equal(twice_the_loss, "2/100"), 72, 73),
            flow(2).throughout(layers(2, "1/10"), q.entry(1, 1) > 5, 100, start=50),
        )
    ),
    scope="2x2, depth 2, layers 1/10 I",
    expected="CERTIFIED",
    deviations=(
        "the paper states the limit; here a level of the loss on one instance, with the time at which it is met",
    ),
)


@certified(fit)
def fit_by_flowpipes(run):
    from theorytest.enclose.flowpipe import certificate

    return certificate(fit.claim, digits=20)


@control(fit, breaks="time")
def sooner():
    """the loss falls below 1/100 before t = 10"""
    return flow(2).first_time(layers(2, "1/10"), q.equal(twice_the_loss, "2/100"), 0, 10)
