"""LaTeX of terms, scalar expressions and claims, for notes and records. Display only: nothing is computed here.

Members of a family are superscripts in parentheses (``w[n]`` is w^{(n)}), entries are subscripts, summed indices get
the first free letters of p, q, s, t, u, ... Brackets are \\left and \\right, which every LaTeX reader understands.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain, count
from typing import Any

from theorytest.kernel import claim as claims
from theorytest.kernel.parameterization import Array
from theorytest.kernel.scalar import Exp, Expression, Ln, Number, Power, Sum, Times, Variable
from theorytest.kernel.terms import DELTA, Factor, Monomial, Term

GREEK_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
_LOWER = "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi"
_UPPER = "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
GREEK_NAMES = (*_LOWER.split(), *_UPPER.split())
_GREEK = dict(
    zip(
        GREEK_LETTERS,
        GREEK_NAMES,
        strict=True,
    )
)
_SUPERSCRIPTS = {"²": "^{2}", "³": "^{3}", "ᵀ": r"^{\top}", "⁻¹": "^{-1}", "ℓ": r"\ell ", "∇": r"\nabla "}
_RELATIONS = {"<=": r"\le", "<": "<"}
_WORDS = ("alpha", "beta", "gamma", "eps", "epsilon", "eta", "lambda", "sigma", "theta", "tau", "delta")


def number(value: Fraction | int) -> str:
    """A rational number."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact)
    return f"{'-' if exact < 0 else ''}\\frac{{{abs(exact.numerator)}}}{{{exact.denominator}}}"


def text(words: str) -> str:
    """Words inside mathematics."""
    escaped = re.sub(r"([#$%&_{}])", r"\\\1", words.replace("\\", r"\backslash "))
    return rf"\text{{{escaped}}}"


def symbol(name: str) -> str:
    """A name: Greek letters, a stem with what is in brackets as a superscript, ``d_out`` with a subscript."""
    if "(" in name and name.endswith(")") and name.partition("(")[0].isidentifier():
        stem, _, inner = name[:-1].partition("(")
        return f"{symbol(stem)}\\left({symbol(inner)}\\right)"
    match = re.fullmatch(r"([^\[\]<>]+)(?:\[([^\]]*)\])?([<>*].*)?", name)
    if match is None:
        return _plain(name)
    stem, members, side = match.groups()
    marks = [part for part in (members, side) if part]
    if not marks:
        return _plain(stem)
    inner = ", ".join(_plain(mark.replace("~", "…")) for mark in marks)
    return f"{_stem(stem)}^{{({inner})}}"


def _stem(name: str) -> str:
    plain = _plain(name)
    return f"{{{plain}}}" if "^" in plain else plain


def _plain(name: str) -> str:
    for mark, command in _SUPERSCRIPTS.items():
        name = name.replace(mark, command)
    name = "".join(rf"\{_GREEK[c]} " if c in _GREEK else c for c in name).replace("…", r"\ldots").strip()
    name = re.sub(r"\^(-?\w+|\([^()]*\))", lambda m: f"^{{{m[1].strip('()')}}}", name)
    if re.fullmatch(r"[A-Za-z]\d+'*", name):
        stem, primes = name.rstrip("'"), name.count("'")
        return f"{stem[0]}{chr(39) * primes}_{{{stem[1:]}}}"
    if re.fullmatch(r"[A-Za-z]+_\w+", name):
        stem, _, below = name.partition("_")
        below = below if len(below) == 1 or below.isdigit() else rf"\mathrm{{{below}}}"
        return f"{_plain(stem)}_{{{below}}}"
    if name in _WORDS:
        return "\\" + {"eps": "varepsilon", "epsilon": "varepsilon"}.get(name, name)
    if re.fullmatch(r"[A-Za-z]{3,}", name):
        return rf"\mathrm{{{name}}}"
    return name


def _index(name: str) -> str:
    stem, _, member = name.partition("[")
    return f"{_plain(stem)}_{{{_plain(member.rstrip(']').replace('~', '…'))}}}" if member else _plain(stem)


# -- terms -----------------------------------------------------------------------------------------------------------


def term(value: Term) -> str:
    """A tensor term."""
    ordered = sorted(value.monomials, key=lambda m: m.coefficient < 0)  # what is positive first
    pieces = [_monomial(m, {name for name, _ in value.free}) for m in ordered]
    return _signed(pieces) or "0"


def _signed(pieces: Iterable[str]) -> str:
    total = ""
    for piece in pieces:
        if not total:
            total = piece
        elif piece.startswith("-"):
            total += f" - {piece[1:]}"
        else:
            total += f" + {piece}"
    return total


