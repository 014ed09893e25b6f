"""Code for 64-bit Arm is generated and assembled, on whatever machine this runs."""

from __future__ import annotations

import pytest

from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.llvm.jit import assembly, compile_object
from schuss.compiler.llvm.target import aarch64_target
from schuss.compiler.lower.program import Program, emit_module
from schuss.compiler.passes.materialize import materialize
from schuss.compiler.pipeline import optimize
from schuss.compiler.schedule.buffers import plan
from schuss.compiler.schedule.fuse import group
from schuss.compiler.storage import Storage
from schuss.ir import N, TensorType
from schuss.trace import trace


def module_text(function, types, target):
    graph = materialize(optimize(trace(function, types)), Storage(64))
    slots = {n: i for i, n in enumerate([*graph.inputs, *graph.outputs], start=1)}
    checks = [n for n in graph.nodes if n.op == "check_index"]
    planned = plan(graph, group(graph), Storage(64), slots, checks, {}, 2)
    return str(emit_module(Program(planned, target, None, None, 2)))


def network(x, w, v, y):
    loss = (ops.logsumexp(ops.tanh(x @ w.T) @ v, axis=1) - ops.pick(ops.tanh(x @ w.T) @ v, y)).mean()
    return loss, *backprop(loss, [w, v])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_with_its_gradients(dtype):
    target = aarch64_target()
    types = [
        TensorType(dtype, (N, 20)),
        TensorType(dtype, (30, 20)),
        TensorType(dtype, (30, 10)),
        TensorType("uint8", (N,)),
    ]
    text = module_text(network, types, target)
    code = compile_object(text, target)
    assert code[:4] == b"\x7fELF"
    assert code[18] == 183, "EM_AARCH64"
    listing = assembly(text, target)
    assert "fmla" in listing, "vectors multiply and add"
    assert "yield" in listing, "a waiting thread says so"
    assert "fpcr" in listing.lower(), "denormals are flushed"
