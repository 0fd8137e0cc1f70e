"""The two by two completion problem of Razin and Cohen (2020): claims about every time of the flow.

What fails, fails along an exact start with a certified enclosure of its flow. A true claim of this kind is SUPPORTED:
it is certified along the flows that are listed, and no counterexample was found.
"""

from theorytest import along_every_flow, conjecture
from theorytest import quantity as q
from theorytest.models import HalfSum, deep_matrix_factorization

model = deep_matrix_factorization(2, 2, depth=2)
loss = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})  # the entry (1, 1) is not observed
balanced = q.equal(q.gram_gap("W[2]", "W[1]"), 0)
positive = q.determinant() > 0

sign = conjecture(
    "det W stays positive",
    along_every_flow(model, q.determinant() > 0, loss=loss),
    given={"balanced": balanced, "det W(0) > 0": positive},
    expected="SUPPORTED",  # proved for all sizes as RC20-DetInv
)

sign_unbalanced = conjecture(
    "det W stays positive without balance",
    along_every_flow(model, q.determinant() > 0, loss=loss),
    given={"det W(0) > 0": positive},
    expected="REFUTED",
)

norm_grows = conjecture(
    "the norm never falls below its value at the start",
    along_every_flow(model, q.squared_norm() >= q.at_start(q.squared_norm()), loss=loss),
    expected="REFUTED",
)

unobserved_stays = conjecture(
    "the unobserved entry stays below 3",
    along_every_flow(model, q.entry(1, 1) < 3, loss=loss),
    given={"balanced": balanced, "det W(0) > 0": positive, "small": q.squared_norm() < 1},
    expected="REFUTED",
)
