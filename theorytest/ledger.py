"""The evidence ledger: every verdict and every piece of evidence of every run, in ``.theorytest/ledger.sqlite``.

A row is written the moment a check is done, each in a transaction of its own (SQLite in WAL mode): killing a run at any
moment loses nothing that was recorded. Runs are numbered by the database, so that two runs at once get two numbers;
a run is never overwritten. ``NNNN.json`` beside the database is a finished run's export, its record.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from theorytest import record
from theorytest.errors import InputError

SCHEMA = """
create table if not exists runs (
    number integer primary key autoincrement,
    started text not null, finished text,
    profile text not null, seed integer not null, device text not null, workers integer not null,
    kernel text not null, versions text not null, machine text not null,
    problems integer
);
create table if not exists verdicts (
    run integer not null references runs (number),
    part text not null, label text not null, parent text not null,
    status text not null, expected text not null, statement text not null, certificates text not null,
    scope text not null, shape text not null, reason text not null,
    seed integer not null, seconds real not null, time text not null,
    unique (run, label)
);
create table if not exists evidence (
    run integer not null references runs (number),
    label text not null, parent text not null, arithmetic text not null,
    holds integer, instances integer not null, worst text not null, digits integer, shape text not null,
    detail text not null, error text not null, numbers text not null, series text not null,
    seed integer not null, device text not null, seconds real not null, time text not null,
    unique (run, label)
);
create table if not exists left_out (
    run integer not null references runs (number), label text not null, reason text not null, time text not null
);
create view if not exists everything as
    select 'verdict' as what, label, status as result, verdicts.seed, shape, versions, machine, time, run
        from verdicts join runs on run = number
    union all
    select 'evidence', label,
        case holds when 1 then 'holds' when 0 then 'violated' else 'open' end || ', worst ' || worst,
        evidence.seed, shape, versions, machine, time, run
        from evidence join runs on run = number;
"""


class Ledger:
    """The ledger in a folder, made where there is none. Raises `InputError` where the folder cannot be written."""

    def __init__(self, folder: str | Path = ".theorytest") -> None:
        self.folder = Path(folder)
        self.path = self.folder / "ledger.sqlite"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as connection:
                connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"cannot write the ledger {self.path}: {error}; run in a folder that can be written"
            ) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")  # survives a kill of the process; WAL stays consistent
        return connection

    def begin(self, environment: Mapping[str, Any]) -> int:
        """Start a run; its number. Numbers of records without a ledger (it was deleted, say) are not used again."""
        exported = [int(p.stem) for p in self.folder.glob("*.json") if p.stem.isdigit()]
        columns = "number, started, profile, seed, device, workers, kernel, versions, machine"
        values = (
            environment["started"],
            environment["profile"],
            environment["seed"],
            environment["device"],
            environment["workers"],
            environment["kernel"]["digest"],
            record.dumps(environment["versions"]).strip(),
            record.dumps({"python": environment["python"], **environment["machine"]}).strip(),
        )
        with closing(self._open()) as connection:
            connection.execute("begin immediate")
            row = connection.execute(
                "select max(coalesce((select seq from sqlite_sequence where name = 'runs'), 0), ?) + 1",
                (max(exported, default=0),),
            ).fetchone()
            connection.execute(
                f"insert into runs ({columns}) values (?, {', '.join('?' * len(values))})", (*row, *values)
            )
            connection.execute("commit")
        self._environment = dict(environment)
        return int(row[0])

    def add(self, run: int, fragments: Iterable[record.Fragment]) -> None:
        """Record what checks returned, now."""
        with closing(self._open()) as connection:
            connection.execute("begin immediate")
            for fragment in fragments:
                self._add(connection, run, fragment)
            connection.execute("commit")

    def _add(self, connection: sqlite3.Connection, run: int, fragment: record.Fragment) -> None:
        entry, label, time = fragment["entry"], fragment["label"], record.now()
        if fragment["left_out"]:
            connection.execute("insert into left_out values (?, ?, ?, ?)", (run, label, fragment["left_out"], time))
        if entry is None:
            return
        if fragment["part"] == "evidence":
            values = (
                *(run, label, fragment["parent"], entry["arithmetic"]),
                *(entry["holds"], entry["instances"], str(entry["worst"]), entry["digits"], record.shape_of(fragment)),
                *(entry["detail"], entry["error"], record.dumps(entry["numbers"]), record.dumps(entry["series"])),
                *(entry["seed"], entry["device"], entry["seconds"], time),
            )
            connection.execute(f"insert or replace into evidence values ({', '.join('?' * len(values))})", values)
            return
        statement = fragment["part"] == "statement"
        offered = entry["certificates"] if statement else [c for c in [entry["certificate"]] if c is not None]
        values = (
            *(run, fragment["part"], label, "" if statement else fragment["parent"]),
            *(entry["status"] if statement else entry["outcome"], entry["expected"], entry["digest"]),
            *(json.dumps([c["digest"] for c in offered]), entry.get("scope", ""), record.shape_of(fragment)),
            *(entry["reason"], self._environment["seed"], entry["seconds"], time),
        )
        connection.execute(f"insert or replace into verdicts values ({', '.join('?' * len(values))})", values)

    def finish(self, run: int, fragments: Sequence[record.Fragment]) -> tuple[Path, record.Record]:
        """Put the record together and export it; the file, and the record."""
        made = record.assemble(fragments, run=run, environment=self._environment)
        path = self.folder / f"{run:04d}.json"
        record.write(path, made, replace=False)
        with closing(self._open()) as connection:
            connection.execute(
                "update runs set finished = ?, problems = ? where number = ?",
                (record.now(), len(record.problems(made)), run),
            )
            for entry in made["statements"]:  # evidence may have made UNDECIDED into SUPPORTED
                connection.execute(
                    "update verdicts set status = ? where run = ? and label = ? and part = 'statement'",
                    (entry["status"], run, entry["label"]),
                )
        return path, made
