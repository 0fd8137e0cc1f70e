"""The singular values of 2x2 matrices, derived by sympy from the characteristic polynomial of W^T W.

The squares of the singular values σ1 >= σ2 >= 0 are the roots of λ^2 - T λ + D, T = ||W||_F^2 and D = (det W)^2. By
Vieta σ1^2 + σ2^2 = T and σ1 σ2 = sqrt(D), so

    (σ1 ± σ2)^2 = T ± 2 sqrt(D),   σ1, σ2 = (sqrt(T + 2 sqrt(D)) ± sqrt(T - 2 sqrt(D))) / 2.

What comes out is offered as kernel expressions, and the kernel checks them (claim `SingularValues`): nothing here is
trusted.
Source of the case: RC20, Proposition 2 (its proof), S = {w12 = w21 = 1, w22 = 0}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.claim import SingularValues
from theorytest.kernel.scalar import Exp, Ln, Number, Power, Scalar, Sum, Times, Variable


@dataclass(frozen=True)
class DerivedSingularValues:
    """What was derived: the matrix, the characteristic polynomial's coefficients, and the singular values.

    trace and determinant: of W^T W, as kernel expressions; values: largest first; plus and minus: σ1 + σ2 and σ1 - σ2.
    """

    matrix: tuple[tuple[Scalar, Scalar], tuple[Scalar, Scalar]]
    trace: Scalar
    determinant: Scalar
    plus: Scalar
    minus: Scalar
    values: tuple[Scalar, Scalar]

    @property
    def claim(self) -> SingularValues:
        """The claim that the kernel checks."""
        return SingularValues(self.matrix, self.values)


def singular_values(matrix: Sequence[Sequence[Any]] | None = None) -> DerivedSingularValues:
    """Singular values of a 2x2 matrix with the given entries (default: the general matrix, w11, w12, w21, w22).

    Entries are names of variables, integers, rationals, or sympy expressions in real symbols.

    Raises `InputError` for another shape, or for an entry that is not a number or an expression.

    >>> from theorytest.derive.singular_values import singular_values, to_sympy
    >>> found = singular_values([["w", 1], [1, 0]])
    >>> to_sympy(found.plus), to_sympy(found.minus)
    (sqrt(w**2 + 4), sqrt(w**2))
    """
    import sympy

    rows = [["w11", "w12"], ["w21", "w22"]] if matrix is None else [list(row) for row in matrix]
    if [len(row) for row in rows] != [2, 2]:
        raise InputError(
            f"given a matrix with rows of lengths {[len(row) for row in rows]}, needed 2 rows of 2 entries"
        )
    entries = [[_expression(entry) for entry in row] for row in rows]
    w = sympy.Matrix(entries)
    variable = sympy.Symbol("λ")
    polynomial = sympy.Poly((w.T * w).charpoly(variable).as_expr(), variable)
    leading, first, last = polynomial.all_coeffs()
    trace, determinant = sympy.expand(-first / leading), sympy.factor(last / leading)
    product = _square_root(determinant)
    plus, minus = (sympy.sqrt(sympy.factor(sympy.expand(trace + sign * 2 * product))) for sign in (1, -1))
    largest, smallest = (plus + minus) / 2, (plus - minus) / 2
    for value in (largest, smallest):
        # Each square is a root of the characteristic polynomial that it came from: a slip here would be seen here.
        if sympy.expand(polynomial.as_expr().subs(variable, sympy.expand(value**2))) != 0:
            raise AssertionError(f"{value} squared is not a root of {polynomial.as_expr()}")
    cells = [[to_scalar(entry) for entry in row] for row in entries]
    return DerivedSingularValues(
        ((cells[0][0], cells[0][1]), (cells[1][0], cells[1][1])),
        to_scalar(trace),
        to_scalar(determinant),
        to_scalar(plus),
        to_scalar(minus),
        (to_scalar(largest), to_scalar(smallest)),
    )


def _square_root(square: Any) -> Any:
    """The nonnegative root of (det W)^2: a rational number where it is one, else |det W| as sqrt of the square."""
    import sympy

    root = sympy.sqrt(square)
    return root if root.is_Rational else sympy.Pow(square, sympy.Rational(1, 2), evaluate=False)


def _expression(entry: Any) -> Any:
    import sympy

    if isinstance(entry, str):
        # Without assumptions on the symbol, sympy keeps sqrt(w^2) as it stands: it must not become w.
        return sympy.Symbol(entry)
    if isinstance(entry, Fraction):
        return sympy.Rational(entry.numerator, entry.denominator)
    if isinstance(entry, bool) or not isinstance(entry, (int, sympy.Expr)):
        raise InputError(f"given the entry {entry!r}, needed a name, an integer, a Fraction or a sympy expression")
    return sympy.sympify(entry)


def to_scalar(expression: Any) -> Scalar:
    """A sympy expression as a kernel expression: sums, products, rational powers, ln, exp and rational numbers.

    ``Abs(x)`` becomes (x^2)^(1/2). Raises `InputError` for anything else (a float, another function).
    """
    import sympy

    if isinstance(expression, sympy.Rational):
        return Number(Fraction(int(expression.p), int(expression.q)))
    if isinstance(expression, sympy.Symbol):
        return Variable(str(expression.name))
    if isinstance(expression, sympy.Add):
        return Sum(tuple(map(to_scalar, expression.as_ordered_terms())))
    if isinstance(expression, sympy.Mul):
        return Times(tuple(map(to_scalar, expression.as_ordered_factors())))
    if isinstance(expression, sympy.Abs):
        return Power(Power(to_scalar(expression.args[0]), Fraction(2)), Fraction(1, 2))
    if isinstance(expression, sympy.exp):
        return Exp(to_scalar(expression.args[0]))
    if isinstance(expression, sympy.log) and len(expression.args) == 1:
        return Ln(to_scalar(expression.args[0]))
    if isinstance(expression, sympy.Pow) and isinstance(expression.exp, sympy.Rational):
        return Power(to_scalar(expression.base), Fraction(int(expression.exp.p), int(expression.exp.q)))
    raise InputError(f"{expression} is no sum, product, rational power, ln or exp of variables and rational numbers")


def to_sympy(scalar: Scalar) -> Any:
    """A kernel expression as a sympy expression in plain symbols (for reading; sympy decides nothing)."""
    import sympy

    if isinstance(scalar, Number):
        return sympy.Rational(scalar.value.numerator, scalar.value.denominator)
    if isinstance(scalar, Variable):
        return sympy.Symbol(scalar.name)
    if isinstance(scalar, Sum):
        return sympy.Add(*map(to_sympy, scalar.parts))
    if isinstance(scalar, Times):
        return sympy.Mul(*map(to_sympy, scalar.parts))
    if isinstance(scalar, Power):
        return to_sympy(scalar.base) ** sympy.Rational(scalar.exponent.numerator, scalar.exponent.denominator)
    return sympy.log(to_sympy(scalar.argument)) if isinstance(scalar, Ln) else sympy.exp(to_sympy(scalar.argument))


__all__ = ["DerivedSingularValues", "singular_values", "to_scalar", "to_sympy"]
