"""How long the columns x_r^m = A_1 ... A_k w_r^m are (HKA24 equations 12 and 13).

From above: ||A_i y|| <= ||A_i||_F ||y||, one factor at a time: ||x_r|| <= ||G_r||^k ||w_r|| where ε(0) = 0. From below,
 where adjacent matrices are balanced as well: with c = ||G_r||^2 / d, induction on the number j of factors shows
c ||Z_j||^2 <= ||E^T Z_j||^2 and d c^j <= ||Z_j||^2 for the product Z_j of the last j factors and the first of these, E.
So the largest singular value s of A = Z_k has s^2 >= ||A||_F^2 / d >= c^k; and for a right singular vector v of s,
||A w||^2 - s^2 <v, w>^2 = ||A (w - <v, w> v)||^2 >= 0.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    All,
    Assumption,
    AtLeast,
    Identity,
    Inequality,
    Instance,
    Source,
    SpectralNorm,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    identity,
    proof,
    zero,
)
from theorytest.derive.moment import along_chain, at_time, parts
from theorytest.kernel.claim import AtTime, Exactly, Iteration
from theorytest.kernel.rules import Square, Use
from theorytest.models.quantities import rational_root

from .flow_equations import LOSS, MATRIX_BALANCE, PLAIN, chain, equation_9, flow, w, x
from .lemma_4_1 import part_ii
from .norm_balance import NORM_BALANCE, any_numbers, array, numbers
from .theorem_4_3 import COLUMNS, OF_W, OF_X, not_negative, omega, safe, square_w, square_x, state, xi

ROWS = chain.sizes[-1]
FACTORS = "k[m]"
one = constant(1)
ones = constant(1, ("r", COLUMNS))
dimension = constant(1, ("_n", ROWS)).sum("_n")  # d_m, as a number

upper, lower, lower_square, mean, largest, cosine = (
    Tensor(name, (COLUMNS,)) for name in ("ω^k", "(ω²/d)^(k/2)", "(ω²/d)^k", "ω²/d", "s", "α")
)
vector = Tensor("v", (COLUMNS, ROWS))

POWER = Assumption(
    "‖G‖^k", "ω^k is the k-th power of ω", Iteration(upper, ("r",), ones, upper["r"] * omega["r"], FACTORS)
)
ROOT_POWER = Assumption(
    "(‖G‖/√d)^k",
    "(ω/√d)^k is the k-th power of ω/√d: the nonnegative square root of the k-th power of ω²/d",
    All(
        (
            Identity(dimension * mean["r"], omega["r"] * omega["r"]),
            *not_negative(mean["r"], lower["r"]),
            Iteration(lower_square, ("r",), ones, lower_square["r"] * mean["r"], FACTORS),
            Identity(lower["r"] * lower["r"], lower_square["r"]),
        )
    ),
)
product = (vector["r", "c"] * w["r", "c"]).sum("c")  # <v, w_r>
SINGULAR = Assumption(
    "v_1",
    "v_r is a unit right singular vector of A^{m,r} for its largest singular value s_r",
    All(
        (
            SpectralNorm(chain, largest),
            Identity(
                (chain["r", "i", "c"] * chain["r", "i", "e"] * vector["r", "e"]).sum("i", "e"),
                largest["r"] * largest["r"] * vector["r", "c"],
            ),
            Identity((vector["r", "c"] * vector["r", "c"]).sum("c"), ones),
        )
    ),
)
COSINE = Assumption(
    "α",
    "α_r = |<v_r, ŵ_r>|",
    All((*not_negative(cosine["r"]), Identity(cosine["r"] * cosine["r"] * omega["r"] * omega["r"], product * product))),
)
DEEP = Assumption("k >= 1", "mode m has at least one matrix", AtLeast(FACTORS, 1))
SCOPE = "all orders, shapes, losses; all times"


# -- instances ---------------------------------------------------------------------------------------------------------


def deep(instance, *vectors, norm):
    """The state with all letters: powers of norms (rational ones), the vectors v_r and the spectral norm s."""
    made = state(instance)
    letters, sizes = dict(made.letters), dict(made.sizes)
    d, k = sizes["d"][0], sizes["k"][0]
    norms = letters["ω"].entries
    rows = [dict(made.blocks)["w[1]"].entries[r * d : (r + 1) * d] for r in range(len(norms))]
    cosines = [abs(sum(a * b for a, b in zip(v, row, strict=True))) for v, row in zip(vectors, rows, strict=True)]
    roots = [rational_root((x**2 / d) ** k) for x in norms]
    lists = {
        upper: [x**k for x in norms],
        mean: [x**2 / d for x in norms],
        lower_square: [(x**2 / d) ** k for x in norms],
        largest: [norm] * len(norms),
        cosine: [safe(a, x) for a, x in zip(cosines, norms, strict=True)],
    }
    if None not in roots:
        lists[lower] = roots
    more = [(tensor.name, array((len(norms),), *values)) for tensor, values in lists.items()]
    more.append((vector.name, array((len(norms), d), *(x for v in vectors for x in v))))
    return replace(made, letters=(*made.letters, *more))


def of_size_five(first=(5, 0), *, matrices=((4, 0, 0, 3), (0, 4, -3, 0)), gradient=(0, 0, 0, -1)):
    """Two modes of dimension 2; G = 5 I, every vector and every matrix the same, all of norm 5."""
    blocks = [("G", array((2, 2), 5, 0, 0, 5))]
    for n in (1, 2):
        blocks += [(f"A[{n},{k}]", array((2, 2, 2), *a, *a)) for k, a in enumerate(matrices, 1)]
    blocks += [(f"w[{n}]", array((2, 2), *first, *first)) for n in (1, 2)]
    sizes = (("N", 2), ("d", (2, 2)), ("R", (2, 2)), ("k", (len(matrices), len(matrices))))
    return Instance(sizes, (("m", 1),), tuple(blocks), array((2, 2), *gradient))


def one_column(*first, matrices, norm, gradient=(-1,)):
    """Mode 1 of any dimension, mode 2 of dimension 1, one column each; core and vector of mode 2 are ``norm``."""
    d = len(first)
    blocks = [("G", array((1, 1), norm))]
    blocks += [(f"A[1,{k}]", array((1, d, d), *a)) for k, a in enumerate(matrices, 1)]
    blocks += [("w[1]", array((1, d), *first)), ("w[2]", array((1, 1), norm))]
    sizes = (("N", 2), ("d", (d, 1)), ("R", (1, 1)), ("k", (len(matrices), 0)))
    return Instance(sizes, (("m", 1),), tuple(blocks), array((d, 1), *gradient))


RIGHT = deep(of_size_five(), (0, 1), (0, 1), norm=16)  # v_1 = e_2
SMALL = deep(numbers(2, 2, 2, matrices=(2,), gradient=-1), (1,), norm=2)


# -- from above --------------------------------------------------------------------------------------------------------

image = (Tensor("Product", (COLUMNS, "#j", ROWS))["r", "p", "_q"] * w["r", "_q"]).sum("_q")
FROM_ABOVE = (
    Inequality((image * image).sum("p"), "<=", upper["r"] * upper["r"] * square_w),
    *not_negative(upper["r"]),
)
WITHIN = Inequality(xi["r"], "<=", upper["r"] * omega["r"])

equation_13 = Statement(
    id="HKA24-Eq13",
    label="HKA24-Eq13",
    kind="lemma",
    title="||x_r|| <= ||G_r||^k ||w_r||",
    source=Source("HKA24", "equation 13"),
    assumptions=(LOSS, PLAIN, NORM_BALANCE, OF_W, OF_X, POWER),
    claim=AtTime(WITHIN, flow),
    scope=SCOPE,
    example=SMALL,
    deviations=("stated on the interval of existence", "no matrix balance is needed, and k may be 0"),
)


def start_from_above(inner, given, goals):
    inner.at_most("the same vector", goals[0].lhs, goals[0].rhs)
    inner.at_most("1 is a square", goals[1].lhs, goals[1].rhs, by=[Square(ones, ())])


def one_more_factor(inner, given, goals):
    """||N y||^2 <= ||N||_F^2 ||y||^2 (Cauchy and Schwarz), N the next factor."""
    square, positive, member, bound, power = given
    following = Tensor("Next", (COLUMNS, "#j-1", "#j"))
    wedge = following["r", "p", "a"] * image.rename({"p": "b"}) - following["r", "p", "b"] * image.rename({"p": "a"})
    moved = (following["r", "p", "a"] * image.rename({"p": "a"})).sum("a")
    norm = (following["r", "p", "a"] * following["r", "p", "a"]).sum("p", "a")
    cauchy = inner.at_most(
        "Cauchy and Schwarz",
        (moved * moved).sum("p") * 2,
        norm * (image * image).sum("p") * 2,
        by=[Square(wedge, ("p", "a", "b"))],
    )
    inner.at_most(
        "one more factor",
        goals[0].lhs,
        goals[0].rhs,
        (cauchy, bound, member, square),
        [Use(0, one * Fraction(1, 2), (), ()), Use(1, omega["r"] * omega["r"], (), ())],
    )
    inner.at_most("not negative", goals[1].lhs, goals[1].rhs, (power, positive), [Use(0, omega["r"], (), ())])


def of_matrices(derive):
    """||A_i||^2 = ||w_r||^2 at all times."""
    with_matrices = parts(derive, derive.assume("norm balance"))[1]
    return derive.apply("stays", derive.cite(part_ii), with_matrices, text="matrices and vectors stay balanced")


@proof(equation_13)
def one_factor_at_a_time(derive):
    positive, square = parts(derive, derive.assume("‖w‖"))
    _, size = parts(derive, derive.assume("‖x‖"))
    power = derive.assume("‖G‖^k")
    shown = along_chain(
        derive,
        flow,
        0,
        (square, positive, power, of_matrices(derive)),
        FROM_ABOVE,
        start_from_above,
        one_more_factor,
        "induction on the number of factors",
    )

    def roots(inner, found, positive, square, size):
        bound, power = parts(inner, found)
        whole = upper["r"] * omega["r"]
        both = inner.at_most(
            "the bound, squared", xi["r"] * xi["r"], whole * whole, (bound, size, square), [Use(0, one, (), ())]
        )
        not_below = inner.at_most(
            "not negative", zero(("r", COLUMNS)), whole, (power, positive), [Use(0, omega["r"], (), ())]
        )
        inner.apply("square-root", not_below, both, data=(WITHIN,), text="of both sides")

    at_time(derive, flow, (shown, positive, square, size), roots, "||A w|| <= ||G||^k ||w||")


@control(equation_13, breaks="exponent k")
def one_power_less():
    """||G_r||^(k-1) ||w_r|| for ||G_r||^k ||w_r||: with ||G_r|| = ||w_r||, ||G_r||^k."""
    return AtTime(Inequality(xi["r"], "<=", upper["r"]), flow), Witness(SMALL)


@control(equation_13, breaks="no division by sqrt(d)")
def divided_by_the_dimension():
    """(||G_r|| / sqrt(d))^k ||w_r|| as a bound from above."""
    claim = AtTime(Inequality(xi["r"], "<=", lower["r"] * omega["r"]), flow)
    varied = replace(equation_13, assumptions=(*equation_13.assumptions, ROOT_POWER), claim=claim)
    return varied, Witness(deep(of_size_five((0, 5)), (0, 1), (0, 1), norm=16))


@control(equation_13, breaks="norm balance")
def any_matrices():
    """Without ε(0) = 0."""
    return None, Witness(deep(numbers(2, 2, 2, matrices=(3,)), (1,), norm=3))


equation_13_letters = (
    any_numbers(equation_13, "any_norm_of_w", OF_W, ω=1, **{"ω^k": 1}),
    any_numbers(equation_13, "any_norm_of_x", OF_X, ξ=100),
    any_numbers(equation_13, "any_power", POWER, **{"ω^k": 0}),
)


# -- from below --------------------------------------------------------------------------------------------------------

partial = Tensor("Product", (COLUMNS, "#j", ROWS))["r", "p", "q"]
edge = Tensor("Edge", (COLUMNS, "#j", "#j+1"))
through = (edge["r", "_p", "e"] * partial.rename({"p": "_p"})).sum("_p")  # E^T Z
FROM_BELOW = (
    Inequality(mean["r"] * (partial * partial).sum("p", "q"), "<=", (through * through).sum("e", "q")),
    Inequality(dimension * lower_square["r"], "<=", (partial * partial).sum("p", "q")),
)


def one_factor(inner, given, goals):
    """With one factor E: d c = ||E||^2, and ||E^T E - c I||^2 >= 0."""
    square, average, *_, member = given
    first = Tensor("Edge", (COLUMNS, "#j", ROWS))
    gram = (first["r", "p", "e"] * first["r", "p", "q"]).sum("p")
    off = gram - mean["r"] * identity("e", "q", ROWS)
    facts = (square, average, member)
    by = [Square(off, ("e", "q")), Use(1, mean["r"], (), ())]
    inner.at_most("||E^T E - c I||^2", goals[0].lhs, goals[0].rhs, facts, by)
    inner.at_most("the mean", goals[1].lhs, goals[1].rhs, facts, [Use(1, ones, (), ())])


def one_more_balanced_factor(inner, given, goals):
    """With one more factor N, N^T N = E E^T, and ||E E^T Z - c Z||^2 >= 0."""
    _, _, positive, _, _, balanced, *bounds = given
    back = (edge["r", "p", "_e"] * through.rename({"e": "_e"})).sum("_e")
    off = back - mean["r"] * partial
    facts = (bounds[0], bounds[1], positive, balanced)
    by = [Square(off, ("p", "q")), Use(0, mean["r"], (), ())]
    inner.at_most("||E E^T Z - c Z||^2", goals[0].lhs, goals[0].rhs, facts, by)
    by = [Use(0, ones, (), ()), Use(1, mean["r"], (), ())]
    inner.at_most("one more factor c", goals[1].lhs, goals[1].rhs, facts, by)


def balanced_matrices(derive):
    """A_i^T A_i = A_{i+1} A_{i+1}^T at all times."""
    start = derive.assume("matrix balance")
    return derive.apply("stays", derive.cite(equation_9), start, text="balanced matrices stay balanced")


def below(derive, facts, step=one_more_balanced_factor):
    """d c^k <= ||A||_F^2, from the facts about ω, c, the matrices and the number of factors."""
    return along_chain(derive, flow, 1, facts, FROM_BELOW, one_factor, step, "induction on the number of factors")


ABOVE_ROOT = Inequality(lower["r"] * cosine["r"] * omega["r"], "<=", xi["r"])


def eigenvector(inner, found, norm, eigen, unit, size, aligned, root, positive):
    """ω^k α ω <= ||x||, from d c^k <= ||A||_F^2 and the singular vector."""
    _, product_bound = parts(inner, found) if isinstance(found.claim, All) else (None, found)
    s = largest["r"]
    frobenius = inner.apply("frobenius-by-spectral-norm", norm, data=("r",), text="||A||_F^2 <= d s^2")
    both = inner.at_most(
        "d c^k <= d s^2",
        dimension * lower_square["r"],
        dimension * s * s,
        (product_bound, frobenius),
        [Use(0, ones, (), ()), Use(1, ones, (), ())],
    )
    some = inner.apply("size-positive", data=(ROWS,), text="d >= 1")
    power = Inequality(lower_square["r"], "<=", s * s)
    power = inner.apply("cancel", some, both, data=(dimension, power), text="c^k <= s^2")
    along = (chain["r", "i", "c"] * vector["r", "c"]).sum("c")
    rest = x - product * along
    shadow = inner.at_most(
        "||A (w - <v, w> v)||^2 >= 0", s * s * product * product, square_x, (eigen, unit), [Square(rest, ("i",))]
    )
    whole = lower["r"] * cosine["r"] * omega["r"]
    weight = cosine["r"] * cosine["r"] * omega["r"] * omega["r"]
    squares = inner.at_most(
        "both sides squared",
        whole * whole,
        xi["r"] * xi["r"],
        (shadow, power, root, aligned, size),
        [
            Use(0, ones, (), ()),
            Use(1, weight, (), ()),
            Use(2, -weight, (), ()),
            Use(3, s * s, (), ()),
            Use(4, -ones, (), ()),
        ],
    )
    inner.apply("square-root", positive, squares, data=(ABOVE_ROOT,), text="of both sides")


EQUATION_12 = (LOSS, PLAIN, NORM_BALANCE, MATRIX_BALANCE, DEEP, OF_W, OF_X, ROOT_POWER, SINGULAR, COSINE)
equation_12 = Statement(
    id="HKA24-Eq12",
    label="HKA24-Eq12",
    kind="lemma",
    title="(||G_r|| / sqrt(d))^k |<v_1, w_r>| <= ||x_r||, v_1 a right singular vector of A^{m,r} for its largest value",
    source=Source("HKA24", "equation 12"),
    assumptions=EQUATION_12,
    claim=AtTime(ABOVE_ROOT, flow),
    scope=SCOPE,
    example=RIGHT,
    deviations=("stated on the interval of existence",),
)


def lower_bound(derive, facts, step=one_more_balanced_factor):
    """The proof of equation 12 from the facts about the matrices."""
    _, square = parts(derive, derive.assume("‖w‖"))
    positive, size = parts(derive, derive.assume("‖x‖"))
    average, mean_positive, _, iteration, root = parts(derive, derive.assume("(‖G‖/√d)^k"))
    norm, eigen, unit = parts(derive, derive.assume("v_1"))
    _, aligned = parts(derive, derive.assume("α"))
    given = (square, average, mean_positive, iteration, of_matrices(derive), *facts)
    found = below(derive, given, step)
    return at_time(derive, flow, (found, norm, eigen, unit, size, aligned, root, positive), eigenvector, "from below")


@proof(equation_12)
def by_the_top_singular_vector(derive):
    lower_bound(derive, (balanced_matrices(derive), derive.assume("k >= 1")))


LEFT = replace(
    SINGULAR,
    text="v_r is a unit left singular vector of A^{m,r} for its largest singular value s_r",
    formula=All(
        (
            SpectralNorm(chain, largest),
            Identity(
                (chain["r", "c", "i"] * chain["r", "e", "i"] * vector["r", "e"]).sum("i", "e"),
                largest["r"] * largest["r"] * vector["r", "c"],
            ),
            SINGULAR.formula.claims[2],
        )
    ),
)


def with_left(assumptions):
    """The assumptions with the left singular vector in place of the right one."""
    return tuple(LEFT if a is SINGULAR else a for a in assumptions)


@control(equation_12, breaks="right singular vector")
def left_singular_vector():
    """The left singular vector."""
    left = deep(of_size_five(), (1, 0), (1, 0), norm=16)
    return replace(equation_12, assumptions=with_left(EQUATION_12)), Witness(left)


@control(equation_12, breaks="sqrt(d)")
def without_the_dimension():
    """||G_r||^k |<v_1, w_r>|, not divided by sqrt(d)^k."""
    claim = AtTime(Inequality(upper["r"] * cosine["r"] * omega["r"], "<=", xi["r"]), flow)
    assumptions = tuple(POWER if a is ROOT_POWER else a for a in EQUATION_12)
    witness = deep(one_column(5, 0, matrices=((4, 0, 0, 3),), norm=5, gradient=(1,)), (1, 0), norm=4)
    return replace(equation_12, assumptions=assumptions, claim=claim), Witness(witness)


@control(equation_12, breaks="exponent k")
def one_power_more():
    """One more power of ||G_r||."""
    claim = AtTime(Inequality(omega["r"] * ABOVE_ROOT.lhs, "<=", xi["r"]), flow)
    return replace(equation_12, claim=claim), Witness(SMALL)


@control(equation_12, breaks="matrix balance")
def unbalanced_matrices():
    """Two matrices of equal norm that are not balanced: their product can be 0."""
    unbalanced = one_column(5, 0, matrices=((5, 0, 0, 0), (0, 0, 5, 0)), norm=5)
    return None, Witness(deep(unbalanced, (1, 0), norm=0))


@control(equation_12, breaks="norm balance")
def small_matrices():
    """Without ε(0) = 0."""
    return None, Witness(deep(numbers(2, 2, 2, matrices=(1,)), (1,), norm=1))


TRIPLED = {"ω": 3, "ω²/d": 9, "(ω²/d)^k": 9, "(ω²/d)^(k/2)": 3, "α": Fraction(2, 3)}
equation_12_letters = (
    any_numbers(equation_12, "any_norm_of_w", OF_W, at=SMALL, **TRIPLED),
    any_numbers(equation_12, "any_norm_of_x", OF_X, at=SMALL, ξ=0),
    any_numbers(equation_12, "any_power", ROOT_POWER, at=SMALL, **{"(ω²/d)^(k/2)": 100}),
    any_numbers(equation_12, "any_cosine", COSINE, at=SMALL, α=100),
)


NO_MATRIX = Assumption("k = 0", "mode m has no matrix", Exactly(FACTORS, 0))


def start_from_nothing(inner, given, goals):
    for goal in goals:
        inner.equal("no factor", goal.lhs, goal.rhs)


def without_matrices(derive):
    """At k = 0: x_r = w_r and the power is 1, so that the bound is |<v, w>| <= ||w|| (Cauchy and Schwarz)."""
    positive, size = parts(derive, derive.assume("‖x‖"))
    *_, iteration, root = parts(derive, derive.assume("(‖G‖/√d)^k"))
    unit, aligned = parts(derive, derive.assume("v_1"))[2], parts(derive, derive.assume("α"))[1]
    empty = (Identity(lower_square["r"], ones), Identity((image * image).sum("p"), square_w))
    none = along_chain(derive, flow, 0, (iteration, derive.assume("k = 0")), empty, start_from_nothing, None)

    def compare(inner, none, unit, size, aligned, root, positive):
        power, same = parts(inner, none)
        wedge = vector["r", "a"] * w["r", "b"] - vector["r", "b"] * w["r", "a"]
        lengths = (vector["r", "a"] * vector["r", "a"]).sum("a") * square_w
        cauchy = inner.at_most("Cauchy and Schwarz", product * product * 2, lengths * 2, by=[Square(wedge, ("a", "b"))])
        whole, weight = ABOVE_ROOT.lhs, cosine["r"] * cosine["r"] * omega["r"] * omega["r"]
        squares = inner.at_most(
            "both sides squared",
            whole * whole,
            xi["r"] * xi["r"],
            (cauchy, root, power, aligned, unit, same, size),
            [
                Use(0, ones * Fraction(1, 2), (), ()),
                Use(1, -weight, (), ()),
                Use(2, -weight, (), ()),
                Use(3, -ones, (), ()),
                Use(4, -square_w, (), ()),
                Use(5, -ones, (), ()),
                Use(6, -ones, (), ()),
            ],
        )
        inner.apply("square-root", positive, squares, data=(ABOVE_ROOT,), text="of both sides")

    return at_time(derive, flow, (none, unit, size, aligned, root, positive), compare, "at k = 0")


@control(
    equation_12,
    breaks="k >= 1",
    expected="finding",
    reason="where k = 0 the bound reads |<v_1, w_r>| <= ||w_r||, which is true (Cauchy and Schwarz)",
    survives=without_matrices,
)
def no_matrix():
    """k = 0."""
    assumptions = tuple(NO_MATRIX if a is DEEP else a for a in EQUATION_12)
    return replace(equation_12, assumptions=assumptions, example=deep(numbers(2, 2, 2, gradient=-1), (1,), norm=1))
