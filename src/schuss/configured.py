"""Settings objects that can be written to a file and rebuilt: {"type": "Linear", "in_features": 784, ...}."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

from schuss.calling import check_call
from schuss.constraints import Constraints, check
from schuss.errors import UsageError
from schuss.tables import SCHEDULES


def arguments_of(cls: type) -> tuple[str, ...]:
    """The names of what a class is built from."""
    _, *others = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]  # of this very class
    return tuple(p.name for p in others if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def check_arguments(cls: type, known: Iterable[str], mend: str) -> None:
    """UsageError unless a class is built from these settings alone: what a file could not rebuild is not registered."""
    wrong = sorted(set(arguments_of(cls)) ^ set(known))
    if wrong:
        raise UsageError(f"{cls.__name__}: {', '.join(wrong)} could not be rebuilt from a file; {mend}")


class Configured:
    """Base of frozen dataclasses whose fields say all there is to know about them.

    constraints  what their values must be: UsageError else
    """

    constraints: ClassVar[Constraints] = {}

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        check_call(cls.__name__, cls.__init__, (cls, *args), settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check(type(self).__name__, self.constraints, {name: getattr(self, name) for name in self.constraints})

    @classmethod
    def check_settings(cls) -> None:
        """UsageError for a class that its fields do not say all about. Looked at when it is registered."""
        fields = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]  # of frozen dataclasses
        check_arguments(cls, fields, "write it as @dataclass(frozen=True) with a field for each argument")

    def config(self) -> dict[str, Any]:
        """{"type": class name, field: value, ...}, fit for JSON."""
        assert dataclasses.is_dataclass(self)
        fields = {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"type": type(self).__name__, **fields}


def plain(value: Any) -> Any:
    """The value as JSON would hold it."""
    if hasattr(value, "config"):
        return value.config()
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    if isinstance(value, Integral) and not isinstance(value, bool):  # numpy's are none of JSON's
        return int(value)
    if callable(value):
        return {"type": getattr(value, "__name__", type(value).__name__)}
    return value


def rebuilt(value: Any) -> Any:
    """A schedule from its config; anything else as it is."""
    name = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or name not in SCHEDULES:
        return value
    return build({k: rebuilt(v) for k, v in value.items()}, SCHEDULES, "schedule")


def build(config: Mapping[str, Any], known: Mapping[str, Any], what: str) -> Any:
    """The object a config describes. UsageError for an unknown type or setting."""
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "type"}
    name = config.get("type")
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"unknown {what} {name!r}; this version knows {', '.join(known)}")
    try:
        return known[name](**settings)
    except TypeError as error:
        raise UsageError(f"{what} {name}: {error}") from None
