"""Events: everything at first, then what is new; a slow, hung or gone reader costs nobody anything."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from schuss.web import stream
from schuss.web.server import Page
from schuss.web.stream import Hub, Reader, plain, to_json
from tests.web.support import Client


def test_json_has_no_nan():
    value = {"a": math.nan, "b": [math.inf, 1.5], "c": np.array([1.0, math.nan]), "d": np.float32(2), "e": (1, None)}
    assert json.loads(to_json(value)) == {"a": None, "b": [None, 1.5], "c": [1.0, None], "d": 2.0, "e": [1, None]}
    assert plain({1: np.array([[1, 2]]), "t": True}) == {"1": [[1, 2]], "t": True}


def test_the_newest_of_a_kind_is_kept():
    async def check() -> None:
        reader = Reader()
        for i in range(1000):
            reader.put("state", f"s{i}")
            reader.put("landscape", f"l{i}")
        assert reader.waiting == [("state", "s999", ""), ("landscape", "l999", "")]
        reader.put("state", "another session's", "play")
        reader.put("hello", "h", "play")
        assert [of for _, _, of in reader.waiting] == ["", "", "play"]
        assert not reader.lost

    asyncio.run(check())


def test_a_reader_that_lost_moments_is_told_everything_again():
    async def check() -> None:
        hub = Hub(lambda: [{"type": "hello", "all": True}])
        hub.loop = asyncio.get_running_loop()
        pieces = hub.stream()
        assert b'"hello"' in await anext(pieces)
        for i in range(10 * stream.WAITING):
            hub.send({"type": "moment", "step": i})
        await asyncio.sleep(0.05)
        (reader,) = hub.readers
        assert len(reader.waiting) <= stream.WAITING
        first = await anext(pieces)
        assert b'"hello"' in first
        hub.send({"type": "moment", "step": -7})
        assert b"-7" in await anext(pieces)

    asyncio.run(check())


def test_many_readers_push_out_the_oldest():
    async def check() -> None:
        hub = Hub(lambda: [{"type": "hello"}])
        hub.loop = asyncio.get_running_loop()
        streams = [hub.stream() for _ in range(stream.READERS + 1)]
        for one in streams:
            await anext(one)
        assert len(hub.readers) == stream.READERS
        with pytest.raises(StopAsyncIteration):
            await anext(streams[0])
        hub.send({"type": "state"})
        assert b"state" in await anext(streams[-1])

    asyncio.run(check())


def test_sending_never_blocks_and_never_fails():
    hub = Hub(lambda: [{"type": "hello"}])
    hub.send({"type": "state"})  # nobody is there
    loop = asyncio.new_event_loop()
    hub.loop, hub.readers = loop, [object()]  # type: ignore[list-item]
    loop.close()
    hub.send({"type": "state"})  # the server has ended
    assert hub.loop is None


def hung(client: Client, receive: int = 2048) -> socket.socket:
    """A reader that asks for the stream and reads nothing of it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    s.connect(("127.0.0.1", client.port))
    s.sendall(f"GET /{client.token}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return s


def test_hung_and_closed_readers_cost_the_others_nothing(page: Page, client: Client):
    hub = page.site.hub
    sockets = [hung(client) for _ in range(5)]
    gone = hung(client)
    gone.close()
    waited = time.monotonic() + 10
    while len(hub.readers) < 5 and time.monotonic() < waited:
        time.sleep(0.01)
    large = {"type": "moment", "text": "x" * 20_000}
    sender = threading.Thread(target=lambda: [hub.send(large) for _ in range(2000)], daemon=True)
    sender.start()
    sender.join(60)
    assert not sender.is_alive(), "sending waited for somebody"
    assert max(len(r.waiting) for r in hub.readers) <= stream.WAITING
    assert client.until("hello", seconds=5)["mode"] == "view"
    for s in sockets:
        s.close()
    end = time.monotonic() + 15
    while hub.readers and time.monotonic() < end:
        hub.send({"type": "note", "text": "there?"})
        time.sleep(0.05)
    assert not hub.readers


def test_everything_known_comes_first(client: Client):
    hello = next(client.events())
    assert hello["type"] == "hello"
    assert (hello["mode"], hello["model"], hello["task"]) == ("view", "64-8-3", "classes")
    assert (hello["classes"], hello["inputs"], hello["image"]) == (3, [[64]], [8, 8])
    assert (hello["rows"], hello["rows_test"], hello["parameters"]) == (64, 32, 64 * 8 + 8 + 8 * 3 + 3)
    assert len(hello["history"]["loss"]) == 4 == hello["epochs"]
    state = hello["state"]
    assert state["finished"]
    assert not state["running"]
    assert state["loss"] == hello["history"]["loss"][-1]


def test_the_server_ends_cleanly(capfd: Any):
    """Its streams end with their last chunk, its thread ends, the port is free, and nothing is printed."""
    from schuss.web.session import view
    from tests.web.support import fitted

    before = threading.active_count()
    page = Page(view(fitted(), "m")).start()
    client = Client(page)
    seen: list[bytes] = []

    def read() -> None:
        seen.append(client("GET", "events")[1])  # http.client raises where a chunked answer is cut short

    reader = threading.Thread(target=read)
    reader.start()
    end = time.monotonic() + 10
    while not page.site.hub.readers and time.monotonic() < end:
        time.sleep(0.01)
    hanging = hung(client)
    page.stop()
    reader.join(5)
    assert seen
    assert seen[0].startswith(b"retry")
    hanging.close()
    assert not page._thread.is_alive()
    again = Page(view(fitted(), "m"), page.port)
    again.start().stop()
    assert not again._thread.is_alive()
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before
    said = capfd.readouterr()
    assert said.out == said.err == ""


def test_a_port_that_is_taken_is_an_error(page: Page):
    from schuss.errors import UsageError
    from schuss.web.session import view
    from tests.web.support import fitted

    with pytest.raises(UsageError, match=f"port {page.port} cannot be used .*; leave port out"):
        Page(view(fitted(), "m"), page.port)
