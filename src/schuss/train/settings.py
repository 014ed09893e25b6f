"""The settings of a run as a checkpoint holds them: every one resolved, fit for JSON, and compared by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from schuss import nn, optim
from schuss.asking import called, in_command
from schuss.errors import SchussError, UsageError
from schuss.ir.digest import SHORT, array_digest
from schuss.ir.executor import Array
from schuss.signature.transforms import to_json
from schuss.train.options import ABOUT, BEFORE, FREE, Options
from schuss.train.step import Task
from schuss.train.trainer import Trainer

LONGEST = 80  # characters of a value in a message
COLUMNS = ("validation", "sample_weight", "class_weight")  # told by the columns they make


def settings(trainer: Trainer) -> dict[str, Any]:
    """settings_of a trainer's run."""
    return settings_of(trainer.task, trainer.options, trainer.data, trainer.run.validation)


def settings_of(
    task: Task, asked: Options, data: Mapping[str, Array], validation: Mapping[str, Array] | None
) -> dict[str, Any]:
    """What a run of fit was asked for: its options with what None stood for, model, loss and optimizer by their
    configurations, and a checksum of each column of the data. The options are a trainer's."""
    resolved = {
        "model": _unfrozen(described(task.model)),
        "metrics": list(task.metrics),
        "scale": [to_json(part.transform) for part in task.inputs],
        "frozen": sorted(task.frozen),
        "data": _columns(data),
        "validation": _columns(validation),
    }
    kept = [name for name in ABOUT if name == "epochs" or (name not in FREE and name not in COLUMNS)]
    return {name: described(getattr(asked, name)) for name in kept} | resolved


def described(value: Any) -> Any:
    """A value as JSON would hold it: objects by their configuration, or by their class and plain attributes."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [described(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): described(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return array_digest(value, SHORT)
    if hasattr(value, "config"):
        return described(value.config())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {n: described(v) for n, v in _plain(vars(value))}
    if hasattr(value, "__qualname__"):
        return {"type": value.__qualname__}
    return {"type": type(value).__name__} | {n: described(v) for n, v in _plain(getattr(value, "__dict__", {}))}


def _unfrozen(config: Any) -> Any:
    """A model's configuration without what is frozen in it, which stands beside it."""
    if isinstance(config, list):
        return [_unfrozen(part) for part in config]
    return {k: _unfrozen(v) for k, v in config.items() if k != "frozen"} if isinstance(config, dict) else config


def _plain(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    plain = (bool, int, float, str, np.generic, type(None))
    return ((n, v) for n, v in attributes.items() if isinstance(v, plain) and not n.startswith("_"))


def _columns(data: Mapping[str, Array] | None) -> dict[str, str] | None:
    return None if data is None else {name: array_digest(array, SHORT) for name, array in data.items()}


def check_settings(wanted: Mapping[str, Any], found: Any, where: str, mend: str, free: frozenset[str] = FREE) -> None:
    """UsageError naming the settings of a run that differ from those it was begun with.

    found  what a checkpoint holds. An option that came later has the value that does what was done without it
    mend   what to do about it; free: names that may differ
    """
    held = found if isinstance(found, Mapping) else {}
    since = {name: value for name, value in BEFORE.items() if name in wanted}
    old, new = _flat({**since, **{name: _today(name, value) for name, value in held.items()}}), _flat(wanted)
    differ = [k for k in {**old, **new} if k.split(".")[0] not in free and old.get(k) != new.get(k)]
    if differ:
        parts = [part for k in differ for part in _parts(k, old.get(k), new.get(k))]
        listed = ", ".join(f"{_called(k)} was {_said(a)} and is now {_said(b)}" for k, a, b in parts[:4])
        more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
        raise UsageError(f"cannot resume {where}: {listed}{more}; {mend}")


def _parts(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs; of lists of as many mappings the places, and what in these."""
    lists = all(isinstance(v, list) and v and all(isinstance(part, Mapping) for part in v) for v in (old, new))
    if not lists or len(old) != len(new):
        yield name, old, new
        return
    for i, parts in enumerate(zip(old, new, strict=True)):
        a, b = (_flat(part) for part in parts)
        for key in {**a, **b}:
            if a.get(key) != b.get(key):
                yield from _parts(f"{name}.{i}.{key}", a.get(key), b.get(key))


def _called(name: str) -> str:
    """A setting; an option where the command runs."""
    return name if "." in name or name == "data" else called(name)


def _said(value: Any) -> str:
    """A value that a setting has, as it is given."""
    if not in_command():
        text = repr(value)
    elif value is None or isinstance(value, bool):
        text = "given" if value else "not given"
    else:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _today(name: str, held: Any) -> Any:
    """A configuration with the settings that came since it was written, which have defaults that change nothing."""
    rebuild = {"model": nn.from_config, "loss": nn.loss_from_config, "optimizer": optim.from_config}.get(name)
    try:
        return described(rebuild(held)) if rebuild and isinstance(held, Mapping) else held
    except SchussError:  # a class of the user's own
        return held


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"data": {"x0": ...}} as {"data.x0": ...}"""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


__all__ = ["check_settings", "described", "settings", "settings_of"]
