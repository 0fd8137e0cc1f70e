"""Lemmas about real numbers, as they stand between the lines of a proof."""

from fractions import Fraction

from theorytest import Identity, Inequality, Ln, Variable, Where, conjecture, sqrt
from theorytest.kernel.scalar import ZERO

x, y = Variable("x"), Variable("y")
positive = (Inequality(ZERO, "<", x), Inequality(ZERO, "<", y))

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

# A set of width 10^-3 far from 0, and an equation whose rational points have to be found.
narrow = conjecture(
    "x <= 1000.0005 for 1000 < x < 1000.001",
    Where(
        (Inequality(ZERO + 1000, "<", x), Inequality(x, "<", ZERO + Fraction("1000.001"))),
        Inequality(x, "<=", ZERO + Fraction("1000.0005")),
    ),
    expected="REFUTED",
)

circle = conjecture(
    "x + y <= 1.4142 on the unit circle",
    Where((Identity(x**2 + y**2, ZERO + 1),), Inequality(x + y, "<=", ZERO + Fraction("1.4142"))),
    expected="REFUTED",
)

# A quotient says nothing where it divides by 0. That it is 1 elsewhere is not the claim.
quotient = conjecture("x / x = 1", Identity(x / x, ZERO + 1), expected="UNDECIDED")
