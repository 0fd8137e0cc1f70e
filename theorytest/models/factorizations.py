"""The shipped parameterizations, one definition each, and friendly constructors of models.

Modes, layers and positions are counted from 1 in block names (``w[1]``), as in the papers; entries of arrays from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Block, Chain, Each, Parameterization, Product
from theorytest.models.model import Model

DEEP_MATRIX = Parameterization(
    "deep matrix factorization",
    Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", True),
    ("a", "b"),
    (("a", "d_out"), ("b", "d_in")),
    "W = W[L] ... W[2] W[1], any depth L >= 1, any widths h[l] (rows of W[l])",
)

CP = Parameterization(
    "CP factorization",
    Each("n", "N", Block("w", ("n",), ("r", "i[n]"))),
    ("i[*]",),
    (("i", "d"), ("r", "R")),
    "W = sum over r of the outer product of w_r^1, ..., w_r^N, any order N, rank R and dimensions d[n]; "
    "row r of w[n] is w_r^n",
)

TUCKER = Parameterization(
    "Tucker factorization",
    Product((Block("G", (), ("r[*]",)), Each("n", "N", Block("V", ("n",), ("r[n]", "i[n]"))))),
    ("i[*]",),
    (("i", "d"), ("r", "R")),
    "W = G x_1 V^(1) ... x_N V^(N), any order N, dimensions d[n] and core sizes R[n]; "
    "row r of V[n] is column r of V^(n)",
)

_OWN_MATRICES = Chain("s", "k[n]", Block("A", ("n", "s"), ("r",)), "i[n]", "a[n]", "d[n]", False)

DEEP_CP = Parameterization(
    "deep CP factorization",
    Product((Block("c", (), ("r",)), Each("n", "N", Product((_OWN_MATRICES, Block("w", ("n",), ("r", "a[n]"))))))),
    ("i[*]",),
    (("i", "d"), ("a", "d"), ("r", "R")),
    "W = sum over r of c_r times the outer product over n of A_1^{n,r} ... A_k^{n,r} w_r^n, k = k[n] >= 0, "
    "own matrices for every r; A[n,s][r] is A_s^{n,r}",
)

DEEP_TUCKER = Parameterization(
    "deep Tucker factorization",
    Product(
        (
            Block("G", (), ("r[*]",)),
            Each(
                "n",
                "N",
                Product(
                    (
                        Chain("s", "k[n]", Block("A", ("n", "s"), ("r[n]",)), "i[n]", "a[n]", "d[n]", False),
                        Block("w", ("n",), ("r[n]", "a[n]")),
                    )
                ),
            ),
        )
    ),
    ("i[*]",),
    (("i", "d"), ("a", "d"), ("r", "R")),
    "W = G x_1 V^(1) ... x_N V^(N), column r of V^(n) is A_1^{n,r} ... A_k^{n,r} w_r^n, k = k[n] >= 0, "
    "own matrices for every column; A[n,s][r] is A_s^{n,r}",
)


def deep_matrix_factorization(d_out: int, d_in: int, *, depth: int, width: int | Sequence[int] | None = None) -> Model:
    """W = W[depth] ... W[1] of shape (d_out, d_in); blocks ``W[l]`` of shape (h[l], h[l-1]).

    width: one hidden width, or depth - 1 of them (rows of W[1], ..., W[depth-1]); unless given, min(d_out, d_in), which
    is full-dimensional (RC20, Section 2.1).

    >>> deep_matrix_factorization(2, 3, depth=3, width=(4, 5)).shapes
    {'W[3]': (2, 5), 'W[2]': (5, 4), 'W[1]': (4, 3)}
    """
    _positive("depth", depth)
    hidden = _spread("width", min(d_out, d_in) if width is None else width, depth - 1)
    return Model(DEEP_MATRIX, {"L": depth, "d_out": d_out, "d_in": d_in, "h": hidden})


def cp(dims: Sequence[int], *, rank: int) -> Model:
    """A sum of ``rank`` outer products of vectors; block ``w[n]`` of shape (rank, dims[n-1]) holds w_r^n in row r.

    >>> cp((3, 4, 5), rank=2).shapes
    {'w[1]': (2, 3), 'w[2]': (2, 4), 'w[3]': (2, 5)}
    """
    return Model(CP, {"N": len(dims), "d": _dims(dims), "R": rank})


def tucker(dims: Sequence[int], ranks: int | Sequence[int] | None = None) -> Model:
    """A core ``G`` of shape ``ranks`` (unless given, ``dims``) times a matrix per mode; block ``V[n]`` of shape
    (ranks[n-1], dims[n-1]) holds the columns of V^(n) as rows.

    >>> tucker((3, 4), (2, 2)).shapes
    {'G': (2, 2), 'V[1]': (2, 3), 'V[2]': (2, 4)}
    """
    return Model(
        TUCKER,
        {
            "N": len(dims),
            "d": _dims(dims),
            "R": _spread("ranks", dims if ranks is None else ranks, len(dims)),
        },
    )


def deep_cp(dims: Sequence[int], *, rank: int, depth: int | Sequence[int] = 1) -> Model:
    """CP with weights ``c`` and ``depth`` = k_n >= 0 matrices ``A[n,s]`` before every vector (one number, or per mode).

    HKA24 calls k_n + 1 the depth of mode n. Shapes: c (rank,), A[n,s] (rank, d_n, d_n), w[n] (rank, d_n).

    >>> deep_cp((2, 3), rank=2, depth=(1, 0)).shapes
    {'c': (2,), 'A[1,1]': (2, 2, 2), 'w[1]': (2, 2), 'w[2]': (2, 3)}
    """
    k = _spread("depth", depth, len(dims), least=0)
    return Model(DEEP_CP, {"N": len(dims), "d": _dims(dims), "R": rank, "k": k})


def deep_tucker(
    dims: Sequence[int], ranks: int | Sequence[int] | None = None, *, depths: int | Sequence[int] = 1
) -> Model:
    """Tucker with ``depths`` = k_n >= 0 matrices ``A[n,s]`` before every column of mode n (one number, or per mode).

    HKA24 calls k_n + 1 the depth of mode n, and has ranks equal to dims (the default). Shapes: G ranks, A[n,s]
    (R_n, d_n, d_n), w[n] (R_n, d_n).

    >>> deep_tucker((2, 3), (2, 1), depths=(1, 0)).shapes
    {'G': (2, 1), 'A[1,1]': (2, 2, 2), 'w[1]': (2, 2), 'w[2]': (1, 3)}
    """
    sizes = _spread("ranks", dims if ranks is None else ranks, len(dims))
    k = _spread("depths", depths, len(dims), least=0)
    return Model(DEEP_TUCKER, {"N": len(dims), "d": _dims(dims), "R": sizes, "k": k})


def einsum(formula: str, /, **shapes: tuple[int, ...]) -> Model:
    """A model of your own: the einsum of named blocks, in the order in which they are given.

    Raises `InputError` where the formula has no ``->``, a block has another number of legs than its shape, a leg has
    two sizes, or an output leg is not in any block.

    >>> model = einsum("ab,bc->ac", A=(2, 3), B=(3, 4))
    >>> model.shape, model.parameters
    ((2, 4), 18)
    """
    operands, arrow, output = formula.replace(" ", "").partition("->")
    factors = operands.split(",")
    if not arrow or not all(letter.isalpha() for letter in operands.replace(",", "") + output):
        raise InputError(f"given the formula {formula!r}, needed letters, commas and one arrow such as 'ab,bc->ac'")
    if len(factors) != len(shapes):
        raise InputError(f"{formula!r} has {len(factors)} factors, given {len(shapes)} blocks: {sorted(shapes)}")
    sizes: dict[str, int] = {}
    for legs, (name, shape) in zip(factors, shapes.items(), strict=True):
        if len(legs) != len(shape):
            raise InputError(f"block {name} has shape {tuple(shape)} but the legs {legs!r} in {formula!r}")
        for leg, size in zip(legs, shape, strict=True):
            if sizes.setdefault(leg, size) != size:
                raise InputError(f"leg {leg} of {formula!r} has the sizes {sizes[leg]} and {size} (block {name})")
    unknown = [leg for leg in output if leg not in sizes]
    if unknown:
        raise InputError(f"the output leg {unknown[0]} of {formula!r} is in no block")
    blocks = tuple(Block(name, (), tuple(legs)) for legs, name in zip(factors, shapes, strict=True))
    pairs = tuple((leg, leg) for leg in sizes)
    made = Parameterization(f"einsum {formula}", Product(blocks), tuple(output), pairs, "the given sizes")
    return Model(made, sizes)


def _dims(dims: Sequence[int]) -> tuple[int, ...]:
    if not dims:
        raise InputError("given no dimensions, needed at least one, such as (3, 4, 5)")
    return tuple(dims)


def _positive(what: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise InputError(f"given {what}={value!r}, needed a positive integer")


def _spread(what: str, value: int | Sequence[int], count: int, *, least: int = 1) -> tuple[int, ...]:
    """One number for all, or one per member."""
    made = (value,) * count if isinstance(value, int) else tuple(value)
    if len(made) != count or any(type(entry) is not int or entry < least for entry in made):
        raise InputError(f"given {what}={value!r}, needed one integer >= {least}, or {count} of them")
    return made
