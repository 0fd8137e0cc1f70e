"""How fast the experiments run: against the papers' published settings, and against plain autograd in the same process.

Each case takes the update rule of a figure at its full size, in one thread. Ours counts member iterations a second: one
step of one run of a batch. The rival is the same rule written in the usual way with torch's autograd, one run at a
time; the published figure is that of the authors' code on another 2-core machine. Rates are per second of CPU time on a
cpu, so that other work on the machine disturbs little. What the machine allows is measured in the same process: a large
matrix product, and a large sum of arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.errors import InputError
from theorytest.models import cp
from theorytest.reproduce.engine import Context
from theorytest.reproduce.matrices import SmallMatrices, starts
from theorytest.reproduce.products import Products
from theorytest.reproduce.rules import ScalarAdaptive
from theorytest.reproduce.tensors import low_rank_target, observed_entries
from theorytest.reproduce.training import Entries, Training, gaussian

if TYPE_CHECKING:
    import torch

    from theorytest.report import Line

Steps = Callable[[int], None]  # takes so many steps


@dataclass(frozen=True)
class Case:
    """One experiment.

    members: runs in the batch; published: iterations a second of the authors' code; target: wanted multiple of it;
    flops, numbers: of one iteration of one member, multiplications and additions, and numbers read and written (by our
    way of computing it, caches not considered); ours, rival: make a function that takes steps, given a context.
    """

    name: str
    what: str
    members: int
    published: float
    target: float
    flops: float
    numbers: float
    ours: Callable[[Context], Steps]
    rival: Callable[[Context], Steps]


# -- rivals: the usual way, one run, autograd --------------------------------------------------------------------------


def _adaptive(parameters: list[torch.Tensor]) -> Callable[[], None]:
    """The scalar adaptive rate on autograd's gradients."""
    import torch

    held = {"v": torch.zeros((), dtype=parameters[0].dtype, device=parameters[0].device), "t": 0}

    def step() -> None:
        with torch.no_grad():
            held["t"] += 1
            squares: Any = sum(p.grad.pow(2).sum() for p in parameters if p.grad is not None)
            held["v"] = 0.99 * held["v"] + 0.01 * squares
            rate = 0.01 / ((held["v"] / (1 - 0.99 ** held["t"])).sqrt() + 1e-6)
            for p in parameters:
                assert p.grad is not None
                p -= rate * p.grad
                p.grad = None

    return step


def _matrix_rival(context: Context) -> Steps:
    import torch

    layers = [context.tensor(x).requires_grad_() for x in starts(3, 2, [1e-2], [True], [1], seed=0)[0]]
    rows, columns = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1])
    aims = context.tensor([1.0, 1.0, 0.0])
    optimizer = torch.optim.SGD(layers, lr=5e-3)
    loss_of = torch.nn.MSELoss()

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            W = layers[2] @ layers[1] @ layers[0]
            loss_of(W[rows, columns], aims).backward()
            optimizer.step()

    return steps


