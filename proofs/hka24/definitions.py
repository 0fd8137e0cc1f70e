"""What HKA24 defines: multilinear rank, mode product, Tucker and deep Tucker parameterization, loss, flow, and ε.

Each definition is executed here in exact arithmetic, by the shipped functions and by sums written out.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

from theorytest import (
    DEEP_TUCKER,
    TUCKER,
    Array,
    Assumption,
    Definition,
    Identity,
    Outcome,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    sampled,
)
from theorytest.kernel.witness import block_gradients
from theorytest.models import Completion, deep_tucker, square, tucker
from theorytest.models import quantities as of

from .flow_equations import flow
from .norm_balance import constant_epsilon
from .tensors import instance, mode_product

GRADIENT = DEEP_TUCKER.gradient(flow.focus).monomials[0].factors[0].tensor


def definition(name, title, locator, meaning, kind="definition"):
    """A definition of the paper."""
    return Statement(
        id=name, label=name, kind=kind, title=title, source=Source("HKA24", locator), claim=Definition(meaning),
        scope="all orders and shapes", expected="DEFINED",
    )  # fmt: skip


def random_array(random, *shape, most=3):
    """Small exact entries."""
    count = 1
    for size in shape:
        count *= size
    return Array(shape, tuple(Fraction(random.randint(-most, most), random.randint(1, 2)) for _ in range(count)))


def random_models(run, build, count=20):
    """Random orders, shapes and blocks."""
    random = Random(run.seed)
    for _ in range(count):
        order = random.randint(1, 3)
        dims = [random.randint(1, 3) for _ in range(order)]
        model = build(random, dims)
        yield model, model.random(random.randint(0, 10**6))


# -- tensors -----------------------------------------------------------------------------------------------------------

multilinear_rank = definition("HKA24-Def2.1", "n-rank: rank of the unfolding", "Definition 2.1", "RankAtMost")


@sampled(multilinear_rank)
def either_order_of_the_columns(run):
    """The ranks of both unfoldings agree, of every mode, for tensors with random cores of smaller size."""
    seen = 0
    for model, blocks in random_models(run, lambda random, dims: tucker(dims, [random.randint(1, d) for d in dims])):
        end = model.end_tensor(blocks)
        ranks = of.multilinear_rank(end)
        for mode in range(1, len(end.shape) + 1):
            for order in ("lexicographic", "kolda-bader"):
                unfolded = of.unfold(end, mode, order=order)
                assert of.multilinear_rank(unfolded)[0] == ranks[mode - 1] <= blocks["G"].shape[mode - 1]
                seen += 1
    return Outcome(seen, "0", True, "exact")


def vanishing_minors(mode):
    """All 2x2 minors of an unfolding of a tensor of order 3 vanish: its rank is at most 1."""
    tensor = Tensor("T", ("d", "e", "f"))
    one, other = ("i", "a", "b"), ("j", "s", "t")
    turned = (
        one[:mode] + other[mode : mode + 1] + one[mode + 1 :],
        other[:mode] + one[mode : mode + 1] + other[mode + 1 :],
    )
    return Identity(tensor[one] * tensor[other], tensor[turned[0]] * tensor[turned[1]])


@control(multilinear_rank, breaks="the unfolding of each mode")
def one_unfolding_for_all_modes():
    """Mode 1 in place of all: where [T]_(1) has rank 1, so has [T]_(2)."""
    low = Assumption("rank", "[T]_(1) has rank at most 1", vanishing_minors(0))
    varied = replace(multilinear_rank, claim=vanishing_minors(1), assumptions=(low,))
    return varied, Witness(instance(T=((1, 2, 2), (1, 0, 0, 1))))


product_in_a_mode = definition(
    "HKA24-Def2.2", "n-mode product of a tensor and a matrix", "Definition 2.2", mode_product
)


@sampled(product_in_a_mode)
def sums_over_one_index(run):
    """(T x_n U)[... j ...] = sum over i of T[... i ...] U[j, i], entry by entry."""
    random, seen = Random(run.seed), 0
    for _ in range(20):
        shape = [random.randint(1, 3) for _ in range(random.randint(1, 3))]
        mode = random.randrange(len(shape))
        T, U = random_array(random, *shape), random_array(random, random.randint(1, 3), shape[mode])
        found = of.mode_product(T, U, mode + 1)
        for index in product(*map(range, found.shape)):
            at = [(*index[:mode], i, *index[mode + 1 :]) for i in range(shape[mode])]
            assert found[index] == sum(T[place] * U[index[mode], place[mode]] for place in at)
            seen += 1
    return Outcome(seen, "0", True, "exact")


@control(product_in_a_mode, breaks="U")
def transposed_matrix():
    """U^T for U, where it is square."""
    T, U = Tensor("T", ("d", "Q")), Tensor("U", ("d", "d"))
    sides = [(T["i", "q"] * entry).sum("i") for entry in (U["j", "i"], U["i", "j"])]
    return Identity(*sides), Witness(instance(T=((2, 1), (1, 0)), U=((2, 2), (0, 1, 0, 0))))


# -- parameterizations -------------------------------------------------------------------------------------------------

tucker_model = definition("HKA24-Eq1", "Tucker: W = G x_1 V^(1) ... x_N V^(N)", "equation 1", TUCKER)


@sampled(tucker_model)
def mode_products_in_turn(run):
    """The end tensor is the core times V^(n) in every mode (row r of the block V[n] is column r of V^(n))."""
    seen = 0
    for model, blocks in random_models(run, lambda random, dims: tucker(dims, [random.randint(1, 3) for _ in dims])):
        made = blocks["G"]
        for n in range(1, len(model.shape) + 1):
            made = of.mode_product(made, blocks[f"V[{n}]"].regroup(((1,), (0,))), n)
        assert made == model.end_tensor(blocks)
        seen += 1
    return Outcome(seen, "0", True, "exact")


deep_model = definition(
    "HKA24-DeepParam", "Deep Tucker: column r of V^(n) is A_1^{n,r} ... A_k^{n,r} w_r^n", "Section 3", DEEP_TUCKER
)
scheme = definition("HKA24-Fig1", "Scheme of deep Tucker factorization", "figure 1", DEEP_TUCKER, "definition")


def columns_written_out(run):
    """The end tensor is that of a Tucker model whose columns are products of matrices and a vector; without ranks, the
    core has the dimensions of the tensor, and every matrix is square."""
    seen = 0
    for model, blocks in random_models(
        run, lambda random, dims: deep_tucker(dims, depths=[random.randint(0, 2) for _ in dims])
    ):
        assert blocks["G"].shape == model.shape
        factors = {"G": blocks["G"]}
        for n, d in enumerate(model.shape, 1):
            entries = []
            for r in range(d):
                column = [blocks[f"w[{n}]"][r, i] for i in range(d)]
                for s in reversed(range(1, model.sizes["k"][n - 1] + 1)):
                    A = blocks[f"A[{n},{s}]"]
                    assert A.shape == (d, d, d)
                    column = [sum(A[r, i, j] * column[j] for j in range(d)) for i in range(d)]
                entries += column
            factors[f"V[{n}]"] = Array((d, d), tuple(entries))
        assert tucker(model.shape).end_tensor(factors) == model.end_tensor(blocks)
        seen += 1
    return Outcome(seen, "0", True, "exact")


@sampled(deep_model)
def columns(run):
    """Columns written out."""
    return columns_written_out(run)


@sampled(scheme)
def columns_of_the_scheme(run):
    """Columns written out."""
    return columns_written_out(run)


A, B, v = Tensor("A", ("d", "d")), Tensor("B", ("d", "d")), Tensor("w", ("d",))
TURN = {"A": ((2, 2), (0, 1, 0, 0)), "B": ((2, 2), (1, 0, 0, 0))}


@control(deep_model, breaks="order of the product")
def matrices_in_reverse_order():
    """A_2 A_1 w in place of A_1 A_2 w."""
    sides = [(one["i", "j"] * two["j", "k"] * v["k"]).sum("j", "k") for one, two in ((A, B), (B, A))]
    return Identity(*sides), Witness(instance(**TURN, w=((2,), (0, 1))))


@control(deep_model, breaks="a chain for each column")
def one_chain_for_all_columns():
    """One matrix shared by two columns: where both vectors are the same, so are both columns."""
    sides = [(matrix["i", "j"] * v["j"]).sum("j") for matrix in (A, B)]
    return Identity(*sides), Witness(instance(**TURN, w=((2,), (0, 1))))


# -- loss, flow and balance --------------------------------------------------------------------------------------------

loss = definition("HKA24-Eq2", "Mean loss over the observed entries; it enters by its gradient", "equation 2", GRADIENT)


@sampled(loss)
def means_over_observed_entries(run):
    """The shipped loss is the mean of l(W_I - A_I), with gradient l'(W_I - A_I) / |Ω| at the observed entries."""
    random, seen = Random(run.seed), 0
    for _ in range(20):
        shape = tuple(random.randint(1, 3) for _ in range(random.randint(1, 3)))
        W = random_array(random, *shape)
        places = sorted({tuple(random.randrange(d) for d in shape) for _ in range(4)})
        observed = {place: Fraction(random.randint(-9, 9), 4) for place in places}
        made = Completion(observed, square(half=False))
        assert made.value(W) == sum((W[place] - y) ** 2 for place, y in observed.items()) / len(observed)
        slope = made.gradient(W)
        for index in product(*map(range, shape)):
            wanted = 2 * (W[index] - observed[index]) / len(observed) if index in observed else 0
            assert slope[index] == wanted
            seen += 1
    return Outcome(seen, "0", True, "exact")


