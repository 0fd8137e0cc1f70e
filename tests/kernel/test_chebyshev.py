"""Chebyshev series in integers, against numpy and against exact evaluation at rational places."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from theorytest.kernel import chebyshev
from theorytest.kernel.chebyshev import Series, series, value_of
from theorytest.kernel.initial_value import Node

F = Fraction
BITS = 30


def exactly(coefficients: list[int], s: Fraction) -> Fraction:
    """a_0 + 2 sum of a_k T_k(s), by the three-term recurrence."""
    before, now, total = F(1), s, F(coefficients[0])
    for value in coefficients[1:]:
        total += 2 * value * now
        before, now = now, 2 * s * now - before
    return total


def at(found: Series, s: Fraction) -> Fraction:
    return exactly([int(x) for x in found.coefficients()] or [0], s)


PLACES = [F(k, 7) for k in range(-7, 8)]
NODES = [
    Node(5, F(1, 3), ((F(1), (0, 1)), (F(-2, 5), (2,))), ()),
    Node(5, F(0), (), ((F(1), ((0, 1), (2, 2))),)),
    Node(5, F(-7), ((F(1), (3,)),), ((F(3, 4), ((0, 3),)), (F(-1), ((1, 2), (2, 3))))),
    Node(5, F(2), ((F(3), (0, 3)),), ()),
    Node(5, F(0), (), ((F(1), ((4, 4),)),)),
]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("degree", [3, 8, 40])
@pytest.mark.parametrize("error", [0, 5])
def test_sums_of_products_are_enclosed(node: Node, degree: int, error: int) -> None:
    """At exact places, for functions anywhere in their remainders: the difference is within the new remainder."""
    random = Random(degree)
    held = {
        j: [random.randint(-(1 << BITS), 1 << BITS) >> 2 * k for k in range(length)]
        for j, length in enumerate((1, 4, 7, 9, 1))
    }
    held[4] = [0]
    errors = {0: 0, 1: 3, 2: 1000, 3: 0, 4: 0}
    values = {j: Series(x.laurent, x.degree, x.size, errors[j]) for j, x in ((j, series(c)) for j, c in held.items())}
    found = value_of(node, values, BITS, degree, error)
    assert found.degree <= degree
    for s in PLACES:
        off = {j: F(random.choice((-1, 1)) * e) for j, e in errors.items()}
        true = {j: (exactly(c, s) + off[j]) / (1 << BITS) for j, c in held.items()}
        total = node.constant + sum(c * sum(true[a] for a in slots) for c, slots in node.linear)
        total += sum(c * sum(true[a] * true[b] for a, b in pairs) for c, pairs in node.products)
        for added in (-error, error):
            assert abs(total * (1 << BITS) + added - at(found, s)) <= found.error
        assert abs(at(found, s)) <= found.size
    assert found.error <= error + 20000 or degree < 20  # the remainder is of use where little is cut off


def test_nothing_is_rounded_where_nothing_has_to_be() -> None:
    values = {0: series([3, 1]), 1: series([-1, 0, 5])}
    found = value_of(Node(2, F(1), ((F(2), (0, 1)),), ()), values, BITS, 9)
    assert found.error == 0 and list(map(int, found.coefficients())) == [4 + (1 << BITS), 2, 10]


def test_derivative_bend_and_ends() -> None:
    random = Random(1)
    for count in (1, 2, 3, 8, 13):
        coefficients = [random.randint(-99, 99) for _ in range(count)]
        plain = [float(coefficients[0]), *(2.0 * x for x in coefficients[1:])]
        found = chebyshev.derivative(coefficients)
        expected = np.polynomial.chebyshev.chebder(plain)
        assert np.allclose([found[0], *(2.0 * x for x in found[1:])], expected)
        bent = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, 201), np.polynomial.chebyshev.chebder(plain, 2))
        assert np.abs(bent).max() <= chebyshev.bend(coefficients) + 1e-6
        assert chebyshev.at_end(coefficients, 1) == exactly(coefficients, F(1))
        assert chebyshev.at_end(coefficients, -1) == exactly(coefficients, F(-1))
        powers = [int(x) for x in chebyshev.powers(coefficients).coeffs()]
        for s in PLACES:
            assert sum((c * s**k for k, c in enumerate(powers)), F(0)) == exactly(coefficients, s)
    assert chebyshev.bend([0, 0, 0, 5]) == 2 * 5 * 24  # T_3'' = 24 s


def test_values_at_equal_places() -> None:
    for count, degree in ((1, 0), (1, 1), (4, 6)):
        for i, values in enumerate(chebyshev.at_places(count, degree)):
            s = F(2 * i, count) - 1
            assert values == [
                exactly([int(k == 0), *(0,) * (k - 1), *(1,) * (k > 0)], s) / (2 if k else 1) for k in range(degree + 1)
            ]
