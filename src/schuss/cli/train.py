"""schuss train: data to a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from schuss.cli.choices import SCHEDULES
from schuss.cli.completion import data_names
from schuss.cli.kinds import OneOf, PositiveNumber, ShareOrFile, in_words, of_fit, sizes
from schuss.cli.pages import page_options
from schuss.cli.tables import options as of_table
from schuss.cli.tables.options import READING, TRAINING, Sectioned, check_of_tables, with_options
from schuss.tables import LAYERS, LOSSES, OPTIMIZERS, SOURCES
from schuss.train.options import ABOUT

ENDING = ".safetensors"  # of a model's file
# Chosen on validation data (docs/defaults.md).
HIDDEN, EPOCHS, BATCH, DROPOUT = "256,128", 10, 128, 0.1


def _or_preset(value: object) -> str:
    """The default that help shows of an option which is in place of a table's preset."""
    return f"{value}; of a table its preset's"


@click.command(
    "train",
    cls=Sectioned,
    help=f"Train a network on DATA.\n\nDATA is {in_words(SOURCES.sets)}; or a table (CSV, Parquet, Feather; "
    "- for CSV on standard input), of which --target names the column to predict.",
)
@click.argument("data", shell_complete=data_names)
@click.option(
    "--hidden",
    default=HIDDEN,
    show_default=_or_preset(HIDDEN),
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
@click.option(
    "--loss",
    type=OneOf(lambda: dict.fromkeys((*LOSSES.presets, *of_table.LOSSES))),
    help="Default: cross_entropy for classes, mse for numbers. Of tables poisson, gamma and binary_cross_entropy, too.",
)
@click.option("--optimizer", type=OneOf(lambda: OPTIMIZERS.presets), default="adam", show_default=True)
@click.option(
    "--lr",
    type=PositiveNumber(),
    help="Learning rate; by default one that suits the optimizer, of a table its preset's.",
)
@click.option("--schedule", type=click.Choice(SCHEDULES), default="one_cycle", show_default=True)
@click.option("--warmup", type=click.IntRange(min=0), default=0, help="Steps over which the rate rises from 0 first.")
@click.option("--weight-decay", type=click.FloatRange(min=0), default=0.0, show_default=_or_preset(0.0))
@click.option(
    "--dropout", type=click.FloatRange(0, 1, max_open=True), default=DROPOUT, show_default=_or_preset(DROPOUT)
)
@click.option("--clip-norm", type=of_fit("clip_norm"), help="Limit on the norm of all gradients together.")
@click.option(
    "--epochs",
    type=of_fit("epochs"),
    default=EPOCHS,
    show_default=_or_preset(EPOCHS),
    help="In total, resumed ones too.",
)
@click.option("--batch-size", type=of_fit("batch_size"), default=BATCH, show_default=True)
@click.option(
    "--validation",
    type=ShareOrFile(),
    default=0.0,
    help="Share of the training data to hold out; of a table also a file of rows. They take the place of its folds.",
)
@click.option(
    "--early-stop", type=of_fit("early_stop"), help="Stop after so many epochs without improvement; keep the best."
)
@click.option("--init", default="default", show_default=True, help="Initializer of the weights, as kaiming_normal.")
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
@with_options(TRAINING, READING)
def command(**options: Any) -> int:
    from schuss.data.table import is_table

    _check_out(options)
    context, of_tables = click.get_current_context(), (*TRAINING, *READING)
    if is_table(options["data"], bool(options["target"])):
        from schuss.cli.tables.train import TrainTable

        return TrainTable(options, context).run()
    check_of_tables(context, of_tables, options["data"])
    _check_of_arrays(options)
    options = {name: value for name, value in options.items() if name not in of_tables}
    if options["net"] is not None:
        _check_alone(click.get_current_context())
    from schuss.cli.training.run import TrainCommand

    return TrainCommand(options).run()


def _check_out(options: dict[str, Any]) -> None:
    """UsageError for a name of another format. What --resume goes on with has its name already."""
    from schuss.errors import UsageError

    out: Path | None = options["out"]
    if out is not None and out.suffix.lower() not in ("", ENDING) and not options["resume"]:
        raise UsageError(f"--out {out}: a model's file is {ENDING}, not {out.suffix}; give {out.with_suffix(ENDING)}")


def _check_of_arrays(options: dict[str, Any]) -> None:
    """UsageError for values of options that tables alone have."""
    from schuss.errors import UsageError

    if options["loss"] is not None and options["loss"] not in LOSSES.presets:
        known = ", ".join(LOSSES.presets)
        raise UsageError(
            f"--loss {options['loss']} is for tables, and {options['data']} is not one; give one of {known}"
        )
    if isinstance(options["validation"], str):
        raise UsageError(
            f"--validation {options['validation']}: is no share, as 0.2; a file is for tables (CSV, Parquet, Feather)"
        )


def _check_alone(context: click.Context) -> None:
    """UsageError where beside --net something is said of the network that the command would make."""
    from schuss.errors import UsageError

    for option in ("hidden", "activation", "dropout", "init"):
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--net gives the whole network: leave out --{option}, or say it in the file")
