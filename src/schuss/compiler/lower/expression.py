"""Values at one place of an iteration space: what maps read, and the maps themselves evaluated in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schuss.compiler.llvm.simd import ELEMENTS, I64, Lanes, Value
from schuss.compiler.lower.kernel import Kernel, load
from schuss.compiler.lower.loop_nest import StridedOperand
from schuss.compiler.storage import row_major
from schuss.compiler.structure import (
    base_of,
    in_place,
    is_const,
    is_free,
    is_hyperparameter,
    is_source,
    of_shapes,
    reads,
    structure_of,
)
from schuss.ir.executors import cannot
from schuss.ir.graph import Node
from schuss.ir.structure import Access, Structure
from schuss.ir.types import Shape, Sym, static_size
from schuss.ops.registry import lookup

Axes = tuple[int | None, ...]


@dataclass(frozen=True)
class Place:
    """Numbers of the terms that a body takes before its operands' values.

    coordinates  positions along axes
    parts        of which the row-major place is made, see `_place`
    elements     of operands that are read whole
    """

    coordinates: list[int]
    parts: list[int]
    elements: list[int]

    def values(self, k: Lanes, shape: Shape, loaded: Sequence[Value], n: Any) -> list[Value]:
        """What the body takes."""
        given = [loaded[i] for i in self.coordinates]
        if self.parts:
            given.append(_place(k, shape, [loaded[i] for i in self.parts], n))
        return given + [loaded[i] for i in self.elements]


@dataclass
class FusedExpression:
    """The maps of a group with everything they need: operands in memory and indices."""

    kernel: Kernel
    maps: Sequence[Node]
    rank: int
    given: set[Node] = field(default_factory=set)  # values the kernel itself makes (a product's element)
    panels: bool = False  # whether the kernel's code can read what lies in panels
    terms: list[StridedOperand] = field(default_factory=list)
    operands: dict[tuple[Node, Axes], int] = field(default_factory=dict)  # the term that reads a value along axes
    places: dict[Node, Place] = field(default_factory=dict)  # of nodes that depend on where they are
    scalars: dict[Node, Value] = field(default_factory=dict)  # free ones, made where the kernel begins

    def __post_init__(self) -> None:
        inside = set(self.maps) | self.given
        for node in self.maps:
            structure = structure_of(node)
            assert structure is not None
            if not structure.placeless and node not in self.places:
                self.places[node] = self._add_place(node, structure)
            for number, operand in enumerate(node.inputs):
                access = structure.reads[number]
                if access is None or access.whole:
                    continue
                if operand not in inside or not in_place(node, number):
                    self.read(operand, access)

    def read(self, node: Node, access: Access) -> None:
        """Make sure there is a term for a value in memory."""
        if is_free(base_of(node)):
            self._make(base_of(node))
        elif (node, access.axes) not in self.operands and not self._immediate(node):
            self.operands[node, access.axes] = self._add(self.kernel.read(node, self.rank, access, self.panels))

    def _add(self, term: StridedOperand) -> int:
        self.terms.append(term)
        return len(self.terms) - 1

    def _add_place(self, node: Node, structure: Structure) -> Place:
        """What the body takes before its operands' values: where it is, then all elements of what is read whole."""
        indices = [
            self._add(StridedOperand(tuple(int(a == axis) for a in range(self.rank)))) for axis in structure.coordinates
        ]
        parts = [self._add(StridedOperand(s)) for s in _parts(node.type.shape)] if structure.place else []
        whole = [i for i, a in zip(node.inputs, structure.reads, strict=True) if a is not None and a.whole]
        return Place(indices, parts, [self._add(term) for operand in whole for term in self._elements(operand)])

    def _elements(self, operand: Node) -> Iterator[StridedOperand]:
        """A term for each element of a small vector, which does not move."""
        word = self.kernel.read(operand, 1)
        (apart,) = word.strides
        first = replace(word, strides=(0,) * self.rank)
        for number in range(static_size(operand.type.shape)):
            at = I64(number * apart)
            pointer = (
                self.kernel.b.gep(word.pointer, [at], source_etype=ELEMENTS[word.dtype]) if number else word.pointer
            )
            yield replace(first, pointer=pointer)

    def _immediate(self, node: Node) -> bool:
        """Whether the value is the step's number, which every kernel is given, in whatever shape."""
        return self.kernel.plan.storage.is_counter(base_of(node))

    def evaluate(self, k: Lanes, given: Mapping[Node, Value], loaded: Sequence[Value]) -> dict[Node, Value]:
        """Every map's value at this place, from the terms' values."""
        values = dict(given)

        def value(reader: Node, number: int) -> Value:
            operand = reader.inputs[number]
            if is_free(base_of(operand)):
                return self._free(k, base_of(operand))
            if operand in values and in_place(reader, number):
                return values[operand]
            access = reads(reader)[number]
            assert access is not None
            if (operand, access.axes) in self.operands:
                return loaded[self.operands[operand, access.axes]]
            return k.splat(self.kernel.step, "int64")

        for node in self.maps:
            args = [value(node, n) for n, a in enumerate(reads(node)) if a is not None and not a.whole]
            if node in self.places:
                args = self.places[node].values(k, node.type.shape, loaded, self.kernel.n) + args
            values[node] = emit(k, node, args)
        return values

    def _make(self, node: Node) -> None:
        """A free scalar, before the loops."""
        k, made = self.kernel.lanes(1), self.scalars
        waiting = [node]  # a chain of them may be longer than Python's stack
        while waiting:
            each = waiting[-1]
            operands = () if is_source(each) or of_shapes(each) else each.inputs
            needed = [i for i in operands if i not in made]
            if needed and each not in made:
                waiting.extend(reversed(needed))
                continue
            waiting.pop()
            if each in made:
                continue
            if is_const(each):
                made[each] = k.constant(each.attrs["value"].item(), each.type.dtype)
            elif is_hyperparameter(each):
                made[each] = load(k, self.kernel.read(each, 0), I64(0), 0)
            elif of_shapes(each):
                made[each] = _count(k, each, self.kernel.n)
            else:
                made[each] = emit(k, each, [made[i] for i in each.inputs])

    def _free(self, k: Lanes, node: Node) -> Value:
        """A free scalar in every lane."""
        if is_const(node):
            return k.constant(node.attrs["value"].item(), node.type.dtype)
        return k.splat(self.scalars[node].llvm, node.type.dtype)

    def load(self, k: Lanes, number: int, offset: Any, stride: int, mask: Any = None, last: Any = None) -> Value:
        """One term's value."""
        term = self.terms[number]
        return (
            (k.iota(offset, stride) if stride else k.splat(offset, "int64"))
            if term.pointer is None
            else load(k, term, offset, stride, mask, last)
        )


