"""LaTeX of terms, scalar expressions and claims, for notes and records. Display only: nothing is computed here.

Members of a family are superscripts in parentheses (``w[n]`` is w^{(n)}), entries are subscripts, summed indices get
the first free letters of p, q, s, t, u, ... A sum of squares over all of its last indices is a squared norm, the root
of a square an absolute value. Brackets are \\left and \\right, which every LaTeX reader understands. Claims that hold
together are set apart by \\qquad, the parts of one by \\quad; `lines` breaks there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from itertools import chain, count
from operator import is_
from typing import Any

from theorytest.kernel import claim as claims
from theorytest.kernel.definition import nouns
from theorytest.kernel.encoding import field_names
from theorytest.kernel.initial_value import MeasuredLoss, Measurement
from theorytest.kernel.parameterization import Array
from theorytest.kernel.quantity import Comparison
from theorytest.kernel.rank import Component, LawCount, LawSpace, ParameterMap
from theorytest.kernel.rules import Context, conclude
from theorytest.kernel.scalar import Exp, Expression, Ln, Number, Power, Sum, Times, Variable
from theorytest.kernel.statement import Derivation, Statement, Step
from theorytest.kernel.terms import DELTA, Factor, Monomial, Tensor, Term, constant

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
_REVERSED = {"<=": r"\ge", "<": ">"}
_WORDS = ("alpha", "beta", "gamma", "eps", "epsilon", "eta", "lambda", "sigma", "theta", "tau", "delta")


def number(value: Fraction | int) -> str:
    """A rational number."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact)
    return f"{'-' if exact < 0 else ''}\\frac{{{abs(exact.numerator)}}}{{{exact.denominator}}}"


def text(words: str) -> str:
    """Words inside mathematics."""
    escaped = re.sub(r"([#$%&_{}])", r"\\\1", words.replace("\\", "/").replace("~", "...").replace("^", " to the "))
    return rf"\text{{{escaped}}}"


_GRAM_POWER = re.compile(r"\((.+?)\1ᵀ\)\^\(?([^()]+)\)?")  # the kernel's names of (X X^T)^k


@cache
def symbol(name: str) -> str:
    """A name: Greek letters, a stem with what is in brackets as a superscript, ``d_out`` with a subscript."""
    if "(" in name and name.endswith(")") and name.partition("(")[0].isidentifier():
        stem, _, inner = name[:-1].partition("(")
        return f"{symbol(stem)}\\left({symbol(inner)}\\right)"
    match = re.fullmatch(r"([^\[\]<>]+)(?:\[([^\]]*)\])?([<>*].*)?", name)
    if match is None:
        gram = _GRAM_POWER.fullmatch(name)
        if gram:
            return rf"\left({symbol(gram[1])} {symbol(gram[1])}{{}}^{{\top}}\right)^{{{gram[2]}}}"
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


@cache
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
    if re.fullmatch(r"[<>][A-Za-z]{3,}", name):  # the members before or after the one of that name
        return rf"{name[0]}\mathrm{{{name[1:]}}}"
    return name


def _index(name: str) -> str:
    stem, _, member = name.partition("[")
    return f"{_plain(stem)}_{{{_plain(member.rstrip(']').replace('~', '…'))}}}" if member else _plain(stem)


# -- terms -----------------------------------------------------------------------------------------------------------


_DOT = "."  # an index over which a norm runs


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
    norms, factors = _norms(value)
    used = free | {i for f in value.factors for i in f.indices if not i.startswith("_")}
    fresh = (n for n in chain("pqstuvxyz", (f"p_{k}" for k in count(1))) if n not in used)
    names = {_DOT: r"\cdot", **{name: next(fresh) if name.startswith("_") else name for name, _ in value.bound}}
    shown = {i for f in factors for i in f.indices}
    there = {i for f in value.factors for i in f.indices}
    sizes = [symbol(size) for name, size in value.bound if name not in there]
    summed = [_index(names[name]) for name, _ in value.bound if name in shown]
    powers: dict[str, int] = {}
    for factor in factors:
        entry = _entry(factor, names)
        powers[entry] = powers.get(entry, 0) + 1
    squares = [rf"\left\lVert {_entry(factor, names)} \right\rVert^{{2}}" for factor in norms]
    parts = [*sizes, *squares, *(entry if n == 1 else f"{_bracketed(entry)}^{{{n}}}" for entry, n in powers.items())]
    body = " ".join(parts)
    if summed:
        body = rf"\sum_{{{', '.join(summed)}}} {body}"
    if value.coefficient == 1 and body:
        return body
    if value.coefficient == -1 and body:
        return f"-{body}"
    return f"{number(value.coefficient)} {body}".strip()


