"""TableColumns: a table's raw rows as the numbers its model takes, kept in the model's signature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from schuss import ops
from schuss.calling import did_you_mean
from schuss.dispatch import EVALUATE_TABLE
from schuss.errors import DataError
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.signature.transforms import Transform
from schuss.tabular.algebra import side_by_side
from schuss.tabular.beyond import Beyond
from schuss.tabular.extra import pl
from schuss.tabular.frame import as_frame, by_name
from schuss.tabular.kind import Kind, Where, rows_of
from schuss.tabular.parts import are_parts, names_alone
from schuss.tabular.preparation import LACKING, PARTS, Category, Number, Preparation, fit_category, fit_number
from schuss.tabular.single import Single
from schuss.tabular.values import column_values

PLURALS = {"number": "numbers", "boolean": "booleans", "category": "categories", "date": "dates"}


@dataclass(frozen=True)
class TableColumns(Transform):
    """Raw rows, a data frame or a dict of columns, as float32 [N, width] (schuss.tabular.preparation).

    Columns are found by their names, in any order; others are passed by. DataError for one that is missing, and for a
    value of the wrong kind, with its row.
    """

    preparation: Mapping[str, Any]

    @cached_property
    def prepared_by(self) -> Preparation:
        return preparation_from(self.preparation)

    @cached_property
    def single(self) -> Single:
        """For one row: in microseconds, or None."""
        return Single(self.prepared_by)

    def __reduce__(self) -> Any:
        """Without what is cached."""
        return TableColumns, (self.preparation,)

    def takes(self, x: Array) -> bool:
        return x.dtype == np.float32

    def read(self, x: Any, what: str = "x", where: Where | None = None) -> Array:
        """what: the rows in messages; where: what these call a row (default: "x row 3")"""
        self._check_named(x, what)
        if (row := self.single(x)) is not None:
            return row
        return self.prepared_by.rows(*self._read(x, what, where))

    def looked_at(
        self, x: Any, what: str = "x", where: Where | None = None, counting: Any = slice(None)
    ) -> tuple[Array, Beyond]:
        """The same, and which rows, of those that count (places, or a slice), are unlike all that were trained on."""
        self._check_named(x, what)
        numbers, codes = self._read(x, what, where)
        beyond = Beyond.of(self.prepared_by, numbers[counting], codes[counting])
        return self.prepared_by.rows(numbers, codes), beyond

    def _check_named(self, x: Any, what: str) -> None:
        if isinstance(x, np.ndarray):
            raise DataError(f"{what}: is an array {list(x.shape)} without names of columns; {self.mend}")

    def _read(self, x: Any, what: str, where: Where | None) -> tuple[Array, Array]:
        """The numbers and codes of rows."""
        known = self.prepared_by
        frame = by_name(as_frame(x, what), known.kinds)
        if missing := [name for name in known.kinds if name not in frame.columns]:
            near = did_you_mean(missing[0], [name for name in frame.columns if name not in known.kinds])
            mend = near or f"; give it such a column, empty where nothing is known; it has {listed(frame.columns)}"
            raise DataError(f"{what}: lacks {listed(missing)}, which the model was trained on{mend}")
        place = where or rows_of(what)
        values = {name: column_values(frame[name], kind, place) for name, kind in known.kinds.items()}
        return numbers_and_codes(values, known)

    def measured(self, model: Any, data: Any) -> dict[str, float] | None:
        """schuss.tabular.evaluate_table's values, of a table with its target."""
        return None if isinstance(data, tuple) else dict(EVALUATE_TABLE(model, data).values)

    @property
    def mend(self) -> str:
        return f"give a data frame or a dict, with the columns {listed(list(self.prepared_by.kinds))}"

    def prepared(self, x: Any, dtype: str) -> Any:
        return ops.cast(x, dtype=dtype)

    def model_in_words(self, output: Any, record: Mapping[str, Any]) -> str:
        """predicts 'price' (regression) from 5 columns: 3 numbers, 2 dates; by 0.9 piecewise relu 64,64 + 0.1 linear"""
        counts = Counter(kind.name for kind in self.prepared_by.kinds.values())
        of = ", ".join(f"{n:,} {PLURALS.get(kind, kind) if n > 1 else kind}" for kind, n in counts.most_common())
        targets, parts = record.get("targets"), record.get("parts")
        named = listed(list(targets)) if isinstance(targets, Mapping) else "?"
        classes = "" if output is None or output.classes is None else f", {len(output.classes)} classes"
        told = f"predicts {named} ({record.get('task', '?')}{classes}) from {sum(counts.values()):,} columns: {of}"
        used = [part for part in parts or () if part["weight"] > 0] if are_parts(parts) else []
        by = " + ".join(f"{p['weight']:.2g} {name}" for p, name in zip(used, names_alone(used), strict=True))
        return told + (f"; by {by}" if used else "")

    def in_words(self) -> str:
        return f"a table's columns: {', '.join(self.prepared_by.kinds)}"


