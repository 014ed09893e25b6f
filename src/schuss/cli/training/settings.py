"""What a run of the command is asked for, and what a file says that an earlier part of it was asked for."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.choices import LAID_OUT, RATES_OF_0_1_0
from schuss.cli.own import same_network
from schuss.data.dataset import IMAGES
from schuss.tables import LOSSES
from schuss.train.options import FREE

if TYPE_CHECKING:
    from schuss.data import Dataset

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

    @property
    def afresh(self) -> str:
        """How to begin another run in place of what --out has."""
        from schuss.train.checkpoint import beside

        assert self.out is not None
        place = beside(self.out)
        return f"remove {place} to start afresh" if place.exists() else "start without --resume"

    @property
    def mend(self) -> str:
        """What to do about settings that a run cannot be resumed with."""
        return f"use the same settings, or {self.afresh}"

    def resolve(self, dataset: Dataset) -> None:
        """Choose what was left open, so that files hold what the run had."""
        from schuss.optim import rate_of

        o, held = self.options, self._held()
        self._dataset = dataset
        o["loss"] = self._loss(dataset)
        o["scale"] = o["scale"] or (dataset.scale if held is None or "scale" in held else self._since(held)["scale"])
        o["flat"] = held is not None and self._since(held)["flat"]
        o["lr"] = o["lr"] or rate_of(o["optimizer"])
        self.kept = {k: list(v) if isinstance(v, tuple) else v for k, v in o.items() if k not in NOT_SETTINGS}

    @cached_property
    def finished(self) -> dict[str, Any] | None:
        """What the model file at --out says of its run, where --resume finds no checkpoint beside it that says more;
        None where there is none that can be read.
        """
        from schuss.errors import ModelFileError
        from schuss.io.model import read_model
        from schuss.io.record import sound
        from schuss.train.checkpoint import beside

        if self.out is None or not self.options["resume"] or not self.out.exists() or beside(self.out).exists():
            return None
        with suppress(ModelFileError):
            return sound(read_model(self.out)[1].get("record") or {})[0]
        return None

    def _held(self) -> dict[str, Any] | None:
        """The settings of the run that is to be gone on with; None where a run begins."""
        from schuss.train.checkpoint import Checkpoint, beside

        if self.out is None or not self.options["resume"]:
            return None
        held = Checkpoint(beside(self.out), {}).written() or (self.finished or {}).get("settings")
        return held if isinstance(held, dict) else None

    def _since(self, held: dict[str, Any]) -> dict[str, Any]:
        """Settings from a file with those that came since it was written, by which its run goes on as it began.

        flat  whether the network takes rows of numbers and has no Flatten, as up to version 0.2.0, and not pictures
        """
        byte = str(self._dataset.x_train.dtype) == "uint8"  # 0.1.0, which had no --scale, took all bytes for images
        own = held.get("net") is not None
        return {"scale": IMAGES if byte else None, "net": None, "flat": not own, **held}

    def comparable(self, held: Any) -> Any:
        """Settings from a file as this version would have written them: 0.1.0 left what was not given unresolved."""
        if not isinstance(held, dict):
            return held
        lr = RATES_OF_0_1_0.get(str(held.get("optimizer"))) if held.get("lr") is None else held["lr"]
        loss = _default_loss(self._dataset) if held.get("loss") is None else held["loss"]
        law = held.get("init", held.get("law"))  # as the option was called up to version 0.2.0
        known = {k: v for k, v in held.items() if k != "law"}
        since = self._since(known)
        if same_network(since["net"], self.options["net"]):
            since["net"] = self.options["net"]  # in other words
        return {**since, "lr": lr, "loss": loss, "init": law}

    def check_epochs(self, held: Any) -> None:
        """UsageError where the schedule would not be the run's: weights that no run without interruption has."""
        from schuss.errors import UsageError

        epochs, name = (held.get("epochs"), held.get("schedule")) if isinstance(held, dict) else (None, None)
        if name in LAID_OUT and epochs != self.options["epochs"]:
            raise UsageError(
                f"cannot resume {self.out}: its {name} schedule was laid out for {epochs} epochs; give --epochs "
                f"{epochs}, or {self.afresh} (--schedule constant can be prolonged)"
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
