"""numpy's functions of arrays, called as numpy and as PyTorch call them, on arrays and in native code; their slopes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numeric import check_slope, reference

import schuss
from schuss import ops
from schuss.errors import IndexRangeError, SchussError, ShapeError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.types import N, TensorType
from schuss.trace import trace

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))
Y = RNG.standard_normal((3, 4))
T3 = RNG.standard_normal((2, 3, 4))
I2 = np.array([[7, -7, 5], [-5, 0, 9]])

# As numpy is called: the same call of either module.
AS_NUMPY = {
    "sum": lambda m, x, y: m.sum(x, 0),
    "sum keepdims": lambda m, x, y: m.sum(x, axis=1, keepdims=True),
    "mean": lambda m, x, y: m.mean(x, (0, 1)),
    "max": lambda m, x, y: m.max(x, 1),
    "min": lambda m, x, y: m.min(x),
    "argmax": lambda m, x, y: m.argmax(x),
    "argmin": lambda m, x, y: m.argmin(x, 0),
    "argmax axis": lambda m, x, y: m.argmax(x, 1),
    "argmax keepdims": lambda m, x, y: m.argmax(x, axis=0, keepdims=True),
    "var": lambda m, x, y: m.var(x, 0),
    "std ddof": lambda m, x, y: m.std(x, axis=0, ddof=1),
    "concatenate": lambda m, x, y: m.concatenate([x, y], axis=1),
    "concatenate tuple": lambda m, x, y: m.concatenate((x, y, x), 0),
    "concatenate flat": lambda m, x, y: m.concatenate([x, y], axis=None),
    "stack": lambda m, x, y: m.stack([x, y], 1),
    "where": lambda m, x, y: m.where(x > y, x, 2.0),
    "pad": lambda m, x, y: m.pad(x, ((1, 0), (2, 1))),
    "pad all": lambda m, x, y: m.pad(x, 2, constant_values=3.0),
    "pad mode": lambda m, x, y: m.pad(x, ((1, 1), (0, 2)), mode="reflect"),
    "pad edge": lambda m, x, y: m.pad(x, ((0, 0), (2, 2)), "edge"),
    "clip": lambda m, x, y: m.clip(x, -0.5, 0.5),
    "clip low": lambda m, x, y: m.clip(x, -0.5, None),
    "clip names": lambda m, x, y: m.clip(x, a_min=-0.5, a_max=1.0),
    "clip tensors": lambda m, x, y: m.clip(x, y - 0.5, y + 0.5),
    "take": lambda m, x, y: m.take(x, np.array([2, -1]), 0),
    "take axis": lambda m, x, y: m.take(x, np.array([[0], [-4]]), axis=1),
    "transpose": lambda m, x, y: m.transpose(x, (1, 0)),
    "reshape": lambda m, x, y: m.reshape(x, (2, 6)),
    "broadcast_to": lambda m, x, y: m.broadcast_to(x, (2, 3, 4)),
    "expand_dims": lambda m, x, y: m.expand_dims(x, 1),
    "squeeze": lambda m, x, y: m.squeeze(m.expand_dims(x, 0)),
    "squeeze axis": lambda m, x, y: m.squeeze(m.reshape(x, (1, 12, 1)), 2),
    "swapaxes": lambda m, x, y: m.swapaxes(m.reshape(x, (3, 2, 2)), 0, -1),
    "tile": lambda m, x, y: m.tile(x, (2, 1, 3)),
    "tile one": lambda m, x, y: m.tile(x, 2),
    "repeat": lambda m, x, y: m.repeat(x, 2, axis=1),
    "repeat flat": lambda m, x, y: m.repeat(x, 3),
    "repeat each": lambda m, x, y: m.repeat(x, [1, 0, 2], 0),
    "remainder": lambda m, x, y: m.remainder(x, y),
    "floor_divide": lambda m, x, y: m.floor_divide(x, y),
    "%": lambda m, x, y: x % 0.3 + 2.0 % y,
    "//": lambda m, x, y: x // 0.3 + 2.0 // y,
    "cumsum": lambda m, x, y: m.cumsum(x, 1),
    "cumsum flat": lambda m, x, y: m.cumsum(x),
    "prod": lambda m, x, y: m.prod(x, axis=0),
    "prod all": lambda m, x, y: m.prod(x),
    "prod keepdims": lambda m, x, y: m.prod(x, 1, keepdims=True),
    "sort": lambda m, x, y: m.sort(x),
    "sort axis": lambda m, x, y: m.sort(x, axis=0),
    "sort flat": lambda m, x, y: m.sort(x, axis=None),
    "argsort": lambda m, x, y: m.argsort(x, 0),
    "take_along_axis": lambda m, x, y: m.take_along_axis(x, np.array([[0, -1], [2, 2], [1, 0]]), 1),
    "zeros_like": lambda m, x, y: x + m.zeros_like(x),
    "ones_like": lambda m, x, y: m.ones_like(x, dtype="float32"),
    "full_like": lambda m, x, y: m.full_like(x, 2.5) * x,
    "full": lambda m, x, y: x + m.full((3, 4), 0.5),
    "zeros": lambda m, x, y: x + m.zeros(4),
    "ones": lambda m, x, y: x * m.ones((3, 1)),
    "arange": lambda m, x, y: x * m.arange(4) + m.arange(0.0, 1.0, 0.25),
    "einsum product": lambda m, x, y: m.einsum("ij,kj->ik", x, y),
    "einsum trace": lambda m, x, y: m.einsum("ii->", x[:, :3]),
    "einsum diagonal": lambda m, x, y: m.einsum("ii->i", x[:, :3]),
    "einsum outer": lambda m, x, y: m.einsum("ij,kl->ljik", x, y),
    "einsum implied": lambda m, x, y: m.einsum("ba,cb", x, y[:, :3]),
    "einsum sum": lambda m, x, y: m.einsum("ij->j", x),
    "einsum of three": lambda m, x, y: m.einsum("ij,kj,kl->il", x, y, y),
    "einsum elementwise": lambda m, x, y: m.einsum("ij,ij->i", x, y),
    "einsum dots": lambda m, x, y: m.einsum("...j,...j->...", x, y),
    "einsum batch": lambda m, x, y: m.einsum("bij,bjk->bik", m.reshape(x, (3, 2, 2)), m.reshape(y, (3, 2, 2))),
}

# As PyTorch is called, and numpy's call that means the same.
AS_PYTORCH = {
    "sum": (lambda m, x, y: m.sum(x, dim=1, keepdim=True), lambda x, y: x.sum(1, keepdims=True)),
    "mean": (lambda m, x, y: m.mean(x, dim=(0, 1)), lambda x, y: x.mean()),
    "var": (lambda m, x, y: m.var(x, dim=0, correction=1), lambda x, y: x.var(0, ddof=1)),
    "argmax": (lambda m, x, y: m.argmax(x, dim=1), lambda x, y: x.argmax(1)),
    "concatenate": (lambda m, x, y: m.concatenate((x, y), dim=1), lambda x, y: np.concatenate([x, y], 1)),
    "stack": (lambda m, x, y: m.stack([x, y], dim=-1), lambda x, y: np.stack([x, y], -1)),
    "clip": (lambda m, x, y: m.clip(x, min=-0.5, max=0.5), lambda x, y: x.clip(-0.5, 0.5)),
    "softmax": (lambda m, x, y: m.softmax(x, dim=0), lambda x, y: np.exp(x) / np.exp(x).sum(0)),
    "logsumexp": (lambda m, x, y: m.logsumexp(x, dim=1), lambda x, y: np.log(np.exp(x).sum(1))),
    "unsqueeze": (lambda m, x, y: m.unsqueeze(x, 1), lambda x, y: x[:, None]),
    "squeeze": (lambda m, x, y: m.squeeze(x[:, :1], dim=1), lambda x, y: x[:, 0]),
    "swapaxes": (lambda m, x, y: m.swapaxes(x, dim0=0, dim1=1), lambda x, y: x.T),
    "cumsum": (lambda m, x, y: m.cumsum(x, dim=0), lambda x, y: x.cumsum(0)),
    "prod": (lambda m, x, y: m.prod(x, dim=1, keepdim=True), lambda x, y: x.prod(1, keepdims=True)),
    "norm": (lambda m, x, y: m.norm(x, dim=1), lambda x, y: np.linalg.norm(x, axis=1)),
    "norm p": (lambda m, x, y: m.norm(x, p=3, dim=1), lambda x, y: np.linalg.norm(x, 3, axis=1)),
    "norm all": (lambda m, x, y: m.norm(x), lambda x, y: np.linalg.norm(x)),
    "norm 1": (lambda m, x, y: m.norm(x, 1, 0), lambda x, y: np.linalg.norm(x, 1, 0)),
    "norm inf": (lambda m, x, y: m.norm(x, np.inf, 0, keepdim=True), lambda x, y: np.abs(x).max(0, keepdims=True)),
    "argsort": (lambda m, x, y: m.argsort(x, dim=0, descending=True), lambda x, y: (-x).argsort(0)),
    "topk": (lambda m, x, y: m.topk(x, 2, dim=1)[0], lambda x, y: -np.sort(-x, 1)[:, :2]),
    "topk indices": (lambda m, x, y: m.topk(x, 3, largest=False)[1], lambda x, y: x.argsort(1)[:, :3]),
    "repeat": (lambda m, x, y: m.repeat(x, 2, dim=0), lambda x, y: x.repeat(2, 0)),
    "tile": (lambda m, x, y: m.tile(x, dims=(2, 2)), lambda x, y: np.tile(x, (2, 2))),
    "one_hot": (
        lambda m, x, y: m.one_hot(np.array([0, 2]), num_classes=3) * m.sum(x),
        lambda x, y: np.eye(3)[[0, 2]] * x.sum(),
    ),
    "full": (lambda m, x, y: x + m.full((3, 4), fill_value=0.5), lambda x, y: x + 0.5),
    "einsum": (lambda m, x, y: m.einsum("ij,ij->", x, y), lambda x, y: (x * y).sum()),
}

METHODS = {
    "sum": (lambda x: x.sum(1, keepdim=True), lambda x: x.sum(1, keepdims=True)),
    "mean": (lambda x: x.mean(dim=0), lambda x: x.mean(0)),
    "max": (lambda x: x.max(axis=1), lambda x: x.max(1)),
    "argmax": (lambda x: x.argmax(), lambda x: x.argmax()),
    "var": (lambda x: x.var(0), lambda x: x.var(0)),
    "prod": (lambda x: x.prod(1), lambda x: x.prod(1)),
    "cumsum": (lambda x: x.cumsum(1), lambda x: x.cumsum(1)),
    "norm": (lambda x: x.norm(dim=1), lambda x: np.linalg.norm(x, axis=1)),
    "clip": (lambda x: x.clip(0.0, max=0.5), lambda x: x.clip(0, 0.5)),
    "squeeze": (lambda x: x[:, :1].squeeze(1).unsqueeze(-1), lambda x: x[:, :1]),
    "swapaxes": (lambda x: x.swapaxes(0, 1), lambda x: x.T),
    "transpose": (lambda x: x.transpose((1, 0)) + x.transpose(1, 0) + x.permute(1, 0), lambda x: 3 * x.T),
    "tile": (lambda x: x.tile((2, 1)), lambda x: np.tile(x, (2, 1))),
    "repeat": (lambda x: x.repeat(2, axis=0), lambda x: x.repeat(2, 0)),
    "take": (lambda x: x.take(np.array([-1]), axis=1), lambda x: x[:, [-1]]),
    "sort": (lambda x: x.sort(descending=True), lambda x: -np.sort(-x)),
    "topk": (lambda x: x.topk(2)[1], lambda x: (-x).argsort(1)[:, :2]),
}


def close(found, expected, name):
    assert found.shape == np.shape(expected), name
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    assert (found.dtype.kind == "f") == (np.asarray(expected).dtype.kind == "f"), name


def compiled(functions, *arrays):
    """All of them by one native program."""
    types = [TensorType(str(a.dtype), a.shape) for a in arrays]
    return NativeExecutor(1).compile(trace(lambda *xs: [f(*xs) for f in functions], types))(arrays)


def test_called_as_numpy_is():
    expected = {name: call(np, X, Y) for name, call in AS_NUMPY.items()}
    for name, call in AS_NUMPY.items():
        close(np.asarray(call(schuss, X, Y)), expected[name], name)
    traced = compiled([lambda x, y, c=call: c(schuss, x, y) for call in AS_NUMPY.values()], X, Y)
    for name, found in zip(AS_NUMPY, traced, strict=True):
        close(found, expected[name], name)


def test_called_as_pytorch_is():
    for name, (call, expected) in AS_PYTORCH.items():
        close(np.asarray(call(schuss, X, Y)), expected(X, Y), name)
    functions = [lambda x, y, c=call: c(schuss, x, y) for call, _ in AS_PYTORCH.values()]
    for (name, (_, expected)), found in zip(AS_PYTORCH.items(), compiled(functions, X, Y), strict=True):
        close(found, expected(X, Y), name)


def test_methods():
    found = compiled([call for call, _ in METHODS.values()], X)
    for (name, (_, expected)), f in zip(METHODS.items(), found, strict=True):
        close(f, expected(X), name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: schuss.max(x, x), "max: an axis is a whole number, got a "),
        (lambda x: schuss.sum(x, axis="rows"), "sum: an axis is a whole number, got 'rows'"),
        (lambda x: schuss.sum(x, dtype="float64"), "sum: unknown option dtype; it takes x, axis, keepdims"),
        (lambda x: schuss.mean(x, dtype="float64"), "mean: unknown option dtype; it takes axis, keepdims"),
        (lambda x: schuss.cumsum(x, 0, dtype="int64"), "cumsum: unknown option dtype; it takes x, axis"),
        (lambda x: schuss.sum(x, axis=0, dim=0), "sum: dim= and axis= are one option"),
        (lambda x: schuss.where(x > 0), "where: takes 3 tensors, got 1"),
        (
            lambda x: schuss.max(x, dim=1),
            "max: PyTorch's gives indices too: write axis= for the values, and argmax(x, ",
        ),
        (lambda x: schuss.sort(x, dim=1), "sort: PyTorch's gives indices too"),
        (lambda x: schuss.std(x, dim=1), "std: PyTorch divides by n - 1 and numpy by n: say which by correction=1"),
        (schuss.concatenate, "concatenate: give the tensors in a list"),
        (lambda x: schuss.concatenate(x, x, 1), "concatenate: give the tensors in a list"),
        (lambda x: schuss.stack(x, x), "stack: nothing to join; give the tensors in a list"),
        (lambda x: schuss.pad(x, (1, 2)), "pad: pad_width (1, 2): give one pair (before, after) for each axis"),
        (lambda x: schuss.pad(x, 1, mode="median"), "pad: mode must be one of"),
        (lambda x: schuss.take(x, np.array([0])), "take: a tensor of 2 axes needs the axis"),
        (lambda x: schuss.layer_norm(x, (4,)), "layer_norm: the second argument is the weight"),
        (lambda x: schuss.squeeze(x, 1), "squeeze: axis 1 of [3,4] is not of length 1"),
        (lambda x: schuss.norm(x, 1), "norm: ord=1 of 2 axes is a norm of matrices"),
        (lambda x: schuss.topk(x, 5), "topk: k must be from 1 to 4"),
        (lambda x: schuss.tile(x, -1), "tile: -1 times"),
        (lambda x: schuss.einsum("ij,jk", x), "einsum: 'ij,jk' is no text like"),
        (lambda x: schuss.einsum("ij,ji->i", x, x), "einsum: j of 'ij,ji->i' is 4 and 3 long"),
        (lambda x: schuss.einsum("ij->k", x), "einsum: the result of 'ij->k'"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    for run in (call, schuss.jit(call)):
        with pytest.raises(SchussError) as caught:
            run(X)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_value_that_a_dtype_has_not_is_no_padding():
    for value in (0.5, np.inf, np.nan, -1, 300):
        with pytest.raises(SchussError, match=r"pad: the value .* is none of uint8\[2\]"):
            schuss.jit(lambda x, v=value: schuss.pad(x, 1, constant_values=v))(np.array([1, 2], np.uint8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.transpose(0, 1), "transpose: two axes are exchanged by swapaxes(0, 1)"),
        (lambda x: x.repeat(2), "repeat: name the axis"),
        (schuss.argmax, "argmax: name the axis"),
        (lambda x: schuss.cumsum(x, 0), "cumsum: the example axis N of [N,4] has no known length"),
        (schuss.prod, "prod: the example axis N"),
        (lambda x: schuss.sort(x, 0), "cannot sort along the example axis"),
        (lambda x: schuss.tile(x, (2, 1)), "tile: 2 times along an axis of N"),
        (lambda x: schuss.full((x.shape[0], 2), 1.0), "full: the example axis N of [N,2] has no known length"),
        (lambda x: schuss.arange(x.shape[0]), "arange: takes numbers"),
        (lambda x: x.reshape((-1, 2, 2)).transpose(1, 2), "swapaxes(1, 2)"),
    ],
)
def test_what_needs_the_number_of_examples_is_refused(call, message):
    with pytest.raises(ShapeError) as caught:
        trace(call, [TensorType("float32", (N, 4))])
    assert message in str(caught.value)


def test_the_examples_may_be_of_any_number():
    calls = {
        "cumsum": lambda x: ops.cumsum(x, -1),
        "prod": lambda x: ops.prod(x, -1),
        "sort": lambda x: ops.sort(x, -1),
        "topk": lambda x: ops.topk(x, 2)[0],
        "argsort": lambda x: ops.argsort(x, -1),
        "tile": lambda x: ops.tile(x, (1, 2)),
        "repeat": lambda x: ops.repeat(x, 2, axis=-1),
        "zeros_like": lambda x: ops.zeros_like(x) + x,
        "norm": lambda x: ops.norm(x, axis=0),
        "swapaxes": lambda x: ops.swapaxes(x, 0, 1),
        "einsum rows": lambda x: ops.einsum("nc,dc->nd", x, Y),
        "einsum gram": lambda x: ops.einsum("nc,nd->cd", x, x),
        "einsum pairs": lambda x: ops.einsum("nc,mc->nm", x, x),
        "einsum split": lambda x: ops.einsum("nab,bc->nac", ops.reshape(x, shape=(-1, 2, 2)), Y[:2]),
        "einsum sums": lambda x: ops.einsum("nab,nac->bc", x.reshape(-1, 2, 2), ops.tanh(x).reshape(-1, 2, 2)),
        "einsum heads": lambda x: ops.einsum("nhtd,nhsd->nhts", x.reshape(-1, 2, 2, 1), x.reshape(-1, 2, 2, 1)),
        "einsum places": lambda x: ops.einsum("nab,mcb->namc", x.reshape(-1, 2, 2), x.reshape(-1, 2, 2)),
        "einsum many": lambda x: ops.einsum("nc,nd,n->cd", x, x, x[:, 0]),
        "take": lambda x: ops.take_along_axis(x, ops.argmax(x, -1, keepdims=True)),
        "%": lambda x: x % 0.7 // 0.2,
    }
    graph = trace(lambda x: [f(x) for f in calls.values()], [TensorType("float64", (N, 4))])
    native, specified = NativeExecutor(2).compile(graph), ReferenceExecutor().compile(graph)
    for rows in (1, 5, 33):
        x = np.random.default_rng(rows).standard_normal((rows, 4))
        for name, found, expected in zip(calls, native([x]), specified([x]), strict=True):
            close(found, expected, name)


@pytest.mark.parametrize("text", ["nab,bc->nac", "nab,nac->bc"])
def test_a_product_over_examples_and_more_is_not_multiplied_out(text):
    """Nothing has the size of all products, before they are summed."""
    other = (2, 2) if ",bc" in text else (N, 2, 2)
    graph = trace(lambda x, y: ops.einsum(text, x, y), [TensorType("float64", s) for s in ((N, 2, 2), other)])
    assert max(node.type.rank for node in graph.nodes) == 3
    assert any(node.op == "dot_general" for node in graph.nodes)


@pytest.mark.parametrize("shape", [(0,), (1,), (2,), (3,), (8,), (33,), (100,), (5, 13), (3, 9, 2)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_an_order_of_any_length_is_the_stable_one(shape, dtype):
    rng = np.random.default_rng(len(shape))
    x = rng.integers(0, 9, shape).astype(dtype)
    if dtype == "float32":
        x[rng.random(shape) < 0.2] = np.nan
        x[rng.random(shape) < 0.2] = -0.0
    for axis in range(len(shape)):
        orders = [lambda x, a=axis, d=falling: ops.argsort(x, a, descending=d) for falling in (False, True)]
        graph = trace(lambda x, orders=orders: [order(x) for order in orders], [TensorType(dtype, shape)])
        for found, expected in zip(NativeExecutor(1).compile(graph)([x]), (f(x) for f in orders), strict=True):
            np.testing.assert_array_equal(found, expected)


SLOPES = {
    "cumsum": (lambda x: ops.cumsum(x, 1) ** 2, lambda x: jnp.cumsum(x, 1) ** 2),
    "prod": (lambda x: ops.prod(x, 1), lambda x: jnp.prod(x, 1)),
    "norm": (lambda x: ops.norm(x, axis=1), lambda x: jnp.linalg.norm(x, axis=1)),
    "norm 3": (lambda x: ops.norm(x, 3, 1), lambda x: jnp.linalg.norm(x, 3, 1)),
    "norm inf": (lambda x: ops.norm(x, np.inf, 1), lambda x: jnp.linalg.norm(x, np.inf, 1)),
    "sort": (lambda x: ops.sort(x) * np.arange(4), lambda x: jnp.sort(x) * jnp.arange(4)),
    "topk": (lambda x: ops.topk(x, 2)[0] * np.array([1, 5]), lambda x: jax.lax.top_k(x, 2)[0] * jnp.array([1, 5])),
    "take_along_axis": (
        lambda x: ops.take_along_axis(x, np.array([[1, 1, -1]] * 3)) ** 2,
        lambda x: jnp.take_along_axis(x, jnp.array([[1, 1, -1]] * 3), 1) ** 2,
    ),
    "einsum": (lambda x: ops.einsum("ij,kj->ik", x, x), lambda x: jnp.einsum("ij,kj->ik", x, x)),
    "einsum diagonal": (lambda x: ops.einsum("ii->i", x[:, :3]) ** 2, lambda x: jnp.einsum("ii->i", x[:, :3]) ** 2),
    "tile": (lambda x: ops.tile(x, (2, 2)) ** 2, lambda x: jnp.tile(x, (2, 2)) ** 2),
    "repeat": (lambda x: ops.repeat(x, [1, 0, 2], 0) ** 2, lambda x: jnp.repeat(x, np.array([1, 0, 2]), 0) ** 2),
    "clip": (lambda x: ops.clip(x, Y - 0.5, Y + 0.5) * 3.0, lambda x: jnp.clip(x, Y - 0.5, Y + 0.5) * 3.0),
    "pad": (lambda x: ops.pad(x, 2, "reflect") ** 2, lambda x: jnp.pad(x, 2, "reflect") ** 2),
    "remainder": (lambda x: (x % 0.7) ** 2, lambda x: (x % 0.7) ** 2),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slopes(name):
    """Of both orders by finite differences, the first by jax too; prod, where one of a row is 0, by jax."""
    ours, theirs = SLOPES[name]
    weights = np.random.default_rng(1).standard_normal(np.shape(ours(X)))
    check_slope(lambda x: (ours(x) * weights).sum(), [X], np.random.default_rng(2), 1e-6)
    zeros = np.where(np.arange(12).reshape(3, 4) % 5 == 0, 0.0, X) if name == "prod" else X
    with jax.enable_x64(True):
        expected = jax.jit(jax.grad(lambda x: (theirs(x) * weights).sum()))(zeros)
    from schuss.backprop import backprop

    (found,) = reference(lambda x: backprop((ours(x) * weights).sum(), [x]), zeros)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_slope_of_a_norm_of_nothing_is_zero():
    for ord in (None, 3, 1):
        assert not schuss.grad(lambda x, o=ord: schuss.norm(x, o, 0))(np.zeros(3)).any()


def test_dtypes():
    """As numpy's: whole numbers are added and multiplied up as int64; the rest keeps what it is."""
    small = np.array([200, 100, 3], np.uint8)
    assert schuss.cumsum(small).tolist() == [200, 300, 303]
    assert schuss.prod(small) == 60_000
    assert schuss.jit(lambda x: (x.sum(), schuss.sum(x > 50)))(small) == (303, 2)
    for dtype in ("float32", "int32", "uint8"):
        x = np.array([3, 1, 2], dtype)
        kept = [schuss.sort, schuss.zeros_like, lambda x: schuss.tile(x, 2), lambda x: schuss.pad(x, 1)]
        kept += [lambda x: schuss.clip(x, 1, 2), lambda x: x % x, lambda x: x // x]
        for f in kept:
            assert str(schuss.jit(f)(x).dtype) == dtype
            assert str(np.asarray(f(x)).dtype) == dtype


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "uint32"])
def test_whole_numbers_by_zero_and_by_minus_one(dtype):
    """The processor ends a process that divides so: numpy's values are given, 0 by zero."""
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, 7, 5, 0], dtype)[:, None]
    y = np.array([0, info.max, 2, info.min, *([-1, -3] if info.min else [])], dtype)
    with np.errstate(all="ignore"):
        expected = x % y, x // y
    for found, want in zip(compiled([lambda x, y: x % y, lambda x, y: x // y], x, y), expected, strict=True):
        np.testing.assert_array_equal(found, want)


def test_order_with_ties_and_nan():
    x = np.array([[1.0, np.nan, -0.0, 0.0, np.inf, 1.0, np.nan, -np.inf]])
    for values in (x, np.array([[3, 1, 3, 1, 2]]), np.array([[3, 1, 3, 1, 2]], np.uint8)):
        assert ops.argmin(values, -1) == np.argmin(values)
        rising, falling = compiled(
            [lambda x: ops.argsort(x, -1), lambda x: ops.argsort(x, -1, descending=True)], values
        )
        np.testing.assert_array_equal(rising, np.argsort(values, kind="stable"))
        np.testing.assert_array_equal(falling, ops.argsort(values, -1, descending=True))
        assert sorted(falling[0].tolist()) == list(range(values.size))
    np.testing.assert_array_equal(schuss.jit(ops.sort)(x), np.sort(x))


def test_take_along_axis_refuses_what_is_outside():
    with pytest.raises(IndexRangeError, match="take_along_axis: index 4 in row 1"):
        schuss.jit(ops.take_along_axis)(X, np.array([[0], [4], [1]]))


def test_a_step_of_training_may_use_them_all():
    from schuss import nn, optim

    class Model(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(X.astype("float32"))

        def forward(self, x):
            h = ops.einsum("nc,dc->nd", x, self.w)
            best, _ = ops.topk(h, 2)
            return ops.cumsum(ops.concatenate([best, ops.sort(h % 1.5)], axis=1), 1) + ops.norm(
                h, axis=1, keepdims=True
            )

    x = RNG.standard_normal((40, 4)).astype("float32")
    weights = []
    for backend in ("native", "reference"):
        model = Model()
        schuss.fit(model, (x, x[:, :1] * np.ones(5, "float32")), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.01),
                   epochs=2, batch_size=16, backend=backend)  # fmt: skip
        weights.append(np.asarray(model.w.data))
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-5)


def test_other_names_say_which_is_ours():
    with pytest.raises(AttributeError, match=r"has no attribute 'cat'; it is schuss\.concatenate"):
        _ = schuss.cat
    assert all(hasattr(schuss, ours) and not hasattr(schuss, name) for name, ours in schuss._ELSEWHERE.items())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16"])
@pytest.mark.parametrize("name", ["mean", "std", "var", "norm", "exp", "sqrt", "tanh", "sigmoid"])
def test_narrow_numbers_are_computed_as_floats(name: str, dtype: str) -> None:
    """numpy would compute bytes in float16, and a mean of them in bytes: sums run over at 256."""
    x = np.array([[1, 0, 1], [80, 70, 60]]).astype(dtype)
    found = getattr(schuss, name)(x)
    wanted = getattr(schuss, name)(x.astype("f8"))
    assert found.dtype in (np.float32, np.float64)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    if name in ("mean", "std", "var"):
        np.testing.assert_allclose(found, getattr(np, name)(x.astype("f8")), rtol=1e-5)


def test_a_share_of_hits_is_their_mean() -> None:
    assert schuss.mean(np.array([1, 2, 3]) == np.array([1, 2, 4])) == pytest.approx(2 / 3)
    assert schuss.mean(np.full(300, 200, np.uint8)) == 200.0
