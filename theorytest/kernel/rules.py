"""The rules by which claims follow from claims: few, named and small.

A derivation is a list of steps; each names a rule, earlier results and data. The kernel computes what the rule
concludes, so a derivation can only end in a claim that the rules allow; it is accepted for a statement if that claim
is the statement's. Every rule concludes only what holds in every situation in which the statement's assumptions and
the premises hold. The rules that a verdict used are listed in what it rests on; their docstrings are their meaning.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

from theorytest.kernel.claim import (
    All,
    Always,
    AtLeast,
    AtStart,
    Change,
    Claim,
    Conserved,
    Descent,
    DeterminantSignPreserved,
    Flow,
    Identity,
    Inequality,
    LogDeterminantRate,
    Rate,
    SameSize,
    SliceTruncation,
    SpectralNorm,
)
from theorytest.kernel.encoding import noun
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Chain, Focus, Link, Parameterization
from theorytest.kernel.statement import Derivation, Rest, Statement
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term, constant, identity, zero


@dataclass(frozen=True)
class Context:
    """What a derivation may use: the statement to be proved, and statements proved before (by digest)."""

    statement: Statement
    library: Mapping[str, Statement]


Rule = Callable[[Context, tuple[Claim, ...], tuple[Any, ...]], Claim]
RULES: dict[str, Rule] = {}
CITING = ("statement", "at-every-point")  # the rules whose first datum is the digest of a statement
C = TypeVar("C")


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule under its name."""

    def register(function: Rule) -> Rule:
        if name in RULES:
            raise KernelError(f"two rules named {name}")
        RULES[name] = function
        return function

    return register


def conclude(
    context: Context, derivation: Derivation, hypotheses: tuple[Claim, ...] = ()
) -> tuple[tuple[Claim, ...], frozenset[Rest]]:
    """Replay a derivation: all results (hypotheses first), and the rules and statements that were used."""
    results = list(hypotheses)
    for place, step in enumerate(derivation.steps):
        if step.rule not in RULES:
            raise KernelError(f"step {place}: no rule is named {step.rule!r}")
        if not all(0 <= k < len(results) for k in step.premises):
            raise KernelError(
                f"step {place}: premises {step.premises} are not among the {len(results)} earlier results"
            )
        premises = tuple(results[k] for k in step.premises)
        try:
            results.append(RULES[step.rule](context, premises, step.data))
        except KernelError as error:
            raise KernelError(f"step {place} ({step.rule}): {error}") from error
    return tuple(results), frozenset(_rules_in(context, derivation))


def _rules_in(context: Context, derivation: Derivation) -> set[Rest]:
    used: set[Rest] = set()
    for step in derivation.steps:
        used.add(Rest("rule", step.rule))
        if step.rule in CITING:
            used.add(Rest("statement", context.library[step.data[0]].label))
        for inner in step.data:
            if isinstance(inner, Derivation):
                used |= _rules_in(context, inner)
    return used


def take(data: tuple[Any, ...], *kinds: type[Any]) -> tuple[Any, ...]:
    """The data of a step, if it has the given types."""
    if len(data) != len(kinds) or not all(isinstance(item, kind) for item, kind in zip(data, kinds, strict=True)):
        given = [type(item).__name__ for item in data]
        raise KernelError(f"the data must be {[kind.__name__ for kind in kinds]}, given {given}")
    return data


def only(premise: Claim, kind: type[C]) -> C:
    """The premise, if it is a claim of the given kind."""
    if not isinstance(premise, kind):
        raise KernelError(f"a premise must be {kind.__name__}, given {type(premise).__name__}")
    return premise


def count(premises: tuple[Claim, ...], number: int) -> None:
    """Raise unless there are that many premises."""
    if len(premises) != number:
        raise KernelError(f"needs {number} premises, given {len(premises)}")


