"""The page in a real browser: as it trains, on a phone, by keyboard alone, in the dark, and when the server is gone."""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import schuss
from schuss import nn, optim
from schuss.data.dataset import Dataset
from schuss.web.server import Page
from schuss.web.session import view
from tests.thinned import thinned
from tests.web.browser import Tab
from tests.web.support import Small

SEVEN = [(0.28, 0.24), (0.72, 0.24), (0.62, 0.45), (0.48, 0.8)]
VIEWS = ("run", "graph", "mountain", "function", "play")


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
        page.until(f"document.getElementById('changes').textContent.includes('{words}')")


def test_the_rates_range_stays_and_is_not_moved_under_the_hand(training: str, tab: Callable[..., Tab]) -> None:
    page = tab(training)
    page.until("!document.getElementById('rate').disabled")
    slider = "document.getElementById('rate')"
    ends = page.page.evaluate(f"[{slider}.min, {slider}.max]")
    page.tell("state", running=True, finished=False, lr=3e-8)  # as a schedule has it at its end
    assert page.page.evaluate(f"[{slider}.min, {slider}.max]") == ends
    for _ in range(5):  # what comes from the run may move the page between the two
        page("#rate").hover(position={"x": 100, "y": 15})
        page.page.mouse.down()
        if page.focus() == "rate":
            break
        page.page.mouse.up()
    assert page.focus() == "rate"
    held = page.page.evaluate(f"{slider}.value")
    page.page.wait_for_timeout(1500)  # long after the pause in which a new rate is sent
    page.tell("state", running=True, finished=False, lr=0.5)
    assert page.page.evaluate(f"{slider}.value") == held
    page.page.mouse.up()
    page.until("document.getElementById('changes').textContent.includes('Rate')")
    page("#rate").fill("-3")
    page.until("document.getElementById('rate-shown').textContent === '0.001'")


def test_every_figure_says_of_which_rows_it_is(small: Small, tab: Callable[..., Tab]) -> None:
    """Training's large, with what is known of the test rows below."""
    page = tab(small.page.address)
    scores = np.asarray(small.model(small.x[:2]))
    right = 100 * float(np.mean(scores.argmax(axis=1) == small.y[:2]))
    loss = float(np.asarray(small.loss(scores, small.y[:2])))
    page.until("document.getElementById('tile-metric-sub').textContent.includes('test')")
    assert page.text("#tile-metric-name") == "Training accuracy"
    assert page.text("#tile-metric-sub") == f"test {right:.2f} %"
    assert float(page.text("#tile-loss-sub").removeprefix("test ")) == pytest.approx(loss, rel=1e-3)


def test_a_file_without_a_history_says_so(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address)
    page.tell("hello", model="2-2", mode="view", state={"finished": True}, history={})
    page.settle()
    page.coloured("#loss-chart canvas", "--muted", least=50)
    page.coloured("#loss-chart canvas", "--grid", most=0)  # no axes of nothing


def test_a_history_of_one_epoch_can_be_read(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address)
    history = {"epoch": [1], "loss": [0.31], "val_loss": [0.35]}
    page.tell("hello", model="2-2", mode="view", epochs=1, state={"finished": True, "epochs": 1}, history=history)
    page.settle()
    for colour in ("--accent", "--cool"):  # a dot, its level and its number
        page.coloured("#loss-chart canvas", colour, least=150)


