"""Attacks on the kernel: each of these once ended in PROVED or REFUTED, or would without the check that it names.

First hostile derivations (false claims that must not be proved), then bogus witnesses (true claims that must not be
refuted), then forged certificates of every kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import naive
import pytest

from theorytest.kernel.check import check
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
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Focus, Link, Parameterization, Product
from theorytest.kernel.rules import RULES, OneMode, Square, Use, balance, chain_letters, gram_power, matrix_chain
from theorytest.kernel.scalar import Number, Variable
from theorytest.kernel.statement import (
    CERTIFIED,
    PROVED,
    REFUTED,
    UNDECIDED,
    Assumption,
    Certificate,
    Derivation,
    Instance,
    Instances,
    Source,
    Statement,
    Step,
    Verdict,
    Witness,
)
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term, constant, identity, zero

ONE = Fraction(1)
X, Y = Tensor("X", ("m", "n")), Tensor("Y", ("n", "m"))
v, w = Tensor("v", ("n",)), Tensor("w", ("n",))
scalar_x = Tensor("x", ())()


def statement(claim: Any, *assumptions: Any, example: Instance | None = None, label: str = "S") -> Statement:
    named = tuple(Assumption(f"a{k}", "", formula) for k, formula in enumerate(assumptions))
    return Statement(label, "S", claim, assumptions=named, example=example, source=Source("T", "1"))


def derivation(*steps: tuple[str, tuple[int, ...], tuple[Any, ...]]) -> Derivation:
    return Derivation(tuple(Step(*step) for step in steps))


def offer(claimed: Statement, payload: Any, *library: Statement, kind: str | None = None) -> Verdict:
    kind = kind or {Derivation: "derivation", Witness: "witness", Instances: "instances"}[type(payload)]
    return check(claimed, Certificate(kind, claimed.digest, payload, "attacker"), {s.digest: s for s in library})


def matrix(*rows: tuple[int, ...]) -> Array:
    return Array((len(rows), len(rows[0])), tuple(Fraction(x) for row in rows for x in row))


def number(value: int | Fraction) -> Array:
    return Array((), (Fraction(value),))


# -- letters with two meanings ----------------------------------------------------------------------------------------


def bilinear(middle: str) -> Callable[[], Any]:
    """W = X M Y with a learned square matrix in the middle; X^T X - Y Y^T is then not conserved (X^T X - M M^T is)."""

    def make() -> tuple[Statement, Derivation]:
        parts = (Block("X", (), ("a", "b")), Block(middle, (), ("b", "c")), Block("Y", (), ("c", "e")))
        sizes = (("a", "d"), ("b", "h"), ("c", "h"), ("e", "q"))
        model = Parameterization("three", Product(parts), ("a", "e"), sizes, "")
        flow = Flow(model, Focus())
        left, right = Tensor("X", ("d", "h")), Tensor("Y", ("h", "q"))
        quantity = (left["a", "i"] * left["a", "j"]).sum("a") - (right["i", "c"] * right["j", "c"]).sum("c")
        claimed = statement(Conserved(quantity, flow))
        return claimed, derivation(("rate", (), (quantity, flow)), ("zero-derivative", (0,), ()))

    return make


@pytest.mark.parametrize("name", ["M", DELTA, "∂", "∇L", "η", "X*"])
def test_a_block_named_like_a_letter_of_the_kernel(name):
    """A block called δ was read as the identity, so that the outer layers seemed balanced against each other."""
    try:
        claimed, proof = bilinear(name)()
    except KernelError:
        return
    assert offer(claimed, proof).status == UNDECIDED


def test_a_tensor_named_like_the_mark_of_the_product_rule():
    """The derivative of ∂^2 was 2 v^2: the product rule marked a factor with a letter that a block may have."""
    partial = Tensor("∂", ())()
    flow = {"∂": ((), scalar_x)}
    assert (partial * partial).along(flow) == partial * scalar_x * 2


def test_indices_that_differ_by_a_space_only():
    """Substitution read the names of indices anew and stripped them: δ[" i", i] became 1, so that it seemed to
    change."""
    with pytest.raises(KernelError):
        Term(((" i", "n"), ("i", "n")), (Monomial(ONE, (Factor(Tensor(DELTA, ("n", "n")), (" i", "i")),), ()),))
    with pytest.raises(KernelError):
        decode({"is": "Term", "free": [[" i", "n"]], "monomials": []})


def test_an_undeclared_index_is_not_captured_by_a_product():
    """An index that is declared nowhere became summed when multiplied with a sum: X[k] then stood for a number."""
    with pytest.raises(KernelError):
        Term((), (Monomial(ONE, (Factor(v, ("_f0",)),), ()),))


def shared_position() -> Parameterization:
    """w[n] of a family and w[l] of a chain: at N = L = 1 the end matrix is w[1] * w[1], entry by entry."""
    from theorytest.kernel.parameterization import Each

    parts = (
        Each("n", "N", Block("w", ("n",), ("a", "b"))),
        Chain("l", "L", Block("w", ("l",), ()), "a", "b", "h", False),
    )
    return Parameterization("shared", Product(parts), ("a", "b"), (("a", "d"), ("b", "e")), "")


def test_a_block_of_a_family_that_is_also_one_of_a_chain():
    flow = Flow(shared_position(), Focus(("m",)))
    block = Tensor("w[m]", ("d", "e"))
    quantity = (block["a", "b"] * block["a", "b"]).sum("a", "b")
    claim = Rate(quantity, zero(), flow)
    verdict = offer(statement(claim), derivation(("rate", (), (quantity, flow))))
    assert verdict.status == UNDECIDED and "shared blocks" in verdict.reason


# -- what holds for one flow is not said of another -------------------------------------------------------------------


ADJACENT = Focus((), (Link(("l+1", "l"), adjacent=True),))
PLAIN = Flow(naive.MATRIX, ADJACENT)
BALANCED = balance(*naive.MATRIX.letters(ADJACENT).values())
FASTER = Flow(naive.MATRIX, ADJACENT, speeds=(("W[l]", Fraction(2)),))
DECAYING = Flow(naive.MATRIX, ADJACENT, decay=ONE)
TRACE = (BALANCED.lhs - BALANCED.rhs).rename({"j": "i"}).sum("i")  # type: ignore[union-attr, operator]
STAYS = (
    ("rate", (), (BALANCED.lhs - BALANCED.rhs, PLAIN)),  # type: ignore[operator]
    ("zero-derivative", (0,), ()),
    ("assumption", (), ("a0",)),
    ("stays", (1, 2), ()),
)


def test_layers_that_stay_balanced_along_one_flow_need_not_along_another():
    """d/dt tr(X^T X - Y Y^T) along a flow with unequal speeds, rewritten with balancedness along the plain flow."""
    left = Tensor("W[l+1]", tuple(naive.MATRIX.letters(ADJACENT)["W[l+1]"].sizes))
    quantity = (left["a", "i"] * left["a", "j"]).sum("a")
    rate = quantity.along(FASTER.velocities())
    for motion in (FASTER, DECAYING):
        rate = quantity.along(motion.velocities())
        extra: Any = BALANCED.lhs - BALANCED.rhs  # type: ignore[operator]
        claim = Rate(quantity, rate + extra, motion)
        proof = derivation(
            *STAYS,
            ("combination", (3,), (Identity(rate, rate + extra), Use(0, constant(-1), (), ()))),
            ("rate", (), (quantity, motion)),
            ("replace", (5, 4), ()),
        )
        assert offer(statement(claim, AtStart(BALANCED, PLAIN)), proof).status == UNDECIDED


def test_what_stays_is_said_of_its_own_flow():
    assumed = AtStart(BALANCED, PLAIN)
    assert offer(statement(Always(BALANCED, PLAIN), assumed), derivation(*STAYS)).status == PROVED
    for claim in (BALANCED, Always(BALANCED, FASTER), Always(BALANCED, DECAYING), assumed):
        assert offer(statement(claim, assumed), derivation(*STAYS)).status == UNDECIDED


@pytest.mark.parametrize("other", [FASTER, DECAYING])
def test_conserved_along_one_flow_and_met_at_the_start_of_another(other):
    """`stays` needs the flow of the assumption to be the flow of the law."""
    claimed = statement(Always(BALANCED, PLAIN), AtStart(BALANCED, other))
    assert offer(claimed, derivation(*STAYS)).status == UNDECIDED


def test_an_assumption_about_one_time_does_not_make_a_law_for_all_times():
    """If w[n] is 0 now, its rate is 0 now; it does not stay 0 for that."""
    flow = Flow(naive.CP, Focus(("n",)))
    block = naive.CP.letters(flow.focus)["w[n]"]
    quantity = (block["r", "i"] * block["r", "i"]).sum("i")
    rate = quantity.along(flow.velocities())
    now = Identity(block["r", "i"], zero(("r", "R"), ("i", "d[n]")))
    (monomial,) = rate.monomials
    rest = tuple(f for f in monomial.factors if f.tensor.name != "w[n]")
    (own,) = (f for f in monomial.factors if f.tensor.name == "w[n]")
    free = tuple(pair for pair in monomial.bound) + rate.free
    multiplier = Term(free, (Monomial(monomial.coefficient, rest, ()),))
    use = Use(
        0, multiplier, tuple(zip(("r", "i"), own.indices, strict=True)), tuple(name for name, _ in monomial.bound)
    )
    steps = (
        ("assumption", (), ("a0",)),
        ("combination", (0,), (Identity(rate, zero(*rate.free)), use)),
        ("rate", (), (quantity, flow)),
        ("replace", (2, 1), ()),
        ("zero-derivative", (3,), ()),
    )
    # The combination itself is right; it is `replace` that refuses.
    assert offer(statement(Identity(rate, zero(*rate.free)), now), derivation(*steps[:2])).status == PROVED
    verdict = offer(statement(Conserved(quantity, flow), now), derivation(*steps))
    assert verdict.status == UNDECIDED and "identically, or along the same flow" in verdict.reason


def test_at_start_is_not_an_identity():
    assumed = AtStart(BALANCED, PLAIN)
    for rule, data in (("combination", (BALANCED, Use(0, constant(1), (), ()))), ("stays", ()), ("replace", ())):
        steps = (("assumption", (), ("a0",)), (rule, (0,), data))
        assert offer(statement(BALANCED, assumed), derivation(*steps)).status == UNDECIDED
    assert offer(statement(BALANCED, assumed), derivation(("assumption", (), ("a0",)))).status == UNDECIDED


# -- the determinant --------------------------------------------------------------------------------------------------


CHAIN = matrix_chain(naive.MATRIX)


def test_the_determinant_rules_need_the_plain_flow_all_premises_and_no_more():
    from theorytest.kernel.rules import inverse_hypotheses

    square, depth = SameSize("d_out", "d_in"), AtLeast("L", 2)
    power = Always(gram_power(CHAIN), CHAIN.flow)
    bare = gram_power(CHAIN)
    faster = Flow(naive.MATRIX, CHAIN.flow.focus, speeds=(("W[first]", Fraction(2)),))
    premises: list[tuple[Claim, ...]] = [
        (),
        (power, square),
        (bare, square, depth),
        (Always(gram_power(CHAIN), faster), square, depth),
        (power, SameSize("d_in", "d_out"), depth),
        (power, square, AtLeast("L", 1)),
        (power, depth, square),
        (power, square, depth, bare),
    ]
    claim = DeterminantSignPreserved(CHAIN.flow)
    for given in premises:
        assumed = tuple(given)
        steps = [("assumption", (), (f"a{k}",)) for k in range(len(assumed))]
        last = ("log-determinant-bounded", tuple(range(len(assumed))), (naive.MATRIX, derivation()))
        verdict = offer(statement(claim, *assumed), derivation(*steps, last))
        assert verdict.status == UNDECIDED
    assert inverse_hypotheses(CHAIN)[0].name not in {DELTA}


def test_extra_premises_of_the_bounded_rule_are_refused():
    """What is assumed of one time cannot bound a rate at all times."""
    from theorytest.kernel.rules import Context

    extra = Identity(v["i"], w["i"])
    premises = (Always(gram_power(CHAIN), CHAIN.flow), SameSize("d_out", "d_in"), AtLeast("L", 2), extra)
    context = Context(statement(extra), {})
    with pytest.raises(KernelError, match="needs 3 premises"):
        RULES["log-determinant-bounded"](context, premises, (naive.MATRIX, derivation()))


def test_balance_as_a_bare_assumption_or_along_another_flow_starts_no_induction():
    template = Identity(chain_letters(CHAIN)["First"]["a", "k"], chain_letters(CHAIN)["First"]["a", "k"])
    inner = derivation(("identity", (), (template.lhs, template.rhs)))
    claim = Always(Identity(CHAIN.first["a", "k"], CHAIN.first["a", "k"]), CHAIN.flow)
    for assumed, expected in (
        (Always(BALANCED, PLAIN), PROVED),
        (BALANCED, UNDECIDED),
        (AtStart(BALANCED, PLAIN), UNDECIDED),
        (Always(BALANCED, FASTER), UNDECIDED),
        (Always(Identity(BALANCED.rhs, BALANCED.lhs), PLAIN), UNDECIDED),
    ):
        steps = (
            ("assumption", (), ("a0",)),
            ("assumption", (), ("a1",)),
            ("balanced-chain", (0, 1), (naive.MATRIX, inner, inner, template)),
        )
        assert offer(statement(claim, assumed, AtLeast("L", 2)), derivation(*steps)).status == expected
        assert offer(statement(claim, assumed, AtLeast("L", 1)), derivation(*steps)).status == UNDECIDED


def test_letters_of_the_induction_do_not_leak():
    """A template in a letter of other sizes, or in the letters of a case, concludes nothing about the chain."""
    letters = chain_letters(CHAIN)
    odd = (
        Identity(letters["Second"]["a", "b"], zero(("a", "#1"), ("b", "#2"))),
        Identity(letters["Next"]["a", "b"], zero(("a", "#j"), ("b", "#j+1"))),
        Identity(Tensor("Partial", ("p", "q"))["a", "b"], Tensor("Partial", ("p", "q"))["a", "b"]),
        Identity(CHAIN.first["a", "b"], CHAIN.first["a", "b"]),
        Identity(letters["Partial"]["a", "b"], zero(("a", "d_out"), ("b", "#j"))),
        Identity((letters["First"]["a", "k"] * letters["First"]["b", "k"]).sum("k"), identity("a", "b", "d_out")),
    )
    for template in odd:
        inner = derivation(("identity", (), (template.lhs, template.lhs)))
        steps = (
            ("assumption", (), ("a0",)),
            ("assumption", (), ("a1",)),
            ("balanced-chain", (0, 1), (naive.MATRIX, inner, inner, template)),
        )
        claimed = statement(Always(template, CHAIN.flow), Always(BALANCED, PLAIN), AtLeast("L", 2))
        assert offer(claimed, derivation(*steps)).status == UNDECIDED


def test_the_letter_of_the_power_cannot_be_used_by_a_statement():
    """P^(L-2) is what the rule says it is: a statement in which the letter occurs could give it another meaning."""
    letters = chain_letters(CHAIN)
    template = Identity(letters["Power"]["a", "b"], letters["Power"]["a", "b"])
    inner = derivation(("identity", (), (template.lhs, template.rhs)))
    steps = (
        ("assumption", (), ("a0",)),
        ("assumption", (), ("a1",)),
        ("balanced-chain", (0, 1), (naive.MATRIX, inner, inner, template)),
    )
    claim = Always(Identity(CHAIN.power["a", "b"], CHAIN.power["a", "b"]), CHAIN.flow)
    verdict = offer(statement(claim, Always(BALANCED, PLAIN), AtLeast("L", 2)), derivation(*steps))
    assert verdict.status == UNDECIDED and "is taken" in verdict.reason


# -- combinations -----------------------------------------------------------------------------------------------------


def test_a_size_may_hide_in_what_is_declared_nonnegative():
    """0 <= |n| x does not say 0 <= x in a combination: the sum of ones is not a number of its own."""
    sized = (constant(1, ("k", "n")).sum("k")) * scalar_x
    claimed = statement(Inequality(zero(), "<=", scalar_x * scalar_x * scalar_x), Inequality(zero(), "<=", sized))
    square = Use(0, scalar_x, (), ())
    steps = (("assumption", (), ("a0",)), ("combination", (0,), (claimed.claim, square)))
    assert offer(claimed, derivation(*steps)).status == UNDECIDED


@pytest.mark.parametrize(
    ("declared", "accepted"),
    [
        (Inequality(zero(("i", "n")), "<=", v["i"]), True),
        (Inequality(zero(("i", "n")), "<", v["i"] * 2), True),
        (Inequality(zero(("i", "n")), "<=", v["i"] * -1), False),
        (Inequality(constant(-1, ("i", "n")), "<=", v["i"]), False),
        (Inequality(zero(), "<=", v["i"].sum("i")), False),
        (Inequality(zero(("i", "n"), ("j", "n")), "<=", v["i"] * v["j"]), False),
        (Inequality(zero(("i", "n")), "<=", v["i"] + w["i"]), False),
        (Identity(zero(("i", "n")), v["i"]), False),
        (Inequality(zero(("i", "n")), "<=", v["i"] * identity("i", "j", "n")), False),
        (Inequality(Number(Fraction(0)), "<=", Variable("v")), False),
    ],
)
def test_what_counts_as_nonnegative(declared, accepted):
    """0 <= w, times v, where v is declared nonnegative or not."""
    goal = Inequality(zero(("i", "n")), "<=", v["i"] * w["i"])
    claimed = statement(goal, Inequality(zero(("i", "n")), "<=", w["i"]), declared)
    steps = (
        ("assumption", (), ("a0",)),
        ("assumption", (), ("a1",)),
        ("combination", (0, 1), (goal, Use(0, v["i"], (), ()))),
    )
    assert offer(claimed, derivation(*steps)).status == (PROVED if accepted else UNDECIDED)


def test_a_diagonal_that_is_nonnegative_is_not_the_whole_matrix():
    S = Tensor("S", ("n", "n"))
    goal = Inequality(zero(("i", "n"), ("j", "n")), "<=", S["i", "j"] * w["i"])
    claimed = statement(
        goal, Inequality(zero(("i", "n")), "<=", w["i"]), Inequality(zero(("i", "n")), "<=", S["i", "i"])
    )
    steps = (
        ("assumption", (), ("a0",)),
        ("assumption", (), ("a1",)),
        ("combination", (0, 1), (goal, Use(0, S["i", "j"], (), ()))),
    )
    assert offer(claimed, derivation(*steps)).status == UNDECIDED


BAD_COMBINATIONS: dict[str, tuple[Claim, Claim, tuple[Any, ...]]] = {
    "negative multiplier": (
        Inequality(v["i"], "<=", w["i"]),
        Inequality(w["i"], "<=", v["i"]),
        (Use(0, constant(-1), (), ()),),
    ),
    "inequality for an identity": (
        Inequality(v["i"], "<=", w["i"]),
        Identity(v["i"], w["i"]),
        (Use(0, constant(1), (), ()),),
    ),
    "square for an identity": (
        Identity(v["i"], w["i"]),
        Identity(zero(), scalar_x * scalar_x),
        (Square(scalar_x, ()),),
    ),
    "strict": (Inequality(v["i"], "<", w["i"]), Inequality(v["i"], "<", w["i"]), (Use(0, constant(1), (), ()),)),
    "premise -1": (Identity(v["i"], w["i"]), Identity(v["i"], w["i"]), (Use(-1, constant(1), (), ()),)),
    "premise 1": (Identity(v["i"], w["i"]), Identity(v["i"], w["i"]), (Use(1, constant(1), (), ()),)),
    "another index": (Identity(v["i"], w["i"]), Identity(v["i"], w["j"]), (Use(0, constant(1), (), ()),)),
    "odd thing": (Identity(v["i"], w["i"]), Identity(v["i"], w["i"]), ("a0",)),
    "no goal": (Identity(v["i"], w["i"]), AtLeast("n", 1), ()),
    "wrong sign of a square": (
        Identity(v["i"], w["i"]),
        Inequality(scalar_x * scalar_x, "<=", zero()),
        (Square(scalar_x, ()),),
    ),
    "a premise of another kind": (AtLeast("n", 1), Identity(v["i"], w["i"]), (Use(0, constant(1), (), ()),)),
    "scalars": (
        Identity(Variable("v"), Variable("w")),
        Identity(Variable("v"), Variable("w")),
        (Use(0, constant(1), (), ()),),
    ),
}


@pytest.mark.parametrize("name", BAD_COMBINATIONS)
def test_bad_combinations(name):
    premise, goal, uses = BAD_COMBINATIONS[name]
    steps = (("assumption", (), ("a0",)), ("combination", (0,), (goal, *uses)))
    assert offer(statement(goal, premise), derivation(*steps)).status == UNDECIDED


# -- derivations of a bad form ----------------------------------------------------------------------------------------

TRUE = Identity((v["i"] * w["i"]).sum("i"), (w["j"] * v["j"]).sum("j"))
BY_NORMAL_FORM = ("identity", (), (TRUE.lhs, TRUE.rhs))


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (("no such rule", (), ()),),
        (("identity", (-1,), (TRUE.lhs, TRUE.rhs)),),
        (("identity", (0,), (TRUE.lhs, TRUE.rhs)),),
        (BY_NORMAL_FORM, ("identity", (0,), (TRUE.lhs, TRUE.rhs))),
        (("identity", (), (TRUE.lhs,)),),
        (("identity", (), ("x", "y")),),
        (("identity", (), ()),),
        (("assumption", (), ("a7",)),),
        (("assumption", (), ()),),
        (("statement", (), ("0" * 64,)),),
        (("combination", (), ()),),
        (("balanced-chain", (), ()),),
        (("balanced-chain", (0, 0), ()),),
        (BY_NORMAL_FORM, ("balanced-chain", (0, 0), ())),
        (BY_NORMAL_FORM, ("balanced-chain", (0, 0), (naive.MATRIX, derivation(), derivation()))),
        (BY_NORMAL_FORM, ("balanced-chain", (0, 0), (naive.MATRIX, derivation(), derivation(), TRUE))),
        (BY_NORMAL_FORM, ("balanced-chain", (0, 0), (naive.MATRIX, "x", derivation(), TRUE))),
        (BY_NORMAL_FORM, ("balanced-chain", (0, 0), ("x", derivation(), derivation(), TRUE))),
        (BY_NORMAL_FORM, ("zero-derivative", (0,), ())),
        (BY_NORMAL_FORM, ("stays", (0, 0), ())),
        (BY_NORMAL_FORM, ("replace", (0, 0), ())),
        (BY_NORMAL_FORM, ("both", (0,), ("x",))),
        (BY_NORMAL_FORM, ("both", (0,), ())),
        (("spectral-norm", (), (v,)),),
        (("rate", (), (v["i"], PLAIN)),),
        (("change", (), (v["i"], Descent(PLAIN))),),
        (("slice-truncation", (), (SliceTruncation(), derivation())),),
        (("log-determinant-bounded", (), (naive.CP, derivation())),),
        (("log-determinant-rate", (), (naive.MATRIX, derivation(), zero())),),
        (("cut", (), ()),),
        (("discharge", (), ()),),
    ],
)
def test_derivations_of_a_bad_form_prove_nothing(steps):
    assert offer(statement(TRUE), derivation(*steps)).status == UNDECIDED


def test_the_true_statement_is_proved():
    assert offer(statement(TRUE), derivation(BY_NORMAL_FORM)).status == PROVED


def test_a_library_statement_needs_its_assumptions():
    cited = statement(Identity(v["i"], w["i"]), Identity(v["i"] * 2, w["i"] * 2), label="cited")
    use = (("statement", (), (cited.digest,)),)
    verdict = offer(statement(cited.claim), derivation(*use), cited)
    assert verdict.status == UNDECIDED and "which is not among the premises" in verdict.reason
    other = statement(cited.claim, Identity(v["i"] * 3, w["i"] * 3))
    steps = (("assumption", (), ("a0",)), ("statement", (0,), (cited.digest,)))
    assert offer(other, derivation(*steps), cited).status == UNDECIDED
    same = statement(cited.claim, cited.assumptions[0].formula)
    verdict = offer(same, derivation(*steps), cited)
    assert verdict.status == PROVED
    assert [(r.what, r.ref) for r in verdict.rests_on] == [
        ("kernel", "theorytest.kernel"),
        ("rule", "assumption"),
        ("rule", "statement"),
        ("statement", "cited"),
    ]
    assert verdict.vacuity == "vacuity not excluded"


def test_hypotheses_of_a_case_do_not_leak():
    """Inside an inner derivation there are no assumptions, and its hypotheses are not results of the outer one."""
    mode = OneMode()
    inner = derivation(("assumption", (), ("a0",)))
    steps = (("slice-truncation", (), (SliceTruncation(), inner)),)
    verdict = offer(statement(SliceTruncation(), mode.goals()[0]), derivation(*steps))
    assert verdict.status == UNDECIDED and "has no assumption" in verdict.reason
    assert offer(statement(mode.hypotheses()[1]), derivation(("both", (0,), ()))).status == UNDECIDED


@pytest.mark.parametrize("size", ["R[~]", "d[n]", "#j", "1"])
def test_sizes_typed_by_hand_are_only_names(size):
    """A letter with a size that a grouping uses fits that leg and nothing more: it has no velocity."""
    odd = Tensor("w[~]", ("R", size))
    flow = Flow(naive.CP, Focus(("n",)))
    quantity = (odd["r", "i"] * odd["r", "i"]).sum("i")
    for rule in ("rate", "change"):
        motion = flow if rule == "rate" else Descent(flow)
        verdict = offer(
            statement(Conserved(quantity, motion)),
            derivation((rule, (), (quantity, motion)), ("zero-derivative", (0,), ())),
        )
        assert verdict.status == UNDECIDED


def test_groups_do_not_stand_still():
    """A quantity of the grouped members has an unknown derivative, not 0."""
    flow = Flow(naive.CP, Focus(("n",)))
    group = naive.CP.focus(flow.focus).tensors()["w[~]"]
    quantity = (group["r", "q"] * group["r", "q"]).sum("q")
    steps = (("rate", (), (quantity, flow)), ("zero-derivative", (0,), ()))
    verdict = offer(statement(Conserved(quantity, flow)), derivation(*steps))
    assert verdict.status == UNDECIDED and "no velocity" in verdict.reason
    momentum = Tensor("η", ())() * 1
    step = Descent(flow, "momentum")
    assert (
        offer(
            statement(Conserved(momentum, step)),
            derivation(("change", (), (momentum, step)), ("zero-derivative", (0,), ())),
        ).status
        == UNDECIDED
    )


def test_speeds_are_given_once_and_for_named_blocks():
    with pytest.raises(KernelError, match="two speeds"):
        Flow(naive.CP, Focus(("n",)), speeds=(("w[n]", ONE), ("w[n]", ONE * 2)))
    with pytest.raises(KernelError, match="speeds are given"):
        Flow(naive.CP, Focus(("n",)), speeds=(("w[~]", ONE),)).velocities()


# -- bogus witnesses: a true statement is not refuted -----------------------------------------------------------------


def start(depth: int, *layers: Array, **more: Any) -> Instance:
    given: dict[str, Any] = {
        "sizes": (("L", depth), ("d_out", 2), ("d_in", 2), ("h", (2,) * (depth - 1))),
        "members": (("/first", depth), ("/l+1", 2), ("/l", 1)),
        "blocks": tuple((f"W[{depth - place}]", layer) for place, layer in enumerate(layers)),
        "gradient": matrix((0, 0), (0, -1)),
    }
    return Instance(**(given | more))


UNIT, SINGULAR = matrix((1, 0), (0, 1)), matrix((1, 0), (0, 0))


def refused(claimed: Statement, instance: Instance, *data: Any) -> str:
    verdict = offer(claimed, Witness(instance, data))
    assert verdict.status == UNDECIDED, verdict
    return verdict.reason


def test_a_witness_has_to_meet_assumptions_that_are_stated_together():
    """The check that an earlier start meets them looked at single assumptions only: `All` of them passed by."""
    other = Identity(BALANCED.lhs, BALANCED.lhs * 2 - BALANCED.rhs)  # type: ignore[operator]
    sign = DeterminantSignPreserved(CHAIN.flow)
    not_conserved = Flow(naive.MATRIX, Focus((), (Link(("l",)),)))
    layer = naive.MATRIX.letters(not_conserved.focus)["W[l]"]
    still = AtStart(Identity((layer["a", "b"] * layer["a", "b"]).sum("a", "b"), constant(3)), not_conserved)
    three = matrix((1, 1), (1, 0)), matrix((1, 1), (0, 1))
    for assumed in (still, All((still,)), All((All((still,)),))):
        reason = refused(
            statement(sign, assumed),
            start(2, matrix((1, 1), (1, 0)), matrix((1, 1), (1, 0)), gradient=matrix((1, 0), (0, 0))),
        )
        assert "not conserved" in reason or "no crossing" in reason or "does not meet" in reason
    # W_2 = I, W_1 = diag(1, 0) crosses; ||W_1||^2 = 1 and ||W_2||^2 = 2 are not both 1, but one of two can be named.
    first = Flow(naive.MATRIX, CHAIN.flow.focus)
    own = naive.MATRIX.letters(first.focus)["W[first]"]
    two = AtStart(Identity((own["a", "b"] * own["a", "b"]).sum("a", "b"), constant(2)), first)
    for assumed in (two, All((two,))):
        reason = refused(statement(sign, assumed), start(2, UNIT, SINGULAR))
        assert "not conserved" in reason
    assert offer(statement(sign), Witness(start(2, UNIT, SINGULAR))).status == REFUTED
    assert three and other


def test_what_is_conserved_by_another_flow_does_not_excuse_an_earlier_start():
    """2 tr X^T X - tr Y Y^T is conserved where Y moves twice as fast, not along the plain flow of the claim."""
    sign = DeterminantSignPreserved(CHAIN.flow)
    lhs, rhs = ((side.rename({"j": "i"})).sum("i") for side in (BALANCED.lhs, BALANCED.rhs))  # type: ignore[union-attr]
    assumed = AtStart(Identity(lhs * 2, rhs + constant(3)), FASTER)
    assert (lhs * 2 - rhs).along(FASTER.velocities()).is_zero
    reason = refused(statement(sign, assumed), start(2, UNIT, SINGULAR))
    assert "not conserved" in reason
    renamed = dataclasses.replace(naive.MATRIX, scope="the same, in other words")
    elsewhere = AtStart(Identity(lhs - rhs, constant(1)), Flow(renamed, ADJACENT))
    assert "another parameterization" in refused(statement(sign, elsewhere), start(2, UNIT, SINGULAR))
    here = AtStart(Identity(lhs - rhs, constant(1)), PLAIN)
    assert offer(statement(sign, here), Witness(start(2, UNIT, SINGULAR))).status == REFUTED
    below = AtStart(Inequality(rhs, "<=", lhs), PLAIN)
    assert "only identities" in refused(statement(sign, below), start(2, UNIT, SINGULAR))


def test_balance_assumed_of_letters_cannot_be_met_by_letters_of_the_witness():
    """The letters W[l+1], W[l] that the witness gave were balanced; its layers were not."""
    sign = DeterminantSignPreserved(CHAIN.flow)
    letters = (("W[l+1]", UNIT), ("W[l]", UNIT))
    instance = start(2, UNIT, SINGULAR, letters=letters)
    refused(statement(sign, BALANCED), instance)
    refused(statement(All((sign,)), BALANCED), instance)
    refused(statement(Conserved(TRACE * TRACE, PLAIN), BALANCED), instance)


def test_a_witness_gives_no_letter_that_the_model_computes():
    """The depth L in a rate was the witness's to choose; so were letters of the model under another member."""
    depth = Tensor("L", ())()
    flow = Flow(naive.MATRIX, Focus((), (Link(("l",)),)))
    layer = naive.MATRIX.letters(flow.focus)["W[l]"]
    quantity = (layer["a", "b"] * layer["a", "b"]).sum("a", "b")
    rate = quantity.along(flow.velocities())
    two = statement(Rate(quantity, rate * depth * Fraction(1, 2), flow), Identity(depth, constant(2)))
    for instance in (
        start(2, UNIT, UNIT, members=(("/l", 1),), variables=(("L", Fraction(7)),)),
        start(2, UNIT, UNIT, members=(("/l", 1),), letters=(("L", number(7)),)),
        start(2, UNIT, UNIT, members=(("/l", 1),), letters=(("W[l]", SINGULAR),)),
        start(2, UNIT, UNIT, members=(("/l", 1),), letters=(("∇L", SINGULAR),)),
    ):
        assert "from the model" in refused(two, instance)
    assert "holds at this instance" in refused(two, start(2, UNIT, UNIT, members=(("/l", 1),)))
    assert "does not meet" in refused(two, start(3, UNIT, UNIT, UNIT, members=(("/l", 1),)))


