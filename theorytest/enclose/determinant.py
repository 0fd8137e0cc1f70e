"""Depth 2 flows of a 2x2 product in coordinates that cannot lose the sign of its determinant.

Balanced factors W = W_2 W_1 with det W != 0 follow the flow of the product alone (RC20 Lemma 4),

    dW/dt = -( [W W^T]^(1/2) G + G [W^T W]^(1/2) ),        G = gradient of the loss at W.

In the problem of RC20 (6) det W decays like exp(-1.65 t^(2/3)), so it drops below every rounding unit, and an
integration of the entries or of the factors runs through det W = 0. Here log |det W| is an unknown of its own. With D =
|det W|, s = sign det W and tau = (|W|^2 + 2 D)^(1/2), for 2x2 matrices [W W^T]^(1/2) = (W W^T + D I) / tau, hence

    dW/dt = -( (W W^T + D I) G + G (W^T W + D I) ) / tau,        d log D/dt = -2 tr( (W^T + s adj W) G ) / tau,

and the entry opposite to the largest one is not integrated but computed from the other three and D. For a symmetric
positive definite W = ((a, b), (b, c)) and the loss of RC20 (6) these are the equations in (a, b, log det W)
da/dt = 2 b (1 - b), db/dt = (1 - b)(a + c) - b c, d log det W/dt = -2 c with c = (det W + b^2) / a.

The system is stiff: b relaxes at the rate a + c, which grows, while a changes ever more slowly. An explicit method
would need about 10^5 steps up to t = 10^4. So the method is implicit: collocation at the Radau points (Radau IIA),
which is L-stable, of an order that grows with the digits asked for; steps then follow the slow motion and grow with t.
The equations of a step are solved by Newton's method in float64 and refined with residuals in full precision, so that
any number of digits costs no linear algebra beyond float64.

Not rigorous: errors are estimated from two runs of different order and tolerance.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np

from theorytest.enclose.flow import BUDGET, DONE, SINGULAR, Trajectory, integrate
from theorytest.enclose.taylor import exact
from theorytest.errors import InputError

FLOAT64_DIGITS = 12  # up to here the arithmetic is float64 throughout

# Entries are numbered row by row. Those that are integrated beside the pivot; the entry opposite to it is 3 - pivot.
_OTHERS = ((1, 2), (0, 3), (0, 3), (1, 2))


class Radau:
    """The collocation method with ``stages`` Radau points, in mpmath numbers of a context and in float64.

    nodes c in (0, 1] with c[-1] = 1; weights; legendre: row k holds P_k (shifted to [0, 1]) at the nodes; the integrals
    of the interpolated derivative up to each node are ``matrix @ derivative``.
    """

    def __init__(self, stages: int, context: Any) -> None:
        self.stages, self.context = stages, context
        nodes = self._nodes()
        values = [self.shifted(x) for x in nodes]
        one = context.mpf(1)
        weights = [x * one / (stages * p[stages - 1]) ** 2 for x, p in zip(nodes, values, strict=True)]
        self.nodes = _array(nodes)
        self.project = _array(
            [[(2 * k + 1) * w * p[k] for w, p in zip(weights, values, strict=True)] for k in range(stages)]
        )
        self.integrals = _array([self.integral(x) for x in nodes])
        self.matrix = self.integrals.dot(self.project)

    def shifted(self, x: Any) -> list[Any]:
        """Legendre polynomials of degrees 0..stages on [0, 1], at a point."""
        z = 2 * x - 1
        values = [self.context.mpf(1), z]
        for k in range(1, self.stages):
            values.append(((2 * k + 1) * z * values[k] - k * values[k - 1]) / (k + 1))
        return values

    def integral(self, x: Any) -> list[Any]:
        """Integrals of the first ``stages`` of them from 0 to x."""
        p = self.shifted(x)
        return [x, *((p[k + 1] - p[k - 1]) / (2 * (2 * k + 1)) for k in range(1, self.stages))]

    def _nodes(self) -> list[Any]:
        """Zeros of P_s - P_(s-1): from float64 by Newton's method; the last one is 1."""
        s = self.stages
        series = np.zeros(s + 1)
        series[s], series[s - 1] = 1.0, -1.0
        rough = np.sort(np.polynomial.legendre.legroots(series).real)[:-1]
        nodes: list[Any] = []
        for start in rough:
            x = (self.context.mpf(float(start)) + 1) / 2
            for _ in range(4 + self.context.prec.bit_length()):
                p = self.shifted(x)
                z = 2 * x - 1
                slope = [2 * k * (z * p[k] - p[k - 1]) / (z * z - 1) for k in (s - 1, s)]
                x -= (p[s] - p[s - 1]) / (slope[1] - slope[0])
            nodes.append(x)
        return [*nodes, self.context.mpf(1)]


