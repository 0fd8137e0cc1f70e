"""Mode products, the sum form of deep Tucker factorization, and deep CP (HKA24 Sections 2 and 3).

One mode is written out, all others are merged into one index q of the core and one index j of the tensor.
"""

from dataclasses import replace

from theorytest import (
    All,
    Assumption,
    Identity,
    Instance,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    identity,
    proof,
)
from theorytest.kernel.claim import ZeroStays

from .flow_equations import chain, core, end, flow, others, w, x
from .norm_balance import any_numbers, array, numbers

GROUPED = ("all other modes are one index, in whatever order",)


def fact(name, title, locator, assumptions, claim, example, scope, kind="fact"):
    """A fact of the paper that holds for tensors of every order."""
    return Statement(
        id=name, label=name, kind=kind, title=title, source=Source("HKA24", locator), assumptions=assumptions,
        claim=claim, scope=scope, example=example, deviations=GROUPED,
    )  # fmt: skip


def instance(**letters):
    """An instance of letters: name = (shape, entries)."""
    return Instance(letters=tuple((name, array(shape, *entries)) for name, (shape, entries) in letters.items()))


# -- mode products -----------------------------------------------------------------------------------------------------

T, F, H = Tensor("T", ("d", "Q")), Tensor("F", ("p", "d")), Tensor("H", ("s", "p"))
S = Tensor("S", ("p", "Q"))
mode_product = (T["i", "q"] * F["j", "i"]).sum("i")  # T x_n F, with free indices j and q
MODE_PRODUCT = Assumption("S", "S = T x_n F", Identity(S["j", "q"], mode_product))
ONES = instance(T=((1, 1), (1,)), F=((1, 1), (1,)), H=((1, 1), (1,)), S=((1, 1), (1,)))

composition = fact(
    "HKA24-NModeComp",
    "(T x_n F) x_n H = T x_n (H F)",
    "Section 2",
    (MODE_PRODUCT,),
    Identity((S["j", "q"] * H["k", "j"]).sum("j"), (T["i", "q"] * H["k", "j"] * F["j", "i"]).sum("i", "j")),
    ONES,
    "all orders, modes, shapes",
)


@proof(composition)
def by_definition(derive):
    derive.equal("put in S", composition.claim.lhs, composition.claim.rhs, (derive.assume("S"),))


SQUARES = {name: Tensor(name, ("d", "d")) for name in "FH"}
STRAIGHT, TURNED = ((2, 2), (0, 1, 0, 0)), ((2, 2), (0, 0, 1, 0))


@control(composition, breaks="H F")
def other_order():
    """F H in place of H F, for square matrices."""
    one, two = SQUARES["F"], SQUARES["H"]
    made = Assumption(
        "S", "S = T x_n F", Identity(Tensor("S", ("d", "Q"))["j", "q"], (T["i", "q"] * one["j", "i"]).sum("i"))
    )
    claim = Identity(
        (Tensor("S", ("d", "Q"))["j", "q"] * two["k", "j"]).sum("j"),
        (T["i", "q"] * one["k", "j"] * two["j", "i"]).sum("i", "j"),
    )
    numbers_ = instance(T=((2, 1), (1, 0)), F=TURNED, H=STRAIGHT, S=((2, 1), (0, 1)))
    return replace(composition, assumptions=(made,), claim=claim), Witness(numbers_)


any_product = any_numbers(composition, "any_product", MODE_PRODUCT, S=2)

X, U, P = Tensor("T", ("d", "e", "Q")), Tensor("F", ("p", "d")), Tensor("H", ("s", "e"))
commutation = fact(
    "HKA24-NModeCommute",
    "(T x_m F) x_n H = (T x_n H) x_m F for m and n different",
    "Section 2",
    (),
    Identity(
        ((X["i", "j", "q"] * U["a", "i"]).sum("i") * P["b", "j"]).sum("j"),
        ((X["i", "j", "q"] * P["b", "j"]).sum("j") * U["a", "i"]).sum("i"),
    ),
    None,
    "all orders, pairs of modes, shapes",
)


