"""Forged records are rejected, by the kernel alone, and the statement is named."""

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from theorytest.kernel.check import recheck
from theorytest.kernel.encoding import canonical, decode, digest
from theorytest.verification import verify

BLOCKED = ("sympy", "torch", "mpmath", "numpy", "hypothesis", "rich", "scipy", "tensorly", "z3", "cvc5", "pytest")
ROOT = Path(__file__).parents[1]

EXAMPLE = """
start = Identity(uu, vv)
small = state(
    "S-1",
    Conserved(uu - vv, flow),
    assumptions=(*setting, Assumption("equal", "equal at the start", AtStart(start, flow))),
    example=at(2, 2, 1),
)

@proof(small)
def easy(derive):
    derive.conserved(uu - vv, flow)

@control(small, breaks="speed")
def faster():
    return Conserved(uu - vv, twice), at(1, 1, 1)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, shell):
    """The record of a small project."""
    folder = shell.project(tmp_path_factory.mktemp("project"), shell.GOOD + EXAMPLE)
    result = verify(folder / "proofs", folder=folder / ".theorytest")
    assert result.ok, result.problems
    return json.loads(result.path.read_text())


@pytest.fixture
def forged(made):
    return copy.deepcopy(made)


def statement(record, label):
    return next(e for e in record["statements"] if e["label"] == label)


def control(record, label):
    return next(c for e in record["statements"] for c in e["controls"] if c["label"] == label)


def seal(certificate, entry):
    """Compute the digest again, as a forger would."""
    parts = {key: certificate[key] for key in ("kind", "payload", "producer")}
    sealed = {"is": "Certificate", "statement": entry["digest"], **parts}
    certificate["digest"] = hashlib.sha256(canonical(sealed).encode()).hexdigest()


def numbers(value, path=()):
    """Places of all numbers in JSON data (integers, and rational numbers as text)."""
    if isinstance(value, dict):
        if set(value) == {"q"}:
            yield (*path, "q")
        else:
            for key, item in value.items():
                yield from numbers(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from numbers(item, (*path, place))
    elif type(value) is int:
        yield path


def at(data, path):
    for key in path:
        data = data[key]
    return data


def bump(data, path):
    """Add 1 to the number at a place."""
    held = at(data, path[:-1])
    old = held[path[-1]]
    if isinstance(old, str):
        above, _, below = old.partition("/")
        held[path[-1]] = f"{int(above) + int(below or 1)}" + (f"/{below}" if below else "")
    else:
        held[path[-1]] = old + 1


def places(record):
    """Places of all numbers in what is claimed and offered: statements, certificates, witnesses."""
    for number, entry in enumerate(record["statements"]):
        base = ("statements", number)
        yield from numbers(entry["statement"], (*base, "statement"))
        yield from numbers(entry["certificates"], (*base, "certificates"))
        for k, each in enumerate(entry["controls"]):
            yield from numbers(each["statement"], (*base, "controls", k, "statement"))
            yield from numbers(each["certificate"], (*base, "controls", k, "certificate"))


def named(record, path):
    """The label that must be named when the number at a place is changed."""
    entry = record["statements"][path[1]]
    return entry["controls"][path[3]]["label"] if path[2] == "controls" else entry["label"]


def test_an_honest_record_is_accepted(made):
    assert recheck(made) == []
    for entry in made["statements"]:  # and the forger of these tests knows how to compute digests
        for certificate in entry["certificates"]:
            honest = certificate["digest"]
            seal(certificate, entry)
            assert certificate["digest"] == honest


def test_every_number_counts(made, forged):
    """Each number of the record, one at a time."""
    found = list(places(made))
    assert len(found) > 60
    for path in found:
        bump(forged, path)
        problems = recheck(forged)
        held = at(forged, path[:-1])
        held[path[-1]] = at(made, path)
        assert any(named(made, path) in problem.partition(": ")[0] for problem in problems), path
    assert forged == made


def test_every_number_of_a_derivation_counts_with_digests_computed_again(made, forged):
    """The forger computes the certificate's digest again: the steps themselves have to be wrong."""
    counted = 0
    for entry, honest in zip(forged["statements"], made["statements"], strict=True):
        for k, certificate in enumerate(entry["certificates"]):
            if certificate["kind"] != "derivation":
                continue
            for path in numbers(certificate["payload"]):
                bump(certificate["payload"], path)
                seal(certificate, entry)
                problems = recheck(forged)
                entry["certificates"][k] = certificate = copy.deepcopy(honest["certificates"][k])
                assert any(entry["label"] in problem for problem in problems), (entry["label"], path)
                counted += 1
    assert counted > 5