def emit(k: Lanes, node: Node, args: list[Value]) -> Value:
    """The op's own emit rule. LoweringError names an op without one."""
    op = lookup(node.op)
    if op.emit is None:
        raise cannot("native", op.name, node.site)
    value = op.emit(k, *args, **node.attrs)
    assert isinstance(value, Value)
    return value


def _parts(shape: Shape) -> list[tuple[int, ...]]:
    """Strides of the numbers a row-major place is made of: one for the axes behind the last N, in whose strides N is
    not; of those before each a number of its own, which is multiplied at run time.
    """
    behind = max((a for a, d in enumerate(shape) if isinstance(d, Sym)), default=0)
    known = (*[0] * behind, *row_major(shape[behind:], 1))
    return [known, *(tuple(int(a == at) for a in range(len(shape))) for at in range(behind))]


def _place(k: Lanes, shape: Shape, parts: Sequence[Value], n: Any) -> Value:
    """The row-major place from its parts."""
    total, *indices = parts
    for axis, index in enumerate(indices):
        stride: Any = I64(1)
        for dim in shape[axis + 1 :]:
            stride = k.b.mul(stride, n if isinstance(dim, Sym) else I64(dim))
        total = k.add(total, k.mul(index, k.splat(stride, "int64")))
    apart = parts[0].apart if all(i.apart == 0 for i in indices) else None
    return replace(total, apart=apart)


def _count(k: Lanes, node: Node, n: Any) -> Value:
    """The number of elements along the axes, N being n."""
    total: Any = I64(1)
    shape = node.inputs[0].type.shape
    for axis in node.attrs["axis"]:
        dim = shape[axis]
        total = k.b.mul(total, n if isinstance(dim, Sym) else I64(dim))
    return k.cast(k.splat(total, "int64"), node.type.dtype)
