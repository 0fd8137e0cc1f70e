"""Conjectures are decided: each way to a verdict, what is said where there is none, and the command around it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from theorytest import along_every_flow, at_every_state, cli, conjecture, decide, tends_to, verify
from theorytest import quantity as q
from theorytest.decision import within
from theorytest.errors import InputError
from theorytest.kernel.check import recheck
from theorytest.kernel.claim import Identity, Inequality, InfimalRank, Where
from theorytest.kernel.errors import KernelError
from theorytest.kernel.scalar import ZERO, Ln, Variable
from theorytest.kernel.statement import Assumption
from theorytest.kernel.witness import refutes
from theorytest.models import HalfSum, Huber, Linear, cp, deep_matrix_factorization

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples" / "conjectures"
product = deep_matrix_factorization(2, 2, depth=2)
mean = (q.squared_norm("W[1]") + q.squared_norm("W[2]")) / 2
scalars = deep_matrix_factorization(1, 1, depth=2)
x = Variable("x")


def test_proved_with_an_example():
    given = {"positive": q.determinant() > 0}
    found = decide(conjecture("c", at_every_state(product, 2 * q.determinant() <= q.squared_norm()), given=given))
    assert found.status == "PROVED" and found.verdict is not None and found.verdict.vacuity == ""
    assert found.statement.example is not None and found.witness is None


def test_refuted_with_a_witness():
    found = decide(conjecture("c", at_every_state(product, 3 * q.determinant() <= q.squared_norm())))
    assert found.status == "REFUTED" and found.witness is not None and found.instances > 0


def test_supported_says_what_was_tried():
    found = decide(conjecture("c", at_every_state(product, q.nuclear_norm() <= mean)), seconds=10)
    assert found.status == "SUPPORTED" and found.certificate is None
    assert str(found.instances) in found.reason and "seed 0" in found.reason


@pytest.mark.parametrize(
    ("claim", "given", "why"),
    [
        (at_every_state(product, q.norm() >= 1), {"a": q.determinant() > q.squared_norm()}, "contradict one another"),
        (at_every_state(product, q.norm() >= 1), {"a": q.nuclear_norm() < q.norm()}, "may be unsatisfiable"),
        (q.probability(product, q.squared_norm() > 1, at_least="1/2"), {}, "no change of signs"),
        (at_every_state(scalars, q.sqrt(-1 - q.squared_norm()) >= 0), {}, "not defined at"),
        (InfimalRank(((x, x), (x, x)), "x", 2), {}, "no search is known"),
        (at_every_state(product, q.effective_rank() < 2), {"n": q.norm() > 0}, "is open"),
        (Inequality(x, "<=", ZERO + 1), {"root of 2": Identity(x**4 - 2 * x**2, ZERO)}, "seems to fail"),
        (tends_to(scalars, q.entry(1, 1), 7, loss=HalfSum({(0, 0): 1})), {"n": q.entry(1, 1) < 0}, "no equilibrium"),
        (
            Where((Inequality(ZERO, "<", x), Inequality(x, "<", ZERO)), Inequality(x, "<=", x - 1)),
            {},
            "contradict one another",
        ),
    ],
)
def test_undecided_says_why(claim, given, why):
    found = decide(conjecture("c", claim, given=given), seconds=10)
    assert found.status == "UNDECIDED" and why in found.reason


def test_a_sampled_probability_says_its_interval():
    found = decide(conjecture("c", q.probability(product, q.squared_norm() > 1, at_most="1/10")), seconds=20)
    assert found.status == "UNDECIDED" and "speaks against" in found.notes[0] and "99.9%" in found.notes[0]


def test_a_small_violation_in_floating_point_refutes_nothing():
    """True with equality: rounding makes the float64 margin negative somewhere."""
    found = decide(conjecture("c", at_every_state(product, q.equal(q.norm() ** 2, q.squared_norm()))), seconds=10)
    assert found.status == "SUPPORTED"
    assert all(t["least_margin"] is None or t["least_margin"] > -1e-9 for t in found.tried)


def test_a_real_claim_under_conditions():
    positive = (Inequality(ZERO, "<", x),)
    assert decide(conjecture("c", Where(positive, Inequality(Ln(x), "<=", x - 1)))).status == "SUPPORTED"
    assert decide(conjecture("c", Where(positive, Inequality(Ln(x), "<", x - 1)))).status == "REFUTED"
    assert decide(conjecture("c", Where(positive, Inequality(2 * x, "<=", x**2 + 1)))).status == "PROVED"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: decide("W is small"), "needed a conjecture"),  # type: ignore[arg-type]
        (lambda: decide(conjecture("c", Identity(x, x)), seconds=0), "positive number"),
        (lambda: decide(conjecture("c", at_every_state(product, q.component_norm(1) < 1))), "none of the shapes"),
        (lambda: at_every_state(product, q.norm()), "a comparison"),
        (lambda: at_every_state("linear", q.norm() < 1), "a model"),
        (lambda: q.norm() < 0.5, "float"),
        (lambda: q.norm() < "much", "exact number"),
        (lambda: bool(q.norm()), "neither true nor false"),
        (lambda: 0 <= q.norm() <= 1, "neither true nor false"),
        (lambda: q.norm() == 1, r"needed q\.equal"),
        (lambda: q.norm() != 1, r"needed q\.equal"),
        (
            lambda: decide(conjecture("c", Identity(x, x), given={"unit": False})),
            "formula holds False; give",
        ),
        (lambda: decide(conjecture("c", Inequality(x, "<=", 2))), "rhs holds 2; give"),  # type: ignore[arg-type]
        (lambda: q.norm() < 1 and q.norm() > 0, "neither true nor false"),
        (lambda: conjecture("c", Identity(x, x), given=[q.norm() < 1]), "needs names"),
        (lambda: conjecture("c", q.norm() < 1), "of which model it is claimed"),
        (lambda: conjecture("c", lambda W: W), "given function as the claim of 'c', needed a claim"),
        (lambda: q.schatten(0), "positive"),
        (lambda: q.entry(0, 1), "from 1"),
        (lambda: q.entry("W[1]"), "from 1"),
        (lambda: q.approximation_error(-1), "from 0"),
        (lambda: q.approximation_error(1, "largest"), "'frobenius', 'spectral' or 'nuclear'"),
        (lambda: q.truncation_bound(1), "two or more modes"),
        (lambda: HalfSum({(0, 0): 0.1}), "given the float 0.1, needed an exact number: write '0.1' in quotes"),
        (lambda: Huber({(0, 0): 1}, 0.5), "given the float 0.5"),
        (lambda: q.probability(product, q.norm() > 1, at_least="3/2"), "0 <= at_least"),
        (lambda: q.probability("linear", q.norm() > 1), "with its sizes"),
    ],
)
def test_bad_input_in_one_line(make, message):
    with pytest.raises((InputError, KernelError), match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_the_absolute_value_as_in_python():
    assert abs(q.determinant()).expression == q.absolute(q.determinant()).expression


def test_a_conjecture_needs_a_name():
    with pytest.raises(KernelError, match="needs a name"):
        conjecture("", Identity(x, x))
    given = (Assumption("a", "words", None),)
    assert conjecture("c", Identity(x, x), given=given).assumptions == given


def test_the_printed_corollary_is_refuted_from_its_statement_alone():
    """HKA24 Corollary 4.4 as printed, and its remark on one matrix, without the witnesses that ship."""
    from theorytest import loader
    from theorytest.search.witness import find_witness

    library = loader.load([str(ROOT / "proofs" / "hka24" / "corollary_4_4.py")])
    for label, seed in (("i", 0), ("ii", 1), ("k1", 0), ("k1", 1), ("k1", 2)):
        statement = library.entries[f"HKA24-Cor4.4{label}/printed"].statement
        witness = find_witness(statement, seed)  # default options
        assert witness is not None
        refutes(statement, witness)


@pytest.mark.parametrize(
    "claim",
    [
        Identity(x / x, ZERO + 1),
        at_every_state(scalars, q.entry(1, 1) / q.entry(1, 1) <= 1),
        along_every_flow(scalars, q.entry(1, 1) / q.entry(1, 1) <= 1, loss=HalfSum({(0, 0): 1})),
        tends_to(scalars, q.entry(1, 1) / q.entry(1, 1), 1, loss=HalfSum({(0, 0): 1})),
    ],
)
def test_undefined_means_the_same_for_numbers_states_and_flows(claim):
    found = decide(conjecture("c", claim), seconds=20)
    assert found.status == "UNDECIDED" and "a side is not defined at" in found.reason
    assert "for instance at" in found.reason and "Assume what makes both sides defined" in found.reason


def test_a_side_that_is_lost_along_the_flow():
    """w11 starts below 0 and passes 0."""
    claim = along_every_flow(scalars, q.sqrt(-1 * q.entry(1, 1)) <= 100, loss=HalfSum({(0, 0): 1}))
    given = {"below": q.entry(1, 1) < 0, "unbalanced": q.squared_norm("W[1]") >= 4 * q.squared_norm("W[2]")}
    found = decide(conjecture("c", claim, given=given), seconds=20)
    assert found.status == "UNDECIDED" and "seems to lose its value later" in found.reason


def test_probabilities_are_exact_where_they_are_known():
    found = decide(conjecture("c", q.probability(product, q.determinant() > 0, at_least="3/5")), seconds=20)
    assert found.status == "REFUTED" and "exactly 1/2" in found.reason
    zero = q.determinant() - q.determinant("W[1]") * q.determinant("W[2]")
    found = decide(conjecture("c", q.probability(product, zero > 0, at_least="1/2")), seconds=20)
    assert found.status == "UNDECIDED" and "its probability is 0: that contradicts" in found.reason
    assert not any("confidence" in note for note in found.notes)


def test_contradicting_conditions_of_real_numbers():
    found = decide(conjecture("c", Where((Inequality(x**2, "<", ZERO),), Inequality(x, "<", x))), seconds=20)
    assert found.status == "UNDECIDED" and "contradict one another (proved)" in found.reason


def test_a_budget_that_runs_out_is_said():
    slow = at_every_state(deep_matrix_factorization(6, 6, depth=3), q.nuclear_norm() <= 10 + mean + q.norm() ** 6)
    begin = time.monotonic()
    found = decide(conjecture("c", slow), seconds=1)  # it takes about 8 seconds of a core
    assert time.monotonic() - begin < 15 and found.status in ("SUPPORTED", "UNDECIDED")
    assert any("the budget of 1 s ran out: " in note for note in found.notes)


def test_how_far_flows_were_followed_is_said(monkeypatch):
    """Flows of a linear loss of depth 3 end in finite time: they were not followed to the last time asked for."""
    monkeypatch.setattr("theorytest.search.starts.certified", lambda *_, **__: [])  # up to a time after the end
    claim = along_every_flow(deep_matrix_factorization(1, 1, depth=3), q.entry(1, 1) >= 1, loss=Linear([[-1]]))
    found = decide(conjecture("c", claim, given={"one": q.equal(q.entry(1, 1), 1)}), seconds=60)
    assert found.status == "SUPPORTED" and "followed to t = 128, but" in found.reason


def test_margins_are_numbers_of_json():
    """Both sides are 0 wherever they are defined: what part of them the margin is has no value."""
    found = decide(conjecture("c", Identity(ZERO * Ln(x), ZERO)), seconds=5)
    assert found.status == "UNDECIDED"
    assert json.dumps(found.tried, allow_nan=False)


def test_proofs_run_aside(monkeypatch):
    """Where the first try has not the time, another process finds the proof while the search goes on."""
    from theorytest import decision

    monkeypatch.setattr(decision, "_interruptible", lambda: False)
    found = decide(conjecture("c", Inequality(2 * x, "<=", x**2 + 1)), seconds=60)
    assert found.status == "PROVED" and found.certificate is not None
    alone = decide(conjecture("c", Inequality(3 * x, "<=", x**2 + 1)), seconds=60)
    assert alone.status == "REFUTED"


def test_a_proof_that_never_ends_is_left(monkeypatch):
    from theorytest import decision

    monkeypatch.setattr(decision, "_interruptible", lambda: False)
    monkeypatch.setattr(decision, "_START", "import time; time.sleep(1000) # {path!r}")
    begin = time.monotonic()
    found = decide(conjecture("c", Inequality(2 * x, "<=", x**2 + 1)), seconds=3)
    assert time.monotonic() - begin < 20 and found.status == "SUPPORTED"
    assert "the usual proofs were not finished" in found.reason


def test_the_error_of_truncations():
    """Between the farthest unfolding and sqrt(3) times as much; and what is claimed beyond that is refuted."""
    from theorytest.search.states import find_state

    tensor = cp((2, 2, 2), rank=2)
    low, high = q.farthest_unfolding(1, 1, 1), q.truncation_bound(1, 1, 1)

    def against(model, claim):
        return find_state(conjecture("c", at_every_state(model, claim)), seconds=60).witness

    assert against(tensor, high <= "9/5" * low) is None
    assert against(tensor, high <= low) is not None and against(tensor, q.distance_to_rank(1, 1) < low) is not None
    nuclear, spectral = (q.approximation_error(1, norm) for norm in ("nuclear", "spectral"))
    assert against(product, 2 * nuclear <= spectral) is not None


def test_within():
    assert within(5, lambda: 7) == 7 and within(0, lambda: 7) is None
    begin = time.monotonic()

    def forever():
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    assert within(0.2, forever) is None and time.monotonic() - begin < 5


# -- files -----------------------------------------------------------------------------------------------------------

MINE = """
from theorytest import at_every_state, conjecture, quantity as q
from theorytest.kernel.witness import refutes
from theorytest.models import HalfSum, Huber, cp, deep_matrix_factorization

