"""Deciding a claim for which nobody offers a proof: search for a counterexample, try to prove it, search on.

    from theorytest import at_every_state, conjecture, decide, quantity as q
    small = conjecture("nuclear", at_every_state(model, q.nuclear_norm() <= 1), given={"det": q.determinant() > 0})
    decide(small).status

A conjecture is an ordinary `Statement` of kind "conjecture": `theorytest verify` and pytest decide it where they meet
it, and a proof can be written for it later. Only what the kernel accepts is PROVED or REFUTED; a claim that survives
everything that was tried is SUPPORTED, with what was tried; a violation in floating point alone refutes nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

from theorytest.errors import InputError
from theorytest.kernel.claim import (
    AlongEveryFlow,
    AtEveryState,
    Claim,
    Identity,
    Inequality,
    ProbabilityBetween,
    SingularValues,
    TendsToEqual,
    Where,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.statement import (
    PROVED,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Certificate,
    Instance,
    Statement,
    Verdict,
    Witness,
)
from theorytest.kernel.terms import Term

SECONDS = 60.0  # for one conjecture, unless told
ROUNDS = 8  # of float64 batches in the long search
NOISE = 1e-6  # a margin in float64 below it may be rounding
LATE = "it took too long"
T = TypeVar("T")


@dataclass(frozen=True)
class Decision:
    """What was found about a conjecture.

    statement: the conjecture, with an example that meets its assumptions where one was found; status, reason;
    certificate and verdict: where the kernel decided; tried: what was searched, in order, one dictionary a shape or
    set of points; notes: what else a reader should know (assumptions that contradict one another, say).
    """

    statement: Statement
    status: str
    reason: str
    certificate: Certificate | None = None
    verdict: Verdict | None = None
    tried: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def series(self) -> dict[str, list[float]]:
        """Curves for a plot: both sides along the flow of a witness, enclosed."""
        if self.witness is None or not isinstance(self.statement.claim, AlongEveryFlow):
            return {}
        from theorytest.search.starts import curves

        return curves(self.statement, self.witness)

    @property
    def witness(self) -> Witness | None:
        """The exact numbers at which the claim fails."""
        held = self.certificate.payload if self.certificate is not None else None
        return held if isinstance(held, Witness) else None

    @property
    def instances(self) -> int:
        """How many instances that meet the assumptions were tried."""
        return sum(int(t["instances"]) for t in self.tried)


def decide(
    statement: Statement, *, seconds: float = SECONDS, seed: int = 0, library: Mapping[str, Statement] | None = None
) -> Decision:
    """Decide a conjecture within a number of seconds. library: statements proved before, by digest.

    Raises `InputError` where the claim cannot be read: a quantity that exists at no shape, say.
    """
    if not isinstance(statement, Statement):
        raise InputError(f"given {type(statement).__name__}, needed a conjecture: conjecture(label, claim, ...)")
    if not seconds > 0:
        raise InputError(f"given a budget of {seconds} seconds, needed a positive number")
    return _Decider(statement, seconds, seed, library or {}).decide()


@dataclass
class _Decider:
    statement: Statement
    budget: float
    seed: int
    library: Mapping[str, Statement]
    started: float = field(default_factory=time.monotonic)
    tried: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.budget - (time.monotonic() - self.started)

    def decide(self) -> Decision:
        """A quick search, then the usual proofs, then the search with all the time that is left."""
        from theorytest.derive.automatic import prove, refute, unsatisfiable

        found = self._search(min(2.0, self.left / 4))
        if found is not None:
            return self._done(*found)
        if not any(t["instances"] for t in self.tried) and within(self.left / 4, lambda: unsatisfiable(self.statement)):
            return self._answer(UNDECIDED, "the assumptions contradict one another (proved): the claim says nothing")
        self._find_example()
        certificate, failed = within(self.left / 2, lambda: prove(self.statement)) or (None, LATE)
        verdict = self._check(certificate) if certificate is not None else None
        if certificate is not None and verdict is not None:
            return self._done(certificate, verdict)
        contrary = within(self.left / 2, lambda: refute(self.statement))
        verdict = self._check(contrary) if contrary is not None else None
        if contrary is not None and verdict is not None:
            return self._done(contrary, verdict)
        found = self._search(self.left - 1, rounds=ROUNDS)
        if found is not None:
            return self._done(*found)
        return self._open(failed)

    def _open(self, failed: str) -> Decision:
        count = sum(int(t["instances"]) for t in self.tried)
        if isinstance(self.statement.claim, ProbabilityBetween):
            return self._answer(UNDECIDED, "no change of signs shows that the probability is 1/2")
        if not self.tried:
            return self._answer(UNDECIDED, f"no usual proof goes through ({failed[:200]}), and no search is known")
        if not count:
            return self._answer(UNDECIDED, "nothing was found that meets the assumptions: they may be unsatisfiable")
        places = f" at {len(self.tried)} shapes" if len(self.tried) > 1 else ""
        claim = self.statement.claim
        if isinstance(claim, TendsToEqual):
            why = f"no equilibrium and no conserved difference refutes it among {count} starts"
            return self._answer(UNDECIDED, f"{why}{places}; that a flow tends to anything is not proved here")
        least = min((t["least_margin"] for t in self.tried if t["least_margin"] is not None), default=None)
        if least is None and isinstance(claim, AtEveryState) and not self._equations():
            return self._answer(UNDECIDED, f"its sides are defined at none of the {count} states tried")
        if least is not None and least < -NOISE:
            return self._answer(
                UNDECIDED, f"it seems to fail, by {-least:.3g} in float64, but at no exact instance tried"
            )
        # Along a flow a quantity may come as near to 0 as it likes; at the states of a search it need not.
        near = least is not None and (least <= 0 if isinstance(claim, AlongEveryFlow) else least < NOISE)
        if least is not None and near and _strict(claim):
            return self._answer(
                UNDECIDED, f"its sides come within {max(least, 0.0):.1g} of each other: strict or not, is open"
            )
        tried = f"no counterexample among {count} instances{places}, seed {self.seed}"
        if isinstance(claim, AlongEveryFlow):
            from theorytest.search.starts import certified

            held = certified(self.statement, self.seed, seconds=max(1.0, min(10.0, self.left)))
            self.notes += [f"certified from {_starts(instance)}: {text}" for instance, text in held]
        proofs = "the usual proofs took too long" if failed == LATE else "no usual proof goes through"
        return self._answer(SUPPORTED, f"{tried}; {proofs}")

    def _equations(self) -> bool:
        """Whether an equation is assumed: then only exact states are tried, and no margin is measured."""
        return any(getattr(a.formula, "relation", "") == "=" for a in self.statement.assumptions)

    # -- searches -----------------------------------------------------------------------------------------------

    def _search(self, seconds: float, *, rounds: int = 1) -> tuple[Certificate, Verdict] | None:
        """A witness that the kernel accepts; what was tried is noted."""
        if seconds <= 0:
            return None
        claim = self.statement.claim
        self.tried.clear()
        if isinstance(claim, AtEveryState):
            from theorytest.search.states import find_state

            search = find_state(self.statement, self.seed, seconds=seconds, rounds=rounds)
            self.tried += [
                {
                    "sizes": _plain(dict(t.sizes)),
                    "instances": t.exact + t.floats,
                    "exact": t.exact,
                    "least_margin": t.least_margin,
                }
                for t in search.tried
            ]
            witness = search.witness
        elif isinstance(claim, AlongEveryFlow | TendsToEqual):
            from theorytest.search.starts import find_start

            search = find_start(self.statement, self.seed, seconds=seconds)
            self.tried += [
                {"sizes": _plain(dict(t.sizes)), "instances": t.exact, "least_margin": t.least_margin}
                for t in search.tried
            ]
            witness = search.witness
        elif isinstance(claim, ProbabilityBetween):
            if rounds > 1:  # a proof comes first: sampling takes seconds, and decides nothing
                self._sample(claim)
            return None
        elif _scalar(claim):
            from theorytest.search.points import find_point

            held = find_point(self.statement, self.seed, seconds=seconds)
            self.tried.append({"instances": held.points, "least_margin": held.least_margin})
            witness = held.witness
        else:
            witness = self._motion(seconds)
        if witness is None:
            return None
        certificate = Certificate("witness", self.statement.digest, witness, "theorytest.decision")
        verdict = self._check(certificate)
        return None if verdict is None else (certificate, verdict)

    def _sample(self, claim: ProbabilityBetween) -> None:
        """Sampling decides nothing: the interval is for the reader."""
        from theorytest.search.frequency import CONFIDENCE, frequency

        seen = frequency(claim, self.seed)
        self.tried.append({"instances": seen.states, "least_margin": None})
        inside = float(claim.lower) <= seen.high and seen.low <= float(claim.upper)
        self.notes = [
            f"at {seen.states} states with standard normal entries the probability is between {seen.low:.4f} and "
            f"{seen.high:.4f} (exact interval of confidence {float(CONFIDENCE):.1%}), which "
            f"{'agrees with' if inside else 'speaks against'} the claim; sampling alone decides nothing"
        ]

    def _motion(self, seconds: float) -> Witness | None:
        """Claims about motion and tensors: the search for exact instances, smallest shapes first."""
        from theorytest.kernel.witness import refutes, require_assumptions
        from theorytest.search.witness import ATTEMPTS, proposals

        until = time.monotonic() + seconds
        shapes: dict[str, int] = {}
        found: Witness | None = None
        for number, witness in enumerate(proposals(self.statement, self.seed)):
            if number >= 4 * ATTEMPTS or time.monotonic() > until:
                break
            try:
                require_assumptions(self.statement, witness.instance)
            except KernelError:
                continue
            place = ", ".join(f"{name} = {size}" for name, size in witness.instance.sizes)
            shapes[place] = shapes.get(place, 0) + 1
            try:
                refutes(self.statement, witness)
            except KernelError:
                continue
            found = witness
            break
        self.tried += [{"sizes": place, "instances": count, "least_margin": None} for place, count in shapes.items()]
        return found

    def _find_example(self) -> None:
        """An instance that meets the assumptions, so that a proof is known to say something."""
        claim = self.statement.claim
        if self.statement.example is not None or all(a.formula is None for a in self.statement.assumptions):
            return
        from theorytest.kernel.witness import require_assumptions

        for instance in self._examples(claim):
            try:
                require_assumptions(self.statement, instance)
            except KernelError:
                continue
            self.statement = replace(self.statement, example=instance)
            return

    def _examples(self, claim: Claim) -> Iterator[Instance]:
        if isinstance(claim, AtEveryState | AlongEveryFlow | TendsToEqual):
            from theorytest.models.model import Model
            from theorytest.search.states import exact_states, shapes
            from theorytest.search.strategies import packed

            for sizes in shapes(claim, self.statement)[:6]:
                model = Model(claim.parameterization, sizes)
                for blocks in exact_states(model, self.statement, self.seed):
                    yield Instance(sizes=packed(sizes), blocks=tuple(blocks.items()))
        elif not _scalar(claim):
            from theorytest.search.witness import proposals

            for number, witness in enumerate(proposals(self.statement, self.seed)):
                if number > 100:
                    return
                yield witness.instance
        else:
            from theorytest.search.points import candidates

            for values in candidates(self.statement, self.seed):
                yield Instance(variables=tuple(sorted(values.items())))

    # -- verdicts -----------------------------------------------------------------------------------------------

    def _check(self, certificate: Certificate) -> Verdict | None:
        from theorytest.kernel.check import check

        verdict = check(self.statement, certificate, self.library)
        if verdict.status in (PROVED, REFUTED):
            return verdict
        self.notes.append(f"the kernel does not accept what {certificate.producer} found: {verdict.reason}")
        return None

    def _done(self, certificate: Certificate, verdict: Verdict) -> Decision:
        return self._answer(verdict.status, "", certificate, verdict)

    def _answer(
        self, status: str, reason: str, certificate: Certificate | None = None, verdict: Verdict | None = None
    ) -> Decision:
        seconds = round(time.monotonic() - self.started, 3)
        return Decision(
            self.statement, status, reason, certificate, verdict, tuple(self.tried), tuple(self.notes), seconds
        )


def _starts(instance: Instance) -> str:
    """A start in one line."""
    from theorytest.kernel.encoding import encode
    from theorytest.record import array_text

    return "; ".join(f"{name} = {array_text(encode(array), most=12)}" for name, array in instance.blocks)


def _strict(claim: Claim) -> bool:
    """Whether a claim excludes that its two sides are equal."""
    if isinstance(claim, Where):
        claim = claim.claim
    held = claim.claim if isinstance(claim, AtEveryState) else getattr(claim, "comparison", claim)
    return getattr(held, "relation", "") == "<"


def _scalar(claim: Claim) -> bool:
    if isinstance(claim, Where):
        claim = claim.claim
    return isinstance(claim, SingularValues) or (
        isinstance(claim, Identity | Inequality) and not isinstance(claim.lhs, Term)
    )


def within(seconds: float, task: Callable[[], T]) -> T | None:
    """What the task returns, or None where it takes longer.

    By an alarm, in the main thread of a system that has them; elsewhere the task runs to its end.
    """
    if seconds <= 0:
        return None
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return task()

    def over(*_: Any) -> None:
        raise _OverError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return task()
    except _OverError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _OverError(BaseException):
    """The time is over. No `Exception`: what a task handles must not swallow it."""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Fraction) else value


__all__ = ["Decision", "decide", "within"]
