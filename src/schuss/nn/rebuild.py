"""Layers and losses from their configs, for files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss import tables
from schuss.configured import build, plain, rebuilt
from schuss.errors import UsageError
from schuss.nn import init as initializers
from schuss.nn.layers import Layer, Sequential
from schuss.nn.loss import Loss
from schuss.nn.walk import freeze_names
from schuss.registry import Classes

LAYERS: Classes[type[Layer]] = tables.LAYERS
"""The layers by name."""
LOSSES: Classes[type[Loss]] = tables.LOSSES
"""The losses by name."""
_INITIALIZERS = {
    cls.__name__: cls
    for cls in (
        initializers.Constant,
        initializers.Zeros,
        initializers.Ones,
        initializers.Uniform,
        initializers.Normal,
        initializers.LinearDefault,
        initializers.XavierUniform,
        initializers.XavierNormal,
        initializers.KaimingUniform,
        initializers.KaimingNormal,
        initializers.LecunNormal,
    )
}
_BEFORE = {"Embedding": {"mode": "clip"}}  # what a config without these settings means: version 0.1.0 had not got them
_DEPTH = 100  # of Sequentials in each other, in a config from a file


def to_config(model: Any) -> dict[str, Any] | None:
    """What from_config rebuilds the model from; None if a part's class is not registered, or a part is used twice."""
    seen: set[int] = set()

    def known(part: Any) -> bool:
        if type(part) is not LAYERS.get(type(part).__name__) or id(part) in seen or _has_function(part):
            return False
        seen.add(id(part))
        return all(known(layer) for layer in part.layers) if isinstance(part, Sequential) else True

    return model.config() if known(model) else None


def from_outside(model: Any) -> list[str]:
    """The names of the classes of such a model that are not schuss's own."""
    parts = model.layers if isinstance(model, Sequential) else ()
    own = () if type(model).__module__.partition(".")[0] == "schuss" else (type(model).__name__,)
    return sorted({*own, *(name for part in parts for name in from_outside(part))})


def _has_function(layer: Layer) -> bool:
    """Whether a setting is a function of the user's, in place of a number: no file can bring it back."""
    return any(callable(v) and rebuilt(plain(v)) != v for v in (getattr(layer, name, None) for name in layer.settings))


def from_config(config: Mapping[str, Any], depth: int = 0) -> Any:
    """A new model, with fresh parameters. UsageError for an unknown layer or setting."""
    if not isinstance(config, Mapping) or depth > _DEPTH:
        raise UsageError("from_config: a layer's config must be a mapping, not nested too deep")
    if config.get("type") != "Sequential":
        whole = {**_BEFORE.get(str(config.get("type")), {}), **config}
        settings = {k: _law(v) if k == "init" else rebuilt(v) for k, v in whole.items() if k != "frozen"}
        layer = build(settings, LAYERS, "layer")
        freeze_names(layer, config.get("frozen", ()))
        return layer
    parts = config.get("layers")
    if not isinstance(parts, (list, tuple)) or set(config) != {"type", "layers"}:
        raise UsageError("layer Sequential: its config needs layers, a list, and nothing else")
    return Sequential(*(from_config(part, depth + 1) for part in parts))


def _law(config: Any) -> Any:
    if config is None:  # drawn by a function of the user's; the numbers come from the file
        return "default"
    return build(config, _INITIALIZERS, "initializer") if isinstance(config, Mapping) else config


def known_loss(loss: Any) -> Loss | None:
    """A loss, given itself or its config; None for a function, and for a class that is not registered."""
    if isinstance(loss, Mapping):
        return loss_from_config(loss) if loss.get("type") in LOSSES else None
    return loss if isinstance(loss, Loss) else None


def loss_from_config(config: Mapping[str, Any]) -> Any:
    """A loss from its config. UsageError for an unknown loss or setting."""
    return build(config, LOSSES, "loss")
