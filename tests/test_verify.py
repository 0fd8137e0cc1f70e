"""Runs: statuses come from the kernel, differences are loud, and one worker and two find the same."""

import json
import os
import sys
from pathlib import Path

import pytest

from theorytest import loader, record, report
from theorytest.errors import InputError
from theorytest.kernel.check import recheck
from theorytest.verification import installable, verify

FIELDS = {
    "id",
    "label",
    "source",
    "kind",
    "title",
    "status",
    "expected",
    "scope",
    "digest",
    "statement",
    "assumptions",
    "claim_latex",
    "rests_on",
    "certificates",
    "steps",
    "deviations",
    "controls",
    "evidence",
    "seconds",
}


@pytest.fixture
def run(tmp_path: Path, shell, monkeypatch):
    """Verify proof files of the given texts."""

    def verify_text(*texts: str, **options):
        for number, text in enumerate(texts):
            shell.project(tmp_path, text, f"lemma_{number}.py")
        monkeypatch.chdir(tmp_path)
        return verify(**options)

    return verify_text


def entry(result, label: str):
    return next(e for e in result.record["statements"] if e["label"] == label)


def test_statuses_and_record(run, shell):
    result = run(shell.GOOD)
    assert result.ok and result.exit_code == 0
    assert {e["label"]: e["status"] for e in result.record["statements"]} == {
        "T-1": "PROVED",
        "T-3": "PROVED",
        "T-4/printed": "REFUTED",
    }
    law = entry(result, "T-1")
    assert set(law) >= FIELDS
    assert {c["label"]: c["outcome"] for c in law["controls"]} == {
        "T-1/unequal_speeds": "REFUTED",
        "T-1/doubled": "finding",
    }
    assert all(
        set(c) >= {"label", "breaks", "expected", "outcome", "statement", "certificate"} for c in law["controls"]
    )
    assert [e["name"] for e in law["evidence"]] == ["on_instances"]
    assert set(law["evidence"][0]) >= {"arithmetic", "instances", "seed", "worst", "digits", "series"}
    assert [s["rule"] for s in law["steps"]] == ["rate", "zero-derivative"]
    assert all(set(s) >= {"text", "latex", "rule", "checked_by"} for s in law["steps"])
    assert {r["what"] for r in law["rests_on"]} == {"kernel", "rule"}
    assert {"what": "statement", "ref": "T-1"} in entry(result, "T-3")["rests_on"]
    assert result.path is not None
    assert json.loads(result.path.read_text()) == result.record
    assert result.record["schema"] == 1


def test_profiles(run, shell):
    result = run(shell.GOOD, profile="full")
    assert [e["name"] for e in entry(result, "T-1")["evidence"]] == ["on_instances", "only_full"]


LONG = '''
from theorytest import Statement, certified, control, quantity as q, swept, Outcome
from theorytest.enclose.flowpipe import certificate
from theorytest.gradient_flow import GradientFlow
from theorytest.models import HalfSum, deep_matrix_factorization

flow = GradientFlow(deep_matrix_factorization(1, 1, depth=1), HalfSum({(0, 0): 1}))
start = {"W[1]": [[0]]}
claim = flow.throughout(start, q.entry(1, 1) < 1, 3)
below = Statement(label="below", title="w < 1", claim=claim, expected="CERTIFIED")

@certified(below, profile="full")
def enclosed(run):
    return certificate(below.claim, digits=10)

@control(below, breaks="1")
def half():
    """w < 1/2"""
    return flow.throughout(start, q.entry(1, 1) < "1/2", 3)

@swept(below)
def in_batches(run):
    return Outcome(1, "0", True)
'''


def test_statements_that_take_long_are_checked_in_full_runs_with_their_controls(run, shell):
    text = shell.GOOD + LONG
    assert [e["label"] for e in run(text).record["statements"]] == ["T-1", "T-3", "T-4/printed"]
    found = entry(run(text, profile="full"), "below")
    assert found["status"] == "CERTIFIED" and found["controls"][0]["outcome"] == "REFUTED"
    assert [e["name"] for e in found["evidence"]] == ["in_batches"]
    with pytest.raises(InputError, match="takes long, and is checked in full runs: --profile full"):
        run(LONG)
    with pytest.raises(InputError, match="is checked in full runs"):
        run(text, labels=["below"])


