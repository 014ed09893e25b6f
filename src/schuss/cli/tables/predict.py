"""schuss predict MODEL TABLE: raw rows in any column order, in chunks, to predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from schuss.asking import no_column
from schuss.cli.say import say
from schuss.cli.tables.models import answers, columns_of, target_of, task_of
from schuss.cli.tables.shown import cut, say_beyond
from schuss.errors import UsageError
from schuss.figures import aligned, number
from schuss.ir.executor import Array
from schuss.signature import Signature

if TYPE_CHECKING:
    from schuss.tabular.beyond import Beyond
    from schuss.tabular.extra import pl
    from schuss.tabular.read import Reading
    from schuss.tabular.targets import Target

ENDINGS = (".csv", ".tsv", ".parquet", ".json")
SHOWN, WIDEST = 20, 40  # rows on a terminal, and characters of a cell
MEDIAN = "prediction_0.5"  # which is the prediction beside other quantiles, and has no column of its own


@dataclass(frozen=True)
class Predictions:
    """A model's answers for the rows of a table, a frame for each chunk of them.

    ids     columns of the table that go along
    looked  of each chunk that was read which rows are unlike all of the training
    """

    network: Any
    signature: Signature
    place: str
    reading: Reading
    ids: tuple[str, ...]
    looked: list[Beyond] = field(default_factory=list)

    def frames(self, rows: int | None = None, shown: int | None = None) -> Iterator[pl.DataFrame]:
        """ids, prediction, and of classes the probability of each, p_CLASS; of several targets prediction_TARGET, and
        of labels p_TARGET; of quantiles prediction_QUANTILE, but the median, which is the prediction.

        rows: of a chunk; shown: how many of each are, so that no others are looked at"""
        from schuss.tabular.read import ROWS, scan_table

        columns = columns_of(self.signature)
        assert columns is not None
        for where, frame in scan_table(self.place, self.reading, rows or ROWS):
            if missing := [column for column in self.ids if column not in frame.columns]:
                raise UsageError(no_column("id", missing, frame.columns, self.name))
            x, beyond = columns.looked_at(frame, self.name, where)
            self.looked.append(beyond if shown is None else columns.looked_at(frame[:shown], self.name, where)[1])
            yield self._framed(frame.select(self.ids), answers(self.network, self.signature, x))

    @property
    def name(self) -> str:
        return "standard input" if self.place == "-" else self.place

    @property
    def beyond(self) -> Beyond:
        """Of the rows that were read those unlike all of the training."""
        first, *others = self.looked
        return sum(others, first)

    @cached_property
    def target(self) -> Target:
        return target_of(self.signature, "the model")

    @property
    def is_classifier(self) -> bool:
        return self.signature.is_classifier

    @property
    def classes(self) -> tuple[str, ...]:
        return self.signature.classes or ()

    def columns(self, values: Array) -> dict[str, Any]:
        """The columns behind the ids, of probabilities or values: float64, the numbers that Python has, of which the
        probabilities sum to 1."""
        from schuss.tabular.extra import pl
        from schuss.tabular.targets import LABELS

        names = tuple(self.target.kinds)
        if self.is_classifier:
            chosen = pl.Series(self.classes, dtype=pl.String).gather(values.argmax(1))
            return {"prediction": chosen} | _named("p_", self.classes, values)
        if self.target.task == LABELS:
            said = {f"prediction_{name}": self._said(i, values[:, i] > 0.5) for i, name in enumerate(names)}
            return said | _named("p_", names, values)
        if quantiles := task_of(self.signature, self.target)[1]:
            own = _named("prediction_", [f"{q:g}" for q in quantiles], values)
            return ({"prediction": own.pop(MEDIAN)} if MEDIAN in own else {}) | own
        return {"prediction": pl.Series(values[:, 0])} if len(names) == 1 else _named("prediction_", names, values)

    def _said(self, place: int, yes: Array) -> pl.Series:
        """What a column of labels says, as the table has it: words, 1 and 0, or true and false."""
        from schuss.tabular.extra import pl

        target = self.target
        kind = target.kinds[target.names[place]].name
        if kind == "category" and target.words:
            return pl.Series(np.where(yes, *target.words[place][::-1]))
        return pl.Series(yes.astype("int64" if kind == "number" else "bool"))

    def _framed(self, ids: pl.DataFrame, values: Array) -> pl.DataFrame:
        from schuss.tabular.extra import pl

        found = self.columns(values)
        if twice := set(found) & set(self.ids):
            raise UsageError(f"--id {min(twice)}: the output has a column of that name; rename it in the table")
        return pl.DataFrame([*ids.get_columns(), *(column.alias(name) for name, column in found.items())])


def _named(before: str, names: Sequence[str], values: Array) -> dict[str, Any]:
    """The columns of values [N, K]."""
    from schuss.tabular.extra import pl

    return {f"{before}{name}": pl.Series(column) for name, column in zip(names, values.T, strict=True)}


def predict(
    network: Any, signature: Signature, model: Path, file: str, output: Path | None, as_json: bool, ids: Sequence[str],
    reading: Reading,
) -> None:  # fmt: skip
    """What the command does for a model of a table."""
    from schuss.tabular.read import reading_for

    if output is not None and output.suffix.lower() not in ENDINGS:
        raise UsageError(f"-o {output}: the name must end in .csv, .tsv, .parquet or .json for a table")
    made = Predictions(network, signature, file, reading_for(signature.record, reading), tuple(dict.fromkeys(ids)))
    _give(made, model, output, as_json)
    say_beyond(made.beyond, made.name)


def _give(made: Predictions, model: Path, output: Path | None, as_json: bool) -> None:
    """Show, write or print them."""
    from schuss.paths import atomic_write, check_writable

    if output is None and not as_json:
        _show(made)
        return
    ending = "" if output is None else output.suffix.lower()
    if output is not None:
        check_writable(output)
    if output is not None and ending in (".csv", ".tsv") and not as_json:
        count: list[int] = []
        atomic_write(output, lambda to: count.append(_write_text(made.frames(), to, ending)))
        say(f"{count[0]:,} predictions in {output}", err=True)
        return
    frames = list(made.frames())
    told = _told(made, model, frames) if as_json or ending == ".json" else {}
    if output is not None:
        atomic_write(output, lambda to: _write(frames, told, to, ending))
        say(f"{sum(map(len, frames)):,} predictions in {output}", err=True)
    if as_json:
        say(json.dumps(told))


def _write_text(frames: Iterable[pl.DataFrame], to: BinaryIO, ending: str) -> int:
    """All rows, a chunk at a time; how many there are."""
    count = 0
    for frame in frames:
        frame.write_csv(to, include_header=not count, separator="\t" if ending == ".tsv" else ",")
        count += len(frame)
    return count


def _write(frames: Sequence[pl.DataFrame], told: dict[str, Any], to: BinaryIO, ending: str) -> None:
    from schuss.tabular.extra import pl

    if ending == ".json":
        to.write((json.dumps(told) + "\n").encode())
    elif ending == ".parquet":
        pl.concat(frames).write_parquet(to)
    else:
        _write_text(frames, to, ending)


def _told(made: Predictions, model: Path, frames: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """As JSON."""
    rows = [row for frame in frames for row in frame.iter_rows(named=True)]
    predictions = [{"row": i, **row} for i, row in enumerate(rows)]
    targets, classes = list(made.target.kinds), list(made.classes) or None
    return {
        "model": str(model), "file": made.place, "targets": targets, "classes": classes,
        "beyond": made.beyond.to_json(), "predictions": predictions,
    }  # fmt: skip


def _show(made: Predictions) -> None:
    """The first rows; of classes the chosen one with its probability."""
    frame = next(made.frames(SHOWN + 1, SHOWN))
    names, classes = len(made.ids), made.is_classifier
    rows = [["row", *made.ids, *(["prediction", "probability"] if classes else frame.columns[names:])]]
    for i, row in enumerate(frame[:SHOWN].iter_rows()):
        own = [row[names], max(row[names + 1 :])] if classes else row[names:]
        rows.append([str(i), *(cut(_cell(value), WIDEST) for value in (*row[:names], *own))])
    say("\n".join(aligned(rows, (0, *range(1 + names + classes, len(rows[0]))))))
    if len(frame) > SHOWN:
        say("... and more rows; -o FILE or --json gives all")


def _cell(value: Any) -> str:
    return number(value, plain=True) if isinstance(value, float) else "" if value is None else str(value)
