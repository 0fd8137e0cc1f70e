"""Balanced and unbalanced starts, built and not filtered: exact ones over the rationals, and batches of floats.

Balance means, whatever the model (see `theorytest.models.quantities`):

- norm balance: for every component leg (``r`` of CP, ``r[n]`` of Tucker) and every value of it, all blocks that have
  the leg have slices of one norm: ||w_r^m|| = ||G_{r_m=r}|| = ||A_i^{m,r}|| (RMC21, HKA24 (3));
- matrix balance: neighbours in a product of matrices satisfy X^T X = Y Y^T (RC20 (5), HKA24 (9)). Always for deep
  matrix factorization; for deep CP and deep Tucker unless ``matrix=False``.

How the exact ones are built. Every component leg gets a rational point u of the unit sphere with positive
coordinates. A block with the legs r, s, ... has slices of norm c u_r u_s ..., with c common to all blocks: its slice
along any one leg then has the norm c u_r, because the other points have norm 1. What is left of a slice is a rational
point of a unit sphere; a core, all of whose legs are component legs, has entries of random sign (only their sizes have
rank one). In a product of matrices every factor is U_{i-1} S U_i^T with rational orthogonal U_i (Cayley transforms) and
common singular values S.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from itertools import product as cartesian
from math import isqrt, prod
from random import Random
from typing import Any, Literal

import numpy as np

from theorytest.errors import InputError
from theorytest.kernel.parameterization import Array
from theorytest.models.arithmetic import fraction, is_torch, zeros
from theorytest.models.model import Matrices, Model

Backend = Literal["numpy", "torch"]
Blocks = dict[str, Array]


# -- exact -------------------------------------------------------------------------------------------------------------


def balanced(
    model: Model,
    *,
    seed: int,
    scale: Fraction | int | str = 1,
    denominator: int = 3,
    matrix: bool = True,
    singular_values: Sequence[Any] | None = None,
    sign: int | None = None,
) -> Blocks:
    """An exactly balanced start: rational blocks with norm balance, and with matrix balance unless ``matrix=False``.

    scale: every block is multiplied by it (alpha of W(0) = alpha W_init, layer by layer), so the same seed with another
    scale gives the same direction. denominator: of the numbers that are drawn; larger ones give taller rationals.
    singular_values: for deep matrix factorization, those of every layer before scaling (fewer or zero: low rank); drawn
    from (0, 2] unless given. sign: +1 or -1 asks for that sign of det W for square W, free unless given.
    Raises `InputError` for a model without any balance condition, and for blocks that occur twice in it.

    >>> from theorytest.models import deep_matrix_factorization, gram_differences
    >>> model = deep_matrix_factorization(2, 3, depth=3, width=(4, 2))
    >>> start = balanced(model, seed=0, scale="1/100")
    >>> all(not any(difference.entries) for difference in gram_differences(model, start).values())
    True
    """
    return _Exact(model, seed, fraction(scale), denominator, matrix).build(singular_values, sign)


def unbalanced(
    model: Model,
    *,
    seed: int,
    magnitude: Fraction | int | str,
    scale: Fraction | int | str = 1,
    denominator: int = 3,
    matrix: bool = True,
) -> Blocks:
    """An exact start whose unbalancedness magnitude is exactly ``magnitude`` > 0.

    With component legs: RMC21 Definition 1 and HKA24 Definition 4.2 (`unbalancedness_magnitude`); one vector attains
    it, the others lie between 0 and it; matrix balance is kept unless ``matrix=False``. Deep matrix factorization:
    one difference of Gram matrices is of rank one with that norm (spectral, Frobenius and nuclear alike), the others
    are 0. scale is met to about one part in a hundred only: rational norms a^2 - b^2 = magnitude fix the overall
    size. For an arbitrary unbalanced start use `Model.random`.
    """
    epsilon = fraction(magnitude)
    if epsilon <= 0:
        raise InputError(f"given magnitude={magnitude}, needed a positive number: use balanced() for 0")
    return _Exact(model, seed, fraction(scale), denominator, matrix).build(None, None, epsilon)


class _Exact:
    """One exact start. Everything is drawn from one generator, in a fixed order."""

    def __init__(self, model: Model, seed: int, scale: Fraction, denominator: int, matrix: bool) -> None:
        if scale <= 0 or denominator < 1:
            raise InputError(f"given scale={scale} and denominator={denominator}, needed positive ones")
        self.model, self.scale, self.denominator, self.matrix = model, scale, denominator, matrix
        self.draw = Random(seed)
        self.dims = model.concrete.dims
        self.legs = _balanceable(model)

    def build(self, singular_values: Sequence[Any] | None, sign: int | None, epsilon: Fraction | None = None) -> Blocks:
        self.points = {leg: self.unit(self.dims[leg], positive=True) for leg in self.legs}
        self.size = self.scale * Fraction(self.draw.randint(2, 6), 4)
        chains = [chain for chain in self.model.matrices if self.matrix or not self.standing(chain)]
        alone = [chain for chain in chains if not self.standing(chain)]
        if (singular_values is not None or sign is not None) and len(alone) != 1:
            raise InputError(f"{self.model.name} is not one product of matrices: singular_values and sign do not apply")
        stretch: dict[tuple[str, int], Fraction] = {}
        if epsilon is not None and self.legs:
            stretch = self.stretches(epsilon, {name for chain in self.model.matrices for name in chain.names})
        blocks: Blocks = {}
        for chain in chains:
            if self.standing(chain):
                blocks |= self.copies(chain)
            else:
                bend = epsilon if epsilon is not None and not self.legs and chain == alone[0] else None
                blocks |= self.product(chain, singular_values, sign, bend)
        for name in self.model.concrete.blocks:
            if name not in blocks:
                blocks[name] = self.block(name, stretch)
        return {name: blocks[name] for name in self.model.concrete.blocks}

    def standing(self, chain: Matrices) -> bool:
        """Whether a chain has copies along component legs, whose norms are then given."""
        return any(leg in self.legs for leg in chain.batch)

    # -- numbers ------------------------------------------------------------------------------------------------

    def rational(self) -> Fraction:
        """A nonzero rational with the given denominator, of size at most about 1."""
        return Fraction(self.draw.choice((-1, 1)) * self.draw.randint(1, self.denominator + 1), self.denominator)

    def unit(self, n: int, *, positive: bool = False) -> tuple[Fraction, ...]:
        """A rational point of the unit sphere in dimension n with no zero coordinate (stereographic projection)."""
        t = [self.rational() for _ in range(n - 1)]
        s = sum((x * x for x in t), Fraction(0))
        if s == 1:  # the last coordinate would be zero; this moves it off, as t[0] is not zero
            t[0] *= 2
            s = sum((x * x for x in t), Fraction(0))
        point = [2 * x / (s + 1) for x in t] + [(s - 1) / (s + 1)]
        signs = [self.draw.choice((-1, 1)) for _ in point]
        return tuple(abs(x) if positive else sign * x for sign, x in zip(signs, point, strict=True))

    def orthogonal(self, n: int, determinant: int | None = None) -> list[list[Fraction]]:
        """A rational orthogonal matrix: the Cayley transform (I - K)(I + K)^{-1} of a skew K, or its reflection."""
        from flint import fmpq, fmpq_mat

        K = [[Fraction(0)] * n for _ in range(n)]
        for i, j in combinations(range(n), 2):
            K[i][j] = self.rational()
            K[j][i] = -K[i][j]
        flip = self.draw.choice((-1, 1)) if determinant is None else determinant
        plus, minus = (
            fmpq_mat(
                n,
                n,
                [
                    fmpq(int(i == j)) + sign * fmpq(K[i][j].numerator, K[i][j].denominator)
                    for i in range(n)
                    for j in range(n)
                ],
            )
            for sign in (1, -1)
        )
        Q = minus * plus.inv()
        return [[fraction(Q[i, j]) * (flip if j == 0 else 1) for j in range(n)] for i in range(n)]

    # -- blocks -------------------------------------------------------------------------------------------------

    def norm(self, index: dict[str, int]) -> Fraction:
        """c times the coordinates of the component legs."""
        return self.size * prod((self.points[leg][i] for leg, i in index.items()), start=Fraction(1))

    def block(self, name: str, stretch: dict[tuple[str, int], Fraction]) -> Array:
        legs, shape = self.model.legs[name], self.model.concrete.blocks[name]
        held = [axis for axis, leg in enumerate(legs) if leg in self.legs]
        free = [axis for axis in range(len(legs)) if axis not in held]
        entries: dict[tuple[int, ...], Fraction] = {}
        for at in cartesian(*(range(shape[axis]) for axis in held)):
            size = self.norm({legs[axis]: i for axis, i in zip(held, at, strict=True)})
            if len(held) == 1:
                size *= stretch.get((name, at[0]), Fraction(1))
            point = self.unit(prod(shape[axis] for axis in free))
            for place, rest in enumerate(cartesian(*(range(shape[axis]) for axis in free))):
                index = dict(zip(held, at, strict=True)) | dict(zip(free, rest, strict=True))
                entries[tuple(index[axis] for axis in range(len(legs)))] = size * point[place]
        return Array(shape, tuple(entries[index] for index in cartesian(*map(range, shape))))

    def widths(self, chain: Matrices) -> list[int]:
        shapes = [self.model.concrete.blocks[name][-2:] for name in chain.names]
        return [shapes[0][0], *(shape[1] for shape in shapes)]

    def layers(
        self, widths: list[int], values: list[list[Fraction]], sign: int | None = None
    ) -> list[list[list[Fraction]]]:
        """U_{i-1} S_i U_i^T for every layer; ``values[i]`` are the diagonal entries of S_i."""
        frames = [self.orthogonal(width) for width in widths[:-1]]
        last = None
        if sign is not None:
            # det W = det U_0 det U_k times a product of positive numbers.
            last = sign * _determinant(frames[0])
        frames.append(self.orthogonal(widths[-1], last))
        made: list[list[list[Fraction]]] = []
        for left, right, diagonal in zip(frames, frames[1:], values, strict=False):
            made.append(
                [[sum((s * a[k] * b[k] for k, s in enumerate(diagonal)), Fraction(0)) for b in right] for a in left]
            )
        return made

    def copies(self, chain: Matrices) -> Blocks:
        """Matrix balance inside, and the norm of the component outside: S is a point of the sphere of that radius."""
        shape = tuple(self.dims[leg] for leg in chain.batch)
        widths = self.widths(chain)
        entries: dict[str, list[Fraction]] = {name: [] for name in chain.names}
        for at in cartesian(*map(range, shape)):
            named = {leg: i for leg, i in zip(chain.batch, at, strict=True) if leg in self.legs}
            size = self.norm(named)
            diagonal = [size * x for x in self.unit(min(widths), positive=True)]
            for name, layer in zip(chain.names, self.layers(widths, [diagonal] * len(chain.names)), strict=True):
                entries[name] += [x for row in layer for x in row]
        return {name: Array(self.model.concrete.blocks[name], tuple(entries[name])) for name in chain.names}

    def product(
        self, chain: Matrices, singular_values: Sequence[Any] | None, sign: int | None, epsilon: Fraction | None
    ) -> Blocks:
        """Layers with common singular values; with ``epsilon``, an outer layer has one whose square is larger by it."""
        if chain.batch:
            raise InputError(f"{self.model.name} has copies of a product of matrices that share no norm: not supported")
        widths = self.widths(chain)
        least = min(widths)
        if singular_values is None:
            given = [abs(self.rational()) * Fraction(self.draw.randint(1, 3), 2) for _ in range(least)]
        else:
            given = [fraction(value) for value in singular_values]
            if len(given) > least or any(value < 0 for value in given):
                raise InputError(f"given the singular values {singular_values}, needed at most {least}, none negative")
        invertible = widths[0] == widths[-1] == sum(value > 0 for value in given)
        if sign is not None and (sign not in (-1, 1) or not invertible):
            raise InputError(
                f"given sign={sign} for layers of widths {widths}, needed +1 or -1 and an invertible square product"
            )
        common = [self.scale * value for value in given]
        values = [list(common) for _ in chain.names]
        if epsilon is not None:
            if len(chain.names) < 2:
                raise InputError("one layer has no balance condition, needed depth 2 or more")
            place, layer = self.draw.randrange(least), self.draw.choice((0, -1))
            small, large = _apart(common[place], epsilon)
            for diagonal in values:
                diagonal[place] = small
            values[layer][place] = large
        shapes = self.model.concrete.blocks
        layers = self.layers(widths, values, sign)
        return {
            name: Array(shapes[name], tuple(x for row in layer for x in row))
            for name, layer in zip(chain.names, layers, strict=True)
        }

    # -- unbalancedness -----------------------------------------------------------------------------------------

    def stretches(self, epsilon: Fraction, matrices: set[str]) -> dict[tuple[str, int], Fraction]:
        """Factors of slices, by block and index: every squared norm grows by at most epsilon, one by just epsilon.

        The first block of every leg (a core, or the first vector) is left as it is. Sets the common size c, so that
        the norm that grows by epsilon stays rational.
        """
        found: list[tuple[str, str]] = []
        for leg in self.legs:
            for name in self.model.holders(leg)[1:]:
                if name not in matrices and sum(other in self.legs for other in self.model.legs[name]) == 1:
                    found.append((leg, name))
        if not found:
            raise InputError(
                f"{self.model.name} has no block with one component leg that could be stretched: use Model.random"
            )
        leg, name = self.draw.choice(found)
        place = self.draw.randrange(self.dims[leg])
        small, large = _apart(self.size * self.points[leg][place], epsilon)
        self.size = small / self.points[leg][place]
        made: dict[tuple[str, int], Fraction] = {}
        for other, block in found:
            for i in range(self.dims[other]):
                # (1 + x)^2 - 1 <= 3 x for 0 <= x <= 1
                most = min(Fraction(1), epsilon / (3 * (self.size * self.points[other][i]) ** 2))
                made[block, i] = 1 + _dyadic(most) * Fraction(self.draw.randint(0, 4), 4)
        made[name, place] = large / small
        return made


def _balanceable(model: Model) -> tuple[str, ...]:
    """The component legs; `InputError` if the model has blocks that occur twice, or no balance condition at all."""
    names = [name for name, _ in model.concrete.factors]
    if len(set(names)) != len(names) or any(len(set(legs)) != len(legs) for legs in model.legs.values()):
        raise InputError(f"{model.name} has a block that occurs twice or a repeated leg, needed distinct ones")
    if not model.component_legs and not model.matrices:
        raise InputError(f"{model.name} has no balance condition: no leg joins two blocks. Use Model.random")
    return model.component_legs


def _determinant(Q: list[list[Fraction]]) -> int:
    """The determinant, +1 or -1, of an orthogonal matrix."""
    from flint import fmpq, fmpq_mat

    n = len(Q)
    return int(fmpq_mat(n, n, [fmpq(x.numerator, x.denominator) for row in Q for x in row]).det().numerator)


def _apart(wanted: Fraction, epsilon: Fraction) -> tuple[Fraction, Fraction]:
    """Positive rationals a, b with b^2 - a^2 = epsilon and a a little above ``wanted``: (t -+ epsilon / t) / 2."""
    t = _above(wanted + _root_above(wanted * wanted + epsilon))
    return (t - epsilon / t) / 2, (t + epsilon / t) / 2


def _root_above(value: Fraction) -> Fraction:
    """A rational above the square root, to about one part in 2^7."""
    bits = 8 + max(0, value.denominator.bit_length() - value.numerator.bit_length()) // 2
    return Fraction(isqrt(int(value * 4**bits)) + 1, 2**bits)


def _above(value: Fraction) -> Fraction:
    """A short dyadic rational above a positive one, to about one part in 2^7."""
    shift = 8 + value.denominator.bit_length() - value.numerator.bit_length()
    return Fraction(int(value * Fraction(2) ** shift) + 1) / Fraction(2) ** shift


def _dyadic(value: Fraction) -> Fraction:
    """The largest power of two that is at most a positive rational."""
    power = value.numerator.bit_length() - value.denominator.bit_length()
    made = Fraction(2) ** power
    while made > value:
        made /= 2
    return made


# -- floats ------------------------------------------------------------------------------------------------------------


def balanced_batch(
    model: Model,
    count: int,
    *,
    seed: int,
    scale: float = 1.0,
    matrix: bool = True,
    magnitude: float = 0.0,
    backend: Backend = "numpy",
    dtype: Any = None,
    device: Any = "cpu",
) -> dict[str, Any]:
    """``count`` independent starts in float64, batch dimension first, balanced up to rounding.

    magnitude > 0 gives unbalanced ones: the unbalancedness magnitude of each is that number up to rounding (one
    vector, or one singular value of an outer layer, attains it). Directions are uniform on spheres, orthogonal
    matrices Haar; a core that is alone in having several component legs is Gaussian with expected norm ``scale``, so
    that slices have random norms; component norms and singular values are otherwise uniform in scale * [1/2, 3/2].
    Drawn by numpy's PCG64 from the seed on any device, so that all devices and backends get the same numbers (rounded
    to ``dtype``, float64 unless told).
    """
    if count < 1 or not scale > 0 or not magnitude >= 0:
        raise InputError(f"given count={count}, scale={scale}, magnitude={magnitude}; needed positive, magnitude >= 0")
    blocks = _Floats(model, count, np.random.default_rng(seed), scale, matrix, magnitude).build()
    if backend == "numpy":
        return blocks if dtype is None else {name: block.astype(dtype) for name, block in blocks.items()}
    if backend != "torch":
        raise InputError(f"given backend={backend!r}, needed 'numpy' or 'torch'")
    import torch

    kind = torch.float64 if dtype is None else dtype
    return {name: torch.from_numpy(block).to(device=device, dtype=kind) for name, block in blocks.items()}


class _Floats:
    """A batch of float64 starts."""

    def __init__(
        self, model: Model, count: int, draw: np.random.Generator, scale: float, matrix: bool, magnitude: float
    ) -> None:
        self.model, self.count, self.draw, self.scale = model, count, draw, scale
        self.matrix, self.magnitude = matrix, magnitude
        self.legs, self.dims = _balanceable(model), model.concrete.dims

    def build(self) -> dict[str, np.ndarray]:
        model, n = self.model, self.count
        held = {name: [leg for leg in legs if leg in self.legs] for name, legs in model.legs.items()}
        hubs = [name for name, legs in held.items() if len(legs) > 1]
        blocks: dict[str, np.ndarray] = {}
        norms: dict[str, np.ndarray] = {}  # component leg -> norms of its slices, (count, size)
        if len(hubs) == 1 and held[hubs[0]] == list(model.legs[hubs[0]]) and set(held[hubs[0]]) == set(self.legs):
            shape = model.concrete.blocks[hubs[0]]
            blocks[hubs[0]] = core = self.draw.standard_normal((n, *shape)) * (self.scale / prod(shape) ** 0.5)
            for axis, leg in enumerate(held[hubs[0]]):
                norms[leg] = np.sqrt((core**2).sum(tuple(k + 1 for k in range(len(shape)) if k != axis)))
            size = np.ones(n)
        elif hubs:
            size = self.scale * self.draw.uniform(0.5, 1.5, n)
            for leg in self.legs:
                norms[leg] = np.abs(self.sphere((n,), self.dims[leg])) * size[:, None]
        else:
            size = np.ones(n)
            for leg in self.legs:
                norms[leg] = self.scale * self.draw.uniform(0.5, 1.5, (n, self.dims[leg]))
        inside = {name for chain in model.matrices for name in chain.names}
        for chain in model.matrices:
            standing = any(leg in self.legs for leg in chain.batch)
            if self.matrix or not standing:
                blocks |= self.chain(chain, norms, standing)
        grown = self.stretches(held, inside, norms)
        for name, shape in model.concrete.blocks.items():
            if name in blocks:
                continue
            legs = model.legs[name]
            free = [axis for axis, leg in enumerate(legs) if leg not in self.legs]
            mine = [axis for axis, leg in enumerate(legs) if leg in self.legs]
            radius = np.ones((n, *(1 for _ in mine)))
            for place, axis in enumerate(mine):
                values = grown.get(name, norms[legs[axis]]) if len(mine) == 1 else norms[legs[axis]] / size[:, None]
                radius = radius * values.reshape((n, *(-1 if k == place else 1 for k in range(len(mine)))))
            if len(mine) != 1:
                radius = radius * size.reshape((n, *(1 for _ in mine)))
            lead = (n, *(shape[axis] for axis in mine))
            points = self.sphere(lead, prod(shape[axis] for axis in free)) * radius[..., None]
            points = points.reshape((*lead, *(shape[axis] for axis in free)))
            order = np.argsort([*mine, *free])
            blocks[name] = np.ascontiguousarray(points.transpose(0, *(int(k) + 1 for k in order)))
        return {name: blocks[name] for name in model.concrete.blocks}

    def sphere(self, lead: tuple[int, ...], n: int) -> np.ndarray:
        points = self.draw.standard_normal((*lead, n))
        return points / np.sqrt((points**2).sum(-1, keepdims=True))

    def haar(self, lead: tuple[int, ...], n: int) -> np.ndarray:
        Q, R = np.linalg.qr(self.draw.standard_normal((*lead, n, n)))
        return Q * np.sign(np.diagonal(R, axis1=-2, axis2=-1))[..., None, :]

    def chain(self, chain: Matrices, norms: dict[str, np.ndarray], standing: bool) -> dict[str, np.ndarray]:
        lead = (self.count, *(self.dims[leg] for leg in chain.batch))
        shapes = [self.model.concrete.blocks[name][-2:] for name in chain.names]
        widths = [shapes[0][0], *(shape[1] for shape in shapes)]
        least = min(widths)
        if standing:
            S = np.abs(self.sphere(lead, least))
            for place, leg in enumerate(chain.batch):
                if leg in norms:
                    S = S * norms[leg].reshape(
                        (self.count, *(-1 if k == place else 1 for k in range(len(chain.batch))), 1)
                    )
        else:
            S = self.scale * self.draw.uniform(0.5, 1.5, (*lead, least))
        values = [S.copy() for _ in chain.names]
        if self.magnitude and not self.legs:
            if len(chain.names) < 2:
                raise InputError("one layer has no balance condition, needed depth 2 or more")
            outer = values[int(self.draw.choice((0, -1)))]
            outer[..., 0] = np.sqrt(outer[..., 0] ** 2 + self.magnitude)
        frames = [self.haar(lead, width) for width in widths]
        made: dict[str, np.ndarray] = {}
        for place, name in enumerate(chain.names):
            left, right = frames[place][..., :least], frames[place + 1][..., :least]
            made[name] = (left * values[place][..., None, :]) @ right.swapaxes(-1, -2)
        return made

    def stretches(
        self, held: dict[str, list[str]], inside: set[str], norms: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Norms of the blocks with one component leg, some of them grown; the first block of a leg never is."""
        if not self.magnitude or not self.legs:
            return {}
        names = [
            name
            for name, legs in held.items()
            if len(legs) == 1 and name not in inside and name != self.model.holders(legs[0])[0]
        ]
        if not names:
            raise InputError(f"{self.model.name} has no block with one component leg that could be stretched")
        sizes = [self.dims[held[name][0]] for name in names]
        share = self.draw.uniform(0, 1, (self.count, sum(sizes)))
        share[np.arange(self.count), self.draw.integers(0, sum(sizes), self.count)] = 1.0
        made: dict[str, np.ndarray] = {}
        at = 0
        for name, size in zip(names, sizes, strict=True):
            made[name] = np.sqrt(norms[held[name][0]] ** 2 + self.magnitude * share[:, at : at + size])
            at += size
        return made


