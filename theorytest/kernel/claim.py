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
from theorytest.kernel.initial_value import InitialValueProblem, MeasuredLoss
from theorytest.kernel.parameterization import Focus, Parameterization
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.rank import LawCount, LawSpace
from theorytest.kernel.scalar import Scalar
from theorytest.kernel.terms import Indices, Tensor, Term, constant

STEP_SIZE = "η"
MOMENTUM = "β"


@noun
class Flow:
    """Gradient flow of any continuously differentiable loss of the end tensor, seen through a focus.

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
class ReadConserved:
    """An expression in real variables, read off a flow, does not change on any interval of time on which it is
    defined."""

    expression: Scalar
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
    """``bound`` is the spectral norm of ``matrix`` (legs: any others, row, column): ||matrix x|| <= bound ||x|| for
    all x, and no smaller number bound >= 0 will do, for every value of the other legs, which are those of ``bound``."""

    matrix: Tensor
    bound: Tensor


@noun
class DeterminantSignPreserved:
    """The determinant of the (square) end matrix keeps its sign: if it is not 0 at the start, it is never 0."""

    motion: Flow | Descent


@noun
class SymmetricGradient:
    """The loss gradient is locally Lipschitz, and symmetric wherever the (square) end matrix is symmetric.

    (From a symmetric matrix a gradient that is only continuous may lead away: two solutions can begin there.)
    """

    parameterization: Parameterization


@noun
class LogDeterminantRate:
    """Where the determinant of the end matrix is not 0: d/dt ln |det W| is the given scalar term.

    Letters of the term that are no blocks (singular vectors, say) are what the statement's assumptions say of them at
    that time; the letter named like the depth's symbol is the depth.
    """

    rate: Term
    motion: Flow


@noun
class EndMatrixRate:
    """At every time, for a product W of L matrices: dW/dt = -sum over l = 1..L of [W W^T]^a grad [W^T W]^b with a =
    (L - l) / L and b = (l - 1) / L (RC20 Lemma 4). Powers are positive semidefinite, and 0^0 = I.

    left, right: the numerators of a and b as coefficients of 1, L and l; shift: added to the denominator L;
    all_layers: the whole sum, or the summand l = L alone.
    """

    motion: Flow
    left: tuple[int, int, int] = (0, 1, -1)
    right: tuple[int, int, int] = (-1, 0, 1)
    shift: int = 0
    all_layers: bool = True


@noun
class SingularValueRate:
    """For every differentiable singular value decomposition W(t) = sum_r s_r u_r v_r^T along the flow of a product of L
    matrices (singular values may be negative and in any order): at every time d/dt s_r = -L (s_r^2)^(1 - 1/L) <grad,
    u_r v_r^T> (RC20 Lemma 5).

    exponent: as coefficients of 1 and 1/L; times_depth: the factor is L, or else 1.
    """

    motion: Flow
    exponent: tuple[int, int] = (1, -1)
    times_depth: bool = True


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
class Evolution:
    """Of real functions of time on an interval [0, T], for every T > 0.

    rates: the functions that are differentiable on it, each with its derivative; inputs: other functions of time, of
    which nothing else is known; ``c(0)`` is the value of the function c at time 0; all other variables are constants.
    If all conditions hold at every time of the interval, then so do the claims, each at every time at which its own
    conditions hold.
    """

    time: str
    rates: tuple[tuple[str, Scalar], ...]
    inputs: tuple[str, ...]
    conditions: tuple[Identity | Inequality, ...]
    claims: tuple[Where, ...]


@noun
class AlongComponents:
    """CP factorization: what is said of functions of time holds along the flow, on every interval [0, T] of its
    existence on which the components in question do not vanish.

    roles: pairs of a function and an input, for different components r: the function is the norm of a factor, ||w_r^n||
    (the same for all n, since the statement assumes balance), or that of the component, P_r, as its rate says; the
    input is gamma_r. order: the variable that is the number N of modes. Other functions, inputs and constants are any.
    """

    motion: Flow
    order: str
    roles: tuple[tuple[str, str], ...]
    evolution: Evolution


@noun
class ZeroStays:
    """For every value of the quantity's free indices: if it is 0 at one time of the interval of existence, it is 0 at
    all of them."""

    quantity: Term
    motion: Flow


@noun
class ComponentStaysZero:
    """CP factorization, any order N: if the norm P_r of component r is 0 at one time, then all of its factors are 0 at
    all times of the interval of existence (RMC21 Corollary 1)."""

    motion: Flow


@noun
class ComponentAlignment:
    """CP factorization, any order N: while the loss gradient does not change and P_r > 0, gamma_r = <-grad, component
    r> / P_r does not decrease (RMC21 Theorem 2, proof sketch)."""

    motion: Flow


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


# -- one time of a flow ------------------------------------------------------------------------------------------------


@noun
class ProbabilityBetween:
    """lower <= the probability of the comparison at a random state of a model with the given sizes <= upper.

    For all laws of the state under which the entries of all blocks are independent, each with a density that is
    symmetric about 0 (centred Gaussian or uniform entries, say, of any scales).
    """

    parameterization: Parameterization
    sizes: tuple[tuple[str, Any], ...]
    event: Comparison
    lower: Fraction
    upper: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.upper <= 1:
            raise KernelError(f"needed bounds 0 <= lower <= upper <= 1, given {self.lower} and {self.upper}")


@noun
class AtTime:
    """The claim at every time of the flow at which what the statement assumes of tensors holds.

    Letters that are no blocks are what the assumptions say of them at that time; named modes and positions are those
    that the assumptions speak of, and any where they speak of none.
    """

    claim: Claim
    motion: Flow


@noun
class NormRate:
    """At such a time (see `AtTime`), for every value of the free indices: ``square`` is positive, and the derivative of
    its square root, times ``factor``, is equal to, at most ("<=") or at least (">=") the given rate."""

    square: Term
    relation: str
    rate: Term
    motion: Flow
    factor: Term = constant(1)

    def __post_init__(self) -> None:
        if self.relation not in ("=", "<=", ">="):
            raise KernelError(f"the relation is =, <= or >=, given {self.relation!r}")


@noun
class Iteration:
    """A letter is what ``start`` becomes after as many updates as a size symbol says; an update puts the present value
    in the place of the letter. ``legs``: the free indices of both terms, in the order of the letter's legs.

    So start 1 and update P c say that P = c^k, entry by entry; start δ and update a matrix product, a matrix power.
    """

    letter: Tensor
    legs: tuple[str, ...]
    start: Term
    update: Term
    size: str


@noun
class RestProduct:
    """``product`` (free: one index) is the product of ``factor`` (free: one index) over all modes but the named one.

    The flow's focus names one mode; ``factor`` is a term in its letters, read at each other mode in turn. The index of
    the product runs over the values of all other modes together, as that of the group of the rest does.
    """

    product: Term
    factor: Term
    motion: Flow


@noun
class LastFactor:
    """A letter (legs: those that all factors share, row, column) is the factor at the right end of a chain: of the one
    in which the flow's focus names a position."""

    letter: Tensor
    motion: Flow


