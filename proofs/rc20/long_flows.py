"""RC20 along certified flows of all depths, for long times: Theorem 1 and Corollary 1, their forms for perturbed
observations (Theorem 2) and larger matrices (Appendix E), the determinant's sign, and Proposition 4.

The theorems are proved for all starts elsewhere. Layers that are multiples of the identity are balanced, and det W(0) >
0; `balanced` makes balanced layers without any symmetry.
"""

import math
from fractions import Fraction
from random import Random

from theorytest import All, Outcome, Source, Statement, certified, control, swept
from theorytest import quantity as q
from theorytest.enclose.flowpipe import certificate
from theorytest.gradient_flow import GradientFlow
from theorytest.models import HalfSum, array, balanced, balanced_batch, deep_matrix_factorization

OBSERVED = {(1, 2): 1, (2, 1): 1, (2, 2): 0}
PERTURBED = {(1, 2): -2, (2, 1): Fraction(1, 2), (2, 2): Fraction(1, 10)}
LARGER = {(i, j): int(i == j >= 3 or {i, j} == {1, 2}) for i in (1, 2, 3) for j in (1, 2, 3) if (i, j) != (1, 1)}


class Product:
    """A flow of a product of square layers that fits observations, from one start to a time."""

    def __init__(self, depth, until, layers, observed=OBSERVED, size=2):
        loss = HalfSum({(i - 1, j - 1): y for (i, j), y in observed.items()})
        self.flow = GradientFlow(deep_matrix_factorization(size, size, depth=depth), loss)
        self.start = layers(self.flow.model)
        self.until, self.observed = Fraction(until), observed
        self.twice = sum((q.entry(*place) - y) ** 2 for place, y in observed.items())
        self.radius = q.sqrt(self.twice)  # sqrt(2 loss)

    def along(self, *comparisons, start=0, end=None):
        """The comparisons at every time from start to end."""
        return tuple(
            self.flow.throughout(self.start, c, self.until if end is None else end, start=start) for c in comparisons
        )

    def at(self, *comparisons, times):
        """The comparisons at some times."""
        return tuple(part for t in times for part in self.along(*comparisons, start=t, end=t))


def multiples(scale, sign=1):
    """Every layer a multiple of the identity; the last row of the first layer has a sign."""

    def layers(model):
        size = model.shape[0]
        rows = {name: [[Fraction(scale) * (i == j) for j in range(size)] for i in range(size)] for name in model.shapes}
        rows["W[1]"][-1][-1] *= sign
        return rows

    return layers


def generic(seed):
    """Balanced layers with det W(0) > 0."""
    return lambda model: balanced(model, seed=seed, scale=Fraction(1, 2), denominator=2, sign=1)


def given(rows, other=((1, 0), (0, 1))):
    """Two layers."""
    return lambda model: {"W[2]": array(rows), "W[1]": array(other)}


HALF = Fraction(1, 2)
TENTH = multiples("1/10")
TWO, THREE, FOUR = Product(2, 100, TENTH), Product(3, 100, TENTH), Product(4, 60, multiples("3/10"))
NEGATIVE = Product(2, 10, multiples("1/10", -1))  # det W(0) < 0
GENERIC = tuple(Product(depth, 12, generic(depth)) for depth in (2, 3, 4))
DEPTHS = "2x2, depth 2 and 3 from layers I / 10, depth 4 from layers 3 I / 10"
unobserved = q.absolute(q.entry(1, 1))
distance = q.singular_value(2)
NORMS = ((q.norm(), 1), (q.spectral_norm(), 1), (q.nuclear_norm(), 1), (q.schatten("1/2"), 2))  # with constants c


def statement(part, form, locator, title, claim, scope, kind, *deviations):
    """A statement about these flows."""
    return Statement(
        id=f"RC20-{part}",
        label=f"RC20-{part}/{form}",
        kind=kind,
        title=title,
        source=Source("RC20", locator),
        claim=All(tuple(claim)),
        scope=scope,
        expected="CERTIFIED",
        deviations=("certified on these flows alone, up to finite times", *deviations),
    )


