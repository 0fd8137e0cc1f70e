"""Dimension-free tensor terms: sums of products of named tensors with symbolic shapes.

A term such as ``-2 G[i,j] X[i,k] Y[k,j]`` is a sum of monomials. A monomial is a rational coefficient times entries of
named tensors; an index that is free stands for "every value", all others are summed. An index may occur any number of
times (so ``w[r,i] w[r,i]`` with ``r`` free is the squared norm of row ``r``). Sizes are symbols: what is proved holds
for every size. Two terms are equal for all tensors and all sizes if their normal forms agree; the normal form removes
Kronecker deltas, names summed indices canonically, sorts and collects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import count
from typing import Any

from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError

DELTA = "δ"
Indices = tuple[str, ...]


@noun
class Tensor:
    """A named tensor: one symbolic size for each leg (no leg: a scalar)."""

    name: str
    sizes: tuple[str, ...]

    def __getitem__(self, indices: str | Indices) -> Term:
        """The entry with the given indices, free: ``G["i", "j"]`` or ``G["i,j"]``."""
        if isinstance(indices, str):
            indices = tuple(name.strip() for name in indices.split(",") if name.strip())
        return _entry(Factor(self, indices))

    def __call__(self) -> Term:
        """The term of a scalar, a tensor without legs."""
        return self[()]


@noun
class Factor:
    """An entry of a tensor."""

    tensor: Tensor
    indices: tuple[str, ...]


@noun
class Monomial:
    """coefficient * product of factors, summed over the bound indices (pairs of name and size).

    A bound index that occurs in no factor is a sum of ones: it stands for its size.
    """

    coefficient: Fraction
    factors: tuple[Factor, ...]
    bound: tuple[tuple[str, str], ...]


@noun
class Term:
    """A sum of monomials with common free indices (pairs of name and size).

    A term that exists is well formed: every index is declared once, as free or as summed, and has the size of each leg
    at which it stands. Raises `KernelError` otherwise.
    """

    free: tuple[tuple[str, str], ...]
    monomials: tuple[Monomial, ...]

    def __post_init__(self) -> None:
        for monomial in self.monomials:
            _check(self.free + monomial.bound, monomial.factors)
        if not self.monomials:
            _check(self.free, ())

    # -- building -----------------------------------------------------------------------------------------------

    def __add__(self, other: Term) -> Term:
        free = _merge(self.free + other.free)
        return Term(free, tuple(_rebind(m, _fresh(free)) for m in self.monomials + other.monomials)).normal()

    def __neg__(self) -> Term:
        return self * -1

    def __sub__(self, other: Term) -> Term:
        free = _merge(self.free + other.free)
        minus = tuple(Monomial(-m.coefficient, m.factors, m.bound) for m in other.monomials)
        return Term(free, tuple(_rebind(m, _fresh(free)) for m in self.monomials + minus)).normal()

    def __mul__(self, other: Term | int | Fraction) -> Term:
        """Pointwise product: free indices of the same name are the same index."""
        if isinstance(other, (int, Fraction)):
            scaled = tuple(Monomial(m.coefficient * other, m.factors, m.bound) for m in self.monomials)
            return Term(self.free, scaled).normal()
        if not isinstance(other, Term):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise KernelError(f"coefficients are exact: an integer or a Fraction was needed, given {other!r}")
        free = _merge(self.free + other.free)
        products: list[Monomial] = []
        for left in self.monomials:
            for right in other.monomials:
                fresh = _fresh(free)
                a, b = _rebind(left, fresh), _rebind(right, fresh)
                products.append(Monomial(a.coefficient * b.coefficient, a.factors + b.factors, a.bound + b.bound))
        return Term(free, tuple(products)).normal()

    __rmul__ = __mul__

    def sum(self, *indices: str) -> Term:
        """Sum over some of the free indices (an index that does not occur contributes its size)."""
        free = dict(self.free)
        missing = [name for name in indices if name not in free]
        if missing:
            raise KernelError(f"cannot sum over {missing}: the free indices are {list(free)}")
        monomials: list[Monomial] = []
        for monomial in self.monomials:
            fresh = _fresh(self.free)
            clean = _rebind(monomial, fresh)
            names = {name: next(fresh) for name in indices}
            extra = tuple((names[name], free[name]) for name in indices)
            monomials.append(_rename(Monomial(clean.coefficient, clean.factors, clean.bound + extra), names))
        return Term(tuple((n, s) for n, s in self.free if n not in indices), tuple(monomials)).normal()

    def rename(self, names: Mapping[str, str]) -> Term:
        """Give free indices other names; two may be made one (a diagonal) where their sizes agree. Names that are not
        free indices are ignored: summed ones cannot be seen from outside."""
        seen = {name: names.get(name, name) for name, _ in self.free}
        free = _merge(tuple((seen[name], size) for name, size in self.free))
        hidden = (*self.free, *free)
        return Term(free, tuple(_rename(_rebind(m, _fresh(hidden)), seen) for m in self.monomials)).normal()

    # -- normal form --------------------------------------------------------------------------------------------

    def normal(self) -> Term:
        """The normal form: equal normal forms mean equality for all tensors of all sizes."""
        return self._normal

    @cached_property
    def _normal(self) -> Term:
        """The normal form, worked out once: a term never changes."""
        free = dict(self.free)
        collected: dict[tuple[tuple[Factor, ...], tuple[tuple[str, str], ...]], Fraction] = {}
        for monomial in self.monomials:
            clean = _canonical(_without_deltas(monomial, free), free)
            key = (clean.factors, clean.bound)
            collected[key] = collected.get(key, Fraction(0)) + clean.coefficient
        ordered = sorted(
            (Monomial(c, factors, bound) for (factors, bound), c in collected.items() if c),
            key=lambda m: (_key(m.factors), m.bound),
        )
        made = Term(tuple(sorted(free.items())), tuple(ordered))
        made.__dict__["_normal"] = made  # a normal form is its own
        return made

    @property
    def is_zero(self) -> bool:
        """Whether the term is 0 for all tensors of all sizes: its normal form has no monomial."""
        return not self.normal().monomials

    # -- reading ------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that occur but Kronecker deltas, by name; the same name with two shapes is an error."""
        found: dict[str, Tensor] = {}
        for monomial in self.monomials:
            for factor in monomial.factors:
                if factor.tensor.name == DELTA:
                    continue  # of any size
                if found.setdefault(factor.tensor.name, factor.tensor) != factor.tensor:
                    raise KernelError(f"two tensors are named {factor.tensor.name}")
        return found

    def __str__(self) -> str:
        if not self.monomials:
            return "0"
        return " + ".join(_show(monomial) for monomial in self.monomials).replace("+ -", "- ")

    # -- substituting and differentiating ------------------------------------------------------------------------

    def substitute(self, meaning: Mapping[str, tuple[Indices, Term]]) -> Term:
        """Replace tensors by terms: ``{"X": (("i", "j"), term)}`` puts the term, with its free indices ``i, j`` in the
        place of the legs of ``X``. All replacements are made at once."""
        total = Term(self.free, ())
        for monomial in self.monomials:
            places = {k: meaning[f.tensor.name] for k, f in enumerate(monomial.factors) if f.tensor.name in meaning}
            total = total + self._replaced(monomial, places)
        return total

    def _replaced(self, monomial: Monomial, meaning: Mapping[int, tuple[Indices, Term]]) -> Term:
        """A monomial with the factors at some places replaced."""
        clean = _rebind(monomial, _fresh(self.free))
        product = Term(self.free + clean.bound, (Monomial(clean.coefficient, (), ()),))
        for place, factor in enumerate(clean.factors):
            if place not in meaning:
                product = product * _entry(factor)
                continue
            legs, term = meaning[place]
            if dict(zip(legs, factor.tensor.sizes, strict=False)) != dict(term.free) or len(legs) != len(term.free):
                raise KernelError(f"{factor.tensor.name} has sizes {factor.tensor.sizes}, not those of {term.free}")
            product = product * term.rename(dict(zip(legs, factor.indices, strict=True)))
        return product.sum(*(name for name, _ in clean.bound))

    def along(self, flow: Mapping[str, tuple[Indices, Term]]) -> Term:
        """The derivative when each tensor named in ``flow`` moves with the given velocity (product rule); the others
        must not occur."""
        still = set(self.tensors()) - set(flow)
        if still:
            raise KernelError(f"no velocity is known for {sorted(still)}")
        total = Term(self.free, ())
        for monomial in self.monomials:
            for place, factor in enumerate(monomial.factors):
                if factor.tensor.name != DELTA:
                    total = total + self._replaced(monomial, {place: flow[factor.tensor.name]})
        return total

    def gradient(self, tensor: Tensor, legs: Indices) -> Term:
        """The derivative of a scalar term by an entry of a tensor, with the given free indices for its legs."""
        if self.free:
            raise KernelError("only a scalar term has a gradient")
        total = Term(tuple(zip(legs, tensor.sizes, strict=True)), ())
        for monomial in self.monomials:
            clean = _rebind(monomial, _fresh(total.free))
            for place, factor in enumerate(clean.factors):
                if factor.tensor != tensor:
                    continue
                rest = clean.factors[:place] + clean.factors[place + 1 :]
                deltas = tuple(
                    Factor(Tensor(DELTA, (size, size)), (inner, outer))
                    for inner, outer, size in zip(factor.indices, legs, tensor.sizes, strict=True)
                )
                total = total + Term(total.free, (Monomial(clean.coefficient, rest + deltas, clean.bound),))
        return total


