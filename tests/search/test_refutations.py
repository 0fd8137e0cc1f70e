"""States, points and starts at which claims fail: small, accepted by the kernel, and none against true claims."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
import pytest

from theorytest import CP, DEEP_MATRIX, along_every_flow, at_every_state, conjecture, tends_to
from theorytest import quantity as q
from theorytest.errors import InputError
from theorytest.kernel.claim import Identity, Inequality, SingularValues, Where
from theorytest.kernel.quantity import Atom, exact_state, value
from theorytest.kernel.scalar import ZERO, Exp, Ln, Variable, sqrt
from theorytest.kernel.witness import refutes
from theorytest.models import HalfSum, Huber, Linear, cp, deep_matrix_factorization, deep_tucker
from theorytest.search.frequency import constant_event, frequency, interval
from theorytest.search.margins import measure
from theorytest.search.points import candidates, find_point, floats
from theorytest.search.starts import certified, find_start
from theorytest.search.states import find_state, shapes

product = deep_matrix_factorization(2, 2, depth=2)
mean = (q.squared_norm("W[1]") + q.squared_norm("W[2]")) / 2
x, y, z = (Variable(name) for name in "xyz")
SEEDS = (0, 1, 2)


# -- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("claim", "given", "parameters"),
    [
        (at_every_state(product, q.nuclear_norm() <= "9/10" * mean), {}, 8),
        (at_every_state(DEEP_MATRIX, q.nuclear_norm() <= "5/4" * q.norm()), {}, 4),  # sqrt(2): 2 x 2 is needed
        (at_every_state(DEEP_MATRIX, q.nuclear_norm() <= "3/2" * q.norm()), {}, 9),  # sqrt(3): 3 x 3 is needed
        (at_every_state(DEEP_MATRIX, q.nuclear_norm() <= "9/5" * q.norm()), {}, 16),  # 2: 4 x 4 is needed
        (at_every_state(CP, q.component_norm(1) <= q.norm()), {}, 4),
        (at_every_state(CP, q.component_norm(1) <= q.norm()), {"b": q.equal(q.unbalancedness(), 0)}, 4),
        (at_every_state(product, q.equal(q.effective_rank(), 2)), {"d": q.determinant() > 0}, 8),
    ],
)
def test_the_smallest_shape_is_found(claim, given, parameters, seed):
    statement = conjecture("claim", claim, given=given)
    found = find_state(statement, seed, seconds=60)
    assert found.witness is not None
    refutes(statement, found.witness)  # raises unless the kernel agrees
    sizes = dict(found.witness.instance.sizes)
    count = sum(map(prod, claim.parameterization.at(sizes).blocks.values()))
    assert count == parameters
    # All smaller shapes (at which the quantities exist) were tried before, without a witness.
    tried = [claim.parameterization.at(dict(t.sizes)) for t in found.tried]
    assert all(sum(map(prod, concrete.blocks.values())) <= count for concrete in tried)
    assert all(t.exact + t.floats > 0 for t in found.tried)


def test_the_same_seed_gives_the_same_witness():
    statement = conjecture("claim", at_every_state(DEEP_MATRIX, q.nuclear_norm() <= "5/4" * q.norm()))
    one, other = (find_state(statement, 3, seconds=60) for _ in range(2))
    assert one.witness == other.witness and one.tried == other.tried


@pytest.mark.parametrize(
    "claim",
    [
        at_every_state(product, q.nuclear_norm() <= mean),
        at_every_state(product, q.effective_rank() <= 2),
        at_every_state(product, q.distance_to_rank(1) <= q.singular_value(1)),
        at_every_state(cp((2, 2), rank=2), q.norm() <= q.component_norm(1) + q.component_norm(2)),
    ],
)
def test_nothing_is_found_against_true_claims(claim):
    found = find_state(conjecture("claim", claim), seconds=60)
    assert found.witness is None and found.finished and found.states > 500
    margins = [t.least_margin for t in found.tried if t.least_margin is not None]
    assert margins and min(margins) > -1e-9


def test_what_cannot_be_searched():
    with pytest.raises(InputError, match="about every state"):
        find_state(conjecture("c", Identity(x, x)))
    nowhere = at_every_state(product, q.component_norm(1) <= 1)
    with pytest.raises(InputError, match="none of the shapes"):
        find_state(conjecture("c", nowhere))
    assert not find_state(conjecture("c", at_every_state(product, q.norm() >= 0)), seconds=0).finished


def test_float64_quantities_are_the_exact_ones():
    import torch

    for model, atoms in (
        (
            deep_matrix_factorization(2, 3, depth=2),
            [
                Atom("entry", "W[1]", (1, 2)),
                Atom("squared norm"),
                Atom("slice", "W[2]", (1, 2)),
                Atom("gram gap", "W[2]", (), "W[1]"),
                Atom("determinant", "W[2]"),
                Atom("singular value", "", (2,)),
                Atom("schatten", number=Fraction(1, 2)),
                Atom("effective rank"),
                Atom("distance to rank", number=Fraction(1)),
                Atom("rank"),
            ],
        ),
        (
            cp((2, 2, 3), rank=2),
            [Atom("component", "r", (2,)), Atom("unbalancedness", "r"), Atom("singular value", "", (1, 3))],
        ),
    ):
        exact = [model.random(seed) for seed in range(5)]
        blocks = {
            name: torch.tensor([[float(v) for v in b[name].entries] for b in exact]).double().reshape(5, *shape)
            for name, shape in model.shapes.items()
        }
        end = model.end_tensor(blocks)
        for atom in atoms:
            true = [float(value(atom, exact_state(model.concrete, b))) for b in exact]
            assert measure(atom, model, blocks, end).tolist() == pytest.approx(true, rel=1e-9, abs=1e-9), atom.name


def test_shapes_go_up():
    statement = conjecture("c", at_every_state(DEEP_MATRIX, q.norm() >= 0))
    counts = [sum(map(prod, DEEP_MATRIX.at(s).blocks.values())) for s in shapes(statement.claim, statement)]
    assert counts == sorted(counts) and counts[0] == 1 and {16, 25, 36} <= set(counts)
    tucker = deep_tucker((2, 2), depths=1)
    assert len(shapes(at_every_state(tucker, q.norm() >= 0), statement)) == 1


def test_states_far_out_and_in_a_thin_shell_are_found():
    far = conjecture("c", at_every_state(product, q.norm() <= 10**6))
    shell = {"lo": q.norm() > 1, "hi": q.norm() < "1.001"}
    thin = conjecture("c", at_every_state(product, q.norm() <= "1.0005"), given=shell)
    for statement in (far, thin):
        found = find_state(statement, seconds=60)
        assert found.witness is not None
        refutes(statement, found.witness)


def test_states_at_which_a_side_is_not_defined_are_counted():
    found = find_state(conjecture("c", at_every_state(product, q.effective_rank() <= 2)), seconds=60)
    assert found.witness is None and found.tried[0].undefined > 0 and found.tried[0].where is not None
    blocks = dict(found.tried[0].where.blocks)
    assert not any(blocks["W[1]"].entries)  # the first of them is 0
    given = {"nonzero": q.squared_norm() > 0}
    found = find_state(conjecture("c", at_every_state(product, q.effective_rank() <= 2), given=given), seconds=60)
    assert found.witness is None and found.tried[0].undefined == 0


def test_what_the_time_did_not_suffice_for_is_said():
    found = find_state(conjecture("c", at_every_state(DEEP_MATRIX, q.norm() >= 0)), seconds=1e-9, rounds=3)
    assert not found.finished and "shapes 1 to" in found.left_out and "batches 2 to 3" in found.left_out


# -- points -----------------------------------------------------------------------------------------------------------

POSITIVE = (Inequality(ZERO, "<", x), Inequality(ZERO, "<", y))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (Where(POSITIVE, Inequality(sqrt(x + y), "<=", Fraction(9, 10) * (sqrt(x) + sqrt(y)))), {}),
        (Where(POSITIVE, Inequality(Ln(1 + x), "<=", x / (1 + x))), {}),
        (Inequality(x**3, "<=", x**2 + 1), {}),
        (Inequality(Exp(x), "<=", 1 + x + x**2), {}),
        (Inequality(x, "<", y), {"equation": Identity(z, x + y), "bound": Inequality(z, "<", ZERO)}),
        (Identity(x * y, x + y), {}),
        (
            Inequality(x, "<=", ZERO + Fraction(10007, 10000)),
            {"below": Inequality(x, "<=", ZERO + Fraction(10008, 10000))},
        ),
        (SingularValues(((x, y), (y, x)), (x + y, x - y)), {}),
    ],
)
def test_points_are_found(claim, given, seed):
    statement = conjecture("claim", claim, given=given)
    found = find_point(statement, seed)
    assert found.witness is not None
    refutes(statement, found.witness)
    assert all(abs(v.numerator) < 10**6 for _, v in found.witness.instance.variables)


@pytest.mark.parametrize(
    "claim",
    [
        Where(POSITIVE, Inequality(2 * x * y, "<=", x**2 + y**2)),
        Where(POSITIVE, Inequality(Ln(x), "<=", x - 1)),
        Identity((x + y) ** 2, x**2 + 2 * x * y + y**2),
    ],
)
def test_no_point_against_true_claims(claim):
    found = find_point(conjecture("claim", claim))
    assert found.witness is None and found.points > 1000


def number(value):
    return ZERO + Fraction(value)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "claim",
    [
        Inequality(x, "<=", number(10**9)),  # far out
        Where(POSITIVE, Inequality(x * y, "<=", number(10**15))),
        Where((Inequality(ZERO, "<", x),), Inequality(number("1e-11"), "<=", x)),  # near 0
        Where(
            (Inequality(number(1000), "<", x), Inequality(x, "<", number("1000.001"))),
            Inequality(x, "<=", number("1000.0005")),
        ),
        # Conditions of three variables within a thousandth, and a gap between the first and the last.
        Where(
            (
                Inequality(number(1000), "<", x),
                Inequality(x, "<", y),
                Inequality(y, "<", z),
                Inequality(z, "<", number("1000.001")),
            ),
            Inequality(z - x, "<=", number("0.0009")),
        ),
        # A ball of radius a thousandth far from 0, and a single point.
        Where(
            (Inequality((x - 12345) ** 2 + (y + 777) ** 2, "<", number("1e-6")),),
            Inequality(x + y, "<=", number(11568)),
        ),
        Inequality(ZERO, "<", (x - number("123456.789")) ** 2 + (y - number("0.000123")) ** 2),
        Inequality(ZERO + 1, "<=", 10**12 * (x**2 - 2) ** 2),  # next to an irrational number
        # Equations: linear, a product, and a circle whose rational points are met by lines.
        Where(
            (Identity(x + y + z, ZERO + 1), *POSITIVE, Inequality(ZERO, "<", z)),
            Inequality(x * y * z, "<=", number("1/28")),
        ),
        Where((Identity(x * y, ZERO + 1), POSITIVE[0]), Inequality(x + y, "<=", number(10**6))),
        Where((Identity(x**2 + y**2, ZERO + 1),), Inequality(x + y, "<=", number("1.4142"))),
    ],
)
def test_points_in_narrow_sets_and_far_out_are_found(claim, seed):
    statement = conjecture("claim", claim)
    found = find_point(statement, seed, seconds=60)
    assert found.witness is not None
    refutes(statement, found.witness)


def test_points_at_which_a_side_is_not_defined_are_no_counterexamples():
    found = find_point(conjecture("c", Identity(x / x, ZERO + 1)))
    assert found.witness is None and found.undefined > 0
    assert found.where is not None and found.where.variables == (("x", Fraction(0)),)
    found = find_point(conjecture("c", Inequality(1 / x, "<=", ZERO)))  # fails where it is defined
    assert found.witness is not None and dict(found.witness.instance.variables)["x"] > 0


def test_a_true_claim_in_a_narrow_set_meets_points():
    narrow = (Inequality(number(1000), "<", x), Inequality(x, "<", number("1000.001")))
    found = find_point(conjecture("c", Where(narrow, Inequality(x, "<=", number(1001)))))
    assert found.witness is None and found.points > 1000


def test_other_claims_have_no_points():
    with pytest.raises(InputError, match="between real variables"):
        find_point(conjecture("c", at_every_state(product, q.norm() >= 0)))


def test_candidates_meet_the_equations():
    statement = conjecture("c", Inequality(x, "<=", y), given={"sum": Identity(z, x + y), "root": Identity(x, sqrt(y))})
    seen = [point for _, point in zip(range(50), candidates(statement), strict=False)]
    assert seen and all(point["z"] == point["x"] + point["y"] for point in seen)


def test_floats_agree_with_balls():
    from theorytest.kernel.ball import evaluate

    expression = Ln(1 + x**2) * Exp(-y) + sqrt(y) ** -1 + (x + 3) ** Fraction(2, 3)
    points = {"x": np.array([0.5, 2.0]), "y": np.array([0.25, 3.0])}
    for k, found in enumerate(floats(expression, points)):
        exact = {name: Fraction(float(values[k])) for name, values in points.items()}
        assert found == pytest.approx(float(evaluate(expression, exact)))


# -- starts -----------------------------------------------------------------------------------------------------------

LOSS = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (along_every_flow(product, q.determinant() > 0, loss=LOSS), {"det": q.determinant() > 0}),
        (along_every_flow(product, q.squared_norm() >= q.at_start(q.squared_norm()), loss=LOSS), {}),
        (tends_to(product, q.entry(1, 2), 1, loss=LOSS), {}),
        (tends_to(cp((2, 2), rank=1), q.squared_norm("w[1]"), q.squared_norm("w[2]")), {}),
        (along_every_flow(product, q.entry(1, 2) < 1, loss=Huber({(0, 1): 2}, "1/2")), {"s": q.squared_norm() < "1/2"}),
    ],
)
def test_starts_are_found(claim, given, seed):
    statement = conjecture("claim", claim, given=given)
    found = find_start(statement, seed, seconds=60)
    assert found.witness is not None
    refutes(statement, found.witness)


def test_true_claims_along_flows_are_certified_on_instances():
    claim = along_every_flow(product, q.determinant() > 0, loss=LOSS)
    given = {"balanced": q.equal(q.gram_gap("W[2]", "W[1]"), 0), "det": q.determinant() > 0}
    statement = conjecture("claim", claim, given=given)
    assert find_start(statement, seconds=60).witness is None
    held = certified(statement, seconds=60)
    assert len(held) == 2 and all("1 flow, t <= 2" in text for _, text in held)


def test_what_fails_late_or_just_before_a_flow_ends_is_found():
    """The unobserved entry passes 4 after time 12; along w' = 3 w^(4/3) from w = 1 the flow ends at time 1, and passes
    100 between the times that are looked at."""
    given = {"balanced": q.equal(q.gram_gap("W[2]", "W[1]"), 0), "det": q.determinant() > 0}
    small = {**given, "small": q.squared_norm() < 1}
    late = conjecture("late", along_every_flow(product, q.entry(1, 1) < 4, loss=LOSS), given=small)
    one = deep_matrix_factorization(1, 1, depth=3)
    end = along_every_flow(one, q.entry(1, 1) < 100, loss=Linear([[-1]]))
    ends = conjecture("ends", end, given={"one": q.equal(q.entry(1, 1), 1)})
    assert find_start(late, seconds=60).witness is None
    for statement, long in ((late, True), (ends, False)):
        found = find_start(statement, seconds=60, long=long)
        assert found.witness is not None
        refutes(statement, found.witness)


def test_starts_at_which_a_side_is_not_defined_are_counted():
    claim = along_every_flow(product, q.ln(q.determinant()) <= 100, loss=LOSS)
    found = find_start(conjecture("c", claim), seconds=60)
    assert found.witness is None and found.tried[0].undefined > 0 and found.tried[0].where is not None


def test_equal_starts_do_not_crowd_out_the_others():
    """From W = 0, the simplest start, the kernel does not see that |w| <= w^2 fails; from 1/4 it does."""
    claim = along_every_flow(deep_matrix_factorization(1, 1, depth=1), abs(q.determinant()) <= q.squared_norm())
    statement = conjecture("c", claim)
    found = find_start(statement, seconds=60)
    assert found.witness is not None
    refutes(statement, found.witness)


def test_a_start_far_out_is_found():
    claim = along_every_flow(deep_matrix_factorization(1, 1, depth=2), q.entry(1, 1) <= 500, loss=HalfSum({(0, 0): 1}))
    statement = conjecture("c", claim)
    found = find_start(statement, seconds=60)
    assert found.witness is not None
    refutes(statement, found.witness)


def test_claims_about_other_things_have_no_starts():
    with pytest.raises(InputError, match="about every flow"):
        find_start(conjecture("c", Identity(x, x)))
    with pytest.raises(InputError, match="none of the shapes"):
        find_start(conjecture("c", tends_to(product, q.component_norm(1), 1)))


# -- frequencies ------------------------------------------------------------------------------------------------------


def test_the_interval_is_that_of_clopper_and_pearson():
    """Against sums of binomial probabilities."""
    from math import comb

    for happened, states in ((3, 10), (0, 7), (7, 7), (50, 100)):
        low, high = interval(happened, states, Fraction(9, 10))
        if happened:
            tail = sum(comb(states, k) * low**k * (1 - low) ** (states - k) for k in range(happened, states + 1))
            assert tail == pytest.approx(0.05, abs=1e-3)
        if happened < states:
            tail = sum(comb(states, k) * high**k * (1 - high) ** (states - k) for k in range(happened + 1))
            assert tail == pytest.approx(0.05, abs=1e-3)
        assert low <= happened / states <= high


def test_events_that_always_or_never_happen():
    product_rule = q.determinant() - q.determinant("W[1]") * q.determinant("W[2]")
    for event, always in ((product_rule > 0, False), (product_rule >= 0, True), (q.equal(product_rule, 1), False)):
        assert constant_event(q.probability(product, event)) is always
    for event in (q.determinant() > 0, q.nuclear_norm() > 0):
        assert constant_event(q.probability(product, event)) is None


def test_a_frequency_of_one_half():
    claim = q.probability(product, q.determinant() > 0)
    seen = frequency(claim, states=2000)
    assert seen.low < 0.5 < seen.high and seen.high - seen.low < 0.1 and seen.unsure < 20
    assert seen == frequency(claim, states=2000) and seen != frequency(claim, 1, states=2000)
