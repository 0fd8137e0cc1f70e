"""Signs of determinants of random matrices, and of multiples (RC20 Section 2.2, Proposition 3).

Changing the sign of one row keeps the law of W where entries are independent and symmetric, and changes the sign of
det W; singular matrices have probability 0. So both signs have the same probability, and their sum is 1. For a product
of independent matrices, one of which has both signs with probability 1/2: condition on the others. For small sizes the
kernel itself shows it of all laws that have densities, null sets included.
"""

from fractions import Fraction

from theorytest import All, Assumption, Identity, Inequality, Instance, Source, Statement, Witness, control, proof
from theorytest import quantity as q
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Fold, Where
from theorytest.kernel.families import put_in, states
from theorytest.kernel.scalar import Variable, scalar
from theorytest.models import deep_matrix_factorization

from .definitions import Given
from .singular_values import determinant, entries

HALF = Fraction(1, 2)


def point(**values):
    return Instance(variables=tuple((name, Fraction(x)) for name, x in values.items()))


# -- multiples ---------------------------------------------------------------------------------------------------------

alpha, d, D, start, s = (Variable(name) for name in ("alpha", "d", "D", "D0", "s"))
FACTOR = Inequality(scalar(0), "<", alpha)
PLUS, MINUS = Inequality(scalar(0), "<", start), Inequality(start, "<", scalar(0))
rows = Fold(
    "s",
    "d",
    (("D", alpha * start, alpha * D),),
    (FACTOR,),
    (Where((PLUS,), Inequality(scalar(0), "<", D)), Where((MINUS,), Inequality(D, "<", scalar(0)))),
)
SOURCE = Source("RC20", "Section 2.2")

rescaled = Statement(
    id="RC20-Rescale",
    label="RC20-Rescale",
    kind="claim",
    title="Positive multiples of a d x d matrix keep the sign of its determinant",
    source=SOURCE,
    claim=rows,
    scope="all sizes d, all factors alpha > 0",
    deviations=(
        "D0 = det W, and D is the determinant after d rows have been multiplied by alpha, one after another: each "
        "multiplies it by alpha, so that D = det(alpha W)",
    ),
)


@proof(rescaled)
def row_by_row(derive):
    real, (first, after) = Reals(derive), states(rows)
    factor = real.suppose(FACTOR)
    facts = []
    for part in rows.claims:
        (sign,) = map(real.suppose, part.conditions)
        now = real.suppose(part.claim)
        for text, given, values in (("one row", sign, first), ("one row more", now, after)):
            goal = put_in(part.claim, values)
            facts.append(real.less(text, goal.lhs, goal.rhs, factor, given, by=[(1, 1, (factor, given))]))
    derive.apply("fold", *facts, data=(rows,), text="induction on the number of rows")


def both_signs(expression):
    """An expression has the sign of D0."""
    return Inequality(scalar(0), "<", start * expression)


@control(rescaled, breaks="alpha > 0")
def negative_factor_for_an_odd_size():
    """alpha = -1 and d = 1."""
    return both_signs(alpha * start), Witness(point(alpha=-1, D0=1))


@control(rescaled, breaks="alpha > 0")
def zero_factor():
    """alpha = 0."""
    return both_signs(alpha * start), Witness(point(alpha=0, D0=1))


NOT_ZERO = Inequality(scalar(0), "<", alpha**2)
pairs = Fold(
    "s",
    "k",
    (("D", alpha**2 * start, alpha**2 * D),),
    (NOT_ZERO,),
    (Where((PLUS,), Inequality(scalar(0), "<", D)), Where((MINUS,), Inequality(D, "<", scalar(0)))),
)


def pair_by_pair(derive):
    """By induction on the number of pairs of rows."""
    real, (first, after) = Reals(derive), states(pairs)
    factor = real.suppose(NOT_ZERO)
    facts = []
    for part in pairs.claims:
        (sign,) = map(real.suppose, part.conditions)
        now = real.suppose(part.claim)
        for text, given, values in (("two rows", sign, first), ("two rows more", now, after)):
            goal = put_in(part.claim, values)
            facts.append(real.less(text, goal.lhs, goal.rhs, factor, given, by=[(1, 1, (factor, given))]))
    derive.apply("fold", *facts, data=(pairs,), text="induction on the number of pairs of rows")


@control(rescaled, breaks="alpha > 0", expected="finding", survives=pair_by_pair,
         reason="for even d every factor that is not 0 keeps the sign")  # fmt: skip
