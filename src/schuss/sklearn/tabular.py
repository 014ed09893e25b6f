"""TabularClassifier and TabularRegressor: scikit-learn's interface to schuss.tabular.fit_table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from schuss.ir.executor import Array
from schuss.sklearn.raw import (
    amounts,
    as_value_errors,
    free,
    indicators,
    labels,
    name_of,
    named_columns,
    target_of_classes,
    target_of_labels,
    target_of_numbers,
)
from schuss.sklearn.tabular_base import BaseTabular
from schuss.tabular.objectives import QUANTILES
from schuss.tabular.targets import Target

MEDIAN = HALF = 0.5


@dataclass(eq=False, repr=False)
class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classes from the rows of a raw table: networks on folds, blended with a linear model (schuss.tabular.fit_table).

        TabularClassifier().fit(rows, kinds).predict_proba(new_rows)

    X is a data frame of any library, or an array, whose columns are x0, x1, ...: numbers, text, dates, truth values,
    with missing values. Columns of a frame are found by their names, in any order, and others are passed by. What each
    is taken for is in kinds_; an array's numbers are numbers.

    preset          "fast" or "best" (schuss.tabular.presets); None: best where that is about a minute of two cores
    loss            "cross_entropy", which None is, or "focal"
    category, number, date, drop   names of columns whose kind is set; date={"COLUMN": "%d/%m/%Y"} with its format
    missing         texts that stand for a missing value in X
    class_weight    {label: weight} or "balanced": multiplies the weights of the rows in training, not in report_
    folds           how many, at most as many as there are rows; each kind of network has a member for each, and as many
                    where validation rows take their place (fit)
    epochs, hidden_layer_sizes, learning_rate_init, dropout, weight_decay   in place of the preset's
    random_state    an int gives the same bits, whatever the threads
    n_jobs          threads; -1: all cores. None: all cores, one in tasks of joblib's (GridSearchCV(n_jobs=2))
    verbose         whether a line shows where the fit is, and the report is printed

    Attributes: classes_, in sorted order, of several labels 0, 1, ...; n_features_in_; feature_names_in_, where all
    names are text; model_, a Module that schuss.save, freeze and predict take, whose later changes do not reach the
    estimator; report_, metrics on rows held out, beside a linear and a trivial model; kinds_ of the columns; parts_,
    the networks with their loss and weight; preset_.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "loss": [StrOptions({"cross_entropy", "focal"}), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    class_weight: Any = None

    @_fit_context(prefer_skip_nested_validation=True)
    @as_value_errors()
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        validation: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the classes y [N], of any kind, or several labels y [N, labels] of 0 and 1, from rows X [N, columns].

        sample_weight  [N], of at least 0
        groups         [N]: rows of one group stay in one fold, or are all held out
        validation     a share of the rows, in place of folds: all members train on all others and differ by their
                       seeds, and the rows weigh the parts and are those of report_
        X_val, y_val, sample_weight_val   rows of your own in place of such a share

        Raises ValueError as scikit-learn's estimators do, and DataError, one too, for columns and values.
        """
        frame, weight = self._frame_to_fit(X, y, sample_weight)
        apart = validation, X_val, y_val, sample_weight_val
        if (several := indicators(y)) is not None:
            if self.class_weight is not None:
                raise ValueError(
                    "class_weight is of classes, and y has several labels, each there or not: leave it out"
                )
            truth, names = several
            names = free(names, frame.columns)
            self.classes_, self._several = np.arange(len(names)), True
            self._learn(frame, truth, lambda y, _: target_of_labels(y, names), weight, groups, apart)
            return self
        classes, place = labels(y)
        by_class = None
        if isinstance(self.class_weight, Mapping):
            own = np.ones(len(place)) if weight is None else weight
            by_class = weights_of_classes(self.class_weight, classes)
            weight = weight if by_class.all() else own * (by_class[place] > 0)
        there = np.unique(place if weight is None else place[weight > 0])
        if len(there) < 2:
            only = classes.tolist()[there[0]]
            raise ValueError(f"y has one class, {only!r}, in all rows that have a weight: give rows of two classes")
        known, name = classes[there], name_of(y, frame.columns)
        self.classes_, self._several = known, False
        found = target_of_classes(name, known, place[:0])
        self._learn(
            frame, np.searchsorted(there, place), lambda y, _: replace(found, y=y), weight, groups, apart,
            self.class_weight if by_class is None else dict(zip(found.names, by_class[there].tolist(), strict=True)),
        )  # fmt: skip
        return self

    def _like(self, target: Target, y: Any) -> Target:
        if self._several:
            several = indicators(y)
            if several is None or several[0].shape[1] != len(self.classes_):
                raise ValueError(f"y_val must be labels [N, {len(self.classes_)}] of 0 and 1, as y is")
            return replace(target, y=several[0])
        classes, place = labels(y, "y_val")
        known = {label: i for i, label in enumerate(self.classes_.tolist())}
        if unknown := [label for label in classes.tolist() if label not in known]:
            row = int(np.argmax(place == classes.tolist().index(unknown[0])))
            raise ValueError(
                f"y_val row {row} is {unknown[0]!r}, which no row of y with a weight is; classes are {list(known)}"
            )
        return replace(target, y=np.array([known[label] for label in classes.tolist()])[place])

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes, float64 [N, classes] in the order of classes_; of several labels that each
        is there, [N, labels]."""
        p = self._answers(X)
        return p if self._several else p / p.sum(1, keepdims=True)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of predict_proba."""
        found: Array = np.log(self.predict_proba(X))
        return found

    def predict(self, X: Any) -> Array:
        """The most probable class of each row, [N]; of several labels 1 where it is more probable than not, int64
        [N, labels]."""
        p = self.predict_proba(X)
        return (p > HALF).astype(np.int64) if self._several else self.classes_[np.argmax(p, axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@dataclass(eq=False, repr=False)
class TabularRegressor(RegressorMixin, BaseTabular):
    """Numbers from the rows of a raw table; see TabularClassifier for X, the other parameters and attributes.

        TabularRegressor(quantiles=(0.1, 0.9)).fit(rows, prices).predict_quantiles(new_rows)

    loss       "mse", which None is, "mae", "huber", "poisson" (counts), "gamma" (amounts above 0) or "quantile"
    quantiles  to predict beside the median, in place of a mean; None with loss "quantile": 0.1 and 0.9

    Attributes: quantiles_, in order, with the median; those of a loss "quantile" alone.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "loss": [StrOptions({"mse", "mae", "huber", "poisson", "gamma", "quantile"}), None],
        "quantiles": ["array-like", None],
    }

    quantiles: Any = None

    @_fit_context(prefer_skip_nested_validation=True)
    @as_value_errors()
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        validation: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the numbers y, [N] or [N, targets], from rows X [N, columns]; see TabularClassifier.fit."""
        frame, weight = self._frame_to_fit(X, y, sample_weight)
        found = amounts(y)
        self._one = found.ndim == 1
        given = named_columns(y)
        if self._one:
            names = [name_of(y, frame.columns)]
        else:
            own = map(str, given) if given is not None else (f"y{i}" for i in range(found.shape[1]))
            names = free(list(own), frame.columns)
        asked = self.quantiles if self.quantiles is not None or self.loss != "quantile" else QUANTILES
        wanted = None if asked is None else sorted({MEDIAN, *map(float, asked)})
        self._learn(
            frame, found, lambda y, where: target_of_numbers(y, names, where), weight, groups,
            (validation, X_val, y_val, sample_weight_val), quantiles=wanted,
        )  # fmt: skip
        self.__dict__.pop("quantiles_", None)
        if wanted is not None:
            self.quantiles_ = np.array(wanted)
        return self

    def _like(self, target: Target, y: Any) -> Target:
        found = amounts(y)
        found = found.reshape(len(found), -1)
        if found.shape[1] != len(target.names):
            raise ValueError(f"y_val has {found.shape[1]} targets, and y has {len(target.names)}")
        return replace(target, y=found)

    def predict(self, X: Any) -> Array:
        """The predicted numbers, float64 [N] or [N, targets]; of quantiles the median."""
        found = self._answers(X)
        if hasattr(self, "quantiles_"):
            found = found[:, self.quantiles_.tolist().index(MEDIAN)][:, None]
        return found[:, 0] if self._one else found

    def predict_quantiles(self, X: Any) -> Array:
        """The quantiles_ of each row, float64 [N, quantiles], which never cross. AttributeError without quantiles."""
        check_is_fitted(self)
        if not hasattr(self, "quantiles_"):
            raise AttributeError("predict_quantiles is of quantiles: fit a TabularRegressor(quantiles=(0.1, 0.9))")
        return self._answers(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def weights_of_classes(given: Mapping[Any, float], classes: Array) -> Array:
    """[classes]. ValueError for labels that are no class."""
    known = classes.tolist()
    if unknown := [label for label in given if label not in known]:
        raise ValueError(f"class_weight has {unknown[0]!r}, which is none of the classes {known}")
    return np.array([float(given.get(label, 1.0)) for label in known])


__all__ = ["TabularClassifier", "TabularRegressor"]
