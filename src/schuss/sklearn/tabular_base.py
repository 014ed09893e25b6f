"""What the two estimators of tables have in common: parameters, raw tables in, a fit as schuss.tabular.fit_table's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from schuss.api import freeze
from schuss.constraints import shown
from schuss.exec.native.threads import at_most
from schuss.ir.executor import Array
from schuss.nn.holding import own_signature
from schuss.signature import Signature
from schuss.sklearn.raw import as_value_errors, counted, named_columns, raw_frame, same_columns
from schuss.sklearn.threads import threads_of
from schuss.tabular.columns import TableColumns
from schuss.tabular.extra import pl
from schuss.tabular.fit import fit_rows
from schuss.tabular.frame import by_name
from schuss.tabular.kind import MISSING, Where, rows_of
from schuss.tabular.kinds import find_kinds, names_of
from schuss.tabular.objectives import asked_for
from schuss.tabular.presets import FOLDS, PRESETS
from schuss.tabular.rows import Table
from schuss.tabular.targets import Target

_COUNT = Interval(Integral, 1, None, closed="left")
_COLUMNS = [str, "array-like", set]
Apart = tuple[Any, Any, Any, Any]  # fit's validation, X_val, y_val and sample_weight_val
MOST = 2**31 - 1  # a seed


@dataclass(eq=False, repr=False)  # which makes an __init__ of these parameters, as scikit-learn reads them
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
        "n_jobs": [_COUNT, Options(Integral, {-1}), None],
        "verbose": ["verbose"],
    }

    preset: str | None = None
    _: KW_ONLY
    loss: str | None = None
    category: Any = ()
    number: Any = ()
    date: Any = ()
    drop: Any = ()
    missing: Any = MISSING
    folds: int = FOLDS
    epochs: int | None = None
    hidden_layer_sizes: Any = None
    learning_rate_init: float | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    random_state: Any = None
    n_jobs: int | None = None
    verbose: Any = False

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
        return frame, None if sample_weight is None else _weights(sample_weight, frame)

    def _learn(
        self, frame: pl.DataFrame, y: Array, target: Callable[[Array, Where], Target], weight: Array | None,
        groups: Any, apart: Apart, class_weight: str | Mapping[str, float] | None = None,
        quantiles: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        """Learn the rows that count: y of them, [N] or [N, T], is a target, as a function tells, of rows by name."""
        rows, weight, groups = counted(frame, y, weight, groups)
        if len(rows) < 2:
            raise ValueError("a table is learned from two rows and more that differ; X has one sample (n_samples=1)")

        def where(row: int) -> str:
            return f"X row {rows[row]}"

        _, loss = asked_for(None, self.loss, quantiles)
        asked = {"category": self.category, "number": self._number(), "date": self.date, "drop": self.drop}
        frame = by_name(frame, [name for given in asked.values() for name in names_of(given)])[rows]
        kinds = find_kinds(frame, missing=dict.fromkeys(frame.columns, self.missing), what="X", where=where, **asked)
        table = Table(frame, target(y[rows], where), kinds, where, weight, groups)
        seed = self._seed()
        own = {
            "epochs": self.epochs, "hidden": self._hidden(), "lr": self.learning_rate_init, "dropout": self.dropout,
            "weight_decay": self.weight_decay,
        }  # fmt: skip
        train, validated = self._parts(table, apart, seed)
        run = fit_rows(
            table, (train, None, validated), loss=loss, quantiles=quantiles, class_weight=class_weight,
            folds=self.folds, preset=self.preset, own={name: v for name, v in own.items() if v is not None},
            seed=seed, threads=self._threads(), progress=bool(self.verbose), backend="native",
        )  # fmt: skip
        self.model_, self.preset_, self.parts_ = run.model, run.preset, run.parts
        self.report_, self.kinds_ = run.report, run.kinds
        self._frozen = freeze(run.model)
        if self.verbose:
            print(run.report)

    def _parts(self, table: Table, apart: Apart, seed: int) -> tuple[Table, Table | None]:
        """The rows to train on, and those that weigh the parts, if any."""
        share, X, y, weight = apart
        if X is None and (y is not None or weight is not None):
            raise ValueError("y_val and sample_weight_val are of rows X_val: give X_val, too")
        if X is None:
            if share is None:
                return table, None
            if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) < 1:
                raise ValueError(
                    f"validation must be a share of the rows between 0 and 1, got {shown(share)}; rows of your own are "
                    "X_val and y_val"
                )
            return table.parted(float(share), seed, "the validation")
        if share is not None:
            raise ValueError("validation is a share of X, and X_val are other rows: give one of them")
        if y is None:
            raise ValueError("X_val needs its targets: give y_val, too")
        frame = self._columns_of(X, "X_val")
        check_consistent_length(frame, y)
        weight = None if weight is None else _weights(weight, frame)
        where = rows_of("X_val")
        return table, Table(frame, self._like(table.target, y), table.kinds, where, weight).counted()

    def _like(self, target: Target, y: Any) -> Target:
        """The target of other rows, y as fit has it. ValueError for what is none."""
        raise NotImplementedError

    def _number(self) -> Any:
        """The columns that are numbers whatever they look like: of an array of numbers all that have no other kind."""
        if not self._numbers:
            return self.number
        others = {name for given in (self.category, self.date, self.drop) for name in names_of(given)}
        return [name for name in self._columns if name not in others]

    def _hidden(self) -> tuple[int, ...] | None:
        """Widths of the layers. ValueError for what are none."""
        sizes = self.hidden_layer_sizes
        if sizes is None:
            return None
        given = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if wrong := [n for n in given if not isinstance(n, Integral) or n < 1]:
            raise ValueError(f"hidden_layer_sizes must be whole numbers of at least 1, as (64, 64); got {wrong[0]!r}")
        return tuple(map(int, given))

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
        if not hasattr(self, "model_"):  # which takes a tenth of a row's time
            check_is_fitted(self)
        transform = signature_of(self.model_).inputs[0].transform
        assert isinstance(transform, TableColumns)
        x = transform.single(X) if self._named else None
        if x is not None:
            return self._of_rows(x)
        with at_most(self._threads()):
            return self._of_rows(transform.read(self._columns_of(X, "X"), "X"))

    def _of_rows(self, x: Array) -> Array:
        found: Array = self.model_.answers(x, frozen=self._frozen)
        return found

    def _columns_of(self, X: Any, what: str) -> pl.DataFrame:
        """The columns of fit in other rows, which messages call so."""
        owner = type(self).__name__
        frame = raw_frame(X, self._columns, owner, what)
        return same_columns(frame, X, self._columns, self._named, owner, what)

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


def _weights(given: Any, frame: pl.DataFrame) -> Array:
    """float64 [N], of 0 and more."""
    found: Array = _check_sample_weight(given, np.empty((len(frame), 1)), dtype=np.float64, ensure_non_negative=True)
    return found


def signature_of(model: Any) -> Signature:
    found = own_signature(model)
    assert found is not None
    return found


__all__ = ["BaseTabular", "signature_of"]
