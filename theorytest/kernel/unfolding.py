"""Unfoldings of tensors with the order of their columns, and Kronecker products in either order of the modes."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any

from theorytest.kernel.claim import Claim, Identity, Matricization
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.rules import Context, bare, conclude, count, rule, take
from theorytest.kernel.statement import Derivation, Instance
from theorytest.kernel.terms import Tensor
from theorytest.kernel.truncation import EPSILON, Tucker

AGREE = {("lexicographic", "increasing"), ("Kolda-Bader", "decreasing")}


def one_mode(formula: str) -> Identity:
    """The formula for one mode i, all others merged into one index j (of the core: r and q): what has to be shown."""
    if formula == "pairing":
        tensor, vector, others = Tensor("A", ("d", "D")), Tensor("w", ("d",)), Tensor("K", ("D",))
        whole = (tensor["i", "j"] * vector["i"] * others["j"]).sum("i", "j")
        return Identity(whole, ((tensor["i", "j"] * others["j"]).sum("j") * vector["i"]).sum("i"))
    core, factor, others = Tensor("G", ("R", "Q")), Tensor("V", ("d", "R")), Tensor("K", ("D", "Q"))
    whole = (core["r", "q"] * factor["i", "r"] * others["j", "q"]).sum("r", "q")
    return Identity(whole, (factor["i", "r"] * (core["r", "q"] * others["j", "q"]).sum("q")).sum("r"))


@rule("matricization")
def matricization(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A formula for unfoldings holds if the columns and the Kronecker product number the other modes alike.

    Lexicographic columns and the increasing product do: by induction on the modes, with one more mode m after all
    others the last index i_m varies fastest in both, in (x (x) y) by definition of the Kronecker product. So do
    Kolda-Bader columns and the decreasing product, where the first index varies fastest: both are the others read
    backwards. With equal numbering the formula is the inner derivation's identity, the other modes merged into one.
    """
    count(premises, 0)
    claim, derivation = take(data, Matricization, Derivation)
    if (claim.columns, claim.kronecker) not in AGREE:
        raise KernelError(f"{claim.columns} columns do not go with the {claim.kronecker} Kronecker product")
    found, _ = conclude(Context(bare(context.statement), context.library), derivation)
    if one_mode(claim.formula) not in found:
        raise KernelError("the derivation does not show the formula for one mode")
    return claim


# -- at an instance ----------------------------------------------------------------------------------------------------


def unfold(array: Array, mode: int, columns: str) -> Array:
    """The unfolding along a mode (from 0): lexicographic or Kolda-Bader columns."""
    others = [axis for axis in range(len(array.shape)) if axis != mode]
    return array.regroup(((mode,), tuple(others if columns == "lexicographic" else reversed(others))))


def kronecker(left: Array, right: Array) -> Array:
    """The Kronecker product of two matrices."""
    (a, b), (c, d) = left.shape, right.shape
    entries = [left[i, j] * right[k, m] for i, k, j, m in product(range(a), range(c), range(b), range(d))]
    return Array((a * c, b * d), tuple(entries))


def _multiply(left: Array, right: Array) -> Array:
    rows, inner, columns = left.shape[0], left.shape[1], right.shape[1]
    sums = [sum(left[i, k] * right[k, j] for k in range(inner)) for i in range(rows) for j in range(columns)]
    return Array((rows, columns), tuple(map(Fraction, sums)))


def _transposed(array: Array) -> Array:
    return array.regroup(((1,), (0,)))


def matricization_violation(claim: Matricization, instance: Instance) -> str:
    """The mode at which a formula fails at an instance: a tensor "A" and vectors "w[1]", ... for the pairing; a core
    "G" and factors "V[1]", ... (row r: column r of V^(n)) for the Tucker formula. Raise where it holds."""
    letters = dict(instance.letters)
    name = "A" if claim.formula == "pairing" else "G"
    if name not in letters or len(letters[name].shape) < 2:
        raise KernelError(f"a tensor {name} with at least two modes was needed")
    tensor = letters[name]
    order = len(tensor.shape)
    if claim.formula == "pairing":
        names = [f"w[{n}]" for n in range(1, order + 1)]
        factors = [Array((1, letters[n].shape[0]), letters[n].entries) for n in names if n in letters]
        if len(factors) != order or tuple(f.shape[1] for f in factors) != tensor.shape:
            raise KernelError(f"vectors {', '.join(names)} that fit {name} were needed")
        end = Tucker(tensor, tuple(map(_transposed, factors)), Fraction(1)).end_tensor(tensor)
    else:
        tucker = Tucker.of(Instance(letters=instance.letters, variables=((EPSILON, Fraction(1)),)))
        factors = list(tucker.factors)
        end = tucker.end_tensor(tensor)
    for mode in range(order):
        others = [factors[n] for n in range(order) if n != mode]
        chosen = reduce(kronecker, others if claim.kronecker == "increasing" else others[::-1])
        unfolded = unfold(tensor, mode, claim.columns)
        if claim.formula == "pairing":
            left = _multiply(unfolded, _transposed(chosen))
            found = sum(x * y for x, y in zip(left.entries, factors[mode].entries, strict=True))
            if found != end.entries[0]:
                return f"mode {mode + 1}: {end.entries[0]} = {found} is false"
        else:
            right = _multiply(_transposed(factors[mode]), _multiply(unfolded, chosen))
            if right != unfold(end, mode, claim.columns):
                return f"mode {mode + 1}: the two sides differ"
    raise KernelError("the formula holds at this instance")
