"""Tucker factorization without depth (HKA24 Corollary 4.5, and the text after it).

With all k_n = 0 the column x_r^m is the vector w_r^m itself, so that the factor ||x_r|| / ||w_r|| of Theorem 4.3 is 1:
the rate is δ_r = sum' G ζ Δ, with the product ζ of the norms in the other modes. Where ε(0) = 0 these are norms of core
slices.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    TUCKER,
    All,
    Assumption,
    AtStart,
    Conserved,
    Descent,
    Flow,
    Focus,
    Identity,
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
from theorytest.kernel.claim import NormRate, RestProduct
from theorytest.kernel.rules import Use
from theorytest.models.quantities import rational_root

from .flow_equations import LOSS
from .lemma_4_1 import squared_norm, unsquared
from .norm_balance import any_numbers, array
from .theorem_4_3 import EXAMPLE as DEEP_EXAMPLE
from .theorem_4_3 import delta, not_negative, theorem

PLAIN = Assumption("flow", "core and vectors follow gradient flow at the same speed, without weight decay")
flow = Flow(TUCKER, Focus(modes=("m",)))
core, w = (TUCKER.letters(flow.focus)[name] for name in ("G", "V[m]"))
others = TUCKER.focus(flow.focus).tensors()["V[~]"]
gradient = TUCKER.gradient(flow.focus).rename({"i[m]": "i", "i[~]": "j"})
pairing = -(gradient * w["r", "i"] * others["q", "j"]).sum("i", "j")
square_w, square_core = squared_norm(w), squared_norm(core)
COLUMNS, REST = core.sizes
omega, zeta, slices = Tensor("ω", (COLUMNS,)), Tensor("ζ", (REST,)), Tensor("Γ", (REST,))
alignment = Tensor("Δ", (COLUMNS, REST))

BALANCE = Assumption(
    "norm balance",
    "ε(0) = 0: ||w_r^m|| = ||G_{r_m=r}|| at the start, for all m, r",
    AtStart(Identity(square_w, square_core), flow),
)
OF_W = Assumption(
    "‖w‖",
    "ω_r = ||w_r^m|| > 0",
    All((Inequality(zero(("r", COLUMNS)), "<", omega["r"]), Identity(omega["r"] * omega["r"], square_w))),
)
OF_OTHERS = Assumption(
    "‖w‖ of the other modes",
    "ζ is the product of ||w_{r_n}^n|| over the modes n other than m",
    All((*not_negative(zeta["q"]), RestProduct(zeta["q"] * zeta["q"], square_w, flow))),
)
OF_SLICES = Assumption(
    "‖G‖ of the other modes",
    "Γ is the product of ||G_{r_n}|| over the modes n other than m",
    All((*not_negative(slices["q"]), RestProduct(slices["q"] * slices["q"], square_core, flow))),
)
ALIGNMENT = Assumption(
    "Δ",
    "Δ = <-grad, ŵ_{r_1} (x) ... (x) ŵ_{r_N}>, ŵ = w / ||w||",
    Identity(alignment["r", "q"] * omega["r"] * zeta["q"], pairing),
)


def weighted(norms):
    """sum' G times norms of the other modes times Δ."""
    return (core["r", "q"] * norms["q"] * alignment["r", "q"]).sum("q")


def state(core_, one, other, *, gradient=-1, shape=(1, 1)):
    """Order 2, dimensions 1: the core (with the given shape), the vectors of both modes, and all letters for mode 1."""
    norms = [abs(Fraction(x)) for x in one], [abs(Fraction(x)) for x in other]
    entries = [Fraction(x) for x in core_]
    columns = [entries[q :: shape[1]] for q in range(shape[1])]
    of_slices = [rational_root(sum(x * x for x in column)) for column in columns]
    signs = [Fraction(a) * b * -gradient / (abs(Fraction(a)) * abs(Fraction(b))) for a in one for b in other]
    letters = (
        ("ω", array((shape[0],), *norms[0])),
        ("ζ", array((shape[1],), *norms[1])),
        ("Γ", array((shape[1],), *of_slices)),
        ("Δ", array(shape, *signs)),
    )
    blocks = (
        ("G", array(shape, *entries)),
        ("V[1]", array((shape[0], 1), *one)),
        ("V[2]", array((shape[1], 1), *other)),
    )
    sizes = (("N", 2), ("d", (1, 1)), ("R", shape))
    return Instance(sizes, (("m", 1),), blocks, array((1, 1), gradient), letters)


