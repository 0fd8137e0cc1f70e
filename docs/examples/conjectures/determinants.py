"""How large a determinant can be: static claims with proofs by sums of squares."""

from theorytest import at_every_state, conjecture
from theorytest import quantity as q
from theorytest.models import deep_matrix_factorization

square = deep_matrix_factorization(2, 2, depth=2)

half = conjecture("2 det W <= ||W||^2", at_every_state(square, 2 * q.determinant() <= q.squared_norm()))

multiplicative = conjecture(
    "det W = det W_1 det W_2",
    at_every_state(square, q.equal(q.determinant(), q.determinant("W[1]") * q.determinant("W[2]"))),
)

third = conjecture(
    "3 det W <= ||W||^2", at_every_state(square, 3 * q.determinant() <= q.squared_norm()), expected="REFUTED"
)

impossible = conjecture(
    "||W|| >= 1 where det W > ||W||^2",
    at_every_state(square, q.norm() >= 1),
    given={"large determinant": q.determinant() > q.squared_norm()},
    expected="UNDECIDED",  # nothing meets the assumption, so that the claim says nothing: that is the answer
)
