"""Evidence for proof files in one line each: exact instances, discovered laws, trajectories, batches.

Every function returns an `Outcome`. Nothing here proves anything; a violation beyond its own error bound contradicts
the statement (``holds`` is False), and what a bound cannot decide is counted as open, never as a success.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any

from theorytest.authoring import Evidence, Outcome, Run
from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved
from theorytest.kernel.statement import Statement

if TYPE_CHECKING:
    from theorytest.models.model import Model


def of_a_law(
    statement: Statement, *models: Model, t: int = 1, count: int = 2048, repeated: str = "quick"
) -> tuple[Evidence, ...]:
    """All evidence for a statement that a quadratic form is conserved by a flow: exact instances of many shapes,
    Hypothesis's examples, laws found by sympy at the given models, 50-digit trajectories, and batches in float64
    (first model).

    repeated: the profile of Hypothesis's examples and of the trajectories, "full" where another statement about the
    same model has them in every run.
    """

    def exact_instances(run: Run) -> Outcome:
        return instances(statement, run)

    def hypothesis_examples(run: Run) -> Outcome:
        return examples(statement, run)

    def found_by_sympy(run: Run) -> Outcome:
        return discovered(statement, models, run)

    def high_precision(run: Run) -> Outcome:
        return trajectories(statement, models, run, t=t)

    def batched(run: Run) -> Outcome:
        return batches(statement, models[0], run, t=t, count=count)

    return (
        Evidence(statement, "rational", exact_instances),
        Evidence(statement, "rational", hypothesis_examples, repeated),
        Evidence(statement, "sympy", found_by_sympy),
        Evidence(statement, "mpmath", high_precision, repeated),
        Evidence(statement, "float64", batched),
    )


def instances(statement: Statement, run: Run, *, count: int = 20) -> Outcome:
    """A law of motion at random exact instances of at least ``count`` shapes, against gradients by the written-out
    model, sympy and torch, which the kernel's proof never saw; in the full profile five times as many."""
    from theorytest.search.strategies import instantiate

    found = instantiate(statement, count=count * (5 if run.profile == "full" else 1), seed=run.seed)
    detail = (
        f"{len(found.shapes)} shapes; gradients by sympy equal, torch within {found.torch:.2g} of its rounding bound"
    )
    return Outcome(found.instances, str(found.worst), found.holds, detail)


