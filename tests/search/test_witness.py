"""False claims get small exact witnesses that the kernel accepts; true ones get none."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from theorytest.kernel.claim import (
    All,
    AtLeast,
    AtStart,
    Change,
    Conserved,
    Descent,
    DeterminantSignPreserved,
    Flow,
    Identity,
    Inequality,
    Monotone,
    Rate,
    SameSize,
    SliceTruncation,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.rules import balance, matrix_chain
from theorytest.kernel.scalar import Variable
from theorytest.kernel.statement import Assumption, Statement, Witness
from theorytest.kernel.terms import Tensor, constant
from theorytest.kernel.witness import refutes
from theorytest.models.factorizations import CP, DEEP_MATRIX, DEEP_TUCKER
from theorytest.search.witness import find_witness, proposals

PAIR = Flow(CP, Focus(modes=("n", "m")))
U, V = (CP.letters(PAIR.focus)[name] for name in ("w[n]", "w[m]"))
ADJACENT = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
X, Y = DEEP_MATRIX.letters(ADJACENT.focus).values()
END = matrix_chain(DEEP_MATRIX).flow


def squared(block: Tensor, row: str = "r"):
    return (block[row, "j"] * block[row, "j"]).sum("j")


def state(claim, *assumptions: Assumption) -> Statement:
    return Statement(label="test", title="test", claim=claim, assumptions=assumptions)


LAW = squared(U) - squared(V)
GRAMS = (X["a", "i"] * X["a", "j"]).sum("a") - (Y["i", "c"] * Y["j", "c"]).sum("c")
BALANCED = Assumption("balanced", "balanced start", AtStart(balance(X, Y), ADJACENT))
SQUARE = Assumption("square", "square product", SameSize("d_out", "d_in"))
DEEP = Assumption("depth", "at least two layers", AtLeast("L", 2))

FALSE = {
    "across components": state(Conserved(squared(U) - squared(V, "s"), PAIR)),
    "twice the norm": state(Conserved(squared(U) - squared(V) * 2, PAIR)),
    "speeds": state(Conserved(LAW, replace(PAIR, speeds=(("w[n]", Fraction(2)),)))),
    "decay": state(Conserved(LAW, replace(PAIR, decay=Fraction(1, 2)))),
    "gradient descent": state(Conserved(LAW, Descent(PAIR))),
    "momentum": state(Conserved(LAW, Descent(PAIR, "momentum"))),
    "adam": state(Conserved(LAW, Descent(PAIR, "adam"))),
    "rate": state(Rate(squared(U), squared(U), PAIR)),
    "change": state(Change(LAW, LAW, Descent(PAIR))),
    "transposed": state(Conserved((X["a", "i"] * X["b", "i"]).sum("i"), ADJACENT)),
    "from balanced layers": state(Conserved((X["a", "i"] * X["a", "i"]).sum("a", "i"), ADJACENT), BALANCED, DEEP),
    "sign, unbalanced": state(DeterminantSignPreserved(END), SQUARE, DEEP),
    "sign, one layer": state(DeterminantSignPreserved(END), SQUARE, BALANCED),
    "sign, a step": state(DeterminantSignPreserved(Descent(END)), SQUARE, DEEP, BALANCED),  # type: ignore[arg-type]
    "one of two": state(All((Conserved(LAW, PAIR), Conserved(squared(U), PAIR)))),
    "truncation, factor": state(SliceTruncation(factor=Fraction(4))),
    "truncation, dimension": state(SliceTruncation(dimension=0)),
    "truncation, order": state(SliceTruncation(order=0)),
}

TRUE = {
    "lemma 1": state(Conserved(LAW, PAIR)),
    "balancedness": state(Conserved(GRAMS, ADJACENT)),
    "sign": state(DeterminantSignPreserved(END), SQUARE, DEEP, BALANCED),
    "both": state(All((Conserved(LAW, PAIR), Conserved(-LAW, PAIR)))),
    "truncation, frobenius": state(SliceTruncation(norm="frobenius")),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_gets_a_small_witness_that_the_kernel_accepts(name: str):
    statement = FALSE[name]
    witness = find_witness(statement)
    assert witness is not None
    assert refutes(statement, witness).margin
    instance = witness.instance
    if instance.blocks:
        assert all(size <= 2 for _, block in instance.blocks for size in block.shape)
        assert {name for name, _ in instance.sizes}
    assert find_witness(statement) == witness  # the same seed, the same witness


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_gets_none(name: str):
    assert find_witness(TRUE[name], attempts=40) is None


def test_another_seed_may_find_another_witness():
    found = {find_witness(FALSE["gradient descent"], seed) for seed in range(4)}
    assert None not in found and len(found) > 1


def test_the_assumptions_are_built_and_not_filtered():
    """Every proposal under a balanced start is balanced: the kernel rejects none of them for an assumption."""
    statement = FALSE["from balanced layers"]
    for witness, _ in zip(proposals(statement), range(12), strict=False):
        try:
            refutes(statement, witness)
        except KernelError as error:
            assert "assumption" not in str(error)


def test_the_witness_against_the_missing_order_is_a_staircase():
    """Order 3, three small slabs: without N in the threshold 3 (l - 1) / (l + 1) > 1 from l = 3 on, and not before."""
    witness = find_witness(FALSE["truncation, order"])
    assert witness is not None and len(witness.data) == 3
    core = dict(witness.instance.letters)["G"]
    assert core.shape == (12, 12, 12) and sum(core.entries) == 27
    with pytest.raises(KernelError, match="squared distance"):
        refutes(state(SliceTruncation()), witness)


# -- tensor terms -------------------------------------------------------------------------------------------------

A, B = Tensor("A", ("m", "n")), Tensor("B", ("n", "m"))
ROWS = (A["i", "j"] * A["i", "j"]).sum("j")


def test_a_false_identity_between_terms():
    product_ab = (A["i", "k"] * B["k", "j"]).sum("k")
    statement = state(Identity(product_ab, (B["k", "j"] * A["i", "k"]).sum("k") * 2))
    witness = find_witness(statement)
    assert witness is not None and refutes(statement, witness)
    assert find_witness(state(Identity(product_ab, (B["k", "j"] * A["i", "k"]).sum("k")))) is None


def test_a_false_inequality_between_terms():
    assert find_witness(state(Inequality(constant(1, ("i", "m")), "<=", ROWS))) is not None
    assert find_witness(state(Inequality(constant(0, ("i", "m")), "<", ROWS))) is not None
    assert find_witness(state(Inequality(constant(0, ("i", "m")), "<=", ROWS))) is None


def test_assumptions_between_terms_hold_at_the_witness():
    unit = Assumption("unit", "rows have norm 1", Identity(ROWS, constant(1, ("i", "m"))))
    statement = state(Identity((A["i", "j"]).sum("j"), constant(1, ("i", "m"))), unit)
    witness = find_witness(statement)
    assert witness is not None and refutes(statement, witness)


def test_a_claim_about_real_variables_is_for_others():
    assert find_witness(state(Monotone(Variable("x"), "x", "increasing", Fraction(0)))) is None


def test_a_forged_witness_is_not_accepted():
    statement = FALSE["across components"]
    witness = find_witness(statement)
    assert witness is not None
    zero = tuple((name, Array(a.shape, (Fraction(0),) * len(a.entries))) for name, a in witness.instance.blocks)
    with pytest.raises(KernelError, match="holds at this instance"):
        refutes(statement, Witness(replace(witness.instance, blocks=zero)))


def test_deep_tucker_is_covered():
    flow = Flow(DEEP_TUCKER, Focus(modes=("m",)))
    core, w = (DEEP_TUCKER.letters(flow.focus)[name] for name in ("G", "w[m]"))
    slices = (core["r", "q"] * core["r", "q"]).sum("q")
    vectors = (w["r", "j"] * w["r", "j"]).sum("j")
    assert find_witness(state(Conserved(vectors + slices, flow))) is not None
    assert find_witness(state(Conserved(vectors - slices, flow)), attempts=30) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_printed_corollary_is_refuted_from_its_statement_alone(seed):
    """HKA24 Corollary 4.4 as printed (left singular vector): blocks and all the letters that it defines are found."""
    from pathlib import Path

    from theorytest import loader
    from theorytest.kernel.witness import refutes

    proofs = Path(__file__).parents[2] / "proofs" / "hka24" / "corollary_4_4.py"
    statement = loader.load([proofs]).entries["HKA24-Cor4.4i/printed"].statement
    found = find_witness(replace(statement, example=None), seed)
    assert found is not None and dict(found.instance.sizes)["k"] == (2, 0)
    refutes(statement, found)