def test_one_letter_has_one_value():
    """η as a letter was used in the step, η as a variable in the assumption about it."""
    flow = Flow(naive.CP, Focus(("n",)))
    block = naive.CP.letters(flow.focus)["w[n]"]
    quantity = (block["r", "i"] * block["r", "i"]).sum("i")
    claimed = statement(Conserved(quantity, Descent(flow)), Inequality(Variable("η"), "<=", Number(ONE)))
    instance = Instance(
        (("N", 1), ("d", (1,)), ("R", 1)),
        (("n", 1),),
        (("w[1]", matrix((1,))),),
        Array((1,), (ONE,)),
        letters=(("η", number(5)),),
        variables=(("η", ONE),),
    )
    assert "two values" in refused(claimed, instance)
    twice = dataclasses.replace(instance, letters=(), variables=(("η", ONE * 9), ("η", ONE)))
    assert "two values" in refused(claimed, twice)


def test_sizes_are_those_of_the_letters():
    """m = n was met by sizes typed by hand, while the letters had sizes 2 and 3."""
    m, n = (constant(1, ("k", size)).sum("k") for size in "mn")
    p, q = Tensor("p", ("m",)), Tensor("q", ("n",))
    claimed = statement(Identity(m * p["i"] * q["j"], n * p["i"] * q["j"]), SameSize("m", "n"))
    letters = (("p", Array((2,), (ONE, ONE))), ("q", Array((3,), (ONE, ONE, ONE))))
    assert "would be both" in refused(claimed, Instance(sizes=(("m", 2), ("n", 2)), letters=letters))
    free = statement(claimed.claim)
    assert offer(free, Witness(Instance(letters=letters))).status == REFUTED


