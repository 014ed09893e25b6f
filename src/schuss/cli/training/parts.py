"""What a run is put together from: the network, loss, optimizer and data of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schuss.cli.training.settings import Settings

if TYPE_CHECKING:
    from schuss.data import Dataset
    from schuss.train.trainer import Trainer

OF_FIT = ("epochs", "batch_size", "validation", "seed", "clip_norm", "early_stop", "threads", "backend", "scale")


def prepared(settings: Settings, dataset: Dataset) -> Trainer:
    """Model, loss, optimizer and data, put together."""
    from schuss import Control, nn, optim
    from schuss.cli.choices import network, schedule
    from schuss.cli.own import own_network
    from schuss.errors import UsageError
    from schuss.train.fit import prepare

    o = settings.options
    data = _taken(settings, dataset)
    x, y = data.x_train, data.y_train
    outputs = dataset.classes or (1 if y.ndim == 1 else y.shape[1])
    own = o["net"] is not None
    model = nn.to_dtype(own_network(o["net"]) if own else network(x.shape[1:], outputs, o), o["dtype"])
    rows = len(x) - round(len(x) * o["validation"])
    steps = o["epochs"] * -(-rows // o["batch_size"])
    if o["warmup"] >= steps:
        raise UsageError(
            f"--warmup {o['warmup']}: the run has {steps} steps, and none would be left at the full rate; give "
            "fewer, or more --epochs"
        )
    lr = schedule(o["schedule"], o["lr"], o["warmup"], steps)
    loss, own_settings = nn.LOSSES.preset(o["loss"])
    shared = {name: o[name] for name in OF_FIT}
    chosen = {
        "loss": loss(**own_settings),
        "optimizer": optim.named(o["optimizer"], lr, o["weight_decay"]),
        "record": o["watch"] or o["keep_path"],
        "control": Control() if o["watch"] else None,
    }
    return prepare(model, data, **{**shared, **chosen})


def columns_of_test(settings: Settings, trainer: Trainer, dataset: Dataset) -> dict[str, Any]:
    """The test rows as the trainer's columns, of their types: a network that begins with a Linear has them flat."""
    from schuss.data.columns import columns

    data, names, types = _taken(settings, dataset), ("x_test", "y_test"), trainer.task.types
    row = trainer.task.inputs[0].type.shape[1:]
    return columns((data.x_test.reshape(-1, *row),), data.y_test, settings.options["dtype"], names, types)


def _taken(settings: Settings, dataset: Dataset) -> Dataset:
    """Images as [N, channels, height, width], other rows as they are; all flat for a run that began so."""
    return dataset.flat if settings.options["flat"] else dataset.pictures
