"""Deciding a claim for which nobody offers a proof: search for a counterexample and try to prove it, side by side.

    from theorytest import at_every_state, conjecture, decide, quantity as q
    small = conjecture("nuclear", at_every_state(model, q.nuclear_norm() <= 1), given={"det": q.determinant() > 0})
    decide(small).status

A conjecture is an ordinary `Statement` of kind "conjecture": `theorytest verify` and pytest decide it where they meet
it, and a proof can be written for it later. Only what the kernel accepts is PROVED or REFUTED; a claim that survives
everything that was tried is SUPPORTED, with what was tried; a violation in floating point alone refutes nothing.

A claim speaks of what is defined. A counterexample has two sides; where a side has no value at an instance that meets
the assumptions, the claim says nothing, and is UNDECIDED unless it fails elsewhere. That holds for real numbers, for
states and for starts of flows.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib import import_module
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

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

if TYPE_CHECKING:
    from theorytest.search.budget import Budget
    from theorytest.search.states import Tried

SECONDS = 60.0  # for one conjecture, unless told
QUICK = 2.0  # seconds for a first look, and again for a first try of the proofs
ROUNDS = 5  # of float64 batches in the long search
RESERVE = 0.5  # seconds at the end, for the answer
NOISE = 1e-6  # a margin in float64 below it may be rounding
SOON = 0.05  # seconds until an alarm that came during an import comes again
LATE = "the usual proofs were not finished"
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
    """Decide a conjecture within a number of seconds, from when the libraries are loaded. library: statements proved
    before, by digest.

    Raises `InputError` where the claim cannot be read: a quantity that exists at no shape, say.
    """
    if not isinstance(statement, Statement):
        raise InputError(f"given {type(statement).__name__}, needed a conjecture: conjecture(label, claim, ...)")
    from theorytest.kernel.encoding import validate

    try:
        validate(statement)  # as where a file is loaded
    except KernelError as error:
        what = str(error).partition(", needed ")[0]
        raise InputError(
            f"{statement.label} holds inexact or malformed data: {what[:200]}; give formulas (q.norm() < 1, "
            "q.equal(one, other), Identity, Inequality) in tuples, and exact numbers (in Inequality: ZERO + 2)"
        ) from None
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
    cut: str = ""  # what the last search had no time for
    where: str = ""  # an instance that meets the assumptions, at which a side is not defined

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.budget - RESERVE * (self.budget > 4 * RESERVE) - (time.monotonic() - self.started)

    def decide(self) -> Decision:
        """A first search and the usual proofs, which mostly settle it; then both with all the time that is left, the
        proofs in a process of their own. What is proved is not refuted, so that it does not matter which comes first.
        """
        from theorytest.derive.automatic import unsatisfiable

        _load(self.statement.claim)
        self.started = time.monotonic()
        found = self._search(min(QUICK, self.left / 4))
        if found is not None:
            return self._done(*found)
        if not any(t["instances"] for t in self.tried) and within(self.left / 4, lambda: unsatisfiable(self.statement)):
            return self._answer(UNDECIDED, "the assumptions contradict one another (proved): the claim says nothing")
        within(self.left / 4, self._find_example)
        failed, proved = self._tried_proofs()
        if proved is not None:
            return self._done(*proved)
        first = self.tried
        with _proofs_aside(self.statement) if failed == LATE else nullcontext() as aside:
            found = self._search(self.left, rounds=ROUNDS, stopped=aside.ended if aside is not None else None)
            if found is None and aside is not None:
                certificate, failed = aside.answer(self.left) or (None, LATE)
                verdict = self._check(certificate) if certificate is not None else None
                if certificate is not None and verdict is not None:
                    self.tried = first  # how far the search came meanwhile is chance
                    return self._done(certificate, verdict)
                if self.cut:  # the proofs ended before the search did
                    found = self._search(self.left, rounds=ROUNDS)
        return self._done(*found) if found is not None else self._open(failed)

    def _tried_proofs(self) -> tuple[str, tuple[Certificate, Verdict] | None]:
        """A proof or a derivation of the contrary, if one is found at once; and else what failed, or that there was not
        the time."""
        from theorytest.derive.automatic import attempts

        if not _interruptible():
            return LATE, None
        certificate, failed = within(min(QUICK, self.left / 4), lambda: attempts(self.statement)) or (None, LATE)
        verdict = self._check(certificate) if certificate is not None else None
        return failed, (certificate, verdict) if certificate is not None and verdict is not None else None

    def _open(self, failed: str) -> Decision:
        """What can be said where nothing is certain."""
        count, claim = sum(int(t["instances"]) for t in self.tried), self.statement.claim
        if self.cut or failed == LATE:
            missing = [*([self.cut] if self.cut else []), *([LATE] if failed == LATE else [])]
            self.notes.append(f"the budget of {self.budget:g} s ran out: {'; '.join(missing)}")
        if isinstance(claim, ProbabilityBetween):
            return self._answer(UNDECIDED, self._chance(claim))
        if not self.tried:
            searched = "the search found no time" if self.cut else "no search is known"
            return self._answer(UNDECIDED, f"no usual proof goes through ({failed[:200]}), and {searched}")
        if not count:
            return self._answer(UNDECIDED, "nothing was found that meets the assumptions: they may be unsatisfiable")
        places = f" at {len(self.tried)} shapes" if len(self.tried) > 1 else ""
        lost = sum(int(t.get("undefined", 0)) for t in self.tried)
        if lost:
            where = f" (for instance at {self.where})" if self.where else ""
            others = f"no counterexample among the {count - lost} others" if count > lost else "there were no others"
            return self._answer(
                UNDECIDED,
                f"a side is not defined at {lost} of the {count} instances tried that meet the assumptions{where}: the "
                f"claim says nothing there; {others}. Assume what makes both sides defined",
            )
        vanishing = sum(int(t.get("vanishing", 0)) for t in self.tried)
        if vanishing:
            return self._answer(
                UNDECIDED, f"a side seems to lose its value later along {vanishing} of {count} flows (float64)"
            )
        if isinstance(claim, TendsToEqual):
            why = f"no equilibrium and no conserved difference refutes it among {count} starts"
            return self._answer(UNDECIDED, f"{why}{places}; that a flow tends to anything is not proved here")
        least = min((t["least_margin"] for t in self.tried if t["least_margin"] is not None), default=None)
        if least is None and isinstance(claim, AtEveryState) and not self._equations():
            return self._answer(UNDECIDED, f"its sides are known at none of the {count} states tried")
        if least is not None and least < -NOISE:
            return self._answer(
                UNDECIDED, f"it seems to fail, by {-least:.3g} in float64, but at no exact instance tried"
            )
        # Along a flow a quantity may come as near to 0 as it likes; at the states of a search it need not.
        nearest = min((t["nearest"] for t in self.tried if t.get("nearest") is not None), default=None)
        along = isinstance(claim, AlongEveryFlow)
        near = (least is not None and least <= 0) if along else (nearest is not None and nearest < NOISE)
        if near and _strict(claim):
            apart = f"{max(least or 0.0, 0.0):.1g}" if along else f"{max(nearest or 0.0, 0.0):.1g} of their size"
            return self._answer(UNDECIDED, f"its sides come within {apart} of each other: strict or not, is open")
        tried = f"no counterexample among {count} instances{places}, seed {self.seed}"
        if isinstance(claim, AlongEveryFlow):
            from theorytest.search.starts import MORE_TIMES, TIMES, certified

            tried = f"{tried}, followed to t = {TIMES[-1] if self.cut else MORE_TIMES[-1]}"
            short = sum(int(t.get("short", 0)) for t in self.tried)
            if short:
                tried += f", but {short} of them not so far: they seem to end before, or rounding takes over"
            held = within(self.left, lambda: certified(self.statement, self.seed, seconds=min(10.0, self.left))) or []
            self.notes += [f"certified from {_starts(instance)}: {text}" for instance, text in held]
        return self._answer(SUPPORTED, f"{tried}; {LATE if failed == LATE else 'no usual proof goes through'}")

    def _chance(self, claim: ProbabilityBetween) -> str:
        """Why a probability is not decided."""
        from theorytest.search.frequency import constant_event

        always = constant_event(claim)
        if always is None:
            return "no change of signs shows that the probability is 1/2"
        self.notes = [note for note in self.notes if "confidence" not in note]
        exact, how = (1, "always") if always else (0, "never")
        agrees = "agrees with" if claim.lower <= exact <= claim.upper else "contradicts"
        return (
            f"both sides differ by a constant, so that the event {how} happens and its probability is {exact}: that "
            f"{agrees} the claim, and no rule of the kernel says so. Claim the comparison itself with at_every_state"
        )

    def _equations(self) -> bool:
        """Whether an equation is assumed: then only exact states are tried, and no margin is measured."""
        return any(getattr(a.formula, "relation", "") == "=" for a in self.statement.assumptions)

    # -- searches -----------------------------------------------------------------------------------------------

    def _search(
        self, seconds: float, *, rounds: int = 1, stopped: Callable[[], bool] | None = None
    ) -> tuple[Certificate, Verdict] | None:
        """A witness that the kernel accepts; what was tried is noted, and what the time did not suffice for."""
        if seconds <= 0:
            self.cut = self.cut or "a long search"
            return None
        from theorytest.search.budget import Budget

        before, self.tried = self.tried, []
        # The search itself looks at the clock; the alarm is for one that does not come to look.
        witness = within(self.left, lambda: self._witness(Budget(0.9 * seconds, stopped), rounds))
        self.tried = self.tried or before
        if witness is None:
            return None
        certificate = Certificate("witness", self.statement.digest, witness, "theorytest.decision")
        verdict = self._check(certificate)
        return None if verdict is None else (certificate, verdict)

    def _witness(self, budget: Budget, rounds: int) -> Witness | None:
        """Numbers at which the claim seems to fail; ``tried``, ``cut`` and ``where`` say what was done."""
        claim = self.statement.claim
        self.cut = "a search did not come to an end"
        if isinstance(claim, AtEveryState | AlongEveryFlow | TendsToEqual):
            if isinstance(claim, AtEveryState):
                from theorytest.search.states import find_state

                search = find_state(self.statement, self.seed, seconds=budget, rounds=rounds)
            else:
                from theorytest.search.starts import find_start

                search = find_start(self.statement, self.seed, seconds=budget, long=rounds > 1)
            self.tried += [_described(t) for t in search.tried]
            self.where = next((_starts(t.where) for t in search.tried if t.where is not None), "")
            self.cut = search.left_out
            return search.witness
        if isinstance(claim, ProbabilityBetween):
            if rounds > 1:  # a proof comes first: sampling takes seconds, and decides nothing
                self._sample(claim)
            self.cut = ""
            return None
        if _scalar(claim):
            from theorytest.search.points import find_point

            held = find_point(self.statement, self.seed, seconds=budget, rounds=2 * rounds)
            point: dict[str, Any] = {"instances": held.points, "least_margin": _finite(held.least_margin)}
            point["nearest"] = _finite(held.nearest)
            self.tried.append({**point, "undefined": held.undefined})
            self.where = ", ".join(f"{n} = {x}" for n, x in held.where.variables) if held.where is not None else ""
            self.cut = "" if held.finished else "batches of points"
            return held.witness
        return self._motion(budget)

    def _sample(self, claim: ProbabilityBetween) -> None:
        """Sampling decides nothing: the interval is for the reader."""
        from theorytest.search.frequency import CONFIDENCE, frequency

        seen = frequency(claim, self.seed)
        self.tried.append({"instances": seen.states, "least_margin": None})
        if seen.unsure == seen.states:
            self.notes = ["in float64 no state tells whether the event happens: sampling says nothing"]
            return
        inside = float(claim.lower) <= seen.high and seen.low <= float(claim.upper)
        self.notes = [
            f"at {seen.states} states with standard normal entries the probability is between {seen.low:.4f} and "
            f"{seen.high:.4f} (exact interval of confidence {float(CONFIDENCE):.1%}), which "
            f"{'agrees with' if inside else 'speaks against'} the claim; sampling alone decides nothing"
        ]

    def _motion(self, budget: Budget) -> Witness | None:
        """Claims about motion and tensors: the search for exact instances, smallest shapes first."""
        from theorytest.kernel.witness import refutes, require_assumptions
        from theorytest.search.witness import ATTEMPTS, proposals

        shapes: dict[str, int] = {}
        found: Witness | None = None
        self.cut = ""
        for witness in islice(proposals(self.statement, self.seed), 4 * ATTEMPTS):
            if budget.over:
                self.cut = "some exact instances"
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

            yield from (witness.instance for witness in islice(proposals(self.statement, self.seed), 100))
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
        reason = ""
        if certificate.kind == "contradiction" and isinstance(self.statement.claim, ProbabilityBetween):
            reason = "the probability is exactly 1/2: a change of signs exchanges the event with its contrary"
        elif verdict.status == PROVED and self.tried and not any(t["instances"] for t in self.tried):
            reason = "nothing was found that meets the conditions: it may say nothing"
        return self._answer(verdict.status, reason, certificate, verdict)

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
    if not _interruptible():
        return task()

    def over(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                signal.setitimer(signal.ITIMER_REAL, SOON)  # a library must not be left half imported
                return
            frame = frame.f_back
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


def _load(claim: Claim) -> None:
    """Import what searches and proofs use, so that the first look is not spent on that."""
    names = ["numpy", "theorytest.derive.squares", "theorytest.search.points", "theorytest.search.witness"]
    if isinstance(claim, AtEveryState | AlongEveryFlow | TendsToEqual | ProbabilityBetween):
        names += ["torch", "theorytest.search.frequency", "theorytest.search.starts"]
    if isinstance(claim, AlongEveryFlow):
        names += ["theorytest.search.flows", "theorytest.enclose.flowpipe"]
    for name in names:
        import_module(name)


def _interruptible() -> bool:
    """Whether there are alarms here."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