def test_a_size_is_at_least_one():
    """1 <= |n| fails at size 0 only."""
    with pytest.raises(KernelError):
        Array((0,), ())
    claimed = statement(Inequality(constant(1, ("i", "n")), "<=", constant(1, ("i", "n"), ("k", "n")).sum("k")))
    for size in (0, -1):
        refused(claimed, Instance(sizes=(("n", size),)))


def test_a_claim_that_speaks_of_several_things_reads_its_letters_in_each():
    """A part without a model read letters that no assumption had been checked at."""
    flow = Flow(naive.CP, Focus(("n",)))
    block = naive.CP.letters(flow.focus)["w[n]"]
    square = block["r", "i"] * block["r", "i"]
    rate = Rate(square, square.along(flow.velocities()), flow)
    zero_now = Identity(block["r", "i"], zero(("r", "R"), ("i", "d[n]")))
    claimed = statement(All((rate, Identity(square, zero(*square.free)))), zero_now)
    instance = Instance(
        (("N", 1), ("d", (1,)), ("R", 1)), (("n", 1),), (("w[1]", matrix((0,))),), Array((1,), (ONE,)), letters=()
    )
    by_hand = dataclasses.replace(instance, letters=(("w[n]", matrix((5,))),))
    refused(claimed, instance)
    refused(claimed, by_hand)
    assert offer(statement(claimed.claim), Witness(Instance(letters=(("w[n]", matrix((5,))),)))).status == UNDECIDED


