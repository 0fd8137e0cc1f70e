"""HKA24 Theorem 4.3, equations 12 and 13 and Corollary 4.4 at random exact instances.

All norms must be rational. Every slice, vector and matrix has the norm g: the core is g times a superdiagonal tensor;
A_i is g P_{i-1} D P_i^T with rational orthogonal P_i and D = diag(3/5, 4/5, 0, ...), so that neighbours are balanced;
and w is g times a column of P_k. The loss gradient is any tensor.
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from math import prod
from random import Random

from theorytest import Instance, Outcome, sampled
from theorytest.kernel.instant import failure
from theorytest.kernel.witness import motion_flow, require_assumptions, view

from .column_norms import deep, equation_12, equation_13
from .corollary_4_4 import marked, part_i, part_ii
from .norm_balance import array
from .theorem_4_3 import rate, theorem

TURNS = ((Fraction(3, 5), Fraction(4, 5)), (Fraction(5, 13), Fraction(12, 13)), (Fraction(0), Fraction(1)))


def orthogonal(random, d):
    """A product of rational rotations and signs, by rows."""
    rows = [[Fraction(int(i == j)) * random.choice((1, -1)) for j in range(d)] for i in range(d)]
    for _ in range(d if d > 1 else 0):
        (i, j), (c, s) = random.sample(range(d), 2), random.choice(TURNS)
        upper = [c * a - s * b for a, b in zip(rows[i], rows[j], strict=True)]
        lower = [s * a + c * b for a, b in zip(rows[i], rows[j], strict=True)]
        rows[i], rows[j] = upper, lower
    return rows


def column(random, d, k, g):
    """The matrices of one column, its vector, a unit right singular vector of their product, and the largest of D."""
    values = [Fraction(1)] if d == 1 else [Fraction(3, 5), Fraction(4, 5), *[Fraction(0)] * (d - 2)]
    bases = [orthogonal(random, d) for _ in range(k + 1)]
    matrices = [
        [g * sum(p[i][a] * values[a] * q[j][a] for a in range(d)) for i, j in product(range(d), repeat=2)]
        for p, q in pairwise(bases)
    ]
    last, place = bases[-1], random.randrange(min(d, 2))
    top = max(range(d), key=lambda a: values[a])
    return matrices, [g * row[place] for row in last], [row[top] for row in last], values[top]


def balanced(random):
    """A balanced state of a random shape, with all letters; mode 1 has k >= 1, and d^k is a square there."""
    order, size = random.randint(1, 3), random.randint(1, 2)
    g = random.choice((Fraction(1, 2), Fraction(1), Fraction(3, 2)))
    dims = [random.randint(1, 3) for _ in range(order)]
    depths = [random.randint(0, 2) for _ in range(order)]
    depths[0] = random.randint(1, 2) if dims[0] == 1 else 2
    blocks, tops = {}, []
    for n, (d, k) in enumerate(zip(dims, depths, strict=True), 1):
        columns = [column(random, d, k, g) for _ in range(size)]
        for s in range(k):
            blocks[f"A[{n},{s + 1}]"] = array((size, d, d), *(x for matrices, *_ in columns for x in matrices[s]))
        blocks[f"w[{n}]"] = array((size, d), *(x for _, vector, *_ in columns for x in vector))
        tops += [(v, largest) for *_, v, largest in columns] if n == 1 else []
    core = [g if len(set(index)) == 1 else 0 for index in product(range(size), repeat=order)]
    blocks = {"G": array((size,) * order, *core)} | blocks
    slope = array(tuple(dims), *(Fraction(random.randint(-4, 4), 2) for _ in range(prod(dims))))
    sizes = (("N", order), ("d", tuple(dims)), ("R", (size,) * order), ("k", tuple(depths)))
    made = Instance(sizes, (("m", 1),), tuple(blocks.items()), slope)
    return deep(made, *(v for v, _ in tops), norm=(g * tops[0][1]) ** depths[0])


@cache
def states(seed, count):
    """Random balanced states."""
    random = Random(seed)
    return tuple(balanced(random) for _ in range(count))


def instances(statement, run, finish=lambda instance: instance):
    """The statement at random balanced states: every assumption is met, and the claim holds, exactly."""
    seen, shapes = 0, set()
    for made in states(run.seed, 100 if run.profile == "full" else 20):
        instance = finish(made)
        require_assumptions(statement, instance)
        for claim in getattr(statement.claim, "claims", (statement.claim,)):
            flow = motion_flow(claim)
            assert not failure(claim, view(flow, instance, dict(instance.members)))
        seen += 1
        shapes.add(instance.sizes)
    return Outcome(seen, "0", True, f"{len(shapes)} shapes, all norms rational, every bound met exactly")


def marks(sign):
    """Mark the columns whose norm grows (sign 1) or falls (sign -1)."""

    def finish(instance):
        speeds = view(motion_flow(theorem.claim.claims[0]), instance, {"m": 1}).array(rate).entries
        return marked(instance, *(int(speed * sign >= 0) for speed in speeds))

    return finish


@sampled(theorem)
def the_rate_at_balanced_states(run):
    return instances(theorem, run)


@sampled(equation_13)
def the_bound_from_above(run):
    return instances(equation_13, run)


@sampled(equation_12)
def the_bound_from_below(run):
    return instances(equation_12, run)


@sampled(part_i)
def growing_columns(run):
    return instances(part_i, run, marks(1))


@sampled(part_ii)
def falling_columns(run):
    return instances(part_ii, run, marks(-1))
