"""The one list of passes, from a graph to code in LLVM's language, of which link.py makes machine code.

Each pass is a function without side effects from a Draft to a Draft that knows more. After each its spec is checked
(compiler/specs.py), and what it made can be printed (compiler/show.py).
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from schuss.compiler import specs
from schuss.compiler.draft import Draft
from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.layout import choose_layout
from schuss.compiler.passes.materialize import materialize
from schuss.compiler.passes.pads import join_pads
from schuss.compiler.passes.panels import choose_panels, copy_to_panels
from schuss.compiler.passes.simplify import simplify
from schuss.compiler.passes.window import slide
from schuss.compiler.schedule.alias import update_in_place
from schuss.compiler.schedule.buffers import place
from schuss.compiler.schedule.fuse import group
from schuss.compiler.schedule.order import in_order
from schuss.compiler.schedule.partition import divide
from schuss.compiler.storage import Storage
from schuss.errors import GraphError, UsageError
from schuss.forks import renew
from schuss.ir.graph import Graph


@dataclass(frozen=True)
class Pass:
    """One step of the way. spec: GraphError if what was made breaks it; `thorough` is run where SCHUSS_CHECK is set."""

    name: str
    run: Callable[[Draft], Draft]
    spec: specs.Spec
    thorough: specs.Spec = specs.nothing


def _on_graph(rule: Callable[[Graph], Graph]) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, graph=rule(draft.graph))


def _layout(draft: Draft) -> Draft:
    found = choose_layout(draft.graph, draft.state)
    return replace(draft, graph=found.graph, swapped=found.swapped)


def _outputs(draft: Draft) -> Draft:
    """Of a step only what somebody reads: new state that is not the old one as it was, and what is watched."""
    if not draft.state and draft.watch is None:
        return draft
    graph, wanted = draft.graph, {*draft.state, draft.watch}
    same = {(name, node) for name, node in zip(graph.input_names, graph.inputs, strict=True) if name in draft.state}
    named = zip(graph.output_names, graph.outputs, strict=True)
    kept = [(name, node) for name, node in named if name in wanted and (name, node) not in same]
    return replace(draft, graph=Graph(graph.inputs, tuple(n for _, n in kept), tuple(name for name, _ in kept)))


def _panels(draft: Draft) -> Draft:
    """On machines of few registers: there a tile is small, and reads more than it computes where rows lie far apart."""
    from schuss.compiler.llvm.target import host_target

    tuning, storage = draft.tuning, draft.storage
    few = (draft.target or host_target()).registers <= tuning.panel_registers
    if not few or not tuning.few_rows < storage.capacity <= tuning.k_block_rows:
        return draft
    found = choose_panels(draft.graph, draft.state, tuning.panels_bytes)
    return replace(draft, storage=replace(storage, panels=found))


def _materialize(draft: Draft) -> Draft:
    return replace(draft, graph=materialize(draft.graph, draft.storage, draft.tuning))


def _panel_copies(draft: Draft) -> Draft:
    graph, copies = copy_to_panels(draft.graph, draft.storage, draft.tuning)
    return replace(draft, graph=graph, storage=replace(draft.storage, copies=copies))


def _alias(draft: Draft) -> Draft:
    groups, cells = update_in_place(draft.groups, draft.updates)
    return replace(draft, groups=groups, cells=cells, storage=replace(draft.storage, cells=cells))


def _partition(draft: Draft) -> Draft:
    partitions, packs = divide(draft.groups, draft.cells, draft.storage, draft.threads, draft.tuning)
    return replace(draft, partitions=partitions, packs=packs)


def _order(draft: Draft) -> Draft:
    capacity = draft.storage.capacity
    stages = in_order(draft.groups, draft.cells, draft.partitions, draft.packs, capacity, draft.tuning)
    return replace(draft, stages=stages)


def _buffers(draft: Draft) -> Draft:
    unkept = [*draft.updates.values(), *([draft.watched] if draft.watched else [])]
    return replace(draft, plan=place(draft.graph, draft.storage, draft.stages, draft.cells, unkept, draft.tuning))


def _lower(draft: Draft) -> Draft:
    from schuss.compiler.lower.program import Program, emit_module

    notes: list[str] = []
    text = str(emit_module(Program.of(draft), notes))
    return replace(draft, llvm=text, notes=tuple(notes))


REWRITES = (  # these know nothing of threads, and all but the last nothing of rows
    Pass("simplify", _on_graph(simplify), specs.ends, specs.sound),
    Pass("cse", _on_graph(common_subexpressions), specs.ends, specs.distinct),
    Pass("join", _on_graph(join_pads), specs.ends, specs.sound),
    Pass("simplify-again", _on_graph(simplify), specs.ends, specs.sound),
    Pass("cse-again", _on_graph(common_subexpressions), specs.ends, specs.distinct),
    Pass("slide", _on_graph(slide), specs.ends, specs.sound),
    Pass("layout", _layout, specs.layout, specs.sound),
    Pass("outputs", _outputs, specs.outputs),
    Pass("panels", _panels, specs.panels),
)
SCHEDULE = (
    Pass("materialize", _materialize, specs.written, specs.strided),
    Pass("copies", _panel_copies, specs.copied, specs.strided),
    Pass("fuse", lambda d: replace(d, groups=group(d.graph, d.tuning.most_maps)), specs.fused, specs.stored),
    Pass("alias", _alias, specs.aliased, specs.unread),
    Pass("partition", _partition, specs.divided, specs.shared),
    Pass("order", _order, specs.ordered, specs.met),
    Pass("buffers", _buffers, specs.placed, specs.apart),
)
LOWER = (Pass("lower", _lower, specs.lowered),)
PIPELINE = (*REWRITES, *SCHEDULE, *LOWER)


def optimize(graph: Graph) -> Graph:
    """The graph of a function rewritten. GraphError if a pass breaks its spec."""
    return run(Draft(graph, Storage(1)), REWRITES).graph


class _Search:
    """Python's search for cycles, which waits while anybody is inside: all objects that passes make are needed to the
    end, and to look through them again and again took up to a fifth of the time.
    """

    def __init__(self) -> None:
        self._inside = 0
        renew(self)
        self._lock = threading.Lock()

    def renew_locks(self) -> None:
        """In a forked child, in which the threads inside do not go on."""
        if self._inside:
            gc.enable()
        self._inside, self._lock = 0, threading.Lock()

    @contextlib.contextmanager
    def waits(self) -> Iterator[None]:
        """Inside, unless it was off before anybody came."""
        with self._lock:
            mine = self._inside > 0 or gc.isenabled()
            self._inside += mine
            gc.disable()
        try:
            yield
        finally:
            with self._lock:
                self._inside = max(self._inside - mine, 0)
                if mine and not self._inside:
                    gc.enable()


_search = _Search()


def run(draft: Draft, passes: Sequence[Pass] = PIPELINE) -> Draft:
    """These passes in order. GraphError, naming the pass, if one of them breaks its spec."""
    checks = specs.thorough()
    with _search.waits():
        for each in passes:
            before, draft = draft, each.run(draft)
            try:
                each.spec(before, draft)
                if checks:
                    each.thorough(before, draft)
            except GraphError as error:
                mend = "this is a fault of schuss, please report it"
                raise GraphError(f"after the pass {each.name!r}: {error}; {mend}") from None
    return draft


def up_to(draft: Draft, name: str) -> Draft:
    """What there is after the pass of this name. UsageError for another word."""
    names = [each.name for each in PIPELINE]
    if name not in names:
        raise UsageError(f"no pass {name!r}: they are {', '.join(names)}")
    return run(draft, PIPELINE[: names.index(name) + 1])
