"""Proofs that need no author: the derivations that a claim's own form suggests, tried in turn.

Laws of motion are differentiated and brought to normal form; identities of tensors are expanded; formulas between real
variables, and between polynomial quantities of a state, are looked for among nonnegative combinations of products of
the assumptions and of squares. What is found is an ordinary derivation; that none is found says nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod

from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.scalar import Reals
from theorytest.errors import InputError
from theorytest.kernel.analysis import Formula
from theorytest.kernel.claim import (
    All,
    AtEveryState,
    Claim,
    Conserved,
    Flow,
    Identity,
    Inequality,
    ProbabilityBetween,
    Rate,
    Where,
)
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.quantity import Comparison, entry_names
from theorytest.kernel.scalar import Variable, variables
from theorytest.kernel.statement import Certificate, Statement
from theorytest.kernel.states import formula
from theorytest.kernel.terms import Term

LARGEST = 14  # real variables of a formula for which products and squares are tried


def prove(statement: Statement) -> tuple[Certificate | None, str]:
    """A derivation of the statement, if one of the usual ones goes through; else None and what failed."""
    derive = Derive(statement)
    try:
        _prove(derive, statement.claim)
    except (KernelError, InputError) as error:
        return None, f"{type(statement.claim).__name__}: {error}"
    return derive.certificate(producer="theorytest.derive.automatic"), ""


def refute(statement: Statement) -> Certificate | None:
    """A derivation of the contrary, for claims that no instance refutes: a probability that is another one."""
    if not isinstance(statement.claim, ProbabilityBetween):
        return None
    derive = Derive(statement)
    try:
        one_half(derive, statement.claim)
    except KernelError:
        return None
    return derive.certificate("contradiction", producer="theorytest.derive.automatic")


def attempts(statement: Statement) -> tuple[Certificate | None, str]:
    """A derivation of the statement or of its contrary; else None and what failed."""
    certificate, failed = prove(statement)
    return certificate or refute(statement), failed


def serve() -> None:
    """In a process of its own: read a statement from standard input, and write what `attempts` finds. One line each."""
    statement = decode(json.loads(sys.stdin.readline()))
    certificate, failed = attempts(statement)
    print(json.dumps({"certificate": encode(certificate), "failed": failed}), flush=True)


def unsatisfiable(statement: Statement) -> bool:
    """Whether the assumptions about a state (of a model with given sizes), or about real variables, are shown to
    contradict one another: the contrary of one of them is proved from the others."""
    claim = statement.claim
    given: list[Formula] | None
    if isinstance(claim, AtEveryState):
        try:
            given = _given(statement, claim)
        except KernelError:  # a quantity is no polynomial
            return False
    else:
        held = (*(a.formula for a in statement.assumptions), *(claim.conditions if isinstance(claim, Where) else ()))
        given = [f for f in held if isinstance(f, Identity | Inequality) and not isinstance(f.lhs, Term)]
    if not given:
        return False
    for assumed in given:
        if not isinstance(assumed, Inequality):
            continue
        rest = [g for g in given if g is not assumed]
        contrary = Inequality(assumed.rhs, "<" if assumed.relation == "<=" else "<=", assumed.lhs)
        real = Reals(Derive(statement))
        try:
            _search(real, contrary, [real.suppose(g) for g in rest])
            return True
        except (KernelError, InputError):
            continue
    return False


def _prove(derive: Derive, claim: Claim) -> Fact:
    match claim:
        case All(claims):
            return derive.both(*[_prove(derive, part) for part in claims])
        case Conserved(quantity, Flow() as flow):
            return derive.conserved(quantity, flow)
        case Rate(quantity, rate, flow):
            found = derive.rate(quantity, flow)
            if found.claim.rate == rate:
                return found
            return derive.replace(found, derive.equal("the same term", found.claim.rate, rate))
        case Identity(Term() as lhs, Term() as rhs):
            return derive.equal("normal forms", lhs, rhs)
        case Inequality(Term() as lhs, "<=", Term() as rhs):
            return derive.at_most("a combination of what is assumed", lhs, rhs)
        case Identity() | Inequality():
            return _outright(derive, Where((), claim))
        case Where(_, Identity() | Inequality()):
            return _under(Reals(derive), claim.conditions, claim.claim)
        case AtEveryState():
            given = _given(derive.statement, claim)
            if given is None:
                raise KernelError("sizes are left open: a proof is tried for given sizes only")
            goal = formula(claim.claim, claim.parameterization.at(dict(claim.sizes)))
            shown = _under(Reals(derive), tuple(given), goal)
            return derive.apply(
                "at-every-state", shown, data=(claim,), text="the entries of the blocks are real numbers"
            )
        case ProbabilityBetween():
            half = one_half(derive, claim)
            return derive.apply("probability-bounds", half, data=(claim.lower, claim.upper), text="1/2 is between them")
        case _:
            raise KernelError(f"no usual proof is known for a claim of kind {type(claim).__name__}")


def one_half(derive: Derive, claim: ProbabilityBetween) -> Fact:
    """The event of a claim has probability 1/2, by a change of signs: of a block, of a slice of one, or of all."""
    exact = replace(claim, lower=Fraction(1, 2), upper=Fraction(1, 2))
    concrete = claim.parameterization.at(dict(claim.sizes))
    changes: list[tuple[str, ...]] = [tuple(x.name for n, s in concrete.blocks.items() for x in entry_names(n, s))]
    for name, shape in concrete.blocks.items():
        entries = [x.name for x in entry_names(name, shape)]
        changes += [tuple(entries), *((x,) for x in entries)]
        for axis, size in enumerate(shape):
            inner = prod(shape[axis + 1 :])
            changes += [tuple(x for k, x in enumerate(entries) if k // inner % size == i) for i in range(size)]
    failed = ""
    for change in dict.fromkeys(changes):
        try:
            return derive.apply("sign-symmetry", data=(exact, change), text="a change of signs reverses the event")
        except KernelError as error:
            failed = str(error)
    raise KernelError(failed)


def _given(statement: Statement, claim: AtEveryState) -> list[Formula] | None:
    """The assumptions about the state, written out; None where the sizes are open."""
    try:
        concrete = claim.parameterization.at(dict(claim.sizes))
    except KernelError:
        return None
    found: list[Formula] = []
    for assumption in statement.assumptions:
        if isinstance(assumption.formula, Comparison):
            found.append(formula(assumption.formula, concrete))
    return found


def _outright(derive: Derive, claim: Where) -> Fact:
    """A formula between real variables, from the statement's assumptions."""
    real = Reals(derive)
    formulas = [(a.label, a.formula) for a in derive.statement.assumptions]
    given = [
        (label, f) for label, f in formulas if isinstance(f, Identity | Inequality) and not isinstance(f.lhs, Term)
    ]
    shown = _under(real, tuple(f for _, f in given), claim.claim)
    return real.outright(shown, *(derive.assume(label) for label, _ in given))


