"""RC20 Figures 1, 2, 4 and 5 at a small size: what the experiments show, seen again in a few seconds.

Gradient descent in double precision, so evidence and never proof; `theorytest reproduce` makes the figures at their
size, with all that was published beside what comes out.
"""

from theorytest import Outcome, Source, Statement, swept
from theorytest.kernel.claim import InWords

REASON = "an observation about runs of gradient descent: no proof is claimed"


def observed(number: int, title: str, words: str, scope: str) -> Statement:
    name = f"RC20-Fig{number}"
    return Statement(
        id=name, label=name, kind="figure", title=title, source=Source("RC20", f"Figure {number}"),
        claim=InWords(words), scope=scope, expected="SUPPORTED", expected_reason=REASON,
    )  # fmt: skip


def runs(settings, *, seed, steps, stop):
    """Two starts of every setting of depth 3, from entries of size 1/100; all in one batch."""
    from theorytest.reproduce.engine import Context
    from theorytest.reproduce.figures.rc20_matrices import curves, parts, train

    (part,) = parts("runs", settings, count=2, steps=steps, stop=stop, seed=seed)
    return curves({part.name: train(Context(), **part.arguments)}, "runs", settings, 2)


def rising(found):
    """Number of runs, and in how many the unobserved entry grows at every recorded level of the loss below 3/10."""
    import numpy as np

    from theorytest.reproduce.figures.rc20_matrices import GRID

    entries = [e[np.isfinite(e) & (np.array(GRID) < 0.3)] for curve in found for e in curve.entry]
    return len(entries), sum(len(e) > 10 and bool((np.diff(e) > 0).all()) for e in entries)


figure_1 = observed(
    1,
    "The unobserved entry grows while the loss falls",
    "gradient descent on RC20's problem, depth 3, balanced, det W(0) > 0: |W11| rises as the loss falls from "
    "3/10, and is 1.84 and 6.93 at loss 1/10 and 1/100 up to 1%",
    "a few starts of size 1/100, learning rate 3/1000, until the loss is 1/100",
)


@swept(figure_1)
def along_the_main_curve(run):
    """Also Theorem 1's bounds at every record with a positive determinant."""
    import numpy as np

    from theorytest.reproduce.figures.rc20_matrices import Setting, theorem_1

    found = runs([Setting(3, 3e-3, 1e-2, True, ((0.0, 1.0), (1.0, 0.0)))], seed=run.seed, steps=60_000, stop=1e-2)
    (curve,) = found
    count, good = rising(found)
    near = [np.abs(curve.at(level) / value - 1).max() for level, value in ((1e-1, 1.84), (1e-2, 6.93))]
    bounds = theorem_1(curve.W.reshape(-1, 2, 2), curve.loss.ravel())
    broken = sum(bound.violations for bound in bounds)
    return Outcome(
        count,
        f"{max(near) / 0.01:.2g}",
        good == count and max(near) <= 0.01 and not broken,
        f"|W11| within {max(near):.2%} of the published curve; {sum(b.instances for b in bounds)} comparisons with the "
        f"bounds of Theorem 1, {broken} violations",
    )


figure_4 = observed(
    4,
    "Growth of the unobserved entry of larger matrices",
    "3x3 matrices, depth 3, balanced, det W(0) > 0: |W11| rises as the loss falls from 3/10",
    "a few starts of size 1/100, learning rate 3/1000, until the loss is 1/20",
)


@swept(figure_4)
def three_by_three(run):
    from theorytest.reproduce.figures.rc20_fig4 import targets
    from theorytest.reproduce.figures.rc20_matrices import Setting

    found = runs([Setting(3, 3e-3, 1e-2, True, targets(3))], seed=run.seed, steps=20_000, stop=5e-2)
    count, good = rising(found)
    return Outcome(count, "0", good == count, f"{good} of {count} runs rise at every recorded loss")


figure_5 = observed(
    5,
    "Growth of the unobserved entry recedes as the diagonal observation is perturbed",
    "b12 = -2, b21 = 1/2, depth 3, balanced, det W(0) of the sign of b12 b21: when the loss is 1/100, |W11| is below "
    "|b12 b21 / b22| = 2 for b22 = 1/2, and above 4 for b22 = 0",
    "a few starts of size 1/100, learning rate 3/1000",
)


@swept(figure_5)
def perturbed(run):
    """Also (b), (d) and (e) of Theorem 2 at every record."""
    from theorytest.reproduce.figures.rc20_fig5 import theorem_2
    from theorytest.reproduce.figures.rc20_matrices import Setting

    settings = [
        Setting(3, 3e-3, 1e-2, True, ((0.0, -2.0), (0.5, b22)), sign=-1, name=f"b22 = {b22}") for b22 in (0.0, 0.5)
    ]
    free, perturbed = found = runs(settings, seed=run.seed, steps=60_000, stop=1e-2)
    broken = sum(bound.violations for bound in theorem_2(found))
    return Outcome(
        len(free.last) + len(perturbed.last),
        f"{perturbed.at(1e-2).max() / 2:.2g}",
        bool((perturbed.at(1e-2) < 2).all() and (free.at(1e-2) > 4).all()) and not broken,
        f"|W11| at most {perturbed.at(1e-2).max():.3g} and at least {free.at(1e-2).min():.3g}; {broken} violations of "
        "Theorem 2",
    )


figure_2 = observed(
    2,
    "Gradient descent on a CP factorization completes a tensor of rank one",
    "8x8x8, rank one, R = 64, from entries of size 1/1000: the reconstruction error is below 1/10 of that of zeros at "
    "the unobserved entries",
    "one ground truth, 200 and 400 observations",
)


@swept(figure_2)
def completion(run):
    from theorytest.reproduce.engine import Context
    from theorytest.reproduce.figures.rc20_fig2 import train

    made = train(
        Context(),
        order=3,
        rank=1,
        draw=0,
        counts=(200, 400),
        trials=1,
        steps=2000,
        ranked=0,
        seed=run.seed,
        target=None,
    )
    errors = made["end/error"].reshape(2, 2)[1]  # the smaller start
    ratio = float((errors / made["linear"]).max())
    return Outcome(2, f"{ratio / 0.1:.2g}", ratio < 0.1, f"errors {errors[0]:.2g}, {errors[1]:.2g}")
