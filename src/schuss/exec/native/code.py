"""From a draft to its plan and machine code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schuss.compiler.draft import Draft
from schuss.compiler.pipeline import SCHEDULE, run
from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.structure import has_code
from schuss.compiler.work import work
from schuss.ir.executors import cannot
from schuss.ir.graph import Graph, lazy


@dataclass(frozen=True)
class Code:
    """A plan and its machine code."""

    draft: Draft
    plan: Plan
    run: Callable[..., int]
    flops: float

    @property
    def slot_count(self) -> int:
        return self.plan.stop + 1

    @lazy
    def looks(self) -> bool:
        """Whether it can be given up."""
        return self.plan.looks


def build(draft: Draft) -> Code:
    """Plan and compile a draft whose graph is rewritten."""
    from schuss.compiler.link import link

    made = run(draft, SCHEDULE)
    assert made.plan is not None
    return Code(made, made.plan, link(made), work(made.graph, made.storage.capacity))


def check_code(graph: Graph) -> None:
    """LoweringError names the first operation that has no native code, before any is made."""
    for node in graph.nodes:
        if not has_code(node):
            raise cannot("native", node.op, node.site)
