"""The command. Each command's module is imported when it is used, so that help is quick."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
import threading
import warnings
from typing import Any

import click

from schuss.asking import of_command
from schuss.calling import did_you_mean
from schuss.cli.say import say
from schuss.cli.signals import Signals, Terminated
from schuss.version import __version__

SIGNALS = Signals()  # until a command has its own way to stop
COMMANDS = {
    "train": "Train a network on digits or on data of your own.",
    "evaluate": "Loss, accuracy and a table of mistakes of a trained model.",
    "predict": "What a trained model makes of an image or array.",
    "info": "Layers, shapes and training record of a model file.",
    "graph": "The step graph, forward and backward, with every gradient rule.",
    "view": "A page of a trained model, on this machine: its graph, function and landscape.",
    "report": "One file with pictures of a trained model, to read offline or print.",
}


class LazyGroup(click.Group):
    """Knows its commands by name and one-line help; loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"schuss.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """click's, but an error says which command is meant, perhaps."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], COMMANDS)}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="schuss")
def schuss() -> None:
    """Train neural networks at full speed on a CPU, and see what happens.

    \b
    schuss train mnist --out digits.safetensors
    schuss predict digits.safetensors photo.png
    """
    click.get_current_context().with_resource(of_command())


def main(arguments: list[str] | None = None) -> None:
    """Run the command; every error is one line on stderr. Exit 1 for an error, 2 for wrong usage."""
    alone = arguments is None
    if alone:
        _open_streams()
        SIGNALS.begin()
        warnings.showwarning = _warned  # type: ignore[assignment]  # takes what it needs
    try:
        code = _run(arguments)
        sys.stdout.flush()
        _end(code, alone)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # what was written does not reach its place, as on a full disk
        say(f"Error: the output cannot be written: {error.strerror or error}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _open_streams() -> None:
    """Streams that the caller has closed become such as nothing comes out of: a file opened later must not get their
    numbers, for everything writes there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  for the rest of the process


def _warned(message: Warning | str, *_: Any) -> None:
    with contextlib.suppress(OSError):
        say(f"Warning: {_in_options(str(message))}", err=True)


def _in_options(text: str) -> str:
    """A message on one line; what fit calls scale=1/255 is --scale 1/255 here."""
    text = " ".join(text.split())
    return re.sub(r"\bscale=([\d/.]*)", r"--scale \1", text).replace("  ", " ") if text.startswith("fit: ") else text


def _end(code: int, alone: bool) -> None:
    """Leave, with all that was written. alone: the process is this command's.

    A thread of the page may be at a job, in native code that Python's own end would take from under it.
    """
    if alone and any(thread.name.startswith("schuss-page") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    """The command's exit code. A warning is one line on stderr."""
    with warnings.catch_warnings():
        warnings.showwarning = _warned  # type: ignore[assignment]  # takes what it needs
        return _tried(arguments)


def _tried(arguments: list[str] | None) -> int:
    try:
        try:
            code = schuss.main(arguments, standalone_mode=False)
        finally:
            SIGNALS.end()
        return code if isinstance(code, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _nothing_done(130)
    except Terminated:
        return _nothing_done(143)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        say(said.getvalue(), err=True, nl=False)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        cause = error.__cause__  # Python 3.11 wraps what a signal raises while a class is made in a RuntimeError
        if isinstance(cause, (KeyboardInterrupt, Terminated)):
            return _nothing_done(143 if isinstance(cause, Terminated) else 130)
        if os.environ.get("SCHUSS_DEBUG"):
            raise
        return _report(error)


def _nothing_done(code: int) -> int:
    say("stopped before anything was done that could be kept", err=True)
    return code


def _report(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    from schuss.cli.failures import told

    text, code = told(error)
    say(f"Error: {_in_options(text)}", err=True)
    return code
