"""RC20 at depth 2 up to t = 10^4: naive float64 "refutes" the paper, determinant-preserving coordinates do not.

Balanced starts with det W(0) > 0. In theory det W > 0 for all time, the loss tends to 0 only with |w_11| to infinity
(RC20 Theorem 1, Corollary 1, Proposition 4), and RC20 (10) says sigma_2(W) <= 3 sqrt(2 loss).

Where W(0) is symmetric and W_2 = W_1^T, float64 happens to keep W_2 = W_1^T bit by bit, hence det W >= 0, and the trap
does not spring. So the naive run starts from a product that is not symmetric.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from theorytest.enclose.determinant import DeterminantFlow, determinant_flow
from theorytest.enclose.flow import DONE, integrate
from theorytest.enclose.flow import LOST as LOST_DIGITS
from theorytest.models import HalfSum, deep_matrix_factorization
from theorytest.search.flows import LOST, integrate_batch

RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TWO = deep_matrix_factorization(2, 2, depth=2)
TIMES = [1, 10, 100, 1000, 10000]


def turn(c: Fraction, s: Fraction) -> list[list[Fraction]]:
    return [[c, -s], [s, c]]


# W_1 = S V^T and W_2 = U S with rational rotations: exactly balanced, det W(0) = det S^2 > 0.
U, V = turn(Fraction(5, 13), Fraction(12, 13)), turn(Fraction(3, 5), Fraction(4, 5))
S = (Fraction(1, 10), Fraction(1, 20))
FIRST = [[S[i] * V[j][i] for j in range(2)] for i in range(2)]
SECOND = [[U[i][j] * S[j] for j in range(2)] for i in range(2)]
PRODUCT = [[sum(SECOND[i][k] * FIRST[k][j] for k in range(2)) for j in range(2)] for i in range(2)]
STARTS: dict[str, Any] = {"generic": PRODUCT, "multiple of I": [[Fraction(1, 100), 0], [0, Fraction(1, 100)]]}


def naive(times: list[int], rtol: float) -> dict[int, np.ndarray]:
    """The factors in float64 by the explicit Dormand-Prince pair 5(4): what anyone would write first."""
    rows = [
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
    error = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])

    def field(x: np.ndarray) -> np.ndarray:
        first, second = x
        g = second @ first
        g[0, 0] = 0.0
        g[0, 1] -= 1.0
        g[1, 0] -= 1.0
        return -np.stack([second.T @ g, g @ first.T])

    x = np.array([FIRST, SECOND], dtype=float)
    t, h, found, slope = 0.0, 1e-3, {}, field(x)
    for stop in times:
        while t < stop:
            h = min(h, stop - t)
            slopes = [slope]
            for row in rows:
                new = x + h * np.tensordot(row, np.array(slopes), 1)
                slopes.append(field(new))
            size = h * np.abs(np.tensordot(error, np.array(slopes), 1)).max() / (rtol * np.abs(x).max())
            if size <= 1:
                t, x, slope = t + h, new, slopes[-1]
            h *= min(5.0, max(0.2, 0.9 * max(size, 1e-12) ** -0.2))
        found[stop] = x[1] @ x[0]
    return found


def loss_of(W: np.ndarray) -> float:
    return float(RC.value(W))


@pytest.fixture(scope="module", params=STARTS)
def faithful(request: pytest.FixtureRequest) -> DeterminantFlow:
    return determinant_flow(RC, STARTS[request.param], 10000, digits=12, times=TIMES)


@pytest.mark.parametrize("rtol", [1e-10, 1e-12])
def test_naive_float64_would_have_refuted_the_paper(rtol: float) -> None:
    found = naive([10, 1000, 1200], rtol)
    early, late = found[10], found[1200]
    assert np.linalg.det(early) > 0 and np.linalg.svd(early)[1][1] <= 3 * np.sqrt(2 * loss_of(early))
    # The determinant has crossed zero and gone to that of the zero-loss set, -1; the loss is at rounding; w_11 stands.
    assert np.linalg.det(late) < -0.9 and loss_of(late) < 1e-15
    assert abs(late[0, 0] - found[1000][0, 0]) < 1e-6 and abs(late[0, 0]) < 18
    assert np.linalg.svd(late)[1][1] > 3 * np.sqrt(2 * loss_of(late))  # a false counterexample to RC20 (10)
    # The same start in the other coordinates: at the same time nothing of this is true.
    true = determinant_flow(RC, PRODUCT, 1200, digits=12)
    W = true.at(1200)
    assert true.sign == 1 and abs(W[0, 0]) > abs(late[0, 0]) + 1 and W[1, 1] ** 2 / 2 > 1e-4


def test_our_own_factor_flows_say_that_they_are_lost() -> None:
    """The same start in factor coordinates: float64, and Taylor series with too few digits, stop and say why; with
    enough digits the factors agree with the determinant coordinates."""
    start = {"W[1]": FIRST, "W[2]": SECOND}
    stacked = {name: np.array([block], dtype=float) for name, block in start.items()}
    batch = integrate_batch(TWO, RC, stacked, [10, 1000])
    assert batch.status.tolist() == [LOST] and batch.error.isfinite().tolist() == [[True], [False]]
    few = integrate(TWO, RC, start, 300, digits=10)
    assert few.status == LOST_DIGITS and 100 < few.reached < 300
    enough = integrate(TWO, RC, start, 300, digits=45, times=[300])
    true = determinant_flow(RC, PRODUCT, 300, digits=20)
    assert enough.status == DONE
    gap = max(abs(x - y) for x, y in zip(enough.end_tensor(300).flat, true.at(300).flat, strict=True))
    # An entry of W has two products of parameters, each at most the largest one.
    largest = max(abs(x) for block in enough.at(300).values() for x in block.flat)
    assert (
        gap <= true.errors(300)[0] + 4 * (largest + 1) * float(enough.error(300)) and float(enough.error(300)) < 1e-20
    )


def test_the_determinant_stays_positive_and_w11_grows(faithful: DeterminantFlow) -> None:
    assert faithful.status == DONE and faithful.sign == 1
    values = [faithful.at(t) for t in TIMES]
    logs = [faithful.log_determinant(t) for t in TIMES]
    for before, after, t in zip(values, values[1:], TIMES[1:], strict=False):
        assert abs(after[0, 0]) - abs(before[0, 0]) > faithful.errors(t)[0] * 2
    assert logs[-1] < -700 and all(b < a for a, b in pairwise(logs))
    for t, W, log in zip(TIMES, values, logs, strict=True):
        error = faithful.errors(t)[0]
        loss = ((W[0, 1] - 1) ** 2 + (W[1, 0] - 1) ** 2 + W[1, 1] ** 2) / 2
        slack = 4 * error * faithful.context.sqrt(loss) + 4 * error**2
        # RC20 (10), with sigma_2 = det / sigma_1.
        size, D = (W * W).sum(), faithful.context.exp(log)
        largest = faithful.context.sqrt((size + faithful.context.sqrt(size**2 - 4 * D**2)) / 2)
        assert D / largest <= 3 * faithful.context.sqrt(2 * (loss + slack))
        # The determinant of the entries is only as good as the entries: here it is consistent with 0 < exp(log).
        gap = W[0, 0] * W[1, 1] - W[0, 1] * W[1, 0] - faithful.context.exp(log)
        assert abs(gap) <= 4 * (1 + abs(W[0, 0])) * error


def test_asymptotics_of_the_slow_motion(faithful: DeterminantFlow) -> None:
    """With det W negligible: 1 - b ~ a^-2, so a' ~ 2 a^-2, a^3 ~ 6 t, a sqrt(2 loss) = 1 - a^-2 + ..., and
    d log det / dt ~ -2 / a, so log det ~ -(3 / 6^(1/3)) t^(2/3). The corrections shrink with t."""
    deviations = []
    for t in (100, 1000, 10000):
        W, log = faithful.at(t), faithful.log_determinant(t)
        a = abs(W[0, 0])
        loss = ((W[0, 1] - 1) ** 2 + (W[1, 0] - 1) ** 2 + W[1, 1] ** 2) / 2
        deviations.append(
            (
                abs(a * faithful.context.sqrt(2 * loss) - 1),
                abs(a**3 / (6 * t) - 1),
                abs(log / (-3 / 6 ** (1 / 3) * t ** (2 / 3)) - 1),
            )
        )
        # The next term of the expansion is a^-2: the deviation is of that size, neither absent nor larger.
        assert 0.5 < deviations[-1][0] * a**2 < 2
    for before, after in pairwise(deviations):
        assert all(b < a for a, b in zip(before, after, strict=True))


def test_high_precision_confirms_double(faithful: DeterminantFlow) -> None:
    W0 = STARTS["generic"] if faithful.at(0)[0, 1] else STARTS["multiple of I"]
    precise = determinant_flow(RC, W0, 10000, digits=20, times=TIMES)
    assert precise.status == DONE
    for t in TIMES:
        ours, theirs = faithful.errors(t), precise.errors(t)
        gap: Any = max(abs(x - y) for x, y in zip(faithful.at(t).flat, precise.at(t).flat, strict=True))
        assert gap <= ours[0] + theirs[0]
        assert abs(faithful.log_determinant(t) - precise.log_determinant(t)) <= ours[1] + theirs[1]
        assert precise.relative_error(t) < 1e-19 and faithful.relative_error(t) < 1e-11