def test_a_changed_claim_with_all_digests_computed_again(forged):
    entry = statement(forged, "T-1")
    term = entry["statement"]["claim"]["quantity"]["monomials"][0]
    term["coefficient"] = {"q": "2"}
    entry["digest"] = digest(decode(entry["statement"]))
    seal(entry["certificates"][0], entry)
    problems = recheck(forged)
    assert "T-1: certificate rejected: the derivation ends in another claim than the statement's" in problems
    assert any(p.startswith("T-3: certificate rejected") for p in problems)  # what it cites is no longer proved


def test_a_swapped_index(forged):
    entry = statement(forged, "T-1")
    (rate, *_) = entry["certificates"][0]["payload"]["steps"]
    factor = rate["data"][0]["monomials"][0]["factors"][0]
    factor["indices"] = factor["indices"][::-1]
    seal(entry["certificates"][0], entry)
    assert any(p.startswith("T-1: ") for p in recheck(forged))


def test_a_witness_at_which_the_claim_holds(forged):
    entry = control(forged, "T-1/unequal_speeds")
    blocks = entry["certificate"]["payload"]["instance"]["blocks"]
    blocks[0][1]["entries"][0] = {"q": "0"}  # u = 0: both rates are 0
    seal(entry["certificate"], entry)
    problems = recheck(forged)
    assert any(p.startswith("T-1/unequal_speeds: certificate rejected: the claim holds") for p in problems)


def test_a_witness_that_does_not_meet_an_assumption(forged):
    entry = control(forged, "S-1/faster")
    blocks = entry["certificate"]["payload"]["instance"]["blocks"]
    blocks[0][1]["entries"][0] = {"q": "3"}
    seal(entry["certificate"], entry)
    assert any(p.startswith("S-1/faster: certificate rejected") for p in recheck(forged))


def test_an_example_that_does_not_meet_an_assumption(forged):
    entry = statement(forged, "S-1")
    entry["statement"]["example"]["blocks"][0][1]["entries"][0] = {"q": "3"}
    entry["digest"] = digest(decode(entry["statement"]))
    seal(entry["certificates"][0], entry)
    assert any(p.startswith("S-1: certificate rejected") for p in recheck(forged))


def test_the_digest_of_another_statement(forged):
    first, other = statement(forged, "T-1"), statement(forged, "S-1")
    first["digest"] = other["digest"]
    assert any(p.startswith("T-1: the statement has digest") for p in recheck(forged))


def test_the_certificate_of_another_statement(forged):
    first, other = statement(forged, "T-1"), statement(forged, "T-4/printed")
    first["certificates"] = copy.deepcopy(other["certificates"])
    assert any(p.startswith("T-1: ") for p in recheck(forged))


def test_a_missing_assumption(forged):
    """The digest covers the assumptions."""
    entry = statement(forged, "S-1")
    entry["statement"]["assumptions"] = []
    assert any(p.startswith("S-1: the statement has digest") for p in recheck(forged))


def test_a_missing_assumption_that_a_derivation_uses(tmp_path: Path, shell):
    text = (
        shell.HEAD
        + """
from theorytest.kernel.claim import Always
law = Conserved(uu - vv, flow)
start = AtStart(Identity(uu, vv), flow)
given = state("A-1", Always(Identity(uu, vv), flow), example=at(1, 1, 1),
    assumptions=(Assumption("start", "equal at the start", start),))

@proof(given)
def stays_equal(derive):
    derive.apply("stays", derive.conserved(uu - vv, flow), derive.assume("start"))
"""
    )
    folder = shell.project(tmp_path, text)
    result = verify(folder / "proofs", folder=tmp_path / ".theorytest")
    assert result.ok, result.problems
    forged = copy.deepcopy(result.record)
    (entry,) = forged["statements"]
    entry["statement"]["assumptions"] = entry["assumptions"] = []
    entry["digest"] = digest(decode(entry["statement"]))
    seal(entry["certificates"][0], entry)
    (problem,) = recheck(forged)
    assert problem.startswith("A-1: certificate rejected: ") and "has no assumption 'start'" in problem


