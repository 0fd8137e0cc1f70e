"""`theorytest bench precision`: one gradient flow in many digits, ours and others', at equal achieved digits.

For every method the least number of working digits is taken with which the asked number of digits is achieved at the
end time: relative to the largest parameter, against our Taylor integrator with twenty digits more. The certified
enclosure needs no reference: its digits are what the kernel accepted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from theorytest.bench.measure import INSTALL, environment, installed, timed
from theorytest.errors import InputError
from theorytest.models import HalfSum, cp, deep_matrix_factorization

Progress = Callable[[int, int, str], None] | None
EXTRA = (0, 3, 6, 10, 15, 25)  # working digits beyond the asked ones, tried one after another
BEYOND = 20  # digits of the reference beyond the asked ones


@dataclass(frozen=True)
class PrecisionCase:
    """A model with a loss, and one exact start."""

    name: str
    model: Any
    loss: Any
    start: dict[str, Any]

    def flat(self) -> list[Fraction]:
        """The start as flat parameters."""
        return [entry for name in self.model.shapes for entry in self.start[name].entries]


def precision_cases() -> tuple[PrecisionCase, ...]:
    """RC20's problem at depth 2 and 3 from 0.1 I and from a start of no symmetry, and a CP factorization."""
    from theorytest.models import array

    observed = HalfSum({(0, 1): 1, (1, 0): 1, (1, 1): 0})
    made = []
    for depth in (2, 3):
        model = deep_matrix_factorization(2, 2, depth=depth)
        tenth = array([[Fraction(1, 10), 0], [0, Fraction(1, 10)]])
        made.append(
            PrecisionCase(f"2x2, depth {depth}, from 0.1 I", model, observed, dict.fromkeys(model.shapes, tenth))
        )
    model = deep_matrix_factorization(2, 2, depth=2)
    made.append(PrecisionCase("2x2, depth 2, random start", model, observed, model.random(1, scale=Fraction(1, 2))))
    model = cp((2, 2, 2), rank=2)
    loss = HalfSum({place: Fraction((7 * k) % 17 - 8, 8) for k, place in enumerate(np.ndindex(2, 2, 2))})
    made.append(PrecisionCase("CP 2x2x2, R = 2, random start", model, loss, model.random(1, scale=Fraction(1, 2))))
    return tuple(made)


# -- methods -----------------------------------------------------------------------------------------------------------

# Working digits to: seconds of compiling, a call that returns the end (exact rationals) and certified digits or None.
Call = Callable[[], tuple[list[Fraction], int | None]]
Make = Callable[[PrecisionCase, int, int], tuple[float, Call]]


def _taylor(case: PrecisionCase, t: int, digits: int) -> tuple[float, Call]:
    from theorytest.gradient_flow import GradientFlow

    def call() -> tuple[list[Fraction], int | None]:
        path = GradientFlow(case.model, case.loss).integrate(case.start, t, digits=digits, times=[t])
        end = path.rational(t)
        return [entry for name in case.model.shapes for entry in end[name].entries], None

    return 0.0, call


def _enclosure(case: PrecisionCase, t: int, digits: int) -> tuple[float, Call]:
    from theorytest.gradient_flow import GradientFlow

    def call() -> tuple[list[Fraction], int | None]:
        pipe = GradientFlow(case.model, case.loss).enclose(case.start, t, digits=digits)
        end = pipe.at(pipe.reached)
        values = [entry for name in case.model.shapes for entry in end[name].middle.entries]
        return values, pipe.digits if pipe.reached == t else -1

    return 0.0, call


def _odefun(case: PrecisionCase, t: int, digits: int) -> tuple[float, Call]:
    import mpmath

    def call() -> tuple[list[Fraction], int | None]:
        context = mpmath.MPContext()
        context.dps = digits
        start = [context.mpf(x.numerator) / x.denominator for x in case.flat()]

        def field(_: Any, x: list[Any]) -> list[Any]:
            blocks, place = {}, 0
            for name, shape in case.model.shapes.items():
                size = math.prod(shape)
                block = np.empty(size, dtype=object)
                block[:] = x[place : place + size]
                blocks[name] = block.reshape(shape)
                place += size
            W, pull = case.model.pullback(blocks)
            found = pull(case.loss.gradient(W))
            return [-entry for name in case.model.shapes for entry in found[name].flat]

        end = context.odefun(field, 0, start)(t)
        return [_exact(x) for x in end], None

    return 0.0, call


def _exact(value: Any) -> Fraction:
    """An mpf as the rational number that it is."""
    sign, mantissa, exponent, _ = value._mpf_
    number = Fraction(int(mantissa)) * Fraction(2) ** exponent
    return -number if sign else number


