"""Settings of a wrong kind: one clear error each, never a TypeError of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError
from schuss.nn import init

from .support import blobs, fit, mlp


@pytest.mark.parametrize("wrong", ["0.1", None, True, [0.1], np.ones(2)], ids=repr)
@pytest.mark.parametrize(
    "make",
    [
        optim.SGD,
        lambda v: optim.SGD(0.1, momentum=v),
        lambda v: optim.Adam(eps=v),
        lambda v: optim.Adam(weight_decay=v),
        lambda v: optim.Adam(betas=(0.9, v)),
        lambda v: optim.RMSprop(alpha=v),
        lambda v: optim.OneCycle(v, 10),
        lambda v: optim.OneCycle(0.1, v),
        lambda v: optim.OneCycle(0.1, 10, pct_start=v),
        lambda v: optim.OneCycle(0.1, 10, div_factor=v),
        lambda v: optim.Cosine(0.1, 10, min_lr=v),
        lambda v: optim.Step(0.1, v),
        lambda v: optim.Step(0.1, 10, gamma=v),
        lambda v: optim.Exponential(0.1, v),
        nn.Dropout,
        lambda v: nn.LayerNorm(3, eps=v),
        nn.Softplus,
        lambda v: nn.CrossEntropyLoss(label_smoothing=v),
        lambda v: nn.HuberLoss(delta=(1.0, v)),
        lambda v: nn.SmoothL1Loss(beta=v),
        lambda v: init.Normal(std=v),
        lambda v: init.Uniform(low=v),
        lambda v: init.Uniform(high=v),
    ],
)
def test_a_setting_that_is_no_number(make, wrong):
    with pytest.raises(UsageError, match=r"must|takes the learning rate first"):
        make(wrong)


def test_numbers_of_numpy_are_numbers():
    steps = np.int64(20)
    optim.Adam(lr=np.float32(0.1), eps=np.float64(1e-8), weight_decay=np.int64(0))
    assert optim.OneCycle(np.float64(0.1), steps)(3) == optim.OneCycle(0.1, 20)(3)
    nn.Dropout(np.float32(0.5))
    nn.HuberLoss(np.int32(1))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: schuss.fit(nn.Linear, blobs(), loss=nn.MSELoss(), optimizer=optim.Adam()), r"write Linear\(\.\.\.\)"),
        (lambda: fit(mlp(4, 3), blobs(), optimizer=optim.Adam), r"write optimizer=Adam\(\)"),
        (lambda: fit(mlp(4, 3), blobs(), loss=nn.CrossEntropyLoss), r"write loss=CrossEntropyLoss\(\)"),
        (lambda: fit(mlp(4, 3), blobs(), metrics=[nn.MSELoss]), r"write MSELoss\(\)"),
        (lambda: fit(mlp(4, 3), blobs(), metrics={"mse": nn.MSELoss}), r"not classes: write MSELoss\(\)"),
        (lambda: optim.Adam(lr=optim.OneCycle), r"write OneCycle\(\.\.\.\) with its settings"),
    ],
)
def test_a_class_in_place_of_an_object(make, said):
    with pytest.raises(UsageError, match=said):
        make()
