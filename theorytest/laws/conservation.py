"""All conservation laws of a model: counted, exhibited, proved, and printed in the names of its blocks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from theorytest.errors import InputError
from theorytest.kernel.claim import Conserved, Flow
from theorytest.kernel.encoding import decode, encode
from theorytest.kernel.errors import KernelError
from theorytest.kernel.parameterization import Block, Chain, Each, Focus, Parameterization, Product
from theorytest.kernel.rank import (
    Evaluator,
    GramLaw,
    GramPart,
    LawCount,
    LawCountCertificate,
    LawSpace,
    LawSpaceCertificate,
    ParameterMap,
    PolynomialLaw,
    check_count,
    check_space,
    entries,
)
from theorytest.kernel.terms import Term
from theorytest.laws.count import Count, count_laws
from theorytest.laws.families import gram_laws
from theorytest.laws.space import Space, TooLargeError, law_space, needed_families
from theorytest.laws.subject import Subject, subject

LISTED = 40  # terms of a polynomial that is printed in full


@dataclass(frozen=True)
class FoundLaw:
    """One law, or a family of laws with a common form.

    text and latex: in the names of the model's blocks; count: how many polynomials it stands for, and rank: how many
    dimensions it adds to those listed before; law: the kernel's noun, an exact identity; general: claims for all sizes
    that the kernel has proved, whose instance the law is (empty: proved at these sizes).
    """

    text: str
    latex: str
    count: int
    rank: int
    law: GramLaw | PolynomialLaw
    general: tuple[Conserved, ...] = ()

    @property
    def scope(self) -> str:
        """For which sizes the kernel has proved it."""
        return "all sizes" if self.general else "these sizes"


@dataclass(frozen=True)
class ConservationLaws:
    """The answer to `conservation_laws`.

    parameters: number D; independent_laws: how many functions that every gradient flow conserves are independent near
    almost every point (D minus the generic dimension of the Lie algebra of the gradient fields);
    independent_polynomial_laws: how many of the polynomials found up to ``degree`` are; dimension: of the space of
    these polynomials, and ``complete`` if it is proved that there are no others; laws: what spans that space,
    recognised families first; certificate: "exact" where brackets and laws prove the count from both sides, "one-sided"
    where it is only proved that there are at most ``independent_laws`` and at least ``independent_polynomial_laws``;
    then ``error_probability`` bounds the chance that the former is too large (if the prime is good for the model).
    dependent: how many polynomials of degree above 2 are in the space but not listed, since they are functions of those
    listed (products, say); skipped: why the space was not searched, or "".
    """

    name: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    parameters: int
    degree: int
    independent_laws: int
    independent_polynomial_laws: int
    dimension: int | None
    complete: bool
    laws: tuple[FoundLaw, ...]
    certificate: str
    error_probability: Fraction
    count: Count
    space: Space | None
    skipped: str
    dependent: int
    seconds: float

    @property
    def gap(self) -> int:
        """How many independent laws the polynomials found do not account for."""
        return self.independent_laws - self.independent_polynomial_laws

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `theorytest laws --json` writes it."""
        return {
            "name": self.name,
            "parameters": self.parameters,
            "degree": self.degree,
            "independent_laws": self.independent_laws,
            "independent_polynomial_laws": self.independent_polynomial_laws,
            "gap": self.gap,
            "certificate": self.certificate,
            "error_probability": float(self.error_probability),
            "polynomial_laws": self.dimension,
            "complete": self.complete,
            "bracket_ranks": list(self.count.ranks),
            "laws": [
                {"text": f.text, "latex": f.latex, "count": f.count, "adds": f.rank, "proved_for": f.scope}
                for f in self.laws
            ],
            "seconds": round(self.seconds, 4),
            "kernel": {name: [encode(noun) for noun in pair] for name, pair in self.certificates.items()},
        }

    @property
    def certificates(self) -> dict[str, tuple[Any, Any]]:
        """Claims with their certificates: "count", and "space" where it is complete."""
        pairs: dict[str, tuple[Any, Any]] = {"count": (self.count.claim, self.count.certificate)}
        if self.space is not None and self.space.claim is not None:
            pairs["space"] = (self.space.claim, self.space.certificate)
        return pairs

    def __str__(self) -> str:
        lines = [f"{self.name}: {many(self.parameters, 'parameter')}, {self.headline}"]
        lines += [f"  {law.text}   [{law.rank}, {law.scope}]" for law in self.laws]
        return "\n".join([*lines, *(f"  {text}" for text in self.notes)])

    @property
    def headline(self) -> str:
        """The two counts, in words."""
        sure = "exactly" if self.certificate == "exact" else "at most"
        return f"{sure} {many(self.independent_laws, 'independent law')}"

    @property
    def notes(self) -> list[str]:
        """What is known beyond the laws, one line each."""
        lines: list[str] = []
        few, all_laws = self.independent_polynomial_laws, self.independent_laws
        if self.gap:
            lines.append(
                f"gap {self.gap}: {few} of {all_laws} independent laws are polynomials of degree up to {self.degree}; "
                "the others are not exhibited"
            )
        if self.certificate == "one-sided":
            lines.append(
                f"one-sided: at most {all_laws} and at least {few} are proved; that there are {all_laws} is wrong with "
                f"probability below {_power(self.error_probability)}"
            )
        if self.dimension is not None:
            end = "and no other" if self.complete else "perhaps others"
            lines.append(
                f"polynomials of degree up to {self.degree}: a space of dimension {self.dimension}, {end}"
                + (" (proved)" if self.complete else "")
            )
        if self.dependent:
            lines.append(f"{self.dependent} more of them are functions of those listed (products, say)")
        if self.skipped:
            lines.append(f"other polynomials than those listed were not searched for: {self.skipped}")
        return lines

    def _repr_latex_(self) -> str:
        rows = [rf"\text{{{self.name}: }} \text{{{many(self.parameters, 'parameter')}, {self.headline}}} \\"]
        rows += [rf"{law.latex} && \text{{({law.rank}, {law.scope})}} \\" for law in self.laws]
        if self.gap:
            rows.append(rf"\text{{gap {self.gap}}}")
        return "$$\\begin{aligned}\n" + "\n".join(f"&{row}" for row in rows) + "\n\\end{aligned}$$"


