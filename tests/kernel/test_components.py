"""Components of a CP factorization: what vanishes stays zero, alignment with a constant gradient, and refusals."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import Any

import naive
import pytest
from mpmath import mp, mpf

from theorytest.kernel import components
from theorytest.kernel.ball import ball, evaluate, less, precision
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    AlongComponents,
    Always,
    AtLeast,
    AtStart,
    Claim,
    ComponentAlignment,
    ComponentNormRate,
    ComponentStaysZero,
    Evolution,
    Flow,
    Identity,
    Inequality,
    Rate,
    Where,
    ZeroStays,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Each, Focus, Link, Parameterization, Product
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import ZERO, Scalar, Variable
from theorytest.kernel.statement import REFUTED, UNDECIDED, Assumption, Certificate, Instance, Statement, Witness
from theorytest.kernel.terms import Tensor, Term, constant, zero
from theorytest.models import CP, DEEP_MATRIX, DEEP_TUCKER, TUCKER

ONE = Fraction(1)
TWO_MODES = Flow(CP, Focus(("n", "m")))
W_N, W_M = CP.letters(TWO_MODES.focus).values()
ONE_MODE = Flow(CP, Focus(("n",)))
(W,) = CP.letters(ONE_MODE.focus).values()


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", AtLeast("N", 1)), {}), premises, tuple(data))


def square(w: Tensor, row: str = "r") -> Term:
    return (w[row, "i"] * w[row, "i"]).sum("i")


PAIR = square(W_N) + square(W_M)
EQUAL = Always(Identity(square(W_N), square(W_M)), TWO_MODES)
STAYS = ZeroStays(PAIR, TWO_MODES)
BOUND = components.cauchy_schwarz(ONE_MODE)


# -- concrete flows, written out a second time -------------------------------------------------------------------------


def state(
    random: Random, dims: Sequence[int], rank: int
) -> tuple[list[list[list[Fraction]]], dict[tuple[int, ...], Fraction]]:
    """Random factors (mode, component, entry) and a random loss gradient."""

    def number() -> Fraction:
        return Fraction(random.randint(-9, 9), random.randint(1, 4))

    factors = [[[number() for _ in range(d)] for _ in range(rank)] for d in dims]
    return factors, {index: number() for index in product(*map(range, dims))}


def velocity(factors: Any, gradient: Any, mode: int, r: int) -> list[Any]:
    """Minus the gradient of <gradient, end tensor> by the factor of one mode and component."""
    found = [0 * factors[mode][r][0]] * len(factors[mode][r])
    for index, g in gradient.items():
        rest = prod(factors[m][r][i] for m, i in enumerate(index) if m != mode)
        found[index[mode]] = found[index[mode]] - g * rest
    return found


def instance(factors: Any, gradient: Any, **members: int) -> Instance:
    dims = tuple(len(mode[0]) for mode in factors)
    blocks = tuple(
        (f"w[{n}]", Array((len(mode), len(mode[0])), tuple(x for row in mode for x in row)))
        for n, mode in enumerate(factors, 1)
    )
    sizes = (("N", len(dims)), ("R", len(factors[0])), ("d", dims))
    entries = tuple(gradient[index] for index in product(*map(range, dims)))
    return Instance(sizes, tuple(members.items()), blocks, Array(dims, entries))


SHAPES = [(2, 2), (2, 3, 2), (1, 2, 2), (2, 1, 1, 2), (3, 2)]


# -- the norm of a component -------------------------------------------------------------------------------------------


def rate_of_a_factor(model: Parameterization, flow: Flow) -> Rate:
    (own,) = model.letters(flow.focus).values()
    legs = ("r", "i") if own.sizes[0] == "R" else ("i", "r")
    quantity = (own[legs] * own[legs]).sum("i")
    return Rate(quantity, quantity.along(flow.velocities()), flow)


@pytest.mark.parametrize("legs", [("r", "i[n]"), ("i[n]", "r")])
def test_component_norm(legs: tuple[str, str]) -> None:
    model = Parameterization("CP", Each("n", "N", Block("w", ("n",), legs)), ("i[*]",), (("i", "d"), ("r", "R")), "")
    flow = Flow(model, Focus(("m",)))
    assert apply("component-norm-rate", rate_of_a_factor(model, flow)) == ComponentNormRate(flow)


def shaped(body: Any, output: tuple[str, ...] = ("i[*]",)) -> Flow:
    legs = (("i", "d"), ("r", "R"), ("t", "T"))
    return Flow(Parameterization("other", body, output, legs, ""), Focus(("m",)))


@pytest.mark.parametrize(
    "flow",
    [
        Flow(DEEP_MATRIX, Focus((), (Link(("l",)),))),
        Flow(DEEP_TUCKER, Focus(("m",))),
        shaped(Each("n", "N", Product((Block("w", ("n",), ("r", "i[n]")),)))),
        shaped(Each("n", "N", Block("w", ("n",), ("i[n]",)))),
        shaped(Each("n", "N", Block("w", ("n",), ("r",))), ("r",)),
        shaped(Each("n", "N", Block("w", ("n",), ("r", "t", "i[n]")))),
        shaped(Each("n", "N", Block("w", ("n",), ("r", "i[n]"))), ("r", "i[*]")),
        shaped(Each("n", "N", Block("w", (), ("r", "i[n]")))),
    ],
)
def test_component_norm_needs_a_sum_of_outer_products(flow: Flow) -> None:
    with pytest.raises(KernelError, match="not a sum of outer products"):
        apply("component-norm-rate", Rate(zero(), zero(), flow))


def test_component_norm_refuses() -> None:
    flow = Flow(CP, Focus(("n",)))
    right = rate_of_a_factor(CP, flow)
    with pytest.raises(KernelError, match="the rate of one squared norm"):
        apply("component-norm-rate", replace(right, rate=right.rate * Fraction(1, 2)))
    for other in (Flow(CP, Focus(("n", "m"))), replace(flow, decay=Fraction(1))):
        with pytest.raises(KernelError, match="the plain flow"):
            apply("component-norm-rate", replace(right, motion=other))
    with pytest.raises(KernelError, match="needs 1 premises"):
        apply("component-norm-rate")


# -- what vanishes stays zero ------------------------------------------------------------------------------------------


def test_the_kernel_knows_the_module() -> None:
    registered = {
        "along-components",
        "component-norm-rate",
        "zero-stays",
        "component-stays-zero",
        "component-alignment",
    }
    assert {RULES[name] for name in registered} == {
        components.along_components,
        components.component_norm_rate,
        components.zero_stays,
        components.component_stays_zero,
        components.component_alignment,
    }


def test_pairs_of_factors_that_are_zero_do_not_move() -> None:
    assert apply("zero-stays", data=(PAIR, TWO_MODES)) == STAYS
    random = Random(0)
    for number in range(25):
        dims = SHAPES[number % len(SHAPES)]
        factors, gradient = state(random, dims, 2)
        one, other = random.sample(range(len(dims)), 2)
        for mode in (one, other):
            factors[mode][0] = [Fraction(0)] * dims[mode]
        assert not any(velocity(factors, gradient, one, 0) + velocity(factors, gradient, other, 0))


def test_the_squared_norm_is_bounded_by_gronwall() -> None:
    """|d/dt y| <= 2 ||grad|| prod of the other norms * y, at random states."""
    random = Random(1)
    for number in range(25):
        dims = SHAPES[number % len(SHAPES)]
        factors, gradient = state(random, dims, 2)
        one, other = random.sample(range(len(dims)), 2)
        sizes = [sum(x * x for x in mode[0]) for mode in factors]
        rate = sum(
            2 * sum(x * v for x, v in zip(factors[mode][0], velocity(factors, gradient, mode, 0), strict=True))
            for mode in (one, other)
        )
        rest = prod((size for mode, size in enumerate(sizes) if mode not in (one, other)), start=ONE)
        bound = 4 * sum(g * g for g in gradient.values()) * rest * (sizes[one] + sizes[other]) ** 2
        assert rate * rate <= bound


@pytest.mark.parametrize(
    "quantity",
    [
        square(W_N),  # its rate has one small factor
        square(W_N) + square(W_M, "s").rename({"s": "r"}) * -1,
        square(W_N) - square(W_M),
        square(W_N) * square(W_N),
        W_N["r", "i"] * W_N["s", "i"],
        PAIR * 0,
        constant(1),
        W_N["r", "i"].sum("i"),
        (W_N["r", "i"] * W_N["r", "i"]).sum("r"),
    ],
)
def test_other_quantities_do_not_stay_zero(quantity: Term) -> None:
    with pytest.raises(KernelError):
        apply("zero-stays", data=(quantity, TWO_MODES))


def test_two_components_do_not_keep_each_other_at_zero() -> None:
    with pytest.raises(KernelError):
        apply("zero-stays", data=(square(W_N, "r") + square(W_M, "s"), TWO_MODES))


def test_the_diagonal_of_a_block_is_no_slice() -> None:
    layer = Flow(DEEP_MATRIX, Focus((), (Link(("l",)),)))
    (matrix,) = DEEP_MATRIX.letters(layer.focus).values()
    loop = Tensor(matrix.name, (matrix.sizes[0], matrix.sizes[0]))
    with pytest.raises(KernelError, match="all entries of a slice"):
        apply("zero-stays", data=((loop["a", "a"] * loop["a", "a"]).sum("a"), layer))
    pair = (W_N["r", "i"] * W_N["r", "i"]).sum("i") + (W_N["s", "i"] * W_N["s", "i"]).sum("i", "s")
    with pytest.raises(KernelError, match="all entries of a slice"):
        apply("zero-stays", data=(pair, TWO_MODES))


def test_all_layers_but_one_at_zero() -> None:
    """The sum over two layers of a matrix product has a rate of second order at depth 2, and of lower order in general:
    the layers between belong to opaque groups, which multiply two small factors."""
    two = Flow(DEEP_MATRIX, Focus((), (Link(("k", "l")),)))
    first, second = DEEP_MATRIX.letters(two.focus).values()
    total = (first["a", "b"] * first["a", "b"]).sum("a", "b") + (second["a", "b"] * second["a", "b"]).sum("a", "b")
    assert apply("zero-stays", data=(total, two)) == ZeroStays(total, two)


def test_a_component_that_vanishes() -> None:
    order = AtLeast("N", 2)
    found = apply("component-stays-zero", EQUAL, STAYS, order)
    assert found == ComponentStaysZero(Flow(CP, Focus()))
    swapped = Always(Identity(square(W_M), square(W_N)), TWO_MODES)
    assert apply("component-stays-zero", swapped, STAYS, order) == found


def test_a_component_refuses() -> None:
    order = AtLeast("N", 2)
    other_flow = Flow(CP, TWO_MODES.focus, decay=ONE)
    for equal in (
        Always(Identity(square(W_N), square(W_N)), TWO_MODES),
        Always(Identity(square(W_N), square(W_M) * 2), TWO_MODES),
        Always(Inequality(square(W_N), "<=", square(W_M)), TWO_MODES),
    ):
        with pytest.raises(KernelError, match="must be equal"):
            apply("component-stays-zero", equal, STAYS, order)
    for stays in (ZeroStays(square(W_N), TWO_MODES), ZeroStays(PAIR, other_flow), ZeroStays(PAIR * 2, TWO_MODES)):
        with pytest.raises(KernelError, match="must be equal"):
            apply("component-stays-zero", EQUAL, stays, order)
    for wrong in (AtLeast("N", 1), AtLeast("N", 3), AtLeast("R", 2)):
        with pytest.raises(KernelError, match="N >= 2"):
            apply("component-stays-zero", EQUAL, STAYS, wrong)
    with pytest.raises(KernelError, match="two named modes"):
        apply("component-stays-zero", Always(EQUAL.claim, other_flow), ZeroStays(PAIR, other_flow), order)
    with pytest.raises(KernelError, match="two named modes"):
        apply("component-stays-zero", Always(EQUAL.claim, ONE_MODE), STAYS, order)
    with pytest.raises(KernelError, match="must be Always"):
        apply("component-stays-zero", EQUAL.claim, STAYS, order)
    with pytest.raises(KernelError, match="must be ZeroStays"):
        apply("component-stays-zero", EQUAL, EQUAL, order)
    with pytest.raises(KernelError, match="needs 3"):
        apply("component-stays-zero", EQUAL, STAYS)
    deep = Flow(DEEP_TUCKER, Focus(("n", "m")))
    with pytest.raises(KernelError, match="not a sum of outer products"):
        apply("component-stays-zero", Always(EQUAL.claim, deep), STAYS, order)


def test_other_models_are_no_sums_of_outer_products() -> None:
    assert components.outer_products(CP).row == naive.CP.body.body.legs.index("r")
    shared = Parameterization(
        "shared", Each("n", "N", Block("w", (), ("r", "i[n]"))), ("i[*]",), (("r", "R"), ("i", "d")), ""
    )
    three = Parameterization(
        "three",
        Each("n", "N", Block("w", ("n",), ("r", "s", "i[n]"))),
        ("i[*]",),
        (("r", "R"), ("s", "S"), ("i", "d")),
        "",
    )
    kept = Parameterization(
        "kept", Each("n", "N", Block("w", ("n",), ("r", "i[n]"))), ("r", "i[*]"), (("r", "R"), ("i", "d")), ""
    )
    bare = Parameterization("bare", Block("w", (), ("r",)), ("r",), (("r", "R"),), "")
    pair = Parameterization(
        "pair", Each("n", "N", Product((Block("w", ("n",), ("r", "i[n]")),))), ("i[*]",), (("r", "R"), ("i", "d")), ""
    )
    for model in (shared, three, kept, bare, pair, DEEP_MATRIX, TUCKER):
        with pytest.raises(KernelError, match="not a sum of outer products"):
            components.outer_products(model)
    turned = Parameterization(
        "turned", Each("n", "N", Block("w", ("n",), ("i[n]", "r"))), ("i[*]",), (("r", "R"), ("i", "d")), ""
    )
    read = components.outer_products(turned)
    flow = Flow(turned, Focus(("n", "m")))
    one, other = map(read.square, turned.letters(flow.focus).values())
    found = apply(
        "component-stays-zero", Always(Identity(one, other), flow), ZeroStays(one + other, flow), AtLeast("N", 2)
    )
    assert read.row == 1 and found == ComponentStaysZero(Flow(turned, Focus()))
    assert components.cauchy_schwarz(Flow(turned, Focus(("n",)))).relation == "<="


# -- alignment ---------------------------------------------------------------------------------------------------------


def test_alignment() -> None:
    assert apply("component-alignment", BOUND, data=(ONE_MODE,)) == ComponentAlignment(ONE_MODE)
    for wrong in (Inequality(BOUND.rhs, "<=", BOUND.lhs), Inequality(BOUND.lhs, "<", BOUND.rhs), EQUAL):
        with pytest.raises(KernelError, match="Cauchy and Schwarz"):
            apply("component-alignment", wrong, data=(ONE_MODE,))
    for flow in (
        TWO_MODES,
        Flow(CP, ONE_MODE.focus, decay=ONE),
        Flow(CP, Focus()),
        replace(ONE_MODE, speeds=(("w[n]", ONE),)),
    ):
        with pytest.raises(KernelError, match="one named mode"):
            apply("component-alignment", BOUND, data=(flow,))
    with pytest.raises(KernelError, match="not a sum"):
        apply("component-alignment", BOUND, data=(Flow(DEEP_TUCKER, Focus(("n",))),))


def gamma(factors: Any, gradient: Any) -> Any:
    """<-grad, component 0> over its norm, at the precision in force."""
    inner = sum(-g * prod(factors[m][0][i] for m, i in enumerate(index)) for index, g in gradient.items())
    return inner / mp.sqrt(prod(sum(x * x for x in mode[0]) for mode in factors))


def test_gamma_does_not_decrease_at_fifty_digits() -> None:
    """A step forwards and one backwards along the flow of a linear loss, at 25 random states."""
    random = Random(2)
    with mp.workdps(60):
        for number in range(25):
            dims = SHAPES[number % len(SHAPES)]
            exact, slope = state(random, dims, 1)
            if not all(any(mode[0]) for mode in exact):
                continue
            factors = [[[mpf(x.numerator) / x.denominator for x in mode[0]]] for mode in exact]
            gradient = {index: mpf(g.numerator) / g.denominator for index, g in slope.items()}
            h = mpf(10) ** -20
            moved = [
                [[x + sign * h * v for x, v in zip(mode[0], velocity(factors, gradient, m, 0), strict=True)]]
                for sign in (1, -1)
                for m, mode in enumerate(factors)
            ]
            ahead, behind = moved[: len(dims)], moved[len(dims) :]
            change = (gamma(ahead, gradient) - gamma(behind, gradient)) / (2 * h)
            assert change > -(mpf(10) ** -15)
            # The exact value from the kernel's own formula, which a witness would use.
            component = components.Component(
                tuple(tuple(mode[0]) for mode in exact),
                tuple(tuple(velocity(exact, slope, m, 0)) for m in range(len(dims))),
            )
            assert components.loses_alignment(component, [ONE] * len(dims)) == ""
            lost = components.loses_alignment(component, [-ONE] * len(dims))
            assert bool(lost) == (change > mpf(10) ** -15)


# -- functions of time along the flow ----------------------------------------------------------------------------------

t, c, g, b, h, N = (Variable(name) for name in ["t", "c", "g", "b", "h", "N"])
NORMS = ComponentNormRate(ONE_MODE)
TINY = Fraction(1, 10**40)


def positive(*names: Variable) -> tuple[Inequality, ...]:
    return tuple(Inequality(ZERO, "<", name) for name in names)


def evolution(*rates: tuple[str, Scalar], inputs: Sequence[str] = ("g",), **changes: Any) -> Evolution:
    kept = Where((), Identity(c, c))
    return replace(Evolution("t", rates, tuple(inputs), positive(c), (kept,)), **changes)


FACTOR, COMPONENT = components.component_rates("N", "c", "g")
OTHER, _ = components.component_rates("N", "b", "h")


def test_the_rates_of_balanced_components_in_exact_arithmetic() -> None:
    """c = ||w_r^n|| and P_r = c^N, for factors of one rational norm: against velocities written out."""
    random, seen = Random(3), 0
    directions = [(3, 4), (4, 3), (5, 0), (0, -5), (-3, 4), (4, -3)]
    while seen < 25:
        order = random.randint(1, 4)
        _, slope = state(random, (2,) * order, 1)
        size = Fraction(random.randint(1, 9), random.randint(1, 5))
        factors = [[[x * size for x in random.choice(directions)]] for _ in range(order)]
        norm = 5 * size
        moved = [velocity(factors, slope, mode, 0) for mode in range(order)]
        speeds = [sum(x * v for x, v in zip(w[0], u, strict=True)) / norm for w, u in zip(factors, moved, strict=True)]
        gamma_r = speeds[0] * norm / norm**order
        assert len(set(speeds)) == 1 and speeds[0] == gamma_r * norm ** (order - 1)
        rate = sum(speeds) * norm ** (order - 1)  # the product rule for P = c^N
        values = {"N": Fraction(order), "c": norm, "g": gamma_r}
        with precision(200):
            first = evaluate(FACTOR, values)
            second = evaluate(COMPONENT, values | {"c": norm**order})
            for found, wanted in ((first, speeds[0]), (second, Fraction(rate))):
                gap = ball(found) - ball(wanted)
                assert gap.contains(0) and less(gap, TINY) and less(-TINY, gap)
        seen += 1


def test_functions_along_the_flow() -> None:
    for rate in (FACTOR, COMPONENT):
        one = evolution(("c", rate))
        found = apply("along-components", NORMS, EQUAL, one, data=("N", (("c", "g"),)))
        assert found == AlongComponents(Flow(CP, Focus()), "N", (("c", "g"),), one)
    two = evolution(("c", FACTOR), ("b", OTHER), ("G", g), inputs=("g", "h"), conditions=positive(c, b))
    roles = (("c", "g"), ("b", "h"))
    swapped = Always(Identity(square(W_M), square(W_N)), TWO_MODES)
    assert apply("along-components", NORMS, swapped, two, data=("N", roles)).roles == roles


def test_functions_along_the_flow_refuse() -> None:
    one, roles = evolution(("c", FACTOR)), (("c", "g"),)
    other = Always(Identity(square(W_N), square(W_M) * 2), TWO_MODES)
    decayed = Flow(CP, TWO_MODES.focus, decay=ONE)
    for rate, equal in (
        (NORMS, other),
        (NORMS, Always(Inequality(square(W_N), "<=", square(W_M)), TWO_MODES)),
        (ComponentNormRate(Flow(CP, ONE_MODE.focus, decay=ONE)), EQUAL),
        (ComponentNormRate(Flow(naive.TUCKER, Focus(("n",)))), EQUAL),
    ):
        with pytest.raises(KernelError, match="equal squared norms"):
            apply("along-components", rate, equal, one, data=("N", roles))
    for equal in (Always(EQUAL.claim, decayed), Always(EQUAL.claim, ONE_MODE)):
        with pytest.raises(KernelError, match="two named modes"):
            apply("along-components", NORMS, equal, one, data=("N", roles))
    with pytest.raises(KernelError, match="does not move"):
        apply("along-components", NORMS, EQUAL, evolution(("c", FACTOR), ("N", g)), data=("N", roles))
    for name in ("t", "g", "c", "c(0)", "g(0)"):
        with pytest.raises(KernelError, match="does not move"):
            apply("along-components", NORMS, EQUAL, one, data=(name, roles))
    for wrong in ((), (("c", "g"), ("c", "g")), (("c", "c"),)):
        with pytest.raises(KernelError, match="different functions"):
            apply("along-components", NORMS, EQUAL, one, data=("N", wrong))
    for rates, inputs in (
        ([("c", FACTOR * 2)], ("g",)),
        ([("c", g * c)], ("g",)),
        ([("b", FACTOR)], ("g",)),
        ([("c", FACTOR)], ()),
        ([("c", FACTOR), ("g", ZERO)], ()),
        ([("c", components.component_rates("M", "c", "g")[0])], ("g",)),
        ([("c", components.component_rates("N", "b", "g")[0])], ("g",)),
    ):
        with pytest.raises(KernelError, match="the rate of a balanced component"):
            apply("along-components", NORMS, EQUAL, evolution(*rates, inputs=inputs), data=("N", roles))
    with pytest.raises(KernelError, match="among the conditions"):
        apply("along-components", NORMS, EQUAL, replace(one, conditions=()), data=("N", roles))
    with pytest.raises(KernelError, match="must be Evolution"):
        apply("along-components", NORMS, EQUAL, EQUAL, data=("N", roles))
    with pytest.raises(KernelError, match="data must be"):
        apply("along-components", NORMS, EQUAL, one, data=("N",))


# -- witnesses ---------------------------------------------------------------------------------------------------------


def verdict(claim: Claim, at: Instance, **assumed: Claim) -> str:
    made = Statement("s", "", claim, assumptions=tuple(Assumption(n, "", f) for n, f in assumed.items()))
    return check(made, Certificate("witness", made.digest, Witness(at), "me"), {}).status


def scalars(*numbers: int, gradient: int = 1, **members: int) -> Instance:
    return instance([[[Fraction(x)]] for x in numbers], {(0,) * len(numbers): Fraction(gradient)}, **members)


BALANCED = AtStart(Identity(square(W_N), square(W_M)), TWO_MODES)
VANISHES = ComponentStaysZero(Flow(CP, Focus()))


def test_witnesses_of_components_that_leave_zero() -> None:
    assert verdict(VANISHES, scalars(0, 1)) == REFUTED
    assert verdict(VANISHES, scalars(0)) == REFUTED
    assert verdict(VANISHES, scalars(0), balanced=BALANCED) == REFUTED
    for true in (scalars(0, 0), scalars(0, 0, 1), scalars(1, 1), scalars(0, 1, gradient=0)):
        assert verdict(VANISHES, true) == UNDECIDED
    assert verdict(VANISHES, scalars(0, 1), balanced=BALANCED) == UNDECIDED
    assert verdict(VANISHES, scalars(0), order=AtLeast("N", 2)) == UNDECIDED
    assert verdict(ComponentStaysZero(Flow(CP, Focus(), decay=ONE)), scalars(0, 1)) == UNDECIDED
    assert verdict(VANISHES, replace(scalars(0, 1), gradient=None)) == UNDECIDED
    assert verdict(VANISHES, replace(scalars(0, 1), blocks=())) == UNDECIDED


def test_witnesses_of_sums_of_squares_that_leave_zero() -> None:
    alone = ZeroStays(square(W), ONE_MODE)
    assert verdict(alone, scalars(0, 1, n=1)) == REFUTED
    for true in (scalars(1, 1, n=1), scalars(0, 0, n=1), scalars(1, 0, n=1)):
        assert verdict(alone, true) == UNDECIDED
    assert verdict(STAYS, scalars(0, 0, n=1, m=2)) == UNDECIDED
    assert verdict(ZeroStays(square(W_N) * square(W_M), TWO_MODES), scalars(0, 1, n=1, m=2)) == UNDECIDED
    rows = instance([[[ONE * 0], [ONE]], [[ONE], [ONE]]], {(0, 0): ONE}, n=1)
    assert verdict(alone, rows) == REFUTED
    assert verdict(ZeroStays(square(W).sum("r"), ONE_MODE), rows) == UNDECIDED


def test_witnesses_against_alignment() -> None:
    skew = instance([[[ONE, ONE * 0]]], {(0,): ONE, (1,): ONE}, n=1)
    uphill = ComponentAlignment(Flow(CP, ONE_MODE.focus, speeds=(("w[n]", -ONE),)))
    assert verdict(ComponentAlignment(ONE_MODE), skew) == UNDECIDED
    assert verdict(uphill, skew) == REFUTED
    zero = instance([[[ONE * 0, ONE * 0]]], {(0,): ONE, (1,): ONE}, n=1)
    assert verdict(uphill, zero) == UNDECIDED
    assert verdict(ComponentAlignment(Flow(CP, ONE_MODE.focus, decay=ONE)), skew) == UNDECIDED
