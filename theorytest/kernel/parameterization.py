"""Parameterizations of an end tensor by blocks, for all orders, depths and shapes at once.

A parameterization is a product of blocks with named legs. Legs of the same name are joined; legs that are not in the
output are summed. Two nodes stand for families of any size: ``Each`` is a product over modes ``n = 1..N`` (a leg
``i[n]`` is a leg of its own for every ``n``, a leg ``r`` is shared), and ``Chain`` is a matrix product over positions
``s = 1..k``. The same definition is read in two ways:

- ``at(sizes)`` writes it out for concrete sizes, as one einsum over named blocks;
- ``focus(picks)`` names some members of the families and groups all others into opaque tensors. This is the step from
  "N factors, L layers, R components" to "these and the rest". It is sound because a block carries the index of every
  family around it, so that the rest does not contain the named members; where a block is shared, focus refuses.

Rigour: ``focus`` and ``flow`` are trusted code. Each theorem that uses them is also evaluated at random concrete sizes
against gradients computed without them (see ``tests/kernel/test_parameterization.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import product as cartesian
from math import prod
from operator import mul
from typing import Any, cast

from flint import fmpq

from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.terms import DELTA, Tensor, Term

Sizes = Mapping[str, Any]  # {"N": 3, "d": [2, 3, 4], "k": [1, 0, 2], "R": 5, "h": [[3], [], [4, 4]]}
GRADIENT = "∇L"
REST = "~"
# Names of blocks, indices, legs and sizes are plain words. The letters that the kernel makes itself (groups, gradients,
# step sizes, deltas, inner sizes of a chain) hold other characters, so that no name can be mistaken for one of them.
_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME = re.compile(_WORD)
_LEG = re.compile(rf"{_WORD}(\[({_WORD}|\*)\])?")
_SIZE = re.compile(rf"{_WORD}(\[{_WORD}(,{_WORD})*\])?")
_MEMBER = re.compile(r"[^\s\[\]<>()*~,'/]+")  # a mode or a position that a focus names, such as "n" or "l+1"


@noun
class Block:
    """A learned tensor, or a family of them.

    family: the family indices that select a member, e.g. ``("n", "s")``; legs: leg names, e.g. ``("r", "i[n]")``.
    """

    name: str
    family: tuple[str, ...]
    legs: tuple[str, ...]


@noun
class Chain:
    """The matrix product of the members ``body[1] body[2] ... body[count]`` (or descending) between two legs.

    ``body.legs`` holds the batch legs only; the two matrix legs are added: row leg, then column leg. An empty chain is
    the identity, so the two end legs must then have the same size. ``width`` is the size symbol of the inner legs,
    indexed by the family indices around the chain, or by the chain's own position (see `at`).
    """

    index: str
    count: str
    body: Block
    left: str
    right: str
    width: str
    descending: bool


@noun
class Product:
    """The product of its parts."""

    parts: tuple[Block | Chain | Each | Product, ...]


@noun
class Each:
    """The product of ``body`` over the members ``index = 1..count`` of a family of modes."""

    index: str
    count: str
    body: Block | Chain | Product


Node = Block | Chain | Product | Each


@noun
class Link:
    """Named positions of one chain, from left to right.

    mode: the mode that the chain belongs to ("" outside a family); adjacent: nothing lies between the named positions
    (otherwise any number of others may); first: nothing lies to the left of the first one.
    """

    positions: tuple[str, ...]
    mode: str = ""
    adjacent: bool = False
    first: bool = False


@noun
class Focus:
    """Which members of the families are named: distinct modes of the ``Each`` family, and chains that are opened."""

    modes: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Concrete:
    """A parameterization written out: blocks with shapes, and one einsum.

    blocks: name -> shape, in order; factors: (block name, leg names); output: leg names; dims: leg name -> size.
    """

    blocks: dict[str, tuple[int, ...]]
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    output: tuple[str, ...]
    dims: dict[str, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the end tensor."""
        return tuple(self.dims[leg] for leg in self.output)


