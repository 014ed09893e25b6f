"""What a shell offers for DATA."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def data_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The data in the package, or the shell's own files and folders."""
    if incomplete and "mnist".startswith(incomplete):
        return [CompletionItem("mnist", help="60,000 handwritten digits, in the package")]
    return [CompletionItem(incomplete, type="file")]
