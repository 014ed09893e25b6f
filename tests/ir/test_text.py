"""The text form: exact round trips, and errors with line and column."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import ops
from schuss.backprop import backprop
from schuss.errors import GraphError
from schuss.exec.reference import ReferenceExecutor
from schuss.ir import N, TensorType
from schuss.ir.text import to_text
from schuss.ops.check import parse_graph, verify_graph
from schuss.trace import as_tensor, scope, trace

F = "float32"


def network(x, w, y):
    with scope("0.Linear"):
        z = x @ w.T + np.array([0.1, -0.0, np.inf, np.nan, 1e-45, 16777217], F)
    loss = (ops.logsumexp(z, axis=1) - ops.pick(z, y)).mean()
    return loss, *backprop(loss, [w]), z.reshape(-1, 2, 3).transpose(0, 2, 1), ops.one_hot(y, classes=6)


GRAPH = trace(
    network, [TensorType(F, (N, 4)), TensorType(F, (6, 4)), TensorType("uint8", (N,))], ["x", "0.weight", "a b"]
)


def test_round_trip_is_exact():
    text = to_text(GRAPH)
    back = parse_graph(text)
    assert to_text(back) == text
    assert [n.scope for n in back.nodes] == [n.scope for n in GRAPH.nodes]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((5, 4)).astype(F), rng.standard_normal((6, 4)).astype(F), np.arange(5, dtype="u1")]
    for a, b in zip(ReferenceExecutor().compile(GRAPH)(arrays), ReferenceExecutor().compile(back)(arrays), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint32", "uint8", "bool"])
def test_every_bit_of_a_constant_survives(dtype):
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, 64 * 8, dtype=np.uint8)
    array = (raw[:64] > 127) if dtype == "bool" else raw.view(dtype)[:64]
    graph = trace(lambda x: (x * 1.0, as_tensor(array)), [TensorType(F, (2,))])
    back = parse_graph(to_text(graph))
    assert back.outputs[1].attrs["value"].tobytes() == array.tobytes()


def test_comments_and_sites_are_not_read():
    assert to_text(parse_graph(to_text(GRAPH, sites=True))) == to_text(GRAPH)


HEAD = "schuss graph 1\ninput %0 x float32[N,4]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schuss graph 2\n", "line 1"),
        ("", "line 1"),
        (HEAD, "no output"),
        (HEAD + "output y %7\n", "line 3, column 12: %7 is not made"),
        (HEAD + "%1 = frob(%0) : float32[N,4]\noutput y %1\n", "unknown op 'frob'"),
        (HEAD + "%1 = exp(%0) : float32[N,5]\noutput y %1\n", r"the op's rule makes float32\[N,4\]"),
        (HEAD + "%1 = exp(%0, %0) : float32[N,4]\noutput y %1\n", "takes 1 inputs, got 2"),
        (HEAD + "%1 = exp(%0, speed=3) : float32[N,4]\noutput y %1\n", "speed"),
        (HEAD + "%0 = exp(%0) : float32[N,4]\n", "%0 is made twice"),
        (HEAD + "const %1 float32[1000000000,1000] 1.0\noutput y %1\n", "needs 1000000000000 values, got 1"),
        (HEAD + "const %1 float32[N] 1.0\noutput y %1\n", "the lengths of a constant are numbers"),
        (HEAD + "const %1 uint8[] 300\noutput y %1\n", "no uint8"),
        (HEAD + "const %1 complex64[] 1\n", "unknown dtype 'complex64'"),
        (HEAD + "%1 = exp(%0) : float32[N,4] trailing\n", "line 3, column 29: the line should end before"),
        (HEAD + "%1 = exp(%0 : float32[N,4]\n", "expected ','"),
        (HEAD + "%1 = reshape(%0, shape=((((((1,),),),),),)) : float32[N,4]\n", "nested too deep"),
        (HEAD + "output y %0\noutput y %0\n", "two outputs named 'y'"),
        (HEAD + "import os\n", "line 3, column 1"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(GraphError, match=message):
        parse_graph(text)


def test_mutants_never_crash():
    text = to_text(GRAPH)
    rng = np.random.default_rng(3)
    for _ in range(1500):
        at = int(rng.integers(len(text)))
        kind = rng.integers(3)
        inserted = chr(rng.integers(32, 127)) if kind else ""
        mutant = text[:at] + inserted + text[at + (kind != 2) :]
        try:
            verify_graph(parse_graph(mutant))
        except GraphError as error:
            assert "\n" not in str(error)  # noqa: PT017
