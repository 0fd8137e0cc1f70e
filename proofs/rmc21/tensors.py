"""Tensors as sums of outer products, and as networks with product pooling (RMC21 Section 2, equation 3, footnotes 1-3).

In a CP factorization of any order, name two modes n and m and group the others: the end tensor is the sum over r of
w_r^n (x) w_r^m (x) (the outer product of the other factors). What is multilinear in the factors holds one mode at a
time.
"""

from fractions import Fraction
from random import Random

from theorytest import (
    CP,
    All,
    Assumption,
    Definition,
    Focus,
    Identity,
    Instance,
    Outcome,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    identity,
    proof,
    sampled,
)
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import Variable, scalar
from theorytest.models import array, cp

from .theorem_1 import below

two = Focus(modes=("n", "m"))
w_n, w_m = CP.letters(two).values()
others = CP.focus(two).tensors()["w[~]"]
end = CP.focus(two).rename({"i[n]": "i", "i[m]": "j", "i[~]": "k"})  # the end tensor, with three legs
component = w_n["r", "i"] * w_m["r", "j"] * others["r", "k"]
SCOPE = "all orders, ranks, shapes"
GROUPED = ("the modes that are not named are one index: their outer product is the Kronecker product of the factors",)


def in_one_step(statement):
    """Both sides have one normal form."""

    def by_normal_forms(derive):
        claim = statement.claim
        parts = claim.claims if isinstance(claim, All) else (claim,)
        facts = [derive.equal("the same sum", part.lhs, part.rhs) for part in parts]
        if isinstance(claim, All):
            derive.both(*facts)

    return proof(statement)(by_normal_forms)


# -- the parameterization ----------------------------------------------------------------------------------------------

factorization = Statement(
    id="RMC21-Eq3",
    label="RMC21-Eq3",
    kind="definition",
    title="The end tensor is the sum over r of the outer products of w_r^1, ..., w_r^N",
    source=Source("RMC21", "equation 3"),
    claim=Definition(CP),
    scope=SCOPE,
    expected="DEFINED",
)
means_cp = Statement(
    id="RMC21-fn2",
    label="RMC21-fn2",
    kind="definition",
    title="Tensor factorization means a CP factorization",
    source=Source("RMC21", "footnote 2"),
    claim=Definition(CP),
    scope=SCOPE,
    expected="DEFINED",
)


def entry_by_entry(run):
    """The end tensor of the shipped model, entry by entry, in exact arithmetic at random shapes."""
    random, seen = Random(run.seed), 0
    for _ in range(25):
        dims = tuple(random.randint(1, 4) for _ in range(random.randint(1, 4)))
        model = cp(dims, rank=random.randint(1, 4))
        blocks = model.random(random.randint(0, 10**6))
        whole = model.end_tensor(blocks)
        index = tuple(random.randrange(d) for d in dims)
        total = Fraction(0)
        for r in range(blocks["w[1]"].shape[0]):
            value = Fraction(1)
            for n, i in enumerate(index, 1):
                value *= blocks[f"w[{n}]"][r, i]
            total += value
        assert whole[index] == total
        seen += 1
    return Outcome(seen, "0", True, "exact")


executed = sampled(factorization)(entry_by_entry)
executed_too = sampled(means_cp)(entry_by_entry)

outer = Statement(
    id="RMC21-fn3",
    label="RMC21-fn3",
    kind="definition",
    title="The entries of an outer product are the products of the entries",
    source=Source("RMC21", "footnote 3"),
    claim=Identity(end, component.sum("r")),
    scope=SCOPE,
    deviations=(*GROUPED, "for the sum of R outer products; R = 1 is one of them"),
)
proved_outer = in_one_step(outer)


@control(outer, breaks="product")
def sums_of_entries():
    """Sums of the entries in place of products."""
    return Identity(end, ((w_n["r", "i"] + w_m["r", "j"]) * others["r", "k"]).sum("r"))