def negative_factor_for_an_even_size():
    """alpha != 0 and d = 2 k: two rows at a time."""
    return pairs


# -- one random matrix -------------------------------------------------------------------------------------------------

plus, minus, null, turned_plus = (Variable(name) for name in ("p_plus", "p_minus", "p_null", "p_turned"))
w11, w12, w21, w22 = entries
turned = -1 * w11 * w22 - -1 * w12 * w21  # det F W, where F negates the first row
PROBABILITIES = Assumption(
    "probabilities",
    "p_plus, p_minus and p_null are the probabilities that det W is positive, negative and 0, and p_turned is that of "
    "det F W > 0, where F negates the first row; det F W = -det W, so that this is the event det W < 0",
    All((Identity(plus + minus + null, scalar(1)), Identity(turned_plus, minus))),
)
SYMMETRIC = Assumption(
    "symmetric",
    "the entries are independent and symmetric, so that F W has the law of W",
    Identity(turned_plus, plus),
)
REGULAR = Assumption(
    "regular",
    "singular matrices have probability 0, as they have where the entries are independent and no number has positive "
    "probability",
    Identity(null, scalar(0)),
)
SECTION = Source("RC20", "Proposition 3")
EVENTS = (
    "probabilities enter through those of the events of the proof and the instances of the axioms there: what is "
    "proved is how they combine",
)

single = Statement(
    id="RC20-Prop3",
    label="RC20-Prop3/i",
    kind="proposition",
    title="Symmetric random matrices, almost surely invertible: det W > 0, and det W < 0, with probability 1/2",
    source=SECTION,
    assumptions=(PROBABILITIES, SYMMETRIC, REGULAR),
    claim=All((Identity(plus, scalar(HALF)), Identity(minus, scalar(HALF)), Identity(turned, -1 * determinant))),
    scope="all sizes (the change of sign by a negated row is written out for 2x2), all such laws",
    example=point(p_plus=HALF, p_minus=HALF, p_null=0, p_turned=HALF, w11=0, w12=0, w21=0, w22=0),
    deviations=(
        *EVENTS,
        "that singular matrices have probability 0 is assumed. It holds for all laws of the paper: det W is an affine "
        "function of w11, whose coefficient is a smaller determinant; by induction on the size it is almost surely not "
        "0, and then one value of w11 alone makes det W zero (Fubini); for densities and small sizes see "
        "RC20-Prop3/sizes",
    ),
)


@proof(single)
def by_symmetry(derive):
    given = Given(derive)
    real = given.real
    (total, event), law, regular = (given.take(label) for label in ("probabilities", "symmetric", "regular"))
    first = real.equal("p_plus", plus, HALF, total, event, law, regular)
    second = real.equal("p_minus", minus, HALF, total, event, law, regular)
    sign = real.equal("a negated row", turned, -1 * determinant)
    derive.both(*map(given.finish, (first, second, sign)))


@control(single, breaks="symmetric")
def not_symmetric():
    """Positive entries at size 1: det W > 0 always."""
    return None, Witness(point(p_plus=1, p_minus=0, p_null=0, p_turned=0))


@control(single, breaks="regular")
def atoms():
    """Atoms at 0: W = 0 always."""
    return None, Witness(point(p_plus=0, p_minus=0, p_null=1, p_turned=0))


@control(single, breaks="probabilities")
def not_a_probability():
    """Numbers that do not add up to 1."""
    return None, Witness(point(p_plus=1, p_minus=1, p_null=0, p_turned=1))


@control(single, breaks="1/2")
def one_third():
    """Probability 1/3."""
    return Identity(plus, scalar(Fraction(1, 3))), Witness(single.example)


# -- small sizes, with densities ---------------------------------------------------------------------------------------


def row(block, columns, line=1):
    """The names of the entries of a row of a block."""
    return tuple(f"entry({block} at {line},{column})" for column in range(1, columns + 1))


def fair(size, depth=1):
    """det W > 0, and det W < 0, with probability 1/2, for a product of square matrices."""
    model = deep_matrix_factorization(size, size, depth=depth)
    return tuple(
        q.probability(model, event, at_least=HALF, at_most=HALF) for event in (q.determinant() > 0, q.determinant() < 0)
    )


small = Statement(
    id="RC20-Prop3",
    label="RC20-Prop3/sizes",
    kind="proposition",
    title="Entries with symmetric densities: det W > 0, and det W < 0, with probability 1/2",
    source=SECTION,
    claim=All((*fair(1), *fair(2), *fair(3), *fair(2, depth=2))),
    scope="1x1, 2x2 and 3x3 matrices, and products of two 2x2 matrices; independent entries, all symmetric densities",
    deviations=("nothing is assumed of determinants or null sets; laws without a density are in RC20-Prop3/i",),
)


