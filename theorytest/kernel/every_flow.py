"""Claims about the flow from every start: how one flow refutes them.

A comparison along every flow fails where an enclosure of one flow shows that it fails at some time. A limit fails from
a start that is an equilibrium, or along a flow that conserves the difference of both sides, where that difference is
not 0: two reasons that hold for all times, which no enclosure of finitely many steps could give.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly_ctx  # pyright: ignore[reportMissingTypeStubs]

from theorytest.kernel.claim import AlongEveryFlow, TendsToEqual, Throughout
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Flowpipes, FlowSteps
from theorytest.kernel.initial_value import (
    InitialValueProblem,
    MeasuredLoss,
    field,
    horner,
    rational,
    values_of,
)
from theorytest.kernel.quantity import entry_names, from_start, holds, written_out
from theorytest.kernel.rules import take
from theorytest.kernel.scalar import Number, Power, Scalar, Sum, Times, Variable
from theorytest.kernel.statement import Instance, Witness
from theorytest.kernel.states import has_sizes, state_of
from theorytest.kernel.trajectory import decide

EQUILIBRIUM, CONSERVED = "equilibrium", "conserved"
PRECISION = 256


def problem_of(claim: AlongEveryFlow | TendsToEqual, instance: Instance, loss: MeasuredLoss) -> InitialValueProblem:
    """The flow that a witness speaks of: sizes and start from the instance, the loss from beside it."""
    has_sizes(claim.sizes, instance)
    if claim.loss is not None and loss != claim.loss:
        raise KernelError("the claim is about another loss")
    if instance.gradient is not None:  # what is assumed of the loss gradient would be read off this one
        raise KernelError("the loss says what its gradient is: no loss gradient of its own was needed")
    blocks = dict(instance.blocks)
    order = claim.parameterization.at(dict(instance.sizes)).blocks
    if set(order) != set(blocks):
        raise KernelError(f"the start needs the blocks {', '.join(order)}")
    return InitialValueProblem(
        claim.parameterization, instance.sizes, loss, tuple((name, blocks[name]) for name in order)
    )


def violation(claim: AlongEveryFlow | TendsToEqual, witness: Witness) -> str:
    """How a claim fails along one flow; raises `KernelError` where that is not shown.

    Beside the instance (sizes, start) the witness has the loss and, for a comparison, the steps that enclose the flow;
    for a limit, the reason: "equilibrium" or "conserved".
    """
    if isinstance(claim, TendsToEqual):
        loss, reason = take(witness.data, MeasuredLoss, str)
        problem = problem_of(claim, witness.instance, loss)
        return _no_limit(claim, problem, witness.instance, reason)
    loss, steps = take(witness.data, MeasuredLoss, FlowSteps)
    problem = problem_of(claim, witness.instance, loss)
    comparison = from_start(claim.comparison, state_of(claim.parameterization, witness.instance))
    end = sum((step.length for step in steps.steps), Fraction(0))
    holds_true, text = decide(Throughout(problem, comparison, Fraction(0), end), Flowpipes((steps,)))
    if holds_true:
        raise KernelError("the comparison holds along this flow, as far as it is enclosed")
    return text


def _no_limit(claim: TendsToEqual, problem: InitialValueProblem, instance: Instance, reason: str) -> str:
    start = state_of(claim.parameterization, instance)
    comparison = from_start(claim.comparison, start)
    if holds(comparison, start, PRECISION) is not False:
        raise KernelError("at time 0 both sides are not surely different")
    if reason == EQUILIBRIUM:
        if any(velocity_at_start(problem)):
            raise KernelError("the start is no equilibrium: a velocity is not 0")
        return "the start is an equilibrium at which both sides differ, so that they differ at all times"
    if reason != CONSERVED:
        raise KernelError(f"the reason is {EQUILIBRIUM!r} or {CONSERVED!r}, given {reason!r}")
    concrete = problem.concrete()
    lhs, rhs = (written_out(side, comparison.atoms, concrete) for side in (comparison.lhs, comparison.rhs))
    if not is_conserved(problem, rhs - lhs):
        raise KernelError("the difference of both sides is not conserved")
    return "the difference of both sides is conserved along this flow, and is not 0 at time 0"


def velocity_at_start(problem: InitialValueProblem) -> tuple[Fraction, ...]:
    """The exact velocity of every parameter at time 0."""
    made = field(problem, None)
    slope = problem.loss.slope
    point = [rational(x) for x in problem.point()]
    zero = fmpq(0)
    residuals = values_of(made, [*point, *(zero for _ in made.residuals)], zero)
    slopes: list[fmpq] = []
    for slot in made.residuals:
        z = Fraction(int(residuals[slot].p), int(residuals[slot].q))
        piece = sum(1 for point_ in slope.breaks if z > point_)
        slopes.append(rational(horner(slope.pieces[piece], z, Fraction(0))))
    values = values_of(made, [*point, *slopes], zero)
    return tuple(Fraction(int(values[slot].p), int(values[slot].q)) for slot in made.velocities)


def is_conserved(problem: InitialValueProblem, quantity: Scalar) -> bool:
    """Whether a polynomial in the entries of the blocks is constant along the flow from any start.

    By an exact identity: its derivative along the field is 0 with the slope at every residual as an unknown, so for
    every loss with these measurements. Raises `KernelError` where it is no polynomial.
    """
    made = field(problem, None)
    concrete = problem.concrete()
    names = [x.name for name, shape in concrete.blocks.items() for x in entry_names(name, shape)]
    letters = [f"u{k}" for k in range(len(names))] + [f"g{k}" for k in range(len(made.residuals))]
    ring: fmpq_mpoly_ctx = fmpq_mpoly_ctx.get(letters, Ordering.degrevlex)
    gens = ring.gens()
    values = values_of(made, list(gens), ring.constant(0))
    polynomial = _polynomial(quantity, dict(zip(names, gens, strict=False)), ring)
    rate = ring.constant(0)
    for k, slot in enumerate(made.velocities):
        rate = rate + polynomial.derivative(k) * values[slot]
    return bool(rate == 0)


def _polynomial(expression: Scalar, values: dict[str, Any], ring: Any) -> Any:
    match expression:
        case Number(number):
            return ring.constant(rational(number))
        case Variable(name):
            return values[name]
        case Sum(parts):
            return sum((_polynomial(part, values, ring) for part in parts), ring.constant(0))
        case Times(parts):
            return _product([_polynomial(part, values, ring) for part in parts], ring.constant(1))
        case Power(base, exponent) if exponent.denominator == 1 and exponent >= 0:
            return _polynomial(base, values, ring) ** int(exponent)
        case _:
            raise KernelError(f"{expression} is no polynomial")


def _product(parts: Sequence[Any], one: Any) -> Any:
    total = one
    for part in parts:
        total = total * part
    return total


__all__ = ["CONSERVED", "EQUILIBRIUM", "is_conserved", "problem_of", "velocity_at_start", "violation"]
