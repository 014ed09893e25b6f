"""What a run is asked for: each option of `fit` once, with its type, range, default and meaning for resuming.

`fit`, `prepare`, the command and checkpoints read this record. Nothing of numpy is imported here: the command's help
needs the ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Any

from schuss.calling import did_you_mean
from schuss.constraints import POSITIVE, Choice, Flag, Kind, Number, Scheduled, Whole, check
from schuss.errors import UsageError
from schuss.registry import Classes, Registry
from schuss.tables import EXECUTORS, LOSSES, OPTIMIZERS

if TYPE_CHECKING:
    from schuss.nn.walk import Trained
    from schuss.optim.base import Rate
    from schuss.signature import Transform
    from schuss.train.control import Control
    from schuss.train.early_stop import EarlyStop
    from schuss.train.step import Metric

Data = tuple[Any, Any]


# -- kinds: what a value must be. Called with a value they say what is wrong, None for nothing ---------------------


@dataclass(frozen=True)
class Scaling(Number):
    """A positive number, or a transform; several of them in a tuple or a dict."""

    def __call__(self, value: Any) -> str | None:
        from schuss.signature import Transform

        if isinstance(value, (tuple, Mapping)):
            parts = list(value.values()) if isinstance(value, Mapping) else value
            return next((wrong for part in parts if (wrong := self(part))), None)
        if isinstance(value, Transform) or super().__call__(value) is None:
            return None
        return "must be a positive number, a transform as schuss.signature.Standardize.of(x), or several in a tuple"


@dataclass(frozen=True)
class Registered:
    """A name that a table has."""

    table: Registry[Any]

    def __call__(self, value: Any) -> str | None:
        known = isinstance(value, str) and value in self.table
        return None if known else f"must be one of {', '.join(self.table)}"


def _a_loss(value: Any) -> str | None:
    if isinstance(value, type):
        return f"must be an object, not a class: write loss={value.__name__}()"
    if isinstance(value, str):
        return f"must be an object, not a name: {_by_name(value, LOSSES, 'nn')}"
    return None if callable(value) else "must be callable with (pred, target), as nn.CrossEntropyLoss()"


def _an_optimizer(value: Any) -> str | None:
    if isinstance(value, type):
        return f"must be an object, not a class: write optimizer={value.__name__}()"
    if isinstance(value, str):
        return f"must be an object, not a name: {_by_name(value, OPTIMIZERS, 'optim')}"
    known = hasattr(value, "init") and hasattr(value, "update")
    return None if known else "must have init and update, as optim.Adam(lr=1e-3)"


def _by_name(name: str, table: Classes[Any], home: str) -> str:
    """How the object of a name is written; of a name that none has, the name that is meant, perhaps."""
    asked = name.lower().removesuffix("loss").strip("_")
    for preset in table.presets:
        of, settings = table.preset(preset)
        if asked in (preset, preset.replace("_", ""), of.__name__.lower().removesuffix("loss")):
            given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
            return f"write {table.kind}={home}.{of.__name__}({given})"
    return f"{name!r} is none of {', '.join(table.presets)}{did_you_mean(name, table.presets)}"


def _metrics(value: Any) -> str | None:
    fine = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    return None if fine else "must be a list of functions of (pred, target), or {name: function}"


def _callbacks(value: Any) -> str | None:
    return None if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else "must be a list of them"


def _validation(value: Any) -> str | None:
    if value is None or (isinstance(value, (tuple, list)) and len(value) in (2, 3)):
        return None
    if isinstance(value, Real) and not isinstance(value, bool):
        return None if 0 <= float(value) < 1 else "must be (x, y) or a share of at least 0 and below 1"
    return "must be a pair (x, y), (x, y, weights) or a share"


@dataclass(frozen=True)
class Patience(Whole):
    """A number of epochs, or a schuss.EarlyStop."""

    def __call__(self, value: Any) -> str | None:
        from schuss.train.early_stop import EarlyStop

        if isinstance(value, EarlyStop) or super().__call__(value) is None:
            return None
        return "must be a whole number of epochs, at least 1, or a schuss.EarlyStop"


def _file(value: Any) -> str | None:
    return None if value is None or isinstance(value, (str, PathLike)) else "must be the name of a file"


def _resume(value: Any) -> str | None:
    from schuss.nn.walk import Trained

    return None if isinstance(value, Trained) or _file(value) is None else "must be a run or the name of a checkpoint"


def _record(value: Any) -> str | None:
    if Flag()(value) is None or POSITIVE(value) is None:
        return None
    return "must be True, False or a positive number of seconds"


def _control(value: Any) -> str | None:
    if value is None:
        return None
    from schuss.train.control import Control

    return None if isinstance(value, Control) else "must be a schuss.Control"


def _anything(value: Any) -> str | None:
    """Looked at where the data are."""
    return None


# -- the record --------------------------------------------------------------------------------------------------


ALWAYS: Any = object()  # there is no version without the option


@dataclass(frozen=True)
class About:
    """What is to be known of an option.

    default fit's; dataclasses.MISSING where one must be given
    kind    what its values must be
    free    a resumed run may have another value: it changes no bit of what was done, and no setting of a checkpoint
            is compared by it
    before  for an option that came after version 0.1.0: the value that does what was done without it. A checkpoint
            that does not name the option was written by a run with this value
    """

    default: Any
    kind: Kind
    free: bool
    before: Any


def _has(kind: Kind, *, free: bool = False, before: Any = ALWAYS) -> dict[str, Any]:
    return {"kind": kind, "free": free, "before": before}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keyword arguments of `fit`, which tells what each means. UsageError for a value of the wrong kind."""

    loss: Any = field(metadata=_has(_a_loss))
    optimizer: Any = field(metadata=_has(_an_optimizer))
    epochs: int = field(default=1, metadata=_has(Whole(), free=True))  # the total may grow
    batch_size: int = field(default=64, metadata=_has(Whole()))
    validation: Data | tuple[Any, Any, Any] | float | None = field(default=None, metadata=_has(_validation))
    seed: int = field(default=0, metadata=_has(Whole(0, 2**64 - 1)))
    metrics: Mapping[str, Metric] | Iterable[Metric] = field(default=(), metadata=_has(_metrics))
    callbacks: Iterable[Any] = field(default=(), metadata=_has(_callbacks, free=True))
    sample_weight: Any = field(default=None, metadata=_has(_anything))
    class_weight: Any = field(default=None, metadata=_has(_anything))
    weighting: str = field(default="data", metadata=_has(Choice(("data", "batch")), before="batch"))
    clip_norm: Rate | None = field(default=None, metadata=_has(Scheduled(Number(0, open="low", or_none=True))))
    early_stop: EarlyStop | int | None = field(default=None, metadata=_has(Patience(or_none=True)))
    shuffle: bool = field(default=True, metadata=_has(Flag()))
    scale: float | Transform | Mapping[str, Any] | tuple[Any, ...] | None = field(
        default=None, metadata=_has(Scaling(0, open="low", or_none=True))
    )
    threads: int | None = field(default=None, metadata=_has(Whole(or_none=True), free=True))
    backend: str = field(default="native", metadata=_has(Registered(EXECUTORS)))
    record: bool | float = field(default=False, metadata=_has(_record, free=True))
    control: Control | None = field(default=None, metadata=_has(_control, free=True))
    checkpoint: str | PathLike[str] | None = field(default=None, metadata=_has(_file, free=True, before=None))
    resume: Trained | str | PathLike[str] | None = field(default=None, metadata=_has(_resume, free=True, before=None))
    progress: bool = field(default=True, metadata=_has(Flag(), free=True, before=False))
    watch: bool = field(default=False, metadata=_has(Flag(), free=True, before=False))

    def __post_init__(self) -> None:
        check("fit", {name: about.kind for name, about in ABOUT.items()}, vars(self))


ABOUT: dict[str, About] = {f.name: About(f.default, **f.metadata) for f in fields(Options)}
FREE = frozenset(name for name, about in ABOUT.items() if about.free)
BEFORE = {name: about.before for name, about in ABOUT.items() if about.before is not ALWAYS}


def options(given: Mapping[str, Any]) -> Options:
    """The record of keyword arguments. UsageError naming one that `fit` does not know or that is missing."""
    unknown = [name for name in given if name not in ABOUT]
    if unknown:
        raise UsageError(f"fit: there is no option {unknown[0]}; it knows {', '.join(ABOUT)}")
    missing = [name for name in ("loss", "optimizer") if name not in given]
    if missing:
        raise UsageError(f"fit: {missing[0]} is missing")
    return Options(**given)


def without_data(asked: Options) -> Options:
    """For whoever keeps them: not the data they hold, of which a run has columns, nor the run that it went on from."""
    return replace(asked, validation=None, sample_weight=None, class_weight=None, resume=None)


__all__ = [
    "ABOUT",
    "BEFORE",
    "FREE",
    "About",
    "Data",
    "Options",
    "Registered",
    "options",
    "without_data",
]
