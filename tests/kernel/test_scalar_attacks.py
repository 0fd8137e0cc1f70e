"""Attacks on the scalar rules: thousands of random applications, hostile data among them, with every conclusion tested.

A rule about points is sound if its conclusion holds at every point at which its premises hold. So premises are drawn
freely (true or not), and wherever they hold at a point, by a second evaluation that shares no code with the kernel
(intervals of integers over a power of 2, rounded outwards), the conclusion must not fail there. No tolerance is
involved: an interval that cannot tell says so. Rules about functions of a variable are tested on grids of that
variable.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from math import isqrt
from typing import Any

import pytest

from theorytest.derive.scalar import express
from theorytest.kernel import analysis
from theorytest.kernel.ball import UndefinedError, evaluate, less, precision
from theorytest.kernel.claim import (
    Claim,
    Identity,
    Inequality,
    InfimalRank,
    Limit,
    Monotone,
    Range,
    SingularValues,
    SliceTruncation,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.polynomial import UNIT, Multiple, Positivstellensatz, Ring, Summand, atoms
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import (
    ONE,
    ZERO,
    Exp,
    Ln,
    Number,
    Power,
    Scalar,
    Sum,
    Times,
    Variable,
    absolute,
    children,
    derivative,
    rebuild,
    scalar,
    substitute,
)
from theorytest.kernel.statement import Instance, Statement
from theorytest.kernel.truncation import Boxes, Tucker, lower_bound, squared_singular_values, unfolding

x, y = Variable("x"), Variable("y")
HALF, NOTHING = Fraction(1, 2), Fraction(0)
Formula = Identity | Inequality
Point = Mapping[str, Fraction]


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


# -- a second evaluation: intervals of integers over 2^BITS ------------------------------------------------------------

BITS = 110
UNIT_ = 1 << BITS
LARGEST = UNIT_ << 200
Interval = tuple[int, int]


class NoValueError(Exception):
    """The expression certainly has no value."""


class UnclearError(Exception):
    """The intervals cannot tell."""


def over(numerator: int, denominator: int) -> Interval:
    """Floor and ceiling of a quotient."""
    return numerator // denominator, -(-numerator // denominator)


def fixed(value: Fraction) -> Interval:
    return over(value.numerator << BITS, value.denominator)


def times(one: Interval, other: Interval) -> Interval:
    corners = [a * b for a in one for b in other]
    if max(map(abs, corners)) > LARGEST << BITS:
        raise UnclearError
    return min(corners) >> BITS, -(-max(corners) >> BITS)


def plus(one: Interval, other: Interval) -> Interval:
    return one[0] + other[0], one[1] + other[1]


def whole_root(number: int, degree: int) -> int:
    """The largest integer whose power is at most the number."""
    if degree == 2:
        return isqrt(number)
    low, high = 0, 1 << (number.bit_length() // degree + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= number else (low, middle)
    return low


def rooted(value: int, degree: int) -> Interval:
    number = value << (BITS * (degree - 1))
    below = whole_root(number, degree)
    return below, below + (below**degree != number)


def logarithm(value: int) -> Interval:
    """ln of a positive number: by powers of 2 and the series of the inverse hyperbolic tangent."""
    shift = value.bit_length() - 1
    moved = times(twice_artanh(over(UNIT_, 3)), fixed(Fraction(shift - BITS)))  # ln 2 = 2 artanh(1/3)
    one = 1 << shift
    return plus(twice_artanh(over((value - one) << BITS, value + one)), moved)


def twice_artanh(z: Interval) -> Interval:
    """2 artanh z for 0 <= z <= 1/3."""
    power, square, total, count = z, times(z, z), (0, 0), 40
    for k in range(count):
        total = plus(total, (power[0] // (2 * k + 1), -(-power[1] // (2 * k + 1))))
        power = times(power, square)
    return 2 * total[0], 2 * (total[1] + 2 * power[1])  # the tail is at most |z|^(2 count + 1) / (1 - z^2)


def exponential(value: int) -> Interval:
    """exp of a number of moderate size: its series after halving the argument 8 times."""
    if value > 60 * UNIT_:
        raise UnclearError
    if value < -60 * UNIT_:
        return 0, exponential(-60 * UNIT_)[1]
    small, total, term = over(value, 256), (0, 0), (UNIT_, UNIT_)
    for k in range(1, 41):
        total = plus(total, term)
        low, high = times(term, small)
        term = low // k, -(-high // k)
    rest = 2 * max(map(abs, term))  # |argument| < 1/4: the tail is at most twice its first term
    total = total[0] - rest, total[1] + rest
    for _ in range(8):
        total = times(total, total)
    return total


def enclose(expression: Scalar, point: Point) -> Interval:
    """An interval around the value; raise `NoValueError` or `UnclearError`."""
    match expression:
        case Number(value):
            return fixed(value)
        case Variable(name):
            return fixed(point[name])
        case Sum(parts) | Times(parts):
            # All parts first: a sure hole anywhere is a sure hole, whatever the others are.
            summing = isinstance(expression, Sum)
            total = (0, 0) if summing else (UNIT_, UNIT_)
            for part in _all(parts, point):
                total = plus(total, part) if summing else times(total, part)
            return total
        case Power(base, exponent):
            return _raise(enclose(base, point), exponent)
        case Ln(argument):
            low, high = enclose(argument, point)
            if high <= 0:
                raise NoValueError
            if low <= 0:
                raise UnclearError
            return (0, 0) if low == high == UNIT_ else (logarithm(low)[0], logarithm(high)[1])
        case Exp(argument):
            low, high = enclose(argument, point)
            return (UNIT_, UNIT_) if low == high == 0 else (exponential(low)[0], exponential(high)[1])


def _all(parts: Sequence[Scalar], point: Point) -> list[Interval]:
    found, unknown = list[Interval](), False
    for part in parts:
        try:
            found.append(enclose(part, point))
        except UnclearError:
            unknown = True
    if unknown:
        raise UnclearError
    return found


def _raise(value: Interval, exponent: Fraction) -> Interval:
    low, high = value
    if exponent.denominator == 1 and exponent >= 0:
        result = (UNIT_, UNIT_)
        for _ in range(int(exponent)):
            result = times(result, value)
        return result
    if exponent.denominator > 1:
        if high < 0 or (high <= 0 and exponent < 0):
            raise NoValueError
        if low < 0 or (low <= 0 and exponent < 0):
            raise UnclearError
        value = (rooted(low, exponent.denominator)[0], rooted(high, exponent.denominator)[1])
        return _raise(value, Fraction(exponent.numerator))
    if low == high == 0:
        raise NoValueError
    if low <= 0 <= high:
        raise UnclearError
    return _raise((over(UNIT_ * UNIT_, high)[0], over(UNIT_ * UNIT_, low)[1]), -exponent)


def truth(formula: Claim, point: Point) -> bool | None:
    """Whether a formula holds at a point, and its sides are defined there; None where that is not clear."""
    lhs, rhs = analysis.sides(formula)
    try:
        (a, b), (c, d) = _all((lhs, rhs), point)
    except NoValueError:
        return False
    except UnclearError:
        return None
    if isinstance(formula, Identity):
        return True if a == b == c == d else (False if b < c or d < a else None)
    if formula.relation == "<":
        return True if b < c else (False if d <= a else None)
    return True if b <= c else (False if d < a else None)


def together(verdicts: Sequence[bool | None]) -> bool | None:
    return False if False in verdicts else (None if None in verdicts else True)


def claim_truth(claim: Claim, point: Point) -> bool | None:
    """The same for singular values, and for claims under conditions."""
    if isinstance(claim, Where):
        met = together([truth(condition, point) for condition in claim.conditions])
        return True if met is False else (claim_truth(claim.claim, point) if met else None)
    if isinstance(claim, SingularValues):
        return together([truth(part, point) for part in analysis.defining(claim)])
    return truth(claim, point)


# -- drawing -----------------------------------------------------------------------------------------------------------

CONSTANTS = [Fraction(n) for n in (-2, -1, 0, 1, 2)] + [-HALF, HALF]
EXPONENTS = [Fraction(n) for n in (-2, -1, 0, 1, 2, 3)]
EXPONENTS += [Fraction(*pair) for pair in ((1, 2), (-1, 2), (1, 3), (-1, 3), (2, 3), (3, 2), (-3, 2), (1, 4))]
POINTS = [
    dict(zip("xy", values, strict=True))
    for values in product([Fraction(n, 2) for n in (-4, -2, -1, 0, 1, 2, 3, 4, 9)], repeat=2)
]


class Draw(random.Random):
    """Random expressions and formulas, raw (as hostile JSON may have them) or built by the operators."""

    def expression(self, depth: int) -> Scalar:
        if depth == 0 or self.random() < 0.2:
            return self.choice([x, y, x, y, Number(self.choice(CONSTANTS))])
        kind = self.choice("sstttppple")
        if kind in "st":
            parts = tuple(self.expression(depth - 1) for _ in range(self.choice([0, 1, 2, 2, 2, 2])))
            if self.random() < 0.4 and parts:
                total = parts[0]
                for part in parts[1:]:
                    total = total + part if kind == "s" else total * part
                return total
            return Sum(parts) if kind == "s" else Times(parts)
        inner = self.expression(depth - 1)
        if kind == "p":
            return Power(inner, self.choice(EXPONENTS))
        return Ln(inner) if kind == "l" else Exp(inner)

    def formula(self, depth: int = 2) -> Formula:
        lhs, rhs = self.expression(depth), self.expression(depth)
        if self.random() < 0.4:
            lhs = ZERO
        if self.random() < 0.15:
            rhs = lhs
        if self.random() < 0.3:
            return Identity(lhs, rhs)
        return Inequality(lhs, self.choice(["<", "<="]), rhs)

    def premise(self, claim: Claim | None = None) -> Where:
        conditions = tuple(self.formula(1) for _ in range(self.choice([0, 0, 1, 2])))
        return Where(conditions, claim or self.formula())

    def some(self, items: Sequence[Any], most: int) -> list[Any]:
        return [self.choice(items) for _ in range(self.randint(0, most))] if items else []

    def replaced(self, expression: Scalar, old: Scalar, new: Scalar) -> Scalar:
        """Some occurrences replaced."""
        if expression == old and self.random() < 0.7:
            return new
        return rebuild(expression, tuple(self.replaced(part, old, new) for part in children(expression)))

    def part(self, expression: Scalar) -> Scalar:
        """A random part of an expression."""
        while children(expression) and self.random() < 0.7:
            expression = self.choice(children(expression))
        return expression


Case = tuple[tuple[Claim, ...], tuple[Any, ...]]


def logic(rng: Draw, rule: str) -> Case:
    """Premises and data for the rules that only move formulas about."""
    if rule == "suppose":
        return (), (rng.formula(),)
    if rule == "cut":
        lemmas = [rng.premise() for _ in range(rng.randint(0, 2))]
        last = Where(tuple(rng.some([lemma.claim for lemma in lemmas] + [rng.formula(1)], 2)), rng.formula(1))
        return (*lemmas, last), tuple(rng.formula(1) for _ in range(rng.choice([0, 0, 1])))
    if rule == "discharge":
        where = rng.premise(rng.formula(1))
        known = [condition for condition in where.conditions if rng.random() < 0.8]
        return (where, *known, *rng.some([rng.formula(1)], 1)), ()
    if rule == "cases":
        lhs, rhs, goal = rng.expression(2), rng.expression(2), rng.formula()
        bound = Inequality(lhs, "<=", rhs)
        pool: list[Formula] = [Inequality(lhs, "<", rhs), Identity(lhs, rhs), bound, rng.formula(1)]
        pool += [Identity(rhs, lhs), Inequality(rhs, "<", lhs)]
        return (Where(tuple(rng.some(pool, 2)), goal), Where(tuple(rng.some(pool, 2)), goal)), (bound,)
    if rule == "rewrite":
        equal = rng.premise(Identity(rng.expression(2), rng.expression(1)))
        old, new = analysis.sides(equal.claim)
        holes = rng.expression(2)
        whole = rng.choice([Sum((holes, old)), Times((old, old)), Power(old, rng.choice(EXPONENTS)), Ln(old), Exp(old)])
        before = rng.choice([Identity(whole, whole), Inequality(whole, "<=", rng.expression(1))])
        sides = tuple(rng.replaced(side, old, new) for side in analysis.sides(before))
        after = replace(before, lhs=sides[0], rhs=sides[1])
        return (equal, rng.premise(before)), (rng.formula() if rng.random() < 0.05 else after,)
    return (), (rng.expression(0),)


def functions(rng: Draw, rule: str) -> Case:
    """Premises and data for the rules about powers, ln and exp."""
    u, v = rng.expression(2), rng.expression(2)
    positive = rng.premise(Inequality(ZERO, rng.choice(["<", "<", "<="]), u))
    if rule in ("positive-power", "nonnegative-power", "ln-power"):
        return (positive,), (rng.choice(EXPONENTS),)
    if rule == "ln-increasing":
        return (positive, rng.premise(Inequality(u, rng.choice(["<", "<", "<="]), v))), ()
    if rule == "ln-product":
        return (positive, rng.premise(Inequality(ZERO, "<", v))), ()
    if rule == "exp-positive":
        return (rng.premise(),), ()
    return (positive,), ()


def algebra(rng: Draw, rule: str) -> Case:
    """A certificate that is right for a goal in the atoms at hand, and a goal that may say more."""
    premises = [rng.premise() for _ in range(rng.randint(0, 3))]
    sides = [analysis.sides(premise.claim) for premise in premises]
    ring = Ring(set[Scalar]().union(*(atoms(side) for pair in sides for side in pair), {x, y}))
    gaps = {k: ring.polynomial(r) - ring.polynomial(l) for k, (l, r) in enumerate(sides)}
    unequal = [k for k, premise in enumerate(premises) if isinstance(premise.claim, Inequality)]
    equations: list[int | Scalar] = [k for k in gaps if k not in unequal]
    equations += [atom for atom in ring.atoms if isinstance(atom, Power)]

    def simple() -> Scalar:
        return rng.choice([ONE, ONE, scalar(rng.choice(CONSTANTS)), rng.choice(ring.atoms), rng.choice(ring.atoms) + 1])

    summands = tuple(
        Summand(Fraction(rng.choice([0, 1, 1, 2, -1]), rng.randint(1, 2)), simple(), tuple(rng.some(unequal, 2)))
        for _ in range(rng.choice([0, 0, 1, 1, 2]))
    )
    multiples = tuple(Multiple(simple(), rng.choice(equations)) for _ in range(rng.randint(0, 2)) if equations)
    total = ring.constant(0)
    for summand in summands:
        weighed = ring.polynomial(summand.square) ** 2 * ring.constant(summand.weight)
        for k in summand.factors:
            weighed = weighed * gaps[k]
        total = total + weighed
    for multiple in multiples:
        place = multiple.equation
        vanishing = -gaps[place] if isinstance(place, int) else ring.relation(place)
        total = total + ring.polynomial(multiple.multiplier) * vanishing
    goal = express(ring, total)
    # Hostile: nothing is added in value, but a part may be undefined where the premises hold.
    part = rng.part(rng.choice([side for pair in sides for side in pair] or [x]))
    strange = rng.choice([part, Power(part, rng.choice(EXPONENTS)), Ln(part), Exp(part), rng.expression(2)])
    goal = rng.choice(
        [goal, goal, goal + ZERO * strange, goal + strange + -1 * strange, goal * Power(strange, NOTHING)]
    )
    relation = rng.choice(["=", "<", "<="])
    formula = Identity(ZERO, goal) if relation == "=" else Inequality(ZERO, relation, goal)
    scale = rng.choice([UNIT, UNIT, UNIT, (), (Summand(Fraction(1), x, ()),), summands])
    return tuple(premises), (formula, Positivstellensatz(scale, summands, multiples))


def vieta(rng: Draw, rule: str) -> Case:
    """Singular values of diagonal matrices, and wrong ones."""
    entries = [rng.choice([x, y, ZERO, scalar(rng.choice(CONSTANTS))]) for _ in range(4)]
    values = tuple(rng.choice([*entries, absolute(x), absolute(y), x**HALF]) for _ in range(2))
    goal = SingularValues((tuple(entries[:2]), tuple(entries[2:])), values)  # pyright: ignore[reportArgumentType]
    wrong = 5 if rng.random() < 0.9 else rng.randint(0, 3)
    parts = [rng.premise(rng.formula() if k == wrong else part) for k, part in enumerate(analysis.defining(goal))]
    return tuple(parts), (goal,)


DRAWN: dict[str, tuple[Callable[[Draw, str], Case], int]] = (
    {rule: (logic, 400) for rule in ("suppose", "cut", "discharge", "cases", "rewrite", "variable")}
    | {
        rule: (functions, 250)
        for rule in (
            "positive-power", "nonnegative-power", "ln-upper", "ln-increasing", "ln-power", "ln-product",
            "exp-positive", "exp-ln",
        )
    }
    | {"positivstellensatz": (algebra, 3000), "singular-values-2x2": (vieta, 400)}
)  # fmt: skip


def attack(rule: str, seed: int) -> Counter[str]:
    """Random applications, at random points: raise where a conclusion fails though the premises hold."""
    draw, tries = DRAWN[rule]
    rng, seen = Draw(f"{seed} {rule}"), Counter[str]()
    for _ in range(tries):
        premises, data = draw(rng, rule)
        try:
            found = apply(rule, *premises, data=data)
        except KernelError:
            seen["refused"] += 1
            continue
        seen["accepted"] += 1
        spoke = False
        for point in rng.sample(POINTS, 12):
            if not all(claim_truth(premise, point) is True for premise in premises):
                continue
            assert claim_truth(found, point) is not False, (rule, premises, data, found, point)
            spoke = spoke or all(truth(condition, point) is True for condition in getattr(found, "conditions", ()))
        seen["spoke"] += spoke
    return seen


@pytest.mark.parametrize("rule", DRAWN)
def test_no_conclusion_fails_where_its_premises_hold(rule: str) -> None:
    """Many applications are accepted, many say something at some point, and none says anything false."""
    seen, tries = attack(rule, 1), DRAWN[rule][1]
    assert seen["accepted"] >= tries // 8, seen
    assert seen["spoke"] >= tries // 40, seen
    assert rule in ("suppose", "cut", "cases", "exp-positive", "variable") or seen["refused"], seen


def loose(rule: str) -> Callable[..., Claim]:
    """A rule with a hole: it does not look at what makes it sound."""

    def bad(context: Context, premises: tuple[Where, ...], data: tuple[Any, ...]) -> Claim:
        if rule == "positivstellensatz":
            return Where(analysis._join(premises), data[0])
        first = premises[0]
        side = analysis.sides(first.claim)[1]
        match rule:
            case "singular-values-2x2":
                return Where((), data[0])
            case "cut" | "discharge":
                return Where((), premises[0 if rule == "discharge" else -1].claim)
            case "cases":
                return Where((), first.claim)
            case "rewrite":
                return Where(premises[1].conditions, data[0])
            case "positive-power" | "nonnegative-power":
                return Where(first.conditions, Inequality(ZERO, "<=", Power(side, data[0])))
            case "ln-upper":
                return Where(first.conditions, Inequality(Ln(side), "<=", side - 2))
            case "ln-increasing":
                u, v = analysis.sides(premises[1].claim)
                return Where(analysis._join(premises), Inequality(Ln(u), "<", Ln(v)))
            case "ln-power":
                return Where(first.conditions, Identity(Ln(Power(side, data[0])), data[0] * Ln(side)))
            case "ln-product":
                v = analysis.sides(premises[1].claim)[1]
                return Where(analysis._join(premises), Identity(Ln(Times((side, v))), Sum((Ln(side), Ln(v)))))
            case "exp-ln":
                return Where(first.conditions, Identity(Exp(Ln(side)), side))
            case _:
                return Where(analysis._join(premises), data[0])

    return bad


@pytest.mark.parametrize("rule", sorted(set(DRAWN) - {"suppose", "variable", "exp-positive"}))
def test_the_attack_finds_rules_with_a_hole(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, rule, loose(rule))
    with pytest.raises(AssertionError):
        attack(rule, 1)


def test_the_attack_finds_atoms_that_nobody_vouches_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring that takes any inverse, root or logarithm as an atom would prove 0 = 0 ln x at x < 0."""

    class Generous(Ring):
        def generator(self, atom: Scalar) -> Any:
            return super().generator(atom) if atom in self.atoms else self.constant(1)

    monkeypatch.setattr(analysis, "Ring", Generous)
    with pytest.raises(AssertionError):
        attack("positivstellensatz", 1)


