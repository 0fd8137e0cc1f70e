"""Conservation laws of a model of one's own, for all sizes and all differentiable losses."""

from theorytest import Block, Conserved, Flow, Focus, Parameterization, Product, conjecture

# W = X diag(s) Y
blocks = Product((Block("X", (), ("a", "r")), Block("s", (), ("r",)), Block("Y", (), ("r", "b"))))
model = Parameterization("scaled product", blocks, ("a", "b"), (("a", "m"), ("b", "n"), ("r", "h")), "W = X diag(s) Y")
flow = Flow(model, Focus())
X, s, Y = model.letters(flow.focus).values()
column = (X["a", "r"] * X["a", "r"]).sum("a")
row = (Y["r", "b"] * Y["r", "b"]).sum("b")

column_and_scale = conjecture("||X_r||^2 - s_r^2 is conserved", Conserved(column - s["r"] * s["r"], flow))
column_and_row = conjecture("||X_r||^2 - ||Y_r||^2 is conserved", Conserved(column - row, flow))
total = column + s["r"] * s["r"]
sum_of_squares = conjecture("||X_r||^2 + s_r^2 is conserved", Conserved(total, flow), expected="REFUTED")

# Two columns at once: in a product of two matrices X^T X - Y Y^T is conserved, but here a scale stands between them.
gram = (X["a", "r"] * X["a", "t"]).sum("a") - (Y["r", "b"] * Y["t", "b"]).sum("b")
whole_gram = conjecture("X^T X - Y Y^T is conserved", Conserved(gram, flow), expected="REFUTED")
