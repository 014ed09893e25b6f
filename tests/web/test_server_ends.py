"""How the server ends, what it leaves behind, and what it keeps of what it did: nothing."""

from __future__ import annotations

import gc
import os
import socket
import stat
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from schuss.web import connections
from schuss.web.server import Page
from schuss.web.session import view
from schuss.web.worker import WAITING, Busy, Worker
from tests.web.support import Client, fitted
from tests.web.test_server_stream import hung


def wait(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


# -- the worker ----------------------------------------------------------------------------------------


def test_a_worker_holds_on_to_nothing():
    class Large:
        pass

    large = Large()
    gone = weakref.ref(large)
    worker = Worker()
    assert worker.submit(lambda held=large: id(held)).result(5) == id(large)
    del large
    wait(lambda: gc.collect() is not None and gone() is None, 5)
    worker.close()


def test_a_worker_ends():
    """After the job it is at; who waits is told, whoever left is not."""
    before = set(threading.enumerate())
    worker = Worker()
    going, go_on = threading.Event(), threading.Event()

    def job() -> str:
        going.set()
        go_on.wait(10)
        return "done"

    first = worker.submit(job)
    going.wait(10)
    waiting = [worker.submit(lambda: "never") for _ in range(WAITING)]
    with pytest.raises(Busy, match="too many pictures"):
        worker.submit(lambda: None)
    assert waiting[0].cancel()
    worker.close()
    worker.close()
    for future in waiting[1:]:
        with pytest.raises(Busy, match="the page is being closed"):
            future.result(5)
    with pytest.raises(CancelledError):
        waiting[0].result(5)
    with pytest.raises(Busy, match="the page is being closed"):
        worker.submit(lambda: None)
    go_on.set()
    assert first.result(5) == "done"
    wait(lambda: not [t for t in set(threading.enumerate()) - before if t.name == "schuss-page-work"], 5)


# -- the page ------------------------------------------------------------------------------------------


def test_no_thread_is_left():
    before = set(threading.enumerate())
    page = Page(view(fitted(), "m")).start()
    Client(page).post("predict", {"x": [0] * 64})
    page.stop()
    left = [t.name for t in set(threading.enumerate()) - before if t.name.startswith("schuss-page")]
    wait(lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith("schuss-page")], 5)
    assert "schuss-page" not in left, "the server's own thread has ended when stop returns"


def test_it_may_be_stopped_at_any_time():
    """Before it was started, just after, twice, and while its loop ends by itself."""
    Page(view(fitted(), "m")).stop()
    for _ in range(5):
        Page(view(fitted(), "m")).start().stop()
    page = Page(view(fitted(), "m")).start()
    Client(page)("GET", "")

    class Ending:
        """A loop that closes between a look at it and the call."""

        def is_closed(self) -> bool:
            return False

        def call_soon_threadsafe(self, *arguments: Any) -> None:
            raise RuntimeError("Event loop is closed")

    page.site.hub.loop = Ending()  # type: ignore[assignment]
    page.stop()
    page.stop()
    assert not page._thread.is_alive()


def test_a_browser_is_told_the_address_by_a_private_file(monkeypatch: pytest.MonkeyPatch):
    """Whoever sees the browser's command line sees no token."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = Page(view(fitted(), "m")).start()
    page.open()
    wait(lambda: opened)
    page.open()
    wait(lambda: len(opened) == 2)
    assert opened[0] == opened[1]
    assert opened[0].startswith("file://")
    assert page.token not in opened[0]
    file = Path(url2pathname(urlsplit(opened[0]).path))
    assert f'content="0; url={page.address}"' in file.read_text()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.stat().st_uid == os.getuid()
    page.stop()
    assert not file.parent.exists()


# -- connections ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
def test_idle_connections_lock_nobody_out(page: Page, said: bytes):
    """Of whoever opens many and says nothing, half a request or one without the token. A stream goes on meanwhile."""
    client = Client(page)
    stream = hung(client, 1 << 16)
    wait(lambda: page.site.hub.readers)
    idle: list[socket.socket] = []
    for _ in range(2 * connections.MOST):
        idle.append(socket.create_connection(("127.0.0.1", page.port), timeout=5))
        idle[-1].sendall(said)
    for _ in range(5):
        assert client("GET", "")[0] == 200
    assert page.site.hub.readers, "the stream was closed for them"
    assert len(page._server.server_state.connections) <= connections.MOST + 1
    for s in (*idle, stream):
        s.close()
    wait(lambda: not page._server.server_state.connections or page.site.hub.send({"type": "note", "text": "?"}))


@pytest.mark.parametrize(("name", "left"), [("schuss-page-work", ""), ("other", "python's own end")])
def test_the_command_ends_before_a_job_of_the_page(name: str, left: str) -> None:
    """Python's own end would take the native code from under it: then the process ends at once, all written."""
    script = f"""
import atexit, sys, threading, time
from schuss import cli
atexit.register(print, "python's own end", end="")
threading.Thread(target=time.sleep, args=(60,), name={name!r}, daemon=True).start()
cli._run = lambda arguments: 3
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, left)
