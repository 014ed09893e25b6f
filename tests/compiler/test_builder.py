"""What the builder leaves unwritten, and the short form of constants."""

from __future__ import annotations

import llvmlite.binding as llvm
import llvmlite.ir as ir
import pytest

from schuss.compiler.llvm.builder import Builder, filled, undefined
from schuss.compiler.llvm.loops import for_range

I64 = ir.IntType(64)


@pytest.fixture
def function() -> ir.Function:
    return ir.Function(ir.Module(), ir.FunctionType(I64, [I64, ir.PointerType()]), "f")


@pytest.fixture
def b(function: ir.Function) -> Builder:
    return Builder(function.append_basic_block())


def test_known_integers_are_not_written(function: ir.Function, b: Builder) -> None:
    x, place = function.args
    assert b.add(x, I64(0)) is x
    assert b.add(I64(0), x) is x
    assert b.mul(x, I64(1)) is x
    assert b.mul(I64(1), x) is x
    assert b.mul(x, I64(0)).constant == b.mul(I64(0), x).constant == 0
    assert b.add(I64(2), I64(3)).constant == 5
    assert b.mul(I64(2), I64(3)).constant == 6
    assert b.gep(place, [I64(0)], source_etype=I64) is place
    assert not b.block.instructions


def test_everything_else_is(function: ir.Function, b: Builder) -> None:
    x, place = function.args
    b.add(x, I64(1))
    b.add(I64(-1), x)
    b.mul(x, x)
    b.mul(I64(2), x)
    b.gep(place, [I64(1)], source_etype=I64)
    vector = filled(ir.VectorType(I64, 2), 0)
    b.add(vector, vector)
    assert [i.opname for i in b.block.instructions] == ["add", "add", "mul", "mul", "getelementptr", "add"]


@pytest.mark.parametrize("number", [0.0, -0.0, 0.1, float("inf"), float("nan")])
def test_constants_of_vectors_are_short_and_read_as_the_long(function: ir.Function, b: Builder, number: float) -> None:
    type = ir.VectorType(ir.FloatType(), 4)
    short, long = filled(type, number), ir.Constant(type, [number] * 4)
    place = function.args[1]
    for value in (short, long, undefined(type)):
        b.store(value, place)
    b.ret(I64(0))
    read = llvm.parse_assembly(str(function.module))
    first, second, third = (str(i) for block in read.get_function("f").blocks for i in list(block.instructions)[:3])
    assert first == second
    assert "undef" in third
    assert len(str(short)) < len(str(long))


def test_a_loop_carries_values(function: ir.Function, b: Builder) -> None:
    sums = [I64(0), I64(7)]
    with for_range(b, I64(0), function.args[0], carried=sums) as i:
        sums[0], sums[1] = b.add(sums[0], i), b.add(sums[1], sums[0])
    b.ret(b.add(sums[0], sums[1]))
    read = llvm.parse_assembly(str(function.module))
    read.verify()
    assert str(function).count("phi") == 3
