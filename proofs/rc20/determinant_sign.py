"""The determinant of a balanced square product keeps its sign along gradient flow (RC20-DetInv).

With P = W_L W_L^T, balancedness gives W W^T = P^L by induction on the number of factors, so det W vanishes exactly
where det P does. Where it does not vanish, d/dt ln det P = -2 <grad, P^-1 W>, and ||P^-1 W||^2 = tr P^(L-2) is
bounded on compact times because L >= 2. So ln det P stays finite, and det W never reaches 0.
"""

from dataclasses import replace
from fractions import Fraction
from math import log, sqrt
from random import Random

from flint import fmpq, fmpq_mat
from hypothesis import given, seed, settings

from theorytest import (
    DEEP_MATRIX,
    Array,
    Assumption,
    AtLeast,
    AtStart,
    Definition,
    Descent,
    DeterminantSignPreserved,
    Flow,
    Focus,
    Identity,
    Instance,
    Link,
    LogDeterminantRate,
    Outcome,
    SameSize,
    Source,
    Statement,
    Tensor,
    control,
    identity,
    integrated,
    proof,
    sampled,
    swept,
)
from theorytest.enclose.determinant import determinant_flow, determinant_signs
from theorytest.gradient_flow import GradientFlow
from theorytest.kernel.product_flow import power_templates
from theorytest.kernel.rules import (
    balance,
    chain_hypotheses,
    gradient_term,
    inverse_hypotheses,
    log_rate_goals,
    matrix_chain,
)
from theorytest.models import HalfSum, balanced, balanced_batch, deep_matrix_factorization
from theorytest.search.strategies import batches

adjacent = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
balanced_layers = balance(*DEEP_MATRIX.letters(adjacent.focus).values())
chain = matrix_chain(DEEP_MATRIX)


def matrix(*rows):
    """An exact matrix from rows of integers."""
    return Array((len(rows), len(rows[0])), tuple(Fraction(x) for row in rows for x in row))


def example(depth, *layers, gradient=((1, 2), (3, 4)), letters=(), step=None):
    """An instance with 2x2 layers, the first factor W_L first."""
    return Instance(
        sizes=(("L", depth), ("d_out", 2), ("d_in", 2), ("h", (2,) * (depth - 1))),
        members=(("/first", depth),),
        blocks=tuple((f"W[{depth - place}]", layer) for place, layer in enumerate(layers)),
        gradient=matrix(*gradient),
        letters=letters,
        variables=() if step is None else (("η", Fraction(step)),),
    )


unit, diagonal, singular = matrix((1, 0), (0, 1)), matrix((2, 0), (0, 1)), matrix((1, 0), (0, 0))

START = AtStart(balanced_layers, adjacent)

setting = (
    Assumption("loss", "the loss of the product is continuously differentiable; its gradient is arbitrary"),
    Assumption("balanced", "the layers are balanced at the start (RC20 equation 5)", START),
    Assumption("square", "the product is a square matrix", SameSize("d_out", "d_in")),
    Assumption("depth", "there are at least two layers", AtLeast("L", 2)),
)

determinant_sign = Statement(
    id="RC20-DetInv",
    label="RC20-DetInv",
    kind="lemma",
    title="The determinant of a balanced square product keeps its sign",
    source=Source("RC20", "Theorem 1, proof sketch"),
    assumptions=setting,
    claim=DeterminantSignPreserved(chain.flow),
    scope="all sizes, depths L >= 2, losses",
    example=example(3, diagonal, diagonal, diagonal),
    deviations=(
        "the paper's proof uses an analytic singular value decomposition, hence an analytic loss; this one needs a "
        "continuous loss gradient only: it speaks of every solution, where there are several",
        "stated on the interval of existence (RMC21-fn4)",
    ),
)


# -- definitions -------------------------------------------------------------------------------------------------------


def defined(name, place, title, meaning):
    """A definition of RC20."""
    return Statement(
        id=name,
        label=name,
        kind="definition",
        title=title,
        source=Source("RC20", place),
        claim=Definition(meaning),
        scope="all depths, sizes, losses",
        expected="DEFINED",
    )


