"""Polynomial identities and Positivstellensatz certificates over QQ.

A scalar expression is read as a polynomial in its atoms: variables, logarithms, exponentials, inverses 1/u and roots
u^(1/d). Inverses and roots are tied to their base by the relations u * (1/u) = 1 and (u^(1/d))^d = u, which hold
wherever the atom is defined. All arithmetic is exact.

A certificate for p >= 0 (or p > 0, or p = 0) is an identity between polynomials

    scale * p = sum_j weight_j * square_j^2 * prod(factors_j) + sum_k multiplier_k * equation_k

in which every factor is known not to be negative and every equation is known to vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx

from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import Exp, Ln, Number, Power, Scalar, Sum, Times, Variable, children


@noun
class Summand:
    """weight * square^2 * product of the gaps (right minus left side) of the inequalities with the given numbers."""

    weight: Fraction
    square: Scalar
    factors: tuple[int, ...]


@noun
class Multiple:
    """multiplier * (left minus right side of an equation): a premise by its number, or the relation of an atom."""

    multiplier: Scalar
    equation: int | Scalar


@noun
class Positivstellensatz:
    """scale * goal = sum of the summands + sum of the multiples; the scale is a sum of summands, too."""

    scale: tuple[Summand, ...]
    summands: tuple[Summand, ...]
    multiples: tuple[Multiple, ...]


UNIT = (Summand(Fraction(1), Number(Fraction(1)), ()),)


def atoms(expression: Scalar) -> set[Scalar]:
    """The atoms as a polynomial in which the expression is read, and those of their bases."""
    inner = set[Scalar]().union(*map(atoms, children(expression)))
    match expression:
        case Variable() | Ln() | Exp():
            return inner | {expression}
        case Power(base, exponent):
            whole, part = divmod(exponent, 1)
            inverse = {Power(base, Fraction(-1))} if whole < 0 else set[Scalar]()
            root = {Power(base, Fraction(1, part.denominator))} if part else set[Scalar]()
            return inner | inverse | root
        case _:
            return inner


class Ring:
    """The polynomials over QQ in some atoms."""

    def __init__(self, generators: Iterable[Scalar]) -> None:
        self.atoms: tuple[Scalar, ...] = tuple(sorted(set(generators), key=repr))
        names = tuple(f"x{place}" for place in range(len(self.atoms)))
        self.context: fmpq_mpoly_ctx = fmpq_mpoly_ctx.get(names, Ordering.degrevlex)
        self._generators = dict(zip(self.atoms, self.context.gens(), strict=True))

    def constant(self, value: Fraction | int) -> fmpq_mpoly:
        """A rational constant as a polynomial."""
        exact = Fraction(value)
        return self.context.constant(fmpq(exact.numerator, exact.denominator))

    def generator(self, atom: Scalar) -> fmpq_mpoly:
        """The generator of an atom; raise where the atom is not one of the ring's."""
        if atom not in self._generators:
            raise KernelError(f"{atom} is not known to be defined: it occurs in no premise")
        return self._generators[atom]

    def polynomial(self, expression: Scalar) -> fmpq_mpoly:
        """Read an expression as a polynomial in the atoms."""
        match expression:
            case Number(value):
                return self.constant(value)
            case Sum(parts):
                return sum(map(self.polynomial, parts), self.constant(0))
            case Times(parts):
                return _product(map(self.polynomial, parts), self.constant(1))
            case Power(base, exponent):
                whole, part = divmod(exponent, 1)
                below = self.polynomial(base) if whole >= 0 else self.generator(Power(base, Fraction(-1)))
                power = below ** abs(whole)
                if not part:
                    return power
                return power * self.generator(Power(base, Fraction(1, part.denominator))) ** part.numerator
            case _:
                return self.generator(expression)

    def relation(self, atom: Scalar) -> fmpq_mpoly:
        """The polynomial that vanishes by the definition of an inverse or a root."""
        match atom:
            case Power(base, exponent) if exponent == -1:
                return self.polynomial(base) * self.generator(atom) - 1
            case Power(base, exponent) if exponent.numerator == 1 and exponent.denominator > 1:
                return self.generator(atom) ** exponent.denominator - self.polynomial(base)
            case _:
                raise KernelError(f"{atom} is not an inverse or a root: it has no relation")


def _product(parts: Iterable[fmpq_mpoly], one: fmpq_mpoly) -> fmpq_mpoly:
    for part in parts:
        one = one * part
    return one


def certifies(
    ring: Ring,
    goal: fmpq_mpoly,
    relation: str,
    certificate: Positivstellensatz,
    gap: Callable[[int], tuple[fmpq_mpoly, bool]],
    equation: Callable[[int], fmpq_mpoly],
) -> None:
    """Raise unless the certificate shows goal = 0, 0 <= goal or 0 < goal (relation "=", "<=", "<").

    ``gap(k)`` is right minus left side of inequality k and whether it is strict; ``equation(k)`` is left minus right
    side of equation k; both raise where k is not one.

    Why this is enough, at any point. Scale positive: a right side that is not negative gives goal >= 0, one that
    vanishes gives goal = 0. Scale not negative: a positive right side gives goal > 0; one with a positive multiple of
    goal^2 gives goal >= 0, since it would be positive, and the left side not, if the goal were negative."""

    def weigh(summands: Sequence[Summand]) -> tuple[fmpq_mpoly, bool, bool]:
        """The sum; whether it is positive; whether it is positive where the goal is not 0."""
        total, positive, unless = ring.constant(0), False, False
        for summand in summands:
            if summand.weight < 0:
                raise KernelError(f"a weight must not be negative, given {summand.weight}")
            square = ring.polynomial(summand.square)
            factors = [gap(k) for k in summand.factors]
            total = total + _product((f for f, _ in factors), square * square * ring.constant(summand.weight))
            if summand.weight and all(strict for _, strict in factors):
                positive = positive or (square.is_constant() and not square.is_zero())
                unless = unless or square == goal
        return total, positive, positive or unless

    scale, scaled, _ = weigh(certificate.scale)
    total, positive, unless = weigh(certificate.summands)
    if relation == "=" and certificate.summands:
        raise KernelError("an identity is proved by multiples of equations alone")
    if relation == "<" and not positive:
        raise KernelError("a strict inequality needs a positive summand")
    if (relation == "=" and not scaled) or (relation == "<=" and not scaled and not unless):
        raise KernelError("the scale must be positive")
    for multiple in certificate.multiples:
        place = multiple.equation
        vanishing = equation(place) if isinstance(place, int) else ring.relation(place)
        total = total + ring.polynomial(multiple.multiplier) * vanishing
    if scale * goal != total:
        raise KernelError("the two sides of the certificate are different polynomials")
