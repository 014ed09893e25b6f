"""Philox-4x32-10: random bits as a pure function of a key and a counter, equal on every machine.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schuss.errors import UsageError

UInt32 = npt.NDArray[np.uint32]
UInt64 = npt.NDArray[np.uint64]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
# What the key's two words grow by each round: the golden ratio, and sqrt(3) - 1, as fractions of 2**32.
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF
# The last stream belongs to fold_in, so that a new key never repeats bits drawn from the old one.
FOLD_STREAM = MASK

# Blocks worked on at a time: their words (eight bytes each) and products, 400 kB, stay in a core's own cache.
_CHUNK = 8192
FEW = 8  # blocks up to which numbers one by one take less time than arrays


def philox4x32(key: tuple[int, int] | UInt32, counter: UInt32) -> UInt32:
    """Philox-4x32-10: random bits uint32[..., 4] for counters uint32[..., 4] under a uint32[2] key.

    A round: (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)), then the
    key grows by its Weyl constants; hi and lo are the halves of a 64-bit product.
    """
    words = np.asarray(counter, np.uint32)
    flat = words.reshape(-1, 4)
    return _blocks(key, len(flat), lambda start, stop: flat[start:stop].T).reshape(words.shape)


def _blocks(key: tuple[int, int] | UInt32, count: int, counters: Callable[[int, int], Any]) -> UInt32:
    """uint32[count, 4]; counters(start, stop) gives the four words of these blocks' counters, arrays or numbers."""
    result = np.empty((count, 4), np.uint32)
    if count <= FEW:
        words = np.empty((4, count), np.uint64)
        words[0], words[1], words[2], words[3] = counters(0, count)
        for number, block in enumerate(words.T.tolist()):
            result[number] = _block(key, block)
        return result
    room = np.empty((3, 2, min(count, _CHUNK)), np.uint64)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        even, odd, products = room[:, :, : stop - start]
        even[0], odd[0], even[1], odd[1] = counters(start, stop)
        _rounds((int(key[0]), int(key[1])), even, odd, products)
        for word, values in enumerate((even[0], odd[0], even[1], odd[1])):
            result[start:stop, word] = values
    return result


def _block(key: tuple[int, int] | UInt32, counter: Sequence[int]) -> tuple[int, int, int, int]:
    """The ten rounds of one block: a tenth of the time that arrays of one element take."""
    k0, k1 = int(key[0]), int(key[1])
    c0, c1, c2, c3 = counter
    for _ in range(ROUNDS):
        a, b = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & MASK, (a >> 32) ^ c3 ^ k1, a & MASK
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def _rounds(key: tuple[int, int], even: UInt64, odd: UInt64, products: UInt64) -> None:
    """The ten rounds, in place, on the words (c0, c2) and (c1, c3) of many blocks.

    They are 32-bit words held in uint64 arrays [2, blocks], so that a product needs no widening; products: room for it.
    """
    multipliers = np.array(MULTIPLIERS[::-1], np.uint64)[:, None]
    grown = [[[(k + number * w) & MASK] for k, w in zip(key, WEYL, strict=True)] for number in range(ROUNDS)]
    for keys in np.array(grown, np.uint64):
        np.multiply(even[::-1], multipliers, out=products)
        np.right_shift(products, np.uint64(32), out=even)
        np.bitwise_xor(even, odd, out=even)
        np.bitwise_xor(even, keys, out=even)
        np.bitwise_and(products, np.uint64(MASK), out=odd)


def random_bits(key: UInt32, stream: int, step: int, count: int) -> UInt32:
    """`count` random 32-bit words for key uint32[2]: element i is word i % 4 of the block with the counter
    (low half of i // 4, high half of i // 4, step, stream); step is taken modulo 2**32.

    Raises UsageError for a stream outside [0, 2**32 - 1), the last one being fold_in's.
    """
    if not 0 <= stream < FOLD_STREAM:
        raise UsageError(f"random_bits: stream {stream} is outside [0, 2**32 - 1)")

    def counters(start: int, stop: int) -> tuple[Any, ...]:
        index = np.arange(start, stop, dtype=np.uint64)
        return index & np.uint64(MASK), index >> np.uint64(32), step & MASK, stream

    return _blocks(key, -(-count // 4), counters).reshape(-1)[:count]


def random_bits_of_steps(key: UInt32, stream: int, first: int, steps: int, count: int) -> UInt32:
    """random_bits of so many steps from the first on, uint32[steps, count]: small ones take less time together."""
    each = -(-count // 4)

    def counters(start: int, stop: int) -> tuple[Any, ...]:
        step, index = np.divmod(np.arange(start, stop, dtype=np.uint64), np.uint64(each))
        return index, 0, (step + np.uint64(first & MASK)) & np.uint64(MASK), stream

    return _blocks(key, steps * each, counters).reshape(steps, 4 * each)[:, :count]


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
    return np.array(_block(key, (data & MASK, (data >> 32) & MASK, 0, FOLD_STREAM))[:2], np.uint32)


# -- the same, by a builder of code -----------------------------------------------------------------


def emit_word(b: Any, key0: Any, key1: Any, index: Any, step: Any, stream: int) -> Any:
    """The 32 bits of element `index` (int64, its row-major place): word index % 4 of block index // 4."""
    if index.apart == 1 and b.width % 4 == 0:
        return b.philox(key0, key1, index, step, stream)
    block = b.shift_right(index, 2)
    counter = [_low(b, block), _low(b, b.shift_right(block, 32)), _low(b, step), b.constant(stream, "uint32")]
    keys = [key0, key1]
    for _ in range(ROUNDS):
        counter = _emit_round(b, counter, keys)
        keys = [b.add(key, b.constant(w, "uint32")) for key, w in zip(keys, WEYL, strict=True)]
    word, result = b.bit_and(index, b.constant(3, "int64")), counter[3]
    for i in (2, 1, 0):
        result = b.select(b.compare("==", word, b.constant(i, "int64")), counter[i], result)
    return result


def _emit_round(b: Any, c: list[Any], keys: list[Any]) -> list[Any]:
    high0, low0 = _emit_product(b, MULTIPLIERS[0], c[0])
    high1, low1 = _emit_product(b, MULTIPLIERS[1], c[2])
    return [b.bit_xor(b.bit_xor(high1, c[1]), keys[0]), low1, b.bit_xor(b.bit_xor(high0, c[3]), keys[1]), low0]


def _emit_product(b: Any, factor: int, x: Any) -> tuple[Any, Any]:
    """Upper and lower half of the 64-bit product."""
    product = b.mul(b.cast(x, "int64"), b.constant(factor, "int64"))
    return _low(b, b.shift_right(product, 32)), _low(b, product)


def _low(b: Any, x: Any) -> Any:
    return b.cast(x, "uint32")
