"""The table of a run, and what LaTeX and text say about claims."""

import copy
import re
from fractions import Fraction
from math import prod
from pathlib import Path

import pytest

from theorytest import DEEP_MATRIX, latex, record, report
from theorytest.kernel.claim import (
    All,
    AtLeast,
    Conserved,
    Descent,
    Evolution,
    Flow,
    Identity,
    Inequality,
    Limit,
    SameSize,
    SliceTruncation,
    Where,
)
from theorytest.kernel.encoding import encode
from theorytest.kernel.parameterization import Array, Focus, Link
from theorytest.kernel.scalar import Exp, Ln, Variable, sqrt
from theorytest.kernel.terms import Tensor, constant
from theorytest.verification import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory, shell):
    folder = shell.project(tmp_path_factory.mktemp("project"))
    return verify(folder / "proofs", folder=folder / ".theorytest").record


def lines(made, **options):
    text = report.plain([*report.table(made, **options), *report.footer(made, ".theorytest/0007.json")])
    return text.splitlines()


def test_the_table(made):
    shown = lines(made)
    head = made["environment"]
    assert shown[0] == (
        f"theorytest 0.1.0 | kernel {head['kernel']['digest'][:6]} ({head['kernel']['lines']} lines) | "
        f"python-flint {head['versions']['python-flint']} | profile quick, seed 0"
    )
    assert shown[1].split()[:2] == ["PROVED", "T-1"]
    assert shown[1].endswith("controls 1/2") and shown[2].strip() == "evidence 1/1"
    assert shown[3].endswith("no controls") and shown[3].split()[1] == "T-3"
    assert shown[4].split()[:3] == ["REFUTED", "T-4/printed", "Lemma"] and shown[4].endswith("no controls")
    assert report.table(made)[4][-1] == ("no controls", "dim")
    assert shown[5:] == [
        "statements: 2 PROVED, 1 REFUTED",
        "controls: 1 of 2 refuted, 1 finding (theorytest explain --findings)",
        "evidence: 1 of 1 holds, 5 instances",
        "record: .theorytest/0007.json",
    ]


def test_the_kernel_is_counted_as_it_is():
    from theorytest.record import kernel_identity

    kernel_identity.cache_clear()
    files = sorted((Path(report.__file__).parent / "kernel").glob("*.py"))
    assert kernel_identity()["lines"] == sum(len(f.read_text().splitlines()) for f in files)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_table_fits_the_terminal(made, width):
    wide = copy.deepcopy(made)
    wide["statements"][0]["scope"] = "every shape, " * 20 + "loss"
    table = report.plain(report.table(wide, width=width)).splitlines()[1:]
    assert max(map(len, table)) <= max(width, 80)
    assert sum(line.count("every") for line in table) == 20


def test_what_is_not_as_expected_is_shown(made):
    wrong = copy.deepcopy(made)
    wrong["statements"][0]["status"] = "UNDECIDED"
    wrong["statements"][0]["reason"] = "step 3 fails"
    shown = lines(wrong)
    assert "expected PROVED" in shown[1]
    assert "not as expected: 1" in shown and "  T-1 is UNDECIDED, expected PROVED: step 3 fails" in shown
    assert "undecided or assumed: 1" in shown
    styles = {style for text, style in report.table(wrong)[1] if text.startswith("UNDECIDED")}
    assert styles == {"bad"}


def test_proved_given_assumed_is_counted_apart(made):
    given = copy.deepcopy(made)
    given["statements"][1]["given"] = ["X-1"]
    assert "statements: 1 PROVED, 1 PROVED given 1 assumed, 1 REFUTED" in lines(given)
    assert "given 1 assumed" in lines(given)[3]


def test_left_out_is_listed(made):
    less = {**made, "left_out": [{"label": "T-1/on_data", "reason": "tensorly is not installed"}]}
    assert "left out: T-1/on_data: tensorly is not installed" in lines(less)


def test_an_explanation_names_every_step_and_rule(made):
    (entry,) = [e for e in made["statements"] if e["label"] == "T-1"]
    text = report.plain(report.explanation(entry))
    for needed in ("T-1  PROVED", "[rate]", "[zero-derivative]", "rule: rate, zero-derivative", "unequal_speeds"):
        assert needed in text
    assert "d/dt [‖ u_(· r) ‖² - ‖ v_r ‖²] = 0" in text


def test_a_counterexample_is_shown_in_exact_numbers(made):
    (entry,) = [e for e in made["statements"] if e["label"] == "T-1"]
    (control,) = [c for c in entry["controls"] if c["outcome"] == "REFUTED"]
    for text in (
        report.plain(report.explanation(entry)),
        report.plain(report.control_explanation(control)),
    ):
        for needed in ("m = 1, R = 1, n = 1", "u = [[1]]", "v = [[2]]", "gradient = [[1]]"):
            assert needed in text
        assert "the derivative of the quantity is not 0: 4 (its greatest entry, in absolute value)" in text
    (entry,) = [e for e in made["statements"] if e["label"] == "T-4/printed"]
    text = report.plain(report.explanation(entry))
    assert "counterexample" in text and "u = [[" in text and "no controls" in text


