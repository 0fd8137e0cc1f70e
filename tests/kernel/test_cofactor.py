"""What a flow multiplies: cofactors against closed forms, enclosures against integration in other coordinates."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import pytest
from flint import Ordering, arb_poly, fmpq, fmpq_mpoly_ctx

from theorytest import quantity as q
from theorytest.enclose.determinant import determinant_flow
from theorytest.enclose.flowpipe import Flowpipe, enclose
from theorytest.kernel.claim import Throughout
from theorytest.kernel.cofactor import MOST_TERMS, along, cofactor
from theorytest.kernel.errors import KernelError
from theorytest.kernel.initial_value import values_of
from theorytest.kernel.trajectory import decide
from theorytest.models import HalfSum, Huber, deep_matrix_factorization

F = Fraction
RC = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
TENTH: Any = {f"W[{k}]": [["1/10", 0], [0, "1/10"]] for k in (1, 2)}
LATE = 1000


@pytest.fixture(scope="module")
def pipe() -> Flowpipe:
    return enclose(deep_matrix_factorization(2, 2, depth=2), RC, TENTH, LATE, digits=15)


def ring_of(*names: str) -> Any:
    return fmpq_mpoly_ctx.get(names, Ordering.degrevlex)


def test_cofactors() -> None:
    """x' = a x: of x^2 it is 2 a, of x y the sum of both; where q does not divide q' there is none."""
    ring = ring_of("x", "y")
    x, y = ring.gens()
    velocities = [x * (y - 3), y * x * x]
    assert cofactor(x, velocities) == y - 3
    assert cofactor(x * x, velocities) == 2 * (y - 3)
    assert cofactor(x * y, velocities) == y - 3 + x * x
    assert cofactor(x + y, velocities) is None and cofactor(x * 0, velocities) is None
    assert cofactor(x * x - 1, velocities) is None
    assert cofactor(ring.constant(5), velocities) == 0
    assert cofactor((x + 1) ** (MOST_TERMS + 1), velocities) is None


def test_a_polynomial_along_a_path() -> None:
    ring = ring_of("x", "y")
    x, y = ring.gens()
    path = [arb_poly([1, 2]), arb_poly([0, 0, 3])]
    found = along(x * x * y / 2 - 7 * y**3 + 4, path)
    # (1 + 2 s)^2 3 s^2 / 2 - 7 (3 s^2)^3 + 4
    expected = [4, 0, F(3, 2), 6, 6, 0, -189]
    assert all(
        x.contains(fmpq(F(c).numerator, F(c).denominator)) for x, c in zip(found.coeffs(), expected, strict=True)
    )
    assert all(float(x.rad()) < 1e-10 for x in found.coeffs())
    assert not along(x * 0, path).coeffs()


def test_the_cofactor_of_the_determinant_is_the_trace_of_the_gradient(pipe: Flowpipe) -> None:
    field = pipe.trajectory.pieces[0].field
    ring = ring_of(*(f"u{j}" for j in range(field.inputs)))
    values = values_of(field, ring.gens(), ring.constant(0))
    W = [values[slot] for slot in field.end if slot is not None]
    determinant = W[0] * W[3] - W[1] * W[2]
    found = cofactor(determinant, [values[slot] for slot in field.velocities])
    assert found == -2 * W[3]  # the trace of ((0, w12 - 1), (w21 - 1, w22))


def test_a_determinant_far_below_the_radius_keeps_its_sign_and_digits(pipe: Flowpipe) -> None:
    """Against another integration, with log |det W| as an unknown of its own. det W is about 10^-72 here, the radius
    10^-15."""
    last = pipe.trajectory.pieces[-1]
    W = pipe.trajectory.state(F(LATE)).end
    assert last.exit_radius > F(1, 10**40) and (W[0] * W[3] - W[1] * W[2]).contains(0)  # type: ignore[operator,union-attr]
    other = determinant_flow(RC, [["1/100", 0], [0, "1/100"]], LATE, digits=18, times=[10, 100])
    for t in (10, 100, LATE):
        low, high = pipe.value(q.determinant(), t)
        assert 0 < low < high < low * (1 + F(1, 10**8))
        with mpmath.workdps(30):
            logs = [mpmath.log(mpmath.mpf(x.numerator) / x.denominator) for x in (low, high)]
            true = mpmath.mpf(str(other.log_determinant(t)))
            assert logs[0] - mpmath.mpf("1e-11") < true < logs[1] + mpmath.mpf("1e-11")
    low, high = pipe.range(q.determinant(), 500, LATE)
    assert 0 < low <= pipe.value(q.determinant(), LATE)[1] and pipe.value(q.determinant(), 500)[0] <= high < 1


def test_claims_about_its_sign(pipe: Flowpipe) -> None:
    holds, text = decide(Throughout(pipe.problem, q.determinant() > 0, F(0), F(LATE)), pipe.certificate)
    assert holds and text.startswith("1 flow, t <= 1000")
    holds, text = decide(Throughout(pipe.problem, q.determinant() <= 0, F(900), F(LATE)), pipe.certificate)
    assert not holds and "at t = " in text
    tiny = F(1, 10**60)
    with pytest.raises(KernelError, match="does not decide"):  # det W - 10^-60 is nothing that the flow multiplies
        decide(Throughout(pipe.problem, q.determinant() > -tiny, F(900), F(LATE)), pipe.certificate)
    with pytest.raises(KernelError, match="does not decide"):
        decide(Throughout(pipe.problem, q.exp(q.determinant()) > 1, F(900), F(LATE)), pipe.certificate)
    with pytest.raises(KernelError, match="does not decide"):
        decide(Throughout(pipe.problem, q.singular_value(2) > 0, F(900), F(LATE)), pipe.certificate)


def test_what_is_conserved_is_exactly_what_it_was() -> None:
    model = deep_matrix_factorization(1, 1, depth=2)
    start: Any = {"W[1]": [["1/3"]], "W[2]": [["1/2"]]}
    pipe = enclose(model, HalfSum({(0, 0): 1}), start, 3, digits=12)
    gap = q.squared_norm("W[2]") - q.squared_norm("W[1]")
    assert decide(Throughout(pipe.problem, q.equal(gap, F(5, 36)), F(0), F(3)), pipe.certificate)[0]
    low, high = pipe.value(gap - F(5, 36), 2)
    assert low == high == 0


def test_where_growth_is_not_looked_for() -> None:
    """A loss with kinks; more coordinates than are written out."""
    model = deep_matrix_factorization(2, 2, depth=2)
    kinked = enclose(model, Huber({(0, 1): 1, (1, 0): 1, (1, 1): 0}, F(1, 2)), TENTH, 1, digits=12)
    low, high = kinked.value(q.determinant() - q.determinant(), 1)
    assert low <= 0 <= high
    large = deep_matrix_factorization(3, 2, depth=2)
    full = HalfSum({(i, j): F(i - j, 3) for i in range(3) for j in range(2)})
    wide = enclose(large, full, large.random(seed=1, scale=F(1, 2)), F(1, 4), digits=8)
    assert len(wide.trajectory.pieces[0].field.velocities) > 8
    low, high = wide.value(q.squared_norm() - q.squared_norm(), F(1, 4))
    assert low <= 0 <= high
