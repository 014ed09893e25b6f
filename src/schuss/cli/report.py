"""schuss report: the pictures of a finished model in one file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from schuss.cli.completion import data_names
from schuss.cli.models import opened
from schuss.cli.say import say
from schuss.cli.view import data_of


@click.command("report")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data", shell_complete=data_names, help="As for train; by default mnist for a model that was trained on it."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; by default MODEL with .html at its end.",
)
def command(model: Path, data: str | None, output: Path | None) -> None:
    """Write the pictures of MODEL into one HTML file that needs nothing else, to read offline or print.

    History, weights and parameters always; with data also the graph, the landscape, the confusion matrix, mistakes,
    saliency, activations, and for 1 or 2 inputs the function.
    """
    from schuss.errors import UsageError
    from schuss.paths import atomic_write, check_writable
    from schuss.viz.style import pyplot

    target = output or model.with_suffix(".html")
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {target}: the name must end in .html")
    check_writable(target)  # before the pictures, which take a while
    pyplot(into_files=True)
    network = opened(model)
    dataset = data_of(network, data)

    from schuss.web.report import Report

    shown = sys.stderr is not None and sys.stderr.isatty()

    def progress(title: str) -> None:
        if shown:
            click.echo(f"\r\x1b[K{title} ...", err=True, nl=False)

    text = Report(network, model.name, dataset, progress).html()
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)
    atomic_write(target, text.encode())
    say(f"{target}  {len(text.encode()):,} bytes")
