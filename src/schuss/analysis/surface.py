"""The loss at many points of a plane through the weights, in native code over all cores.

Most of a network's work is its first layer, x @ W' + b, and that is affine in the weights: at origin + a p + b q it is
L(origin) + a (L(p) - L(0)) + b (L(q) - L(0)). So what the data meets before the first nonlinearity is computed at three
or four points only, and at each point of the plane three arrays are added up instead. For 784-128-64-10 this leaves a
twelfth of the work. Which values of a model are affine is found in its graph, so it holds for models of any class.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from schuss import ops
from schuss.analysis.plane import Plane, Weights
from schuss.analysis.progress import Report, counted
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.work import work
from schuss.exec.native.threads import available_cores, run_team
from schuss.ir.executor import Array, GivenUp, Loop, Step
from schuss.ir.executors import compiled, on_able
from schuss.ir.graph import Graph, Node, input_node, topological
from schuss.ir.rewrite import substitute
from schuss.ir.types import N, TensorType, symbols_in
from schuss.trace import Tensor
from schuss.train.step import Task, evaluation_step

BATCH = 512  # rows of a step: what they need fits into the second-level cache
LEAST = 2e9  # floating-point operations that are worth another thread
WORTH = 0.7  # of the work: the split is used where it leaves less than this share
MOST = 1 << 30  # bytes of columns the split may hold
LINEAR = {"reshape", "transpose", "broadcast_to", "slice", "pad", "concatenate", "neg", "identity", "sum", "mean"}
SUMS = {"add", "sub"} | LINEAR  # affine in all their inputs together
PRODUCTS = {"mul", "matmul"}  # affine in one of them
FIRST = {"div", "take"}  # affine in the first


def surface(
    task: Task,
    plane: Plane,
    a: Array,
    b: Array,
    data: Mapping[str, Array],
    threads: int | None = None,
    progress: Report = None,
) -> Array:
    """loss[j, i]: the mean loss on data at the plane's point (a[i], b[j]); float64."""
    points = [(float(u), float(v)) for v in b for u in a]
    parts = split(task, data)
    if parts is None:
        step, columns = evaluation_step(replace(task, metrics={})), data
    else:
        step, columns = parts.step, {**data, **_columns(plane, data, parts.affine, threads)}
    with contextlib.closing(counted(points, len(points), progress, "landscape")) as taken:
        found = _walk(step, columns, plane, taken, len(points), threads)
    return found.reshape(len(b), len(a))


@dataclass(frozen=True)
class Split:
    """The evaluation step in two: values affine in the weights, and what becomes of them.

    affine  from columns and weights to those values
    step    the rest: in their place the columns value/I/0, value/I/1, value/I/2 and the coordinates plane/a/DTYPE,
             plane/b/DTYPE
    """

    affine: Graph
    step: Step


def split(task: Task, data: Mapping[str, Array]) -> Split | None:
    """The task's evaluation in two parts; None where that saves too little or takes too much memory."""
    whole = evaluation_step(replace(task, metrics={}))
    rows = min(BATCH, len(data["y"]))
    frontier = _frontier(whole)
    held = sum(3 * len(data["y"]) * ITEMSIZE[n.type.dtype] * math.prod(_row(n)) for n in frontier)
    if not frontier or held > MOST:
        return None
    kinds = sorted({node.type.dtype for node in frontier})
    place = {dtype: tuple(_coordinate(name, dtype) for name in ("a", "b")) for dtype in kinds}
    moved = {node: _on_plane(i, node.type, *place[node.type.dtype]) for i, node in enumerate(frontier)}
    outputs = substitute(whole.graph.outputs, moved)
    inputs = tuple(n for n in topological(outputs) if n.op == "input")
    rest = Graph(inputs, outputs, whole.graph.output_names)
    if work(rest, rows) > WORTH * work(whole.graph, rows):
        return None
    below = [n for n in topological(frontier) if n.op == "input"]
    below.sort(key=lambda n: str(n.attrs["name"]).startswith("param/"))  # columns first: they tell the number of rows
    columns = tuple(n for n in rest.input_names if n.startswith("value/") or n in task.columns)
    state = tuple(n for n in rest.input_names if n not in columns)
    return Split(Graph(tuple(below), tuple(frontier)), Step(rest, state, columns))


def _row(node: Node) -> list[int]:
    """The shape of a value's row."""
    return [d for d in node.type.shape[1:] if isinstance(d, int)]


def _frontier(step: Step) -> list[Node]:
    """The last values with rows that are affine in the weights and took a product."""
    moving = _moving(step)
    heavy: set[Node] = set()
    for node in step.graph.nodes:
        if (node.op == "matmul" and node.type.symbolic) or any(i in heavy for i in node.inputs):
            heavy.add(node)
    found = (n for n in step.graph.nodes if moving[n] is True and n in heavy and _by_rows(n.type))
    return [n for n in found if any(moving[user] is None for user in step.graph.users[n])]


