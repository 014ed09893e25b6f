"""What the values of train's options are, in the form and range that fit has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import click

from schuss.calling import did_you_mean
from schuss.constraints import Choice, Number, Scheduled, Whole
from schuss.train.options import ABOUT, Registered


def sizes(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """128,64"""
    if value.strip().lower() in ("", "none"):
        return ()
    try:
        found = tuple(int(v) for v in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers such as 128,64") from None
    if any(size < 1 for size in found):
        raise click.BadParameter(f"{value!r}: every layer needs at least 1 unit")
    return found


class PositiveNumber(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """3e-3 or 1/255."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        over, _, under = str(value).partition("/")  # 1/255
        try:
            number = float(over) / float(under or 1)
        except (TypeError, ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} must be positive", param, ctx)
        return number


class ShareOrFile(click.ParamType):  # type: ignore[type-arg]
    """0.2, or the name of a file with rows of a table."""

    name = "share|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        try:
            share = float(value)
        except ValueError:
            return str(value)
        if not 0 <= share < 1:
            self.fail(f"{value} is not in the range 0<=x<1.", param, ctx)
        return share


def in_words(described: Mapping[str, str]) -> str:
    """mnist, a folder of pictures (...) or an .npz file (...)"""
    *some, last = described.values()
    return f"{', '.join(some)} or {last}"


class OneOf(click.Choice):  # type: ignore[type-arg]
    """One of the names that a table has when it is asked: one may be registered after the command is declared."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self._names())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message.rstrip('.')}{did_you_mean(value, self.choices) or '.'}", param, ctx)


def of_fit(name: str) -> click.ParamType:  # type: ignore[type-arg]
    """The type and range of an option that fit has, too."""
    kind = ABOUT[name].kind
    if isinstance(kind, Whole):
        return click.IntRange(kind.low, kind.high)
    if isinstance(kind, Choice):
        return click.Choice(kind.names)
    if isinstance(kind, Registered):
        return OneOf(partial(iter, kind.table))
    assert isinstance(kind, (Number, Scheduled))
    return PositiveNumber()
