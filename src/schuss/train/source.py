"""What `fit` and `evaluate` are given as data: arrays, and what is known of them; and what becomes of the inputs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from schuss import nn
from schuss.data import Dataset, labels_of, names_in
from schuss.data.columns import column, columns
from schuss.data.dataset import IMAGES
from schuss.errors import DataError, ShapeError, UsageError, warn
from schuss.frames import column_names, in_order
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.nn.forward import forward_graph, model_dtype
from schuss.nn.holding import signature_of
from schuss.signature import CLASSIFICATION, Input, Signature
from schuss.signature.form import ALONE, Form, are_several, rows_of, taken_apart
from schuss.signature.indices import used_as_indices
from schuss.signature.inputs import as_inputs, handed_over
from schuss.signature.rows import is_row
from schuss.signature.transforms import Scale, Transform, as_transform, numbers

Names = Mapping[str, tuple[str, ...] | None]  # of the columns of data frames, by x0, x1, ..., y, y1, ...
LOOKED_AT = 1024  # rows that say whether floats lie from 0 to 1


@dataclass(frozen=True)
class Source:
    """x, y    the arrays; names of classes are labels already
    scale   what the source says its bytes are multiplied by
    classes the names of the classes
    named   whether y held these names
    """

    x: Any
    y: Any
    scale: float | None = None
    classes: tuple[str, ...] | None = None
    named: bool = False

    @property
    def pair(self) -> tuple[Any, Any]:
        return self.x, self.y


def source_of(
    data: Any, part: str = "train", classes: Sequence[str] | None = None, what: str = "y", owner: str = "fit"
) -> Source:
    """Arrays of a Dataset's part ("train" or "test") or of a pair (x, y). `classes`: those that names must be among.

    UsageError for anything else.
    """
    if isinstance(data, Dataset):
        x, y = (data.x_train, data.y_train) if part == "train" else (data.x_test, data.y_test)
        names = names_in(y)
        if names is None:
            data = data.labelled_as(classes)
            y = data.y_train if part == "train" else data.y_test
            return Source(x, y, data.scale, data.class_names)
        labels, known = labels_of(names, classes or data.class_names, what)
        return Source(x, labels, data.scale, known, named=True)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        got = f"got {type(data).__name__}"
        if isinstance(data, str):
            got = f"got the text {data!r}: schuss.data.load_dataset({data!r}) reads it"
        raise UsageError(f"{owner}: data must be a pair (x, y) or a schuss.data.Dataset, {got}")
    x, y = data
    names = None if isinstance(y, Mapping) or (isinstance(y, tuple) and are_several(y, rows_of(x))) else names_in(y)
    if names is None:
        return Source(x, y)
    labels, known = labels_of(names, classes, what)
    return Source(x, labels, None, known, named=True)


def source_for(signature: Signature | None, data: Any, part: str = "train", owner: str = "fit") -> Source:
    """source_of for a model that is trained. DataError for names of classes where it knows none, or labels where it
    knows names."""
    source = source_of(data, part, None if signature is None else signature.classes, owner=owner)
    output = None if signature is None else signature.output
    if source.named:
        check_knows_names(signature, f"{owner}: y")
    elif output is not None and output.named and source.classes is None:
        check_are_names(source.y, output.classes or (), f"{owner}: y")
    return source


def check_are_names(y: Any, classes: Sequence[str], what: str) -> None:
    """DataError for labels where the training had names of classes: which name a label stands for is not known."""
    if getattr(np.asarray(y) if isinstance(y, list) else y, "dtype", np.dtype(object)).kind in "biu":
        raise DataError(
            f"{what} holds labels, and the training names of classes ({', '.join(map(repr, classes[:3]))}"
            f"{', ...' if len(classes) > 3 else ''}): give names; of labels in this order np.take(names, labels)"
        )


def check_knows_names(signature: Signature | None, what: str) -> None:
    """DataError for targets, called `what`, that are names of classes, where the model was trained on others: which
    label a name stands for is not known."""
    output = None if signature is None else signature.output
    if output is not None and output.classes is None:
        known = "labels without names: give labels as in training" if output.task == CLASSIFICATION else "numbers"
        raise DataError(f"{what} holds names of classes, and the model was trained on {known}")


@dataclass(frozen=True)
class Columns:
    """Data as columns x0, x1, ..., y, y1, ..., and the forms in which the model and the loss get them."""

    found: dict[str, Array]
    x: Form = ALONE
    y: Form = ALONE
    names: Names = field(default_factory=dict)  # of the columns of data frames
    transforms: tuple[Transform | None, ...] = ()  # that read the inputs

    @property
    def targets(self) -> list[str]:
        """The names of the targets' columns."""
        return [name for name in self.found if name.startswith("y")]


