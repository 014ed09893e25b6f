"""Philox-4x32-10 in vectors (schuss.ops.philox): random words of elements in turn, all four of a block put to use.

A block has two lanes of 64 bits: the words (c0, c2), and in another vector (c1, c3). A round is then one product of
32 by 32 bits, an exchange of neighbours, a shift and two exclusive ors for width / 4 blocks. What stands in the upper
halves of the lanes is of no account until the end.
"""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.builder import broadcast, chosen, filled
from schuss.compiler.llvm.loops import entry_alloca
from schuss.ops.philox import MASK, MULTIPLIERS, ROUNDS, WEYL

I32, I64 = ir.IntType(32), ir.IntType(64)


def philox(b: Any, width: int, key0: Any, key1: Any, index: Any, step: Any, stream: int) -> Any:
    """<width x i32>: the random words of elements index[0], index[0] + 1, ...; width is a multiple of 4.

    key0, key1, step  the same in all lanes
    """
    first = b.extract_element(index, I32(0))
    block, within = b.lshr(first, I64(2)), b.and_(first, I64(3))
    keys = b.zext(chosen(b, key0, key1, [0, width] * (width // 4)), ir.VectorType(I64, width // 2))
    step = b.extract_element(step, I32(0))
    words = _blocks(b, width, keys, block, step, stream)
    before = b.block
    with b.if_then(b.icmp_unsigned("!=", within, I64(0)), likely=False):  # rows of a length that is no multiple of 4
        behind = _blocks(b, width, keys, b.add(block, I64(width // 4)), step, stream)
        moved = _from(b, width, words, behind, within)
        apart = b.block
    result = b.phi(words.type)
    result.add_incoming(words, before)
    result.add_incoming(moved, apart)
    return result


def _blocks(b: Any, width: int, keys: Any, block: Any, step: Any, stream: int) -> Any:
    """The words of width / 4 blocks from this one on, in their order."""
    type = ir.VectorType(I64, width // 2)
    number = b.add(broadcast(b, block, width // 2), ir.Constant(type, [i // 2 for i in range(width // 2)]))
    low = ir.Constant(ir.VectorType(ir.IntType(1), width // 2), [1, 0] * (width // 4))
    even = b.select(low, number, broadcast(b, step, width // 2))
    odd = b.select(low, b.lshr(number, filled(type, 32)), filled(type, stream))
    multipliers, grown = (ir.Constant(type, [*pair] * (width // 4)) for pair in (MULTIPLIERS, WEYL))
    exchange = [i ^ 1 for i in range(width // 2)]
    for turn in range(ROUNDS):
        product = b.mul(b.and_(even, filled(type, MASK)), multipliers)
        product = chosen(b, product, product, exchange)
        even, odd = b.xor(b.xor(b.lshr(product, filled(type, 32)), odd), keys), product
        if turn < ROUNDS - 1:
            keys = b.add(keys, grown)
    words = b.or_(b.and_(even, filled(type, MASK)), b.shl(odd, filled(type, 32)))
    return b.bitcast(words, ir.VectorType(I32, width))


def _from(b: Any, width: int, words: Any, behind: Any, within: Any) -> Any:
    """The words from number `within` on, of these and those behind them."""
    room = entry_alloca(b, words.type, 2)
    b.store(words, room)
    b.store(behind, b.gep(room, [I64(1)]))
    place = b.gep(b.bitcast(room, I32.as_pointer()), [within])
    return b.load(b.bitcast(place, words.type.as_pointer()), align=4)