def _completion(shape: tuple[int, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = low_rank_target(shape, 5, random)
    return truth, observed_entries(shape, (count,), random)


def _completion_rival(shape: tuple[int, ...], rank: int, count: int) -> Callable[[Context], Steps]:
    def make(context: Context) -> Steps:
        import torch

        truth, observed = _completion(shape, count)
        places = tuple(torch.as_tensor(x, device=context.device) for x in np.nonzero(observed[0]))
        aims = context.tensor(truth)[places]
        random = np.random.default_rng(1)
        factors = [context.tensor(0.1 * random.standard_normal((d, rank))).requires_grad_() for d in shape]
        legs = "abcd"[: len(shape)]
        formula = ",".join(f"{leg}r" for leg in legs) + "->" + legs
        update = _adaptive(factors)
        loss_of = torch.nn.MSELoss()

        def steps(many: int) -> None:
            for _ in range(many):
                loss_of(torch.einsum(formula, *factors)[places], aims).backward()
                update()

        return steps

    return make


def _images_rival(context: Context) -> Steps:
    import torch

    random = np.random.default_rng(0)
    inputs = random.integers(0, 2, (5000, 784))
    hot = context.tensor(np.eye(2)[inputs])
    labels = context.tensor(2 * (random.integers(0, 10, 5000) == 0))
    weights = context.tensor(1 + 1e-3 * random.standard_normal((784, 2, 5))).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=5e-4)
    loss_of = torch.nn.MSELoss()

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss_of(torch.einsum("sab,abt->sat", hot, weights).prod(dim=1).sum(dim=1), labels).backward()
            optimizer.step()
            with torch.no_grad():
                weights.clamp_(-1.02, 1.02)

    return steps


# -- ours --------------------------------------------------------------------------------------------------------------


def _matrix(context: Context) -> Steps:
    members = 64
    layers = starts(3, 2, [1e-2] * members, [True] * members, [1] * members, seed=0)
    aims = np.tile([[0.0, 1.0], [1.0, 0.0]], (members, 1, 1))
    observed = np.tile([[0.0, 1.0], [1.0, 1.0]], (members, 1, 1))
    parts = (layers, np.full(members, 3e-3), aims, observed)
    return SmallMatrices(*map(context.tensor, parts), levels=(0.1, 0.01, 1e-3)).advance


def _factorization(
    shape: tuple[int, ...], rank: int, count: int, members: int, group: int
) -> Callable[[Context], Steps]:
    def make(context: Context) -> Steps:
        truth, observed = _completion(shape, count)
        model = cp(shape, rank=rank)
        start = gaussian(model, [0.1] * members, seed=0, kind=context.tensor)
        objective = Entries.of(context.tensor(truth)[None], context.tensor(observed))
        return Training(model, objective, ScalarAdaptive(0.01), start, group=group).advance

    return make


def _images(context: Context) -> Steps:
    random = np.random.default_rng(0)
    inputs = random.integers(0, 2, (60_000, 784), dtype=np.uint8)
    labels = np.equal.outer(random.integers(0, 10, 60_000), np.arange(10)).astype(float)
    return Products(inputs, labels, (inputs[:10], labels[:10]), rank=5, tensor=context.tensor).advance


def _cp_flops(shape: tuple[int, ...], rank: int) -> float:
    """Of the end tensor as a product of two halves, and of both gradients."""
    half = len(shape) // 2
    left, right = int(np.prod(shape[:half])), int(np.prod(shape[half:]))
    return 6.0 * left * right * rank + 6.0 * rank * (left + right) + 6.0 * left * right


CASES = (
    Case(
        "RC20-Fig1", "2x2, depth 3, gradient descent, batch of 64", 64, 704, 200,
        3 * 12 + 3 * 12 + 12 + 24, 15 * 3 * 6, _matrix, _matrix_rival,
    ),
    Case(
        "RC20-Fig2", "8x8x8, R = 64, 200 observations, batch of 50", 50, 375, 20,
        _cp_flops((8, 8, 8), 64), 8 * 64 * 64 + 20 * 1536, _factorization((8, 8, 8), 64, 200, 50, 25),
        _completion_rival((8, 8, 8), 64, 200),
    ),
    Case(
        "RMC21-Fig3", "10x10x10x10, R = 1000, 2000 observations, one run", 1, 14, 25,
        _cp_flops((10,) * 4, 1000), 10 * 100_000 + 20 * 40_000 + 8 * 10_000,
        _factorization((10,) * 4, 1000, 2000, 1, 1), _completion_rival((10,) * 4, 1000, 2000),
    ),
    Case(
        "RMC21-Fig4", "60000 images of 784 pixels, rank 5, steps of 5000, ten tasks", 10, 12 / 9.1, 15,
        4.0 * 5000 * 784 * 5, (5000 * 784 * 3) / 10 + 5000 * 5 * 6, _images, _images_rival,
    ),
)  # fmt: skip


# -- measuring ---------------------------------------------------------------------------------------------------------


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, and as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rate(steps: Steps, device: str, seconds: float) -> float:
    """Steps a second: of CPU time, or of elapsed time on a GPU. The best of three stretches."""
    import torch

    clock = time.process_time if device == "cpu" else time.perf_counter

    def timed(count: int) -> float:
        if device != "cpu":
            torch.cuda.synchronize()
        began = clock()
        steps(count)
        if device != "cpu":
            torch.cuda.synchronize()
        return max(clock() - began, 1e-9)

    steps(1)
    count = 1
    while timed(count) < seconds / 10 and count < 1_000_000:
        count *= 2
    return max(count / timed(count) for _ in range(3))


def machine(device: str, dtype: str, seconds: float) -> dict[str, float]:
    """What the machine allows in one thread: 10^9 operations a second in a matrix product, 10^9 bytes a second in c =
    a + b of arrays that fit no cache (a, b read and c written)."""
    import torch

    kind = Context(device=device, dtype=dtype).tensor
    random = np.random.default_rng(0)
    a = kind(random.standard_normal((1024, 1024)))
    b = torch.empty_like(a)
    large = torch.zeros(40_000_000, dtype=a.dtype, device=device)
    other = torch.zeros_like(large)
    out = torch.zeros_like(large)

    def products(count: int) -> None:
        for _ in range(count):
            torch.matmul(a, a, out=b)

    def sums(count: int) -> None:
        for _ in range(count):
            torch.add(large, other, out=out)

    return {
        "gflops": _rate(products, device, seconds) * 2 * 1024**3 / 1e9,
        "gbytes": _rate(sums, device, seconds) * 3 * large.numel() * large.element_size() / 1e9,
    }


def run(
    *,
    device: str = "cpu",
    dtypes: tuple[str, ...] = ("float64", "float32"),
    seconds: float = 2.0,
    names: tuple[str, ...] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Measure all cases (or those of ``names``), about ``seconds`` for each rate.

    The result has "machine" (by dtype) and "cases": rates in member iterations a second ("ours", "autograd",
    "published"), their ratios, the target and whether it is met, 10^9 operations and bytes a second and which fraction
    of the machine's that is. Raises `InputError` for unknown names.
    """
    import torch

    chosen = [case for case in CASES if not names or case.name in names]
    if len(chosen) < len(set(names)):
        raise InputError(f"given {', '.join(names)}, needed one of {', '.join(case.name for case in CASES)}")
    total = len(dtypes) * (len(chosen) * 2 + 1)
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(done, total, what)
        done += 1

    made: list[dict[str, Any]] = []
    limits: dict[str, dict[str, float]] = {}
    with _one_thread():
        for dtype in dtypes:
            tell(f"machine, {dtype}")
            limits[dtype] = machine(device, dtype, seconds / 2)
            for case in chosen:
                context = Context(device=device, dtype=dtype)
                tell(f"{case.name}, {dtype}")
                ours = _rate(case.ours(context), device, seconds) * case.members
                tell(f"{case.name}, {dtype}, autograd")
                rival = _rate(case.rival(context), device, seconds)
                size = 8 if dtype == "float64" else 4
                gflops, gbytes = ours * case.flops / 1e9, ours * case.numbers * size / 1e9
                made.append(
                    {
                        "case": case.name,
                        "what": case.what,
                        "dtype": dtype,
                        "members": case.members,
                        "ours": ours,
                        "autograd": rival,
                        "published": case.published,
                        "times_published": ours / case.published,
                        "times_autograd": ours / rival,
                        "target": case.target,
                        "met": ours / case.published >= case.target,
                        "gflops": gflops,
                        "of_arithmetic": gflops / limits[dtype]["gflops"],
                        "gbytes": gbytes,
                        "of_bandwidth": gbytes / limits[dtype]["gbytes"],
                    }
                )
    return {"schema": 1, "device": device, "torch": torch.__version__, "threads": 1, "machine": limits, "cases": made}


def bench_table(result: dict[str, Any]) -> list[Line]:
    """The result in lines."""
    lines: list[Line] = []
    for dtype, limit in result["machine"].items():
        text = f"one thread, {dtype}: matrix product {limit['gflops']:.0f} GFLOP/s, memory {limit['gbytes']:.0f} GB/s"
        lines.append(((text, "dim"),))
    for row in result["cases"]:
        head = f"{row['case']:11} {row['dtype']}  {row['what']}"
        lines.append(((head, "bold"),))
        text = (
            f"  {row['ours']:,.0f} member iterations/s: {row['times_published']:.3g} times the published "
            f"{row['published']:.3g} (wanted {row['target']:g}), {row['times_autograd']:.3g} times plain autograd's "
            f"{row['autograd']:.4g}"
        )
        lines.append(((text, "good" if row["met"] else "bad"),))
        text = (
            f"  {row['gflops']:.2f} GFLOP/s, {row['of_arithmetic']:.1%} of the machine's; {row['gbytes']:.1f} GB/s "
            f"read and written, caches included, {row['of_bandwidth']:.0%} of memory's"
        )
        lines.append(((text, "dim"),))
    lines.append((("published: the authors' code on another 2-core machine; rates are per second of CPU time", "dim"),))
    return lines


__all__ = ["CASES", "Case", "bench_table", "machine", "run"]