def terms(claim: Identity | Inequality) -> tuple[Term, Term]:
    """Both sides, if they are tensor terms."""
    if not isinstance(claim.lhs, Term) or not isinstance(claim.rhs, Term):
        raise KernelError("a claim about tensor terms was needed")
    return claim.lhs, claim.rhs


def tensor_names(value: Any) -> set[str]:
    """The names of all tensors anywhere in a noun."""
    if isinstance(value, Tensor):
        return {value.name}
    if isinstance(value, tuple):
        return set[str]().union(*map(tensor_names, cast("tuple[Any, ...]", value)))
    if is_dataclass(value):
        return set[str]().union(*(tensor_names(getattr(value, field.name)) for field in fields(value)))
    return set()


# -- logic ------------------------------------------------------------------------------------------------------------


@rule("assumption")
def assumption(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """An assumption of the statement holds."""
    count(premises, 0)
    (label,) = take(data, str)
    formula = context.statement.assumption(label).formula
    if formula is None:
        raise KernelError(f"assumption {label!r} describes the setting and has no formula")
    return formula


@rule("statement")
def statement(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A statement proved before holds, where the premises are all of its assumptions."""
    (name,) = take(data, str)
    if name not in context.library:
        raise KernelError(f"no proved statement has the digest {name[:12]}...")
    cited = context.library[name]
    for needed in cited.assumptions:
        if needed.formula is not None and needed.formula not in premises:
            raise KernelError(f"{cited.label} assumes {needed.label!r}, which is not among the premises")
    return cited.claim


@rule("both")
def both(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Claims that hold one by one hold together."""
    take(data)
    return All(premises)


# -- terms ------------------------------------------------------------------------------------------------------------


@noun
class Use:
    """A premise used in a combination: its two sides, with free indices renamed, times a multiplier, summed over
    indices."""

    premise: int
    multiplier: Term
    rename: tuple[tuple[str, str], ...]
    over: tuple[str, ...]


@noun
class Square:
    """The square of a term, pointwise, summed over indices: it is not negative."""

    term: Term
    over: tuple[str, ...]


@rule("identity")
def normal_forms(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Two terms with the same normal form are equal, for all tensors of all sizes."""
    count(premises, 0)
    lhs, rhs = take(data, Term, Term)
    if not (lhs - rhs).is_zero:
        raise KernelError(f"the difference of the two sides is {lhs - rhs}, not 0")
    return Identity(lhs, rhs)


def _declared(claim: Claim) -> Tensor | None:
    """The tensor whose entries are all nonnegative by a claim 0 <= c X[i, j, ...] with distinct free indices, c > 0."""
    if not isinstance(claim, Inequality) or not isinstance(claim.lhs, Term) or not isinstance(claim.rhs, Term):
        return None
    if not claim.lhs.is_zero or len(claim.rhs.monomials) != 1:
        return None
    (monomial,) = claim.rhs.monomials
    free = sorted(name for name, _ in claim.rhs.free)
    if monomial.coefficient > 0 and not monomial.bound and [sorted(f.indices) for f in monomial.factors] == [free]:
        return monomial.factors[0].tensor
    return None


def nonnegative(multiplier: Term, declared: tuple[Claim, ...]) -> bool:
    """Whether a term is visibly nonnegative: positive coefficients times squares and tensors declared nonnegative."""
    known = set(map(_declared, declared))
    for monomial in multiplier.monomials:
        loose = [f for f in monomial.factors if f.tensor not in known and f.tensor.name != DELTA]
        if monomial.coefficient < 0 or any(loose.count(f) % 2 for f in loose):
            return False
    return True


@rule("combination")
def combination(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A sum of multiples of premises: the goal's right side minus its left is, as an identity, a sum of premises'
    (right minus left) times multipliers, plus squares. Inequalities need multipliers that are visibly nonnegative."""
    goal, *uses = data
    if not isinstance(goal, Identity | Inequality):
        raise KernelError("the goal must be an identity or an inequality")
    lhs, rhs = terms(goal)
    if isinstance(goal, Inequality) and goal.relation != "<=":
        raise KernelError("a combination proves <=, not <")
    gap = rhs - lhs
    for use in uses:
        if isinstance(use, Square):
            if isinstance(goal, Identity):
                raise KernelError("a square proves an inequality, not an identity")
            gap = gap - (use.term * use.term).sum(*use.over)
            continue
        if not isinstance(use, Use) or not 0 <= use.premise < len(premises):
            raise KernelError("a combination uses its premises and squares")
        premise = premises[use.premise]
        if not isinstance(premise, Identity | Inequality):
            raise KernelError(f"a premise must be an identity or an inequality, given {type(premise).__name__}")
        left, right = terms(premise)
        if isinstance(premise, Inequality) and (
            isinstance(goal, Identity) or not nonnegative(use.multiplier, premises)
        ):
            raise KernelError("an inequality needs a visibly nonnegative multiplier, and proves no identity")
        gap = gap - (use.multiplier * (right - left).rename(dict(use.rename))).sum(*use.over)
    if not gap.is_zero:
        raise KernelError(f"what remains is {gap}, not 0")
    return goal


# -- motion -----------------------------------------------------------------------------------------------------------


@rule("rate")
def rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The derivative of a quantity along a flow, by the product rule and the derived velocities."""
    count(premises, 0)
    quantity, flow = take(data, Term, Flow)
    return Rate(quantity, quantity.along(flow.velocities()), flow)


@rule("change")
def change(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The change of a quantity in one step of a discrete method, by substitution of the derived velocities."""
    count(premises, 0)
    quantity, descent = take(data, Term, Descent)
    _only_named(quantity, descent.flow)
    return Change(quantity, descent.after(quantity) - quantity, descent)


def _only_named(quantity: Term, flow: Flow) -> None:
    still = set(quantity.tensors()) - set(flow.parameterization.letters(flow.focus))
    if still:
        raise KernelError(f"{sorted(still)} are not named blocks, so that their motion is not known")


@rule("replace")
def replace(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """In a rate or a change a term may be replaced by one that is always equal: identically, or along the same flow.

    An identity that holds under assumptions only would not do: nothing says that they hold at all times.
    """
    count(premises, 2)
    first, equal = premises
    take(data)
    lhs, rhs = terms(only(equal.claim if isinstance(equal, Always) else equal, Identity))
    if not (lhs - rhs).is_zero and (not isinstance(equal, Always) or getattr(first, "motion", None) != equal.motion):
        raise KernelError("the two sides must be equal identically, or along the same flow")
    if isinstance(first, Rate) and (first.rate - lhs).is_zero:
        return Rate(first.quantity, rhs, first.motion)
    if isinstance(first, Change) and (first.change - lhs).is_zero:
        return Change(first.quantity, rhs, first.motion)
    raise KernelError("the left side of the identity must be the rate or the change")


@rule("zero-derivative")
def zero_derivative(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """A quantity whose derivative along the flow is 0 is constant on the interval of existence (mean value theorem);
    one that a step changes by 0 is conserved by the step."""
    count(premises, 1)
    take(data)
    first = premises[0]
    if isinstance(first, Rate) and first.rate.is_zero:
        return Conserved(first.quantity, first.motion)
    if isinstance(first, Change) and first.change.is_zero:
        return Conserved(first.quantity, first.motion)
    raise KernelError("the derivative, or the change, must be 0")


@rule("stays")
def stays(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Two terms that agree at time 0, and whose difference is conserved along the flow, agree at all times."""
    count(premises, 2)
    take(data)
    conserved, start = only(premises[0], Conserved), only(premises[1], AtStart)
    equal = only(start.claim, Identity)
    lhs, rhs = terms(equal)
    if conserved.motion != start.motion or not (lhs - rhs - conserved.quantity).is_zero:
        raise KernelError("the conserved quantity must be the difference of the two sides, along the same flow")
    return Always(equal, start.motion)


# -- products of matrices ---------------------------------------------------------------------------------------------


def balance(left: Tensor, right: Tensor) -> Identity:
    """left^T left = right right^T, for two adjacent layers (RC20 equation 5)."""
    return Identity(
        (left["_a", "i"] * left["_a", "j"]).sum("_a"),
        (right["i", "_c"] * right["j", "_c"]).sum("_c"),
    )


@dataclass(frozen=True)
class MatrixChain:
    """A product of L matrices, the flow seen from its first factor: W = First * (rest), P = First First^T, and the
    letter that stands for P^(L-2)."""

    body: Chain
    flow: Flow
    first: Tensor
    end: Term  # free indices a, b
    power: Tensor

    @property
    def end_sizes(self) -> tuple[str, str]:
        """The size symbols of the end matrix: rows, columns."""
        sizes = dict(self.end.free)
        return sizes["a"], sizes["b"]

    @property
    def gram(self) -> Term:
        """P[a, b] = First First^T."""
        return (self.first["a", "_k"] * self.first["b", "_k"]).sum("_k")


def matrix_chain(parameterization: Parameterization) -> MatrixChain:
    """Read a parameterization as a plain product of matrices; refuse any other."""
    body = parameterization.body
    if not isinstance(body, Chain) or body.body.legs or parameterization.output != (body.left, body.right):
        raise KernelError(f"{parameterization.name} is not a plain product of matrices")
    flow = Flow(parameterization, Focus((), (Link(("first",), first=True),)))
    (first,) = parameterization.letters(flow.focus).values()
    end = parameterization.focus(flow.focus).rename({body.left: "a", body.right: "b"})
    out = first.sizes[0]
    return MatrixChain(body, flow, first, end, Tensor(f"({first.name}{first.name}ᵀ)^({body.count}-2)", (out, out)))


def chain_letters(chain: MatrixChain) -> dict[str, Tensor]:
    """The letters of an induction on the number j of factors; their sizes are arbitrary, and no size of a model is
    called like them."""
    out = chain.first.sizes[0]
    return {
        "First": Tensor("First", (out, "#1")),
        "Second": Tensor("Second", ("#1", "#2")),
        "Partial": Tensor("Partial", (out, "#j")),
        "Last": Tensor("Last", ("#j-1", "#j")),
        "Next": Tensor("Next", ("#j", "#j+1")),
        "Power": Tensor("Power", (out, out)),
    }


def chain_hypotheses(
    chain: MatrixChain, templates: tuple[Identity, ...]
) -> tuple[tuple[tuple[Claim, ...], tuple[Identity, ...]], tuple[tuple[Claim, ...], tuple[Identity, ...]]]:
    """(hypotheses, goals) of the base case (two factors) and of the step (one more factor) of "balanced-chain"."""
    letters = chain_letters(chain)
    first, second, partial, last = (letters[k] for k in ("First", "Second", "Partial", "Last"))
    following, power = letters["Next"], letters["Power"]
    out = first.sizes[0]
    gram = (first["a", "_k"] * first["b", "_k"]).sum("_k")
    # The state after two factors, and the state after one more; every letter with the term it becomes.
    start = {
        "Partial": (("a", "b"), (first["a", "_k"] * second["_k", "b"]).sum("_k")),
        "Last": (("a", "b"), second["a", "b"]),
        "Power": (("a", "b"), identity("a", "b", out)),
    }
    after = {
        "Partial": (("a", "b"), (partial["a", "_k"] * following["_k", "b"]).sum("_k")),
        "Last": (("a", "b"), following["a", "b"]),
        "Power": (("a", "b"), (gram.rename({"b": "_k"}) * power["_k", "b"]).sum("_k")),
    }
    base = ((balance(first, second),), tuple(_retype(t, start, letters, "Second") for t in templates))
    step = ((balance(last, following), *templates), tuple(_retype(t, after, letters, "Next") for t in templates))
    return base, step


def _retype(
    template: Identity, state: Mapping[str, tuple[tuple[str, ...], Term]], letters: Mapping[str, Tensor], newest: str
) -> Identity:
    """Put the next state into a template; the sizes of Partial and Last become those of the newest factor."""
    sizes = dict(zip(letters["Last"].sizes, letters[newest].sizes, strict=True))
    return Identity(*(resize(side, sizes).substitute(state) for side in terms(template)))


def resize(term: Term, sizes: Mapping[str, str]) -> Term:
    """The same term with size symbols renamed everywhere."""

    def new(size: str) -> str:
        return sizes.get(size, size)

    return Term(
        tuple((name, new(size)) for name, size in term.free),
        tuple(
            Monomial(
                m.coefficient,
                tuple(Factor(Tensor(f.tensor.name, tuple(map(new, f.tensor.sizes))), f.indices) for f in m.factors),
                tuple((name, new(size)) for name, size in m.bound),
            )
            for m in term.monomials
        ),
    ).normal()


@rule("balanced-chain")
def balanced_chain(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """Induction on the number of factors of a balanced product of L >= 2 matrices.

    Identities in Partial (the product of the first j factors), Last (factor j), First and Power (= (First
    First^T)^(j-2)) that hold for j = 2, and that pass from j to j + 1 when factor j + 1 is balanced against factor j,
    hold for j = L. Premises: adjacent factors are balanced along the flow; L >= 2. Data: the parameterization, one
    derivation for two factors and one for the step (their results must contain every template), and the templates.
    """
    count(premises, 2)
    parameterization, base, step, *templates = data
    if not isinstance(parameterization, Parameterization) or not all(isinstance(t, Identity) for t in templates):
        raise KernelError("the data are a parameterization, two derivations and identities")
    if not isinstance(base, Derivation) or not isinstance(step, Derivation) or not templates:
        raise KernelError("the data are a parameterization, two derivations and identities")
    chain = matrix_chain(parameterization)
    if premises[1] != AtLeast(chain.body.count, 2):
        raise KernelError(f"the second premise must be {chain.body.count} >= 2")
    adjacent = Focus((), (Link(("l+1", "l") if chain.body.descending else ("l", "l+1"), adjacent=True),))
    balanced = Always(balance(*parameterization.letters(adjacent).values()), Flow(parameterization, adjacent))
    if premises[0] != balanced:
        raise KernelError("the first premise must be that adjacent factors are balanced along the plain flow")
    letters = chain_letters(chain)
    allowed = {"First", "Partial", "Last", "Power", DELTA}
    if any(tensor_names(t) - allowed for t in templates):
        raise KernelError(f"the templates may speak of {sorted(allowed)} only")
    for template in templates:
        # Other sizes of the induction would be taken for those that a step renames, or be left over at the end.
        inner = {"#1", "#j", "#j-1"} if "Last" in tensor_names(template) else {"#1", "#j"}
        odd = {size for side in terms(template) for size in _sizes(side) if size.startswith("#")} - inner
        if odd:
            raise KernelError(f"a template cannot speak of the sizes {sorted(odd)} here")
    if chain.power.name in tensor_names(context.statement):
        raise KernelError(f"the letter {chain.power.name} is taken by the statement")
    for derivation, (hypotheses, goals) in zip((base, step), chain_hypotheses(chain, tuple(templates)), strict=True):
        found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
        missing = [goal for goal in goals if goal not in found]
        if missing:
            raise KernelError(f"the induction does not show {missing[0].lhs} = {missing[0].rhs}")
    sizes = dict(zip(letters["First"].sizes, chain.first.sizes, strict=True)) | {"#j": chain.end_sizes[1]}
    whole = {
        "First": (("a", "b"), chain.first["a", "b"]),
        "Partial": (("a", "b"), chain.end),
        "Power": (("a", "b"), chain.power["a", "b"]),
    }
    results = tuple(
        Always(Identity(*(resize(side, sizes).substitute(whole) for side in terms(t))), chain.flow)
        for t in templates
        if "Last" not in tensor_names(t)
    )
    return results[0] if len(results) == 1 else All(results)


def _sizes(term: Term) -> set[str]:
    """The size symbols of all indices, free and summed."""
    return {size for pairs in (term.free, *(m.bound for m in term.monomials)) for _, size in pairs}


def bare(statement: Statement) -> Statement:
    """The statement without assumptions: an induction's cases may use only their own hypotheses."""
    return dataclasses.replace(statement, assumptions=())


def inverse_hypotheses(chain: MatrixChain) -> tuple[Tensor, tuple[Claim, ...]]:
    """The letter for P^-1 and what is known of it: P^-1 P = I, P P^-1 = I, symmetry."""
    out = chain.first.sizes[0]
    inverse = Tensor(f"({chain.first.name}{chain.first.name}ᵀ)^-1", (out, out))
    gram = chain.gram
    return inverse, (
        Identity((inverse["a", "_c"] * gram.rename({"a": "_c"})).sum("_c"), identity("a", "b", out)),
        Identity((gram.rename({"b": "_c"}) * inverse["_c", "b"]).sum("_c"), identity("a", "b", out)),
        Identity(inverse["a", "b"], inverse["b", "a"]),
    )


def gram_power(chain: MatrixChain) -> Identity:
    """W W^T = P P P^(L-2)."""
    gram = chain.gram
    return Identity(
        (chain.end.rename({"b": "_k"}) * chain.end.rename({"a": "b", "b": "_k"})).sum("_k"),
        (gram.rename({"b": "_c"}) * gram.rename({"a": "_c", "b": "_d"}) * chain.power["_d", "b"]).sum("_c", "_d"),
    )


def gradient_term(chain: MatrixChain) -> Term:
    """The loss gradient at the end matrix, with free indices a, b."""
    gradient = chain.flow.parameterization.gradient(chain.flow.focus)
    return gradient.rename({chain.body.left: "a", chain.body.right: "b"})


def log_rate_goals(chain: MatrixChain) -> tuple[Identity, Identity]:
    """tr(P^-1 dP/dt) = -2 <grad, P^-1 W>, and ||P^-1 W||^2 = tr P^(L-2)."""
    inverse, _ = inverse_hypotheses(chain)
    derivative = chain.gram.along(chain.flow.velocities())
    slope = (inverse["a", "_c"] * chain.end.rename({"a": "_c"})).sum("_c")
    return (
        Identity(
            (inverse["a", "b"] * derivative.rename({"a": "b", "b": "a"})).sum("a", "b"),
            (gradient_term(chain) * slope).sum("a", "b") * -2,
        ),
        Identity((slope * slope).sum("a", "b"), chain.power["a", "a"].sum("a")),
    )


def _log_rate(
    context: Context, premises: tuple[Claim, ...], chain: MatrixChain, derivation: Derivation, *more: Identity
) -> None:
    """The common part of the two determinant rules: check the premises and the inner derivation.

    The inner derivation may use the three facts about P^-1, the first premise, and the premises after the third; it
    must show both `log_rate_goals`, and what more is asked.
    """
    power = Always(gram_power(chain), chain.flow)
    needed = (power, SameSize(*chain.end_sizes), AtLeast(chain.body.count, 2))
    if premises[:3] != needed:
        rows, columns = chain.end_sizes
        raise KernelError(
            "the premises must be W W^T = P P P^(L-2) along the plain flow, "
            f"{rows} = {columns} (the end matrix is square), and {chain.body.count} >= 2"
        )
    inverse, known = inverse_hypotheses(chain)
    if {inverse.name, chain.power.name} & tensor_names(context.statement):
        raise KernelError(f"the letter {inverse.name} or {chain.power.name} is taken by the statement")
    hypotheses = (*known, power.claim, *premises[3:])
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, hypotheses)
    for goal in (*log_rate_goals(chain), *more):
        if goal not in found:
            raise KernelError(f"the derivation does not show {goal.lhs} = {goal.rhs}")


@rule("log-determinant-bounded")
def log_determinant_bounded(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """The determinant of a balanced square product of L >= 2 matrices keeps its sign along gradient flow.

    With P = W_L W_L^T and W W^T = P^L: (det W)^2 = (det P)^L, so det W = 0 exactly where det P = 0. Where det P is
    not 0, Jacobi's formula gives d/dt ln det P = tr(P^-1 dP/dt) = -2 <grad, P^-1 W>, at most 2 ||grad|| ||P^-1 W|| in
    size, and ||P^-1 W||^2 = tr P^(L-2) by the inner derivation. That bound is continuous in time on the whole
    interval of existence, hence bounded on every compact part of it, so ln det P cannot tend to minus infinity there:
    det P, and with it det W, never becomes 0, and by continuity det W keeps its sign. (The loss gradient is
    continuous: the setting of every flow.)
    """
    count(premises, 3)  # what holds at one time only cannot bound a rate at all times
    parameterization, derivation = take(data, Parameterization, Derivation)
    chain = matrix_chain(parameterization)
    _log_rate(context, premises, chain, derivation)
    return DeterminantSignPreserved(chain.flow)


@rule("log-determinant-rate")
def log_determinant_rate(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """d/dt ln |det W| = -L <grad, P^-1 W> for a balanced square product where det W is not 0: (det W)^2 = (det P)^L and
    Jacobi's formula. Data: the parameterization, the inner derivation, and a term that it shows to equal <grad, P^-1 W>
    (which does not itself speak of P^-1)."""
    parameterization, derivation, target = take(data, Parameterization, Derivation, Term)
    chain = matrix_chain(parameterization)
    inverse, _ = inverse_hypotheses(chain)
    if {inverse.name, chain.power.name} & tensor_names(target):
        raise KernelError(f"the term may not speak of {inverse.name} or {chain.power.name}")
    slope = (inverse["a", "_c"] * chain.end.rename({"a": "_c"})).sum("_c")
    equal = Identity((gradient_term(chain) * slope).sum("a", "b"), target)
    _log_rate(context, premises, chain, derivation, equal)
    return LogDeterminantRate(Tensor(chain.body.count, ())() * target * -1, chain.flow)


# -- tensors of low multilinear rank ----------------------------------------------------------------------------------


@rule("spectral-norm")
def spectral_norm(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """||V x||^2 <= s^2 ||x||^2 for every family of vectors x = T[., q], by the definition of the spectral norm s of V.

    Data: the matrix, its norm, and the tensor T (legs: column index of V, then q); the inequality has q free.
    """
    count(premises, 1)
    norm = only(premises[0], SpectralNorm)
    (tensor,) = take(data, Tensor)
    if len(tensor.sizes) != 2 or len(norm.matrix.sizes) != 2 or tensor.sizes[0] != norm.matrix.sizes[1]:
        raise KernelError("the tensor must have the column index of the matrix, then one other")
    image = (norm.matrix["_i", "_r"] * tensor["_r", "q"]).sum("_r")
    return Inequality(
        (image * image).sum("_i"), "<=", norm.bound() * norm.bound() * (tensor["_r", "q"] * tensor["_r", "q"]).sum("_r")
    )


class OneMode:
    """The letters of one mode of a slice truncation, and what is known of them."""

    matrix = Tensor("V", ("d", "R"))
    norm = Tensor("s", ())
    core = Tensor("G", ("R", "q"))
    kept = Tensor("χ", ("R",))
    before = Tensor("K", ("q",))
    threshold = Tensor("τ²", ())

    def hypotheses(self) -> tuple[Claim, ...]:
        """0 s is the spectral norm of V; 1 χ^2 = χ (kept slices are marked 1, others 0); 2 K^2 = K (the same for
        entries kept by the modes before); 3 slices that are not kept are at most τ² in square; 4 τ² >= 0."""
        chi, k = self.kept["r"], self.before["q"]
        dropped = _one(("r", "R")) - chi
        slices = (self.core["r", "q"] * self.core["r", "q"]).sum("q")
        return (
            SpectralNorm(self.matrix, self.norm),
            Identity(chi * chi, chi),
            Identity(k * k, k),
            Inequality(dropped * slices, "<=", dropped * self.threshold()),
            Inequality(zero(), "<=", self.threshold()),
        )

    def goals(self) -> tuple[Claim, ...]:
        """What has to be shown for one mode; see the rule "slice-truncation"."""
        core, chi, k = self.core, self.kept["r"], self.before["q"]
        image = (self.matrix["i", "_r"] * core["_r", "q"]).sum("_r")
        one = _one(("q", "q"), ("r", "R"))
        lost = one - k * chi
        square = core["r", "q"] * core["r", "q"]
        from_before = ((_one(("q", "q")) - k) * square).sum("r", "q")
        from_this = ((_one(("r", "R")) - chi) * square).sum("r", "q")
        return (
            Inequality((image * image).sum("i", "q"), "<=", self.norm() * self.norm() * square.sum("r", "q")),
            Inequality((lost * lost * square).sum("r", "q"), "<=", from_before + from_this),
            Inequality(from_this, "<=", _one(("r", "R")).sum("r") * self.threshold()),
        )


def _one(*free: tuple[str, str]) -> Term:
    return constant(1, *free)


@rule("slice-truncation")
def slice_truncation(context: Context, premises: tuple[Claim, ...], data: tuple[Any, ...]) -> Claim:
    """HKA24 Proposition 4.6, by induction over the modes n = 1..N of a Tucker tensor.

    The inner derivation shows, for one mode with all others merged into one index q: (a) multiplying by V does not
    increase the norm by more than its spectral norm s; (b) the entries dropped by this mode or by those before (K)
    have at most the norms of both parts together; (c) the slices dropped by this mode have at most d τ² together.
    Then, for the core G~ of the slices that every mode keeps: ||G - G~||^2 <= sum_n d_n τ_n^2 by (b), (c) and
    induction over the modes; ||(G - G~) x_1 V^(1) ... x_N V^(N)|| <= ||G - G~|| prod_n s_n by (a) and induction; and
    unfolding n of W = G~ x_1 V^(1) ... x_N V^(N) is V^(n) diag(χ_n) times a matrix, so its rank is at most the number
    R_n of kept slices. With τ_n^2 = f eps^2 / (d_n^a N^b prod s_j^2): ||W_e - W||^2 <= f eps^2 sum_n d_n^(1-a) / N^b
    <= eps^2 if f <= 1, a >= 1, b >= 1. A Frobenius norm is at least the spectral norm, and counting slices equal to
    the threshold keeps more: both are covered.
    """
    count(premises, 0)
    claim, derivation = take(data, SliceTruncation, Derivation)
    if claim.factor > 1 or claim.factor < 0 or claim.dimension < 1 or claim.order < 1:
        raise KernelError("the bound needs a factor between 0 and 1, and the powers of d_n and N at least 1")
    if claim.norm not in ("spectral", "frobenius"):
        raise KernelError(f"the norm is spectral or frobenius, given {claim.norm!r}")
    mode = OneMode()
    found, _ = conclude(Context(bare(context.statement), context.library), derivation, mode.hypotheses())
    for goal in mode.goals():
        if goal not in found:
            raise KernelError("the derivation does not show all that one mode needs")
    return claim