def _under(real: Reals, conditions: tuple[Formula, ...], goal: Claim) -> Fact:
    """The goal under conditions, of which a proof may use some or none."""
    facts = [real.suppose(condition) for condition in conditions]
    if not isinstance(goal, Identity | Inequality):
        raise KernelError(f"no usual proof is known for a claim of kind {type(goal).__name__}")
    return _search(real, goal, facts)


def _search(real: Reals, goal: Formula, facts: list[Fact]) -> Fact:
    lhs, rhs = goal.lhs, goal.rhs
    assert not isinstance(lhs, Term) and not isinstance(rhs, Term)
    named = sorted(variables(lhs) | variables(rhs))
    if len(named) > LARGEST:
        raise KernelError(f"{len(named)} real variables are more than the {LARGEST} for which a proof is tried")
    ways: list[Callable[[], Fact]] = []
    if isinstance(goal, Identity):
        ways.append(lambda: real.equal("an identity", lhs, rhs, *facts))
    else:
        prove = real.at_most if goal.relation == "<=" else real.less
        ways += [
            lambda: prove("products of what is given", lhs, rhs, *facts, degree=1),
            lambda: prove("products of what is given", lhs, rhs, *facts, *_defined(real, named, facts), degree=2),
            lambda: _by_squares(real, goal, facts, named),
            *([lambda: prove("squares times what is given", lhs, rhs, *facts, degree=3)] if len(named) <= 4 else []),
        ]
    failed = ""
    for way in ways:
        before = len(real.derive.steps)
        try:
            return way()
        except (KernelError, InputError) as error:
            del real.derive.steps[before:]
            failed = str(error)
    raise KernelError(failed)


def _defined(real: Reals, named: list[str], facts: list[Fact]) -> list[Fact]:
    known = {name for fact in facts for name in variables(fact.claim.claim.lhs) | variables(fact.claim.claim.rhs)}
    return [real.real(Variable(name)) for name in named if name not in known]


def _by_squares(real: Reals, goal: Inequality, facts: list[Fact], named: list[str]) -> Fact:
    """The right side minus the left as a sum of squares of monomials and of sums and differences of two of them."""
    from theorytest.derive.squares import sum_of_squares

    assert not isinstance(goal.lhs, Term) and not isinstance(goal.rhs, Term)
    hints = [(weight, root, ()) for weight, root in sum_of_squares(goal.rhs - goal.lhs, named)]
    prove = real.at_most if goal.relation == "<=" else real.less
    return prove("a sum of squares", goal.lhs, goal.rhs, *facts, *_defined(real, named, facts), by=hints)


__all__ = ["attempts", "one_half", "prove", "refute", "serve", "unsatisfiable"]