model = deep_matrix_factorization(2, 2, depth=1)
half = conjecture("half", at_every_state(model, 2 * q.determinant() <= q.squared_norm()))
third = conjecture("third", at_every_state(model, 3 * q.determinant() <= q.squared_norm()), expected="REFUTED")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """The command: exit code, standard output, standard error."""

    def ask(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main(["conjecture", *arguments])
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return ask


def test_the_command(folder, run):
    code, out, _ = run("mine.py", "--json", "out.json")
    assert code == 0 and "PROVED  half" in out and "REFUTED  third" in out and "as expected: REFUTED" in out
    record = json.loads((folder / "out.json").read_text())
    assert recheck(record) == []
    assert [e["status"] for e in record["statements"]] == ["PROVED", "REFUTED"]
    assert record["statements"][1]["tried"][0]["instances"] > 0
    code, out, _ = run("mine.py:third")
    assert code == 0 and "half" not in out
    code, _, err = run("mine.py:thrid")
    assert code == 2 and "no statement is named 'thrid' (did you mean" in err


def test_the_same_file_under_verify(folder):
    found = verify("mine.py", folder=folder / "runs")
    assert found.ok and [e["status"] for e in found.record["statements"]] == ["PROVED", "REFUTED"]
    record = json.loads(found.path.read_text())
    record["statements"][1]["certificates"][0]["payload"]["instance"]["blocks"][0][1]["entries"][0]["q"] = "0"
    assert recheck(record) != []


def test_a_claim_that_cannot_be_read_says_why(folder, run):
    (folder / "mine.py").write_text(MINE + 'wrong = conjecture("wrong", at_every_state(model, q.norm("W[7]") < 1))\n')
    code, out, _ = run("mine.py")
    assert code == 1 and "PROVED  half" in out and "UNDECIDED  wrong" in out and "there is no block 'W[7]'" in out


def test_an_unexpected_verdict_is_exit_code_1(folder, run):
    (folder / "mine.py").write_text(MINE.replace(', expected="REFUTED"', ""))
    code, out, _ = run("mine.py")
    assert code == 1 and "REFUTED  third" in out
    assert 'not as expected: PROVED was expected (write expected="REFUTED" where it is right)' in out


def test_files_without_conjectures(folder, run):
    (folder / "none.py").write_text("import theorytest\n")
    (folder / "wrong.py").write_text("import theorytest\n1 / 0\n")
    asked = (
        (("none.py",), "no conjecture"),
        (("wrong.py",), "ZeroDivisionError"),
        (("mine.py", "--budget", "0"), "positive"),
    )
    for arguments, why in asked:
        code, _, err = run(*arguments)
        assert code == 2 and why in err and err.count("\n") == 1


def test_a_file_that_never_ends(folder, run, monkeypatch):
    from theorytest import worker

    monkeypatch.setattr(worker, "LOADING", 3.0)
    (folder / "loop.py").write_text("import theorytest\nwhile True:\n    pass\n")
    code, _, err = run("loop.py")
    assert code == 2 and "was not loaded within 3 s" in err


def test_a_statement_whose_proof_never_ends(folder, run, monkeypatch):
    """What was decided before stays in the record, and the rest is decided after it."""
    from theorytest import worker

    monkeypatch.setattr(worker, "GRACE", 2.0)
    slow = MINE.replace("model = ", "import time\nfrom theorytest import proof\nmodel = ").replace(
        "third = ",
        'slow = conjecture("slow", half.claim)\n\n@proof(slow)\ndef never(derive):\n    time.sleep(1000)\n\nthird = ',
    )
    (folder / "mine.py").write_text(slow)
    code, _, _ = run("mine.py", "--budget", "6", "--json", "out.json")
    assert code == 1
    made = json.loads((folder / "out.json").read_text())
    found = {e["label"]: (e["status"], e["reason"]) for e in made["statements"]}
    assert found["third"][0] == "REFUTED"
    assert found["slow"][0] == "UNDECIDED" and "nothing came back within 6 s" in found["slow"][1]


def test_a_test_to_paste_whatever_the_label(folder):
    from theorytest.explain import explain, standalone_test

    label = 'a "label" with """ and \\\\ and ²'
    (folder / "odd.py").write_text(
        "from theorytest import Inequality, Variable, conjecture\n"
        f"x = Variable('x')\nodd = conjecture({label!r}, Inequality(2 * x, '<=', x**2 + 1), title={label!r})\n"
    )
    source = standalone_test(explain(label, ["odd.py"]), label)
    names: dict = {}
    exec(compile(source, "test_odd.py", "exec"), names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test()
    assert label in names["__doc__"]


def test_the_terminal_shows_no_latex():
    from theorytest import latex, loader
    from theorytest.report import readable

    entries = loader.load([EXAMPLES]).entries.values()
    claims = [e.statement.claim for e in entries]
    claims += [a.formula for e in entries for a in e.statement.assumptions if a.formula is not None]
    assert len(claims) > 30
    assert not [text for text in map(readable, map(latex.claim, claims)) if "\\" in text or "{" in text]


# -- the examples that ship -------------------------------------------------------------------------------------------


def test_enough_examples_of_every_kind():
    text = {file.name: file.read_text() for file in EXAMPLES.glob("*.py")}
    total = sum(t.count("conjecture(") for t in text.values())
    refuted = sum(t.count('"REFUTED"') for t in text.values())
    assert total >= 24 and total / 3 < refuted < 2 * total / 3
    kinds = ("at_every_state(", "along_every_flow(", "tends_to(", "q.probability(", "Conserved(", "Inequality(")
    assert all(any(kind in t for t in text.values()) for kind in kinds)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda f: f.stem)
def test_examples_have_the_expected_verdicts(file, tmp_path):
    found = verify(file, folder=tmp_path)
    assert found.problems == ()
    assert recheck(found.record) == []
