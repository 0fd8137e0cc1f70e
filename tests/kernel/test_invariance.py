"""Linear subspaces that gradient flow does not leave: what the rule concludes and refuses, against flows."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from flint import fmpq, fmpq_mat

from theorytest.derive.derivation import Derive
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    Always,
    AtStart,
    Claim,
    Conserved,
    Descent,
    Flow,
    Identity,
    Inequality,
    SymmetricGradient,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.invariance import symmetry
from theorytest.kernel.parameterization import Array, Block, Focus, Parameterization, Product
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import Variable
from theorytest.kernel.statement import Assumption, Certificate, Derivation, Instance, Statement, Witness
from theorytest.kernel.terms import Tensor, Term, constant, zero
from theorytest.kernel.witness import require_assumptions

SQUARE = Parameterization(
    "square factors",
    Product((Block("A", (), ("i", "k")), Block("B", (), ("k", "j")))),
    ("i", "j"),
    (("i", "d"), ("k", "d"), ("j", "d")),
    "",
)
FLOW = Flow(SQUARE, Focus())
A, B = SQUARE.letters(FLOW.focus).values()
G, W = SQUARE.gradient(FLOW.focus), SQUARE.focus(FLOW.focus)
MIRROR = Identity(B["k", "j"], A["j", "k"])
START, LOSS = AtStart(MIRROR, FLOW), SymmetricGradient(SQUARE)
G_TURNED = Identity(G, G.rename({"i": "j", "j": "i"}))
x = Variable("x")
DUMMY = Statement("label", "title", Identity(x, x))


def shown(goal: Identity, *hypotheses: Claim) -> Derivation:
    derive = Derive(DUMMY, (), hypotheses)
    derive.equal("goal", goal.lhs, goal.rhs, using=derive.given)  # type: ignore[arg-type]
    return derive.derivation()


def still(identity: Identity, flow: Flow = FLOW) -> Identity:
    rate = (identity.lhs - identity.rhs).along(flow.velocities())  # type: ignore[operator]
    return Identity(rate, zero(*rate.free))


SYMMETRIC = shown(symmetry(W), MIRROR)
TANGENT = shown(still(MIRROR), MIRROR, G_TURNED)


def apply(*premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES["invariant-subspace"](Context(DUMMY, {}), premises, tuple(data))


def refused(*premises: Claim, data: Sequence[Any] = (), match: str | None = None) -> None:
    with pytest.raises(KernelError, match=match):
        apply(*premises, data=data)


def test_a_symmetric_start_stays() -> None:
    assert apply(START, LOSS, data=(SYMMETRIC, TANGENT)) == Always(MIRROR, FLOW)


def test_a_block_that_vanishes_with_the_other() -> None:
    """A = 0 and B = 0 is tangent for every loss; A = 0 alone is not."""
    flow = FLOW
    both = Identity(A["i", "k"] + B["i", "k"], zero(("i", "d"), ("k", "d")))
    refused(AtStart(both, flow), data=(shown(Identity(W, W)),), match="does not show")
    single = Identity(A["i", "k"], zero(("i", "d"), ("k", "d")))
    refused(AtStart(single, flow), data=(shown(Identity(W, W)),), match="does not show")


def test_equal_columns_stay_equal() -> None:
    """Without a premise on the loss: two blocks that enter a product in the same way stay equal."""
    body = Product((Block("u", (), ("r", "i")), Block("v", (), ("r", "i"))))
    model = Parameterization("u_ri v_ri", body, ("i",), (("r", "R"), ("i", "d")), "")
    flow = Flow(model, Focus())
    u, v = model.letters(flow.focus).values()
    same = Identity(u["r", "i"], v["r", "i"])
    derivation = shown(still(same, flow), same)
    assert apply(AtStart(same, flow), data=(derivation,)) == Always(same, flow)
    faster = replace(flow, speeds=(("u", Fraction(2)),))
    refused(AtStart(same, faster), data=(derivation,), match="does not show")
    decayed = replace(flow, decay=Fraction(3))
    assert apply(AtStart(same, decayed), data=(shown(still(same, decayed), same),)) == Always(same, decayed)


def test_it_refuses() -> None:
    refused(data=())
    refused(START, LOSS, data=(TANGENT,))
    refused(START, data=(SYMMETRIC, TANGENT))
    refused(START, data=(TANGENT,))  # it uses a symmetric gradient
    refused(START, LOSS, LOSS, data=(SYMMETRIC, TANGENT, TANGENT))
    refused(START, LOSS, data=(TANGENT, TANGENT))
    refused(START, LOSS, data=(SYMMETRIC, SYMMETRIC), match="does not show")
    refused(START, LOSS, data=(Derivation(()), TANGENT), match="does not show")
    refused(START, LOSS, data=(SYMMETRIC, "no derivation"))
    refused(LOSS, START, data=(SYMMETRIC, TANGENT))
    refused(START, Always(MIRROR, FLOW), data=(SYMMETRIC, TANGENT))
    refused(AtStart(Inequality(B["k", "j"], "<=", A["j", "k"]), FLOW), LOSS, data=(SYMMETRIC, TANGENT))
    refused(START, SymmetricGradient(replace(SQUARE, name="another")), data=(SYMMETRIC, TANGENT), match="the same")
    turned = AtStart(Identity(B["k", "j"], A["k", "j"]), FLOW)  # B = A, not its transpose
    refused(turned, LOSS, data=(SYMMETRIC, TANGENT))


@pytest.mark.parametrize(
    "claim",
    [
        Identity(A["i", "k"] * A["i", "k"], B["i", "k"] * B["i", "k"]),
        Identity(A["i", "k"], constant(1, ("i", "d"), ("k", "d"))),
        Identity(A["i", "k"] * 0, zero(("i", "d"), ("k", "d"))),
        Identity(A["i", "k"], Tensor("C", ("d", "d"))["i", "k"]),
        Identity(A["i", "k"] * B["i", "k"], zero(("i", "d"), ("k", "d"))),
    ],
)
def test_only_what_is_linear_in_the_blocks(claim: Identity) -> None:
    refused(AtStart(claim, FLOW), data=(Derivation(()),), match="linear in the blocks")


@pytest.mark.parametrize("matrix", [Tensor("v", ("d",))["i"], Tensor("R", ("d", "e"))["i", "j"]])
def test_symmetry_is_about_square_matrices(matrix: Term) -> None:
    with pytest.raises(KernelError, match="square matrix"):
        symmetry(matrix)


# -- at an instance ----------------------------------------------------------------------------------------------------


def array(matrix: fmpq_mat) -> Array:
    entries = tuple(Fraction(int(e.p), int(e.q)) for e in matrix.entries())
    return Array((matrix.nrows(), matrix.ncols()), entries)


def matrix(*rows: Sequence[int]) -> fmpq_mat:
    return fmpq_mat([[fmpq(entry) for entry in row] for row in rows])


UNIT = matrix((1, 0), (0, 1))


def state(a: fmpq_mat, b: fmpq_mat, gradient: fmpq_mat | None) -> Instance:
    return Instance(
        sizes=(("d", 2),),
        blocks=(("A", array(a)), ("B", array(b))),
        gradient=None if gradient is None else array(gradient),
    )


def statement(*assumptions: Claim, claim: Claim | None = None) -> Statement:
    made = tuple(Assumption(f"a{k}", "", formula) for k, formula in enumerate(assumptions))
    return Statement("S", "", claim or Always(MIRROR, FLOW), assumptions=made)


def test_which_gradients_are_symmetric_where_the_end_matrix_is() -> None:
    crooked = matrix((0, 1), (0, 0))
    require_assumptions(statement(LOSS), state(UNIT, UNIT, matrix((1, 2), (2, 3))))
    require_assumptions(statement(LOSS), state(UNIT, crooked, crooked))
    with pytest.raises(KernelError, match="the loss gradient is not"):
        require_assumptions(statement(LOSS), state(UNIT, UNIT, crooked))
    with pytest.raises(KernelError, match="needs the loss gradient"):
        require_assumptions(statement(LOSS, claim=Identity(x, x)), state(UNIT, UNIT, None))


@pytest.mark.parametrize(
    ("assumptions", "instance"),
    [
        ((START,), state(UNIT, UNIT, matrix((0, 1), (2, 0)))),
        ((LOSS,), state(UNIT, UNIT * -1, UNIT)),
        ((LOSS,), state(matrix((1, 1), (0, 1)), matrix((1, 1), (0, 1)), UNIT)),
    ],
)
def test_false_statements_near_it(assumptions: tuple[Claim, ...], instance: Instance) -> None:
    made = statement(*assumptions)
    verdict = check(made, Certificate("witness", made.digest, Witness(instance), "me"), {})
    assert verdict.status == "REFUTED"
    for premises in ((), (START,), (START, LOSS)):
        derive = Derive(made)
        facts = [
            derive.assume(f"a{k}")
            for k, formula in enumerate(a.formula for a in made.assumptions)
            if formula in premises
        ]
        data = (TANGENT,) if len(facts) < 2 else (SYMMETRIC, TANGENT)
        with pytest.raises(KernelError):
            derive.apply("invariant-subspace", *facts, data=data)


def test_claims_about_other_motions_are_no_premise() -> None:
    refused(Conserved(A["i", "k"] - B["k", "i"], FLOW), data=(TANGENT,))
    refused(Conserved(A["i", "k"] - B["k", "i"], Descent(FLOW)), data=(TANGENT,))


def test_written_out_flows_stay() -> None:
    """Many small exact steps of gradient descent from B = A^T on the half-sum loss: an invariant linear subspace of the
    vector field is one of every step."""
    random = Random(5)
    for size in (1, 2, 3):
        for _ in range(8):
            draw = [[fmpq(random.randint(-4, 4), 3) for _ in range(size)] for _ in range(size)]
            target = fmpq_mat(draw) + fmpq_mat(draw).transpose()
            a = fmpq_mat([[fmpq(random.randint(-4, 4), 5) for _ in range(size)] for _ in range(size)])
            b = a.transpose()
            for _ in range(3):
                gradient = a * b - target
                a, b = a - gradient * b.transpose() * fmpq(1, 7), b - a.transpose() * gradient * fmpq(1, 7)
                assert b == a.transpose() and a * b == (a * b).transpose()
