"""schuss.fit_many: several networks at once, each with the bits of its own fit."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np

from schuss import nn
from schuss.calling import explained
from schuss.constraints import Whole, check
from schuss.data import Dataset, Orders, Rows, as_array, split_validation
from schuss.data.batching import Indices
from schuss.data.rows import with_column
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.executors import executor
from schuss.nn.walk import walked_anew, walked_once
from schuss.ops.philox import key_from_seed
from schuss.optim.base import Rate
from schuss.signature import Transform
from schuss.train.conduct import ready
from schuss.train.early_stop import EarlyStop
from schuss.train.fit import Lesson, Read, dtype_of, held_out, ignored, lesson, read
from schuss.train.graphs import SharedGraphs
from schuss.train.options import Data, Options, options
from schuss.train.pool import Told, conduct_all, naming
from schuss.train.resume import take_up, with_total
from schuss.train.run import Run
from schuss.train.schedules import same
from schuss.train.source import by_label
from schuss.train.step import Metric
from schuss.train.trainer import Trainer
from schuss.train.weights import sample_weights, weigh

LISTED = (  # of the options of fit: what may be a list with an entry for each member
    "loss", "optimizer", "epochs", "batch_size", "validation", "sample_weight", "class_weight", "clip_norm",
    "early_stop", "checkpoint", "resume",
)  # fmt: skip
Columns = Mapping[str, Array]


@explained("; write fit_many(model, (x, y), loss=nn.MSELoss(), optimizer=optim.Adam(), members=8)")
def fit_many(
    models: Any,
    data: Data | Dataset | list[Data | Dataset],
    *,
    loss: Any,
    optimizer: Any,
    members: int | None = None,
    rows: Any = None,
    seeds: int | Sequence[int] | None = None,
    epochs: int | list[int] = 1,
    batch_size: int | list[int] = 64,
    validation: Any = None,
    metrics: Mapping[str, Metric] | Iterable[Metric] = (),
    sample_weight: Any = None,
    class_weight: Any = None,
    weighting: str = "data",
    clip_norm: Rate | list[Rate | None] | None = None,
    early_stop: EarlyStop | int | list[EarlyStop | int | None] | None = None,
    shuffle: bool = True,
    scale: float | Transform | Mapping[str, Any] | tuple[Any, ...] | None = None,
    threads: int | None = None,
    backend: str = "native",
    checkpoint: list[str | PathLike[str]] | None = None,
    resume: list[Any] | None = None,
    progress: bool | Told = True,
) -> list[Run]:
    """Train several networks side by side, the members of an ensemble, of a cross-validation or of a search, and return
    their runs in order.

        runs = schuss.fit_many(model, (x, y), loss=nn.MSELoss(), optimizer=optim.AdamW(1e-3), rows=folds, epochs=20)
        p = np.mean([run.model(x_new) for run in runs], axis=0)

    Each member has the bits of its own `fit` with these settings. One thread trains one member at a time, so that as
    many as there are cores go on at once; members that differ in numbers alone share one compiled program.

    A list has one entry for each member; anything else is for all of them. What may be a list: models, data, rows,
    seeds, loss, optimizer, epochs, batch_size, validation, sample_weight, class_weight, clip_norm, early_stop,
    checkpoint and resume. There are as many members as entries; without a list say how many.

    models        one model, of which each member trains a copy of its own, `run.model`: the model stays as it is, and
                  parameters that are fresh are drawn by the member's seed. Or a list of models, which are trained
    data          as for `fit`. It is not copied: members read their rows where they lie. What it is (names of classes,
                  bytes that are images) is found out from all of it, whatever the rows of a member
    members       how many there are, where no list tells
    rows          index arrays [n]: the rows of the data that a member is trained on, in this order as if the data were
                  x[rows] and y[rows]. One may come several times. None: all
    seeds         of fresh weights, the shuffle and dropout; None: 0, 1, 2, ...; a number: that of all
    validation    as for `fit`, or an index array: these rows of the data
    sample_weight [N] weights of the examples of the data, whose rows are a member's; likewise class_weight
    threads       how many members go on at once; None: as many as the cores this process may use
    checkpoint    a file for each member, as for `fit`
    resume        a run or a checkpoint for each member, as for `fit`: with checkpoint= the same files members begin
                  where there is none, go on where one is, and stay as they are where they had ended
    progress      a line of how far all of them are; or a function in its place, called ten times a second with the
                  runs so far, None for one that has not begun, and a Progress. What it raises stops all

    The others are as for `fit`.

    Ctrl-C stops all and raises KeyboardInterrupt, whose `runs` are the runs so far, in order, with None for a member
    that had not begun. Where a member's loss is not finite, the others are trained to their ends; then NonFiniteError
    is raised, which names it, and whose `runs` are all of them: its model has the last good weights, and its run says
    so in `stopped`.

    Raises UsageError for lists of different lengths, for models that share a parameter, and what `fit` raises, with the
    number of the member.
    """
    given = dict(locals())
    team = Members(given.pop("models"), given.pop("data"), given)
    told = progress if callable(progress) else None
    return conduct_all(team, len(team), threads, bool(progress) and told is None, checkpoint is not None, told)


@dataclass(frozen=True)
class _Kind:
    """What members of one model, data and loss share: the columns, what is learned, and the model's graphs."""

    found: Read
    lesson: Lesson
    graphs: SharedGraphs
    held: dict[int, tuple[Any, Columns | None]]  # validation data as columns, by their id, and themselves
    optimizer: Any

    def resolved(self, optimizer: Any) -> Any:
        """An optimizer, with the names of the parameters in its groups where that is the first member's."""
        return self.lesson.task.optimizer if same(optimizer, self.optimizer) else optimizer