@noun
class Parameterization:
    """name; body; output legs (``i[*]`` for one leg of every mode); legs: pairs of a leg's stem and its size symbol
    (a leg ``i[n]`` has size ``d[n]`` for the pair ``("i", "d")``); scope: what it covers, in words.

    Raises `KernelError` where a name is not a plain word, a leg has no size or belongs to no family around it, families
    are nested or differ, or a chain begins and ends at the same leg.
    """

    name: str
    body: Block | Chain | Product | Each
    output: tuple[str, ...]
    legs: tuple[tuple[str, str], ...]
    scope: str

    def __post_init__(self) -> None:
        stems = tuple(stem for stem, _ in self.legs)
        _plain(_NAME, *stems, *(size for _, size in self.legs))
        if len(set(stems)) != len(stems):
            raise KernelError(f"a leg has two sizes: {self.legs}")
        _check_legs(self.output, stems, ("", "*"))
        _check_node(self.body, stems, ())
        if len({(node.index, node.count) for node in eaches(self.body)}) > 1:
            raise KernelError(f"{self.name}: all families of modes have the same index and the same count")

    # -- all sizes at once --------------------------------------------------------------------------------------

    def focus(self, focus: Focus) -> Term:
        """The end tensor as a term in the named members, with everything else grouped into opaque tensors."""
        return _grouped(self, focus)[0]

    def gradient(self, focus: Focus) -> Term:
        """The loss gradient at the end tensor: an opaque tensor with the legs of the output."""
        return _grouped(self, focus)[1]

    def letters(self, focus: Focus) -> dict[str, Tensor]:
        """The named members, by name: the blocks that may be followed along the flow."""
        return dict(_grouped(self, focus)[2])

    def velocities(self, focus: Focus) -> dict[str, tuple[tuple[str, ...], Term]]:
        """Minus the gradient of loss(end tensor) by every named member, for an opaque loss gradient.

        Exact: the kernel's own derivative of the multilinear term (chain rule through the end tensor).
        """
        end, gradient, named = _grouped(self, focus)
        inner = (gradient * end).sum(*(name for name, _ in end.free))
        velocity: dict[str, tuple[tuple[str, ...], Term]] = {}
        for name, tensor in named:
            legs = tuple(f"v{k}" for k in range(len(tensor.sizes)))
            velocity[name] = (legs, -inner.gradient(tensor, legs))
        return velocity

    # -- concrete sizes -----------------------------------------------------------------------------------------

    def at(self, sizes: Sizes) -> Concrete:
        """Write the parameterization out. Sizes are given by symbol: an integer, or a list with one entry per family
        index (``{"N": 3, "d": [2, 3, 4]}``). Raises `KernelError` where a size is missing, negative or inconsistent."""
        return _Expansion(self, sizes).result()

    def values_at(
        self, focus: Focus, members: Mapping[str, int], sizes: Sizes, blocks: Mapping[str, Array], gradient: Array
    ) -> dict[str, Array]:
        """The arrays that all letters of a focus stand for at concrete blocks: named members, groups, gradient.

        members: number (from 1) of each named mode and of each named chain position ("mode/position").
        """
        return _Evaluation(self, focus, members, sizes, blocks, gradient).values()


# -- exact arrays -----------------------------------------------------------------------------------------------------


@noun
class Array:
    """An exact array: shape, and rational entries in row-major order."""

    shape: tuple[int, ...]
    entries: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.shape) or len(self.entries) != prod(self.shape):
            raise KernelError(f"an array of shape {self.shape} (sizes from 1) was given {len(self.entries)} entries")

    def __getitem__(self, index: tuple[int, ...]) -> Fraction:
        place = 0
        for i, size in zip(index, self.shape, strict=True):
            place = place * size + i
        return self.entries[place]

    def regroup(self, groups: tuple[tuple[int, ...], ...]) -> Array:
        """Merge axes: each group of axes becomes one axis (the last of a group varies fastest)."""
        order = [axis for group in groups for axis in group]
        shape = [self.shape[axis] for axis in order]
        entries: list[Fraction] = []
        for index in cartesian(*map(range, shape)):
            source = [0] * len(order)
            for axis, i in zip(order, index, strict=True):
                source[axis] = i
            entries.append(self[tuple(source)])
        return Array(tuple(prod(self.shape[axis] for axis in group) for group in groups), tuple(entries))


