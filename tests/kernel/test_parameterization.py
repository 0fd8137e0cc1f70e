"""The two readings of a parameterization - grouped for all sizes, written out at given ones - against each other and
against second implementations: formulas in loops, exact directional derivatives, sympy.diff, torch.autograd."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import naive
import pytest

from theorytest.kernel.claim import Flow
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import (
    GRADIENT,
    Array,
    Block,
    Chain,
    Each,
    Focus,
    Link,
    Parameterization,
    Product,
    einsum,
    evaluate,
    size_of,
)
from theorytest.kernel.statement import Instance
from theorytest.kernel.witness import assignments, block_gradients, end_tensor, letters_at
from theorytest.models import factorizations

KINDS = sorted(naive.MODELS)
ONE = Fraction(1)


def instance(kind: str, sizes: dict[str, Any], random: Random):
    """Exact blocks and a slope, as an instance and as plain dictionaries."""
    blocks = naive.random_blocks(kind, sizes, random)
    shape = naive.end_shape(kind, sizes)
    slope = {at: Fraction(random.randint(-3, 3)) for at in product(*map(range, shape))}
    arrays = tuple((n, naive.array(b, naive.shapes(kind, sizes)[n])) for n, b in blocks.items())
    made = Instance(tuple(sorted(sizes.items())), (), arrays, naive.array(slope, shape))
    return made, blocks, slope


def read(kind: str, focus: Focus, members: dict[str, int], shape: tuple[int, ...], array: Array, at) -> Fraction:
    """An entry of a tensor with family legs, by the index that it has in the model itself."""
    if kind == "matrix":
        return array[at]
    return array[naive.grouped(at, shape, [members[mode] - 1 for mode in focus.modes])]


def one_case(kind: str, focus: Focus, random: Random):
    """Sizes at which the focus names members, an instance there, and numbers for the members."""
    for _ in range(400):
        sizes = naive.random_sizes(kind, random)
        given = Instance(tuple(sorted(sizes.items())))
        members = naive.pick(lambda: assignments(Flow(naive.MODELS[kind], focus), given), random)  # noqa: B023
        if members is not None:
            return sizes, members
    raise AssertionError("no sizes found")


@pytest.mark.parametrize("kind", KINDS)
def test_end_tensor_and_gradients_through_a_focus_are_those_without(kind):
    """At least 20 shapes for every model and focus; every block that is named, by an exact second derivative."""
    model, seen = naive.MODELS[kind], set()
    for number, focus in enumerate(naive.foci(kind)):
        random = Random(f"{kind} {number}")
        flow = Flow(model, focus)
        term, velocities, letters = model.focus(focus), model.velocities(focus), model.letters(focus)
        for _ in range(22):
            sizes, members = one_case(kind, focus, random)
            made, blocks, slope = instance(kind, sizes, random)
            seen.add((sizes.get("L"), sizes.get("N"), sizes.get("k")))
            values, dims = letters_at(flow, made, members)
            shape = naive.end_shape(kind, sizes)
            whole = naive.end_tensor(kind, sizes, blocks)
            # The free indices are the output's legs in another order: by name.
            legs = [name for name, _ in term.free]
            order = [f"i[{m}]" for m in (*focus.modes, "~")] if kind != "matrix" else ["a", "b"]
            found = evaluate(term, values, dims).regroup(tuple((legs.index(leg),) for leg in order))
            assert {at: read(kind, focus, members, shape, found, at) for at in whole} == whole
            named = [block_of(kind, name, members) for name in velocities]
            expected = naive.gradients(kind, sizes, blocks, slope, named)
            for name, (own, velocity) in velocities.items():
                block = block_of(kind, name, members)
                block_shape = naive.shapes(kind, sizes)[block]
                places = [leg for leg, _ in velocity.free]
                speed = evaluate(velocity, values, dims).regroup(tuple((places.index(leg),) for leg in own))
                family = "matrix" if name != "G" else "tucker"
                assert len(own) == len(letters[name].sizes)
                for at, entry in expected[block].items():
                    assert read(family, focus, members, block_shape, speed, at) == -entry
                    assert read(family, focus, members, block_shape, values[name], at) == blocks[block][at]
    depths = {k for _, _, ks in seen if ks for k in ks}
    orders = {n for _, n, _ in seen if n}
    assert kind == "matrix" or orders == {1, 2, 3}
    assert not kind.startswith("deep") or depths == {0, 1, 2}
    assert kind != "matrix" or {depth for depth, _, _ in seen} >= {1, 2, 3, 4}


def block_of(kind: str, name: str, members: dict[str, int]) -> str:
    """The block that a named member is: ``A[m,i]`` with m = 2, i = 1 is ``A[2,1]``."""
    stem, _, inside = name.partition("[")
    if not inside:
        return name
    names = inside.rstrip("]").split(",")
    if kind == "matrix":
        return f"{stem}[{members['/' + names[0]]}]"
    numbers = [members[names[0]], *(members[f"{names[0]}/{position}"] for position in names[1:])]
    return f"{stem}[{','.join(map(str, numbers))}]"


@pytest.mark.parametrize("kind", KINDS)
def test_written_out_it_is_the_formula(kind):
    random = Random(kind)
    for _ in range(25):
        sizes = naive.random_sizes(kind, random)
        made, blocks, slope = instance(kind, sizes, random)
        concrete = naive.MODELS[kind].at(sizes)
        assert concrete.blocks == naive.shapes(kind, sizes)
        assert concrete.shape == naive.end_shape(kind, sizes)
        arrays = dict(made.blocks)
        assert end_tensor(concrete, arrays) == naive.array(naive.end_tensor(kind, sizes, blocks), concrete.shape)
        assert made.gradient is not None
        expected = naive.gradients(kind, sizes, blocks, slope)
        for name, found in block_gradients(concrete, arrays, made.gradient).items():
            assert found == naive.array(expected[name], concrete.blocks[name])


def test_the_shipped_models_are_these():
    for kind, name in (
        ("matrix", "DEEP_MATRIX"),
        ("cp", "CP"),
        ("tucker", "TUCKER"),
        ("deep cp", "DEEP_CP"),
        ("deep tucker", "DEEP_TUCKER"),
    ):
        shipped, mine = getattr(factorizations, name), naive.MODELS[kind]
        assert (shipped.body, shipped.output, shipped.legs) == (mine.body, mine.output, mine.legs)


SMALL = {
    "matrix": {"L": 3, "d_out": 2, "d_in": 1, "h": (1, 2)},
    "cp": {"N": 3, "d": (1, 2, 1), "R": 2},
    "tucker": {"N": 2, "d": (1, 2), "R": (2, 1)},
    "deep cp": {"N": 2, "d": (1, 2), "R": 1, "k": (0, 2)},
    "deep tucker": {"N": 2, "d": (2, 1), "R": (1, 2), "k": (1, 0)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_sympy(kind):
    import sympy

    random, sizes = Random(kind), SMALL[kind]
    made, blocks, slope = instance(kind, sizes, random)
    symbols = {n: {at: sympy.Symbol(f"{n}{at}") for at in block} for n, block in blocks.items()}
    end = naive.end_tensor(kind, sizes, symbols)
    loss: Any = sum(sympy.Rational(str(slope[at])) * end[at] for at in end)
    point: Any = {symbols[n][at]: sympy.Rational(str(blocks[n][at])) for n, block in blocks.items() for at in block}
    assert made.gradient is not None
    found = block_gradients(naive.MODELS[kind].at(sizes), dict(made.blocks), made.gradient)
    for name, block in symbols.items():
        for at, symbol in block.items():
            assert sympy.diff(loss, symbol).subs(point) == sympy.Rational(str(found[name][at]))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_torch(kind):
    """Small integers: autograd in float64 is exact."""
    torch = pytest.importorskip("torch")
    random = Random(f"torch {kind}")
    for _ in range(5):
        sizes = naive.random_sizes(kind, random, 4)
        made, blocks, slope = instance(kind, sizes, random)
        leaves = {
            n: {at: torch.tensor(float(x), dtype=torch.float64, requires_grad=True) for at, x in block.items()}
            for n, block in blocks.items()
        }
        end = naive.end_tensor(kind, sizes, leaves)
        loss: Any = sum((float(slope[at]) * end[at] for at in end), torch.zeros((), dtype=torch.float64))
        loss.backward()
        assert made.gradient is not None
        found = block_gradients(naive.MODELS[kind].at(sizes), dict(made.blocks), made.gradient)
        for name, block in leaves.items():
            for at, leaf in block.items():
                assert float(found[name][at]) == (0.0 if leaf.grad is None else float(leaf.grad))


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_along_the_flow_by_expanded_polynomials(kind):
    """Every entry of every block and of the slope is a variable; the velocity of an entry is minus the derivative of
    the expanded <slope, W> by it. A quantity of the named members then has this derivative, monomial by monomial."""
    focus = {"matrix": Focus((), (Link(("l+1", "l"), adjacent=True),))}.get(kind, Focus(("m",)))
    members = {"/l+1": 2, "/l": 1} if kind == "matrix" else {"m": 2}
    sizes, model = SMALL[kind], naive.MODELS[kind]
    variables = {
        name: {at: naive.Poly.variable((name, at)) for at in product(*map(range, shape))}
        for name, shape in naive.shapes(kind, sizes).items()
    }
    end = naive.end_tensor(kind, sizes, variables)
    slope = {at: naive.Poly.variable((GRADIENT, at)) for at in end}
    loss = sum((slope[at] * end[at] for at in end), naive.Poly({}))
    letters = model.letters(focus)
    flow = Flow(model, focus, speeds=((sorted(letters)[0], Fraction(2)),), decay=Fraction(1, 3))
    for seed in range(4):
        random = Random(f"{kind} {seed}")
        made, blocks, numbers = instance(kind, sizes, random)
        values, dims = letters_at(
            flow, Instance(made.sizes, tuple(members.items()), made.blocks, made.gradient), members
        )
        point = {(n, at): x for n, block in blocks.items() for at, x in block.items()}
        point |= {(GRADIENT, at): x for at, x in numbers.items()}
        for name, tensor in letters.items():
            legs = tuple(f"x{k}" for k in range(len(tensor.sizes)))
            quantity = (tensor[legs] * tensor[legs]).sum(*legs)
            found = evaluate(quantity.along(flow.velocities()), values, dims)[()]
            block = block_of(kind, name, members)
            expected = Fraction(0)
            for at in variables[block]:
                speed = -at_point(loss.derivative((block, at)), point) * (2 if name == sorted(letters)[0] else 1)
                expected += 2 * blocks[block][at] * (speed - Fraction(1, 3) * blocks[block][at])
            assert found == expected


def at_point(polynomial: Any, point: dict[Any, Fraction]) -> Fraction:
    total = Fraction(0)
    for key, coefficient in naive.Poly.of(polynomial).terms.items():
        for variable in key:
            coefficient *= point[variable]
        total += coefficient
    return total


# -- models of other forms, written out -------------------------------------------------------------------------------


def number(random: Random, shape: tuple[int, ...]) -> Array:
    return naive.array({at: random.randint(-3, 3) for at in product(*map(range, shape))}, shape)


def plain(name: str, *legs: str) -> Block:
    return Block(name, (), legs)


def elementwise(left: str, right: str) -> Parameterization:
    """Two chains between the same legs."""
    return Parameterization(
        "two chains",
        Product(
            (
                Chain("l", "L", Block("A", ("l",), ()), left, right, "h", False),
                Chain("m", "M", Block("B", ("m",), ()), "a", "b", "h", False),
            )
        ),
        ("a", "b"),
        (("a", "d"), ("b", "d")),
        "",
    )


@pytest.mark.parametrize(("left", "right"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("depths", list(product((0, 1, 2), repeat=2)))
def test_two_chains_between_the_same_legs_keep_their_inner_legs_apart(left, right, depths):
    """W = (A_1 ... A_L) * (B_1 ... B_M) entry by entry, an empty chain being the identity."""
    random, model = Random(1), elementwise(left, right)
    sizes = {"L": depths[0], "M": depths[1], "d": 2, "h": 3}
    if depths == (0, 0):
        with pytest.raises(KernelError, match="no block has the leg"):
            model.at(sizes)
        return
    concrete = model.at(sizes)
    blocks = {name: number(random, shape) for name, shape in concrete.blocks.items()}

    def chain(name: str, depth: int) -> dict[tuple[int, int], Fraction]:
        total: dict[tuple[int, int], Fraction] = {(i, j): Fraction(int(i == j)) for i in range(2) for j in range(2)}
        width = 2
        for k in range(1, depth + 1):
            block = blocks[f"{name}[{k}]"]
            to = block.shape[1]
            total = {
                (i, j): sum((total[i, k] * block[k, j] for k in range(width)), Fraction(0))
                for i in range(2)
                for j in range(to)
            }
            width = to
        return total

    first, second = chain("A", depths[0]), chain("B", depths[1])
    found = end_tensor(concrete, blocks)
    for i, j in product(range(2), repeat=2):
        assert found[i, j] == first[(i, j) if left == "a" else (j, i)] * second[i, j]
    # The grouped reading agrees.
    values = model.values_at(Focus(), {}, sizes, blocks, number(random, (2, 2)))
    assert evaluate(model.focus(Focus()), values, {"d": 2}) == found


def test_empty_chains_from_one_leg_join_all_their_ends():
    """Two empty chains a - b and a - c: all three legs are one."""
    parts = (
        Chain("l", "L", Block("A", ("l",), ()), "a", "b", "h", False),
        Chain("m", "M", Block("B", ("m",), ()), "a", "c", "h", False),
        plain("X", "c"),
    )
    model = Parameterization("fork", Product(parts), ("a", "b"), (("a", "d"), ("b", "d"), ("c", "d")), "")
    found = end_tensor(model.at({"L": 0, "M": 0, "d": 2, "h": 1}), {"X": Array((2,), (ONE, ONE * 5))})
    assert found.entries == (1, 0, 0, 5)


def test_a_summed_leg_that_no_block_has_is_refused():
    """An empty chain beside X would be a factor d (its trace of ones): it is refused, not forgotten."""
    parts = (plain("X", "a"), Chain("l", "L", Block("A", ("l",), ()), "p", "q", "h", False))
    model = Parameterization("aside", Product(parts), ("a",), (("a", "d"), ("p", "d"), ("q", "d")), "")
    assert model.at({"L": 1, "d": 2, "h": 1}).shape == (2,)
    with pytest.raises(KernelError, match="no block has the leg"):
        model.at({"L": 0, "d": 2, "h": 1})


def test_repeated_legs_and_outputs_are_diagonals():
    model = Parameterization("diagonal", plain("X", "a", "a"), ("a", "a"), (("a", "d"),), "")
    x = Array((2, 2), tuple(map(Fraction, (1, 2, 3, 4))))
    assert end_tensor(model.at({"d": 2}), {"X": x}).entries == (1, 0, 0, 4)
    flow = Flow(model, Focus())
    slope = Array((2, 2), tuple(map(Fraction, (5, 6, 7, 8))))
    values, dims = letters_at(flow, Instance((("d", 2),), (), (("X", x),), slope), {})
    speed = evaluate(flow.velocities()["X"][1], values, dims)
    gradient = block_gradients(model.at({"d": 2}), {"X": x}, slope)["X"]
    assert speed.entries == tuple(-g for g in gradient.entries) == (-5, 0, 0, -8)


def test_a_block_that_occurs_twice_can_be_written_out_but_not_grouped():
    model = Parameterization(
        "square",
        Product((plain("X", "a", "b"), plain("X", "b", "c"))),
        ("a", "c"),
        (("a", "d"), ("b", "d"), ("c", "d")),
        "",
    )
    x = Array((2, 2), tuple(map(Fraction, (1, 2, 3, 4))))
    concrete = model.at({"d": 2})
    assert end_tensor(concrete, {"X": x}).entries == (7, 10, 15, 22)
    gradient = block_gradients(concrete, {"X": x}, Array((2, 2), (ONE, ONE * 0, ONE * 0, ONE * 0)))["X"]
    assert gradient.entries == (2, 3, 2, 0)  # d (x11 x11 + x12 x21)
    with pytest.raises(KernelError, match="shared blocks"):
        model.focus(Focus())
    other = Parameterization(
        "other", Product((plain("X", "a", "b"), plain("X", "b"))), ("a",), (("a", "d"), ("b", "e")), ""
    )
    with pytest.raises(KernelError, match="two shapes"):
        other.at({"d": 2, "e": 3})


def test_a_block_that_nothing_else_meets_has_a_gradient():
    """A leg of one block only: its gradient is spread over that leg."""
    model = Parameterization(
        "sum", Product((plain("X", "a", "b"), plain("Y", "c"))), ("a",), (("a", "d"), ("b", "e"), ("c", "e")), ""
    )
    random = Random(3)
    blocks = {"X": number(random, (2, 3)), "Y": number(random, (3,))}
    slope = number(random, (2,))
    found = block_gradients(model.at({"d": 2, "e": 3}), blocks, slope)
    assert found["X"].entries == tuple(slope[(a,)] * sum(blocks["Y"].entries) for a in range(2) for _ in range(3))
    total = sum(slope[(a,)] * blocks["X"][a, b] for a in range(2) for b in range(3))
    assert found["Y"].entries == (total,) * 3
    flow = Flow(model, Focus())
    values, dims = letters_at(flow, Instance((("d", 2), ("e", 3)), (), tuple(blocks.items()), slope), {})
    for name, (_, velocity) in flow.velocities().items():
        assert evaluate(velocity, values, dims).entries == tuple(-x for x in found[name].entries)


def test_a_family_that_shares_an_inner_leg():
    """The leg k is one and the same for all modes: summed once, at the end."""
    model = Parameterization(
        "shared inner leg",
        Each("n", "N", Product((Block("A", ("n",), ("i[n]", "k")), Block("B", ("n",), ("k", "q[n]"))))),
        ("i[*]",),
        (("i", "d"), ("k", "K"), ("q", "Q")),
        "",
    )
    random = Random(4)
    sizes = {"N": 3, "d": (1, 2, 3), "K": 2, "Q": (2, 1, 3)}
    concrete = model.at(sizes)
    blocks = {name: number(random, shape) for name, shape in concrete.blocks.items()}
    expected: dict[tuple[int, ...], Fraction] = {}
    for at in product(range(1), range(2), range(3)):
        expected[at] = Fraction(0)
        for k in range(2):
            part = ONE
            for n in range(1, 4):
                part *= blocks[f"A[{n}]"][at[n - 1], k] * sum(blocks[f"B[{n}]"][k, q] for q in range(sizes["Q"][n - 1]))
            expected[at] += part
    assert end_tensor(concrete, blocks) == naive.array(expected, (1, 2, 3))
    for focus, members in ((Focus(), {}), (Focus(("m",)), {"m": 2}), (Focus(("m", "n")), {"m": 3, "n": 1})):
        values, dims = letters_at(
            Flow(model, focus),
            Instance(tuple(sizes.items()), (), tuple(blocks.items()), number(random, (1, 2, 3))),
            members,
        )
        term = model.focus(focus)
        legs = [name for name, _ in term.free]
        order = [f"i[{m}]" for m in (*focus.modes, "~")]
        found = evaluate(term, values, dims).regroup(tuple((legs.index(leg),) for leg in order))
        for at, entry in expected.items():
            assert read("cp", focus, members, (1, 2, 3), found, at) == entry


# -- refusals ---------------------------------------------------------------------------------------------------------


def family(body: Any, **more: Any) -> Parameterization:
    return Parameterization(
        "family", body, more.get("output", ("i[*]",)), more.get("legs", (("i", "d"), ("r", "R"))), ""
    )


def chained(**changes: Any) -> Parameterization:
    given: dict[str, Any] = {
        "index": "l",
        "count": "L",
        "body": Block("W", ("l",), ()),
        "left": "a",
        "right": "b",
        "width": "h[l]",
        "descending": True,
    }
    return Parameterization("chain", Chain(**(given | changes)), ("a", "b"), (("a", "d_out"), ("b", "d_in")), "")


def factor(name: str = "w", legs: tuple[str, ...] = ("r", "i[n]"), around: tuple[str, ...] = ("n",)) -> Block:
    return Block(name, around, legs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # The kernel's own letters cannot be names of blocks: a block δ would be read as the identity.
        *[
            (lambda name=name: chained(body=Block(name, ("l",), ())), "not a name")
            for name in ("δ", "∂", "∇L", "η", "β", "U(X)", "W[1]", "A*", "", "two words")
        ],
        (lambda: chained(count="R[~]"), "not a name"),
        (lambda: chained(width="h1'"), "not a name"),
        (lambda: chained(index="l,m"), "not a name"),
        (lambda: chained(right="a"), "two different end legs"),
        (lambda: chained(body=Block("W", ("l",), ("r",))), "no size"),
        (lambda: chained(body=Block("W", ("m",), ())), "has family"),
        (lambda: chained(left="a[n]"), "none of the families"),
        (lambda: Parameterization("legs", plain("X", "a"), ("a",), (("a", "d[~]"),), ""), "not a name"),
        (lambda: Parameterization("legs", plain("X", "a"), ("a",), (("a[1]", "d"),), ""), "not a name"),
        (lambda: Parameterization("legs", plain("X", "a"), ("a",), (("a", "d"), ("a", "e")), ""), "two sizes"),
        (lambda: Parameterization("legs", plain("X", "a["), ("a",), (("a", "d"),), ""), "not a name"),
        (lambda: Parameterization("legs", plain("X", "a"), ("b",), (("a", "d"),), ""), "no size"),
        (lambda: Parameterization("legs", plain("X", "a"), ("a[n]",), (("a", "d"),), ""), "none of the families"),
        (lambda: Parameterization("legs", plain("X", "a[n]"), ("a[*]",), (("a", "d"),), ""), "none of the families"),
        (lambda: Parameterization("none", Product(()), (), (), ""), "empty product"),
        (lambda: family(Each("n", "N", factor(legs=("r", "i[*]")))), "none of the families"),
        (lambda: family(Each("n", "N", factor(legs=("r", "i[m]")))), "none of the families"),
        (lambda: family(Each("*", "N", factor(around=("*",)))), "not a name"),
        (lambda: family(Each("n", "N[n]", factor())), "not a name"),
        (lambda: family(Each("n", "N", Product((Each("m", "M", factor()),)))), "not nested"),
        (
            lambda: family(Product((Each("n", "N", factor()), Each("n", "M", factor("v"))))),
            "same index and the same count",
        ),
        (
            lambda: family(Product((Each("n", "N", factor()), Each("m", "N", factor("v", ("r", "i[m]"), ("m",)))))),
            "same index and the same count",
        ),
        # One index for a mode and a position: the positions of two modes would be one and the same block.
        (
            lambda: family(
                Each(
                    "n", "N", Product((Chain("n", "k", Block("A", ("n", "n"), ()), "i[n]", "r", "d", False), factor()))
                )
            ),
            "index of its own",
        ),
        # A chain cannot have a leg of every mode: it would be read with its axes in the wrong order.
        (
            lambda: family(
                Product(
                    (Chain("s", "k", Block("A", ("s",), ("i[*]",)), "r", "q", "d", False), Each("n", "N", factor()))
                ),
                legs=(("i", "d"), ("r", "R"), ("q", "R")),
            ),
            "none of the families",
        ),
    ],
)
def test_ill_formed_models_cannot_be_made(make, message):
    with pytest.raises(KernelError, match=message):
        make()


DEEP = naive.DEEP_TUCKER


@pytest.mark.parametrize(
    ("model", "focus", "message"),
    [
        (naive.CP, Focus(("n", "n")), "distinct"),
        (naive.MATRIX, Focus(("n",)), "no family of modes"),
        (naive.CP, Focus(("~",)), "not a name"),
        (naive.CP, Focus(("*",)), "not a name"),
        (naive.CP, Focus(("m/i",)), "not a name"),
        (naive.CP, Focus(("",)), "not a name"),
        (naive.CP, Focus(("n",), (Link(("l",)),)), "no chain to open"),
        (naive.MATRIX, Focus((), (Link(("l", "l")),)), "distinct"),
        (naive.MATRIX, Focus((), (Link(()),)), "distinct"),
        (naive.MATRIX, Focus((), (Link(("l",)), Link(("m",)))), "opened once"),
        (naive.MATRIX, Focus((), (Link(("<l",)),)), "not a name"),
        (DEEP, Focus(("m",), (Link(("i",), "n"),)), "no chain to open"),
        (elementwise("a", "b"), Focus((), (Link(("l",)),)), "two chains to open"),
        (chained(body=Block("W", (), ())), Focus(), "cannot be grouped"),
        (family(Each("n", "N", factor(around=()))), Focus(("m",)), "cannot be grouped"),
        (
            family(
                Each("n", "N", Product((Chain("s", "k", Block("A", ("s",), ()), "i[n]", "r", "d", False), factor())))
            ),
            Focus(),
            "cannot be grouped",
        ),
        # w[n] of the family and w[l] of the chain are the same blocks.
        (
            family(
                Product((Each("n", "N", factor()), Chain("l", "L", Block("w", ("l",), ()), "r", "r2", "h", False))),
                legs=(("i", "d"), ("r", "R"), ("r2", "R")),
            ),
            Focus(),
            "shared blocks",
        ),
        (
            family(Each("n", "N", factor()), output=("i[*]", "q"), legs=(("i", "d"), ("r", "R"), ("q", "Q"))),
            Focus(),
            "does not occur",
        ),
        (
            family(Product((Each("n", "N", factor("AB")), Each("n", "N", Product((factor("A"), factor("B"))))))),
            Focus(),
            "two groups",
        ),
    ],
)
def test_foci_that_cannot_be_grouped_are_refused(model, focus, message):
    with pytest.raises(KernelError, match=message):
        model.focus(focus)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("matrix", {"L": 0, "h": ()}, "joined to one of size|no block has the leg"),
        ("matrix", {"L": -1}, "non-negative integer"),
        ("matrix", {"L": "3"}, "non-negative integer"),
        ("matrix", {"L": True}, "non-negative integer"),
        ("matrix", {"d_out": 0}, "must be positive"),
        ("matrix", {"h": (0, 2)}, "must be positive"),
        ("matrix", {"h": (2,)}, "needs an entry"),
        ("matrix", {"h": 2}, "needs an entry"),
        ("cp", {"d": (1, 2)}, "needs an entry"),
        ("cp", {"N": None}, "is needed"),
        ("deep tucker", {"d": (2,), "N": 2}, "needs an entry"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(kind, changes, message):
    sizes = {name: size for name, size in (SMALL[kind] | changes).items() if size is not None}
    with pytest.raises(KernelError, match=message):
        naive.MODELS[kind].at(sizes)


def test_sizes_of_other_forms():
    assert size_of("h[n,2]", {"h": [[1, 2], [3, 4]]}, {"n": 2}) == 4
    with pytest.raises(KernelError, match="needs an entry q"):
        size_of("h[q]", {"h": [1]}, {})
    with pytest.raises(KernelError, match="joined to one of size"):
        naive.MATRIX.at({"L": 0, "d_out": 2, "d_in": 3, "h": ()})


@pytest.mark.parametrize(("shape", "entries"), [((2,), 1), ((0,), 0), ((-1, -1), 1), ((2, 2), 3), ((), 0), ((), 2)])
def test_arrays_have_positive_sizes_and_all_entries(shape, entries):
    with pytest.raises(KernelError, match="sizes from 1"):
        Array(shape, (ONE,) * entries)


def test_arrays_are_read_in_row_major_order():
    array = Array((2, 3), tuple(map(Fraction, range(6))))
    assert array[1, 2] == 5
    assert array.regroup(((1,), (0,))).entries == (0, 3, 1, 4, 2, 5)
    assert array.regroup(((1, 0), ())) == Array((6, 1), tuple(map(Fraction, (0, 3, 1, 4, 2, 5))))


def test_einsum_against_loops():
    random = Random(11)
    for _ in range(60):
        dims = {leg: random.randint(1, 3) for leg in "abcd"}
        legs = [tuple(random.choice("abcd") for _ in range(random.randint(0, 3))) for _ in range(random.randint(1, 3))]
        arrays = [number(random, tuple(dims[leg] for leg in own)) for own in legs]
        held = sorted({leg for own in legs for leg in own})
        output = tuple(random.choice(held) for _ in range(random.randint(0, 3))) if held else ()
        found = einsum(list(zip(arrays, legs, strict=True)), output, dims)
        expected: dict[tuple[int, ...], Fraction] = dict.fromkeys(
            product(*(range(dims[leg]) for leg in output)), Fraction(0)
        )
        for index in product(*(range(dims[leg]) for leg in held)):
            at = dict(zip(held, index, strict=True))
            part = ONE
            for array, own in zip(arrays, legs, strict=True):
                part *= array[tuple(at[leg] for leg in own)]
            expected[tuple(at[leg] for leg in output)] += part
        assert found == naive.array(expected, found.shape)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "distinct numbers"),
        ({"m": 1, "n": 1}, "distinct numbers"),
        ({"m": 1, "n": 4}, "distinct numbers"),
        ({"m": 0, "n": 1}, "distinct numbers"),
    ],
)
def test_modes_need_numbers(members, message):
    made, _, _ = instance("cp", SMALL["cp"], Random(1))
    with pytest.raises(KernelError, match=message):
        letters_at(Flow(naive.CP, Focus(("m", "n"))), made, members)


@pytest.mark.parametrize(
    ("link", "members", "message"),
    [
        (Link(("l",)), {}, "has positions"),
        (Link(("l",)), {"/l": 4}, "has positions"),
        (Link(("p", "q")), {"/p": 1, "/q": 2}, "not in order"),
        (Link(("p", "q")), {"/p": 2, "/q": 2}, "not in order"),
        (Link(("p", "q"), adjacent=True), {"/p": 3, "/q": 1}, "not adjacent"),
        (Link(("p",), first=True), {"/p": 2}, "not the first"),
    ],
)
def test_positions_need_numbers_in_order(link, members, message):
    made, _, _ = instance("matrix", SMALL["matrix"], Random(1))
    with pytest.raises(KernelError, match=message):
        letters_at(Flow(naive.MATRIX, Focus((), (link,))), made, members)


def test_blocks_and_gradients_need_their_shapes():
    made, _, _ = instance("cp", SMALL["cp"], Random(1))
    flow = Flow(naive.CP, Focus())
    short = Instance(made.sizes, (), made.blocks[1:], made.gradient)
    with pytest.raises(KernelError, match=r"block w\[1\] needs"):
        letters_at(flow, short, {})
    odd = Instance(made.sizes, (), (*made.blocks[1:], ("w[1]", Array((1,), (ONE,)))), made.gradient)
    with pytest.raises(KernelError, match=r"block w\[1\] needs"):
        letters_at(flow, odd, {})
    flat = Instance(made.sizes, (), made.blocks, Array((2,), (ONE, ONE)))
    with pytest.raises(KernelError, match="gradient needs shape"):
        letters_at(flow, flat, {})
