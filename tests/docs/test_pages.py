"""Every code block of the documentation runs as it stands.

Blocks of a page run in order, in one empty folder: ``python`` with a title is written to a file of that name,
``python`` without one is executed, the lines of ``console`` that start with $ are commands. ``text`` is for what a
machine prints and for what cannot run here (installation, a GPU).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if re.search(r"^```(python|console)", page.read_text(), re.MULTILINE)
]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> Path:
    """One command of a console; the folder afterwards."""
    command, _, note = command.partition("  #")
    words = shlex.split(command)
    if words[0] == "cd":
        return folder / words[1]
    programs = {"theorytest": [sys.executable, "-m", "theorytest.cli"], "pytest": [sys.executable, "-m", "pytest"]}
    assert words[0] in programs, f"{command}: only theorytest, pytest and cd run here"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(
        [*programs[words[0]], *words[1:]], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    expected = int(re.sub(r"\D", "", note) or 0)
    assert made.returncode == expected, f"$ {command}\n{made.stdout}{made.stderr}"
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "theorytest notes" in page.read_text():
        pytest.importorskip("pypandoc", reason="needs the extra notes")
        pytest.importorskip("typst", reason="needs the extra notes")
    folder, names = tmp_path, {"__name__": "page"}
    for language, options, code in FENCE.findall(page.read_text(encoding="utf-8")):
        title = re.search(r'title="([^"]+)"', options)
        monkeypatch.chdir(folder)
        if language == "python" and title:
            (folder / title[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / title[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            exec(compile(code, str(page), "exec"), names)
        elif language == "console":
            for line in code.splitlines():
                assert line.startswith("$ "), (
                    f"{page.name}: {line!r} is no command; what a command prints is a block of text"
                )
                folder = run(line[2:], folder)
        else:
            assert language in ("text", "toml", "json"), f"{page.name}: a block of {language} would not be tested"


def test_the_notebook_runs_and_shows_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots").use("agg")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "examples" / "certified_plot.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    drawn = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("plt.show()", "plt.close()"), names)
            drawn += any(
                "image/svg+xml" in o.get("data", {}) or "image/png" in o.get("data", {}) for o in cell["outputs"]
            )
            assert not any(o["output_type"] == "error" for o in cell["outputs"])
    assert drawn == 1, "the plot is in the file, for those who only read it"
    boxes = names["boxes"]
    assert isinstance(boxes, list) and all(low < high and high - low < 1 for _, _, low, high in boxes)
    assert all(max(one[2], other[2]) <= min(one[3], other[3]) for one, other in pairwise(boxes))


def test_pages_that_are_linked_exist() -> None:
    """Strictly, as the site is built; this part needs nothing installed."""
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).resolve().exists(), f"{page.name}: {target}"
    for target in re.findall(r": ([\w/.-]+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE):
        assert (DOCS / target).exists(), target


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "theorytest new balance" in re.sub(r"<[^>]+>", "", index)
    assert "data:image/" in (tmp_path / "site" / "examples" / "certified_plot.html").read_text(encoding="utf-8")
    reference = (tmp_path / "site" / "reference.html").read_text(encoding="utf-8")
    for name in ("Statement", "GradientFlow", "control", "conservation_laws", "Conserved"):
        assert f">{name}<" in reference or f"{name}" in reference
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?:[^\s\">]+)", index)
    assert loaded == [], "nothing is loaded from a network"
