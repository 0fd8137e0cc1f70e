"""Singular values and ranks of matrices of any size: rules, and exact comparisons at an instance.

A matrix is a term with a row index and a column index (`Matrix`), for every value of its other free indices. The rules
rest on the spectral theorem for real symmetric matrices, on the equality of the nonzero eigenvalues of X Y and Y X,
and on the rank of a product; nothing else is taken from textbooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from flint import fmpq_mat, fmpq_poly  # pyright: ignore[reportMissingTypeStubs]

from theorytest.kernel.claim import (
    Always,
    AtTime,
    Claim,
    Flow,
    Identity,
    Inequality,
    Matrix,
    RankAtMost,
    RankAtMostRows,
    RankIsCount,
    SameSingularValues,
    SpectralNorm,
    SquaredSingularValues,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.moment import reads, require_one_flow
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.terms import Tensor, Term, constant, identity
from theorytest.kernel.truncation import exact, fraction, roots_above

ROW, MIDDLE, COLUMN = "_row", "_middle", "_column"


def others(matrix: Matrix) -> tuple[tuple[str, str], ...]:
    """The free indices of a matrix that are neither its row nor its column."""
    found = tuple(pair for pair in matrix.entries.free if pair[0] not in (matrix.row, matrix.column))
    if {ROW, MIDDLE, COLUMN} & {name for name, _ in found}:
        raise KernelError(f"the index names {ROW}, {MIDDLE} and {COLUMN} belong to the kernel")
    return found


def sized(matrix: Matrix, index: str) -> str:
    """The size symbol of one of the free indices."""
    return dict(matrix.entries.free)[index]


def outer_gram(matrix: Matrix, i: str, j: str) -> Term:
    """M M^T, with free indices i, j."""
    clean = matrix.entries.rename({matrix.row: ROW, matrix.column: COLUMN})
    return (clean.rename({ROW: i}) * clean.rename({ROW: j})).sum(COLUMN)


def inner_gram(matrix: Matrix, i: str, j: str) -> Term:
    """M^T M, with free indices i, j."""
    return outer_gram(Matrix(matrix.entries, matrix.column, matrix.row), i, j)


def multiply(left: Matrix, right: Matrix) -> Matrix:
    """The product of two matrices, at equal values of their other indices."""
    one = left.entries.rename({left.row: ROW, left.column: MIDDLE})
    other = right.entries.rename({right.row: MIDDLE, right.column: COLUMN})
    return Matrix((one * other).sum(MIDDLE), ROW, COLUMN)


def _same_others(*matrices: Matrix) -> None:
    if len({frozenset(others(matrix)) for matrix in matrices}) != 1:
        raise KernelError("the matrices need the same other indices")


def _names(matrix: Matrix, *names: str) -> None:
    """The names given for indices may not be those of others."""
    if len(set(names)) != len(names) or set(names) & {ROW, MIDDLE, COLUMN, *(name for name, _ in others(matrix))}:
        raise KernelError(f"the indices {names} are not free to be used")


# -- rules -------------------------------------------------------------------------------------------------------------


@rule("balanced-spectrum")
def balanced_spectrum(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """X^T X = Y Y^T: then X and Y have the same nonzero singular values, each as often. Their squares are the nonzero
    eigenvalues of X^T X, and those of Y Y^T. Data: X, Y, and the names of the two free indices of the premise."""
    count(premises, 1)
    left, right, i, j = take(data, Matrix, Matrix, str, str)
    _same_others(left, right)
    _names(left, i, j)
    if not reads(premises[0], Identity(inner_gram(left, i, j), outer_gram(right, i, j))):
        raise KernelError("the premise must read X^T X = Y Y^T")
    return SameSingularValues(left, right)


@rule("balanced-chain-spectrum")
def balanced_chain_spectrum(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """If any two adjacent factors of a chain are balanced at all times, then any two factors have the same nonzero
    singular values: adjacent ones do (see "balanced-spectrum"), and so, by induction on their distance, do all.

    Premise: X^T X = Y Y^T at all times, for adjacent factors (no block has a speed of its own, so that all pairs are
    pairs of one flow). Data: the names of its two free indices, of the two
    factors in the conclusion, and of the indices of all other legs of a factor.
    """
    count(premises, 1)
    i, j, one, other, *batch = take(data, *(str,) * max(4, len(data)))
    known = only(premises[0], Always)
    require_one_flow(known.motion)
    links = known.motion.focus.links
    if len(links) != 1 or not links[0].adjacent or links[0].first or len(links[0].positions) != 2:
        raise KernelError("the premise must be about any two adjacent factors of a chain")
    left, right = _factors(known.motion, batch)
    balanced_spectrum(context, (known.claim,), (left, right, i, j))
    far = Focus(known.motion.focus.modes, (Link((one, other), links[0].mode),))
    model = known.motion.parameterization
    flow = Flow(model, far, decay=known.motion.decay)
    return AtTime(SameSingularValues(*_factors(flow, batch)), flow)


def _factors(flow: Flow, batch: list[str]) -> tuple[Matrix, Matrix]:
    """The two named factors of a chain, as matrices: other legs first, then row and column."""
    (link,) = flow.focus.links
    letters = flow.parameterization.letters(flow.focus)
    ends = [f"{','.join((link.mode, name) if link.mode else (name,))}]" for name in link.positions]
    found = [tensor for end in ends for name, tensor in letters.items() if name.partition("[")[2] == end]
    if len(found) != len(ends):
        raise KernelError(f"other blocks are named like the positions {link.positions} of the chain")
    return as_matrix(found[0], *batch), as_matrix(found[1], *batch)


def as_matrix(tensor: Tensor, *batch: str) -> Matrix:
    """A tensor whose last two legs are row and column, with names for the indices of the others."""
    legs = (*batch, "row", "column")
    if len(set(legs)) != len(legs):
        raise KernelError(f"distinct names were needed, given {legs}")
    return Matrix(tensor[legs], "row", "column")


@rule("spectral-decomposition")
def spectral_decomposition(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """M M^T = U diag(v) U^T with U square and U^T U = I: the numbers v are the eigenvalues of M M^T, each as often as
    it occurs (spectral theorem). Premises: these two identities. Data: M; U; v, with the column index of U; and the
    names of the two free indices of the premises."""
    count(premises, 2)
    matrix, basis, values, i, j = take(data, Matrix, Matrix, Term, str, str)
    _same_others(matrix, basis)
    _names(matrix, i, j, basis.column)
    size = sized(basis, basis.row)
    if not size == sized(basis, basis.column) == sized(matrix, matrix.row):
        raise KernelError("the basis must be square, of as many rows as the matrix has")
    if dict(values.free) != dict((*others(matrix), (basis.column, size))):
        raise KernelError("the values need the column index of the basis, and the other indices of the matrix")
    clean = basis.entries.rename({basis.row: ROW})
    whole = (clean.rename({ROW: i}) * values * clean.rename({ROW: j})).sum(basis.column)
    if not reads(premises[0], Identity(outer_gram(matrix, i, j), whole)):
        raise KernelError("the first premise must read M M^T = U diag(v) U^T")
    unit = identity(i, j, size) * constant(1, *others(matrix))
    if not reads(premises[1], Identity(inner_gram(basis, i, j), unit)):
        raise KernelError("the second premise must read U^T U = I")
    return SquaredSingularValues(matrix, values.rename({basis.column: matrix.row}))


@rule("rank-is-count")
def rank_is_count(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The rank of a matrix is the number of its nonzero singular values."""
    count(premises, 1)
    take(data)
    known = only(premises[0], SquaredSingularValues)
    return RankIsCount(known.matrix, known.values)


