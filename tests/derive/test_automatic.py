"""Proofs without an author: what goes through is accepted by the kernel, and false claims get none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from theorytest import CP, DEEP_MATRIX
from theorytest import quantity as q
from theorytest.authoring import conjecture
from theorytest.derive.automatic import prove, refute, unsatisfiable
from theorytest.kernel.check import check
from theorytest.kernel.claim import All, Conserved, Flow, Identity, Inequality, Monotone, Rate, Where
from theorytest.kernel.parameterization import Focus
from theorytest.kernel.scalar import ZERO, Ln, Variable
from theorytest.kernel.terms import Tensor
from theorytest.models import cp, deep_matrix_factorization

x, y = Variable("x"), Variable("y")
POSITIVE = (Inequality(ZERO, "<", x), Inequality(ZERO, "<", y))
A, B = Tensor("A", ("m", "n")), Tensor("B", ("n", "m"))
trace = (A["i", "j"] * B["j", "i"]).sum("i", "j")
flow = Flow(CP, Focus(modes=("n", "m")))
first, second = [t for name, t in CP.letters(flow.focus).items() if name.startswith("w[")][:2]


def squared(w: Any) -> Any:
    return (w["r", "i"] * w["r", "i"]).sum("i")


square = deep_matrix_factorization(2, 2, depth=1)
product = deep_matrix_factorization(2, 2, depth=2)
TRUE = {
    "trace": Identity(trace, (B["j", "i"] * A["i", "j"]).sum("i", "j")),
    "law": Conserved(squared(first) - squared(second), flow),
    "means": Where(POSITIVE, Inequality(2 * x * y, "<=", x**2 + y**2)),
    "cubes": Where(POSITIVE, Inequality(x**2 * y + x * y**2, "<=", x**3 + y**3)),
    "strict": Where(POSITIVE, Inequality(ZERO, "<", x * y + x)),
    "identity": Identity((x + y) ** 2, x**2 + 2 * x * y + y**2),
    "outright": Inequality(2 * x, "<=", x**2 + 1),
    "determinant": q.at_every_state(square, 2 * q.determinant() <= q.squared_norm()),
    "multiplicative": q.at_every_state(
        product, q.equal(q.determinant(), q.determinant("W[1]") * q.determinant("W[2]"))
    ),
    "submultiplicative": q.at_every_state(product, q.squared_norm() <= q.squared_norm("W[1]") * q.squared_norm("W[2]")),
    "both": All((Identity(x + x, 2 * x), Inequality(2 * x, "<=", x**2 + 1))),
    "probability": q.probability(product, q.determinant() > 0, at_least="1/3"),
}


@pytest.mark.parametrize("claim", TRUE.values(), ids=TRUE)
def test_usual_proofs_go_through(claim):
    statement = conjecture("claim", claim)
    certificate, failed = prove(statement)
    assert certificate is not None, failed
    assert check(statement, certificate, {}).status == "PROVED"


FALSE = {
    "trace": Identity(trace, 2 * trace),
    "law": Conserved(squared(first) + squared(second), flow),
    "means": Where(POSITIVE, Inequality(3 * x * y, "<=", x**2 + y**2)),
    "strict": Where(POSITIVE, Inequality(2 * x * y, "<", x**2 + y**2)),
    "cubes": Where(POSITIVE, Inequality(x**2 * y + x * y**2, "<", x**3 + y**3)),
    "conditions": Inequality(ZERO, "<=", x),
    "identity": Identity((x + y) ** 2, x**2 + y**2),
    "determinant": q.at_every_state(square, 3 * q.determinant() <= q.squared_norm()),
    "multiplicative": q.at_every_state(product, q.equal(q.determinant(), q.determinant("W[1]"))),
    "probability": q.probability(product, q.determinant() > 0, at_least="2/3"),
    "other event": q.probability(product, q.squared_norm() > 1, at_least="1/3"),
}


@pytest.mark.parametrize("claim", FALSE.values(), ids=FALSE)
def test_false_claims_get_no_proof(claim):
    certificate, failed = prove(conjecture("claim", claim))
    assert certificate is None and failed


@pytest.mark.parametrize(
    "claim",
    [
        Where(POSITIVE, Inequality(Ln(x), "<=", x - 1)),  # true, but no polynomial
        Monotone(x**2, "x", "increasing", Fraction(0)),
        q.at_every_state(product, q.nuclear_norm() <= q.squared_norm("W[1]") + q.squared_norm("W[2]")),
        q.at_every_state(DEEP_MATRIX, 2 * q.determinant() <= q.squared_norm() + 1),
        q.at_every_state(cp((3, 3), rank=3), q.squared_norm() >= 0),
    ],
)
def test_what_is_not_tried(claim):
    """No proof is known here: that is said, and says nothing about the claim."""
    certificate, failed = prove(conjecture("claim", claim))
    assert certificate is None and failed


def test_assumptions_are_used():
    given = {"positive": q.determinant() > 0, "small": q.determinant() < 1}
    claim = q.at_every_state(square, q.determinant() ** 2 <= q.determinant())
    statement = conjecture("claim", claim, given=given)
    certificate, failed = prove(statement)
    assert certificate is not None, failed
    verdict = check(statement, certificate, {})
    assert verdict.status == "PROVED" and verdict.vacuity == "vacuity not excluded"
    assert prove(conjecture("claim", claim))[0] is None


def test_rates():
    rate = squared(first).along(flow.velocities())
    assert prove(conjecture("rate", Rate(squared(first), rate, flow)))[0] is not None
    assert prove(conjecture("rate", Rate(squared(first), rate + rate - rate, flow)))[0] is not None
    assert prove(conjecture("rate", Rate(squared(first), 2 * rate, flow)))[0] is None


def test_assumptions_that_contradict_one_another():
    claim = q.at_every_state(square, q.norm() >= 1)
    assert unsatisfiable(conjecture("c", claim, given={"large": q.determinant() > q.squared_norm()}))
    assert not unsatisfiable(conjecture("c", claim, given={"positive": q.determinant() > 0}))
    assert not unsatisfiable(conjecture("c", claim, given={"equal": q.equal(q.determinant(), 1)}))
    assert not unsatisfiable(conjecture("c", claim))
    assert not unsatisfiable(conjecture("c", q.at_every_state(DEEP_MATRIX, q.norm() >= 1)))
    assert not unsatisfiable(conjecture("c", Identity(x, x)))


def test_another_probability_is_refuted():
    statement = conjecture("c", FALSE["probability"])
    contrary = refute(statement)
    assert contrary is not None and check(statement, contrary, {}).status == "REFUTED"
    assert refute(conjecture("c", FALSE["other event"])) is None
    assert refute(conjecture("c", FALSE["means"])) is None
