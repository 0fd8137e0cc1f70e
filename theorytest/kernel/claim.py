"""What can be claimed: frozen, exact, and with one meaning each.

A claim about tensors is stated in terms with symbolic sizes; it holds for every value of its free indices and for all
tensors (that meet the statement's assumptions), also where they are named like the blocks of a model. A claim about
real variables is stated in scalar expressions (`theorytest.kernel.scalar`). A claim about motion names the gradient
flow (or the discrete step) of a parameterization, whose velocities the kernel derives itself; it speaks of every time
in the interval of existence, and of all members that the flow's focus can name.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Focus, Parameterization
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.scalar import Scalar
from theorytest.kernel.terms import Indices, Tensor, Term

STEP_SIZE = "η"
MOMENTUM = "β"


@noun
class Flow:
    """Gradient flow of any differentiable loss of the end tensor, seen through a focus.

    Every block follows minus its gradient, times its speed (1 unless named in ``speeds``), minus ``decay`` times itself
    (weight decay).
    """

    parameterization: Parameterization
    focus: Focus
    speeds: tuple[tuple[str, Fraction], ...] = ()
    decay: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if len(dict(self.speeds)) != len(self.speeds):
            raise KernelError(f"a block is given two speeds: {self.speeds}")

    def velocities(self) -> dict[str, tuple[Indices, Term]]:
        """The velocity of every named member: derived, never typed."""
        speeds = dict(self.speeds)
        letters = self.parameterization.letters(self.focus)
        if not set(speeds) <= set(letters):
            raise KernelError(f"speeds are given for {sorted(speeds)}, the named blocks are {sorted(letters)}")
        moved: dict[str, tuple[Indices, Term]] = {}
        for name, (legs, velocity) in self.parameterization.velocities(self.focus).items():
            moved[name] = (legs, velocity * speeds.get(name, Fraction(1)) - letters[name][legs] * self.decay)
        return moved


@noun
class Descent:
    """One step of a discrete method along a flow, with step size η.

    "gradient descent": every block X becomes X + η V, V its velocity. "momentum": X + η V + β U, with U the previous
    update. "adam": the first step from rest, X + η V / (|V| + 1/10^8) entry by entry; only for exact instances.
    """

    flow: Flow
    method: str = "gradient descent"

    def __post_init__(self) -> None:
        if self.method not in ("gradient descent", "momentum", "adam"):
            raise KernelError(f"no such method: {self.method!r}")

    def after(self, quantity: Term) -> Term:
        """The quantity after the step, as a term in the blocks before it."""
        if self.method == "adam":
            raise KernelError("a step of Adam is not a polynomial: it can be evaluated at an instance only")
        moved: dict[str, tuple[Indices, Term]] = {}
        letters = self.flow.parameterization.letters(self.flow.focus)
        for name, (legs, velocity) in self.flow.velocities().items():
            moved[name] = (legs, letters[name][legs] + Tensor(STEP_SIZE, ())() * velocity)
            if self.method == "momentum":
                previous = Tensor(f"U({name})", letters[name].sizes)[legs]
                moved[name] = (legs, moved[name][1] + Tensor(MOMENTUM, ())() * previous)
        return quantity.substitute(moved)


@noun
class Identity:
    """Both sides are equal, for every value of the free indices (tensors) or variables (scalars)."""

    lhs: Term | Scalar
    rhs: Term | Scalar


@noun
class Inequality:
    """lhs <= rhs, or lhs < rhs, for every value of the free indices (tensors) or variables (scalars)."""

    lhs: Term | Scalar
    relation: str
    rhs: Term | Scalar

    def __post_init__(self) -> None:
        if self.relation not in ("<=", "<"):
            raise KernelError(f"the relation is <= or <, given {self.relation!r}")


@noun
class AtStart:
    """The claim at time 0 only, for all members that the flow's focus can name (all adjacent layers, say)."""

    claim: Identity | Inequality
    motion: Flow


@noun
class Always:
    """The claim at every time of the flow, for all members that the flow's focus can name."""

    claim: Identity | Inequality
    motion: Flow


@noun
class SameSize:
    """Two size symbols have the same value."""

    left: str
    right: str


@noun
class AtLeast:
    """A size symbol (an order, a depth) is at least a number."""

    size: str
    number: int


@noun
class Exactly:
    """A size symbol has a given value."""

    size: str
    number: int


@noun
class Entry:
    """An entry of the end tensor; every index counts from 1."""

    index: tuple[int, ...]


@noun
class Determinant:
    """The determinant of the end matrix, which is square."""


@noun
class Reading:
    """What real variables stand for along a flow: a variable is, at every time, an entry of the end tensor, its
    determinant, or a term in the letters of the flow's focus. All other variables keep one value.

    Where terms have free indices, what is said holds for every value of them.
    """

    meanings: tuple[tuple[str, Entry | Determinant | Term], ...]
    motion: Flow

    def __post_init__(self) -> None:
        if len(dict(self.meanings)) != len(self.meanings):
            raise KernelError("a variable is read in two ways")

    @property
    def names(self) -> frozenset[str]:
        """The variables that move with the flow."""
        return frozenset(dict(self.meanings))


@noun
class ReadAtStart:
    """A formula in real variables holds at time 0, the variables read off the flow."""

    claim: Identity | Inequality
    reading: Reading


@noun
class ReadAlways:
    """A formula in real variables, read off the flow, holds at every time at which the conditions do; for all members
    that the flow's focus can name."""

    conditions: tuple[Identity | Inequality, ...]
    claim: Identity | Inequality
    reading: Reading


@noun
class Conserved:
    """A quantity does not change along a flow, or in one step of a discrete method."""

    quantity: Term
    motion: Flow | Descent


