"""What optimizers have in common: an update rule for one parameter, applied to all of them in graph code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from numbers import Real
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, Self, TypeGuard

import numpy as np

from schuss import ops
from schuss.configured import Configured
from schuss.constraints import FRACTION, NOT_NEGATIVE, POSITIVE, Scheduled
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.module import Module
from schuss.nn.parameter import Parameter
from schuss.optim.groups import Group, as_group, resolve, split
from schuss.optim.rows import RowGradient, check_elementwise
from schuss.trace import hyper, notice, scope, tracing

Scalar = Any
"""A Python number, or a scalar tensor."""
Rate = float | Callable[[Any], Any]
"""A number, or a schedule of it: step (int64 scalar tensor, from 0) -> float64 scalar tensor."""
RATE = Scheduled(POSITIVE, "to keep parameters as they are, freeze them: part.requires_grad_(False)")
FACTOR, SHARE = Scheduled(NOT_NEGATIVE), Scheduled(FRACTION)
"""What hyperparameters must be: a learning rate, a number of at least 0, a number in [0, 1)."""
Slots = dict[str, Any]
Now = Any
"""An optimizer's numbers in a step, as attributes: now.lr, now.betas[0]."""
LR_FACTOR, LR_HELD = "lr_factor", "lr_held"
STEERING = {LR_FACTOR: 1.0, LR_HELD: 0.0}
"""Scalars of the state through which a run's rate is steered, with their first values: lr * lr_factor + lr_held."""
MADE = "_members"  # in an optimizer's __dict__: those of its groups, which are asked for often
MISSED = "missed"
"""missed/PARAMETER in the state: the steps that were done without a parameter, which do not count for it."""


