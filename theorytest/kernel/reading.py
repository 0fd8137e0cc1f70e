"""Real variables that are read off a flow: what holds at every point holds at every time.

A `Reading` says what variables stand for along a flow. The rules carry formulas between real variables to all times of
a flow, and what is known of a flow (terms that are conserved or always equal, the sign of a determinant) to formulas.
"""

from __future__ import annotations

from itertools import permutations
from math import prod
from typing import Any

from theorytest.kernel.analysis import cut, sides
from theorytest.kernel.claim import (
    Always,
    Claim,
    Conserved,
    Determinant,
    DeterminantSignPreserved,
    Entry,
    Exactly,
    Identity,
    Inequality,
    ReadAlways,
    ReadAtStart,
    ReadConserved,
    Reading,
    SameSize,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.polynomial import Ring
from theorytest.kernel.rules import Context, count, matrix_chain, only, rule, take, terms
from theorytest.kernel.scalar import ZERO, Expression, Number, Power, Scalar, Sum, Times, Variable, variables
from theorytest.kernel.terms import Term, constant

LARGEST_DETERMINANT = 6  # rows of a determinant that is written out: 720 products


@rule("same-size")
def same_size(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Two sizes that have one value are the same."""
    count(premises, 2)
    take(data)
    left, right = (only(premise, Exactly) for premise in premises)
    if left.number != right.number:
        raise KernelError(f"{left.size} is {left.number}, {right.size} is {right.number}")
    return SameSize(left.size, right.size)


@rule("along-the-flow")
def along_the_flow(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What holds at every point holds at every time of a flow, with the variables read off it.

    Data: the reading. The last premise is a claim under conditions; those before it hold at all times, read in the same
    way, and imply some of its conditions (see "cut"). At any time, the values that are read and the fixed values of the
    other variables make a point; there the earlier premises give conditions, and the last one gives its claim.
    """
    if not premises:
        raise KernelError("a claim under conditions was needed")
    (reading,) = take(data, Reading)
    *earlier, last = premises
    lemmas: list[Where] = []
    for premise in earlier:
        known = only(premise, ReadAlways)
        if known.reading != reading:
            raise KernelError("what holds at all times must be read in the same way")
        lemmas.append(Where(known.conditions, known.claim))
    made = only(cut(context, (*lemmas, only(last, Where)), ()), Where)
    if not isinstance(made.claim, Identity | Inequality):
        raise KernelError(f"a formula was needed, given {type(made.claim).__name__}")
    sides(made.claim)
    return ReadAlways(made.conditions, made.claim, reading)


def _reads(reading: Reading, name: str) -> Entry | Determinant | Term:
    meaning = dict(reading.meanings).get(name)
    if meaning is None:
        raise KernelError(f"{name} is not read off the flow")
    return meaning


@rule("determinant-along-the-flow")
def determinant_along_the_flow(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """If the determinant keeps its sign, then 0 < q det W at time 0 gives 0 < q det W at all times, for every
    polynomial q in variables that keep their values."""
    count(premises, 2)
    take(data)
    kept, start = only(premises[0], DeterminantSignPreserved), only(premises[1], ReadAtStart)
    if kept.motion != start.reading.motion:
        raise KernelError("the sign of the determinant and the reading must be of the same flow")
    lhs, rhs = sides(start.claim)
    if start.claim != Inequality(ZERO, "<", rhs) or lhs != ZERO:
        raise KernelError("the start must read 0 < q det W")
    ring = Ring(map(Variable, variables(rhs)))
    moving = {name: place for place, name in enumerate(map(str, ring.atoms)) if name in start.reading.names}
    expected = [
        (place, int(isinstance(_reads(start.reading, name), Determinant))) for name, place in sorted(moving.items())
    ]
    if sum(times for _, times in expected) != 1:
        raise KernelError("one variable that stands for the determinant was needed")
    for exponents in ring.polynomial(rhs).monoms():
        if any(exponents[place] != times for place, times in expected):
            raise KernelError("the formula must be the determinant times variables that keep their values")
    return ReadAlways((), start.claim, start.reading)


@rule("determinant-of-entries")
def determinant_of_entries(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The determinant of an n x n end matrix is the polynomial in its entries (Leibniz). Premises: both sizes are n.
    Data: the reading, the variable that stands for the determinant, and the polynomial."""
    count(premises, 2)
    reading, name, expression = take(data, Reading, str, Expression)
    rows, columns = (only(premise, Exactly) for premise in premises)
    sizes = matrix_chain(reading.motion.parameterization).end_sizes
    if (rows.size, columns.size) != sizes or rows.number != columns.number:
        raise KernelError(f"premises that {sizes[0]} and {sizes[1]} have one value were needed")
    if not isinstance(_reads(reading, name), Determinant):
        raise KernelError(f"{name} does not stand for the determinant")
    if not 1 <= rows.number <= LARGEST_DETERMINANT:
        raise KernelError(f"a determinant of 1 to {LARGEST_DETERMINANT} rows is written out, given {rows.number}")
    at = {meaning.index: Variable(entry) for entry, meaning in reading.meanings if isinstance(meaning, Entry)}
    places = range(1, rows.number + 1)
    if any((i, j) not in at for i in places for j in places):
        raise KernelError("every entry of the matrix must be read")
    ring = Ring({*map(Variable, variables(expression)), *(at[i, j] for i in places for j in places)})
    total = ring.constant(0)
    for order in permutations(places):
        swaps = sum(order[i] > order[j] for j in range(len(order)) for i in range(j))
        total = total + prod(
            (ring.generator(at[i, j]) for i, j in zip(places, order, strict=True)), start=ring.constant((-1) ** swaps)
        )
    if ring.polynomial(expression) != total:
        raise KernelError(f"{expression} is not the determinant of these entries")
    return ReadAlways((), Identity(Variable(name), expression), reading)


def _as_term(expression: Scalar, reading: Reading) -> Term:
    """A polynomial in variables that stand for terms, as a term."""
    match expression:
        case Number(value):
            return constant(value)
        case Variable(name):
            meaning = _reads(reading, name)
            if not isinstance(meaning, Term):
                raise KernelError(f"{name} stands for no term")
            return meaning
        case Sum(parts):
            return sum((_as_term(part, reading) for part in parts), start=constant(0))
        case Times(parts):
            return prod((_as_term(part, reading) for part in parts), start=constant(1))
        case Power(base, exponent) if exponent.denominator == 1 and exponent >= 0:
            return prod([_as_term(base, reading)] * int(exponent), start=constant(1))
        case _:
            raise KernelError(f"{expression} is not a polynomial")


@rule("terms-along-the-flow")
def terms_along_the_flow(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A formula between terms that holds at all times is one between the variables that stand for them. Data: the
    reading and the formula, whose sides are polynomials and become those of the premise."""
    count(premises, 1)
    known = only(premises[0], Always)
    reading, formula = take(data, Reading, type(known.claim))
    if reading.motion != known.motion or getattr(formula, "relation", "=") != getattr(known.claim, "relation", "="):
        raise KernelError("the reading must be of the same flow, and the formula have the same relation")
    for mine, theirs in zip(sides(formula), terms(known.claim), strict=True):
        if not (_as_term(mine, reading) - theirs).is_zero:
            raise KernelError(f"{mine} is not read as {theirs}")
    return ReadAlways((), formula, reading)


@rule("conserved-along-the-flow")
def conserved_along_the_flow(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """What holds at time 0 of quantities that are conserved holds at all times. Premises: the formula at time 0, and
    that the term of every variable in it that is read off the flow is conserved along it."""
    take(data)
    if not premises:
        raise KernelError("a formula that holds at time 0 was needed")
    start = only(premises[0], ReadAtStart)
    names = set[str]().union(*map(variables, sides(start.claim)))
    _require_conserved(names, start.reading, premises[1:])
    return ReadAlways((), start.claim, start.reading)


@rule("conserved-expression")
def conserved_expression(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """An expression in quantities that are conserved, and in variables that keep their values, is conserved. Premises:
    that the term of every variable in it that is read off the flow is. Data: the expression and the reading."""
    expression, reading = take(data, Expression, Reading)
    _require_conserved(variables(expression), reading, premises)
    return ReadConserved(expression, reading)


def _require_conserved(names: set[str], reading: Reading, premises: tuple[Claim, ...]) -> None:
    kept = [only(premise, Conserved) for premise in premises]
    for name in sorted(names & reading.names):
        meaning = _reads(reading, name)
        if not any(law.motion == reading.motion and law.quantity == meaning for law in kept):
            raise KernelError(f"what {name} stands for is not known to be conserved")