def test_the_chart_shows_what_has_been_trained_and_every_peak(small: Small, tab: Callable[..., Tab]) -> None:
    """Of 100 planned epochs five are done; a stretch has its lowest and highest; a drag looks closer."""
    page = tab(small.page.address)
    steps = list(range(1, 51))
    high = [2.0] * 50
    high[20] = 768.0
    curve = {"step": steps, "epoch": [s / 10 for s in steps], "count": [10] * 50}
    curve |= {"loss": [1.0] * 50, "loss/low": [0.5] * 50, "loss/high": high}
    page.tell("hello", model="2-2", mode="train", epochs=100, state={"step": 50}, curve=curve)
    chart = page("#loss-chart canvas")
    box = chart.bounding_box()

    def read(share: float) -> list[str]:
        page.page.mouse.move(box["x"] + 72 + share * (box["width"] - 86), box["y"] + 120)
        page.settle()
        return page.text("#loss-chart .tip").split("\n")

    assert read(1.0)[0] == "Epoch 5"
    assert read(0.42) == ["Epoch 2.1", "Training 1.000 (0.5000 to 768.0)"]
    page.page.mouse.move(box["x"] + 72 + 0.5 * (box["width"] - 86), box["y"] + 90)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 72 + 0.8 * (box["width"] - 86), box["y"] + 90, steps=4)
    page.page.mouse.up()
    assert read(0.0)[0] == "Epoch 2.5"
    assert read(1.0)[0] == "Epoch 4"
    page("#loss-chart .reset").click()
    assert read(1.0)[0] == "Epoch 5"
    chart.focus()
    page.page.keyboard.press("+")
    assert page("#loss-chart .reset").is_visible()
    page.page.keyboard.press("Escape")
    assert not page("#loss-chart .reset").is_visible()
    page("#smooth").fill("0.9")
    assert page.text("#smooth-shown") == "0.90"
    # more than the page holds: two stretches become one, the peak stays
    page.page.evaluate(
        """async () => {
          const { receive, known } = await import(new URL("static/store.js", location.href).href);
          const value = (name, i) => (name === "step" ? i : name === "epoch" ? i / 10 : 1);
          const columns = (from) => Object.fromEntries(Object.keys(known.curve).map((name) =>
            [name, Array.from({ length: 800 }, (_, i) => value(name, from + i))]));
          for (const from of [51, 851, 1651, 2451]) receive({ type: "curve", curve: columns(from) });
        }"""
    )
    held = page.page.evaluate(
        """async () => {
          const { known } = await import(new URL("static/store.js", location.href).href);
          return [known.curve.step.length, Math.max(...known.curve["loss/high"]), known.curve.step.at(-1)];
        }"""
    )
    assert held[0] < 2400
    assert held[1:] == [768, 3250]


# -- the mountain, the function ------------------------------------------------------------------------


def test_the_fine_surface_is_drawn_on_request(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "mountain")
    page("#mountain-fine").click()
    page.until("document.getElementById('mountain-facts').textContent.includes('51 × 51')")
    page.settle()
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


def test_a_fine_surface_can_be_cancelled(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "mountain")
    statuses = [200, 405, 200]  # of the surface, of a server that cannot cancel it, and of one that can
    asked = []

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json)
        status = statuses[len(asked) - 1]
        route.fulfill(status=status, json={"ok": True} if status == 200 else {"error": "not here"})

    page.page.route("**/landscape", answer)
    page("#mountain-fine").wait_for()
    assert not page("#mountain-cancel").is_visible()
    page("#mountain-fine").click()
    page("#mountain-cancel").wait_for()
    page("#mountain-cancel").click()  # it is said, and the surface goes on
    page.until("!document.getElementById('toast').hidden")
    assert page("#mountain-cancel").is_visible()
    assert len(page.errors) == 1  # the browser's own line about the answer
    page.errors.clear()
    page("#mountain-cancel").click()
    page("#mountain-cancel").wait_for(state="hidden")
    assert page("#mountain-fine").is_enabled()
    assert page.text("#mountain-note") == "It was cancelled."
    assert asked[1:] == [{"cancel": True}, {"cancel": True}]


def test_the_map_is_read_by_keyboard(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "mountain")
    axis = [-1.0, 0.0, 1.0]
    heights = [[abs(a) + b + 2 for a in axis] for b in axis]
    page.tell("landscape", a=axis, b=axis, loss=heights, rows=4, path=[[-1, 1], [0, 0]], path_loss=[4, 2])
    page("#contour canvas").focus()
    page.page.keyboard.press("ArrowRight")
    assert page.text("#contour .tip").split("\n") == ["Loss here 4", "Path 1 of 2: loss 4"]
    page("#tab-run").focus()
    assert not page("#contour .tip").is_visible()


def test_a_drawn_seven_is_read(paused: str, tab: Callable[..., Tab]) -> None:
    page = tab(paused, "function")
    page("#pad").wait_for()
    page.draw("#pad", SEVEN)
    page.until("document.getElementById('pad-answer').textContent === '7'")
    shares = [float(t.replace("%", "")) for t in page("#pad-bars span").all_inner_texts()]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert shares[7] == max(shares) > 50
    assert page("#pad-layers figure").count() == 6  # Flatten is one
    page("#pad-clear").click()
    assert page.text("#pad-answer") == "–"


def test_what_the_network_sees_is_centred(paused: str, tab: Callable[..., Tab]) -> None:
    """As the training digits: in a box of 20 x 20, its centre of mass in the middle, wherever it was drawn."""
    page = tab(paused, "function")
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


