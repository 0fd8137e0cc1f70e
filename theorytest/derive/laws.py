"""Quadratic conservation laws of a parameterization, derived from nothing but its definition.

Sympy writes the end tensor with one symbol for every parameter, contracts it with an opaque loss gradient g (one more
symbol for every entry of the end tensor), and differentiates: that is the gradient of the loss. The ansatz

    q(θ) = Σ c_ab θ_a θ_b,   d/dt q = -Σ c_ab (θ_a ∂_b + θ_b ∂_a) <g, W(θ)> = 0   for all θ and all g

is linear in c. Its solutions over the rationals are *all* quadratic forms that every gradient flow of every
differentiable loss conserves (every g is the gradient of some loss). They are then read back in the user's names, as
differences of Gram matrices of two blocks over a leg that both have, or of norms of slices.

Exact and complete at the given sizes; a statement for all sizes is proved elsewhere, by the kernel. Nothing here
knows any theorem: the names of balancedness, of RMC21 Lemma 1 and of HKA24 Lemma 4.1 do not occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, product
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved, Flow
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Block, Chain, Concrete, Each, Focus, Link, Parameterization, Product
from theorytest.kernel.terms import Tensor, Term

if TYPE_CHECKING:
    from flint import fmpq_mpoly

Index = tuple[int, ...]
Entry = tuple[str, Index]  # a parameter: block name, place in the block
Monomials = dict[int, int]  # packed exponents -> coefficient
_Form = dict[tuple[Entry, Entry], Fraction]
_Unknown = tuple[int, int]  # the coefficient of the product of two parameters, by number
_Equation = frozenset[tuple[_Unknown, int]]

# Work grows with (number of monomials of <g, W>) x (number of parameters): above this the answer takes minutes.
LARGEST = 400_000
_BITS = 6  # bits per exponent in a packed monomial


class HasDefinition(Protocol):
    """A model: a parameterization together with its sizes."""

    @property
    def parameterization(self) -> Parameterization: ...

    @property
    def sizes(self) -> Any: ...


@dataclass(frozen=True)
class QuadraticForm:
    """Σ c θ_a θ_b: the coefficient of every product of two parameters (a before b), zeros left out."""

    terms: tuple[tuple[tuple[Entry, Entry], Fraction], ...]

    def __str__(self) -> str:
        shown = ""
        for (a, b), c in self.terms:
            number = "" if abs(c) == 1 else f"{abs(c)} "
            what = f"{_entry(a)}^2" if a == b else f"{_entry(a)} {_entry(b)}"
            shown += f" {'-' if c < 0 else '+'} {number}{what}"
        return shown.removeprefix(" + ").strip() or "0"


@dataclass(frozen=True)
class Gram:
    """A block times itself: equal indices on ``batch``, two free ones on ``matrix``, a sum over the other legs.

    With legs (r, i) of w, ``batch=("r",)`` is ||w_r||^2 for every r, and ``matrix=("r",)`` is w w^T.
    """

    block: str
    legs: tuple[str, ...]
    batch: tuple[str, ...]
    matrix: tuple[str, ...]

    def form(self, shape: Index, fixed: Mapping[str, int], left: Mapping[str, int], right: Mapping[str, int]) -> _Form:
        """The quadratic form at given indices of the batch legs and of the two sides of the matrix legs."""
        free = [k for k, leg in enumerate(self.legs) if leg not in self.batch and leg not in self.matrix]
        total: _Form = {}
        for place in product(*(range(shape[k]) for k in free)):
            summed = dict(zip(free, place, strict=True))
            pair: list[Entry] = []
            for side in (left, right):
                at = {**fixed, **side}
                pair.append(
                    (self.block, tuple(summed[k] if k in summed else at[leg] for k, leg in enumerate(self.legs)))
                )
            a, b = min(pair), max(pair)
            total[a, b] = total.get((a, b), Fraction(0)) + 1
        return total

    def __str__(self) -> str:
        def show(held: tuple[str, ...]) -> str:
            return self.block + (
                f"[{','.join(_leg(leg) if leg in held else ':' for leg in self.legs)}]" if held else ""
            )

        if not self.matrix:
            return f"||{show(self.batch)}||^2"
        name = show(self.batch)
        rest = [leg for leg in self.legs if leg not in self.batch]
        if len(self.matrix) == 1 and len(rest) == 2:
            return f"{name} {name}^T" if rest[0] == self.matrix[0] else f"{name}^T {name}"
        if rest == list(self.matrix):
            return f"{name} {name}^T"
        unfolded = f"{name}_({','.join(map(_leg, self.matrix))})"
        return f"{unfolded} {unfolded}^T"


@dataclass(frozen=True)
class Law:
    """``left - ratio * right`` is conserved, entry by entry (``right`` None: ``left`` alone).

    forms: one quadratic form for every value of the batch legs and every pair of values of the matrix legs; rank: how
    many independent conserved forms this law adds to those listed before it (0: implied by them).
    """

    left: Gram
    right: Gram | None
    ratio: Fraction
    forms: tuple[QuadraticForm, ...]
    rank: int

    def __str__(self) -> str:
        if self.right is None:
            return str(self.left)
        number = "" if self.ratio == 1 else f"{self.ratio} "
        legs = f"   (every {', '.join(map(_leg, self.left.batch))})" if self.left.batch else ""
        return f"{self.left} - {number}{self.right}{legs}"


@dataclass(frozen=True)
class Laws:
    """All quadratic conservation laws of a parameterization at given sizes.

    shapes: of the blocks; parameters: their number; basis: a basis over the rationals of the space of conserved
    quadratic forms; laws: what of it was recognised in the user's names, each checked as an exact polynomial identity;
    unrecognised: forms of the basis that complete the recognised ones (empty: everything has a name).
    """

    name: str
    shapes: tuple[tuple[str, Index], ...]
    parameters: int
    basis: tuple[QuadraticForm, ...]
    laws: tuple[Law, ...]
    unrecognised: tuple[QuadraticForm, ...]

    @property
    def dimension(self) -> int:
        """Number of linearly independent conserved quadratic forms."""
        return len(self.basis)

    @property
    def independent(self) -> tuple[Law, ...]:
        """The recognised laws that are not implied by those before them."""
        return tuple(law for law in self.laws if law.rank)

    @property
    def names(self) -> tuple[str, ...]:
        """All recognised laws as text."""
        return tuple(map(str, self.laws))

    @cached_property
    def _columns(self) -> dict[tuple[Entry, Entry], int]:
        pairs = sorted({pair for form in self.basis for pair, _ in form.terms})
        return {pair: place for place, pair in enumerate(pairs)}

    def conserves(self, form: QuadraticForm) -> bool:
        """Whether a quadratic form is conserved: exact membership in the span of the basis."""
        columns = self._columns
        if any(pair not in columns for pair, _ in form.terms):
            return False
        return _rank([*self.basis, form], columns) == self.dimension

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.parameters} parameters, {self.dimension} conserved quadratic forms"]
        lines += [f"  {law}   [{law.rank}]" for law in self.independent]
        lines += [f"  {form}   [not recognised]" for form in self.unrecognised]
        return "\n".join(lines)


def quadratic_laws(
    definition: Parameterization | Concrete | HasDefinition, sizes: Mapping[str, object] | None = None
) -> Laws:
    """All quadratic conservation laws of gradient flow, for any differentiable loss of the end tensor.

    definition: a parameterization with ``sizes`` (symbol -> size), a model, or a written-out `Concrete`. A block may
    occur more than once (shared factors). Exact over the rationals. Raises `InputError` where sizes are missing or the
    system would be too large.

    >>> from theorytest.kernel.parameterization import Block, Each, Parameterization
    >>> factors = Each("n", "N", Block("w", ("n",), ("r", "i[n]")))
    >>> cp = Parameterization("cp", factors, ("i[*]",), (("i", "d"), ("r", "R")), "every order")
    >>> print(quadratic_laws(cp, {"N": 3, "d": [1, 2, 2], "R": 2}))
    cp: 10 parameters, 4 conserved quadratic forms
      ||w[1][r,:]||^2 - ||w[2][r,:]||^2   (every r)   [2]
      ||w[1][r,:]||^2 - ||w[3][r,:]||^2   (every r)   [2]
    """
    name, concrete = _written_out(definition, sizes)
    system = _System(concrete)
    basis = tuple(map(_frozen, system.solve()))
    columns = {pair: k for k, pair in enumerate(sorted({pair for form in basis for pair, _ in form.terms}))}
    known: list[QuadraticForm] = []
    laws: list[Law] = []
    for left, right, ratio, forms in system.recognise():
        before = _rank(known, columns)
        added = _rank([*known, *forms], columns) - before
        laws.append(Law(left, right, ratio, forms, added))
        if added:
            known += forms
    missing: list[QuadraticForm] = []
    rank = _rank(known, columns)
    for form in basis:
        if rank < len(basis) and (more := _rank([*known, *missing, form], columns)) > rank:
            missing.append(form)
            rank = more
    shapes = tuple(concrete.blocks.items())
    return Laws(name, shapes, len(system.entries), basis, tuple(laws), tuple(missing))


def for_all_sizes(law: Law, parameterization: Parameterization) -> Conserved:
    """The claim that a law found at some sizes holds at all: for any mode, position, size and loss.

    The blocks of the law become named members of a focus (modes n, m, ...; positions of a chain i, j, ..., adjacent if
    they were and the law needs it); all others are grouped. It is a claim, and the kernel's to prove: a law may be
    special to the sizes at which it was found. Raises `InputError` where no focus names its blocks (a shared
    block; the last matrix of a chain and what follows it).
    """
    sides = [law.left] if law.right is None else [law.left, law.right]
    each = [node for node in _nodes(parameterization.body) if isinstance(node, Each)]
    modes: dict[int, str] = {}
    positions: dict[str, dict[int, str]] = {}
    named: list[tuple[Gram, Block, str]] = []
    for gram in sides:
        block, chain = _definition(parameterization, gram.block)
        numbers = dict(zip(block.family, map(int, _numbers(gram.block)), strict=True))
        labels: dict[str, str] = {}
        for index in block.family:
            if chain is not None and index == chain.index:
                inside = positions.setdefault(labels.get(each[0].index, "") if each else "", {})
                labels[index] = inside.setdefault(numbers[index], "ij"[len(inside) % 2])
            else:
                labels[index] = modes.setdefault(numbers[index], "nm"[len(modes) % 2])
        family = f"[{','.join(labels[index] for index in block.family)}]" if block.family else ""
        named.append((gram, block, block.name + family))
    if each and not modes:
        # Only blocks outside of the family: their legs of one mode still need that mode to be named.
        modes |= {int(leg.partition("[")[2].rstrip("]")): "n" for leg in law.left.batch + law.left.matrix if "[" in leg}
    links: list[Link] = []
    for mode, inside in positions.items():
        chain = next(node for node in _nodes(parameterization.body) if isinstance(node, Chain))
        order = sorted(inside, reverse=chain.descending)
        # Only neighbours share the leg between them.
        adjacent = len(order) == 2 and any(leg in law.left.legs[-2:] for leg in law.left.batch + law.left.matrix)
        links.append(Link(tuple(inside[number] for number in order), mode, adjacent=adjacent))
    flow = Flow(parameterization, Focus(tuple(modes.values()), tuple(links)))
    try:
        letters = parameterization.letters(flow.focus)
        terms = [_gram_term(gram, block, letters[name], modes) for gram, block, name in named]
        return Conserved(terms[0] if law.right is None else terms[0] - terms[1] * law.ratio, flow)
    except (KernelError, KeyError) as error:
        raise InputError(f"{law}: no focus of {parameterization.name} names its blocks ({error})") from error


def _gram_term(gram: Gram, block: Block, letter: Tensor, modes: Mapping[int, str]) -> Term:
    """The Gram form as a term in a letter; legs of modes that are not named are merged into one of the letter's."""
    slots: list[str] = []  # for every leg of the letter: the leg of the law that it is, or "" for a merged one
    legs = list(gram.legs)
    for leg in block.legs:
        if leg.endswith("[*]"):
            slots += [*(f"{leg[:-3]}[{number}]" for number in modes), ""]
            legs = [other for other in legs if not other.startswith(leg[:-2])]
        else:
            slots.append(legs.pop(0))
    slots += legs  # the row and the column of a matrix in a chain
    if len(slots) != len(letter.sizes):
        raise KernelError(f"{gram.block} has legs {gram.legs}, its letter {letter.sizes}")
    keep = {leg: f"b{k}" for k, leg in enumerate(gram.batch)}
    first = keep | {leg: f"x{k}" for k, leg in enumerate(gram.matrix)}
    second = keep | {leg: f"y{k}" for k, leg in enumerate(gram.matrix)}
    summed = [f"s{k}" for k in range(len(slots))]
    left, right = (letter[tuple(side.get(leg, summed[k]) for k, leg in enumerate(slots))] for side in (first, second))
    return (left * right).sum(*(summed[k] for k, leg in enumerate(slots) if leg not in first))


