"""Tables of what can be asked for by name: executors, data sources, layers, losses, and so on. See schuss.tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from schuss.calling import did_you_mean
from schuss.errors import UsageError

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Names and what they stand for. A row "module:attribute" is loaded when it is first asked for, so that a list of
    the names costs nothing.

        @EXECUTORS.register("slow")
        class SlowExecutor: ...

    `remove` takes a row out again. Two rows have two names, but a class that is defined again (a notebook's cell that
    runs twice) takes the place of the old one.
    """

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._rows: dict[str, Any] = dict(rows)

    def __getitem__(self, name: str) -> T:
        row = self._rows[name]
        if isinstance(row, str):
            module, _, attribute = row.partition(":")
            row = self._rows[name] = getattr(import_module(module), attribute)
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def known(self, name: Any) -> str:
        """The name. UsageError, with the names there are, for any other."""
        if not isinstance(name, str) or name not in self._rows:
            raise UsageError(f"{self.kind} {name!r} is none of {', '.join(self)}{did_you_mean(name, self)}")
        return name

    def find(self, name: Any) -> T:
        """What a name stands for. UsageError as for `known`."""
        return self[self.known(name)]

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that gives what it decorates a row. UsageError for a name that another has."""

        def add(value: T) -> T:
            self._add(name, value)
            return value

        return add

    def remove(self, name: str) -> None:
        """Take a row out."""
        del self._rows[name]

    def _add(self, name: str, value: Any) -> None:
        if name in self._rows and _home(self[name]) != _home(value):
            there = ".".join(_home(self[name]))
            raise UsageError(f"{self.kind} {name!r} is there already, {there}: take another name")
        self._rows[name] = value


@dataclass(frozen=True)
class Form:
    """Where a data source is, and what it is: as a data set, and as rows to predict; "" if it is none."""

    where: str
    data: str = ""
    rows: str = ""


class Sources(Registry[T]):
    """Forms in which data come, in the order in which they are asked whether they recognise a place.

        @SOURCES.register("tsv", data="a folder of .tsv files (train.tsv and test.tsv)")
        class TsvFolder(DataSource): ...

    data   what it is as a data set, as help and errors name it, with details in brackets; "" for none
    rows   what it is as rows to predict
    """

    def __init__(self, kind: str, rows: Mapping[str, Form]) -> None:
        super().__init__(kind, {name: form.where for name, form in rows.items()})
        self._forms = dict(rows)

    @property
    def sets(self) -> dict[str, str]:
        """What data sets there are, by the sources' names."""
        return {name: form.data for name, form in self._forms.items() if form.data}

    @property
    def places(self) -> dict[str, str]:
        """The data sets that are asked for by a name, not by where they lie, and what is told of them."""
        told = {name: said.partition(" (") for name, said in self.sets.items()}
        return {name: more.rstrip(")") for name, (said, _, more) in told.items() if said == name}

    @property
    def rows(self) -> dict[str, str]:
        """What rows to predict there are, by the sources' names."""
        return {name: form.rows for name, form in self._forms.items() if form.rows}

    def register(self, name: str, data: str = "", rows: str = "") -> Callable[[T], T]:
        """A decorator that registers a source. UsageError for a name that another has."""

        def add(value: T) -> T:
            self._add(name, value)
            self._forms[name] = Form("", data, rows)
            return value

        return add

    def remove(self, name: str) -> None:
        """Take a source out."""
        super().remove(name)
        del self._forms[name]


@dataclass(frozen=True)
class Row:
    """Where a class is, and its presets: settings by name."""

    module: str
    presets: Mapping[str, Mapping[str, Any]]


def at(module: str, **presets: Mapping[str, Any]) -> Row:
    """The row of a class in that module."""
    return Row(module, presets)


class Classes(Registry[T]):
    """Classes by their own names, as model files have them; and presets: what the command and the playground call them,
    each a class with some of its settings.

        @nn.LOSSES.register("quantile")
        @dataclass(frozen=True)
        class Quantile(nn.Loss): ...

        @optim.OPTIMIZERS.register("signsgd", lr=1e-3)
        ...
    """

    def __init__(self, kind: str, rows: Mapping[str, Row], base: str) -> None:
        """base: the name of what the classes are derived from."""
        self.base = base
        super().__init__(kind, {name: f"{row.module}:{name}" for name, row in rows.items()})
        self._presets = {key: (name, settings) for name, row in rows.items() for key, settings in row.presets.items()}

    @property
    def presets(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._presets)

    def preset(self, name: str) -> tuple[T, dict[str, Any]]:
        """The class and the settings that a preset's name stands for. UsageError for any other name."""
        if name not in self._presets:
            told = did_you_mean(name, self._presets)
            raise UsageError(f"{self.kind} {name!r} is none of {', '.join(self._presets)}{told}")
        of, settings = self._presets[name]
        return self[of], dict(settings)

    def register(self, name: str | None = None, **settings: Any) -> Callable[[T], T]:
        """A decorator that registers a class, and as a preset of that name. UsageError for a name that another has, and
        for a class that could not be rebuilt from a file: see its `check_settings`."""

        def add(cls: T) -> T:
            assert isinstance(cls, type)
            check = getattr(cls, "check_settings", None)
            if check is None:
                raise UsageError(
                    f"{self.kind} {cls.__name__}: has no config() to be rebuilt from: derive it from {self.base}"
                )
            check()
            own = cls.__name__
            if name is not None and self._presets.get(name, (own, {}))[0] != own:
                raise UsageError(f"{self.kind} {name!r} is {self._presets[name][0]} already: take another name")
            self._add(own, cls)
            if name is not None:
                self._presets[name] = own, settings
            return cls

        return add

    def remove(self, name: str) -> None:
        """Take a class out, with its presets."""
        super().remove(name)
        self._presets = {k: v for k, v in self._presets.items() if v[0] != name}


def _home(value: Any) -> tuple[str, str]:
    """Where it was defined."""
    of = value if isinstance(value, type) or inspect.isfunction(value) else type(value)
    return of.__module__, of.__qualname__


__all__ = ["Classes", "Form", "Registry", "Row", "Sources", "at"]
