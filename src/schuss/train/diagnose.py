"""When a number blows up: which operation, in which layer, at which step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schuss.errors import NonFiniteError
from schuss.exec.reference import run_graph
from schuss.ir.executor import Array, Loop, Step
from schuss.ir.graph import Node


def finite(arrays: Mapping[str, Array]) -> bool:
    """Whether every floating array holds finite numbers only."""
    return all(np.isfinite(v).all() for v in arrays.values() if v.dtype.kind == "f")


def blown_up(step: Step, given: Mapping[str, Array], counter: int, where: str) -> NonFiniteError:
    """The error that names the first operation to make NaN or infinity from finite numbers.

    given: state and rows before the step, by input name; counter: the step's number over the whole run.
    """
    mend = "the model keeps the last good weights; try a smaller learning rate or limit the gradient's norm"
    culprit = _culprit(step, {**given, step.counter or "": np.asarray(counter, np.int64)})
    if culprit is None:
        return NonFiniteError(f"the loss became NaN or infinite at {where}; {mend}")
    layer = f" in {culprit.scope}" if culprit.scope else ""
    line = f" (line: {culprit.site})" if culprit.site else ""
    return NonFiniteError(f"{culprit.op}{layer} gave NaN or infinity at {where}; {mend}{line}")


def _culprit(step: Step, given: Mapping[str, Array]) -> Node | None:
    values = run_graph(step.graph, [given[name] for name in step.graph.input_names])
    for node in step.graph.nodes:
        made = node.op not in ("input", "const") and node.type.is_float
        if not made or np.isfinite(values[node]).all():
            continue
        if all(np.isfinite(values[i]).all() for i in node.inputs if i.type.is_float):
            return node
    return None


def last_good(
    loop: Loop, order: Array, batch: int, back: tuple[int, dict[str, Array]], bad: int, base: int
) -> tuple[dict[str, Array], int]:
    """The newest state in which all is finite, and the step that spoils it, found by running again.

    back: (step, state) to start from; bad: the step whose loss was not finite (its state may have been
    spoiled by the step before).
    """
    first, arrays = back
    for number in range(bad, first, -1):
        loop.load(arrays)
        loop.run(order, batch, first, number - first, base + first)
        state = loop.state()
        if finite(state):
            return state, number
    return arrays, first
