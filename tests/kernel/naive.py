"""Second implementations of what the kernel computes, as plain as can be: loops over all indices, all renamings, all
entries. Slow and independent; nothing here calls the kernel's own arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import permutations, product
from random import Random
from typing import Any

from theorytest.kernel.parameterization import Array, Block, Chain, Each, Focus, Link, Parameterization, Product
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term

Index = tuple[int, ...]
Values = Mapping[str, Mapping[Index, Any]]  # name -> entries by index (numbers, polynomials, sympy or torch scalars)

# -- terms ------------------------------------------------------------------------------------------------------------


def value(term: Term, arrays: Values, sizes: Mapping[str, int]) -> dict[Index, Any]:
    """The value of a term at every value of its free indices (sorted by name), by a loop over all indices."""
    free = sorted(term.free)
    found: dict[Index, Any] = {}
    for at in product(*(range(sizes[size]) for _, size in free)):
        total: Any = 0
        for monomial in term.monomials:
            for summed in product(*(range(sizes[size]) for _, size in monomial.bound)):
                index = dict(zip((n for n, _ in free), at, strict=True))
                index |= dict(zip((n for n, _ in monomial.bound), summed, strict=True))
                part: Any = monomial.coefficient
                for factor in monomial.factors:
                    place = tuple(index[i] for i in factor.indices)
                    part = part * (
                        int(place[0] == place[1]) if factor.tensor.name == DELTA else arrays[factor.tensor.name][place]
                    )
                total = total + part
        found[at] = total
    return found


def canonical(monomial: Monomial, free: Mapping[str, str]) -> tuple[Any, ...]:
    """One form for all monomials that differ by names of summed indices and order of factors: deltas are used up, then
    every renaming of the summed indices is tried and the least result kept."""
    indices = [*free, *(name for name, _ in monomial.bound)]
    sizes = dict(free) | dict(monomial.bound)
    group = {name: {name} for name in indices}
    for factor in monomial.factors:
        if factor.tensor.name == DELTA:
            joined = group[factor.indices[0]] | group[factor.indices[1]]
            for name in joined:
                group[name] = joined
    leader = {name: min(group[name], key=lambda n: (n not in free, n)) for name in indices}
    ties = sorted((leader[name], name) for name in free if leader[name] != name)
    factors = [
        (f.tensor.name, f.tensor.sizes, tuple(leader[i] for i in f.indices))
        for f in monomial.factors
        if f.tensor.name != DELTA
    ]
    summed = [name for name, _ in monomial.bound if leader[name] == name]
    forms = []
    for order in permutations(range(len(summed))):
        names = {name: f"#{place}" for name, place in zip(summed, order, strict=True)}
        renamed = sorted((n, s, tuple(names.get(i, i) for i in indices)) for n, s, indices in factors)
        bound = sorted((names[name], sizes[name]) for name in summed)
        forms.append((renamed, bound))
    best = min(forms)
    return (tuple(best[0]), tuple(best[1]), tuple(ties))


def equal(left: Term, right: Term) -> bool:
    """Equality of two terms for all tensors of all sizes: collected canonical monomials."""
    total: dict[Any, Fraction] = {}
    for sign, term in ((1, left), (-1, right)):
        for monomial in term.monomials:
            key = canonical(monomial, dict(term.free))
            total[key] = total.get(key, Fraction(0)) + sign * monomial.coefficient
    return not any(total.values())


LETTERS = (
    Tensor("X", ("m", "n")),
    Tensor("Y", ("n", "n")),
    Tensor("v", ("n",)),
    Tensor("s", ()),
    Tensor("T", ("n", "m", "n")),
)


def random_monomial(random: Random, free: Mapping[str, str], most: int = 4) -> Monomial:
    """A monomial in a few letters, with up to ``most`` summed indices and now and then a delta; many are symmetric."""
    bound = [(f"k{n}", random.choice("mnn")) for n in range(random.randint(0, most))]
    at: dict[str, list[str]] = {"m": [], "n": []}
    for name, size in (*free.items(), *bound):
        at[size].append(name)
    factors = []
    for _ in range(random.randint(0, 4)):
        tensor = random.choice((*LETTERS, LETTERS[1], LETTERS[2], Tensor(DELTA, ("n", "n")), Tensor(DELTA, ("m", "m"))))
        if all(at[size] for size in tensor.sizes):
            factors.append(Factor(tensor, tuple(random.choice(at[size]) for size in tensor.sizes)))
    return Monomial(
        Fraction(random.choice((-2, -1, 1, 1, 2, 3)), random.choice((1, 1, 2))), tuple(factors), tuple(bound)
    )


def shuffled(random: Random, monomial: Monomial) -> Monomial:
    """The same monomial, written in another way."""
    names = [f"z{k}" for k in range(len(monomial.bound))]
    random.shuffle(names)
    new = dict(zip((name for name, _ in monomial.bound), names, strict=True))
    factors = [Factor(f.tensor, tuple(new.get(i, i) for i in f.indices)) for f in monomial.factors]
    random.shuffle(factors)
    bound = [(new[name], size) for name, size in monomial.bound]
    random.shuffle(bound)
    return Monomial(monomial.coefficient, tuple(factors), tuple(bound))


def random_arrays(
    random: Random, tensors: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> dict[str, dict[Index, Any]]:
    """Integer entries for tensors."""
    return {
        name: {at: Fraction(random.randint(-9, 9)) for at in product(*(range(sizes[s]) for s in tensor.sizes))}
        for name, tensor in tensors.items()
    }


# -- polynomials: monomials as sorted tuples of variables -------------------------------------------------------------


class Poly:
    """A polynomial with rational coefficients, expanded."""

    def __init__(self, terms: Mapping[tuple[Any, ...], Fraction]) -> None:
        self.terms = {k: c for k, c in terms.items() if c}

    @staticmethod
    def of(number: Any) -> Poly:
        return number if isinstance(number, Poly) else Poly({(): Fraction(number)})

    @staticmethod
    def variable(name: Any) -> Poly:
        return Poly({(name,): Fraction(1)})

    def __add__(self, other: Any) -> Poly:
        total = dict(self.terms)
        for k, c in Poly.of(other).terms.items():
            total[k] = total.get(k, Fraction(0)) + c
        return Poly(total)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Poly:
        total: dict[tuple[Any, ...], Fraction] = {}
        for a, c in self.terms.items():
            for b, d in Poly.of(other).terms.items():
                key = tuple(sorted(a + b, key=repr))
                total[key] = total.get(key, Fraction(0)) + c * d
        return Poly(total)

    __rmul__ = __mul__

    def __neg__(self) -> Poly:
        return self * -1

    def __eq__(self, other: object) -> bool:
        return self.terms == Poly.of(other).terms

    __hash__ = None  # type: ignore[assignment]

    def derivative(self, name: Any) -> Poly:
        total: dict[tuple[Any, ...], Fraction] = {}
        for key, c in self.terms.items():
            times = key.count(name)
            if times:
                rest = list(key)
                rest.remove(name)
                total[tuple(rest)] = total.get(tuple(rest), Fraction(0)) + c * times
        return Poly(total)


# -- models -----------------------------------------------------------------------------------------------------------

MATRIX = Parameterization(
    "deep matrix factorization",
    Chain("l", "L", Block("W", ("l",), ()), "a", "b", "h[l]", True),
    ("a", "b"),
    (("a", "d_out"), ("b", "d_in")),
    "every depth and width",
)
CP = Parameterization("cp", Each("n", "N", Block("w", ("n",), ("r", "i[n]"))), ("i[*]",), (("i", "d"), ("r", "R")), "")
TUCKER = Parameterization(
    "tucker",
    Product((Block("G", (), ("r[*]",)), Each("n", "N", Block("V", ("n",), ("r[n]", "i[n]"))))),
    ("i[*]",),
    (("i", "d"), ("r", "R")),
    "",
)


def _columns(leg: str) -> Product:
    chain = Chain("s", "k[n]", Block("A", ("n", "s"), (leg,)), "i[n]", "a[n]", "d[n]", False)
    return Product((chain, Block("w", ("n",), (leg, "a[n]"))))


DEEP_CP = Parameterization(
    "deep cp",
    Product((Block("c", (), ("r",)), Each("n", "N", _columns("r")))),
    ("i[*]",),
    (("i", "d"), ("a", "d"), ("r", "R")),
    "",
)
DEEP_TUCKER = Parameterization(
    "deep tucker",
    Product((Block("G", (), ("r[*]",)), Each("n", "N", _columns("r[n]")))),
    ("i[*]",),
    (("i", "d"), ("a", "d"), ("r", "R")),
    "",
)
MODELS = {"matrix": MATRIX, "cp": CP, "tucker": TUCKER, "deep cp": DEEP_CP, "deep tucker": DEEP_TUCKER}


def shapes(kind: str, sizes: Mapping[str, Any]) -> dict[str, Index]:
    """The blocks of a model, from the words of its definition."""
    if kind == "matrix":
        widths = [sizes["d_in"], *sizes["h"], sizes["d_out"]]
        return {f"W[{l}]": (widths[l], widths[l - 1]) for l in range(sizes["L"], 0, -1)}
    modes = range(1, sizes["N"] + 1)
    d, rank = sizes["d"], sizes["R"]
    if kind == "cp":
        return {f"w[{n}]": (rank, d[n - 1]) for n in modes}
    if kind == "tucker":
        return {"G": tuple(rank)} | {f"V[{n}]": (rank[n - 1], d[n - 1]) for n in modes}
    found: dict[str, Index] = {"c": (rank,)} if kind == "deep cp" else {"G": tuple(rank)}
    for n in modes:
        own = rank if kind == "deep cp" else rank[n - 1]
        found |= {f"A[{n},{s}]": (own, d[n - 1], d[n - 1]) for s in range(1, sizes["k"][n - 1] + 1)}
        found[f"w[{n}]"] = (own, d[n - 1])
    return found


def end_shape(kind: str, sizes: Mapping[str, Any]) -> Index:
    return (sizes["d_out"], sizes["d_in"]) if kind == "matrix" else tuple(sizes["d"])


def _row(blocks: Values, sizes: Mapping[str, Any], n: int, r: int) -> list[Any]:
    """A_1^{n,r} ... A_k^{n,r} w_r^n."""
    size = sizes["d"][n - 1]
    vector = [blocks[f"w[{n}]"][r, j] for j in range(size)]
    for s in range(sizes["k"][n - 1], 0, -1):
        matrix = blocks[f"A[{n},{s}]"]
        vector = [sum(matrix[r, i, j] * vector[j] for j in range(size)) for i in range(size)]
    return vector


def end_tensor(kind: str, sizes: Mapping[str, Any], blocks: Values) -> dict[Index, Any]:
    """The end tensor by its formula, in whatever numbers the blocks hold."""
    if kind == "matrix":
        widths = [sizes["d_in"], *sizes["h"], sizes["d_out"]]
        columns = {(i, i): 1 for i in range(widths[0])}
        total: dict[Index, Any] = {(i, j): columns.get((i, j), 0) for i in range(widths[0]) for j in range(widths[0])}
        for l in range(1, sizes["L"] + 1):
            layer = blocks[f"W[{l}]"]
            total = {
                (i, j): sum(layer[i, k] * total[k, j] for k in range(widths[l - 1]))
                for i in range(widths[l])
                for j in range(widths[0])
            }
        return total
    modes = range(1, sizes["N"] + 1)
    rank = sizes["R"]
    if kind in ("cp", "deep cp"):
        choices = [(r,) * sizes["N"] for r in range(rank)]
    else:
        choices = list(product(*(range(r) for r in rank)))
    found: dict[Index, Any] = {index: 0 for index in product(*map(range, sizes["d"]))}
    for choice in choices:
        if kind in ("tucker", "deep tucker"):
            weight = blocks["G"][choice]
        else:
            weight = blocks["c"][(choice[0],)] if kind == "deep cp" else 1
        if kind.startswith("deep"):
            rows = [_row(blocks, sizes, n, choice[n - 1]) for n in modes]
        else:
            name = "V" if kind == "tucker" else "w"
            rows = [[blocks[f"{name}[{n}]"][choice[n - 1], i] for i in range(sizes["d"][n - 1])] for n in modes]
        for index in found:
            part = weight
            for row, i in zip(rows, index, strict=True):
                part = part * row[i]
            found[index] = found[index] + part
    return found


def gradients(
    kind: str, sizes: Mapping[str, Any], blocks: Values, slope: Mapping[Index, Any], names: Sequence[str] | None = None
) -> dict[str, dict[Index, Any]]:
    """The gradient of <slope, end tensor> by some blocks: it is linear in each entry, so put 1 for the entry and 0 for
    the others of its block."""
    found: dict[str, dict[Index, Any]] = {}
    for name in blocks if names is None else names:
        found[name] = {}
        for at in blocks[name]:
            changed = dict(blocks) | {name: {index: int(index == at) for index in blocks[name]}}
            end = end_tensor(kind, sizes, changed)
            found[name][at] = sum((slope[index] * end[index] for index in end), 0)
    return found


def random_sizes(kind: str, random: Random, most: int = 4) -> dict[str, Any]:
    """Sizes with pairwise different dimensions where there is room for them; depths 0, 1, 2; N = 1, 2, 3."""
    if kind == "matrix":
        depth = random.randint(1, 4)
        numbers = random.sample(range(1, most + 2), depth + 1)
        return {"L": depth, "d_out": numbers[0], "d_in": numbers[1], "h": tuple(numbers[2:])}
    order = random.randint(1, 3)
    d = tuple(random.sample(range(1, most), order))
    ranks = tuple(random.sample(range(1, most), order))
    sizes: dict[str, Any] = {"N": order, "d": d, "R": ranks if kind.endswith("tucker") else random.randint(1, 3)}
    if kind.startswith("deep"):
        sizes["k"] = tuple(random.choice((0, 1, 1, 2)) for _ in range(order))
    return sizes


def random_blocks(kind: str, sizes: Mapping[str, Any], random: Random) -> dict[str, dict[Index, Any]]:
    return {
        name: {at: Fraction(random.randint(-3, 3)) for at in product(*map(range, shape))}
        for name, shape in shapes(kind, sizes).items()
    }


def array(entries: Mapping[Index, Any], shape: Sequence[int]) -> Array:
    """The kernel's array of some entries."""
    return Array(tuple(shape), tuple(Fraction(entries[at]) for at in product(*map(range, shape))))


