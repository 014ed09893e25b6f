"""What must hold after each pass (compiler/pipeline.py): GraphError if it does not.

Cheap specs are checked always, thorough ones where the environment has SCHUSS_CHECK, as our tests do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import accumulate

from schuss.compiler.draft import Draft
from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.panels import can_lie_in_panels
from schuss.compiler.passes.turning import swapped_type
from schuss.compiler.schedule.buffers import last_uses
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.schedule.order import accesses_of
from schuss.compiler.schedule.partition import ROWS
from schuss.compiler.storage import PANEL
from schuss.compiler.structure import (
    base_of,
    folded_axes,
    is_free,
    is_matrix_product,
    is_rowwise,
    is_source,
    is_view,
)
from schuss.compiler.views import view_of
from schuss.errors import GraphError
from schuss.ir.graph import Graph, Node
from schuss.ir.types import TensorType, static_size
from schuss.ir.verify import where
from schuss.ops.check import verify_graph

Spec = Callable[[Draft, Draft], None]


def thorough() -> bool:
    """Whether everything is checked."""
    return bool(os.environ.get("SCHUSS_CHECK"))


def nothing(before: Draft, after: Draft) -> None:
    """No more than the cheap spec."""


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise GraphError(message)


# -- graph passes ------------------------------------------------------------------------------------


def ends(before: Draft, after: Draft) -> None:
    """The graph has the inputs and the outputs that it had."""
    if after.graph is before.graph:
        return
    _need(after.graph.inputs == before.graph.inputs, "the graph has other inputs")
    _need(_outputs(after.graph) == _outputs(before.graph), "the graph has other outputs")


def _outputs(graph: Graph) -> dict[str, TensorType]:
    return dict(zip(graph.output_names, (o.type for o in graph.outputs), strict=True))


def sound(before: Draft, after: Draft) -> None:
    """What verify_graph asks for, which takes as long as the pass: always looked at after the last that rewrites."""
    if after.graph is not before.graph:
        verify_graph(after.graph)


def written(before: Draft, after: Draft) -> None:
    """A sound graph with the inputs and the outputs that it had."""
    verify_graph(after.graph)
    ends(before, after)


def distinct(before: Draft, after: Draft) -> None:
    """A sound graph in which no expression stands twice."""
    sound(before, after)
    nodes = after.graph.nodes
    _need(len(common_subexpressions(after.graph).nodes) == len(nodes), "an expression is computed twice")


def layout(before: Draft, after: Draft) -> None:
    """Swapped matrices are states, and lie transposed; all else is as it was."""
    if after.graph is before.graph:
        return
    _need(after.swapped <= set(after.state), "an input is kept transposed that is no state")
    for kind in ("input", "output"):
        old, new = (_ends(d.graph, kind) for d in (before, after))
        transposed = {n: swapped_type(t) if n in after.swapped else t for n, t in old.items()}
        _need(new == transposed, f"an {kind} is not of the type it is said to have")


def _ends(graph: Graph, kind: str) -> dict[str, TensorType]:
    if kind == "output":
        return _outputs(graph)
    return dict(zip(graph.input_names, (i.type for i in graph.inputs), strict=True))


def outputs(before: Draft, after: Draft) -> None:
    """Every output is one there was before, and what is watched is among them."""
    old = dict(zip(before.graph.output_names, before.graph.outputs, strict=True))
    new = dict(zip(after.graph.output_names, after.graph.outputs, strict=True))
    _need(all(old.get(name) is node for name, node in new.items()), "an output is another one")
    _need(after.watch is None or after.watch in new, "what is watched is no output any more")


def panels(before: Draft, after: Draft) -> None:
    """What lies in panels are states, matrices of whole panels."""
    types = _ends(after.graph, "input")
    found = after.storage.panels
    _need(found <= set(after.state), "an input lies in panels that is no state")
    _need(all(can_lie_in_panels(types[name]) for name in found), "a state lies in panels that has no whole ones")


def copied(before: Draft, after: Draft) -> None:
    """The graph as it was, or a sound one in which copies lie in panels: matrices of whole ones."""
    copies = after.storage.copies
    if after.graph is not before.graph:
        written(before, after)
    _need(copies <= set(after.graph.nodes), "a value lies in panels that is not in the graph")
    whole = all(n.type.rank == 2 and static_size(n.type.shape[1:]) % PANEL == 0 for n in copies)
    _need(whole, "a copy lies in panels that has no whole ones")


def strided(before: Draft, after: Draft) -> None:
    """Every view can be read by strides, and every output has a place of its own."""
    for node in after.graph.nodes:
        if is_view(node):
            view = view_of(node, after.storage)
            if view is None or view.rows not in (None, 0):
                raise GraphError(f"{where(node)}: cannot be read by strides")
    found = after.graph.outputs
    _need(len(set(found)) == len(found), "two outputs are the same value")
    owned = all(not (is_source(o) or is_view(o) or is_free(o)) for o in found)
    _need(owned, "an output has no place of its own")


# -- groups ------------------------------------------------------------------------------------------


def fused(before: Draft, after: Draft) -> None:
    """Every value that must be computed is computed by one group."""
    wanted = [n for n in after.graph.nodes if not is_source(n) and not is_view(n) and not is_free(n)]
    found = [n for g in after.groups for n in g.nodes]
    _need(len(found) == len(wanted) and set(found) == set(wanted), "a value is computed by no kernel, or by two")


def stored(before: Draft, after: Draft) -> None:
    """Each group reads what an earlier one stores, its maps run over its space, and none is too long to compile."""
    _check_reads(after.groups)
    for g in after.groups:
        _need(all(n.type.shape == g.space for n in g.maps), "a map runs over another space than its kernel")
        _need(len(g.maps) <= after.tuning.most_maps, "a kernel has too many maps")
        later = set(g.nodes)
        for node in g.nodes:
            if not later.isdisjoint(node.inputs):
                raise GraphError(f"{where(node)}: is computed too early")
            later.discard(node)
    kept = {n for g in after.groups for n in g.stores}
    _need(all(o in kept for o in after.graph.outputs), "an output is not stored")


def _check_reads(groups: Iterable[Group]) -> None:
    there: set[Node] = set()
    for g in groups:
        for node in _read(g):
            if not (node in there or is_source(node) or is_free(node)):  # a text for each would take longer than this
                raise GraphError(f"{where(node)}: is read before it is stored")
        there.update(g.stores)


def _read(group: Group) -> list[Node]:
    """The values in memory that the kernel reads."""
    return [base_of(operand) for *_, operand in group.operands]


def aliased(before: Draft, after: Draft) -> None:
    """Each state that changes has one new value, written over it."""
    _need(sorted(map(id, after.cells.values())) == sorted(map(id, after.updates)), "a new state goes nowhere")


def unread(before: Draft, after: Draft) -> None:
    """No group reads a state that an earlier one has overwritten."""
    _check_reads(after.groups)
    gone: set[Node] = set()
    for g in after.groups:
        for node in _read(g):
            if node in gone:
                raise GraphError(f"{where(node)}: is read after its new value was written over it")
        gone |= {after.cells[n] for n in g.stores if n in after.cells}


def divided(before: Draft, after: Draft) -> None:
    """Each group has a partition."""
    _need(after.partitions.keys() == set(after.groups), "a kernel belongs to no thread")


def shared(before: Draft, after: Draft) -> None:
    """Threads divide results, never a sum, and by an axis there is."""
    for g, (how, length) in after.partitions.items():
        if how == "one":
            continue
        _need(bool(g.space), "a scalar is divided among threads")
        folds = [*g.folds, *([g.anchor] if g.anchor is not None and g.form is Form.REDUCE else [])]
        shared = len(g.space) - 1 if how == "columns" else 0
        _need(not any(shared in folded_axes(f) for f in folds), "threads divide a sum")
        rows = g.space[0], static_size(g.space[:-1])  # the first axis, or all but the last as one
        by_columns = how == "columns" and g.anchor is not None and (is_matrix_product(g.anchor) or bool(folds))
        fits = is_rowwise(g.space) if how == ROWS[0] else by_columns or length in rows
        _need(fits, f"a kernel over {g.space} is divided by {how}")


# -- stages and places ---------------------------------------------------------------------------------


def ordered(before: Draft, after: Draft) -> None:
    """Each group comes once."""
    _need(len(after.stages) == len(after.groups), "a kernel is not run, or twice")


def met(before: Draft, after: Draft) -> None:
    """Values are made before they are read, and a barrier lies between a write and what crosses the shares."""
    _check_reads(s.group for s in after.stages)
    since: dict[Node, set[tuple[object, bool]]] = {}
    for stage in after.stages:
        if stage.barrier:
            since.clear()
        here = accesses_of(stage, after.cells)
        for cell, share, writes in here:
            for other, wrote in since.get(cell, ()):
                if (writes or wrote) and (share is None or other != share):
                    raise GraphError(f"{where(cell)}: no barrier before another's part of it is touched")
        for cell, share, writes in here:
            since.setdefault(cell, set()).add((share, writes))


def placed(before: Draft, after: Draft) -> None:
    """Every stored value has a place."""
    plan = after.plan
    _need(plan is not None and all(n in plan.places for s in plan.stages for n in s.group.stores), "a value has none")


def apart(before: Draft, after: Draft) -> None:
    """Where two values share memory, the threads have met after the last use of one, before the other is made."""
    lives = sorted(_lives(after))
    open_: list[tuple[int, int, int]] = []  # end, first and last barrier
    for start, end, first, last in lives:
        open_ = [o for o in open_ if o[0] > start]
        _need(all(o[2] < first or last < o[1] for o in open_), "two values that are needed at once share memory")
        open_.append((end, first, last))


def _lives(draft: Draft) -> list[tuple[int, int, int, int]]:
    """(first byte, byte after the last, number of barriers before it is made, and before its last use)."""
    plan = draft.plan
    assert plan is not None
    ends, outputs = last_uses(plan.stages), set(plan.graph.outputs)
    barriers = list(accumulate(int(s.barrier) for s in plan.stages))
    lives = []
    for at, stage in enumerate(plan.stages):
        sums = stage.group.anchor if stage.k_blocked else None  # these wait in the place of a result of the same kernel
        for node in stage.group.stores:
            place = plan.places[node]
            if place.slot == 0 and node is not sums:
                last = barriers[-1] if node in outputs else barriers[ends[node]]
                lives.append((place.offset, place.offset + plan.storage.bytes(node), barriers[at], last))
        workspace = plan.workspaces.get(stage.group)
        if workspace is not None and workspace.slot == 0:
            lives.append((workspace.offset, workspace.offset + 1, barriers[at], barriers[at]))
    _need(all(end <= plan.arena for _, end, _, _ in lives), "a value lies beyond the arena")
    return lives


def lowered(before: Draft, after: Draft) -> None:
    """There is a program."""
    _need('define i64 @"run"' in after.llvm, "the program has no entry")
