"""A call on arrays: arguments taken apart, the function traced, compiled and run, its result put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from schuss import nn
from schuss.api.arguments import argument_names, array_type, to_arrays
from schuss.api.pytree import Binding, Named, fill, flatten, rebuild, split
from schuss.ir.executor import Array, Compiled, Executor
from schuss.ir.graph import Graph
from schuss.ir.types import TensorType
from schuss.trace import Tensor, as_tensor, notice, settled, trace

Function = Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """Arguments of one call.

    numbers  positions of the arguments whose Python numbers become traced values; None means all,
             keyword arguments included. The rest reaches the function as Python numbers.
    static   positions of arguments handed through untouched
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    numbers: Collection[int] | None = None
    static: Collection[int] = ()

    def traces_numbers(self, position: int | str) -> bool:
        return self.numbers is None or position in self.numbers

    def named(self, names: Sequence[str]) -> list[Named]:
        """The leaves with their paths, which begin with the arguments' names; positional arguments first."""
        found: list[Named] = []
        for i, (name, arg) in enumerate(zip(names, self.args, strict=True)):
            if i not in self.static:
                found += flatten(arg, name, self.traces_numbers(i))
        for key, arg in self.kwargs.items():
            found += flatten(arg, key, self.traces_numbers(key))
        return found

    def apply(self, function: Function, leaves: list[Tensor]) -> Any:
        """function on the arguments with their leaves replaced; models stay, bound to the tensors."""
        rest = iter(leaves)
        binding = Binding()
        args = [
            arg if i in self.static else rebuild(arg, rest, self.traces_numbers(i), binding)
            for i, arg in enumerate(self.args)
        ]
        kwargs = {k: rebuild(v, rest, self.traces_numbers(k), binding) for k, v in self.kwargs.items()}
        return binding.call(function, args, kwargs)


@dataclass(frozen=True)
class Program:
    """A compiled call: from its leaves as arrays to the function's result."""

    compiled: Compiled
    template: Any

    def __call__(self, arrays: list[Array]) -> Any:
        return fill(self.template, self.compiled(arrays))


def trace_call(function: Function, call: Call, types: list[TensorType], names: list[str]) -> tuple[Graph, Any]:
    """The graph of a call and the template of its result."""
    template = None
    notice(getattr(function, "func", function))  # of a partial what it calls

    def flat(*tensors: Tensor) -> list[Tensor]:
        nonlocal template
        template, outputs = split(call.apply(function, list(tensors)))
        return [as_tensor(o) for o in outputs]

    return trace(flat, types, names), template


def settled_call(function: Function, call: Call, types: list[TensorType], names: list[str]) -> tuple[Graph, Any]:
    """trace_call for what is kept and called again: TraceError if another trace gives another graph."""
    return settled(lambda: trace_call(function, call, types, names), lambda traced: traced[0])


def compile_call(
    function: Function, call: Call, types: list[TensorType], names: list[str], executor: Executor, kept: bool = False
) -> Program:
    """The call traced and compiled for arguments of these types; kept: it will be called again with others."""
    graph, template = (settled_call if kept else trace_call)(function, call, types, names)
    return Program(executor.compile(graph) if graph.outputs else lambda arrays: [], template)


def in_mode(function: Function, training: bool, key: Any, step: Any, *args: Any, **kwargs: Any) -> Any:
    """function(*args) for a mode whose key and step are arguments, and so inputs of what is compiled."""
    notice(function)
    with nn.mode(training, key, step):
        return function(*args, **kwargs)


def apply_model(model: Function, *args: Any, **kwargs: Any) -> Any:
    """model(*args): the model as an argument, so that its parameters are inputs."""
    notice(model)
    return model(*args, **kwargs)


def evaluate(function: Function, call: Call, executor: Executor, names_from: Function | None = None) -> Any:
    """The call's result as arrays, traced afresh. `names_from` is the user's function where it is wrapped."""
    leaves = call.named(argument_names(names_from or function, len(call.args)))
    arrays = to_arrays(leaves)
    types = [array_type(a) for a in arrays]
    return compile_call(function, call, types, [path for path, _ in leaves], executor)(arrays)
