"""schuss: the public API, no option a user would not write. An epoch is timed from end to end, shuffle and all."""

from __future__ import annotations

import itertools
import time

from common import options, report

given, work = options()

import numpy as np  # noqa: E402

import schuss  # noqa: E402
from schuss import nn, optim  # noqa: E402

x, y, xt, yt = work.data()
layers: list[nn.Module] = []
for a, b in itertools.pairwise(work.sizes):
    layers += [nn.Linear(a, b), nn.ReLU() if work.classes else nn.Tanh()]
model = nn.Sequential(*layers[:-1])
loss = nn.CrossEntropyLoss() if work.classes else nn.MSELoss()

ends = [0.0]
schuss.fit(
    model,
    (x, y),
    loss=loss,
    optimizer=optim.Adam(lr=work.rate) if work.classes else optim.SGD(lr=work.rate, momentum=0.9),
    epochs=given.epochs,
    batch_size=work.batch,
    seed=given.seed,
    threads=given.threads,
    callbacks=[lambda run: ends.append(time.perf_counter())],
)
seconds = [b - a for a, b in itertools.pairwise(ends)]
final = float(loss(model(x), y))
score = float((np.argmax(model(xt), axis=1) == yt).mean() if work.classes else loss(model(xt), yt))
report("schuss", schuss.__version__, seconds, (final, score), idiom="fit")
