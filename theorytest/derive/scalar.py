"""Derivations about real variables: find the certificates, and write the kernel's rules in few lines.

Nothing here is trusted. `Reals` wraps a `Derive`: each method applies one rule and returns the fact. Identities are
found by a Groebner basis of the equations at hand that remembers how it was made; inequalities by an exact linear
program over the products of the facts at hand (a Positivstellensatz of low degree), or from a hint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

from flint import fmpq_mpoly

from theorytest.derive.derivation import Derive, Fact
from theorytest.errors import InputError
from theorytest.kernel.analysis import Formula, defining, sides
from theorytest.kernel.claim import Identity, Inequality, Limit, Monotone, SingularValues, Where
from theorytest.kernel.polynomial import UNIT, Multiple, Positivstellensatz, Ring, Summand, atoms
from theorytest.kernel.scalar import (
    ONE,
    ZERO,
    Exp,
    Ln,
    Number,
    Power,
    Scalar,
    Variable,
    derivative,
    scalar,
    sqrt,
    substitute,
    variables,
)

Hint = tuple[Fraction | int, Scalar | int, Sequence[Fact]]
"""weight, square root of a square, facts: the summand weight * square^2 * product of the facts' gaps."""


class Reals:
    """The rules about real variables, on top of a derivation in the making."""

    def __init__(self, derive: Derive) -> None:
        self.derive = derive

    # -- logic --------------------------------------------------------------------------------------------------

    def suppose(self, formula: Formula, text: str = "") -> Fact:
        """The formula holds wherever it holds: a condition."""
        return self.derive.apply("suppose", data=(formula,), text=text or "suppose")

    def cut(self, last: Fact, *lemmas: Fact, add: Sequence[Formula] = (), text: str = "") -> Fact:
        """The last fact under the conditions of the lemmas that imply its own, and under further conditions."""
        return self.derive.apply("cut", *lemmas, last, data=tuple(add), text=text or "the conditions follow")

    def outright(self, fact: Fact, *conditions: Fact) -> Fact:
        """The fact without conditions, where they are facts."""
        return self.derive.apply("discharge", fact, *conditions, text="all conditions are met")

    def rewrite(self, equal: Fact, target: Fact, after: Formula, text: str = "") -> Fact:
        """Equals for equals in a formula; ``after`` is the formula that comes out."""
        return self.derive.apply("rewrite", equal, target, data=(after,), text=text or "equals for equals")

    def put(self, target: Fact, defined: Fact, name: str, text: str = "") -> Fact:
        """The formula with the left side of ``defined`` in the place of a variable."""
        return self.derive.apply("substitute", target, defined, data=(name,), text=text or f"substitute for {name}")

    def cases(self, below: Fact, equal: Fact, bound: Inequality) -> Fact:
        """From the cases u < v and u = v to u <= v."""
        return self.derive.apply("cases", below, equal, data=(bound,), text="both cases")

    # -- algebra ------------------------------------------------------------------------------------------------

    def equal(
        self, text: str, lhs: Scalar | int, rhs: Scalar | int, *facts: Fact, scale: Sequence[Hint] | None = None
    ) -> Fact:
        """lhs = rhs, from the equations among the facts and the relations of the roots and inverses in them; ``scale``
        is a positive multiplier of the goal."""
        return self._prove(text, Identity(scalar(lhs), scalar(rhs)), facts, (), scale, 0)

    def defined(self, expression: Scalar, *facts: Fact) -> Fact:
        """The expression is defined: its parts occur in the facts."""
        return self.equal("defined", expression, expression, *facts)

    def at_most(
        self,
        text: str,
        lhs: Scalar | int,
        rhs: Scalar | int,
        *facts: Fact,
        by: Sequence[Hint] = (),
        scale: Sequence[Hint] | None = None,
        degree: int = 2,
    ) -> Fact:
        """lhs <= rhs; ``by`` and ``scale`` (a positive multiplier of the goal) are hints, else products of up to
        ``degree`` facts are tried."""
        return self._prove(text, Inequality(scalar(lhs), "<=", scalar(rhs)), facts, by, scale, degree)

    def less(
        self,
        text: str,
        lhs: Scalar | int,
        rhs: Scalar | int,
        *facts: Fact,
        by: Sequence[Hint] = (),
        scale: Sequence[Hint] | None = None,
        degree: int = 2,
    ) -> Fact:
        """lhs < rhs; see `at_most`."""
        return self._prove(text, Inequality(scalar(lhs), "<", scalar(rhs)), facts, by, scale, degree)

    def _prove(
        self,
        text: str,
        goal: Formula,
        facts: Sequence[Fact],
        by: Sequence[Hint],
        scale: Sequence[Hint] | None,
        degree: int,
    ) -> Fact:
        found = certificate(
            goal,
            [_formula(fact) for fact in facts],
            by=[_summand(hint, facts) for hint in by],
            scale=UNIT if scale is None else tuple(_summand(hint, facts) for hint in scale),
            degree=degree,
        )
        return self.derive.apply("positivstellensatz", *facts, data=(goal, found), text=text)

    # -- powers, ln, exp ------------------------------------------------------------------------------------------

    def real(self, value: Scalar | int) -> Fact:
        """A variable or a number is defined."""
        return self.derive.apply("variable", data=(scalar(value),), text="defined")

    def power(self, fact: Fact, exponent: Fraction | int, text: str = "") -> Fact:
        """0 < u gives 0 < u^q; 0 <= u gives 0 <= u^q where q > 0."""
        formula = _formula(fact)
        strict = isinstance(formula, Inequality) and formula.relation == "<"
        rule = "positive-power" if strict else "nonnegative-power"
        return self.derive.apply(rule, fact, data=(Fraction(exponent),), text=text or f"the power {exponent}")

    def ln_upper(self, fact: Fact) -> Fact:
        """0 < u gives ln u <= u - 1."""
        return self.derive.apply("ln-upper", fact, text="ln u <= u - 1")

    def ln_increasing(self, positive: Fact, less: Fact) -> Fact:
        """0 < u and u < v give ln u < ln v."""
        return self.derive.apply("ln-increasing", positive, less, text="ln increases")

    def ln_power(self, fact: Fact, exponent: Fraction | int) -> Fact:
        """0 < u gives ln u^q = q ln u."""
        return self.derive.apply("ln-power", fact, data=(Fraction(exponent),), text="ln u^q = q ln u")

    def exp_positive(self, defined: Fact) -> Fact:
        """0 < exp u, for the left side u of a fact."""
        return self.derive.apply("exp-positive", defined, text="exp is positive")

    def exp_ln(self, fact: Fact) -> Fact:
        """0 < u gives exp ln u = u."""
        return self.derive.apply("exp-ln", fact, text="exp ln u = u")

    # -- functions of one variable ----------------------------------------------------------------------------------

    def monotone(self, claim: Monotone, defined: Fact, slope: Fact) -> Fact:
        """Strictly monotone, from where it is defined and the strict sign of its derivative."""
        return self.derive.apply("monotone", defined, slope, data=(claim,), text="the derivative has one strict sign")

    def limit(self, function: Scalar, variable: str, defined: Fact, *parts: Fact) -> Fact:
        """The limit at infinity, from those of parts."""
        return self.derive.apply("limit", defined, *parts, data=(function, variable), text="limits of the parts")

    def squeeze(self, below: Fact, lower: Fact, above: Fact | None = None, upper: Fact | None = None) -> Fact:
        """The limit of what lies between two functions of one limit."""
        rest = [fact for fact in (above, upper) if fact is not None]
        return self.derive.apply("squeeze", below, lower, *rest, text="squeezed")

    def range(self, monotone: Fact, limit: Fact, start: Fact) -> Fact:
        """The exact range, from monotony, limit and the value at the left end."""
        return self.derive.apply("range", monotone, limit, start, text="intermediate value theorem")

    def even_range(self, fact: Fact) -> Fact:
        """The range of f(|x|) over the reals, from that of f over [0, infinity)."""
        return self.derive.apply("even-range", fact, text="|x| takes exactly the values from 0")

    # -- 2x2 matrices ---------------------------------------------------------------------------------------------

    def singular_values(self, claim: SingularValues, *facts: Fact, degree: int = 2) -> Fact:
        """The claim, from its four defining formulas, each of which is looked for among the consequences of the
        facts."""
        words = ("sigma_2 is not negative", "sigma_1 is the larger one", "trace of W^T W", "determinant of W^T W")
        parts = [
            self._prove(text, formula, facts, (), None, degree)
            for text, formula in zip(words, defining(claim), strict=True)
        ]
        return self.derive.apply("singular-values-2x2", *parts, data=(claim,), text="Vieta for W^T W")

    def infimal_rank_one(self, values: Fact, small: Fact, bound: Fact) -> Fact:
        """Infimal rank 1: the second singular value tends to 0, the norm stays above a positive number."""
        return self.derive.apply(
            "infimal-rank-one", values, small, bound, text="distance to rank 1 is 0, to rank 0 not"
        )


