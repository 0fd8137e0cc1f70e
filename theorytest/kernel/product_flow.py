"""The flow of a balanced product of matrices, and of its singular values (RC20 Lemmas 4 and 5)."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from theorytest.kernel.ball import root
from theorytest.kernel.claim import Always, Claim, EndMatrixRate, Flow, Identity, SingularValueRate
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link, Parameterization
from theorytest.kernel.rules import (
    Context,
    MatrixChain,
    balance,
    bare,
    chain_hypotheses,
    chain_letters,
    conclude,
    count,
    matrix_chain,
    only,
    rule,
    take,
)
from theorytest.kernel.statement import Derivation

# -- the product -------------------------------------------------------------------------------------------------------


def power_templates(chain: MatrixChain) -> tuple[Identity, Identity]:
    """With P = First First^T and Power = P^(j-2), for the product of the first j >= 2 factors: Partial Last^T Last =
    P Partial, and Partial Partial^T = P P Power."""
    letters = chain_letters(chain)
    first, partial, last, power = (letters[name] for name in ("First", "Partial", "Last", "Power"))
    gram = (first["a", "_k"] * first["b", "_k"]).sum("_k")
    return (
        Identity(
            (partial["a", "_j"] * last["_k", "_j"] * last["_k", "b"]).sum("_j", "_k"),
            (gram.rename({"b": "_c"}) * partial["_c", "b"]).sum("_c"),
        ),
        Identity(
            (partial["a", "_k"] * partial["b", "_k"]).sum("_k"),
            (gram.rename({"b": "_c"}) * gram.rename({"a": "_c", "b": "_d"}) * power["_d", "b"]).sum("_c", "_d"),
        ),
    )


@rule("end-matrix-rate")
def end_matrix_rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The gradient flow of a balanced product W = W_L ... W_1, as a flow of W alone (RC20 Lemma 4; Arora et al. 2018).

    Premise: adjacent factors are balanced along the flow. Data: the parameterization, a derivation for two factors and
    one for the step from j to j + 1, which show both `power_templates`.

    Write A_l for the product of the factors before W_l and B_l for that of those after it. By the product rule and the
    chain rule dW/dt = sum_l A_l (dW_l/dt) B_l = -sum_l A_l A_l^T grad B_l^T B_l. With P = W_L W_L^T, the derivations
    show by induction that the product of the first j factors times its transpose is P^j, for 2 <= j <= L; for j = 0
    (the empty product I) and j = 1 it is so by definition. So A_l A_l^T = P^(L-l), and, for j = L, W W^T = P^L. P is
    positive semidefinite, and such roots are unique: P^(L-l) = [W W^T]^((L-l)/L), with 0^0 = I. The transposed product
    W^T = W_1^T ... W_L^T has balanced factors, too, so that B_l^T B_l = [W^T W]^((l-1)/L) in the same way.
    """
    count(premises, 1)
    parameterization, base, step = take(data, Parameterization, Derivation, Derivation)
    chain = matrix_chain(parameterization)
    adjacent = Focus((), (Link(("l+1", "l") if chain.body.descending else ("l", "l+1"), adjacent=True),))
    if premises[0] != Always(balance(*parameterization.letters(adjacent).values()), Flow(parameterization, adjacent)):
        raise KernelError("the premise must be that adjacent factors are balanced along the plain flow")
    cases = chain_hypotheses(chain, power_templates(chain))
    for derivation, (hypotheses, goals) in zip((base, step), cases, strict=True):
        found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
        for goal in goals:
            if goal not in found:
                raise KernelError(f"the induction does not show {goal.lhs} = {goal.rhs}")
    return EndMatrixRate(chain.flow)


