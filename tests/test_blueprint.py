"""The inventory of the papers, and coverage from a record."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from theorytest.blueprint import Entry, coverage, inventory, summary
from theorytest.cli import cli
from theorytest.errors import InputError

SHIPPED = Path(__file__).parent.parent / "proofs" / "inventory.toml"


def statement(label: str, id_: str, status: str = "PROVED", reason: str = "") -> dict[str, Any]:
    rests = [{"what": "kernel", "ref": "theorytest.kernel"}]
    return {"id": id_, "label": label, "status": status, "scope": "all", "reason": reason, "rests_on": rests}


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
    assert summary(rows) == ["P: 6 statements: 2 PROVED, 3 UNDECIDED, 1 missing"]


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
    (tmp_path / ".theorytest" / "0001.json").write_text(
        json.dumps({"schema": 1, "statements": [statement("P-1", "P-1")]})
    )
    done = CliRunner().invoke(cli, ["coverage", "--json", "out.json"], standalone_mode=False)
    assert done.exception is None, done.exception
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["status"] for row in rows] == ["PROVED"]
    assert {"id", "paper", "kind", "codes", "status", "scope", "labels", "rests_on", "reason"} <= set(rows[0])
