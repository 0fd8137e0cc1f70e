"""Induction over families of numbers: what the rules conclude, and what they refuse."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from theorytest.kernel import families
from theorytest.kernel.claim import Claim, Fold, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import Exp, Ln, Variable, scalar, sqrt
from theorytest.kernel.statement import Statement

s, n, p, c, d = (Variable(name) for name in "snpcd")


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(s, s)), {}), premises, tuple(data))


def at_most(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def below(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


POSITIVE = Where((), below(0, p))
PRODUCT = Fold("s", "n", (("p", s, p * s),), (below(0, s),), (POSITIVE,))
BASE = Where((below(0, s),), below(0, s))
STEP = Where((below(0, p), below(0, s)), below(0, p * s))


def test_put_is_simultaneous() -> None:
    swapped = families.put(c + sqrt(d) * Ln(c), {"c": d, "d": c})
    assert swapped == d + sqrt(c) * Ln(d)
    assert families.put_in(Identity(c, d), {"c": d, "d": c}) == Identity(d, c)
    assert families.put_in(below(c, d), {"c": d, "d": c}) == below(d, c)


def test_induction() -> None:
    assert apply("fold", BASE, STEP, data=(PRODUCT,)) == PRODUCT


def test_induction_may_use_the_count_and_its_own_conditions() -> None:
    """The sum of n numbers that are at least c, where c >= 0, is at least c n."""
    own = at_most(0, c)
    claims = at_most(c * n, p), at_most(c, c)
    parts = Where((own,), claims[0]), Where((), claims[1])
    goal = Fold("s", "n", (("p", s, p + s),), (at_most(c, s),), parts)
    first, after = families.states(goal)
    assert first == {"p": s, "n": scalar(1)} and after == {"p": p + s, "n": n + 1}
    shown = [families.put_in(claim, values) for claim in claims for values in (first, after)]
    base = Where((at_most(c, s), own), shown[0])
    step = Where((at_most(c, s), at_most(c * n, p), at_most(1, n), at_most(c, c), own), shown[1])
    rest = [Where((), part) for part in shown[2:]]
    assert apply("fold", base, step, *rest, data=(goal,)) == goal
    # The second part holds without the first one's condition: it may not use the first one.
    with pytest.raises(KernelError, match="neither one of the family"):
        apply("fold", base, step, rest[0], Where((at_most(c * n, p),), shown[3]), data=(goal,))


@pytest.mark.parametrize(
    ("base", "step", "problem"),
    [
        (Where((), at_most(0, s)), STEP, "the first member"),
        (Where((below(1, s),), below(0, s)), STEP, "the first member: a condition"),
        (Where((below(0, p),), below(0, s)), STEP, "the first member: a condition"),
        (BASE, Where((), below(0, p)), "one more member: "),
        (BASE, Where((below(0, c),), below(0, p * s)), "one more member: a condition"),
    ],
)
def test_induction_refuses(base: Where, step: Where, problem: str) -> None:
    with pytest.raises(KernelError, match=problem):
        apply("fold", base, step, data=(PRODUCT,))


def test_an_induction_shows_something_about_fixed_conditions() -> None:
    with pytest.raises(KernelError, match="nothing to show"):
        apply("fold", data=(replace(PRODUCT, claims=()),))
    moving = replace(PRODUCT, claims=(Where((below(0, p),), below(0, p)),))
    with pytest.raises(KernelError, match="fixed variables only"):
        apply("fold", Where((), below(0, s)), Where((), below(0, p * s)), data=(moving,))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"member": "n"}, "different names"),
        ({"count": "p"}, "different names"),
        ({"state": (("p", s, p), ("p", s, p))}, "different names"),
        ({"state": (("p", s**-1, p * s),)}, "polynomials"),
        ({"state": (("p", s, p + Ln(s)),)}, "polynomials"),
        ({"state": (("p", s, p + Exp(s**-1)),)}, "polynomials"),
        ({"state": (("p", s, p * sqrt(s)),)}, "polynomials"),
        ({"state": (("p", p, p * s),)}, "the start of p"),
        ({"conditions": (below(0, p),)}, "a condition may speak"),
        ({"claims": (Where((), below(0, s)),)}, "may not speak of the member"),
        ({"claims": (Where((below(0, s),), below(0, p)),)}, "may not speak of the member"),
        ({"claims": (Where((), POSITIVE),)}, "a formula between scalars"),
    ],
)
def test_families_are_well_formed(change: dict[str, Any], problem: str) -> None:
    families.require_well_formed(PRODUCT)
    families.require_well_formed(replace(PRODUCT, state=(("p", s**2 + 1, 2 * p * s),)))
    families.require_well_formed(replace(PRODUCT, state=(("p", Exp(s), p * Exp(s**2)),)))
    with pytest.raises(KernelError, match=problem):
        families.require_well_formed(replace(PRODUCT, **change))


def test_consequences() -> None:
    fixed, kept, part = below(0, c), at_most(1, d), Where((at_most(c, d),), below(0, p))
    known = replace(PRODUCT, conditions=(below(0, s), fixed), claims=(part,))
    follows = Where((below(0, p), at_most(1, n), fixed, kept), below(0, p * n * d * c))
    made = apply("fold-consequence", known, follows)
    assert made == replace(known, claims=(Where((at_most(c, d), kept), follows.claim),))
    with pytest.raises(KernelError, match="what follows"):
        apply("fold-consequence", known)
    with pytest.raises(KernelError, match="may not speak of the member"):
        apply("fold-consequence", known, Where((below(0, s),), below(0, p)))


def test_cases() -> None:
    claim, bound = below(0, p), at_most(c, d)
    known = replace(PRODUCT, claims=(Where((bound,), claim), Where((below(d, c),), claim)))
    assert apply("fold-cases", known, data=(bound,)) == replace(PRODUCT, claims=(Where((), claim),))
    with pytest.raises(KernelError, match="pairs of parts"):
        apply("fold-cases", PRODUCT, data=(bound,))
    root = at_most(sqrt(c), d)
    partial = replace(PRODUCT, claims=(Where((root,), claim), Where((below(d, sqrt(c)),), claim)))
    with pytest.raises(KernelError, match="between polynomials"):
        apply("fold-cases", partial, data=(root,))
    with pytest.raises(KernelError, match="two cases"):
        apply("fold-cases", replace(PRODUCT, claims=(POSITIVE, Where((), below(0, n)))), data=(bound,))
