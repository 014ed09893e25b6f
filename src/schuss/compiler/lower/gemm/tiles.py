"""Tiles, what of a product is held in registers while its sums run, with their estimated cost; and panels of tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.llvm.target import Target
from schuss.compiler.lower.loop_nest import StridedOperand


@dataclass(frozen=True)
class Tile:
    """Rows x vectors held in registers; lanes of the last vector that exist (0: all)."""

    rows: int
    vectors: int
    width: int
    partial: int = 0


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


def choose_tile(target: Target, dtype: str, columns: int, rows: int) -> Tile:
    """The tile with the least estimated time for `rows` rows (those of one thread) of a product.

    Per k a tile costs the larger of its multiply-adds and its loads, two of each a cycle, and at
    least the latency of one multiply-add. Rows and columns left over are counted at their own tiles' cost.
    """
    width = target.lanes(dtype)
    vectors = max(1, -(-columns // width))
    best: tuple[float, Tile] | None = None
    for across in range(1, min(4 if rows > 2 else 8, vectors) + 1):
        for down in range(1, (target.registers - across - 1) // across + 1):
            panels, rest = divmod(vectors, across)
            cost = panels * column_cost(rows, down, across) + (column_cost(rows, down, rest) if rest else 0)
            if best is None or cost < best[0]:
                best = (cost, Tile(down, across, width))
    assert best is not None
    return best[1]


def column_cost(rows: int, down: int, across: int) -> float:
    """Cycles for each step of the sum of so many rows of `across` vectors, in tiles of `down` rows."""
    full, rest = divmod(rows, down)
    return full * _tile_cost(down, across) + (_tile_cost(rest, across) if rest else 0)


def _tile_cost(down: int, across: int) -> float:
    return max(down * across / 2, (down + across) / 2, 4.0) + 0.1
