"""The gradient flow's vector field on fixed buffers, in torch float64: flat parameters, the batch axis last.

A column is one instance. The einsum of a model and its gradients become a list of elementwise products
``out (+)= a * b`` over whole columns, each of which torch does in one pass; there are no copies, no allocations and no
autograd in the loop. Models that do not fit (large matrices, for which batched matrix products are faster; a user's
own) are evaluated by their ``pullback``, instance by instance the same numbers up to rounding.

The field comes multiplied by a number h for each column (the step), which costs nothing: it scales the gradient of the
loss, by which the rest is linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from theorytest.search.loss_batch import LossBatch

if TYPE_CHECKING:
    import torch

    from theorytest.models.contraction import Contraction

Program = list[Callable[[], Any]]
WIDE = 600  # multiplications in one product of an instance, beyond which batched matrix products are faster (measured)


def contraction_of(model: Any, *, wide: int = WIDE) -> Contraction | None:
    """The contraction of a model that can be written out in elementwise products; None for others, and where a product
    has more multiplications than ``wide``."""
    made = getattr(model, "_contraction", None)
    if made is None or not made.steps or made.output_diagonal is not None:
        return None
    if any(leaf.diagonal is not None or leaf.axes for leaf in made.leaves):
        return None
    if max(math.prod(map(math.prod, step.sizes)) for step in made.steps) > wide:
        return None
    return made


class Field:
    """Minus h times the gradient, for ``columns`` instances. Fixed buffers: see `program`.

    model: with ``shapes``, ``shape`` and ``pullback``; losses: those of all instances, of which `load` chooses.
    """

    def __init__(self, model: Any, losses: LossBatch, columns: int, device: Any) -> None:
        import torch

        self.model, self.losses, self.columns = model, losses, columns
        self.shape: tuple[int, ...] = tuple(model.shape)
        self.shapes: dict[str, tuple[int, ...]] = dict(model.shapes)
        self.options: dict[str, Any] = {"dtype": torch.float64, "device": device}
        self.h = torch.zeros(columns, **self.options)
        self.contraction = contraction_of(model)
        self.here = losses  # of the instances in the columns
        self.entries = losses.entries(self.shape, device=device)
        if self.contraction is None or losses.kind == "sensing":
            self.entries = None
        if self.entries is not None:
            # Minus targets, and weights with their sign (times h: scaled), in the order of the last product's legs.
            self.base = self.entries.base
            self.slope = slope_of(self.base)
            weights, shift = self._tables(self.entries)
            own = (*weights.shape[:-1], columns if losses.kind == "entries" else 1)
            self.weights, self.shift = (torch.zeros(own, **self.options) for _ in range(2))
            self.scaled = torch.zeros((*weights.shape[:-1], columns), **self.options)
            if losses.kind != "entries":
                self.weights.copy_(weights)
                self.shift.copy_(shift)

    # -- losses in the columns --------------------------------------------------------------------------------------

    def load(self, which: torch.Tensor) -> None:
        """Put the losses of these instances into the columns."""
        self.here = self.losses.take(which)
        if self.entries is not None and self.losses.kind == "entries":
            weights, shift = self._tables(self.here)
            self.weights.copy_(weights)
            self.shift.copy_(shift)

    def _tables(self, entries: LossBatch) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.contraction is not None
        inverse = inverse_of(self.contraction.order)
        factor = -1.0 if self.slope is None else -self.slope

        def last(values: torch.Tensor) -> torch.Tensor:
            return values.movedim(0, -1).permute(*inverse, len(inverse))

        return last(entries.weight) * factor, -last(entries.target)

    def step(self, h: torch.Tensor) -> None:
        """The numbers by which the field is multiplied, one for each column."""
        import torch

        self.h.copy_(h)
        if self.entries is not None:
            torch.mul(self.weights, self.h, out=self.scaled)

    # -- programs ----------------------------------------------------------------------------------------------------

    def program(self, x: torch.Tensor, out: torch.Tensor) -> Program:
        """What computes the field at ``x`` into ``out``, both (parameters, columns) and fixed from now on."""
        if self.contraction is None:
            return [partial(self._pull, x, out)]
        return self._products(self.contraction, x, out)

    def _blocks(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of flat parameters, (*shape, columns)."""
        made, place = {}, 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            made[name] = flat[place : place + size].view(*shape, flat.shape[-1])
            place += size
        return made

    def _pull(self, x: torch.Tensor, out: torch.Tensor) -> None:
        first = x.t().contiguous()
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = first.split(sizes, dim=-1)
        blocks = {n: part.reshape(-1, *shape) for (n, shape), part in zip(self.shapes.items(), parts, strict=True)}
        W, pull = self.model.pullback(blocks)
        gradient = self.here.gradient(W).expand(W.shape) * -self.h.reshape(-1, *(1,) * len(self.shape))
        made = pull(gradient)
        for name, view in self._blocks(out).items():
            view.copy_(made[name].movedim(0, -1))

    def _products(self, contraction: Contraction, x: torch.Tensor, out: torch.Tensor) -> Program:
        import torch

        n = self.columns
        held, grads = self._blocks(x), self._blocks(out)
        names = [name for name, _ in self.model.concrete.factors]
        slots: list[torch.Tensor] = [held[name] for name in names]
        made: Program = []
        tape: list[tuple[torch.Tensor, torch.Tensor]] = []
        last = contraction.steps[-1]
        for step in contraction.steps:
            a = slots[step.left].permute(*step.order_left, len(step.order_left))
            b = slots[step.right].permute(*step.order_right, len(step.order_right))
            batch, rows, joined, columns = step.sizes
            value = torch.empty((*batch, *rows, *columns, n), **self.options)
            tape.append((a, b))
            slots.append(value)
            # The last product starts from minus the targets: its result is the residual.
            start = self.shift if step is last and self.entries is not None else None
            made += _multiply(value, a, b, len(batch), len(rows), len(joined), start=start)
        gradient = self._loss(slots[-1], contraction, made)
        made_for: set[str] = set()
        slopes: list[Any] = [None] * len(slots)
        slopes[-1] = gradient
        for place in range(len(contraction.steps) - 1, -1, -1):
            step, (a, b) = contraction.steps[place], tape[place]
            nb, nr, nj, nc = map(len, step.sizes)
            g = slopes[len(names) + place]
            sides = (
                # by the left factor: rows x joined = sum over columns of g b; by the right one: joined x columns.
                (step.left, step.order_left, g, moved(b, nb, nj, nc), nr, nc),
                (step.right, step.order_right, moved(a, nb, nr, nj), g, nj, nr),
            )
            for slot, order, left, right, kept, summed in sides:
                again = slot < len(names) and names[slot] in made_for
                if slot < len(names):
                    made_for.add(names[slot])
                    target = grads[names[slot]]
                else:
                    target = torch.empty_like(slots[slot])
                    slopes[slot] = target
                view = target.permute(*order, len(order))
                made += _multiply(view, left, right, nb, kept, summed, again=again)
        return made

    def _loss(self, value: torch.Tensor, contraction: Contraction, made: Program) -> torch.Tensor:
        """Minus h times the gradient of the loss by the last product, in its order of legs; ``value`` holds the end
        tensor, minus the targets where there are any."""
        import torch

        if self.entries is not None:
            if self.slope is not None:
                made.append(partial(torch.mul, value, self.scaled, out=value))
                return value
            base, scaled = self.base, self.scaled
            made.append(lambda: torch.mul(base.derivative(value), scaled, out=value))
            return value
        gradient = torch.empty_like(value)
        inverse = inverse_of(contraction.order)
        last = len(inverse)
        W = value.permute(last, *contraction.order)  # (columns, *shape)

        def run() -> None:
            found = self.here.gradient(W).expand(W.shape)
            torch.mul(found.permute(*(1 + axis for axis in inverse), 0), -self.h, out=gradient)

        made.append(run)
        return gradient


