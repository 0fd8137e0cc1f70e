"""Real functions of time: what the rules conclude and refuse, against exact solutions, and how claims fail."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from theorytest.kernel import evolution
from theorytest.kernel.ball import evaluate, less, precision
from theorytest.kernel.check import check
from theorytest.kernel.claim import Claim, Evolution, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.evolution import initial, total_derivative
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import ZERO, Exp, Ln, Scalar, Variable, scalar, sqrt
from theorytest.kernel.statement import (
    REFUTED,
    UNDECIDED,
    Assumption,
    Certificate,
    Instance,
    Statement,
    Verdict,
    Witness,
)
from theorytest.kernel.terms import Tensor

t, x, y, g, k = (Variable(name) for name in ("t", "x", "y", "g", "k"))
X0 = Variable(initial("x"))


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


def at_most(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def below(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


POSITIVE = below(0, x)
GROWTH = Evolution("t", (("x", k * x), ("y", scalar(0))), ("g",), (POSITIVE,), ())
QUANTITY = x * Exp(-1 * k * t)
SLOPE = total_derivative(GROWTH, QUANTITY)
DEFINED = Where((), Identity(QUANTITY, QUANTITY))


# -- the derivative in time --------------------------------------------------------------------------------------------


def test_the_chain_rule_along_known_solutions() -> None:
    """x' = k x^p has a solution in closed form; total derivatives of random quantities are those of difference
    quotients in exact arithmetic, to the order of the step."""
    random = Random(0)
    for _ in range(25):
        a, b, c = (random.randint(1, 4) for _ in range(3))
        # x = a / (1 - b t)^1 solves x' = (b / a) x^2; y = c + b t solves y' = b.
        system = Evolution("t", (("x", Fraction(b, a) * x**2), ("y", scalar(b))), (), (), ())
        quantity = x ** random.randint(-2, 3) * y ** random.randint(0, 2) + t * x - y * t**2

        def at(time: Fraction, quantity: Scalar = quantity, a: int = a, b: int = b, c: int = c) -> Fraction:
            value = evaluate(quantity, {"t": time, "x": a / (1 - b * time), "y": c + b * time})
            assert isinstance(value, Fraction)
            return value

        time, h = Fraction(random.randint(1, 9), 100), Fraction(1, 10**9)
        slope = evaluate(
            total_derivative(system, quantity), {"t": time, "x": a / (1 - b * time), "y": Fraction(c) + b * time}
        )
        assert isinstance(slope, Fraction)
        assert abs((at(time + h) - at(time - h)) / (2 * h) - slope) < Fraction(1, 10**9)


def test_what_does_not_decrease_or_change() -> None:
    flat, falls = Where((POSITIVE,), Identity(SLOPE, ZERO)), Where((POSITIVE,), at_most(SLOPE, 0))
    start = X0 * Exp(-1 * k * 0)
    kept = apply("derivative-in-time", flat, DEFINED, data=(GROWTH, QUANTITY))
    assert kept == replace(
        GROWTH, claims=(Where((), Identity(QUANTITY, evolution.put(QUANTITY, {"x": X0, "t": ZERO}))),)
    )
    least = apply("derivative-in-time", falls, DEFINED, data=(GROWTH, QUANTITY))
    assert least.claims[0].claim.relation == "<="
    assert evaluate(start, {"x(0)": Fraction(3), "k": Fraction(2)}) == 3


def test_conditions_of_the_premises_hold_at_every_time() -> None:
    """Conditions, 0 <= t, what was shown before, and all this at time 0."""
    shown = replace(GROWTH, claims=(Where((), below(0, y)), Where((POSITIVE,), below(0, g))))
    known = (POSITIVE, at_most(0, t), below(0, X0), below(0, y), below(0, Variable(initial("y"))))
    flat = Where(known, Identity(SLOPE, ZERO))
    assert apply("derivative-in-time", flat, DEFINED, shown, data=(GROWTH, QUANTITY)).rates == GROWTH.rates
    for unknown in (below(0, y), below(0, g), at_most(1, t)):
        with pytest.raises(KernelError, match="not known to hold"):
            apply("derivative-in-time", Where((unknown,), Identity(SLOPE, ZERO)), DEFINED, data=(GROWTH, QUANTITY))
        with pytest.raises(KernelError, match="not known to hold"):
            premise = Where((unknown,), Identity(QUANTITY, QUANTITY))
            apply("derivative-in-time", Where((), Identity(SLOPE, ZERO)), premise, data=(GROWTH, QUANTITY))


def test_the_derivative_refuses() -> None:
    flat = Where((), Identity(SLOPE, ZERO))
    with pytest.raises(KernelError, match="needs the sign"):
        apply("derivative-in-time", flat, data=(GROWTH, QUANTITY))
    with pytest.raises(KernelError, match="derivative of an input"):
        apply("derivative-in-time", flat, DEFINED, data=(GROWTH, QUANTITY + g))
    for wrong in (at_most(0, SLOPE), below(SLOPE, 1), Identity(SLOPE, k), at_most(SLOPE, 1), Identity(ZERO, SLOPE)):
        with pytest.raises(KernelError, match="first premise"):
            apply("derivative-in-time", Where((), wrong), DEFINED, data=(GROWTH, QUANTITY))
    with pytest.raises(KernelError, match="second premise"):
        apply("derivative-in-time", flat, Where((), Identity(x, x)), data=(GROWTH, QUANTITY))
    with pytest.raises(KernelError, match="without claims"):
        apply("derivative-in-time", flat, DEFINED, data=(replace(GROWTH, claims=(DEFINED,)), QUANTITY))
    with pytest.raises(KernelError, match="must be Evolution"):
        apply("derivative-in-time", flat, DEFINED, flat, data=(GROWTH, QUANTITY))
    other = replace(GROWTH, conditions=(), claims=(DEFINED,))
    with pytest.raises(KernelError, match="the same functions"):
        apply("derivative-in-time", flat, DEFINED, other, data=(GROWTH, QUANTITY))
    with pytest.raises(KernelError, match="data must be"):
        apply("derivative-in-time", flat, DEFINED, data=(GROWTH,))


@pytest.mark.parametrize(
    "system",
    [
        Evolution("t", (("t", x),), (), (), ()),
        Evolution("t", (("x", x), ("x", k)), (), (), ()),
        Evolution("t", (("x", x),), ("x",), (), ()),
        Evolution("t", (("x", x),), ("t",), (), ()),
        Evolution("t", (("x", x), ("x(0)", k)), (), (), ()),
        Evolution("x(0)", (("x", x),), (), (), ()),
        Evolution("t", (("x", x),), ("x(0)",), (), ()),
    ],
)
def test_names_are_different(system: Evolution) -> None:
    with pytest.raises(KernelError, match="different names"):
        evolution.require_well_formed(system)
    with pytest.raises(KernelError, match="different names"):
        apply("at-every-time", DEFINED, data=(system,))


# -- at every time -----------------------------------------------------------------------------------------------------


def test_what_follows_at_every_time() -> None:
    shown = replace(GROWTH, claims=(Where((), below(0, y)), Where((below(1, x),), below(2, y))))
    follows = Where((POSITIVE, at_most(0, t), below(0, y), below(3, g)), below(0, x * y))
    made = apply("at-every-time", shown, follows, data=(GROWTH,))
    assert made == replace(GROWTH, claims=(Where((below(3, g),), below(0, x * y)),))
    # What was shown under a condition is not known without it.
    again = apply("at-every-time", shown, Where((below(2, y),), below(1, y)), data=(GROWTH,))
    assert again.claims == (Where((below(2, y),), below(1, y)),)


def test_at_every_time_refuses() -> None:
    with pytest.raises(KernelError, match="a formula that follows"):
        apply("at-every-time", replace(GROWTH, claims=(DEFINED,)), data=(GROWTH,))
    with pytest.raises(KernelError, match="the same functions"):
        apply("at-every-time", replace(GROWTH, inputs=(), claims=(DEFINED,)), DEFINED, data=(GROWTH,))
    with pytest.raises(KernelError, match="between scalars"):
        tensor = Tensor("T", ())()
        apply("at-every-time", Where((), Identity(tensor, tensor)), data=(GROWTH,))
    with pytest.raises(KernelError, match="must be Where"):
        apply("at-every-time", below(0, x), data=(GROWTH,))


# -- against exact solutions -------------------------------------------------------------------------------------------


def test_separable_equations_at_fifty_digits() -> None:
    """c' = g c^(N-1) with constant g: c^-(N-2) = c(0)^-(N-2) - (N-2) g t, by a Taylor series of the solution."""
    random = Random(1)
    for _ in range(25):
        order, start = random.randint(3, 6), Fraction(random.randint(1, 9), random.randint(5, 12))
        speed = Fraction(random.randint(-9, 9), random.randint(3, 9))
        time = Fraction(1, 40 * order)
        # The binomial series of (1 - (N-2) g t c0^(N-2))^(-1/(N-2)), summed to far beyond 50 digits.
        z = (order - 2) * speed * time * start ** (order - 2)
        assert abs(z) < Fraction(9, 10)
        exponent, term, total = Fraction(-1, order - 2), Fraction(1), Fraction(0)
        for n in range(120):
            total += term
            term = term * (exponent - n) / (n + 1) * -z
        # d/dt of the series is g c^(N-1): check the equation that the lemma is about, then its conclusion.
        c = start * total
        left = 1 / c ** (order - 2)
        right = 1 / start ** (order - 2) - (order - 2) * speed * time
        assert abs(left / right - 1) < abs(z) ** 100 + Fraction(1, 10**50)
        quantity = x ** -(order - 2) + (order - 2) * g * t
        system = Evolution("t", (("x", g * x ** (order - 1)),), ("g",), (), ())
        assert evaluate(total_derivative(system, quantity), {"x": c, "g": speed, "t": time}) == 0


