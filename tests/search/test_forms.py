"""Dimension-free quantities written out as quadratic forms, against the models' own quantities."""

from fractions import Fraction

import pytest

from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved, Flow
from theorytest.kernel.parameterization import Focus, Link
from theorytest.models import CP, DEEP_MATRIX, cp, deep_matrix_factorization, gram_differences
from theorytest.search.forms import form_error, form_value, quadratic_forms

norms = Flow(CP, Focus(modes=("n", "m")))
first, second = CP.letters(norms.focus).values()
lemma = Conserved((first["r", "i"] * first["r", "i"]).sum("i") - (second["r", "i"] * second["r", "i"]).sum("i"), norms)
adjacent = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
X, Y = DEEP_MATRIX.letters(adjacent.focus).values()
balance = Conserved((X["a", "i"] * X["a", "j"]).sum("a") - (Y["i", "c"] * Y["j", "c"]).sum("c"), adjacent)


def test_one_form_for_every_pair_and_component() -> None:
    model = cp((2, 3, 4), rank=2)
    forms = quadratic_forms(lemma, model)
    assert len(forms) == 6 * 2  # ordered pairs of three modes, two components
    blocks = model.random(1)
    sizes = {
        (n, r): sum(blocks[f"w[{n}]"][r, i] ** 2 for i in range(d)) for n, d in ((1, 2), (2, 3), (3, 4)) for r in (0, 1)
    }
    expected = {sizes[n, r] - sizes[m, r] for n in (1, 2, 3) for m in (1, 2, 3) if n != m for r in (0, 1)}
    assert {form_value(form, blocks) for form in forms} == expected


def test_gram_matrices_of_a_bond() -> None:
    model = deep_matrix_factorization(2, 3, depth=3, width=(2, 4))
    blocks = model.random(2)
    found = sorted(form_value(form, blocks) for form in quadratic_forms(balance, model))
    expected: set[Fraction] = set()
    for difference in gram_differences(model, blocks).values():
        expected |= set(difference.entries) | {-x for x in difference.entries}
    assert set(found) <= expected
    assert len(found) == 2 * 3 // 2 + 4 * 5 // 2  # a symmetric matrix on each of the two bonds


def test_error_bound_covers_a_moved_point() -> None:
    model = cp((2, 2), rank=2)
    blocks, moved = model.random(3), model.random(4)
    error = max(abs(a - b) for name in blocks for a, b in zip(blocks[name].entries, moved[name].entries, strict=True))
    for form in quadratic_forms(lemma, model):
        assert abs(form_value(form, blocks) - form_value(form, moved)) <= form_error(form, blocks, error)
        assert form_error(form, blocks, Fraction(0)) == 0


def test_other_quantities_are_refused() -> None:
    with pytest.raises(InputError, match="not about gradient flow on"):
        quadratic_forms(lemma, deep_matrix_factorization(2, 2, depth=2))
    with pytest.raises(InputError, match="not a quadratic form"):
        quadratic_forms(Conserved(lemma.quantity * lemma.quantity, norms), cp((2, 2), rank=1))
