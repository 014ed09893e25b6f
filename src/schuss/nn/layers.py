"""Layers with PyTorch's names, shapes and defaults, in terms of schuss.ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn

from schuss import ops
from schuss.calling import explained
from schuss.configured import arguments_of, check_arguments, plain
from schuss.constraints import FRACTION, NOT_NEGATIVE, Constraints, Each, Scheduled, Whole, check
from schuss.errors import ShapeError, UsageError
from schuss.nn import init as initializers
from schuss.nn.formula import Formula, described
from schuss.nn.holding import note_owner, own_signature, owner, set_signature
from schuss.nn.module import Module, current_mode
from schuss.nn.parameter import Initializer, Parameter
from schuss.nn.walk import frozen_names
from schuss.signature import Signature
from schuss.trace import Tensor, as_tensor, hyper, notice
from schuss.trace.build import user_site

SIZE = Whole()


class Layer(Module):
    """A layer that its settings, the arguments of its class, say all about."""

    settings: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[Formula | None] = None
    constraints: ClassVar[Constraints] = {}

    @explained()
    def __init__(self) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = explained()(cls.__init__)  # type: ignore[method-assign]

    def _check(self, **given: Any) -> None:
        """UsageError for an argument that is not what `constraints` says."""
        check(type(self).__name__, self.constraints, given)

    @classmethod
    def check_settings(cls) -> None:
        """UsageError for a class that its settings do not say all about. Looked at when it is registered."""
        if cls.config is Layer.config:
            names = ", ".join(repr(name) for name in arguments_of(cls))
            check_arguments(cls, cls.settings, f"name each argument of its class, settings = ({names},)")

    def config(self) -> dict[str, Any]:
        """{"type": class name, setting: value, ...}, from which nn.from_config rebuilds the layer."""
        settings = {name: plain(getattr(self, name)) for name in self.settings}
        return {"type": type(self).__name__, **settings} | kept(self)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)
        return f"{type(self).__name__}({given})"


def kept(layer: Layer) -> dict[str, Any]:
    """The layer's frozen parameters, for its config; nothing if there are none."""
    names = frozen_names(layer)
    return {"frozen": names} if names else {}


def shape_error(message: str, mend: str = "") -> ShapeError:
    """The error with a mend and the user's line at its end."""
    site = user_site()
    line = "" if site is None else f" (line: {site})"
    error = ShapeError(message + mend + line)
    error.bare = message + line
    return error


def to_float(x: Any, dtype: str) -> Tensor:
    """x as a tensor of a floating dtype."""
    t = as_tensor(x)
    return t if t.dtype == dtype else t.astype(dtype)