def test_a_change_and_a_quantity_with_other_indices_are_compared_index_by_index():
    """The change of q[j] (the same for every i) was compared with c[j] (the same for every k) in the order of the
    entries: (i, j) against (j, k)."""
    flow = Flow(naive.CP, Focus(("n",)))
    block = naive.CP.letters(flow.focus)["w[n]"]
    norms = (block["r", "i"] * block["r", "i"]).sum("i")
    quantity = norms.rename({"r": "b"}) + zero(("a", "R"))
    exact = Descent(flow).after(norms.rename({"r": "b"})) - norms.rename({"r": "b"})
    claim = Change(quantity, exact + zero(("c", "R")), Descent(flow))
    random = Random(1)
    sizes = {"N": 2, "d": (2, 1), "R": 2}
    blocks = tuple(
        (n, naive.array(b, naive.shapes("cp", sizes)[n])) for n, b in naive.random_blocks("cp", sizes, random).items()
    )
    instance = Instance(
        tuple(sizes.items()), (("n", 1),), blocks, Array((2, 1), (ONE, ONE * 3)), variables=(("η", ONE),)
    )
    assert "holds at this instance" in refused(statement(claim), instance)
    false = Change(quantity, exact * 2 + zero(("c", "R")), Descent(flow))
    assert offer(statement(false), Witness(instance)).status == REFUTED


