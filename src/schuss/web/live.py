"""A run as it is being trained, for the page. The training thread leaves a reference now and then, and nothing more:
whatever costs time happens in the server's threads, on the weights the run has recorded.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from schuss import nn
from schuss.errors import UsageError
from schuss.train.control import Control
from schuss.train.position import Progress
from schuss.train.trainer import Trainer
from schuss.web.mountain import Mountain
from schuss.web.session import Event, Session
from schuss.web.subject import Columns, Subject

TICK = 0.25  # seconds between two looks at the run
WINDOW = 12  # ticks the speed is measured over
FUNCTION = 0.01  # of the time may go into drawing the function while training
ROWS = 500  # of the history that a hello holds at most: the lowest and highest of each stretch
ROWS_AT_ONCE = 8  # epochs told at one look: small data may have hundreds in the meantime
MOST_STEPS = 1000  # asked for at once


class Live(Session):
    """A trainer's run. `progress` and `finish` are called by the training thread, the rest by the server's.

    test   rows held out, for the graph's examples
    target the function itself, where it is known
    share  of the time that drawing the function may take
    tick   seconds between two looks at the run
    axes   of the function's picture: see Subject
    """

    mode = "train"
    controls = True

    def __init__(
        self,
        trainer: Trainer,
        control: Control,
        label: str,
        test: Columns | None = None,
        target: Callable[[Any], Any] | None = None,
        share: float = FUNCTION,
        tick: float = TICK,
        axes: Sequence[float] | None = None,
    ) -> None:
        self.trainer, self.steering, self._share, self._pause = trainer, control, share, tick
        self._first = {name: np.array(p.data) for name, p in nn.named_parameters(trainer.task.model).items()}
        validation = getattr(trainer.run, "validation", None)
        subject = Subject(trainer.task, trainer.data, test or validation, self._snapshot, target, axes)
        subject.name = label
        super().__init__(subject, label)
        self.ended = threading.Event()
        self.mountain = Mountain(self, lambda: trainer.run.path, lambda: control.paused, self.ended)
        self._progress: Progress | None = None
        self._started = False
        self._finished = False
        self._speeds: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._sent = (-1, 0, 0, -1.0)  # the last moment's step, epochs, changes and the curve's step that readers know
        self._next_function, self._drawn_before = 0.0, False
        self._drawn_step = -1
        self._ticker = threading.Thread(target=self._tick, name="schuss-page-watch", daemon=True)

    # -- called by the training thread: a reference, nothing more ------------------------------------

    def progress(self, at: Progress) -> None:
        """Where the run is."""
        self._progress = at

    def start(self) -> None:
        """The run begins: look at it from now on."""
        self._started = True
        self._ticker.start()
        self.mountain.start()

    def finish(self) -> None:
        """The run has ended, well or not."""
        self._finished = True
        self.ended.set()

    # -- what is known ---------------------------------------------------------------------------------

    def _snapshot(self) -> tuple[int, Any]:
        """The newest recorded weights; before the first those the model begins with."""
        path = self.trainer.run.path
        if not path:
            return 0, self._first
        newest = path[-1]  # read once: the training thread may append meanwhile
        return newest.step, newest.weights

    def history(self) -> dict[str, list[Any]]:
        columns = dict(self.trainer.run.history)
        rows = telling(columns, range(min((len(c) for c in columns.values()), default=0)), ROWS)
        return {name: [column[i] for i in rows] for name, column in columns.items()}

    def curve(self) -> dict[str, list[Any]]:
        return self.trainer.recording.curve.columns()

    def moments(self) -> list[Event]:
        return [moment_event(m) for m in list(self.trainer.run.path)]

    def changes(self) -> list[Event]:
        return list(self.trainer.run.changes)

    def path(self) -> list[list[float]]:
        return self.mountain.path

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self._finished

    def state(self) -> Event:
        at, trainer = self._progress, self.trainer
        epochs, per_epoch = trainer.options.epochs, trainer.steps
        counter, total = trainer.position.counter, epochs * per_epoch
        path = trainer.run.path
        moment = path[-1] if path else None
        speed = None if self._finished or self.steering.paused else self._speed()
        rate = trainer.rows / per_epoch  # examples a step, the short last batch counted as it is
        means = dict(at.means) if at is not None else {}
        loss = moment.loss if moment is not None and math.isfinite(moment.loss) else means.pop("loss", None)
        metrics = moment.metrics if moment is not None and moment.metrics else means
        return {
            "running": self._started and not self._finished and not self.steering.paused,
            "paused": self.steering.paused and not self._finished,
            "finished": self._finished,
            "epoch": min(counter // per_epoch, epochs),
            "epochs": epochs,
            "step": counter,
            "steps": total,
            "loss": loss,
            "metrics": {k: v for k, v in metrics.items() if k != "loss"},
            "speed": speed,
            "left": (total - counter) * rate / speed if speed else None,
            "seconds": 0.0 if moment is None else moment.seconds,
            "schedule": self._schedule(),
            **_rates(trainer.rates_at(counter)),
        }

    def _schedule(self) -> str | None:
        """What the schedule does, where there is one: it runs, is held by hand, or scaled by hand."""
        if not self.trainer.rates.holds(True):
            return None
        by_hand = [c for c in list(self.trainer.run.changes) if c["what"] == "lr"]
        return "runs" if not by_hand else "held" if by_hand[-1].get("held") else "scaled"

    def _speed(self) -> float | None:
        """Examples a second over the last few looks."""
        known = list(self._speeds)
        if len(known) < 2 or known[-1][1] <= known[0][1]:
            return None
        seconds, steps = known[-1][0] - known[0][0], known[-1][1] - known[0][1]
        return steps * self.trainer.rows / self.trainer.steps / seconds

    # -- steering --------------------------------------------------------------------------------------

    def control(self, what: str, value: Any) -> None:
        if self._finished:
            raise UsageError("the run has ended: there is nothing to steer")
        if what == "step":
            count = 1 if value is None else value
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_STEPS:
                raise UsageError(f"step: value must be a whole number from 1 to {MOST_STEPS}")
            self.steering.step(count)
        elif what in ("lr", "scale"):  # held, or with the schedule multiplied
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e3:
                raise UsageError(f"{what}: value must be a number from 0 to 1000")
            self.steering.set_rate(float(value), hold=what == "lr")
        elif what in ("pause", "resume", "stop"):
            getattr(self.steering, what)()
        else:
            raise UsageError("do must be pause, resume, step, stop, lr or scale")

    def close(self) -> None:
        super().close()
        self.steering.stop("the page was closed")
        self.finish()

    @property
    def busy(self) -> bool:
        return not (self._finished or self.steering.paused)

    def threads(self) -> int | None:
        return 1 if self.busy else None

    def run_for_landscape(self) -> tuple[Any, Literal["path", "random"]]:
        path = list(self.trainer.run.path)
        if len(path) < 2:
            raise UsageError("the run has not gone far enough yet; try again in a second")
        return self.subject.as_run(path), "path"

    def show_landscape(self, found: Any, run: Any, fine: bool) -> None:
        super().show_landscape(found, run, fine)
        self.mountain.use(found, run)

    # -- the watching thread ---------------------------------------------------------------------------

    def _tick(self) -> None:
        while not self.ended.wait(self._pause):
            self.guarded(self._look, "looking at the run")
        self.guarded(self._look, "looking at the run")
        self.guarded(lambda: self.send({**self.state(), "type": "state"}), "the run's last state")
        self.send({"type": "end"})

    def _look(self) -> None:
        """Tell readers what is new."""
        now, counter = time.perf_counter(), self.trainer.position.counter
        if self.steering.paused:
            self._speeds.clear()
        self._speeds.append((now, counter))
        step, epochs, changes, curve = self._sent
        stretches = self.trainer.recording.curve.columns(after=curve)
        if stretches["step"]:
            self.send({"type": "curve", "curve": stretches})
            curve = stretches["step"][-1]
        new = [m for m in list(self.trainer.run.path) if m.step > step]
        for moment in new:
            self.send({"type": "moment", **moment_event(moment)})
        history = dict(self.trainer.run.history)  # the training thread adds columns
        complete = min((len(column) for column in history.values()), default=0)
        for i in telling(history, range(epochs, complete), ROWS_AT_ONCE):
            self.send({"type": "epoch", **{name: column[i] for name, column in history.items()}})
        made = list(self.trainer.run.changes)
        for change in made[changes:]:
            self.send({"type": "change", "change": change})
        self._sent = (new[-1].step if new else step, max(epochs, complete), len(made), curve)
        self.send({"type": "state", **self.state()})
        self._draw_function(now)

    def _draw_function(self, now: float) -> None:
        """How good a regression is, and the function where it is a curve or regions, as often as their share of the
        time allows.
        """
        step = self._snapshot()[0]
        if step == self._drawn_step or (now < self._next_function and not self._finished):
            return
        self._drawn_step = step
        start = time.perf_counter()
        self.show_quality()
        found = self.subject.function()
        if found["kind"] in ("curve", "regions"):
            self.send({"type": "function", **found})
        took = time.perf_counter() - start
        if self._drawn_before:  # the first time includes compiling
            self._next_function = start + took / self._share
        self._drawn_before = True


def telling(columns: Mapping[str, Sequence[Any]], rows: range, most: int) -> list[int]:
    """At most so many of the rows, in order: of each stretch those where the losses are lowest and highest, and the
    last one. So no peak is lost, wherever it lies.
    """
    if len(rows) <= most:
        return list(rows)
    losses = [columns[name] for name in ("loss", "val_loss") if name in columns]
    stretches = max(1, (most - 1) // (2 * max(len(losses), 1)))
    chosen = {rows[-1]}
    for k in range(stretches):
        part = rows[k * len(rows) // stretches : (k + 1) * len(rows) // stretches]
        for column in losses or [rows]:
            chosen |= {extreme(part, key=lambda i, c=column: c[i]) for extreme in (min, max)}  # type: ignore[misc]
    return sorted(chosen)[-most:]


def moment_event(m: Any) -> Event:
    about = {name: getattr(m, name) for name in ("step", "epoch", "seconds", "loss")}
    return {**about, **_rates({"lr": m.lr, **m.rates}), "metrics": dict(m.metrics)}


def _rates(rates: dict[str, float | None]) -> Event:
    """lr, and where the optimizer has groups rates, by column of the history: {"lr": ..., "lr/head": ...}."""
    return {"lr": rates["lr"]} | ({"rates": rates} if len(rates) > 1 else {})