class Updates(Protocol):
    """What fit asks of an optimizer; a user's own needs no more."""

    def init(self, params: dict[str, Array]) -> dict[str, Array]:
        """The state before the first step, by names of the optimizer's choice."""

    def update(
        self, params: dict[str, Any], grads: dict[str, Any], state: dict[str, Any], step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """New parameters and state, as tensors; step is an int64 scalar tensor that counts from 0."""


@dataclass(frozen=True)
class Optimizer(Configured):
    """Base of the optimizers. State arrays are named slot/parameter, as exp_avg/0.weight.

    A subclass names its slots, works out the step's scalars once for all parameters (`scalars`, in float64)
    and updates one parameter (`one`). Formulas and defaults are PyTorch's; g is the gradient, w the
    parameter, t the step counted from 1.

    Every setting that is a number may be a schedule. Numbers and schedules alike are inputs of the compiled step
    (`now`), so that a search over them compiles once. The settings themselves, as self.weight_decay, decide what is
    computed at all: a weight decay or momentum of 0 is left out.

    groups are parameters with settings of their own (schuss.optim.Group). Scalars of the state are kept for each: those
    of the parameters in no group under their plain names, those of a group with its name, as lr_factor/body.

    Two more float64 scalars are there for whoever steers a run from outside; no step changes them. The rate is
    lr * lr_factor + lr_held: 1 and 0 at first, which change no bit; a rate that is held has 0 and the rate.

    t counts a parameter's own steps, as in PyTorch: one that was frozen or had no gradient at some
    step has its count of these in the state, missed/PARAMETER (float64), and own_SCALAR/PARAMETER in place of the
    shared scalars. Schedules go by the step of all.
    """

    lr: Rate
    groups: tuple[Group, ...] = field(default=(), kw_only=True)

    shared_scalars: ClassVar[tuple[str, ...]] = ()  # float64 state all parameters share; starts at 1

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        if args and isinstance(args[0], (Iterable, Module, Parameter)) and not isinstance(args[0], str):
            raise UsageError(
                f"{cls.__name__}: it takes the learning rate first, and no parameters: fit and schuss.Updater give it "
                "those of the model; settings for some of them go in groups=[optim.Group(part, lr=...)]"
            )
        return super().__new__(cls, *args, **settings)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        if isinstance(self.groups, (str, Mapping, Group)) or not isinstance(self.groups, Iterable):
            raise UsageError(f'{owner}: groups must be a list of optim.Group("name", lr=...), got {self.groups!r}')
        object.__setattr__(self, "groups", tuple(as_group(owner, group) for group in self.groups))
        known = [f.name for f in fields(self) if f.name != "groups"]
        for group in self.groups:
            for name in group.settings:
                if name not in known:
                    raise UsageError(f"{owner}: {group!r}: there is no setting {name}; it has {', '.join(known)}")
        super().__post_init__()
        taken = [name for name, _ in self.members()]
        if len(set(taken)) < len(taken):
            raise UsageError(f"{owner}: two groups have one name among {taken[1:]}; give them others with name=")

    def slots(self) -> dict[str, float]:
        """The names of the arrays kept for each parameter, with their first value."""
        return {}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        """Coefficients of this step, in float64; may replace entries of `shared`, the global state.

        now: the settings that are numbers, as they are in this step: now.lr, now.weight_decay, now.betas[0]
        """
        return {"lr": now.lr}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        """The new parameter and its new slots. k: the coefficients, in the parameter's dtype."""
        raise NotImplementedError

    # -- groups ------------------------------------------------------------------------------------------

    def members(self) -> list[tuple[str, Optimizer]]:
        """The groups by name, each with the optimizer of its settings; "" is that of the parameters in no group."""
        if not self.groups:
            return [("", self)]
        made = self.__dict__.get(MADE)
        if made is None:
            rest = replace(self, groups=())
            own = [(g.name or f"group{i}", replace(rest, **g.settings)) for i, g in enumerate(self.groups, 1)]
            made = self.__dict__[MADE] = [("", rest), *own]
        return list(made)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != MADE}

    def parts(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Optimizer, list[str]]]:
        """members, each with its names among the params."""
        for (key, optimizer), names in zip(self.members(), split(self.groups, params), strict=True):
            yield key, optimizer, names

    def resolved(self, model: Any) -> Self:
        """The same with the names of the model's parameters in the groups, as fit makes it.

        UsageError for a group that selects none, a parameter in two groups, two groups of one name.
        """
        groups = resolve(self.groups, model) if self.groups else self.groups
        return self if groups is self.groups else replace(self, groups=groups)

    # -- the protocol --------------------------------------------------------------------------------------

    def init(self, params: Mapping[str, Any]) -> dict[str, Array]:
        """The state before the first step. params: arrays or Parameters by name.

        UsageError for a group that selects none of them (modules select Parameters), and a parameter in two groups.
        """
        state: dict[str, Array] = {}
        for key, optimizer, names in self.parts(params):
            state |= {scalar_name(name, key): np.full((), first) for name, first in STEERING.items()}
            state |= {scalar_name(name, key): np.ones(()) for name in self.shared_scalars}
            for slot, first in optimizer.slots().items():
                state |= {f"{slot}/{n}": np.full(params[n].shape, first, params[n].dtype) for n in names}
        return state

    def counts_apart(self, params: Mapping[str, Any], late: Collection[str]) -> dict[str, Array]:
        """More of a first state, for those of the params that will begin after other steps: their counts."""
        state: dict[str, Array] = {}
        for _, optimizer, names in self.parts(params):
            for name in names if optimizer.slots() else ():
                if name in late:
                    state[f"{MISSED}/{name}"] = np.zeros(())
                    state |= {_own(scalar, name): np.ones(()) for scalar in self.shared_scalars}
        return state

    def skipped(self, params: Mapping[str, Any], without: Collection[str], state: Mapping[str, Any]) -> dict[str, Any]:
        """What a step without some of the params makes of the state before it: these are counted apart from then on."""
        new: dict[str, Any] = {}
        for key, optimizer, names in self.parts(params) if without else ():
            for name in names if optimizer.slots() else ():
                if name in without:
                    new[f"{MISSED}/{name}"] = state.get(f"{MISSED}/{name}", np.zeros(())) + 1.0
                    shared = {s: _given(state, scalar_name(s, key), "state") for s in self.shared_scalars}
                    new |= {_own(s, name): state.get(_own(s, name), value) for s, value in shared.items()}
        return new

    def update(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], state: Mapping[str, Any], step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """New parameters and new state. step is an int64 scalar that counts from 0; lr_factor and lr_held may be left
        out. A frozen Parameter and one whose gradient is None are left as they are, with their state, which counts the
        steps they missed. Outside a trace the new values of Parameters are arrays: nn.load_state_dict(model, new) sets
        them.

        UsageError for a parameter without a gradient or without state.
        """
        new_params, new_state = {name: _value(w) for name, w in params.items()}, dict(state)
        without = {n for n, w in params.items() if _is_frozen(w) or _given(grads, n, "gradient") is None}
        new_state |= self.skipped(params, without, state)
        for key, optimizer, names in self.parts(params):
            scalars = optimizer._step_scalars(key, "", state, new_state, step)
            as_dtype: dict[str, dict[str, Scalar]] = {}
            for name in [n for n in names if n not in without]:
                w = new_params[name]
                dtype = str(w.dtype)
                if dtype not in as_dtype:
                    as_dtype[dtype] = _cast_all(scalars, dtype)
                apart = f"{MISSED}/{name}" in state
                own = _cast_all(optimizer._step_scalars(key, name, state, new_state, step), dtype) if apart else None
                slots = {slot: _given(state, f"{slot}/{name}", "state") for slot in optimizer.slots()}
                new_params[name], slots = optimizer._new(name, w, grads[name], slots, own or as_dtype[dtype])
                new_state.update({f"{slot}/{name}": value for slot, value in slots.items()})
        return new_params, new_state

    def _new(self, name: str, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        """`one`, of the rows alone where the gradient has no others."""
        if not isinstance(g, RowGradient):
            return self.one(w, g, s, k)
        rows, slots = g.of(w), {slot: g.of(value) for slot, value in s.items()}
        new, fresh = self.one(rows, g.values, slots, k)
        check_elementwise(type(self).__name__, name, [rows, g.values, *slots.values()], [new, *fresh.values()])
        return g.put(w, new), {slot: g.put(s[slot], value) for slot, value in fresh.items()}

    def _step_scalars(
        self, key: str, apart: str, state: Mapping[str, Any], new: dict[str, Any], step: Any
    ) -> dict[str, Scalar]:
        """A group's coefficients of this step, or those of a parameter that is counted apart; what it shares goes into
        the new state."""
        named = {name: _own(name, apart) if apart else scalar_name(name, key) for name in self.shared_scalars}
        shared = {name: _given(state, stored, "state") for name, stored in named.items()}
        now = self.now(key, step)
        factor, held = (state.get(scalar_name(name, key)) for name in (LR_FACTOR, LR_HELD))
        if factor is not None:
            now.lr = factor * now.lr
        if held is not None:
            now.lr = now.lr + held
        t = ops.cast(step, dtype="float64") + 1.0
        scalars = self.scalars(t - state[f"{MISSED}/{apart}"] if apart else t, now, shared)
        new.update({stored: shared[name] for name, stored in named.items()})
        return scalars

    def scheduled(self) -> Iterator[tuple[str, Callable[[Any], Any], Callable[[float], Self]]]:
        """The settings beside lr that are schedules: the name, the schedule, and the optimizer with a number for it."""
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self) if f.name not in ("lr", "groups")):
            several = isinstance(value, (tuple, list))
            for i, part in enumerate(value if several else (value,)):
                if callable(part):
                    yield f"{name}[{i}]" if several else name, part, partial(self._with, name, i if several else None)

    def _with(self, name: str, at: int | None, number: float) -> Self:
        held = getattr(self, name)
        changed: dict[str, Any] = {name: number if at is None else (*held[:at], number, *held[at + 1 :])}
        return replace(self, **changed)

    def now(self, key: str, step: Any) -> Now:
        """The settings as they are in a step: numbers as float64 scalars. key: the group's, which their names carry."""

        def at(name: str, value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return tuple(at(f"{name}[{i}]", v) for i, v in enumerate(value))
            return value_at(scalar_name(name, key), value, step) if is_number(value) else value

        names = (f.name for f in fields(self) if f.name != "groups")
        return SimpleNamespace(**{name: at(name, getattr(self, name)) for name in names})

    def config(self) -> dict[str, Any]:
        """{"type": class name, field: value, ...}, fit for JSON; groups only if there are some."""
        config = super().config()
        return config if self.groups else {k: v for k, v in config.items() if k != "groups"}


def scalar_name(scalar: str, group: str) -> str:
    """A group's scalar in the state; "" is the group of the parameters in none."""
    return f"{scalar}/{group}" if group else scalar


def counts_own_steps(optimizer: Any) -> TypeGuard[Optimizer]:
    """Whether it counts the steps of each parameter: the update of this base class does, one of the user's may not."""
    return isinstance(optimizer, Optimizer) and type(optimizer).update is Optimizer.update


def counted_apart(arrays: Iterable[str]) -> set[str]:
    """The parameters whose steps are counted apart, by the names of a run's arrays."""
    before = f"opt/{MISSED}/"
    return {name.removeprefix(before) for name in arrays if name.startswith(before)}


def _own(scalar: str, parameter: str) -> str:
    """A shared scalar of a parameter that is counted apart."""
    return f"own_{scalar}/{parameter}"


def _is_frozen(w: Any) -> bool:
    return isinstance(w, Parameter) and not w.requires_grad


def _value(w: Any) -> Any:
    """What a Parameter stands for: its tensor while a graph is built, else its numbers."""
    return w.data if isinstance(w, Parameter) and not tracing() else w


def _given(values: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in values:
        raise UsageError(f"update: there is no {what} {name!r}; init and update need the same parameters, by name")
    return values[name]


def rate_at(lr: Rate, step: Any) -> Scalar:
    """The number, or the schedule's value at a step."""
    if not callable(lr):
        return lr
    notice(lr)
    return lr(step)


def is_number(value: Any) -> bool:
    """Whether a setting is a number or a schedule of it: not a flag, a text or None."""
    return callable(value) or (isinstance(value, Real) and not isinstance(value, bool))


def value_at(name: str, value: Rate, step: Any) -> Scalar:
    """A hyperparameter at a step, a float64 scalar: an input of the compiled step, or the schedule's value."""
    if callable(value):
        with scope(name):
            value = rate_at(value, step)
    return hyper(name, value, ops.cast(step, dtype="float64"))


def _cast_all(scalars: Mapping[str, Scalar], dtype: str) -> dict[str, Scalar]:
    """Coefficients in the parameter's dtype; Python numbers take the dtype they meet."""
    return {n: v if isinstance(v, (int, float)) else ops.cast(v, dtype=dtype) for n, v in scalars.items()}