def test_same_bytes_with_one_worker_and_two(run, shell, tmp_path: Path):
    one = run(shell.GOOD, seed=3)
    two = verify(seed=3, workers=2)
    assert two.record["environment"]["workers"] == 2
    assert record.dumps(record.deterministic(one.record)) == record.dumps(record.deterministic(two.record))
    assert one.record["run"] != two.record["run"]


@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_whatever_the_hash_seed(shell, tmp_path: Path, workers: int):
    shell.project(tmp_path)
    texts = []
    for hashed in ("1", "2"):
        done = shell.command("verify", "--json", f"{hashed}.json", "-n", workers, cwd=tmp_path, PYTHONHASHSEED=hashed)
        assert done.returncode == 0, done.stderr
        texts.append(record.dumps(record.deterministic(record.read(tmp_path / f"{hashed}.json"))))
    assert texts[0] == texts[1]


def test_the_seed_reaches_evidence(run, shell):
    assert entry(run(shell.GOOD, seed=5), "T-1")["evidence"][0]["numbers"]["seed"] == 5


DRAWS = """
@sampled(law)
def drawn(run):
    from hypothesis import given, seed, settings, strategies
    found = []

    @seed(run.seed)
    @settings(max_examples=200, database=None, deadline=None)
    @given(strategies.integers(0, 2**64))
    def draw(number):
        found.append(number)

    draw()
    return Outcome(len(found), "0", True, str(sum(found)))
"""


