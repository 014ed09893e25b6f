"""grad, value_and_grad and jacobian: derivatives of Python functions, to any order.

Each makes a function that traces, applies the chain rule to the graph and returns the gradients. Called
with arrays it runs the result by numpy; called inside another traced function it adds to that graph, so
derivatives nest and can be compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.api.arguments import argument_names, array_type, check_column_order, function_name, to_arrays
from schuss.api.program import Call, compile_call, evaluate
from schuss.api.pytree import Binding, fill, flatten, rebuild, split, statics
from schuss.backprop import backprop
from schuss.errors import DTypeError, GradientError, UsageError
from schuss.ir.executors import executor
from schuss.ir.types import Sym, static_size
from schuss.nn.walk import Aside, model_of
from schuss.portable import global_name
from schuss.trace import Tensor, as_tensor, tracing

Argnums = int | Sequence[int]
Function = Callable[..., Any]


class Derivative(Aside):
    """What grad, value_and_grad and jacobian make of a function. Another process gets that and makes it anew."""

    def __init__(self, make: Callable[..., Derivative], f: Function, settings: tuple[Any, ...], call: Function) -> None:
        self.__name__ = make.__name__
        update_wrapper(self, f, updated=())
        self._made_by, self._call = (make, f, *settings), call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return global_name(self) or (self._made_by[0], self._made_by[1:])

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The function, which may be a model."""
        yield "__wrapped__", self.__wrapped__  # type: ignore[attr-defined]


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Derivative:
    """The function that returns the gradient of the scalar f(*args) instead of its value.

    The gradient has the form of the argument: an array for an array, a list or dict of arrays for a list
    or dict, a dict by parameter name for a model. See value_and_grad for arguments, dtypes and errors.

        schuss.grad(lambda x: x**2)(3.0)                    # 6.0
        schuss.grad(schuss.grad(lambda x: x**3))(2.0)       # 12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return Derivative(grad, model_of(f), (argnums, has_aux), gradient)


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Derivative:
    """The function that returns (f(*args), the gradient with respect to the argument at argnums).

    argnums   an int, or several: then the gradient is a tuple
    has_aux   f returns (value, more), and the result is ((value, more), gradient)

    Arguments are arrays, Python floats, lists, tuples and dicts of them, and models (whose gradient is a
    dict by parameter name). Python floats count as float32, a float64 array stays float64; next to a model
    every floating array takes the model's dtype (the table is in schuss.api.arguments). The function is
    traced afresh at each call and runs by numpy; wrap it in schuss.jit for native code.

    Raises GradientError if f's value is not a floating scalar (use jacobian) or an op on the way has no
    rule, DTypeError if an argument to differentiate holds integers, UsageError if argnums is out of range,
    DataError if f is a model and a data frame has its columns in another order than in fit.
    """
    f = model_of(f)

    def traced(*args: Any, **kwargs: Any) -> Any:
        variables = Variables(f, args, argnums)
        result = variables.call(kwargs)
        value = result[0] if has_aux else result
        scalar = floating_scalar(f, value)
        gradients = variables.like(backprop(scalar, variables.tensors))
        return ((scalar, result[1]) if has_aux else scalar), gradients

    return Derivative(value_and_grad, f, (argnums, has_aux), _on_arrays(f, argnums, traced))


def jacobian(f: Function, argnums: Argnums = 0) -> Derivative:
    """The function that returns the Jacobian of f: for each element of the result, its gradient.

    J[i..., j...] = d f(x)[i...] / d x[j...], of shape f(x).shape + x.shape. The Jacobian of a gradient is
    the Hessian: schuss.jacobian(schuss.grad(f)). Lists, tuples and dicts in the result hold the Jacobians
    of their arrays, each of the form of the argument. Arguments and errors are those of value_and_grad,
    but the result may have any static shape. One walk backwards for each element of the result.
    """
    f = model_of(f)

    def traced(*args: Any, **kwargs: Any) -> Any:
        rows = _Rows(f, args, kwargs, argnums)
        found = [rows.gradients(as_tensor(i)) for i in range(rows.count)]
        columns = [_stack([row[k] for row in found], v) for k, v in enumerate(rows.variables.tensors)]
        return rows.arrange(columns, lambda rows, start, stop: ops.slice_axis(rows, axis=0, start=start, stop=stop))

    def run(*args: Any, **kwargs: Any) -> Any:
        if tracing():
            return traced(*args, **kwargs)
        check_column_order(f, args)
        return _jacobian_of_arrays(f, args, kwargs, argnums)

    return Derivative(jacobian, f, (argnums,), run)


def _on_arrays(f: Function, argnums: Argnums, traced: Function) -> Function:
    """`traced` inside a trace; outside, the same traced here and run by numpy."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if tracing():
            return traced(*args, **kwargs)
        check_column_order(f, args)
        call = Call(args, kwargs, numbers=_positions(f, argnums, len(args)))
        return evaluate(traced, call, executor("reference"), names_from=f)

    return run