def test_gronwall_at_exact_solutions() -> None:
    """y' = 2 a y with |a| <= L stays below y(0) e^(2 L t): compared in balls at 200 bits."""
    random = Random(2)
    for _ in range(25):
        bound = Fraction(random.randint(1, 12), 4)
        rate = bound * Fraction(random.randint(-10, 10), 10)
        time = Fraction(random.randint(1, 30), 10)
        with precision(200):
            actual, most = (evaluate(Exp(scalar(2 * r * time)), {}) for r in (rate, bound))
            assert less(most, actual) is (None if rate == bound else False)


# -- how claims fail ---------------------------------------------------------------------------------------------------


def refute(claim: Evolution, **values: Any) -> str:
    return evolution.violation(claim, {name: Fraction(value) for name, value in values.items()}, 256)


def claims(formula: Identity | Inequality, *conditions: Identity | Inequality) -> Evolution:
    return replace(GROWTH, claims=(Where(conditions, formula),))


def test_false_claims_fail_at_once_or_right_after() -> None:
    start = {"x": 1, "y": 0, "g": 1, "k": 2}
    assert "false at time 0" in refute(claims(below(x, 1)), **start)
    assert "move apart at the speed 2" in refute(claims(Identity(x, X0)), **start)
    assert "move apart at the speed -" in refute(claims(Identity(Ln(x), 3 * t)), **start)
    assert "faster by 2" in refute(claims(at_most(x, X0)), **start)
    assert "faster by 2" in refute(claims(at_most(x, 1)), **start)
    assert "faster by 2" in refute(claims(at_most(sqrt(x) * sqrt(x), 1)), **start)
    assert "false at time 0" in refute(claims(at_most(x, 0), Identity(y, ZERO)), **start)


