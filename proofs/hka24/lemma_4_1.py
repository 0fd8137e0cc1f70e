"""Conservation laws of deep Tucker factorization (HKA24 Lemma 4.1, parts i to iii).

Column r of V^(m) is x_r^m = A_1^{m,r} ... A_k^{m,r} w_r^m. Name a mode m, a column r (a free index) and one or two of
its matrices; all other modes, columns and matrices are grouped. The squared norms of w_r^m, of every A_i^{m,r} and of
the core slice G_{r_m = r} move at the same rate: each of them enters the part of the end tensor that belongs to (m,
r) once.
"""

from dataclasses import replace
from fractions import Fraction
from math import prod

from theorytest import (
    DEEP_TUCKER,
    Array,
    Assumption,
    Change,
    Conserved,
    Descent,
    Flow,
    Focus,
    Instance,
    Link,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    proof,
    sampled,
)
from theorytest.kernel.claim import Exactly, ReadConserved, Reading
from theorytest.kernel.scalar import Variable, sqrt
from theorytest.models import deep_tucker
from theorytest.trials import instances, of_a_law

setting = (
    Assumption("loss", "the loss of the end tensor is differentiable; its gradient is arbitrary"),
    Assumption("flow", "core, matrices and vectors follow gradient flow at the same speed, without weight decay"),
)
interval = ("stated on the interval of existence (RMC21-fn4)",)


def squared_norm(block: Tensor, row: str = "r"):
    """Squared norm of everything in a block that belongs to column r (r free)."""
    legs = (row, *(f"j{k}" for k in range(1, len(block.sizes))))
    return (block[legs] * block[legs]).sum(*legs[1:])


def array(shape, *entries):
    """An exact array; one entry stands for all."""
    return Array(shape, tuple(map(Fraction, entries * prod(shape) if len(entries) == 1 else entries)))


def unsquared(one, other, flow):
    """The difference of two norms, given by their squares, is conserved."""
    squares = Reading((("x", one), ("y", other)), flow)
    return ReadConserved(sqrt(Variable("x")) - sqrt(Variable("y")), squares)


def of_order_two(core_, vector, *matrices, d=1):
    """A state of order 2 with one column in each mode: the core, the vector of mode 1 (of dimension d, one number for
    all entries) and its matrices (tuples of entries, by rows); the vector of mode 2 is 1, the loss gradient too."""
    blocks = [("G", array((1, 1), core_))]
    blocks += [(f"A[1,{s}]", array((1, d, d), *entries)) for s, entries in enumerate(matrices, 1)]
    blocks += [("w[1]", array((1, d), vector)), ("w[2]", array((1, 1), 1))]
    sizes = (("N", 2), ("d", (d, 1)), ("R", (1, 1)), ("k", (len(matrices), 0)))
    return Instance(sizes, (("m", 1), ("m/i", 1)), tuple(blocks), array((d, 1), 1))


def part(roman, title, law, flow, scope):
    """One part of the lemma."""
    return Statement(
        id=f"HKA24-Lem4.1{roman}",
        label=f"HKA24-Lem4.1{roman}",
        kind="lemma",
        title=title,
        source=Source("HKA24", f"Lemma 4.1, part {roman}"),
        assumptions=setting,
        claim=Conserved(law, flow),
        scope=scope,
        deviations=interval,
    )


# -- part i ------------------------------------------------------------------------------------------------------------

flow_i = Flow(DEEP_TUCKER, Focus(modes=("m",)))
core, w = (DEEP_TUCKER.letters(flow_i.focus)[name] for name in ("G", "w[m]"))
law_i = squared_norm(w) - squared_norm(core)

part_i = part("i", "||w_r^m||^2 - ||G_{r_m=r}||^2 is conserved", law_i, flow_i, "all orders, shapes, depths, losses")


@proof(part_i)
def slices_and_vectors_move_alike(derive):
    vector = derive.rate(squared_norm(w), flow_i, "d/dt ||w_r^m||^2")
    piece = derive.rate(squared_norm(core), flow_i, "d/dt ||G_{r_m=r}||^2")
    derive.equal("both rates agree", vector.claim.rate, piece.claim.rate)
    derive.conserved(law_i, flow_i)