class Variables:
    """The leaves of the arguments to differentiate, each as a node of its own.

    The identity node keeps this derivative's variable apart from the same value used elsewhere, in the
    function's closure or by an enclosing derivative.
    """

    def __init__(self, f: Function, args: Sequence[Any], argnums: Argnums) -> None:
        self.f = f
        self.args = list(args)
        self.single = isinstance(argnums, int)
        self.positions = _positions(f, argnums, len(args))
        names = argument_names(f, len(args))
        self.tensors: list[Tensor] = []
        self.of: dict[int, list[Tensor]] = {}
        known: dict[int, Tensor] = {}  # one variable for a parameter that several arguments share
        for i in self.positions:
            for path, value in statics(args[i], names[i]):
                raise DTypeError(f"{function_name(f)}: {path} is a {type(value).__name__} and cannot be differentiated")
            self.of[i] = []
            for path, leaf in flatten(args[i], names[i]):
                key = id(leaf) if isinstance(leaf, nn.Parameter) else -1 - len(self.tensors)
                if key not in known:
                    known[key] = _variable(f, path, leaf)
                self.of[i].append(known[key])
                self.tensors.append(known[key])

    def call(self, kwargs: dict[str, Any]) -> Any:
        """f on the arguments with the variables in place."""
        binding = Binding()
        args = [
            rebuild(arg, iter(self.of[i]), binding=binding) if i in self.of else arg for i, arg in enumerate(self.args)
        ]
        return binding.call(self.f, args, kwargs)

    def like(self, gradients: Sequence[Any]) -> Any:
        """One value for each variable, in the form of the arguments."""
        rest = iter(gradients)
        parts = [rebuild(self.args[i], rest) for i in self.positions]
        return parts[0] if self.single else tuple(parts)


def _variable(f: Function, path: str, leaf: Any) -> Tensor:
    tensor = as_tensor(leaf)
    if not tensor.is_float:
        raise DTypeError(f"{function_name(f)}: {path} is {tensor.type}; integers are not differentiated; cast to float")
    return ops.identity(tensor)


def _positions(f: Function, argnums: Argnums, count: int) -> list[int]:
    """argnums counted from the front, checked."""
    given = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in given:
        if not -count <= i < count:
            raise UsageError(f"{function_name(f)}: argnums {i} is out of range for {count} positional arguments")
    positions = [i % count for i in given]
    if len(set(positions)) < len(positions):
        raise UsageError(f"{function_name(f)}: argnums {tuple(given)} names an argument twice")
    return positions


