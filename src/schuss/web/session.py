"""One thing the page shows: a finished model, a run that is being trained, or a playground. The server asks it all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from schuss.asking import called, page_of
from schuss.errors import UsageError
from schuss.lines import users_line
from schuss.nn.walk import weights_of
from schuss.web.subject import Subject
from schuss.web.worker import behind

Event = dict[str, Any]
GRID = (5, 101)  # points along each axis of a surface, at least and at most
MOST = 100_000_000  # points times rows of a surface


class Session:
    """A finished model; the base of what is still learning.

    mode   view, train or play
    label  what is looked at, as a person names it
    send   gives an event to all readers; never blocks
    """

    mode = "view"
    controls = False

    def __init__(self, subject: Subject, label: str, record: Mapping[str, Any] | None = None) -> None:
        self.subject, self.label = subject, label
        self.record = dict(record or {})
        self.send: Callable[[Event], None] = lambda event: None
        self.landscape: Event | None = None  # the newest, as it was sent
        self.quality: Mapping[str, Any] | None = None  # of a regression, as it was sent
        self._computing = threading.Lock()
        self._unwanted = threading.Event()  # of the fine surface that was asked for last: whether it is to end
        self._opens = page_of(*subject.data_words)  # with data, as the caller would say it
        self._troubles: dict[str, str] = {}  # told last, by the work that had them

    def hello(self) -> Event:
        """Everything known so far."""
        state = self.state()
        return {
            "type": "hello",
            "mode": self.mode,
            "label": self.label,
            "controls": self.controls,
            "opens": self._opens,
            **self.subject.about(),
            "epochs": state["epochs"],
            "history": self.history(),
            "moments": self.moments(),
            "curve": self.curve(),
            "changes": self.changes(),
            "test": self.test(),
            "quality": self.quality,
            "path": self.path(),
            "landscape": self.landscape,
            "troubles": list(self._troubles.values()),
            "state": state,
        }

    # -- what is known of the run; of a finished one what its file says ------------------------------

    def history(self) -> dict[str, list[Any]]:
        """The columns of the run's history, one entry an epoch."""
        return dict(self.record.get("history") or {})

    def moments(self) -> list[Event]:
        """The recorded moments without their weights."""
        return []

    def curve(self) -> dict[str, list[Any]]:
        """The loss and metrics finely, as columns: see schuss.train.moments.Curve."""
        return dict(self.record.get("curve") or {})

    def changes(self) -> list[Event]:
        """What was changed by hand."""
        return list(self.record.get("changes") or [])

    def test(self) -> dict[str, Any]:
        """The loss and metrics of the test rows, as far as they are known."""
        found = {name: self.record.get(f"test_{name}") for name in ("loss", "accuracy")}
        return {name: value for name, value in found.items() if value is not None}

    def measure(self) -> None:
        """Find them, in a thread of its own; an event tells them. What cannot be measured stays unknown.

        By numpy: a deep model takes long to compile, and this is done once.
        """

        def work() -> None:
            from schuss.analysis.runs import final_weights
            from schuss.ir.executors import executor
            from schuss.train.evaluate import Evaluation

            behind()
            with suppress(Exception):
                run = self.subject.as_run()
                assert run.task is not None
                measured = Evaluation(run.task, executor("reference"), self.subject.sets["test"])(final_weights(run))
                self.record |= {f"test_{name}": value for name, value in measured.items()}
                self.send({"type": "test", "test": self.test()})

        threading.Thread(target=work, name="schuss-page-test", daemon=True).start()

    def begin_quality(self) -> None:
        """Measure it in a thread of its own."""
        if self.subject.sets and self.subject.classes is None:
            work = partial(self.guarded, self.show_quality, "measuring the regression")
            threading.Thread(target=work, name="schuss-page-quality", daemon=True).start()

    def show_quality(self) -> None:
        """Measure how good a regression is, and tell it."""
        found = self.subject.quality()
        if found is not None and found != self.quality:
            self.quality = found
            self.send({"type": "quality", "quality": found})

    def path(self) -> list[list[float]]:
        """The visited weights on the landscape's plane: [a, b, loss]."""
        track = self.subject.track
        return [] if track is None else np.column_stack([track.at, track.loss]).tolist()

    def state(self) -> Event:
        """Where the run is."""
        history, epochs = self.history(), self.record.get("epochs") or 0
        last = {name: column[-1] for name, column in history.items() if column}
        other = ("epoch", "loss", "lr", "seconds", "gradient_norm")
        shown = {k: v for k, v in last.items() if k not in other and not k.startswith(("lr/", "val_"))}
        return {
            "running": False,
            "paused": False,
            "finished": True,
            "epoch": epochs,
            "epochs": epochs,
            "step": 0,
            "steps": 0,
            "loss": last.get("loss"),
            "metrics": shown,
            "speed": self.record.get("examples_per_second"),
            "left": None,
            "seconds": self.record.get("seconds"),
            "lr": last.get("lr"),
        }

    def control(self, what: str, value: Any) -> None:
        """Pause, resume, step, stop or set the learning rate. UsageError where that has no meaning."""
        raise UsageError("this run is finished: there is nothing to steer")

    def close(self) -> None:
        """End what works for this session."""
        self.cancel_landscape()

    def guarded(self, work: Callable[[], Any], what: str) -> None:
        """Work of a thread that must go on whatever happens: an error is told to readers and logged, in one line, once
        until it is another one.
        """
        try:
            work()
        except Exception as error:
            text = f"{what} failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}{users_line(error)}"
            if self._troubles.get(what) != text:
                self._troubles[what] = text
                logging.getLogger(__name__).warning("page: %s", text)
                self.send({"type": "trouble", "text": text})

    @property
    def busy(self) -> bool:
        """Whether something is being trained just now, which pictures should not slow."""
        return False

    # -- the fine surface -----------------------------------------------------------------------------

    def compute_landscape(self, size: int, rows: int) -> None:
        """Start the fine surface in a thread of its own, in place of one that is being computed, which ends at its next
        point. Notes tell how far it is, an event brings it; the last note, with "done", comes at the end in any case.

        size: points along each axis; rows: of the data, all if there are fewer. UsageError without data, for a size out
        of range, and for more than MOST points times rows.
        """
        run = self.run_for_landscape()[0]  # says what is missing, before a thread is made
        rows = min(rows, len(run.data["y"]))
        if not GRID[0] <= size <= GRID[1] or rows < 1:
            raise UsageError(f"a surface has {GRID[0]} to {GRID[1]} points along each axis, and at least one row")
        if size * size * rows > MOST:
            most = f"at most {MOST:,} in all"
            raise UsageError(f"{size} x {size} points of {rows:,} rows are too many ({most}): ask for fewer of either")
        self.cancel_landscape()
        unwanted = self._unwanted = threading.Event()
        thread = threading.Thread(
            target=self._compute, args=(size, rows, unwanted), name="schuss-page-surface", daemon=True
        )
        thread.start()

    def cancel_landscape(self) -> None:
        """Let the fine surface, if one is being computed, end at its next point. From any thread."""
        self._unwanted.set()

    def _compute(self, size: int, rows: int, unwanted: threading.Event) -> None:
        from schuss.analysis.landscape import landscape_data

        behind()
        text = ""
        with self._computing:  # until the one before has seen that it is not wanted
            try:
                report = Percent(self.send, f"surface of {size} x {size} points", unwanted)
                report(0, 1)
                run, around = self.run_for_landscape()
                found = landscape_data(
                    run, around=around, size=size, rows=rows, threads=self.threads(), progress=report
                )
                self.show_landscape(found, run, fine=True)
            except Unwanted:
                pass
            except Exception as error:  # the reader is told, whatever it is
                text = f"the surface could not be computed: {' '.join(str(error).split())}{users_line(error)}"
            if self._unwanted is unwanted:  # else another one is being told of
                self.send({"type": "note", "text": text, "done": True})

    def show_landscape(self, found: Any, run: Any, fine: bool) -> None:
        """A new surface for all readers."""
        self.landscape = {"type": "landscape", **found.to_json(), "fine": fine}
        self.send(self.landscape)

    def threads(self) -> int | None:
        """Of the fine surface: all cores, but one while something is being trained."""
        return None

    def run_for_landscape(self) -> tuple[Any, Literal["path", "random"]]:
        """(a run of the copied model, what the plane goes through). UsageError without data."""
        if not self.subject.sets:
            raise UsageError(f"a surface of the loss needs data: give {called('data')}")
        run = self.subject.as_run()
        return run, "random" if run.track is None else "path"


