"""The command line: exit codes, one line on wrong input, JSON on every command."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from theorytest import __version__, cli


@pytest.fixture
def project(tmp_path: Path, shell, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shell.project(tmp_path)


@pytest.fixture
def theorytest(capsys):
    """Run the command line in this process: exit code, standard output, standard error."""

    def run(*arguments: object):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def test_verify_writes_table_and_record(project: Path, theorytest):
    code, out, err = theorytest("verify", "-n", 1, "--json", "record.json")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "record: .theorytest/0001.json"
    assert json.loads(Path("record.json").read_text()) == json.loads(Path(".theorytest/0001.json").read_text())
    assert "\x1b" not in out


def test_verify_fails_where_a_status_differs(project: Path, shell, theorytest):
    shell.project(project, shell.GOOD.replace("uu + vv", "uu - vv"))
    code, out, _ = theorytest("verify", "-n", 1)
    assert code == 1
    assert "T-4/printed is UNDECIDED, expected REFUTED: no witness was found" in out


def test_recheck(project: Path, theorytest):
    theorytest("verify", "-n", 1)
    code, out, _ = theorytest("recheck", ".theorytest/0001.json", "--json", "r.json")
    assert code == 0 and "3 statements, 2 controls: every certificate holds" in out
    assert json.loads(Path("r.json").read_text())["problems"] == []
    text = Path(".theorytest/0001.json").read_text()
    Path("forged.json").write_text(text.replace('"coefficient":{"q":"-1"}', '"coefficient":{"q":"-3"}'))
    code, out, _ = theorytest("recheck", "forged.json")
    assert code == 1 and "T-1: " in out


def test_explain(project: Path, theorytest):
    code, out, _ = theorytest("explain", "T-1", "--json", "entry.json")
    assert code == 0 and "derivation" in out and "[zero-derivative]" in out and "unequal_speeds" in out
    assert json.loads(Path("entry.json").read_text())["label"] == "T-1"
    assert theorytest("explain", "t Lemma /PRINTED")[1].startswith("T-4/printed  REFUTED")
    code, out, _ = theorytest("explain", "T-1/unequal_speeds", "--json", "control.json")
    assert code == 0 and out.startswith("T-1/unequal_speeds  REFUTED  control, breaks: flow")
    assert "v = [[2]]" in out and "gradient = [[1]]" in out and "doubled" not in out and "derivation" not in out
    assert json.loads(Path("control.json").read_text())["label"] == "T-1/unequal_speeds"
    code, _, err = theorytest("explain", "Lemma")
    assert code == 2 and "did you mean T-1 [Lemma], T-3 [Lemma], T-4/printed [Lemma]?" in err
    code, _, err = theorytest("explain", "unequal")
    assert code == 2 and "did you mean T-1/unequal_speeds?" in err
    code, _, err = theorytest("explain", "printed")
    assert code == 2 and "did you mean T-4/printed" in err
    assert not Path(".theorytest").exists()


def test_explain_without_a_label_lists_all(project: Path, theorytest):
    code, out, _ = theorytest("explain")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["T-1", "T-3", "T-4/printed"]
    assert "T-3          the same, cited" in out


def test_explain_what_has_only_evidence(project: Path, shell, theorytest):
    text = shell.HEAD + (
        'law = state("T-5", Conserved(uu - vv, flow), expected="SUPPORTED", title=\'a "law"\')\n'
        "@sampled(law)\ndef tried(run):\n    return Outcome(1, '0', True)\n"
    )
    shell.project(project, text)
    code, out, _ = theorytest("explain", "T-5")
    assert code == 0 and "only evidence is offered, which `theorytest verify` gathers" in out
    assert theorytest("verify", "-n", 1)[0] == 0


def test_explain_findings(project: Path, theorytest):
    code, out, _ = theorytest("explain", "--findings", "--json", "findings.json")
    assert code == 0 and "1 control survives" in out and "scaling by 2 changes nothing" in " ".join(out.split())
    assert [c["label"] for c in json.loads(Path("findings.json").read_text())] == ["T-1/doubled"]


def test_explain_as_test_stands_alone(project: Path, shell, theorytest, tmp_path_factory):
    code, out, _ = theorytest("explain", "T-3", "--as-test")
    assert code == 0
    folder = tmp_path_factory.mktemp("alone")
    (folder / "test_alone.py").write_text(out)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    assert subprocess.run(run, cwd=folder, capture_output=True).returncode == 0
    (folder / "t.py").write_text(out)
    done = shell.pytest("-q", "t.py", cwd=folder)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    forged = out.replace('"coefficient":{"q":"-1"}', '"coefficient":{"q":"-2"}')
    assert forged != out
    (folder / "test_alone.py").write_text(forged)
    assert subprocess.run(run, cwd=folder, capture_output=True).returncode == 1


def test_diff(project: Path, shell, theorytest):
    theorytest("verify", "-n", 1)
    theorytest("verify", "-n", 1)
    code, out, _ = theorytest("diff", 1, "0002")
    assert code == 0 and "the same byte for byte" in out
    shell.project(project, shell.GOOD.replace("derive.conserved(uu - vv, flow)", "derive.conserved(uu, flow)"))
    theorytest("verify", "-n", 1)
    code, out, _ = theorytest("diff", 2, ".theorytest/0003.json", "--json", "d.json")
    assert code == 1 and "T-1" in out and "PROVED -> UNDECIDED" in out and "a certificate was removed" in out
    assert [d["label"] for d in json.loads(Path("d.json").read_text())] == ["T-1", "T-3"]


def test_a_missing_certificate_is_a_difference(project: Path, theorytest):
    theorytest("verify", "-n", 1)
    made = json.loads(Path(".theorytest/0001.json").read_text())
    made["statements"][0]["certificates"] = []
    made["statements"][0]["controls"][0]["certificate"] = None
    Path("less.json").write_text(json.dumps(made))
    code, out, _ = theorytest("diff", 1, "less.json")
    assert code == 1 and len(out.splitlines()) == 3
    assert "T-1 " in out and "PROVED -> PROVED  a certificate was removed" in out
    assert "T-1/unequal_speeds" in out and "REFUTED -> REFUTED  a certificate was removed" in out


def test_recheck_says_what_it_does_not_check_and_whose_kernel_it_was(project: Path, theorytest):
    theorytest("verify", "-n", 1)
    text = Path(".theorytest/0001.json").read_text()
    code, out, _ = theorytest("recheck", ".theorytest/0001.json")
    assert code == 0 and "not rechecked: evidence, LaTeX, what controls" in out and "another kernel" not in out
    made = json.loads(text)
    made["environment"]["kernel"]["digest"] = "0" * 64
    Path("other.json").write_text(json.dumps(made))
    code, out, _ = theorytest("recheck", "other.json")
    assert code == 0 and "made by another kernel, 000000" in out
    made["statements"][0]["controls"][0]["margin"] = "400"
    Path("other.json").write_text(json.dumps(made))
    code, out, _ = theorytest("recheck", "other.json")
    assert code == 1 and "1 does not hold" in out and "the record says '400'" in out and "a likely reason" in out


def test_version_and_help(theorytest):
    assert theorytest("--version") == (0, f"theorytest {__version__}\n", "")
    for command in ((), ("verify",), ("recheck",), ("explain",), ("new",), ("diff",)):
        code, out, _ = theorytest(*command, "--help")
        assert code == 0 and ("--json" in out or not command)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "nowhere"), "no such file or folder: nowhere"),
        (("verify", "proof"), "did you mean proofs?"),
        (("verify", "pyproject.toml"), "is not a Python file"),
        (("verify", "--device", "tpu"), "there is no device 'tpu'; needed one of cpu, cuda"),
        (("verify", "--profile", "slow"), "there is no profile 'slow'; needed one of quick, full"),
        (("verify", "--seed", "x"), "'x' is not a valid integer"),
        (("verify", "--seed", "-1"), "the seed must be an integer from 0"),
        (("verify", "--workers", "0"), "the number of workers must be an integer from 1"),
        (("verify", "--colour"), "No such option"),
        (("verify", "--json", "proofs"), "proofs is a folder"),
        (("verify", "-n", "1", "--json", "pyproject.toml/x.json"), "cannot write pyproject.toml/x.json"),
        (("recheck", "nowhere.json"), "cannot read nowhere.json: No such file"),
        (("recheck", "pyproject.toml"), "not JSON"),
        (("recheck",), "Missing argument"),
        (("explain", "--as-test"), "--as-test needs the label of one statement"),
        (("verify", "-n", "1", "--json", "nowhere/x.json"), "cannot write nowhere/x.json: there is no folder nowhere"),
        (("explain", "T-11"), "no statement or control is labelled 'T-11' (did you mean T-1"),
        (("explain", "T-4/printed", "--path", "nowhere"), "no such file or folder: nowhere"),
        (("diff", "1", "2"), "run 1 has no record in .theorytest: no run has finished here"),
        (("diff", "a.json", "b.json"), "cannot read a.json"),
        (("new", "proofs"), "proofs exists already"),
        (("new", "../x"), "is no name for a project"),
        (("new", ""), "is no name for a project"),
        (("prove",), "No such command 'prove'"),
    ],
)
def test_wrong_input_is_one_line_and_two(project: Path, theorytest, arguments, message: str):
    code, out, err = theorytest(*arguments)
    assert code == 2, out + err
    assert message in err and len(err.splitlines()) == 1 and not out
    assert err.startswith("theorytest: ")


def test_no_command_prints_the_help(theorytest):
    code, _, err = theorytest()
    assert code == 2 and "verify" in err and "recheck" in err


def test_no_proofs_here(tmp_path: Path, monkeypatch, theorytest):
    monkeypatch.chdir(tmp_path)
    code, _, err = theorytest("verify")
    shipped = (Path(cli.__file__).parent / "_proofs").is_dir()
    assert shipped or (code == 2 and "there is no folder 'proofs' here" in err)


def test_cuda_that_is_absent(project: Path, theorytest):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    code, _, err = theorytest("verify", "--device", "cuda")
    assert code == 2 and "torch finds none here" in err


def test_an_error_in_a_proof_file_is_one_line(project: Path, shell, theorytest):
    shell.project(project, shell.GOOD + "\nx = 1 / 0\n")
    code, out, err = theorytest("verify", "-n", 2)
    line = len((shell.GOOD + "\nx = 1 / 0\n").splitlines())
    assert (code, out) == (2, "")
    assert err == f"theorytest: proofs/lemma.py:{line}: ZeroDivisionError: division by zero\n"


def test_a_missing_extra_is_said(project: Path, shell):
    shell.project(project, shell.GOOD + "\n@swept(law)\ndef data(run):\n    import tensorly\n")
    (project / "tensorly.py").write_text("raise ModuleNotFoundError(name='tensorly')\n")
    done = shell.command("verify", "-n", 2, cwd=project, PYTHONPATH=str(project))
    assert done.returncode == 0, done.stderr
    assert "left out: T-1/data: tensorly is not installed: pip install " in done.stdout and "[data]'" in done.stdout


def test_nothing_but_a_missing_extra_is_an_error(project: Path, shell):
    text = shell.HEAD + (
        'law = state("T-1", SliceTruncation(), expected="CERTIFIED", expected_reason="on data")\n'
        "@certified(law)\ndef data(run):\n    import tensorly\n"
    )
    shell.project(project, text)
    (project / "tensorly.py").write_text("raise ModuleNotFoundError(name='tensorly')\n")
    done = shell.command("verify", cwd=project, PYTHONPATH=str(project))
    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("theorytest: nothing that was asked for could be checked: ") and "tensorly" in line


def test_a_log_has_no_progress_and_no_colour(project: Path, shell):
    done = shell.command("verify", cwd=project)
    assert done.stderr == "" and "\x1b" not in done.stdout and "\r" not in done.stdout


def test_a_terminal_has_progress_and_colour(project: Path):
    main, side = pty.openpty()
    code = "from theorytest.cli import main; main()"
    terminal = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-c", code, "verify", "-n", "1"],
        cwd=project,
        stdout=side,
        stderr=side,
        close_fds=True,
        env=terminal,
    ) as process:
        os.close(side)
        shown = b""
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(main)
    assert process.returncode == 0
    assert b"checking" in shown and b"6/6" in shown and b"\x1b[32mPROVED" in shown


def test_no_colour_is_respected(project: Path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(cli.cli, ["explain", "T-1"], color=True).output
