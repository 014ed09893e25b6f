"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from schuss import nn
from schuss.ir.executor import Array
from schuss.sklearn.base import BaseMLP
from schuss.sklearn.keyed import keyed
from schuss.sklearn.labels import check_sortable
from schuss.sklearn.objective import Objective
from schuss.sklearn.parameters import CLASSIFICATION_LOSSES, CONSTRAINTS
from schuss.sklearn.partial import can_partial_fit


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron for classes, by scikit-learn's interface and rules.

    All parameters, attributes and methods of sklearn.neural_network.MLPClassifier, with their meaning: the same
    random_state gives the weights that scikit-learn gives, to rounding. What is different: sparse rows are made dense;
    L-BFGS of float32 data ends with float32 weights. After scikit-learn's parameters come schuss's own, whose defaults
    change nothing:

    loss          "log_loss", "focal", or a loss of schuss.nn: nn.CrossEntropyLoss(label_smoothing=0.1), nn.FocalLoss(1)
    optimizer     an optimizer of schuss.optim in place of solver; its lr may be a schedule
    dropout       the share of each hidden layer's outputs that is dropped in training; or one for each layer
    class_weight  {label: weight} or "balanced": multiplies the weights of the examples
    callbacks     functions called with a schuss run after each epoch, or objects with begin, epoch and end; True stops.
                  run.history has epoch, loss, lr, seconds and, with validation rows, val_score
    restore_best  whether the weights of the best epoch are kept, by validation score or loss; early_stopping does
    progress      whether a line shows where the fit is
    threads       None: all cores of the process; one in tasks of joblib's (GridSearchCV(n_jobs=2))

    activation may be any activation of schuss by name, an nn.Layer object or function, and a list of them, one for each
    hidden layer.

    Attributes beside scikit-learn's: model_, the network as a schuss.nn.Sequential.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss", *CLASSIFICATION_LOSSES}), nn.Loss],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        optimizer: Any = None,
        dropout: Any = 0.0,
        class_weight: Any = None,
        callbacks: Any = None,
        restore_best: bool = False,
        progress: bool = False,
        threads: int | None = None,
    ) -> None:
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
        self.loss = loss
        self.optimizer = optimizer
        self.dropout = dropout
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.restore_best = restore_best
        self.progress = progress
        self.threads = threads

    @classmethod
    def from_weights(
        cls, coefs: Sequence[Any], intercepts: Sequence[Any], classes: Sequence[Any] | None = None, **parameters: Any
    ) -> Self:
        """A fitted classifier with these weights: W [in, out] and b [out] of each layer.

        classes  the labels in ascending order; None: 0, 1, ... Of two classes the last layer has one output
        """
        made = cls(**parameters)
        outputs = np.shape(coefs[-1])[1]
        binarizer = LabelBinarizer().fit(np.arange(max(outputs, 2)) if classes is None else np.asarray(classes))
        made._label_binarizer, made.classes_ = binarizer, binarizer.classes_
        return made._set_weights(coefs, intercepts)

    # -- labels ------------------------------------------------------------------------------------------------

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held: bool = False
    ) -> tuple[Array, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_sortable(y)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental or held):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return X, y
        classes = unique_labels(y)
        if self.warm_start and not held and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return X, y

    @property
    def _several(self) -> bool:  # type: ignore[override]
        """Whether an example may have several labels."""
        return str(self._label_binarizer.y_type_).startswith("multilabel")

    def _outputs_of(self, y: Array) -> int:
        if self._several:
            return len(self.classes_)
        return len(self.classes_) if self._objective().whole else 1

    def _objective(self) -> Objective:
        if isinstance(self.loss, str) and self.loss == "log_loss":
            whole = self._label_binarizer.y_type_ == "multiclass"
            return Objective(keyed("log_loss" if whole else "binary_log_loss"), "softmax" if whole else "logistic")
        given = CLASSIFICATION_LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
        if given.admits.task == "classes" and given.admits.predictions == "logits" and not self._several:
            return Objective(keyed(given), "softmax")
        if given.admits.task == "yes or no" and (self._several or self._label_binarizer.y_type_ == "binary"):
            return Objective(keyed(given), "logistic")
        kinds = "several labels" if self._several else f"{len(self.classes_)} classes"
        raise ValueError(f"loss {given!r} is not for {kinds} of a network's outputs; use 'log_loss'")

    def _targets(self, y: Array, dtype: Any) -> Array:
        if self._several:
            return np.ascontiguousarray(y.toarray() if hasattr(y, "toarray") else y, dtype)
        if self._objective().whole:
            return np.searchsorted(self.classes_, y).astype(np.int32)
        positive = y == self.classes_[1] if len(self.classes_) == 2 else np.zeros(len(y), bool)
        return np.asarray(positive, dtype).reshape(-1, 1)

    def _class_weights(self, y: Array) -> Array | None:
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, Mapping):
            unknown = [label for label in self.class_weight if label not in self.classes_]
            if unknown:
                raise ValueError(
                    f"class_weight has {unknown[0]!r}, which is none of the classes {self.classes_.tolist()}"
                )
        found: Array = compute_sample_weight(self.class_weight, y)
        return found

    def _split(self, X: Array, y: Array, weight: Array | None) -> tuple[Any, ...]:
        two = (
            not self._several and len(self.classes_) <= 2
        )  # as in scikit-learn only two classes are kept in proportion
        stratify = (y == self.classes_[-1]).reshape(-1, 1) if two else None
        arrays = (X, y) if weight is None else (X, y, weight)
        return tuple(
            train_test_split(
                *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
            )
        )

    def _score_outputs(self, outputs: Array, y: Array, weight: Array | None) -> float:
        if self._several:
            return float(accuracy_score(y.astype(int), (outputs > 0.5).astype(int), sample_weight=weight))
        if y.ndim == 1:
            right = np.argmax(outputs, axis=1) == y
        else:
            right = (outputs[:, -1] > 0.5) == (y[:, 0] > 0.5)
        return float(np.average(right, weights=weight))

    # -- the methods -------------------------------------------------------------------------------------------

    @property
    def _link(self) -> str:
        two = self.out_activation_ == "logistic" and not self._several
        return "binary" if two else str(self.out_activation_)

    @available_if(can_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on these rows, from the weights and the optimizer's state that there are.

        classes  all there will be; needed at the first call
        """
        if isinstance(self.class_weight, str):
            raise ValueError("class_weight='balanced' needs all examples at once: give partial_fit a {label: weight}")
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """The labels of rows, [N] or, where an example may have several, [N, classes] of 0 and 1."""
        outputs = self._predicted(X)
        if self._several:
            found: Array = self._label_binarizer.inverse_transform(outputs)
            return found
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(outputs))
        if self.out_activation_ == "logistic":  # a half is the first class's
            return self.classes_[(outputs[:, 1] > 0.5).astype(int)]
        return self.classes_[np.argmax(outputs, axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes for rows, [N, classes], in the order of classes_."""
        return self._predicted(X)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of predict_proba."""
        found = self.predict_proba(X)
        return np.log(found, out=found)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


__all__ = ["MLPClassifier"]
