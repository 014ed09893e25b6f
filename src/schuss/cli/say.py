"""Text for a terminal. Names in models and data come from files, and a terminal obeys what it should only show."""

from __future__ import annotations

import click

from schuss.errors import printable


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print the text, on stderr if `err`; what a terminal would take for a command is written as \\x1b.

    OSError if it does not reach its place, as on a full disk; BrokenPipeError if nobody reads it.
    """
    try:
        click.echo(printable(text), err=err, nl=nl)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, f"the output cannot be written: {error.strerror}") from None