def einsum(factors: Iterable[tuple[Array, tuple[str, ...]]], output: tuple[str, ...], dims: Mapping[str, int]) -> Array:
    """The exact sum of products over all indices that are not in the output, one factor at a time."""
    pieces = list(factors)
    table: dict[tuple[int, ...], fmpq] = {(): fmpq(1)}
    held: tuple[str, ...] = ()
    for place, (array, legs) in enumerate(pieces):
        if tuple(dims[leg] for leg in legs) != array.shape:
            raise KernelError(f"an array of shape {array.shape} was given legs of sizes {[dims[leg] for leg in legs]}")
        later = set(output).union(*(set(names) for _, names in pieces[place + 1 :]))
        new = tuple(dict.fromkeys(leg for leg in legs if leg not in held))
        wide = held + new
        keep = tuple(leg for leg in wide if leg in later)
        where = [wide.index(leg) for leg in keep]
        stride = dict.fromkeys(wide, 0)  # how far an index moves through the entries
        for axis, leg in enumerate(legs):
            stride[leg] += prod(array.shape[axis + 1 :])
        numbers = [fmpq(entry.numerator, entry.denominator) for entry in array.entries]
        spread = [
            (extra, sum(i * stride[leg] for i, leg in zip(extra, new, strict=True)))
            for extra in cartesian(*(range(dims[leg]) for leg in new))
        ]
        total: dict[tuple[int, ...], fmpq] = {}
        for index, value in table.items():
            start = sum(i * stride[leg] for i, leg in zip(index, held, strict=True))
            for extra, offset in spread:
                entry = numbers[start + offset]
                if entry:
                    full = index + extra
                    key = tuple([full[k] for k in where])
                    part = value * entry
                    total[key] = total[key] + part if key in total else part
        table, held = total, keep
    entries: list[Fraction] = []
    for index in cartesian(*(range(dims[leg]) for leg in output)):
        found = dict(zip(output, index, strict=True))
        consistent = all(found[leg] == i for leg, i in zip(output, index, strict=True))
        value = table.get(tuple(found[leg] for leg in held)) if consistent else None
        entries.append(Fraction(0) if value is None else Fraction(int(value.p), int(value.q)))
    return Array(tuple(dims[leg] for leg in output), tuple(entries))


def evaluate(term: Term, values: Mapping[str, Array], dims: Mapping[str, int]) -> Array:
    """The exact value of a term: an array over its free indices, in their order. ``dims`` gives each size symbol."""
    legs = tuple(name for name, _ in term.free)
    shape = tuple(_size(dims, size) for _, size in term.free)
    total = [Fraction(0)] * prod(shape)
    for monomial in term.monomials:
        sizes = {name: _size(dims, size) for name, size in term.free + monomial.bound}
        factors: list[tuple[Array, tuple[str, ...]]] = []
        for factor in monomial.factors:
            if factor.tensor.name == DELTA:
                n = _size(dims, factor.tensor.sizes[0])
                eye = tuple(Fraction(int(i == j)) for i in range(n) for j in range(n))
                factors.append((Array((n, n), eye), factor.indices))
            elif factor.tensor.name in values:
                factors.append((values[factor.tensor.name], factor.indices))
            else:
                raise KernelError(f"no value was given for {factor.tensor.name}")
        ones = [(Array((n,), (Fraction(1),) * n), (name,)) for name, n in sizes.items()]
        part = einsum(factors + ones, legs, sizes)
        total = [a + monomial.coefficient * b for a, b in zip(total, part.entries, strict=True)]
    return Array(shape, tuple(total))


def _size(dims: Mapping[str, int], symbol: str) -> int:
    if symbol not in dims:
        raise KernelError(f"no size was given for {symbol}")
    return dims[symbol]


# -- well-formed definitions ------------------------------------------------------------------------------------------


def _plain(pattern: re.Pattern[str], *names: str) -> None:
    odd = [name for name in names if not pattern.fullmatch(name)]
    if odd:
        raise KernelError(f"not a name that can stand here: {odd}, needed {pattern.pattern}")


def _check_legs(legs: tuple[str, ...], stems: tuple[str, ...], indices: tuple[str, ...]) -> None:
    _plain(_LEG, *legs)
    for leg in legs:
        stem, index = _stem(leg)
        if stem not in stems:
            raise KernelError(f"leg {leg} has no size: the declared stems are {sorted(stems)}")
        if index not in indices:
            raise KernelError(f"leg {leg} belongs to none of the families {indices} here")


def _check_node(node: Node, stems: tuple[str, ...], modes: tuple[str, ...]) -> None:
    """modes: the index of the family of modes around the node, if any."""
    if isinstance(node, Block):
        _check_block(node, stems, modes, ("", *modes) if modes else ("", "*"))
    elif isinstance(node, Product):
        if not node.parts:
            raise KernelError("an empty product has no legs")
        for part in node.parts:
            _check_node(part, stems, modes)
    elif isinstance(node, Each):
        if modes:
            raise KernelError("families of modes are not nested")
        _plain(_NAME, node.index, node.count)
        _check_node(node.body, stems, (node.index,))
    else:
        _plain(_NAME, node.index)
        _plain(_SIZE, node.count, node.width)
        if node.left == node.right or node.index in modes:
            raise KernelError(f"the chain of {node.body.name} needs two different end legs and an index of its own")
        _check_legs((node.left, node.right), stems, ("", *modes))
        _check_block(node.body, stems, (*modes, node.index), ("", *modes))


def _check_block(block: Block, stems: tuple[str, ...], around: tuple[str, ...], indices: tuple[str, ...]) -> None:
    _plain(_NAME, block.name)
    _check_legs(block.legs, stems, indices)
    if not set(block.family) <= set(around):
        raise KernelError(f"block {block.name} has family {block.family} inside {around}")


