"""One input of a model: its type, and how raw data become what the model computes with."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss.errors import warn
from schuss.frames import in_order
from schuss.ir.types import DTYPES, SYMBOL, Shape, Sym, TensorType
from schuss.signature.rows import in_call, is_row, mend
from schuss.signature.transforms import PREPARING, SCALING, Scale, Transform, as_transform, numbers, to_json
from schuss.trace import Tensor, scope


@dataclass(frozen=True)
class Input:
    """name   what messages and pictures call it
    type   of the raw data, one batch: TensorType("uint8", (N, 28, 28))
    transform  what becomes of the data before the model computes with them; None: they are taken as they are
    keyed  whether the model gets it in a dict, under its name
    within whether the model itself prepares them, as one from a file that was saved around a fitted model
    columns the names of the data frame's columns that it was trained on; None: an array, or columns without names
    unit   whether it was trained on rows of floats from 0 to 1, as scaled bytes are
    """

    name: str
    type: TensorType
    transform: Transform | None = None
    keyed: bool = False
    within: bool = False
    columns: tuple[str, ...] | None = None
    unit: bool = False

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def is_float(self) -> bool:
        return self.type.is_float

    @property
    def key(self) -> Hashable:
        """What a compiled call depends on; None for an input that is taken as it is."""
        return None if self.transform is None else self.transform.key

    @property
    def scale(self) -> float | None:
        """What integers are multiplied by, where that is the transform."""
        return self.transform.factor if isinstance(self.transform, Scale) else None

    @property
    def mend(self) -> str:
        """For errors of arrays that are no rows, as their transform has it."""
        return "" if self.transform is None else self.transform.mend

    def in_order(self, x: Any) -> Any:
        """A data frame with its columns in the order of the training; anything else as it is. DataError for others."""
        return x if isinstance(x, (np.ndarray, Tensor)) else in_order(x, self.columns, self.name)

    def read(self, x: Any) -> Any:
        """Raw data as numbers, where something is to be done for it; tensors and arrays of numbers as they are."""
        return numbers(self.in_order(x), self.transform)

    def misfit(self, x: Any) -> str:
        """For errors of a call: how the rows of the training differ from the argument; "" where they do not."""
        given, row = tuple(getattr(x, "shape", ())), self.shape[1:]
        if is_row(given[1:], row):
            return ""
        lengths = ", ".join(map(str, given))
        return (
            f"the model was trained on rows {list(row)} and {self.name} is [{lengths}]: {self.mend or mend(given, row)}"
        )

    def prepared(self, x: Any, dtype: str) -> Any:
        """Raw data, a tensor or an array, as the model of this dtype takes them: graph operations on tensors."""
        return self._prepared(self._looked_at(x), dtype)

    def prepared_in_call(self, x: Any, dtype: str) -> Any:
        """An argument of a call as the model takes it: with the rows' axes as in training, if it holds such rows."""
        x = self._looked_at(x)
        shape = in_call(tuple(getattr(x, "shape", ())), self.shape[1:])
        if shape is not None:
            x = (x if hasattr(x, "reshape") else np.asarray(x)).reshape(shape)  # data frames have no reshape
        return self._prepared(x, dtype)

    def _looked_at(self, x: Any) -> Any:
        """Raw data as numbers; bytes that a model of floats gets are told of."""
        x = self.read(x)
        if self.transform is None:
            self.look_at(x)
        return x

    def _prepared(self, x: Any, dtype: str) -> Any:
        if self.transform is None:
            return x
        with scope(SCALING if isinstance(self.transform, Scale) else PREPARING):
            return self.transform.prepared(x, dtype)

    def look_at(self, x: Any) -> None:
        """Warn of bytes for a model that was trained on floats, which the user has scaled, most likely: of images, and
        of rows with numbers above 1 where it was trained on none. The numbers of a tensor are not known.
        """
        if not self.is_float or not _is_bytes(x):
            return
        if self.unit and isinstance(x, np.ndarray) and x.ndim == 2 and x.max(initial=0) > 1:
            warn(
                f"{self.name}: the model was trained on {self.dtype} from 0 to 1 and gets bytes up to {x.max()}, taken "
                f"as they are; scale them as in training, pixels with (x / 255).astype('{self.dtype}'), or train on "
                "bytes with fit(..., scale=1/255)"
            )
        if x.ndim >= 3:
            warn(
                f"{self.name}: the model was trained on {self.dtype} and gets images of bytes, taken as they are; "
                f"scale them as in training, or, if they are numbers, convert them with .astype('{self.dtype}')"
            )

    def prepared_type(self, dtype: str) -> TensorType:
        """The type of `prepared` for data of the input's own type."""
        return self.type if self.transform is None else self.transform.prepared_type(self.type, dtype)

    def to_json(self) -> dict[str, Any]:
        """As a model file holds it."""
        written = {"name": self.name, "type": type_to_json(self.type), "scale": to_json(self.transform)}
        written |= {name: True for name in ("keyed", "within", "unit") if getattr(self, name)}
        return written if self.columns is None else {**written, "columns": list(self.columns)}

    def __str__(self) -> str:
        return str(self.type)


def handed_over(inputs: Sequence[Input], values: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments of a call: the values, or one dict of them by name."""
    if not any(i.keyed for i in inputs):
        return tuple(values)
    return ({i.name: value for i, value in zip(inputs, values, strict=True)},)


def as_inputs(given: Sequence[Input | TensorType]) -> tuple[Input, ...]:
    """Inputs of these types, that are taken as they are; those that are Inputs stay."""
    names = ["x"] if len(given) == 1 else [f"x{i}" for i in range(len(given))]
    return tuple(t if isinstance(t, Input) else Input(n, t) for n, t in zip(names, given, strict=True))


def by_scale(types: Sequence[TensorType | Input], scale: float | None) -> tuple[Input, ...]:
    """Inputs under the rule of version 0.1.0: the scale is for the bytes, or for all integers where there are none."""
    narrow = [t.dtype == "uint8" for t in types]
    chosen = narrow if any(narrow) else [not t.is_float for t in types]
    inputs = as_inputs(types)
    return tuple(replace(i, transform=as_transform(scale)) if c else i for i, c in zip(inputs, chosen, strict=True))


def _is_bytes(x: Any) -> bool:
    dtype = getattr(x, "dtype", "")
    if isinstance(dtype, np.dtype):  # whose str takes long
        return bool(dtype == np.uint8)
    return str(dtype) == "uint8"


def type_to_json(type: TensorType) -> list[Any]:
    """["uint8", ["N", 28, 28]]"""
    return [type.dtype, [str(d) if isinstance(d, Sym) else d for d in type.shape]]


def type_from_json(written: Any) -> TensorType:
    """The type. ValueError or TypeError for anything that is none."""
    dtype, shape = written
    lengths = tuple(Sym(d) if isinstance(d, str) and SYMBOL.fullmatch(d) else d for d in shape)
    if dtype not in DTYPES or not all(isinstance(d, Sym) or (type(d) is int and d >= 0) for d in lengths):
        raise ValueError
    return TensorType(dtype, lengths)