def floating_scalar(f: Function, value: Any) -> Tensor:
    name = function_name(f)
    if len(found := flatten(value)) != 1 or found[0][0]:
        raise GradientError(
            f"{name} returned a {type(value).__name__}; its gradient needs one scalar (has_aux allows more)"
        )
    tensor = as_tensor(value)
    if tensor.shape != ():
        raise GradientError(
            f"{name} returned {tensor.type}, its gradient needs a scalar: reduce it with mean() or sum(), "
            f"or use jacobian{_line(tensor)}"
        )
    if not tensor.is_float:
        raise GradientError(f"{name} returned {tensor.type}, its gradient needs a floating scalar{_line(tensor)}")
    return tensor


def _line(tensor: Tensor) -> str:
    return f" (line: {tensor.node.site})" if tensor.node.site else ""


class _Rows:
    """The result of f as one long vector, whose entries are differentiated one at a time."""

    def __init__(self, f: Function, args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums) -> None:
        self.variables = Variables(f, args, argnums)
        self.template, outputs = split(self.variables.call(kwargs))
        self.outputs = [_floating(f, as_tensor(o)) for o in outputs]
        self.sizes = [static_size(o.shape) for o in self.outputs]
        self.count = sum(self.sizes)

    def gradients(self, index: Tensor) -> list[Tensor]:
        """Gradients of entry number `index`, an int64 scalar."""
        total, start = None, 0
        for output, size in zip(self.outputs, self.sizes, strict=True):
            picked = ops.reshape(output, shape=(size,)) * ops.one_hot(
                index - start, classes=size, dtype=output.dtype, mode="zero"
            )
            part = picked.sum()
            total = part if total is None else total + part
            start += size
        if total is None:
            return []
        return backprop(total, self.variables.tensors)

    def arrange(self, columns: Sequence[Any], cut: Callable[[Any, int, int], Any]) -> Any:
        """The rows (one array for each variable) cut and shaped: the result's form of the arguments' form."""
        parts, start = [], 0
        for output, size in zip(self.outputs, self.sizes, strict=True):
            blocks = [
                cut(rows, start, start + size).reshape((*output.shape, *v.shape))
                for rows, v in zip(columns, self.variables.tensors, strict=True)
            ]
            parts.append(self.variables.like(blocks))
            start += size
        return fill(self.template, parts)


def _floating(f: Function, tensor: Tensor) -> Tensor:
    if not tensor.is_float:
        raise GradientError(
            f"{function_name(f)} returned {tensor.type}, its Jacobian needs floating results{_line(tensor)}"
        )
    if any(isinstance(d, Sym) for d in tensor.shape):
        raise GradientError(
            f"{function_name(f)} returned {tensor.type}, its Jacobian needs a static shape{_line(tensor)}"
        )
    return tensor


def _stack(rows: Sequence[Tensor], like: Tensor) -> Tensor:
    if not rows:
        return as_tensor(np.zeros((0, *like.shape), like.dtype))
    return ops.concatenate([r.reshape((1, *r.shape)) for r in rows], axis=0)


def _jacobian_of_arrays(f: Function, args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums) -> Any:
    """Traced once with the number of the result's entry as an input, run once for each entry."""
    rows: _Rows | None = None

    def one_row(index: Tensor, *inner: Any, **named: Any) -> list[Tensor]:
        nonlocal rows
        rows = _Rows(f, inner, named, argnums)
        return rows.gradients(index)

    positions = _positions(f, argnums, len(args))
    call = Call((np.int64(0), *args), kwargs, numbers=[p + 1 for p in positions])
    leaves = call.named(["index", *argument_names(f, len(args))])
    arrays = to_arrays(leaves)
    types = [array_type(a) for a in arrays]
    program = compile_call(one_row, call, types, [path for path, _ in leaves], executor("reference"))
    assert rows is not None
    found = [program([np.asarray(i), *arrays[1:]]) for i in range(rows.count)]
    columns = [
        np.stack([row[k] for row in found]) if found else np.zeros((0, *v.shape), v.dtype)
        for k, v in enumerate(rows.variables.tensors)
    ]
    return rows.arrange(columns, lambda rows, start, stop: rows[start:stop].copy())


__all__ = ["grad", "jacobian", "value_and_grad"]
