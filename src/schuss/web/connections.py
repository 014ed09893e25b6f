"""Connections to the page: idle ones never keep a new one out, whoever holds them."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 64  # open at once; a browser keeps six and a stream


class Connection(H11Protocol):
    """uvicorn's, of which at most MOST are open: a further one takes the place of the one that has been idle longest.

    Idle is one without a request or whose last one is answered. (uvicorn's own limit refuses whatever comes, for as
    long as others hold their connections: any program of the machine could lock the page, without its token.) Where
    none is idle, which takes the token, the new one is closed.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection, the last of those that are open."""
        self.since = self.loop.time()
        super().connection_made(transport)
        opened = [c for c in self.connections if isinstance(c, Connection) and not c.transport.is_closing()]
        if len(opened) > MOST:
            min((c for c in opened if c.is_idle), key=lambda c: c.since).transport.close()

    def on_response_complete(self) -> None:
        """Idle from now on."""
        self.since = self.loop.time()
        super().on_response_complete()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request."""
        return self.cycle is None or self.cycle.response_complete
