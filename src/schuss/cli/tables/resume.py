"""What is kept of a table's training that was asked for, by which --resume goes on with it or says that it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.tables.options import READING

if TYPE_CHECKING:
    from schuss.tabular.training import Training

PLAIN = (
    "task", "loss", "preset", "category", "number", "drop", "target_missing", "group", "time", "time_missing", "weight",
    "class_weight", "seed", "threads",
)  # fmt: skip
"""Options that are fit_table's arguments as they stand."""
ASKED = "asked.json"  # in the folder of the members


def asked_of(options: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The options that change a bit of the model, as a file holds them; None for one that is not given. own: those in
    place of the preset's."""
    o = {**options, **dict.fromkeys(("epochs", "hidden", "lr", "dropout", "weight_decay")), **own}
    names = ("data", "target", "quantiles", "date", "test", "validation", "folds", *PLAIN, *READING, *own)
    o["target"] = ",".join(o["target"]).split(",")
    found = {name: list(v) if isinstance(v := o[name], (list, tuple)) else v for name in names if name != "threads"}
    return {name: None if v in ([], 0.0, False) and name != "seed" else v for name, v in found.items()}


class Kept:
    """The folder of members beside --out. asked: as asked_of has it."""

    def __init__(self, out: Path, asked: Mapping[str, Any]) -> None:
        self.out, self.asked = out, asked
        self.folder = out.with_name(out.name + ".ckpt")

    @property
    def members(self) -> bool:
        """Whether members of a training are kept."""
        return self.folder.is_dir() and any(self.folder.glob("*.ckpt"))

    @property
    def _mend(self) -> str:
        afresh = f"remove {self.folder} to start afresh" if self.members else "start without --resume"
        return f"use the same settings, or {afresh}"

    def check(self) -> None:
        """UsageError where the members were begun with other settings."""
        from schuss.train.settings import check_settings

        if self.members and (found := self._written()):
            check_settings(self.asked, found["asked"], str(self.folder), self._mend, frozenset())

    def begin(self, training: Training, place: str) -> None:
        """A place for the members of this training. UsageError where those that are there are of other rows."""
        from schuss.errors import UsageError
        from schuss.ir.digest import SHORT, array_digest
        from schuss.paths import atomic_write

        rows = [array_digest(array, SHORT) for array in (training.x, training.y)]
        if self.members and (found := self._written()) and found["rows"] != rows:
            raise UsageError(
                f"cannot resume {self.folder}: {place} has other rows, or columns of other kinds, than when it was "
                f"begun; give it as it was, or remove {self.folder} to start afresh"
            )
        self.folder.mkdir(exist_ok=True)
        text = json.dumps({"asked": self.asked, "rows": rows}).encode()
        atomic_write(self.folder / ASKED, lambda to: to.write(text))

    def leave(self) -> None:
        """Without members there is no folder."""
        with suppress(OSError):
            (self.folder / ASKED).unlink(missing_ok=True)
            self.folder.rmdir()

    def finished(self) -> dict[str, Any] | None:
        """The result of a training that is done: its model is at --out. None where there is none such that tells.
        UsageError where it had other settings."""
        from schuss.errors import ModelFileError
        from schuss.io.model import load
        from schuss.nn.holding import signature_of
        from schuss.train.settings import check_settings

        if self.members or not self.out.exists():
            return None
        record: Mapping[str, Any] = {}
        with suppress(ModelFileError):
            signature = signature_of(load(self.out))
            record = {} if signature is None else signature.record
        asked, told = record.get("asked"), record.get("result")
        if not isinstance(asked, Mapping) or not isinstance(told, Mapping):
            return None
        check_settings(self.asked, asked, str(self.out), self._mend, frozenset())
        return {**told, "out": str(self.out)}

    def _written(self) -> dict[str, Any] | None:
        """What stands in the folder; None for nothing that a training writes."""
        with suppress(OSError, ValueError):
            found = json.loads((self.folder / ASKED).read_bytes())
            if isinstance(found, dict) and isinstance(found.get("asked"), dict) and "rows" in found:
                return found
        return None


__all__ = ["PLAIN", "Kept", "asked_of"]