def test_arrays_are_nested_rows_and_long_ones_shortened():
    def array(*shape: int):
        return encode(Array(shape, tuple(Fraction(k, 2) for k in range(prod(shape)))))

    assert record.array_text(array()) == "0"
    assert record.array_text(array(3)) == "[0, 1/2, 1]"
    assert record.array_text(array(2, 1, 2)) == "[[[0, 1/2]], [[1, 3/2]]]"
    short = record.array_text(array(5, 4), most=4)
    assert short == "[0, 1/2, ...] (20 entries, row by row, of shape 5 x 4)"


def test_a_statement_without_locator_and_scope_leaves_nothing_dangling(made):
    bare = copy.deepcopy(made["statements"][0])
    bare["source"] = {"key": "own work", "locator": ""}
    bare["scope"] = ""
    lines = report.plain(report.explanation(bare)).splitlines()
    assert lines[0].endswith("own work") and not any(line.strip() == "for" for line in lines)


def test_hints_carry_the_paths(made):
    wrong = copy.deepcopy(made)
    wrong["statements"][0]["status"] = "UNDECIDED"
    text = report.plain(report.footer(wrong, paths=["a b.py"]))
    assert "(theorytest explain --path 'a b.py' --findings)" in text
    assert "more: theorytest explain --path 'a b.py' 'T-1'" in text


# -- LaTeX -------------------------------------------------------------------------------------------------------------

flow = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
X, Y = DEEP_MATRIX.letters(flow.focus).values()
x = Variable("x")


@pytest.mark.parametrize(
    ("claim", "shown", "text"),
    [
        (
            Conserved((X["a", "i"] * X["a", "j"]).sum("a"), flow),
            r"\frac{d}{dt} \left[ \sum_{p} W^{(l+1)}_{p i} W^{(l+1)}_{p j} \right] = 0",
            "d/dt [Σ_p W[l+1]_(p i) W[l+1]_(p j)] = 0",
        ),
        (
            Conserved((Y["i", "c"] * Y["i", "c"]).sum("i", "c"), Descent(flow)),
            r"\Delta \left[ \left\lVert W^{(l)} \right\rVert^{2} \right] = 0 \quad "
            r"\text{in one step of gradient descent}",
            "Δ",
        ),
        (SameSize("d_out", "d_in"), r"d_{\mathrm{out}} = d_{\mathrm{in}}", "d_(out) = d_(in)"),
        (AtLeast("L", 2), r"L \ge 2", "L ≥ 2"),
        (Identity(x**2 - Fraction(1, 2), sqrt(x)), r"x^{2} - \frac{1}{2} = \sqrt{x}", "x² - 1/2 = √(x)"),
        (Identity(Ln(x) / x, Exp(-x)), r"\frac{\ln x}{x} = e^{-x}", "(ln x)/x = e^(-x)"),
        (Limit(x**-1, "x", Fraction(0)), r"\lim_{x \to \infty} \left(\frac{1}{x}\right) = 0", "lim_(x → ∞) (1/x) = 0"),
        (Where((), AtLeast("L", 2)), r"L \ge 2", "L ≥ 2"),
        (
            Where((Inequality(x, "<", 2 * x),), Inequality(x, "<", 2 * x)),
            r"\text{suppose} \; x < 2 x",
            "suppose x < 2 x",
        ),
        (
            Evolution("t", (("x", Exp(2 * Ln(x))),), (), (Inequality(x, "<=", x),), (Where((), Identity(x, x)),)),
            r"x = x \quad \text{as long as} \; \frac{d}{dt} x = x^{2} ,\; x \le x",
            "x = x as long as d/dt x = x² , x ≤ x",
        ),
        (Evolution("t", (), (), (), (Where((), Identity(x, x)),)), "x = x", "x = x"),
        (All((AtLeast("L", 2), AtLeast("N", 3))), r"L \ge 2 ,\qquad N \ge 3", "L ≥ 2 , N ≥ 3"),
        (Identity(constant(0), Tensor("η", ())() * -1), r"0 = -\eta", "0 = -η"),
    ],
)
def test_claims_are_readable(claim, shown, text):
    assert latex.claim(claim) == shown
    assert report.readable(shown).startswith(text) if text == "Δ" else report.readable(shown) == text


def test_every_claim_of_the_proofs_has_balanced_latex():
    from theorytest import loader

    library = loader.load([Path(report.__file__).parents[1] / "proofs"])
    shown = [latex.claim(e.statement.claim) for e in library.entries.values()]
    shown += [latex.claim(c.statement.claim) for e in library.entries.values() for c in e.controls]
    shown += [latex.claim(a.formula) for e in library.entries.values() for a in e.statement.assumptions if a.formula]
    assert len(shown) > 30
    for text in [*shown, latex.claim(SliceTruncation(factor=Fraction(4), dimension=0, strict=False))]:
        assert text.count("{") == text.count("}")
        assert len(re.findall(r"\\left(?![a-z])|\\left(?=\\)", text)) == len(re.findall(r"\\right(?![a-z])", text))
        assert text.replace(r"\left", "").count(r"\big") == text.count(r"\bigotimes")
        assert "~" not in text and "∇" not in text and "η" not in text


def test_an_unknown_claim_is_not_hidden():
    class Strange:
        def __str__(self):
            return "strange"

    assert latex.claim(Strange()) == r"\text{strange}"
