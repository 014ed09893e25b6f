"""The page in a real browser: as it trains, on a phone, by keyboard alone, in the dark, and when the server is gone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.data.dataset import Dataset
from schuss.web.server import Page
from schuss.web.session import view
from tests.web.browser import ARGUMENTS, DESKTOP, PHONE, Tab, chromium_path, command

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'schuss[browser]'"
)
if chromium_path() is None:
    pytest.skip("there is no Chromium here: apt-get install chromium", allow_module_level=True)

SEVEN = [(0.28, 0.24), (0.72, 0.24), (0.62, 0.45), (0.48, 0.8)]
VIEWS = ("run", "graph", "mountain", "function", "play")


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    path = chromium_path()
    assert path is not None
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
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `schuss train mnist --watch` with a small network that learns for as long as the tests take."""
    options = ("--hidden", "32,16", "--epochs", "5000", "--schedule", "constant", "--threads", "1", "--quiet")
    with command("train", "mnist", "--watch", *options, where=tmp_path_factory.mktemp("run")) as address:
        yield address


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


@pytest.fixture(scope="module")
def small() -> Iterator[Small]:
    made = Small()
    yield made
    made.page.stop()


# -- the run -------------------------------------------------------------------------------------------


def test_the_loss_falls_while_it_is_watched(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training)
    page.until("document.getElementById('tile-loss').textContent !== '–'")
    first = page.number("#tile-loss")
    page.until(f"Number(document.getElementById('tile-loss').textContent) < {0.9 * first}")
    assert page.text("#status-text") == "Training"
    assert page.number("#tile-metric") > 50
    assert page.number("#tile-speed") > 1000
    assert re.search(r"\d", page.text("#tile-left"))
    assert page.text("#run-title") == "784-32-16-10"
    assert page("#loss-chart canvas").get_attribute("aria-label").startswith("Loss over the epochs; now 0.")


def test_pause_step_rate_and_resume(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training)
    page("#pause").click()
    page.until("document.getElementById('status-text').textContent.startsWith('Paused')")

    def step() -> int:
        return int(re.sub(r"\D", "", page.text("#progress-step").split(" of ")[0]))

    page.page.wait_for_timeout(600)
    before = step()
    page.page.wait_for_timeout(600)
    assert step() == before
    page("#step").click()
    page.until(
        f"document.getElementById('progress-step').textContent.replace(/,/g, '').includes('Step {before + 1} of')"
    )

    page("#rate").fill("-3.52")  # the slider is logarithmic: 10 ** -3.52 = 3.02e-4
    page.until("document.getElementById('changes').textContent.includes('0.000302')")
    page("#pause").click()
    page.until("document.getElementById('status-text').textContent === 'Training'")
    page.until("document.getElementById('rate-shown').textContent === '0.000302'")
    for words in ("Paused", "One step", "Rate", "Resumed"):
        assert words in page.text("#changes")


# -- the graph -----------------------------------------------------------------------------------------


def numbers_in(page: Tab, selector: str) -> list[float]:
    """All numbers of a matrix in the panel, in reading order."""
    cells = page(f"{selector} td").all_inner_texts()
    return [float(c.replace("−", "-")) for c in cells]


