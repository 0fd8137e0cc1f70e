"""`theorytest new`: the project works at once, both ways."""

import json
import tomllib
from pathlib import Path

import pytest

from theorytest.errors import InputError
from theorytest.project import create


def test_a_new_project_works_at_once(tmp_path: Path, shell):
    done = shell.command("new", "my_theory", "--json", "new.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "new.json").read_text())["name"] == "my_theory"
    folder = tmp_path / "my_theory"
    done = shell.command("verify", "--json", "record.json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "statements: 1 PROVED" in done.stdout and "controls: 1 of 1 refuted" in done.stdout
    assert shell.command("recheck", "record.json", cwd=folder).returncode == 0
    done = shell.pytest("-q", cwd=folder)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    assert "statements: 1 PROVED" in done.stdout
    done = shell.command("explain", "Mytheory-1", cwd=folder)
    assert done.returncode == 0 and "[zero-derivative]" in done.stdout


def test_a_wrong_law_fails_both_ways(tmp_path: Path, shell, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create("demo")
    file = tmp_path / "demo" / "proofs" / "first.py"
    text = file.read_text()
    file.write_text(text.replace('.sum("a") - (v', '.sum("a") + (v'))
    assert file.read_text() != text
    assert shell.command("verify", cwd=tmp_path / "demo").returncode == 1
    assert shell.pytest("-q", cwd=tmp_path / "demo").returncode == 1


def test_files(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = create("demo-2")
    assert {str(f) for f in made} == {
        f"demo-2/{name}"
        for name in (
            "pyproject.toml",
            "README.md",
            ".gitignore",
            "proofs/first.py",
            ".github/workflows/theorytest.yml",
        )
    }
    assert all("{name}" not in f.read_text() and "{key}" not in f.read_text() for f in made)
    assert tomllib.loads((tmp_path / "demo-2" / "pyproject.toml").read_text())["project"]["name"] == "demo-2"


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", "1a", ".a", "é"])
def test_names_that_are_refused(tmp_path: Path, monkeypatch, name: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no name for a project"):
        create(name)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create("demo")
    with pytest.raises(InputError, match="demo exists already"):
        create("demo")
