"""A fitted estimator's network as a schuss model of its own, which knows its columns, classes and loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.ir.types import N, TensorType
from schuss.signature import CLASSIFICATION, REGRESSION, Input, Output, Signature
from schuss.sklearn.network import Net, as_state
from schuss.sklearn.objective import Objective

LOSSES = {
    "squared_error": nn.MSELoss(),
    "poisson": nn.PoissonNLLLoss(log_input=False),
    "log_loss": nn.CrossEntropyLoss(),
    "binary_log_loss": nn.BCEWithLogitsLoss(),
}
"""schuss's of the same minimum."""


class Exp(nn.Layer):
    """exp x: what a network says whose outputs are logarithms."""

    def forward(self, x: Any) -> Any:
        return ops.exp(x)


def as_model(estimator: Any, net: Net, objective: Objective, several: bool) -> nn.Sequential:
    """The layers with the weights of now. Of classes it gives logits, as schuss's losses want them; of numbers what
    the estimator predicts. schuss.predict and predict_proba of it say what the estimator's say.

    several  whether an example may have several labels
    """
    layers = list(net.build())
    model = nn.Sequential(*layers, Exp()) if objective.link == "exp" else nn.Sequential(*layers)
    nn.load_state_dict(model, as_state(model, estimator.coefs_, estimator.intercepts_))
    names = getattr(estimator, "feature_names_in_", None)
    columns = None if names is None else tuple(map(str, names))
    inputs = (Input("x", TensorType(net.dtype, (N, net.widths[0])), columns=columns),)
    loss = LOSSES[objective.loss.given] if isinstance(objective.loss.given, str) else objective.loss.given
    if objective.link == "exp" and hasattr(loss, "log_input"):
        loss = replace(loss, log_input=False)
    nn.set_signature(model, Signature(inputs, _output(estimator, net, objective, several), loss))
    return model


def _output(estimator: Any, net: Net, objective: Objective, several: bool) -> Output:
    if objective.link in ("identity", "exp"):
        targets = objective.targets(net.widths[-1])
        return Output(TensorType(net.dtype, (N,) if targets == 1 else (N, targets)), REGRESSION)
    if several:
        return Output(TensorType("int64", (N, net.widths[-1])), CLASSIFICATION, kind="int64")
    classes = estimator.classes_
    if classes.dtype.kind in "iub" and np.array_equal(classes, np.arange(len(classes))):
        return Output(TensorType("int64", (N,)), CLASSIFICATION, kind=classes.dtype.name)
    return Output(TensorType("int64", (N,)), CLASSIFICATION, tuple(map(str, classes)), named=True)


__all__ = ["as_model"]
