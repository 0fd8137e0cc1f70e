"""An edited record: refused, or its words made again, or marked as the record's own."""

import copy

import pytest

from theorytest.blueprint import inventory
from theorytest.errors import InputError
from theorytest.kernel.check import recheck
from theorytest.notes import build, compose, telling
from theorytest.notes.document import Section, parts


def statement(record, label):
    return next(e for e in record["statements"] if e["label"] == label)


def control(record, outcome):
    return next(c for c in statement(record, "T-1")["controls"] if c["outcome"] == outcome)


def put(path, value):
    """An edit: the value at a path that starts with the label of a statement, or the outcome of a control of T-1."""

    def change(record):
        start, *middle, last = path
        place = control(record, start) if start in ("REFUTED", "finding") else statement(record, start)
        for key in middle:
            place = place[key]
        assert place[last] != value, "an edit changes something"
        place[last] = value

    return change


def without(start, key, at):
    def change(record):
        del statement(record, start)[key][at]

    return change


def without_a_control_and_saying_so(record):
    entry = statement(record, "T-1")
    entry["controls"] = [c for c in entry["controls"] if c["outcome"] != "REFUTED"]
    entry["controls_not_run"] = 1


def another_number(record):
    instance = control(record, "REFUTED")["certificate"]["payload"]["instance"]
    array = next(array for _, array in instance["blocks"] if any(e["q"] != "7" for e in array["entries"]))
    array["entries"][0] = {"q": "7"}


REFUSED = {
    "a status": put(("T-2/printed", "status"), "PROVED"),
    "a status without its certificate": put(("T-2/repaired", "certificates"), []),
    "a source": put(("T-1", "source"), {"key": "RC20", "locator": "Theorem 1"}),
    "a title": put(("T-1", "title"), "The Riemann hypothesis"),
    "a title of a control": put(("REFUTED", "title"), "something else"),
    "a label": put(("T-1/again", "label"), "RC20-Thm1"),
    "an id": put(("T-1/again", "id"), "RC20-Thm1"),
    "a kind": put(("T-1/again", "kind"), "theorem"),
    "what is expected": put(("T-2/printed", "expected"), "PROVED"),
    "the reason for what is expected": put(("finding", "expected_reason"), "the constant is sharp"),
    "a scope": put(("T-1", "scope"), "everything"),
    "an assumption": put(("T-1", "assumptions", 0, "text"), "nothing"),
    "a deviation less": without("T-2/repaired", "deviations", 0),
    "what it rests on": without("T-1/again", "rests_on", -1),
    "a control less": without("T-1", "controls", 0),
    "a control that survives, said to be refuted": put(("finding", "outcome"), "REFUTED"),
    "a control that fails, said to survive": put(("REFUTED", "outcome"), "finding"),
    "a number of a witness": another_number,
    "by how much a control fails": put(("REFUTED", "margin"), "1000"),
    "a digest": put(("T-1", "digest"), "0" * 64),
    "a formula of the claim itself": put(("T-1", "statement", "claim", "is"), "Identity"),
}
UNDONE = {
    "the LaTeX of a claim": put(("T-1", "claim_latex"), r"\zeta(s) = 0"),
    "the LaTeX of a control": put(("REFUTED", "claim_latex"), r"\zeta(s) = 0"),
    "the LaTeX of an assumption": put(("T-1", "assumptions", 0, "latex"), r"1 = 2"),
    "what a step concludes": put(("T-1", "steps", -1, "latex"), r"\zeta(s) = 0"),
    "the words of a step": put(("T-1", "steps", 0, "text"), "as everybody knows"),
    "the rule of a step": put(("T-1", "steps", 0, "rule"), "magic"),
    "a step more": lambda record: statement(record, "T-1")["steps"].append(statement(record, "T-1")["steps"][0]),
    "what it hangs on": put(("T-1", "given"), ["the axiom of choice"]),
    "seconds": put(("T-1", "seconds"), 1e-9),
}
MARKED = {
    "whether evidence holds": (put(("T-1", "evidence", 0, "holds"), False), "no certificate covers it"),
    "how many instances": (put(("T-1", "evidence", 0, "instances"), 10**9), "no certificate covers it"),
    "what a control changes": (put(("REFUTED", "breaks"), "everything"), "what a control is said to change"),
    "a reason": (put(("finding", "reason"), "it was tried for years"), "the reasons that a run gives"),
    "a file": (put(("T-1", "file"), "elsewhere.py"), "names of files"),
    "another kernel": (
        lambda record: record["environment"]["kernel"].update(digest="f" * 64),
        "not the kernel ffffffffffff of the run",
    ),
    "a control less, said to be left out": (
        without_a_control_and_saying_so,
        "1 control that the run left out",
    ),
}