def test_a_value_may_be_put_for_a_variable() -> None:
    """The conclusion at a point is the premise at the point where the variable has the value that is put."""
    rng, seen = Draw(2), Counter[str]()
    for _ in range(400):
        target = rng.premise()
        defined = rng.premise()
        found = apply("substitute", target, defined, data=["x"])
        value = analysis.sides(defined.claim)[0]
        for point in rng.sample(POINTS, 12):
            try:
                low, high = enclose(value, point)
            except (NoValueError, UnclearError):
                continue
            there = dict(point) | {"x": Fraction(low, UNIT_)}
            if low != high or claim_truth(target, there) is not True or claim_truth(defined, point) is not True:
                continue
            assert claim_truth(found, point) is not False, (target, defined, found, point)
            seen["spoke"] += all(truth(condition, point) is True for condition in found.conditions)
    assert seen["spoke"] >= 100, seen


# -- functions of one variable -----------------------------------------------------------------------------------------

NEAR = [Fraction(n, 8) for n in range(-24, 41)] + [Fraction(n) for n in (7, 12, 20)]
FAR = [Fraction(2) ** n for n in (24, 60, 96)]
EVERY = NEAR + FAR


def values_at(function: Scalar, point: Point, places: Sequence[Fraction]) -> list[Interval | None]:
    """Intervals around the values at some places; None where they cannot tell. Raise `NoValueError`."""
    found: list[Interval | None] = []
    for place in places:
        try:
            found.append(enclose(function, dict(point) | {"x": place}))
        except UnclearError:
            found.append(None)
    return found