def test_hypothesis_draws_by_the_seed_alone(run, shell, tmp_path: Path, monkeypatch):
    def drawn(result):
        return next(e["detail"] for e in entry(result, "T-1")["evidence"] if e["name"] == "drawn")

    first = drawn(run(shell.GOOD + DRAWS))
    assert first
    # Hypothesis reads the constants of modules of the user's that are imported in the meantime
    numbers = ", ".join(str(7919**k % 2**61) for k in range(3, 400))
    (tmp_path / "local_numbers.py").write_text(f"numbers = ({numbers})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("local_numbers")
    assert drawn(verify()) == first
    assert drawn(verify(workers=2)) == first
    assert drawn(verify(seed=1)) != first


# -- differences from what is expected ---------------------------------------------------------------------------------


def test_better_than_expected_is_a_difference_too(run, shell):
    text = shell.HEAD + (
        'law = state("T-1", Conserved(uu - vv, flow), expected="UNDECIDED", expected_reason="open")\n'
        "@proof(law)\ndef easy(derive):\n    derive.conserved(uu - vv, flow)\n"
    )
    result = run(text)
    assert result.exit_code == 1
    assert result.problems == ("T-1 is PROVED, expected UNDECIDED",)


def test_a_failing_step_names_its_line(run, shell):
    text = shell.HEAD + (
        'law = state("T-1", Conserved(uu + vv, flow))\n'
        "@proof(law)\ndef wrong(derive):\n    derive.conserved(uu + vv, flow)\n"
    )
    result = run(text)
    line = text.splitlines().index("    derive.conserved(uu + vv, flow)") + 1
    (problem,) = result.problems
    assert problem.startswith("T-1 is REFUTED, expected PROVED: at ")
    assert "the derivative of the quantity is not 0" in problem and "u = [[" in problem and "gradient = [[" in problem
    assert all(f"{size} = 1" in problem for size in ("m", "R", "n"))
    assert f"; wrong (proofs/lemma_0.py:{line}): " in problem
    certificate = entry(result, "T-1")["certificates"][0]
    assert certificate["kind"] == "witness" and recheck(result.record) == []


def test_a_false_statement_without_a_proof_is_refuted(run, shell):
    result = run(shell.HEAD + 'law = state("T-1", Conserved(uu + vv, flow))\n')
    assert entry(result, "T-1")["status"] == "REFUTED" and result.exit_code == 1
    assert recheck(result.record) == []


def test_a_true_statement_without_a_proof_is_undecided_and_says_what_was_tried(run, shell):
    (problem,) = run(shell.HEAD + 'law = state("T-1", Conserved(uu - vv, flow))\n').problems
    assert "is UNDECIDED, expected PROVED: no proof is offered; no witness was found among" in problem


def test_a_true_statement_whose_proof_fails_has_both_reasons(run, shell):
    text = shell.GOOD.replace("derive.conserved(uu - vv, flow)", "raise ValueError('a gap')")
    (reason,) = [p for p in run(text).problems if p.startswith("T-1 is UNDECIDED")]
    assert "ValueError: a gap; no witness was found among" in reason


@pytest.mark.parametrize("exits", ["raise SystemExit(0)", "import os; os._exit(0)"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_proof_that_exits_is_no_success(run, shell, exits: str, workers: int):
    result = run(shell.GOOD.replace("derive.conserved(uu - vv, flow)", exits), workers=workers)
    assert entry(result, "T-1")["status"] == "UNDECIDED"
    assert "it calls exit(0), which would end the whole run" in entry(result, "T-1")["reason"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ('Flow(model, Focus(), speeds=(("v", float("nan")),))', r"lemma_0.py:\d+: bad holds .* nan of type float"),
        ('Flow(model, Focus(), speeds=(("v", 2),))', r"lemma_0.py:\d+: bad holds .*speeds"),
    ],
)
def test_inexact_data_are_one_line(run, shell, claim: str, message: str, workers: int):
    text = shell.HEAD + f'bad = Statement("bad", "inexact", Conserved(uu - vv, {claim}))\n'
    with pytest.raises(InputError, match=message):
        run(text, workers=workers)


@pytest.mark.parametrize(
    "text",
    [
        'Proof(Statement("bad", "x", Conserved(uu - vv, {flow})), lambda derive: None)',
        'control(Statement("good", "x", Conserved(uu - vv, flow)), breaks="x")(variant)',
    ],
)
def test_inexact_data_in_a_proof_or_control_are_one_line(run, shell, text: str):
    flow = 'Flow(model, Focus(), speeds=(("v", 0.5),))'
    head = shell.HEAD + "from theorytest.authoring import Proof\n"
    head += f"def variant():\n    return Conserved(uu - vv, {flow})\n"
    with pytest.raises(InputError, match=r"lemma_0.py:\d+: .*(bad|good/variant) holds .* 0.5 of type float"):
        run(head + f"tied = {text.format(flow=flow)}\n")


def test_a_proof_file_that_exits_is_one_line(run, shell):
    with pytest.raises(InputError, match=r"lemma_0.py:\d+: it calls exit\(0\)"):
        run(shell.HEAD + "import os\nos._exit(0)\n")


def test_an_expectation_that_is_no_status_is_one_line(run, shell):
    with pytest.raises(InputError, match=r"lemma_0.py:\d+: .*needed|lemma_0.py:\d+: .*is one of") as caught:
        run(shell.HEAD + 'bad = Statement("bad", "x", Conserved(uu - vv, flow), expected="refuted")\n')
    assert "'refuted'" in str(caught.value)
    text = shell.GOOD.replace('expected="finding"', 'expected="PROVED"')
    with pytest.raises(InputError, match=r"control T-1/doubled.*needed one of REFUTED"):
        run(text)


def test_a_proof_of_something_else_is_rejected(run, shell):
    text = shell.HEAD + (
        'law = state("T-1", Conserved(uu - vv, flow))\n'
        "@proof(law)\ndef other(derive):\n    derive.conserved((uu - vv) * 2, flow)\n"
    )
    (problem,) = run(text).problems
    assert "ends in another claim" in problem


def test_evidence_against_a_proved_statement_fails_loudly(run, shell):
    text = shell.GOOD + '\n@swept(law)\ndef against(run):\n    return Outcome(3, "7", False, "off by 7")\n'
    result = run(text)
    assert result.problems == ("evidence T-1/against contradicts T-1, which is PROVED: off by 7",)


def test_evidence_that_breaks_is_a_failure(run, shell):
    text = shell.GOOD + "\n@swept(law)\ndef broken(run):\n    return 1 / 0\n"
    (problem,) = run(text).problems
    assert problem.startswith("evidence T-1/broken failed: broken (proofs/lemma_0.py:")
    assert "ZeroDivisionError" in problem


def test_evidence_alone_supports_and_proves_nothing(run, shell):
    text = shell.HEAD + (
        'law = state("T-1", Conserved(uu - vv, flow), expected="SUPPORTED", expected_reason="not proved yet")\n'
        '@swept(law)\ndef instances(run):\n    return Outcome(3, "0.1", True)\n'
    )
    result = run(text)
    assert result.ok and entry(result, "T-1")["status"] == "SUPPORTED"
    undecided = text.replace("Outcome(3, ", "Outcome(0, ")
    assert entry(run(undecided), "T-1")["status"] == "UNDECIDED"


def test_an_edit_of_the_same_length_within_a_second_is_seen(tmp_path: Path, shell, monkeypatch):
    text = shell.GOOD + "\n@swept(law)\ndef tried(run):\n    return Outcome(1, '0', True)\n"
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        shell.project(tmp_path, text.replace("Outcome(1,", f"Outcome({number},"), "lemma_0.py")
        os.utime(tmp_path / "proofs" / "lemma_0.py", ns=(10**18 + number, 10**18 + number))
        pieces = entry(verify(), "T-1")["evidence"]
        assert [piece["instances"] for piece in pieces if piece["name"] == "tried"] == [number]


def test_a_control_that_survives_unexpectedly(run, shell):
    text = shell.GOOD.replace('expected="finding", reason="scaling by 2 changes nothing"', "")
    (problem,) = run(text).problems
    assert problem.startswith("control T-1/doubled is finding, expected REFUTED: no witness was found among")


def test_a_finding_that_is_refuted(run, shell):
    text = shell.GOOD.replace('@control(law, breaks="flow")', '@control(law, breaks="flow", expected="finding")')
    assert run(text).problems == ("control T-1/unequal_speeds is REFUTED, expected finding",)


def test_a_wrong_witness_is_not_replaced_by_a_search(run, shell):
    text = shell.GOOD.replace("Conserved(uu - vv, twice), at(1, 2, 1)", "Conserved(uu - vv, twice), at(0, 2, 1)")
    (problem,) = run(text).problems
    assert "control T-1/unequal_speeds is UNDECIDED, expected REFUTED: certificate rejected" in problem


def test_a_control_by_search(run, shell):
    text = (
        shell.HEAD
        + '''
law = state("T-1", Conserved(uu - vv, flow))

@proof(law)
def easy(derive):
    derive.conserved(uu - vv, flow)

@control(law, breaks="flow")
def searched():
    """v at twice the speed."""
    return Conserved(uu - vv, twice)
'''
    )
    result = run(text)
    assert result.ok, result.problems
    (control,) = entry(result, "T-1")["controls"]
    assert control["certificate"]["kind"] == "witness" and control["margin"]


def test_a_control_does_not_survive_a_search_without_an_instance_that_meets_the_assumptions(run, shell):
    text = shell.HEAD + (
        'large = Assumption("large", "x > 7", Inequality(Number(Fraction(7)), "<", Variable("x")))\n'
        "example = replace(at(1, 1, 1), variables=(('x', Fraction(8)),))\n"
        'law = state("T-1", Conserved(uu - vv, flow), assumptions=(*setting, large), example=example)\n'
        "@proof(law)\ndef easy(derive):\n    derive.conserved(uu - vv, flow)\n"
        '@control(law, breaks="flow")\ndef searched():\n    """Speeds."""\n    return Conserved(uu - vv, twice)\n'
    )
    text = "from dataclasses import replace\nfrom theorytest.kernel.scalar import Number, Variable\n" + text
    result = run(text)
    (control,) = entry(result, "T-1")["controls"]
    assert control["outcome"] == "UNDECIDED", control
    assert "exact instances that were tried meets the assumptions: give a witness" in control["reason"]
    assert entry(result, "T-1")["status"] == "PROVED"


# -- citations ---------------------------------------------------------------------------------------------------------


def test_what_is_cited_stands_first(run, shell):
    cites = shell.HEAD + (
        'later = state("A-1", Conserved(uu - vv, flow))\n@proof(later)\ndef cited(derive):\n    derive.cite("T-1")\n'
    )
    result = run(cites, shell.GOOD)
    labels = [e["label"] for e in result.record["statements"]]
    assert result.ok and labels.index("T-1") < labels.index("A-1")


def test_a_file_alone_brings_what_it_cites(run, shell, tmp_path: Path):
    cites = shell.HEAD + (
        'later = state("A-1", Conserved(uu - vv, flow))\n@proof(later)\ndef cited(derive):\n    derive.cite("T-1")\n'
    )
    run(cites, shell.GOOD)
    alone = verify(tmp_path / "proofs" / "lemma_0.py")
    assert [e["label"] for e in alone.record["statements"]] == ["T-1", "A-1"]
    assert entry(alone, "A-1")["status"] == "PROVED" and not entry(alone, "T-1")["controls"]


def test_proofs_do_not_go_round_in_a_circle(run, shell):
    text = (
        shell.HEAD
        + """
one_ = state("T-1", Conserved(uu - vv, flow))
two_ = state("T-2", Conserved(uu - vv, flow))

@proof(one_)
def from_two(derive):
    derive.cite("T-2")

@proof(two_)
def from_one(derive):
    derive.cite("T-1")
"""
    )
    result = run(text)
    assert [e["status"] for e in result.record["statements"]] == ["UNDECIDED", "UNDECIDED"]
    assert any("circle" in problem for problem in result.problems)


def test_what_is_not_proved_cannot_be_cited(run, shell):
    text = shell.GOOD.replace('"T-1", Conserved(uu - vv', '"T-1", Conserved(uu + vv')
    text = text.replace('"T-3", Conserved(uu - vv', '"T-3", Conserved(uu + vv')
    result = run(text)
    assert entry(result, "T-3")["status"] == "REFUTED"
    assert "T-1 is cited, but it is REFUTED" in entry(result, "T-3")["reason"]


def test_an_unknown_citation_suggests(run, shell):
    text = shell.GOOD.replace('derive.cite("T-1")', 'derive.cite("T-11")')
    assert "no statement is labelled 'T-11' (did you mean T-1" in entry(run(text), "T-3")["reason"]


# -- left out ----------------------------------------------------------------------------------------------------------


def test_a_missing_extra_is_listed_and_not_a_failure(run, shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly", None)
    text = shell.GOOD + "\n@swept(law)\ndef on_data(run):\n    import tensorly\n    return tensorly\n"
    result = run(text)
    assert result.ok
    assert result.record["left_out"] == [
        {"label": "T-1/on_data", "reason": f"tensorly is not installed: pip install {installable('data')}"}
    ]


def test_another_missing_module_is_a_failure(run, shell):
    text = shell.GOOD + "\n@swept(law)\ndef on_data(run):\n    import no_such_module_at_all\n"
    (problem,) = run(text).problems
    assert "No module named 'no_such_module_at_all'" in problem


# -- loading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from theorytest import proof\nx = (\n", r"lemma_0.py:2: .*never closed"),
        ("from theorytest import proof\nx = 1\ny = x / 0\n", r"lemma_0.py:3: ZeroDivisionError: division by zero"),
        ("from theorytest import no_such_name\n", r"lemma_0.py:1: ImportError: .*no_such_name"),
        ("from theorytest import proof\nraise SystemExit\n", r"lemma_0.py:2: it calls exit"),
        ("from theorytest import Tensor\nx = Tensor('X', ('m', 'n'))['i']\n", r"lemma_0.py:2: X has 2 legs"),
        ("x = 1\n", r"no file in proofs imports theorytest"),
        ("from theorytest import proof\n", r"no statement"),
    ],
)
def test_errors_in_a_proof_file_are_one_line(run, text: str, message: str):
    with pytest.raises(InputError, match=message) as caught:
        run(text)
    assert "\n" not in str(caught.value)


def test_labels_differ(run, shell):
    with pytest.raises(InputError, match=r"lemma_1.py:\d+: the label 'T-1' is taken by proofs/lemma_0.py"):
        run(shell.GOOD, shell.GOOD.replace("uu - vv", "(uu - vv) * 3"))


def test_functions_of_one_name(run, shell):
    with pytest.raises(InputError, match=r"the label 'T-1/unequal_speeds' is used twice"):
        run(
            shell.GOOD
            + "\n@swept(law)\ndef unequal_speeds(run):\n    pass\ncontrols = [unequal_speeds]\n"
            + """
@control(law, breaks="flow")
def again_():
    return Conserved(uu, twice)
import dataclasses
again_ = dataclasses.replace(again_, statement=dataclasses.replace(again_.statement, label="T-1/unequal_speeds"))
"""
        )


def test_files_import_from_each_other_and_take_no_names(run, shell):
    other = "from theorytest import control, Conserved\nfrom .lemma_0 import law, uu, vv, twice\n"
    other += '@control(law, breaks="speed")\ndef elsewhere():\n    return Conserved(uu - vv, twice)\n'
    before = set(sys.modules)
    result = run(shell.GOOD, other)
    assert result.ok, result.problems
    assert [c["label"] for c in entry(result, "T-1")["controls"]][-1] == "T-1/elsewhere"
    new = {name for name in set(sys.modules) - before if "lemma" in name}
    assert new and all(name.startswith(loader.PREFIX) for name in new)


def test_a_whole_project_is_searched_with_care(run, shell, tmp_path: Path):
    for place in (".venv/lib", "venv", "a/site-packages/x", "node_modules", ".hidden", "__pycache__"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "broken.py").write_text("import theorytest\nraise SystemExit\n")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "test_own.py").write_text("import theorytest\nraise SystemExit\n")
    (tmp_path / "conftest.py").write_text("import theorytest\nraise SystemExit\n")
    result = run(shell.GOOD, paths=".")
    assert result.ok and len(result.record["statements"]) == 3


