"""Layered drawing of a dependency graph: what is used stands left of what uses it, every edge one smooth curve.

Sugiyama's method: layers by longest path, dummy nodes on long edges, order within layers by sweeps of barycentres,
heights by averaging with a least distance. Statements that nothing connects stand in a grid below, by source. The
drawing is the same for the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from theorytest.notes.document import Graph, Node

HEIGHT, GAP, BETWEEN = 24.0, 12.0, 56.0
LETTER = 6.9  # width of a letter of a label
PAD = 30.0  # room for the shape of a status, and margins
WIDTH = 790.0  # of the grid below


@dataclass(frozen=True)
class Box:
    """A node's place: left, top, width (all boxes have one height)."""

    node: Node
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """Boxes, curves (SVG paths) with their ends, headings of the grid, and the size of all."""

    boxes: tuple[Box, ...]
    curves: tuple[tuple[str, str, str], ...]
    headings: tuple[tuple[float, float, str], ...]
    width: float
    height: float


def box_width(node: Node) -> float:
    """How wide the box of a node is."""
    return PAD + LETTER * len(node.anchor)


def draw(graph: Graph) -> Drawing:
    """Places for all nodes and edges: what hangs together is drawn together, the largest part first."""
    named = {node.anchor: node for node in graph.nodes}
    edges = sorted({(a, b) for a, b in graph.edges if a in named and b in named and a != b})
    boxes: list[Box] = []
    curves: list[tuple[str, str, str]] = []
    top = 0.0
    parts = _parts([node.anchor for node in graph.nodes], edges)
    for part in (p for p in parts if len(p) > 1):
        layers, chains = _layers(part, [edge for edge in edges if edge[0] in part])
        _order(layers, chains)
        tops = {name: y + top for name, y in _heights(layers, chains).items()}
        lefts, rights = _columns(layers, named)
        boxes += [
            Box(named[n], lefts[n], tops[n], rights[n] - lefts[n]) for layer in layers for n in layer if n in named
        ]
        curves += [(_curve(chain, lefts, rights, tops), chain[0], chain[-1]) for chain in chains]
        top = max(tops.values()) + HEIGHT + 2 * GAP
    width = max((box.x + box.width for box in boxes), default=0.0)
    alone = [named[part[0]] for part in parts if len(part) == 1]
    width = max(width, WIDTH) if alone else width
    grid, headings, bottom = _grid(alone, top + GAP, width)
    return Drawing((*boxes, *grid), tuple(curves), headings, width, bottom if alone else top - 2 * GAP)


def _parts(names: list[str], edges: list[tuple[str, str]]) -> list[list[str]]:
    """The connected parts of a graph, the largest first."""
    near: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    found: list[list[str]] = []
    seen: set[str] = set()
    for name in names:
        if name in seen:
            continue
        part, todo = {name}, [name]
        while todo:
            for other in near[todo.pop()]:
                if other not in part:
                    part.add(other)
                    todo.append(other)
        seen |= part
        found.append([n for n in names if n in part])
    return sorted(found, key=lambda part: -len(part))


def _columns(layers: list[list[str]], named: dict[str, Node]) -> tuple[dict[str, float], dict[str, float]]:
    """Left and right ends of all nodes, the ones of dummies as far apart as their column is wide."""
    left, lefts, rights = 0.0, dict[str, float](), dict[str, float]()
    for layer in layers:
        wide = max((box_width(named[name]) for name in layer if name in named), default=40.0)
        for name in layer:
            lefts[name] = left
            rights[name] = left + (box_width(named[name]) if name in named else wide)
        left += wide + BETWEEN
    return lefts, rights


