"""Quantities of one state of a model (its blocks and its end tensor), and how two of them compare.

An `Atom` is one quantity: an entry, a determinant, a norm, a singular value. A `Comparison` relates two expressions in
atoms (``theorytest.kernel.scalar``, with a variable for every atom). A `State` holds the numbers: exact rationals, or
balls that contain the true values (at a time of an enclosed trajectory, say). Every value is exact where it can be, and
else a ball; comparisons are three-valued. Members, modes and entries count from 1, as in the papers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, reduce
from itertools import combinations, permutations, product
from math import prod

from flint import arb, arb_mat, fmpq, fmpq_mat  # pyright: ignore[reportMissingTypeStubs]

from theorytest.kernel.ball import UndefinedError, Value, ball, evaluate, less, precision, root
from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Concrete, einsum
from theorytest.kernel.scalar import ZERO, Scalar, Variable, scalar, substitute, variables

Interval = tuple[arb, arb]
Grid = tuple[tuple[int, ...], tuple[Value, ...]]

END = "end"  # how the end tensor is written

POLYNOMIAL = ("entry", "determinant", "squared norm", "slice", "component")
KINDS = (
    *POLYNOMIAL,
    "gram gap",
    "unbalancedness",
    "singular value",
    "schatten",
    "effective rank",
    "distance to rank",
    "rank",
)


@noun
class Atom:
    """One quantity of a state. ``of`` is a block, or "" for the end tensor W; the kinds:

    entry (index): an entry of a block or of W. determinant: of a square block or W. squared norm: of a block or W.
    slice (index = axis, member): the squared norm of the subtensor of a block or W with that index fixed. component
    (of = a leg, index = member): the product over all blocks with that leg of the squared norms of their slices; for
    CP and the leg r it is P_r^2 (RMC21). gram gap (of, other = blocks X, Y with two legs each, X Y a product): the
    squared norm of X^T X - Y Y^T. unbalancedness (of = a leg): the largest difference, over members, of two such
    squared norms (RMC21 Definition 1 for CP). The others are about a matrix (``of`` or W), or about the unfolding of W
    along mode ``index[-1]`` where W is no matrix: singular value (index[0] = k, largest first); schatten (number
    = p > 0, the p-th root of the sum of p-th powers); effective rank (RC20 Definition 1); distance to rank (number = r,
    the Frobenius distance to the matrices of rank at most r); rank (exact states only).

    at_start: in a claim about flows, the value at time 0.
    """

    kind: str
    of: str = ""
    index: tuple[int, ...] = ()
    other: str = ""
    number: Fraction = Fraction(0)
    at_start: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise KernelError(f"there is no quantity {self.kind!r}; needed one of {', '.join(KINDS)}")
        if any(set(name) & set(" |") or name == END for name in (self.of, self.other)):
            raise KernelError(f"not a name of a block or leg: {self.of!r}, {self.other!r}")

    @property
    def name(self) -> str:
        """How the quantity is written; two atoms have the same name only if they are the same."""
        what = f"{self.of or END}{f'|{self.other}' if self.other else ''}"
        where = f" at {','.join(map(str, self.index))}" if self.index else ""
        when = " at time 0" if self.at_start else ""
        return f"{self.kind}({what}{where}{f' of {self.number}' if self.number else ''}{when})"

    @property
    def variable(self) -> Variable:
        """The variable that stands for the quantity in an expression."""
        return Variable(self.name)


@noun
class Comparison:
    """lhs < rhs, lhs <= rhs or lhs = rhs, between expressions whose variables are the names of ``atoms``."""

    lhs: Scalar
    relation: str
    rhs: Scalar
    atoms: tuple[Atom, ...]

    def __post_init__(self) -> None:
        if self.relation not in ("<", "<=", "="):
            raise KernelError(f"the relation is <, <= or =, given {self.relation!r}")
        names = [atom.name for atom in self.atoms]
        if len(set(names)) != len(names):
            raise KernelError("a quantity is listed twice")
        if variables(self.lhs) | variables(self.rhs) != set(names):
            raise KernelError("the quantities of a comparison are those that its two sides name")

    def __bool__(self) -> bool:
        # a <= b <= c and "x and y" would silently drop one of two comparisons.
        raise KernelError("a comparison is neither true nor false: write chained ones as two claims or assumptions")


@dataclass(frozen=True)
class State:
    """Numbers for all blocks (row-major) and for the end tensor; computed exactly where it is not given.

    blocks: name -> entries, with the shapes of ``concrete``.
    """

    concrete: Concrete
    blocks: Mapping[str, tuple[Value, ...]]
    given_end: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        shapes = self.concrete.blocks
        wrong = {n: len(v) for n, v in self.blocks.items() if n not in shapes or len(v) != prod(shapes[n])}
        if wrong or set(self.blocks) != set(shapes):
            raise KernelError(f"the blocks need the shapes {shapes}")
        if self.given_end is not None and len(self.given_end) != prod(self.concrete.shape):
            raise KernelError(f"the end tensor needs the shape {self.concrete.shape}")

    @cached_property
    def end(self) -> tuple[Value, ...]:
        """The entries of the end tensor."""
        if self.given_end is not None:
            return self.given_end
        exact = {name: [x for x in entries if isinstance(x, Fraction)] for name, entries in self.blocks.items()}
        if any(len(entries) != len(self.blocks[name]) for name, entries in exact.items()):
            raise KernelError("the end tensor of a state in balls has to be given")
        arrays = {name: Array(self.concrete.blocks[name], tuple(entries)) for name, entries in exact.items()}
        factors = [(arrays[name], legs) for name, legs in self.concrete.factors]
        return einsum(factors, self.concrete.output, self.concrete.dims).entries

    def grid(self, of: str) -> Grid:
        """Shape and entries of a block, or of the end tensor ("")."""
        if not of:
            return self.concrete.shape, self.end
        if of not in self.blocks:
            raise KernelError(f"there is no block {of!r} at these sizes: {', '.join(self.blocks)}")
        return self.concrete.blocks[of], self.blocks[of]


# -- values -----------------------------------------------------------------------------------------------------------


def value(atom: Atom, state: State) -> Value:
    """The value of a quantity: rational where that is exact, else a ball at the precision in force.

    Raises `KernelError` where there is no such quantity at these sizes, `UndefinedError` where it has no value here.
    """
    if atom.at_start:
        raise KernelError(f"{atom.name} is about a flow: one state has no other time")
    match atom.kind:
        case "entry":
            shape, entries = state.grid(atom.of)
            return entries[_place(shape, atom.index)]
        case "determinant":
            return _determinant(*_square(state.grid(atom.of), atom))
        case "squared norm":
            return _squares(state.grid(atom.of)[1])
        case "slice":
            axis, member = _axis(state.grid(atom.of)[0], atom.index)
            return _squares(_slice(state.grid(atom.of), axis, member))
        case "component":
            (member,) = _index(atom.index, 1)
            return reduce(_times, _holders(state, atom.of, member).values())
        case "gram gap":
            return _gram_gap(state.grid(atom.of), state.grid(atom.other))
        case "unbalancedness":
            return _unbalancedness(state, atom.of)
        case "rank":
            return Fraction(_rank(*_matrix(state, atom, 0)))
        case _:
            return _spectral(atom, state)


def _index(index: tuple[int, ...], length: int) -> tuple[int, ...]:
    if len(index) != length:
        raise KernelError(f"{length} indices were needed, given {index}")
    return index


def _place(shape: tuple[int, ...], index: tuple[int, ...]) -> int:
    """The row-major place of an index that counts from 1."""
    if len(index) != len(shape) or not all(1 <= i <= n for i, n in zip(index, shape, strict=True)):
        raise KernelError(f"there is no entry {index} (from 1) in shape {shape}")
    place = 0
    for i, n in zip(index, shape, strict=True):
        place = place * n + i - 1
    return place


def _axis(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int, int]:
    axis, member = _index(index, 2)
    if not 1 <= axis <= len(shape) or not 1 <= member <= shape[axis - 1]:
        raise KernelError(f"there is no slice {member} of axis {axis} in shape {shape}")
    return axis, member


def _slice(grid: Grid, axis: int, member: int) -> tuple[Value, ...]:
    shape, entries = grid
    inner = prod(shape[axis:])
    return tuple(x for k, x in enumerate(entries) if k // inner % shape[axis - 1] == member - 1)


def _total(values: Sequence[Value]) -> Value:
    exact = sum((v for v in values if isinstance(v, Fraction)), Fraction(0))
    loose = [v for v in values if not isinstance(v, Fraction)]
    return sum(loose, ball(exact)) if loose else exact


def _times(a: Value, b: Value) -> Value:
    return a * b if isinstance(a, Fraction) and isinstance(b, Fraction) else ball(a) * ball(b)


def _squares(values: Sequence[Value]) -> Value:
    # The square of a ball, not its product with itself: an entry around 0 must not make a negative square.
    return _total([v**2 if isinstance(v, Fraction) else _square_of(v) for v in values])


def _square_of(x: arb) -> arb:
    size = abs(x)
    return arb(size.abs_lower() ** 2).union(size.abs_upper() ** 2)


def _square(grid: Grid, atom: Atom) -> tuple[int, tuple[Value, ...]]:
    shape, entries = grid
    if len(shape) != 2 or shape[0] != shape[1]:
        raise KernelError(f"{atom.name} needs a square matrix, the shape is {shape}")
    return shape[0], entries


def _exact(entries: Sequence[Value]) -> list[Fraction] | None:
    exact = [x for x in entries if isinstance(x, Fraction)]
    return exact if len(exact) == len(entries) else None


def _fmpq(rows: int, columns: int, entries: Sequence[Fraction]) -> fmpq_mat:
    return fmpq_mat(rows, columns, [fmpq(x.numerator, x.denominator) for x in entries])


def _determinant(n: int, entries: tuple[Value, ...]) -> Value:
    exact = _exact(entries)
    if exact is not None:
        found = _fmpq(n, n, exact).det()
        return Fraction(int(found.p), int(found.q))
    return arb_mat(n, n, [ball(x) for x in entries]).det()


def _holders(state: State, leg: str, member: int) -> dict[str, Value]:
    """The squared norms of the slices of all blocks along a leg. A block may hold it once."""
    found: dict[str, Value] = {}
    for name, legs in state.concrete.factors:
        if legs.count(leg) > 1 or (leg in legs and name in found):
            raise KernelError(f"block {name} holds the leg {leg!r} twice")
        if leg in legs:
            found[name] = _squares(_slice(state.grid(name), *_axis(state.grid(name)[0], (legs.index(leg) + 1, member))))
    if not found:
        raise KernelError(
            f"no block has the leg {leg!r}: {sorted({n for _, legs in state.concrete.factors for n in legs})}"
        )
    return found


def _unbalancedness(state: State, leg: str) -> Value:
    if leg not in state.concrete.dims:
        raise KernelError(f"no block has the leg {leg!r}")
    worst: Value = Fraction(0)
    for member in range(1, state.concrete.dims[leg] + 1):
        for one, other in combinations(_holders(state, leg, member).values(), 2):
            worst = _larger(worst, abs(_total([one, -other])))
    return worst


def _larger(a: Value, b: Value) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return max(a, b)
    return ball(a).max(ball(b))


def _gram_gap(one: Grid, other: Grid) -> Value:
    (rows, inner), X = _two_legs(one)
    (height, columns), Y = _two_legs(other)
    if inner != height:
        raise KernelError(f"the shapes {(rows, inner)} and {(height, columns)} make no product")
    gaps: list[Value] = []
    for i, j in product(range(inner), repeat=2):
        left = _total([_times(X[k * inner + i], X[k * inner + j]) for k in range(rows)])
        right = _total([_times(Y[i * columns + k], Y[j * columns + k]) for k in range(columns)])
        gaps.append(_total([left, -right]))
    return _squares(gaps)


def _two_legs(grid: Grid) -> Grid:
    if len(grid[0]) != 2:
        raise KernelError(f"a block with two legs was needed, the shape is {grid[0]}")
    return grid


def _matrix(state: State, atom: Atom, used: int) -> tuple[int, int, tuple[Value, ...]]:
    """Rows, columns and entries of the matrix that a quantity is about; its index begins with ``used`` numbers."""
    shape, entries = state.grid(atom.of)
    if len(atom.index) == used and len(shape) == 2:
        return shape[0], shape[1], entries
    _index(atom.index, used + 1)
    mode = atom.index[-1]
    if not 1 <= mode <= len(shape):
        raise KernelError(f"{atom.name} needs a mode from 1 to {len(shape)}")
    rows = [_slice((shape, entries), mode, member) for member in range(1, shape[mode - 1] + 1)]
    return shape[mode - 1], prod(shape) // shape[mode - 1], tuple(x for row in rows for x in row)


def _rank(rows: int, columns: int, entries: tuple[Value, ...]) -> int:
    exact = _exact(entries)
    if exact is None:
        raise UndefinedError("balls do not tell the rank", surely=False)
    return int(_fmpq(rows, columns, exact).rank())


# -- singular values --------------------------------------------------------------------------------------------------


def _spectral(atom: Atom, state: State) -> Value:
    """Quantities of the singular values of a matrix."""
    used = 1 if atom.kind == "singular value" else 0
    rows, columns, entries = _matrix(state, atom, used)
    if atom.kind == "schatten" and atom.number == 2:
        return _root(_squares(entries))
    squares = squared_singular_values(rows, columns, entries)
    if atom.kind == "singular value":
        k = atom.index[0]
        if not 1 <= k <= len(squares):
            raise KernelError(f"there is no singular value {k} of a {rows} x {columns} matrix")
        return _root(squares[k - 1])
    if atom.kind == "distance to rank":
        r = atom.number
        if r.denominator != 1 or r < 0:
            raise KernelError(f"a rank from 0 was needed, given {r}")
        return _root(_total(squares[int(r) :]))
    if atom.kind == "schatten":
        if atom.number <= 0:
            raise KernelError(f"the exponent of a Schatten norm is positive, given {atom.number}")
        return _power(_total([_power(x, atom.number / 2) for x in squares]), 1 / atom.number)
    return _effective_rank([_root(x) for x in squares])


def squared_singular_values(rows: int, columns: int, entries: Sequence[Value]) -> list[Value]:
    """The squared singular values of a matrix, largest first, min(rows, columns) of them.

    Exact where the smaller Gram matrix is diagonal and rational. Otherwise: for any nonsingular Q the k-th eigenvalue
    of Q^T G Q is that of G times a number between the least and the largest eigenvalue of Q^T Q (Ostrowski), and the
    k-th eigenvalue of a symmetric matrix differs from its k-th largest diagonal entry by no more than the norm of its
    off-diagonal part (Weyl). Q comes from Jacobi rotations of the midpoints; whatever it is, the bounds hold.
    """
    if rows > columns:
        entries = [entries[i * columns + j] for j in range(columns) for i in range(rows)]
        rows, columns = columns, rows
    lines = [entries[i * columns : (i + 1) * columns] for i in range(rows)]
    gram = [[_total(list(map(_times, one, other))) for other in lines] for one in lines]
    diagonal = [gram[i][i] for i in range(rows)]
    exact = _exact([x for row in gram for x in row])
    if exact is not None and not any(gram[i][j] for i in range(rows) for j in range(rows) if i != j):
        return sorted(diagonal, key=lambda x: -Fraction(x) if isinstance(x, Fraction) else Fraction(0))
    G = arb_mat(rows, rows, [ball(x) for row in gram for x in row])
    Q = _rotations(rows, [[ball(x).mid() for x in row] for row in gram])
    turned, near = Q.transpose() * G * Q, Q.transpose() * Q
    off = _norm_above([turned[i, j] for i, j in permutations(range(rows), 2)])
    skew = _norm_above([near[i, j] - int(i == j) for i, j in product(range(rows), repeat=2)])
    if not skew < 1:
        raise UndefinedError("the quantity cannot be enclosed at this precision", surely=False)
    # The k-th largest of some numbers lies between the k-th largest lower bound and the k-th largest upper bound.
    lower = sorted((_lower(turned[i, i]) for i in range(rows)), key=_key, reverse=True)
    upper = sorted((_upper(turned[i, i]) for i in range(rows)), key=_key, reverse=True)
    found: list[Value] = []
    for low, high in zip(lower, upper, strict=True):
        bottom, top = (low - off) / (1 + skew), (high + off) / (1 - skew)
        found.append(bottom.max(arb(0)).union(top.max(arb(0))))
    return found


def _key(x: arb) -> Fraction:
    """The exact value of a ball of radius 0."""
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _lower(x: arb) -> arb:
    return _end(x, -1)


def _upper(x: arb) -> arb:
    return _end(x, 1)


def _end(x: arb, side: int) -> arb:
    bound = x.upper() if side > 0 else x.lower()
    if not x.is_finite() or bound.rad() != 0:
        raise UndefinedError("the quantity cannot be enclosed at this precision", surely=False)
    return bound


def _norm_above(values: Sequence[arb]) -> arb:
    """An upper bound of the Euclidean norm. (The root of a ball that touches 0 would be nan.)"""
    return sum((_square_of(x) for x in values), arb(0)).abs_upper().sqrt().abs_upper()


def _rotations(n: int, A: list[list[arb]]) -> arb_mat:
    """Approximate eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi rotations of numbers of radius 0."""
    Q = [[arb(int(i == j)) for j in range(n)] for i in range(n)]
    for _ in range(30):
        size = sum((abs(A[i][j]) for i, j in combinations(range(n), 2)), arb(0)).mid()
        if size == 0:
            break
        before = size
        for i, j in combinations(range(n), 2):
            if A[i][j] == 0:
                continue
            angle = (2 * A[i][j]).mid(), (A[i][i] - A[j][j]).mid()
            half = arb.atan2(angle[0], angle[1]) / 2
            c, s = half.cos().mid(), half.sin().mid()
            for M in (A, Q):
                for row in M:
                    row[i], row[j] = (c * row[i] + s * row[j]).mid(), (c * row[j] - s * row[i]).mid()
            A[i], A[j] = (
                [(c * x + s * y).mid() for x, y in zip(A[i], A[j], strict=True)],
                [(c * y - s * x).mid() for x, y in zip(A[i], A[j], strict=True)],
            )
        after = sum((abs(A[i][j]) for i, j in combinations(range(n), 2)), arb(0)).mid()
        if not after < before:
            break
    return arb_mat(n, n, [x for row in Q for x in row])


def _power(x: Value, exponent: Fraction) -> Value:
    """x^q of a number that is not negative (its ball may touch 0), q > 0; nondecreasing, so that end points suffice."""
    if isinstance(x, Fraction):
        exact = root(x, exponent.denominator)
        if exact is not None:
            return exact**exponent.numerator
        x = ball(x)
    bottom, top = _lower(x).max(arb(0)), _upper(x).max(arb(0))
    ends = [arb(0) if end == 0 else end.root(exponent.denominator) ** exponent.numerator for end in (bottom, top)]
    return ends[0].union(ends[1])


def _root(x: Value) -> Value:
    return _power(x, Fraction(1, 2))


def _effective_rank(values: Sequence[Value]) -> Value:
    """exp of the entropy of values divided by their sum; 0 ln 0 = 0."""
    total = _total(values)
    positive = less(Fraction(0), total)
    if positive is not True:
        raise UndefinedError("the effective rank of 0 is not defined", surely=positive is False)
    if sum(1 for x in values if less(Fraction(0), x) is False) == len(values) - 1:
        return Fraction(1)
    entropy = arb(0)
    for x in values:
        rho = ball(x) / ball(total)
        bottom, top = _lower(rho).max(arb(0)), _upper(rho).min(arb(1))
        ends = [arb(0) if end == 0 else -end * end.log() for end in (bottom, top)]
        part = ends[0].union(ends[1])
        peak = arb(-1).exp()
        # -x ln x rises up to 1/e and falls after it: between the ends it is above the smaller end value ...
        if not (top < peak or bottom > peak):
            part = part.union(peak)  # ... and its largest value is 1/e.
        entropy += part
    return entropy.exp()


# -- comparisons ------------------------------------------------------------------------------------------------------


def holds(comparison: Comparison, state: State, bits: int) -> bool | None:
    """Whether a comparison holds at a state; None where that cannot be told, or where a side is not defined.

    Raises `KernelError` where a quantity does not exist at these sizes.
    """
    with precision(bits):
        try:
            lhs, rhs = both_sides(comparison, state)
        except UndefinedError:
            return None
        if comparison.relation == "<":
            return less(lhs, rhs)
        above = less(rhs, lhs)
        if comparison.relation == "<=":
            return None if above is None else not above
        below = less(lhs, rhs)
        if above is True or below is True:
            return False
        return True if isinstance(lhs, Fraction) and isinstance(rhs, Fraction) else None


def both_sides(comparison: Comparison, state: State) -> tuple[Value, Value]:
    """The values of both sides, at the precision in force."""
    values = {atom.name: value(atom, state) for atom in comparison.atoms}
    return evaluate(comparison.lhs, values), evaluate(comparison.rhs, values)


def from_start(comparison: Comparison, state: State) -> Comparison:
    """The comparison with the values at time 0 put in, which have to be rational."""
    lhs, rhs = comparison.lhs, comparison.rhs
    kept: list[Atom] = []
    for atom in comparison.atoms:
        if not atom.at_start:
            kept.append(atom)
            continue
        found = value(replace(atom, at_start=False), state)
        if not isinstance(found, Fraction):
            raise KernelError(f"{atom.name} is not rational: take a polynomial of the entries, or its square")
        lhs, rhs = (substitute(side, atom.name, scalar(found)) for side in (lhs, rhs))
    return Comparison(lhs, comparison.relation, rhs, tuple(kept))


def exact_state(concrete: Concrete, blocks: Mapping[str, Array]) -> State:
    """The state of exact arrays."""
    wrong = {name: a.shape for name, a in blocks.items() if concrete.blocks.get(name) != a.shape}
    if wrong or set(blocks) != set(concrete.blocks):
        raise KernelError(f"the blocks need the shapes {concrete.blocks}")
    return State(concrete, {name: array.entries for name, array in blocks.items()})


# -- written out -------------------------------------------------------------------------------------------------------


def entry_names(name: str, shape: tuple[int, ...]) -> list[Variable]:
    """The variables of the entries of a block, row-major."""
    return [Atom("entry", name, index).variable for index in product(*(range(1, n + 1) for n in shape))]


def written_out(expression: Scalar, atoms: Sequence[Atom], concrete: Concrete) -> Scalar:
    """An expression with every atom replaced by its polynomial in the entries of the blocks.

    Raises `KernelError` for an atom that is no polynomial.
    """
    entries = {name: entry_names(name, shape) for name, shape in concrete.blocks.items()}
    for atom in atoms:
        expression = substitute(expression, atom.name, _polynomial(atom, concrete, entries))
    return expression


def _polynomial(atom: Atom, concrete: Concrete, entries: Mapping[str, list[Variable]]) -> Scalar:
    if atom.at_start:
        raise KernelError(f"{atom.name} is about a flow: one state has no other time")
    shape = concrete.blocks.get(atom.of) if atom.of else concrete.shape
    if atom.kind == "component":
        (member,) = _index(atom.index, 1)
        found: Scalar = scalar(1)
        for name, legs in concrete.factors:
            if legs.count(atom.of) > 1 or [n for n, ls in concrete.factors if atom.of in ls].count(name) > 1:
                raise KernelError(f"block {name} holds the leg {atom.of!r} twice")
            if atom.of in legs:
                piece = Atom("slice", name, (legs.index(atom.of) + 1, member))
                found = found * _polynomial(piece, concrete, entries)
        if atom.of not in concrete.dims:
            raise KernelError(f"no block has the leg {atom.of!r}")
        return found
    if shape is None:
        raise KernelError(f"there is no block {atom.of!r} at these sizes: {', '.join(concrete.blocks)}")
    held: Sequence[Scalar] = entries[atom.of] if atom.of else _end_entries(concrete, entries)
    match atom.kind:
        case "entry":
            return held[_place(shape, atom.index)]
        case "squared norm":
            return _sum(x**2 for x in held)
        case "slice":
            axis, member = _axis(shape, atom.index)
            inner = prod(shape[axis:])
            return _sum(x**2 for k, x in enumerate(held) if k // inner % shape[axis - 1] == member - 1)
        case "determinant":
            if len(shape) != 2 or shape[0] != shape[1]:
                raise KernelError(f"{atom.name} needs a square matrix, the shape is {shape}")
            return _leibniz(shape[0], held)
        case _:
            raise KernelError(f"{atom.name} is not written out as a polynomial")


def _sum(parts: Iterator[Scalar]) -> Scalar:
    total: Scalar = ZERO
    for part in parts:
        total = total + part
    return total


def _leibniz(n: int, entries: Sequence[Scalar]) -> Scalar:
    total: Scalar = ZERO
    for order in permutations(range(n)):
        sign = (-1) ** sum(1 for i, j in combinations(range(n), 2) if order[i] > order[j])
        piece: Scalar = scalar(sign)
        for i in range(n):
            piece = piece * entries[i * n + order[i]]
        total = total + piece
    return total


def _end_entries(concrete: Concrete, entries: Mapping[str, list[Variable]]) -> list[Scalar]:
    """The entries of the end tensor: sums over all inner indices of products of entries."""
    output = list(product(*(range(concrete.dims[leg]) for leg in concrete.output)))
    inner = [leg for leg in concrete.dims if leg not in concrete.output]
    used = {leg for _, legs in concrete.factors for leg in legs}
    inner = [leg for leg in inner if leg in used]
    made: list[Scalar] = []
    for outer in output:
        at = dict(zip(concrete.output, outer, strict=True))
        if any(at[leg] != i for leg, i in zip(concrete.output, outer, strict=True)):
            made.append(ZERO)  # a leg that occurs twice in the output: off the diagonal there is nothing
            continue
        total: Scalar = ZERO
        for bound in product(*(range(concrete.dims[leg]) for leg in inner)):
            full = at | dict(zip(inner, bound, strict=True))
            piece: Scalar = scalar(1)
            for name, legs in concrete.factors:
                index = tuple(full[leg] + 1 for leg in legs)
                piece = piece * entries[name][_place(concrete.blocks[name], index)]
            total = total + piece
        made.append(total)
    return made


__all__ = ["Atom", "Comparison", "State", "both_sides", "exact_state", "from_start", "holds", "value", "written_out"]
