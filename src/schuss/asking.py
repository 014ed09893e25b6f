"""What messages call that which can be asked for: an argument in Python, an option where the command runs, an extra."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from schuss.calling import did_you_mean
from schuss.frames import listed

OF_READING = ("delimiter", "encoding", "decimal", "quote", "header")  # arguments of schuss.tabular.dialect.Reading
MISSING = "*schuss.tabular.kinds.MISSING"  # beside the texts that stand for a missing value anyway
_speaks = ["python"]


@contextmanager
def of_command() -> Iterator[None]:
    """While it lasts messages name the command's options."""
    _speaks.append("command")
    try:
        yield
    finally:
        _speaks.pop()


def in_command() -> bool:
    """Whether the command runs."""
    return _speaks[-1] == "command"


def called(name: str) -> str:
    """The argument by itself: category, or --category."""
    return f"--{name.replace('_', '-')}" if in_command() else name


def asked(name: str, value: object) -> str:
    """The argument with a value: category=['a b'], or --category 'a b'. A list is an option each, a dict {column: text}
    one of COLUMN=TEXT, header=False is --no-header."""
    if in_command():
        if name == "header":
            return "--no-header"
        values = [f"{k}={v}" for k, v in value.items()] if isinstance(value, Mapping) else _several(value)
        return " ".join(f"{called(name)} {shlex.quote(str(v))}" for v in values)
    if name == "missing":
        return f"missing=[{MISSING}, {', '.join(map(repr, _several(value)))}]"
    return f"reading=Reading({name}={value!r})" if name in OF_READING else f"{name}={value!r}"


def _several(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def page_of(data: str, frame: str) -> str:
    """What opens a model's page with data: schuss.watch(model, data=FRAME), or schuss view MODEL DATA."""
    return f"schuss view MODEL {data}" if in_command() else f"schuss.watch(model, data={frame})"


def no_column(argument: str, names: Sequence[str], columns: Sequence[str], what: str) -> str:
    """What is said of an argument that names columns which are not there: the first of them, and the nearest there is.

    what  has the columns
    """
    parts = [part.strip() for part in names[0].split(",")]
    if len(parts) > 1 and set(parts) <= set(columns):
        return f"{called(argument)}: {what} has no column {names[0]!r}; name each by itself: {asked(argument, parts)}"
    near = did_you_mean(names[0], columns)
    return f"{called(argument)}: {what} has no column {listed(names)}{near or '; it has ' + listed(columns)}"


def lacking(what: str, missing: str, extra: str) -> str:
    """What is said where libraries of an extra are not installed."""
    return f"{what} {missing}: pip install '.[{extra}]' in the folder of schuss"


__all__ = ["asked", "called", "in_command", "lacking", "no_column", "of_command", "page_of"]
