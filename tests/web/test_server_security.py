"""Only this machine, only with the token, only messages of a sensible size and form."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from schuss.web import security
from schuss.web.server import Page
from tests.web.support import JSON, Client


def test_it_listens_on_loopback_only(page: Page):
    assert page.address == f"http://127.0.0.1:{page.port}/{page.token}/"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1"}:
        if other.startswith("127."):
            continue
        with pytest.raises(OSError), socket.create_connection((other, page.port), timeout=1):
            pass


def test_tokens_are_random_and_long():
    tokens = {security.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 20


@pytest.mark.parametrize("path", ["", "events", "function", "static/main.js", "graph.svg?example=0"])
def test_a_wrong_token_finds_nothing(client: Client, path: str):
    for token in ("x", client.token[:-1], client.token + "x", client.token.swapcase(), "..", "%00", ""):
        assert client("GET", path, token=token)[0] == 404
    assert client("POST", "control", {"do": "pause"}, token="wrong")[0] == 404
    assert client.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("LOCALHOST:8080", 200),  # a port forwarded by ssh
        ("[::1]:9", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.2", 403),
        ("0.0.0.0", 403),
        ("localhost:80:80", 403),
        ("localhost:evil", 403),
        ("", 403),
    ],
)
def test_hosts(client: Client, host: str, status: int):
    assert client("GET", "", headers={"Host": host})[0] == status


def test_a_request_without_a_host_is_refused(client: Client):
    said = client.raw(f"GET /{client.token}/ HTTP/1.0\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", ""]
)
def test_foreign_origins_are_refused(client: Client, origin: str):
    headers = {**JSON, "Origin": origin.format(port=client.port)}
    assert client("POST", "control", {"do": "pause"}, headers)[0] == 403
    assert client("GET", "events", headers=headers)[0] == 403


def test_our_origin_is_let_in(client: Client):
    headers = {**JSON, "Origin": f"http://127.0.0.1:{client.port}"}
    assert client("POST", "predict", {"x": [0] * 64}, headers)[0] != 403
    assert client("GET", "", headers=headers)[0] == 200


def test_forms_of_other_pages_cannot_post(client: Client):
    """A form can send these types without asking; application/json it cannot."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert client("POST", "control", {"do": "stop"}, {"Content-Type": kind})[0] == 415


