"""The compiled engine: DOP853 for one model and kind of loss in C, eight instances at once in vector registers.

Optional: it needs a C compiler (cc, gcc or clang) when it is used, and nothing when theorytest is installed. The code
is written out from the model's einsum, compiled in a second or so, and kept for this process. Steps, their control, and
the second run that estimates errors are those of the torch engine (`lockstep`); an instance has its own time and step,
and leaves its lane to the next one when it has come to the end. Instances that do not come to the end are left to the
torch engine, whose statuses say why.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theorytest.search import control, dop853, lockstep
from theorytest.search.entrywise import Pattern, values_of
from theorytest.search.field import contraction_of, inverse_of
from theorytest.search.outcome import APART, DONE, UNIT, Outcome

if TYPE_CHECKING:
    import torch

    from theorytest.search.crossing import Level
    from theorytest.search.loss_batch import LossBatch

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared", "-w")
WIDEST = 1 << 16  # multiplications of one product
STEPS = 2000  # of one instance; beyond, the torch engine takes over
WORK = 150_000  # multiplications of one field for all instances, from which compiling is worth it (measured)


def obstacle(model: Any, losses: LossBatch, *, device: Any, atol: float, levels: Sequence[Level]) -> str:
    """Why this engine cannot do what is asked, as the end of a sentence; "" where it can."""
    if str(device) != "cpu":
        return f"needed device='cpu', not {device}: use engine='torch'"
    if atol or levels:
        return "needed atol=0 and no levels: use engine='torch'"
    if contraction_of(model, wide=WIDEST) is None:
        return "needed a model that is one einsum of two blocks or more: use engine='torch'"
    if losses.kind != "linear":
        entries = losses.entries(tuple(model.shape))
        if entries is None or entries.base.breaks:
            return "needed losses that are one polynomial of each observed entry: use engine='torch'"
    if compiler() is None:
        return f"needed a C compiler ({', '.join(COMPILERS)}) that works: install one, or use engine='torch'"
    _, base, pattern = values_of(losses, tuple(model.shape))
    try:
        compiled(model, base, pattern)
    except (OSError, subprocess.SubprocessError) as error:
        return f"needed a C compiler that compiles this flow ({type(error).__name__}): use engine='torch'"
    return ""


def pays(model: Any, batch: int) -> bool:
    """Whether the engine is faster than the others, compiling included."""
    contraction = contraction_of(model, wide=WIDEST)
    if contraction is None:
        return False
    return 3 * sum(prod(map(prod, step.sizes)) for step in contraction.steps) * batch >= WORK


def run(
    model: Any,
    losses: LossBatch,
    start: torch.Tensor,
    stops: Sequence[Fraction],
    *,
    rtol: float,
    atol: float,
    max_steps: int,
    twice: bool = True,
) -> Outcome:
    """Flows from ``start`` (batch, parameters) to the given exact times: see `lockstep.run`."""
    import torch

    values, base, pattern = values_of(losses, tuple(model.shape))
    function = compiled(model, base, pattern)
    batch, parameters = start.shape
    began = np.ascontiguousarray(start.numpy())
    own = np.zeros(1) if values is None else np.ascontiguousarray(values.T)
    segments = np.array([float(b - a) for a, b in pairwise([Fraction(0), *stops])])
    result = Outcome.empty(len(stops), batch, parameters, 0, start.device)
    good = torch.zeros_like(result.steps)
    pointers = (x.numpy().ctypes for x in (result.states, result.error, result.steps, result.rejected, good))
    limit = min(max_steps, STEPS)
    function(batch, began.ctypes, own.ctypes, len(stops), segments.ctypes, rtol, limit, int(twice), *pointers)
    result.status.fill_(DONE)
    result.reached.fill_(float(stops[-1]))
    result.take_over(
        (good == 0).nonzero()[:, 0],
        lambda rest: lockstep.run(
            model, losses.take(rest), start[rest], stops, rtol=rtol, atol=atol, max_steps=max_steps, twice=twice
        ),
    )
    return result


# -- compiling ---------------------------------------------------------------------------------------------------------


@cache
def compiler() -> str | None:
    """The C compiler, if there is one that makes a library which can be loaded."""
    for name in COMPILERS:
        path = shutil.which(name)
        if path is not None:
            try:
                _library(path, "typedef double V __attribute__((vector_size(64)));\nlong one(void) { return 1; }\n")
            except (OSError, subprocess.SubprocessError):
                continue
            return path
    return None


def _library(path: str, text: str) -> ctypes.CDLL:
    """Compile and load; the files are gone when it has been loaded."""
    with tempfile.TemporaryDirectory(prefix="theorytest-") as folder:
        source, made = Path(folder, "flow.c"), Path(folder, "flow.so")
        source.write_text(text)
        subprocess.run(
            [path, *FLAGS, "-o", str(made), str(source), "-lm"], check=True, capture_output=True, timeout=300
        )
        return ctypes.CDLL(str(made))


@lru_cache(maxsize=64)
def compiled(model: Any, base: Any, pattern: Pattern) -> Any:
    """The C function of a model and kind of loss."""
    path = compiler()
    assert path is not None
    function = _library(path, source(model, base, pattern)).integrate
    pointer, number, count = ctypes.c_void_p, ctypes.c_double, ctypes.c_longlong
    function.argtypes = [count, pointer, pointer, count, pointer, number, count, count, *[pointer] * 5]
    function.restype = None
    return function


# -- the C code --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Operand:
    """An array in the C code: its name, and for every leg (as a loop variable) its stride."""

    name: str
    strides: tuple[int, ...]  # by axis

    def at(self, order: Sequence[int], variables: Sequence[str]) -> str:
        """The entry whose axis order[k] has the value variables[k]."""
        terms = [f"{v}*{self.strides[axis]}" for axis, v in zip(order, variables, strict=True)]
        return f"{self.name}[{' + '.join(terms) or '0'}]"


def _strides(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(prod(sizes[k + 1 :]) for k in range(len(sizes)))


def _loop(variables: Sequence[str], sizes: Sequence[int], body: str) -> str:
    heads = "".join(f"for (int {v} = 0; {v} < {n}; {v}++) " for v, n in zip(variables, sizes, strict=True))
    return f"{heads}{{ {body} }}"


def _names(letter: str, sizes: Sequence[int]) -> list[str]:
    return [f"{letter}{k}" for k in range(len(sizes))]


def _field(model: Any, base: Any, pattern: Pattern) -> list[str]:
    """Statements that compute ``k`` (h times the flow's field) from ``x``, ``number`` and ``h``."""
    contraction = contraction_of(model, wide=WIDEST)
    assert contraction is not None
    lines: list[str] = []
    offsets, place = {}, 0
    for name, shape in model.shapes.items():
        offsets[name] = place
        place += prod(shape)
    names = [name for name, _ in model.concrete.factors]
    slots = [_Operand(f"(x + {offsets[n]})", _strides(model.shapes[n])) for n in names]
    shapes = [tuple(model.shapes[n]) for n in names]
    for count, step in enumerate(contraction.steps):
        batch, rows, joined, columns = step.sizes
        b, r, j, c = (_names(letter, sizes) for letter, sizes in zip("brjc", step.sizes, strict=True))
        shapes.append((*batch, *rows, *columns))
        made = _Operand(f"t{count}", _strides(shapes[-1]))
        lines.append(f"V t{count}[{prod(shapes[-1])}];")
        left = slots[step.left].at(step.order_left, [*b, *r, *j])
        right = slots[step.right].at(step.order_right, [*b, *j, *c])
        inner = _loop(j, joined, f"s += {left} * {right};")
        target = made.at(range(len(shapes[-1])), [*b, *r, *c])
        lines.append(_loop([*b, *r, *c], [*batch, *rows, *columns], f"V s = zero; {inner} {target} = s;"))
        slots.append(made)
    lines += _loss(contraction, shapes[-1], base, pattern, slots[-1].name)
    slopes: list[_Operand | None] = [None] * len(slots)
    slopes[-1] = _Operand("g", _strides(shapes[-1]))
    seen: set[str] = set()
    for count in range(len(contraction.steps) - 1, -1, -1):
        step = contraction.steps[count]
        batch, rows, joined, columns = step.sizes
        b, r, j, c = (_names(letter, sizes) for letter, sizes in zip("brjc", step.sizes, strict=True))
        g = slopes[len(names) + count]
        assert g is not None
        above = g.at(range(len(shapes[len(names) + count])), [*b, *r, *c])
        for slot, order, kept, kept_sizes, summed, summed_sizes, other in (
            (step.left, step.order_left, [*b, *r, *j], (*batch, *rows, *joined), c, columns,
             slots[step.right].at(step.order_right, [*b, *j, *c])),
            (step.right, step.order_right, [*b, *j, *c], (*batch, *joined, *columns), r, rows,
             slots[step.left].at(step.order_left, [*b, *r, *j])),
        ):  # fmt: skip
            if slot < len(names):
                target, sign = _Operand(f"(k + {offsets[names[slot]]})", _strides(shapes[slot])), "="
                sign = "+=" if names[slot] in seen else "="
                seen.add(names[slot])
            else:
                target, sign = _Operand(f"d{slot}", _strides(shapes[slot])), "="
                lines.append(f"V d{slot}[{prod(shapes[slot])}];")
                slopes[slot] = target
            inner = _loop(summed, summed_sizes, f"s += {above} * {other};")
            lines.append(_loop(kept, kept_sizes, f"V s = zero; {inner} {target.at(order, kept)} {sign} s;"))
    return lines


def _loss(contraction: Any, shape: Sequence[int], base: Any, pattern: Pattern, end: str) -> list[str]:
    """Statements for ``g``: minus h times the gradient of the loss, in the order of the last product's legs."""
    places, full, shared = pattern
    lines = [f"V g[{prod(shape)}];", f"for (int i = 0; i < {prod(shape)}; i++) g[i] = zero;"]
    inverse, strides = inverse_of(contraction.order), _strides(shape)
    for k, entry in enumerate(places):
        index = np.unravel_index(entry, full)
        at = sum(int(index[inverse[axis]]) * strides[axis] for axis in range(len(shape)))
        if base is None:
            lines.append(f"g[{at}] = -h * number[{k}];")
            continue
        weight, target = (f"number[{n}]" for n in (k, len(places) + k))
        if shared:
            weight, target = (f"({x.hex()})" for x in (shared[k], shared[len(places) + k]))
        coefficients = [power * float(base.pieces[0][power]) for power in range(1, len(base.pieces[0]))]
        slope = f"({coefficients[-1].hex()} + zero)"
        for value in coefficients[-2::-1]:
            slope = f"({slope} * z + {value.hex()})"
        lines.append(f"{{ V z = {end}[{at}] - {target}; g[{at}] = -h * {weight} * {slope}; }}")
    return lines


def _sum(weights: Mapping[int, float]) -> str:
    return " + ".join(f"{weight.hex()} * k[{stage}][p]" for stage, weight in weights.items())


def source(model: Any, base: Any, pattern: Pattern) -> str:
    """The C code of one model and kind of loss."""
    places, _, shared = pattern
    stages = ["field(x, number, h, k[0]);"]  # h times the slopes
    for stage in range(1, dop853.STAGES):
        stages.append(f"for (int p = 0; p < P; p++) y[p] = x[p] + ({_sum(dop853.A[stage])});")
        stages.append(f"field(y, number, h, k[{stage}]);")
    numbers = 0 if shared else len(places) * (1 if base is None else 2)
    return TEMPLATE.format(
        parameters=model.parameters,
        numbers=numbers,
        stages=dop853.STAGES,
        field="\n  ".join(_field(model, base, pattern)),
        steps="\n  ".join(stages),
        safety=control.SAFETY.hex(),
        short=lockstep.SHORT.hex(),
        from_zero=lockstep.FROM_ZERO.hex(),
        now=control.NOW.hex(),
        earlier=control.BEFORE.hex(),
        apart=APART.hex(),
        unit=UNIT.hex(),
        result=_sum(dop853.B),
        fifth=_sum(dop853.E5),
        third=_sum(dop853.E3),
    )


TEMPLATE = """\
#include <math.h>
#define P {parameters}
#define N {numbers}
#define L 8
typedef double V __attribute__((vector_size(8 * L)));
typedef long long M __attribute__((vector_size(8 * L)));
static const V zero;
typedef long long I;
#define TICKS 0x1p52
#define APART {apart}
#define UNIT {unit}
#define SAFETY {safety}
#define SHORT {short}
#define FROM_ZERO {from_zero}
#define NOW {now}f
#define BEFORE {earlier}f

static inline V larger(V a, V b) {{ M m = a > b; return (V)(((M)a & m) | ((M)b & ~m)); }}
static inline V size(V a) {{ return larger(a, -a); }}

static void field(const V *restrict x, const V *restrict number, V h, V *restrict k) {{
  {field}
}}

/* One step of size h from x to new; largest entries of both error vectors, of new and of the slope times h; the sum
   that they return is not 0 where anything is not finite. */
static V step(const V *restrict x, const V *restrict number, V h, V *restrict new, V *fifth, V *third, V *most,
              V *steep) {{
  V y[P], k[{stages}][P], test = zero;
  {steps}
  *fifth = *third = *most = *steep = zero;
  for (int p = 0; p < P; p++) {{
    V a = {fifth}, b = {third};
    new[p] = x[p] + ({result});
    *fifth = larger(size(a), *fifth);
    *third = larger(size(b), *third);
    *most = larger(size(new[p]), *most);
    *steep = larger(size(k[0][p]), *steep);
    test += new[p] * 0.0 + a * 0.0 + b * 0.0;
  }}
  return test;
}}

/* Flows of a batch to all stops, of the kinds of `lockstep`: the result is the finer of two runs where twice is set.
   good: 1 where an instance came to the end. */
void integrate(I batch, const double *start, const double *own, I stops, const double *segments, double rtol,
               I most_steps, I twice, double *states, double *errors, I *steps, I *rejected, I *good) {{
  V coarse[P], fine[P], new[P], middle[P], end[P], number[N + 1];
  I who[L], stop[L], next = 0, live = 0;
  double left[L], proposal[L], before[L], largest[L], gap[L], local[L], rounding[L], steepest[L], ticks[L];
  double total = 0;
  for (I s = 0; s < stops; s++) total += segments[s];
  for (int p = 0; p < P; p++) coarse[p] = fine[p] = zero;
  for (int n = 0; n <= N; n++) number[n] = zero;
  for (int l = 0; l < L; l++) who[l] = -1;
  while (1) {{
    int fresh[L] = {{0}}, any = 0;
    for (int l = 0; l < L; l++)
      while (who[l] < 0 && next < batch) {{
        I i = next++;
        int finite = 1;
        double most = 0;
        for (int p = 0; p < P; p++) {{
          finite &= isfinite(start[i * P + p]) != 0;
          most = fmax(most, fabs(start[i * P + p]));
        }}
        if (!finite) continue;
        for (int p = 0; p < P; p++) coarse[p][l] = fine[p][l] = start[i * P + p];
        for (int n = 0; n < N; n++) number[n][l] = own[i * N + n];
        who[l] = i; stop[l] = 0; left[l] = TICKS; before[l] = 1; largest[l] = most;
        gap[l] = local[l] = 0; rounding[l] = UNIT * most;
        fresh[l] = any = 1;
        live++;
      }}
    if (!live) return;
    if (any) {{
      V speed = zero;
      field(coarse, number, zero + 1.0, new);
      for (int p = 0; p < P; p++) speed = larger(size(new[p]), speed);
      for (int l = 0; l < L; l++) if (fresh[l]) {{
        steepest[l] = speed[l];
        double guess = fmax(0.5 * pow(rtol, 0.125) * largest[l] / speed[l], total * SHORT);
        proposal[l] = !(speed[l] > 0) ? total : largest[l] > 0 ? guess : total * FROM_ZERO;
      }}
    }}
    V h = zero, fifth, third, most, steep, other[4];
    for (int l = 0; l < L; l++) {{
      ticks[l] = 0;
      if (who[l] < 0) continue;
      if (segments[stop[l]] == 0) {{  /* an output at time 0: the start */
        for (int p = 0; p < P; p++) states[(stop[l] * batch + who[l]) * P + p] = fine[p][l];
        if (twice) errors[stop[l] * batch + who[l]] = rounding[l];
        if (++stop[l] == stops) {{ good[who[l]] = 1; who[l] = -1; live--; continue; }}
      }}
      /* Two even parts, and no sliver left over at the end. Whole numbers below 2^53: exact. */
      double tick = segments[stop[l]] / TICKS, wanted = fmin(proposal[l] / tick, TICKS);
      ticks[l] = wanted >= left[l] ? left[l] : 2 * floor((2 * wanted > left[l] ? left[l] / 2 : wanted) / 2);
      h[l] = ticks[l] * tick;
    }}
    V test = step(coarse, number, h, new, &fifth, &third, &most, &steep), apart = zero;
    if (twice) {{
      test += step(fine, number, h * 0.5, middle, other, other + 1, other + 2, other + 3);
      test += step(middle, number, h * 0.5, end, other, other + 1, other + 2, other + 3);
      for (int p = 0; p < P; p++) apart = larger(size(new[p] - end[p]), apart);
    }}
    M accept = (M)zero;
    for (int l = 0; l < L; l++) {{
      if (who[l] < 0) continue;
      double width = fmax(largest[l], most[l]), five = fifth[l] * fifth[l], factor = 0.2;
      double bottom = sqrt(five + 0.01 * third[l] * third[l]), estimate = bottom > 0 ? five / bottom : 0;
      double ratio = estimate / (rtol * width + 1e-300);
      int finite = test[l] == 0, moved = finite && ratio <= 1;
      if (finite) {{
        ratio = fmin(fmax(ratio, 1e-4), 1e9);
        factor = fmin(fmax(SAFETY * powf(ratio, -NOW) * before[l], 0.2), 5.0);
      }}
      if (!moved) {{ proposal[l] = h[l] * factor; rejected[who[l]]++; continue; }}
      accept[l] = -1;
      steps[who[l]]++;
      before[l] = powf(ratio, BEFORE);
      left[l] -= ticks[l];
      /* A step cut short by the end of the segment does not shorten the next one. */
      proposal[l] = fmax(h[l] * factor, factor >= 1 ? proposal[l] : 0);
      largest[l] = most[l];
      gap[l] = apart[l];
      local[l] += estimate;
      if (h[l] > 0) steepest[l] = fmax(steepest[l], steep[l] / h[l]);
      rounding[l] += UNIT * (2 * width + 16 * h[l] * steepest[l]);
    }}
    for (int p = 0; p < P; p++) {{
      coarse[p] = (V)(((M)new[p] & accept) | ((M)coarse[p] & ~accept));
      fine[p] = twice ? (V)(((M)end[p] & accept) | ((M)fine[p] & ~accept)) : coarse[p];
    }}
    for (int l = 0; l < L; l++) {{
      if (who[l] < 0) continue;
      I i = who[l];
      int lost = gap[l] > APART * largest[l] || (left[l] > 0 && (steps[i] + rejected[i] >= most_steps
                 || proposal[l] < 8 * segments[stop[l]] / TICKS));
      if (!lost && left[l] <= 0) {{
        for (int p = 0; p < P; p++) states[(stop[l] * batch + i) * P + p] = fine[p][l];
        double growth = local[l] > 0 ? fmin(fmax(gap[l] / local[l], 1), 1e16) : 1;
        if (twice) errors[stop[l] * batch + i] = gap[l] + growth * rounding[l];
        left[l] = TICKS;
        if (++stop[l] == stops) {{ good[i] = 1; lost = 1; }}
      }}
      if (lost) {{
        who[l] = -1;
        live--;
        for (int p = 0; p < P; p++) coarse[p][l] = fine[p][l] = 0;
      }}
    }}
  }}
}}
"""
