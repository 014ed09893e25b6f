"""Parameter groups: some of a model's parameters with settings of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping, ValuesView
from fnmatch import fnmatchcase
from typing import Any

from schuss.configured import plain
from schuss.errors import UsageError
from schuss.nn.parameter import Parameter
from schuss.nn.walk import named_parameters, parameter_names


class Group:
    """Parameters, and the optimizer's settings that differ for them: Adam(1e-3, groups=[Group("body", lr=1e-4)]).

    params    what is in the group: a parameter's name or the path of a part of the model ("body", "body.0.weight"), a
              pattern of names ("*.bias", as fnmatch has them: * stands for dots too), a module, a Parameter, or a list
              of such
    name      of the group, in the history ("lr/NAME") and in the optimizer's state ("lr_factor/NAME"); by default the
              text given as params, or the path of what it holds
    settings  any of the optimizer's, a schedule as lr among them; the others are the optimizer's own

    A parameter in no group has the optimizer's settings; none may be in two. PyTorch's {"params": ..., "lr": ...}
    does as well. UsageError for params that are no such thing.
    """

    def __init__(self, params: Any, *, name: str | None = None, **settings: Any) -> None:
        self.params = tuple(_flat(params))
        if not self.params or (name is not None and (not isinstance(name, str) or not name or "/" in name)):
            raise UsageError(f"Group: it needs parameters, and a name that is a text without '/', got {name!r}")
        text = isinstance(params, str) and "/" not in params
        self.name: str | None = params if name is None and text else name
        self.settings = settings
        self._resolved = False

    def select(self, params: Mapping[str, Any]) -> list[str]:
        """Which of these names are in the group; params: Parameters or, if names or patterns were given, anything."""
        texts = [p for p in self.params if isinstance(p, str)]
        inside = {id(v) for p in self.params if not isinstance(p, str) for v in named_parameters([p]).values()}
        return [n for n, v in params.items() if id(v) in inside or any(_matches(text, n) for text in texts)]

    def resolved(self, names: list[str], number: int) -> Group:
        """The same group with the names of its parameters in place of patterns and modules."""
        made = Group(names, name=self.name or _path(names) or f"group{number}", **self.settings)
        made._resolved = True
        return made

    def config(self) -> dict[str, Any]:
        """Its settings, fit for JSON. UsageError while it holds modules or Parameters: fit puts names for them."""
        if not all(isinstance(p, str) for p in self.params):
            raise UsageError("Group: modules and Parameters have no config; give names or patterns")
        settings = {k: plain(v) for k, v in self.settings.items()}
        return {"type": "Group", "params": list(self.params), "name": self.name, **settings}

    def __repr__(self) -> str:
        parts = [p if isinstance(p, str) else type(p).__name__ for p in self.params]
        settings = "".join(f", {k}={v!r}" for k, v in self.settings.items())
        return f"Group({parts if len(parts) > 1 else parts[0]!r}, name={self.name!r}{settings})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group) or len(self.params) != len(other.params):
            return NotImplemented if not isinstance(other, Group) else False
        same = all(a is b or (isinstance(a, str) and a == b) for a, b in zip(self.params, other.params, strict=True))
        return same and (self.name, self.settings) == (other.name, other.settings)

    def __hash__(self) -> int:
        return hash((self.name, len(self.params)))


def as_group(owner: str, given: Any) -> Group:
    """A Group, or PyTorch's dict as one. UsageError for anything else."""
    if isinstance(given, Group):
        return given
    if isinstance(given, Mapping) and "params" in given:
        return Group(given["params"], **{k: v for k, v in given.items() if k not in ("params", "type")})
    raise UsageError(f'{owner}: groups must be a list of optim.Group("name", lr=...), got {type(given).__name__}')


def split(groups: Iterable[Group], params: Mapping[str, Any]) -> list[list[str]]:
    """The names in no group, and those of each group. UsageError for a parameter in two groups, and for a group that
    selects none (where it is resolved, they are not among these)."""
    owner: dict[str, Group] = {}
    members = []
    for group in groups:
        names = group.select(params)
        if not names and not group._resolved:
            raise _no_parameters(group, params)
        for name in names:
            if name in owner:
                raise UsageError(f"parameter {name} is in two groups, {owner[name].name} and {group.name}: keep one")
            owner[name] = group
        members.append(names)
    return [[name for name in params if name not in owner], *members]


def resolve(groups: tuple[Group, ...], model: Any) -> tuple[Group, ...]:
    """The groups with the names of the model's parameters. UsageError as for split."""
    first = named_parameters(model)
    if all(group._resolved and first.keys() >= set(group.params) for group in groups):
        return groups
    every = parameter_names(model)
    name_of = {id(parameter): name for name, parameter in first.items()}  # a shared one has several
    made: list[Group] = []
    for number, group in enumerate(groups, 1):
        names = list(dict.fromkeys(name_of[id(every[n])] for n in group.select(every)))
        if not names:
            raise _no_parameters(group, first)
        made.append(group.resolved(names, number))
    split(made, first)
    return tuple(made)


def _no_parameters(group: Group, params: Mapping[str, Any]) -> UsageError:
    known = ", ".join(list(params)[:20]) + (", ..." if len(params) > 20 else "")
    by_object = not all(isinstance(p, str) for p in group.params)
    mend = "; give nn.named_parameters(model), or names in place of modules" if by_object else ""
    return UsageError(f"{group!r} selects no parameter; there are {known or 'none'}{mend}")


def _flat(given: Any) -> Iterator[Any]:
    """Names, patterns, modules and Parameters out of lists and generators of them. UsageError for anything else."""
    if isinstance(given, (list, tuple, set, frozenset, Iterator, KeysView, ValuesView)):
        for part in given:
            yield from _flat(part)
    elif isinstance(given, (str, Parameter)) or named_parameters(given):
        yield given
    else:
        raise UsageError(
            f"Group: params must be names, patterns, modules or Parameters, got {type(given).__name__} without any"
        )


def _matches(text: str, name: str) -> bool:
    return name == text or name.startswith(f"{text}.") or fnmatchcase(name, text)


def _path(names: list[str]) -> str:
    """The path that the names have in common."""
    parts = [name.split(".")[: -1 if len(names) > 1 else None] for name in names]
    common = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return ".".join(common)


__all__ = ["Group"]