def _array(values: Any) -> Any:
    return np.array(values, dtype=object)


@dataclass(frozen=True)
class _Step:
    start: Fraction
    length: Fraction
    pivot: int
    sign: int
    state: Any
    legendre: Any  # coefficients of the derivative, (stages, 4)
    rounding: tuple[float, float]  # accumulated up to the end of the step, in rounding units: entries, log |det W|


@dataclass
class _Run:
    radau: Radau
    steps: list[_Step]
    reached: Fraction
    status: str

    def step(self, t: Fraction) -> _Step:
        return self.steps[max(0, bisect_right([step.start for step in self.steps], t) - 1)]

    def at(self, t: Fraction, number: Callable[[Fraction], Any]) -> tuple[Any, Any]:
        """Entries of W and log |det W|."""
        step = self.step(t)
        if step.length:
            x = number((t - step.start) / step.length)
            weights = _array(self.radau.integral(x))
            state = step.state + number(step.length) * weights.dot(step.legendre)
        else:
            state = step.state
        return _entries(state, step.pivot, step.sign, self.radau.context), state[3]


def _entries(state: Any, pivot: int, sign: int, context: Any) -> Any:
    """The four entries of W from three of them and log |det W|. The last axis of ``state`` is (x, y, pivot, log D)."""
    determinant = sign * _exp(state[..., 3], context)
    x, y, p = state[..., 0], state[..., 1], state[..., 2]
    opposite = (determinant + x * y) / p if pivot in (0, 3) else (x * y - determinant) / p
    first, second = _OTHERS[pivot]
    parts: dict[int, Any] = {first: x, second: y, pivot: p, 3 - pivot: opposite}
    return np.stack([parts[k] for k in range(4)], axis=-1)


def _exp(values: Any, context: Any) -> Any:
    if context is None:
        return np.exp(values)
    return np.frompyfunc(context.exp, 1, 1)(values) if isinstance(values, np.ndarray) else context.exp(values)


class _Field:
    """The vector field of three entries and log |det W|, over rows of states (rows, 4)."""

    def __init__(self, loss: Any, pivot: int, sign: int) -> None:
        self.loss, self.pivot, self.sign = loss, pivot, sign

    def __call__(self, states: Any, context: Any) -> Any:
        flat = _entries(states, self.pivot, self.sign, context)
        W = flat.reshape(-1, 2, 2)
        G = self.loss.gradient(W)
        D = _exp(states[:, 3], context)
        # s adj W, transposed: the signed cofactors.
        cofactors = self.sign * np.stack([flat[:, 3], -flat[:, 2], -flat[:, 1], flat[:, 0]], axis=-1)
        square = (flat * flat).sum(axis=1) + 2 * D
        tau = np.sqrt(square) if context is None else np.frompyfunc(context.sqrt, 1, 1)(square)
        turned = W.swapaxes(-1, -2)
        flow = (W @ (turned @ G) + (G @ turned) @ W).reshape(-1, 4) + 2 * D[:, None] * G.reshape(-1, 4)
        mixed = ((flat + cofactors) * G.reshape(-1, 4)).sum(axis=1)
        first, second = _OTHERS[self.pivot]
        columns = [-flow[:, first], -flow[:, second], -flow[:, self.pivot], -2 * mixed]
        return np.stack(columns, axis=-1) / tau[:, None]

    def jacobian(self, states: Any) -> Any:
        """Float64 Jacobian matrices by central differences: only Newton's rate of convergence rests on them."""
        columns: list[Any] = []
        for k in range(4):
            shift = np.zeros(4)
            shift[k] = 1.0
            width = 1e-6 * np.maximum(1.0, np.abs(states[:, k]))[:, None]
            columns.append((self(states + width * shift, None) - self(states - width * shift, None)) / (2 * width))
        return np.stack(columns, axis=-1)


