"""What code costs, as a number of calls: it does not hang on the machine's speed or load."""

from __future__ import annotations

import gc
import sys


def python_calls(f):
    """The number of Python functions that run in f(); not those of whatever older tests left for the collector."""
    count = 0
    gc.collect()
    gc.disable()

    def note(frame, event, arg):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        f()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count
