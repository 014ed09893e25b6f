"""What a kernel costs, floating-point operations and bytes it reads and writes, and what sharing a step gains."""

from __future__ import annotations

from dataclasses import dataclass

from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.schedule.order import crossing
from schuss.compiler.schedule.partition import ONE
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import base_of, contracted, is_contraction, is_free, structure_of, written_over
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.compiler.work import elements
from schuss.ir.graph import Node
from schuss.ir.types import Shape


@dataclass(frozen=True)
class Cost:
    """flops: 2 m k n of a product, one an element of each map and fold. bytes: operands and results, each once."""

    label: str
    shape: str
    flops: float
    bytes: float


@dataclass(frozen=True)
class Sharing:
    """An estimate of a step shared among threads, against one thread that does it all.

    saved       seconds of computing
    barriers    how often the threads wait for each other
    cross_core  bytes a thread reads that another one has written, where one core's cache would have held everything
    """

    saved: float
    barriers: int
    cross_core: float
    tuning: Tuning = DEFAULT

    @property
    def spent(self) -> float:
        """Seconds lost by it."""
        return self.barriers * self.tuning.barrier + self.cross_core / self.tuning.cross_core_bytes

    @property
    def worth(self) -> bool:
        return self.saved > self.spent


def sharing(plan: Plan, n: int, threads: int, held: int, cache: int) -> Sharing:
    """For steps of n examples. held: bytes of the state; cache: bytes of a core's own cache.

    A matrix that one core's cache cannot hold comes from further away in any case: then there is no such traffic.
    """
    others, tuning = 1 - 1 / threads, plan.tuning
    shared = [stage for stage in plan.stages if stage.partition != ONE]
    costs = [cost(stage.group, n) for stage in shared]
    saved = others * sum(max(c.flops / tuning.flops, c.bytes / tuning.bytes) for c in costs)
    crossed = sum(_bytes(node, n) for stage in shared for node in crossing(stage))
    fits = held + plan.arena <= cache
    return Sharing(saved, 1 + sum(s.barrier for s in plan.stages), others * crossed if fits else 0.0, tuning)


def looks(plan: Plan, group: Group | None = None) -> bool:
    """Whether this kernel, or the whole of them, is so large that its code looks whether it is to be given up."""
    stages = [s.group for s in plan.stages] if group is None else [group]
    costs = [cost(g, plan.storage.capacity) for g in stages]
    return sum(max(c.flops, c.bytes) for c in costs) >= plan.tuning.looks


def cost(group: Group, n: int) -> Cost:
    """Of one run with n examples."""
    space = elements(group.space, n)
    flops = space * (len(group.maps) + len(group.folds))
    depth = ""
    if group.anchor is not None and is_contraction(group.anchor):
        k = contracted(group.anchor)
        flops += 2 * space * elements(k, n)
        depth = f" over {_dims(k)}"
    elif group.anchor is not None:
        found, axis = structure_of(group.anchor), group.anchor.attrs.get("axis")
        shape = group.anchor.inputs[0].type.shape if found is None else found.space
        along = isinstance(axis, int) and group.form is Form.OPAQUE  # it may look at the whole axis for each element
        flops += elements(shape, n) * (elements(shape[axis:][:1], n) if along else 1)
    read = {base_of(o): _read(r, i, n) for r, i, o in group.operands if not is_free(base_of(o))}
    moved = sum(read.values()) + sum(_written(o, n) for o in group.stores)
    return Cost(_label(group), f"{_dims(group.space)}{depth}", flops, moved)


def _label(group: Group) -> str:
    """The kernel's main operation, and what is computed along with it."""
    names = [node.op for node in group.nodes]
    head = group.anchor.op if group.anchor else names[-1]
    more = len(names) - 1
    return head if not more else f"{head} + {more} more"


def _read(reader: Node, number: int, n: int) -> float:
    """Bytes read of an operand: through an index what the places ask for; none of what is only written over."""
    operand, found = reader.inputs[number], structure_of(reader)
    access = None if found is None else found.reads[number]
    if number == written_over(reader):
        return 0
    if found is not None and access is not None and access.through is not None:
        return min(elements(found.space, n) * ITEMSIZE[operand.type.dtype], _bytes(operand, n))
    return _bytes(operand, n)


def _written(node: Node, n: int) -> float:
    """Bytes written of a result: of what is written over another value, where it is."""
    found = structure_of(node)
    if found is None or found.onto is None:
        return _bytes(node, n)
    return min(elements(found.space, n) * ITEMSIZE[node.type.dtype], _bytes(node, n))


def _bytes(node: Node, n: int) -> float:
    return elements(node.type.shape, n) * ITEMSIZE[node.type.dtype]


def _dims(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"
