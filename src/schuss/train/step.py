"""The step graphs: what happens to one batch, in training and in evaluation.

Inputs by name: param/NAME, opt/NAME, sum/NAME (float64 scalars that add up an epoch's metrics), key (the random
key), x0, x1, ... and y and w (rows of the data), step (counts from 0 over the whole run).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.backprop import backprop, between, reached
from schuss.errors import GradientError, UsageError
from schuss.ir.executor import Array, Step
from schuss.ir.graph import Graph, Node, input_node
from schuss.ir.types import N, TensorType
from schuss.nn.holding import inert
from schuss.nn.loss import COMPUTED, shown, weighted
from schuss.optim import Optimizer, clip_grad_norm
from schuss.optim.base import Rate, counts_own_steps, rate_at
from schuss.optim.rows import Gradient, by_rows, sparse_tables
from schuss.signature import Input, Transform
from schuss.signature.form import ALONE, Form
from schuss.signature.inputs import as_inputs, handed_over
from schuss.trace import Tensor, as_tensor, building, notice, one_example_axis, scope, settles
from schuss.train.weights import DATA

Metric = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Task:
    """What is learned: the model but for its frozen parameters, the loss and the types of one batch's columns.

    inputs        a signature's inputs, or types of data that are taken as they are
    target_transform  what becomes of targets that are the input itself
    weighting     what the weights of examples are normalised over: the data, before the run, or each batch
    optimizer     in its groups the names of the model's parameters stand for whatever selected them
    acting        whether the signatures of the model's parts act, as in a call of a model without one of its own
    others, form  the types of further targets, columns y1, ..., and how the loss gets all of them
    late          parameters that were unfrozen during the run: schuss's optimizers count their steps apart
    """

    model: Any
    loss: Any
    optimizer: Any
    inputs: tuple[Input, ...]
    target: TensorType
    weighted: bool = False
    clip_norm: Rate | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()
    target_transform: Transform | None = None
    weighting: str = DATA
    others: tuple[TensorType, ...] = ()
    form: Form = ALONE
    acting: bool = False
    late: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", as_inputs(self.inputs))
        if isinstance(self.optimizer, Optimizer):
            object.__setattr__(self, "optimizer", self.optimizer.resolved(self.model))

    @property
    def columns(self) -> tuple[str, ...]:
        names = [f"x{i}" for i in range(len(self.inputs))]
        return (*names, *self.targets, *(["w"] if self.weighted else []))

    @property
    def targets(self) -> dict[str, TensorType]:
        """The types of the targets' columns, by name."""
        return {f"y{i}" if i else "y": t for i, t in enumerate((self.target, *self.others))}

    @property
    def types(self) -> dict[str, TensorType]:
        """The types of the inputs' columns and of y, by name."""
        return {**{f"x{i}": x.type for i, x in enumerate(self.inputs)}, **self.targets}

    @cached_property
    def sums(self) -> tuple[str, ...]:
        return ("count", "loss", *self.metrics)