@noun
class Rate:
    """The derivative of a quantity along a flow is the given term."""

    quantity: Term
    rate: Term
    motion: Flow


@noun
class Change:
    """One step of a discrete method changes a quantity by exactly the given term."""

    quantity: Term
    change: Term
    motion: Descent


@noun
class SpectralNorm:
    """``bound`` is the spectral norm of ``matrix`` (legs: row, column): ||matrix x|| <= bound ||x|| for all x, and
    no smaller number bound >= 0 will do."""

    matrix: Tensor
    bound: Tensor


@noun
class DeterminantSignPreserved:
    """The determinant of the (square) end matrix keeps its sign: if it is not 0 at the start, it is never 0."""

    motion: Flow | Descent


@noun
class LogDeterminantRate:
    """Where the determinant of the end matrix is not 0: d/dt ln |det W| is the given scalar term.

    Letters of the term that are no blocks (singular vectors, say) are what the statement's assumptions say of them at
    that time; the letter named like the depth's symbol is the depth.
    """

    rate: Term
    motion: Flow


@noun
class SliceTruncation:
    """Approximation of a Tucker tensor by one of low multilinear rank (kind: Approximation; HKA24 Proposition 4.6).

    W = G x_1 V^(1) ... x_N V^(N), all V^(n) nonzero, eps > 0. Let R_n be the number of indices r such that
    ||G_{r_n = r}||^2 > t_n, where t_n = factor * eps^2 / (d_n^dimension * N^order * prod_j ||V^(j)||^2) and d_n is
    the number of slices of mode n. Then there is a tensor of multilinear rank at most (R_1, ..., R_N) at distance at
    most eps from W.

    norm: "spectral" or "frobenius"; strict: count slices above (True) or at least (False) the threshold.
    """

    factor: Fraction = Fraction(1)
    dimension: int = 1
    order: int = 1
    norm: str = "spectral"
    strict: bool = True


@noun
class Where:
    """The claim holds at every point (a value for each variable) at which all conditions hold.

    A formula between scalars holds at a point if both of its sides are defined there and the relation is true; so
    ``Identity(e, e)`` says that e is defined. Conditions and the claim share their free variables; the variable of a
    `Monotone`, `Limit`, `Range` or `InfimalRank` is bound and is not one of them.
    """

    conditions: tuple[Identity | Inequality, ...]
    claim: Claim


@noun
class SingularValues:
    """``values`` (largest first) are the singular values of the 2x2 matrix with the given entries (rows)."""

    matrix: tuple[tuple[Scalar, Scalar], tuple[Scalar, Scalar]]
    values: tuple[Scalar, Scalar]


@noun
class Monotone:
    """A function of one variable is defined and strictly increasing (decreasing) on [low, infinity) or [low, high]."""

    function: Scalar
    variable: str
    direction: str
    low: Fraction
    high: Fraction | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("increasing", "decreasing"):
            raise KernelError(f"the direction is increasing or decreasing, given {self.direction!r}")


@noun
class Limit:
    """A function of one variable tends to ``value`` (None: to infinity) as the variable tends to infinity."""

    function: Scalar
    variable: str
    value: Fraction | None


@noun
class Range:
    """The values of a function of one variable on [low, infinity) (low None: on the real line) are exactly the
    interval from ``bottom`` to ``top`` (None: infinity), each end point attained or not as said."""

    function: Scalar
    variable: str
    low: Fraction | None
    bottom: Fraction
    bottom_attained: bool
    top: Fraction | None
    top_attained: bool


@noun
class InfimalRank:
    """The infimal rank (RC20 Definition 2) of the set of 2x2 matrices with the given entries, as ``variable`` runs
    over the reals: the least r such that the set comes arbitrarily close to the matrices of rank at most r."""

    matrix: tuple[tuple[Scalar, Scalar], tuple[Scalar, Scalar]]
    variable: str
    rank: int


@noun
class Fold:
    """Of families of numbers, for all sizes: for every N >= 1 and all real s_1, ..., s_N of which each meets
    ``conditions`` (for the variable ``member``), the state meets ``claims``, where ``count`` is N.

    state: name, start, update. A state variable is its start at the member s_1, and becomes its update with each of
    s_2, ..., s_N in turn (all at once; ``count`` is then the number of members before). All other variables have any
    fixed values.
    """

    member: str
    count: str
    state: tuple[tuple[str, Scalar, Scalar], ...]
    conditions: tuple[Identity | Inequality, ...]
    claims: tuple[Where, ...]


@noun
class ComponentNormRate:
    """CP factorization, any order N: wherever the norm P_r of component r is positive, d/dt P_r = gamma_r times the sum
    over n of the product over m != n of ||w_r^m||^2, where gamma_r = <-grad, component r> / P_r (RMC21 Theorem 1)."""

    motion: Flow


@noun
class AtEveryState:
    """The comparison holds at every state of a model (whatever its blocks) at which both of its sides are defined.

    sizes: the values of some size symbols; for all others, every value at which the quantities exist. Assumptions that
    are comparisons restrict the state.
    """

    parameterization: Parameterization
    sizes: tuple[tuple[str, Any], ...]
    claim: Comparison


@noun
class All:
    """Every one of the claims holds."""

    claims: tuple[Claim, ...]


Claim = (
    Identity
    | Inequality
    | AtStart
    | Always
    | SameSize
    | AtLeast
    | Exactly
    | ReadAtStart
    | ReadAlways
    | Conserved
    | Rate
    | Change
    | SpectralNorm
    | DeterminantSignPreserved
    | LogDeterminantRate
    | SliceTruncation
    | Where
    | SingularValues
    | Monotone
    | Limit
    | Range
    | InfimalRank
    | Fold
    | ComponentNormRate
    | Comparison
    | AtEveryState
    | All
)

Values = Mapping[str, Fraction]
