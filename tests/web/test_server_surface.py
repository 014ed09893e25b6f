"""The fine surface: what it may cost, and that it ends when nobody wants it any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schuss.analysis import landscape
from schuss.data.dataset import Dataset
from schuss.web import session
from schuss.web.server import Page
from schuss.web.session import Session, view
from tests.web.support import Client, digits_like, fitted


def wait(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def surfaces() -> int:
    return sum(t.name == "schuss-page-surface" for t in threading.enumerate())


@pytest.fixture
def viewed() -> Iterator[tuple[Session, list[dict[str, Any]]]]:
    """A finished model's session, and what it sends."""
    x, y = digits_like()
    made = view(fitted(), "m", Dataset(x[:64], y[:64], x[64:], y[64:], "pictures", 3, (64,)))
    sent: list[dict[str, Any]] = []
    made.send = sent.append
    yield made, sent
    made.close()
    wait(lambda: not surfaces())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Surfaces take 0.01 s a point; the list grows with each."""
    points: list[int] = []
    real = landscape.landscape_data

    def slowly(run: Any, *, progress: Any, **options: Any) -> Any:
        def told(done: int, total: int) -> None:
            progress(done, total)
            points.append(done)
            time.sleep(0.01)

        return real(run, progress=told, **options)

    monkeypatch.setattr(landscape, "landscape_data", slowly)
    return points


def test_what_it_may_cost(client: Client, monkeypatch: pytest.MonkeyPatch):
    """Rows beyond the data's are none. The limit is made small, so that what is let through is quick."""
    monkeypatch.setattr(session, "MOST", 64 * 49)
    assert client.post("landscape", {"size": 7, "rows": 60_000}) == {"ok": True}
    said = client.refused("landscape", {"size": 8, "rows": 60_000})
    assert said == "8 x 8 points of 64 rows are too many (at most 3,136 in all): ask for fewer of either"
    for size, rows in ((4, 10), (102, 10), (7, 0), (10**9, 10)):
        assert client.refused("landscape", {"size": size, "rows": rows}).startswith("a surface has 5 to 101 points")
    wait(lambda: not surfaces())


def test_the_page_s_own_surface_is_let_through():
    assert 51 * 51 * 10_000 <= session.MOST < 101 * 101 * 60_000


def test_it_is_cancelled(client: Client, page: Page, slow: list[int]):
    seen: list[dict[str, Any]] = []

    def read() -> None:
        for event in client.events():
            seen.append(event)
            if event.get("done"):
                return

    reader = threading.Thread(target=read)
    reader.start()
    wait(lambda: page.site.hub.readers)
    client.post("landscape", {"size": 31, "rows": 10})
    wait(lambda: len(slow) > 5)
    assert client.post("landscape", {"cancel": True}) == {"ok": True}
    reader.join(5)
    assert not reader.is_alive()
    wait(lambda: not surfaces(), 2)
    assert len(slow) < 400
    assert seen[-1] == {"type": "note", "text": "", "done": True, "of": "main"}
    assert not [e for e in seen if e["type"] == "landscape"]
    assert client.post("landscape", {"cancel": True}) == {"ok": True}, "nothing to cancel"
    for wrong in ({"cancel": False}, {"cancel": 1}, {"cancel": True, "size": 7}):
        assert client.refused("landscape", wrong) == "cancel must be true, and stand alone"


def test_a_new_one_ends_the_old_one(viewed: Any, slow: list[int]):
    made, sent = viewed
    for _ in range(5):
        made.compute_landscape(31, 10)
    wait(lambda: len(slow) > 5)
    made.compute_landscape(5, 10)
    wait(lambda: made.landscape is not None)
    wait(lambda: not surfaces())
    assert len(made.landscape["a"]) == 5
    assert len(slow) < 400
    assert [e["text"] for e in sent if e.get("done")] == [""]
    assert [e for e in sent if e["type"] == "landscape"] == [made.landscape]


def test_a_closed_site_ends_it(slow: list[int]):
    x, y = digits_like()
    page = Page(view(fitted(), "m", Dataset(x[:64], y[:64], x[64:], y[64:], "pictures", 3, (64,)))).start()
    Client(page).post("landscape", {"size": 31, "rows": 10})
    wait(lambda: len(slow) > 5)
    page.stop()
    wait(lambda: not surfaces(), 2)
    assert len(slow) < 400


def test_an_error_is_told(viewed: Any, monkeypatch: pytest.MonkeyPatch):
    made, sent = viewed

    def broken(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("no such\nthing")

    monkeypatch.setattr(landscape, "landscape_data", broken)
    made.compute_landscape(5, 10)
    wait(lambda: any(e.get("done") for e in sent))
    told = [e for e in sent if e["type"] == "note"]  # the test rows are measured meanwhile
    line = f"(line: {__file__}:{broken.__code__.co_firstlineno + 1})"
    text = f"the surface could not be computed: no such thing {line}"
    assert told[-1] == {"type": "note", "text": text, "done": True}
