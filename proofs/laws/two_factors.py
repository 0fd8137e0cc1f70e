"""Two factors of any multilinear model conserve what joins them.

Name two factors X and Y of a term of the model, and group everything else into R. If b are the legs that both hold and
that may go on elsewhere, and m the legs that join X and Y and nothing else, the term reads

    W[o] = sum over b, m, x, y of X[b, m, x] Y[b, m, y] R[b, x, y, o].

Then X X^T - Y Y^T over m is conserved for every b, and ||X_b||^2 - ||Y_b||^2. These two are behind all laws that
`theorytest laws` recognises in a polynomial model: a bond of a tensor train, ring or tree, a core and its factor, heads
of attention, low-rank adapters, the hidden neurons of a ReLU network (b the neuron, X what comes in, Y what goes out).
"""

from fractions import Fraction

from theorytest import (
    Assumption,
    Block,
    Conserved,
    Descent,
    Flow,
    Focus,
    Parameterization,
    Product,
    Source,
    Statement,
    control,
    proof,
)

BOND = Parameterization(
    "two factors with a bond, and the rest",
    Product((Block("X", (), ("b", "m", "x")), Block("Y", (), ("b", "m", "y")), Block("R", (), ("b", "x", "y", "o")))),
    ("o",),
    (("b", "B"), ("m", "M"), ("x", "P"), ("y", "Q"), ("o", "O")),
    "every model in which the legs m join only X and Y; R is all the rest",
)
bond_flow = Flow(BOND, Focus())
X, Y, R = BOND.letters(bond_flow.focus).values()
gram_x = (X["b", "i", "x"] * X["b", "j", "x"]).sum("x")
gram_y = (Y["b", "i", "y"] * Y["b", "j", "y"]).sum("y")

SLICES = Parameterization(
    "two factors that share an index, and the rest",
    Product((Block("X", (), ("b", "x")), Block("Y", (), ("b", "y")), Block("R", (), ("b", "x", "y", "o")))),
    ("o",),
    (("b", "B"), ("x", "P"), ("y", "Q"), ("o", "O")),
    "every model in which X and Y share the legs b; R is all the rest",
)
slice_flow = Flow(SLICES, Focus())
U, V, _ = SLICES.letters(slice_flow.focus).values()
norm_u = (U["b", "x"] * U["b", "x"]).sum("x")
norm_v = (V["b", "y"] * V["b", "y"]).sum("y")

ASSUMPTIONS = (
    Assumption("loss", "the loss of the end tensor is differentiable; its gradient is arbitrary"),
    Assumption("flow", "all factors follow gradient flow at the same speed, without weight decay"),
)

bond = Statement(
    label="LAWS-Bond",
    title="X X^T - Y Y^T on a bond is conserved",
    source=Source("laws", "Lemma 2"),
    assumptions=ASSUMPTIONS,
    claim=Conserved(gram_x - gram_y, bond_flow),
    scope="all models with a bond, sizes, losses",
)


@proof(bond)
def on_a_bond(derive):
    x = derive.rate(gram_x, bond_flow, "d/dt X X^T")
    y = derive.rate(gram_y, bond_flow, "d/dt Y Y^T")
    derive.equal("both rates agree", x.claim.rate, y.claim.rate)
    derive.conserved(gram_x - gram_y, bond_flow)


slices = Statement(
    label="LAWS-Slices",
    title="||X_b||^2 - ||Y_b||^2 is conserved for every shared index b",
    source=Source("laws", "Lemma 1"),
    assumptions=ASSUMPTIONS,
    claim=Conserved(norm_u - norm_v, slice_flow),
    scope="all models with two factors, sizes, losses",
)


@proof(slices)
def at_a_shared_index(derive):
    u = derive.rate(norm_u, slice_flow, "d/dt ||X_b||^2 = 2 <-grad, the terms with index b>")
    v = derive.rate(norm_v, slice_flow, "d/dt ||Y_b||^2 is the same")
    derive.equal("both rates agree", u.claim.rate, v.claim.rate)
    derive.conserved(norm_u - norm_v, slice_flow)


@control(bond, breaks="bond")
def a_leg_that_goes_on():
    """The shared legs b in place of the bond m: a matrix over them is not conserved."""
    left = (U["i", "x"] * U["j", "x"]).sum("x")
    right = (V["i", "y"] * V["j", "y"]).sum("y")
    return Conserved(left - right, slice_flow)


@control(bond, breaks="flow")
def unequal_speeds():
    """One factor learns at twice the speed."""
    return Conserved(gram_x - gram_y, Flow(BOND, Focus(), speeds=(("Y", Fraction(2)),)))


@control(bond, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(gram_x - gram_y, Descent(bond_flow))


@control(bond, breaks="sign")
def sum_of_both():
    """The sum in place of the difference."""
    return Conserved(gram_x + gram_y, bond_flow)


@control(slices, breaks="index")
def across_indices():
    """Slices of different indices."""
    return Conserved((U["b", "x"] * U["b", "x"]).sum("x") - (V["c", "y"] * V["c", "y"]).sum("y"), slice_flow)


@control(slices, breaks="flow")
def weight_decay():
    """Weight decay is added to the loss."""
    return Conserved(norm_u - norm_v, Flow(SLICES, Focus(), decay=Fraction(1)))


@control(slices, breaks="flow")
def momentum():
    """A step with momentum."""
    return Conserved(norm_u - norm_v, Descent(slice_flow, "momentum"))