def columns_of(
    x: Any,
    y: Any,
    dtype: str,
    names: tuple[str, str] = ("x", "y"),
    like: Mapping[str, TensorType] | None = None,
    forms: tuple[Form, Form] | None = None,
    order: Names | None = None,
    transforms: Sequence[Transform | None] = (),
) -> Columns:
    """x and y, each an array or several in a tuple or a dict, as columns; see schuss.data.columns.

    names  what messages call x and y
    like   types of the columns by name, where they are known
    forms  of the data they are to be like: a dict may have another order
    order  names of the columns of data frames, in the order to have; None: as they come
    transforms  of the inputs, which read what are no numbers

    ShapeError for another form than is wanted; DataError as for columns.
    """
    x_form, xs = taken_apart(x, names[0], rows_of(y))
    rows = rows_of(xs[0])
    y_form, ys = taken_apart(y, names[1], rows)
    if isinstance(y, tuple) and not are_several(y, rows):  # a tuple of numbers is one array
        y_form, ys = ALONE, [list(y)]
    if forms is not None:
        x_form, xs = _in_form(x_form, xs, forms[0], names[0])
        y_form, ys = _in_form(y_form, ys, forms[1], names[1])
    labels = y_form.labels(names[1], len(ys))
    if order is not None:
        xs = _ordered(xs, "x", x_form.labels(names[0], len(xs)), order)
        ys = _ordered(ys, "y", labels, order)
    read = [numbers(part, transform) for part, transform in zip_longest(xs, transforms)]
    found = columns(read, ys[0], dtype, (names[0], labels[0]), like)
    for i, more in enumerate(ys[1:], start=1):
        array = column(more, labels[i], dtype, (like or {}).get(f"y{i}"))
        found[f"y{i}"] = array.astype(np.int64) if array.dtype == bool else array
        n = len(found["x0"])
        if len(array) != n:
            raise DataError(f"{names[0]} has {n} examples but {labels[i]} has {len(array)}; each needs one")
    return Columns(found, x_form, y_form, _names_of(xs, ys), tuple(transforms))


def _names_of(xs: Sequence[Any], ys: Sequence[Any]) -> Names:
    """The names of the columns of data frames; a target of one column needs none."""
    names = {f"x{i}": column_names(x) for i, x in enumerate(xs)}
    targets = {_target(i): column_names(y) for i, y in enumerate(ys)}
    return names | {at: held if held and len(held) > 1 else None for at, held in targets.items()}


def _ordered(parts: Sequence[Any], letter: str, labels: Sequence[str], order: Names) -> list[Any]:
    """The parts, the columns of data frames in the order of these names."""
    places = [_target(i) if letter == "y" else f"x{i}" for i in range(len(parts))]
    return [in_order(part, order.get(at), what) for part, at, what in zip(parts, places, labels, strict=True)]


def _target(i: int) -> str:
    return f"y{i}" if i else "y"


def as_before(signature: Signature, x: Any, y: Any) -> tuple[Any, Any]:
    """Data frames with their columns in the order a model was trained on before, whose weights go on; others stay."""
    with suppress(DataError):
        x = signature.in_order(x) if isinstance(x, tuple) else signature.in_order((x,))[0]
    output = signature.output
    with suppress(DataError):
        y = y if output is None or output.columns is None else in_order(y, output.columns, "y")
    return x, y


def transforms_of(scale: Any, x: Any, y: Any, before: Signature) -> tuple[Transform | None, ...]:
    """The transforms of the inputs, by fit's scale; where it gives none those that the model was trained with before,
    but for scales of integers, which go by the data. UsageError for another number of them than of inputs.
    """
    form, parts = taken_apart(x, "x", rows_of(y))
    if isinstance(scale, (tuple, Mapping, Transform)):
        of, given = taken_apart(scale, "scale")
        if of.names is not None and form.names is not None and set(of.names) <= set(form.names):
            given = [dict(zip(of.names, given, strict=True)).get(name) for name in form.names]
        elif of.names is not None or len(given) != len(parts):
            raise UsageError(f"fit: scale is for {_in_words(of)}, and x is {_in_words(form)}: give one for each input")
        return tuple(map(as_transform, given))
    known = [i.transform for i in before.inputs] if len(before.inputs) == len(parts) else [None] * len(parts)
    return tuple(None if isinstance(t, Scale) else t for t in known)


