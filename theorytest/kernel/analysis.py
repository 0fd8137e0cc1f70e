"""Claims about real variables: the rules by which they follow, and how they hold or fail at a point.

Every rule here takes and gives `Where(conditions, claim)`: the claim holds at every point at which the conditions
hold, whatever the statement assumes. ``suppose`` starts from a condition and ``discharge`` ends by meeting the
conditions with claims that hold outright. A formula that holds is defined there (see `Where`), so that a premise also
vouches for every inverse, root and logarithm in it, and a rule may put into its conclusion only what its premises
vouch for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from theorytest.kernel.ball import UndefinedError, evaluate, less, precision, root
from theorytest.kernel.claim import (
    All,
    Claim,
    Identity,
    Inequality,
    InfimalRank,
    Limit,
    Monotone,
    Range,
    SingularValues,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import Positivstellensatz, Ring, atoms, certifies
from theorytest.kernel.rules import Context, count, only, rule, take
from theorytest.kernel.scalar import (
    ZERO,
    Exp,
    Expression,
    Ln,
    Number,
    Power,
    Scalar,
    Sum,
    Times,
    Variable,
    absolute,
    derivative,
    rewrites,
    substitute,
    variables,
)

Formula = Identity | Inequality
Matrix = tuple[tuple[Scalar, Scalar], tuple[Scalar, Scalar]]
INFINITY = "infinity"
Extended = Fraction | str


def sides(formula: Claim) -> tuple[Scalar, Scalar]:
    """Both sides of a formula between scalars."""
    if isinstance(formula, Identity | Inequality):
        lhs, rhs = formula.lhs, formula.rhs
        if isinstance(lhs, Scalar) and isinstance(rhs, Scalar):
            return lhs, rhs
    raise KernelError(f"a formula between scalars was needed, given {type(formula).__name__}")


def _where(premise: Claim) -> Where:
    return only(premise, Where)


def _join(premises: Iterable[Where]) -> tuple[Formula, ...]:
    return tuple(dict.fromkeys(condition for premise in premises for condition in premise.conditions))


def _positive(premise: Where) -> Scalar:
    """The u of a premise 0 < u."""
    claim = only(premise.claim, Inequality)
    lhs, rhs = sides(claim)
    if lhs != ZERO or claim.relation != "<":
        raise KernelError("the premise must read 0 < u")
    return rhs


def _without(conditions: Iterable[Formula], name: str, *dropped: Formula) -> tuple[Formula, ...]:
    """The conditions but those dropped; no other may speak of the variable, which is about to be bound."""
    kept = tuple(condition for condition in conditions if condition not in dropped)
    for condition in kept:
        if name in set[str]().union(*map(variables, sides(condition))):
            raise KernelError(f"{name} is to run over its whole domain, but a condition restricts it")
    return kept


def _text(formula: Formula) -> str:
    return f"{formula.lhs} {getattr(formula, 'relation', '=')} {formula.rhs}"


def _formula(data: tuple[Any, ...]) -> Formula:
    """The data of a step, if it is one formula between scalars."""
    (formula,) = take(data, object)
    if not isinstance(formula, Identity | Inequality):
        raise KernelError(f"a formula was needed, given {type(formula).__name__}")
    sides(formula)
    return formula


# -- logic -------------------------------------------------------------------------------------------------------------


@rule("suppose")
def suppose(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A formula holds wherever it holds."""
    count(premises, 0)
    formula = _formula(data)
    return Where((formula,), formula)


