"""Coordinates that keep the sign of the determinant: against the factors, against theory, refusals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import pytest

from theorytest.enclose.determinant import Radau, determinant_flow, determinant_signs
from theorytest.enclose.flow import BUDGET, integrate
from theorytest.errors import InputError
from theorytest.models import HalfSum, MeanSquares, cp, deep_matrix_factorization

RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TWO = deep_matrix_factorization(2, 2, depth=2)
Q = Fraction


def product(a: Any, b: Any) -> list[list[Fraction]]:
    return [[sum((a[i][k] * b[k][j] for k in range(2)), Q(0)) for j in range(2)] for i in range(2)]


def turn(c: Fraction, s: Fraction) -> list[list[Fraction]]:
    return [[c, -s], [s, c]]


def balanced(first: Fraction, second: Fraction) -> dict[str, list[list[Fraction]]]:
    """W_2 = U S, W_1 = S V^T with rational rotations: balanced, not symmetric, det W = (first second)^2 up to sign."""
    S = [[first, Q(0)], [Q(0), abs(second)]]
    flip = [[Q(1), Q(0)], [Q(0), Q(1 if second > 0 else -1)]]
    return {"W[1]": product(product(S, flip), turn(Q(3, 5), Q(4, 5))), "W[2]": product(turn(Q(5, 13), Q(12, 13)), S)}


@pytest.mark.parametrize("stages", [1, 4, 9])
def test_radau_points_integrate_polynomials(stages: int) -> None:
    """Weights (the last row of the matrix) are exact to degree 2 s - 2, every row to degree s - 1."""
    context: Any = mpmath.MPContext()
    context.dps = 40
    radau = Radau(stages, context)
    small = context.mpf(10) ** -36
    for degree in range(2 * stages - 1):
        powers = [x**degree for x in radau.nodes]
        whole = sum(w * p for w, p in zip(radau.matrix[-1], powers, strict=True))
        assert abs(whole - context.mpf(1) / (degree + 1)) < small
        for row, c in zip(radau.matrix, radau.nodes, strict=True):
            if degree < stages:
                part = sum(w * p for w, p in zip(row, powers, strict=True))
                assert abs(part - c ** (degree + 1) / (degree + 1)) < small
    beyond = sum(w * x ** (2 * stages - 1) for w, x in zip(radau.matrix[-1], radau.nodes, strict=True))
    assert abs(beyond - context.mpf(1) / (2 * stages)) > small


@pytest.mark.parametrize(
    "blocks",
    [balanced(Q(3, 2), Q(1, 2)), balanced(Q(1), Q(-2, 3)), {n: [[Q(1, 10), 0], [0, Q(1, 10)]] for n in TWO.shapes}],
)
@pytest.mark.parametrize("digits", [12, 25])
@pytest.mark.parametrize("loss", [RC, MeanSquares({(0, 0): 2, (0, 1): -1, (1, 1): Q(1, 3)})])
def test_product_coordinates_agree_with_the_factors(blocks: Any, digits: int, loss: Any) -> None:
    """Different unknowns, different method, same flow: this checks the equations as well as the integration."""
    W0 = product(blocks["W[2]"], blocks["W[1]"])
    ours = determinant_flow(loss, W0, 5, digits=digits, times=[1])
    factors = integrate(TWO, loss, blocks, 5, digits=40)
    assert ours.sign == (1 if W0[0][0] * W0[1][1] > W0[0][1] * W0[1][0] else -1)
    for t in (1, 5):
        W = factors.end_tensor(t)
        error = ours.errors(t)
        far = 4 * max(abs(x) for b in factors.at(t).values() for x in b.flat) * float(factors.error(t))
        assert max(abs(x - y) for x, y in zip(ours.at(t).flat, W.flat, strict=True)) <= error[0] + far
        log = factors.context.log(abs(W[0, 0] * W[1, 1] - W[0, 1] * W[1, 0]))
        assert abs(ours.log_determinant(t) - log) <= error[1] + 1e-25
        assert max(error) < 10 ** (2 - digits) * (1 + abs(log))


def test_inside_of_a_step_the_error_estimate_still_holds() -> None:
    low, high = (determinant_flow(RC, [[Q(1, 4), 0], [0, Q(1, 4)]], 20, digits=d) for d in (12, 25))
    for t in (Q(1, 3), Q(31, 7), Q(19)):
        a, b = low.errors(t), high.errors(t)
        assert max(abs(x - y) for x, y in zip(low.at(t).flat, high.at(t).flat, strict=True)) <= a[0] + b[0]
        assert abs(low.log_determinant(t) - high.log_determinant(t)) <= a[1] + b[1]


def test_signs_at_depth_three_and_with_too_few_digits() -> None:
    three = deep_matrix_factorization(2, 2, depth=3)
    start = {name: [[Q(1, 2), 0], [0, Q(1, 2)]] for name in three.shapes}
    assert [s.sign for s in determinant_signs(three, RC, start, [0, 1, 10], digits=15)] == [1, 1, 1]
    flipped = start | {"W[1]": [[Q(1, 2), 0], [0, Q(-1, 2)]]}
    assert {s.sign for s in determinant_signs(three, RC, flipped, [1, 10], digits=15)} == {-1}
    two = {name: [[Q(1, 10), 0], [0, Q(1, 10)]] for name in TWO.shapes}
    few = determinant_signs(TWO, RC, two, [1, 100], digits=8, max_digits=8)
    assert [s.sign for s in few] == [1, None]
    enough = determinant_signs(TWO, RC, two, [1, 100], digits=8)
    assert [s.sign for s in enough] == [1, 1] and enough[1].digits > 17 and enough[1].log10 < -17
    with pytest.raises(InputError, match="square"):
        determinant_signs(cp((2, 3), rank=1), RC, {}, [1])


def test_refusals_and_statuses() -> None:
    for W0 in ([[1, 1], [1, 1]], [[1, 0, 0], [0, 1, 0]], [[0.5, 0], [0, 1]]):
        with pytest.raises(InputError, match="needed"):
            determinant_flow(RC, W0, 1)
    short = determinant_flow(RC, [[1, 0], [0, 1]], 1000, digits=12, max_steps=5)
    assert short.status == BUDGET and short.reached < 1000
    with pytest.raises(InputError, match="needed"):
        short.at(1000)
    start = determinant_flow(RC, [[1, 0], [0, 2]], 0, digits=20)
    assert float(start.at(0)[1, 1]) == 2.0 and abs(start.log_determinant(0) - mpmath.log(2)) < 1e-12
