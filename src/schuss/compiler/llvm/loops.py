"""Loops and branches over llvmlite's builder, as context managers, and the one tree that joins vector lanes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.builder import chosen, undefined

I32, I64 = ir.IntType(32), ir.IntType(64)


Going = Callable[[Any], Any]  # emits what says whether a loop may go on


@contextlib.contextmanager
def for_range(
    b: Any, start: Any, stop: Any, step: Any = 1, carried: list[Any] | None = None, going: Going | None = None
) -> Iterator[Any]:
    """The body once for each i64 index in range(start, stop, step); none if start >= stop.

    step: a number, or a pointer to an i64 in which each round of the body says how far to go on.
    carried: values that each round finds in this list as the round before left them there; after the loop, the last.
    going: emits a bool before each round, false if no more is to be done.
    """
    values = [] if carried is None else carried
    before = b.block
    head, body, after = (b.append_basic_block(name) for name in ("head", "body", "after"))
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(I64)
    index.add_incoming(start, before)
    kept = [b.phi(value.type) for value in values]
    for phi, value in zip(kept, values, strict=True):
        phi.add_incoming(value, before)
    values[:] = kept
    inside = b.icmp_signed("<", index, stop)
    b.cbranch(inside if going is None else b.and_(inside, going(b)), body, after)
    b.position_at_end(body)
    yield index
    index.add_incoming(b.add(index, I64(step) if isinstance(step, int) else b.load(step, typ=I64)), b.block)
    for phi, value in zip(kept, values, strict=True):
        phi.add_incoming(value, b.block)
    values[:] = kept
    b.branch(head)
    b.position_at_end(after)


@contextlib.contextmanager
def cases(b: Any, value: Any, numbers: Sequence[int]) -> Iterator[Callable[[int], Any]]:
    """Inside, `with case(number):` holds what is done where the value is that number; it is one of the numbers."""
    blocks = {number: b.append_basic_block(f"case{number}") for number in numbers}
    after = b.append_basic_block("after")
    switch = b.switch(value, blocks[numbers[-1]])
    for number in numbers[:-1]:
        switch.add_case(I64(number), blocks[number])

    @contextlib.contextmanager
    def case(number: int) -> Iterator[None]:
        b.position_at_end(blocks[number])
        yield
        b.branch(after)

    yield case
    b.position_at_end(after)


@contextlib.contextmanager
def if_then(b: Any, condition: Any) -> Iterator[None]:
    """The body if the condition holds."""
    with b.if_then(condition):
        yield


def entry_alloca(b: Any, type: Any, count: int = 1) -> Any:
    """A place on the stack, made once a call however often it is used (LLVM turns it into registers)."""
    with b.goto_entry_block():
        return b.alloca(type, size=count)


def fold_lanes(b: Any, vectors: list[Any], two: Callable[[list[Any], list[Any], int], list[Any]]) -> list[Any]:
    """A scalar from the lanes of each vector: the upper halves are joined to the lower, again and again.

    two(x, y, width) joins values of `width` lanes. The tree is part of a sum's meaning: it is the same
    on every instruction set.
    """
    width = vectors[0].type.count
    while width > 1:
        half = width // 2
        lower, upper = ([_lanes(b, v, at, half) for v in vectors] for at in (0, half))
        vectors = two(lower, upper, half)
        width = half
    return vectors


def _lanes(b: Any, vector: Any, at: int, count: int) -> Any:
    """So many lanes from one on; a single one as a scalar."""
    part = chosen(b, vector, undefined(vector.type), list(range(at, at + count)))
    return b.extract_element(part, I32(0)) if count == 1 else part
