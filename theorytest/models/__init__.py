"""Parameterizations, losses, initializations and quantities: the definitions that all producers share.

Every public name is listed once, in `_PUBLIC`, and imported when it is first used.
"""

from importlib import import_module
from typing import Any

_HERE = "theorytest.models."

# Module -> its public names.
_MODULES: dict[str, tuple[str, ...]] = {
    "arithmetic": ("array", "constant", "to_flint", "to_mpmath", "to_numpy", "to_sympy", "to_torch"),
    "factorizations": (
        "CP",
        "DEEP_CP",
        "DEEP_MATRIX",
        "DEEP_TUCKER",
        "TUCKER",
        "cp",
        "deep_cp",
        "deep_matrix_factorization",
        "deep_tucker",
        "einsum",
        "tucker",
    ),
    "initializations": ("balanced", "balanced_batch", "balanced_factors", "unbalanced"),
    "losses": (
        "Completion",
        "Entrywise",
        "HalfSum",
        "Huber",
        "Linear",
        "Loss",
        "MeanSquares",
        "Opaque",
        "Polynomial",
        "Sensing",
        "huber",
        "observe",
        "square",
    ),
    "model": ("Matrices", "Model"),
    "quantities": (
        "component_norms",
        "determinant",
        "gram_differences",
        "inner",
        "kronecker",
        "mode_product",
        "multilinear_rank",
        "rational_root",
        "slice_norms",
        "squared_component_norms",
        "squared_norms",
        "squared_slice_norms",
        "unbalancedness_magnitude",
        "unfold",
    ),
}

# Public name -> module that defines it.
_PUBLIC: dict[str, str] = {name: _HERE + module for module, names in _MODULES.items() for name in names}

__all__ = [*_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
