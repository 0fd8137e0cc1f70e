"""Claims about motion: velocities and steps against hand-derived terms."""

from __future__ import annotations

from fractions import Fraction

import naive
import pytest
from true_proofs import ADJACENT, CP_FLOW, LEFT, W_M, W_N, eta, norm

from theorytest.kernel.claim import Descent, Flow, Inequality
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Focus, Link
from theorytest.kernel.terms import Tensor

GROUP = Tensor("w[~]", ("R", "d[~]"))
SLOPE = Tensor("∇L", ("d[n]", "d[m]", "d[~]"))


def test_the_velocity_of_a_factor_of_a_component():
    """dw_r^n/dt = -<grad, the other factors of component r>."""
    flow = CP_FLOW.velocities()
    assert set(flow) == {"w[n]", "w[m]"}
    expected = (SLOPE["v1", "b", "c"] * W_M["v0", "b"] * GROUP["v0", "c"]).sum("b", "c") * -1
    assert flow["w[n]"] == (("v0", "v1"), expected)


def test_speeds_and_decay():
    plain = CP_FLOW.velocities()
    flow = Flow(naive.CP, CP_FLOW.focus, speeds=(("w[m]", Fraction(3)),), decay=Fraction(1, 2)).velocities()
    assert flow["w[n]"][1] == plain["w[n]"][1] - W_N["v0", "v1"] * Fraction(1, 2)
    assert flow["w[m]"][1] == plain["w[m]"][1] * 3 - W_M["v0", "v1"] * Fraction(1, 2)
    still = Flow(naive.CP, CP_FLOW.focus, speeds=(("w[m]", Fraction(0)),)).velocities()
    assert still["w[m]"][1].is_zero and dict(still["w[m]"][1].free) == {"v0": "R", "v1": "d[m]"}


def test_steps():
    quantity = norm(W_N)
    velocity = CP_FLOW.velocities()["w[n]"][1].rename({"v0": "r", "v1": "i"})
    previous = Tensor("U(w[n])", ("R", "d[n]"))["r", "i"]
    beta = Tensor("β", ())()
    step = W_N["r", "i"] + eta * velocity
    assert Descent(CP_FLOW).after(quantity) == (step * step).sum("i")
    step = step + beta * previous
    assert Descent(CP_FLOW, "momentum").after(quantity) == (step * step).sum("i")
    with pytest.raises(KernelError, match="not a polynomial"):
        Descent(CP_FLOW, "adam").after(quantity)


def test_relations():
    with pytest.raises(KernelError, match="the relation"):
        Inequality(norm(W_N), ">=", norm(W_N))


def test_layers_to_the_left_and_right_are_grouped():
    """W = (W_L ... W_{l+2}) W_{l+1} W_l (W_{l-1} ... W_1)."""
    end = naive.MATRIX.focus(ADJACENT.focus)
    assert sorted(end.tensors()) == ["W<l+1", "W>l", "W[l+1]", "W[l]"]
    first = naive.MATRIX.focus(Focus((), (Link(("first",), first=True),)))
    assert sorted(first.tensors()) == ["W>first", "W[first]"]
    apart = naive.MATRIX.focus(Focus((), (Link(("k", "l")),)))
    assert sorted(apart.tensors()) == ["W<k", "W>l", "W[k]", "W[l]", "Wk<l"]
    assert LEFT.sizes == ("h[l]0'", "h[l]1'")
