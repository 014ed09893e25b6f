"""mlx on its CPU backend: the data and its shuffle on the device, each step compiled, evaluated step by step.

mlx has no loop that it compiles; one step's arrays are evaluated before the next is built, the fastest form found.
"""

from __future__ import annotations

import itertools

from common import options, report, serve

given, work = options()
if work.channels:
    raise SystemExit("this side has no convolutions: --sides schuss torch:fused_ftz")

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402

mx.set_default_device(mx.cpu)
x, y, xt, yt = work.data()
if work.classes and x.dtype == np.uint8:
    x, xt = x.astype(np.float32) / 255, xt.astype(np.float32) / 255
X, Y, XT = mx.array(x), mx.array(y.astype(np.int32) if work.classes else y), mx.array(xt)
rng = np.random.default_rng(given.seed)
params = []
for a, b in itertools.pairwise(work.sizes):
    k = 1 / np.sqrt(a)
    params += [mx.array(rng.uniform(-k, k, s).astype(np.float32)) for s in ((a, b), (b,))]
state = [params, [mx.zeros_like(p) for p in params], [mx.zeros_like(p) for p in params], mx.array(0.0)]


def forward(params, x):
    for i in range(0, len(params) - 2, 2):
        x = mx.addmm(params[i + 1], x, params[i])
        x = mx.maximum(x, 0) if work.classes else mx.tanh(x)
    return mx.addmm(params[-1], x, params[-2])


def loss(params, x, y):
    out = forward(params, x)
    if work.classes:
        return (mx.logsumexp(out, 1) - mx.take_along_axis(out, y[:, None], 1)[:, 0]).mean()
    return ((out - y) ** 2).mean()


def update(x, y):
    params, m, v, t = state
    grads = mx.grad(loss)(params, x, y)
    if work.classes:
        state[3] = t = t + 1
        s = work.rate * mx.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        state[1] = m = [m + 0.1 * (g - m) for m, g in zip(m, grads, strict=True)]
        state[2] = v = [v + 0.001 * (g * g - v) for v, g in zip(v, grads, strict=True)]
        state[0] = [p - s * m / (mx.sqrt(v) + 1e-8) for p, m, v in zip(params, m, v, strict=True)]
    else:
        state[1] = m = [0.9 * m + g for m, g in zip(m, grads, strict=True)]
        state[0] = [p - work.rate * m for p, m in zip(params, m, strict=True)]


step = mx.compile(update, inputs=state, outputs=state)


def epoch():
    order = mx.array(rng.permutation(work.rows).astype(np.int32))
    for start in range(0, work.rows, work.batch):
        rows = order[start : start + work.batch]
        step(X[rows], Y[rows])
        mx.eval(state)


serve(epoch)
out = np.array(forward(state[0], XT))
score = (out.argmax(1) == yt).mean() if work.classes else ((out - yt) ** 2).mean()
report("mlx", mx.__version__, "", loss(state[0], X, Y).item(), score)