def function_truth(claim: Claim, point: Point) -> bool | None:
    """Whether a claim about functions of x seems to hold at a point, from values on a grid: False is sure (but for
    limits, where it says that far out there is no sign of it)."""
    try:
        if isinstance(claim, Monotone):
            high = claim.high
            places = [u for u in EVERY if claim.low <= u and (high is None or u <= high)]
            found = values_at(claim.function, point, places)
            if claim.direction == "decreasing":
                found = [value and (-value[1], -value[0]) for value in found]
            steps = [None if a is None or b is None else (b[0] > a[1], b[1] <= a[0]) for a, b in pairwise(found)]
            # None: very close values far out, which says nothing
            return not any(step and step[1] for step in steps)
        if isinstance(claim, Limit):
            first, _, last = values_at(claim.function, point, FAR)
            if first is None or last is None:
                return None
            if claim.value is None:
                if last[1] <= first[0] or last[1] < 2 * UNIT_:
                    return False
                return True if last[0] > first[1] + UNIT_ // 2 else None
            aim = fixed(claim.value)
            near = [max(abs(v[0] - aim[0]), abs(v[1] - aim[1])) for v in (first, last)]
            sure = max(last[0] - aim[1], aim[0] - last[1])
            if sure > UNIT_ // 2 or sure > near[0]:
                return False
            return True if near[1] < UNIT_ // 4 and (near[1] < near[0] or near[1] < 2**30) else None
        if isinstance(claim, Range):
            found = values_at(claim.function, point, [u for u in EVERY if claim.low is None or u >= claim.low])
            low, attained = fixed(claim.bottom), claim.bottom_attained
            for value in filter(None, found):
                if value[1] < low[0] or (value[1] <= low[0] and not attained):
                    return False
                if claim.top is not None:
                    high = fixed(claim.top)
                    if value[0] > high[1] or (value[0] >= high[1] and not claim.top_attained):
                        return False
            return True
        assert isinstance(claim, InfimalRank)
        (a, b), (c, d) = claim.matrix
        (square,) = values_at(a**2 + b**2 + c**2 + d**2, point, FAR[-1:])
        (det,) = values_at(a * d - b * c, point, FAR[-1:])
        if square is None or det is None or square[1] == 0:
            return None
        # the second singular value is between |det| / norm and 2 |det| / norm
        least = min(map(abs, det)) ** 2 // square[1] if det[0] * det[1] > 0 else 0
        return False if claim.rank == 1 and least > UNIT_ // 16 else None
    except NoValueError:
        return False


