"""Tensors, outer products and ranks (RC20 footnotes 3, 4, 6, equation 12, Section 4), and hidden dimensions.

A matrix that is a sum of R outer products is a product of matrices with R columns and R rows, so that its rank is at
most R; every matrix is the sum of d outer products, of a unit vector and a row each. The tensors of rank at most R are
the values of the CP parameterization with R components; contracted with a one-hot vector it gives an entry.
"""

from dataclasses import replace
from fractions import Fraction
from random import Random

from flint import fmpq, fmpq_mat

from theorytest import (
    CP,
    All,
    Array,
    Assumption,
    Block,
    Conserved,
    Definition,
    Each,
    Flow,
    Focus,
    Identity,
    Instance,
    Outcome,
    Parameterization,
    Reading,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    identity,
    proof,
    sampled,
)
from theorytest.kernel.claim import Matrix, RankAtMost, ReadConserved
from theorytest.kernel.scalar import Variable, sqrt
from theorytest.models import cp

OUTER = Parameterization(
    "outer product",
    Each("n", "N", Block("v", ("n",), ("i[n]",))),
    ("i[*]",),
    (("i", "d"),),
    "the outer product of v^1, ..., v^N, any order N and dimensions d[n]",
)


def defined(name, place, title, meaning, scope="all orders and sizes"):
    """A definition of RC20."""
    return Statement(
        id=name,
        label=name,
        kind="definition",
        title=title,
        source=Source("RC20", place),
        claim=Definition(meaning),
        scope=scope,
        expected="DEFINED",
    )


arrays = defined("RC20-fn3", "footnote 3", "Tensors are arrays", "Array")
outer_products = defined("RC20-fn6", "footnote 6", "Outer product: entries are products of entries", OUTER)
tensor_rank = defined("RC20-fn4", "footnote 4", "Tensors of rank at most R: sums of R outer products", CP)
cp_model = defined("RC20-Eq12", "equation 12", "CP parameterization with R components", CP)


def random_cp(run, number=12):
    """Random CP models with random factors."""
    random = Random(run.seed)
    for _ in range(number):
        dims = [random.randint(1, 3) for _ in range(random.randint(1, 4))]
        model = cp(dims, rank=random.randint(1, 3))
        yield model, model.random(random.randint(0, 10**6))


@sampled(arrays)
def entries_in_rows(run):
    """Entries of arrays of orders 0 to 4, last index fastest."""
    random, seen = Random(run.seed), 0
    for order in range(5):
        shape = tuple(random.randint(1, 4) for _ in range(order))
        total = 1
        for size in shape:
            total *= size
        made = Array(shape, tuple(map(Fraction, range(total))))
        for place in range(total):
            index, rest = [], place
            for size in reversed(shape):
                rest, one = divmod(rest, size)
                index.insert(0, one)
            assert made[tuple(index)] == place
            seen += 1
    return Outcome(seen, "0", True, "exact")


def entrywise(run):
    """Every entry of the end tensor is the sum over components of the products of entries."""
    seen = 0
    for model, blocks in random_cp(run):
        end, shape = model.end_tensor(blocks), model.shape
        factors = [blocks[f"w[{n}]"] for n in range(1, len(shape) + 1)]
        for place, entry in enumerate(end.entries):
            index, rest = [], place
            for size in reversed(shape):
                rest, one = divmod(rest, size)
                index.insert(0, one)
            total = Fraction(0)
            for r in range(factors[0].shape[0]):
                term = Fraction(1)
                for factor, i in zip(factors, index, strict=True):
                    term *= factor[r, i]
                total += term
            assert entry == total
            seen += 1
    return Outcome(seen, "0", True, "exact")


by_entries = sampled(cp_model)(entrywise)


