"""What a network of one or two inputs has learned: its function beside the data, at moments of the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.analysis.forward import Forward, weights_in
from schuss.analysis.runs import as_run, check_single, final_weights, loss_name, moments_of, sample, with_data
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.executors import compiled

CHOSEN = 6  # moments of a picture
MARGIN = 0.06  # of the data's extent, shown beyond it on each side
ROWS = 2000  # of the data are kept at most


@dataclass(frozen=True)
class Approximation:
    """The network's function on a grid over the data, at moments of its run.

    axes         the grid: one array [points], or two, [points] each
    predictions  float64 [moments, points, outputs], or [moments, points of axis 2, points of axis 1, outputs]
    kind         what they are: probabilities, scores (of classes) or values
    target       the function to be learned on the grid, where it is known: as one moment of predictions
    x, y         rows of the data: float64 [rows, 1 or 2], and labels [rows] or values [rows, outputs]
    epochs, losses  of the moments; the loss of a moment that is not known is NaN
    """

    axes: tuple[Array, ...]
    predictions: Array
    kind: str
    target: Array | None
    x: Array
    y: Array
    epochs: list[float]
    losses: list[float]
    loss_name: str = "loss"

    def to_json(self) -> dict[str, Any]:
        """All of it as lists of numbers; a loss that is not known is None."""
        return {
            "axes": [a.tolist() for a in self.axes],
            "predictions": self.predictions.tolist(),
            "kind": self.kind,
            "target": None if self.target is None else self.target.tolist(),
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "epochs": self.epochs,
            "losses": [v if math.isfinite(v) else None for v in self.losses],
            "loss_name": self.loss_name,
        }


def approximation_data(
    run_or_model: Any,
    data: Any = None,
    *,
    points: int = 200,
    moments: int | Sequence[int] | None = None,
    target: Callable[..., Any] | None = None,
) -> Approximation:
    """The function of a network of one or two inputs on a grid over the data.

    run_or_model  what fit returned, or a model
    data          (x, y) to show and to lay the grid over; None: the run's training data
    points        along each axis
    moments       how many of the run's recorded moments (chosen densely at its start, the first and the last among
                  them), or their indices in run.path; None: 6, or the last weights alone of a run without a record
    target        the function to be learned, if it is known: called with arrays, one for each input

    UsageError for more than two inputs, for several targets or results, for moments of a run without a record and for a
    model without data.
    """
    run = _run(run_or_model, data)
    check_single(run.task, "approximation")
    x, y = _rows(run)
    chosen = _moments(run, moments)
    axes = tuple(_axis(column, points) for column in x.T)
    mesh = np.stack([m.ravel() for m in np.meshgrid(*axes)], axis=1)
    kind, found = _functions(run, mesh, [weights for weights, _, _ in chosen])
    shape = tuple(len(a) for a in reversed(axes))
    predictions = np.stack(found).reshape(len(found), *shape, -1)
    wanted = None
    if target is not None:
        wanted = np.asarray(target(*mesh.T), np.float64).reshape(*shape, -1)
    epochs, losses = [e for _, e, _ in chosen], [v for _, _, v in chosen]
    return Approximation(axes, predictions, kind, wanted, x, y, epochs, losses, loss_name(run.task))


def _functions(run: Any, mesh: Array, weights: Sequence[Mapping[str, Array]]) -> tuple[str, list[Array]]:
    """What is shown of the run's model at points [n, inputs] with each of the weights, and its kind."""
    forward, given = Forward.of_run(run), run.task.inputs[0]
    graph = forward.of_numbers(np.empty((0, *given.shape[1:]), given.dtype))
    rows = np.ascontiguousarray(mesh.reshape(len(mesh), *given.shape[1:]), graph.inputs[0].type.dtype)
    compute = compiled(graph)
    raw = [np.asarray(compute([rows, *weights_in(graph, w)])[0], np.float64).reshape(len(rows), -1) for w in weights]
    shown = [forward.shown(values) for values in raw]
    return shown[0][0], [values for _, values in shown]


def _run(given: Any, data: Any) -> Any:
    """The run, with the data given in the place of its own."""
    is_run = hasattr(given, "history") and hasattr(given, "model")
    if data is not None:
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise UsageError(f"approximation: data must be a pair (x, y), got {type(data).__name__}")
        if is_run and given.task is not None:
            return with_data(given, *data)
        return as_run(given.model if is_run else given, *data)
    if not is_run or getattr(given, "task", None) is None or getattr(given, "data", None) is None:
        raise UsageError("approximation: a model by itself has no data: give data=(x, y)")
    return given


def _rows(run: Any) -> tuple[Array, Array]:
    """At most ROWS rows of the data, drawn once, as [rows, inputs]."""
    count = sum(math.prod(t.shape[1:]) for t in run.task.inputs)
    if len(run.task.inputs) > 1 or not 1 <= count <= 2:
        raise UsageError(f"approximation: draws functions of 1 or 2 inputs, the model takes {count}")
    drawn = sample(run.data, ROWS)
    x, y = drawn["x0"], drawn["y"]
    if not len(x):
        raise DataError("approximation: the data has no rows")
    labels = y.ndim == 1 and not run.task.target.is_float
    return np.asarray(x, np.float64).reshape(len(x), count), y if labels else y.reshape(len(y), -1).astype(np.float64)


def _moments(run: Any, moments: int | Sequence[int] | None) -> list[tuple[Mapping[str, Array], float, float]]:
    """(weights, epoch, loss) of the moments asked for."""
    path = getattr(run, "path", None) or []
    if moments is None and not path:
        return [(final_weights(run), float(getattr(run, "epochs", 0)), math.nan)]
    path = moments_of(run, "approximation")
    if isinstance(moments, int) or moments is None:
        indices = chosen_of(len(path), CHOSEN if moments is None else moments)
    else:
        indices = list(moments)
        wrong = [i for i in indices if not -len(path) <= i < len(path)]
        if wrong:
            raise UsageError(f"approximation: the run has {len(path)} moments, there is none at index {wrong[0]}")
    return [(path[i].weights, path[i].epoch, path[i].loss) for i in indices]


def chosen_of(count: int, most: int) -> list[int]:
    """Indices of at most so many moments, in geometric steps, the first and the last among them."""
    if most < 1:
        raise UsageError(f"moments must be at least 1, got {most}")
    if most == 1 or count == 1:
        return [count - 1]
    steps = np.geomspace(1, count, min(most, count)).round().astype(int) - 1
    found = list(dict.fromkeys(int(i) for i in steps))
    spare = (i for i in range(count) if i not in found)
    return sorted(found + [next(spare) for _ in range(min(most, count) - len(found))])


def _axis(column: Array, points: int) -> Array:
    low, high = float(column.min()), float(column.max())
    margin = (high - low or 1.0) * MARGIN
    return np.linspace(low - margin, high + margin, points)
