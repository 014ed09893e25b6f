"""Chromium for the tests of the page, and a page that is being trained by the command, as a person starts it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the first takes a third as long
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


def chromium_path() -> str | None:
    """The Chromium of this system; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """A tab at an address. `errors`: what a person would find in its console, and exceptions."""

    def __init__(self, context: Any, address: str, view: str = "run") -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on(
            "console",
            lambda m: (
                self.errors.append(f"{m.text} {m.location.get('url')}") if m.type in ("error", "warning") else None
            ),
        )
        self.page.on("pageerror", lambda e: self.errors.append(f"{e}\n{e.stack}"))
        self.asked: set[Any] = set()  # what the server has not answered yet, but for the stream of events
        self.page.on("request", lambda r: None if "/events" in r.url else self.asked.add(r))
        for end in ("requestfinished", "requestfailed"):
            self.page.on(end, lambda r: self.asked.discard(r))  # noqa: PLW0108  a builtin method cannot be marked
        self.page.set_default_timeout(60_000)
        self.page.goto(f"{address}#{view}")
        self.until("(document.getElementById('run-title')?.textContent ?? '').trim() !== ''")

    def __call__(self, selector: str) -> Any:
        """The element that a selector finds."""
        return self.page.locator(selector)

    def text(self, selector: str) -> str:
        text: str = self.page.locator(selector).inner_text()
        return text

    def until(self, expression: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true. (The browser's own wait needs eval, which the page forbids.)"""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}; errors: {self.errors}"
            self.page.wait_for_timeout(50)

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until what the page has asked for is there, and drawn."""
        end = time.monotonic() + seconds
        quiet = 0
        while quiet < 4:  # what was just clicked may ask after a moment, and an answer may lead to another question
            self.page.wait_for_timeout(50)
            busy = bool(self.asked) or self.page.locator(".busy").count() > 0
            quiet = 0 if busy else quiet + 1
            assert time.monotonic() < end, f"not within {seconds} s: {[r.url for r in self.asked]}"
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def number(self, selector: str) -> float:
        """The number an element shows: 0.0123, 97.1 %, 1.2e−5, 12,345."""
        return float(self.text(selector).replace("%", "").replace("−", "-").replace(",", "").strip())

    def draw(self, selector: str, points: list[tuple[float, float]]) -> None:
        """Draw a line with the mouse through points, given as shares of an element's width and height."""
        self.page.locator(selector).scroll_into_view_if_needed()
        box = self.page.locator(selector).bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=10)
        self.page.mouse.up()

    def tell(self, kind: str, **event: Any) -> None:
        """Give the page an event as if the server had sent it."""
        self.page.evaluate(
            """async (event) => (await import(new URL("static/store.js", location.href).href)).receive(event)""",
            {"type": kind, **event},
        )

    def coloured(self, selector: str, variable: str, *, least: int = 0, most: int | None = None) -> None:
        """Wait until so many of a canvas's pixels have one of the page's colours: it is drawn some frames after the
        words beside it have changed."""
        end = time.monotonic() + 60.0
        while not least <= (found := self._pixels(selector, variable)) <= (found if most is None else most):
            told = f"{selector}: {found} pixels of {variable}, not {least} to {most}"
            assert time.monotonic() < end, f"{told}; errors: {self.errors}"
            self.page.wait_for_timeout(50)

    def _pixels(self, selector: str, variable: str) -> int:
        found: int = self.page.evaluate(
            """([selector, variable]) => {
              const c = document.querySelector(selector);
              const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
              const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
              const copy = new OffscreenCanvas(c.width, c.height).getContext("2d", { willReadFrequently: true });
              copy.drawImage(c, 0, 0);
              const { data } = copy.getImageData(0, 0, c.width, c.height);
              const near = (i) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 30;
              let n = 0;
              for (let i = 0; i < data.length; i += 4) n += near(i) && data[i + 3] > 200;
              return n;
            }""",
            [selector, variable],
        )
        return found

    def focus(self) -> str:
        """The id of the element that has the focus, else its text."""
        found: str = self.page.evaluate("(e => e.id || e.textContent.trim())(document.activeElement)")
        return found


@dataclass(frozen=True)
class Trained:
    """A process that trains, and its page's address."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def command(*arguments: str, where: Path) -> Iterator[Trained]:
    """Run the command with a page. Ended by Ctrl-C."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from schuss.cli import main; main()", *arguments, "--no-open"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=where, env=environment,
    )  # fmt: skip
    try:
        if os.name == "posix":  # the tests come first where cores are few
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + 5)
        yield Trained(process, address_of(process))
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def address_of(process: Any) -> str:
    """The address that the command says on stderr."""
    said = []
    for line in process.stderr:
        said.append(line)
        if "http://" in line:
            return str("http://" + line.split("http://")[1].split()[0])
    raise AssertionError("no page: " + "".join(said))