def _solve(field: _Field, radau: Radau, matrix64: Any, state: Any, length: Any, bits: int) -> tuple[Any, Any] | None:
    """States at the nodes and their derivatives; None if Newton's method does not settle.

    First in float64; then residuals in full precision with the last float64 Jacobian, until they stop shrinking below
    ``2**-bits`` of the state.
    """
    s = radau.stages
    start = np.array([float(x) for x in state])
    h = float(length)
    states = np.tile(start, (s, 1))
    inverse: Any = np.eye(4 * s)
    with np.errstate(all="ignore"):
        for _ in range(25):
            residual = start + h * matrix64 @ field(states, None) - states
            jacobian = np.einsum("ij,jab->iajb", h * matrix64, field.jacobian(states)).reshape(4 * s, 4 * s)
            if not np.isfinite(jacobian).all():
                return None
            try:
                inverse = np.linalg.inv(np.eye(4 * s) - jacobian)
            except np.linalg.LinAlgError:
                return None
            change = (inverse @ residual.reshape(-1)).reshape(s, 4)
            states = states + change
            size = float(np.max(np.abs(change) / np.maximum(1.0, np.abs(states))))
            if not size < 1e8:
                return None
            if size < 1e-9:
                break
        else:
            return None
        if not bits:
            for _ in range(2):
                residual = start + h * matrix64 @ field(states, None) - states
                states = states + (inverse @ residual.reshape(-1)).reshape(s, 4)
            return states, field(states, None)
    context = radau.context
    better = _multiprecision(states, context)
    last = math.inf
    for _ in range(10 + bits // 8):
        derivative = field(better, context)
        residual = state + length * radau.matrix.dot(derivative) - better
        size = max(abs(x) for x in residual.flat)
        exponent = float(context.log(size, 2)) if size else -math.inf
        if exponent < -bits - 20 or (exponent < -bits and exponent > last - 3):
            return better, derivative
        if exponent > last + 1:
            return None
        last = exponent
        scaled = np.array([float(x / size) for x in residual.reshape(-1)])
        better = better + size * _multiprecision((inverse @ scaled).reshape(s, 4), context)
    return None


def _multiprecision(values: Any, context: Any) -> Any:
    return np.frompyfunc(lambda x: context.mpf(float(x)), 1, 1)(values)


def _run(
    loss: Any,
    W0: Sequence[Fraction],
    stops: Sequence[Fraction],
    aim: float,
    stages: int,
    context: Any,
    digits: int,
    budget: int,
) -> _Run:
    """aim: digits that the truncated Legendre series of a step leaves; digits: of the arithmetic, 0 for float64."""
    high, until = bool(digits), stops[-1] if stops else Fraction(0)
    radau = Radau(stages, context)
    matrix64 = radau.matrix.astype(float)
    project64 = radau.project.astype(float)

    def number(x: Fraction) -> Any:
        return context.mpf(x.numerator) / x.denominator

    def rounded(x: Any) -> Any:
        return x if high else context.mpf(float(x))

    determinant = W0[0] * W0[3] - W0[1] * W0[2]
    sign = 1 if determinant > 0 else -1
    entries = _array([rounded(number(x)) for x in W0])
    log = rounded(context.log(number(abs(determinant))))
    bits = math.ceil(digits * math.log2(10))
    tolerance = 10.0**-aim
    run = _Run(radau, [], Fraction(0), DONE)
    length = Fraction(1, 64)
    pivot, units = -1, (0.0, 0.0)
    scale = float(np.abs(loss.gradient(np.zeros((2, 2)))).max())
    while run.reached < until or not run.steps:
        if len(run.steps) >= budget:
            run.status = BUDGET
            break
        pivot = max(range(4), key=lambda k: abs(entries[k]))
        first, second = _OTHERS[pivot]
        state = _array([entries[first], entries[second], entries[pivot], log])
        if until == 0:
            units = float(max(abs(x) for x in entries)), abs(float(log)) + 1
            run.steps.append(_Step(Fraction(0), Fraction(0), pivot, sign, state, _array([[0] * 4] * stages), units))
            break
        field = _Field(loss, pivot, sign)
        ahead = next(time for time in stops if time > run.reached) - run.reached
        free, length = length, min(length, ahead)
        if length < max(run.reached, Fraction(1, 2**20)) / 2**40:
            run.status = SINGULAR
            break
        found = _solve(field, radau, matrix64, state, number(length), bits)
        if found is None:
            length = _dyadic(length / 3)
            continue
        derivative = found[1]
        legendre = radau.project.dot(derivative) if high else _array(project64 @ np.array(derivative, dtype=float))
        ends = state + number(length) * legendre[0]
        weight = [max(1.0, abs(float(x))) for x in ends]
        tail = max(abs(float(legendre[k][i])) / weight[i] for k in (stages - 2, stages - 1) for i in range(4))
        error = float(length) * tail / (2 * stages)
        factor = 4.0 if not error else min(4.0, 0.9 * (tolerance / error) ** (1 / stages))
        if not high and error < 1e-14:
            factor = max(factor, 1.0)  # rounding, not truncation: shorter steps would not help
        if factor < 0.7 and (high or error > 1e-14):
            length = _dyadic(length * Fraction(max(0.1, factor)))
            continue
        # Rounding: of the state, of the step, and of the slopes. A slope is rounded in units of the residuals that it
        # comes from, even where little is left of it: the slow motion is what remains of terms of that size.
        top, slope = max(weight[:3]), float(max(abs(x) for row in derivative for x in row[:3]))
        turn = float(max(abs(row[3]) for row in derivative))
        units = (
            units[0] + 4 * top + 2 * float(length) * (slope + scale),
            units[1] + 4 * weight[3] + 8 * float(length) * turn,
        )
        run.steps.append(_Step(run.reached, length, pivot, sign, state, legendre, units))
        run.reached += length
        state = _array([rounded(x) for x in ends])
        entries, log = _entries(state, pivot, sign, context), state[3]
        length = max(_dyadic(length * Fraction(factor)), free if length == ahead else Fraction(0))
    return run


def _dyadic(value: Fraction) -> Fraction:
    shift = 12 - math.floor(math.log2(value))
    return Fraction(math.floor(value * Fraction(2) ** shift)) / Fraction(2) ** shift


class DeterminantFlow:
    """The product W(t) of a balanced depth 2 flow with det W != 0, and log |det W(t)|, on 0 <= t <= reached.

    sign: of the determinant, exact for all times (the coordinates cannot change it); status, reached, steps as in
    `theorytest.enclose.flow.Trajectory`. Values are mpmath numbers of a private context. Error estimates compare
    two runs.
    """

    def __init__(self, fine: _Run, coarse: _Run, context: Any, sign: int, bits: int) -> None:
        self._fine, self._coarse, self.context, self.sign, self.bits = fine, coarse, context, sign, bits
        self.reached = min(fine.reached, coarse.reached)
        self.status = fine.status if fine.status != DONE else coarse.status
        self.steps = len(fine.steps)

    def __repr__(self) -> str:
        return f"DeterminantFlow({self.status} at t = {float(self.reached):.6g}, {self.steps} steps)"

    def _number(self, x: Fraction) -> Any:
        return self.context.mpf(x.numerator) / x.denominator

    def _time(self, t: Any) -> Fraction:
        time = exact(t)
        if not 0 <= time <= self.reached:
            raise InputError(f"given t = {t}, needed 0 <= t <= {float(self.reached):.12g} (status: {self.status})")
        return time

    def at(self, t: Any) -> Any:
        """W(t): 2x2 array of mpmath numbers."""
        return self._fine.at(self._time(t), self._number)[0].reshape(2, 2)

    def log_determinant(self, t: Any) -> Any:
        """log |det W(t)|."""
        return self._fine.at(self._time(t), self._number)[1]

    def relative_error(self, t: Any) -> Any:
        """The larger of both error estimates, relative to the largest entry of W and to log |det W| (at least 1)."""
        entries, log = self.errors(t)
        largest = max(abs(x) for x in self.at(t).flat)
        return max(entries / largest, log / max(1, abs(self.log_determinant(t))))

    def errors(self, t: Any) -> tuple[Any, Any]:
        """Error estimates at a time: of the entries of W (largest), and of log |det W|."""
        time = self._time(t)
        (W, log), (V, other) = (run.at(time, self._number) for run in (self._fine, self._coarse))
        # In float64 the context is as precise as float64 is.
        unit = self.context.mpf(2) ** -min(self.context.prec, self.bits)
        rounding = [
            unit * (a + b)
            for a, b in zip(self._fine.step(time).rounding, self._coarse.step(time).rounding, strict=True)
        ]
        return max(abs(x - y) for x, y in zip(W, V, strict=True)) + rounding[0], abs(log - other) + rounding[1]


def determinant_flow(
    loss: Any, W0: Any, t: Any, *, digits: int = 30, times: Sequence[Any] = (), max_steps: int = 20_000
) -> DeterminantFlow:
    """Gradient flow of W = W_2 W_1, W_1 and W_2 balanced and 2x2, in coordinates that keep the sign of det W (module).

    loss: anything with ``gradient(W)`` in float64 and mpmath, analytic along the flow; W0: exact 2x2 product at the
    start, det W0 != 0; t: exact end time; digits: aimed at (up to 12: float64 arithmetic), relative to the largest
    entry; times: steps end at these times, where values are more accurate than inside of a step. Raises `InputError`
    for a singular or misshapen W0.

    Not rigorous, except that the sign of the determinant is not computed but built in.
    """
    from mpmath import MPContext

    until = exact(t)
    rows = getattr(W0, "entries", None)
    flat = list(rows) if rows is not None else [exact(x) for x in np.array(W0, dtype=object).flat]
    if len(flat) != 4:
        raise InputError(f"given a start with {len(flat)} entries, needed a 2x2 matrix")
    if flat[0] * flat[3] == flat[1] * flat[2]:
        raise InputError("given a singular start, needed det W0 != 0: with det W0 = 0 the determinant stays 0")
    high = digits > FLOAT64_DIGITS
    context: Any = MPContext()
    context.dps = digits + 15 if high else 17
    stops = sorted({time for time in map(exact, times) if 0 < time < until} | {until})
    sign = 1 if flat[0] * flat[3] > flat[1] * flat[2] else -1
    # The end of a Radau step is about twice as many digits accurate as its inside, by which steps are chosen.
    aim = max(4.0, 0.6 * digits)
    while True:
        stages = max(4, math.ceil(0.75 * aim))
        # Measured: two digits and stages more may leave the same error, six and five more leave 10^-3 of it or less. In
        # float64 there is no room for that, and rounding is estimated on its own.
        more, extra = (6, 5) if high else (2, 2)
        fine = _run(loss, flat, stops, aim + more, stages + extra, context, digits + 6 if high else 0, max_steps)
        until = [time for time in stops if time <= fine.reached]
        coarse = _run(loss, flat, until, aim, stages, context, digits + 6 if high else 0, max_steps)
        flow = DeterminantFlow(fine, coarse, context, sign, context.prec if high else 53)
        worst = max((flow.relative_error(time) for time in until), default=0)
        if worst <= context.mpf(10) ** -digits or aim >= digits + 2 or flow.status != DONE:
            return flow
        aim += max(2.0, 0.2 * digits)


@dataclass(frozen=True)
class DeterminantSign:
    """det of a square end tensor at a time: sign +1 or -1, or None for inconclusive; log10 of its size; digits used."""

    t: Fraction
    sign: int | None
    log10: float
    digits: int


def determinant_signs(
    model: Any,
    loss: Any,
    theta0: Mapping[str, Any],
    times: Sequence[Any],
    *,
    digits: int = 30,
    max_digits: int = 200,
    max_steps: int = 100_000,
) -> list[DeterminantSign]:
    """Signs of det W along any flow with a square end matrix, by Taylor integration with as many digits as it takes.

    A sign counts only where the determinant exceeds its error, which follows from the error estimate of the parameters
    by monotony (every product and sum with absolute values). Where it does not, log |det W| is extrapolated from the
    times at which it was known, and the flow is computed again with that many digits, up to ``max_digits``; beyond, and
    where the integration stopped, the sign is None: inconclusive.

    Not rigorous: it rests on the error estimate of the trajectory.
    """
    if len(model.shape) != 2 or model.shape[0] != model.shape[1]:
        raise InputError(f"given a model with an end tensor of shape {model.shape}, needed a square matrix")
    asked = [exact(t) for t in times]
    if not asked or min(asked) < 0:
        raise InputError(f"given the times {[str(t) for t in asked]}, needed at least one time >= 0")
    while True:
        flow = integrate(model, loss, theta0, max(asked), digits=digits, times=asked, max_steps=max_steps)
        found = [_sign_at(flow, t) for t in asked]
        if flow.status != DONE or all(sign.sign is not None for sign in found) or digits >= max_digits:
            return found
        known = sorted((s.t, -s.log10) for s in found if s.sign is not None)
        need = 2.0 * digits
        if len(known) > 1 and known[-1][0] > known[0][0]:
            (t0, before), (t1, after) = known[-2:]
            need = after + max(0.0, after - before) / float(t1 - t0) * float(max(asked) - t1) + 15
        digits = min(max_digits, max(math.ceil(need), digits + 10))


def _sign_at(flow: Trajectory, t: Fraction) -> DeterminantSign:
    from theorytest.kernel.parameterization import Array

    if t > flow.reached:
        return DeterminantSign(t, None, math.nan, flow.digits)
    blocks, e = flow.rational(t), flow.error(t)
    sizes = {name: Array(a.shape, tuple(abs(x) for x in a.entries)) for name, a in blocks.items()}
    wider = {name: Array(a.shape, tuple(x + e for x in a.entries)) for name, a in sizes.items()}
    W, small, large = (flow.model.end_tensor(b) for b in (blocks, sizes, wider))
    n = W.shape[0]
    known = [abs(x) for x in W.entries]
    reach = [x + b - a for x, a, b in zip(known, small.entries, large.entries, strict=True)]
    value, error = Fraction(0), Fraction(0)
    for order in permutations(range(n)):
        places = [i * n + k for i, k in enumerate(order)]
        odd = sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n)) % 2
        value += (-1) ** odd * math.prod((W.entries[p] for p in places), start=Fraction(1))
        error += math.prod((reach[p] for p in places), start=Fraction(1))
        error -= math.prod((known[p] for p in places), start=Fraction(1))
    size = max(abs(value), error)
    log10 = math.log10(size.numerator) - math.log10(size.denominator) if size else -math.inf
    sign = None if abs(value) <= error else (1 if value > 0 else -1)
    return DeterminantSign(t, sign, log10, flow.digits)
