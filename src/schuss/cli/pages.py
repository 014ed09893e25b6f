"""What the commands with a page share: its options, opening it, and staying until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import click

from schuss.cli.say import say

PORT = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="any that is free",
    help="Of the page, on loopback.",
)
OPEN = click.option(
    "--open/--no-open", "opened", default=None, help="Open the page in the browser; by default on a desktop's terminal."
)


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--port and --open."""
    return PORT(OPEN(command))


def show(page: Any, opened: bool | None) -> None:
    """Say where the page is, on stderr, and open it where that is wanted."""
    from schuss.web.server import on_a_desktop

    say(f"page at {page.address}", err=True)
    if opened or (opened is None and on_a_desktop()):
        page.open()


def stay(page: Any, why: str, leave: bool = False) -> int:
    """Serve until Ctrl-C (0) or SIGTERM (143); not at all if it was asked to leave already."""
    ended = threading.Event()
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        ended.set()

    if leave:
        page.stop()
        return 0
    before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        say(f"{why}; Ctrl-C ends it", err=True)
        while not ended.wait(1.0):  # in pieces: on Windows a wait without end cannot be interrupted
            pass
    finally:
        page.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if caught[0] == signal.SIGINT else 128 + caught[0]
