"""Steps of a flowpipe: against closed forms, against naive bounds in exact arithmetic, and forged in every number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq

from theorytest.enclose import flowpipe
from theorytest.enclose.collocation import FloatField, Grid, predict, refined
from theorytest.kernel import flow
from theorytest.kernel.ball import precision
from theorytest.kernel.encoding import digest
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Enclosure, FlowStep, FlowSteps, follow
from theorytest.kernel.initial_value import InitialValueProblem, MeasuredLoss, Measurement, Slope, field, rational
from theorytest.kernel.parameterization import Array
from theorytest.models import CP, DEEP_MATRIX

F = Fraction
SQUARE = Slope(((F(0), F(1)),))
HUBER = Slope(((F(-1, 4),), (F(0), F(1)), (F(1, 4),)), (F(-1, 4), F(1, 4)))


def scalar_problem(depth: int, start: Fraction, target: Fraction, slope: Slope = SQUARE) -> InitialValueProblem:
    """Depth layers of size 1x1 that start equal; one measurement."""
    loss = MeasuredLoss((Measurement((((0, 0), F(1)),), target),), slope)
    sizes = (("L", depth), ("d_in", 1), ("d_out", 1), ("h", (1,) * (depth - 1)))
    blocks = tuple((f"W[{k}]", Array((1, 1), (start,))) for k in range(depth, 0, -1))
    return InitialValueProblem(DEEP_MATRIX, sizes, loss, blocks)


def matrix_problem(seed: int = 0) -> InitialValueProblem:
    """2x2, depth 2, three observed entries, a random start."""
    random = Random(seed)
    observed = (((0, 1), F(1)), ((1, 0), F(1)), ((1, 1), F(0)))
    loss = MeasuredLoss(tuple(Measurement(((i, F(1)),), y) for i, y in observed), SQUARE)
    sizes = (("L", 2), ("d_in", 2), ("d_out", 2), ("h", (2,)))
    blocks = tuple((f"W[{k}]", Array((2, 2), tuple(F(random.randint(-8, 8), 10) for _ in range(4)))) for k in (2, 1))
    return InitialValueProblem(DEEP_MATRIX, sizes, loss, blocks)


@cache
def piped(problem: InitialValueProblem, until: Fraction, digits: int = 30) -> FlowSteps:
    found = flowpipe.enclose_problem(problem, until, digits=digits)
    assert found.status == flowpipe.DONE
    return found.steps


def proposed(
    enclosure: Enclosure, length: Fraction, degree: int, bits: int, tube: Fraction, count: int = 1, **fields: Any
) -> FlowStep:
    """A step from the start with a polynomial that nearly solves the flow, and nothing claimed of its norms."""
    step = FlowStep(length, bits, (), tube, ((F(0), F(0)),) * count, **fields)
    field_, grid = FloatField(enclosure.field(step.pieces)), Grid.of(degree)
    points = predict(field_, grid, np.array([float(x) for x in enclosure.start]), float(length))
    found = refined(field_, grid, points, enclosure.start, step, 20 - bits)
    assert found is not None
    return found


def at(series: tuple[int, ...], bits: int, s: float) -> float:
    """The value of a Chebyshev series at a place from -1 to 1."""
    values = [v / 2**bits for v in series]
    return float(np.polynomial.chebyshev.chebval(s, [values[0], *(2 * v for v in values[1:])]))


def ends_of(problem: InitialValueProblem, pipe: FlowSteps) -> list[tuple[Fraction, Fraction]]:
    """Lower and upper bound of every parameter at the end of the last step."""
    last = follow(problem, pipe)[-1]
    made: list[tuple[Fraction, Fraction]] = []
    basis = pipe.basis or tuple(tuple(F(int(i == j)) for i in range(len(last.series))) for j in range(len(last.series)))
    for i in range(len(problem.point())):
        middle = sum((c[i] * F(sum(v), 1 << last.bits) for c, v in zip(basis, last.series, strict=True)), F(0))
        made.append((middle - last.exit_radius, middle + last.exit_radius))  # ||E (u - p)|| <= radius
    return made


# -- closed forms -----------------------------------------------------------------------------------------------------

CLOSED: list[tuple[str, InitialValueProblem, Fraction, Callable[[Any], Any]]] = [
    ("linear", scalar_problem(1, F(1, 3), F(2)), F(7), lambda t: 2 + (mpmath.mpf(1) / 3 - 2) * mpmath.exp(-t)),
    ("cubic", scalar_problem(2, F(1, 2), F(0)), F(20), lambda t: mpmath.mpf(1) / 2 / mpmath.sqrt(1 + t / 2)),
    (
        "logistic",
        scalar_problem(2, F(1, 10), F(1)),
        F(9),
        lambda t: mpmath.sqrt(1 / (1 + 99 * mpmath.exp(-2 * t))),
    ),
    (
        "huber",
        scalar_problem(1, F(0), F(1), HUBER),
        F(5),
        lambda t: 1 - mpmath.exp(-(t - 3)) / 4,  # at speed 1/4 up to the kink at t = 3
    ),
]


@pytest.mark.parametrize(("problem", "until", "exact"), [c[1:] for c in CLOSED], ids=[c[0] for c in CLOSED])
@pytest.mark.parametrize("digits", [12, 40, 140])  # 140: FLINT's integers
def test_closed_forms(problem: InitialValueProblem, until: Fraction, exact: Any, digits: int) -> None:
    pipe = piped(problem, until, digits)
    last = follow(problem, pipe)[-1]
    with mpmath.workdps(digits + 40):
        t = mpmath.mpf(last.end.numerator) / last.end.denominator
        true = exact(t)
        for low, high in ends_of(problem, pipe):
            assert mpmath.mpf(low.numerator) / low.denominator <= true <= mpmath.mpf(high.numerator) / high.denominator
    assert last.end >= until
    assert last.exit_radius <= F(1, 10**digits)  # and no useless ball passes


def test_equal_layers_are_followed_in_one_coordinate() -> None:
    pipe = piped(scalar_problem(2, F(1, 2), F(0)), F(20))
    assert pipe.basis == ((F(1), F(1)),)


# -- the parts, against plain computations ----------------------------------------------------------------------------


def jacobian(problem: InitialValueProblem, at: list[float]) -> np.ndarray:
    """Central differences of the velocity, of degree 3 in each variable at most: exact up to rounding."""
    made = field(problem, ())

    def velocity(x: list[float]) -> np.ndarray:
        held = list(x)
        for node in made.nodes:
            total = float(node.constant)
            total += sum(float(c) * sum(held[s] for s in slots) for c, slots in node.linear)
            total += sum(float(c) * sum(held[a] * held[b] for a, b in pairs) for c, pairs in node.products)
            held.append(total)
        return np.array([held[s] for s in made.velocities])

    columns = []
    for j in range(len(at)):
        e = [1e-4 * (i == j) for i in range(len(at))]
        columns.append(
            (
                velocity([x + y for x, y in zip(at, e, strict=True)])
                - velocity([x - y for x, y in zip(at, e, strict=True)])
            )
            / 2e-4
        )
    return np.array(columns).T


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 3])
def test_the_logarithmic_norm_is_bounded_over_the_tube(seed: int, count: int) -> None:
    """At random times and points of a wide tube the largest eigenvalue is below the interpolated bound."""
    problem, random = matrix_problem(seed), Random(seed)
    enclosure = Enclosure(problem)
    step = proposed(enclosure, F(1, 8), 12, 60, F(1, 8), count)
    attempt = enclosure.attempt(enclosure.begin(), step)
    tops = [
        [
            float(np.linalg.eigvalsh(np.array([[float(x) for x in r] for r in b.middle]))[-1] + float(b.spread))
            for b in pair
        ]
        for pair in attempt.ends
    ]
    gaps: list[float] = []
    for _ in range(200):
        s = random.random()
        k = min(count - 1, int(s * count))
        place = s * count - k
        p = [at(values, 60, 2 * s - 1) for values in step.series]
        off = [random.gauss(0, 1) for _ in p]
        size = random.random() / 8 / sum(x * x for x in off) ** 0.5
        top = float(np.linalg.eigvalsh(jacobian(problem, [x + size * y for x, y in zip(p, off, strict=True)]))[-1])
        bound = tops[k][0] * (1 - place) + tops[k][1] * place
        assert top <= bound + 1e-7
        gaps.append(bound - top)
    assert min(gaps) < 2  # of a tube of radius 1/8: the bound is of use


def test_a_finer_step_has_tighter_bounds() -> None:
    problem = matrix_problem(1)
    enclosure = Enclosure(problem)
    spreads: list[float] = []
    for count in (1, 4, 16):
        attempt = enclosure.attempt(enclosure.begin(), proposed(enclosure, F(1), 20, 60, F(1, 1 << 50), count))
        spreads.append(max(float(b.spread) for pair in attempt.ends for b in pair))
    assert spreads[0] > 12 * spreads[1] > 140 * spreads[2]  # of second order: 16 is the limit


@pytest.mark.parametrize("degree", [3, 10])
def test_the_defect_is_that_of_the_polynomial(degree: int) -> None:
    """In exact rational arithmetic, by powers of s: the largest sum of the coefficients of p' - h/2 f(p), twice."""
    problem = matrix_problem(2)
    enclosure = Enclosure(problem)
    step = proposed(enclosure, F(1, 4), degree, 40, F(1, 8))
    attempt = enclosure.attempt(enclosure.begin(), step)
    found = enclosure.defect(attempt, step)

    def times(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
        made = [F(0)] * (len(a) + len(b) - 1)
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                made[i + j] += x * y
        return made

    def plus(*parts: list[Fraction]) -> list[Fraction]:
        return [sum((q[k] for q in parts if k < len(q)), F(0)) for k in range(max(map(len, parts)))]

    def powers(series: tuple[int, ...]) -> list[Fraction]:
        """a_0 + 2 sum of a_k T_k in powers of s."""
        before, now = [F(1)], [F(0), F(1)]
        total = [F(series[0], 1 << 40)]
        for value in series[1:]:
            total = plus(total, [2 * F(value, 1 << 40) * c for c in now])
            before, now = now, plus(times([F(0), F(2)], now), [-c for c in before])
        return total

    def largest_sum(q: list[Fraction]) -> Fraction:
        """The sum of the sizes of the Chebyshev coefficients, found from the highest power down."""
        rest, total = list(q), F(0)
        for k in range(len(rest) - 1, -1, -1):
            before, now = [F(1)], [F(0), F(1)]
            for _ in range(k - 1):
                before, now = now, plus(times([F(0), F(2)], now), [-c for c in before])
            top = now if k else before
            factor = rest[k] / top[k]
            total += abs(factor)
            rest = plus(rest, [-factor * c for c in top])
        assert not any(rest)
        return total

    p = [powers(values) for values in step.series]
    B, A = (p[0:2], p[2:4]), (p[4:6], p[6:8])  # W = W[2] W[1] = B A
    W = [[plus(times(B[i][0], A[0][j]), times(B[i][1], A[1][j])) for j in range(2)] for i in range(2)]
    G = [[[F(0)], plus(W[0][1], [F(-1)])], [plus(W[1][0], [F(-1)]), W[1][1]]]
    f_B = [plus(times(G[i][0], A[k][0]), times(G[i][1], A[k][1])) for i in range(2) for k in range(2)]
    f_A = [plus(times(B[0][k], G[0][j]), times(B[1][k], G[1][j])) for k in range(2) for j in range(2)]
    rest = [
        plus([k * c for k, c in enumerate(q)][1:], [F(1, 8) * c for c in g]) for q, g in zip(p, f_B + f_A, strict=True)
    ]
    total = 2 * float(sum(largest_sum(q) ** 2 for q in rest)) ** 0.5
    assert total <= float(found) <= 1.001 * total + 1e-9
    places = np.linspace(-1, 1, 50)
    sizes = [np.array([sum(float(c) * s**k for k, c in enumerate(q)) for q in rest]) for s in places]
    assert 2 * max(float(np.linalg.norm(x)) for x in sizes) <= float(found)


def test_coordinates_that_rest() -> None:
    """Polynomials of different lengths: one factor is 0 and the other does not move."""
    problem = scalar_problem(2, F(1, 2), F(0))
    still = replace(problem, start=(("W[2]", Array((1, 1), (F(0),))), ("W[1]", Array((1, 1), (F(1),)))))
    assert follow(still, piped(still, F(3)))[-1].exit_radius < F(1, 10**30)
    assert ends_of(still, piped(still, F(3)))[1][0] <= 1 <= ends_of(still, piped(still, F(3)))[1][1]


def test_gronwall() -> None:
    step = FlowStep(F(1, 2), 40, (), F(1), ((F(-3), F(1)), (F(2), F(-4))))
    inside, leaving = flow.grown(step, F(1, 100), F(1, 1000))
    most, total = (1 + 2) / 4, (-3 + 1 + 2 - 4) / 8
    assert abs(float(inside) - np.exp(most) * 0.011) < 1e-10
    assert abs(float(leaving) - (np.exp(total) * 0.01 + np.exp(most) * 0.001)) < 1e-10


def test_pairs_contain_all_products() -> None:
    random = Random(0)
    for _ in range(50):
        x, y = ([F(random.randint(-9, 9), 4) for _ in range(2)] for _ in range(2))
        made = flow._multiply((arb(rational(x[0])), arb(rational(x[1]))), (arb(rational(y[0])), arb(rational(y[1]))))
        for s in (F(0), F(1), F(1, 2), F(random.randint(0, 99), 99)):
            low, high = flow.ends(made[0] + made[1] * arb(rational(s)))
            assert low <= (x[0] + s * x[1]) * (y[0] + s * y[1]) <= high
            assert high - low <= abs(x[1] * y[1]) / 4 + F(1, 10**8)


@pytest.mark.parametrize("n", [1, 2, 11, 12, 13, 30])
def test_positive_definite(n: int) -> None:
    random = Random(n)
    entries = [[F(random.randint(-9, 9), 8) for _ in range(n)] for _ in range(n)]
    gram = [[sum((entries[i][k] * entries[j][k] for k in range(n)), F(0)) for j in range(n)] for i in range(n)]

    def shifted(by: Fraction) -> list[list[arb]]:
        return [[arb(rational(gram[i][j] + (by if i == j else 0))) for j in range(n)] for i in range(n)]

    least = float(np.linalg.eigvalsh(np.array([[float(x) for x in row] for row in gram]))[0])
    with precision(200):
        assert flow.positive_definite(shifted(F(1, 10**6)))
        assert not flow.positive_definite(shifted(-F(least) - F(1, 10**6)))
        assert not flow.positive_definite(shifted(-F(int(least) + 40 * n)))
        nothing = shifted(F(1))
        nothing[-1][-1] = arb("nan")
        assert not flow.positive_definite(nothing)
        touching = shifted(F(1))
        touching[0][0] = arb(0, 1)
        assert not flow.positive_definite(touching)


def test_a_semidefinite_matrix_is_not_accepted() -> None:
    assert not flow.positive_definite([[arb(1), arb(1)], [arb(1), arb(1)]])
    assert not flow.positive_definite([[arb(0)]])


def test_kinks_cover_the_slope() -> None:
    random = Random(1)
    problem = scalar_problem(1, F(0), F(1), HUBER)

    def slope(z: Fraction) -> Fraction:
        return max(F(-1, 4), min(F(1, 4), z))

    def part(piece: int, z: Fraction) -> Fraction:
        return (F(-1, 4), z, F(1, 4))[piece]

    for middle, radius, chosen in product((F(-1, 2), F(-1, 4), F(0), F(3, 8)), (F(1, 100), F(1, 8), F(2)), range(3)):
        kink = flow.kink_at(problem, chosen, arb(rational(middle - radius)), arb(rational(middle + radius)))
        points = [middle + radius * F(random.randint(-99, 99), 99) for _ in range(20)]
        if kink is None:
            assert all(slope(z) == part(chosen, z) for z in points)
            continue
        for z in points:
            low, high = flow.ends(kink.deviation)
            assert low <= slope(z) - part(chosen, z) <= high <= 9
            low, high = flow.ends(kink.derivative)
            assert low <= int(abs(z) < F(1, 4)) <= high


def test_numbers() -> None:
    assert flow.dyadic(F(3, 8)) and not flow.dyadic(F(1, 3)) and flow.dyadic(F(5))
    random = Random(2)
    for _ in range(50):
        value = F(random.randint(-(10**30), 10**30), random.randint(1, 10**20))
        rounded = flow.up(value, 20)
        assert value <= rounded <= value + abs(value) / 2**18 and flow.dyadic(rounded)
    assert flow.up(F(0)) == 0
    assert flow.ends(arb(1, fmpq(1, 4))) == (F(1) - flow.upper(arb(0, fmpq(1, 4))), 1 + flow.upper(arb(0, fmpq(1, 4))))
    assert flow.ends(arb(1 << 80)) == (F(1 << 80), F(1 << 80))
    with pytest.raises(KernelError, match="not finite"):
        flow.upper(arb("nan"))
    assert flow.length_of([F(3), F(2)], [F(1), F(4)]) >= 5 > flow.length_of([F(3), F(2)], [F(1), F(4)]) - F(1, 10**20)
    assert flow.length_of([F(0)], [F(1)]) == 0


def test_the_precision_of_flint_is_put_back() -> None:
    before = ctx.prec
    follow(matrix_problem(), piped(matrix_problem(), F(2)))
    assert ctx.prec == before


# -- forged -----------------------------------------------------------------------------------------------------------

TWO = F(2)


def changed(pipe: FlowSteps, place: int, **fields: Any) -> FlowSteps:
    steps = list(pipe.steps)
    steps[place] = replace(steps[place], **fields)
    return replace(pipe, steps=tuple(steps))


def test_an_honest_pipe_is_accepted() -> None:
    problem = matrix_problem()
    pieces = follow(problem, piped(problem, TWO))
    assert [a.end for a in pieces[:-1]] == [b.start for b in pieces[1:]] and pieces[0].start == 0
    assert pieces[-1].end >= 2 and pieces[-1].exit_radius < F(1, 10**30)


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"length": F(0)}, "positive length"),
        ({"length": F(-1, 4)}, "positive length"),
        ({"length": F(1, 3)}, "dyadic"),
        ({"length": F(4)}, "leave the tube|not confirmed|finite"),
        ({"tube": F(0)}, "positive tube"),
        ({"tube": F(1, 10**30)}, "dyadic"),
        ({"tube": F(1, 1 << 400)}, "leave the tube"),
        ({"tube": F(8)}, "not confirmed"),
        ({"series": ()}, "a polynomial for each of 8 coordinates"),
        ({"series": ((0,),) * 9}, "a polynomial for each of 8 coordinates"),
        ({"series": ((),) * 8}, "degree of sensible size"),
        ({"series": ((0,) * 5000,) * 8}, "degree of sensible size"),
        ({"series": ((1 << 40,),) * 8}, "leave the tube|not confirmed"),
        ({"bits": 4}, "sensible size"),
        ({"bits": 20}, "leave the tube|not confirmed"),
        ({"norms": ()}, "sensible size"),
        ({"norms": ((F(-9), F(-9)),)}, "not confirmed"),
        ({"norms": ((F(9), F(-9)),)}, "not confirmed"),
        ({"norms": ((F(1, 3), F(9)),)}, "dyadic"),
        ({"norms": ((F(1 << 20), F(1 << 20)),)}, "leave the tube|finite"),
        ({"pieces": (0,)}, "one of the 1 pieces"),
        ({"pieces": (0, 0, 1)}, "one of the 1 pieces"),
    ],
)
def test_forged_steps(place: int, fields: dict[str, Any], why: str) -> None:
    problem = matrix_problem()
    with pytest.raises(KernelError, match=why):
        follow(problem, changed(piped(problem, TWO), place, **fields))


