"""PyTorch, eager: data preloaded as tensors, one permutation an epoch, one index a step.

Idioms: fused (one fused Adam kernel), foreach, eager (the default Adam). A suffix _ftz flushes denormals, which is
worth up to 2x here: the moments of pixels that are always 0 decay into denormals.
"""

from __future__ import annotations

import time

from common import RATE, SIZES, options, report

given = options()

import itertools  # noqa: E402

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from schuss.data import load_dataset  # noqa: E402

torch.set_num_threads(given.threads)
torch.manual_seed(given.seed)
idiom = given.idiom or "fused_ftz"
if idiom.endswith("_ftz"):
    torch.set_flush_denormal(True)
kind = idiom.removesuffix("_ftz")

data = load_dataset("mnist")
images, labels = (torch.from_numpy(a.copy()) for a in (data.x_train, data.y_train))
x = images.reshape(len(images), -1).float() / 255
y = labels.long()
xt = torch.from_numpy(data.x_test.copy()).reshape(len(data.x_test), -1).float() / 255
yt = torch.from_numpy(data.y_test.copy()).long()

layers: list[nn.Module] = []
for a, b in itertools.pairwise(SIZES):
    layers += [nn.Linear(a, b), nn.ReLU()]
model = nn.Sequential(*layers[:-1])
extra = {"fused": {"fused": True}, "foreach": {"foreach": True}, "eager": {}}[kind]
optimizer = torch.optim.Adam(model.parameters(), lr=RATE, **extra)

seconds = []
for _ in range(given.epochs):
    start = time.perf_counter()
    total = 0.0
    for rows in torch.randperm(len(x)).split(given.batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    seconds.append(time.perf_counter() - start)

with torch.no_grad():
    final = F.cross_entropy(model(x), y).item()
    accuracy = (model(xt).argmax(1) == yt).float().mean().item()
report("PyTorch", torch.__version__, seconds, final, accuracy, idiom=idiom)