def annotated(inputs: Sequence[Input], given: Columns, before: Signature) -> tuple[Input, ...]:
    """The inputs with the names of their columns, those of data frames, of arrays those that the model knows; and
    whether their floats lie from 0 to 1.
    """
    known = {i.name: i for i in before.inputs}
    found = []
    for at, part in enumerate(inputs):
        old = known.get(part.name)
        kept = old.columns if old is not None and old.shape[1:] == part.shape[1:] else None
        some = given.found[f"x{at}"][:LOOKED_AT]
        unit = part.is_float and some.ndim == 2 and bool(some.min(initial=0) >= 0 and some.max(initial=0) <= 1)
        found.append(replace(part, columns=given.names.get(f"x{at}") or kept, unit=unit))
    return tuple(found)


def with_symbols(inputs: tuple[Input, ...], before: Signature, found: Mapping[str, Array]) -> tuple[Input, ...]:
    """The inputs with the lengths that the model took as symbols before, where the data fit them: a model of sequences
    of any length stays one. ShapeError where two inputs have different lengths for one symbol.
    """
    if len(before.inputs) != len(inputs):
        return inputs
    pairs = list(zip(inputs, before.inputs, strict=True))
    alike = [a.type.rank == b.type.rank and is_row(a.shape[1:], b.shape[1:]) for a, b in pairs]
    if all(alike):
        before.check_lengths([found[f"x{i}"] for i in range(len(inputs))])
    kept = [replace(a, type=TensorType(a.dtype, b.shape)) for a, b in pairs]
    return tuple(b if same else a for a, b, same in zip(inputs, kept, alike, strict=True))


def check_arguments(model: Any, form: Form, count: int) -> None:
    """UsageError where the model's forward takes another number of inputs than x holds."""
    try:
        parameters = inspect.signature(getattr(model, "forward", model) if isinstance(model, nn.Module) else model)
    except (TypeError, ValueError):
        return
    given = 1 if form.names is not None else count
    try:
        parameters.bind(*[None] * given)
    except TypeError:
        what = "is a dict, which is one argument" if form.names is not None else f"is {given} array{'s' * (given != 1)}"
        several = form.names is None and given > 1
        mend = (
            f"give it forward(self, {', '.join('abcdefgh'[:given])}), or rows as one array: np.stack(x)"
            if several
            else "several inputs are a tuple, x=(a, b), and rows one array: np.stack(x)"
        )
        raise UsageError(f"fit: x {what}, and the model takes {parameters}; {mend}") from None


def _in_form(form: Form, parts: list[Any], wanted: Form, what: str) -> tuple[Form, list[Any]]:
    """The parts in the order of the form that is wanted."""
    if form.names is not None and wanted.names is not None and set(form.names) == set(wanted.names):
        return wanted, [parts[form.names.index(name)] for name in wanted.names]
    if form.names != wanted.names:
        raise ShapeError(f"{what}: is {_in_words(form)}, in training it was {_in_words(wanted)}; give the same")
    return wanted, parts


def _in_words(form: Form) -> str:
    if form.names is not None:
        return f"a dict of {', '.join(form.names)}"
    return "one array" if form.alone else "several arrays"


def fitting(source: Source, model: Any) -> Source:
    """Rows of numbers in place of images for a model that takes rows alone."""
    flat = source.x.reshape(len(source.x), -1)
    if source.x.ndim < 3 or _takes(model, source.x) or not _takes(model, flat):
        return source
    return replace(source, x=flat)


def _takes(model: Any, x: Array) -> bool:
    try:
        forward_graph(model, [TensorType(model_dtype(model), (N, *x.shape[1:]))])
    except Exception:  # of the user's own code, too: if no form suits, it comes again
        return False
    return True


def is_the_input(x: Any, y: Any) -> bool:
    """Whether the targets are the inputs: the same object, or the same memory."""
    if y is x:
        return True
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray) or x.dtype != y.dtype or x.size != y.size:
        return False
    return x.ctypes.data == y.ctypes.data and x.flags.c_contiguous and y.flags.c_contiguous