class _Inputs:
    """The inputs of a graph, made as they are asked for."""

    def __init__(self, nodes: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self.nodes: dict[str, Tensor] = dict(nodes)

    def __call__(self, name: str, type: TensorType) -> Tensor:
        self.nodes[name] = Tensor(input_node(name, type))
        return self.nodes[name]


def _bound(task: Task, make: _Inputs) -> dict[str, Tensor]:
    """An input for each parameter."""
    return {name: make(f"param/{name}", p.type) for name, p in nn.named_parameters(task.model).items()}


def _forward(task: Task, make: _Inputs, params: Mapping[str, Tensor]) -> tuple[Any, Any, Any]:
    """(prediction, target, weight of the batch's examples or None)"""
    dtype = next((p.dtype for p in params.values()), "float32")
    xs = [make(f"x{i}", t.type) for i, t in enumerate(task.inputs)]
    xs = [i.prepared(x, dtype) for i, x in zip(task.inputs, xs, strict=True)]
    first, *others = [make(name, type) for name, type in task.targets.items()]
    weight = make("w", TensorType(dtype, (N,))) if task.weighted else None
    notice(task.model)
    with nullcontext() if task.acting else inert():
        pred = task.model(*handed_over(task.inputs, xs))
    first = Input("y", task.target, task.target_transform).prepared(first, dtype)
    return pred, task.form.packed([first, *others]), weight


def _loss(task: Task, pred: Any, target: Any, weight: Any) -> Tensor:
    notice(task.loss)
    with one_example_axis("the loss", pred, target):
        if weight is None:
            value = task.loss(pred, target)
        else:
            value = weighted(task.loss, pred, target, weight, normalised=task.weighting == DATA)
    if not isinstance(value, Tensor) or value.shape != () or not value.is_float:
        if not isinstance(value, Tensor):
            raise GradientError(f"the loss must return {COMPUTED}, got {shown(value)}")
        raise GradientError(f"the loss must return a floating scalar, got {value.type}; reduce it with mean()")
    return value


def _summed(task: Task, make: _Inputs, pred: Any, target: Any, loss: Tensor) -> dict[str, Tensor]:
    """The metric sums after this batch."""
    with scope("metrics"):
        total = {name: make(f"sum/{name}", TensorType("float64", ())) for name in task.sums}
        n = ops.count(make.nodes["y"], axis=0, dtype="float64")
        new = {"count": total["count"] + n, "loss": total["loss"] + ops.cast(loss, dtype="float64") * n}
        dtype = pred.dtype if isinstance(pred, Tensor) else loss.dtype
        for name, metric in task.metrics.items():
            notice(metric)
            with one_example_axis(f"the metric {name}", pred, target):
                value = as_tensor(metric(pred, target))
            if value.ndim == 0:
                new[name] = total[name] + ops.cast(value, dtype="float64") * n
            elif value.shape == (N,):
                new[name] = total[name] + ops.cast(ops.sum(ops.cast(value, dtype=dtype)), dtype="float64")
            else:
                raise UsageError(f"metric {name}: must return one value an example, [N], or a scalar; got {value.type}")
    return {f"sum/{name}": value for name, value in new.items()}


def _graph(make: _Inputs, outputs: Mapping[str, Tensor]) -> Graph:
    return Graph(tuple(t.node for t in make.nodes.values()), tuple(o.node for o in outputs.values()), tuple(outputs))


@dataclass(frozen=True)
class Backward:
    """What a step does before its update: the loss, its sums, and the gradients of what is learned.

    gradients  in the graph, that of the loss with respect to each node of the forward pass
    """

    inputs: dict[str, Tensor]
    params: dict[str, Tensor]
    loss: Tensor
    sums: dict[str, Tensor]
    grads: dict[str, Tensor]
    gradients: dict[Node, Node]


@dataclass(frozen=True)
class Training:
    """The training step, and what goes with it.

    state     the optimizer's, before the first step
    learned   the parameters that the optimizer is given: not frozen, and reached by the gradient
    backward  the step without its update
    """

    step: Step
    state: dict[str, Array]
    learned: tuple[str, ...]
    backward: Backward

    @property
    def gradients(self) -> dict[Node, Node]:
        """In the graph, that of the loss with respect to each node of the forward pass."""
        return self.backward.gradients


@settles(lambda made: made.step.graph)
def training(task: Task, backward: Backward | None = None) -> Training:
    """Forward pass, loss, backward pass and update as one graph.

    What the optimizer is not given, a frozen parameter or one that no gradient reaches, has no part in the backward
    pass, the norm of gradients, decay and state: it stays as it is. UsageError if nothing is left to learn.

    backward  of an equal task with another optimizer, where it is known
    """
    return _updated(task, backward or _backward(task))


def _backward(task: Task) -> Backward:
    make = _Inputs()
    params = _bound(task, make)
    key, step = make("key", TensorType("uint32", (2,))), make("step", TensorType("int64", ()))
    named = nn.named_parameters(task.model)
    with (
        nn.bind({named[name]: tensor for name, tensor in params.items()}),
        nn.bind_scopes(task.model),
        nn.mode(training=True, key=key, step=step),
    ):
        pred, target, weight = _forward(task, make, params)
        loss = _loss(task, pred, target, weight)
        sums = _summed(task, make, pred, target, loss)
    open_to = {name: p for name, p in params.items() if name not in task.frozen}
    path = [Tensor(node) for node in between({p.node for p in open_to.values()}, loss.node)]
    wanted = [*open_to.values(), *path]
    found = reached(loss, wanted)
    gradients = {of.node: g.node for of, g in zip(wanted, found, strict=True) if g is not None}
    grads = {name: g for name, g in zip(open_to, found, strict=False) if g is not None}
    _check_learned(open_to, grads)
    return Backward(make.nodes, params, loss, sums, grads, gradients)


def _updated(task: Task, made: Backward) -> Training:
    params, loss, grads, step = made.params, made.loss, made.grads, made.inputs["step"]
    make = _Inputs(made.inputs)
    learned = {name: params[name] for name in grads}
    state = first_state(task, learned)
    kept = {name: make(f"opt/{name}", TensorType(str(v.dtype), v.shape)) for name, v in state.items()}
    notice(task.optimizer)
    with building(), scope("optimizer"):
        given = _by_rows(task, loss, params, grads)
        if task.clip_norm is not None:
            given = clip_grad_norm(given, rate_at(task.clip_norm, step))
        new_params, new_state = task.optimizer.update(learned, given, kept, step)
    _check_update(learned, new_params, kept, new_state)
    outputs = {"loss": loss, **made.sums}
    outputs.update({f"param/{name}": as_tensor(new_params[name]) for name in learned})
    outputs.update({f"opt/{name}": as_tensor(new_state[name]) for name in kept})
    names = (*(f"param/{n}" for n in params), *(f"opt/{n}" for n in kept), *made.sums, "key")
    graph = _graph(make, outputs)
    return Training(Step(graph, names, task.columns, "step", "loss"), state, tuple(learned), made)


def first_state(task: Task, learned: Collection[str]) -> dict[str, Array]:
    """The optimizer's before the first step, by name."""
    named = nn.named_parameters(task.model)
    given = {name: named[name].data for name in learned}
    first = task.optimizer.init(given)
    if task.late and counts_own_steps(task.optimizer):
        first = first | task.optimizer.counts_apart(given, task.late)
    return {name: np.asarray(v) for name, v in first.items()}


def _by_rows(
    task: Task, loss: Tensor, params: Mapping[str, Tensor], grads: Mapping[str, Tensor]
) -> dict[str, Gradient]:
    """The gradients, those of tables that the loss reads with sparse=True as rows."""
    tables = sparse_tables(loss.node, params) & grads.keys()
    if tables and not counts_own_steps(task.optimizer):
        raise UsageError(
            f"fit: {min(tables)} is to be updated by rows, which {type(task.optimizer).__name__} cannot do: its update "
            "is its own; leave out sparse=True, or derive the class from optim.Optimizer and write `one`"
        )
    return {name: by_rows(name, g, params[name]) if name in tables else g for name, g in grads.items()}


def _check_learned(open_to: Mapping[str, Any], learned: Mapping[str, Any]) -> None:
    if not open_to:
        raise UsageError(
            "fit: every parameter of the model is frozen; unfreeze some with part.requires_grad_(True) "
            "or parameter.requires_grad = True"
        )
    if not learned:
        raise UsageError(
            f"fit: the gradient of the loss reaches no parameter that is to be learned ({', '.join(open_to)}); "
            "look for a stop_gradient, or an output that the loss does not use"
        )


def _check_update(
    params: Mapping[str, Any], new_params: Mapping[str, Any], state: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """UsageError if an optimizer does not give back what it was given, with the same types."""
    for what, before, after in (("parameter", params, new_params), ("state", state, new)):
        for name, tensor in before.items():
            if name not in after:
                raise UsageError(f"the optimizer's update returned no {what} {name!r}")
            if as_tensor(after[name]).type != tensor.type:
                raise UsageError(
                    f"the update turned {what} {name!r} from {tensor.type} into {as_tensor(after[name]).type}"
                )


@settles(lambda step: step.graph)
def evaluation_step(task: Task) -> Step:
    """Forward pass, loss and metric sums; nothing is learned."""
    make = _Inputs()
    params = _bound(task, make)
    named = nn.named_parameters(task.model)
    with nn.bind({named[name]: tensor for name, tensor in params.items()}), nn.bind_scopes(task.model), nn.mode():
        pred, target, weight = _forward(task, make, params)
        sums = _summed(task, make, pred, target, _loss(task, pred, target, weight))
    names = (*(f"param/{n}" for n in params), *sums)
    return Step(_graph(make, sums), names, task.columns)


@settles(lambda step: step.graph)
def gradient_step(task: Task) -> Step:
    """Adds to grad/NAME the gradient of the batch's loss times its number of examples; nothing is learned."""
    make = _Inputs()
    params = _bound(task, make)
    total = {name: make(f"grad/{name}", p.type) for name, p in params.items()}
    named = nn.named_parameters(task.model)
    with nn.bind({named[name]: tensor for name, tensor in params.items()}), nn.bind_scopes(task.model), nn.mode():
        pred, target, weight = _forward(task, make, params)
        loss = _loss(task, pred, target, weight)
    grads = dict(zip(params, backprop(loss, list(params.values())), strict=True))
    new = {f"grad/{n}": total[n] + g * ops.count(make.nodes["y"], axis=0, dtype=str(g.dtype)) for n, g in grads.items()}
    names = (*(f"param/{n}" for n in params), *(f"grad/{n}" for n in params))
    return Step(_graph(make, new), names, task.columns)
