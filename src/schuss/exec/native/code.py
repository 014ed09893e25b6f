"""From a graph to its plan and machine code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from schuss.compiler.passes.materialize import materialize
from schuss.compiler.schedule.buffers import Plan, plan
from schuss.compiler.schedule.fuse import group
from schuss.compiler.storage import Storage
from schuss.compiler.work import work
from schuss.ir.executor import Array
from schuss.ir.graph import Graph, Node


@dataclass(frozen=True)
class Code:
    """A plan and its machine code."""

    plan: Plan
    slots: Mapping[Node, int]
    checks: tuple[Node, ...]
    constants: tuple[Array, ...]
    run: Callable[..., int]
    flops: float

    @property
    def slot_count(self) -> int:
        return 1 + len(self.slots) + bool(self.checks)


def build(
    graph: Graph,
    state: Mapping[str, str],
    storage: Storage,
    watch: str | None,
    threads: int,
    profile: bool = False,
) -> Code:
    """Plan and compile a graph. state: input name -> output name that replaces it; other outputs get slots
    of their own, but the watched one."""
    from schuss.compiler.link import link

    graph = materialize(graph, storage)
    groups = group(graph)
    inputs = dict(zip(graph.input_names, graph.inputs, strict=True))
    outputs = dict(zip(graph.output_names, graph.outputs, strict=True))
    constants = [n for n in graph.nodes if n.op == "hyperparameter" or (n.op == "const" and n.attrs["value"].size != 1)]
    kept = set(state.values()) | ({watch} if watch else set())
    owned = [*graph.inputs, *constants, *(o for name, o in outputs.items() if name not in kept)]
    slots = {node: i for i, node in enumerate(owned, start=1)}
    updates = {inputs[old]: outputs[new] for old, new in state.items()}
    checks = tuple(n for n in graph.nodes if n.op == "check_index")
    planned = plan(graph, groups, storage, slots, checks, updates, threads)
    run = link(planned, storage.counter, outputs[watch] if watch else None, threads, profile)
    arrays = tuple(np.ascontiguousarray(c.attrs["value"]) for c in constants)
    return Code(planned, slots, checks, arrays, run, work(graph, storage.capacity))