# -- the determinant ---------------------------------------------------------------------------------------------------

signs = statement(
    "DetInv",
    "depths",
    "Theorem 1, proof sketch",
    "det W stays positive at depths 2, 3 and 4, from multiples of the identity and from generic balanced layers",
    (part for p in (TWO, THREE, FOUR, *GENERIC) for part in p.along(q.determinant() > 0)),
    f"{DEPTHS}, up to t = 100 and 60; and one generic start of each depth, up to t = 12",
    "lemma",
)


@certified(signs, profile="full")
def signs_by_flowpipes(run):
    return certificate(signs.claim, digits=30)


@control(signs, breaks="balanced")
def unbalanced_layers():
    """W_2 = I and W_1 = diag(1, 1/10)."""
    return All(Product(2, 5, given(((1, 0), (0, 1)), ((1, 0), (0, "1/10")))).along(q.determinant() > 0))


@control(signs, breaks="L >= 2")
def one_layer():
    """Depth 1, from I / 10."""
    return All(Product(1, 5, TENTH).along(q.determinant() > 0))


# -- theorem 1 and corollary 1 -----------------------------------------------------------------------------------------


def equation_8(product, norm, c, slack=None):
    """||W|| >= a / sqrt(loss) - b, with a = 1 / (sqrt(2) c) and b = 8 c^2 (or another number)."""
    return norm + (8 * c**2 if slack is None else slack) >= 1 / (c * product.radius)


def equation_9(product, factor=1):
    """erank W <= 1 + sqrt(12) / (2 ln 2) sqrt(loss) (times a factor)."""
    return q.effective_rank() <= 1 + factor * q.sqrt(6) / (2 * q.ln(2)) * product.radius


def equation_10(product):
    """The distance from infimal rank is at most 3 sqrt(2) sqrt(loss)."""
    return distance <= 3 * product.radius


bounds = statement(
    "Thm1",
    "depths",
    "Theorem 1",
    "Equations 8 (four norms), 9 (with the smaller constant) and 10 along flows of depths 2, 3 and 4",
    (
        part
        for p in (TWO, THREE, FOUR, *GENERIC)
        for part in p.along(*(equation_8(p, *norm) for norm in NORMS), equation_9(p), equation_10(p))
    ),
    f"{DEPTHS}, up to t = 100 and 60; and one generic start of each depth, up to t = 12",
    "theorem",
    "equation 8 for the Frobenius, spectral and nuclear norms, and for the Schatten-1/2 quasi-norm (c = 2)",
)


@certified(bounds, profile="full")
def bounds_by_flowpipes(run):
    return certificate(bounds.claim, digits=30)


@control(bounds, breaks="det W(0) > 0")
def negative_determinant():
    """det W(0) < 0: the loss tends to 0, and the norm does not grow."""
    return All(NEGATIVE.along(equation_8(NEGATIVE, *NORMS[0])))


@control(bounds, breaks="det W(0) > 0")
def negative_determinant_and_rank():
    """det W(0) < 0, equation 10."""
    return All(NEGATIVE.along(equation_10(NEGATIVE)))


@control(bounds, breaks="observations")
def other_signs():
    """b21 = -1: a solution has a positive determinant."""
    turned = Product(2, 20, TENTH, {**OBSERVED, (2, 1): -1})
    return All(turned.along(equation_10(turned)))


@control(bounds, breaks="balanced")
def unbalanced_start():
    """W_2 = I and W_1 = diag(1, 1/10)."""
    unbalanced = Product(2, 20, given(((1, 0), (0, 1)), ((1, 0), (0, "1/10"))))
    return All(unbalanced.along(equation_10(unbalanced)))


@control(bounds, breaks="L >= 2")
def depth_one():
    """Depth 1, from I / 10."""
    single = Product(1, 20, TENTH)
    return All(single.along(equation_10(single)))


