"""Attacks through what a certificate may name: indices called like those of the kernel, indices out of order, and
blocks with a speed of their own, for which "all members" are members of different flows.

Each of these once made the kernel prove a false statement, or refute a true one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from theorytest.kernel.chains import ChainInduction
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    All,
    AlongEveryFlow,
    Always,
    AtEveryState,
    AtLeast,
    AtStart,
    AtTime,
    Claim,
    ComponentStaysZero,
    Conserved,
    Determinant,
    DeterminantSignPreserved,
    Entry,
    Exactly,
    Flow,
    Identity,
    Inequality,
    LargestConserved,
    Matrix,
    RankAtMost,
    ReadAlways,
    ReadAtStart,
    Reading,
    RestProduct,
    SameSingularValues,
    SpectralNorm,
    SquaredSingularValues,
    TendsToEqual,
    ZeroStays,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Focus, Link, Parameterization, Product
from theorytest.kernel.quantity import Atom, Comparison
from theorytest.kernel.rules import balance
from theorytest.kernel.scalar import ONE, ZERO, Variable, sqrt
from theorytest.kernel.spectra import as_matrix
from theorytest.kernel.statement import (
    PROVED,
    REFUTED,
    UNDECIDED,
    Assumption,
    Certificate,
    Derivation,
    Instance,
    Statement,
    Step,
    Verdict,
    Witness,
)
from theorytest.kernel.terms import Tensor, Term, constant
from theorytest.models import CP, DEEP_CP, DEEP_MATRIX

NAMES = ("r", "_v9", "_v1", "v0", "v1", "_row", "_column", "_0", "_f0")


def entries(shape: tuple[int, ...], *values: int) -> Array:
    return Array(shape, tuple(map(Fraction, values)))


def state(claim: Claim, example: Instance | None = None, **assumptions: Claim) -> Statement:
    made = tuple(Assumption(name, "", formula) for name, formula in assumptions.items())
    return Statement("S", "", claim, assumptions=made, example=example)


def step(rule: str, *premises: int, data: tuple[Any, ...] = ()) -> Step:
    return Step(rule, premises, data)


def derived(statement: Statement, *steps: Step) -> Verdict:
    return check(statement, Certificate("derivation", statement.digest, Derivation(steps), "me"), {})


def witnessed(statement: Statement, instance: Instance) -> Verdict:
    return check(statement, Certificate("witness", statement.digest, Witness(instance), "me"), {})


# -- names of indices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_frobenius_norm_whatever_the_family_is_called(name: str) -> None:
    """With the family's index called like the kernel's row, sum over r of ||row r of M_r||^2 was to be at most that of
    every single M_r: false where one of the matrices is 0."""
    matrix, norm = Tensor("M", ("n", "n", "m")), Tensor("s", ("n",))
    square = matrix[name, "a", "b"] * matrix[name, "a", "b"]
    bound = constant(1, ("c", "m")).sum("c") * norm[name] * norm[name]
    true = Inequality(square.sum("a", "b"), "<=", bound)
    square = matrix[name, name, "b"] * matrix[name, name, "b"]
    false = Inequality(square.sum(name, "b"), "<=", bound)
    one_is_zero = Instance(letters=(("M", entries((2, 2, 1), 0, 0, 0, 5)), ("s", entries((2,), 0, 5))))
    steps = step("assumption", data=("norm",)), step("frobenius-by-spectral-norm", 0, data=(name,))
    found = {}
    for claim in (true, false):
        statement = state(claim, one_is_zero, norm=SpectralNorm(matrix, norm))
        found[claim] = derived(statement, *steps).status, witnessed(statement, one_is_zero).status
    assert found[true] == (UNDECIDED if name in ("_row", "_column") else PROVED, UNDECIDED)
    assert found[false] == (UNDECIDED, REFUTED)


@pytest.mark.parametrize("name", NAMES)
def test_what_stays_zero_whatever_its_index_is_called(name: str) -> None:
    """Component 1 is 0 and stays so, while component 2 moves."""
    flow = Flow(CP, Focus(("n", "m")))
    squares = [(w[name, "i"] * w[name, "i"]).sum("i") for w in CP.letters(flow.focus).values()]
    claim = state(ZeroStays(squares[0] + squares[1], flow))
    assert derived(claim, step("zero-stays", data=(squares[0] + squares[1], flow))).status == PROVED
    moving = Instance(
        sizes=(("N", 2), ("R", 2), ("d", (2, 2))),
        members=(("n", 1), ("m", 2)),
        blocks=(("w[1]", entries((2, 2), 0, 0, 1, 2)), ("w[2]", entries((2, 2), 0, 0, 3, 4))),
        gradient=entries((2, 2), 1, 2, 3, 4),
    )
    assert witnessed(claim, moving).status == UNDECIDED
    one = Flow(CP, Focus(("n",)))
    alone = state(ZeroStays(squares[0], one))
    assert witnessed(alone, moving).status == UNDECIDED
    leaving = Instance(moving.sizes, moving.members, (moving.blocks[0], ("w[2]", moving.blocks[0][1])), moving.gradient)
    assert witnessed(alone, leaving).status == UNDECIDED
    leaving = Instance(
        moving.sizes, moving.members, (moving.blocks[0], ("w[2]", entries((2, 2), 1, 0, 3, 4))), moving.gradient
    )
    assert witnessed(alone, leaving).status == REFUTED


# -- the order of indices ----------------------------------------------------------------------------------------------


def unsorted(term: Term) -> Term:
    """The same term with its free indices in another order, as a record may hold it."""
    return Term(term.free[::-1], term.monomials)


def cube(*ones: tuple[int, int, int]) -> Array:
    """A 2 x 2 x 2 array that is 1 at the given places (z, y, a) and 0 elsewhere."""
    return entries((2, 2, 2), *(int((z, y, a) in ones) for z in range(2) for y in range(2) for a in range(2)))


def test_matrices_whose_indices_are_out_of_order() -> None:
    """Slices a of A and B (row z, column y) have one entry each. Slice z of A has rank 2."""
    A, B = (Tensor(name, ("d", "e", "R"))["z", "y", "a"] for name in "AB")
    instance = Instance(letters=(("A", cube((0, 0, 0), (0, 1, 1))), ("B", cube((0, 0, 0), (0, 0, 1)))))
    other = Instance(letters=(instance.letters[1], instance.letters[0]))
    for left, right in ((A, B), (unsorted(A), B), (A, unsorted(B)), (unsorted(A), unsorted(B))):
        pair = Matrix(left, "z", "y"), Matrix(right, "z", "y")
        for claim in (RankAtMost(*pair), SameSingularValues(*pair)):
            assert witnessed(state(claim), instance).status == UNDECIDED
            # The same where it is an assumption: a witness against 0 < 0 need only meet it.
            absurd = state(Inequality(constant(0), "<", constant(0)), None, met=claim)
            assert witnessed(absurd, instance).status == witnessed(absurd, other).status == REFUTED
    renamed = Matrix(B.rename({"a": "b"}), "z", "y")
    assert "same other indices" in witnessed(state(RankAtMost(Matrix(A, "z", "y"), renamed)), instance).reason


def test_values_whose_indices_are_out_of_order() -> None:
    """The squared singular values of slice 1 are 1 and 0, those of slice 2 are 4 and 0."""
    matrix, values = Tensor("M", ("R", "d", "d"))["z", "i", "j"], Tensor("v", ("R", "d"))["z", "i"]
    letters = ("M", entries((2, 2, 2), 1, 0, 0, 0, 2, 0, 0, 0)), ("v", entries((2, 2), 1, 0, 4, 0))
    for entry in (matrix, unsorted(matrix)):
        for listed in (values, unsorted(values)):
            claim = SquaredSingularValues(Matrix(entry, "i", "j"), listed)
            assert witnessed(state(claim), Instance(letters=letters)).status == UNDECIDED
            wrong = Instance(letters=(letters[0], ("v", entries((2, 2), 1, 4, 0, 0))))
            assert witnessed(state(claim), wrong).status == REFUTED


# -- legs of what is empty ---------------------------------------------------------------------------------------------


def test_a_leg_that_only_an_empty_chain_has() -> None:
    """W = sum over b of A_1[b] ... A_k[b] c: without factors the sum over b would be lost, and b with it."""
    chain = Chain("s", "k", Block("A", ("s",), ("b",)), "x", "y", "h", descending=False)
    legs = (("b", "B"), ("x", "d"), ("y", "d"))
    alone = Parameterization("", Product((chain, Block("c", (), ("y",)))), ("x",), legs, "")
    with pytest.raises(KernelError, match="no block has the leg b"):
        alone.at({"k": 0, "B": 2, "d": 3})
    assert alone.at({"k": 1, "B": 2, "d": 3, "h": 3}).blocks == {"A[1]": (2, 3, 3), "c": (3,)}
    shared = Parameterization("", Product((chain, Block("c", (), ("b", "y")))), ("x",), legs, "")
    assert shared.at({"k": 0, "B": 2, "d": 3}).blocks == {"c": (2, 3)}


def test_a_leg_that_only_an_empty_family_has() -> None:
    """Without factors, the sum over the components of a CP factorization would be lost."""
    with pytest.raises(KernelError, match="no block has the leg r"):
        CP.at({"N": 0, "R": 2, "d": ()})
    assert DEEP_CP.at({"N": 0, "R": 2, "d": (), "k": (), "h": ()}).blocks == {"c": (2,)}


# -- variables that are read off a flow --------------------------------------------------------------------------------


def test_what_is_assumed_of_a_variable_that_is_read() -> None:
    """Where x is the end matrix, an x of the instance's own meets no assumption on x."""
    reading = Reading((("x", Entry((1, 1))),), Flow(DEEP_MATRIX, Focus()))
    positive = Inequality(ZERO, "<", Variable("x"))
    negative = Instance(
        sizes=(("L", 1), ("d_out", 1), ("d_in", 1), ("h", (1,))),
        blocks=(("W[1]", entries((1, 1), -1)),),
        gradient=entries((1, 1), 1),
        variables=(("x", Fraction(1)),),
    )
    for claim in (ReadAlways((), positive, reading), All((ReadAlways((), positive, reading),))):
        verdict = witnessed(state(claim, assumed=positive), negative)
        assert verdict.status == UNDECIDED and "assumed to meet a formula: when?" in verdict.reason
        assert witnessed(state(claim, assumed=Inequality(ZERO, "<", Variable("y"))), negative).status == UNDECIDED
        assert witnessed(state(claim), negative).status == REFUTED


