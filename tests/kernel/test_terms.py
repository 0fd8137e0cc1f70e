"""Terms against second implementations: canonical forms by brute force, values by loops, products of polynomials."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import naive
import pytest

from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Array, evaluate
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term, constant, identity, zero

X, Y, v, s = (naive.LETTERS[k] for k in range(4))
FREE = ({}, {"i": "n"}, {"i": "n", "j": "n"}, {"p": "m", "i": "n"}, {"i": "n", "j": "n", "k0x": "n"})
ONE = Fraction(1)


def term(free: dict[str, str], *monomials: Monomial) -> Term:
    return Term(tuple(free.items()), monomials)


def test_the_normal_form_of_thousands_of_monomials_is_the_brute_force_one():
    random = Random(1)
    classes: dict[object, tuple[Monomial, ...]] = {}
    for _ in range(2500):
        free = random.choice(FREE)
        monomial = naive.random_monomial(random, free)
        one, other = term(free, monomial).normal(), term(free, naive.shuffled(random, monomial)).normal()
        assert one == other
        assert one == one.normal()
        key = (tuple(sorted(free.items())), monomial.coefficient, naive.canonical(monomial, free))
        # Equal by brute force exactly where equal by normal form.
        assert classes.setdefault(key, one.monomials) == one.monomials
    forms = {(free, monomials) for (free, _, _), monomials in classes.items()}  # type: ignore[misc]
    assert len(forms) == len(classes) > 1000


def test_symmetric_monomials_have_one_normal_form():
    random = Random(2)
    for count in range(1, 6):
        factors = tuple(Factor(v, (f"k{n}",)) for n in range(count))
        cycle = tuple(Factor(Y, (f"k{n}", f"k{(n + 1) % count}")) for n in range(count))
        bound = tuple((f"k{n}", "n") for n in range(count))
        for given in (factors, cycle, cycle + factors, cycle + factors[:1]):
            monomial = Monomial(ONE, given, bound)
            forms = {term({}, naive.shuffled(random, monomial)).normal() for _ in range(20)}
            assert len(forms) == 1
            assert len({naive.canonical(naive.shuffled(random, monomial), {}) for _ in range(5)}) == 1


def test_one_cycle_of_four_is_not_two_of_two():
    """The colours of all indices agree: only trying every way to break the tie tells them apart."""
    bound = tuple((f"k{n}", "n") for n in range(4))
    four = tuple(Factor(Y, (f"k{a}", f"k{b}")) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)))
    two = tuple(Factor(Y, (f"k{a}", f"k{b}")) for a, b in ((0, 1), (1, 0), (2, 3), (3, 2)))
    assert not (term({}, Monomial(ONE, four, bound)) - term({}, Monomial(ONE, two, bound))).is_zero


def test_normal_forms_and_operations_keep_values():
    random = Random(3)
    for _ in range(300):
        free = random.choice(FREE)
        left, right = (
            term(free, *(naive.random_monomial(random, free, 2) for _ in range(random.randint(0, 3)))) for _ in range(2)
        )
        letters = {t.name: t for t in naive.LETTERS}
        sizes = {"m": random.randint(1, 3), "n": random.randint(1, 3)}
        arrays = naive.random_arrays(random, letters, sizes)
        a, b = (naive.value(t, arrays, sizes) for t in (left, right))
        assert naive.value(left.normal(), arrays, sizes) == a
        assert naive.value(left + right, arrays, sizes) == {at: a[at] + b[at] for at in a}
        assert naive.value(left - right, arrays, sizes) == {at: a[at] - b[at] for at in a}
        assert naive.value(left * right, arrays, sizes) == {at: a[at] * b[at] for at in a}
        assert naive.value(left * Fraction(-2, 3), arrays, sizes) == {at: a[at] * Fraction(-2, 3) for at in a}
        kernel = {name: naive.array(arrays[name], [sizes[x] for x in t.sizes]) for name, t in letters.items()}
        found = evaluate(left.normal(), kernel, sizes)
        assert found == naive.array(a, found.shape)
        if free:
            name = random.choice(sorted(free))
            place = sorted(free).index(name)
            total: dict[tuple[int, ...], Fraction] = {}
            for at, number in a.items():
                rest = at[:place] + at[place + 1 :]
                total[rest] = total.get(rest, Fraction(0)) + number
            assert naive.value(left.sum(name), arrays, sizes) == total
        assert (left - right).is_zero == naive.equal(left, right)


def test_terms_are_zero_exactly_where_brute_force_says_so():
    random = Random(4)
    seen = {True: 0, False: 0}
    for _ in range(400):
        free = random.choice(FREE)
        monomials = [naive.random_monomial(random, free, 3) for _ in range(3)]
        twins = [naive.shuffled(random, m) for m in monomials]
        if random.random() < 0.5:
            twins[0] = naive.random_monomial(random, free, 3)
        left, right = term(free, *monomials), term(free, *twins)
        same = (left - right).is_zero
        assert same == naive.equal(left, right)
        seen[same] += 1
        for sizes in ({"m": 1, "n": 2}, {"m": 2, "n": 1}, {"m": 1, "n": 3}):
            arrays = naive.random_arrays(random, {t.name: t for t in naive.LETTERS}, sizes)
            differ = naive.value(left, arrays, sizes) != naive.value(right, arrays, sizes)
            assert not (same and differ)
    assert min(seen.values()) > 50


def test_renaming_two_indices_to_one_is_the_diagonal():
    random = Random(5)
    for _ in range(100):
        free = {"i": "n", "j": "n", "p": "m"}
        given = term(free, naive.random_monomial(random, free, 2), naive.random_monomial(random, free, 2))
        sizes = {"m": 2, "n": 3}
        arrays = naive.random_arrays(random, {t.name: t for t in naive.LETTERS}, sizes)
        values = naive.value(given, arrays, sizes)
        diagonal = naive.value(given.rename({"j": "i"}), arrays, sizes)
        assert diagonal == {(i, p): values[i, i, p] for i in range(3) for p in range(2)}
        swapped = naive.value(given.rename({"j": "i", "i": "j"}), arrays, sizes)
        assert swapped == {(i, j, p): values[j, i, p] for i, j, p in values}


def test_substitution_against_values():
    random = Random(6)
    for _ in range(100):
        free = {"i": "n", "p": "m"}
        given = term(free, naive.random_monomial(random, free, 3), naive.random_monomial(random, free, 2))
        inner = {"a": "n", "b": "n"}
        meaning = term(inner, naive.random_monomial(random, inner, 2), naive.random_monomial(random, inner, 2))
        sizes = {"m": 2, "n": 2}
        arrays = naive.random_arrays(random, {t.name: t for t in naive.LETTERS}, sizes)
        replaced = naive.value(meaning, arrays, sizes)
        expected = naive.value(given, arrays | {"Y": {(a, b): replaced[b, a] for a, b in replaced}}, sizes)
        # The legs of Y are (b, a): a replacement may be put the other way round.
        assert naive.value(given.substitute({"Y": (("b", "a"), meaning)}), arrays, sizes) == expected


def test_derivatives_against_expanded_polynomials():
    """Along a flow: each entry of X, Y, v, s is a variable and moves at the given speed."""
    random = Random(7)
    for _ in range(60):
        free = {"i": "n"}
        quantity = term(free, naive.random_monomial(random, free, 2), naive.random_monomial(random, free, 2))
        sizes = {"m": 1, "n": 2}
        flow, speeds = {}, {}
        variables = {
            t.name: {
                at: naive.Poly.variable((t.name, at)) for at in naive.random_arrays(random, {t.name: t}, sizes)[t.name]
            }
            for t in naive.LETTERS
        }
        for tensor in naive.LETTERS:
            legs = tuple(f"v{k}" for k in range(len(tensor.sizes)))
            own = dict(zip(legs, tensor.sizes, strict=True))
            velocity = term(own, naive.random_monomial(random, own, 1), naive.random_monomial(random, own, 1))
            flow[tensor.name] = (legs, velocity)
            speeds[tensor.name] = naive.value(velocity, variables, sizes)
        found = naive.value(quantity.along(flow), variables, sizes)
        for at, entry in naive.value(quantity, variables, sizes).items():
            expanded = naive.Poly.of(entry)
            total = naive.Poly({})
            for name, places in variables.items():
                for place in places:
                    total = total + expanded.derivative((name, place)) * speeds[name][place]
            assert naive.Poly.of(found[at]) == total


def test_gradients_of_scalars_against_polynomials():
    random = Random(8)
    for _ in range(60):
        scalar = term({}, naive.random_monomial(random, {}, 3), naive.random_monomial(random, {}, 3))
        sizes = {"m": 2, "n": 2}
        variables = {
            t.name: {
                at: naive.Poly.variable((t.name, at)) for at in naive.random_arrays(random, {t.name: t}, sizes)[t.name]
            }
            for t in naive.LETTERS
        }
        whole = naive.Poly.of(naive.value(scalar, variables, sizes)[()])
        for tensor in (X, Y, s):
            legs = tuple("ab"[: len(tensor.sizes)])
            found = naive.value(scalar.gradient(tensor, legs), variables, sizes)
            for at in variables[tensor.name]:
                assert naive.Poly.of(found[at]) == whole.derivative((tensor.name, at))


# -- deltas, sizes and reading ----------------------------------------------------------------------------------------


def test_deltas_are_summed_out_and_tie_free_indices():
    d = identity("i", "j", "n")
    assert (d * d - d).is_zero
    assert (d * v["i"] - d * v["j"]).is_zero
    assert not (d * v["i"] - v["i"]).is_zero
    chain = identity("i", "k", "n") * identity("k", "j", "n")
    assert (chain.sum("k") - d).is_zero
    assert (chain - identity("i", "j", "n") * identity("i", "k", "n")).is_zero
    assert (d * v["j"]).sum("j") == v["i"]
    assert str(identity("i", "i", "n").sum("i")) == "|n|"
    assert naive.equal(chain, d * identity("j", "k", "n"))
    assert (d * identity("p", "q", "m")).tensors() == {}  # deltas of two sizes are two tensors


def test_a_sum_of_ones_is_the_size():
    size = constant(1, ("k", "n")).sum("k")
    assert naive.value(size, {}, {"n": 5}) == {(): 5}
    assert str(size * size * 2) == "2 |n| |n|"
    assert not (size - constant(1)).is_zero


def test_reading():
    assert str(zero(("i", "n"))) == "0"
    assert str(v["i"] * -1 + X["p", "q"].sum("p", "q") * Fraction(3, 2)) == "3/2 X[_0,_1] - v[i]"
    assert str(constant(3)) == "3"
    assert str(s() - constant(1)) == "-1 + s"
    assert Tensor("s", ())() == s()
    assert X[" p , q "] == X["p", "q"]
    assert zero().tensors() == {}


def test_user_indices_named_like_the_kernels_own():
    """Free indices called _0, _f0, _s0, _x1, v0: nothing is captured."""
    names = ("_0", "_f0", "_s0", "_x1", "v0", "__0", "∂")
    sizes, random = {"m": 2, "n": 2}, Random(9)
    arrays = naive.random_arrays(random, {t.name: t for t in naive.LETTERS}, sizes)
    for one in names:
        for other in names:
            if one != other:
                product = v[one] * (Y[one, other] * v[other]).sum(other) + v[one]
                expected = v["i"] * (Y["i", "j"] * v["j"]).sum("j") + v["i"]
                assert product.rename({one: "i"}) == expected
                values = naive.value(product, arrays, sizes)
                assert values == naive.value(expected, arrays, sizes)
                assert product.substitute({"v": (("a",), v["a"])}) == product
                assert expected.rename({"_0": "i", "_f0": "i"}) == expected  # not free: ignored, nothing captured
                outer = Y[one, other] * (Y[other, "k"] * Y["k", one]).sum("k")
                assert naive.equal(outer, outer.normal())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: X["p"], "2 legs"),
        (lambda: X["p", "p"], "two sizes"),
        (lambda: v["i"] + X["i", "q"], "two sizes"),
        (lambda: v["i"] * X["i", "q"], "two sizes"),
        (lambda: X["p", "q"].rename({"p": "q"}), "two sizes"),
        (lambda: v["i"] * 0.5, "coefficients are exact"),  # type: ignore[operator]
        (lambda: v["i"].sum("j"), "cannot sum"),
        (lambda: v["i"].sum("i", "i"), "declared twice"),
        (lambda: Term((("i", "n"), ("i", "n")), ()), "declared twice"),
        (lambda: Term((("i", "n"),), (Monomial(ONE, (), (("i", "n"),)),)), "declared twice"),
        (lambda: Term((), (Monomial(ONE, (), (("k", "n"), ("k", "m"))),)), "declared twice"),
        (lambda: Term((), (Monomial(ONE, (Factor(v, ("i",)),), ()),)), "has size None"),
        (lambda: Term((("i", "m"),), (Monomial(ONE, (Factor(v, ("i",)),), ()),)), "the leg has size n"),
        (lambda: Term((("i", "n"),), (Monomial(ONE, (Factor(v, ("i", "i")),), ()),)), "1 legs"),
        (lambda: Term(((" i", "n"),), ()), "no space"),
        (lambda: Term((("i,j", "n"),), ()), "no space"),
        (lambda: Term((("", "n"),), ()), "no space"),
        (lambda: Tensor(DELTA, ("n", "m"))["i", "p"], "two legs of one size"),
        (lambda: Tensor(DELTA, ("n",))["i"], "two legs of one size"),
        (lambda: (v["i"] + Tensor("v", ("m",))["p"]).tensors(), "two tensors are named v"),
        (lambda: v["i"].substitute({"v": (("p",), X["p", "q"].sum("q"))}), "not those of"),
        (lambda: v["i"].substitute({"v": (("a", "a"), Y["a", "b"])}), "not those of"),
        (lambda: v["i"].along({}), "no velocity"),
        (lambda: v["i"].gradient(v, ("a",)), "scalar term"),
    ],
)
def test_ill_formed_terms_cannot_be_made(make, message):
    with pytest.raises(KernelError, match=message):
        make()


def test_evaluation_refuses_what_is_missing():
    with pytest.raises(KernelError, match="no size"):
        evaluate(v["i"], {"v": Array((2,), (ONE, ONE))}, {})
    with pytest.raises(KernelError, match="no value"):
        evaluate(v["i"], {}, {"n": 2})
    with pytest.raises(KernelError, match="legs of sizes"):
        evaluate(v["i"], {"v": Array((2,), (ONE, ONE))}, {"n": 3})
    assert evaluate(identity("i", "j", "n"), {}, {"n": 2}).entries == (1, 0, 0, 1)
