"""freeze: a model as a function of arrays alone, its weights as they are now, for the least time a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.arguments import array_type, as_given_to_fit, look_at_numbers, to_arrays
from schuss.api.program import Call, apply_model, settled_call
from schuss.api.pytree import Hole, Named, fill, flatten, parameters_of
from schuss.compiler.passes.nodes import literal
from schuss.compiler.structure import is_input
from schuss.errors import UsageError
from schuss.ir.executor import Array, Compiled, Executor
from schuss.ir.executors import on_able
from schuss.ir.graph import Graph, Node, topological
from schuss.ir.rewrite import substitute
from schuss.ir.types import N, TensorType, static_size
from schuss.nn.holding import Shown
from schuss.nn.module import chosen_mode
from schuss.nn.walk import Aside, initialize, model_of
from schuss.ops.registry import Kind, lookup
from schuss.trace import Tensor

_SUMS = (Kind.CONTRACT, Kind.REDUCE)  # what is not worth doing anew in each call, were it of weights alone
_ONLY_EVALUATION = "a frozen model computes in evaluation mode: in training mode call the model, or schuss.jit(model)"

ARRAYS_ONLY = "a frozen model takes arrays only: train, save or trace the model it was made of"


def freeze(model: Any) -> Frozen:
    """A function that computes what model(*inputs) computes now: later changes of the model do not reach it.

    A model that is called looks each time whether its weights, layers or settings have changed. A frozen one
    does not, and its weights are laid out for the products once, so that a call on one row takes microseconds.
    The leading axis of every input is the example axis; inputs, dtypes and scaling are as for a model's call
    (see schuss.nn.Module). Compiled at the first call for each dtype and shape of row, with the layers the model
    has then. Safe to call from many threads.

    It computes in evaluation mode: in training mode (nn.mode) call the model itself, or schuss.jit(model).

    UsageError for what is no model, for a model that needs to know the number of examples, and inside
    nn.mode(training=True).
    """
    return Frozen(model)


class _Known(Aside, dict[Any, tuple[Compiled, Any]]):
    """What is compiled, by the inputs' dtypes and shapes of row; and for one row, with its shape and dtype."""

    quick: tuple[tuple[int, ...], Any, Any] | None = None


class Frozen:
    """See freeze. Copies, and another process, get model and weights and compile anew."""

    signature = Shown()

    def __init__(self, model: Any) -> None:
        model = model_of(model)
        if not callable(model):
            raise UsageError(f"freeze takes a model, got {type(model).__name__}")
        now = chosen_mode()
        if now is not None and now.training:
            raise UsageError(_ONLY_EVALUATION)
        initialize(model)
        self.__wrapped__ = self._model = model
        self._weights = {name: np.array(p.data) for name, p in parameters_of(model).items()}
        self._known = _Known()

    def __call__(self, *inputs: Any) -> Any:
        """The model's result on these inputs. ShapeError and DataError as for the model itself."""
        now = chosen_mode()
        if now is not None and now.training:
            raise UsageError(_ONLY_EVALUATION)
        quick = self._known.quick
        if quick is not None and len(inputs) == 1:
            (x,) = inputs
            if type(x) is np.ndarray and x.shape == quick[0] and x.dtype is quick[1]:
                return quick[2](x)
        key = tuple((x.dtype, x.shape[1:]) for x in inputs if type(x) is np.ndarray and x.ndim)
        known = self._known.get(key) if len(key) == len(inputs) else None
        if known is not None:
            run, template = known
            return fill(template, run(inputs))
        return self._first(inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_known"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _known=_Known())

    def _first(self, inputs: tuple[Any, ...]) -> Any:
        """A call of a new form, or on what is no array yet."""
        if not inputs:
            raise UsageError(f"{ARRAYS_ONLY}; a call takes at least one array")
        if any(isinstance(x, Tensor) for x in inputs):
            raise UsageError(ARRAYS_ONLY)
        inputs = tuple(as_given_to_fit(self._model, inputs))
        leaves: list[Named] = list(parameters_of(self._model).items())
        owned = len(leaves)
        for i, x in enumerate(inputs):
            leaves += flatten(x, f"x{i}", numbers=False)
        arrays = to_arrays(leaves)
        given = arrays[owned:]
        if len(given) != len(inputs) or not all(a.ndim for a in given):
            raise UsageError("a frozen model takes arrays whose leading axis is the example axis")
        key = tuple((a.dtype, a.shape[1:]) for a in given)
        if key not in self._known:
            look_at_numbers(self._model, inputs)
            types = [array_type(a) for a in arrays[:owned]]
            types += [TensorType(array_type(a).dtype, (N, *a.shape[1:])) for a in given]
            self._known[key] = self._compile(Call((self._model, *inputs), {}, numbers=()), types, leaves)
        run, template = self._known[key]
        self._prepare_one_row(given, run, template)
        return fill(template, run(given))

    def _prepare_one_row(self, given: list[Array], run: Compiled, template: Any) -> None:
        """A model from one array to one array gets a way of its own for a single row."""
        make = getattr(run, "one_row", None)  # of a function in native code
        if len(given) == 1 and make is not None and isinstance(template, Hole):
            one_row = make()
            if one_row is not None:
                self._known.quick = ((1, *given[0].shape[1:]), given[0].dtype, one_row)

    def _compile(self, call: Call, types: list[TensorType], leaves: list[Named]) -> tuple[Compiled, Any]:
        with nn.mode():
            graph, template = settled_call(apply_model, call, types, [path for path, _ in leaves])
        return on_able(lambda on: on.compile(self._with_weights(graph, on))), template

    def _with_weights(self, graph: Graph, on: Executor) -> Graph:
        """The graph with the weights in it as constants, and what is summed up of them alone as well."""
        weights = dict(zip(graph.inputs, self._weights.values(), strict=False))
        ends = _sums_of(weights, graph)
        sums = on.compile(Graph(tuple(weights), ends))(list(weights.values())) if ends else []
        known = {**weights, **dict(zip(ends, sums, strict=True))}
        values = {node: literal(value, node.type.dtype) for node, value in known.items()}
        inputs = tuple(n for n in graph.inputs if n not in values)
        outputs = substitute(graph.outputs, values)
        assert not any(n in weights for n in topological(outputs))
        return Graph(inputs, outputs, graph.output_names)


def _sums_of(weights: Mapping[Node, Array], graph: Graph) -> tuple[Node, ...]:
    """What depends on weights alone, is not simply moved or mapped from them, and is read by what depends on more: the
    largest such values that are not larger than all weights together, as they are kept."""
    room = sum(value.size for value in weights.values())
    fixed, summed = set[Node](), set[Node]()
    for node in graph.nodes:
        alone = node in weights or (not is_input(node) and fixed.issuperset(node.inputs))
        if alone and not node.type.symbolic and static_size(node.type.shape) <= room:
            fixed.add(node)
            if summed.intersection(node.inputs) or (node.inputs and lookup(node.op).kind in _SUMS):
                summed.add(node)
    wanted = {i for node in graph.nodes if node not in fixed for i in node.inputs} | set(graph.outputs)
    return tuple(node for node in graph.nodes if node in summed and node in wanted)
