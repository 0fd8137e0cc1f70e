"""Where the flow goes in the end: refuted at equilibria and by conserved quantities."""

from theorytest import conjecture, tends_to
from theorytest import quantity as q
from theorytest.models import HalfSum, cp, deep_matrix_factorization

model = deep_matrix_factorization(2, 2, depth=2)
loss = HalfSum({(0, 0): 1, (0, 1): 0, (1, 0): 0, (1, 1): 1})

zero_loss = conjecture(
    "every flow fits the observed entry (1, 1)", tends_to(model, q.entry(1, 1), 1, loss=loss), expected="REFUTED"
)

from_full_rank = conjecture(
    "every flow from a start of full rank has layers of equal norm in the end",
    tends_to(model, q.squared_norm("W[1]"), q.squared_norm("W[2]"), loss=loss),
    given={"full rank": q.determinant() ** 2 > 0},
    expected="REFUTED",
)

components_balance = conjecture(
    "the vectors of a component become equally long, whatever the loss",
    tends_to(cp((2, 2), rank=1), q.squared_norm("w[1]"), q.squared_norm("w[2]")),
    expected="REFUTED",
)
