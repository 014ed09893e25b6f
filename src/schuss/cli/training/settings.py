"""What a run of the command is asked for, and what a file says that an earlier part of it was asked for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.choices import LAID_OUT, RATES_OF_0_1_0
from schuss.tables import LOSSES
from schuss.train.options import FREE

if TYPE_CHECKING:
    from schuss.data import Dataset

MEND = "use the same settings, or start without --resume"
NOT_SETTINGS = {  # they change no bit of a run, as fit's options that are free to change
    "out", "keep_path", "quiet", "as_json", "port", "opened", *(FREE - {"epochs"}),
}  # fmt: skip


class Settings:
    """The options of one call. UsageError for such as do not go together.

    options  by name; `resolve` fills in what was left open
    kept     those that change the bits of the run, as files hold them
    """

    def __init__(self, options: dict[str, Any]) -> None:
        from schuss.errors import UsageError

        self.options, self.kept = options, dict[str, Any]()
        self.out: Path | None = options["out"]
        for name, what in (("resume", "the checkpoint lies beside it"), ("keep_path", "the path lies in it")):
            if options[name] and self.out is None:
                raise UsageError(f"--{name.replace('_', '-')} needs --out FILE: {what}")

    def resolve(self, dataset: Dataset) -> None:
        """Choose what was left open, so that files hold what the run had."""
        from schuss.optim import rate_of

        o = self.options
        o["loss"] = self._loss(dataset)
        o["scale"] = self._scale(dataset)
        o["lr"] = o["lr"] or rate_of(o["optimizer"])
        self._dataset = dataset
        self.kept = {k: list(v) if isinstance(v, tuple) else v for k, v in o.items() if k not in NOT_SETTINGS}

    def _scale(self, dataset: Dataset) -> float | None:
        """What bytes are multiplied by: as asked for, as the run to be resumed does, as the data say."""
        from schuss.errors import ModelFileError
        from schuss.io.model import read_model
        from schuss.train.checkpoint import Checkpoint, beside

        if self.options["scale"] is not None or self.out is None or not self.options["resume"]:
            return self.options["scale"] or dataset.scale
        held = Checkpoint(beside(self.out), {}, MEND).written()
        if held is None and self.out.exists():
            with suppress(ModelFileError):  # said where the file is read for good
                held = (read_model(self.out)[1].get("record") or {}).get("settings")
        old = isinstance(held, dict) and "scale" not in held
        return _scale_of_0_1_0(dataset) if old else dataset.scale

    def comparable(self, held: Any) -> Any:
        """Settings from a file as this version would have written them: 0.1.0 left what was not given unresolved."""
        if not isinstance(held, dict):
            return held
        dataset = self._dataset
        lr = RATES_OF_0_1_0.get(str(held.get("optimizer"))) if held.get("lr") is None else held["lr"]
        loss = _default_loss(dataset) if held.get("loss") is None else held["loss"]
        law = held.get("init", held.get("law"))  # as the option was called up to version 0.2.0
        known = {k: v for k, v in held.items() if k != "law"}
        return {"scale": _scale_of_0_1_0(dataset), "net": None, **known, "lr": lr, "loss": loss, "init": law}

    def check_epochs(self, held: Any) -> None:
        """UsageError where the schedule would not be the run's: weights that no run without interruption has."""
        from schuss.errors import UsageError

        epochs, name = (held.get("epochs"), held.get("schedule")) if isinstance(held, dict) else (None, None)
        now = self.options["epochs"]
        if name in LAID_OUT and epochs != now:
            raise UsageError(
                f"cannot resume {self.out}: its {name} schedule was laid out for {epochs} epochs; give --epochs "
                f"{epochs}, or train {now} epochs afresh without --resume (--schedule constant can be prolonged)"
            )

    def _loss(self, dataset: Dataset) -> str:
        """The loss asked for, or the one that suits the data. UsageError for one that does not."""
        from schuss.errors import UsageError

        name: str = self.options["loss"] or _default_loss(dataset)
        task = {preset: LOSSES.preset(preset)[0].admits.task for preset in LOSSES.presets}
        if dataset.classes is None and task[name] == "classes":
            *some, last = (preset for preset in task if task[preset] == "numbers")
            raise UsageError(
                f"--loss {name} needs classes, and y_train holds floating numbers: use {', '.join(some)} or {last}"
            )
        return name


def _default_loss(dataset: Dataset) -> str:
    return "mse" if dataset.classes is None else "cross_entropy"


def _scale_of_0_1_0(dataset: Dataset) -> float | None:
    """Version 0.1.0, which had no --scale, took all bytes for images."""
    return 1 / 255 if str(dataset.x_train.dtype) == "uint8" else None