@control(bounds, breaks="b")
def no_constant_term():
    """b = 0 in equation 8."""
    return All(TWO.along(equation_8(TWO, q.norm(), 1, 0), end=10))


@control(bounds, breaks="constant of equation 9")
def hundredth_of_the_constant():
    """A hundredth of the constant in equation 9."""
    return All(FOUR.along(equation_9(FOUR, Fraction(1, 100)), end=10))


growth = statement(
    "Cor1",
    "depths",
    "Corollary 1",
    "Depths 2, 3 and 4, loss below 1/70: norms above 5, effective rank below 1.01, distance from rank 1 below 1/100",
    (
        part
        for p in (TWO, THREE, FOUR)
        for part in (
            *p.along(p.twice <= Fraction(1, 35), *(norm >= 5 for norm, _ in NORMS), start=p.until / 2),
            *p.at(q.effective_rank() <= Fraction(101, 100), distance <= Fraction(1, 100), times=(p.until / 2, p.until)),
        )
    ),
    f"{DEPTHS}, from t = 50 to 100 (depth 4: 30 to 60); effective rank and distance at the ends",
    "corollary",
    "the limits are proved for all as RC20-Cor1",
)


@certified(growth, profile="full")
def growth_by_flowpipes(run):
    return certificate(growth.claim, digits=20)


@control(growth, breaks="det W(0) > 0")
def bounded_norms():
    """det W(0) < 0: the loss tends to 0, and the norm is bounded."""
    return All(NEGATIVE.along(q.norm() >= 5, start=5))


@control(growth, breaks="the loss tends to 0")
def no_fit():
    """W(0) = ((0, -1), (1, 0)): det W(0) = 1, the loss tends to 1/2, and the norm is bounded."""
    stuck = Product(2, 100, given(((0, -1), (1, 0))))
    return All(stuck.along(q.norm() >= 5, start=50))


# -- proposition 4 -----------------------------------------------------------------------------------------------------

FAR = 10_000
LONG = tuple(Product(2, FAR, multiples(scale)) for scale in (Fraction(1, 10), HALF, 1))  # W(0) = I / 100, I / 4, I


long_fit = statement(
    "Prop4",
    "long",
    "Proposition 4",
    "W(0) = I / 100, I / 4 and I: det W > 0 up to t = 10^4, where the loss is below 1/2000, and w11 above 30",
    (
        part
        for p in LONG
        for part in (
            *p.along(q.determinant() > 0),
            *p.along(p.twice <= Fraction(1, 1000), q.entry(1, 1) > 30, start=FAR - 1),
        )
    ),
    "2x2, depth 2, three starts",
    "proposition",
    "the paper states the limit; here levels of the loss on instances",
)


@certified(long_fit, profile="full")
def long_fit_by_flowpipes(run):
    return certificate(long_fit.claim, digits=30)


@control(long_fit, breaks="alpha > 0")
def from_zero():
    """alpha = 0: nothing moves (until t = 100)."""
    still = Product(2, 100, multiples(0))
    return All(still.along(still.twice <= Fraction(1, 1000), start=99))


# -- theorem 2 ---------------------------------------------------------------------------------------------------------


def with_size(product):
    """|b12|, |b21|, |b22| of a flow, and r."""
    return (*(abs(product.observed[place]) for place in ((1, 2), (2, 1), (2, 2))), product.radius)


def level(product, offset=None):
    """The level of |w11|: (|b12| - r) (|b21| - r) / (|b22| + r), or with another number for |b22|."""
    one, two, three, r = with_size(product)
    return (one - r) * (two - r) / ((three if offset is None else offset) + r)


def nearness(product):
    """|b22| + r."""
    return with_size(product)[2] + product.radius


