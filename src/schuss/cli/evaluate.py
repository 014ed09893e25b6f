"""schuss evaluate: how good a model is on the test rows of a data set, and what it takes for what."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np

from schuss.api.evaluation import errors_of
from schuss.api.outputs import Outputs, is_classifier, names_of, outputs_of
from schuss.cli.completion import data_names
from schuss.cli.models import labelled
from schuss.cli.say import say
from schuss.cli.tables.models import columns_of
from schuss.cli.tables.options import (
    READING,
    TARGET_MISSING,
    Sectioned,
    check_of_tables,
    reading_of,
    with_options,
)
from schuss.data import labels_among
from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.signature import Signature

WIDEST = 30  # classes a confusion matrix is printed for
ACROSS = 100  # characters of a line of it; with longer names it has their numbers


@click.command("evaluate", cls=Sectioned)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", shell_complete=data_names)
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@with_options(TARGET_MISSING, READING)
def command(model: Path, data: str, as_json: bool, **how: Any) -> None:
    """Measure MODEL on the test rows of DATA.

    DATA is as for train; for a model of a table it is all rows of a table that has the target.

    Shows the loss; for classes the accuracy, a table of the classes and the confusion matrix
    (a row for each true class, a column for each predicted one); for numbers the errors.
    """
    from schuss.data import load_dataset
    from schuss.io.model import load
    from schuss.nn.holding import signature_of

    network = load(model)
    signature = signature_of(network)
    if signature is not None and columns_of(signature) is not None:
        _of_table(network, signature, model, data, how, as_json)
        return
    check_of_tables(click.get_current_context(), (*TARGET_MISSING, *READING), str(model), "a model of a table")
    dataset = labelled(load_dataset(data), signature)
    y = dataset.y_test
    labels = labels_among(y) if is_classifier(signature) else None
    if labels is None and (is_classifier(signature) or dataset.classes is not None):
        trained, given = ("classes", "numbers") if is_classifier(signature) else ("numbers", "classes")
        raise DataError(f"{model} was trained on {trained}, and {data} has {given} as targets")
    outputs = outputs_of(network, dataset.x_test)
    result: dict[str, Any] = {"model": str(model), "data": dataset.name, "examples": len(y)}
    result["loss"] = _loss(signature.loss if signature else None, outputs.raw, y)
    result |= _of_numbers(outputs, y) if labels is None else _of_classes(outputs, labels, signature)
    if as_json:
        say(json.dumps(result))
    else:
        _show(result)


def _of_table(network: Any, signature: Signature, model: Path, data: str, how: dict[str, Any], as_json: bool) -> None:
    """What the command does for a model of a table."""
    from schuss.cli.tables import evaluate

    result, outputs, found = evaluate.measured(network, model, data, reading_of(how), how["target_missing"])
    if outputs is not None:
        result |= _of_classes(outputs, found.y, signature)
    if as_json:
        say(json.dumps(result))
        return
    evaluate.show(model, found)
    if outputs is not None:
        _show_mistakes(result)


def _loss(config: Any, raw: Array, y: Array) -> float | None:
    """The model's own loss; None if it was a function of the user's."""
    from schuss import nn
    from schuss.errors import UsageError

    try:
        loss = nn.loss_from_config(config or {})
    except UsageError:
        return None
    return float(np.asarray(loss(raw, y)))


def _of_numbers(outputs: Outputs, y: Array) -> dict[str, Any]:
    errors = errors_of(outputs.raw, y)
    return {"accuracy": None, **errors, "r2": errors.get("r2")}


def _of_classes(outputs: Outputs, y: Array, signature: Signature | None) -> dict[str, Any]:
    count = max(outputs.values.shape[1], 2)
    if int(y.max()) >= count:
        raise DataError(f"label {int(y.max())} is not below the {count} classes of the model")
    predicted = outputs.classes
    matrix = np.bincount(y * count + predicted, minlength=count * count).reshape(count, count)
    right, true, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    table, names = [], names_of(signature, np.arange(count))
    for c in range(count):
        precision, recall = _ratio(right[c], said[c]), _ratio(right[c], true[c])
        f1 = _ratio(2 * right[c], said[c] + true[c])
        row = {
            "class": c,
            "name": str(names[c]),
            "examples": int(true[c]),
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }
        table.append(row)
    return {"accuracy": float(right.sum() / len(y)), "classes": table, "confusion": matrix.tolist()}


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _show(result: dict[str, Any]) -> None:
    rows = [("model", result["model"]), ("data", f"{result['data']}, {result['examples']:,} test examples")]
    rows.append(("loss", "of your own, not in the file" if result["loss"] is None else f"{result['loss']:.4f}"))
    if result["accuracy"] is not None:
        wrong = round((1 - result["accuracy"]) * result["examples"])
        rows.append(("accuracy", f"{result['accuracy'] * 100:.2f} %  ({wrong:,} wrong)"))
    for name in ("mean_absolute_error", "root_mean_squared_error", "r2"):
        if result.get(name) is not None:
            rows.append((name.replace("_", " "), f"{result[name]:.6g}"))
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        say(f"{name:<{width}}{value}")
    if "classes" in result:
        _show_mistakes(result)


def _show_mistakes(result: dict[str, Any]) -> None:
    _show_classes(result["classes"])
    _show_confusion(result["confusion"], [row["name"] for row in result["classes"]])


def _show_classes(table: list[dict[str, Any]]) -> None:
    width = max(5, *(len(row["name"]) for row in table))
    say(f"\n{'class':>{width}}  examples  precision  recall      f1")
    for row in table:
        shares = [f"{row[k] * 100:.2f}" if row[k] is not None else "-" for k in ("precision", "recall", "f1")]
        say(f"{row['name']:>{width}}  {row['examples']:>8}  {shares[0]:>9}  {shares[1]:>6}  {shares[2]:>6}")


def _show_confusion(matrix: list[list[int]], names: list[str]) -> None:
    """Rows and columns by the classes' names; columns of long names by their numbers, which the rows tell."""
    if len(matrix) > WIDEST:
        say(f"\n{len(matrix)} classes are too many for a confusion matrix here; --json has it")
        return
    numbers = [str(c) for c in range(len(matrix))]
    by_name = (len(matrix) + 1) * (2 + max(map(len, names))) <= ACROSS or names == numbers
    columns = names if by_name else numbers
    rows = names if by_name else [f"{c} {name}" for c, name in enumerate(names)]
    head, width = max(5, *map(len, rows)), 2 + max(len(str(n)) for n in [*columns, *chain(*matrix)])
    say("\ntrue \\ predicted")
    say(" " * head + "".join(f"{name:>{width}}" for name in columns))
    for name, row in zip(rows, matrix, strict=True):
        cells = "".join(f"{n or '.':>{width}}" for n in row)
        say(f"{name:>{head}}{cells}")
