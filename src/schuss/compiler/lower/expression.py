"""Values at one place of an iteration space: what maps read, and the maps themselves evaluated in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schuss.compiler.llvm.philox import philox_word
from schuss.compiler.llvm.simd import ELEMENTS, I64, Lanes, Value
from schuss.compiler.lower.kernel import Kernel, load
from schuss.compiler.lower.loop_nest import Term
from schuss.compiler.storage import row_major
from schuss.compiler.structure import base_of, is_free
from schuss.ir.executors import cannot
from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym
from schuss.ops.registry import Kind, lookup


@dataclass
class Body:
    """The maps of a group with everything they need: operands in memory and indices."""

    kernel: Kernel
    maps: list[Node]
    rank: int
    given: set[Node] = field(default_factory=set)  # values the kernel itself makes (a product's element)
    terms: list[Term] = field(default_factory=list)
    operands: dict[Node, int] = field(default_factory=dict)  # number of the term that reads a value
    indices: dict[Node, list[int]] = field(default_factory=dict)  # terms of a node that depends on its place
    scalars: dict[Node, Value] = field(default_factory=dict)  # free ones, made where the kernel begins

    def __post_init__(self) -> None:
        inside = set(self.maps) | self.given
        for node in self.maps:
            if node in self.indices:
                continue
            if node.op == "one_hot":
                self.indices[node] = self._add_one_hot(node)
            elif lookup(node.op).kind is Kind.RANDOM:
                self.indices[node] = self._add_random(node)
            else:
                for operand in node.inputs:
                    if operand not in inside or operand.type.shape != node.type.shape:
                        self.read(operand)

    def read(self, node: Node) -> None:
        """Make sure there is a term for a value in memory."""
        if is_free(base_of(node)):
            self._make(base_of(node))
        elif node not in self.operands and not self._immediate(node):
            self.operands[node] = self._add(self.kernel.read(node, self.rank))

    def _add(self, term: Term) -> int:
        self.terms.append(term)
        return len(self.terms) - 1

    def _add_one_hot(self, node: Node) -> list[int]:
        """The class (last index) and the label, which does not move along the classes."""
        label = self.kernel.read(node.inputs[0], self.rank - 1)
        iota = Term((*[0] * (self.rank - 1), 1))
        return [self._add(iota), self._add(replace(label, strides=(*label.strides, 0)))]

    def _add_random(self, node: Node) -> list[int]:
        """The two words of the key, then what the row-major place is made of (see _place)."""
        key, step = node.inputs
        if step not in self.maps:
            self.read(step)
        word = self.kernel.read(key, 1)
        (apart,) = word.strides
        still = (0,) * self.rank
        first = replace(word, strides=still)
        second = replace(first, pointer=self.kernel.b.gep(word.pointer, [I64(apart)], source_etype=ELEMENTS["uint32"]))
        return [self._add(first), self._add(second), *(self._add(Term(s)) for s in _parts(node.type.shape))]

    def _immediate(self, node: Node) -> bool:
        """Whether the value is the step's number, which every kernel is given, in whatever shape."""
        base = base_of(node)
        return base.op == "input" and base.attrs["name"] == self.kernel.counter

    def evaluate(self, k: Lanes, given: Mapping[Node, Value], loaded: Sequence[Value]) -> dict[Node, Value]:
        """Every map's value at this place, from the terms' values."""
        values = dict(given)

        def value(operand: Node, reader: Node) -> Value:
            if is_free(base_of(operand)):
                return self._free(k, base_of(operand))
            if operand in values and operand.type.shape == reader.type.shape:
                return values[operand]
            if operand in self.operands:
                return loaded[self.operands[operand]]
            return k.splat(self.kernel.step, "int64")

        for node in self.maps:
            if node in self.indices:
                args = [loaded[i] for i in self.indices[node]]
                if node.op != "one_hot":
                    args = [_place(k, node.type.shape, args[2:], self.kernel.n), *args[:2], value(node.inputs[1], node)]
                values[node] = _INDEXED[node.op](k, node, *args)
            else:
                values[node] = emit(k, node, [value(i, node) for i in node.inputs])
        return values

    def _make(self, node: Node) -> None:
        """A free scalar, before the loops."""
        k, made = self.kernel.lanes(1), self.scalars
        waiting = [node]  # a chain of them may be longer than Python's stack
        while waiting:
            each = waiting[-1]
            operands = each.inputs if each.op not in ("const", "count", "hyperparameter") else ()
            needed = [i for i in operands if i not in made]
            if needed and each not in made:
                waiting.extend(reversed(needed))
                continue
            waiting.pop()
            if each in made:
                continue
            if each.op == "const":
                made[each] = k.constant(each.attrs["value"].item(), each.type.dtype)
            elif each.op == "hyperparameter":
                made[each] = load(k, self.kernel.read(each, 0), I64(0), 0)
            elif each.op == "count":
                made[each] = _count(k, each, self.kernel.n)
            else:
                made[each] = emit(k, each, [made[i] for i in each.inputs])

    def _free(self, k: Lanes, node: Node) -> Value:
        """A free scalar in every lane."""
        if node.op == "const":
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
    return total


def _one_hot(k: Lanes, node: Node, index: Value, label: Value) -> Value:
    hit = k.compare("==", k.cast(label, "int64"), index)
    dtype = node.attrs["dtype"]
    return k.select(hit, k.constant(1, dtype), k.constant(0, dtype))


def _count(k: Lanes, node: Node, n: Any) -> Value:
    """The number of elements along the axes, N being n."""
    total: Any = I64(1)
    shape = node.inputs[0].type.shape
    for axis in node.attrs["axis"]:
        dim = shape[axis]
        total = k.b.mul(total, n if isinstance(dim, Sym) else I64(dim))
    return k.cast(k.splat(total, "int64"), node.type.dtype)


def _random_bits(k: Lanes, node: Node, index: Value, key0: Value, key1: Value, step: Value) -> Value:
    return philox_word(k, key0, key1, index, step, node.attrs["stream"])


def _random_uniform(k: Lanes, node: Node, index: Value, key0: Value, key1: Value, step: Value) -> Value:
    bits = _random_bits(k, node, index, key0, key1, step)
    upper = Value(k.b.lshr(bits.llvm, k.constant(8, "uint32").llvm), "uint32")
    dtype = node.attrs["dtype"]
    return k.mul(k.cast(upper, dtype), k.constant(2.0**-24, dtype))


_INDEXED: dict[str, Callable[..., Value]] = {
    "one_hot": _one_hot,
    "random_bits": _random_bits,
    "random_uniform": _random_uniform,
}