def eaches(node: Node) -> tuple[Each, ...]:
    if isinstance(node, Product):
        return tuple(each for part in node.parts for each in eaches(part))
    return (node,) if isinstance(node, Each) else ()


def _block_names(node: Node) -> tuple[str, ...]:
    if isinstance(node, Block):
        return (node.name,)
    if isinstance(node, Product):
        return tuple(name for part in node.parts for name in _block_names(part))
    return _block_names(node.body)


# -- grouping ---------------------------------------------------------------------------------------------------------


def _stem(leg: str) -> tuple[str, str]:
    """``"i[n]"`` -> ``("i", "n")``; ``"r"`` -> ``("r", "")``."""
    stem, _, index = leg.partition("[")
    return stem, index.rstrip("]")


class _Grouping:
    """The symbolic reading: a term in named members and groups."""

    def __init__(self, model: Parameterization, focus: Focus) -> None:
        self.model, self.focus = model, focus
        self.named: dict[str, Tensor] = {}
        self.groups: dict[str, Tensor] = {}
        self.stems = dict(model.legs)
        blocks = _block_names(model.body)
        shared = sorted({name for name in blocks if blocks.count(name) > 1})
        if shared:
            raise KernelError(f"{shared} occur twice in {model.name}: shared blocks cannot be grouped")
        _check_families(model.body, ())
        names = [link.positions for link in focus.links]
        _plain(_MEMBER, *focus.modes, *(name for positions in names for name in positions))
        if len(set(focus.modes)) != len(focus.modes):
            raise KernelError(f"the named modes must be distinct, given {focus.modes}")
        self.links = {link.mode: link for link in focus.links}
        if len(self.links) != len(focus.links) or any(len(set(n)) != len(n) or not n for n in names):
            raise KernelError("the named positions of a chain must be distinct, and a chain is opened once")
        self.opened: set[str] = set()

    def size(self, leg: str) -> str:
        stem, index = _stem(leg)
        return f"{self.stems[stem]}[{index}]" if index else self.stems[stem]

    def spread(self, leg: str) -> tuple[str, ...]:
        """``i[*]`` is one leg per named mode and one for all others together."""
        stem, index = _stem(leg)
        return tuple(f"{stem}[{mode}]" for mode in (*self.focus.modes, REST)) if index == "*" else (leg,)

    def output(self) -> tuple[str, ...]:
        return tuple(leg for name in self.model.output for leg in self.spread(name))

    def tensor(self, register: dict[str, Tensor], name: str, legs: tuple[str, ...], sizes: tuple[str, ...]) -> Term:
        made = Tensor(name, sizes)
        if name in self.named or name in self.groups:
            raise KernelError(f"two groups of {self.model.name} would be called {name}: give its blocks other names")
        register[name] = made
        return made[legs]

    def end_tensor(self) -> Term:
        term = self.read(self.model.body, (), outside=set(self.model.output))
        unopened = set(self.links) - self.opened
        if unopened:
            raise KernelError(f"there is no chain to open at {sorted(unopened)} in {self.model.name}")
        if self.focus.modes and not eaches(self.model.body):
            raise KernelError(f"there is no family of modes in {self.model.name} to name {self.focus.modes} in")
        output = self.output()
        for leg in output:
            if leg not in dict(term.free):
                raise KernelError(f"output leg {leg} does not occur in {self.model.name}")
        return term.sum(*(name for name, _ in term.free if name not in output))

    def read(self, node: Node, around: tuple[tuple[str, str], ...], outside: set[str]) -> Term:
        """around: the family indices in force with the member named; outside: legs that go on outside of the node."""
        if isinstance(node, Block):
            legs = self.legs(node.legs, around)
            return self.tensor(self.named, self.member(node, around), legs, tuple(map(self.size, legs)))
        if isinstance(node, Chain):
            return self.chain(node, around)
        if isinstance(node, Product):
            parts: list[Term] = []
            for place, part in enumerate(node.parts):
                others = outside.union(*(_open_legs(p) for k, p in enumerate(node.parts) if k != place))
                parts.append(self.read(part, around, others))
            return reduce(mul, parts)
        return self.each(node, outside)

    def legs(self, legs: tuple[str, ...], around: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
        members = dict(around)
        made: list[str] = []
        for leg in legs:
            stem, index = _stem(leg)
            made.extend(self.spread(leg) if index == "*" else (f"{stem}[{members[index]}]" if index else leg,))
        return tuple(made)

    def member(self, block: Block, around: tuple[tuple[str, str], ...]) -> str:
        return block.name + (f"[{','.join(name for _, name in around)}]" if around else "")

    def each(self, node: Each, outside: set[str]) -> Term:
        parts: list[Term] = []
        for mode in self.focus.modes:
            term = self.read(node.body, ((node.index, mode),), outside)
            kept = self.joined(node, mode, outside)
            parts.append(term.sum(*(name for name, _ in term.free if name not in kept)))
        legs = tuple(dict.fromkeys(self.joined(node, REST, outside)))
        rest = self.tensor(self.groups, f"{''.join(_block_names(node))}[{REST}]", legs, tuple(map(self.size, legs)))
        return reduce(mul, (*parts, rest))

    def joined(self, node: Each, mode: str, outside: set[str]) -> list[str]:
        """The legs of one member that go on outside of it, under the member's names."""
        kept: list[str] = []
        for leg in _open_legs(node.body):
            stem, index = _stem(leg)
            if index == node.index and f"{stem}[*]" in outside:
                kept.append(f"{stem}[{mode}]")
            elif not index:
                kept.append(leg)
        return kept

    def chain(self, node: Chain, around: tuple[tuple[str, str], ...]) -> Term:
        mode = around[-1][1] if around else ""
        left, right = self.legs((node.left, node.right), around)
        batch = self.legs(node.body.legs, around)
        label = node.body.name + (f"[{mode}]" if mode else "")
        if mode not in self.links:
            legs = (*batch, left, right)
            return self.tensor(self.groups, f"{label}*", legs, tuple(map(self.size, legs)))
        link = self.links[mode]
        names = link.positions
        if mode in self.opened:
            raise KernelError(f"there are two chains to open at {mode!r} in {self.model.name}")
        self.opened.add(mode)
        pieces: list[tuple[str, dict[str, Tensor]]] = [] if link.first else [(f"{label}<{names[0]}", self.groups)]
        for place, name in enumerate(names):
            if place and not link.adjacent:
                pieces.append((f"{label}{names[place - 1]}<{name}", self.groups))
            pieces.append((self.member(node.body, (*around, (node.index, name))), self.named))
        pieces.append((f"{label}>{names[-1]}", self.groups))
        batch_sizes = tuple(map(self.size, batch))
        parts: list[Term] = []
        at, size = left, self.size(left)
        for place, (name, register) in enumerate(pieces):
            last = place == len(pieces) - 1
            to = right if last else f"{node.left}{place}'{mode}"
            to_size = self.size(right) if last else f"{node.width}{place}'{mode}"
            parts.append(self.tensor(register, name, (*batch, at, to), (*batch_sizes, size, to_size)))
            at, size = to, to_size
        total = reduce(mul, parts)
        return total.sum(*(n for n, _ in total.free if n not in (*batch, left, right)))


@lru_cache(maxsize=1024)
def _grouped(model: Parameterization, focus: Focus) -> tuple[Term, Term, tuple[tuple[str, Tensor], ...]]:
    """The end tensor seen through a focus, the loss gradient with its legs, and the named members. (The same claims are
    read through the same focus many times: this is remembered. All of it is immutable.)"""
    grouping = _Grouping(model, focus)
    end = grouping.end_tensor()
    free, legs = dict(end.free), grouping.output()
    gradient = Tensor(GRADIENT, tuple(free[leg] for leg in legs))[legs]
    return end, gradient, tuple(grouping.named.items())


def _open_legs(node: Node) -> tuple[str, ...]:
    """All legs of a node, in order, once each."""
    if isinstance(node, Block):
        legs: tuple[str, ...] = node.legs
    elif isinstance(node, Chain):
        legs = (*node.body.legs, node.left, node.right)
    elif isinstance(node, Product):
        legs = tuple(leg for part in node.parts for leg in _open_legs(part))
    else:
        legs = tuple(_star(leg, node.index) for leg in _open_legs(node.body))
    return tuple(dict.fromkeys(legs))


def _star(leg: str, index: str) -> str:
    stem, own = _stem(leg)
    return f"{stem}[*]" if own == index else leg


def _check_families(node: Node, around: tuple[str, ...]) -> None:
    """Refuse blocks that do not carry every family index around them: they would be shared between members."""
    if isinstance(node, Product):
        for part in node.parts:
            _check_families(part, around)
    elif isinstance(node, Chain | Each):
        _check_families(node.body, (*around, node.index))
    elif node.family != around:
        raise KernelError(
            f"block {node.name} has family {node.family} inside {around}: a block that several members share "
            "cannot be grouped"
        )


def size_of(symbol: str, sizes: Sizes, members: Mapping[str, int]) -> int:
    """The value of a size symbol such as ``R``, ``d[n]`` or ``h[n,s]``, with the numbers of the members it names."""
    stem, index = _stem(symbol)
    if stem not in sizes:
        raise KernelError(f"the size {stem} is needed, given {sorted(sizes)}")
    value: Any = sizes[stem]
    for name in filter(None, index.split(",")):
        place = members[name] if name in members else int(name) if name.isdecimal() else 0
        entries = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
        if not 1 <= place <= len(entries):
            raise KernelError(f"size {stem} needs an entry {name}, given {sizes[stem]!r}")
        value = entries[place - 1]
    if type(value) is not int or value < 0:
        raise KernelError(f"size {symbol} must be a non-negative integer, given {value!r}")
    return value


# -- writing out ------------------------------------------------------------------------------------------------------


class _Expansion:
    """The concrete reading: blocks with shapes, and one einsum."""

    def __init__(self, model: Parameterization, sizes: Sizes) -> None:
        self.model, self.sizes, self.stems = model, sizes, dict(model.legs)
        self.blocks: dict[str, tuple[int, ...]] = {}
        self.factors: list[tuple[str, tuple[str, ...]]] = []
        self.dims: dict[str, int] = {}
        self.same: dict[str, str] = {}
        self.count = max((self.number(node.count, ()) for node in eaches(model.body)), default=0)

    def result(self) -> Concrete:
        self.read(self.model.body, ())
        output = tuple(leg for name in self.model.output for leg in self.spread(name))
        root = self.root
        factors = tuple((name, tuple(root(leg) for leg in legs)) for name, legs in self.factors)
        for leg in output:
            self.dim(leg)
        dims: dict[str, int] = {}
        for leg, size in self.dims.items():
            if dims.setdefault(root(leg), size) != size:
                raise KernelError(
                    f"leg {leg} of size {size} is joined to one of size {dims[root(leg)]} by an empty chain"
                )
        used = {leg for _, legs in factors for leg in legs}
        lonely = [leg for leg in self.dims if root(leg) not in used]
        if lonely:
            raise KernelError(f"no block has the leg {lonely[0]} at these sizes (an empty chain has no end tensor)")
        return Concrete(self.blocks, factors, tuple(map(root, output)), dims)

    def root(self, leg: str) -> str:
        while leg in self.same:
            leg = self.same[leg]
        return leg

    def number(self, symbol: str, around: tuple[tuple[str, int], ...]) -> int:
        return size_of(symbol, self.sizes, dict(around))

    def dim(self, leg: str) -> int:
        if leg not in self.dims:
            stem, index = _stem(leg)
            symbol = self.stems[stem] + (f"[{index}]" if index else "")
            self.dims[leg] = self.number(symbol, ())
            if self.dims[leg] < 1:
                raise KernelError(f"size {symbol} must be positive, given {self.dims[leg]}")
        return self.dims[leg]

    def spread(self, leg: str) -> tuple[str, ...]:
        stem, index = _stem(leg)
        return tuple(f"{stem}[{n}]" for n in range(1, self.count + 1)) if index == "*" else (leg,)

    def legs(self, legs: tuple[str, ...], around: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
        members = dict(around)
        made: list[str] = []
        for leg in legs:
            stem, index = _stem(leg)
            made.extend(self.spread(leg) if index in ("", "*") else (f"{stem}[{members[index]}]",))
        return tuple(made)

    def block(self, block: Block, around: tuple[tuple[str, int], ...], legs: tuple[str, ...]) -> None:
        members = dict(around)
        name = block.name + (f"[{','.join(str(members[f]) for f in block.family)}]" if block.family else "")
        shape = tuple(self.dim(leg) for leg in legs)
        if self.blocks.setdefault(name, shape) != shape:
            raise KernelError(f"block {name} is shared but would have two shapes, {self.blocks[name]} and {shape}")
        self.factors.append((name, legs))

    def read(self, node: Node, around: tuple[tuple[str, int], ...]) -> None:
        if isinstance(node, Block):
            self.block(node, around, self.legs(node.legs, around))
        elif isinstance(node, Product):
            for part in node.parts:
                self.read(part, around)
        elif isinstance(node, Each):
            for leg in _open_legs(node.body):
                if not _stem(leg)[1]:
                    self.dim(leg)  # where the family is empty, another block has to have it
            for member in range(1, self.number(node.count, around) + 1):
                self.read(node.body, (*around, (node.index, member)))
        else:
            self.chain(node, around)

    def chain(self, node: Chain, around: tuple[tuple[str, int], ...]) -> None:
        left, right = self.legs((node.left, node.right), around)
        batch = self.legs(node.body.legs, around)
        total = self.number(node.count, around)
        for leg in (*batch, left, right):  # where the chain is empty, another block has to have them
            self.dim(leg)
        if not total:
            one, other = self.root(left), self.root(right)
            if one != other:
                self.same[one] = other
            return
        order = range(total, 0, -1) if node.descending else range(1, total + 1)
        tag = ",".join(str(member) for _, member in around)
        at = left
        for step, position in enumerate(order):
            # The inner leg between two positions belongs to the lower of their numbers.
            to = right
            if step < total - 1:
                place = position - 1 if node.descending else position
                to = f"{node.left}({tag}){place}"
                while to in self.dims:  # another chain begins at the same leg
                    to += "'"
                self.dims[to] = self.number(node.width, (*around, (node.index, place)))
                if self.dims[to] < 1:
                    raise KernelError(f"width {node.width} must be positive, given {self.dims[to]}")
            self.block(node.body, (*around, (node.index, position)), (*batch, at, to))
            at = to


# -- the letters of a focus at concrete blocks ------------------------------------------------------------------------


class _Evaluation:
    """Concrete arrays for the letters of a focus, so that a dimension-free term can be evaluated at an instance."""

    def __init__(
        self,
        model: Parameterization,
        focus: Focus,
        members: Mapping[str, int],
        sizes: Sizes,
        blocks: Mapping[str, Array],
        gradient: Array,
    ) -> None:
        self.model, self.focus, self.members, self.gradient = model, focus, members, gradient
        self.expansion = _Expansion(model, sizes)
        self.concrete = self.expansion.result()
        self.blocks = blocks
        for name, shape in self.concrete.blocks.items():
            if name not in blocks or blocks[name].shape != shape:
                raise KernelError(f"block {name} needs an array of shape {shape}")
        if gradient.shape != self.concrete.shape:
            raise KernelError(f"the gradient needs shape {self.concrete.shape}, given {gradient.shape}")
        picked = [members.get(mode) for mode in focus.modes]
        if len(set(picked)) != len(picked) or not all(p and 1 <= p <= self.expansion.count for p in picked):
            raise KernelError(f"the named modes need distinct numbers up to {self.expansion.count}, given {picked}")
        self.links = {link.mode: link for link in focus.links}
        self.found: dict[str, Array] = {}

    def values(self) -> dict[str, Array]:
        self.read(self.model.body, ())
        axes = self.axes(self.model.output)
        self.found[GRADIENT] = self.gradient.regroup(axes)
        return self.found

    def axes(self, legs: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """How the concrete axes of a tensor with the given (family) legs are grouped into the legs of the focus."""
        groups: list[tuple[int, ...]] = []
        place = 0
        for leg in legs:
            if _stem(leg)[1] != "*":
                groups.append((place,))
                place += 1
                continue
            numbers = [self.members[mode] for mode in self.focus.modes]
            groups.extend((place + number - 1,) for number in numbers)
            rest = [n for n in range(1, self.expansion.count + 1) if n not in numbers]
            groups.append(tuple(place + n - 1 for n in rest))
            place += self.expansion.count
        return tuple(groups)

    def member(self, block: Block, numbers: tuple[int, ...]) -> Array:
        return self.blocks[block.name + (f"[{','.join(map(str, numbers))}]" if numbers else "")]

    def read(self, node: Node, around: tuple[str, ...]) -> None:
        numbers = tuple(self.members[name] for name in around)
        if isinstance(node, Block):
            label = node.name + (f"[{','.join(around)}]" if around else "")
            self.found[label] = self.member(node, numbers).regroup(self.axes(node.legs))
        elif isinstance(node, Product):
            for part in node.parts:
                self.read(part, around)
        elif isinstance(node, Chain):
            self.chain(node, around, numbers)
        else:
            for mode in self.focus.modes:
                self.read(node.body, (mode,))
            self.rest(node)

    def part(self, node: Node, around: tuple[tuple[str, int], ...]) -> list[tuple[Array, tuple[str, ...]]]:
        """The concrete factors of a node, with concrete legs."""
        piece = _Expansion(self.model, self.expansion.sizes)
        piece.read(node, around)
        self.same, self.dims = dict(piece.same), dict(piece.dims)
        return [(self.blocks[name], tuple(piece.root(leg) for leg in legs)) for name, legs in piece.factors]

    def rest(self, node: Each) -> None:
        _grouped(self.model, self.focus)  # refuses what cannot be grouped
        outside = {leg for leg in self.outside(self.model.body, node)} | set(self.model.output)
        legs = _Grouping(self.model, self.focus).joined(node, REST, outside)
        named = {self.members[mode] for mode in self.focus.modes}
        others = [n for n in range(1, self.expansion.count + 1) if n not in named]
        factors: list[tuple[Array, tuple[str, ...]]] = []
        dims: dict[str, int] = {}
        same: dict[str, str] = {}
        for number in others:
            factors += self.part(node.body, ((node.index, number),))
            dims |= self.dims
            same |= self.same
        output: list[str] = []
        groups: list[tuple[int, ...]] = []
        for leg in dict.fromkeys(legs):
            stem, index = _stem(leg)
            mine = [f"{stem}[{n}]" for n in others] if index == REST else [leg]
            groups.append(tuple(range(len(output), len(output) + len(mine))))
            output += mine
        for leg in output:
            dims.setdefault(leg, self.expansion.dim(leg))
        full = _with_identities(factors, tuple(output), dims, same)
        self.found[f"{''.join(_block_names(node))}[{REST}]"] = full.regroup(tuple(groups))

    def outside(self, node: Node, skip: Each) -> tuple[str, ...]:
        if node == skip:
            return ()
        if isinstance(node, Product):
            return tuple(leg for part in node.parts for leg in self.outside(part, skip))
        return _open_legs(node)

    def chain(self, node: Chain, around: tuple[str, ...], numbers: tuple[int, ...]) -> None:
        mode = around[-1] if around else ""
        label = node.body.name + (f"[{mode}]" if mode else "")
        total = self.expansion.number(node.count, tuple(zip(node.body.family, numbers, strict=False)))
        order = list(range(total, 0, -1)) if node.descending else list(range(1, total + 1))
        if mode not in self.links:
            self.found[f"{label}*"] = self.segment(node, numbers, order, None)
            return
        link = self.links[mode]
        names = link.positions
        places = [self.members.get(f"{mode}/{name}", 0) for name in names]
        if any(p not in order for p in places):
            raise KernelError(f"the chain {label} has positions {order}, named were {places}")
        at = [order.index(p) for p in places]
        if at != sorted(set(at)) or (link.adjacent and at != list(range(at[0], at[0] + len(at)))):
            raise KernelError(f"the named positions {places} of {label} are not in order, or not adjacent")
        if link.first and at[0] != 0:
            raise KernelError(f"the named position {places[0]} of {label} is not the first")
        start = 0
        previous = ""
        for place, (spot, name) in enumerate(zip(at, names, strict=True)):
            if not (link.first if place == 0 else link.adjacent):
                group = f"{label}{previous}<{name}"
                self.found[group] = self.segment(node, numbers, order[start:spot], order[spot])
            member = node.body.name + f"[{','.join((*around, name))}]"
            self.found[member] = self.member(node.body, (*numbers, order[spot]))
            start, previous = spot + 1, name
        self.found[f"{label}>{previous}"] = self.segment(node, numbers, order[start:], None)

    def segment(self, node: Chain, numbers: tuple[int, ...], positions: list[int], after: int | None) -> Array:
        """The product of consecutive members of a chain, with the batch legs in front; empty: the identity."""
        batch = len(node.body.legs)
        if positions:
            factors: list[tuple[Array, tuple[str, ...]]] = []
            dims: dict[str, int] = {}
            for step, position in enumerate(positions):
                array = self.member(node.body, (*numbers, position))
                legs = (*(f"b{k}" for k in range(batch)), f"m{step}", f"m{step + 1}")
                dims |= dict(zip(legs, array.shape, strict=True))
                factors.append((array, legs))
            output = (*(f"b{k}" for k in range(batch)), "m0", f"m{len(positions)}")
            return einsum(factors, output, dims)
        around = tuple(zip(node.body.family, numbers, strict=False))
        _, right = self.expansion.legs((node.left, node.right), around)
        # An empty group is the identity: on the rows of the member after it, or on the right end of the chain.
        width = self.expansion.dim(right) if after is None else self.member(node.body, (*numbers, after)).shape[-2]
        shape = tuple(self.expansion.dim(leg) for leg in self.expansion.legs(node.body.legs, around))
        entries = [Fraction(int(index[-1] == index[-2])) for index in cartesian(*map(range, (*shape, width, width)))]
        return Array((*shape, width, width), tuple(entries))


def _with_identities(
    factors: list[tuple[Array, tuple[str, ...]]], output: tuple[str, ...], dims: dict[str, int], same: dict[str, str]
) -> Array:
    """An einsum whose output may hold legs that an empty chain has joined."""
    pieces = list(factors)
    for gone, kept in same.items():
        n = dims[gone]
        eye = Array((n, n), tuple(Fraction(int(i == j)) for i in range(n) for j in range(n)))
        pieces.append((eye, (gone, kept)))
    held = {leg for _, legs in pieces for leg in legs}
    pieces += [(Array((dims[leg],), (Fraction(1),) * dims[leg]), (leg,)) for leg in output if leg not in held]
    return einsum(pieces, output, dims)
