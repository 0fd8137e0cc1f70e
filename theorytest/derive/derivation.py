"""Writing derivations: each call applies a rule of the kernel and returns the fact that it concludes.

Nothing here is trusted. The kernel replays the finished derivation; applying the rules while it is written only makes a
wrong step fail at the line that makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from theorytest.kernel import analysis as _scalar_rules  # noqa: F401  (registers the rules for real variables)
from theorytest.kernel import chains as _chains  # noqa: F401  (registers its rules)
from theorytest.kernel import components as _components  # noqa: F401  (registers its rules)
from theorytest.kernel import evolution as _evolution  # noqa: F401  (registers its rules)
from theorytest.kernel import families as _families  # noqa: F401  (registers its rules)
from theorytest.kernel import invariance as _invariance  # noqa: F401  (registers its rules)
from theorytest.kernel import laws as _laws  # noqa: F401  (registers its rules)
from theorytest.kernel import modes as _modes  # noqa: F401  (registers its rules)
from theorytest.kernel import moment as _moment  # noqa: F401  (registers its rules)
from theorytest.kernel import order as _order  # noqa: F401  (registers its rules)
from theorytest.kernel import probability as _probability  # noqa: F401  (registers its rules)
from theorytest.kernel import product_flow as _product_flow  # noqa: F401  (registers its rules)
from theorytest.kernel import reading as _reading  # noqa: F401  (registers its rules)
from theorytest.kernel import spectra as _spectra  # noqa: F401  (registers its rules)
from theorytest.kernel import states as _states  # noqa: F401  (registers its rules)
from theorytest.kernel import unfolding as _unfolding  # noqa: F401  (registers its rules)
from theorytest.kernel.claim import Claim, Descent, Flow, Identity, Inequality
from theorytest.kernel.errors import KernelError
from theorytest.kernel.rules import RULES, Context, Square, Use
from theorytest.kernel.statement import Certificate, Derivation, Statement, Step
from theorytest.kernel.terms import Monomial, Term


class MissingCitationError(KernelError):
    """A derivation cites a statement that is not (yet) among the proved ones; ``label`` says which."""

    def __init__(self, label: str) -> None:
        super().__init__(f"no proved statement is labelled {label!r}")
        self.label = label


@dataclass(frozen=True)
class Fact:
    """A result of a derivation: its number, and what it says (a claim; which kind, the author of a proof knows)."""

    number: int
    claim: Any


class Derive:
    """A derivation in the making, for a statement (or, inside a rule, from hypotheses)."""

    def __init__(
        self, statement: Statement, library: Sequence[Statement] = (), hypotheses: tuple[Claim, ...] = ()
    ) -> None:
        self.statement = statement
        self.library = {cited.digest: cited for cited in library}
        self.given = tuple(Fact(number, claim) for number, claim in enumerate(hypotheses))
        self.steps: list[Step] = []

    # -- steps --------------------------------------------------------------------------------------------------

    def apply(self, rule: str, *premises: Fact, data: tuple[Any, ...] = (), text: str = "") -> Fact:
        """Apply a rule of the kernel by its name."""
        if rule not in RULES:
            raise KernelError(f"no rule is named {rule!r}: {sorted(RULES)}")
        claim = RULES[rule](Context(self.statement, self.library), tuple(p.claim for p in premises), data)
        self.steps.append(Step(rule, tuple(p.number for p in premises), data, text))
        return Fact(len(self.given) + len(self.steps) - 1, claim)

    def assume(self, label: str) -> Fact:
        """An assumption of the statement."""
        return self.apply("assumption", data=(label,), text=self.statement.assumption(label).text)

    def cite(self, cited: Statement | str, *premises: Fact) -> Fact:
        """A statement proved before, itself or by its label; the premises are its assumptions."""
        statement = self._proved(cited)
        return self.apply(
            "statement", *premises, data=(statement.digest,), text=f"{statement.label}: {statement.title}"
        )

    def at_every_point(self, cited: Statement | str, place: int = 0) -> Fact:
        """A statement about real variables that was proved before, as a claim under conditions: its assumptions."""
        statement = self._proved(cited)
        text = f"{statement.label}: {statement.title}"
        return self.apply("at-every-point", data=(statement.digest, place), text=text)

    def _proved(self, cited: Statement | str) -> Statement:
        label = cited if isinstance(cited, str) else cited.label
        statement = next((s for s in self.library.values() if s.label == label), None)
        if statement is None or (isinstance(cited, Statement) and cited != statement):
            raise MissingCitationError(label)
        return statement

    def rate(self, quantity: Term, flow: Flow, text: str = "") -> Fact:
        """The derivative of a quantity along a flow."""
        return self.apply("rate", data=(quantity, flow), text=text or "product rule along the derived flow")

    def change(self, quantity: Term, descent: Descent, text: str = "") -> Fact:
        """The change of a quantity in one discrete step."""
        return self.apply("change", data=(quantity, descent), text=text or "substitute the step")

    def conserved(self, quantity: Term, flow: Flow) -> Fact:
        """The quantity is conserved: its derivative along the flow is 0."""
        rate = self.rate(quantity, flow)
        return self.apply("zero-derivative", rate, text="the derivative is 0, so the quantity is constant")

    def replace(self, fact: Fact, equal: Fact, text: str = "") -> Fact:
        """The same rate or change, written with an equal term."""
        return self.apply("replace", fact, equal, text=text)

    def both(self, *facts: Fact) -> Fact:
        """All of the facts together."""
        return self.apply("both", *facts, text="together")

    def equal(
        self, text: str, lhs: Term, rhs: Term, using: Sequence[Fact] = (), backwards: Sequence[Fact] = ()
    ) -> Fact:
        """lhs = rhs, by normal forms, after rewriting with the facts (``using``: from left to right; ``backwards``:
        from right to left) wherever they apply."""
        if not using and not backwards:
            return self.apply("identity", data=(lhs, rhs), text=text)
        uses = rewrite(lhs - rhs, [f.claim for f in using], [f.claim for f in backwards])
        return self.apply("combination", *using, *backwards, data=(Identity(lhs, rhs), *uses), text=text)

    def at_most(
        self, text: str, lhs: Term, rhs: Term, using: Sequence[Fact] = (), by: Sequence[Use | Square] = ()
    ) -> Fact:
        """lhs <= rhs by a combination of facts and squares; what identities among the facts can rewrite is found."""
        rest = rhs - lhs
        for use in by:
            if isinstance(use, Square):
                rest = rest - (use.term * use.term).sum(*use.over)
            else:
                rest = rest - use_value(use, using[use.premise].claim)
        equalities = [f.claim if isinstance(f.claim, Identity) else None for f in using]
        uses = (*by, *rewrite(-rest, equalities))
        return self.apply("combination", *using, data=(Inequality(lhs, "<=", rhs), *uses), text=text)

    def inner(self, *hypotheses: Claim) -> Derive:
        """A derivation from hypotheses, for a rule that takes one."""
        return Derive(self.statement, tuple(self.library.values()), hypotheses)

    def derivation(self) -> Derivation:
        """What has been derived so far."""
        return Derivation(tuple(self.steps))

    def certificate(self, kind: str = "derivation", producer: str = "theorytest.derive") -> Certificate:
        """The derivation as a certificate for its statement."""
        return Certificate(kind, self.statement.digest, self.derivation(), producer)


# -- finding combinations ----------------------------------------------------------------------------------------------


def use_value(use: Use, claim: Claim) -> Term:
    """What a premise contributes to the goal's right side minus its left."""
    if (
        not isinstance(claim, Identity | Inequality)
        or not isinstance(claim.lhs, Term)
        or not isinstance(claim.rhs, Term)
    ):
        raise KernelError("only identities and inequalities between terms can be combined")
    return (use.multiplier * (claim.rhs - claim.lhs).rename(dict(use.rename))).sum(*use.over)


