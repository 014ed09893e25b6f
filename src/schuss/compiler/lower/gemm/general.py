"""Lowering of contractions over any axes: z[batch, left, right] = sum over the folded axes of x * y, then maps.

The last axis of the result is that of the lanes: of the operand that has it vectors are read, where it lies
contiguously, of the other one scalars. Where it has one place, as in a convolution of each channel by itself, another
axis is, along which the result and an operand lie contiguously. The axis before it, as far as axes are one
(schuss.compiler.lower.loop_nest.collapse), is that of a tile's rows, and the others are loops around the tiles. The
folded axes are a nest of loops inside a tile, neighbours along which both operands are contiguous being one; each
element adds its products in ascending order, one fused multiply-add each, so tiles, widths and threads change no bits.
An operand behind a window (a convolution's) is read where it lies, by strides. Sums over examples go a block of
examples at a time through all tiles, so that what the tiles read stays in cache; meanwhile sums wait in the result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from schuss.compiler.llvm.loops import cases, entry_alloca, for_range
from schuss.compiler.llvm.simd import I64, Value
from schuss.compiler.lower.expression import FusedExpression
from schuss.compiler.lower.gemm.tiles import Heights, Tile, choose_tile, column_cost
from schuss.compiler.lower.kernel import Kernel, load, store, tail_mask
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand, advance, collapse, emit_bound
from schuss.compiler.schedule.order import Stage
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import contracted, structure_of
from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym, static_size

LEAST_LANES = 4  # places of an axis from which on it makes vectors where the last axis does not


class AxesContraction:
    """One contraction and its epilogue. Terms: x, y, what the epilogue reads, what is stored."""

    def __init__(self, kernel: Kernel, stage: Stage, threads: int) -> None:
        group = stage.group
        assert group.anchor is not None
        self.kernel, self.product = kernel, group.anchor
        self.dtype = self.product.type.dtype
        self.body = FusedExpression(kernel, group.maps, len(group.space), given={self.product})
        self.stored = group.stores
        # Shared is the first axis, or all but the last as one.
        self.by_axis = stage.partition[0] != "split" or any(isinstance(d, Sym) for d in group.space)
        operands, sums = self._operands()
        others = [*self.body.terms, *(kernel.write(n) for n in self.stored)]
        lane = self._lane_axis(group.space, [*operands, *others])
        if self._reads_first_along(lane):
            operands, sums = operands[::-1], sums[::-1]
        self.terms = [*operands, *others]
        self.block: int | None = None
        self.span: tuple[Any, Any] | None = None  # from which to which example the sums go
        axes = kernel.axes(group.space, self.terms)
        axes = kernel.shared(axes) if self.by_axis else axes
        self.lane = axes.pop(lane) if axes else LoopAxis(0, 1, 1, (0,) * len(self.terms))
        axes = collapse(axes, self.terms, first=True)
        self.rows = axes.pop() if axes else LoopAxis(0, 1, 1, (0,) * len(self.terms))
        self.around, self.inner = axes, axes
        self.first = axes[0] if axes else self.rows if len(group.space) > 1 else self.lane
        self.folded = self._folded(sums)
        self.block = self._examples_near()
        self.tile = self._choose(threads)
        kernel.notes.append(self._reason())

    def _operands(self) -> tuple[tuple[StridedOperand, ...], tuple[StridedOperand, ...]]:
        """x and y along the result's axes, and along the folded ones."""
        structure = structure_of(self.product)
        assert structure is not None
        result, folded = [], []
        for operand, access in zip(self.product.inputs, structure.reads, strict=True):
            assert access is not None
            term, strides = self.kernel.read(operand, operand.type.rank), [0] * len(structure.space)
            for axis, stride in zip(access.axes, term.strides, strict=True):
                if axis is not None:
                    strides[axis] += stride
            result.append(replace(term, strides=tuple(strides[a] for a in structure.kept)))
            folded.append(replace(term, strides=tuple(strides[a] for a in structure.folded)))
        return tuple(result), tuple(folded)

    def _lane_axis(self, space: Shape, terms: Sequence[StridedOperand]) -> int:
        """The last axis, or, where that has one place and it makes vectors, another one that no thread divides."""
        last = len(space) - 1
        if last < 1 or space[last] != 1 or not self.by_axis:
            return last

        def lanes(axis: int) -> bool:
            strides = [t.strides[axis] for t in terms]
            results = strides[len(terms) - len(self.stored) :]
            apart = 1 not in strides[:2] or any(s not in (0, 1) for s in strides) or any(s != 1 for s in results)
            length = space[axis]
            return not apart and isinstance(length, int) and length >= LEAST_LANES

        return next((axis for axis in reversed(range(1, last)) if lanes(axis)), last)

    def _reads_first_along(self, axis: int) -> bool:
        """Whether of the operands only the first has this axis of the result."""
        structure = structure_of(self.product)
        assert structure is not None
        second = structure.reads[1]
        return bool(structure.kept) and second is not None and structure.kept[axis] not in second.axes

    def _folded(self, terms: Sequence[StridedOperand]) -> list[LoopAxis]:
        """The folded axes, with x's and y's strides; the examples, if they are the first, apart from the others."""
        axes = self.kernel.axes(contracted(self.product), terms)
        apart = 1 if axes and axes[0].length is None else 0
        return axes[:apart] + collapse(axes[apart:], terms, first=False)

    def _examples_near(self) -> int | None:
        """How many examples a block of them has; None where they are not summed, or nothing but them is."""
        if len(self.folded) < 2 or self.folded[0].length is not None or self.body.maps:
            return None
        each = sum(static_size(i.type.shape) for i in self._sources()) * ITEMSIZE[self.dtype]
        return max(self.kernel.plan.tuning.examples_bytes // max(each, 1), 1)

    def _sources(self) -> list[Node]:
        return [self.kernel.view(i).base for i in self.product.inputs]

    def _choose(self, threads: int) -> Tile:
        """Vectors along the lanes, if every term can be read so."""
        x, y, *others = self.lane.strides
        outputs = self.lane.strides[len(self.terms) - len(self.stored) :]
        plain = x not in (0, 1) or y != 1 or any(s not in (0, 1) for s in others) or any(s != 1 for s in outputs)
        rows = self._expected(threads)
        if plain or self.lane.length in (None, 1):
            return Tile(min(self.kernel.plan.tuning.side_by_side, rows), 1, 1)
        assert self.lane.length is not None
        return choose_tile(self.kernel.target, self.dtype, self.lane.length, rows)

    def _expected(self, threads: int) -> int:
        if self.rows.length is not None:
            return max(self.rows.length, 1)
        return max(-(-self.kernel.plan.storage.capacity // threads), 1)

    def _reason(self) -> str:
        """For people: the tile, and how the sums go."""
        tile = self.tile
        nest = " x ".join(str(a.length or "N") for a in self.folded) or "no axes"
        blocks = "" if self.block is None else f", {self.block} examples at a time"
        if tile.width == 1:
            return f"scalar, {tile.rows} independent sums at a time over {nest}{blocks}"
        rows = self.rows.length or tile.rows
        share = 0.5 * rows * tile.vectors / column_cost(rows, tile.rows, tile.vectors)
        return f"{tile} over {nest}{blocks}, {share:.0%} of a core's FMA peak as estimated"

    # -- loops around the tiles ------------------------------------------------------------------

    def emit(self) -> None:
        """Blocks of examples, panels of lanes, then every row of them."""
        with self._blocks() as span:
            self.span = span
            b, zero = self.kernel.b, [I64(0)] * len(self.terms)
            if self.by_axis and self.around:
                first, self.inner = self.around[0], self.around[1:]
                with for_range(b, emit_bound(b, first.start), emit_bound(b, first.stop)) as i:
                    self._lanes(self._moved(first, zero, i))
            else:
                self.inner = self.around
                self._lanes(zero)

    @contextlib.contextmanager
    def _blocks(self) -> Iterator[tuple[Any, Any] | None]:
        """(first, end) of a block of examples, one of none where there are none; None where all are summed at once."""
        if self.block is None:
            yield None
            return
        b, n = self.kernel.b, self.kernel.n
        with for_range(b, I64(0), b.select(b.icmp_signed(">", n, I64(0)), n, I64(1)), self.block) as first:
            end = b.add(first, I64(self.block))
            yield first, b.select(b.icmp_signed("<", end, n), end, n)

    def _moved(self, axis: LoopAxis, offsets: Sequence[Any], index: Any) -> list[Any]:
        """Offsets at an index of an axis; along the examples a column's rows go through their order."""
        examples = axis is self.first and axis.length is None and self.by_axis
        order = self.kernel.order if examples else None
        return advance(self.kernel.b, axis, self.terms, offsets, index, order)

    def _lanes(self, offsets: list[Any]) -> None:
        """Panels of as many lanes as a tile has, whole ones and the rest; of a thread's share of them one by one."""
        b, tile, lane = self.kernel.b, self.tile, self.lane
        at_once = tile.width * tile.vectors
        start, stop = emit_bound(b, lane.start), emit_bound(b, lane.stop)
        if tile.width == 1:
            with for_range(b, start, stop) as j:
                self._rows(self._moved(lane, offsets, j), Tile(tile.rows, 1, 1), None)
            return
        whole = b.sub(stop, b.srem(b.sub(stop, start), I64(at_once)))
        with for_range(b, start, whole, at_once) as j:
            self._rows(self._moved(lane, offsets, j), tile, None)
        if isinstance(lane.start, int) and lane.length is not None and lane.start == 0:
            rest = lane.length % at_once
            if rest:
                vectors, left = -(-rest // tile.width), rest % tile.width
                mask = tail_mask(b, tile.width, I64(left)) if left else None
                self._rows(self._moved(lane, offsets, whole), Tile(tile.rows, vectors, tile.width), mask)
            return
        with for_range(b, whole, stop, tile.width) as j:
            mask = tail_mask(b, tile.width, b.sub(stop, j))
            self._rows(self._moved(lane, offsets, j), Tile(tile.rows, 1, tile.width), mask)

    def _rows(self, offsets: list[Any], tile: Tile, mask: Any) -> None:
        """The loops around the rows, as one; a thread's share of rows may begin and end anywhere in it."""
        b, rows = self.kernel.b, self.rows
        start, stop = emit_bound(b, rows.start), emit_bound(b, rows.stop)
        if self.by_axis:
            count: Any = I64(1)
            for axis in self.inner:
                count = b.mul(count, emit_bound(b, axis.stop))
            with for_range(b, I64(0), count, going=self.kernel.going) as place:
                self._tiles(self._at(place, offsets), start, stop, tile, mask)
            return
        low, high = self.kernel.low, self.kernel.high
        last = b.sdiv(b.add(high, b.sub(stop, I64(1))), stop)
        with for_range(b, b.sdiv(low, stop), last, going=self.kernel.going) as place:
            begin = b.mul(place, stop)
            first, end = b.sub(low, begin), b.sub(high, begin)
            first = b.select(b.icmp_signed(">", first, I64(0)), first, I64(0))
            end = b.select(b.icmp_signed("<", end, stop), end, stop)
            self._tiles(self._at(place, offsets), first, end, tile, mask)

    def _at(self, place: Any, offsets: list[Any]) -> list[Any]:
        """Offsets at a place of the axes around the rows, counted through in row-major order."""
        b = self.kernel.b
        for axis in reversed(self.inner[1:]):
            length = emit_bound(b, axis.stop)
            offsets = self._moved(axis, offsets, b.srem(place, length))
            place = b.sdiv(place, length)
        return self._moved(self.inner[0], offsets, place) if self.inner else offsets

    # -- a tile ------------------------------------------------------------------------------------

    def _tiles(self, offsets: list[Any], first: Any, end: Any, tile: Tile, mask: Any) -> None:
        """Rows from the first to the end, a tile at a time: whole ones, those expected to be left, single ones."""
        b = self.kernel.b
        k = self.kernel.lanes(tile.width)
        heights = Heights.of(tile, self.rows.length or tile.rows)
        buffer, height = entry_alloca(b, k.type(self.dtype), tile.rows * tile.vectors), entry_alloca(b, I64)
        with for_range(b, first, end, height) as i:
            chosen = heights.choose(b, b.sub(end, i))
            b.store(chosen, height)
            at = self._moved(self.rows, offsets, i)
            with cases(b, chosen, heights.each) as case:
                for number in heights.each:
                    with case(number):
                        self._sums(k, at, replace(tile, rows=number), mask, buffer)
            self._epilogue(k, offsets, i, chosen, tile, mask, buffer)

    def _sums(self, k: Any, at: list[Any], tile: Tile, mask: Any, buffer: Any) -> None:
        """The sums of a tile into the buffer."""
        b, count = k.b, tile.rows * tile.vectors
        sums = [k.constant(0, self.dtype).llvm] * count
        if self.span is not None:
            so_far = self._so_far(k, at, tile, mask)
            fresh = b.icmp_signed("==", self.span[0], I64(0))
            sums = [b.select(fresh, zero, held) for zero, held in zip(sums, so_far, strict=True)]
        with contextlib.ExitStack() as stack:
            offsets = at[:2]
            for number, axis in enumerate(self.folded):
                low, high = emit_bound(b, axis.start), emit_bound(b, axis.stop)
                if number == 0 and self.span is not None:
                    low, high = self.span
                step = stack.enter_context(for_range(b, low, high, carried=sums))
                offsets = [b.add(o, b.mul(step, I64(s))) for o, s in zip(offsets, axis.strides, strict=True)]
            self._step(k, offsets, tile, mask, sums)
        for number, total in enumerate(sums):
            b.store(total, b.gep(buffer, [I64(number)], source_etype=k.type(self.dtype)))

    def _step(self, k: Any, offsets: list[Any], tile: Tile, mask: Any, sums: list[Any]) -> None:
        """One product of each row and lane added; what several share is read once."""
        b = k.b
        read: dict[tuple[int, int, int], Value] = {}

        def value(side: int, row: int, vector: int) -> Value:
            down, across = self.rows.strides[side], self.lane.strides[side]
            key = (side, row if down else 0, vector if across else 0)
            if key not in read:
                apart = key[1] * down + key[2] * tile.width * across
                masked = mask if across and vector == tile.vectors - 1 else None
                read[key] = load(k, self.terms[side], b.add(offsets[side], I64(apart)), across, masked)
            return read[key]

        for number in range(len(sums)):
            row, vector = divmod(number, tile.vectors)
            right, left = value(1, row, vector), value(0, row, vector)
            sums[number] = k.fma(left, right, Value(sums[number], self.dtype)).llvm

    def _so_far(self, k: Any, at: list[Any], tile: Tile, mask: Any) -> list[Any]:
        """What the sums are, from the result."""
        place, found = len(self.terms) - 1, []
        for number in range(tile.rows * tile.vectors):
            row, vector = divmod(number, tile.vectors)
            apart = row * self.rows.strides[place] + vector * tile.width * self.lane.strides[place]
            masked = mask if vector == tile.vectors - 1 else None
            offset = k.b.add(at[place], I64(apart))
            found.append(load(k, self.terms[place], offset, self.lane.strides[place], masked).llvm)
        return found

    def _epilogue(self, k: Any, offsets: list[Any], i: Any, rows: Any, tile: Tile, mask: Any, buffer: Any) -> None:
        """The maps evaluated over the buffer, row by row, and everything stored."""
        b, more = k.b, len(self.body.terms)
        with for_range(b, I64(0), rows) as r:
            here = self._moved(self.rows, offsets, b.add(i, r))
            for v in range(tile.vectors):
                place = b.add(b.mul(r, I64(tile.vectors)), I64(v))
                total = b.load(b.gep(buffer, [place], source_etype=k.type(self.dtype)), typ=k.type(self.dtype))
                there = [b.add(o, I64(v * tile.width * s)) for o, s in zip(here, self.lane.strides, strict=True)][2:]
                masked = mask if v == tile.vectors - 1 else None
                loaded = [self.body.load(k, n, there[n], self.lane.strides[2 + n], masked) for n in range(more)]
                values = self.body.evaluate(k, {self.product: Value(total, self.dtype)}, loaded)
                for number, node in enumerate(self.stored, start=more):
                    store(k, self.terms[2 + number], there[number], values[node], masked)
