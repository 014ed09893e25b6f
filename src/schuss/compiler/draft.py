"""What the passes hand on: a program on its way from a graph to machine code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.fuse import Group
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import Partition
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.ir.graph import Graph, Node

if TYPE_CHECKING:
    from schuss.compiler.llvm.target import Target


@dataclass(frozen=True, eq=False)
class Draft:
    """What is asked for, and what the passes have made of it so far. It never changes: a pass makes another one.

    graph     the program; rewritten up to `materialize`. Its lengths are numbers, and N: of other symbols the executor
              has made numbers (exec/native/lengths.py)
    storage   how its values lie
    state     names of inputs; the output of the same name is the new value of each
    watch     name of the output that must stay finite
    threads   how many are expected to share the program; any number may run it
    tuning    by which ways are chosen that give the same bits
    profile   whether the program counts the cycles of each kernel
    target    None: this machine

    swapped   (layout) states that are kept transposed, and their new values likewise
    groups    (fuse, alias) what each kernel computes
    cells     (alias) which old state each new one is written over
    partitions, packs  (partition) how threads share each group; the products that pack their right operand
    stages    (order) the groups in their order, and where barriers lie
    plan      (buffers) these with a place for every value
    llvm, notes  (lower) the code in LLVM's language, and how that of each kernel was chosen
    """

    graph: Graph
    storage: Storage
    state: tuple[str, ...] = ()
    watch: str | None = None
    threads: int = 1
    tuning: Tuning = DEFAULT
    profile: bool = False
    target: Target | None = None
    swapped: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    cells: Mapping[Node, Node] = field(default_factory=dict)
    partitions: Mapping[Group, Partition] = field(default_factory=dict)
    packs: frozenset[Group] = frozenset()
    stages: tuple[Stage, ...] = ()
    plan: Plan | None = None
    llvm: str = ""
    notes: tuple[str, ...] = ()

    @property
    def updates(self) -> dict[Node, Node]:
        """For each state that changes its new value."""
        inputs = dict(zip(self.graph.input_names, self.graph.inputs, strict=True))
        outputs = dict(zip(self.graph.output_names, self.graph.outputs, strict=True))
        return {inputs[name]: outputs[name] for name in self.state if name in outputs}

    @property
    def watched(self) -> Node | None:
        return None if self.watch is None else self.graph.output(self.watch)
