"""jax: the data on the device. Idioms: scan (a whole epoch is one compiled lax.scan), step (each step compiled),
scan_unthunked (scan as XLA's older runtime for CPUs ran it; jax up to 0.6 still has that runtime).

A last batch that is short is a second compiled function.
"""

from __future__ import annotations

import itertools
import os

from common import options, report, serve

given, work = options()
if work.channels:
    raise SystemExit("this side has no convolutions: --sides schuss torch:fused_ftz")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
idiom = given.idiom or "scan"
if idiom == "scan_unthunked":
    os.environ["XLA_FLAGS"] = "--xla_cpu_use_thunk_runtime=false " + os.environ.get("XLA_FLAGS", "")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

x, y, xt, yt = work.data()
if work.classes and x.dtype == np.uint8:
    x, xt = x.astype(np.float32) / 255, xt.astype(np.float32) / 255
if work.classes:
    y, yt = y.astype(np.int32), yt.astype(np.int32)
tree = jax.tree_util.tree_map
activation = jax.nn.relu if work.classes else jnp.tanh


def forward(params, x):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def loss(params, x, y):
    out = forward(params, x)
    if work.classes:
        return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1).mean()
    return jnp.mean((out - y) ** 2)


def update(carry, rows, X, Y):
    params, m, v, t = carry
    value, g = jax.value_and_grad(loss)(params, X[rows], Y[rows])
    if not work.classes:
        m = tree(lambda m, g: 0.9 * m + g, m, g)
        return (tree(lambda p, m: p - work.rate * m, params, m), m, v, t), value
    t = t + 1
    s = work.rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = tree(lambda m, g: m + 0.1 * (g - m), m, g)
    v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    return (tree(lambda p, m, v: p - s * m / (jnp.sqrt(v) + 1e-8), params, m, v), m, v, t), value


rng = np.random.default_rng(given.seed)
params = []
for a, b in itertools.pairwise(work.sizes):
    k = 1 / np.sqrt(a)
    params.append([jnp.asarray(rng.uniform(-k, k, s), jnp.float32) for s in ((a, b), (b,))])
zeros = tree(jnp.zeros_like, params)
carry = (params, zeros, tree(jnp.zeros_like, params), jnp.zeros(()))
X, Y = jnp.asarray(x), jnp.asarray(y)
step = jax.jit(update, donate_argnums=0)


@jax.jit
def short(carry, rows, X, Y):
    return update(carry, rows, X, Y)[0]


def scan(carry, table, X, Y):
    return lax.scan(lambda c, rows: (update(c, rows, X, Y)[0], None), carry, table)[0]


scan = jax.jit(scan, donate_argnums=0)
whole = work.rows // work.batch


def epoch():
    global carry
    order = rng.permutation(work.rows).astype(np.int32)
    table, rest = order[: whole * work.batch].reshape(whole, work.batch), order[whole * work.batch :]
    if idiom.startswith("scan"):
        carry = scan(carry, table, X, Y)
    else:
        for rows in table:
            carry, _ = step(carry, rows, X, Y)
    if len(rest):
        carry = short(carry, rest, X, Y)
    jax.block_until_ready(carry)


serve(epoch)
final = loss(carry[0], X, Y)
out = np.asarray(forward(carry[0], xt))
score = (out.argmax(1) == yt).mean() if work.classes else ((out - yt) ** 2).mean()
report("jax", jax.__version__, idiom, final, score)
