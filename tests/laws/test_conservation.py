"""What users see: counts, laws in the names of their blocks, gaps, refusals."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from theorytest.errors import InputError
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Concrete
from theorytest.kernel.rank import (
    Component,
    Contraction,
    ParameterMap,
    check_count,
    check_space,
    entries,
    require_law,
)
from theorytest.laws import conservation_laws, recheck_laws
from theorytest.laws.bench import default_cases, network, read_cases, run
from theorytest.laws.count import count_laws
from theorytest.laws.families import gram_laws, reconstruct
from theorytest.laws.space import TooLargeError, law_space, needed_families
from theorytest.laws.spec import EXAMPLES
from theorytest.laws.subject import from_function, linear, relu, subject
from theorytest.models import CP, cp, einsum

CASES = os.environ.get("THEORYTEST_CASES", "")


def counted(spec: Any, **options: Any) -> tuple[int, int, str]:
    """Independent laws, independent polynomial laws, certificate."""
    found = conservation_laws(spec, general=False, **options)
    return found.independent_laws, found.independent_polynomial_laws, found.certificate


# -- counts that theory gives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dims", [(2, 3, 1), (3, 2, 4, 2), (2, 3, 3, 2, 3)])
def test_a_relu_network_has_one_law_for_every_hidden_neuron(dims: tuple[int, ...], bias: bool):
    hidden = sum(dims[1:-1])
    assert counted(relu(dims, bias=bias)) == (hidden, hidden, "exact")


@pytest.mark.parametrize("dims", [(3, 2, 3), (2, 3, 2), (4, 2, 3, 3)])
def test_a_linear_network_has_a_symmetric_matrix_for_every_bond(dims: tuple[int, ...]):
    laws = sum(h * (h + 1) // 2 for h in dims[1:-1])
    assert counted(linear(dims)) == (laws, laws, "exact")


def test_a_wide_linear_network_has_fewer_independent_laws_than_polynomials():
    """Width 3 between single neurons: a 3x3 matrix of rank 2 and rotations, nine polynomials, five independent."""
    found = conservation_laws("linear:1,3,1")
    assert (found.independent_laws, found.dimension, found.certificate) == (5, 9, "exact")
    assert [law.rank for law in found.laws] == [6, 1, 1, 1]


@pytest.mark.parametrize(("n", "r"), [(1, 2), (2, 3), (2, 4), (3, 4)])
def test_an_overparameterized_symmetric_product_conserves_its_row_space_and_no_quadratic_polynomial(n: int, r: int):
    found = conservation_laws(f"symmetric:n={n},rank={r}")
    assert (found.independent_laws, found.independent_polynomial_laws) == (n * (r - n), 0)
    assert (found.gap, found.certificate, found.complete) == (n * (r - n), "exact", True)
    assert "not exhibited" in str(found) and found.count.certificate.closed


def test_where_the_algebra_is_not_written_out_the_result_is_one_sided(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("theorytest.laws.count.LARGEST_ALGEBRA", 1)
    found = conservation_laws("symmetric:n=2,rank=3")
    assert (found.independent_laws, found.gap, found.certificate) == (2, 2, "one-sided")
    assert (found.count.claim.at_least, found.count.claim.at_most) == (0, 2)
    assert 0 < found.error_probability < Fraction(1, 10**12)
    assert found.count.certificate.prime > 1 << 60
    assert "not exhibited" in str(found) and "one-sided: at most 2 and at least 0 are proved" in str(found)


@pytest.mark.parametrize(
    ("dims", "laws", "gap"), [((1, 2, 2, 1), 7, 1), ((1, 2, 2, 2, 1), 11, 2), ((2, 2, 2, 1), 6, 0)]
)
def test_a_deep_linear_network_between_two_scalars_has_laws_that_are_no_quadratic_polynomials(
    dims: tuple[int, ...], laws: int, gap: int
):
    found = conservation_laws(linear(dims), general=False)
    assert (found.independent_laws, found.gap, found.certificate) == (laws, gap, "exact")


def test_products_of_laws_are_counted_and_not_listed():
    found = conservation_laws("linear:1,2,1", degree=4, general=False)
    assert found.dimension == len(found.laws) - 1 + found.laws[0].rank + found.dependent
    assert found.dependent > 0 and "functions of those listed" in str(found)
    assert all(len(monomial) <= 2 for law in found.laws[1:] for _, monomial in law.law.terms)  # type: ignore[union-attr]


@pytest.mark.parametrize(("n", "r"), [(2, 2), (3, 2), (2, 1), (1, 1)])
def test_a_symmetric_product_of_full_rank_has_no_law(n: int, r: int):
    assert counted(f"symmetric:n={n},rank={r}") == (0, 0, "exact")


def test_a_cubic_law_closes_a_gap_of_quadratic_ones():
    def phi(a=(), b=(), c=()):
        return a * b + c**2

    assert counted(phi) == (2, 1, "exact")
    assert counted(phi, degree=3) == (2, 2, "exact")
    assert "a^2 c - 2 a b c + b^2 c" in str(conservation_laws(phi, degree=3))


@pytest.mark.parametrize(
    ("spec", "laws"),
    [
        ("tt:dims=3x4x3,ranks=2x2", 6),
        ("tr:dims=2x2x2,ranks=2x2x2", 8),
        ("ht:dims=2x2x2x2,rank=2", 18),
        ("attention:width=3,head=2,heads=2", 14),
        ("lora:dims=3x4x2,rank=1", 2),
        ("weight-norm:3,2", 2),
        ("weight-norm:3,4,2", 7),
        ("linear:3,2", 0),
        ("linear:1,1", 0),
    ],
)
def test_other_models(spec: str, laws: int):
    assert counted(spec) == (laws, laws, "exact")


@pytest.mark.parametrize("spec", EXAMPLES.values())
def test_the_examples_of_specs_are_specs(spec: str):
    assert subject(spec).map.parameters > 0


# -- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", ["linear:3,4,2", "relu:3,5,3+bias", "tucker:dims=2x3x2,ranks=2x2x2", "weight-norm:2,3"]
)
def test_what_is_returned_is_what_the_kernel_accepts(spec: str):
    found = conservation_laws(spec)
    check_count(found.count.claim, found.count.certificate)
    assert found.space is not None and found.space.claim is not None and found.space.certificate is not None
    check_space(found.space.claim, found.space.certificate)
    for law in found.laws:
        require_law(found.count.claim.map, law.law)
        assert law.count == len(list(entries(found.count.claim.map, law.law)))


@pytest.mark.parametrize("spec", ["linear:2,3,2", "symmetric:n=2,rank=3", "weight-norm:2,2"])
def test_a_written_answer_can_be_checked_again_and_a_changed_one_is_rejected(spec: str):
    data = json.loads(json.dumps(conservation_laws(spec).to_json()))
    recheck_laws(data)
    for key in ("independent_laws", "parameters", "degree", "polynomial_laws"):
        with pytest.raises(KernelError):
            recheck_laws(data | {key: data[key] + 1})
    with pytest.raises(KernelError):
        recheck_laws(data | {"certificate": "one-sided"})
    (claim, proof), space = data["kernel"]["count"], data["kernel"]["space"]
    with pytest.raises(KernelError):
        recheck_laws(data | {"kernel": {"count": [claim, proof]}})
    with pytest.raises(KernelError):
        recheck_laws(data | {"kernel": {"count": [claim, proof | {"words": proof["words"][1:]}], "space": space}})
    with pytest.raises(KernelError):
        recheck_laws(data | {"kernel": {"count": [proof, claim], "space": space}})
    with pytest.raises(KernelError):
        recheck_laws(data | {"kernel": {"count": [claim, proof], "space": [claim, proof]}})
    with pytest.raises(KernelError):
        recheck_laws(data | {"kernel": {"count": [claim, proof], "space": [space[0], space[1] | {"samples": [1]}]}})


def test_unlucky_primes_and_points_are_detected_and_redrawn():
    asked = linear((3, 4, 2))
    families = [law for law, _ in needed_families(asked.map, gram_laws(asked.map))]
    for unlucky in ({"point": [0] * 20}, {"prime": 7, "point": [7 * k for k in range(20)]}):
        found = count_laws(asked.map, families, **unlucky)  # type: ignore[arg-type]
        assert found.exact and found.claim.at_most == 10
        assert found.redrawn and "rank lost" in found.redrawn[0]
        assert found.certificate.prime > 7 and any(found.certificate.point)
    # Modulo 3 the map 3 x y is 0: the fields vanish at every point.
    triple = Contraction(Fraction(3), (("x", (0,)), ("x", (1,))))
    map = ParameterMap((("x", (2,)),), (), (Component((), (triple,)),))
    found = count_laws(map, law_space(map, gram_laws(map), 2).laws, prime=3)
    assert found.exact and found.claim.at_most == 1
    assert found.certificate.prime > 3 and "rank lost" in found.redrawn[0]


def test_a_prime_in_a_denominator_is_redrawn():
    third = Contraction(Fraction(1, 3), (("x", (0,)), ("x", (1,))))
    map = ParameterMap((("x", (2,)),), (), (Component((), (third,)),))
    laws = gram_laws(map)
    space = law_space(map, laws, 2, prime=3)
    found = count_laws(map, space.laws, prime=3)
    assert found.exact and found.claim.at_most == 1 and space.dimension == 1
    assert "divides a denominator" in found.redrawn[0]


def test_an_unlucky_prime_of_the_ansatz_is_redrawn():
    """Modulo 3 the derivative of x^3 vanishes: too many polynomials seem to be laws."""
    cube = Contraction(Fraction(1), (("x", (0,)), ("x", (0,)), ("x", (0,))))
    map = ParameterMap((("x", (2,)),), (), (Component((), (cube, Contraction(Fraction(1), (("x", (1,)),)))),))
    space = law_space(map, gram_laws(map), 2, prime=3)
    assert (space.dimension, space.most) == (0, 0)
    assert space.certificate is not None and space.certificate.prime > 3


def test_the_seed_decides_nothing_that_is_said():
    first, second = (conservation_laws("relu:3,4,2+bias", seed=seed) for seed in (0, 7))
    drawn = {"seconds": 0, "kernel": {}}
    assert first.to_json() | drawn == second.to_json() | drawn
    assert first.count.certificate != second.count.certificate
    again = conservation_laws("relu:3,4,2+bias", seed=0)
    assert again.count.certificate == first.count.certificate


# -- names and proofs -------------------------------------------------------------------------------------------------


def test_the_laws_of_the_papers_come_out_by_name_and_are_proved_for_all_sizes():
    for spec, names in {
        "linear:3,4,2": {"U[1]^T U[1] - U[2] U[2]^T"},
        "cp:dims=3x4x5,rank=2": {
            "||w[1][r,:]||^2 - ||w[2][r,:]||^2   (every r)",
            "||w[1][r,:]||^2 - ||w[3][r,:]||^2   (every r)",
        },
        "relu:3,5,3+bias": {"||W[1][:,n1]||^2 - ||W[2][n1,:]||^2 + ||b[1][n1]||^2   (every n1)"},
    }.items():
        found = conservation_laws(spec)
        assert {law.text for law in found.laws} == names
        assert all(law.scope == "all sizes" for law in found.laws)


def test_deep_tucker_has_a_matrix_law_that_the_paper_does_not_state():
    found = conservation_laws("deep-tucker:dims=2x2x2,depth=2")
    names = {law.text for law in found.laws}
    assert "A[1,1][r[1],:,:]^T A[1,1][r[1],:,:] - w[1][r[1],:] w[1][r[1],:]^T   (every r[1])" in names
    assert all(law.scope == "all sizes" for law in found.laws)
    assert found.dimension == found.independent_laws == 3 * 2 * (3 + 1)


def test_general_claims_are_proved_by_the_kernel_and_a_false_one_is_not():
    from theorytest.kernel.claim import Conserved
    from theorytest.laws.conservation import _proved, two_factors

    for matrix in (False, True):
        lemma = two_factors(matrix=matrix)
        assert _proved(lemma)
        assert not _proved(
            Conserved(lemma.quantity * 2 + lemma.quantity * lemma.quantity * 0 + _first(lemma), lemma.motion)
        )


def _first(lemma: Any) -> Any:
    """The Gram matrix of X alone, which is not conserved."""
    X = lemma.motion.parameterization.letters(lemma.motion.focus)["X"]
    if len(X.sizes) == 3:
        return (X["b", "i", "_x"] * X["b", "j", "_x"]).sum("_x")
    return (X["b", "_x"] * X["b", "_x"]).sum("_x")


def test_shared_and_repeated_blocks():
    shared = conservation_laws(einsum("ra,ra,rc->ac", w=(2, 3), u=(2, 3), v=(2, 2)))
    assert shared.certificate == "exact" and shared.gap == 0

    def tied(A=(2, 2)):
        return A @ A

    def twice(w=(2, 3), v=(2, 2)):
        import numpy as np

        return np.einsum("ra,rb,rc->abc", w, w, v)

    assert counted(tied) == (0, 0, "exact")
    found = conservation_laws(twice)
    assert [law.text for law in found.laws] == ["||w[i,:]||^2 - 2 ||v[i,:]||^2   (every i)"]


def test_a_function_has_the_laws_of_the_model_that_it_computes():
    def phi(U, V):
        return U @ V

    found = conservation_laws(phi, {"U": (2, 3), "V": (3, 2)})
    assert [law.text for law in found.laws] == ["U^T U - V V^T"]
    assert (found.independent_laws, found.certificate) == (6, "exact")


def test_inhomogeneous_and_constant_functions():
    def skip(w=(), v=()):
        return (1 + w) * (1 + v)

    def constant(w=(2,)):
        return 5

    def nothing():
        return 1

    found = conservation_laws(skip)
    assert [law.text for law in found.laws] == ["2 w - 2 v + w^2 - v^2"]
    assert counted(constant) == (2, 2, "exact")
    assert counted(nothing) == (0, 0, "exact")


def test_notebooks_get_latex():
    latex = conservation_laws("relu:2,2,1+bias")._repr_latex_()
    assert latex.startswith("$$") and latex.endswith("$$")
    assert r"\left\|W^{(1)}_{\cdot,n1}\right\|^2" in latex and latex.count("{") == latex.count("}")
    cubic = conservation_laws(lambda a=(), b=(), c=(): a * b + c**2, degree=3)._repr_latex_()
    assert "a^{2} c" in cubic


# -- every law is conserved, by a third way ---------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["linear:2,3,2", "tr:dims=2x2x2,ranks=2x2x2", "attention:width=2,head=2,heads=1"])
def test_laws_are_orthogonal_to_gradients_by_finite_differences_over_the_rationals(spec: str):
    from theorytest.kernel.parameterization import einsum as contract

    asked = subject(spec)
    (component,) = asked.map.components
    (term,) = component.terms
    concrete = Concrete(dict(asked.map.blocks), term.factors, component.output, dict(asked.map.legs))  # type: ignore[arg-type]
    random = Random(1)
    values = [Fraction(random.randint(-9, 9), random.randint(1, 4)) for _ in range(asked.map.parameters)]

    def end(numbers: list[Fraction]) -> tuple[Fraction, ...]:
        blocks: dict[str, Array] = {}
        start = 0
        for name, shape in asked.map.blocks:
            size = Array(shape, (Fraction(0),) * _size(shape)).entries.__len__()
            blocks[name] = Array(shape, tuple(numbers[start : start + size]))
            start += size
        return contract([(blocks[n], legs) for n, legs in concrete.factors], concrete.output, concrete.dims).entries

    base = end(values)
    slopes: list[list[Fraction]] = []
    for k in range(len(values)):
        moved = [*values]
        moved[k] += 1  # every block occurs once: the map is affine in one parameter
        slopes.append([a - b for a, b in zip(end(moved), base, strict=True)])
    for found in conservation_laws(asked, general=False).laws:
        for law in entries(asked.map, found.law):
            gradient = [Fraction(0)] * len(values)
            for c, (a, b) in law.terms:  # type: ignore[misc]
                gradient[a] += c * values[b]
                gradient[b] += c * values[a]
            assert any(gradient)
            assert not any(sum(g * s[o] for g, s in zip(gradient, slopes, strict=True)) for o in range(len(base)))


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "sizes", "reason"),
    [
        ("foo:3", None, "needed one of"),
        ("linear", None, "cannot read"),
        ("linear:3", None, "at least two"),
        ("linear:3,0", None, "positive"),
        ("cp:dims=3x4", None, "has no rank"),
        ("cp:dims=3x4,rank=0", None, "one positive number"),
        ("cp:dims=3x4,rank=2,rank=3", None, "cannot read"),
        ("cp:dims=3x4,depth=2", None, "cannot read"),
        ("tt:dims=3x3x3,ranks=2x2x2", None, "need 2 ranks"),
        ("ht:dims=3,rank=2", None, "at least two dimensions"),
        ("deep-tucker:dims=2x2,depth=0", None, "at least 1"),
        ("deep-cp:dims=2x2", None, "needed rank"),
        ("relu:3,2,3+bias+bias", None, "cannot read"),
        ("nowhere.py:phi", None, "no file"),
        (CP, None, "without sizes"),
        (CP, {"N": 3}, "CP"),
        (3.5, None, "given a float"),
        (lambda w: w, None, "needs a shape"),
        (lambda w=(61,): w, None, "write it as an einsum"),
        (lambda w=(2,): 0.5 * w, None, "not a polynomial"),
        (lambda w=(2,): w / w[0] / w[1] / w[0], None, "not a polynomial"),
        (lambda w=(2,): abs(w) if w[0] > 0 else w, None, "not a polynomial"),
        (lambda w=(2,): 0.5, None, "returns a float"),
    ],
)
def test_wrong_input_is_one_clear_line(definition: Any, sizes: Any, reason: str):
    with pytest.raises(InputError, match=reason) as caught:
        conservation_laws(definition, sizes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("degree", [0, -1, 1.5, True])
def test_the_degree_is_a_positive_integer(degree: Any):
    with pytest.raises(InputError, match="positive integer"):
        conservation_laws("linear:2,2", degree=degree)


def test_exponentials_are_refused():
    import numpy as np

    with pytest.raises(InputError, match="not a polynomial"):
        from_function(lambda w=(2,): np.exp(w))


def test_an_ansatz_that_is_too_large_still_leaves_the_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("theorytest.laws.space.LARGEST", 100)
    found = conservation_laws("relu:3,4,2")
    assert (found.independent_laws, found.certificate, found.complete) == (4, "exact", False)
    assert found.dimension is None and "were not searched for" in str(found)
    monkeypatch.setattr("theorytest.laws.space.LARGEST", 10**6)
    monkeypatch.setattr("theorytest.laws.space.LARGEST_CLASS", 3)
    asked = relu((3, 4, 2))
    with pytest.raises(TooLargeError, match="same signs"):
        law_space(asked.map, (), 2)


def test_a_normalised_column_has_two_entries():
    """v / |v| of one entry is a sign: on one side of 0 there may be other laws than on the other."""
    with pytest.raises(InputError, match=r"widths \[2, 1, 2\], needed 2 or more before the last"):
        conservation_laws("weight-norm:2,1,2")
    assert counted("weight-norm:2,1") == (1, 1, "exact")


def test_too_many_parameters_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("theorytest.laws.count.LARGEST", 10)
    with pytest.raises(InputError, match="at most 10"):
        count_laws(linear((3, 4)).map, [])


def test_rational_reconstruction():
    p = (1 << 31) - 1
    for value in (Fraction(0), Fraction(3, 7), Fraction(-22, 9), Fraction(32767, 32766)):
        assert reconstruct(value.numerator * pow(value.denominator, -1, p) % p, p) == value


# -- the benchmark ----------------------------------------------------------------------------------------------------


def test_the_benchmark_agrees_with_theory_on_random_networks():
    cases = default_cases(each=6)
    result = run(cases)
    for case, made in zip(cases, result["cases"], strict=True):
        assert (made["kind"], made["dims"], made["certificate"], made["gap"]) == (
            case["kind"],
            case["dims"],
            "exact",
            0,
        )
        if case["kind"] == "relu":
            assert made["independent_laws"] == sum(case["dims"][1:-1])
        assert made["complete"]
    assert result["total_seconds"] > 0 and result["growth"] and not result["differ"]


def test_a_wrong_expectation_is_reported(tmp_path: Path):
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"cases": [{"kind": "linear", "dims": [2, 2, 2], "independent_laws": 4}]}))
    assert [case["dims"] for case in run(read_cases(file))["differ"]] == [[2, 2, 2]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"cases": 3}',
        '{"cases": [{"kind": "conv", "dims": [2, 2]}]}',
        '{"cases": [{"kind": "relu", "dims": [2]}]}',
        '{"cases": [{"kind": "linear", "dims": [2, 2], "bias": true}]}',
    ],
)
def test_unreadable_cases_are_refused(tmp_path: Path, text: str):
    file = tmp_path / "cases.json"
    file.write_text(text)
    with pytest.raises(InputError):
        read_cases(file)
    with pytest.raises(InputError, match="cannot read"):
        read_cases(tmp_path / "none.json")


@pytest.mark.skipif(not CASES, reason="set THEORYTEST_CASES to a file of cases with known counts")
def test_the_cases_of_a_file_give_its_numbers_with_exact_certificates():
    cases = read_cases(Path(CASES))
    result = run(cases)
    assert result["differ"] == []
    assert all(made["certificate"] == "exact" and made["complete"] for made in result["cases"])
    assert [made["parameters"] for made in result["cases"]] == [case["parameters"] for case in cases]


def test_many_paths_are_not_listed():
    """Three hundred parameters and thirty thousand paths."""
    asked = network({"kind": "relu", "dims": [7, 9, 9, 9, 6]})
    families = [law for law, _ in needed_families(asked.map, gram_laws(asked.map))]
    found = count_laws(asked.map, families)
    assert found.exact and found.claim.at_most == 27 and asked.map.parameters == 279


@pytest.mark.slow
def test_a_network_of_1800_parameters():
    for asked, laws in ((linear((30, 30, 30)), 465), (relu((30, 30, 30)), 30)):
        families = [law for law, _ in needed_families(asked.map, gram_laws(asked.map))]
        found = count_laws(asked.map, families)
        assert found.exact and found.claim.at_most == laws


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from theorytest.cli import main

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    file = tmp_path / "laws.json"
    code, out, _ = call("laws", "cp:dims=2x3x2,rank=2", "--json", str(file))
    assert code == 0 and "4 independent conservation laws" in out and "||w[1][r,:]||^2" in out
    data = json.loads(file.read_text())
    assert {
        "parameters",
        "independent_laws",
        "independent_polynomial_laws",
        "gap",
        "certificate",
        "laws",
        "seconds",
    } <= set(data)
    assert (data["parameters"], data["independent_laws"], data["gap"], data["certificate"]) == (14, 4, 0, "exact")

    _, out, _ = call("laws", "symmetric:n=1,rank=1")
    assert "1 parameter in 1 block\n" in out and "0 independent conservation laws" in out
    assert "1 independent conservation law  " in call("laws", "linear:1,1,1")[1]

    model = tmp_path / "model.py"
    model.write_text(
        "from theorytest.models import cp\nmodel = cp((2, 2, 2), rank=1)\ndef phi(a=(), b=()): return a * b\n"
    )
    assert call("laws", f"{model}:model")[0] == 0
    assert "||a||^2 - ||b||^2" in call("laws", f"{model}:phi", "--degree", "2")[1]
    for wrong in (f"{model}:nothing", "laws.py", "cp:3", f"{tmp_path}/x.py:phi"):
        code, out, err = call("laws", wrong)
        assert code == 2 and err.startswith("theorytest: ") and err.count("\n") == 1
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    assert "cannot be imported" in call("laws", f"{broken}:phi")[2]

    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps({"cases": [{"kind": "relu", "dims": [2, 3, 1], "bias": True}]}))
    code, out, _ = call("bench", "laws", "--cases", str(cases), "--json", str(file))
    assert code == 0 and "exact" in out
    (made,) = json.loads(file.read_text())["cases"]
    assert (made["kind"], made["dims"], made["bias"], made["parameters"], made["independent_laws"]) == (
        "relu",
        [2, 3, 1],
        True,
        12,
        3,
    )
    cases.write_text(json.dumps({"cases": [{"kind": "relu", "dims": [2, 3, 1], "independent_laws": 9}]}))
    assert call("bench", "laws", "--cases", str(cases))[0] == 1


def test_a_definition_in_every_form_gives_the_same_answer():
    model = cp((2, 3, 2), rank=2)
    forms = [model, model.concrete, subject(model).map, "cp:dims=2x3x2,rank=2"]
    assert {counted(form) for form in forms} == {(4, 4, "exact")}
    assert counted(CP, sizes=dict(model.sizes)) == (4, 4, "exact")
    with pytest.raises((KernelError, InputError)):
        subject(Concrete({}, (("w", ("i",)),), ("i",), {"i": 2}))