def _nodes(node: Block | Chain | Each | Product) -> Iterable[Block | Chain | Each | Product]:
    yield node
    if isinstance(node, Product):
        for part in node.parts:
            yield from _nodes(part)
    elif isinstance(node, (Each, Chain)):
        yield from _nodes(node.body)


def _definition(parameterization: Parameterization, name: str) -> tuple[Block, Chain | None]:
    """The block of a definition that a written-out block is a member of, and the chain around it."""
    stem = name.partition("[")[0]
    chains = [node for node in _nodes(parameterization.body) if isinstance(node, Chain)]
    for chain in chains:
        if chain.body.name == stem:
            return chain.body, chain
    for node in _nodes(parameterization.body):
        if isinstance(node, Block) and node.name == stem and len(node.family) == len(_numbers(name)):
            return node, None
    raise InputError(f"{parameterization.name} has no block {name}")


def _numbers(name: str) -> list[str]:
    inside = name.partition("[")[2].rstrip("]")
    return inside.split(",") if inside else []


def _written_out(
    definition: Parameterization | Concrete | HasDefinition, sizes: Mapping[str, object] | None
) -> tuple[str, Concrete]:
    if isinstance(definition, Concrete):
        return "parameterization", definition
    if isinstance(definition, Parameterization):
        if sizes is None:
            raise InputError(
                f"{definition.name} was given without sizes, needed one for each symbol: pass sizes={{...}}"
            )
        try:
            return definition.name, definition.at(sizes)
        except KernelError as error:
            raise InputError(f"{definition.name}: {error}") from error
    return definition.parameterization.name, definition.parameterization.at(dict(definition.sizes))


