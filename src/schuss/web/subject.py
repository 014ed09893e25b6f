"""What the page looks at: a model of its own with the weights of a moment, and the data. All pictures come from here.

The model is a copy, so that nothing here can reach the one that is being trained; values and gradients are those of
the copy on a chosen example. Every method is called in one thread at a time (see worker.py).
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.outputs import is_classifier, outputs_of
from schuss.asking import called
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.described import describe
from schuss.nn.holding import signature_of
from schuss.signature import Signature
from schuss.signature.inputs import handed_over
from schuss.signature.track import Track
from schuss.train.run import Run
from schuss.train.step import Task

Columns = Mapping[str, Array]
Snapshot = tuple[int, Mapping[str, Array]]  # the step, and the weights by name

GRID = (24, 96)  # points of a decision region along each axis, at least and at most
NUMBERS = 40_000  # that are sent of one
CURVE = 240  # points of a curve
SHOWN = 1000  # data points drawn
VALUES = 4096  # numbers of one layer sent to the page
MARGIN = 0.15  # of the data's range, around a picture of the function


class Subject:
    """A task's model at the weights of a moment.

    train, test  columns {"x0": ..., "y": ...}; None where there is no such data
    snapshot     gives the newest weights and their step
    target       the function itself where it is known (x [N] -> y [N]), to draw beside the network's
    axes         x0, x1, y0, y1 of the function's picture; None: those of the data
    signature    of the run, whatever the model was fitted to since; None: the model's
    """

    data_words = ("DATA", "(x, y)")  # what data are called in the command and in Python

    def __init__(
        self,
        task: Task,
        train: Columns | None,
        test: Columns | None,
        snapshot: Callable[[], Snapshot],
        target: Callable[[Array], Array] | None = None,
        axes: Sequence[float] | None = None,
        signature: Signature | None = None,
    ) -> None:
        self.model = copy.deepcopy(task.model)
        if signature is not None:
            nn.set_signature(self.model, signature)
        self.task = replace(task, model=self.model)
        self.sets: dict[str, Columns] = {k: v for k, v in (("train", train), ("test", test)) if v is not None}
        self.snapshot, self.target = snapshot, target
        self.name = ""  # of the data, where they have one
        self.data_names: Sequence[str] | None = None  # of the classes, as the data have them
        self.lock = threading.RLock()
        self._step = -1
        self._graph: tuple[Any, Any] = (None, None)  # which example at which step, and its picture
        self._axes = None if axes is None else list(axes)

    # -- what it is --------------------------------------------------------------------------------

    @property
    def classes(self) -> int | None:
        """How many classes; None for numbers."""
        return max(self.outputs, 2) if is_classifier(signature_of(self.model)) else None

    @cached_property
    def several(self) -> str:
        """What the model has several of, where functions and errors are of one array: see analysis.runs.several."""
        from schuss.analysis.runs import several

        return several(self.task)

    @property
    def class_names(self) -> list[str] | None:
        """What the classes are called, in order; None where that is not known."""
        signature = nn.signature_of(self.model)
        names = (None if signature is None else signature.classes) or self.data_names
        return None if names is None else list(names)

    @property
    def is_of_digits(self) -> bool:
        """Whether the pictures are digits: a drawing is then placed as the training digits are."""
        signature = nn.signature_of(self.model)
        record = {} if signature is None else signature.record
        data = (record.get("settings") or {}).get("data") or record.get("data")
        digits = self.class_names == [str(i) for i in range(10)] or (data == "mnist" and self.classes == 10)
        return self.image is not None and (digits or self.name == "mnist")

    @property
    def outputs(self) -> int:
        """Numbers the model gives for a row."""
        known = getattr(self, "_outputs", None)
        if known is None:
            from schuss.nn.forward import forward_graph, prepared_types

            types = prepared_types(self.model, self.task.inputs)
            shape = forward_graph(self.model, types, acting=self.task.acting).outputs[0].type.shape[1:]
            known = self._outputs = math.prod(d for d in shape if isinstance(d, int))
        return known

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row of the first input."""
        return tuple(d for d in self.task.inputs[0].shape[1:] if isinstance(d, int))

    @property
    def image(self) -> tuple[int, int] | None:
        """Height and width, where a row is a square picture."""
        if len(self.task.inputs) != 1 or self.several:
            return None
        row = [d for d in self.shape if d != 1]  # [1, height, width] has one channel
        if len(row) == 2 and min(row) >= 8:
            return row[0], row[1]
        side = math.isqrt(math.prod(self.shape))
        return (side, side) if len(self.shape) == 1 and side >= 8 and side * side == self.shape[0] else None

    def about(self) -> dict[str, Any]:
        """What the page is told first."""
        return {
            "model": describe(self.model),
            "task": "numbers" if self.classes is None else "classes",
            "classes": self.classes,
            "names": self.class_names,
            "inputs": [[d for d in t.shape[1:] if isinstance(d, int)] for t in self.task.inputs],
            "image": self.image,
            "digits": self.is_of_digits,
            "rows": self.rows("train"),
            "rows_test": self.rows("test"),
            "parameters": sum(math.prod(p.static_shape) for p in nn.named_parameters(self.model).values()),
        }

    def rows(self, name: str) -> int:
        """Rows of a data set, 0 if there is none."""
        columns = self.sets.get(name)
        return 0 if columns is None else len(columns["y"])

    @property
    def track(self) -> Track | None:
        """The run's path in a plane, of a loaded model whose file keeps it."""
        signature = signature_of(self.model)
        return None if signature is None else signature.track

    def as_run(self, path: Sequence[Any] = ()) -> Run:
        """A run for the pictures of runs, with a copy of the model at the newest weights."""
        with self.lock:
            self.refresh()
            run = Run(copy.deepcopy(self.model))
            run.task = replace(self.task, model=run.model)
            run.data = next(iter(self.sets.values()), {})
            run.path = list(path)
            run.track = self.track
            return run

    # -- pictures ----------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Give the copy the newest weights; returns their step."""
        step, weights = self.snapshot()
        if step != self._step:
            for name, parameter in nn.named_parameters(self.model).items():
                parameter.data = weights[name]
            self._step = step
        return step

    def example(self, name: str, index: int) -> tuple[Any, Array]:
        """(x, y) of one example, each with a leading axis of 1. UsageError if there is none."""
        columns = self.sets.get(name)
        if columns is None:
            have = " or ".join(self.sets)
            raise UsageError(
                f"there is no set {name!r}; choose {have}" if have else f"there are no data: give {called('data')}"
            )
        if not 0 <= index < len(columns["y"]):
            raise UsageError(f"example {index}: the set {name} has {len(columns['y'])}, counted from 0")
        row = {name: column[index : index + 1] for name, column in columns.items()}
        xs = handed_over(self.task.inputs, [row[f"x{i}"] for i in range(len(self.task.inputs))])
        return (xs[0] if len(xs) == 1 else xs), self.task.form.packed([row[name] for name in self.task.targets])

    def sample(self, name: str, index: int) -> dict[str, Any]:
        """One example as it lies in the data: {"x": the numbers of its first input, "y": its target}."""
        if self.several:
            raise UsageError(f"the model {self.several}: an example is shown in the graph alone")
        x, y = self.example(name, index)
        row = x[0] if isinstance(x, tuple) else x
        return {"x": row.reshape(-1)[:VALUES], "y": y.reshape(-1)[:VALUES]}

    def quality(self) -> dict[str, float | None] | None:
        """How good a regression is on up to SHOWN rows of each set, whatever its loss: r2, mae, and r2_test, mae_test.

        r2 is 1 - sum (y - pred)^2 / sum (y - mean y)^2, mae the mean of |y - pred|; None where they are not known.
        """
        if self.classes is not None or self.several or any(k not in ("train", "test") for k in self.sets):
            return None
        found: dict[str, float | None] = {}
        with self.lock:
            self.refresh()
            for name, columns in self.sets.items():
                chosen = _some(len(columns["y"]))
                x = tuple(columns[f"x{i}"][chosen] for i in range(len(self.task.inputs)))
                y = columns["y"][chosen].reshape(len(chosen), -1).astype(np.float64)
                pred = np.asarray(self.model(*x), np.float64).reshape(len(chosen), -1)
                if pred.shape != y.shape:
                    return None
                end = "" if name == "train" else "_test"
                spread = float(((y - y.mean(axis=0)) ** 2).sum())
                found["r2" + end] = 1 - float(((y - pred) ** 2).sum()) / spread if spread else None
                found["mae" + end] = float(abs(y - pred).mean())
        return found

    def graph(self, name: str, index: int, **choice: Any) -> Any:
        """The graph of one example's loss, values and gradients. choice: viz.graph's collapse, open, closed.

        The numbers of the last one are kept: of a deep model they take seconds, and opening a layer changes none.
        """
        from schuss import viz

        with self.lock:
            key = (self.refresh(), name, index)
            if self._graph[0] != key:
                x, y = self.example(name, index)
                self._graph = key, viz.graph(self.model, x, self._as_given(y), loss=self.task.loss)
            return self._graph[1].drawn(**choice)

    def _as_given(self, y: Any) -> Any:
        """Labels as the names that the model was trained on, where it was."""
        signature = signature_of(self.model)
        named = signature is not None and signature.output is not None and signature.output.named
        if signature is None or not named or not isinstance(y, np.ndarray) or y.dtype.kind not in "biu":
            return y
        return np.take(np.array(signature.classes), y)

    def function(self) -> dict[str, Any]:
        """A curve, decision regions, the shape of a picture to draw on, or that it answers rows of numbers."""
        if self.several:
            return {"kind": "none", "why": f"the model {self.several}; the function is drawn of one array to one"}
        with self.lock:
            size = math.prod(self.shape)
            if len(self.task.inputs) == 1 and self.task.inputs[0].is_float and size in (1, 2):
                step = self.refresh()
                axes = self.axes()
                return {"step": step, "axes": axes, **(self._curve(axes) if size == 1 else self._regions(axes))}
            if self.image is not None:
                return {"kind": "image", "shape": list(self.image)}
        kind = "numbers" if len(self.task.inputs) == 1 else "none"  # whose answer to a row of numbers can be asked
        return {"kind": kind, "why": "the function is drawn for 1 or 2 inputs, and for square pictures"}

    def axes(self) -> list[float]:
        """The range of the data with a margin: x and y; the same for the whole run, so that nothing jumps."""
        if self._axes is None:
            columns = next(iter(self.sets.values()), None)
            x = np.array([[-1.0], [1.0]]) if columns is None else columns["x0"].reshape(len(columns["y"]), -1)
            spans = [_span(x[:, i]) for i in range(math.prod(self.shape) if columns is not None else 1)]
            if len(spans) == 1:
                spans.append((-1.0, 1.0) if columns is None or self.classes else _span(columns["y"]))
            self._axes = [*spans[0], *spans[1]]
        return self._axes

    def _points(self) -> tuple[Array, Array]:
        columns = next(iter(self.sets.values()), None)
        if columns is None:
            return np.zeros((0, math.prod(self.shape))), np.zeros(0)
        chosen = _some(len(columns["y"]))
        return columns["x0"][chosen].reshape(len(chosen), -1), columns["y"][chosen].reshape(len(chosen), -1)[:, 0]

    def _curve(self, axes: Sequence[float]) -> dict[str, Any]:
        x = np.linspace(axes[0], axes[1], CURVE)
        points, y = self._points()
        found: dict[str, Any] = {"kind": "curve", "x": x, "y": self._drawn(x[:, None]), "classes": self.classes}
        if self.target is not None:
            found["target"] = self.target(x)
        return {**found, "data": {"x": points[:, 0], "y": y}}

    def _regions(self, axes: Sequence[float]) -> dict[str, Any]:
        several = self.classes if self.classes is not None and self.classes > 2 else 1
        size = int(min(max(math.sqrt(NUMBERS / several), GRID[0]), GRID[1]))
        x, y = np.linspace(axes[0], axes[1], size), np.linspace(axes[2], axes[3], size)
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        points, labels = self._points()
        drawn = {"x": points[:, 0], "y": points[:, 1], "label": labels}
        found = {"kind": "regions", "x": x, "y": y, "points": drawn, "classes": self.classes}
        if several == 1:
            return {**found, "z": self._drawn(grid).reshape(size, size)}
        values = outputs_of(self.model, self._rows(grid)).values
        return {**found, "planes": np.round(values.T.reshape(-1, size, size), 3)}  # each class's probability

    def _rows(self, x: Array) -> Array:
        return x.astype(self.task.inputs[0].dtype).reshape(len(x), *self.shape)

    def _drawn(self, x: Array) -> Array:
        """One number for each row: class 1's probability of two classes, the class of more, or the first value."""
        found = outputs_of(self.model, self._rows(x))
        if self.classes is None or found.values.shape[1] == 1:
            return np.round(found.values[:, 0], 5)
        return np.round(found.values[:, 1], 4) if self.classes == 2 else found.classes

    def predict(self, values: Sequence[float], drawn: bool = False) -> dict[str, Any]:
        """The outputs for one row, given as in the data or drawn from 0 to 255, and what each layer makes of it."""
        from schuss.analysis.activations import activations_data

        if self.several:
            raise UsageError(f"the model {self.several}; call it from Python")
        with self.lock:
            self.refresh()
            x = self._drawing(values) if drawn else self._row(values)
            layers = [
                {"name": name, "shape": list(np.shape(a)[1:]), "values": np.ravel(a)[:VALUES]}
                for name, a in activations_data(self.model, x)
            ]
            return {"y": outputs_of(self.model, x).shares[0], "layers": layers, **({"x": x.ravel()} if drawn else {})}

    def _row(self, values: Sequence[float] | Array) -> Array:
        given = np.asarray(values, np.float64)
        size = math.prod(self.shape)
        inputs = len(self.task.inputs)
        if inputs != 1:
            raise UsageError(f"the model takes {inputs} inputs and the page gives one; call it from Python")
        if given.shape != (size,):
            raise UsageError(f"x must be a list of {size} numbers, as in the data")
        if not np.isfinite(given).all():
            raise UsageError("x must hold finite numbers only")
        dtype = np.dtype(self.task.inputs[0].dtype)
        if dtype.kind in "iu":
            bounds = np.iinfo(dtype)
            given = np.clip(np.rint(given), bounds.min, bounds.max)
        return given.astype(dtype).reshape(1, *self.shape)

    def _drawing(self, values: Sequence[float]) -> Array:
        """A drawing (0 to 255) in the data's own range; of a digit, scaled and placed as the training digits are."""
        from schuss.data.digits import normalised

        if self.image is None:
            raise UsageError("only a square picture can be drawn")
        ink = np.asarray(values, np.float64)
        if ink.shape != (math.prod(self.shape),) or not np.isfinite(ink).all():
            raise UsageError(f"x must be a list of {math.prod(self.shape)} numbers from 0 to 255")
        ink = np.clip(ink, 0, 255).reshape(self.image)
        placed = normalised(ink, self.image[0]) if ink.any() and self.is_of_digits else ink
        return self._row(placed.ravel() if self._brightest == 255 else placed.ravel() * (self._brightest / 255))

    @property
    def _brightest(self) -> float:
        """The largest value of the data's pictures: 255 for bytes."""
        columns = next(iter(self.sets.values()), None)
        if not self.task.inputs[0].is_float:
            return 255.0
        return 1.0 if columns is None else float(columns["x0"][:SHOWN].max())


def _some(rows: int) -> Array:
    """At most SHOWN of so many rows, evenly chosen."""
    return np.linspace(0, rows - 1, min(SHOWN, rows)).astype(np.int64)


def _span(values: Array) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    extra = (high - low) * MARGIN or 1.0
    return low - extra, high + extra
