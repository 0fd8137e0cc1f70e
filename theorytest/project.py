"""`theorytest new`: a project of one's own that works at once, with `theorytest verify` and with `pytest`."""

from __future__ import annotations

import re
from pathlib import Path

from theorytest.errors import InputError

PROOF = '''"""The first statement of {name}: a conservation law of W = u v^T under gradient flow.

Change the parameterization, or the claim, and run `theorytest verify` again.
"""

from fractions import Fraction

from theorytest import (
    Assumption,
    Block,
    Conserved,
    Flow,
    Focus,
    Parameterization,
    Product,
    Source,
    Statement,
    control,
    proof,
)

# W[a, b] = sum over r of u[a, r] v[r, b], of any sizes m x R and R x n.
model = Parameterization(
    "product of two matrices",
    Product((Block("u", (), ("a", "r")), Block("v", (), ("r", "b")))),
    ("a", "b"),
    (("a", "m"), ("r", "R"), ("b", "n")),
    "W = u v, any sizes",
)
flow = Flow(model, Focus())  # derived by the kernel: u' = -G v^T, v' = -u^T G, with G the gradient of any loss
u, v = model.letters(flow.focus).values()
difference = (u["a", "r"] * u["a", "r"]).sum("a") - (v["r", "b"] * v["r", "b"]).sum("b")

first = Statement(
    id="{key}-1",
    label="{key}-1",
    kind="lemma",
    title="||u_r||^2 - ||v_r||^2 is conserved, for every r",
    source=Source("{key}", "Lemma 1"),
    assumptions=(
        Assumption("loss", "the loss of W is differentiable; its gradient is arbitrary"),
        Assumption("flow", "both matrices follow gradient flow at the same speed"),
    ),
    claim=Conserved(difference, flow),
    scope="all sizes, losses",
)


@proof(first)
def by_the_product_rule(derive):
    derive.conserved(difference, flow)


@control(first, breaks="flow")
def unequal_speeds():
    """v moves at twice the speed: the law must fail, and the kernel must accept a witness."""
    return Conserved(difference, Flow(model, Focus(), speeds=(("v", Fraction(2)),)))
'''

PYPROJECT = """[project]
name = "{package}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["theorytest>={version}"]

# Every statement and control in proofs/ is an item of pytest.
[tool.pytest.ini_options]
testpaths = ["proofs"]
theorytest_paths = ["proofs"]
"""

WORKFLOW = """name: theorytest
on: [push, pull_request]
jobs:
  verify:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - run: python -m pip install "theorytest>={version}"
      - run: theorytest verify --json record.json
      - run: theorytest recheck record.json
"""

README = """# {name}

Statements checked by machine with theorytest.

    theorytest verify          check every statement and control in proofs/
    theorytest explain {key}-1   the derivation, step by step
    pytest                     the same checks, as tests
"""

IGNORE = ".theorytest/\n__pycache__/\n.pytest_cache/\n"


def create(name: str) -> tuple[Path, ...]:
    """Make the folder ``name`` with a proof file, its project file and a CI file; the files that were made.

    Raises `InputError` where the name is no simple name of a folder, or where there is something of that name.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise InputError(f"{name!r} is no name for a project: letters, digits, - and _ are needed, a letter first")
    folder = Path(name)
    if folder.exists():
        raise InputError(f"{name} exists already: choose another name, or remove it")
    from theorytest import __version__

    words = {
        "name": name,
        "key": re.sub(r"[^A-Za-z0-9]", "", name).capitalize(),
        "package": name.lower().replace("_", "-"),
        "version": __version__,
    }
    texts = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        ".gitignore": IGNORE,
        "proofs/first.py": PROOF,
        ".github/workflows/theorytest.yml": WORKFLOW,
    }
    made: list[Path] = []
    try:
        for place, text in texts.items():
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            for word, value in words.items():
                text = text.replace(f"{{{word}}}", value)
            file.write_text(text, encoding="utf-8")
            made.append(file)
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror or error}; go to a folder that can be written"
        ) from error
    return tuple(made)