class _System:
    """The linear system of the ansatz, and everything that is evaluated along the flow."""

    def __init__(self, concrete: Concrete) -> None:
        from sympy.polys.domains import ZZ
        from sympy.polys.rings import ring

        self.concrete = concrete
        self.entries: list[Entry] = [
            (name, index) for name, shape in concrete.blocks.items() for index in product(*map(range, shape))
        ]
        terms = prod(concrete.dims.values())
        if terms * len(self.entries) > LARGEST:
            raise InputError(
                f"{len(self.entries)} parameters and {terms} monomials are too many for the symbolic ansatz "
                f"(their product may be at most {LARGEST}): choose smaller sizes"
            )
        self.place = {entry: k for k, entry in enumerate(self.entries)}
        gradient = list(product(*map(range, concrete.shape)))
        self.gradient_place = {index: len(self.entries) + k for k, index in enumerate(gradient)}
        self.variables = len(self.entries) + len(gradient)
        names = [f"x{k}" for k in range(len(self.entries))] + [f"g{k}" for k in range(len(gradient))]
        self.ring = ring(names, ZZ)[0]
        # <g, W(θ)> as one polynomial in the parameters and the opaque loss gradient; sympy differentiates it.
        inner = self.ring.from_dict(self.inner())
        self.slopes: list[Monomials] = [
            {_pack(exponents): int(c) for exponents, c in inner.diff(self.ring.gens[k]).items()}
            for k in range(len(self.entries))
        ]

    def inner(self) -> dict[Index, int]:
        """The monomials of <g, W(θ)>: one for every value of all legs."""
        concrete = self.concrete
        legs = list(concrete.dims)
        table: dict[Index, int] = {}
        for values in product(*(range(concrete.dims[leg]) for leg in legs)):
            at = dict(zip(legs, values, strict=True))
            exponents = [0] * self.variables
            exponents[self.gradient_place[tuple(at[leg] for leg in concrete.output)]] += 1
            for name, own in concrete.factors:
                exponents[self.place[name, tuple(at[leg] for leg in own)]] += 1
            key = tuple(exponents)
            table[key] = table.get(key, 0) + 1
        return table

    # -- the ansatz -----------------------------------------------------------------------------------------------

    def solve(self) -> list[_Form]:
        """A basis of all c with Σ c_ab (θ_a f_b + θ_b f_a) = 0 identically, f the gradient."""
        rows: dict[int, dict[_Unknown, int]] = {}
        unknowns = [(a, b) for a in range(len(self.entries)) for b in range(a, len(self.entries))]
        for a, b in unknowns:
            for of, times in ((a, b), (b, a)):
                step = 1 << (_BITS * times)
                for monomial, c in self.slopes[of].items():
                    row = rows.setdefault(monomial + step, {})
                    row[a, b] = row.get((a, b), 0) + c
        equations = {frozenset(row.items()) for row in rows.values()}
        forms: list[_Form] = []
        for columns, block in _components(unknowns, equations):
            forms += self.nullspace(columns, block)
        return forms

    def nullspace(self, columns: list[_Unknown], block: list[_Equation]) -> list[_Form]:
        from sympy.polys.domains import QQ
        from sympy.polys.matrices import DomainMatrix

        if not block:
            return [{self.pair(unknown): Fraction(1)} for unknown in columns]
        where = {unknown: k for k, unknown in enumerate(columns)}
        rows: dict[int, dict[int, Any]] = {
            k: {where[unknown]: QQ(c) for unknown, c in row} for k, row in enumerate(block)
        }
        kernel = DomainMatrix(rows, (len(block), len(columns)), QQ).nullspace().to_sdm()
        return [
            {
                self.pair(columns[j]): Fraction(int(c.numerator), int(c.denominator))
                for j, c in sorted(kernel[k].items())
            }
            for k in sorted(kernel)
        ]

    def pair(self, unknown: _Unknown) -> tuple[Entry, Entry]:
        a, b = (self.entries[k] for k in unknown)
        return min(a, b), max(a, b)

    # -- reading it in the user's names ---------------------------------------------------------------------------

    def recognise(self) -> list[tuple[Gram, Gram | None, Fraction, tuple[QuadraticForm, ...]]]:
        """Differences of Gram forms that are conserved, finest first; each an exact polynomial identity."""
        found: list[tuple[Gram, Gram | None, Fraction, tuple[QuadraticForm, ...]]] = []
        occurrences = list(dict.fromkeys(self.concrete.factors))
        alone: set[str] = set()
        for name, legs in occurrences:
            for batch, matrix in _labels(tuple(dict.fromkeys(legs))):
                gram = Gram(name, legs, batch, matrix)
                if self.conserved(forms := self.forms(gram, None, Fraction(0))):
                    alone.add(name)
                    found.append((gram, None, Fraction(0), forms))
        for (x, x_legs), (y, y_legs) in combinations(occurrences, 2):
            if x == y or {x, y} & alone:
                continue
            shared = tuple(leg for leg in dict.fromkeys(x_legs) if leg in y_legs)
            for batch, matrix in _labels(shared):
                left, right = Gram(x, x_legs, batch, matrix), Gram(y, y_legs, batch, matrix)
                ratio = self.ratio(left, right)
                if ratio and self.conserved(forms := self.forms(left, right, ratio)):
                    found.append((left, right, ratio, forms))
        # Finest first: a law for every pair of indices implies the one for every index, which implies the sum.
        found.sort(key=lambda law: (-len(law[3]), len(law[0].batch) + len(law[0].matrix)))
        unique: dict[frozenset[QuadraticForm], tuple[Gram, Gram | None, Fraction, tuple[QuadraticForm, ...]]] = {}
        for law in found:
            unique.setdefault(frozenset(law[3]), law)
        return list(unique.values())

    def indices(self, gram: Gram) -> Iterable[tuple[dict[str, int], dict[str, int], dict[str, int]]]:
        dims = self.concrete.dims
        pairs = list(product(*(range(dims[leg]) for leg in gram.matrix)))
        for fixed in product(*(range(dims[leg]) for leg in gram.batch)):
            at = dict(zip(gram.batch, fixed, strict=True))
            for i, left in enumerate(pairs):
                for right in pairs[i:]:
                    yield at, dict(zip(gram.matrix, left, strict=True)), dict(zip(gram.matrix, right, strict=True))

    def forms(self, left: Gram, right: Gram | None, ratio: Fraction) -> tuple[QuadraticForm, ...]:
        made: list[QuadraticForm] = []
        for at in self.indices(left):
            total = dict(left.form(self.concrete.blocks[left.block], *at))
            if right is not None:
                for pair, c in right.form(self.concrete.blocks[right.block], *at).items():
                    total[pair] = total.get(pair, Fraction(0)) - ratio * c
            made.append(_frozen(total))
        return tuple(made)

    def ratio(self, left: Gram, right: Gram) -> Fraction | None:
        """The number c for which left - c right can be conserved, from their derivatives at one integer point.

        A guess that only saves work (a wrong one is thrown out by the exact check; a point where the derivative of the
        right one happens to vanish would lose a name, not a law).
        """
        first = next(iter(self.indices(left)))
        rates = [self.rate(gram.form(self.concrete.blocks[gram.block], *first)) for gram in (left, right)]
        return rates[0] / rates[1] if rates[1] else None

    @cached_property
    def point(self) -> tuple[list[int], list[int]]:
        """One integer point, and the gradient there."""
        random = Random(1)
        values = [random.randint(-99, 99) or 1 for _ in range(self.variables)]
        slopes = [
            sum(
                c * prod(v**e for v, e in zip(values, _unpack(m, self.variables), strict=True) if e)
                for m, c in slope.items()
            )
            for slope in self.slopes
        ]
        return values, slopes

    def rate(self, form: _Form) -> Fraction:
        values, slopes = self.point
        total = Fraction(0)
        for (a, b), c in form.items():
            i, j = self.place[a], self.place[b]
            total += c * (values[i] * slopes[j] + values[j] * slopes[i])
        return total

    # -- the exact check ------------------------------------------------------------------------------------------

    def conserved(self, forms: tuple[QuadraticForm, ...]) -> bool:
        """Whether the derivative of every form is the zero polynomial, in FLINT's own polynomials."""
        if any(self.rate(dict(form.terms)) for form in forms):
            return False
        variables, slopes = self.flint
        for form in forms:
            total = variables[0] * 0
            for (a, b), c in form.terms:
                i, j = self.place[a], self.place[b]
                total += (variables[i] * slopes[j] + variables[j] * slopes[i]) * _fmpq(c)
            if not total.is_zero():
                return False
        return True

    @cached_property
    def flint(self) -> tuple[list[fmpq_mpoly], list[fmpq_mpoly]]:
        """Variables and gradient in FLINT: the end tensor is multiplied out and differentiated there a second time."""
        from flint import Ordering, fmpq_mpoly_ctx

        names = [f"x{k}" for k in range(self.variables)]
        context = fmpq_mpoly_ctx.get(names, Ordering.lex)
        variables = list(context.gens())
        inner = context.from_dict({exponents: c for exponents, c in self.inner().items()})
        return variables, [inner.derivative(k) for k in range(len(self.entries))]


