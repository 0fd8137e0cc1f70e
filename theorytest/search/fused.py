"""The torch engine with fused steps: DOP853 compiled by TorchInductor, four stages to a kernel.

The field is written out once as a function of tensors, the batch axis last, and traced; TorchInductor makes loops in
C++ of it on cpu (where it needs a C++ compiler) and Triton kernels on cuda. Small models are written out entry by
entry, so that what belongs to an instance stays in registers; larger ones in products of blocks, summed over joined
legs. Everything else (times, levels, statuses) is `lockstep`, and the steps are its own up to rounding.

Compiling takes some twenty seconds for a model, a kind of loss and a number of columns, which is always the same;
TorchInductor keeps what it made on disk for the next process.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, lru_cache, reduce
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.errors import InputError
from theorytest.search import control, dop853
from theorytest.search.control import Columns
from theorytest.search.field import Field, contraction_of, inverse_of, moved, slope_of

if TYPE_CHECKING:
    import torch

    from theorytest.models.contraction import Contraction
    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch
    from theorytest.search.outcome import Outcome

SMALL = 32  # multiplications of the value up to which a field is written out entry by entry: more compile for minutes
GROUPS = (0, 4, 8, dop853.STAGES)  # stages compiled together: more of them take much longer to compile
COLUMNS = {True: 4096, False: 128}  # of small models and of others, on cpu (measured): calls cost, and so does cache
COLUMNS_CUDA = 1 << 16
WORK = 100_000_000  # multiplications of one field for all instances: the torch engine needs a minute or more for them
OPTIONS = {
    "cpp.enable_floating_point_contract_flag": "fast",  # a * b + c in one instruction, as in the compiled engine
    "max_fusion_size": 1 << 12,  # one loop for all entries
    "compile_threads": 1,  # no processes
    "size_asserts": False,  # the sizes are always the same
}
IN_BLOCKS = {"realize_reads_threshold": 0}  # sums over stages are computed once, not wherever a product reads them


def obstacle(model: Any, losses: LossBatch, *, device: Any, atol: float, levels: Sequence[Level]) -> str:
    """Why this engine cannot do what is asked, as the end of a sentence; "" where it can."""
    if contraction_of(model) is None:
        return "needed a model that is one einsum of small blocks, two or more: use engine='torch'"
    if losses.kind == "sensing" or losses.entries(tuple(model.shape)) is None:
        return "needed losses that act entry by entry: use engine='torch'"
    if not compiler(str(device)):
        needed = "a C++ compiler (g++, or the one that CXX names)" if str(device) == "cpu" else "the package triton"
        return f"needed {needed} for TorchInductor: install it, or use engine='torch'"
    try:
        kernels(Form.of(Field(model, losses, columns(model, device), device)))
    except (RuntimeError, OSError) as error:
        return _not_compiled(error)
    return ""


def pays(model: Any, batch: int) -> bool:
    """Whether the steps save more time than it takes to compile them."""
    contraction = contraction_of(model)
    return contraction is not None and 3 * multiplications(contraction) * batch >= WORK


def run(model: Any, losses: LossBatch, start: torch.Tensor, stops: Sequence[Fraction], **options: Any) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times: see `lockstep.run`.

    Raises `InputError` where the control of steps cannot be compiled, of which `obstacle` knows nothing: it depends on
    whether there is a second run.
    """
    from theorytest.search import lockstep

    try:
        controls(columns(model, start.device), str(start.device), twice=options["twice"])
    except (RuntimeError, OSError) as error:
        raise InputError(f"given fused steps, {_not_compiled(error)}") from error
    return lockstep.run(model, losses, start, stops, **options, fused=True)


def _not_compiled(error: Exception) -> str:
    return f"needed a flow that TorchInductor can compile here ({type(error).__name__}): use engine='torch'"


@cache
def compiler(device: str) -> bool:
    """Whether what TorchInductor needs is there: a C++ compiler on cpu, triton on cuda."""
    if device == "cpu":
        return shutil.which(os.environ.get("CXX", "g++")) is not None
    return find_spec("triton") is not None