tried_part_i = of_a_law(part_i, deep_tucker((2, 2, 2), depths=1), deep_tucker((2, 3), (2, 2), depths=0))


@control(part_i, breaks="the same index r")
def different_indices():
    """||w_r^m||^2 - ||G_{r_m=s}||^2 with r and s different."""
    return Conserved(squared_norm(w) - squared_norm(core, "s"), flow_i)


@control(part_i, breaks="the whole slice")
def one_entry_of_the_slice():
    """One entry of the slice in place of all."""
    return Conserved(squared_norm(w) - core["r", "q"] * core["r", "q"], flow_i)


@control(part_i, breaks="square")
def unsquared_norms():
    """The norms themselves: ||w_r^m|| - ||G_{r_m=r}||."""
    return unsquared(squared_norm(w), squared_norm(core), flow_i), Witness(of_order_two(2, 1))


@control(part_i, breaks="flow")
def adam():
    """The first step of Adam."""
    return Conserved(law_i, Descent(flow_i, "adam"))


@control(part_i, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent."""
    return Conserved(law_i, Descent(flow_i))


@control(part_i, breaks="flow")
def slower_core():
    """The core learns at half the speed."""
    return Conserved(law_i, Flow(DEEP_TUCKER, flow_i.focus, speeds=(("G", Fraction(1, 2)),)))


# -- the drift of part i under gradient descent ------------------------------------------------------------------------

step = Descent(flow_i)
velocity = flow_i.velocities()
eta = Tensor("η", ())()


def squared_speed(name: str):
    """||gradient of the part of a block that belongs to column r||^2, with r free."""
    legs, term = velocity[name]
    named = term.rename({legs[0]: "r"})
    return (named * named).sum(*legs[1:])


drift = Statement(
    id="HKA24-Lem4.1i",
    label="HKA24-Lem4.1i/gradient-descent",
    kind="lemma",
    title="One step of gradient descent changes ||w_r^m||^2 - ||G_{r_m=r}||^2 by exactly η^2 (||g_w||^2 - ||g_G||^2)",
    source=Source("HKA24", "Lemma 4.1, part i"),
    assumptions=setting[:1],
    claim=Change(law_i, eta * eta * (squared_speed("w[m]") - squared_speed("G")), step),
    scope="all orders, shapes, depths, losses, steps",
    deviations=("our own statement: the law of the flow, with its exact drift under a finite step",),
)


@proof(drift)
def by_substitution(derive):
    change = derive.change(law_i, step)
    exact = derive.equal("the terms linear in η cancel", change.claim.change, drift.claim.change)
    derive.replace(change, exact, "written with the squared gradients")


@sampled(drift)
def steps_at_exact_instances(run):
    return instances(drift, run)


@control(drift, breaks="constant 1")
def half_the_drift():
    """Half of the drift."""
    return Change(law_i, drift.claim.change * Fraction(1, 2), step)


@control(drift, breaks="sign")
def opposite_sign():
    """The drift with the opposite sign."""
    return Change(law_i, -drift.claim.change, step)


@control(drift, breaks="method")
def under_adam():
    """The same drift under the first step of Adam."""
    return Change(law_i, drift.claim.change, Descent(flow_i, "adam"))


# -- part ii -----------------------------------------------------------------------------------------------------------

flow_ii = Flow(DEEP_TUCKER, Focus(modes=("m",), links=(Link(("i",), mode="m"),)))
matrix, w_ii = (DEEP_TUCKER.letters(flow_ii.focus)[name] for name in ("A[m,i]", "w[m]"))
law_ii = squared_norm(matrix) - squared_norm(w_ii)

part_ii = part(
    "ii", "||A_i^{m,r}||^2 - ||w_r^m||^2 is conserved", law_ii, flow_ii, "all orders, shapes, depths >= 1, losses"
)


@proof(part_ii)
def matrices_and_vectors_move_alike(derive):
    derive.conserved(law_ii, flow_ii)


tried_part_ii = of_a_law(part_ii, deep_tucker((2, 2, 2), depths=1), repeated="full")


@control(part_ii, breaks="the same column r")
def different_columns():
    """A matrix of one column against the vector of another."""
    return Conserved(squared_norm(matrix) - squared_norm(w_ii, "s"), flow_ii)


@control(part_ii, breaks="Frobenius norm of A_i")
def one_row_of_the_matrix():
    """The norm of one row of A_i in place of all of A_i."""
    row = (matrix["r", "p", "j"] * matrix["r", "p", "j"]).sum("j")
    return Conserved(row - squared_norm(w_ii), flow_ii)


@control(part_ii, breaks="one factor of the product")
def norm_of_the_product():
    """||A_i A_{i+1}||^2, the norm of a product, in place of ||A_i||^2."""
    pair = Flow(DEEP_TUCKER, Focus(modes=("m",), links=(Link(("i", "i+1"), mode="m", adjacent=True),)))
    left, right, vector = (DEEP_TUCKER.letters(pair.focus)[name] for name in ("A[m,i]", "A[m,i+1]", "w[m]"))
    product = (left["r", "p", "k"] * right["r", "k", "j"]).sum("k")
    return Conserved((product * product).sum("p", "j") - squared_norm(vector), pair)


@control(part_ii, breaks="Frobenius norm of A_i")
def spectral_norm():
    """The squared spectral norm of A_i, in dimension 2: (f + sqrt(2 g - f^2)) / 2 with f = ||A||^2, g = ||A^T A||^2."""
    gram = (matrix["r", "p", "a"] * matrix["r", "p", "b"]).sum("p")
    read = (("f", squared_norm(matrix)), ("g", (gram * gram).sum("a", "b")), ("y", squared_norm(w_ii)))
    f, g, y = (Variable(name) for name, _ in read)
    claim = ReadConserved((f + sqrt(2 * g - f**2)) / 2 - y, Reading(read, flow_ii))
    dimension = Assumption("d = 2", "mode m has dimension 2", Exactly("d[m]", 2))
    varied = replace(part_ii, assumptions=(*setting, dimension), claim=claim)
    return varied, Witness(of_order_two(1, 1, (2, 0, 0, 1), d=2))


@control(part_ii, breaks="flow")
def gradient_descent_ii():
    """A finite step of gradient descent."""
    return Conserved(law_ii, Descent(flow_ii))


@control(part_ii, breaks="flow")
def matrices_at_half_the_speed():
    """The matrices learn at half the speed."""
    return Conserved(law_ii, Flow(DEEP_TUCKER, flow_ii.focus, speeds=((matrix.name, Fraction(1, 2)),)))


# -- part iii ----------------------------------------------------------------------------------------------------------

flow_iii = Flow(DEEP_TUCKER, Focus(modes=("m",), links=(Link(("i", "j"), mode="m"),)))
first, second = (DEEP_TUCKER.letters(flow_iii.focus)[name] for name in ("A[m,i]", "A[m,j]"))
law_iii = squared_norm(first) - squared_norm(second)

part_iii = part(
    "iii",
    "||A_i^{m,r}||^2 - ||A_j^{m,r}||^2 is conserved",
    law_iii,
    flow_iii,
    "all orders, shapes, depths >= 2, losses",
)


@proof(part_iii)
def from_part_ii(derive):
    derive.conserved(law_iii, flow_iii)


tried_part_iii = of_a_law(part_iii, deep_tucker((2, 2), depths=2), repeated="full")


@control(part_iii, breaks="the same column r")
def different_columns_iii():
    """Matrices of two columns."""
    return Conserved(squared_norm(first) - squared_norm(second, "s"), flow_iii)


@control(part_iii, breaks="the same mode m")
def different_modes():
    """Matrices of two modes, for the same number r of the column."""
    flow = Flow(DEEP_TUCKER, Focus(modes=("m", "n"), links=(Link(("i",), mode="m"), Link(("j",), mode="n"))))
    of_m, of_n = (DEEP_TUCKER.letters(flow.focus)[name] for name in ("A[m,i]", "A[n,j]"))
    return Conserved(squared_norm(of_m, "r") - squared_norm(of_n, "s"), flow)


@control(part_iii, breaks="flow")
def gradient_descent_iii():
    """A finite step of gradient descent."""
    return Conserved(law_iii, Descent(flow_iii))


@control(part_iii, breaks="flow")
def one_matrix_at_half_the_speed():
    """One of the matrices learns at half the speed."""
    return Conserved(law_iii, Flow(DEEP_TUCKER, flow_iii.focus, speeds=((first.name, Fraction(1, 2)),)))
