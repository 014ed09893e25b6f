"""Whether rows are among those that a model was trained on: figures of rows that it has seen are none of others.

A row is what the model reads of it, prepared, and its target; it has a hash of 40 bits. A training compares all rows.
A model's file has the 4096 lowest hashes of its rows: all of a table of as many, and of a larger one a sample, by which
the rows in common are estimated. Columns that tell little are alike in many rows by chance: as many rows as have an
equal one within the training are no sign.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt
from typing import Any

import numpy as np

from schuss.errors import warn
from schuss.ir.executor import Array

KEPT = 4096  # hashes in a file
BYTES = 5  # of a hash
CHUNK = 1 << 16  # rows that are hashed at once
SURE = 3.0  # deviations beyond what chance would give


@dataclass(frozen=True)
class Common:
    """rows: how many of `of` rows were trained on, estimated unless `exact`. told: whether that is worth a warning."""

    rows: int
    of: int
    exact: bool
    told: bool

    def __str__(self) -> str:
        return f"{'' if self.exact else 'about '}{self.rows:,} of {self.of:,} rows"


@dataclass(frozen=True)
class Seen:
    """The rows of a training.

    rows    how many; twins: the share of them that have an equal one among the others
    lowest  uint64, sorted: the lowest hashes, each once; all of them where `whole`
    """

    rows: int
    twins: float
    lowest: Array
    whole: bool

    @classmethod
    def of(cls, x: Array, y: Array) -> Seen:
        """All of the rows x float32 [N, width], prepared, with targets y, [N] or [N, targets]."""
        found, counts = np.unique(hashes(x, y), return_counts=True)
        return cls(len(x), float(counts[counts > 1].sum() / max(len(x), 1)), found, True)

    def common(self, x: Array, y: Array) -> Common:
        """The rows of others, prepared, that are among these."""
        own = hashes(x, y)
        looked = own if self.whole else own[own <= self.lowest[-1]]
        count, of = int(np.isin(looked, self.lowest).sum()), len(looked)
        chance = of * self.twins + SURE * sqrt(of * self.twins * (1 - self.twins))
        same = self.whole and count == of == self.rows
        return Common(
            round(count * len(own) / max(of, 1)), len(own), self.whole, bool(count) and (same or count > chance)
        )

    def to_json(self) -> dict[str, Any]:
        """As a model file has it."""
        lowest = self.lowest[:KEPT].astype(">u8").view(np.uint8).reshape(-1, 8)[:, -BYTES:]
        text = base64.b64encode(lowest.tobytes()).decode()
        return {
            "rows": self.rows,
            "twins": self.twins,
            "whole": self.whole and len(self.lowest) <= KEPT,
            "hashes": text,
        }

    @classmethod
    def from_json(cls, written: Any) -> Seen | None:
        """None for what no training writes, as in a file of an older version."""
        if not isinstance(written, Mapping):
            return None
        rows, twins, whole, text = (written.get(name) for name in ("rows", "twins", "whole", "hashes"))
        if type(rows) is not int or type(twins) is not float or type(whole) is not bool or not isinstance(text, str):
            return None
        try:
            lowest = _numbers(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return None
        return cls(rows, twins, lowest, whole) if len(lowest) and 0 <= twins <= 1 else None


def hashes(x: Array, y: Array) -> Array:
    """uint64 [N], below 2**40: of each row of x float32 [N, width] with its target y, [N] or [N, targets]."""
    y = np.asarray(y, "<f8").reshape(len(x), -1)
    found = []
    for start in range(0, len(x), CHUNK):
        parts = [
            np.ascontiguousarray(a[start : start + CHUNK] + a.dtype.type(0)) for a in (x.astype("<f4"), y)
        ]  # -0 is 0
        rows = np.hstack([part.view(np.uint8) for part in parts])
        data, size = rows.tobytes(), rows.shape[1]
        found += [blake2b(data[at : at + size], digest_size=BYTES).digest() for at in range(0, len(data), size)]
    return _numbers(b"".join(found))


def _numbers(data: bytes) -> Array:
    """uint64 of hashes one after another. ValueError for half ones."""
    wide = np.frombuffer(data, np.uint8).reshape(-1, BYTES)
    return np.pad(wide, ((0, 0), (8 - BYTES, 0))).view(">u8")[:, 0].astype(np.uint64)


def warn_of_seen(common: Common, what: str, trained: str, mend: str) -> None:
    """A warning where rows were trained on. what: the table they are in; trained: by what."""
    if common.told:
        warn(
            f"{what}: {common} are among those that {trained} trained on: their figures tell nothing of "
            f"rows that it has not seen; {mend}"
        )


__all__ = ["Common", "Seen", "hashes", "warn_of_seen"]