@noun
class LargestConserved:
    """The largest absolute value among conserved quantities, over all of them, all members that their flows' focuses
    can name and all values of their free indices (0 if there is none), does not change along the flow."""

    laws: tuple[Conserved, ...]


# -- matrices and tensors of any size ----------------------------------------------------------------------------------


@noun
class Matrix:
    """A matrix for every value of the other free indices of ``entries``."""

    entries: Term
    row: str
    column: str

    def __post_init__(self) -> None:
        names = [name for name, _ in self.entries.free]
        if self.row == self.column or self.row not in names or self.column not in names:
            raise KernelError(f"row {self.row} and column {self.column} must be two of the free indices {names}")


@noun
class SameSingularValues:
    """Two matrices (at equal values of their other indices) have the same singular values but for zeros, each as often;
    all of them where their shapes are equal."""

    left: Matrix
    right: Matrix


@noun
class SquaredSingularValues:
    """``values`` (the row index in place of row and column) are the squared singular values of the matrix, each as
    often as it occurs, with zeros up to the number of rows: the eigenvalues of M M^T."""

    matrix: Matrix
    values: Term


@noun
class RankAtMost:
    """The rank of the left matrix is at most that of the right one (at equal values of their other indices)."""

    left: Matrix
    right: Matrix


@noun
class RankAtMostRows:
    """The rank of a matrix is at most the number of its nonzero rows; or equal to it, if so said."""

    matrix: Matrix
    equal: bool = False


@noun
class RankIsCount:
    """The rank of a matrix is the number of nonzero ``values`` (the row index in place of row and column)."""

    matrix: Matrix
    values: Term


@noun
class Matricization:
    """A formula for the unfoldings of tensors of any order N and mode n, with the order of their columns.

    "pairing": <A, w^1 (x) ... (x) w^N> = <[A]_(n) K, w^n>, K the Kronecker product of the other w^m (HKA24 Lemma A.1).
    "Tucker": [W]_(n) = V^(n) [G]_(n) K^T for W = G x_1 V^(1) ... x_N V^(N), K that of the other V^(m). Columns
    "lexicographic": of the remaining indices the last varies fastest; "Kolda-Bader": the first does. The Kronecker
    product has its factors in "increasing" or in "decreasing" order of the modes.
    """

    formula: str
    columns: str
    kronecker: str

    def __post_init__(self) -> None:
        if self.formula not in ("pairing", "Tucker") or self.columns not in ("lexicographic", "Kolda-Bader"):
            raise KernelError(f"no such formula or order of columns: {self.formula!r}, {self.columns!r}")
        if self.kronecker not in ("increasing", "decreasing"):
            raise KernelError(f"the Kronecker product is increasing or decreasing, given {self.kronecker!r}")