objective = defined(
    "RC20-Eq2", "equation 2", "Objective: the loss of the product, minimized by gradient flow", chain.flow
)
product_matrix = defined("RC20-Eq3", "equation 3", "Product matrix W_L ... W_1", DEEP_MATRIX)
balanced_start = defined("RC20-Eq5", "equation 5", "Balanced start: W_{l+1}^T W_{l+1} = W_l W_l^T", START)


def random_models(run, number=20):
    """Models of random sizes, with random layers."""
    random = Random(run.seed)
    for _ in range(number):
        depth = random.randint(1, 4)
        width = [random.randint(1, 3) for _ in range(depth - 1)]
        model = deep_matrix_factorization(random.randint(1, 3), random.randint(1, 3), depth=depth, width=width)
        yield model, model.random(random.randint(0, 10**6)), depth


@sampled(objective)
def slopes_by_finite_differences(run):
    """The velocity of every entry of every layer is minus the slope of the half-sum loss of the product: central
    differences are exact for a polynomial of degree 2 in that entry."""
    seen = 0
    for model, layers, _ in random_models(run, 8):
        loss = HalfSum((((0, 0), 1),))
        gradients = model.gradients(layers, loss.gradient(model.end_tensor(layers)))
        for name, layer in layers.items():
            for place in range(len(layer.entries)):
                values = []
                for step in (1, -1):
                    moved = tuple(x + step * (k == place) for k, x in enumerate(layer.entries))
                    values.append(loss.value(model.end_tensor(layers | {name: Array(layer.shape, moved)})))
                assert (values[0] - values[1]) / 2 == gradients[name].entries[place]
                seen += 1
    return Outcome(seen, "0", True, "exact")


@sampled(product_matrix)
def products_one_after_another(run):
    """The end matrix is the product of FLINT matrices, the last layer first, and its shape is d_L x d_0."""
    seen = 0
    for model, layers, depth in random_models(run):
        total = exact_matrix(layers[f"W[{depth}]"])
        for layer in range(depth - 1, 0, -1):
            total = total * exact_matrix(layers[f"W[{layer}]"])
        assert exact_matrix(model.end_tensor(layers)) == total
        seen += 1
    return Outcome(seen, "0", True, "exact")


@sampled(balanced_start)
def balanced_by_construction(run):
    """Balanced starts meet the equation at every pair of adjacent layers; random layers do not (RC20 Section 2.1: they
    do with probability 0)."""
    seen, unbalanced = 0, 0
    for depth in (2, 3, 4):
        for size in (2, 3):
            model = deep_matrix_factorization(size, size, depth=depth)
            for layers, equal in (
                (balanced(model, seed=run.seed + seen), True),
                (model.random(run.seed + seen), False),
            ):
                for layer in range(1, depth):
                    upper, lower = (exact_matrix(layers[f"W[{k}]"]) for k in (layer + 1, layer))
                    same = upper.transpose() * upper == lower * lower.transpose()
                    assert same or not equal
                    unbalanced += not same
                seen += 1
    return Outcome(seen, "0", unbalanced > 0, "exact")


@control(product_matrix, breaks="order")
def reversed_order():
    """W_1 W_2 in place of W_2 W_1."""
    A, B = (Tensor(name, ("d", "d")) for name in "AB")
    numbers = (("A", matrix((1, 1), (0, 1))), ("B", matrix((1, 0), (1, 1))))
    orders = (A["i", "k"] * B["k", "j"]).sum("k"), (B["i", "k"] * A["k", "j"]).sum("k")
    return Identity(*orders), Instance(sizes=(("d", 2),), letters=numbers)


@control(balanced_start, breaks="side of the transpose")
def transposed_equation():
    """W_{l+1} W_{l+1}^T = W_l^T W_l is another condition: balanced layers do not meet it."""
    A, B = (Tensor(name, ("d", "d")) for name in "AB")
    turned = Identity((A["i", "k"] * A["j", "k"]).sum("k"), (B["k", "i"] * B["k", "j"]).sum("k"))
    met = Assumption(
        "balanced",
        "A^T A = B B^T",
        Identity((A["k", "i"] * A["k", "j"]).sum("k"), (B["i", "k"] * B["j", "k"]).sum("k")),
    )
    numbers = (("A", matrix((0, 1), (0, 0))), ("B", matrix((0, 0), (0, 1))))
    varied = replace(balanced_start, claim=turned, assumptions=(met,))
    return varied, Instance(sizes=(("d", 2),), letters=numbers)


