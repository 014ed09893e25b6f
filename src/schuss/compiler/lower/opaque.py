"""Operations of which only their own lowering knows how they are computed: one thread, mostly an element at a time.

They declare no structure (schuss.ir.structure), so each has its row here, and they are rarely where the time goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from schuss.compiler.llvm.loops import if_then
from schuss.compiler.llvm.simd import I64
from schuss.compiler.lower.coalesce import emit_coalesce
from schuss.compiler.lower.gather import clamped
from schuss.compiler.lower.kernel import Kernel, load, store
from schuss.compiler.lower.loop_nest import StridedOperand, nest
from schuss.compiler.lower.sorting import emit_argsort
from schuss.ir.executors import cannot
from schuss.ir.graph import Node
from schuss.ir.types import Dim, Sym


def emit_opaque(kernel: Kernel, node: Node) -> None:
    """The loops of one node. LoweringError names an op without a lowering."""
    rule = _RULES.get(node.op)
    if rule is None:
        raise cannot("native", node.op, node.site)
    rule(kernel, node)


def _check_index(kernel: Kernel, node: Node) -> None:
    """Each index counted from the front; the first that is out of range is noted, with its row, where the plan says."""
    (index,) = node.inputs
    size = node.attrs["size"]
    shape = node.type.shape
    row = StridedOperand((1, *[0] * (len(shape) - 1)) if shape else ())
    terms = [kernel.read(index, len(shape)), kernel.write(node), row]
    b, k = kernel.b, kernel.lanes(1)
    noted = kernel.pointer(kernel.plan.faults[node], 0, "int64")
    with nest(b, kernel.axes(shape, terms), terms, [I64(0)] * 3, None) as at:
        given = k.cast(load(k, terms[0], at[0], 0), "int64")
        zero = k.constant(0, "int64")
        counted = given
        if node.attrs["negative"]:
            counted = k.select(k.compare("<", given, zero), k.add(given, k.constant(size, "int64")), given)
        inside = k.logical_and(k.compare(">=", counted, zero), k.compare("<", counted, k.constant(size, "int64")))
        with (
            if_then(b, k.logical_not(inside).llvm),
            if_then(b, b.icmp_signed("==", b.load(noted, typ=I64(0).type), I64(0))),
        ):
            b.store(b.add(_row_of_data(kernel, shape, at[2]), I64(1)), noted)
            b.store(given.llvm, b.gep(noted, [I64(1)], source_etype=I64(0).type))
        store(k, terms[1], at[1], k.cast(clamped(kernel, counted, size), node.type.dtype))


def _row_of_data(kernel: Kernel, shape: Sequence[Dim], row: Any) -> Any:
    """The row's number in the resident data, where there are such."""
    if not kernel.plan.storage.columns or not shape or not isinstance(shape[0], Sym):
        return row
    return kernel.b.load(kernel.b.gep(kernel.order, [row], source_etype=I64(0).type), typ=I64(0).type)


def _overlap_add(kernel: Kernel, node: Node) -> None:
    """Zeros, then each window's entries added where they came from: one place of all windows after the other."""
    (x,) = node.inputs
    axis, stride, dilation = (node.attrs[name] for name in ("axis", "stride", "dilation"))
    source, target = kernel.read(x, x.type.rank), kernel.write(node)
    b, k = kernel.b, kernel.lanes(1)
    with nest(b, kernel.axes(node.type.shape, [target]), [target], [I64(0)], None) as at:
        store(k, target, at[0], k.constant(0, node.type.dtype))
    here = target.strides[axis]
    strides = (*target.strides[:axis], here * stride, here * dilation, *target.strides[axis + 1 :])
    terms = [source, replace(target, strides=strides)]
    axes = kernel.axes(x.type.shape, terms)
    axes.insert(0, axes.pop(axis + 1))
    with nest(b, axes, terms, [I64(0)] * 2, None) as at:
        store(k, target, at[1], k.add(load(k, target, at[1], 0), load(k, source, at[0], 0)))


_RULES: dict[str, Callable[[Kernel, Node], None]] = {
    "check_index": _check_index,
    "overlap_add": _overlap_add,
    "argsort": emit_argsort,
    "coalesce": emit_coalesce,
}