@control(outer, breaks="one component")
def mixed_components():
    """Factors of different components."""
    return Identity(end, (w_n["r", "i"] * w_m["s", "j"] * others["s", "k"]).sum("r", "s"))


# -- norms and inner products ------------------------------------------------------------------------------------------

a, b = Tensor("a", ("d",)), Tensor("b", ("d",))
A, B = Tensor("A", ("e",)), Tensor("B", ("e",))
first, second = a["i"] * A["k"], b["i"] * B["k"]


def inner(one, other, *indices):
    return (one * other).sum(*indices)


products = Statement(
    id="RMC21-LemC-c",
    label="RMC21-LemC-c",
    kind="lemma",
    title="Norms and inner products of outer products are products",
    source=Source("RMC21", "equation 3"),
    claim=All(
        (
            Identity(inner(first, second, "i", "k"), inner(a["i"], b["i"], "i") * inner(A["k"], B["k"], "k")),
            Identity(inner(first, first, "i", "k"), inner(a["i"], a["i"], "i") * inner(A["k"], A["k"], "k")),
        )
    ),
    scope="all orders and shapes",
    deviations=(
        "one factor (a, b) and the outer product of all others (A, B), for squared norms: by induction on the number "
        "of factors, the inner product of outer products is the product of the inner products of the factors",
    ),
)
proved_products = in_one_step(products)


@control(products, breaks="product")
def sum_for_product():
    """The sum of the inner products."""
    return Identity(inner(first, second, "i", "k"), inner(a["i"], b["i"], "i") + inner(A["k"], B["k"], "k"))


@control(products, breaks="factors")
def one_sum():
    """One sum over all entries of the factors, for equal shapes."""
    one, other = Tensor("A", ("d",)), Tensor("B", ("d",))
    whole = inner(a["i"] * one["k"], b["i"] * other["k"], "i", "k")
    return Identity(whole, (a["i"] * b["i"] * one["i"] * other["i"]).sum("i"))


# -- the network -------------------------------------------------------------------------------------------------------

x, y, rest = Tensor("x", w_n.sizes[1:]), Tensor("y", w_m.sizes[1:]), Tensor("X", others.sizes[1:])
channels = (
    inner(w_n["r", "i"], x["i"], "i") * inner(w_m["r", "j"], y["j"], "j") * inner(others["r", "k"], rest["k"], "k")
)
MULTILINEAR = Identity((end * x["i"] * y["j"] * rest["k"]).sum("i", "j", "k"), channels.sum("r"))
hot = identity("i", "a", x.sizes[0]) * identity("j", "b", y.sizes[0]) * identity("k", "c", rest.sizes[0])
ENTRY = Identity((end * hot).sum("i", "j", "k"), end.rename({"i": "a", "j": "b", "k": "c"}))

network = Statement(
    id="RMC21-NN",
    label="RMC21-NN",
    kind="claim",
    title="Locally connected layer with R channels, product pooling, sum: with one-hot inputs the end tensor's entries",
    source=Source("RMC21", "Section 2.1"),
    claim=All((MULTILINEAR, ENTRY)),
    scope=SCOPE,
    deviations=(
        *GROUPED,
        "the network's output sum_r prod_n <w_r^n, x_n> is <W_e, x_1 (x) ... (x) x_N> for all inputs, and an entry of "
        "W_e for one-hot ones; X is the outer product of the other inputs",
        "a binary image of 100 x 100 pixels has N = 10000 inputs of dimension 2",
    ),
)
figure_1 = Statement(
    id="RMC21-Fig1",
    label="RMC21-Fig1",
    kind="figure",
    title="Prediction from discrete variables is tensor completion: a sample is an index, its label an entry",
    source=Source("RMC21", "Figure 1"),
    claim=ENTRY,
    scope=SCOPE,
    deviations=GROUPED,
)
figure_2 = Statement(
    id="RMC21-Fig2",
    label="RMC21-Fig2",
    kind="figure",
    title="f(x_1, ..., x_N) = sum_r prod_n <w_r^n, x_n> is the entry [W_e]_I for one-hot inputs",
    source=Source("RMC21", "Figure 2"),
    claim=network.claim,
    scope=SCOPE,
    deviations=network.deviations,
)
proved_network, proved_figure_1, proved_figure_2 = map(in_one_step, (network, figure_1, figure_2))