def claim_of(fact: Fact) -> Any:
    """What a fact says, without its conditions."""
    return fact.claim.claim if isinstance(fact.claim, Where) else fact.claim


def _formula(fact: Fact) -> Formula:
    claim = claim_of(fact)
    sides(claim)
    return claim


def _summand(hint: Hint, facts: Sequence[Fact]) -> Summand:
    weight, square, factors = hint
    return Summand(Fraction(weight), scalar(square), tuple(facts.index(fact) for fact in factors))


# -- certificates ---------------------------------------------------------------------------------------------------


def certificate(
    goal: Formula,
    premises: Sequence[Formula],
    *,
    by: Sequence[Summand] = (),
    scale: tuple[Summand, ...] = UNIT,
    degree: int = 2,
) -> Positivstellensatz:
    """A certificate of a formula between scalars, from premises that hold.

    Raises `InputError` where none is found, and `KernelError` where no premise vouches for a part of the goal.

    The equations are the identities among the premises and the relations of all roots and inverses that occur in
    them. For an inequality without a hint, nonnegative combinations of products of at most ``degree`` premises, and
    of squares of atoms, are tried by an exact linear program."""
    known = set[Scalar]().union(*(atoms(side) for formula in premises for side in sides(formula)))
    ring = Ring(known | {Variable(name) for side in sides(goal) for name in variables(side)})
    difference = ring.polynomial(sides(goal)[1]) - ring.polynomial(sides(goal)[0])
    equations: list[int | Scalar] = [k for k, formula in enumerate(premises) if isinstance(formula, Identity)]
    equations += [atom for atom in ring.atoms if isinstance(atom, Power)]
    ideal = Ideal([_vanishing(ring, premises, equation) for equation in equations])
    gaps: dict[int, fmpq_mpoly] = {}
    for k, formula in enumerate(premises):
        if isinstance(formula, Inequality):
            lhs, rhs = sides(formula)
            gaps[k] = ring.polynomial(rhs) - ring.polynomial(lhs)
    strict = {k for k in gaps if getattr(premises[k], "relation", "=") == "<"}

    def weigh(summand: Summand) -> fmpq_mpoly:
        total = ring.constant(summand.weight) * ring.polynomial(summand.square) ** 2
        for k in summand.factors:
            total = total * gaps[k]
        return total

    target = sum((weigh(s) for s in scale), ring.constant(0)) * difference
    summands = tuple(by)
    if isinstance(goal, Inequality) and not summands:
        summands = _search(ring, ideal, target, goal.relation == "<", gaps, strict, degree)
    rest, cofactors = ideal.reduce(target - sum((weigh(s) for s in summands), ring.constant(0)))
    if not rest.is_zero():
        raise InputError(
            f"no certificate of {goal.lhs} {getattr(goal, 'relation', '=')} {goal.rhs} was found: "
            f"{express(ring, rest)} is left over; give more facts, a hint or a scale"
        )
    multiples = tuple(
        Multiple(express(ring, cofactor), equation)
        for equation, cofactor in zip(equations, cofactors, strict=True)
        if not cofactor.is_zero()
    )
    return Positivstellensatz(scale, summands, multiples)