def test_what_is_assumed_of_a_state() -> None:
    """Letters and variables of the instance's own, named like a block and like its entry, meet no assumption on the
    state: the claim that the entry is 0 fails at 1, but not where what is assumed of it is that it is 0."""
    at_one = Instance(
        sizes=(("N", 1), ("R", 1), ("d", (1,))),
        blocks=(("w[1]", entries((1, 1), 1)),),
        letters=(("w[1]", entries((1, 1), 0)),),
    )
    entry = Atom("entry", "w[1]", (1, 1))
    at_zero = Comparison(entry.variable, "=", ZERO, (entry,))
    letter = Tensor("w[1]", ("R", "d[1]"))["r", "i"]
    at_every_state = AtEveryState(CP, at_one.sizes, at_zero)
    flows = (kind(CP, at_one.sizes, None, at_zero) for kind in (AlongEveryFlow, TendsToEqual))
    for claim in (at_every_state, *flows):
        verdict = witnessed(state(claim, assumed=Identity(letter, letter * 0)), at_one)
        assert verdict.status == UNDECIDED and "by comparisons of its quantities" in verdict.reason
        named = Instance(at_one.sizes, blocks=at_one.blocks, variables=((entry.name, Fraction(0)),))
        verdict = witnessed(state(claim, assumed=Identity(entry.variable, ZERO)), named)
        assert verdict.status == UNDECIDED and "assumed to meet a formula: when?" in verdict.reason
        assert "does not meet" in witnessed(state(claim, assumed=at_zero), named).reason
        # Nor where only another assumption says that the name is one of a quantity.
        length = Atom("squared norm", "w[1]")
        one = Comparison(length.variable, "=", ONE, (length,))
        named = Instance(at_one.sizes, blocks=at_one.blocks, variables=((length.name, Fraction(0)),))
        verdict = witnessed(state(claim, one=one, assumed=Identity(length.variable, ZERO)), named)
        assert verdict.status == UNDECIDED and "assumed to meet a formula: when?" in verdict.reason
    assert witnessed(state(at_every_state), at_one).status == REFUTED