def test_a_file_outside_any_project(shell, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.py").write_text(shell.GOOD)
    result = verify("alone.py")
    assert result.ok and result.record["statements"][0]["file"].endswith("alone.py")


def test_natural_order_and_paths_once(run, shell, tmp_path: Path):
    for number in (10, 2):
        text = shell.GOOD.replace('"T-', f'"T{number}-').replace("T-1", f"T{number}-1")
        shell.project(tmp_path, text, f"lemma_{number}.py")
    monkey = verify([tmp_path / "proofs", tmp_path / "proofs" / "lemma_2.py"], folder=tmp_path / ".theorytest")
    labels = [e["label"] for e in monkey.record["statements"]]
    assert labels == ["T2-1", "T2-3", "T2-4/printed", "T10-1", "T10-3", "T10-4/printed"]


def test_an_edited_file_is_read_again(run, shell):
    assert entry(run(shell.GOOD), "T-1")["title"] == "T-1"
    changed = shell.GOOD.replace('"T-1", Conserved(uu - vv, flow)', '"T-1", Conserved(uu - vv, flow), title="changed"')
    assert entry(run(changed), "T-1")["title"] == "changed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "slow"}, "there is no profile 'slow'; needed one of quick, full"),
        ({"device": "tpu"}, "there is no device 'tpu'; needed one of cpu, cuda"),
        ({"seed": -1}, "the seed must be an integer"),
        ({"seed": 1.5}, "the seed must be an integer"),
        ({"workers": 0}, "the number of workers must be"),
        ({"paths": "nowhere"}, "no such file or folder: nowhere"),
        ({"paths": "pyproject.toml"}, "pyproject.toml is not a Python file"),
    ],
)
def test_wrong_options(run, shell, options, message: str):
    with pytest.raises(InputError, match=message):
        run(shell.GOOD, **options)


