"""What a shell offers for DATA."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from schuss.tables import SOURCES


def data_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The data that have a name, as those in the package, or the shell's own files and folders."""
    named = [CompletionItem(name, help=told) for name, told in SOURCES.places.items()]
    offered = [item for item in named if incomplete and str(item.value).startswith(incomplete)]
    return offered or [CompletionItem(incomplete, type="file")]