def test_what_is_assumed_of_the_size_of_a_mode_that_the_claim_does_not_name() -> None:
    """Of a state with modes of the sizes 2 and 1, an instance cannot pick the mode whose size is at least 2."""
    ones = tuple((f"w[{n}]", entries((1, d), *(1,) * d)) for n, d in ((1, 2), (2, 1)))
    sizes = (("N", 2), ("R", 1), ("d", (2, 1)))
    picked = Instance(sizes, (("n", 1),), ones, gradient=entries((2, 1), 1, 1))
    entry = Atom("entry", "w[2]", (1, 1))
    about_states = AtEveryState(CP, (), Comparison(entry.variable, "=", ZERO, (entry,)))
    (w,) = CP.letters(Focus(("n",))).values()
    square = (w["r", "i"] * w["r", "i"]).sum("i")
    law = Conserved(square, Flow(CP, Focus(("n",))))
    for claim in (about_states, LargestConserved((law,))):
        for assumed in (AtLeast("d[n]", 2), Exactly("d[n]", 2)):
            verdict = witnessed(state(claim, assumed=assumed), picked)
            assert verdict.status == UNDECIDED and "size d needs an entry n" in verdict.reason
        assert witnessed(state(claim, assumed=AtLeast("d[1]", 2)), picked).status == REFUTED
    assert witnessed(state(law, assumed=AtLeast("d[n]", 2)), picked).status == REFUTED


