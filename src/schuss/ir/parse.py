"""Reading a graph's text back: strict, line by line. Nothing is evaluated and no memory is taken for a mere claim.

Every error is a GraphError with the line and column where it stands.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from schuss.errors import GraphError
from schuss.ir.graph import Graph, Node
from schuss.ir.types import DTYPES, SYMBOL, Dim, Sym, TensorType, reach, static_size
from schuss.ir.verify import MAX_ELEMENTS, verify

HEADER: Final = "schuss graph 1"
MAX_TEXT = 256 << 20  # characters
MAX_RANK = 32
_WORD = re.compile(r"[A-Za-z0-9_./\-]+")
_NUMBER = re.compile(r"[+-]?(?:inf|nan(?::[0-9a-f]{8,16})?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')

Infer = Callable[[Node], TensorType]


def from_text(text: str, infer: Infer | None = None) -> Graph:
    """The graph of a text that to_text wrote. With `infer`, each op must be known and each type its op's own."""
    if len(text) > MAX_TEXT:
        raise GraphError(f"a graph's text of {len(text)} characters is longer than {MAX_TEXT}")
    lines = text.split("\n")
    if lines[0] != HEADER:
        raise GraphError(f"line 1: a graph's text begins with {HEADER!r}, got {lines[0][:40]!r}")
    reader = _Reader()
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            reader.line(_Line(line, number))
    graph = Graph(tuple(reader.inputs), tuple(reader.outputs), tuple(reader.names))
    if len(reader.names) != len(reader.outputs) or not reader.outputs:
        raise GraphError(f"line {len(lines)}: the graph has no output")
    verify(graph, infer)
    return graph


class _Line:
    """A cursor in one line."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.number, self.at = text, number, 0

    def fail(self, message: str) -> NoReturn:
        raise GraphError(f"line {self.number}, column {self.at + 1}: {message}")

    def skip(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def take(self, literal: str) -> bool:
        """Whether the literal stands here; it is passed."""
        self.skip()
        found = self.text.startswith(literal, self.at)
        self.at += len(literal) * found
        return found

    def need(self, literal: str) -> None:
        if not self.take(literal):
            self.fail(f"expected {literal!r}, got {self.text[self.at : self.at + 20]!r}")

    def match(self, pattern: re.Pattern[str], what: str) -> str:
        self.skip()
        found = pattern.match(self.text, self.at)
        if found is None:
            self.fail(f"expected {what}, got {self.text[self.at : self.at + 20]!r}")
        self.at = found.end()
        return found.group()

    def word(self) -> str:
        """A plain name or a JSON string."""
        self.skip()
        if self.text[self.at : self.at + 1] != '"':
            return self.match(_WORD, "a name")
        return self.string()

    def string(self) -> str:
        start = self.at
        quoted = self.match(_STRING, "a string")
        try:
            value: str = json.loads(quoted)
        except ValueError:
            self.at = start
            self.fail("a string that is not JSON")
        return value

    def whole(self) -> int:
        digits = self.match(re.compile(r"-?\d{1,19}(?![\d.])"), "a whole number")
        return int(digits)

    def symbol(self) -> Sym | None:
        """A length by its name, if one stands here; it is passed."""
        self.skip()
        found = SYMBOL.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return Sym(found.group())

    def ended(self) -> bool:
        self.skip()
        return self.at == len(self.text) or self.text[self.at] == "#"


class _Reader:
    """The nodes so far, by number."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.inputs: list[Node] = []
        self.outputs: list[Node] = []
        self.names: list[str] = []

    def line(self, line: _Line) -> None:
        if line.take("input "):
            number, name, type = self._new(line), line.word(), _type(line)
            node = self._node(line, number, "input", (), type, {"name": name})
            self.inputs.append(node)
        elif line.take("const "):
            number, type = self._new(line), _type(line)
            self._node(line, number, "const", (), type, {"value": _array(line, type)})
        elif line.take("hyperparameter "):
            number, name, type = self._new(line), line.word(), _type(line)
            self._node(line, number, "hyperparameter", (), type, {"name": name, "value": _array(line, type)})
        elif line.take("output "):
            self.names.append(line.word())
            self.outputs.append(self._old(line))
        else:
            self._operation(line)
        if not line.ended():
            line.fail(f"the line should end before {line.text[line.at : line.at + 20]!r}")

    def _operation(self, line: _Line) -> None:
        number = self._new(line)
        line.need("=")
        op = line.match(re.compile(r"[a-z_][a-z0-9_]*"), "an operation")
        line.need("(")
        inputs: list[Node] = []
        attrs: dict[str, Any] = {}
        while not line.take(")"):
            if inputs or attrs:
                line.need(",")
            line.skip()
            if line.text[line.at : line.at + 1] == "%" and not attrs:
                inputs.append(self._old(line))
            else:
                name = line.match(re.compile(r"[a-z_][a-z0-9_]*"), "an attribute")
                if name in attrs:
                    line.fail(f"attribute {name} stands twice")
                line.need("=")
                attrs[name] = _attr(line)
        line.need(":")
        self._node(line, number, op, tuple(inputs), _type(line), attrs)

    def _node(
        self, line: _Line, number: int, op: str, inputs: tuple[Node, ...], type: TensorType, attrs: dict[str, Any]
    ) -> Node:
        scope = line.word() if line.take("@") else ""
        node = Node(op, inputs, type, MappingProxyType(attrs), None, scope)
        self.nodes[number] = node
        return node

    def _new(self, line: _Line) -> int:
        line.need("%")
        number = line.whole()
        if number in self.nodes:
            line.fail(f"%{number} is made twice")
        return number

    def _old(self, line: _Line) -> Node:
        line.need("%")
        number = line.whole()
        if number not in self.nodes:
            line.fail(f"%{number} is not made before this line")
        return self.nodes[number]


