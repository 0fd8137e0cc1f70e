"""Lemmas about real numbers, as they stand between the lines of a proof."""

from fractions import Fraction

from theorytest import Inequality, Ln, Variable, Where, conjecture, sqrt

x, y, c = Variable("x"), Variable("y"), Variable("c")
positive = (Inequality(0 * x, "<", x), Inequality(0 * y, "<", y))

means = conjecture("2 x y <= x^2 + y^2", Where(positive, Inequality(2 * x * y, "<=", x**2 + y**2)))

cubes = conjecture("x^2 y + x y^2 <= x^3 + y^3", Where(positive, Inequality(x**2 * y + x * y**2, "<=", x**3 + y**3)))

roots = conjecture(
    "sqrt(x + y) <= 9/10 (sqrt x + sqrt y)",
    Where(positive, Inequality(sqrt(x + y), "<=", (sqrt(x) + sqrt(y)) * Fraction(9, 10))),
    expected="REFUTED",
)

logarithm = conjecture(
    "ln(1 + x) <= x / (1 + x)", Where(positive[:1], Inequality(Ln(1 + x), "<=", x / (1 + x))), expected="REFUTED"
)
