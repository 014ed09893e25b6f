"""Options that are of tables: how a file is read, and what a training of one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from schuss.tabular.read import Reading

Command = Callable[..., Any]
SIGNS = {"tab": "\t", "\\t": "\t", "space": " "}


def _shares(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """0.1,0.5,0.9"""
    if value is None:
        return None
    try:
        found = tuple(float(part) for part in value.split(","))
    except ValueError:
        found = ()
    if not found or len(set(found)) < len(found) or not all(0 < q < 1 for q in found):
        raise click.BadParameter(f"{value!r} are no quantiles between 0 and 1, each once, such as 0.1,0.5,0.9")
    return found


READING = {
    "delimiter": click.option("--delimiter", metavar="SIGN", help="Between the columns: , ; | or tab.  [found]"),
    "encoding": click.option("--encoding", metavar="NAME", help="Of the text: utf-8, utf-16, cp1252, ...  [found]"),
    "decimal": click.option("--decimal", type=click.Choice([".", ","]), help="The sign before decimals.  [found]"),
    "quote": click.option("--quote", metavar="SIGN", default='"', help="What quotes a text; '' for nothing."),
    "no_header": click.option("--no-header", is_flag=True, help="No line of names: columns are column1, column2, ..."),
    "missing": click.option(
        "--missing",
        multiple=True,
        metavar="TEXT",
        help="Stands for a missing value, beside NA, NaN, null, ? and others.",
    ),
}
"""How a file of text is read."""


def _missing(what: str) -> Any:
    """The option for rows that lack what is named."""
    choice = click.Choice(["error", "drop"])
    told = f"Rows without a {what}; drop leaves them out."
    return click.option(f"--{what}-missing", type=choice, default="error", show_default=True, help=told)


TARGET_MISSING = {"target_missing": _missing("target")}

TRAINING = {
    "target": click.option(
        "--target",
        multiple=True,
        metavar="COLUMN",
        help="What to predict; several, each yes or no, or of numbers, by several options or as a,b.",
    ),
    "task": click.option(
        "--task",
        metavar="TASK",
        help="classification, regression, counts or labels; by default what the target's values say.",
    ),
    "quantiles": click.option(
        "--quantiles",
        metavar="Q,Q",
        callback=_shares,
        help="Predict these quantiles, as 0.1,0.9, beside the median, in place of a mean.",
    ),
    **TARGET_MISSING,
    "preset": click.option(
        "--preset",
        metavar="PRESET",
        help="fast or best; by default best where that is about a minute of two cores. --epochs, --hidden, --lr, "
        "--dropout and --weight-decay override it.",
    ),
    "category": click.option("--category", multiple=True, metavar="COLUMN", help="Its values are names."),
    "number": click.option("--number", "--numeric", multiple=True, metavar="COLUMN", help="Its values are quantities."),
    "date": click.option(
        "--date", multiple=True, metavar="COLUMN[=FORMAT]", help="Its values are dates, as --date sold=%d/%m/%Y."
    ),
    "drop": click.option("--drop", multiple=True, metavar="COLUMN", help="It is left out."),
    "folds": click.option(
        "--folds", type=click.IntRange(min=2), help="Each kind of network has a member for each fold.  [default: 8]"
    ),
    "test": click.option(
        "--test", metavar="SHARE|FILE", help="Rows to report on; by default each fold's, or those of --validation."
    ),
    "group": click.option("--group", metavar="COLUMN", help="Rows of one group are never on both sides of a fold."),
    "time": click.option(
        "--time", metavar="COLUMN", help="Its last fifth of rows is the test, or --test says how many."
    ),
    "time_missing": _missing("time"),
    "weight": click.option("--weight", metavar="COLUMN", help="Weights of the rows."),
    "class_weight": click.option("--class-weight", type=click.Choice(["balanced"]), help="Classes count alike."),
}
"""What a training is asked for."""

ID = click.option("--id", "ids", multiple=True, metavar="COLUMN", help="Carried into the output, as it is in the file.")

OF_NETWORKS = {  # of schuss train, that are no options of tables: why
    "net": "the preset says which networks there are; --hidden, --epochs, --lr, --dropout, --weight-decay change them",
    "activation": "the preset says it", "init": "the preset says it", "batch_size": "it goes by the number of rows",
    "optimizer": "it is AdamW; --lr and --weight-decay are its settings",
    "schedule": "the rate rises, then falls by a cosine", "warmup": "the rate rises, then falls by a cosine",
    "clip_norm": "gradients of tables are not clipped", "early_stop": "epochs are few, and set: --epochs",
    "scale": "columns are scaled by their quantiles", "dtype": "networks of tables compute in float32",
    "backend": "networks of tables are compiled", "keep_path": "an ensemble has no single path",
}  # fmt: skip


LOSSES = ("mse", "mae", "huber", "quantile", "poisson", "gamma", "cross_entropy", "binary_cross_entropy", "focal")
"""Those of tables (schuss.tabular.objectives)."""


def with_options(*tables: dict[str, Any]) -> Callable[[Command], Command]:
    """A decorator: the options of these tables."""

    def decorate(command: Command) -> Command:
        for table in reversed(tables):
            for option in reversed(table.values()):
                command = option(command)
        return command

    return decorate


def given(context: click.Context, names: Iterable[str]) -> list[str]:
    """Those of the parameters that stand on the command line."""
    return [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def option_of(context: click.Context, name: str) -> str:
    """What a parameter is called on the command line."""
    parameter = next(p for p in context.command.params if p.name == name)
    return max(parameter.opts, key=len)


def check_of_tables(context: click.Context, names: Iterable[str], place: str, what: str = "a table") -> None:
    """UsageError where one of the parameters, which are of tables, is given with a place where there is no such."""
    from schuss.errors import UsageError

    if wrong := given(context, names):
        raise UsageError(
            f"{option_of(context, wrong[0])} is for tables (CSV, Parquet, Feather), and {place} is not {what}"
        )


def check_of_networks(context: click.Context) -> None:
    """UsageError where a parameter is given that means nothing for a table."""
    from schuss.errors import UsageError

    if wrong := given(context, OF_NETWORKS):
        raise UsageError(f"{option_of(context, wrong[0])} is not for tables: {OF_NETWORKS[wrong[0]]}")


def reading_of(options: dict[str, Any]) -> Reading:
    """How the options say a file is read."""
    from schuss.tabular.kind import MISSING
    from schuss.tabular.read import Reading

    delimiter = options["delimiter"]
    return Reading(
        SIGNS.get(delimiter, delimiter), options["encoding"], options["decimal"],
        False if options["no_header"] else None, options["quote"], (*MISSING, *options["missing"]),
    )  # fmt: skip


class Sectioned(click.Command):
    """A command whose help has by themselves the options that tables alone have, and those that they have not."""

    sections: ClassVar = {"Not of tables": tuple(OF_NETWORKS), "Tables": (*READING, *TRAINING, "ids")}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        apart = {name for names in self.sections.values() for name in names}
        rows = [(p.name, record) for p in self.get_params(ctx) if (record := p.get_help_record(ctx)) is not None]
        parts = {"Options": [record for name, record in rows if name not in apart]}
        parts |= {title: [record for name, record in rows if name in names] for title, names in self.sections.items()}
        for title, records in parts.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
