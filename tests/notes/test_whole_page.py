"""The page of all three papers, as `make notes` writes it: in a real browser, and for one who has only the page."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from theorytest import blueprint, verify
from theorytest import record as records
from theorytest.notes import compose

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# What is like something before it, by its elements and classes and those around it, is taken out: axe takes minutes for
# all 365 000 elements of the page, and finds nothing in the hundredth derivation that it does not find in the first.
THE_LIKE_REMOVED = """() => {
  const seen = new Set();
  const name = (at) => at ? at.tagName + "." + (at.getAttribute("class") || "") : "";
  const fresh = (at) => {
    const up = at.parentElement;
    const mark = [at, up, up && up.parentElement].map(name).join("<");
    let found = !seen.has(mark);
    seen.add(mark);
    if (at.matches("math, svg.shape")) return found;
    for (const child of [...at.children]) found = fresh(child) || found;
    if (!found && at.matches("section, details, div, figure, p, li, tr, g, a.node, path")) at.remove();
    return found;
  };
  fresh(document.querySelector("main"));
  const there = (a) => document.getElementById(decodeURIComponent(a.getAttribute("href").slice(1)));
  for (const item of document.querySelectorAll("nav li")) if (!there(item.querySelector("a"))) item.remove();
  for (const a of document.querySelectorAll("main a[href]")) if (!there(a)) a.setAttribute("href", "#notes");
  return document.querySelectorAll("main *").length;
}"""


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A record of everything that ships: one that this kernel made before (`make verify`), or one made now."""
    ids, kernel = {entry.id for entry in blueprint.inventory()}, records.kernel_identity()["digest"]
    for file in sorted((ROOT / ".theorytest").glob("*.json"), key=os.path.getmtime, reverse=True):
        if file.stat().st_size < 1_000_000:
            continue
        made = json.loads(file.read_text(encoding="utf-8"))
        if made.get("environment", {}).get("kernel", {}).get("digest") == kernel and ids <= {
            statement["id"] for statement in made["statements"]
        }:
            return made
    return verify(ROOT / "proofs", workers=2, folder=tmp_path_factory.mktemp("everything")).record


@pytest.fixture(scope="session")
def whole(record: dict[str, Any]) -> str:
    pytest.importorskip("pypandoc", reason="needs the extra notes")
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from theorytest.notes import html

    titles = compose.papers(ROOT / "proofs" / "papers.toml")
    return html.render(compose.compose(record, blueprint.inventory(), titles, file="record.json"))


def part(page: str, anchor: str) -> str:
    """The text of a section, up to the next one."""
    inner = page.partition(f' id="{anchor}">')[2].partition("<section")[0]
    return re.sub(r"<[^>]+>", "", re.sub(r"<(annotation|script|style)\b.*?</\1>", "", inner, flags=re.DOTALL))


def test_it_is_small_enough_to_send(whole: str) -> None:
    data = whole.encode()
    assert len(data) < 15_000_000 and len(gzip.compress(data)) < 3_000_000


def test_every_statement_of_the_papers_has_its_place(whole: str) -> None:
    for entry in blueprint.inventory():
        assert f' id="{entry.id}"' in whole or any(f' id="{label}"' in whole for label in entry.parts), entry.id


def test_a_reader_who_has_only_the_page(whole: str, record: dict[str, Any]) -> None:
    """Which theorem is false as printed and why; what RC20 Theorem 1 rests on; how to check it again."""
    first = part(whole, "overview")
    assert "False as printed" in first and "HKA24-Cor4.4i/printed" in first
    assert "theorytest recheck record.json" in first
    why = part(whole, "false")
    assert "This part fails:" in why and "is 5 and the left side is 2025, less than the 5625/2 that is claimed" in why
    assert "What holds instead" in why and "the gradient" not in why.partition("HKA24-Cor4.4i/printed")[0]
    (theorem,) = [s for s in record["statements"] if s["label"] == "RC20-Thm1"]
    rests = part(whole, "RC20-Thm1").partition("Rests on ")[2].partition("Used by")[0]
    cited = [r["ref"] for r in theorem["rests_on"] if r["what"] == "statement"]
    assert cited and all(f"{label} " in rests for label in cited)
    assert "theorytest verify proofs/rc20/" in part(whole, "RC20-Thm1")


def test_nothing_of_the_keyboard_is_left_in_its_prose(whole: str) -> None:
    text = re.sub(r"<(math|pre|code|svg|script|style)\b.*?</\1>", "", whole, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", "", text)
    for leftover in ("(x)", "&lt;-grad", "&lt;grad", "sum'", " &lt;= ", " &gt;= "):
        assert leftover not in text, text[max(0, text.find(leftover) - 60) : text.find(leftover) + 60]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra dev")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(whole: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("whole") / "notes.html"
    file.write_text(whole, encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_in_a_browser(browser: Any, address: str, width: int, scheme: str) -> None:
    """All of it is drawn without a word to anyone, and it is accessible, in both themes."""
    axe = pytest.importorskip("axe_core_python", reason="needs the extra dev")
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.set_default_timeout(120_000)
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda r: said.append(r.url) if not r.url.startswith(("data:", "file:")) else None)
    tab.goto(address)
    tab.evaluate("document.fonts.ready")
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, "the page itself never scrolls sideways"
    drawn, empty = tab.evaluate(
        "(() => { const sizes = [...document.querySelectorAll('math')].map((m) => m.getBoundingClientRect());"
        " return [sizes.length, sizes.filter((b) => !(b.width > 0 && b.height > 0)).length]; })()"
    )
    assert drawn > 10_000 and empty == 0, "every formula is drawn"
    assert 1_000 < tab.evaluate(THE_LIKE_REMOVED) < 20_000
    tab.add_script_tag(content=(Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    for theme in (scheme, "dark" if scheme == "light" else "light"):
        tab.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(theme, v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    assert said == []
    tab.close()
