"""Gradient flow of a model and a loss: one start at any number of digits, thousands in float64, and both compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from theorytest.enclose.flow import DONE, Trajectory, integrate, start_of
from theorytest.enclose.taylor import exact
from theorytest.errors import InputError
from theorytest.kernel import quantity
from theorytest.kernel.claim import AlongEveryFlow, CloseAfter, FirstTime, TendsToEqual, Throughout
from theorytest.quantity import at_every_state, equal

if TYPE_CHECKING:
    from theorytest.enclose.flowpipe import Flowpipe
    from theorytest.search.flows import BatchFlow, Level


@dataclass(frozen=True)
class GradientFlow:
    """d theta / dt = - d/d theta loss(end tensor of theta).

    model: a `theorytest.models.Model`, or anything with ``shapes``, ``shape``, ``end_tensor`` and ``gradients`` (and
    ``pullback`` for `batch`) in every arithmetic; loss: anything with ``gradient(W)``.

    >>> from theorytest.models import HalfSum, deep_matrix_factorization
    >>> flow = GradientFlow(deep_matrix_factorization(1, 1, depth=2), HalfSum({(0, 0): 1}))
    >>> trajectory = flow.integrate({"W[1]": [["1/2"]], "W[2]": [["1/2"]]}, 1, digits=30)
    >>> trajectory.status
    'done'
    """

    model: Any
    loss: Any

    def integrate(
        self,
        theta0: Mapping[str, Any],
        t: Any,
        *,
        digits: int = 50,
        times: Sequence[Any] | None = None,
        max_steps: int = 100_000,
    ) -> Trajectory:
        """From an exact start to an exact time by Taylor series, with error estimate: see `enclose.flow.integrate`."""
        return integrate(self.model, self.loss, theta0, t, digits=digits, times=times, max_steps=max_steps)

    def enclose(
        self,
        theta0: Mapping[str, Any],
        t: Any,
        *,
        digits: int = 30,
        max_seconds: float = 600,
        max_steps: int = 100_000,
    ) -> Flowpipe:
        """From an exact start to an exact time with certified error bounds: see `enclose.flowpipe.enclose`."""
        from theorytest.enclose.flowpipe import enclose

        return enclose(self.model, self.loss, theta0, t, digits=digits, max_seconds=max_seconds, max_steps=max_steps)

    def throughout(
        self, theta0: Mapping[str, Any], comparison: quantity.Comparison, end: Any, *, start: Any = 0
    ) -> Throughout:
        """The claim that two quantities compare so at every time from start to end along the flow from theta0."""
        from theorytest.enclose.flowpipe import problem_of

        problem, first, last = problem_of(self.model, self.loss, theta0), exact(start), exact(end)
        if not isinstance(comparison, quantity.Comparison):
            raise InputError(f"given {comparison!s:.60}, needed a comparison such as quantity.determinant() > 0")
        if not 0 <= first <= last:
            raise InputError(f"given the times {start} to {end}, needed 0 <= start <= end")
        return Throughout(problem, comparison, first, last)

    def first_time(
        self, theta0: Mapping[str, Any], equality: quantity.Comparison, earliest: Any, latest: Any
    ) -> FirstTime:
        """The claim that two quantities (``q.equal(one, other)``) are first equal at a time between these."""
        from theorytest.enclose.flowpipe import problem_of

        problem, first, last = problem_of(self.model, self.loss, theta0), exact(earliest), exact(latest)
        if not isinstance(equality, quantity.Comparison) or equality.relation != "=":
            raise InputError(f"given {equality!s:.60}, needed an equality: quantity.equal(one, other)")
        if not 0 <= first <= last:
            raise InputError(f"given the times {earliest} to {latest}, needed 0 <= earliest <= latest")
        return FirstTime(problem, equality, first, last)

    def close_after(self, theta0: Mapping[str, Any], reached: FirstTime, distance: Any, duration: Any) -> CloseAfter:
        """The claim that, from the first time of an event along another flow on, that flow's end tensor stays within a
        distance of the one along this flow from theta0, which starts then, for a duration."""
        from theorytest.enclose.flowpipe import problem_of

        return CloseAfter(reached, problem_of(self.model, self.loss, theta0), exact(distance), exact(duration))

    def batch(
        self,
        theta0: Mapping[str, Any],
        t: Any,
        *,
        rtol: float = 1e-10,
        atol: float = 0.0,
        device: Any = "cpu",
        max_steps: int = 20_000,
        levels: Sequence[Level] = (),
        error_estimate: bool = True,
        engine: str = "auto",
    ) -> BatchFlow:
        """Many starts (block name -> (batch, *shape)) in float64 on cpu or cuda: see `search.flows.integrate_batch`.

        t: one exact time, or several that increase. The loss may be a sequence with one loss for each instance.
        """
        from theorytest.search.flows import integrate_batch

        times = t if isinstance(t, Sequence) and not isinstance(t, str) else (t,)
        return integrate_batch(
            self.model, self.loss, theta0, times, rtol=rtol, atol=atol, device=device, max_steps=max_steps,
            levels=levels, error_estimate=error_estimate, engine=engine,
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One instance at the end time in both arithmetics.

    difference: of the largest parameter, computed exactly; allowed: sum of both error estimates; float64, taylor: the
    statuses. Without a value in one of them (blow-up, budget) difference and allowed are None.
    """

    difference: Fraction | None
    allowed: Fraction | None
    float64: str
    taylor: str

    @property
    def agrees(self) -> bool:
        """Both reached the end, and differ by no more than their error estimates say."""
        return self.difference is not None and self.allowed is not None and self.difference <= self.allowed


