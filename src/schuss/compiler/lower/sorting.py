"""argsort: the one order in which equal entries keep theirs, by merging runs of twice the length again and again."""

from __future__ import annotations

from typing import Any

from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.simd import I64, Value
from schuss.compiler.lower.kernel import Kernel, load, number_at, store, work_arrays
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand, nest
from schuss.ir.graph import Node


def emit_argsort(kernel: Kernel, node: Node) -> None:
    """One row along the axis after the other, in two arrays of indices of its length."""
    (x,) = node.inputs
    terms = [kernel.read(x, x.type.rank), kernel.write(node)]
    axes = kernel.axes(x.type.shape, terms)
    row = _Row(kernel, terms, axes.pop(node.attrs["axis"]), node.attrs["descending"], work_arrays(kernel, node))
    with nest(kernel.b, axes, terms, [I64(0)] * 2, None, kernel.going) as at:
        row.sort(at)


class _Row:
    """The loops over one row. arrays: what the indices go to and fro between."""

    def __init__(
        self, kernel: Kernel, terms: list[StridedOperand], along: LoopAxis, falling: bool, arrays: list[Any]
    ) -> None:
        assert along.length is not None
        self.kernel, self.b, self.k = kernel, kernel.b, kernel.lanes(1)
        self.terms, self.strides, self.length = terms, along.strides, along.length
        self.falling, self.arrays = falling, arrays

    def sort(self, at: list[Any]) -> None:
        """at: where the row begins, in x and in the result."""
        b, (first, second), length = self.b, self.arrays, I64(self.length)
        rounds = max(self.length - 1, 0).bit_length()
        with for_range(b, I64(0), length) as i:
            b.store(i, number_at(b, first, i))
        with for_range(b, I64(0), I64(rounds), going=self.kernel.going) as level:
            odd = b.icmp_signed("!=", b.and_(level, I64(1)), I64(0))
            source, target = b.select(odd, second, first), b.select(odd, first, second)
            run = b.shl(I64(1), level)
            runs = b.lshr(b.add(length, b.sub(b.shl(run, I64(1)), I64(1))), b.add(level, I64(1)))
            with for_range(b, I64(0), runs, going=self.kernel.going) as number:
                start = b.shl(number, b.add(level, I64(1)))
                self._merge(at[0], source, target, start, run)
        sorted_ = second if rounds % 2 else first
        with for_range(b, I64(0), length) as i:
            place = b.add(at[1], b.mul(i, I64(self.strides[1])))
            store(self.k, self.terms[1], place, Value(b.load(number_at(b, sorted_, i), typ=I64(0).type), "int64"))

    def _merge(self, row: Any, source: Any, target: Any, start: Any, run: Any) -> None:
        """Two neighbouring runs of indices to one; of equal entries that of the left run comes first."""
        b, length = self.b, I64(self.length)
        middle, end = (self._least(b.add(start, n), length) for n in (run, b.shl(run, I64(1))))
        heads = [start, middle]
        with for_range(b, start, end, carried=heads) as place:
            left, right = heads
            there, other = b.icmp_signed("<", left, middle), b.icmp_signed("<", right, end)
            one, two = (  # of a run that is through any index will do
                b.load(number_at(b, source, b.select(more, head, start)), typ=I64(0).type)
                for more, head in ((there, left), (other, right))
            )
            ahead = self._ahead(self._at(row, two), self._at(row, one))
            second = b.and_(other, b.or_(b.not_(there), ahead.llvm))
            b.store(b.select(second, two, one), number_at(b, target, place))
            taken = b.zext(second, I64(0).type)
            heads[:] = [b.add(left, b.sub(I64(1), taken)), b.add(right, taken)]

    def _least(self, one: Any, other: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", one, other), one, other)

    def _at(self, row: Any, index: Any) -> Value:
        """The entry of the row with this index."""
        return load(self.k, self.terms[0], self.b.add(row, self.b.mul(index, I64(self.strides[0]))), 0)

    def _ahead(self, v: Value, w: Value) -> Value:
        """Whether v comes before w wherever they stand. NaN is above all others."""
        k = self.k
        low, high = (w, v) if self.falling else (v, w)
        more = k.compare(">", high, low)
        return k.logical_or(more, k.logical_and(k.is_nan(high), k.logical_not(k.is_nan(low)))) if v.is_float else more
