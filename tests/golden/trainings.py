"""The golden record: small trainings of every kind, each known by the SHA-256 of the weights it ends with.

`python -m tests.golden.trainings` prints the record as JSON; `record.json` holds that of version 0.1.0 for the networks
of dense layers here, and for those of networks.py that of the code before its compiler was built anew. A change of a
hash needs a reason: it is named in HISTORY below and argued for in the commit.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import schuss
from schuss import nn, ops, optim

from .data import classes, numbers, pixels
from .networks import cases

HISTORY: dict[str, str] = {}  # training -> why its weights differ from those first recorded
Make = Callable[[], Any]
Training = tuple[Any, Any, dict[str, Any]]


def mlp(*sizes: int, activation: Any = nn.Tanh, dropout: float = 0.0, norm: bool = False, init: Any = "default") -> Any:
    layers: list[Any] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(a, b, init=init))
        if i < len(sizes) - 2:
            layers += [nn.LayerNorm(b)] * norm + [activation()] + [nn.Dropout(dropout)] * bool(dropout)
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """A user's class: a skipped layer, a scale of its own and one layer used twice."""

    def __init__(self) -> None:
        self.first = nn.Linear(6, 16)
        self.twice = nn.Linear(16, 16)
        self.last = nn.Linear(16, 3)
        self.scale = nn.Parameter(np.ones(16, np.float32))

    def forward(self, x: Any) -> Any:
        h = ops.relu(self.first(x))
        h = h + ops.tanh(self.twice(h)) * self.scale
        return self.last(h + ops.tanh(self.twice(h)))


class Centred:
    """No Module: a function of two parameters, with reductions."""

    def __init__(self) -> None:
        self.w = nn.Parameter(np.array([[0.5, -0.25, 0.125, 1.0, -1.0, 0.75]], np.float32))
        self.b = nn.Parameter(np.zeros(1, np.float32))

    def __call__(self, x: Any) -> Any:
        centred = x - x.mean(axis=1, keepdims=True)
        return ops.softplus(centred @ self.w.T) + self.b


def absolute(pred: Any, target: Any) -> Any:
    """A loss of the user's own."""
    return (ops.abs(pred - target) + 0.1 * ops.square(pred)).mean()


