"""schuss view: the page of a finished model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from schuss.cli import models
from schuss.cli.completion import data_names
from schuss.cli.pages import page_options, show, stay
from schuss.cli.tables.models import columns_of
from schuss.cli.tables.options import READING, Sectioned, check_of_tables, reading_of, with_options
from schuss.tables import SOURCES


@click.command("view", cls=Sectioned)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", required=False, shell_complete=data_names)
@click.option("--data", "named", shell_complete=data_names, help="The same as DATA.")
@page_options
@with_options(READING)
def command(model: Path, data: str | None, named: str | None, port: int, opened: bool | None, **how: Any) -> int:
    """Open a page of MODEL on this machine: its history, graph, function and landscape, and a playground.

    The graph's values and gradients, the landscape and the curve's points need DATA, which is as for train; by default
    it is mnist for a model that was trained on it.

    Of a model of a table it shows the report, how the prediction depends on each column, a form to try rows in, and
    what moved the prediction of one. DATA is a table, of whose rows this is; without one they are drawn from the
    quantiles and levels in the model's file.
    """
    from schuss.nn.holding import signature_of
    from schuss.web import check_installed

    check_installed()
    network = models.opened(model)
    signature = signature_of(network)
    place = given(data, named)
    if signature is not None and columns_of(signature) is not None:
        from schuss.cli.tables.pages import explained, source_of
        from schuss.web.tables import table_view

        asked, y = explained(network, place, reading_of(how))
        session = table_view(network, model.name, asked, y, source_of(place))
    else:
        from schuss.web.session import view

        check_of_tables(click.get_current_context(), READING, str(model), "a model of a table")
        session = view(network, model.name, data_of(network, place))

    from schuss.web.server import Page

    page = Page(session, port).start()
    show(page, opened)
    return stay(page, f"{model} is shown")


def given(data: str | None, named: str | None) -> str | None:
    """DATA or --data. UsageError for both."""
    from schuss.errors import UsageError

    if data is not None and named is not None:
        raise UsageError(f"{data} and --data {named} are both data: give one of them")
    return data if named is None else named


def data_of(network: object, place: str | None) -> object:
    """The data set that was given, or the one that the model's record names if it has a name of its own, as mnist has;
    or None.

    DataError for a model of several inputs: a data set has one.
    """
    from schuss.data import load_dataset
    from schuss.errors import DataError
    from schuss.nn.holding import signature_of

    signature = signature_of(network)
    settings = (signature.record if signature is not None else {}).get("settings") or {}
    known = settings.get("data")
    if place is None and isinstance(known, str) and known in SOURCES.places:
        place = known
    if place is None:
        return None
    if signature is not None and len(signature.inputs) > 1:
        count = len(signature.inputs)
        raise DataError(f"the model takes {count} inputs and a data set has one; leave --data out, or work from Python")
    return models.labelled(load_dataset(place), signature)