def summed_channels():
    """Sum pooling in place of product pooling."""
    pooled = inner(w_n["r", "i"], x["i"], "i") + inner(w_m["r", "j"], y["j"], "j")
    return Identity(MULTILINEAR.lhs, (pooled * inner(others["r", "k"], rest["k"], "k")).sum("r"))


def affine_channels():
    """Channels with a bias."""
    bias = Tensor("bias", ("R",))
    shifted = inner(w_n["r", "i"], x["i"], "i") + bias["r"]
    pooled = shifted * inner(w_m["r", "j"], y["j"], "j") * inner(others["r", "k"], rest["k"], "k")
    return Identity(MULTILINEAR.lhs, pooled.sum("r"))


sum_pooling = control(network, breaks="product pooling")(summed_channels)
affine = control(network, breaks="linear channels")(affine_channels)
sum_pooling_in_figure_2 = control(figure_2, breaks="product pooling")(summed_channels)
affine_in_figure_2 = control(figure_2, breaks="linear channels")(affine_channels)


@control(figure_1, breaks="one-hot")
def any_encoding():
    """Inputs that are not one-hot: the label would be an entry of another tensor."""
    return Identity((end * x["i"]).sum("i"), end.rename({"i": "a"}).sum("a"))


code, z = Tensor("C", (*x.sizes, "e")), Tensor("z", ("e",))
encoded = (code["i", "q"] * z["q"]).sum("q")
recoded = (w_n["r", "i"] * code["i", "q"]).sum("i")

encoding = Statement(
    id="RMC21-fn10",
    label="RMC21-fn10",
    kind="remark",
    title="Inputs that are re-encoded linearly: the same as factors that are, so that the rank does not grow",
    source=Source("RMC21", "footnote 10"),
    claim=Identity(
        (end * encoded * y["j"] * rest["k"]).sum("i", "j", "k"),
        (recoded * z["q"] * w_m["r", "j"] * y["j"] * others["r", "k"] * rest["k"]).sum("r", "q", "j", "k"),
    ),
    scope=SCOPE,
    deviations=(
        *GROUPED,
        "the remark's content for one mode: with x = C z, as for image patches that are replaced by the index of their "
        "cluster (the columns of C are one-hot), the factors w_r^n become C^T w_r^n",
    ),
)
proved_encoding = in_one_step(encoding)


@control(encoding, breaks="linear")
def affine_inputs():
    """Inputs with a bias, x = C z + b."""
    shifted = encoded + Tensor("bias", x.sizes)["i"]
    return Identity((end * shifted * y["j"] * rest["k"]).sum("i", "j", "k"), encoding.claim.rhs)


# -- the order of the modes --------------------------------------------------------------------------------------------

T = Tensor("T", ("d", "e", "f"))

mode_order = Statement(
    id="RMC21-ModeOrder",
    label="RMC21-ModeOrder",
    kind="claim",
    title="Exchanging two modes exchanges the factors: tensor rank does not depend on the order of modes",
    source=Source("RMC21", "Section 7"),
    claim=Identity(
        end.rename({"i": "second", "j": "first"}),
        (w_m["r", "first"] * w_n["r", "second"] * others["r", "k"]).sum("r"),
    ),
    scope=SCOPE,
    deviations=(
        *GROUPED,
        "a sum of R outer products is one of R outer products after any exchange of two modes, hence after any "
        "permutation; exchanging back gives equality of the ranks",
    ),
)
proved_mode_order = in_one_step(mode_order)


