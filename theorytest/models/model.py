"""A parameterization at concrete sizes: its end tensor and its gradients, written once for every arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from random import Random
from types import MappingProxyType
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Concrete, Each, Parameterization
from theorytest.models.arithmetic import enter, fraction, leave
from theorytest.models.contraction import Contraction, contraction

Blocks = Mapping[str, Any]  # block name -> kernel Array, numpy array (floats or objects) or torch tensor


@dataclass(frozen=True)
class Matrices:
    """A product of matrices inside a model: block names from left to right, and the legs that index copies of it.

    For deep matrix factorization ``("W[3]", "W[2]", "W[1]")`` and no legs; for deep Tucker one per mode, with the leg
    ``r[n]``: own matrices for every column.
    """

    names: tuple[str, ...]
    batch: tuple[str, ...]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, eq=False)
class Model:
    """A parameterization at concrete sizes. Two models are equal if their definitions and sizes are.

    parameterization: the kernel's definition; sizes: its size symbols, e.g. ``{"N": 3, "d": (3, 4, 5), "R": 2}``.
    Raises `InputError` where a size is missing, not positive or does not fit.

    >>> from fractions import Fraction
    >>> from theorytest.models import cp
    >>> model = cp((2, 3), rank=1)
    >>> model.shapes, model.parameters, model.shape
    ({'w[1]': (1, 2), 'w[2]': (1, 3)}, 5, (2, 3))
    >>> blocks = model.random(seed=0)
    >>> model.end_tensor(blocks).shape
    (2, 3)
    """

    parameterization: Parameterization
    sizes: Mapping[str, Any]

    def __post_init__(self) -> None:
        sizes = {name: _frozen(value) for name, value in sorted(dict(self.sizes).items())}
        object.__setattr__(self, "sizes", MappingProxyType(sizes))
        _ = self.concrete  # a bad size is an error now, not at the first use

    def _key(self) -> tuple[Any, ...]:
        return self.parameterization, tuple(self.sizes.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self.parameterization, dict(self.sizes))

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {dict(self.sizes)})"

    # -- shapes -------------------------------------------------------------------------------------------------

    @cached_property
    def concrete(self) -> Concrete:
        """The definition written out as one einsum over named blocks."""
        try:
            return self.parameterization.at(self.sizes)
        except KernelError as error:
            raise InputError(f"{self.name}: {error}") from error

    @property
    def name(self) -> str:
        """Name of the parameterization."""
        return self.parameterization.name

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Block name -> shape, in the order of the definition."""
        return dict(self.concrete.blocks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the end tensor."""
        return self.concrete.shape

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(prod(shape) for shape in self.concrete.blocks.values())

    @cached_property
    def legs(self) -> dict[str, tuple[str, ...]]:
        """Block name -> leg names; a shared block has the legs of its first occurrence."""
        found: dict[str, tuple[str, ...]] = {}
        for name, legs in self.concrete.factors:
            found.setdefault(name, legs)
        return found

    @cached_property
    def matrices(self) -> tuple[Matrices, ...]:
        """The products of matrices in the definition (its chains); those of length 0 are left out."""
        found: list[Matrices] = []
        for chain in _chains(self.parameterization.body):
            body = chain.body
            place = body.family.index(chain.index)
            groups: dict[tuple[int, ...], list[tuple[int, str]]] = {}
            for name in self.concrete.blocks:
                stem, _, tail = name.partition("[")
                if stem == body.name:
                    members = tuple(int(part) for part in tail.rstrip("]").split(","))
                    groups.setdefault(members[:place] + members[place + 1 :], []).append((members[place], name))
            for group in groups.values():
                names = tuple(name for _, name in sorted(group, reverse=chain.descending))
                found.append(Matrices(names, self.legs[names[0]][:-2]))
        return tuple(found)

    @cached_property
    def component_legs(self) -> tuple[str, ...]:
        """Legs that join two or more blocks outside of products of matrices: ``r`` for CP, ``r[n]`` for Tucker.

        Along the gradient flow the squared norms of the slices of any two blocks that share such a leg differ by a
        constant (RMC21 Lemma 1, HKA24 Lemma 4.1). Deep matrix factorization has none: its law is about Gram matrices.
        """
        chained = {leg for chain in self.matrices for name in chain.names for leg in self.legs[name][-2:]}
        legs = dict.fromkeys(leg for legs in self.legs.values() for leg in legs)
        return tuple(leg for leg in legs if leg not in chained and len(self.holders(leg)) > 1)

    def holders(self, leg: str) -> tuple[str, ...]:
        """The blocks that have a leg, in the order of the definition."""
        return tuple(name for name in self.concrete.blocks if leg in self.legs[name])

    # -- values and gradients -----------------------------------------------------------------------------------

    @cached_property
    def _contraction(self) -> Contraction:
        concrete = self.concrete
        return contraction(tuple(legs for _, legs in concrete.factors), concrete.output, concrete.dims)

    def end_tensor(self, blocks: Blocks) -> Any:
        """The end tensor, in the arithmetic of the blocks: shape ``(*batch, *self.shape)``.

        Exact for kernel Arrays, fmpq and sympy (not expanded); an enclosure for arb; rounded otherwise. Raises
        `InputError` for missing or extra blocks, wrong shapes, mixed or unknown types.
        """
        held = self._enter(blocks)
        value, _ = self._contraction.forward([held[name] for name, _ in self.concrete.factors])
        return leave(value, next(iter(blocks.values())))

    def gradients(self, blocks: Blocks, loss_gradient: Any) -> dict[str, Any]:
        """Block name -> gradient of <loss_gradient, end tensor> by the block: the exact chain rule for any loss.

        loss_gradient: shape ``(*batch, *self.shape)``, in the arithmetic of the blocks. With batch dimensions every
        instance has its own gradient (nothing is summed over the batch), also for blocks given without them.
        """
        return self.pullback(blocks)[1](loss_gradient)

    def pullback(self, blocks: Blocks) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
        """The end tensor, and the map from a loss gradient to the gradients of the blocks; the products are shared."""
        held = self._enter(blocks)
        like = next(iter(blocks.values()))
        value, tape = self._contraction.forward([held[name] for name, _ in self.concrete.factors])

        def pull(loss_gradient: Any) -> dict[str, Any]:
            gradient = enter(loss_gradient, "loss_gradient")
            if type(gradient) is not type(value) or isinstance(loss_gradient, Array) != isinstance(like, Array):
                raise InputError(
                    f"loss_gradient is a {type(loss_gradient).__name__} but the blocks are {type(like).__name__}: "
                    "convert one of them (to_numpy, to_torch, to_flint, ...)"
                )
            self._fits(gradient, self.shape, "loss_gradient")
            made: dict[str, Any] = {}
            parts = self._contraction.backward(tape, gradient)
            for (name, _), part in zip(self.concrete.factors, parts, strict=True):
                made[name] = made[name] + part if name in made else part
            return {name: leave(made[name], like) for name in self.concrete.blocks}

        return leave(value, like), pull

    def random(self, seed: int, *, scale: Fraction | int | str = 1, denominator: int = 8) -> dict[str, Array]:
        """Exact blocks: every entry is ``scale * k / denominator``, k uniform in -denominator..denominator.

        The same seed gives the same blocks on every machine. Neither balanced nor of low rank.
        """
        if denominator < 1:
            raise InputError(f"given denominator={denominator}, needed a positive integer")
        draw, factor = Random(seed), fraction(scale)
        return {
            name: Array(
                shape,
                tuple(
                    factor * Fraction(draw.randint(-denominator, denominator), denominator) for _ in range(prod(shape))
                ),
            )
            for name, shape in self.concrete.blocks.items()
        }

    # -- checks -------------------------------------------------------------------------------------------------

    def _enter(self, blocks: Blocks) -> dict[str, Any]:
        needed = self.concrete.blocks
        if set(blocks) != set(needed):
            missing, extra = sorted(set(needed) - set(blocks)), sorted(set(blocks) - set(needed))
            raise InputError(f"{self.name} needs the blocks {list(needed)}; missing {missing}, not known {extra}")
        held = {name: enter(blocks[name], f"block {name}") for name in needed}
        if len({(type(held[name]), isinstance(blocks[name], Array)) for name in needed}) != 1:
            given = sorted({type(block).__name__ for block in blocks.values()})
            raise InputError(f"the blocks mix {given}, needed one kind: convert with to_numpy, to_torch, to_flint, ...")
        for name, shape in needed.items():
            self._fits(held[name], shape, f"block {name}")
        return held

    def _fits(self, values: Any, shape: tuple[int, ...], what: str) -> None:
        given = tuple(values.shape)
        if given[len(given) - len(shape) :] != shape or len(given) < len(shape):
            raise InputError(f"{what} has shape {given}, needed {shape} after any batch dimensions")


def _chains(node: Any) -> list[Chain]:
    if isinstance(node, Chain):
        return [node]
    if isinstance(node, Block):
        return []
    if isinstance(node, Each):
        return _chains(node.body)
    return [chain for part in node.parts for chain in _chains(part)]
