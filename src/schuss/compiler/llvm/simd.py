"""The builder an op's `emit` sees: scalar or vector values of schuss's dtypes, one method per operation.

A Value knows its dtype because LLVM's integers have no sign. bool is i1 in registers, a byte in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.builder import Builder, broadcast, filled
from schuss.compiler.llvm.philox import philox
from schuss.compiler.llvm.target import Target
from schuss.compiler.llvm.vecmath import MathEmitter
from schuss.ir.types import FLOATS

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()
ELEMENTS: dict[str, ir.Type] = {
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "int64": I64,
    "int32": I32,
    "uint32": I32,
    "uint8": I8,
    "bool": I1,
}
UNSIGNED = ("uint32", "uint8", "bool")


def suffix(type: Any) -> str:
    """A type as it stands in the name of an intrinsic: v16f32."""
    if isinstance(type, ir.VectorType):
        return f"v{type.count}{suffix(type.element)}"
    if isinstance(type, ir.IntType):
        return f"i{type.width}"
    return "f32" if isinstance(type, ir.FloatType) else "f64"


@dataclass(frozen=True)
class Value:
    """An LLVM value and its dtype. apart: how much each lane is above the one before, where that is known."""

    llvm: Any
    dtype: str
    apart: int | None = None

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


class Lanes:
    """Operations on `width` lanes (1: scalars)."""

    def __init__(self, builder: Any, width: int, target: Target) -> None:
        self.b = builder
        self.width = width
        self.target = target
        self.math = MathEmitter(builder, target)

    # -- types and constants ---------------------------------------------------------------------

    def type(self, dtype: str) -> Any:
        return self.widen(ELEMENTS[dtype])

    def widen(self, element: Any) -> Any:
        return element if self.width == 1 else ir.VectorType(element, self.width)

    def constant(self, value: float, dtype: str) -> Value:
        number: Any = float(value) if dtype in FLOATS else int(value)
        return Value(filled(self.type(dtype), number), dtype)

    def const(self, value: float, like: Value) -> Value:
        return self.constant(value, like.dtype)

    def splat(self, scalar: Any, dtype: str) -> Value:
        """One scalar in every lane."""
        return Value(scalar if self.width == 1 else broadcast(self.b, scalar, self.width), dtype, 0)

    def iota(self, start: Any, step: int) -> Value:
        """start + step * lane, as int64."""
        if self.width == 1:
            return Value(start, "int64", step)
        steps = ir.Constant(self.widen(I64), [step * i for i in range(self.width)])
        return Value(self.b.add(self.splat(start, "int64").llvm, steps), "int64", step)

    # -- arithmetic ------------------------------------------------------------------------------

    def _two(self, x: Value, y: Value, floats: str, integers: str) -> Value:
        method: Callable[..., Any] = getattr(self.b, floats if x.is_float else integers)
        return Value(method(x.llvm, y.llvm), x.dtype)

    def add(self, x: Value, y: Value) -> Value:
        return self._two(x, y, "fadd", "add")

    def sub(self, x: Value, y: Value) -> Value:
        return self._two(x, y, "fsub", "sub")

    def mul(self, x: Value, y: Value) -> Value:
        return self._two(x, y, "fmul", "mul")

    def div(self, x: Value, y: Value) -> Value:
        return Value(self.b.fdiv(x.llvm, y.llvm), x.dtype)

    def _divided(self, x: Value, y: Value) -> tuple[Value, Value]:
        """(floor of x / y, what remains, of y's sign) of whole numbers; (0, 0) where y = 0."""
        zero, one = self.const(0, x), self.const(1, x)
        none = self.compare("==", y, zero)
        if x.dtype in UNSIGNED:
            by = self.select(none, one, y)
            quotient, rest = Value(self.b.udiv(x.llvm, by.llvm), x.dtype), Value(self.b.urem(x.llvm, by.llvm), x.dtype)
            return self.select(none, zero, quotient), self.select(none, zero, rest)
        back = self.compare("==", y, self.const(-1, x))  # the smallest number by -1 would end the process
        by = self.select(self.logical_or(none, back), one, y)
        quotient, rest = Value(self.b.sdiv(x.llvm, by.llvm), x.dtype), Value(self.b.srem(x.llvm, by.llvm), x.dtype)
        other = self._of_other_sign(rest, by)
        quotient = self.select(other, self.sub(quotient, one), quotient)
        rest = self.select(other, self.add(rest, by), rest)
        return self.select(none, zero, self.select(back, self.neg(x), quotient)), self.select(none, zero, rest)

    def _of_other_sign(self, rest: Value, y: Value) -> Value:
        """Whether something remains, of the sign that y has not."""
        zero = self.const(0, rest)
        negative = Value(self.b.xor(self.compare("<", rest, zero).llvm, self.compare("<", y, zero).llvm), "bool")
        return self.logical_and(self.compare("!=", rest, zero), negative)

    def remainder(self, x: Value, y: Value) -> Value:
        """Python's x % y."""
        if not x.is_float:
            return self._divided(x, y)[1]
        rest = Value(self.b.frem(x.llvm, y.llvm), x.dtype)
        return self.select(self._of_other_sign(rest, y), self.add(rest, y), rest)

    def floor_divide(self, x: Value, y: Value) -> Value:
        """Python's x // y. Of floats x less what remains is a multiple of y but for rounding: the nearest is meant."""
        if not x.is_float:
            return self._divided(x, y)[0]
        rest = Value(self.b.frem(x.llvm, y.llvm), x.dtype)
        quotient = self.div(self.sub(x, rest), y)
        one = self.const(1, x)
        quotient = self.select(self._of_other_sign(rest, y), self.sub(quotient, one), quotient)
        below = self.floor(quotient)
        nearest = self.select(
            self.compare(">", self.sub(quotient, below), self.const(0.5, x)), self.add(below, one), below
        )
        return self.select(self.compare("==", y, self.const(0, x)), self.div(x, y), nearest)

    def neg(self, x: Value) -> Value:
        return Value(self.b.fneg(x.llvm) if x.is_float else self.b.neg(x.llvm), x.dtype)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once where the target has the instruction."""
        if not self.target.fma:
            return self.add(self.mul(x, y), z)
        return Value(self._intrinsic("llvm.fma", x.llvm, y.llvm, z.llvm), x.dtype)

    def _intrinsic(self, name: str, *args: Any) -> Any:
        type = args[0].type
        full = f"{name}.{suffix(type)}"
        function = self.b.module.globals.get(full)
        if function is None:
            function = ir.Function(self.b.module, ir.FunctionType(type, [type] * len(args)), full)
        return self.b.call(function, list(args))

    # -- functions -------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Value]:
        """exp, log, tanh and the rest of schuss.compiler.llvm.vecmath."""
        function = getattr(self.math, name)

        def call(*args: Value) -> Value:
            given = [a.llvm for a in args]
            return Value(function(*given) if self.width > 1 else self._called(name, given), args[0].dtype)

        return call

    def _called(self, name: str, args: list[Any]) -> Any:
        """Of scalars by a function of the module: they are many, as in schedules and in what is computed once a step,
        and each use written out would take longer to compile than all its calls."""
        types = [a.type for a in args]
        full = f"{name}.{'.'.join(map(suffix, types))}"
        function = self.b.module.globals.get(full)
        if function is None:
            function = ir.Function(self.b.module, ir.FunctionType(types[0], types), full)
            function.linkage = "internal"
            self.target.decorate(function)
            inside = Builder(function.append_basic_block())
            inside.ret(getattr(MathEmitter(inside, self.target), name)(*function.args))
        return self.b.call(function, args)

    def sqrt(self, x: Value) -> Value:
        return Value(self._intrinsic("llvm.sqrt", x.llvm), x.dtype)

    def rsqrt(self, x: Value) -> Value:
        return self.div(self.const(1, x), self.sqrt(x))

    def floor(self, x: Value) -> Value:
        return Value(self._intrinsic("llvm.floor", x.llvm), x.dtype)

    def abs(self, x: Value) -> Value:
        if x.is_float:
            return Value(self._intrinsic("llvm.fabs", x.llvm), x.dtype)
        return x if x.dtype in UNSIGNED else self.select(self.compare("<", x, self.const(0, x)), self.neg(x), x)

    def sign(self, x: Value) -> Value:
        zero, one = self.const(0, x), self.const(1, x)
        positive = self.select(self.compare(">", x, zero), one, self.mul(x, zero) if x.is_float else zero)
        if x.dtype in UNSIGNED:
            return positive
        return self.select(self.compare("<", x, zero), self.neg(one), positive)

    def philox(self, key0: Value, key1: Value, index: Value, step: Value, stream: int) -> Value:
        """schuss.ops.philox.emit_word of elements in turn, for lanes by fours: each block is computed once."""
        words = philox(self.b, self.width, key0.llvm, key1.llvm, index.llvm, step.llvm, stream)
        return Value(words, "uint32")

    # -- comparison and choice -------------------------------------------------------------------

    def compare(self, relation: str, x: Value, y: Value) -> Value:
        """IEEE comparison: with a NaN every relation is false but !=."""
        if x.is_float:
            method = self.b.fcmp_unordered if relation == "!=" else self.b.fcmp_ordered
        else:
            method = self.b.icmp_unsigned if x.dtype in UNSIGNED else self.b.icmp_signed
        return Value(method(relation, x.llvm, y.llvm), "bool")

    def is_nan(self, x: Value) -> Value:
        return Value(self.b.fcmp_unordered("uno", x.llvm, x.llvm), "bool")

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return Value(self.b.select(condition.llvm, x.llvm, y.llvm), x.dtype)

    def _extremum(self, relation: str, x: Value, y: Value) -> Value:
        first = self.compare(relation, x, y)
        if x.is_float:
            first = self.logical_or(first, self.is_nan(x))
        return self.select(first, x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        return self._extremum(">", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        return self._extremum("<", x, y)

    def relu(self, x: Value) -> Value:
        zero = self.const(0, x)
        return x if x.dtype in UNSIGNED else self.select(self.compare("<", x, zero), zero, x)

    def shift_right(self, x: Value, bits: int) -> Value:
        """Of an integer, zeros coming in from the left."""
        return Value(self.b.lshr(x.llvm, self.constant(bits, x.dtype).llvm), x.dtype)

    def bit_and(self, x: Value, y: Value) -> Value:
        return Value(self.b.and_(x.llvm, y.llvm), x.dtype)

    def bit_xor(self, x: Value, y: Value) -> Value:
        return Value(self.b.xor(x.llvm, y.llvm), x.dtype)

    def logical_and(self, x: Value, y: Value) -> Value:
        return Value(self.b.and_(x.llvm, y.llvm), "bool")

    def logical_or(self, x: Value, y: Value) -> Value:
        return Value(self.b.or_(x.llvm, y.llvm), "bool")

    def logical_not(self, x: Value) -> Value:
        return Value(self.b.not_(x.llvm), "bool")

    # -- conversion ------------------------------------------------------------------------------

    def cast(self, x: Value, dtype: str) -> Value:
        """numpy's astype: floats truncate towards zero, anything but zero is True."""
        if x.dtype == dtype:
            return x
        if dtype == "bool":
            return self.compare("!=", x, self.const(0, x))
        target = self.type(dtype)
        if x.is_float:
            return self._from_float(x, dtype, target)
        if dtype in FLOATS:
            method = self.b.uitofp if x.dtype in UNSIGNED else self.b.sitofp
            return Value(method(x.llvm, target), dtype)
        return Value(self._resize(x, ELEMENTS[dtype].width, target), dtype)

    def _resize(self, x: Value, bits: int, target: Any) -> Any:
        have = ELEMENTS[x.dtype].width
        if have == bits:
            return x.llvm
        if have > bits:
            return self.b.trunc(x.llvm, target)
        return self.b.zext(x.llvm, target) if x.dtype in UNSIGNED else self.b.sext(x.llvm, target)

    def _from_float(self, x: Value, dtype: str, target: Any) -> Value:
        if dtype == "float64":
            return Value(self.b.fpext(x.llvm, target), dtype)
        if dtype == "float32":
            return Value(self.b.fptrunc(x.llvm, target), dtype)
        if dtype == "uint8":  # through int32, which wraps as numpy does
            return self.cast(Value(self.b.fptosi(x.llvm, self.type("int32")), "int32"), dtype)
        if dtype == "uint32":
            return self.cast(Value(self.b.fptosi(x.llvm, self.type("int64")), "int64"), dtype)
        return Value(self.b.fptosi(x.llvm, target), dtype)