def _monomial(value: Monomial, free: set[str]) -> str:
    used = free | {i for f in value.factors for i in f.indices if not i.startswith("_")}
    fresh = (n for n in chain("pqstuvxyz", (f"p_{k}" for k in count(1))) if n not in used)
    names = {name: next(fresh) if name.startswith("_") else name for name, _ in value.bound}
    shown = {i for f in value.factors for i in f.indices}
    sizes = [symbol(size) for name, size in value.bound if name not in shown]
    summed = [_index(names[name]) for name, _ in value.bound if name in shown]
    powers: dict[str, int] = {}
    for factor in value.factors:
        entry = _entry(factor, names)
        powers[entry] = powers.get(entry, 0) + 1
    parts = [*sizes, *(entry if n == 1 else f"{_bracketed(entry)}^{{{n}}}" for entry, n in powers.items())]
    body = " ".join(parts)
    if summed:
        body = rf"\sum_{{{', '.join(summed)}}} {body}"
    if value.coefficient == 1 and body:
        return body
    if value.coefficient == -1 and body:
        return f"-{body}"
    return f"{number(value.coefficient)} {body}".strip()


def _entry(factor: Factor, names: dict[str, str]) -> str:
    name = r"\delta" if factor.tensor.name == DELTA else symbol(factor.tensor.name)
    if not factor.indices:
        return name
    below = " ".join(_index(names.get(i, i)) for i in factor.indices)
    if "_" in re.sub(r"\{[^{}]*\}", "", name) or " " in name:
        name = rf"\left({name}\right)"
    return f"{name}_{{{below}}}"


def _bracketed(entry: str) -> str:
    return entry if re.fullmatch(r"\\?[A-Za-z]+", entry) else rf"\left({entry}\right)"


# -- scalars ---------------------------------------------------------------------------------------------------------


def scalar(value: Any) -> str:
    """A scalar expression."""
    match value:
        case Number(exact):
            return number(exact)
        case Variable(name):
            return symbol(name)
        case Sum(parts):
            return _signed(scalar(part) for part in parts)
        case Times(parts):
            return _product(parts)
        case Power(base, exponent) if exponent == Fraction(1, 2):
            return rf"\sqrt{{{scalar(base)}}}"
        case Power(base, exponent) if exponent < 0:
            return rf"\frac{{1}}{{{scalar(base if exponent == -1 else Power(base, -exponent))}}}"
        case Power(base, exponent):
            shown = scalar(base)
            simple = isinstance(base, Variable) and "^" not in shown
            return f"{shown if simple else _paren(shown)}^{{{exponent}}}"
        case Ln(argument):
            return rf"\ln {_paren(scalar(argument))}"
        case Exp(argument):
            return rf"e^{{{scalar(argument)}}}"
        case _:
            return text(str(value))


def _paren(shown: str) -> str:
    return rf"\left({shown}\right)"


def _product(parts: tuple[Any, ...]) -> str:
    sign, above, below = "", list[str](), list[str]()
    for part in parts:
        if isinstance(part, Number) and part.value.numerator in (1, -1) and len(parts) > 1:
            sign = "-" if part.value < 0 else sign
            below += [str(part.value.denominator)] if part.value.denominator != 1 else []
        elif isinstance(part, Number) and part.value < 0:
            sign = "-"
            above.append(number(-part.value))
        elif isinstance(part, Power) and part.exponent < 0:
            base = part.base if part.exponent == -1 else Power(part.base, -part.exponent)
            below.append(_factor(base))
        else:
            above.append(_factor(part))
    top = r" \cdot ".join(above) if above and all(re.fullmatch(r"\d+", a) for a in above[1:2]) else " ".join(above)
    return f"{sign}\\frac{{{top or '1'}}}{{{' '.join(below)}}}" if below else sign + (top or "1")


def _factor(value: Any) -> str:
    shown = scalar(value)
    return _paren(shown) if isinstance(value, Sum) else shown


def side(value: Any) -> str:
    """One side of an identity or inequality: a tensor term or a scalar expression."""
    return term(value) if isinstance(value, Term) else scalar(value)


# -- claims ----------------------------------------------------------------------------------------------------------


def _end_matrix(motion: claims.Flow | claims.Descent) -> str:
    return "W" if isinstance(motion, claims.Flow) else r"W^{+}"


def _matrix(rows: Any) -> str:
    return r"\begin{pmatrix} " + r" \\ ".join(" & ".join(map(side, row)) for row in rows) + r" \end{pmatrix}"


def _interval(low: Any, high: Any, left: bool = True, right: bool = True) -> str:
    start = r"\left(-\infty" if low is None else rf"\left{'[' if left else '('}{number(low)}"
    end = r"\infty\right)" if high is None else rf"{number(high)}\right{']' if right else ')'}"
    return f"{start}, {end}"