@rule("rank-of-a-product")
def rank_of_a_product(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """L = X M Y: the rank of L is at most that of M. Premise: the identity. Data: L, X, M, Y."""
    count(premises, 1)
    whole, left, middle, right = take(data, Matrix, Matrix, Matrix, Matrix)
    _same_others(whole, left, middle, right)
    made = multiply(multiply(left, middle), right)
    if not reads(premises[0], Identity(whole.entries, made.entries.rename({ROW: whole.row, COLUMN: whole.column}))):
        raise KernelError("the premise must read L = X M Y")
    return RankAtMost(whole, middle)


@rule("rank-of-rows")
def rank_of_rows(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The rank of a matrix is at most the number of its nonzero rows, which span its row space. Data: the matrix."""
    count(premises, 0)
    (matrix,) = take(data, Matrix)
    return RankAtMostRows(matrix)


@rule("frobenius-by-spectral-norm")
def frobenius_by_spectral_norm(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """||M||_F^2 <= n s^2 for a matrix M of n columns and spectral norm s: each column is M e, with a unit vector e.
    Data: the names of the indices of the other legs."""
    count(premises, 1)
    known = only(premises[0], SpectralNorm)
    matrix, bound = known.matrix, known.bound
    if matrix.sizes[:-2] != bound.sizes or len(data) != len(bound.sizes) or not all(isinstance(x, str) for x in data):
        raise KernelError("the norm needs the legs of the matrix but row and column, and each a name")
    if {ROW, COLUMN} & set(data):
        raise KernelError(f"the index names {ROW} and {COLUMN} belong to the kernel")
    entry = matrix[(*data, ROW, COLUMN)]
    columns = constant(1, (COLUMN, matrix.sizes[-1])).sum(COLUMN)
    return Inequality((entry * entry).sum(ROW, COLUMN), "<=", columns * bound[data] * bound[data])


# -- at an instance ----------------------------------------------------------------------------------------------------

Spectral = SameSingularValues | SquaredSingularValues | RankAtMost | RankAtMostRows | RankIsCount
Arrays = dict[tuple[int, ...], fmpq_mat]


def matrices(array: Array, names: tuple[str, ...], row: str, column: str) -> Arrays:
    """The matrices of an array with named axes, one for every value of the other axes."""
    places = [names.index(row), names.index(column)]
    rest = [k for k in range(len(names)) if k not in places]
    rows, columns = (array.shape[k] for k in places)
    found: Arrays = {}
    for at in product(*(range(array.shape[k]) for k in rest)):
        index = [0] * len(names)
        for k, i in zip(rest, at, strict=True):
            index[k] = i
        entries: list[Any] = []
        for i, j in product(range(rows), range(columns)):
            index[places[0]], index[places[1]] = i, j
            entries.append(exact(array[tuple(index)]))
        found[at] = fmpq_mat(rows, columns, entries)
    return found


def _gram(matrix: fmpq_mat) -> fmpq_poly:
    """The characteristic polynomial of M M^T."""
    return (matrix * matrix.transpose()).charpoly()


def _nonzero(polynomial: fmpq_poly) -> fmpq_poly:
    """The polynomial without its roots 0."""
    coefficients = polynomial.coeffs()
    start = next(k for k, c in enumerate(coefficients) if c != 0)
    return fmpq_poly(coefficients[start:])


def spectral_failure(claim: Spectral, value: Any) -> str:
    """How a claim about singular values or ranks fails, exactly; empty where it holds. ``value`` gives the array of a
    term, with its free indices as axes in their order."""

    def of(matrix: Matrix) -> Arrays:
        entries = matrix.entries.normal()  # its indices are in order, and so are the axes of its array
        return matrices(value(entries), tuple(n for n, _ in entries.free), matrix.row, matrix.column)

    for at, reason in _failures(claim, of, value):
        if reason:
            return f"{reason}{f' at {at}' if at else ''}"
    return ""


def _failures(claim: Spectral, of: Any, value: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    match claim:
        case SameSingularValues(left, right):
            _same_others(left, right)
            one, other = of(left), of(right)
            for at in one:
                same = _nonzero(_gram(one[at])) == _nonzero(_gram(other[at]))
                yield at, "" if same else "the nonzero singular values differ"
        case RankAtMost(left, right):
            _same_others(left, right)
            one, other = of(left), of(right)
            for at in one:
                low, high = one[at].rank(), other[at].rank()
                yield at, "" if low <= high else f"the ranks are {low} and {high}"
        case RankAtMostRows(matrix, equal):
            for at, entries in of(matrix).items():
                rank, rows = entries.rank(), sum(any(x != 0 for x in row) for row in entries.tolist())
                met = rank == rows if equal else rank <= rows
                yield at, "" if met else f"the rank is {rank}, there are {rows} nonzero rows"
        case _:
            numbers = _lists(claim.values, claim.matrix, value)
            for at, entries in of(claim.matrix).items():
                if isinstance(claim, RankIsCount):
                    rank, listed = entries.rank(), sum(x != 0 for x in numbers[at])
                    yield at, "" if rank == listed else f"the rank is {rank}, {listed} values are not 0"
                    continue
                wanted = fmpq_poly([1])
                for x in numbers[at]:
                    wanted *= fmpq_poly([-exact(x), 1])
                yield at, "" if wanted == _gram(entries) else "the squared singular values are others"


def _lists(values: Term, matrix: Matrix, value: Any) -> Mapping[tuple[int, ...], list[Fraction]]:
    """The values for every value of the other indices of the matrix."""
    values = values.normal()
    names = tuple(name for name, _ in values.free)
    if dict(values.free) != dict((*others(matrix), (matrix.row, sized(matrix, matrix.row)))):
        raise KernelError("the values need the row index of the matrix, and its other indices")
    array: Array = value(values)
    place = names.index(matrix.row)
    found: dict[tuple[int, ...], list[Fraction]] = {}
    for index in product(*map(range, array.shape)):
        found.setdefault(index[:place] + index[place + 1 :], []).append(array[index])
    return found


def norm_failure(matrix: Array, bound: Array) -> str:
    """Why ``bound`` is not the spectral norm of ``matrix`` (last two axes: row, column), exactly; empty where it is."""
    names = tuple(map(str, range(len(matrix.shape))))
    if len(names) < 2 or matrix.shape[:-2] != bound.shape:
        raise KernelError(f"a matrix of shape {matrix.shape} does not have norms of shape {bound.shape}")
    for at, entries in matrices(matrix, names, names[-2], names[-1]).items():
        square = bound[at] ** 2
        polynomial = _gram(entries)
        if bound[at] < 0 or fraction(polynomial(exact(square))) or roots_above(polynomial, square):
            return f"{bound[at]} is not the spectral norm{f' at {at}' if at else ''}"
    return ""
