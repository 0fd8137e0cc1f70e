"""Evidence can fail: a true law passes every trial, a false one fails every trial."""

import dataclasses

import pytest

from theorytest import trials
from theorytest.authoring import Run
from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved, Flow
from theorytest.kernel.parameterization import Focus
from theorytest.kernel.statement import Statement
from theorytest.kernel.terms import constant
from theorytest.models import CP, cp, deep_matrix_factorization

flow = Flow(CP, Focus(modes=("n", "m")))
first, second = CP.letters(flow.focus).values()
plus, minus = ((w["r", "i"] * w["r", "i"]).sum("i") for w in (first, second))
TRUE = Statement("true law", "difference of squared norms", Conserved(plus - minus, flow))
FALSE = Statement("false law", "sum of squared norms", Conserved(plus + minus, flow))
MODEL = cp((2, 2), rank=1)
RUN = Run()


@pytest.mark.parametrize("statement", [TRUE, FALSE], ids=lambda s: s.label)
@pytest.mark.parametrize(
    "trial",
    [
        lambda s: trials.instances(s, RUN, count=5),
        lambda s: trials.discovered(s, [MODEL], RUN),
        lambda s: trials.trajectories(s, [MODEL], RUN, t=1, digits=20, starts=1),
        lambda s: trials.batches(s, MODEL, RUN, t=1, count=16, compared=1),
    ],
    ids=["instances", "discovered", "trajectories", "batches"],
)
def test_trials_tell_true_from_false(statement, trial) -> None:
    outcome = trial(statement)
    assert outcome.instances > 0
    assert outcome.holds is (statement is TRUE), outcome


@pytest.mark.parametrize("statement", [TRUE, FALSE], ids=lambda s: s.label)
def test_hypothesis_examples(statement) -> None:
    outcome = trials.examples(statement, RUN, count=3, size=3)
    assert outcome.instances == 9
    assert outcome.holds is (statement is TRUE)
    assert (outcome.worst == "0") is (statement is TRUE)


def test_all_evidence_of_a_law() -> None:
    pieces = trials.of_a_law(TRUE, MODEL, count=8)
    assert [piece.arithmetic for piece in pieces] == ["rational", "rational", "sympy", "mpmath", "float64"]
    assert len({piece.name for piece in pieces}) == len(pieces)
    assert all(piece.statement == TRUE for piece in pieces)


def test_the_same_seed_gives_the_same_outcome() -> None:
    once, again = (trials.trajectories(TRUE, [MODEL], Run(seed=3), t=1, digits=20, starts=1) for _ in range(2))
    assert once == again
    other = trials.trajectories(TRUE, [MODEL], Run(seed=4), t=1, digits=20, starts=1)
    assert other.worst != once.worst


@pytest.mark.parametrize("trial", ["examples", "discovered", "trajectories", "batches"])
def test_other_claims_are_refused(trial) -> None:
    other = dataclasses.replace(TRUE, claim=_identity())
    arguments = {
        "examples": (RUN,),
        "discovered": ([MODEL], RUN),
        "trajectories": ([MODEL], RUN),
        "batches": (MODEL, RUN),
    }
    with pytest.raises(InputError, match="needed a statement that something is conserved"):
        getattr(trials, trial)(other, *arguments[trial])


def _identity():
    from theorytest.kernel.claim import Identity

    return Identity(constant(1), constant(1))


def test_wrong_model_is_refused() -> None:
    with pytest.raises(InputError, match="not about gradient flow on"):
        trials.trajectories(TRUE, [deep_matrix_factorization(2, 2, depth=2)], RUN)
