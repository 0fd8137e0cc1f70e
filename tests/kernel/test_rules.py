"""Rules one by one: what each concludes, from what, and what it refuses.

False claims near the true ones are in test_adversarial, attacks in test_forgery.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import naive
import pytest
from true_proofs import (
    ADJACENT,
    BALANCE,
    CHAIN,
    CP_FLOW,
    DRIFT,
    LEMMA_RATE,
    P2,
    Q2,
    TRUE,
    W_M,
    W_N,
    grams,
    norm,
    p,
    q,
    state,
)

from theorytest.derive.derivation import Derive
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
    Flow,
    Identity,
    Inequality,
    Rate,
    SameSize,
    SpectralNorm,
)
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Block, Chain, Parameterization, evaluate
from theorytest.kernel.rules import (
    RULES,
    Context,
    OneMode,
    Square,
    Use,
    chain_letters,
    conclude,
    count,
    gram_power,
    inverse_hypotheses,
    log_rate_goals,
    matrix_chain,
    nonnegative,
    only,
    resize,
    rule,
    take,
    tensor_names,
    terms,
)
from theorytest.kernel.scalar import Number
from theorytest.kernel.statement import PROVED, Certificate, Derivation, Instance, Step
from theorytest.kernel.terms import Tensor, constant, identity, zero
from theorytest.kernel.witness import assignments, letters_at

S = state("S", Identity(P2, P2), depth=AtLeast("n", 2))
EMPTY = Context(S, {})


def apply(name: str, *premises: Claim, data: tuple[Any, ...] = ()) -> Claim:
    return RULES[name](EMPTY, premises, data)


def test_logic():
    assert apply("assumption", data=("depth",)) == AtLeast("n", 2)
    assert apply("both", AtLeast("n", 2), SameSize("m", "n")) == All((AtLeast("n", 2), SameSize("m", "n")))
    with pytest.raises(KernelError, match="needs 0 premises"):
        apply("assumption", AtLeast("n", 2), data=("depth",))
    words = state("S", Identity(P2, P2))
    words = type(words)("S", "", words.claim, assumptions=(type(S.assumptions[0])("loss", "any"),))
    with pytest.raises(KernelError, match="has no formula"):
        RULES["assumption"](Context(words, {}), (), ("loss",))
    with pytest.raises(KernelError, match="two rules"):
        rule("both")(RULES["both"])


def test_small_helpers():
    assert take(("x", 1), str, int) == ("x", 1)
    with pytest.raises(KernelError, match="the data must be"):
        take(("x",), int)
    with pytest.raises(KernelError, match="must be Rate"):
        only(AtLeast("n", 2), Rate)
    with pytest.raises(KernelError, match="needs 2 premises"):
        count((), 2)
    with pytest.raises(KernelError, match="tensor terms"):
        terms(Identity(Number(Fraction(1)), P2))
    assert tensor_names((Identity(P2, Q2), ("x", 3), None)) == {"p", "q"}


def test_identities_and_rates():
    assert apply("identity", data=(P2 * Q2, Q2 * P2)) == Identity(P2 * Q2, Q2 * P2)
    with pytest.raises(KernelError, match="not 0"):
        apply("identity", data=(P2, Q2))
    quantity = norm(W_N)
    found = apply("rate", data=(quantity, CP_FLOW))
    assert isinstance(found, Rate) and found.rate == quantity.along(CP_FLOW.velocities())
    step = apply("change", data=(quantity, Descent(CP_FLOW)))
    assert isinstance(step, Change) and step.change == Descent(CP_FLOW).after(quantity) - quantity


def test_what_may_replace_a_rate():
    """Identically equal terms, and terms that are equal along the same flow."""
    same = Identity(LEMMA_RATE.rate, LEMMA_RATE.rate + zero())
    assert apply("replace", LEMMA_RATE, same) == LEMMA_RATE
    assert apply("replace", DRIFT, Identity(DRIFT.change, DRIFT.change)) == DRIFT
    other = P2 + zero(*LEMMA_RATE.rate.free)
    equal = Identity(LEMMA_RATE.rate, other)
    assert apply("replace", LEMMA_RATE, Always(equal, CP_FLOW)) == Rate(LEMMA_RATE.quantity, other, CP_FLOW)
    faster = Flow(naive.CP, CP_FLOW.focus, decay=Fraction(1))
    for premise in (equal, Always(equal, faster)):
        with pytest.raises(KernelError, match="identically, or along the same flow"):
            apply("replace", LEMMA_RATE, premise)
    with pytest.raises(KernelError, match="identically, or along"):
        apply("replace", DRIFT, Always(Identity(DRIFT.change, zero()), CP_FLOW))
    with pytest.raises(KernelError, match="must be the rate or the change"):
        apply("replace", LEMMA_RATE, Identity(P2, P2))
    with pytest.raises(KernelError, match="must be the rate or the change"):
        apply("replace", AtLeast("n", 2), Identity(P2, P2))
    with pytest.raises(KernelError, match="must be Identity"):
        apply("replace", LEMMA_RATE, Always(Inequality(P2, "<=", P2), CP_FLOW))


def test_what_does_not_change_is_conserved():
    still = Rate(P2, Q2 - Q2, CP_FLOW)
    assert apply("zero-derivative", still) == Conserved(P2, CP_FLOW)
    step = Change(P2, zero(), Descent(CP_FLOW))
    assert apply("zero-derivative", step) == Conserved(P2, Descent(CP_FLOW))
    for moving in (Rate(P2, Q2, CP_FLOW), Change(P2, Q2, Descent(CP_FLOW)), AtLeast("n", 2)):
        with pytest.raises(KernelError, match="must be 0"):
            apply("zero-derivative", moving)


def test_what_stays():
    equal = Identity(P2, Q2)
    law = Conserved(P2 - Q2, CP_FLOW)
    assert apply("stays", law, AtStart(equal, CP_FLOW)) == Always(equal, CP_FLOW)
    for first, second in (
        (Conserved(P2 + Q2, CP_FLOW), AtStart(equal, CP_FLOW)),
        (Conserved(Q2 - P2, CP_FLOW), AtStart(equal, CP_FLOW)),
        (Conserved(P2 - Q2, ADJACENT), AtStart(equal, CP_FLOW)),
        (Conserved(P2 - Q2, Descent(CP_FLOW)), AtStart(equal, CP_FLOW)),
        (law, AtStart(Inequality(P2, "<=", Q2), CP_FLOW)),
        (law, equal),
        (law, Always(equal, CP_FLOW)),
        (AtStart(equal, CP_FLOW), law),
    ):
        with pytest.raises(KernelError):
            apply("stays", first, second)


def test_combinations():
    """p = q gives p.p = q.p, p.p = q.q; 0 <= p.p as a square; sums, renamings and multipliers."""
    equal = Identity(p["i"], q["i"])
    goal = Identity(P2, Q2)
    uses = (Use(0, p["j"] * -1, (("i", "j"),), ("j",)), Use(0, q["i"] * -1, (), ("i",)))
    with pytest.raises(KernelError, match="what remains"):
        apply("combination", equal, data=(goal, *uses))
    uses = (Use(0, p["j"], (("i", "j"),), ("j",)), Use(0, q["i"], (), ("i",)))
    assert apply("combination", equal, data=(goal, *uses)) == goal
    square = Inequality(zero(), "<=", P2)
    assert apply("combination", data=(square, Square(p["i"], ("i",)))) == square
    less = Inequality(p["i"], "<", q["i"])
    total = Inequality(p["i"].sum("i"), "<=", q["i"].sum("i"))
    assert apply("combination", less, data=(total, Use(0, constant(1), (), ("i",)))) == total
    assert nonnegative(identity("i", "j", "n") * p["i"] * p["i"] * 2 + P2 * constant(3, ("k", "n")).sum("k"), ())
    assert not nonnegative(P2 - constant(1), ())
    assert not nonnegative(p["i"] * p["j"], ())


def test_sizes_can_be_renamed():
    term = (Tensor("A", ("m", "n"))["i", "j"] * Tensor("B", ("n", "m"))["j", "i"]).sum("j")
    swapped = resize(term, {"m": "n", "n": "m"})
    assert swapped == (Tensor("A", ("n", "m"))["i", "j"] * Tensor("B", ("m", "n"))["j", "i"]).sum("j")
    assert resize(constant(1, ("k", "n")).sum("k"), {"n": "m"}) == constant(1, ("k", "m")).sum("k")


def chained(**changes: Any) -> Parameterization:
    given: dict[str, Any] = {"index": "l", "count": "L", "body": Block("W", ("l",), ()), "left": "a", "right": "b"}
    given |= {"width": "h[l]", "descending": True} | changes
    output = (given["left"], given["right"])
    return Parameterization("chain", Chain(**given), output, tuple((leg, f"d_{leg}") for leg in sorted(output)), "")


@pytest.mark.parametrize(
    "model",
    [
        naive.CP,
        Parameterization("transposed", naive.MATRIX.body, ("b", "a"), naive.MATRIX.legs, ""),
        Parameterization("a row", naive.MATRIX.body, ("a",), naive.MATRIX.legs, ""),
        Parameterization(
            "batch",
            Chain("l", "L", Block("W", ("l",), ("r",)), "a", "b", "h[l]", True),
            ("a", "b"),
            (*naive.MATRIX.legs, ("r", "R")),
            "",
        ),
    ],
)
def test_plain_products_of_matrices_only(model):
    with pytest.raises(KernelError, match="not a plain product"):
        matrix_chain(model)


@pytest.mark.parametrize(
    "model",
    [naive.MATRIX, chained(descending=False), chained(left="b", right="a"), chained(body=Block("First", ("l",), ()))],
)
def test_the_grams_of_balanced_products_at_random_exact_instances(model):
    """W W^T = P P P^(L-2) for balanced layers of any depth, with the letters of the rule evaluated at an instance:
    diagonal layers with equal singular values, and rotations by Pythagorean angles between them."""
    chain = matrix_chain(model)
    body = model.body
    assert isinstance(body, Chain)
    rotation = [[Fraction(3, 5), Fraction(4, 5)], [Fraction(-4, 5), Fraction(3, 5)]]
    for depth in (2, 3, 4):
        spectrum = [Fraction(3), Fraction(1, 2)]
        layers: list[list[list[Fraction]]] = []
        turn = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
        for _ in range(depth):
            following = times(turn, rotation)
            layers.append(times(times(turn, [[spectrum[0], Fraction(0)], [Fraction(0), spectrum[1]]]), flip(following)))
            turn = following
        numbers = range(depth, 0, -1) if body.descending else range(1, depth + 1)
        blocks = {f"{body.body.name}[{n}]": array(layer) for n, layer in zip(numbers, layers, strict=True)}
        sizes = (("L", depth), *((size, 2) for _, size in model.legs), ("h", (2,) * depth))
        given = Instance(sizes, (), tuple(blocks.items()), array(turn))
        (members,) = assignments(chain.flow, given)
        values, dims = letters_at(chain.flow, given, members)
        gram = times(layers[0], flip(layers[0]))
        power = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
        for _ in range(depth - 2):
            power = times(power, gram)
        values[chain.power.name] = array(power)
        lhs, rhs = terms(gram_power(chain))
        assert evaluate(lhs, values, dims) == evaluate(rhs, values, dims)
        values[chain.power.name] = array(times(power, gram))
        assert evaluate(lhs, values, dims) != evaluate(rhs, values, dims)
        values[chain.power.name] = array(power)
        inverse, known = inverse_hypotheses(chain)
        (a, b), (c, d) = gram
        determinant = a * d - b * c
        values[inverse.name] = array([[d / determinant, -b / determinant], [-c / determinant, a / determinant]])
        for claim in (*known, *log_rate_goals(chain)):
            assert isinstance(claim, Identity)
            lhs, rhs = terms(claim)
            assert evaluate(lhs, values, dims) == evaluate(rhs + zero(*lhs.free), values, dims)


def times(left: list[list[Fraction]], right: list[list[Fraction]]) -> list[list[Fraction]]:
    return [[sum((left[i][k] * right[k][j] for k in range(2)), Fraction(0)) for j in range(2)] for i in range(2)]


def flip(given: list[list[Fraction]]) -> list[list[Fraction]]:
    return [[given[j][i] for j in range(2)] for i in range(2)]


def array(rows: list[list[Fraction]]) -> Array:
    return Array((2, 2), tuple(x for row in rows for x in row))


@pytest.mark.parametrize("model", [naive.MATRIX, chained(descending=False), chained(left="b", right="a")])
def test_the_induction_works_in_both_directions(model):
    """For products that run up or down, and whatever their legs are called."""
    chain = matrix_chain(model)
    first = chain_letters(chain)["First"]
    template = Identity(first["x", "y"], first["x", "y"])
    inner = Derivation((Step("identity", (), (template.lhs, template.rhs)),))
    from theorytest.kernel.parameterization import Focus, Link
    from theorytest.kernel.rules import balance

    order = ("l+1", "l") if chain.body.descending else ("l", "l+1")
    focus = Focus((), (Link(order, adjacent=True),))
    balanced = Always(balance(*model.letters(focus).values()), Flow(model, focus))
    found = apply("balanced-chain", balanced, AtLeast("L", 2), data=(model, inner, inner, template))
    assert found == Always(Identity(chain.first["x", "y"], chain.first["x", "y"]), chain.flow)
    two = apply("balanced-chain", balanced, AtLeast("L", 2), data=(model, inner, inner, template, template))
    assert two == All((found, found))
    other = Focus((), (Link(order[::-1], adjacent=True),))
    wrong = Always(balance(*model.letters(other).values()), Flow(model, other))
    with pytest.raises(KernelError, match="first premise"):
        apply("balanced-chain", wrong, AtLeast("L", 2), data=(model, inner, inner, template))


def test_an_induction_needs_its_case_and_its_step():
    """W W^T = P P^(L-2) (one factor P too few) fails in the case of two factors; with P^(L-1) too."""
    made, _ = TRUE["sign"]
    derive = Derive(made)
    fact = grams(derive)
    assert fact.claim == Always(gram_power(CHAIN), CHAIN.flow)
    last = derive.steps[-1]
    model, base, step, shifts, power = last.data
    short = Identity(power.lhs, shifts.rhs)
    premises = tuple(claim for claim in (Always(BALANCE, ADJACENT), AtLeast("L", 2)))
    for data in (
        (model, Derivation(()), step, shifts, power),
        (model, base, Derivation(()), shifts, power),
        (model, step, base, shifts, power),
        (model, base, step, power),
        (model, base, step, shifts, short),
        (model, Derivation(base.steps[1:]), step, shifts, power),
        (model, base, Derivation(step.steps[:-1]), shifts, power),
    ):
        with pytest.raises(KernelError):
            apply("balanced-chain", *premises, data=data)
    assert apply("balanced-chain", *premises, data=last.data) == fact.claim


def test_spectral_norms_bound_every_column():
    mode = OneMode()
    found = apply("spectral-norm", SpectralNorm(mode.matrix, mode.norm), data=(mode.core,))
    assert isinstance(found, Inequality) and found.relation == "<="
    random_values = {"V": Array((1, 2), (Fraction(3), Fraction(4))), "s": Array((), (Fraction(5),))}
    random_values["G"] = Array((2, 1), (Fraction(3), Fraction(4)))
    lhs, rhs = terms(found)
    sizes = {"d": 1, "R": 2, "q": 1}
    assert evaluate(lhs, random_values, sizes).entries == evaluate(rhs, random_values, sizes).entries == (625,)


def test_what_a_derivation_rests_on_includes_its_inner_derivations():
    cited = state("cited", Identity(P2, P2))
    inner = Derivation((Step("statement", (), (cited.digest,)), Step("both", (0,), ())))
    outer = Derivation((Step("slice-truncation", (), (TRUE["truncation"][0].claim, inner)),))
    with pytest.raises(KernelError, match="does not show all"):
        conclude(Context(S, {cited.digest: cited}), outer)
    made, build = TRUE["truncation"]
    derive = Derive(made)
    build(derive)
    (step,) = derive.steps
    claim, proof = step.data
    longer = Derivation((*proof.steps, Step("statement", (), (cited.digest,))))
    payload = Derivation((Step(step.rule, step.premises, (claim, longer)),))
    verdict = check(made, Certificate("derivation", made.digest, payload, "me"), {cited.digest: cited})
    assert verdict.status == PROVED
    assert {(r.what, r.ref) for r in verdict.rests_on} >= {("statement", "cited"), ("rule", "spectral-norm")}


def test_one_mode_needs_all_three_goals():
    made, build = TRUE["truncation"]
    derive = Derive(made)
    build(derive)
    claim, proof = derive.steps[0].data
    goals = OneMode().goals()
    for number, step in enumerate(proof.steps):
        if step.data[0] in goals:
            left_out = Derivation(tuple(s for k, s in enumerate(proof.steps) if k != number))
            with pytest.raises(KernelError, match="does not show all"):
                apply("slice-truncation", data=(claim, left_out))


def test_unbalanced_letters_are_not_typed_alike():
    """The balance of two blocks whose sizes do not fit is not a statement at all."""
    from theorytest.kernel.rules import balance

    odd = balance(Tensor("A", ("m", "n")), Tensor("B", ("m", "n")))
    with pytest.raises(KernelError, match="two sizes"):
        _ = odd.lhs - odd.rhs  # type: ignore[operator]
    assert W_M.sizes[0] == W_N.sizes[0]
