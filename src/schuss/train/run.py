"""A run of fit: what it was, and the state from which it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from schuss.dispatch import RESUME
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.walk import Trained
from schuss.signature import Signature
from schuss.signature.track import Track
from schuss.train.moments import Curve, Moment
from schuss.train.options import Options
from schuss.train.position import Position
from schuss.train.step import Task

RECORDED = ("history", "epochs", "stopped", "best", "changes", "prepared")  # what a model file holds


@dataclass(frozen=True)
class State:
    """The last state of a run, from which it can go on: what it was asked for (without the data), its random key, every
    array (those of the best weights included) and its position. Copies of it have no callbacks and no control.
    """

    options: Options
    key: Array
    arrays: Mapping[str, Array]
    position: Position
    signature: Signature | None = None  # of the data it is trained on

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "options": replace(self.options, callbacks=(), control=None)}


@dataclass
class Run(Trained):
    """What fit returns, and what callbacks are given while it goes on.

    history   one list for each column (epoch, loss, accuracy, val_loss, ..., lr, seconds), one entry an epoch
    epochs    epochs finished
    steps     steps done
    stopped   why the run ended before its last epoch, else None
    best      the epoch with the least validation loss, or the best by `early_stop`'s metric
    changes   what was done by hand (schuss.Control), in order: {"step", "epoch", "what": "lr", "from", "to"}
              (with "held": True where a schedule does not change it any more), and
              likewise "pause", "resume", "step" and "stop" with None for from and to
    curve     the loss and metrics finely (schuss.train.moments.Curve); model files keep its columns
    prepared  what was done with the data, in words: {"x": "uint8[N, 28, 28]: integers are multiplied by 1/255, ..."}
    path      the recorded moments (schuss.train.moments.Moment), with record=True
    track     of a loaded model's run: its path in a plane, if the file keeps it
    task      what was learned: model, loss, optimizer and types
    data      the training columns x0, ..., y and, with weights of examples, w; the trainer's own arrays, no copies
    validation likewise, if there is validation data
    state     the last state, with which `resume` goes on
    """

    model: Any
    history: dict[str, list[Any]] = field(default_factory=dict)
    epochs: int = 0
    steps: int = 0
    stopped: str | None = None
    best: int | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    curve: Curve | None = field(default=None, compare=False)
    prepared: dict[str, str] = field(default_factory=dict)
    path: list[Moment] = field(default_factory=list, compare=False)
    track: Track | None = field(default=None, compare=False)
    task: Task | None = field(default=None, compare=False)
    data: Mapping[str, Array] | None = field(default=None, compare=False)
    validation: Mapping[str, Array] | None = field(default=None, compare=False)
    state: State | None = field(default=None, compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """UsageError that says what to call."""
        raise UsageError("a run is not called: write run.model(x), or schuss.predict(run, x)")

    def resume(self, epochs: int | None = None, **changes: Any) -> Run:
        """Train so many more epochs from the last (not the best) state, exactly as one longer run would have: weights,
        the optimizer's state, schedule, order of rows, dropout and history have the same bits. The model gets the
        weights; this run goes on, and is returned. None: the epochs that a run that was stopped has not done.

        Weights that were set in the model since, by hand or by another fit, are what it goes on from; a parameter that
        was unfrozen since counts its own steps (schuss.optim).

        changes: optimizer, early_stop, callbacks, threads, record, control, checkpoint or progress in place of those of
        `fit`. The steps of a schedule count from the run's first.

        UsageError where a schedule of fixed length (OneCycle, Cosine) ends before: give an optimizer with a longer
        one. A run that `early_stop` ended stays ended, with a warning: `resume(epochs, early_stop=None)` goes on.
        """
        resumed: Run = RESUME(self, epochs, changes)
        return resumed

    def last(self, column: str) -> Any:
        """The newest entry of a column, None if there is none."""
        values = self.history.get(column)
        return values[-1] if values else None

    def to_frame(self) -> Any:
        """The history as a pandas DataFrame: one row an epoch, by its number; one column for each of the others.

        UsageError if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_frame: pandas is not installed: pip install pandas") from None
        return pandas.DataFrame(self.history if "epoch" in self.history else {"epoch": []}).set_index("epoch")

    def record(self) -> dict[str, Any]:
        """What a model file keeps of it, fit for JSON."""
        kept = {name: getattr(self, name) for name in RECORDED}
        return kept | {"curve": None if self.curve is None else self.curve.columns()}

    def __repr__(self) -> str:
        parts = [f"{k}={v[-1]:.4g}" for k, v in self.history.items() if v and isinstance(v[-1], float)]
        return f"Run(epochs={self.epochs}, {', '.join(parts)})"


__all__ = ["RECORDED", "Run", "State"]
