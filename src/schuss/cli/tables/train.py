"""schuss train TABLE --target COLUMN: from a file to a model, and what was found out on the way."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schuss.cli.say import say
from schuss.cli.signals import Terminated
from schuss.cli.tables import shown
from schuss.cli.tables.options import check_of_networks, given, reading_of
from schuss.cli.tables.resume import PLAIN, Kept, asked_of

if TYPE_CHECKING:
    from schuss.cli.tables.watch import WatchedTable
    from schuss.tabular.fit import TableRun
    from schuss.tabular.training import Training

MEDIAN = 0.5  # the prediction beside the other quantiles
OWN = ("epochs", "hidden", "lr", "dropout", "weight_decay")  # a preset has them, unless they are given


class TrainTable:
    """One call of the command. UsageError for options that do not go together."""

    def __init__(self, options: dict[str, Any], context: click.Context) -> None:
        check_of_networks(context)
        self.options, self.out = options, options["out"]
        self.place: str = options["data"]
        self.own = {name: options[name] for name in given(context, OWN)}
        self.page: WatchedTable | None = None
        self.asked = asked_of(options, self.own)
        self.kept = None if self.out is None else Kept(self.out, self.asked)

    def run(self) -> int:
        """Train, save and show; the exit status."""
        from schuss.tabular.read import lines_of, read_found

        self._check_places()
        reading = reading_of(self.options)
        if not self.options["target"]:
            raise self._without_target(reading)
        if self.options["resume"] and self._finished():
            return 0
        where = lines_of(self.place, reading)
        frame, found = read_found(self.place, reading)
        reading = replace(reading, usual=found.decimal)
        start = time.perf_counter()
        run = None
        try:
            run = self._fit(frame, where, reading)
        except (KeyboardInterrupt, Terminated) as signal:
            return self._stopped(143 if isinstance(signal, Terminated) else 130)
        finally:
            if self.page is not None:
                self.page.finish(stay=run is not None)
        result = self._result(run, len(frame), time.perf_counter() - start)
        self._save(run, result)  # what follows takes its time, and may be stopped
        result["importance"] = [
            {"columns": list(one.columns), "rise": one.mean, "error": one.error} for one in run.held.importance()
        ]
        record = self._save(run, result)
        if self.options["as_json"]:
            say(json.dumps(result))
        else:
            shown.result(result)
        if self.page is None:
            return 0
        sys.stdout.flush()
        label = "not saved" if self.out is None else self.out.name
        return self.page.stay(run, record, frame, where, self.place, label)

    # -- before ------------------------------------------------------------------------------------------------

    def _check_places(self) -> None:
        """UsageError where --out cannot be written, or would take the place of a training that has not ended."""
        from schuss.errors import UsageError
        from schuss.paths import remove_left_over
        from schuss.train.checkpoint import check_place

        if self.out is None or self.kept is None:
            if self.options["resume"]:
                raise UsageError("--resume needs --out FILE: the checkpoints lie beside it")
            return
        check_place(self.out, "--out")
        folder = self.kept.folder
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is no folder of a table's training; remove it, or give --out another name")
        remove_left_over(folder)
        if self.kept.members and not self.options["resume"]:
            raise UsageError(
                f"{folder} holds a training that has not ended: --resume goes on with it; remove the folder, or "
                "give --out another name, to begin another"
            )

    def _finished(self) -> bool:
        """Whether the training that --resume asks for is done; then its result is shown. UsageError where it had other
        settings."""
        assert self.kept is not None
        self.kept.check()
        result = self.kept.finished()
        if not self.options["quiet"]:
            if result is not None:
                say(f"{self.out} is finished: trained in {result['seconds']:.1f} s", err=True)
            elif not self.kept.members:
                say("no checkpoint: starting afresh", err=True)
        if result is None:
            return False
        if self.options["as_json"]:
            say(json.dumps(result))
        else:
            shown.result(result)
        return True

    def _without_target(self, reading: Any) -> Exception:
        """The error that names the columns."""
        from schuss.errors import UsageError
        from schuss.tabular.read import scan_table

        _, first = next(iter(scan_table(self.place, reading, rows=100)))
        many = len(first.columns) - shown.NAMES
        names = ", ".join(first.columns[: shown.NAMES]) + (f" and {many:,} more" if many > 0 else "")
        place = "standard input" if self.place == "-" else self.place
        return UsageError(f"{place} is a table: say which column to predict, --target COLUMN; it has {names}")

    # -- the training ------------------------------------------------------------------------------------------

    def _fit(self, frame: Any, where: Any, reading: Any) -> TableRun:
        from schuss.tabular.fit import fit_table
        from schuss.tabular.objectives import QUANTILES

        o = self.options
        targets = [name for given in o["target"] for name in _names(given, frame.columns)]
        asked = {name: o[name] for name in PLAIN} | self.own
        if o["quantiles"] is not None or o["loss"] == "quantile":
            asked["quantiles"] = sorted({*(o["quantiles"] or QUANTILES), MEDIAN})
        if o["folds"] is not None:
            asked["folds"] = o["folds"]
        folder = None if self.kept is None else self.kept.folder
        return fit_table(
            frame, targets[0] if len(targets) == 1 else targets, **asked, where=where, missing=reading.missing,
            date=dict(_dated(text, frame.columns) for text in o["date"]), test=self._apart("test"), reading=reading,
            validation=self._apart("validation"), checkpoint=folder, progress=self._progress(), begin=self._begin,
        )  # fmt: skip

    def _progress(self) -> Any:
        """What shows how far the members are: the terminal's line, and the page."""
        if not self.options["watch"]:
            return not self.options["quiet"]
        from schuss.web import check_installed

        check_installed()

        def told(*how_far: Any) -> None:
            assert self.page is not None
            self.page.told(*how_far)

        return told

    def _apart(self, name: str) -> Any:
        """A share, or the name of a file of rows; None for no rows apart. UsageError for neither."""
        from schuss.errors import UsageError

        text = self.options[name]
        if text is None or text == 0.0:
            return None
        with suppress(ValueError):
            share = float(text)
            if not 0 < share < 1:
                raise UsageError(f"--{name} {text}: a share lies between 0 and 1; give --{name} 0.2, or a file of rows")
            return share
        if not Path(text).exists():
            raise UsageError(f"--{name} {text}: is no share and no file; give --{name} 0.2, or a file of rows")
        return text

    def _begin(self, training: Training) -> None:
        """What was found, before the training; a place for its members."""
        if self.kept is not None:
            self.kept.begin(training, "standard input" if self.place == "-" else self.place)
        if not self.options["as_json"] and not self.options["quiet"]:
            shown.found(training, self.options)
            sys.stdout.flush()
        if self.options["watch"]:
            from schuss.cli.tables.watch import WatchedTable

            o = self.options
            self.page = WatchedTable(training, self.place, not o["quiet"], o["port"], o["opened"])

    # -- after -------------------------------------------------------------------------------------------------

    def _result(self, run: TableRun, rows: int, seconds: float) -> dict[str, Any]:
        from schuss.nn.holding import signature_of

        known = signature_of(run.model)
        record: dict[str, Any] = {} if known is None else dict(known.record)
        names = list(run.target.kinds)
        columns = {n: {"kind": k.name, "reason": k.reason, "used": k.used} for n, k in run.kinds.items()}
        leaks = [
            {"column": leak.column, "targets": leak.targets or names, "measure": leak.measure, "score": leak.score}
            for leak in run.leaks
        ]
        return {
            "data": self.place, "rows": rows, "targets": names, "task": run.task,
            "reason": run.target.reason, "classes": list(run.target.names) if run.target.classes else None,
            "loss": record["loss"], "quantiles": record["quantiles"],
            "columns": columns, "preset": run.preset, "folds": run.folds, "seed": self.options["seed"],
            "parts": run.parts, "report": run.report.to_json(), "leaks": leaks, "importance": [],
            "seconds": round(seconds, 3), "out": None if self.out is None else str(self.out),
        }  # fmt: skip

    def _save(self, run: TableRun, result: dict[str, Any]) -> dict[str, Any]:
        """Keep the model, where it is to be kept; the record that its file has."""
        from schuss.io.model import save
        from schuss.nn.holding import signature_of

        known = signature_of(run.model)
        more = {name: result[name] for name in ("data", "rows", "folds", "seed", "importance", "seconds")}
        told = {name: value for name, value in result.items() if name != "out"}
        record = {**({} if known is None else known.record), **more, "asked": self.asked, "result": told}
        if self.out is not None and self.kept is not None:
            save(run.model, self.out, record=record)
            shutil.rmtree(self.kept.folder, ignore_errors=True)
        return record

    def _stopped(self, code: int) -> int:
        """After Ctrl-C or SIGTERM: what is kept."""
        kept = "nothing is kept without --out"
        if self.kept is not None and self.kept.members:
            kept = f"the members so far are in {self.kept.folder} (--resume goes on)"
        elif self.kept is not None:
            kept = "before anything could be kept"
            self.kept.leave()
        say(f"stopped; {kept}", err=True)
        return code


def _dated(text: str, columns: Sequence[str]) -> tuple[str, str]:
    """Column and format of --date COLUMN[=FORMAT]; a name may hold the sign."""
    name, _, form = (text, "", "") if text in columns else text.partition("=")
    return name, form


def _names(given: str, columns: Sequence[str]) -> list[str]:
    """A column, or several that are named as a,b."""
    return [given] if given in columns else given.split(",")