def test_progress_counts_every_check(run, shell):
    seen = []
    run(shell.GOOD, progress=lambda done, total, label: seen.append((done, total, label)))
    assert [(done, total) for done, total, _ in seen] == [(k, 6) for k in range(1, 7)]


def test_a_worker_that_dies_is_one_line(run, shell):
    text = shell.GOOD + "\n@swept(law)\ndef dies(run):\n    import os\n    os.kill(os.getpid(), 9)\n"
    with pytest.raises(InputError, match=r"T-1/dies: the process that checked it was killed by signal 9"):
        run(text, workers=2)


def test_what_an_author_prints_does_not_disturb_workers(run, shell):
    text = shell.GOOD + '\n@swept(law)\ndef talks(run):\n    print("[1, 2]")\n    return Outcome(1, "0", True)\n'
    assert run(text, workers=2).ok


# -- other certificates ------------------------------------------------------------------------------------------------

CONTRARY = """
law = state("T-1", Conserved(uu - vv, flow))

@proof(law)
def easy(derive):
    derive.conserved(uu - vv, flow)

def same(derive):
    derive.equal("a term is itself", uu, uu)

@control(law, breaks="claim", contrary=same)
def less_than_itself():
    return Inequality(uu, "<", uu)

from theorytest.authoring import Proof
false = state("T-2", Inequality(uu, "<", uu), expected="REFUTED")
contrary = Proof(false, same, "contradiction")
"""


