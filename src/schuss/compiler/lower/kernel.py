"""What every kernel is given, and how it reaches memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import prod
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.builder import broadcast, chosen, filled, numbers, undefined
from schuss.compiler.llvm.loops import Going
from schuss.compiler.llvm.simd import ELEMENTS, I1, I8, I32, I64, POINTER, Lanes, Value, suffix
from schuss.compiler.llvm.target import Target
from schuss.compiler.lower.alike import Address
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand
from schuss.compiler.schedule.buffers import Place, Plan
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import scratch_of
from schuss.compiler.views import View, view_of
from schuss.ir.graph import Node
from schuss.ir.structure import Access
from schuss.ir.types import Dim, Sym

MASKED = 64  # bytes of vectors from which on masks cost nothing
VIRTUAL_LANES = 16  # a reduction along a row uses these, on every instruction set


@dataclass(eq=False)
class Kernel:
    """One kernel's function under construction.

    Arguments of the function: the pointer table, the order of examples, the first and last index of
    this thread's share of axis 0, the number of examples n, the step counter; and where it has several stages,
    a pointer to the addresses of the one it is called for, slots and offsets in turn.
    """

    b: Any
    plan: Plan
    target: Target
    table: Any
    order: Any
    low: Any
    high: Any
    n: Any
    step: Any
    where: Any = None
    looks: bool = False  # whether it is so large that it looks whether it is to be given up
    addresses: Mapping[Address, int] = field(default_factory=dict)  # of the stage it is made from, if it has several
    flat: bool = False  # whether the share is counted in elements of values that lie without a gap
    workspace: Place | None = None  # where an opaque operation has its own numbers
    notes: list[str] = field(default_factory=list)  # how the code was chosen, for people
    _slots: dict[int, Any] = field(default_factory=dict)
    _given: dict[int, Any] = field(default_factory=dict)

    @property
    def going(self) -> Going | None:
        """For the heads of the loops in which its time goes: whether to go on (see for_range). Where it is not, what
        the kernel makes is not whole, and nobody may use it. None in small kernels, which are soon over anyway.
        """
        return (lambda b: going_on(b, self.table, self.plan)) if self.looks else None

    # -- places ----------------------------------------------------------------------------------

    def pointer(self, place: Place, elements: int, dtype: str) -> Any:
        """The address of an element of what is stored at the place."""
        offset = place.offset + elements * ITEMSIZE[dtype]
        if self.where is not None:
            number = self.addresses[place.slot, offset]
            if number not in self._given:
                self._given[number] = self._listed(self.where, I64(2 * number))
            return self._given[number]
        if place.slot not in self._slots:
            at = self.b.gep(self.table, [I64(place.slot)], source_etype=POINTER)
            self._slots[place.slot] = self.b.load(at, typ=POINTER)
        return self.b.gep(self._slots[place.slot], [I64(offset)], source_etype=I8)

    def _listed(self, where: Any, first: Any) -> Any:
        """The address whose slot and offset are the numbers at `first` and after it."""
        b = self.b
        slot, offset = (b.load(b.gep(where, [b.add(first, I64(i))], source_etype=I64), typ=I64) for i in range(2))
        base = b.load(b.gep(self.table, [slot], source_etype=POINTER), typ=POINTER)
        return b.gep(base, [offset], source_etype=I8)

    def any_of(self, nodes: Sequence[Node], number: Any) -> Any:
        """The address of the first element of one of these values, by its number when the code runs."""
        b, found = self.b, [self._address(node) for node in nodes]
        if self.where is None:
            listed = numbers(b.module, chain(*found))
            return self._listed(listed, b.mul(number, I64(2)))
        listed = numbers(b.module, (2 * self.addresses[address] for address in found))
        return self._listed(self.where, b.load(b.gep(listed, [number], source_etype=I64), typ=I64))

    def _address(self, node: Node) -> Address:
        view = self.view(node)
        place = self.plan.places[view.base]
        return place.slot, place.offset + view.offset * ITEMSIZE[node.type.dtype]

    def view(self, node: Node) -> View:
        found = view_of(node, self.plan.storage)
        assert found is not None, f"{node} was not materialized"
        return found

    def read(self, node: Node, rank: int, access: Access | None = None, panels: bool = False) -> StridedOperand:
        """The term that reads a value in a space of `rank` axes, broadcast on the left if nothing else is said.

        panels: whether the caller's code can read what lies in panels.
        """
        view = self.view(node)
        pointer = self.pointer(self.plan.places[view.base], view.offset, node.type.dtype)
        return replace(self.unplaced(node, rank, access, panels), pointer=pointer)

    def unplaced(self, node: Node, rank: int, access: Access | None = None, panels: bool = False) -> StridedOperand:
        """The same before it is known where the value lies."""
        view = self.view(node)
        assert panels or view.panel is None, f"{node} lies in panels"
        shape = node.type.shape
        axes = range(rank - len(shape), rank) if access is None else access.axes
        strides = [0] * rank
        panel = None
        for at, (axis, length, stride) in enumerate(zip(axes, shape, view.strides, strict=True)):
            if axis is not None and length != 1:
                strides[axis] += stride
                if view.panel is not None and view.panel[0] == at:
                    panel = axis - rank, view.panel[1]
        return StridedOperand(tuple(strides), None, node.type.dtype, view.rows is not None, panel)

    def write(self, node: Node, panels: bool = False) -> StridedOperand:
        """The term that stores a value of the space's own shape. panels: as in read."""
        strides, apart = self.plan.storage.strides(node), self.plan.storage.panel(node)
        assert panels or not apart, f"{node} lies in panels"
        pointer = self.pointer(self.plan.places[node], 0, node.type.dtype)
        return StridedOperand(strides, pointer, node.type.dtype, panel=(-1, apart) if apart else None)

    def length(self, dim: Any) -> Any:
        """An axis length as a loop bound (see schuss.compiler.lower.loop_nest)."""
        return (lambda b: self.n) if isinstance(dim, Sym) else dim

    def axes(self, space: Sequence[Dim], terms: Sequence[StridedOperand]) -> list[LoopAxis]:
        """The axes of a space, whole, with each term's strides."""
        panelled = any(t.panel is not None for t in terms)
        return [
            LoopAxis(
                0,
                self.length(d),
                None if isinstance(d, Sym) else d,
                tuple(t.strides[at] for t in terms),
                tuple(t.jump(at - len(space)) for t in terms) if panelled else (),
            )
            for at, d in enumerate(space)
        ]

    def shared(self, axes: Sequence[LoopAxis]) -> list[LoopAxis]:
        """The axes, of the first only this thread's share."""
        return [replace(a, start=lambda b: self.low, stop=lambda b: self.high) for a in axes[:1]] + list(axes[1:])

    def lanes(self, width: int) -> Lanes:
        return Lanes(self.b, width, self.target)


