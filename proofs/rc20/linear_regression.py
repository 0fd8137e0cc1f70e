"""Gradient descent on linear regression from the origin finds the solution of least norm (RC20 introduction).

A step from w = X^T u gives w - eta X^T (X w - y) = X^T (u - eta (X w - y)): iterates from the row space stay in it. The
row space is closed, so that a limit lies in it. A limit is a point from which no step moves, X^T (X w - y) = 0; for
consistent data, y = X v, it is a solution, since ||X w - y||^2 = <w - v, X^T (X w - y)>. If w = X^T u and v both solve
X w = y, then X (v - w) = 0, so that w is orthogonal to v - w and ||v||^2 = ||w||^2 + ||v - w||^2.
"""

from fractions import Fraction

from theorytest import Array, Assumption, Identity, Instance, Source, Statement, Tensor, Witness, control, proof, zero
from theorytest.kernel.rules import Use

X = Tensor("X", ("m", "d"))
w, v, u, y = Tensor("w", ("d",)), Tensor("v", ("d",)), Tensor("u", ("m",)), Tensor("y", ("m",))
eta = Tensor("eta", ())()
residual = (X["k", "j"] * w["j"]).sum("j") - y["k"]


def in_row_space(vector, combination):
    """vector = X^T combination."""
    return Identity(vector, (X["k", "i"] * combination).sum("k"))


ROW_SPACE = Assumption("row space", "w = X^T u", in_row_space(w["i"], u["k"]))
SOLUTION = Assumption("solution", "X w = y", Identity((X["k", "i"] * w["i"]).sum("i"), y["k"]))
OTHER = Assumption("other solution", "X v = y", Identity((X["k", "i"] * v["i"]).sum("i"), y["k"]))
SOURCE = Source("RC20", "Section 1")


def numbers(**letters):
    """Vectors and matrices of exact numbers: m = 1, d = 2."""
    made = []
    for name, values in letters.items():
        shape = {"X": (1, 2), "w": (2,), "v": (2,), "u": (1,), "y": (1,), "eta": ()}[name]
        made.append((name, Array(shape, tuple(Fraction(x) for x in values))))
    return Instance(sizes=(("m", 1), ("d", 2)), letters=tuple(made))


AT_ORIGIN = numbers(X=(1, 1), w=(0, 0), v=(2, 0), u=(0,), y=(2,), eta=(1,))
step = in_row_space(w["i"] - eta * (X["k", "i"] * residual).sum("k"), u["k"] - eta * residual)

iterates = Statement(
    id="RC20-Intro-LS",
    label="RC20-Intro-LS/step",
    kind="claim",
    title="A step of gradient descent from the row space of X stays in it",
    source=SOURCE,
    assumptions=(ROW_SPACE,),
    claim=step,
    scope="all sizes, data, step sizes",
    example=AT_ORIGIN,
    deviations=(
        "from the origin (u = 0), all iterates lie in the row space by induction, and so does their limit, if there is "
        "one (as the paper assumes); it is a solution by RC20-Intro-LS/limit, of least norm by RC20-Intro-LS/least",
    ),
)


@proof(iterates)
def by_substitution(derive):
    known = derive.assume("row space")
    derive.equal("factor out X^T", step.lhs, step.rhs, using=(known,))


@control(iterates, breaks="row space")
def start_elsewhere():
    """A start outside of the row space."""
    return None, Witness(numbers(X=(1, 1), w=(1, 0), u=(0,), y=(0,), eta=(0,)))


@control(iterates, breaks="gradient")
def opposite_residual():
    """y - X w in place of X w - y on one side."""
    wrong = in_row_space(w["i"] - eta * (X["k", "i"] * residual).sum("k"), u["k"] + eta * residual)
    return wrong, Witness(AT_ORIGIN)