def inverse_of(order: Sequence[int]) -> tuple[int, ...]:
    """The inverse of a permutation."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def slope_of(base: Any) -> float | None:
    """c where the derivative of a loss of an entry is c z."""
    if base.breaks or any(base.pieces[0][k] for k in range(len(base.pieces[0])) if k != 2) or len(base.pieces[0]) < 3:
        return None
    return 2.0 * float(base.pieces[0][2])


def moved(values: torch.Tensor, batch: int, first: int, second: int) -> torch.Tensor:
    """(batch, first, second, columns) to (batch, second, first, columns)."""
    axes = range(batch + first + second + 1)
    return values.permute(
        *axes[:batch], *axes[batch + first : batch + first + second], *axes[batch : batch + first], axes[-1]
    )


def _multiply(
    out: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    batch: int,
    rows: int,
    joined: int,
    *,
    again: bool = False,
    start: torch.Tensor | None = None,
) -> Program:
    """out = sum over joined of a (batch, rows, joined) b (batch, joined, columns), the numbers being those of legs, and
    the instances last; one elementwise product for each value of the joined legs. again: add to what is there;
    start: begin with this."""
    import torch

    made: Program = []
    columns = b.ndim - 1 - batch - joined
    every = (slice(None),)
    sizes = a.shape[batch + rows : batch + rows + joined]
    for index in product(*map(range, sizes)):
        left = a[every * (batch + rows) + index + (None,) * columns]
        right = b[every * batch + (None,) * rows + index]
        if again or made:
            made.append(partial(out.addcmul_, left, right))
        elif start is not None:
            made.append(partial(torch.addcmul, start, left, right, out=out))
        else:
            made.append(partial(torch.mul, left, right, out=out))
    return made
