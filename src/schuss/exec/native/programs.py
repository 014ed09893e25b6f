"""The programs of an executor's loops. Steps that differ in the values of their hyperparameters alone share one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

import numpy as np

from schuss.compiler.draft import Draft
from schuss.compiler.pipeline import REWRITES, run
from schuss.compiler.schedule.sharing import Sharing, sharing
from schuss.compiler.storage import ITEMSIZE, Storage
from schuss.compiler.structure import is_const, is_hyperparameter, is_input
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.exec.checks import Check, checked_once
from schuss.exec.machine import private_cache
from schuss.exec.native.blocks import StateBlock
from schuss.exec.native.code import Code, build
from schuss.exec.native.kept import Kept
from schuss.exec.native.lengths import beside_n
from schuss.exec.seams import types_of
from schuss.ir.executor import Array, Step
from schuss.ir.executors import cannot
from schuss.ir.graph import Graph, Node, lazy
from schuss.ir.types import TensorType, bind
from schuss.ir.verify import where


def draft_of(
    step: Step, max_batch: int, threads: int, profile: bool = False, tuning: Tuning = DEFAULT
) -> tuple[Draft, list[Check]]:
    """What the compiler is asked for, and the indices that are checked when the data are bound.

    LoweringError for a step with another symbol than N: its code would have to be made anew while it runs.
    """
    if (found := beside_n(step.graph)) is not None:
        symbol, node = found
        what = f"the length {symbol} of {where(node)} in a loop"
        raise cannot("native", what, None, f"give {symbol} a number, or use")
    graph, checks = checked_once(step.graph, step.columns)
    storage = Storage(max_batch, frozenset(step.columns), spacing=tuning.spacing, counter=step.counter)
    return Draft(graph, storage, step.state, step.watch, threads, tuning, profile), checks


@dataclass(frozen=True)
class Program:
    """The code of a step, and what its loops must know of it.

    checks   the indices that are checked when the data are bound
    swapped  names of the state that is kept transposed
    panels   names of the state that lies in panels
    """

    step: Step
    code: Code
    checks: list[Check]
    swapped: frozenset[str]
    panels: frozenset[str]

    @lazy
    def slots(self) -> dict[str, int]:
        """Where the program looks for its inputs, by name."""
        return {str(node.attrs["name"]): slot for node, slot in self.code.plan.slots.items() if is_input(node)}

    @lazy
    def types(self) -> dict[str, TensorType]:
        """The step's inputs' types, by name."""
        return types_of(self.step)

    @lazy
    def state(self) -> dict[str, TensorType]:
        """Those of the state, as it is kept."""
        kept = {str(node.attrs["name"]): node.type for node in self.code.draft.graph.inputs}
        return {name: kept[name] for name in self.step.state}

    @lazy
    def block(self) -> StateBlock:
        """How the state lies."""
        return StateBlock(self.state, self.code.draft.tuning.spacing, self.panels)

    @lazy
    def copies(self) -> StateBlock:
        """How copies of it lie, which numpy shows."""
        return StateBlock(self.state, self.code.draft.tuning.spacing) if self.panels else self.block

    @lazy
    def sharing(self) -> Sharing:
        """What sharing a step among threads gains."""
        held = sum(math.prod(bind(t.shape, {})) * ITEMSIZE[t.dtype] for t in self.state.values())
        return sharing(self.code.plan, self.code.draft.threads, held, private_cache())

    def values(self, step: Step) -> Mapping[Node, Array]:
        """The hyperparameters of an equal step, by the nodes of this program."""
        nodes = step.graph.nodes
        return {mine: nodes[place].attrs["value"] for place, mine in self._hyperparameters}

    @lazy
    def _hyperparameters(self) -> list[tuple[int, Node]]:
        """With their places among the nodes."""
        return [(i, node) for i, node in enumerate(self.step.graph.nodes) if is_hyperparameter(node)]


class Programs:
    """Made when they are first asked for, and kept."""

    def __init__(self, threads: int, profile: bool = False, tuning: Tuning = DEFAULT) -> None:
        self._how = threads, profile, tuning
        self._kept: Kept[_Asked, Program] = Kept(self._make)
        self._found: WeakKeyDictionary[Graph, dict[Hashable, ref[Program]]] = (
            WeakKeyDictionary()
        )  # those of equal steps

    def of(self, step: Step, max_batch: int) -> Program:
        """The program of a step, or of an equal one, for batches of so many rows at most.

        Members of an ensemble ask for one step again and again: it is compared with what there is once.
        """
        asked = (max_batch, step.state, step.columns, step.counter, step.watch)
        found = self._found.get(step.graph, {}).get(asked)
        program = None if found is None else found()
        if program is None:
            program = self._kept[_Asked(step, max_batch)]
            self._found.setdefault(step.graph, {})[asked] = ref(program)
        return program

    def _make(self, asked: _Asked) -> Program:
        draft, checks = draft_of(asked.step, asked.max_batch, *self._how)
        draft = run(draft, REWRITES)
        return Program(asked.step, build(draft), checks, draft.swapped, draft.storage.panels)


class _Asked:
    """A step and its largest batch, as a key."""

    def __init__(self, step: Step, max_batch: int) -> None:
        self.step, self.max_batch = step, max_batch

    def __hash__(self) -> int:
        return hash((self.max_batch, self.step.state, self.step.columns, len(self.step.graph.nodes)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.max_batch == other.max_batch and _equal(self.step, other.step)


def _equal(one: Step, other: Step) -> bool:
    """Whether the steps do the same but for the values of hyperparameters."""
    if (one.state, one.columns, one.counter, one.watch) != (other.state, other.columns, other.counter, other.watch):
        return False
    first, second = one.graph, other.graph
    if first is second:
        return True
    if len(first.nodes) != len(second.nodes) or first.output_names != second.output_names:
        return False
    beside: dict[Node, Node] = {}
    values: dict[Hashable, bytes] = {}
    for a, b in zip(first.nodes, second.nodes, strict=True):
        if not _alike(a, b, beside) or (is_hyperparameter(a) and not _apart(a, b, values)):
            return False
        beside[a] = b
    ends = ((first.inputs, second.inputs), (first.outputs, second.outputs))
    return all(len(a) == len(b) and all(beside[x] is y for x, y in zip(a, b, strict=True)) for a, b in ends)


def _alike(a: Node, b: Node, beside: Mapping[Node, Node]) -> bool:
    """Whether two nodes are the same operation on the same operands. Of layer and line only errors tell: they count
    where an index may be out of range."""
    if a.op != b.op or a.type != b.type or (a.op == "check_index" and (a.site, a.scope) != (b.site, b.scope)):
        return False
    if len(a.inputs) != len(b.inputs) or any(beside[x] is not y for x, y in zip(a.inputs, b.inputs, strict=True)):
        return False
    if a.attrs is b.attrs:
        return True
    if is_const(a):
        return _bits(a) == _bits(b)
    if is_hyperparameter(a):
        return bool(a.attrs["name"] == b.attrs["name"])
    return repr(a.attrs) == repr(b.attrs)  # 1, 1.0 and True differ


def _apart(a: Node, b: Node, values: dict[Hashable, bytes]) -> bool:
    """Whether hyperparameters that are one in a program, by name, layer and value, have one value in the other step."""
    key = a.attrs["name"], a.scope, a.type.dtype, _bits(a)
    return values.setdefault(key, _bits(b)) == _bits(b)


def _bits(node: Node) -> bytes:
    return np.asarray(node.attrs["value"]).tobytes()


__all__ = ["Program", "Programs", "draft_of"]
