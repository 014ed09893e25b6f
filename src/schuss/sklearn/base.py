"""What MLPClassifier and MLPRegressor share: fitting, partial fits, outputs, and the model in schuss's own form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from schuss import nn
from schuss.ir.executor import Array
from schuss.sklearn.keyed import Keyed, keyed
from schuss.sklearn.modelled import as_model
from schuss.sklearn.network import Net, activations_of, dropout_of, forward, slopes
from schuss.sklearn.objective import Objective
from schuss.sklearn.parameters import CONSTRAINTS
from schuss.sklearn.programs import Form
from schuss.sklearn.quick import Quick
from schuss.sklearn.solvers import SGD, Adam, GradientSum
from schuss.sklearn.stochastic import Epochs, Rows
from schuss.sklearn.threads import threads_of

CHUNK = 4096  # rows of a sparse matrix that are made dense at a time to predict


class BaseMLP(BaseEstimator):
    """Base of the two; see them."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    # -- what the two differ in --------------------------------------------------------------------------------

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held: bool = False
    ) -> tuple[Array, Array]:
        """Checked rows, dense or sparse, and targets as scikit-learn has them. held: of validation data."""
        raise NotImplementedError

    _several = False  # whether an example may have several labels

    def _objective(self) -> Objective:
        raise NotImplementedError

    def _targets(self, y: Array, dtype: Any) -> Array:
        """Checked targets as the objective has them: numbers of classes [N], or floats [N, outputs]."""
        raise NotImplementedError

    def _outputs_of(self, y: Array) -> int:
        """How many outputs targets need."""
        raise NotImplementedError

    def _split(self, X: Array, y: Array, weight: Array | None) -> tuple[Any, ...]:
        raise NotImplementedError

    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        """The score of outputs against such targets."""
        raise NotImplementedError

    def _class_weights(self, y: Array) -> Array | None:
        """A weight for each example by its class."""
        return None

    # -- fitting -----------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to rows X [N, features] and targets y.

        X              arrays, data frames, sparse matrices (which are made dense)
        y              labels (numbers or text) or rows of 0 and 1 for several labels; numbers [N] or [N, targets]
        sample_weight  [N]: a batch's loss is sum(w l) / sum(w)
        X_val, y_val, sample_weight_val  rows to score after each epoch, in validation_scores_; early_stopping goes by
                       them and sets no rows of X aside. Not with solver="lbfgs"

        Raises ValueError as scikit-learn's does; for weights that are not finite in the end, too.
        """
        return self._fit(X, y, sample_weight, incremental=False, held=(X_val, y_val, sample_weight_val))

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool, held: Sequence[Any] = (None,) * 3) -> Self:
        hidden = self._hidden()
        if held[0] is None and any(given is not None for given in held[1:]):
            raise ValueError("y_val and sample_weight_val are of rows X_val: give X_val, too")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._validate_input(X, y, incremental, reset=first)
        X = _dense(X)
        weight = self._weights(sample_weight, X, y)
        self.n_outputs_ = self._outputs_of(y)
        widths = (X.shape[1], *hidden, self.n_outputs_)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(widths, X.dtype)
        found = (self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_))
        if found != widths:
            raise ValueError(f"the weights have the widths {list(found)}, and {list(widths)} are asked for")
        self._start_histories(first, held[0] is not None)
        self._solve(X, y, weight, incremental, held)
        if not all(np.isfinite(a).all() for a in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        self._quick = Quick()
        return self

    def _hidden(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        hidden: list[Any] = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        return [int(size) for size in hidden]

    def _weights(self, sample_weight: Any, X: Array, y: Array) -> Array | None:
        """Of the examples, those of their classes included, in the dtype of X; None for 1 each."""
        own = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        of_classes = self._class_weights(y)
        if of_classes is not None:
            own = of_classes if own is None else own * of_classes
        return None if own is None else np.ascontiguousarray(own, X.dtype)

    def _initialize(self, widths: Sequence[int], dtype: Any) -> None:
        """Weights uniform within sqrt(6 / (fan_in + fan_out)), for logistic sqrt(2 / ...): scikit-learn's, to the bit.
        Source: Glorot and Bengio (2010)."""
        self.n_iter_, self.t_ = 0, 0
        self.n_layers_ = len(widths)
        self.coefs_: list[Array] = []
        self.intercepts_: list[Array] = []
        factor = 2.0 if self.activation == "logistic" else 6.0
        for a, b in itertools.pairwise(widths):
            bound = np.sqrt(factor / (a + b))
            for shape, into in (((a, b), self.coefs_), ((b,), self.intercepts_)):
                into.append(self._random_state.uniform(-bound, bound, shape).astype(dtype, copy=False))

    def _start_histories(self, first: bool, given: bool) -> None:
        """The attributes that grow, at the first fit; at later ones what they lack."""
        self.out_activation_ = self._objective().link
        if self.solver == "lbfgs" and self.optimizer is None:
            return
        scored = self.early_stopping or given
        if first or not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_: float | None = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_: float | None = None
        if first or not hasattr(self, "_best_weights"):
            self._best_weights = None
        if scored and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf

    def _solve(self, X: Array, y: Array, weight: Array | None, incremental: bool, held: Sequence[Any]) -> None:
        if self.solver == "lbfgs" and self.optimizer is None:
            from schuss.sklearn.lbfgs import minimise

            if held[0] is not None or self.callbacks or np.any(self.dropout):
                raise ValueError("X_val, callbacks and dropout are of epochs, and lbfgs has none; use solver='adam'")
            rows = Rows(np.ascontiguousarray(X), self._targets(y, X.dtype), weight)
            minimise(self, self._form(np.float64, weight is not None), rows)
            return
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        scored = None
        if held[0] is not None:
            scored = self._held(held[0], held[1], held[2], X.dtype)
        elif self.early_stopping:
            X, y, weight, scored = self._set_aside(X, y, weight)
        rows = Rows(np.ascontiguousarray(X), self._targets(y, X.dtype), weight)
        Epochs(self, self._form(X.dtype, weight is not None), rows, scored, incremental).run()

    def _set_aside(self, X: Array, y: Array, weight: Array | None) -> tuple[Array, Array, Array | None, Rows]:
        """Rows to train on, and rows to score."""
        parts = self._split(X, y, weight)
        X, X_val, y, y_val = parts[:4]
        weight, weight_val = parts[4:] or (None, None)
        if len(X_val) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return X, y, weight, Rows(np.ascontiguousarray(X_val), self._targets(y_val, X.dtype), weight_val)

    def _held(self, X: Any, y: Any, weight: Any, dtype: Any) -> Rows:
        """The validation rows that are given."""
        if y is None:
            raise ValueError("X_val needs its targets: give y_val, too")
        X, y = self._validate_input(X, y, incremental=True, reset=False, held=True)
        X = np.ascontiguousarray(_dense(X), dtype)
        weight = None if weight is None else np.asarray(_check_sample_weight(weight, X), dtype)
        return Rows(X, self._targets(y, dtype), weight)

    def _form(self, dtype: Any, weighted: bool) -> Form:
        if isinstance(self.optimizer, type):
            raise ValueError(f"optimizer is the class {self.optimizer.__name__}: give {self.optimizer.__name__}(...)")
        if self.optimizer is not None:
            solver: Keyed = keyed(self.optimizer)
        else:
            made = {"lbfgs": GradientSum(), "adam": Adam(), "sgd": SGD(bool(self.nesterovs_momentum))}
            solver = keyed(made[self.solver])
        penalised = bool(self.alpha) and not isinstance(solver.given, GradientSum)
        return Form(self._net(dtype), self._objective(), solver, weighted, penalised)

    # -- outputs -----------------------------------------------------------------------------------------------

    def _net(self, dtype: Any) -> Net:
        hidden = len(self.coefs_) - 1
        widths = (self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_))
        activations, dropout = activations_of(self.activation, hidden), dropout_of(self.dropout, hidden)
        return Net(widths, activations, dropout, np.dtype(dtype).name)

    @property
    def _link(self) -> str:
        """How the last layer's outputs are read when rows are predicted."""
        return str(self.out_activation_)

    def _predicted(self, X: Any) -> Array:
        """Outputs for rows, checked as scikit-learn does; rows of floats as the weights are take the short way."""
        known = vars(self)
        quick = known.get("_quick")
        if quick is not None:
            y = quick(X, known["coefs_"], known["intercepts_"])
            if y is not None:
                return y
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if hasattr(X, "toarray"):
            X = X.tocsr()
            parts = [self._predicted_dense(X[i : i + CHUNK].toarray()) for i in range(0, X.shape[0], CHUNK)]
            return np.concatenate(parts)
        return self._predicted_dense(X)

    def _predicted_dense(self, X: Array) -> Array:
        dtype = self.coefs_[0].dtype
        run = forward(self._net(dtype), self._link, threads_of(self.threads))
        outputs = run([np.asarray(X, dtype), *self._flat(dtype)])[0]
        quick = vars(self).get("_quick")
        if quick is not None and X.dtype == dtype and not hasattr(self, "feature_names_in_"):
            quick.learn(run, self.coefs_, self.intercepts_)
        wide = np.result_type(X.dtype, dtype)
        return outputs if outputs.dtype == wide or wide.kind != "f" else outputs.astype(wide)

    def _flat(self, dtype: Any) -> list[Array]:
        """The weights as compiled functions take them: W0, b0, W1, b1, ..."""
        return [np.asarray(a, dtype) for pair in zip(self.coefs_, self.intercepts_, strict=True) for a in pair]

    def input_jacobian(self, X: Any) -> Array:
        """The derivatives of the outputs by the features, [N, outputs, features].

        Outputs are those of predict_proba (of two classes that of the second alone) or predict.
        """
        check_is_fitted(self)
        X = _dense(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))
        dtype = self.coefs_[0].dtype
        run = slopes(self._net(dtype), str(self.out_activation_), threads_of(self.threads))
        return np.stack(run([np.asarray(X, dtype), *self._flat(dtype)]), axis=1)

    def _set_weights(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> Self:
        """Fitted attributes for weights that nobody trained here. ValueError for shapes that do not chain."""
        dtype = np.float32 if all(np.asarray(a).dtype == np.float32 for a in (*coefs, *intercepts)) else np.float64
        self.coefs_ = [np.array(w, dtype, order="C") for w in coefs]
        self.intercepts_ = [np.array(b, dtype) for b in intercepts]
        widths = [self.coefs_[0].shape[0], *(w.shape[-1] for w in self.coefs_)]
        wanted = [*itertools.pairwise(widths), *((b,) for b in widths[1:])]
        shapes = [a.shape for a in (*self.coefs_, *self.intercepts_)]
        if shapes != wanted:
            raise ValueError(f"weights must be [in, out] and [out] of layers that follow each other, got {shapes}")
        self.hidden_layer_sizes = tuple(widths[1:-1])
        self.n_features_in_, self.n_outputs_, self.n_layers_ = widths[0], widths[-1], len(widths)
        self.n_iter_, self.t_ = 0, 0
        self._start_histories(first=True, given=False)
        self._quick = Quick()
        return self

    @property
    def model_(self) -> nn.Sequential:
        """The network as a schuss model with the weights of now, made anew: freeze, save and draw it.

        Of classes it gives logits, as schuss's losses want them; of numbers what predict does. schuss.predict of it
        says what predict says.
        """
        if "coefs_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no model_ before fit")
        return as_model(self, self._net(self.coefs_[0].dtype), self._objective(), self._several)

    # -- copies ------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Without what is compiled."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_quick"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "coefs_" in vars(self):
            self._quick = Quick()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(X: Any) -> Any:
    return X.toarray() if hasattr(X, "toarray") else X


__all__ = ["BaseMLP"]
