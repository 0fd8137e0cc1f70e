"""The inventory of the papers, and coverage from a record."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from theorytest.blueprint import Entry, control_summary, controlled, coverage, has_control, inventory, summary
from theorytest.cli import cli
from theorytest.errors import InputError

SHIPPED = Path(__file__).parent.parent / "proofs" / "inventory.toml"


def stated(claim: str, assumptions: dict[str, str | None]) -> dict[str, Any]:
    """What a record says of a claim under assumptions: label -> formula (None: in words alone)."""
    return {
        "claim": claim,
        "assumptions": [{"label": label, "text": f"{label}!", "formula": f} for label, f in assumptions.items()],
    }


def statement(
    label: str,
    id_: str,
    status: str = "PROVED",
    reason: str = "",
    *,
    assumptions: dict[str, str | None] | None = None,
    controls: tuple[dict[str, Any], ...] = (),
    cites: tuple[str, ...] = (),
) -> dict[str, Any]:
    rests = [{"what": "kernel", "ref": "theorytest.kernel"}, *({"what": "statement", "ref": name} for name in cites)]
    made = {"id": id_, "label": label, "kind": "lemma", "status": status, "scope": "all", "reason": reason}
    claim = stated("1 <= 2", assumptions or {})
    return made | {"rests_on": rests, "statement": claim, "controls": list(controls)}


def control(
    name: str, breaks: str, assumptions: dict[str, str | None], *, claim: str = "1 <= 2", outcome: str = "REFUTED"
) -> dict[str, Any]:
    return {"label": name, "breaks": breaks, "outcome": outcome, "statement": stated(claim, assumptions)}


def entry(id_: str, *parts: str) -> Entry:
    return Entry(id_, "P", "lemma", ("SYM",), "title", parts)


def test_the_shipped_inventory_is_complete():
    entries = inventory(SHIPPED)
    papers = [e.paper for e in entries]
    assert {paper: papers.count(paper) for paper in set(papers)} == {"RC20": 52, "RMC21": 61, "HKA24": 51}
    assert all(e.id.startswith(e.paper + "-") and e.title and e.kind for e in entries)


def test_statuses():
    record = {
        "statements": [
            statement("P-1", "P-1"),
            statement("P-1/other", "P-1", "REFUTED"),
            statement("P-2/a", "P-2"),
            statement("P-2/b", "P-2"),
            statement("P-3/part", "P-3"),
            statement("P-4/a", "P-4"),
            statement("P-4/b", "P-4", "REFUTED"),
            statement("P-5", "P-5", "UNDECIDED", "open"),
        ]
    }
    entries = [
        entry("P-1"),
        entry("P-2", "P-2/a", "P-2/b"),
        entry("P-3"),
        entry("P-4", "P-4/a", "P-4/b"),
        entry("P-5"),
        entry("P-6"),
    ]
    rows = coverage(record, entries)
    assert [row["status"] for row in rows] == ["PROVED", "PROVED", "UNDECIDED", "UNDECIDED", "UNDECIDED", ""]
    assert rows[0]["labels"] == ["P-1", "P-1/other"] and len(rows[0]["rests_on"]) == 1
    assert "only parts" in rows[2]["reason"] and "differ" in rows[3]["reason"]
    assert rows[4]["reason"] == "open" and rows[5]["reason"] == "no statement has this id"
    figure = Entry("P-7", "P", "figure", ("STAT",), "title")
    assert coverage(record, [figure])[0]["reason"].endswith("its experiment: theorytest reproduce P-7")
    assert summary(rows) == ["P: 6 statements: 2 PROVED, 3 UNDECIDED, 1 missing"]
    partly = [row | {"in_words": "the rest"} if row["id"] in ("P-1", "P-4") else row for row in rows]
    assert [row["status"] for row in rows if row["id"] in ("P-1", "P-4")] == ["PROVED", "UNDECIDED"]
    assert summary(partly)[1:] == ["of these a part is argued in words, or assumed, in 1: P-1"]


def counted(*statements: dict[str, Any]) -> dict[str, tuple[dict[str, list[str]], list[str]]]:
    """Per statement: the controls (or, after a ~, the cited statements) of each assumption, and those of the claim."""

    def names(found: dict[str, Any]) -> list[str]:
        return [*found["controls"], *(f"~{name}" for name in found["through"])]

    rows = controlled({"statements": list(statements)})
    return {r["label"]: ({a["label"]: names(a) for a in r["assumptions"]}, names(r["claim"])) for r in rows}


GIVEN = {"a": "0 < a", "b": "0 < b", "words": None}


def test_which_assumptions_have_a_control():
    dropped = control("drops a", "a", {"b": "0 < b", "words": None})
    changed = control("changes b", "constant", {"a": "0 < a", "b": "0 <= b", "words": None})
    renamed = control("renames a", "x", {"c": "0 < a", "b": "0 < b", "words": None})
    lemma = statement("lemma", "lemma", assumptions=GIVEN, controls=(dropped, changed, renamed))
    assert counted(lemma) == {"lemma": ({"a": ["drops a"], "b": ["changes b"], "words": []}, [])}


def test_a_control_of_another_claim_is_about_what_it_says_it_breaks():
    other = control("another claim", "a", {}, claim="2 <= 1")
    lemma = statement("lemma", "lemma", assumptions=GIVEN, controls=(other,))
    assert counted(lemma) == {"lemma": ({"a": ["another claim"], "b": [], "words": []}, ["another claim"])}


def test_words_count_as_they_are_written():
    reworded = control("reworded", "x", {"a": "0 < a", "b": "0 < b"})
    reworded["statement"]["assumptions"].append({"label": "words", "text": "weaker!", "formula": None})
    assert counted(statement("lemma", "lemma", assumptions=GIVEN, controls=(reworded,)))["lemma"][0] == {
        "a": [],
        "b": [],
        "words": ["reworded"],
    }


@pytest.mark.parametrize(("outcome", "counts"), [("REFUTED", True), ("finding", True), ("UNDECIDED", False)])
def test_only_controls_with_an_answer_count(outcome: str, counts: bool):
    lemma = statement("l", "l", assumptions={"a": "0 < a"}, controls=(control("c", "a", {}, outcome=outcome),))
    assert counted(lemma) == {"l": ({"a": ["c"] if counts else []}, [])}


def test_what_is_not_proved_needs_no_control():
    assert counted(statement("l", "l", "REFUTED", assumptions=GIVEN), statement("d", "d", "DEFINED")) == {}


def test_controls_of_cited_statements_stand_for_the_same_assumption():
    below = statement("below", "b", assumptions={"a": "0 < a"}, controls=(control("c", "a", {}),))
    constant = control("k", "constant", {"b": "0 < b"}, claim="2 <= 1")
    beside = statement("beside", "s", assumptions={"b": "0 < b"}, controls=(constant,), cites=("below",))
    other: dict[str, str | None] = {"another": "0 < a", "b": "0 < b"}
    above = statement("above", "a", assumptions=other, cites=("beside", "beside", "absent"))
    found = counted(above, beside, below)
    assert found["above"] == ({"another": ["~below"], "b": []}, ["~beside"])
    assert found["beside"] == ({"b": []}, ["k"])


def test_what_cites_nothing_borrows_nothing():
    below = statement("below", "b", assumptions={"a": "0 < a"}, controls=(control("c", "a", {}),))
    assert counted(below, statement("apart", "a", assumptions={"a": "0 < a"}))["apart"] == ({"a": []}, [])


def test_the_summary_names_what_has_no_control():
    given = {"a": "0 < a", "words": None}
    below = statement("below", "b", assumptions=given, controls=(control("c", "a", given, claim="2 <= 1"),))
    below["controls"][0]["statement"]["assumptions"].pop(0)
    apart = [statement(f"apart {n}", "a", assumptions={"b": "0 < b"}, cites=("below",)) for n in range(6)]
    rows = controlled({"statements": [below, *apart, statement("alone", "x")]})
    assert [has_control(row["claim"]) for row in rows] == [True] * 7 + [False]
    assert control_summary(rows) == [
        "assumptions with a control: 1 of 8 (of those with a formula: 1 of 7; 0 by those of cited statements); "
        "claims with a control: 7 of 8",
        "  no control: words (below)",
        "  no control: b (apart 0, apart 1, apart 2, apart 3 and 2 more)",
        "  no control: the claim (alone)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[[statement]]\nid = 'a'",
        "statement = 3",
        "nonsense",
        "[[statement]]\nid='a'\npaper='P'\nkind='k'\ncodes=['XYZ']\ntitle='t'",
        2 * "[[statement]]\nid='a'\npaper='P'\nkind='k'\ncodes=[]\ntitle='t'\n",
    ],
)
def test_bad_inventories(tmp_path: Path, text: str):
    file = tmp_path / "inventory.toml"
    with pytest.raises(InputError, match="no inventory"):
        inventory(file)
    file.write_text(text)
    with pytest.raises(InputError):
        inventory(file)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs" / "inventory.toml").write_text(
        "[[statement]]\nid='P-1'\npaper='P'\nkind='lemma'\ncodes=['SYM']\ntitle='A lemma'\n"
    )
    missing = CliRunner().invoke(cli, ["coverage"])
    assert missing.exit_code != 0
    (tmp_path / ".theorytest").mkdir()
    dropped = control("P-1/drops", "a", {"b": "0 < b"})
    lemma = statement("P-1", "P-1", assumptions={"a": "0 < a", "b": "0 < b"}, controls=(dropped,))
    (tmp_path / ".theorytest" / "0001.json").write_text(json.dumps({"schema": 1, "statements": [lemma]}))
    done = CliRunner().invoke(cli, ["coverage", "--json", "out.json"], standalone_mode=False)
    assert done.exception is None, done.exception
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["status"] for row in rows] == ["PROVED"]
    assert {"id", "paper", "kind", "codes", "status", "scope", "labels", "rests_on", "reason"} <= set(rows[0])
    assert rows[0]["controlled"] == controlled({"statements": [lemma]})
    lines = done.output.splitlines()
    assert lines[0].split() == ["PROVED", "P-1", "1/2", "A", "lemma"]
    assert lines[2].startswith("assumptions with a control: 1 of 2")
    assert lines[3:5] == ["  no control: b (P-1)", "  no control: the claim (P-1)"]
