"""A page of a finished model that all tests of its server share; a browser, and pages to open in it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install '.[web]'")
pytest.importorskip("uvicorn", reason="the page needs the extra: pip install '.[web]'")

from schuss.data.dataset import Dataset
from schuss.web.server import Page
from schuss.web.session import view
from tests.web.browser import ARGUMENTS, DESKTOP, PHONE, Tab, Trained, chromium_path, command
from tests.web.support import Client, Small, digits_like, fitted


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


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Chromium, for all tests of a file."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install '.[browser]' brings playwright")
    path = chromium_path()
    if path is None:
        pytest.skip("there is no Chromium here: apt-get install chromium-headless-shell (or chromium)")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\nbrowser: {version.split(' built')[0]} at {path}")
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens a tab: tab(address, view, dark=..., phone=...). After the test its console must be empty."""
    opened: list[tuple[Any, Tab]] = []

    def open_one(address: str, view: str = "run", dark: bool = False, phone: bool = False) -> Tab:
        options = {"viewport": PHONE, "is_mobile": True, "has_touch": True} if phone else {"viewport": DESKTOP}
        context = browser.new_context(color_scheme="dark" if dark else "light", **options)
        opened.append((context, Tab(context, address, view)))
        return opened[-1][1]

    yield open_one
    errors = [error for _, t in opened for error in t.errors]
    for context, _ in opened:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    options = ("--hidden", "32,16", "--epochs", "5000", "--schedule", "constant", "--threads", "1", "--quiet")
    with command("train", "mnist", "--watch", *options, where=tmp_path_factory.mktemp("run")) as made:
        yield made


@pytest.fixture
def training(trained: Trained) -> Iterator[str]:
    """The address of `schuss train mnist --watch` with a small network that learns for as long as its tests take:
    meanwhile the process stands still."""
    trained.process.send_signal(signal.SIGCONT)
    yield trained.address
    trained.process.send_signal(signal.SIGSTOP)


@pytest.fixture
def paused(training: str) -> Iterator[str]:
    """The same address, for tests of what a run in training looks like, which need not wait for its steps."""
    parts = urlsplit(training)
    client = Client(SimpleNamespace(port=parts.port, token=parts.path.strip("/")))
    client.post("control", {"do": "pause"})
    yield training
    client.post("control", {"do": "resume"})


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    """The page of a small finished model."""
    made = Small()
    yield made
    made.page.stop()
