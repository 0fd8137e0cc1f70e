"""The determinant of a balanced square product keeps its sign along gradient flow (RC20-DetInv).

With P = W_L W_L^T, balancedness gives W W^T = P^L by induction on the number of factors, so det W vanishes exactly where
det P does. Where it does not vanish, d/dt ln det P = -2 <grad, P^-1 W>, and ||P^-1 W||^2 = tr P^(L-2) is bounded on
compact times because L >= 2. So ln det P stays finite, and det W never reaches 0.
"""

from fractions import Fraction

from theorytest import (
    DEEP_MATRIX,
    Array,
    Assumption,
    AtLeast,
    AtStart,
    Descent,
    DeterminantSignPreserved,
    Flow,
    Focus,
    Identity,
    Instance,
    Link,
    LogDeterminantRate,
    SameSize,
    Source,
    Statement,
    Tensor,
    control,
    proof,
)
from theorytest.kernel.rules import (
    balance,
    chain_hypotheses,
    chain_letters,
    gradient_term,
    gram_power,
    inverse_hypotheses,
    log_rate_goals,
    matrix_chain,
)

adjacent = Flow(DEEP_MATRIX, Focus(links=(Link(("l+1", "l"), adjacent=True),)))
balanced_layers = balance(*DEEP_MATRIX.letters(adjacent.focus).values())
chain = matrix_chain(DEEP_MATRIX)


def matrix(*rows):
    """An exact matrix from rows of integers."""
    return Array((len(rows), len(rows[0])), tuple(Fraction(x) for row in rows for x in row))


diagonal = matrix((2, 0), (0, 1))
example = Instance(
    sizes=(("L", 3), ("d_out", 2), ("d_in", 2), ("h", (2, 2))),
    members=(("/first", 3),),
    blocks=tuple((f"W[{layer}]", diagonal) for layer in (3, 2, 1)),
    gradient=matrix((1, 2), (3, 4)),
)

setting = (
    Assumption("loss", "the loss of the product is differentiable with a locally Lipschitz gradient"),
    Assumption("balanced", "the layers are balanced at the start (RC20 equation 5)", AtStart(balanced_layers, adjacent)),
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
    scope="every size d x d, depth L >= 2, hidden widths, losses",
    example=example,
    deviations=(
        "the paper's proof uses an analytic singular value decomposition, hence an analytic loss; this one needs a locally "
        "Lipschitz gradient only",
        "stated on the interval of existence (RMC21-fn4)",
    ),
)


def product_of_balanced_layers(derive):
    """W W^T = P P P^(L-2), by induction on the number of factors."""
    conserved = derive.cite("RC20-Sec2-Cons")
    balanced = derive.apply("stays", conserved, derive.assume("balanced"), text="balanced layers stay balanced")
    depth = derive.assume("depth")
    letters = chain_letters(chain)
    first, second, partial, last = (letters[k] for k in ("First", "Second", "Partial", "Last"))
    gram = (first["a", "k"] * first["c", "k"]).sum("k")
    power = letters["Power"]
    shifts = Identity(  # Partial Last^T Last = P Partial
        (partial["a", "j"] * last["k", "j"] * last["k", "b"]).sum("j", "k"),
        (gram * partial["c", "b"]).sum("c"),
    )
    grams = Identity(  # Partial Partial^T = P P Power
        (partial["a", "k"] * partial["b", "k"]).sum("k"),
        (gram * gram.rename({"a": "c", "c": "d"}) * power["d", "b"]).sum("c", "d"),
    )
    templates = (shifts, grams)
    cases = []
    for name, (hypotheses, goals) in zip(("two factors", "one more factor"), chain_hypotheses(chain, templates)):
        inner = derive.inner(*hypotheses)
        balance_of_the_newest, *earlier = inner.given
        for goal in goals:
            inner.equal(name, goal.lhs, goal.rhs, using=earlier, backwards=(balance_of_the_newest,))
        cases.append(inner.derivation())
    return derive.apply(
        "balanced-chain",
        balanced,
        depth,
        data=(DEEP_MATRIX, *cases, *templates),
        text="W W^T = P^L, by induction on the number of factors",
    )


def rate_of_the_log_determinant(derive, grams):
    """tr(P^-1 dP/dt) = -2 <grad, P^-1 W> and ||P^-1 W||^2 = tr P^(L-2)."""
    _, known = inverse_hypotheses(chain)
    inner = derive.inner(*known, grams.claim)
    left_inverse, right_inverse, symmetric, product = inner.given
    slope, size = log_rate_goals(chain)
    inner.equal("d/dt ln det P = -2 <grad, P^-1 W>", slope.lhs, slope.rhs, using=(symmetric,))
    inner.equal("||P^-1 W||^2 = tr P^(L-2)", size.lhs, size.rhs, using=(product, left_inverse, right_inverse, symmetric))
    return inner.derivation()


@proof(determinant_sign)
def by_a_bounded_logarithmic_derivative(derive):
    grams = product_of_balanced_layers(derive)
    derive.apply(
        "log-determinant-bounded",
        grams,
        derive.assume("square"),
        derive.assume("depth"),
        data=(DEEP_MATRIX, rate_of_the_log_determinant(derive, grams)),
        text="ln det P has a bounded derivative on compact times, so det W never reaches 0",
    )