def _norms(value: Monomial) -> tuple[list[Factor], list[Factor]]:
    """Factors whose squares are summed over indices of their own, which are dots then or left out at the end; and the
    other factors."""
    bound = {name for name, _ in value.bound}
    left = list(value.factors)
    norms: list[Factor] = []
    for factor in value.factors:
        elsewhere = [f for f in left if f != factor]
        kept = tuple(i if i not in bound or any(i in f.indices for f in elsewhere) else _DOT for i in factor.indices)
        if left.count(factor) == 2 and _DOT in kept and len(set(factor.indices)) == len(kept):
            left = elsewhere
            while kept and kept[-1] == _DOT:
                kept = kept[:-1]
            norms.append(dataclasses.replace(factor, indices=kept))
    return norms, left


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
            return quantity(name) or symbol(name)
        case Sum(parts):
            return _signed(scalar(part) for part in parts)
        case Times(parts):
            return _product(parts)
        case Power(Power(base, square), exponent) if square == 2 and exponent == Fraction(1, 2):
            return rf"\left|{scalar(base)}\right|"
        case Power(base, exponent) if exponent == Fraction(1, 2):
            return rf"\sqrt{{{scalar(base)}}}"
        case Power(base, exponent) if exponent < 0:
            return rf"\frac{{1}}{{{scalar(base if exponent == -1 else Power(base, -exponent))}}}"
        case Power(base, exponent):
            shown = scalar(base)
            simple = (isinstance(base, Variable) and "^" not in shown) or _absolute(base)
            return f"{shown if simple else _paren(shown)}^{{{exponent}}}"
        case Ln(argument):
            shown = scalar(argument)
            return rf"\ln {shown if isinstance(argument, Number | Variable) else _paren(shown)}"
        case Exp(Times(parts)) if sum(isinstance(part, Ln) for part in parts) == 1:
            (base,) = (part.argument for part in parts if isinstance(part, Ln))
            shown = scalar(base)
            exponent = _product(tuple(part for part in parts if not isinstance(part, Ln)))
            return rf"{shown if isinstance(base, Variable) and '^' not in shown else _paren(shown)}^{{{exponent}}}"
        case Exp(argument):
            shown = scalar(argument)
            return rf"e^{{{shown}}}" if len(shown) < 20 else rf"\exp {_paren(shown)}"
        case _:
            return text(str(value))


_QUANTITY = re.compile(
    r"([a-z ]+)\(([^ |)]+(?:\([^)]*\)[^ |)]*)?)(?:\|(\S+?))?"  # kind, block or leg, other block
    r"(?: at ([\d,]+))?(?: of ([\d/]+))?( at time 0)?\)"
)


@cache
def quantity(name: str) -> str:
    """The LaTeX of a quantity of a state, by the name of its atom; "" for any other name."""
    found = _QUANTITY.fullmatch(name)
    if found is None:
        return ""
    kind, of, other, at, exponent, early = found.groups()
    matrix = ("W" if of == "end" else symbol(of)) + ("(0)" if early else "")
    index = at.split(",") if at else []
    spectral = matrix if len(index) <= (kind == "singular value") else f"[{matrix}]_{{({index[-1]})}}"
    match kind:
        case "entry":
            return f"({matrix})_{{{', '.join(index)}}}"
        case "determinant":
            return rf"\det {matrix}"
        case "squared norm":
            return rf"\left\lVert {matrix}\right\rVert^{{2}}"
        case "slice":
            place = ", ".join([":"] * (int(index[0]) - 1) + [index[1], r"\ldots"])
            return rf"\left\lVert ({matrix})_{{{place}}}\right\rVert^{{2}}"
        case "component":
            return f"P_{{{index[0]}}}^{{2}}" + ("(0)" if early else "")
        case "gram gap":
            Y = symbol(other)
            return rf"\left\lVert {matrix}^{{\top}} {matrix} - {Y} {Y}^{{\top}}\right\rVert^{{2}}"
        case "unbalancedness":
            return r"\epsilon" + ("(0)" if early else "")
        case "singular value":
            return rf"\sigma_{{{index[0]}}}({spectral})"
        case "schatten":
            return rf"\left\lVert {spectral}\right\rVert_{{S_{{{exponent}}}}}"
        case "effective rank":
            return rf"\mathrm{{erank}}({spectral})"
        case "distance to rank":
            return rf"D({spectral}, \mathcal{{M}}_{{{exponent or 0}}})"
        case "rank":
            return rf"\mathrm{{rank}}({spectral})"
        case _:
            return ""


def _absolute(value: Any) -> bool:
    match value:
        case Power(Power(_, square), exponent):
            return square == 2 and exponent == Fraction(1, 2)
        case _:
            return False


def _paren(shown: str) -> str:
    return rf"\left({shown}\right)"


