"""How much of a product is held in registers while its sums run, and what that is estimated to cost."""

from __future__ import annotations

from dataclasses import dataclass

from schuss.codegen.target import Target


@dataclass(frozen=True)
class Tile:
    """Rows x vectors held in registers; lanes of the last vector that exist (0: all)."""

    rows: int
    vectors: int
    width: int
    partial: int = 0


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
