"""MLPRegressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d, validate_data

from schuss import nn
from schuss.ir.executor import Array
from schuss.sklearn.base import BaseMLP
from schuss.sklearn.keyed import keyed
from schuss.sklearn.objective import Objective
from schuss.sklearn.parameters import CONSTRAINTS, REGRESSION_LOSSES
from schuss.sklearn.partial import can_partial_fit


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron for numbers, by scikit-learn's interface and rules.

    All parameters, attributes and methods of sklearn.neural_network.MLPRegressor, with their meaning; see
    MLPClassifier, also for the parameters that are schuss's own. loss may be, beside "squared_error" and "poisson":
    "absolute_error", "huber", "quantile" (the median), "gamma" (amounts above 0, through an exponential), or a loss of
    schuss.nn: nn.QuantileLoss(0.9), nn.HuberLoss(2.0).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "poisson", *REGRESSION_LOSSES}), nn.Loss],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        optimizer: Any = None,
        dropout: Any = 0.0,
        callbacks: Any = None,
        restore_best: bool = False,
        progress: bool = False,
        threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.optimizer = optimizer
        self.dropout = dropout
        self.callbacks = callbacks
        self.restore_best = restore_best
        self.progress = progress
        self.threads = threads

    @classmethod
    def from_weights(cls, coefs: Sequence[Any], intercepts: Sequence[Any], **parameters: Any) -> Self:
        """A fitted regressor with these weights: W [in, out] and b [out] of each layer."""
        return cls(**parameters)._set_weights(coefs, intercepts)

    # -- targets -----------------------------------------------------------------------------------------------

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held: bool = False
    ) -> tuple[Array, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        given = self._loss()
        low = 0.0 if given == "poisson" else getattr(getattr(given, "admits", None), "low", -np.inf)
        if y.size and not np.min(y) >= low:
            raise ValueError(f"loss={self.loss!r} needs targets of at least {low:g}, and y has {np.min(y):g}")
        return X, y

    def _loss(self) -> Any:
        return REGRESSION_LOSSES.get(self.loss, self.loss) if isinstance(self.loss, str) else self.loss

    def _objective(self) -> Objective:
        given = self._loss()
        if isinstance(given, nn.Loss) and given.admits.task not in ("numbers", "anything"):
            raise ValueError(f"loss {given!r} is not for numbers; use 'squared_error'")
        logs = isinstance(given, (nn.PoissonNLLLoss, nn.GammaNLLLoss)) and given.log_input
        return Objective(keyed(given), "exp" if logs or given == "poisson" else "identity")

    def _outputs_of(self, y: Array) -> int:
        given = self._loss()
        if isinstance(given, nn.QuantileLoss) and isinstance(given.q, tuple):
            if y.ndim > 1:
                raise ValueError("several quantiles are for one target: give y [N]")
            return len(given.q)
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _targets(self, y: Array, dtype: Any) -> Array:
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype)

    def _split(self, X: Array, y: Array, weight: Array | None) -> tuple[Any, ...]:
        arrays = (X, y) if weight is None else (X, y, weight)
        return tuple(train_test_split(*arrays, random_state=self._random_state, test_size=self.validation_fraction))

    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        if outputs.shape != y.shape:  # several quantiles of one target
            return -float(self._loss()(outputs, y))
        return r2(y, outputs, weight)

    # -- the methods -------------------------------------------------------------------------------------------

    @available_if(can_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these rows, from the weights and the optimizer's state that there are."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """The predicted numbers for rows, [N] or [N, targets]."""
        outputs = self._predicted(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 of predict, as scikit-learn's. ValueError where several quantiles are predicted, which have none."""
        loss = self._loss()
        if isinstance(loss, nn.QuantileLoss) and isinstance(loss.q, tuple) and len(loss.q) > 1:
            raise ValueError(
                f"score is R2 of one prediction, and {len(loss.q)} quantiles are predicted: give a scoring, as "
                "lambda model, X, y: -float(model.loss(model.predict(X), y[:, None]))"
            )
        return float(super().score(X, y, sample_weight))


def r2(y: Array, pred: Array, weight: Array | None) -> float:
    """scikit-learn's r2_score, the mean over targets, without its checks: it is asked for after each epoch."""
    spread = np.average((y - np.average(y, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    wrong = np.average((y - pred) ** 2, axis=0, weights=weight)
    none = spread == 0  # a constant target: 1 if it is met, else 0
    return float(np.mean(np.where(none, wrong == 0, 1 - wrong / np.where(none, 1, spread))))


__all__ = ["MLPRegressor"]
