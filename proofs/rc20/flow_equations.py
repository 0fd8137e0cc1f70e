"""The gradient flow of deep matrix factorization (RC20 equation 4), balanced identities, and unbalanced starts."""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    DEEP_MATRIX,
    All,
    Array,
    Conserved,
    Flow,
    Focus,
    Identity,
    Instance,
    Link,
    Rate,
    Source,
    Statement,
    Tensor,
    Witness,
    control,
    identity,
    proof,
)

from .along_the_flow import UNBALANCED, always, at_a_solution, reading, starting
from .balancedness import balancedness, difference
from .balancedness import flow as adjacent
from .theorem_1_composed import BOUNDS, DET, SIGN, theorem

flow = Flow(DEEP_MATRIX, Focus(links=(Link(("l",)),)))
(W,) = DEEP_MATRIX.letters(flow.focus).values()
parts = DEEP_MATRIX.focus(flow.focus).tensors()
left, right = parts["W<l"], parts["W>l"]  # W_{L:l+1} and W_{l-1:1}
gradient = DEEP_MATRIX.gradient(flow.focus).rename({"a": "p", "b": "q"})
velocity = -(left["p", "i"] * gradient * right["j", "q"]).sum("p", "q")

equation_4 = Statement(
    id="RC20-Eq4",
    label="RC20-Eq4",
    kind="definition",
    title="dW_l/dt = -(W_{L:l+1})^T grad (W_{l-1:1})^T",
    source=Source("RC20", "equation 4"),
    assumptions=balancedness.assumptions,
    claim=Rate(W["i", "j"], velocity, flow),
    scope="all depths, widths, layers, losses",
)


@proof(equation_4)
def by_the_chain_rule(derive):
    derived = derive.rate(W["i", "j"], flow)
    derive.replace(derived, derive.equal("as written", derived.claim.rate, velocity), "as written")


@control(equation_4, breaks="sign")
def opposite_sign():
    """The opposite sign."""
    return Rate(W["i", "j"], -velocity, flow)


@control(equation_4, breaks="factor 1")
def twice_the_velocity():
    """Twice the velocity."""
    return Rate(W["i", "j"], velocity * 2, flow)


@control(equation_4, breaks="flow")
def weight_decay():
    """With weight decay."""
    return Rate(W["i", "j"], velocity, Flow(DEEP_MATRIX, flow.focus, decay=Fraction(1)))


# -- identities are balanced -----------------------------------------------------------------------------------------

s, t = Tensor("s", ()), Tensor("t", ())


def grams(first, second):
    """(first I)^T (first I) and (second I) (second I)^T."""
    upper = first() * identity("p", "i", "d") * first() * identity("p", "j", "d")
    lower = second() * identity("i", "p", "d") * second() * identity("j", "p", "d")
    return upper.sum("p"), lower.sum("p")


identities = Statement(
    id="RC20-Sec2-Id",
    label="RC20-Sec2-Id",
    kind="claim",
    title="Layers that are the same multiple of the identity are balanced",
    source=Source("RC20", "Section 2.1"),
    claim=Identity(*grams(s, s)),
    scope="all sizes, all multiples",
)


@proof(identities)
def by_multiplication(derive):
    derive.equal("both are s^2 I", *grams(s, s))


@control(identities, breaks="the same multiple")
def different_multiples():
    """Different multiples s and t."""
    numbers = (("s", Array((), (Fraction(1),))), ("t", Array((), (Fraction(2),))))
    return Identity(*grams(s, t)), Witness(Instance(sizes=(("d", 2),), letters=numbers))


# -- unbalanced starts -----------------------------------------------------------------------------------------------

where_positive = tuple(always(part.claim, *DET, *part.conditions) for part in theorem.claim.claims[:3])

unbalanced = Statement(
    id="RC20-AppD",
    label="RC20-AppD",
    kind="extension",
    title="Unbalanced starts: constant differences, and the bounds wherever det W > 0",
    source=Source("RC20", "Appendix D"),
    assumptions=balancedness.assumptions,
    claim=All((Conserved(difference, adjacent), *where_positive)),
    scope="2x2 matrices, every depth, hidden widths, all norms and quasi-norms, all times at which det W(t) > 0",
    deviations=(
        "our own statement: only the main text is the source at hand",
        "for a larger product, the bounds hold of its upper left 2x2 block",
    ),
)


@proof(unbalanced)
def by_composition(derive):
    kept = derive.cite(balancedness)
    bounds = [derive.at_every_point(bound) for bound in BOUNDS]
    derive.both(kept, *(derive.apply("along-the-flow", fact, data=(reading,), text="at W(t)") for fact in bounds))


@control(unbalanced, breaks="det W > 0 at that time")
def the_determinant_stays_positive():
    """det W(0) > 0 alone: without balancedness it does not stay so."""
    return replace(unbalanced, claim=SIGN, assumptions=starting()[2:]), UNBALANCED


@control(unbalanced, breaks="det W > 0 at that time")
def all_times():
    """The bound of sigma_2 at all times: W(0) = ((0, 1), (1, 0)) has loss 0 and sigma_2 = 1."""
    return theorem.claim.claims[2], at_a_solution()


@control(unbalanced, breaks="flow")
def with_weight_decay():
    """With weight decay."""
    decayed = Flow(DEEP_MATRIX, adjacent.focus, decay=Fraction(1))
    return All((Conserved(difference, decayed), *where_positive))
