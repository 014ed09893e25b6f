"""schuss report: the pictures of a finished model in one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from schuss.cli.completion import data_names
from schuss.cli.models import opened
from schuss.cli.say import say
from schuss.cli.tables.models import columns_of
from schuss.cli.tables.options import READING, Sectioned, check_of_tables, reading_of, with_options
from schuss.cli.view import data_of, given


@click.command("report", cls=Sectioned)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", required=False, shell_complete=data_names)
@click.option("--data", "named", shell_complete=data_names, help="The same as DATA.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; by default MODEL with .html at its end.",
)
@with_options(READING)
def command(model: Path, data: str | None, named: str | None, output: Path | None, **how: Any) -> None:
    """Write the pictures of MODEL into one HTML file that needs nothing else, to read offline or print.

    History, weights and parameters always; with DATA, which is as for train (by default mnist for a model that was
    trained on it), also the graph, the landscape, the confusion matrix, mistakes, saliency, activations, and for 1 or 2
    inputs the function.

    Of a model of a table it holds what was measured beside a linear and a trivial model, the parts of the answer,
    importance, and how the prediction depends on the columns; DATA is a table, as for view.
    """
    from schuss.errors import UsageError
    from schuss.paths import atomic_write, check_apart, check_writable
    from schuss.viz.style import pyplot

    target = output or model.with_suffix(".html")
    check_apart(target, "-o", model, data)
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {target}: the name must end in .html")
    check_writable(target)  # before the pictures, which take a while
    pyplot(into_files=True)
    shown = sys.stderr is not None and sys.stderr.isatty()

    def progress(title: str) -> None:
        if shown:
            click.echo(f"\r\x1b[K{title} ...", err=True, nl=False)

    text = _report(model, given(data, named), how, progress)
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)
    atomic_write(target, text.encode())
    say(f"{target}  {len(text.encode()):,} bytes")


def _report(model: Path, place: str | None, how: dict[str, Any], progress: Any) -> str:
    """The file's text."""
    from schuss.nn.holding import signature_of

    network = opened(model)
    signature = signature_of(network)
    if signature is not None and columns_of(signature) is not None:
        from schuss.cli.tables.pages import explained, source_of
        from schuss.web.table_report import TableReport

        asked, y = explained(network, place, reading_of(how))
        return TableReport(network, model.name, asked, y, source_of(place), progress).html()

    from schuss.web.report import Report

    check_of_tables(click.get_current_context(), READING, str(model), "a model of a table")
    return Report(network, model.name, data_of(network, place), progress).html()