class Linear(Layer):
    """y = x W' + b for x [..., in_features], y [..., out_features].

    weight [out_features, in_features] and bias [out_features] start uniform on (-k, k), k =
    1/sqrt(in_features); `init` (an initializer of schuss.nn.init or its name) changes that for the weight. x of any
    dtype is cast to the weight's. UsageError for sizes below 1; ShapeError if x has other features.
    """

    formula = described("y = x Wᵀ + b", "incoming · W", "add matmul transpose")
    constraints: ClassVar[Constraints] = {"in_features": SIZE, "out_features": SIZE}

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: str = "float32",
        init: str | Initializer = "default",
    ) -> None:
        self._check(in_features=in_features, out_features=out_features)
        self.in_features = in_features = int(in_features)
        self.out_features = out_features = int(out_features)
        self.weight = Parameter((out_features, in_features), initializers.named(init), dtype)
        k = 1.0 / math.sqrt(in_features)
        self.bias = Parameter(out_features, initializers.Uniform(-k, k), dtype) if bias else None

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise shape_error(
                f"Linear({self.in_features}, {self.out_features}): the input {x.type} must have "
                f"{self.in_features} features on its last axis", self._mend(x.shape),
            )  # fmt: skip
        y = to_float(x, self.weight.dtype) @ self.weight.mT
        return y if self.bias is None else y + self.bias

    def _mend(self, shape: Any) -> str:
        """What to do about an input of this shape."""
        row = shape[1:]
        if not row or not all(isinstance(d, int) for d in row):  # what has an open length cannot be flattened
            return ""
        flat = "put nn.Flatten() before it" if len(row) > 1 else ""
        size = math.prod(row)
        width = "" if size == self.in_features else f"{'with ' * bool(flat)}nn.Linear({size}, {self.out_features})"
        return f" ({' '.join(filter(None, (flat, width)))})" if flat or not width else f": {width} takes these"

    def config(self) -> dict[str, Any]:
        return {
            "type": type(self).__name__,
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias is not None,
            "dtype": self.weight.dtype,
            "init": initializers.config_of(self.weight.init),
        } | kept(self)

    def __repr__(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"Linear({sizes}, bias={self.bias is not None})"


class Identity(Layer):
    """y = x."""

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Layer):
    """The axes start_dim .. end_dim joined into one: [N, 28, 28] to [N, 784]. ShapeError if x lacks them."""

    settings = ("start_dim", "end_dim")
    constraints: ClassVar[Constraints] = {"start_dim": Whole(None), "end_dim": Whole(None)}

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self._check(start_dim=start_dim, end_dim=end_dim)
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Tensor:
        t = as_tensor(x)
        start, end = (d + t.ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if start == t.ndim == 1 and self.end_dim == -1:
            return t.reshape((*t.shape, 1))  # one number an example is one feature
        if not 0 <= start <= end < t.ndim:
            raise shape_error(f"Flatten({self.start_dim}, {self.end_dim}): {t.type} has no such axes")
        joined = t.shape[start : end + 1]
        whole = [d for d in joined if isinstance(d, int)]
        size = math.prod(whole) if len(whole) == len(joined) else -1  # of no elements -1 is no length
        return t.reshape((*t.shape[:start], size, *t.shape[end + 1 :]))


class Dropout(Layer):
    """In training each element is 0 with probability p, else x / (1 - p); otherwise y = x.

    p is a number or a schedule of it (schuss.optim's, or a function of the step).
    Training is the mode a trace is made for (nn.mode): the random bits come from its key and step, with a
    stream of its own for each call. UsageError unless 0 <= p < 1.
    Source: Srivastava et al., Dropout (JMLR 2014).
    """

    settings = ("p",)
    constraints: ClassVar[Constraints] = {"p": Scheduled(FRACTION)}

    def __init__(self, p: float | Callable[[Any], Any] = 0.5) -> None:
        self._check(p=p)
        self.p = p

    def forward(self, x: Any) -> Any:
        return self._kept(x, self._uniform(x)) if self._acts() else x

    def _acts(self) -> bool:
        return current_mode().training and self.p != 0.0

    def _uniform(self, x: Any) -> Any:
        """A random number for each element."""
        now = current_mode()
        if now.key is None:
            raise UsageError("Dropout: training needs a random key: nn.mode(training=True, key=...)")
        stream = now.next_stream()
        return ops.random_uniform(as_tensor(now.key), self._step(), shape=as_tensor(x).shape, stream=stream)

    def _kept(self, x: Any, u: Any) -> Any:
        """x / (1 - p) where u is at least p, else 0."""
        p: Any = self.p
        if callable(p):
            notice(p)
            p = p(self._step())
        return ops.where(u >= hyper("p", p, u), as_tensor(x) * hyper("scale", 1.0 / (1.0 - p), x), 0.0)

    def _step(self) -> Any:
        now = current_mode().step
        return as_tensor(0 if now is None else now, "int64")


class LayerNorm(Layer):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the last axes, which have shape normalized_shape.

    The variance is the mean square, without Bessel's correction. weight starts at 1, bias at 0.
    UsageError for sizes below 1 or a negative eps; ShapeError if x's last axes differ.
    Source: Ba, Kiros and Hinton, Layer normalization (2016).
    """

    formula = described(
        "y = (x − mean) / √(var + ε) · w + b", "incoming through y, mean and var", "add mean mul rsqrt sub"
    )

    constraints: ClassVar[Constraints] = {"normalized_shape": Each(SIZE), "eps": NOT_NEGATIVE}

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: str = "float32",
    ) -> None:
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self._check(normalized_shape=shape, eps=eps)
        self.normalized_shape = shape = tuple(map(int, shape))
        self.eps = eps
        self.weight = Parameter(shape, initializers.Ones(), dtype) if elementwise_affine else None
        self.bias = Parameter(shape, initializers.Zeros(), dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        k = len(self.normalized_shape)
        if x.shape[-k:] != self.normalized_shape:
            raise shape_error(f"LayerNorm({list(self.normalized_shape)}): {x.type} has other last axes")
        if self.weight is not None or not x.is_float:
            x = to_float(x, "float32" if self.weight is None else self.weight.dtype)
        y: Tensor = ops.layer_norm(x, self.weight, self.bias, axis=tuple(range(-k, 0)), eps=self.eps)
        return y

    def config(self) -> dict[str, Any]:
        return {
            "type": type(self).__name__,
            "normalized_shape": list(self.normalized_shape),
            "eps": self.eps,
            "elementwise_affine": self.weight is not None,
            "bias": self.bias is not None,
            "dtype": "float32" if self.weight is None else self.weight.dtype,
        } | kept(self)

    def __repr__(self) -> str:
        return f"LayerNorm({list(self.normalized_shape)}, eps={self.eps})"


class Sequential(Layer):
    """The modules one after the other: y = f_n(... f_1(x)). Parameters are named 0.weight, 0.bias, ...

    Any callables of one tensor will do. UsageError for something that cannot be called.
    """

    def __init__(self, *layers: Any) -> None:
        for i, layer in enumerate(layers):
            if isinstance(layer, type):
                raise UsageError(f"Sequential: layer {i} is the class {layer.__name__}; write {layer.__name__}()")
            if not callable(layer):
                raise UsageError(f"Sequential: layer {i} is a {type(layer).__name__} and cannot be called")
        self.layers = list(layers)
        whole = owner(self)
        if isinstance(whole, Sequential) and list(map(id, whole.layers)) == list(map(id, self.layers)):
            self._take(own_signature(whole), whole)  # nn.Sequential(*model) computes the same

    def _take(self, signature: Signature | None, whole: Sequential) -> None:
        """The signature of the one whose layers they are, and stay."""
        set_signature(self, signature)
        note_owner(whole)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if own_signature(self) is not None and owner(self) is None:
            note_owner(self)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            notice(layer)
            x = layer(x)
        return x

    def named_children(self) -> Iterator[tuple[str, Any]]:
        return ((str(i), layer) for i, layer in enumerate(self.layers))

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self.layers[index]
        part = Sequential(*self.layers[index])
        own, first = own_signature(self), index.indices(len(self.layers))[::2] == (0, 1)
        if own is not None and first and part.layers and own_signature(part) is None:
            part._take(own.of_inputs(), self)  # it takes the same data
        return part

    def __setitem__(self, index: Any, layer: Any) -> NoReturn:
        raise UsageError(
            f"Sequential: layers are not set in place; build another: layers = list(m); layers[{index}] = ...; "
            "m = nn.Sequential(*layers)"
        )

    def config(self) -> dict[str, Any]:
        return {"type": "Sequential", "layers": [plain(layer) for layer in self.layers]}

    def __repr__(self) -> str:
        return Module.__repr__(self)
