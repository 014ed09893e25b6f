"""Lowering of matrix products: z[i, j] = sum over k of x[i, k] * y[k, j], then maps in the epilogue.

Other contractions are in general.py.

A tile of rows x vectors of z is held in registers while k runs; each element adds its products in
ascending k, one fused multiply-add each, so tiles, widths and threads change no bits. The right
operand's rows are contiguous and need no packing; the left operand is read one scalar at a time with
any strides, so x @ w, x' @ g and g @ w' all take this one path. A right operand that lies transposed is not
copied first: it is transposed block by block in registers for few rows, and a large one a panel of columns at a
time (lower/transpose.py); so is the left one, block by block, where z is one column. Deep sums (k_blocking.py) go in
blocks, and begin each with what memory holds of them so far. A finished tile goes through a small buffer and the
epilogue's maps run over it row by row, their code emitted once. The sums themselves are in microkernel.py.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from math import lcm
from typing import Any

from schuss.compiler.llvm.loops import cases, entry_alloca, for_range
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.expression import FusedExpression
from schuss.compiler.lower.gemm.gathered import GatheredPanels
from schuss.compiler.lower.gemm.k_blocking import KBlocks
from schuss.compiler.lower.gemm.microkernel import column_sums, row_sums, transposed_sums
from schuss.compiler.lower.gemm.prefetch import by_place, prefetch_row, prefetch_rows
from schuss.compiler.lower.gemm.tiles import Heights, Panel, Tile, choose_tile, column_cost
from schuss.compiler.lower.kernel import VIRTUAL_LANES, Kernel, store, tail_mask
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand, advance, emit_bound, first_then_rest
from schuss.compiler.lower.transpose import transpose_panel
from schuss.compiler.schedule.order import Stage
from schuss.compiler.storage import ITEMSIZE, PANEL
from schuss.ir.types import Dim, Sym, static_size


class Contraction:
    """One product and its epilogue: the terms, the tiles and the code."""

    def __init__(self, kernel: Kernel, stage: Stage, threads: int) -> None:
        group = stage.group
        assert group.anchor is not None
        self.kernel = kernel
        self.tuning = kernel.plan.tuning
        self.group = group
        self.threads = threads
        self.by_columns = stage.partition[0] == "columns"
        self.product = group.anchor
        x, y = self.product.inputs
        self.dtype = self.product.type.dtype
        self.rank = len(group.space)
        self.x, self.y = (kernel.read(operand, self.rank, panels=True) for operand in (x, y))
        self.across: StridedOperand | None = None  # the right operand where it lies, if panels of it are packed first
        if stage.packs:
            packed = kernel.pointer(kernel.plan.workspaces[group], 0, self.product.type.dtype)
            self.across, self.y = self.y, StridedOperand((1, 1), packed, self.product.type.dtype)
        self.depth: Dim = x.type.shape[-1]
        self.body = FusedExpression(kernel, group.maps, self.rank, given={self.product}, panels=True)
        self.stored = [n for n in group.stores if not (stage.k_blocked and n is self.product)]
        self.k_blocked = KBlocks(kernel, kernel.write(self.product), self.depth) if stage.k_blocked else None
        self.outputs = [kernel.write(n, panels=True) for n in self.stored]
        self.terms: list[StridedOperand] = [*self.body.terms, *self.outputs]
        self.rows, self.columns = group.space[-2:]
        self.transposed = self._is_transposed()
        if self.transposed:
            self.x, self.y = _transpose(self.y), _transpose(self.x)
            self.terms = [_transpose(t) for t in self.terms]
            self.rows, self.columns = self.columns, self.rows
        self.read = self.terms[: len(self.body.terms)]
        self.crosswise = self._is_crosswise()
        self.far = self._is_far()
        self.expected = self._rows_a_thread()
        self.tile = self._choose()
        self.sideways = self._is_sideways()
        self.prefetched = self._is_prefetched()
        self.spread = self._is_spread()
        self.gathered = self._gathered()
        kernel.notes.append(self._reason())

    def _reason(self) -> str:
        """For people: the tile, and why it was chosen."""
        tile = self.tile
        if self.transposed:
            return f"matrix-vector product along the contiguous axis, {tile.vectors} vectors of {tile.width} at a time"
        if self.sideways:
            return f"matrix-vector product, {tile.rows} rows of the left operand at a time, transposed in registers"
        if tile.width == 1:
            return f"matrix-vector product, scalar: {tile.rows} independent sums hide the latency of a multiply-add"
        if self.crosswise:
            return f"few rows: tiles of {tile.width} x {tile.width} of the right operand are transposed in registers"
        first = "" if self.across is None else "packs the transposed right operand, a panel of columns at a time; "
        each = column_cost(self.expected, tile.rows, tile.vectors) / self.expected / tile.vectors
        share = f"{0.5 / each:.0%} of a core's FMA peak as estimated"
        fetch = "; reads the left operand in panels" if self.x.jump(-2) else ""
        fetch += f"; prefetches the right operand {self.tuning.far_rows} rows ahead" if self.far else ""
        if self.gathered is not None:
            fetch += f"; packs {self.gathered.panels} panels of the right operand at a time"
        if self.k_blocked is not None:
            fetch += f"; k-blocked: {self.tuning.block} steps of k, {self.k_blocked.rows_near(tile)} rows at a time"
        return f"{first}{tile}, {share}{fetch}"

    def _is_far(self) -> bool:
        """Whether the right operand is too large to fit in cache, as that of a k-blocked product is.

        A tile's columns of it lie far apart, and only asking in advance brings them in time.
        """
        if self.k_blocked is not None:
            return True
        shape = self.product.inputs[1].type.shape
        static = len(shape) == 2 and not any(isinstance(d, Sym) for d in shape)
        local = self.transposed or self.crosswise or self.across is not None
        return static and not local and static_size(shape) * ITEMSIZE[self.dtype] >= self.tuning.far_bytes

    def _is_transposed(self) -> bool:
        """A column z = x y whose elements, and all of x's columns, lie side by side: computed as the row y' x'."""
        if self.columns != 1 or self.rows == 1 or isinstance(self.rows, Sym) or self.x.rows:
            return False
        if any(t.panel is not None for t in (self.x, self.y, *self.terms)):
            return False
        addressed = [t for t in self.terms if t.pointer is not None]
        outputs = all(t.strides[-2] == 1 for t in self.outputs)
        return outputs and self.x.strides[-2] == 1 and all(t.strides[-2] in (0, 1) for t in addressed)

    def _is_crosswise(self) -> bool:
        """Whether the right operand is a matrix that lies transposed, see schuss.compiler.passes.materialize."""
        if self.transposed or self.product.inputs[1].type.symbolic:
            return False
        return self.y.strides[-2] == 1 and self.y.strides[-1] > 1 and self._along_columns()

    def _is_sideways(self) -> bool:
        """Whether the product is of one column, and vectors can be made of its rows."""
        single = self.columns == 1 and self.tile.width == 1 and self.k_blocked is None
        width = self.kernel.target.lanes(self.dtype)
        whole = self.tile.rows % width == 0 and isinstance(self.depth, int) and self.depth >= width
        return single and whole and self.x.strides[-1] == 1 and not self.x.rows

    def _along_columns(self) -> bool:
        """Whether the epilogue reads contiguously, or constants, along the columns, and stores contiguously."""
        read = [t for t in self.body.terms if t.pointer is not None]
        return all(t.strides[-1] in (0, 1) for t in read) and all(t.strides[-1] == 1 for t in self.outputs)

    def _choose(self) -> Tile:
        """Scalars, unless every term can be read by vectors along the columns."""
        if self.transposed:
            return Tile(1, 4, self.kernel.target.lanes(self.dtype))
        if self.crosswise:
            return Tile(self.expected, 1, self.kernel.target.lanes(self.dtype))
        plain = self.y.strides[-1] not in (0, 1) or not self._along_columns()
        if plain or self.columns == 1 or isinstance(self.columns, Sym):
            return Tile(min(self.tuning.side_by_side, self.expected), 1, 1)
        columns = -(-self.columns // self.threads) if self.by_columns else self.columns
        panels = any(t.jump(-1) for t in (self.y, *self.terms))
        return choose_tile(self.kernel.target, self.dtype, columns, self.expected, panels)

    def _rows_a_thread(self) -> int:
        whole = self.kernel.plan.storage.capacity if isinstance(self.rows, Sym) else self.rows
        divided = self.rank == 2 and not self.transposed and not self.by_columns
        return max(-(-whole // self.threads) if divided else whole, 1)

    def emit(self) -> None:
        """Batch axes as loops, then the matrix."""
        terms = [self.x, self.y, *self.terms]
        axes = []
        for at, dim in enumerate(self.group.space[:-2]):
            strides = tuple(t.strides[at] for t in terms)
            low, high = self._share(at, dim)
            axes.append(LoopAxis(low, high, None, strides))
        with first_then_rest(self.kernel.b, axes, terms, [I64(0)] * len(terms), self.kernel.order) as offsets:
            self._matrix(offsets)

    def _share(self, axis: int, dim: Dim) -> tuple[Any, Any]:
        """Axis 0 is shared among threads."""
        kernel = self.kernel
        if axis == 0:
            return (lambda b: kernel.low), (lambda b: kernel.high)
        return 0, kernel.length(dim)

    def _matrix(self, offsets: list[Any]) -> None:
        b, tile = self.kernel.b, self.tile
        if self.transposed and self.rank == 2:
            self._share_of_columns(offsets, I64(1), tile)
            return
        if self.transposed:  # threads share the axes in front
            self._panels(offsets, I64(0), I64(1))
            return
        if self.by_columns:
            rows = self.kernel.n if isinstance(self.rows, Sym) else I64(self.rows)
            self._share_of_columns(offsets, rows, tile)
            return
        low, high = (emit_bound(b, bound) for bound in self._share(self.rank - 2, self.rows))
        if self.k_blocked is None:
            self._panels(offsets, low, high)
            return
        with self.k_blocked.blocks(low, high, tile) as (first, end):
            self._panels(offsets, first, end)

    def _panels(self, offsets: list[Any], low: Any, high: Any) -> None:
        """These rows of all columns, a panel of columns at a time."""
        tile, columns = self.tile, self.columns
        at_once = tile.width * tile.vectors
        whole = self.kernel.n if isinstance(columns, Sym) else I64(columns - columns % at_once)
        self._whole_panels(offsets, low, high, (I64(0), whole), tile)
        if isinstance(columns, int) and columns % at_once:
            rest = columns % at_once
            vectors = -(-rest // tile.width)
            self._panel(offsets, low, high, whole, Tile(tile.rows, vectors, tile.width, rest % tile.width))

    def _share_of_columns(self, offsets: list[Any], rows: Any, tile: Tile) -> None:
        """All rows of the columns that are this thread's; what is no whole panel by vectors, the last one masked."""
        kernel, b = self.kernel, self.kernel.b
        at_once = tile.width * tile.vectors
        whole = b.sub(kernel.high, b.srem(b.sub(kernel.high, kernel.low), I64(at_once)))
        self._whole_panels(offsets, I64(0), rows, (kernel.low, whole), tile)
        if tile.width == 1:
            return
        even = isinstance(self.columns, int) and self.columns % (self.threads * lcm(at_once, VIRTUAL_LANES)) == 0
        height = 1 if even else tile.rows  # nothing is left to the expected threads: little code will do for others
        with for_range(b, whole, kernel.high, tile.width) as j:
            mask = tail_mask(b, tile.width, b.sub(kernel.high, j))
            self._panel(offsets, I64(0), rows, j, Tile(height, 1, tile.width), mask)

    def _whole_panels(self, offsets: list[Any], low: Any, high: Any, columns: tuple[Any, Any], tile: Tile) -> None:
        """These rows of these columns: of a panel after the other, or of some panels side by side."""
        b, (start, stop), going = self.kernel.b, columns, self.kernel.going
        if self.gathered is None:
            with for_range(b, start, stop, tile.width * tile.vectors, going=going) as j:
                self._panel(offsets, low, high, j, tile)
            return
        with for_range(b, start, stop, self.gathered.panels * PANEL, going=going) as first:
            end = b.add(first, I64(self.gathered.panels * PANEL))
            end = b.select(b.icmp_signed("<", end, stop), end, stop)
            y, at = self.gathered.copy(offsets[1], first, end)
            self._tiles(y, [offsets[0], at, *offsets[2:]], (low, high), (first, end), tile, None)

    def _panel(self, offsets: list[Any], low: Any, high: Any, j: Any, tile: Tile, mask: Any = None) -> None:
        """All rows of one panel of columns."""
        k = self.kernel.lanes(tile.width)
        b = k.b
        if tile.partial:
            mask = tail_mask(b, tile.width, I64(tile.partial))
        y = self.y
        if self.across is not None:
            y, offsets = self._pack(k, offsets, self.across, j, tile, mask)
        self._tiles(y, offsets, (low, high), (j, None), tile, mask)

    def _tiles(
        self,
        y: StridedOperand,
        offsets: list[Any],
        rows: tuple[Any, Any],
        columns: tuple[Any, Any],
        tile: Tile,
        mask: Any,
    ) -> None:
        """These rows of a panel of columns, or of some side by side, a tile at a time: whole ones, then what is left.

        The heights have code of their own for the sums, which lie in registers, and share the epilogue's.
        columns: the first, and where some panels end.
        """
        k = self.kernel.lanes(tile.width)
        b, (low, high), (first, end) = k.b, rows, columns
        heights = Heights.of(tile, self.expected)
        buffer, height = entry_alloca(b, k.type(self.dtype), tile.rows * tile.vectors), entry_alloca(b, I64)
        panel = Panel(k, self.dtype, tile, first, mask, self.x, y, offsets, buffer)
        if self.spread:
            prefetch_rows(panel, self.read, low, I64(tile.rows))
        with for_range(b, low, high, height) as i:
            b.store(heights.choose(b, b.sub(high, i)), height)
            count, at_once = b.load(height, typ=I64), tile.width * tile.vectors
            below = b.add(i, count)
            if end is None:
                self._tile(panel, i, count, heights, (below, panel))
                return
            with for_range(b, first, end, at_once) as j:
                beside = b.add(j, I64(at_once))
                last = b.icmp_signed(">=", beside, end)
                following = replace(panel, j=b.select(last, first, beside))
                self._tile(replace(panel, j=j), i, count, heights, (b.select(last, below, i), following))

    def _tile(self, panel: Panel, i: Any, rows: Any, heights: Heights, following: tuple[Any, Panel]) -> None:
        """One tile, of one of these heights. following: the first row of the next one, and its panel."""
        b = panel.k.b
        if self.k_blocked is not None:
            self.k_blocked.begin(panel, i, rows)
        elif self.prefetched and not self.spread:
            prefetch_rows(panel, self.read, i, rows)
        with cases(b, rows, heights.each) as case:
            for number in heights.each:
                with case(number):
                    self._sums(panel, i, number, following)
        with contextlib.nullcontext() if self.k_blocked is None else self.k_blocked.when_complete(panel, i, rows):
            self._epilogue(panel, i, rows)

    def _pack(
        self, k: Lanes, offsets: list[Any], across: StridedOperand, j: Any, tile: Tile, mask: Any
    ) -> tuple[StridedOperand, list[Any]]:
        """The panel's columns transposed into this thread's packing buffer; how they are read there, and from where.

        With a mask the last column stands for those that do not exist.
        """
        b, at_once, depth, columns = k.b, tile.width * tile.vectors, self.depth, self.columns
        assert isinstance(depth, int)
        assert isinstance(columns, int)
        last = None if mask is None else b.sub(I64(columns - 1), j)
        lanes = [I64(lane) for lane in range(at_once)]
        if last is not None:
            lanes = [b.select(b.icmp_signed("<", lane, last), lane, last) for lane in lanes]
        starts = [b.add(offsets[1], across.along(b, -1, b.add(j, lane))) for lane in lanes]
        at = b.mul(self.kernel.low, I64(depth))
        y = replace(self.y, strides=(at_once, 1))
        transpose_panel(k, across, starts, last, depth, y, at)
        return y, [offsets[0], b.sub(at, j), *offsets[2:]]

    def _is_prefetched(self) -> bool:
        """Whether the epilogue reads what is asked for first.

        That is a tile's rows at once, or those of the next tile between the steps of long sums: too much at a time
        would keep what the sums read from coming.
        """
        wanted = self.rank == 2 and self.tile.width > 1 and self.k_blocked is None
        return wanted and any(by_place(t) for t in self.read)

    def _gathered(self) -> GatheredPanels | None:
        """Panels of the right operand's columns that are copied for many tiles to read; None where they are not.

        That is the incoming gradient of a weight gradient, whose rows, the examples, lie far apart.
        """
        tuning, kernel, tile = self.kernel.plan.tuning, self.kernel, self.tile
        plain = self.rank == 2 and not self.crosswise and self.across is None and self.k_blocked is None
        if kernel.target.registers > tuning.panel_registers or not plain or not isinstance(self.depth, Sym):
            return None
        whole = isinstance(self.columns, int) and self.columns % PANEL == 0 and PANEL % (tile.width * tile.vectors) == 0
        if tile.width == 1 or not whole or self.expected < tuning.gather_tiles * tile.rows:
            return None
        panels = GatheredPanels(kernel, self.y, self.depth)
        return panels if panels.panels else None

    def _is_spread(self) -> bool:
        """Whether the next tile's are asked for: there are many steps, and the result is no small matrix."""
        if not self.prefetched or self.crosswise:
            return False
        capacity = self.kernel.plan.storage.capacity
        rows, columns, steps = (capacity if isinstance(d, Sym) else d for d in (*self.group.space, self.depth))
        return steps >= self.tuning.spread_steps and rows * columns * ITEMSIZE[self.dtype] >= self.tuning.spread_bytes

    def _sums(self, panel: Panel, i: Any, rows: int, following: tuple[Any, Panel]) -> None:
        """The sums of so many rows into the panel's buffer, in the form that suits how the operands lie."""
        width = self.kernel.target.lanes(self.dtype)
        if self.crosswise:
            assert isinstance(self.depth, int)
            assert isinstance(self.columns, int)
            transposed_sums(panel, i, rows, self.depth, self.columns)
        elif self.sideways and rows % width == 0:
            assert isinstance(self.depth, int)
            column_sums(panel, self.kernel.lanes(width), i, rows, self.depth)
        else:
            whole = I64(0), emit_bound(panel.k.b, self.kernel.length(self.depth))
            steps = whole if self.k_blocked is None else self.k_blocked.steps
            next_row = partial(self._prefetch_next, *following) if self.spread and rows == self.tile.rows else None
            row_sums(
                panel, i, rows, steps, self.k_blocked is not None, self.tuning.far_rows if self.far else 0, next_row
            )

    def _prefetch_next(self, i: Any, panel: Panel, row: Any) -> None:
        """Ask for what the epilogue will read of this row of the tile at row i."""
        prefetch_row(panel, self.read, panel.k.b.add(i, row))

    def _epilogue(self, panel: Panel, i: Any, rows: Any) -> None:
        """The maps evaluated over the buffer, row by row, and everything stored."""
        b, tile = panel.k.b, panel.tile
        order = self.kernel.order if self.rank == 2 else None
        down = LoopAxis(0, 0, None, *zip(*((t.strides[-2], t.jump(-2)) for t in self.terms), strict=True))

        with for_range(b, I64(0), rows) as r:
            base = advance(b, down, self.terms, panel.offsets[2:], b.add(i, r), order)
            base = [b.add(o, panel.column(t)) for t, o in zip(self.terms, base, strict=True)]
            for v in range(tile.vectors):
                place = panel.place_of(r, v)
                at = [b.add(o, I64(v * tile.width * t.strides[-1])) for t, o in zip(self.terms, base, strict=True)]
                self._place(panel.k, at, panel.load(place), panel.mask_of(v))

    def _place(self, k: Lanes, at: list[Any], total: Value, mask: Any) -> None:
        """One vector of the result: the maps of the sums, stored."""
        count = len(self.body.terms)
        loaded = [self.body.load(k, n, at[n], self.terms[n].strides[-1], mask) for n in range(count)]
        values = self.body.evaluate(k, {self.product: total}, loaded)
        for number, node in enumerate(self.stored, start=count):
            store(k, self.terms[number], at[number], values[node], mask)


def _transpose(term: StridedOperand) -> StridedOperand:
    """Rows and columns changed for each other."""
    return replace(term, strides=(*term.strides[:-2], term.strides[-1], term.strides[-2]))
