"""Real functions of time: what their derivatives say about all times, and how a claim about them fails.

Gronwall's inequality, conservation, and the closed form of a separable equation are all instances of one rule: a
quantity whose derivative is 0 (or nowhere positive) keeps its value (or never exceeds it). The rest is algebra at each
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

from theorytest.kernel.analysis import Formula, holds, sides
from theorytest.kernel.ball import UndefinedError, evaluate, less, precision
from theorytest.kernel.claim import Claim, Evolution, Identity, Inequality, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.families import put, put_in
from theorytest.kernel.rules import Context, only, rule, take
from theorytest.kernel.scalar import ZERO, Expression, Scalar, Variable, derivative, variables


def initial(name: str) -> str:
    """The name of a function's value at time 0."""
    return f"{name}(0)"


def at_start(system: Evolution) -> dict[str, Scalar]:
    """What the functions and the time become at time 0."""
    functions = (*(name for name, _ in system.rates), *system.inputs)
    start: dict[str, Scalar] = {name: Variable(initial(name)) for name in functions}
    return start | {system.time: ZERO}


def total_derivative(system: Evolution, quantity: Scalar) -> Scalar:
    """The derivative in time, by the chain rule; inputs are held fixed."""
    total: Scalar = ZERO
    for name, rate in system.rates:
        if name in variables(quantity):
            total = total + derivative(quantity, name) * rate
    return total + derivative(quantity, system.time)


def require_well_formed(system: Evolution) -> None:
    """Raise unless time, functions and inputs have different names, none of them the name of a value at time 0."""
    named = [system.time, *(name for name, _ in system.rates), *system.inputs]
    if len(set(named)) != len(named) or set(map(initial, named)) & set(named):
        raise KernelError("time, functions and inputs need different names, none of them c(0) for another name c")


def _known(system: Evolution, premises: Iterable[Evolution]) -> set[Formula]:
    """What holds at every time: the conditions, 0 <= t, and what was shown for the same functions; all of this also at
    time 0."""
    found: set[Formula] = {*system.conditions, Inequality(ZERO, "<=", Variable(system.time))}
    for premise in premises:
        if replace(premise, claims=()) != system:
            raise KernelError("what was shown before must be about the same functions under the same conditions")
        found |= {cast("Formula", part.claim) for part in premise.claims if not part.conditions}
    return found | {put_in(formula, at_start(system)) for formula in found}


def _system(data: Evolution) -> Evolution:
    require_well_formed(data)
    if data.claims:
        raise KernelError("the functions are given without claims")
    return data


