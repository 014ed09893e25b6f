"""The native step as a reader sees it: its kernels, what they cost, who computes them, and why so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from schuss.compiler.schedule.cost import cost
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import ONE, ROWS, Partition, in_words
from schuss.compiler.structure import base_of, is_copy, is_input
from schuss.compiler.tuning import Tuning
from schuss.exec.native.loop import NativeLoop
from schuss.ir.types import Sym, static_size


@dataclass(frozen=True)
class Line:
    """One kernel. flops and bytes: of a step of the whole batch (schedule/cost.py); why: it is shared so; code: how
    it was lowered, "" where there is only one way."""

    kernel: str
    shape: str
    computes: list[str]
    layer: str
    flops: float
    bytes: float
    partition: str
    threads: int
    barrier_before: bool
    why: str
    code: str


def plan_lines(loop: NativeLoop, batch: int) -> list[Line]:
    """The kernels in the order in which they run."""
    notes = loop.listing().notes
    plan = loop.plan
    return [_line(s, note, batch, loop.threads, plan.tuning) for s, note in zip(plan.stages, notes, strict=True)]


def _line(stage: Stage, note: str, batch: int, threads: int, tuning: Tuning) -> Line:
    group = stage.group
    c = cost(group, batch)
    shared = threads if stage.partition != ONE else 1
    scopes = [n.scope for n in group.nodes if n.scope]
    layers = dict.fromkeys(scope.partition("/")[0] for scope in scopes)
    layer = ", ".join(layers) or _copied(group)
    names = [n.op for n in group.nodes]
    why = "" if threads == 1 else _why(stage, tuning)
    return Line(c.label, c.shape, names, layer, c.flops, c.bytes, stage.partition[0], shared, stage.barrier, why, note)


def _copied(group: Group) -> str:
    """The names of the inputs that the kernel copies, if it does nothing else."""
    sources = [base_of(n.inputs[0]) for n in group.nodes if is_copy(n)]
    names = [n.attrs["name"].removeprefix("param/") for n in sources if is_input(n)]
    return ", ".join(dict.fromkeys(names)) if len(names) == len(group.nodes) else ""


def _why(stage: Stage, tuning: Tuning) -> str:
    """How the kernel is split among threads, and why so."""
    group, partition = stage.group, stage.partition
    reason = _reason(group, partition, tuning)
    return reason if partition == ONE else f"{in_words(partition)}: {reason}"


def _reason(group: Group, partition: Partition, tuning: Tuning) -> str:
    if partition == ROWS:
        return "each thread computes its own examples"
    if partition[0] == "columns":
        if group.form is Form.REDUCE:
            return "each thread sums its own; no sum is split"
        if isinstance(group.space[0], int):
            return "each thread updates the weights that it reads in the forward pass"
        return "each thread reads its own part of the right operand, not all of it"
    if partition != ONE:
        return "no sum is split"
    if group.form is Form.OPAQUE:
        return "the operation has no parallel code"
    if group.form is Form.REDUCE:
        return "a sum over the batch has one order"
    small = not any(isinstance(d, Sym) for d in group.space) and static_size(group.space) < tuning.shared_map
    return f"fewer than {tuning.shared_map:,} values" if small else "no axis to split"


def plan_json(loop: NativeLoop, batch: int) -> str:
    """The same for programs."""
    head = {"batch": batch, "threads": loop.threads, "flops": loop.flops, "bytes_held": loop.sizes}
    return json.dumps({**head, "kernels": [asdict(line) for line in plan_lines(loop, batch)]}) + "\n"


def plan_text(loop: NativeLoop, batch: int) -> str:
    """The same for people."""
    return "\n".join(_text(loop, plan_lines(loop, batch), batch)) + "\n"


def _text(loop: NativeLoop, lines: list[Line], batch: int) -> Iterator[str]:
    barriers = sum(line.barrier_before for line in lines) + 1
    sizes = ", ".join(f"{name} {_amount(size)}B" for name, size in loop.sizes.items() if size)
    many = "1 thread" if loop.threads == 1 else f"{loop.threads} threads, {barriers} barriers"
    examples = "1 example" if batch == 1 else f"{batch} examples"
    yield f"a step of {examples}: {len(lines)} kernels, {loop.flops / 1e6:.3g} Mflop, {many}; {sizes}"
    if loop.wanted_threads > 1:
        yield _why_shared(loop)
    for number, line in enumerate(lines):
        if line.barrier_before and loop.threads > 1:
            yield "     -- barrier --"
        yield ""
        yield f"{number:3}  {line.kernel}  [{line.shape}]{'  ' + line.layer if line.layer else ''}"
        if len(line.computes) > 1:
            yield f"       fused    {', '.join(line.computes)}"
        yield f"       cost     {_amount(line.flops)}flop, {_amount(line.bytes)}B"
        if line.why:
            yield f"       threads  {line.threads}{':' if line.threads == 1 else ','} {line.why}"
        if line.code:
            yield f"       code     {line.code}"


def _why_shared(loop: NativeLoop) -> str:
    """Why the step is shared among threads or not."""
    s = loop.sharing
    cross_core = f" and {_amount(s.cross_core)}B of cross-core traffic" if s.cross_core else ""
    saved = f"{loop.wanted_threads} threads save an estimated {s.saved * 1e6:,.0f} us of computing"
    spent = f"{s.spent * 1e6:,.0f} us for {s.barriers} barriers{cross_core}"
    core = f"assuming {s.tuning.flops / 1e9:.0f} Gflop/s a core"
    return f"{'parallel' if s.worth else 'single thread'}: {saved} and spend {spent} ({core})"


def _amount(value: float) -> str:
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {letter}"
    return f"{value:.3g} "