def work_arrays(kernel: Kernel, node: Node) -> list[Any]:
    """Pointers to an opaque operation's own int64 numbers (Op.scratch), one array behind the other."""
    assert kernel.workspace is not None
    found, at, capacity = [], 0, kernel.plan.storage.capacity
    pointer = kernel.pointer(kernel.workspace, 0, "int64")
    for shape in scratch_of(node):
        found.append(number_at(kernel.b, pointer, I64(at)))
        at += prod(capacity if isinstance(d, Sym) else d for d in shape)
    return found


def number_at(b: Any, array: Any, number: Any) -> Any:
    """The address of one of these numbers."""
    return b.gep(array, [number], source_etype=I64)


def going_on(b: Any, table: Any, plan: Plan) -> Any:
    """Whether nobody has told the program to give up."""
    return b.icmp_unsigned("==", b.load_atomic(stop_word(b, table, plan, 0), "monotonic", 8, typ=I64), I64(0))


def stop_word(b: Any, table: Any, plan: Plan, number: int) -> Any:
    """The address of one of the words by which a program is given up, see Plan.stop."""
    words = b.load(b.gep(table, [I64(plan.stop)], source_etype=POINTER), typ=POINTER)
    return b.gep(words, [I64(number)], source_etype=I64)


def load(k: Lanes, term: StridedOperand, offset: Any, stride: int, mask: Any = None, last: Any = None) -> Value:
    """Lanes from the term at an offset: a splat, a vector, or one load a lane where the stride is not 1.

    With a mask, lanes beyond the end read nothing; lanes read one by one are kept at index `last`.
    """
    b = k.b
    element = I8 if term.dtype == "bool" else ELEMENTS[term.dtype]
    if stride == 0 or k.width == 1:
        scalar = _aligned_load(b, _at(b, term, offset), element)
        return k.splat(_as_bool(b, scalar, term.dtype), term.dtype)
    if stride != 1:
        return _gather(k, term, offset, stride, element, last)
    pointer = _at(b, term, offset)
    type = ir.VectorType(element, k.width)
    if mask is None:
        value = _aligned_load(b, pointer, type)
    elif _in_pieces(k, mask):
        value = _load_pieces(b, pointer, type, mask)
    else:
        value = masked_load(b, pointer, type, mask)
    return Value(_as_bool(b, value, term.dtype), term.dtype)


def store(k: Lanes, term: StridedOperand, offset: Any, value: Value, mask: Any = None) -> None:
    """Contiguous lanes, or one scalar, into the term at an offset."""
    b = k.b
    llvm = value.llvm
    if term.dtype == "bool":
        llvm = b.zext(llvm, k.widen(I8))
    if mask is None:
        b.store(llvm, _at(b, term, offset)).align = _align(term.dtype)
    elif _in_pieces(k, mask):
        _store_pieces(b, llvm, _at(b, term, offset), mask)
    else:
        masked_store(b, llvm, _at(b, term, offset), mask)


def prefetch(b: Any, term: StridedOperand, offset: Any, write: bool = True) -> None:
    """Ask for the cache line at the offset, to be written too or only read. Any address will do, even past the end."""
    name = "llvm.prefetch.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32]), name
    )
    b.call(function, [_at(b, term, offset), I32(int(write)), I32(3), I32(1)])


