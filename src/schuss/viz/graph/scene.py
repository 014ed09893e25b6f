"""From groups to a picture: each open group is laid out by itself and stands as a frame in the group around it."""

from __future__ import annotations

from collections.abc import Iterable

from schuss.viz.graph.beside import measure, side_of, stacked
from schuss.viz.graph.boxes import closed, data_leaf, gradient_label, leaf, many_leaves, operation, value_label
from schuss.viz.graph.elements import (
    FOOT,
    HEADER,
    MOST_LEAVES,
    NEAR,
    Arrangement,
    Arrow,
    Element,
    Frame,
    Item,
    Node,
    Side,
    moved,
)
from schuss.viz.graph.groups import Group
from schuss.viz.graph.layered import Box, Link, place
from schuss.viz.graph.network import Network
from schuss.viz.graph.pieces import EMPTY, Piece


class Scene:
    """Lays out a network with the groups that are open."""

    def __init__(self, network: Network, root: Group) -> None:
        self.network, self.root = network, root
        self.shown: dict[str, str] = {}  # the box in which an operation is shown
        self._note(root)
        self.spine = self._spine(network.explanation.result)

    def _note(self, group: Group) -> None:
        stack: list[Group | str] = list(group.members)
        while stack:
            member = stack.pop()
            if isinstance(member, str):
                self.shown[member] = member
            elif member.open:
                stack += member.members
            else:
                self.shown.update(dict.fromkeys(member.operations(), member.name))

    def _spine(self, name: str) -> set[str]:
        found = set()
        while name in self.network.steps:
            found.add(name)
            name = self.network.heir.get(name, "")
        return found

    def arrange(self) -> Arrangement:
        """The whole picture."""
        return _Level(self, self.root).arrangement()