def balanced_at_all_times(derive):
    """Balanced layers stay balanced."""
    conserved = derive.cite("RC20-Sec2-Cons")
    return derive.apply("stays", conserved, derive.assume("balanced"), text="balanced layers stay balanced")


def powers(derive):
    """Derivations that P^j is the product of the first j layers times its transpose: two factors, and one more."""
    cases = []
    for name, (hypotheses, goals) in zip(
        ("two factors", "one more factor"), chain_hypotheses(chain, power_templates(chain)), strict=True
    ):
        inner = derive.inner(*hypotheses)
        balance_of_the_newest, *earlier = inner.given
        for goal in goals:
            inner.equal(name, goal.lhs, goal.rhs, using=earlier, backwards=(balance_of_the_newest,))
        cases.append(inner.derivation())
    return cases


def product_of_balanced_layers(derive):
    """W W^T = P P P^(L-2), by induction on the number of factors."""
    return derive.apply(
        "balanced-chain",
        balanced_at_all_times(derive),
        derive.assume("depth"),
        data=(DEEP_MATRIX, *powers(derive), *power_templates(chain)),
        text="W W^T = P^L, by induction on the number of factors",
    )


def rate_of_the_log_determinant_in(inner):
    """tr(P^-1 dP/dt) = -2 <grad, P^-1 W> and ||P^-1 W||^2 = tr P^(L-2)."""
    left_inverse, right_inverse, symmetric, product = inner.given[:4]
    slope, size = log_rate_goals(chain)
    inner.equal("d/dt ln det P = -2 <grad, P^-1 W>", slope.lhs, slope.rhs, using=(symmetric,))
    inner.equal(
        "||P^-1 W||^2 = tr P^(L-2)", size.lhs, size.rhs, using=(product, left_inverse, right_inverse, symmetric)
    )


@proof(determinant_sign)
def by_a_bounded_logarithmic_derivative(derive):
    grams = product_of_balanced_layers(derive)
    _, known = inverse_hypotheses(chain)
    inner = derive.inner(*known, grams.claim.claim)
    rate_of_the_log_determinant_in(inner)
    derive.apply(
        "log-determinant-bounded",
        grams,
        derive.assume("square"),
        derive.assume("depth"),
        data=(DEEP_MATRIX, inner.derivation()),
        text="ln det P has a bounded derivative on compact times, so det W never reaches 0",
    )


completion = HalfSum((((0, 1), 1), ((1, 0), 1), ((1, 1), 0)))  # RC20 equation 6; indices from 0


@integrated(determinant_sign)
def depths_two_to_four(run):
    """RC20's completion problem from exactly balanced starts with det > 0, with as many digits as the determinant
    takes."""
    signs = []
    for depth in (2, 3, 4):
        start = balanced(deep_matrix_factorization(2, 2, depth=depth), seed=run.seed, scale=Fraction(1, 2), sign=1)
        model = deep_matrix_factorization(2, 2, depth=depth)
        signs += determinant_signs(model, completion, start, (1, 5, 20))
    return sign_outcome(signs, "depths 2, 3, 4 to t = 20")


@integrated(determinant_sign)
def depth_two_in_two_coordinates(run):
    """Depth 2 from W = I/100: log det W in coordinates that keep its sign, against the factors with enough digits;
    then on to t = 10^4, where det W is far below what floating-point factors resolve."""
    start = {f"W[{layer}]": matrix((Fraction(1, 10), 0), (0, Fraction(1, 10))) for layer in (1, 2)}
    model = deep_matrix_factorization(2, 2, depth=2)
    signs = determinant_signs(model, completion, start, (10, 40))
    small = ((Fraction(1, 100), 0), (0, Fraction(1, 100)))
    path = determinant_flow(completion, small, 10**4, digits=12, times=(10, 40))
    gaps = [abs(float(path.log_determinant(s.t)) / log(10) - s.log10) for s in signs]
    # The factors give log10 det as a difference of two logarithms, of numbers with at most 8 (digits + 15)
    # decimal digits, each rounded to 52 bits or better; the coordinates have an error estimate of their own.
    allowed = [2.0**-50 * 8 * (s.digits + 15) + float(path.errors(s.t)[1]) for s in signs]
    end = path.at(10**4)
    loss = float(completion.value(end))
    found = sign_outcome(signs, f"at t = 10^4: log10 det {float(path.log_determinant(10**4)) / log(10):.0f}")
    agree = path.status == "done" and all(gap <= bound for gap, bound in zip(gaps, allowed, strict=True))
    detail = f"{found.detail}, w11 {float(end[0, 0]):.3f}, w11 sqrt(2 loss) {float(end[0, 0]) * sqrt(2 * loss):.4f}"
    return replace(found, holds=found.holds and agree, detail=detail)


