"""Making figures: files, resumption, processes, bad options; on a small version of RC20 Figure 1."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from theorytest.errors import InputError
from theorytest.reproduce import figure as catalogue
from theorytest.reproduce.engine import read_arrays
from theorytest.reproduce.figure import FIGURES, Fact, Figure, Options, Part, figure, spread
from theorytest.reproduce.figures import rc20_fig1
from theorytest.reproduce.figures.rc20_matrices import parts
from theorytest.reproduce.runner import Made, left_out, reproduce
from theorytest.reproduce.table import listing, listing_lines, made_lines, summary

pytest.importorskip("matplotlib", reason="the extra 'plots' is not installed")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Figure:
    """RC20 Figure 1 with two starts of each kind, a few thousand steps and a large threshold."""
    whole = figure("RC20-Fig1")

    def few(options: Options) -> list[Part]:
        settings = rc20_fig1._settings(options)
        return parts("RC20-Fig1", settings, count=2, steps=6000, stop=0.3, seed=options.seed)

    made = replace(whole, parts=few)
    monkeypatch.setattr(rc20_fig1, "_count", lambda options: 2)
    monkeypatch.setattr(
        "theorytest.reproduce.runner.figure", lambda name: made if name == "RC20-Fig1" else figure(name)
    )
    return made


def one(out: Path, **options) -> Made:
    (made,) = reproduce(["RC20-Fig1"], out=out, **options)
    return made


def test_a_figure_is_written_and_is_not_computed_twice(small: Figure, tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    made = one(tmp_path, progress=lambda *step: told.append(step))
    assert {path.name for path in made.files} == {"data.npz", "plot.png", "comparison.md", "result.json"}
    assert all(path.is_file() for path in made.files)
    assert (tmp_path / "RC20-Fig1" / "plot.png").read_bytes()[:4] == b"\x89PNG"
    assert made.seconds > 0 and told and told[-1][1] == 3
    result = json.loads((tmp_path / "RC20-Fig1" / "result.json").read_text())
    assert result == json.loads(json.dumps(made.to_json()))
    assert result["configuration"]["profile"] == "quick" and result["configuration"]["seed"] == 0
    assert {fact["verdict"] for fact in result["facts"]} <= {"holds", "does not hold", "open", "full size only"}
    assert all(a["violations"] == 0 and a["instances"] > 0 for a in result["theorems"])
    again = one(tmp_path)
    assert again.seconds == 0 and again.report.facts == made.report.facts
    assert one(tmp_path, seed=1).seconds > 0  # another seed is another computation
    text = "\n".join("".join(t for t, _ in line) for line in (*made_lines(made, width=100), *summary([made])))
    page = (tmp_path / "RC20-Fig1" / "comparison.md").read_text()
    everything = (tmp_path / "comparison.md").read_text()
    assert everything.endswith(page) and f"| RC20-Fig1 | {made.title} | quick |" in everything
    assert page.startswith("## RC20-Fig1: ") and page.count("\n| RC20-Thm1 |") == len(made.report.agreements)
    assert all(row.replace("\\|", "").count("|") in (6, 7) for row in page.splitlines() if row.startswith("|"))
    assert "published 1.84" in text and "RC20-Thm1" in text and "1 figure" in text


def test_workers_do_not_change_a_number(small: Figure, tmp_path: Path):
    alone, several = one(tmp_path / "a"), one(tmp_path / "b", workers=2)
    first, second = (read_arrays(made.files[0]) for made in (alone, several))
    assert first is not None and second is not None and set(first) == set(second)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_a_damaged_part_is_computed_again(small: Figure, tmp_path: Path):
    made = one(tmp_path)
    for path in (tmp_path / "parts").iterdir():
        path.write_bytes(b"PK")
    assert one(tmp_path).report.facts == made.report.facts


def test_without_matplotlib_all_but_the_plot_is_there(small: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    made = one(tmp_path)
    assert {path.name for path in made.files} == {"data.npz", "comparison.md", "result.json"}
    assert made.notes == ("no plot: matplotlib is not installed (pip install 'theorytest[plots]')",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ids": ["Figure one"]}, "there is no figure 'Figure one'; needed 'all' or one of RC20-Fig1, "),
        ({"ids": ["hka24-fig6"]}, r"there is no figure 'hka24-fig6' \(did you mean HKA24-Fig6"),
        ({"ids": []}, "given no figure"),
        ({"ids": ["RC20-Fig1"], "profile": "big"}, "profile"),
        ({"ids": ["RC20-Fig1"], "dtype": "int8"}, "needed float64 or float32"),
        ({"ids": ["RC20-Fig1"], "workers": 0}, "number of workers"),
        ({"ids": ["RC20-Fig1"], "target": "nowhere.npz"}, "--target nowhere.npz"),
        ({"ids": ["RC20-Fig1"], "data": "nowhere"}, "--data nowhere"),
    ],
)
def test_bad_options_are_one_clear_line(options, said: str, tmp_path: Path):
    with pytest.raises(InputError, match=said) as raised:
        list(reproduce(out=tmp_path, **options))
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"given --out .*file/out, needed a folder that can be written"):
        list(reproduce(["RC20-Fig1"], out=tmp_path / "file" / "out"))


def test_a_part_that_fails_in_a_process_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = figure("RC20-Fig1")
    broken = replace(made, parts=lambda options: [Part(f"p{k}", "rc20_matrices:nothing", {}) for k in range(2)])
    monkeypatch.setattr("theorytest.reproduce.runner.figure", lambda name: broken)
    with pytest.raises(InputError, match=r"p\d: the process that computed it ended with code 1"):
        one(tmp_path, workers=2)


def test_figures_without_their_package_are_left_out_of_all(monkeypatch: pytest.MonkeyPatch):
    assert left_out(["RC20-Fig2"]) == {}
    monkeypatch.setattr("theorytest.reproduce.figure.find_spec", lambda name: None)
    missing = left_out(["all"])
    assert {"RC20-Fig2", "RMC21-Fig4", "HKA24-Tab1"} <= set(missing) and "RC20-Fig1" not in missing
    assert missing["RC20-Fig2"] == "tensorly is not installed: pip install 'theorytest[data]'"
    assert "RMC21-Fig4" not in left_out(["all"], data="/some/folder")


def test_every_figure_is_listed():
    entries = listing()
    assert [entry["id"] for entry in entries] == list(FIGURES)
    assert all(entry["title"] and entry["parts"]["quick"] >= 1 for entry in entries)
    assert len(listing_lines(entries)) == len(FIGURES)
    for name in FIGURES:
        assert figure(name).id == name
        quick = figure(name).parts(Options())
        assert len({part.name for part in quick}) == len(quick)
        json.dumps([dict(part.arguments) for part in quick])


def test_the_command(small: Figure, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from theorytest.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["reproduce", *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    file = tmp_path / "all.json"
    code, out, err = run("RC20-Fig1", "--out", str(tmp_path / "out"), "-n", "1", "--json", str(file))
    assert (code, err) == (0, "") and "RC20-Thm1" in out and "1 figure; facts:" in out
    held = json.loads(file.read_text())
    assert held["schema"] == 1 and [entry["id"] for entry in held["figures"]] == ["RC20-Fig1"]
    code, out, err = run("list", "--json", str(file))
    assert code == 0 and out.count("\n") == len(FIGURES) == len(json.loads(file.read_text()))
    code, out, err = run("RC20-Fig3")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "(did you mean RC20-Fig" in err
    code, out, err = run("RC20-Fig1", "--device", "tpu")
    assert code == 2 and "needed one of cpu, cuda" in err


def test_verdicts():
    assert Fact("a", "1", "1", True).verdict == "holds"
    assert Fact("a", "1", "2", False).verdict == "does not hold"
    assert Fact("a", "1", "2", None, full_size=True).verdict == "full size only"
    assert Fact("a", "1", "2", None).verdict == "open"
    assert Fact("a", "1", "1", True, full_size=True).verdict == "holds (smaller size)"
    assert spread([]) == "none" and spread([2.0]) == "2" and spread([1, np.nan, 3]) == "2 (1 to 3, n = 2)"
    assert catalogue.floats(np.array([[1, 2]])) == (1.0, 2.0)
