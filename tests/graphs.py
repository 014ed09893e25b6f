"""Random whole graphs: a function grows by random steps from random inputs; every value stays of moderate size.

`random_graph(seed)` draws with Python's generator, `graphs()` is the same as a hypothesis strategy.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from schuss import ops
from schuss.backprop import backprop
from schuss.ir.graph import Graph
from schuss.ir.types import N, Shape, Sym, TensorType, bind, static_size
from schuss.trace import Tensor, trace

Choose = Callable[[Sequence[Any]], Any]

LARGEST_SIZE = 1500  # elements, N counted as one
LARGEST_VALUE = 20.0  # values that might be larger are scaled down: finite differences need them tame
MANY_ROWS = 300

# Each with a bound on its result, given one on its argument.
UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[float], float]]] = {
    "tanh": (ops.tanh, lambda b: 1.0),
    "sigmoid": (ops.sigmoid, lambda b: 1.0),
    "sin": (ops.sin, lambda b: 1.0),
    "cos": (ops.cos, lambda b: 1.0),
    "erf": (ops.erf, lambda b: 1.0),
    "relu": (ops.relu, lambda b: b),
    "abs": (ops.abs, lambda b: b),
    "neg": (ops.neg, lambda b: b),
    "clip": (lambda x: ops.clip(x, low=-1.0, high=0.75), lambda b: 1.0),
    "exp": (lambda x: ops.exp(ops.tanh(x)), lambda b: 2.8),
    "expm1": (lambda x: ops.expm1(ops.sin(x)), lambda b: 1.8),
    "log": (lambda x: ops.log(x * x + 0.5), lambda b: 7.0),
    "log1p": (lambda x: ops.log1p(ops.abs(x)), lambda b: 4.0),
    "sqrt": (lambda x: ops.sqrt(x * x + 1.0), lambda b: b + 1.0),
    "rsqrt": (lambda x: ops.rsqrt(x * x + 0.5), lambda b: 1.5),
    "pow": (lambda x: ops.pow(ops.sigmoid(x) + 0.5, 1.5), lambda b: 2.0),
    "square": (lambda x: x * x, lambda b: b * b),
    "scaled": (lambda x: x * -0.75 + 0.25, lambda b: b + 0.25),
    "sign": (lambda x: ops.sign(x) * 0.5, lambda b: 0.5),
    "floor": (ops.floor, lambda b: b + 1.0),
    "identity": (ops.identity, lambda b: b),
    "gelu": (ops.gelu, lambda b: b),
    "softplus": (ops.softplus, lambda b: b + 1.0),
    "through int32": (lambda x: (x * 3.0).astype("int32").astype(x.dtype), lambda b: 3.0 * b),
}

BINARY: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[float, float], float]]] = {
    "add": (ops.add, lambda a, b: a + b),
    "sub": (ops.sub, lambda a, b: a + b),
    "mul": (ops.mul, lambda a, b: a * b),
    "div": (lambda x, y: x / (y * y + 0.5), lambda a, b: 2.0 * a),
    "maximum": (ops.maximum, max),
    "minimum": (ops.minimum, max),
    "pow": (lambda x, y: ops.pow(ops.sigmoid(x) + 0.5, ops.tanh(y)), lambda a, b: 2.0),
    "where less": (lambda x, y: ops.where(x < y, x * 0.5, y), max),
    "where equal": (lambda x, y: ops.where((x == y) | ~(y >= 0.0), x, 0.25), lambda a, b: a),
}


class Builder:
    """Values so far, each with a bound on its size, and steps that add another."""

    def __init__(self, choose: Choose, values: Sequence[Tensor], indices: Sequence[Tensor]) -> None:
        self.choose = choose
        self.values = [(v, 4.0) for v in values]
        self.indices = list(indices)

    def grow(self) -> None:
        """One random step; nothing happens where it does not fit what it picked."""
        local = [self._unary, self._binary] * 2
        made = self.choose([*local, self._reduce, self._move, self._join, self._product, self._index, self._row_wise])()
        if made is not None:
            self._keep(*made)

    def _keep(self, value: Tensor, bound: float) -> None:
        if static_size(value.shape) > LARGEST_SIZE or len(value.shape) > 4 or value.shape.count(N) > 2:
            return
        if bound > LARGEST_VALUE:
            value, bound = value * (3.0 / bound), 3.0
        self.values.append((value, bound))

    def _pick(self) -> tuple[Tensor, float]:
        """Late values more often, so that graphs are deep."""
        return self.choose(self.values + self.values[-3:])

    def _unary(self) -> tuple[Tensor, float]:
        (x, bound), (function, bound_of) = self._pick(), UNARY[self.choose(list(UNARY))]
        return function(x), bound_of(bound)

    def _binary(self) -> tuple[Tensor, float] | None:
        x, a = self._pick()
        fitting = [(y, b) for y, b in self.values if _broadcast(x.shape, y.shape)]
        (y, b), (function, bound_of) = self.choose(fitting), BINARY[self.choose(list(BINARY))]
        return function(x, y), bound_of(a, b)

    def _reduce(self) -> tuple[Tensor, float] | None:
        x, bound = self._pick()
        axes = [a for a in range(x.ndim) if self.choose([True, False])]
        keepdims = self.choose([True, False])
        name = self.choose(["sum", "mean", "max", "min", "argmax", "logsumexp", "var"])
        if name in ("max", "min", "argmax", "logsumexp") and any(x.shape[a] == 0 for a in axes):
            return None
        count = float(np.prod([MANY_ROWS if isinstance(x.shape[a], Sym) else x.shape[a] for a in axes]))
        if name == "argmax":
            return (ops.argmax(x, axis=axes[0]).astype(x.dtype) * 0.125, 4.0) if len(axes) == 1 else None
        function = getattr(ops, name)
        bounds = {"sum": bound * count, "var": bound * bound, "logsumexp": bound + 8.0}
        return function(x, axis=tuple(axes), keepdims=keepdims), bounds.get(name, bound)

    def _move(self) -> tuple[Tensor, float] | None:
        x, bound = self._pick()
        name = self.choose(["transpose", "reshape", "broadcast", "slice", "pad", "new axis"])
        static = [a for a, d in enumerate(x.shape) if isinstance(d, int) and d > 0]
        if name == "transpose":
            return ops.transpose(x, axes=self._order(x.ndim)), bound
        if name == "reshape":
            return self._reshaped(x), bound
        if name == "broadcast":
            extra = self.choose([(), (2,), (1,)])
            wide = tuple(self.choose([d, 3]) if d == 1 else d for d in x.shape)
            return ops.broadcast_to(x, shape=(*extra, *wide)), bound
        if name == "new axis":
            return ops.expand_dims(x, self.choose(range(x.ndim + 1))), bound
        if not static:
            return None
        axis = self.choose(static)
        if name == "pad":
            before, after, between = (self.choose([0, 1, 2]) for _ in range(3))
            return ops.pad(x, axis=axis, before=before, after=after, between=between, value=0.5), max(bound, 0.5)
        start = self.choose(range(x.shape[axis]))
        stop = self.choose(range(start + 1, x.shape[axis] + 1))
        return ops.slice_axis(x, axis=axis, start=start, stop=stop, step=self.choose([1, 1, 2, 3])), bound

    def _order(self, rank: int) -> tuple[int, ...]:
        rest = list(range(rank))
        return tuple(rest.pop(self.choose(range(len(rest)))) for _ in range(rank))

    def _reshaped(self, x: Tensor) -> Tensor | None:
        """All static axes in two; N stays first."""
        if any(isinstance(d, Sym) for d in x.shape[1:]):
            return ops.transpose(x)
        head = x.shape[:1] if x.shape and isinstance(x.shape[0], Sym) else ()
        size = static_size(x.shape)
        first = self.choose([d for d in range(1, size + 1) if size % d == 0] or [0])
        return ops.reshape(x, shape=(*head, first, size // first if first else 0))

    def _join(self) -> tuple[Tensor, float] | None:
        x, bound = self._pick()
        static = [a for a, d in enumerate(x.shape) if isinstance(d, int)]
        if not static:
            return None
        axis = self.choose(static)

        def fits(y: Tensor) -> bool:
            return y.ndim == x.ndim and all(
                isinstance(e, int) if i == axis else d == e
                for i, (d, e) in enumerate(zip(x.shape, y.shape, strict=True))
            )

        y, other = self.choose([(y, b) for y, b in self.values if fits(y)])
        return ops.concatenate(x, y, axis=axis), max(bound, other)

    def _product(self) -> tuple[Tensor, float] | None:
        matrices = [(v, b) for v, b in self.values if v.ndim >= 2]
        if not matrices:
            return None
        x, a = self.choose(matrices)

        def fits(y: Tensor) -> bool:
            return y.shape[-2] == x.shape[-1] and _broadcast(x.shape[:-2], y.shape[:-2])

        turned = [(ops.swap_last(v), b) for v, b in matrices]
        y, b = self.choose([(y, b) for y, b in matrices + turned if fits(y)] or [(None, 0.0)])
        if y is None:
            return None
        length = x.shape[-1]
        return x @ y, a * b * (MANY_ROWS if isinstance(length, Sym) else length)

    def _index(self) -> tuple[Tensor, float] | None:
        index = self.choose(self.indices)
        x, bound = self._pick()
        name = self.choose(["take", "one_hot", "scatter_add", "pick"])
        if name == "one_hot":
            if self.choose([True, False]):
                return ops.one_hot(index, classes=3, dtype=x.dtype, mode="zero") * 0.5, 0.5
            return ops.one_hot(index, classes=5, dtype=x.dtype) * 0.5, 0.5
        if name == "pick":
            fits = x.ndim == index.ndim + 1 and x.shape[:-1] == index.shape
            fits = fits and isinstance(x.shape[-1], int) and x.shape[-1] > 0
            return (ops.pick(x, index, mode="zero"), bound) if fits else None
        static = [a for a, d in enumerate(x.shape) if isinstance(d, int) and d > 0]
        if name == "take":
            if not static or (index.ndim and N in index.shape and N in x.shape):
                return None
            axis = self.choose(static)
            known = x.shape[axis] >= 5 or (index.dtype == "int64" and self.choose([True, False]))
            counted = index if x.shape[axis] >= 5 else ops.clip(index.astype(x.dtype), low=-1, high=0).astype("int64")
            return (ops.take(x, counted, axis=axis) if known else ops.take(x, index, axis=axis, mode="clip")), bound
        if x.ndim < index.ndim or x.shape[: index.ndim] != index.shape:
            return None
        if self.choose([True, False]):
            return ops.scatter_add(x, index, axis=0, size=5), bound * MANY_ROWS
        return ops.scatter_add(x, index, axis=0, size=4, mode="clip"), bound * MANY_ROWS

    def _row_wise(self) -> tuple[Tensor, float] | None:
        x, bound = self._pick()
        if not x.ndim or not isinstance(x.shape[-1], int) or x.shape[-1] == 0:
            return None
        name = self.choose(["softmax", "log_softmax", "layer_norm"])
        if name == "layer_norm":
            return ops.layer_norm(x, eps=0.1), 4.0
        return getattr(ops, name)(x, axis=-1), 1.0 if name == "softmax" else 2 * bound + 8.0


def _broadcast(x: Shape, y: Shape) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(x), reversed(y), strict=False))


def input_types(choose: Choose, dtype: str, least: int = 1) -> list[TensorType]:
    """Data with N rows (or some number), a matrix, a row, perhaps a scalar; then indices. Axes of `least` or more."""
    a, b = choose([least, 2, 3, 5, 17]), choose([least, 2, 4, 9])
    rows = choose([N, N, N, 3, 1])
    floating = [(rows, a), (a, b), (b,), *choose([[], [()], [(rows,)], [(rows, b)], [(2, a, b)]])]
    index = choose([(rows,), (3,), (2, 2), ()])
    return [TensorType(dtype, s) for s in floating] + [TensorType(choose(["int64", "int32", "uint8"]), index)]


def grow(choose: Choose, xs: Sequence[Tensor], steps: int) -> list[Tensor]:
    """All values of a random function of the tensors."""
    builder = Builder(choose, [x for x in xs if x.is_float], [x for x in xs if not x.is_float])
    for _ in range(steps):
        builder.grow()
    return [v for v, _ in builder.values]


def build(choose: Choose, dtype: str, steps: int) -> Graph:
    """A graph with several outputs, sometimes with the gradient of a scalar among them."""
    return trace(lambda *xs: outputs(choose, xs, steps), input_types(choose, dtype))


def outputs(choose: Choose, xs: Sequence[Tensor], steps: int) -> list[Tensor]:
    values = grow(choose, xs, steps)
    chosen = [choose(values + values[-3:]) for _ in range(choose([1, 2, 3]))]
    if choose([True, False]):
        loss = scalar(chosen[0]) + scalar(values[-1])
        chosen += [loss, *backprop(loss, [x for x in xs if x.is_float])]
    return chosen


def together(seeds: Sequence[int], steps: int) -> Graph:
    """Many random functions in one graph, of inputs of their own: a program of all takes less time than many."""
    choosers = [random.Random(seed).choice for seed in seeds]
    types = [input_types(c, ("float32", "float64")[s % 2], s % 3 and 1) for s, c in zip(seeds, choosers, strict=True)]

    def function(*xs: Tensor) -> list[Tensor]:
        rest = iter(xs)
        return [
            y
            for choose, some in zip(choosers, types, strict=True)
            for y in outputs(choose, list(itertools.islice(rest, len(some))), steps)
        ]

    return trace(function, [t for some in types for t in some])


def scalar(value: Tensor) -> Tensor:
    return (value * value + value).mean()


def differentiated(choose: Choose, steps: int) -> Graph:
    """float64: a random scalar, its slope along v (inputs of their own), and that slope's along u."""
    types = input_types(choose, "float64")
    floating = [t for t in types if t.is_float]

    def function(*inputs: Tensor) -> list[Tensor]:
        xs, rest = inputs[: len(types)], inputs[len(types) :]
        v, u = rest[: len(floating)], rest[len(floating) :]
        values = grow(choose, xs, steps)
        loss = scalar(values[-1]) + scalar(choose(values))
        wrt = [x for x in xs if x.is_float]
        slope = dot(backprop(loss, wrt), v)
        return [loss, slope, dot(backprop(slope, wrt), u)]

    return trace(function, [*types, *floating, *floating])


def dot(xs: Sequence[Tensor], ys: Sequence[Tensor]) -> Tensor:
    terms = [(x * y).sum() for x, y in zip(xs, ys, strict=True)]
    return sum(terms[1:], terms[0])


def arrays_for(graph: Graph, rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Inputs: bounded floats, and indices of which some are out of range."""
    made = []
    for node in graph.inputs:
        shape = bind(node.type.shape, {N: rows})
        draw = rng.uniform(-2, 2, shape) if node.type.is_float else rng.integers(0, 5, shape)
        made.append(np.asarray(draw).astype(node.type.dtype))
    return made


def fewest_rows(graph: Graph) -> int:
    """1 if an extremum needs a row, else 0."""
    return int(any(n.op in ("max", "min", "argmax") for n in graph.nodes))


def random_graph(seed: int, dtype: str = "float64", steps: int = 14) -> Graph:
    return build(random.Random(seed).choice, dtype, steps)


@st.composite
def graphs(draw: Any, dtype: str = "float64", steps: int = 10) -> Graph:
    def choose(options: Sequence[Any]) -> Any:
        return options[draw(st.integers(0, len(options) - 1))]

    return build(choose, dtype, steps)