def preparation_from(written: Mapping[str, Any]) -> Preparation:
    """Of a file's JSON."""

    def tuples(row: Mapping[str, Any]) -> dict[str, Any]:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}

    return Preparation(
        tuple(Number(**tuples(row)) for row in written["numbers"]),
        tuple(Category(**tuples(row)) for row in written["categories"]),
        {name: kind if isinstance(kind, Kind) else Kind(**kind) for name, kind in written["kinds"].items()},
    )


def fit_preparation(
    frame: pl.DataFrame,
    kinds: Mapping[str, Kind],
    target: Array,
    where: Where | None = None,
    weights: Array | None = None,
) -> tuple[Preparation, Array]:
    """How the columns of these training rows are prepared, and the rows, float32 [N, width].

    target  float64 [N, outputs], centred or not, by which keys are found; where: what messages call a row
    weights  [N] of the rows
    """
    read = {name: kind for name, kind in kinds.items() if kind.used}
    values = {name: column_values(frame[name], kind, where) for name, kind in read.items()}
    asked = [
        (n, part, x) for n, k in read.items() if k.name != "category" for part, x in parts_of(values[n], k).items()
    ]
    of_numbers = side_by_side(lambda one: fit_number(one[:2], one[2], target, weights), asked, len(frame))
    names = [name for name, kind in read.items() if kind.name == "category"]
    of_levels = side_by_side(lambda name: fit_category(name, values[name], target, weights), names, len(frame))
    numbers, categories = [n for n in of_numbers if n is not None], [c for c in of_levels if c is not None]
    if not numbers and not categories:
        told = "; ".join(f"{name}: {kind.reason}" for name, kind in list(kinds.items())[:5])
        why = f" ({told})" if told else " beside its target"
        raise DataError(f"the table has no column to learn from{why}; give columns of numbers, levels or dates")
    used = {n.source[0] for n in numbers} | {c.source for c in categories}
    preparation = Preparation(tuple(numbers), tuple(categories), {n: k for n, k in read.items() if n in used})
    return preparation, preparation.rows(*numbers_and_codes(values, preparation))


def parts_of(values: pl.Series, kind: Kind) -> dict[str, Array]:
    """The numbers a column holds, float64 [N] with NaN where missing, by the part of a date they are."""
    if kind.name != "date":
        return {"": _floats(values)}
    dates = values.dt
    found = {p: getattr(dates, p)() for p in PARTS[:-1]}
    return {**{p: _floats(s) for p, s in found.items()}, "days": np.floor(_floats(dates.epoch("s")) / 86_400)}


def _floats(values: pl.Series) -> Array:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def numbers_and_codes(values: Mapping[str, pl.Series], preparation: Preparation) -> tuple[Array, Array]:
    """float64 [N, numbers] and int [N, categories] of the columns' values."""
    rows = len(next(iter(values.values()))) if values else 0
    numbers = np.empty((rows, len(preparation.numbers)), np.float64, order="F")
    codes = np.empty((rows, len(preparation.categories)), np.int64, order="F")
    parts: dict[str, dict[str, Array]] = {}
    for place, number in enumerate(preparation.numbers):
        name, part = number.source
        if name not in parts:
            parts[name] = parts_of(values[name], preparation.kinds[name])
        numbers[:, place] = parts[name][part]
    for place, category in enumerate(preparation.categories):
        codes[:, place] = _codes(values[category.source], category)
    return numbers, codes


def _codes(texts: pl.Series, category: Category) -> Array:
    """The place of each level; their number for one that training has not seen."""
    count = len(category.levels)
    if category.missing:
        texts = texts.fill_null(LACKING)
    known = pl.DataFrame({"level": pl.Series(category.levels, dtype=pl.String), "code": np.arange(count)})
    joined = pl.DataFrame({"level": texts}).join(known, on="level", how="left", maintain_order="left")
    return joined["code"].fill_null(count).to_numpy()
