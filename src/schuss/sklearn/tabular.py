"""TabularClassifier and TabularRegressor: scikit-learn's interface to schuss.tabular.fit_table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from schuss.ir.executor import Array
from schuss.nn.holding import set_signature
from schuss.signature import CLASSIFICATION, REGRESSION
from schuss.sklearn.raw import amounts, as_value_errors, labels, named_columns
from schuss.sklearn.tabular_base import BaseTabular, signature_of
from schuss.tabular.kind import MISSING
from schuss.tabular.objectives import QUANTILES
from schuss.tabular.presets import FOLDS

MEDIAN = 0.5


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classes from the rows of a raw table: networks on folds, blended with a linear model (schuss.tabular.fit_table).

        TabularClassifier().fit(frame, frame["kind"]).predict_proba(new_rows)

    X is a data frame of any library, or an array, whose columns are x0, x1, ...: numbers, text, dates, truth values,
    with missing values. Columns of a frame are found by their names, in any order, and others are passed by. What each
    is taken for is in kinds_; an array's numbers are numbers.

    preset          "fast" or "best" (schuss.tabular.presets); None: best where that is about a minute of two cores
    loss            "cross_entropy", which None is, or "focal"
    category, number, date, drop   names of columns whose kind is set; date={"COLUMN": "%d/%m/%Y"} with its format
    missing         texts that stand for a missing value in X
    class_weight    {label: weight} or "balanced": multiplies the weights of the rows in training, not in report_
    folds           how many, at most as many as there are rows; each kind of network has a member for each
    epochs, hidden_layer_sizes, learning_rate_init, dropout, weight_decay   in place of the preset's
    random_state    an int gives the same bits, whatever the threads
    n_jobs          threads; -1: all cores. None: all cores, one in tasks of joblib's (GridSearchCV(n_jobs=2))
    verbose         whether a line shows where the fit is, and the report is printed

    Attributes: classes_, in sorted order; n_features_in_; feature_names_in_, where all names are text; model_, a Module
    that schuss.save, freeze and predict take, whose later changes do not reach the estimator; report_, metrics on rows
    held out, beside a linear and a trivial model; kinds_ of the columns; parts_, the networks with their loss and
    weight; preset_.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "loss": [StrOptions({"cross_entropy", "focal"}), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        preset: str | None = None,
        *,
        loss: str | None = None,
        category: Any = (),
        number: Any = (),
        date: Any = (),
        drop: Any = (),
        missing: Any = MISSING,
        class_weight: Any = None,
        folds: int = FOLDS,
        epochs: int | None = None,
        hidden_layer_sizes: Any = None,
        learning_rate_init: float | None = None,
        dropout: float | None = None,
        weight_decay: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: Any = False,
    ) -> None:
        super().__init__(
            preset, loss=loss, category=category, number=number, date=date, drop=drop, missing=missing, folds=folds,
            epochs=epochs, hidden_layer_sizes=hidden_layer_sizes, learning_rate_init=learning_rate_init,
            dropout=dropout, weight_decay=weight_decay, random_state=random_state, n_jobs=n_jobs, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    @_fit_context(prefer_skip_nested_validation=True)
    @as_value_errors()
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn the classes y [N], of any labels, from rows X [N, columns].

        sample_weight  [N], of at least 0
        groups         [N]: rows of one group stay in one fold

        Raises ValueError as scikit-learn's estimators do, and DataError, one too, for columns and values.
        """
        frame, weight = self._frame_to_fit(X, y, sample_weight)
        classes, place = labels(y)
        by_class = None
        if self.class_weight is not None:
            own = np.ones(len(place)) if weight is None else weight
            by_class = weights_of_classes(self.class_weight, classes, place, own)
            weight = weight if by_class.all() else own * (by_class[place] > 0)
        there = np.unique(place if weight is None else place[weight > 0])
        if len(there) < 2:
            only = classes.tolist()[there[0]]
            raise ValueError(f"y has one class, {only!r}, in all rows that have a weight: give rows of two classes")
        self.classes_ = classes[there]
        wanted = None if by_class is None else {str(i): by_class[label] for i, label in enumerate(there)}
        names = _free(["y"], frame.columns)
        self._learn(frame, np.searchsorted(there, place), weight, groups, CLASSIFICATION, names, wanted)
        _name_classes(self.model_, self.classes_)
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes, float64 [N, classes] in the order of classes_."""
        p = self._answers(X)
        return p / p.sum(1, keepdims=True)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of predict_proba."""
        found: Array = np.log(self.predict_proba(X))
        return found

    def predict(self, X: Any) -> Array:
        """The most probable class of each row, [N]."""
        p = self.predict_proba(X)
        return self.classes_[np.argmax(p, axis=1)]


