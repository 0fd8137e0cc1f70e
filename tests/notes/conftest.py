"""A record with everything that notes have to show: proofs, what they rest on, controls that fail and one that
survives, a statement that is false as printed with its repair, evidence with and without curves, odd characters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from theorytest.notes import compose
from theorytest.notes.document import Document

PROOFS = '''
"""Two matrices."""

from theorytest import (
    Assumption, Block, Conserved, Flow, Focus, Identity, Outcome, Parameterization, Product, Source, Statement,
    control, proof, swept,
)
from theorytest.kernel.scalar import Variable

blocks = Product((Block("u", (), ("a", "r")), Block("v", (), ("r", "b"))))
model = Parameterization("two matrices", blocks, ("a", "b"), (("a", "m"), ("r", "R"), ("b", "n")), "W = u v, m <= n")
flow = Flow(model, Focus())
u, v = model.letters(flow.focus).values()
U, V = (u["a", "r"] * u["a", "r"]).sum("a"), (v["r", "b"] * v["r", "b"]).sum("b")

law = Statement(
    id="T-1", label="T-1", kind="theorem", title="||u_r||^2 - ||v_r||^2 stays: 100% of W_l^T & co <b>",
    source=Source("T", "Theorem 1"),
    assumptions=(Assumption("speed", "u and v move at the same speed"),),
    claim=Conserved(U - V, flow), scope="all sizes m x R", deviations=("stated for every r (see T-1/again)",),
)
again = Statement(
    id="T-1", label="T-1/again", kind="corollary", title="The same again", source=Source("T", "Corollary 2"),
    assumptions=law.assumptions, claim=law.claim,
)
printed = Statement(
    id="T-2", label="T-2/printed", kind="lemma", title="The sum is conserved", source=Source("T", "Lemma 2"),
    claim=Conserved(U + V, flow), expected="REFUTED",
)
repaired = Statement(
    id="T-2", label="T-2/repaired", kind="lemma", title="The difference is conserved", source=Source("T", "Lemma 2"),
    claim=Conserved(U - V, flow), deviations=("a minus sign (printed +)",),
)


@proof(law)
def product_rule(derive):
    derive.conserved(law.claim.quantity, flow)


@proof(again)
def cited(derive):
    derive.cite(law)


@proof(repaired)
def product_rule_again(derive):
    derive.conserved(law.claim.quantity, flow)


@control(law, breaks="minus")
def sum_of_squares():
    return Conserved(U + V, flow)


@control(law, breaks="speed", expected="finding", reason="twice the law is a law as well",
         survives=lambda derive: derive.conserved((U - V) * 2, flow))
def doubled():
    return Conserved((U - V) * 2, flow)


@swept(law)
def trajectory(run):
    at = tuple(k / 10 for k in range(20))
    low = tuple(2.0**-k for k in range(20))
    series = (("t", at), ("drift_low", low), ("drift_high", tuple(2 * x for x in low)), ("loss", at))
    return Outcome(20, "1/2", True, "drift falls to 10^-5", series=series)


@swept(law)
def ratios(run):
    series = (("ratio", tuple((k * k) % 37 / 37 for k in range(400))),)
    return Outcome(400, "0.9", True, "ratio to the bound", series=series)
'''
INVENTORY = """
[[statement]]
id = "T-1"
paper = "T"
kind = "theorem"
codes = ["SYM"]
title = "A law"

[[statement]]
id = "T-2"
paper = "T"
kind = "lemma"
codes = ["SYM"]
title = "A sum"
parts = ["T-2/printed"]

[[statement]]
id = "T-3"
paper = "T"
kind = "remark"
codes = ["PROSE"]
title = "Nobody stated this"
"""
PAPERS = '[T]\nauthors = "A. N. Author & Zoë Öß"\ntitle = "Two matrices"\npublished = "Journal 2020"\n'


@pytest.fixture(scope="session")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with proof files, an inventory and a list of papers."""
    folder = tmp_path_factory.mktemp("proofs")
    (folder / "law.py").write_text(PROOFS, encoding="utf-8")
    (folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    (folder / "papers.toml").write_text(PAPERS, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def made(proofs: Path) -> dict[str, Any]:
    """Its record."""
    from theorytest.verification import verify

    result = verify([proofs], folder=proofs / ".theorytest")
    assert result.exit_code == 0, result.record
    return result.record


@pytest.fixture(scope="session")
def document(made: dict[str, Any], proofs: Path) -> Document:
    """Its notes."""
    from theorytest.blueprint import inventory

    titles = compose.papers(proofs / "papers.toml")
    return compose.compose(made, inventory(proofs / "inventory.toml"), titles, file="my record.json")


@pytest.fixture(scope="session")
def page(document: Document) -> str:
    """Its page."""
    pytest.importorskip("pypandoc", reason="needs the extra notes")
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from theorytest.notes import html

    return html.render(document)
