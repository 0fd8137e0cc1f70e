import gzip
import re
from html.parser import HTMLParser

from theorytest.notes import document as d


class Reader(HTMLParser):
    """Identifiers, links, addresses, and whether tags are closed."""

    VOID = ("meta", "input", "wbr", "br", "path", "use", "rect", "circle", "stop")

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.addresses, self.open, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.addresses += [v for k, v in attributes if k in ("src", "href", "xlink:href", "action", "srcset") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, self.getpos()


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole(page, document):
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(d.anchors(document)) <= set(reader.ids)
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)


def test_the_page_needs_no_network(page):
    reader = read(page)
    assert all(address.startswith("#") for address in reader.addresses), reader.addresses
    assert not re.search(r"url\((?!data:|#)", page) and "@import" not in page
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert all(a.startswith("http://www.w3.org/") for a in addresses), "names of vocabularies only"


def test_every_formula_is_mathematics(page, document):
    reader = read(page)
    assert reader.tags.count("math") >= len(d.formulas(document))
    assert "merror" not in reader.tags and "\\frac" not in re.sub(r'data-tex="[^"]*"', "", page)


def test_text_is_text(page):
    assert "&lt;b&gt;" in page and "100% of " in page and "Zoë Öß" in page and "A. N. Author &amp;" in page


def test_statuses_are_words_and_shapes(page):
    for status in ("PROVED", "REFUTED", "finding", "missing"):
        assert re.search(rf'class="badge {status}[^>]*><svg class="shape".*?</svg>{status}</span>', page)


def test_plots_follow_the_theme_and_have_names_of_their_own(page):
    assert page.count("var(--curve-1)") >= 3 and "#2a6fb0" not in page.partition("</style>")[2]
    assert page.count("<figure") == 4


def test_it_is_small(page):
    assert len(gzip.compress(page.encode())) < 500_000, "fonts and all"
