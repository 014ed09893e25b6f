"""The signature of a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FunctionType
from typing import Any

import numpy as np

from schuss.errors import DataError, ShapeError, printable, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.ir.types import N, Sym, TensorType
from schuss.portable import global_name
from schuss.signature.inputs import Input
from schuss.signature.outputs import CLASSIFICATION, Output
from schuss.signature.rows import fitted
from schuss.signature.track import Track
from schuss.signature.transforms import Scale, Transform, scale_in_words
from schuss.tables import LOSSES, OPTIMIZERS

SHOWN = 10  # names of classes that are printed


@dataclass(frozen=True, repr=False)
class Signature:
    """What a model expects of its data, what its answers mean, and how it came to be: `model.signature`.

    inputs          one Input for each argument of the model
    output          what it was trained to say; None where that is not known, as of a part of a model
    loss, optimizer the objects, or their settings as a file holds them
    record          what is known of the training, fit for JSON
    left_out        what a file's record says that no run could have written, in a line; "" for nothing
    track           the run's path in a plane (schuss.signature.track.Track), if the file keeps it
    targets         where it was trained on several targets: each; then there is no output

    It never changes: `fit` gives the model a new one. Copies of a model share it. In another process or a file loss and
    optimizer are their settings; a function that can be imported by its name stays itself in another process.
    """

    inputs: tuple[Input, ...] = ()
    output: Output | None = None
    loss: Any = None
    optimizer: Any = None
    record: Mapping[str, Any] = field(default_factory=dict)
    left_out: str = ""
    track: Track | None = None
    targets: tuple[Input, ...] = ()

    @property
    def target(self) -> TensorType | None:
        """The type of the targets it was trained on."""
        return None if self.output is None else self.output.type

    @property
    def target_transform(self) -> Transform | None:
        """What becomes of targets that are the input itself."""
        return None if self.output is None else self.output.transform

    def target_columns(self, type: TensorType) -> tuple[str, ...] | None:
        """The names of the targets' columns, if they have names and targets of this type are as many."""
        alike = self.output is not None and self.output.type.shape[1:] == type.shape[1:]
        return self.output.columns if alike and self.output is not None else None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, if they have names."""
        return None if self.output is None else self.output.classes

    @property
    def is_classifier(self) -> bool:
        """Whether it was trained on labels, one an example, [N] or [N, 1]."""
        return self.output is not None and self.output.of_examples

    @cached_property
    def key(self) -> Hashable:
        """What compiled calls depend on: what becomes of the inputs, and the shapes of their rows; None without any."""
        return tuple([(i.key, i.shape[1:]) for i in self.inputs]) or None

    @cached_property
    def transforms(self) -> bool:
        """Whether it does anything to numbers."""
        return any(i.transform is not None for i in self.inputs)

    @cached_property
    def has_open_lengths(self) -> bool:
        """Whether a length is a symbol, beside the number of examples."""
        return any(isinstance(d, Sym) and d != N for i in self.inputs for d in i.shape)

    def prepared(self, xs: Sequence[Any], dtype: str) -> tuple[Any, ...]:
        """Arguments of the model, tensors or arrays, as a model of this dtype takes them: rows of the inputs' shapes
        (schuss.signature.rows), prepared. Others stay. ShapeError as for check_lengths.
        """
        self.check_lengths(xs)
        return self._each(xs, lambda given, x: given.prepared_in_call(x, dtype))

    def check_lengths(self, xs: Sequence[Any]) -> None:
        """ShapeError where arguments have two lengths for one symbol, which would be broadcast where one is 1. A
        warning where a length is 0, of which a mean is NaN. N is left to the model.
        """
        if not self.has_open_lengths:
            return
        known: dict[Sym, tuple[Any, str]] = {}

        def note(given: Input, x: Any) -> None:
            shape = np.shape(x) if isinstance(x, np.ndarray) else getattr(x, "shape", ())
            for axis, (symbol, length) in enumerate(zip(given.shape, shape, strict=False)):
                if isinstance(symbol, Sym) and symbol != N and len(shape) == len(given.shape):
                    if symbol not in known and length == 0:
                        warn(f"{given.name}: {symbol} is 0: a mean over an axis without elements is NaN")
                    first, place = known.setdefault(symbol, (length, f"axis {axis} of {given.name}"))
                    if length != first:
                        text = f"axis {axis} is {length} long, and {place} is {first}; both lengths are {symbol}"
                        raise ShapeError(f"{given.name}: {text}")

        self._each(xs, note)

    def rows(self, x: Array) -> Array:
        """x as rows of the model's one input (schuss.signature.rows), bytes where it has bytes; one example gets the
        examples' axis. DataError for any other array, and for a model of several inputs.
        """
        if not self.inputs:
            return x
        if len(self.inputs) > 1:
            raise DataError(f"the model takes {len(self.inputs)} inputs and only one is given; call it from Python")
        known = self.inputs[0]
        if known.keyed:
            raise DataError(f"the model takes a dict of {known.name}, not an array; call it from Python")
        x = fitted(x, known.shape[1:], known.mend)
        if known.dtype == "uint8" and x.dtype.kind in "iu" and x.dtype != np.uint8:
            if x.size and (x.min() < 0 or x.max() > 255):
                raise DataError("the model was trained on bytes; integers must lie between 0 and 255")
            x = x.astype(np.uint8)
        return x

    def misfit(self, xs: Sequence[Any]) -> str:
        """For errors of a call: how the rows of the training differ from the arguments'; "" where they do not."""
        told: list[str] = []
        self._each(xs, lambda given, x: told.append(given.misfit(x)))
        return "; ".join(filter(None, told))

    def read(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Arguments of the model as the numbers of the inputs' types, data frames in the order of the training; others
        stay. DataError for what cannot be read.
        """
        return self._each(xs, lambda given, x: given.read(x))

    def in_order(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Arguments of the model, the columns of data frames in the order of the training; others stay.

        DataError for a frame with other columns.
        """
        return self._each(xs, lambda given, x: given.in_order(x))

    def _each(self, xs: Sequence[Any], change: Callable[[Input, Any], Any]) -> tuple[Any, ...]:
        """What becomes of each argument by the input it is, those of a dict by name."""
        if len(xs) == 1 and isinstance(xs[0], Mapping) and any(i.keyed for i in self.inputs):
            by_name = {i.name: i for i in self.inputs}
            return ({k: change(by_name[k], x) if k in by_name else x for k, x in xs[0].items()},)
        known = [change(i, x) for i, x in zip(self.inputs, xs, strict=False)]
        return (*known, *xs[len(known) :])

    def of_inputs(self) -> Signature:
        """The part that a model's first layers have: the inputs."""
        return Signature(self.inputs)

    def to_json(self) -> dict[str, Any]:
        """As a model file holds it; loss, optimizer and record have places of their own there."""
        output = None if self.output is None else self.output.to_json()
        written = {"inputs": [i.to_json() for i in self.inputs], "output": output}
        return {**written, "targets": [t.to_json() for t in self.targets]} if self.targets else written

    def in_words(self) -> dict[str, str]:
        """What is done with each input, and what the target is."""
        rows = {i.name: input_in_words(i) for i in self.inputs}
        rows |= {f"target {t.name}": input_in_words(t) for t in self.targets}
        return rows if self.output is None else {**rows, "target": output_in_words(self.output)}

    def __repr__(self) -> str:
        rows = list(self.in_words().items())
        settings = [_settings_in_words(s) for s in (self.loss, self.optimizer) if s is not None]
        epochs = self.record.get("epochs")
        settings += [f"{epochs} epoch{'s' * (epochs != 1)}"] * (type(epochs) is int)
        if settings:
            rows.append(("trained", ", ".join(settings)))
        if not rows:
            return "Signature(nothing is known of the data)"
        width = max(len(name) for name, _ in rows)
        lines = "".join(f"  {name:<{width}}  {text}\n" for name, text in rows)
        return printable(f"Signature(\n{lines})")  # names come from files, too

    # -- copies --------------------------------------------------------------------------------------

    def __copy__(self) -> Signature:
        return self

    def __deepcopy__(self, memo: Any) -> Signature:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        kept = replace(self, loss=_portable(self.loss), optimizer=_portable(self.optimizer))
        return _restored, (dict(vars(kept)),)


def _restored(fields: dict[str, Any]) -> Signature:
    return Signature(**fields)


def _portable(value: Any) -> Any:
    """A loss or an optimizer as another process can have it: its settings, or a function found by its name."""
    return value if isinstance(value, FunctionType) and global_name(value) else settings_of(value)


def settings_of(value: Any) -> Any:
    """A loss's or optimizer's settings, as a file holds them; of a user's own only its name."""
    if value is None or isinstance(value, dict):
        return value
    named = getattr(value, "__name__", None)
    own, module = named or type(value).__name__, (value if named else type(value)).__module__
    registered = next((table[own] for table in (LOSSES, OPTIMIZERS) if own in table), None)
    apart = own if registered is None else f"{module}.{own}"  # no reader should take it for the registered one
    try:
        settings = value.config()
        json.dumps(settings)
    except (AttributeError, TypeError, ValueError):
        return {"type": apart}
    return settings if registered in (None, type(value)) else {"type": apart}


# -- in words --------------------------------------------------------------------------------------------


def input_in_words(given: Input) -> str:
    """uint8[N, 28, 28]: integers are multiplied by 1/255, floats taken as they are"""
    text = _type_in_words(given.type) + columns_in_words(given.columns)
    if given.transform is not None:
        text += f": {given.transform.in_words()}"
    return text + ": the model prepares them itself" * given.within


def columns_in_words(columns: Sequence[str] | None) -> str:
    """(columns 'age', 'height', ...), or nothing."""
    return "" if columns is None else f" (columns {listed(columns)})"


def output_in_words(output: Output) -> str:
    """int64[N]: labels of 3 classes (cat, dog, eel)"""
    text = _type_in_words(output.type) + columns_in_words(output.columns)
    if output.classes is not None:
        names = ", ".join(output.classes[:SHOWN]) + ", ..." * (len(output.classes) > SHOWN)
        text += f": labels of {len(output.classes)} classes ({names})"
    elif output.task is not None:
        text += ": labels of classes" if output.task == CLASSIFICATION else ": numbers"
    if output.transform is not None:
        scale = output.transform.factor if isinstance(output.transform, Scale) else None
        text += ", prepared as the input" if scale is None else f", multiplied by {scale_in_words(scale)} as the input"
    return text


def _type_in_words(type: TensorType) -> str:
    return f"{type.dtype}[{', '.join(map(str, type.shape))}]"


def _settings_in_words(value: Any) -> str:
    """Adam, CrossEntropyLoss: the name."""
    settings = settings_of(value)
    return str(settings.get("type", "?")) if isinstance(settings, dict) else type(value).__name__
