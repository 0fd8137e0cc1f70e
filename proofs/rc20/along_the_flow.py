"""From every matrix to every time: the entries of W(t) make a 2x2 matrix whose determinant keeps its sign.

The variables w11, ..., w22 and det are read off gradient flow on a balanced product. If 0 < det W(0), or 0 < b12 b21
det W(0), the same holds at every t (RC20-DetInv); so whatever holds at every matrix with that sign of the determinant
holds at W(t) for every t. All other variables keep their values: what is assumed of them is a condition at the time in
question, which the values of a norm or the singular values of W(t) meet.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    All,
    Assumption,
    Determinant,
    Entry,
    Exactly,
    Inequality,
    ReadAlways,
    ReadAtStart,
    Reading,
    Statement,
    Witness,
)
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import ONE, ZERO, Scalar, Variable
from theorytest.kernel.witness import JUST_BEFORE

from .determinant_sign import chain, determinant_sign, example, matrix, singular, unit
from .singular_values import determinant, entries

det = Variable("det")
PLACES = ((1, 1), (1, 2), (2, 1), (2, 2))


def read_at(*places):
    """w11, w12, w21 and w22 are the entries at these places of W(t), and det is its determinant."""
    named = (*((w.name, Entry(place)) for w, place in zip(entries, places, strict=True)), (det.name, Determinant()))
    return Reading(named, chain.flow)


reading = read_at(*PLACES)
SHAPE = Assumption("shape", "the product is a 2x2 matrix", All((Exactly("d_out", 2), Exactly("d_in", 2))))
LOSS, BALANCED, DEPTH = (determinant_sign.assumption(label) for label in ("loss", "balanced", "depth"))
COMPOSED = (
    *determinant_sign.deviations,
    "any hidden widths: det W(0) is not 0, so that they are at least the size of W; any loss of the flow (with a "
    "continuous gradient): the half-sum loss enters through the bounds alone",
)


def starting(sign: Scalar = ONE, text="det W(0) > 0", *, read=reading):
    """What the theorems assume of the flow: balanced layers, 2x2, depth at least 2, and the sign of det W(0)."""
    start = ReadAtStart(Inequality(ZERO, "<", det * sign), read)
    return LOSS, BALANCED, SHAPE, DEPTH, Assumption("determinant", text, start)


def at_start(depth, *layers, gradient=((1, 2), (3, 4)), **numbers):
    """An instance with 2x2 layers, the first factor W_L first, and numbers for the other variables."""
    made = example(depth, *layers, gradient=gradient)
    return with_numbers(made, numbers)


def with_numbers(instance, numbers):
    """The instance with values of variables that are not read off the flow."""
    return replace(instance, variables=tuple((name, Fraction(x)) for name, x in numbers.items()))


def formulas(*assumptions):
    """The formulas of assumptions, as conditions."""
    found = []
    for assumption in assumptions:
        formula = assumption.formula
        found += formula.claims if isinstance(formula, All) else (formula,)
    return tuple(found)


def always(claim, *conditions, read=reading):
    """The claim at every t at which the conditions hold."""
    return ReadAlways(tuple(conditions), claim, read)


class AlongTheFlow:
    """The flow of a statement with the assumptions of `starting`; `at_all_times` carries facts to it.

    read, flip: another reading, and whether the polynomial w11 w22 - w12 w21 is det W there (1) or -det W (-1).
    """

    def __init__(self, derive, sign: Scalar = ONE, *, read=reading, flip=1):
        self.derive, self.read, real = derive, read, Reals(derive)
        shape = derive.assume("shape")
        sizes = [derive.apply("part", shape, data=(k,), text="one size") for k in range(2)]
        square = derive.apply("same-size", *sizes, text="the product is square")
        kept = derive.cite(determinant_sign, derive.assume("balanced"), square, derive.assume("depth"))
        positive = derive.apply(
            "determinant-along-the-flow", kept, derive.assume("determinant"), text="the determinant keeps its sign"
        )
        written = derive.apply(
            "determinant-of-entries",
            *sizes,
            data=(read, det.name, flip * determinant),
            text="det W in its entries",
        )
        known, equal = real.suppose(positive.claim.claim), real.suppose(written.claim.claim)
        in_entries = real.less("in the entries", 0, determinant * sign, known, equal, by=[(1, 1, (known,))])
        self.positive = derive.apply(
            "along-the-flow", positive, written, in_entries, data=(read,), text="at every time"
        )

    def at_all_times(self, *facts):
        """The facts about every matrix at W(t), for every t; a statement stands for its first claim."""
        return [
            self.derive.apply("along-the-flow", self.positive, fact, data=(self.read,), text="at W(t), for every t")
            for fact in map(self.fact, facts)
        ]

    def fact(self, made):
        """A statement about every matrix as a claim under conditions; a fact as it is."""
        return self.derive.at_every_point(made) if isinstance(made, Statement) else made


# -- witnesses ---------------------------------------------------------------------------------------------------------

# W_2 = I, W_1 = diag(1, 0), and W_1 = diag(1, 0) alone: w22 falls through 0, and det W > 0 just before.
UNBALANCED = Witness(example(2, unit, singular, gradient=((0, 0), (0, 1))), (JUST_BEFORE,))
ONE_LAYER = Witness(example(1, singular, gradient=((0, 0), (0, 1))), (JUST_BEFORE,))
SWAP = matrix((0, 1), (1, 0))
SOLUTION = {"sigma_1": 1, "sigma_2": 1}  # the singular values of ((0, 1), (1, 0)), which has loss 0


def at_a_solution(**numbers):
    """W(0) = ((0, 1), (1, 0)), balanced, det W(0) = -1."""
    return at_start(2, SWAP, unit, **SOLUTION, **numbers)


def larger(rows=((0, 1, 0), (1, 0, 0), (0, 0, -1)), /, **numbers):
    """An orthogonal 3x3 matrix W(0), balanced: det W(0) = 1, and -1 for its upper left block."""
    swap = matrix(*rows)
    eye = matrix((1, 0, 0), (0, 1, 0), (0, 0, 1))
    made = example(2, swap, eye, gradient=((0, 0, 0),) * 3)
    sizes = (("L", 2), ("d_out", 3), ("d_in", 3), ("h", (3,)))
    return with_numbers(replace(made, sizes=sizes), SOLUTION | numbers)
