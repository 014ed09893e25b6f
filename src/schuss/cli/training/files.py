"""What is kept of a run of the command: its result, and its model file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schuss.cli.training.parts import columns_of_test
from schuss.cli.training.settings import Settings

if TYPE_CHECKING:
    from schuss.data import Dataset
    from schuss.train.run import Run
    from schuss.train.trainer import Trainer


def result(
    settings: Settings, dataset: Dataset, trainer: Trainer, run: Run, seconds: float, first: int
) -> dict[str, Any]:
    """What the command says of a run, and its file keeps. seconds: of this call; first: the step it began with."""
    from schuss.exec.native.threads import available_cores
    from schuss.ir.executors import executor
    from schuss.nn.described import describe
    from schuss.nn.walk import weights_of
    from schuss.train.evaluate import Evaluation

    o = settings.options
    test = Evaluation(trainer.task, executor(o["backend"], o["threads"]), columns_of_test(settings, trainer, dataset))
    weights = weights_of(trainer.task.model)
    measured = test(weights)
    examples = (trainer.position.counter - first) / max(trainer.steps, 1) * trainer.rows
    return {
        "model": describe(trainer.task.model),
        "parameters": sum(v.size for v in weights.values()),
        "data": dataset.name,
        "batch_size": o["batch_size"],
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
        "out": None if settings.out is None else str(settings.out),
    }


def save_finished(settings: Settings, trainer: Trainer, result: dict[str, Any]) -> None:
    """The model file of a run, with its result."""
    from schuss.io.model import save

    assert settings.out is not None
    model = trainer.task.model
    record = {**result, "curve": trainer.recording.curve.columns(), "settings": settings.kept}
    save(model, settings.out, record=record)
    if settings.options["keep_path"] and len(trainer.run.path) > 1:  # takes a while: the model is safe by then
        from schuss.analysis.landscape import track_of

        save(model, settings.out, record=record, track=track_of(trainer.run, threads=settings.options["threads"]))


def save_stopped(settings: Settings, trainer: Trainer, weights: dict[str, Any]) -> None:
    """A model file of a run that did not reach its end."""
    from schuss.io.model import save

    assert settings.out is not None
    trainer.publish(weights)
    asked = {name: settings.options[name] for name in ("batch_size", "seed")}
    save(
        trainer.task.model,
        settings.out,
        record={**trainer.run.record(), **asked, "settings": settings.kept},
    )


def finished(settings: Settings) -> dict[str, Any] | None:
    """The record of a run that --resume finds finished already."""
    from schuss.train.settings import check_settings

    record = settings.finished
    if record is None:
        return None
    held = settings.comparable(record.get("settings"))
    check_settings(settings.kept, held, str(settings.out), settings.mend)
    ended = (record.get("epochs") or 0) >= settings.options["epochs"] or record.get("stopped")
    told = all(record.get(name) is not None for name in ("model", "parameters", "epochs", "seconds", "test_loss"))
    if not ended or not told or "train_loss" not in record:  # a signal left it without its result
        return None
    settings.check_epochs(held)
    return record
