"""The rules about real variables: what they conclude, and what they refuse; claims at a point."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from theorytest.derive.derivation import Derive
from theorytest.kernel import analysis
from theorytest.kernel.check import check
from theorytest.kernel.claim import (
    All,
    Claim,
    Identity,
    Inequality,
    InfimalRank,
    Limit,
    Monotone,
    Range,
    SameSize,
    SingularValues,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import UNIT, Multiple, Positivstellensatz, Summand
from theorytest.kernel.rules import RULES, Context
from theorytest.kernel.scalar import (
    ONE,
    ZERO,
    Exp,
    Ln,
    Number,
    Power,
    Scalar,
    Sum,
    Times,
    Variable,
    absolute,
    derivative,
    scalar,
    sqrt,
    substitute,
)
from theorytest.kernel.statement import Assumption, Rest, Statement
from theorytest.kernel.terms import zero

x, y, z = Variable("x"), Variable("y"), Variable("z")
HALF = Fraction(1, 2)
NOTHING = Fraction(0)


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


def where(claim: Claim, *conditions: Identity | Inequality) -> Where:
    return Where(conditions, claim)


def below(lhs: Scalar | Fraction | int, rhs: Scalar | Fraction | int) -> Inequality:
    return Inequality(scalar(lhs), "<", scalar(rhs))


def at_most(lhs: Scalar | Fraction | int, rhs: Scalar | Fraction | int) -> Inequality:
    return Inequality(scalar(lhs), "<=", scalar(rhs))


def equal(lhs: Scalar | Fraction | int, rhs: Scalar | Fraction | int) -> Identity:
    return Identity(scalar(lhs), scalar(rhs))


def refused(rule: str, *premises: Claim, data: Sequence[Any] = (), match: str | None = None) -> None:
    with pytest.raises(KernelError, match=match):
        apply(rule, *premises, data=data)


# -- logic -----------------------------------------------------------------------------------------------------------


def test_suppose() -> None:
    assert apply("suppose", data=[below(0, x)]) == where(below(0, x), below(0, x))
    refused("suppose", data=[x], match="a formula was needed")
    refused("suppose", data=[])
    refused("suppose", data=[Identity(zero(), zero())], match="between scalars")
    refused("suppose", where(below(0, x)), data=[below(0, x)])


def test_what_was_proved_holds_at_every_point() -> None:
    known = (
        Assumption("one", "", All((below(0, x), at_most(x, y)))),
        Assumption("words", "nothing the kernel reads"),
        Assumption("two", "", equal(z, 1)),
    )
    made = Statement("lemma", "", All((below(0, y), All((equal(z, 1), below(0, y * z))))), assumptions=known)
    conditions = (below(0, x), at_most(x, y), equal(z, 1))

    def cited(*data: Any, library: Sequence[Statement] = (made,)) -> Claim:
        context = Context(Statement("label", "title", Identity(x, x)), {s.digest: s for s in library})
        return RULES["at-every-point"](context, (), data)

    for place, formula in enumerate((below(0, y), equal(z, 1), below(0, y * z))):
        assert cited(made.digest, place) == Where(conditions, formula)
    single = Statement("single", "", below(x, x + 1))
    assert cited(single.digest, 0, library=(single,)) == Where((), below(x, x + 1))
    for data in ((made.digest, 3), (made.digest, -1), ("0" * 64, 0), (made.digest,), (0, made.digest)):
        with pytest.raises(KernelError):
            cited(*data)
    with pytest.raises(KernelError):
        RULES["at-every-point"](Context(single, {single.digest: single}), (below(0, x),), (single.digest, 0))
    for other in (  # what is assumed, or claimed, is no formula between real variables
        Statement("sizes", "", below(0, x), assumptions=(Assumption("size", "", SameSize("m", "n")),)),
        Statement("tensors", "", below(0, x), assumptions=(Assumption("t", "", Identity(zero(), zero())),)),
        Statement("monotone", "", Monotone(x, "x", "increasing", NOTHING)),
        Statement("where", "", Where((), below(0, x))),
    ):
        with pytest.raises(KernelError, match="formula"):
            cited(other.digest, 0, library=(other,))


def test_what_a_verdict_rests_on_includes_what_holds_at_every_point() -> None:
    lemma = Statement("lemma", "", below(x, x + 1))
    derive = Derive(Statement("S", "", Where((), below(x, x + 1))), (lemma,))
    derive.at_every_point(lemma)
    verdict = check(derive.statement, derive.certificate(), {lemma.digest: lemma})
    assert verdict.status == "PROVED" and Rest("statement", "lemma") in verdict.rests_on
    assert check(derive.statement, derive.certificate(), {}).status == "UNDECIDED"


def test_cut_meets_conditions_and_adds_those_of_the_lemmas() -> None:
    lemma = where(at_most(0, x), below(0, x))
    last = where(equal(x, x), at_most(0, x), below(0, y))
    assert apply("cut", lemma, last) == where(equal(x, x), below(0, x), below(0, y))
    assert apply("cut", last, data=[below(0, z)]) == where(equal(x, x), at_most(0, x), below(0, y), below(0, z))
    assert apply("cut", where(below(0, z)), last).conditions == last.conditions
    refused("cut", match="under conditions")
    refused("cut", last, data=[x])
    refused("cut", below(0, x), last)


def test_discharge_needs_every_condition() -> None:
    target = where(equal(x, x), below(0, x), below(0, y))
    assert apply("discharge", target, below(0, y), below(0, x)) == equal(x, x)
    refused("discharge", target, below(0, y), match="open: 0 < x")
    refused("discharge", target, below(0, y), below(0, z))
    refused("discharge", match="under conditions")
    refused("discharge", equal(x, x))


def test_cases() -> None:
    less, same = where(at_most(0, y), below(x, z), below(0, y)), where(at_most(0, y), equal(x, z))
    assert apply("cases", less, same, data=[at_most(x, z)]) == where(at_most(0, y), below(0, y), at_most(x, z))
    refused("cases", less, same, data=[below(x, z)], match="two cases")
    refused("cases", less, where(below(0, y), equal(x, z)), data=[at_most(x, z)], match="two cases")
    # a case that is not met stays a condition
    assert below(x, z) in apply("cases", less, same, data=[at_most(z, x)]).conditions


def test_substitute() -> None:
    target = where(at_most(Ln(x), x - 1), below(0, x))
    defined = where(equal(y**-1, y**-1), below(0, y))
    found = apply("substitute", target, defined, data=["x"])
    inverse = y**-1
    moved = Inequality(Ln(inverse), "<=", substitute(x - 1, "x", inverse))
    assert found == where(moved, below(0, inverse), below(0, y))
    same = apply("substitute", where(equal(x, x)), defined, data=["x"])
    assert same == where(equal(inverse, inverse), below(0, y))
    refused("substitute", where(Limit(x, "x", None)), defined, data=["x"])
    refused("substitute", target, where(Limit(x, "x", None)), data=["x"])
    refused("substitute", target, defined, data=[x])


def test_rewrite() -> None:
    same, target = where(equal(x, y), below(0, z)), where(below(Ln(x), x), below(0, x))
    new = below(Ln(y), x)
    assert apply("rewrite", same, target, data=[new]) == where(new, below(0, z), below(0, x))
    refused("rewrite", same, target, data=[below(Ln(z), x)], match="does not come from")
    refused("rewrite", same, target, data=[at_most(Ln(y), x)], match="relation")
    refused("rewrite", same, target, data=[equal(Ln(y), x)], match="the data must be")
    refused("rewrite", where(below(x, y)), target, data=[new])
    refused("rewrite", same, where(Limit(x, "x", None)), data=[Limit(y, "x", None)])
    plain = where(equal(x, x))
    assert apply("rewrite", same, plain, data=[equal(x, y)]).claim == equal(x, y)


# -- what is defined -------------------------------------------------------------------------------------------------


def test_variables_and_numbers_are_defined() -> None:
    assert apply("variable", data=[x]) == where(equal(x, x))
    assert apply("variable", data=[scalar(2)]) == where(equal(2, 2))
    refused("variable", data=[Ln(x)], match="neither")


def test_powers() -> None:
    positive, nonnegative = where(below(0, x), below(1, x)), where(at_most(0, x))
    found = apply("positive-power", positive, data=[Fraction(-3, 2)])
    assert found == where(below(0, Power(x, Fraction(-3, 2))), below(1, x))
    found = apply("nonnegative-power", nonnegative, data=[HALF])
    assert found == where(at_most(0, sqrt(x)))
    refused("positive-power", nonnegative, data=[HALF], match="0 < u")
    refused("positive-power", where(below(-1, x)), data=[HALF], match="0 < u")
    refused("nonnegative-power", nonnegative, data=[-HALF], match="positive exponent")
    refused("nonnegative-power", nonnegative, data=[NOTHING], match="positive exponent")
    refused("nonnegative-power", positive, data=[HALF])
    refused("nonnegative-power", where(at_most(-1, x)), data=[HALF])
    refused("nonnegative-power", where(equal(0, x)), data=[HALF])


# -- algebra ---------------------------------------------------------------------------------------------------------


def test_positivstellensatz() -> None:
    premise = where(below(0, y * x**-1), below(0, x), below(0, y))
    gap = Positivstellensatz(UNIT, (Summand(Fraction(1), ONE, (0,)), Summand(Fraction(2), x**-1, ())), ())
    goal = below(0, y * x**-1 + 2 * x**-2)
    assert apply("positivstellensatz", premise, data=[goal, gap]) == where(goal, below(0, x), below(0, y))
    inverse = Positivstellensatz(UNIT, (), (Multiple(scalar(-1), x**-1),))
    assert apply("positivstellensatz", premise, data=[equal(x * x**-1, 1), inverse]).claim == equal(x * x**-1, 1)
    refused("positivstellensatz", premise, data=[below(0, y * x**-1 + 3 * x**-2), gap], match="different polynomials")
    refused("positivstellensatz", data=[goal, gap], match="not known to be defined")
    refused("positivstellensatz", data=[equal(x * x**-1, 1), inverse], match="not known to be defined")
    refused("positivstellensatz", premise, data=[x, gap], match="a formula was needed")
    refused("positivstellensatz", premise, data=[goal], match="the data must be")
    refused("positivstellensatz", premise, data=[Limit(x, "x", None), gap], match="a formula was needed")


def test_positivstellensatz_uses_each_premise_as_what_it_is() -> None:
    same, less = where(equal(x, y)), where(below(x, y))
    use = Positivstellensatz(UNIT, (), (Multiple(scalar(-1), 0),))
    assert apply("positivstellensatz", same, data=[equal(x, y), use]).claim == equal(x, y)
    refused("positivstellensatz", less, data=[equal(x, y), use], match="must be Identity")
    factor = Positivstellensatz(UNIT, (Summand(Fraction(1), ONE, (0,)),), ())
    assert apply("positivstellensatz", less, data=[below(x, y), factor]).claim == below(x, y)
    refused("positivstellensatz", same, data=[at_most(x, y), factor], match="must be Inequality")
    for place in (1, -1):
        other = Positivstellensatz(UNIT, (Summand(Fraction(1), ONE, (place,)),), ())
        refused("positivstellensatz", less, data=[below(x, y), other], match="no premise")


# -- ln and exp ------------------------------------------------------------------------------------------------------


def test_ln_and_exp() -> None:
    positive, other = where(below(0, x), below(2, z)), where(below(0, y))
    assert apply("ln-upper", positive) == where(at_most(Ln(x), x - 1), below(2, z))
    assert apply("ln-increasing", other, where(below(y, x))) == where(below(Ln(y), Ln(x)))
    power = apply("ln-power", other, data=[-HALF])
    assert power == where(equal(Ln(Power(y, -HALF)), Times((Number(-HALF), Ln(y)))))
    both = apply("ln-product", positive, other)
    assert both == where(equal(Ln(Times((x, y))), Sum((Ln(x), Ln(y)))), below(2, z))
    assert apply("exp-positive", where(equal(Ln(x), y), below(0, x))) == where(below(0, Exp(Ln(x))), below(0, x))
    assert apply("exp-ln", other) == where(equal(Exp(Ln(y)), y))
    logarithm = where(equal(Ln(x), y), below(0, x))
    total = apply("exp-sum", logarithm, where(at_most(y, x)))
    assert total == where(equal(Exp(Sum((Ln(x), y))), Times((Exp(Ln(x)), Exp(y)))), below(0, x))
    assert apply("ln-exp", logarithm) == where(equal(Ln(Exp(Ln(x))), Ln(x)), below(0, x))
    zero_or_more = where(at_most(0, x))
    for rule in ("ln-upper", "exp-ln"):
        refused(rule, zero_or_more, match="0 < u")
    refused("ln-power", zero_or_more, data=[HALF])
    refused("ln-product", zero_or_more, other)
    refused("ln-product", other, zero_or_more)
    refused("ln-increasing", zero_or_more, where(below(x, y)))
    refused("ln-increasing", other, where(below(x, y)), match="0 < u and u < v")
    refused("ln-increasing", other, where(at_most(y, x)), match="0 < u and u < v")
    refused("ln-increasing", other, where(equal(y, x)))
    refused("exp-positive", where(Limit(x, "x", None)))
    refused("ln-exp", where(Limit(x, "x", None)))
    refused("ln-exp", logarithm, logarithm, match="needs 1")
    refused("exp-sum", logarithm, match="needs 2")
    refused("exp-sum", logarithm, where(Limit(x, "x", None)))
    refused("exp-sum", logarithm, logarithm, data=[x])


# -- functions of one variable ---------------------------------------------------------------------------------------

f = x**2 - y
UP = Monotone(f, "x", "increasing", NOTHING)


def test_monotone() -> None:
    defined, slope = where(equal(f, f), at_most(0, x), below(1, y)), where(below(0, derivative(f, "x")), below(0, x))
    assert apply("monotone", defined, slope, data=[UP]) == where(UP, below(1, y))
    down = Monotone(-f, "x", "decreasing", NOTHING, Fraction(1))
    falling = where(below(derivative(-f, "x"), 0), below(0, x), below(x, 1), below(2, y))
    closed = where(equal(-f, -f), at_most(0, x), at_most(x, 1))
    assert apply("monotone", closed, falling, data=[down]) == where(down, below(2, y))
    refused("monotone", defined, falling, data=[UP], match="derivative")
    refused("monotone", where(equal(y, y)), slope, data=[UP], match="is defined")
    refused("monotone", defined, where(at_most(0, derivative(f, "x")), below(0, x)), data=[UP], match="derivative")
    refused("monotone", where(equal(f, f), below(0, x)), slope, data=[UP], match="restricts")
    refused("monotone", defined, where(below(0, derivative(f, "x")), below(1, x)), data=[UP], match="restricts")
    refused("monotone", defined, slope, data=[Monotone(f, "x", "decreasing", NOTHING)], match="derivative")
    refused("monotone", defined, slope, data=[Monotone(f, "x", "increasing", Fraction(-1))], match="restricts")
    refused("monotone", closed, where(below(derivative(-f, "x"), 0), below(0, x)), data=[UP])


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (scalar(3), Fraction(3)),
        (x, None),
        (x + 5, None),
        (x + x**2, None),
        (x**-1 + 5, Fraction(5)),
        (2 * x, None),
        ((x**-1 + 2) * (x**-1 + 3), Fraction(6)),
        (-1 * (-1 * x), None),
        (x**HALF, None),
        (x**-HALF, NOTHING),
        ((x**-1 + 2) ** 3, Fraction(8)),
        ((x**-1 + 2) ** -1, HALF),
        ((x**-1 + 4) ** HALF, Fraction(2)),
        ((x**-1 + 4) ** Fraction(-3, 2), Fraction(1, 8)),
        ((x**-1) ** HALF, NOTHING),
        (Power(x**-1, NOTHING), Fraction(1)),
        (Ln(x), None),
        (Ln(1 + x**-1), NOTHING),
        (Exp(x), None),
        (Exp(x**-1), Fraction(1)),
        (Exp(-x), NOTHING),
        (Exp(Ln(x**-1)), NOTHING),
        (Exp(y), Fraction(7)),
    ],
)
def test_limits(function: Scalar, value: Fraction | None) -> None:
    defined = where(equal(function, function), below(0, x), at_most(1, x), below(1, y))
    known = where(Limit(Exp(y), "x", Fraction(7)), below(3, y))
    other = where(Limit(function, "y", Fraction(12345)))
    found = apply("limit", defined, known, other, data=[function, "x"])
    assert found == where(Limit(function, "x", value), below(1, y), below(3, y))


def test_a_known_limit_may_be_infinite() -> None:
    defined = where(equal(Ln(y), Ln(y)))
    assert apply("limit", defined, where(Limit(Ln(y), "x", None)), data=[Ln(y), "x"]).claim == Limit(Ln(y), "x", None)


@pytest.mark.parametrize(
    "function",
    [
        y,
        x - x,
        x * x**-1,
        (x**-1 + 2) ** HALF,
        (-x) ** 2,
        (x**-1) ** -1,
        (x**-1) ** -HALF,
        Power(x, NOTHING),
        (x**-1 - 1) ** HALF,
        Ln(2 + x**-1),
        Ln(-x),
        Exp(1 + x**-1),
    ],
)
def test_limits_that_are_not_determined(function: Scalar) -> None:
    refused("limit", where(equal(function, function)), data=[function, "x"], match="not determined")


def test_limit_refuses() -> None:
    refused("limit", where(equal(-x, -x)), data=[-x, "x"], match="minus infinity")
    refused("limit", data=[x, "x"], match="a premise")
    refused("limit", where(equal(x, x)), data=[Ln(x), "x"], match="is defined")
    refused("limit", where(equal(x, x), below(x, 1)), data=[x, "x"], match="restricts")
    refused("limit", where(equal(x, x), below(y, x)), data=[x, "x"], match="restricts")
    refused("limit", where(equal(x, x), equal(x, 1)), data=[x, "x"], match="restricts")
    refused("limit", where(equal(x, x)), where(Limit(x, "x", NOTHING), below(0, x)), data=[x, "x"], match="restricts")
    refused("limit", where(equal(x, x)), where(equal(x, x)), data=[x, "x"])


def test_squeeze() -> None:
    low, high = where(Limit(y, "x", NOTHING), below(0, z)), where(Limit(z, "x", NOTHING))
    under, over = where(at_most(y, x), below(5, x)), where(below(x, z), at_most(6, x))
    found = apply("squeeze", under, low, over, high)
    assert found == where(Limit(x, "x", NOTHING), below(0, z))
    far = where(Limit(y, "x", None))
    assert apply("squeeze", under, far) == where(Limit(x, "x", None))
    refused("squeeze", under, low, match="needs a bound from above")
    refused("squeeze", under, far, over, high, match="infinity needs none")
    refused("squeeze", under, low, over, match="2 or 4")
    refused("squeeze", under, high, match="a limit of g")
    refused("squeeze", under, low, over, where(Limit(z, "x", Fraction(1))), match="same limit")
    refused("squeeze", under, low, where(below(y, z)), high, match="same limit")
    refused("squeeze", where(at_most(y, x), below(x, 5)), low, over, high, match="restricts")
    refused("squeeze", where(equal(y, x)), low, over, high)
    refused("squeeze", under, low, where(equal(x, z)), high)


def test_range() -> None:
    rising, far = where(UP, below(0, y)), where(Limit(f, "x", None), below(1, y))
    start = where(Identity(substitute(f, "x", ZERO), scalar(7)))
    found = apply("range", rising, far, start)
    assert found == where(Range(f, "x", NOTHING, Fraction(7), True, None, False), below(0, y), below(1, y))
    falling = where(Monotone(f, "x", "decreasing", NOTHING))
    bottom = where(Limit(f, "x", Fraction(-1)))
    assert apply("range", falling, bottom, start).claim == Range(
        f, "x", NOTHING, Fraction(-1), False, Fraction(7), True
    )
    refused("range", falling, far, start, match="contradict")
    bounded = where(Monotone(f, "x", "increasing", NOTHING, Fraction(2)))
    refused("range", bounded, far, start, match="premises were needed")
    refused("range", rising, where(Limit(x, "x", None)), start, match="premises were needed")
    refused("range", rising, where(Limit(f, "y", None)), start, match="premises were needed")
    refused("range", rising, far, where(Identity(substitute(f, "x", ZERO), y)), match="premises were needed")
    refused("range", rising, far, where(Identity(substitute(f, "x", ONE), scalar(7))), match="value at low")
    refused("range", rising, far, Where((below(x, 1),), start.claim), match="restricts")


def test_even_range() -> None:
    half = Range(f, "x", NOTHING, NOTHING, True, Fraction(1), False)
    found = apply("even-range", where(half, below(0, y)))
    even = substitute(f, "x", absolute(x))
    assert found == where(Range(even, "x", None, NOTHING, True, Fraction(1), False), below(0, y))
    refused("even-range", where(Range(f, "x", Fraction(1), NOTHING, True, None, False)), match="over")
    refused("even-range", found, match="over")


# -- 2x2 matrices ----------------------------------------------------------------------------------------------------

EYE = ((ONE, ZERO), (ZERO, ONE))
VALUES = SingularValues(((x, ZERO), (ZERO, y)), (x, y))


def test_singular_values() -> None:
    parts = [where(part, below(0, z)) for part in analysis.defining(VALUES)]
    assert apply("singular-values-2x2", *parts, data=[VALUES]) == where(VALUES, below(0, z))
    for k in range(4):
        swapped = [*parts[:k], where(equal(x, x)), *parts[k + 1 :]]
        refused("singular-values-2x2", *swapped, data=[VALUES], match="must read")
    refused("singular-values-2x2", *parts[:3], data=[VALUES], match="needs 4")
    other = SingularValues(((x, ZERO), (ONE, y)), (x, y))
    refused("singular-values-2x2", *parts, data=[other], match="must read")


def test_infimal_rank_one() -> None:
    values, small = where(VALUES, below(0, z)), where(Limit(y, "x", NOTHING))
    norm = where(at_most(HALF, x**2 + ZERO**2 + ZERO**2 + y**2))
    expected = where(InfimalRank(VALUES.matrix, "x", 1), below(0, z))
    assert apply("infimal-rank-one", values, small, norm) == expected
    refused("infimal-rank-one", values, where(Limit(x, "x", NOTHING)), norm, match="tend to 0")
    refused("infimal-rank-one", values, where(Limit(y, "x", Fraction(1))), norm, match="tend to 0")
    refused("infimal-rank-one", values, small, where(at_most(0, x**2 + y**2)), match="positive")
    refused("infimal-rank-one", values, small, where(at_most(z, x**2 + y**2)), match="positive")
    refused("infimal-rank-one", values, small, where(at_most(1, x**2)), match="positive")
    refused("infimal-rank-one", values, small, where(norm.claim, below(0, x)), match="restricts")
    refused("infimal-rank-one", where(VALUES, below(0, x)), small, norm, match="restricts")


# -- at a point ------------------------------------------------------------------------------------------------------

TWO = {"x": Fraction(2), "y": Fraction(3)}


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (below(x, y), True),
        (below(y, x), False),
        (below(x, x), False),
        (at_most(x, x), True),
        (at_most(y, x), False),
        (equal(x + 1, y), True),
        (equal(x, y), False),
        (below(sqrt(x), sqrt(y)), True),
        (at_most(sqrt(y), sqrt(x)), False),
        (equal(sqrt(x), sqrt(y)), False),
        (equal(sqrt(y), sqrt(x)), False),
        (equal(sqrt(x), sqrt(x)), None),
        (at_most(sqrt(x), sqrt(x)), None),
        (below(0, Ln(x - y)), False),
        (below(0, Ln(sqrt(x) - sqrt(x))), None),
        (All((below(x, y), equal(sqrt(x), sqrt(x)))), None),
        (All((below(y, x), equal(sqrt(x), sqrt(x)))), False),
        (All(()), True),
        (where(below(y, x), below(y, x)), True),
        (where(below(y, x), below(x, y)), False),
        (where(below(x, y), below(x, y)), True),
        (where(below(x, y), equal(sqrt(x), sqrt(x))), None),
        (SingularValues(((y, ZERO), (ZERO, x)), (y, x)), True),
        (SingularValues(((x, ZERO), (ZERO, y)), (x, y)), False),
    ],
)
def test_holds(claim: Claim, expected: bool | None) -> None:
    assert analysis.holds(claim, TWO, 100) is expected


def test_violations() -> None:
    square = Monotone(x**2, "x", "decreasing", NOTHING, Fraction(3))
    assert analysis.violation(square, {}, (Fraction(1), Fraction(2)), 60) == "4 < 1 is false"
    rising = Monotone(-sqrt(x + 1), "x", "increasing", NOTHING)
    assert "is false" in analysis.violation(rising, {}, (Fraction(1), Fraction(2)), 60)
    gone = Monotone(Ln(1 - x), "x", "increasing", NOTHING)
    assert "undefined" in analysis.violation(gone, {}, (NOTHING, Fraction(1)), 60)
    interval = Range(x**2, "x", NOTHING, Fraction(1), True, Fraction(9), False)
    assert analysis.violation(interval, {}, (NOTHING,), 60) == "1 <= 0 is false"
    assert analysis.violation(interval, {}, (Fraction(3),), 60) == "9 < 9 is false"
    line = Range(x**3, "x", None, NOTHING, False, None, False)
    assert analysis.violation(line, {}, (Fraction(-1),), 60) == "0 < -1 is false"
    closed = Range(x**2, "x", NOTHING, NOTHING, True, Fraction(4), True)
    assert analysis.violation(closed, {}, (Fraction(3),), 60) == "9 <= 4 is false"
    assert analysis.violation(SingularValues(EYE, (ONE, scalar(2))), {}, (), 60) == "2 <= 1 is false"
    assert analysis.violation(equal(x, y), TWO, (), 60) == "2 = 3 is false"


@pytest.mark.parametrize(
    ("claim", "data"),
    [
        (Monotone(x, "x", "increasing", NOTHING), (Fraction(1), Fraction(2))),
        (Monotone(x, "x", "decreasing", NOTHING), (Fraction(2), Fraction(1))),
        (Monotone(x, "x", "decreasing", NOTHING), (Fraction(-1), Fraction(1))),
        (Monotone(x, "x", "decreasing", NOTHING, Fraction(1)), (NOTHING, Fraction(2))),
        (Monotone(x, "x", "decreasing", NOTHING), (NOTHING,)),
        (Range(x, "x", NOTHING, Fraction(1), True, None, False), (Fraction(-1),)),
        (Range(x, "x", NOTHING, NOTHING, True, None, False), (Fraction(1),)),
        (Range(x, "x", None, NOTHING, True, None, False), ()),
        (SingularValues(EYE, (ONE, ONE)), ()),
        (Limit(x, "x", NOTHING), ()),
        (InfimalRank(EYE, "x", 1), ()),
        (SameSize("a", "b"), ()),
        (equal(sqrt(scalar(2)), sqrt(scalar(2))), ()),
        (equal(ZERO, ONE), (NOTHING,)),
    ],
)
def test_what_does_not_surely_fail_is_no_violation(claim: Claim, data: tuple[Any, ...]) -> None:
    with pytest.raises(KernelError):
        analysis.violation(claim, {}, data, 60)


UPWARD = Monotone(x, "x", "increasing", NOTHING)
DOWNWARD = Monotone(x, "x", "decreasing", NOTHING)


@pytest.mark.parametrize(
    ("shown", "claim", "expected"),
    [
        (UPWARD, DOWNWARD, True),
        (UPWARD, UPWARD, False),
        (UPWARD, Monotone(y, "x", "decreasing", NOTHING), False),
        (Monotone(x, "x", "increasing", NOTHING, Fraction(1)), Monotone(x, "x", "decreasing", Fraction(1)), False),
        (Monotone(x, "x", "increasing", NOTHING, Fraction(2)), Monotone(x, "x", "decreasing", Fraction(1)), True),
        (UPWARD, All((UPWARD, DOWNWARD)), True),
        (UPWARD, All(()), False),
        (Limit(x, "x", None), Limit(x, "x", NOTHING), True),
        (Limit(x, "x", None), Limit(x, "x", None), False),
        (Limit(x, "x", None), Limit(x, "y", NOTHING), False),
        (
            Range(x, "x", NOTHING, NOTHING, True, None, False),
            Range(x, "x", NOTHING, NOTHING, False, None, False),
            True,
        ),
        (Range(x, "x", NOTHING, NOTHING, True, None, False), Range(x, "x", None, NOTHING, True, None, False), False),
        # infinity is no value: these two say the same
        (Range(x, "x", NOTHING, NOTHING, True, None, False), Range(x, "x", NOTHING, NOTHING, True, None, True), False),
        (InfimalRank(EYE, "x", 1), InfimalRank(EYE, "x", 2), True),
        (InfimalRank(EYE, "x", 1), InfimalRank(EYE, "x", 1), False),
        (InfimalRank(EYE, "x", 1), InfimalRank(VALUES.matrix, "x", 2), False),
        (below(x, y), at_most(y, x), True),
        (below(x, y), below(y, x), True),
        (below(x, y), at_most(x, y), False),
        (below(x, y), equal(y, x), True),
        (below(x, y), equal(y, z), False),
        (at_most(x, y), below(y, x), True),
        (at_most(x, y), below(x, y), False),
        (at_most(x, y), at_most(y, x), False),
        (equal(x, y), below(y, x), True),
        (equal(x, y), below(x, z), False),
        (equal(x, y), equal(y, x), False),
        (UPWARD, Limit(x, "x", NOTHING), False),
    ],
)
def test_contradictions(shown: Claim, claim: Claim, expected: bool) -> None:
    assert analysis.contradicts(shown, claim) is expected


def test_a_condition_that_holds_for_all_large_values_has_a_number_below() -> None:
    """A bound by a parameter is not dropped, even where the parameter is not the variable."""
    refused("limit", where(equal(x, x), at_most(y, x)), data=[x, "x"], match="restricts")


def test_a_claim_under_conditions_fails_where_they_hold() -> None:
    """`Where` is refuted at a point that meets its conditions, and nowhere else."""
    from theorytest.kernel.analysis import violation

    claim = Where((Inequality(Number(Fraction(0)), "<", x),), Inequality(x, "<=", Number(Fraction(1))))
    assert violation(claim, {"x": Fraction(2)}, (), 64) == "2 <= 1 is false"
    with pytest.raises(KernelError, match="conditions do not surely hold"):
        violation(claim, {"x": Fraction(-2)}, (), 64)
    with pytest.raises(KernelError, match="does not surely fail"):
        violation(claim, {"x": Fraction(1)}, (), 64)
