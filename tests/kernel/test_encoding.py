"""Canonical encodings: what is written is read back, and nothing else is read."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from true_proofs import TRUE

from theorytest.derive.derivation import Derive
from theorytest.kernel.claim import AtLeast, Descent, Flow, Monotone
from theorytest.kernel.encoding import canonical, conforms, decode, digest, encode, noun, validate
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, Chain, Focus, Link
from theorytest.kernel.scalar import Number, Variable
from theorytest.kernel.statement import Instance, Statement, Step
from theorytest.kernel.terms import Monomial, Tensor, Term


@pytest.mark.parametrize("name", TRUE)
def test_statements_and_certificates_are_read_back(name):
    made, build = TRUE[name]
    derive = Derive(made)
    build(derive)
    for value in (made, derive.certificate()):
        text = canonical(encode(value))
        back = decode(json.loads(text))
        assert back == value
        assert digest(back) == digest(value)
        assert canonical(encode(back)) == text
        validate(back)


def test_instances_are_read_back():
    instance = Instance(
        sizes=(("N", 2), ("h", ((1, 2), ()))),
        members=(("n", 1),),
        blocks=(("X", Array((1, 2), (Fraction(1, 3), Fraction(-2)))),),
        gradient=None,
        variables=(("η", Fraction(1, 10)),),
    )
    data = encode(instance)
    assert decode(data) == instance
    assert data["variables"] == [["η", {"q": "1/10"}]]
    assert data["gradient"] is None


def test_different_values_have_different_digests():
    values: list[Any] = [1, True, "1", Fraction(1), (1,), (), None, False, 0, "", Tensor("1", ()), ("1",), ((1,),)]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        [1],
        {"x": 1},
        {1},
        1 + 0j,
        b"x",
        object(),
        Tensor,
        Tensor("X", (0.5,)),  # type: ignore[arg-type]
        Instance(sizes=(("d", [1, 2]),)),
        type("Tensor", (), {}),
    ],
)
def test_what_is_not_exact_is_not_written(value):
    with pytest.raises(KernelError, match="not exact data"):
        encode(value)


def test_a_class_of_the_same_name_is_no_noun():
    import dataclasses

    other = dataclasses.make_dataclass("Tensor", [("name", str), ("sizes", tuple)], frozen=True)
    with pytest.raises(KernelError, match="not exact data"):
        encode(other("X", ()))
    with pytest.raises(KernelError, match="two nouns"):
        noun(type("Tensor", (), {"__annotations__": {}}))


def q(text: Any) -> dict[str, Any]:
    return {"q": text}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (0.5, "not exact data"),
        (q("2/4"), "lowest terms"),
        (q("-0"), "lowest terms"),
        (q("01"), "lowest terms"),
        (q("4/1"), "lowest terms"),
        (q("1/0"), "not a rational"),
        (q("1e9"), "not a rational"),
        (q("1e999999999999"), "not a rational"),  # would take all memory if it were read
        (q("0.5"), "not a rational"),
        (q(" 1"), "not a rational"),
        (q("1_0"), "not a rational"),
        (q("١"), "not a rational"),
        (q("+1"), "not a rational"),
        (q(""), "not a rational"),
        (q(1), "not a rational"),
        (q(None), "not a rational"),
        ({}, "not a noun"),
        ({"is": "Nothing"}, "not a noun"),
        ({"is": ["Tensor"]}, "not a noun"),
        ({"is": None}, "not a noun"),
        ({"name": "X", "sizes": []}, "not a noun"),
        ({"is": "Tensor", "name": "X"}, "not a noun"),
        ({"is": "Tensor", "name": "X", "sizes": [], "more": 1}, "not a noun"),
        ({"is": "Tensor", "name": 1, "sizes": []}, "Tensor.name holds 1"),
        ({"is": "Tensor", "name": "X", "sizes": "ab"}, "Tensor.sizes"),
        ({"is": "Tensor", "name": "X", "sizes": [None]}, "Tensor.sizes"),
        ({"is": "AtLeast", "size": "L", "number": True}, "AtLeast.number"),
        ({"is": "AtLeast", "size": "L", "number": q("2")}, "AtLeast.number"),
        ({"is": "AtLeast", "size": "L", "number": "2"}, "AtLeast.number"),
        ({"is": "Number", "value": 2}, "Number.value"),
        ({"is": "Array", "shape": None, "entries": []}, "Array.shape"),
        ({"is": "Array", "shape": ["a"], "entries": []}, "Array.shape"),
        ({"is": "Array", "shape": [1], "entries": [1]}, "Array.entries"),
        ({"is": "Array", "shape": [2], "entries": [q("1")]}, "sizes from 1"),
        ({"is": "Array", "shape": [-1, -1], "entries": [q("1")]}, "sizes from 1"),
        ({"is": "Identity", "lhs": {"is": "Tensor", "name": "X", "sizes": []}, "rhs": None}, "Identity.lhs"),
        ({"is": "Term", "free": [["i", "n"], ["i", "n"]], "monomials": []}, "declared twice"),
        ({"is": "Monomial", "coefficient": 1, "factors": [], "bound": []}, "Monomial.coefficient"),
        ({"is": "SingularValues", "matrix": [[None]], "values": []}, "SingularValues.matrix"),
        ({"is": "Descent", "flow": None, "method": "adam"}, "Descent.flow"),
        ({"is": "Statement"}, "not a noun"),
    ],
)
def test_what_is_not_canonical_is_not_read(data, message):
    with pytest.raises(KernelError, match=message):
        decode(data)


def test_types_are_checked_before_a_noun_looks_at_them():
    """A statement without a list of assumptions: refused in one line, not by whatever its check runs into."""
    made, _ = TRUE["lemma 1"]
    data = encode(made)
    for name, value in (("assumptions", 7), ("assumptions", ["x"]), ("claim", "x"), ("example", 3), ("label", None)):
        with pytest.raises(KernelError, match=f"Statement.{name} holds"):
            decode(data | {name: value})


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (True, bool, True),
        (1, bool, False),
        (1, Fraction, False),
        (Fraction(1), Fraction, True),
        (0.5, Fraction, False),
        (None, None, True),
        (None, type(None), True),
        (0, None, False),
        ("x", str | None, True),
        (None, str | None, True),
        (1, str | None, False),
        ((1, "x"), tuple[int, str], True),
        ((1,), tuple[int, str], False),
        ((1, 2, 3), tuple[int, ...], True),
        ((1, "x"), tuple[int, ...], False),
        ([1], tuple[int, ...], False),
        ((), tuple[int, ...], True),
        (object(), Any, True),
    ],
)
def test_types_are_exact(value, annotation, expected):
    assert conforms(value, annotation) is expected


def test_fields_are_checked_all_the_way_down():
    for bad in (
        AtLeast("L", True),
        (AtLeast("L", 2), AtLeast("L", 2.0)),  # type: ignore[arg-type]
        Flow(parameterization=1, focus=Focus()),  # type: ignore[arg-type]
        Term((), (Monomial(1, (), ()),)),  # type: ignore[arg-type]
        Step("rule", (1.5,), ()),  # type: ignore[arg-type]
        Step("rule", (0,), (AtLeast("L", "2"),)),  # type: ignore[arg-type]
        Number(2),  # type: ignore[arg-type]
        Focus((), (Link("ab"),)),  # type: ignore[arg-type]
    ):
        with pytest.raises(KernelError, match="holds"):
            validate(bad)
    validate(("text", 1, Variable("x"), ()))


def test_nouns_check_themselves():
    with pytest.raises(KernelError, match="no such method"):
        Descent(Flow(TRUE["lemma 1"][0].claim.motion.parameterization, Focus()), "newton")  # type: ignore[union-attr]
    with pytest.raises(KernelError, match="increasing or decreasing"):
        Monotone(Variable("x"), "x", "constant", Fraction(0))
    assert Chain.__doc__ and Statement.__doc__