def test_velocities_of_a_block_with_more_than_ten_legs():
    """v10 is sorted before v2: the step was added to the wrong entries of a core with eleven named modes."""
    names = tuple("abcdefghijk")
    flow = Flow(naive.TUCKER, Focus(names))
    core = naive.TUCKER.letters(flow.focus)["G"]
    legs = tuple(f"r{k:02}" for k in range(len(core.sizes)))
    quantity = (core[legs] * core[legs]).sum(*legs)
    exact = Descent(flow).after(quantity) - quantity
    count = len(names)
    ranks = tuple(2 if k in (2, 10) else 1 for k in range(count))
    blocks = {"G": {at: Fraction(1 + at[2] + 3 * at[10]) for at in product(*map(range, ranks))}}
    blocks |= {f"V[{n}]": {(r, 0): Fraction(1 + r * n) for r in range(ranks[n - 1])} for n in range(1, count + 1)}
    arrays = tuple((n, naive.array(b, ranks if n == "G" else (len(b), 1))) for n, b in blocks.items())
    instance = Instance(
        (("N", count), ("d", (1,) * count), ("R", ranks)),
        tuple((name, k + 1) for k, name in enumerate(names)),
        arrays,
        Array((1,) * count, (ONE,)),
        variables=(("η", ONE),),
    )
    assert "holds at this instance" in refused(statement(Change(quantity, exact, Descent(flow))), instance)