class Unwanted(Exception):
    """Whoever asked for a surface does not want it any more."""


class Percent:
    """Tells readers how far something is, when the whole percentage has grown by 5. Unwanted where it is to end."""

    def __init__(self, send: Callable[[Event], None], what: str, unwanted: threading.Event) -> None:
        self._send, self._what, self._unwanted, self._last = send, what, unwanted, -5

    def __call__(self, done: int, total: int) -> None:
        """done of total."""
        if self._unwanted.is_set():
            raise Unwanted
        percent = 100 * done // max(total, 1)
        if percent >= self._last + 5:
            self._last = percent
            self._send({"type": "note", "text": f"{self._what}: {percent} %"})


def view(model: Any, label: str, dataset: Any = None) -> Session:
    """The session of a model from a file. UsageError if its loss is not known."""
    from schuss.analysis.runs import as_run
    from schuss.api.evaluation import form_of, loss_of
    from schuss.nn.holding import signature_of
    from schuss.train.checks import Forward, accuracy_for
    from schuss.train.step import Task

    signature = signature_of(model)
    if signature is None:
        raise UsageError(f"{label}: what the model was trained on is not known")
    sets: dict[str, Any] = {"train": None, "test": None}
    target, transform = signature.target, signature.target_transform
    task = Task(model, loss_of(model), None, signature.inputs, target, target_transform=transform)  # type: ignore[arg-type]
    if signature.targets:
        first, *others = (t.type for t in signature.targets)
        task = replace(task, target=first, others=tuple(others), form=form_of(signature.targets))
    if dataset is not None:
        train = as_run(model, dataset.x_train, dataset.y_train)
        sets = {"train": train.data, "test": as_run(model, dataset.x_test, dataset.y_test).data}
        task = train.task or task  # of the types these data have
        assert train.data is not None
        right = accuracy_for(task, Forward(task), train.data["y"]) if signature.is_classifier else None
        task = replace(task, metrics={} if right is None else {"accuracy": right})
    weights = weights_of(model)
    subject = Subject(task, sets["train"], sets["test"], lambda: (0, weights))
    if dataset is not None:
        subject.name, subject.data_names = dataset.name, dataset.class_names
    session = Session(subject, label, signature.record)
    if subject.rows("test") and not (session.test() and dataset.name == signature.record.get("data")):
        session.record |= {"test_loss": None, "test_accuracy": None}  # of other rows than these
        session.measure()
    session.begin_quality()
    return session