def _vanishing(ring: Ring, premises: Sequence[Formula], equation: int | Scalar) -> fmpq_mpoly:
    if isinstance(equation, int):
        lhs, rhs = sides(premises[equation])
        return ring.polynomial(lhs) - ring.polynomial(rhs)
    return ring.relation(equation)


def express(ring: Ring, polynomial: fmpq_mpoly) -> Scalar:
    """A polynomial as an expression in the atoms of its ring, nested so that long atoms are written few times."""
    longest = sorted(range(len(ring.atoms)), key=lambda k: -len(repr(ring.atoms[k])))
    terms = {tuple(map(int, m)): Fraction(int(c.p), int(c.q)) for m, c in polynomial.terms()}
    return _nested(ring, terms, longest)


def _nested(ring: Ring, terms: dict[tuple[int, ...], Fraction], order: Sequence[int]) -> Scalar:
    if not order:
        return Number(sum(terms.values(), Fraction(0)))
    first, *rest = order
    total: Scalar = ZERO
    for power in sorted({exponents[first] for exponents in terms}):
        inner = _nested(ring, {e: c for e, c in terms.items() if e[first] == power}, rest)
        total = total + (inner * ring.atoms[first] ** power if power else inner)
    return total


class Ideal:
    """A Groebner basis that remembers how each element comes from the generators."""

    def __init__(self, generators: Sequence[fmpq_mpoly]) -> None:
        self.generators = list(generators)
        self.basis: list[tuple[fmpq_mpoly, list[fmpq_mpoly]]] = []
        pending = [(g, [g * 0 + int(k == j) for j in range(len(generators))]) for k, g in enumerate(generators)]
        while pending:
            polynomial, history = pending.pop(0)
            rest, used = self.reduce(polynomial)
            if rest.is_zero():
                continue
            made = (rest, [h - u for h, u in zip(history, used, strict=True)])
            pending += [pair for other in self.basis if (pair := _s_pair(made, other)) is not None]
            # The smallest leading monomials first: they keep the others short.
            pending.sort(key=lambda entry: sum(_leading(entry[0])[0]) if not entry[0].is_zero() else 0)
            self.basis.append(made)

    def reduce(self, polynomial: fmpq_mpoly) -> tuple[fmpq_mpoly, list[fmpq_mpoly]]:
        """The normal form, and multipliers of the generators that make up the difference."""
        nothing = polynomial * 0
        rest, multipliers = nothing, [nothing] * len(self.generators)
        while not polynomial.is_zero():
            exponents, coefficient = _leading(polynomial)
            for element, history in self.basis:
                top, factor = _leading(element)
                if all(a <= b for a, b in zip(top, exponents, strict=True)):
                    quotient = _monomial(polynomial, [b - a for a, b in zip(top, exponents, strict=True)])
                    quotient = quotient * (coefficient / factor)
                    polynomial = polynomial - quotient * element
                    multipliers = [m + quotient * h for m, h in zip(multipliers, history, strict=True)]
                    break
            else:
                lead = _monomial(polynomial, exponents) * coefficient
                rest, polynomial = rest + lead, polynomial - lead
        return rest, multipliers