@proof(commutation)
def sums_commute(derive):
    derive.equal("the sums can be exchanged", commutation.claim.lhs, commutation.claim.rhs)


@control(commutation, breaks="different modes")
def the_same_mode():
    """m = n, for square matrices."""
    one, two = SQUARES["F"], SQUARES["H"]
    both = [(T["i", "q"] * a["j", "i"] * b["k", "j"]).sum("i", "j") for a, b in ((one, two), (two, one))]
    return Identity(*both), Witness(instance(T=((2, 1), (1, 0)), F=TURNED, H=STRAIGHT))


# -- the sum form ------------------------------------------------------------------------------------------------------

V = Tensor("V", (dict(x.free)["i"], core.sizes[0]))
COLUMNS = Assumption("V", "column r of V^(m) is x_r = A^{m,r} w_r", Identity(V["i", "r"], x))
sum_form = fact(
    "HKA24-SumForm",
    "G x_1 V^(1) ... x_N V^(N) = sum of G_{r_1 ... r_N} x_{r_1} (x) ... (x) x_{r_N}",
    "Section 3",
    (COLUMNS,),
    Identity(
        (V["i", "r"] * (core["r", "q"] * others["q", "j"]).sum("q")).sum("r"), end.rename({"i[m]": "i", "i[~]": "j"})
    ),
    None,
    "all orders, shapes, depths k >= 0",
)
LETTERS = {
    core.name: ((1, 1), (1,)),
    others.name: ((1, 1), (1,)),
    chain.name: ((1, 1, 1), (2,)),
    w.name: ((1, 1), (1,)),
}
sum_form = replace(sum_form, example=instance(**LETTERS, V=((1, 1), (2,))))


@proof(sum_form)
def mode_by_mode(derive):
    derive.equal("one mode, the others merged", sum_form.claim.lhs, sum_form.claim.rhs, (derive.assume("V"),))


WIDE = {
    core.name: ((1, 1), (1,)),
    others.name: ((1, 1), (1,)),
    chain.name: ((1, 2, 2), (0, 1, 0, 0)),
    w.name: ((1, 2), (1, 1)),
}


@control(sum_form, breaks="A")
def transposed_matrices():
    """A^T for A, in the columns."""
    turned = replace(COLUMNS, formula=Identity(V["i", "r"], (chain["r", "c", "i"] * w["r", "c"]).sum("c")))
    return replace(sum_form, assumptions=(turned,)), Witness(instance(**WIDE, V=((2, 1), (0, 1))))


@control(sum_form, breaks="G")
def without_the_core():
    """The sum of x_{r_1} (x) ... (x) x_{r_N} without the entries of the core."""
    claim = Identity((x * others["q", "j"]).sum("r", "q"), sum_form.claim.rhs)
    return claim, Witness(instance(**(LETTERS | {core.name: ((1, 1), (2,))}), V=((1, 1), (2,))))


# -- the network of figure 2 -------------------------------------------------------------------------------------------

one, rest = Tensor("u", (dict(x.free)["i"],)), Tensor("u'", (others.sizes[1],))
filtered = (w["r", "c"] * (chain["r", "i", "c"] * one["i"]).sum("i")).sum("c")  # <w_r, A_r^T u>
network = fact(
    "HKA24-Fig2",
    "sum of G times products of <w_r, f_r(x_n)>, f_r(x) = A_r^T x, is the entry of W where the inputs are one-hot",
    "figure 2",
    (),
    Identity(
        (core["r", "q"] * filtered * (others["q", "j"] * rest["j"]).sum("j")).sum("r", "q"),
        (end.rename({"i[m]": "i", "i[~]": "j"}) * one["i"] * rest["j"]).sum("i", "j"),
    ),
    None,
    "all orders, shapes, depths; all inputs, one-hot ones among them",
    "figure",
)


@proof(network)
def filters_and_products(derive):
    derive.equal("one mode, the others merged", network.claim.lhs, network.claim.rhs)


