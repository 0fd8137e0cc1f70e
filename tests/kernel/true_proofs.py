"""True statements with their proofs, for tests that swap the one or break the other."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import naive

from theorytest.derive.derivation import Derive, Fact
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import (
    Always,
    AtLeast,
    AtStart,
    Change,
    Claim,
    Conserved,
    Descent,
    Determinant,
    DeterminantSignPreserved,
    EndMatrixRate,
    Entry,
    Exactly,
    Flow,
    Identity,
    Inequality,
    LogDeterminantRate,
    Rate,
    ReadAlways,
    ReadAtStart,
    Reading,
    SameSize,
    SingularValueRate,
    SliceTruncation,
)
from theorytest.kernel.parameterization import Focus, Link
from theorytest.kernel.product_flow import power_templates
from theorytest.kernel.rules import (
    OneMode,
    Square,
    Use,
    balance,
    chain_hypotheses,
    chain_letters,
    gradient_term,
    gram_power,
    inverse_hypotheses,
    log_rate_goals,
    matrix_chain,
)
from theorytest.kernel.scalar import Variable, scalar
from theorytest.kernel.statement import Assumption, Derivation, Statement
from theorytest.kernel.terms import Tensor, Term, constant, identity

Build = Callable[[Derive], Any]


def state(label: str, claim: Claim, **assumptions: Claim) -> Statement:
    return Statement(label, "", claim, assumptions=tuple(Assumption(n, "", f) for n, f in assumptions.items()))


def norm(block: Tensor, row: str = "r") -> Term:
    """Squared norm of everything in a block that belongs to index r of its first leg."""
    legs = (row, *(f"j{k}" for k in range(1, len(block.sizes))))
    return (block[legs] * block[legs]).sum(*legs[1:])


def whole(block: Tensor) -> Term:
    return norm(block).sum("r")


def pair(block: Tensor, one: str = "r", other: str = "s") -> Term:
    """The inner product of two rows."""
    rest = tuple(f"j{k}" for k in range(1, len(block.sizes)))
    return (block[(one, *rest)] * block[(other, *rest)]).sum(*rest)


# -- laws -------------------------------------------------------------------------------------------------------------

CP_FLOW = Flow(naive.CP, Focus(("n", "m")))
W_N, W_M = naive.CP.letters(CP_FLOW.focus).values()
ADJACENT = Flow(naive.MATRIX, Focus((), (Link(("l+1", "l"), adjacent=True),)))
LEFT, RIGHT = naive.MATRIX.letters(ADJACENT.focus).values()
BALANCE = balance(LEFT, RIGHT)
APART = Flow(naive.MATRIX, Focus((), (Link(("k", "l")),)))
FAR, NEAR = naive.MATRIX.letters(APART.focus).values()
TUCKER_FLOW = Flow(naive.TUCKER, Focus(("m",)))
CORE, V_M = naive.TUCKER.letters(TUCKER_FLOW.focus).values()
DEEP_FLOW = Flow(naive.DEEP_TUCKER, Focus(("m",), (Link(("i",), "m"),)))
DEEP = naive.DEEP_TUCKER.letters(DEEP_FLOW.focus)
DEEP_CORE, A_I, DEEP_W = DEEP["G"], DEEP["A[m,i]"], DEEP["w[m]"]
CP_DEEP_FLOW = Flow(naive.DEEP_CP, Focus(("m",)))
WEIGHT, CP_DEEP_W = naive.DEEP_CP.letters(CP_DEEP_FLOW.focus).values()

gram_left = (LEFT["a", "i"] * LEFT["a", "j"]).sum("a")
gram_right = (RIGHT["i", "c"] * RIGHT["j", "c"]).sum("c")

LAWS: dict[str, tuple[Term, Flow]] = {
    "lemma 1": (norm(W_N) - norm(W_M), CP_FLOW),
    "balancedness": (gram_left - gram_right, ADJACENT),
    "layers apart": (whole(FAR) - whole(NEAR), APART),
    "tucker": (pair(V_M) - pair(CORE), TUCKER_FLOW),
    "deep tucker i": (norm(DEEP_W) - norm(DEEP_CORE), DEEP_FLOW),
    "deep tucker ii": (norm(A_I) - norm(DEEP_W), DEEP_FLOW),
    "deep cp": (WEIGHT["r"] * WEIGHT["r"] - norm(CP_DEEP_W), CP_DEEP_FLOW),
}


def conserved(claim: Claim) -> Build:
    assert isinstance(claim, Conserved) and isinstance(claim.motion, Flow)
    flow, quantity = claim.motion, claim.quantity
    return lambda derive: derive.conserved(quantity, flow)


def rate(claim: Claim) -> Build:
    assert isinstance(claim, Rate)

    def build(derive: Derive) -> None:
        found = derive.rate(claim.quantity, claim.motion)
        assert isinstance(found.claim, Rate)
        derive.replace(found, derive.equal("", found.claim.rate, claim.rate))

    return build


def change(claim: Claim) -> Build:
    assert isinstance(claim, Change)

    def build(derive: Derive) -> None:
        found = derive.change(claim.quantity, claim.motion)
        assert isinstance(found.claim, Change)
        derive.replace(found, derive.equal("", found.claim.change, claim.change))

    return build


# -- the determinant --------------------------------------------------------------------------------------------------

CHAIN = matrix_chain(naive.MATRIX)
SETTING: dict[str, Claim] = {
    "balanced": AtStart(BALANCE, ADJACENT),
    "square": SameSize("d_out", "d_in"),
    "depth": AtLeast("L", 2),
}


def stays(derive: Derive) -> Any:
    law = derive.conserved(gram_left - gram_right, ADJACENT)
    return derive.apply("stays", law, derive.assume("balanced"))


def grams(derive: Derive) -> Any:
    """W W^T = P P P^(L-2), by induction on the number of factors."""
    letters = chain_letters(CHAIN)
    first, partial, last, power = (letters[k] for k in ("First", "Partial", "Last", "Power"))
    gram = (first["a", "k"] * first["c", "k"]).sum("k")
    templates = (
        Identity(
            (partial["a", "j"] * last["k", "j"] * last["k", "b"]).sum("j", "k"), (gram * partial["c", "b"]).sum("c")
        ),
        Identity(
            (partial["a", "k"] * partial["b", "k"]).sum("k"),
            (gram * gram.rename({"a": "c", "c": "d"}) * power["d", "b"]).sum("c", "d"),
        ),
    )
    cases: list[Any] = []
    for hypotheses, goals in chain_hypotheses(CHAIN, templates):
        inner = derive.inner(*hypotheses)
        newest, *earlier = inner.given
        for goal in goals:
            assert isinstance(goal.lhs, Term) and isinstance(goal.rhs, Term)
            inner.equal("", goal.lhs, goal.rhs, using=earlier, backwards=(newest,))
        cases.append(inner.derivation())
    return derive.apply(
        "balanced-chain", stays(derive), derive.assume("depth"), data=(naive.MATRIX, *cases, *templates)
    )


def logarithm(derive: Derive) -> None:
    """ln det P moves at the rate -2 <grad, P^-1 W>, and ||P^-1 W||^2 = tr P^(L-2)."""
    left_inverse, right_inverse, symmetric, product = derive.given[:4]
    slope, size = log_rate_goals(CHAIN)
    assert isinstance(slope.lhs, Term) and isinstance(slope.rhs, Term)
    assert isinstance(size.lhs, Term) and isinstance(size.rhs, Term)
    derive.equal("", slope.lhs, slope.rhs, using=(symmetric,))
    derive.equal("", size.lhs, size.rhs, using=(product, left_inverse, right_inverse, symmetric))


def sign(derive: Derive) -> None:
    power = grams(derive)
    inner = derive.inner(*inverse_hypotheses(CHAIN)[1], gram_power(CHAIN))
    logarithm(inner)
    derive.apply(
        "log-determinant-bounded",
        power,
        derive.assume("square"),
        derive.assume("depth"),
        data=(naive.MATRIX, inner.derivation()),
    )


U, V = Tensor("U", ("d_out", "q")), Tensor("V", ("d_in", "q"))
KAPPA, RHO = Tensor("κ", ("q",)), Tensor("ρ", ("q",))
VECTORS: dict[str, Claim] = {
    "orthonormal": Identity((U["a", "r"] * U["a", "s"]).sum("a"), identity("r", "s", "q")),
    "first": Identity(CHAIN.gram, (U["a", "r"] * KAPPA["r"] * U["b", "r"]).sum("r")),
    "values": Identity(CHAIN.end, (U["a", "r"] * KAPPA["r"] * RHO["r"] * V["b", "r"]).sum("r")),
}
PAIRING = (gradient_term(CHAIN) * U["a", "r"] * RHO["r"] * V["b", "r"]).sum("a", "b", "r")
DEPTH = Tensor("L", ())()


def log_rate(derive: Derive) -> None:
    power = grams(derive)
    vectors = [derive.assume(name) for name in VECTORS]
    inner = derive.inner(*inverse_hypotheses(CHAIN)[1], gram_power(CHAIN), *(fact.claim for fact in vectors))
    logarithm(inner)
    left_inverse, _, _, _, orthonormal, eigen, singular = inner.given
    inverse, _ = inverse_hypotheses(CHAIN)
    image = (inverse["a", "c"] * U["c", "r"]).sum("c") * KAPPA["r"]
    through = (inverse["a", "c"] * CHAIN.gram.rename({"a": "c", "b": "e"}) * U["e", "r"]).sum("c", "e")
    first = inner.equal("", through, U["a", "r"], using=(left_inverse,))
    second = inner.equal("", through, image, using=(eigen, orthonormal))
    back = inner.equal("", image, U["a", "r"], using=(first,), backwards=(second,))
    slope = (gradient_term(CHAIN) * (inverse["a", "c"] * CHAIN.end.rename({"a": "c"})).sum("c")).sum("a", "b")
    inner.equal("", slope, PAIRING, using=(singular, back))
    derive.apply(
        "log-determinant-rate",
        power,
        derive.assume("square"),
        derive.assume("depth"),
        *vectors,
        data=(naive.MATRIX, inner.derivation(), PAIRING),
    )


# -- truncation and inequalities --------------------------------------------------------------------------------------


def truncation(claim: SliceTruncation) -> Build:
    def build(derive: Derive) -> None:
        mode = OneMode()
        inner = derive.inner(*mode.hypotheses())
        bound, idempotent, before, small, positive = inner.given
        stretch, union, slices = mode.goals()
        one = constant(1)
        columns = inner.apply("spectral-norm", bound, data=(mode.core,))
        inner.at_most("", *ends(stretch), (columns,), [Use(0, one, (), ("q",))])
        lost = (constant(1, ("q", "q")) - mode.before["q"]) * (constant(1, ("r", "R")) - mode.kept["r"])
        inner.at_most("", *ends(union), (idempotent, before), [Square(lost * mode.core["r", "q"], ("r", "q"))])
        kept = mode.kept["r"] * mode.kept["r"]
        uses = [Use(0, one, (), ("r",)), Use(1, kept, (), ("r",))]
        inner.at_most("", *ends(slices), (small, positive, idempotent), uses)
        derive.apply("slice-truncation", data=(claim, inner.derivation()))

    return build


def ends(claim: Claim) -> tuple[Term, Term]:
    assert isinstance(claim, Identity | Inequality)
    assert isinstance(claim.lhs, Term) and isinstance(claim.rhs, Term)
    return claim.lhs, claim.rhs


p, q = Tensor("p", ("n",)), Tensor("q", ("n",))
DOT, P2, Q2 = (p["i"] * q["i"]).sum("i"), (p["i"] * p["i"]).sum("i"), (q["i"] * q["i"]).sum("i")
CAUCHY_SCHWARZ = Inequality(DOT * DOT * 2, "<=", P2 * Q2 * 2)
WEDGE = Square(p["i"] * q["j"] - p["j"] * q["i"], ("i", "j"))


def cauchy_schwarz(derive: Derive) -> None:
    derive.at_most("", *ends(CAUCHY_SCHWARZ), (), [WEDGE])


eta = Tensor("η", ())()


def squared_speed(flow: Flow, name: str) -> Term:
    legs, velocity = flow.velocities()[name]
    return (velocity.rename({legs[0]: "r"}) * velocity.rename({legs[0]: "r"})).sum(*legs[1:])


LEMMA_RATE = Rate(norm(W_N), norm(W_M).along(CP_FLOW.velocities()), CP_FLOW)
DRIFT = Change(
    norm(W_N) - norm(W_M),
    eta * eta * (squared_speed(CP_FLOW, "w[n]") - squared_speed(CP_FLOW, "w[m]")),
    Descent(CP_FLOW),
)


def powers(derive: Derive) -> tuple[Derivation, ...]:
    """The product of the first j factors times its transpose is P^j: two factors, and one more."""
    cases: list[Derivation] = []
    for hypotheses, goals in chain_hypotheses(CHAIN, power_templates(CHAIN)):
        inner = derive.inner(*hypotheses)
        newest, *earlier = inner.given
        for goal in goals:
            inner.equal("", *ends(goal), using=earlier, backwards=(newest,))
        cases.append(inner.derivation())
    return tuple(cases)


def product_flow(derive: Derive) -> Any:
    return derive.apply("end-matrix-rate", stays(derive), data=(naive.MATRIX, *powers(derive)))


def singular_flow(derive: Derive) -> None:
    derive.apply("singular-value-rate", product_flow(derive))


# The determinant of a 2x2 product, and its entries, read off the flow.
ENTRIES = {(i, j): Variable(f"w{i}{j}") for i in (1, 2) for j in (1, 2)}
DET = Variable("det")
READING = Reading((*((w.name, Entry(at)) for at, w in ENTRIES.items()), ("det", Determinant())), CHAIN.flow)
LEIBNIZ = ENTRIES[1, 1] * ENTRIES[2, 2] - ENTRIES[1, 2] * ENTRIES[2, 1]
POSITIVE = Inequality(scalar(0), "<", LEIBNIZ)
SHAPE: dict[str, Claim] = {"rows": Exactly("d_out", 2), "columns": Exactly("d_in", 2)}
START: dict[str, Claim] = {"start": ReadAtStart(Inequality(scalar(0), "<", DET), READING)}


def positive(derive: Derive) -> None:
    sign(derive)
    kept = Fact(len(derive.given) + len(derive.steps) - 1, DeterminantSignPreserved(CHAIN.flow))
    always = derive.apply("determinant-along-the-flow", kept, derive.assume("start"))
    sizes = [derive.assume(name) for name in SHAPE]
    written = derive.apply("determinant-of-entries", *sizes, data=(READING, "det", LEIBNIZ))
    real = Reals(derive)
    known, equal = real.suppose(always.claim.claim), real.suppose(written.claim.claim)
    static = real.less("", 0, LEIBNIZ, known, equal, by=[(1, 1, (known,))])
    derive.apply("along-the-flow", always, written, static, data=(READING,))


TRUE: dict[str, tuple[Statement, Build]] = {
    **{name: (state(name, Conserved(*law)), conserved(Conserved(*law))) for name, law in LAWS.items()},
    "rate": (state("rate", LEMMA_RATE), rate(LEMMA_RATE)),
    "drift": (state("drift", DRIFT), change(DRIFT)),
    "stays": (state("stays", Always(BALANCE, ADJACENT), balanced=SETTING["balanced"]), stays),
    "sign": (state("sign", DeterminantSignPreserved(CHAIN.flow), **SETTING), sign),
    "log rate": (
        state("log rate", LogDeterminantRate(DEPTH * PAIRING * -1, CHAIN.flow), **SETTING, **VECTORS),
        log_rate,
    ),
    "product flow": (state("product flow", EndMatrixRate(CHAIN.flow), balanced=SETTING["balanced"]), product_flow),
    "singular flow": (
        state("singular flow", SingularValueRate(CHAIN.flow), balanced=SETTING["balanced"]),
        singular_flow,
    ),
    "positive": (state("positive", ReadAlways((), POSITIVE, READING), **SETTING, **SHAPE, **START), positive),
    "truncation": (state("truncation", SliceTruncation()), truncation(SliceTruncation())),
    "cauchy-schwarz": (state("cauchy-schwarz", CAUCHY_SCHWARZ), cauchy_schwarz),
}

HALF = Fraction(1, 2)
