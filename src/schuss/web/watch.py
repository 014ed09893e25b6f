"""The page from Python: of a run while `fit(..., watch=True)` trains it, and of a finished one, in this process."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np

from schuss import nn
from schuss.analysis.plane import principal
from schuss.analysis.runs import signature_kept, spread
from schuss.dispatch import BEGIN_PAGE
from schuss.errors import UsageError
from schuss.train.position import Progress
from schuss.train.run import Run
from schuss.train.trainer import Trainer
from schuss.web import check_installed
from schuss.web.live import Live, moment_event
from schuss.web.mountain import KNOTS
from schuss.web.session import Event, Session
from schuss.web.subject import Subject

FRAME = 760  # pixels of the frame in a notebook


class Watched:
    """A page of this process, on loopback with a random token in its address, from now until `close` or the process's
    end. In a notebook it shows itself as a frame.

    address  where it is
    """

    def __init__(self, session: Session, port: int = 0, calm: bool = False) -> None:
        from schuss.web.server import Page

        self._page = Page(session, port, calm, framed=True).start()
        self.address = self._page.address

    def open(self) -> None:
        """Open it in the browser."""
        self._page.open()

    def close(self) -> None:
        """End the page. A run in training goes on."""
        self._page.stop()

    def wait(self) -> None:
        """Serve until Ctrl-C, as at the end of a script, and close the page."""
        try:
            while True:
                time.sleep(1.0)
        except KeyboardInterrupt:
            self.close()

    def calm_down(self) -> None:
        """Nothing trains any more: numpy has all its threads again."""
        self._page.relax()

    def _repr_html_(self) -> str:
        source = html.escape(self.address, quote=True)
        return f'<iframe src="{source}" width="100%" height="{FRAME}" style="border:0" title="schuss"></iframe>'

    def __repr__(self) -> str:
        return f"page at {self.address}"


_open: WeakValueDictionary[int, Run] = WeakValueDictionary()  # runs that have a page, by id
_pages: dict[int, Watched] = {}


def watch(run: Any, *, data: Any = None, port: int = 0, open: bool | None = None) -> Watched:
    """Open a page of a run: its history, graph, function and landscape, for any model, class and loss.

    run   what `fit` returned; or a fitted or loaded model
    data  (x, y) to look at; None: the run's own. A model alone has none. Of a table's model a data frame of rows; None:
          rows drawn from what the model holds
    port  0: any that is free
    open  open the browser; None: on a desktop's terminal

    A model that was not fitted goes in as `viz.as_run(model, x, y, loss=...)`. The page of a run that already has one
    (`fit(..., watch=True)`) is that one. UsageError for anything else, for a port that is taken, and if schuss[web] is
    not installed.
    """
    check_installed()
    if isinstance(run, Run) and data is None:
        known = _pages.get(id(run))
        if known is not None and _open.get(id(run)) is run and known._page.is_open:
            return known
        session: Session = Finished(run)
    else:
        session = _of_model(run.model if isinstance(run, Run) else run, data)
    page = Watched(session, port)
    if isinstance(run, Run):
        _keep(run, page)
    _show(page, open)
    return page


@BEGIN_PAGE.fill
def begin(trainer: Trainer) -> Beside:
    """The page beside a trainer's run, open from now on."""
    check_installed()
    return Beside(trainer)


class Beside:
    """What `fit` tells the page of its run."""

    def __init__(self, trainer: Trainer) -> None:
        self._live = Live(trainer, trainer.control, "from Python")
        self._page = Watched(self._live, calm=not trainer.loop.by_numpy)
        _keep(trainer.run, self._page)
        self._live.start()
        _show(self._page, None)

    def progress(self, at: Progress) -> None:
        """Where the run is."""
        self._live.progress(at)

    def finish(self) -> None:
        """The run has ended, well or not; the page stays."""
        self._live.finish()
        self._page.calm_down()


class Finished(Session):
    """A run that has ended, with the weights of its moments."""

    def __init__(self, run: Run) -> None:
        if run.task is None or run.data is None:
            raise UsageError("watch: this run knows no data; give (x, y) as data")
        weights = {name: np.array(p.data) for name, p in nn.named_parameters(run.model).items()}
        subject = Subject(
            run.task, run.data, run.validation, lambda: (run.steps, weights), signature=signature_kept(run)
        )
        seconds = sum(run.history.get("seconds", ()))
        super().__init__(subject, "from Python", {**run.record(), "seconds": seconds})
        self._run = run
        self._on_plane = self._projected()
        self.begin_quality()

    def moments(self) -> list[Event]:
        return [moment_event(m) for m in self._run.path]

    def path(self) -> list[list[float]]:
        return self._on_plane

    def _projected(self) -> list[list[float]]:
        """The visited weights on the plane in which they moved most."""
        path = self._run.path
        if len(path) < 3:
            return []
        chosen = [path[i] for i in spread(len(path), KNOTS)]
        plane = principal(chosen[-1].weights, [m.weights for m in chosen], 0)
        at = plane.project([m.weights for m in path]).tolist()
        return [[a, b, m.loss] for (a, b), m in zip(at, path, strict=True)]

    def run_for_landscape(self) -> tuple[Any, Literal["path", "random"]]:
        if len(self._run.path) < 3:
            return super().run_for_landscape()
        return self.subject.as_run(self._run.path), "path"


def _of_table(model: Any, data: Any) -> Session:
    from schuss.tabular.explainer import Explainer
    from schuss.tabular.frame import as_frame
    from schuss.web.tables import table_view

    frame = None if data is None else as_frame(data, "data")
    asked = Explainer(model, frame, what="data")
    y = None if frame is None else asked.targets_or_none(frame, "data")
    return table_view(model, "from Python", asked, y, "" if frame is None else "the data")


def _of_model(model: Any, data: Any) -> Session:
    from schuss.analysis.runs import as_run
    from schuss.tabular.finished import columns_of
    from schuss.web.session import view

    known = nn.signature_of(model)
    if columns_of(known) is not None:
        return _of_table(model, data)
    if known is None or known.loss is None:
        raise UsageError(
            "watch: the model was not fitted, so what it learns is not known: fit it, or watch "
            "viz.as_run(model, x, y, loss=...); with a fitted model data=(x, y)"
        )
    session = view(model, "from Python")
    if data is None:
        return session
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise UsageError(f"watch: data must be a pair (x, y), got {type(data).__name__}")
    made = as_run(model, *data)
    subject = Subject(made.task or session.subject.task, made.data, None, session.subject.snapshot)
    found = Session(subject, session.label, session.record)
    found.begin_quality()
    return found


def _keep(run: Run, page: Watched) -> None:
    _open[id(run)], _pages[id(run)] = run, page


def _show(page: Watched, opened: bool | None) -> None:
    """In a notebook as a frame; else its address on stderr, and in the browser where that is wanted."""
    from schuss.web.server import on_a_desktop

    display = _notebook()
    if display is not None:
        display(page)
        return
    print(repr(page), file=sys.stderr)
    if opened or (opened is None and on_a_desktop()):
        page.open()


def _notebook() -> Callable[[Any], Any] | None:
    """What shows a value in the notebook this runs in; None outside one."""
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[[Any], Any] = module.display.display
    return display


__all__ = ["Watched", "watch"]
