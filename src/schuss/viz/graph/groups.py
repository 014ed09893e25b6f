"""Operations in groups: by the layer that made them, else by the line; repeats together; which groups are open.

A group is a run of operations that follow each other in the order of computation. So no path leaves a group and comes
back into it, and the groups among themselves are an acyclic graph again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from schuss.explanation.explanation import Step
from schuss.explanation.names import assigned
from schuss.viz.graph.network import Network, source_line

SMALL = 30  # operations: all shown
LONG_LAYER = 5  # operations of a layer: closed at first
MANY = 40  # boxes: outer groups are closed
MOST_OPEN = 1000  # operations: beyond, repeats and long chains stay folded
LONGEST_PERIOD = 8  # of repeated neighbours
DEEPEST = 24  # layers inside each other that are groups: it bounds the recursions over groups, here and in the scene
PIECE = 24  # pieces of a long chain that does not repeat


@dataclass(eq=False)
class Group:
    """name: unique in the picture; label: what is written on it; kind: all, layer, line, repeat or part."""

    name: str
    label: str
    kind: str
    members: list[Group | str] = field(default_factory=list)
    times: int = 1
    open: bool = False

    @property
    def groups(self) -> list[Group]:
        return [m for m in self.members if isinstance(m, Group)]

    def operations(self) -> list[str]:
        """All operations inside, in the order of computation."""
        found: list[str] = []
        stack: list[Group | str] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Group):
                stack += reversed(item.members)
            else:
                found.append(item)
        return found

    def all_groups(self) -> list[Group]:
        found: list[Group] = []
        stack = self.groups
        while stack:
            group = stack.pop()
            found.append(group)
            stack += group.groups
        return found


def grouped(network: Network) -> Group:
    """The tree of groups of all operations. Groups of one operation are that operation."""
    names = _Names()
    steps = [(tuple(s.scope.split("/")) if s.scope else (), s) for s in network.explanation.steps]
    return Group("", network.explanation.title, "all", _members(steps, "", names, network), open=True)


class _Names:
    """Names for groups, all different."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        name = "_".join(name.replace(",", " ").split())  # names are joined by commas and by spaces
        self.count[name] = self.count.get(name, 0) + 1
        return name if self.count[name] == 1 else f"{name}#{self.count[name]}"


Located = tuple[tuple[str, ...], Step]


def _members(steps: Sequence[Located], outer: str, names: _Names, network: Network) -> list[Group | str]:
    members: list[Group | str] = []
    for layer, run in groupby(steps, lambda s: s[0][0] if s[0] else ""):
        found = list(run)
        if not layer or outer.count("/") + 1 >= DEEPEST:
            members += _by_line([s for _, s in found], names) if not outer else [s.name for _, s in found]
            continue
        path = f"{outer}/{layer}" if outer else layer
        for call in _calls(found, network):
            if len(call) == 1:
                members.append(call[0][1].name)
                continue
            group = Group(names(path), layer, "layer")
            group.members = _members([(scope[1:], s) for scope, s in call], path, names, network)
            members.append(group)
    return members


def _by_line(steps: Sequence[Step], names: _Names) -> list[Group | str]:
    """Operations of no layer: those that one line of the user's made are a group."""
    members: list[Group | str] = []
    for site, run in groupby(steps, lambda s: s.site):
        found = list(run)
        if site is None or len(found) == 1:
            members += [s.name for s in found]
            continue
        variable = assigned(site) or ("return" if source_line(found[0]).startswith("return") else f"line{site.line}")
        label = source_line(found[0]) or variable
        members.append(Group(names(variable), label, "line", [s.name for s in found]))
    return members


def _calls(run: Sequence[Located], network: Network) -> list[Sequence[Located]]:
    """The calls of one layer that follow each other: equal stretches that use the same parameters."""
    signs = [_signature(scope, step, network) for scope, step in run]
    for period in _divisors(len(run)):
        whole = signs[:period]
        repeats = all(signs[i : i + period] == whole for i in range(period, len(signs), period))
        if repeats and any(leaf for *_, leaves in whole for leaf in leaves):
            return [run[i : i + period] for i in range(0, len(run), period)]
    return [run]


