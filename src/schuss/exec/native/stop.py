"""Giving up a native call that takes long, from outside.

A large program (Tuning.looks) reads a word in memory between pieces of its work. Its threads are a team's; the caller
only waits for them, so that Python's handlers of signals run meanwhile, and sets the word where one of them raises, or
where it is told to hurry. What a step that was given up has made is not whole: nobody may use it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def never() -> bool:
    """Of a call that only an exception ends."""
    return False


class Stop:
    """The word, the mark that a program leaves where it has given up, and whoever is asked meanwhile.

    words  [told, 1 + the number of the step that was given up], where the program reads and writes them (Plan.stop)
    """

    def __init__(self) -> None:
        self.words = np.zeros(2, np.int64)
        self._hurry: Callable[[], bool] = never

    def begin(self, hurry: Callable[[], bool] | None = None) -> None:
        """A call begins. hurry: asked a few times a second, says whether to give up."""
        self.words[:] = 0
        self._hurry = hurry or never

    def look(self) -> None:
        """The caller, who waits, asks."""
        if not self.told and self._hurry():
            self.tell()

    def tell(self) -> None:
        """Have the threads give up."""
        self.words[0] = 1

    @property
    def told(self) -> bool:
        """Whether they are to."""
        return bool(self.words[0])

    @property
    def given_up(self) -> bool:
        """Whether they have: they may have been done before they saw it."""
        return bool(self.words[1])