def test_there_has_to_be_something_to_speak_of():
    """One layer has no adjacent pair; a claim about pairs is empty there, and cannot fail."""
    claimed = statement(Conserved(TRACE, FASTER))
    assert "no members" in refused(claimed, start(1, UNIT))
    assert "no members" in refused(statement(All((claimed.claim,))), start(1, UNIT))


# -- forged certificates ----------------------------------------------------------------------------------------------


def lemma() -> tuple[Statement, Derivation]:
    flow = Flow(naive.CP, Focus(("n", "m")))
    one, other = naive.CP.letters(flow.focus).values()
    quantity = (one["r", "i"] * one["r", "i"]).sum("i") - (other["r", "i"] * other["r", "i"]).sum("i")
    return statement(Conserved(quantity, flow)), derivation(
        ("rate", (), (quantity, flow)), ("zero-derivative", (0,), ())
    )


def refutation() -> tuple[Statement, Witness]:
    return statement(Identity(v["i"], w["i"])), Witness(
        Instance(letters=(("v", Array((1,), (ONE,))), ("w", Array((1,), (ONE * 2,)))))
    )


def contradiction() -> tuple[Statement, Derivation]:
    assumed = Inequality(scalar_x, "<", constant(0))
    claimed = statement(
        Inequality(constant(0), "<=", scalar_x), assumed, example=Instance(letters=(("x", number(-1)),))
    )
    return claimed, derivation(("assumption", (), ("a0",)))


