"""The rules about the order of the real numbers: what they conclude, and what they refuse."""

from collections.abc import Sequence
from typing import Any

import pytest

from theorytest.kernel import order
from theorytest.kernel.claim import All, Claim, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import Exp, Variable, scalar, sqrt
from theorytest.kernel.statement import Statement

x, y, z = Variable("x"), Variable("y"), Variable("z")
ROOT = sqrt(y)


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


def at_most(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def below(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


def test_the_module_registers_its_rules() -> None:
    registered = {"part", "antisymmetry", "dichotomy", "exp-increasing"}
    assert {RULES[name] for name in registered} == {
        order.part,
        order.antisymmetry,
        order.dichotomy,
        order.exp_increasing,
    }


def test_part() -> None:
    several = All((at_most(x, y), below(y, z)))
    assert apply("part", several, data=(1,)) == below(y, z)
    for place in (-1, 2):
        with pytest.raises(KernelError, match="none at place"):
            apply("part", several, data=(place,))
    with pytest.raises(KernelError, match="must be All"):
        apply("part", at_most(x, y), data=(0,))


def test_antisymmetry() -> None:
    one, other = Where((below(0, x),), at_most(x, y)), Where((below(0, y),), at_most(y, x))
    assert apply("antisymmetry", one, other) == Where((below(0, x), below(0, y)), Identity(x, y))
    for wrong in (Where((), at_most(y, z)), Where((), below(y, x)), Where((), Identity(y, x))):
        with pytest.raises(KernelError, match="u <= v and v <= u"):
            apply("antisymmetry", one, wrong)
    with pytest.raises(KernelError, match="u <= v and v <= u"):
        apply("antisymmetry", Where((), below(x, y)), other)


@pytest.mark.parametrize("other", [at_most(y, x), below(y, x)])
def test_dichotomy(other: Inequality) -> None:
    claim, kept = at_most(0, z), below(1, z)
    low, high = Where((at_most(x, y), kept), claim), Where((other,), claim)
    assert apply("dichotomy", low, high, data=(at_most(x, y),)) == Where((kept,), claim)


def test_dichotomy_keeps_the_strict_case_below() -> None:
    """x < y and y < x leave out x = y."""
    claim = at_most(0, z)
    low, high = Where((below(x, y),), claim), Where((below(y, x),), claim)
    assert apply("dichotomy", low, high, data=(at_most(x, y),)) == Where((below(x, y),), claim)


def test_dichotomy_needs_both_numbers() -> None:
    """sqrt(y) is no number where y < 0: nothing follows there."""
    claim = at_most(0, z)
    bound = at_most(ROOT, 1)
    low, high = Where((bound,), claim), Where((below(1, ROOT),), claim)
    with pytest.raises(KernelError, match="not known to be defined"):
        apply("dichotomy", low, high, data=(bound,))
    defined = Where((at_most(0, y),), at_most(0, ROOT))
    assert apply("dichotomy", low, high, defined, data=(bound,)) == Where((at_most(0, y),), claim)


def test_dichotomy_refuses() -> None:
    claim = Where((), at_most(0, z))
    with pytest.raises(KernelError, match="two cases"):
        apply("dichotomy", claim, data=(at_most(x, y),))
    with pytest.raises(KernelError, match="of one claim"):
        apply("dichotomy", claim, Where((), at_most(0, x)), data=(at_most(x, y),))
    with pytest.raises(KernelError, match="of one claim"):
        apply("dichotomy", claim, claim, data=(below(x, y),))


@pytest.mark.parametrize("relation", [at_most, below])
def test_exp_increasing(relation: Any) -> None:
    kept = below(0, z)
    assert apply("exp-increasing", Where((kept,), relation(x, y))) == Where((kept,), relation(Exp(x), Exp(y)))
    with pytest.raises(KernelError, match="must be Inequality"):
        apply("exp-increasing", Where((), Identity(x, y)))