def examples(statement: Statement, run: Run, *, count: int = 8, size: int = 4) -> Outcome:
    """Hypothesis draws shapes, depths, scales, starts and losses; every example is a batch of exact instances."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    from theorytest.kernel.witness import motion_flow
    from theorytest.search.strategies import batches, check_sample

    flow, claim = motion_flow(statement.claim), statement.claim
    if flow is None or not isinstance(claim, Conserved):
        raise InputError(f"given {statement.label}, needed a statement that something is conserved along a flow")
    worst, seen, agreed = [Fraction(0)], [0], [True]

    @seeded(run.seed)
    @settings(
        max_examples=count * (5 if run.profile == "full" else 1),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(batches(flow, statement.assumptions, size=size))
    def law_holds(batch: Any) -> None:
        for drawn in batch:
            checked = check_sample(claim, drawn)
            seen[0] += 1
            worst[0] = max(worst[0], checked.violation)
            agreed[0] = agreed[0] and checked.gradients and checked.torch <= 1

    law_holds()
    return Outcome(
        seen[0], str(worst[0]), not worst[0] and agreed[0], "drawn by Hypothesis, evaluated over the rationals"
    )


def discovered(statement: Statement, models: Sequence[Model], run: Run) -> Outcome:
    """sympy finds all quadratic laws of the models from their parameterization alone; the statement's law must be
    among them, and the number of laws found is reported."""
    from theorytest.derive.laws import QuadraticForm, quadratic_laws
    from theorytest.search.forms import quadratic_forms

    claim = statement.claim
    if not isinstance(claim, Conserved):
        raise InputError(f"given {statement.label}, needed a statement that something is conserved along a flow")
    total, missing, lines = 0, 0, []
    for model in models:
        laws = quadratic_laws(model)
        forms = quadratic_forms(claim, model)
        total += len(forms)
        missing += sum(not laws.conserves(QuadraticForm(form)) for form in forms)
        lines.append(f"{'x'.join(map(str, model.shape))}: {laws.dimension} laws")
    return Outcome(total, str(missing), not missing, "found without being told: " + ", ".join(lines))


def _starts(model: Model, seed: int, count: int) -> list[tuple[Any, Any]]:
    """Exact unbalanced starts, and half-sum losses with random exact targets on about half of the entries."""
    from theorytest.models.initializations import unbalanced
    from theorytest.models.losses import HalfSum

    made: list[tuple[Any, Any]] = []
    for k in range(count):
        random = Random(f"{seed}/{k}")
        blocks = unbalanced(model, seed=random.getrandbits(32), magnitude=Fraction(1, 4), scale=Fraction(1, 2))
        places = [_index(place, model.shape) for place in range(prod(model.shape))]
        chosen = sorted(random.sample(places, max(1, len(places) // 2)))
        made.append((blocks, HalfSum(tuple((index, Fraction(random.randint(-8, 8), 4)) for index in chosen))))
    return made


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        place, last = divmod(place, size)
        index.append(last)
    return tuple(reversed(index))


def trajectories(
    statement: Statement, models: Sequence[Model], run: Run, *, t: int = 2, digits: int = 50, starts: int = 2
) -> Outcome:
    """The quantity along flows in high precision: its drift must stay below what the error estimate of the parameters
    allows."""
    from theorytest.gradient_flow import GradientFlow
    from theorytest.search.forms import form_error, form_value, quadratic_forms

    claim = statement.claim
    if not isinstance(claim, Conserved):
        raise InputError(f"given {statement.label}, needed a statement that something is conserved along a flow")
    worst, largest, followed, open_runs = Fraction(0), Fraction(0), 0, 0
    for model in models:
        forms = quadratic_forms(claim, model)
        for start, loss in _starts(model, run.seed, starts):
            path = GradientFlow(model, loss).integrate(start, t, digits=digits)
            if path.status != "done":
                open_runs += 1
                continue
            end, error = path.rational(t), path.error(t)
            followed += 1
            for form in forms:
                drift = abs(form_value(form, end) - form_value(form, start))
                largest = max(largest, drift)
                worst = max(worst, drift / form_error(form, end, error))
    detail = f"to t = {t}; largest drift {_short(largest)}" + (f"; {open_runs} not finished" if open_runs else "")
    return Outcome(followed, _short(worst), None if not followed else worst <= 1, detail, digits)


def batches(
    statement: Statement, model: Model, run: Run, *, t: int = 2, count: int = 2048, compared: int = 4
) -> Outcome:
    """Thousands of flows in float64 from random starts: the drift of every form against its bound; some of the
    instances again in high precision, and both compared against the sum of their error estimates."""
    import torch

    from theorytest.gradient_flow import GradientFlow, compare
    from theorytest.models.initializations import balanced_batch
    from theorytest.search.forms import quadratic_forms

    claim = statement.claim
    if not isinstance(claim, Conserved):
        raise InputError(f"given {statement.label}, needed a statement that something is conserved along a flow")
    many = count * (16 if run.profile == "full" else 1)
    pairs = _starts(model, run.seed, compared)
    loss = pairs[0][1]
    starts = balanced_batch(
        model, many, seed=run.seed, scale=0.5, magnitude=0.25, backend="torch", device=run.device, dtype=torch.float64
    )
    flow = GradientFlow(model, loss).batch(starts, t, device=run.device)
    drift = flow.drift(quadratic_forms(claim, model))
    done = flow.status == 0
    ratio = (drift.change.abs() / drift.bound)[0][done]
    worst = float(ratio.max()) if ratio.numel() else 0.0
    both = compare(model, [own for _, own in pairs], [start for start, _ in pairs], t, digits=30, device=run.device)
    agree = all(one.agrees for one in both)
    detail = (
        f"{int(done.sum())} of {many} flows to t = {t}; largest drift {float(drift.change[0][done].abs().max()):.1e}; "
        f"{sum(one.agrees for one in both)} of {len(both)} agree with 30 digits"
    )
    return Outcome(int(done.sum()), f"{worst:.3g}", bool(worst <= 1 and agree) if int(done.sum()) else None, detail)


def _short(value: Fraction) -> str:
    """A short decimal reading of a nonnegative rational number of any size."""
    if not value:
        return "0"
    exponent = len(str(value.numerator)) - len(str(value.denominator))
    scaled = value / Fraction(10) ** exponent
    if scaled < 1:
        exponent, scaled = exponent - 1, scaled * 10
    return f"{float(scaled):.2f}e{exponent:+d}" if not -3 < exponent < 4 else f"{float(value):.3g}"
