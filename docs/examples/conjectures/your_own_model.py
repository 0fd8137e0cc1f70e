"""A model written as an einsum: a matrix times a diagonal, shared by two vectors."""

from theorytest import along_every_flow, at_every_state, conjecture, tends_to
from theorytest import quantity as q
from theorytest.models import HalfSum, einsum

# W_ij = sum over r of X_ir s_r Y_rj
model = einsum("ir,r,rj->ij", X=(2, 2), s=(2,), Y=(2, 2))
loss = HalfSum({(0, 0): 1, (1, 1): 1})

bounded = conjecture(
    "||W||^2 <= ||X||^2 ||s||^2 ||Y||^2",
    at_every_state(model, q.squared_norm() <= q.squared_norm("X") * q.squared_norm("s") * q.squared_norm("Y")),
)

without_scales = conjecture(
    "||W||^2 <= ||X||^2 ||Y||^2",
    at_every_state(model, q.squared_norm() <= q.squared_norm("X") * q.squared_norm("Y")),
    expected="REFUTED",
)

scales_stay = conjecture(
    "scales that start below 1 stay below 2",
    along_every_flow(model, q.squared_norm("s") < 2, loss=loss),
    given={"small": q.squared_norm("s") <= 1},
    expected="REFUTED",
)

equal_shares = conjecture(
    "X and Y have equal norms in the end",
    tends_to(model, q.squared_norm("X"), q.squared_norm("Y"), loss=loss),
    expected="REFUTED",
)
