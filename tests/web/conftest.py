"""A page of a finished model that all tests of its server share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra schuss[web] is not installed")
pytest.importorskip("uvicorn", reason="the extra schuss[web] is not installed")

from schuss.data.dataset import Dataset
from schuss.web.server import Page
from schuss.web.session import view
from tests.web.support import Client, digits_like, fitted


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    x, y = digits_like()
    data = Dataset(x[:64], y[:64], x[64:], y[64:], "pictures", 3, (64,))
    page = Page(view(fitted(), "pictures.safetensors", data)).start()
    yield page
    page.stop()


@pytest.fixture
def client(page: Page) -> Any:
    return Client(page)