def sign_outcome(signs, what):
    """Nothing flipped; what the digits could not decide is open."""
    known = [s.sign for s in signs if s.sign is not None]
    smallest = min(s.log10 for s in signs)
    open_signs = f"; {len(signs) - len(known)} undecided" if len(known) < len(signs) else ""
    holds = False if -1 in known else (True if known else None)
    digits = max(s.digits for s in signs)
    detail = f"{what}; smallest det 10^{smallest:.1f}{open_signs}"
    return Outcome(len(known), str(known.count(-1)), holds, detail, digits)


@swept(determinant_sign)
def batched(run):
    """Balanced starts of depth 3 with det > 0 in float64; a sign counts where det exceeds its error bound."""
    import torch

    model = deep_matrix_factorization(2, 2, depth=3)
    starts = balanced_batch(model, 1024, seed=run.seed, scale=0.5, backend="torch", device=run.device)
    # The first row of W_3 takes the sign of det W: W_3^T W_3, and so balancedness, stays as it is.
    starts["W[3]"][:, 0, :] *= torch.sign(torch.linalg.det(model.end_tensor(starts)))[:, None]
    flow = GradientFlow(model, completion).batch(starts, 20, device=run.device)
    blocks, error = {name: block[0] for name, block in flow.blocks.items()}, flow.error[0][:, None, None]
    end = model.end_tensor(blocks)
    reach = model.end_tensor({name: block.abs() + error for name, block in blocks.items()})
    slack = reach - model.end_tensor({name: block.abs() for name, block in blocks.items()}) + 64 * 2.0**-53 * reach

    def products(W):
        return W[:, 0, 0] * W[:, 1, 1], W[:, 0, 1] * W[:, 1, 0]

    (a, b), (c, d), (e, f) = products(end), products(end.abs() + slack), products(end.abs())
    bound = (c - e) + (d - f) + 4 * 2.0**-53 * (c + d)
    done = flow.status == 0
    flipped, kept = int((a - b < -bound)[done].sum()), int((a - b > bound)[done].sum())
    detail = f"{kept} of {len(end)} keep det > 0 to t = 20, {len(end) - kept - flipped} undecided"
    return Outcome(kept + flipped, str(flipped), None if not kept + flipped else not flipped, detail)


@control(determinant_sign, breaks="balanced")
def unbalanced_start():
    """Without balancedness: W_2 = I, W_1 = diag(1, w) moves through w = 0."""
    return None, example(2, unit, singular, gradient=((0, 0), (0, -1)))


@control(determinant_sign, breaks="depth")
def one_layer():
    """Depth 1: W itself follows the gradient and moves through det W = 0."""
    return None, example(1, singular, gradient=((0, 0), (0, -1)))


@control(determinant_sign, breaks="flow")
def gradient_descent():
    """A finite step of gradient descent, from balanced layers."""
    large = example(3, unit, unit, unit, gradient=((0, 0), (0, 2)), step=Fraction(3, 4))
    return DeterminantSignPreserved(Descent(chain.flow)), large


# -- the rate of the logarithm of the determinant ----------------------------------------------------------------------

U, V = Tensor("U", ("d_out", "q")), Tensor("V", ("d_in", "q"))
kappa, rho = Tensor("σ^(2/L)", ("q",)), Tensor("σ^(1-2/L)", ("q",))
depth = Tensor("L", ())()


def singular_letters(kappa_values, rho_values):
    """U = V = I, and the given powers of the singular values."""
    row = {"σ^(2/L)": kappa_values, "σ^(1-2/L)": rho_values}
    vectors = tuple((name, Array((2,), tuple(map(Fraction, values)))) for name, values in row.items())
    return (("U", unit), ("V", unit), *vectors)


