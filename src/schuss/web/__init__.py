"""The local page: a run watched while it goes on, a finished model looked at, and a playground.

A server on loopback only (starlette, uvicorn) with a random token in its address; the page itself lies in `static`
and needs nothing from the internet. Loaded when it is asked for, so that training without it costs nothing.
"""

from __future__ import annotations

from importlib.util import find_spec

from schuss.asking import lacking
from schuss.errors import UsageError

NEEDED = ("starlette", "uvicorn", "threadpoolctl")


def check_installed() -> None:
    """UsageError, in one line, if what the page needs is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(lacking("the page needs", ", ".join(missing), "web"))