def conservation_laws(
    parameterization: Any,
    sizes: Mapping[str, Any] | None = None,
    *,
    degree: int = 2,
    seed: int = 0,
    general: bool = True,
) -> ConservationLaws:
    """All that gradient flow conserves, for every differentiable loss of the end tensor.

    parameterization: a `Parameterization` with ``sizes`` (symbol -> size), a `Model`, a written-out `Concrete`, a
    `ParameterMap`, a Python function of named blocks (``sizes``: block -> shape), or a SPEC such as "relu:3,5,3+bias".
    degree: the greatest degree of polynomial laws; seed: of primes, points and directions, which decide nothing
    but how long it takes; general: also prove recognised laws for all sizes. Everything but the word "one-sided" is
    exact and checked by the kernel (`theorytest.kernel.rank`). Raises `InputError` where the model is too large, or is
    not a polynomial.

    >>> print(conservation_laws("cp:dims=2x3x2,rank=2"))
    CP factorization: 14 parameters, exactly 4 independent laws
      ||w[1][r,:]||^2 - ||w[2][r,:]||^2   (every r)   [2, all sizes]
      ||w[1][r,:]||^2 - ||w[3][r,:]||^2   (every r)   [2, all sizes]
      polynomials of degree up to 2: a space of dimension 4, and no other (proved)
    """
    start = time.perf_counter()
    if type(degree) is not int or degree < 1:
        raise InputError(f"given degree {degree!r}, needed a positive integer")
    asked = subject(parameterization, sizes)
    families = gram_laws(asked.map)
    try:
        space = law_space(asked.map, families, degree, seed=seed)
        kept, rest, skipped = space.families, space.others, ""
    except TooLargeError as error:
        kept, rest, space, skipped = needed_families(asked.map, families), (), None, str(error)
    count = count_laws(asked.map, (*(law for law, _ in kept), *rest), seed=seed)
    found = [_family(asked, law, rank, general) for law, rank in kept]
    shown = _worth_showing(count, [law for law, _ in kept], rest)
    others = [_polynomial(asked.map, law) for law in shown]
    return ConservationLaws(
        asked.name,
        asked.map.blocks,
        asked.map.parameters,
        degree,
        count.claim.at_most,
        count.polynomial,
        None if space is None else space.dimension,
        space is not None and space.claim is not None,
        (*found, *others),
        "exact" if count.exact else "one-sided",
        count.error,
        count,
        space,
        skipped,
        len(rest) - len(shown),
        time.perf_counter() - start,
    )