def pairing(weight: Tensor):
    """sum over r of weight_r <grad, u_r v_r^T>."""
    return (gradient_term(chain) * U["a", "r"] * weight["r"] * V["b", "r"]).sum("a", "b", "r")


rate = Statement(
    id="RC20-DetInv",
    label="RC20-DetInv/rate",
    kind="lemma",
    title="d/dt ln |det W| = -L sum_r sigma_r^(1-2/L) <grad, u_r v_r^T>",
    source=Source("RC20", "Theorem 1, proof sketch"),
    assumptions=(
        *setting,
        Assumption(
            "left-vectors",
            "the columns u_r of U are orthonormal",
            Identity((U["a", "r"] * U["a", "s"]).sum("a"), identity("r", "s", "q")),
        ),
        Assumption(
            "first-layer",
            "W_L W_L^T = U diag(sigma^(2/L)) U^T",
            Identity(chain.gram, (U["a", "r"] * kappa["r"] * U["b", "r"]).sum("r")),
        ),
        Assumption(
            "singular-values",
            "W = U diag(sigma) V^T, sigma_r = sigma_r^(2/L) sigma_r^(1-2/L)",
            Identity(chain.end, (U["a", "r"] * kappa["r"] * rho["r"] * V["b", "r"]).sum("r")),
        ),
    ),
    claim=LogDeterminantRate(depth * pairing(rho) * -1, chain.flow),
    scope="all sizes, depths L >= 2, losses",
    deviations=(
        "the singular value decomposition need not be analytic in time: any one at the time in question will do, with "
        "the left vectors chosen to diagonalise W_L W_L^T (its L-th power is W W^T, so they are left singular vectors)",
    ),
    example=example(3, diagonal, diagonal, diagonal, letters=singular_letters((4, 1), (2, 1))),
)


@proof(rate)
def by_jacobis_formula(derive):
    grams = product_of_balanced_layers(derive)
    vectors, first_layer, values = (derive.assume(name) for name in ("left-vectors", "first-layer", "singular-values"))
    _, known = inverse_hypotheses(chain)
    inner = derive.inner(*known, grams.claim.claim, vectors.claim, first_layer.claim, values.claim)
    rate_of_the_log_determinant_in(inner)
    left_inverse, _, _, _, orthonormal, eigen, singular = inner.given
    inverse = Tensor(left_inverse.claim.lhs.monomials[0].factors[0].tensor.name, ("d_out", "d_out"))
    # P^-1 U diag(kappa) = P^-1 (U diag(kappa) U^T) U = P^-1 P U = U
    image = (inverse["a", "c"] * U["c", "r"]).sum("c") * kappa["r"]
    through = (inverse["a", "c"] * chain.gram.rename({"a": "c", "b": "e"}) * U["e", "r"]).sum("c", "e")
    first = inner.equal("P^-1 P U = U", through, U["a", "r"], using=(left_inverse,))
    second = inner.equal("P U = U diag(kappa)", through, image, using=(eigen, orthonormal))
    vectors_back = inner.equal("P^-1 U diag(kappa) = U", image, U["a", "r"], using=(first,), backwards=(second,))
    slope = (gradient_term(chain) * (inverse["a", "c"] * chain.end.rename({"a": "c"})).sum("c")).sum("a", "b")
    inner.equal("P^-1 W = U diag(rho) V^T", slope, pairing(rho), using=(singular, vectors_back))
    derive.apply(
        "log-determinant-rate",
        grams,
        derive.assume("square"),
        derive.assume("depth"),
        vectors,
        first_layer,
        values,
        data=(DEEP_MATRIX, inner.derivation(), pairing(rho)),
        text="(det W)^2 = (det P)^L and Jacobi's formula",
    )


