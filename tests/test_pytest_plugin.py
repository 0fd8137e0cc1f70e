"""The plugin: proof files are items, reports are readable, and the record is the command line's."""

from pathlib import Path

import pytest

from theorytest import record


@pytest.fixture
def project(tmp_path: Path, shell):
    return shell.project(tmp_path)


def names(output: str):
    return [line.split()[0] for line in output.splitlines() if "::" in line]


def test_every_check_is_an_item(project: Path, shell):
    done = shell.pytest("--collect-only", "-q", "proofs", cwd=project)
    file = "proofs/lemma.py"
    assert [n for n in names(done.stdout) if n.startswith(file)] == [
        f"{file}::T-1",
        f"{file}::T-1/unequal_speeds",
        f"{file}::T-1/doubled",
        f"{file}::T-1/on_instances",
        f"{file}::T-3",
        f"{file}::T-4/printed",
    ]
    assert not (project / ".theorytest").exists()


def test_same_table_and_record_as_verify(project: Path, shell):
    done = shell.pytest("-q", "proofs", "--theorytest-seed", 2, cwd=project)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr
    other = shell.command("verify", "--seed", 2, cwd=project)
    first, second = (record.read(project / ".theorytest" / f"000{k}.json") for k in (1, 2))
    assert record.dumps(record.deterministic(first)) == record.dumps(record.deterministic(second))

    def without_times(text: str):
        lines = [line for line in text.splitlines() if "T  " in line or line.startswith(("theorytest ", "controls:"))]
        return [[word for word in line.split() if not word.replace(".", "").isdigit()] for line in lines]

    assert without_times(done.stdout) == without_times(other.stdout) != []


def test_workers_of_xdist_give_the_same_record(project: Path, shell):
    one = shell.pytest("-q", "proofs", "--theorytest-json", "one.json", cwd=project)
    two = shell.pytest("-q", "-n", 2, "proofs", "--theorytest-json", "two.json", cwd=project)
    assert (one.returncode, two.returncode) == (0, 0), two.stdout + two.stderr
    assert two.stdout.count("statements: 2 PROVED, 1 REFUTED") == 1
    first, second = (record.read(project / f"{name}.json") for name in ("one", "two"))
    assert record.dumps(record.deterministic(first)) == record.dumps(record.deterministic(second))
    assert (first["run"], second["run"], second["environment"]["workers"]) == (1, 2, 2)


def test_failures_are_readable(project: Path, shell):
    text = shell.GOOD.replace("derive.conserved(uu - vv, flow)", "derive.conserved(uu, flow)")
    shell.project(project, text)
    done = shell.pytest("-q", "proofs", cwd=project)
    assert done.returncode == 1
    assert "T-1 is UNDECIDED, expected PROVED: by_the_product_rule (proofs/lemma.py:" in done.stdout
    assert "claim    d/dt [‖ u_(· r) ‖² - ‖ v_r ‖²] = 0" in done.stdout
    assert "replay   pytest 'proofs/lemma.py::T-1' --theorytest-seed 0" in done.stdout
    assert "look     theorytest explain --path proofs/lemma.py 'T-1'" in done.stdout
    assert "(theorytest explain --findings)" in done.stdout
    assert "Traceback" not in done.stdout and "def runtest" not in done.stdout
    assert "2 failed, 4 passed" in done.stdout


def test_evidence_against_a_proof_fails(project: Path, shell):
    against = '\n@swept(law)\ndef against(run):\n    return Outcome(3, "7", False, "off by 7")\n'
    shell.project(project, shell.GOOD + against)
    done = shell.pytest("-q", "proofs", cwd=project)
    assert done.returncode == 1 and "1 failed, 6 passed" in done.stdout
    assert "evidence T-1/against contradicts T-1" in done.stdout


def test_what_only_the_whole_run_shows_fails_it(project: Path, shell):
    text = shell.HEAD + (
        'law = state("T-1", Conserved(uu - vv, flow))\n'
        '@swept(law)\ndef instances(run):\n    return Outcome(3, "0.1", True)\n'
    )
    shell.project(project, text)
    done = shell.pytest("-q", "proofs", cwd=project)
    assert done.returncode == 1 and "T-1 is SUPPORTED, expected PROVED" in done.stdout


def test_one_item_brings_what_it_cites(project: Path, shell):
    done = shell.pytest("-q", "proofs/lemma.py::T-3", cwd=project)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    made = record.read(project / ".theorytest" / "0001.json")
    assert [e["label"] for e in made["statements"]] == ["T-1", "T-3"]
    assert shell.command("recheck", ".theorytest/0001.json", cwd=project).returncode == 0


