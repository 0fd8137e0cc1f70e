import re
import xml.etree.ElementTree as ElementTree

import pytest

from theorytest.errors import InputError
from theorytest.latex import letters, lines

pytest.importorskip("pypandoc", reason="needs the extra notes")

from theorytest.notes.formulas import to_mathml, to_typst

SAMPLES = [
    r"\frac{d}{dt} \left[ \left\lVert w^{(m)}_{r} \right\rVert^{2} - \sum_{p} W^{(l)}_{i p} \right] = 0",
    r"\operatorname{sign} \det W(t) = \operatorname{sign} \det W(0)",
    r"\begin{pmatrix} w & 1 \\ 1 & 0 \end{pmatrix}",
    r"x \le 2 \ln 2 \quad \text{where} \; x > 0",
    r"\gamma_r = \frac{\left\langle -\nabla L , \; \bigotimes_{n} w^{(n)}_r \right\rangle}{P_r}",
    r"\left( p, q \right) \mapsto \left( p s, q s + p \right) \; \text{at each further one}",
    r"\left\{ x : x \in \left[0, \infty\right) \right\} = \left(0, 1\right]",
    r"\mathrm{erank}(W) = \exp \left(-\left|x\right|\right)",
    "x",
]


def test_every_formula_becomes_mathml():
    made = to_mathml(SAMPLES)
    assert list(made) == SAMPLES
    for shown in made.values():
        tree = ElementTree.fromstring(f"<p>{shown.replace('<wbr>', '<wbr/>')}</p>")
        assert {e.tag for e in tree.iter()} <= {
            *("p", "span", "wbr", "math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msqrt", "msub"),
            *("msup", "msubsup", "munder", "munderover", "mover", "mtable", "mtr", "mtd"),
        }


def test_long_formulas_break_before_signs():
    (shown,) = to_mathml([SAMPLES[0]]).values()
    assert shown.startswith('<span class="pieces">') and shown.count("<wbr>") == 1
    assert re.search(r'<wbr><math><mo form="infix">=</mo>', shown)
    (short,) = to_mathml(["x = 1"]).values()
    assert "<wbr>" not in short
    (listed,) = to_mathml([r"\text{where} \; x > 0 ,\; y + z \le 1 ,\; z < 2"]).values()
    assert listed.count("<mo>,</mo></math><wbr>") == listed.count("<wbr>") == 2, "a list breaks after its commas"


def test_names_of_functions_have_room_and_norms_have_none():
    (shown,) = to_mathml([r"2 \ln 2"]).values()
    assert shown.count('<mspace width="0.17em"></mspace>') == 2
    (shown,) = to_mathml([r"\left\lVert w \right\rVert"]).values()
    assert '<mo form="prefix">‖</mo>' in shown and '<mo form="postfix">‖</mo>' in shown


def test_typst_sets_every_formula():
    typst = pytest.importorskip("typst", reason="needs the extra notes")
    made = to_typst(SAMPLES)
    typst.compile("\n\n".join(f"$display({text})$" for text in made.values()).encode())
    assert "norm(" in made[SAMPLES[0]] and "∥" not in made[SAMPLES[0]]


@pytest.mark.parametrize("convert", [to_mathml, to_typst])
def test_what_pandoc_cannot_read_is_one_clear_line(convert):
    with pytest.raises(InputError, match=r"pandoc cannot typeset a formula: .*nonsense"):
        convert([r"x = \nonsense{1}"])


def test_no_formula_is_no_work():
    assert to_mathml([]) == {} and to_typst([]) == {}


def test_lines_are_cut_outside_of_brackets_only():
    claim = r"a = \left( x \quad y \right) \quad \text{where} \; " + "z + " * 40 + r"z ,\qquad b = {u \qquad v}"
    assert [line[:5] for line in lines(claim)] == ["a = \\", "\\text", "b = {"]
    assert lines(r"x = 1 ,\qquad y = 2") == [r"x = 1 ,\qquad y = 2"], "short ones stay together"
    assert letters(r"\frac{\alpha}{2}") < 9
