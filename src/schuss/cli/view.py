"""schuss view: the page of a finished model."""

from __future__ import annotations

from pathlib import Path

import click

from schuss.cli import models
from schuss.cli.completion import data_names
from schuss.cli.pages import page_options, show, stay
from schuss.cli.tables.models import columns_of
from schuss.tables import SOURCES


@click.command("view")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data", shell_complete=data_names, help="As for train; by default mnist for a model that was trained on it."
)
@page_options
def command(model: Path, data: str | None, port: int, opened: bool | None) -> int:
    """Open a page of MODEL on this machine: its history, graph, function and landscape, and a playground.

    The graph's values and gradients, the landscape and the curve's points need data.
    """
    from schuss.web import check_installed

    check_installed()
    network = models.opened(model)
    dataset = data_of(network, data)

    from schuss.web.server import Page
    from schuss.web.session import view

    page = Page(view(network, model.name, dataset), port).start()
    show(page, opened)
    return stay(page, f"{model} is shown")


def data_of(network: object, given: str | None) -> object:
    """The data set that was given, or the one that the model's record names if it has a name of its own, as mnist has;
    or None.

    DataError for a model of several inputs: a data set has one. UsageError for a table, whose rows no page shows yet.
    """
    from schuss.data import load_dataset
    from schuss.errors import DataError, UsageError
    from schuss.nn.holding import signature_of

    signature = signature_of(network)
    if columns_of(signature) is not None:
        if given:
            raise UsageError(f"--data {given}: pages of a model of a table show no rows yet; leave --data out")
        return None
    settings = (signature.record if signature is not None else {}).get("settings") or {}
    place = given or settings.get("data")
    if not isinstance(place, str) or (given is None and place not in SOURCES.places):
        return None
    if signature is not None and len(signature.inputs) > 1:
        count = len(signature.inputs)
        raise DataError(f"the model takes {count} inputs and a data set has one; leave --data out, or work from Python")
    return models.labelled(load_dataset(place), signature)
