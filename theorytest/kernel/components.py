"""Components of a CP factorization of any order: the rate of their norms, what vanishes stays zero, alignment with a
constant gradient, and norms as functions of time.

They follow from one named mode: the rules add up over the modes, which are all alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from theorytest.kernel.claim import (
    AlongComponents,
    Always,
    AtLeast,
    Claim,
    ComponentAlignment,
    ComponentNormRate,
    ComponentStaysZero,
    Evolution,
    Flow,
    Identity,
    Inequality,
    Rate,
    ZeroStays,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.evolution import initial
from theorytest.kernel.parameterization import Array, Block, Each, Focus, Parameterization
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.scalar import ZERO, Exp, Ln, Scalar, Variable
from theorytest.kernel.terms import Factor, Tensor, Term


@dataclass(frozen=True)
class OuterProducts:
    """A CP factorization: the block of the factors, the place (0 or 1) of its component leg, and the count of modes."""

    block: Block
    row: int
    modes: str

    def entry(self, factor: Tensor) -> Term:
        """The entry i of component r."""
        return factor["r", "i"] if self.row == 0 else factor["i", "r"]

    def square(self, factor: Tensor) -> Term:
        """The squared norm of component r, with r free."""
        return (self.entry(factor) * self.entry(factor)).sum("i")


def outer_products(model: Parameterization) -> OuterProducts:
    """Read a parameterization as a sum of outer products of one vector for each mode; refuse any other."""
    body = model.body
    if isinstance(body, Each) and isinstance(body.body, Block) and body.body.family == (body.index,):
        block = body.body
        own = [leg for leg in block.legs if leg.endswith(f"[{body.index}]")]
        if len(own) == 1 and len(block.legs) == 2 and model.output == (f"{own[0].partition('[')[0]}[*]",):
            return OuterProducts(block, 1 - block.legs.index(own[0]), body.count)
    raise KernelError(f"{model.name} is not a sum of outer products")


def one_factor(flow: Flow) -> tuple[Term, Term]:
    """The entry i of the factor of component r at the named mode, and its velocity; refuse any but the plain flow with
    one named mode."""
    read = outer_products(flow.parameterization)
    if len(flow.focus.modes) != 1 or flow != Flow(flow.parameterization, Focus(flow.focus.modes)):
        raise KernelError("the plain flow, with one named mode, was needed")
    (factor,) = flow.parameterization.letters(flow.focus).values()
    ((legs, velocity),) = flow.velocities().values()
    names = ("r", "i") if read.row == 0 else ("i", "r")
    return read.entry(factor), velocity.rename(dict(zip(legs, names, strict=True)))


# -- the norm of a component -------------------------------------------------------------------------------------------


@rule("component-norm-rate")
def component_norm_rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The norm of component r of a CP factorization of any order.

    With s_n = ||w_r^n||^2, the premise is, for an arbitrary mode n, d/dt s_n = 2 <-grad, component r>, which is
    2 P_r gamma_r. Where P_r = (s_1 ... s_N)^(1/2) > 0, the chain rule and the product rule give
    d/dt P_r = 1/(2 P_r) sum_n (d/dt s_n) prod_{m != n} s_m = gamma_r sum_n prod_{m != n} s_m.
    """
    count(premises, 1)
    take(data)
    premise = only(premises[0], Rate)
    w, v = one_factor(premise.motion)
    needed = Rate((w * w).sum("i"), (w * v).sum("i") * 2, premise.motion)
    if premise != needed:
        raise KernelError(f"the rate of one squared norm was needed: {needed.rate}")
    return ComponentNormRate(premise.motion)


# -- what vanishes stays zero ------------------------------------------------------------------------------------------


def _slices(quantity: Term) -> dict[Tensor, dict[int, str]]:
    """For every tensor of a sum of squares: which legs have which free index.

    Raises unless the quantity is a sum of positive multiples of sums of squares of all entries of such a slice.
    """
    free = {name for name, _ in quantity.free}
    found: dict[Tensor, dict[int, str]] = {}
    for monomial in quantity.normal().monomials:
        if monomial.coefficient <= 0 or len(monomial.factors) != 2 or len(set(monomial.factors)) != 1:
            raise KernelError("a sum of positive multiples of squares was needed")
        (factor,) = set(monomial.factors)
        fixed = {place: name for place, name in enumerate(factor.indices) if name in free}
        if len(set(factor.indices)) != len(factor.indices) or found.setdefault(factor.tensor, fixed) != fixed:
            raise KernelError(f"the squares of all entries of a slice of {factor.tensor.name} were needed")
    if not found:
        raise KernelError("a sum of positive multiples of squares was needed")
    return found


