"""Fixtures for the tests of the shell: a small project, and commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HEAD = '''
from fractions import Fraction
from theorytest import *
from theorytest.authoring import Evidence

model = Parameterization(
    "product of two matrices",
    Product((Block("u", (), ("a", "r")), Block("v", (), ("r", "b")))),
    ("a", "b"), (("a", "m"), ("r", "R"), ("b", "n")), "W = u v, any sizes")
flow = Flow(model, Focus())
u, v = model.letters(flow.focus).values()
uu = (u["a", "r"] * u["a", "r"]).sum("a")
vv = (v["r", "b"] * v["r", "b"]).sum("b")
setting = (Assumption("flow", "both matrices follow gradient flow at the same speed"),)


def one(x):
    return Array((1, 1), (Fraction(x),))


def at(x, y, g):
    """An instance of sizes 1 x 1 x 1."""
    return Instance(sizes=(("m", 1), ("R", 1), ("n", 1)), blocks=(("u", one(x)), ("v", one(y))), gradient=one(g))


def state(label, claim, **more):
    more = {"assumptions": setting, "scope": "all sizes, losses", "id": label.partition("/")[0],
            "title": label, "kind": "lemma"} | more
    return Statement(label=label, source=Source("T", "Lemma"), claim=claim, **more)


twice = Flow(model, Focus(), speeds=(("v", Fraction(2)),))
'''

GOOD = (
    HEAD
    + '''
law = state("T-1", Conserved(uu - vv, flow))


@proof(law)
def by_the_product_rule(derive):
    derive.conserved(uu - vv, flow)


@control(law, breaks="flow")
def unequal_speeds():
    """v moves at twice the speed."""
    return Conserved(uu - vv, twice), at(1, 2, 1)


@control(law, breaks="sign", expected="finding", reason="scaling by 2 changes nothing")
def doubled():
    """Twice the law."""
    return Conserved((uu - vv) * 2, flow)


@sampled(law)
def on_instances(run):
    return Outcome(5, "0", True, "5 instances", numbers=(("shapes", "1x1"), ("seed", run.seed)))


@evidence(law, arithmetic="float64", profile="full")
def only_full(run):
    return Outcome(7, "0.5", True)


again = state("T-3", Conserved(uu - vv, flow), title="the same, cited")


@proof(again)
def by_citation(derive):
    derive.cite("T-1")


false = state("T-4/printed", Conserved(uu + vv, flow), expected="REFUTED")
'''
)


def project(folder: Path, text: str = GOOD, name: str = "lemma.py") -> Path:
    """A project with one proof file."""
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '0'\n")
    (folder / "proofs").mkdir(exist_ok=True)
    (folder / "proofs" / name).write_text(text)
    return folder


def command(*arguments: object, cwd: Path, timeout: int = 120, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from theorytest.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "120", **env},
    )


def run_pytest(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, with the plugin."""
    plugin = () if _installed() else ("-p", "theorytest.pytest_plugin")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=180,
        env={**os.environ, **env},
    )


def _installed() -> bool:
    from importlib.metadata import entry_points

    return bool(entry_points(group="pytest11", name="theorytest"))


@pytest.fixture(scope="session")
def shell() -> SimpleNamespace:
    """HEAD and GOOD (texts of proof files), project(folder, text, name), command(...), pytest(...)."""
    return SimpleNamespace(HEAD=HEAD, GOOD=GOOD, project=project, command=command, pytest=run_pytest)