def _divisors(n: int) -> Iterable[int]:
    return (d for d in range(1, n // 2 + 1) if n % d == 0)


def _signature(
    scope: tuple[str, ...], step: Step, network: Network
) -> tuple[tuple[str, ...], str, int, tuple[str, ...]]:
    leaves = tuple(i for i in step.inputs if i is not None and i in network.leaves and i not in network.data)
    return (scope, step.op, len(step.inputs), leaves)


# -- what is open --------------------------------------------------------------------------------------


def choose(root: Group, network: Network, collapse: bool | str, opened: Iterable[str], closed: Iterable[str]) -> None:
    """Open and close the groups. collapse: False all open, True all layers closed, "auto" by size."""
    size = len(network.steps)
    if collapse is False:
        for group in root.all_groups():
            group.open = True
        if size > MOST_OPEN:
            _shorten(root, network)
    else:
        if collapse == "auto" and size <= SMALL:
            _open_short(root, network)
        _open_outer(root)
        _shorten(root, network)
    by_name = {g.name: g for g in root.all_groups()}
    wanted = {name for name in opened if name in by_name}
    _open_path(root, wanted)
    for name in closed:
        if name in by_name:
            by_name[name].open = False


def _open_short(root: Group, network: Network) -> None:
    """In a small graph layers are open, but for those that one knows by name better than by their many operations."""
    for group in root.all_groups():
        group.open = len([o for o in group.operations() if network.leaf_viewed(o) is None]) < LONG_LAYER


def _open_outer(root: Group) -> None:
    """Open groups that hold layers, from outside inwards, as long as not too many boxes are shown."""
    shown = len(root.members)
    level = root.groups
    while level:
        inner = [g for g in level if any(m.kind == "layer" for m in g.groups)]
        more = sum(len(g.members) - 1 for g in inner)
        if not inner or shown + more > MANY:
            return
        shown += more
        for group in inner:
            group.open = True
        level = [g for group in inner for g in group.groups]


def _open_path(group: Group, wanted: set[str]) -> bool:
    """Open the groups named, and those around them. Whether there is one inside."""
    inside = [_open_path(g, wanted) for g in group.groups]
    group.open = group.open or group.name in wanted or any(inside)
    return group.name in wanted or any(inside)


# -- long chains ---------------------------------------------------------------------------------------


def _shorten(root: Group, network: Network) -> None:
    """Where a group shows too many boxes, repeats among its members become one, then stretches do."""
    for group in [root, *root.all_groups()]:
        if len(group.members) > MANY:
            group.members = _folded(group.members, network)
        if len(group.members) > MANY:
            group.members = _pieces(group.members)


def _kind_of(member: Group | str, network: Network) -> tuple[object, ...]:
    """What makes two neighbours alike: their operations and shapes, whatever their names."""
    names = member.operations() if isinstance(member, Group) else [member]
    label = member.label.rpartition(".")[2] if isinstance(member, Group) else ""
    return (label, *((network.steps[n].op, network.steps[n].value.shape) for n in names))


def _folded(members: list[Group | str], network: Network) -> list[Group | str]:
    ids: dict[tuple[object, ...], int] = {}
    kinds = [ids.setdefault(_kind_of(m, network), len(ids)) for m in members]
    folded: list[Group | str] = []
    i = 0
    while i < len(members):
        period, times = _repeat_at(kinds, i)
        if times < 3:
            folded.append(members[i])
            i += 1
            continue
        folded.append(_repeat(members[i : i + period * times], period, times))
        i += period * times
    return folded


def _repeat(run: list[Group | str], period: int, times: int) -> Group:
    """One box for all; inside, the first and the last, and what is between where that is much."""
    name, label = f"{_title(run[0])}..{_title(run[-1])}", _joined(run[:period])
    if len(run) <= MANY or times <= 3:
        return Group(name, label, "repeat", run, times)
    between = run[period:-period]
    shown = between if len(run) <= 2 * MANY else _pieces(between)
    middle = Group(f"{_title(between[0])}..{_title(between[-1])}", label, "repeat", shown, times - 2)
    return Group(name, label, "repeat", [*run[:period], middle, *run[-period:]], times)


def _repeat_at(kinds: Sequence[int], start: int) -> tuple[int, int]:
    """(period, times) of the repeat that covers most from here on."""
    best = (1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        length = 0
        while start + period + length < len(kinds) and kinds[start + length] == kinds[start + period + length]:
            length += 1
        times = length // period + 1
        if period * times > best[0] * best[1] and times > 1:
            best = (period, times)
    return best


def _pieces(members: list[Group | str]) -> list[Group | str]:
    size = -(-len(members) // PIECE)
    runs = [members[i : i + size] for i in range(0, len(members), size)]
    return [_piece(run) if len(run) > 1 else run[0] for run in runs]


def _piece(run: list[Group | str]) -> Group:
    """One box for a stretch; of a long one again PIECE boxes, so that the depth is the logarithm of the length."""
    name = f"{_title(run[0])}..{_title(run[-1])}"
    label = f"{_title(run[0])} to {_title(run[-1])}"
    return Group(name, label, "part", _pieces(run) if len(run) > MANY else run)


def _title(member: Group | str) -> str:
    return member.name if isinstance(member, Group) else member


def _joined(members: Sequence[Group | str]) -> str:
    kinds = [m.label.rpartition(".")[2] if isinstance(m, Group) else m.rpartition(".")[2] for m in members]
    return ", ".join(kinds[:3]) + (", …" if len(kinds) > 3 else "")
