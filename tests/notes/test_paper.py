import re
import shutil
import subprocess

import pytest

from theorytest.errors import InputError
from theorytest.notes import document as d

pytest.importorskip("pypandoc", reason="needs the extra notes")
pytest.importorskip("typst", reason="needs the extra notes")
pytest.importorskip("matplotlib", reason="needs the extra plots")

from theorytest.notes import tex, typeset


@pytest.fixture(scope="module")
def figures(document):
    return typeset.figures_of(document)


@pytest.fixture(scope="module")
def pdf(document, figures):
    return typeset.pdf(document, figures)


def test_pdf_embeds_its_fonts(pdf):
    pypdf = pytest.importorskip("pypdf", reason="needs the extra dev")
    import io

    reader = pypdf.PdfReader(io.BytesIO(pdf))
    fonts = {}
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            held = font.get_object()
            inner = held["/DescendantFonts"][0].get_object() if "/DescendantFonts" in held else held
            fonts[inner["/BaseFont"]] = inner["/FontDescriptor"].get_object()
    assert len(fonts) >= 3
    for name, descriptor in fonts.items():
        assert any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")), name
    text = "\n".join(page.extract_text() for page in reader.pages)
    for needed in ("Derivation notes", "T-1/again", "REFUTED", "theorytest recheck", "100%", "Zoë Öß"):
        assert needed in text, needed
    assert reader.metadata.title == "Derivation notes"


def test_pdf_links_lead_somewhere(pdf):
    pypdf = pytest.importorskip("pypdf", reason="needs the extra dev")
    import io

    reader = pypdf.PdfReader(io.BytesIO(pdf))
    links = [a.get_object() for page in reader.pages for a in page.get("/Annots", [])]
    assert len(links) > 10 and all("/Dest" in link or "/A" in link for link in links)


def test_figures_are_of_fixed_colours(figures):
    assert set(figures) == {"blueprint", "t-1-trajectory-drift", "t-1-trajectory-loss", "t-1-ratios-ratio"}
    for svg in figures.values():
        assert "var(" not in svg and "currentColor" not in svg and 'href="#T' not in svg
        assert typeset.figure_pdf(svg).startswith(b"%PDF")


def test_typst_says_in_one_line_what_is_wrong():
    with pytest.raises(InputError, match="typst cannot set the notes"):
        typeset.figure_pdf("this is no SVG")


def test_latex_is_ascii_and_balanced(document):
    body = tex.body(document)
    assert body.isascii()
    bare = re.sub(r"\\[{}\\]", "", body)
    assert bare.count("{") == bare.count("}")
    begun, ended = (re.findall(rf"\\{word}\{{([a-z]+)\}}", body) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    labels = re.findall(r"\\label\{([^}]*)\}", body)
    assert len(labels) == len(set(labels)) and {"T-1", "T-1/again", "T-2/printed"} <= set(labels)
    assert set(re.findall(r"\\hyperref\[([^]]*)\]", body)) <= set(labels)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("100% of $5 & #1 {x}_y", r"100\% of \$5 \& \#1 \{x\}\_y"),
        ("é ß ‖x‖² ≤ ε", r"\'{e} [U+00DF] $\|$x$\|$$^{2}$ $\le$ $\epsilon$"),
        ("a\N{NARROW NO-BREAK SPACE}b\N{EN SPACE}c\N{SNOWMAN}", "a~b c[U+2603]"),
        ("½ x⁻¹", "[U+00BD] x$^{-}$$^{1}$"),
        ("Ĝ ω̂ ⊙", r"\^{G} $\hat{\omega}$ $\odot$"),
    ],
)
def test_characters(text, shown):
    assert tex.escape(text).replace(r"$\varepsilon$", r"$\epsilon$") == shown


def test_formulas_in_ascii():
    assert tex.formula(r"\text{Ĝ} + ω̂_{r} = η") == (
        r"\text{\ensuremath{\hat{G}}} + \ensuremath{\hat{\ensuremath{\omega}}}_{r} = \ensuremath{\eta}"
    )


def test_a_stock_tex_sets_the_body(document, figures, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex here")
    (tmp_path / "figures").mkdir()
    for name, svg in figures.items():
        (tmp_path / "figures" / f"{name}.pdf").write_bytes(typeset.figure_pdf(svg))
    (tmp_path / "theorytest.sty").write_text(tex.style())
    (tmp_path / "body.tex").write_text(tex.body(document))
    (tmp_path / "notes.tex").write_text(tex.standalone(document, "body"))
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "notes.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert run.returncode == 0, run.stdout[-3000:]
    assert "undefined references" not in run.stdout and "multiply defined" not in run.stdout


def test_all_elements_have_a_form_everywhere():
    """A document of every element, so that none is forgotten in a writer."""
    blocks = (
        d.Paragraph(("text ", d.Code("x_y"), d.Strong("s"), d.Link("nowhere"), d.Badge("PROVED", True)), "fine"),
        d.Display("x = 1"),
        d.Items(((d.Paragraph(("item",)),),)),
        d.Table("caption", ("only",), (d.Row((("cell",),), "row"),)),
        d.Steps((d.Step("1", ("w",), "x", "r", ("0",), (d.Step("1.1", ("v",), "", "q"),)),)),
        d.Environment("weird", "name", (d.Listing(("a & b",)),)),
        d.More(("more",), (d.Paragraph(("inner",)),)),
        d.Graph("graph", (d.Node("a", "UNDECIDED", False, "t", "g"),), ()),
    )
    assert typeset.figure_pdf(
        typeset.figures_of(d.Document("", "", (d.Section("s", (), (d.Graph("", (), ()),)),)))["blueprint"]
    )
    document = d.Document("Title & more", "origin", (d.Section("s", ("section ", d.Formula("x")), blocks),))
    from theorytest.notes import html

    assert "cell" in html.render(document) and "cell" in tex.body(document)
    assert typeset.pdf(document, typeset.figures_of(document)).startswith(b"%PDF")