def test_what_is_assumed_of_blocks_whose_largest_difference_is_claimed_to_stay() -> None:
    """The norm of mode q is a letter of the instance's own where no law names that mode."""
    flow = Flow(CP, Focus(("n",)))
    (w,) = CP.letters(flow.focus).values()
    other = Tensor("w[q]", ("R", "d[q]"))["r", "i"]
    moving = Instance(
        sizes=(("N", 1), ("R", 1), ("d", (1,))),
        members=(("n", 1),),
        blocks=(("w[1]", entries((1, 1), 1)),),
        gradient=entries((1,), 1),
        letters=(("w[q]", entries((1, 1), 0)),),
    )
    claim = LargestConserved((Conserved((w["r", "i"] * w["r", "i"]).sum("i"), flow),))
    assert "at which time?" in witnessed(state(claim, assumed=Identity(other, other * 0)), moving).reason
    assert witnessed(state(claim), moving).status == REFUTED


# -- an earlier start --------------------------------------------------------------------------------------------------


def test_a_crossing_whose_earlier_start_does_not_meet_what_is_assumed() -> None:
    """At W = 0 the determinant of a 1 x 1 matrix crosses 0; but a flow that starts there has never been elsewhere."""
    flow = Flow(DEEP_MATRIX, Focus())
    claim = DeterminantSignPreserved(flow)

    def at(*diagonal: int) -> Instance:
        n = len(diagonal)
        matrix = entries((n, n), *(diagonal[i] * int(i == j) for i in range(n) for j in range(n)))
        gradient = entries((n, n), *(int(i == j) for i in range(n) for j in range(n)))
        sizes = (("L", 1), ("d_out", n), ("d_in", n), ("h", (n,)))
        return Instance(sizes=sizes, blocks=(("W[1]", matrix),), gradient=gradient)

    def assuming(formula: Identity | Inequality, motion: Flow = flow) -> Statement:
        names = (("x", Entry((1, 1))), ("det", Determinant()))
        return state(claim, start=ReadAtStart(formula, Reading(names, motion)))

    x, det = Variable("x"), Variable("det")
    assert witnessed(state(claim), at(0)).status == REFUTED
    assert witnessed(assuming(Inequality(ZERO, "<", x + 1)), at(0)).status == REFUTED
    for formula, reason in (
        (Identity(x, ZERO), "only 0 < u"),
        (Inequality(ZERO, "<=", -(x**2)), "only 0 < u"),
        (Inequality(ZERO, "<", x), "does not meet assumption"),
        (Inequality(ZERO, "<", sqrt(x) + 1), "not defined here"),  # nor where x was less than 0
    ):
        verdict = witnessed(assuming(formula), at(0))
        assert verdict.status == UNDECIDED and reason in verdict.reason
    # 0 < det at the start: the determinant of diag(1, w) is 0 at w = 0, which is no start, and falls through 0 there.
    assert witnessed(assuming(Inequality(ZERO, "<", x)), at(1, 0)).status == REFUTED
    assert "does not meet assumption" in witnessed(assuming(Inequality(ZERO, "<", det)), at(1, 0)).reason
    slow = Flow(DEEP_MATRIX, Focus(), decay=Fraction(1))
    verdict = witnessed(assuming(Inequality(ZERO, "<", x + 1), slow), at(0))
    assert verdict.status == UNDECIDED and "another flow" in verdict.reason


# -- speeds of single blocks -------------------------------------------------------------------------------------------


def slowed(model: Parameterization, focus: Focus, speed: int) -> Flow:
    """The flow in which all that the focus names has a speed of its own."""
    return Flow(model, focus, tuple((name, Fraction(speed)) for name in model.letters(focus)))


def always(claim: Identity, flow: Flow) -> tuple[Step, ...]:
    """A conserved difference that is 0 at the start is 0 at all times: steps 0 to 3."""
    assert isinstance(claim.lhs, Term) and isinstance(claim.rhs, Term)
    return (
        step("rate", data=(claim.lhs - claim.rhs, flow)),
        step("zero-derivative", 0),
        step("assumption", data=("start",)),
        step("stays", 1, 2),
    )