def flat(index: Sequence[int], shape: Sequence[int]) -> int:
    place = 0
    for i, size in zip(index, shape, strict=True):
        place = place * size + i
    return place


def grouped(index: Index, shape: Index, places: Sequence[int]) -> tuple[int, ...]:
    """Where an entry is found when the axes at the given places (from 0) are named and all others merged behind
    them."""
    others = [axis for axis in range(len(shape)) if axis not in places]
    return (*(index[p] for p in places), flat([index[o] for o in others], [shape[o] for o in others]))


def foci(kind: str) -> Iterator[Focus]:
    """Foci to try: none, some and all members named."""
    if kind == "matrix":
        for positions, adjacent, first in (
            ((), False, False),
            (("l",), False, False),
            (("l+1", "l"), True, False),
            (("k", "l"), False, False),
            (("first",), False, True),
            (("p", "q"), True, True),
            (("p", "q"), False, True),
            (("x", "y", "z"), False, False),
        ):
            yield Focus((), (Link(positions, "", adjacent, first),) if positions else ())
        return
    modes = [(), ("n",), ("n", "m"), ("a", "b", "c")]
    for names in modes:
        yield Focus(names)
    if kind.startswith("deep"):
        yield Focus(("m",), (Link(("i",), "m"),))
        yield Focus(("m",), (Link(("i",), "m", first=True),))
        yield Focus(("m",), (Link(("i", "j"), "m"),))
        yield Focus(("m",), (Link(("i", "i+1"), "m", adjacent=True),))
        yield Focus(("m", "n"), (Link(("i",), "m"), Link(("i",), "n")))
        yield Focus(("n", "m"), (Link(("j",), "m", first=True),))


def pick(call: Callable[[], Iterator[Any]], random: Random) -> Any:
    """A random item of a finite iterator, None where it is empty."""
    items = list(call())
    return random.choice(items) if items else None


def size_of_block(shape: Index) -> int:
    return math.prod(shape)
