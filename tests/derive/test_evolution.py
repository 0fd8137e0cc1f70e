"""Derivations about functions of time: what is written, the kernel replays."""

import pytest

from theorytest.derive.derivation import Derive
from theorytest.derive.evolution import InTime, power, variables
from theorytest.errors import InputError
from theorytest.kernel.check import check
from theorytest.kernel.claim import Evolution, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import ONE, ZERO, Exp, Ln, Times, scalar
from theorytest.kernel.statement import PROVED, Statement

t, x, k = variables("t x k")
X0 = variables("x(0)")[0]
DECAY = Evolution(
    "t",
    (("x", -1 * k * x),),
    (),
    (Inequality(ZERO, "<", x), Inequality(ZERO, "<=", k)),
    (Where((), Inequality(x, "<=", X0)),),
)
STATEMENT = Statement("T-1", "decay", DECAY)


def test_a_quantity_that_does_not_grow() -> None:
    derive = Derive(STATEMENT)
    time = InTime(derive, DECAY)
    positive, rate = time.conditions()
    assert time.system.claims == () and time.derivative(x) == -1 * k * x
    slope = time.at_most("k x >= 0", time.derivative(x), 0, positive, rate, by=[(1, 1, (positive, rate))])
    kept = time.never_exceeds(x, slope, time.real(x))
    assert kept.claim == DECAY
    verdict = check(STATEMENT, derive.certificate(), {})
    assert verdict.status == PROVED
    assert {rest.ref for rest in verdict.rests_on} >= {"derivative-in-time", "positivstellensatz"}
    follows = time.at_every_time(kept, time.suppose(DECAY.claims[0].claim))  # type: ignore[arg-type]
    assert follows.claim == DECAY


def test_exponentials() -> None:
    time = InTime(Derive(STATEMENT), DECAY)
    positive = time.suppose(Inequality(ZERO, "<", x))
    ln = time.ln_upper(positive)
    zero = time.exp_zero().claim
    assert zero == Where((), Identity(Exp(ZERO), ONE))
    same = time.exp_of(2 * Ln(x) - Ln(x), Ln(x), ln).claim
    assert same.claim == Identity(Exp(2 * Ln(x) - Ln(x)), Exp(Ln(x)))
    product = time.exp_product(2 * Ln(x), -1 * Ln(x), Ln(x), ln).claim
    assert product.claim == Identity(Exp(Ln(x)), Times((Exp(2 * Ln(x)), Exp(-1 * Ln(x)))))
    assert product.conditions == positive.claim.conditions
    with pytest.raises(InputError, match="no certificate"):
        time.exp_product(2 * Ln(x), Ln(x), Ln(x), ln)
    with pytest.raises(KernelError, match="not known to be defined"):
        time.exp_of(Ln(x), Ln(x))


def test_powers_with_any_exponent() -> None:
    assert power(x, k) == Exp(k * Ln(x)) and power(x, 2) == Exp(scalar(2) * Ln(x))