def recheck_laws(data: Any) -> None:
    """Check again, with the kernel alone, the claims that `ConservationLaws.to_json` wrote; `KernelError` where one
    does not hold, or the counts written beside them are not what they say."""
    claim, certificate = map(decode, data["kernel"]["count"])
    if not isinstance(claim, LawCount) or not isinstance(certificate, LawCountCertificate):
        raise KernelError("no count of laws with its certificate")
    check_count(claim, certificate)
    if claim.at_most != data["independent_laws"] or claim.map.parameters != data["parameters"]:
        raise KernelError("the counts are not those of the claim")
    if (claim.at_least == claim.at_most) != (data["certificate"] == "exact"):
        raise KernelError("the count is not exact, or is and is said not to be")
    if "space" in data["kernel"]:
        space, proof = map(decode, data["kernel"]["space"])
        if not isinstance(space, LawSpace) or not isinstance(proof, LawSpaceCertificate) or space.map != claim.map:
            raise KernelError("no space of laws of the same model with its certificate")
        check_space(space, proof)
        if (space.degree, space.dimension) != (data["degree"], data["polynomial_laws"]):
            raise KernelError("the dimension is not that of the claim")
    elif data["complete"]:
        raise KernelError("nothing proves that there are no other polynomials")


def _worth_showing(count: Count, families: list[GramLaw], rest: tuple[PolynomialLaw, ...]) -> list[PolynomialLaw]:
    """The polynomials of degree up to 2, and those of higher degree whose gradients are independent of all before."""
    low = [law for law in rest if all(len(monomial) <= 2 for _, monomial in law.terms)]
    high = [law for law in rest if law not in low]
    if not high:
        return low
    map, certificate = count.claim.map, count.certificate
    evaluator = Evaluator(map, certificate.prime)
    rows = [evaluator.slope(one, certificate.point) for law in (*families, *low) for one in entries(map, law)]
    rank = evaluator.rank(rows)
    kept: list[PolynomialLaw] = []
    for law in sorted(high, key=lambda law: len(law.terms)):
        if rank == count.polynomial:
            break
        rows.append(evaluator.slope(law, certificate.point))
        if evaluator.rank(rows) > rank:
            rank += 1
            kept.append(law)
    return [*low, *kept]


# -- names ------------------------------------------------------------------------------------------------------------


def _legs(map: ParameterMap, block: str) -> tuple[str, ...]:
    """The legs of a block's first factor; axes with fixed entries are counted."""
    for component in map.components:
        for term in component.terms:
            for name, subscripts in term.factors:
                if name == block and all(isinstance(s, str) for s in subscripts):
                    return tuple(map_name(str(s)) for s in subscripts)
    shape = dict(map.blocks)[block]
    return tuple("ijklmnopq"[axis % 9] for axis in range(len(shape)))


def map_name(leg: str) -> str:
    """A leg for people: inner legs of a chain are written "a()1" or "i[n](2)1" in the definition."""
    return leg.replace("()", "").replace("(", "").replace(")", ".")


def _gram_text(map: ParameterMap, part: GramPart) -> str:
    from theorytest.derive.laws import Gram

    legs = _distinct(_legs(map, part.block))
    return str(Gram(part.block, legs, tuple(legs[a] for a in part.batch), tuple(legs[a] for a in part.matrix)))


