"""schuss: the public API, no option a user would not write. An epoch is timed from end to end, shuffle and all."""

from __future__ import annotations

import time

from common import RATE, SIZES, options, report

given = options()

import itertools  # noqa: E402

import numpy as np  # noqa: E402

import schuss  # noqa: E402
from schuss import nn, optim  # noqa: E402
from schuss.data import load_dataset  # noqa: E402

data = load_dataset("mnist")
x, xt = (a.reshape(len(a), -1) for a in (data.x_train, data.x_test))
layers: list[nn.Module] = []
for a, b in itertools.pairwise(SIZES):
    layers += [nn.Linear(a, b), nn.ReLU()]
model = nn.Sequential(*layers[:-1])

ends = [0.0]
schuss.fit(
    model,
    (x, data.y_train),
    loss=nn.CrossEntropyLoss(),
    optimizer=optim.Adam(lr=RATE),
    epochs=given.epochs,
    batch_size=given.batch,
    seed=given.seed,
    threads=given.threads,
    callbacks=[lambda run: ends.append(time.perf_counter())],
)
seconds = [b - a for a, b in itertools.pairwise(ends)]
final = float(nn.CrossEntropyLoss()(model(x), data.y_train))
accuracy = float((np.argmax(model(xt), axis=1) == data.y_test).mean())
report("schuss", schuss.__version__, seconds, final, accuracy, idiom="fit")