def test_the_other_modes_are_not_those_that_stand_still() -> None:
    """Mode n has speed 0: its norm stays 1. The other mode moves, and its norm does not."""
    flow = slowed(CP, Focus(("n",)), 0)
    (w,) = CP.letters(flow.focus).values()
    square, one = (w["r", "i"] * w["r", "i"]).sum("i"), constant(1, ("r", "R"))
    p, q = Tensor("p", ("R",))["x"], Tensor("q", ("R",))["x"]
    unit = Identity(square, one)
    start = Instance(
        sizes=(("N", 2), ("R", 1), ("d", (1, 1))),
        members=(("n", 1),),
        blocks=(("w[1]", entries((1, 1), 1)), ("w[2]", entries((1, 1), 1))),
        gradient=entries((1, 1), 1),
        letters=(("p", entries((1,), 1)), ("q", entries((1,), 1))),
    )
    products = {"p": RestProduct(p, square, flow), "q": RestProduct(q, one, flow)}
    claim = state(AtTime(Identity(p, q), flow), start, start=AtStart(unit, flow), **products)
    both = step("assumption", data=("p",)), step("assumption", data=("q",))
    verdict = derived(claim, *always(unit, flow), *both, step("rest-product", 4, 5, 3))
    assert verdict.status == UNDECIDED and "along one flow" in verdict.reason
    assert derived(state(Always(unit, flow), start, start=AtStart(unit, flow)), *always(unit, flow)).status == PROVED


def test_factors_far_apart_are_not_those_that_move_faster() -> None:
    """Adjacent factors a and b have speed 2, all others 1: they stay balanced. Of factors a and c that have speed 2,
    with one between them that has speed 1, nothing of the kind is true."""
    flow = slowed(DEEP_MATRIX, Focus((), (Link(("a", "b"), adjacent=True),)), 2)
    balanced = balance(*DEEP_MATRIX.letters(flow.focus).values())
    far = slowed(DEEP_MATRIX, Focus((), (Link(("a", "b")),)), 2)
    ends = [as_matrix(tensor) for tensor in DEEP_MATRIX.letters(far.focus).values()]
    claim = state(AtTime(SameSingularValues(*ends), far), start=AtStart(balanced, flow))
    spectrum = step("balanced-chain-spectrum", 3, data=("i", "j", "a", "b"))
    verdict = derived(claim, *always(balanced, flow), spectrum)
    assert verdict.status == UNDECIDED and "along one flow" in verdict.reason
    assert (
        derived(state(Always(balanced, flow), start=AtStart(balanced, flow)), *always(balanced, flow)).status == PROVED
    )


def test_the_largest_is_not_taken_over_several_flows() -> None:
    flow = slowed(CP, Focus(("n",)), 0)
    (w,) = CP.letters(flow.focus).values()
    square = (w["r", "i"] * w["r", "i"]).sum("i")
    claim = state(LargestConserved((Conserved(square, flow),)))
    steps = step("rate", data=(square, flow)), step("zero-derivative", 0), step("largest-conserved", 1)
    verdict = derived(claim, *steps)
    assert verdict.status == UNDECIDED and "along one flow" in verdict.reason
    assert derived(state(Conserved(square, flow)), *steps[:2]).status == PROVED


def test_a_chain_of_factors_of_which_one_stands_still() -> None:
    """Any factor l of speed 0 keeps its norm; a chain in which no factor is named has no such factor."""
    one = slowed(DEEP_MATRIX, Focus((), (Link(("l",)),)), 0)
    flow = Flow(DEEP_MATRIX, Focus(), one.speeds)
    product = ChainInduction(flow).product["p", "q"]
    claim = state(AtTime(Identity(product, product), flow))
    verdict = derived(claim, step("chain-induction", data=(flow, 0, Derivation(()), Derivation(()), claim.claim.claim)))
    assert verdict.status == UNDECIDED and "along one flow" in verdict.reason


@pytest.mark.parametrize(("speed", "status"), [(1, REFUTED), (2, REFUTED), (0, UNDECIDED)])
def test_a_component_with_one_factor_that_stands_still(speed: int, status: str) -> None:
    """Of order 1, the component is its factor; where that has speed 0 it stays 0."""
    claim = state(ComponentStaysZero(slowed(CP, Focus(("n",)), speed)), one=Exactly("N", 1))
    at_zero = Instance(
        sizes=(("N", 1), ("R", 1), ("d", (1,))),
        members=(("n", 1),),
        blocks=(("w[1]", entries((1, 1), 0)),),
        gradient=entries((1,), 1),
    )
    assert witnessed(claim, at_zero).status == status
