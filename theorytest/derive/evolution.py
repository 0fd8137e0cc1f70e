"""Derivations about real functions of time, in few lines.

Nothing here is trusted: every method applies rules of the kernel and returns the fact.
"""

from __future__ import annotations

from dataclasses import replace

from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import Evolution, Identity
from theorytest.kernel.evolution import total_derivative
from theorytest.kernel.scalar import ONE, ZERO, Exp, Ln, Scalar, Sum, Times, Variable, scalar


class Exponentials(Reals):
    """The rules about real variables, and how products of exponentials come together."""

    def exp_of(self, exponent: Scalar, value: Scalar, *facts: Fact) -> Fact:
        """exp u = exp v, for u = v (found among the consequences of the facts)."""
        same = self.equal("the same exponent", exponent, value, *facts)
        here = self.exp_positive(self.defined(exponent, *facts))
        reflexive = self.defined(Exp(exponent), here)
        return self.rewrite(same, reflexive, Identity(Exp(exponent), Exp(value)))

    def exp_product(self, one: Scalar, other: Scalar, total: Scalar, *facts: Fact) -> Fact:
        """exp w = exp u exp v, for w = u + v (found among the consequences of the facts)."""
        parts = [self.defined(exponent, *facts) for exponent in (one, other)]
        made = self.derive.apply("exp-sum", *parts, text="exp (u + v) = exp u exp v")
        same = self.equal("u + v = w", Sum((one, other)), total, *facts)
        return self.rewrite(same, made, Identity(Exp(total), Times((Exp(one), Exp(other)))))

    def exp_zero(self) -> Fact:
        """exp 0 = 1, since ln 1 = 0."""
        one = self.less("0 < 1", 0, 1)
        double = self.derive.apply("ln-product", one, one, text="ln (1 * 1) = ln 1 + ln 1")
        unit = self.equal("1 * 1 = 1", Times((ONE, ONE)), ONE)
        logarithm = double.claim.claim.rhs.parts[0]
        twice = self.rewrite(unit, double, Identity(logarithm, double.claim.claim.rhs))
        none = self.equal("ln 1 = 0", logarithm, 0, twice)
        return self.rewrite(none, self.exp_ln(one), Identity(Exp(ZERO), ONE))


class InTime(Exponentials):
    """The rules about real variables, and about functions of time that solve a system (given with or without
    claims)."""

    def __init__(self, derive: Derive, system: Evolution) -> None:
        super().__init__(derive)
        self.system = replace(system, claims=())

    def conditions(self) -> list[Fact]:
        """What holds at every time, as suppositions, in the order of the system."""
        return [self.suppose(condition) for condition in self.system.conditions]

    def derivative(self, quantity: Scalar) -> Scalar:
        """The derivative in time."""
        return total_derivative(self.system, quantity)

    def never_exceeds(self, quantity: Scalar, slope: Fact, defined: Fact, *known: Fact, text: str = "") -> Fact:
        """The quantity is at most its value at time 0 (or equal to it), by the sign of its derivative."""
        data = (self.system, quantity)
        return self.derive.apply("derivative-in-time", slope, defined, *known, data=data, text=text or "mean value")

    def at_every_time(self, *premises: Fact, text: str = "") -> Fact:
        """What follows at every time."""
        return self.derive.apply("at-every-time", *premises, data=(self.system,), text=text or "at every time")


def variables(names: str) -> tuple[Variable, ...]:
    """Variables by their names, separated by spaces."""
    return tuple(map(Variable, names.split()))


def power(base: Scalar, exponent: Scalar | int) -> Scalar:
    """base^exponent = exp(exponent ln base), for a real exponent and a positive base."""
    return Exp(scalar(exponent) * Ln(base))