@proof(small)
def by_a_negated_row(derive):
    shown = []
    for claim in small.claim.claims:
        sizes = dict(claim.sizes)
        flipped = row(f"W[{sizes['L']}]", sizes["d_out"])
        shown.append(derive.apply("sign-symmetry", data=(claim, flipped), text="negate the first row"))
    derive.both(*shown)


def one_half(derive):
    """It is 1/2."""
    (claim, _), flipped = fair(2), row("W[1]", 2)
    derive.apply("sign-symmetry", data=(claim, flipped), text="negate the first row")


@control(small, breaks="1/2", contrary=one_half)
def two_thirds():
    """det W > 0 with probability 2/3 at least."""
    return q.probability(deep_matrix_factorization(2, 2, depth=1), q.determinant() > 0, at_least="2/3")


# -- products of random matrices ---------------------------------------------------------------------------------------

other_plus, other_minus, product_plus, product_minus = (
    Variable(name) for name in ("q_plus", "q_minus", "r_plus", "r_minus")
)
FAIR = Assumption(
    "fair", "one factor has either sign of its determinant with probability 1/2",
    All((Identity(plus, scalar(HALF)), Identity(minus, scalar(HALF)))),
)  # fmt: skip
OTHERS = Assumption(
    "others",
    "q_plus and q_minus are the probabilities of the signs of det of the product of the other factors, which is "
    "invertible with probability 1",
    Identity(other_plus + other_minus, scalar(1)),
)
INDEPENDENT = Assumption(
    "independent",
    "r_plus and r_minus are the probabilities of the signs of det of the product: det is multiplicative, and the "
    "factors are independent",
    All(
        (
            Identity(product_plus, plus * other_plus + minus * other_minus),
            Identity(product_minus, plus * other_minus + minus * other_plus),
        )
    ),
)
even = {"p_plus": HALF, "p_minus": HALF}

several = Statement(
    id="RC20-Prop3",
    label="RC20-Prop3/ii",
    kind="proposition",
    title="So is that of a product of independent random matrices, one of which has both signs with probability 1/2",
    source=SECTION,
    assumptions=(FAIR, OTHERS, INDEPENDENT),
    claim=All((Identity(product_plus, scalar(HALF)), Identity(product_minus, scalar(HALF)))),
    scope="all sizes, all numbers of factors, all such laws",
    example=point(**even, q_plus=1, q_minus=0, r_plus=HALF, r_minus=HALF),
    deviations=(
        *EVENTS,
        '"continuous" must mean that singular matrices have probability 0, which is assumed of the other factors: that '
        "single matrices have is not enough (control singular_factor)",
        "of the fair factor both signs are assumed to have probability 1/2; the paper says it of one sign, which is "
        "enough where singular matrices have probability 0",
        "independent layers with such laws are almost surely not balanced, so that this part does not feed RC20-Thm1; "
        "a balanced factorization of a matrix as in part (i) does",
    ),
)


@proof(several)
def by_conditioning(derive):
    given = Given(derive)
    one, total, laws = (given.take(label) for label in ("fair", "others", "independent"))
    goals = [
        given.real.equal("condition on the others", side.lhs, side.rhs, *one, total, law)
        for side, law in zip(several.claim.claims, laws, strict=True)
    ]
    derive.both(*map(given.finish, goals))


@control(several, breaks="fair")
def no_fair_factor():
    """No factor with probability 1/2: all determinants are positive."""
    return None, Witness(point(p_plus=1, p_minus=0, q_plus=1, q_minus=0, r_plus=1, r_minus=0))


@control(several, breaks="others")
def singular_factor():
    """As printed, with "continuous" for "no single number has positive probability": W_2 = g E11 with g Gaussian is
    singular, and the determinant of the product is 0."""
    return None, Witness(point(**even, q_plus=0, q_minus=0, r_plus=0, r_minus=0))


@control(several, breaks="independent")
def dependent_factors():
    """W_2 = W_1: the determinant of the product is a square."""
    return None, Witness(point(**even, q_plus=HALF, q_minus=HALF, r_plus=1, r_minus=0))


@control(several, breaks="1/2")
def one_third_of_the_products():
    """Probability 1/3."""
    return Identity(product_plus, scalar(Fraction(1, 3))), Witness(several.example)