def test_one_control_alone(project: Path, shell):
    done = shell.pytest("-q", "proofs", "-k", "unequal_speeds", cwd=project)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    made = record.read(project / ".theorytest" / "0001.json")
    assert [(e["label"], e["reason"]) for e in made["statements"]] == [("T-1", record.NOT_SELECTED)]
    assert "controls: 1 of 1 refuted" in done.stdout
    assert shell.command("recheck", ".theorytest/0001.json", cwd=project).returncode == 0


def test_a_missing_extra_is_skipped(project: Path, shell):
    shell.project(project, shell.GOOD + "\n@swept(law)\ndef data(run):\n    import tensorly\n")
    (project / "tensorly.py").write_text("raise ModuleNotFoundError(name='tensorly')\n")
    done = shell.pytest("-q", "-rs", "proofs", cwd=project, PYTHONPATH=str(project))
    assert done.returncode == 0 and "6 passed, 1 skipped" in done.stdout, done.stdout
    assert "left out: T-1/data: tensorly is not installed" in done.stdout


def test_an_error_in_a_proof_file_is_one_line(project: Path, shell):
    shell.project(project, shell.GOOD + "\nx = 1 / 0\n")
    done = shell.pytest("-q", "proofs", cwd=project)
    assert done.returncode == 2
    assert "ZeroDivisionError: division by zero" in done.stdout and "Traceback" not in done.stdout
    assert "import_module" not in done.stdout


def test_which_files_are_collected(project: Path, shell):
    (project / "proofs" / "plain.py").write_text("raise SystemExit('not a proof file')\n")
    (project / "test_mine.py").write_text("import theorytest\n\ndef test_it():\n    assert theorytest.__version__\n")
    (project / "other.py").write_text((project / "proofs" / "lemma.py").read_text().replace("T-", "U-"))
    done = shell.pytest("-q", cwd=project)
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout
    done = shell.pytest("-q", "other.py", cwd=project)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout
    assert "(theorytest explain --path other.py --findings)" in done.stdout
    (project / "uses.py").write_text("import theorytest\n\ndef test_it():\n    assert theorytest.__version__\n")
    done = shell.pytest("-q", "uses.py", cwd=project)  # states nothing: it is a module of tests like any other
    assert done.returncode == 0 and "1 passed" in done.stdout and "kernel" not in done.stdout
    done = shell.pytest("-q", "test_mine.py", cwd=project)
    assert done.returncode == 0 and "1 passed" in done.stdout and "kernel" not in done.stdout


def test_other_paths_by_ini(project: Path, shell):
    (project / "proofs").rename(project / "claims")
    (project / "pytest.ini").write_text("[pytest]\ntheorytest_paths = claims\n")
    done = shell.pytest("-q", cwd=project)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout


def test_a_proof_file_that_is_a_test_file_too(project: Path, shell):
    text = (project / "proofs" / "lemma.py").read_text() + "\n\ndef test_it():\n    assert law.label == 'T-1'\n"
    (project / "proofs" / "lemma.py").unlink()
    (project / "proofs" / "test_lemma.py").write_text(text)
    done = shell.pytest("-q", "proofs", cwd=project)
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout


def test_full_profile(project: Path, shell):
    done = shell.pytest("-q", "proofs", "--theorytest-profile", "full", cwd=project)
    assert done.returncode == 0 and "7 passed" in done.stdout


def test_wrong_options_are_one_line(project: Path, shell):
    done = shell.pytest("-q", "proofs", "--theorytest-seed", -1, cwd=project)
    assert done.returncode == 2 and "the seed must be an integer from 0" in done.stdout
    assert "Traceback" not in done.stdout and "verification.require" not in done.stdout
    assert shell.pytest("-q", "proofs", "--theorytest-seed", "x", cwd=project).returncode == 4


def test_a_run_without_proofs_writes_nothing(tmp_path: Path, shell):
    (tmp_path / "test_plain.py").write_text("def test_it():\n    pass\n")
    done = shell.pytest("-q", cwd=tmp_path)
    assert done.returncode == 0 and "theorytest" not in done.stdout
    assert not (tmp_path / ".theorytest").exists()


def test_evidence_in_another_file_is_one_item(project: Path, shell):
    (project / "proofs" / "elsewhere.py").write_text(
        "from theorytest import Outcome, swept\nfrom .lemma import law\n\n"
        '@swept(law)\ndef in_another_file(run):\n    return Outcome(2, "0", True)\n'
    )
    done = shell.pytest("-q", "-n", 2, "proofs", cwd=project)
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout
    done = shell.pytest("--collect-only", "-q", "proofs/elsewhere.py", cwd=project)
    assert [n for n in names(done.stdout) if n.startswith("proofs")] == ["proofs/elsewhere.py::T-1/in_another_file"]
    shell.command("verify", cwd=project)
    first, second = (record.read(project / ".theorytest" / f"000{k}.json") for k in (1, 2))
    assert record.dumps(record.deterministic(first)) == record.dumps(record.deterministic(second))
