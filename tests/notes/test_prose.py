import pytest

from theorytest.notes.document import Code, Formula, Link, plain
from theorytest.notes.prose import prose


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("W_l^T is balanced", (Formula(r"W_{l}^{\top}"), " is balanced")),
        ("at most eps", ("at most ", Formula(r"\varepsilon"))),
        ("sigma_2 <= eta", (Formula(r"\sigma_{2}"), " ≤ ", Formula(r"\eta"))),
        ("P_r^(2/N)", (Formula("P_{r}^{2/N}"),)),
        ("V^(l+1)", (Formula("V^{(l+1)}"),)),
        ("loss^(-1/2)", (Formula(r"\mathrm{loss}^{-1/2}"),)),
        ("(g + 1)^(N-1)", ("(", Formula("g"), " + 1)", Formula("{}^{N-1}"))),
        ("||X||^2", ("‖", Formula("X"), "‖", Formula("{}^{2}"))),
        ("sum_n prod_{m != n} s", (Formula(r"\sum_{n}"), " ", Formula(r"\prod_{m \ne  n}"), " ", Formula("s"))),
        ("w[n] of w11", (Formula("w^{(n)}"), " of ", Formula("w_{11}"))),
        ("sqrt(loss), sqrt(s_1 s_2)", (Formula(r"\sqrt{\mathrm{loss}}"), ", ", Formula(r"\sqrt{s_{1} s_{2}}"))),
        ("α_r and δ_r", (Formula(r"\alpha_{r}"), " and ", Formula(r"\delta_{r}"))),
        ("x\u0302_{r_1} and x\u0302", (Formula(r"\hat{x}_{r_1}"), " and x\u0302")),
        ("2x2 - 1", ("2×2 − 1",)),
        ("`theorytest_paths` in a file", (Code("theorytest_paths"), " in a file")),
        ("see T-1/again.", ("see ", Link("T-1/again"), ".")),
        ("(T-1)", ("(", Link("T-1"), ")")),
        ("T-9 is unknown", ("T-9 is unknown",)),
        ("the paper's e.g. i.e. R2 I a", ("the paper's e.g. i.e. R2 I a",)),
        ("d/dt >= 0", (Formula("d/dt"), " ≥ 0")),
        ("W = G x_1 V", (Formula("W"), " = ", Formula("G"), " ", Formula(r"\times_{1}"), " ", Formula("V"))),
        ("|<v_r, \u0175_r>|", ("|⟨", Formula("v_{r}"), ", ", Formula(r"\hat{w}_{r}"), "⟩|")),
        ("<-grad, u (x) ... (x) v>", ("⟨−∇", Formula("L"), ", ", Formula("u"), " ⊗ … ⊗ ", Formula("v"), "⟩")),
        ("a < b, c > d", ("a < ", Formula("b"), ", ", Formula("c"), " > ", Formula("d"))),
        ("by_the_rule (f.py)", (Code("by_the_rule"), " (f.py)")),
        ("it is sum' of all", ("it is Σ′ of all",)),
        ("", ()),
    ],
)
def test_prose_reads_what_proof_files_write(text, shown):
    assert tuple(p for p in prose(text, {"T-1", "T-1/again"})) == tuple(p for p in shown if p)


def test_nothing_is_lost():
    text = "Kronecker product [of] 100% #tags & <angles> {braces} ~ ^ _ \\ $dollars$ \"quotes\" 'single'"
    assert plain(prose(text)) == text