def theorem_2(product, start):
    """The sign of det W, (c) and (d) at all times; (b) and (e) from a time on at which r < min(|b12|, |b21|)."""
    one, two, three, r = with_size(product)
    effective = 1 + 8 * nearness(product) / q.sqrt((one - r) * (two - r))
    everywhere = (
        q.determinant() < 0,
        *(q.norm() >= sign * q.entry(1, 1) - (one + two + three + 3 * r) for sign in (1, -1)),
        distance <= 3 * nearness(product),
    )
    late = (r < min(one, two), level(product) <= unobserved, q.effective_rank() <= effective)
    return (*product.along(*everywhere), *product.along(*late, start=start))


MINUS = multiples("1/10", -1)
MISSED, MISSED_DEEPER = Product(2, 60, MINUS, PERTURBED), Product(3, 60, MINUS, PERTURBED)
MATCHED = Product(2, 60, MINUS, {**PERTURBED, (2, 2): 0})

perturbed = statement(
    "Thm2",
    "depths",
    "Theorem 2 (appendix)",
    "b12 = -2, b21 = 1/2, b22 = 1/10 and 0, det W(0) < 0: sign of det W, (b) to (e), up to t = 60",
    (part for p in (MISSED, MISSED_DEEPER, MATCHED) for part in theorem_2(p, 20)),
    "2x2, depth 2 and 3 from layers I / 10 with one sign changed; (b) and (e) from t = 20 on",
    "theorem",
    "our own statement; (c) for the Frobenius norm",
)


@certified(perturbed, profile="full")
def perturbed_by_flowpipes(run):
    return certificate(perturbed.claim, digits=30)


@control(perturbed, breaks="sign det W(0) = sign(b12 b21)")
def opposite_sign():
    """det W(0) > 0: w11 stays below its level."""
    other = Product(2, 60, TENTH, PERTURBED)
    return All(other.along(level(other) <= unobserved, start=40))


@control(perturbed, breaks="|b22| in (b)")
def without_the_perturbation():
    """|w11| at least (|b12| - r) (|b21| - r) / r."""
    return All(MISSED_DEEPER.along(level(MISSED_DEEPER, 0) <= unobserved, start=50))


@control(perturbed, breaks="sign det W(0) = sign(b12 b21)")
def far_from_rank_one():
    """det W(0) > 0 in (d)."""
    other = Product(2, 60, TENTH, PERTURBED)
    return All(other.along(distance <= 3 * nearness(other), start=40))


@control(perturbed, breaks="3 in (d)")
def thousandth():
    """The distance at most (|b22| + r) / 1000."""
    return All(MISSED.along(distance <= nearness(MISSED) / 1000, end=1))


@swept(perturbed, profile="full")
def bounds_in_batches(run):
    """Random observations and balanced starts of depth 2, 3 and 4 with sign det W(0) = sign(b12 b21) in float64: (b) to
    (e) at t = 5 and 20, where det W exceeds its error.

    A violation is measured by what the flow's error estimate explains: the norm of the derivative of both sides by all
    parameters (by autograd) times the distance that the estimate allows, and rounding.
    """
    import torch

    random, worst, seen, unresolved = Random(run.seed), -math.inf, 0, 0
    for depth in (2, 3, 4):
        model = deep_matrix_factorization(2, 2, depth=depth)
        starts = balanced_batch(model, 512, seed=run.seed, scale=0.5, backend="torch", device=run.device)
        observed = [
            (
                *(Fraction(random.choice((-1, 1)) * random.randint(4, 16), 8) for _ in "zz"),
                Fraction(random.randint(-4, 4), 8),
            )
            for _ in range(512)
        ]
        losses = [HalfSum({(0, 1): z, (1, 0): y, (1, 1): e}) for z, y, e in observed]
        b = torch.tensor([[float(x) for x in row] for row in observed], dtype=torch.float64, device=run.device)
        sign = torch.sign(b[:, 0] * b[:, 1])
        # The first row of the last layer takes the sign: W_L^T W_L, and so balancedness, stays as it is.
        starts[f"W[{depth}]"][:, 0, :] *= (sign * torch.sign(torch.linalg.det(model.end_tensor(starts))))[:, None]
        flow = GradientFlow(model, losses).batch(starts, (5, 20), device=run.device)
        done = flow.status == 0
        for time, error in enumerate(flow.error):
            blocks = {name: block[time][done].requires_grad_() for name, block in flow.blocks.items()}
            W, observations, reach = model.end_tensor(blocks), b[done], error[done] * (4 * depth) ** 0.5

            def allowed(value, size, blocks=blocks, reach=reach):
                slopes = torch.autograd.grad(value.sum(), list(blocks.values()), retain_graph=True)
                steep = sum((s.flatten(1) ** 2).sum(1) for s in slopes).sqrt()
                return 2 * steep * reach + 2.0**-43 * (size + steep)

            determinant = torch.linalg.det(W) * sign[done]
            known = determinant > allowed(determinant, W.flatten(1).norm(dim=1).detach() ** 2)
            for excess, applies in excesses(W, observations):
                ratio = (excess / allowed(excess, 1.0)).detach()
                counted = known & applies & ratio.isfinite()
                worst, seen = max(worst, float(ratio[counted].max())), seen + int(counted.sum())
                unresolved += int((applies & ~counted).sum())
    detail = f"{seen} bounds relative to the error estimates; {unresolved} with det W within its error are left out"
    return Outcome(seen, f"{worst:.3g}", worst <= 1, detail)


