"""Induction on the number of factors of a matrix product inside a model, one factor at a time from its right end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtTime,
    Claim,
    Exactly,
    Flow,
    Identity,
    Inequality,
    Iteration,
    LastFactor,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.moment import present, require_one_flow
from theorytest.kernel.parameterization import Chain, Focus, Node, Product, eaches
from theorytest.kernel.rules import Context, bare, conclude, only, resize, rule, tensor_names, terms
from theorytest.kernel.statement import Derivation
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term, constant, identity

PRODUCT, EDGE, NEXT = "Product", "Edge", "Next"
Formula = Identity | Inequality
Meaning = dict[str, tuple[tuple[str, ...], Term]]


def the_chain(flow: Flow) -> tuple[Chain, str]:
    """The one chain of a model (at the mode that the flow's focus names), and the symbol of its number of factors."""
    model, modes = flow.parameterization, flow.focus.modes
    if flow.focus.links or len(modes) > 1:
        raise KernelError("the focus may name one mode and nothing else")
    inside: Node = eaches(model.body)[0].body if modes and eaches(model.body) else model.body
    parts = inside.parts if isinstance(inside, Product) else (inside,)
    chains = [part for part in parts if isinstance(part, Chain)]
    if len(chains) != 1:
        raise KernelError(f"{model.name} has no chain here, or several")
    (chain,) = chains
    return chain, chain.count.replace(f"[{eaches(model.body)[0].index}]", f"[{modes[0]}]") if modes else chain.count


@dataclass(frozen=True)
class ChainInduction:
    """The letters of an induction on a chain: the product of its last j factors, the first of these, and the next one
    to the left; and what the whole product is called. The sizes of inner legs are arbitrary."""

    flow: Flow
    last: Tensor | None = None  # what the last factor is called, where a premise says that

    @property
    def group(self) -> Tensor:
        """The whole product: batch legs, row, column."""
        chain, _ = the_chain(self.flow)
        modes = self.flow.focus.modes
        label = chain.body.name + (f"[{modes[0]}]" if modes else "") + "*"
        return self.flow.parameterization.focus(self.flow.focus).tensors()[label]

    @property
    def count(self) -> str:
        """The size symbol of the number of factors."""
        return the_chain(self.flow)[1]

    @property
    def batch(self) -> tuple[str, ...]:
        """The sizes of the legs that all factors share."""
        return self.group.sizes[:-2]

    @property
    def product(self) -> Tensor:
        """The product of the last j factors."""
        return Tensor(PRODUCT, (*self.batch, "#j", self.group.sizes[-1]))

    @property
    def edge(self) -> Tensor:
        """The first of the last j factors."""
        return Tensor(EDGE, (*self.batch, "#j", "#j+1"))

    @property
    def only_one(self) -> Tensor:
        """The same letter where there is one factor: the last one."""
        return self.last or Tensor(EDGE, (*self.batch, "#j", self.group.sizes[-1]))

    @property
    def following(self) -> Tensor:
        """The factor to the left of these."""
        return Tensor(NEXT, (*self.batch, "#j-1", "#j"))

    def names(self, *last: str) -> tuple[str, ...]:
        """Index names for the batch legs, then the given ones."""
        return (*(f"b{k}" for k in range(len(self.batch))), *last)

    # -- the three states of a template ------------------------------------------------------------------------------

    def start(self, template: Formula, powers: tuple[Iteration, ...], factors: int) -> Formula:
        """A template where there is no factor (the product is the identity matrix), or one."""
        right = self.group.sizes[-1]
        names = self.names("p", "q")
        if factors:
            state: Meaning = {PRODUCT: (names, self.only_one[names]), EDGE: (names, self.only_one[names])}
            state |= {p.letter.name: (p.legs, p.update.substitute({p.letter.name: (p.legs, p.start)})) for p in powers}
            return put(template, {"#j+1": right, "#j": self.only_one.sizes[-2]}, state)
        unit = identity("p", "q", right) * constant(1, *zip(self.names(), self.batch, strict=True))
        state = {PRODUCT: (names, unit)} | {p.letter.name: (p.legs, p.start) for p in powers}
        return put(template, {"#j": right}, state)

    def after(self, template: Formula, powers: tuple[Iteration, ...]) -> Formula:
        """A template with one more factor."""
        outer, inner, both = self.names("p", "_c"), self.names("_c", "q"), self.names("p", "q")
        state: Meaning = {
            PRODUCT: (both, (self.following[outer] * self.product[inner]).sum("_c")),
            EDGE: (both, self.following[both]),
        }
        state |= {p.letter.name: (p.legs, p.update) for p in powers}
        return put(template, {"#j": "#j-1", "#j+1": "#j"}, state)

    def end(self, template: Formula) -> Formula:
        """A template with all factors."""
        names = self.names("p", "q")
        return put(template, {"#j": self.group.sizes[-2]}, {PRODUCT: (names, self.group[names])})

    # -- facts ---------------------------------------------------------------------------------------------------------

    def about_members(self, fact: Always, members: tuple[Tensor, ...]) -> Formula:
        """A fact about any factor, or any two adjacent ones, said of the given letters."""
        focus = fact.motion.focus
        here = dataclasses.replace(self.flow, focus=focus)
        links = focus.links
        if fact.motion != here or focus.modes != self.flow.focus.modes or len(links) != 1:
            raise KernelError("a fact about factors names them, and what the flow's focus names, along the same flow")
        (link,) = links
        if link.first or len(link.positions) != len(members) or (len(members) > 1 and not link.adjacent):
            raise KernelError(f"a fact about {len(members)} adjacent factors, anywhere in the chain, was needed")
        chain, _ = the_chain(self.flow)
        letters = here.parameterization.letters(focus)
        own = [letters[f"{chain.body.name}[{','.join((*focus.modes, name))}]"] for name in link.positions]
        known = set(self.flow.parameterization.focus(self.flow.focus).tensors())
        groups = set(here.parameterization.focus(focus).tensors()) - known - {tensor.name for tensor in own}
        if groups & tensor_names(fact.claim):
            raise KernelError(f"a fact about factors may not speak of {sorted(groups & tensor_names(fact.claim))}")
        sizes: dict[str, str] = {}
        for tensor, member in zip(own, members, strict=True):
            sizes |= dict(zip(tensor.sizes[-2:], member.sizes[-2:], strict=True))
        names = {tensor.name: member.name for tensor, member in zip(own, members, strict=True)}
        for tensor in _tensors(fact.claim):
            if tensor.name not in (*names, DELTA) and set(tensor.sizes) & set(sizes):
                raise KernelError(f"{tensor.name} has the size of an inner leg")
        lhs, rhs = (rename(resize(side, sizes), names) for side in terms(fact.claim))
        return Inequality(lhs, fact.claim.relation, rhs) if isinstance(fact.claim, Inequality) else Identity(lhs, rhs)


def rename(term: Term, names: Mapping[str, str]) -> Term:
    """The same term with tensors called otherwise."""
    return Term(
        term.free,
        tuple(
            Monomial(
                m.coefficient,
                tuple(
                    Factor(Tensor(names.get(f.tensor.name, f.tensor.name), f.tensor.sizes), f.indices)
                    for f in m.factors
                ),
                m.bound,
            )
            for m in term.monomials
        ),
    ).normal()


def put(template: Formula, sizes: Mapping[str, str], state: Meaning) -> Formula:
    """A template in one state: other sizes, and terms in the places of letters."""
    lhs, rhs = (resize(side, sizes).substitute(state) for side in terms(template))
    return Inequality(lhs, template.relation, rhs) if isinstance(template, Inequality) else Identity(lhs, rhs)


def _tensors(value: Any) -> list[Tensor]:
    """All tensors anywhere in a noun."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple):
        return [tensor for item in cast("tuple[Any, ...]", value) for tensor in _tensors(item)]
    if dataclasses.is_dataclass(value):
        return [tensor for field in dataclasses.fields(value) for tensor in _tensors(getattr(value, field.name))]
    return []


def last_factor(flow: Flow, premises: tuple[Claim, ...]) -> Tensor | None:
    """What the premises call the last factor of the chain."""
    found = [premise for premise in premises if isinstance(premise, LastFactor)]
    if not found:
        return None
    induction = ChainInduction(flow)
    (claim,) = found
    seen = dataclasses.replace(claim.motion, focus=Focus(claim.motion.focus.modes))
    links = claim.motion.focus.links
    sizes = claim.letter.sizes
    if seen != flow or len(links) != 1 or links[0].mode != (flow.focus.modes[0] if flow.focus.modes else ""):
        raise KernelError("the last factor is that of another chain")
    if (
        sizes[:-2] != induction.batch
        or len(sizes) != len(induction.group.sizes)
        or sizes[-1] != induction.group.sizes[-1]
    ):
        raise KernelError(f"the last factor needs the legs of a factor, and the columns of the product: {sizes}")
    return claim.letter


def sizes_in(value: Any) -> set[str]:
    """The size symbols of all indices and legs anywhere in a noun."""
    if isinstance(value, Tensor):
        return set(value.sizes)
    if isinstance(value, tuple):
        return set[str]().union(*map(sizes_in, cast("tuple[Any, ...]", value)))
    if isinstance(value, Term | Monomial):
        own = value.free if isinstance(value, Term) else value.bound
        parts = value.monomials if isinstance(value, Term) else value.factors
        return {size for _, size in own} | sizes_in(parts)
    if dataclasses.is_dataclass(value):
        return set[str]().union(*(sizes_in(getattr(value, field.name)) for field in dataclasses.fields(value)))
    return set()


def induction_cases(
    induction: ChainInduction, premises: tuple[Claim, ...], factors: int, templates: tuple[Formula, ...]
) -> tuple[tuple[tuple[Claim, ...], tuple[Formula, ...]], tuple[tuple[Claim, ...], tuple[Formula, ...]] | None]:
    """(hypotheses, goals) of the first state, and of the step (None where there are no more factors than at the start).

    See the rule "chain-induction". The hypotheses are the plain facts, those about factors, and in the step the
    templates.
    """
    powers = tuple(p for p in premises if isinstance(p, Iteration) and p.size == induction.count)
    states = {p.letter.name for p in powers}
    reserved = {PRODUCT, EDGE, NEXT}
    plain: list[Claim] = []
    moving: list[Always] = []
    for premise in premises:
        if premise in powers or isinstance(premise, LastFactor):
            continue
        if isinstance(premise, Always) and premise.motion.focus.links:
            moving.append(premise)
        else:
            plain.append(present(premise, induction.flow))
    if len(states) != len(powers):
        raise KernelError("a letter is iterated twice")
    if DELTA in states:  # its present values would be read as the identity matrix
        raise KernelError(f"{DELTA} is the identity matrix, and no letter to iterate")
    for power in powers:
        if (tensor_names(power.start) & states) or (tensor_names(power.update) & (states - {power.letter.name})):
            raise KernelError("an iteration may speak of its own letter in its update, and of no other one that moves")
    fixed = tensor_names((tuple(plain), tuple(moving), induction.last))
    if fixed & (reserved | states) or reserved & tensor_names(powers):
        raise KernelError(f"the letters {sorted(reserved | states)} belong to the induction")
    if any("#" in size for size in sizes_in(premises)) or any(
        "#" in size for tensor in _tensors(templates) if tensor.name not in reserved for size in tensor.sizes
    ):
        raise KernelError("sizes with # belong to the induction")
    for template in templates:
        # Other sizes of the induction would be taken for those that a step renames, or be left over at the end.
        inner = {"#j", "#j+1"} if EDGE in tensor_names(template) else {"#j"}
        odd = {size for size in sizes_in(template) if "#" in size} - inner
        if odd:
            raise KernelError(f"a template cannot speak of the sizes {sorted(odd)} here")
    allowed = {induction.product, induction.edge}
    for tensor in _tensors(templates):
        if tensor.name in reserved and (tensor not in allowed or (not factors and tensor.name == EDGE)):
            raise KernelError(f"a template cannot speak of {tensor.name} of sizes {tensor.sizes} here")

    def said_of(*members: Tensor) -> list[Claim]:
        chosen = [f for f in moving if len(f.motion.focus.links[0].positions) == len(members)]
        return [induction.about_members(fact, members) for fact in chosen]

    first = said_of(induction.only_one) if factors else []
    pairs = said_of(induction.following, induction.edge) if factors else []
    base = ((*plain, *first), tuple(induction.start(t, powers, factors) for t in templates))
    if Exactly(induction.count, factors) in premises:
        return base, None
    goals = tuple(induction.after(t, powers) for t in templates)
    return base, ((*plain, *said_of(induction.following), *pairs, *templates), goals)


@rule("chain-induction")
def chain_induction(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Formulas in the product of the last j factors of a chain, in the first of these and in letters iterated along it
    hold at some time for all factors (j = k) if they hold at the start and pass from j to j + 1.

    Premises: facts at all times about any factor, and about any two adjacent ones; facts at that time about fixed
    letters; iterations over k; how the last factor is called; and k >= 1 or k = 1 where the start is one factor. Data:
    the flow (its focus names at most the mode; no block has a speed of its own), the number of factors at the start (0:
    the product is the identity matrix; or 1), a derivation for the start and one for the step, and the formulas. In the
    step all that holds of any factor holds of the next one; the letters of iterations stand for their present values,
    and an update gives the next ones. Where a premise says that k is the number at the start, the step is not needed.
    """
    flow, factors, base, step, *templates = data
    if not isinstance(flow, Flow) or factors not in (0, 1) or not templates:
        raise KernelError("the data are a flow, 0 or 1, two derivations and formulas")
    if not isinstance(base, Derivation) or not isinstance(step, Derivation):
        raise KernelError("the data are a flow, 0 or 1, two derivations and formulas")
    require_one_flow(flow)
    formulas = tuple(_formula(template) for template in templates)
    induction = ChainInduction(flow, last_factor(flow, premises))
    some = {AtLeast(induction.count, 1), Exactly(induction.count, 1)}
    if factors and not some & set(premises):
        raise KernelError(f"{induction.count} >= 1 must be a premise")
    cases = induction_cases(induction, premises, int(factors), formulas)
    for derivation, case in zip((base, step), cases, strict=True):
        if case is None:
            continue
        hypotheses, goals = case
        found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
        missing = [goal for goal in goals if goal not in found]
        if missing:
            raise KernelError(
                f"the induction does not show {missing[0].lhs} and {missing[0].rhs} as they should compare"
            )
    results = tuple(induction.end(t) for t in formulas if EDGE not in tensor_names(t))
    return AtTime(results[0] if len(results) == 1 else All(results), flow)


def _formula(claim: Any) -> Formula:
    if not isinstance(claim, Identity | Inequality):
        raise KernelError("a template must be an identity or an inequality")
    terms(only(claim, type(claim)))
    return claim