def test_the_contrary_by_derivation(run, shell):
    result = run(shell.HEAD + CONTRARY)
    assert result.ok, result.problems
    (control,) = entry(result, "T-1")["controls"]
    assert control["certificate"]["kind"] == "contradiction"
    assert entry(result, "T-2")["certificates"][0]["kind"] == "contradiction"
    other = CONTRARY.replace('derive.equal("a term is itself", uu, uu)', 'derive.equal("another", vv, vv)')
    result = run(shell.HEAD + other)
    assert [p.partition(" is ")[0] for p in result.problems] == ["control T-1/less_than_itself", "T-2"]


CERTIFIED = """
def square(*rows):
    return Array((len(rows), len(rows[0])), tuple(Fraction(x) for row in rows for x in row))

claim = SliceTruncation()
rank = state("T-1", claim, assumptions=(), scope="all sizes", expected="CERTIFIED", expected_reason="on instances")

@certified(rank)
def diagonal(run):
    core, unit = square((4, 0), (0, Fraction(1, 100))), square((1, 0), (0, 1))
    letters = (("G", core), ("V[1]", unit), ("V[2]", unit))
    return tuple(Instance(letters=letters, variables=(("ε", Fraction(k, 10)),)) for k in (1, 2, run.seed + 3))
"""


