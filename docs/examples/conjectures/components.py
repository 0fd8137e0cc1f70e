"""Component norms of a CP factorization, against the norm of the tensor."""

from theorytest import CP, at_every_state, conjecture
from theorytest import quantity as q
from theorytest.models import cp

model = cp((2, 2, 2), rank=2)

triangle = conjecture(
    "||W||^2 <= 2 (P_1^2 + P_2^2)",
    at_every_state(model, q.squared_norm() <= 2 * (q.squared_component_norm(1) + q.squared_component_norm(2))),
)

pythagoras = conjecture(
    "||W||^2 <= P_1^2 + P_2^2",
    at_every_state(model, q.squared_norm() <= q.squared_component_norm(1) + q.squared_component_norm(2)),
    expected="REFUTED",  # components need not be orthogonal
)

no_cancellation = conjecture(
    "no component is larger than the tensor, if the factors are balanced",
    at_every_state(CP, q.component_norm(1) <= q.norm()),
    given={"balanced": q.equal(q.unbalancedness(), 0)},
    expected="REFUTED",  # two components may cancel
)
