"""explain: run a function once, forwards and backwards, and keep every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schuss.api.arguments import argument_names, array_type, as_read, function_name, to_arrays
from schuss.api.gradients import floating_scalar
from schuss.api.program import Call, apply_model
from schuss.api.pytree import Named, is_number, parameters_of
from schuss.backprop import backprop, between
from schuss.errors import TraceError
from schuss.explanation.explanation import Explanation, Flow, Step
from schuss.explanation.names import equation, expression, name_nodes, rules_of
from schuss.ir.executor import Array
from schuss.ir.executors import executor
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.nn.walk import model_of
from schuss.ops.registry import Kind, lookup
from schuss.trace import Tensor, as_tensor, made_for, noted, trace, tracing

_BY_ELEMENT = (Kind.MAP, Kind.REDUCE)


def explain(f: Callable[..., Any], *args: Any, largest: int = 32, **kwargs: Any) -> Explanation:
    """Run the scalar function f on arrays and show the chain rule at work, number by number.

    For every operation: its value, the incoming gradient (of the result, with respect to this value), its
    local gradient, and their product, which flows on to each input:

        dloss/dx = dloss/dy * dy/dx

    print(explain(f, x, y)) gives the text, grouped by the lines and layers that made the operations, with
    each gradient rule spelled out; tensors of more than `largest` elements are summarised. The numbers
    themselves are in the result's steps. Gradients are those of every floating array, Python float and
    model parameter among the arguments. The arguments are as for schuss.value_and_grad.

    Raises GradientError if the result is not a floating scalar, or if an operation has no gradient rule.
    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors (1986).
    """
    if tracing():
        raise TraceError("explain shows numbers: call it on arrays, outside any traced function")
    f = model_of(f)
    names = argument_names(getattr(f, "forward", f), len(args))
    title = f"{function_name(f)}({', '.join([*names, *kwargs])})"
    if parameters_of(f):
        args = tuple(as_read(f, args))
        names, f, args = ["model", *names], apply_model, (f, *args)
    # A Python int stays a number: it is not differentiated and may steer the function.
    floats = [i for i, arg in enumerate(args) if not (is_number(arg) and not isinstance(arg, float))]
    call = Call(args, kwargs, numbers=floats)
    leaves = call.named(names)
    return explained(title, f, lambda tensors: call.apply(f, tensors), leaves, to_arrays(leaves), largest=largest)


def explained(
    title: str,
    f: Callable[..., Any],
    apply: Callable[[list[Tensor]], Any],
    leaves: Sequence[Named],
    arrays: list[Array],
    *,
    result: str | None = None,
    largest: int = 32,
) -> Explanation:
    """The explanation of apply(tensors), one tensor for each leaf. f: what errors name; result: the result's name."""
    return _Run(f, apply, [path for path, _ in leaves], arrays).explanation(title, result, largest)


