"""The reference executor: each node's numpy body, in order. It is the specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schuss.errors import IndexRangeError
from schuss.exec.checks import check_columns, checked_once, out_of_range
from schuss.exec.seams import check_span, fitting, lengths_of, resident, types_of
from schuss.ir.executor import Array, Compiled, GivenUp, Step
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.ir.types import N, Sym, bind
from schuss.ops.registry import lookup


def evaluate(node: Node, args: Sequence[Array], lengths: Mapping[Sym, int]) -> Array:
    """One node's value from its inputs' values, where numpy tells of no overflow. lengths: those of the symbols."""
    if node.op in LEAVES:
        return np.asarray(node.attrs["value"])
    attrs = {k: bind(v, lengths) if k == "shape" else v for k, v in node.attrs.items()}
    value = lookup(node.op).body(*args, **attrs)
    return np.asarray(value, dtype=node.type.dtype)


def run_graph(
    graph: Graph, arrays: Sequence[Array], rows: Array | None = None, hurry: Callable[[], bool] | None = None
) -> dict[Node, Array]:
    """Every node's value. rows: the examples' numbers in the data, for errors to name; hurry: see Loop.run."""
    lengths = lengths_of(graph, arrays)
    values: dict[Node, Array] = dict(zip(graph.inputs, arrays, strict=True))
    with np.errstate(all="ignore"):
        _evaluate_all(graph, values, lengths, rows, hurry)
    return values


def _evaluate_all(
    graph: Graph,
    values: dict[Node, Array],
    lengths: Mapping[Sym, int],
    rows: Array | None,
    hurry: Callable[[], bool] | None,
) -> None:
    for node in graph.nodes:
        if node not in values:
            if hurry is not None and hurry():
                raise GivenUp
            try:
                values[node] = evaluate(node, [values[i] for i in node.inputs], lengths)
            except IndexRangeError as error:
                row = error.row or 0
                if rows is not None and node.type.shape[:1] == (N,):
                    row = int(rows[row])
                raise out_of_range(node, row, error.value) from None


class ReferenceExecutor:
    """Slow and plain. Safe to use from many threads."""

    name = "reference"

    def __init__(self, threads: int | None = None) -> None:
        """threads is what executors take; numpy's are its own."""

    def compile(self, graph: Graph) -> Compiled:
        def run(arrays: Sequence[Array]) -> list[Array]:
            values = run_graph(graph, arrays)
            return [np.array(values[o]) for o in graph.outputs]

        return run

    def loop(self, step: Step, max_batch: int) -> ReferenceLoop:
        return ReferenceLoop(step)


class ReferenceLoop:
    """Steps one after the other; see schuss.ir.executor.Loop."""

    by_numpy = True

    def __init__(self, step: Step) -> None:
        graph, self._checks = checked_once(step.graph, step.columns)
        self.step = replace(step, graph=graph)
        self._state: dict[str, Array] = {}
        self._columns: Mapping[str, Array] = {}
        self._rows: int | None = None
        self._types = types_of(step)

    def load(self, state: Mapping[str, Array]) -> None:
        held = {name: value for name, value in state.items() if name in self.step.state}
        self._state |= {name: np.array(fitting(name, value, self._types[name])) for name, value in held.items()}

    def state(self) -> dict[str, Array]:
        return {name: self.peek(name) for name in self._state}

    def peek(self, name: str) -> Array:
        return self._state[name].copy()

    def bind(self, columns: Mapping[str, Array]) -> None:
        self._columns, self._rows = resident(self.step, columns)
        check_columns(self._checks, self._columns)

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        first: int,
        steps: int,
        counter: int,
        hurry: Callable[[], bool] | None = None,
    ) -> int:
        order = np.ascontiguousarray(order, np.int64)
        check_span(self.step, self._rows, order, batch, first, steps)
        for i in range(steps):
            rows = order[(first + i) * batch : (first + i + 1) * batch]
            outputs = self._one(rows, counter + i, hurry)
            watch = self.step.watch
            if watch is not None and not np.isfinite(outputs[watch]):
                return i + 1
        return steps

    def _one(self, rows: NDArray[np.int64], counter: int, hurry: Callable[[], bool] | None) -> dict[str, Array]:
        graph = self.step.graph
        given: dict[str, Any] = dict(self._state)
        given.update({name: self._columns[name][rows] for name in self.step.columns})
        if self.step.counter is not None:
            given[self.step.counter] = np.asarray(counter, np.int64)
        values = run_graph(graph, [given[name] for name in graph.input_names], rows, hurry)
        outputs = dict(zip(graph.output_names, (values[o] for o in graph.outputs), strict=True))
        for name in self.step.state:
            if name in outputs:
                self._state[name] = np.array(outputs[name])
        return outputs
