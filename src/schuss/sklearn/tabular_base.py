"""What the two estimators of tables have in common: parameters, raw tables in, a fit of schuss.tabular.fit_table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from schuss.api import freeze
from schuss.ir.executor import Array
from schuss.nn.holding import own_signature
from schuss.signature import Signature
from schuss.sklearn.raw import as_value_errors, counted, named_columns, raw_frame, same_columns
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
        loss: str | None = None,
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
        self.loss = loss
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
        class_weight: Mapping[str, float] | None = None, quantiles: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        """Learn targets y, numbers [N] or [N, T] or places of classes [N], of these names. class_weight: by place"""
        frame, y, weight, groups = counted(frame, y, weight, groups)
        if len(frame) < 2:
            raise ValueError("a table is learned from two rows and more that differ; X has one sample (n_samples=1)")
        beside = [pl.Series(name, own) for name, own in zip(targets, y.reshape(len(y), -1).T, strict=True)]
        beside += [pl.Series(name, own) for name, own in ((WEIGHT, weight), (GROUP, groups)) if own is not None]
        sizes = self.hidden_layer_sizes
        run = fit_table(
            frame.with_columns(beside), list(targets), task=task, loss=self.loss, quantiles=quantiles,
            preset=self.preset, category=self.category,
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
        transform = signature_of(self.model_).inputs[0].transform
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


def signature_of(model: Any) -> Signature:
    found = own_signature(model)
    assert found is not None
    return found


def _names(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


__all__ = ["BaseTabular", "signature_of"]