def test_forged_pipes() -> None:
    problem = matrix_problem()
    pipe = piped(problem, TWO)
    with pytest.raises(KernelError, match="another initial value problem"):
        follow(matrix_problem(1), pipe)
    with pytest.raises(KernelError, match=r"leave the tube|not confirmed"):
        follow(matrix_problem(1), replace(pipe, problem=digest(matrix_problem(1))))
    with pytest.raises(KernelError, match="no steps"):
        follow(problem, replace(pipe, steps=()))
    column = tuple(F(int(j < 1)) for j in range(8))
    with pytest.raises(KernelError, match="does not lie in the subspace"):
        follow(problem, replace(pipe, basis=(column,)))
    twisted = tuple(tuple(F(int(i == j)) for i in range(8)) for j in range(1, 8))
    start = tuple(
        (name, Array((2, 2), (F(0), *array.entries[1:]) if name == "W[2]" else array.entries))
        for name, array in problem.start
    )
    inside = replace(problem, start=start)
    with pytest.raises(KernelError, match="not invariant"):
        follow(inside, FlowSteps(digest(inside), twisted, pipe.steps))


@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_out_of_all_proportion_are_refused(sign: int) -> None:
    """Norms such as 2^40, which a certificate may claim, make bounds of so many digits that no memory holds them."""
    problem = scalar_problem(2, F(1, 10), F(1))
    pipe = piped(problem, F(9))
    step = pipe.steps[0]
    huge = replace(step, norms=((F(sign * 2**40), F(sign * 2**40)),))
    with pytest.raises(KernelError, match="out of all proportion"):
        flow.grown(huge, F(1), F(0))
    if sign > 0:
        with pytest.raises(KernelError, match="out of all proportion"):
            follow(problem, FlowSteps(digest(problem), pipe.basis, (huge,)))


