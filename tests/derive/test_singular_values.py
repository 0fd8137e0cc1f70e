"""Derived from the characteristic polynomial, and compared with a decomposition that knows nothing of it."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import mpmath
import pytest
import sympy

from theorytest.derive.singular_values import singular_values, to_scalar, to_sympy
from theorytest.errors import InputError
from theorytest.kernel.scalar import Number, Power, Variable


def values_at(found, point: dict[str, Fraction], context) -> list:
    made = []
    for value in found.values:
        expression = to_sympy(value).subs(
            {sympy.Symbol(k): sympy.Rational(v.numerator, v.denominator) for k, v in point.items()}
        )
        made.append(context.mpf(sympy.N(expression, 60)))
    return made


def test_on_the_solution_set_of_rc20():
    found = singular_values([["w", 1], [1, 0]])
    w = sympy.Symbol("w")
    assert to_sympy(found.plus) == sympy.sqrt(w**2 + 4)
    assert to_sympy(found.minus) == sympy.sqrt(w**2)  # |w|, and not w
    assert to_sympy(found.trace) == w**2 + 2
    assert found.determinant == Number(Fraction(1))
    assert found.claim.matrix == ((Variable("w"), Number(Fraction(1))), (Number(Fraction(1)), Number(Fraction(0))))


def test_the_general_matrix_against_a_decomposition_of_mpmath():
    """The decomposition works at 50 digits; a 2x2 decomposition loses a few of them, and 40 are left by a wide margin.

    The bound: both singular values move by at most the perturbation of the matrix (Weyl), which is c 10^-50 ||W|| with
    a small c for an orthogonal method; 10^-40 is ten digits more than that.
    """
    found = singular_values()
    context = mpmath.mp.clone()
    context.dps = 50
    random = Random(3)
    for _ in range(20):
        point = {name: Fraction(random.randint(-9, 9), random.randint(1, 7)) for name in ("w11", "w12", "w21", "w22")}
        entries = [
            [context.mpf(point[f"w{i}{j}"].numerator) / point[f"w{i}{j}"].denominator for j in (1, 2)] for i in (1, 2)
        ]
        expected = context.svd_r(context.matrix(entries), compute_uv=False)
        size = 1 + abs(expected[0])
        # A vanishing determinant is as good as any: sqrt(T - 2|det|) is exact here, nothing is lost to cancellation.
        for ours, theirs in zip(values_at(found, point, context), expected, strict=True):
            assert abs(ours - theirs) < size * context.mpf(10) ** -40


def test_another_matrix_has_other_values():
    assert singular_values([["w", 1], [1, 0]]).values != singular_values([["w", 1], [2, 0]]).values
    assert singular_values([["w", 1], [2, 0]]).determinant == Number(Fraction(4))


def test_expressions_go_there_and_back():
    x = sympy.Symbol("x")
    for expression in (
        sympy.log(1 + x**2) / 3 - sympy.exp(-x),
        sympy.sqrt(x) * x ** sympy.Rational(-2, 3),
        sympy.Integer(5),
    ):
        assert to_sympy(to_scalar(expression)) == expression
    assert to_scalar(sympy.Abs(x)) == Power(Power(Variable("x"), Fraction(2)), Fraction(1, 2))


@pytest.mark.parametrize("bad", [sympy.Float(0.5), sympy.sin(sympy.Symbol("x")), sympy.pi])
def test_what_the_kernel_has_no_word_for_is_refused(bad):
    with pytest.raises(InputError, match="no sum, product"):
        to_scalar(bad)


def test_wrong_shapes_and_entries_are_refused():
    with pytest.raises(InputError, match="2 rows of 2"):
        singular_values([[1, 2, 3], [4, 5, 6]])
    with pytest.raises(InputError, match="needed a name"):
        singular_values([[0.5, 1], [1, 0]])