def columns(model: Any, device: Any) -> int:
    """The number of columns for which the steps of a model are compiled."""
    contraction = contraction_of(model)
    assert contraction is not None
    return COLUMNS[multiplications(contraction) <= SMALL] if str(device) == "cpu" else COLUMNS_CUDA


def multiplications(contraction: Any) -> int:
    """Of one value of a contraction."""
    return sum(math.prod(map(math.prod, step.sizes)) for step in contraction.steps)


class FusedStepper:
    """One step for every column on compiled kernels, with the interface of `stepper.Stepper`.

    field: for the number of columns that the kernels are made for; runs: so many times that number are stepped.
    """

    def __init__(self, field: Field, parameters: int, runs: int = 1) -> None:
        import torch

        self.field, self.runs, self.kernels = field, runs, kernels(Form.of(field))
        self.state, self.new, self.slope = (
            torch.zeros((parameters, runs * field.columns), **field.options) for _ in range(3)
        )
        self.sizes = torch.zeros((3, runs * field.columns), **field.options)

    def slopes(self) -> torch.Tensor:
        """The field at the state (h = 1)."""
        import torch

        self.step(torch.ones_like(self.sizes[0]))
        return self.slope

    def step(self, h: torch.Tensor) -> None:
        """One step of size ``h`` (one for each column) from the state."""
        import torch

        if self.runs == 1:
            self.new, self.sizes, self.slope = self._step(self.state, h)
            return
        made = [self._step(x.contiguous(), own) for x, own in zip(self._apart(self.state), self._apart(h), strict=True)]
        self.new, self.sizes, self.slope = (torch.cat(parts, dim=1) for parts in zip(*made, strict=True))

    def _apart(self, values: torch.Tensor) -> Sequence[torch.Tensor]:
        return values.split(self.field.columns, dim=-1)

    def _step(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """After the step; largest absolute entries of it and of both error vectors; h times the field at ``x``."""
        slopes: dict[int, torch.Tensor] = {}
        for kernel in self.kernels:
            made = kernel.call(x, h, self.field.weights, self.field.shift, *(slopes[k] for k in kernel.read))
            slopes |= zip(kernel.written, made, strict=False)
        *_, new, sizes = made
        return new, sizes, slopes[0]

    def largest(self) -> torch.Tensor:
        """Largest absolute entries of new and both error vectors, (3, columns)."""
        return self.sizes


# -- kernels -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """What kernels are compiled for. base: the loss of an entry; own: whether each column has weights and targets of
    its own; columns: how many."""

    model: Any
    base: Any
    own: bool
    columns: int
    device: str

    @staticmethod
    def of(field: Field) -> Form:
        """The form of a field whose losses act entry by entry."""
        return Form(field.model, field.base, field.losses.kind == "entries", field.columns, str(field.h.device))

    @cached_property
    def contraction(self) -> Contraction:
        """The products of the value."""
        found = contraction_of(self.model)
        assert found is not None
        return found

    @property
    def small(self) -> bool:
        """Whether the field is written out entry by entry."""
        return multiplications(self.contraction) <= SMALL

    def slope(self, residual: Any, scaled: Any) -> Any:
        """Minus h times the gradient of the loss: see the tables of `Field`."""
        return residual * scaled if slope_of(self.base) is not None else self.base.derivative(residual) * scaled

    def field(self, x: Any, scaled: torch.Tensor, shift: torch.Tensor) -> Any:
        """Minus h times the gradient at ``x`` (parameters, columns), entry by entry for a small model."""
        return (_by_entries if self.small else _by_blocks)(self, x, scaled, shift)


@lru_cache(maxsize=32)
def kernels(form: Form) -> tuple[Kernel, ...]:
    """The kernels of one step, compiled once in a process."""
    return tuple(Kernel(form, first, last) for first, last in pairwise(GROUPS))


class Kernel:
    """Some stages of a step. read, written: the slopes that it is given and gives. The last one gives the new state,
    and the largest absolute entries of it and of both error vectors."""

    def __init__(self, form: Form, first: int, last: int) -> None:
        self.form, self.first, self.last, self.ends = form, first, last, last == dop853.STAGES
        ends = (dop853.B, dop853.E5, dop853.E3)
        now = {k for weights in (*dop853.A[first:last], *(ends if self.ends else ())) for k in weights}
        later = {k for weights in (*dop853.A[last:], *ends) for k in weights}
        self.read = tuple(k for k in sorted(now) if k < first)
        self.written = () if self.ends else tuple(k for k in range(first, last) if k in later)
        self.call = self._compiled()

    def stages(
        self, x: torch.Tensor, h: torch.Tensor, weights: torch.Tensor, shift: torch.Tensor, *read: torch.Tensor
    ) -> list[Any]:
        """What is written: the function that is compiled."""
        import torch

        scaled, apart = weights * h, self.form.small
        state, *slopes_read = (_entries(values) if apart else values for values in (x, *read))
        slopes = dict(zip(self.read, slopes_read, strict=True))
        for stage in range(self.first, self.last):
            slopes[stage] = self.form.field(_combined(dop853.A[stage], slopes, state), scaled, shift)
        if not self.ends:
            return [torch.stack(list(slopes[k])) if apart else slopes[k] for k in self.written]
        new = _combined(dop853.B, slopes, state)
        ends = (new, _combined(dop853.E5, slopes), _combined(dop853.E3, slopes))
        sizes = [reduce(torch.maximum, map(abs, values)) if apart else values.abs().amax(0) for values in ends]
        return [torch.stack(list(new)) if apart else new, torch.stack(sizes)]

    def _compiled(self) -> Callable[..., Any]:
        import torch

        form = self.form
        batch, rows, _, summed = form.contraction.steps[-1].sizes
        options: dict[str, Any] = {"dtype": torch.float64, "device": form.device}
        table = torch.zeros((*batch, *rows, *summed, form.columns if form.own else 1), **options)
        state = torch.zeros((form.model.parameters, form.columns), **options)
        given = (state, state[0].clone(), table, table.clone(), *(state.clone() for _ in self.read))
        return _compiled(self.stages, given, OPTIONS if form.small else OPTIONS | IN_BLOCKS)


@dataclass(frozen=True)
class Control:
    """`control` compiled for a number of columns."""

    planned: Callable[..., Any]
    judged: Callable[..., Any]


@lru_cache(maxsize=8)
def controls(columns: int, device: str, *, twice: bool) -> Control:
    """The control of steps, compiled once in a process for all models."""
    import torch

    options: dict[str, Any] = {"device": device}
    vector = torch.zeros(columns, dtype=torch.float64, **options)
    whole = torch.zeros(columns, dtype=torch.long, **options)
    at = Columns._make([*(vector.clone() for _ in range(6)), whole.clone(), whole.clone()])
    second = (
        (torch.zeros((4, columns), **options, dtype=torch.float64), vector.clone(), vector.clone()) if twice else ()
    )
    limits, most = torch.zeros(2, dtype=torch.float64, **options), torch.zeros((), dtype=torch.long, **options)
    given = (
        *at,
        whole,
        vector,
        vector.clone(),
        torch.zeros((3, columns), dtype=torch.float64, **options),
        limits,
        most,
    )

    def judged_flat(*values: torch.Tensor) -> tuple[Any, ...]:
        now, *others = control.judged(Columns._make(values[:8]), *values[8:])
        changed = (now.proposal, now.left, now.size, now.before, now.attempted, now.accepted)
        return (*changed, *others[:4], *(others[4:] if twice else ()))

    compiled = _compiled(judged_flat, (*given, *second), OPTIONS)

    def judged(at: Columns, *values: torch.Tensor) -> tuple[Any, ...]:
        proposal, left, size, before, attempted, accepted, *others = compiled(*at, *values)
        now = Columns(proposal, left, at.tick, at.begin, size, before, attempted, accepted)
        return (now, *others, *(() if twice else (None,)))

    return Control(_compiled(control.planned, tuple(at[:3]), OPTIONS), judged)


def _compiled(function: Any, given: Sequence[torch.Tensor], options: Mapping[str, Any]) -> Any:
    """A function of tensors of these kinds, traced and compiled, without guards at every call."""
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch, about parts of itself
        from torch._inductor import compile as inductor
        from torch.fx.experimental.proxy_tensor import make_fx

        return inductor(make_fx(function)(*given), list(given), dict(options))


def _combined(weights: Mapping[int, float], slopes: Mapping[int, Any], state: Any = 0.0) -> Any:
    """The state and a sum over slopes: tensors, or arrays of tensors."""
    return reduce(lambda made, stage: made + slopes[stage] * weights[stage], weights, state)


def _entries(values: torch.Tensor) -> np.ndarray:
    """An array of rows."""
    made = np.empty(len(values), dtype=object)
    made[:] = values.unbind(0)
    return made


def _by_entries(form: Form, x: np.ndarray, scaled: torch.Tensor, shift: torch.Tensor) -> np.ndarray:
    """The field as scalar arithmetic: arrays of tensors, one for each entry."""
    blocks: dict[str, np.ndarray] = {}
    place = 0
    for name, shape in form.model.shapes.items():
        blocks[name] = x[place : place + math.prod(shape)].reshape(shape)
        place += math.prod(shape)
    W, pull = form.model.pullback(blocks)
    inverse = inverse_of(form.contraction.order)
    gradient = np.empty(W.shape, dtype=object)
    for index in np.ndindex(*W.shape):
        legs = tuple(index[axis] for axis in inverse)
        gradient[index] = form.slope(W[index] + shift[legs], scaled[legs])
    # The tables have a minus sign: this is minus the gradient.
    pulled = pull(gradient)
    return np.concatenate([pulled[name].reshape(-1) for name in form.model.shapes])


def _by_blocks(form: Form, x: torch.Tensor, scaled: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The field in products of blocks (*legs, columns): what `Field` writes into buffers."""
    import torch

    contraction, shapes = form.contraction, dict(form.model.shapes)
    columns = x.shape[-1]
    parts = x.split([math.prod(shape) for shape in shapes.values()])
    held = {name: part.view(*shape, columns) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    names = [name for name, _ in form.model.concrete.factors]
    slots = [held[name] for name in names]
    tape: list[tuple[torch.Tensor, torch.Tensor]] = []
    for step in contraction.steps:
        a = slots[step.left].permute(*step.order_left, len(step.order_left))
        b = slots[step.right].permute(*step.order_right, len(step.order_right))
        tape.append((a, b))
        slots.append(_product(a, b, *map(len, step.sizes)))
    slopes: list[Any] = [None] * len(slots)
    slopes[-1] = form.slope(slots[-1] + shift, scaled)
    gradients: dict[str, torch.Tensor] = {}
    for place in range(len(contraction.steps) - 1, -1, -1):
        step, (a, b), g = contraction.steps[place], tape[place], slopes[len(names) + place]
        nb, nr, nj, nc = map(len, step.sizes)
        for slot, order, made in (
            (step.left, step.order_left, _product(g, moved(b, nb, nj, nc), nb, nr, nc, nj)),
            (step.right, step.order_right, _product(moved(a, nb, nr, nj), g, nb, nj, nr, nc)),
        ):
            slopes[slot] = made.permute(*inverse_of(order), len(order))
            if slot < len(names):
                name = names[slot]
                gradients[name] = gradients[name] + slopes[slot] if name in gradients else slopes[slot]
    return torch.cat([gradients[name].reshape(-1, columns) for name in shapes])


def _product(a: torch.Tensor, b: torch.Tensor, batch: int, rows: int, joined: int, columns: int) -> torch.Tensor:
    """(batch, rows, joined) times (batch, joined, columns), the numbers being those of legs, instances last."""
    left = a.reshape(*a.shape[: batch + rows + joined], *(1,) * columns, a.shape[-1])
    right = b.reshape(*b.shape[:batch], *(1,) * rows, *b.shape[batch:])
    made = left * right
    return made.sum(tuple(range(batch + rows, batch + rows + joined))) if joined else made
