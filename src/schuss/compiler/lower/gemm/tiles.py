"""Tiles, what of a product is held in registers while its sums run, with their estimated cost; and panels of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.llvm.target import Target
from schuss.compiler.lower.loop_nest import StridedOperand
from schuss.compiler.storage import PANEL

MANY_TILES = 16


@dataclass(frozen=True)
class Tile:
    """Rows x vectors held in registers; lanes of the last vector that exist (0: all)."""

    rows: int
    vectors: int
    width: int
    partial: int = 0

    def __str__(self) -> str:
        return f"tiles of {self.rows} x {self.vectors} vectors of {self.width}"


@dataclass(frozen=True, eq=False)
class Panel:
    """Some columns of a product: what the code for all tiles of them shares.

    k        lanes of the tile's width; dtype: of the product
    j        the first column
    mask     the lanes of the last vector that exist (None: all)
    x, y     the operands as they are read
    offsets  of both, and of each term of the epilogue
    buffer   a tile's sums, row by row, between registers and the epilogue
    """

    k: Lanes
    dtype: str
    tile: Tile
    j: Any
    mask: Any
    x: StridedOperand
    y: StridedOperand
    offsets: list[Any]
    buffer: Any

    def column(self, term: StridedOperand) -> Any:
        """Elements from where a row of the term begins to the panel's first column."""
        return term.along(self.k.b, -1, self.j)

    def mask_of(self, vector: int) -> Any:
        """The mask of one of a row's vectors: only the last has one."""
        return self.mask if vector == self.tile.vectors - 1 else None

    def place(self, number: Any) -> Any:
        """Where in the buffer the vector of this number lies."""
        return self.k.b.gep(self.buffer, [number], source_etype=self.k.type(self.dtype))

    def place_of(self, row: Any, vector: int) -> Any:
        """Where in the buffer this vector of a tile's row lies."""
        b = self.k.b
        return self.place(b.add(b.mul(row, I64(self.tile.vectors)), I64(vector)))

    def zero(self) -> Any:
        """What a sum begins with."""
        return self.k.constant(0, self.dtype).llvm

    def load(self, place: Any) -> Value:
        """The sums that wait there."""
        return Value(self.k.b.load(place, typ=self.k.type(self.dtype)), self.dtype)


def choose_tile(target: Target, dtype: str, columns: int, rows: int, inside: bool = False) -> Tile:
    """The tile with the least estimated time for `rows` rows (those of one thread) of a product.

    inside: whether a tile must lie in one panel (schuss.compiler.storage).
    Per k a tile costs the larger of its multiply-adds and its loads, two of each a cycle, and at
    least the latency of one multiply-add. Rows and columns left over are counted at their own tiles' cost.
    """
    width = target.lanes(dtype)
    vectors = max(1, -(-columns // width))
    best: tuple[float, Tile] | None = None
    for across in range(1, min(4 if rows > 2 else 8, vectors) + 1):
        if inside and PANEL % (across * width):
            continue
        for down in range(1, (target.registers - across - 1) // across + 1):
            panels, rest = divmod(vectors, across)
            cost = panels * column_cost(rows, down, across) + (column_cost(rows, down, rest) if rest else 0)
            if best is None or cost < best[0]:
                best = (cost, Tile(down, across, width))
    assert best is not None
    return best[1]


def column_cost(rows: int, down: int, across: int) -> float:
    """Cycles for each step of the sum of so many rows of `across` vectors, in tiles of `down` rows."""
    last = last_heights(rows, down, across)
    return (rows - sum(last)) // down * _tile_cost(down, across) + sum(_tile_cost(height, across) for height in last)


def last_heights(rows: int, down: int, across: int) -> tuple[int, ...]:
    """Heights of the tiles after those of `down` rows: what is left, or that and one more in two equal parts.

    A tile of one or two rows waits for its multiply-adds; among many tiles it does not matter.
    """
    full, rest = divmod(rows, down)
    if not rest or not full or full > MANY_TILES:
        return (rest,) if rest else ()
    upper = (down + rest + 1) // 2
    both = upper, down + rest - upper
    shared = sum(_tile_cost(height, across) for height in both)
    return both if shared < _tile_cost(down, across) + _tile_cost(rest, across) else (rest,)


@dataclass(frozen=True)
class Heights:
    """The heights of tiles for which there is code: whole ones, those of the rows expected to be left, single rows."""

    each: tuple[int, ...]
    last: tuple[int, ...]

    @staticmethod
    def of(tile: Tile, rows: int) -> Heights:
        """For so many rows, as expected."""
        last = last_heights(rows, tile.rows, tile.vectors)
        return Heights(tuple(dict.fromkeys([tile.rows, *last, 1])), last)

    def choose(self, b: Any, left: Any) -> Any:
        """The largest that is left; where the last two tiles are, the first of them."""
        chosen = I64(self.each[-1])
        for number in sorted(self.each[:-1]):
            chosen = b.select(b.icmp_signed(">=", left, I64(number)), I64(number), chosen)
        if len(self.last) > 1:
            chosen = b.select(b.icmp_signed("==", left, I64(sum(self.last))), I64(self.last[0]), chosen)
        return chosen


def _tile_cost(down: int, across: int) -> float:
    return max(down * across / 2, (down + across) / 2, 4.0) + 0.1
