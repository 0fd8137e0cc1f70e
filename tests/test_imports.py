"""Importing theorytest costs nothing, and the kernel reaches nothing that it should not trust."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import theorytest

HEAVY = ("torch", "sympy", "numpy", "mpmath", "flint", "hypothesis")
KERNEL = Path(theorytest.__file__).parent / "kernel"


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.parametrize("module", ["theorytest", "theorytest.pytest_plugin"])
def test_import_is_light(module: str):
    done = run("-c", f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_other_pytest_runs_pay_nothing(tmp_path: Path):
    (tmp_path / "test_other.py").write_text(
        f"import sys\n\ndef test_light():\n    assert not {{*{HEAVY}}} & {{*sys.modules}}\n"
    )
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_there():
    for name, module in theorytest._PUBLIC.items():
        assert getattr(theorytest, name) is getattr(import_module(module), name)
        assert name in theorytest.__all__
        assert name in dir(theorytest)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = theorytest.no_such_name


def test_the_kernel_imports_the_standard_library_and_flint_only():
    files = sorted(KERNEL.rglob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                root = module.partition(".")[0]
                allowed = root in sys.stdlib_module_names or root == "flint" or module.startswith("theorytest.kernel")
                assert allowed, f"{file.name}:{node.lineno} imports {module}"