def certified() -> tuple[Statement, Instances]:
    letters = (("G", matrix((1, 0), (0, 1))), ("V[1]", UNIT), ("V[2]", UNIT))
    return statement(SliceTruncation()), Instances((Instance(letters=letters, variables=(("ε", ONE * 2),)),))


GENUINE: dict[str, tuple[Callable[[], tuple[Statement, Any]], str]] = {
    "derivation": (lemma, PROVED),
    "witness": (refutation, REFUTED),
    "contradiction": (contradiction, REFUTED),
    "instances": (certified, CERTIFIED),
}


@pytest.mark.parametrize("kind", GENUINE)
def test_genuine_certificates_are_accepted(kind):
    make, status = GENUINE[kind]
    claimed, payload = make()
    certificate = Certificate(kind, claimed.digest, payload, "me")
    assert check(claimed, certificate, {}).status == status
    assert check(claimed, decode(encode(certificate)), {}).status == status
    assert check(decode(encode(claimed)), certificate, {}).status == status


@pytest.mark.parametrize("kind", GENUINE)
def test_certificates_of_another_statement_or_kind_are_rejected(kind):
    make, _ = GENUINE[kind]
    claimed, payload = make()
    other = dataclasses.replace(claimed, scope="another")
    verdict = check(claimed, Certificate(kind, other.digest, payload, "me"), {})
    assert verdict.status == UNDECIDED and "another statement" in verdict.reason
    for wrong in {"derivation", "witness", "contradiction", "instances", "", "oracle"} - {kind}:
        assert check(claimed, Certificate(wrong, claimed.digest, payload, "me"), {}).status == UNDECIDED


