"""The flow of a balanced product and of its singular values: what the rules conclude and refuse, against numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import mpmath
import naive
import pytest
from flint import fmpq, fmpq_mat

from theorytest.derive.derivation import Derive
from theorytest.kernel import product_flow
from theorytest.kernel.check import check
from theorytest.kernel.claim import Always, Claim, Conserved, EndMatrixRate, Flow, Identity, SingularValueRate
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.product_flow import end_matrix_violation, power_templates, singular_value_violation
from theorytest.kernel.rules import RULES, Context, balance, chain_hypotheses, matrix_chain
from theorytest.kernel.scalar import Variable
from theorytest.kernel.statement import Assumption, Certificate, Derivation, Instance, Statement, Witness
from theorytest.kernel.terms import Term
from theorytest.models import balanced, deep_matrix_factorization

x = Variable("x")
CHAIN = matrix_chain(naive.MATRIX)
LAYERS = Flow(naive.MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
BALANCED = Always(balance(*naive.MATRIX.letters(LAYERS.focus).values()), LAYERS)
EXACT, SINGULAR = EndMatrixRate(CHAIN.flow), SingularValueRate(CHAIN.flow)


def powers(chain: Any = CHAIN) -> tuple[Derivation, ...]:
    """Derivations for two factors and for one more."""
    cases: list[Derivation] = []
    for hypotheses, goals in chain_hypotheses(chain, power_templates(chain)):
        inner = Derive(Statement("label", "title", Identity(x, x)), (), hypotheses)
        newest, *earlier = inner.given
        for goal in goals:
            assert isinstance(goal.lhs, Term) and isinstance(goal.rhs, Term)
            inner.equal("goal", goal.lhs, goal.rhs, using=earlier, backwards=(newest,))
        cases.append(inner.derivation())
    return tuple(cases)


DERIVATIONS = powers()


def apply(rule: str, *premises: Claim, data: Sequence[Any] = ()) -> Any:
    return RULES[rule](Context(Statement("label", "title", Identity(x, x)), {}), premises, tuple(data))


def refused(rule: str, *premises: Claim, data: Sequence[Any] = (), match: str | None = None) -> None:
    with pytest.raises(KernelError, match=match):
        apply(rule, *premises, data=data)


def test_the_module_registers_its_rules() -> None:
    made = {name for name, rule in RULES.items() if rule.__module__ == product_flow.__name__}
    assert made == {"end-matrix-rate", "reverse-sum", "singular-value-rate"}


def test_the_flow_of_the_product() -> None:
    assert apply("end-matrix-rate", BALANCED, data=(naive.MATRIX, *DERIVATIONS)) == EXACT
    assert apply("singular-value-rate", EXACT) == SINGULAR
    for changes in ({"descending": False}, {"left": "b", "right": "a"}):
        body = replace(naive.MATRIX.body, **changes)  # type: ignore[type-var]
        output = (body.left, body.right)  # type: ignore[union-attr]
        model = replace(naive.MATRIX, body=body, output=output)
        chain = matrix_chain(model)
        names = ("l+1", "l") if chain.body.descending else ("l", "l+1")
        flow = Flow(model, Focus(links=(Link(names, adjacent=True),)))
        known = Always(balance(*model.letters(flow.focus).values()), flow)
        assert apply("end-matrix-rate", known, data=(model, *powers(chain))) == EndMatrixRate(chain.flow)


def test_the_flow_of_the_product_refuses() -> None:
    data = (naive.MATRIX, *DERIVATIONS)
    refused("end-matrix-rate", data=data)
    refused("end-matrix-rate", Conserved(BALANCED.claim.lhs, LAYERS), data=data, match="must be that adjacent")  # type: ignore[arg-type]
    slower = replace(LAYERS, decay=Fraction(1))
    refused("end-matrix-rate", replace(BALANCED, motion=slower), data=data, match="must be that adjacent")
    left, right = naive.MATRIX.letters(LAYERS.focus).values()
    other = Always(
        Identity((left["a", "i"] * left["a", "j"]).sum("a"), (right["i", "c"] * right["j", "c"]).sum("c") * 2), LAYERS
    )
    refused("end-matrix-rate", other, data=data, match="must be that adjacent")
    base, step = DERIVATIONS
    for wrong in ((step, step), (base, base), (Derivation(()), step), (base, Derivation(()))):
        refused("end-matrix-rate", BALANCED, data=(naive.MATRIX, *wrong))
    refused("end-matrix-rate", BALANCED, data=(naive.MATRIX, Derivation(()), Derivation(())), match="does not show")
    refused("end-matrix-rate", BALANCED, data=(naive.CP, *DERIVATIONS), match="no plain product|not a plain product")
    refused("end-matrix-rate", BALANCED, data=(naive.MATRIX, base))


def test_the_sum_in_reverse_order() -> None:
    turned = apply("reverse-sum", EXACT)
    assert turned == EndMatrixRate(CHAIN.flow, left=(-1, 0, 1), right=(0, 1, -1))
    assert apply("reverse-sum", turned) == EXACT
    refused("reverse-sum", replace(EXACT, all_layers=False), match="one summand")
    refused("reverse-sum", SINGULAR)


def test_singular_values_need_the_flow_itself() -> None:
    for wrong in (
        replace(EXACT, shift=1),
        replace(EXACT, all_layers=False),
        replace(EXACT, right=(0, 1, -1)),
        BALANCED,
    ):
        refused("singular-value-rate", wrong)
    refused("singular-value-rate")


def exact(array: Array) -> fmpq_mat:
    rows, columns = array.shape
    return fmpq_mat(rows, columns, [fmpq(v.numerator, v.denominator) for v in array.entries])


def starts() -> Iterator[tuple[int, fmpq_mat, fmpq_mat, fmpq_mat, fmpq_mat, fmpq_mat]]:
    """Depth, W, its velocity, the loss gradient, W_L W_L^T and W_1^T W_1 at random balanced starts, written out."""
    for number in range(24):
        depth, shape = 1 + number % 4, ((2, 2), (3, 2), (2, 3), (3, 3))[number // 6]
        model = deep_matrix_factorization(*shape, depth=depth, width=[min(shape)] * (depth - 1))
        layers = balanced(model, seed=number)
        gradient = deep_matrix_factorization(*shape, depth=1).random(number)["W[1]"]
        moved = exact(model.end_tensor(layers)) * 0
        for name, slope in model.gradients(layers, gradient).items():
            moved -= exact(model.end_tensor(layers | {name: slope}))
        top, bottom = exact(layers[f"W[{depth}]"]), exact(layers["W[1]"])
        yield (
            depth, exact(model.end_tensor(layers)), moved, exact(gradient),
            top * top.transpose(), bottom.transpose() * bottom,
        )  # fmt: skip


def test_lemma_4_at_random_balanced_starts() -> None:
    for depth, W, moved, gradient, P, Q in starts():
        assert P**depth == W * W.transpose() and Q**depth == W.transpose() * W
        claimed = W * 0
        for layer in range(1, depth + 1):
            claimed -= P ** (depth - layer) * gradient * Q ** (layer - 1)
        assert moved == claimed


def test_lemma_5_at_random_balanced_starts() -> None:
    """In 60 digits: d/dt sigma_r = <u_r, (dW/dt) v_r> where singular values differ."""
    seen = 0
    with mpmath.workdps(60):
        for depth, W, moved, gradient, _, _ in starts():
            if W.nrows() != W.ncols():
                continue

            def number(entry: Any) -> Any:
                return mpmath.mpf(int(entry.p)) / int(entry.q)

            def matrix(given: fmpq_mat, number: Any = number) -> Any:
                rows, columns = range(given.nrows()), range(given.ncols())
                return mpmath.matrix([[number(given[i, j]) for j in columns] for i in rows])

            u, s, v = mpmath.svd_r(matrix(W))
            speed, slope = u.T * matrix(moved) * v.T, u.T * matrix(gradient) * v.T
            for r in range(len(s)):
                claimed = -depth * (s[r] ** 2) ** (1 - mpmath.mpf(1) / depth) * slope[r, r]
                assert abs(speed[r, r] - claimed) <= mpmath.mpf(10) ** -40 * (1 + abs(claimed))
                seen += 1
    assert seen >= 20


# -- at an instance ----------------------------------------------------------------------------------------------------


def array(*rows: Sequence[int]) -> Array:
    return Array((len(rows), len(rows[0])), tuple(Fraction(entry) for row in rows for entry in row))


def state(*layers: Array, gradient: Array) -> Instance:
    rows, columns = layers[0].shape[0], layers[-1].shape[1]
    depth = len(layers)
    return Instance(
        sizes=(("L", depth), ("d_out", rows), ("d_in", columns), ("h", tuple(a.shape[1] for a in layers[:-1])[::-1])),
        members=(("/first", depth),),
        blocks=tuple((f"W[{depth - place}]", layer) for place, layer in enumerate(layers)),
        gradient=gradient,
    )


GRADIENT = array((1, 2), (3, 4))
LONG, FLAT, UNIT = array((2, 0), (0, 1)), array((1, 0), (0, 0)), array((1, 0), (0, 1))


def offered(claim: Claim, instance: Instance) -> str:
    made = Statement("S", "", claim)
    return check(made, Certificate("witness", made.digest, Witness(instance), "me"), {}).status


@pytest.mark.parametrize("layers", [(LONG, LONG), (LONG, LONG, LONG), (LONG,), (FLAT, FLAT)])
def test_what_is_true_is_not_refuted(layers: tuple[Array, ...]) -> None:
    instance = state(*layers, gradient=GRADIENT)
    assert offered(EXACT, instance) == "UNDECIDED"
    assert offered(SINGULAR, instance) == "UNDECIDED"


@pytest.mark.parametrize(
    ("claim", "layers"),
    [
        (EXACT, (UNIT, LONG)),  # unbalanced
        (replace(EXACT, right=(0, 1, -1)), (LONG, LONG)),
        (replace(EXACT, all_layers=False), (LONG, LONG)),
        (replace(EXACT, shift=1), (array((8, 0), (0, 1)),) * 2),
        (SINGULAR, (UNIT, LONG)),
        (replace(SINGULAR, times_depth=False), (LONG, LONG)),
        (replace(SINGULAR, exponent=(1, -2)), (LONG, LONG, LONG)),
        (replace(SINGULAR, exponent=(1, 0)), (LONG, LONG)),
        (replace(SINGULAR, exponent=(0, 1)), (LONG, LONG, LONG)),
    ],
)
def test_what_is_false_is_refuted(claim: Claim, layers: tuple[Array, ...]) -> None:
    assert offered(claim, state(*layers, gradient=GRADIENT)) == "REFUTED"


@pytest.mark.parametrize(
    "wrong", [replace(EXACT, right=(0, 1, -1)), replace(EXACT, all_layers=False), replace(EXACT, shift=1)]
)
def test_false_variants_are_not_proved(wrong: EndMatrixRate) -> None:
    for claim in (wrong, replace(SINGULAR, times_depth=False), replace(SINGULAR, exponent=(1, -2))):
        made = Statement("S", "", claim, assumptions=(Assumption("balanced", "", BALANCED),))
        derive = Derive(made)
        product = derive.apply("end-matrix-rate", derive.assume("balanced"), data=(naive.MATRIX, *DERIVATIONS))
        for step in ("none", "reverse-sum", "singular-value-rate"):
            attempt = Derive(made)
            attempt.steps = list(derive.steps)
            if step != "none":
                attempt.apply(step, product)
            assert check(made, attempt.certificate(), {}).status == "UNDECIDED"


def test_instances_that_cannot_be_evaluated() -> None:
    for claim, layers, gradient, match in (
        (EXACT, (array((1, 1), (0, 1)),), GRADIENT, "diagonal end matrix"),
        (replace(EXACT, shift=1), (LONG, LONG), GRADIENT, "no rational number"),
        (replace(EXACT, left=(-1, 0, 0)), (FLAT, FLAT), GRADIENT, "no rational number"),
        (replace(EXACT, shift=-2), (LONG, LONG), GRADIENT, "denominator"),
        (SINGULAR, (UNIT, UNIT), GRADIENT, "different sizes"),
    ):
        depth = len(layers)
        entries = exact(layers[0])
        for layer in layers[1:]:
            entries = entries * exact(layer)
        end = Array((2, 2), tuple(Fraction(int(e.p), int(e.q)) for e in entries.entries()))
        violation = end_matrix_violation if isinstance(claim, EndMatrixRate) else singular_value_violation
        with pytest.raises(KernelError, match=match):
            violation(claim, depth, end, end, gradient)  # type: ignore[arg-type]


def test_the_violation_against_powers_of_matrices() -> None:
    """Diagonal balanced layers of depth 2 and 3: the velocity that is not claimed is 0 gap, and a wrong one is seen."""
    random = Random(3)
    for _ in range(20):
        depth = random.randint(1, 3)
        layer = exact(array((random.randint(1, 5), 0), (0, random.randint(-5, -1))))
        G = exact(array(*[[random.randint(-5, 5) for _ in range(2)] for _ in range(2)]))
        W, P = layer**depth, layer * layer
        moved = W * 0
        for k in range(1, depth + 1):
            moved -= P ** (depth - k) * G * P ** (k - 1)

        def plain(given: fmpq_mat) -> Array:
            return Array((2, 2), tuple(Fraction(int(e.p), int(e.q)) for e in given.entries()))

        with pytest.raises(KernelError, match="the claim holds"):
            end_matrix_violation(EXACT, depth, plain(W), plain(moved), plain(G))
        wrong = moved + exact(array((0, 7), (0, 0)))
        assert end_matrix_violation(EXACT, depth, plain(W), plain(wrong), plain(G)).endswith("differs by 7")
