"""How fast the norms of core slices and of vectors move in deep Tucker factorization (HKA24 Theorem 4.3).

At a time of the flow, letters stand for norms: ω_r = ||w_r^m||, ξ_r = ||x_r^m|| with x_r^m = A^{m,r} w_r^m, and ζ_q for
the product of ||x_{r_n}^n|| over the other modes, whose indices together are q. Δ_{r,q} is <-grad, x̂_{r_1} (x) ... (x)
x̂_{r_N}> for the unit vectors x̂ = x / ||x||, and δ_r = sum' G ζ Δ. As d/dt ||w_r||^2 = 2 sum' G <-grad, x (x) ...> =
2 ξ_r δ_r (equation 5), the chain rule gives d/dt ||w_r|| = (ξ_r / ω_r) δ_r; where ε(0) = 0, ||G_r|| is the same
function of time.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    DEEP_TUCKER,
    All,
    Assumption,
    Flow,
    Identity,
    Inequality,
    Source,
    Statement,
    Tensor,
    Witness,
    constant,
    control,
    proof,
    zero,
)
from theorytest.derive.moment import at_time, parts
from theorytest.kernel.claim import NormRate, RestProduct
from theorytest.kernel.parameterization import Array
from theorytest.kernel.witness import view
from theorytest.models.quantities import rational_root

from .flow_equations import GROUPED, LOSS, PLAIN, core, flow, others, pairing, w, x
from .lemma_4_1 import part_i, squared_norm
from .norm_balance import NORM_BALANCE, any_numbers, numbers

COLUMNS, REST = core.sizes
omega, xi, inverse = (Tensor(name, (COLUMNS,)) for name in ("ω", "ξ", "ω⁻¹"))
zeta, alignment = Tensor("ζ", (REST,)), Tensor("Δ", (COLUMNS, REST))

square_w, square_core = squared_norm(w), squared_norm(core)
square_x = (x * x).sum("i")
delta = (core["r", "q"] * zeta["q"] * alignment["r", "q"]).sum("q")
rate = inverse["r"] * xi["r"] * delta


def not_negative(*terms):
    """Each of the terms is at least 0."""
    return tuple(Inequality(zero(*term.free), "<=", term) for term in terms)


OF_W = Assumption(
    "‖w‖", "ω_r = ||w_r^m||", All((*not_negative(omega["r"]), Identity(omega["r"] * omega["r"], square_w)))
)
OF_X = Assumption(
    "‖x‖",
    "ξ_r = ||x_r^m||, x_r^m = A^{m,r} w_r^m",
    All((*not_negative(xi["r"]), Identity(xi["r"] * xi["r"], square_x))),
)
OF_OTHERS = Assumption(
    "‖x‖ of the other modes",
    "ζ is the product of ||x_{r_n}^n|| over the modes n other than m",
    All((*not_negative(zeta["q"]), RestProduct(zeta["q"] * zeta["q"], square_x, flow))),
)
ALIGNMENT = Assumption(
    "Δ",
    "Δ = <-grad, x̂_{r_1} (x) ... (x) x̂_{r_N}>, x̂ = x / ||x||",
    Identity(alignment["r", "q"] * xi["r"] * zeta["q"], pairing),
)
NONZERO = Assumption(
    "x ≠ 0",
    "all x_r^n are nonzero, hence all w_r^m",
    All(
        (
            Inequality(zero(("r", COLUMNS)), "<", omega["r"]),
            Identity(inverse["r"] * omega["r"], constant(1, ("r", COLUMNS))),
            Inequality(zero(("r", COLUMNS)), "<", xi["r"]),
            Inequality(zero(("q", REST)), "<", zeta["q"]),
        )
    ),
)


def state(instance):
    """The instance with the norms and alignments of its blocks, for mode 1; all norms must be rational."""
    see = view(flow, instance, {"m": 1})

    def roots(term):
        squares = see.array(term)
        return Array(squares.shape, tuple(rational_root(entry) for entry in squares.entries))

    others_squared = (others["q", "j"] * others["q", "j"]).sum("j")
    norm, size, rest = roots(square_w), roots(square_x), roots(others_squared)
    pair = see.array(pairing)
    columns, rows = norm.shape[0], rest.shape[0]
    places = [(r, q) for r in range(columns) for q in range(rows)]
    # The free indices of the pairing come in the order q, r.
    alignments = [safe(pair[q, r], size[r,] * rest[q,]) for r, q in places]
    letters = (
        ("ω", norm),
        ("ω⁻¹", Array(norm.shape, tuple(safe(1, entry) for entry in norm.entries))),
        ("ξ", size),
        ("ζ", rest),
        ("Δ", Array((columns, rows), tuple(alignments))),
    )
    return replace(instance, letters=(*letters, *instance.letters))


def safe(a, b):
    """a / b, and 0 where b is 0."""
    return Fraction(a) / b if b else Fraction(0)


LETTERS = (OF_W, OF_X, OF_OTHERS, ALIGNMENT)
SCOPE = "all orders, shapes, depths k >= 0, losses; all times at which all x_r^n are nonzero"
DEVIATIONS = (
    *GROUPED,
    "stated on the interval of existence",
    "w_r^m is nonzero where x_r^m is: both are said",
)
EXAMPLE = state(numbers(2, 2, 2, matrices=(2,), gradient=-1))

theorem = Statement(
    id="HKA24-Thm4.3",
    label="HKA24-Thm4.3",
    kind="theorem",
    title="d/dt ||G_r|| = d/dt ||w_r|| = (||x_r|| / ||w_r||) δ_r",
    source=Source("HKA24", "Theorem 4.3"),
    assumptions=(LOSS, PLAIN, NORM_BALANCE, *LETTERS, NONZERO),
    claim=All((NormRate(square_core, "=", rate, flow), NormRate(square_w, "=", rate, flow))),
    scope=SCOPE,
    example=EXAMPLE,
    deviations=DEVIATIONS,
)


def norms(derive, *names):
    """The facts of the named assumptions, as a dictionary."""
    found = {}
    for assumption in (OF_W, OF_X, OF_OTHERS, ALIGNMENT, NONZERO):
        if assumption.label in names:
            found[assumption.label] = parts(derive, derive.assume(assumption.label))
    return found


def balanced_core(derive):
    """||w_r||^2 = ||G_r||^2 at all times."""
    with_core = parts(derive, derive.assume("norm balance"))[0]
    return derive.apply("stays", derive.cite(part_i), with_core, text="slices and vectors stay balanced")


def norm_rate(derive, quantity, of_w, aligned, nonzero, balance=None):
    """d/dt of a norm, from the rate of its square."""
    positive, inverted = nonzero[:2]
    moved = derive.rate(quantity, flow)

    def squares(inner, square, *more):
        inner.equal("the square of the norm", omega["r"] * omega["r"], quantity, (square, *more))

    def same_rate(inner, one, pair):
        inner.equal("2 ||w|| times the rate", omega["r"] * rate * 2, moved.claim.rate, (one, pair))

    balances = () if balance is None else (balance,)
    square = at_time(derive, flow, (of_w[1], *balances), squares, "ω is the norm")
    speed = at_time(derive, flow, (inverted, aligned), same_rate, "2 ω ω' is the derivative of the square")
    return derive.apply(
        "norm-rate", moved, positive, square, speed, data=(omega["r"], rate), text="chain rule for the square root"
    )


@proof(theorem)
def by_the_chain_rule(derive):
    found = norms(derive, "‖w‖", "Δ", "x ≠ 0")
    of_w, (aligned,), nonzero = found["‖w‖"], found["Δ"], found["x ≠ 0"]
    of_core = norm_rate(derive, square_core, of_w, aligned, nonzero, balanced_core(derive))
    of_vectors = norm_rate(derive, square_w, of_w, aligned, nonzero)
    derive.both(of_core, of_vectors)


@control(theorem, breaks="norm balance")
def unbalanced_slices():
    """d/dt ||G_r|| without ε(0) = 0."""
    return NormRate(square_core, "=", rate, flow), Witness(state(numbers(1, 2, 1)))


@control(
    theorem,
    breaks="norm balance",
    expected="finding",
    reason="the rate of ||w_r|| is that of equation 5: it needs no balance",
    survives=lambda derive: of_vectors_alone(derive),
)
def unbalanced_vectors():
    """d/dt ||w_r|| without ε(0) = 0."""
    return NormRate(square_w, "=", rate, flow)


def of_vectors_alone(derive):
    """The rate of ||w_r||, from its definition."""
    found = norms(derive, "‖w‖", "Δ", "x ≠ 0")
    norm_rate(derive, square_w, found["‖w‖"], found["Δ"][0], found["x ≠ 0"])


@control(theorem, breaks="1/||w_r||")
def without_the_norm_of_the_vector():
    """||x_r|| δ_r, not divided by ||w_r||."""
    return NormRate(square_w, "=", xi["r"] * delta, flow), Witness(EXAMPLE)


@control(theorem, breaks="||x_r||")
def without_the_norm_of_the_column():
    """δ_r / ||w_r||."""
    return NormRate(square_core, "=", inverse["r"] * delta, flow), Witness(EXAMPLE)


@control(theorem, breaks="the product over the other modes")
def the_mode_itself_in_the_product():
    """The product of ||x_{r_n}^n|| over all modes, m as well, in δ_r."""
    return NormRate(square_core, "=", rate * xi["r"], flow), Witness(EXAMPLE)


@control(theorem, breaks="flow")
def vectors_at_twice_the_speed():
    """The vectors learn at twice the speed."""
    fast = Flow(DEEP_TUCKER, flow.focus, speeds=((w.name, Fraction(2)),))
    return NormRate(square_w, "=", rate, fast), Witness(EXAMPLE)


ONLY_THIS = Assumption("x ≠ 0", "the x_r^m of the mode m alone are nonzero", All(NONZERO.formula.claims[:3]))


@control(
    theorem,
    breaks="all x_r^n are nonzero",
    expected="finding",
    reason="where ζ_q = 0 the product with Δ is 0 whatever Δ is taken to be",
    survives=lambda derive: by_the_chain_rule.build(derive),
)
def only_the_mode_itself():
    """Only x_r^m ≠ 0 is required; Δ is any number where another x vanishes."""
    return replace(theorem, assumptions=(LOSS, PLAIN, NORM_BALANCE, *LETTERS, ONLY_THIS))


any_norm_of_w = any_numbers(theorem, "any_norm_of_w", OF_W, **{"ω": 1, "ω⁻¹": 1})
any_alignment = any_numbers(theorem, "any_alignment", ALIGNMENT, Δ=2)
CANCELS = "ξ and ζ enter by the product ξ ζ Δ alone, which is <-grad, x_{r_1} (x) ... (x) x_{r_N}> by what Δ stands for"
any_norm_of_x, any_norms_of_the_others = (
    any_numbers(theorem, name, letter, reason=CANCELS, survives=by_the_chain_rule.build)
    for name, letter in (("any_norm_of_x", OF_X), ("any_norms_of_the_others", OF_OTHERS))
)