def _components(unknowns: list[_Unknown], equations: set[_Equation]) -> list[tuple[list[_Unknown], list[_Equation]]]:
    """Set unknowns that stand alone in an equation to zero, again and again; split what is left into blocks."""
    rows = [dict(equation) for equation in equations]
    using: dict[_Unknown, list[int]] = {unknown: [] for unknown in unknowns}
    for k, row in enumerate(rows):
        for unknown in row:
            using[unknown].append(k)
    zero: set[_Unknown] = set()
    work = [next(iter(row)) for row in rows if len(row) == 1]
    while work:
        unknown = work.pop()
        if unknown in zero:
            continue
        zero.add(unknown)
        for k in using[unknown]:
            rows[k].pop(unknown, None)
            if len(rows[k]) == 1:
                work.append(next(iter(rows[k])))
    leader = {unknown: unknown for unknown in unknowns if unknown not in zero}

    def find(unknown: _Unknown) -> _Unknown:
        while leader[unknown] != unknown:
            leader[unknown] = leader[leader[unknown]]
            unknown = leader[unknown]
        return unknown

    left = {frozenset(row.items()) for row in rows if row}
    for row in left:
        first, *others = (unknown for unknown, _ in row)
        for other in others:
            leader[find(other)] = find(first)
    columns: dict[_Unknown, list[_Unknown]] = {}
    for unknown in leader:
        columns.setdefault(find(unknown), []).append(unknown)
    blocks: dict[_Unknown, list[_Equation]] = {}
    for row in sorted(left, key=sorted):
        blocks.setdefault(find(next(iter(row))[0]), []).append(row)
    return [(sorted(own), blocks.get(key, [])) for key, own in sorted(columns.items())]


