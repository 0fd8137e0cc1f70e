"""HKA24 on real data: a deep Tucker completion of the IL-2 response tensor, trained by plain gradient descent.

The theorems speak of gradient flow. A step of size η changes ||w_r^m||^2 - ||G_{r_m=r}||^2 by exactly
η^2 (||g_w||^2 - ||g_G||^2) (proved for all sizes in `lemma_4_1`); on the trained model the measured drift must be the
sum of these changes up to rounding, and it must fall in proportion to η at fixed time. Proposition 4.6 is then
verified on the trained core and factors, whose floating-point numbers are taken as the rational numbers that they are.
"""

from dataclasses import replace
from fractions import Fraction

from theorytest import Outcome, SliceTruncation, Witness, certified, evidence, refuted

from .lemma_4_1 import drift
from .proposition_4_6 import proposition

trained = replace(
    proposition,
    label="HKA24-Prop4.6/IL-2",
    title="Proposition 4.6 on a deep Tucker completion of the IL-2 tensor",
    scope="the trained core and factors, three values of eps",
    expected="CERTIFIED",
    deviations=(
        *proposition.deviations,
        "one cell type of the data, two ligands without measurements dropped; which cell the paper takes is not said",
    ),
)


@certified(trained)
def after_training(run):
    from theorytest.reproduce.il2 import il2_instances

    return il2_instances(seed=run.seed)


tenfold = replace(
    trained,
    label="HKA24-Prop4.6/IL-2/tenfold",
    title="The same with ten times the threshold: what it removes of the trained core is more than eps",
    claim=SliceTruncation(factor=Fraction(100)),
    scope="core and factors after 400 steps, eps half of the norm",
    expected="REFUTED",
)


@refuted(tenfold)
def too_many_slices_removed(run):
    from theorytest.reproduce.il2 import il2_instances

    return Witness(il2_instances(steps=400)[-1])


@evidence(drift, arithmetic="float64")
def il2_training(run):
    """The drift along the training run, for η, η/2, η/4, and under Adam, where the law fails."""
    from theorytest.reproduce.il2 import il2_completion

    result = il2_completion(seed=run.seed)
    within = [abs(m - a) / b for d in result.drifts for m, a, b in zip(d.measured, d.accumulated, d.bound, strict=True)]
    last = result.history[-1]
    linear = ", ".join(f"{ratio:.3f}" for ratio in result.ratios)
    return Outcome(
        instances=len(within),
        worst=f"{float(max(within)):.2g}",
        holds=all(d.explained for d in result.drifts),
        detail=(
            f"{result.steps} steps of {result.eta} on {result.observed} entries; "
            f"drift falls by {linear} when η is halved; "
            f"R2 {last.r2_observed:.3f} observed, {last.r2_held_out:.3f} held out"
        ),
        numbers=(
            ("drift", tuple(d.size for d in result.drifts)),
            ("ratios", result.ratios),
            ("adam_drift", tuple(d.size for d in result.adam)),
            ("adam_ratios", result.adam_ratios),
            ("multilinear_rank_bounds", tuple(t.rank for t in result.truncations)),
            ("relative_eps", tuple(t.relative for t in result.truncations)),
            ("distances", tuple(t.distance for t in result.truncations)),
            ("r2_observed", last.r2_observed),
            ("r2_held_out", last.r2_held_out),
        ),
        series=(
            ("step", tuple(float(p.step) for p in result.history)),
            ("loss", tuple(p.loss for p in result.history)),
            ("r2_held_out", tuple(p.r2_held_out for p in result.history)),
        ),
    )
