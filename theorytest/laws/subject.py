"""What laws are asked of: a parameter map with a name, made from any way to write a model down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Block, Chain, Concrete, Parameterization, Product
from theorytest.kernel.rank import Component, Contraction, InverseNorm, ParameterMap, parameter_map
from theorytest.models.model import Model

LARGEST_TRACE = 60  # parameters of a Python function that is multiplied out

LINEAR = Parameterization(
    "linear network",
    Chain("l", "q", Block("U", ("l",), ()), "a", "b", "n[l]", False),
    ("a", "b"),
    (("a", "n_in"), ("b", "n_out")),
    "U[1] U[2] ... U[q], any depth and widths",
)


@dataclass(frozen=True)
class Subject:
    """A map whose laws are sought.

    name; map: the kernel's noun; general: for each component of the map the parameterization that it is an instance of
    at these sizes, or None (then laws are proved for these sizes only).
    """

    name: str
    map: ParameterMap
    general: tuple[Parameterization | None, ...]


def subject(definition: Any, sizes: Mapping[str, Any] | None = None) -> Subject:
    """Read a definition: a `Parameterization` with its sizes (symbol -> size), a `Model`, a written-out `Concrete`, a
    `ParameterMap`, a Python function of named blocks with their shapes (``sizes``: name -> shape, or the defaults of
    its parameters), or the text of a SPEC such as "linear:3,4,2".

    Raises `InputError` where it is none of these, sizes are missing, or a function is no polynomial.
    """
    if isinstance(definition, Subject):
        return definition
    if isinstance(definition, str):
        from theorytest.laws.spec import parse

        return parse(definition)
    if isinstance(definition, ParameterMap):
        return Subject("parameter map", definition, (None,) * len(definition.components))
    if isinstance(definition, Concrete):
        return Subject("parameterization", parameter_map(definition), (None,))
    if isinstance(definition, Model):
        return Subject(definition.name, _map(definition.concrete), (definition.parameterization,))
    if isinstance(definition, Parameterization):
        if sizes is None:
            raise InputError(f"{definition.name} was given without sizes, needed one for each symbol")
        try:
            return Subject(definition.name, parameter_map(definition.at(sizes)), (definition,))
        except KernelError as error:
            raise InputError(f"{definition.name}: {error}") from error
    if callable(definition):
        return from_function(definition, sizes)
    raise InputError(
        f"given a {type(definition).__name__}, needed a parameterization with sizes, a model, a function of named "
        "blocks, or a SPEC such as 'linear:3,4,2'"
    )


def _map(concrete: Concrete) -> ParameterMap:
    try:
        return parameter_map(concrete)
    except KernelError as error:
        raise InputError(str(error)) from error


# -- models that are not one einsum of learned blocks ------------------------------------------------------------------


def linear(dims: Sequence[int]) -> Subject:
    """The linear network U[1] U[2] ... U[q] with U[l] of shape (dims[l-1], dims[l])."""
    dims = _widths(dims)
    hidden = list(dims[1:-1])
    sizes = {"q": len(dims) - 1, "n_in": dims[0], "n_out": dims[-1], "n": hidden}
    return subject(LINEAR, sizes)


def relu(dims: Sequence[int], *, bias: bool = False) -> Subject:
    """The path parameterization of a feed-forward ReLU network: one entry for every path from an input, or from the
    bias of a hidden neuron, to an output. Blocks W[l] of shape (dims[l-1], dims[l]) and b[l] of shape (dims[l],).

    The network's output is linear in it wherever no neuron is at its kink: its laws are laws of the network.
    """
    dims = _widths(dims)
    depth = len(dims) - 1
    legs = [f"n{k}" for k in range(depth + 1)]
    blocks: list[tuple[str, tuple[int, ...]]] = []
    for k in range(1, depth + 1):
        blocks.append((f"W[{k}]", (dims[k - 1], dims[k])))
        if bias and k < depth:
            blocks.append((f"b[{k}]", (dims[k],)))
    components: list[Component] = []
    general: list[Parameterization | None] = []
    for start in range(depth if bias else 1):
        factors = [(f"W[{k}]", (legs[k - 1], legs[k])) for k in range(start + 1, depth + 1)]
        first = [(f"b[{start}]", (legs[start],))] if start else []
        components.append(Component(tuple(legs[start:]), (Contraction(Fraction(1), tuple(first + factors)),)))
        named = [Block(_word(name), (), own) for name, own in first + factors]
        sizes = tuple((leg, leg) for leg in legs[start:])
        general.append(
            Parameterization("paths of a ReLU network", Product(tuple(named)), tuple(legs[start:]), sizes, "all widths")
        )
    made = ParameterMap(tuple(blocks), tuple(zip(legs, dims, strict=True)), tuple(components))
    return Subject(f"ReLU network{' with biases' if bias else ''}", made, tuple(general))


def weight_normalization(dims: Sequence[int]) -> Subject:
    """A linear network whose layers are weight-normalised: column j of layer l is g[l][j] V[l][:,j] / ||V[l][:,j]||.

    A column of one entry would be normalised to its sign: all widths but the last are at least 2.
    """
    dims = _widths(dims)
    if 1 in dims[:-1]:
        raise InputError(f"given the widths {list(dims)}, needed 2 or more before the last: v / |v| is only a sign")
    legs = [f"n{k}" for k in range(len(dims))]
    blocks: list[tuple[str, tuple[int, ...]]] = []
    factors: list[tuple[str, tuple[str, ...]]] = []
    norms: list[InverseNorm] = []
    for k in range(1, len(dims)):
        blocks += [(f"g[{k}]", (dims[k],)), (f"V[{k}]", (dims[k - 1], dims[k]))]
        norms.append(InverseNorm(f"1/||V[{k}]||", f"V[{k}]", (1,)))
        factors += [(f"g[{k}]", (legs[k],)), (f"V[{k}]", (legs[k - 1], legs[k])), (norms[-1].name, (legs[k],))]
    component = Component((legs[0], legs[-1]), (Contraction(Fraction(1), tuple(factors)),))
    made = ParameterMap(tuple(blocks), tuple(zip(legs, dims, strict=True)), (component,), norms=tuple(norms))
    return Subject("weight-normalised linear network", made, (None,))


def tensors(
    name: str, factors: Sequence[tuple[str, tuple[str, ...]]], output: Sequence[str], sizes: Mapping[str, int]
) -> Subject:
    """An einsum of named blocks; leg and size symbols have the same names."""
    used = {leg for _, legs in factors for leg in legs}
    blocks = tuple(Block(block, (), legs) for block, legs in factors)
    made = Parameterization(
        name, Product(blocks), tuple(output), tuple((leg, leg) for leg in sizes if leg in used), "all sizes"
    )
    return subject(made, {leg: size for leg, size in sizes.items() if leg in used})


def tensor_train(dims: Sequence[int], ranks: Sequence[int], *, ring: bool = False) -> Subject:
    """A tensor train G1[i1,r1] G2[r1,i2,r2] ... with the inner ranks given; a ring closes it with one rank more."""
    order = len(dims)
    needed = order if ring else order - 1
    if len(ranks) != needed or order < 2:
        raise InputError(
            f"{order} dimensions of a tensor {'ring' if ring else 'train'} need {needed} ranks, given {len(ranks)}"
        )
    sizes = {f"i{k}": dims[k - 1] for k in range(1, order + 1)}
    sizes |= {f"r{k}": rank for k, rank in enumerate(ranks, 1)}
    factors: list[tuple[str, tuple[str, ...]]] = []
    for k in range(1, order + 1):
        before = f"r{k - 1}" if k > 1 else f"r{order}" if ring else ""
        after = f"r{k}" if k < order or ring else ""
        factors.append((f"G{k}", tuple(leg for leg in (before, f"i{k}", after) if leg)))
    return tensors(f"tensor {'ring' if ring else 'train'}", factors, [f"i{k}" for k in range(1, order + 1)], sizes)


def hierarchical_tucker(dims: Sequence[int], rank: int) -> Subject:
    """A balanced binary tree: leaves U[i, r], transfer tensors B[r_left, r_right, r_up], all ranks equal."""
    if len(dims) < 2:
        raise InputError(f"hierarchical Tucker needs at least two dimensions, given {len(dims)}")
    sizes = {f"i{k}": d for k, d in enumerate(dims, 1)}
    factors: list[tuple[str, tuple[str, ...]]] = []

    def node(first: int, last: int, up: str) -> None:
        if first == last:
            factors.append((f"U{first}", (f"i{first}", up)))
            return
        middle = (first + last) // 2
        left, right = f"r{first}_{middle}", f"r{middle + 1}_{last}"
        sizes.update({left: rank, right: rank})
        factors.append((f"B{first}_{last}", tuple(leg for leg in (left, right, up) if leg)))
        node(first, middle, left)
        node(middle + 1, last, right)

    node(1, len(dims), "")
    return tensors("hierarchical Tucker", factors, [f"i{k}" for k in range(1, len(dims) + 1)], sizes)


def linear_attention(width: int, head: int, *, heads: int = 1) -> Subject:
    """Linear (softmax-free) attention sum over heads of P V x (x^T K^T Q x): the map to its sixth-order coefficients
    (P V) times (K^T Q), summed over heads. P[h] is width x head, V[h] head x width, K[h] and Q[h] head x width."""
    sizes = {"h": heads, "a": width, "v": head, "b": width, "k": head, "c": width, "d": width}
    factors = [("P", ("h", "a", "v")), ("V", ("h", "v", "b")), ("K", ("h", "k", "c")), ("Q", ("h", "k", "d"))]
    return tensors("linear attention", factors, "abcd", sizes)


def lora(dims: Sequence[int], rank: int) -> Subject:
    """Low-rank adapters on a linear network: layer l is W0[l] + B[l] A[l] with W0[l] frozen (integers, drawn once)."""
    from random import Random

    from theorytest.kernel.parameterization import Array

    dims = _widths(dims)
    random, depth = Random(0), len(dims) - 1
    blocks: list[tuple[str, tuple[int, ...]]] = []
    constants: list[tuple[str, Array]] = []
    legs = {f"n{k}": size for k, size in enumerate(dims)} | {f"r{k}": rank for k in range(1, depth + 1)}
    for k in range(1, depth + 1):
        m, n = dims[k - 1], dims[k]
        blocks += [(f"B[{k}]", (m, rank)), (f"A[{k}]", (rank, n))]
        constants.append((f"W0[{k}]", Array((m, n), tuple(Fraction(random.randint(-9, 9)) for _ in range(m * n)))))
    terms: list[Contraction] = []
    for chosen in product((False, True), repeat=depth):
        factors: list[tuple[str, tuple[str, ...]]] = []
        for k, adapted in enumerate(chosen, 1):
            if adapted:
                factors += [(f"B[{k}]", (f"n{k - 1}", f"r{k}")), (f"A[{k}]", (f"r{k}", f"n{k}"))]
            else:
                factors.append((f"W0[{k}]", (f"n{k - 1}", f"n{k}")))
        terms.append(Contraction(Fraction(1), tuple(factors)))
    component = Component(("n0", f"n{depth}"), tuple(terms))
    made = ParameterMap(tuple(blocks), tuple(legs.items()), (component,), tuple(constants))
    return Subject("low-rank adapters", made, (None,))


def _widths(dims: Sequence[int]) -> tuple[int, ...]:
    if len(dims) < 2 or any(type(d) is not int or d < 1 for d in dims):
        raise InputError(f"given the widths {list(dims)}, needed at least two positive integers such as 3,4,2")
    return tuple(dims)


def _word(name: str) -> str:
    """A block's name as a plain word: W[2] -> W2."""
    return name.replace("[", "").replace("]", "")


