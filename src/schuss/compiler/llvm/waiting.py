"""What a thread calls to sleep at a barrier. It is asked for where code comes from the cache, too: beside barrier.py,
which makes code, it would load what makes code, for longer than some steps take to plan.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from typing import Any

# Linux's futex: sleep while a word has a value, wake all that sleep on it. Its number where our code runs.
FUTEX = {"x86_64": 202, "aarch64": 98}
_IDLE = ctypes.CFUNCTYPE(None)(lambda: None)


@cache
def wait_function_address() -> int:
    """Address of what a waiting thread calls: `syscall` where barriers sleep, else the platform's way to yield."""
    try:
        if sys.platform == "win32":
            function: Any = ctypes.WinDLL("kernel32").SwitchToThread
        elif sys.platform == "linux" and platform.machine() in FUTEX:
            function = ctypes.CDLL(None).syscall
        else:
            function = ctypes.CDLL(None).sched_yield
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    except (OSError, AttributeError):
        return ctypes.cast(_IDLE, ctypes.c_void_p).value or 0
