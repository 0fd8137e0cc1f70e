"""Exact instances: do they meet the assumptions, and do they violate the claim?

Everything is evaluated in rational arithmetic (real variables under roots, logarithms and exponentials: in balls,
three-valued). An instance of a model gives concrete blocks and the loss gradient at the end tensor. Any tensor is the
gradient of a differentiable loss (a linear one), so such an instance stands for a real flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, permutations, product

from flint import fmpq, fmpq_mat  # pyright: ignore[reportMissingTypeStubs]

from theorytest.kernel import analysis, components, every_flow, evolution, instant, states, truncation
from theorytest.kernel.ball import UndefinedError, Value, less, precision
from theorytest.kernel.ball import evaluate as scalar_value
from theorytest.kernel.chains import sizes_in
from theorytest.kernel.claim import (
    MOMENTUM,
    STEP_SIZE,
    All,
    AlongEveryFlow,
    Always,
    AtEveryState,
    AtLeast,
    AtStart,
    AtTime,
    Change,
    Claim,
    ComponentAlignment,
    ComponentStaysZero,
    Conserved,
    Descent,
    Determinant,
    DeterminantSignPreserved,
    EndMatrixRate,
    Entry,
    Evolution,
    Exactly,
    Flow,
    HigherOrderSVD,
    Identity,
    Inequality,
    LargestConserved,
    LastFactor,
    LogDeterminantRate,
    Matricization,
    NormRate,
    Rate,
    ReadAlways,
    ReadAtStart,
    ReadConserved,
    Reading,
    RestProduct,
    SameSize,
    SingularValueRate,
    SliceTruncation,
    SymmetricGradient,
    TendsToEqual,
    TuckerNorm,
    ZeroStays,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.modes import decomposition_violation, tucker_norm_violation
from theorytest.kernel.moment import is_timeless
from theorytest.kernel.parameterization import (
    Array,
    Chain,
    Concrete,
    Node,
    Product,
    eaches,
    einsum,
    evaluate,
    size_of,
)
from theorytest.kernel.product_flow import end_matrix_violation, singular_value_violation
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.rules import matrix_chain, terms
from theorytest.kernel.scalar import ZERO, Number, Scalar, derivative, variables
from theorytest.kernel.statement import Counterexample, Instance, Statement, Witness
from theorytest.kernel.terms import Indices, Tensor, Term, zero
from theorytest.kernel.unfolding import matricization_violation

JUST_BEFORE = "just before"  # the witness is a later state: the assumptions hold just before it
PRECISION = 256  # bits, for real variables under roots, logarithms and exponentials
ADAM_EPSILON = Fraction(1, 10**8)
OF_STATES = AtEveryState | AlongEveryFlow | TendsToEqual  # claims whose assumptions restrict a state
Views = dict[Flow | None, instant.View]


# -- the letters of a claim at an instance ----------------------------------------------------------------------------


def letters_at(flow: Flow, instance: Instance, members: Mapping[str, int]) -> tuple[dict[str, Array], dict[str, int]]:
    """The arrays that the letters of a flow stand for, and the value of every size symbol."""
    if instance.gradient is None:
        raise KernelError("an instance of a model needs the loss gradient at the end tensor")
    sizes, blocks = dict(instance.sizes), dict(instance.blocks)
    model, focus = flow.parameterization, flow.focus
    values = model.values_at(focus, members, sizes, blocks, instance.gradient)
    # A size such as the depth L may occur as a number in a term: then it is that of the model.
    numbers = {name: Array((), (Fraction(size),)) for name, size in sizes.items() if type(size) is int}
    letters = _own_letters(instance)
    taken = sorted(set(letters) & (set(values) | set(numbers)))
    if taken:
        raise KernelError(f"the letters {taken} have their values from the model")
    dims: dict[str, int] = {}
    for tensor in (*model.focus(focus).tensors().values(), *model.gradient(focus).tensors().values()):
        _note_sizes(dims, tensor, values[tensor.name])
    return numbers | letters | values, dims


def _own_letters(instance: Instance) -> dict[str, Array]:
    """The letters that an instance itself gives, numbers among them; one name has one value."""
    variables = {name: Array((), (number,)) for name, number in instance.variables}
    letters = dict(instance.letters) | variables
    if len(letters) != len(instance.letters) + len(instance.variables):
        raise KernelError("an instance gives two values for one letter")
    return letters


def _free_standing(instance: Instance) -> tuple[dict[str, Array], dict[str, int]]:
    """The letters of claims that speak of no model, and the sizes that the instance itself gives."""
    return _own_letters(instance), {name: size for name, size in instance.sizes if type(size) is int}


def _note_sizes(dims: dict[str, int], tensor: Tensor, array: Array) -> None:
    if len(tensor.sizes) != len(array.shape):
        raise KernelError(f"{tensor.name} has {len(tensor.sizes)} legs, its value has shape {array.shape}")
    for symbol, size in zip(tensor.sizes, array.shape, strict=True):
        if dims.setdefault(symbol, size) != size:
            raise KernelError(f"size {symbol} would be both {dims[symbol]} and {size}")


def value(term: Term, values: Mapping[str, Array], dims: Mapping[str, int]) -> Array:
    """The exact value of a term; sizes that only its own letters show are read off their arrays."""
    known = dict(dims)
    normal = term.normal()
    for name, tensor in normal.tensors().items():
        if name in values:
            _note_sizes(known, tensor, values[name])
    return evaluate(normal, values, known)


def assignments(flow: Flow, instance: Instance) -> Iterator[dict[str, int]]:
    """Every way to number the members that a focus names at the sizes of an instance."""
    sizes = dict(instance.sizes)
    model, focus = flow.parameterization, flow.focus
    families = eaches(model.body)
    count = size_of(families[0].count, sizes, {}) if families else 0
    for modes in permutations(range(1, count + 1), len(focus.modes)):
        numbers = dict(zip(focus.modes, modes, strict=True))
        options: list[list[dict[str, int]]] = []
        for link in focus.links:
            inside = families[0].body if link.mode and families else model.body
            chains = _chains(inside)
            if len(chains) != 1 or (link.mode and link.mode not in numbers):
                raise KernelError(f"{model.name} has no chain at {link.mode!r}, or several")
            (chain,) = chains
            around = {families[0].index: numbers[link.mode]} if link.mode else {}
            length = size_of(chain.count, sizes, around)
            order = list(range(length, 0, -1)) if chain.descending else list(range(1, length + 1))
            spots = [
                spot
                for spot in combinations(range(length), len(link.positions))
                if (not link.adjacent or spot == tuple(range(spot[0], spot[0] + len(spot))))
                and (not link.first or spot[0] == 0)
            ]
            options.append(
                [{f"{link.mode}/{n}": order[k] for n, k in zip(link.positions, spot, strict=True)} for spot in spots]
            )
        for choice in product(*options):
            total = dict(numbers)
            for part in choice:
                total |= part
            yield total


def _chains(node: Node) -> tuple[Chain, ...]:
    """The chains of a node, not those inside a family of modes."""
    if isinstance(node, Product):
        return tuple(chain for part in node.parts for chain in _chains(part))
    return (node,) if isinstance(node, Chain) else ()


# -- assumptions ------------------------------------------------------------------------------------------------------


def motion_flow(claim: Claim) -> Flow | None:
    """The flow that a claim about motion speaks of."""
    read = isinstance(claim, ReadAtStart | ReadAlways | ReadConserved)
    motion = claim.reading.motion if read else getattr(claim, "motion", None)
    if isinstance(motion, Descent):
        return motion.flow
    return motion if isinstance(motion, Flow) else None


def _parts(claim: Claim) -> tuple[Claim, ...]:
    """The claims that a claim consists of."""
    return tuple(part for inner in claim.claims for part in _parts(inner)) if isinstance(claim, All) else (claim,)


def require_assumptions(statement: Statement, instance: Instance) -> None:
    """Raise `KernelError` unless the instance is well formed and meets every assumption that has a formula.

    What is assumed of the start has to hold at the instance, a state at time 0. What is assumed of tensors without
    naming a time holds at the time in question; so it can be checked where the claim speaks of one time only.
    """
    for part in _parts(statement.claim):
        flow = motion_flow(part)
        if flow is not None and not any(True for _ in assignments(flow, instance)):
            raise KernelError("at these sizes there are no members for the claim to speak of")
    _require_values(statement, instance)
    views: Views = {}
    for assumption in statement.assumptions:
        if assumption.formula is not None:
            failed = _fails(assumption.formula, statement, instance, views)
            if failed:
                raise KernelError(f"the instance does not meet assumption {assumption.label!r}: {failed}")


def _require_values(statement: Statement, instance: Instance) -> None:
    """Raise where an index of the statement has no value: orders and depths may be 0, sizes of indices may not."""
    symbols = sizes_in((statement.claim, tuple(a.formula for a in statement.assumptions)))
    empty = sorted(symbol for symbol in symbols if _given(symbol, instance) == 0)
    if empty:
        raise KernelError(f"the sizes {empty} are 0: an index has at least one value")


def _given(symbol: str, instance: Instance) -> int | None:
    """The size that an instance gives; None for one of its letters, which is read off their arrays."""
    try:
        return size_of(symbol, dict(instance.sizes), dict(instance.members))
    except KernelError:
        return None


def _fails(formula: Claim, statement: Statement, instance: Instance, views: Views) -> str:
    """Why a formula does not hold at an instance; empty where it does. views: of the instance, made so far."""
    if isinstance(formula, AtStart):
        for members in assignments(formula.motion, instance):
            values, dims = letters_at(formula.motion, instance, members)
            reason = _term_fails(formula.claim, values, dims)
            if reason:
                return f"{reason} at {members}"
        return ""
    if isinstance(formula, SameSize):
        sizes = dict(instance.sizes)
        left, right = size_of(formula.left, sizes, {}), size_of(formula.right, sizes, {})
        return "" if left == right else f"{formula.left} = {left}, {formula.right} = {right}"
    if isinstance(formula, AtLeast):
        found = size_of(formula.size, dict(instance.sizes), _spoken_of(statement, instance))
        return "" if found >= formula.number else f"{formula.size} = {found}"
    if isinstance(formula, Exactly):
        found = size_of(formula.size, dict(instance.sizes), _spoken_of(statement, instance))
        return "" if found == formula.number else f"{formula.size} = {found}"
    if isinstance(formula, SymmetricGradient):
        return _gradient_asymmetry(formula, instance)
    if isinstance(formula, ReadAtStart):
        for members in assignments(formula.reading.motion, instance):
            for point in readings(formula.reading, instance, members):
                if analysis.holds(formula.claim, point, PRECISION) is not True:
                    return f"it does not surely hold at {members}"
        return ""
    if _about_tensors(formula):
        return _tensors_fail(formula, statement, instance, views)
    if isinstance(formula, All):
        return next(filter(None, (_fails(part, statement, instance, views) for part in formula.claims)), "")
    if isinstance(formula, Identity | Inequality):
        lhs, rhs = analysis.sides(formula)
        moved = sorted((variables(lhs) | variables(rhs)) & _read_names(statement))
        if moved:
            raise KernelError(f"what is read off ({', '.join(moved)}) is assumed to meet a formula: when?")
        held = analysis.holds(formula, dict(instance.variables), PRECISION)
        return "" if held is True else ("it is false" if held is False else "undecided at this precision")
    if isinstance(formula, Comparison):
        return states.fails(formula, statement.claim, instance, PRECISION)
    raise KernelError(f"{type(formula).__name__} cannot be checked at an instance")


def _spoken_of(statement: Statement, instance: Instance) -> dict[str, int]:
    """The members of an instance that every part of the claim names. Where a part is about all members, an assumption
    on the size of one of them is not met by any one that the instance picks."""
    members = dict(instance.members)
    for part in _parts(statement.claim):
        flow = motion_flow(part)
        if flow is not None or isinstance(part, OF_STATES | LargestConserved):
            modes = () if flow is None else flow.focus.modes
            members = {name: number for name, number in members.items() if name in modes}
    return members


def _read_names(statement: Statement) -> frozenset[str]:
    """The variables that a statement reads off a flow or a state, or that it names as functions of time, in its claim
    or its assumptions."""
    held = (statement.claim, *(a.formula for a in statement.assumptions if a.formula is not None))
    names: set[str] = set()
    for part in (part for formula in held for part in _parts(formula)):
        if isinstance(part, ReadAtStart | ReadAlways | ReadConserved):
            names |= part.reading.names
        elif isinstance(part, OF_STATES):
            comparison = part.claim if isinstance(part, AtEveryState) else part.comparison
            names |= {atom.name for atom in comparison.atoms}
        elif isinstance(part, Comparison):
            names |= {atom.name for atom in part.atoms}
        elif isinstance(part, Evolution):
            names |= {part.time, *(name for name, _ in part.rates), *part.inputs}
    return frozenset(names)


def _about_tensors(formula: Claim) -> bool:
    """Whether a formula speaks of tensors at one time (and not of sizes or real variables)."""
    if isinstance(formula, All):
        return all(map(_about_tensors, formula.claims))
    if isinstance(formula, Identity | Inequality):
        return isinstance(formula.lhs, Term) and isinstance(formula.rhs, Term)
    return isinstance(formula, NormRate | RestProduct | LastFactor) or (
        is_timeless(formula) and not isinstance(formula, SameSize | AtLeast | Exactly)
    )


def _tensors_fail(formula: Claim, statement: Statement, instance: Instance, views: Views) -> str:
    """The same for a formula about tensors: as every part of the claim reads the letters."""
    flows: dict[Flow | None, None] = {}
    for part in _parts(statement.claim):
        if isinstance(part, OF_STATES):
            raise KernelError("a state is restricted by comparisons of its quantities, not by formulas about tensors")
        flow = motion_flow(part)
        at_one_time = isinstance(part, Rate | Change | LogDeterminantRate | AtTime | NormRate)
        moves = flow is not None or isinstance(part, LargestConserved)
        if moves and not at_one_time and not isinstance(getattr(part, "motion", None), Descent):
            raise KernelError("tensors that move are assumed to meet a formula: at which time?")
        flows[flow] = None
    for flow in flows:
        if flow not in views:
            views[flow] = view(flow, instance, dict(instance.members))
    return next(filter(None, (instant.failure(formula, views[flow]) for flow in flows)), "")


def view(flow: Flow | None, instance: Instance, members: Mapping[str, int]) -> instant.View:
    """An instance as the letters of a flow see it; without one, as its own letters."""
    values, dims = _free_standing(instance) if flow is None else letters_at(flow, instance, members)
    return instant.View(
        lambda term, more: value(term, {**values, **more}, dims),
        dict(instance.sizes),
        members,
        lambda other, named: view(other, instance, named),
    )


def _gradient_asymmetry(formula: SymmetricGradient, instance: Instance) -> str:
    """Where the end matrix of an instance is symmetric: why its loss gradient is not; empty where it is."""
    end = end_tensor(formula.parameterization.at(dict(instance.sizes)), dict(instance.blocks))
    if instance.gradient is None:
        raise KernelError("an instance of a model needs the loss gradient at the end tensor")
    symmetric = [_matrix(array) == _matrix(array).transpose() for array in (end, instance.gradient)]
    return "the end matrix is symmetric, the loss gradient is not" if symmetric == [True, False] else ""


def readings(reading: Reading, instance: Instance, members: Mapping[str, int]) -> Iterator[dict[str, Fraction]]:
    """The points that a reading gives at an instance: one for every value of the free indices of its terms."""
    fixed = {name: number for name, number in instance.variables if name not in reading.names}
    end = end_tensor(reading.motion.parameterization.at(dict(instance.sizes)), dict(instance.blocks))
    held: dict[str, Term] = {}
    for name, meaning in reading.meanings:
        if isinstance(meaning, Term):
            held[name] = meaning
        else:
            fixed[name] = _fraction(_matrix(end).det()) if isinstance(meaning, Determinant) else _entry(end, meaning)
    for values in _spread(held, reading, instance, members):
        yield fixed | values


def moving(
    reading: Reading, instance: Instance, members: Mapping[str, int]
) -> Iterator[tuple[dict[str, Fraction], dict[str, Fraction]]]:
    """The points of a reading, and with each the velocities of the variables that are read."""
    fixed: dict[str, Fraction] = {}
    held: dict[str, Term] = {}
    for name, meaning in reading.meanings:
        if isinstance(meaning, Term):
            free = zero(*meaning.free)  # of the term itself: an index may be lost where the velocity is 0
            held[name] = meaning.along(reading.motion.velocities()) + free
            continue
        *_, end, rate = _end_motion(reading.motion, instance)
        fixed[name] = _determinant_rate(end, rate) if isinstance(meaning, Determinant) else _entry(rate, meaning)
    points = readings(reading, instance, members)
    for point, speeds in zip(points, _spread(held, reading, instance, members), strict=True):
        yield point, fixed | speeds


def _spread(
    held: Mapping[str, Term], reading: Reading, instance: Instance, members: Mapping[str, int]
) -> Iterator[dict[str, Fraction]]:
    """The values of terms at an instance, for every value of their free indices."""
    variables = tuple(pair for pair in instance.variables if pair[0] not in reading.names)
    values, dims = letters_at(reading.motion, replace(instance, variables=variables), members)
    free = zero(*dict.fromkeys(index for term in held.values() for index in term.free))
    arrays = {name: value(term + free, values, dims) for name, term in held.items()}
    shape = next((array.shape for array in arrays.values()), ())
    for index in product(*map(range, shape)):
        yield {name: array[index] for name, array in arrays.items()}


def _entry(end: Array, entry: Entry) -> Fraction:
    if len(entry.index) != len(end.shape) or not all(map(_within, entry.index, end.shape)):
        raise KernelError(f"an end tensor of shape {end.shape} has no entry {entry.index}")
    return end[tuple(place - 1 for place in entry.index)]


def _within(place: int, size: int) -> bool:
    return 1 <= place <= size


def _term_fails(claim: Identity | Inequality, values: Mapping[str, Array], dims: Mapping[str, int]) -> str:
    lhs, rhs = terms(claim)
    return instant.missed(claim, value(rhs - lhs, values, dims))


def certifies(claim: Claim, instance: Instance) -> None:
    """Raise `KernelError` unless the claim is verified at the instance, rigorously."""
    if not isinstance(claim, SliceTruncation):
        raise KernelError(f"{type(claim).__name__} cannot be certified at an instance")
    truncation.certify(claim, instance, PRECISION)


# -- violations -------------------------------------------------------------------------------------------------------


def refutes(statement: Statement, witness: Witness) -> Counterexample:
    """The counterexample that a witness is; raises `KernelError` where it is none."""
    if witness.data == (JUST_BEFORE,):
        _require_just_before(statement, witness.instance)
        margin = _violated_later(statement, witness.instance)
    else:
        require_assumptions(statement, witness.instance)
        margin = _violation(statement, statement.claim, witness)
    return Counterexample(witness.instance, type(statement.claim).__name__, margin)


def _violation(statement: Statement, claim: Claim, witness: Witness) -> str:
    """By how much the claim fails at the witness; raises where it does not fail."""
    instance = witness.instance
    if isinstance(claim, All):
        reasons: list[str] = []
        for part in claim.claims:
            try:
                return _violation(statement, part, witness)
            except KernelError as error:
                reasons.append(str(error))
        raise KernelError("; ".join(reasons))
    if isinstance(claim, AtEveryState):
        return states.violation(claim, instance, PRECISION)
    if isinstance(claim, Evolution):
        return evolution.violation(claim, dict(instance.variables), PRECISION)
    if isinstance(claim, ComponentStaysZero | ComponentAlignment):
        return _component_fails(claim, instance)
    if isinstance(claim, ZeroStays):
        return _leaves_zero(claim, instance)
    if isinstance(claim, AlongEveryFlow | TendsToEqual):
        return every_flow.violation(claim, witness)
    if isinstance(claim, EndMatrixRate | SingularValueRate):
        return _product_rate(claim, instance)
    if isinstance(claim, DeterminantSignPreserved):
        return _sign_change(statement, claim, instance)
    if isinstance(claim, SliceTruncation):
        return truncation.refutes(claim, witness)
    if isinstance(claim, Matricization):
        return matricization_violation(claim, instance)
    if isinstance(claim, TuckerNorm):
        return tucker_norm_violation(claim, instance)
    if isinstance(claim, HigherOrderSVD):
        return decomposition_violation(claim, instance)
    if isinstance(claim, LargestConserved):
        return _largest_changes(claim, instance)
    flow = motion_flow(claim)
    of_terms = isinstance(claim, Identity | Inequality) and isinstance(claim.lhs, Term)
    if isinstance(claim, AtTime) or of_terms or _about_tensors(claim):
        reason = instant.failure(claim, view(flow, instance, dict(instance.members)))
        if not reason:
            raise KernelError("the claim holds at this instance")
        return reason
    if flow is None:
        return analysis.violation(claim, dict(instance.variables), witness.data, PRECISION)
    if isinstance(claim, ReadAlways):
        return _read_fails(claim, instance)
    if isinstance(claim, ReadConserved):
        return _not_conserved(claim, instance)
    values, dims = letters_at(flow, instance, dict(instance.members))
    if isinstance(claim, Always):
        return _not_always(claim, values, dims)
    if isinstance(claim, LogDeterminantRate):
        gap = _log_determinant_gap(claim, flow, instance, values, dims)
    else:
        gap = _gap(claim, values, dims)
    worst = max((abs(g) for g in gap.entries), default=Fraction(0))
    if not worst:
        raise KernelError("the claim holds at this instance")
    return str(worst)


def _largest_changes(claim: LargestConserved, instance: Instance) -> str:
    """How the largest of some quantities changes, seen through all members of their flows."""
    flows = [(law, motion_flow(law)) for law in claim.laws]
    return instant.largest_changes(
        (law, [view(flow, instance, members) for members in assignments(flow, instance)])
        for law, flow in flows
        if flow is not None
    )


def _read_fails(claim: ReadAlways, instance: Instance) -> str:
    """How a formula that is read off a flow fails at a state."""
    for point in readings(claim.reading, instance, dict(instance.members)):
        met = [analysis.holds(condition, point, PRECISION) for condition in claim.conditions]
        if all(held is True for held in met) and analysis.holds(claim.claim, point, PRECISION) is False:
            return analysis.violation(claim.claim, point, (), PRECISION)
    raise KernelError("the claim does not surely fail at this state, where its conditions surely hold")


def _require_just_before(statement: Statement, instance: Instance) -> None:
    """Raise unless the flow through the state meets the assumptions just before it. One plain flow is spoken of.

    For the constant loss gradient of the instance the flow exists for a short time in both directions. Sizes do not
    change, nor do variables that no reading names; an identity between terms that holds at the state and is conserved
    holds before; 0 < u holds just before where u > 0, or where u = 0 and the derivative of u is negative.
    """
    formulas = [a.formula for a in statement.assumptions if a.formula is not None]
    flows = [flow for part in map(_parts, (statement.claim, *formulas)) for flow in map(motion_flow, part) if flow]
    if len({flow.parameterization for flow in flows}) != 1 or any(flow.speeds or flow.decay for flow in flows):
        raise KernelError("the plain flow of one parameterization was needed")
    for assumption in statement.assumptions:
        for formula in () if assumption.formula is None else _parts(assumption.formula):
            if isinstance(formula, ReadAtStart):
                failed = _not_just_before(formula, instance)
            else:
                failed = _fails(formula, statement, instance, {})
                fixed = isinstance(formula, SameSize | AtLeast | Exactly) or _of_variables(formula)
                if not failed and not fixed:
                    _require_conserved(formula)
            if failed:
                raise KernelError(f"just before, assumption {assumption.label!r} does not hold: {failed}")


def _of_variables(formula: Claim) -> bool:
    """Whether a claim is a formula between real variables (which keep their values: see `_fails`)."""
    return isinstance(formula, Identity | Inequality) and not isinstance(formula.lhs, Term)


def _require_conserved(formula: Claim) -> None:
    """Raise unless a formula about the start is an identity between terms whose difference the flow conserves."""
    if not isinstance(formula, AtStart) or not isinstance(formula.claim, Identity):
        raise KernelError("only identities are known to hold earlier on the flow")
    lhs, rhs = terms(formula.claim)
    if not (lhs - rhs).along(formula.motion.velocities()).is_zero:
        raise KernelError("what is assumed of the start is not conserved: an earlier start may not meet it")


def _not_just_before(formula: ReadAtStart, instance: Instance) -> str:
    """Why 0 < u is not known to hold just before a state; empty where it does."""
    lhs, rhs = analysis.sides(formula.claim)
    if formula.claim != Inequality(ZERO, "<", rhs) or lhs != ZERO:
        raise KernelError("only 0 < u is known to hold just before a state")
    for members in assignments(formula.reading.motion, instance):
        for point, speeds in moving(formula.reading, instance, members):
            with precision(PRECISION):
                here, speed = scalar_value(rhs, point), _speed(rhs, point, speeds)  # raises where u may end here
            if analysis.holds(formula.claim, point, PRECISION) is not True:
                if not isinstance(here, Fraction) or not isinstance(speed, Fraction):
                    raise KernelError("exact values were needed")
                if here != 0 or speed >= 0:
                    return f"{rhs} is {here} and moves at the speed {speed}"
    return ""


def _speed(expression: Scalar, point: Mapping[str, Fraction], speeds: Mapping[str, Fraction]) -> Value:
    """The derivative of an expression at a point whose coordinates move (chain rule)."""
    parts = [derivative(expression, name) * Number(speed) for name, speed in speeds.items()]
    return scalar_value(sum(parts, start=ZERO), point)


def _not_conserved(claim: ReadConserved, instance: Instance) -> str:
    """How an expression that is read off a flow moves at a state."""
    for point, speeds in moving(claim.reading, instance, dict(instance.members)):
        with precision(PRECISION):
            try:
                scalar_value(claim.expression, point)
                speed = _speed(claim.expression, point, speeds)
            except UndefinedError:
                continue
            if less(Fraction(0), speed) or less(speed, Fraction(0)):
                return (
                    f"{claim.expression} moves at the speed {speed if isinstance(speed, Fraction) else speed.str(12)}"
                )
    raise KernelError("the claim does not surely fail at this state")


def _violated_later(statement: Statement, instance: Instance) -> str:
    """How a part of the claim that speaks of all times fails at a state that the flow reaches."""
    reasons: list[str] = []
    for part in _parts(statement.claim):
        if isinstance(part, ReadAlways):
            try:
                return f"at a later time {_read_fails(part, instance)}"
            except KernelError as error:
                reasons.append(str(error))
    raise KernelError("; ".join(reasons) or "no part of the claim is read off the flow at all times")


def _gap(claim: Claim, values: Mapping[str, Array], dims: Mapping[str, int]) -> Array:
    """What would be zero if the claim held."""
    if isinstance(claim, Conserved) and isinstance(claim.motion, Flow):
        return value(claim.quantity.along(claim.motion.velocities()), values, dims)
    if isinstance(claim, Rate):
        return value(claim.quantity.along(claim.motion.velocities()) - claim.rate, values, dims)
    if isinstance(claim, Conserved | Change) and isinstance(claim.motion, Descent):
        size = values.get(STEP_SIZE)
        if size is None or size.shape or size.entries[0] <= 0:
            raise KernelError(f"a discrete step needs a step size {STEP_SIZE} > 0 among the variables")
        claimed = claim.change if isinstance(claim, Change) else zero()
        free = (claim.quantity + claimed).free
        quantity = claim.quantity + zero(*free)
        after = value(quantity, _stepped(claim.motion, values, dims), dims)
        parts = (after, value(quantity, values, dims), value(claimed + zero(*free), values, dims))
        return Array(after.shape, tuple(a - b - c for a, b, c in zip(*(p.entries for p in parts), strict=True)))
    raise KernelError(f"{type(claim).__name__} cannot be evaluated at an instance")


def _not_always(claim: Always, values: Mapping[str, Array], dims: Mapping[str, int]) -> str:
    """How a claim about all times fails at the start, or (for an identity) right after it."""
    reason = _term_fails(claim.claim, values, dims)
    if reason:
        return f"at time 0 {reason}"
    if isinstance(claim.claim, Identity):
        lhs, rhs = terms(claim.claim)
        speed = value((rhs - lhs).along(claim.motion.velocities()), values, dims)
        if any(speed.entries):
            return f"both sides are equal at time 0, and move apart at the speed {max(speed.entries, key=abs)}"
    raise KernelError("the claim holds at this instance")


def _stepped(descent: Descent, values: Mapping[str, Array], dims: Mapping[str, int]) -> dict[str, Array]:
    """The letters after one discrete step."""
    moved = dict(values)
    for name, (legs, velocity) in descent.flow.velocities().items():
        entries = _over(velocity, legs, values, dims).entries
        if descent.method == "adam":
            entries = tuple(v / (abs(v) + ADAM_EPSILON) for v in entries)
        eta = values[STEP_SIZE].entries[0]
        total = [x + eta * v for x, v in zip(values[name].entries, entries, strict=True)]
        if descent.method == "momentum":
            beta, previous = values.get(MOMENTUM), values.get(f"U({name})")
            if beta is None or beta.shape or previous is None or previous.shape != values[name].shape:
                raise KernelError(f"momentum needs {MOMENTUM} and the previous update U({name})")
            total = [x + beta.entries[0] * u for x, u in zip(total, previous.entries, strict=True)]
        moved[name] = Array(values[name].shape, tuple(total))
    return moved


def _over(term: Term, legs: Indices, values: Mapping[str, Array], dims: Mapping[str, int]) -> Array:
    """The value of a term as an array over its free indices in the given order (not in theirs: v10 is before v2)."""
    places = [name for name, _ in term.free]
    return value(term, values, dims).regroup(tuple((places.index(leg),) for leg in legs))


# -- components and what vanishes -------------------------------------------------------------------------------------


def _component_fails(claim: ComponentStaysZero | ComponentAlignment, instance: Instance) -> str:
    """How the claim fails for some component at the state, which is any state of a flow."""
    flow, members = claim.motion, dict(instance.members)
    if flow.decay or instance.gradient is None:
        raise KernelError("a flow without weight decay, and a loss gradient, were needed")
    name = components.outer_products(flow.parameterization).block.name
    concrete = flow.parameterization.at(dict(instance.sizes))
    blocks = _own_blocks(concrete, instance)
    gradients = block_gradients(concrete, blocks, instance.gradient)
    modes = [f"{name}[{k}]" for k in range(1, len(blocks) + 1)]
    named = {f"{name}[{mode}]": f"{name}[{members.get(mode)}]" for mode in flow.focus.modes}
    given = {named[letter]: speed for letter, speed in flow.speeds if letter in named}
    speeds = [given.get(mode, Fraction(1)) for mode in modes]
    fails = components.leaves_zero if isinstance(claim, ComponentStaysZero) else components.loses_alignment
    for component in components.components(flow, [(blocks[mode], gradients[mode]) for mode in modes]):
        found = fails(component, speeds)
        if found:
            return found
    raise KernelError("the claim does not surely fail at this state")


def _leaves_zero(claim: ZeroStays, instance: Instance) -> str:
    """A state at which a sum of squares is 0 for some value of its free indices, and what is squared moves."""
    values, dims = letters_at(claim.motion, instance, dict(instance.members))
    quantity = value(claim.quantity, values, dims)
    speed = value(components.squared_speed(claim), values, dims)
    for size, square in zip(quantity.entries, speed.entries, strict=True):
        if not size and square:
            return f"it is 0, and what is squared moves at the squared speed {square}"
    raise KernelError("the quantity does not leave 0 at once")


# -- determinants -----------------------------------------------------------------------------------------------------


def end_tensor(concrete: Concrete, blocks: Mapping[str, Array]) -> Array:
    """The exact end tensor."""
    return einsum([(blocks[name], legs) for name, legs in concrete.factors], concrete.output, concrete.dims)


def block_gradients(concrete: Concrete, blocks: Mapping[str, Array], gradient: Array) -> dict[str, Array]:
    """The gradient of <gradient, end tensor> by every block, written out (independent of any focus)."""
    total: dict[str, list[Fraction]] = {n: [Fraction(0)] * len(b.entries) for n, b in blocks.items()}
    for place, (name, legs) in enumerate(concrete.factors):
        others = [(blocks[n], ls) for k, (n, ls) in enumerate(concrete.factors) if k != place]
        held = set(concrete.output).union(*(set(ls) for _, ls in others))
        loose = [leg for leg in legs if leg not in held]
        ones = [(Array((concrete.dims[leg],), (Fraction(1),) * concrete.dims[leg]), (leg,)) for leg in loose]
        part = einsum([(gradient, concrete.output), *others, *ones], legs, concrete.dims)
        total[name] = [a + b for a, b in zip(total[name], part.entries, strict=True)]
    return {name: Array(blocks[name].shape, tuple(entries)) for name, entries in total.items()}


def _own_blocks(concrete: Concrete, instance: Instance) -> dict[str, Array]:
    """The blocks of the model, with their shapes checked."""
    blocks = {name: array for name, array in instance.blocks if name in concrete.blocks}
    if {name: array.shape for name, array in blocks.items()} != concrete.blocks:
        raise KernelError(f"the blocks need the shapes {concrete.blocks}")
    return blocks


def _matrix(array: Array) -> fmpq_mat:
    if len(array.shape) != 2 or array.shape[0] != array.shape[1]:
        raise KernelError(f"a determinant needs a square matrix, given shape {array.shape}")
    return fmpq_mat(*array.shape, [fmpq(x.numerator, x.denominator) for x in array.entries])


def _fraction(x: fmpq) -> Fraction:
    return Fraction(int(x.p), int(x.q))


def _end_motion(flow: Flow, instance: Instance) -> tuple[Concrete, dict[str, Array], dict[str, Array], Array, Array]:
    """blocks, their velocities, the end matrix and its velocity."""
    if flow.speeds or flow.decay or instance.gradient is None:
        raise KernelError("a plain gradient flow, and a loss gradient, were needed")
    concrete = flow.parameterization.at(dict(instance.sizes))
    blocks = _own_blocks(concrete, instance)
    gradients = block_gradients(concrete, blocks, instance.gradient)
    speeds = {n: Array(g.shape, tuple(-x for x in g.entries)) for n, g in gradients.items()}
    end = end_tensor(concrete, blocks)
    rate = [Fraction(0)] * len(end.entries)
    for place in range(len(concrete.factors)):
        moved = [(speeds[n] if k == place else blocks[n], ls) for k, (n, ls) in enumerate(concrete.factors)]
        part = einsum(moved, concrete.output, concrete.dims)
        rate = [a + b for a, b in zip(rate, part.entries, strict=True)]
    return concrete, blocks, speeds, end, Array(end.shape, tuple(rate))


def _product_rate(claim: EndMatrixRate | SingularValueRate, instance: Instance) -> str:
    """How a claim about the velocity of a product of matrices fails at an instance."""
    matrix_chain(claim.motion.parameterization)
    _, blocks, _, end, rate = _end_motion(claim.motion, instance)
    assert instance.gradient is not None  # see `_end_motion`
    given = len(blocks), end, rate, instance.gradient
    if isinstance(claim, EndMatrixRate):
        return end_matrix_violation(claim, *given)
    return singular_value_violation(claim, *given)


def _determinant_rate(end: Array, rate: Array) -> Fraction:
    """d/dt det W = sum_i det(W with row i replaced by its velocity): exact also where W is singular."""
    n = end.shape[0]
    total = Fraction(0)
    for row in range(n):
        mixed = list(end.entries)
        mixed[row * n : (row + 1) * n] = rate.entries[row * n : (row + 1) * n]
        total += _fraction(_matrix(Array(end.shape, tuple(mixed))).det())
    return total


def _sign_change(statement: Statement, claim: DeterminantSignPreserved, instance: Instance) -> str:
    """A step that flips the sign of the determinant; or, for a flow, a state where the determinant is 0 and its
    derivative is not: the flow through that state (it exists for a short time in both directions) changes the sign
    there. What is assumed of the start has to hold earlier on that flow: it has to be conserved, which is checked."""
    if isinstance(claim.motion, Descent):
        concrete, blocks, speeds, end, _ = _end_motion(claim.motion.flow, instance)
        eta = dict(instance.variables).get(STEP_SIZE, Fraction(0))
        if claim.motion.method != "gradient descent" or eta <= 0:
            raise KernelError(f"a step of gradient descent with {STEP_SIZE} > 0 was needed")
        moved = {
            n: Array(b.shape, tuple(x + eta * v for x, v in zip(b.entries, speeds[n].entries, strict=True)))
            for n, b in blocks.items()
        }
        before = _fraction(_matrix(end).det())
        after = _fraction(_matrix(end_tensor(concrete, moved)).det())
        if before * after < 0:
            return f"the determinant goes from {before} to {after} in one step"
        raise KernelError(f"the determinant goes from {before} to {after}: its sign does not change")
    formulas = [part for a in statement.assumptions if a.formula is not None for part in _parts(a.formula)]
    for formula in formulas:
        if isinstance(formula, AtStart):
            if not isinstance(formula.claim, Identity):
                raise KernelError("only identities are known to hold earlier on the flow")
            lhs, rhs = terms(formula.claim)
            # Along the flow of the claim, which has to be plain (see `_end_motion`), through the assumption's focus.
            if formula.motion.parameterization != claim.motion.parameterization:
                raise KernelError("an assumption on the start speaks of another parameterization")
            seen = Flow(claim.motion.parameterization, formula.motion.focus)
            if not (lhs - rhs).along(seen.velocities()).is_zero:
                raise KernelError("what is assumed of the start is not conserved: an earlier start may not meet it")
        elif isinstance(formula, ReadAtStart):
            if formula.reading.motion != replace(claim.motion, focus=formula.reading.motion.focus):
                raise KernelError("an assumption on the start is read off another flow")
            _not_just_before(formula, instance)  # raises where it may not hold; 0 < u holds here, and so just before
    _, _, _, end, rate = _end_motion(claim.motion, instance)
    determinant, derivative = _fraction(_matrix(end).det()), _determinant_rate(end, rate)
    if determinant or not derivative:
        raise KernelError(f"at this state det W = {determinant} with derivative {derivative}: no crossing of 0")
    return f"det W = 0 with derivative {derivative}: it changes sign there"


def _log_determinant_gap(
    claim: LogDeterminantRate, flow: Flow, instance: Instance, values: Mapping[str, Array], dims: Mapping[str, int]
) -> Array:
    _, _, _, end, rate = _end_motion(flow, instance)
    determinant = _fraction(_matrix(end).det())
    if not determinant:
        raise KernelError("the determinant is 0: its logarithm has no derivative")
    claimed = value(claim.rate, values, dims)
    found = _determinant_rate(end, rate) / determinant
    return Array(claimed.shape, tuple(found - entry for entry in claimed.entries))
