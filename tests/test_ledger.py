"""The ledger: numbered runs, every verdict at once, nothing overwritten, nothing lost."""

import json
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from theorytest import record
from theorytest.errors import InputError
from theorytest.ledger import Ledger
from theorytest.verification import verify


def environment(seed: int = 0):
    return record.environment(profile="quick", seed=seed, device="cpu", workers=1)


def rows(folder: Path, query: str):
    with closing(sqlite3.connect(folder / ".theorytest" / "ledger.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


@pytest.fixture
def project(tmp_path: Path, shell, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shell.project(tmp_path)


def test_every_verdict_and_all_evidence_is_there(project: Path):
    result = verify(seed=4)
    verdicts = {row["label"]: row for row in rows(project, "select * from verdicts")}
    assert {label: row["status"] for label, row in verdicts.items()} == {
        "T-1": "PROVED",
        "T-1/unequal_speeds": "REFUTED",
        "T-1/doubled": "finding",
        "T-3": "PROVED",
        "T-4/printed": "REFUTED",
    }
    law = next(e for e in result.record["statements"] if e["label"] == "T-1")
    assert verdicts["T-1"]["statement"] == law["digest"]
    assert json.loads(verdicts["T-1"]["certificates"]) == [law["certificates"][0]["digest"]]
    assert verdicts["T-1/unequal_speeds"]["parent"] == "T-1"
    assert json.loads(verdicts["T-1/unequal_speeds"]["shape"]) == {"u": [1, 1], "v": [1, 1]}
    (evidence,) = rows(project, "select * from evidence")
    assert (evidence["label"], evidence["holds"], evidence["instances"], evidence["seed"], evidence["shape"]) == (
        "T-1/on_instances",
        1,
        5,
        4,
        "1x1",
    )
    for row in rows(project, "select * from everything"):
        assert row["seed"] == 4 and row["time"] and row["shape"]
        assert "python-flint" in json.loads(row["versions"]) and json.loads(row["machine"])["cpus"]


def test_runs_are_numbered_and_never_overwritten(project: Path):
    first, second = verify(), verify()
    assert [r.path.name for r in (first, second)] == ["0001.json", "0002.json"]
    assert [row["number"] for row in rows(project, "select number from runs where finished is not null")] == [1, 2]
    (project / ".theorytest" / "ledger.sqlite").unlink()
    assert verify().path.name == "0003.json"
    (project / ".theorytest" / "0003.json").unlink()
    assert verify().path.name == "0004.json"


def test_an_export_in_the_way_is_not_overwritten(project: Path):
    ledger = Ledger()
    number = ledger.begin(environment())
    (project / ".theorytest" / f"{number:04d}.json").write_text("mine")
    with pytest.raises(InputError, match="never overwritten"):
        ledger.finish(number, [])
    assert (project / ".theorytest" / f"{number:04d}.json").read_text() == "mine"


def test_runs_at_once_get_numbers_of_their_own(tmp_path: Path):
    def begin(seed: int) -> int:
        return Ledger(tmp_path / ".theorytest").begin(environment(seed))

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(begin, range(40)))
    assert sorted(numbers) == list(range(1, 41))
    assert len(rows(tmp_path, "select distinct seed from runs")) == 40


def test_two_processes_at_once(project: Path, shell):
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda _: shell.command("verify", "-n", 1, cwd=project), range(2)))
    assert [d.returncode for d in done] == [0, 0], done
    assert [row["number"] for row in rows(project, "select number from runs where problems = 0")] == [1, 2]
    assert len(rows(project, "select * from verdicts")) == 10


def test_a_killed_run_loses_nothing_that_was_recorded(project: Path, shell):
    slow = "\n@swept(law)\ndef forever(run):\n    import time\n    time.sleep(600)\n"
    shell.project(project, shell.GOOD + slow)
    command = [sys.executable, "-c", "from theorytest.cli import main; main()", "verify", "-n", "1"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        database = project / ".theorytest" / "ledger.sqlite"
        while time.monotonic() < end:
            made = database.exists() and rows(project, "select name from sqlite_master where name = 'evidence'")
            if made and rows(project, "select * from evidence"):
                break
            time.sleep(0.1)
        process.kill()
    assert {row["label"] for row in rows(project, "select label from verdicts")} >= {"T-1", "T-1/unequal_speeds"}
    (evidence,) = rows(project, "select * from evidence")
    assert evidence["worst"] == "0" and evidence["label"] == "T-1/on_instances"
    assert rows(project, "select finished from runs") == [{"finished": None}]
    assert rows(project, "pragma integrity_check") == [{"integrity_check": "ok"}]
    shell.project(project)
    assert verify().path.name == "0002.json"


def test_left_out_is_recorded(project: Path, shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly", None)
    shell.project(project, shell.GOOD + "\n@swept(law)\ndef on_data(run):\n    import tensorly\n")
    verify()
    (row,) = rows(project, "select * from left_out")
    assert row["label"] == "T-1/on_data" and "[data]" in row["reason"]


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the ledger"):
        Ledger(tmp_path / "file")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    file = tmp_path / "record.json"
    record.write(file, {"a": 1})
    with pytest.raises(TypeError):
        record.write(file, {"a": object()})
    assert json.loads(file.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_compare_says_what_changed_and_why(project: Path, shell):
    old = verify().record
    assert record.compare(old, old) == []
    shell.project(project, shell.GOOD.replace("derive.conserved(uu - vv, flow)", "derive.conserved(uu, flow)"))
    new = verify().record
    found = {d.label: d for d in record.compare(old, new)}
    assert (found["T-1"].before, found["T-1"].after) == ("PROVED", "UNDECIDED")
    assert "a certificate was removed" in found["T-1"].why and "by_the_product_rule" in found["T-1"].why
    assert found["T-3"].after == "UNDECIDED" and set(found) == {"T-1", "T-3"}
    shell.project(project, shell.GOOD.replace("T-3", "T-5"))
    found = {d.label: d for d in record.compare(old, verify().record)}
    assert (found["T-5"].before, found["T-5"].why) == ("", "new")
    assert (found["T-3"].after, found["T-3"].why) == ("", "no longer checked")