def _cases() -> dict[str, Callable[[], Training]]:
    ce, mse, adam = nn.CrossEntropyLoss(), nn.MSELoss(), optim.Adam(lr=0.01)

    def case(
        model: Callable[[], Any], data: Callable[[], Any], loss: Any, optimizer: Any = adam, **options: Any
    ) -> Any:
        return lambda: (
            model(),
            data(),
            {"loss": loss, "optimizer": optimizer, "epochs": 2, "batch_size": 32, **options},
        )

    def small() -> Any:
        return mlp(6, 16, 3)

    def line() -> Any:
        return mlp(6, 16, 1)

    rate = optim.OneCycle(0.02, 10)
    return {
        # widths, depths, batches
        "linear": case(lambda: nn.Sequential(nn.Linear(6, 3)), classes, ce),
        "narrow": case(lambda: mlp(6, 1, 3), classes, ce),
        "wide": case(lambda: mlp(6, 200, 3), classes, ce),
        "wider than the batch": case(lambda: mlp(6, 256, 256, 3), classes, ce, batch_size=8, epochs=1),
        "deep": case(lambda: mlp(6, 12, 12, 12, 12, 12, 12, 3, activation=nn.ReLU), classes, ce),
        "odd sizes": case(lambda: mlp(7, 13, 5, 3), lambda: classes(101, 7), ce, batch_size=17),
        "one row a batch": case(small, lambda: classes(20), ce, batch_size=1),
        "one batch": case(small, classes, ce, batch_size=150, epochs=5),
        "a large batch": case(lambda: mlp(20, 32, 3), lambda: classes(1500, 20), ce, batch_size=1300),
        "no shuffle": case(small, classes, ce, shuffle=False),
        "another seed": case(small, classes, ce, seed=7),
        # activations, norms, initializers
        "relu": case(lambda: mlp(6, 16, 3, activation=nn.ReLU), classes, ce),
        "gelu and norm": case(lambda: mlp(6, 16, 16, 3, activation=nn.GELU, norm=True), classes, ce),
        "elu, kaiming": case(lambda: mlp(6, 16, 3, activation=nn.ELU, init="kaiming_uniform"), classes, ce),
        "mish": case(lambda: mlp(6, 16, 3, activation=nn.Mish), classes, ce),
        "softplus, xavier": case(lambda: mlp(6, 16, 3, activation=nn.Softplus, init="xavier_uniform"), classes, ce),
        "silu": case(lambda: mlp(6, 16, 1, activation=nn.SiLU), numbers, mse),
        # losses
        "label smoothing": case(small, classes, nn.CrossEntropyLoss(label_smoothing=0.1)),
        "class weights of the loss": case(small, classes, nn.CrossEntropyLoss(weight=(1.0, 2.0, 0.5))),
        "nll": case(lambda: nn.Sequential(*mlp(6, 16, 3), nn.LogSoftmax()), classes, nn.NLLLoss()),
        "binary": case(line, lambda: (classes()[0], (classes()[1] > 0).astype(np.float32)), nn.BCEWithLogitsLoss()),
        "squares": case(lambda: mlp(6, 16, 2), lambda: numbers(outputs=2), mse),
        "absolute": case(line, numbers, nn.L1Loss()),
        "huber": case(line, numbers, nn.HuberLoss(0.3)),
        "smooth l1": case(line, numbers, nn.SmoothL1Loss(0.5)),
        "a loss of one's own": case(line, numbers, absolute),
        # optimizers and rates
        "sgd": case(small, classes, ce, optim.SGD(0.1)),
        "momentum": case(small, classes, ce, optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)),
        "adamw, one cycle": case(small, classes, ce, optim.AdamW(lr=rate, weight_decay=0.05)),
        "nadam, cosine": case(small, classes, ce, optim.NAdam(lr=optim.Cosine(0.01, 10))),
        "rmsprop, steps": case(small, classes, ce, optim.RMSprop(lr=optim.Step(0.01, step_size=3, gamma=0.5))),
        "adagrad": case(small, classes, ce, optim.Adagrad(lr=0.05)),
        "lion, warm-up": case(small, classes, ce, optim.Lion(lr=optim.Warmup(optim.Constant(1e-3), 4))),
        "clipped": case(small, classes, ce, clip_norm=0.05),
        # the rest of a run
        "dropout": case(lambda: mlp(6, 32, 32, 3, dropout=0.3), classes, ce, epochs=3),
        "early stop": case(small, classes, ce, optim.Adam(lr=0.2), validation=0.2, early_stop=2, epochs=8),
        "bytes": case(lambda: mlp(25, 16, 4), pixels, ce, scale=1 / 255),
        "a user's class": case(Residual, classes, ce),
        "no Module": case(Centred, lambda: (numbers()[0], np.abs(numbers()[1])), mse),
        "float64": case(
            lambda: nn.to_dtype(mlp(6, 16, 3, dropout=0.1), "float64"), lambda: classes(dtype="f8"), ce, optim.AdamW()
        ),
        **cases(case),
    }


CASES = _cases()


def digest(name: str, **options: Any) -> str:
    """SHA-256 of the names, types and bytes of the weights after this training."""
    model, data, given = CASES[name]()
    schuss.fit(model, data, **{**given, **options})
    hashed = hashlib.sha256()
    for key, value in nn.state_dict(model).items():
        hashed.update(f"{key} {value.dtype} {value.shape}".encode())
        hashed.update(value.tobytes())
    return hashed.hexdigest()


if __name__ == "__main__":
    json.dump({name: digest(name) for name in CASES}, sys.stdout, indent=1)
    print()
