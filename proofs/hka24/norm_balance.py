"""Norm balance of deep Tucker factorization: what ε measures, that it is conserved, and what ε(0) = 0 gives at all
times (HKA24 Definition 4.2, equations 3 and 8).

ε is the largest of | ||w_r^m||^2 - ||G_{r_m=r}||^2 | and | ||w_r^m||^2 - ||A_i^{m,r}||^2 | over all modes m,
columns r and positions i (HKA24 Definition 4.2). Each difference is conserved by Lemma 4.1.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import (
    DEEP_TUCKER,
    All,
    Assumption,
    AtStart,
    Conserved,
    Flow,
    Identity,
    Instance,
    Source,
    Statement,
    Witness,
    control,
    proof,
)
from theorytest.derive.moment import at_time, parts
from theorytest.kernel.claim import Always, LargestConserved
from theorytest.kernel.rules import Use
from theorytest.kernel.terms import constant

from .lemma_4_1 import array, core, flow_i, flow_ii, law_i, matrix, part_i, part_ii, setting, squared_norm, w, w_ii

SCOPE = "all orders, shapes, depths k >= 0, losses; all times"


def numbers(core_, one, other, *, matrices=(), gradient=1, members=(("m", 1),)):
    """An instance of order 2 in which everything is 1x1: core, the vectors of both modes, matrices of mode 1."""
    blocks = [("G", array((1, 1), core_))]
    blocks += [(f"A[1,{s}]", array((1, 1, 1), a)) for s, a in enumerate(matrices, 1)]
    blocks += [("w[1]", array((1, 1), one)), ("w[2]", array((1, 1), other))]
    sizes = (("N", 2), ("d", (1, 1)), ("R", (1, 1)), ("k", (len(matrices), 0)))
    return Instance(sizes, members, tuple(blocks), array((1, 1), gradient))


def any_numbers(statement, name, assumption, *, at=None, reason="", survives=None, **values):
    """The control that drops what some letters stand for: at an instance (the statement's example), with other numbers
    for them (by their names; one number for all entries). Or, with a reason, one that is shown to survive."""

    def dropped():
        instance = at or statement.example
        letters = dict(instance.letters)
        made = {letter: array(letters[letter].shape, value) for letter, value in values.items()}
        return None if survives else (None, Witness(replace(instance, letters=tuple((letters | made).items()))))

    dropped.__name__, dropped.__doc__ = name, f"Any numbers, where it is assumed that {assumption.text}."
    expected = "finding" if survives else "REFUTED"
    made = control(statement, breaks=assumption.label, expected=expected, reason=reason, survives=survives)
    return made(dropped)


WITH_CORE = AtStart(Identity(squared_norm(w), squared_norm(core)), flow_i)
WITH_MATRICES = AtStart(Identity(squared_norm(matrix), squared_norm(w_ii)), flow_ii)
NORM_BALANCE = Assumption(
    "norm balance",
    "ε(0) = 0: ||w_r^m|| = ||G_{r_m=r}|| = ||A_i^{m,r}|| at the start, for all m, r, i",
    All((WITH_CORE, WITH_MATRICES)),
)
BALANCED = numbers(2, 2, 2, matrices=(2,))


# -- ε does not change -------------------------------------------------------------------------------------------------

constant_epsilon = Statement(
    id="HKA24-EpsConst",
    label="HKA24-EpsConst",
    kind="fact",
    title="ε(t) = ε(0)",
    source=Source("HKA24", "Definition 4.2"),
    assumptions=setting,
    claim=LargestConserved((part_i.claim, part_ii.claim)),
    scope=SCOPE,
    deviations=("stated on the interval of existence (RMC21-fn4)",),
)


@proof(constant_epsilon)
def every_difference_is_conserved(derive):
    derive.apply("largest-conserved", derive.cite(part_i), derive.cite(part_ii), text="so is the largest one")


@control(constant_epsilon, breaks="squared norms")
def fourth_powers():
    """The largest of the differences of fourth powers."""
    fourth = squared_norm(w) * squared_norm(w) - squared_norm(core) * squared_norm(core)
    return LargestConserved((Conserved(fourth, flow_i),)), Witness(numbers(1, 2, 1))


@control(constant_epsilon, breaks="differences")
def the_norms_themselves():
    """The largest of the squared norms."""
    return LargestConserved((Conserved(squared_norm(w), flow_i),)), Witness(numbers(1, 1, 1))


@control(constant_epsilon, breaks="flow")
def slower_core():
    """The core learns at half the speed."""
    slow = Flow(DEEP_TUCKER, flow_i.focus, speeds=(("G", Fraction(1, 2)),))
    return LargestConserved((Conserved(law_i, slow),)), Witness(numbers(1, 2, 1))


# -- ε(0) = 0 ----------------------------------------------------------------------------------------------------------


def stays(derive):
    """||w_r||^2 = ||G_r||^2 and ||A_i||^2 = ||w_r||^2 at all times, from norm balance at the start."""
    with_core, with_matrices = parts(derive, derive.assume("norm balance"))
    return (
        derive.apply("stays", derive.cite(part_i), with_core, text="core and vectors"),
        derive.apply("stays", derive.cite(part_ii), with_matrices, text="matrices and vectors"),
    )


def whole(block, *legs):
    """The squared norm of a whole block."""
    return (block[legs] * block[legs]).sum(*legs)


equation_3 = Statement(
    id="HKA24-Eq3",
    label="HKA24-Eq3",
    kind="fact",
    title="ε(0) = 0 gives ||w_r^m|| = ||G_{r_m=r}|| = ||A_i^{m,r}|| at all times; then sum_r ||w_r^m||^2 = ||G||^2",
    source=Source("HKA24", "equation 3"),
    assumptions=(*setting, NORM_BALANCE),
    claim=All(
        (
            Always(WITH_CORE.claim, flow_i),
            Always(WITH_MATRICES.claim, flow_ii),
            Always(Identity(whole(w, "r", "c"), whole(core, "r", "q")), flow_i),
        )
    ),
    scope=SCOPE,
    example=BALANCED,
    deviations=("stated for squared norms, on the interval of existence",),
)


@proof(equation_3)
def from_the_conservation_laws(derive):
    of_core, of_matrices = stays(derive)

    def add_up(inner, slices):
        goal = equation_3.claim.claims[2].claim
        inner.apply("combination", slices, data=(goal, Use(0, constant(1), (), ("r",))), text="sum over r")

    total = at_time(derive, flow_i, (of_core,), add_up, "summed over the columns", always=True)
    derive.both(of_core, of_matrices, total)


@control(equation_3, breaks="norm balance")
def any_start():
    """Without ε(0) = 0."""


equation_8 = Statement(
    id="HKA24-Eq8",
    label="HKA24-Eq8",
    kind="fact",
    title="ε(0) = 0 gives ||w_r^m(t)|| = ||G_{r_m=r}(t)||",
    source=Source("HKA24", "equation 8"),
    assumptions=(*setting, NORM_BALANCE),
    claim=Always(WITH_CORE.claim, flow_i),
    scope=SCOPE,
    example=BALANCED,
    deviations=("stated for squared norms, on the interval of existence",),
)


@proof(equation_8)
def from_part_i(derive):
    with_core, _ = parts(derive, derive.assume("norm balance"))
    derive.apply("stays", derive.cite(part_i), with_core, text="core and vectors")


@control(equation_8, breaks="norm balance")
def only_the_matrices_are_balanced():
    """Only ε_2 = 0: matrices and vectors are balanced at the start, core slices and vectors need not be."""
    weaker = Assumption("balanced matrices", "||w_r^m|| = ||A_i^{m,r}|| at the start", WITH_MATRICES)
    return replace(equation_8, assumptions=(*setting, weaker)), Witness(numbers(1, 2, 1, matrices=(2,)))
