"""False statements near the true ones about functions of time and about components: none of them is proved, by the true
proof with the claim swapped, by the same proof run for the false statement, or by the obvious attempts; and all of them
are refuted by an exact witness (those that fail at or right after time 0)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from theorytest.derive.derivation import Derive
from theorytest.derive.evolution import InTime, power, variables
from theorytest.errors import InputError
from theorytest.kernel.analysis import sides
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    Always,
    AtLeast,
    AtStart,
    Claim,
    ComponentAlignment,
    ComponentStaysZero,
    Evolution,
    Flow,
    Identity,
    Inequality,
    Where,
    ZeroStays,
)
from theorytest.kernel.components import cauchy_schwarz
from theorytest.kernel.errors import KernelError
from theorytest.kernel.evolution import initial
from theorytest.kernel.parameterization import Array, Focus
from theorytest.kernel.rules import Square
from theorytest.kernel.scalar import ZERO, Exp, Ln, Scalar, Variable, scalar
from theorytest.kernel.statement import (
    PROVED,
    REFUTED,
    Assumption,
    Certificate,
    Derivation,
    Instance,
    Statement,
    Step,
    Witness,
)
from theorytest.kernel.terms import Tensor, Term
from theorytest.models import CP

t, c, g, G, N, y, v, z, k = variables("t c g G N y v z Lambda")
C0, Y0 = (Variable(initial(name)) for name in "cy")
ONE = Fraction(1)


def below(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


def at_most(lhs: Any, rhs: Any) -> Inequality:
    return Inequality(scalar(lhs), "<=", scalar(rhs))


# -- the separable equation --------------------------------------------------------------------------------------------


def separable(claim: Identity | Inequality) -> Evolution:
    return Evolution(
        "t",
        (("c", g * power(c, N - 1)), ("G", g)),
        ("g",),
        (below(0, c), Identity(Variable("G(0)"), ZERO)),
        (Where((), claim),),
    )


def falling(value: Scalar) -> Scalar:
    return power(value, -1 * (N - 2))


SOLUTION = separable(Identity(falling(c), falling(C0) - (N - 2) * G))


def separate(derive: Derive, claim: Evolution) -> None:
    time = InTime(derive, claim)
    positive = time.suppose(below(0, c))
    ln = time.ln_upper(positive)
    product = time.exp_product(-1 * (N - 2) * Ln(c), (N - 1) * Ln(c), Ln(c), ln)
    product = time.rewrite(time.exp_ln(positive), product, Identity(c, product.claim.claim.rhs))
    quantity = falling(c) + (N - 2) * G
    slope = time.equal("", time.derivative(quantity), 0, product, time.power(positive, -1))
    kept = time.never_exceeds(quantity, slope, time.defined(quantity, product))
    always, empty = time.suppose(kept.claim.claims[0].claim), time.suppose(Identity(Variable("G(0)"), ZERO))
    lhs, rhs = sides(claim.claims[0].claim)
    time.at_every_time(kept, time.equal("", lhs, rhs, always, empty))


# -- Gronwall ----------------------------------------------------------------------------------------------------------


def comparison(claim: Identity | Inequality) -> Evolution:
    return Evolution("t", (("y", 2 * v),), ("v",), (at_most(v, k * y),), (Where((), claim),))


GRONWALL = comparison(at_most(y * Exp(-2 * k * t), Y0))


def compare(derive: Derive, claim: Evolution) -> None:
    time = InTime(derive, claim)
    steep = time.suppose(at_most(v, k * y))
    shrinks = time.exp_positive(time.defined(-2 * k * t, steep))
    quantity = y * Exp(-2 * k * t)
    fall = time.at_most("", time.derivative(quantity), 0, steep, shrinks, by=[(2, 1, (steep, shrinks))])
    kept = time.never_exceeds(quantity, fall, time.defined(quantity, shrinks))
    always = time.suppose(kept.claim.claims[0].claim)
    begin = always.claim.claim.rhs.parts[-1]
    one = time.rewrite(time.exp_zero(), time.exp_of(begin.argument, ZERO), Identity(begin, scalar(1)))
    lhs, rhs = sides(claim.claims[0].claim)
    time.at_every_time(kept, time.at_most("", lhs, rhs, always, one, by=[(1, 1, (always,))]))


# -- components --------------------------------------------------------------------------------------------------------

PAIR = Flow(CP, Focus(("n", "m")))
W_N, W_M = CP.letters(PAIR.focus).values()
MODE = Flow(CP, Focus(("n",)))
(W,) = CP.letters(MODE.focus).values()


def square(w: Tensor, row: str = "r") -> Term:
    return (w[row, "i"] * w[row, "i"]).sum("i")


BALANCED = AtStart(Identity(square(W_N), square(W_M)), PAIR)
SETTING: dict[str, Claim] = {"balanced": BALANCED, "order": AtLeast("N", 2)}
VANISHES = ComponentStaysZero(Flow(CP, Focus()))


def vanish(derive: Derive, claim: Claim) -> None:
    law = derive.conserved(square(W_N) - square(W_M), PAIR)
    equal = derive.apply("stays", law, derive.assume("balanced"))
    stays = derive.apply("zero-stays", data=(square(W_N) + square(W_M), PAIR))
    derive.apply("component-stays-zero", equal, stays, derive.assume("order"))


def stay(derive: Derive, claim: Claim) -> None:
    assert isinstance(claim, ZeroStays)
    derive.apply("zero-stays", data=(claim.quantity, claim.motion))


def align(derive: Derive, claim: Claim) -> None:
    assert isinstance(claim, ComponentAlignment)
    bound = cauchy_schwarz(MODE)
    ((legs, velocity),) = MODE.velocities().values()
    u, w = velocity.rename(dict(zip(legs, ("r", "i"), strict=True))), W["r", "i"]
    wedge = (w * u.rename({"i": "j"}) - w.rename({"i": "j"}) * u) * Fraction(1, 2)
    assert isinstance(bound.lhs, Term) and isinstance(bound.rhs, Term)
    shown = derive.at_most("", bound.lhs, bound.rhs, (), [Square(wedge, ("i", "j"))] * 2)
    derive.apply("component-alignment", shown, data=(claim.motion,))


Build = Callable[[Derive, Any], None]
TRUE: dict[str, tuple[Claim, dict[str, Claim], Build]] = {
    "separable": (SOLUTION, {}, separate),
    "gronwall": (GRONWALL, {}, compare),
    "vanishing": (VANISHES, SETTING, vanish),
    "pair": (ZeroStays(square(W_N) + square(W_M), PAIR), {}, stay),
    "alignment": (ComponentAlignment(MODE), {}, align),
}


def numbers(**values: Any) -> Instance:
    return Instance(variables=tuple((name, Fraction(value)) for name, value in values.items()))


def state(*factors: Any, gradient: Any = 1, **members: int) -> Instance:
    blocks = tuple((f"w[{n}]", Array((1, 1), (Fraction(w),))) for n, w in enumerate(factors, 1))
    sizes = (("N", len(factors)), ("R", 1), ("d", (1,) * len(factors)))
    return Instance(sizes, tuple(members.items()), blocks, Array((1,) * len(factors), (Fraction(gradient),)))


SKEW = Instance(
    (("N", 1), ("R", 1), ("d", (2,))),
    (("n", 1),),
    (("w[1]", Array((1, 2), (ONE, ONE * 0))),),
    Array((2,), (ONE, ONE)),
)


def false() -> Iterator[tuple[str, str, Claim, dict[str, Claim], Instance]]:
    """near which true statement; what is wrong; the claim; assumptions; a witness."""
    start = numbers(c=1, G=0, g=1, N=4)

    def other(e: Scalar) -> Callable[[Scalar], Scalar]:
        return lambda value: power(value, e)

    for wrong, exponent in {"N - 1": -1 * (N - 1), "2 - N / 2": 2 - N / 2, "N - 2": N - 2, "- N": -1 * N}.items():
        at = other(exponent)
        yield "separable", f"exponent {wrong}", separable(Identity(at(c), at(C0) - (N - 2) * G)), {}, start
    for wrong, slope in {"1": scalar(1), "N - 1": N - 1, "N": N, "2 - N": 2 - N}.items():
        yield "separable", f"factor {wrong}", separable(Identity(falling(c), falling(C0) - slope * G)), {}, start
    yield "separable", "no integral", separable(Identity(falling(c), falling(C0))), {}, start
    yield "separable", "twice the start", separable(Identity(falling(c), 2 * falling(C0) - (N - 2) * G)), {}, start
    yield "separable", "any integral", replace(SOLUTION, conditions=(below(0, c),)), {}, numbers(c=1, G=1, g=1, N=4)
    faster = replace(SOLUTION, rates=(("c", g * power(c, N)), ("G", g)))
    yield "separable", "another equation", faster, {}, numbers(c=2, G=0, g=1, N=4)
    yield "separable", "twice the integral", replace(SOLUTION, rates=(SOLUTION.rates[0], ("G", 2 * g))), {}, start
    steep = numbers(y=1, v=Fraction(9, 10), Lambda=1)
    for wrong, bound in {"half": -1 * k * t, "none": 0 * t, "sign": 2 * k * t}.items():
        yield "gronwall", f"exponent {wrong}", comparison(at_most(y * Exp(bound), Y0)), {}, steep
    yield "gronwall", "half the start", comparison(at_most(y * Exp(-2 * k * t), Y0 / 2)), {}, steep
    yield "gronwall", "strictly", comparison(below(y * Exp(-2 * k * t), Y0)), {}, steep
    claim = comparison(at_most(Y0, y * Exp(-2 * k * t)))
    yield "gronwall", "reversed", claim, {}, steep
    yield "gronwall", "no bound of v", replace(GRONWALL, conditions=()), {}, numbers(y=1, v=3, Lambda=1)
    twice = replace(GRONWALL, rates=(("y", 4 * v),))
    yield "gronwall", "another rate", twice, {}, steep
    yield "vanishing", "unbalanced", VANISHES, {"order": AtLeast("N", 2)}, state(0, 1)
    yield "vanishing", "order one", VANISHES, {"balanced": BALANCED}, state(0)
    yield "vanishing", "N >= 1", VANISHES, SETTING | {"order": AtLeast("N", 1)}, state(0)
    yield "pair", "one factor", ZeroStays(square(W), MODE), {}, state(0, 1, n=1)
    yield "pair", "all components of one factor", ZeroStays(square(W).sum("r"), MODE), {}, state(0, 1, n=1)
    uphill = Flow(CP, MODE.focus, speeds=(("w[n]", -ONE),))
    yield "alignment", "ascent", ComponentAlignment(uphill), {}, SKEW


FALSE = {f"{near}: {wrong}": (near, claim, assumed, at) for near, wrong, claim, assumed, at in false()}


def stated(claim: Claim, assumed: dict[str, Claim]) -> Statement:
    return Statement("s", "", claim, assumptions=tuple(Assumption(n, "", f) for n, f in assumed.items()))


@cache
def derived(name: str) -> Derivation:
    claim, assumed, build = TRUE[name]
    derive = Derive(stated(claim, assumed))
    build(derive, claim)
    return derive.derivation()


@pytest.mark.parametrize("name", TRUE)
def test_the_true_statements_are_proved(name: str) -> None:
    claim, assumed, _ = TRUE[name]
    made = stated(claim, assumed)
    assert check(made, Certificate("derivation", made.digest, derived(name), "me"), {}).status == PROVED


def test_there_are_enough_false_ones() -> None:
    assert len(FALSE) >= 25


def attempts(near: str, made: Statement) -> Iterator[Derivation]:
    """The true proof, the same proof run for the false claim, and single steps."""
    yield derived(near)
    derive = Derive(made)
    with suppress(KernelError, InputError, AssertionError):
        TRUE[near][2](derive, made.claim)
    yield derive.derivation()
    steps = list(derived(near).steps)
    for place in range(len(steps)):  # what is left out, or comes last
        yield Derivation(tuple(steps[:place] + steps[place + 1 :]))
        yield Derivation(tuple(steps[: place + 1]))
    claim = made.claim
    if isinstance(claim, Evolution):
        system = replace(claim, claims=())
        for part in claim.claims:
            assumed = Step("suppose", (), (part.claim,))
            yield Derivation((assumed, Step("at-every-time", (0,), (system,))))
            yield Derivation((Step("at-every-time", (), (claim,)),))
    else:
        motion = getattr(claim, "motion", None)
        yield Derivation((Step("component-alignment", (), (motion,)),))
        yield Derivation((Step("component-stays-zero", (), ()),))
        if isinstance(claim, ZeroStays):
            yield Derivation((Step("zero-stays", (), (claim.quantity, claim.motion)),))


@pytest.mark.parametrize("name", FALSE)
def test_nothing_false_is_proved(name: str) -> None:
    near, claim, assumed, _ = FALSE[name]
    made = stated(claim, assumed)
    true = stated(*TRUE[near][:2])
    for payload in attempts(near, made):
        certificate = Certificate("derivation", made.digest, payload, "attacker")
        assert check(made, certificate, {true.digest: true}).status != PROVED


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_refuted(name: str) -> None:
    _, claim, assumed, at = FALSE[name]
    made = stated(claim, assumed)
    verdict = check(made, Certificate("witness", made.digest, Witness(at), "me"), {})
    assert verdict.status == REFUTED, verdict.reason


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_not_refuted(name: str) -> None:
    claim, assumed, _ = TRUE[name]
    made = stated(claim, assumed)
    for near, _, _, at in FALSE.values():
        if near == name:
            assert check(made, Certificate("witness", made.digest, Witness(at), "me"), {}).status != REFUTED


def test_claims_about_all_times_are_not_claims_at_one() -> None:
    """Always for a component's balance does not follow from balance at one time of another flow."""
    decayed = Flow(CP, PAIR.focus, decay=ONE)
    law = [Step("rate", (), (square(W_N) - square(W_M), decayed)), Step("zero-derivative", (0,), ())]
    made = stated(Always(Identity(square(W_N), square(W_M)), decayed), {"balanced": BALANCED})
    payload = Derivation((*law, Step("assumption", (), ("balanced",)), Step("stays", (1, 2), ())))
    assert check(made, Certificate("derivation", made.digest, payload, "me"), {}).status != PROVED
