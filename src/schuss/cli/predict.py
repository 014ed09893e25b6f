"""schuss predict: what a model makes of a picture or of rows of numbers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from schuss.api.outputs import Outputs, is_classifier, names_of, outputs_of
from schuss.cli.kinds import in_words
from schuss.cli.say import say
from schuss.cli.tables.models import columns_of
from schuss.cli.tables.options import ID, READING, Sectioned, check_of_tables, reading_of, with_options
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.signature import Signature
from schuss.tables import SOURCES

SHOWN = 20  # rows on a terminal


@click.command(
    "predict",
    cls=Sectioned,
    help=f"What MODEL makes of FILE.\n\nFILE is {in_words(SOURCES.rows)}; for a model of a table a table (CSV, "
    "Parquet, Feather; - for CSV on standard input), with the columns of the training in any order.",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a .csv, .json or .npy; of a table to a .csv, .tsv, .parquet or .json.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@with_options({"ids": ID}, READING)
def command(model: Path, file: Path, output: Path | None, as_json: bool, ids: tuple[str, ...], **how: Any) -> None:
    from schuss.io.model import load
    from schuss.nn.holding import signature_of
    from schuss.paths import check_apart

    if output is not None:
        check_apart(output, "-o", file, model)
    network = load(model)
    signature = signature_of(network)
    if signature is not None and columns_of(signature) is not None:
        from schuss.cli.tables.predict import predict

        predict(network, signature, model, str(file), output, as_json, ids, reading_of(how))
        return
    check_of_tables(click.get_current_context(), ("ids", *READING), str(model), "a model of a table")
    if output is not None and output.suffix.lower() not in (".csv", ".json", ".npy"):
        raise UsageError(f"-o {output}: the name must end in .csv, .json or .npy")
    outputs = outputs_of(network, _rows(file, signature))
    result = _result(model, file, outputs, signature)
    if output is not None:
        _write(output, result, outputs, signature)
        say(f"{len(outputs.values):,} predictions in {output}", err=True)
    if as_json:
        say(json.dumps(result))
    elif output is None:
        _show(result, outputs)


def _rows(file: Path, signature: Signature | None) -> Array:
    from schuss.data import load_rows

    known = signature.inputs[0] if signature is not None and len(signature.inputs) == 1 else None
    row = () if known is None else known.shape[1:]
    wanted = [d for d in row if isinstance(d, int)]
    return load_rows(
        file, wanted if row and len(wanted) == len(row) else None, floats=known is not None and known.is_float
    )


def _result(model: Path, file: Path, outputs: Outputs, signature: Any) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    classes = is_classifier(signature)
    names = names_of(signature, np.arange(max(outputs.values.shape[1], 2))).tolist() if classes else []
    for i, values in enumerate(outputs.values):
        row: dict[str, Any] = {"row": i}
        if classes:
            row["class"] = int(outputs.classes[i])
            row["name"] = names[row["class"]]
        row[outputs.kind] = [float(v) for v in values]
        rows.append(row)
    return {"model": str(model), "file": str(file), "kind": outputs.kind, "classes": names or None, "predictions": rows}


def _write(output: Path, result: dict[str, Any], outputs: Outputs, signature: Signature | None) -> None:
    from schuss.paths import atomic_write

    kind = output.suffix.lower()
    if kind == ".json":
        atomic_write(output, (json.dumps(result) + "\n").encode())
    elif kind == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, outputs.values, allow_pickle=False)
        atomic_write(output, buffer.getvalue())
    else:
        atomic_write(output, _csv(result, outputs, signature).encode())


def _csv(result: dict[str, Any], outputs: Outputs, signature: Signature | None) -> str:
    classes = ["class"] if "class" in result["predictions"][0] else []
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["row", *classes, *_headings(outputs, signature)])
    for row in result["predictions"]:
        table.writerow([row["row"], *([row["name"]] if classes else []), *map(repr, row[outputs.kind])])
    return text.getvalue()


def _headings(outputs: Outputs, signature: Signature | None) -> list[str]:
    """p_cat, p_dog where classes have names, price, age where the targets' columns have; else p0, p1 or value0."""
    count = outputs.values.shape[1]
    name = {"probabilities": "p", "scores": "score", "values": "value"}[outputs.kind]
    known = None if signature is None else signature.classes
    if known is not None and count in (1, len(known)):
        return [f"{name}_{c}" for c in (known[-1:] if count == 1 else known)]  # one number is the second class's
    columns = None if signature is None or signature.output is None else signature.output.columns
    return list(columns) if columns is not None and len(columns) == count else [f"{name}{i}" for i in range(count)]


def _show(result: dict[str, Any], outputs: Outputs) -> None:
    rows = result["predictions"]
    if len(rows) == 1 and "class" in rows[0]:
        _show_one(rows[0], outputs.kind, result["classes"])
        return
    for row in rows[:SHOWN]:
        values = row[outputs.kind]
        if "class" in row and outputs.values.shape[1] > 1:
            say(f"{row['row']:>6}  class {row['name']}  {_number(values[row['class']], outputs.kind)}")
        else:
            text = "  ".join(_number(v, outputs.kind) for v in values)
            say(f"{row['row']:>6}  {'class ' + row['name'] + '  ' if 'class' in row else ''}{text}")
    if len(rows) > SHOWN:
        say(f"... and {len(rows) - SHOWN:,} more rows; --json or -o FILE gives all")


def _number(value: float, kind: str) -> str:
    return f"{value * 100:6.2f} %" if kind == "probabilities" else f"{value:.6g}"


def _show_one(row: dict[str, Any], kind: str, names: list[str]) -> None:
    """The classes with bars."""
    values = row[kind]
    say(f"class {row['name']}\n")
    shown = names if len(values) > 1 else ["0"]
    width = max(4, *(len(name) for name in shown))
    low, high = min(0.0, *values), max(1.0 if kind == "probabilities" else 0.0, *values)
    for c, value in enumerate(values):
        bar = "█" * round(40 * (value - low) / ((high - low) or 1.0))
        say(f"{shown[c]:>{width}}  {_number(value, kind):>10}  {bar}".rstrip())