# -- regressions, small things --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regression() -> Iterator[Page]:
    """The page of five numbers that give one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    y = (x @ np.array([[1.0], [-2.0], [0.5], [0.0], [3.0]])).astype(np.float32)
    model = nn.Sequential(nn.Linear(5, 1))
    schuss.fit(model, (x, y), loss=nn.HuberLoss(), optimizer=optim.Adam(lr=0.05), epochs=20, backend="reference")
    served = Page(view(model, "numbers.safetensors", Dataset(x, y, x[:9], y[:9], "numbers", None, (5,)))).start()
    yield served
    served.stop()


def test_a_regression_says_how_good_it_is(regression: Page, tab: Callable[..., Tab]) -> None:
    """Whatever its loss: R squared and the mean absolute error of training and test rows."""
    page = tab(regression.address)
    subject = regression.site.main.subject
    x, y = (subject.sets["train"][name].astype(np.float64) for name in ("x0", "y"))
    pred = np.asarray(subject.model(x.astype(np.float32)), np.float64)
    r2 = 1 - ((y - pred) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    page.until("document.getElementById('tile-metric-name').textContent === 'R², training'")
    assert page.number("#tile-metric") == pytest.approx(r2, abs=1e-4)
    assert float(page.text("#tile-metric-sub").split()[1]) == pytest.approx(abs(y - pred).mean(), rel=1e-2)
    assert "test R²" in page.text("#tile-metric-sub")


def test_the_fields_begin_with_an_example(regression: Page, tab: Callable[..., Tab]) -> None:
    page = tab(regression.address, "function")
    subject = regression.site.main.subject
    page.until("document.querySelector('#function-numbers output')?.textContent.includes('target')")

    def shown() -> list[float]:
        return [float(v) for v in page("#function-numbers input.x").evaluate_all("(all) => all.map((e) => e.value)")]

    np.testing.assert_allclose(shown(), subject.sets["test"]["x0"][0], rtol=1e-4)
    page("#function-numbers [aria-label='Next example']").click()
    page.until(f"document.querySelector('#function-numbers input.x').value.startsWith('{shown()[0]:.4g}') === false")
    np.testing.assert_allclose(shown(), subject.sets["test"]["x0"][1], rtol=1e-4)
    target = float(subject.sets["test"]["y"][1, 0])
    said = "parseFloat([...document.querySelectorAll('#function-numbers output span')].at(-1)?.textContent"
    page.until(f"Math.abs({said}.replace('target ', '').replace('−', '-')) - {target}) < {abs(target) * 1e-3}")


def test_what_are_not_digits_are_not_called_so(page: Page, tab: Callable[..., Tab]) -> None:
    """Any example of the data is put on the pad, as it is; a drawing stays where it was drawn."""
    shown = tab(page.address, "function")
    shown.until("document.getElementById('pad-title').textContent === 'Draw a picture'")
    assert "20" not in shown.text("#pad-words")
    assert shown("#pad-bars li").count() == 3
    subject = page.site.main.subject
    shown("#pad-examples [aria-label='Next example']").click()
    shown.until("document.getElementById('pad-truth').textContent.startsWith('It is class')")
    x, y = subject.example("test", 1)
    assert shown.text("#pad-truth") == f"It is class {y[0]}."
    assert shown.text("#pad-answer") == str(int(np.argmax(np.asarray(subject.model(x)))))
    shown.draw("#pad", [(0.1, 0.1), (0.2, 0.1)])
    shown.until("document.getElementById('pad-truth').textContent.trim() === ''")
    grey = shown.page.evaluate(
        """() => [...document.getElementById("pad-seen").getContext("2d").getImageData(0, 0, 8, 8).data]"""
    )
    pixels = np.array(grey).reshape(8, 8, 4)[:, :, 0]
    assert pixels[:2, :3].max() > 100
    assert pixels[3:].max() == 0


def test_the_map_of_answers_is_read_and_its_axis_seen(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "function")
    page.page.set_viewport_size({"width": 1280, "height": 720})
    page("#function-stage canvas").wait_for()
    page.settle()
    box = page("#function-stage").bounding_box()
    assert box["y"] + box["height"] <= 720
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lines = page.text("#function-stage .tip").split("\n")
    assert lines[0].startswith("x ")
    assert [line.split(":")[0] for line in sorted(lines[1:])] == ["class 0", "class 1"]
    assert sum(float(line.split(": ")[1].removesuffix(" %")) for line in lines[1:]) == pytest.approx(100, abs=0.2)


def test_several_targets_are_no_function_to_ask(tab: Callable[..., Tab]) -> None:
    """It is said in the view, with no empty fields and no refused request."""
    x = np.linspace(-1, 1, 30, dtype=np.float32).reshape(10, 3)
    model = nn.Linear(3, 1)
    run = schuss.fit(
        model, (x, (x[:, :1], x[:, 1:2])), loss=lambda p, y: ((p - y[0]) ** 2 + (p - y[1]) ** 2).mean(),
        optimizer=optim.SGD(lr=0.1), epochs=2, backend="reference", record=True,
    )  # fmt: skip
    page = schuss.watch(run, open=False)
    shown = tab(page.address, "function")
    shown("#function-none").wait_for()
    assert "was trained on 2 targets" in shown.text("#function-none")
    assert shown("#function-numbers").is_hidden()
    page.close()


def saved(page: Tab, host: str, kind: str, folder: Path) -> bytes:
    """What a picture's button gives."""
    page(host).hover()
    with page.page.expect_download() as download:
        page(f"{host} .saves >> text={kind}").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == f".{kind.lower()}"
    return file.read_bytes()