def test_true_claims_do_not_fail() -> None:
    start = {"x": 1, "y": 0, "g": 1, "k": 2}
    for true in (Identity(x, x), Identity(QUANTITY, X0), at_most(X0, x), at_most(x, X0 * Exp(k * t)), below(0, x)):
        with pytest.raises(KernelError, match="does not surely fail"):
            refute(claims(true), **start)
    # Neither where its condition does not hold, or may not last.
    with pytest.raises(KernelError, match="does not surely fail"):
        refute(claims(at_most(x, 0), below(x, 1)), **start)
    for fleeting in (Identity(x, X0), at_most(x, 1)):
        with pytest.raises(KernelError, match="does not surely fail"):
            refute(claims(at_most(x, X0), fleeting), **start)
    assert "faster" in refute(claims(at_most(x, X0), at_most(0, t), below(0, x), Identity(g, k - 1)), **start)


def test_conditions_have_to_last() -> None:
    false = Where((), at_most(x, X0))
    for fleeting in (Identity(x, scalar(1)), at_most(x, 1), below(x, 1), Identity(k, scalar(3))):
        system = replace(GROWTH, conditions=(fleeting,), claims=(false,))
        with pytest.raises(KernelError, match="conditions do not surely hold"):
            refute(system, x=1, y=0, g=1, k=2)
    lasting = replace(GROWTH, conditions=(at_most(x, 2), Identity(k, scalar(2)), at_most(0, t)), claims=(false,))
    assert "faster" in refute(lasting, x=1, y=0, g=1, k=2)


