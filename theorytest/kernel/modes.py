"""Tucker products of any order: induction over the modes, each with all others merged into one index."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from theorytest.kernel.claim import Claim, HigherOrderSVD, Identity, TuckerNorm
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import Context, OneMode, bare, conclude, count, rule, take
from theorytest.kernel.statement import Derivation, Instance
from theorytest.kernel.terms import Tensor, Term, identity
from theorytest.kernel.truncation import (
    EPSILON,
    LOWER_BOUND_BITS,
    Tucker,
    float_free,
    multilinear_rank,
    squared_singular_values,
    unfolding,
)


@rule("tucker-norm")
def tucker_norm(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """||G x_1 V^(1) ... x_N V^(N)|| <= ||G|| prod_n ||V^(n)||_2, by induction over the modes: the inner derivation
    shows that one product increases the norm at most by its spectral norm, all other modes merged into one."""
    count(premises, 0)
    claim, derivation = take(data, TuckerNorm, Derivation)
    if claim != TuckerNorm():
        raise KernelError("only the bound with all factors and the norm of the whole core is known")
    mode = OneMode()
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, mode.hypotheses()[:1])
    if mode.goals()[0] not in found:
        raise KernelError("the derivation does not show that one mode multiplies the norm by at most s")
    return claim


class OrthogonalMode:
    """One mode of a tensor T, the others merged into q: U orthogonal with T T^T = U diag(λ) U^T, and K orthogonal, the
    Kronecker product of the factors of the other modes. The core is C = U^T T K."""

    tensor = Tensor("T", ("d", "q"))
    basis = Tensor("U", ("d", "d"))
    others = Tensor("K", ("q", "q"))
    values = Tensor("λ", ("d",))

    @property
    def core(self) -> Term:
        """C[a, x] = sum over i and j of U[i, a] T[i, j] K[j, x]."""
        return (self.basis["_i", "a"] * self.tensor["_i", "_j"] * self.others["_j", "x"]).sum("_i", "_j")

    def hypotheses(self) -> tuple[Identity, ...]:
        """0, 1: U^T U = U U^T = I; 2, 3: the same for K; 4: T T^T = U diag(λ) U^T."""
        made: list[Identity] = []
        for tensor, size in ((self.basis, "d"), (self.others, "q")):
            made.append(Identity((tensor["_k", "a"] * tensor["_k", "b"]).sum("_k"), identity("a", "b", size)))
            made.append(Identity((tensor["a", "_k"] * tensor["b", "_k"]).sum("_k"), identity("a", "b", size)))
        gram = (self.tensor["a", "_j"] * self.tensor["b", "_j"]).sum("_j")
        whole = (self.basis["a", "_k"] * self.values["_k"] * self.basis["b", "_k"]).sum("_k")
        return (*made, Identity(gram, whole))

    def goals(self) -> tuple[Identity, Identity]:
        """T = U C K^T, and the slices of C: <C_a, C_b> = λ_a if a = b, else 0."""
        back = self.basis["i", "_a"] * self.core.rename({"a": "_a", "x": "_x"}) * self.others["j", "_x"]
        gram = (self.core.rename({"x": "_x"}) * self.core.rename({"a": "b", "x": "_x"})).sum("_x")
        return (
            Identity(self.tensor["i", "j"], back.sum("_a", "_x")),
            Identity(gram, identity("a", "b", "d") * self.values["a"]),
        )


@rule("higher-order-svd")
def higher_order_svd(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Every tensor has a higher-order singular value decomposition (HKA24 Theorem 2.3).

    By the spectral theorem there is, for every mode n, an orthogonal U^(n) with [T]_(n) [T]_(n)^T = U^(n) diag(λ)
    U^(n)T and λ_1 >= λ_2 >= ... (>= 0). A Kronecker product of orthogonal matrices is orthogonal, since
    (A (x) B)^T (A (x) B) = A^T A (x) B^T B. Put C = T x_1 U^(1)T ... x_N U^(N)T: for every mode, [C]_(n) =
    U^(n)T [T]_(n) K, and the inner derivation shows that T is C times all U^(n), and that slices of C are orthogonal
    with squared norms λ_1, λ_2, ..., which do not increase.
    """
    count(premises, 0)
    claim, derivation = take(data, HigherOrderSVD, Derivation)
    if claim != HigherOrderSVD():
        raise KernelError("only the decomposition with an all-orthogonal core is known")
    mode = OrthogonalMode()
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, mode.hypotheses())
    for goal in mode.goals():
        if goal not in found:
            raise KernelError(f"the derivation does not show {goal.lhs} = {goal.rhs}")
    return claim


# -- at an instance ----------------------------------------------------------------------------------------------------


def tucker_norm_violation(claim: TuckerNorm, instance: Instance) -> str:
    """By how much the bound fails at a core "G" and factors "V[1]", ... (rows: slices of the core); raise where it does
    not surely fail."""
    tucker = Tucker.of(Instance(letters=instance.letters, variables=((EPSILON, Fraction(1)),)))
    if not 0 <= claim.omitted <= len(tucker.factors):
        raise KernelError("there are fewer factors than are to be left out")
    square = sum((x * x for x in tucker.end_tensor(tucker.core).entries), Fraction(0))
    bound = sum((x * x for x in tucker.core.entries), Fraction(0))
    if claim.unfolded:
        bound = squared_singular_values(unfolding(tucker.core, 0), LOWER_BOUND_BITS, (1,))[0][1]
    for n in range(len(tucker.factors) - claim.omitted):
        bound *= squared_singular_values(unfolding(tucker.factors[n], 0), LOWER_BOUND_BITS, (1,))[0][1]
    if square <= bound:
        raise KernelError("the bound holds at this instance")
    return f"the squared norm is {float_free(square)}, the bound {float_free(bound)}"


def decomposition_violation(claim: HigherOrderSVD, instance: Instance) -> str:
    """A tensor "T" that no superdiagonal core with square orthogonal factors gives: all unfoldings of such a tensor
    have one rank, the number of nonzero entries of the core. Raise where it is no such tensor."""
    tensor = dict(instance.letters).get("T")
    if not claim.superdiagonal or tensor is None:
        raise KernelError("a superdiagonal core, and a tensor T, were needed")
    ranks = multilinear_rank(tensor)
    if len(set(ranks)) < 2:
        raise KernelError(f"all unfoldings have the rank {ranks[0]}")
    return f"the unfoldings have the ranks {ranks}, a superdiagonal core has one"