@noun
class TuckerNorm:
    """||G x_1 V^(1) ... x_N V^(N)|| <= ||G|| times the product of the spectral norms of all V^(n), for every order N,
    core and matrices (HKA24 equation 14).

    omitted: so many of the last factors are left out of the product; unfolded: in place of ||G||, the spectral norm of
    its first unfolding.
    """

    omitted: int = 0
    unfolded: bool = False


@noun
class HigherOrderSVD:
    """Every tensor T of every order and shape is C x_1 U^(1) ... x_N U^(N) with square orthogonal U^(n) and a core C of
    the size of T such that, for every mode, slices of C are orthogonal to one another and their norms do not increase
    (HKA24 Theorem 2.3). superdiagonal: the core has no entry but where all indices are equal."""

    superdiagonal: bool = False


@noun
class Definition:
    """What words stand for: a noun of the kernel, or, as text, all nouns of a kind ("Array"). Nothing is claimed that
    could fail, and nothing can be proved: see `theorytest.kernel.definition`."""

    meaning: Any


@noun
class InWords:
    """A claim in words, which the kernel cannot read: nothing proves or refutes it."""

    text: str


@noun
class Throughout:
    """Along the gradient flow from one exact start: the flow exists up to the time ``end``, and the comparison of two
    quantities holds at every time from ``start`` to ``end``."""

    problem: InitialValueProblem
    comparison: Comparison
    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise KernelError(f"needed times 0 <= start <= end, given {self.start} and {self.end}")


@noun
class FirstTime:
    """Along the gradient flow from one exact start: the two sides of ``lhs = rhs`` are different at time 0, and the
    first time at which they are equal exists and is at least ``earliest`` and at most ``latest``."""

    problem: InitialValueProblem
    comparison: Comparison
    earliest: Fraction
    latest: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.earliest <= self.latest or self.comparison.relation != "=":
            raise KernelError("needed two sides with the relation =, and times 0 <= earliest <= latest")


@noun
class CloseAfter:
    """Along one flow an event happens for the first time, at a time t0 as said; and the end tensor of another flow at t
    is within a distance of its end tensor at t0 + t (norm of the difference), for 0 <= t <= duration."""

    reached: FirstTime
    other: InitialValueProblem
    distance: Fraction
    duration: Fraction

    def __post_init__(self) -> None:
        if self.distance < 0 or self.duration <= 0:
            raise KernelError(f"needed a distance >= 0 and a duration > 0, given {self.distance} and {self.duration}")


@noun
class AlongEveryFlow:
    """Along the gradient flow from every start, the comparison holds at every time of the interval of existence.

    sizes: the values of some size symbols, any for all others; loss: None for all measured losses (linear measurements
    of the end tensor, any targets, a slope that is continuous and piecewise polynomial). Assumptions that are
    comparisons are about the start.
    """

    parameterization: Parameterization
    sizes: tuple[tuple[str, Any], ...]
    loss: MeasuredLoss | None
    comparison: Comparison


@noun
class TendsToEqual:
    """Along the gradient flow from every start, which exists at all times, the difference of both sides of an equation
    tends to 0 as time tends to infinity. All else is as in `AlongEveryFlow`."""

    parameterization: Parameterization
    sizes: tuple[tuple[str, Any], ...]
    loss: MeasuredLoss | None
    comparison: Comparison

    def __post_init__(self) -> None:
        if self.comparison.relation != "=":
            raise KernelError(f"a limit needs an equation, given the relation {self.comparison.relation}")


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
    | ReadConserved
    | Conserved
    | Rate
    | Change
    | SpectralNorm
    | DeterminantSignPreserved
    | SymmetricGradient
    | LogDeterminantRate
    | EndMatrixRate
    | SingularValueRate
    | SliceTruncation
    | Where
    | SingularValues
    | Monotone
    | Limit
    | Range
    | InfimalRank
    | Fold
    | ComponentNormRate
    | LawCount
    | LawSpace
    | ComponentStaysZero
    | ComponentAlignment
    | AlongComponents
    | Evolution
    | ZeroStays
    | Comparison
    | AtEveryState
    | ProbabilityBetween
    | AtTime
    | NormRate
    | Iteration
    | RestProduct
    | LastFactor
    | LargestConserved
    | SameSingularValues
    | SquaredSingularValues
    | RankAtMost
    | RankAtMostRows
    | RankIsCount
    | Matricization
    | TuckerNorm
    | HigherOrderSVD
    | Definition
    | InWords
    | Throughout
    | FirstTime
    | CloseAfter
    | AlongEveryFlow
    | TendsToEqual
    | All
)

Values = Mapping[str, Fraction]