def balanced_factors(model: Model, W: Any) -> dict[str, Any]:
    """Balanced layers of deep matrix factorization with a given product: each has the singular values S^{1/L}.

    W: float numpy array or torch tensor of shape (*batch, d_out, d_in); W = U S V^T, the hidden frames are unit
    vectors. Balanced and equal to W up to rounding. Raises `InputError` if a hidden width is below min(d_out, d_in).
    """
    if len(model.matrices) != 1 or model.matrices[0].batch or len(model.matrices[0].names) != len(model.shapes):
        raise InputError(f"{model.name} is not one product of matrices, needed deep matrix factorization")
    if tuple(W.shape)[-2:] != model.shape:
        raise InputError(f"W has shape {tuple(W.shape)}, needed {model.shape} after any batch dimensions")
    names, least = model.matrices[0].names, min(model.shape)
    if any(min(shape) < least for shape in model.shapes.values()):
        raise InputError(f"the layers {model.shapes} are narrower than {least}: they do not reach every W")
    if is_torch(W):
        import torch

        U, S, Vt = torch.linalg.svd(W, full_matrices=False)
    elif isinstance(W, np.ndarray) and np.issubdtype(W.dtype, np.floating):
        U, S, Vt = np.linalg.svd(W, full_matrices=False)
    else:
        raise InputError(f"given W as {type(W).__name__}, needed floats: exact starts are made by balanced()")
    part = S ** (1 / len(names))
    made: dict[str, Any] = {}
    for place, name in enumerate(names):
        block = zeros((*tuple(W.shape)[:-2], *model.shapes[name]), W)
        first, last = place == 0, place == len(names) - 1
        if first and last:
            block[...] = W
        elif first:
            block[..., :least] = U * part[..., None, :]
        elif last:
            block[..., :least, :] = part[..., :, None] * Vt
        else:
            for k in range(least):
                block[..., k, k] = part[..., k]
        made[name] = block
    return made


__all__ = ["balanced", "balanced_batch", "balanced_factors", "unbalanced"]
