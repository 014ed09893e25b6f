"""Functions of arrays in native code: any number of rows, from any thread; and the quickest call for one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from schuss.compiler.draft import Draft
from schuss.compiler.pipeline import optimize
from schuss.compiler.storage import Storage
from schuss.compiler.structure import is_noting
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.compiler.work import row_independent
from schuss.exec.native.code import Code, build, check_code
from schuss.exec.native.kept import Kept
from schuss.exec.native.stop import Stop
from schuss.exec.native.table import Table
from schuss.exec.native.threads import allowed, run_beside, run_team
from schuss.exec.seams import lengths_of, solid
from schuss.ir.executor import Array
from schuss.ir.graph import Graph, Node
from schuss.ir.types import N, Shape, Sym, symbols_in


class NativeFunction:
    """A compiled function of arrays. Each caller works on a table of its own, so many may call at once."""

    def __init__(self, graph: Graph, threads: int, tuning: Tuning = DEFAULT) -> None:
        self._graph = optimize(graph)
        check_code(self._graph)
        self._threads = threads
        self._tuning = tuning
        self._by_row = row_independent(self._graph)
        self._symbolic = any(n.type.symbolic for n in self._graph.nodes)
        self._strided = any(sum(isinstance(d, Sym) for d in n.type.shape) > 1 for n in self._graph.nodes)
        self._inputs = [_Form(node) for node in self._graph.inputs]
        self._outputs = [_Form(node) for node in self._graph.outputs]
        self._rows = next((i for i, f in enumerate(self._inputs) if f.tail is not None), None)  # an input of N rows
        self._programs = Kept(partial(_made, self._graph, threads, tuning))  # not of self: that would be a cycle

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        n = self._count(arrays)
        program = self._programs[self._capacity(n)]
        given = [form.stored(a) for form, a in zip(self._inputs, arrays, strict=True)]
        outputs = [form.empty(n) for form in self._outputs]
        self._fill(program, given, outputs, n)
        return [form.shown(a) for form, a in zip(self._outputs, outputs, strict=True)]

    def _count(self, arrays: Sequence[Array]) -> int:
        """N. ShapeError if the arrays do not fit the types or each other."""
        if self._rows is not None and self._by_row and arrays[self._rows].ndim:
            n = len(arrays[self._rows])
            if all(f.fits(a, n) for f, a in zip(self._inputs, arrays, strict=True)):
                return n
        return lengths_of(self._graph, arrays).get(N, 0)

    def _capacity(self, n: int) -> int:
        """The number of rows to compile for: one code serves many lengths, unless N is in a stride."""
        if self._by_row:
            return 1 if n == 1 else self._tuning.chunk
        if self._strided:
            return max(n, 1)
        return 1 << max(n - 1, 0).bit_length() if self._symbolic else 1

    def one_row(self, held: Sequence[Array] = ()) -> Callable[[Array], Array] | None:
        """A quicker form for a single row, of a function of one array of rows; None where rows do not stand alone.

        Nor where indices are checked, which the quick form does not look after, nor where even one row takes long.

        held  the arrays of all other inputs, weights as a rule, in their order: each call reads them where they lie.
              None where one of them has gaps
        """
        given, others, outputs = self._ends()
        plain = len(given) == len(outputs) == 1 and all(f.tail is not None and f.order is None for f in given + outputs)
        fit = len(others) == len(held) and all(
            f.fits(a, 1) and solid(a) is a for f, a in zip(others, held, strict=True)
        )
        checked = any(is_noting(n) for n in self._graph.nodes)
        small = self._by_row and plain and fit and not checked and not self.code_for(1).looks
        return OneRow(self, held) if small else None

    def _ends(self) -> tuple[list[_Form], list[_Form], list[_Form]]:
        """The inputs with rows, the other ones, and the outputs."""
        rows = [f for f in self._inputs if f.static is None]
        return rows, [f for f in self._inputs if f.static is not None], self._outputs

    def code_for(self, capacity: int) -> Code:
        """For up to so many rows, made now if it is not there."""
        return self._programs[capacity].code

    def _fill(self, program: _Program, given: Sequence[Array], outputs: Sequence[Array], n: int) -> None:
        """Run into the outputs. Rows that stand alone are done in chunks, by threads without a barrier."""
        code = program.code
        capacity = code.plan.storage.capacity
        worth = self._threads if code.flops * max(n, 1) / capacity > self._tuning.worth_sharing else 1
        if not self._by_row or n <= capacity:
            # It is made for so many threads, or for one.
            self._run(program, given, outputs, [(0, n)], worth if allowed(worth) == worth else 1)
            return
        starts, stop = range(0, n, capacity), Stop()
        team = min(allowed(worth), len(starts))

        def some(thread: int) -> None:
            mine = starts[len(starts) * thread // team : len(starts) * (thread + 1) // team]
            self._run(program, given, outputs, [(s, min(s + capacity, n)) for s in mine], 1, stop)

        if code.looks:
            run_beside(team, some, stop)
        else:
            run_team(team, some, stop=stop)

    def _run(
        self,
        program: _Program,
        given: Sequence[Array],
        outputs: Sequence[Array],
        spans: list[tuple[int, int]],
        threads: int,
        stop: Stop | None = None,
    ) -> None:
        """Each span of rows after the other, on a table of this call's own.

        stop: of several such calls, whose caller waits for them beside; None: where the program is large, of this one's
        own, and what is raised meanwhile is raised within a moment.
        """
        code, table = program.code, program.table()
        beside = code.looks and stop is None
        if code.looks:
            table.obey(stop or Stop())
        slots = code.plan.slots
        places = [*zip(code.plan.graph.inputs, given), *zip(code.plan.graph.outputs, outputs)]  # noqa: B905
        for start, end in spans:
            if stop is not None and stop.told:
                break
            for node, array in places:
                part = array[start:end] if self._by_row and node.type.symbolic else array
                table.set(slots[node], part)
            table.run(None, max(end - start, 1), end - start, 0, 1, 0, threads, beside)
            table.look(start)
        table.release(slots[node] for node, _ in places)  # they are the caller's, and may be large
        program.spare.append(table)


@dataclass(frozen=True)
class _Program:
    """Code, and tables that calls have done with: two callers never share one."""

    code: Code
    spare: list[Table] = field(default_factory=list)

    def table(self) -> Table:
        """One of a caller's own."""
        try:
            return self.spare.pop()
        except IndexError:
            return Table(self.code)