size = (residual * residual).sum("k")
AT_REST = Assumption(
    "at rest", "X^T (X w - y) = 0, as at a limit", Identity((X["k", "i"] * residual).sum("k"), zero(("i", "d")))
)
limit = Statement(
    id="RC20-Intro-LS",
    label="RC20-Intro-LS/limit",
    kind="claim",
    title="Where no step of gradient descent moves w, and the data are consistent, w is a solution",
    source=SOURCE,
    assumptions=(AT_REST, OTHER),
    claim=Identity(size, zero()),
    scope="all sizes, consistent data",
    example=numbers(X=(1, 1), w=(1, 1), v=(2, 0), y=(2,)),
    deviations=("a limit of iterates w - eta X^T (X w - y), eta > 0, is at rest: both sides have the same limit",),
)


@proof(limit)
def by_consistency(derive):
    derive.apply(
        "combination",
        derive.assume("at rest"),
        derive.assume("other solution"),
        data=(limit.claim, Use(0, w["i"] - v["i"], (), ("i",)), Use(1, residual, (), ("k",))),
        text="||X w - y||^2 = <w - v, X^T (X w - y)> + <X v - y, X w - y>",
    )


@control(limit, breaks="at rest")
def elsewhere():
    """Any w."""
    return None, Witness(numbers(X=(1, 1), w=(0, 0), v=(2, 0), y=(2,)))


@control(limit, breaks="other solution")
def inconsistent_data():
    """Inconsistent data, X = 0 and y = 1: every w is at rest, and none is a solution."""
    return None, Witness(numbers(X=(0, 0), w=(0, 0), v=(0, 0), y=(1,)))


@control(limit, breaks="a solution")
def the_other_solution():
    """Where it is at rest, w is v: there are other solutions."""
    return Identity(w["i"], v["i"]), Witness(limit.example)


square = (w["i"] * w["i"]).sum("i")
distance = ((v["i"] - w["i"]) * (v["i"] - w["i"])).sum("i")
pythagoras = Identity((v["i"] * v["i"]).sum("i"), square + distance)
least = Statement(
    id="RC20-Intro-LS",
    label="RC20-Intro-LS/least",
    kind="claim",
    title="The solution in the row space is the one of least norm: ||v||^2 = ||w||^2 + ||v - w||^2",
    source=SOURCE,
    assumptions=(ROW_SPACE, SOLUTION, OTHER),
    claim=pythagoras,
    scope="all sizes, consistent data",
    example=numbers(X=(1, 1), w=(1, 1), v=(2, 0), u=(1,), y=(2,)),
)


@proof(least)
def by_orthogonality(derive):
    row, mine, other = (derive.assume(label) for label in ("row space", "solution", "other solution"))
    # ||v||^2 - ||w||^2 - ||v - w||^2 = 2 <w, v - w> = 2 <u, X v - X w>
    derive.apply(
        "combination",
        row,
        mine,
        other,
        data=(
            pythagoras,
            Use(0, (v["i"] - w["i"]) * 2, (), ("i",)),
            Use(1, u["k"] * -2, (), ("k",)),
            Use(2, u["k"] * 2, (), ("k",)),
        ),
        text="w is orthogonal to v - w",
    )


@control(least, breaks="row space")
def solution_elsewhere():
    """A solution outside of the row space is not the least one."""
    return None, Witness(numbers(X=(1, 1), w=(2, 0), v=(1, 1), u=(1,), y=(2,)))


@control(least, breaks="solution")
def no_solution():
    """A point of the row space that is no solution."""
    return None, Witness(numbers(X=(1, 1), w=(2, 2), v=(2, 0), u=(2,), y=(2,)))


@control(least, breaks="other solution")
def any_vector():
    """Any other vector: 0 is shorter."""
    return None, Witness(numbers(X=(1, 1), w=(1, 1), v=(0, 0), u=(1,), y=(2,)))


@control(least, breaks="the distance")
def all_solutions_of_one_norm():
    """||v||^2 = ||w||^2, without ||v - w||^2."""
    return Identity(pythagoras.lhs, square), Witness(least.example)