def _leading(polynomial: fmpq_mpoly) -> tuple[Sequence[int], Any]:
    return polynomial.monomial(0), polynomial.coefficient(0)


def _monomial(like: fmpq_mpoly, exponents: Sequence[int]) -> fmpq_mpoly:
    return like.context().from_dict({tuple(int(e) for e in exponents): 1})


def _s_pair(
    one: tuple[fmpq_mpoly, list[fmpq_mpoly]], other: tuple[fmpq_mpoly, list[fmpq_mpoly]]
) -> tuple[fmpq_mpoly, list[fmpq_mpoly]] | None:
    (a, p), (b, q) = _leading(one[0]), _leading(other[0])
    if not any(x and y for x, y in zip(a, b, strict=True)):
        return None  # leading monomials without a common factor: their pair reduces to 0
    top = [max(x, y) for x, y in zip(a, b, strict=True)]
    left = _monomial(one[0], [x - y for x, y in zip(top, a, strict=True)]) * (1 / p)
    right = _monomial(one[0], [x - y for x, y in zip(top, b, strict=True)]) * (1 / q)
    history = [left * h - right * k for h, k in zip(one[1], other[1], strict=True)]
    return left * one[0] - right * other[0], history


def _search(
    ring: Ring,
    ideal: Ideal,
    target: fmpq_mpoly,
    wants_strict: bool,
    gaps: dict[int, fmpq_mpoly],
    strict: set[int],
    degree: int,
) -> tuple[Summand, ...]:
    """Weights of products of the gaps, and of squares, that make the target modulo the ideal; () where there are
    none."""
    candidates: list[tuple[Summand, fmpq_mpoly, bool]] = []
    for size in range(degree + 1):
        for chosen in combinations_with_replacement(sorted(gaps), size):
            product = ring.constant(1)
            for k in chosen:
                product = product * gaps[k]
            positive = all(k in strict for k in chosen)
            candidates.append((Summand(Fraction(1), ONE, chosen), ideal.reduce(product)[0], positive))
            if size <= max(degree - 2, 0):
                for square in _squares(ring):
                    reduced = ideal.reduce(product * ring.polynomial(square) ** 2)[0]
                    candidates.append((Summand(Fraction(1), square, chosen), reduced, False))
    wanted = ideal.reduce(target)[0]
    monomials = sorted({tuple(map(int, m)) for p in [wanted, *(c[1] for c in candidates)] for m in p.monoms()})
    place = {monomial: row for row, monomial in enumerate(monomials)}
    columns = [_column(polynomial, place) for _, polynomial, _ in candidates]
    weights = nonnegative_solution(
        columns, _column(wanted, place), [p for _, _, p in candidates] if wants_strict else None
    )
    return tuple(
        Summand(weight, summand.square, summand.factors)
        for weight, (summand, _, _) in zip(weights or (), candidates, strict=False)
        if weight
    )


