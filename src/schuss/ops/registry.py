"""One op, one record: its meaning in numpy, its type rule, its gradient rule, what it emits.

    @op("tanh", kind=Kind.MAP, rule={"x": "g * (1 - y*y)"},
        emit=lambda b, x: b.tanh(x), grad=lambda g, y, x: (g * (1 - y * y),))
    def tanh(x):
        return np.tanh(x)

Positional parameters of the body are tensors, keyword-only ones are static attributes. Called with
arrays, an op runs its body, by numpy's promotion and without its warnings; called with traced
tensors, it makes a node (see schuss.trace). Attributes may be given by position behind the tensors,
and under PyTorch's names: sum(x, 0), sum(x, dim=0, keepdim=True).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, wraps
from types import MappingProxyType
from typing import Any

import numpy as np

from schuss.errors import DTypeError, GraphError, SchussError, ShapeError, UsageError
from schuss.ir.structure import Declared, DeclaredView, elementwise
from schuss.ir.types import Shape, TensorType


class Kind(Enum):
    """What sort of operation it is, to type rules and readers; how it is computed its structure says."""

    MAP = "map"  # one result element from one element of each input, with broadcasting
    REDUCE = "reduce"  # folds axes
    VIEW = "view"  # moves elements, computes nothing
    CONTRACT = "contract"  # sums of products
    INDEX = "index"  # addresses that depend on data
    RANDOM = "random"  # a function of key, step and position
    SHAPE = "shape"  # a number known from the shapes


class Promote(Enum):
    """Which of an op's inputs are brought to one dtype before its type rule sees them."""

    NONE = "each keeps its own"
    SAME = "all to the widest"
    FLOAT = "all to one floating dtype"
    CHOICES = "all but the first to the widest"


Infer = Callable[..., TensorType]
Settle = Callable[..., dict[str, Any]]
Grad = Callable[..., Sequence[Any]]
Scratch = Callable[..., Sequence[Shape]]


def no_grad(g: Any, z: Any, *inputs: Any, **_: Any) -> tuple[None, ...]:
    """The gradient rule of an op through which no gradient flows."""
    return (None,) * len(inputs)


def _as_given(_name: str, *_types: TensorType, **attrs: Any) -> dict[str, Any]:
    return attrs