def test_certified_on_instances(run, shell):
    result = run(shell.HEAD + CERTIFIED)
    assert result.ok, result.problems
    (certificate,) = entry(result, "T-1")["certificates"]
    assert (certificate["kind"], entry(result, "T-1")["scope"]) == ("instances", "3 instances")
    broken = CERTIFIED.replace('("V[2]", unit)', '("V[2]", square((0, 0), (0, 0)))')
    (problem,) = run(shell.HEAD + broken).problems
    assert problem.startswith("T-1 is UNDECIDED, expected CERTIFIED: certificate rejected")


def test_refuted_by_a_witness_of_the_author(run, shell):
    refuted = CERTIFIED.replace("CERTIFIED", "REFUTED").replace("@certified", "@refuted")
    refuted = refuted.replace("SliceTruncation()", "SliceTruncation(factor=Fraction(100))")
    refuted = refuted.replace("return tuple(", "return Witness(next(")
    refuted = refuted.replace(" in (1, 2, run.seed + 3))", " in (9,)))")
    result = run(shell.HEAD + refuted)
    assert result.ok, result.problems
    (certificate,) = entry(result, "T-1")["certificates"]
    assert (certificate["kind"], entry(result, "T-1")["scope"]) == ("witness", "at the witness")
    weak = refuted.replace("Fraction(100)", "Fraction(1, 100)")
    (problem,) = run(shell.HEAD + weak).problems
    assert problem.startswith("T-1 is UNDECIDED, expected REFUTED: certificate rejected")


