"""How well truncations approximate: errors of best approximations of matrices, and of truncated tensors."""

from theorytest import at_every_state, conjecture
from theorytest import quantity as q
from theorytest.models import cp, deep_matrix_factorization

matrix = deep_matrix_factorization(2, 2, depth=2)
tensor = cp((2, 2, 2), rank=2)

# sigma_2 <= |det W|^(1/2), because sigma_1 sigma_2 = |det W|.
from_the_determinant = conjecture(
    "the best approximation of rank 1 is within |det W|^(1/2)",
    at_every_state(matrix, q.approximation_error(1) ** 2 <= q.absolute(q.determinant())),
    expected="SUPPORTED",
)

half_the_norm = conjecture(
    "the best approximation of rank 1 is within half the norm",
    at_every_state(matrix, q.approximation_error(1, "spectral") <= q.norm() / 2),
    expected="REFUTED",  # for the unit matrix it is 1, and the norm is sqrt(2)
)

truncation = conjecture(
    "W truncated to multilinear rank (1, 1, 1) is within the smaller component, twice",
    at_every_state(tensor, q.truncation_bound(1, 1, 1) <= 2 * q.component_norm(2)),
    expected="SUPPORTED",  # each unfolding is within the component of rank 1, and sqrt(3) < 2
)

truncation_too_good = conjecture(
    "W truncated to multilinear rank (1, 1, 1) is within a third of the second component",
    at_every_state(tensor, q.truncation_bound(1, 1, 1) <= q.component_norm(2) / 3),
    expected="REFUTED",
)
