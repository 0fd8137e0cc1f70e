"""False statements near the true ones: none of them is proved, by the true proof with the claim swapped, by the same
proof run for the false statement, or by the obvious attempts; and (nearly) all of them are refuted by an exact
witness."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache
from itertools import islice, product
from random import Random
from typing import Any

import naive
import pytest
from true_proofs import (
    A_I,
    ADJACENT,
    APART,
    BALANCE,
    CHAIN,
    CORE,
    CP_DEEP_FLOW,
    CP_DEEP_W,
    CP_FLOW,
    DEEP_CORE,
    DEEP_FLOW,
    DEEP_W,
    DEPTH,
    DET,
    DOT,
    DRIFT,
    ENTRIES,
    FAR,
    HALF,
    LEFT,
    LEIBNIZ,
    LEMMA_RATE,
    NEAR,
    P2,
    PAIRING,
    POSITIVE,
    Q2,
    READING,
    RIGHT,
    SETTING,
    SHAPE,
    START,
    TRUE,
    TUCKER_FLOW,
    V_M,
    VECTORS,
    W_M,
    W_N,
    WEDGE,
    WEIGHT,
    change,
    conserved,
    eta,
    gram_left,
    gram_right,
    norm,
    p,
    pair,
    q,
    rate,
    squared_speed,
    state,
    truncation,
    whole,
)

from theorytest.derive.derivation import Derive
from theorytest.errors import InputError
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    Always,
    AtLeast,
    AtStart,
    Change,
    Claim,
    Conserved,
    Descent,
    DeterminantSignPreserved,
    EndMatrixRate,
    Flow,
    Identity,
    Inequality,
    LogDeterminantRate,
    Rate,
    ReadAlways,
    ReadAtStart,
    SingularValueRate,
    SliceTruncation,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.rules import Use
from theorytest.kernel.scalar import scalar
from theorytest.kernel.statement import PROVED, REFUTED, Certificate, Derivation, Instance, Statement, Step, Witness
from theorytest.kernel.terms import Tensor, Term, constant, identity, zero
from theorytest.kernel.witness import assignments, motion_flow

ONE = Fraction(1)
S, T = Tensor("S", ("n", "n")), Tensor("T", ("n", "n"))
a = Tensor("a", ())()


def with_(flow: Flow, **changes: Any) -> Flow:
    return dataclasses.replace(flow, **changes)


def matmul(left: Term, right: Term) -> Term:
    return (left.rename({"j": "k"}) * right.rename({"i": "k"})).sum("k")


def laws() -> Iterator[tuple[str, str, Claim]]:
    """(near which true statement, what is wrong, the false claim)."""
    one, other = norm(W_N), norm(W_M)
    for wrong, quantity in {
        "sum": one + other,
        "factor 2": one - other * 2,
        "one norm alone": one,
        "two components": one - norm(W_M, "s"),
        "fourth powers": one * one - other * other,
        "entries": W_N["r", "i"] * W_N["r", "i"] - W_M["r", "j"] * W_M["r", "j"],
        "products of two rows (N = 2 only)": pair(W_N) - pair(W_M),
        "first powers": W_N["r", "i"].sum("i") - W_M["r", "j"].sum("j"),
        "product of the norms": one * other,
    }.items():
        yield "lemma 1", wrong, Conserved(quantity, CP_FLOW)
    law = one - other
    for name, law, flow, block in (
        ("lemma 1", one - other, CP_FLOW, "w[n]"),
        ("balancedness", gram_left - gram_right, ADJACENT, "W[l]"),
        ("deep tucker i", norm(DEEP_W) - norm(DEEP_CORE), DEEP_FLOW, "G"),
    ):
        yield name, "speed 2", Conserved(law, with_(flow, speeds=((block, Fraction(2)),)))
        yield name, "speed -1", Conserved(law, with_(flow, speeds=((block, Fraction(-1)),)))
        yield name, "speed 0", Conserved(law, with_(flow, speeds=((block, Fraction(0)),)))
        yield name, "decay", Conserved(law, with_(flow, decay=ONE))
        yield name, "gradient descent", Conserved(law, Descent(flow))
        yield name, "momentum", Conserved(law, Descent(flow, "momentum"))
        yield name, "adam", Conserved(law, Descent(flow, "adam"))
    outer = (LEFT["a", "k"] * LEFT["b", "k"]).sum("k")
    inner = (RIGHT["k", "c"] * RIGHT["k", "e"]).sum("k")
    for wrong, quantity in {
        "plus": gram_left + gram_right,
        "factor 2": gram_left - gram_right * 2,
        "one side alone": gram_left,
        "the other side of the transpose": (outer * outer).sum("a", "b") - (inner * inner).sum("c", "e"),
        "entries of the layers (squares 1x1 only)": LEFT["a", "i"] * LEFT["a", "i"] - RIGHT["i", "c"] * RIGHT["i", "c"],
        "sums of entries": LEFT["a", "i"].sum("a") - RIGHT["i", "c"].sum("c"),
        "indices crossed": (LEFT["a", "i"] * LEFT["a", "j"]).sum("a") - (RIGHT["i", "c"] * RIGHT["i", "c"]).sum("c"),
    }.items():
        yield "balancedness", wrong, Conserved(quantity, ADJACENT)
    far = (FAR["a", "i"] * FAR["a", "j"]).sum("a")
    near = (NEAR["i", "c"] * NEAR["j", "c"]).sum("c")
    squares = (far * far).sum("i", "j") - (near * near).sum("i", "j")
    yield "layers apart", "squared Gram matrices", Conserved(squares, APART)
    yield "layers apart", "factor 2", Conserved(whole(FAR) - whole(NEAR) * 2, APART)
    for wrong, quantity in {
        "one column against the whole core": norm(V_M) - whole(CORE),
        "two columns": norm(V_M) - norm(CORE, "s"),
        "one entry of the slice": norm(V_M) - CORE["r", "t"] * CORE["r", "t"],
        "one entry of the column": V_M["r", "i"] * V_M["r", "i"] - norm(CORE),
        "plus": pair(V_M) + pair(CORE),
        "squares of the products": pair(V_M) * pair(V_M) - pair(CORE) * pair(CORE),
    }.items():
        yield "tucker", wrong, Conserved(quantity, TUCKER_FLOW)
    row = (A_I["r", "k", "j"] * A_I["r", "k", "j"]).sum("j")
    for near_, wrong, quantity in (
        ("deep tucker i", "two columns", norm(DEEP_W) - norm(DEEP_CORE, "s")),
        ("deep tucker i", "products of two columns", pair(DEEP_W) - pair(DEEP_CORE)),
        ("deep tucker ii", "two columns", norm(A_I) - norm(DEEP_W, "s")),
        ("deep tucker ii", "one row of the matrix", row - norm(DEEP_W)),
        ("deep tucker ii", "factor 2", norm(A_I) - norm(DEEP_W) * 2),
    ):
        yield near_, wrong, Conserved(quantity, DEEP_FLOW)
    modes = Flow(naive.DEEP_TUCKER, Focus(("m", "n"), (Link(("i",), "m"), Link(("j",), "n"))))
    letters = naive.DEEP_TUCKER.letters(modes.focus)
    yield "deep tucker ii", "two modes", Conserved(norm(letters["A[m,i]"]) - norm(letters["A[n,j]"], "s"), modes)
    pairs = Flow(naive.DEEP_TUCKER, Focus(("m",), (Link(("i", "i+1"), "m", adjacent=True),)))
    letters = naive.DEEP_TUCKER.letters(pairs.focus)
    both = (letters["A[m,i]"]["r", "x", "k"] * letters["A[m,i+1]"]["r", "k", "y"]).sum("k")
    yield "deep tucker ii", "norm of a product", Conserved((both * both).sum("x", "y") - norm(letters["w[m]"]), pairs)
    for wrong, quantity in {
        "first power": WEIGHT["r"] - norm(CP_DEEP_W),
        "factor 2": WEIGHT["r"] * WEIGHT["r"] * 2 - norm(CP_DEEP_W),
        "two components": WEIGHT["r"] * WEIGHT["s"] - pair(CP_DEEP_W),
    }.items():
        yield "deep cp", wrong, Conserved(quantity, CP_DEEP_FLOW)
    true = LEMMA_RATE.rate
    for wrong, speed in {
        "sign": -true,
        "factor 1 for 2": true * HALF,
        "0": zero(*true.free),
        "of another component": true.rename({"r": "s"}),
        "one more factor": true * norm(W_M),
    }.items():
        yield "rate", wrong, Rate(LEMMA_RATE.quantity, speed, CP_FLOW)
    yield "rate", "with decay", Rate(LEMMA_RATE.quantity, true, with_(CP_FLOW, decay=HALF))
    drift = squared_speed(CP_FLOW, "w[n]") - squared_speed(CP_FLOW, "w[m]")
    for wrong, amount in {
        "η for η^2": eta * drift,
        "half": DRIFT.change * HALF,
        "sign": -DRIFT.change,
        "one gradient only": eta * eta * squared_speed(CP_FLOW, "w[n]"),
        "0": zero(("r", "R")),
        "under adam": None,
        "under momentum": None,
    }.items():
        method = wrong.removeprefix("under ") if amount is None else "gradient descent"
        yield "drift", wrong, Change(DRIFT.quantity, amount or DRIFT.change, Descent(CP_FLOW, method))


def motions() -> Iterator[tuple[str, str, Statement]]:
    start = SETTING["balanced"]
    yield "stays", "no assumption", state("", Always(BALANCE, ADJACENT))
    twice = Identity(BALANCE.lhs, BALANCE.rhs * 2)  # type: ignore[operator]
    yield "stays", "factor 2", state("", Always(twice, ADJACENT), balanced=start)
    yield (
        "stays",
        "unequal speeds",
        state("", Always(BALANCE, with_(ADJACENT, speeds=(("W[l]", ONE * 2),))), balanced=start),
    )
    less = Inequality(BALANCE.lhs, "<", BALANCE.rhs)
    yield "stays", "strictly less", state("", Always(less, ADJACENT), balanced=start)
    claim = DeterminantSignPreserved(CHAIN.flow)
    for dropped in ("balanced", "depth"):
        yield "sign", f"without {dropped}", state("", claim, **{k: f for k, f in SETTING.items() if k != dropped})
    yield "sign", "depth 1", state("", claim, **SETTING | {"depth": AtLeast("L", 1)})
    yield "sign", "gradient descent", state("", DeterminantSignPreserved(Descent(CHAIN.flow)), **SETTING)
    setting = SETTING | VECTORS
    for wrong, speed in {
        "sign": DEPTH * PAIRING,
        "factor 1 for L": PAIRING * -1,
        "factor L + 1": (DEPTH + constant(1)) * PAIRING * -1,
        "half": DEPTH * PAIRING * -HALF,
    }.items():
        yield "log rate", wrong, state("", LogDeterminantRate(speed, CHAIN.flow), **setting)
    kept = {k: f for k, f in setting.items() if k != "balanced"}
    yield "log rate", "without balanced", state("", LogDeterminantRate(DEPTH * PAIRING * -1, CHAIN.flow), **kept)
    kept = {k: f for k, f in setting.items() if k != "first"}
    yield "log rate", "other powers", state("", LogDeterminantRate(DEPTH * PAIRING * -1, CHAIN.flow), **kept)
    balanced = {"balanced": start}
    for wrong, rate_ in {
        "one exponent for both": EndMatrixRate(CHAIN.flow, right=(0, 1, -1)),
        "the last summand alone": EndMatrixRate(CHAIN.flow, all_layers=False),
        "exponents without l": EndMatrixRate(CHAIN.flow, left=(0, 0, 0)),
    }.items():
        yield "product flow", wrong, state("", rate_, **balanced)
    yield "product flow", "without balanced", state("", EndMatrixRate(CHAIN.flow))
    for wrong, speed_ in {
        "factor 1 for L": SingularValueRate(CHAIN.flow, times_depth=False),
        "exponent 1 - 2/L": SingularValueRate(CHAIN.flow, exponent=(1, -2)),
        "exponent 1": SingularValueRate(CHAIN.flow, exponent=(1, 0)),
    }.items():
        yield "singular flow", wrong, state("", speed_, **balanced)
    yield "singular flow", "without balanced", state("", SingularValueRate(CHAIN.flow))
    known: dict[str, Claim] = SETTING | SHAPE | START
    b, c = ENTRIES[1, 2], ENTRIES[2, 1]
    for wrong, sign in {"negative": LEIBNIZ * -1, "one product": b * c, "less": LEIBNIZ - 1, "a sum": b + c}.items():
        yield "positive", wrong, state("", ReadAlways((), Inequality(scalar(0), "<", sign), READING), **known)
    claimed = ReadAlways((), POSITIVE, READING)
    yield "positive", "without the start", state("", claimed, **{k: f for k, f in known.items() if k != "start"})
    lower = ReadAtStart(Inequality(scalar(0), "<", DET + 1), READING)
    yield "positive", "a start above -1", state("", claimed, **known | {"start": lower})


def tensors() -> Iterator[tuple[str, str, Claim]]:
    for wrong, claim in {
        "reversed": Inequality(P2 * Q2, "<=", DOT * DOT),
        "factor 3": Inequality(DOT * DOT * 3, "<=", P2 * Q2 * 2),
        "strict": Inequality(DOT * DOT, "<", P2 * Q2),
        "equal (one dimension only)": Identity(DOT * DOT, P2 * Q2),
        "without the square": Inequality(DOT, "<=", P2 * Q2),
        "one index for two": Inequality(DOT * DOT, "<=", (p["i"] * p["i"] * q["i"] * q["i"]).sum("i")),
        "sum of squares for square of the sum": Inequality(p["i"].sum("i") * p["i"].sum("i"), "<=", P2),
        "nonnegative product": Inequality(zero(), "<=", DOT),
        "nonnegative cube": Inequality(zero(), "<=", a * a * a),
    }.items():
        yield "cauchy-schwarz", wrong, claim
    s, t = S["i", "j"], T["i", "j"]
    trace = S["i", "i"].sum("i")
    u = Tensor("R", ("n", "n"))["i", "j"]
    for wrong, claim in {
        "matrices commute": Identity(matmul(s, t), matmul(t, s)),
        "transpose of a product": Identity(matmul(s, t).rename({"i": "j", "j": "i"}), matmul(s, t)),
        "symmetric": Identity(s, S["j", "i"]),
        "trace of a product": Identity(matmul(s, t).rename({"j": "i"}).sum("i"), trace * T["i", "i"].sum("i")),
        "trace in another order": Identity(
            matmul(matmul(s, t), u).rename({"j": "i"}).sum("i"), matmul(matmul(s, u), t).rename({"j": "i"}).sum("i")
        ),
        "outer product (one dimension only)": Identity(p["i"] * q["j"], p["j"] * q["i"]),
        "trace of the identity is 1": Identity(identity("i", "i", "n").sum("i"), constant(1)),
        "free for summed": Identity(p["i"], p["i"].sum("i").rename({}) + zero(("i", "n"))),
        "row for column": Identity(S["i", "j"].sum("j"), S["j", "i"].sum("j")),
        "square of a sum": Identity((a + DOT) * (a + DOT), a * a + DOT * DOT),
        "delta for a tensor": Identity(S["i", "j"] * identity("i", "j", "n"), S["i", "j"]),
        "|n| |n| = |n|": Identity(constant(1, ("i", "n"), ("j", "n")).sum("i", "j"), constant(1, ("i", "n")).sum("i")),
    }.items():
        yield "cauchy-schwarz", wrong, claim


def truncations() -> Iterator[tuple[str, str, Claim]]:
    for wrong, changes in {
        "threshold times 4": {"factor": Fraction(4)},
        "threshold a little larger": {"factor": Fraction(1001, 1000)},
        "without N": {"order": 0},
        "without d_n": {"dimension": 0},
        "other power of N": {"order": -1},
        "other power of d_n": {"dimension": -2},
        "Frobenius norms and factor 4": {"factor": Fraction(4), "norm": "frobenius"},
    }.items():
        yield "truncation", wrong, dataclasses.replace(SliceTruncation(), **changes)


CASES: dict[str, tuple[str, Statement]] = {
    f"{near}: {wrong}": (near, state("", claim)) for near, wrong, claim in (*laws(), *tensors(), *truncations())
} | {f"{near}: {wrong}": (near, made) for near, wrong, made in motions()}


def test_there_are_enough_of_them():
    assert len(CASES) >= 80
    claims = [(made.claim, made.assumptions) for _, made in CASES.values()]
    assert all(claims.count(one) == 1 for one in claims)
    assert all((made.claim, made.assumptions) not in claims for made, _ in TRUE.values())


@pytest.mark.parametrize("name", TRUE)
def test_the_true_statements_are_proved(name):
    made, _ = TRUE[name]
    assert check(made, Certificate("derivation", made.digest, derived(name), "me"), {}).status == PROVED


@cache
def derived(name: str) -> Derivation:
    made, build = TRUE[name]
    derive = Derive(made)
    build(derive)
    return derive.derivation()


def attempts(made: Statement, near: str) -> Iterator[Derivation]:
    """The proof of the true statement, the same proof run for this one, and what else one would try."""
    true, build = TRUE[near]
    yield derived(near)
    builds = [build]
    claim = made.claim
    if isinstance(claim, Conserved) and isinstance(claim.motion, Flow):
        builds.append(conserved(claim))
    if isinstance(claim, Rate):
        builds.append(rate(claim))
    if isinstance(claim, Change):
        builds.append(change(claim))
    if isinstance(claim, SliceTruncation):
        builds.append(truncation(claim))
    for one in builds:
        derive = Derive(made)
        with suppress(KernelError, InputError):
            one(derive)
        yield derive.derivation()
    steps: list[list[Step]] = [[Step("assumption", (), (x.label,))] for x in made.assumptions]
    steps.append([Step("statement", (), (true.digest,))])
    for motion in {getattr(claim, "motion", None), CP_FLOW}:
        for quantity in (getattr(claim, "quantity", None), norm(W_N) - norm(W_M)):
            rule = "change" if isinstance(motion, Descent) else "rate"
            steps.append([Step(rule, (), (quantity, motion)), Step("zero-derivative", (0,), ())])
            steps.append(
                [Step("rate", (), (quantity, getattr(motion, "flow", motion))), Step("zero-derivative", (0,), ())]
            )
    if isinstance(claim, Identity | Inequality):
        steps.append([Step("identity", (), (claim.lhs, claim.rhs))])
        for uses in ((), (WEDGE,), (Use(0, constant(1), (), ()),)):
            steps.append([Step("combination", (), (claim, *uses))])
            steps.append([Step("identity", (), (P2, P2)), Step("combination", (0,), (claim, *uses))])
    for one in steps:
        yield Derivation(tuple(one))


@pytest.mark.parametrize("name", CASES)
def test_nothing_false_is_proved(name):
    near, made = CASES[name]
    true, _ = TRUE[near]
    for payload in attempts(made, near):
        certificate = Certificate("derivation", made.digest, payload, "attacker")
        assert check(made, certificate, {true.digest: true}).status != PROVED


# -- they are false ---------------------------------------------------------------------------------------------------


KINDS = {model.name: kind for kind, model in naive.MODELS.items()}


def candidates(made: Statement) -> Iterator[Instance]:
    """Random exact instances; balanced layers (all diagonal and equal) where the start is assumed."""
    random = Random(made.digest)
    claim, flow = made.claim, motion_flow(made.claim)
    if flow is None:
        for attempt in range(60):
            size = 1 + attempt % 3
            letter_shapes: dict[str, tuple[int, ...]] = {"p": (size,), "q": (size,), "a": ()}
            letter_shapes |= dict.fromkeys("STR", (size, size))
            yield Instance(
                sizes=(("n", size),),
                letters=tuple((name, array(random, shape)) for name, shape in letter_shapes.items()),
            )
        return
    kind = KINDS[flow.parameterization.name]
    start = any(isinstance(x.formula, AtStart) for x in made.assumptions)
    square = start or isinstance(claim, DeterminantSignPreserved | LogDeterminantRate)
    for _ in range(300):
        sizes = naive.random_sizes(kind, random)
        if square:
            depth = random.randint(1, 3)
            sizes = {"L": depth, "d_out": 2, "d_in": 2, "h": (2,) * (depth - 1)}
        members = naive.pick(lambda: assignments(flow, Instance(tuple(sizes.items()))), random)  # noqa: B023
        if members is None:
            continue
        shapes = naive.shapes(kind, sizes)
        layers = {name: array(random, shape) for name, shape in shapes.items()}
        letters: dict[str, Array] = {}
        if square:
            numbers = sorted(random.choices((0, 1, 2), k=2), reverse=True)
            diagonal = Array((2, 2), (ONE * numbers[0], ONE * 0, ONE * 0, ONE * numbers[1]))
            unit = Array((2, 2), (ONE, ONE * 0, ONE * 0, ONE))
            choice = {name: diagonal if start or name == "W[1]" else unit for name in shapes}
            layers = choice if random.random() < 0.8 or start else layers
            power = sizes["L"] if start else 1
            if isinstance(claim, LogDeterminantRate):
                first = numbers if choice[f"W[{sizes['L']}]"] == diagonal else [1, 1]
                kappa = [ONE * x**2 for x in first]
                values = [ONE * x**power for x in numbers]
                if any(x.label == "first" for x in made.assumptions):
                    letters = {"κ": Array((2,), tuple(kappa))}
                else:
                    kappa = [ONE * 3, ONE * 5]
                    letters = {"κ": Array((2,), tuple(kappa))}
                rho = [x / k if k else ONE for x, k in zip(values, kappa, strict=True)]
                letters |= {"ρ": Array((2,), tuple(rho)), "U": unit, "V": unit}
        variables: dict[str, Fraction] = {}
        if isinstance(getattr(claim, "motion", None), Descent):
            variables["η"] = Fraction(random.randint(1, 8), 4)
            if claim.motion.method == "momentum":  # type: ignore[union-attr]
                variables["β"] = HALF
                blocks = flow.parameterization.letters(flow.focus)
                values = flow.parameterization.values_at(
                    flow.focus, members, sizes, layers, array(random, naive.end_shape(kind, sizes))
                )
                letters |= {f"U({name})": array(random, values[name].shape) for name in blocks}
        yield Instance(
            tuple(sizes.items()),
            tuple(members.items()),
            tuple(layers.items()),
            array(random, naive.end_shape(kind, sizes)),
            tuple(letters.items()),
            tuple(variables.items()),
        )


def array(random: Random, shape: tuple[int, ...]) -> Array:
    places = product(*map(range, shape))
    return naive.array({at: Fraction(random.randint(-3, 3), random.randint(1, 3)) for at in places}, shape)


REFUTABLE = [name for name, (near, _) in CASES.items() if near != "truncation"]


@pytest.mark.parametrize("name", REFUTABLE)
def test_what_is_false_is_refuted(name):
    """(Truncations need tensors of their own: see test_truncation.)"""
    _, made = CASES[name]
    for instance in candidates(made):
        verdict = check(made, Certificate("witness", made.digest, Witness(instance), "me"), {})
        if verdict.status == REFUTED:
            assert verdict.counterexample is not None and verdict.counterexample.margin
            return
    raise AssertionError("no witness was found: is it false?")


@pytest.mark.parametrize("name", [name for name in TRUE if name != "truncation"])
def test_what_is_true_is_not_refuted(name):
    made, _ = TRUE[name]
    met = 0
    for instance in islice(candidates(made), 50):
        verdict = check(made, Certificate("witness", made.digest, Witness(instance), "me"), {})
        assert verdict.status != REFUTED
        held = ("holds at this instance", "no crossing", "does not surely fail")
        met += any(words in verdict.reason for words in held)
    assert met > 5, "the witnesses were turned away for other reasons"