class Members:
    """The members of a fit_many: each as a trainer, when it is asked for."""

    def __init__(self, models: Any, data: Any, given: dict[str, Any]) -> None:
        rows, seeds, members = (given.pop(name) for name in ("rows", "seeds", "members"))
        lists = {"models": models, "data": data, "rows": rows, **{name: given[name] for name in LISTED}}
        lists = {name: value for name, value in lists.items() if isinstance(value, list)}
        if seeds is not None and not isinstance(seeds, Integral):
            lists["seeds"] = _seeds(seeds)
        self._count = _count(lists, members)
        _check_files(given)
        if isinstance(models, list):
            _check_apart(models)
        self._models, self._data, self._rows = models, data, rows
        own = lists.get("seeds", range(self._count) if seeds is None else [seeds] * self._count)
        self._asked = [_asked(number, seed, given) for number, seed in enumerate(own)]
        self._on = executor(given["backend"], 1)
        self._kinds: list[tuple[tuple[Any, ...], _Kind]] = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Trainer]:
        """Their trainers, made one at a time. An error names the member."""
        for number in range(self._count):
            copies = bool(number) and not isinstance(self._models, list)
            with naming(number), walked_once() if copies else contextlib.nullcontext():
                trainer = self._trainer(number)
            yield trainer

    def _trainer(self, number: int) -> Trainer:
        asked, held_at = self._asked[number]
        model = _own(self._models, number)
        dtype_of(model)
        if not isinstance(self._models, list):
            model = copy.deepcopy(model)
        nn.initialize(model, asked.seed)
        key = key_from_seed(asked.seed)
        kind = self._kind(number, model, asked)
        at = _indices(_own(self._rows, number), "rows", kind)
        train, held = _parts(kind, asked, key, at, _indices(held_at, "validation", kind))
        task = replace(
            kind.lesson.task, model=model, loss=asked.loss, optimizer=kind.resolved(asked.optimizer),
            clip_norm=asked.clip_norm, weighted="w" in train,
        )  # fmt: skip
        signature = replace(kind.lesson.signature, optimizer=task.optimizer)
        made = Trainer(task, self._on, asked, key, train, held, signature=signature, graphs=kind.graphs)
        made.orders = Orders(made.rows, key, asked.epochs, beside=False)
        trainer = kind.lesson.of(made)
        return ready(trainer, take_up(trainer))

    def _kind(self, number: int, model: Any, asked: Options) -> _Kind:
        """That of a member, made with the first one of the kind."""
        own = number if isinstance(self._models, list) else None
        data = _own(self._data, number)
        for (of, held, loss), kind in self._kinds:
            if of == own and held is data and same(loss, asked.loss):
                return kind
        graphs = next((kind.graphs for (of, _, _), kind in self._kinds if of == own), None) or SharedGraphs()
        found = read(model, data, asked)
        pair = None if isinstance(asked.validation, Real) else asked.validation
        with walked_anew():
            learnt = lesson(model, asked, found, found.given.found, held_out(pair, found))
        kind = _Kind(found, learnt, graphs, {}, asked.optimizer)
        self._kinds.append(((own, data, asked.loss), kind))
        return kind


def _own(value: Any, number: int) -> Any:
    """A member's entry of a list; anything else is for all."""
    return value[number] if isinstance(value, list) else value


def _asked(number: int, seed: int, given: Mapping[str, Any]) -> tuple[Options, Any]:
    """A member's options, and the rows that it is validated on, where it has such."""
    own = {name: _own(value, number) if name in LISTED else value for name, value in given.items()}
    held_at = own["validation"] if isinstance(own["validation"], np.ndarray) else None
    if held_at is not None:
        own["validation"] = None
    with naming(number):
        asked = options({**own, "seed": seed, "progress": False})
    return replace(with_total(asked), threads=None), held_at  # who goes on with one of them has all cores