@sampled(rate)
def at_balanced_instances(run):
    """Hypothesis draws depths, sizes and losses; at exactly balanced layers d/dt det W = -L det W <grad, P^-1 W>, in
    rationals, with the gradients of the written-out model."""
    seen, worst = [0], [Fraction(0)]
    where = Flow(DEEP_MATRIX, Focus(links=(Link(("first",), first=True),)))

    @seed(run.seed)
    @settings(max_examples=100 if run.profile == "full" else 15, deadline=None, database=None)
    @given(batches(where, setting, size=4))
    def jacobi(samples):
        for drawn in samples:
            model, instance = drawn.model, drawn.instance
            blocks, depth = dict(instance.blocks), dict(instance.sizes)["L"]
            slopes = model.gradients(blocks, instance.gradient)
            end, first = model.end_tensor(blocks), blocks[f"W[{depth}]"]
            size = end.shape[0]
            moved = model.end_tensor(blocks | {f"W[{depth}]": slopes[f"W[{depth}]"]})
            for layer in range(1, depth):
                part = model.end_tensor(blocks | {f"W[{layer}]": slopes[f"W[{layer}]"]})
                moved = Array(part.shape, tuple(a + b for a, b in zip(moved.entries, part.entries, strict=True)))
            W, dW, top, g = (exact_matrix(a) for a in (end, moved, first, instance.gradient))
            gram = top * top.transpose()
            seen[0] += 1
            if gram.det() == 0:
                assert W.det() == 0
                continue
            # Jacobi's formula by the adjugate of an invertible W; the velocity is minus the slope.
            rate_of_det = -W.det() * sum((W.inv() * dW)[k, k] for k in range(size)) if W.det() != 0 else None
            pairing = g.transpose() * gram.inv() * W
            claimed = -depth * W.det() * sum(pairing[k, k] for k in range(size))
            gap = rate_of_det - claimed if rate_of_det is not None else claimed
            worst[0] = max(worst[0], abs(Fraction(int(gap.p), int(gap.q))))

    jacobi()
    return Outcome(seen[0], str(worst[0]), not worst[0], "balanced starts built by Cayley transforms, exact")


def exact_matrix(array):
    """An exact array as a FLINT matrix."""
    return fmpq_mat(*array.shape, [fmpq(x.numerator, x.denominator) for x in array.entries])


@control(rate, breaks="factor L")
def factor_one_for_the_depth():
    """Factor 1 in place of L."""
    return LogDeterminantRate(pairing(rho) * -1, chain.flow), rate.example


@control(rate, breaks="exponent 1 - 2/L")
def larger_exponent():
    """Exponent 1 - 1/L in place of 1 - 2/L."""
    root = Tensor("σ^(1/L)", ("q",))
    weight = (gradient_term(chain) * U["a", "r"] * root["r"] * rho["r"] * V["b", "r"]).sum("a", "b", "r")
    defined = Assumption("root", "the L-th roots of the singular values", Identity(root["r"] * root["r"], kappa["r"]))
    roots = ("σ^(1/L)", Array((2,), (Fraction(2), Fraction(1))))
    varied = replace(
        rate,
        assumptions=(*rate.assumptions, defined),
        claim=LogDeterminantRate(depth * weight * -1, chain.flow),
        example=None,
    )
    return varied, example(3, diagonal, diagonal, diagonal, letters=(*singular_letters((4, 1), (2, 1)), roots))


@control(rate, breaks="sign")
def opposite_sign():
    """The rate with the opposite sign."""
    return LogDeterminantRate(depth * pairing(rho), chain.flow), rate.example


@control(rate, breaks="balanced")
def unbalanced_layers():
    """Without balancedness: W_2 = I, W_1 = diag(2, 1)."""
    return None, example(2, unit, diagonal, letters=singular_letters((1, 1), (2, 1)))


def with_letters(kappa_value, rho_value, scale=1):
    """Layers I, U = scale I, V = I, and powers of the singular values that need not be theirs."""
    letters = singular_letters((kappa_value,) * 2, (rho_value,) * 2)
    scaled = matrix((scale, 0), (0, scale))
    return example(3, unit, unit, unit, letters=(("U", scaled), *letters[1:]))


@control(rate, breaks="left-vectors")
def vectors_of_length_two():
    """Left vectors of length 2, with sigma^(2/L) = 1/4 and sigma^(1-2/L) = 2."""
    return None, with_letters(Fraction(1, 4), 2, scale=2)


@control(rate, breaks="first-layer")
def any_power_of_the_first_layer():
    """sigma^(2/L) = 2 and sigma^(1-2/L) = 1/2 at W = I."""
    return None, with_letters(2, Fraction(1, 2))


@control(rate, breaks="singular-values")
def any_singular_values():
    """sigma^(1-2/L) = 5 at W = I."""
    return None, with_letters(1, 5)