class TabularRegressor(RegressorMixin, BaseTabular):
    """Numbers from the rows of a raw table; see TabularClassifier for X, the other parameters and attributes.

        TabularRegressor(quantiles=(0.1, 0.9)).fit(frame, frame["price"]).predict_quantiles(new_rows)

    loss       "mse", which None is, "mae", "huber", "poisson" (counts), "gamma" (amounts above 0) or "quantile"
    quantiles  to predict beside the median, in place of a mean; None with loss "quantile": 0.1 and 0.9

    Attributes: quantiles_, in order, with the median; those of a loss "quantile" alone.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "loss": [StrOptions({"mse", "mae", "huber", "poisson", "gamma", "quantile"}), None],
        "quantiles": ["array-like", None],
    }

    def __init__(
        self,
        preset: str | None = None,
        *,
        loss: str | None = None,
        quantiles: Any = None,
        category: Any = (),
        number: Any = (),
        date: Any = (),
        drop: Any = (),
        missing: Any = MISSING,
        folds: int = FOLDS,
        epochs: int | None = None,
        hidden_layer_sizes: Any = None,
        learning_rate_init: float | None = None,
        dropout: float | None = None,
        weight_decay: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: Any = False,
    ) -> None:
        super().__init__(
            preset, loss=loss, category=category, number=number, date=date, drop=drop, missing=missing, folds=folds,
            epochs=epochs, hidden_layer_sizes=hidden_layer_sizes, learning_rate_init=learning_rate_init,
            dropout=dropout, weight_decay=weight_decay, random_state=random_state, n_jobs=n_jobs, verbose=verbose,
        )  # fmt: skip
        self.quantiles = quantiles

    @_fit_context(prefer_skip_nested_validation=True)
    @as_value_errors()
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn the numbers y, [N] or [N, targets], from rows X [N, columns]; see TabularClassifier.fit."""
        frame, weight = self._frame_to_fit(X, y, sample_weight)
        found = amounts(y)
        count = 1 if found.ndim == 1 else found.shape[1]
        given = named_columns(y)
        names = [str(n) for n in given] if given is not None and len(given) == count > 1 else []
        names = names or (["y"] if count == 1 else [f"y{i}" for i in range(count)])
        self._one = found.ndim == 1
        asked = self.quantiles if self.quantiles is not None or self.loss != "quantile" else QUANTILES
        wanted = None if asked is None else sorted({MEDIAN, *map(float, asked)})
        self._learn(frame, found, weight, groups, REGRESSION, _free(names, frame.columns), quantiles=wanted)
        self.__dict__.pop("quantiles_", None)
        if wanted is not None:
            self.quantiles_ = np.array(wanted)
        return self

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


def weights_of_classes(given: Any, classes: Array, place: Array, weight: Array) -> Array:
    """[classes]: "balanced" gives all classes the same weight in sum. ValueError for labels that are no class."""
    if isinstance(given, Mapping):
        known = classes.tolist()
        if unknown := [label for label in given if label not in known]:
            raise ValueError(f"class_weight has {unknown[0]!r}, which is none of the classes {known}")
        return np.array([float(given.get(label, 1.0)) for label in known])
    sums = np.bincount(place, weight, len(classes))
    return np.divide(sums.sum(), len(classes) * sums, out=np.zeros(len(classes)), where=sums > 0)


def _name_classes(model: Any, classes: Array) -> None:
    """Names in the model's signature, which holds places: what the command says of the model's file."""
    signature = signature_of(model)
    assert signature.output is not None
    if classes.dtype.kind == "b":
        output = replace(signature.output, classes=("false", "true"), named=False, kind="bool")
    elif classes.dtype.kind in "iu" and classes.tolist() == list(range(len(classes))):
        return
    else:
        output = replace(signature.output, classes=tuple(map(str, classes.tolist())), named=True, kind=None)
    set_signature(model, replace(signature, output=output))


def _free(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    """The names, with an underscore or more behind those that are taken."""
    found = list(names)
    while both := set(found) & set(taken):
        found = [f"{name}_" if name in both else name for name in found]
    return found


__all__ = ["TabularClassifier", "TabularRegressor"]