def _heyoka(case: PrecisionCase, t: int, digits: int) -> tuple[float, Call]:
    from theorytest.search.entrywise import values_of
    from theorytest.search.loss_batch import stack
    from theorytest.search.taylor_batch import system

    heyoka = import_module("heyoka")
    bits = math.ceil((digits + 5) * math.log2(10))

    def real(x: Fraction) -> Any:
        return heyoka.real(str(x.numerator), bits) / heyoka.real(str(x.denominator), bits)

    # The targets are multiples of 1/8: exact as floats.
    _, base, pattern = values_of(stack(case.loss, case.model.shape), case.model.shape)
    start = np.array([real(x) for x in case.flat()])
    begin = time.perf_counter()
    integrator = heyoka.taylor_adaptive(
        system(case.model, base, pattern), start.copy(), fp_type=heyoka.real, prec=bits,
        tol=heyoka.real(f"1e-{digits}", bits),
    )  # fmt: skip
    compiled = time.perf_counter() - begin

    def call() -> tuple[list[Fraction], int | None]:
        integrator.state[:] = start
        integrator.time = heyoka.real(0, bits)
        integrator.propagate_until(heyoka.real(t, bits))
        return [Fraction(str(x)) for x in integrator.state], None

    return compiled, call


METHODS: tuple[tuple[str, tuple[str, ...], Make], ...] = (
    ("theorytest, Taylor series with error estimate", (), _taylor),
    ("theorytest, certified enclosure", (), _enclosure),
    ("mpmath, odefun", ("mpmath",), _odefun),
    ("heyoka, real", ("heyoka",), _heyoka),
)


# -- running -----------------------------------------------------------------------------------------------------------


def run(
    *,
    digits: Sequence[int] = (15, 30),
    times: Sequence[int] = (10,),
    repeats: int = 3,
    seconds: float = 20.0,
    cases: Sequence[PrecisionCase] | None = None,
    progress: Progress = None,
) -> dict[str, Any]:
    """All methods on all cases, for every number of digits and every end time.

    seconds: of one measurement; a method that took longer than that is not asked for more digits or a longer time.
    Raises `InputError` where digits, times or repeats are not positive.
    """
    if not digits or not times or min((*digits, *times, repeats)) < 1 or seconds <= 0:
        raise InputError(
            f"given digits={tuple(digits)}, times={tuple(times)}, repeats={repeats}, seconds={seconds}, needed whole "
            "numbers from 1 and seconds > 0"
        )
    chosen = precision_cases() if cases is None else cases
    plan = [(case, t, count) for case in chosen for t in sorted(times) for count in sorted(digits)]
    rows: list[dict[str, Any]] = []
    slow: set[tuple[str, str]] = set()
    for place, (case, t, count) in enumerate(plan):
        if progress is not None:
            progress(place, len(plan), f"{case.name}, t = {t}, {count} digits")
        exact, _ = _taylor(case, t, count + BEYOND)[1]()
        found = []
        for name, packages, make in METHODS:
            if (case.name, name) in slow:
                found.append({"method": name, "missing": f"took more than {seconds:g} s with fewer digits or time"})
                continue
            row = _measure(name, packages, make, case, t, count, exact, repeats, seconds)
            if row.get("seconds", {}).get("median", 0.0) * 2 > seconds:
                slow.add((case.name, name))
            found.append(row)
        rows.append({"case": case.name, "parameters": case.model.parameters, "t": t, "digits": count, "methods": found})
    return {"environment": environment(), "rows": rows}


def achieved(found: Sequence[Fraction], exact: Sequence[Fraction]) -> float:
    """Correct decimals, relative to the largest parameter."""
    error = max(abs(a - b) for a, b in zip(found, exact, strict=True)) / max(map(abs, exact))
    if not error:
        return math.inf
    return -(math.log10(error.numerator) - math.log10(error.denominator))


def _measure(
    name: str,
    packages: Sequence[str],
    make: Make,
    case: PrecisionCase,
    t: int,
    digits: int,
    exact: Sequence[Fraction],
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    versions = installed(packages)
    if versions is None:
        return {"method": name, "missing": f"not installed: {INSTALL}"}
    told: dict[str, Any] = {"method": name, "versions": versions}
    begin = time.perf_counter()
    for extra in EXTRA:
        compiled, call = make(case, t, digits + extra)
        (values, certified), first = timed(call, 1)
        good = achieved(values, exact)
        if good >= digits and (certified is None or certified >= digits):
            timing = first
            if repeats > 1 and first.wall[0] * 2 < seconds:
                _, timing = timed(call, repeats, seconds=seconds)
            return {
                **told,
                "working_digits": digits + extra,
                "achieved_digits": None if good == math.inf else round(good, 1),
                "certified_digits": certified,
                "compile_seconds": round(compiled, 3),
                "seconds": timing.to_json(),
            }
        if time.perf_counter() - begin > 2 * seconds:
            return {**told, "missing": f"did not achieve {digits} digits within {2 * seconds:g} s"}
    return {**told, "missing": f"did not achieve {digits} digits with up to {digits + EXTRA[-1]} working digits"}