def _at(b: Any, term: StridedOperand, offset: Any) -> Any:
    element = I8 if term.dtype == "bool" else ELEMENTS[term.dtype]
    return b.gep(term.pointer, [offset], source_etype=element)


def _align(dtype: str) -> int:
    return ITEMSIZE[dtype]


def _aligned_load(b: Any, pointer: Any, type: Any) -> Any:
    value = b.load(pointer, typ=type)
    value.align = _bytes(type.element if isinstance(type, ir.VectorType) else type)
    return value


def _as_bool(b: Any, value: Any, dtype: str) -> Any:
    return b.icmp_unsigned("!=", value, filled(value.type, None)) if dtype == "bool" else value


def _gather(k: Lanes, term: StridedOperand, offset: Any, stride: int, element: Any, last: Any) -> Value:
    b = k.b
    vector = undefined(ir.VectorType(element, k.width))
    for lane in range(k.width):
        index = I64(lane)
        if last is not None:
            index = b.select(b.icmp_signed("<", index, last), index, last)
        at = b.add(offset, b.mul(index, I64(stride)))
        vector = b.insert_element(vector, _aligned_load(b, _at(b, term, at), element), I32(lane))
    return Value(_as_bool(b, vector, term.dtype), term.dtype)


# -- some of a vector's lanes -----------------------------------------------------------------------


def fitting(width: int, length: int | None) -> int:
    """The lanes for a run of so many elements, None if the code does not know: a run shorter than a vector takes the
    power of two that holds it. Else every load would be masked, and one that overlaps a masked store just before waits
    until that is written."""
    return width if length is None else min(width, 1 << (length - 1).bit_length())


def tail_mask(b: Any, width: int, remaining: Any) -> Any:
    """Lanes 0 .. remaining-1; a constant where the number is one."""
    if isinstance(remaining, ir.Constant):
        return ir.Constant(ir.VectorType(I1, width), [int(lane < remaining.constant) for lane in range(width)])
    lane = ir.Constant(ir.VectorType(I64, width), list(range(width)))
    return b.icmp_signed("<", lane, broadcast(b, remaining, width))


def _in_pieces(k: Lanes, mask: Any) -> bool:
    """Whether the first lanes are read and written by shorter vectors: how many is known, and masks are slow.

    AVX2 takes some 20 steps for a masked store of floats, and has none of bytes.
    """
    return isinstance(mask, ir.Constant) and k.target.vector_bytes < MASKED


def _pieces(mask: Any) -> Iterator[tuple[int, int]]:
    """(first lane, lanes) of vectors whose lengths are powers of two."""
    lanes, first = sum(lane.constant for lane in mask.constant), 0
    while first < lanes:
        size = 1 << (lanes - first).bit_length() - 1
        yield first, size
        first += size


def _piece(b: Any, pointer: Any, element: Any, first: int, size: int) -> tuple[Any, Any]:
    """(the pointer to a piece, its type)."""
    at = b.gep(pointer, [I64(first)], source_etype=element)
    return at, element if size == 1 else ir.VectorType(element, size)


def _load_pieces(b: Any, pointer: Any, type: Any, mask: Any) -> Any:
    """The lanes of a known mask; the others are zero."""
    whole, element, width = filled(type, None), type.element, type.count
    for first, size in _pieces(mask):
        at, part = _piece(b, pointer, element, first, size)
        loaded = _aligned_load(b, at, part)
        if size == 1:
            whole = b.insert_element(whole, loaded, I32(first))
            continue
        wide = chosen(b, loaded, undefined(part), [lane % size for lane in range(width)])
        here = range(first, first + size)
        whole = chosen(b, whole, wide, [width + lane - first if lane in here else lane for lane in range(width)])
    return whole


def _store_pieces(b: Any, value: Any, pointer: Any, mask: Any) -> None:
    """The lanes of a known mask."""
    element = value.type.element
    for first, size in _pieces(mask):
        at, _ = _piece(b, pointer, element, first, size)
        if size == 1:
            part = b.extract_element(value, I32(first))
        else:
            part = chosen(b, value, undefined(value.type), list(range(first, first + size)))
        b.store(part, at).align = _bytes(element)


def masked_load(b: Any, pointer: Any, type: Any, mask: Any) -> Any:
    """Lanes the mask leaves out are zero and touch no memory."""
    name = f"llvm.masked.load.{suffix(type)}.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(type, [POINTER, I32, mask.type, type]), name
    )
    return b.call(function, [pointer, I32(_bytes(type.element)), mask, filled(type, None)])


def masked_store(b: Any, value: Any, pointer: Any, mask: Any) -> None:
    name = f"llvm.masked.store.{suffix(value.type)}.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(ir.VoidType(), [value.type, POINTER, I32, mask.type]), name
    )
    b.call(function, [value, pointer, I32(_bytes(value.type.element)), mask])


def _bytes(element: Any) -> int:
    if isinstance(element, ir.IntType):
        return max(int(element.width) // 8, 1)
    return 4 if isinstance(element, ir.FloatType) else 8
