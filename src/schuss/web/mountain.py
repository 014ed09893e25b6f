"""The mountain while training: the path so far on a plane through it, and a coarse surface within a budget of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from schuss import nn
from schuss.analysis.plane import Plane, principal
from schuss.analysis.runs import spread
from schuss.nn.walk import weights_of
from schuss.train.moments import Moment
from schuss.web.session import Session
from schuss.web.worker import behind

SHARE = 0.01  # of the run's time may go into surfaces,
PATH_SHARE = 0.004  # and into putting the path on its plane
SIZE = 15
ROWS = (100, 1000)  # of the fixed sample: fewer for models that take long
WORK = 1e9  # floating point operations for the surface's rows, about
KNOTS = 12  # moments the plane is laid through
WAIT = 0.5  # seconds between two looks
FIRST = 0.2  # seconds of the first surface, before one has been measured


class Mountain:
    """The path and the surface of a live run, in a thread of its own that gives way to the training's.

    session  whose readers see them
    moments  gives what the run has recorded so far
    paused   says whether the training waits
    ended    is set when the run has ended
    path     [a, b, loss] for each recorded moment
    """

    def __init__(
        self,
        session: Session,
        moments: Callable[[], Sequence[Moment]],
        paused: Callable[[], bool],
        ended: threading.Event,
    ) -> None:
        self._session, self._moments, self._paused, self._ended = session, moments, paused, ended
        self.path: list[list[float]] = []
        self._plane: Plane | None = None
        self._new_plane: Plane | None = None  # of a surface, not in use yet
        self._has_surface = False
        self._knots = 0
        self._known: dict[int, list[float]] = {}  # step -> point on the plane in use
        self._spent = 0.0  # seconds of computing so far
        self._cost = FIRST  # seconds of the last surface
        self._rest = WAIT  # seconds until the path is looked at again
        self._drawn = -1  # the step of the last surface
        size = sum(p.data.size for p in nn.named_parameters(session.subject.model).values())
        self.rows = int(min(max(WORK / (60 * size), ROWS[0]), ROWS[1]))
        self._thread = threading.Thread(target=self._work, name="schuss-page-mountain", daemon=True)

    def start(self) -> None:
        """Begin to follow the run."""
        self._thread.start()

    def use(self, found: Any, run: Any) -> None:
        """From now on the path lies on this surface's plane. From any thread."""
        origin = weights_of(run.model)
        self._new_plane, self._has_surface = Plane(origin, found.directions), True

    def _work(self) -> None:
        behind()
        start = time.perf_counter()
        while not self._ended.wait(self._rest):
            self._session.guarded(self._follow, "following the path")
            allowed = (time.perf_counter() - start) * SHARE
            if self._paused() or allowed >= self._spent + self._cost:
                self._session.guarded(self._surface, "the coarse surface")
        self._session.guarded(self._follow, "following the path")
        self._session.guarded(self._surface, "the coarse surface")

    def _follow(self) -> None:
        """Put the new moments on the plane, which is laid anew when their number has doubled."""
        path = list(self._moments())
        if len(path) < 3:
            return
        began = time.thread_time()
        new_plane, self._new_plane = self._new_plane, None
        if new_plane is not None:
            self._plane, self._known = new_plane, {}
        elif self._plane is None or (not self._has_surface and len(path) >= 2 * self._knots):
            chosen = [path[i] for i in spread(len(path), KNOTS)]
            self._plane = principal(chosen[-1].weights, [m.weights for m in chosen], 0)
            self._knots, self._known = len(path), {}
        new = [m for m in path if m.step not in self._known]
        if not new:
            return
        for moment, (a, b) in zip(new, self._plane.project([m.weights for m in new]).tolist(), strict=True):
            self._known[moment.step] = [float(f"{v:.6g}") for v in (a, b, moment.loss)]
        kept = {m.step for m in path}
        self._known = {step: point for step, point in self._known.items() if step in kept}
        self.path = [self._known[m.step] for m in path]
        self._rest = max(WAIT, (time.thread_time() - began) / PATH_SHARE)
        self._session.send({"type": "path", "path": self.path})

    def _surface(self) -> None:
        """The coarse surface around the path so far. A fine one that was asked for stays until there is more path."""
        from schuss.analysis.landscape import landscape_data

        path = list(self._moments())
        if len(path) < 3 or path[-1].step == self._drawn:
            return
        began, self._drawn = time.thread_time(), path[-1].step
        try:
            run = self._session.subject.as_run([path[i] for i in spread(len(path), KNOTS)])
            found = landscape_data(run, size=SIZE, rows=self.rows, threads=1, progress=False)
            self._session.show_landscape(found, run, fine=False)
        finally:  # one that failed took its time too
            self._cost = time.thread_time() - began
            self._spent += self._cost
        self._follow()