def columns_of(csv: bytes) -> dict[str, list[str]]:
    head, *rows = [line.split(",") for line in csv.decode().splitlines()]
    return dict(zip(head, map(list, zip(*rows, strict=True)), strict=True))


def test_pictures_and_their_numbers_can_be_saved(small: Small, tab: Callable[..., Tab], tmp_path: Path) -> None:
    page = tab(small.page.address)
    page.until("document.getElementById('loss-legend').textContent !== ''")
    chart = Image.open(io.BytesIO(saved(page, "#loss-chart", "PNG", tmp_path)))
    seen = page("#loss-chart canvas").bounding_box()
    assert chart.format == "PNG"
    assert chart.width == seen["width"]
    assert chart.height > seen["height"], "no room for what the lines mean"
    svg = ElementTree.fromstring(saved(page, "#loss-chart", "SVG", tmp_path))
    assert next(svg.iter("{http://www.w3.org/2000/svg}text")).text == "Training"
    chart = columns_of(saved(page, "#loss-chart", "CSV", tmp_path))
    assert list(chart) == ["line", "epoch", "loss", "lowest", "highest"]
    assert chart["line"][0] == "Training"
    page("#tab-graph").click()
    page("#picture svg .op").first.wait_for()
    with page.page.expect_download() as download:
        page("#graph-save").click()
    assert Path(download.value.path()).read_bytes().startswith(b"<svg")


def test_a_map_of_answers_is_saved_as_svg_and_as_numbers(small: Small, tab: Callable[..., Tab], tmp_path: Path) -> None:
    page = tab(small.page.address, "function")
    page("#function-stage canvas").wait_for()
    page.settle()
    answers = columns_of(saved(page, "#function-stage", "CSV", tmp_path))
    assert list(answers) == ["x", "y", "class 1"]
    at = np.array([[float(v) for v in answers[name]] for name in answers])
    assert len(set(at[0])) * len(set(at[1])) == at.shape[1]
    picked = at.T[[7, at.shape[1] // 2, -5]]
    expected = schuss.predict_proba(small.model, picked[:, :2].astype(np.float32))[:, 1]
    assert picked[:, 2] == pytest.approx(expected, abs=2e-3)
    svg = saved(page, "#function-stage", "SVG", tmp_path)
    root = ElementTree.fromstring(svg)
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    picture = page("#function-stage canvas").bounding_box()
    assert float(root.get("width", 0)) == picture["width"]
    assert float(root.get("height", 0)) > picture["height"]
    assert words[:2] == ["class 0", "class 1"]  # what the colours mean
    assert len(words) >= 8  # the ticks of both axes
    assert svg.count(b"<image") == 1
    viewer = page.page.context.new_page()  # the file by itself, without the page
    viewer.set_content(svg.decode())
    shown = Image.open(io.BytesIO(viewer.locator("svg").screenshot())).convert("RGB")
    assert len(shown.getcolors(1 << 20) or []) > 500


def test_each_group_of_parameters_has_its_rate_with_a_legend(tab: Callable[..., Tab], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 3)).astype("f4"), np.arange(24) % 2
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    slow = optim.Group("0", name="body", lr=optim.Exponential(0.01, 0.9))
    run = schuss.fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(0.1, groups=[slow]), epochs=4,
                     batch_size=8, record=1e-5)  # fmt: skip
    with contextlib.closing(schuss.watch(run, open=False)) as watched:
        page = tab(watched.address)
        page("#rates-card").wait_for()
        assert page("#rates-legend span").all_inner_texts() == ["Main", "body"]
        keys = page.page.eval_on_selector_all("#rates-legend i", "all => all.map((i) => i.style.cssText)")
        assert len(set(keys)) == 2
        page.until("document.getElementById('rates-chart').querySelector('canvas').ariaLabel.includes('body 0.00')")
        rates = columns_of(saved(page, "#rates-chart", "CSV", tmp_path))
        at = [float(v) for name, v in zip(rates["line"], rates["learning rate"], strict=True) if name == "body"]
        assert at == pytest.approx([m.rates["lr/body"] for m in run.path])


