"""Philox-4x32-10 in lanes: each lane computes the block its element lies in and picks its word.

Bit-equal to schuss.ops.philox. Source: Salmon et al., Parallel random numbers (SC 2011).
"""

from __future__ import annotations

from typing import Any

from schuss.compiler.llvm.simd import Lanes, Value

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def philox_word(k: Lanes, key0: Value, key1: Value, index: Value, step: Value, stream: int) -> Value:
    """The 32 bits of element `index` (int64, row-major place): word index % 4 of block index // 4."""
    b = k.b
    block = b.lshr(index.llvm, k.constant(2, "int64").llvm)
    counter = [
        _low(k, block),
        _low(k, b.lshr(block, k.constant(32, "int64").llvm)),
        _low(k, step.llvm),
        k.constant(stream, "uint32").llvm,
    ]
    keys = [key0.llvm, key1.llvm]
    for _ in range(ROUNDS):
        counter = _round(k, counter, keys)
        keys = [b.add(key, k.constant(w, "uint32").llvm) for key, w in zip(keys, WEYL, strict=True)]
    word = b.and_(index.llvm, k.constant(3, "int64").llvm)
    result = counter[3]
    for i in (2, 1, 0):
        result = b.select(b.icmp_signed("==", word, k.constant(i, "int64").llvm), counter[i], result)
    return Value(result, "uint32")


def _round(k: Lanes, c: list[Any], keys: list[Any]) -> list[Any]:
    high0, low0 = _multiply(k, MULTIPLIERS[0], c[0])
    high1, low1 = _multiply(k, MULTIPLIERS[1], c[2])
    b = k.b
    return [b.xor(b.xor(high1, c[1]), keys[0]), low1, b.xor(b.xor(high0, c[3]), keys[1]), low0]


def _multiply(k: Lanes, factor: int, x: Any) -> tuple[Any, Any]:
    """Upper and lower half of the 64-bit product."""
    b = k.b
    product = b.mul(b.zext(x, k.type("int64")), k.constant(factor, "int64").llvm)
    return _low(k, b.lshr(product, k.constant(32, "int64").llvm)), _low(k, product)


def _low(k: Lanes, x: Any) -> Any:
    return k.b.trunc(x, k.type("uint32"))