def minors(row, column):
    """All 2x2 minors of the unfolding with this row index vanish."""
    legs = {"d": "p", "e": "q", "f": "s"}
    here = T["p", "q", "s"]
    there = here.rename({"p": "p'", "q": "q'", "s": "s'"})
    swapped = here.rename({legs[row]: legs[row] + "'"})
    crossed = there.rename({legs[row] + "'": legs[row]})
    return Identity(here * there, swapped * crossed)


@control(mode_order, breaks="tensor rank")
def rank_of_a_fixed_unfolding():
    """The rank of one unfolding in place of the tensor rank: rank one in one mode, and not in another."""
    rank_one = Assumption("rank one", "the 2x2 minors of the first unfolding vanish", minors("d", None))
    varied = Statement(label="variant", title="variant", claim=minors("e", None), assumptions=(rank_one,))
    return varied, Witness(Instance(letters=(("T", array([[[1, 0], [0, 1]]])),)))


# -- shared dimensions -------------------------------------------------------------------------------------------------

X, Y, M = Tensor("X", ("d",)), Tensor("Y", ("e",)), Tensor("M", ("d", "e"))

shared = Statement(
    id="RMC21-fn1",
    label="RMC21-fn1",
    kind="remark",
    title="A shared dimension restricts the rank: with one shared dimension all 2x2 minors vanish",
    source=Source("RMC21", "footnote 1"),
    claim=Identity(X["i"] * Y["j"] * X["k"] * Y["l"], X["i"] * Y["l"] * X["k"] * Y["j"]),
    scope="all shapes; one shared dimension",
    deviations=("the remark's content for a shared dimension of 1: the product has rank at most 1",),
)
proved_shared = in_one_step(shared)


@control(shared, breaks="shared dimension 1")
def any_matrix():
    """Any matrix."""
    return Identity(M["i", "j"] * M["k", "l"], M["i", "l"] * M["k", "j"])


# -- degrees of freedom ------------------------------------------------------------------------------------------------

N, d = Variable("N"), Variable("d")
determined = Statement(
    id="RMC21-DOF",
    label="RMC21-DOF",
    kind="claim",
    title="A rank one tensor has N (d - 1) + 1 degrees of freedom: 199921 > 60000 unbinarised, 785 < 60000 binarised",
    source=Source("RMC21", "Section 5.2"),
    claim=All(
        (
            Identity(N * (d - 1) + 1, N * d - (N - 1)),
            Identity(scalar(784) * (256 - 1) + 1, scalar(199921)),
            below(60000, 199921),
            Identity(scalar(784) * (2 - 1) + 1, scalar(785)),
            below(785, 60000),
            Identity(X["i"] * Y["j"] * X["k"] * Y["l"], X["i"] * Y["l"] * X["k"] * Y["j"]),
        )
    ),
    scope="all orders N and dimensions d",
    deviations=(
        "N d entries of the factors, less N - 1 scalings that do not change the outer product; where the entry "
        "with all indices k, l is not 0, the others are determined by those that differ from it in one mode (the last "
        "part, for one mode and the rest)",
    ),
)


@proof(determined)
def by_arithmetic(derive):
    real = Reals(derive)
    parts = determined.claim.claims
    facts = [real.outright(real.equal("scalings", parts[0].lhs, parts[0].rhs))]
    for part in parts[1:5]:
        prove = real.equal if isinstance(part, Identity) else real.less
        facts.append(real.outright(prove("arithmetic", part.lhs, part.rhs)))
    facts.append(derive.equal("rank one", parts[5].lhs, parts[5].rhs))
    derive.both(*facts)


@control(determined, breaks="scalings")
def all_entries_of_the_factors():
    """N d as the exact count."""
    return Identity(N * (d - 1) + 1, N * d), Witness(Instance(variables=(("N", Fraction(2)), ("d", Fraction(2)))))