def test_a_status_without_a_certificate(forged):
    statement(forged, "T-1")["certificates"] = []
    assert "T-1: the record says PROVED, the certificates give None" in recheck(forged)


def test_a_status_beyond_its_certificate(forged):
    statement(forged, "T-4/printed")["status"] = "PROVED"
    assert "T-4/printed: the record says PROVED, the certificates give REFUTED" in recheck(forged)


def test_an_outcome_without_a_witness(forged):
    control(forged, "T-1/doubled")["outcome"] = "REFUTED"
    assert any(p.startswith("T-1/doubled: the record says REFUTED") for p in recheck(forged))


def test_less_to_rest_on(forged):
    entry = statement(forged, "T-3")
    entry["rests_on"] = [r for r in entry["rests_on"] if r["what"] != "statement"]
    assert "T-3: what it rests on is not what the record says" in recheck(forged)


def test_a_citation_of_what_is_removed(forged):
    forged["statements"] = [e for e in forged["statements"] if e["label"] != "T-1"]
    assert any(p.startswith("T-3: certificate rejected") for p in recheck(forged))


def test_a_citation_of_what_comes_later(forged):
    """Two statements that cite each other prove nothing: what is cited must have been checked before."""
    forged["statements"].reverse()
    assert any(p.startswith("T-3: certificate rejected") for p in recheck(forged))


@pytest.mark.parametrize("junk", [None, [], {"is": "Statement"}, 3, {"q": "1/0"}, {"is": "Tensor", "name": "x"}])
def test_junk_in_the_place_of_a_statement(forged, junk):
    statement(forged, "T-1")["statement"] = junk
    assert any(p.startswith("T-1: ") for p in recheck(forged))


# -- the command -------------------------------------------------------------------------------------------------------

HOOK = f"""
import sys
BLOCKED = {BLOCKED!r}
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Hook())
for name in [n for n in sys.modules if n.partition(".")[0] in BLOCKED]:
    raise SystemExit(f"{{name}} is imported already")
from theorytest.cli import main
try:
    main(sys.argv[1:])
finally:
    loaded = {{n.partition(".")[0] for n in sys.modules}} & set(BLOCKED)
    assert not loaded, loaded
"""


def blocked(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in a fresh process that cannot import producers."""
    return subprocess.run(
        [sys.executable, "-c", HOOK, *map(str, arguments)], capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def test_the_kernel_alone_accepts(made, tmp_path: Path):
    file = tmp_path / "record.json"
    file.write_text(json.dumps(made))
    done = blocked("recheck", file, "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every certificate holds" in done.stdout
    assert json.loads((tmp_path / "result.json").read_text())["ok"] is True


def test_the_kernel_alone_rejects_and_names(made, tmp_path: Path):
    paths = list(places(made))
    for path in (paths[0], paths[len(paths) // 2], paths[-1]):
        forged = copy.deepcopy(made)
        bump(forged, path)
        file = tmp_path / "record.json"
        file.write_text(canonical(forged))
        done = blocked("recheck", file)
        assert done.returncode == 1, done.stdout + done.stderr
        assert named(made, path) in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a record"),
        ('{"schema": 2, "statements": []}', "not a record"),
        ('{"schema": 1, "statements": [NaN]}', "NaN"),
        ("[" * 100_000, "nested too deeply"),
        ("\xff", "not"),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, message: str):
    file = tmp_path / "record.json"
    file.write_bytes(text.encode("latin-1"))
    done = blocked("recheck", file)
    assert done.returncode == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_entries_that_are_no_entries(tmp_path: Path):
    file = tmp_path / "record.json"
    for junk in (3, None, {}, {"label": "x"}, {"label": "x", "controls": 3}, {"label": "x", "controls": [3]}):
        file.write_text(json.dumps({"schema": 1, "statements": [junk]}))
        done = blocked("recheck", file)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, (junk, done.stderr)
