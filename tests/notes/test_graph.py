import random
from itertools import combinations

import pytest

from theorytest.notes.document import Graph, Node
from theorytest.notes.graph import HEIGHT, draw


def graph(edges, alone=(), group="T"):
    names = dict.fromkeys([name for edge in edges for name in edge])
    nodes = [Node(name, "PROVED", True, name, group) for name in [*names, *alone]]
    return Graph("which rests on which", tuple(nodes), tuple(edges))


def test_what_is_used_stands_left_and_boxes_do_not_touch():
    choose = random.Random(3)
    names = [f"RC20-Lem{k}" for k in range(40)]
    edges = [(a, b) for a, b in combinations(names, 2) if choose.random() < 0.06]
    drawing = draw(graph(edges, alone=[f"X-{k}" for k in range(20)]))
    boxes = {box.node.anchor: box for box in drawing.boxes}
    assert len(boxes) == len(drawing.boxes) == len({n for e in edges for n in e}) + 20
    for a, b in edges:
        assert boxes[a].x + boxes[a].width < boxes[b].x
    for one, other in combinations(drawing.boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or abs(one.y - other.y) >= HEIGHT
        assert min(one.x, one.y) >= 0 and one.x + one.width <= drawing.width and one.y + HEIGHT <= drawing.height
    assert {(a, b) for _, a, b in drawing.curves} == set(edges)


def test_an_edge_ends_at_its_boxes():
    drawing = draw(graph([("a", "b"), ("b", "c"), ("a", "c")]))
    boxes = {box.node.anchor: box for box in drawing.boxes}
    for path, start, end in drawing.curves:
        x, y = map(float, path[1:].split("C")[0].split())
        assert x == pytest.approx(boxes[start].x + boxes[start].width, abs=0.1)
        assert y == pytest.approx(boxes[start].y + HEIGHT / 2, abs=0.1)
        x, y = map(float, path.split()[-2:])
        assert (x, y) == (
            pytest.approx(boxes[end].x, abs=0.1),
            pytest.approx(boxes[end].y + HEIGHT / 2, abs=0.1),
        )


def test_a_tree_has_no_crossings():
    edges = [("root", f"child {k}") for k in range(5)] + [(f"child {k}", f"leaf {k}") for k in reversed(range(5))]
    boxes = {
        box.node.anchor: box for box in draw(graph([(a.replace(" ", ""), b.replace(" ", "")) for a, b in edges])).boxes
    }
    children = sorted(range(5), key=lambda k: boxes[f"child{k}"].y)
    assert children == sorted(range(5), key=lambda k: boxes[f"leaf{k}"].y)


def test_the_same_graph_is_drawn_the_same_and_odd_ones_end():
    value = graph([("a", "b"), ("c", "b"), ("b", "d")])
    assert draw(value) == draw(value)
    assert draw(graph([("a", "b"), ("b", "a")])).boxes, "a circle, which no record has"
    empty = draw(Graph("", (), ()))
    assert empty.boxes == () and empty.width == 0 and empty.height <= 0
