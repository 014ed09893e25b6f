"""What a shell offers for DATA."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from schuss.tables import SOURCES


def data_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The data that have a name, as those in the package, or the shell's own files and folders."""
    named = [(name, said.partition(" (")) for name, said in SOURCES.sets.items()]
    found = [CompletionItem(name, help=told.rstrip(")")) for name, (said, _, told) in named if said == name]
    offered = [item for item in found if incomplete and str(item.value).startswith(incomplete)]
    return offered or [CompletionItem(incomplete, type="file")]