gradient_flow = definition("HKA24-Flow", "Gradient flow of core, matrices and vectors", "Section 4.1", flow)


@sampled(gradient_flow)
def difference_quotients(run):
    """The gradient of <C, W> by every parameter is its difference quotient, since W is linear in each (exact)."""
    random, seen = Random(run.seed), 0
    for model, blocks in random_models(
        run, lambda r, dims: deep_tucker(dims, depths=[r.randint(0, 2) for _ in dims]), 8
    ):
        slope = random_array(random, *model.shape)
        found = block_gradients(model.concrete, blocks, slope)
        base = of.inner(slope, model.end_tensor(blocks))
        for name, block in blocks.items():
            place = random.randrange(len(block.entries))
            moved = tuple(x + (k == place) for k, x in enumerate(block.entries))
            after = of.inner(slope, model.end_tensor(blocks | {name: Array(block.shape, moved)}))
            assert after - base == found[name].entries[place]
            seen += 1
    return Outcome(seen, "0", True, "exact")


epsilon = definition(
    "HKA24-Def4.2", "ε: the largest difference of squared norms that balance asks to be equal", "Definition 4.2",
    constant_epsilon.claim,
)  # fmt: skip


@sampled(epsilon)
def largest_difference(run):
    """ε is the largest | ||w||^2 - ||G_r||^2 | and | ||w||^2 - ||A||^2 |, over all modes, columns and matrices."""
    seen = 0
    for model, blocks in random_models(run, lambda random, dims: deep_tucker(dims, depths=random.randint(0, 2))):
        differences = [Fraction(0)]
        for n, d in enumerate(model.shape, 1):
            slices = of.squared_slice_norms(blocks["G"], n).entries
            for r in range(d):
                vector = sum(blocks[f"w[{n}]"][r, i] ** 2 for i in range(d))
                differences.append(abs(vector - slices[r]))
                for s in range(1, model.sizes["k"][n - 1] + 1):
                    A = blocks[f"A[{n},{s}]"]
                    differences.append(abs(vector - sum(A[r, i, j] ** 2 for i in range(d) for j in range(d))))
        assert of.unbalancedness_magnitude(model, blocks) == max(differences)
        seen += 1
    return Outcome(seen, "0", True, "exact")
