"""The graph's layout: nothing lies on anything else, the main line is straight, ten thousand operations fit a page."""

from __future__ import annotations

import itertools

import pytest

from schuss import nn, viz
from schuss.viz.graph.elements import NEAR, Arrow, Frame, Node, Side
from schuss.viz.graph.groups import choose, grouped
from schuss.viz.graph.layered import Box, Link, place
from schuss.viz.graph.scene import Scene

from .graphcases import CASES, Deep, X, Y, made


def scene(picture, collapse=False):
    root = grouped(picture._network)
    choose(root, picture._network, collapse, (), ())
    return Scene(picture._network, root).arrange().elements


def box(e):
    return (e.x, e.y, e.x + e.width, e.y + e.height)


def labels(arrow):
    x, y = arrow.label_at
    for piece, left in ((arrow.up, x - NEAR - arrow.up.width), (arrow.down, x + NEAR)):
        if piece.svg:
            yield (left, y - piece.height / 2, left + piece.width, y + piece.height / 2)


def meet(a, b):
    return a[0] < b[2] - 0.1 and b[0] < a[2] - 0.1 and a[1] < b[3] - 0.1 and b[1] < a[3] - 0.1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("collapse", [True, False])
def test_nothing_overlaps(name, collapse):
    """Boxes, inputs beside them and what arrows carry keep apart, and no arrow runs through any of them."""
    found = scene(CASES[name](), collapse)
    solid = [box(e) for e in found if isinstance(e, (Node, Side))]
    arrows = [e for e in found if isinstance(e, Arrow)]
    solid += [label for arrow in arrows for label in labels(arrow)]
    for a, b in itertools.combinations(solid, 2):
        assert not meet(a, b)
    for arrow in arrows:
        for (x0, y0), (x1, y1) in itertools.pairwise(arrow.points):
            # with the width of both arrows; the ends touch their boxes
            line = (min(x0, x1) - 4, min(y0, y1) + 0.5, max(x0, x1) + 4, max(y0, y1) - 0.5)
            assert not any(meet(line, other) for other in solid)


@pytest.mark.parametrize("name", CASES)
def test_no_arrow_runs_on_another(name):
    """Pairs of arrows keep apart, but for those of one value where they part."""
    arrows = [e for e in scene(CASES[name]()) if isinstance(e, Arrow)]
    lines = [(a, p, q) for a in arrows for p, q in itertools.pairwise(a.points)]
    for (a, p, q), (b, r, s) in itertools.combinations(lines, 2):
        if a is b or (p[0] == q[0]) != (r[0] == s[0]) or a.value == b.value:
            continue
        along, across = (1, 0) if p[0] == q[0] else (0, 1)
        apart = abs(p[across] - r[across])
        overlap = min(max(p[along], q[along]), max(r[along], s[along])) - max(
            min(p[along], q[along]), min(r[along], s[along])
        )
        assert apart > 9 or overlap < 1


@pytest.mark.parametrize("name", CASES)
def test_frames_hold_what_is_in_them(name):
    """Frames are nested or apart; a box is inside a frame or outside it."""
    found = scene(CASES[name]())
    frames = [box(e) for e in found if isinstance(e, Frame)]
    for frame in frames:
        for other in [*frames, *(box(e) for e in found if isinstance(e, (Node, Side)))]:
            inside = frame[0] <= other[0] and other[2] <= frame[2] and frame[1] <= other[1] and other[3] <= frame[3]
            around = other[0] <= frame[0] and frame[2] <= other[2] and other[1] <= frame[1] and frame[3] <= other[3]
            assert inside or around or not meet(frame, other)


@pytest.mark.parametrize("name", ["function", "two layers", "digits", "blocks"])
def test_the_main_line_is_straight(name):
    """From the input to the loss, in every frame."""
    picture = CASES[name]()
    network = picture._network
    found = [e for e in scene(picture) if isinstance(e, Arrow)]
    value = network.explanation.result
    places = set()
    while value in network.heir:
        reader, value = value, network.heir[value]
        places |= {round(x, 3) for a in found if a.value == value and reader in a.to.split() for x, _ in a.points[:1]}
    assert places == {0.0}


def test_arrows_point_up_and_down():
    """Every box stands above what it reads."""
    found = scene(CASES["skips"]())
    for arrow in (e for e in found if isinstance(e, Arrow)):
        heights = [y for _, y in arrow.points]
        assert heights == sorted(heights, reverse=True)


def test_links_over_several_rows_are_straight():
    boxes = [Box(40, 40 + 10 * i, 20, 40, main=True) for i in range(6)]
    links = [Link(a, b, main=True, label=(30, 50, 15)) for a, b in itertools.pairwise(boxes)]
    links += [Link(boxes[0], boxes[5], side=1, label=(30, 30, 15)), Link(boxes[1], boxes[4], side=-1)]
    left, right, height = place(boxes, links)
    for link in links[-2:]:
        assert len(link.points) == 6
    assert height == boxes[0].y + 10
    assert left > 40
    assert right > 90


# -- many operations -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long():
    return viz.graph(made(Deep(90)), X, Y, loss=nn.MSELoss())


def test_repeated_layers_are_one_box_with_a_count(long):
    assert len(long.explanation.steps) > 1000
    svg = long.svg
    assert "Block  × 90" in svg
    assert svg.count('class="op"') + svg.count('class="layer closed"') < 10
    nodes = [e for e in scene(long, "auto") if isinstance(e, Node)]
    assert sum(len(n.operations) for n in nodes) == len(long.explanation.steps)


def test_a_repeat_can_be_opened(long):
    root = grouped(long._network)
    choose(root, long._network, "auto", (), ())
    (repeat,) = (g for g in root.groups if g.kind == "repeat")
    choose(root, long._network, "auto", (repeat.name,), ())
    nodes = [e for e in Scene(long._network, root).arrange().elements if isinstance(e, Node)]
    assert 5 < len(nodes) < 60
    assert sum(len(n.operations) for n in nodes) == len(long.explanation.steps)


def test_a_long_function_without_repeats():
    def f(x):
        for i in range(400):
            x = x * 1.01 if i % 3 else (x + 0.1 * i) * (1 if i * i % 7 else 2)
        return x.sum()

    picture = viz.graph(f, X)
    nodes = [e for e in scene(picture, "auto") if isinstance(e, Node)]
    assert 2 <= len(nodes) <= 42
    assert sum(len(n.operations) for n in nodes) == len(picture.explanation.steps)
