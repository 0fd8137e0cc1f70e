"""Statements, the certificates that are offered for them, and the verdicts of the kernel."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

from theorytest.kernel.claim import Claim
from theorytest.kernel.encoding import digest, noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.flow import Flowpipes
from theorytest.kernel.parameterization import Array

PROVED, CERTIFIED, REFUTED = "PROVED", "CERTIFIED", "REFUTED"
SUPPORTED, UNDECIDED, ASSUMED, DEFINED = "SUPPORTED", "UNDECIDED", "ASSUMED", "DEFINED"
FINDING = "finding"
STATUSES = (PROVED, CERTIFIED, SUPPORTED, REFUTED, UNDECIDED, ASSUMED, DEFINED)


@noun
class Source:
    """Where a statement comes from: key of the paper (or of one's own draft), and the place in it."""

    key: str
    locator: str


@noun
class Assumption:
    """label, words, and the formula that the kernel reads.

    Without a formula the assumption describes the setting that the claim's own nouns already fix (a flow follows the
    gradient of *some* differentiable loss, say): it restricts nothing that the kernel could check at an instance.
    """

    label: str
    text: str
    formula: Claim | None = None


@noun
class Instance:
    """Exact numbers at which a statement can be evaluated.

    Through a model: sizes (symbol -> integer or nested tuples), members (named mode or position -> number from 1),
    blocks, and the loss gradient at the end tensor (any tensor is the gradient of some differentiable loss). Without
    a model: ``letters`` (tensors by name) and ``variables`` (real variables by name).
    """

    sizes: tuple[tuple[str, Any], ...] = ()
    members: tuple[tuple[str, int], ...] = ()
    blocks: tuple[tuple[str, Array], ...] = ()
    gradient: Array | None = None
    letters: tuple[tuple[str, Array], ...] = ()
    variables: tuple[tuple[str, Fraction], ...] = ()


@noun
class Statement:
    """A claim under assumptions.

    label: unique, e.g. "RC20-Thm1/printed"; id: shared by all versions (the label unless given); kind: theorem,
    lemma, ...; example: an instance that meets all assumptions (against vacuity); expected: the status that a run
    must find, with a reason where it is not PROVED; deviations: every way in which the statement differs from its
    source, and why; scope: what "for all" ranges over, in words.
    """

    label: str
    title: str
    claim: Claim
    id: str = ""
    kind: str = "lemma"
    source: Source = Source("own work", "")
    assumptions: tuple[Assumption, ...] = ()
    scope: str = ""
    example: Instance | None = None
    expected: str = PROVED
    expected_reason: str = ""
    deviations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = [assumption.label for assumption in self.assumptions]
        if len(set(labels)) != len(labels):
            raise KernelError(f"{self.label}: two assumptions have the same label")
        if self.expected not in (*STATUSES, FINDING):
            raise KernelError(f"{self.label}: expected is one of {', '.join(STATUSES)}, given {self.expected!r}")
        if not self.id:
            object.__setattr__(self, "id", self.label)

    @cached_property
    def digest(self) -> str:
        """Digest of everything that is claimed; certificates name it. (Worked out once: a statement never changes.)"""
        return digest(self)

    def assumption(self, label: str) -> Assumption:
        """The assumption of that label."""
        for assumption in self.assumptions:
            if assumption.label == label:
                return assumption
        raise KernelError(f"{self.label} has no assumption {label!r}: {[a.label for a in self.assumptions]}")


@noun
class Step:
    """One step of a derivation: a rule applied to earlier results (numbered from 0) and data; the text is for
    readers."""

    rule: str
    premises: tuple[int, ...]
    data: tuple[Any, ...]
    text: str = ""


@noun
class Derivation:
    """Steps, each a rule applied to earlier steps; the last one is the conclusion."""

    steps: tuple[Step, ...]


@noun
class Witness:
    """An instance that meets every assumption and violates the claim, with what the claim's kind needs beside it."""

    instance: Instance
    data: tuple[Any, ...] = ()


@noun
class Instances:
    """Exact instances, at each of which the claim is to be verified in balls."""

    instances: tuple[Instance, ...]


@noun
class Certificate:
    """What is offered for a statement: kind ("derivation", "contradiction", "vacuity", "witness", "instances",
    "flowpipes"), the statement's digest, payload, and who found it."""

    kind: str
    statement: str
    payload: Derivation | Witness | Instances | Flowpipes
    producer: str

    @cached_property
    def digest(self) -> str:
        """Digest of all of it, by which verdicts and records name it. (Worked out once.)"""
        return digest(self)


@noun
class Rest:
    """Something that a verdict rests on: what ("kernel", "rule", "statement", "citation", "oracle") and its name."""

    what: str
    ref: str


@noun
class Counterexample:
    """Exact values at which every assumption holds and the claim fails, and by how much."""

    instance: Instance
    violated: str
    margin: str


@noun
class Verdict:
    """What the kernel found: status, scope, all that it rests on, and why where it is not PROVED."""

    status: str
    scope: str
    rests_on: tuple[Rest, ...]
    certificate: str | None = None
    counterexample: Counterexample | None = None
    reason: str = ""
    vacuity: str = ""


__all__ = [
    "Assumption",
    "Certificate",
    "Claim",
    "Counterexample",
    "Derivation",
    "Instance",
    "Instances",
    "Rest",
    "Source",
    "Statement",
    "Step",
    "Verdict",
    "Witness",
]
