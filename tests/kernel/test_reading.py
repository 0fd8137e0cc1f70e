"""Real variables that are read off a flow: what the rules conclude and refuse, and how it holds or fails at a state."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from random import Random
from typing import Any

import naive
import pytest

from theorytest.kernel import reading as rules_of_readings
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtStart,
    Claim,
    Conserved,
    Descent,
    Determinant,
    DeterminantSignPreserved,
    Entry,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Monotone,
    ReadAlways,
    ReadAtStart,
    ReadConserved,
    Reading,
    SameSize,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.rules import RULES, Context, balance, matrix_chain
from theorytest.kernel.scalar import ONE, ZERO, Ln, Scalar, Variable, scalar, sqrt
from theorytest.kernel.statement import Assumption, Certificate, Instance, Statement, Witness
from theorytest.kernel.terms import constant, zero
from theorytest.kernel.witness import JUST_BEFORE, moving, readings, refutes, require_assumptions

CHAIN = matrix_chain(naive.MATRIX)
ROWS, COLUMNS = CHAIN.end_sizes
det, b, x, y = (Variable(name) for name in ("det", "b", "x", "y"))
W = {(i, j): Variable(f"w{i}{j}") for i in (1, 2, 3) for j in (1, 2, 3)}
SQUARE = [(1, 1), (1, 2), (2, 1), (2, 2)]
READ = Reading((*((W[at].name, Entry(at)) for at in SQUARE), ("det", Determinant())), CHAIN.flow)
LEIBNIZ = W[1, 1] * W[2, 2] - W[1, 2] * W[2, 1]
KEPT = DeterminantSignPreserved(CHAIN.flow)
HALF = Fraction(1, 2)


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


def refused(rule: str, *premises: Claim, data: Sequence[Any] = (), match: str | None = None) -> None:
    with pytest.raises(KernelError, match=match):
        apply(rule, *premises, data=data)


def below(lhs: Scalar | int, rhs: Scalar | int) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


def positive(expression: Scalar, reading: Reading = READ) -> ReadAtStart:
    return ReadAtStart(below(0, expression), reading)


def test_the_module_registers_its_rules() -> None:
    made = {name for name, rule in RULES.items() if rule.__module__ == rules_of_readings.__name__}
    assert made == {
        "same-size",
        "along-the-flow",
        "determinant-along-the-flow",
        "determinant-of-entries",
        "terms-along-the-flow",
        "conserved-along-the-flow",
        "conserved-expression",
    }


def test_a_variable_is_read_in_one_way() -> None:
    with pytest.raises(KernelError, match="two ways"):
        Reading((("x", Determinant()), ("x", Entry((1, 1)))), CHAIN.flow)


def test_sizes_of_one_value_are_the_same() -> None:
    assert apply("same-size", Exactly("m", 2), Exactly("n", 2)) == SameSize("m", "n")
    refused("same-size", Exactly("m", 2), Exactly("n", 3), match="m is 2, n is 3")
    refused("same-size", Exactly("m", 2), AtLeast("n", 2))
    refused("same-size", Exactly("m", 2))


# -- from every point to every time ------------------------------------------------------------------------------------


def test_what_holds_at_every_point_holds_at_every_time() -> None:
    static = Where((below(0, det), below(0, x)), below(0, det * x))
    assert apply("along-the-flow", static, data=(READ,)) == ReadAlways(static.conditions, below(0, det * x), READ)
    known = ReadAlways((below(0, y),), below(0, det), READ)
    made = apply("along-the-flow", known, static, data=(READ,))
    assert made == ReadAlways((below(0, y), below(0, x)), below(0, det * x), READ)


def test_along_the_flow_refuses() -> None:
    static = Where((below(0, det),), below(0, det * 2))
    refused("along-the-flow", data=(READ,))
    refused("along-the-flow", below(0, det), data=(READ,))  # not known at every point
    refused("along-the-flow", static)
    other = Reading((("det", Entry((1, 1))),), CHAIN.flow)
    refused("along-the-flow", ReadAlways((), below(0, det), other), static, data=(READ,), match="same way")
    refused("along-the-flow", positive(det), static, data=(READ,))  # at time 0 only
    refused("along-the-flow", Where((), Monotone(x, "x", "increasing", Fraction(0))), data=(READ,), match="formula")


# -- determinants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [ONE, b, b * x - 3, b**2 * -2])
def test_the_determinant_keeps_its_sign(factor: Scalar) -> None:
    start = positive(factor * det)
    assert apply("determinant-along-the-flow", KEPT, start) == ReadAlways((), start.claim, READ)


@pytest.mark.parametrize(
    "wrong",
    [
        below(0, det + b),  # not a multiple
        below(0, det**2),
        below(0, det * W[1, 1]),  # what multiplies it moves
        below(0, b),
        below(0, det * Ln(b)),
        below(0, det / b),
        below(0, det * sqrt(b)),
        below(det, 0),
        Inequality(ZERO, "<=", det),
        Identity(det, ONE),
    ],
)
def test_other_starts_are_refused(wrong: Any) -> None:
    refused("determinant-along-the-flow", KEPT, ReadAtStart(wrong, READ))


def test_the_sign_is_that_of_one_flow() -> None:
    start = positive(det)
    refused("determinant-along-the-flow", DeterminantSignPreserved(Descent(CHAIN.flow)), start)
    slower = replace(CHAIN.flow, decay=Fraction(1))
    refused("determinant-along-the-flow", KEPT, ReadAtStart(start.claim, replace(READ, motion=slower)))
    refused("determinant-along-the-flow", KEPT, ReadAlways((), start.claim, READ))
    twice = Reading((("det", Determinant()), ("b", Determinant())), CHAIN.flow)
    refused("determinant-along-the-flow", KEPT, ReadAtStart(below(0, det * b), twice))
    entry = Reading((("det", Entry((1, 1))),), CHAIN.flow)
    refused("determinant-along-the-flow", KEPT, ReadAtStart(below(0, det), entry))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_determinant_in_its_entries(size: int) -> None:
    places = [(i, j) for i in range(1, size + 1) for j in range(1, size + 1)]
    reading = Reading((*((W[at].name, Entry(at)) for at in places), ("det", Determinant())), CHAIN.flow)
    total: Scalar = scalar(0)
    for order in permutations(range(1, size + 1)):
        inversions = sum(order[i] > order[j] for i in range(size) for j in range(i + 1, size))
        term: Scalar = scalar((-1) ** inversions)
        for row, column in enumerate(order, 1):
            term = term * W[row, column]
        total = total + term
    sizes = Exactly(ROWS, size), Exactly(COLUMNS, size)
    made = apply("determinant-of-entries", *sizes, data=(reading, "det", total))
    assert made == ReadAlways((), Identity(det, total), reading)
    refused("determinant-of-entries", *sizes, data=(reading, "det", total + 1), match="is not the determinant")
    refused("determinant-of-entries", *sizes, data=(reading, "det", -total))


def test_the_determinant_in_its_entries_refuses() -> None:
    two = Exactly(ROWS, 2), Exactly(COLUMNS, 2)
    data = (READ, "det", LEIBNIZ)
    refused("determinant-of-entries", Exactly(ROWS, 2), Exactly(COLUMNS, 3), data=data, match="one value")
    refused("determinant-of-entries", Exactly(COLUMNS, 2), Exactly(ROWS, 2), data=data)
    refused("determinant-of-entries", *two, data=(READ, "w11", LEIBNIZ), match="does not stand")
    refused("determinant-of-entries", *two, data=(READ, "x", LEIBNIZ), match="is not read")
    three = Exactly(ROWS, 3), Exactly(COLUMNS, 3)
    refused("determinant-of-entries", *three, data=data, match="every entry")
    seven = Exactly(ROWS, 7), Exactly(COLUMNS, 7)
    refused("determinant-of-entries", *seven, data=data, match="written out")
    turned = Reading(
        tuple((n, Entry(m.index[::-1]) if isinstance(m, Entry) else m) for n, m in READ.meanings), CHAIN.flow
    )
    assert apply("determinant-of-entries", *two, data=(turned, "det", LEIBNIZ))  # a matrix and its transpose
    swapped = dict(READ.meanings) | {"w11": Entry((1, 2)), "w12": Entry((1, 1))}
    refused("determinant-of-entries", *two, data=(Reading(tuple(swapped.items()), CHAIN.flow), "det", LEIBNIZ))


# -- terms -------------------------------------------------------------------------------------------------------------

LAYERS = Flow(naive.MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
LEFT, RIGHT = naive.MATRIX.letters(LAYERS.focus).values()
LEFT_SQUARE = (LEFT["a", "i"] * LEFT["a", "i"]).sum("a")
RIGHT_SQUARE = (RIGHT["i", "c"] * RIGHT["i", "c"]).sum("c")
TERMS = Reading((("x", LEFT_SQUARE), ("y", RIGHT_SQUARE), ("det", Determinant())), LAYERS)


def test_terms_that_are_always_equal() -> None:
    known = Always(Identity(LEFT_SQUARE * LEFT_SQUARE * 3 - constant(1), RIGHT_SQUARE), LAYERS)
    formula = Identity(3 * x**2 - 1, y)
    assert apply("terms-along-the-flow", known, data=(TERMS, formula)) == ReadAlways((), formula, TERMS)
    bound = Always(Inequality(LEFT_SQUARE, "<=", RIGHT_SQUARE), LAYERS)
    assert apply("terms-along-the-flow", bound, data=(TERMS, Inequality(x, "<=", y))).conditions == ()


@pytest.mark.parametrize(
    "formula",
    [
        Inequality(y, "<=", x),
        Inequality(x, "<", y),
        Inequality(x, "<=", y + 1),
        Inequality(x, "<=", b),  # not read
        Inequality(x, "<=", det),  # no term
        Inequality(x, "<=", sqrt(y)),
        Inequality(x, "<=", Ln(y)),
        Identity(x, y),
    ],
)
def test_terms_along_the_flow_refuses(formula: Any) -> None:
    bound = Always(Inequality(LEFT_SQUARE, "<=", RIGHT_SQUARE), LAYERS)
    refused("terms-along-the-flow", bound, data=(TERMS, formula))


def test_terms_of_another_flow() -> None:
    bound = Always(Inequality(LEFT_SQUARE, "<=", RIGHT_SQUARE), replace(LAYERS, decay=Fraction(1)))
    refused("terms-along-the-flow", bound, data=(TERMS, Inequality(x, "<=", y)), match="same flow")
    start = AtStart(Inequality(LEFT_SQUARE, "<=", RIGHT_SQUARE), LAYERS)
    refused("terms-along-the-flow", start, data=(TERMS, Inequality(x, "<=", y)))


GAP = Reading((("x", LEFT_SQUARE - RIGHT_SQUARE), ("y", LEFT_SQUARE)), LAYERS)


def test_what_is_conserved() -> None:
    small = ReadAtStart(Inequality(x, "<=", b), GAP)
    law = Conserved(LEFT_SQUARE - RIGHT_SQUARE, LAYERS)
    assert apply("conserved-along-the-flow", small, law) == ReadAlways((), small.claim, GAP)
    refused("conserved-along-the-flow", small, match="not known to be conserved")
    refused("conserved-along-the-flow")
    refused("conserved-along-the-flow", law)
    refused("conserved-along-the-flow", small, Conserved(LEFT_SQUARE, LAYERS))
    refused("conserved-along-the-flow", small, Conserved(law.quantity, Descent(LAYERS)))
    refused("conserved-along-the-flow", small, replace(law, motion=replace(LAYERS, decay=Fraction(1))))
    moving = ReadAtStart(Inequality(x, "<=", y), GAP)
    refused("conserved-along-the-flow", moving, law, match="what y stands for")


def test_expressions_of_what_is_conserved() -> None:
    law = Conserved(LEFT_SQUARE - RIGHT_SQUARE, LAYERS)
    expression = Ln(x) * b + sqrt(x)
    assert apply("conserved-expression", law, data=(expression, GAP)) == ReadConserved(expression, GAP)
    assert apply("conserved-expression", data=(b**2, GAP)) == ReadConserved(b**2, GAP)
    refused("conserved-expression", law, data=(x + y, GAP), match="what y stands for")
    refused("conserved-expression", data=(x, GAP), match="what x stands for")
    refused("conserved-expression", law, data=(expression,))
    refused("conserved-expression", Conserved(law.quantity, Descent(LAYERS)), data=(x, GAP))


# -- at a state --------------------------------------------------------------------------------------------------------


def matrix(*rows: Sequence[int | Fraction]) -> Array:
    return Array((len(rows), len(rows[0])), tuple(Fraction(entry) for row in rows for entry in row))


def state(*layers: Array, gradient: Array | None = None, **variables: int | Fraction) -> Instance:
    """The first factor first."""
    rows, columns = layers[0].shape[0], layers[-1].shape[1]
    widths = tuple(layer.shape[1] for layer in layers[:-1])[::-1]
    depth = len(layers)
    return Instance(
        sizes=(("L", depth), (ROWS, rows), (COLUMNS, columns), ("h", widths)),
        members=(("/first", depth),),
        blocks=tuple((f"W[{depth - place}]", layer) for place, layer in enumerate(layers)),
        gradient=matrix(*[[0] * columns] * rows) if gradient is None else gradient,
        variables=tuple((name, Fraction(value)) for name, value in variables.items()),
    )


def statement(claim: Claim, *assumptions: Claim, example: Instance | None = None) -> Statement:
    made = tuple(Assumption(f"a{place}", "", formula) for place, formula in enumerate(assumptions))
    return Statement("S", "", claim, assumptions=made, example=example)


UNIT, FLAT = matrix((1, 0), (0, 1)), matrix((1, 0), (0, 0))
FALLING = matrix((0, 0), (0, 1))  # w22 falls
ALWAYS = ReadAlways((), below(0, LEIBNIZ), READ)
SIZES = Exactly(ROWS, 2), Exactly(COLUMNS, 2)


def test_the_points_of_a_state() -> None:
    random = Random(1)
    for _ in range(20):
        left, right = (matrix(*[[random.randint(-5, 5) for _ in range(2)] for _ in range(2)]) for _ in range(2))
        (point,) = readings(READ, state(left, right, b=7), {"/first": 2})
        product = [[sum(left[i, k] * right[k, j] for k in range(2)) for j in range(2)] for i in range(2)]
        assert [[point[f"w{i + 1}{j + 1}"] for j in range(2)] for i in range(2)] == product
        assert point["det"] == product[0][0] * product[1][1] - product[0][1] * product[1][0]
        assert point["b"] == 7
        points = list(readings(TERMS, state(left, right), {"/l+1": 2, "/l": 1}))
        columns = [sum(left[i, k] ** 2 for i in range(2)) for k in range(2)]
        rows = [sum(right[k, j] ** 2 for j in range(2)) for k in range(2)]
        assert [(p["x"], p["y"]) for p in points] == list(zip(columns, rows, strict=True))


def test_how_the_points_of_a_state_move() -> None:
    """Against exact steps in both directions along the written-out velocities: central differences of quantities of
    degree 2 or 4 in the step, extrapolated."""
    random = Random(2)
    for _ in range(20):
        left, right, g = (matrix(*[[random.randint(-3, 3) for _ in range(2)] for _ in range(2)]) for _ in range(3))
        up = minus(product_of(g, flipped(right)))
        down = minus(product_of(flipped(left), g))
        here = state(left, right, gradient=g)

        def central(step: Fraction, read: Reading, members: dict[str, int], left: Array = left, right: Array = right,
                    up: Array = up, down: Array = down) -> list[dict[str, Fraction]]:  # fmt: skip
            after = list(readings(read, state(plus(left, up, step), plus(right, down, step)), members))
            before = list(readings(read, state(plus(left, up, -step), plus(right, down, -step)), members))
            return [{n: (a[n] - b_[n]) / (2 * step) for n in a} for a, b_ in zip(after, before, strict=True)]

        for read, members in ((READ, {"/first": 2}), (TERMS, {"/l+1": 2, "/l": 1})):
            one, two = central(Fraction(1), read, members), central(Fraction(2), read, members)
            for (_, speeds), near, far in zip(moving(read, here, members), one, two, strict=True):
                assert set(speeds) == set(read.names)
                assert all(speeds[name] == (4 * near[name] - far[name]) / 3 for name in speeds)


def product_of(one: Array, other: Array) -> Array:
    return matrix(*[[sum(one[i, k] * other[k, j] for k in range(2)) for j in range(2)] for i in range(2)])


def flipped(one: Array) -> Array:
    return matrix(*[[one[j, i] for j in range(2)] for i in range(2)])


def minus(one: Array) -> Array:
    return Array(one.shape, tuple(-entry for entry in one.entries))


def plus(one: Array, other: Array, step: Fraction) -> Array:
    return Array(one.shape, tuple(a + step * c for a, c in zip(one.entries, other.entries, strict=True)))


def test_unsquared_norms_are_not_conserved() -> None:
    """The difference of the norms, not of their squares: refuted where it moves, and where it is defined."""
    gap = Reading((("x", LEFT_SQUARE), ("y", RIGHT_SQUARE)), LAYERS)
    norms = ReadConserved(sqrt(x) - sqrt(y), gap)
    members = (("/l+1", 2), ("/l", 1))
    moved = replace(state(matrix((2, 0), (0, 1)), UNIT, gradient=UNIT), members=members)
    assert refutes(statement(norms), Witness(moved)).margin.endswith("moves at the speed 1")
    balanced_ = replace(state(UNIT, UNIT, gradient=UNIT), members=members)
    for claim, instance in (
        (norms, balanced_),
        (replace(norms, expression=x - y), moved),  # it is conserved
        (replace(norms, expression=Ln(x - x)), moved),  # not defined
        (replace(norms, expression=scalar(3)), moved),
    ):
        with pytest.raises(KernelError, match="does not surely fail"):
            refutes(statement(claim), Witness(instance))
    exact = replace(norms, expression=x * y)
    assert "moves at the speed -20" in refutes(statement(exact), Witness(moved)).margin


def test_entries_that_are_not_there() -> None:
    for index in ((3, 1), (1, 0), (1,)):
        with pytest.raises(KernelError, match="no entry"):
            list(readings(Reading((("x", Entry(index)),), CHAIN.flow), state(UNIT, UNIT), {"/first": 2}))


def test_assumptions_that_are_read() -> None:
    good = statement(ALWAYS, *SIZES, positive(det * b))
    require_assumptions(good, state(UNIT, UNIT, b=1))
    for wrong in (state(UNIT, UNIT, b=-1), state(FLAT, UNIT, b=1)):
        with pytest.raises(KernelError, match="does not surely hold"):
            require_assumptions(good, wrong)
    with pytest.raises(KernelError, match=f"{ROWS} = 3"):
        require_assumptions(good, state(matrix((1, 0), (0, 1), (0, 0)), UNIT, b=1))


def test_claims_that_fail_at_the_start() -> None:
    turned = matrix((0, 1), (1, 0))
    found = refutes(statement(ALWAYS), Witness(state(turned, UNIT)))
    assert found.margin == "0 < -1 is false"
    for instance in (state(UNIT, UNIT), state(matrix((2, 1), (1, 1)), UNIT)):
        with pytest.raises(KernelError, match="does not surely fail"):
            refutes(statement(ALWAYS), Witness(instance))
    conditional = ReadAlways((below(0, b),), below(0, det), READ)
    assert refutes(statement(conditional), Witness(state(turned, UNIT, b=1)))
    with pytest.raises(KernelError):  # a condition does not hold
        refutes(statement(conditional), Witness(state(turned, UNIT, b=0)))


def test_the_assumptions_hold_just_before() -> None:
    """W_2 = I, W_1 = diag(1, w) with w falling through 0."""
    for sign, gradient in ((1, FALLING), (-1, matrix((0, 0), (0, -1)))):
        claim = ReadAlways((), below(0, sign * LEIBNIZ), READ)
        claimed = statement(claim, *SIZES, AtLeast("L", 2), positive(sign * det))
        found = refutes(claimed, Witness(state(UNIT, FLAT, gradient=gradient), (JUST_BEFORE,)))
        assert found.margin == "at a later time 0 < 0 is false"


def balanced(flow: Flow = LAYERS) -> AtStart:
    return AtStart(balance(LEFT, RIGHT), flow)


@pytest.mark.parametrize(
    ("assumptions", "instance", "match"),
    [
        ((positive(det),), state(UNIT, FLAT, gradient=matrix((0, 0), (0, -1))), "moves at the speed"),
        ((positive(det),), state(UNIT, FLAT), "moves at the speed 0"),
        ((positive(det), AtLeast("L", 3)), state(UNIT, FLAT, gradient=FALLING), "does not hold: L = 2"),
        ((positive(-det),), state(UNIT, FLAT, gradient=FALLING), "moves at the speed 1"),
        ((ReadAtStart(Inequality(ZERO, "<=", det), READ),), state(UNIT, FLAT, gradient=FALLING), "only 0 < u"),
        ((ReadAtStart(below(0, x - 1), TERMS),), state(UNIT, FLAT, gradient=FALLING), "moves at the speed 0"),
        ((balanced(),), state(UNIT, FLAT, gradient=FALLING), "the right side minus the left"),
        ((below(0, det + 1),), state(UNIT, FLAT, gradient=FALLING, det=1), "meet a formula: when"),
        ((Identity(LEFT_SQUARE, LEFT_SQUARE),), state(UNIT, FLAT, gradient=FALLING), "which time"),
        (
            (AtStart(Inequality(zero(), "<=", LEFT_SQUARE.sum("i")), LAYERS),),
            state(UNIT, FLAT, gradient=FALLING),
            "only identities",
        ),
        (
            (AtStart(Identity(LEFT_SQUARE.sum("i"), RIGHT_SQUARE.sum("i") + constant(1)), LAYERS), positive(det)),
            state(UNIT, FLAT, gradient=FALLING),
            "moves at the speed",
        ),
        ((positive(det),), state(UNIT, UNIT, gradient=FALLING), "does not surely fail"),
        ((balanced(replace(LAYERS, decay=Fraction(1))),), state(UNIT, UNIT), "plain flow"),
        (
            (ReadAtStart(below(0, sqrt(LEIBNIZ + 2) - sqrt(scalar(2))), READ),),
            state(UNIT, FLAT, gradient=FALLING),
            "exact",
        ),
    ],
)
def test_what_is_not_known_just_before(assumptions: tuple[Claim, ...], instance: Instance, match: str) -> None:
    claimed = statement(ALWAYS, *assumptions)
    if match == "moves at the speed" and len(assumptions) == 2:  # conserved, but not at rest
        instance = replace(instance, gradient=matrix((0, 0), (0, -1)))
    with pytest.raises(KernelError, match=match):
        refutes(claimed, Witness(instance, (JUST_BEFORE,)))


def test_what_is_assumed_of_fixed_variables_holds_before() -> None:
    made = statement(ALWAYS, positive(det * b), below(0, b), Identity(b, ONE))
    assert refutes(made, Witness(state(UNIT, FLAT, gradient=FALLING, b=1), (JUST_BEFORE,)))
    with pytest.raises(KernelError, match="it is false"):
        refutes(made, Witness(state(UNIT, FLAT, gradient=FALLING, b=2), (JUST_BEFORE,)))


@pytest.mark.parametrize("odd", [1 + sqrt(-det), 1 + (-det) ** Fraction(3, 2), 1 + sqrt(-det) * 0])
def test_what_is_defined_at_a_state_may_not_be_so_before(odd: Scalar) -> None:
    """det W > 0 just before the state, where it is 0: the root of -det W is defined there, and nowhere before."""
    made = statement(ALWAYS, positive(det), positive(odd))
    with pytest.raises(KernelError, match="not defined"):
        refutes(made, Witness(state(UNIT, FLAT, gradient=FALLING), (JUST_BEFORE,)))


def test_what_is_assumed_of_the_start_must_be_conserved() -> None:
    one = AtStart(Identity(LEFT_SQUARE.sum("i"), constant(2)), LAYERS)
    with pytest.raises(KernelError, match="not conserved"):
        refutes(statement(ALWAYS, one), Witness(state(UNIT, FLAT, gradient=FALLING), (JUST_BEFORE,)))


def test_a_later_state_refutes_only_what_is_said_of_all_times() -> None:
    law = Conserved(LEFT_SQUARE, LAYERS)
    with pytest.raises(KernelError, match="no part of the claim"):
        refutes(statement(law), Witness(state(UNIT, FLAT, gradient=FALLING), (JUST_BEFORE,)))
    assert refutes(statement(All((law, ALWAYS))), Witness(state(UNIT, FLAT, gradient=FALLING), (JUST_BEFORE,)))


def test_a_witness_is_checked_by_the_kernel() -> None:
    claimed = statement(ALWAYS, *SIZES, positive(det))
    offered = Witness(state(UNIT, FLAT, gradient=FALLING), (JUST_BEFORE,))
    verdict = check(claimed, Certificate("witness", claimed.digest, offered, "me"), {})
    assert verdict.status == "REFUTED"
    forged = replace(offered, data=())
    verdict = check(claimed, Certificate("witness", claimed.digest, forged, "me"), {})
    assert verdict.status == "UNDECIDED"


def test_along_flows_in_many_digits() -> None:
    """At 20 balanced starts with det W(0) > 0: det W(t) > 0, and sigma_2^2 <= 18 loss (RC20 equation 10), in rationals
    within the estimated error of the integrator."""
    from theorytest.enclose.flow import integrate
    from theorytest.models import HalfSum, balanced, deep_matrix_factorization

    completion = HalfSum((((0, 1), 1), ((1, 0), 1), ((1, 1), 0)))
    for seed in range(20):
        model = deep_matrix_factorization(2, 2, depth=2 + seed % 2)
        start = balanced(model, seed=seed, scale=HALF, sign=1)
        path = integrate(model, completion, start, 3, digits=15, times=(1, 3))
        for time in (1, 3):
            a, b_, c, d = model.end_tensor(path.rational(time)).entries
            determinant, square = a * d - b_ * c, a**2 + b_**2 + c**2 + d**2
            bound = 18 * completion.value(Array((2, 2), (a, b_, c, d)))
            assert determinant > 1000 * path.error(time)
            assert 2 * bound >= square or bound**2 - square * bound + determinant**2 <= 0
