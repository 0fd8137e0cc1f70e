"""How a proof file says what it says: decorators that tie proofs, controls and evidence to statements.

A proof file is a Python module with statements (module-level `Statement`s) and functions under these decorators. A
loader reads the module's names; nothing is registered globally, and importing this module is cheap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theorytest.errors import InputError
from theorytest.kernel.claim import Claim
from theorytest.kernel.errors import KernelError
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.statement import PROVED, REFUTED, Assumption, Instance, Source, Statement, Witness

if TYPE_CHECKING:
    from theorytest.derive.derivation import Derive
    from theorytest.kernel.flow import Flowpipes

CONJECTURE = "conjecture"  # the kind of a statement that is decided without a proof by its author


@dataclass(frozen=True)
class Proof:
    """A function that derives a statement; or (kind "vacuity") a false formula from its assumptions, which no instance
    meets then."""

    statement: Statement
    build: Callable[[Derive], Any]
    kind: str = "derivation"


@dataclass(frozen=True)
class Control:
    """A variant of a statement, with one assumption dropped or one constant changed, that must be refuted.

    breaks: the label of the assumption, or the name of the constant; statement: the variant (its ``expected`` is
    REFUTED, or "finding" where the variant is known to survive); witness: one that the author knows (else it is
    searched for); contrary: a function that derives the contrary of the variant; survives: one that derives the
    variant itself.
    """

    name: str
    parent: Statement
    breaks: str
    statement: Statement
    witness: Witness | None = None
    contrary: Callable[[Derive], Any] | None = None
    survives: Callable[[Derive], Any] | None = None


@dataclass(frozen=True)
class Certified:
    """A function that returns the exact instances at which a statement is to be certified, or the flowpipes by which
    one about flows is; or a witness that refutes it.

    profile: "full" for one that takes long: where nothing else is offered for the statement, it is checked in full runs
    only, with its controls and evidence.
    """

    statement: Statement
    build: Callable[[Run], tuple[Instance, ...] | Flowpipes | Witness]
    profile: str = "quick"


@dataclass(frozen=True)
class Evidence:
    """A function that tries a statement on many instances in floating point or exact arithmetic."""

    statement: Statement
    arithmetic: str
    run: Callable[[Run], Outcome]
    profile: str = "quick"

    @property
    def name(self) -> str:
        """The function's name."""
        return self.run.__name__


@dataclass(frozen=True)
class Run:
    """What a run asks of evidence: profile "quick" or "full", seed, device of batched runs; seconds: for a
    conjecture."""

    profile: str = "quick"
    seed: int = 0
    device: str = "cpu"
    seconds: float = 60.0


@dataclass(frozen=True)
class Outcome:
    """What evidence found.

    instances: how many; worst: the largest violation seen, as a multiple of its own error bound (so 1 is the most
    that rounding and discretisation explain) or an exact number; holds: True, False (a violation beyond its bound) or
    None (undecided); detail: one line for people; numbers: what else was measured (JSON values); series: named curves
    for plots.
    """

    instances: int
    worst: str
    holds: bool | None
    detail: str = ""
    digits: int | None = None
    numbers: tuple[tuple[str, Any], ...] = ()
    series: tuple[tuple[str, tuple[float, ...]], ...] = ()


def conjecture(
    label: str,
    claim: Any,
    *,
    title: str = "",
    given: Mapping[str, Any] | Sequence[Assumption] = (),
    expected: str = PROVED,
    source: Source | None = None,
) -> Statement:
    """A claim to be decided.

    given: what is assumed, by label (or as `Assumption` objects); expected: the status that you expect, so that a run
    or a test fails when it is another one.
    """
    if isinstance(given, Mapping):
        assumptions = tuple(Assumption(name, name, formula) for name, formula in given.items())
    else:
        assumptions = tuple(given)
        if not all(isinstance(a, Assumption) for a in assumptions):
            raise KernelError("what is given needs names: given={'positive': q.determinant() > 0}")
    if not isinstance(label, str) or not label:
        raise KernelError(f"a conjecture needs a name as its first argument, given {label!r}")
    if isinstance(claim, Comparison):
        raise InputError(
            f"given a comparison alone for {label!r}, needed of which model it is claimed: at_every_state(model, ...), "
            "or along_every_flow(model, ..., loss=...)"
        )
    if not isinstance(claim, Claim):
        raise InputError(
            f"given {type(claim).__name__} as the claim of {label!r}, needed a claim: at_every_state(model, ...), "
            "along_every_flow(...), tends_to(...), Where(conditions, Inequality(lhs, '<=', rhs)), ..."
        )
    return Statement(
        label=label,
        title=title or label,
        claim=claim,
        kind=CONJECTURE,
        source=source or Source("own work", ""),
        assumptions=assumptions,
        expected=expected,
    )


