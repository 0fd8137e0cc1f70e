"""RMC21 along a flow of an instance: Huber loss, 2x2x2, two components from an unbalanced start.

The law is proved for all starts in `lemma_1`; here the flow itself is enclosed, over the kinks of its loss, and the
kernel checks every step.
"""

from fractions import Fraction

from theorytest import All, Source, Statement, certified, control
from theorytest import quantity as q
from theorytest.gradient_flow import GradientFlow
from theorytest.models import Huber, cp

flow = GradientFlow(cp((2, 2, 2), rank=2), Huber({(0, 0, 0): 1, (1, 1, 0): "1/2", (0, 1, 1): "-1/4"}, "1/3"))
start = {f"w[{n}]": [["1/2", f"1/{n + 1}"], ["-1/3", "1/4"]] for n in (1, 2, 3)}
DIGITS = Fraction(1, 10**15)


def change(component, one, other):
    """How much ||w_r^one||^2 - ||w_r^other||^2 differs from its value at the start."""
    before = sum(Fraction(x) ** 2 for x in start[f"w[{one}]"][component - 1])
    before -= sum(Fraction(x) ** 2 for x in start[f"w[{other}]"][component - 1])
    return q.squared_slice_norm(f"w[{one}]", 1, component) - q.squared_slice_norm(f"w[{other}]", 1, component) - before


changes = [change(1, 1, 2), change(1, 2, 3), change(2, 1, 3)]
conserved = Statement(
    id="RMC21-Lem1",
    label="RMC21-Lem1/flow",
    kind="lemma",
    title="Differences of squared norms change by less than 10^-15 up to t = 5",
    source=Source("RMC21", "Lemma 1"),
    claim=All(tuple(flow.throughout(start, sign * c <= DIGITS, 5) for c in changes for sign in (1, -1))),
    scope="CP 2x2x2, two components, Huber loss with transition point 1/3",
    expected="CERTIFIED",
    deviations=("on one instance, to 15 digits; for all starts, times and losses it is proved as RMC21-Lem1",),
)


@certified(conserved)
def by_a_flowpipe(run):
    from theorytest.enclose.flowpipe import certificate

    return certificate(conserved.claim, digits=20)


@control(conserved, breaks="difference")
def of_one_norm():
    """the squared norm of one vector changes by less than 10^-15"""
    before = sum(Fraction(x) ** 2 for x in start["w[1]"][0])
    return flow.throughout(start, q.squared_slice_norm("w[1]", 1, 1) - before <= DIGITS, 1)
