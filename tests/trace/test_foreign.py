"""What people bring from other libraries: torch's methods work, functions of torch, jax, scipy and math are refused."""

from __future__ import annotations

import cmath
import math

import jax.numpy as jnp
import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import SchussError, ShapeError, TraceError

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("ours", "by_numpy"),
    [
        (lambda x: x.view(x.size(0), 2, 2), lambda x: x.reshape(6, 2, 2)),
        (lambda x: x.view((2, 12)).t(), lambda x: x.reshape(2, 12).T),
        (lambda x: x.reshape(2, 3, 4).permute(2, 0, 1), lambda x: x.reshape(2, 3, 4).transpose(2, 0, 1)),
        (lambda x: x.detach().clone().contiguous().cpu().to("cpu").exp(), np.exp),
        (lambda x: x.sigmoid().log().abs().sqrt(), lambda x: np.sqrt(np.abs(np.log(1 / (1 + np.exp(-x)))))),
        (lambda x: x.softmax(axis=1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        (lambda x: x.float().double() * x.dim() * x.numel(), lambda x: x.astype("f8") * 2 * 24),
        (lambda x: (x > 0).float() + (x * 3).int().long().to(np.float32), lambda x: (x > 0) + np.trunc(x * 3)),
        (lambda x: x.to("float64").type_as(x).bool().float(), lambda x: (x != 0).astype("f4")),
        (lambda x: x.maximum(0.0).unsqueeze(0).squeeze(0), lambda x: np.maximum(x, 0)),
    ],
)
def test_methods_of_torch(ours, by_numpy):
    np.testing.assert_allclose(schuss.jit(ours, backend="reference")(X), by_numpy(X), rtol=1e-5, atol=1e-6)
    assert list(np.shape(schuss.jit(ours, backend="reference")(X))) == list(np.shape(by_numpy(X)))


def test_detach_has_no_gradient_and_size_knows_n():
    assert schuss.grad(lambda x: (x.detach() * x).sum())(X)[0, 0] == X[0, 0]
    sizes = []
    model = nn.Sequential(nn.Linear(4, 2), lambda h: sizes.append((h.size(), h.size(1))) or h)
    model(X)
    assert str(sizes[0][0][0]) == "N"
    assert sizes[0][1] == 2
    with pytest.raises(ShapeError, match=r"numel.* axis N of float32\[N,2\] is not.*x\.shape\[0\] as a div"):
        nn.Sequential(nn.Linear(4, 2), lambda h: h / h.numel())(schuss.trace.Tensor(symbolic()))


def symbolic():
    from schuss.ir.graph import input_node
    from schuss.ir.types import N, TensorType

    return input_node("x", TensorType("float32", (N, 4)))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.item(), "schuss.explain"),
        (lambda x: x.detach().numpy().mean(), "no numbers while the graph is built"),
        (lambda x: x.mean().backward(), r"schuss\.grad\(f\)\(x\)"),
        (lambda x: x.cuda(), "computes on the CPU"),
        (lambda x: x.to("cuda:0"), "computes on the CPU"),
        (lambda x: x.add_(1.0), "tensors do not change"),
        (lambda x: x.frobnicate(), "a tensor has no frobnicate"),
        (lambda x: math.exp(x) * x, r"schuss\.exp, not math\.exp"),
        (lambda x: cmath.exp(x) * x, r"schuss\.exp, not math\.exp"),
        (lambda x: jnp.ones(4) + x.sum(), "not known while"),
        (lambda x: np.mean(x) * 1, r"use schuss\.mean"),
        (lambda x: np.linalg.norm(x) * 1, r"use schuss\.norm"),
    ],
)
def test_what_a_graph_has_not_is_refused_with_its_line(f, message):
    with pytest.raises(TraceError, match=message) as refused:
        schuss.jit(f)(X)
    assert "test_foreign.py:" in str(refused.value)


def test_hasattr_is_still_an_answer():
    found = []
    schuss.jit(
        lambda x: found.extend(hasattr(x, n) for n in ("exp", "shape", "frobnicate", "__dlpack__", "item")) or x
    )(X)
    assert found[:5] == [True, True, False, False, False]


def test_scipys_functions():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(TraceError, match=r"scipy's expit.*use schuss\.sigmoid"):
        schuss.jit(lambda x: special.expit(x) * 1)(X)
    linalg = pytest.importorskip("scipy.linalg")
    with pytest.raises(TraceError, match="not known while the graph is built"):
        schuss.jit(lambda x: linalg.expm(x) * 1)(X[:4])


def test_torchs_functions_in_a_loss():
    torch = pytest.importorskip("torch")
    data = (X, X[:, 0])
    grown = torch.ones(1, requires_grad=True)
    for loss, message in (
        (lambda p, t: torch.mean((p[:, 0] - t) ** 2), r"torch\.mean.*use schuss\.mean"),
        (torch.nn.MSELoss(), r"use schuss\.nn\.MSELoss"),
        (torch.nn.functional.cross_entropy, r"use schuss\.nn\.CrossEntropyLoss"),
        (lambda p, t: torch.relu(p).sum(), r"use schuss\.relu"),
        (lambda p, t: (torch.nn.Linear(1, 1)(p)).sum(), r"use schuss\.nn\.Linear"),
        (lambda p, t: (torch.ones(1) * p).sum(), "give arrays beside it"),
        (lambda p, t: (p * grown).sum(), "requires grad.*give a numpy array"),
    ):
        with pytest.raises(SchussError, match=message):
            schuss.fit(nn.Linear(4, 1), data, loss=loss, optimizer=optim.Adam())
    schuss.fit(
        nn.Linear(4, 1), data, loss=lambda p, t: (p[:, 0] - t * torch.ones(1)).pow(2).mean(), optimizer=optim.SGD()
    )