@rule("reverse-sum")
def reverse_sum(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The sum over l = 1..L is the same with L + 1 - l in place of l."""
    count(premises, 1)
    take(data)
    known = only(premises[0], EndMatrixRate)
    if not known.all_layers:
        raise KernelError("one summand has no other order")
    return dataclasses.replace(known, left=_reversed(known.left), right=_reversed(known.right))


def _reversed(coefficients: tuple[int, int, int]) -> tuple[int, int, int]:
    constant, by_depth, by_layer = coefficients
    return constant + by_layer, by_depth + by_layer, -by_layer


@rule("singular-value-rate")
def singular_value_rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The motion of the singular values of a balanced product (RC20 Lemma 5; Arora et al. 2019).

    Let W(t) = sum_r s_r u_r v_r^T with differentiable s_r, u_r and v_r, orthonormal u_r and orthonormal v_r. Unit
    vectors are orthogonal to their derivatives, so d/dt s_r = d/dt <u_r, W v_r> = <u_r, (dW/dt) v_r>. By the premise
    that is -sum_l <[W W^T]^((L-l)/L) u_r, grad [W^T W]^((l-1)/L) v_r>. u_r is an eigenvector of W W^T, and v_r of W^T
    W, for s_r^2; the L summands are all (s_r^2)^((L-l)/L + (l-1)/L) <u_r, grad v_r>, whose exponent is (L-1)/L.
    """
    count(premises, 1)
    take(data)
    known = only(premises[0], EndMatrixRate)
    if known != EndMatrixRate(known.motion):
        raise KernelError("the flow of the balanced product itself was needed")
    return SingularValueRate(known.motion)


# -- at an instance ----------------------------------------------------------------------------------------------------


def _power(value: Fraction, exponent: Fraction) -> Fraction:
    if exponent == 0:
        return Fraction(1)
    found = root(value, exponent.denominator) if value or exponent > 0 else None
    if found is None:
        raise KernelError(f"{value}^({exponent}) is no rational number: choose another instance")
    return found**exponent.numerator


def _diagonal(end: Array) -> tuple[Fraction, ...]:
    """The diagonal of a diagonal matrix; raise for any other."""
    rows, columns = end.shape
    if any(end[i, j] for i in range(rows) for j in range(columns) if i != j):
        raise KernelError("an instance with a diagonal end matrix was needed")
    return tuple(end[k, k] for k in range(min(rows, columns)))


def _squares(values: tuple[Fraction, ...], size: int) -> list[Fraction]:
    return [*(x * x for x in values), *([Fraction(0)] * (size - len(values)))]


def _exponent(claimed: tuple[int, int, int], depth: int, layer: int, shift: int) -> Fraction:
    constant, by_depth, by_layer = claimed
    if depth + shift <= 0:
        raise KernelError("the denominator of an exponent must be positive")
    return Fraction(constant + by_depth * depth + by_layer * layer, depth + shift)


def end_matrix_violation(claim: EndMatrixRate, depth: int, end: Array, rate: Array, gradient: Array) -> str:
    """By how much the claimed velocity of a diagonal end matrix differs from its velocity; raise where it does not."""
    rows, columns = end.shape
    left, right = (_squares(_diagonal(end), size) for size in (rows, columns))
    worst = Fraction(0)
    for i in range(rows):
        for j in range(columns):
            total = Fraction(0)
            for layer in range(1, depth + 1) if claim.all_layers else (depth,):
                before = _power(left[i], _exponent(claim.left, depth, layer, claim.shift))
                after = _power(right[j], _exponent(claim.right, depth, layer, claim.shift))
                total -= before * gradient[i, j] * after
            worst = max(worst, abs(rate[i, j] - total))
    if not worst:
        raise KernelError("the claim holds at this instance")
    return f"the velocity of the end matrix differs by {worst}"


def singular_value_violation(claim: SingularValueRate, depth: int, end: Array, rate: Array, gradient: Array) -> str:
    """By how much the claimed velocity of a singular value differs from its velocity, at a diagonal end matrix with
    diagonal entries of different sizes: singular vectors are unit vectors then, up to signs that do not matter."""
    values = _diagonal(end)
    if len({abs(value) for value in values}) != len(values):
        raise KernelError("singular values of different sizes were needed")
    factor = Fraction(depth if claim.times_depth else 1)
    constant, by_inverse = claim.exponent
    exponent = Fraction(constant) + Fraction(by_inverse, depth)
    gaps = [rate[k, k] + factor * _power(value * value, exponent) * gradient[k, k] for k, value in enumerate(values)]
    worst = max(map(abs, gaps))
    if not worst:
        raise KernelError("the claim holds at this instance")
    return f"the velocity of a singular value differs by {worst}"
