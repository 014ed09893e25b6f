"""A finished model of a table with rows to look at it by: what it says of a row, and why."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from schuss.api.frozen import freeze
from schuss.backprop import backprop
from schuss.errors import DataError, UsageError, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.ir.executors import COMPLETE, executor
from schuss.ir.graph import Graph, input_node
from schuss.nn.forward import forward_graph, prepared_types
from schuss.nn.holding import signature_of
from schuss.nn.walk import weights_of
from schuss.tabular.columns import numbers_and_codes
from schuss.tabular.explain import Attribution, Dependence, Grid, partial_dependence, shapley
from schuss.tabular.extra import pl
from schuss.tabular.fields import Field, Form, date_text, drawn_rows, fields_of, slopes_at, words_of
from schuss.tabular.finished import columns_of, meant, target_of, task_of
from schuss.tabular.frame import by_name
from schuss.tabular.kind import Where, rows_of
from schuss.tabular.targets import LABELS, known_rows, like
from schuss.tabular.values import column_values, row_values
from schuss.trace import Tensor

DRAWN = 400  # rows that are drawn where there is no table
CHUNK = 4096  # rows of a call
CELLS = 2_000_000  # values that one question may prepare, about
FEWEST = 10  # rows of a question at least
PLAYERS = 24  # columns that are asked by themselves; of more the ones that matter least go together
KEPT = 64  # answers that are kept


@dataclass(frozen=True)
class Axis:
    """A grid's values as they are drawn.

    kind    of the column, as a Field has it
    line    whether they lie on a line: then values are numbers, of dates milliseconds since 1970; else words
    ends    on a line 101 quantiles of the rows' values
    """

    name: str
    kind: str
    line: bool
    values: list[Any]
    ends: Array | None = None


@dataclass(frozen=True)
class Slopes:
    """Of one row and output, {column: ...}: the output's gradient with respect to what the model is given of a column,
    times how far that lies from the typical row's. None for a category of codes, which has no slope.

    value, typical  the output for this row, and for the typical one
    """

    moved: dict[str, float | None]
    value: float
    typical: float


class Explainer:
    """Asks a finished model of a table; safe to call from many threads.

    model   fitted or loaded
    frame   rows to look at it by, raw; None: rows drawn from what the model's file holds (schuss.tabular.fields)
    what, where  what messages call the frame, and one of its rows

    fields  the columns that the model reads
    names   of its outputs: classes, labels, quantiles or targets; kind: "classes", "labels", "quantiles" or "values"
    titles  of the same, where a probability stands beside it: of a label with the word whose probability it is
    rows    canonical values of the frame's rows, the columns that the model reads
    truth   of each row what each target is, None where the frame has none: text of classes and labels, else a number

    UsageError for a model of no table; DataError for a frame that lacks a column, or holds what is not of its kind.
    """

    def __init__(self, model: Any, frame: Any = None, *, what: str = "x", where: Where | None = None) -> None:
        signature = signature_of(model)
        columns = columns_of(signature)
        if columns is None or signature is None:
            raise UsageError("the model was not trained on a table: its signature has no columns")
        self.model, self.signature, self.preparation = model, signature, columns.prepared_by
        shares = signature.record.get("shares")
        self.shares = shares if isinstance(shares, Mapping) else {}
        self.fields: list[Field] = fields_of(self.preparation, self.shares)
        self.target = target_of(signature, "the model")
        self.names, self.kind = self._outputs()
        self.drawn = frame is None
        self.truth: list[tuple[str | float | None, ...]] | None = None
        self.rows = self._read(frame, what, where or rows_of(what))
        self._call = freeze(model)
        self._compiling = threading.Lock()
        self._known: dict[tuple[str, ...], Dependence] = {}

    def _outputs(self) -> tuple[tuple[str, ...], str]:
        quantiles = task_of(self.signature, self.target)[1]
        if self.target.classes:
            return tuple(self.target.names), "classes"
        if quantiles:
            return tuple(f"{q:g}" for q in quantiles), "quantiles"
        return tuple(self.target.kinds), "labels" if self.target.task == LABELS else "values"

    def _read(self, frame: Any, what: str, where: Where) -> pl.DataFrame:
        kinds = self.preparation.kinds
        if frame is None:
            return drawn_rows(self.preparation, self.shares, DRAWN)
        frame = self._named(frame)
        if missing := [name for name in kinds if name not in frame.columns]:
            raise DataError(
                f"{what}: lacks {listed(missing)}, which the model was trained on; it has {listed(frame.columns)}"
            )
        targets = list(self.target.kinds)
        if all(name in frame.columns for name in targets):
            self.truth = pl.DataFrame([self._told(frame[name], where) for name in targets]).rows()
        return pl.DataFrame([column_values(frame[name], kind, where).alias(name) for name, kind in kinds.items()])

    def _told(self, series: pl.Series, where: Where) -> pl.Series:
        """A target as it is told: text of classes and labels, else numbers; null for what is none."""
        if self.kind in ("classes", "labels"):
            return series.cast(pl.String, strict=False)
        try:
            return column_values(series, self.target.kinds[series.name], where)
        except DataError:  # told where the targets are asked for
            return series.cast(pl.Float64, strict=False).fill_nan(None)

    def _named(self, frame: Any) -> pl.DataFrame:
        """The frame with the names of columns that the model knows, as all that takes a table finds them."""
        return by_name(frame, [*self.preparation.kinds, *self.target.kinds])

    def targets(self, frame: Any, what: str = "x", where: Where | None = None) -> Array | None:
        """The targets of a frame's rows, as the model was trained on them: names, labels or numbers; None where it has
        none. DataError where some have none, or a class that training has not seen.
        """
        frame = self._named(frame)
        if not all(name in frame.columns for name in self.target.kinds):
            return None
        known_rows(frame, self.target.kinds, False, where or rows_of(what), what)
        y = like(self.target, frame, what, where).y
        named = self.signature.output is not None and self.signature.output.named
        return np.array(self.target.names)[y] if named else y

    def targets_or_none(self, frame: Any, what: str = "x", where: Where | None = None) -> Array | None:
        """The targets; where some cannot be told, none of them and a warning that says why."""
        try:
            return self.targets(frame, what, where)
        except DataError as error:
            warn(f"{error}: rows are shown without their targets")
            self.truth = None
            return None

    @property
    def titles(self) -> tuple[str, ...]:
        if self.kind != "labels":
            return self.names
        return tuple(f"{name}: {yes}" for name, yes in zip(self.names, self.target.yes, strict=True))

    # -- rows --------------------------------------------------------------------------------------------------

    @cached_property
    def typical(self) -> pl.DataFrame:
        """One row of medians and most frequent levels, of the training rows."""
        return self.canonical({field.name: field.typical for field in self.fields})

    def form(self, index: int) -> dict[str, Form]:
        """A row as a form has it. UsageError if there is none."""
        if not 0 <= index < len(self.rows):
            raise UsageError(f"row {index}: there are {len(self.rows):,}, counted from 0")
        row = self.rows.row(index, named=True)
        return {field.name: self.shown(field, row[field.name]) for field in self.fields}

    def shown(self, field: Field, value: Any) -> Form:
        """A canonical value as a form has it."""
        if value is None:
            return None
        if field.kind == "boolean":
            return words_of(self.preparation.kinds[field.name])[0 if value else 1]
        if field.kind in ("date", "moment", "time"):
            return date_text(value, field.kind)
        return float(value) if field.kind == "number" else str(value)

    def canonical(self, values: Mapping[str, Any]) -> pl.DataFrame:
        """A form's row as a frame of one row. DataError for what is not of its column's kind."""
        kinds = self.preparation.kinds
        row, dtypes = row_values(values, kinds, "the form"), self.rows.schema
        return pl.DataFrame([pl.Series(name, [row[name]], dtypes[name]) for name in kinds])

    def faults(self, values: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with a form's values, {column: what}."""
        found = {}
        for name, kind in self.preparation.kinds.items():
            try:
                row_values({name: values.get(name)}, {name: kind}, "the form")
            except DataError as error:
                found[name] = str(error).partition(f"column {name}: ")[2].partition(";")[0] or str(error)
        return found

    # -- answers -----------------------------------------------------------------------------------------------

    def prepare(self, frame: pl.DataFrame) -> Array:
        """float32 [N, width] of canonical rows."""
        values = {name: frame[name] for name in self.preparation.kinds}
        return self.preparation.rows(*numbers_and_codes(values, self.preparation))

    def predict(self, frame: pl.DataFrame) -> Array:
        """float64 [N, outputs] of canonical rows: probabilities, quantiles or values."""
        parts = []
        for start in range(0, len(frame), CHUNK):
            some = frame[start : start + CHUNK]
            parts.append(self._raw(self.prepare(some)).reshape(len(some), -1).astype(np.float64))
        return meant(self.signature, np.concatenate(parts))

    def _raw(self, x: Array) -> Array:
        with self._compiling:  # by the first call, once; the others are short
            return np.asarray(self._call(x))

    # -- one column or two -------------------------------------------------------------------------------------

    def dependence(self, columns: Sequence[str]) -> Dependence:
        """How all outputs depend on one column, or two: `partial_dependence`, on fewer rows where these are wide; of
        two without the curves."""
        key = tuple(columns)
        if (found := self._known.get(key)) is not None:
            return found
        cells = (32 if len(key) == 1 else 400) * self.rows.width
        rows = int(np.clip(CELLS // cells, FEWEST, 100))
        found = partial_dependence(self.predict, self.rows, key, rows=rows)
        if len(key) > 1:  # nobody draws a map for each row: 200 times the mean
            found = replace(found, curves=found.curves[:0].copy())
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)), None)
        self._known[key] = found
        return found

    def axis(self, grid: Grid) -> Axis:
        """How the values of a dependence's grid are drawn."""
        field = next(f for f in self.fields if f.name == grid.column)
        values = grid.values.to_list()
        if not grid.numeric or field.kind == "boolean":
            words = ["missing" if v is None else self.shown(field, v) for v in values]
            return Axis(grid.column, field.kind, False, words)
        dates, column = field.kind != "number", self.rows[grid.column].drop_nulls()
        numbers = (column.dt.epoch("ms") if dates else column).to_numpy().astype(np.float64)
        shown = [v.timestamp() * 1000 for v in values] if dates else [float(v) for v in values]
        return Axis(grid.column, field.kind, True, shown, np.quantile(numbers, np.linspace(0, 1, 101)))

    # -- one row -----------------------------------------------------------------------------------------------

    def attribution(self, row: pl.DataFrame) -> Attribution:
        """Shapley values of a canonical row, of all outputs, beside rows of the table."""
        groups = self._groups(row)
        rows = int(np.clip(CELLS // (4 * (len(groups) + 1) * self.rows.width), FEWEST, 64))
        return shapley(self.predict, row, self.rows, groups=groups, rows=rows)

    def _groups(self, row: pl.DataFrame) -> list[tuple[str, ...]]:
        """Columns by themselves; of many those by which the typical row changes most, and all others together."""
        names = self.rows.columns
        if len(names) <= PLAYERS:
            return [(name,) for name in names]
        some = self._candidates(row, max(CELLS // len(names), PLAYERS))
        one_changed = self.typical[np.zeros(len(some) + 1, np.int64)]
        at, dtypes = pl.Series(np.arange(len(some) + 1)), self.rows.schema
        one_changed = one_changed.with_columns(
            pl.when(at == i).then(pl.lit(row[name][0], dtypes[name])).otherwise(pl.col(name)).alias(name)
            for i, name in enumerate(some)
        )
        found = self.predict(one_changed)
        change = abs(found[:-1] - found[-1]).max(1)
        first = {some[i] for i in np.argsort(-change, kind="stable")[: PLAYERS - 1]}
        rest = tuple(name for name in names if name not in first)
        return [*((name,) for name in names if name in first), rest]

    def _candidates(self, row: pl.DataFrame, most: int) -> list[str]:
        """At most so many columns: those without a slope, and those whose slopes move the first output most."""
        names = self.rows.columns
        if len(names) <= most:
            return names
        moved = self.slopes(row, 0).moved
        size = np.array([np.inf if (v := moved[name]) is None else abs(v) for name in names])
        return [names[i] for i in np.sort(np.argsort(-size, kind="stable")[:most])]

    def slopes(self, row: pl.DataFrame, output: int) -> Slopes:
        """Of a canonical row, by its gradient; see Slopes."""
        x, typical = self.prepare(row), self.prepare(self.typical)
        (value,), (base,) = self.predict(row), self.predict(self.typical)
        slope = self._slope(x, output, float(value[output]))
        moved = slope * (x - typical)[0].astype(np.float64)
        found = {n: float(moved[at].sum()) if at else None for n, at in slopes_at(self.preparation).items()}
        return Slopes(found, float(value[output]), float(base[output]))

    def _slope(self, x: Array, output: int, value: float) -> Array:
        """float64 [width]: the gradient of an output, as people see it, at a prepared row x [1, width]."""
        graph, run = self._gradient
        result = graph.outputs[0].type
        seed = np.zeros([1, *(d for d in result.shape[1:] if isinstance(d, int))], result.dtype)
        seed.reshape(-1)[output] = self._rise(value)
        weights = weights_of(self.model)
        own = [weights[name.removeprefix("param/")] for name in graph.input_names[1:]]
        return np.asarray(run([x, *own, seed])[0], np.float64)[0]

    def _rise(self, value: float) -> float:
        """Of an output as people see it, by the model's: dp = p d log p of classes, p (1 - p) dz of labels."""
        if self.kind == "classes":
            return value
        return value * (1 - value) if self.kind == "labels" else 1.0

    @cached_property
    def _gradient(self) -> tuple[Graph, Any]:
        graph = forward_graph(self.model, prepared_types(self.model, self.signature.inputs))
        row, result = graph.inputs[0], graph.outputs[0]
        seed = input_node("seed", result.type)
        (slope,) = backprop(Tensor(result), [Tensor(row)], Tensor(seed))
        return graph, executor(COMPLETE).compile(Graph((*graph.inputs, seed), (slope.node,)))  # of one row: by numpy


__all__ = ["Axis", "Explainer", "Slopes"]