def test_back_returns_to_the_view_before(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address)
    page("#tab-graph").click()
    page("#tab-mountain").click()
    page.page.go_back()
    assert page("#view-graph").is_visible()
    page.page.go_back()
    assert page("#view-run").is_visible()
    page.page.go_forward()
    assert page("#view-graph").is_visible()


def test_a_long_step_is_not_cut_off(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address)
    page.tell("hello", model="2-2", mode="train", controls=True, state={"paused": True, "step": 123456})
    assert page.text("#status-text") == "Paused · 123,456"
    assert page.page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.getElementById('status-text'))") <= 0


# -- pleasant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", [False, True])
def test_nothing_is_wider_than_the_screen(paused: str, tab: Callable[..., Tab], phone: bool) -> None:
    page = tab(paused, phone=phone)
    for name in VIEWS:
        page(f"#tab-{name}").click()
        page.settle()
        wide, screen = page.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, name
    small = page.page.evaluate(
        """() => [...document.querySelectorAll(".tabs button, .transport button")].filter((b) => b.offsetParent)
               .filter((b) => b.offsetWidth < 40 || b.offsetHeight < 38).map((b) => b.id)"""
    )
    assert small == []


def test_keyboard_alone(paused: str, tab: Callable[..., Tab]) -> None:
    page = tab(paused)
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
    page("#pad").wait_for()  # what is hidden takes no focus
    page("#pad").focus()
    for key in ["Shift+ArrowRight"] * 8 + ["Shift+ArrowDown"] * 12:
        keys.press(key)
    page.until("document.getElementById('pad-answer').textContent !== '–'")
    keys.press("c")
    assert page.text("#pad-answer") == "–"
    keys.press("1")  # from the pad, too
    assert page("#view-run").is_visible()


@pytest.mark.parametrize(("view", "dark"), thinned(VIEWS, [False, True], by=2))
def test_tab_reaches_everything_and_shows_where_it_is(
    paused: str, tab: Callable[..., Tab], view: str, dark: bool
) -> None:
    page = tab(paused, view, dark=dark)
    page.settle()
    page.page.evaluate("document.getElementById('graph-live').click()")  # or the boxes are others after a while
    page.settle()
    wanted = set(page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [tabindex='0']")]
               .filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex === 0)
               .map((e, i) => (e.dataset.tested = String(i)))"""
    ))  # fmt: skip
    reached, unseen = set(), []
    for _ in range(len(wanted) + 8):
        page.page.keyboard.press("Tab")
        found = page.page.evaluate(WHERE)
        reached.add(found["which"])
        if not found["seen"]:
            unseen.append(found["what"])
    assert wanted <= reached
    assert unseen == []


WHERE = """() => {
  const e = document.activeElement;
  const ring = (x) => x && getComputedStyle(x).outlineStyle !== "none" && getComputedStyle(x).outlineWidth !== "0px";
  const box = e.querySelector(":scope > .box, :scope > .frame");  // of the graph
  const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
  const colour = (c) => { const p = document.createElement("i"); p.style.color = c; document.body.append(p);
                          const found = getComputedStyle(p).color; p.remove(); return found; };
  const drawn = box && getComputedStyle(box).stroke === colour(accent);
  return { which: e.dataset.tested ?? "", what: e.outerHTML.slice(0, 90),
           seen: e === document.body || drawn || ring(e) || ring(e.matches(".switch input") && e.nextElementSibling) };
}"""


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
def test_text_is_readable_in_the_light_and_in_the_dark(paused: str, tab: Callable[..., Tab], dark: bool) -> None:
    """By WCAG 2.2: a contrast of 4.5 or more."""
    page = tab(paused, dark=dark)
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


def test_every_control_has_a_name(paused: str, tab: Callable[..., Tab]) -> None:
    page = tab(paused)
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
