"""When a number blows up: what the run goes back to; which operation it was, in which layer, at which step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from schuss.errors import NonFiniteError
from schuss.exec.reference import run_graph
from schuss.ir.executor import Array, Loop, Step
from schuss.ir.graph import LEAVES, Node

LARGE = 1e3  # from here on data should be scaled
SNAPSHOT = 1.0  # seconds between two snapshots, at least,
SNAPSHOT_SHARE, SNAPSHOT_MOST = 0.02, 10.0  # and this share of the time goes into them, unless they come too rarely


class Snapshot:
    """The newest whole state of a run that is known to be finite: what checkpoints hold, and what it goes back to.

    arrays  by name
    step    of the epoch, that they are of
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays, self.step = arrays, 0
        self._taken = 0.0
        self._apart = SNAPSHOT  # seconds to the next one

    def renew(self, step: int, now: float) -> None:
        """The state is the run's at this step of the epoch that begins or goes on now."""
        self.step, self._taken = step, now

    def is_due(self, now: float) -> bool:
        """Whether it is time for another one."""
        return now - self._taken > self._apart

    def take(self, loop: Loop, step: int, now: float) -> bool:
        """Copy the state, unless that was done at this step. False, and the old one stays, if it is not finite."""
        if self.step != step:
            start = time.thread_time()
            arrays = loop.state()
            if not finite(arrays):
                return False
            self.arrays = arrays
            self._apart = min(max(SNAPSHOT, (time.thread_time() - start) / SNAPSHOT_SHARE), SNAPSHOT_MOST)
        self.step, self._taken = step, now
        return True

    def advance(self, loop: Loop, order: Array, batch: int, bad: int, base: int) -> None:
        """Run again from here up to the last finite state; see last_good."""
        self.arrays, self.step = last_good(loop, order, batch, (self.step, self.arrays), bad, base)


def finite(arrays: Mapping[str, Array]) -> bool:
    """Whether every floating array holds finite numbers only."""
    with np.errstate(all="ignore"):
        for array in arrays.values():  # after each epoch, however short: no Python but this loop
            if array.dtype.kind != "f" or math.isfinite(np.add.reduce(array, axis=None)):
                continue
            if not np.isfinite(array).all():  # the sum alone may be too large
                return False
    return True


def blown_up(
    step: Step, given: Mapping[str, Array], counter: int, where: str, data: Mapping[str, Array]
) -> NonFiniteError:
    """The error that names the first operation to make NaN or infinity from finite numbers.

    given: state and rows before the step, by input name; counter: the step's number over the whole run; data: all
    columns of the training data.
    """
    culprit = _culprit(step, {**given, step.counter or "": np.asarray(counter, np.int64)})
    acted = counter > 0 or culprit is None or culprit.scope.startswith("optimizer")
    mend = f"the model keeps the last good weights; {_advice(step, acted, data)}"
    if culprit is None:
        return NonFiniteError(f"the loss became NaN or infinite at {where}; {mend}")
    layer = f" in {culprit.scope}" if culprit.scope else ""
    line = f" (line: {culprit.site})" if culprit.site else ""
    return NonFiniteError(f"{culprit.op}{layer} gave NaN or infinity at {where}; {mend}{line}")


def _advice(step: Step, acted: bool, data: Mapping[str, Array]) -> str:
    """What to try. acted: whether a learning rate had a part in it, which it has not before the first update."""
    rate = "a smaller learning rate or limit the gradient's norm"
    found = [told for told in (_large(step, name, column, data) for name, column in data.items()) if told]
    if found:
        scaling = f"scale the data, as (x - x.mean(axis=0)) / x.std(axis=0) does: {' and '.join(found)}"
        return f"{scaling}; or try {rate}" if acted else scaling
    if not acted:
        return "no learning rate has acted yet: look at this operation for these data, and at how they are scaled"
    return f"try {rate}"


def _large(step: Step, name: str, column: Array, data: Mapping[str, Array]) -> str | None:
    """The column with the largest values, and its range; None if they are not large, or stand for something else."""
    if name == "w" or not len(column) or not _is_quantity(step, name, column):
        return None
    rows = column.reshape(len(column), -1)
    low, high = rows.min(axis=0), rows.max(axis=0)
    size = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    at = int(size.argmax()) if size.size else 0
    if not size.size or size[at] <= LARGE:
        return None
    shown = name if name == "y" else "x" if "x1" not in data else f"x[{name[1:]}]"
    place = f"column {at} of {shown}" if rows.shape[1] > 1 else shown
    return f"{place} goes from {float(low[at]):.4g} to {float(high[at]):.4g}"


def _is_quantity(step: Step, name: str, column: Array) -> bool:
    """Whether a column is numbers to compute with: integers may be indices or labels."""
    if column.dtype.kind == "f":
        return True
    uses = [n.op for n in step.graph.nodes if any(i.op == "input" and i.attrs["name"] == name for i in n.inputs)]
    return bool(uses) and all(op == "cast" for op in uses)


def _culprit(step: Step, given: Mapping[str, Array]) -> Node | None:
    values = run_graph(step.graph, [given[name] for name in step.graph.input_names])
    for node in step.graph.nodes:
        made = node.op not in LEAVES and node.type.is_float
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