def _type(line: _Line) -> TensorType:
    """float32[N,784]"""
    dtype = line.match(re.compile(r"[a-z0-9]+"), "a dtype")
    if dtype not in DTYPES:
        line.fail(f"unknown dtype {dtype!r}; one of {', '.join(DTYPES)}")
    line.need("[")
    shape: list[Dim] = []
    while not line.take("]"):
        if shape:
            line.need(",")
        shape.append(line.symbol() or line.whole())
        if len(shape) > MAX_RANK:
            line.fail(f"more than {MAX_RANK} axes")
    return TensorType(dtype, tuple(shape))


def _attr(line: _Line, depth: int = 0) -> Any:
    """none, true, false, a symbol as N, a number, a string or a tuple of them."""
    for literal, value in (("none", None), ("true", True), ("false", False)):
        if line.take(literal):
            return value
    if symbol := line.symbol():
        return symbol
    if line.take("("):
        if depth > 4:
            line.fail("tuples nested too deep")
        items: list[Any] = []
        while not line.take(")"):
            if items:
                line.need(",")
                if line.take(")"):
                    break
            items.append(_attr(line, depth + 1))
        return tuple(items)
    if line.text[line.at : line.at + 1] == '"':
        return line.string()
    number = line.match(_NUMBER, "a value")
    if re.fullmatch(r"[+-]?\d+", number):
        if len(number) > 20:
            line.fail("a whole number of more than 64 bits")
        return int(number)
    return _float(number)


def _float(text: str) -> float:
    if ":" in text:
        return float(struct.unpack(">d", bytes.fromhex(text.split(":")[1].zfill(16)))[0])
    return float(text)


def _array(line: _Line, type: TensorType) -> NDArray[Any]:
    """A constant's elements. No more memory is taken than the text is long."""
    line.skip()
    if type.symbolic:
        line.fail(f"{type}: the lengths of a constant are numbers")
    size, count, wrong = static_size(type.shape), 0, reach(type.shape) > MAX_ELEMENTS
    array = np.zeros(size if 0 <= 2 * size - 1 <= len(line.text) - line.at else 0, type.dtype)
    while not line.ended() and line.text[line.at] != "@":
        if count:
            line.need(",")
        value = "1" if line.take("true") else "0" if line.take("false") else line.match(_NUMBER, "a number")
        if count < len(array):
            try:
                with np.errstate(over="ignore"):  # beyond float32 it is infinite
                    _fill(array, count, value)
            except (ValueError, OverflowError, struct.error):
                wrong = True
        count += 1
        line.skip()
    if size != count:
        line.fail(f"{type} needs {size} values, got {count}")
    if wrong:
        line.fail(f"a value that is no {type.dtype}" if count else f"{type} is larger than any memory")
    array.flags.writeable = False
    return array.reshape([d for d in type.shape if isinstance(d, int)])


def _fill(array: NDArray[Any], at: int, value: str) -> None:
    if array.dtype.kind in "iub":
        array[at] = int(value)
    elif ":" in value:
        array[at : at + 1].view(f"u{array.dtype.itemsize}")[0] = int(value.split(":")[1], 16)
    else:
        array[at] = np.float32(float(value)) if array.dtype == np.float32 else float(value)
