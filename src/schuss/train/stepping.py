"""The compiled step of a run, and its state: weights, the optimizer's arrays and the epoch's sums, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from schuss import nn
from schuss.data.rows import Rows, count, whole
from schuss.ir.executor import Array, Executor, Loop
from schuss.train.evaluate import means
from schuss.train.graphs import Graphs
from schuss.train.position import Position
from schuss.train.recovery import Snapshot
from schuss.train.run import Run
from schuss.train.step import Task


class Stepping:
    """What a run's steps compute with: the task, its data in batches, the compiled step, and its last snapshot."""

    def __init__(
        self,
        task: Task,
        executor: Executor,
        key: Array,
        data: Mapping[str, Array],
        batch_size: int,
        run: Run,
        graphs: Graphs,
    ) -> None:
        self.task, self.key, self.run, self.graphs = task, key, run, graphs
        self.data = data if isinstance(data, Rows) else dict(data)
        self.rows = count(data)
        self.picked = data.at if isinstance(data, Rows) else None  # which of the rows that lie in memory they are
        self.batch = min(batch_size, self.rows)
        self.steps = -(-self.rows // self.batch)
        self.position = Position()
        self.parameters = nn.named_parameters(task.model)
        self._executor = executor

    def _make_step(self) -> tuple[dict[str, Array], tuple[str, ...]]:
        """The step and the first arrays of the task; the optimizer's state, and what is learned."""
        made = self.graphs.training(self.task)
        self.step = made.step
        first = {f"param/{name}": p.data for name, p in self.parameters.items()}
        first |= {f"opt/{name}": v for name, v in made.state.items()}
        self.last = Snapshot(first | self._no_sums() | {"key": self.key})
        return made.state, made.learned

    @cached_property
    def loop(self) -> Loop:
        """The compiled step with its data; compiled when it is asked for, since resuming may change the step."""
        made = self._executor.loop(self.step, self.batch)
        made.bind(whole(self.data))
        return made

    def _change_task(self, **changes: Any) -> None:
        """Another step, before the run goes on; the one that is compiled, if any, is dropped."""
        self.task = self.run.task = replace(self.task, **changes)
        self._make_step()
        vars(self).pop("loop", None)

    # -- the last snapshot ----------------------------------------------------------------------------

    @property
    def arrays(self) -> dict[str, Array]:
        """The last snapshot: every array of the run, by name."""
        return self.last.arrays

    def _no_sums(self) -> dict[str, Array]:
        return {f"sum/{name}": np.zeros(()) for name in self.task.sums}

    def weights(self) -> dict[str, Array]:
        """The last snapshot's parameters."""
        return {n.removeprefix("param/"): v for n, v in self.arrays.items() if n.startswith("param/")}

    def publish(self, weights: Mapping[str, Array]) -> None:
        """Put weights into the model."""
        for name, parameter in self.parameters.items():
            parameter.data = weights[name]

    # -- the sums of the running epoch ----------------------------------------------------------------

    def _last_was_finite(self) -> bool:
        """The loop stops at a loss that is not finite; at the very last step only the sum tells."""
        return bool(np.isfinite(self.loop.peek("sum/loss")))

    def _peeked(self) -> dict[str, Array]:
        return {f"sum/{name}": self.loop.peek(f"sum/{name}") for name in self.task.sums}

    def _means(self) -> dict[str, float]:
        """The epoch's means so far."""
        return means(self._peeked(), self.task)

    def _sums(self, arrays: Mapping[str, Array]) -> dict[str, float]:
        """The running epoch's sums, by name; none between epochs."""
        return {n: float(arrays[f"sum/{n}"]) for n in self.task.sums} if self.position.step else {}

    def _running_sums(self) -> dict[str, float]:
        return self._sums(self._peeked())

    def _running_weights(self) -> dict[str, Array]:
        return {name: self.loop.peek(f"param/{name}") for name in self.parameters}


__all__ = ["Stepping"]
