"""A signature in a model file, and the one that files of version 0.1.0 imply."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from schuss.errors import ModelFileError, SchussError
from schuss.ir.types import TensorType
from schuss.signature.inputs import Input, by_scale, type_from_json
from schuss.signature.outputs import CLASSIFICATION, KINDS, REGRESSION, Output
from schuss.signature.signature import Signature
from schuss.signature.transforms import Transform, as_transform
from schuss.signature.transforms import from_json as transform_from_json

LONGEST = 200  # characters of a name
MOST_CLASSES = 1 << 20


def from_json(description: Mapping[str, Any]) -> Signature:
    """The inputs and the output of a description. ModelFileError, which says what is not sound.

    A key that this version does not know is refused: it would say of the data what nobody would do.
    """
    written = _fields(description.get("signature"), {"inputs", "output"}, "signature", {"targets": []})
    if not isinstance(written["inputs"], list) or not isinstance(written["targets"], list):
        raise ModelFileError("signature: its inputs or targets are no list")
    inputs, targets = (tuple(_input(i) for i in written[name]) for name in ("inputs", "targets"))
    if len({i.keyed for i in inputs}) > 1 or len({i.name for i in inputs}) < len(inputs):
        raise ModelFileError("signature: its inputs must have names of their own, and all or none be keyed")
    return Signature(inputs, None if written["output"] is None else _output(written["output"]), targets=targets)


def from_first_format(description: Mapping[str, Any]) -> Signature:
    """The signature of a file with types and one scale: bytes are scaled, all integers where there are none."""
    try:
        types = [type_from_json(t) for t in description["inputs"]]
        target = None if description.get("target") is None else type_from_json(description["target"])
    except (KeyError, TypeError, ValueError):
        raise ModelFileError("inputs or target") from None
    inputs = by_scale(types, _scale(description.get("scale")))
    return Signature(inputs, None if target is None else Output(target, _task(target, description)))


def _task(target: TensorType, description: Mapping[str, Any]) -> str:
    """Labels are integers; where these were the targets of a regression, its history has no accuracy."""
    record = description.get("record")
    history = record.get("history") if isinstance(record, dict) else None
    labels = not target.is_float and (not isinstance(history, dict) or not history or "accuracy" in history)
    return CLASSIFICATION if labels else REGRESSION


def _input(written: Any) -> Input:
    optional = {"keyed": False, "within": False, "columns": None, "unit": False}
    fields = _fields(written, {"name", "type", "scale"}, "input", optional)
    if not isinstance(fields["name"], str) or len(fields["name"]) > LONGEST:
        raise ModelFileError("input: its name is no text")
    if not isinstance(fields["keyed"], bool) or not isinstance(fields["unit"], bool):
        raise ModelFileError("input: whether it is keyed, or from 0 to 1")
    transform, within = _transform(fields["scale"]), fields["within"]
    if not isinstance(within, bool) or (within and transform is not None):
        raise ModelFileError("input: whether the model prepares it itself")
    type = _type(fields["type"], "input")
    columns = _columns(fields["columns"], type if transform is None else None, "input")
    return Input(fields["name"], type, transform, fields["keyed"], within, columns, fields["unit"])


def _output(written: Any) -> Output:
    optional = {"columns": None, "kind": None, "words": None}
    fields = _fields(written, {"type", "task", "classes", "scale", "named"}, "output", optional)
    task, classes = fields["task"], fields["classes"]
    if task not in (None, CLASSIFICATION, REGRESSION):
        raise ModelFileError("output: its task is none that this version knows")
    if classes is not None:
        names = isinstance(classes, list) and 0 < len(classes) <= MOST_CLASSES
        if not names or not _are_texts(classes):
            raise ModelFileError("output: its classes are no list of names")
        classes = tuple(classes)
    named = fields["named"]
    if not isinstance(named, bool) or (named and classes is None):
        raise ModelFileError("output: whether its targets were names")
    kind = fields["kind"]
    if kind is not None and kind not in KINDS:
        raise ModelFileError("output: the dtype of its labels")
    type = _type(fields["type"], "output")
    columns = _columns(fields["columns"], type, "output")
    words = _words(fields["words"], type)
    return Output(type, task, classes, _transform(fields["scale"]), named, columns, kind, words)


def _words(written: Any, type: TensorType) -> tuple[tuple[str, str], ...] | None:
    """What each column calls no and yes."""
    if written is None:
        return None
    fine = isinstance(written, list) and type.shape[1:] == (len(written),)
    if not fine or not all(isinstance(pair, list) and len(pair) == 2 and _are_texts(pair) for pair in written):
        raise ModelFileError("output: its words are no pairs of texts, one for each column")
    return tuple((no, yes) for no, yes in written)


def _are_texts(found: list[Any]) -> bool:
    return all(isinstance(text, str) and len(text) <= LONGEST for text in found)


def _columns(written: Any, type: TensorType | None, what: str) -> tuple[str, ...] | None:
    """The names of a data frame's columns, one for each number of a row; without a type a transform makes these."""
    if written is None:
        return None
    texts = isinstance(written, list) and all(isinstance(name, str) for name in written)
    if not texts or (type is not None and type.shape[1:] != (len(written),)):
        raise ModelFileError(f"{what}: its columns are no names, one for each")
    return tuple(written)


def _fields(written: Any, names: set[str], what: str, optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields by name; those that need not be there have defaults."""
    more = optional or {}
    if not isinstance(written, dict) or not names <= set(written) <= names | set(more):
        raise ModelFileError(f"{what}: it must have {', '.join(sorted(names))} and nothing else")
    return {**more, **written}


def _type(written: Any, what: str) -> TensorType:
    try:
        return type_from_json(written)
    except (TypeError, ValueError):
        raise ModelFileError(f"{what}: {str(written)[:40]} is no type") from None


def _transform(written: Any) -> Transform | None:
    if written is not None and not isinstance(written, Mapping):
        return as_transform(_scale(written))
    try:
        return transform_from_json(written)
    except SchussError as error:
        raise ModelFileError(f"scale: {error}") from None


def _scale(written: Any) -> float | None:
    if written is None or (type(written) in (int, float) and 0 < written < math.inf):
        return None if written is None else float(written)
    raise ModelFileError(f"scale: {str(written)[:40]}")
