"""A small model on a page, and a client that sends whatever bytes it is given."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import schuss
from schuss import nn, optim

JSON = {"Content-Type": "application/json"}


def digits_like(rows: int = 96) -> tuple[Any, Any]:
    """Pictures of 8 x 8 bytes in three classes: bright on the left, in the middle or on the right."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 3
    x = rng.integers(0, 60, (rows, 8, 8))
    for i, label in enumerate(y):
        x[i, :, 1 + 2 * label : 3 + 2 * label] += 180
    return x.reshape(rows, 64).astype(np.uint8), y.astype(np.int64)


def network(inputs: int = 64, outputs: int = 3) -> Any:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


def fitted() -> Any:
    """A model that reads digits_like."""
    model = network()
    schuss.fit(model, digits_like(), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=0.02), epochs=4, threads=1)
    return model


class Client:
    """Requests to a page, by its address."""

    def __init__(self, page: Any) -> None:
        self.port, self.token = page.port, page.token

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, token: str | None = None
    ) -> tuple[int, bytes]:
        """(status, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            given = headers if headers is not None else (JSON if method == "POST" else {})
            connection.request(method, f"/{self.token if token is None else token}/{path}", data, given)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON a path answers with."""
        status, body = self("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, message: Any) -> Any:
        status, body = self("POST", path, message)
        assert status == 200, body
        return json.loads(body)

    def refused(self, path: str, message: Any) -> str:
        """The error a message gets."""
        status, body = self("POST", path, message)
        assert status in (400, 503), (status, body)
        error: str = json.loads(body)["error"]
        assert "\n" not in error
        return error

    def raw(self, data: bytes, wait: float = 5.0) -> bytes:
        """What the server says to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as s:
            s.sendall(data)
            said = b""
            try:
                while piece := s.recv(65536):
                    said += piece
            except OSError:
                pass
            return said

    def events(self, seconds: float = 20.0) -> Iterator[dict[str, Any]]:
        """The stream's events, for so many seconds at most."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", f"/{self.token}/events")
            response = connection.getresponse()
            assert response.status == 200
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                line = response.readline()
                if not line:
                    return
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            connection.close()

    def until(self, kind: str, seconds: float = 20.0, **wanted: Any) -> dict[str, Any]:
        """The first event of a kind that has these values."""
        for event in self.events(seconds):
            if event["type"] == kind and all(event.get(k) == v for k, v in wanted.items()):
                return event
        raise AssertionError(f"no {kind} with {wanted} in {seconds} s")
