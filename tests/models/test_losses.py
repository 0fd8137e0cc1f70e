"""Losses: their formulas, exact where numbers are exact, and within rounding bounds elsewhere."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models import (
    Completion,
    Entrywise,
    HalfSum,
    Huber,
    Linear,
    Loss,
    MeanSquares,
    Opaque,
    Polynomial,
    Sensing,
    array,
    constant,
    huber,
    observe,
    square,
    to_flint,
    to_mpmath,
    to_numpy,
    to_sympy,
    to_torch,
)

F = Fraction
OMEGA = {(0, 1): 1, (1, 0): "1/3", (1, 1): 0}
W = array([[F(5, 7), F(-3, 7), F(1, 9)], [F(11, 3), F(2, 7), F(-1, 3)]])
MEASUREMENTS = (array([[1, 2, 0], [0, F(-1, 3), 1]]), array([[0, 0, 1], [F(1, 7), 0, 0]]))
QUARTIC = Entrywise(((0, F(1, 3), 0, -1, F(1, 2)),))
LOSSES: dict[str, Loss] = {
    "half-sum": HalfSum(OMEGA),
    "square mean": MeanSquares(OMEGA),
    "half-square mean": MeanSquares(OMEGA, half=True),
    "Huber": Huber(OMEGA, F(1, 3)),
    "Huber, one clipped": Huber(OMEGA, 2),
    "completion": Completion(OMEGA, QUARTIC),
    "sensing": Sensing(MEASUREMENTS, (1, "1/7"), square(half=False)),
    "Huber sensing": Sensing(MEASUREMENTS, (1, "1/7"), huber("1/2")),
    "linear": Linear(MEASUREMENTS[0]),
    "polynomial": Polynomial(((1, (((0, 0), 3),)), (F(-3, 7), (((0, 1), 1), ((1, 2), 2))))),
}


def formula(loss: Any, X: Array) -> Fraction:
    """The table of the module, in loops over rationals."""

    def entry(base: Entrywise, z: Fraction) -> Fraction:
        if len(base.breaks) == 2:
            d = base.breaks[1]
            return z * z / 2 if abs(z) < d else d * (abs(z) - d / 2)
        return sum((c * z**k for k, c in enumerate(base.pieces[0])), F(0))

    if isinstance(loss, Linear):
        return dot(loss.g, X)
    if isinstance(loss, Polynomial):
        total = F(0)
        for coefficient, powers in loss.terms:
            for index, power in powers:
                coefficient *= X[index] ** power
            total += coefficient
        return total
    if isinstance(loss, Sensing):
        z = [dot(A, X) - y for A, y in zip(loss.measurements, loss.targets, strict=True)]
        return sum((entry(loss.base, x) for x in z), F(0)) / len(z)
    z = [X[index] - y for index, y in loss.observed]
    if isinstance(loss, HalfSum):
        return sum((x * x for x in z), F(0)) / 2
    if isinstance(loss, MeanSquares):
        return sum((x * x for x in z), F(0)) / len(z) / (2 if loss.half else 1)
    base = huber(loss.delta) if isinstance(loss, Huber) else loss.base
    return sum((entry(base, x) for x in z), F(0)) / len(z)


def dot(A: Array, B: Array) -> Fraction:
    return sum((a * b for a, b in zip(A.entries, B.entries, strict=True)), F(0))


def difference_quotient(loss: Any, X: Array, place: int, h: Fraction) -> Fraction:
    def moved(step: Fraction) -> Array:
        return Array(X.shape, tuple(x + step * (k == place) for k, x in enumerate(X.entries)))

    # Exact for polynomials of degree four or less near the point (five-point rule).
    f = [formula(loss, moved(k * h)) for k in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_exact_values_and_gradients(loss: Any):
    value, gradient = loss.value(W), loss.gradient(W)
    assert isinstance(value, Fraction) and value == formula(loss, W)
    h = F(1, 10**6)  # no break of a piece is this near
    assert gradient.entries == tuple(difference_quotient(loss, W, place, h) for place in range(6))
    assert any(gradient.entries)
    for convert in (to_flint, to_sympy):
        assert array([loss.value(convert(W))]).entries == (value,)
        assert array(loss.gradient(convert(W))) == gradient


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_are_those_of_sympy(loss: Any):
    import sympy

    symbols = np.array(sympy.symbols("w:6", real=True), dtype=object).reshape(2, 3)
    value, gradient = loss.value(symbols), loss.gradient(symbols)
    at = {s: sympy.Rational(x.numerator, x.denominator) for s, x in zip(symbols.flat, W.entries, strict=True)}
    for symbol, entry, exact in zip(symbols.flat, gradient.flat, loss.gradient(W).entries, strict=True):
        assert sympy.sympify(entry).subs(at) == sympy.diff(value, symbol).subs(at) == exact


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_balls_enclose(loss: Any):
    from flint import fmpq

    balls = to_flint(W, ball=True)
    pairs = [(loss.value(balls), loss.value(W))]
    pairs += list(zip(loss.gradient(balls).flat, loss.gradient(W).entries, strict=True))
    for ball, exact in pairs:
        middle, radius = (fmpq(m) * fmpq(2) ** int(e) for m, e in (ball.mid().man_exp(), ball.rad().man_exp()))
        assert abs(middle - fmpq(exact.numerator, exact.denominator)) <= radius < fmpq(1, 2**30)


def bound(loss: Any, u: Fraction) -> Fraction:
    """Rounding of values and of gradient entries. Products and sums of at most K numbers err by gamma_K = K u / (1
    - K u) times the sum of absolute values. Here K <= 40, and every such sum is below that of the loss with all
    numbers replaced by their sizes, at a residual that is too large by 1 (it is one only by rounding); pieces meet
    continuously, so that a residual rounded across a break adds at most the Lipschitz constant times its error."""
    K = 40
    gamma = K * u / (1 - K * u)
    largest = 1 + max(abs(x) for x in W.entries)
    data = F(1)
    if isinstance(loss, Sensing):
        data = max(sum(map(abs, A.entries), F(0)) for A in loss.measurements)
    if isinstance(loss, Linear):
        return gamma * sum(map(abs, loss.g.entries), F(0)) * largest
    if isinstance(loss, Polynomial):
        return gamma * sum(abs(c) * 9 * largest ** sum(p for _, p in powers) for c, powers in loss.terms)
    base = loss.base
    z = (data + 1) * largest + 1
    sizes = [sum(abs(c) * max(1, k) ** 2 * z**k for k, c in enumerate(piece)) for piece in base.pieces]
    return gamma * max(sizes) * 6 * (1 + data) * z


@pytest.mark.parametrize("kind", ["mpmath", "numpy", "torch", "torch float32", "torch cuda"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_floats_are_within_a_rounding_bound(loss: Any, kind: str):
    import mpmath
    import torch

    context = mpmath.MPContext()
    context.prec = 200
    if kind == "torch cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    convert, u = {
        "mpmath": (lambda x: to_mpmath(x, context=context), F(1, 2**200)),
        "numpy": (to_numpy, F(1, 2**53)),
        "torch": (to_torch, F(1, 2**53)),
        "torch float32": (lambda x: to_torch(x, dtype=torch.float32), F(1, 2**24)),
        "torch cuda": (lambda x: to_torch(x, device="cuda"), F(1, 2**53)),
    }[kind]

    def exactly(x: Any) -> Fraction:
        if kind == "mpmath":
            return (-1) ** x._mpf_[0] * F(int(x.man)) * F(2) ** int(x.exp)
        return F(float(x))

    X = convert(W)
    most = bound(loss, u)
    assert abs(exactly(loss.value(X)) - loss.value(W)) <= most
    for computed, exact in zip(loss.gradient(X).reshape(-1), loss.gradient(W).entries, strict=True):
        assert abs(exactly(computed) - exact) <= most


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_batches(loss: Any):
    import torch

    many = [Array(W.shape, tuple(x * k for x in W.entries)) for k in (1, -2, 4, 0)]
    for stack, convert in ((np.stack, to_numpy), (torch.stack, to_torch), (np.stack, to_flint)):
        X = stack([convert(one) for one in many]).reshape((2, 2, *W.shape))
        value, gradient = loss.value(X), loss.gradient(X)
        assert tuple(value.shape) == (2, 2) and tuple(gradient.shape) == (2, 2, *W.shape)
        for k, one in enumerate(many):
            alone = convert(one)
            for a, b in ((value[k // 2, k % 2], loss.value(alone)), (gradient[k // 2, k % 2], loss.gradient(alone))):
                a, b = array([a] if not hasattr(a, "shape") else a), array([b] if not hasattr(b, "shape") else b)
                if convert is to_flint:
                    assert a.entries == b.entries
                else:
                    most = 4**4 * 4**4 * bound(loss, F(1, 2**53))  # the largest instance is four times W
                    assert all(abs(x - y) <= most for x, y in zip(a.entries, b.entries, strict=True))


def test_the_four_normalisations_differ_as_stated():
    half, mse, mean = (LOSSES[k].value(W) for k in ("half-sum", "square mean", "half-square mean"))
    assert mse == F(2, 3) * half and mean == F(1, 3) * half and half != 0  # three observations


def test_the_rc_problem():
    """RC20 (6), (7): the loss vanishes exactly for W_12 = W_21 = 1, W_22 = 0, whatever W_11."""
    loss = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
    for w11 in (0, 5, -7):
        assert loss.value(array([[w11, 1], [1, 0]])) == 0
        assert loss.gradient(array([[w11, 3], [1, "1/2"]])) == array([[0, 2], [0, "1/2"]])


@given(z=st.fractions(-3, 3, max_denominator=20), delta=st.fractions("1/10", 2, max_denominator=10))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_huber_is_the_clipped_gradient(z: Fraction, delta: Fraction):
    loss = Huber({(0,): 0}, delta)
    assert loss.gradient(array([z])).entries == (max(-delta, min(delta, z)),)
    expected = z * z / 2 if abs(z) < delta else delta * (abs(z) - delta / 2)
    assert loss.value(array([z])) == expected


def test_huber_at_its_break():
    loss = Huber({(0,): 0}, 1)
    for z in (-1, 1):
        assert loss.value(array([z])) == F(1, 2) and loss.gradient(array([z])) == array([z])


def test_a_ball_across_a_break_covers_both_pieces():
    from flint import arb, fmpq

    z = np.array([arb(1, 0.25)], dtype=object)
    base = huber(1)
    value, slope = base.value(z)[0], base.derivative(z)[0]
    for x in (fmpq(3, 4), fmpq(7, 8), fmpq(1), fmpq(5, 4)):
        low, high = (fmpq(int(v.numerator), int(v.denominator)) for v in (min(x, fmpq(1)), x))
        assert not (slope < arb(low)) and not (slope > arb(low)) and slope.overlaps(arb(low))
        exact = x * x / 2 if x <= 1 else high - fmpq(1, 2)
        assert value.overlaps(arb(exact))
    assert slope.overlaps(arb(1)) and not slope.overlaps(arb(2))
    wide = np.array([arb(0, 5)], dtype=object)
    assert base.derivative(wide)[0].overlaps(arb(1)) and base.derivative(wide)[0].overlaps(arb(-1))
    nothing = base.value(np.array([arb("nan")], dtype=object))[0]
    assert not nothing.is_finite()


def test_floats_keep_nan_and_do_not_overflow_in_pieces_that_are_not_used():
    loss = Huber({(0,): 0}, 1)
    assert np.isnan(loss.value(np.array([np.nan])))
    assert loss.value(np.array([1e200])) == 1e200  # warnings are errors: no overflow of z^2 on the way
    import torch

    assert torch.isnan(loss.gradient(torch.tensor([float("nan")], dtype=torch.float64))).all()
    assert loss.gradient(torch.tensor([-1e300], dtype=torch.float64)) == -1


def test_entrywise_losses_must_be_differentiable():
    assert Entrywise(((0, 0), (0, 0, 1)), (0,)).derivative(np.array([-1.0, 2.0])).tolist() == [0.0, 4.0]
    for pieces, breaks, match in (
        (((0, -1), (0, 1)), (0,), "derivative at z = 0"),
        (((1,), (0,)), (2,), "value at z = 2"),
        (((0,), (0,)), (), "one more piece"),
        (((0,), (0,), (0,)), (1, 1), "increasing"),
    ):
        with pytest.raises(InputError, match=match):
            Entrywise(pieces, breaks)


def test_constant_and_zero_pieces():
    for z in (np.array([2.0]), np.array([F(2)], dtype=object)):
        assert Entrywise(((3,),)).value(z)[0] == 3 and Entrywise(((3,),)).derivative(z)[0] == 0
        flat = Entrywise(((1,), (1,)), (0,))
        assert flat.value(z)[0] == 1 and flat.derivative(z)[0] == 0


def test_opaque_losses_are_functions_of_all_entries():
    import sympy

    X = np.array(sympy.symbols("x:4"), dtype=object).reshape(2, 2)
    loss = Opaque()
    for index, symbol in np.ndenumerate(X):
        assert sympy.diff(loss.value(X), symbol) == loss.gradient(X)[index]
    assert len({*loss.gradient(X).flat}) == 4
    assert Opaque("other").value(X) != loss.value(X)
    with pytest.raises(InputError, match="sympy"):
        loss.value(np.ones((2, 2)))


def test_a_type_of_ones_own_is_asked_to_lift():
    class Number:
        def __init__(self, x: Fraction) -> None:
            self.x = x

        def lift(self, value: Fraction) -> "Number":
            return Number(value)

        def __add__(self, other: "Number") -> "Number":
            return Number(self.x + other.x)

        def __sub__(self, other: "Number") -> "Number":
            return Number(self.x - other.x)

        def __mul__(self, other: "Number") -> "Number":
            return Number(self.x * other.x)

    X = np.empty(W.shape, dtype=object)
    for place, index in enumerate(np.ndindex(*W.shape)):
        X[index] = Number(W.entries[place])
    for name in ("half-sum", "square mean", "completion", "sensing", "linear", "polynomial"):
        loss = LOSSES[name]
        assert loss.value(X).x == loss.value(W)
        assert tuple(n.x for n in loss.gradient(X).flat) == loss.gradient(W).entries


def test_constants_in_series():
    from flint import arb, arb_series, fmpq_poly, fmpq_series

    assert constant(F(1, 3), fmpq_poly([1, 2])) == fmpq_poly([1]) / 3
    assert str(constant(F(1, 2), fmpq_series([1, 2], prec=4))) == "1/2 + O(x^4)"
    assert constant(F(1, 2), arb_series([1, 2], prec=3))[0] == arb("0.5")
    assert constant(F(1, 2), 1.5) == 0.5 and constant(F(1, 2), np.float32(1)).dtype == np.float32


def test_observing_a_tensor():
    T = np.array([[1.5, np.nan], [0.1, 2.0]])
    assert observe(T, ~np.isnan(T)) == (((0, 0), F(3, 2)), ((1, 0), F(0.1)), ((1, 1), F(2)))
    assert observe(array([[1, "1/3"]])) == (((0, 0), F(1)), ((0, 1), F(1, 3)))
    with pytest.raises(InputError, match=r"\(0, 1\) is nan"):
        observe(T)
    with pytest.raises(InputError, match="mask has shape"):
        observe(T, [True])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: HalfSum({}), "no observations"),
        (lambda: HalfSum((((0, 1), 1), ((0, 1), 2))), "observed twice"),
        (lambda: HalfSum((((0, 1), 1), ((0,), 2))), "one order"),
        (lambda: MeanSquares({(0, -1): 1}), "negative"),
        (lambda: Huber(OMEGA, 0), "positive"),
        (lambda: HalfSum(3), "pairs"),  # pyright: ignore[reportArgumentType]
        (lambda: HalfSum({(0, 1): "one"}), "rational"),
        (lambda: Sensing((), (), square(half=True)), "at least one"),
        (lambda: Sensing(MEASUREMENTS, (1,), square(half=True)), "2 measurements and 1 targets"),
        (lambda: HalfSum(OMEGA).value(array([[1, 2]])), r"shape \(1, 2\)"),
        (lambda: HalfSum(OMEGA).gradient(array([1, 2])), "order 2"),
        (lambda: HalfSum(OMEGA).value([[1, 2]]), "list"),
        (lambda: LOSSES["sensing"].value(array([[1, 2]])), "measurements"),
        (lambda: LOSSES["linear"].value(array([[1, 2]])), "that of g"),
        (lambda: LOSSES["polynomial"].value(array([[1, 2]])), "order 2"),
        (lambda: Polynomial(((1, (((0,), 0),)),)), "power"),
        (lambda: Polynomial(((1, ()),)), "no entry"),
    ],
)
def test_bad_losses_are_refused_in_one_line(make: Callable[[], Any], match: str):
    with pytest.raises(InputError, match=match) as error:
        make()
    assert "\n" not in str(error.value)


def test_losses_are_values():
    assert HalfSum(OMEGA) == HalfSum(tuple(OMEGA.items())) and hash(HalfSum(OMEGA)) == hash(HalfSum(OMEGA))
    loss = Huber(OMEGA, 1)
    loss.value(to_numpy(W))  # what it keeps for floats is not part of it
    assert loss == Huber(OMEGA, 1) and hash(loss) == hash(Huber(OMEGA, 1)) and loss != Huber(OMEGA, 2)
    assert isinstance(loss, Loss)