BALANCED = state((2,), (2,), (2,))
SCOPE = "all orders, shapes, losses; all times at which all w_r^n are nonzero"
DEVIATIONS = (*theorem.deviations[:-1],)

slice_law = Statement(
    label="HKA24-Lem4.1i/tucker",
    title="Without depth: ||w_r^m||^2 - ||G_{r_m=r}||^2 is conserved",
    id="HKA24-Lem4.1i",
    source=Source("HKA24", "Lemma 4.1, part i"),
    assumptions=(LOSS, PLAIN),
    claim=Conserved(square_w - square_core, flow),
    scope="all orders, shapes, losses",
)


@proof(slice_law)
def by_the_product_rule(derive):
    derive.conserved(slice_law.claim.quantity, flow)


@control(slice_law, breaks="the same index r")
def different_indices():
    """||w_r^m||^2 - ||G_{r_m=s}||^2 with r and s different."""
    return Conserved(square_w - squared_norm(core, "s"), flow)


@control(slice_law, breaks="the whole slice")
def one_entry_of_the_slice():
    """One entry of the slice in place of all."""
    return Conserved(square_w - core["r", "q"] * core["r", "q"], flow)


@control(slice_law, breaks="square")
def unsquared_norms():
    """The norms themselves: ||w_r^m|| - ||G_{r_m=r}||."""
    return unsquared(square_w, square_core, flow), Witness(state((2,), (1,), (1,)))