def _layers(names: list[str], edges: list[tuple[str, str]]) -> tuple[list[list[str]], list[tuple[str, ...]]]:
    """Layers with dummy nodes ("a b 2"), and every edge as the chain of nodes that it passes."""
    before: dict[str, list[str]] = {name: [] for name in names}
    after: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 0  # a circle, which no record has, ends here
            depth[name] = max((deep(a) + 1 for a in before[name]), default=0)
        return depth[name]

    for name in names:
        deep(name)
    for name in sorted(names, key=lambda n: -depth[n]):  # sources stand close to what uses them
        if after[name]:
            depth[name] = max(depth[name], min(depth[b] for b in after[name]) - 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    chains: list[tuple[str, ...]] = []
    for a, b in edges:
        dummies = [f"{a} {b} {k}" for k in range(depth[a] + 1, depth[b])]
        for k, dummy in enumerate(dummies, depth[a] + 1):
            layers[k].append(dummy)
        chains.append((a, *dummies, b))
    return layers, chains


def _neighbours(chains: list[tuple[str, ...]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    left: dict[str, list[str]] = {}
    right: dict[str, list[str]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            left.setdefault(b, []).append(a)
            right.setdefault(a, []).append(b)
    return left, right


def _order(layers: list[list[str]], chains: list[tuple[str, ...]], sweeps: int = 24) -> None:
    left, right = _neighbours(chains)
    best, least = [list(layer) for layer in layers], _crossings(layers, right)
    for sweep in range(sweeps):
        forward = sweep % 2 == 0
        near = left if forward else right
        todo = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for k in todo:
            place = {name: i for i, name in enumerate(layers[k - 1 if forward else k + 1])}
            here = {name: i for i, name in enumerate(layers[k])}
            layers[k].sort(
                key=lambda n: (
                    sum(place[m] for m in near[n] if m in place) / len(near[n]) if near.get(n) else here[n],
                    here[n],
                )
            )
        crossings = _crossings(layers, right)
        if crossings < least:
            best, least = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: list[list[str]], right: dict[str, list[str]]) -> int:
    total = 0
    for first, second in pairwise(layers):
        place = {name: i for i, name in enumerate(second)}
        ends = [
            place[m] for name in first for m in sorted(right.get(name, []), key=lambda m: place.get(m, 0)) if m in place
        ]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def _heights(layers: list[list[str]], chains: list[tuple[str, ...]], rounds: int = 40) -> dict[str, float]:
    left, right = _neighbours(chains)
    step = HEIGHT + GAP
    top = {name: i * step for layer in layers for i, name in enumerate(layer)}
    for turn in range(rounds):
        for layer in layers if turn % 2 == 0 else reversed(layers):
            near = {n: [*left.get(n, []), *right.get(n, [])] for n in layer}
            wish = [sum(top[m] for m in near[n]) / len(near[n]) if near[n] else top[n] for n in layer]
            for name, y in zip(layer, _apart(wish, [_room(a, b, step) for a, b in pairwise(layer)]), strict=True):
                top[name] = y
    least = min(top.values(), default=0.0)
    return {name: y - least for name, y in top.items()}


def _room(above: str, below: str, step: float) -> float:
    return step if " " not in above and " " not in below else step * 0.55


def _apart(wish: list[float], room: list[float]) -> list[float]:
    """The heights nearest to the wished ones (in squares) that keep their order and distances."""
    offset = list(accumulate(room, initial=0.0))[: len(wish)]
    blocks: list[tuple[float, int]] = []
    for y, shift in zip(wish, offset, strict=True):
        blocks.append((y - shift, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n)]
    flat = [mean for mean, count in blocks for _ in range(count)]
    return [mean + shift for mean, shift in zip(flat, offset, strict=True)]


def _curve(chain: tuple[str, ...], lefts: dict[str, float], rights: dict[str, float], tops: dict[str, float]) -> str:
    middle = HEIGHT / 2
    x, y = rights[chain[0]], tops[chain[0]] + middle
    path = f"M{x:.1f} {y:.1f}"
    for name in chain[1:]:
        to, height = lefts[name], tops[name] + middle
        bend = max((to - x) / 2, BETWEEN / 2)
        path += f"C{x + bend:.1f} {y:.1f} {to - bend:.1f} {height:.1f} {to:.1f} {height:.1f}"
        x, y = to, height
        if name != chain[-1]:
            x = rights[name]
            path += f"L{x:.1f} {y:.1f}"
    return path


def _grid(nodes: list[Node], top: float, width: float) -> tuple[list[Box], tuple[tuple[float, float, str], ...], float]:
    boxes: list[Box] = []
    headings: list[tuple[float, float, str]] = []
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        groups.setdefault(node.group, []).append(node)
    y = top
    for name, members in groups.items():
        headings.append((0.0, y + 12, f"{name}: nothing rests on these, and they on nothing"))
        x, y = 0.0, y + 22
        for node in members:
            wide = box_width(node)
            if x and x + wide > width:
                x, y = 0.0, y + HEIGHT + GAP / 2
            boxes.append(Box(node, x, y, wide))
            x += wide + GAP
        y += HEIGHT + 2 * GAP
    return boxes, tuple(headings), y - 2 * GAP