def _distinct(legs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(leg if legs.index(leg) == k else f"{leg}'" for k, leg in enumerate(legs))


def _gram_latex(map: ParameterMap, part: GramPart) -> str:
    legs = _distinct(_legs(map, part.block))
    stem, _, tail = part.block.partition("[")
    index = tail.rstrip("]")
    name = (stem if len(stem) == 1 else rf"\mathrm{{{stem}}}") + (f"^{{({index})}}" if index else "")
    at = [legs[a] if a in part.batch else r"\cdot" for a in range(len(legs))]
    block = f"{name}_{{{','.join(at)}}}" if part.batch else name
    if not part.matrix:
        return rf"\left\|{block}\right\|^2"
    rest = [a for a in range(len(legs)) if a not in part.batch]
    held = rf"\left({block}\right)" if "^" in block or "_" in block else block
    if len(rest) == 2 and len(part.matrix) == 1:
        return rf"{held}{held}^\top" if rest[0] == part.matrix[0] else rf"{held}^\top {held}"
    if rest == list(part.matrix):
        return rf"{held}{held}^\top"
    over = ",".join(legs[a] for a in part.matrix)
    return rf"{held}_{{({over})}}{held}_{{({over})}}^\top"


def _sum(pieces: list[tuple[Fraction, str]], *, latex: bool = False) -> str:
    text = ""
    for c, what in pieces:
        size = abs(c)
        number = (
            ""
            if size == 1
            else (rf"\tfrac{{{size.numerator}}}{{{size.denominator}}}" if latex and size.denominator > 1 else f"{size}")
        )
        shown = f"{number} {what}" if number and not latex else f"{number}{what}"
        text += f" {'-' if c < 0 else '+'} {shown}"
    return text[3:] if text.startswith(" + ") else "-" + text[3:] if text else "0"


def _family(asked: Subject, law: GramLaw, rank: int, general: bool) -> FoundLaw:
    map = asked.map
    parts = [(part.coefficient, part) for part in law.parts]
    text = _sum([(c, _gram_text(map, part)) for c, part in parts])
    latex = _sum([(c, _gram_latex(map, part)) for c, part in parts], latex=True)
    first = law.parts[0]
    if first.batch:
        legs = _distinct(_legs(map, first.block))
        over = ", ".join(legs[a] for a in first.batch)
        text += f"   (every {over})"
        latex += rf"\quad\text{{(every ${over}$)}}"
    claims = _general(asked, law) if general else ()
    return FoundLaw(text, latex, sum(1 for _ in entries(map, law)), rank, law, claims)


def _polynomial(map: ParameterMap, law: PolynomialLaw) -> FoundLaw:
    names: list[tuple[str, str]] = []
    for block, shape in map.blocks:
        stem, _, tail = block.partition("[")
        number = tail.rstrip("]")
        for index in product(*map_ranges(shape)):
            at = ",".join(str(i + 1) for i in index)
            low = f"_{{{at}}}" if at else ""
            high = f"^{{({number})}}" if number else ""
            names.append(
                (f"{block}({at})" if at else block, (stem if len(stem) == 1 else rf"\mathrm{{{stem}}}") + low + high)
            )
    pieces: list[tuple[Fraction, str]] = []
    typeset: list[tuple[Fraction, str]] = []
    for c, monomial in law.terms[:LISTED]:
        powers = {number: monomial.count(number) for number in monomial}
        plain, tex = [], []
        for number, power in powers.items():
            name, symbol = names[number]
            plain.append(name + (f"^{power}" if power > 1 else ""))
            tex.append(
                (rf"\left({symbol}\right)" if power > 1 and "^" in symbol else symbol)
                + (f"^{{{power}}}" if power > 1 else "")
            )
        pieces.append((c, " ".join(plain)))
        typeset.append((c, " ".join(tex)))
    more = len(law.terms) - LISTED
    end = (f" + ... ({more} more terms)", r" + \cdots") if more > 0 else ("", "")
    return FoundLaw(_sum(pieces) + end[0], _sum(typeset, latex=True) + end[1], 1, 1, law)


def map_ranges(shape: tuple[int, ...]) -> list[range]:
    """The indices of every axis."""
    return [range(size) for size in shape]


def many(count: int, what: str) -> str:
    """A count of things, in words: "1 block", "2 blocks"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _power(value: Fraction) -> str:
    """An upper bound that is a power of ten."""
    exponent = 0
    while exponent < 40 and value * 10 ** (exponent + 1) < 1:
        exponent += 1
    return f"1e-{exponent}" if exponent else "1"


# -- for all sizes ----------------------------------------------------------------------------------------------------


def _general(asked: Subject, law: GramLaw) -> tuple[Conserved, ...]:
    """Claims for all sizes, each proved by the kernel, from which the law follows; none where there is no such reading.

    First the claim about the user's own family of models; where it cannot be stated there (several components, the last
    matrix of a chain), the lemma about two factors and the rest, of which every term of the map is an instance.
    """
    holding = [
        (component, definition)
        for component, definition in zip(asked.map.components, asked.general, strict=True)
        if {part.block for part in law.parts} & {name for term in component.terms for name, _ in term.factors}
    ]
    few = len(law.parts) in (1, 2)
    definition = holding[0][1] if few and len(holding) == 1 else None
    if definition is not None:
        held = {name: subscripts for term in holding[0][0].terms for name, subscripts in term.factors}
        claim = _claim(definition, list(law.parts), held)
        if claim is not None and _proved(claim):
            return (claim,)
    for component in asked.map.components:
        for term in component.terms:
            names = [name for name, _ in term.factors]
            parts = [part for part in law.parts if part.block in names]
            repeated = any(names.count(part.block) > 1 for part in parts)
            if repeated or len(parts) not in (0, 2) or any(abs(part.coefficient) != 1 for part in parts):
                return ()
            if any(norm.name in names and norm.block in names for norm in asked.map.norms):
                return ()
    claim = two_factors(matrix=any(part.matrix for part in law.parts))
    return (claim,) if _proved(claim) else ()


def two_factors(*, matrix: bool) -> Conserved:
    """The lemma behind every law of two factors: sum over b, m, x, y of X[b, m, x] Y[b, m, y] R[b, x, y, o], where R is
    the rest of the model, conserves X X^T - Y Y^T on the leg m that joins only X and Y, for every b (``matrix``), or
    ||X[b]||^2 - ||Y[b]||^2 (then x and y stand for what the factors hold beside b, joined or not)."""
    legs = (("b", "B"), ("m", "M"), ("x", "P"), ("y", "Q"), ("o", "O"))
    inner: tuple[str, ...] = ("b", "m") if matrix else ("b",)
    rest = Block("R", (), ("b", "x", "y", "o"))
    body = Product((Block("X", (), (*inner, "x")), Block("Y", (), (*inner, "y")), rest))
    used = tuple(pair for pair in legs if matrix or pair[0] != "m")
    model = Parameterization("two factors and the rest", body, ("o",), used, "all sizes")
    flow = Flow(model, Focus())
    letters = model.letters(flow.focus)
    grams: list[Term] = []
    for name in ("X", "Y"):
        if matrix:
            grams.append((letters[name]["b", "i", "_x"] * letters[name]["b", "j", "_x"]).sum("_x"))
        else:
            grams.append((letters[name]["b", "_x"] * letters[name]["b", "_x"]).sum("_x"))
    return Conserved(grams[0] - grams[1], flow)


def _claim(definition: Parameterization, parts: list[GramPart], held: Mapping[str, Any]) -> Conserved | None:
    from theorytest.derive.laws import Gram, Law, for_all_sizes

    known = _blocks(definition.body)
    grams: list[Gram] = []
    for part in parts:
        legs = held[part.block]
        name = part.block if part.block.partition("[")[0] in known else part.block.replace("[", "").replace("]", "")
        grams.append(Gram(name, legs, tuple(legs[a] for a in part.batch), tuple(legs[a] for a in part.matrix)))
    right = grams[1] if len(grams) == 2 else None
    ratio = -parts[1].coefficient / parts[0].coefficient if right is not None else Fraction(0)
    try:
        return for_all_sizes(Law(grams[0], right, ratio, (), 0), definition)
    except InputError:
        return None


def _blocks(node: Any) -> set[str]:
    if isinstance(node, Block):
        return {node.name}
    if isinstance(node, (Chain, Each)):
        return _blocks(node.body)
    return set().union(*(_blocks(part) for part in node.parts))


def _proved(claim: Conserved) -> bool:
    """Whether the kernel proves the claim: the derivative is 0, by the product rule."""
    from theorytest.derive.derivation import Derive
    from theorytest.kernel.check import check
    from theorytest.kernel.statement import PROVED, Certificate, Derivation, Statement

    statement = Statement(label="law", title="a law that was found", claim=claim)
    derive = Derive(statement)
    try:
        derive.conserved(claim.quantity, claim.motion)  # type: ignore[arg-type]
    except KernelError:
        return False
    certificate = Certificate("derivation", statement.digest, Derivation(tuple(derive.steps)), "theorytest.laws")
    return check(statement, certificate, {}).status == PROVED


__all__ = ["ConservationLaws", "FoundLaw", "conservation_laws", "recheck_laws"]