def zero(*free: tuple[str, str]) -> Term:
    """The zero term with the given free indices (pairs of name and size)."""
    return Term(free, ()).normal()


def constant(value: int | Fraction, *free: tuple[str, str]) -> Term:
    """The same number at every value of the free indices."""
    return Term(free, (Monomial(Fraction(value), (), ()),)).normal()


def identity(i: str, j: str, size: str) -> Term:
    """The entries of the identity matrix."""
    return Tensor(DELTA, (size, size))[i, j]


# -- the machinery of the normal form ---------------------------------------------------------------------------------


def _check(indices: tuple[tuple[str, str], ...], factors: tuple[Factor, ...]) -> None:
    """Raise unless the indices (free and summed) are distinct and fit every leg of the factors."""
    sizes = dict(indices)
    if len(sizes) != len(indices):
        raise KernelError(f"an index is declared twice, as free or as summed: {[name for name, _ in indices]}")
    odd = [name for name in sizes if not _is_name(name)]
    if odd:
        raise KernelError(f"the name of an index holds no space and no comma, given {odd}")
    for factor in factors:
        if len(factor.indices) != len(factor.tensor.sizes):
            raise KernelError(f"{factor.tensor.name} has {len(factor.tensor.sizes)} legs, given {factor.indices}")
        for index, size in zip(factor.indices, factor.tensor.sizes, strict=True):
            if sizes.get(index) != size:
                raise KernelError(
                    f"index {index} of {factor.tensor.name} has size {sizes.get(index)}, the leg has size {size}"
                )
        if factor.tensor.name == DELTA and (len(factor.indices) != 2 or len(set(factor.tensor.sizes)) != 1):
            raise KernelError("a Kronecker delta has two legs of one size")


