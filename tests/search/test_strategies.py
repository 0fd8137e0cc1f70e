"""Instances are built, follow from their seed, and the laws hold at them against gradients that the kernel never
saw.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given

from theorytest.errors import InputError
from theorytest.kernel.claim import (
    STEP_SIZE,
    AtLeast,
    AtStart,
    Change,
    Conserved,
    Descent,
    Flow,
    Monotone,
    Rate,
    SameSize,
)
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.rules import balance
from theorytest.kernel.scalar import Variable
from theorytest.kernel.statement import Assumption, Instance, Statement
from theorytest.kernel.terms import Tensor
from theorytest.kernel.witness import require_assumptions
from theorytest.models.factorizations import CP, DEEP_CP, DEEP_MATRIX, DEEP_TUCKER, TUCKER
from theorytest.models.quantities import gram_differences
from theorytest.search.strategies import (
    LOSSES,
    STARTS,
    batches,
    build,
    check_sample,
    draw_loss,
    examples,
    instantiate,
    iterate_samples,
    packed,
    random_sizes,
    sample_conserved,
    sample_law,
    smallest_sizes,
    symbols,
    sympy_gradients,
    torch_error,
)

PAIR = Flow(CP, Focus(modes=("n", "m")))
U, V = (CP.letters(PAIR.focus)[name] for name in ("w[n]", "w[m]"))
ADJACENT = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
X, Y = DEEP_MATRIX.letters(ADJACENT.focus).values()
ONE = Flow(DEEP_TUCKER, Focus(modes=("m",)))
CORE, W = (DEEP_TUCKER.letters(ONE.focus)[name] for name in ("G", "w[m]"))


def squared(block: Tensor, row: str = "r"):
    legs = (row, *(f"j{k}" for k in range(1, len(block.sizes))))
    return (block[legs] * block[legs]).sum(*legs[1:])


LEMMA_1 = Conserved(squared(U) - squared(V), PAIR)
BALANCE = Conserved((X["a", "i"] * X["a", "j"]).sum("a") - (Y["i", "c"] * Y["j", "c"]).sum("c"), ADJACENT)
LEMMA_41 = Conserved(squared(W) - squared(CORE), ONE)
SETTING = (
    Assumption("balanced", "", AtStart(balance(X, Y), ADJACENT)),
    Assumption("square", "", SameSize("d_out", "d_in")),
    Assumption("depth", "", AtLeast("L", 3)),
)


@pytest.mark.parametrize(
    ("model", "order", "dims"),
    [
        (DEEP_MATRIX, None, {"d_out": "one", "d_in": "one", "h": "position"}),
        (CP, "N", {"R": "one", "d": "mode"}),
        (TUCKER, "N", {"R": "mode", "d": "mode"}),
        (DEEP_CP, "N", {"R": "one", "d": "mode"}),
        (DEEP_TUCKER, "N", {"R": "mode", "d": "mode"}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_size_symbols_are_read_off_the_definition(model, order, dims):
    found = symbols(model)
    assert found.order == order and dict(found.dims) == dims
    for sizes in [*smallest_sizes(model), *(random_sizes(model, Random(k)) for k in range(20))]:
        assert model.at(sizes).blocks


def test_small_sizes_come_first_and_suit_the_assumptions():
    counts = [sum(len(s) and s[0] for s in DEEP_MATRIX.at(z).blocks.values()) for z in smallest_sizes(DEEP_MATRIX)]
    assert counts[0] == min(counts)
    for sizes in [
        *smallest_sizes(DEEP_MATRIX, ADJACENT, SETTING),
        random_sizes(DEEP_MATRIX, Random(1), ADJACENT, SETTING),
    ]:
        assert sizes["d_out"] == sizes["d_in"] and sizes["L"] >= 3


def test_impossible_sizes_are_one_clear_line():
    with pytest.raises(InputError, match="no sizes"):
        random_sizes(DEEP_MATRIX, Random(0), ADJACENT, (Assumption("deep", "", AtLeast("L", 99)),))
    with pytest.raises(InputError, match="no small sizes"):
        batches(ADJACENT, (Assumption("deep", "", AtLeast("L", 99)),))


@pytest.mark.parametrize("claim", [LEMMA_1, BALANCE, LEMMA_41], ids=["lemma 1", "balancedness", "lemma 4.1"])
def test_a_law_holds_at_twenty_shapes_against_sympy_and_torch(claim: Conserved):
    found = instantiate(Statement(label="law", title="law", claim=claim), count=20, seed=3)
    assert found.holds and found.worst == 0 and found.at is None
    assert found.gradients and 0 < found.torch <= 1
    assert len(found.shapes) == found.instances == 20
    assert found == instantiate(Statement(label="law", title="law", claim=claim), count=20, seed=3)


@pytest.mark.parametrize(
    "claim",
    [
        Conserved(squared(U) - squared(V, "s"), PAIR),
        Conserved(squared(U) * squared(U) - squared(V) * squared(V), PAIR),
        Conserved(squared(U) - squared(V), replace(PAIR, decay=Fraction(1))),
        Conserved(squared(U) - squared(V), replace(PAIR, speeds=(("w[m]", Fraction(1, 2)),))),
        Rate(squared(W), squared(CORE), ONE),
        Change(squared(W) - squared(CORE), squared(W), Descent(ONE)),
    ],
)
def test_a_false_law_is_seen(claim):
    found = sample_law(claim, count=6)
    assert found.worst > 0 and not found.holds and found.at is not None
    assert found.gradients  # the gradients are right all the same


def test_the_exact_drift_of_a_step():
    legs, velocity = ONE.velocities()["w[m]"]
    g_w = velocity.rename({legs[0]: "r"})
    legs, velocity = ONE.velocities()["G"]
    g_core = velocity.rename({legs[0]: "r"})
    eta = Tensor(STEP_SIZE, ())()
    drift = eta * eta * ((g_w * g_w).sum("v1") - (g_core * g_core).sum("v1"))
    assert sample_law(Change(squared(W) - squared(CORE), drift, Descent(ONE)), count=5).holds
    assert not sample_law(Change(squared(W) - squared(CORE), -drift, Descent(ONE)), count=5).holds


def test_a_quantity_without_a_statement():
    assert sample_conserved(squared(U) - squared(V), PAIR, count=5).holds
    assert not sample_conserved(squared(U), PAIR, count=5).holds


def test_a_wrong_gradient_is_seen():
    """What the comparison is for: with one entry of a gradient changed, neither sympy nor torch agrees."""
    drawn = next(iterate_samples(PAIR, (), 1, 0))
    blocks, gradient = dict(drawn.instance.blocks), drawn.instance.gradient
    assert gradient is not None
    exact = drawn.model.gradients(blocks, gradient)
    assert sympy_gradients(drawn.model, blocks, gradient) == exact
    assert torch_error(drawn.model, blocks, gradient, exact) <= 1
    name = next(iter(exact))
    entries = (exact[name].entries[0] + Fraction(1, 10**6), *exact[name].entries[1:])
    wrong = {**exact, name: Array(exact[name].shape, entries)}
    assert sympy_gradients(drawn.model, blocks, gradient) != wrong
    assert torch_error(drawn.model, blocks, gradient, wrong) > 1


def test_another_loss_gradient_gives_other_gradients_but_the_same_law():
    drawn = next(iterate_samples(PAIR, (), 1, 5))
    gradient = drawn.instance.gradient
    assert gradient is not None
    other = Array(gradient.shape, tuple(x + 1 for x in gradient.entries))
    moved = replace(drawn, instance=replace(drawn.instance, gradient=other))
    for one in (drawn, moved):
        assert check_sample(LEMMA_1, one).violation == 0
    blocks = dict(drawn.instance.blocks)
    assert drawn.model.gradients(blocks, gradient) != drawn.model.gradients(blocks, other)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("start", STARTS)
def test_instances_are_built_from_their_seed(loss: str, start: str):
    sizes = {"L": 3, "d_out": 2, "d_in": 2, "h": (2, 3)}
    made = build(ADJACENT, sizes, seed=7, start=start, scale=Fraction(1, 10), loss=loss)
    assert made == build(ADJACENT, sizes, seed=7, start=start, scale=Fraction(1, 10), loss=loss)
    assert made.instance != build(ADJACENT, sizes, seed=8, start=start, scale=Fraction(1, 10), loss=loss).instance
    differences = gram_differences(made.model, dict(made.instance.blocks)).values()
    assert all(not any(d.entries) for d in differences) == (start == "balanced")


def test_wrong_words_are_one_clear_line():
    sizes = {"L": 2, "d_out": 1, "d_in": 1, "h": (1,)}
    with pytest.raises(InputError, match="needed one of"):
        build(ADJACENT, sizes, seed=0, start="wild", loss="linear")
    with pytest.raises(InputError, match="needed one of"):
        draw_loss("cross-entropy", (2, 2), Random(0))
    with pytest.raises(InputError, match="positive number"):
        sample_law(LEMMA_1, count=0)
    with pytest.raises(InputError, match="given Monotone"):
        sample_law(Monotone(Variable("x"), "x", "increasing", Fraction(0)))
    with pytest.raises(InputError, match="given Conserved"):
        sample_law(Conserved(squared(U), Descent(PAIR, "adam")))


# -- Hypothesis ---------------------------------------------------------------------------------------------------


@examples(15)
@given(batch=batches(ADJACENT, SETTING, size=5))
def test_balanced_batches_meet_the_assumptions(batch):
    statement = Statement(label="balanced", title="", claim=BALANCE, assumptions=SETTING)
    assert len(batch) == 5 and len({drawn.instance for drawn in batch}) > 1
    for drawn in batch:
        require_assumptions(statement, drawn.instance)


@examples(15)
@given(batch=batches(PAIR, size=5))
def test_lemma_1_on_batches(batch):
    for drawn in batch:
        assert check_sample(LEMMA_1, drawn).violation == 0


def test_sizes_are_packed_for_the_kernel():
    assert Instance(sizes=packed({"N": 2, "d": [1, 2], "h": [[], [3]]})).sizes == (
        ("N", 2),
        ("d", (1, 2)),
        ("h", ((), (3,))),
    )
