"""One op, one record: its meaning in numpy, its type rule, its gradient rule, what it emits.

    @op("tanh", kind=Kind.MAP, rule="dx = g * (1 - y*y)",
        emit=lambda b, x: b.tanh(x), grad=lambda g, y, x: (g * (1 - y * y),))
    def tanh(x):
        return np.tanh(x)

Positional parameters of the body are tensors, keyword-only ones are static attributes. Called with
arrays, an op runs its body; called with traced tensors, it makes a node (see schuss.trace).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from schuss.errors import DTypeError, GraphError
from schuss.ir.types import TensorType


class Kind(Enum):
    """How an op is lowered; each kind has one lowering."""

    MAP = "map"  # one result element from one element of each input, with broadcasting
    REDUCE = "reduce"  # folds axes
    VIEW = "view"  # moves elements, computes nothing
    CONTRACT = "contract"  # sums of products
    INDEX = "index"  # addresses that depend on data
    RANDOM = "random"  # a function of key, step and position
    SHAPE = "shape"  # a number known from the shapes


Infer = Callable[..., TensorType]
Grad = Callable[..., Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Op:
    """A primitive operation. See the module's text for how one is declared."""

    name: str
    kind: Kind
    body: Callable[..., Any]
    infer: Infer
    grad: Grad | None = None
    emit: Callable[..., Any] | None = None
    rule: str = ""
    promote: bool = False  # bring float and integer inputs to one dtype first
    attrs: tuple[str, ...] = ()
    __doc__: str | None = None

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        for arg in args:
            build = getattr(type(arg), "__schuss_op__", None)
            if build is not None:
                return build(self, args, attrs)
        return self.body(*args, **attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


REGISTRY: dict[str, Op] = {}


def op(
    name: str,
    *,
    kind: Kind,
    infer: Infer | None = None,
    grad: Grad | None = None,
    emit: Callable[..., Any] | None = None,
    rule: str = "",
    promote: bool | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare a primitive; see the module's text. MAP ops need no type rule unless they change dtype."""
    from schuss.ops.infer import map_type

    def register(body: Callable[..., Any]) -> Op:
        parameters = inspect.signature(body).parameters.values()
        attrs = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        rule_of_type = infer or (map_type if kind is Kind.MAP else None)
        if rule_of_type is None:
            raise GraphError(f"op {name}: a {kind.value} op needs infer=, its type rule")
        promoted = kind is Kind.MAP if promote is None else promote
        record = Op(name, kind, body, rule_of_type, grad, emit, rule, promoted, attrs, body.__doc__)
        if name in REGISTRY:
            raise GraphError(f"op {name} is declared twice")
        REGISTRY[name] = record
        return record

    return register


def lookup(name: str) -> Op:
    """The record of an op. GraphError for an unknown one."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise GraphError(f"unknown op {name!r}; this version knows: {', '.join(sorted(REGISTRY))}") from None


def require_float(op_name: str, *types: TensorType) -> None:
    """DTypeError unless all are floating."""
    for t in types:
        if not t.is_float:
            raise DTypeError(f"{op_name}: needs a floating dtype, got {t}; cast it first")
