"""Laws that the papers do not state: matrix laws of deep CP and deep Tucker factorizations, and of the Tucker core.

HKA24 Lemma 4.1 compares squared norms of slices. `theorytest laws` finds more: on every bond between two matrices of
one column, and between the core and its factors, whole matrices are conserved. Try

    theorytest laws tucker:dims=3x3x3,ranks=2x2x2
    theorytest laws deep-tucker:dims=2x2x2,depth=3
"""

from fractions import Fraction

from theorytest import (
    DEEP_TUCKER,
    TUCKER,
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

ASSUMPTIONS = (
    Assumption("loss", "the loss of the end tensor is differentiable; its gradient is arbitrary"),
    Assumption("flow", "all blocks follow gradient flow at the same speed, without weight decay"),
)

core_flow = Flow(TUCKER, Focus(modes=("n",)))
core_letters = TUCKER.letters(core_flow.focus)
G, V = core_letters["G"], core_letters["V[n]"]
core_gram = (G["a", "q"] * G["b", "q"]).sum("q")
factor_gram = (V["a", "i"] * V["b", "i"]).sum("i")

tucker_core = Statement(
    label="LAWS-Tucker",
    title="G_(n) G_(n)^T - V^(n)T V^(n) is conserved",
    source=Source("laws", "Tucker"),
    assumptions=ASSUMPTIONS,
    claim=Conserved(core_gram - factor_gram, core_flow),
    scope="all orders, dimensions, ranks, losses",
)


@proof(tucker_core)
def of_the_core(derive):
    left = derive.rate(core_gram, core_flow, "d/dt of the core's Gram matrix over mode n")
    right = derive.rate(factor_gram, core_flow, "d/dt of the factor's")
    derive.equal("both rates agree", left.claim.rate, right.claim.rate)
    derive.conserved(core_gram - factor_gram, core_flow)


@control(tucker_core, breaks="mode")
def another_mode():
    """The core's Gram matrix over one mode against the factor of another (by their traces of squares)."""
    flow = Flow(TUCKER, Focus(modes=("n", "m")))
    letters = TUCKER.letters(flow.focus)
    core, other = letters["G"], letters["V[m]"]
    left = (core["a", "p", "q"] * core["b", "p", "q"]).sum("p", "q")
    right = (other["a", "i"] * other["b", "i"]).sum("i")
    return Conserved((left * left).sum("a", "b") - (right * right).sum("a", "b"), flow)


@control(tucker_core, breaks="flow")
def slower_core():
    """The core learns at half the speed."""
    slow = Flow(TUCKER, core_flow.focus, speeds=(("G", Fraction(1, 2)),))
    return Conserved(core_gram - factor_gram, slow)


@control(tucker_core, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(core_gram - factor_gram, Descent(core_flow))


chain_flow = Flow(DEEP_TUCKER, Focus(modes=("n",), links=(Link(("s", "s+1"), "n", adjacent=True),)))
chain_letters = DEEP_TUCKER.letters(chain_flow.focus)
A, B = chain_letters["A[n,s]"], chain_letters["A[n,s+1]"]
left_gram = (A["r", "k", "i"] * A["r", "k", "j"]).sum("k")
right_gram = (B["r", "i", "k"] * B["r", "j", "k"]).sum("k")

deep_chain = Statement(
    label="LAWS-DeepTucker",
    title="A_s^{n,r}T A_s^{n,r} - A_{s+1}^{n,r} A_{s+1}^{n,r}T is conserved",
    source=Source("laws", "deep Tucker"),
    assumptions=ASSUMPTIONS,
    claim=Conserved(left_gram - right_gram, chain_flow),
    scope="all orders, dimensions, ranks, depths, adjacent matrices of one column, losses",
)


@proof(deep_chain)
def within_a_column(derive):
    left = derive.rate(left_gram, chain_flow, "d/dt of the left matrix's Gram matrix")
    right = derive.rate(right_gram, chain_flow, "d/dt of the right matrix's")
    derive.equal("both rates agree", left.claim.rate, right.claim.rate)
    derive.conserved(left_gram - right_gram, chain_flow)


@control(deep_chain, breaks="column")
def across_columns():
    """Matrices of two different columns."""
    right = (B["t", "i", "k"] * B["t", "j", "k"]).sum("k")
    return Conserved(left_gram - right, chain_flow)


@control(deep_chain, breaks="flow")
def one_matrix_at_half_the_speed():
    """One of the two matrices learns at half the speed."""
    slow = Flow(DEEP_TUCKER, chain_flow.focus, speeds=((A.name, Fraction(1, 2)),))
    return Conserved(left_gram - right_gram, slow)


@control(deep_chain, breaks="flow")
def weight_decay():
    """Weight decay is added to the loss."""
    return Conserved(left_gram - right_gram, Flow(DEEP_TUCKER, chain_flow.focus, decay=Fraction(1)))