@sampled(outer_products)
def outer_products_by_entries(run):
    """The written-out outer product at random vectors of orders 1 to 4."""
    random, seen = Random(run.seed), 0
    for order in range(1, 5):
        shape = tuple(random.randint(1, 3) for _ in range(order))
        vectors = [[Fraction(random.randint(-5, 5)) for _ in range(size)] for size in shape]
        concrete = OUTER.at({"N": order, "d": shape})
        from theorytest.kernel.witness import end_tensor

        end = end_tensor(concrete, {f"v[{n}]": Array((len(v),), tuple(v)) for n, v in enumerate(vectors, 1)})
        for place, entry in enumerate(end.entries):
            total, rest = Fraction(1), place
            for vector in reversed(vectors):
                rest, one = divmod(rest, len(vector))
                total *= vector[one]
            assert entry == total
            seen += 1
    return Outcome(seen, "0", True, "exact")


@sampled(tensor_rank)
def matrix_rank_for_order_two(run):
    """Order 2: a sum of R outer products has matrix rank at most R, and a matrix of rank R is such a sum (its pivot
    columns, times the rows of its reduced echelon form)."""
    random, seen = Random(run.seed), 0
    for _ in range(30):
        rows, columns, rank = random.randint(1, 4), random.randint(1, 4), random.randint(1, 3)
        model = cp([rows, columns], rank=rank)
        end = exact(model.end_tensor(model.random(random.randint(0, 10**6))))
        found = end.rank()
        assert found <= rank
        echelon, _ = end.rref()
        pivots = [next(j for j in range(columns) if echelon[i, j] != 0) for i in range(found)]
        again = sum(
            (end[i, pivots[r]] * echelon[r, j] * _unit(rows, columns, i, j) for r in range(found) for i in range(rows)
             for j in range(columns)),
            start=fmpq_mat(rows, columns),
        )  # fmt: skip
        assert again == end
        seen += 1
    return Outcome(seen, "0", True, "exact")


def exact(array):
    return fmpq_mat(*array.shape, [fmpq(x.numerator, x.denominator) for x in array.entries])


def _unit(rows, columns, i, j):
    made = fmpq_mat(rows, columns)
    made[i, j] = 1
    return made


# -- what is said of them ----------------------------------------------------------------------------------------------


def law(model, *row):
    """||x^n||^2 - ||x^m||^2 for two factors of one product."""
    flow = Flow(model, Focus(("n", "m")))
    one, other = model.letters(flow.focus).values()
    return Conserved((one[*row, "i"] * one[*row, "i"]).sum("i") - (other[*row, "j"] * other[*row, "j"]).sum("j"), flow)


conserved = Statement(
    id="RC20-Eq12",
    label="RC20-Eq12/conserved",
    kind="fact",
    title="Factors of an outer product, and of a component: differences of squared norms are conserved",
    source=Source("RC20", "Section 4"),
    claim=All((law(OUTER), law(CP, "r"))),
    scope="all orders, sizes, ranks, losses",
    deviations=("not in the paper: RMC21 Lemma 1, for one outer product and for a sum of them",),
)


@proof(conserved)
def by_the_product_rule(derive):
    derive.both(*(derive.conserved(part.quantity, part.motion) for part in conserved.claim.claims))


@control(conserved, breaks="squares")
def sums_of_entries():
    """Sums of entries in place of squared norms."""
    flow = law(CP, "r").motion
    one, other = CP.letters(flow.focus).values()
    return Conserved(one["r", "i"].sum("i") - other["r", "j"].sum("j"), flow)


@control(conserved, breaks="squares")
def unsquared_norms():
    """The norms themselves: ||w_r^n|| - ||w_r^m||."""
    flow = law(CP, "r").motion
    one, other = CP.letters(flow.focus).values()
    squares = (one["r", "i"] * one["r", "i"]).sum("i"), (other["r", "j"] * other["r", "j"]).sum("j")
    norms = Reading((("x", squares[0]), ("y", squares[1])), flow)
    long, short = (Array((1, 1), (Fraction(entry),)) for entry in (2, 1))
    moving = Instance(
        sizes=(("N", 2), ("R", 1), ("d", (1, 1))),
        members=(("n", 1), ("m", 2)),
        blocks=(("w[1]", long), ("w[2]", short)),
        gradient=Array((1, 1), (Fraction(1),)),
    )
    return ReadConserved(sqrt(Variable("x")) - sqrt(Variable("y")), norms), Witness(moving)


# -- matrix rank -------------------------------------------------------------------------------------------------------