def _squares(ring: Ring) -> Iterator[Scalar]:
    yield from ring.atoms
    for k, one in enumerate(ring.atoms):
        for other in ring.atoms[:k]:
            yield one + other
            yield one - other


def _column(polynomial: fmpq_mpoly, place: dict[tuple[int, ...], int]) -> list[Fraction]:
    column = [Fraction(0)] * len(place)
    for monomial, coefficient in polynomial.terms():
        column[place[tuple(map(int, monomial))]] = Fraction(int(coefficient.p), int(coefficient.q))
    return column


def nonnegative_solution(
    columns: Sequence[Sequence[Fraction]], target: Sequence[Fraction], some: Sequence[bool] | None = None
) -> list[Fraction] | None:
    """Nonnegative weights with sum_k weights_k columns_k = target, exactly; None where there are none.

    Where ``some`` marks columns, one of them must have a positive weight. Two-phase simplex over the rationals,
    Bland's rule."""
    base = _simplex(columns, target)
    if base is None or some is None or any(w and marked for w, marked in zip(base, some, strict=True)):
        return base
    for chosen in (k for k, marked in enumerate(some) if marked):
        # The chosen column gets weight 1 and the target a multiple t >= 0; where t = 0, this adds nothing to the base.
        found = _simplex([*columns, [-x for x in target]], [-x for x in columns[chosen]])
        if found is not None:
            *weights, t = found
            weights[chosen] += 1
            return [w / t for w in weights] if t else [w + b for w, b in zip(weights, base, strict=True)]
    return None


def _simplex(columns: Sequence[Sequence[Fraction]], target: Sequence[Fraction]) -> list[Fraction] | None:
    rows, width = len(target), len(columns)
    sign = [-1 if x < 0 else 1 for x in target]
    table = [
        [
            *(sign[r] * columns[k][r] for k in range(width)),
            *(Fraction(r == j) for j in range(rows)),
            sign[r] * target[r],
        ]
        for r in range(rows)
    ]
    cost = [sum((row[k] for row in table), Fraction(0)) for k in range(width + rows + 1)]
    for j in range(rows):
        cost[width + j] = Fraction(0)
    basis = [width + r for r in range(rows)]
    while True:
        entering = next((k for k in range(width) if cost[k] > 0), None)
        if entering is None:
            break
        ratios = [(row[-1] / row[entering], basis[r], r) for r, row in enumerate(table) if row[entering] > 0]
        _, _, leaving = min(ratios)  # never empty: the sum of the artificial variables is bounded below
        pivot = table[leaving][entering]
        table[leaving] = [x / pivot for x in table[leaving]]
        for row in (*table[:leaving], *table[leaving + 1 :], cost):
            factor = row[entering]
            if factor:
                row[:] = [x - factor * y for x, y in zip(row, table[leaving], strict=True)]
        basis[leaving] = entering
    if cost[-1]:
        return None
    weights = [Fraction(0)] * width
    for r, k in enumerate(basis):
        if k < width:
            weights[k] = table[r][-1]
    return weights


__all__ = [
    "ONE",
    "ZERO",
    "Exp",
    "Hint",
    "Ideal",
    "Limit",
    "Ln",
    "Reals",
    "certificate",
    "claim_of",
    "derivative",
    "express",
    "nonnegative_solution",
    "sqrt",
    "substitute",
]