def test_a_proof_and_instances_together(run, shell, tmp_path: Path):
    """What is proved and also certified is PROVED; the record keeps both certificates, and both are checked again."""
    from theorytest.kernel.check import recheck

    text = shell.HEAD + CERTIFIED.replace('expected="CERTIFIED", expected_reason="on instances"', "")
    source = Path(loader.__file__).parents[1] / "proofs" / "hka24" / "proposition_4_6.py"
    text += "\nfrom .proposition import by_removing_small_slices as known\n"
    text += "again = proof(rank)(known.build)\n"
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs" / "proposition.py").write_text(source.read_text())
    result = run(text)
    law = entry(result, "T-1")
    assert result.ok, result.problems
    assert law["status"] == "PROVED" and [c["kind"] for c in law["certificates"]] == ["derivation", "instances"]
    assert recheck(result.record) == []
    law["certificates"][1]["payload"]["instances"][0]["variables"][0][1] = {"q": "7"}
    assert any(p.startswith("T-1: ") for p in recheck(result.record))
    (problem,) = run(text.replace('("V[2]", unit)', '("V[2]", square((0, 0), (0, 0)))')).problems
    assert problem.startswith("T-1 is PROVED, but another of its certificates fails: certificate rejected")


# -- evidence in another file ------------------------------------------------------------------------------------------

ELSEWHERE = """
from theorytest import Outcome, swept
from .lemma_0 import law

@swept(law)
def in_another_file(run):
    return Outcome(2, "0", True)
"""


def test_evidence_in_another_file(run, shell, tmp_path: Path):
    result = run(shell.GOOD, ELSEWHERE)
    assert [e["name"] for e in entry(result, "T-1")["evidence"]] == ["on_instances", "in_another_file"]
    alone = verify(tmp_path / "proofs" / "lemma_1.py")
    assert alone.ok, alone.problems
    (law,) = alone.record["statements"]
    assert (law["label"], law["reason"]) == ("T-1", record.NOT_SELECTED)
    assert [e["name"] for e in law["evidence"]] == ["in_another_file"]
    without = verify(tmp_path / "proofs" / "lemma_0.py")
    assert [e["name"] for e in entry(without, "T-1")["evidence"]] == ["on_instances"]


VACUOUS = '''
from theorytest import Assumption, Identity, Inequality, Source, Statement, vacuous
from theorytest.derive.scalar import Reals
from theorytest.kernel.scalar import Variable, scalar

x = Variable("x")


def stated(label, bound):
    positive = Assumption("positive", "x > 0", Inequality(scalar(0), "<", x))
    small = Assumption("small", "x is small", Inequality(x, "<=", scalar(bound)))
    claim = Identity(x, x + 1)
    return Statement(label, "title", claim, assumptions=(positive, small), expected="REFUTED", source=Source("T", ""))


empty, met = stated("V-1", 0), stated("V-2", 1)


def contradiction(derive):
    """x > 0 and x <= 0."""
    real, facts = Reals(derive), [derive.assume(label) for label in ("positive", "small")]
    positive, small = (real.suppose(fact.claim) for fact in facts)
    false = real.at_most("", 1, 0, positive, small, scale=[(1, 1, (positive,))], by=[(1, 1, (small,))])
    real.outright(false, *facts)


of_the_empty_one, of_the_other = vacuous(empty)(contradiction), vacuous(met)(contradiction)
'''


def test_a_statement_whose_assumptions_contradict_one_another(run):
    result = run(VACUOUS)
    one, other = entry(result, "V-1"), entry(result, "V-2")
    assert (one["status"], one["scope"]) == ("REFUTED", "vacuous: no instance meets the assumptions (proved)")
    told = " ".join(report.plain(report.table(result.record)).split())
    assert "vacuous: no instance meets the assumptions (proved)" in told
    assert one["certificates"][0]["kind"] == "vacuity" and one["margin"] == ""
    assert other["status"] == "UNDECIDED" and "no certificate" in other["reason"]
    assert any(problem.startswith("V-2 is UNDECIDED") for problem in result.problems)
