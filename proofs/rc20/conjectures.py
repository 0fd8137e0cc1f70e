"""Conjectures that RC20 discusses, and its claim about probabilities (Sections 1 and 2.2).

Gunasekar et al. (RC20 Conjecture 1): if the limit of small starts exists and has loss 0, its nuclear norm is least. For
the completion problem with det W(0) > 0 the limit does not exist where the loss tends to 0: |w11(t)| exceeds every
level. Arora et al. (RC20 Conjecture 2): no norm is least in general; by RC20-Cor1 the same observations serve for all.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import All, Assumption, Identity, Inequality, Source, Statement, Witness, control, proof
from theorytest.derive.scalar import Reals
from theorytest.kernel.claim import InWords
from theorytest.kernel.scalar import Variable, scalar

from .along_the_flow import AlongTheFlow, always, at_a_solution, at_start
from .definitions import loss
from .determinant_sign import diagonal
from .theorem_1_composed import (
    DET,
    EXAMPLE,
    OF_NORMS,
    SETTING,
    SIGN,
    corollary,
    depth_one,
    larger_matrix,
    theorem,
    unbalanced,
)
from .theorem_1_norms import HALF, SMALL, M, level, norm, unobserved

nuclear = Statement(
    id="RC20-Conj1",
    label="RC20-Conj1",
    kind="conjecture",
    title="Gradient flow from small starts minimizes the nuclear norm (Gunasekar et al. 2017)",
    source=Source("RC20", "Conjecture 1"),
    claim=InWords(
        "matrix completion or sensing, depth 2, full-dimensional, W(0) = alpha W_init with W_init of full rank: if the "
        "limit over alpha to 0 of the limits of W(t) exists and has loss 0, then its nuclear norm is the least one "
        "over all W of loss 0"
    ),
    scope="all completion and sensing problems",
    expected="UNDECIDED",
    expected_reason="an open conjecture of Gunasekar et al., not claimed by the paper; where RC20's problem has "
    "det W(0) > 0 and the loss tends to 0 its premise fails (RC20-Conj1/premise), so that it is not contradicted",
)

# -- the premise fails -------------------------------------------------------------------------------------------------

FAR = Inequality(level + Fraction(3, 2), "<=", HALF * scalar(2) ** HALF * loss**-HALF)

premise = Statement(
    id="RC20-Conj1",
    label="RC20-Conj1/premise",
    kind="fact",
    title="With det W(0) > 0, |w11(t)| exceeds every level as the loss tends to 0: W(t) has no limit",
    source=Source("RC20", "Section 3.3"),
    assumptions=SETTING,
    claim=All((always(Inequality(level, "<=", M), FAR), SIGN)),
    scope="2x2 matrices, every depth L >= 2, hidden widths, all times",
    example=EXAMPLE,
    deviations=(*theorem.deviations[:3], "FAR: the level K is reached once (2 loss)^(-1/2) >= K + 3/2"),
)


@proof(premise)
def by_the_unobserved_entry(derive):
    along, real = AlongTheFlow(derive), Reals(derive)
    bound, far = derive.at_every_point(unobserved), real.suppose(FAR)
    high = real.at_most("K <= (2 loss)^(-1/2) - 3/2", level, M, bound, far, by=[(1, 1, (bound,)), (1, 1, (far,))])
    derive.both(*along.at_all_times(real.cut(high, *map(real.suppose, (*DET, FAR)))), along.positive)


# -- no norm is minimized ----------------------------------------------------------------------------------------------

least = Variable("inf")
ABOVE = Identity(level, least + 1)

no_norm = Statement(
    id="RC20-Conj2",
    label="RC20-Conj2",
    kind="conjecture",
    title="Where the loss is small every norm exceeds its least value over the solutions by 1: it is not minimized",
    source=Source("RC20", "Conjecture 2"),
    assumptions=SETTING,
    claim=All((always(Inequality(least + 1, "<=", norm), *OF_NORMS, SMALL.formula, ABOVE), SIGN)),
    scope="every depth L >= 2, all norms and quasi-norms, one set of observations for all of them, all times",
    example=EXAMPLE,
    deviations=(
        *corollary.deviations,
        "inf is any number, so in particular the least norm over the solutions; small starts: det(alpha W) has the "
        "sign of det W for every alpha > 0 (RC20-Rescale), and det W > 0 has probability 1/2 "
        "(RC20-Prop3)",
        "the conjecture is affirmed on condition that there are such starts whose loss tends to 0, which is not part "
        "of this statement (for depth 2 and multiples of the identity it is RC20-Prop4)",
    ),
)


@proof(no_norm)
def by_the_corollary(derive):
    parts = derive.cite(corollary, *(derive.assume(label) for label in ("balanced", "shape", "depth", "determinant")))
    far, *_, sign = [derive.apply("part", parts, data=(k,), text="one of these") for k in range(4)]
    real = Reals(derive)
    known, above = real.suppose(far.claim.claim), real.suppose(ABOVE)
    goal = real.at_most("K = inf + 1", least + 1, norm, known, above, by=[(1, 1, (known,))])
    derive.both(derive.apply("along-the-flow", far, goal, data=(far.claim.reading,), text="at every time"), sign)


# -- with probability 1/2 ----------------------------------------------------------------------------------------------

half, event = Variable("p_plus"), Variable("p_event")
FAIR = Assumption("fair", "p_plus = P(det W(0) > 0) = 1/2 (RC20-Prop3, by a balanced factorization)",
                  Identity(half, scalar(HALF)))  # fmt: skip
CONTAINS = Assumption(
    "contains",
    "p_event is the probability that all norms exceed every level where the loss is small, which contains the event "
    "det W(0) > 0 by RC20-Cor1",
    Inequality(half, "<=", event),
)

probable = Statement(
    id="RC20-Intro-P",
    label="RC20-Intro-P",
    kind="claim",
    title="With probability at least 1/2 every norm tends to infinity, on the event that the loss tends to 0",
    source=Source("RC20", "Section 1"),
    assumptions=(*SETTING, FAIR, CONTAINS),
    claim=All((Inequality(scalar(HALF), "<=", event), *corollary.claim.claims)),
    scope=no_norm.scope,
    example=at_start(3, diagonal, diagonal, diagonal, p_plus=HALF, p_event=1),
    deviations=(
        *corollary.deviations,
        "probabilities enter through those of the two events: of them 1/2 <= p_event alone is derived, from p_plus <= "
        "p_event; that the second event contains the first is RC20-Cor1, which is the rest of the claim (for a start "
        "with det W(0) > 0)",
    ),
)


@proof(probable)
def by_inclusion(derive):
    parts = derive.cite(corollary, *(derive.assume(label) for label in ("balanced", "shape", "depth", "determinant")))
    real, fair, contains = Reals(derive), derive.assume("fair"), derive.assume("contains")
    first, second = real.suppose(fair.claim), real.suppose(contains.claim)
    bound = real.at_most("1/2 = p_plus <= p_event", HALF, event, first, second, by=[(1, 1, (second,))])
    rest = [derive.apply("part", parts, data=(k,), text="one of these") for k in range(4)]
    derive.both(real.outright(bound, fair, contains), *rest)


def negative_determinant():
    """det W(0) = -1: at a solution of the completion problem with w11 = 0."""
    return None, at_a_solution(eta=0, p_plus=HALF, p_event=1)


EVENTS = {"p_plus": HALF, "p_event": 1}


def with_events(function):
    """The control with probabilities of the two events."""

    def made():
        claim, witness = function()
        witness = witness if isinstance(witness, Witness) else Witness(witness)
        numbers = tuple((name, Fraction(x)) for name, x in EVENTS.items())
        instance = replace(witness.instance, variables=(*witness.instance.variables, *numbers))
        return claim, replace(witness, instance=instance)

    made.__name__, made.__doc__ = function.__name__, function.__doc__
    return made


controls = [
    control(statement, breaks=label)(function)
    for statement in (premise, no_norm)
    for label, function in (
        ("balanced", unbalanced), ("depth", depth_one), ("determinant", negative_determinant), ("shape", larger_matrix)
    )
]  # fmt: skip


later = [
    control(probable, breaks=label)(function)
    for label, function in (
        ("balanced", with_events(unbalanced)), ("depth", with_events(depth_one)),
        ("determinant", negative_determinant), ("shape", with_events(larger_matrix)),
    )
]  # fmt: skip


@control(probable, breaks="fair")
def unfair():
    """det W(0) > 0 with probability 1/4."""
    return None, at_start(3, diagonal, diagonal, diagonal, p_plus=Fraction(1, 4), p_event=Fraction(1, 4))


@control(probable, breaks="contains")
def another_event():
    """Any event: without the premise that the loss tends to 0, say."""
    return None, at_start(3, diagonal, diagonal, diagonal, p_plus=HALF, p_event=0)


@control(premise, breaks="loss tends to 0")
def any_loss():
    """Whatever the loss is: W(0) = diag(4, 1) is below the level 5."""
    return All((always(Inequality(level, "<=", M)), SIGN)), at_start(2, diagonal, diagonal, K=5)