def rewrite(
    term: Term, claims: Sequence[Claim | None], backwards: Sequence[Claim | None] = (), *, limit: int = 200
) -> tuple[Use, ...]:
    """Rewrite a term to 0 with identities, read from left to right or backwards; the uses that do it.

    The side that is replaced must be one monomial. The first rewriting that applies is taken, so that the identities
    should be given in the direction in which they simplify. In the uses, premises are numbered through both lists.
    """
    rules: list[tuple[int, Term, Term, int]] = []  # premise number, from, to, direction
    for number, claim in enumerate((*claims, *backwards)):
        if isinstance(claim, Identity) and isinstance(claim.lhs, Term) and isinstance(claim.rhs, Term):
            forward = number < len(claims)
            source, target = (claim.lhs, claim.rhs) if forward else (claim.rhs, claim.lhs)
            if len(source.monomials) == 1:
                rules.append((number, source, target, 1 if forward else -1))
    uses: list[Use] = []
    current = term.normal()
    for _ in range(limit):
        if current.is_zero:
            return tuple(uses)
        found = next(_matches(current, rules), None)
        if found is None:
            raise KernelError(f"what remains is {current}, and no identity applies")
        (number, source, target, direction), use = found
        change = (use.multiplier * (target - source).rename(dict(use.rename))).sum(*use.over)
        uses.append(Use(number, use.multiplier * direction, use.rename, use.over))
        current = current + change
    raise KernelError(f"no end after {limit} rewritings; what remains is {current}")


Rewriting = tuple[int, Term, Term, int]


def _matches(term: Term, rules: Sequence[Rewriting]) -> Iterator[tuple[Rewriting, Use]]:
    for rewriting in rules:
        number, source, _, _ = rewriting
        (pattern,) = source.monomials
        for monomial in term.monomials:
            for use in _match(term, monomial, number, source, pattern):
                yield rewriting, use


def _match(term: Term, monomial: Monomial, number: int, source: Term, pattern: Monomial) -> Iterator[Use]:
    """Every way in which a pattern occurs in a monomial; its summed indices must occur nowhere else there."""
    bound = dict(monomial.bound)
    summed = [name for name, _ in pattern.bound]
    for places in permutations(range(len(monomial.factors)), len(pattern.factors)):
        chosen = [monomial.factors[place] for place in places]
        if any(given.tensor != mine.tensor for given, mine in zip(chosen, pattern.factors, strict=True)):
            continue
        pairs = [
            pair
            for given, mine in zip(chosen, pattern.factors, strict=True)
            for pair in zip(mine.indices, given.indices, strict=True)
        ]
        names = dict(pairs)
        if any(names[mine] != theirs for mine, theirs in pairs) or not set(summed) <= set(names):
            continue  # (a sum of ones stands for a size: it is not matched)
        rest = tuple(f for place, f in enumerate(monomial.factors) if place not in places)
        elsewhere = {i for f in rest for i in f.indices} | {names[i] for i in names if i not in summed}
        inner = [names[i] for i in summed]
        if len(set(inner)) != len(inner) or any(i in elsewhere or i not in bound for i in inner):
            continue
        outer = tuple((name, size) for name, size in monomial.bound if name not in inner)
        multiplier = Term(term.free + outer, (Monomial(monomial.coefficient / pattern.coefficient, rest, ()),)).normal()
        rename = tuple((mine, names.get(mine, mine)) for mine, _ in source.free)
        yield Use(number, multiplier, rename, tuple(name for name, _ in outer))
