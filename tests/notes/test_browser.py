"""The page in a real browser, where there is one: what it asks of the network, what it says on the console, whether
everything is drawn, and whether it is accessible."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra dev")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(page, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "notes.html"
    file.write_text(page, encoding="utf-8")
    return file.as_uri()


def look(browser, address, *, width=1280, scheme="light", anchor=""):
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.seen = []
    tab.on("console", lambda message: tab.seen.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: tab.seen.append(f"error: {error}"))
    tab.on(
        "request", lambda request: tab.seen.append(request.url) if not request.url.startswith(("data:", "file:")) else 0
    )
    tab.goto(address + anchor)
    tab.evaluate("document.fonts.ready")
    return tab


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_it_is_drawn_without_a_word_to_anyone(browser, address, width, scheme):
    tab = look(browser, address, width=width, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.seen == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, "the page itself never scrolls sideways"
    boxes = (
        "[...document.querySelectorAll('math')].map((m) => m.getBoundingClientRect()).map((b) => [b.width, b.height])"
    )
    sizes = tab.evaluate(boxes)
    assert len(sizes) > 20 and all(w > 0 and h > 0 for w, h in sizes), "every formula is drawn"
    fonts = tab.evaluate("[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)")
    assert '"Notes Math"' in fonts or "Notes Math" in fonts
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(browser, address, scheme):
    axe = pytest.importorskip("axe_core_python", reason="needs the extra dev")
    tab = look(browser, address, scheme=scheme)
    tab.add_script_tag(content=(Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    tab.close()


def test_links_lead_to_statements_also_inside_of_what_is_folded(browser, address):
    tab = look(browser, address, anchor="#T-3")
    row = tab.locator("[id='T-3']")
    assert row.is_visible() and tab.evaluate("document.querySelector('[id=\"T-3\"]').getBoundingClientRect().top") < 900
    tab.locator(".graph a[data-name='T-1/again']").click()
    assert tab.url.endswith("#T-1/again")
    tab.close()


def test_find_and_theme(browser, address):
    tab = look(browser, address)
    tab.locator(".find input").fill("sum conserved")
    shown = tab.evaluate(
        "[...document.querySelectorAll('nav ul ul li:not([hidden]) a')].map((a) => a.textContent.trim())"
    )
    assert "T-2/printed" in shown and "T-1" not in shown
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.locator("button.theme").click()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.close()