def _product(parts: tuple[Any, ...]) -> str:
    sign, above, below = "", list[Any](), list[Any]()
    for part in parts:
        if isinstance(part, Number) and part.value.numerator in (1, -1) and len(parts) > 1:
            sign = "-" if part.value < 0 else sign
            below += [Number(Fraction(part.value.denominator))] if part.value.denominator != 1 else []
        elif isinstance(part, Number) and part.value < 0:
            sign = "-"
            above.append(Number(-part.value))
        elif isinstance(part, Power) and part.exponent < 0:
            below.append(part.base if part.exponent == -1 else Power(part.base, -part.exponent))
        else:
            above.append(part)
    if not below:
        return sign + (_side_by_side(above) or "1")
    top, bottom = (scalar(side[0]) if len(side) == 1 else _side_by_side(side) for side in (above, below))
    return f"{sign}\\frac{{{top or '1'}}}{{{bottom}}}"


def _side_by_side(parts: list[Any]) -> str:
    shown = [_factor(part) for part in parts]
    return (r" \cdot " if shown and all(re.fullmatch(r"\d+", part) for part in shown[1:2]) else " ").join(shown)


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
    """A claim; one of an unknown kind is named with its fields, so that nothing is hidden.

    In a long one, expressions that occur again and again are named first (``A = ...``) and written once.
    """
    whole = _claim(value)
    if len(whole) < LONG:
        return whole
    if whole not in _SHORT:  # many controls, and the last steps of proofs, have the claim of their statement
        value, names = _abbreviated(value)
        where = r" ,\quad ".join(f"{symbol(name)} = {scalar(expression)}" for name, expression in names)
        _SHORT[whole] = rf"{_claim(value)} \qquad {text('with')} \; {where}" if names else whole
    return _SHORT[whole]


def lines(shown: str, width: int = 72) -> list[str]:
    """The LaTeX of a claim cut into lines: at every \\qquad (between claims), and at \\quad (inside of one) where a
    line would have more than about ``width`` letters. Cuts are outside of braces and brackets."""
    return list(_lines(shown, width))


@cache
def _lines(shown: str, width: int) -> tuple[str, ...]:
    if letters(shown) <= width // 2:
        return (shown,)
    made: list[str] = []
    for part in _cut(shown, r"\qquad"):
        line = ""
        for piece in _cut(part, r"\quad"):
            joined = rf"{line} \quad {piece}" if line else piece
            if line and letters(joined) > width:
                made.append(line)
                joined = piece
            line = joined
        made.append(line)
    return tuple(made)


def _cut(shown: str, at: str) -> list[str]:
    pieces, depth, start = list[str](), 0, 0
    for match in re.finditer(r"\\(?:left|right|begin|end|q?quad)(?![A-Za-z])|\\[{}]|[{}]", shown):
        token = match[0]
        if token == at and not depth:
            pieces.append(shown[start : match.start()].strip())
            start = match.end()
        depth += {"{": 1, "}": -1, r"\left": 1, r"\right": -1, r"\begin": 1, r"\end": -1}.get(token, 0)
    return [piece for piece in (*pieces, shown[start:].strip()) if piece]


@cache
def letters(shown: str) -> int:
    """About how many letters a reader sees in a formula."""
    return len(re.sub(r"\\(?:text|mathrm|operatorname|left|right|frac)\b|[{}_^\s]|\\(?=[A-Za-z])", "", shown))


LONG = 160  # characters of LaTeX from which a claim is abbreviated
_REPEATED = 40  # characters of an expression that is worth a name
_NAMES = "ABCDFHKMQSTUVXYZ"
_SHORT: dict[str, str] = {}  # a long claim as it is written out -> with names


