"""What the proof files about certified flows say of their instances, against exact and independent computations."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from theorytest import loader, verification
from theorytest import quantity as q
from theorytest.enclose.flow import start_of
from theorytest.enclose.flowpipe import certificate, problem_of
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel.ball import precision
from theorytest.kernel.check import check
from theorytest.kernel.every_flow import velocity_at_start
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import both_sides, exact_state
from theorytest.kernel.statement import CERTIFIED, REFUTED, Certificate, Statement
from theorytest.models import balanced, gram_differences, unbalanced, unbalancedness_magnitude

F = Fraction
PROOFS = Path(__file__).resolve().parents[2] / "proofs"
FILES = ("hka24/certified_flows.py", "rc20/long_flows.py", "rmc21/certified_flows.py", "rmc21/decreasing_starts.py")


@pytest.fixture(scope="module")
def library() -> loader.Library:
    return loader.load([PROOFS / name for name in FILES])


def module(library: loader.Library, label: str) -> ModuleType:
    (made,) = library.entries[label].certified
    return import_module(made.build.__module__)


def value(flow: GradientFlow, blocks: Any, quantity: Any) -> Any:
    """A quantity at an exact state."""
    with precision(200):
        return both_sides(q.equal(0, quantity), exact_state(flow.model.concrete, start_of(flow.model, blocks)))[1]


def velocities(flow: GradientFlow, blocks: Any) -> dict[str, Array]:
    """The kernel's own vector field at an exact state."""
    entries = iter(velocity_at_start(problem_of(flow.model, flow.loss, blocks)))
    return {name: Array(a.shape, tuple(next(entries) for _ in a.entries)) for name, a in blocks.items()}


def states(model: Any) -> list[Any]:
    return [balanced(model, seed=5), unbalanced(model, seed=6, magnitude="1/4"), model.random(7)]


def test_they_take_long_and_are_left_out_of_quick_runs(library: loader.Library) -> None:
    quick = {item.label for item in verification.items(library, "quick")}
    full = {item.label for item in verification.items(library, "full")}
    assert quick < full and "RMC21-Lem1/flow" in quick
    long = {entry.statement.label for entry in library.entries.values() if entry.selected and entry.profile == "full"}
    assert len(long) == 20 and not long & quick and long < full
    for label in long:
        entry = library.entries[label]
        assert entry.statement.expected == CERTIFIED and entry.controls and entry.statement.deviations
        assert any(c.statement.expected == REFUTED for c in entry.controls)


# -- HKA24 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [(0, 0, 0), (1, 0, 2)])
def test_core_and_vectors_move_as_the_kernel_says(library: loader.Library, k: tuple[int, int, int]) -> None:
    """HKA24-dG as it is written there, and d/dt ||w_r^m||, at exact states, balanced or not."""
    flows = module(library, "HKA24-Thm4.3/flow")
    tucker = flows.Tucker(k, 1)
    for blocks in states(tucker.flow.model):
        moved = velocities(tucker.flow, blocks)
        for cell in flows.CELLS:
            assert value(tucker.flow, blocks, tucker.velocity(cell)) == moved["G"][tuple(i - 1 for i in cell)]
        for r in (1, 2):
            pace = value(tucker.flow, blocks, tucker.pace(2, r) * tucker.omega(2, r))
            row = [(blocks["w[2]"][r - 1, i], moved["w[2]"][r - 1, i]) for i in (0, 1)]
            assert k[1] or abs(float(pace) - float(sum((x * y for x, y in row), F(0)))) < 1e-12


def test_starts_of_deep_tucker_are_balanced_and_generic(library: loader.Library) -> None:
    flows = module(library, "HKA24-Thm4.3/flow")
    for tucker in (flows.SHALLOW, flows.DEEP, flows.DEEPER):
        model = tucker.flow.model
        assert unbalancedness_magnitude(model, tucker.start) == 0
        assert all(not any(gap.entries) for gap in gram_differences(model, tucker.start).values())
        assert all(all(block.entries) for name, block in tucker.start.items() if name == "G")
    assert value(flows.SHALLOW.flow, flows.SHALLOW.start, q.squared_slice_norm("G", 1, 2)) == flows.START**2
    doubled = flows.DEEP.changed(G=2)
    assert doubled.start["G"].entries == tuple(2 * x for x in flows.DEEP.start["G"].entries)
    assert unbalancedness_magnitude(doubled.flow.model, doubled.start) > 0


@pytest.mark.parametrize("k", [1, 2])
def test_cosines_are_those_of_singular_vectors(library: loader.Library, k: int) -> None:
    tucker = module(library, "HKA24-Thm4.3/flow").Tucker((k, 0, 0), 1)
    for blocks in (tucker.start, tucker.flow.model.random(11)):
        for r in (1, 2):
            chain = [
                np.array(blocks[f"A[1,{s}]"].entries, dtype=float).reshape(2, 2, 2)[r - 1] for s in range(1, k + 1)
            ]
            factor = chain[0] if k == 1 else chain[0] @ chain[1]
            w = np.array(blocks["w[1]"].entries, dtype=float).reshape(2, 2)[r - 1]
            left, _, right = np.linalg.svd(factor)
            for vector, side in ((right[0], False), (left[:, 0], True)):
                found = float(value(tucker.flow, blocks, tucker.cosine(1, r, left=side)))
                assert abs(found - abs(vector @ w) / np.linalg.norm(w)) < 1e-9