@dataclass(frozen=True, eq=False)
class Op:
    """A primitive operation. See the module's text for how one is declared.

    infer(name, *types, **attrs)        the result's type, or a ShapeError or DTypeError
    settle(name, *types, **attrs)       the attributes in the one form they have in a node
    grad(g, y, *inputs, **attrs)        each input's gradient, None for none; not summed over broadcasts
    emit(b, *values, **attrs)           one element's value, by a builder (schuss.compiler.llvm.simd)
    later                               attributes that came later than the op, with their defaults: a node has them
                                        only where they differ, so that older files and what is made of them stay
    structure(result, *types, **attrs)  what is read where and what is folded (schuss.ir.structure); None: opaque, a
                                        lowering of its own knows (schuss.compiler.lower.opaque)
    view(result, type, **attrs)         of a view, where its elements lie in what it reads
    written                             its value lies in memory where it stands: a copy
    noting                              notes the first of its elements that is wrong, for the caller to raise
    scratch(result, *types, **attrs)    shapes of the int64 numbers that its lowering works with; they begin as anything
    rule                                grad in words, for each input that can be differentiated, by its name in the
                                        body: {"x": "g / y"}, with g, y and the inputs as grad and body call them
    """

    name: str
    kind: Kind
    body: Callable[..., Any]
    infer: Infer
    grad: Grad | None = None
    emit: Callable[..., Any] | None = None
    rule: Mapping[str, str] = field(default_factory=dict)
    promote: Promote = Promote.NONE
    settle: Settle = _as_given
    attrs: tuple[str, ...] = ()
    later: Mapping[str, Any] = field(default_factory=dict)
    structure: Declared | None = None
    view: DeclaredView | None = None
    written: bool = False
    noting: bool = False
    scratch: Scratch | None = None
    __doc__: str | None = None

    def miscounted(self, args: Sequence[Any]) -> ShapeError:
        """The error for another number of tensors than it takes."""
        wanted = self.tensors
        text = f"{self.name}: takes {wanted} tensor{'s' * (wanted != 1)}, got {len(args)}"
        loose = args[wanted or 0 :]
        if len(self.attrs) == 1 and loose and all(isinstance(a, (int, np.integer)) for a in loose):
            text += f"; give the numbers as one tuple: {self.attrs[0]}={tuple(map(int, loose))}"
        return ShapeError(text)

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        args, attrs = self._named(args, renamed(self.name, attrs))
        for arg in args:
            build = getattr(type(arg), "__schuss_op__", None)
            if build is not None:
                return build(self, args, attrs)
        unknown = ", ".join(sorted(attrs.keys() - set(self.attrs)))
        if unknown:
            raise ShapeError(f"{self.name}: unknown option {unknown}; it takes {', '.join(self.attrs) or 'none'}")
        if self.tensors not in (None, len(args)):
            raise self.miscounted(args)
        if "axis" in attrs:
            from schuss.ops.infer import normalize_axes

            normalize_axes(self.name, attrs["axis"], MOST_AXES)  # that they are numbers; numpy knows their range
        if self.floating:
            args = tuple(_as_floats(a) for a in args)
        with np.errstate(all="ignore"):
            return self.body(*args, **attrs)

    @cached_property
    def own(self) -> bool:
        """Whether it is schuss's own."""
        return self.body.__module__.startswith("schuss.")

    @cached_property
    def floating(self) -> bool:
        """Whether its type rule takes floating numbers only, element by element or folded."""
        if self.kind not in (Kind.MAP, Kind.REDUCE) or self.tensors is None:
            return False
        given = inspect.signature(self.body).parameters
        attrs = {n: given[n].default for n in self.attrs if given[n].default is not inspect.Parameter.empty}

        def takes(dtype: str) -> bool:
            try:
                self.infer(self.name, *[TensorType(dtype, (1,))] * (self.tensors or 0), **attrs)
            except (SchussError, TypeError):
                return False
            return True

        return takes("float64") and not takes("int64")

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """What the body calls its tensors."""
        return tuple(n for n in inspect.signature(self.body).parameters if n not in self.attrs)

    @cached_property
    def tensors(self) -> int | None:
        """How many tensors the op takes; None for any number."""
        kinds = [p.kind for p in inspect.signature(self.body).parameters.values()]
        return None if inspect.Parameter.VAR_POSITIONAL in kinds else len(kinds) - len(self.attrs)

    def _named(self, args: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The tensors, and the attributes with those given by position."""
        more = () if self.tensors is None else args[self.tensors :]
        names = self.attrs[: len(more)]
        if not more or len(names) < len(more) or attrs.keys() & set(names):
            return args, attrs
        return args[: self.tensors], {**dict(zip(names, more, strict=True)), **attrs}

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _as_floats(x: Any) -> Any:
    """Whole numbers and bools as float64, half precision as float32: numpy would compute bytes and bools in float16,
    and add them up in their own dtype."""
    array = x if isinstance(x, (np.ndarray, np.generic)) else np.asarray(x) if isinstance(x, list) else None
    if array is None or array.dtype in (np.float32, np.float64):
        return x
    return array.astype(np.float64) if array.dtype.kind in "iub" else array.astype(np.float32)


REGISTRY: dict[str, Op] = {}
MOST_AXES = 64
PYTORCH = {"dim": "axis", "keepdim": "keepdims", "dims": "axes"}


def renamed(name: str, given: dict[str, Any], names: Mapping[str, str] = PYTORCH) -> dict[str, Any]:
    """Options under numpy's names. UsageError where one is given twice, or where PyTorch's means another thing."""
    if "dim" in given and name in ("max", "min", "sort"):
        places = f"arg{name}(x, axis)"
        raise UsageError(
            f"{name}: PyTorch's gives indices too: write axis= for the values, and {places} for the indices"
        )
    if "dim" in given and name in ("var", "std") and not given.keys() & {"correction", "ddof"}:
        raise UsageError(f"{name}: PyTorch divides by n - 1 and numpy by n: say which by correction=1 or correction=0")
    for theirs, ours in names.items():
        if theirs in given:
            if ours in given:
                raise UsageError(f"{name}: {theirs}= and {ours}= are one option; give it once")
            given = {ours if k == theirs else k: v for k, v in given.items()}
    return given


def value_of(x: Any) -> Any:
    """A tensor, or an array for anything else."""
    return x if hasattr(x, "shape") else np.asarray(x)


def also(**names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that also takes its options under PyTorch's names, and under these: theirs="ours"."""
    known = PYTORCH | names

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            given = renamed(function.__name__, given, known)
            unknown = ", ".join(sorted(given.keys() - options))
            if unknown:
                raise ShapeError(f"{function.__name__}: unknown option {unknown}; it takes {', '.join(order)}")
            return function(*args, **given)

        order = list(inspect.signature(function).parameters)
        options = set(order)
        return call

    return decorate


def op(
    name: str,
    *,
    kind: Kind,
    infer: Infer | None = None,
    grad: Grad | None = None,
    emit: Callable[..., Any] | None = None,
    rule: Mapping[str, str] = MappingProxyType({}),
    promote: Promote | None = None,
    settle: Settle = _as_given,
    later: Sequence[str] = (),
    structure: Declared | None = None,
    view: DeclaredView | None = None,
    written: bool = False,
    noting: bool = False,
    scratch: Scratch | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare a primitive; see Op. A MAP op is elementwise, and without a type rule takes numbers of one dtype."""
    from schuss.ops.infer import number_map

    def register(body: Callable[..., Any]) -> Op:
        parameters = inspect.signature(body).parameters.values()
        attrs = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        rule_of_type = infer or (number_map if kind is Kind.MAP else None)
        if rule_of_type is None:
            raise GraphError(f"op {name}: a {kind.value} op needs infer=, its type rule")
        promoted = promote or (Promote.SAME if kind is Kind.MAP else Promote.NONE)
        came = {p.name: p.default for p in parameters if p.name in later}
        record = Op(
            name=name,
            kind=kind,
            body=body,
            infer=rule_of_type,
            grad=grad,
            emit=emit,
            rule=rule,
            promote=promoted,
            settle=settle,
            attrs=attrs,
            later=came,
            structure=elementwise if kind is Kind.MAP else structure,
            view=view,
            written=written,
            noting=noting,
            scratch=scratch,
            __doc__=body.__doc__,
        )
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
