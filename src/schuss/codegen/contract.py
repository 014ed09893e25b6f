"""Lowering of CONTRACT groups: z[i, j] = sum over k of x[i, k] * y[k, j], then maps in the epilogue.

A tile of rows x vectors of z is held in registers while k runs; each element adds its products in
ascending k, one fused multiply-add each, so tiles, widths and threads change no bits. The right
operand's rows are contiguous and need no packing; the left operand is read one scalar at a time with
any strides, so x @ w, x' @ g and g @ w' all take this one path. A right operand that lies transposed is not
copied first: it is turned block by block in registers for few rows, and a large one a panel of columns at a
time (schuss.codegen.turns); so is the left one, block by block, where z is one column. Deep sums
(schuss.passes.memory) go in blocks, and begin each with what memory holds of them so far. A finished tile goes
through a small buffer and the epilogue's maps run over it row by row, their code emitted once.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication (2008), the inner kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from math import lcm
from typing import Any

from schuss.codegen.kernel import VIRTUAL_LANES, Kernel, load, prefetch, store, tail_mask
from schuss.codegen.lanes import I64, Lanes, Value
from schuss.codegen.leaves import Body
from schuss.codegen.loops import cases, entry_alloca, for_range
from schuss.codegen.terms import Axis, Term, advance, emit_bound, first_then_rest
from schuss.codegen.tiles import Tile, choose_tile, column_cost
from schuss.codegen.turns import turn_panel, turned
from schuss.ir.types import Dim, Sym, static_size
from schuss.passes.memory import Stage
from schuss.passes.storage import ITEMSIZE, LARGE, LINE

FETCH_ROWS = 64  # how many rows in advance those of a LARGE right operand are asked for
BLOCK = 512  # steps of a deep sum at a time
SPREAD, SPREAD_BYTES = 64, 1 << 17  # steps and size of a result from which on what is read with it is asked for in turn
NEAR = 1 << 19  # bytes of the left operand that such a block may take
SCALARS = 16  # rows of a product of one column computed side by side, to hide each multiply-add's latency


class Contraction:
    """One product and its epilogue: the terms, the tiles and the code."""

    def __init__(self, kernel: Kernel, stage: Stage, threads: int) -> None:
        group = stage.group
        assert group.anchor is not None
        self.kernel = kernel
        self.group = group
        self.threads = threads
        self.by_columns = stage.division[0] == "columns"
        self.product = group.anchor
        x, y = self.product.inputs
        self.dtype = self.product.type.dtype
        self.rank = len(group.space)
        self.x, self.y = kernel.read(x, self.rank), kernel.read(y, self.rank)
        self.across: Term | None = None  # the right operand where it lies, if panels of it are turned first
        if stage.packs:
            room = kernel.pointer(kernel.plan.rooms[group], 0, self.product.type.dtype)
            self.across, self.y = self.y, Term((1, 1), room, self.product.type.dtype)
        self.depth: Dim = x.type.shape[-1]
        self.body = Body(kernel, group.maps, self.rank, given={self.product})
        self.stored = [n for n in group.stores if not (stage.deep and n is self.product)]
        self.so_far = kernel.write(self.product) if stage.deep else None
        self.block: tuple[Any, Any] = (I64(0), None)  # of the sums: from here on, to there (None: their end)
        self.outputs = [kernel.write(n) for n in self.stored]
        self.terms: list[Term] = [*self.body.terms, *self.outputs]
        self.rows, self.columns = group.space[-2:]
        self.turned = self._is_turned()
        if self.turned:
            self.x, self.y = _turn(self.y), _turn(self.x)
            self.terms = [_turn(t) for t in self.terms]
            self.rows, self.columns = self.columns, self.rows
        self.crosswise = self._is_crosswise()
        self.far = self._is_far()
        self.expected = self._rows_a_thread()
        self.tile = self._choose()
        self.sideways = self._is_sideways()
        self.fetched = self._is_fetched()
        self.spread = self._is_spread()
        kernel.notes.append(self._reason())

    def _reason(self) -> str:
        """For people: the tile, and why it was chosen."""
        tile = self.tile
        if self.turned:
            return f"one column, computed as a row: {tile.vectors} vectors of {tile.width} at a time"
        if self.sideways:
            return f"one column: blocks of {tile.rows} rows of the left operand are turned in registers"
        if tile.width == 1:
            return f"one column: {tile.rows} sums side by side hide the latency of a multiply-add"
        if self.crosswise:
            return f"few rows: blocks of {tile.width} x {tile.width} of the right operand are turned in registers"
        first = "" if self.across is None else "turns a panel of the right operand's columns at a time; "
        each = column_cost(self.expected, tile.rows, tile.vectors) / self.expected / tile.vectors
        share = f"{0.5 / each:.0%} of the multiply-adds a core can do, as estimated"
        fetch = f"; asks for the right operand {FETCH_ROWS} rows in advance" if self.far else ""
        if self.so_far is not None:
            fetch += f"; long sums in blocks of {BLOCK} steps, {self._rows_near()} rows at a time"
        return f"{first}tiles of {tile.rows} rows x {tile.vectors} vectors of {tile.width}, {share}{fetch}"

    def _is_far(self) -> bool:
        """Whether the right operand is too large to be near, as that of deep sums is: a tile's columns of it lie far

        apart, and only asking in advance brings them in time.
        """
        if self.so_far is not None:
            return True
        shape = self.product.inputs[1].type.shape
        static = len(shape) == 2 and not any(isinstance(d, Sym) for d in shape)
        near = self.turned or self.crosswise or self.across is not None
        return static and not near and static_size(shape) * ITEMSIZE[self.dtype] >= LARGE

    def _is_turned(self) -> bool:
        """A column z = x y whose elements, and all of x's columns, lie side by side: computed as the row y' x'."""
        if self.rank != 2 or self.columns != 1 or self.rows == 1 or isinstance(self.rows, Sym) or self.x.rows:
            return False
        addressed = [t for t in self.terms if t.pointer is not None]
        outputs = all(t.strides[-2] == 1 for t in self.outputs)
        return outputs and self.x.strides[-2] == 1 and all(t.strides[-2] in (0, 1) for t in addressed)

    def _is_crosswise(self) -> bool:
        """Whether the right operand is a matrix that lies transposed, see schuss.passes.materialize."""
        if self.turned or self.product.inputs[1].type.symbolic:
            return False
        return self.y.strides[-2] == 1 and self.y.strides[-1] > 1 and self._along_columns()

    def _is_sideways(self) -> bool:
        """Whether the product is of one column, and vectors can be made of its rows."""
        single = self.columns == 1 and self.tile.width == 1 and self.so_far is None
        width = self.kernel.target.lanes(self.dtype)
        whole = self.tile.rows % width == 0 and isinstance(self.depth, int) and self.depth >= width
        return single and whole and self.x.strides[-1] == 1 and not self.x.rows

    def _along_columns(self) -> bool:
        """Whether the epilogue reads contiguously, or constants, along the columns, and stores contiguously."""
        read = [t for t in self.body.terms if t.pointer is not None]
        return all(t.strides[-1] in (0, 1) for t in read) and all(t.strides[-1] == 1 for t in self.outputs)

    def _choose(self) -> Tile:
        """Scalars, unless every term can be read by vectors along the columns."""
        if self.turned:
            return Tile(1, 4, self.kernel.target.lanes(self.dtype))
        if self.crosswise:
            return Tile(self.expected, 1, self.kernel.target.lanes(self.dtype))
        plain = self.y.strides[-1] not in (0, 1) or not self._along_columns()
        if plain or self.columns == 1 or isinstance(self.columns, Sym):
            return Tile(min(SCALARS, self.expected), 1, 1)
        columns = -(-self.columns // self.threads) if self.by_columns else self.columns
        return choose_tile(self.kernel.target, self.dtype, columns, self.expected)

    def _rows_a_thread(self) -> int:
        whole = self.kernel.plan.storage.capacity if isinstance(self.rows, Sym) else self.rows
        divided = self.rank == 2 and not self.turned and not self.by_columns
        return max(-(-whole // self.threads) if divided else whole, 1)

    def emit(self) -> None:
        """Batch axes as loops, then the matrix."""
        terms = [self.x, self.y, *self.terms]
        axes = []
        for at, dim in enumerate(self.group.space[:-2]):
            strides = tuple(t.strides[at] for t in terms)
            low, high = self._share(at, dim)
            axes.append(Axis(low, high, None, strides))
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
        if self.turned:
            self._share_of_columns(offsets, I64(1), tile)
            return
        if self.by_columns:
            rows = self.kernel.n if isinstance(self.rows, Sym) else I64(self.rows)
            self._share_of_columns(offsets, rows, tile)
            return
        low, high = (emit_bound(b, bound) for bound in self._share(self.rank - 2, self.rows))
        if self.so_far is None:
            self._panels(offsets, low, high)
            return
        if isinstance(self.depth, Sym):  # a block of examples serves all rows of a gradient
            with self._some_steps(), self._some_rows(low, high) as (first, end):
                self._panels(offsets, first, end)
        else:  # the sums of some rows stay near from block to block
            with self._some_rows(low, high) as (first, end), self._some_steps():
                self._panels(offsets, first, end)

    @contextlib.contextmanager
    def _some_rows(self, low: Any, high: Any) -> Iterator[tuple[Any, Any]]:
        """The rows of a deep product in portions: their block of the left operand stays in a core's own cache."""
        b, rows = self.kernel.b, self._rows_near()
        with for_range(b, low, high, rows) as first:
            end = b.add(first, I64(rows))
            yield first, b.select(b.icmp_signed("<", end, high), end, high)

    def _rows_near(self) -> int:
        return max(NEAR // (BLOCK * ITEMSIZE[self.dtype]) // self.tile.rows, 1) * self.tile.rows

    @contextlib.contextmanager
    def _some_steps(self) -> Iterator[None]:
        """A deep product's sums in blocks; one of none where there is nothing to add."""
        b = self.kernel.b
        whole = emit_bound(b, self.kernel.length(self.depth))
        with for_range(b, I64(0), b.select(b.icmp_signed(">", whole, I64(0)), whole, I64(1)), BLOCK) as start:
            end = b.add(start, I64(BLOCK))
            self.block = start, b.select(b.icmp_signed("<", end, whole), end, whole)
            yield

    def _panels(self, offsets: list[Any], low: Any, high: Any) -> None:
        """These rows of all columns, a panel of columns at a time."""
        b, tile = self.kernel.b, self.tile
        panel = tile.width * tile.vectors
        columns = self.columns
        whole = self.kernel.n if isinstance(columns, Sym) else I64(columns - columns % panel)
        with for_range(b, I64(0), whole, panel) as j:
            self._panel(offsets, low, high, j, tile)
        if isinstance(columns, int) and columns % panel:
            rest = columns % panel
            vectors = -(-rest // tile.width)
            self._panel(offsets, low, high, whole, Tile(tile.rows, vectors, tile.width, rest % tile.width))

    def _share_of_columns(self, offsets: list[Any], rows: Any, tile: Tile) -> None:
        """All rows of the columns that are this thread's; what is no whole panel by vectors, the last one masked."""
        kernel, b = self.kernel, self.kernel.b
        panel = tile.width * tile.vectors
        whole = b.sub(kernel.high, b.srem(b.sub(kernel.high, kernel.low), I64(panel)))
        with for_range(b, kernel.low, whole, panel) as j:
            self._panel(offsets, I64(0), rows, j, tile)
        if tile.width == 1:
            return
        even = isinstance(self.columns, int) and self.columns % (self.threads * lcm(panel, VIRTUAL_LANES)) == 0
        height = 1 if even else tile.rows  # nothing is left to the expected threads: little code will do for others
        with for_range(b, whole, kernel.high, tile.width) as j:
            mask = tail_mask(b, tile.width, b.sub(kernel.high, j))
            self._panel(offsets, I64(0), rows, j, Tile(height, 1, tile.width), mask)

    def _panel(self, offsets: list[Any], low: Any, high: Any, j: Any, tile: Tile, mask: Any = None) -> None:
        """All rows of one panel of columns, a tile at a time: whole ones, the rows expected to be left, single rows.

        The heights have code of their own for the sums, which lie in registers, and share the epilogue's.
        """
        k = self.kernel.lanes(tile.width)
        b, type = k.b, k.type(self.dtype)
        if tile.partial:
            mask = tail_mask(b, tile.width, I64(tile.partial))
        if self.across is not None:
            offsets = self._pack(k, offsets, self.across, j, tile, mask)
        heights = list(dict.fromkeys([tile.rows, max(self.expected % tile.rows, 1), 1]))
        buffer, height = entry_alloca(b, type, tile.rows * tile.vectors), entry_alloca(b, I64)
        if self.spread:
            self._fetch_rows(offsets, low, j, tile, I64(tile.rows))
        with for_range(b, low, high, height) as i:
            self._choose_height(heights, b.sub(high, i), height)
            rows = b.load(height, typ=I64)
            if self.so_far is not None:
                self._begin(k, i, j, tile, mask, buffer, rows)
            elif self.fetched and not self.spread:
                self._fetch_rows(offsets, i, j, tile, rows)
            with cases(b, rows, heights) as case:
                for number in heights:
                    with case(number):
                        self._sums(k, offsets, i, j, replace(tile, rows=number), mask, buffer)
            if self.so_far is None:
                self._epilogue(k, offsets, i, j, tile, mask, buffer, rows)
            else:
                whole = emit_bound(b, self.kernel.length(self.depth))
                with b.if_else(b.icmp_signed("<", self.block[1], whole)) as (more, done):
                    with more:
                        self._keep(k, i, j, tile, mask, buffer, rows)
                    with done:
                        self._epilogue(k, offsets, i, j, tile, mask, buffer, rows)

    def _pack(self, k: Lanes, offsets: list[Any], across: Term, j: Any, tile: Tile, mask: Any) -> list[Any]:
        """The panel's columns turned into this thread's part of the room; the offsets with which it is read there.

        With a mask the last column stands for those that do not exist.
        """
        b, panel, depth, columns = k.b, tile.width * tile.vectors, self.depth, self.columns
        assert isinstance(depth, int)
        assert isinstance(columns, int)
        last = None if mask is None else b.sub(I64(columns - 1), j)
        lanes = [I64(lane) for lane in range(panel)]
        if last is not None:
            lanes = [b.select(b.icmp_signed("<", lane, last), lane, last) for lane in lanes]
        starts = [b.add(offsets[1], b.mul(b.add(j, lane), I64(across.strides[-1]))) for lane in lanes]
        at = b.mul(self.kernel.low, I64(depth))
        self.y = replace(self.y, strides=(panel, 1))
        turn_panel(k, across, starts, last, depth, self.y, at)
        return [offsets[0], b.sub(at, j), *offsets[2:]]

    def _begin(self, k: Lanes, i: Any, j: Any, tile: Tile, mask: Any, buffer: Any, rows: Any) -> None:
        """A deep product's sums so far into the buffer; zeros at first. Those of the next tile are asked for."""
        b, zero = k.b, k.constant(0, self.dtype).llvm
        with b.if_else(b.icmp_signed("==", self.block[0], I64(0))) as (first, later):
            with first, for_range(b, I64(0), b.mul(rows, I64(tile.vectors))) as number:
                b.store(zero, b.gep(buffer, [number], source_etype=zero.type))
            with later:
                for place, at, masked in self._vectors(k, i, j, tile, mask, buffer, rows):
                    b.store(load(k, self._partial, at, 1, masked).llvm, place)
                    prefetch(b, self._partial, b.add(at, I64(tile.rows * self._partial.strides[-2])))

    def _keep(self, k: Lanes, i: Any, j: Any, tile: Tile, mask: Any, buffer: Any, rows: Any) -> None:
        """And from the buffer to memory, where the sum goes on."""
        for place, at, masked in self._vectors(k, i, j, tile, mask, buffer, rows):
            store(k, self._partial, at, Value(k.b.load(place, typ=k.type(self.dtype)), self.dtype), masked)

    def _vectors(
        self, k: Lanes, i: Any, j: Any, tile: Tile, mask: Any, buffer: Any, rows: Any
    ) -> Iterator[tuple[Any, Any, Any]]:
        """(place in the buffer, offset in memory, mask) for each vector of a tile."""
        b = k.b
        with for_range(b, I64(0), rows) as r:
            row = b.add(b.mul(b.add(i, r), I64(self._partial.strides[-2])), j)
            for v in range(tile.vectors):
                place = b.gep(buffer, [b.add(b.mul(r, I64(tile.vectors)), I64(v))], source_etype=k.type(self.dtype))
                yield place, b.add(row, I64(v * tile.width)), self._mask(tile, v, mask)

    @property
    def _partial(self) -> Term:
        assert self.so_far is not None
        return self.so_far

    def _choose_height(self, heights: list[int], left: Any, place: Any) -> None:
        b = self.kernel.b
        chosen = I64(heights[-1])
        for number in reversed(heights[:-1]):
            chosen = b.select(b.icmp_signed(">=", left, I64(number)), I64(number), chosen)
        b.store(chosen, place)

    def _fetch_rows(self, offsets: list[Any], i: Any, j: Any, tile: Tile, rows: Any) -> None:
        """Ask for what the epilogue will read of these rows (weights, moments), so that it comes while k runs."""
        with for_range(self.kernel.b, I64(0), rows) as r:
            self._fetch_row(offsets, self.kernel.b.add(i, r), j, tile)

    def _fetch_row(self, offsets: list[Any], at: Any, j: Any, tile: Tile) -> None:
        b = self.kernel.b
        for term, offset in zip(self.terms[: len(self.body.terms)], offsets[2:], strict=False):
            if self._by_place(term):
                row = b.add(b.add(offset, b.mul(at, I64(term.strides[-2]))), j)
                for v in range(tile.vectors):
                    prefetch(b, term, b.add(row, I64(v * tile.width)))

    def _is_fetched(self) -> bool:
        """Whether the epilogue reads what is asked for first: a tile's rows at once, or those of the next tile between

        the steps of long sums, for too much at a time would keep what the sums read from coming.
        """
        read = self.terms[: len(self.body.terms)]
        wanted = self.rank == 2 and self.tile.width > 1 and self.so_far is None
        return wanted and any(self._by_place(t) for t in read)

    def _is_spread(self) -> bool:
        """Whether the next tile's are asked for: there are many steps, and the result is no small matrix."""
        if not self.fetched or self.crosswise:
            return False
        capacity = self.kernel.plan.storage.capacity
        rows, columns, steps = (capacity if isinstance(d, Sym) else d for d in (*self.group.space, self.depth))
        return steps >= SPREAD and rows * columns * ITEMSIZE[self.dtype] >= SPREAD_BYTES

    def _by_place(self, term: Term) -> bool:
        return term.pointer is not None and term.strides[-1] == 1 and term.strides[-2] != 0 and not term.rows

    def _sums(self, k: Lanes, offsets: list[Any], i: Any, j: Any, tile: Tile, mask: Any, buffer: Any) -> None:
        """A tile's sums over k, in registers, then in the buffer."""
        if self.crosswise:
            self._turned_sums(k, offsets, i, j, tile, buffer)
            return
        width = self.kernel.target.lanes(self.dtype)
        if self.sideways and tile.rows % width == 0:
            self._column_sums(self.kernel.lanes(width), offsets, i, tile, buffer)
            return
        b, type = k.b, k.type(self.dtype)
        sums = [k.constant(0, self.dtype).llvm] * (tile.rows * tile.vectors)
        if self.so_far is not None:
            sums = [b.load(b.gep(buffer, [I64(n)], source_etype=type), typ=type) for n in range(len(sums))]
        x0 = b.add(offsets[0], b.mul(i, I64(self.x.strides[-2])))
        y0 = b.add(offsets[1], b.mul(j, I64(self.y.strides[-1])))
        low, high = self.block
        end = emit_bound(b, self.kernel.length(self.depth)) if high is None else high

        def some(first: Any, last: Any) -> None:
            with for_range(b, first, last, carried=sums) as step:
                xk = b.add(x0, b.mul(step, I64(self.x.strides[-1])))
                yk = b.add(y0, b.mul(step, I64(self.y.strides[-2])))
                right = [
                    load(k, self.y, b.add(yk, I64(v * tile.width)), self.y.strides[-1], self._mask(tile, v, mask))
                    for v in range(tile.vectors)
                ]
                if self.far and tile.width > 1:
                    for v in range(0, tile.vectors, max(1, LINE // (tile.width * ITEMSIZE[self.dtype]))):
                        ahead = b.add(yk, I64(v * tile.width + FETCH_ROWS * self.y.strides[-2]))
                        prefetch(b, self.y, ahead, write=False)
                for r in range(tile.rows):
                    left = load(k, self.x, b.add(xk, I64(r * self.x.strides[-2])), 0)
                    for n, vector in enumerate(right, start=r * tile.vectors):
                        sums[n] = k.fma(left, vector, Value(sums[n], self.dtype)).llvm

        if not self.spread or tile.rows < self.tile.rows:
            some(low, end)
        else:
            rows = I64(tile.rows)
            with for_range(b, I64(0), rows, carried=sums) as row:
                self._fetch_row(offsets, b.add(b.add(i, rows), row), j, tile)
                some(*(b.sdiv(b.mul(end, number), rows) for number in (row, b.add(row, I64(1)))))
        for number, total in enumerate(sums):
            b.store(total, b.gep(buffer, [I64(number)], source_etype=type))

    def _turned_sums(self, k: Lanes, offsets: list[Any], i: Any, j: Any, tile: Tile, buffer: Any) -> None:
        """As _sums; lane l of the right operand's rows is its column j + l, which lies in a row. Lanes beyond the

        last column repeat it.
        """
        b, width, columns = k.b, k.width, self.columns
        assert isinstance(columns, int)
        x0 = b.add(offsets[0], b.mul(i, I64(self.x.strides[-2])))
        last = b.sub(I64(columns - 1), j)
        lanes = [b.select(b.icmp_signed("<", I64(lane), last), I64(lane), last) for lane in range(width)]
        starts = [b.add(offsets[1], b.mul(b.add(j, lane), I64(self.y.strides[-1]))) for lane in lanes]
        lefts = [b.add(x0, I64(r * self.x.strides[-2])) for r in range(tile.rows)]
        self._lane_sums(k, (self.y, -1), starts, last, (self.x, -1), lefts, buffer)

    def _column_sums(self, k: Lanes, offsets: list[Any], i: Any, tile: Tile, buffer: Any) -> None:
        """As _sums, of one column; lane l of a vector is a row of the tile."""
        b, scalar, vector = k.b, self.kernel.lanes(1).type(self.dtype), k.type(self.dtype)
        for first in range(0, tile.rows, k.width):
            rows = [b.add(i, I64(first + lane)) for lane in range(k.width)]
            starts = [b.add(offsets[0], b.mul(row, I64(self.x.strides[-2]))) for row in rows]
            place = b.bitcast(b.gep(buffer, [I64(first)], source_etype=scalar), vector.as_pointer())
            self._lane_sums(k, (self.x, -2), starts, None, (self.y, -2), [offsets[1]], place)

    def _lane_sums(
        self,
        k: Lanes,
        lanes: tuple[Term, int],
        starts: list[Any],
        last: Any,
        scalars: tuple[Term, int],
        lefts: list[Any],
        buffer: Any,
    ) -> None:
        """The sums of vectors times each of some scalars, into the buffer.

        lanes: the operand of which lane l is read from starts[l] on, along k, in square blocks that are turned in
        registers, and the axis on which lanes lie; last: the last lane that exists, if one may not.
        scalars: the other operand and its axis k; lefts: where it is read from on for each sum.
        """
        b, type, width, depth = k.b, k.type(self.dtype), k.width, self.depth
        assert isinstance(depth, int)
        (across, axis), (other, along) = lanes, scalars
        sums = [k.constant(0, self.dtype).llvm] * len(lefts)

        def add(step: Any, right: Value) -> None:
            far = b.mul(step, I64(other.strides[along]))
            for n, start in enumerate(lefts):
                left = load(k, other, b.add(start, far), 0)
                sums[n] = k.fma(left, right, Value(sums[n], self.dtype)).llvm

        whole = depth - depth % width
        with for_range(b, I64(0), I64(whole), width, sums) as block:
            rows = [load(k, across, b.add(start, block), 1) for start in starts]
            for c, right in enumerate(turned(k, rows)):
                add(b.add(block, I64(c)), right)
        for step in range(whole, depth):
            add(I64(step), load(k, across, b.add(starts[0], I64(step)), across.strides[axis], last=last))
        for number, total in enumerate(sums):
            b.store(total, b.gep(buffer, [I64(number)], source_etype=type)).align = ITEMSIZE[self.dtype]

    def _mask(self, tile: Tile, vector: int, mask: Any) -> Any:
        """A mask is for the last vector."""
        return mask if vector == tile.vectors - 1 else None

    def _epilogue(
        self, k: Lanes, offsets: list[Any], i: Any, j: Any, tile: Tile, mask: Any, buffer: Any, rows: Any
    ) -> None:
        """The maps evaluated over the buffer, row by row, and everything stored."""
        b, type = k.b, k.type(self.dtype)
        order = self.kernel.order if self.rank == 2 else None
        down = Axis(0, 0, None, tuple(t.strides[-2] for t in self.terms))

        with for_range(b, I64(0), rows) as r:
            base = advance(b, down, self.terms, offsets[2:], b.add(i, r), order)
            base = [b.add(o, b.mul(j, I64(t.strides[-1]))) for t, o in zip(self.terms, base, strict=True)]
            for v in range(tile.vectors):
                place = b.gep(buffer, [b.add(b.mul(r, I64(tile.vectors)), I64(v))], source_etype=type)
                at = [b.add(o, I64(v * tile.width * t.strides[-1])) for t, o in zip(self.terms, base, strict=True)]
                self._place(k, at, Value(b.load(place, typ=type), self.dtype), self._mask(tile, v, mask))

    def _place(self, k: Lanes, at: list[Any], total: Value, mask: Any) -> None:
        """One vector of the result: the maps of the sums, stored."""
        count = len(self.body.terms)
        loaded = [self.body.load(k, n, at[n], self.terms[n].strides[-1], mask) for n in range(count)]
        values = self.body.evaluate(k, {self.product: total}, loaded)
        for number, node in enumerate(self.stored, start=count):
            store(k, self.terms[number], at[number], values[node], mask)


def _turn(term: Term) -> Term:
    """Rows and columns changed for each other."""
    return replace(term, strides=(*term.strides[:-2], term.strides[-1], term.strides[-2]))


def emit_contract_group(kernel: Kernel, stage: Stage, threads: int) -> None:
    """The product and its epilogue."""
    Contraction(kernel, stage, threads).emit()