def claim(value: Any) -> str:
    """A claim; one of an unknown kind is named with its fields, so that nothing is hidden."""
    match value:
        case claims.Identity(lhs, rhs):
            return f"{side(lhs)} = {side(rhs)}"
        case claims.Inequality(lhs, relation, rhs):
            return rf"{side(lhs)} {_RELATIONS[relation]} {side(rhs)}"
        case claims.AtStart(inner, _):
            return rf"{claim(inner)} \quad {text('at')} \; t = 0"
        case claims.Always(inner, _):
            return rf"{claim(inner)} \quad {text('at all times')}"
        case claims.SameSize(left, right):
            return f"{symbol(left)} = {symbol(right)}"
        case claims.AtLeast(size, least):
            return rf"{symbol(size)} \ge {least}"
        case claims.Conserved(quantity, claims.Flow()):
            return rf"\frac{{d}}{{dt}} \left[ {term(quantity)} \right] = 0"
        case claims.Conserved(quantity, claims.Descent() as motion):
            return rf"\Delta \left[ {term(quantity)} \right] = 0 \quad {text(f'in one step of {motion.method}')}"
        case claims.Rate(quantity, rate, _):
            return rf"\frac{{d}}{{dt}} \left[ {term(quantity)} \right] = {term(rate)}"
        case claims.Change(quantity, change, motion):
            shown = rf"\Delta \left[ {term(quantity)} \right] = {term(change)}"
            return rf"{shown} \quad {text(f'in one step of {motion.method}')}"
        case claims.SpectralNorm(matrix, bound):
            return rf"{symbol(bound.name)} = \left\lVert {symbol(matrix.name)} \right\rVert_{{2}}"
        case claims.DeterminantSignPreserved(claims.Flow()):
            return r"\operatorname{sign} \det W(t) = \operatorname{sign} \det W(0)"
        case claims.DeterminantSignPreserved(motion):
            return rf"\operatorname{{sign}} \det {_end_matrix(motion)} = \operatorname{{sign}} \det W"
        case claims.LogDeterminantRate(rate, _):
            return rf"\frac{{d}}{{dt}} \ln \left| \det W \right| = {term(rate)}"
        case claims.SliceTruncation():
            return _slice_truncation(value)
        case claims.Where((), inner):
            return claim(inner)
        case claims.Where((condition,), inner) if condition == inner:
            return rf"{text('suppose')} \; {claim(inner)}"
        case claims.Where(conditions, inner):
            where = r" ,\; ".join(map(claim, conditions))
            return rf"{claim(inner)} \quad {text('where')} \; {where}"
        case claims.SingularValues(matrix, values):
            shown = r" ,\; ".join(f"\\sigma_{{{k}}} = {scalar(v)}" for k, v in enumerate(values, 1))
            return rf"{shown} \quad {text('of')} \; {_matrix(matrix)}"
        case claims.Monotone(function, variable, direction, low, high):
            where = rf"{symbol(variable)} \in {_interval(low, high)}"
            return rf"{scalar(function)} \quad {text(f'strictly {direction} in')} \; {where}"
        case claims.Limit(function, variable, limit):
            tends = r"\infty" if limit is None else number(limit)
            return rf"\lim_{{{symbol(variable)} \to \infty}} {_paren(scalar(function))} = {tends}"
        case claims.Range(function, variable, low, bottom, bottom_in, top, top_in):
            image = _interval(bottom, top, bottom_in, top_in)
            where = rf"{symbol(variable)} \in {_interval(low, None)}"
            return rf"\left\{{ {scalar(function)} : {where} \right\}} = {image}"
        case claims.InfimalRank(matrix, variable, rank):
            members = rf"{_matrix(matrix)} : {symbol(variable)} \in \mathbb{{R}}"
            return rf"\operatorname{{infrank}} \left\{{ {members} \right\}} = {rank}"
        case claims.All(parts):
            return r" ,\quad ".join(map(claim, parts))
        case _:
            return _any(value)


def _power(name: str, exponent: int) -> str:
    return {0: "", 1: name}.get(exponent, f"{name}^{{{exponent}}}")


def _slice_truncation(value: claims.SliceTruncation) -> str:
    below = "2" if value.norm == "spectral" else "F"
    factor = "" if value.factor == 1 else f"{number(value.factor)} \\,"
    powers = [_power("d_n", value.dimension), _power("N", value.order)]
    powers.append(rf"\prod_{{j}} \left\lVert V^{{(j)}} \right\rVert_{{{below}}}^{{2}}")
    threshold = rf"\frac{{{factor} \varepsilon^{{2}}}}{{{' '.join(powers)}}}"
    relation = ">" if value.strict else r"\ge"
    return (
        r"\inf_{\operatorname{rank}(T) \le (R_1, \ldots, R_N)} \left\lVert W - T \right\rVert \le \varepsilon , \quad "
        rf"R_n = \# \left\{{ r : \left\lVert G_{{r_n = r}} \right\rVert^{{2}} {relation} {threshold} \right\}}"
    )


def _any(value: Any) -> str:
    if isinstance(value, Term):
        return term(value)
    if isinstance(value, Expression):
        return scalar(value)
    if isinstance(value, Fraction):
        return number(value)
    if isinstance(value, tuple):
        return rf"\left( {', '.join(map(_any, value))} \right)"
    if isinstance(value, Array):
        return text(f"array of shape {value.shape}")
    if dataclasses.is_dataclass(value):
        if type(value).__name__ in ("Flow", "Descent", "Parameterization", "Focus"):
            return text(getattr(value, "name", type(value).__name__.lower()))
        parts = [_part(getattr(value, f.name)) for f in dataclasses.fields(value)]
        return rf"{text(type(value).__name__)} \left( {', '.join(parts)} \right)"
    return text(str(value))


def _part(value: Any) -> str:
    known = getattr(claims, type(value).__name__, None)
    return claim(value) if known is type(value) and type(value).__name__ not in ("Flow", "Descent") else _any(value)
