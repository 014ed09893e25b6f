"""The playground in a real browser: a session of its own, points of one's own, and the run beside it."""

from __future__ import annotations

from collections.abc import Callable

from tests.web.browser import Tab
from tests.web.support import Small

PLAYGROUND = "import(new URL('static/store.js', location.href).href)"  # what the page itself knows of it


def place(page: Tab, x: float, y: float) -> None:
    """Click at a share of the playground's picture."""
    box = page("#play-stage").bounding_box()
    page.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_it_trains_at_once_and_the_model_stays(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "play")
    page.until("Number(document.getElementById('play-epoch').textContent) > 3", 60)
    page("#play-stage").focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('#play-data [data-value=points]').ariaChecked === 'true'")
    assert page.text("#status-text") == "A finished run"
    page("#tab-run").click()
    assert page.text("#run-title") == "2-3-2"
    page("#tab-play").click()
    page.until(f"{PLAYGROUND}.then((m) => m.playground.known.hello?.label === 'points')")  # not the circle's any more
    page.page.keyboard.press("p")
    page("#play-pause[aria-label=Resume]").wait_for()
    page("#play-data [data-value=circle]").click()
    page.until(f"{PLAYGROUND}.then((m) => m.playground.known.hello?.label === 'circle')")
    page("#play-pause[aria-label=Resume]").wait_for()  # the pause holds
    page("#play-again").click()
    page("#play-pause[aria-label=Pause]").wait_for()
    inside = tab(small.page.address + "?of=play", "graph")  # the page of the playground itself
    inside("#picture svg .op").first.wait_for()
    inside.settle()
    assert "2-8-8-2" in inside.page.title()
    page("#play-leave").click()
    inside.page.wait_for_url(lambda url: "of=play" not in url)  # it has ended
    page.until("document.getElementById('play-epoch').textContent === '–'")


def test_a_phone_shows_it_without_empty_room(small: Small, tab: Callable[..., Tab]) -> None:
    """The map is square and as wide as the screen allows: the stage is no higher."""
    page = tab(small.page.address, "play", phone=True)
    assert page("#play-stage").bounding_box()["height"] <= 350
    page("#play-leave").click()


def test_points_are_seen_at_once_and_all_of_it_goes_with_them(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "play")
    page.until("Number(document.getElementById('play-epoch').textContent) > 0", 60)
    page("#play-data [data-value=points]").click()
    page.until("document.getElementById('play-epoch').textContent === '–'")  # no points, no network
    page.coloured("#play-stage canvas", "--class-0", most=0)
    place(page, 0.45, 0.4)
    page.until("document.getElementById('play-note').textContent === 'Add at least two points.'")
    page.coloured("#play-stage canvas", "--class-0", least=20)
    page("#play-label [data-value='1']").click()
    place(page, 0.55, 0.6)
    page.until("Number(document.getElementById('play-epoch').textContent) > 0", 60)
    page.until(f"{PLAYGROUND}.then((m) => m.playground.known.fn?.axes.join() === '-1.3,1.3,-1.3,1.3')")
    page("#play-clear").click()
    page.until("document.getElementById('play-epoch').textContent === '–'")
    assert small.page.site.playing is None
    page.settle()
    page.coloured("#play-stage canvas", "--class-0", most=0)


def test_it_says_why_it_waits(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training, "play")
    page("#play-stage .message").wait_for()
    assert page.text("#play-stage .message").startswith("A run is in training.")
    assert page.text("#play-again") == "Train"
    page("#play-data [data-value=xor]").click()
    page.page.wait_for_timeout(500)
    assert page.text("#status-text") == "Training"  # the run's: nothing else was started
    assert not page("#play-leave").is_visible()
