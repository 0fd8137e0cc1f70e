"""The package's own papers agree with each other: pyproject, constraints, citation."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import theorytest

ROOT = Path(theorytest.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {extra: [Requirement(line) for line in lines] for extra, lines in PROJECT["optional-dependencies"].items()}
BASE = [Requirement(line) for line in PROJECT["dependencies"]]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {}
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            pin = re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line)
            assert pin is not None, f"not an exact pin: {line}"
            name, version = pin.groups()
            assert name not in pins, f"{name} is pinned twice"
            pins[name] = version
    return pins


def test_torch_is_a_range_for_users_and_one_version_here():
    (torch,) = (requirement for requirement in BASE if requirement.name == "torch")
    assert {clause.operator for clause in torch.specifier} <= {">=", "<"}
    assert constraints()["torch"] == "2.13.0"


def test_every_requirement_is_pinned_inside_its_range():
    pins = constraints()
    for requirement in [*BASE, *(each for extra in EXTRAS.values() for each in extra)]:
        if requirement.name == PROJECT["name"]:
            continue
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{requirement} has no pin in constraints.txt"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is outside {requirement}"


def test_all_is_every_other_extra():
    (everything,) = EXTRAS["all"]
    assert everything.name == PROJECT["name"]
    assert everything.extras == EXTRAS.keys() - {"all"}


def test_one_version():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert cited[1] == PROJECT["version"] == theorytest.__version__


def test_entry_points():
    (command,) = entry_points(group="console_scripts", name="theorytest")
    (plugin,) = entry_points(group="pytest11", name="theorytest")
    assert (command.value, plugin.value) == ("theorytest.cli:main", "theorytest.pytest_plugin")