def _abbreviated(value: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """The claim with its repeated long expressions named, the longest first, and what the names stand for."""
    taken = {e.name for e in _expressions(value) if isinstance(e, Variable)}
    free = [name for name in _NAMES if name not in taken and name.lower() not in taken]
    named: list[tuple[str, Any]] = []
    while free:
        held = [part for _, part in named]
        repeated = [e for e in _repeated((value, *held)) if _worth_a_name(e) and e not in held]
        if not repeated:
            break
        longest = max(repeated, key=lambda e: len(scalar(e)))
        name = free.pop(0)
        value = _replaced(value, longest, Variable(name))
        named = [(n, _replaced(part, longest, Variable(name))) for n, part in named]
        named.append((name, longest))
    return value, named


def _repeated(value: Any) -> list[Any]:
    """The scalar expressions that occur more than once in a noun, the outer ones first.

    Equal ones are told by their parts, each looked at once: to compare or hash expressions goes through all of them.
    """
    marks: dict[Any, object] = {}  # an expression by its type and the marks of its parts
    of: dict[int, object] = {}  # the mark of each place

    def mark(part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(mark, part))
        kind: type[Any] = type(part)
        if not _has_expressions(kind):
            return part
        key = (kind, *(mark(getattr(part, name)) for name in field_names(kind)))
        of[id(part)] = found = marks.setdefault(key, object())
        return found

    mark(value)
    seen: dict[object, list[Any]] = {}
    for expression in _expressions(value):
        seen.setdefault(of[id(expression)], []).append(expression)
    return [same[0] for same in seen.values() if len(same) > 1]


@cache
def _has_expressions(kind: type[Any]) -> bool:
    return dataclasses.is_dataclass(kind) and not issubclass(kind, Term | claims.Flow | claims.Descent)


def _worth_a_name(value: Any) -> bool:
    """Not what is written as a denominator or with a sign: their insides are."""
    match value:
        case Number() | Variable():
            return False
        case Power(_, exponent) if exponent < 0:
            return False
        case Times((Number(number_), *_)) if number_ < 0:
            return False
        case _:
            return len(scalar(value)) >= _REPEATED


def _expressions(value: Any) -> Iterator[Any]:
    """All scalar expressions anywhere in a noun, with repetitions."""
    if isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
    elif _has_expressions(type(value)):
        if isinstance(value, Expression):
            yield value
        for name in field_names(type(value)):
            yield from _expressions(getattr(value, name))


def _replaced(value: Any, old: Any, new: Any) -> Any:
    if type(value) is type(old) and value == old:
        return new
    if isinstance(value, tuple):
        items = tuple(_replaced(item, old, new) for item in value)
        return value if all(map(is_, items, value)) else items
    if not _has_expressions(type(value)):
        return value
    inner = {name: getattr(value, name) for name in field_names(type(value))}
    changed = {name: _replaced(item, old, new) for name, item in inner.items()}
    if all(changed[name] is item for name, item in inner.items()):
        return value
    if isinstance(value, Comparison):  # its sides no longer name its quantities: shown as a formula
        lhs, relation, rhs = changed["lhs"], value.relation, changed["rhs"]
        return claims.Identity(lhs, rhs) if relation == "=" else claims.Inequality(lhs, relation, rhs)
    return dataclasses.replace(value, **changed)


def _claim(value: Any) -> str:
    match value:
        case claims.Identity(lhs, rhs):
            return f"{side(lhs)} = {side(rhs)}"
        case claims.Inequality(Number(zero), relation, rhs) if zero == 0:
            return rf"{side(rhs)} {_REVERSED[relation]} 0"
        case claims.Inequality(lhs, relation, rhs):
            return rf"{side(lhs)} {_RELATIONS[relation]} {side(rhs)}"
        case Comparison(lhs, relation, rhs):
            return f"{scalar(lhs)} {_RELATIONS.get(relation, relation)} {scalar(rhs)}"
        case claims.AtEveryState(_, _, comparison):
            return rf"{_claim(comparison)} \quad \text{{at every state}}"
        case claims.AlongEveryFlow(_, _, _, comparison):
            return rf"{_claim(comparison)} \quad \text{{along every flow}}"
        case claims.TendsToEqual(_, _, _, comparison):
            return rf"{scalar(comparison.lhs)} \to {scalar(comparison.rhs)} \quad (t \to \infty, \text{{every flow}})"
        case claims.ProbabilityBetween(_, _, event, lower, upper):
            inner = rf"\Pr\left({_claim(event)}\right)"
            return (
                f"{inner} = {number(lower)}" if lower == upper else rf"{number(lower)} \le {inner} \le {number(upper)}"
            )
        case claims.AtStart(inner, _):
            return rf"{_claim(inner)} \quad {text('at')} \; t = 0"
        case claims.Always(inner, _):
            return rf"{_claim(inner)} \quad {text('at all times')}"
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
            return _claim(inner)
        case claims.Where((condition,), inner) if condition == inner:
            return rf"{text('suppose')} \; {_claim(inner)}"
        case claims.Where(conditions, inner):
            where = r" ,\; ".join(map(_claim, conditions))
            return rf"{_claim(inner)} \quad {text('where')} \; {where}"
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
        case claims.Fold():
            return _fold(value)
        case claims.ComponentNormRate():
            return _COMPONENT_NORM_RATE
        case claims.ComponentStaysZero():
            return r"P_r(t_0) = 0 \text{ for one } t_0 \implies w^{(n)}_r(t) = 0 \text{ for all } n, t"
        case claims.ComponentAlignment():
            return rf"\frac{{d}}{{dt}} \gamma_r \ge 0 \quad {_PARALLEL}"
        case claims.ZeroStays(quantity, _):
            return rf"{term(quantity)} = 0 \quad {text('at all times, or at none')}"
        case claims.Evolution():
            return _evolution(value)
        case claims.AlongComponents(_, order, roles, evolution):
            pairs = (rf"\left({symbol(norm)}, {symbol(gamma)}\right)" for norm, gamma in roles)
            read = rf"{text('along the flow, for balanced components of order')} \; {symbol(order)}"
            return rf"{read} , \; {text('read as')} \; {', '.join(pairs)} : \quad {_evolution(evolution)}"
        case claims.Throughout(_, comparison, start, end):
            when = rf"{number(start)} \le t \le {number(end)}" if start < end else f"t = {number(end)}"
            return rf"{_claim(comparison)} \quad {text('along the flow,')} \; {when}"
        case claims.FirstTime(_, comparison, earliest, latest):
            when = rf"{number(earliest)} \le t \le {number(latest)}"
            return rf"{_claim(comparison)} \quad {text('along the flow for the first time at')} \; {when}"
        case claims.CloseAfter(reached, _, distance, duration):
            shifted = rf"\left\| W \left(t_0 + t\right) - W' \left(t\right) \right\| \le {number(distance)}"
            event = rf"{_claim(reached.comparison)} \; {text('for the first time at')} \; t_0"
            between = rf"{number(reached.earliest)} \le t_0 \le {number(reached.latest)}"
            return rf"{shifted} , \; 0 \le t \le {number(duration)} , \quad {event} , \; {between}"
        case claims.Exactly(size, exact):
            return f"{symbol(size)} = {exact}"
        case claims.ReadAtStart(inner, reading):
            return rf"{_claim(inner)} \quad {text('at')} \; t = 0{_read(reading, inner)}"
        case claims.ReadAlways((), inner, reading):
            return rf"{_claim(inner)} \quad {text('at all times')}{_read(reading, inner)}"
        case claims.ReadAlways(conditions, inner, reading):
            where = r" ,\; ".join(map(_claim, conditions))
            shown = _read(reading, inner, *conditions)
            return rf"{_claim(inner)} \quad {text('at all times at which')} \; {where}{shown}"
        case claims.ReadConserved(expression, reading):
            return rf"\frac{{d}}{{dt}} \left[ {scalar(expression)} \right] = 0{_read(reading, expression)}"
        case claims.Definition(meaning):
            return text(meaning) if isinstance(meaning, str) else _part(meaning)
        case claims.InWords(words):
            return text(words)
        case claims.SymmetricGradient():
            smooth = text("the gradient is locally Lipschitz")
            return rf"W = W^{{\top}} \implies \nabla \mathcal{{L}}(W) = \nabla \mathcal{{L}}(W)^{{\top}} , \; {smooth}"
        case claims.EndMatrixRate(_, left, right, shift, whole):
            below = _combination((shift, 1, 0))
            powers = [rf"\frac{{{_combination(above)}}}{{{below}}}" for above in (left, right)]
            before, after = (
                rf"\left[{m}\right]^{{{e}}}" for m, e in zip((r"W W^{\top}", r"W^{\top} W"), powers, strict=True)
            )
            total = r"\sum_{l = 1}^{L}" if whole else r"\sum_{l = L}^{L}"
            return rf"\dot{{W}} = -{total} {before} \nabla \mathcal{{L}} {after}"
        case claims.SingularValueRate(_, (one, inverse), depth):
            exponent = _signed([str(one), number(inverse) + r" / L"])
            factor = "L " if depth else ""
            slope = r"\left\langle \nabla \mathcal{L}, u_r v_r^{\top} \right\rangle"
            return rf"\dot{{\sigma}}_r = -{factor}\left(\sigma_r^{{2}}\right)^{{{exponent}}} {slope}"
        case claims.AtTime(inner, _):
            return rf"{_claim(inner)} \quad {text('at that time')}"
        case claims.NormRate(square, relation, rate, _, factor):
            weight = "" if factor == constant(1) else rf"{term(factor)} \, "
            return rf"{weight}\frac{{d}}{{dt}} {_root(square)} {_BOUNDS[relation]} {term(rate)}"
        case claims.Iteration():
            return _iteration(value)
        case claims.RestProduct(product, factor, _):
            return rf"{term(product)} = \prod_{{n \ne m}} \left({term(factor)}\right)^{{(n)}}"
        case claims.LastFactor(letter, _):
            return rf"{symbol(letter.name)} \; {text('is the last factor')}"
        case claims.LargestConserved(laws):
            sizes = r" ,\, ".join(rf"\left| {term(law.quantity)} \right|" for law in laws)
            return rf"\frac{{d}}{{dt}} \max \left\{{ {sizes} \right\}} = 0"
        case claims.SameSingularValues(left, right):
            return rf"\sigma\left({_of_matrix(left)}\right) = \sigma\left({_of_matrix(right)}\right)"
        case claims.SquaredSingularValues(matrix, values):
            return rf"\sigma^{{2}}\left({_of_matrix(matrix)}\right) = \left\{{ {term(values)} \right\}}"
        case claims.RankAtMost(left, right):
            return rf"\operatorname{{rank}} {_of_matrix(left)} \le \operatorname{{rank}} {_of_matrix(right)}"
        case claims.RankAtMostRows(matrix, equal):
            rows = text("number of its nonzero rows")
            return rf"\operatorname{{rank}} {_of_matrix(matrix)} {'=' if equal else chr(92) + 'le'} {rows}"
        case claims.RankIsCount(matrix, values):
            return rf"\operatorname{{rank}} {_of_matrix(matrix)} = \# \left\{{ {term(values)} \ne 0 \right\}}"
        case claims.Matricization():
            return _matricization(value)
        case claims.TuckerNorm(omitted, unfolded):
            core = r"\left\lVert \left[G\right]_{(1)} \right\rVert_{2}" if unfolded else r"\left\lVert G \right\rVert"
            last = f"N - {omitted}" if omitted else "N"
            product = rf"\prod_{{n = 1}}^{{{last}}} \left\lVert V^{{(n)}} \right\rVert_{{2}}"
            return rf"\left\lVert {_TUCKER_PRODUCT} \right\rVert \le {core} {product}"
        case claims.HigherOrderSVD(superdiagonal):
            kind = "superdiagonal" if superdiagonal else "all-orthogonal, with ordered slices"
            core = text(f"orthogonal factors, core {kind}")
            return rf"T = C \times_{{1}} U^{{(1)}} \cdots \times_{{N}} U^{{(N)}} \quad {core}"
        case claims.All():
            return r" ,\qquad ".join(dict.fromkeys(map(_claim, _conjuncts(value))))
        case LawCount(model, least, most):
            number_of = rf"{text('exactly')} \; {least}" if least == most else rf"{least} \; {text('to')} \; {most}"
            told = text("independent functions are conserved near almost every point")
            return rf"{number_of} \; {told} \quad {_end_tensors(model)}"
        case LawSpace(model, degree, dimension):
            told = text(f"the conserved polynomials of degree 1 to {degree} are a space of dimension {dimension}")
            return rf"{told} \quad {_end_tensors(model)}"
        case _:
            return _any(value)


def _conjuncts(value: Any) -> Iterator[Any]:
    if isinstance(value, claims.All):
        for part in value.claims:
            yield from _conjuncts(part)
    else:
        yield value


def _root(square: Term) -> str:
    """The root of a term; a norm, where the term is a squared norm."""
    shown = term(square)
    norm = re.fullmatch(r"(\\left\\lVert (?:(?!\\right\\rVert).)* \\right\\rVert)\^\{2\}", shown)
    return norm[1] if norm else rf"\sqrt{{{shown}}}"


_COMPONENT_NORM_RATE = (
    r"\frac{d}{dt} P_r = \gamma_r \sum_{n} \prod_{m \ne n} \left\lVert w^{(m)}_r \right\rVert^{2} \quad "
    r"\text{where} \; P_r = \prod_{n} \left\lVert w^{(n)}_r \right\rVert > 0 ,\quad "
    r"\gamma_r = \frac{\left\langle -\nabla L , \; \bigotimes_{n} w^{(n)}_r \right\rangle}{P_r}"
)


_SHOWN = 3  # end tensors of a map that are written out


def _end_tensors(model: ParameterMap) -> str:
    """The end tensors whose losses move the parameters, and the shapes of the blocks."""
    several = len(model.components) > 1
    names = (f"Φ[{k}]" if several else "Φ" for k in range(1, _SHOWN + 1))
    shown = [_end_tensor(name, component) for name, component in zip(names, model.components, strict=False)]
    if len(model.components) > _SHOWN:
        shown.append(r"\ldots")
    for name, shape in model.blocks:
        sizes = r" \times ".join(str(size) for size in shape)
        shown.append(rf"{symbol(name)} \in \mathbb{{R}}^{{{sizes}}}" if shape else rf"{symbol(name)} \in \mathbb{{R}}")
    return r" ,\quad ".join(shown)


def _end_tensor(name: str, component: Component) -> str:
    pieces: list[str] = []
    for one in component.terms:
        legs = dict.fromkeys(s for _, subscripts in one.factors for s in subscripts if isinstance(s, str))
        summed = ", ".join(_leg(leg) for leg in legs if leg not in component.output)
        body = " ".join(_subscripted(factor, subscripts) for factor, subscripts in one.factors)
        body = rf"\sum_{{{summed}}} {body}" if summed else body
        sign = "-" if one.coefficient == -1 else "" if one.coefficient == 1 else number(one.coefficient)
        pieces.append(f"{sign} {body}".strip() if len(sign) > 1 else sign + body)
    return f"{_subscripted(name, component.output)} = {_signed(pieces)}"


def _subscripted(name: str, subscripts: tuple[str | int, ...]) -> str:
    below = " ".join(str(s + 1) if isinstance(s, int) else _leg(s) for s in subscripts)
    return f"{_stem(symbol(name))}_{{{below}}}" if below else symbol(name)


def _leg(name: str) -> str:
    """A leg; inner ones of a chain are written "a()1" in the definition."""
    return _index(name.replace("()", "").replace("(", "").replace(")", ""))


_PARALLEL = (
    r"\text{while } \nabla L \text{ is constant, where } "
    r"\gamma_r = \frac{\left\langle -\nabla L , \; \bigotimes_{n} w^{(n)}_r \right\rangle}{P_r} , \; P_r > 0"
)


def _evolution(value: claims.Evolution) -> str:
    shown = [_claim(inner) for inner in value.claims]
    rates = [rf"\frac{{d}}{{d{symbol(value.time)}}} {symbol(name)} = {scalar(rate)}" for name, rate in value.rates]
    where = rf" \quad {text('as long as')} \; " if rates or value.conditions else ""
    return r" ,\quad ".join(shown) + where + r" ,\; ".join([*rates, *map(_claim, value.conditions)])


def _fold(value: claims.Fold) -> str:
    member, size = symbol(value.member), symbol(value.count)
    shown = [_claim(inner) for inner in value.claims]
    conditions = r" ,\; ".join(_claim(c) for c in value.conditions)
    members = rf"{text('for every')} \; {size} \ge 1 , \; {member}_1 , \ldots , {member}_{{{size}}}"
    which = (
        rf"{members} \; {text('of which each')} \; {member} \; {text('has')} \; {conditions}" if conditions else members
    )
    names, starts, updates = zip(*value.state, strict=True) if value.state else ((), (), ())
    state = ", ".join(map(symbol, names))
    start = rf"\left( {state} \right) = \left( {', '.join(map(scalar, starts))} \right) \; {text('at the first one')}"
    update = rf"\left( {state} \right) \mapsto \left( {', '.join(map(scalar, updates))} \right)"
    made = [rf"{start} ,\quad {update} \; {text('at each further one')}"] if names else []
    return r" ,\qquad ".join([rf"{which} :", *shown, *made]).replace(": ,", ":", 1)


def _read(reading: claims.Reading, *spoken: Any) -> str:
    """What the variables that occur stand for."""
    names = {one.name for one in nouns(spoken) if isinstance(one, Variable)}
    pieces: list[str] = []
    for name, meaning in reading.meanings:
        if isinstance(meaning, claims.Entry):
            shown = rf"W_{{{' '.join(map(str, meaning.index))}}}"
        else:
            shown = r"\det W" if isinstance(meaning, claims.Determinant) else term(meaning)
        pieces += [f"{symbol(name)} = {shown}"] if name in names else []
    listed = r" ,\; ".join(pieces)
    return rf" ,\; {text('with')} \; {listed}" if pieces else ""


def _combination(coefficients: tuple[int, int, int]) -> str:
    """A combination of 1, L and l."""
    constant, by_depth, by_layer = coefficients
    pieces = [f"{'' if c == 1 else '-' if c == -1 else c}{name}" for c, name in ((by_depth, "L"), (by_layer, "l")) if c]
    return _signed([*pieces, *([str(constant)] if constant else [])]) or "0"


_BOUNDS = {"=": "=", "<=": r"\le", ">=": r"\ge"}
_TUCKER_PRODUCT = r"G \times_{1} V^{(1)} \cdots \times_{N} V^{(N)}"


def _iteration(value: claims.Iteration) -> str:
    """The power, where an update multiplies by one letter; else start and update."""
    state = value.letter[value.legs]
    shown, size = symbol(value.letter.name), symbol(value.size)
    return (
        rf"{shown} : \quad {term(state)} \leftarrow {term(value.update)} \quad "
        rf"{text('from')} \; {term(value.start)} ,\; {size} \; {text('times')}"
    )


def _of_matrix(value: claims.Matrix) -> str:
    """A matrix by its entries."""
    return rf"\left({term(value.entries)}\right)_{{{_index(value.row)} {_index(value.column)}}}"


def _matricization(value: claims.Matricization) -> str:
    up = value.kronecker == "increasing"
    where = text(f"columns: {value.columns}")
    if value.formula == "pairing":
        others = r"w^{1} \odot \cdots \odot w^{N}" if up else r"w^{N} \odot \cdots \odot w^{1}"
        inner = rf"\left\langle \left[A\right]_{{(n)}} \left({others}\right)_{{\ne n}}, w^{{n}} \right\rangle"
        whole = r"\left\langle A, w^{1} \otimes \cdots \otimes w^{N} \right\rangle"
        return rf"{whole} = {inner} \quad {where}"
    others = r"V^{(1)} \odot \cdots \odot V^{(N)}" if up else r"V^{(N)} \odot \cdots \odot V^{(1)}"
    product = rf"V^{{(n)}} \left[G\right]_{{(n)}} \left({others}\right)_{{\ne n}}^{{\top}}"
    return rf"\left[W\right]_{{(n)}} = {product} \quad {where}"


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
    if isinstance(value, Tensor):
        return symbol(value.name)
    if isinstance(value, tuple):
        return rf"\left( {', '.join(map(_any, value))} \right)"
    if isinstance(value, Array):
        return text(f"array of shape {value.shape}")
    if dataclasses.is_dataclass(value):
        if type(value).__name__ in ("Flow", "Descent", "Parameterization", "Focus"):
            return text(getattr(value, "name", type(value).__name__.lower()))
        parts = [rf"{text(f.name)} = {_part(getattr(value, f.name))}" for f in dataclasses.fields(value)]
        return rf"{text(type(value).__name__)} \left( {', '.join(parts)} \right)"
    return text(str(value))


def _part(value: Any) -> str:
    known = getattr(claims, type(value).__name__, None)
    return _claim(value) if known is type(value) and type(value).__name__ not in ("Flow", "Descent") else _any(value)


# -- losses ----------------------------------------------------------------------------------------------------------

_WRITTEN_OUT = 6  # measurements of a loss that are written out


def loss(value: MeasuredLoss) -> str:
    """A loss of the end tensor W: its residuals squared, where its slope is that of a square; else with the slope."""
    slope = value.slope.pieces
    square = not value.slope.breaks and len(slope[0]) == 2 and slope[0][0] == 0
    factor = value.weight * slope[0][1] / 2 if square else value.weight
    residuals = [_residual(measurement) for measurement in value.measurements[:_WRITTEN_OUT]]
    if len(residuals) < len(value.measurements):
        name, many = r"\left\langle A_{k}, W \right\rangle - y_{k}", len(value.measurements)
        shown = rf"\sum_{{k = 1}}^{{{many}}} " + (
            rf"\left({name}\right)^{{2}}" if square else rf"\ell \left({name}\right)"
        )
    else:
        shown = _signed(rf"{_bracketed(r)}^{{2}}" if square else rf"\ell \left({r}\right)" for r in residuals)
    several = len(value.measurements) > 1 and len(residuals) == len(value.measurements) and factor != 1
    weight = "" if factor == 1 else f"{number(factor)} "
    whole = rf"\mathcal{{L}}(W) = {weight}{_paren(shown) if several else shown}"
    if square:
        return whole
    edges = (None, *value.slope.breaks, None)
    pieces = [
        rf"{_polynomial(piece)} \; {text('for')} \; z \in {_interval(low, high)}"
        for piece, low, high in zip(slope, edges, edges[1:], strict=False)
    ]
    joined = r" ,\; ".join(pieces)
    return rf"{whole} \quad {text('with')} \; \ell'(z) = {joined}"


def _residual(measurement: Measurement) -> str:
    entries = [
        ("" if c == 1 else "-" if c == -1 else f"{number(c)} ") + f"W_{{{' '.join(str(k + 1) for k in index)}}}"
        for index, c in measurement.entries
    ]
    return _signed([*entries, *([number(-measurement.target)] if measurement.target else [])]) or "0"


def _polynomial(coefficients: tuple[Fraction, ...]) -> str:
    powers = ("", "z", *(f"z^{{{k}}}" for k in range(2, len(coefficients))))
    return (
        _signed(
            power if c == 1 and power else f"-{power}" if c == -1 and power else f"{number(c)} {power}".strip()
            for c, power in zip(coefficients, powers, strict=False)
            if c
        )
        or "0"
    )


# -- derivations -----------------------------------------------------------------------------------------------------


def steps(statement: Statement, derivation: Derivation, library: Mapping[str, Statement]) -> list[dict[str, Any]]:
    """The steps of a derivation for readers: text, rule, premises, what the kernel concludes, and the steps inside.

    library: the statements that may be cited, by digest. Raises `KernelError` where a step does not hold.
    """
    results, _ = conclude(Context(statement, library), derivation)
    return [
        {
            "text": step.text,
            "latex": claim(result),
            "rule": step.rule,
            "checked_by": "theorytest.kernel",
            "premises": list(step.premises),
            "inner": _inner(step),
        }
        for step, result in zip(derivation.steps, results, strict=True)
    ]


def _inner(step: Step) -> list[dict[str, Any]]:
    """The steps of the derivations inside a step; what each concludes is known where its data say so."""
    shown: list[dict[str, Any]] = []
    for inside in (piece for data in step.data if isinstance(data, Derivation) for piece in data.steps):
        if inside.rule == "combination" and inside.data:
            conclusion = claim(inside.data[0])
        elif inside.rule == "identity" and len(inside.data) == 2:
            conclusion = f"{side(inside.data[0])} = {side(inside.data[1])}"
        else:
            conclusion = ""
        shown.append({"text": inside.text, "latex": conclusion, "rule": inside.rule, "inner": _inner(inside)})
    return shown
