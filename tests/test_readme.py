"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

from theorytest.verification import verify

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_own_statement(tmp_path: Path, monkeypatch) -> None:
    code = blocks("python")[0]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith('"""')]
    assert len(lines) <= 16, "fifteen lines and the import"
    (tmp_path / "scales.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "theorytest.cli", "verify", "scales.py"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "scales" in shown.stdout and "controls 1/1" in shown.stdout, shown
    result = verify(["scales.py"])
    (statement,) = result.record["statements"]
    assert result.exit_code == 0
    assert statement["status"] == "PROVED"
    assert [control["outcome"] for control in statement["controls"]] == ["REFUTED"]
    sizes = dict(statement["controls"][0]["certificate"]["payload"]["instance"]["sizes"])
    assert set(sizes) == {"h", "m", "n"} and max(sizes.values()) == 1, "the smallest shape refutes the control"


def test_a_claim_without_a_proof(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ideas.py").write_text(blocks("python")[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "theorytest.cli", "conjecture", "ideas.py", "--budget", "30"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "PROVED  ||W||_F" in shown.stdout and "REFUTED  ||W||_*" in shown.stdout, shown


def test_table_names_what_ships() -> None:
    (table,) = [block for block in blocks("text") if block.startswith("theorytest ")]
    proofs = Path(__file__).parents[1] / "proofs"
    sources = "\n".join(path.read_text(encoding="utf-8") for path in proofs.rglob("*.py"))
    names = 0
    for line in table.splitlines():
        found = re.match(r"(PROVED|CERTIFIED) +([\w./()-]+) ", line)
        if found:
            names += 1
            assert f'"{found[2]}"' in sources, line
    assert names > 5