@rule("derivative-in-time")
def derivative_in_time(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A quantity whose derivative in time (worked out here, by the chain rule) is 0 at every time keeps its value at
    time 0; one whose derivative is nowhere positive never exceeds it. Data: the functions, and the quantity. Premises:
    the derivative is 0, or is at most 0; the quantity is defined; then what was shown before for the same functions.
    Their conditions are known to hold at every time.

    An elementary expression of differentiable functions is differentiable where it and this derivative are defined
    (see `theorytest.kernel.scalar.derivative`); the mean value theorem does the rest.
    """
    system, quantity = take(data, Evolution, Expression)
    _system(system)
    if len(premises) < 2:
        raise KernelError("needs the sign of the derivative, and that the quantity is defined")
    slope, defined = (only(premise, Where) for premise in premises[:2])
    known = _known(system, (only(premise, Evolution) for premise in premises[2:]))
    if variables(quantity) & set(system.inputs):
        raise KernelError("nothing is known of the derivative of an input")
    moved = total_derivative(system, quantity)
    if slope.claim not in (Identity(moved, ZERO), Inequality(moved, "<=", ZERO)):
        raise KernelError(f"the first premise must say that {moved} is 0, or at most 0")
    if quantity not in sides(defined.claim):
        raise KernelError(f"the second premise must say that {quantity} is defined")
    if not {*slope.conditions, *defined.conditions} <= known:
        raise KernelError("a condition of a premise is not known to hold at every time")
    start = put(quantity, at_start(system))
    kept = Identity(quantity, start) if isinstance(slope.claim, Identity) else Inequality(quantity, "<=", start)
    return replace(system, claims=(Where((), kept),))


@rule("at-every-time")
def at_every_time(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What follows at every time from what is known at every time. Data: the functions. Premises: what was shown before
    for the same functions, and formulas under conditions; a condition that is not known to hold at every time becomes a
    condition of the new claim at that time."""
    system = _system(take(data, Evolution)[0])
    known = _known(system, (premise for premise in premises if isinstance(premise, Evolution)))
    parts: list[Where] = []
    for premise in premises:
        if not isinstance(premise, Evolution):
            where = only(premise, Where)
            sides(where.claim)
            parts.append(Where(tuple(c for c in where.conditions if c not in known), where.claim))
    if not parts:
        raise KernelError("a formula that follows was needed")
    return replace(system, claims=tuple(parts))


# -- how a claim fails -------------------------------------------------------------------------------------------------


def violation(claim: Evolution, given: Mapping[str, Fraction], bits: int) -> str:
    """How a claim certainly fails at, or right after, time 0; raises where it does not surely fail.

    given: constants, the values of the functions at time 0, and inputs, which are constant in time. Rates that are
    defined with their partial derivatives are continuously differentiable nearby, so that there is a solution on some
    interval [0, T]; conditions that hold strictly at time 0 (or speak of constants alone) hold on a shorter one.
    """
    require_well_formed(claim)
    moving = {claim.time, *(name for name, _ in claim.rates)}
    needed = {name for name, _ in claim.rates} | set(claim.inputs)
    derived = {claim.time, *map(initial, needed)}
    if not needed <= set(given) or derived & set(given):
        raise KernelError(f"values were needed for {sorted(needed)}, and none for {sorted(derived)}")
    values = dict(given) | {initial(name): given[name] for name in needed} | {claim.time: Fraction(0)}

    def smooth(expression: Scalar) -> None:
        with precision(bits):
            evaluate(expression, values)
            for name in sorted(moving):
                evaluate(derivative(expression, name), values)

    def lasts(condition: Formula) -> bool:
        lhs, rhs = sides(condition)
        if not (variables(lhs) | variables(rhs)) & moving:
            return holds(condition, values, bits) is True
        smooth(lhs)
        smooth(rhs)
        first = condition == Inequality(ZERO, "<=", Variable(claim.time))
        return first or (isinstance(condition, Inequality) and holds(Inequality(lhs, "<", rhs), values, bits) is True)

    try:
        for _, rate in claim.rates:
            smooth(rate)
        if not all(map(lasts, claim.conditions)):
            raise KernelError("the conditions do not surely hold for a while after time 0")
        for part in claim.claims:
            formula = cast("Formula", part.claim)
            if not all(holds(condition, values, bits) is True for condition in part.conditions):
                continue
            if holds(formula, values, bits) is False:
                return f"{formula.lhs} {getattr(formula, 'relation', '=')} {formula.rhs} is false at time 0"
            found = all(map(lasts, part.conditions)) and _moves_away(claim, formula, values, smooth, bits)
            if found:
                return found
    except UndefinedError as error:
        raise KernelError(f"not defined for a while after time 0: {error}") from error
    raise KernelError("the claim does not surely fail at or right after time 0")


def _moves_away(
    claim: Evolution,
    formula: Formula,
    values: Mapping[str, Fraction],
    smooth: Callable[[Scalar], None],
    bits: int,
) -> str:
    """How a formula that may hold at time 0 fails right after; empty where it does not surely fail."""
    lhs, rhs = sides(formula)
    smooth(lhs)
    smooth(rhs)
    with precision(bits):
        speed = evaluate(total_derivative(claim, lhs - rhs), values)
        rises, falls = less(Fraction(0), speed), less(speed, Fraction(0))
    shown = str(speed) if isinstance(speed, Fraction) else speed.str(12)
    if isinstance(formula, Identity):
        return f"the two sides move apart at the speed {shown} at time 0" if rises or falls else ""
    # An inequality fails right after time 0 where both sides are the same number then, and the left one is faster.
    same = put(lhs, at_start(claim)) == put(rhs, at_start(claim)) or holds(Identity(lhs, rhs), values, bits) is True
    return f"both sides are equal at time 0, and the left one is faster by {shown}" if rises and same else ""