def _parts(
    kind: _Kind, asked: Options, key: Array, at: Indices | None, held_at: Indices | None
) -> tuple[Columns, Columns | None]:
    """What a member is trained and validated on: rows of the columns that all share."""
    columns = kind.found.given.found
    held: Columns | None = None
    if held_at is not None:
        held = Rows(columns, held_at)
    elif isinstance(asked.validation, Real) and asked.validation:
        every = np.arange(len(columns["y"])) if at is None else at
        first, second = split_validation(len(every), float(asked.validation), key)
        at, held = every[first], Rows(columns, every[second])
    elif not isinstance(asked.validation, Real):
        held = _held(kind, asked.validation)
    train = columns if at is None else Rows(columns, at)
    if asked.sample_weight is None and asked.class_weight is None and (held is None or "w" not in held):
        return train, held
    return _weighed(kind, asked, train, held)


def _held(kind: _Kind, validation: Any) -> Columns | None:
    """Validation data as columns, made once."""
    if id(validation) not in kind.held:
        kind.held[id(validation)] = validation, held_out(validation, kind.found)
    return kind.held[id(validation)][1]


def _weighed(kind: _Kind, asked: Options, train: Columns, held: Columns | None) -> tuple[Columns, Columns | None]:
    """Both with the weights of their examples."""
    whole = kind.found.given.found
    own = None
    if asked.sample_weight is not None:
        own = sample_weights(asked.sample_weight, len(whole["y"]))
    found = [None if part is None else _to_weigh(part, own) for part in (train, held)]
    mine, other = found
    assert mine is not None
    classes = by_label(asked.class_weight, kind.found.source.classes)
    weigh(mine, other, classes, kind.found.dtype, asked.weighting, ignored(asked.loss))
    train = with_column(train, "w", mine["w"]) if "w" in mine else train
    if held is not None and other is not None and "w" in other:
        held = with_column(held, "w", other["w"])
    return train, held


def _to_weigh(part: Columns, own: Array | None) -> dict[str, Array]:
    """The targets of some columns and, where there are some, the weights of their examples."""
    found = {name: part[name] for name in part if name.startswith("y") or name == "w"}
    if isinstance(part, Rows) and own is not None:
        found["w"] = own[part.at]
    return found


# -- what is given ------------------------------------------------------------------------------------------------


def _seeds(given: Any) -> list[int]:
    """The members' seeds, out of a list, a range or an array."""
    found = as_array(given, "seeds") if not isinstance(given, (list, tuple, range)) else given
    if isinstance(found, np.ndarray) and found.ndim != 1:
        raise UsageError(f"fit_many: seeds must be a list of whole numbers, got an array of shape {list(found.shape)}")
    return [seed.item() if isinstance(seed, np.integer) else seed for seed in found]


def _count(lists: Mapping[str, Sequence[Any]], members: int | None) -> int:
    """How many members there are. UsageError where lists do not agree, and where nothing tells."""
    check("fit_many", {"members": Whole(or_none=True)}, {"members": members})
    rule = "a list has one entry for each member; give what is for all as an array, a tuple or a number"
    sizes = {name: len(value) for name, value in lists.items()} | ({"members": int(members)} if members else {})
    if not sizes:
        raise UsageError("fit_many: say how many members there are: members=8, or a list, as seeds=[0, 1, 2]")
    first, count = next(iter(sizes.items()))
    for name, size in sizes.items():
        if size != count:
            raise UsageError(f"fit_many: {first} has {count} entries and {name} {size}; {rule}")
    if count == 0:
        raise UsageError(f"fit_many: {first} is empty; {rule}")
    return count


def _check_files(given: Mapping[str, Any]) -> None:
    for name in ("checkpoint", "resume"):
        if given[name] is not None and not isinstance(given[name], list):
            raise UsageError(f"fit_many: {name} must be a list with a file for each member, got {given[name]!r}")


def _check_apart(models: Sequence[Any]) -> None:
    """UsageError for models that share a parameter: each trains its own."""
    owner: dict[int, int] = {}
    for number, model in enumerate(models):
        for name, parameter in nn.named_parameters(model).items():
            other = owner.setdefault(id(parameter), number)
            if other != number:
                raise UsageError(
                    f"fit_many: members {other} and {number} share the parameter {name}; give each a model of its own, "
                    "as copy.deepcopy makes it, or one model in place of the list"
                )


def _indices(given: Any, what: str, kind: _Kind) -> Indices | None:
    """Rows of the data, None for all. DataError for what are none."""
    if given is None:
        return None
    array = as_array(given, what)
    total = len(kind.found.given.found["y"])
    if array.ndim != 1 or array.dtype.kind not in "iu":
        mend = "np.flatnonzero(mask) makes them of a mask" if array.dtype == bool else "give a list of such arrays"
        raise DataError(f"{what}: must be an array [n] of whole numbers, got {array.dtype}{list(array.shape)}; {mend}")
    if not len(array):
        raise DataError(f"{what}: has no rows")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= total:
        raise DataError(f"{what}: row {low if low < 0 else high} is none of the data's, which are 0 to {total - 1}")
    return np.ascontiguousarray(array, np.int64)


__all__ = ["fit_many"]