# -- RMC21 -------------------------------------------------------------------------------------------------------------


def test_components_move_as_the_kernel_says(library: loader.Library) -> None:
    flows = module(library, "RMC21-Thm1/flow")
    for blocks in states(flows.fit.model):
        moved = velocities(flows.fit, blocks)
        for r, n in product((1, 2), (1, 2, 3)):
            rows = [(blocks[f"w[{n}]"][r - 1, i], moved[f"w[{n}]"][r - 1, i]) for i in (0, 1)]
            assert value(flows.fit, blocks, flows.pairing(r)) == sum((x * y for x, y in rows), F(0))


def test_the_problems_of_theorem_2_meet_its_assumptions(library: loader.Library) -> None:
    flows = module(library, "RMC21-Thm2/decreasing")
    zero = Array((2, 2, 2), (F(0),) * 8)
    downhill = [-x for x in flows.CORNERS.two.loss.gradient(zero).entries]
    norm, gain = math.sqrt(sum(x * x for x in downhill)), downhill[0]
    assert downhill.count(F(1, 10)) == 2 and gain > 0 and norm / gain < 2  # Assumption 3 for N = 3
    assert flows.DELTA < 1 and flows.SIDE**3 < 1 - flows.DELTA  # Assumption 1, the sphere
    for problem in (flows.CORNERS, flows.POINT):
        on_the_sphere = problem.along_axes(flows.SIDE)
        assert value(problem.one, on_the_sphere, q.squared_norm()) == flows.SIDE**6
        assert unbalancedness_magnitude(problem.one.model, on_the_sphere) == 0
        assert unbalancedness_magnitude(problem.two.model, problem.along_axes(2, 1)) == 0


def test_times_of_the_sphere_agree_with_the_closed_form(library: loader.Library) -> None:
    """RMC21-fn7: in the ball 1/c falls at the rate g, so that t0 <= (1/c(0) - 1/s) / g."""
    flows = module(library, "RMC21-Thm2/decreasing")
    for times, lead, gain in ((flows.TIMES_OF_CORNERS, 2, F(1, 10)), (flows.TIMES_OF_POINT, 1, F(1, 5))):
        for alpha, t0 in times.items():
            bound = (1 / (lead * alpha) - 1 / flows.SIDE) / gain
            assert t0 < bound < t0 + 20 * alpha**3


def test_lower_bounds_of_the_exponential(library: loader.Library) -> None:
    flows = module(library, "RMC21-fn9/instances")
    assert set(flows.GROWTH) == {10, 20, 40, 60}
    for time, bound in flows.GROWTH.items():
        assert float(bound) < math.exp(time / 20) < float(bound) * 1.05
        assert F(time, 20) == flows.BOUND**2 * time / 45
    assert math.exp(math.sqrt(60) / 20) < 1.5


def test_one_distance_and_what_it_is_not(library: loader.Library) -> None:
    """The distance at alpha = 1/4 is certified where it is allowed, and refuted where less is."""
    flows = module(library, "RMC21-Thm2/decreasing")
    alpha = F(1, 4)
    theta, time = flows.point(alpha), flows.TIMES_OF_POINT[alpha]
    payload = None
    for factor, status in ((2, CERTIFIED), (F(1, 1000), REFUTED)):
        claim = flows.POINT.close(theta, time, factor * alpha**3, 3)
        payload = payload or certificate(claim, digits=12)
        statement = Statement("x", "x", claim)
        found = check(statement, Certificate("flowpipes", statement.digest, payload, "a test"), {})
        assert found.status == status, found.reason


# -- RC20 --------------------------------------------------------------------------------------------------------------


def test_starts_of_products_are_balanced_with_the_sign_that_is_said(library: loader.Library) -> None:
    flows = module(library, "RC20-Thm1/depths")
    positive = (flows.TWO, flows.THREE, flows.FOUR, *flows.GENERIC, *flows.LONG, flows.LARGE)
    negative = (flows.NEGATIVE, flows.MISSED, flows.MISSED_DEEPER, flows.MATCHED)
    for sign, group in ((1, positive), (-1, negative)):
        for made in group:
            assert value(made.flow, made.start, q.determinant()) * sign > 0
            gaps = gram_differences(made.flow.model, start_of(made.flow.model, made.start)).values()
            assert all(not any(gap.entries) for gap in gaps)
    for made in flows.GENERIC:
        W = made.flow.model.end_tensor(made.start)
        assert W[0, 1] != W[1, 0] and all(W.entries)


def test_the_losses_are_those_of_the_paper(library: loader.Library) -> None:
    flows = module(library, "RC20-Thm1/depths")
    for made in (flows.TWO, flows.MISSED, flows.LARGE):
        W = made.flow.model.random(3)
        end = made.flow.model.end_tensor(W)
        assert value(made.flow, W, made.twice) == 2 * made.flow.loss.value(end)
    assert len(flows.LARGER) == 8 and flows.LARGER[3, 3] == flows.LARGER[1, 2] == flows.LARGER[2, 1] == 1
    assert sum(flows.LARGER.values()) == 3 and (1, 1) not in flows.LARGER