W, A, B = Tensor("W", ("d", "e")), Tensor("A", ("d", "R")), Tensor("B", ("R", "e"))
sum_of_outer_products = (A["i", "r"] * B["r", "j"]).sum("r")
as_matrix = Matrix(W["i", "j"], "i", "j")
ONES = Matrix(identity("r", "s", "R"), "r", "s")
SUM = Assumption("sum", "W is a sum of R outer products", Identity(W["i", "j"], sum_of_outer_products))


def numbers(rows, d, e, rank):
    """A matrix as a sum of outer products of unit vectors and its rows."""
    entries = tuple(Fraction(x) for row in rows for x in row)
    eye = Array((d, rank), tuple(Fraction(int(i == r)) for i in range(d) for r in range(rank)))
    letters = (("W", Array((d, e), entries)), ("A", eye), ("B", Array((rank, e), entries[: rank * e])))
    return Instance(sizes=(("d", d), ("e", e), ("R", rank)), letters=letters)


every_matrix = Identity((identity("i", "r", "d") * W["r", "j"]).sum("r"), W["i", "j"])
rank_of_a_matrix = Statement(
    id="RC20-MatRank",
    label="RC20-MatRank",
    kind="fact",
    title="A sum of R outer products has rank at most R, and min(d, d') of them give every matrix",
    source=Source("RC20", "Section 4"),
    assumptions=(SUM,),
    claim=All((RankAtMost(as_matrix, ONES), every_matrix)),
    scope="all sizes and R",
    example=numbers(((1, 2), (3, 4)), 2, 2, 2),
    deviations=(
        "rank at most R is: at most that of the R x R identity matrix; the second claim is for d <= d', else transpose",
        "that a matrix of rank R is a sum of R outer products, so that rank is the least such R, is its factorization "
        "by a basis of its columns: not part of this statement for R < min(d, d')",
    ),
)


@proof(rank_of_a_matrix)
def by_a_product_of_matrices(derive):
    known = derive.assume("sum")
    middle = (A["i", "r"] * identity("r", "s", "R") * B["s", "j"]).sum("r", "s")
    product = derive.equal("through R dimensions", W["i", "j"], middle, using=(known,))
    left, right = Matrix(A["i", "r"], "i", "r"), Matrix(B["r", "j"], "r", "j")
    low = derive.apply("rank-of-a-product", product, data=(as_matrix, left, ONES, right), text="rank of a product")
    derive.both(low, derive.equal("unit vectors and rows", *(every_matrix.lhs, every_matrix.rhs)))


@control(rank_of_a_matrix, breaks="R = min(d, d')")
def fewer_outer_products():
    """R = min(d, d') - 1 = 1: the determinant of a sum of one outer product is 0, that of I is 1."""
    u, v = Tensor("u", ("d",)), Tensor("v", ("d",))
    eye = Tensor("I", ("d", "d"))
    letters = (
        ("u", Array((2,), (Fraction(1), Fraction(1)))),
        ("v", Array((2,), (Fraction(1), Fraction(1)))),
        ("I", Array((2, 2), tuple(map(Fraction, (1, 0, 0, 1))))),
    )
    varied = replace(rank_of_a_matrix, claim=Identity(u["i"] * v["j"], eye["i", "j"]), assumptions=(), example=None)
    return varied, Witness(Instance(sizes=(("d", 2),), letters=letters))


@control(rank_of_a_matrix, breaks="sum")
def any_matrix():
    """Any matrix W and any R."""
    return None, Witness(replace(rank_of_a_matrix.example, sizes=(("d", 2), ("e", 2), ("R", 1)), letters=(
        ("W", Array((2, 2), tuple(map(Fraction, (1, 0, 0, 1))))),
    )))  # fmt: skip


# -- hidden dimensions -------------------------------------------------------------------------------------------------

P = Tensor("P", ("h", "e"))
isometric = Identity((P["k", "i"] * P["k", "j"]).sum("k"), identity("i", "j", "e"))
through = ((W["i", "a"] * P["k", "a"]).sum("a") * P["k", "j"]).sum("k")