@pytest.fixture
def forged(made):
    return copy.deepcopy(made)


@pytest.fixture(scope="session")
def document_of(proofs):
    entries, titles = inventory(proofs / "inventory.toml"), compose.papers(proofs / "papers.toml")

    def composed(record):
        return compose.compose(telling.retold(record), entries, titles, rechecked=True)

    return composed


@pytest.fixture(scope="session")
def honest(made, document_of):
    return document_of(made)


def test_an_honest_record_is_told_as_it_tells_itself(made):
    assert recheck(made) == []
    assert telling.retold(made) == made


@pytest.mark.parametrize("edit", REFUSED)
def test_refused(edit, forged):
    REFUSED[edit](forged)
    assert recheck(forged) != []


@pytest.mark.parametrize("edit", UNDONE)
def test_undone(edit, forged, document_of, honest):
    UNDONE[edit](forged)
    assert recheck(forged) == []
    assert document_of(forged) == honest


@pytest.mark.parametrize("edit", MARKED)
def test_marked(edit, forged, document_of, honest):
    change, mark = MARKED[edit]
    change(forged)
    assert recheck(forged) == []
    assert document_of(forged) != honest
    assert mark in repr(document_of(forged))


@pytest.mark.parametrize("edit", ["a status", "a source", "a control less"])
def test_nothing_is_written_of_what_is_refused(edit, forged, tmp_path):
    pytest.importorskip("pypandoc", reason="needs the extra notes")
    REFUSED[edit](forged)
    with pytest.raises(InputError, match=r"no notes are written of a record that does not hold: T-"):
        build.build(forged, tmp_path / "out", formats=["html"], paths=[])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_step_that_does_not_hold_is_refused_at_once(forged):
    """What a step concludes is computed, so that a forged derivation ends here already."""
    statement(forged, "T-1")["certificates"][0]["payload"]["steps"][0]["rule"] = "magic"
    with pytest.raises(InputError, match="does not hold: T-1: "):
        telling.retold(forged)


def test_the_page_says_who_checked(honest, document):
    (of_a_file,), (of_a_run,) = (
        [repr(p) for p in parts(value) if isinstance(p, Section) and p.anchor == "check"]
        for value in (honest, document)
    )
    assert "checked every certificate in it again" in of_a_file and "checked again by the kernel" in honest.origin
    assert "by the run itself" in of_a_run and "checked again" not in document.origin


def test_the_check_is_the_command(forged):
    with telling.Recheck(forged) as again:
        assert again.result() == []
    statement(forged, "T-1")["status"] = "CERTIFIED"
    with telling.Recheck(forged) as again:
        assert again.result() == ["T-1: the record says CERTIFIED, the certificates give PROVED"]
    with telling.Recheck(forged) as again:
        pass  # nobody waits: it is ended
    assert again._process.poll() is not None
    with telling.Recheck({"schema": 7}) as again, pytest.raises(InputError, match=r"cannot be checked: .*not a record"):
        again.result()


def test_the_part_that_fails(made):
    entry = copy.deepcopy(statement(made, "T-2/printed"))
    assert telling.failing(entry) == "", "a claim of one part"
    held = statement(made, "T-2/repaired")["statement"]["claim"]
    entry["statement"]["claim"] = {"is": "All", "claims": [held, entry["statement"]["claim"]]}
    assert telling.failing(entry) == statement(made, "T-2/printed")["claim_latex"]
    entry["statement"]["claim"]["claims"] = [held]
    assert telling.failing(entry) == "", "no part fails"
    entry["certificates"] = []
    assert telling.failing(entry) == ""
