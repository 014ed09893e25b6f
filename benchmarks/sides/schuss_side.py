"""schuss: the public API, no option a user would not write. An epoch is timed from end to end, shuffle and all."""

from __future__ import annotations

import itertools
import time

from common import answer, next_turn, options, report

given, work = options()

import numpy as np  # noqa: E402

import schuss  # noqa: E402
from schuss import nn, optim  # noqa: E402

x, y, xt, yt = work.data()
layers: list[nn.Module] = []
for i, (a, b) in enumerate(itertools.pairwise((1, *work.channels))):
    layers += [nn.Conv2d(a, b, 5, padding=0 if i else 2), nn.ReLU(), nn.MaxPool2d(2)]
if layers:
    layers.append(nn.Flatten())
for a, b in itertools.pairwise(work.sizes):
    layers += [nn.Linear(a, b), nn.ReLU() if work.classes else nn.Tanh()]
model = nn.Sequential(*layers[:-1])
loss = nn.CrossEntropyLoss() if work.classes else nn.MSELoss()


class Turns:
    """Waits for its turn where an epoch ends."""

    def begin(self, run: object) -> None:
        self.count = self.left = next_turn()
        self.start = time.perf_counter()

    def epoch(self, run: object) -> bool:
        self.left -= 1
        if not self.left:
            answer((time.perf_counter() - self.start) / self.count)
            self.begin(run)
        return not self.count


schuss.fit(
    model,
    (x, y),
    loss=loss,
    optimizer=optim.Adam(lr=work.rate) if work.classes else optim.SGD(lr=work.rate, momentum=0.9),
    epochs=10**6,
    batch_size=work.batch,
    seed=given.seed,
    threads=given.threads,
    callbacks=[Turns()],
    scale=1 / 255 if x.dtype == np.uint8 else None,
)
final = float(loss(model(x), y))
score = float((np.argmax(model(xt), axis=1) == yt).mean() if work.classes else loss(model(xt), yt))
report("schuss", schuss.__version__, "fit", final, score)