def excesses(W, b):
    """By how much (b), (c), (d) and (e) fail, and where they apply."""
    import torch

    size = b.abs()
    r = torch.stack((W[:, 0, 1] - b[:, 0], W[:, 1, 0] - b[:, 1], W[:, 1, 1] - b[:, 2]), 1).norm(dim=1)
    gap, corner = (size[:, 0] - r) * (size[:, 1] - r), W[:, 0, 0].abs()
    fitted = r < size[:, :2].amin(1)
    first, second = torch.linalg.svdvals(W).unbind(1)
    share = (second / (first + second)).clamp(min=2.0**-200)
    entropy = -torch.xlogy(share, share) - torch.xlogy(1 - share, 1 - share)
    everywhere = torch.ones_like(fitted)
    yield gap / (size[:, 2] + r) - corner, fitted
    yield corner - size.sum(1) - 3 * r - W.flatten(1).norm(dim=1), everywhere
    yield second - 3 * (size[:, 2] + r), everywhere
    yield entropy.exp() - 1 - 8 * (size[:, 2] + r) / gap.clamp(min=1e-300).sqrt(), fitted


# -- larger matrices ---------------------------------------------------------------------------------------------------

LARGE = Product(2, 60, TENTH, LARGER, 3)

larger = statement(
    "AppE",
    "flow",
    "Appendix E",
    "3x3: det W > 0 up to t = 60, |w11| > 4 from 30 on; at 30 and 60 norms > 5, sigma_3 < 1/100, effective rank < 8/5",
    (
        *LARGE.along(q.determinant() > 0),
        *LARGE.along(unobserved > 4, q.norm() > 4, start=30),
        *LARGE.at(
            *(norm > 5 for norm, _ in NORMS[2:]),
            q.singular_value(3) < Fraction(1, 100),
            q.effective_rank() < Fraction(8, 5),
            times=(30, 60),
        ),
    ),
    "3x3, depth 2 from layers I / 10",
    "extension",
    "our own statement; the limits are proved for all as RC20-AppE",
)


@certified(larger, profile="full")
def larger_by_flowpipes(run):
    return certificate(larger.claim, digits=30)


@control(larger, breaks="det W(0) > 0", expected="finding")
def larger_with_negative_determinant():
    """det W(0) < 0: from this start w11 passes 4 all the same (certified); that it need not is shown at 2x2 only."""
    return All(Product(2, 60, MINUS, LARGER, 3).along(unobserved > 4, start=30))


@control(larger, breaks="constant 4")
def a_hundred_times_the_entry():
    """|w11| > 400 in place of 4."""
    return All(LARGE.along(unobserved > 400, start=30))