@lru_cache(maxsize=4096)
def _is_name(name: str) -> bool:
    """Whether an index may have that name."""
    return bool(name) and name == "".join(name.split()) and "," not in name


def _merge(free: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Free indices, each once; the same name with two sizes is an error."""
    sizes: dict[str, str] = {}
    for name, size in free:
        if sizes.setdefault(name, size) != size:
            raise KernelError(f"index {name} would have two sizes, {sizes[name]} and {size}")
    return tuple(sizes.items())


def _entry(factor: Factor) -> Term:
    """One entry of a tensor, all indices free."""
    if len(factor.indices) != len(factor.tensor.sizes):
        raise KernelError(f"{factor.tensor.name} has {len(factor.tensor.sizes)} legs, given {factor.indices}")
    free = _merge(tuple(zip(factor.indices, factor.tensor.sizes, strict=True)))
    return Term(free, (Monomial(Fraction(1), (factor,), ()),)).normal()


def _fresh(taken: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names for summed indices that are none of the given indices."""
    used = {name for name, _ in taken}
    return (name for number in count() if (name := f"_f{number}") not in used)


def _rename(monomial: Monomial, names: Mapping[str, str]) -> Monomial:
    if not names:
        return monomial
    return Monomial(
        monomial.coefficient,
        tuple([Factor(f.tensor, tuple([names.get(i, i) for i in f.indices])) for f in monomial.factors]),
        tuple([(names.get(i, i), size) for i, size in monomial.bound]),
    )


def _rebind(monomial: Monomial, fresh: Iterator[str]) -> Monomial:
    """The same monomial with its summed indices named from `fresh`, so that they cannot clash with others."""
    return _rename(monomial, {name: next(fresh) for name, _ in monomial.bound})


def _without_deltas(monomial: Monomial, free: Mapping[str, str]) -> Monomial:
    """Equal indices become one. What is left of the deltas ties free indices: δ[first, other] for each other one, and
    all other factors speak of the first."""
    if all(factor.tensor.name != DELTA for factor in monomial.factors):
        return monomial
    same: dict[str, str] = {}

    def first(index: str) -> str:
        while index in same:
            index = same[index]
        return index

    for factor in monomial.factors:
        if factor.tensor.name == DELTA:
            # A free index stands for a summed one; of two free ones the first in order does.
            kept, gone = sorted(map(first, factor.indices), key=lambda name: (name not in free, name))
            if kept != gone:
                same[gone] = kept
    factors = [Factor(f.tensor, tuple(map(first, f.indices))) for f in monomial.factors if f.tensor.name != DELTA]
    ties = [Factor(Tensor(DELTA, (size, size)), (first(name), name)) for name, size in free.items() if name in same]
    bound = tuple((name, size) for name, size in monomial.bound if name not in same)
    return Monomial(monomial.coefficient, (*factors, *ties), bound)


def _key(factors: Iterable[Factor]) -> tuple[tuple[str, Indices, Indices], ...]:
    return tuple(sorted((f.tensor.name, f.tensor.sizes, f.indices) for f in factors))


def _canonical(monomial: Monomial, free: Mapping[str, str]) -> Monomial:
    """Rename the summed indices so that equal monomials become identical.

    Colours of the summed indices are refined by where they occur until nothing changes; where a tie is left, every way
    to break it is tried and the least result kept. This is exact: the refinement only saves work.
    """
    occurring = {index for f in monomial.factors for index in f.indices}
    dangling = sorted(size for name, size in monomial.bound if name not in occurring)
    bound = [(name, size) for name, size in monomial.bound if name in occurring]
    found: list[tuple[tuple[tuple[str, Indices, Indices], ...], tuple[Factor, ...], tuple[tuple[str, str], ...]]] = []
    prefix = _prefix(free)
    stack = [_refine({name: (size,) for name, size in bound}, monomial.factors, free)]
    while stack:
        colours = stack.pop()
        classes: dict[int, list[str]] = {}
        for name, colour in colours.items():
            classes.setdefault(colour, []).append(name)
        tied = next((names for _, names in sorted(classes.items()) if len(names) > 1), None)
        if tied is not None:
            for name in tied:
                split = {other: (colour, other == name) for other, colour in colours.items()}
                stack.append(_refine(split, monomial.factors, free))
            continue
        order = sorted(colours, key=lambda name: colours[name])
        names = {name: f"{prefix}{place}" for place, name in enumerate(order)}
        renamed = _rename(Monomial(monomial.coefficient, monomial.factors, tuple(bound)), names)
        factors = tuple(sorted(renamed.factors, key=lambda f: _key((f,))))
        sizes = tuple(sorted(renamed.bound, key=lambda pair: int(pair[0][len(prefix) :])))
        found.append((_key(factors), factors, sizes))
    _, factors, sizes = min(found, key=lambda one: one[0])
    loose = tuple((f"{prefix}{len(sizes) + k}", size) for k, size in enumerate(dangling))
    return Monomial(monomial.coefficient, factors, sizes + loose)


def _prefix(free: Mapping[str, str]) -> str:
    prefix = "_"
    while any(name.startswith(prefix) and name[len(prefix) :].isdigit() for name in free):
        prefix += "_"
    return prefix


def _refine(
    start: Mapping[str, tuple[object, ...]], factors: tuple[Factor, ...], free: Mapping[str, str]
) -> dict[str, int]:
    """Number the summed indices by where they occur, until every one has a number of its own or no more can be told
    apart. Names of summed indices play no part, so that the numbers do not depend on them."""
    classes = 0
    signature: dict[str, Any] = dict(start)
    while True:
        ranks = {value: place for place, value in enumerate(sorted(set(signature.values())))}
        colours = {name: ranks[value] for name, value in signature.items()}
        if len(ranks) in (classes, len(colours)):
            return colours
        classes = len(ranks)
        seen: dict[str, list[Any]] = {name: [] for name in colours}
        for f in factors:
            view = tuple(("f", i) if i in free else ("b", colours[i]) for i in f.indices)
            for place, index in enumerate(f.indices):
                if index in colours:
                    same = tuple(k for k, other in enumerate(f.indices) if other == index)
                    seen[index].append((f.tensor.name, f.tensor.sizes, place, same, view))
        signature = {name: (colours[name], tuple(sorted(seen[name]))) for name in colours}


def _show(monomial: Monomial) -> str:
    parts = [f"{f.tensor.name}[{','.join(f.indices)}]" if f.indices else f.tensor.name for f in monomial.factors]
    occurring = {index for f in monomial.factors for index in f.indices}
    parts += [f"|{size}|" for name, size in monomial.bound if name not in occurring]
    number = monomial.coefficient
    if not parts:
        return str(number)
    return " ".join(([] if number == 1 else ["-" if number == -1 else str(number)]) + parts).replace("- ", "-", 1)
