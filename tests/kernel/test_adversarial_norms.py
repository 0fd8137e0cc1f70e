"""False statements near the true ones about norms that move, chains, spectra and unfoldings: none of them is proved, by
the true proof with the claim swapped or by the same proof run for the false statement, and an exact witness refutes
each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, cast

import pytest
from test_chains import COLUMNS, DEEP, GROUP, NOT_NEGATIVE, POSITIVE, POWER, SMALL, TEMPLATES, base, c, power, step, v
from test_modes import PAIRING, array, one_product, one_rotation, same_numbering
from test_modes import TUCKER as UNFOLDED
from test_moment import FLOW, V_M, omega, slices, square
from true_proofs import state

from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.moment import along_chain, at_time, parts
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    All,
    AtStart,
    AtTime,
    Conserved,
    HigherOrderSVD,
    Identity,
    Inequality,
    LargestConserved,
    Matricization,
    Matrix,
    NormRate,
    RankAtMost,
    SameSingularValues,
    SquaredSingularValues,
    TuckerNorm,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array
from theorytest.kernel.spectra import inner_gram, outer_gram
from theorytest.kernel.statement import PROVED, REFUTED, Certificate, Instance, Statement, Witness
from theorytest.kernel.terms import Tensor, Term, constant, zero

Build = Callable[[Derive], Any]
ones = constant(1, ("r", COLUMNS))


# -- a norm that moves -------------------------------------------------------------------------------------------------

rate = Tensor("ρ", omega.sizes)
moved = square.along(FLOW.velocities())
OMEGA = All((Inequality(zero(("r", omega.sizes[0])), "<", omega["r"]), Identity(omega["r"] * omega["r"], square)))
SPEED = Identity(omega["r"] * rate["r"] * 2, moved)


def norm_rate(derive: Derive) -> Any:
    positive, norm = parts(derive, derive.assume("omega"))
    speed = derive.assume("speed")
    found = derive.rate(square, FLOW)
    exact = derive.apply("norm-rate", found, positive, norm, speed, data=(omega["r"], rate["r"]))
    claim = derive.statement.claim
    if exact.claim == claim:
        return exact
    assert isinstance(claim, NormRate)
    same = at_time(derive, FLOW, (speed,), lambda inner, fact: inner.equal("as it is", rate["r"], rate["r"]))
    return derive.apply("norm-rate-compared", exact, same, data=(claim,))


def tucker(core: Any = 1, one: Any = 2, other: Any = 3, omega_: Any = 2, rho: Any = 3) -> Instance:
    """Order 2, every size 1, gradient -1: d/dt |w| is core times other where w > 0."""
    blocks = (("G", array((1, 1), core)), ("V[1]", array((1, 1), one)), ("V[2]", array((1, 1), other)))
    letters = (("ω", array((1,), omega_)), ("ρ", array((1,), rho)))
    sizes = (("N", 2), ("R", (1, 1)), ("d", (1, 1)))
    return Instance(sizes, (("m", 1),), blocks, array((1, 1), -1), letters)


TRUE_RATE = state("", NormRate(square, "=", rate["r"], FLOW), omega=OMEGA, speed=SPEED)


def rates() -> list[tuple[str, Statement, Build, Witness]]:
    true, made = TRUE_RATE.claim, []
    assert isinstance(true, NormRate)
    for wrong, changes in {
        "factor 2": {"rate": rate["r"] * 2},
        "sign": {"rate": -rate["r"]},
        "times the norm": {"rate": rate["r"] * omega["r"]},
        "of the core": {"square": slices * 4},
        "of a sum of squares": {"square": square + slices},
        "at most half": {"relation": "<=", "rate": rate["r"] * Fraction(1, 2)},
        "at least twice": {"relation": ">=", "rate": rate["r"] * 2},
        "weighted": {"factor": constant(2)},
        "with decay": {"motion": dataclasses.replace(FLOW, decay=Fraction(1))},
        "at half the speed": {"motion": dataclasses.replace(FLOW, speeds=((V_M.name, Fraction(1, 2)),))},
    }.items():
        claim = dataclasses.replace(true, **changes)  # type: ignore[arg-type]
        made.append((wrong, state("", claim, omega=OMEGA, speed=SPEED), norm_rate, Witness(tucker())))
    kept = state("", true, speed=SPEED)
    made.append(("any omega", kept, norm_rate, Witness(tucker(omega_=1, rho=6))))
    kept = state("", true, omega=OMEGA)
    made.append(("any rho", kept, norm_rate, Witness(tucker(rho=5))))
    largest = LargestConserved(tuple(_law(quantity) for quantity in (square, slices * 2)))
    made.append(("largest of what moves", state("", largest), _largest, Witness(tucker())))
    return made


def _law(quantity: Term) -> Any:
    return Conserved(quantity, FLOW)


def _largest(derive: Derive) -> Any:
    claim = derive.statement.claim
    assert isinstance(claim, LargestConserved)
    laws = [derive.conserved(law.quantity, FLOW) for law in claim.laws]
    return derive.apply("largest-conserved", *laws)


# -- a bound along a chain ---------------------------------------------------------------------------------------------

START = AtStart(SMALL.claim, SMALL.motion)
lengths = (v["r", "q"] * v["r", "q"]).sum("q")
whole = (GROUP["r", "p", "q"] * v["r", "q"]).sum("q")
image = (whole * whole).sum("p")
TRUE_BOUND = AtTime(All((NOT_NEGATIVE, Inequality(image, "<=", power["r"] * power["r"] * lengths))), DEEP)


def bound(derive: Derive) -> Any:
    """The bound at all times is put in as if it had been proved; what is tried is the induction."""
    facts = [derive.assume("positive"), derive.assume("power"), Fact(0, SMALL)]
    return along_chain(derive, DEEP, 0, facts, TEMPLATES, base, step)


def chain(first: int, second: int, c_: Any, power_: Any, v_: Any = 1) -> Instance:
    blocks = (
        ("G", array((1, 1), 1)),
        ("A[1,1]", array((1, 1, 1), first)),
        ("A[1,2]", array((1, 1, 1), second)),
        ("w[1]", array((1, 1), 1)),
        ("w[2]", array((1, 1), 1)),
    )
    letters = (("c", array((1,), c_)), ("c^k", array((1,), power_)), ("v", array((1, 1), v_)))
    sizes = (("N", 2), ("R", (1, 1)), ("d", (1, 1)), ("k", (2, 0)))
    return Instance(sizes, (("m", 1),), blocks, array((1, 1), 0), letters)


def chains() -> list[tuple[str, Statement, Build, Witness]]:
    made = []
    at, half = Witness(chain(2, 2, 2, 4)), Witness(chain(1, 1, 1, 1, 2))
    small = {"start": START, "positive": POSITIVE, "power": POWER}
    for wrong, claim, witness in (
        ("first power", Inequality(image, "<=", power["r"] * lengths), at),
        ("strict", Inequality(image, "<", power["r"] * power["r"] * lengths), at),
        ("half", Inequality(image * 2, "<=", power["r"] * power["r"] * lengths), at),
        ("one factor", Inequality(image, "<=", c["r"] * c["r"] * lengths), at),
        ("without the vector", Inequality(image, "<=", power["r"] * power["r"]), half),
        ("reversed", Inequality(power["r"] * power["r"] * lengths, "<=", image), Witness(chain(1, 1, 2, 4))),
        ("negative", Inequality(power["r"], "<=", zero(("r", COLUMNS))), at),
        ("equal", Identity(image, power["r"] * power["r"] * lengths), Witness(chain(1, 1, 2, 4))),
    ):
        made.append((wrong, state("", AtTime(claim, DEEP), **small), bound, witness))
    free = {key: claim for key, claim in small.items() if key != "start"}
    made.append(("any factors", state("", TRUE_BOUND, **free), bound, Witness(chain(3, 3, 2, 4))))
    free = {key: claim for key, claim in small.items() if key != "power"}
    made.append(("any power", state("", TRUE_BOUND, **free), bound, Witness(chain(2, 2, 2, 2))))
    return made


# -- spectra, unfoldings, norms ----------------------------------------------------------------------------------------

X, Y = (Tensor(name, ("d", "d"))["i", "j"] for name in "XY")
MX, MY = Matrix(X, "i", "j"), Matrix(Y, "i", "j")
values = Tensor("v", ("d",))["i"]
BALANCE = Identity(inner_gram(MX, "a", "b"), outer_gram(MY, "a", "b"))
TRUE_SPECTRUM = state("", SameSingularValues(MX, MY), balance=BALANCE)


def spectrum(derive: Derive) -> Any:
    return derive.apply("balanced-spectrum", derive.assume("balance"), data=(MX, MY, "a", "b"))


def letters(**arrays: Array) -> Witness:
    return Witness(Instance(letters=tuple(arrays.items())))


EYE, NIL = array((2, 2), 1, 0, 0, 1), array((2, 2), 0, 1, 0, 0)
LOW = array((2, 2), 1, 0, 0, 0)


def spectra() -> list[tuple[str, Statement, Build, Witness]]:
    same, made = SameSingularValues(MX, MY), []
    unequal = letters(X=EYE, Y=LOW)
    traces = Identity(*(side.rename({"b": "a"}).sum("a") for side in (BALANCE.lhs, BALANCE.rhs)))  # type: ignore[union-attr]
    at = letters(X=array((2, 2), 5, 0, 0, 0), Y=array((2, 2), 4, 0, 0, 3))
    made.append(("traces", state("", same, balance=traces), spectrum, at))
    made.append(("unbalanced", state("", same), spectrum, unequal))
    squares = SquaredSingularValues(MX, values)
    made.append(("values", state("", squares, balance=BALANCE), spectrum, letters(X=EYE, Y=EYE, v=array((2,), 1, 2))))
    made.append(("rank", state("", RankAtMost(MX, MY)), spectrum, unequal))
    made.append(
        (
            "equal matrices",
            state("", Identity(X, Y), balance=BALANCE),
            spectrum,
            letters(X=NIL, Y=array((2, 2), 0, 0, 1, 0)),
        )
    )
    for formula, at in (("pairing", PAIRING), ("Tucker", UNFOLDED)):
        for columns, order in (("lexicographic", "decreasing"), ("Kolda-Bader", "increasing")):
            build = _matricization(formula)
            made.append(
                (
                    f"{formula}, {columns}, {order}",
                    state("", Matricization(formula, columns, order)),
                    build,
                    Witness(at),
                )
            )
    two = letters(G=array((1,), 1), **{"V[1]": array((1, 1), 2)})
    flat = letters(G=EYE, **{"V[1]": EYE, "V[2]": EYE})
    for wrong, claim, witness in (
        ("a factor left out", TuckerNorm(omitted=1), two),
        ("spectral norm of the core", TuckerNorm(unfolded=True), flat),
        ("both", TuckerNorm(omitted=1, unfolded=True), two),
    ):
        made.append((wrong, state("", claim), _tucker_norm, witness))
    superdiagonal = HigherOrderSVD(superdiagonal=True)
    made.append(("superdiagonal", state("", superdiagonal), _decomposition, letters(T=array((1, 2, 2), 1, 0, 0, 1))))
    return made


def _matricization(formula: str) -> Build:
    return lambda derive: derive.apply("matricization", data=(derive.statement.claim, same_numbering(formula)))


def _tucker_norm(derive: Derive) -> Any:
    return derive.apply("tucker-norm", data=(derive.statement.claim, one_product()))


def _decomposition(derive: Derive) -> Any:
    return derive.apply("higher-order-svd", data=(derive.statement.claim, one_rotation()))


CASES = {f"{group.__name__}: {wrong}": case for group in (rates, chains, spectra) for wrong, *case in group()}
TRUE: Sequence[tuple[Statement, Build]] = (
    (TRUE_RATE, norm_rate),
    (TRUE_SPECTRUM, spectrum),
    (state("", TuckerNorm()), _tucker_norm),
    (state("", HigherOrderSVD()), _decomposition),
    (state("", Matricization("pairing", "lexicographic", "increasing")), _matricization("pairing")),
    (state("", Matricization("Tucker", "Kolda-Bader", "decreasing")), _matricization("Tucker")),
)


def certificate(statement: Statement, build: Build) -> Certificate:
    derive = Derive(statement)
    build(derive)
    return derive.certificate()


@pytest.mark.parametrize("number", range(len(TRUE)))
def test_the_true_ones_are_proved(number: int):
    statement, build = TRUE[number]
    assert check(statement, certificate(statement, build), {}).status == PROVED


def test_there_are_enough_of_them():
    assert len(CASES) >= 34


@pytest.mark.parametrize("name", CASES)
def test_a_false_statement_is_not_proved(name: str):
    false, build, witness = cast(Any, CASES[name])
    try:
        offered = certificate(false, build)
    except (KernelError, AssertionError, AttributeError):
        pass
    else:
        assert check(false, offered, {}).status != PROVED
    for true, proof in TRUE:
        swapped = dataclasses.replace(certificate(true, proof), statement=false.digest)
        assert check(false, swapped, {}).status != PROVED
    verdict = check(false, Certificate("witness", false.digest, witness, "test"), {})
    assert verdict.status == REFUTED, verdict.reason