def test_solutions_have_to_exist() -> None:
    """x' = 1 / x from 0, and x' = sqrt(x) from 0, are not smooth there."""
    for rate in (x**-1, sqrt(x), Ln(x)):
        system = Evolution("t", (("x", rate),), (), (), (Where((), at_most(x, X0)),))
        with pytest.raises(KernelError, match="not defined for a while"):
            refute(system, x=0)
    assert "faster" in refute(Evolution("t", (("x", sqrt(x)),), (), (), (Where((), at_most(x, X0)),)), x=4)


@pytest.mark.parametrize("values", [{"x": 1}, {"x": 1, "y": 1, "g": 1, "t": 0}, {"x": 1, "y": 1, "g": 1, "x(0)": 1}])
def test_values_for_the_functions_alone(values: dict[str, Any]) -> None:
    with pytest.raises(KernelError, match="values were needed"):
        refute(claims(at_most(x, X0)), k=2, **values)


def test_witnesses_through_the_kernel() -> None:
    statement = Statement("s", "", claims(at_most(x, X0)))

    def verdict(**values: int) -> str:
        numbers = tuple((name, Fraction(value)) for name, value in values.items())
        witness = Witness(Instance(variables=numbers))
        return check(statement, Certificate("witness", statement.digest, witness, "me"), {}).status

    assert verdict(x=1, y=0, g=1, k=2) == REFUTED
    assert verdict(x=1, y=0, g=1, k=-2) == UNDECIDED


@pytest.mark.parametrize("assumed", [at_most(0, x), Identity(g, scalar(0)), at_most(0, t)])
def test_what_is_assumed_of_a_function_is_not_met_at_one_time(assumed: Identity | Inequality) -> None:
    """x' = -1 from x = 0 is no flow along which 0 <= x, whatever holds at time 0; a constant keeps its value."""
    falls = Evolution("t", (("x", scalar(-1)),), ("g",), (), (Where((), at_most(0, x)),))

    def verdict(formula: Identity | Inequality) -> Verdict:
        statement = Statement("s", "", falls, assumptions=(Assumption("given", "", formula),))
        numbers = tuple((name, Fraction(0)) for name in ("x", "g", "k"))
        witness = Witness(Instance(variables=numbers))
        return check(statement, Certificate("witness", statement.digest, witness, "me"), {})

    assert verdict(at_most(0, k)).status == REFUTED
    found = verdict(assumed)
    assert found.status == UNDECIDED and "assumed to meet a formula: when?" in found.reason
