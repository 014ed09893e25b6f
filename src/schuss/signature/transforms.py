"""What becomes of an input's raw data: transforms, known by their names in schuss.tables.TRANSFORMS.

A transform has two parts. `read` is for data that are no numbers yet, such as names of categories: it makes an array of
them, outside of any graph. `prepared` makes of these numbers what the model computes with. It is graph operations: it
runs in native code, is exported with the model, and gradients go through it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from schuss import ops
from schuss.configured import Configured, build
from schuss.constraints import FINITE, POSITIVE, Constraints, Each
from schuss.errors import ShapeError, UsageError, one_line
from schuss.ir.executor import Array
from schuss.ir.types import TensorType
from schuss.tables import TRANSFORMS
from schuss.trace import Tensor

SCALING, PREPARING = "input", "transform"
"""The scopes in a graph of what `Scale` does, and of what other transforms do."""


@dataclass(frozen=True)
class Transform(Configured):
    """Base of transforms. A subclass is a frozen dataclass whose fields, fit for JSON, say all there is to know.

        @TRANSFORMS.register()
        @dataclass(frozen=True)
        class Logarithm(Transform):
            def prepared(self, x, dtype):
                return ops.log1p(ops.cast(x, dtype=dtype))

    Its fields may come from a file: `constraints` say what they must be (schuss.constraints).
    """

    def read(self, x: Any) -> Any:
        """Raw data as an array of numbers, whose type the input has. A data frame has the columns of the training, in
        their order. DataError for what cannot be read."""
        return x

    def prepared(self, x: Any, dtype: str) -> Any:
        """What the model of this dtype computes with: operations on x, a tensor or an array of numbers."""
        raise NotImplementedError

    def prepared_type(self, type: TensorType, dtype: str) -> TensorType:
        """The type of `prepared` for numbers of this type. ShapeError for those that it does not fit."""
        return TensorType(dtype, type.shape)

    def measured(self, model: Any, data: Any) -> dict[str, float] | None:
        """What `schuss.evaluate` gives for raw data that hold their targets, too, as a table does; None for others."""
        return None

    def takes(self, x: Array) -> bool:
        """Whether an array of numbers is what `read` makes; any other is raw data."""
        return True

    @property
    def mend(self) -> str:
        """For errors of arrays that are no rows: what to give in their place; "" for arrays of the rows' shape."""
        return ""

    def in_words(self) -> str:
        """For people, behind the input's type: "integers are multiplied by 1/255"."""
        return f"prepared by {self!r}"

    def model_in_words(self, output: Any, record: Mapping[str, Any]) -> str:
        """What a model of such an input is, for its repr, by what it says (Output) and its record; "" where there is
        nothing to tell."""
        return ""

    @cached_property
    def key(self) -> Hashable:
        """What compiled calls depend on."""
        return type(self), json.dumps(self.config())  # a class may be defined again, doing something else


@dataclass(frozen=True)
class Scale(Transform):
    """Integers are multiplied by a positive factor; floats are taken as they are."""

    factor: float
    constraints: ClassVar[Constraints] = {"factor": POSITIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factor", float(self.factor))

    def prepared(self, x: Any, dtype: str) -> Any:
        if isinstance(x, Tensor):
            return x if x.is_float else ops.cast(x, dtype=dtype) * self.factor
        array = np.asarray(x)
        return x if array.dtype.kind not in "iub" else ops.cast(array, dtype=dtype) * np.dtype(dtype).type(self.factor)

    def prepared_type(self, type: TensorType, dtype: str) -> TensorType:
        return type if type.is_float else super().prepared_type(type, dtype)

    def in_words(self) -> str:
        return f"integers are multiplied by {scale_in_words(self.factor)}, floats are taken as they are"

    @property
    def key(self) -> Hashable:
        return self.factor


@dataclass(frozen=True)
class Standardize(Transform):
    """(x - mean) / std for each column, of rows [N, columns] of any numbers.

        fit(model, (x, y), scale=Standardize.of(x), ...)

    UsageError for means and deviations that are not as many, or not finite, and deviations that are not positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    constraints: ClassVar[Constraints] = {"mean": Each(FINITE), "std": Each(POSITIVE)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.mean) != len(self.std):
            raise UsageError(f"Standardize: has {len(self.mean)} means and {len(self.std)} deviations: give as many")
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))

    @classmethod
    def of(cls, x: Any) -> Standardize:
        """Of the columns of x: their means and standard deviations, 1 for a column of equal numbers."""
        try:
            rows = np.asarray(x, np.float64)
        except (TypeError, ValueError, RuntimeError) as error:  # text, missing values of a frame, tensors of a graph
            raise UsageError(f"Standardize.of: takes rows of numbers [N, columns]: {one_line(error)}") from None
        if rows.ndim != 2:
            raise UsageError(f"Standardize.of: takes rows of numbers [N, columns], got {list(rows.shape)}")
        if not len(rows):
            raise UsageError("Standardize.of: takes at least one row")
        varied = rows.max(axis=0) > rows.min(axis=0)  # the deviation of equal numbers need not be exactly 0
        std = np.where(varied, rows.std(axis=0), 1.0)
        return cls(tuple(rows.mean(axis=0).tolist()), tuple(std.tolist()))

    def prepared(self, x: Any, dtype: str) -> Any:
        mean, std = np.asarray(self.mean, dtype), np.asarray(self.std, dtype)
        return (ops.cast(x if isinstance(x, Tensor) else np.asarray(x), dtype=dtype) - mean) / std

    def prepared_type(self, type: TensorType, dtype: str) -> TensorType:
        if type.shape[1:] != (len(self.mean),):
            raise ShapeError(f"Standardize: is of {len(self.mean)} columns, the rows are {type}")
        return super().prepared_type(type, dtype)

    def in_words(self) -> str:
        return f"standardized, with means and deviations of {len(self.mean)} columns"


def scale_in_words(factor: float) -> str:
    """1/255, or the number."""
    return "1/255" if factor == 1 / 255 else f"{factor:.6g}"


def as_transform(given: Any) -> Transform | None:
    """A transform as it is; a number is what integers are multiplied by."""
    return given if given is None or isinstance(given, Transform) else Scale(given)


def numbers(x: Any, transform: Transform | None) -> Any:
    """Raw data as the transform reads them; tensors and arrays of numbers as they are."""
    if transform is None or isinstance(x, Tensor):
        return x
    known = isinstance(x, np.ndarray) and x.dtype.kind in "biuf" and transform.takes(x)
    return x if known else transform.read(x)


def to_json(transform: Transform | None) -> Any:
    """As files hold it: a scale as its number, any other as its config."""
    return transform.factor if isinstance(transform, Scale) else None if transform is None else transform.config()


def from_json(written: Any) -> Transform | None:
    """The transform. UsageError for one that this version does not know or whose settings make no sense."""
    if written is None or not isinstance(written, Mapping):
        return as_transform(written)
    try:
        made: Transform = build(written, TRANSFORMS, "transform")
    except (TypeError, ValueError) as error:
        raise UsageError(f"transform {str(written.get('type'))[:40]}: {error}") from None
    return made


__all__ = ["PREPARING", "SCALING", "Scale", "Standardize", "Transform"]
__all__ += ["as_transform", "from_json", "numbers", "scale_in_words", "to_json"]