class _Level:
    """The layout of one group's members."""

    def __init__(self, scene: Scene, group: Group) -> None:
        self.scene, self.network, self.group = scene, scene.network, group
        self.inside = group.operations()
        self.members = set(self.inside)
        self.outermost = group is scene.root
        self.views = {m for m in group.members if isinstance(m, str) and self._is_beside(m)}
        self.items: list[Item] = []
        self.owner: dict[str, Item] = {}
        for member in group.members:
            if member not in self.views:
                self._add(member)

    def _is_beside(self, name: str) -> bool:
        """A view of a parameter, beside the operation of this group that reads it."""
        return (
            self.network.leaf_viewed(name) not in (None, *self.network.data)
            and self.network.readers[name][0] in self.group.members
        )

    # -- members ---------------------------------------------------------------------------------------

    def _add(self, member: Group | str) -> None:
        if isinstance(member, str):
            item = Item(member, {member}, operation(self.network, member))
            item.sides = self._sides_of_operation(member)
        elif member.open:
            item = Item(member.name, set(member.operations()), group=member)
            item.inner = _Level(self.scene, member).arrangement()
        else:
            inside = member.operations()
            item = Item(member.name, set(inside), group=member)
            item.content = closed(self.network, member, self._entering(inside))
            item.sides = self._sides_of_layer(member, inside)
        measure(item)
        self.items.append(item)
        self.owner.update(dict.fromkeys(item.operations, item))

    def _entering(self, inside: list[str]) -> list[tuple[str, list[str]]]:
        """The values a closed layer reads, but for inputs beside it, with their readers in it."""
        beside = self.network.leaves.keys() - set(self.network.data)
        within = {*inside, *beside}
        found: dict[str, list[str]] = {}
        for name in inside:
            for value in self.network.steps[name].inputs:
                if value is not None and value not in within:
                    found.setdefault(value, []).append(name)
        return [(value, list(dict.fromkeys(readers))) for value, readers in found.items()]

    def _sides_of_operation(self, name: str) -> list[Side]:
        step = self.network.steps[name]
        operands = list(dict.fromkeys(i for i in step.inputs if i is not None))
        heir = self.network.heir.get(name)
        middle = operands.index(heir) if heir in operands and not self._beside(heir) else -1
        return [
            self._side(value, name, [name], -1 if i < middle else 1)
            for i, value in enumerate(operands)
            if self._beside(value)
        ]

    def _beside(self, value: str) -> bool:
        return value in self.views or (value in self.network.leaves and value not in self.network.data)

    def _side(self, value: str, reader: str, readers: list[str], towards: int) -> Side:
        views: list[str] = []
        while value in self.views:
            views.append(value)
            readers = [value]
            value = next(i for i in self.network.steps[value].inputs if i is not None)
        return side_of(value, reader, leaf(self.network, value, readers), tuple(views), towards)

    def _sides_of_layer(self, group: Group, inside: list[str]) -> list[Side]:
        found: dict[str, list[str]] = {}
        for name in inside:
            for value in self.network.steps[name].inputs:
                if value in self.network.leaves and value not in self.network.data:
                    found.setdefault(value, []).append(name)
        if len(found) > MOST_LEAVES:
            return [side_of("", group.name, many_leaves(self.network, list(found), group), (), 1)]
        return [side_of(v, group.name, leaf(self.network, v, list(dict.fromkeys(r))), (), 1) for v, r in found.items()]

    # -- links -----------------------------------------------------------------------------------------

    def arrangement(self) -> Arrangement:
        self.entries: dict[str, Item] = {}
        self.exits: dict[str, Item] = {}
        self.between: dict[tuple[str, Item, Item], list[str]] = {}
        for name in self.inside:
            for value in self.network.steps[name].inputs:
                if value is not None:
                    self._connect(value, name)
        result = self.network.explanation.result
        if self.outermost and result in self.network.leaves:  # a function that gives back what it is given
            self.entries[result] = self.owner[result] = self._foot(result)
            self._connect_out(result)
        for name in self.inside:
            if self._leaves(name):
                self._connect_out(name)
        main = self._main_line()
        links = {key: self._link(key, readers, key in main) for key, readers in self.between.items()}
        feet = list(self.entries.values())
        boxes = [i.box for i in (*feet, *self.items, *self.exits.values())]
        left, right, height = place(boxes, list(links.values()))
        elements: list[Element] = []
        for item in (*feet, *self.items):
            elements += self._placed(item)
        elements += [self._arrow(key, link) for key, link in links.items()]
        entries = {v: i.box.x for v, i in self.entries.items()}
        return Arrangement(left, right, height, elements, entries, {v: i.box.x for v, i in self.exits.items()})

    def _connect(self, value: str, reader: str) -> None:
        if value in self.views or reader in self.views or self.owner[reader] is self.owner.get(value):
            return
        if value in self.network.leaves and value not in self.network.data:
            return
        source = self.owner.get(value) or self.entries.get(value)
        if source is None:
            source = self.entries[value] = self._foot(value)
        readers = self.between.setdefault((value, source, self.owner[reader]), [])
        if reader not in readers:
            readers.append(reader)

    def _foot(self, value: str) -> Item:
        """Where a value comes in: an input's box at the foot of the picture, else a place on the frame's lower edge."""
        item = Item(value, set())
        if self.outermost:
            item.content = data_leaf(self.network, value)
            measure(item)
        else:
            item.box = Box(0.0, 0.0, 0.0)
        item.box.foot = not self.outermost
        return item

    def _leaves(self, name: str) -> bool:
        outside = any(r not in self.members for r in self.network.readers.get(name, ()))
        return outside or name == self.network.explanation.result

    def _connect_out(self, name: str) -> None:
        item = self.exits[name] = Item(name, set(), box=Box(0.0, 0.0, 0.0, head=True))
        readers = [r for r in self.network.readers.get(name, ()) if r not in self.members]
        self.between[name, self.owner[name], item] = readers

    def _main_line(self) -> set[tuple[str, Item, Item]]:
        """The links from the foot to the result, or to what leaves the group, along each operation's heir."""
        on_spine = [n for n in self.inside if n in self.scene.spine]
        out = [n for n in self.exits if n in self.scene.spine] or list(self.exits)
        name = on_spine[-1] if on_spine else out[-1]
        main = set()
        if name in self.exits:
            main.add((name, self.owner[name], self.exits[name]))
            self.exits[name].box.main = True
        while name in self.owner:
            item = self.owner[name]
            item.box.main = True
            value = self.network.heir.get(name)
            if value is None:
                break
            if self.owner.get(value) is not item:
                source = self.owner.get(value) or self.entries.get(value)
                if source is None:
                    break
                main.add((value, source, item))
                source.box.main = True
            name = value
        return main

    def _link(self, key: tuple[str, Item, Item], readers: list[str], main: bool) -> Link:
        value, source, target = key
        up, down = self._labels(value, source, target, readers)
        label = (0.0, 0.0, 0.0)
        if up.svg or down.svg:
            label = (up.width + NEAR, down.width + NEAR, max(up.height, down.height))
        side = 0 if main else self._side_of(value, target, readers)
        if not main and not target.box.main and not target.box.side:
            target.box.side = side
        if not main and not source.box.main and not source.box.side and not source.operations:
            source.box.side = side
        source_x = source.inner.exits[value] if source.inner else None
        target_x = target.inner.entries[value] if target.inner else None
        return Link(source.box, target.box, main, side, label, source_x, target_x)

    def _side_of(self, value: str, target: Item, readers: list[str]) -> int:
        """Left of the main line if it stands left of the main operand in the formula."""
        reader = next((r for r in readers if r in target.operations), None)
        if reader is None:
            return 1
        inputs = self.network.steps[reader].inputs
        heir = self.network.heir.get(reader)
        return -1 if heir in inputs and inputs.index(value) < inputs.index(heir) else 1

    def _labels(self, value: str, source: Item, target: Item, readers: list[str]) -> tuple[Piece, Piece]:
        if target.box.head and not self.outermost:
            return EMPTY, EMPTY  # what it carries stands where the frames' links go on
        several = sum(1 for v, s, _ in self.between if v == value and s is source) > 1
        if source.box.foot and not several:
            return EMPTY, EMPTY
        up = EMPTY if source.box.foot else value_label(self.network, value, several)
        result = self.network.explanation.result
        product = self.network.gradient(value) if target.box.head else self.network.product(value, readers)
        if product is None:
            return up, EMPTY
        alone = set(self._givers(value)) <= set(readers)
        share = None if alone or target.box.head else self.scene.shown[readers[0]]
        return up, gradient_label(value, product, result, share, several)

    def _givers(self, value: str) -> Iterable[str]:
        return (r for r in self.network.readers.get(value, ()) if self.network.flows(r, value))

    # -- placed ----------------------------------------------------------------------------------------

    def _placed(self, item: Item) -> list[Element]:
        x, y = item.box.x, item.box.y - item.box.height / 2
        if item.inner is not None:
            assert item.group is not None
            frame = Frame(item.group, x - item.box.left, y, item.box.left + item.box.right, item.box.height)
            return [frame, *(moved(e, x, y + HEADER) for e in item.inner.elements)]
        if item.content is None:
            return []
        half = item.box.body
        kind = "input" if not item.operations else "layer" if item.group is not None else "op"
        layer = item.name if item.group is not None else self._layer_of(item.name)
        inside = tuple(item.operations)
        node = Node(kind, item.name, layer, x - half, y, 2 * half, item.box.height, item.content, inside)
        return [*stacked(item, x, y), node]

    def _layer_of(self, name: str) -> str:
        step = self.network.steps.get(name)
        return (step.scope if step is not None else "") or self.group.name

    def _arrow(self, key: tuple[str, Item, Item], link: Link) -> Arrow:
        value, source, target = key
        readers = self.between[key]
        up, down = self._labels(value, source, target, readers)
        last = value == self.network.explanation.result
        product = self.network.gradient(value) if last else self.network.product(value, readers)
        points = list(link.points)
        if target.box.head and not self.outermost:
            points[-1] = (points[-1][0], points[-1][1] - HEADER)
        if source.box.foot:
            points[0] = (points[0][0], points[0][1] + FOOT)
        back = [self.network.backward[r] for r in readers if self.network.flows(r, value)]
        seen = list(dict.fromkeys(self.scene.shown[r] for r in readers))
        return Arrow(
            value,
            " ".join(seen),
            points,
            product is not None,
            source.inner is None and not source.box.foot,
            (target.inner is None and not target.box.head) or (target.box.head and self.outermost),
            up,
            down,
            link.label_at,
            0 if last else max(back, default=None),
        )
