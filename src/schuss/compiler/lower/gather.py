"""Plain lowerings of the ops that are a group of their own: joined, padded, and those whose addresses depend on data.

Scalar loops, one element after the other: right for any shape; they are rarely where the time goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from schuss.compiler.llvm.loops import entry_alloca, for_range, if_then
from schuss.compiler.llvm.simd import I64, Value
from schuss.compiler.lower.kernel import Kernel, load, store
from schuss.compiler.lower.loop_nest import Axis, Term, emit_bound, nest
from schuss.ir.executors import cannot
from schuss.ir.graph import Node
from schuss.ir.types import Dim, Sym
from schuss.ops.contract import free_axes


def emit_single(kernel: Kernel, node: Node) -> None:
    """The loops of one node. LoweringError names an op without a lowering."""
    rule = _RULES.get(node.op)
    if rule is None:
        raise cannot("native", node.op, node.site)
    rule(kernel, node)


def _axes(kernel: Kernel, shape: Sequence[Dim], terms: Sequence[Term]) -> list[Axis]:
    """Whole axes: these kernels are not shared among threads."""
    return [Axis(0, kernel.length(dim), None, tuple(t.strides[at] for t in terms)) for at, dim in enumerate(shape)]


def _copy(kernel: Kernel, shape: Sequence[Dim], source: Term, target: Term) -> None:
    terms = [source, target]
    k = kernel.lanes(1)
    with nest(kernel.b, _axes(kernel, shape, terms), terms, [I64(0)] * 2, None) as at:
        store(k, target, at[1], load(k, source, at[0], 0))


def _moved(kernel: Kernel, term: Term, elements: int, strides: tuple[int, ...] | None = None) -> Term:
    """The term a number of elements further on."""
    b = kernel.b
    size = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "uint32": 4, "uint8": 1, "bool": 1}[term.dtype]
    from schuss.compiler.llvm.simd import I8

    pointer = b.gep(term.pointer, [I64(elements * size)], source_etype=I8)
    return Term(strides or term.strides, pointer, term.dtype)


def _concatenate(kernel: Kernel, node: Node) -> None:
    target = kernel.write(node)
    axis, start = node.attrs["axis"], 0
    for operand in node.inputs:
        part = _moved(kernel, target, start * target.strides[axis])
        _copy(kernel, operand.type.shape, kernel.read(operand, operand.type.rank), part)
        start += int(operand.type.shape[axis])


def _pad(kernel: Kernel, node: Node) -> None:
    (x,) = node.inputs
    axis, before, between = node.attrs["axis"], node.attrs["before"], node.attrs["between"]
    target = kernel.write(node)
    k = kernel.lanes(1)
    with nest(kernel.b, _axes(kernel, node.type.shape, [target]), [target], [I64(0)], None) as at:
        store(k, target, at[0], k.constant(node.attrs["value"], node.type.dtype))
    spread = tuple(s * (between + 1) if a == axis else s for a, s in enumerate(target.strides))
    part = _moved(kernel, target, before * target.strides[axis], spread)
    _copy(kernel, x.type.shape, kernel.read(x, x.type.rank), part)


def _clamped(kernel: Kernel, index: Value, size: int) -> Value:
    """An index kept within 0 .. size-1, as int64."""
    k = kernel.lanes(1)
    wide = k.cast(index, "int64")
    return k.minimum(k.maximum(wide, k.constant(0, "int64")), k.constant(size - 1, "int64"))


def _check_index(kernel: Kernel, node: Node) -> None:
    """Each index counted from the front; the first that is out of range is noted, with its row, where the plan says."""
    (index,) = node.inputs
    size = node.attrs["size"]
    shape = node.type.shape
    row = Term((1, *[0] * (len(shape) - 1)) if shape else ())
    terms = [kernel.read(index, len(shape)), kernel.write(node), row]
    b, k = kernel.b, kernel.lanes(1)
    noted = kernel.pointer(kernel.plan.faults[node], 0, "int64")
    with nest(b, _axes(kernel, shape, terms), terms, [I64(0)] * 3, None) as at:
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
        store(k, terms[1], at[1], k.cast(_clamped(kernel, counted, size), node.type.dtype))


def _row_of_data(kernel: Kernel, shape: Sequence[Dim], row: Any) -> Any:
    """The row's number in the resident data, where there are such."""
    if not kernel.plan.storage.columns or not shape or not isinstance(shape[0], Sym):
        return row
    return kernel.b.load(kernel.b.gep(kernel.order, [row], source_etype=I64(0).type), typ=I64(0).type)


