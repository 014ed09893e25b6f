"""What the parameters of the estimators may be: scikit-learn's constraints, and those of schuss's own."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from schuss import nn
from schuss.sklearn.network import activation_names

_COUNT = Interval(Integral, 1, None, closed="left")
_FROM_0 = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="left")

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions(activation_names()), "array-like", callable],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [_FROM_0],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [_FROM_0],
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_FROM_0],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_SHARE],
    "beta_1": [_SHARE],
    "beta_2": [_SHARE],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
    # schuss's own
    "optimizer": [HasMethods(["init", "update"]), None],
    "dropout": [_SHARE, "array-like"],
    "callbacks": ["array-like", None],
    "restore_best": ["boolean"],
    "progress": ["boolean"],
    "threads": [_COUNT, None],
}

REGRESSION_LOSSES = {
    "absolute_error": nn.L1Loss(),
    "huber": nn.HuberLoss(),
    "quantile": nn.QuantileLoss(),
    "gamma": nn.GammaNLLLoss(),
}
"""Losses of MLPRegressor by name, beside scikit-learn's two."""
CLASSIFICATION_LOSSES = {"focal": nn.FocalLoss()}
"""Losses of MLPClassifier by name, beside log_loss."""

__all__ = ["CLASSIFICATION_LOSSES", "CONSTRAINTS", "REGRESSION_LOSSES"]
