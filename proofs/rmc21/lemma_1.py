"""Differences between squared norms of one component's factors are conserved (RMC21 Lemma 1, Definition 1).

In a CP factorization of any order N and rank R, name one component r (a free index) and two of its factors, w_r^n and
w_r^m. All other factors are grouped. Both squared norms move at the rate 2 <-grad, component r>, whatever the loss.
"""

from fractions import Fraction

from theorytest import (
    CP,
    Array,
    Assumption,
    Conserved,
    Descent,
    Flow,
    Focus,
    Instance,
    Source,
    Statement,
    Tensor,
    control,
    proof,
)
from theorytest.kernel.claim import LargestConserved, ReadConserved, Reading
from theorytest.kernel.scalar import Variable, sqrt
from theorytest.models import cp
from theorytest.trials import of_a_law

flow = Flow(CP, Focus(modes=("n", "m")))
w_n, w_m = CP.letters(flow.focus).values()


def squared_norm(w: Tensor, row: str = "r"):
    """||w_r||^2, with r free."""
    return (w[row, "i"] * w[row, "i"]).sum("i")


unbalancedness = squared_norm(w_n) - squared_norm(w_m)

lemma_1 = Statement(
    id="RMC21-Lem1",
    label="RMC21-Lem1",
    kind="lemma",
    title="Differences of squared norms within a component are conserved",
    source=Source("RMC21", "Lemma 1"),
    assumptions=(
        Assumption("loss", "the loss of the end tensor is differentiable; its gradient is arbitrary"),
        Assumption("flow", "all factors follow gradient flow at the same speed, without weight decay"),
    ),
    claim=Conserved(unbalancedness, flow),
    scope="all orders, ranks, shapes, losses",
    deviations=(
        "stated on the interval of existence: for a loss that is unbounded below the flow may end (RMC21-fn4)",
    ),
)


@proof(lemma_1)
def by_the_product_rule(derive):
    n = derive.rate(squared_norm(w_n), flow, "d/dt ||w_r^n||^2 = 2 <-grad, component r>")
    m = derive.rate(squared_norm(w_m), flow, "d/dt ||w_r^m||^2 is the same")
    derive.equal("both rates agree", n.claim.rate, m.claim.rate)
    derive.conserved(unbalancedness, flow)


tried = of_a_law(lemma_1, cp((2, 3, 2), rank=2), cp((3, 2), rank=2))

definition_1 = Statement(
    id="RMC21-Def1",
    label="RMC21-Def1",
    kind="definition",
    title="The unbalancedness magnitude is constant in time",
    source=Source("RMC21", "Definition 1"),
    assumptions=lemma_1.assumptions,
    claim=LargestConserved((lemma_1.claim,)),
    scope=lemma_1.scope,
    deviations=(
        *lemma_1.deviations,
        "the magnitude is the largest absolute value, over r, n and m, of the differences that Lemma 1 conserves "
        "(theorytest.models.quantities.unbalancedness_magnitude computes it)",
    ),
)


@proof(definition_1)
def from_lemma_1(derive):
    derive.apply("largest-conserved", derive.cite(lemma_1), text="so is the largest one")


def order_two(*components):
    """A state of order 2 with one entry: for each component its two factors; the loss gradient is 1."""
    sizes = (("N", 2), ("R", len(components)), ("d", (1, 1)))
    blocks = tuple(
        (f"w[{n}]", Array((len(components), 1), tuple(map(Fraction, factors))))
        for n, factors in enumerate(zip(*components, strict=True), 1)
    )
    return Instance(sizes, (("n", 1), ("m", 2)), blocks, Array((1, 1), (Fraction(1),)))


@control(definition_1, breaks="pairs within one component")
def across_components_too():
    """The largest difference over all pairs of factors, of different components as well."""
    across = Conserved(squared_norm(w_n, "r") - squared_norm(w_m, "s"), flow)
    return LargestConserved((across,)), order_two((3, 1), (0, 0))


@control(definition_1, breaks="flow")
def one_faster_factor():
    """One factor moves at twice the speed."""
    faster = Flow(CP, flow.focus, speeds=((w_n.name, Fraction(2)),))
    return LargestConserved((Conserved(unbalancedness, faster),)), order_two((2, 1))


def unsquared():
    """The difference of the norms themselves, and a state at which it moves."""
    norms = Reading((("x", squared_norm(w_n)), ("y", squared_norm(w_m))), flow)
    return ReadConserved(sqrt(Variable("x")) - sqrt(Variable("y")), norms), order_two((2, 1))


@control(definition_1, breaks="square")
def unsquared_magnitude():
    """Differences of the norms themselves."""
    return unsquared()


@control(lemma_1, breaks="component")
def across_components():
    """||w_r^n||^2 - ||w_s^n||^2 of two components."""
    return Conserved(squared_norm(w_n, "r") - squared_norm(w_n, "s"), flow)


@control(lemma_1, breaks="flow")
def unequal_speeds():
    """One factor moves at twice the speed."""
    return Conserved(unbalancedness, Flow(CP, flow.focus, speeds=((w_n.name, Fraction(2)),)))


@control(lemma_1, breaks="flow")
def weight_decay():
    """Weight decay is added to the loss."""
    return Conserved(unbalancedness, Flow(CP, flow.focus, decay=Fraction(1)))


@control(lemma_1, breaks="difference")
def sum_of_squared_norms():
    """The sum in place of the difference."""
    return Conserved(squared_norm(w_n) + squared_norm(w_m), flow)


@control(lemma_1, breaks="square")
def unsquared_norms():
    """The norms themselves: ||w_r^n|| - ||w_r^m||."""
    return unsquared()


@control(lemma_1, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(unbalancedness, Descent(flow))


@control(lemma_1, breaks="flow")
def momentum():
    """A step with momentum."""
    return Conserved(unbalancedness, Descent(flow, "momentum"))


@control(lemma_1, breaks="flow")
def adam():
    """The first step of Adam."""
    return Conserved(unbalancedness, Descent(flow, "adam"))