def padded(h, e, matrix):
    """P with P^T P = I where h >= e, else its first rows."""
    entries = tuple(Fraction(int(k == j)) for k in range(h) for j in range(e))
    letters = (("W", Array((e, e), tuple(map(Fraction, matrix)))), ("P", Array((h, e), entries)))
    return Instance(sizes=(("d", e), ("e", e), ("h", h)), letters=letters)


full = Statement(
    id="RC20-Full",
    label="RC20-Full",
    kind="hypothesis",
    title="Hidden dimensions of at least min(d, d') do not limit rank: every W is (W P^T) P",
    source=Source("RC20", "Section 2.1"),
    assumptions=(Assumption("wide", "P^T P = I, which h x d' matrices P meet for every h >= d'", isometric),),
    claim=Identity(through, W["i", "j"]),
    scope="all sizes, hidden dimensions h >= d'",
    example=padded(3, 2, (1, 2, 3, 4)),
    deviations=(
        "one hidden layer, for d' <= d (else transpose); further hidden layers are put in between in the same way, "
        "P'^T P' = I",
    ),
)


@proof(full)
def through_an_isometry(derive):
    derive.equal("P^T P = I", through, W["i", "j"], using=(derive.assume("wide"),))


@control(full, breaks="wide")
def narrow():
    """A hidden dimension 1 below min(d, d') = 2."""
    return None, Witness(padded(1, 2, (1, 0, 0, 1)))


# -- CP as a circuit ---------------------------------------------------------------------------------------------------

one_mode = Focus(("n",))
(w,) = CP.letters(one_mode).values()
rest = next(t for name, t in CP.focus(one_mode).tensors().items() if name != w.name)
x = Tensor("x", (w.sizes[1],))
entry = CP.focus(one_mode)
legs = tuple(name for name, _ in entry.free)
own = next(name for name in legs if name.endswith("[n]"))
circuit = (entry * x[own]).sum(own)
one_hot = identity(own, "i", w.sizes[1])
outputs = Identity((entry * one_hot).sum(own), entry.rename({own: "i"}))

convolutional = Statement(
    id="RC20-Fig3",
    label="RC20-Fig3",
    kind="figure",
    title="With one-hot inputs the circuit sum_r prod_n <w_r^n, x_n> outputs an entry of the CP tensor",
    source=Source("RC20", "Figure 3"),
    claim=outputs,
    scope="all orders, sizes, ranks",
    deviations=("one mode n after another: the inner product <w_r^n, x_n> with a one-hot x_n is the entry of w_r^n",),
)


@proof(convolutional)
def one_entry_of_one_factor(derive):
    derive.equal("only one summand is left", outputs.lhs, outputs.rhs)


def circuit_at(rank, *numbers_):
    names = (w.name, rest.name)
    size = {w.sizes[0]: rank, w.sizes[1]: 1} | {s: 1 for s in rest.sizes[1:]}
    shapes = ((rank, 1), (rank, 1))
    letters = tuple(
        (name, Array(shape, tuple(map(Fraction, values))))
        for name, shape, values in zip(names, shapes, numbers_, strict=True)
    )
    return Witness(Instance(letters=letters, sizes=tuple(size.items())))


@control(convolutional, breaks="product pooling")
def sum_pooling():
    """Sums in place of products: sum_r (<w_r^n, x> + rest)."""
    pooled = ((w["r", own] + rest["r", "J"]) * one_hot).sum(own, "r")
    return Identity(pooled, (w["r", "i"] * rest["r", "J"]).sum("r")), circuit_at(1, (1,), (1,))


@control(convolutional, breaks="filters of each mode")
def shared_filters():
    """The same filters for all modes: at order 2, an entry of a symmetric matrix, not of every CP tensor."""
    a, b = Tensor("a", ("R", "d")), Tensor("b", ("R", "d"))
    shared = Identity((a["r", "i"] * a["r", "j"]).sum("r"), (a["r", "i"] * b["r", "j"]).sum("r"))
    letters = tuple((name, Array((1, 1), (Fraction(value),))) for name, value in (("a", 1), ("b", 2)))
    return shared, Witness(Instance(sizes=(("R", 1), ("d", 1)), letters=letters))
