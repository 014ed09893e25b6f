"""Steering a run while it goes on: pause, resume, single steps, stop, another learning rate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from schuss.constraints import NOT_NEGATIVE, Flag, Whole, check
from schuss.errors import UsageError

Request = tuple[str, Any]
"""What was asked for, with the number of steps, (the learning rate, whether it is held) or the reason."""
BY_HAND = "stopped by hand"


def _free(hold: bool) -> str | None:
    """Of no run: whatever is asked for waits for one."""
    return None


class Control:
    """What `fit(..., control=control)` obeys. Its methods may be called from any thread, at any time.

    The run looks at it between slices of steps, about 12 times a second; what was asked for happens then, in order, and
    is recorded in `run.changes`. A step that takes about a second longer after `pause`, `step` or `stop` is given up:
    the run is then where its last snapshot is, a step or a few before, and goes on from there to the same bits. A
    single step is not given up for another one.

    What is asked for before a run begins waits for it. A control steers one run at a time, and is as new when that has
    ended. UsageError for arguments out of range, and for a second run meanwhile.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Request] = []  # not yet seen by the run
        self._paused = False
        self._why_fixed: Callable[[bool], str | None] = _free  # why the running optimizer's rate cannot be changed
        self._running = False
        self._held = False  # this and the next two: what the run has seen; only its thread writes them
        self._granted = 0  # single steps yet to be done
        self._reason: str | None = None

    # -- for whoever steers --------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether the run is paused or will be at its next look, also while single steps are done."""
        return self._paused

    def pause(self) -> None:
        """Wait after the slice that is being computed, until `resume`, `step` or `stop`."""
        with self._changed:
            if not self._paused or any(what == "step" for what, _ in self._requests) or self._granted:
                self._ask("pause", None, paused=True)

    def resume(self) -> None:
        """Go on after a pause. Nothing happens if there is none."""
        with self._changed:
            if self._paused:
                self._ask("resume", None, paused=False)

    def step(self, count: int = 1) -> None:
        """Do so many steps, of one batch each, then be paused."""
        check("step", {"count": Whole()}, {"count": count})
        self._ask("step", int(count), paused=True)

    def stop(self, reason: str = BY_HAND) -> None:
        """End the run after the slice that is being computed. The reason is what `run.stopped` will say."""
        if not isinstance(reason, str) or not reason:
            raise UsageError(f"stop: the reason must be a text, got {reason!r}")
        self._ask("stop", reason)

    def set_rate(self, lr: float, hold: bool = True) -> None:
        """Use this learning rate, at least 0, from the next slice on.

        hold  True: it stays as it is, whatever the schedule says, until it is set again. False: the schedule goes on in
              proportion, its values multiplied by the factor that makes the present one `lr`; where that is 0, none
              does. Without a schedule both are the same.

        The rates of the optimizer's groups change in proportion; `lr` is that of the history's column "lr".

        UsageError if the running optimizer is one of the user's own without the state "lr_factor" or, to hold a
        schedule, "lr_held": its rate must be lr * lr_factor + lr_held.
        """
        check("set_rate", {"lr": NOT_NEGATIVE, "hold": Flag()}, {"lr": lr, "hold": hold})
        with self._changed:
            why = self._why_fixed(bool(hold))
            if why is not None:
                raise UsageError(f"set_rate: {why}")
            if self._requests and self._requests[-1][0] == "lr":  # a slider being dragged: only its last place counts
                self._requests.pop()
            self._ask("lr", (float(lr), bool(hold)))

    def _ask(self, what: str, value: Any, paused: bool | None = None) -> None:
        with self._changed:
            self._requests.append((what, value))
            self._paused = self._paused if paused is None else paused
            self._changed.notify_all()

    # -- for the run ---------------------------------------------------------------------------------

    def attach(self, why_fixed: Callable[[bool], str | None]) -> None:
        """A run is being made for it. why_fixed: says why its rate cannot be changed or, for True, be held; None if it
        can.

        UsageError if that was asked for already and cannot be, or while another run uses it.
        """
        with self._changed:
            self._check_free()
            for what, value in self._requests:
                if what == "lr" and (why := why_fixed(value[1])) is not None:
                    raise UsageError(f"set_rate: {why}")
            self._why_fixed = why_fixed

    def begin(self) -> None:
        """The run begins: until `detach` the control is its own. UsageError while another one uses it."""
        with self._changed:
            self._check_free()
            self._running = True

    def _check_free(self) -> None:
        if self._running:
            raise UsageError("fit: this control steers another run; wait for its end, or give each a schuss.Control")

    def detach(self) -> None:
        """The run has ended: what it did not see is forgotten."""
        with self._changed:
            self._requests, self._paused, self._why_fixed, self._running = [], False, _free, False
            self._held, self._granted, self._reason = False, 0, None

    def take(self) -> list[Request]:
        """What was asked for since the last look, in order; from now on it holds."""
        with self._changed:
            taken, self._requests = self._requests, []
        for what, value in taken:
            if what in ("pause", "resume", "step"):
                self._held = what != "resume"
                self._granted = self._granted + value if what == "step" else 0
            elif what == "stop":
                self._reason = self._reason or value
        return taken

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for the run to stand still or to end. Where single steps are being done, who asks for
        more of them waits for no such thing.
        """
        waited_for = ("pause", "stop") if self._held else ("pause", "step", "stop")
        return any(what in waited_for for what, _ in list(self._requests))

    @property
    def reason(self) -> str | None:
        """Why the run must stop, if it must."""
        return self._reason

    @property
    def holds(self) -> bool:
        """Whether the run must wait."""
        return self._held and not self._granted and self._reason is None

    def grant(self, count: int) -> int:
        """How many of so many steps are done now; single steps that were asked for are used up."""
        if not self._granted:
            return count
        count = min(count, self._granted)
        self._granted -= count
        return count

    def wait(self, seconds: float) -> None:
        """Until something is asked for, or the time is up."""
        with self._changed:
            if not self._requests:
                self._changed.wait(seconds)


__all__ = ["BY_HAND", "Control"]