def test_large_messages_are_refused(client: Client):
    head = f"POST /{client.token}/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    too_long = client.raw(
        f"{head}Content-Length: {security.LARGEST + 1}\r\n\r\n[".encode(), wait=1.0
    )  # answered before it came
    assert too_long.startswith(b"HTTP/1.1 413")
    claimed = client.raw(f"{head}Content-Length: 99999999999999999999\r\n\r\n{{}}".encode())
    assert claimed.startswith(b"HTTP/1.1 4")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    chunks = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 20 + b"0\r\n\r\n"
    chunked = client.raw(chunks, wait=1.0)
    assert chunked == b"" or chunked.startswith(b"HTTP/1.1 413")  # or closed while we were still sending
    long = client.raw(b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", wait=1.0)
    assert long == b"" or long.startswith(b"HTTP/1.1 4")
    assert client("GET", "")[0] == 200


def test_answers_carry_their_policy(client: Client):
    said = client.raw(f"GET /{client.token}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head = said.partition(b"\r\n\r\n")[0].lower()
    for header in (b"content-security-policy: default-src 'none'", b"referrer-policy: no-referrer", b"nosniff"):
        assert header in head
    assert b"server:" not in head


@pytest.mark.parametrize(
    "name", ["..%2f__init__.py", "../app.py", "%2e%2e/app.py", "app.py", "", "x" * 5000, "index.html%00", "con", "\\a"]
)
def test_only_files_of_the_page_are_served(client: Client, name: str):
    assert client("GET", f"static/{name}")[0] in (404, 405)


def test_every_file_of_the_page_is_served(client: Client):
    from schuss.web.app import STATIC, TYPES

    for path in STATIC.iterdir():
        if path.suffix in TYPES:
            assert client("GET", f"static/{path.name}") == (200, path.read_bytes())


MALFORMED: list[Any] = [
    b"", b"null", b"[]", b"1", b'"x"', b"{", b"{}", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 50_000, b"NaN",
    b'{"x": NaN}', b'{"x": [1e999]}', b'{"x": [' + b"1," * 1000 + b"1]}", b'{"do": "__class__"}', b'{"do": ["pause"]}',
    {"do": "pickle"}, {"do": None}, {"do": "lr"}, {"do": "lr", "value": "fast"}, {"do": "lr", "value": -1},
    {"do": "lr", "value": 1e400}, {"do": "step", "value": 10**30}, {"do": "step", "value": -1},
    {"do": "step", "value": True}, {"x": None}, {"x": {}},
    {"x": "abc"}, {"x": [None] * 64}, {"x": [[0] * 64]}, {"x": [True] * 64},
    {"x": [1e300] * 64},
    {"x": []}, {"x": [0] * 63}, {"x": ["0"] * 64}, {"size": "large"}, {"size": -5}, {"size": 1e9}, {"rows": [1]},
    {"size": None}, {"data": "moons"}, {"data": 5}, {"data": "points"}, {"data": "points", "points": "x"},
    {"data": "points", "points": [[0, 0, 0]]}, {"data": "points", "points": [[0, 0]] * 3},
    {"data": "points", "points": [[0, 0, 9]] * 3}, {"data": "points", "points": [[9, 0, 0]] * 3},
    {"data": "points", "points": [[0, 0, 0]] * 501}, {"data": "circle", "layers": 8}, {"data": "circle", "layers": [0]},
    {"data": "circle", "layers": [1000]}, {"data": "circle", "layers": [8] * 7}, {"data": "circle", "layers": [8.5]},
    {"data": "circle", "activation": "evil"}, {"data": "circle", "activation": ["tanh"]}, {"data": "circle", "lr": 0},
    {"data": "circle", "lr": "1"}, {"data": "circle", "batch_size": 0}, {"data": "circle", "batch_size": 10**9},
    {"data": "circle", "epochs": 10**9}, {"data": "circle", "seed": -1}, {"data": "circle", "noise": -1},
    {"data": "circle", "optimizer": {}}, {"data": "circle", "unknown": 1}, {"data": "circle", "regularisation": 2},
    {"data": {"$ref": 1}},
]  # fmt: skip


def test_a_hundred_malformed_messages_do_nothing(page: Page, client: Client):
    before, threads = page.site.main.hello(), threading.active_count()
    sent = 0
    for path in ("control", "predict", "landscape", "play"):
        for message in MALFORMED:
            if path == "landscape" and _says_nothing_of_size(message):
                continue
            status, body = client("POST", path, message)
            assert status == 400, (path, str(message)[:60], status, body[:200])
            assert set(json.loads(body)) == {"error"}
            sent += 1
    for path in ("graph.svg?example=x", "graph.svg?example=-1", "graph.svg?example=99999999", "graph.svg?set=other"):
        assert client("GET", path)[0] == 400
        sent += 1
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        assert client(method, "control", headers={})[0] in (404, 405)
    for data in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\x00" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"{}\n"):
        client.raw(data, wait=0.5)
        sent += 1
    assert sent > 100
    assert page.site.main.hello() == before
    assert page.site.playing is None
    assert threading.active_count() <= threads + 1
    assert client.get("function") == {"kind": "image", "shape": [8, 8]}
    assert client("GET", "")[0] == 200


def _says_nothing_of_size(message: Any) -> bool:
    """Other messages' keys are no business of the landscape's: it would start."""
    if isinstance(message, bytes):
        return message.startswith((b"{}", b'{"x"', b'{"do"'))
    return not {"size", "rows"} & set(message)