def _labels(legs: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every way to make some legs batch legs and some matrix legs."""
    for kinds in product((0, 1, 2), repeat=len(legs)):
        batch = tuple(leg for leg, kind in zip(legs, kinds, strict=True) if kind == 1)
        matrix = tuple(leg for leg, kind in zip(legs, kinds, strict=True) if kind == 2)
        yield batch, matrix


def _frozen(form: _Form) -> QuadraticForm:
    return QuadraticForm(tuple(sorted((pair, c) for pair, c in form.items() if c)))


def _rank(forms: list[QuadraticForm], columns: Mapping[tuple[Entry, Entry], int]) -> int:
    from flint import fmpq_mat

    if not forms or not columns:
        return 0
    matrix = fmpq_mat(len(forms), len(columns))
    for k, form in enumerate(forms):
        for pair, c in form.terms:
            matrix[k, columns[pair]] = _fmpq(c)
    return int(matrix.rank())


def _fmpq(value: Fraction) -> Any:
    from flint import fmpq

    return fmpq(value.numerator, value.denominator)


def _pack(exponents: Iterable[int]) -> int:
    return sum(e << (_BITS * k) for k, e in enumerate(exponents) if e)


def _unpack(monomial: int, variables: int) -> list[int]:
    mask = (1 << _BITS) - 1
    return [monomial >> (_BITS * k) & mask for k in range(variables)]


def _leg(leg: str) -> str:
    """The name of a leg for people: inner legs of a chain are written "a()1" or "i[n](2)1" in the definition."""
    return leg.replace("()", "").replace("(", "").replace(")", ".")


def _entry(entry: Entry) -> str:
    name, index = entry
    return f"{name}({','.join(str(i + 1) for i in index)})" if index else name


__all__ = ["Gram", "Law", "Laws", "QuadraticForm", "for_all_sizes", "quadratic_laws"]