@control(network, breaks="transpose in the filters")
def filters_without_transpose():
    """A_r for its transpose in the filters."""
    wrong = (w["r", "c"] * (chain["r", "c", "i"] * one["i"]).sum("i")).sum("c")
    claim = Identity(
        (core["r", "q"] * wrong * (others["q", "j"] * rest["j"]).sum("j")).sum("r", "q"), network.claim.rhs
    )
    return claim, Witness(instance(**WIDE, u=((2,), (1, 0)), **{"u'": ((1,), (1,))}))


# -- superdiagonal cores -----------------------------------------------------------------------------------------------

weight, picks, product = (
    Tensor("c", (core.sizes[0],)),
    Tensor("E", core.sizes),
    Tensor("Z", (core.sizes[0], others.sizes[1])),
)
new = Tensor("y", (core.sizes[0], "d'"))
WEIGHTS = Assumption(
    "superdiagonal", "G is c_r where all indices are r, else 0: G_{r,q} = c_r E_{r,q}, E the mark of q = (r, ..., r)",
    Identity(core["r", "q"], weight["r"] * picks["r", "q"]),
)  # fmt: skip
PICKS = Assumption(
    "other modes", "E picks the product of the x_r^n over the other modes: sum_q E_{r,q} X_q = Z_r",
    Identity((picks["r", "q"] * others["q", "j"]).sum("q"), product["r", "j"]),
)  # fmt: skip
deep_cp = fact(
    "HKA24-DeepCP",
    "A superdiagonal core gives deep CP with the diagonal entries as weights",
    "Section 3",
    (WEIGHTS, PICKS),
    All(
        (
            Identity(end.rename({"i[m]": "i", "i[~]": "j"}), (weight["r"] * x * product["r", "j"]).sum("r")),
            Identity((identity("r", "s", core.sizes[0]) * new["s", "i"]).sum("s"), new["r", "i"]),
            Identity(
                (picks["r", "q"] * identity("r", "s", core.sizes[0]) * others["q", "j"] * new["s", "i"]).sum("q", "s"),
                product["r", "j"] * new["r", "i"],
            ),
        )
    ),
    None,
    "all orders, shapes, depths, weights",
    "claim",
)
deep_cp = replace(
    deep_cp,
    example=instance(**LETTERS, c=((1,), (1,)), E=((1, 1), (1,)), Z=((1, 1), (1,)), y=((1, 1), (1,))),
    deviations=(
        *GROUPED,
        "that E picks the product is shown by induction: for one mode (E = I), and for one mode more (E times δ)",
    ),
)


@proof(deep_cp)
def by_induction_on_the_modes(derive):
    goals = deep_cp.claim.claims
    weights, picked = derive.assume("superdiagonal"), derive.assume("other modes")
    derive.both(
        derive.equal("the terms with equal indices remain", goals[0].lhs, goals[0].rhs, (weights, picked)),
        derive.equal("one mode", goals[1].lhs, goals[1].rhs),
        derive.equal("one mode more", goals[2].lhs, goals[2].rhs, (picked,)),
    )


@control(deep_cp, breaks="weights")
def without_weights():
    """Deep CP without weights."""
    letters = LETTERS | {core.name: ((1, 1), (2,))}
    numbers_ = instance(**letters, c=((1,), (2,)), E=((1, 1), (1,)), Z=((1, 1), (1,)), y=((1, 1), (1,)))
    return Identity(deep_cp.claim.claims[0].lhs, (x * product["r", "j"]).sum("r")), Witness(numbers_)


@control(deep_cp, breaks="static")
def zeros_of_the_core_stay():
    """The flow keeps the entries of the core that are 0."""
    stays = replace(deep_cp, assumptions=(), claim=ZeroStays(core["r", "q"] * core["r", "q"], flow), example=None)
    return stays, Witness(numbers(0, 1, 1))


any_core = any_numbers(deep_cp, "any_core", WEIGHTS, c=2)
any_product_of_the_others = any_numbers(deep_cp, "any_product_of_the_others", PICKS, Z=2)
