"""A run of a function as a graph to draw: which operation reads which value, and in which order they run."""

from __future__ import annotations

import linecache
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from schuss.explanation.explanation import Explanation, Flow, Step
from schuss.ir.executor import Array
from schuss.viz.graph.summary import Summary

VIEWS = ("transpose", "reshape", "broadcast_to", "slice")


class Network:
    """An explanation with its edges.

    data      the inputs that are drawn below what reads them, from where values begin to rise: the model's, or for a
              function the one at the foot of its longest chain
    forward   the place of each operation in the order of computation, from 1; inputs have 0
    backward  its place on the way back, from 1, for the operations that a gradient reaches
    heir      of an operation: the value among its inputs that the main line goes on to
    """

    def __init__(self, explanation: Explanation, data: Sequence[str] | None) -> None:
        self.explanation = explanation
        self.steps: dict[str, Step] = {s.name: s for s in explanation.steps}
        self.leaves: dict[str, Array] = {**explanation.inputs, **explanation.constants}
        self.forward = {name: i for i, name in enumerate(self.steps, 1)}
        back = [s.name for s in reversed(explanation.steps) if s.incoming is not None]
        self.backward = {name: i for i, name in enumerate(back, 1)}
        self.readers: dict[str, list[str]] = {}
        for step in explanation.steps:
            for value in dict.fromkeys(i for i in step.inputs if i is not None):
                self.readers.setdefault(value, []).append(step.name)
        given = data if data is not None else list(self.leaves)
        self.heir = self._heirs(given)
        self.data = self._data(given) if data is None else [d for d in data if d in self.readers]
        self._summaries: dict[tuple[str, str], Summary] = {}

    def _heirs(self, data: Collection[str]) -> dict[str, str]:
        depth: dict[str, int] = {name: 1 if name in data else 0 for name in self.leaves}
        heir: dict[str, str] = {}
        for step in self.explanation.steps:
            operands = [i for i in step.inputs if i is not None]
            if operands:
                heir[step.name] = max(operands, key=lambda o: (depth[o], _looks_like_data(o)))
            deepest = max((depth[o] for o in operands), default=0)
            depth[step.name] = deepest + 1 if deepest else 0
        return heir

    def _data(self, leaves: Sequence[str]) -> list[str]:
        name = self.explanation.result
        while name in self.heir:
            name = self.heir[name]
        return [name] if name in leaves else []

    # -- numbers -------------------------------------------------------------------------------------

    def value(self, name: str) -> Array:
        """Of an operation or an input."""
        return self.steps[name].value if name in self.steps else self.leaves[name]

    def gradient(self, name: str) -> Array | None:
        """Of the result with respect to that value; None where none comes."""
        return self.steps[name].incoming if name in self.steps else self.explanation.gradients.get(name)

    def flows(self, reader: str, value: str) -> list[Flow]:
        """What an operation hands back to one of its inputs, each time it reads it."""
        return [f for f in self.steps[reader].flows if f.to == value]

    def product(self, value: str, readers: Collection[str]) -> Array | None:
        """What these operations together hand back to a value."""
        parts = [f.product for r in readers for f in self.flows(r, value)]
        if not parts:
            return None
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def leaf_viewed(self, name: str) -> str | None:
        """The input that this operation only looks at in another way, for one reader; None if it does not."""
        while name in self.steps:
            step = self.steps[name]
            operand = step.inputs[0] if step.op in VIEWS else None
            # of a number, as the 1 a gradient begins with, the operand is None too
            if operand is None or len(self.readers.get(name, ())) != 1:
                return None
            name = operand
        return name

    # -- for programs --------------------------------------------------------------------------------

    def summary(self, array: Array) -> dict[str, Any]:
        return Summary(array).to_json()

    def to_json(self, only: str | None = None) -> dict[str, Any]:
        """only: the name of the one operation to describe."""
        e = self.explanation
        steps = e.steps if only is None else [s for s in e.steps if s.name == only]
        return {
            "title": e.title,
            "loss": float(e.value) if np.isfinite(e.value) else None,
            "result": e.result,
            "order": list(self.steps),
            "ops": [self._op(step) for step in steps],
            "inputs": [self._input(name) for name in self.leaves if only in (None, name)],
        }

    def _op(self, step: Step) -> dict[str, Any]:
        return {
            "name": step.name,
            "op": step.op,
            "layer": step.scope,
            "expression": step.expression,
            "rules": list(step.rules),
            "line": source_line(step),
            "reads": [i for i in step.inputs if i is not None],
            "value": self.summary(step.value),
            "incoming": None if step.incoming is None else self.summary(step.incoming),
            "came_from": list(step.came_from),
            "flows": [self._flow(f) for f in step.flows],
            "forward": self.forward[step.name],
            "backward": self.backward.get(step.name),
        }

    def _flow(self, flow: Flow) -> dict[str, Any]:
        return {
            "to": flow.to,
            "local": None if flow.local is None else self.summary(flow.local),
            "product": self.summary(flow.product),
            "rule": flow.rule,
            "summed": list(flow.summed),
        }

    def _input(self, name: str) -> dict[str, Any]:
        gradient = self.gradient(name)
        came_from: Mapping[str, tuple[str, ...]] = self.explanation.came_from
        return {
            "name": name,
            "value": self.summary(self.leaves[name]),
            "gradient": None if gradient is None else self.summary(gradient),
            "came_from": list(came_from.get(name, ())),
        }


def _looks_like_data(name: str) -> bool:
    return name.lower() in ("x", "xs", "input", "inputs", "data", "t")


def source_line(step: Step) -> str:
    """The user's line that made the operation, or ""."""
    return linecache.getline(step.site.file, step.site.line).strip() if step.site is not None else ""
