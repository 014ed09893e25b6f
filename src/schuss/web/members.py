"""The training of a table's model on the page: the losses of the members of each kind of network, as they fall.

The training thread leaves references, nothing more; a thread of the page looks at them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from schuss.errors import UsageError
from schuss.signature.track import Track
from schuss.tabular.parts import names_beside
from schuss.train.position import Progress
from schuss.train.run import Run
from schuss.web.session import Event, Session
from schuss.web.subject import Subject

if TYPE_CHECKING:
    from schuss.tabular.training import Training

TICK = 0.5  # seconds between two looks
WHY = "the model is put together when its members are trained"


class Members(Session):
    """A training of a table, from its beginning until there is a model (schuss.web.tables).

    training  its kinds of networks, folds and rows
    """

    mode = "train"

    def __init__(self, training: Training, label: str) -> None:
        super().__init__(_Nothing(training), label)
        self._kinds, self._folds = training.kinds, training.members
        self._parts: list[Sequence[Run | None]] = []  # the runs of each kind that has begun
        self._stop, self._ended = threading.Event(), threading.Event()
        self._first: tuple[float, int] | None = None  # when the first was told, and how many epochs there were
        self._ticker = threading.Thread(target=self._tick, name="schuss-page-members", daemon=True)

    # -- called by the training thread -----------------------------------------------------------------------

    def start(self) -> None:
        """The training begins."""
        self._ticker.start()

    def told(self, runs: Sequence[Run | None], at: Progress) -> None:
        """Where the members of one kind are. KeyboardInterrupt where somebody stopped the training on the page."""
        if not self._parts or self._parts[-1] is not runs:
            self._parts.append(runs)
        if self._first is None:
            self._first = time.perf_counter(), self._done(self.members())
        if self._stop.is_set():
            raise KeyboardInterrupt

    def finish(self) -> None:
        """It has ended, well or not: readers have been told when this returns."""
        self._ended.set()
        if self._ticker.ident is not None:
            self._ticker.join(TICK)

    # -- what is known ---------------------------------------------------------------------------------------

    def hello(self) -> Event:
        return {**super().hello(), "members": self.members()}

    def members(self) -> list[dict[str, Any]]:
        """Of each kind of network its name and the losses of its members, epoch by epoch, as far as they are; only:
        "" where it is trained in any case, else where what was found before asks for it."""
        found, kinds = [], list(self._kinds)  # the training takes out those that are not worth it
        names = names_beside([{**asdict(kind), "kind": kind.embedding} for kind in kinds])
        for i, kind in enumerate(kinds):
            runs = self._parts[i] if i < len(self._parts) else [None] * self._folds
            losses = [_losses(run) for run in runs]
            told = {
                "name": names[i],
                "hidden": list(kind.hidden),
                "epochs": kind.epochs,
            }
            found.append({**told, "losses": losses, "only": kind.only})
        return found

    def _done(self, found: Sequence[Mapping[str, Any]]) -> int:
        return sum(len(losses) for part in found for losses in part["losses"])

    def _likely(self, found: Sequence[Mapping[str, Any]]) -> str:
        """Which kinds are trained beside those that are in any case: while that is not known, the longer ones."""
        epochs: dict[str, int] = {}
        for part in found:
            epochs[part["only"]] = epochs.get(part["only"], 0) + part["epochs"]
        return max((only for only in epochs if only), key=epochs.__getitem__, default="")

    def _left(self, done: int, total: int) -> float | None:
        """Seconds until the members are trained, by the mean time of an epoch so far; None while that is not known."""
        if self._first is None or done <= self._first[1]:
            return None
        return (time.perf_counter() - self._first[0]) / (done - self._first[1]) * (total - done)

    def state(self) -> Event:
        found = self.members()
        done = self._done(found)
        likely = ("", self._likely(found))
        counted = [part for part in found if part["only"] in likely or any(part["losses"])]
        total = sum(part["epochs"] * self._folds for part in counted)
        over = self._ended.is_set()
        return {
            "running": bool(self._parts) and not over, "paused": False, "finished": over, "epochs": total,
            "epoch": done, "step": done, "steps": total, "loss": None, "metrics": {}, "lr": None, "seconds": None,
            "left": None if over else self._left(done, total),
        }  # fmt: skip

    def control(self, what: str, value: Any) -> None:
        if what != "stop":
            raise UsageError("the training of a table can be stopped, and is not steered")
        self._stop.set()

    def close(self) -> None:
        super().close()
        self._stop.set()
        self._ended.set()

    # -- the watching thread ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        while not self._ended.wait(TICK):
            self._look()
        self._look()

    def _look(self) -> None:
        self.send({"type": "members", "members": self.members()})
        self.send({"type": "state", **self.state()})


class _Nothing(Subject):
    """What there is to look at before there is a model: its name."""

    def __init__(self, training: Training) -> None:
        self._table, self.name = training.table, ""
        self.sets, self.lock = {}, threading.RLock()
        self.snapshot = lambda: (0, {})

    @property
    def classes(self) -> int | None:
        return self._table.target.classes or None

    @property
    def track(self) -> Track | None:
        return None

    def about(self) -> dict[str, Any]:
        names = list(self._table.target.names) if self._table.target.classes else None
        return {
            "model": f"A model of {', '.join(self._table.target.kinds)}",
            "task": "classes" if names else "numbers", "classes": self.classes, "names": names, "inputs": [],
            "image": None, "digits": False, "rows": 0, "rows_test": 0, "parameters": 0, "trained": len(self._table),
        }  # fmt: skip

    def function(self) -> dict[str, Any]:
        return {"kind": "none", "why": f"There is nothing to draw yet: {WHY}."}

    def predict(self, values: Sequence[float], drawn: bool = False) -> dict[str, Any]:
        raise UsageError(WHY)

    def sample(self, name: str, index: int) -> dict[str, Any]:
        raise UsageError(WHY)

    def graph(self, name: str, index: int, **choice: Any) -> Any:
        raise UsageError(WHY)


def _losses(run: Run | None) -> list[float | None]:
    if run is None:
        return []
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in list(run.history.get("loss", ()))]


__all__ = ["Members"]