def inputs_of(
    model: Any,
    types: Sequence[TensorType],
    columns: Mapping[str, Array],
    scale: float | None,
    known: float | None,
    names: Sequence[str] | None = None,
    transforms: Sequence[Transform | None] = (),
) -> tuple[Input, ...]:
    """What becomes of each input. scale: fit's; known: what the source says; names: of a dict, as the model takes it;
    transforms: of the inputs that have one.

    Bytes are multiplied by the scale, and integers where no input has bytes; without one, bytes that are images (rank 3
    and more, the examples' axis included, not all of them 0 or 1) by 1/255. What the model uses as indices is never
    scaled, and neither is what the model scales itself.
    """
    keyed = [Input(name, type, keyed=True) for name, type in zip(names or (), types, strict=False)]
    inputs = keyed or list(as_inputs(types))
    before = signature_of(model) or Signature()
    within = {i for i, (a, b) in enumerate(zip(before.inputs, inputs, strict=False)) if a.within and not b.is_float}
    inputs = [replace(given, within=i in within) for i, given in enumerate(inputs)]
    if within and scale not in (None, 1):
        raise UsageError(f"fit: the model scales {inputs[min(within)].name} itself: leave scale out")
    given = {i for i, transform in enumerate(transforms) if transform is not None}
    inputs = [replace(part, transform=transforms[i]) if i in given else part for i, part in enumerate(inputs)]
    told = [i.type for i in before.inputs if i.transform is None]  # once for a model
    chosen = scale if scale is not None else known
    bytes_ = [i for i, t in enumerate(types) if t.dtype == "uint8" and i not in given]
    whole = [i for i, t in enumerate(types) if not t.is_float and i not in given]
    if scale is not None and not whole:
        warn("fit: scale= is for integers, and x holds floats: they are taken as they are")
    wanted = (bytes_ or whole) if chosen is not None else bytes_
    indices = _indices(model, inputs, wanted) if wanted else set()
    if scale is not None and wanted and indices.issuperset(wanted):
        raise UsageError("fit: scale= has nothing to scale: the model uses the integers of x as indices; leave it out")
    for i in wanted:
        if i in indices or i in within:
            continue
        if chosen is not None:
            inputs[i] = replace(inputs[i], transform=Scale(chosen))
        elif columns[f"x{i}"].max(initial=0) <= 1:
            continue  # flags, one-hot columns or planes of them
        elif types[i].rank >= 3:
            inputs[i] = replace(inputs[i], transform=Scale(IMAGES))
        elif types[i].rank == 2 and types[i] not in told:
            _warn_of_bytes(inputs[i].name, columns[f"x{i}"])
    return tuple(inputs)


def _warn_of_bytes(name: str, column: Array) -> None:
    warn(
        f"fit: {name} holds bytes up to {column.max()} in rows of {column.shape[1]}, taken as the numbers they are; "
        "for pixels give scale=1/255 (images [N, height, width] are scaled by themselves), else scale=1"
    )


def _indices(model: Any, inputs: Sequence[Input], wanted: Sequence[int]) -> set[int]:
    """Which of the inputs the model uses as indices, by its graph: of all as they are, or of one at a time."""
    dtype = model_dtype(model)

    def found(raw: Sequence[int]) -> set[int] | None:
        given = [t.type if i in raw or i not in wanted else TensorType(dtype, t.shape) for i, t in enumerate(inputs)]
        try:
            graph = forward_graph(model, given if not inputs[0].keyed else handed_over(inputs, given)[0])
        except Exception:  # the model cannot take them so: as floats it can, or says why not when it is trained
            return None
        return {i for i in raw if f"x{i}" in used_as_indices(graph)}

    together = found(wanted)
    if together is not None:
        return together
    return set().union(*(found([i]) or set() for i in wanted))


def check_names(loss: Any, source: Source) -> None:
    """UsageError for names of classes with a loss that is for numbers."""
    if source.named and isinstance(loss, nn.Loss) and loss.admits.task == "numbers":
        raise UsageError(
            f"fit: y holds names of {len(source.classes or ())} classes and {type(loss).__name__} is for numbers; "
            "use nn.CrossEntropyLoss() with one output a class"
        )


def by_label(weights: Any, classes: Sequence[str] | None) -> Any:
    """class_weight with labels in place of names. DataError for a name that is none of the classes."""
    if not isinstance(weights, Mapping) or not any(isinstance(k, str) for k in weights):
        return weights
    place = {name: i for i, name in enumerate(classes or ())}
    unknown = [k for k in weights if isinstance(k, str) and k not in place]
    if unknown:
        listed = ", ".join(classes) if classes else "the labels 0, 1, ..."
        raise DataError(f"class_weight: {unknown[0]!r} is none of the classes: {listed}")
    return {place.get(k, k): v for k, v in weights.items()}


__all__ = ["Columns", "Source", "annotated", "as_before", "by_label", "check_are_names", "check_arguments"]
__all__ += ["check_knows_names", "check_names", "columns_of", "inputs_of", "is_the_input", "source_for", "source_of"]
