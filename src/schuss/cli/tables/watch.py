"""schuss train TABLE --watch: a page of the members' losses, and when they are trained of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from schuss.cli.pages import show, stay
from schuss.cli.tables.pages import source_of
from schuss.train.position import Progress
from schuss.train.progress import Bar
from schuss.train.run import Run
from schuss.web.members import Members
from schuss.web.server import Page
from schuss.web.tables import table_view

if TYPE_CHECKING:
    from schuss.tabular.fit import TableRun
    from schuss.tabular.kind import Where
    from schuss.tabular.training import Training


class WatchedTable:
    """The page of a table's training, open from now on. line: whether the terminal shows how far it is, too.

    UsageError if the port is taken.
    """

    def __init__(self, training: Training, place: str, line: bool, port: int = 0, opened: bool | None = None) -> None:
        self._members = Members(training, source_of(place))
        self._page = Page(self._members, port, calm=False).start()  # the linear model is numpy's
        self._members.start()
        self._line, self._bar = line, Bar(line, "member")
        self._of: Sequence[Run | None] | None = None
        show(self._page, opened)

    def told(self, runs: Sequence[Run | None], at: Progress) -> None:
        """Where the members of one kind are: on the page, and on the terminal a line for each kind."""
        if runs is not self._of:
            self._bar.__exit__()
            self._bar, self._of = Bar(self._line, "member"), runs
            self._bar.__enter__()
        self._bar(at)
        self._members.told(runs, at)

    def finish(self, stay: bool) -> None:
        """The training has ended. stay: with a model, so that the page stays; else it says so and ends."""
        self._bar.__exit__()
        self._members.finish()
        if not stay:
            self._page.stop()

    def stay(self, run: TableRun, record: dict[str, Any], frame: Any, where: Where, place: str, label: str) -> int:
        """Show the model by the rows of the frame that have a target, from that place, until Ctrl-C; the exit code."""
        from schuss.nn.holding import set_signature, signature_of
        from schuss.tabular.explainer import Explainer
        from schuss.tabular.frame import by_name
        from schuss.tabular.targets import known_rows

        signature = signature_of(run.model)
        assert signature is not None
        set_signature(run.model, replace(signature, record=record))
        frame = by_name(frame, [*run.kinds, *run.target.kinds])  # as the training has taken them
        kept = known_rows(frame, run.target.kinds, True, where, place)
        rows, at = (frame, where) if kept is None else (frame[kept], lambda row: where(int(kept[row])))
        asked = Explainer(run.model, rows, what=place, where=at)
        y = asked.targets_or_none(rows, place, at)
        self._page.site.show(table_view(run.model, label, asked, y, source_of(place)))
        return stay(self._page, "training has ended, the page stays")


__all__ = ["WatchedTable"]