def proof(statement: Statement) -> Callable[[Callable[[Derive], Any]], Proof]:
    """The function derives the statement."""

    def tie(function: Callable[[Derive], Any]) -> Proof:
        return Proof(statement, function)

    return tie


def vacuous(statement: Statement) -> Callable[[Callable[[Derive], Any]], Proof]:
    """The function derives a false formula between numbers, such as 1 <= 0, from the statement's assumptions: nothing
    meets them, and the statement is refuted as vacuous."""

    def tie(function: Callable[[Derive], Any]) -> Proof:
        return Proof(statement, function, "vacuity")

    return tie


def control(
    statement: Statement,
    *,
    breaks: str,
    expected: str = REFUTED,
    reason: str = "",
    contrary: Callable[[Derive], Any] | None = None,
    survives: Callable[[Derive], Any] | None = None,
) -> Callable[[Callable[[], Any]], Control]:
    """The function returns the variant: a claim (None keeps the claim) or a whole statement, or a pair of that and a
    witness.

    The assumption named by ``breaks`` is dropped where there is one of that label.
    """

    def tie(function: Callable[[], Any]) -> Control:
        made = function()
        claim, witness = made if isinstance(made, tuple) else (made, None)
        if isinstance(witness, Instance):
            witness = Witness(witness)
        varied = claim if isinstance(claim, Statement) else statement
        kept = tuple(a for a in varied.assumptions if a.label != breaks)
        if claim is None and len(kept) == len(statement.assumptions):
            raise KernelError(f"control {function.__name__}: {statement.label} has no assumption {breaks!r} to drop")
        variant = dataclasses.replace(
            statement,
            label=f"{statement.label}/{function.__name__}",
            title=(function.__doc__ or function.__name__.replace("_", " ")).strip(),
            assumptions=kept,
            claim=varied.claim if claim is None or varied is claim else claim,
            example=varied.example,
            expected=expected,
            expected_reason=reason,
        )
        return Control(function.__name__, statement, breaks, variant, witness, contrary, survives)

    return tie


def certified(
    statement: Statement, *, profile: str = "quick"
) -> Callable[[Callable[[Run], tuple[Instance, ...] | Flowpipes]], Certified]:
    """The function returns exact instances, at each of which the kernel is to verify the claim; or flowpipes, for a
    claim about flows (``GradientFlow.throughout``, ``GradientFlow.first_time``).

    profile: "full" leaves the statement, with its controls, out of quick runs.
    """

    def tie(function: Callable[[Run], tuple[Instance, ...] | Flowpipes]) -> Certified:
        return Certified(statement, function, profile)

    return tie


def refuted(statement: Statement) -> Callable[[Callable[[Run], Witness]], Certified]:
    """The function returns a witness: an exact instance that meets every assumption of the statement and violates its
    claim. (Without one, a statement that is expected to be refuted is searched for a witness.)"""

    def tie(function: Callable[[Run], Witness]) -> Certified:
        return Certified(statement, function)

    return tie


def evidence(
    statement: Statement, *, arithmetic: str, profile: str = "quick"
) -> Callable[[Callable[[Run], Outcome]], Evidence]:
    """The function tries the statement on instances: ``arithmetic`` is "rational", "mpmath" or "float64", say."""

    def tie(function: Callable[[Run], Outcome]) -> Evidence:
        return Evidence(statement, arithmetic, function, profile)

    return tie


def sampled(statement: Statement, *, profile: str = "quick") -> Callable[[Callable[[Run], Outcome]], Evidence]:
    """Evidence from random exact instances (Hypothesis draws their seeds and shapes)."""
    return evidence(statement, arithmetic="rational", profile=profile)


def swept(statement: Statement, *, profile: str = "quick") -> Callable[[Callable[[Run], Outcome]], Evidence]:
    """Evidence from batched float64 runs in torch."""
    return evidence(statement, arithmetic="float64", profile=profile)


def integrated(statement: Statement, *, profile: str = "quick") -> Callable[[Callable[[Run], Outcome]], Evidence]:
    """Evidence from trajectories in high precision."""
    return evidence(statement, arithmetic="mpmath", profile=profile)
