"""llvmlite's builder, writing less: a program's text takes time to make and to read.

Sums, products and remainders of known integers are not written, nor a place no distance from another; constants of
vectors, of which llvmlite spells out every lane, are in their short form.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import llvmlite.ir as ir

I32, I64 = ir.IntType(32), ir.IntType(64)


class Builder(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no types
    """ir.IRBuilder that knows what is x + 0, x - 0, x * 0, x * 1, and the sum, difference, product and remainder of
    two constants."""

    def add(self, lhs: Any, rhs: Any, *args: Any, **named: Any) -> Any:
        x, y = _integer(lhs), _integer(rhs)
        if x is not None and y is not None:
            return lhs.type(x + y)
        if y == 0:
            return lhs
        return rhs if x == 0 else super().add(lhs, rhs, *args, **named)

    def sub(self, lhs: Any, rhs: Any, *args: Any, **named: Any) -> Any:
        x, y = _integer(lhs), _integer(rhs)
        if x is not None and y is not None:
            return lhs.type(x - y)
        return lhs if y == 0 else super().sub(lhs, rhs, *args, **named)

    def srem(self, lhs: Any, rhs: Any, *args: Any, **named: Any) -> Any:
        x, y = _integer(lhs), _integer(rhs)
        if x is not None and y and x >= 0 and y > 0:
            return lhs.type(x % y)
        return super().srem(lhs, rhs, *args, **named)

    def mul(self, lhs: Any, rhs: Any, *args: Any, **named: Any) -> Any:
        x, y = _integer(lhs), _integer(rhs)
        if x is not None and y is not None:
            return lhs.type(x * y)
        if x == 0 or y == 0:
            return lhs.type(0)
        if y == 1:
            return lhs
        return rhs if x == 1 else super().mul(lhs, rhs, *args, **named)

    def gep(self, ptr: Any, indices: Any, *args: Any, **named: Any) -> Any:
        if len(indices) == 1 and _integer(indices[0]) == 0:
            return ptr
        return super().gep(ptr, indices, *args, **named)


def _integer(value: Any) -> int | None:
    """A constant's number, of integers that are no vectors."""
    known = isinstance(value, ir.Constant) and isinstance(value.type, ir.IntType)
    return value.constant if known and isinstance(value.constant, int) else None


def numbers(module: Any, values: Iterable[int]) -> Any:
    """A pointer to these int64 numbers, a constant of the module."""
    listed = [*values]
    type = ir.ArrayType(I64, len(listed))
    table = ir.GlobalVariable(module, type, module.get_unique_name("numbers"))
    table.initializer = ir.Constant(type, listed)
    table.linkage, table.global_constant = "internal", True
    return table


def filled(type: Any, value: Any) -> Any:
    """The number, or the number in every lane."""
    if not isinstance(type, ir.VectorType):
        return ir.Constant(type, value)
    return _in_short(type, f"splat ({ir.Constant(type.element, value)})")


def undefined(type: Any) -> Any:
    """A vector whose lanes are written later, or never read."""
    return _in_short(type, "undef")


def _in_short(type: Any, text: str) -> Any:
    constant = ir.FormattedConstant(type.element, text)
    constant.type = type  # given at once, llvmlite would repeat the text for each lane
    return constant


def broadcast(b: Any, scalar: Any, width: int) -> Any:
    """One scalar in every lane."""
    nothing = undefined(ir.VectorType(scalar.type, width))
    return chosen(b, b.insert_element(nothing, scalar, I32(0)), nothing, [0] * width)


def chosen(b: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    """The lanes with these numbers, of x and y one behind the other."""
    return b.shuffle_vector(x, y, _mask(tuple(lanes)))


@cache
def _mask(lanes: tuple[int, ...]) -> Any:
    return ir.Constant(ir.VectorType(I32, len(lanes)), lanes)
