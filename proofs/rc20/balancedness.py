"""Balancedness is conserved by gradient flow on deep matrix factorization (RC20 Section 2; Arora et al. 2018).

W = P X Y Q, where X = W_{l+1} and Y = W_l are two adjacent layers and P, Q collect the others. X^T X - Y Y^T does not
change along the flow. Depth, widths and loss stay symbolic, so one proof covers all of them.
"""

from fractions import Fraction

from theorytest import (
    DEEP_MATRIX,
    Assumption,
    Conserved,
    Descent,
    Flow,
    Focus,
    Link,
    Source,
    Statement,
    control,
    proof,
)
from theorytest.models import deep_matrix_factorization
from theorytest.trials import of_a_law

flow = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
X, Y = DEEP_MATRIX.letters(flow.focus).values()
gram_left = (X["a", "i"] * X["a", "j"]).sum("a")
gram_right = (Y["i", "c"] * Y["j", "c"]).sum("c")
difference = gram_left - gram_right

balancedness = Statement(
    id="RC20-Sec2-Cons",
    label="RC20-Sec2-Cons",
    kind="lemma",
    title="W_{l+1}^T W_{l+1} - W_l W_l^T is conserved",
    source=Source("RC20", "Section 2.1"),
    assumptions=(
        Assumption("loss", "the loss of the product is differentiable; its gradient is arbitrary"),
        Assumption("flow", "all layers follow gradient flow at the same speed, without weight decay"),
    ),
    claim=Conserved(difference, flow),
    scope="all depths, widths, losses",
)


@proof(balancedness)
def by_the_product_rule(derive):
    left = derive.rate(gram_left, flow, "d/dt W_{l+1}^T W_{l+1}")
    right = derive.rate(gram_right, flow, "d/dt W_l W_l^T")
    derive.equal("both rates agree", left.claim.rate, right.claim.rate)
    derive.conserved(difference, flow)


tried = of_a_law(
    balancedness,
    deep_matrix_factorization(2, 2, depth=3),
    deep_matrix_factorization(2, 3, depth=4, width=(1, 2, 3)),
)


@control(balancedness, breaks="side of the transpose")
def transposed_form():
    """W_{l+1} W_{l+1}^T against W_l^T W_l, by their traces of squares (the matrices have different sizes)."""
    outer = (X["p", "k"] * X["q", "k"]).sum("k")
    inner = (Y["k", "u"] * Y["k", "v"]).sum("k")
    return Conserved((outer * outer).sum("p", "q") - (inner * inner).sum("u", "v"), flow)


@control(balancedness, breaks="flow")
def unequal_speeds():
    """One layer learns at twice the speed."""
    return Conserved(difference, Flow(DEEP_MATRIX, flow.focus, speeds=((Y.name, Fraction(2)),)))


@control(balancedness, breaks="flow")
def weight_decay():
    """Weight decay is added to the loss."""
    return Conserved(difference, Flow(DEEP_MATRIX, flow.focus, decay=Fraction(1)))


@control(balancedness, breaks="flow")
def momentum():
    """A step with momentum."""
    return Conserved(difference, Descent(flow, "momentum"))


@control(balancedness, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(difference, Descent(flow))


@control(balancedness, breaks="adjacent layers")
def non_consecutive_layers():
    """Two layers with others between them, by their squared Gram matrices (the matrices have different sizes)."""
    apart = Flow(DEEP_MATRIX, Focus(links=(Link(("k", "l")),)))
    U, V = DEEP_MATRIX.letters(apart.focus).values()
    left = (U["a", "i"] * U["a", "j"]).sum("a")
    right = (V["p", "c"] * V["q", "c"]).sum("c")
    return Conserved((left * left).sum("i", "j") - (right * right).sum("p", "q"), apart)
