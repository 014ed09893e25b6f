"""What the server holds: the main session, the playground if one is open, and who listens."""

from __future__ import annotations

import time
from typing import Any

from schuss.web.session import Event, Session
from schuss.web.stream import Hub
from schuss.web.worker import Worker

FRESH = 0.2  # seconds a graph is shown again without being computed
GRAPH_SHARE = 0.04  # of the time may go into the same graph again and again while something is trained
SAME = 3.0  # seconds in which its numbers are those of the picture that was sent


class Site:
    """One page: `main` is what it was opened for, `current` what it shows now."""

    def __init__(self, main: Session) -> None:
        self.main = self.current = main
        self.hub = Hub(self._hello)
        self.worker = Worker()
        self.player = Worker()  # starts and ends playgrounds, one after the other
        self._graphs: dict[Any, tuple[float, int, Any]] = {}  # the last: until when it is fresh, its step, the picture
        self._connect(main)

    def _hello(self) -> Event:
        return self.current.hello()

    def _connect(self, session: Session) -> None:
        """Let a session's events reach the readers while it is the one that is shown."""

        def send(event: Event) -> None:
            if session is self.current:
                self.hub.send(event)

        session.send = send

    def show(self, session: Session) -> None:
        """Make a session the one that is shown."""
        old, self.current = self.current, session
        self._connect(session)
        self._graphs.clear()
        if old is not self.main and old is not session:
            old.close()
        self.hub.send(session.hello())

    def graph(self, name: str, index: int, choice: dict[str, Any], numbers: bool) -> Any:
        """The graph of one example. The same question again soon, or of the same weights, is answered with the same
        picture: the numbers that are asked for after a picture are of its weights, and following a graph live slows the
        training but little.
        """
        key = (id(self.current), name, index, *sorted(choice.items()))
        until, drawn, picture = self._graphs.get(key, (0.0, -1, None))
        began, step = time.monotonic(), self.current.subject.snapshot()[0]
        if picture is None or (step != drawn and began > (until + SAME if numbers else until)):
            picture = self.current.subject.graph(name, index, **choice)
            took = time.monotonic() - began
            rest = took / GRAPH_SHARE if self.current.busy else 0.0
            self._graphs = {key: (time.monotonic() + max(FRESH, rest), step, picture)}
        return picture

    def play(self, message: dict[str, Any]) -> None:
        """Start a playground in place of the one there is; without data go back to the main session."""
        from schuss.web.play import playground

        if message.get("data", "") is None:
            if self.current is not self.main:
                self.show(self.main)
            return
        session = playground(message)  # complains before anything is stopped
        self.show(session)  # which stops the one before
        session.begin()

    def close(self) -> None:
        """End whatever is playing or computed; the main session's run goes on."""
        self.main.cancel_landscape()
        if self.current is not self.main:
            self.current.close()
        self.worker.close()
        self.player.close()