@control(slice_law, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(square_w - square_core, Descent(flow))


@control(slice_law, breaks="flow")
def slower_core():
    """The core learns at half the speed."""
    return Conserved(square_w - square_core, Flow(TUCKER, flow.focus, speeds=(("G", Fraction(1, 2)),)))


def stays(derive):
    """||w_r||^2 = ||G_r||^2 at all times."""
    return derive.apply(
        "stays", derive.cite(slice_law), derive.assume("norm balance"), text="slices and vectors stay balanced"
    )


def of_the_vectors(derive, quantity, balance=None):
    """d/dt ||w_r|| (or ||G_r||) = sum' G ζ Δ."""
    positive, square = parts(derive, derive.assume("‖w‖"))
    aligned = derive.assume("Δ")
    moved = derive.rate(quantity, flow)
    facts = (square,) if balance is None else (square, balance)

    def squares(inner, *given):
        inner.equal("the square of the norm", omega["r"] * omega["r"], quantity, given)

    def speed(inner, aligned):
        inner.equal("2 ||w|| times the rate", omega["r"] * weighted(zeta) * 2, moved.claim.rate, (aligned,))

    found = at_time(derive, flow, facts, squares, "ω is the norm")
    same = at_time(derive, flow, (aligned,), speed, "2 ω ω' is the derivative of the square")
    return derive.apply("norm-rate", moved, positive, found, same, data=(omega["r"], weighted(zeta)), text="chain rule")


part_a = Statement(
    id="HKA24-Cor4.5a",
    label="HKA24-Cor4.5a",
    kind="corollary",
    title="Without depth: d/dt ||w_r|| = sum' G (product of ||w|| over the other modes) Δ",
    source=Source("HKA24", "Corollary 4.5"),
    assumptions=(LOSS, PLAIN, OF_W, OF_OTHERS, ALIGNMENT),
    claim=NormRate(square_w, "=", weighted(zeta), flow),
    scope=SCOPE,
    example=BALANCED,
    deviations=(*DEVIATIONS, "ε(0) = 0 is not needed and not assumed"),
)


@proof(part_a)
def from_the_square(derive):
    of_the_vectors(derive, square_w)


@control(part_a, breaks="k = 0")
def one_matrix_in_the_mode():
    """The same formula at k = 1: the norm of x_r is then not that of w_r."""
    claim = NormRate(theorem.claim.claims[1].square, "=", delta, theorem.claim.claims[1].motion)
    return replace(theorem, claim=claim), Witness(DEEP_EXAMPLE)


@control(part_a, breaks="product over the other modes")
def the_mode_itself_in_the_product():
    """The product over all modes, m as well."""
    return NormRate(square_w, "=", omega["r"] * weighted(zeta), flow), Witness(BALANCED)


@control(part_a, breaks="flow")
def vectors_at_twice_the_speed():
    """The vectors learn at twice the speed."""
    fast = Flow(TUCKER, flow.focus, speeds=((w.name, Fraction(2)),))
    return NormRate(square_w, "=", weighted(zeta), fast), Witness(BALANCED)


any_norm_of_w = any_numbers(part_a, "any_norm_of_w", OF_W, ω=1, Δ=2)
any_alignment = any_numbers(part_a, "any_alignment", ALIGNMENT, Δ=5)
any_norms_of_the_others = any_numbers(
    part_a,
    "any_norms_of_the_others",
    OF_OTHERS,
    reason="ζ enters by the product ω ζ Δ alone, which is <-grad, w_{r_1} (x) ... (x) w_{r_N}> by what Δ stands for",
    survives=from_the_square.build,
)

part_b = Statement(
    id="HKA24-Cor4.5b",
    label="HKA24-Cor4.5b",
    kind="corollary",
    title="Without depth, ε(0) = 0: d/dt ||G_r|| = sum' G (product of ||G_{r_n}|| over the other modes) Δ",
    source=Source("HKA24", "Corollary 4.5"),
    assumptions=(LOSS, PLAIN, BALANCE, OF_W, OF_OTHERS, OF_SLICES, ALIGNMENT),
    claim=NormRate(square_core, "=", weighted(slices), flow),
    scope=SCOPE,
    example=BALANCED,
    deviations=DEVIATIONS,
)


@proof(part_b)
def with_balanced_slices(derive):
    balance = stays(derive)
    exact = of_the_vectors(derive, square_core, balance)
    positive, product = parts(derive, derive.assume("‖w‖ of the other modes"))
    of_slices_positive, of_slices = parts(derive, derive.assume("‖G‖ of the other modes"))
    equal = derive.apply("rest-product", product, of_slices, balance, text="mode by mode, the factors are equal")

    def same(inner, first, second, squares):
        roots = Identity(zeta["q"], slices["q"])
        root = inner.apply("square-root", first, second, squares, data=(roots,), text="so are the products")
        goal = Identity(weighted(zeta), weighted(slices))
        multiplier = core["r", "q"] * alignment["r", "q"]
        inner.apply("combination", root, data=(goal, Use(0, multiplier, (), ("q",))), text="in the sum")

    there = at_time(derive, flow, (positive, of_slices_positive, equal), same, "norms of vectors are norms of slices")
    derive.apply("norm-rate-compared", exact, there, data=(part_b.claim,), text="put in")


@control(part_b, breaks="norm balance")
def unbalanced_slices():
    """Without ε(0) = 0."""
    return None, Witness(state((1,), (2,), (1,)))


@control(part_b, breaks="product over the other modes")
def the_slice_itself_in_the_product():
    """||G_r|| as a factor as well."""
    return NormRate(square_core, "=", omega["r"] * weighted(slices), flow), Witness(BALANCED)


part_b_letters = (
    any_numbers(part_b, "any_norm_of_w", OF_W, ω=1, Δ=2),
    any_numbers(part_b, "any_norms_of_the_others", OF_OTHERS, ζ=1, Δ=2),
    any_numbers(part_b, "any_norms_of_slices", OF_SLICES, Γ=1),
    any_numbers(part_b, "any_alignment", ALIGNMENT, Δ=5),
)


# -- the text after the corollary --------------------------------------------------------------------------------------

inverse, direction = Tensor("ω⁻¹", (COLUMNS,)), Tensor("Ĝ", (COLUMNS, REST))
INVERSE = Assumption("1/‖G‖", "ω⁻¹ is 1/||G_r||", Identity(inverse["r"] * omega["r"], constant(1, ("r", COLUMNS))))
DIRECTION = Assumption("Ĝ", "Ĝ_r = G_r / ||G_r||", Identity(direction["r", "q"] * omega["r"], core["r", "q"]))
in_direction = (direction["r", "q"] * slices["q"] * alignment["r", "q"]).sum("q")


def with_direction(instance, norm):
    """The instance with 1/ω and Ĝ, where all slices have the given norm."""
    entries = dict(instance.blocks)["G"]
    shape = entries.shape
    more = (("ω⁻¹", array(shape[:1], 1 / Fraction(norm))), ("Ĝ", array(shape, *(x / norm for x in entries.entries))))
    return replace(instance, letters=tuple((dict(instance.letters) | dict(more)).items()))


relative_rate = Statement(
    id="HKA24-Text4.5",
    label="HKA24-Text4.5",
    kind="claim",
    title="Without depth the relative rate (d/dt ||G_r||) / ||G_r|| does not depend on ||G_r||: it is sum' Ĝ Γ Δ",
    source=Source("HKA24", "after Corollary 4.5"),
    assumptions=(*part_b.assumptions, INVERSE, DIRECTION),
    claim=NormRate(square_core, "=", in_direction, flow, inverse["r"]),
    scope=SCOPE,
    example=with_direction(BALANCED, 2),
    deviations=(
        *DEVIATIONS,
        "printed of the rate itself, which is proportional to ||G_r|| by its factors G (/printed); it is the relative "
        "rate that depends on the direction of the slice and on the other modes only",
        "with k matrices the relative rate has the factor ||x_r|| / ||w_r||, at most ||G_r||^k (HKA24-Eq13)",
    ),
)


@proof(relative_rate)
def divided_by_the_norm(derive):
    needed = [a.label for a in part_b.assumptions if a.formula is not None]
    exact = derive.cite(part_b, *map(derive.assume, needed))

    def divide(inner, inverted, directed):
        goal = Identity(inverse["r"] * weighted(slices), in_direction)
        rest = slices["q"] * alignment["r", "q"]
        uses = (Use(0, direction["r", "q"] * rest, (), ("q",)), Use(1, -inverse["r"] * rest, (), ("q",)))
        inner.apply("combination", inverted, directed, data=(goal, *uses), text="G / ||G_r|| = Ĝ")

    there = at_time(derive, flow, (derive.assume("1/‖G‖"), derive.assume("Ĝ")), divide, "divided by ||G_r||")
    derive.apply("norm-rate-compared", exact, there, data=(relative_rate.claim,), text="the relative rate")


@control(relative_rate, breaks="norm balance")
def unbalanced_start():
    """Without ε(0) = 0: Γ is not the product of the norms of the vectors."""
    return None, Witness(with_direction(state((1,), (1,), (2,)), 1))


@control(relative_rate, breaks="exponent 1 of ||G_r||")
def square_of_the_norm():
    """Divided by ||G_r||^2."""
    return NormRate(square_core, "=", in_direction, flow, inverse["r"] * inverse["r"]), Witness(relative_rate.example)


@control(relative_rate, breaks="k = 0")
def with_one_matrix():
    """The same at k = 1, with ||x|| for ||w|| in the other modes."""
    deep = theorem.claim.claims[0]
    rate = (direction["r", "q"] * zeta["q"] * alignment["r", "q"]).sum("q")
    claim = NormRate(deep.square, "=", rate, deep.motion, inverse["r"])
    varied = replace(theorem, assumptions=(*theorem.assumptions, DIRECTION), claim=claim)
    return varied, Witness(with_direction(DEEP_EXAMPLE, 2))


any_inverse = any_numbers(relative_rate, "any_inverse", INVERSE, **{"ω⁻¹": 1})
any_direction = any_numbers(relative_rate, "any_direction", DIRECTION, **{"Ĝ": 2})


printed = replace(
    relative_rate,
    label="HKA24-Text4.5/printed",
    title="Without depth d/dt ||G_r|| itself does not depend on ||G_r||: it is sum' Ĝ Γ Δ",
    claim=NormRate(square_core, "=", in_direction, flow),
    expected="REFUTED",
    deviations=DEVIATIONS,
)


@refuted(printed)
def a_slice_of_norm_two(run):
    return Witness(relative_rate.example)
