"""What the server holds: the main session, the playground beside it if one is open, and who listens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from schuss.errors import UsageError
from schuss.tables import LAYERS, OPTIMIZERS
from schuss.web.session import Event, Session
from schuss.web.stream import Hub
from schuss.web.worker import Worker

if TYPE_CHECKING:
    from schuss.web.play import Play

MAIN, PLAY = "main", "play"
FRESH = 0.2  # seconds a graph is shown again without being computed
GRAPH_SHARE = 0.04  # of the time may go into the same graph again and again while something is trained
SAME = 3.0  # seconds in which its numbers are those of the picture that was sent


class Gone(UsageError):
    """The playground has ended: who asks for its numbers may not know yet."""


class Site:
    """One page: `main` is what it was opened for; `playing` is the playground, a session of its own.

    Every event says by "of" whose it is, and every request whom it asks.
    """

    def __init__(self, main: Session) -> None:
        self.main = main
        self.playing: Play | None = None
        self.hub = Hub(self._hellos)
        self.worker = Worker()
        self.player = Worker()  # starts and ends playgrounds, one after the other
        self.explaining = Worker()  # of tables: a second or so each, beside which a row is answered at once
        self._graphs: dict[str, tuple[Any, float, int, Any]] = {}  # the last of each session: see graph
        self._connect(main, MAIN)

    def _hellos(self) -> list[Event]:
        playing = self.playing
        return [self._hello(), *([] if playing is None else [{**playing.hello(), "of": PLAY}])]

    def _hello(self) -> Event:
        """The main session's."""
        offered = {"activation": LAYERS.presets, "optimizer": OPTIMIZERS.presets}  # to a playground
        return {**self.main.hello(), "offered": offered, "of": MAIN}

    def show(self, session: Session) -> None:
        """Another main session in place of the one there is: the model that its training gave."""
        self.main = session
        self._connect(session, MAIN)
        self._graphs.pop(MAIN, None)
        self.hub.send(self._hello())

    def _connect(self, session: Session, of: str) -> None:
        """Let a session's events reach the readers while the page has it."""

        def send(event: Event) -> None:
            if session is self.main or session is self.playing:
                self.hub.send({**event, "of": of})

        session.send = send

    def session(self, of: str) -> Session:
        """The session of that name. UsageError if there is none; Gone where that is no mistake."""
        found = {MAIN: self.main, PLAY: self.playing}.get(of)
        if found is None:
            raise Gone("the playground is not open") if of == PLAY else UsageError("of must be main or play")
        return found

    def graph(self, of: str, name: str, index: int, choice: dict[str, Any], numbers: bool) -> Any:
        """The graph of one example. The same question again soon, or of the same weights, is answered with the same
        picture: the numbers that are asked for after a picture are of its weights, and following a graph live slows the
        training but little.
        """
        session = self.session(of)
        key = (id(session), name, index, *sorted(choice.items()))
        known, until, drawn, picture = self._graphs.get(of, (None, 0.0, -1, None))
        began, step = time.monotonic(), session.subject.snapshot()[0]
        if known != key or (step != drawn and began > (until + SAME if numbers else until)):
            picture = session.subject.graph(name, index, **choice)
            took = time.monotonic() - began
            rest = took / GRAPH_SHARE if session.busy else 0.0
            self._graphs[of] = (key, time.monotonic() + max(FRESH, rest), step, picture)
        return picture

    def play(self, message: dict[str, Any]) -> None:
        """Start a playground in place of the one there is, paused if that is; without data end that one."""
        from schuss.web.play import playground

        if message.get("data", "") is None:
            self._end_playing()
            self.hub.send({"type": "gone", "of": PLAY})
            return
        session = playground(message)  # complains before anything is stopped
        if self.playing is not None and self.playing.steering.paused:  # also since this one was asked for
            session.steering.pause()
        self._end_playing()
        self.playing = session
        self._connect(session, PLAY)
        self.hub.send({**session.hello(), "of": PLAY})
        session.begin()

    def _end_playing(self) -> None:
        ended, self.playing = self.playing, None
        self._graphs.pop(PLAY, None)
        if ended is not None:
            ended.close()

    def close(self) -> None:
        """End whatever is playing or computed; the main session's run goes on."""
        self.main.cancel_landscape()
        if self.playing is not None:
            self.playing.close()
        for worker in (self.worker, self.player, self.explaining):
            worker.close()
