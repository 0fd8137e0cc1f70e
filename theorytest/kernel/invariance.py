"""Linear subspaces that gradient flow does not leave."""

from __future__ import annotations

from typing import Any

from theorytest.kernel.claim import Always, AtStart, Claim, Identity, SymmetricGradient
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Focus, Parameterization
from theorytest.kernel.rules import Context, bare, conclude, only, rule, terms
from theorytest.kernel.statement import Derivation
from theorytest.kernel.terms import DELTA, Term, zero


def _linear(quantity: Term, letters: set[str]) -> bool:
    """Whether every monomial holds exactly one block, once, and nothing else but deltas."""
    held = [[f.tensor.name for f in m.factors if f.tensor.name != DELTA] for m in quantity.monomials]
    return bool(held) and all(len(names) == 1 and names[0] in letters for names in held)


def symmetry(matrix: Term) -> Identity:
    """A matrix (free: two indices of one size) is symmetric."""
    (i, one), (j, other) = matrix.free if len(matrix.free) == 2 else (("", ""), ("", "."))
    if one != other:
        raise KernelError("a square matrix was needed")
    return Identity(matrix, matrix.rename({i: j, j: i}))


def _matrices(model: Parameterization, focus: Focus) -> tuple[Identity, Identity]:
    """The end matrix is symmetric, and the loss gradient is."""
    return symmetry(model.focus(focus)), symmetry(model.gradient(focus))


@rule("invariant-subspace")
def invariant_subspace(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """An identity that is linear in the blocks and holds at the start holds at all times if the flow is tangent to it.

    Premises: the identity at time 0; and, if so, that the loss gradient is symmetric wherever the end matrix is. Data:
    a derivation from the identity that the velocities of its two sides agree. With the second premise, a first
    derivation shows from the identity that the end matrix is symmetric, and the other may use that the gradient is.

    The blocks that meet the identity (for all members) make a linear subspace. At every point of it the velocity lies
    in it, so that the flow can be followed inside. There is only one solution from the start, the one inside: with the
    second premise the velocity is locally Lipschitz. Without it the derivation is for any tensor in the place of the
    loss gradient; the gradient along the flow is a continuous function of time, and for that function the velocity is
    a polynomial in the blocks, which is locally Lipschitz, and tangent to the subspace at every time.
    """
    if len(premises) not in (1, 2) or len(data) != len(premises) or not all(isinstance(d, Derivation) for d in data):
        raise KernelError("the identity at time 0, and a derivation for each premise, were needed")
    start = only(premises[0], AtStart)
    flow, equal = start.motion, only(start.claim, Identity)
    lhs, rhs = terms(equal)
    model = flow.parameterization
    if not _linear(lhs - rhs, set(model.letters(flow.focus))):
        raise KernelError("the identity must be linear in the blocks that the flow names")
    hypotheses: tuple[Claim, ...] = (equal,)
    if len(premises) == 2:
        if only(premises[1], SymmetricGradient).parameterization != model:
            raise KernelError("the gradient must be that of the same parameterization")
        end, gradient = _matrices(model, flow.focus)
        _shows(context, data[0], hypotheses, end)
        hypotheses = (equal, gradient)
    rate = (lhs - rhs).along(flow.velocities())
    _shows(context, data[-1], hypotheses, Identity(rate, zero(*rate.free)))
    return Always(equal, flow)


def _shows(context: Context, derivation: Derivation, hypotheses: tuple[Claim, ...], goal: Identity) -> None:
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
    if goal not in found:
        raise KernelError(f"the derivation does not show {goal.lhs} = {goal.rhs}")