def test_steps_left_out_or_in_another_order() -> None:
    """There are no times in a certificate that could be wrong: what is left out is not followed."""
    problem = scalar_problem(2, F(1, 10), F(1))
    pipe = piped(problem, F(9))
    whole = follow(problem, pipe)
    shorter = follow(problem, replace(pipe, steps=pipe.steps[:-1]))
    assert shorter[-1].end == whole[-1 - flow.PARTS].end
    for steps in (pipe.steps[::-1], pipe.steps[1:], pipe.steps[:1] + pipe.steps[2:]):
        try:
            found = follow(problem, replace(pipe, steps=steps))
        except KernelError:
            continue
        last = found[-1]
        with mpmath.workdps(60):
            t = mpmath.mpf(last.end.numerator) / last.end.denominator
            true = mpmath.sqrt(1 / (1 + 99 * mpmath.exp(-2 * t)))
            middle = mpmath.mpf(sum(last.series[0])) / mpmath.mpf(2) ** last.bits
            assert abs(middle - true) <= mpmath.mpf(last.exit_radius.numerator) / last.exit_radius.denominator


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize("coefficient", [0, 1, 20, -1])
@pytest.mark.parametrize("by", [1 << 50, -(1 << 90)])
def test_wrong_polynomials(place: int, coefficient: int, by: int) -> None:
    """One coefficient of one coordinate is off by more than the radius allows."""
    problem = matrix_problem()
    pipe = piped(problem, TWO)
    series = [list(values) for values in pipe.steps[place].series]
    series[3][coefficient] += by
    with pytest.raises(KernelError, match=r"leave the tube|not confirmed"):
        follow(problem, changed(pipe, place, series=tuple(map(tuple, series))))