@rule("at-every-point")
def at_every_point(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A statement about real variables that was proved before holds at every point at which its assumptions do. Data:
    the statement's digest, and the place of the formula among its claims (0 where it is one)."""
    count(premises, 0)
    name: str
    place: int
    name, place = take(data, str, int)
    if name not in context.library:
        raise KernelError(f"no proved statement has the digest {name[:12]}...")
    cited = context.library[name]
    claims = _parts(cited.claim)
    if not 0 <= place < len(claims):
        raise KernelError(f"{cited.label} has {len(claims)} claims, and none at place {place}")
    assumed = [part for a in cited.assumptions if a.formula is not None for part in _parts(a.formula)]
    return Where(tuple(dict.fromkeys(_formula((part,)) for part in assumed)), _formula((claims[place],)))


def _parts(claim: Claim) -> tuple[Claim, ...]:
    return tuple(part for one in claim.claims for part in _parts(one)) if isinstance(claim, All) else (claim,)


@rule("cut")
def cut(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What holds under some conditions holds under those from which they follow: the last premise is the claim, the
    others imply some of its conditions. A condition that is given by data is added."""
    if not premises:
        raise KernelError("a claim under conditions was needed")
    *lemmas, last = map(_where, premises)
    shown = tuple(lemma.claim for lemma in lemmas)
    kept = tuple(condition for condition in last.conditions if condition not in shown)
    extra = tuple(_formula((formula,)) for formula in data)
    return Where(tuple(dict.fromkeys((*_join(lemmas), *kept, *extra))), last.claim)


@rule("discharge")
def discharge(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The claim holds outright where its conditions do: the first premise is the claim, the others are its
    conditions."""
    take(data)
    if not premises:
        raise KernelError("a claim under conditions was needed")
    where = _where(premises[0])
    for condition in where.conditions:
        if condition not in premises[1:]:
            raise KernelError(f"a condition is open: {_text(condition)}")
    return where.claim


@rule("cases")
def cases(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """u <= v holds where u < v or u = v does: a claim that follows in both cases follows from u <= v."""
    count(premises, 2)
    below, equal = map(_where, premises)
    (bound,) = take(data, Inequality)
    lhs, rhs = sides(bound)
    if bound.relation != "<=" or below.claim != equal.claim:
        raise KernelError("two cases of one claim, and a bound u <= v, were needed")
    rest = [c for c in below.conditions if c != Inequality(lhs, "<", rhs)]
    rest += [c for c in equal.conditions if c != Identity(lhs, rhs)]
    return Where(tuple(dict.fromkeys((*rest, bound))), below.claim)


@rule("substitute")
def put(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What holds for every value of a variable holds for the value of an expression: the first premise is a formula,
    the second says that the expression is defined (it occurs there on the left)."""
    count(premises, 2)
    target, defined = map(_where, premises)
    (name,) = take(data, str)
    value = sides(defined.claim)[0]
    moved = tuple(_put(condition, name, value) for condition in target.conditions)
    return Where(tuple(dict.fromkeys((*moved, *defined.conditions))), _put(target.claim, name, value))


def _put(formula: Claim, name: str, value: Scalar) -> Formula:
    lhs, rhs = (substitute(side, name, value) for side in sides(formula))
    return Inequality(lhs, formula.relation, rhs) if isinstance(formula, Inequality) else Identity(lhs, rhs)


@rule("rewrite")
def rewrite(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Equals may be put for equals, at any places of a formula: premises u = v and the formula; data: the new
    formula."""
    count(premises, 2)
    equal, target = map(_where, premises)
    old, new = sides(only(equal.claim, Identity))
    before = target.claim
    (after,) = take(data, type(before))
    if getattr(after, "relation", "=") != getattr(before, "relation", "="):
        raise KernelError("the new formula must have the relation of the old one")
    for mine, theirs in zip(sides(before), sides(after), strict=True):
        if not rewrites(mine, theirs, old, new):
            raise KernelError(f"{theirs} does not come from {mine} by putting {new} for {old}")
    return Where(_join((equal, target)), after)


# -- what is defined ---------------------------------------------------------------------------------------------------


@rule("variable")
def variable(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A variable has a value, and so has a rational number."""
    count(premises, 0)
    (atom,) = take(data, Expression)
    if not isinstance(atom, Variable | Number):
        raise KernelError(f"{atom} is neither a variable nor a number")
    return Where((), Identity(atom, atom))


@rule("positive-power")
def positive_power(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u gives 0 < u^q, for every rational q."""
    count(premises, 1)
    premise = _where(premises[0])
    (exponent,) = take(data, Fraction)
    return Where(premise.conditions, Inequality(ZERO, "<", Power(_positive(premise), exponent)))


@rule("nonnegative-power")
def nonnegative_power(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 <= u gives 0 <= u^q, for every rational q > 0."""
    count(premises, 1)
    premise = _where(premises[0])
    (exponent,) = take(data, Fraction)
    claim = only(premise.claim, Inequality)
    lhs, base = sides(claim)
    if lhs != ZERO or claim.relation != "<=" or exponent <= 0:
        raise KernelError("a premise 0 <= u and a positive exponent were needed")
    return Where(premise.conditions, Inequality(ZERO, "<=", Power(base, exponent)))


# -- algebra -----------------------------------------------------------------------------------------------------------


@rule("positivstellensatz")
def positivstellensatz(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A formula follows from formulas by an exact identity between polynomials in the atoms (variables, logarithms,
    exponentials, inverses, roots): see `theorytest.kernel.polynomial`. Data: the formula and the certificate."""
    wheres = tuple(map(_where, premises))
    goal, certificate = take(data, object, Positivstellensatz)
    goal = _formula((goal,))
    known = [sides(where.claim) for where in wheres]
    named = set[str]().union(*map(variables, sides(goal)))
    ring = Ring(set[Scalar]().union(*(atoms(side) for pair in known for side in pair), map(Variable, named)))

    def at(place: int) -> Claim:
        if not 0 <= place < len(wheres):
            raise KernelError(f"there is no premise {place}")
        return wheres[place].claim

    def gap(place: int) -> tuple[Any, bool]:
        claim = only(at(place), Inequality)
        return ring.polynomial(known[place][1]) - ring.polynomial(known[place][0]), claim.relation == "<"

    def equation(place: int) -> Any:
        only(at(place), Identity)
        return ring.polynomial(known[place][0]) - ring.polynomial(known[place][1])

    lhs, rhs = sides(goal)
    relation = goal.relation if isinstance(goal, Inequality) else "="
    certifies(ring, ring.polynomial(rhs) - ring.polynomial(lhs), relation, certificate, gap, equation)
    return Where(_join(wheres), goal)


# -- ln and exp --------------------------------------------------------------------------------------------------------


@rule("ln-upper")
def ln_upper(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u gives ln u <= u - 1 (ln is concave, and this is its tangent at 1)."""
    count(premises, 1)
    take(data)
    premise = _where(premises[0])
    u = _positive(premise)
    return Where(premise.conditions, Inequality(Ln(u), "<=", u - 1))


@rule("ln-increasing")
def ln_increasing(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u and u < v give ln u < ln v."""
    count(premises, 2)
    take(data)
    first, second = map(_where, premises)
    u, v = sides(only(second.claim, Inequality))
    if _positive(first) != u or second.claim != Inequality(u, "<", v):
        raise KernelError("the premises must read 0 < u and u < v")
    return Where(_join((first, second)), Inequality(Ln(u), "<", Ln(v)))


@rule("ln-power")
def ln_power(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u gives ln u^q = q ln u, for every rational q."""
    count(premises, 1)
    premise = _where(premises[0])
    (exponent,) = take(data, Fraction)
    u = _positive(premise)
    return Where(premise.conditions, Identity(Ln(Power(u, exponent)), Times((Number(exponent), Ln(u)))))


@rule("ln-product")
def ln_product(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u and 0 < v give ln (u v) = ln u + ln v."""
    count(premises, 2)
    take(data)
    first, second = map(_where, premises)
    u, v = _positive(first), _positive(second)
    return Where(_join((first, second)), Identity(Ln(Times((u, v))), Sum((Ln(u), Ln(v)))))


@rule("exp-positive")
def exp_positive(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """u = v, or any other formula in which u stands on the left, gives 0 < exp u: u is defined."""
    count(premises, 1)
    take(data)
    premise = _where(premises[0])
    return Where(premise.conditions, Inequality(ZERO, "<", Exp(sides(premise.claim)[0])))


@rule("exp-ln")
def exp_ln(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """0 < u gives exp ln u = u."""
    count(premises, 1)
    take(data)
    premise = _where(premises[0])
    u = _positive(premise)
    return Where(premise.conditions, Identity(Exp(Ln(u)), u))


@rule("exp-sum")
def exp_sum(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """exp (u + v) = exp u exp v, for the left sides u and v of two formulas: they are defined."""
    count(premises, 2)
    take(data)
    first, second = map(_where, premises)
    u, v = sides(first.claim)[0], sides(second.claim)[0]
    return Where(_join((first, second)), Identity(Exp(Sum((u, v))), Times((Exp(u), Exp(v)))))


@rule("ln-exp")
def ln_exp(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """ln exp u = u, for the left side u of a formula: it is defined."""
    count(premises, 1)
    take(data)
    premise = _where(premises[0])
    u = sides(premise.claim)[0]
    return Where(premise.conditions, Identity(Ln(Exp(u)), u))


# -- functions of one variable -----------------------------------------------------------------------------------------


@rule("monotone")
def monotone(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A function that is defined on a closed interval, and whose derivative has one strict sign inside, is strictly
    monotone on it. Data: the claim. Premises: the function is defined where low <= x (and x <= high); its derivative
    (worked out here) is positive, or negative, where low < x (and x < high).

    An elementary function is continuous where it is defined; the mean value theorem does the rest.
    """
    count(premises, 2)
    defined, slope = map(_where, premises)
    (goal,) = take(data, Monotone)
    x, low = Variable(goal.variable), Number(goal.low)
    closed: list[Formula] = [Inequality(low, "<=", x)]
    inside: list[Formula] = [Inequality(low, "<", x)]
    if goal.high is not None:
        closed.append(Inequality(x, "<=", Number(goal.high)))
        inside.append(Inequality(x, "<", Number(goal.high)))
    moved = derivative(goal.function, goal.variable)
    sign = Inequality(ZERO, "<", moved) if goal.direction == "increasing" else Inequality(moved, "<", ZERO)
    if goal.function not in sides(defined.claim) or slope.claim != sign:
        raise KernelError(f"premises were needed: {goal.function} is defined, and for its derivative {_text(sign)}")
    kept = _without(defined.conditions, goal.variable, *closed) + _without(slope.conditions, goal.variable, *inside)
    return Where(tuple(dict.fromkeys(kept)), goal)


def _eventual(where: Where, name: str) -> tuple[Formula, ...]:
    """The conditions but those that hold for all large values of the variable: k < x and k <= x with a number k."""
    large = (
        c
        for c in where.conditions
        if isinstance(c, Inequality) and c.rhs == Variable(name) and isinstance(c.lhs, Number)
    )
    return _without(where.conditions, name, *large)


@rule("limit")
def limit(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The limit of an expression from those of its parts: sums, products, powers, ln and exp are continuous, and
    infinity is followed where the result is determined. Data: function and variable. The first premise says that the
    function is defined for all large values; the others are limits of parts."""
    if not premises:
        raise KernelError("a premise was needed that says that the function is defined")
    first, *others = map(_where, premises)
    function, name = take(data, Expression, str)
    if function not in sides(first.claim):
        raise KernelError(f"the first premise must say that {function} is defined")
    known: dict[Scalar, Extended] = {}
    for where in others:
        claim = only(where.claim, Limit)
        if claim.variable == name:
            known[claim.function] = INFINITY if claim.value is None else claim.value
    value = _limit(function, name, known)
    if isinstance(value, str) and value != INFINITY:
        raise KernelError("the function tends to minus infinity, which no claim of a limit says")
    kept = [*_eventual(first, name), *(c for where in others for c in _without(where.conditions, name))]
    return Where(tuple(dict.fromkeys(kept)), Limit(function, name, None if isinstance(value, str) else value))


def _limit(expression: Scalar, name: str, known: Mapping[Scalar, Extended]) -> Extended:
    """The limit: a rational number, INFINITY or "-" + INFINITY; raise where it is not determined so."""
    if expression in known:
        return known[expression]
    minus = "-" + INFINITY
    match expression:
        case Number(value):
            return value
        case Variable(other) if other == name:
            return INFINITY
        case Sum(parts):
            values = [_limit(part, name, known) for part in parts]
            infinite = {value for value in values if isinstance(value, str)}
            if len(infinite) < 2:
                return infinite.pop() if infinite else sum((Fraction(v) for v in values), Fraction(0))
        case Times(parts):
            values = [_limit(part, name, known) for part in parts]
            sign = Fraction(1)
            for value in values:
                sign *= value if isinstance(value, Fraction) else Fraction(-1 if value == minus else 1)
            if not any(isinstance(value, str) for value in values):
                return sign
            if sign:
                return INFINITY if sign > 0 else minus
        case Power(base, exponent):
            value = _limit(base, name, known)
            if value == INFINITY and exponent:
                return INFINITY if exponent > 0 else Fraction(0)
            if isinstance(value, Fraction):
                if exponent.denominator == 1 and (value or exponent >= 0):
                    return value ** int(exponent)
                if value == 0 and exponent > 0:
                    return value
                exact = root(value, exponent.denominator) if value > 0 else None
                if exact is not None:
                    return exact**exponent.numerator
        case Ln(argument):
            value = _limit(argument, name, known)
            if value == 0:
                return minus
            if value in (INFINITY, 1):
                return INFINITY if value == INFINITY else Fraction(0)
        case Exp(argument):
            value = _limit(argument, name, known)
            if value in (INFINITY, minus, 0):
                return INFINITY if value == INFINITY else Fraction(value == 0)
        case _:
            pass
    raise KernelError(f"the limit of {expression} is not determined by those that are known")


@rule("squeeze")
def squeeze(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """g <= f <= h for all large values of the variable, and g and h tend to c: then f tends to c. Premises: g <= f,
    the limit of g, f <= h, the limit of h; for c = infinity the first two are enough."""
    take(data)
    wheres = tuple(map(_where, premises))
    if len(wheres) not in (2, 4):
        raise KernelError(f"needs 2 or 4 premises, given {len(wheres)}")
    below, lower, *rest = wheres
    first = only(lower.claim, Limit)
    g, f = sides(only(below.claim, Inequality))
    if first.function != g:
        raise KernelError("premises g <= f and a limit of g were needed")
    kept = [*_eventual(below, first.variable), *_without(lower.conditions, first.variable)]
    if (first.value is None) == bool(rest):
        raise KernelError("a finite limit needs a bound from above with the same limit, infinity needs none")
    if rest:
        above, upper = rest
        middle, h = sides(only(above.claim, Inequality))
        if middle != f or upper.claim != Limit(h, first.variable, first.value):
            raise KernelError("premises f <= h and the same limit of h were needed")
        kept += [*_eventual(above, first.variable), *_without(upper.conditions, first.variable)]
    return Where(tuple(dict.fromkeys(kept)), Limit(f, first.variable, first.value))


@rule("range")
def full_range(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A strictly monotone continuous function on [low, infinity) takes exactly the values from its value at low
    (attained) to its limit (not attained), by the intermediate value theorem. Premises: monotone, limit, and the
    value at low."""
    count(premises, 3)
    take(data)
    wheres = tuple(map(_where, premises))
    steep, far = only(wheres[0].claim, Monotone), only(wheres[1].claim, Limit)
    lhs, start = sides(only(wheres[2].claim, Identity))
    f, name = steep.function, steep.variable
    if (far.function, far.variable) != (f, name) or steep.high is not None or not isinstance(start, Number):
        raise KernelError(
            "premises were needed: monotone on [low, infinity), the limit, and the value at low as a number"
        )
    if lhs != substitute(f, name, Number(steep.low)):
        raise KernelError("the last premise must give the value at low")
    kept = tuple(dict.fromkeys(c for where in wheres for c in _without(where.conditions, name)))
    if steep.direction == "increasing":
        return Where(kept, Range(f, name, steep.low, start.value, True, far.value, False))
    if far.value is None:
        raise KernelError("a decreasing function does not tend to infinity: the premises contradict each other")
    return Where(kept, Range(f, name, steep.low, far.value, False, start.value, True))


@rule("even-range")
def even_range(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """|x| takes exactly the values of [0, infinity) as x runs over the reals: f(|x|) takes those that f takes
    there."""
    count(premises, 1)
    take(data)
    where = _where(premises[0])
    claim = only(where.claim, Range)
    if claim.low != 0:
        raise KernelError("a range over [0, infinity) was needed")
    even = substitute(claim.function, claim.variable, absolute(Variable(claim.variable)))
    ends = (claim.bottom, claim.bottom_attained, claim.top, claim.top_attained)
    return Where(where.conditions, Range(even, claim.variable, None, *ends))


# -- 2x2 matrices ------------------------------------------------------------------------------------------------------


def _square_norm(matrix: Matrix) -> Scalar:
    """The squared Frobenius norm, which is the trace of W^T W."""
    (a, b), (c, d) = matrix
    return a**2 + b**2 + c**2 + d**2


def defining(claim: SingularValues) -> tuple[Formula, ...]:
    """The formulas that make p and q the singular values of W: 0 <= q <= p, and p^2 and q^2 are the eigenvalues of
    W^T W, by its trace and its determinant."""
    (a, b), (c, d) = claim.matrix
    p, q = claim.values
    return (
        Inequality(ZERO, "<=", q),
        Inequality(q, "<=", p),
        Identity(p**2 + q**2, _square_norm(claim.matrix)),
        Identity(p**2 * q**2, (a * d - b * c) ** 2),
    )


@rule("singular-values-2x2")
def singular_values(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """p >= q >= 0 with p^2 + q^2 = ||W||_F^2 and p^2 q^2 = (det W)^2 are the singular values of W: p^2 and q^2 are
    the roots of the characteristic polynomial of W^T W, by Vieta. Premises: 0 <= q, q <= p and the two identities."""
    count(premises, 4)
    wheres = tuple(map(_where, premises))
    (goal,) = take(data, SingularValues)
    for where, formula in zip(wheres, defining(goal), strict=True):
        if where.claim != formula:
            raise KernelError(f"a premise must read {_text(formula)}")
    return Where(_join(wheres), goal)


@rule("infimal-rank-one")
def infimal_rank_one(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A family of 2x2 matrices has infimal rank 1 if its second singular value, which is the distance to the matrices
    of rank at most 1 (Eckart and Young), tends to 0, and its squared Frobenius norm, the squared distance to the zero
    matrix, is at least a positive number. Premises: singular values, the limit of the second, and number <= squared
    norm."""
    count(premises, 3)
    take(data)
    wheres = tuple(map(_where, premises))
    values, small = only(wheres[0].claim, SingularValues), only(wheres[1].claim, Limit)
    bound, norm = sides(only(wheres[2].claim, Inequality))
    if small.function != values.values[1] or small.value != 0:
        raise KernelError("the second singular value must tend to 0")
    if norm != _square_norm(values.matrix) or not isinstance(bound, Number) or bound.value <= 0:
        raise KernelError("the squared Frobenius norm must be at least a positive number")
    kept = tuple(dict.fromkeys(c for where in wheres for c in _without(where.conditions, small.variable)))
    return Where(kept, InfimalRank(values.matrix, small.variable, 1))


# -- at a point --------------------------------------------------------------------------------------------------------


def _both(verdicts: Iterable[bool | None]) -> bool | None:
    seen = set(verdicts)
    return False if False in seen else (None if None in seen else True)


def _formula_holds(formula: Claim, values: Mapping[str, Fraction]) -> bool | None:
    try:
        lhs, rhs = (evaluate(side, values) for side in sides(formula))
    except UndefinedError as error:
        return False if error.surely else None
    if isinstance(formula, Inequality):
        if formula.relation == "<":
            return less(lhs, rhs)
        return {True: False, False: True, None: None}[less(rhs, lhs)]
    if isinstance(lhs, Fraction) and isinstance(rhs, Fraction):
        return lhs == rhs
    return False if less(lhs, rhs) or less(rhs, lhs) else None


def holds(claim: Claim, values: Mapping[str, Fraction], bits: int) -> bool | None:
    """Whether a claim holds at a point: a formula between scalars, singular values of a 2x2 matrix, or several of
    these.

    Exact where all values are rational, else by balls with that many bits: None where they cannot tell. A formula
    with an undefined side does not hold.
    """
    match claim:
        case All(claims):
            return _both(holds(part, values, bits) for part in claims)
        case Where(conditions, inner):
            met = _both(holds(condition, values, bits) for condition in conditions)
            return True if met is False else holds(inner, values, bits) if met else None
        case SingularValues():
            return holds(All(defining(claim)), values, bits)
        case _:
            with precision(bits):
                return _formula_holds(claim, values)


def violation(claim: Claim, values: Mapping[str, Fraction], data: tuple[Any, ...], bits: int) -> str:
    """How a claim certainly fails, with a point as witness: values for the free variables, and in ``data`` what the
    claim's kind needs: two points in order for `Monotone`, one for `Range`. Raises where it does not surely fail.

    `Limit` and `InfimalRank` speak of infinitely many points and cannot fail at one: derive the contrary.
    """
    match claim:
        case Monotone(function, variable, direction, least, most):
            low, high = take(data, Fraction, Fraction)
            if not least <= low < high or (most is not None and high > most):
                raise KernelError(f"two points in order in the domain were needed, given {low} and {high}")
            first, second = (substitute(function, variable, Number(x)) for x in (low, high))
            parts: tuple[Claim, ...] = (
                Inequality(first, "<", second) if direction == "increasing" else Inequality(second, "<", first),
            )
        case Range(function, variable, least):
            (x,) = take(data, Fraction)
            if least is not None and x < least:
                raise KernelError(f"a point in the domain was needed, given {x}")
            here = substitute(function, variable, Number(x))
            parts = (Inequality(Number(claim.bottom), "<=" if claim.bottom_attained else "<", here),)
            if claim.top is not None:
                parts += (Inequality(here, "<=" if claim.top_attained else "<", Number(claim.top)),)
        case Where(conditions, inner):
            if _both(holds(condition, values, bits) for condition in conditions) is not True:
                raise KernelError("the conditions do not surely hold at this point")
            return violation(inner, values, data, bits)
        case SingularValues():
            take(data)
            parts = defining(claim)
        case _:
            take(data)
            sides(claim)
            parts = (claim,)
    for part in parts:
        if holds(part, values, bits) is False:
            (lhs, rhs), relation = sides(part), getattr(part, "relation", "=")
            return f"{_read(lhs, values, bits)} {relation} {_read(rhs, values, bits)} is false"
    raise KernelError("the claim does not surely fail at this point")


def _read(side: Scalar, values: Mapping[str, Fraction], bits: int) -> str:
    with precision(bits):
        try:
            value = evaluate(side, values)
        except UndefinedError:
            return f"{side}, which is undefined,"
        return str(value) if isinstance(value, Fraction) else value.str(12)


def _interval(claim: Range) -> tuple[Fraction, bool, Fraction | None, bool]:
    """The interval that a range is: infinity belongs to none, whatever is said of it."""
    return claim.bottom, claim.bottom_attained, claim.top, claim.top is not None and claim.top_attained


def contradicts(shown: Claim, claim: Claim) -> bool:
    """Whether two claims cannot both hold, at any point. (The one that is shown refutes the other if there is a point
    at which the assumptions hold.)"""
    match shown, claim:
        case _, All(claims):
            return any(contradicts(shown, part) for part in claims)
        case Monotone(), Monotone():
            ends = [end for end in (shown.high, claim.high) if end is not None]
            overlap = not ends or max(shown.low, claim.low) < min(ends)
            same = (shown.function, shown.variable) == (claim.function, claim.variable)
            return same and shown.direction != claim.direction and overlap
        case Limit(), Limit():
            return shown != claim and (shown.function, shown.variable) == (claim.function, claim.variable)
        case Range(), Range():
            same = (shown.function, shown.variable, shown.low) == (claim.function, claim.variable, claim.low)
            return same and _interval(shown) != _interval(claim)
        case InfimalRank(), InfimalRank():
            return shown != claim and (shown.matrix, shown.variable) == (claim.matrix, claim.variable)
        case Inequality(lhs, "<", rhs), Inequality(low, _, high):
            return (lhs, rhs) == (high, low)
        case Inequality(lhs, "<", rhs), Identity(left, right):
            return {lhs, rhs} == {left, right}
        case Inequality(lhs, "<=", rhs), Inequality(low, "<", high):
            return (lhs, rhs) == (high, low)
        case Identity(lhs, rhs), Inequality(low, "<", high):
            return {lhs, rhs} == {low, high}
        case _:
            return False