def seems(premise: Claim, point: Point) -> bool:
    """Whether a claim under conditions shows no failure at any x, and some sign of holding."""
    assert isinstance(premise, Where)
    if isinstance(premise.claim, Identity | Inequality | SingularValues):
        return all(claim_truth(premise, dict(point) | {"x": place}) is not False for place in EVERY)
    met = [together([truth(c, dict(point) | {"x": place}) for c in premise.conditions]) for place in EVERY]
    return all(verdict is False for verdict in met) or function_truth(premise.claim, point) is True


def piece(rng: Draw, depth: int) -> Scalar:
    """A function of x whose holes are all on the grid."""
    shift = x + rng.choice([0, 0, 1, 2, -1, HALF])
    kind = rng.choice("vvnppple" if depth else "vvvnp")
    base = rng.choice([shift, shift, x, piece(rng, depth - 1)]) if depth else shift
    if kind == "v":
        return shift
    if kind == "n":
        return rng.choice([scalar(rng.choice(CONSTANTS)), y])
    if kind == "p":
        return Power(shift, rng.choice(EXPONENTS)) if rng.random() < 0.7 else Power(base, Fraction(rng.choice([2, 1])))
    if kind == "l":
        return Ln(shift)
    return Exp(rng.choice([-1 * x, Power(shift, Fraction(-1)), base]))


