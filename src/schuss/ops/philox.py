"""Philox-4x32-10: random bits as a pure function of a key and a counter, equal on every machine.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from schuss.errors import UsageError

UInt32 = npt.NDArray[np.uint32]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
# What the key's two words grow by each round: the golden ratio, and sqrt(3) - 1, as fractions of 2**32.
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF
# The last stream belongs to fold_in, so that a new key never repeats bits drawn from the old one.
FOLD_STREAM = MASK

# Blocks worked on at a time: the temporaries (eight bytes a word) stay in a core's own cache.
_CHUNK = 8192


def philox4x32(key: tuple[int, int] | UInt32, counter: UInt32) -> UInt32:
    """Philox-4x32-10: random bits uint32[..., 4] for counters uint32[..., 4] under a uint32[2] key.

    A round: (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)), then the
    key grows by its Weyl constants; hi and lo are the halves of a 64-bit product.
    """
    words = np.asarray(counter, np.uint32)
    flat = words.reshape(-1, 4)
    result = np.empty_like(flat)
    pair = (int(key[0]), int(key[1]))
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK]
        lanes = [chunk[:, i].astype(np.uint64) for i in range(4)]
        for i, lane in enumerate(_rounds(pair, *lanes)):
            result[start : start + _CHUNK, i] = lane
    return result.reshape(words.shape)


def _rounds(
    key: tuple[int, int],
    c0: npt.NDArray[np.uint64],
    c1: npt.NDArray[np.uint64],
    c2: npt.NDArray[np.uint64],
    c3: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.uint64], ...]:
    """The ten rounds on 32-bit words held in uint64 arrays, so that a product needs no widening."""
    low, half = np.uint64(MASK), np.uint64(32)
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * m0, c2 * m1
        c0, c2 = (p1 >> half) ^ c1 ^ np.uint64(k0), (p0 >> half) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def random_bits(key: UInt32, stream: int, step: int, count: int) -> UInt32:
    """`count` random 32-bit words for key uint32[2]: element i is word i % 4 of the block with the counter
    (low half of i // 4, high half of i // 4, step, stream); step is taken modulo 2**32.

    Raises UsageError for a stream outside [0, 2**32 - 1), the last one being fold_in's.
    """
    if not 0 <= stream < FOLD_STREAM:
        raise UsageError(f"random_bits: stream {stream} is outside [0, 2**32 - 1)")
    blocks = -(-count // 4)
    result = np.empty((blocks, 4), np.uint32)
    pair = (int(key[0]), int(key[1]))
    for start in range(0, blocks, _CHUNK):
        index = np.arange(start, min(start + _CHUNK, blocks), dtype=np.uint64)
        high = index >> np.uint64(32)
        constants = (np.full_like(index, step & MASK), np.full_like(index, stream))
        for i, lane in enumerate(_rounds(pair, index & np.uint64(MASK), high, *constants)):
            result[start : start + _CHUNK, i] = lane
    return result.reshape(-1)[:count]


def key_from_seed(seed: int) -> UInt32:
    """The key uint32[2] (low half, high half) of a seed in [0, 2**64). Raises UsageError for other seeds."""
    try:
        value = operator.index(seed)
    except TypeError:
        raise UsageError(f"the seed must be a whole number, got {seed!r}") from None
    if not 0 <= value < 2**64:
        raise UsageError(f"the seed must be in [0, 2**64), got {value}")
    return np.array([value & MASK, value >> 32], np.uint32)


def fold_in(key: UInt32, data: int) -> UInt32:
    """A new key uint32[2], a function of key and data (taken modulo 2**64).

    It is the first half of the block with the counter (low half of data, high half of data, 0, 2**32 - 1),
    which random_bits never draws.
    """
    counter = np.array([data & MASK, (data >> 32) & MASK, 0, FOLD_STREAM], np.uint32)
    return philox4x32(key, counter)[:2].copy()