def test_an_operations_numbers_are_those_of_grad(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    page("#graph-more").click()  # the second example
    page.page.wait_for_timeout(400)
    expected = small.gradient(1)
    for name in ("2.bias", "0.bias"):
        op = op_of(page, name)
        page(f'#picture .op[data-op="{op}"]').click()
        assert page.text("#panel-name") == op
        assert page.text("#panel-rule")
        got = numbers_in(page, f'#panel [data-flow="{name}"] [data-part="product"]')
        np.testing.assert_allclose(got, expected[name], rtol=1e-3, atol=2e-5)


def op_of(page: Tab, parameter: str) -> str:
    """The operation that hands a gradient to a parameter."""
    found: str = page.page.evaluate(
        """async (name) => (await (await fetch("graph.json?example=1&set=train")).json())
               .ops.find((op) => op.flows.some((f) => f.to === name)).name""",
        parameter,
    )
    return found


def test_stepping_up_and_down_the_graph(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    up, down = map(int, re.findall(r"\d+", page.text("#walk-text"))[:2])
    assert up >= 5
    assert down >= 5
    page("#walk-next").click()
    assert page.text("#walk-text").startswith(f"Forward 1 of {up}")
    assert page("#picture .op.walk-now").count() == 1
    assert page("#picture g.down[data-backward]:not(.walk-later)").count() == 0
    page("#picture").focus()
    for _ in range(up):
        page.page.keyboard.press("ArrowRight")
    assert page.text("#walk-text").startswith(f"Backward 1 of {down}")
    page.page.keyboard.press("ArrowLeft")
    assert page.text("#walk-text").startswith(f"Forward {up} of {up}")
    page.page.keyboard.press("End")
    assert page.text("#walk-text").startswith(f"Backward {down} of {down}")
    assert page("#picture .walk-later").count() == 0
    page.page.keyboard.press("Escape")
    assert page("#picture .walk-now").count() == 0


# -- the mountain, the function ------------------------------------------------------------------------


def test_the_fine_surface_is_drawn_on_request(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "mountain")
    page("#mountain-fine").click()
    page.until("document.getElementById('mountain-facts').textContent.includes('51 × 51')")
    page.page.wait_for_timeout(300)
    colours = page.page.evaluate(
        """() => {
          const c = document.querySelector("#surface canvas");
          const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
          const seen = new Set();
          for (let i = 0; i < data.length; i += 400) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
          return seen.size;
        }"""
    )
    assert colours > 30


def test_a_drawn_seven_is_read(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training, "function")
    page("#pad").wait_for()
    page.draw("#pad", SEVEN)
    page.until("document.getElementById('pad-answer').textContent === '7'")
    shares = [float(t.replace("%", "")) for t in page("#pad-bars span").all_inner_texts()]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert shares[7] == max(shares) > 50
    assert page("#pad-layers figure").count() == 5
    page("#pad-clear").click()
    assert page.text("#pad-answer") == "–"


def test_what_the_network_sees_is_centred(training: str, tab: Callable[..., Tab]) -> None:
    """As the training digits: in a box of 20 x 20, its centre of mass in the middle, wherever it was drawn."""
    page = tab(training, "function")
    page("#pad").wait_for()
    page.draw("#pad", [(0.1, 0.1), (0.3, 0.1), (0.2, 0.35)])
    page.until("document.getElementById('pad-answer').textContent !== '–'")
    grey = np.array(page.page.evaluate(
        """() => [...document.getElementById("pad-seen").getContext("2d").getImageData(0, 0, 28, 28).data]"""
    )).reshape(28, 28, 4)[:, :, 0].astype(float)  # fmt: skip
    rows, columns = np.nonzero(grey.sum(axis=1))[0], np.nonzero(grey.sum(axis=0))[0]
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    centre = [(grey.sum(axis=1 - axis) * np.arange(28)).sum() / grey.sum() for axis in (0, 1)]
    assert centre == pytest.approx([13.5, 13.5], abs=1.0)


def test_the_playground_trains_at_once_and_takes_points(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "play")
    try:
        page.until("Number(document.getElementById('play-epoch').textContent) > 3", 60)
        page("[data-key=more-0]").click()
        page.until("document.title.includes('2-10-8-2')", 60)  # compiled first
        page("#play-data [data-value=xor]").click()
        page.until("document.getElementById('run-about').textContent.startsWith('xor')", 60)
        page.until("document.querySelector('#play-stage.old') === null", 60)
        page("#play-stage").focus()
        page.page.keyboard.press("ArrowRight")
        page.page.keyboard.press("Enter")
        page.until("document.getElementById('run-about').textContent.includes('401 training rows')", 60)
        assert page('#play-data [data-value=points][aria-checked="true"]').count() == 1
        page("#play-data [data-value=sine]").click()
        page.until("document.title.includes('1-10-8-1')", 60)
    finally:
        page("#play-leave").click()
    page.until("document.getElementById('status-text').textContent === 'A finished run'")


# -- pleasant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", [False, True])
def test_nothing_is_wider_than_the_screen(training: str, tab: Callable[..., Tab], phone: bool) -> None:
    page = tab(training, phone=phone)
    for name in VIEWS:
        page(f"#tab-{name}").click()
        page.page.wait_for_timeout(150)
        wide, screen = page.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, name
    small = page.page.evaluate(
        """() => [...document.querySelectorAll(".tabs button, .transport button")].filter((b) => b.offsetParent)
               .filter((b) => b.offsetWidth < 40 || b.offsetHeight < 38).map((b) => b.id)"""
    )
    assert small == []


def test_keyboard_alone(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training)
    keys = page.page.keyboard
    keys.press("Tab")
    assert page.focus() == "Skip to the view"
    keys.press("Tab")
    assert page.focus() == "tab-run"
    outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.press("ArrowRight")
    assert page.focus() == "tab-graph"
    assert page("#view-graph").is_visible()
    for key, name in zip("12345", VIEWS, strict=True):
        keys.press(key)
        assert page(f"#view-{name}").is_visible()
    keys.press("4")
    keys.press("?")
    assert page("#help").is_visible()
    keys.press("Escape")
    assert not page("#help").is_visible()
    page("#pad").focus()
    for key in ["Shift+ArrowRight"] * 8 + ["Shift+ArrowDown"] * 12:
        keys.press(key)
    page.until("document.getElementById('pad-answer').textContent !== '–'")
    keys.press("c")
    assert page.text("#pad-answer") == "–"


def test_pause_by_keyboard_from_any_view(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training, "mountain")
    page.page.keyboard.press("p")
    page.until("document.getElementById('status-text').textContent.startsWith('Paused')")
    page.page.keyboard.press("p")
    page.until("document.getElementById('status-text').textContent === 'Training'")


def luminance(page: Tab, selector: str, what: str) -> float:
    values = page.page.evaluate(
        f"getComputedStyle(document.querySelector('{selector}')).{what}.match(/[\\d.]+/g).map(Number)"
    )
    linear = [v / 255 / 12.92 if v / 255 <= 0.03928 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in values[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_the_light_and_in_the_dark(training: str, tab: Callable[..., Tab], dark: bool) -> None:
    """By WCAG 2.2: a contrast of 4.5 or more."""
    page = tab(training, dark=dark)
    card = luminance(page, ".card", "backgroundColor")
    assert (card < 0.1) == dark
    for selector in (".tile dt", ".tile dd", ".tile .sub", ".hint", ".legend", ".status"):
        text = luminance(page, selector, "color")
        assert (max(card, text) + 0.05) / (min(card, text) + 0.05) >= 4.5, selector
    fill, text = (luminance(page, ".primary", what) for what in ("backgroundColor", "color"))
    assert (max(fill, text) + 0.05) / (min(fill, text) + 0.05) >= 4.5
    page("#theme").click()  # light
    page("#theme").click()  # dark
    assert luminance(page, "body", "backgroundColor") < 0.1
    page.page.reload()
    assert luminance(page, "body", "backgroundColor") < 0.1


def test_a_server_that_stops_is_told_and_tried_again(tab: Callable[..., Tab]) -> None:
    made = Small()
    page = tab(made.page.address)
    port, token = made.page.port, made.page.token
    made.page.stop()
    page.until("!document.getElementById('lost').hidden")
    assert "stopped" in page.text("#lost")
    assert page.text("#status-text") == "Not connected"
    page("#tab-function").click()  # what is asked meanwhile does no harm
    page.page.wait_for_timeout(2600)  # a try
    again = Page(made.page.site.main, port)
    again.token = token
    again = _same_token(again, token)
    again.start()
    try:
        page("#lost-retry").click()
        page.until("document.getElementById('lost').hidden")
        assert page.text("#status-text") == "A finished run"
    finally:
        again.stop()


def _same_token(page: Page, token: str) -> Page:
    """The page at the address it had before, as after a computer has slept."""
    app = page._server.config.app
    app._token = token.encode()
    return page


# -- the page says what it can do ----------------------------------------------------------------------


def test_every_control_has_a_name(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training)
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, [role=application], [tabindex='0']")]
               .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length)
                              && !e.matches("dialog *"))
               .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_nothing_comes_from_elsewhere() -> None:
    from schuss.web.app import STATIC

    for path in Path(STATIC).iterdir():
        text = path.read_text(encoding="utf-8")
        found = set(re.findall(r"https?://[^\s\"'%<>)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert found == set(), path.name