class _OverError(BaseException):
    """The time is over. No `Exception`: what a task handles must not swallow it."""


# -- proofs in a process of their own ---------------------------------------------------------------------------------

_START = "import sys; sys.path[:] = {path!r}; from theorytest.derive.automatic import serve; serve()"


class _Aside:
    """The usual proofs of a statement, tried by another process. Only text passes between the two."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with suppress(ValueError, OSError):  # closed: nobody waits any more
            self._lines.put(process.stdout.readline())

    def close(self) -> None:
        """Wait until nothing is read any more."""
        self._reader.join(1)

    def ended(self) -> bool:
        """Whether the other process has answered."""
        return not self._lines.empty()

    def answer(self, seconds: float) -> tuple[Certificate | None, str] | None:
        """A certificate, or why there is none; None where nothing came in time."""
        from theorytest.kernel.encoding import decode

        try:
            held = json.loads(self._lines.get(timeout=max(0.0, seconds)))
            return decode(held["certificate"]), str(held["failed"])
        except (queue.Empty, ValueError, KernelError):
            return None


@contextmanager
def _proofs_aside(statement: Statement) -> Iterator[_Aside]:
    """Try to prove a statement in another process, which is ended with the block."""
    from theorytest.kernel.encoding import encode

    command = [sys.executable, "-c", _START.format(path=list(sys.path))]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    aside = _Aside(process)
    try:
        with suppress(OSError):  # it has ended: its answer says so
            assert process.stdin is not None
            process.stdin.write(json.dumps(encode(statement)).encode() + b"\n")
            process.stdin.flush()
        yield aside
    finally:
        process.kill()
        process.wait()
        aside.close()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


# -- words ------------------------------------------------------------------------------------------------------------


def _described(tried: Tried) -> dict[str, Any]:
    """What was tried at one shape, as JSON data."""
    made = {"sizes": _plain(dict(tried.sizes)), "instances": tried.exact + tried.floats, "exact": tried.exact}
    made |= {"least_margin": _finite(tried.least_margin), "nearest": _finite(tried.nearest)}
    return made | {"undefined": tried.undefined, "vanishing": tried.vanishing, "short": tried.short}


def _finite(margin: float | None) -> float | None:
    """A margin as JSON has it: none where nothing finite was measured, the least number for a failure without bound."""
    return None if margin is None or not margin < math.inf else max(margin, -sys.float_info.max)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Fraction) else value


__all__ = ["Decision", "decide", "within"]