@rule("zero-stays")
def zero_stays(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A sum of squares y whose derivative along a flow is, term by term, of second order in what is squared, is 0 at
    all times or at none. Data: the quantity and the flow; the kernel derives the rate.

    Every monomial of the rate holds two entries of the slices that y adds up, each at most (y / c)^(1/2) in size; all
    that is beside them is continuous in time. So |dy/dt| <= C(t) y with C continuous, and by Gronwall's inequality,
    forwards and backwards, y(t) <= y(t_0) exp |int C|. (The loss gradient is continuous: the setting of every flow.)
    """
    count(premises, 0)
    quantity, flow = take(data, Term, Flow)
    slices = _slices(quantity)

    def small(factor: Factor) -> bool:
        fixed = slices.get(factor.tensor)
        return fixed is not None and all(factor.indices[place] == name for place, name in fixed.items())

    for monomial in quantity.along(flow.velocities()).normal().monomials:
        if sum(map(small, monomial.factors)) < 2:
            raise KernelError("a term of the rate is not of second order in what is squared")
    return ZeroStays(quantity, flow)


@rule("component-stays-zero")
def component_stays_zero(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A component of a balanced CP factorization of order N >= 2 that vanishes once vanishes always.

    Premises, for two arbitrary modes n and m: ||w_r^n||^2 = ||w_r^m||^2 at all times; their sum is 0 at all times or at
    none; N >= 2. If P_r(t_0) = 0, a factor of component r is 0 at t_0, and by the first premise so are all others; by
    the second, every pair of factors, hence every factor, is 0 at all times.
    """
    count(premises, 3)
    take(data)
    equal, stays, order = only(premises[0], Always), only(premises[1], ZeroStays), only(premises[2], AtLeast)
    flow = equal.motion
    read = outer_products(flow.parameterization)
    if len(flow.focus.modes) != 2 or flow != Flow(flow.parameterization, Focus(flow.focus.modes)):
        raise KernelError("the plain flow, with two named modes, was needed")
    one, other = map(read.square, flow.parameterization.letters(flow.focus).values())
    if equal.claim not in (Identity(one, other), Identity(other, one)) or stays != ZeroStays(one + other, flow):
        raise KernelError("the squared norms of the two factors must be equal, and their sum 0 always or never")
    if order != AtLeast(read.modes, 2):
        raise KernelError(f"the last premise must be {read.modes} >= 2")
    return ComponentStaysZero(Flow(flow.parameterization, Focus()))


# -- alignment with a constant gradient --------------------------------------------------------------------------------


def cauchy_schwarz(flow: Flow) -> Inequality:
    """<w, v>^2 <= ||w||^2 ||v||^2 for the factor w of component r at the named mode and its velocity v."""
    w, v = one_factor(flow)
    pairing = (w * v).sum("i")
    return Inequality(pairing * pairing, "<=", (w * w).sum("i") * (v * v).sum("i"))


@rule("component-alignment")
def component_alignment(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """While the loss gradient is constant, gamma_r does not decrease along the flow of a CP factorization.

    Premise: <w, v>^2 <= ||w||^2 ||v||^2 for the factor w = w_r^n and its velocity v, for an arbitrary mode n. Let s_n =
    ||w_r^n||^2, q_n = ||v||^2 and f = <-grad, component r>, which is <w, v> for every n. The gradient is constant and f
    is linear in each factor, whose coefficient is v, so df/dt = sum_n q_n; and d/dt s_n = 2 f. Where P_r = (s_1 ...
    s_N)^(1/2) > 0, gamma_r = f / P_r has d/dt gamma_r = (1 / P_r) sum_n (q_n - f^2 / s_n): no term is negative.
    """
    count(premises, 1)
    (flow,) = take(data, Flow)
    if premises[0] != cauchy_schwarz(flow):
        raise KernelError("the premise must be the inequality of Cauchy and Schwarz for a factor and its velocity")
    return ComponentAlignment(flow)


def squared_speed(claim: ZeroStays) -> Term:
    """The squared norm of the velocity of all that is squared, with the quantity's free indices free."""
    total = Term(claim.quantity.free, ())
    for tensor, fixed in _slices(claim.quantity).items():
        legs, velocity = claim.motion.velocities()[tensor.name]
        loose = [leg for place, leg in enumerate(legs) if place not in fixed]
        square = (velocity * velocity).sum(*loose)
        total = total + square.rename({legs[place]: name for place, name in fixed.items()})
    return total


# -- functions of time along the flow ----------------------------------------------------------------------------------


def component_rates(order: str, norm: str, gamma: str) -> tuple[Scalar, Scalar]:
    """The rate of ||w_r^n||, gamma c^(N-1), and that of P_r, N gamma P^(2 - 2/N), for a balanced component."""
    n, c, g = Variable(order), Variable(norm), Variable(gamma)
    return g * Exp((n - 1) * Ln(c)), n * g * Exp((2 - 2 * n**-1) * Ln(c))


@rule("along-components")
def along_components(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What holds for all functions of time with certain rates holds for the norms of balanced components.

    Premises: the rate of component norms, d/dt P_r = gamma_r sum_n prod_{m != n} s_m; the squared norms s_n of any two
    factors of a component are equal at all times of the same flow; the claim about functions, each of which stays
    positive. Data: the variable for N, and the roles. With c = s_n^(1/2) for all n: P_r = c^N, so that d/dt P_r = N
    gamma_r c^(2N-2) = N gamma_r P_r^(2 - 2/N), and, where P_r > 0, c = P_r^(1/N) has the rate gamma_r c^(N-1). As
    functions of time, P_r, c and gamma_r are among those that the claim speaks of.
    """
    count(premises, 3)
    rate, equal = only(premises[0], ComponentNormRate), only(premises[1], Always)
    evolution = only(premises[2], Evolution)
    order, roles = take(data, str, tuple)
    flow = equal.motion
    read = outer_products(flow.parameterization)
    if len(flow.focus.modes) != 2 or flow != Flow(flow.parameterization, Focus(flow.focus.modes)):
        raise KernelError("balance must hold along the plain flow, with two named modes")
    one, other = map(read.square, flow.parameterization.letters(flow.focus).values())
    plain = Flow(flow.parameterization, Focus(rate.motion.focus.modes))
    if rate.motion != plain or equal.claim not in (Identity(one, other), Identity(other, one)):
        raise KernelError("the rate of component norms, and equal squared norms, along one flow were needed")
    rates = dict(evolution.rates)
    moving = {evolution.time, *rates, *evolution.inputs}
    if order in moving or order in map(initial, moving):
        raise KernelError(f"{order} is the number of modes, and does not move")
    pairs = [(str(norm), str(gamma)) for norm, gamma in roles]
    if not pairs or len({name for pair in pairs for name in pair}) != 2 * len(pairs):
        raise KernelError("different functions and inputs were needed for different components")
    for norm, gamma in pairs:
        if gamma not in evolution.inputs or rates.get(norm) not in component_rates(order, norm, gamma):
            raise KernelError(f"{norm} must have the rate of a balanced component with the input {gamma}")
        if Inequality(ZERO, "<", Variable(norm)) not in evolution.conditions:
            raise KernelError(f"{norm} > 0 must be among the conditions")
    return AlongComponents(Flow(flow.parameterization, Focus()), order, tuple(pairs), evolution)


# -- how these claims fail ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Component:
    """One component at an instance: the factor of every mode, and its velocity."""

    factors: tuple[tuple[Fraction, ...], ...]
    velocities: tuple[tuple[Fraction, ...], ...]

    @property
    def sizes(self) -> list[Fraction]:
        """The squared norms of the factors."""
        return [_dot(w, w) for w in self.factors]


def _dot(one: tuple[Fraction, ...], other: tuple[Fraction, ...]) -> Fraction:
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))


def components(flow: Flow, modes: Sequence[tuple[Array, Array]]) -> Iterator[Component]:
    """All components, from the block of every mode and the gradient by it."""
    row = outer_products(flow.parameterization).row

    def vector(array: Array, r: int, sign: int) -> tuple[Fraction, ...]:
        return tuple(sign * array[(r, i) if row == 0 else (i, r)] for i in range(array.shape[1 - row]))

    for r in range(modes[0][0].shape[row]):
        factors = tuple(vector(block, r, 1) for block, _ in modes)
        yield Component(factors, tuple(vector(gradient, r, -1) for _, gradient in modes))


def leaves_zero(component: Component, speeds: Sequence[Fraction]) -> str:
    """How a component that is 0 leaves 0 at once; empty where it does not. ``speeds``: of every mode.

    With exactly one factor that is 0, the velocity of the component is the outer product of that factor's velocity and
    the others, which is 0 only if that velocity is."""
    zeros = [n for n, size in enumerate(component.sizes) if not size]
    if len(zeros) == 1 and speeds[zeros[0]] and any(component.velocities[zeros[0]]):
        return f"the component is 0 and moves: its factor {zeros[0] + 1} alone is 0, and has another velocity"
    return ""


def loses_alignment(component: Component, speeds: Sequence[Fraction]) -> str:
    """How gamma decreases while the loss gradient is constant; empty where it does not. ``speeds``: of every mode."""
    if not prod(component.sizes):
        return ""
    f = _dot(component.factors[0], component.velocities[0])
    pairs = zip(speeds, component.sizes, component.velocities, strict=True)
    change = sum((speed * (_dot(v, v) - f * f / size) for speed, size, v in pairs), Fraction(0))
    return f"P_r d/dt gamma_r = {change}" if change < 0 else ""