def _by_rows(type: TensorType) -> bool:
    return type.shape[:1] == (N,) and not symbols_in(type.shape[1:])


def _moving(step: Step) -> dict[Node, bool | None]:
    """For each value: False if the weights do not reach it, True if it is affine in them, None if it is neither."""
    found: dict[Node, bool | None] = {}
    for node in step.graph.nodes:
        if node.op == "input":
            name = str(node.attrs["name"])
            found[node] = True if name.startswith("param/") else False if name in step.columns else None
        else:
            found[node] = _affine(node, [found[i] for i in node.inputs])
    return found


def _affine(node: Node, inputs: list[bool | None]) -> bool | None:
    if not any(i is not False for i in inputs):
        return False
    if None in inputs or not node.type.is_float:
        return None
    if node.op == "cast":
        return True if node.inputs[0].type.is_float else None
    one = sum(map(bool, inputs)) == 1
    fits = node.op in SUMS or (one and (node.op in PRODUCTS or (node.op in FIRST and bool(inputs[0]))))
    return True if fits else None


def _coordinate(name: str, dtype: str) -> Tensor:
    """The plane's a or b, as values of a dtype are multiplied by it."""
    return Tensor(input_node(f"plane/{name}/{dtype}", TensorType(dtype, ())))


def _on_plane(number: int, type: TensorType, a: Tensor, b: Tensor) -> Node:
    """The value at the plane's point, from three columns: value/I/0 + a value/I/1 + b value/I/2."""
    still, first, second = (Tensor(input_node(f"value/{number}/{k}", type)) for k in range(3))
    result: Tensor = ops.add(ops.add(still, ops.mul(a, first)), ops.mul(b, second))
    return result.node


def _columns(plane: Plane, data: Mapping[str, Array], affine: Graph, threads: int | None) -> dict[str, Array]:
    """The affine values at the origin, and how they change along each direction."""
    compute = compiled(affine, threads)

    def at(weights: Weights) -> list[Array]:
        names = affine.input_names
        return compute([weights[n.removeprefix("param/")] if n.startswith("param/") else data[n] for n in names])

    nothing = at({n: np.zeros_like(w) for n, w in plane.origin.items()})
    found = {f"value/{i}/0": v for i, v in enumerate(at(plane.origin))}
    for k, direction in enumerate(plane.directions, 1):
        found |= {f"value/{i}/{k}": v - nothing[i] for i, v in enumerate(at(direction))}
    return found


def _walk(
    step: Step,
    columns: Mapping[str, Array],
    plane: Plane,
    points: Iterator[tuple[float, float]],
    count: int,
    threads: int | None,
) -> Array:
    """The mean loss at each point, by threads that take points in turn and never meet; the same bits for any number."""
    rows = len(columns["y"])
    batch = min(BATCH, rows)
    share = work(step.graph, rows) * count / LEAST
    loops = [_loop(step, batch) for _ in range(max(1, min(threads or available_cores(), count, int(share))))]
    order, steps = np.arange(rows), -(-rows // batch)
    state = _states(step, plane)
    found, lock, numbered = np.zeros(count), threading.Lock(), enumerate(points)
    failed = False

    def some(thread: int) -> None:
        nonlocal failed
        loop = loops[thread]
        loop.bind(columns)
        try:
            while not failed:
                with lock:
                    number, point = next(numbered, (count, None))
                if point is None:
                    break
                loop.load(state(*point))
                loop.run(order, batch, 0, steps, 0, lambda: failed)
                found[number] = float(loop.peek("sum/loss")) / rows
        except GivenUp:
            pass  # whoever failed says why
        except BaseException:
            failed = True  # also for the others, if this one was interrupted
            raise

    run_team(len(loops), some)
    return found


def _states(step: Step, plane: Plane) -> Callable[[float, float], dict[str, Array]]:
    """A function from coordinates to the state the step starts with there."""
    left = [n.removeprefix("param/") for n in step.state if n.startswith("param/")]
    rest = Plane({n: plane.origin[n] for n in left}, plane.directions)
    zero = {n: np.zeros(()) for n in step.state if n.startswith("sum/")}
    kind = {str(n.attrs["name"]): n.type.dtype for n in step.graph.inputs}

    def state(a: float, b: float) -> dict[str, Array]:
        at = {"a": a, "b": b}
        place = {n: np.asarray(at[n.split("/")[1]], dtype) for n, dtype in kind.items() if n.startswith("plane/")}
        return {**{f"param/{n}": w for n, w in rest.point(a, b).items()}, **place, **zero}

    return state


def _loop(step: Step, batch: int) -> Loop:
    """For one thread: points are shared out, not rows."""
    return on_able(lambda on: on.loop(step, batch), 1)
