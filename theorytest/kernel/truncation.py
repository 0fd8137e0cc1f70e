"""HKA24 Proposition 4.6 at exact instances: the truncation itself, and lower bounds that no tensor of low rank can
beat.

An instance gives the core as letter "G" and the factors as letters "V[1]", ..., "V[N]"; row r of V[n] is column r of
V^(n) (the layout of the shipped Tucker model), so that V[n] has as many rows as the core has slices of mode n. The
variable "ε" is eps. Everything is rational arithmetic: floats that a training run produced are rational numbers.

Eigenvalues of a symmetric matrix are located by counting: its characteristic polynomial has real roots only, for
which Descartes' rule of signs is exact, also at a shifted point. So squared spectral norms and singular values come
with rational bounds on both sides, as tight as asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise, product

from flint import arb, fmpq, fmpq_mat, fmpq_poly

from theorytest.kernel.ball import ball, precision
from theorytest.kernel.claim import SliceTruncation
from theorytest.kernel.encoding import conforms
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.statement import Instance, Witness

EPSILON = "ε"
LOWER_BOUND_BITS = 64  # of the singular values in a lower bound; more digits would only tighten it
Boxes = tuple[tuple[int, tuple[tuple[int, ...], ...]], ...]


def exact(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def fraction(value: fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _matrix(array: Array) -> fmpq_mat:
    rows, columns = array.shape
    return fmpq_mat(rows, columns, [exact(x) for x in array.entries])


def unfolding(array: Array, mode: int) -> fmpq_mat:
    """The unfolding whose rows are the slices of a mode (from 0); the order of the columns does not matter here."""
    others = tuple(axis for axis in range(len(array.shape)) if axis != mode)
    return _matrix(array.regroup(((mode,), others)))


def multilinear_rank(array: Array) -> tuple[int, ...]:
    """The exact ranks of all unfoldings."""
    return tuple(unfolding(array, mode).rank() for mode in range(len(array.shape)))


def squared_singular_values(
    matrix: fmpq_mat, bits: int, places: Iterable[int] | None = None
) -> tuple[tuple[Fraction, Fraction], ...]:
    """Lower and upper bounds of the squared singular values, one for each row, largest first; or only of those at the
    given places (from 1).

    Lower and upper bound differ by at most 2^(2-bits) times the squared Frobenius norm. A value that is 0 gives (0,
    0).
    """
    gram = matrix * matrix.transpose()
    polynomial = gram.charpoly()
    trace = sum((fraction(gram[k, k]) for k in range(gram.nrows())), Fraction(0))
    step = Fraction(2) ** (trace.numerator.bit_length() - trace.denominator.bit_length() + 1 - bits)
    bounds: list[tuple[Fraction, Fraction]] = []
    for place in range(1, gram.nrows() + 1) if places is None else places:
        if roots_above(polynomial, Fraction(0)) < place:
            bounds.append((Fraction(0), Fraction(0)))
            continue
        low, high = 0, 1 << bits  # value > low * step; value <= trace <= high * step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if roots_above(polynomial, middle * step) >= place else (low, middle)
        bounds.append((low * step, high * step))
    return tuple(bounds)


def roots_above(polynomial: fmpq_poly, point: Fraction) -> int:
    """How many roots, with multiplicity, of a polynomial with real roots only are greater than a point: the sign
    changes of its coefficients around that point."""
    shifted = polynomial(fmpq_poly([exact(point), 1]))
    signs = [c > 0 for c in shifted.coeffs() if c != 0]
    return sum(left != right for left, right in pairwise(signs))


@dataclass(frozen=True)
class Tucker:
    """A core, its factors (row r of a factor belongs to slice r of the core), and eps."""

    core: Array
    factors: tuple[Array, ...]
    epsilon: Fraction

    @staticmethod
    def of(instance: Instance) -> Tucker:
        """Read an instance; raise where it is not one of the proposition: eps > 0 and all factors nonzero, of fitting
        shapes."""
        letters, variables = dict(instance.letters), dict(instance.variables)
        if len(letters) != len(instance.letters) or len(variables) != len(instance.variables):
            raise KernelError("an instance gives two values for one letter")
        core = letters.get("G")
        if core is None or not core.shape or EPSILON not in variables:
            raise KernelError(f"an instance needs a core G with at least one mode, and the variable {EPSILON}")
        names = [f"V[{n}]" for n in range(1, len(core.shape) + 1)]
        if set(letters) != {"G", *names}:
            raise KernelError(
                f"an instance needs the letters G, {', '.join(names)}, given {', '.join(sorted(letters))}"
            )
        factors = tuple(letters[name] for name in names)
        for name, factor, size in zip(names, factors, core.shape, strict=True):
            if len(factor.shape) != 2 or factor.shape[0] != size or not any(factor.entries):
                raise KernelError(f"{name} must be a nonzero matrix with {size} rows, given shape {factor.shape}")
        if variables[EPSILON] <= 0:
            raise KernelError(f"{EPSILON} must be positive, given {variables[EPSILON]}")
        return Tucker(core, factors, variables[EPSILON])

    def end_tensor(self, core: Array) -> Array:
        """The core (or another one of its shape) times all factors."""
        shape, entries = list(core.shape), [exact(x) for x in core.entries]
        for factor in self.factors:
            # The first axis is contracted and its image put last: after all modes the axes are in order again.
            rows = shape.pop(0)
            image = fmpq_mat(rows, len(entries) // rows, entries).transpose() * _matrix(factor)
            shape.append(factor.shape[1])
            entries = image.entries()
        return Array(tuple(shape), tuple(map(fraction, entries)))

    def counted(self, claim: SliceTruncation, bits: int) -> tuple[tuple[bool | None, ...], ...]:
        """For every mode and slice, whether it is counted: three-valued, since spectral norms are known between
        bounds."""
        low, high = Fraction(1), Fraction(1)
        for factor in self.factors:
            if claim.norm == "frobenius":
                least = most = sum((x * x for x in factor.entries), Fraction(0))
            elif claim.norm == "spectral":
                # The wide or tall factor has the same norm as its transpose: the Gram matrix is the smaller one.
                matrix = _matrix(factor)
                least, most = squared_singular_values(
                    matrix if matrix.nrows() <= matrix.ncols() else matrix.transpose(), bits, (1,)
                )[0]
            else:
                raise KernelError(f"the norm is spectral or frobenius, given {claim.norm!r}")
            low, high = low * least, high * most
        target = claim.factor * self.epsilon**2
        order = Fraction(len(self.core.shape)) ** claim.order
        found: list[tuple[bool | None, ...]] = []
        for mode, size in enumerate(self.core.shape):
            scale = order * Fraction(size) ** claim.dimension
            verdicts: list[bool | None] = []
            for square in slice_norms(self.core, mode):
                least, most = square * scale * low, square * scale * high
                above = least > target or (least == target and not claim.strict)
                below = most < target or (most == target and claim.strict)
                verdicts.append(True if above else (False if below else None))
            found.append(tuple(verdicts))
        return tuple(found)


def slice_norms(core: Array, mode: int) -> tuple[Fraction, ...]:
    """The squared Frobenius norms of the slices of a mode (from 0)."""
    total = [Fraction(0)] * core.shape[mode]
    for index, entry in zip(product(*map(range, core.shape)), core.entries, strict=True):
        total[index[mode]] += entry * entry
    return tuple(total)


@dataclass(frozen=True)
class Truncation:
    """A tensor of low multilinear rank that is close enough, and how close.

    ranks: at most this multilinear rank (slices kept); squared_distance: exact; epsilon: the distance allowed;
    tensor: the truncated tensor; core: its core.
    """

    ranks: tuple[int, ...]
    squared_distance: Fraction
    epsilon: Fraction
    core: Array
    tensor: Array

    def distance(self, bits: int) -> arb:
        """A ball around the distance."""
        with precision(bits):
            return ball(self.squared_distance).sqrt()


def certify(claim: SliceTruncation, instance: Instance, bits: int) -> Truncation:
    """Verify the claim at an instance by the truncation to the slices that are surely counted; raise where that
    fails.

    A slice whose count the bounds leave open is dropped: the rank is then smaller still, and the distance is exact.
    """
    tucker = Tucker.of(instance)
    counted = tucker.counted(claim, bits)
    kept = [[verdict is True for verdict in verdicts] for verdicts in counted]
    entries = tuple(
        entry if all(mode[r] for mode, r in zip(kept, index, strict=True)) else Fraction(0)
        for index, entry in zip(product(*map(range, tucker.core.shape)), tucker.core.entries, strict=True)
    )
    core = Array(tucker.core.shape, entries)
    lost = Array(core.shape, tuple(a - b for a, b in zip(tucker.core.entries, entries, strict=True)))
    square = sum((x * x for x in tucker.end_tensor(lost).entries), Fraction(0))
    if square > tucker.epsilon**2:
        raise KernelError(
            f"the truncated tensor is at squared distance {float_free(square)}, allowed {float_free(tucker.epsilon**2)}"
        )
    ranks = tuple(sum(mode) for mode in kept)
    return Truncation(ranks, square, tucker.epsilon, core, tucker.end_tensor(core))


def float_free(value: Fraction) -> str:
    """A short decimal reading of a rational number, for messages."""
    with precision(53):
        return ball(value).str(6, radius=False)


def lower_bound(tensor: Array, ranks: tuple[int, ...], boxes: Boxes, bits: int) -> Fraction:
    """A lower bound of the squared distance to every tensor of multilinear rank at most ``ranks``.

    A box is a mode (from 1) and the positions (from 1) that it holds in every mode. Inside a box the unfolding along
    its mode has rank at most that of the mode, so its distance is at least the tail of the singular values (Eckart
    and Young); over disjoint boxes squared distances add up.
    """
    chosen: list[tuple[frozenset[int], ...]] = []
    total = Fraction(0)
    for mode, ranges in boxes:
        if not 1 <= mode <= len(tensor.shape) or len(ranges) != len(tensor.shape):
            raise KernelError(f"a box needs a mode and its positions in each of the {len(tensor.shape)} modes")
        for positions, size in zip(ranges, tensor.shape, strict=True):
            if len(set(positions)) != len(positions) or not all(1 <= p <= size for p in positions):
                raise KernelError(f"positions from 1 to {size}, each once, were needed, given {positions}")
        chosen.append(tuple(map(frozenset, ranges)))
        block = Array(
            tuple(map(len, ranges)),
            tuple(tensor[tuple(p - 1 for p in index)] for index in product(*ranges)),
        )
        rank = ranks[mode - 1]
        if rank == 0:
            total += sum((x * x for x in block.entries), Fraction(0))
        elif len(ranges[mode - 1]) > rank:
            tail = range(rank + 1, len(ranges[mode - 1]) + 1)
            values = squared_singular_values(unfolding(block, mode - 1), bits, tail)
            total += sum((low for low, _ in values), Fraction(0))
    for one, other in combinations(chosen, 2):
        if all(mine & theirs for mine, theirs in zip(one, other, strict=True)):
            raise KernelError("two boxes share entries")
    return total


def refutes(claim: SliceTruncation, witness: Witness) -> str:
    """By how much the claim fails at an instance; raise where it does not surely fail.

    The data of the witness are disjoint boxes (see `lower_bound`); without, the whole tensor is one, along its best
    mode. Slices whose count the bounds leave open are counted: the rank allowed is then larger, and the bound still
    holds.
    """
    tucker = Tucker.of(witness.instance)
    counted = tucker.counted(claim, 4 * LOWER_BOUND_BITS)
    ranks = tuple(sum(verdict is not False for verdict in verdicts) for verdicts in counted)
    tensor = tucker.end_tensor(tucker.core)
    modes = range(1, len(ranks) + 1)
    whole = tuple(tuple(range(1, size + 1)) for size in tensor.shape)
    if witness.data and not conforms(witness.data, Boxes):
        raise KernelError("the witness's data must be boxes: a mode, and the positions in every mode")
    choices: tuple[Boxes, ...] = (witness.data,) if witness.data else tuple(((mode, whole),) for mode in modes)
    bound = max(lower_bound(tensor, ranks, boxes, LOWER_BOUND_BITS) for boxes in choices)
    if bound <= tucker.epsilon**2:
        raise KernelError(
            f"every tensor of multilinear rank {ranks} is at squared distance at least {float_free(bound)} only, "
            f"{EPSILON}^2 is {float_free(tucker.epsilon**2)}"
        )
    return (
        f"every tensor of multilinear rank at most {ranks} is at squared distance at least {float_free(bound)}, "
        f"more than {EPSILON}^2 = {float_free(tucker.epsilon**2)}"
    )
