"""The native executor: graphs to machine code for this CPU, whole epochs in one call.

Inputs, state and resident data are read where they lie; everything else is in one arena, made before
the first step. See schuss.passes for how a graph becomes a plan and schuss.codegen for how a plan
becomes code.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schuss.exec.blocks import ALIGN, StateBlock, aligned
from schuss.exec.reference import example_count
from schuss.exec.threads import available_cores, private_cache, run_team
from schuss.ir.executor import Array, Compiled, Step
from schuss.ir.graph import Graph, Node
from schuss.ir.types import Shape, Sym, bind
from schuss.passes.cost import sharing
from schuss.passes.fusion import group
from schuss.passes.layout import choose_layout
from schuss.passes.materialize import materialize
from schuss.passes.memory import Plan, plan
from schuss.passes.pipeline import optimize
from schuss.passes.storage import LATER, Storage
from schuss.passes.work import row_independent, work

if TYPE_CHECKING:
    from schuss.codegen.build import Listing

CHUNK = 512  # rows a row-wise graph computes at a time
WORTH_SHARING = 400_000  # floating-point operations of a function's call below which one thread does it all
KEPT = 16  # codes kept for graphs that need one for each length
SYNC = 256  # bytes in which the threads of a run meet


class NativeExecutor:
    """Compiles for the CPU it runs on.

    threads  None means the cores this process may use
    profile  loops count the cycles of each kernel (x86; see NativeLoop.cycles)
    """

    name = "native"

    def __init__(self, threads: int | None = None, profile: bool = False) -> None:
        self.threads = threads or available_cores()
        self.profile = profile

    def compile(self, graph: Graph) -> Compiled:
        return NativeFunction(graph, self.threads)

    def loop(self, step: Step, max_batch: int) -> NativeLoop:
        return NativeLoop(step, max_batch, self.threads, self.profile)


@dataclass(frozen=True)
class Code:
    """A plan and its machine code."""

    plan: Plan
    slots: Mapping[Node, int]
    constants: tuple[Array, ...]
    run: Callable[..., int]
    flops: float

    @property
    def slot_count(self) -> int:
        return 1 + len(self.slots)


def build(
    graph: Graph,
    state: Mapping[str, str],
    storage: Storage,
    counter: str | None,
    watch: str | None,
    threads: int,
    profile: bool = False,
) -> Code:
    """Plan and compile a graph. state: input name -> output name that replaces it; other outputs get slots
    of their own, but the watched one."""
    from schuss.codegen.build import link

    graph = materialize(graph, storage)
    groups = group(graph)
    inputs = dict(zip(graph.input_names, graph.inputs, strict=True))
    outputs = dict(zip(graph.output_names, graph.outputs, strict=True))
    constants = [n for n in graph.nodes if n.op == "const" and n.attrs["value"].size != 1]
    kept = set(state.values()) | ({watch} if watch else set())
    owned = [*graph.inputs, *constants, *(o for name, o in outputs.items() if name not in kept)]
    slots = {node: i for i, node in enumerate(owned, start=1)}
    updates = {inputs[old]: outputs[new] for old, new in state.items()}
    planned = plan(graph, groups, storage, slots, updates, threads)
    run = link(planned, counter, outputs[watch] if watch else None, threads, profile)
    arrays = tuple(np.ascontiguousarray(c.attrs["value"]) for c in constants)
    return Code(planned, slots, arrays, run, work(graph, storage.capacity))


class Table:
    """The pointers a program is given: the arena and one place for each input, constant and output."""

    def __init__(self, code: Code, counts: int = 0) -> None:
        self._code = code
        self._pointers = np.zeros(code.slot_count, np.uintp)
        self._kept: dict[int, Array] = {}
        self.set(0, aligned(code.plan.arena + ALIGN, np.uint8))
        for node, slot in code.slots.items():
            if node.op == "const":
                self.set(slot, np.ascontiguousarray(node.attrs["value"]))
        self._sync = aligned(SYNC + counts * 8, np.uint8)
        from schuss.codegen.sync import wait_function_address

        self._addresses = (self._pointers.ctypes.data, self._sync.ctypes.data, wait_function_address())

    @property
    def counts(self) -> Array:
        """What a profiling program counted."""
        return self._sync[SYNC:].view(np.int64)

    def set(self, slot: int, array: Array) -> None:
        """Point a slot at an array, which is kept alive."""
        self._kept[slot] = array
        self._pointers[slot] = array.__array_interface__["data"][0]  # twice as fast as array.ctypes.data

    def bound(self, n: int) -> Callable[[], int]:
        """One step of n rows on this thread, everything else fixed; keeps this table alive."""
        numbers = (n, n, 0, 1, 0, 0, 1)
        arguments = [self._addresses[0], 0, self._addresses[1], *numbers, self._addresses[2]]
        prepared = [kind(a) for kind, a in zip(self._code.run.argtypes, arguments, strict=True)]  # type: ignore[attr-defined]
        held = partial(self._code.run, *prepared)
        held.table = self  # type: ignore[attr-defined]
        return held

    def run(
        self, order: Array | None, batch: int, total: int, first: int, steps: int, counter: int, threads: int
    ) -> int:
        """Every thread through the program; returns the steps done."""
        run, addresses = self._code.run, self._addresses
        rows = 0 if order is None else order.ctypes.data
        if threads == 1:
            return run(addresses[0], rows, addresses[1], batch, total, first, steps, counter, 0, 1, addresses[2])
        self._sync[:SYNC] = 0
        results = [0] * threads

        def one(thread: int) -> None:
            results[thread] = run(
                addresses[0], rows, addresses[1], batch, total, first, steps, counter, thread, threads, addresses[2]
            )

        run_team(threads, one)
        return results[0]


def physical(shape: Shape) -> list[int]:
    """The order in which a value's axes lie in memory: the example axis first (see schuss.passes.views)."""
    return sorted(range(len(shape)), key=lambda a: not isinstance(shape[a], Sym))