def mutations(value: Any) -> Iterator[Any]:
    """Every encoding that differs in one number, name, order or length."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (value | {key: changed} for changed in mutations(item) if key != "is")
        if set(value) == {"q"}:
            yield {"q": str(Fraction(value["q"]) + 1)}
            yield {"q": str(-Fraction(value["q"]) - 2)}
    elif isinstance(value, list):
        for k, item in enumerate(value):
            yield from ([*value[:k], changed, *value[k + 1 :]] for changed in mutations(item))
            yield [*value[:k], *value[k + 1 :]]
        for k in range(len(value) - 1):
            if value[k] != value[k + 1]:
                yield [*value[:k], value[k + 1], value[k], *value[k + 2 :]]
    elif isinstance(value, bool) or value is None:
        yield "x"
    elif isinstance(value, int):
        yield from (value + 1, -1, value + 0.5)
    elif isinstance(value, str):
        yield value + "'"
        yield 7


@pytest.mark.parametrize("kind", ["derivation", "contradiction"])
def test_forged_derivations_prove_nothing_else(kind):
    """Whatever is changed in a derivation, the kernel rejects it, or it still shows the very same claim."""
    make, status = GENUINE[kind]
    claimed, payload = make()
    accepted = total = 0
    for forged in mutations(encode(payload)):
        total += 1
        try:
            verdict = check(claimed, Certificate(kind, claimed.digest, decode(forged), "me"), {})
        except KernelError:
            continue
        if verdict.status != UNDECIDED:
            # Only the text of a step (for readers) is free.
            assert verdict.status == status
            accepted += 1
    steps = len(payload.steps)
    assert accepted <= 2 * steps
    assert total > 5


@pytest.mark.parametrize("kind", GENUINE)
def test_a_certificate_does_not_carry_over_to_a_changed_statement(kind):
    """One number, index, sign or factor of the claim or of an assumption is changed, and the certificate signed anew:
    it is rejected, or the changed statement is as true (or as false) as the old one by evaluation."""
    make, status = GENUINE[kind]
    claimed, payload = make()
    kept: list[Statement] = []
    total = 0
    base = encode(claimed)
    for field in ("claim", "assumptions"):
        for changed in mutations(base[field]):
            try:
                forged = decode(base | {field: changed})
                verdict = check(forged, Certificate(kind, forged.digest, payload, "me"), {})
            except KernelError:
                continue
            total += 1
            if verdict.status != UNDECIDED:
                assert verdict.status == status
                kept.append(forged)
    assert total
    for forged in kept:
        if kind == "derivation":
            # Labels and words of an assumption may change; the claim may not.
            assert forged.claim == claimed.claim
        elif kind == "witness":
            # Still false at the witness.
            value = forged.claim
            assert isinstance(value, Identity) and value != TRUE
        elif kind == "contradiction":
            old: Any = claimed.claim
            assert forged.claim in (old, Inequality(old.lhs, "<", old.rhs))
        else:
            assert isinstance(forged.claim, SliceTruncation)


def test_forged_witnesses():
    claimed, payload = refutation()
    letters = payload.instance.letters
    for forged in (
        Witness(Instance()),
        Witness(Instance(letters=letters[:1])),
        Witness(Instance(letters=(letters[0], ("w", letters[0][1])))),
        Witness(Instance(letters=(letters[0], ("w", Array((2,), (ONE, ONE)))))),
        Witness(Instance(letters=(letters[0], ("w", number(2))))),
        Witness(Instance(letters=(letters[0], ("w", Array((1,), (2.5,)))))),  # type: ignore[arg-type]
    ):
        try:
            verdict = offer(claimed, forged)
        except KernelError:
            continue
        assert verdict.status == UNDECIDED


def test_forged_instances():
    claimed, payload = certified()
    (instance,) = payload.instances
    for forged in (
        Instances(()),
        Instances((dataclasses.replace(instance, variables=()),)),
        Instances((dataclasses.replace(instance, variables=(("ε", ONE * 0),)),)),
        Instances((dataclasses.replace(instance, letters=instance.letters[1:]),)),
        Instances((instance, dataclasses.replace(instance, letters=()))),
        Instances((instance, instance)),
    ):
        assert offer(claimed, forged).status == UNDECIDED
    other = statement(TRUE)
    assert "cannot be certified" in offer(other, payload).reason
    assumed = statement(SliceTruncation(), Inequality(Variable("ε"), "<=", Number(ONE)))
    assert "does not meet" in offer(assumed, payload).reason


def test_a_contradiction_needs_an_example():
    claimed, payload = contradiction()
    without = dataclasses.replace(claimed, example=None)
    verdict = offer(without, payload, kind="contradiction")
    assert verdict.status == UNDECIDED and "only where an example" in verdict.reason
    bad = dataclasses.replace(claimed, example=Instance(letters=(("x", number(1)),)))
    assert "does not meet" in offer(bad, payload, kind="contradiction").reason
    agrees = dataclasses.replace(claimed, claim=Inequality(scalar_x, "<=", constant(0)))
    assert "does not contradict" in offer(agrees, payload, kind="contradiction").reason
    both = dataclasses.replace(claimed, claim=All((agrees.claim, claimed.claim)))
    assert offer(both, payload, kind="contradiction").status == REFUTED
    double = derivation(("assumption", (), ("a0",)), ("both", (0, 0), ()))
    assert offer(claimed, double, kind="contradiction").status == REFUTED
    unassumed = statement(Inequality(constant(0), "<", constant(0)))
    shown = derivation(("identity", (), (constant(0), constant(0))))
    verdict = offer(unassumed, shown, kind="contradiction")
    assert verdict.status == REFUTED and verdict.counterexample is None


def test_numbers_that_are_not_exact_are_rejected():
    claimed = statement(Rate(scalar_x, scalar_x, Flow(naive.CP, Focus(), decay=0.5)))  # type: ignore[arg-type]
    with pytest.raises(KernelError, match="not exact data"):
        _ = claimed.digest
    whole = statement(AtLeast("n", True))
    verdict = check(whole, Certificate("derivation", whole.digest, derivation(), "me"), {})
    assert verdict.status == UNDECIDED and "AtLeast.number holds True" in verdict.reason


def test_spectral_norms():
    matrix_of, norm = Tensor("V", ("d", "R")), Tensor("s", ())
    premise = SpectralNorm(matrix_of, norm)
    for tensor in (Tensor("T", ("R",)), Tensor("T", ("d", "q")), Tensor("T", ("R", "q", "q"))):
        steps = (("assumption", (), ("a0",)), ("spectral-norm", (0,), (tensor,)))
        assert offer(statement(TRUE, premise), derivation(*steps)).status == UNDECIDED
    for odd in (SpectralNorm(Tensor("V", ("R",)), norm), SpectralNorm(matrix_of, Tensor("s", ("R",)))):
        steps = (("assumption", (), ("a0",)), ("spectral-norm", (0,), (Tensor("T", ("R", "q")),)))
        assert offer(statement(TRUE, odd), derivation(*steps)).status == UNDECIDED


@pytest.mark.parametrize(
    "changes",
    [
        {"factor": Fraction(2)},
        {"factor": Fraction(-1)},
        {"factor": Fraction(1001, 1000)},
        {"dimension": 0},
        {"order": 0},
        {"dimension": -1},
        {"norm": "nuclear"},
    ],
)
def test_thresholds_that_keep_too_little(changes):
    claim = dataclasses.replace(SliceTruncation(), **changes)
    verdict = offer(statement(claim), derivation(("slice-truncation", (), (claim, derivation()))))
    assert verdict.status == UNDECIDED and "does not show" not in verdict.reason


def test_a_rate_of_the_logarithm_does_not_speak_of_the_inverse():
    from theorytest.kernel.rules import Context, inverse_hypotheses

    inverse, _ = inverse_hypotheses(CHAIN)
    premises = (Always(gram_power(CHAIN), CHAIN.flow), SameSize("d_out", "d_in"), AtLeast("L", 2))
    for letter in (inverse, CHAIN.power):
        term = letter["a", "a"].sum("a")
        context = Context(statement(TRUE), {})
        with pytest.raises(KernelError, match="may not speak"):
            RULES["log-determinant-rate"](context, premises, (naive.MATRIX, derivation(), term))
        taken = Context(statement(LogDeterminantRate(term, CHAIN.flow)), {})
        with pytest.raises(KernelError, match="is taken"):
            RULES["log-determinant-rate"](taken, premises, (naive.MATRIX, derivation(), zero()))
    with pytest.raises(KernelError, match="does not show"):
        RULES["log-determinant-rate"](Context(statement(TRUE), {}), premises, (naive.MATRIX, derivation(), zero()))
