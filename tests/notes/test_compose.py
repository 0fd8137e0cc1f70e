import copy
import re

import pytest

from theorytest.errors import InputError
from theorytest.notes import compose
from theorytest.notes import document as d


def words(value):
    """All text of a part of a document."""
    found = []
    for part in d.parts(value):
        if isinstance(part, d.Formula | d.Display):
            found.append(part.latex)
        elif isinstance(part, d.Code | d.Strong):
            found.append(part.text)
        elif isinstance(part, d.Link):
            found.append(part.text or part.anchor)
        elif isinstance(part, d.Badge):
            found.append(part.status)
        elif isinstance(part, d.Paragraph | d.More | d.Step | d.Section | d.Row):
            lines = (
                part.cells
                if isinstance(part, d.Row)
                else [getattr(part, n, ()) for n in ("line", "summary", "words", "title")]
            )
            found += [p for line in lines for p in line if isinstance(p, str)]
        elif isinstance(part, d.Environment):
            found += [part.kind, part.name]
        elif isinstance(part, d.Listing):
            found += part.lines
    return " ".join(found)


def section(document, anchor):
    (found,) = [p for p in d.parts(document) if isinstance(p, d.Section) and p.anchor == anchor]
    return found


def test_every_statement_and_every_id_of_the_inventory_is_an_anchor(document):
    assert {"T-1", "T-1/again", "T-2/printed", "T-2/repaired", "T-2", "T-3"} <= d.anchors(document)
    linked = {p.anchor for p in d.parts(document) if isinstance(p, d.Link)}
    assert linked <= d.anchors(document), "every link leads somewhere"


def test_a_statement_says_all_that_the_record_says(document, made):
    (entry,) = [e for e in made["statements"] if e["label"] == "T-1"]
    part = section(document, "T-1")
    text = words(part)
    for needed in (
        "theorem",
        "T, Theorem 1",
        "two matrices",
        "speed: ",
        "move at the same speed",
        "all sizes",
        "Used by",
    ):
        assert needed in text, needed
    assert entry["claim_latex"] in text
    steps = [p for p in d.parts(part) if isinstance(p, d.Step)]
    assert [s.rule for s in steps] == [s["rule"] for s in entry["steps"]]
    assert {f"rule-{s.rule}" for s in steps} <= d.anchors(document)
    assert (
        "theorytest explain T-1" in text
        and "theorytest verify" in text
        and entry["certificates"][0]["digest"][:12] in text
    )
    (control,) = [c for c in entry["controls"] if c["outcome"] == "REFUTED"]
    sizes = dict(control["certificate"]["payload"]["instance"]["sizes"])
    assert all(f"{name} = {size}" in text for name, size in sizes.items()), "the witness's exact numbers"
    assert "The derivative of the quantity is not 0" in text
    assert "20 instances" in text and "400 instances" in text
    assert part.badge == d.Badge("PROVED", True)


def test_what_it_rests_on_is_said_with_its_status(document):
    text = words(section(document, "T-1/again"))
    assert re.search(r"Rests on  *T-1", text) and "no controls" not in text


def test_what_is_false_as_printed_stands_first(document):
    overview = words(section(document, "overview"))
    assert "False as printed" in overview and "T-2/printed" in overview and "recheck 'my record.json'" in overview
    false = words(section(document, "false"))
    for needed in ("T-2/printed", "The sum is conserved", "Fails at", "What holds instead:", "T-2/repaired"):
        assert needed in false, needed
    assert "It is false." in words(section(document, "T-2/printed"))
    assert "Twice the law is a law as well." in words(section(document, "survivors"))
    assert "a minus sign (printed +)" in words(section(document, "differences"))


def test_curves_become_bands_and_histograms(document):
    plots = {p.name: p for p in d.parts(document) if isinstance(p, d.Plot)}
    band, line, histogram = (
        plots[name] for name in ("t-1-trajectory-drift", "t-1-trajectory-loss", "t-1-ratios-ratio")
    )
    assert band.axis == "t" and band.curves[0].name == "drift" and len(band.curves[0].high) == len(band.at) == 20
    assert line.curves[0].high == () and histogram.axis == "" and len(histogram.curves[0].values) == 400


def test_the_graph_has_what_is_missing_and_what_is_whole(document):
    (graph,) = [p for p in d.parts(document) if isinstance(p, d.Graph)]
    nodes = {n.anchor: n for n in graph.nodes}
    assert graph.edges == (("T-1", "T-1/again"),)
    assert nodes["T-3"].status == "missing" and nodes["T-1/again"].complete and not nodes["T-2/printed"].complete


def test_nothing_is_typed_by_hand(made):
    """Statuses, numbers and formulas are those of the record, whatever they are."""
    odd = copy.deepcopy(made)
    entry = odd["statements"][0]
    entry["status"] = "UNDECIDED"
    entry["reason"] = "nobody knows why"
    entry["claim_latex"] = r"\zeta = 17"
    entry["steps"][0]["text"] = "a step of another kind"
    for e in entry["evidence"]:
        e["instances"] = 123456
    document = compose.compose(odd)
    text = words(document)
    for needed in (
        r"\zeta = 17",
        "UNDECIDED",
        "Nobody knows why.",
        "a step of another kind",
        "123\N{NARROW NO-BREAK SPACE}456",
    ):
        assert needed in text, needed
    assert section(document, "T-1/again").badge == d.Badge("PROVED", False), "an ancestor is open"
    assert "T-1" in words(section(document, "open"))


def test_a_record_without_inventory_has_its_own_order(made):
    document = compose.compose(made)
    assert [s.anchor for s in section(document, "paper-T").sections] == [e["label"] for e in made["statements"]]
    assert not [p for p in d.parts(document) if isinstance(p, d.Node) and p.status == "missing"]


def test_long_derivations_go_to_an_appendix_on_paper(document):
    step = d.Step("1", ("w",), "x", "rule")
    long_ = d.Section("L", ("t",), (d.More(("sixteen steps",), (d.Steps((step,) * 16),)),))
    paper = d.printed(d.Document("t", "o", (long_,)))
    assert [s.anchor for s in paper.sections] == ["L", "derivations"]
    assert paper.sections[1].sections[0].anchor == "derivation-L"
    assert d.Link("derivation-L", "in the appendix") in paper.sections[0].blocks[0].line
    assert d.printed(d.Document("t", "o", ())).sections == ()


def test_papers_are_a_file_or_nothing(tmp_path):
    assert compose.papers(tmp_path / "papers.toml") == {}
    (tmp_path / "papers.toml").write_text("[X]\ntitle = 'no authors'\n")
    with pytest.raises(InputError, match=r"is not a list of papers.*needed authors, title, published"):
        compose.papers(tmp_path / "papers.toml")


def test_paper_leaves_out_what_nothing_connects():
    nodes = tuple(d.Node(name, "PROVED", True, name, "T") for name in "abc")
    graph = d.Graph("which", nodes, (("a", "b"),))
    assert [n.anchor for n in d.on_paper(graph).nodes] == ["a", "b"] and "left out" in d.on_paper(graph).caption
    for whole in (d.Graph("which", nodes, ()), d.Graph("which", nodes[:2], (("a", "b"),)), d.Graph("which", (), ())):
        assert d.on_paper(whole) == whole
