"""TabularClassifier and TabularRegressor: scikit-learn's interface to schuss.tabular.fit_table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from schuss.api import freeze
from schuss.ir.executor import Array
from schuss.nn.holding import own_signature, set_signature
from schuss.signature import CLASSIFICATION, REGRESSION, Signature
from schuss.sklearn.raw import amounts, as_value_errors, counted, labels, named_columns, raw_frame, same_columns
from schuss.sklearn.threads import threads_of
from schuss.tabular.columns import TableColumns
from schuss.tabular.extra import pl
from schuss.tabular.fit import fit_table
from schuss.tabular.kind import MISSING
from schuss.tabular.presets import FOLDS, PRESETS

_COUNT = Interval(Integral, 1, None, closed="left")
_COLUMNS = [str, "array-like", set]
WEIGHT, GROUP = "\0weight", "\0group"  # columns beside those of X
MOST = 2**31 - 1  # a seed


class BaseTabular(BaseEstimator):
    """Base of the two; see them."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "preset": [StrOptions(set(PRESETS)), None],
        "category": _COLUMNS,
        "number": _COLUMNS,
        "date": [*_COLUMNS, dict],
        "drop": _COLUMNS,
        "missing": ["array-like", set],
        "folds": [Interval(Integral, 2, None, closed="left")],
        "epochs": [_COUNT, None],
        "hidden_layer_sizes": ["array-like", _COUNT, None],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        preset: str | None = None,
        *,
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
        self.preset = preset
        self.category = category
        self.number = number
        self.date = date
        self.drop = drop
        self.missing = missing
        self.folds = folds
        self.epochs = epochs
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate_init = learning_rate_init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # -- fitting -----------------------------------------------------------------------------------------------

    def _frame_to_fit(self, X: Any, y: Any, sample_weight: Any) -> tuple[pl.DataFrame, Array | None]:
        """X as a frame, and the rows' weights; the columns are kept as those to come."""
        frame = raw_frame(X, None, type(self).__name__)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        check_consistent_length(frame, y)
        names = named_columns(X)
        self._columns, self._named = frame.columns, names is not None
        self._numbers = not self._named and all(dtype.is_numeric() or dtype == pl.Boolean for dtype in frame.dtypes)
        self.n_features_in_ = frame.width
        self.__dict__.pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, np.empty((len(frame), 1)), dtype=np.float64, ensure_non_negative=True
            )
        return frame, weight

    def _learn(
        self, frame: pl.DataFrame, y: Array, weight: Array | None, groups: Any, task: str, targets: Sequence[str],
        class_weight: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        """Learn targets y, numbers [N] or [N, T] or places of classes [N], of these names. class_weight: by place"""
        frame, y, weight, groups = counted(frame, y, weight, groups)
        if len(frame) < 2:
            raise ValueError("a table is learned from two rows and more that differ; X has one sample (n_samples=1)")
        beside = [pl.Series(name, own) for name, own in zip(targets, y.reshape(len(y), -1).T, strict=True)]
        beside += [pl.Series(name, own) for name, own in ((WEIGHT, weight), (GROUP, groups)) if own is not None]
        sizes = self.hidden_layer_sizes
        run = fit_table(
            frame.with_columns(beside), list(targets), task=task, preset=self.preset, category=self.category,
            number=self._number(), date=self.date, drop=self.drop, class_weight=class_weight,
            missing=dict.fromkeys(frame.columns, self.missing),
            weight=None if weight is None else WEIGHT, group=None if groups is None else GROUP, folds=self.folds,
            epochs=self.epochs, hidden=None if sizes is None else [int(size) for size in np.atleast_1d(sizes)],
            lr=self.learning_rate_init, dropout=self.dropout, weight_decay=self.weight_decay, seed=self._seed(),
            threads=self._threads(), progress=bool(self.verbose),
        )  # fmt: skip
        self.model_, self.preset_, self.parts_ = run.model, run.preset, run.parts
        self.report_, self.kinds_ = run.report, run.kinds
        self._frozen = freeze(run.model)
        if self.verbose:
            print(run.report)

    def _number(self) -> Any:
        """The columns that are numbers whatever they look like: of an array of numbers all that have no other kind."""
        if not self._numbers:
            return self.number
        others = {name for given in (self.category, self.date, self.drop) for name in _names(given)}
        return [name for name in self._columns if name not in others]

    def _seed(self) -> int:
        given = self.random_state
        return int(given) if isinstance(given, Integral) else int(check_random_state(given).randint(MOST))

    def _threads(self) -> int | None:
        """As n_jobs asks for: a number, -1 for all cores; None is one in tasks of joblib's, else all."""
        asked = self.n_jobs
        return threads_of(None if asked is None or asked < 1 else int(asked))

    # -- answers -----------------------------------------------------------------------------------------------

    @as_value_errors()
    def _answers(self, X: Any) -> Array:
        """float64: probabilities [N, classes], or values [N, targets]."""
        check_is_fitted(self)
        owner = type(self).__name__
        transform = _signature(self.model_).inputs[0].transform
        assert isinstance(transform, TableColumns)
        x = transform.single(X) if self._named else None
        if x is None:
            frame = raw_frame(X, self._columns, owner)
            x = transform.read(same_columns(frame, X, self._columns, self._named, owner), "X")
        found: Array = self.model_.answers(x, frozen=self._frozen)
        return found

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_frozen"}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self._frozen = freeze(self.model_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classes from the rows of a raw table: networks on folds, blended with a linear model (schuss.tabular.fit_table).

        TabularClassifier().fit(frame, frame["kind"]).predict_proba(new_rows)

    X is a data frame of any library, or an array, whose columns are x0, x1, ...: numbers, text, dates, truth values,
    with missing values. Columns of a frame are found by their names, in any order, and others are passed by. What each
    is taken for is in kinds_; an array's numbers are numbers.

    preset          "fast" or "best" (schuss.tabular.presets); None: best where that is about a minute of two cores
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
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        preset: str | None = None,
        *,
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
            preset, category=category, number=number, date=date, drop=drop, missing=missing, folds=folds,
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
    """Numbers from the rows of a raw table; see TabularClassifier for X, the parameters and attributes."""

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
        self._learn(frame, found, weight, groups, REGRESSION, _free(names, frame.columns))
        return self

    def predict(self, X: Any) -> Array:
        """The predicted numbers, float64 [N] or [N, targets]."""
        found = self._answers(X)
        return found[:, 0] if self._one else found

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
    signature = _signature(model)
    assert signature.output is not None
    if classes.dtype.kind == "b":
        output = replace(signature.output, classes=("false", "true"), named=False, kind="bool")
    elif classes.dtype.kind in "iu" and classes.tolist() == list(range(len(classes))):
        return
    else:
        output = replace(signature.output, classes=tuple(map(str, classes.tolist())), named=True, kind=None)
    set_signature(model, replace(signature, output=output))


def _signature(model: Any) -> Signature:
    found = own_signature(model)
    assert found is not None
    return found


def _names(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _free(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    """The names, with an underscore or more behind those that are taken."""
    found = list(names)
    while both := set(found) & set(taken):
        found = [f"{name}_" if name in both else name for name in found]
    return found


__all__ = ["TabularClassifier", "TabularRegressor"]
