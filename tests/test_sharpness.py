"""The best constants of inequalities: exact witnesses against better ones, and better ones that are proved."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from theorytest import Inequality, Statement, Variable, Where, loader
from theorytest.authoring import Run
from theorytest.errors import InputError
from theorytest.kernel.claim import Identity, SliceTruncation
from theorytest.kernel.scalar import ZERO
from theorytest.kernel.witness import refutes
from theorytest.sharpness import bounds, can_be_varied, rows, sharpen
from theorytest.verification import Checker

PROOFS = Path(__file__).parent.parent / "proofs"
x, y = Variable("x"), Variable("y")
POSITIVE = (Inequality(ZERO, "<", x), Inequality(ZERO, "<", y))


def statement(claim, label="mine"):
    return Statement(label=label, title=label, claim=claim)


def test_a_loose_constant_is_seen_refuted_and_proved():
    """x y <= x^2 + y^2: half of the right side is enough, which sums of squares show."""
    found = sharpen(statement(Where(POSITIVE, Inequality(x * y, "<=", x**2 + y**2))), seconds=20)
    (left,) = [part for part in found if part.term == "x y"]
    assert left.better == "larger" and left.seen == pytest.approx(2, rel=1e-3) and not left.sharp
    assert left.refuted is not None and 2 < left.refuted < Fraction(21, 10) and left.proved == 2
    assert left.statement is not None and left.witness is not None
    refutes(left.statement, left.witness)  # raises unless the kernel agrees


def test_a_sharp_constant():
    (part, *_) = sharpen(statement(Where(POSITIVE, Inequality(2 * x * y, "<=", x**2 + y**2))), seconds=20)
    assert part.sharp and part.proved is None
    (row, *_) = rows("mine", [part])
    assert row["sharp"] and Fraction(row["refuted"]) == part.refuted and row["by"] == ""


def test_a_proved_variant_is_cited():
    """RC20 (10): the author's control proves the constant sqrt(2), a third of the printed one."""
    library = loader.load([PROOFS / "rc20" / "theorem_1.py"])
    entry = library.entries["RC20-Eq10"]
    checker = Checker(library, Run("quick", 0, "cpu"))
    proved = [c.statement for c in entry.controls if c.survives is not None and checker.survives(entry, c)]
    assert [s.label for s in proved] == ["RC20-Eq10/a_third_of_the_constant"]
    found = {part.better: part for part in sharpen(entry.statement, seconds=20, proved=proved)}
    part = found["smaller"]
    assert part.proved == Fraction(1, 3) and part.by == proved[0].label
    assert part.refuted is not None and abs(part.refuted - Fraction(1, 3)) < Fraction(1, 1000)
    # Without the control nothing is cited.
    assert all(p.by == "" for p in sharpen(entry.statement, seconds=10))


def test_a_variant_of_another_shape_is_not_cited():
    claim = Where(POSITIVE, Inequality(x * y, "<=", x**2 + y**2))
    for other in (
        Where(POSITIVE, Inequality(x * y, "<=", x**2 + x * y)),  # another term
        Where(POSITIVE[:1], Inequality(x * y, "<=", x**2 + y**2 / 4)),  # other conditions
        Identity(x, x),
    ):
        assert all(part.by == "" for part in sharpen(statement(claim), seconds=5, proved=[statement(other, "other")]))


@pytest.mark.parametrize(
    ("label", "part", "better", "low", "high"),
    [("HKA24-Eq13", "", "smaller", "0.99", "1"), ("HKA24-Prop4.6", "", "larger", "1.2", "10")],
)
def test_inequalities_between_tensors(label, part, better, low, high):
    library = loader.load([PROOFS / "hka24"])
    held = library.entries[label].statement
    (found,) = [p for p in sharpen(held, seconds=240) if p.part == part]
    assert found.better == better and found.refuted is not None and found.witness is not None
    assert Fraction(low) <= found.refuted <= Fraction(high) and found.statement is not None
    refutes(found.statement, found.witness)


def test_what_cannot_be_varied():
    assert not can_be_varied(statement(Identity(x, x)))
    assert can_be_varied(statement(SliceTruncation())) and can_be_varied(statement(Inequality(x, "<=", x + 1)))
    with pytest.raises(InputError, match="no inequality"):
        bounds(statement(Identity(x, x)))
