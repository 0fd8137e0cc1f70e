"""Positivstellensatz certificates: accepted only if the identity holds; a second, naive decision by evaluation."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from theorytest.kernel.analysis import sides
from theorytest.kernel.claim import Identity, Inequality
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import UNIT, Multiple, Positivstellensatz, Ring, Summand, atoms, certifies
from theorytest.kernel.scalar import ONE, ZERO, Exp, Ln, Number, Power, Scalar, Sum, Times, Variable, scalar, sqrt

x, y = Variable("x"), Variable("y")
HALF = Fraction(1, 2)
Formula = Identity | Inequality


def one(weight: int | Fraction, square: Scalar | int = 1, *factors: int) -> Summand:
    return Summand(Fraction(weight), scalar(square), factors)


def decide(goal: Formula, premises: Sequence[Formula], certificate: Positivstellensatz) -> None:
    """Run the check as the rule does."""
    ring = Ring(set[Scalar]().union(*(atoms(s) for f in (goal, *premises) for s in sides(f))))

    def gap(k: int):
        lhs, rhs = map(ring.polynomial, sides(premises[k]))
        return rhs - lhs, getattr(premises[k], "relation", "=") == "<"

    def equation(k: int):
        lhs, rhs = map(ring.polynomial, sides(premises[k]))
        return lhs - rhs

    relation = goal.relation if isinstance(goal, Inequality) else "="
    lhs, rhs = map(ring.polynomial, sides(goal))
    certifies(ring, rhs - lhs, relation, certificate, gap, equation)


def naive(expression: Scalar, values: Mapping[Scalar, Fraction]) -> Fraction:
    """The value of the polynomial that an expression is read as, at arbitrary values of its atoms."""
    match expression:
        case Number(value):
            return value
        case Sum(parts):
            return sum((naive(part, values) for part in parts), Fraction(0))
        case Times(parts):
            total = Fraction(1)
            for part in parts:
                total *= naive(part, values)
            return total
        case Power(base, exponent):
            whole = exponent.numerator // exponent.denominator
            part = exponent - whole
            below = naive(base, values) if whole >= 0 else values[Power(base, Fraction(-1))]
            up = values[Power(base, Fraction(1, part.denominator))] ** part.numerator if part else Fraction(1)
            return below ** abs(whole) * up
        case _:
            return values[expression]


def agrees(goal: Formula, premises: Sequence[Formula], certificate: Positivstellensatz, points: int = 25) -> bool:
    """Whether both sides of the certificate have the same value at random points: a second decision."""
    rng = random.Random(0)
    names = sorted(set[Scalar]().union(*(atoms(s) for f in (goal, *premises) for s in sides(f))), key=repr)
    for _ in range(points):
        at = {atom: Fraction(rng.randint(-99, 99), rng.randint(1, 9)) for atom in names}

        def weigh(summands: Sequence[Summand], at: Mapping[Scalar, Fraction] = at) -> Fraction:
            total = Fraction(0)
            for summand in summands:
                term = summand.weight * naive(summand.square, at) ** 2
                for k in summand.factors:
                    lhs, rhs = sides(premises[k])
                    term *= naive(rhs, at) - naive(lhs, at)
                total += term
            return total

        lhs, rhs = sides(goal)
        left = weigh(certificate.scale) * (naive(rhs, at) - naive(lhs, at))
        right = weigh(certificate.summands)
        for multiple in certificate.multiples:
            if isinstance(multiple.equation, int):
                lhs, rhs = sides(premises[multiple.equation])
                zero = naive(lhs, at) - naive(rhs, at)
            else:
                atom = multiple.equation
                assert isinstance(atom, Power)
                base = naive(atom.base, at)
                zero = base * at[atom] - 1 if atom.exponent < 0 else at[atom] ** atom.exponent.denominator - base
            right += naive(multiple.multiplier, at) * zero
        if left != right:
            return False
    return True


root = sqrt(x**2 + 1)
SQUARES = Inequality(2 * x * y, "<=", x**2 + y**2), (), Positivstellensatz(UNIT, (one(1, x - y),), ())
STRICT = (
    Inequality(x, "<", root),
    (Inequality(ZERO, "<", root), Inequality(ZERO, "<=", x)),
    Positivstellensatz((one(1, 1, 0), one(1, 1, 1)), (one(1),), (Multiple(ONE, root),)),
)
INVERSE = (
    Identity(x * y, ONE),
    (Identity(y, x**-1),),
    Positivstellensatz(UNIT, (), (Multiple(-x, 0), Multiple(scalar(-1), x**-1))),
)
GOAL_SQUARE = (
    Inequality(y, "<=", x),
    (Inequality(ZERO, "<=", x), Inequality(y**2, "<=", x**2)),
    Positivstellensatz((one(2, 1, 0),), (one(1, x - y), one(1, 1, 1)), ()),
)
POSITIVE = (
    Inequality(ZERO, "<", x),
    (Inequality(ZERO, "<", x * y), Inequality(ZERO, "<=", y)),
    Positivstellensatz((one(1, 1, 1),), (one(1, 1, 0),), ()),
)
GOOD = [SQUARES, STRICT, INVERSE, GOAL_SQUARE, POSITIVE]


@pytest.mark.parametrize(("goal", "premises", "certificate"), GOOD)
def test_good_certificates_are_accepted_by_both(goal, premises, certificate) -> None:
    decide(goal, premises, certificate)
    assert agrees(goal, premises, certificate)


def mutations(certificate: Positivstellensatz):
    """Every certificate with one number changed or one part dropped."""
    for field in ("scale", "summands", "multiples"):
        parts = getattr(certificate, field)
        for k, part in enumerate(parts):
            yield replace(certificate, **{field: (*parts[:k], *parts[k + 1 :])})
            if isinstance(part, Summand):
                yield replace(
                    certificate, **{field: (*parts[:k], replace(part, weight=part.weight + 1), *parts[k + 1 :])}
                )
                for factor in range(len(part.factors)):
                    fewer = part.factors[:factor] + part.factors[factor + 1 :]
                    yield replace(certificate, **{field: (*parts[:k], replace(part, factors=fewer), *parts[k + 1 :])})
            else:
                other = replace(part, multiplier=part.multiplier + Fraction(1, 97))
                yield replace(certificate, **{field: (*parts[:k], other, *parts[k + 1 :])})


@pytest.mark.parametrize(("goal", "premises", "certificate"), GOOD)
def test_forged_certificates_are_rejected(goal, premises, certificate) -> None:
    forged = list(mutations(certificate))
    assert forged
    for bad in forged:
        with pytest.raises(KernelError):
            decide(goal, premises, bad)


def test_the_two_deciders_agree_on_random_certificates() -> None:
    """Where the signs are all right, the check accepts exactly where the sides agree at random points."""
    rng = random.Random(1)
    seen = set()
    for _ in range(300):
        goal = Inequality(ZERO, "<=", scalar(rng.randint(0, 2)) * x**2 + rng.randint(-1, 1) * x + rng.randint(0, 1))
        squares = (x * rng.randint(0, 1) + HALF * rng.randint(0, 2) for _ in range(rng.randint(1, 2)))
        certificate = Positivstellensatz(UNIT, tuple(one(1, square) for square in squares), ())
        expected = agrees(goal, (), certificate)
        try:
            decide(goal, (), certificate)
            found = True
        except KernelError:
            found = False
        assert found is expected
        seen.add(found)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("goal", "premises", "certificate", "message"),
    [
        (Inequality(x**2, "<=", ZERO), (), Positivstellensatz(UNIT, (one(-1, x),), ()), "weight"),
        (Identity(x, ZERO), (Inequality(x, "<=", ZERO),), Positivstellensatz(UNIT, (one(1, 1, 0),), ()), "multiples"),
        (Inequality(ZERO, "<", x**2), (), Positivstellensatz(UNIT, (one(1, x),), ()), "positive summand"),
        (
            Inequality(ZERO, "<", x),
            (Inequality(ZERO, "<=", x),),
            Positivstellensatz(UNIT, (one(1, 1, 0),), ()),
            "positive",
        ),
        (
            Inequality(ZERO, "<", x),
            (Inequality(ZERO, "<", x),),
            Positivstellensatz(UNIT, (one(0, 1, 0),), ()),
            "positive",
        ),
        # 0 * goal = 0 proves nothing, whatever the goal
        (Inequality(ONE, "<=", ZERO), (), Positivstellensatz((), (), ()), "scale"),
        (Identity(ONE, ZERO), (), Positivstellensatz((), (), ()), "scale"),
        (Inequality(ONE, "<=", ZERO), (), Positivstellensatz((one(1, ZERO),), (), ()), "scale"),
        # x^2 * (-x) = ... needs a square of the goal
        (Inequality(x, "<=", ZERO), (), Positivstellensatz((one(1, x),), (one(1, x),), ()), "scale"),
        # a goal that is a strict inequality is not proved by its own square
        (
            Inequality(ZERO, "<", x),
            (Inequality(ZERO, "<=", x),),
            Positivstellensatz((one(1, 1, 0),), (one(1, x),), ()),
            "positive",
        ),
        (Inequality(ZERO, "<=", x), (), Positivstellensatz(UNIT, (), (Multiple(ONE, x),)), "no relation"),
        (Inequality(ZERO, "<=", x), (), Positivstellensatz(UNIT, (), (Multiple(ONE, x**2),)), "no relation"),
        (Inequality(ZERO, "<=", x), (), Positivstellensatz(UNIT, (), (Multiple(ONE, x**-1),)), "defined"),
        (Inequality(ZERO, "<=", x), (), Positivstellensatz(UNIT, (one(1, y),), ()), "defined"),
    ],
)
def test_unsound_certificates_are_rejected(goal, premises, certificate, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        decide(goal, premises, certificate)


def test_atoms() -> None:
    u = x + 1
    assert atoms(u**-2) == {x, u**-1}
    assert atoms(u ** Fraction(3, 2)) == {x, sqrt(u)}
    assert atoms(u ** Fraction(-1, 2)) == {x, u**-1, sqrt(u)}
    assert atoms(Ln(u) * Exp(y) + 2) == {x, y, Ln(u), Exp(y)}


def test_powers_are_read_as_powers_of_the_root_and_the_inverse() -> None:
    ring = Ring(atoms(x ** Fraction(-3, 2)))
    inverse, half = ring.generator(x**-1), ring.generator(sqrt(x))
    assert ring.polynomial(x ** Fraction(-3, 2)) == inverse**2 * half
    assert ring.polynomial(x ** Fraction(5, 2)) == ring.polynomial(x) ** 2 * half
    assert ring.relation(x**-1) == ring.polynomial(x) * inverse - 1
    assert ring.relation(sqrt(x)) == half**2 - ring.polynomial(x)
    with pytest.raises(KernelError, match="no relation"):
        ring.relation(x ** Fraction(3, 2))