class _Run:
    """The graph of one explanation and the arrays of all its nodes."""

    def __init__(
        self, f: Callable[..., Any], apply: Callable[[list[Tensor]], Any], names: list[str], arrays: list[Array]
    ) -> None:
        self.wanted: list[Tensor] = []  # what to compute: values, incoming gradients, locals, products

        def everything(*tensors: Tensor) -> list[Tensor]:
            with noted() as self.made:
                self.loss = floating_scalar(f, apply(list(tensors)))
            self._backward([t for t in tensors if t.is_float])
            return self.wanted

        graph = trace(everything, [array_type(a) for a in arrays], names)
        found = executor("reference").compile(graph)(arrays)
        self.arrays: dict[Node, Array] = dict(zip((t.node for t in self.wanted), found, strict=True))
        self.forward = Graph(graph.inputs, (self.loss.node,))
        for node in self.forward.inputs:
            self.arrays.setdefault(node, arrays[graph.inputs.index(node)])

    def _backward(self, targets: Sequence[Tensor]) -> None:
        self.path = between({t.node for t in targets}, self.loss.node)
        handed: dict[Node, Sequence[Tensor | None]] = {}
        gradients = backprop(self.loss, [Tensor(n) for n in self.path], handed=handed)
        self.products = {n: handed[n] for n in self.path if n in handed}  # of the nodes that a gradient reaches
        reached = {self.loss.node}
        for node, parts in self.products.items():
            reached |= {c for c, product in zip(node.inputs, parts, strict=True) if product is not None}
        self.incoming = {n: g for n, g in zip(self.path, gradients, strict=True) if n in reached}
        self.targets = targets
        self.locals = {n: _locals(n) for n in self.products}
        forward = Graph(tuple(t.node for t in targets), (self.loss.node,)).nodes
        self.wanted = [
            *(Tensor(n) for n in forward),
            *self.incoming.values(),
            *(p for ps in self.products.values() for p in ps if p is not None),
            *(p for ps in self.locals.values() for p in ps if p is not None),
        ]

    def explanation(self, title: str, result: str | None, largest: int) -> Explanation:
        nodes = self._as_made()
        names = name_nodes(self.forward, self.loss.node, result, nodes)
        sources = self._sources(names)
        inputs = {names[n]: self.arrays[n] for n in self.forward.inputs}
        steps = [n for n in nodes if n.op not in LEAVES]
        constants = {names[n]: self.arrays[n] for n in self.forward.nodes if _is_shown(n)}
        wrt = [t.node for t in self.targets if t.node in self.incoming]
        return Explanation(
            title,
            names[self.loss.node],
            inputs,
            constants,
            tuple(self._step(n, names, sources) for n in steps),
            {names[n]: self.arrays[self.incoming[n].node] for n in wrt},
            {names[n]: tuple(sources.get(n, ())) for n in wrt},
            largest,
        )

    def _as_made(self) -> Sequence[Node]:
        """The nodes in the order in which the program ran, so that what a call of a layer made stands together."""
        place = {node: i for i, node in enumerate(self.made)}
        place |= dict.fromkeys((n for n in self.forward.nodes if n.op in LEAVES), -1)
        known = all(node in place for node in self.forward.nodes)
        return sorted(self.forward.nodes, key=place.__getitem__) if known else self.forward.nodes

    def _step(self, node: Node, names: dict[Node, str], sources: dict[Node, list[str]]) -> Step:
        incoming, rules = self.incoming.get(node), rules_of(node, names)
        return Step(
            names[node],
            node.op,
            expression(node, names),
            tuple(equation(names[self.loss.node], names[i], r) for i, r in zip(node.inputs, rules, strict=True) if r),
            self.arrays[node],
            None if incoming is None else self.arrays[incoming.node],
            tuple(sources.get(node, ())),
            self._flows(node, names, rules) if incoming is not None else (),
            node.site,
            node.scope,
            tuple(None if i.op == "const" and not _is_shown(i) else names[i] for i in node.inputs),
        )

    def _sources(self, names: dict[Node, str]) -> dict[Node, list[str]]:
        """For each node the steps that hand a product to it, each as often as it does."""
        found: dict[Node, list[str]] = {}
        for user, parts in self.products.items():
            for child, product in zip(user.inputs, parts, strict=True):
                if product is not None:
                    found.setdefault(child, []).append(names[user])
        return found

    def _flows(self, node: Node, names: dict[Node, str], rules: Sequence[str]) -> tuple[Flow, ...]:
        flows = []
        for i, (child, product, local) in enumerate(
            zip(node.inputs, self.products[node], self.locals[node], strict=True)
        ):
            if product is None:
                continue
            numbers = None if local is None else self.arrays[local.node]
            flows.append(
                Flow(
                    names[child],
                    numbers,
                    self.arrays[product.node],
                    () if numbers is None else _stretched(child.type.shape, numbers.shape),
                    rules[i],
                )
            )
        return tuple(flows)


def _is_shown(node: Node) -> bool:
    """Whether a node is a value that expressions call by name: a constant too large to be written, a hyperparameter."""
    return node.op == "hyperparameter" or (node.op == "const" and node.type.rank > 0)


def _locals(node: Node) -> list[Tensor | None]:
    """The rule applied to ones, for an operation that works element by element."""
    record = lookup(node.op)
    if record.kind not in _BY_ELEMENT or record.grad is None:
        return [None] * len(node.inputs)
    with made_for(node):
        ones = as_tensor(1.0, node.type.dtype).broadcast_to(node.type.shape)
        found = record.grad(ones, Tensor(node), *(Tensor(i) for i in node.inputs), **node.attrs)
        return [None if part is None else as_tensor(part, node.type.dtype) for part in found]


def _stretched(shape: Sequence[Any], full: Sequence[int]) -> tuple[int, ...]:
    """The axes of `full` that broadcasting from `shape` stretched or put in front."""
    extra = len(full) - len(shape)
    return (*range(extra), *(i + extra for i, d in enumerate(shape) if d == 1 and full[i + extra] != 1))