def _take(kernel: Kernel, node: Node) -> None:
    x, index = node.inputs
    axis = node.attrs["axis"]
    source, numbers, target = (
        kernel.read(x, x.type.rank),
        kernel.read(index, index.type.rank),
        kernel.write(node),
    )
    none = (0,) * index.type.rank
    before, after = source.strides[:axis], source.strides[axis + 1 :]
    source_strides = (*before, *none, *after)
    number_strides = (*[0] * axis, *numbers.strides, *[0] * len(after))
    terms = [
        Term(source_strides, source.pointer, source.dtype),
        Term(number_strides, numbers.pointer, numbers.dtype),
        target,
    ]
    k = kernel.lanes(1)
    b = kernel.b
    with nest(b, _axes(kernel, node.type.shape, terms), terms, [I64(0)] * 3, None) as at:
        row = _clamped(kernel, load(k, terms[1], at[1], 0), int(x.type.shape[axis])).llvm
        place = b.add(at[0], b.mul(row, I64(source.strides[axis])))
        store(k, target, at[2], load(k, terms[0], place, 0))


def _scatter_add(kernel: Kernel, node: Node) -> None:
    x, index = node.inputs
    axis, size = node.attrs["axis"], node.attrs["size"]
    source, numbers, target = (
        kernel.read(x, x.type.rank),
        kernel.read(index, index.type.rank),
        kernel.write(node),
    )
    k = kernel.lanes(1)
    b = kernel.b
    with nest(b, _axes(kernel, node.type.shape, [target]), [target], [I64(0)], None) as at:
        store(k, target, at[0], k.constant(0, node.type.dtype))
    none = (0,) * index.type.rank
    after = x.type.rank - axis - index.type.rank
    target_strides = (*target.strides[:axis], *none, *target.strides[axis + 1 :])
    number_strides = (*[0] * axis, *numbers.strides, *[0] * after)
    terms = [
        source,
        Term(number_strides, numbers.pointer, numbers.dtype),
        Term(target_strides, target.pointer, target.dtype),
    ]
    with nest(b, _axes(kernel, x.type.shape, terms), terms, [I64(0)] * 3, None) as at:
        row = _clamped(kernel, load(k, terms[1], at[1], 0), size).llvm
        place = b.add(at[2], b.mul(row, I64(target.strides[axis])))
        total = k.add(load(k, terms[2], place, 0), load(k, source, at[0], 0))
        store(k, terms[2], place, total)


def _overlap_add(kernel: Kernel, node: Node) -> None:
    """Zeros, then each window's entries added where they came from: one place of all windows after the other."""
    (x,) = node.inputs
    axis, stride, dilation = (node.attrs[name] for name in ("axis", "stride", "dilation"))
    source, target = kernel.read(x, x.type.rank), kernel.write(node)
    b, k = kernel.b, kernel.lanes(1)
    with nest(b, _axes(kernel, node.type.shape, [target]), [target], [I64(0)], None) as at:
        store(k, target, at[0], k.constant(0, node.type.dtype))
    here = target.strides[axis]
    strides = (*target.strides[:axis], here * stride, here * dilation, *target.strides[axis + 1 :])
    terms = [source, replace(target, strides=strides)]
    axes = _axes(kernel, x.type.shape, terms)
    axes.insert(0, axes.pop(axis + 1))
    with nest(b, axes, terms, [I64(0)] * 2, None) as at:
        store(k, target, at[1], k.add(load(k, target, at[1], 0), load(k, source, at[0], 0)))


def _dot_general(kernel: Kernel, node: Node) -> None:
    """One sum after the other."""
    x, y = node.inputs
    (cx, cy), (bx, by) = node.attrs["contract"], node.attrs["batch"]
    left, right, target = kernel.read(x, x.type.rank), kernel.read(y, y.type.rank), kernel.write(node)
    fx, fy = free_axes(x.type.rank, cx, bx), free_axes(y.type.rank, cy, by)
    none = [None] * len(fx), [None] * len(fy)
    b, k = kernel.b, kernel.lanes(1)

    def along(axes: Sequence[int | None], term: Term) -> tuple[int, ...]:
        return tuple(0 if a is None else term.strides[a] for a in axes)

    outer = [
        replace(left, strides=along((*bx, *fx, *none[1]), left)),
        replace(right, strides=along((*by, *none[0], *fy), right)),
        target,
    ]
    inner = [replace(left, strides=along(cx, left)), replace(right, strides=along(cy, right))]
    total = entry_alloca(b, k.type(node.type.dtype))
    with nest(b, _axes(kernel, node.type.shape, outer), outer, [I64(0)] * 3, None) as at:
        b.store(k.constant(0, node.type.dtype).llvm, total)
        depth = [x.type.shape[a] for a in cx]
        with nest(b, _axes(kernel, depth, inner), inner, at[:2], None) as here:
            so_far = Value(b.load(total, typ=k.type(node.type.dtype)), node.type.dtype)
            b.store(k.fma(load(k, left, here[0], 0), load(k, right, here[1], 0), so_far).llvm, total)
        store(k, target, at[2], Value(b.load(total, typ=k.type(node.type.dtype)), node.type.dtype))


