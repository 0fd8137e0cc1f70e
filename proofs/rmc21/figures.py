"""RMC21 Figures 3 and 5 at a small size: components are learned one after another, seen again in seconds.

Gradient descent in double precision, so evidence and never proof; `theorytest reproduce` makes the figures at their
size.
"""

from theorytest import Outcome, Source, Statement, swept
from theorytest.kernel.claim import InWords

WORDS = (
    "order 3, 10x10x10, rank 3, R = 100, {what}, from entries of size 1/200: components are learned one after another, "
    "and at most ten are larger than 1% of the largest after 1000 steps"
)


def observed(number: int, title: str, what: str) -> Statement:
    name = f"RMC21-Fig{number}"
    return Statement(
        id=name, label=name, kind="figure", title=title, source=Source("RMC21", f"Figure {number}"),
        claim=InWords(WORDS.format(what=what)), scope="one ground truth, one start", expected="SUPPORTED",
        expected_reason="an observation about runs of gradient descent: no proof is claimed",
    )  # fmt: skip


def followed(run, **changes):
    """One run, with Lemma 1 and Theorem 1 along it."""
    from dataclasses import asdict

    import numpy as np

    from theorytest.reproduce.engine import Context
    from theorytest.reproduce.figures import rmc21_dynamics as figure

    problem = figure.Problem(**{"order": 3, "size": 10, "rank": 3, "observations": 300, "components": 100, **changes})
    made = figure.train(Context(), problem=asdict(problem), draw=0, steps=1000, seed=run.seed, target=None)
    final = made["end/norms"][2]
    large = int((final > 0.01 * final.max()).sum())
    times = figure._jumps(made, 2, 2)
    _, rest, allowed = made["series/lemma"][:, 2].T  # nan once the run has ended
    broken = int((rest > allowed).sum() + np.nansum(made["series/theorem"][:, 2, 2]))
    apart = len(times) == 2 and times[1] > times[0]
    return Outcome(
        1,
        f"{large / 10:.2g}",
        bool(large <= 10 and apart and not broken),
        f"{large} of 100 components above 1%; the first two at steps {', '.join(str(t) for t in times)}; Lemma 1 and "
        f"Theorem 1 along the run: {broken} violations",
    )


figure_3 = observed(3, "Components are learned one after another", "completion of 300 entries, square loss")
figure_5 = observed(5, "As Figure 3, with Huber loss", "completion of 300 entries, Huber loss with delta 1/1000")


@swept(figure_3)
def square_loss(run):
    return followed(run)


@swept(figure_5)
def huber_loss(run):
    return followed(run, huber=1e-3)
