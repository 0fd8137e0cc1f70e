"""Depth and structured sparsity in deep Tucker factorization (HKA24 Corollary 4.4, its remark on k = 1, Section 4.2).

By Theorem 4.3, d/dt ||G_r|| = (||x_r|| / ||w_r||) δ_r; equations 12 and 13 bound ||x_r|| / ||w_r|| from below by
(||G_r|| / sqrt(d))^k α_r and from above by ||G_r||^k. Where the norm grows, δ_r >= 0 and both bounds may be multiplied
by it; where it falls, δ_r <= 0 and they turn around. χ_r is 1 for the columns that are spoken of, and 0 for all others,
so that nothing is assumed of those.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    All,
    Assumption,
    Exactly,
    Inequality,
    Instance,
    Source,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    proof,
    refuted,
    zero,
)
from theorytest.derive.moment import at_time, parts
from theorytest.kernel.claim import AtTime, NormRate
from theorytest.kernel.rules import Square, Use

from .column_norms import (
    COSINE,
    DEEP,
    FACTORS,
    NO_MATRIX,
    POWER,
    RIGHT,
    ROOT_POWER,
    SINGULAR,
    cosine,
    deep,
    equation_12,
    equation_13,
    lower,
    lower_bound,
    of_size_five,
    one_column,
    upper,
    with_left,
    without_matrices,
)
from .flow_equations import LOSS, MATRIX_BALANCE, PLAIN, core, flow
from .norm_balance import NORM_BALANCE, any_numbers, array, numbers
from .theorem_4_3 import (
    ALIGNMENT,
    COLUMNS,
    LETTERS,
    NONZERO,
    OF_OTHERS,
    OF_W,
    OF_X,
    REST,
    alignment,
    balanced_core,
    delta,
    inverse,
    not_negative,
    omega,
    rate,
    square_core,
    state,
    theorem,
    xi,
    zeta,
)

ones = constant(1, ("r", COLUMNS))
mark = Tensor("χ", (COLUMNS,))["r"]
MARKED = Assumption("χ", "χ_r is 1 for the columns that are spoken of, 0 for the others (any numbers will do)")
nothing = zero(("r", COLUMNS))
GROWS = Assumption("d/dt >= 0", "d/dt ||G_r|| >= 0 for these columns", NormRate(square_core, ">=", nothing, flow, mark))
FALLS = Assumption("d/dt <= 0", "d/dt ||G_r|| <= 0 for these columns", NormRate(square_core, "<=", nothing, flow, mark))
LOW, HIGH = lower["r"] * cosine["r"] * delta, upper["r"] * delta
SCOPE = "all orders, shapes, depths k >= 1 of the mode, losses; all times at which all x_r^n are nonzero"
DEVIATIONS = (
    *theorem.deviations,
    "α is the cosine with a right singular vector (printed: left; see /printed)",
    "columns whose norm grows (or falls) are marked by χ, so that the hypothesis is on each column alone",
)


def between(low, high):
    """low <= d/dt ||G_r|| <= high for the marked columns."""
    return All(
        (NormRate(square_core, ">=", mark * low, flow, mark), NormRate(square_core, "<=", mark * high, flow, mark))
    )


BASE = (LOSS, PLAIN, NORM_BALANCE, *LETTERS, NONZERO)
CORE = (LOSS, PLAIN, NORM_BALANCE, MATRIX_BALANCE, DEEP, *LETTERS, NONZERO, POWER, ROOT_POWER, SINGULAR, COSINE, MARKED)


def marked(instance, *columns):
    """The instance with the marks of the columns."""
    return replace(instance, letters=(*instance.letters, ("χ", array((len(columns),), *columns))))


GROWING = marked(RIGHT, 1, 1)
FALLING = marked(deep(of_size_five(gradient=(0, 0, 0, 1)), (0, 1), (0, 1), norm=16), 1, 1)


def part(roman, title, locator, assumptions, claim, example):
    """One part of the corollary."""
    return Statement(
        id=f"HKA24-Cor4.4{roman}",
        label=f"HKA24-Cor4.4{roman}",
        kind="corollary",
        title=title,
        source=Source("HKA24", f"Corollary 4.4, {locator}"),
        assumptions=assumptions,
        claim=claim,
        scope=SCOPE,
        example=example,
        deviations=DEVIATIONS,
    )


part_i = part(
    "i",
    "Where ||G_r|| does not fall: (||G_r||/sqrt(d))^k α_r δ_r <= d/dt ||G_r|| <= ||G_r||^k δ_r",
    "part i",
    (*CORE, GROWS),
    between(LOW, HIGH),
    GROWING,
)
part_ii = part(
    "ii",
    "Where ||G_r|| does not grow: ||G_r||^k δ_r <= d/dt ||G_r|| <= (||G_r||/sqrt(d))^k α_r δ_r",
    "part ii",
    (*CORE, FALLS),
    between(HIGH, LOW),
    FALLING,
)


def cite(derive, statement):
    """A statement whose assumptions are among those at hand."""
    needed = [a for a in statement.assumptions if a.formula is not None]
    return derive.cite(statement, *(derive.assume(a.label) for a in needed))


def the_rate(derive):
    """d/dt ||G_r|| = (ξ/ω) δ."""
    return derive.apply("part", cite(derive, theorem), data=(0,), text="the rate of ||G_r||")


def not_negative_inverse(inner, of_w, inverted):
    """0 <= 1/ω."""
    by = [Use(0, inverse["r"] * inverse["r"], (), ()), Use(1, -inverse["r"], (), ())]
    return inner.at_most("1/ω is not negative", nothing, inverse["r"], (of_w, inverted), by)


def bounded(derive, from_below, sign):
    """Both bounds; sign: 1 where the norm grows, -1 where it falls. ``from_below`` is equation 12."""
    exact = the_rate(derive)
    moves = derive.assume("d/dt >= 0" if sign > 0 else "d/dt <= 0")
    turn = derive.apply("norm-rate-meets", exact, moves, text="the sign of the rate")
    from_above = cite(derive, equation_13)
    of_w, nonzero = parts(derive, derive.assume("‖w‖")), parts(derive, derive.assume("x ≠ 0"))
    facts = (turn, from_below, from_above, of_w[0], nonzero[1], nonzero[2])
    signed = mark * delta * sign

    def prepare(inner, turn, of_w, inverted, positive):
        turned = inner.at_most(
            "times ω",
            zero(("r", COLUMNS)),
            xi["r"] * signed,
            (turn, of_w, inverted),
            [Use(0, omega["r"], (), ()), Use(2, -xi["r"] * signed, (), ())],
        )
        goal = Inequality(nothing, "<=", signed)
        sure = inner.apply("cancel", positive, turned, data=(xi["r"], goal), text="the sign of δ")
        divided = not_negative_inverse(inner, of_w, inverted)
        return sure, divided

    def low(inner, turn, below, above, of_w, inverted, positive):
        sure, divided = prepare(inner, turn, of_w, inverted, positive)
        gap = inner.apply("product-of-signs", below, sure, text="equation 12 times δ")
        left, right = (mark * lower["r"] * cosine["r"] * delta, mark * rate)[:: 1 if sign > 0 else -1]
        inner.at_most(
            "divided by ω",
            left,
            right,
            (gap, divided, inverted),
            [Use(0, inverse["r"], (), ()), Use(2, lower["r"] * cosine["r"] * signed, (), ())],
        )

    def high(inner, turn, below, above, of_w, inverted, positive):
        sure, divided = prepare(inner, turn, of_w, inverted, positive)
        gap = inner.apply("product-of-signs", above, sure, text="equation 13 times δ")
        left, right = (mark * rate, mark * upper["r"] * delta)[:: 1 if sign > 0 else -1]
        inner.at_most(
            "divided by ω",
            left,
            right,
            (gap, divided, inverted),
            [Use(0, inverse["r"], (), ()), Use(2, -upper["r"] * signed, (), ())],
        )

    below = at_time(derive, flow, facts, low, "from below")
    above = at_time(derive, flow, facts, high, "from above")
    first, second = (below, above)[::sign]
    goals = derive.statement.claim.claims
    derive.both(
        derive.apply("norm-rate-compared", exact, first, data=(goals[0],), text="from below"),
        derive.apply("norm-rate-compared", exact, second, data=(goals[1],), text="from above"),
    )


@proof(part_i)
def growing(derive):
    bounded(derive, cite(derive, equation_12), 1)


@proof(part_ii)
def falling(derive):
    bounded(derive, cite(derive, equation_12), -1)


# -- controls of both parts --------------------------------------------------------------------------------------------


def without(*labels):
    """The assumptions of part i without some."""
    return tuple(a for a in part_i.assumptions if a.label not in labels)


def only_low(low):
    """low <= d/dt ||G_r||."""
    return NormRate(square_core, ">=", mark * low, flow, mark)


def only_high(high, *, factor=mark):
    """d/dt ||G_r|| <= high."""
    return NormRate(square_core, "<=", mark * high, flow, factor)


def one_by_one(*, norm=2, matrix=2, gradient=-1):
    """Everything 1x1, k = 1."""
    made = numbers(norm, norm, norm, matrices=(matrix,), gradient=gradient)
    return marked(deep(made, (1,), norm=abs(matrix)), 1)


@control(part_i, breaks="right singular vector")
def left_singular_vector():
    """The left singular vector."""
    left = marked(deep(of_size_five(), (1, 0), (1, 0), norm=16), 1, 1)
    return replace(part_i, assumptions=with_left(part_i.assumptions)), Witness(left)


@control(part_i, breaks="matrix balance")
def unbalanced_matrices():
    """Without matrix balance."""
    crossed = one_column(5, 0, matrices=((3, 0, 0, 4), (4, 0, 0, 3)), norm=5)
    return only_low(LOW), Witness(marked(deep(crossed, (1, 0), norm=12), 1))


@control(part_i, breaks="sqrt(d)")
def without_the_dimension():
    """||G_r||^k α_r δ_r from below."""
    wide = marked(deep(one_column(5, 0, matrices=((4, 0, 0, 3),), norm=5), (1, 0), norm=4), 1)
    low = upper["r"] * cosine["r"] * delta
    return replace(part_i, assumptions=without(ROOT_POWER.label), claim=only_low(low)), Witness(wide)


@control(part_i, breaks="sqrt(d)")
def the_dimension_from_above_too():
    """(||G_r|| / sqrt(d))^k δ_r from above."""
    along = deep(of_size_five((0, 5), gradient=(-1, 0, 0, 0)), (0, 1), (0, 1), norm=16)
    return only_high(lower["r"] * delta), Witness(marked(along, 1, 1))


@control(part_i, breaks="exponent k from above")
def one_power_less_from_above():
    """||G_r||^(k-1) δ_r from above."""
    return only_high(HIGH, factor=mark * omega["r"]), Witness(one_by_one())


@control(part_i, breaks="exponent k from above")
def one_power_more_from_above():
    """||G_r||^(k+1) δ_r from above."""
    half = Fraction(1, 2)
    return only_high(omega["r"] * HIGH), Witness(one_by_one(norm=half, matrix=half))


@control(part_i, breaks="exponent k from below")
def one_power_more_from_below():
    """(||G_r|| / sqrt(d))^(k+1) α_r δ_r from below."""
    return only_low(omega["r"] * LOW), Witness(one_by_one())


@control(part_i, breaks="exponent k from below")
def one_power_less_from_below():
    """(||G_r|| / sqrt(d))^(k-1) α_r δ_r from below."""
    half = Fraction(1, 2)
    claim = NormRate(square_core, ">=", mark * LOW, flow, mark * omega["r"])
    return claim, Witness(one_by_one(norm=half, matrix=half))


@control(part_i, breaks="α")
def without_the_cosine():
    """(||G_r|| / sqrt(d))^k δ_r from below."""
    return only_low(lower["r"] * delta), Witness(GROWING)


@control(part_i, breaks="norm balance")
def larger_matrices():
    """Without ε(0) = 0."""
    return only_high(HIGH), Witness(one_by_one(matrix=3))


@control(part_i, breaks="d/dt >= 0")
def falling_norms():
    """Also where the norm falls."""
    return None, Witness(FALLING)


def at_depth_zero(derive):
    """Equation 12 at k = 0."""
    bounded(derive, without_matrices(derive), 1)


@control(
    part_i,
    breaks="k >= 1",
    expected="finding",
    reason="at k = 0 the bounds read α_r δ_r <= d/dt ||G_r|| <= δ_r, which is true",
    survives=at_depth_zero,
)
def no_matrix():
    """k = 0."""
    assumptions = tuple(NO_MATRIX if a is DEEP else a for a in part_i.assumptions)
    flat = marked(deep(numbers(2, 2, 2, gradient=-1), (1,), norm=1), 1)
    return replace(part_i, assumptions=assumptions, example=flat)


@control(part_ii, breaks="reversed")
def not_reversed():
    """The bounds of part i where the norm falls."""
    return between(LOW, HIGH), Witness(FALLING)


@control(part_ii, breaks="d/dt <= 0")
def growing_norms():
    """Also where the norm grows."""
    return None, Witness(GROWING)


@control(part_ii, breaks="right singular vector")
def left_singular_vector_ii():
    """The left singular vector."""
    left = marked(deep(of_size_five(gradient=(0, 0, 0, 1)), (1, 0), (1, 0), norm=16), 1, 1)
    return replace(part_ii, assumptions=with_left(part_ii.assumptions)), Witness(left)


@control(part_ii, breaks="norm balance")
def larger_matrices_ii():
    """Without ε(0) = 0."""
    return None, Witness(one_by_one(matrix=3, gradient=1))


@control(part_ii, breaks="matrix balance")
def unbalanced_matrices_ii():
    """Without matrix balance."""
    crossed = one_column(5, 0, matrices=((3, 0, 0, 4), (4, 0, 0, 3)), norm=5, gradient=(1,))
    return None, Witness(marked(deep(crossed, (1, 0), norm=12), 1))


@control(part_ii, breaks="sqrt(d)")
def without_the_dimension_ii():
    """||G_r||^k α_r δ_r from above."""
    wide = marked(deep(one_column(5, 0, matrices=((4, 0, 0, 3),), norm=5, gradient=(1,)), (1, 0), norm=4), 1)
    assumptions = tuple(a for a in part_ii.assumptions if a is not ROOT_POWER)
    return replace(part_ii, assumptions=assumptions, claim=only_high(upper["r"] * cosine["r"] * delta)), Witness(wide)


@control(part_ii, breaks="exponent k from below")
def one_power_less_ii():
    """||G_r||^(k-1) δ_r from below."""
    return NormRate(square_core, ">=", mark * HIGH, flow, mark * omega["r"]), Witness(one_by_one(gradient=1))


@control(part_ii, breaks="exponent k from above")
def one_power_more_ii():
    """(||G_r|| / sqrt(d))^(k+1) α_r δ_r from above."""
    return only_high(omega["r"] * LOW), Witness(one_by_one(gradient=1))


@control(part_ii, breaks="α")
def without_the_cosine_ii():
    """(||G_r|| / sqrt(d))^k δ_r from above."""
    return only_high(lower["r"] * delta), Witness(FALLING)


# -- as printed --------------------------------------------------------------------------------------------------------

printed = replace(
    part_i,
    label="HKA24-Cor4.4i/printed",
    title=f"{part_i.title}, α_r with the left singular vector",
    assumptions=with_left(part_i.assumptions),
    expected="REFUTED",
    deviations=theorem.deviations,
)


@refuted(printed)
def matrices_that_turn(run):
    """A_1 A_2 sends e_1 to -9 e_2 and e_2 to 16 e_1: the vector lies along the left singular vector of 16."""
    return Witness(marked(deep(of_size_five(), (1, 0), (1, 0), norm=16), 1, 1))


printed_ii = replace(
    part_ii,
    label="HKA24-Cor4.4ii/printed",
    title=f"{part_ii.title}, α_r with the left singular vector",
    assumptions=with_left(part_ii.assumptions),
    expected="REFUTED",
    deviations=theorem.deviations,
)


@refuted(printed_ii)
def matrices_that_turn_back(run):
    return Witness(marked(deep(of_size_five(gradient=(0, 0, 0, 1)), (1, 0), (1, 0), norm=16), 1, 1))


# -- one matrix --------------------------------------------------------------------------------------------------------

ONE_MATRIX = Assumption("k = 1", "mode m has one matrix", Exactly(FACTORS, 1))
SIGNED = Assumption("χ", "χ_r is 1 for columns whose norm does not fall, -1 for those whose norm does not grow")
one_matrix = replace(
    part_i,
    id="HKA24-Cor4.4k1",
    label="HKA24-Cor4.4k1",
    kind="remark",
    title="For k = 1 the inequalities of parts i and ii hold without matrix balance",
    source=Source("HKA24", "Section 4.2, after Corollary 4.4"),
    assumptions=tuple(
        {DEEP: ONE_MATRIX, MARKED: SIGNED}.get(a, a) for a in part_i.assumptions if a is not MATRIX_BALANCE
    ),
    scope="all orders, shapes, losses, k = 1 in the mode; all times at which all x_r^n are nonzero",
    example=one_by_one(),
    deviations=(*theorem.deviations, DEVIATIONS[-2], "χ = 1 says part i, χ = -1 says part ii"),
)


@proof(one_matrix)
def without_a_step(derive):
    bounded(derive, lower_bound(derive, (derive.assume("k = 1"),), None), 1)


TWO_MATRICES = Assumption("k = 1", "mode m has two matrices", Exactly(FACTORS, 2))


@control(one_matrix, breaks="k = 1 to 2")
def two_unbalanced_matrices():
    """k = 2 without matrix balance."""
    crossed = one_column(5, 0, matrices=((3, 0, 0, 4), (4, 0, 0, 3)), norm=5)
    assumptions = tuple(TWO_MATRICES if a is ONE_MATRIX else a for a in one_matrix.assumptions)
    return replace(one_matrix, assumptions=assumptions), Witness(marked(deep(crossed, (1, 0), norm=12), 1))


@control(
    one_matrix,
    breaks="k = 1 to 0",
    expected="finding",
    reason="at k = 0 the bounds read α_r δ_r <= d/dt ||G_r|| <= δ_r, which is true",
    survives=at_depth_zero,
)
def no_matrix_at_all():
    """k = 0."""
    assumptions = tuple(NO_MATRIX if a is ONE_MATRIX else a for a in one_matrix.assumptions)
    flat = marked(deep(numbers(2, 2, 2, gradient=-1), (1,), norm=1), 1)
    return replace(one_matrix, assumptions=assumptions, example=flat)


@control(one_matrix, breaks="norm balance")
def a_larger_matrix():
    """Without ε(0) = 0."""
    return None, Witness(one_by_one(matrix=3))


one_matrix_letters = (
    any_numbers(one_matrix, "any_power", ROOT_POWER, **{"(ω²/d)^(k/2)": 100}),
    any_numbers(one_matrix, "any_singular_vector", SINGULAR, **{"v": 3, "α": 3}),
    any_numbers(one_matrix, "any_cosine", COSINE, α=100),
)


@control(one_matrix, breaks="d/dt >= 0")
def any_sign_of_the_rate():
    """Columns with χ = 1 whose norm falls."""
    stretched = one_column(13, 0, 0, 0, matrices=((12, *(0,) * 4, 5, *(0,) * 10),), norm=13, gradient=(1, 0, 0, 0))
    return None, Witness(marked(deep(stretched, (1, 0, 0, 0), norm=12), 1))


# 12 e_1 e_2^T + 5 e_2 e_1^T in dimension 4: the vector 13 e_1 lies along the left singular vector of 12.
TURN_FOUR = (0, 12, 0, 0, 5, *(0,) * 11)
TURNED = one_column(13, 0, 0, 0, matrices=(TURN_FOUR,), norm=13, gradient=(0, -1, 0, 0))
TURNED = marked(deep(TURNED, (1, 0, 0, 0), norm=12), 1)

printed_one_matrix = replace(
    one_matrix,
    label="HKA24-Cor4.4k1/printed",
    title=f"{one_matrix.title}, α_r with the left singular vector",
    assumptions=with_left(one_matrix.assumptions),
    expected="REFUTED",
    deviations=theorem.deviations,
)


@refuted(printed_one_matrix)
def a_matrix_that_turns(run):
    return Witness(TURNED)


# -- part iii ----------------------------------------------------------------------------------------------------------

supremum = Tensor("M", (COLUMNS,))
UP_TO_ONE = Assumption(
    "product at most 1",
    "the product of ||x_{r_n}^n|| over the modes n other than m is at most 1",
    Inequality(zeta["q"], "<=", constant(1, ("q", REST))),
)
SUPREMUM = Assumption(
    "M",
    "M_r is the supremum over [0, T] of (sum' Δ^2)^(1/2), so at least its value at the time",
    All(
        (
            *not_negative(supremum["r"]),
            Inequality((alignment["r", "q"] * alignment["r", "q"]).sum("q"), "<=", supremum["r"] * supremum["r"]),
        )
    ),
)
WITHIN_M = All(
    (
        Inequality(-(supremum["r"] * omega["r"]), "<=", delta),
        Inequality(delta, "<=", supremum["r"] * omega["r"]),
    )
)


def with_supremum(instance, *values):
    """The instance with the numbers M_r."""
    made = state(instance)
    return replace(made, letters=(*made.letters, ("M", array((len(values),), *values))))


def rows(core_shape, entries, first, second):
    """Order 2, dimensions 1, no matrices: the core, and the vectors of both modes as numbers."""
    blocks = (
        ("G", array(core_shape, *entries)),
        ("w[1]", array((core_shape[0], 1), *first)),
        ("w[2]", array((core_shape[1], 1), *second)),
    )
    sizes = (("N", 2), ("d", (1, 1)), ("R", core_shape), ("k", (0, 0)))
    return Instance(sizes, (("m", 1),), blocks, array((1, 1), -1))


EVEN = with_supremum(numbers(1, 1, 1, gradient=-1), 1)
part_iii = Statement(
    id="HKA24-Cor4.4iii",
    label="HKA24-Cor4.4iii",
    kind="corollary",
    title="If the product of ||x|| over the other modes is at most 1: |δ_r| <= M_r ||G_r||",
    source=Source("HKA24", "Corollary 4.4, part iii"),
    assumptions=(LOSS, PLAIN, NORM_BALANCE, *LETTERS, UP_TO_ONE, SUPREMUM),
    claim=AtTime(WITHIN_M, flow),
    scope="all orders, shapes, depths k >= 0, losses; all times up to T at which Δ is defined",
    example=EVEN,
    deviations=(*theorem.deviations, "of the supremum only that it is an upper bound at the time is used"),
)


def both_signs(inner, square, balance, rest_positive, small, positive, bound, of_w):
    """δ^2 <= ||G||^2 sum (ζ Δ)^2 <= ω^2 M^2 (Cauchy and Schwarz), and roots of both sides."""
    weighted = zeta["q"] * alignment["r", "q"]
    wedge = core["r", "q"] * weighted.rename({"q": "s"}) - core["r", "s"] * weighted
    whole = supremum["r"] * omega["r"]
    lengths = square_core * (weighted * weighted).sum("q")
    cauchy = inner.at_most("Cauchy and Schwarz", delta * delta * 2, lengths * 2, by=[Square(wedge, ("q", "s"))])
    twice = alignment["r", "q"] * alignment["r", "q"] * omega["r"] * omega["r"]
    lengths = (weighted * weighted).sum("q")
    squares = inner.at_most(
        "products at most 1",
        delta * delta,
        whole * whole,
        (cauchy, bound, small, rest_positive, square, balance),
        [
            Use(0, ones * Fraction(1, 2), (), ()),
            Use(1, omega["r"] * omega["r"], (), ()),
            Use(2, twice * (constant(1, ("q", REST)) + zeta["q"]), (), ("q",)),
            Use(4, lengths, (), ()),
            Use(5, lengths, (), ()),
        ],
    )
    not_below = inner.at_most("not negative", nothing, whole, (positive, of_w), [Use(0, omega["r"], (), ())])
    low, high = WITHIN_M.claims
    turned = Inequality(-delta, "<=", whole)
    above = inner.apply("square-root", not_below, squares, data=(high,), text="the root")
    below = inner.apply("square-root", not_below, squares, data=(turned,), text="the root, with the other sign")
    below = inner.at_most("turned", low.lhs, low.rhs, (below,), [Use(0, ones, (), ())])
    inner.both(below, above)


@proof(part_iii)
def by_cauchy_and_schwarz(derive):
    of_w, square = parts(derive, derive.assume("‖w‖"))
    rest_positive = parts(derive, derive.assume("‖x‖ of the other modes"))[0]
    positive, bound = parts(derive, derive.assume("M"))
    facts = (square, balanced_core(derive), rest_positive, derive.assume("product at most 1"), positive, bound, of_w)
    at_time(derive, flow, facts, both_signs, "δ^2 <= M^2 ||G_r||^2")


@control(part_iii, breaks="product at most 1")
def large_products():
    """Without the bound on the product."""
    return None, Witness(with_supremum(numbers(2, 2, 2, gradient=-1), 1))


TURN = rows((2, 2), (Fraction(3, 5), Fraction(4, 5), Fraction(-4, 5), Fraction(3, 5)), (1, 1), (1, 1))


@control(part_iii, breaks="M is a sum")
def largest_alignment():
    """M is the largest |Δ| in place of the square root of the sum of squares."""
    each = Inequality(
        alignment["r", "q"] * alignment["r", "q"], "<=", supremum["r"] * supremum["r"] * constant(1, ("q", REST))
    )
    largest = Assumption("M", "M is at least every |Δ|", All((*not_negative(supremum["r"]), each)))
    varied = replace(part_iii, assumptions=(*part_iii.assumptions[:-1], largest))
    return varied, Witness(with_supremum(TURN, 1, 1))


HALVES = rows((4, 1), (Fraction(1, 2),) * 4, (Fraction(1, 2),) * 4, (1,))
ONES = rows((1, 4), (1,) * 4, (2,), (1,) * 4)


@control(part_iii, breaks="exponent 1 of ||G_r||")
def squared_norm_of_the_slice():
    """M_r ||G_r||^2."""
    claim = AtTime(Inequality(delta, "<=", supremum["r"] * omega["r"] * omega["r"]), flow)
    return claim, Witness(with_supremum(HALVES, 1, 1, 1, 1))


@control(part_iii, breaks="exponent 1 of ||G_r||")
def no_norm_of_the_slice():
    """M_r alone."""
    return AtTime(Inequality(delta, "<=", supremum["r"]), flow), Witness(with_supremum(ONES, 2))


@control(part_iii, breaks="norm balance")
def unbalanced_core():
    """Without ε(0) = 0, with ||w_r|| for ||G_r||."""
    return None, Witness(with_supremum(numbers(2, 1, 1, gradient=-1), 1))


HALF = Fraction(1, 2)
any_norm_of_w = any_numbers(part_iii, "any_norm_of_w", OF_W, ω=HALF)
any_norms_of_the_others = any_numbers(part_iii, "any_norms_of_the_others", OF_OTHERS, ζ=-2, Δ=-HALF, M=HALF)
any_supremum = any_numbers(part_iii, "any_supremum", SUPREMUM, M=0)
any_norm_of_x, any_alignment = (
    any_numbers(
        part_iii,
        name,
        letter,
        reason="of the alignments Δ only their bound M is used",
        survives=by_cauchy_and_schwarz.build,
    )
    for name, letter in (("any_norm_of_x", OF_X), ("any_alignment", ALIGNMENT))
)


# -- section 4.2 -------------------------------------------------------------------------------------------------------

growth = supremum["r"] * upper["r"] * omega["r"]
structured_sparsity = Statement(
    id="HKA24-Text4.2",
    label="HKA24-Text4.2",
    kind="claim",
    title="If the product of ||x|| over the other modes is at most 1: |d/dt ||G_r||| <= M_r ||G_r||^(k+1)",
    source=Source("HKA24", "Section 4.2"),
    assumptions=(LOSS, PLAIN, NORM_BALANCE, *LETTERS, NONZERO, POWER, UP_TO_ONE, SUPREMUM),
    claim=All((NormRate(square_core, "<=", growth, flow), NormRate(square_core, ">=", -growth, flow))),
    scope="all orders, shapes, depths k >= 0, losses; all times up to T at which all x_r^n are nonzero",
    example=replace(EVEN, letters=(*EVEN.letters, ("ω^k", array((1,), 1)))),
    deviations=(
        *part_iii.deviations,
        "the text is prose: this is what Theorem 4.3, equation 13 and Corollary 4.4 iii say of the exponents; that "
        "large slices grow fast and others stay small, more so in deeper modes, is not part of the claim",
        "the same holds of ||w_r|| and ||A_i||, which are the same functions of time (equation 3)",
    ),
)


@proof(structured_sparsity)
def by_part_iii(derive):
    exact, within, above = the_rate(derive), cite(derive, part_iii), cite(derive, equation_13)
    of_w, nonzero = parts(derive, derive.assume("‖w‖")), parts(derive, derive.assume("x ≠ 0"))
    of_x, of_m = parts(derive, derive.assume("‖x‖")), parts(derive, derive.assume("M"))
    facts = (within, above, of_w[0], nonzero[1], of_x[0], of_m[0])

    def bound(sign):
        def compare(inner, within, above, of_w, inverted, of_x, of_m):
            low, high = parts(inner, within)
            divided = not_negative_inverse(inner, of_w, inverted)
            pair = (rate, growth) if sign > 0 else (-growth, rate)
            inner.at_most(
                "from δ and ||x||",
                *pair,
                (high if sign > 0 else low, above, divided, of_x, of_m, inverted),
                [
                    Use(0, inverse["r"] * xi["r"], (), ()),
                    Use(1, supremum["r"], (), ()),
                    Use(5, -xi["r"] * supremum["r"], (), ()),
                ],
            )

        return at_time(derive, flow, facts, compare, "the bound" if sign > 0 else "the bound from below")

    goals = structured_sparsity.claim.claims
    derive.both(
        *(
            derive.apply("norm-rate-compared", exact, bound(sign), data=(goal,), text="compared")
            for sign, goal in zip((1, -1), goals, strict=True)
        )
    )


def with_power(instance, values, *powers):
    """The instance with M_r and with ω^k."""
    made = with_supremum(instance, *values)
    return replace(made, letters=(*made.letters, ("ω^k", array((len(powers),), *powers))))


@control(structured_sparsity, breaks="exponent k + 1")
def one_power_more():
    """Exponent k + 2."""
    claim = NormRate(square_core, "<=", growth * omega["r"], flow)
    return claim, Witness(with_power(HALVES, (1, 1, 1, 1), 1, 1, 1, 1))


@control(structured_sparsity, breaks="exponent k + 1")
def one_power_less():
    """Exponent k."""
    claim = NormRate(square_core, "<=", supremum["r"] * upper["r"], flow)
    return claim, Witness(with_power(ONES, (2,), 1))


@control(structured_sparsity, breaks="product at most 1")
def large_products_of_norms():
    """Without the bound on the product."""
    return None, Witness(with_power(numbers(2, 2, 2, gradient=-1), (1,), 1))


@control(structured_sparsity, breaks="norm balance")
def unbalanced_start():
    """Without ε(0) = 0."""
    return NormRate(square_core, "<=", growth, flow), Witness(
        with_power(numbers(1, 1, 1, matrices=(2,), gradient=-1), (1,), 1)
    )