def function(rng: Draw) -> Scalar:
    parts = [piece(rng, 1) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
    total = parts[0]
    for part in parts[1:]:
        total = rng.choice([total + part, total * part, total - part])
    return total


def restrictions(rng: Draw, low: Fraction, high: Fraction | None) -> tuple[Formula, ...]:
    """Conditions that a rule may drop, and others that it may not."""
    pool: list[Formula] = [Inequality(Number(low), relation, x) for relation in ("<", "<=") for _ in range(3)]
    pool += [Inequality(x, relation, Number(low if high is None else high)) for relation in ("<", "<=")]
    pool += [Inequality(Number(low - 1), "<=", x), Inequality(ZERO, "<", y), Inequality(y, "<=", x), Identity(x, ONE)]
    pool += [Inequality(Number(low), "<=", x + 0 * y)]
    return tuple(dict.fromkeys(rng.some(pool, 3)))


def vouches(rng: Draw, f: Scalar) -> Formula:
    """A formula with the function on one side that holds where it is defined."""
    return rng.choice([Inequality(f, "<", Sum((f, ONE))), Inequality(f - 1, "<=", f), Identity(f, f)])


def monotone(rng: Draw) -> Case:
    low = rng.choice([Fraction(-1), NOTHING, NOTHING, HALF, Fraction(1)])
    high = rng.choice([None, None, low + 1, low + 2, low, low - 1])
    f = function(rng)
    goal = Monotone(f, "x", rng.choice(["increasing", "decreasing"]), low, high)
    slope = derivative(f, "x")
    sign = Inequality(ZERO, "<", slope) if goal.direction == "increasing" else Inequality(slope, "<", ZERO)
    if rng.random() < 0.05:
        sign = replace(sign, relation="<=")
    return (Where(restrictions(rng, low, high), vouches(rng, f)), Where(restrictions(rng, low, high), sign)), (goal,)


def some_limit(rng: Draw, f: Scalar) -> Where:
    value = rng.choice([None, NOTHING, NOTHING, Fraction(1), Fraction(2), Fraction(-1), HALF])
    conditions = (Inequality(ZERO, "<", rng.choice([x, y])),) if rng.random() < 0.2 else ()
    return Where(conditions, Limit(f, "x", value))


def limit(rng: Draw) -> Case:
    f = function(rng)
    known = [some_limit(rng, rng.part(f)) for _ in range(rng.choice([0, 0, 1, 2]))]
    return (Where(restrictions(rng, Fraction(3), None), vouches(rng, f)), *known), (f, "x")


def squeeze(rng: Draw) -> Case:
    g, f, h = (function(rng) for _ in range(3))
    h = rng.choice([h, g, g + Power(x, Fraction(-1)), 2 * g])
    f = rng.choice([f, (g + h) * HALF, g])
    value = rng.choice([None, NOTHING, Fraction(1)])
    below = Where(restrictions(rng, Fraction(3), None), Inequality(g, "<=", f))
    above = Where(restrictions(rng, Fraction(3), None), Inequality(f, "<=", h))
    return rng.choice(
        [(below, some_limit(rng, g)), (below, Where((), Limit(g, "x", value)), above, some_limit(rng, h))]
    ), ()


def full_range(rng: Draw) -> Case:
    f, low = function(rng), rng.choice([NOTHING, Fraction(1)])
    steep = Monotone(
        f, "x", rng.choice(["increasing", "decreasing"]), low, rng.choice([None, None, None, Fraction(20)])
    )
    try:
        below, above = enclose(f, {"x": low, "y": Fraction(2)})
    except (NoValueError, UnclearError):
        below, above = 0, 1
    value = Fraction(below, UNIT_) if below == above and rng.random() < 0.8 else rng.choice(CONSTANTS)
    start = Identity(substitute(f, "x", Number(low)), Number(value))
    conditions = restrictions(rng, low, None) if rng.random() < 0.2 else ()
    return (Where(conditions, steep), some_limit(rng, f), Where((), start)), ()


def even_range(rng: Draw) -> Case:
    f, low = function(rng), rng.choice([NOTHING, NOTHING, NOTHING, Fraction(1), None])
    bottom, top = rng.choice(CONSTANTS), rng.choice([None, Fraction(1), Fraction(2)])
    return (Where((), Range(f, "x", low, bottom, rng.random() < 0.7, top, rng.random() < 0.5)),), ()


def infimal(rng: Draw) -> Case:
    """Diagonal matrices, whose singular values are their entries where these are in order."""
    small = Power(x**2 + 2, Fraction(-1))
    one = rng.choice([function(rng), ONE, ONE, 1 + small, x**2 + 1, absolute(x) + 1])
    two = rng.choice([function(rng), small, small, Exp(-1 * absolute(x)), HALF + small])
    matrix = ((one, ZERO), (ZERO, two))
    conditions = restrictions(rng, NOTHING, None) if rng.random() < 0.3 else ()
    a, b = matrix
    norm = a[0] ** 2 + a[1] ** 2 + b[0] ** 2 + b[1] ** 2
    values = SingularValues(matrix, (absolute(one), rng.choice([two, absolute(two)])))
    far = Where((), Limit(values.values[1], "x", rng.choice([NOTHING, NOTHING, None])))
    bound = Inequality(Number(rng.choice([*CONSTANTS, HALF**6])), "<=", norm)
    return (Where(conditions, values), far, Where((), bound)), ()


BOUND: dict[str, tuple[Callable[[Draw], Case], int, int]] = {
    "monotone": (monotone, 600, 20),
    "limit": (limit, 600, 100),
    "squeeze": (squeeze, 2000, 10),
    "range": (full_range, 1000, 8),
    "even-range": (even_range, 200, 30),
    "infimal-rank-one": (infimal, 250, 5),
}


def attack_functions(rule: str, seed: int) -> Counter[str]:
    """The same for rules that bind x: premises have to show no failure at any x of a grid."""
    draw, tries, _ = BOUND[rule]
    rng, seen = Draw(f"{seed} {rule}"), Counter[str]()
    for _ in range(tries):
        premises, data = draw(rng)
        try:
            found = apply(rule, *premises, data=data)
        except KernelError:
            seen["refused"] += 1
            continue
        seen["accepted"] += 1
        for value in (Fraction(-1), Fraction(2)):
            point = {"x": rng.choice(NEAR), "y": value}
            if all(seems(premise, point) for premise in premises):
                met = together([truth(c, point) for c in found.conditions])
                assert met is not True or function_truth(found.claim, point) is not False, (
                    rule,
                    premises,
                    found,
                    point,
                )
                seen["spoke"] += met is True
    return seen


@pytest.mark.parametrize("rule", BOUND)
def test_no_conclusion_about_functions_fails(rule: str) -> None:
    seen = attack_functions(rule, 1)
    assert seen["spoke"] >= BOUND[rule][2], seen
    assert seen["refused"], seen


@pytest.mark.parametrize("rule", ["monotone", "squeeze", "range", "limit"])
def test_the_attack_finds_conditions_that_are_lost(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that drops every condition says of all x what holds for some."""
    monkeypatch.setattr(analysis, "_without", lambda conditions, name, *dropped: ())
    with pytest.raises(AssertionError):
        attack_functions(rule, 1)


# -- at a point --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 20, 200])
def test_points_are_judged_as_by_the_intervals(bits: int) -> None:
    """At every precision, balls and intervals never say the contrary, of formulas and of what is undefined."""
    rng, seen = Draw(bits), Counter[Any]()
    for _ in range(1500):
        formula, point = rng.formula(rng.choice([1, 2, 3])), rng.choice(POINTS)
        mine, theirs = truth(formula, point), analysis.holds(formula, point, bits)
        assert {mine, theirs} != {True, False}, (formula, point)
        seen[theirs] += mine is theirs
        try:
            message = analysis.violation(formula, point, (), bits)
        except KernelError:
            assert theirs is not False
        else:
            assert theirs is False and "is false" in message
    assert min(seen[True], seen[False]) >= 100, seen


@pytest.mark.parametrize("bits", [2, 3, 30, 120])
def test_balls_and_intervals_meet(bits: int) -> None:
    """A ball's exact end points against the interval; and what one finds undefined, the other does not evaluate."""
    rng, met = Draw(bits + 1), 0
    for _ in range(1200):
        expression, point = rng.expression(3), rng.choice(POINTS)
        try:
            low, high = enclose(expression, point)
        except UnclearError:
            continue
        except NoValueError:
            with precision(bits), pytest.raises(UndefinedError):
                evaluate(expression, point)
            continue
        try:
            with precision(bits):
                value = evaluate(expression, point)
        except UndefinedError as error:
            assert not error.surely
            continue
        with precision(2000):
            assert less(value, Fraction(low, UNIT_)) is not True
            assert less(Fraction(high, UNIT_), value) is not True
        met += 1
    assert met >= 300


def test_no_two_claims_that_contradict_each_other_hold_at_one_point() -> None:
    rng, found = Draw(5), 0
    for _ in range(2000):
        pair = [rng.choice([x, y, x * y, x + 1, absolute(x)]) for _ in range(2)]
        one, other = (
            rng.choice([Identity(a, b), Inequality(a, "<", b), Inequality(a, "<=", b)])
            for a, b in (rng.sample(pair, 2) for _ in range(2))
        )
        if analysis.contradicts(one, other):
            found += 1
            assert not any(truth(one, point) is True and truth(other, point) is True for point in POINTS[::5])
    assert found >= 200


def test_numbers_in_the_exponent_do_not_wrap() -> None:
    """x^(2^64) is not x^0, nor does a square wrap to it."""
    huge = Power(x, Fraction(2**63))
    for left, right in ((Power(x, Fraction(2**64)), ONE), (huge * huge, ONE), (Power(x, Fraction(2**64 + 1)), x)):
        with pytest.raises(KernelError, match="different polynomials"):
            apply("positivstellensatz", data=[Identity(left, right), Positivstellensatz(UNIT, (), ())])
    same = Identity(huge * huge, Power(x, Fraction(2**64)))
    assert apply("positivstellensatz", data=[same, Positivstellensatz(UNIT, (), ())]) == Where((), same)


# -- truncation --------------------------------------------------------------------------------------------------------


def drawn(rng: random.Random, shape: tuple[int, ...], most: int = 3) -> Array:
    return Array(shape, tuple(Fraction(rng.randint(-most, most)) for _ in product(*map(range, shape))))


def rotated(rng: random.Random, values: Sequence[int], columns: int) -> Array:
    """A matrix with the given singular values: Pythagorean rotations of a diagonal matrix, on both sides."""
    size = len(values)
    rows = [[Fraction(values[i] if i == j else 0) for j in range(columns)] for i in range(size)]
    for _ in range(6):
        a, b = rng.choice([(3, 4), (5, 12), (-8, 15), (1, 0)])
        c = Fraction(a, isqrt(a * a + b * b)), Fraction(b, isqrt(a * a + b * b))
        if size > 1:
            i, j = rng.sample(range(size), 2)
            rows[i], rows[j] = (
                [c[0] * u + c[1] * v for u, v in zip(rows[i], rows[j], strict=True)],
                [c[0] * v - c[1] * u for u, v in zip(rows[i], rows[j], strict=True)],
            )
        if columns > 1:
            i, j = rng.sample(range(columns), 2)
            for row in rows:
                row[i], row[j] = c[0] * row[i] + c[1] * row[j], c[0] * row[j] - c[1] * row[i]
    return Array((size, columns), tuple(entry for row in rows for entry in row))


def test_singular_values_with_multiplicities_and_zeros_are_bounded() -> None:
    rng = random.Random(7)
    for _ in range(150):
        values = sorted((rng.choice([0, 0, 1, 2, 2, 3]) for _ in range(rng.randint(1, 5))), reverse=True)
        matrix = rotated(rng, values, len(values) + rng.randint(0, 2))
        bits = rng.choice([1, 4, 60])
        found = squared_singular_values(unfolding(matrix, 0), bits)
        norm = sum((entry * entry for entry in matrix.entries), NOTHING)
        for (low, high), value in zip(found, values, strict=True):
            assert (low, high) == (0, 0) if value == 0 else low < value**2 <= high
            assert high - low <= norm * Fraction(2) ** (2 - bits)


def test_slices_are_counted_as_exactly_known_norms_say() -> None:
    """Rotated factors have known spectral norms; eps is often such that a slice is exactly at the threshold."""
    rng, seen = random.Random(8), Counter[Any]()
    for _ in range(200):
        shape = tuple(rng.randint(1, 3) for _ in range(rng.randint(1, 2)))
        singular = [sorted((rng.randint(0, 3) for _ in range(size)), reverse=True) for size in shape]
        for values in singular:
            values[0] = values[0] or 1
        core = drawn(rng, shape)
        factors = tuple(rotated(rng, values, len(values)) for values in singular)
        claim = SliceTruncation(
            rng.choice([Fraction(1), Fraction(4), HALF]),
            rng.randint(0, 2),
            rng.randint(0, 2),
            strict=rng.random() < 0.5,
        )
        epsilon = Fraction(rng.choice([1, 2, 3, 6, 12]), rng.choice([1, 2]))
        verdicts = Tucker(core, factors, epsilon).counted(claim, rng.choice([2, 8, 100]))
        norms = NOTHING + 1
        for values in singular:
            norms *= values[0] ** 2
        for mode, size in enumerate(shape):
            threshold = claim.factor * epsilon**2 / (size**claim.dimension * len(shape) ** claim.order * norms)
            for row in range(size):
                others = product(*(range(n) if k != mode else [row] for k, n in enumerate(shape)))
                square = sum((core[index] ** 2 for index in others), NOTHING)
                exact = square > threshold if claim.strict else square >= threshold
                assert verdicts[mode][row] in (exact, None)
                seen[verdicts[mode][row]] += 1
    assert min(seen[True], seen[False], seen[None]) >= 10, seen


def boxes_of(rng: random.Random, shape: tuple[int, ...]) -> Boxes:
    """Disjoint boxes: one mode cut into two parts, each part with positions of its own in the other modes."""
    cut, found = rng.randrange(len(shape)), list[Any]()
    order = rng.sample(range(1, shape[cut] + 1), shape[cut])
    for part in (order[: shape[cut] // 2], order[shape[cut] // 2 :]):
        ranges = [tuple(rng.sample(range(1, n + 1), rng.randint(1, n))) for n in shape]
        ranges[cut] = tuple(part)
        found.append((rng.randint(1, len(shape)), tuple(ranges)))
    return tuple(found)


def test_no_tensor_of_low_rank_beats_a_lower_bound() -> None:
    """A tensor of low rank plus a small one is at most as far away as the small one is large."""
    rng, positive = random.Random(9), 0
    for _ in range(300):
        shape = tuple(rng.randint(2, 4) for _ in range(rng.choice([2, 3])))
        ranks = tuple(rng.randint(0, min(2, size)) for size in shape)
        if all(ranks):
            inner = Tucker(drawn(rng, ranks), tuple(drawn(rng, pair) for pair in zip(ranks, shape, strict=True)), HALF)
            low = inner.end_tensor(inner.core)
        else:
            low = drawn(rng, shape, 0)
        noise = drawn(rng, shape, 1)
        tensor = Array(shape, tuple(a + b for a, b in zip(low.entries, noise.entries, strict=True)))
        bound = lower_bound(tensor, ranks, boxes_of(rng, shape), 40)
        assert bound <= sum(entry * entry for entry in noise.entries)
        positive += bound > 0
    assert positive >= 50


def test_what_a_witness_says_twice_is_refused() -> None:
    eye = Array((1, 1), (Fraction(1),))
    letters = (("G", eye), ("V[1]", eye), ("V[2]", eye))
    assert Tucker.of(Instance(letters=letters, variables=(("ε", HALF),))).epsilon == HALF
    with pytest.raises(KernelError, match="two values"):
        Tucker.of(Instance(letters=letters, variables=(("ε", HALF), ("ε", Fraction(2)))))
