"""The network of an estimator: its layers, and what it computes as a function of rows and weights.

coefs_ and intercepts_ are scikit-learn's: W [in, out] and b [out] of each layer, y = x W + b. Compiled functions read
them where they lie, at each call, so that whoever changes them changes the answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.backprop import backprop
from schuss.configured import plain
from schuss.ir.executor import Array, Compiled
from schuss.ir.executors import compiled
from schuss.ir.types import N, TensorType
from schuss.sklearn.keyed import Keyed, keyed
from schuss.trace import trace

NAMES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations, where schuss has another."""
KEPT = 64  # compiled functions


def activation_names() -> set[str]:
    """What `activation` may be, by name."""
    return {*nn.LAYERS.presets, *NAMES}


@dataclass(frozen=True)
class Net:
    """widths       of the input, the hidden layers and the output
    activations  one for each hidden layer
    dropout      after each hidden layer
    """

    widths: tuple[int, ...]
    activations: tuple[Keyed, ...]
    dropout: tuple[float, ...]
    dtype: str

    def build(self) -> nn.Sequential:
        """The layers; what follows the last one, as softmax, is left to the loss."""
        layers: list[Any] = []
        for i, (a, b) in enumerate(itertools.pairwise(self.widths)):
            layers.append(nn.Linear(a, b, dtype=self.dtype, init="zeros"))
            if i < len(self.activations):
                layers.append(_made(self.activations[i].given))
                layers += [nn.Dropout(self.dropout[i])] if self.dropout[i] else []
        return nn.Sequential(*layers)


def _made(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    cls, settings = nn.LAYERS.preset(NAMES.get(given, given))
    return cls(**settings)


def activations_of(given: Any, hidden: int) -> tuple[Keyed, ...]:
    """One for each hidden layer. ValueError for a list of another length, and for what has parameters of its own."""
    each = list(given) if isinstance(given, (list, tuple)) else [given] * hidden
    if len(each) != hidden:
        raise ValueError(f"activation has {len(each)} entries for {hidden} hidden layers; give one, or one for each")
    return tuple(map(_keyed_activation, each))


def _keyed_activation(given: Any) -> Keyed:
    if isinstance(given, str):
        if given not in activation_names():
            raise ValueError(f"activation {given!r} is none of {', '.join(sorted(activation_names()))}")
        return keyed(given)
    if isinstance(given, type) or not callable(given):
        raise ValueError(f"activation must be a name, an nn.Layer object or a function of a tensor, got {given!r}")
    if nn.named_parameters(given):
        raise ValueError(f"activation {given!r} has parameters of its own, which coefs_ has no place for")
    if type(given) is nn.LAYERS.get(type(given).__name__):
        return Keyed(repr(plain(given)), given)
    return keyed(given)


def dropout_of(given: Any, hidden: int) -> tuple[float, ...]:
    """One rate for each hidden layer. ValueError for a list of another length, or a rate outside [0, 1)."""
    each = [float(p) for p in given] if isinstance(given, (list, tuple)) else [float(given)] * hidden
    if len(each) != hidden or not all(0.0 <= p < 1.0 for p in each):
        raise ValueError(f"dropout must be a rate in [0, 1), or one for each of {hidden} hidden layers, got {given!r}")
    return tuple(each)


# -- weights by the layers' names --------------------------------------------------------------------------------


def linears(network: Any) -> list[tuple[str, nn.Linear]]:
    """The layers with weights, by name."""
    return [(name, layer) for name, layer in network.named_children() if isinstance(layer, nn.Linear)]


def as_state(network: Any, coefs: Sequence[Array], intercepts: Sequence[Array]) -> dict[str, Array]:
    """coefs_ and intercepts_ as the parameters 0.weight [out, in], 0.bias, ..."""
    state: dict[str, Array] = {}
    for (name, _), w, b in zip(linears(network), coefs, intercepts, strict=True):
        state |= {f"{name}.weight": np.asarray(w).T, f"{name}.bias": np.asarray(b)}
    return state


def from_state(network: Any, state: Mapping[str, Array]) -> tuple[list[Array], list[Array]]:
    """coefs_ and intercepts_ of such parameters: arrays of their own."""
    names = [name for name, _ in linears(network)]
    coefs = [np.array(state[f"{name}.weight"].T, order="C") for name in names]
    return coefs, [np.array(state[f"{name}.bias"]) for name in names]


# -- what it computes --------------------------------------------------------------------------------------------

LINKS: Mapping[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "exp": ops.exp,
    "logistic": ops.sigmoid,
    "softmax": lambda z: ops.softmax(z, axis=1),
    "binary": lambda z: ops.concatenate([ops.sigmoid(ops.neg(z)), ops.sigmoid(z)], axis=1),
}
"""What the last layer's z becomes; of "binary" the probabilities of both classes, [N, 2]."""


def _function(net: Net, link: str) -> tuple[Callable[..., Any], list[TensorType], list[str]]:
    """The network as a function of x, W0, b0, W1, b1, ..., with its types and names."""
    network = net.build()
    layers = linears(network)

    def apply(x: Any, *flat: Any) -> Any:
        weights = {layer.weight: w.mT for (_, layer), w in zip(layers, flat[::2], strict=True)}
        biases = {layer.bias: b for (_, layer), b in zip(layers, flat[1::2], strict=True)}
        with nn.bind(weights | biases), nn.mode():  # type: ignore[arg-type]
            return LINKS[link](network(x))

    types, names = [TensorType(net.dtype, (N, net.widths[0]))], ["x"]
    for i, (a, b) in enumerate(itertools.pairwise(net.widths)):
        types += [TensorType(net.dtype, (a, b)), TensorType(net.dtype, (b,))]
        names += [f"coefs_{i}", f"intercepts_{i}"]
    return apply, types, names


@lru_cache(KEPT)
def forward(net: Net, link: str, threads: int | None) -> Compiled:
    """A function of [x, W0, b0, W1, b1, ...] to [outputs]."""
    apply, types, names = _function(net, link)
    return compiled(trace(apply, types, names), threads)


@lru_cache(KEPT)
def slopes(net: Net, link: str, threads: int | None) -> Compiled:
    """Likewise to [d output_k / d x [N, features] for each output k]."""
    apply, types, names = _function(net, link)

    def each(x: Any, *flat: Any) -> Any:
        y = apply(x, *flat)
        return [backprop(ops.sum(y[:, k]), [x])[0] for k in range(y.shape[1])]

    return compiled(trace(each, types, names), threads)


__all__ = [
    "Net",
    "activation_names",
    "activations_of",
    "as_state",
    "dropout_of",
    "forward",
    "from_state",
    "linears",
    "slopes",
]
