"""A finished model of a table: what its file tells, and its answers in the units of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.api.outputs import ROWS, read
from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.signature import REGRESSION, Signature

if TYPE_CHECKING:
    from schuss.tabular.columns import TableColumns
    from schuss.tabular.metrics import Metric
    from schuss.tabular.targets import Target

LABELS = "labels"  # a task (schuss.tabular.targets)


def columns_of(signature: Signature | None) -> TableColumns | None:
    """What reads the rows of a model of a table; None for other models."""
    if signature is None or len(signature.inputs) != 1:
        return None
    transform = signature.inputs[0].transform
    if type(transform).__name__ != "TableColumns":  # asked by its name: of other models polars is not loaded
        return None
    from schuss.tabular.columns import TableColumns

    return transform if isinstance(transform, TableColumns) else None


def answers(network: Any, signature: Signature, x: Array) -> Array:
    """Probabilities [N, classes] or [N, labels], or values [N, targets], of prepared rows."""
    found = [np.asarray(network(x[i : i + ROWS])) for i in range(0, len(x), ROWS)]
    return meant(signature, np.concatenate(found).reshape(len(x), -1).astype(np.float64))


def meant(signature: Signature, outputs: Array) -> Array:
    """What the model's outputs [N, k] say: probabilities, or values."""
    if signature.record.get("task") == LABELS:
        return 0.5 * (1.0 + np.tanh(0.5 * outputs))
    return read(signature, outputs)[1]


def task_of(signature: Signature, target: Target) -> tuple[str, tuple[float, ...] | None]:
    """What is measured, as schuss.tabular.metrics has it: the task, and its quantiles."""
    told, quantiles = signature.record.get("task"), _numbers(signature.record.get("quantiles"))
    if told == "quantiles" and quantiles:
        return told, quantiles
    return (told if told in ("counts", "amounts") else target.task), None


def metrics_of(signature: Signature, target: Target) -> tuple[Metric, ...]:
    """What is measured: the metrics of its report."""
    from schuss.tabular.metrics import metrics_for

    task, quantiles = task_of(signature, target)
    scale = _numbers(signature.record.get("scale"))
    scale = scale if len(scale) == len(target.names) else (1.0,) * len(target.names)
    huber = scale if signature.record.get("loss") == "huber" else None
    return metrics_for(task, quantiles, huber, scale)


def _numbers(given: Any) -> tuple[float, ...]:
    return tuple(given) if isinstance(given, list) and all(type(x) is float for x in given) else ()


def target_of(signature: Signature, file: object) -> Target:
    """The target that the model was trained on, without rows. DataError where the file does not tell it."""
    from schuss.tabular.kind import Kind
    from schuss.tabular.targets import Target

    written, output = signature.record.get("targets"), signature.output
    if not isinstance(written, Mapping) or not written or output is None or output.task is None:
        raise DataError(f"{file}: does not say which columns its targets are; train it anew")
    try:
        kinds = {name: Kind(**kind) for name, kind in written.items()}
    except TypeError:
        raise DataError(f"{file}: what it says of its targets is damaged; train it anew") from None
    if signature.record.get("task") == LABELS:
        none = np.zeros((0, len(kinds)))
        return Target(LABELS, none, tuple(kinds), output.kind or "bool", "", kinds, output.words or ())
    names = tuple(kinds) if output.task == REGRESSION else tuple(output.classes or ())
    return Target(output.task, np.zeros(0), names, output.kind or "str", "", kinds)