class NativeFunction:
    """A compiled function of arrays. Each caller works on a table of its own, so many may call at once."""

    def __init__(self, graph: Graph, threads: int) -> None:
        self._graph = optimize(graph)
        self._threads = threads
        self._by_row = row_independent(self._graph)
        self._symbolic = any(n.type.symbolic for n in self._graph.nodes)
        self._inputs = [_Form(node) for node in self._graph.inputs]
        self._outputs = [_Form(node) for node in self._graph.outputs]
        self._rows = next((i for i, f in enumerate(self._inputs) if f.tail is not None), None)  # an input of N rows
        self._codes: dict[int, Code] = {}
        self._tables: dict[int, list[Table]] = {}
        self._lock = threading.Lock()

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        n = self._count(arrays)
        code = self.code_for(self._capacity(n))
        given = [form.stored(a) for form, a in zip(self._inputs, arrays, strict=True)]
        outputs = [form.empty(n) for form in self._outputs]
        self._fill(code, given, outputs, n)
        return [form.shown(a) for form, a in zip(self._outputs, outputs, strict=True)]

    def _count(self, arrays: Sequence[Array]) -> int:
        """N. ShapeError if the arrays do not fit the types or each other."""
        if self._rows is not None and self._by_row and arrays[self._rows].ndim:
            n = len(arrays[self._rows])
            if all(f.fits(a, n) for f, a in zip(self._inputs, arrays, strict=True)):
                return n
        return example_count(self._graph, arrays)

    def _capacity(self, n: int) -> int:
        """The number of rows to compile for: one code serves many lengths, unless N is in a stride."""
        if self._by_row:
            return 1 if n == 1 else CHUNK
        if any(sum(isinstance(d, Sym) for d in node.type.shape) > 1 for node in self._graph.nodes):
            return max(n, 1)
        return 1 << max(n - 1, 0).bit_length() if self._symbolic else 1

    def one_row(self) -> Callable[[Array], Array] | None:
        """A quicker form for a single row, of a function of one array; None where rows do not stand alone."""
        forms = [*self._inputs, *self._outputs]
        plain = len(forms) == 2 and all(f.tail is not None and f.order is None for f in forms)
        return OneRow(self) if self._by_row and plain else None

    def code_for(self, capacity: int) -> Code:
        with self._lock:
            code = self._codes.get(capacity)
            if code is None:
                if len(self._codes) >= KEPT:
                    oldest = next(iter(self._codes))
                    del self._codes[oldest], self._tables[oldest]
                code = build(self._graph, {}, Storage(capacity), None, None, self._threads)
                self._codes[capacity], self._tables[capacity] = code, []
            return code

    def _fill(self, code: Code, given: Sequence[Array], outputs: Sequence[Array], n: int) -> None:
        """Run into the outputs. Rows that stand alone are done in chunks, by threads that never meet."""
        capacity = code.plan.storage.capacity
        worth = self._threads if code.flops * max(n, 1) / capacity > WORTH_SHARING else 1
        if not self._by_row or n <= capacity:
            self._run(code, given, outputs, [(0, n)], worth)
            return
        starts = range(0, n, capacity)
        team = min(worth, len(starts))

        def some(thread: int) -> None:
            mine = starts[len(starts) * thread // team : len(starts) * (thread + 1) // team]
            self._run(code, given, outputs, [(s, min(s + capacity, n)) for s in mine], 1)

        run_team(team, some)

    def _run(
        self, code: Code, given: Sequence[Array], outputs: Sequence[Array], spans: list[tuple[int, int]], threads: int
    ) -> None:
        """Each span of rows after the other, on a table of this call's own."""
        capacity = code.plan.storage.capacity
        with self._lock:
            pool = self._tables.setdefault(capacity, [])
            table = pool.pop() if pool else None
        table = table or Table(code)
        slots = code.slots
        places = [*zip(code.plan.graph.inputs, given), *zip(code.plan.graph.outputs, outputs)]  # noqa: B905
        for start, stop in spans:
            for node, array in places:
                part = array[start:stop] if self._by_row and node.type.symbolic else array
                table.set(slots[node], part)
            table.run(None, max(stop - start, 1), stop - start, 0, 1, 0, threads)
        with self._lock:
            self._tables.setdefault(capacity, []).append(table)


class OneRow:
    """A function of one array at a single row, in the least time: the row is copied to where the program reads it."""

    def __init__(self, function: NativeFunction) -> None:
        self._code = function.code_for(1)
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
        (given,), (output,) = ([(n, _Form(n).empty(1)) for n in nodes] for nodes in (graph.inputs, graph.outputs))
        for node, array in (given, output):
            table.set(self._code.slots[node], array)
        return given[1], table.bound(1), output[1]


class _Form:
    """How an input or output of a function lies in memory, the example axis first, and how its caller sees it."""

    def __init__(self, node: Node) -> None:
        shape = node.type.shape
        order = physical(shape)
        self.dtype = np.dtype(node.type.dtype)
        self.shape = tuple(shape[a] for a in order)
        self.tail = self.shape[1:] if shape and isinstance(shape[0], Sym) else None
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
        return np.ascontiguousarray(array if self.order is None else np.transpose(array, self.order))

    def empty(self, n: int) -> Array:
        """Memory for the value."""
        return np.empty(bind(self.shape, n), self.dtype)

    def shown(self, array: Array) -> Array:
        """The array as its caller expects it."""
        return array if self.back is None else np.transpose(array, self.back)


class NativeLoop:
    """Steps in native code with the state in place; see schuss.ir.executor.Loop."""

    def __init__(self, step: Step, max_batch: int, threads: int, profile: bool = False) -> None:
        layout = choose_layout(optimize(step.graph), step.state)
        self._swapped = layout.swapped
        graph = layout.graph
        state = {name: name for name in step.state if name in graph.output_names and not _unchanged(graph, name)}
        outputs = [n for n in graph.output_names if n in state or n == step.watch]
        graph = Graph(graph.inputs, tuple(graph.output(n) for n in outputs), tuple(outputs))
        self._storage = Storage(max_batch, frozenset(step.columns), spaced=True)
        self._step = step
        self._code = build(graph, state, self._storage, step.counter, step.watch, threads, profile)
        self._wanted_threads = threads
        self._slots = {str(n.attrs["name"]): s for n, s in self._code.slots.items() if n.op == "input"}
        self._types = {str(n.attrs["name"]): n.type for n in graph.inputs}
        self._block = StateBlock({name: self._types[name] for name in step.state})
        self._memory, self._state = self._block.make()
        self._spare: list[mmap.mmap] = []  # memory of a snapshot that nobody holds any more
        held = sum(array.nbytes for array in self._state.values())
        self.sharing = sharing(self._code.plan, max_batch, threads, held, private_cache())
        self._threads = threads if self.sharing.worth else 1
        self._table = Table(self._code, self._threads * (len(self._code.plan.stages) + 1) if profile else 0)
        self._max_batch = max_batch
        self._columns: dict[str, Array] = {}
        self._order = np.zeros(0, np.int64)
        for name, array in self._state.items():
            self._table.set(self._slots[name], array)

    @property
    def plan(self) -> Plan:
        """The kernels and how they are shared."""
        return self._code.plan

    @property
    def threads(self) -> int:
        """How many threads share a step: one if sharing is estimated to cost more than it gains."""
        return self._threads

    @property
    def wanted_threads(self) -> int:
        """How many threads might share a step."""
        return self._wanted_threads

    @property
    def flops(self) -> float:
        """Floating-point operations of a step (schuss.passes.work)."""
        return self._code.flops

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes held: state, arena, constants."""
        return {
            "state": sum(a.nbytes for a in self._state.values()),
            "arena": self._code.plan.arena,
            "constants": sum(a.nbytes for a in self._code.constants),
        }

    def listing(self) -> Listing:
        """The program to read."""
        from schuss.codegen.build import listing

        plan, step = self._code.plan, self._step
        watch = plan.graph.output(step.watch) if step.watch else None
        return listing(plan, step.counter, watch, self._wanted_threads)

    def cycles(self) -> Array:
        """[thread, kernel]: cycles counted so far by a profiling executor's loop; the last column is waiting."""
        return self._table.counts.reshape(self._threads, -1).copy()

    def load(self, state: Mapping[str, Array]) -> None:
        for name, value in state.items():
            if name not in self._state:
                continue
            held, given = self._state[name], np.asarray(value)
            np.copyto(held, given.T if name in self._swapped else given, casting="no")

    def state(self) -> dict[str, Array]:
        # Copied as it lies and shown the right way round: to turn each matrix would take longer than many a step.
        memory, copy = self._block.make(self._spare)
        np.copyto(memory, self._memory)
        return {name: a.T if name in self._swapped else a for name, a in copy.items()}

    def peek(self, name: str) -> Array:
        copy = np.array(self._state[name])  # as it lies, see state
        return copy.T if name in self._swapped else copy

    def bind(self, columns: Mapping[str, Array]) -> None:
        for name in self._step.columns:
            array = np.ascontiguousarray(columns[name])
            self._columns[name] = array
            self._table.set(self._slots[name], array)

    def run(self, order: NDArray[np.int64], batch: int, first: int, steps: int, counter: int) -> int:
        assert batch <= self._max_batch
        total = len(order)
        if len(self._order) != total + LATER:  # the last batch looks ahead, too
            self._order = np.zeros(total + LATER, np.int64)
        self._order[:total] = order
        return self._table.run(self._order, batch, total, first, steps, counter, self._threads)


def _unchanged(graph: Graph, name: str) -> bool:
    return graph.output(name) in graph.inputs and graph.output(name).attrs["name"] == name
