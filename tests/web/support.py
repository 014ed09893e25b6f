"""Small models on a page, and a client that sends whatever bytes it is given."""

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
from schuss.data.dataset import Dataset
from schuss.web.server import Page
from schuss.web.session import view

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
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=0.02), "epochs": 4, "threads": 1}
    schuss.fit(model, digits_like(), scale=1 / 255, **given)
    return model


class Small:
    """Two layers on four points, small enough that the page shows every number."""

    def __init__(self) -> None:
        self.x = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0], [-1.0, -0.5]], np.float32)
        self.y = np.array([0, 1, 1, 0], np.int64)
        self.model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        self.loss = nn.CrossEntropyLoss()
        schuss.fit(
            self.model, (self.x, self.y), loss=self.loss, optimizer=optim.SGD(lr=0.1), epochs=3, batch_size=2, threads=1
        )
        data = Dataset(self.x, self.y, self.x[:2], self.y[:2], "points", 2, (2,))
        self.page = Page(view(self.model, "points.safetensors", data)).start()

    def gradient(self, row: int) -> dict[str, Any]:
        """Of one example's loss, with respect to the model's parameters."""

        def loss(model: Any, x: Any, y: Any) -> Any:
            return self.loss(model(x), y)

        return schuss.grad(loss)(self.model, self.x[row : row + 1], self.y[row : row + 1])


def deep(layers: int) -> Any:
    """The page of a model of so many Linear layers, each with its Tanh: four operations a layer."""
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    y = np.array([0, 1], np.int64)
    model = nn.Sequential(*(layer for _ in range(layers) for layer in (nn.Linear(4, 4), nn.Tanh())), nn.Linear(4, 2))
    run = schuss.fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=1, batch_size=2,
                     backend="reference")  # fmt: skip
    return Page(view(run.model, "deep.safetensors", Dataset(x, y, x, y, "deep", 2, (4,)))).start()


class Client:
    """Requests to a page, by its address."""

    def __init__(self, page: Any) -> None:
        self.port, self.token = page.port, page.token

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, token: str | None = None
    ) -> tuple[int, bytes]:
        """(status, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
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

    def events(self, seconds: float = 60.0) -> Iterator[dict[str, Any]]:
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

    def until(self, kind: str, seconds: float = 60.0, **wanted: Any) -> dict[str, Any]:
        """The first event of a kind that has these values."""
        for event in self.events(seconds):
            if event["type"] == kind and all(event.get(k) == v for k, v in wanted.items()):
                return event
        raise AssertionError(f"no {kind} with {wanted} in {seconds} s")
