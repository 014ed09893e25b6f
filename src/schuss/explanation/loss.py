"""A model's loss on data, explained: the numbers behind the picture of a model's graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.arguments import to_arrays
from schuss.api.pytree import parameters_of
from schuss.errors import ShapeError, TraceError, UsageError
from schuss.explanation.explanation import Explanation
from schuss.explanation.walk import explained
from schuss.ir.executor import Array
from schuss.nn.walk import model_dtype
from schuss.signature.form import ALONE, Form, are_several, rows_of, taken_apart
from schuss.trace import Tensor, tracing
from schuss.train.source import source_for


def explain_loss(
    model: Any, x: Any, y: Any, loss: Callable[[Any, Any], Any], weights: Mapping[str, Any] | None = None
) -> Explanation:
    """explain for loss(model(x), y): the parameters under their own names, the result under the name "loss".

    x        an array, a tuple of them for a model of several inputs, or a dict for one that takes it; integers are
             scaled where the model's signature says so
    y        the target, or several in a tuple or a dict
    weights  values by parameter name that stand in for the model's own, which stay as they are

    The model is not in training: dropout passes its input on. Raises what explain raises; UsageError for a weight the
    model does not have, ShapeError for one of another shape, DataError for a label that is none of the model's classes.
    """
    if tracing():
        raise TraceError("the graph of a loss shows numbers: call it on arrays, outside any traced function")
    parameters = parameters_of(model)
    signature = nn.signature_of(model)
    y = source_for(signature, (x, y), owner="graph").y
    inputs = input_names(model, x, set(parameters))
    if signature is not None:
        x = signature.read((x,))[0] if not isinstance(x, tuple) else signature.read(x)
    xs = list(x.values()) if isinstance(x, Mapping) else x if isinstance(x, tuple) else (x,)
    form, ys = _targets(x, y)
    targets = [_free(name, {*parameters, *inputs}) for name in form.labels("y", len(ys))]
    leaves = [*parameters.items(), *zip(inputs, xs, strict=True), *zip(targets, ys, strict=True)]
    arrays = to_arrays(leaves)
    arrays[-len(ys) :] = [_as_in_training(a, model_dtype(model)) for a in arrays[-len(ys) :]]
    for name, value in (weights or {}).items():
        _replace(arrays, list(parameters), name, value)

    def apply(tensors: list[Tensor]) -> Any:
        given = iter(tensors)
        bound = {parameter: next(given) for parameter in parameters.values()}
        columns = [next(given) for _ in xs]
        with nn.bind(bound), nn.bind_scopes(model), nn.mode():
            pred = model(dict(zip(x, columns, strict=True))) if isinstance(x, Mapping) else model(*columns)
            if form != ALONE:
                return loss(pred, form.packed(list(given)))
            truth, shown = next(given), arrays[-1]
            if signature is not None and signature.output is not None:
                truth, shown = (signature.output.prepared(t, model_dtype(model)) for t in (truth, shown))
            if isinstance(loss, nn.Loss) and isinstance(pred, Tensor):
                loss.check(pred.type, shown, targets[0])
            return loss(pred, truth)

    title = f"{type(model).__name__}({', '.join(inputs)})"
    return explained(title, loss, apply, leaves, arrays, result="loss")


def _as_in_training(y: Array, dtype: str) -> Array:
    """A target in the dtype that fit gives it: floats in the model's, truth values as labels."""
    return y.astype(dtype if y.dtype.kind == "f" else np.int64) if y.dtype.kind in "fb" else y


def _targets(x: Any, y: Any) -> tuple[Form, list[Any]]:
    """The form of the targets, and each."""
    rows = rows_of(x)
    return (ALONE, [y]) if isinstance(y, tuple) and not are_several(y, rows) else taken_apart(y, "y", rows)


def _replace(arrays: list[Array], names: Sequence[str], name: str, value: Any) -> None:
    if name not in names:
        raise UsageError(f"weights: the model has no parameter {name!r}; it has {', '.join(names[:8])}")
    own = arrays[names.index(name)]
    new = np.asarray(value)
    if new.shape != own.shape:
        raise ShapeError(f"weights: {name} is {own.dtype}{list(own.shape)}, got the shape {list(new.shape)}")
    arrays[names.index(name)] = new.astype(own.dtype, copy=False)


def input_names(model: Any, x: Any, taken: set[str]) -> list[str]:
    """What the model calls its inputs; x, or x0, x1, ... where it names none; of a dict its keys."""
    if isinstance(x, Mapping):
        return [_free(str(name), taken) for name in x]
    count = len(x) if isinstance(x, tuple) else 1
    try:
        parameters = list(inspect.signature(getattr(model, "forward", model)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    own = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    own += [f"x{i}" if count > 1 else "x" for i in range(len(own), count)]
    return [_free(name, taken) for name in own[:count]]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
