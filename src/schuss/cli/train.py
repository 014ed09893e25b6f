"""schuss train: data to a trained model."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from schuss.cli.choices import LAID_OUT, RATES_OF_0_1_0, SCHEDULES
from schuss.cli.completion import data_names
from schuss.cli.kinds import OneOf, PositiveNumber, in_words, of_fit, sizes
from schuss.cli.pages import page_options
from schuss.cli.results import show
from schuss.cli.say import say
from schuss.tables import LAYERS, LOSSES, OPTIMIZERS, SOURCES
from schuss.train.interrupts import Interrupts
from schuss.train.options import ABOUT, FREE

if TYPE_CHECKING:
    from schuss.cli.watch import Watched
    from schuss.data import Dataset
    from schuss.train.run import Run
    from schuss.train.trainer import Trainer

# Chosen on validation data (docs/defaults.md).
HIDDEN, EPOCHS, BATCH, DROPOUT = "256,128", 10, 128, 0.1
OF_FIT = ("epochs", "batch_size", "validation", "seed", "clip_norm", "early_stop", "threads", "backend", "scale")
MEND = "use the same settings, or start without --resume"
NOT_SETTINGS = {  # they change no bit of a run, as fit's options that are free to change
    "out", "resume", "keep_path", "quiet", "as_json", "watch", "port", "opened", *(FREE - {"epochs"}),
}  # fmt: skip


@click.command("train", help=f"Train a network on DATA.\n\nDATA is {in_words(SOURCES.sets)}.")
@click.argument("data", shell_complete=data_names)
@click.option(
    "--hidden",
    default=HIDDEN,
    show_default=True,
    callback=sizes,
    help="Units of each hidden layer; none for no hidden layer.",
)
@click.option(
    "--net",
    metavar="FILE.py[:NAME]",
    help="A network of your own: what the function NAME of the file returns. Images come as [N, channels, H, W]. "
    "[default NAME: make]",
)
@click.option("--activation", type=OneOf(lambda: LAYERS.presets), default="relu", show_default=True)
@click.option("--loss", type=OneOf(lambda: LOSSES.presets), help="Default: cross_entropy for classes, mse for numbers.")
@click.option("--optimizer", type=OneOf(lambda: OPTIMIZERS.presets), default="adam", show_default=True)
@click.option("--lr", type=PositiveNumber(), help="Learning rate; by default one that suits the optimizer.")
@click.option("--schedule", type=click.Choice(SCHEDULES), default="one_cycle", show_default=True)
@click.option("--warmup", type=click.IntRange(min=0), default=0, help="Steps over which the rate rises from 0 first.")
@click.option("--weight-decay", type=click.FloatRange(min=0), default=0.0, show_default=True)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=DROPOUT, show_default=True)
@click.option("--clip-norm", type=of_fit("clip_norm"), help="Limit on the norm of all gradients together.")
@click.option("--epochs", type=of_fit("epochs"), default=EPOCHS, show_default=True, help="In total, resumed ones too.")
@click.option("--batch-size", type=of_fit("batch_size"), default=BATCH, show_default=True)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Share of the training data to hold out.",
)
@click.option(
    "--early-stop", type=of_fit("early_stop"), help="Stop after so many epochs without improvement; keep the best."
)
@click.option(
    "--init", "law", default="default", show_default=True, help="Law of the first weights, as kaiming_normal."
)
@click.option("--scale", type=of_fit("scale"), help="What bytes are multiplied by; by default images, by 1/255.")
@click.option("--seed", type=of_fit("seed"), default=ABOUT["seed"].default, show_default=True)
@click.option("--threads", type=of_fit("threads"), help="Default: the cores this process may use.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--backend", type=of_fit("backend"), default=ABOUT["backend"].default, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to save the model (.safetensors).")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside --out, if there is one.")
@click.option("--keep-path", is_flag=True, help="Keep the descent's path in --out, for its landscape: thrice the size.")
@click.option("--watch", is_flag=True, help="A page of the run on this machine, while it trains and until Ctrl-C.")
@page_options
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
def command(**options: Any) -> int:
    if options["net"] is not None:
        _check_alone(click.get_current_context())
    return TrainCommand(options).run()


def _check_alone(context: click.Context) -> None:
    """UsageError where beside --net something is said of the network that the command would make."""
    from schuss.errors import UsageError

    for option in ("hidden", "activation", "dropout", "law"):
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            name = "init" if option == "law" else option
            raise UsageError(f"--net gives the whole network: leave out --{name}, or say it in the file")


class TrainCommand:
    """One call of `schuss train`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.out: Path | None = options["out"]
        self.interrupts = Interrupts((signal.SIGINT, signal.SIGTERM))
        self.settings: dict[str, Any] = {}
        self.watched: Watched | None = None

    def run(self) -> int:
        from schuss.data import load_dataset
        from schuss.errors import UsageError
        from schuss.train.checkpoint import Checkpoint, beside, check_place
        from schuss.train.control import BY_HAND
        from schuss.train.progress import Bar

        if self.options["watch"]:
            from schuss.web import check_installed

            check_installed()
        if self.options["resume"] and self.out is None:
            raise UsageError("--resume needs --out FILE: the checkpoint lies beside it")
        if self.options["keep_path"] and self.out is None:
            raise UsageError("--keep-path needs --out FILE: the path lies in it")
        if self.out is not None:
            check_place(self.out, "--out")
        with self.interrupts:
            dataset = load_dataset(self.options["data"])
            self._resolve(dataset)
            finished = self._finished(dataset)
            if finished is not None:
                show(finished, self.options["as_json"])
                return 0
            trainer = self.prepare(dataset)
            self._note_threads(trainer.loop)
            checkpoint = Checkpoint(beside(self.out), self.settings, MEND) if self.out is not None else None
            if checkpoint and self.options["resume"]:
                resumed = checkpoint.resume(trainer, lambda held: self._comparable(held, dataset), self._check_epochs)
                self._note(
                    f"resuming at epoch {trainer.position.epoch + 1}" if resumed else "no checkpoint: starting afresh"
                )
            saved = checkpoint.hook(trainer) if checkpoint else lambda ended: None
            if self.options["watch"]:
                from schuss.cli.watch import Watched

                columns = self._test_columns(trainer, dataset)
                self.watched = Watched(trainer, dataset.name, columns, self.options["port"], self.options["opened"])
            start, first = trainer.seconds, trainer.position.counter  # pauses do not count
            with Bar(not self.options["quiet"]) as bar:
                run = self._trained(trainer, bar, saved)
            seconds = trainer.seconds - start
            if self.interrupts.caught is not None:
                code = self._stopped(trainer, checkpoint)
                if self.watched:
                    self.watched.stop()
                return code
            by_hand = run.stopped == BY_HAND  # it may go on another time
            if by_hand and checkpoint is not None:
                checkpoint.save(trainer)
            result = self._result(dataset, trainer, run, seconds, first)
            if checkpoint is not None:
                self._save(trainer, result)
            if by_hand:
                self._say_stopped(trainer, checkpoint, bool(self.options["early_stop"] and trainer.best.weights))
            elif checkpoint is not None:
                checkpoint.remove()
        show(result, self.options["as_json"])
        return self.watched.stay(self.interrupts.caught is not None) if self.watched else 0

    # -- what is trained ---------------------------------------------------------------------------

    def prepare(self, dataset: Dataset) -> Trainer:
        """Model, loss, optimizer and data, put together."""
        from schuss import Control, nn, optim
        from schuss.cli.choices import network, schedule
        from schuss.cli.own import own_network
        from schuss.errors import UsageError
        from schuss.train.fit import prepare

        o = self.options
        data = self._data(dataset)
        x, y = data.x_train, data.y_train
        outputs = dataset.classes or (1 if y.ndim == 1 else y.shape[1])
        own = o["net"] is not None
        model = nn.to_dtype(own_network(o["net"]) if own else network(x.shape[1], o["hidden"], outputs, o), o["dtype"])
        rows = len(x) - round(len(x) * o["validation"])
        steps = o["epochs"] * -(-rows // o["batch_size"])
        if o["warmup"] >= steps:
            raise UsageError(
                f"--warmup {o['warmup']}: the run has {steps} steps, and none would be left at the full rate; give "
                "fewer, or more --epochs"
            )
        lr = schedule(o["schedule"], o["lr"], o["warmup"], steps)
        loss, settings = nn.LOSSES.preset(o["loss"])
        shared = {name: o[name] for name in OF_FIT}
        chosen = {
            "loss": loss(**settings),
            "optimizer": optim.named(o["optimizer"], lr, o["weight_decay"]),
            "record": o["watch"] or o["keep_path"],
            "control": Control() if o["watch"] else None,
        }
        return prepare(model, data, **{**shared, **chosen})

    def _data(self, dataset: Dataset) -> Dataset:
        """Images as a network of the user's own takes them; rows of numbers for ours."""
        return dataset.pictures if self.options["net"] is not None else dataset.flat

    def _resolve(self, dataset: Dataset) -> None:
        """What was left to be chosen, so that files hold what the run had."""
        from schuss.optim import rate_of

        o = self.options
        o["loss"] = self.loss_name(dataset)
        o["scale"] = self._scale(dataset)
        o["lr"] = o["lr"] or rate_of(o["optimizer"])
        self.settings = {k: list(v) if isinstance(v, tuple) else v for k, v in o.items() if k not in NOT_SETTINGS}

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

    def _comparable(self, held: Any, dataset: Dataset) -> Any:
        """Settings from a file as this version would have written them: 0.1.0 left what was not given unresolved."""
        if not isinstance(held, dict):
            return held
        lr = RATES_OF_0_1_0.get(str(held.get("optimizer"))) if held.get("lr") is None else held["lr"]
        loss = _default_loss(dataset) if held.get("loss") is None else held["loss"]
        return {"scale": _scale_of_0_1_0(dataset), "net": None, **held, "lr": lr, "loss": loss}

    def _check_epochs(self, held: Any) -> None:
        """UsageError where the schedule would not be the run's: weights that no run without interruption has."""
        from schuss.errors import UsageError

        epochs, name = (held.get("epochs"), held.get("schedule")) if isinstance(held, dict) else (None, None)
        now = self.options["epochs"]
        if name in LAID_OUT and epochs != now:
            raise UsageError(
                f"cannot resume {self.out}: its {name} schedule was laid out for {epochs} epochs; give --epochs "
                f"{epochs}, or train {now} epochs afresh without --resume (--schedule constant can be prolonged)"
            )

    def loss_name(self, dataset: Dataset) -> str:
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

    def _trained(self, trainer: Trainer, bar: Any, saved: Any) -> Run:
        """The run; where its numbers blow up, the last good weights are saved."""
        from schuss.errors import NonFiniteError

        try:
            return trainer.train(self.watched.beside(bar) if self.watched else bar, self.interrupts.reason, saved)
        except NonFiniteError as error:
            if self.out is None:
                raise
            self._save_stopped(trainer, trainer.weights())
            raise NonFiniteError(f"{error}; the last good weights are in {self.out}") from None
        finally:
            if self.watched:
                self.watched.finish()

    # -- the end -----------------------------------------------------------------------------------

    def _result(self, dataset: Dataset, trainer: Trainer, run: Run, seconds: float, first: int) -> dict[str, Any]:
        from schuss import nn
        from schuss.exec.native.threads import available_cores
        from schuss.ir.executors import executor
        from schuss.nn.described import describe
        from schuss.train.evaluate import Evaluation

        o = self.options
        test = Evaluation(trainer.task, executor(o["backend"], o["threads"]), self._test_columns(trainer, dataset))
        weights = {name: p.data for name, p in nn.named_parameters(trainer.task.model).items()}
        measured = test(weights)
        examples = (trainer.position.counter - first) / max(trainer.steps, 1) * trainer.rows
        return {
            "model": describe(trainer.task.model),
            "parameters": sum(v.size for v in weights.values()),
            "data": dataset.name,
            "epochs": run.epochs,
            "seconds": round(seconds, 3),
            "examples_per_second": round(examples / seconds) if seconds > 0 else None,
            "train_loss": run.last("loss"),
            "test_loss": measured["loss"],
            "test_accuracy": measured.get("accuracy"),
            "seed": o["seed"],
            "threads": o["threads"] or available_cores(),
            "backend": o["backend"],
            "stopped": run.stopped,
            "best_epoch": run.best,
            "changes": run.changes,
            "prepared": run.prepared,
            "history": run.history,
            "out": None if self.out is None else str(self.out),
        }

    def _test_columns(self, trainer: Trainer, dataset: Dataset) -> dict[str, Any]:
        """The test rows as the trainer's columns, of their types."""
        from schuss.data.columns import columns

        data, names = self._data(dataset), ("x_test", "y_test")
        x, y = data.x_test, data.y_test
        return columns((x,), y, self.options["dtype"], names, trainer.task.types)

    def _save(self, trainer: Trainer, result: dict[str, Any]) -> None:
        from schuss.io.model import save

        assert self.out is not None
        model = trainer.task.model
        record = {**result, "curve": trainer.curve.columns(), "settings": self.settings}
        save(model, self.out, record=record)
        if self.options["keep_path"] and len(trainer.run.path) > 1:  # takes a while: the model is safe by then
            from schuss.analysis.landscape import track_of

            save(model, self.out, record=record, track=track_of(trainer.run, threads=self.options["threads"]))

    def _save_stopped(self, trainer: Trainer, weights: dict[str, Any]) -> None:
        """A model file of a run that did not reach its end."""
        from schuss.io.model import save

        assert self.out is not None
        trainer.publish(weights)
        save(
            trainer.task.model,
            self.out,
            record={**trainer.run.record(), "seed": self.options["seed"], "settings": self.settings},
        )

    def _finished(self, dataset: Dataset) -> dict[str, Any] | None:
        """The record of a run that --resume finds finished already."""
        from schuss.errors import ModelFileError
        from schuss.io.model import read_model
        from schuss.io.record import sound
        from schuss.train.checkpoint import beside
        from schuss.train.settings import check_settings

        if self.out is None or not self.options["resume"] or not self.out.exists() or beside(self.out).exists():
            return None
        try:
            record = sound(read_model(self.out)[1].get("record") or {})[0]
        except ModelFileError:
            return None
        held = self._comparable(record.get("settings"), dataset)
        check_settings(self.settings, held, str(self.out), MEND)
        ended = (record.get("epochs") or 0) >= self.options["epochs"] or record.get("stopped")
        told = all(record.get(name) is not None for name in ("model", "parameters", "epochs", "seconds", "test_loss"))
        if not ended or not told or "train_loss" not in record:  # a signal left it without its result
            return None
        self._check_epochs(held)
        self._note(f"{self.out} is finished: {record.get('epochs')} epochs")
        return record

    def _stopped(self, trainer: Trainer, checkpoint: Any) -> int:
        """After Ctrl-C or SIGTERM: keep the last and the best weights and say where they are."""
        assert self.interrupts.caught is not None
        if checkpoint is not None:
            checkpoint.save(trainer)
            self._save_stopped(trainer, trainer.best.weights or trainer.weights())
        self._say_stopped(trainer, checkpoint, bool(trainer.best.weights))
        return 128 + self.interrupts.caught

    def _say_stopped(self, trainer: Trainer, checkpoint: Any, best: bool) -> None:
        """Where a run was stopped and what is kept of it. best: whether --out has the best weights, not the last."""
        at, kept = trainer.position, "nothing is kept without --out"
        if checkpoint is not None:
            which = f"the best (epoch {at.best_epoch})" if best else "these"
            kept = f"the last weights are in {checkpoint.path} (--resume goes on), {which} in {self.out}"
        ended = at.epoch and not at.step  # and no other has begun
        where = f"after epoch {at.epoch}" if ended else f"at epoch {at.epoch + 1}, step {at.step} of {trainer.steps}"
        self._note(f"stopped {where}; {kept}")

    # -- output ------------------------------------------------------------------------------------

    def _note_threads(self, loop: Any) -> None:
        """Tell of more threads than cores, where a step is shared among them."""
        from schuss.exec.native.threads import available_cores

        cores, threads = available_cores(), getattr(loop, "threads", 1)  # the reference has none
        if threads > cores:
            self._note(f"{threads} threads on {cores} core(s) wait for each other: --threads {cores} is faster")

    def _note(self, text: str) -> None:
        if not self.options["quiet"]:
            with suppress(OSError):  # nobody reads it: no reason to lose the run
                say(text, err=True)


def _default_loss(dataset: Dataset) -> str:
    return "mse" if dataset.classes is None else "cross_entropy"


def _scale_of_0_1_0(dataset: Dataset) -> float | None:
    """Version 0.1.0, which had no --scale, took all bytes for images."""
    return 1 / 255 if str(dataset.x_train.dtype) == "uint8" else None
