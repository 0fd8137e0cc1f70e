"""Probabilities at a random start with independent entries whose densities are symmetric about 0."""

from theorytest import conjecture
from theorytest import quantity as q
from theorytest.models import deep_matrix_factorization

model = deep_matrix_factorization(2, 2, depth=3)

positive = q.determinant() > 0
even_chance = conjecture("Pr(det W > 0) = 1/2", q.probability(model, positive, at_least="1/2", at_most="1/2"))

likely = conjecture("Pr(det W > 0) >= 3/5", q.probability(model, positive, at_least="3/5"), expected="REFUTED")

norm_is_large = conjecture(
    "Pr(||W|| > 1) >= 3/5",
    q.probability(model, q.squared_norm() > 1, at_least="3/5"),
    expected="UNDECIDED",  # it depends on the law: sampling one of them decides nothing
)
