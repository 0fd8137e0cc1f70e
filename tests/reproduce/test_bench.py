"""The benchmark: both sides compute the same rule; the result is whole."""

import json

import pytest
import torch

from theorytest.errors import InputError
from theorytest.reproduce import bench
from theorytest.reproduce.engine import Context
from theorytest.reproduce.rules import ScalarAdaptive


def test_the_rivals_adaptive_rate_is_ours():
    ours = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 12).clone()
    theirs = [part.clone().requires_grad_() for part in ours[0].split(4)]
    rule, update = ScalarAdaptive(0.01), bench._adaptive(theirs)
    state = rule.start(ours)
    for count in range(1, 20):
        rule.step(ours, 4 * ours**3, state, count)
        torch.stack([(part**4).sum() for part in theirs]).sum().backward()
        update()
    torch.testing.assert_close(ours[0], torch.cat(theirs).detach(), rtol=1e-12, atol=0)


# The case of RMC21-Fig4 makes 60000 images; its steps are tested at a smaller size in test_products.
@pytest.mark.parametrize("case", bench.CASES[:3], ids=lambda case: case.name)
def test_cases_take_steps(case: bench.Case):
    case.ours(Context())(2)
    case.rival(Context())(2)


def test_the_result_is_whole_and_threads_are_as_before():
    before = torch.get_num_threads()
    told: list[str] = []
    result = bench.run(names=("RC20-Fig1",), dtypes=("float64",), seconds=0.02, progress=lambda *a: told.append(a[2]))
    assert torch.get_num_threads() == before
    (row,) = json.loads(json.dumps(result))["cases"]
    assert row["ours"] > row["autograd"] > 0 and row["times_published"] == pytest.approx(row["ours"] / 704)
    assert row["met"] == (row["times_published"] >= 200) and told[0].startswith("machine")
    assert 0 < row["of_arithmetic"] < 1
    text = "\n".join("".join(t for t, _ in line) for line in bench.bench_table(result))
    assert "RC20-Fig1" in text and "published 704" in text
    with pytest.raises(InputError, match="needed one of RC20-Fig1"):
        bench.run(names=("RC20-Fig9",))