def _made(graph: Graph, threads: int, tuning: Tuning, capacity: int) -> _Program:
    return _Program(build(Draft(graph, Storage(capacity), threads=threads, tuning=tuning)))


class OneRow:
    """A function of one array at a single row, in the least time: the row is copied to where the program reads it."""

    def __init__(self, function: NativeFunction, held: Sequence[Array] = ()) -> None:
        self._code, self._held = function.code_for(1), tuple(held)
        self._ready: list[tuple[Array, Callable[[], int], Array]] = []

    def __call__(self, row: Array) -> Array:
        """The output for one row, known to be of the right type."""
        try:
            place = self._ready.pop()  # two callers never share one
        except IndexError:
            place = self._place()
        held, run, output = place
        np.copyto(held, row)
        run()
        result = output.copy()
        self._ready.append(place)
        return result

    def _place(self) -> tuple[Array, Callable[[], int], Array]:
        """A table of a caller's own, with memory for the row and the output."""
        table, graph = Table(self._code), self._code.plan.graph
        rows, others = ([n for n in graph.inputs if n.type.symbolic is wanted] for wanted in (True, False))
        (given,), (output,) = ([(n, _Form(n).empty(1)) for n in nodes] for nodes in (rows, graph.outputs))
        for node, array in (given, output, *zip(others, self._held, strict=True)):
            table.set(self._code.plan.slots[node], array)
        return given[1], table.bound(1), output[1]


class _Form:
    """How an input or output of a function lies in memory, the example axis first, and how its caller sees it."""

    def __init__(self, node: Node) -> None:
        shape = node.type.shape
        order = physical(shape)
        self.dtype = np.dtype(node.type.dtype)
        self.examples = len(symbols_in(shape))  # how many axes are as long as there are rows: the first in memory
        self.rest = tuple(shape[a] for a in order[self.examples :])
        self.tail = self.rest if self.examples == 1 and shape[0] == N else None
        self.static = None if node.type.symbolic else shape
        moved = order != sorted(order)
        self.order: list[int] | None = order if moved else None
        self.back: list[int] | None = [int(a) for a in np.argsort(order)] if moved else None

    def fits(self, array: Array, n: int) -> bool:
        """Whether the array has the type, N being n."""
        shape = array.shape
        if array.dtype != self.dtype or self.order is not None:
            return False
        return shape == self.static if self.tail is None else shape[:1] == (n,) and shape[1:] == self.tail

    def stored(self, array: Array) -> Array:
        """The array as a program expects to find it."""
        return solid(array if self.order is None else np.transpose(array, self.order))

    def empty(self, n: int) -> Array:
        """Memory for the value."""
        return np.empty((n,) * self.examples + self.rest, self.dtype)

    def shown(self, array: Array) -> Array:
        """The array as its caller expects it."""
        return array if self.back is None else np.transpose(array, self.back)


def physical(shape: Shape) -> list[int]:
    """The order in which a value's axes lie in memory: the example axis first (see schuss.compiler.storage)."""
    return sorted(range(len(shape)), key=lambda a: not isinstance(shape[a], Sym))
