"""Events to any number of readers. Whoever sends never waits: what a reader is too slow for, it loses.

A state, a path, a surface replaces the one of its kind that waits still, the newest kept. Moments and epochs must not
have gaps: a reader with too many of them waiting is told everything afresh (a "hello" of each session) instead.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np

WAITING = 64  # events a reader may have waiting
READERS = 16  # at most; a further one takes the oldest one's place
SILENCE = 10.0  # seconds after which a comment is sent, to notice readers that are gone
REPLACED = ("hello", "state", "path", "landscape", "function", "note", "members", "end")

Event = Mapping[str, Any]


def plain(value: Any) -> Any:
    """What JSON can hold: arrays as lists, numbers that are not finite as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        whole = value.dtype.kind != "f" or bool(np.isfinite(value).all())
        return value.tolist() if whole else plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    return str(value)


def to_json(value: Any) -> str:
    """JSON by its standard: no NaN, no Infinity."""
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":"))


class Reader:
    """The mailbox of one open stream. Used in the server's loop only."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, str, str]] = []  # (type, JSON, whose)
        self.lost = False
        self.closed = False
        self.news = asyncio.Event()

    def put(self, kind: str, text: str, of: str = "") -> None:
        """Take an event, of the session of that name, without ever growing beyond WAITING."""
        if kind == "hello":  # says everything that the session's waiting ones say
            self.waiting = [e for e in self.waiting if e[2] != of]
        elif kind in REPLACED:
            self.waiting = [e for e in self.waiting if (e[0], e[2]) != (kind, of)]
        if len(self.waiting) >= WAITING:
            self.waiting, self.lost = [], True
        if not self.lost:
            self.waiting.append((kind, text, of))
        self.news.set()

    def close(self) -> None:
        """The stream ends when what waits has been read."""
        self.closed = True
        self.news.set()


class Hub:
    """All readers. `send` may be called from any thread and never blocks.

    hellos  everything known so far, one event a session
    """

    def __init__(self, hellos: Callable[[], Sequence[Event]]) -> None:
        self.hellos = hellos
        self.loop: asyncio.AbstractEventLoop | None = None
        self.readers: list[Reader] = []

    def send(self, event: Event) -> None:
        """Give an event, with its "type", to whoever reads. Nothing happens where nobody does."""
        loop = self.loop
        if loop is None or not self.readers:
            return
        text = to_json(event)
        try:
            loop.call_soon_threadsafe(self._put, str(event["type"]), text, str(event.get("of", "")))
        except RuntimeError:  # the server has ended
            self.loop = None

    def close(self) -> None:
        """End all streams. In the loop's thread."""
        for reader in self.readers:
            reader.close()

    def _put(self, kind: str, text: str, of: str) -> None:
        for reader in self.readers:
            reader.put(kind, text, of)

    def _everything(self) -> bytes:
        return b"".join(_framed(to_json(hello)) for hello in self.hellos())

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events of one reader, a hello first."""
        reader = Reader()
        if len(self.readers) >= READERS:
            self.readers.pop(0).close()
        self.readers.append(reader)
        try:
            yield b"retry: 1000\n\n" + self._everything()
            while True:
                piece = await self._next(reader)
                if piece is None:
                    return
                yield piece
        finally:
            if reader in self.readers:
                self.readers.remove(reader)

    async def _next(self, reader: Reader) -> bytes | None:
        """What to write next; None at the end."""
        if not reader.waiting and not reader.lost and not reader.closed:
            reader.news.clear()
            try:
                await asyncio.wait_for(reader.news.wait(), SILENCE)
            except TimeoutError:
                return b":\n\n"
        if reader.lost:
            reader.lost = False
            return self._everything()
        if reader.waiting:
            taken, reader.waiting = reader.waiting, []
            return b"".join(_framed(text) for _, text, _ in taken)
        return None if reader.closed else b""


def _framed(text: str) -> bytes:
    return b"data: " + text.encode() + b"\n\n"
