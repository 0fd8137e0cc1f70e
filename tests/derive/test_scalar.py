"""Producers of scalar certificates: what they find is what the kernel accepts."""

import random
from fractions import Fraction
from importlib import import_module

import pytest

from theorytest.authoring import Proof
from theorytest.derive.derivation import Derive
from theorytest.derive.scalar import Ideal, Reals, certificate, express, nonnegative_solution
from theorytest.derive.singular_values import singular_values
from theorytest.errors import InputError
from theorytest.kernel.analysis import holds, violation
from theorytest.kernel.claim import Identity, Inequality, Limit, Monotone, Range, SingularValues, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import Ring, atoms
from theorytest.kernel.rules import Context, conclude
from theorytest.kernel.scalar import ONE, ZERO, Power, Variable, scalar, sqrt, substitute
from theorytest.kernel.statement import Statement

x, y = Variable("x"), Variable("y")
HALF = Fraction(1, 2)
W = ("w11", "w12", "w21", "w22")


def reals() -> Reals:
    return Reals(Derive(Statement("any", "any", Identity(x, x))))


@pytest.mark.parametrize(
    ("goal", "premises"),
    [
        (Inequality(2 * x * y, "<=", x**2 + y**2), ()),
        (Inequality(ZERO, "<", x**2 + 1), ()),
        (Inequality(x**2, "<=", x), (Inequality(ZERO, "<=", x), Inequality(x, "<=", ONE))),
        (Inequality(ZERO, "<", x * y + x), (Inequality(ZERO, "<", x), Inequality(ZERO, "<=", y))),
        (Inequality(ZERO, "<=", x + y), (Inequality(ZERO, "<=", x), Identity(y, x))),
    ],
)
def test_easy_goals_need_no_hint(goal: Inequality, premises: tuple[Inequality | Identity, ...]) -> None:
    real = reals()
    facts = [real.suppose(premise) for premise in premises]
    prove = real.less if goal.relation == "<" else real.at_most
    assert prove("easy", goal.lhs, goal.rhs, *facts).claim.claim == goal  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]


@pytest.mark.parametrize(
    "goal",
    [Inequality(x, "<=", ZERO), Inequality(ZERO, "<", x**2), Identity(x, y), Inequality(x**2 + 1, "<=", 2 * x)],
)
def test_false_goals_have_no_certificate(goal: Inequality | Identity) -> None:
    with pytest.raises(InputError, match="no certificate"):
        certificate(goal, ())


def test_what_is_not_defined_is_named() -> None:
    with pytest.raises(KernelError, match="not known to be defined"):
        certificate(Inequality(ZERO, "<=", sqrt(x)), ())


def test_normal_forms_remember_how_they_were_made() -> None:
    root = sqrt(x**2 + 4)
    ring = Ring(atoms(root**-1))
    generators = [ring.relation(atom) for atom in ring.atoms if isinstance(atom, Power)]
    ideal = Ideal(generators)
    rng = random.Random(0)
    for _ in range(20):
        mixed = ring.constant(0)
        for generator in generators:
            monomial = ring.constant(rng.randint(-5, 5))
            for atom in ring.atoms:
                monomial = monomial * ring.generator(atom) ** rng.randint(0, 2)
            mixed = mixed + monomial * generator
        rest, multipliers = ideal.reduce(mixed)
        assert rest.is_zero()
        assert sum((m * g for m, g in zip(multipliers, generators, strict=True)), ring.constant(0)) == mixed
        assert ring.polynomial(express(ring, mixed)) == mixed
    assert not ideal.reduce(ring.generator(x))[0].is_zero()


def test_linear_programs_are_solved_exactly() -> None:
    one, two, three = Fraction(1), Fraction(2), Fraction(3)
    assert nonnegative_solution([[one, one], [one, two]], [two, three]) == [1, 1]
    assert nonnegative_solution([[one]], [-one]) is None
    assert nonnegative_solution([[-two]], [-one]) == [HALF]
    # one of the marked columns has to be used, although the target is 0
    assert nonnegative_solution([[one], [-one]], [Fraction(0)], [True, False]) == [1, 1]
    assert nonnegative_solution([[one], [one]], [two], [False, True]) == [0, 2]
    assert nonnegative_solution([[one]], [Fraction(0)], [True]) is None


def test_the_values_that_sympy_derives_on_the_solutions_are_proved() -> None:
    """The characteristic polynomial gives the formula, the kernel checks it: nothing is typed in."""
    found = singular_values([["x", 1], [1, 0]])
    real = reals()
    minus, plus = found.minus, found.plus
    assert isinstance(minus, Power)
    assert isinstance(plus, Power)
    below = real.at_most("square", 0, minus.base)
    above = real.less("positive", 0, plus.base)
    facts = real.power(below, HALF), real.power(above, HALF)
    # 2 plus (plus - minus) = (plus - minus)^2 + plus^2 - minus^2
    gap = plus - minus
    order = real.at_most(
        "minus <= plus", minus, plus, *facts, scale=[(2, 1, (facts[1],))], by=[(1, gap, ()), (4, 1, ())]
    )
    proved = real.singular_values(found.claim, *facts, order, degree=1)
    assert proved.claim.claim == found.claim  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("factor", [HALF, Fraction(2), Fraction(-1)])
def test_changed_values_are_not_proved(factor: Fraction) -> None:
    found = singular_values([["x", 1], [1, 0]])
    real = reals()
    minus, plus = found.minus, found.plus
    assert isinstance(minus, Power)
    assert isinstance(plus, Power)
    facts = (
        real.power(real.at_most("square", 0, minus.base), HALF),
        real.power(real.less("positive", 0, plus.base), HALF),
    )
    changed = SingularValues(found.matrix, (found.values[0] * factor, found.values[1]))
    with pytest.raises(InputError, match="no certificate"):
        real.singular_values(changed, *facts, degree=1)


@pytest.mark.parametrize("name", ["singular_values", "proposition_2"])
def test_every_step_of_the_proofs_holds_at_random_points(name: str) -> None:
    """A second look at the rules: no conclusion about real numbers fails at any of 25 points (exact or in balls)."""
    module = import_module(f"proofs.rc20.{name}")
    rng = random.Random(7)
    checked = 0
    for entry in [value for value in vars(module).values() if isinstance(value, Proof)]:
        derive = Derive(entry.statement)
        entry.build(derive)
        context = Context(entry.statement, {})
        found, _ = conclude(context, derive.derivation())
        assert found[-1] == entry.statement.claim
        for claim in found:
            inner = claim.claim if isinstance(claim, Where) else claim
            for _ in range(25):
                point = {v: Fraction(rng.randint(-50, 50), rng.randint(1, 20)) for v in ("w", *W)}
                if isinstance(inner, Identity | Inequality | SingularValues):
                    assert holds(claim, point, 128) is not False, claim
                elif isinstance(inner, Monotone | Range):
                    ends = sorted({Fraction(rng.randint(0, 900), 30) for _ in range(2)})
                    data = tuple(ends) if isinstance(inner, Monotone) else (ends[0],)
                    with pytest.raises(KernelError):  # two equal points, or no violation
                        violation(inner, {}, data, 128)
                elif isinstance(inner, Limit) and inner.value is not None:
                    far = Inequality(
                        (substitute(inner.function, "w", scalar(10**12)) - inner.value) ** 2, "<", scalar(HALF**20)
                    )
                    assert holds(far, {}, 256) is not False, claim
                else:
                    break
                checked += 1
    assert checked > 1000
