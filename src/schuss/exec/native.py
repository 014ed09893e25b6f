"""The native executor: graphs to machine code for this CPU, whole epochs in one call.

Inputs, state and resident data are read where they lie; everything else is in one arena, made before
the first step. See schuss.passes for how a graph becomes a plan and schuss.codegen for how a plan
becomes code.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schuss.exec.reference import example_count
from schuss.exec.threads import available_cores, run_team
from schuss.ir.executor import Array, Compiled, Step
from schuss.ir.graph import Graph, Node
from schuss.ir.types import Shape, Sym, TensorType, bind
from schuss.passes.fusion import group
from schuss.passes.layout import choose_layout
from schuss.passes.materialize import materialize
from schuss.passes.memory import Plan, plan
from schuss.passes.pipeline import optimize
from schuss.passes.storage import ITEMSIZE, Storage, spaced_row
from schuss.passes.work import row_independent, work

if TYPE_CHECKING:
    from schuss.codegen.build import Listing

CHUNK = 256  # rows a row-wise graph computes at a time
WORTH_SHARING = 400_000  # floating-point operations of a step below which one thread does it all
KEPT = 16  # codes kept for graphs that need one for each length
ALIGN = 64
HUGE_PAGE = 2 << 20
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
    planned = plan(graph, groups, storage, slots, updates)
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

    @property
    def counts(self) -> Array:
        """What a profiling program counted."""
        return self._sync[SYNC:].view(np.int64)

    def set(self, slot: int, array: Array) -> None:
        """Point a slot at an array, which is kept alive."""
        self._kept[slot] = array
        self._pointers[slot] = array.ctypes.data

    def run(
        self, order: Array | None, batch: int, total: int, first: int, steps: int, counter: int, threads: int
    ) -> int:
        """Every thread through the program; returns the steps done."""
        from schuss.codegen.sync import yield_function_address

        self._sync[:SYNC] = 0
        results = [0] * threads
        head = (self._pointers.ctypes.data, 0 if order is None else order.ctypes.data, self._sync.ctypes.data)
        wait = yield_function_address()

        def one(thread: int) -> None:
            results[thread] = self._code.run(*head, batch, total, first, steps, counter, thread, threads, wait)

        if threads == 1:
            one(0)
        else:
            run_team(threads, one)
        return results[0]


def aligned(size: int, dtype: type | str) -> Array:
    """Zeros whose address is a multiple of a cache line; large ones lie in huge pages where the system has them."""
    item = np.dtype(dtype).itemsize
    if size * item >= HUGE_PAGE // 2 and hasattr(mmap, "MADV_HUGEPAGE"):
        memory = mmap.mmap(-1, size * item + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
        raw, align = np.frombuffer(memory, np.uint8), HUGE_PAGE
    else:
        raw, align = np.zeros(size * item + ALIGN, np.uint8), ALIGN
    start = -raw.ctypes.data % align
    result: Array = raw[start : start + size * item].view(dtype)
    return result


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
        self._codes: dict[int, Code] = {}
        self._tables: dict[int, list[Table]] = {}
        self._lock = threading.Lock()

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        n = example_count(self._graph, arrays)
        capacity = self._capacity(n)
        with self._lock:
            if capacity not in self._codes:
                if len(self._codes) >= KEPT:
                    oldest = next(iter(self._codes))
                    del self._codes[oldest], self._tables[oldest]
                self._codes[capacity] = build(self._graph, {}, Storage(capacity), None, None, self._threads)
            code = self._codes[capacity]
            pool = self._tables.setdefault(capacity, [])
            table = pool.pop() if pool else None
        table = table or Table(code)
        outputs = [
            np.empty(bind(tuple(o.type.shape[a] for a in physical(o.type.shape)), n), o.type.dtype)
            for o in self._graph.outputs
        ]
        self._fill(code, table, arrays, outputs, n, capacity)
        with self._lock:
            pool.append(table)
        return [
            np.transpose(array, np.argsort(physical(o.type.shape)))
            for array, o in zip(outputs, self._graph.outputs, strict=True)
        ]

    def _capacity(self, n: int) -> int:
        """The number of rows to compile for: one code serves many lengths, unless N is in a stride."""
        if self._by_row:
            return CHUNK
        if any(sum(isinstance(d, Sym) for d in node.type.shape) > 1 for node in self._graph.nodes):
            return max(n, 1)
        return 1 << max(n - 1, 0).bit_length() if self._symbolic else 1

    def _fill(
        self,
        code: Code,
        table: Table,
        arrays: Sequence[Array],
        outputs: Sequence[Array],
        n: int,
        capacity: int,
    ) -> None:
        """Run chunk by chunk into the outputs."""
        given = [_stored(a, node.type.shape) for a, node in zip(arrays, self._graph.inputs, strict=True)]
        threads = self._threads if code.flops * min(n or 1, capacity) / capacity > WORTH_SHARING else 1
        rows = range(0, n, capacity) if self._by_row else [0]
        for start in rows:
            stop = min(start + capacity, n) if self._by_row else n
            for node, array in zip(code.plan.graph.inputs, given, strict=True):
                table.set(code.slots[node], array[start:stop] if node.type.symbolic else array)
            for node, array in zip(code.plan.graph.outputs, outputs, strict=True):
                table.set(code.slots[node], array[start:stop] if node.type.symbolic else array)
            table.run(None, max(stop - start, 1), stop - start, 0, 1, 0, threads)


def _stored(array: Array, shape: Shape) -> Array:
    """The array as a program expects to find it."""
    return np.ascontiguousarray(np.transpose(array, physical(shape)))


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
        self._threads = threads if self._code.flops > WORTH_SHARING else 1
        self._slots = {str(n.attrs["name"]): s for n, s in self._code.slots.items() if n.op == "input"}
        self._types = {str(n.attrs["name"]): n.type for n in graph.inputs}
        self._table = Table(self._code, self._threads * (len(self._code.plan.stages) + 1) if profile else 0)
        self._max_batch = max_batch
        self._columns: dict[str, Array] = {}
        self._state = state_block({name: self._types[name] for name in step.state})
        for name, array in self._state.items():
            self._table.set(self._slots[name], array)

    @property
    def plan(self) -> Plan:
        """The kernels and how they are shared."""
        return self._code.plan

    @property
    def threads(self) -> int:
        """How many threads share a step: one if it is too small to share."""
        return self._threads

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
        return {name: self.peek(name) for name in self._state}

    def peek(self, name: str) -> Array:
        value = self._state[name]
        return np.array(value.T if name in self._swapped else value, order="C")

    def bind(self, columns: Mapping[str, Array]) -> None:
        for name in self._step.columns:
            array = np.ascontiguousarray(columns[name])
            self._columns[name] = array
            self._table.set(self._slots[name], array)

    def run(self, order: NDArray[np.int64], batch: int, first: int, steps: int, counter: int) -> int:
        assert batch <= self._max_batch
        total = len(order)
        order = np.append(order, np.zeros(batch, np.int64))  # the last batch looks ahead, too
        return self._table.run(order, batch, total, first, steps, counter, self._threads)


def state_block(types: Mapping[str, TensorType]) -> dict[str, Array]:
    """Arrays of zeros, laid out as Storage says, in one block of memory."""
    rows = {name: spaced_row(t.shape, t.dtype) for name, t in types.items()}
    starts, size = {}, 0
    for name, t in types.items():
        starts[name] = size
        shape = bind(t.shape, 0)
        elements = math.prod(shape) if rows[name] is None else math.prod(shape[:-1]) * (rows[name] or 0)
        size += -(-elements * ITEMSIZE[t.dtype] // ALIGN) * ALIGN
    block, result = aligned(size, np.uint8), {}
    for name, t in types.items():
        shape, row = bind(t.shape, 0), rows[name]
        whole = shape if row is None else (*shape[:-1], row)
        flat = block[starts[name] :][: math.prod(whole) * ITEMSIZE[t.dtype]].view(t.dtype).reshape(whole)
        result[name] = flat if row is None else flat[..., : shape[-1]]
    return result


def _unchanged(graph: Graph, name: str) -> bool:
    return graph.output(name) in graph.inputs and graph.output(name).attrs["name"] == name
