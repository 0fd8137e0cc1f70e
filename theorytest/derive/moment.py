"""Derivations about one time of a flow, and induction on the factors of a chain.

The functions set up the inner derivation that a rule of the kernel asks for: they say what it may use and what it has
to show. Nothing here is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from theorytest.derive.derivation import Derive, Fact
from theorytest.kernel.chains import ChainInduction, Formula, induction_cases, last_factor
from theorytest.kernel.claim import All, Claim, Flow
from theorytest.kernel.moment import present

Inner = Callable[..., object]


def parts(derive: Derive, fact: Fact) -> list[Fact]:
    """The facts that a fact says together."""
    if not isinstance(fact.claim, All):
        return [fact]
    found = [derive.apply("part", fact, data=(k,), text="one of these") for k in range(len(fact.claim.claims))]
    return [piece for one in found for piece in parts(derive, one)]


def at_time(
    derive: Derive, flow: Flow, facts: Sequence[Fact], show: Inner, text: str = "", *, always: bool = False
) -> Fact:
    """What ``show`` concludes last, at that time (``always``: at all times). It is called with the inner derivation and
    the facts, as they are at that time."""
    inner = derive.inner(*(present(fact.claim, flow) for fact in facts))
    show(inner, *inner.given)
    rule = "at-all-times" if always else "at-time"
    return derive.apply(rule, *facts, data=(flow, inner.derivation()), text=text)


def along_chain(
    derive: Derive,
    flow: Flow,
    factors: int,
    facts: Sequence[Fact],
    templates: Sequence[Formula],
    base: Inner,
    step: Inner | None,
    text: str = "",
) -> Fact:
    """Induction on the factors of a chain (see the kernel's rule "chain-induction"). ``base`` and ``step`` are called
    with the inner derivation, the hypotheses, and the goals; they have to show every goal."""
    claims: tuple[Claim, ...] = tuple(fact.claim for fact in facts)
    derivations: list[Derive] = []
    induction = ChainInduction(flow, last_factor(flow, claims))
    cases = induction_cases(induction, claims, factors, tuple(templates))
    for case, show in zip(cases, (base, step), strict=True):
        inner = derive.inner(*(() if case is None else case[0]))
        if case is not None and show is not None:
            show(inner, inner.given, case[1])
        derivations.append(inner)
    data = (flow, factors, *(inner.derivation() for inner in derivations), *templates)
    return derive.apply("chain-induction", *facts, data=data, text=text)
