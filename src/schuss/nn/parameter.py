"""Parameters: the arrays a model learns, and the tensors that stand for them while tracing."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np

from schuss.errors import ShapeError, UsageError
from schuss.ir.executor import Array
from schuss.ir.graph import Node
from schuss.ir.types import FLOATS, Shape, TensorType
from schuss.portable import global_name
from schuss.trace import Tensor, building
from schuss.trace.build import constant

Initializer = Callable[[Array, tuple[int, ...]], Array]
"""init(key, shape) -> array: initial values from a random key (uint32[2]) and a shape."""

_serial = itertools.count()


class Parameter(Tensor):
    """An array that is learned. It works as a tensor in any expression.

    shape  the sizes of its axes, or a numpy array to start from
    init   init(key, shape) -> array draws the first values (see schuss.nn.init); needed with a shape
    dtype  float32 (the default, also for a float64 array) or float64
    requires_grad  whether fit and optimizers change it. A frozen one (False) is left as it is by updates and weight
           decay and does not count for the norm of gradients; schuss.grad gives its gradient all the same

    Inside `bind({parameter: tensor})` it stands for that tensor, as when fit makes it an input of the step
    graph. Elsewhere it is the constant `data`. UsageError for a bad shape or dtype.
    """

    __slots__ = ("_data", "_requires_grad", "_serial", "_type", "held", "init")

    held: Mapping[str, Any]
    """What schuss.nn.holding keeps here for models that have no attributes of their own."""

    def __init__(
        self,
        shape: int | Sequence[int] | Array,
        init: Initializer | None = None,
        dtype: str = "float32",
        requires_grad: bool = True,
    ) -> None:
        if dtype not in FLOATS:
            raise UsageError(f"Parameter: dtype must be float32 or float64, got {dtype!r}")
        self.init = init
        self.requires_grad = requires_grad
        self.held = {}
        self._serial = next(_serial)
        self._data: Array | None = None
        if isinstance(shape, np.ndarray):
            self._type = TensorType(dtype, tuple(shape.shape))
            self.data = shape
            return
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        if any(not isinstance(d, (int, np.integer)) or d < 1 for d in sizes):
            raise UsageError(f"Parameter: shape {list(sizes)} needs whole numbers of at least 1")
        if init is None:
            raise UsageError("Parameter: a shape needs init=, as nn.init.Zeros(); or give an array")
        self._type = TensorType(dtype, tuple(int(d) for d in sizes))

    @property
    def requires_grad(self) -> bool:
        """Whether it is learned; False freezes it. UsageError for anything but a bool."""
        _asked.set(True)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, (bool, np.bool_)):
            raise UsageError(f"Parameter: requires_grad must be True or False, got {value!r}")
        self._requires_grad = bool(value)

    # -- numbers -----------------------------------------------------------------------------------

    @property
    def fresh(self) -> bool:
        """Whether it has no numbers yet: not drawn, loaded or set."""
        return self._data is None

    @property
    def data(self) -> Array:
        """Its numbers. A fresh one draws them now, from seed 0 and its place in the order of creation."""
        if self._data is None:
            from schuss.ops.philox import fold_in, key_from_seed

            self.draw(fold_in(key_from_seed(0), self._serial))
        assert self._data is not None
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        array = np.asarray(value)
        if array.shape != self._type.shape:
            raise ShapeError(f"Parameter: cannot set {self._type} to an array of shape {list(array.shape)}")
        self._data = np.array(array, dtype=self._type.dtype, order="C")

    def draw(self, key: Array) -> None:
        """Set the numbers to init's for this key."""
        if self.init is None:
            raise UsageError("Parameter: it was made from an array and has no init to draw from")
        self.data = self.init(key, self.static_shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self._type.shape)

    def to_dtype(self, dtype: str) -> None:
        """Convert it in place."""
        if dtype not in FLOATS:
            raise UsageError(f"Parameter: dtype must be float32 or float64, got {dtype!r}")
        self._type = TensorType(dtype, self._type.shape)
        if self._data is not None:
            self._data = self._data.astype(dtype)

    # -- the tensor it stands for --------------------------------------------------------------------

    @property
    def node(self) -> Node:  # type: ignore[override]
        bound = _bindings.get().get(self)
        return constant(self.data) if bound is None else bound.node

    def __schuss_node__(self) -> Node:
        return self.node

    # Asking for the type must not draw the numbers, as it would through the node.

    @property
    def type(self) -> TensorType:
        bound = _bindings.get().get(self)
        return self._type if bound is None else bound.type

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return self.type.rank

    @property
    def is_float(self) -> bool:
        return True

    __hash__ = object.__hash__  # type: ignore[assignment]  # by identity: a key of bind's mapping

    def __repr__(self) -> str:
        return f"Parameter({self._type}{'' if self._requires_grad else ', requires_grad=False'})"

    def __getstate__(self) -> dict[str, Any]:
        """For another process, where a parameter that has its numbers does without an init that is not to be had: a
        lambda."""
        local = isinstance(self.init, FunctionType) and not global_name(self.init)
        return self._state() | ({"init": None} if local and not self.fresh else {})

    def __copy__(self) -> Parameter:
        return self._copied(self._state())

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        return self._copied(copy.deepcopy(self._state(), memo))

    def _copied(self, state: Mapping[str, Any]) -> Parameter:
        new = type(self).__new__(type(self))
        new.__setstate__(state)
        return new

    def _state(self) -> dict[str, Any]:
        """Of what it holds not whose it is, which a copy is not."""
        held = {name: value for name, value in self.held.items() if not isinstance(value, weakref.ref)}
        return {name: getattr(self, name) for name in Parameter.__slots__} | {"held": held}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        later = {"_requires_grad": True, "held": {}}  # a copy kept since 0.1.0 has none of these
        for name, value in {**later, **state}.items():
            setattr(self, name, value)


_asked: contextvars.ContextVar[bool] = contextvars.ContextVar("asked", default=False)


@contextlib.contextmanager
def noting_frozen() -> Iterator[Callable[[], bool]]:
    """Inside, whether anything asked a parameter for requires_grad: then a trace depends on the answers."""
    token = _asked.set(False)
    try:
        yield _asked.get
    finally:
        _asked.reset(token)


_NOTHING: Mapping[Parameter, Tensor] = MappingProxyType({})
_bindings: contextvars.ContextVar[Mapping[Parameter, Tensor]] = contextvars.ContextVar("bindings", default=_NOTHING)


@contextlib.contextmanager
def bind(tensors: Mapping[Parameter, Tensor]) -> Iterator[None]:
    """Inside, each parameter stands for its tensor, and a graph is being built. Nests: the inner binding wins."""
    token = _bindings.set({**_bindings.get(), **tensors})
    try:
        with building():
            yield
    finally:
        _bindings.reset(token)
