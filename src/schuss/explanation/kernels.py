"""The native step as a reader sees it: its kernels, what they cost, who computes them, and why so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from schuss.compiler.schedule.cost import cost
from schuss.compiler.schedule.fuse import Form
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import ONE, ROWS
from schuss.compiler.tuning import Tuning
from schuss.exec.native.loop import NativeLoop


@dataclass(frozen=True)
class Line:
    """One kernel. flops and bytes: of a step of the whole batch (schedule/cost.py); why: partition, then code."""

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


def plan_lines(loop: NativeLoop, batch: int) -> list[Line]:
    """The kernels in the order in which they run."""
    notes = loop.listing().notes
    plan = loop.plan
    return [_line(s, note, batch, loop.threads, plan.tuning) for s, note in zip(plan.stages, notes, strict=True)]


def _line(stage: Stage, note: str, batch: int, threads: int, tuning: Tuning) -> Line:
    group = stage.group
    c = cost(group, batch)
    shared = threads if stage.partition != ONE else 1
    why = "; ".join(filter(None, (_why_divided(stage, threads, tuning), note)))
    scopes = [n.scope for n in group.nodes if n.scope]
    layer = scopes[0].partition("/")[0] if scopes else ""
    names = [n.op for n in group.nodes]
    return Line(c.label, c.shape, names, layer, c.flops, c.bytes, stage.partition[0], shared, stage.barrier, why)


def _why_divided(stage: Stage, threads: int, tuning: Tuning) -> str:
    group, partition = stage.group, stage.partition
    if threads == 1:
        return ""
    if partition == ROWS:
        return "each thread computes its own examples"
    if partition[0] == "columns":
        if group.form is Form.REDUCE:
            return f"each thread adds up its own of {partition[1]} columns: sums over examples stay whole"
        if isinstance(group.space[0], int):
            return "weight gradient with its update, divided by columns: each thread keeps its weights"
        return f"each thread computes its own of {partition[1]} columns: the matrix is read once, not by every thread"
    if partition != ONE:
        what = "weight gradient with its update" if group.form is Form.CONTRACT and len(group.maps) > 3 else "values"
        return f"{what}, divided by its {partition[1]} rows: sums over examples stay whole"
    if group.form is Form.REDUCE:
        return "a sum over examples has one order, so one thread adds it"
    return f"fewer than {tuning.shared_map:,} values: not worth sharing"


def plan_json(loop: NativeLoop, batch: int) -> str:
    """The same for programs."""
    head = {"batch": batch, "threads": loop.threads, "flops": loop.flops, "bytes_held": loop.sizes}
    return json.dumps({**head, "kernels": [asdict(line) for line in plan_lines(loop, batch)]}) + "\n"


def plan_text(loop: NativeLoop, batch: int) -> str:
    """The same for people."""
    return "\n".join(_text(loop, plan_lines(loop, batch), batch)) + "\n"


def _text(loop: NativeLoop, lines: list[Line], batch: int) -> Iterator[str]:
    barriers = sum(line.barrier_before for line in lines) + 1
    sizes = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in loop.sizes.items() if size)
    many = "1 thread" if loop.threads == 1 else f"{loop.threads} threads, {barriers} barriers"
    examples = "1 example" if batch == 1 else f"{batch} examples"
    yield f"a step of {examples}: {len(lines)} kernels, {loop.flops / 1e6:.3g} Mflop, {many}; {sizes}"
    if loop.wanted_threads > 1:
        yield _why_shared(loop)
    for number, line in enumerate(lines):
        if line.barrier_before and loop.threads > 1:
            yield "     -- barrier --"
        yield ""
        who = "" if line.threads == 1 else f", {line.threads} threads"
        yield f"{number:3}  {line.kernel}  [{line.shape}]{'  ' + line.layer if line.layer else ''}"
        if len(line.computes) > 1:
            yield f"       computes  {', '.join(line.computes)}"
        yield f"       costs     {_amount(line.flops)}flop, {_amount(line.bytes)}B{who}"
        if line.why:
            yield f"       why       {line.why}"


def _why_shared(loop: NativeLoop) -> str:
    """Why the step is shared among threads or not."""
    s = loop.sharing
    cross_core = f" and {_amount(s.cross_core)}B of cross-core traffic" if s.cross_core else ""
    estimate = f"{loop.wanted_threads} threads would save about {s.saved * 1e6:,.0f} us"
    cost = f"lose {s.spent * 1e6:,.0f} us, by {s.barriers} barriers{cross_core}"
    core = f"a core is taken to do {s.tuning.flops / 1e9:.0f} Gflop/s"
    return f"{'shared' if s.worth else 'one thread'}: {estimate} and {cost} ({core})"


def _amount(value: float) -> str:
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {letter}"
    return f"{value:.3g} "
