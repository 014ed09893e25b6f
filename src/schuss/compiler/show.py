"""What the compiler has after a pass, as text to read: the graph, the kernels so far, or the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schuss.compiler.draft import Draft
from schuss.compiler.schedule.fuse import Group
from schuss.compiler.schedule.partition import in_words
from schuss.compiler.storage import PANEL
from schuss.compiler.structure import is_input
from schuss.ir.graph import Node
from schuss.ir.text import to_text

PACKS = "; packs its transposed right operand, a panel of columns at a time"


def shown(draft: Draft) -> str:
    """The graph's text; below it, as comments, a line for each kernel. Once there is code, the code."""
    if draft.llvm:
        return draft.llvm
    graph = draft.graph
    lines = [f"# stored transposed: {', '.join(sorted(draft.swapped))}"] if draft.swapped else []
    if draft.storage.panels:
        lines.append(f"# stored in panels of {PANEL} columns: {', '.join(sorted(draft.storage.panels))}")
    order = [*graph.inputs, *(n for n in graph.nodes if not is_input(n))]  # as to_text numbers them
    number = {node: f"%{i}" for i, node in enumerate(order)}
    if draft.storage.copies:
        lines.append(
            f"# copies in panels of {PANEL} columns: {', '.join(sorted(map(number.__getitem__, draft.storage.copies)))}"
        )
    for at, new in enumerate(n for n in draft.cells if n not in number):
        number[new] = f"%copy{at}"
    return to_text(graph) + "\n".join([*lines, *_kernels(draft, number)]) + "\n"


def _kernels(draft: Draft, number: Mapping[Node, str]) -> Iterator[str]:
    if not draft.stages:
        for at, group in enumerate(draft.groups):
            how = f"; {in_words(draft.partitions[group])}" if draft.partitions else ""
            yield f"# kernel {at}: {_group(draft, group, number)}{how}{PACKS * (group in draft.packs)}"
    for at, stage in enumerate(draft.stages):
        if stage.barrier:
            yield "# -- barrier --"
        how = f"; {in_words(stage.partition)}{'; k-blocked' * stage.k_blocked}{PACKS * stage.packs}"
        yield f"# kernel {at}: {_group(draft, stage.group, number)}{how}"


def _group(draft: Draft, group: Group, number: Mapping[Node, str]) -> str:
    space = " x ".join(map(str, group.space)) or "scalar"
    made = ", ".join(f"{number[n]} {n.op}" for n in group.nodes)
    stored = ", ".join(_stored(draft, node, number) for node in group.stores)
    return f"{group.form.value} [{space}]: {made}; stores {stored}"


def _stored(draft: Draft, node: Node, number: Mapping[Node, str]) -> str:
    over = f" in place of {number[draft.cells[node]]}" if node in draft.cells else ""
    place = None if draft.plan is None else draft.plan.places[node]
    where = "" if place is None else f" at slot {place.slot}" if place.slot else f" at arena+{place.offset}"
    return f"{number[node]}{over}{where}"
