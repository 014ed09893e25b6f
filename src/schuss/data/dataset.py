"""A data set: training and test rows, checked to fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from schuss.data.arrays import check_finite, check_labels
from schuss.data.labels import labels_of
from schuss.errors import DataError, printable
from schuss.ir.executor import Array

SHOWN = 10  # names of classes that are printed
IMAGES = 1 / 255  # what bytes of images are multiplied by


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows to train on and rows to test on.

    x: (N, *feature_shape), uint8 for images, otherwise any dtype of `as_array`. y: int64 (N,) labels below
    `classes`, or, where `classes` is None (regression), floats (N,) or (N, k). scale: what bytes of x are multiplied
    by (images by 1/255); None: they are numbers. class_names: in the order of the labels, if they have names.

    `schuss.fit` trains on its training rows, `schuss.evaluate` measures on its test rows.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    name: str
    classes: int | None
    feature_shape: tuple[int, ...]
    scale: float | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def flat(self) -> Dataset:
        """The same with rows of numbers, x (N, features): views, no copies. What it says of its bytes stays."""
        x_train, x_test = self.x_train_flat, self.x_test_flat
        return replace(self, x_train=x_train, x_test=x_test, feature_shape=x_train.shape[1:])

    @property
    def pictures(self) -> Dataset:
        """The same with images as [N, channels, height, width]: views, no copies. Rows of numbers stay as they are."""
        if len(self.feature_shape) != 2 or self.scale is None:
            return self
        x_train, x_test = (x[:, None] for x in (self.x_train, self.x_test))
        return replace(self, x_train=x_train, x_test=x_test, feature_shape=x_train.shape[1:])

    def labelled_as(self, classes: Sequence[str] | None) -> Dataset:
        """The same with labels that stand for these names, a model's; as it is where either has no names.

        DataError for a class that is none of them.
        """
        if classes is None or self.class_names is None or tuple(classes) == self.class_names:
            return self
        names = np.array(self.class_names)
        y_train, y_test = (labels_of(names[y], classes, self.name)[0] for y in (self.y_train, self.y_test))
        return replace(self, y_train=y_train, y_test=y_test, classes=len(classes), class_names=tuple(classes))

    def __repr__(self) -> str:
        """The name, shapes, dtypes, scale and classes; never the numbers."""
        parts = (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test))
        rows = [(part, f"x {_type_of(x)}, y {_type_of(y)}") for part, x, y in parts]
        if self.classes is not None:
            known = f": {', '.join(self.class_names[:SHOWN])}" if self.class_names else ""
            rows.append(("classes", f"{self.classes}{known}{', ...' * (bool(known) and self.classes > SHOWN)}"))
        if self.scale is not None:
            rows.append(("scale", "1/255" if self.scale == IMAGES else f"{self.scale:.6g}"))
        lines = "".join(f"  {name:<7}  {text}\n" for name, text in rows)
        return printable(f"Dataset({self.name!r},\n{lines})")

    def __array__(self, *_: object, **__: object) -> Array:
        raise DataError(f"the data set {self.name} has training and test rows: give data.x_train or data.x_test")

    @property
    def x_train_flat(self) -> Array:
        """x_train as (N, features): a view, no copy."""
        return self.x_train.reshape(len(self.x_train), -1)

    @property
    def x_test_flat(self) -> Array:
        """x_test as (N, features): a view, no copy."""
        return self.x_test.reshape(len(self.x_test), -1)


def _type_of(array: Array) -> str:
    return f"{array.dtype}[{', '.join(map(str, array.shape))}]"


def checked_dataset(arrays: dict[str, Array], labels: dict[str, str], name: str) -> Dataset:
    """A Dataset of the arrays `x_train, y_train, x_test, y_test`; `labels` says what messages call each.

    Bytes with two feature axes and more are images.

    Raises DataError: no rows, rows without features, counts or feature shapes that do not match, NaN, bad
    labels.
    """
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        x_label, y_label = labels[f"x_{part}"], labels[f"y_{part}"]
        for array, label in ((x, x_label), (y, y_label)):
            if array.ndim == 0 or 0 in array.shape:
                raise DataError(f"{label}: shape {array.shape} holds no rows; it needs at least one")
            check_finite(array, label)
        if x.ndim < 2:
            raise DataError(f"{x_label}: shape {x.shape} has no features; reshape it to (N, features)")
        if len(x) != len(y):
            raise DataError(f"{y_label}: {len(y)} rows for the {len(x)} rows of {x_label}; each needs one")
    feature_shape = arrays["x_train"].shape[1:]
    if arrays["x_test"].shape[1:] != feature_shape:
        raise DataError(
            f"{labels['x_test']}: feature shape {arrays['x_test'].shape[1:]} differs from {feature_shape} of "
            f"{labels['x_train']}; prepare both in the same way"
        )
    if arrays["x_test"].dtype != arrays["x_train"].dtype:
        raise DataError(
            f"{labels['x_test']}: dtype {arrays['x_test'].dtype} differs from {arrays['x_train'].dtype} of "
            f"{labels['x_train']}; their values would be scaled differently, store both alike"
        )
    targets, class_names = _labelled(arrays["y_train"], arrays["y_test"], labels)
    y_train, y_test, classes = _checked_targets(*targets, labels)
    scale = IMAGES if arrays["x_train"].dtype == np.uint8 and len(feature_shape) > 1 else None
    return Dataset(
        arrays["x_train"], y_train, arrays["x_test"], y_test, name, classes, feature_shape, scale, class_names
    )


def _labelled(train: Array, test: Array, labels: dict[str, str]) -> tuple[tuple[Array, Array], tuple[str, ...] | None]:
    """Names of classes as labels, and the names; numbers as they are."""
    if train.dtype.kind != "U" and test.dtype.kind != "U":
        return (train, test), None
    if train.dtype.kind != test.dtype.kind:
        raise DataError(f"{labels['y_test']}: {test.dtype} does not go with {train.dtype} of {labels['y_train']}")
    coded, names = labels_of(train, None, labels["y_train"])
    return (coded, labels_of(test, names, labels["y_test"])[0]), names


def _checked_targets(train: Array, test: Array, labels: dict[str, str]) -> tuple[Array, Array, int | None]:
    """Labels as int64 and the number of classes, or floating targets and None."""
    if (train.dtype.kind == "f") != (test.dtype.kind == "f"):
        raise DataError(
            f"{labels['y_test']}: dtype {test.dtype} does not go with {train.dtype} of {labels['y_train']}; "
            "use integers in both for classes, floats in both for regression"
        )
    if train.dtype.kind != "f":
        classes = check_labels(train, labels["y_train"])
        check_labels(test, labels["y_test"], classes)
        return train.astype(np.int64), test.astype(np.int64), classes
    for y, label in ((train, labels["y_train"]), (test, labels["y_test"])):
        if y.ndim > 2:
            raise DataError(f"{label}: targets must have the shape (N,) or (N, k), got {y.shape}")
    if train.shape[1:] != test.shape[1:]:
        raise DataError(f"{labels['y_test']}: shape {test.shape} does not go with {train.shape} of {labels['y_train']}")
    return train, test, None