# -- Python functions -------------------------------------------------------------------------------------------------


def from_function(function: Callable[..., Any], shapes: Mapping[str, Any] | None = None) -> Subject:
    """The map of a Python function of named blocks: it is called once, with arrays of polynomial variables.

    shapes: block name -> shape; unless given, the defaults of the function's parameters. The function may use +, -, *,
    @, powers, sums, numpy's einsum and its own loops; it returns an array, a number or a tuple of them.
    Raises `InputError` where it does anything else (exp, comparisons, division by parameters, floats).
    """
    import numpy as np
    from flint import Ordering, fmpq_mpoly, fmpq_mpoly_ctx

    name = getattr(function, "__name__", "function")
    if shapes is None:
        parameters = inspect.signature(function).parameters.values()
        shapes = {p.name: p.default for p in parameters}
    held: dict[str, tuple[int, ...]] = {}
    for block, given in shapes.items():
        shape = (given,) if isinstance(given, int) else given
        if not isinstance(shape, (tuple, list)) or not all(type(n) is int and n > 0 for n in shape):
            raise InputError(
                f"{name}: block {block} needs a shape such as (2, 3): pass it, or make it the parameter's default"
            )
        held[block] = tuple(shape)
    places = [(block, index) for block, shape in held.items() for index in product(*map(range, shape))]
    if len(places) > LARGEST_TRACE:
        raise InputError(
            f"{name} has {len(places)} parameters, a function can have {LARGEST_TRACE} here: write it as an einsum"
        )
    context = fmpq_mpoly_ctx.get(tuple(f"x{k}" for k in range(len(places))) or ("x",), Ordering.degrevlex)
    variables = list(context.gens())
    arguments: dict[str, Any] = {}
    start = 0
    for block, shape in held.items():
        array = np.empty(prod(shape), dtype=object)
        array[:] = variables[start : start + prod(shape)]
        arguments[block] = array.reshape(shape) if shape else array[0]
        start += prod(shape)
    try:
        result = function(**arguments)
    except Exception as error:
        raise InputError(
            f"{name} is not a polynomial of its blocks ({type(error).__name__}: {error}): only +, -, *, @, powers and "
            "sums with exact numbers can be read"
        ) from error
    values: list[Any] = []
    for part in result if isinstance(result, (tuple, list)) else (result,):
        values += list(part.reshape(-1)) if isinstance(part, np.ndarray) else [part]
    components: list[Component] = []
    for value in values:
        if not isinstance(value, fmpq_mpoly):
            if isinstance(value, (int, Fraction, np.integer)):
                continue  # a constant entry has no gradient
            raise InputError(f"{name} returns a {type(value).__name__}, needed polynomials with exact coefficients")
        terms: list[Contraction] = []
        for exponents, coefficient in value.to_dict().items():
            factors = [
                (places[k][0], places[k][1]) for k, exponent in enumerate(exponents) for _ in range(int(exponent))
            ]
            if factors:
                terms.append(Contraction(Fraction(int(coefficient.p), int(coefficient.q)), tuple(factors)))
        if terms:
            components.append(Component((), tuple(terms)))
    return Subject(name, ParameterMap(tuple(held.items()), (), tuple(components)), (None,) * len(components))


__all__ = [
    "LINEAR",
    "Subject",
    "from_function",
    "hierarchical_tucker",
    "linear",
    "linear_attention",
    "lora",
    "relu",
    "subject",
    "tensor_train",
    "weight_normalization",
]
