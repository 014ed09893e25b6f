"""PyTorch: data preloaded as tensors, one permutation an epoch, one index a step.

Idioms: fused, foreach, eager (which Adam); step (gather, forward, backward and update compiled as one graph by
torch.compile, which needs a C++ compiler). A suffix _ftz flushes denormals, which is worth up to 2x on digits: the
moments of pixels that are always 0 decay into denormals.
"""

from __future__ import annotations

import itertools

from common import options, report, serve

given, work = options()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(given.threads)
torch.manual_seed(given.seed)
idiom = given.idiom or "fused_ftz"
torch.set_flush_denormal(idiom.endswith("_ftz"))
kind = idiom.removesuffix("_ftz")

x, y, xt, yt = (torch.from_numpy(np.array(a)) for a in work.data())
if x.dtype == torch.uint8:
    x, xt = x.float() / 255, xt.float() / 255
if work.classes:
    y, yt = y.long(), yt.long()
layers: list[nn.Module] = []
for i, (a, b) in enumerate(itertools.pairwise((1, *work.channels))):
    layers += [nn.Conv2d(a, b, 5, padding=0 if i else 2), nn.ReLU(), nn.MaxPool2d(2)]
if layers:
    layers.append(nn.Flatten())
for a, b in itertools.pairwise(work.sizes):
    layers += [nn.Linear(a, b), nn.ReLU() if work.classes else nn.Tanh()]
model = nn.Sequential(*layers[:-1])
loss_of = F.cross_entropy if work.classes else F.mse_loss
extra = {"fused": {"fused": True}, "foreach": {"foreach": True}}.get(kind, {})
if work.classes:
    optimizer = torch.optim.Adam(model.parameters(), lr=work.rate, **extra)
else:
    optimizer = torch.optim.SGD(model.parameters(), lr=work.rate, momentum=0.9, **extra)


def eager(rows):
    optimizer.zero_grad()
    loss_of(model(x[rows]), y[rows]).backward()
    optimizer.step()


P = {name: p.detach() for name, p in model.named_parameters()}
M, V = ({name: torch.zeros_like(p) for name, p in P.items()} for _ in range(2))
t = torch.zeros(())


def functional(rows):
    """The whole step as one graph: no autograd engine at run time."""

    def loss(p):
        return loss_of(torch.func.functional_call(model, p, (x[rows],)), y[rows])

    g = torch.func.grad(loss)(P)
    if not work.classes:
        for k in P:
            M[k].mul_(0.9).add_(g[k])
            P[k].sub_(work.rate * M[k])
        return
    t.add_(1)
    rate = work.rate * torch.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    for k in P:
        M[k].lerp_(g[k], 0.1)
        V[k].mul_(0.999).addcmul_(g[k], g[k], value=0.001)
        P[k].sub_(rate * M[k] / (V[k].sqrt() + 1e-8))


step = torch.compile(functional, fullgraph=True, dynamic=False) if kind == "step" else eager


def epoch():
    for rows in torch.randperm(len(x)).split(work.batch):
        step(rows)


with torch.set_grad_enabled(kind != "step"):
    serve(epoch)
with torch.no_grad():
    final = loss_of(model(x), y).item()
    out = model(xt)
    score = (out.argmax(1) == yt).float().mean().item() if work.classes else loss_of(out, yt).item()
report("PyTorch", torch.__version__, idiom, final, score)