def test_a_step_over_a_kink_is_not_taken_for_smooth() -> None:
    """A long step with the piece before the kink: the defect covers the difference, so that the tube has to be wide."""
    problem = scalar_problem(1, F(0), F(1), HUBER)
    enclosure = Enclosure(problem)
    for length, tube in ((F(4), F(1, 100)), (F(4), F(8))):
        step = proposed(enclosure, length, 12, 60, F(round(tube * 128), 128), pieces=(0,))
        attempt = enclosure.attempt(enclosure.begin(), step)
        true = 0.25 * 4 - 3 / 4 - 1 / 4 * (1 - np.exp(-1))  # what the piece's polynomial is off by, at t = 4
        assert float(enclosure.defect(attempt, step)) >= true > 0.05


def test_a_polynomial_that_begins_elsewhere() -> None:
    """Its distance from where the flow is known to be goes into the radius, in the norm of the coordinates."""
    problem = scalar_problem(1, F(1, 3), F(2))
    enclosure = Enclosure(problem)
    step = FlowStep(F(1, 4), 20, ((1 << 19, 1 << 17),), F(1), ((F(0), F(0)),))
    assert enclosure.attempt(enclosure.begin(), step).radius >= F(1, 3) - F(1, 4) > 0
    assert enclosure.attempt(enclosure.begin(), step).radius < F(1, 3) - F(1, 4) + F(1, 1 << 30)
    twice = Enclosure(scalar_problem(2, F(1, 2), F(0)), ((F(1), F(1)),))
    off = twice.attempt(twice.begin(), FlowStep(F(1, 4), 20, ((1 << 18,),), F(1), ((F(0), F(0)),))).radius
    assert abs(float(off) - 0.25 * 2**0.5) < 1e-9


