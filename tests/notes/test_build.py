import json

import pytest
from click.testing import CliRunner

from theorytest.cli import cli, main
from theorytest.errors import InputError
from theorytest.notes import build


def run(*arguments):
    return CliRunner().invoke(cli, list(arguments), standalone_mode=False)


def test_formats():
    assert build.formats("pdf, html,pdf") == ("pdf", "html")
    for bad in ("", "docx", "html;pdf"):
        with pytest.raises(InputError, match="--format is a list of html, latex, pdf; given"):
            build.formats(bad)


def test_notes_of_a_record(made, proofs, tmp_path):
    pytest.importorskip("pypandoc", reason="needs the extra notes")
    pytest.importorskip("typst", reason="needs the extra notes")
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    record = tmp_path / "my run.json"
    record.write_text(json.dumps(made))
    out = tmp_path / "out" / "deep"
    shown = run(
        "notes", str(proofs), "--record", str(record), "--out", str(out), "--json", str(tmp_path / "files.json")
    )
    assert shown.exception is None, shown.output
    names = ["notes.html", "notes.pdf", "latex/notes-body.tex", "latex/notes.tex"]
    assert [str(out / name) for name in names] == json.loads((tmp_path / "files.json").read_text())["files"]
    assert all((out / name).stat().st_size for name in (*names, "record.json", "latex/theorytest.sty"))
    assert len(list((out / "latex" / "figures").iterdir())) == 4
    page = (out / "notes.html").read_text()
    assert "T: Two matrices" in page and 'id="T-3"' in page, "the inventory and the papers beside the proofs"
    assert run("recheck", str(out / "record.json")).exception is None, "as the notes say"


def test_notes_of_ones_own_proofs(tmp_path, monkeypatch):
    pytest.importorskip("pypandoc", reason="needs the extra notes")
    monkeypatch.chdir(tmp_path)
    assert run("new", "mine").exception is None
    shown = run("notes", "mine/proofs", "--format", "html", "--out", "here")
    assert shown.exception is None, shown.output
    assert "controls: 1 of 1 refuted" in shown.output and "wrote here/notes.html" in shown.output
    assert 'id="Mine-1"' in (tmp_path / "here" / "notes.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "word"), "--format is a list of html, latex, pdf; given 'word'"),
        (("--record", "nothing.json"), "cannot read nothing.json"),
        (("--record", "half.json", "--format", "html"), "this is not a complete record"),
        (("--record", "half.json", "--out", "half.json/x"), "cannot make the folder half.json/x"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "half.json").write_text('{"schema": 1, "statements": [{"label": "x"}]}')
    with pytest.raises(SystemExit) as stopped:
        main(["notes", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_missing_extras_are_named(monkeypatch, document):
    import sys

    from theorytest.notes import drawing, formulas, typeset
    from theorytest.notes.document import Plot, parts

    for name in ("pypandoc", "typst", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    plot = next(part for part in parts(document) if isinstance(part, Plot))
    for call, extra in (
        (lambda: formulas.to_mathml(["x"]), "notes"),
        (lambda: typeset.figure_pdf("<svg/>"), "notes"),
        (lambda: drawing.plot(plot), "plots"),
    ):
        with pytest.raises(InputError, match=rf"pip install 'theorytest\[{extra}\]'"):
            call()
