"""Random derivations with the rules about order, logic and families, in a small world where all can be looked up.

Real variables take the values -1, 0 and 1 only, and families have up to 5 members from there; what moves stays there.
Premises are drawn at random and kept if they hold everywhere in that world. A rule that holds for all real numbers
holds in it: whatever is accepted has to hold everywhere, too. Roots, inverses and logarithms that are undefined at
some points are among the premises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from theorytest.kernel import analysis, families
from theorytest.kernel.ball import evaluate
from theorytest.kernel.claim import All, Claim, Fold, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import Ln, Scalar, Variable, scalar, sqrt, variables
from theorytest.kernel.statement import Statement

Formula = Identity | Inequality
Values = Mapping[str, Fraction]
WORLD = tuple(Fraction(value) for value in (-1, 0, 1))
MEMBERS = 5
s, n, p, q, c, d = (Variable(name) for name in "snpqcd")
CONTEXT = Context(Statement("label", "title", Identity(s, s)), {})
# They keep p and q in the world.
UPDATES = (p * s, s, p, -1 * p * s, p**2, p**2 * s, p * c, p * s**3, q * s, p * q, p**3 * q)
STARTS = (s, scalar(1), scalar(0), -1 * s, s**2, c, s * c)
SIDES = (p, q, c, d, n, s, scalar(0), scalar(1), scalar(-1), p * q, p**2, sqrt(p), sqrt(c), p**-1, Ln(n), n * p, p - c)
FIXED = (c, d, scalar(0), scalar(1), sqrt(c))
MEMBER = (s, c, scalar(0), scalar(1), scalar(-1), s * c, sqrt(s))


def apply(rule: str, *premises: Claim, data: tuple[Any, ...] = ()) -> Any:
    """What a rule concludes; None where it refuses."""
    try:
        return RULES[rule](CONTEXT, premises, data)
    except KernelError:
        return None


def formula(random: Random, sides: tuple[Scalar, ...]) -> Formula:
    a = random.choice(sides)
    b = a if random.random() < 0.15 else random.choice(sides)  # some that hold nowhere, such as c < c
    made: tuple[Formula, ...] = (Identity(a, b), Inequality(a, "<=", b), Inequality(a, "<", b), Identity(a, a))
    return random.choice(made)


def conditions(random: Random, sides: tuple[Scalar, ...], most: int) -> tuple[Formula, ...]:
    return tuple(dict.fromkeys(formula(random, sides) for _ in range(random.randint(0, most))))


def names(*claims: Claim) -> set[str]:
    """The free variables of formulas, and of formulas under conditions."""
    found: set[str] = set()
    for claim in claims:
        if isinstance(claim, Where):
            found |= names(*claim.conditions, claim.claim)
        else:
            found |= set[str]().union(*map(variables, analysis.sides(claim)))
    return found


def points(free: set[str]) -> Iterator[Values]:
    ordered = sorted(free)
    counts = tuple(map(Fraction, range(1, MEMBERS + 1)))
    for values in product(*(counts if name == "n" else WORLD for name in ordered)):
        yield dict(zip(ordered, values, strict=True))


@cache
def verdicts(claim: Claim) -> frozenset[bool | None]:
    """How a claim holds at all points of the world: True, False, None where balls cannot tell."""
    if isinstance(claim, All):
        return frozenset[bool | None]().union(*map(verdicts, claim.claims))
    if isinstance(claim, Fold):
        return frozenset(_family(claim))
    return frozenset(analysis.holds(claim, values, 64) for values in points(names(claim)))


def _family(fold: Fold) -> Iterator[bool | None]:
    moving = {name for name, _, _ in fold.state} | {fold.member, fold.count}
    named = names(*fold.conditions, *fold.claims)
    named |= set[str]().union(*(variables(start) | variables(update) for _, start, update in fold.state))

    def after(expressions: list[Scalar], values: Values) -> tuple[Fraction, ...]:
        return tuple(Fraction(value) for e in expressions if isinstance(value := evaluate(e, values), Fraction))

    for fixed in points(named - moving):
        own = [m for m in WORLD if all(analysis.holds(f, {**fixed, "s": m}, 64) for f in fold.conditions)]
        reached = {after([start for _, start, _ in fold.state], {**fixed, "s": m}) for m in own}
        for number in map(Fraction, range(1, MEMBERS + 1)):
            states = [{**fixed, "n": number, **dict(zip("pq", state, strict=False))} for state in reached]
            for values in states:
                yield from (analysis.holds(part, values, 64) for part in fold.claims)
            updates = [update for _, _, update in fold.state]
            reached = {after(updates, {**values, "s": m}) for values in states for m in own}


def true(claim: Claim) -> bool:
    return verdicts(claim) <= {True}


def test_the_world_tells_what_holds_in_it():
    assert true(Where((Inequality(scalar(0), "<", p),), Identity(p, scalar(1))))
    assert not true(Inequality(p, "<=", q)) and not true(Identity(sqrt(p), sqrt(p)))
    signs = Fold("s", "n", (("p", s, p * s),), (Inequality(scalar(0), "<=", s),), (Where((), Inequality(p, "<=", q)),))
    assert False in verdicts(signs)
    assert true(families.fold_cases(CONTEXT, (pairs(signs, Inequality(scalar(0), "<=", p)),), (P_BOUND,)))


P_BOUND = Inequality(scalar(0), "<=", p)


def pairs(fold: Fold, claim: Formula) -> Fold:
    return Fold(
        fold.member,
        fold.count,
        fold.state,
        fold.conditions,
        (Where((P_BOUND,), claim), Where((Inequality(p, "<", scalar(0)),), claim)),
    )


def order_step(random: Random, known: list[Where], sides: tuple[Scalar, ...]) -> tuple[str, list[Claim], list[Any]]:
    """A rule with true premises and data, of a form that it may take."""
    rule = random.choice(("cut", "antisymmetry", "exp-increasing", "both", "part"))
    first, second = random.choice(known), random.choice(known)
    if rule == "antisymmetry":
        u, v = analysis.sides(first.claim)
        one, other = (
            Where(x.conditions, Inequality(*ends)) for x, ends in ((first, (u, "<=", v)), (second, (v, "<=", u)))
        )
        return rule, [x for x in (one, other) if true(x)], []
    if rule == "part":
        return rule, [All((first, second))], [random.randrange(-1, 3)]
    data = [formula(random, sides)] if rule == "cut" and random.random() < 0.3 else []
    return rule, [first] if rule == "exp-increasing" else [first, second], data


def test_what_follows_about_order_is_true():
    """Suppositions, cuts, antisymmetry and exponentials, each from what was derived before."""
    accepted: Counter[str] = Counter()
    for seed in range(24):
        random = Random(seed)
        sides = tuple(random.sample(SIDES, 5))
        drawn = [Where(conditions(random, sides, 2), formula(random, sides)) for _ in range(40)]
        known = [claim for claim in drawn if true(claim)]
        known += [apply("suppose", data=(formula(random, sides),)) for _ in range(8)]
        for _ in range(60):
            rule, premises, data = order_step(random, known, sides)
            made = apply(rule, *premises, data=tuple(data))
            if made is not None:
                assert False not in verdicts(made), (seed, rule, premises, data)
                accepted[rule] += 1
                if isinstance(made, Where) and true(made):
                    known.append(made)
    assert len(accepted) == 5 and min(accepted.values()) >= 10, accepted


@pytest.mark.parametrize("rule", ["cases", "dichotomy"])
def test_what_follows_in_two_cases_is_true(rule: str):
    """All pairs of cases between five sides, for all claims between them that hold in both."""
    sides = (c, d, scalar(0), sqrt(c), c**-1)
    where = tuple(points({"c", "d"}))
    claims: list[Formula] = [
        made for a in sides for b in sides for made in (Identity(a, b), Inequality(a, "<=", b), Inequality(a, "<", b))
    ]
    holds: dict[Claim, tuple[bool | None, ...]] = {
        made: tuple(analysis.holds(made, values, 64) for values in where) for made in claims
    }
    assert all(None not in verdict for verdict in holds.values())

    def follows(claim: Where) -> bool:
        met = zip(*(holds[condition] for condition in (*claim.conditions, claim.claim)), strict=True)
        return all(last or not all(first) for *first, last in met)

    accepted = 0
    for u, v in product(sides, sides):
        lows = (Inequality(u, "<=", v), Inequality(u, "<", v))
        highs = (Inequality(v, "<", u), Inequality(v, "<=", u), Identity(u, v), Identity(v, u))
        for low, high, claim in product(lows, highs, claims):
            one, other = Where((low,), claim), Where((high,), claim)
            if all(holds[claim]) or not follows(one) or not follows(other):
                continue
            for vouching in (
                (),
                (
                    Where((), Identity(c, c)),
                    Where((Inequality(scalar(0), "<=", c),), Inequality(scalar(0), "<=", sqrt(c))),
                ),
            ):
                premises = (one, other, *(vouching if rule == "dichotomy" else ()))
                made = apply(rule, *premises, data=(Inequality(u, "<=", v),))
                if made is not None:
                    assert follows(made), (premises, made)
                    accepted += 1
    assert accepted >= 500


def random_family(random: Random) -> Fold:
    state = tuple((name, random.choice(STARTS), random.choice(UPDATES)) for name in "pq"[: random.choice((1, 1, 2))])
    parts = (Where(conditions(random, FIXED, 1), formula(random, SIDES)) for _ in range(random.choice((1, 1, 2, 3))))
    return Fold("s", "n", state, conditions(random, MEMBER, 2), tuple(parts))


@pytest.mark.parametrize("start", (0, 250))
def test_what_follows_about_families_is_true(start: int):
    """Inductions whose premises have random conditions, consequences of what they show, and cases."""
    accepted: Counter[str] = Counter()
    for seed in range(start, start + 250):
        random = Random(seed)
        goal = random_family(random)
        first, after = families.states(goal)
        before = [*(part.claim for part in goal.claims), families.at_least_one(goal)]
        premises: list[Where] = []
        for part in goal.claims:
            for values, known_before in ((first, 0.2), (after, 0.9)):
                pool: list[Any] = [f for f in (*goal.conditions, *part.conditions) if random.random() < 0.9]
                pool += [f for f in before if random.random() < known_before]
                pool += [formula(random, SIDES)] if random.random() < 0.1 else []
                premises.append(Where(tuple(dict.fromkeys(pool)), families.put_in(analysis_formula(part), values)))
        if not all(map(true, premises)):
            continue
        known = apply("fold", *premises, data=(goal,))
        if known is None:
            continue
        assert known == goal and False not in verdicts(goal), seed
        accepted["fold"] += 1
        if not true(goal):
            continue
        for _ in range(3):
            pool = [*(part.claim for part in goal.claims), *goal.conditions, families.at_least_one(goal)]
            follows = Where(
                tuple(f for f in (*pool, formula(random, SIDES)) if random.random() < 0.6), formula(random, SIDES)
            )
            made = apply("fold-consequence", goal, follows) if true(follows) else None
            if made is not None:
                assert False not in verdicts(made), (seed, follows)
                accepted["fold-consequence"] += 1
        for _ in range(3):
            u, v = random.choice(SIDES), random.choice(SIDES)
            bound, claim = Inequality(u, "<=", v), formula(random, SIDES)
            other: Formula = Inequality(v, random.choice(("<", "<=")), u)
            split = Fold("s", "n", goal.state, goal.conditions, (Where((bound,), claim), Where((other,), claim)))
            made = apply("fold-cases", split, data=(bound,)) if sound(split) else None
            if made is not None:
                assert False not in verdicts(made), (seed, split)
                accepted["fold-cases"] += 1
    assert len(accepted) == 3 and min(accepted.values()) >= 10, accepted


def analysis_formula(part: Where) -> Formula:
    assert isinstance(part.claim, Identity | Inequality)
    return part.claim


def sound(fold: Fold) -> bool:
    """Whether a claim about a family is well formed, and true in the world."""
    try:
        families.require_well_formed(fold)
    except KernelError:
        return False
    return true(fold)
