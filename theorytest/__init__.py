"""theorytest checks theory by machine: producers search, a small kernel checks.

Every public name is listed once, in `_PUBLIC`, and imported when it is first used: pytest imports the package in every
run, and sympy and torch cost seconds.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Module -> the public names that it defines.
_MODULES: dict[str, str] = {
    "theorytest.authoring": (
        "Outcome Run certified conjecture control evidence integrated proof refuted sampled swept vacuous"
    ),
    "theorytest.decision": "Decision decide",
    "theorytest.gradient_flow": "GradientFlow along_every_flow tends_to",
    "theorytest.kernel.claim": (
        "All AtLeast AtStart Change Conserved Definition Descent Determinant DeterminantSignPreserved "
        "EndMatrixRate Entry Exactly Flow Identity Inequality InfimalRank Limit LogDeterminantRate Monotone Range "
        "Rate ReadAlways ReadAtStart Reading SameSize SingularValueRate SingularValues SliceTruncation "
        "SpectralNorm Where"
    ),
    "theorytest.kernel.parameterization": "Array Block Chain Each Focus Link Parameterization Product",
    "theorytest.kernel.scalar": "Exp Ln Variable absolute sqrt",
    "theorytest.kernel.statement": "Assumption Certificate Instance Source Statement Verdict Witness",
    "theorytest.kernel.terms": "Tensor Term constant identity zero",
    "theorytest.laws": "conservation_laws",
    "theorytest.models.factorizations": "CP DEEP_CP DEEP_MATRIX DEEP_TUCKER TUCKER",
    "theorytest.quantity": "at_every_state",
    "theorytest.verification": "RunResult verify",
}
_PUBLIC: dict[str, str] = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = ["__version__", *_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