def test_the_parts_of_a_step_are_the_step() -> None:
    """In powers of the time in each part, exactly: the same values as in Chebyshev form."""
    problem = matrix_problem()
    enclosure = Enclosure(problem)
    step = piped(problem, TWO).steps[0]
    whole = enclosure.accept(enclosure.attempt(enclosure.begin(), step), step)
    parts = whole.parts()
    assert parts[0].start == whole.start and parts[-1].end == whole.end
    assert [part.exit_radius for part in parts] == [whole.radius] * (len(parts) - 1) + [whole.exit_radius]
    for k, part in enumerate(parts):
        for j, values in enumerate(step.series):
            for x in (0.0, 0.3, 1.0):
                mine = sum(v / 2**part.bits * x**n for n, v in enumerate(part.series[j]))
                assert abs(mine - at(values, step.bits, (2 * (k + x) - len(parts)) / len(parts))) < 1e-13
    for before, after in pairwise(parts):
        assert before.end == after.start
        for one, other in zip(before.series, after.series, strict=True):
            assert F(sum(one), 1 << before.bits) == F(other[0], 1 << after.bits)


def test_a_larger_matrix_of_parameters() -> None:
    """More coordinates than a block of the decomposition, and a subspace with columns of unequal length."""
    random = Random(4)
    sizes = (("N", 3), ("R", 2), ("d", (2, 2, 3)))
    loss = MeasuredLoss(
        tuple(Measurement(((i, F(1)),), F(random.randint(-4, 4), 4)) for i in product(range(2), range(2), range(3))),
        SQUARE,
    )
    blocks = tuple(
        (f"w[{k}]", Array((2, d), tuple(F(random.randint(-5, 5), 10) for _ in range(2 * d))))
        for k, d in ((1, 2), (2, 2), (3, 3))
    )
    problem = InitialValueProblem(CP, sizes, loss, blocks)
    assert follow(problem, piped(problem, F(1), 15))[-1].exit_radius < F(1, 10**15)
    weights = (F(1), F(2), F(1, 3))
    rest = tuple(
        (name, Array(a.shape, tuple(weights[k] * x for x in blocks[0][1].entries) if k < 2 else a.entries))
        for k, (name, a) in enumerate(blocks)
    )
    assert rest[0][1].shape == (2, 2)
    scaled = scalar_problem(2, F(1, 2), F(0))
    enclosure = Enclosure(scaled, ((F(2), F(2)),))
    assert enclosure.squares == (F(8),) and enclosure.start == (F(1, 4),)
    plain = Enclosure(scaled, ((F(1), F(1)),))
    for made in (enclosure, plain):
        step = proposed(made, F(1, 2), 12, 60, F(1, 1 << 20))
        (pair,) = made.attempt(made.begin(), step).ends
        assert abs(float(pair[0].middle[0][0]) + 0.75) < 1e-2  # d/dx of -x^3 at 1/2, in any coordinates


def test_matrices_of_balls() -> None:
    rows = [[arb(1, fmpq(1, 8)), arb(2)], [arb(3, fmpq(1, 4)), arb(-1)]]
    made = flow._bounds(rows)
    assert made.middle[0][1] == made.middle[1][0] == arb(fmpq(5, 2))
    assert F(1, 4) <= flow.upper(made.spread) < F(26, 100)
    top = (0 + (4 + 25) ** 0.5) / 2
    with precision(96):
        assert made.below(F(top + 0.2501)) and not made.below(F(top + 0.24))
    assert arb_mat([[1]]).nrows() == 1
