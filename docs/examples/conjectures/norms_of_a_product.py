"""Norms of a product of two matrices, against the norms of its factors: static claims, at every state of a model."""

from theorytest import DEEP_MATRIX, at_every_state, conjecture
from theorytest import quantity as q
from theorytest.models import deep_matrix_factorization

model = deep_matrix_factorization(2, 2, depth=2)
mean = (q.squared_norm("W[1]") + q.squared_norm("W[2]")) / 2

frobenius = conjecture("||W|| <= mean of the squared norms", at_every_state(model, q.squared_norm() <= mean**2))

nuclear = conjecture(
    "||W||_* <= mean of the squared norms",
    at_every_state(model, q.nuclear_norm() <= mean),
    expected="SUPPORTED",  # true, and no usual proof goes through: singular values are no polynomials
)

nuclear_sharper = conjecture(
    "||W||_* <= 9/10 of the mean", at_every_state(model, q.nuclear_norm() <= "9/10" * mean), expected="REFUTED"
)

# Sizes are left open: the search goes through the shapes, smallest first. For two singular values the constant is
# sqrt(2), so that the claim holds at every shape with a side of 1 or 2.
any_shape = conjecture(
    "||W||_* <= 3/2 ||W||, whatever the shape",
    at_every_state(DEEP_MATRIX, q.nuclear_norm() <= "3/2" * q.norm()),
    expected="REFUTED",
)