def _argmax(kernel: Kernel, node: Node) -> None:
    """Keep the first largest; once it is NaN it stays."""
    (x,) = node.inputs
    (axis,) = node.attrs["axis"]
    source = kernel.read(x, x.type.rank)
    from schuss.compiler.lower.reduction import result_strides

    target = Term(
        result_strides(node, kernel.plan.storage),
        kernel.pointer(kernel.plan.places[node], 0, "int64"),
        "int64",
    )
    terms = [source, target]
    b, k = kernel.b, kernel.lanes(1)
    best, where = entry_alloca(b, k.type(source.dtype)), entry_alloca(b, I64(0).type)
    axes = _axes(kernel, x.type.shape, terms)
    axes[0] = replace(axes[0], start=lambda b: kernel.low, stop=lambda b: kernel.high)
    along = axes.pop(axis)
    with nest(b, axes, terms, [I64(0)] * 2, None) as at:
        b.store(load(k, source, at[0], 0).llvm, best)
        b.store(I64(0), where)
        with for_range(b, I64(1), emit_bound(b, along.stop)) as i:
            value = load(k, source, b.add(at[0], b.mul(i, I64(along.strides[0]))), 0)
            held = Value(b.load(best, typ=k.type(source.dtype)), source.dtype)
            better = k.compare(">", value, held)
            if value.is_float:
                nan_now = k.logical_and(k.is_nan(value), k.logical_not(k.is_nan(held)))
                better = k.logical_or(better, nan_now)
            b.store(k.select(better, value, held).llvm, best)
            before = b.load(where, typ=I64(0).type)
            b.store(b.select(better.llvm, i, before), where)
        store(k, target, at[1], Value(b.load(where, typ=I64(0).type), "int64"))


def _argsort(kernel: Kernel, node: Node) -> None:
    """Each entry goes to the place after all that come before it: n * n comparisons, and no memory."""
    (x,) = node.inputs
    axis, falling = node.attrs["axis"], node.attrs["descending"]
    source, target = kernel.read(x, x.type.rank), kernel.write(node)
    terms = [source, target]
    b, k = kernel.b, kernel.lanes(1)
    rank = entry_alloca(b, I64(0).type)
    axes = _axes(kernel, x.type.shape, terms)
    along = axes.pop(axis)
    length = emit_bound(b, along.stop)

    def above(v: Value, w: Value) -> Value:
        """v > w, NaN being above all others."""
        more = k.compare(">", v, w)
        return k.logical_or(more, k.logical_and(k.is_nan(v), k.logical_not(k.is_nan(w)))) if v.is_float else more

    with nest(b, axes, terms, [I64(0)] * 2, None) as at:

        def entry(i: Any) -> Value:
            return load(k, source, b.add(at[0], b.mul(i, I64(along.strides[0]))), 0)

        with for_range(b, I64(0), length) as i:
            here = entry(i)
            b.store(I64(0), rank)
            with for_range(b, I64(0), length) as j:
                other = entry(j)
                first, second = (other, here) if falling else (here, other)
                tied = k.logical_not(k.logical_or(above(here, other), above(other, here)))
                earlier = k.logical_and(tied, Value(b.icmp_signed("<", j, i), "bool"))
                ahead = k.logical_or(above(first, second), earlier)
                before = b.load(rank, typ=I64(0).type)
                b.store(b.add(before, b.zext(ahead.llvm, I64(0).type)), rank)
            place = b.add(at[1], b.mul(b.load(rank, typ=I64(0).type), I64(along.strides[1])))
            store(k, target, place, Value(i, "int64"))


_RULES: dict[str, Callable[[Kernel, Node], None]] = {
    "concatenate": _concatenate,
    "pad": _pad,
    "check_index": _check_index,
    "take": _take,
    "scatter_add": _scatter_add,
    "overlap_add": _overlap_add,
    "dot_general": _dot_general,
    "argmax": _argmax,
    "argsort": _argsort,
}