def compare(
    model: Any,
    loss: Any,
    starts: Sequence[Mapping[str, Any]],
    t: Any,
    *,
    digits: int = 50,
    rtol: float = 1e-10,
    device: Any = "cpu",
    max_steps: int = 20_000,
) -> list[Comparison]:
    """The same exact instances through the Taylor integrator and the float64 batch.

    loss: one, or a sequence with one for each start. The float64 run starts from the rounded start, which its own error
    estimate includes. Differences are taken between exact rationals (a float is one), so nothing is lost in comparing.
    """
    import numpy as np

    if not starts:
        raise InputError("given no starts, needed at least one")
    losses = list(loss) if isinstance(loss, Sequence) else [loss] * len(starts)
    if len(losses) != len(starts):
        raise InputError(f"given {len(losses)} losses and {len(starts)} starts, needed as many")
    exact_starts = [start_of(model, start) for start in starts]
    stacked = {
        name: np.array([[float(x) for x in start[name].entries] for start in exact_starts]).reshape(-1, *shape)
        for name, shape in model.shapes.items()
    }
    flow = GradientFlow(model, losses if isinstance(loss, Sequence) else loss)
    batch = flow.batch(stacked, t, rtol=rtol, device=device, max_steps=max_steps)
    words, errors = batch.statuses(), batch.error[0].tolist()
    values = {name: block[0].cpu().numpy() for name, block in batch.blocks.items()}
    found: list[Comparison] = []
    for k, (start, own) in enumerate(zip(exact_starts, losses, strict=True)):
        trajectory = integrate(model, own, start, t, digits=digits, times=(t,), max_steps=max_steps)
        if words[k] != DONE or trajectory.status != DONE:
            found.append(Comparison(None, None, words[k], trajectory.status))
            continue
        end = trajectory.rational(t)
        difference = max(
            abs(x - Fraction(float(y)))
            for name in model.shapes
            for x, y in zip(end[name].entries, values[name][k].flat, strict=True)
        )
        allowed = trajectory.error(t) + Fraction(errors[k])
        found.append(Comparison(difference, allowed, words[k], trajectory.status))
    return found


def along_every_flow(model: Any, comparison: quantity.Comparison, *, loss: Any = None) -> AlongEveryFlow:
    """The comparison holds at every time along the gradient flow from every start of a model.

    model: with its sizes, or a parameterization; loss: one of `theorytest.models`' measured losses, or None for all.
    """
    return AlongEveryFlow(*_of_flows(model, comparison, loss))


def tends_to(model: Any, one: Any, other: Any, *, loss: Any = None) -> TendsToEqual:
    """Along the gradient flow from every start of a model, one quantity tends to a value, or to another quantity."""
    return TendsToEqual(*_of_flows(model, equal(one, other), loss))


def _of_flows(model: Any, comparison: quantity.Comparison, loss: Any) -> tuple[Any, ...]:
    claim = at_every_state(model, comparison)
    if loss is None:
        return claim.parameterization, claim.sizes, None, comparison
    from theorytest.enclose.flowpipe import measured

    return claim.parameterization, claim.sizes, measured(loss), comparison
